"""Hikvision's plate camera facing the other way: pushes alerts, streams them, obeys ISAPI."""

from datetime import UTC, datetime
from uuid import uuid4

from firmware_bridge.virtual.faults import Fault, whole
from firmware_bridge.virtual.twin_web import Reply, Request, WebTwin, post

STREAM = "/ISAPI/Event/notification/alertStream"
BARRIER = "/ISAPI/Parking/channels/1/barrierGate"
RECOGNISE = "/ISAPI/Traffic/MNPR/channels/1"
XMLNS = "http://www.hikvision.com/ver20/XMLSchema"
STATUS = "<ResponseStatus><statusCode>{}</statusCode></ResponseStatus>"


def alert(
    plate: str, *, pictures: int | None = None, old: bool = False, uuid: str = "", at: datetime | None = None
) -> bytes:
    """The XML of one recognition."""
    announced = "" if pictures is None else f"<picNum>{pictures}</picNum>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><EventNotificationAlert version="2.0" xmlns="{XMLNS}">'
        f"<channelID>1</channelID><dateTime>{(at or datetime.now(UTC)).isoformat()}</dateTime>"
        f"<eventType>ANPR</eventType><eventState>active</eventState><ANPR><licensePlate>{plate or 'noPlate'}"
        f"</licensePlate><confidenceLevel>97</confidenceLevel><plateType>92TypeCivil</plateType>"
        f"<plateColor>blue</plateColor><alarmDataType>{int(old)}</alarmDataType></ANPR>"
        f"<UUID>{uuid or uuid4()}</UUID>{announced}</EventNotificationAlert>"
    ).encode()


def heartbeat() -> bytes:
    """What the stream says when nothing happens."""
    return (
        f'<EventNotificationAlert version="2.0" xmlns="{XMLNS}"><eventType>videoloss</eventType>'
        "<eventState>inactive</eventState></EventNotificationAlert>"
    ).encode()


class HikvisionTwin(WebTwin):
    """One camera. ``raised``: its barrier as it was last told; ``sees``: the plate before it."""

    def __init__(self, user: str = "admin", password: str = "secret-1") -> None:  # noqa: S107
        super().__init__(user, password, "boundary")
        self.raised = False
        self.locked = False  # then it says OK and does nothing (F1)
        self.status = 1  # of its answers to commands
        self.sees = ""

    def parts(self, xml: bytes, photo: bytes | None, crop: bytes | None) -> bytes:
        """An alert and its pictures, as form and stream have them."""
        told = self.part("application/xml", xml, 'form-data; name="anpr.xml"; filename="anpr.xml"')
        for name, picture in (("licensePlatePicture.jpg", crop), ("detectionPicture.jpg", photo)):
            if picture is not None:
                told += self.part("image/jpeg", picture, f'form-data; name="{name}"; filename="{name}"')
        return told

    async def push(
        self,
        url: str,
        xml: bytes,
        photo: bytes | None = None,
        crop: bytes | None = None,
        fault: Fault = whole,
    ) -> Reply | None:
        """Posts an alert once and forgets it, whatever is answered."""
        body = self.parts(xml, photo, crop) + f"--{self.boundary}--\r\n".encode()
        return await post(url, f"multipart/form-data; boundary={self.boundary}", body, fault)

    async def show(self, xml: bytes, photo: bytes | None = None, crop: bytes | None = None) -> None:
        """Sends an alert into the streams."""
        await self.send(self.parts(xml, photo, crop))

    async def beat(self) -> None:
        """Sends a heartbeat into the streams."""
        await self.send(self.part("application/xml", heartbeat()))

    def is_stream(self, target: str) -> bool:
        return target == STREAM

    async def answer(self, request: Request) -> tuple[int, str, bytes]:
        if (request.method, request.target) == ("PUT", BARRIER):
            if not self.locked and self.status == 1:
                self.raised = b"<ctrlMode>open</ctrlMode>" in request.body
            return 200, "application/xml", STATUS.format(self.status).encode()
        if (request.method, request.target) == ("GET", RECOGNISE):
            await self.show(alert(self.sees))
            return 200, "application/xml", alert("浙A00000")  # the last one, not the one that was asked for
        return 404, "text/plain", b""

"""Dahua's plate camera facing the other way: a stream of texts and pictures, a strobe that opens."""

from datetime import UTC, datetime

from firmware_bridge.virtual.twin_web import Request, WebTwin

STREAM = "/cgi-bin/snapManager.cgi?"
TRAFFIC = "/cgi-bin/trafficSnap.cgi?action="


def text(
    plate: str,
    number: int,
    *,
    at: datetime | None = None,
    index: int = 1,
    count: int = 0,
    colour: str = "Blue",
) -> bytes:
    """The lines of one event; ``count``: pictures of its group, each with lines of its own."""
    moment = at or datetime.now(UTC)
    lines = [
        "EventBaseInfo.Code=TrafficJunction",
        "EventBaseInfo.Action=Pulse",
        f"EventID={number}",
        f"UTC={int(moment.timestamp())}",
        f"UTCMS={moment.microsecond // 1000}",
        "Object.Confidence=97",
        "Object.ObjectType=Plate",
        f"TrafficCar.PlateNumber={plate}",
        f"TrafficCar.PlateColor={colour}",
        "TrafficCar.Lane=0",
    ]
    if count:
        lines += [f"GroupID={number}", f"CountInGroup={count}", f"IndexInGroup={index}"]
    return "".join(f"Events[0].{line}\r\n" for line in lines).encode()


class DahuaTwin(WebTwin):
    """One camera. ``opened``: how often its strobe was opened; ``sees``: the plate before it."""

    def __init__(self, user: str = "admin", password: str = "secret-1") -> None:  # noqa: S107
        super().__init__(user, password, "myboundary")
        self.opened = 0
        self.sees = ""
        self.number = 0

    async def show(self, lines: bytes, *pictures: bytes) -> None:
        """Sends an event and its pictures into the streams."""
        shown = self.part("text/plain", lines)
        await self.send(shown + b"".join(self.part("image/jpeg", picture) for picture in pictures))

    async def beat(self) -> None:
        """Sends a heartbeat into the streams."""
        await self.send(self.part("text/plain", b"Heartbeat"))

    def is_stream(self, target: str) -> bool:
        return target.startswith(STREAM)

    async def answer(self, request: Request) -> tuple[int, str, bytes]:
        if request.target.startswith(f"{TRAFFIC}openStrobe"):
            self.opened += 1
            return 200, "text/plain", b"OK"
        if request.target.startswith(f"{TRAFFIC}manSnap"):
            self.number += 1
            await self.show(text(self.sees, self.number))
            return 200, "text/plain", b"OK"
        return 404, "text/plain", b""

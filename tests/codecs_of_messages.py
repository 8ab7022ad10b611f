"""Cases of codecs that read one whole message: of MQTT, of HTTP, of a result file."""

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from firmware_bridge import mixed
from firmware_bridge.device import Act, Capture, Push
from firmware_bridge.devices import dahua, fields, hikvision, hikvision_push, pda, vzenith, vzenith_http
from firmware_bridge.devices.fields import FieldMap
from firmware_bridge.devices.topics import Unreadable
from lanes.record import OutlineMeasured, RoadTested, Tread, TyresMeasured
from tests.codec_contract import Message

SN = "aaaa0000-bbbb0001"
PHOTO = b"\xff\xd8 a photo of the whole scene \xff\xd9"
CROP = b"\xff\xd8 crop \xff\xd9"
TAKEN_AT = datetime(2026, 7, 23, 1, 15, 2, 120000, tzinfo=UTC)
COMMON: dict[str, Any] = {"lane": "lane-1", "station": "outline", "device": "gauge"}


def coded(raw: bytes) -> str:
    """Base64."""
    return base64.b64encode(raw).decode()


def fits_a_record(capture: Capture) -> str:
    """Why a capture could not be told; empty: it can."""
    wrong = {
        "key": not 1 <= len(capture.key) <= 200,
        "plate_text": len(capture.plate_text) > 20,
        "confidence_pct": not 0 <= capture.confidence_pct <= 100,
        "taken_at": capture.taken_at is not None and capture.taken_at.tzinfo is None,
    }
    return ", ".join(name for name, on in wrong.items() if on)


def capture_of(key: str, plate_type: str = "green_small", **more: Any) -> Capture:
    """What each maker's golden message says, in its own spelling."""
    told = {"plate_text": "苏AD12345", "confidence_pct": 97, "photo": PHOTO, "crop": CROP, **more}
    return Capture(key=key, plate_type=plate_type, taken_at=TAKEN_AT, **told)


CAMERA = partial(Message, refuses=(Unreadable,), sane=fits_a_record)

# ---- Vzenith: domain facts 7.1, 7.2 --------------------------------------------------------------

RESULT: dict[str, Any] = {
    "confidence": 97,
    "type": 11,
    "colorType": 5,
    "timeStamp": {"Timeval": {"sec": 1784769302, "usec": 120000}},
    "plateid": 1402,
    "isoffline": 0,
}
OVER_MQTT = {
    "license": coded("苏AD12345".encode()),
    "full_image_content": coded(PHOTO),
    "small_image_content": coded(CROP),
}
OVER_HTTP = {"license": "苏AD12345", "imageFile": coded(PHOTO), "imageFragmentFile": coded(CROP)}
IVS_RESULT: dict[str, Any] = {
    "id": "c0ffee01",
    "sn": SN,
    "name": "ivs_result",
    "payload": {"AlarmInfoPlate": {"channel": 0, "result": {"PlateResult": RESULT | OVER_MQTT}}},
}
ALARM: dict[str, Any] = {
    "AlarmInfoPlate": {"serialno": SN, "result": {"PlateResult": RESULT | OVER_HTTP}},
}
VZENITH_KEY = f"{SN}/1784769302.120000/1402"


def vzenith_pushed(payload: bytes) -> Capture:
    """The capture of a push."""
    read = vzenith_http.read_push(SN, payload)
    if read is None:
        raise Unreadable("a sign of life")
    return read[0]


# ---- Hikvision and Dahua: domain facts 7.3, 7.4 --------------------------------------------------

ALERT = """<EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">
<channelID>1</channelID><dateTime>2026-07-23T09:15:02.120+08:00</dateTime><eventType>ANPR</eventType>
<ANPR><licensePlate>苏AD12345</licensePlate><confidenceLevel>97</confidenceLevel>
<plateType>newEnergySmall</plateType><plateColor>green</plateColor></ANPR>
<UUID>00000000-0000-4000-8000-000000000001</UUID></EventNotificationAlert>""".encode()
ALERT_KEY = "00000000-0000-4000-8000-000000000001/2026-07-23T09:15:02.120+08:00"
LINES = "".join(
    f"Events[0].{line}\r\n"
    for line in (
        "EventBaseInfo.Code=TrafficJunction",
        "EventID=7",
        "UTC=1784769302",
        "UTCMS=120",
        "Object.Confidence=97",
        "TrafficCar.PlateNumber=苏AD12345",
        "TrafficCar.PlateType=NewEnergySmall",
    )
).encode()


def multipart(*parts: tuple[str, bytes], boundary: str = "b7") -> bytes:
    """A whole body."""
    told = b"".join(
        f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
        + b"\r\n"
        for kind, body in parts
    )
    return told + f"--{boundary}--\r\n".encode()


def alert(xml: bytes) -> Capture:
    """The capture of an alert without pictures."""
    read = hikvision.read_alert(xml)
    if read is None:
        raise Unreadable("a sign of life")
    return read.capture


def pushed(body: bytes) -> Capture:
    """The first capture of a posted form."""
    push = Push(
        path="/", peer="192.0.2.12", content_type="multipart/form-data; boundary=b7", body=body, size_bytes=1
    )
    return first(hikvision.captures(hikvision_push.read_parts(push)))


def first(found: list[Capture]) -> Capture:
    """The first capture; raises Unreadable."""
    if not found:
        raise Unreadable("no capture")
    return found[0]


def streamed(body: bytes) -> Capture:
    """The capture of a stretch of Dahua's stream."""
    parser = mixed.Mixed("b7")
    parts = parser.feed(body)
    begins = [each for each in parts if not dahua.is_picture(each) and dahua.event(each) is not None]
    pictures = [each for each in parts if dahua.is_picture(each)]
    if not begins or len(pictures) != 2 or parser.skipped:
        raise Unreadable("no event with its pictures")
    return first(dahua.captures([begins[0], *pictures]))


CAMERAS = (
    CAMERA(
        name="vzenith-mqtt",
        kinds=("vzenith-mqtt",),
        read=partial(vzenith.read_capture, SN),
        golden=((json.dumps(IVS_RESULT).encode(), capture_of(VZENITH_KEY)),),
    ),
    CAMERA(
        name="vzenith-http",
        kinds=("vzenith-http",),
        read=vzenith_pushed,
        golden=((json.dumps(ALARM, ensure_ascii=False).encode(), capture_of(VZENITH_KEY)),),
    ),
    CAMERA(
        name="hikvision-alert",
        kinds=("hikvision-push", "hikvision-stream"),
        read=alert,
        golden=((ALERT, capture_of(ALERT_KEY, photo=None, crop=None)),),
    ),
    CAMERA(
        name="hikvision-form",
        kinds=("hikvision-push",),
        read=pushed,
        whole=False,  # its last boundary may be missing when the size of each part is told
        golden=(
            (
                multipart(("application/xml", ALERT), ("image/jpeg", PHOTO), ("image/jpeg", CROP)),
                capture_of(ALERT_KEY),
            ),
        ),
    ),
    CAMERA(
        name="dahua-event",
        kinds=("dahua-stream",),
        read=streamed,
        golden=(
            (
                multipart(("text/plain", LINES), ("image/jpeg", PHOTO), ("image/jpeg", CROP)),
                capture_of("1784769302.120/7"),
            ),
        ),
    ),
)

# ---- PDAs ----------------------------------------------------------------------------------------

ACT: dict[str, Any] = {
    "key": "key-1",
    "inspection": "i1",
    "officer": "o1",
    "act": {"kind": "checked", "item": "1", "result": "pass"},
}
PDA = Message(
    name="pda-mqtt",
    kinds=("pda-mqtt",),
    read=partial(pda.read_act, "pda-7"),
    refuses=(Unreadable,),
    golden=(
        (json.dumps(ACT).encode(), Act(key="key-1", pda="pda-7", fields=ACT)),
        (
            json.dumps(ACT | {"photo_base64": coded(PHOTO)}).encode(),
            Act(key="key-1", pda="pda-7", fields=ACT, photo=PHOTO),
        ),
    ),
    sane=lambda act: "" if 1 <= len(act.key) <= 120 else "key",
)

# ---- results as text: the layouts are ours -------------------------------------------------------

SIZES = OutlineMeasured(**COMMON, item="M1", length_mm=4625, width_mm=1802, height_mm=1478)
NAMES = {"length_mm": "L", "width_mm": "W", "height_mm": "H"}


def result(name: str, data: bytes, settings: FieldMap, *, whole: bool = False) -> Message:
    """A form of an outline gauge's results."""
    return Message(
        name=f"fields-{name}",
        kinds=("outline-file", "outline-tcp", "road-file", "tread-line"),
        read=lambda raw: fields.read(raw, fields.OUTLINE, settings, COMMON | {"item": "M1"}),
        refuses=(fields.Unreadable,),
        golden=((data, SIZES),),
        whole=whole,
    )


ROAD = FieldMap(form="ini", fields={"initial_kmh": "t.V0", "mfdd_m_per_s2": "t.MFDD"})
TREAD = FieldMap(form="pairs", fields={"1.left": "L1", "1.right": "R1"})
RESULTS = (
    result(
        "xml",
        b'<R xmlns="urn:x"><Size h="1478"><L>4625</L><W>1802</W></Size></R>',
        FieldMap(form="xml", fields={"length_mm": "Size/L", "width_mm": "Size/W", "height_mm": "Size/@h"}),
        whole=True,
    ),
    result(
        "csv",
        b"\xef\xbb\xbfname;L;W;H\r\nA;4625;1802;1478.2\r\n",
        FieldMap(form="csv", fields=NAMES, delimiter=";"),
    ),
    result(
        "ini",
        b"[o]\r\nL=4625\r\nW=1802\r\nH=1478\r\n",
        FieldMap(form="ini", fields={k: f"o.{v}" for k, v in NAMES.items()}),
    ),
    result("pairs", b"L=4625, W=1802 ,H=+1478", FieldMap(form="pairs", fields=NAMES)),
    Message(
        name="fields-road",
        kinds=("road-file",),
        read=lambda raw: fields.read(raw, fields.ROAD, ROAD, COMMON | {"item": "R1"}),
        refuses=(fields.Unreadable,),
        golden=(
            (
                b"[t]\nV0=51.3\nMFDD=6.42\n",
                RoadTested(**COMMON, item="R1", initial_kmh=Decimal("51.3"), mfdd_m_per_s2=Decimal("6.42")),
            ),
        ),
        whole=False,
    ),
    Message(
        name="fields-tread",
        kinds=("tread-line",),
        read=lambda raw: fields.read(raw, fields.TREADS, TREAD, COMMON | {"item": "T1"}),
        refuses=(fields.Unreadable,),
        golden=(
            (
                b"L1=4.5,R1=4.4",
                TyresMeasured(
                    **COMMON,
                    item="T1",
                    treads=(
                        Tread(axle=1, wheel="left", depth_mm=Decimal("4.5")),
                        Tread(axle=1, wheel="right", depth_mm=Decimal("4.4")),
                    ),
                ),
            ),
        ),
        whole=False,
    ),
)

MESSAGES: tuple[Message, ...] = (*CAMERAS, PDA, *RESULTS)

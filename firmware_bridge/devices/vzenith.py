"""Plate cameras of 臻识 (Vzenith) over MQTT, "custom MQTT protocol" v1.1.14 (domain facts 7.1, 7.2: F)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.device import Capture
from firmware_bridge.devices.topics import TopicDevice, Unreadable, read_json
from firmware_bridge.mqtt import Broker

RHYTHM_S = 30.0  # keep_alive comes every 10 s (F); three missed are silence

# PlateResult.type (F: several public integrations)
PLATE_TYPES: Mapping[int, str] = {
    0: "unknown",
    1: "blue",
    2: "black",
    3: "yellow_single",
    4: "yellow_double",
    5: "police",
    6: "armed_police",
    7: "armed_police_double",
    8: "military_single",
    9: "military_double",
    10: "personal",
    11: "green_small",
    12: "green_large",
    13: "embassy",
    14: "consulate",
    15: "civil_aviation",
    16: "emergency",
}
# PlateResult.colorType (F), used where type is missing or unknown
COLOURS: Mapping[int, str] = {
    0: "unknown",
    1: "blue",
    2: "yellow",
    3: "white",
    4: "black",
    5: "green",
    6: "yellow_green",
}
NO_PLATE = frozenset({"", "_无_"})


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera: the broker it publishes to and its serial number."""

    sn: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{4,64}$")]
    broker: Annotated[str, Meta(min_length=1)] = "main"
    simulated: bool = False


Number = Annotated[
    int, Meta(ge=-(2**63), le=2**63 - 1)
]  # JSON knows no bounds, a record's key has 200 characters


class _Timeval(Struct):
    sec: Number
    usec: Number = 0


class _Stamp(Struct):
    Timeval: _Timeval


class _PlateResult(Struct):
    license: str
    confidence: int = 0
    type: int = 0
    colorType: int = 0
    full_image_content: str = ""
    small_image_content: str = ""
    timeStamp: _Stamp | None = None
    plateid: Number | None = None
    isoffline: int = 0


class _Result(Struct):
    PlateResult: _PlateResult


class _Alarm(Struct):
    result: _Result


class _Payload(Struct):
    AlarmInfoPlate: _Alarm


class _Message(Struct):
    name: str
    payload: _Payload
    id: str = ""
    sn: str = ""


def filters(sn: str) -> tuple[str, str]:
    """Topics of one camera: today's layout and that of older firmware (F)."""
    return f"device/{sn}/message/up/+", f"{sn}/device/message/up/+"


def strip(payload: bytes) -> bytes:
    """Payload without the one zero byte that some firmware puts before keep_alive (F)."""
    return payload[1:] if payload.startswith(b"\x00") else payload


def read_capture(sn: str, payload: bytes) -> Capture:
    """Capture of an ``ivs_result``; raises Unreadable."""
    message = read_json("ivs_result", strip(payload), _Message, strict=False)
    if message.sn not in ("", sn):
        raise Unreadable(f"ivs_result: sn {message.sn[:64]!r} came on the topic of {sn!r}")
    plate = message.payload.AlarmInfoPlate.result.PlateResult
    return Capture(
        key=_key(sn, message.id, plate, payload),
        plate_text=_plate_text(plate.license),
        plate_type=_plate_type(plate),
        confidence_pct=max(0, min(100, plate.confidence)),
        photo=_image("full_image_content", plate.full_image_content),
        crop=_image("small_image_content", plate.small_image_content),
        taken_at=_taken_at(plate.timeStamp),
        replayed=plate.isoffline != 0,
    )


def _key(sn: str, identifier: str, plate: _PlateResult, payload: bytes) -> str:
    """Stable over re-sends: what belongs to the event itself, not to its sending.

    ``plateid`` begins anew when the camera restarts, so it only counts beside the event's own time.
    """
    if plate.timeStamp is not None:
        moment = plate.timeStamp.Timeval
        return f"{sn}/{moment.sec}.{moment.usec:06d}/{'' if plate.plateid is None else plate.plateid}"
    if identifier:
        return f"{sn}/id/{identifier[:100]}"
    return f"{sn}/sha256/{hashlib.sha256(payload).hexdigest()}"


def _plate_text(coded: str) -> str:
    try:
        text = _base64("license", coded).decode()
    except UnicodeDecodeError as wrong:
        raise Unreadable(f"license: {wrong}") from wrong
    text = "".join(text.split()).replace("·", "")
    if len(text) > 20:
        raise Unreadable(f"license: {len(text)} characters, no plate has more than 20")
    return "" if text in NO_PLATE else text


def _plate_type(plate: _PlateResult) -> str:
    kind = PLATE_TYPES.get(plate.type, "unknown")
    return COLOURS.get(plate.colorType, "unknown") if kind == "unknown" else kind


def _image(field: str, coded: str) -> bytes | None:
    return _base64(field, coded) or None


def _base64(field: str, coded: str) -> bytes:
    try:
        return base64.b64decode("".join(coded.split()), validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise Unreadable(f"{field}: not base64 ({wrong})") from wrong


def _taken_at(stamp: _Stamp | None) -> datetime | None:
    if stamp is None:
        return None
    try:
        return datetime.fromtimestamp(stamp.Timeval.sec, UTC).replace(
            microsecond=stamp.Timeval.usec % 1_000_000
        )
    except (ValueError, OverflowError, OSError) as wrong:
        raise Unreadable(f"timeStamp: {stamp.Timeval.sec} s is no time ({wrong})") from wrong


class Vzenith(TopicDevice):
    """One camera on a broker. A vehicle reported twice stays two captures; the caller tells them apart."""

    def __init__(self, name: str, config: Config, broker: Broker) -> None:
        source = f"mqtt://{config.sn}"
        super().__init__(name, f"virtual+{source}" if config.simulated else source, broker, RHYTHM_S)
        self._sn = config.sn
        broker.route(filters(config.sn), self)

    async def heard(self, topic: str, payload: bytes) -> None:
        """A plate result is told; everything else (keep_alive, gpio_in …) is a sign of life."""
        if topic.rpartition("/")[2] != "ivs_result":
            await self.alive()
            return
        try:
            capture = read_capture(self._sn, payload)
        except Unreadable as wrong:
            await self.unreadable(topic, payload, str(wrong))
        else:
            await self.say(capture)

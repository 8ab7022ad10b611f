"""What 臻识 (Vzenith) has in common over MQTT and HTTP: plate results, relays (domain facts 7.1, 7.2: F)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.device import Capture, CommandError
from firmware_bridge.devices.plates import plate_text
from firmware_bridge.devices.topics import Unreadable

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
PULSE = 2  # value of an output: on, then off after ``delay`` ms (F)
SERIAL_NUMBER = r"^[A-Za-z0-9_-]{4,64}$"

Number = Annotated[
    int, Meta(ge=-(2**63), le=2**63 - 1)
]  # JSON knows no bounds, a record's key has 200 characters


class Relays(Struct, frozen=True, kw_only=True):
    """Outputs of the camera that its barrier is wired to."""

    raise_io: Annotated[int, Meta(ge=0, le=3)] | None = None
    lower_io: Annotated[int, Meta(ge=0, le=3)] | None = None
    pulse_ms: Annotated[int, Meta(ge=100, le=5000)] = 500

    def pulse(self, name: str, raised: bool) -> dict[str, int]:
        """Fields of the command that raises or lowers; raises CommandError where no output is named."""
        key, output = ("raise_io", self.raise_io) if raised else ("lower_io", self.lower_io)
        if output is None:
            raise CommandError(f"{name}: no relay for it; name it in the device's table ({key})")
        return {"io": output, "value": PULSE, "delay": self.pulse_ms}


class Timeval(Struct):
    """Seconds since 1970 by the camera's own clock."""

    sec: Number
    usec: Number = 0


class Stamp(Struct):
    """When the frame was taken."""

    Timeval: Timeval


class PlateResult(Struct):
    """One recognition. Pictures have one pair of names over MQTT and another over HTTP."""

    license: str
    confidence: int = 0
    type: int = 0
    colorType: int = 0
    full_image_content: str = ""
    small_image_content: str = ""
    imageFile: str = ""
    imageFragmentFile: str = ""
    timeStamp: Stamp | None = None
    plateid: Number | None = None
    isoffline: int = 0


def to_capture(sn: str, plate: PlateResult, text: str, identifier: str, payload: bytes) -> Capture:
    """Capture of a result whose plate reads ``text``; raises Unreadable."""
    return Capture(
        key=_key(sn, identifier, plate, payload),
        plate_text=plate_text("license", text),
        plate_type=_plate_type(plate),
        confidence_pct=max(0, min(100, plate.confidence)),
        photo=_image("full_image_content", plate.full_image_content) or _image("imageFile", plate.imageFile),
        crop=_image("small_image_content", plate.small_image_content)
        or _image("imageFragmentFile", plate.imageFragmentFile),
        taken_at=_taken_at(plate.timeStamp),
        replayed=plate.isoffline != 0,
    )


def _key(sn: str, identifier: str, plate: PlateResult, payload: bytes) -> str:
    """Stable over re-sends: what belongs to the event itself, not to its sending.

    ``plateid`` begins anew when the camera restarts, so it only counts beside the event's own time.
    """
    if plate.timeStamp is not None:
        moment = plate.timeStamp.Timeval
        return f"{sn}/{moment.sec}.{moment.usec:06d}/{'' if plate.plateid is None else plate.plateid}"
    if identifier:
        return f"{sn}/id/{identifier[:100]}"
    return f"{sn}/sha256/{hashlib.sha256(payload).hexdigest()}"


def _plate_type(plate: PlateResult) -> str:
    kind = PLATE_TYPES.get(plate.type, "unknown")
    return COLOURS.get(plate.colorType, "unknown") if kind == "unknown" else kind


def _image(field: str, coded: str) -> bytes | None:
    return from_base64(field, coded) or None


def from_base64(field: str, coded: str) -> bytes:
    """The bytes of a base64 field; raises Unreadable."""
    try:
        return base64.b64decode("".join(coded.split()), validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise Unreadable(f"{field}: not base64 ({wrong})") from wrong


def _taken_at(stamp: Stamp | None) -> datetime | None:
    if stamp is None:
        return None
    try:
        return datetime.fromtimestamp(stamp.Timeval.sec, UTC).replace(
            microsecond=stamp.Timeval.usec % 1_000_000
        )
    except (ValueError, OverflowError, OSError) as wrong:
        raise Unreadable(f"timeStamp: {stamp.Timeval.sec} s is no time ({wrong})") from wrong

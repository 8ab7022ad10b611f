"""Dahua plate cameras: ``snapManager.cgi``, a stream of ``key=value`` events and their pictures.

Domain facts 7.4 have the names (F). That a picture follows the text of its event, that a group may have a
text for each picture, and the heartbeat are from several public programs (F); the rest has its own marks.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from firmware_bridge.device import Capture, CommandError
from firmware_bridge.devices.login import Login, command
from firmware_bridge.devices.plates import by_size, plate_text
from firmware_bridge.devices.stream import Codec, StreamDevice, is_picture
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.mixed import Part

PATH = "/cgi-bin/snapManager.cgi?action=attachFileProc&Flags[0]=Event&Events=[TrafficJunction]&heartbeat=5"
RHYTHM_S = 30.0  # heartbeat=5 asks for one every 5 s (F); six missed are silence
OPEN = "/cgi-bin/trafficSnap.cgi?action=openStrobe&channel={}&info.openType=Normal"  # F
SNAP = "/cgi-bin/trafficSnap.cgi?action=manSnap&channel={}"  # F1
CODE = "TrafficJunction"
# TrafficCar.PlateType (M), where it says more than a colour
PLATE_TYPES: Mapping[str, str] = {
    "yellow": "yellow_single",
    "doubleyellow": "yellow_double",
    "police": "police",
    "armed": "armed_police",
    "military": "military_single",
    "doublemilitary": "military_double",
    "personal": "personal",
    "embassy": "embassy",
    "civilaviation": "civil_aviation",
    "newenergysmall": "green_small",
    "newenergylarge": "green_large",
}
# TrafficCar.PlateColor: Blue Yellow White Black (F), the green ones (M)
COLOURS: Mapping[str, str] = {
    "blue": "blue",
    "yellow": "yellow",
    "white": "white",
    "black": "black",
    "green": "green",
    "gradientgreen": "green",
    "yellowgreen": "yellow_green",
}
_LINE = re.compile(r"^(?:Return)?Events\[0\]\.([\w.\[\]]{1,120})=(.*)$", re.MULTILINE)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera; ``ahead_min``: its "UTC" is ahead by so much (some firmware counts local time: F1)."""

    login: Login
    channel: Annotated[int, Meta(ge=1, le=64)] = 1
    silence_s: Annotated[int, Meta(ge=5, le=3600)] = 30
    ahead_min: Annotated[int, Meta(ge=-840, le=840)] = 0
    simulated: bool = False


def read_fields(body: bytes) -> dict[str, str]:
    """``Events[0].NAME=value`` lines of an event; raises Unreadable."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        try:
            text = body.decode("gb18030")  # older firmware (M)
        except UnicodeDecodeError as wrong:
            raise Unreadable(f"event: neither UTF-8 nor GB 18030: {wrong}") from wrong
    return {name: value.strip() for name, value in _LINE.findall(text.replace("\r\n", "\n"))}


def group_of(fields: Mapping[str, str]) -> str:
    """What the texts of one event share: its moment and its number, else its plate."""
    names = ("GroupID", "EventID", "TrafficCar.RecNo", "TrafficCar.PlateNumber")
    number = next((fields[name] for name in names if fields.get(name)), "")
    return f"{fields.get('UTC', '')}.{fields.get('UTCMS', '0')}/{number}"[:150]


def event(part: Part) -> tuple[str, int | None] | None:
    """The event that a part begins; None: a heartbeat, or an event of another code. Raises Unreadable."""
    if part.body.strip().lower() == b"heartbeat":
        return None
    fields = read_fields(part.body)
    if not fields:
        raise Unreadable("event: no line Events[0].NAME=value")
    if fields.get("EventBaseInfo.Code", fields.get("Code")) != CODE:
        return None
    announced = fields.get("CountInGroup", "")
    return group_of(fields), int(announced) if re.fullmatch(r"[1-6]", announced) else None


def read_event(fields: Mapping[str, str], ahead_min: int) -> Capture:
    """Capture of an event, without pictures; raises Unreadable."""
    plate = fields.get("TrafficCar.PlateNumber", fields.get("Object.Text"))
    if plate is None or "UTC" not in fields:
        raise Unreadable("event: TrafficCar.PlateNumber or UTC is missing")
    confidence = fields.get("Object.Confidence", "")
    return Capture(
        key=group_of(fields),
        plate_text=plate_text("PlateNumber", plate),
        plate_type=_plate_type(fields),
        confidence_pct=min(100, int(confidence)) if re.fullmatch(r"[0-9]{1,3}", confidence) else 0,
        taken_at=_taken_at(fields["UTC"], fields.get("UTCMS", "0"), ahead_min),
    )


def _plate_type(fields: Mapping[str, str]) -> str:
    kind = PLATE_TYPES.get(fields.get("TrafficCar.PlateType", "").lower())
    return kind or COLOURS.get(fields.get("TrafficCar.PlateColor", "").lower(), "unknown")


def _taken_at(seconds: str, milliseconds: str, ahead_min: int) -> datetime:
    try:
        moment = datetime.fromtimestamp(int(seconds), UTC)
        return moment - timedelta(minutes=ahead_min) + timedelta(milliseconds=int(milliseconds) % 1000)
    except (ValueError, OverflowError, OSError) as wrong:
        raise Unreadable(f"UTC: {seconds[:20]!r} is no time ({wrong})") from wrong


def captures(parts: Sequence[Part], ahead_min: int = 0) -> list[Capture]:
    """The one capture of an event's texts and pictures; raises Unreadable."""
    texts = [part for part in parts if not is_picture(part)]
    photo, crop = by_size([part.body for part in parts if is_picture(part)])
    return [replace(read_event(read_fields(texts[0].body), ahead_min), photo=photo, crop=crop)]


class DahuaStream(StreamDevice):
    """One camera whose stream of snapshots is read."""

    def __init__(self, name: str, config: Config) -> None:
        source = f"virtual+http://{name}" if config.simulated else f"http://{name}"
        codec = Codec(
            event=event,
            captures=lambda parts: captures(parts, config.ahead_min),
            boundary="myboundary",
        )
        super().__init__(name, source, config.login.web(), PATH, codec, config.silence_s)
        self._channel = config.channel

    async def trigger(self) -> None:
        """Lets it recognise what it sees now (F1); raises CommandError."""
        await command(self.name, self.web, "GET", SNAP.format(self._channel))

    async def gate(self, raised: bool) -> None:
        """Raises the barrier wired to it; raises CommandError, also where it should be lowered."""
        if not raised:
            raise CommandError(f"{self.name}: the maker's way to lower a barrier is not known here")
        await command(self.name, self.web, "GET", OPEN.format(self._channel))

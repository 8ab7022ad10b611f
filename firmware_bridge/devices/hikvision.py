"""Hikvision's ISAPI as plate cameras speak it: the alert and its pictures, and commands (domain facts 7.3).

Values of fields: the maker's own description of ``EventNotificationAlert``, found in several programs (F).
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import Struct
from msgspec.structs import replace

from firmware_bridge.device import Capture, CommandError
from firmware_bridge.devices.login import command
from firmware_bridge.devices.plates import by_size, plate_text
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.mixed import Part
from firmware_bridge.web import Web

XML_LIMIT = 1024 * 1024
# plateType (F); what it stands for in our names: by meaning
PLATE_TYPES: Mapping[str, str] = {
    "arm": "police",  # 警车
    "92typearm": "armed_police",
    "onelinearm": "armed_police",
    "onelinearmheadquarters": "armed_police",
    "twolinearm": "armed_police_double",
    "twolinearmheadquarters": "armed_police_double",
    "leftrightmilitay": "military_single",  # the maker's spelling
    "04newmilitay": "military_single",
    "updownmilitay": "military_double",
    "02typepersonalized": "personal",
    "yellowtwoline": "yellow_double",
    "embassy": "embassy",
    "consulate": "consulate",
    "civilaviation": "civil_aviation",
    "emergency": "emergency",
    "newenergysmall": "green_small",  # domain facts 7.3
    "newenergylarge": "green_large",  # M
}
# plateColor (F), used where plateType says no more than "civil", "trailer", "new energy"
COLOURS: Mapping[str, str] = {
    "blue": "blue",
    "yellow": "yellow",
    "white": "white",
    "black": "black",
    "green": "green",
    "newenergygreen": "green",
    "newenergyyellowgreen": "yellow_green",
    "civilaviationgreen": "civil_aviation",
    "civilaviationblack": "civil_aviation",
}


class Alert(Struct, frozen=True, kw_only=True):
    """What an ANPR alert says, and how many pictures it announces."""

    capture: Capture
    pictures: int | None


def is_alert(part: Part) -> bool:
    """Whether a part is the XML of an alert."""
    return "xml" in part.kind or part.body[:64].lstrip().startswith(b"<")


def read_alert(xml: bytes) -> Alert | None:
    """A plate alert; None: another event (heartbeat, videoloss …), a sign of life. Raises Unreadable."""
    if len(xml) > XML_LIMIT:
        raise Unreadable(f"alert: {len(xml)} bytes of XML")
    try:
        root = fromstring(xml)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as wrong:
        raise Unreadable(f"alert: not XML: {wrong}") from wrong
    if _local(root) != "EventNotificationAlert":
        raise Unreadable(f"alert: {_local(root)[:64]!r} is no EventNotificationAlert")
    if _text(root, "eventType").upper() != "ANPR":
        return None
    anpr = _child(root, "ANPR")
    if anpr is None or _child(anpr, "licensePlate") is None:
        raise Unreadable("alert: ANPR without licensePlate")
    announced = _text(root, "picNum")
    return Alert(
        capture=_capture(root, anpr, xml), pictures=int(announced) if _is_number(announced) else None
    )


def _capture(root: Element, anpr: Element, xml: bytes) -> Capture:
    identifier = _text(root, "UUID")
    digest = f"sha256/{hashlib.sha256(xml).hexdigest()}"
    confidence = _text(anpr, "confidenceLevel")
    old = _text(anpr, "alarmDataType") == "1" or _text(root, "isDataRetransmission").lower() == "true"  # F, M
    return Capture(
        # with its time, so that a camera whose UUID is always the same (M) loses nothing
        key=f"{identifier}/{_text(root, 'dateTime')}"[:150] if identifier else digest,
        plate_text=without_colour(plate_text("licensePlate", _text(anpr, "licensePlate"))),
        plate_type=_plate_type(_text(anpr, "plateType"), _text(anpr, "plateColor")),
        confidence_pct=min(100, int(confidence)) if _is_number(confidence) else 0,
        taken_at=_taken_at(_text(root, "dateTime")),
        replayed=old,
    )


def without_colour(plate: str) -> str:
    """A Chinese plate without the colour that the camera puts before it (F).

    黑 is Heilongjiang too: there a letter follows, while after the colour comes a province, 使 or a digit.
    """
    first, second = plate[:1], plate[1:2]
    coloured = first in "蓝黄白绿" or (first == "黑" and not (second.isascii() and second.isalpha()))
    return plate[1:] if coloured and second else plate


def _plate_type(kind: str, colour: str) -> str:
    return PLATE_TYPES.get(kind.lower()) or COLOURS.get(colour.lower(), "unknown")


def _taken_at(said: str) -> datetime | None:
    """The camera's time; None where it names no zone (some firmware: F1), since it could be any."""
    if not said:
        return None
    try:
        moment = datetime.fromisoformat(said)
    except ValueError as wrong:
        raise Unreadable(f"dateTime: {said[:40]!r} is no time") from wrong
    return moment if moment.tzinfo is not None else None


def pictures(parts: Sequence[Part]) -> tuple[bytes | None, bytes | None]:
    """(photo, crop): by the names the maker gives them (F), else by size."""
    crop = next((part.body for part in parts if "licenseplate" in part.names), None)
    photo = next((part.body for part in parts if "detection" in part.names), None)
    known = ("licenseplate", "detection")
    nameless = [part.body for part in parts if not any(word in part.names for word in known)]
    largest, smallest = by_size(nameless)
    return photo or largest or None, crop or smallest or None


def captures(parts: Sequence[Part]) -> list[Capture]:
    """Captures of the parts of one body or of one stretch of a stream; raises Unreadable.

    Pictures belong to the alert before them; those before the first alert to the first.
    """
    found: list[tuple[Alert, list[Part]]] = []
    early: list[Part] = []
    for part in parts:
        if is_alert(part):
            alert = read_alert(part.body)
            if alert is not None:
                found.append((alert, [] if found else early))
        elif found:
            found[-1][1].append(part)
        else:
            early.append(part)
    told = []
    for alert, own in found:
        photo, crop = pictures(own)
        told.append(replace(alert.capture, photo=photo, crop=crop))
    return told


async def raise_barrier(name: str, web: Web | None, channel: int, raised: bool) -> None:
    """``barrierGate`` (F). Raises CommandError; a camera that answers "OK" may still be locked (F1)."""
    mode = "open" if raised else "close"
    body = f'<?xml version="1.0" encoding="UTF-8"?><BarrierGate><ctrlMode>{mode}</ctrlMode></BarrierGate>'
    answer = await command(
        name, web, "PUT", f"/ISAPI/Parking/channels/{channel}/barrierGate", body.encode(), "application/xml"
    )
    status = _status(answer)
    if status != "1":
        raise CommandError(f"{name}: barrierGate answered status {status or 'unknown'}")


async def recognise(name: str, web: Web | None, channel: int) -> None:
    """``MNPR`` (F): recognise now. Its answer may be an old result and is dropped; an event follows (M)."""
    await command(name, web, "GET", f"/ISAPI/Traffic/MNPR/channels/{channel}")


def _status(answer: bytes) -> str:
    """``statusCode`` of a ResponseStatus: 1 is OK (F)."""
    try:
        return _text(fromstring(answer), "statusCode")
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return ""


def _local(element: Element) -> str:
    """Tag without its namespace: 1.0, 2.0 and none are in use."""
    return str(element.tag).rpartition("}")[2]


def _child(element: Element, name: str) -> Element | None:
    return next((each for each in element if _local(each) == name), None)


def _text(element: Element, name: str) -> str:
    child = _child(element, name)
    return "" if child is None or child.text is None else child.text.strip()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10

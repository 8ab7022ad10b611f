"""What the answers of modes 01 and 09 mean (SAE J1979, ISO 15031-5; bits of readiness M)."""

from collections.abc import Mapping
from typing import NamedTuple

from firmware_bridge.devices.elm_text import BadAnswer

STATUS, VIN, CALID, CVN = (1, 1), (9, 2), (9, 4), (9, 6)  # service and PID
CALID_SIZE, CVN_SIZE = 16, 4
LENGTH = 17
_PADDING = b"\x00\xff "
_ALWAYS = ("misfire", "fuel_system", "components")  # B: bits 0 to 2 supported, 4 to 6 not complete
_SPARK = (
    "catalyst",
    "heated_catalyst",
    "evaporative_system",
    "secondary_air",
    "ac_refrigerant",
    "oxygen_sensor",
    "oxygen_sensor_heater",
    "egr",
)
_COMPRESSION = (
    "nmhc_catalyst",
    "nox_aftertreatment",
    "",
    "boost_pressure",
    "",
    "exhaust_gas_sensor",
    "pm_filter",
    "egr",
)


class Status(NamedTuple):
    """Mode 01 PID 01 of all units: lamp on in any, codes of all, monitors complete in all that have them."""

    mil: bool
    dtc_count: int
    ready: tuple[str, ...]
    not_ready: tuple[str, ...]


def read_vins(told: Mapping[str, bytes]) -> tuple[str, ...]:
    """The VINs that the units hold, each once, by the units' addresses; those that hold none left out.

    Raises BadAnswer for a piece of one.
    """
    vins = dict.fromkeys(vin for _, body in sorted(told.items()) if (vin := _text(body)))
    if any(vins and len(body) < LENGTH for body in told.values() if _text(body)):
        raise BadAnswer(f"fewer than {LENGTH} bytes of a VIN")
    return tuple(vins)


def read_calids(told: Mapping[str, bytes]) -> tuple[str, ...]:
    """Calibration identifications, unit by unit; raises BadAnswer for a piece of one."""
    return tuple(text for body in _pieces(told, CALID_SIZE) if (text := _text(body)))


def read_cvns(told: Mapping[str, bytes]) -> tuple[str, ...]:
    """Calibration verification numbers, eight hex digits each; raises BadAnswer for a piece of one."""
    return tuple(body.hex().upper() for body in _pieces(told, CVN_SIZE))


def read_status(told: Mapping[str, bytes]) -> Status:
    """Status of four bytes a unit; raises BadAnswer."""
    mil, count, ready, waiting = False, 0, set[str](), set[str]()
    for body in told.values():
        if len(body) != 4:
            raise BadAnswer(f"01 01 has {len(body)} bytes, not 4")
        mil, count = mil or body[0] > 0x7F, count + (body[0] & 0x7F)
        for name, complete in _monitors(*body[1:]):
            (ready if complete else waiting).add(name)
    return Status(mil, count, tuple(sorted(ready - waiting)), tuple(sorted(waiting)))


def _monitors(b: int, c: int, d: int) -> list[tuple[str, bool]]:
    """(name, complete) of each monitor the unit supports."""
    always = [(name, not b >> (n + 4) & 1) for n, name in enumerate(_ALWAYS) if b >> n & 1]
    names = _COMPRESSION if b & 8 else _SPARK
    return always + [(name, not d >> n & 1) for n, name in enumerate(names) if name and c >> n & 1]


def _text(body: bytes) -> str:
    """ASCII without its padding; raises BadAnswer for bytes that no unit would hold as text."""
    bare = body.strip(_PADDING)
    if not all(0x20 <= byte < 0x7F for byte in bare):
        raise BadAnswer(f"{bare.hex(' ').upper()[:80]} is no text")
    return bare.decode("ascii")


def _pieces(told: Mapping[str, bytes], size: int) -> list[bytes]:
    pieces = []
    for _, body in sorted(told.items()):
        if not body or len(body) % size:
            raise BadAnswer(f"{len(body)} bytes are no whole number of {size}")
        pieces += [body[at : at + size] for at in range(0, len(body), size)]
    return pieces

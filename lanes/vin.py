"""A VIN by its characters (ISO 3779, GB 16735): check digit, model year, maker, series (M)."""

from datetime import date

from msgspec import Struct

from lanes.spelling import fold

LENGTH = 17
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"  # no I, O, Q
DIGITS = "0123456789"
ALPHABET = DIGITS + LETTERS
YEAR_CODES = "ABCDEFGHJKLMNPRSTVWXY123456789"  # 1980 and 2010 = A; thirty years a turn; no I O Q U Z 0
CHECKED = "LH12345"  # first characters whose VINs have a check digit: China by GB 16735, North America
WILDCARDS = frozenset("×*?？_")  # how announcements and clerks write "any character" (M)
_VALUES = {c: int(c) for c in DIGITS} | dict(zip(LETTERS, map(int, "12345678123457923456789"), strict=True))
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_CHECKS = DIGITS + "X"
_MADE_DIGITS = str.maketrans("OQI", "001")
_CHECK, _YEAR, _FIGURES = 8, 9, 13  # places from 0: check digit, year code, where figures begin


class Maker(Struct, frozen=True):
    """Who made a vehicle: the WMI, and for a small maker the characters 12 to 14 that complete it."""

    wmi: str
    completed_by: str = ""


class Difference(Struct, frozen=True):
    """A place (from 1) at which a VIN is not as its series says."""

    place: int
    due: str
    found: str


def fold_vin(text: str) -> str:
    """One spelling of a VIN; letters that it cannot have become the digits they look like (O Q 0, I 1)."""
    return fold(text).translate(_MADE_DIGITS)


def spaced(vin: str) -> str:
    """A VIN in its three sections (WMI, VDS, VIS), for people who compare it by eye."""
    return " ".join(part for part in (vin[:3], vin[3:9], vin[9:]) if part)


def check_share(place: int, c: str) -> int:
    """What a character at a place (from 0) adds to a sum that is 0 modulo 11 when the check digit is right.

    One that cannot stand there adds nothing.
    """
    if place == _CHECK:
        return -max(_CHECKS.find(c), 0)
    return _VALUES.get(c, 0) * _WEIGHTS[place]


def check_digit(vin: str) -> str:
    """The ninth character a 17-character VIN must have; raises ValueError for other texts."""
    try:
        counted = map(_VALUES.__getitem__, vin[:_CHECK] + "0" + vin[_CHECK + 1 :])
        return _CHECKS[sum(v * w for v, w in zip(counted, _WEIGHTS, strict=True)) % 11]
    except (KeyError, ValueError):
        raise ValueError(f"{vin!r} is not a 17-character VIN") from None


def with_check_digit(vin: str) -> str:
    """The VIN with its ninth character put right; raises ValueError as check_digit."""
    return vin[:_CHECK] + check_digit(vin) + vin[_CHECK + 1 :]


def model_years(vin: str) -> tuple[int, ...]:
    """The years the tenth character may mean from 1980 to 2069; empty: not a year code."""
    if len(vin) <= _YEAR or vin[_YEAR] not in YEAR_CODES:
        return ()
    first = 1980 + YEAR_CODES.index(vin[_YEAR])
    return (first, first + 30, first + 60)


def model_year(vin: str, made_on: date, ahead: int = 1, behind: int = 1) -> int | None:
    """The model year of a vehicle made on a day: which turn of thirty years is meant; None: none fits.

    It may run that many years ahead of the day, or behind it (M: one each way).
    """
    near = (year for year in model_years(vin) if -behind <= year - made_on.year <= ahead)
    return next(near, None)


def maker(vin: str) -> Maker:
    """Who made it; a third character 9 is a maker of few vehicles, told by characters 12 to 14 too."""
    return Maker(vin[:3], vin[11:14] if vin[2:3] == "9" else "")


def series_places(series: str) -> tuple[str, ...]:
    """What a series of an announcement (公告 sbdhxl) says of each place, "" where it says nothing.

    The ninth place is never said: it depends on all others. A run of X to the end, where figures must stand,
    is any character (M).
    """
    text = fold_vin("".join("*" if c in WILDCARDS else c for c in series))
    if len(text) > _FIGURES:
        text = text.rstrip("X")
    places = text[:LENGTH].ljust(LENGTH, "*")
    return tuple("" if c == "*" or i == _CHECK else c for i, c in enumerate(places))


def series_differences(vin: str, series: str) -> tuple[Difference, ...]:
    """Where a VIN is not as its series says, position by position; empty: it is, or nothing is said."""
    places = zip(series_places(series), vin.ljust(LENGTH), strict=False)
    return tuple(
        Difference(i, due, found.strip()) for i, (due, found) in enumerate(places, 1) if due and due != found
    )

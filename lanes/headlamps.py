"""Headlamp tester: intensity of each main beam, their sum, and where the dipped beam's cut-off lies.

GB 7258-2017 前照灯, as stations' software works it out (domain notes 2.3, F). Offsets in mm at 10 m, up and
right positive. The cut-off has a bound of its own for lamps above 1000 mm: two quantities, told apart by lamp
height. Offsets of the main beam are reported and judged by nobody (F: limit "-" in the platform's reports).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from lanes.quantity import Derived, as_measured
from lanes.record import HeadlampMeasured
from lanes.vehicle import Vehicle

LAMPS = ("H1", "H2", "H3", "H4")  # left outer, left inner, right inner, right outer (F)
HIGH_LAMP_MM = 1000  # F: above it the cut-off lies lower
BRIGHTEST_CD = 999_999  # n6 field of the platform
WIDEST_MM_PER_10M = 2000  # no tester's screen shows more (M)
HIGHEST_LAMP_MM = 3000  # M
_MAIN_BEAMS = {"one": 1, "two": 2, "four": 4}


def headlamp_problem(measured: HeadlampMeasured) -> str | None:
    """Why a reading cannot be used, or None. A cut-off needs the height of its lamp."""
    item = measured.item
    if item not in LAMPS:
        return f"{item}: is no headlamp ({', '.join(LAMPS)})"
    if not 0 <= (measured.main_intensity_cd or 0) <= BRIGHTEST_CD:
        return f"{item}: {measured.main_intensity_cd} cd is not between 0 and {BRIGHTEST_CD} cd"
    if any(mm is not None and abs(mm) > WIDEST_MM_PER_10M for mm in _offsets(measured)):
        return f"{item}: an offset is beyond ±{WIDEST_MM_PER_10M} mm at 10 m"
    if measured.main_intensity_cd is None and measured.dipped_vertical_mm_per_10m is None:
        return f"{item}: neither a main nor a dipped beam was measured"
    height = _dipped_height_mm(measured)
    if measured.dipped_vertical_mm_per_10m is not None and not 0 < (height or 0) <= HIGHEST_LAMP_MM:
        return f"{item}: the dipped beam needs a lamp height between 0 and {HIGHEST_LAMP_MM} mm"
    return None


def headlamp(measured: HeadlampMeasured) -> Iterator[Derived]:
    """Everything measured of one lamp, as measured."""
    if measured.main_intensity_cd is not None:
        yield as_measured("main_intensity", measured.main_intensity_cd, "cd")
    height = _dipped_height_mm(measured)
    where = "dipped_vertical_high" if height is not None and height > HIGH_LAMP_MM else "dipped_vertical"
    names = ("main_vertical", "main_horizontal", where, "dipped_horizontal")
    for name, mm in zip(names, _offsets(measured), strict=True):
        if mm is not None:
            yield as_measured(name, mm, "mm/10 m")


def main_beams(vehicle: Vehicle) -> int:
    """How many main beams the vehicle's lamp system lights at once."""
    return _MAIN_BEAMS[vehicle.lamps]


def intensity_sum(measured: Sequence[HeadlampMeasured]) -> Derived:
    """Sum of the main beams that are lit at once, cd."""
    lit = [each.main_intensity_cd for each in measured if each.main_intensity_cd is not None]
    return Derived(
        quantity="main_intensity_sum",
        value=Decimal(sum(lit)),
        unit="cd",
        working="+".join(map(str, lit)),
    )


def _offsets(measured: HeadlampMeasured) -> tuple[int | None, ...]:
    return (
        measured.main_vertical_mm_per_10m,
        measured.main_horizontal_mm_per_10m,
        measured.dipped_vertical_mm_per_10m,
        measured.dipped_horizontal_mm_per_10m,
    )


def _dipped_height_mm(measured: HeadlampMeasured) -> int | None:
    """Height of the dipped beam's own lamp, else of the lamp."""
    return (
        measured.lamp_height_mm if measured.dipped_lamp_height_mm is None else measured.dipped_lamp_height_mm
    )

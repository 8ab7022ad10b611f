"""Outline gauge: length, width and height against the papers and against the largest that may be.

GB 1589 and GB 38900-2020 外廓尺寸 (domain notes 2.3: maxima F, tolerances Q and M). A combination has no
papers of its own: only its length is judged, by the kind of its trailer.
"""

from collections.abc import Iterator

from lanes.quantity import Derived, as_measured, deviation
from lanes.record import OutlineMeasured
from lanes.vehicle import Vehicle

LARGEST_MM = 99_999  # n5; no gauge measures more (M)


def outline_problem(measured: OutlineMeasured) -> str | None:
    """Why a measurement cannot be used, or None."""
    sizes = {
        "length": measured.length_mm,
        "width": measured.width_mm,
        "height": measured.height_mm,
        "wheelbase": measured.wheelbase_mm,
        "side boards": measured.side_board_mm,
    }
    for name, mm in sizes.items():
        if mm is not None and not 0 < mm <= LARGEST_MM:
            return f"{measured.item}: {name} {mm} mm is not between 0 and {LARGEST_MM} mm"
    return None


def outline(measured: OutlineMeasured, vehicle: Vehicle) -> Iterator[Derived]:
    """Each size, and its deviation where the papers tell it."""
    if measured.coupled != "no":
        yield as_measured(f"{measured.coupled}_train_length", measured.length_mm, "mm")
        return
    sizes = (
        ("length", measured.length_mm, vehicle.length_mm),
        ("width", measured.width_mm, vehicle.width_mm),
        ("height", measured.height_mm, vehicle.height_mm),
        ("wheelbase", measured.wheelbase_mm, vehicle.wheelbase_mm),
        ("side_board", measured.side_board_mm, vehicle.side_board_mm),
    )
    for name, mm, papers_mm in sizes:
        if mm is not None:
            yield as_measured(name, mm, "mm")
            if papers_mm is not None:
                yield deviation(f"{name}_deviation", mm, papers_mm, "mm")

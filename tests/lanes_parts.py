"""Vehicles, readings and whole attempts for the tests of lanes."""

import tomllib
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from lanes.checklist import Given
from lanes.evidence import Evidence
from lanes.record import (
    AxleWeighed,
    BrakeCurve,
    BrakeMeasured,
    Checked,
    Photographed,
    Reviewed,
    SideslipMeasured,
)
from lanes.rulebook import Rulebook
from lanes.vehicle import Plate, Vehicle

ON = date(2026, 11, 22)
VIN = "LTEST1A27R0000001"
#: what a site with brake bench, scale and side-slip plate leaves out
SMALL_SITE = Given(
    left_out=("NQ", "UC", "F1", "DC", "C1", "H1", "H2", "H3", "H4", "S1"), left_out_why="no such station"
)
RULES = Path(__file__).parent.parent / "configs" / "rules"


def tables() -> dict[str, Any]:
    """The shipped rule files, parsed afresh."""
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in RULES.glob("*.toml")}


@cache
def rulebook() -> Rulebook:
    return Rulebook.from_tables(tables())


def rulebook_with(change: Callable[[dict[str, Any]], object]) -> Rulebook:
    """The shipped rules with a change."""
    files = tables()
    change(files)
    return Rulebook.from_tables(files)


def car(**changes: Any) -> Vehicle:
    fields: dict[str, Any] = {
        "vin": VIN,
        "vehicle_class": "K33",
        "use": "A",
        "made_on": date(2024, 3, 1),
        "gross_mass_kg": 1800,
        "kerb_mass_kg": 1400,
        "plate": Plate(hpzl="02", hphm="浙A12345"),
    }
    return Vehicle(**{**fields, **changes})


def curve(left: int, right: int, samples: int = 20) -> BrakeCurve:
    """Both sides rise in a line to their maxima, hold, and let go."""

    def side(most: int) -> tuple[int, ...]:
        return (*(most * i // samples for i in range(samples + 1)), most, most, most // 2, 0)

    return BrakeCurve(interval_ms=10, left_dan=side(left), right_dan=side(right))


def brake(item: str, left: int, right: int, **changes: Any) -> BrakeMeasured:
    fields: dict[str, Any] = {
        "lane": "1",
        "station": "brake",
        "device": "bench-1",
        "item": item,
        "axle": int(item[1:]) or 2,
        "left_max_dan": left,
        "right_max_dan": right,
        "curve": curve(left, right),
    }
    return BrakeMeasured(**{**fields, **changes})


def weighed(axle: int, left: str, right: str) -> AxleWeighed:
    return AxleWeighed(
        lane="1", station="brake", device="scale-1", axle=axle, left_kg=Decimal(left), right_kg=Decimal(right)
    )


def slip(value: str) -> SideslipMeasured:
    return SideslipMeasured(
        lane="1", station="slip", device="plate-1", item="A1", slip_m_per_km=Decimal(value)
    )


def photo(shot: str) -> Photographed:
    return Photographed(shot=shot, photo="0" * 64, size_bytes=1)


def review(photo_seq: int, shot: str, question: str, opinion: str, expected: str, text: str) -> Reviewed:
    return Reviewed(
        photo_seq=photo_seq,
        photo="0" * 64,
        shot=shot,
        question=question,  # type: ignore[arg-type]
        opinion=opinion,  # type: ignore[arg-type]
        model="reader-1",
        expected=expected,
        text=text,
        confidence=Decimal("0.98"),
    )


def checked(item: str, result: str = "pass", **changes: Any) -> Checked:
    return Checked(item=item, result=result, officer="001", **changes)  # type: ignore[arg-type]


def attempt(business: str = "periodic", **changes: Any) -> Evidence:
    """A whole attempt of a good car; every value may be replaced."""
    vehicle = changes.pop("vehicle", car())
    items = ("01", "03", "04", "06", "07", "08", "09", "20")
    shots = ("0111", "0112", "0113", "0157")
    if business == "registration":
        items, shots = ("01", "02", *items[1:3], "05", *items[3:]), shots[:3]
    checks = {item: (100 + i, checked(item, value="A")) for i, item in enumerate(items)}
    photos = {shot: (200 + i, photo(shot)) for i, shot in enumerate(shots)}
    reviews = [(302, review(202, "0113", "vin", "agree", vehicle.vin, vehicle.vin))]
    if vehicle.plate is not None:
        hphm = vehicle.plate.hphm
        reviews.append((301, review(200, "0111", "plate", "agree", hphm, hphm)))
    for i, shot in enumerate(shots):
        reviews.append((240 + i, review(200 + i, shot, "quality", "agree", "", "")))
    fields: dict[str, Any] = {
        "vehicle": vehicle,
        "business": business,
        "given": SMALL_SITE,
        "checks": checks,
        "brakes": {
            "B1": (401, brake("B1", 240, 228, left_drag_dan=10, right_drag_dan=12)),
            "B2": (402, brake("B2", 150, 145)),
            "B0": (403, brake("B0", 160, 150)),
        },
        "weights": {1: (411, weighed(1, "322.5", "317.5")), 2: (412, weighed(2, "290", "285"))},
        "photos": photos,
        "reviews": tuple(reviews),
    }
    return Evidence(**{**fields, **changes})

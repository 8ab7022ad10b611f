"""Every shipped limit at its bound, one unit inside, one unit outside; and proof that this notices changes.

The bounds are written here a second time, from the standard, on purpose.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lanes.limits import Axle, Limit, Limits
from lanes.quantity import rounded
from lanes.scope import RuleError, resolved
from lanes.vehicle import Vehicle
from tests.lanes_parts import ON, car, rulebook

CONDITIONS = {"registration": "new", "periodic": "in_use"}
HEAVY_LOADED = car(gross_mass_kg=1680, kerb_mass_kg=1400)  # exactly 1.2 times
LIGHT_LOADED = car(gross_mass_kg=1679, kerb_mass_kg=1400)
RIGID_AXLE = car(steer_suspension="dependent")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One bound: the values that just keep it and those that just break it."""

    quantity: str
    keep: tuple[str, ...]
    fail: tuple[str, ...]
    businesses: tuple[str, ...] = ("registration", "periodic")
    axle: Axle | None = None
    vehicle: Vehicle = HEAVY_LOADED

    @property
    def name(self) -> str:
        return (
            f"{self.quantity}-{self.axle or 'all'}-{'-'.join(self.businesses)}-{self.vehicle.gross_mass_kg}"
        )


def at_least(bound: int) -> dict[str, tuple[str, ...]]:
    """Bound, one unit above; one unit below. A tie at half a unit goes to the even digit, the bound."""
    return {
        "keep": (f"{bound}.0", f"{bound}.1", f"{bound - 1}.95", "100"),
        "fail": (f"{bound - 1}.9", f"{bound - 1}.9499", "0"),
    }


def at_most(bound: int) -> dict[str, tuple[str, ...]]:
    return {
        "keep": (f"{bound}.0", f"{bound - 1}.9", f"{bound}.05", "0"),
        "fail": (f"{bound}.1", f"{bound}.0501", "100"),
    }


NEW, IN_USE = ("registration",), ("periodic",)
EDGES = (
    Edge(quantity="axle_rate", axle="front", **at_least(60)),
    Edge(quantity="axle_rate", axle="rear", **at_least(20)),
    Edge(quantity="whole_rate", **at_least(60)),
    Edge(quantity="imbalance", axle="front", businesses=NEW, **at_most(20)),
    Edge(quantity="imbalance", axle="front", businesses=IN_USE, **at_most(24)),
    Edge(quantity="imbalance", axle="rear", businesses=NEW, **at_most(24)),
    Edge(quantity="imbalance", axle="rear", businesses=IN_USE, **at_most(30)),
    Edge(quantity="imbalance_of_load", axle="front", businesses=NEW, **at_most(8)),
    Edge(quantity="imbalance_of_load", axle="rear", businesses=IN_USE, **at_most(10)),
    Edge(quantity="drag_rate", axle="front", **at_most(10)),
    Edge(quantity="parking_rate", vehicle=HEAVY_LOADED, **at_least(20)),
    Edge(quantity="parking_rate", vehicle=LIGHT_LOADED, **at_least(15)),
    Edge(
        quantity="sideslip",
        vehicle=RIGID_AXLE,
        keep=("-5.0", "5.0", "-4.9", "4.9", "0", "5.05", "-5.05"),
        fail=("5.1", "-5.1", "5.0501", "-5.0501", "20"),
    ),
)
BENCHES = ("roller", "plate")


def broken(limits: Limits, edges: tuple[Edge, ...] = EDGES) -> Iterator[str]:
    """Every statement of the boundary table that these limits do not keep."""
    for edge in edges:
        for business in edge.businesses:
            for bench in BENCHES:
                limit = limits.find(edge.quantity, edge.vehicle, business, ON, axle=edge.axle, bench=bench)
                if limit is None:
                    yield f"{edge.name}: no limit"
                    continue
                yield from (
                    f"{edge.name}: {v} must keep it" for v in edge.keep if not limit.holds(Decimal(v))
                )
                yield from (f"{edge.name}: {v} must break it" for v in edge.fail if limit.holds(Decimal(v)))


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_at_the_bound_one_unit_inside_one_unit_outside(edge: Edge) -> None:
    assert list(broken(rulebook().limits, (edge,))) == []


class Strict(Limit, frozen=True, kw_only=True):
    """A limit whose ≥ became >, whose ≤ became <."""

    def holds(self, value: Decimal) -> bool:
        return super().holds(value) and rounded(value, self.places) not in (self.value, self.value_to)


class Unrounded(Limit, frozen=True, kw_only=True):
    """A limit that forgets to round."""

    def holds(self, value: Decimal) -> bool:
        exact = Limit(**{**msgspec.structs.asdict(self), "places": 6})
        return exact.holds(value)


def mutants(row: Limit) -> Iterator[tuple[str, Limit | None]]:
    """What a slip of a hand or a refactoring could make of one row; None: the row is gone."""
    fields = msgspec.structs.asdict(row)
    unit = Decimal(1).scaleb(-row.places)
    yield "strict", Strict(**fields)
    yield "unrounded", Unrounded(**fields)
    yield "gone", None
    yield "value up", msgspec.structs.replace(row, value=row.value + unit)
    yield "value down", msgspec.structs.replace(row, value=row.value - unit)
    yield "no decimals", msgspec.structs.replace(row, places=0)
    yield "two decimals", msgspec.structs.replace(row, places=2)
    yield "not yet in force", msgspec.structs.replace(row, effective_from=date(2026, 11, 23))
    yield "no longer in force", msgspec.structs.replace(row, effective_to=date(2026, 11, 21))
    yield "another class", msgspec.structs.replace(row, classes=("H",))
    if row.value_to is None:
        yield "turned", msgspec.structs.replace(row, bound="le" if row.bound == "ge" else "ge")
    else:
        yield "upper up", msgspec.structs.replace(row, value_to=row.value_to + unit)
        yield "upper down", msgspec.structs.replace(row, value_to=row.value_to - unit)
    if row.axle is not None:
        yield "other axle", msgspec.structs.replace(row, axle="rear" if row.axle == "front" else "front")
    if row.condition is not None:
        yield (
            "other condition",
            msgspec.structs.replace(row, condition="new" if row.condition == "in_use" else "in_use"),
        )
    if row.mass_ratio_below is not None:
        yield (
            "inclusive ratio",
            msgspec.structs.replace(row, mass_ratio_below=None, mass_ratio_to=row.mass_ratio_below),
        )
        yield "smaller ratio", msgspec.structs.replace(row, mass_ratio_below=Decimal("1.19"))
    if row.steer_suspension is not None:
        yield "other suspension", msgspec.structs.replace(row, steer_suspension="independent")


def test_the_unchanged_limits_keep_the_whole_table() -> None:
    assert list(broken(rulebook().limits)) == []


@pytest.mark.parametrize("number", range(len(rulebook().limits.rows)))
def test_no_mutant_of_a_limit_survives_the_table(number: int) -> None:
    rows = rulebook().limits.rows
    survivors = []
    for how, mutant in mutants(rows[number]):
        changed = [*rows[:number], *([] if mutant is None else [mutant]), *rows[number + 1 :]]
        try:
            limits = Limits(changed, CONDITIONS)  # type: ignore[arg-type]
        except RuleError:
            continue  # two rows for one vehicle: refused at load, which is as good
        if not list(broken(limits)):
            survivors.append(how)
    assert survivors == [], rows[number]


def test_every_row_stands_in_the_table() -> None:
    used = {
        limit
        for edge in EDGES
        for business in edge.businesses
        if (limit := rulebook().limits.find(edge.quantity, edge.vehicle, business, ON, axle=edge.axle))
    }
    assert used == set(rulebook().limits.rows)


def test_sideslip_has_no_limit_with_independent_suspension() -> None:
    assert rulebook().limits.find("sideslip", car(), "periodic", ON) is None


@pytest.mark.parametrize(
    ("on", "there"), [(date(2020, 12, 31), False), (date(2021, 1, 1), True), (date(2099, 1, 1), True)]
)
def test_limits_begin_on_their_day(on: date, there: bool) -> None:
    assert (rulebook().limits.find("whole_rate", car(), "periodic", on) is not None) is there


def test_texts_of_limits() -> None:
    find = rulebook().limits.find
    texts = {
        limit.text
        for limit in (
            find("whole_rate", car(), "periodic", ON),
            find("drag_rate", car(), "periodic", ON),
            find("sideslip", RIGID_AXLE, "periodic", ON),
        )
        if limit is not None
    }
    assert texts == {"≥ 60 %", "≤ 10 %", "-5…5 m/km"}


# ---- rows of other classes are only more rows ----------------------------------------------------


def row(value: int, **changes: Any) -> Limit:
    fields: dict[str, Any] = {
        "quantity": "axle_rate",
        "bound": "ge",
        "value": Decimal(value),
        "unit": "%",
        "places": 1,
        "clause": "GB 7258-2017",
        "source": "MFC",
        "confidence": "F",
    }
    return Limit(**{**fields, **changes})


def found(rows: list[Limit], vehicle: Vehicle, **asked: Any) -> Decimal | None:
    limit = Limits(rows, CONDITIONS).find("axle_rate", vehicle, "periodic", ON, **asked)  # type: ignore[arg-type]
    return None if limit is None else limit.value


def test_goods_vehicles_by_axle_and_bench() -> None:
    goods = [
        row(60, classes=("H",), axle="front"),
        row(50, classes=("H",), axle="rear"),
        row(35, classes=("H",), axle="rear", bench="plate", gross_mass_from_kg=3501),
        row(20, classes=("H",), axle="rear", gross_mass_to_kg=3500),
    ]
    heavy, light = (car(vehicle_class="H11", gross_mass_kg=kg, kerb_mass_kg=3000) for kg in (3501, 3500))
    assert found(goods, heavy, axle="rear", bench="roller") == 50
    assert found(goods, heavy, axle="rear", bench="plate") == 35
    assert found(goods, light, axle="rear", bench="roller") == 20
    assert found(goods, light, axle="rear", bench="plate") == 20
    assert found(goods, heavy, axle="front", bench="plate") == 60
    assert found(goods, car(), axle="front") is None


@pytest.mark.parametrize(
    ("narrow", "fits", "fits_not"),
    [
        ({"classes": ("K33",)}, {"vehicle_class": "K33"}, {"vehicle_class": "K31"}),
        ({"uses": ("N", "D")}, {"use": "D"}, {"use": "A"}),
        ({"made_from": date(2018, 1, 1)}, {"made_on": date(2018, 1, 1)}, {"made_on": date(2017, 12, 31)}),
        ({"made_to": date(2018, 1, 1)}, {"made_on": date(2018, 1, 1)}, {"made_on": date(2018, 1, 2)}),
        ({"gross_mass_from_kg": 3501}, {"gross_mass_kg": 3501}, {"gross_mass_kg": 3500}),
        ({"gross_mass_to_kg": 3500}, {"gross_mass_kg": 3500}, {"gross_mass_kg": 3501}),
        ({"mass_ratio_to": Decimal("1.2")}, {"gross_mass_kg": 1680}, {"gross_mass_kg": 1681}),
        ({"mass_ratio_below": Decimal("1.2")}, {"gross_mass_kg": 1679}, {"gross_mass_kg": 1680}),
        ({"steer_suspension": "dependent"}, {"steer_suspension": "dependent"}, {}),
        ({"businesses": ("periodic",), "uses": ("D",)}, {"use": "D"}, {}),
    ],
)
def test_the_narrower_row_wins_where_it_fits(
    narrow: dict[str, Any], fits: dict[str, Any], fits_not: dict[str, Any]
) -> None:
    for rows in ([row(1), row(2, **narrow)], [row(2, **narrow), row(1)]):
        assert found(rows, car(**fits)) == 2
        assert found(rows, car(**fits_not)) == 1


def test_a_later_edition_supersedes_from_its_day() -> None:
    limits = Limits([row(1), row(2, effective_from=ON)], CONDITIONS)  # type: ignore[arg-type]
    before = limits.find("axle_rate", car(), "periodic", date(2026, 11, 21))
    after = limits.find("axle_rate", car(), "periodic", ON)
    assert before is not None and after is not None
    assert (before.value, after.value) == (1, 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"classes": ("K",)}, {"uses": ("A",)}),
        ({"classes": ("K3", "H")}, {"classes": ("K33", "M")}),
        ({"gross_mass_to_kg": 3500}, {"gross_mass_from_kg": 3500}),
        ({"gross_mass_from_kg": 3500}, {"gross_mass_to_kg": 3500}),
        ({"effective_to": date(2027, 1, 1)}, {"effective_from": ON}),
        ({"mass_ratio_below": Decimal("1.2")}, {"made_from": ON}),
    ],
)
def test_two_rows_for_one_vehicle_are_refused_at_load(one: dict[str, Any], other: dict[str, Any]) -> None:
    with pytest.raises(RuleError, match=r"limits\.toml, limit, axle_rate: row 1 and row 2 can both be"):
        Limits([row(1, **one), row(2, **other)], CONDITIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"classes": ("K",)}, {"classes": ("H",)}),
        ({"axle": "front"}, {"axle": "rear"}),
        ({"gross_mass_to_kg": 3500}, {"gross_mass_from_kg": 3501}),
        ({"effective_to": date(2026, 11, 21)}, {"effective_from": ON}),
        ({"made_to": date(2017, 12, 31)}, {"made_from": date(2018, 1, 1)}),
        ({"uses": ("A",)}, {"uses": ("B",)}),
    ],
)
def test_rows_that_never_meet_stand_side_by_side(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert len(Limits([row(1, **one), row(2, **other)], CONDITIONS).rows) == 2  # type: ignore[arg-type]


def test_first_and_last_day_and_single_mass_are_inside() -> None:
    on_that_day = row(1, effective_from=ON, effective_to=ON)
    assert found([on_that_day], car()) == 1
    assert found([row(1, effective_to=date(2026, 11, 21))], car()) is None
    assert found([row(1, gross_mass_from_kg=1800, gross_mass_to_kg=1800)], car()) == 1


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("K", True),
        ("K3", True),
        ("K33", True),
        ("H5B", True),
        ("K333", False),
        ("", False),
        ("k3", False),
        ("33", False),
    ],
)
def test_beginnings_of_class_codes(name: str, known: bool) -> None:
    if known:
        assert resolved(row(1, classes=(name,)), {}).classes == (name,)
    else:
        with pytest.raises(ValueError, match="neither a class group"):
            resolved(row(1, classes=(name,)), {})


def test_fronts_and_rears_are_only_found_when_asked_for() -> None:
    assert found([row(1, axle="front")], car()) is None
    assert found([row(1, axle="front")], car(), axle="front") == 1
    assert found([row(1)], car(), axle="front") == 1

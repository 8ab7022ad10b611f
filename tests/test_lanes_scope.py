"""Each column of a rule row: which vehicles and days it is for, which row is narrower, which two may meet."""

from datetime import date
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from lanes.scope import Case, RuleError, Scope, must_be_ordered, narrowest, resolved
from lanes.vehicle import Plate
from tests.lanes_parts import ON, car

Columns = dict[str, Any]
KERB_KG = 1000


def row(**columns: Any) -> Scope:
    return Scope(source="s", confidence="M", **columns)


def case(business: str = "periodic", on: date = ON, **vehicle: Any) -> Case:
    return Case(vehicle=car(**{"kerb_mass_kg": KERB_KG} | vehicle), business=business, on=on)


def plate(hpzl: str) -> Plate:
    return Plate(hpzl=hpzl, hphm="浙A12345")


#: columns of a row, a case it is for, a case it is not for
COVERED: list[tuple[Columns, Columns, Columns]] = [
    ({"classes": ("K3", "H")}, {"vehicle_class": "H11"}, {"vehicle_class": "K11"}),
    ({"uses": ("A", "D")}, {"use": "D"}, {"use": "B"}),
    ({"businesses": ("registration",)}, {"business": "registration"}, {"business": "periodic"}),
    ({"fuels": ("A", "C")}, {"fuel": "C"}, {"fuel": "B"}),
    ({"plate_kinds": ("01", "02")}, {"plate": plate("02")}, {"plate": plate("15")}),
    ({"plate_kinds": ("01", "02")}, {"plate": plate("01")}, {"plate": None}),
    ({"origin": "imported"}, {"imported": True}, {"imported": False}),
    ({"origin": "domestic"}, {"imported": False}, {"imported": True}),
    (
        {"steer_suspension": "dependent"},
        {"steer_suspension": "dependent"},
        {"steer_suspension": "independent"},
    ),
    ({"service_brake": "air"}, {"service_brake": "air"}, {"service_brake": "hydraulic"}),
    ({"lamps": "four"}, {"lamps": "four"}, {"lamps": "two"}),
    ({"mass_ratio_to": Decimal("1.2")}, {"gross_mass_kg": 1200}, {"gross_mass_kg": 1201}),
    ({"mass_ratio_below": Decimal("1.2")}, {"gross_mass_kg": 1199}, {"gross_mass_kg": 1200}),
    ({"speed_from_kmh": 1}, {"top_speed_kmh": 1}, {"top_speed_kmh": None}),
    ({"speed_to_kmh": 400}, {"top_speed_kmh": 400}, {"top_speed_kmh": None}),
    *(
        ({f"{name}_{end}": day}, {column: day}, {column: beyond})
        for name, column in (("made", "made_on"), ("effective", "on"))
        for end, day, beyond in (
            ("from", date(2020, 2, 1), date(2020, 1, 31)),
            ("to", date(2020, 1, 31), date(2020, 2, 1)),
        )
    ),
]
RANGES = (
    ("gross_mass", "_kg", "gross_mass_kg"),
    ("axles", "", "axles"),
    ("seats", "", "seats"),
    ("speed", "_kmh", "top_speed_kmh"),
)
COVERED += [
    ({f"{name}_{end}{unit}": 5}, {column: 5}, {column: beyond})
    for name, unit, column in RANGES
    for end, beyond in (("from", 4), ("to", 6))
]
#: columns of a narrower and of a wider row
NARROWER: list[tuple[Columns, Columns]] = [
    ({"classes": ("K33",)}, {"classes": ("K3", "H")}),
    ({"classes": ("K3",)}, {"classes": ("K3", "H")}),
    ({"uses": ("A",)}, {"uses": ("A", "B")}),
    ({"businesses": ("periodic",)}, {"businesses": ("periodic", "transfer")}),
    ({"fuels": ("A",)}, {"fuels": ("A", "B")}),
    ({"plate_kinds": ("01",)}, {"plate_kinds": ("01", "02")}),
    ({"mass_ratio_to": Decimal("1.1")}, {"mass_ratio_to": Decimal("1.2")}),
    ({"mass_ratio_below": Decimal("1.2")}, {"mass_ratio_to": Decimal("1.2")}),
    ({"mass_ratio_to": Decimal("1.1")}, {"mass_ratio_below": Decimal("1.2")}),
    *(
        ({f"{name}_{end}{unit}": narrow}, {f"{name}_{end}{unit}": 5})
        for name, unit, _ in RANGES
        for end, narrow in (("from", 6), ("to", 4))
    ),
    *(
        ({f"{name}_{end}": narrow}, {f"{name}_{end}": date(2020, 1, 2)})
        for name in ("made", "effective")
        for end, narrow in (("from", date(2020, 1, 3)), ("to", date(2020, 1, 1)))
    ),
    *((columns, {}) for columns, _, _ in COVERED),
]
#: columns of two rows that no case has together
APART: list[tuple[Columns, Columns]] = [
    ({"classes": ("K3", "H")}, {"classes": ("K1", "M")}),
    ({"uses": ("A", "B")}, {"uses": ("C", "D")}),
    ({"businesses": ("periodic",)}, {"businesses": ("transfer",)}),
    ({"fuels": ("A",)}, {"fuels": ("B",)}),
    ({"plate_kinds": ("01",)}, {"plate_kinds": ("02",)}),
    ({"origin": "domestic"}, {"origin": "imported"}),
    ({"steer_suspension": "dependent"}, {"steer_suspension": "independent"}),
    ({"service_brake": "air"}, {"service_brake": "hydraulic"}),
    ({"lamps": "one"}, {"lamps": "two"}),
    *(({f"{name}_to{unit}": 5}, {f"{name}_from{unit}": 6}) for name, unit, _ in RANGES),
    *(
        ({f"{name}_to": date(2020, 1, 31)}, {f"{name}_from": date(2020, 2, 1)})
        for name in ("made", "effective")
    ),
]
#: columns of two rows that some case has together, and neither is narrower
CROSSED: list[tuple[Columns, Columns]] = [
    ({"classes": ("K3", "H")}, {"classes": ("K33", "M")}),
    ({"uses": ("A", "B")}, {"uses": ("B", "C")}),
    ({"uses": ("A",)}, {"fuels": ("A",)}),
    *(({f"{name}_to{unit}": 5}, {f"{name}_from{unit}": 5}) for name, unit, _ in RANGES),
    *(({f"{name}_to": ON}, {f"{name}_from": ON}) for name in ("made", "effective")),
    ({"mass_ratio_to": Decimal("1.2")}, {"made_from": ON}),
]


@pytest.mark.parametrize(("columns", "inside", "outside"), COVERED)
def test_a_row_is_for_what_its_column_names_and_for_nothing_else(
    columns: Columns, inside: Columns, outside: Columns
) -> None:
    assert row(**columns).covers(case(**inside))
    assert not row(**columns).covers(case(**outside))
    assert row().covers(case(**inside)) and row().covers(case(**outside))


def test_every_column_must_be_kept_at_once() -> None:
    for columns, _, outside in COVERED:
        others = {"uses": ("A", "B"), "classes": ("K",), "made_from": date(2000, 1, 1)} | columns
        assert not row(**others).covers(case(**outside)), columns


@pytest.mark.parametrize(("narrow", "wide"), NARROWER)
def test_the_narrower_of_two_rows(narrow: Columns, wide: Columns) -> None:
    one, other = row(**narrow), row(**wide)
    assert one.within(other) and not other.within(one)
    assert one.within(one) and other.within(other)
    assert one.overlaps(other) and other.overlaps(one)


@pytest.mark.parametrize(("columns", "others"), APART)
def test_rows_that_have_no_case_together(columns: Columns, others: Columns) -> None:
    one, other = row(**columns), row(**others)
    assert not one.overlaps(other) and not other.overlaps(one)
    assert not one.within(other) and not other.within(one)


@pytest.mark.parametrize(("columns", "others"), CROSSED)
def test_rows_that_cross(columns: Columns, others: Columns) -> None:
    one, other = row(**columns), row(**others)
    assert one.overlaps(other) and other.overlaps(one)
    assert not one.within(other) and not other.within(one)


def test_a_narrower_column_does_not_make_up_for_a_wider_one() -> None:
    for narrow, wide in NARROWER:
        if "lamps" not in narrow:
            assert not row(**narrow).within(row(**wide, lamps="two")), narrow


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (
            {"mass_ratio_to": Decimal(1), "mass_ratio_below": Decimal(2)},
            "mass_ratio_to and mass_ratio_below exclude each other",
        ),
        ({"mass_ratio_to": Decimal(0)}, "mass_ratio_to = 0 is not a positive number"),
        ({"mass_ratio_below": Decimal(-1)}, "mass_ratio_below = -1 is not a positive number"),
        ({"mass_ratio_below": Decimal("NaN")}, "mass_ratio_below = NaN is not a positive number"),
        ({"mass_ratio_to": Decimal("Infinity")}, "mass_ratio_to = Infinity is not a positive number"),
        *(
            (
                {f"{name}_from{unit}": 3, f"{name}_to{unit}": 2},
                f"{name}_from{unit} = 3 lies beyond {name}_to{unit} = 2",
            )
            for name, unit, _ in RANGES
        ),
        *(
            (
                {f"{name}_from": date(2020, 1, 2), f"{name}_to": date(2020, 1, 1)},
                "a range of dates (made or effective) ends before it begins",
            )
            for name in ("made", "effective")
        ),
    ],
)
def test_columns_that_no_row_may_have(columns: Columns, words: str) -> None:
    with pytest.raises(ValueError) as refused:
        row(**columns)
    assert str(refused.value) == words


def test_one_mass_one_day_and_any_ratio_are_ranges_too() -> None:
    day, kg = {"made_from": ON, "made_to": ON}, {"gross_mass_from_kg": 900, "gross_mass_to_kg": 900}
    assert row(**day, **kg).covers(case(made_on=ON, gross_mass_kg=900))
    assert row(mass_ratio_to=Decimal("0.5")).covers(case(gross_mass_kg=500))


def test_the_narrowest_of_several_rows_whatever_their_order() -> None:
    wide, narrow, narrowest_one = row(), row(classes=("K",)), row(classes=("K3",), uses=("A",))
    elsewhere = row(classes=("K33",), uses=("B",))
    for rows in permutations((wide, narrow, narrowest_one, elsewhere)):
        assert narrowest(rows, case()) is narrowest_one
    assert narrowest((wide, elsewhere), case()) is wide
    assert narrowest((elsewhere,), case()) is None
    assert narrowest((), case()) is None
    assert narrowest((narrow, row(uses=("A",))), case()) is None  # neither is narrower


def test_two_rows_for_one_case_must_be_ordered() -> None:
    for narrow, wide in (*NARROWER, *APART):
        must_be_ordered([("row 1", row(**narrow)), ("row 2", row(**wide))], "t.toml, rows")
    for columns, others in CROSSED:
        pairs = [("row 1", row()), ("row 2", row(**columns)), ("row 3", row(**others))]
        with pytest.raises(RuleError) as refused:
            must_be_ordered(pairs, "t.toml, rows")
        assert str(refused.value) == (
            "t.toml, rows: row 2 and row 3 can both be for the same vehicle and day, and "
            "neither is narrower; restrict or end one of them (classes, uses, made_*, effective_*)"
        )
    with pytest.raises(RuleError, match="row 1 and row 2 can both be"):
        must_be_ordered([("row 1", row()), ("row 2", row())], "t.toml, rows")  # the same twice


def test_class_groups_stand_for_their_beginnings() -> None:
    groups = {"lorries": ("H1", "H2"), "cars": ("K3", "K4")}
    assert resolved(row(classes=("cars", "M", "lorries")), groups).classes == ("K3", "K4", "M", "H1", "H2")
    assert resolved(row(uses=("A",)), groups) == row(uses=("A",))
    for name in ("car", "k3", "K333", "", "3K", "Ké", "K-", "kK"):
        with pytest.raises(ValueError) as refused:
            resolved(row(classes=(name,)), groups)
        assert str(refused.value) == (
            f"classes: {name!r} is neither a class group (cars, lorries) nor the beginning of a cllx code"
        )

"""Exact edges and exact words of what decides: each was once changed without a test that noticed."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lanes.limits import Limit
from lanes.quantity import Derived, percent
from lanes.sideslip import sideslip_problem
from lanes.weight import HEAVIEST_WHEEL_KG, vehicle_load_kg, vehicle_mass, weighing_problem
from tests.lanes_parts import slip, weighed


def limit(**columns: Any) -> Limit:
    row: dict[str, Any] = {"quantity": "q", "unit": "%", "places": 1, "clause": "c", "source": "s"}
    return Limit(**row | {"confidence": "M", "effective_from": date(2021, 1, 1)} | columns)


def test_a_share_of_less_than_one_is_a_share() -> None:
    assert percent(Decimal("0.5"), Decimal("0.5")) == 100


def test_the_wheel_that_cannot_be_is_named() -> None:
    heavy = str(HEAVIEST_WHEEL_KG)
    assert weighing_problem(weighed(1, heavy, heavy)) is None
    words = "axle 1: {} wheel load {} kg is not between 0 and 10000 kg"
    assert weighing_problem(weighed(1, "0", "1")) == words.format("left", 0)
    assert weighing_problem(weighed(1, "1", "10000.1")) == words.format("right", "10000.1")


def test_a_mass_is_a_decimal_even_of_nothing() -> None:
    assert isinstance(vehicle_load_kg([]), Decimal)
    mass = Derived(quantity="vehicle_mass", value=Decimal(1000), unit="kg", working="600+400")
    assert vehicle_mass([weighed(1, "300", "300"), weighed(2, "200", "200")]) == mass


@pytest.mark.parametrize(
    ("value", "usable"), [("20", True), ("-20", True), ("20.1", False), ("-20.1", False)]
)
def test_a_slip_to_the_edge_of_any_plate(value: str, usable: bool) -> None:
    assert (sideslip_problem(slip(value)) is None) is usable


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"bound": "between", "value": Decimal(1)}, 'value_to belongs to bound = "between", and only to it'),
        (
            {"bound": "ge", "value": Decimal(1), "value_to": Decimal(2)},
            'value_to belongs to bound = "between", and only to it',
        ),
        (
            {"bound": "between", "value": Decimal(1), "value_to": Decimal(1)},
            "value_to = 1 is not above value = 1",
        ),
        (
            {"bound": "ge", "value": Decimal("NaN")},
            "value, value_to and or_pct must be numbers",
        ),
        ({"bound": "ge", "value": Decimal(1), "or_pct": Decimal(1)}, 'or_pct belongs to bound = "within"'),
        (
            {"bound": "ge", "value": Decimal(1), "over": "dynamic", "bench": "roller"},
            'over = "dynamic" belongs to bench = "plate"',
        ),
    ],
)
def test_bounds_that_are_none_are_refused_in_these_words(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as refused:
        limit(**columns)
    assert str(refused.value) == words

"""Brake arithmetic: the worked example, the rise, and properties that hold for every reading."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.brakes import (
    axle_rate,
    brake_problem,
    drag_rate,
    imbalance,
    parking_rate,
    rise,
    whole_rate,
    widest,
)
from lanes.quantity import rounded
from lanes.record import BrakeCurve, BrakeMeasured
from lanes.sideslip import sideslip, sideslip_problem
from lanes.weight import axle_load_kg, vehicle_load_kg, vehicle_mass, weighing_problem
from tests.lanes_parts import brake, curve, slip, weighed

forces = st.integers(1, 900)
sides = st.lists(st.integers(0, 900), min_size=1, max_size=60)


def swapped(measured: BrakeMeasured) -> BrakeMeasured:
    """The same reading with left and right exchanged."""
    was = measured.curve
    return msgspec.structs.replace(
        measured,
        left_max_dan=measured.right_max_dan,
        right_max_dan=measured.left_max_dan,
        left_drag_dan=measured.right_drag_dan,
        right_drag_dan=measured.left_drag_dan,
        curve=BrakeCurve(interval_ms=was.interval_ms, left_dan=was.right_dan, right_dan=was.left_dan),
    )


def traced(left: list[int], right: list[int]) -> BrakeMeasured:
    """A reading whose curve is exactly these samples."""
    size = min(len(left), len(right))
    drawn = BrakeCurve(interval_ms=10, left_dan=tuple(left[:size]), right_dan=tuple(right[:size]))
    return brake("B1", max(drawn.left_dan), max(drawn.right_dan), curve=drawn)


def test_the_worked_example() -> None:
    rate = axle_rate(brake("B1", 240, 228), Decimal("640.0"))
    assert rounded(rate.value, 1) == Decimal("74.6")
    assert rate.arithmetic(1) == "(240+228)×10 N ÷ (640 kg×9.8) = 74.6 %"
    assert rate.value * Decimal("6272") == pytest.approx(Decimal("468000"), abs=Decimal("1e-30"))


def test_whole_vehicle_and_parking() -> None:
    loads = [weighed(1, "320", "320"), weighed(2, "290", "285.5")]
    whole = whole_rate([brake("B1", 240, 228), brake("B2", 150, 145)], vehicle_load_kg(loads))
    assert whole.arithmetic(1) == "(240+228+150+145)×10 N ÷ (1215.5 kg×9.8) = 64.1 %"
    parking = parking_rate(brake("B0", 160, 150), vehicle_load_kg(loads))
    assert parking.arithmetic(1) == "(160+150)×10 N ÷ (1215.5 kg×9.8) = 26.0 %"
    assert vehicle_mass(loads).arithmetic(1) == "640+575.5 = 1215.5 kg"


def test_imbalance_of_a_strong_axle_is_of_the_stronger_wheel() -> None:
    drawn = BrakeCurve(interval_ms=10, left_dan=(0, 100, 200, 240), right_dan=(0, 60, 170, 228))
    strong = imbalance(brake("B1", 240, 228, curve=drawn), Decimal(640))
    assert strong is not None
    assert strong.quantity == "imbalance"
    assert strong.arithmetic(1) == "at 10 ms: |100−60| ÷ max(240, 228) = 16.7 %"


def test_imbalance_of_a_weak_axle_is_of_its_load() -> None:
    drawn = BrakeCurve(interval_ms=10, left_dan=(0, 60, 120), right_dan=(0, 40, 90))
    weak = imbalance(brake("B2", 120, 90, curve=drawn), Decimal(600))
    assert weak is not None
    assert weak.quantity == "imbalance_of_load"
    assert weak.arithmetic(1) == "at 20 ms: |120−90|×10 N ÷ (600 kg×9.8) = 5.1 %"


@pytest.mark.parametrize(("dan", "quantity"), [(294, "imbalance"), (293, "imbalance_of_load")])
def test_sixty_percent_itself_counts_as_strong(dan: int, quantity: str) -> None:
    # 2 × 294 × 10 N ÷ (1000 kg × 9.8) is exactly 60 %
    found = imbalance(brake("B2", dan, 294), Decimal(1000))
    assert found is not None and found.quantity == quantity


def test_the_rise_ends_when_the_second_wheel_has_its_maximum() -> None:
    drawn = BrakeCurve(
        interval_ms=10,
        left_dan=(0, 100, 200, 200, 200, 200, 100),
        right_dan=(0, 90, 150, 190, 200, 0, 0),
    )
    assert rise(drawn) == 5
    assert widest(drawn) == (2, 200, 150)


def test_a_brake_that_does_nothing_has_values_and_no_division_by_zero() -> None:
    dead = brake("B2", 0, 0)
    assert axle_rate(dead, Decimal(600)).value == 0
    found = imbalance(dead, Decimal(600))
    assert found is not None and found.value == 0


def test_drag_is_of_the_worse_wheel() -> None:
    drag = drag_rate(brake("B1", 240, 228, left_drag_dan=20, right_drag_dan=22), weighed(1, "300", "400"))
    assert drag is not None
    assert drag.arithmetic(1) == "20×10 N ÷ (300 kg×9.8) = 6.8 %"
    assert drag_rate(brake("B1", 240, 228, left_drag_dan=20), weighed(1, "300", "400")) is None


@given(forces, forces, st.integers(1, 300), st.integers(100, 2000))
def test_more_force_never_lowers_a_rate_and_more_load_never_raises_it(
    left: int, right: int, more: int, kg: int
) -> None:
    load, heavier = Decimal(2 * kg), Decimal(2 * kg + more)
    rate = axle_rate(brake("B1", left, right), load).value
    assert axle_rate(brake("B1", left + more, right), load).value > rate
    assert axle_rate(brake("B1", left, right), heavier).value < rate
    assert parking_rate(brake("B0", left + more, right), load).value > rate


@given(sides, sides, st.integers(0, 90), st.integers(0, 90))
def test_left_and_right_are_alike(left: list[int], right: list[int], left_drag: int, right_drag: int) -> None:
    one = msgspec.structs.replace(traced(left, right), left_drag_dan=left_drag, right_drag_dan=right_drag)
    other, load = swapped(one), weighed(1, "300", "300")
    kg = axle_load_kg(load)
    assert axle_rate(one, kg).value == axle_rate(other, kg).value
    gaps = [imbalance(each, kg) for each in (one, other)]
    assert gaps[0] is not None and gaps[1] is not None
    assert gaps[0].value == gaps[1].value
    drags = [drag_rate(each, load) for each in (one, other)]
    assert drags[0] is not None and drags[1] is not None
    assert drags[0].value == drags[1].value


@given(sides, sides)
def test_what_follows_the_rise_does_not_count(left: list[int], right: list[int]) -> None:
    one, load = traced(left, right), Decimal(600)
    released = msgspec.structs.replace(
        one,
        curve=BrakeCurve(
            interval_ms=10,
            left_dan=(*one.curve.left_dan, one.left_max_dan, 0),
            right_dan=(*one.curve.right_dan, 0, one.right_max_dan),
        ),
    )
    assert imbalance(one, load) == imbalance(released, load)


@given(sides, sides)
def test_imbalance_lies_between_nothing_and_all(left: list[int], right: list[int]) -> None:
    one = traced(left, right)
    found = imbalance(one, Decimal(20))
    assert found is not None
    if found.quantity == "imbalance":
        assert 0 <= found.value <= 100


@given(forces)
def test_equal_wheels_have_no_imbalance(dan: int) -> None:
    found = imbalance(brake("B1", dan, dan), Decimal(600))
    assert found is not None and found.value == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"curve": BrakeCurve(interval_ms=10, left_dan=(), right_dan=())}, "empty"),
        ({"curve": BrakeCurve(interval_ms=10, left_dan=(1, 240), right_dan=(228,))}, "differ in length"),
        ({"curve": BrakeCurve(interval_ms=0, left_dan=(240,), right_dan=(228,))}, "empty"),
        ({"curve": curve(0, 228)}, "left curve peaks at 0 daN, reported maximum 240"),
        ({"curve": curve(240, 270)}, "right curve peaks at 270 daN"),
        ({"left_max_dan": -1}, "not between 0 and"),
        ({"left_drag_dan": 99999}, "not between 0 and"),
        ({"axle": 2}, "measured unladen on axle 2"),
    ],
)
def test_readings_that_cannot_be_judged(changes: dict[str, object], why: str) -> None:
    problem = brake_problem(brake("B1", 240, 228, **changes))
    assert problem is not None
    assert why in problem


def test_a_parking_brake_needs_no_curve_and_a_sparse_curve_may_miss_its_peak() -> None:
    none = BrakeCurve(interval_ms=10, left_dan=(), right_dan=())
    assert brake_problem(brake("B0", 160, 150, curve=none)) is None
    assert brake_problem(brake("B1", 240, 228, curve=curve(217, 228))) is None
    assert brake_problem(brake("B1", 240, 228, curve=curve(215, 228))) is not None
    assert brake_problem(brake("B1", 5, 0, curve=curve(10, 5))) is None
    assert brake_problem(brake("B1", 5, 0, curve=curve(5, 6))) is not None
    assert brake_problem(brake("B1", 200, 200, curve=curve(180, 220))) is None
    assert brake_problem(brake("B1", 200, 200, curve=curve(200, 221))) is not None
    assert brake_problem(brake("B1", 10_000, 10_000)) is None
    assert brake_problem(brake("B1", 10_001, 10_000)) is not None
    assert brake_problem(brake("B1", 100, 100, left_drag_dan=0, right_drag_dan=0)) is None


@pytest.mark.parametrize("left", ["0", "-1", "NaN", "10001"])
def test_weighings_that_cannot_be_used(left: str) -> None:
    assert "left wheel load" in (weighing_problem(weighed(1, left, "300")) or "")
    assert weighing_problem(weighed(1, "10000", "0.5")) is None
    assert axle_load_kg(weighed(1, "300.5", "300")) == Decimal("600.5")


def test_side_slip_is_taken_as_measured() -> None:
    assert sideslip(slip("-4.90")).arithmetic(1) == "-4.9 = -4.9 m/km"
    assert sideslip_problem(slip("-20")) is None
    assert "beyond" in (sideslip_problem(slip("20.1")) or "")
    assert sideslip_problem(slip("NaN")) is not None

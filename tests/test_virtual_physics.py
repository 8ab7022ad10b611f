"""Bench physics: sound cars keep every limit of GB 7258-2017, weak brakes break the one they should."""

from collections import Counter
from decimal import Decimal
from itertools import islice

import pytest

from firmware_bridge.virtual.fleet import Car, fleet, spoil
from firmware_bridge.virtual.physics import (
    BrakeTrace,
    brake_curve,
    dice_for,
    drags,
    slip,
    weakness,
    wheel_loads,
)

# Reckoned here from the domain notes (2.3, F), not with the rules of lanes/, which are tested elsewhere.
DAN_PER_KG = Decimal("0.98")


def sound(count: int, seed: int = 1) -> list[Car]:
    return list(islice(fleet(seed, 2, fault_every=0), count))


def weak(count: int, seed: int = 2) -> list[Car]:
    return [spoil(car, "weak_brake", dice_for(car, "test")) for car in sound(count, seed)]


def percent(force_dan: int, load_kg: Decimal) -> Decimal:
    return Decimal(force_dan) / (load_kg * DAN_PER_KG) * 100


def total(trace: BrakeTrace) -> int:
    return max(trace.left_dan) + max(trace.right_dan)


def imbalance_share(car: Car, axle: int, trace: BrakeTrace) -> Decimal:
    """Imbalance as a share of its limit: above 1 fails."""
    load = sum(wheel_loads(car)[axle - 1])
    most = max(*trace.left_dan, *trace.right_dan)
    end = max(trace.left_dan.index(max(trace.left_dan)), trace.right_dan.index(max(trace.right_dan))) + 1
    widest = max(abs(a - b) for a, b in zip(trace.left_dan[:end], trace.right_dan[:end], strict=True))
    new = car.business == "registration"
    if percent(total(trace), load) < 60:
        return percent(widest, load) / (8 if new else 10)
    limit = (20, 24) if axle == 1 else (24, 30)
    return Decimal(widest) / most * 100 / limit[0 if new else 1]


def broken_limits(car: Car) -> set[str]:
    loads = wheel_loads(car)
    traces = {1: brake_curve(car, "B1"), 2: brake_curve(car, "B2")}
    whole_kg = sum((*loads[0], *loads[1]), Decimal(0))
    broken = {
        f"rate {a}" for a, t in traces.items() if percent(total(t), sum(loads[a - 1])) < {1: 60, 2: 20}[a]
    }
    broken |= {f"imbalance {a}" for a, t in traces.items() if imbalance_share(car, a, t) > 1}
    if percent(sum(map(total, traces.values())), whole_kg) < 60:
        broken.add("whole")
    if percent(total(brake_curve(car, "B0")), whole_kg) < 20:
        broken.add("parking")
    return broken


def test_sound_cars_pass_everything_with_room_to_spare() -> None:
    for car in sound(150):
        assert broken_limits(car) == set()
        assert weakness(car) is None
        for axle, item in ((1, "B1"), (2, "B2")):
            assert imbalance_share(car, axle, brake_curve(car, item)) < Decimal("0.7")


def test_each_weak_brake_breaks_its_own_limit() -> None:
    expected = {
        "front_low": {"rate 1", "whole"},
        "rear_low": {"rate 2", "whole"},
        "front_uneven": {"imbalance 1"},
        "rear_uneven": {"imbalance 2"},
    }
    found = Counter[str]()
    for car in weak(120):
        kind = weakness(car)
        assert kind is not None
        assert broken_limits(car) == expected[kind]
        found[kind] += 1
    assert set(found) == set(expected)


def test_wheel_loads_add_up_to_kerb_mass_and_driver_with_the_nose_heavier() -> None:
    for car in sound(150):
        front, rear = wheel_loads(car)
        whole = sum((*front, *rear), Decimal(0))
        assert abs(whole / (car.vehicle.kerb_mass_kg + 75) - 1) < Decimal("0.02")
        assert Decimal("0.55") < sum(front) / whole < Decimal("0.62")
        for left, right in (front, rear):
            assert abs(left - right) < (left + right) * Decimal("0.04")


@pytest.mark.parametrize("item", ["B1", "B2", "B0"])
def test_a_curve_is_free_then_rises_holds_and_lets_go(item: str) -> None:
    for car in sound(40, seed=5):
        trace = brake_curve(car, item)
        assert trace.interval_ms == 10
        assert len(trace.left_dan) == len(trace.right_dan)
        assert 1.5 <= len(trace.left_dan) / 100 <= 3.2
        for axle_side in (trace.left_dan, trace.right_dan):
            most = max(axle_side)
            low = next(i for i, f in enumerate(axle_side) if f > 0.15 * most)
            high = next(i for i, f in enumerate(axle_side) if f > 0.95 * most)
            assert 0.3 <= (high - low) / 100 <= 1.2
            assert low >= 20, "the rollers turn freely first"
            held = [f for f in axle_side[high:] if f > 0.93 * most]
            assert len(held) >= 45
            assert axle_side[-1] < 0.35 * most
            assert len(set(axle_side)) > 20, "noise and swing"


def test_drag_lies_before_the_rise_and_under_ten_percent_of_the_wheel_load() -> None:
    for car in sound(60):
        for axle, item in ((1, "B1"), (2, "B2")):
            trace, loads = brake_curve(car, item), wheel_loads(car)[axle - 1]
            for samples, free, load in zip(
                (trace.left_dan, trace.right_dan), drags(car, axle), loads, strict=True
            ):
                early = sum(samples[:20]) / 20
                assert early == pytest.approx(free, abs=1.5)
                assert percent(max(samples[:20]), load) < 8


def test_slip_is_within_four_and_differs_between_cars() -> None:
    slips = [slip(car) for car in sound(300)]
    assert all(-4 <= s <= 4 and s == s.quantize(Decimal("0.1")) for s in slips)
    assert len(set(slips)) > 30
    assert min(slips) < 0 < max(slips)


def test_the_same_car_measures_the_same_and_others_differ() -> None:
    first, again = sound(6), sound(6)
    assert [brake_curve(c, "B1") for c in first] == [brake_curve(c, "B1") for c in again]
    assert len({brake_curve(c, "B1").left_dan for c in first}) == 6


def test_an_item_without_a_bench_is_refused() -> None:
    with pytest.raises(ValueError, match="B3"):
        brake_curve(sound(1)[0], "B3")

"""Roller or plate bench: axle rate, imbalance, whole-vehicle rate, parking rate, drag.

Formulas of GB 7258-2017 / GB 38900-2020 as stations' software works them out (domain notes 2.3, F): forces
in daN (10 N), loads in kg, weight = kg × 9.8 N. Everything is exact until a limit rounds it.

Where the rise ends: imbalance takes the largest left/right difference *during the rise* of the force. It
begins with the first sample and ends with the sample in which the second of the two wheels first reaches the
highest force of its own curve, that sample included (M: the standards end it when a wheel locks or both have
their maximum; a locked wheel stops the rollers, so the curve then ends by itself). What follows, holding and
release, is not looked at.
"""

from collections.abc import Sequence
from decimal import Decimal

from lanes.quantity import Derived, percent, plain
from lanes.record import AxleWeighed, BrakeCurve, BrakeMeasured
from lanes.weight import axle_load_kg, vehicle_load_kg

STANDARD_GRAVITY = Decimal("9.8")  # m/s²; F: the stations' ×0.98 on daN
WEAK_AXLE_PCT = Decimal(60)  # F: below this share of the axle load, imbalance is taken of the load
CURVE_TOLERANCE_PCT = 10  # the curve's peaks must lie this near the reported maxima (M) …
CURVE_TOLERANCE_DAN = 5  # … or this near, for weak brakes (M)
PARKING_ITEM = "B0"
STRONGEST_WHEEL_DAN = 10_000  # n6 ×10 N in the platform's field; no bench measures 100 kN at a wheel (M)


def axle_rate(measured: BrakeMeasured, weighed: AxleWeighed) -> Derived:
    """Sum of the two wheels' maximum forces over the axle's weight, %."""
    return _share_of_weight("axle_rate", (measured,), axle_load_kg(weighed))


def whole_rate(measured: Sequence[BrakeMeasured], weighed: Sequence[AxleWeighed]) -> Derived:
    """Sum of all wheels' maximum service-brake forces over the vehicle's weight, %."""
    return _share_of_weight("whole_rate", measured, vehicle_load_kg(weighed))


def parking_rate(measured: BrakeMeasured, weighed: Sequence[AxleWeighed]) -> Derived:
    """Sum of the parking brake's maximum forces over the vehicle's weight, %."""
    return _share_of_weight("parking_rate", (measured,), vehicle_load_kg(weighed))


def imbalance(measured: BrakeMeasured, weighed: AxleWeighed) -> Derived:
    """Largest difference during the rise, % of the stronger wheel's maximum (quantity ``imbalance``).

    For an axle below 60 % of its load: % of the axle's weight (quantity ``imbalance_of_load``).
    """
    at, left, right = widest(measured.curve)
    gap = f"at {at * measured.curve.interval_ms} ms: |{left}−{right}|"
    difference = Decimal(abs(left - right))
    if axle_rate(measured, weighed).value < WEAK_AXLE_PCT:
        load = axle_load_kg(weighed)
        value = percent(difference * 10, load * STANDARD_GRAVITY)
        working = f"{gap}×10 N ÷ ({plain(load)} kg×9.8)"
        return Derived(quantity="imbalance_of_load", value=value, unit="%", working=working)
    stronger = max(measured.left_max_dan, measured.right_max_dan)
    working = f"{gap} ÷ max({measured.left_max_dan}, {measured.right_max_dan})"
    return Derived(
        quantity="imbalance", value=percent(difference, Decimal(stronger)), unit="%", working=working
    )


def drag_rate(measured: BrakeMeasured, weighed: AxleWeighed) -> Derived | None:
    """The worse wheel's drag over that wheel's weight, % (M: of the wheel load); None: not measured."""
    if measured.left_drag_dan is None or measured.right_drag_dan is None:
        return None
    wheels = ((measured.left_drag_dan, weighed.left_kg), (measured.right_drag_dan, weighed.right_kg))
    shares = ((percent(Decimal(dan * 10), kg * STANDARD_GRAVITY), dan, kg) for dan, kg in wheels)
    value, dan, kg = max(shares)
    return Derived(quantity="drag_rate", value=value, unit="%", working=f"{dan}×10 N ÷ ({plain(kg)} kg×9.8)")


def rise(curve: BrakeCurve) -> int:
    """How many samples belong to the rise of the force (see the top of this file)."""
    ends = (side.index(max(side)) for side in (curve.left_dan, curve.right_dan))
    return max(ends) + 1


def widest(curve: BrakeCurve) -> tuple[int, int, int]:
    """(sample, left, right) of the largest difference during the rise; the first of equals."""
    pairs = list(zip(curve.left_dan, curve.right_dan, strict=True))[: rise(curve)]
    at = max(range(len(pairs)), key=lambda i: abs(pairs[i][0] - pairs[i][1]))
    return at, *pairs[at]


def brake_problem(measured: BrakeMeasured) -> str | None:
    """Why a measurement cannot be judged, or None. A service brake needs a curve that fits its maxima."""
    curve = measured.curve
    if measured.item not in (PARKING_ITEM, f"B{measured.axle}"):
        return f"{measured.item}: was measured on axle {measured.axle}"
    forces = (measured.left_max_dan, measured.right_max_dan)
    drags = (measured.left_drag_dan or 0, measured.right_drag_dan or 0)
    if any(
        not 0 <= dan <= STRONGEST_WHEEL_DAN for dan in (*forces, *drags, *curve.left_dan, *curve.right_dan)
    ):
        return f"{measured.item}: a force is not between 0 and {STRONGEST_WHEEL_DAN} daN"
    if measured.item == PARKING_ITEM:
        return None
    if len(curve.left_dan) != len(curve.right_dan) or not curve.left_dan or curve.interval_ms <= 0:
        return f"{measured.item}: the curve is empty or its sides differ in length"
    sides = (("left", forces[0], curve.left_dan), ("right", forces[1], curve.right_dan))
    for side, most, samples in sides:
        off = abs(max(samples) - most)
        if off > CURVE_TOLERANCE_DAN and off * 100 > most * CURVE_TOLERANCE_PCT:
            return f"{measured.item}: {side} curve peaks at {max(samples)} daN, reported maximum {most} daN"
    return None


def _share_of_weight(quantity: str, measured: Sequence[BrakeMeasured], load_kg: Decimal) -> Derived:
    """Forces of some axles over a weight, %."""
    forces = [dan for m in measured for dan in (m.left_max_dan, m.right_max_dan)]
    value = percent(Decimal(sum(forces) * 10), load_kg * STANDARD_GRAVITY)
    working = f"({'+'.join(map(str, forces))})×10 N ÷ ({plain(load_kg)} kg×9.8)"
    return Derived(quantity=quantity, value=value, unit="%", working=working)

"""Roller or plate bench: rates of axle, vehicle, combination and parking brake; imbalance, drag, reaction.

Formulas of GB 7258-2017 / GB 38900-2020 as stations' software works them out (domain notes 2.3, F): forces
in daN (10 N), loads in kg, weight = kg × 9.8 N. Everything is exact until a limit rounds it.

Where the rise ends: imbalance takes the largest left/right difference *during the rise* of the force. It
begins with the first sample and ends with the sample in which the second of the two wheels first reaches the
highest force of its own curve, that sample included (M: the standards end it when a wheel locks or both have
their maximum; a locked wheel stops the rollers, so the curve then ends by itself). What follows, holding and
release, is not looked at. An axle with one wheel has no imbalance.

Which load: an axle's own weighing; for a laden axle what the bench weighed under it (F: zljzlh, yljzlh). On a
plate bench a limit may ask for the load under each wheel at its maximum force (``over = "dynamic"``; M: of
passenger cars and of all up to 3500 kg).
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from operator import add, sub

from lanes.quantity import EXACT, Derived, percent, plain
from lanes.record import AxleWeighed, BrakeCurve, BrakeMeasured
from lanes.vehicle import Vehicle
from lanes.weight import wheels_of

STANDARD_GRAVITY = Decimal("9.8")  # m/s²; F: the stations' ×0.98 on daN
WEAK_AXLE_PCT = Decimal(60)  # F: below this share of the axle load, imbalance is taken of the load
CURVE_TOLERANCE_PCT = 10  # the curve's peaks must lie this near the reported maxima (M) …
CURVE_TOLERANCE_DAN = 5  # … or this near, for weak brakes (M)
PARKING_ITEM = "B0"
STRONGEST_WHEEL_DAN = 10_000  # n6 ×10 N in the platform's field; no bench measures 100 kN at a wheel (M)
HEAVIEST_WHEEL_KG = 10_000  # as lanes.weight (M)
READY_PCT = Decimal(75)  # F: GB 7258, the share of the demanded force at which co-ordination time ends
BY_AXLE_ONLY = ("M", "N")  # motorcycles and three-wheelers: no rate of the whole vehicle is asked (M)
SIDECAR = "M15"  # its two rear wheels are not asked to brake alike (M)


def is_asked(quantity: str, vehicle: Vehicle, axle: int | None) -> bool:
    """Whether the standard asks a quantity of this vehicle's axle: one wheel pulls to no side."""
    if quantity.startswith("imbalance"):
        return axle is None or (wheels_of(vehicle, axle) == 2 and vehicle.vehicle_class != SIDECAR)
    return quantity != "whole_rate" or not vehicle.vehicle_class.startswith(BY_AXLE_ONLY)


def axle_rate(measured: BrakeMeasured, load_kg: Decimal) -> Derived:
    """Sum of the wheels' maximum forces over the axle's weight, %."""
    return _share_of_weight("axle_rate", (measured,), load_kg)


def whole_rate(measured: Sequence[BrakeMeasured], load_kg: Decimal) -> Derived:
    """Sum of all wheels' maximum service-brake forces over the vehicle's weight, %."""
    return _share_of_weight("whole_rate", measured, load_kg)


def train_rate(measured: Sequence[BrakeMeasured], load_kg: Decimal) -> Derived:
    """Sum of all wheels' maximum service-brake forces of a combination over its weight, %."""
    return _share_of_weight("train_rate", measured, load_kg)


def parking_rate(measured: BrakeMeasured, load_kg: Decimal) -> Derived:
    """Sum of the parking brake's maximum forces over the vehicle's weight, %."""
    return _share_of_weight("parking_rate", (measured,), load_kg)


def imbalance(measured: BrakeMeasured, load_kg: Decimal) -> Derived | None:
    """Largest difference during the rise, % of the stronger wheel's maximum (quantity ``imbalance``).

    For an axle below 60 % of its load: % of the axle's weight (``imbalance_of_load``). None: one wheel.
    """
    if measured.wheels == 1:
        return None
    at, left, right = widest(measured.curve)
    gap = f"at {at * measured.curve.interval_ms} ms: |{left}−{right}|"
    difference = Decimal(abs(left - right))
    if axle_rate(measured, load_kg).value < WEAK_AXLE_PCT:
        value = percent(difference * 10, load_kg * STANDARD_GRAVITY)
        working = f"{gap}×10 N ÷ ({plain(load_kg)} kg×9.8)"
        return Derived(quantity="imbalance_of_load", value=value, unit="%", working=working)
    stronger = max(measured.left_max_dan, measured.right_max_dan)
    working = f"{gap} ÷ max({measured.left_max_dan}, {measured.right_max_dan})"
    return Derived(
        quantity="imbalance", value=percent(difference, Decimal(stronger)), unit="%", working=working
    )


def drag_rate(measured: BrakeMeasured, weighed: AxleWeighed) -> Derived | None:
    """The worse wheel's drag over that wheel's weight, % (M: of the wheel load); None: not measured."""
    wheels = ((measured.left_drag_dan, weighed.left_kg), (measured.right_drag_dan, weighed.right_kg))
    known = [(dan, kg) for dan, kg in wheels[: measured.wheels] if dan is not None]
    if len(known) < measured.wheels:
        return None
    value, dan, kg = max((percent(Decimal(dan * 10), kg * STANDARD_GRAVITY), dan, kg) for dan, kg in known)
    return Derived(quantity="drag_rate", value=value, unit="%", working=f"{dan}×10 N ÷ ({plain(kg)} kg×9.8)")


def coordination_time(measured: BrakeMeasured, load_kg: Decimal, demanded_pct: Decimal) -> Derived | None:
    """From the touch of the pedal until the axle brakes with 75 % of the force demanded of it, s.

    None: nobody told when the pedal was touched, or the axle never brakes so hard (then its rate fails).
    """
    if measured.pedal_ms is None:
        return None
    curve = measured.curve
    demanded = EXACT.multiply(load_kg * STANDARD_GRAVITY / 10, demanded_pct * READY_PCT / 10_000)
    ready_dan = int(demanded.to_integral_value(rounding=ROUND_CEILING))
    first = -(-measured.pedal_ms // curve.interval_ms)
    forces = map(add, curve.left_dan[first:], curve.right_dan[first:])
    at = next((i for i, dan in enumerate(forces, first) if dan >= ready_dan), None)
    if at is None:
        return None
    ready_ms = at * curve.interval_ms
    seconds = Decimal(ready_ms - measured.pedal_ms).scaleb(-3)
    working = f"{ready_dan} daN at {ready_ms} ms − pedal at {measured.pedal_ms} ms"
    return Derived(quantity="coordination_time", value=seconds, unit="s", working=working)


def bench_load_kg(measured: BrakeMeasured) -> Decimal | None:
    """What the bench itself weighed under the wheels, each at its maximum force; None: it does not weigh."""
    curve = measured.curve
    if curve.left_load_kg:
        loads = zip((curve.left_load_kg, curve.right_load_kg), (curve.left_dan, curve.right_dan), strict=True)
        return Decimal(sum(kg[dan.index(max(dan))] for kg, dan in loads))
    if measured.left_load_kg is None or measured.right_load_kg is None:
        return None
    return measured.left_load_kg + measured.right_load_kg


def rise(curve: BrakeCurve) -> int:
    """How many samples belong to the rise of the force (see the top of this file)."""
    ends = (side.index(max(side)) for side in (curve.left_dan, curve.right_dan))
    return max(ends) + 1


def widest(curve: BrakeCurve) -> tuple[int, int, int]:
    """(sample, left, right) of the largest difference during the rise; the first of equals."""
    size = rise(curve)
    gaps = list(map(abs, map(sub, curve.left_dan[:size], curve.right_dan)))
    at = gaps.index(max(gaps))
    return at, curve.left_dan[at], curve.right_dan[at]


def brake_problem(measured: BrakeMeasured) -> str | None:
    """Why a measurement cannot be judged, or None. A service brake needs a curve that fits its maxima."""
    item, curve = measured.item, measured.curve
    if item not in (PARKING_ITEM, f"{'L' if measured.load == 'laden' else 'B'}{measured.axle}"):
        return f"{item}: was measured {measured.load} on axle {measured.axle}"
    forces = (measured.left_max_dan, measured.right_max_dan)
    drags = (dan for dan in (measured.left_drag_dan, measured.right_drag_dan) if dan is not None)
    lows, highs = _extremes((*forces, *drags), curve.left_dan, curve.right_dan)
    if lows < 0 or highs > STRONGEST_WHEEL_DAN:
        return f"{item}: a force is not between 0 and {STRONGEST_WHEEL_DAN} daN"
    if measured.wheels == 1 and (measured.right_max_dan or any(curve.right_dan)):
        return f"{item}: an axle with one wheel has a force on the right"
    if item != PARKING_ITEM or curve.left_load_kg or curve.right_load_kg:
        problem = _curve_problem(measured)
        if problem is not None:
            return problem
    return _load_problem(measured)


def _extremes(*sides: Sequence[int]) -> tuple[int, int]:
    present = [side for side in sides if side]
    return min(map(min, present)), max(map(max, present))


def _load_problem(measured: BrakeMeasured) -> str | None:
    """The bench's own loads are there for every sample, for a laden axle, and are what a wheel can bear."""
    curve, own = measured.curve, (measured.left_load_kg, measured.right_load_kg)
    sizes = {len(curve.left_load_kg), len(curve.right_load_kg)}
    if sizes not in ({0}, {len(curve.left_dan)}):
        return f"{measured.item}: the load curve does not have one load a sample"
    given = [kg for kg in own if kg is not None]
    known = [
        Decimal(kg)
        for side in (curve.left_load_kg, curve.right_load_kg)
        if side
        for kg in (min(side), max(side))
    ]
    if not all(kg.is_finite() and 0 <= kg <= HEAVIEST_WHEEL_KG for kg in (*known, *given)):
        return f"{measured.item}: a wheel load is not between 0 and {HEAVIEST_WHEEL_KG} kg"
    load_kg = bench_load_kg(measured)
    if load_kg == 0 or (load_kg is None and measured.load == "laden"):
        return f"{measured.item}: the bench weighed no load under the axle"
    return None


def _curve_problem(measured: BrakeMeasured) -> str | None:
    item, curve = measured.item, measured.curve
    if len(curve.left_dan) != len(curve.right_dan) or not curve.left_dan or curve.interval_ms <= 0:
        return f"{item}: the curve is empty or its sides differ in length"
    sides = (
        ("left", measured.left_max_dan, curve.left_dan),
        ("right", measured.right_max_dan, curve.right_dan),
    )
    for side, most, samples in sides:
        off = abs(max(samples) - most)
        if off > CURVE_TOLERANCE_DAN and off * 100 > most * CURVE_TOLERANCE_PCT:
            return f"{item}: {side} curve peaks at {max(samples)} daN, reported maximum {most} daN"
    last_ms = (len(curve.left_dan) - 1) * curve.interval_ms
    if measured.pedal_ms is not None and not 0 <= measured.pedal_ms <= last_ms:
        return f"{item}: the pedal was touched at {measured.pedal_ms} ms, outside the curve"
    return None


def _share_of_weight(quantity: str, measured: Sequence[BrakeMeasured], load_kg: Decimal) -> Derived:
    """Forces of some axles over a weight, %."""
    forces = [dan for m in measured for dan in (m.left_max_dan, m.right_max_dan)[: m.wheels]]
    value = percent(Decimal(sum(forces) * 10), load_kg * STANDARD_GRAVITY)
    working = f"({'+'.join(map(str, forces))})×10 N ÷ ({plain(load_kg)} kg×9.8)"
    return Derived(quantity=quantity, value=value, unit="%", working=working)

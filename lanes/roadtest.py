"""Road test: MFDD or braking distance, co-ordination time, control force, channel; parking on a slope.

GB 7258 路试: MFDD = (Vb² − Ve²) ÷ (25.92 × (Se − Sb)) with Vb = 0.8 V0, Ve = 0.1 V0 in km/h and Sb, Se the
metres run until then (F: text of GB 7258-2004). Which initial speed a class brakes from, and how steep its
slope is, says how the test is done, not what passes: a stop from another speed, or on a gentler slope, is
done again.
"""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from lanes.quantity import EXACT, Derived, as_measured, plain
from lanes.record import RoadParked, RoadTested
from lanes.vehicle import Vehicle

CARS = ("K3", "K4")
LIGHT_KG = 3500
_SLOWEST = ("N11", "M12", "M22")  # three-wheelers and mopeds brake from 20 km/h (F 2004 text, M for mopeds)
_OTHERS_FROM_30 = ("M", "H5")  # motorcycles, low-speed goods vehicles (F 2004 text, M for motorcycles)
FASTER_BY_KMH = 5  # how far above its speed a test may begin: it is only harder for the vehicle (M)
SLOPE_PCT, GENTLE_SLOPE_PCT = 20, 15  # Q
GENTLE_RATIO = Decimal(
    "1.2"
)  # Q: gross ÷ kerb mass; below it, and for semi-trailer tractors, the gentle slope
SEMI_TRACTORS = ("Q11", "Q21", "Q31")
STEEPEST_PCT, LONGEST_S = 45, 3600  # beyond it the input is wrong (M)
HARDEST_M_PER_S2, FARTHEST_M = 15, 500  # M


def initial_kmh(vehicle: Vehicle, brake: str) -> int:
    """The speed from which this vehicle is braked; the emergency brake of all but cars from 30 km/h (M)."""
    kind = vehicle.vehicle_class
    if kind in _SLOWEST:
        return 20
    if kind.startswith(CARS):
        return 50
    if brake == "emergency":
        return 30
    light = vehicle.gross_mass_kg <= LIGHT_KG and not kind.startswith(_OTHERS_FROM_30)
    return 50 if light else 30


def slope_pct(vehicle: Vehicle) -> int:
    """How steep a slope this vehicle's parking brake must hold on."""
    light = vehicle.gross_mass_kg < GENTLE_RATIO * vehicle.kerb_mass_kg
    return GENTLE_SLOPE_PCT if light or vehicle.vehicle_class in SEMI_TRACTORS else SLOPE_PCT


def road_problem(test: RoadTested, vehicle: Vehicle) -> str | None:
    """Why a stop cannot be judged, or None."""
    wanted = initial_kmh(vehicle, test.brake)
    if not test.initial_kmh.is_finite() or not wanted <= test.initial_kmh <= wanted + FASTER_BY_KMH:
        most = wanted + FASTER_BY_KMH
        return f"{test.item}: braked from {test.initial_kmh} km/h, not from {wanted} to {most} km/h"
    values = ((test.mfdd_m_per_s2, HARDEST_M_PER_S2), *((m, FARTHEST_M) for m in _metres(test)))
    if any(n is not None and not (n.is_finite() and 0 <= n <= most) for n, most in values):
        return f"{test.item}: a deceleration or distance is not one that a vehicle can have"
    begin, end = test.reach_80_pct_m, test.reach_10_pct_m
    if begin is not None and end is not None and end <= begin:
        return f"{test.item}: 10 % of the initial speed was reached before 80 %"
    if (mfdd(test) if test.judged_by == "mfdd" else test.distance_m) is None:
        return f"{test.item}: judged by {test.judged_by}, which was not measured"
    if any(n is not None and n < 0 for n in (test.coordination_ms, test.control_force_n)):
        return f"{test.item}: a time or force is negative"
    return None


def parked_problem(test: RoadParked, vehicle: Vehicle) -> str | None:
    """Why a parking test cannot be judged, or None."""
    slope, wanted = test.slope_pct, slope_pct(vehicle)
    if not slope.is_finite() or not wanted <= slope <= STEEPEST_PCT:
        return f"{test.item}: parked on a slope of {slope} %, not of {wanted} to {STEEPEST_PCT} %"
    if not 0 <= min(test.uphill_s, test.downhill_s) <= max(test.uphill_s, test.downhill_s) <= LONGEST_S:
        return f"{test.item}: a time is not between 0 and {LONGEST_S} s"
    return None


def mfdd(test: RoadTested) -> Derived | None:
    """Mean fully developed deceleration, m/s²: worked out of the metres where told, else as reported."""
    begin, end = test.reach_80_pct_m, test.reach_10_pct_m
    if begin is None or end is None:
        reported = test.mfdd_m_per_s2
        return None if reported is None else as_measured("mfdd", reported, "m/s²")
    value = EXACT.divide(Decimal("0.63") * test.initial_kmh**2, Decimal("25.92") * (end - begin))
    v0 = plain(test.initial_kmh)
    working = f"(0.64−0.01)×{v0}² ÷ (25.92×({plain(end)}−{plain(begin)} m))"
    return Derived(quantity="mfdd", value=value, unit="m/s²", working=working)


def road(test: RoadTested) -> Iterator[Derived]:
    """What a stop is judged by: the chosen judgement and what goes with it."""
    before = "emergency_" if test.brake == "emergency" else "train_" if test.coupled else ""
    deceleration = mfdd(test)
    if test.judged_by == "mfdd" and deceleration is not None:
        yield replace(deceleration, quantity=f"{before}mfdd")
    if test.judged_by == "distance" and test.distance_m is not None:
        yield as_measured(f"{before}braking_distance", test.distance_m, "m")
    if test.brake == "service" and test.coordination_ms is not None:
        seconds = Decimal(test.coordination_ms).scaleb(-3)
        yield as_measured(f"{before}coordination_time", seconds, "s")
    if test.control_force_n is not None:
        yield as_measured(f"{before}{test.control}_force", test.control_force_n, "N")
    if test.brake == "service":
        yield _channel(test, f"{before}channel")


def parked(test: RoadParked) -> Derived:
    """How long the parking brake held, the worse direction, s."""
    worse = min(test.uphill_s, test.downhill_s)
    working = f"on {plain(test.slope_pct)} %: min({test.uphill_s}, {test.downhill_s})"
    return Derived(quantity="parking_hold", value=Decimal(worse), unit="s", working=working)


def _channel(test: RoadTested, quantity: str) -> Derived:
    """Whether the vehicle stayed in the channel, as the tester saw it."""
    where = "left the channel" if test.left_channel else "stayed in the channel"
    pulled = "" if test.pulled == "no" else f", pulled to the {test.pulled}"
    seen = not test.left_channel
    return Derived(quantity=quantity, value=Decimal(0), unit="m", working=where + pulled, seen=seen)


def _metres(test: RoadTested) -> tuple[Decimal | None, ...]:
    return test.distance_m, test.reach_80_pct_m, test.reach_10_pct_m

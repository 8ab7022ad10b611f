"""What benches measure of a car: wheel loads, brake forces over time, side slip. Pure and repeatable.

A sound car keeps clear of every limit of GB 7258-2017 (domain notes 2.3, F): axle rate 60/20 %, whole 60 %,
parking 20 %, imbalance 20/24 % new and 24/30 % in use (rear below 60 %: 8/10 % of the load), drag 10 %.
"""

import math
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Literal, TypeAlias

from firmware_bridge.virtual.fleet import Car

Weakness: TypeAlias = Literal["front_low", "rear_low", "front_uneven", "rear_uneven"]
Wheels: TypeAlias = tuple[Decimal, Decimal]

INTERVAL_MS = 10  # benches sample at 10 ms, domain notes 2.4
DRIVER_KG = 75
DAN_PER_KG = 0.98  # force in daN of one kg at rest; F, domain notes 2.3
PEDAL_S = (0.25, 0.45)  # rollers turn freely until the pedal moves
RISE_S = (0.6, 1.2)
HOLD_S = (0.5, 0.8)
RELEASE_S = (0.25, 0.40)
REST_S = 0.20
PLATE_TIMES_S = ((0.15, 0.3), (0.2, 0.4), (0.3, 0.5), (0.15, 0.25))  # until the pedal; rise, hold, release
ROLLER_TURN_S = 0.32  # tyre and roller are never quite round: forces swing with each turn
WEAK_FRONT, WEAK_REAR = (0.38, 0.50), (0.09, 0.14)
UNEVEN = {"front_uneven": (0.55, 0.64), "rear_uneven": (0.44, 0.54)}  # weaker wheel / stronger wheel


@dataclass(frozen=True, kw_only=True)
class BrakeTrace:
    """Forces of the two wheels of an axle, daN, one sample every ``interval_ms``."""

    left_dan: tuple[int, ...]
    right_dan: tuple[int, ...]
    interval_ms: int = INTERVAL_MS


@dataclass(frozen=True, kw_only=True)
class PlateTrace(BrakeTrace):
    """Forces and loads of an axle on plates; the pedal is touched after sample ``pedal``."""

    left_kg: tuple[int, ...]
    right_kg: tuple[int, ...]
    pedal: int


def dice_for(car: Car, what: str) -> Random:
    """Chance that belongs to one property of one car."""
    return Random(f"physics/{car.seed}/{what}")


def weakness(car: Car) -> Weakness | None:
    """How the brakes of a car with a planted weak brake are weak; None for any other."""
    if car.planted != "weak_brake":
        return None
    return dice_for(car, "weakness").choice(("front_low", "rear_low", "front_uneven", "rear_uneven"))


def wheel_loads(car: Car) -> tuple[Wheels, Wheels]:
    """((front left, front right), (rear left, rear right)) in whole kg: kerb mass, driver, some luggage."""
    dice = dice_for(car, "loads")
    total = (car.vehicle.kerb_mass_kg + DRIVER_KG) * dice.uniform(0.99, 1.015)
    front = total * dice.uniform(0.56, 0.61)
    return shared(front, dice), shared(total - front, dice)


def kerb_mass(car: Car) -> Decimal:
    """What a weighbridge shows of the empty car, whole kg: within 1 % of its papers."""
    return Decimal(round(car.vehicle.kerb_mass_kg * dice_for(car, "kerb").uniform(0.99, 1.01)))


def plate_curve(car: Car, item: str) -> PlateTrace:
    """One stop on the plates for B1 or B2, 1 to 2 s; the front axle is pressed down, the rear one lifted."""
    most, dice = peaks(car, item), dice_for(car, f"plates/{item}")
    start, rise, hold, release = (dice.uniform(*span) for span in PLATE_TIMES_S)
    times = (start, rise, start + rise + hold, release)
    count = round((sum(times[2:]) + REST_S) * 1000 / INTERVAL_MS)
    left, right = (wheel(force, 2.0, dice.uniform(0, 0.01), count, times, dice) for force in most)
    gain = 0.15 if item == "B1" else -0.2
    left_kg, right_kg = (
        tuple(round(float(kg) * (1 + gain * dan / force)) for dan in side)
        for kg, side, force in zip(wheel_loads(car)[item == "B2"], (left, right), most, strict=True)
    )
    pedal = round(start * 1000 / INTERVAL_MS) - 2
    return PlateTrace(left_dan=left, right_dan=right, left_kg=left_kg, right_kg=right_kg, pedal=pedal)


def actual_kmh(car: Car, indicated_kmh: int = 40) -> Decimal:
    """How fast the car is when it indicates so much: speedometers promise a little more than they keep."""
    return Decimal(round(dice_for(car, "speed").uniform(0.86, 0.98) * indicated_kmh * 10)) / 10


def headlamp(car: Car, side: Literal["left", "right"], beam: Literal["main", "dipped"]) -> tuple[int, ...]:
    """Right, up (mm at 10 m), cd, height in mm of a sound lamp."""
    dice = dice_for(car, f"lamp/{side}/{beam}")
    right, height = dice.randint(-80, 80), dice_for(car, "lamp height").randint(620, 780)
    if beam == "main":
        return right, dice.randint(-150, 50), dice.randrange(19_000, 45_000, 100), height
    return right, dice.randint(-260, -90), dice.randrange(7_000, 12_000, 100), height


def outline(car: Car) -> tuple[int, int, int]:
    """Length, width, height in mm as a gauge sees them: within 10 mm of the papers, or of a middling car."""
    dice, papers = dice_for(car, "outline"), car.vehicle
    middling = (papers.length_mm or 4600, papers.width_mm or 1800, papers.height_mm or 1480)
    length, width, height = (mm + dice.randint(-10, 10) for mm in middling)
    return length, width, height


def shared(axle_kg: float, dice: Random) -> Wheels:
    """An axle's load on its two wheels; the driver sits left."""
    left = axle_kg * dice.uniform(0.495, 0.515)
    return Decimal(round(left)), Decimal(round(axle_kg - left))


def peaks(car: Car, item: str) -> tuple[float, float]:
    """Largest force of left and right wheel, daN, for B1, B2 or B0 (parking brake, rear axle)."""
    dice = dice_for(car, f"peaks/{item}")
    front, rear = (float(sum(axle)) for axle in wheel_loads(car))
    if item == "B0":
        return split((front + rear) * dice.uniform(0.235, 0.29), 1.0, dice)
    weak = weakness(car)
    if item == "B1":
        rate, load, low, uneven = dice.uniform(0.72, 0.84), front, "front_low", "front_uneven"
    elif item == "B2":
        rate, load, low, uneven = dice.uniform(0.50, 0.62), rear, "rear_low", "rear_uneven"
    else:
        raise ValueError(f"no brake item {item!r} on a car with two axles: B1, B2 or B0")
    if weak == low:
        rate = dice.uniform(*(WEAK_FRONT if item == "B1" else WEAK_REAR))
    return split(rate * load, dice.uniform(*UNEVEN[uneven]) if weak == uneven else 1.0, dice)


def split(force_kg: float, ratio: float, dice: Random) -> tuple[float, float]:
    """A force (as kg) on two wheels in daN; ``ratio`` is weaker over stronger, 1: up to 5 % apart."""
    ratio = ratio if ratio < 1 else dice.uniform(0.95, 1.0)
    stronger = force_kg * DAN_PER_KG / (1 + ratio)
    pair = (stronger, stronger * ratio)
    return pair if dice.random() < 0.5 else (pair[1], pair[0])


def drags(car: Car, axle: int) -> tuple[float, float]:
    """Force of the free-rolling wheels, daN: 2 to 5 % of the wheel's load (limit 10 %)."""
    dice = dice_for(car, f"drag/{axle}")
    left, right = wheel_loads(car)[axle - 1]
    return float(left) * DAN_PER_KG * dice.uniform(0.02, 0.05), float(right) * DAN_PER_KG * dice.uniform(
        0.02, 0.05
    )


def brake_curve(car: Car, item: str) -> BrakeTrace:
    """The bench's curve for B1, B2 or B0: rollers free, rise, hold, release; 2 to 3 s.

    Raises ValueError for another item.
    """
    most = peaks(car, item)
    free = drags(car, 1 if item == "B1" else 2)
    dice = dice_for(car, f"curve/{item}")
    start, rise, hold, release = (dice.uniform(*span) for span in (PEDAL_S, RISE_S, HOLD_S, RELEASE_S))
    late = dice.uniform(0.0, 0.015)  # the second wheel's brake bites a little later
    delays = (0.0, late) if dice.random() < 0.5 else (late, 0.0)
    end = start + rise + hold
    count = round((end + release + REST_S) * 1000 / INTERVAL_MS)
    left, right = (
        wheel(most[i], free[i], delays[i], count, (start, rise, end, release), dice) for i in (0, 1)
    )
    return BrakeTrace(left_dan=left, right_dan=right)


def wheel(
    most: float, free: float, delay: float, count: int, times: tuple[float, float, float, float], dice: Random
) -> tuple[int, ...]:
    """Samples of one wheel; its largest lies within noise of ``most``."""
    start, rise, end, release = times
    swing, phase = most * 0.006, dice.uniform(0, 2 * math.pi)
    forces = []
    for i in range(count):
        t = i * INTERVAL_MS / 1000
        grip = eased((t - start - delay) / rise) * (1 - eased((t - end) / release))
        ripple = swing * grip * math.sin(2 * math.pi * t / ROLLER_TURN_S + phase)
        forces.append(max(0, round(free + (most - free - swing) * grip + ripple + dice.gauss(0, 0.5))))
    return tuple(forces)


def eased(share: float) -> float:
    """0 to 1 with soft ends: brake pressure builds and leaves gradually."""
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def slip(car: Car) -> Decimal:
    """Side slip in m/km, outward positive, within -4 and 4 (limit 5)."""
    drawn = dice_for(car, "slip").gauss(0.3, 1.5)
    return Decimal(round(max(-4.0, min(4.0, drawn)) * 10)) / 10

"""Wheel-load scale and weighbridge: axle and vehicle mass, kerb mass against the papers; wheels per axle."""

from collections.abc import Sequence
from decimal import Decimal

from lanes.quantity import Derived, deviation, plain
from lanes.record import AxleWeighed, KerbMassMeasured
from lanes.vehicle import Vehicle

HEAVIEST_WHEEL_KG = Decimal(10_000)  # n6 field of the platform, no road axle bears more than 13 t (M)
HEAVIEST_VEHICLE_KG = 999_999  # n6 field of the platform
_ONE_TRACK = ("M21", "M22")  # two-wheelers: one wheel an axle
_THREE_WHEELS = (
    "M11",
    "M12",
    "M13",
    "M14",
    "M15",
    "N11",
)  # one wheel in front; M15: the sidecar's wheel is behind


def wheels_of(vehicle: Vehicle, axle: int) -> int:
    """How many wheels, or pairs of twin wheels, an axle has: 1 or 2 (M: the classes' own names)."""
    kind = vehicle.vehicle_class
    return 1 if kind in _ONE_TRACK or (kind in _THREE_WHEELS and axle == 1) else 2


def weighing_problem(weighed: AxleWeighed) -> str | None:
    """Why a weighing cannot be used, or None: every wheel must bear something a wheel can bear."""
    if weighed.wheels == 1 and weighed.right_kg:
        return f"axle {weighed.axle}: one wheel, but a load of {weighed.right_kg} kg on the right"
    for side, kg in (("left", weighed.left_kg), ("right", weighed.right_kg))[: weighed.wheels]:
        if not kg.is_finite() or not 0 < kg <= HEAVIEST_WHEEL_KG:
            return (
                f"axle {weighed.axle}: {side} wheel load {kg} kg is not between 0 and {HEAVIEST_WHEEL_KG} kg"
            )
    return None


def axle_load_kg(weighed: AxleWeighed) -> Decimal:
    """Static load of one axle, kg."""
    return weighed.left_kg + weighed.right_kg


def vehicle_load_kg(weighed: Sequence[AxleWeighed]) -> Decimal:
    """Sum of all axle loads, kg."""
    return sum((axle_load_kg(w) for w in weighed), Decimal(0))


def vehicle_mass(weighed: Sequence[AxleWeighed]) -> Derived:
    """Mass of the vehicle as the sum of its axles, with the working."""
    working = "+".join(plain(axle_load_kg(w)) for w in weighed)
    return Derived(quantity="vehicle_mass", value=vehicle_load_kg(weighed), unit="kg", working=working)


def kerb_mass_problem(measured: KerbMassMeasured) -> str | None:
    """Why a measured kerb mass cannot be used, or None."""
    if not measured.mass_kg.is_finite() or not 0 < measured.mass_kg <= HEAVIEST_VEHICLE_KG:
        return (
            f"{measured.item}: kerb mass {measured.mass_kg} kg is not between 0 and {HEAVIEST_VEHICLE_KG} kg"
        )
    return None


def kerb_mass_deviation(measured: KerbMassMeasured, papers_kg: int) -> Derived:
    """Measured kerb mass less that of the papers, kg and % (platform: zczbzlbfb)."""
    return deviation("kerb_mass_deviation", measured.mass_kg, papers_kg, "kg")

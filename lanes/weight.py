"""Wheel-load scale: axle and vehicle mass from static wheel loads."""

from collections.abc import Sequence
from decimal import Decimal

from lanes.quantity import Derived, plain
from lanes.record import AxleWeighed

HEAVIEST_WHEEL_KG = Decimal(10_000)  # n6 field of the platform, no road axle bears more than 13 t (M)


def weighing_problem(weighed: AxleWeighed) -> str | None:
    """Why a weighing cannot be used, or None: both wheels must bear something a wheel can bear."""
    for side, kg in (("left", weighed.left_kg), ("right", weighed.right_kg)):
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

"""Side-slip plate: slip of the steering axle in m/km, outward positive."""

from lanes.quantity import Derived, as_measured
from lanes.record import SideslipMeasured

WIDEST_M_PER_KM = 20  # plates read ±10 to ±15; beyond that the device is at fault (M)


def sideslip_problem(measured: SideslipMeasured) -> str | None:
    """Why a side-slip reading cannot be used, or None."""
    slip = measured.slip_m_per_km
    if not slip.is_finite() or abs(slip) > WIDEST_M_PER_KM:
        return f"side-slip {slip} m/km is beyond ±{WIDEST_M_PER_KM}"
    return None


def sideslip(measured: SideslipMeasured) -> Derived:
    """The slip as measured; nothing is worked out."""
    return as_measured("sideslip", measured.slip_m_per_km, "m/km")

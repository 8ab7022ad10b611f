"""Speedometer: how fast the vehicle really is when it indicates 40 km/h, the slow classes 30 km/h.

GB 7258-2017 车速表指示误差 (domain notes 2.3, F): the bounds hold for that one indicated speed, so a reading
at any other is no reading.
"""

from lanes.quantity import Derived, as_measured, plain
from lanes.record import SpeedometerMeasured
from lanes.vehicle import Vehicle

INDICATED_KMH, SLOW_INDICATED_KMH = 40, 30
SLOW_CLASSES = ("M12", "M22", "N11")  # F: mopeds and three-wheelers at 30; that these are their codes: M
FASTEST_KMH = 200  # beyond it the device is at fault (M)


def indicated_kmh(vehicle: Vehicle) -> int:
    """The indicated speed at which this vehicle's speedometer is tested."""
    return SLOW_INDICATED_KMH if vehicle.vehicle_class in SLOW_CLASSES else INDICATED_KMH


def speedometer_problem(measured: SpeedometerMeasured, vehicle: Vehicle) -> str | None:
    """Why a reading cannot be used for this vehicle, or None."""
    actual, wanted = measured.actual_kmh, indicated_kmh(vehicle)
    if not actual.is_finite() or not 0 <= actual <= FASTEST_KMH:
        return f"{measured.item}: {actual} km/h is not between 0 and {FASTEST_KMH} km/h"
    if measured.indicated_kmh != wanted:  # NaN differs too
        return (
            f"{measured.item}: measured at indicated {measured.indicated_kmh} km/h instead of {wanted} km/h"
        )
    return None


def speedometer(measured: SpeedometerMeasured) -> Derived:
    """The actual speed as measured, named by the indicated speed: ``speed_at_40`` or ``speed_at_30``."""
    return as_measured(f"speed_at_{plain(measured.indicated_kmh)}", measured.actual_kmh, "km/h")

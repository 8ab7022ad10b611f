"""What every kind of measurement is worth: why it cannot be judged, and the values worked out of it."""

from collections.abc import Iterator

from lanes.brakes import brake_problem
from lanes.headlamps import headlamp, headlamp_problem
from lanes.outline import outline, outline_problem
from lanes.quantity import Derived
from lanes.record import (
    AxleWeighed,
    BrakeMeasured,
    HeadlampMeasured,
    Instrumental,
    KerbMassMeasured,
    Measurement,
    OutlineMeasured,
    RoadParked,
    RoadTested,
    SideslipMeasured,
    SpeedometerMeasured,
)
from lanes.roadtest import parked, parked_problem, road, road_problem
from lanes.sideslip import sideslip, sideslip_problem
from lanes.speed import speedometer, speedometer_problem
from lanes.tyres import tyres, tyres_problem
from lanes.vehicle import Vehicle
from lanes.weight import kerb_mass_deviation, kerb_mass_problem, weighing_problem, wheels_of


def problem(body: Measurement, vehicle: Vehicle) -> str | None:
    """Why a measurement of this vehicle cannot be judged, or None: then it must be measured again."""
    match body:
        case BrakeMeasured():
            return brake_problem(body) or _wheels_problem(body, vehicle)
        case AxleWeighed():
            return weighing_problem(body) or _wheels_problem(body, vehicle)
        case SideslipMeasured():
            return sideslip_problem(body)
        case HeadlampMeasured():
            return headlamp_problem(body)
        case SpeedometerMeasured():
            return speedometer_problem(body, vehicle)
        case OutlineMeasured():
            return outline_problem(body)
        case KerbMassMeasured():
            return kerb_mass_problem(body)
        case RoadTested():
            return road_problem(body, vehicle)
        case RoadParked():
            return parked_problem(body, vehicle)
    return tyres_problem(body)


def derived(body: Instrumental | SideslipMeasured, vehicle: Vehicle) -> Iterator[Derived]:
    """The values of one usable measurement, in a report's order; for brakes see lanes/readings.py."""
    match body:
        case SideslipMeasured():
            yield sideslip(body)
        case HeadlampMeasured():
            yield from headlamp(body)
        case SpeedometerMeasured():
            yield speedometer(body)
        case OutlineMeasured():
            yield from outline(body, vehicle)
        case KerbMassMeasured():
            yield kerb_mass_deviation(body, vehicle.kerb_mass_kg)
        case RoadTested():
            yield from road(body)
        case RoadParked():
            yield parked(body)
        case _:
            yield from tyres(body)


def _wheels_problem(body: BrakeMeasured | AxleWeighed, vehicle: Vehicle) -> str | None:
    """An axle is measured with the wheels it has; the axles of a coupled trailer are not this vehicle's."""
    if body.axle > vehicle.axles or body.wheels == wheels_of(vehicle, body.axle):
        return None
    what = body.item if isinstance(body, BrakeMeasured) else f"axle {body.axle}"
    return f"{what}: measured with {body.wheels} of {wheels_of(vehicle, body.axle)} wheels"

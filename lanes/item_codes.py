"""What the code of an item says: of which axle it is, and how the vehicle is loaded for it."""

from lanes.limits import Axle
from lanes.record import Load
from lanes.vehicle import Vehicle


def axle_of(item: str) -> int | None:
    """Axle number of a service-brake item (B1…B6); None for every other item."""
    number = item.removeprefix("B")
    return int(number) if item != number and number.isdigit() and number != "0" else None


def is_beyond(item: str, vehicle: Vehicle) -> bool:
    """Whether an item is of an axle that the vehicle, by its papers, does not have."""
    axle = axle_of(item)
    return axle is not None and axle > vehicle.axles


def load_of(item: str) -> Load:
    """How a vehicle is loaded for an item: L1…L4 are brakes of a laden axle."""
    return "laden" if item.startswith("L") else "unladen"


def position(axle: int) -> Axle:
    """front or rear, as the limits tell axles apart (M: only the first axle is a front axle)."""
    return "front" if axle == 1 else "rear"

"""Samples: an ordinary vehicle of every class, to try rules on."""

from collections.abc import Iterable
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING

from lanes.vehicle import Vehicle

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

#: beginning of cllx -> gross mass kg, kerb mass kg, axles, persons; the longest beginning counts
_ORDINARY: dict[str, tuple[int, int, int, int]] = {
    "": (3000, 1500, 2, 2),
    "K1": (18000, 12500, 2, 50),
    "K2": (7500, 5500, 2, 19),
    "K3": (1800, 1400, 2, 5),
    "K4": (1500, 1100, 2, 5),
    "D": (18000, 12500, 2, 50),
    "H1": (25000, 9000, 3, 3),
    "H2": (10000, 4500, 2, 3),
    "H3": (4000, 2200, 2, 2),
    "H4": (1800, 1000, 2, 2),
    "H5": (4000, 1900, 2, 2),
    "Q1": (25000, 8800, 3, 3),
    "Q2": (10000, 5000, 2, 3),
    "Z": (16000, 14000, 2, 3),
    "B": (40000, 7000, 3, 1),
    "B3": (3000, 900, 1, 1),
    "G": (18000, 5000, 2, 1),
    "G3": (3000, 900, 1, 1),
    "M": (400, 150, 2, 2),
    "N": (2000, 1000, 2, 1),
    "J": (16000, 15000, 2, 1),
}
#: beginning of cllx -> use: goods, road passenger transport, school; others A, private
_USES = {"H": "F", "Q": "F", "B": "F", "G": "F", "K1": "B", "K2": "B", "K18": "P", "K28": "P", "K38": "P"}


def ordinary(
    vehicle_class: str,
    made_on: date,
    *,
    use: str = "",
    gross_mass_kg: int | None = None,
    kerb_mass_kg: int | None = None,
    axles: int | None = None,
    seats: int | None = None,
) -> Vehicle:
    """An ordinary vehicle of a class; what is given replaces what is ordinary."""
    gross, kerb, axle_count, persons = _ORDINARY[_begins(vehicle_class, _ORDINARY)]
    mine = _begins(vehicle_class, _USES)
    mass = gross_mass_kg or gross
    count = axles or axle_count
    return Vehicle(
        vin="LTEST1A27R0000001",
        vehicle_class=vehicle_class,
        use=use or _USES.get(mine, "A"),
        made_on=made_on,
        gross_mass_kg=mass,
        kerb_mass_kg=kerb_mass_kg or max(1, mass * kerb // gross),
        axles=count,
        parking_axles=(count,),
        seats=seats or persons,
    )


def _begins(vehicle_class: str, table: Iterable[str]) -> str:
    """The longest beginning of a class that a table has; empty: none."""
    return max((each for each in table if vehicle_class.startswith(each)), key=len, default="")


def classes(rulebook: "Rulebook") -> tuple[str, ...]:
    """Class codes to try: all that have a name, and one for each class group that none of them is of."""
    known = list(rulebook.names["vehicle_classes"])
    prefixes = chain.from_iterable(group.classes for group in rulebook.groups.values())
    known += [each for each in map(padded, prefixes) if each not in known]
    return tuple(dict.fromkeys(known))


def padded(prefix: str) -> str:
    """A whole class code with this beginning."""
    return (prefix + "11")[:3]

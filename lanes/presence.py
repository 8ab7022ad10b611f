"""What the sensors and cameras of a lane say of who stands where, and where they contradict the book."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

from lanes.arrivals import is_another
from lanes.book import CAPTURE_LEAD, Book, LaneBook, Seen
from lanes.layout import Lane, Station
from lanes.vehicle import Plate, Vehicle

Doubt: TypeAlias = Literal["strange", "another", "crowded"]


def driven_axle(vehicle: Vehicle) -> int:
    """The axle that turns the speedometer bench: the first driven one of the papers.

    Where they do not say: the front axle of small passenger cars, the last of every other vehicle (M).
    """
    if vehicle.driven_axles:
        return min(min(vehicle.driven_axles), vehicle.axles)
    return 1 if vehicle.vehicle_class[:2] in ("K3", "K4") else vehicle.axles


def axle_on(station: Station, state: LaneBook, vehicle: Vehicle) -> int | None:
    """The axle on the rollers: 0 for none, None when nobody can tell.

    Of two axles the levels tell which: the body covers the photocell beyond the rollers only from the second
    on. Further ones are counted (lanes.book.Axles), and a count that cannot be asks for an operator. A bench
    without that photocell, for the speedometer alone, takes any axle for the driven one: the driver knows it.
    """
    on, counted = state.on(station.name, "axle"), state.axles.get(station.name)
    if "beyond" not in station.sensors:
        return driven_axle(vehicle) if on else 0
    if vehicle.axles <= 2:
        return min(vehicle.axles, 2 if state.on(station.name, "beyond") else 1) if on else 0
    if counted is None or counted.doubt or counted.count > vehicle.axles:
        return None
    return counted.count if on else 0


def doubtful(lane: Lane, book: Book) -> frozenset[str]:
    """Stations where it is not sure who stands: nothing is measured there, and nobody is sent on."""
    return frozenset(station for station, _ in doubts(lane, book))


def doubts(lane: Lane, book: Book) -> Iterator[tuple[str, Doubt]]:
    """(station, why it is not sure that the booked vehicle stands there, and alone)."""
    state = book.lane(lane.name)
    for before, here in zip((None, *lane.stations), lane.stations, strict=False):
        who = state.at.get(here.name)
        if who is None:
            continue
        plate = book.inspections[who].vehicle.plate
        if here.name in state.strange and not _is_confirmed(state, here.name, plate):
            yield here.name, "strange"
        elif plate is not None and _saw_another(state, here, plate):
            yield here.name, "another"
        elif before is not None and _may_be_two(state, before, here):
            yield here.name, "crowded"


def _is_confirmed(state: LaneBook, station: str, plate: Plate | None) -> bool:
    """Whether a camera has seen the booked vehicle since it was lost sight of."""
    seen = state.witness.get(station)
    return seen is not None and seen.seq > state.strange[station] and not is_another(seen.text, plate)


def _saw_another(state: LaneBook, here: Station, plate: Plate) -> bool:
    """Whether the last plate that was read at a station, other than the gate, is not the booked vehicle's."""
    seen = state.witness.get(here.name)
    return here.kind != "gate" and seen is not None and _is_of_now(state, here.name, seen, plate)


def _is_of_now(state: LaneBook, station: str, seen: Seen, plate: Plate) -> bool:
    since = state.occupied_at.get(station)
    fresh = since is not None and seen.at >= since - CAPTURE_LEAD and seen.seq > state.vouched.get(station, 0)
    return fresh and is_another(seen.text, plate)


def _may_be_two(state: LaneBook, before: Station, here: Station) -> bool:
    """Whether somebody who is not where he was, or whom nobody knows, may have come up behind the booked one.

    A closed barrier keeps a vehicle out, a red light does not.
    """
    slipped, green = state.slipped.get(before.name, (0, False))
    since = max(state.came_seq[here.name], state.vouched.get(here.name, 0))
    if slipped > since and (green or before.lead == "light"):
        return True
    passable = before.lead == "light" or before.name in state.let_go
    return before.name in state.at and not state.present(before.name) and passable

"""What a lane does next, as a pure question to the journal's fold.

``steps`` says what should be recorded or measured now, ``outputs`` how every light and barrier should stand.
Both depend on levels, and on what the book has folded of their past, never on what a loop has just seen: an
agent that was killed asks again and gets the same answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lanes.arrivals import recognised, scanned
from lanes.book import Book, LaneBook
from lanes.inspection import Inspection
from lanes.layout import WORK, Lane, Role, Station
from lanes.moments import Moment
from lanes.presence import axle_on, doubtful, driven_axle
from lanes.record import ItemEnded

Items: TypeAlias = Mapping[str, tuple[str, ...]]
Done: TypeAlias = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrive:
    """The vehicle at the gate is this inspection's."""

    lane: str
    gate: str
    inspection: str
    capture_seq: int | None
    how: str
    scan_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The vehicle has reached ``station``; empty: it left the lane."""

    lane: str
    inspection: str
    station: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """An instrument item is due: the vehicle stands right and the item is missing."""

    lane: str
    station: str
    inspection: str
    item: str
    axle: int
    role: Role


Step: TypeAlias = Arrive | Move | Measure


@dataclass(frozen=True, slots=True)
class Task:
    """An instrument item that is missing, and with which axle on the rollers; 0: with the whole vehicle."""

    item: str
    axle: int
    role: Role


def steps(lane: Lane, book: Book, instruments: Items) -> Iterator[Step]:
    """What is due on a lane. ``instruments``: the instrument items (B1, B0, A1 …) of each inspection."""
    state = book.lane(lane.name)
    yield from _arrivals(lane, book)
    unsure = doubtful(lane, book)
    for here, after in _pairs(lane):
        who = state.at.get(here.name)
        if who is None:
            continue
        inspection = book.inspections[who]
        if _has_moved_on(state, here, after, inspection):
            yield Move(lane=lane.name, inspection=who, station=after.name if after else "")
            continue
        if here.name in unsure:
            continue
        task = next(_tasks(here, state, inspection, instruments.get(who, ())), None)
        if task is not None:
            item, axle, role = task.item, task.axle, task.role
            yield Measure(
                lane=lane.name, station=here.name, inspection=who, item=item, axle=axle or 1, role=role
            )


def _pairs(lane: Lane) -> Iterator[tuple[Station, Station | None]]:
    return zip(lane.stations, (*lane.stations[1:], None), strict=True)


def _has_moved_on(state: LaneBook, here: Station, after: Station | None, inspection: Inspection) -> bool:
    """Whether it is the vehicle of ``here`` that the next sensor sees: it was let go, or is here no more."""
    gone = not state.on(here.name)
    if after is None:
        return gone and (here.name in state.let_go or inspection.phase == "judged" or inspection.stopped)
    came_since = state.rose.get(after.name, 0) > state.booked_seq[here.name]
    if not state.on(after.name) or after.name in state.at or not came_since:
        return False
    let_go = here.name in state.let_go or here.name in state.let_in.get(after.name, ())
    return (gone and here.name not in state.strange) or let_go


def _arrivals(lane: Lane, book: Book) -> Iterator[Step]:
    found = recognised(lane, book)
    if found is not None:
        seen, match = found
        yield Arrive(
            lane=lane.name,
            gate=lane.stations[0].name,
            inspection=match.inspection,
            capture_seq=seen.seq,
            how="plate" if seen.text else "no_plate",
        )
    elif (by_scan := scanned(lane, book)) is not None:
        scan_seq, capture, whose = by_scan
        yield Arrive(
            lane=lane.name,
            gate=lane.stations[0].name,
            inspection=whose.inspection,
            capture_seq=None if capture is None else capture.seq,
            how="scan",
            scan_seq=scan_seq,
        )


# ---- what is measured ------------------------------------------------------------------------------


def tasks_left(station: Station, inspection: Inspection, items: tuple[str, ...]) -> Iterator[Task]:
    """Items of a station that are missing, in the order in which they are measured there: axle by axle."""
    roles = station.work
    for role in roles:
        if WORK[role].stand == "whole":
            yield from (Task(item, 0, role) for item in _missing(role, inspection, items))
    for axle in range(1, inspection.vehicle.axles + 1):
        yield from _axle_tasks(roles, axle, inspection, items)
    for role in roles:
        if WORK[role].stand == "pass":
            yield from (Task(item, 0, role) for item in _missing(role, inspection, items))


def _missing(role: Role, inspection: Inspection, items: tuple[str, ...]) -> Iterator[str]:
    letter = WORK[role].letter
    return (item for item in items if item[0] == letter and not inspection.has_reading(item))


def _axle_tasks(
    roles: tuple[Role, ...], axle: int, inspection: Inspection, items: tuple[str, ...]
) -> Iterator[Task]:
    """W and B of an axle; B0 and S1 with the axle that parks or drives."""
    vehicle = inspection.vehicle
    to_weigh = f"B{axle}" in items or "B0" in items  # the parking brake is judged by the whole weight
    if "weigh" in roles and to_weigh and axle not in inspection.weights:
        yield Task(f"W{axle}", axle, "weigh")
    if "brake" in roles:
        parks = axle == min(max(vehicle.parking_axles, default=vehicle.axles), vehicle.axles)
        for item in (f"B{axle}", *(("B0",) if parks else ())):
            if item in items and item not in inspection.brakes:
                yield Task(item, axle, "brake")
    if "speed" in roles and axle == driven_axle(vehicle):
        yield from (Task(item, axle, "speed") for item in _missing("speed", inspection, items))


def _tasks(
    station: Station, state: LaneBook, inspection: Inspection, items: tuple[str, ...]
) -> Iterator[Task]:
    """Missing items that the vehicle's present stand allows."""
    if not _may_measure(inspection):
        return
    axle = axle_on(station, state, inspection.vehicle)
    for task in tasks_left(station, inspection, items):
        if task.axle == axle if task.axle else state.on(station.name):
            yield task


def _may_measure(inspection: Inspection) -> bool:
    """Not held, none of its items stopped by somebody, and nothing that was measured waits for its end."""
    if inspection.stopped or inspection.held is not None or inspection.halted or inspection.unended:
        return False
    return inspection.phase in ("on_lane", "judged")


def ending(lane: Lane, book: Book, now: Moment) -> Iterator[tuple[Inspection, str, ItemEnded]]:
    """(inspection, end of the key, ItemEnded) of every item that is measured and whose least time is over."""
    for who in book.lane(lane.name).at.values():
        inspection = book.inspections[who]
        started = inspection.unended
        if started is None:
            continue
        lasted, least = now.since_ms(started.moment), lane.least_ms(started.body.item)
        if lasted >= least:
            body = started.body
            yield (
                inspection,
                f"{body.item}/ended/{started.seq}",
                ItemEnded(
                    lane=body.lane,
                    station=body.station,
                    item=body.item,
                    device=body.device,
                    lasted_ms=lasted,
                    least_ms=least,
                ),
            )


# ---- outputs -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How one output should stand, and why."""

    on: bool
    why: str


def outputs(
    lane: Lane, book: Book, instruments: Items, done: Done, early: frozenset[str] = frozenset()
) -> dict[tuple[str, str], Wanted]:
    """Wanted level of every (station, actuator) of a lane.

    ``done``: for each inspection the kinds of station whose own work is complete (exterior: its checks).
    ``early``: inspections that may not leave yet, the lane's least time not being over.
    """
    state, unsure = book.lane(lane.name), doubtful(lane, book)
    wanted: dict[tuple[str, str], Wanted] = {}
    for here, after in _pairs(lane):
        inspection = book.inspections.get(state.at.get(here.name, ""))
        items = () if inspection is None else instruments.get(inspection.inspection, ())
        ready, why = _may_go(here, after, state, inspection, items, done, unsure, early)
        if here.kind == "gate" and not ready and state.on(here.name) and here.name in state.green:
            ready = True  # a barrier never comes down on a vehicle that is under it
        wanted[here.name, here.lead] = Wanted(on=ready, why=why)
        if "advance" in here.outputs:
            wanted[here.name, "advance"] = _advance(here, state, inspection, items, here.name in unsure)
    return wanted


def _may_go(
    here: Station,
    after: Station | None,
    state: LaneBook,
    inspection: Inspection | None,
    items: tuple[str, ...],
    done: Done,
    unsure: frozenset[str],
    early: frozenset[str],
) -> tuple[bool, str]:
    if inspection is None:
        return False, "nobody here"
    if not state.on(here.name):
        return False, "it has gone"
    if here.name in unsure:
        return False, "not sure who stands here"
    if not inspection.stopped:
        why = _unfinished(here, inspection, items, done, early)
        if why:
            return False, why
    if after is not None and not state.free(after.name):
        return False, f"{after.name} is occupied"
    return True, "go on"


def _unfinished(
    here: Station, inspection: Inspection, items: tuple[str, ...], done: Done, early: frozenset[str]
) -> str:
    """What a vehicle still has to do at a station; empty: nothing."""
    if inspection.held is not None:
        return "held"
    if here.kind == "exit" and inspection.phase != "judged":
        return "not judged"
    if here.kind == "exit" and inspection.inspection in early:
        return "too early"
    if here.kind in ("exterior", "chassis") and here.kind not in done.get(inspection.inspection, ()):
        return "checks or photos missing"
    left = next(tasks_left(here, inspection, items), None)
    if left is not None:
        return f"{left.item} missing"
    return "its least time runs" if inspection.unended is not None else ""


def _advance(
    here: Station, state: LaneBook, inspection: Inspection | None, items: tuple[str, ...], unsure: bool
) -> Wanted:
    """Whether the vehicle should drive: through what waits for it, or on to its next axle."""
    if inspection is None or unsure or not _may_measure(inspection):
        return Wanted(on=False, why="nobody to measure here")
    if inspection.running is not None and any(
        WORK[role].stand == "pass" and WORK[role].letter == inspection.running[0] for role in here.work
    ):
        return Wanted(on=True, why="pass the plate")
    if not here.by_axle:
        return Wanted(on=False, why="stand")
    left = [task for task in tasks_left(here, inspection, items) if task.axle]
    axle = axle_on(here, state, inspection.vehicle)
    if left and axle is not None and all(task.axle > axle for task in left):
        return Wanted(on=True, why=f"drive axle {left[0].axle} on")
    return Wanted(on=False, why="stand" if left else "done")

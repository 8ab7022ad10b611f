"""What a lane does next, as a pure question to the journal's fold.

``Book.take`` folds every record of a node; ``steps`` says what should be recorded or measured now,
``outputs`` how every light and barrier should stand. Both depend on levels, never on edges that a restart
could miss: an agent that was killed asks again and gets the same answer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from lanes.inspection import Inspection, opened
from lanes.layout import Lane, Station
from lanes.record import (
    Arrived,
    Captured,
    DeviceChanged,
    Moved,
    NodeStarted,
    Ordered,
    Record,
    Sensed,
    Switched,
)

Output: TypeAlias = tuple[str, str, str]  # lane, station, actuator


ENDED_KEPT = 200  # ended inspections a node keeps in memory
CAPTURES_KEPT = 50  # unused captures a lane remembers
CAPTURE_LAG = timedelta(seconds=15)  # a capture comes a moment after the vehicle; later it is missing
CAPTURE_LEAD = timedelta(seconds=30)  # a capture may be recorded this long before its vehicle is sensed
SAME_VEHICLE = timedelta(seconds=10)  # cameras report one vehicle several times (domain facts 7.2: F)


@dataclass(frozen=True, slots=True)
class Seen:
    """A capture that no arrival has used yet."""

    seq: int
    at: datetime
    capture: Captured

    @property
    def moment(self) -> datetime:
        """When it was taken: by the camera's own clock, which compares with itself only."""
        return self.capture.taken_at or self.at

    def repeats(self, other: "Seen") -> bool:
        """Whether one camera saw one plate twice within ``SAME_VEHICLE``."""
        mine, known = self.capture, other.capture
        same = bool(mine.plate_text) and (mine.device, mine.plate_text) == (known.device, known.plate_text)
        return same and abs(self.moment - other.moment) <= SAME_VEHICLE


@dataclass(slots=True)
class LaneBook:
    """What is known of one lane: levels, who stands where, which captures wait for a vehicle."""

    levels: dict[tuple[str, str], bool] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    captures: list[Seen] = field(default_factory=list)
    used: Seen | None = None  # the capture of the last arrival
    occupied_at: dict[str, datetime] = field(default_factory=dict)
    freed_at: dict[str, datetime] = field(default_factory=dict)

    def on(self, station: str, sensor: str = "occupied") -> bool:
        """Level of a sensor; off before it was ever heard."""
        return self.levels.get((station, sensor), False)

    def free(self, station: str) -> bool:
        """Whether a vehicle may be sent to a station: nobody booked there and nothing sensed there."""
        return station not in self.at and not self.on(station)


@dataclass(slots=True)
class Book:
    """The node's whole state, folded from its journal."""

    lanes: dict[str, LaneBook] = field(default_factory=dict)
    inspections: dict[str, Inspection] = field(default_factory=dict)
    devices: dict[str, DeviceChanged] = field(default_factory=dict)
    switched: dict[Output, bool] = field(default_factory=dict)
    boot: str = ""
    seq: int = 0
    _ended: list[str] = field(default_factory=list)

    def lane(self, name: str) -> LaneBook:
        """The book of one lane, made when first asked for."""
        return self.lanes.setdefault(name, LaneBook())

    def take(self, record: Record) -> None:
        """Adds one record, in journal order."""
        self.seq, body = record.seq, record.body
        match body:
            case Ordered():
                if record.inspection and record.inspection not in self.inspections:
                    self.inspections[record.inspection] = opened(record, body)
                return
            case Sensed():
                self._sense(record.at, body)
            case Captured():
                self._see(record, body)
            case Arrived():
                self._arrive(record, body)
            case Switched():
                self.switched[body.lane, body.station, body.actuator] = body.on
            case DeviceChanged():
                self.devices[body.device] = body
            case NodeStarted():
                self.boot = body.boot
                for each in self.inspections.values():
                    each.running = None  # what ran when the node fell begins anew
            case _:
                pass
        inspection = self.inspections.get(record.inspection or "")
        if inspection is not None:
            if isinstance(body, Moved):
                self._move(body, inspection)
            inspection.take(record)
            if inspection.phase in ("gone", "aborted") and inspection.station is None:
                self._forget_oldest(inspection.inspection)

    def _see(self, record: Record, body: Captured) -> None:
        lane = self.lane(body.lane)
        if not body.plate_text and body.station in lane.at and lane.on(body.station):
            return  # the recognised vehicle seen again: kept, it would be the next one's without a plate
        seen = Seen(record.seq, record.at, body)
        if _has_left(lane, body) or (lane.used is not None and seen.repeats(lane.used)):
            return
        others = [each for each in lane.captures[-CAPTURES_KEPT:] if not seen.repeats(each)]
        lane.captures = [*others, seen]

    def _arrive(self, record: Record, body: Arrived) -> None:
        lane, inspection = self.lane(body.lane), self.inspections.get(record.inspection or "")
        for seen in lane.captures:
            if inspection is not None and seen.seq == body.capture_seq:
                inspection.capture = (seen.seq, seen.capture)
                lane.used = seen
        lane.captures = [seen for seen in lane.captures if seen.seq > (body.capture_seq or record.seq)]

    def _forget_oldest(self, ended: str) -> None:
        """Keeps the last ended inspections at hand; the older ones are in the journal."""
        if ended not in self._ended:
            self._ended.append(ended)
        while len(self._ended) > ENDED_KEPT:
            del self.inspections[self._ended.pop(0)]

    def _sense(self, at: datetime, body: Sensed) -> None:
        lane = self.lane(body.lane)
        lane.levels[body.station, body.sensor] = body.on
        if body.sensor == "occupied":
            (lane.occupied_at if body.on else lane.freed_at)[body.station] = at

    def _move(self, body: Moved, inspection: Inspection) -> None:
        lane = self.lane(body.lane)
        for station in [name for name, who in lane.at.items() if who == inspection.inspection]:
            del lane.at[station]
        if body.station:
            lane.at[body.station] = inspection.inspection

    def waiting(self) -> list[Inspection]:
        """Ordered and not yet on a lane, oldest first."""
        return [each for each in self.inspections.values() if each.phase == "waiting"]


def _has_left(lane: LaneBook, body: Captured) -> bool:
    """Whether a camera tells late of a vehicle that stood there before the station was last free."""
    free = lane.freed_at.get(body.station)
    if not body.replayed or body.taken_at is None or free is None:
        return False
    return body.taken_at < free - CAPTURE_LEAD


# ---- steps ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrive:
    """The vehicle at the gate is this inspection's."""

    lane: str
    gate: str
    inspection: str
    capture_seq: int
    how: str


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
    role: str


Step: TypeAlias = Arrive | Move | Measure


def steps(lane: Lane, book: Book, instruments: Mapping[str, tuple[str, ...]]) -> Iterator[Step]:
    """What is due on a lane. ``instruments``: the instrument items (B1, B0, A1 …) of each inspection."""
    state = book.lane(lane.name)
    yield from _arrivals(lane, state, book)
    for here, after in zip(lane.stations, (*lane.stations[1:], None), strict=True):
        who = state.at.get(here.name)
        if who is None:
            continue
        inspection = book.inspections[who]
        if _has_moved_on(state, here, after):
            yield Move(lane=lane.name, inspection=who, station=after.name if after else "")
            continue
        task = next(_tasks(here, state, inspection, instruments.get(who, ())), None)
        if task is not None:
            item, axle, role = task
            yield Measure(lane=lane.name, station=here.name, inspection=who, item=item, axle=axle, role=role)


def _has_moved_on(state: LaneBook, here: Station, after: Station | None) -> bool:
    if after is not None:
        return state.on(after.name) and after.name not in state.at
    return not state.on(here.name)


def _arrivals(lane: Lane, state: LaneBook, book: Book) -> Iterator[Step]:
    gate = lane.stations[0].name
    for seen in _candidates(lane, state):
        match = matching(seen.capture, book.waiting())
        if match is not None:
            how = "plate" if seen.capture.plate_text else "no_plate"
            yield Arrive(
                lane=lane.name, gate=gate, inspection=match.inspection, capture_seq=seen.seq, how=how
            )
            return


def _candidates(lane: Lane, state: LaneBook) -> list[Seen]:
    """Unused captures of the vehicle that stands at the gate unrecognised, the newest first."""
    gate = lane.stations[0].name
    if gate in state.at or not state.on(gate):
        return []
    since = state.occupied_at[gate] - CAPTURE_LEAD
    return [seen for seen in reversed(state.captures) if seen.at >= since]


def matching(capture: Captured, waiting: list[Inspection]) -> Inspection | None:
    """The waiting inspection of a capture: the plate's; without a plate the lane's oldest unplated one."""
    for inspection in waiting:
        plate = inspection.vehicle.plate
        called_here = inspection.called_to in ("", capture.lane)
        if (plate.hphm if plate else "") == capture.plate_text and (plate or called_here):
            return inspection
    return None


def unmatched(lane: Lane, book: Book) -> Captured | None:
    """The last capture of a vehicle at the gate that is nobody's who waits: the operator must act."""
    seen = _candidates(lane, book.lane(lane.name))
    if not seen or any(matching(each.capture, book.waiting()) for each in seen):
        return None
    return seen[0].capture


def uncaptured(lane: Lane, book: Book, now: datetime) -> datetime | None:
    """Since when a vehicle stands at the gate that no camera has captured, once that is longer than usual."""
    gate, state = lane.stations[0].name, book.lane(lane.name)
    if gate in state.at or not state.on(gate) or _candidates(lane, state):
        return None
    since = state.occupied_at[gate]
    return since if now - since > CAPTURE_LAG else None


def _axle_at(state: LaneBook, station: str) -> int:
    """The axle on the rollers: the body covers the photocell beyond them only from the second axle on."""
    if not state.on(station, "axle"):
        return 0
    return 2 if state.on(station, "beyond") else 1


def _tasks(
    station: Station, state: LaneBook, inspection: Inspection, items: tuple[str, ...]
) -> Iterator[tuple[str, int, str]]:
    """Missing items that the vehicle's present stand allows: (item, axle, role of the instrument)."""
    if inspection.stopped or inspection.phase not in ("on_lane", "judged"):
        return
    if station.kind == "brake":
        axle = _axle_at(state, station.name)
        yield from ((item, a, role) for item, a, role in _brake_tasks(inspection, items) if a == axle)
    elif station.kind == "sideslip" and "A1" in items and inspection.sideslip is None:
        yield "A1", 1, "sideslip"


def _brake_tasks(inspection: Inspection, items: tuple[str, ...]) -> Iterator[tuple[str, int, str]]:
    for axle in range(1, inspection.vehicle.axles + 1):
        to_weigh = f"B{axle}" in items or "B0" in items  # the parking brake is judged by the whole weight
        if to_weigh and axle not in inspection.weights:
            yield f"W{axle}", axle, "weigh"
        if f"B{axle}" in items and f"B{axle}" not in inspection.brakes:
            yield f"B{axle}", axle, "brake"
    if "B0" in items and "B0" not in inspection.brakes:
        yield "B0", max(inspection.vehicle.parking_axles, default=inspection.vehicle.axles), "brake"


# ---- outputs -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How one output should stand, and why."""

    on: bool
    why: str


def outputs(
    lane: Lane, book: Book, instruments: Mapping[str, tuple[str, ...]], done: Mapping[str, frozenset[str]]
) -> dict[tuple[str, str], Wanted]:
    """Wanted level of every (station, actuator) of a lane.

    ``done``: for each inspection the kinds of station whose own work is complete (exterior: its checks).
    """
    state = book.lane(lane.name)
    wanted: dict[tuple[str, str], Wanted] = {}
    for here, after in zip(lane.stations, (*lane.stations[1:], None), strict=True):
        inspection = book.inspections.get(state.at.get(here.name, ""))
        ready, why = _may_go(here, after, state, inspection, instruments, done)
        if here.kind in ("gate", "exit"):
            # a barrier never comes down on a vehicle that is under it
            held = (
                here.kind == "gate"
                and state.on(here.name)
                and book.switched.get((lane.name, here.name, "barrier"), False)
            )
            wanted[here.name, "barrier"] = Wanted(on=ready or held, why=why)
        else:
            wanted[here.name, "light"] = Wanted(on=ready, why=why)
        if here.kind == "brake":
            wanted[here.name, "advance"] = _advance(here, state, inspection, instruments)
        if here.kind == "sideslip":
            # the plate measures the next pass, so the vehicle is sent over it once it waits for one
            armed = inspection is not None and inspection.running == "A1" and not inspection.stopped
            wanted[here.name, "advance"] = Wanted(on=armed, why="pass the plate" if armed else "stand")
    return wanted


def _may_go(
    here: Station,
    after: Station | None,
    state: LaneBook,
    inspection: Inspection | None,
    instruments: Mapping[str, tuple[str, ...]],
    done: Mapping[str, frozenset[str]],
) -> tuple[bool, str]:
    if inspection is None:
        return False, "nobody here"
    if not inspection.stopped:
        if here.kind == "exit" and inspection.phase != "judged":
            return False, "not judged"
        if here.kind == "exterior" and "exterior" not in done.get(inspection.inspection, frozenset()):
            return False, "checks or photos missing"
        items = instruments.get(inspection.inspection, ())
        if here.kind == "brake" and next(_brake_tasks(inspection, items), None):
            return False, "brake items missing"
        if here.kind == "sideslip" and "A1" in items and inspection.sideslip is None:
            return False, "side-slip missing"
    if after is not None and not state.free(after.name):
        return False, f"{after.name} is occupied"
    return True, "go on"


def _advance(
    here: Station, state: LaneBook, inspection: Inspection | None, instruments: Mapping[str, tuple[str, ...]]
) -> Wanted:
    if inspection is None or inspection.stopped:
        return Wanted(on=False, why="nobody to measure here")
    left = list(_brake_tasks(inspection, instruments.get(inspection.inspection, ())))
    axle = _axle_at(state, here.name)
    if left and all(a > axle for _, a, _ in left):
        return Wanted(on=True, why=f"drive axle {left[0][1]} on")
    return Wanted(on=False, why="stand" if left else "done")

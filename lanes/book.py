"""Book: a node's whole state, folded from its journal: levels, who stands where, inspections, outputs.

Levels decide; what cannot be seen in a level is folded from the records in which it was seen, so that the
same records give the same book whenever and however often an agent begins anew.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

from lanes.inspection import Inspection, opened
from lanes.moments import Moment, kernel_of
from lanes.record import (
    Arrived,
    Captured,
    Corrected,
    DeviceChanged,
    Moved,
    NodeStarted,
    Ordered,
    Positioned,
    Record,
    Scanned,
    Sensed,
    Switched,
    Withdrawn,
)

Output: TypeAlias = tuple[str, str, str]  # lane, station, actuator

ENDED_KEPT = 200  # ended inspections a node keeps in memory
CAPTURES_KEPT = 50  # unused captures a lane remembers, and scans
CAPTURE_LEAD = timedelta(seconds=30)  # a capture may be recorded this long before its vehicle is sensed
SAME_VEHICLE = timedelta(seconds=10)  # cameras report one vehicle several times (domain facts 7.2: F)
GAP_MS = 2000  # a station free for as long may be entered by another vehicle; shorter is a sensor's doubt (M)
TAIL = timedelta(seconds=30)  # the end of a vehicle has left its station by then (M)
AXLE_GAP_MS = 300  # two axles 0.5 m apart at 5 km/h; shorter is a flicker of the photocell (M)


@dataclass(frozen=True, slots=True)
class Seen:
    """A capture; ``corrected``: how an operator reads it."""

    seq: int
    at: datetime
    capture: Captured
    corrected: Corrected | None = None

    @property
    def text(self) -> str:
        """The plate that counts; empty: none was seen."""
        return self.capture.plate_text if self.corrected is None else self.corrected.plate_text

    @property
    def moment(self) -> datetime:
        """When it was taken: by the camera's own clock, which compares with itself only."""
        return self.capture.taken_at or self.at

    def repeats(self, other: "Seen") -> bool:
        """Whether one camera saw one plate twice within ``SAME_VEHICLE``."""
        mine, known = self.capture, other.capture
        same = bool(mine.plate_text) and (mine.device, mine.plate_text) == (known.device, known.plate_text)
        return same and abs(self.moment - other.moment) <= SAME_VEHICLE

    @property
    def hpzl(self) -> str:
        """The kind of plate an operator has named; empty: only the camera's colour is known."""
        return "" if self.corrected is None else self.corrected.hpzl


@dataclass(slots=True)
class Axles:
    """Which axle of the booked vehicle came onto the rollers last.

    Levels tell the first axle from the further ones, not those from each other, so they are counted: an axle
    counts when its photocell rises after the vehicle was told to drive on (``led``), never while it stands.
    ``doubt``: the vehicle could drive while nobody watched; an operator must say (Positioned).
    """

    count: int = 0
    led: bool = False
    doubt: bool = False
    fell: Moment | None = None

    def rise(self, now: Moment) -> None:
        """The photocell was covered."""
        apart = self.fell is None or now.since_ms(self.fell) >= AXLE_GAP_MS
        if self.count == 0 or (self.led and apart):
            self.count, self.led = self.count + 1, False


@dataclass(slots=True)
class LaneBook:
    """What is known of one lane: levels, who stands where, which captures wait for a vehicle.

    ``booked_seq``, ``came_seq``: seq at which it was booked there, and at the station before.
    ``changed``: when ``occupied`` of a station changed. ``emptied``: when the last of its sensors fell.
    ``rose``: seq at which it rose after a gap.
    ``let_in``: which stations were green when it rose;
    ``let_go``: whether its own vehicle had green when it fell. ``strange``: it was free and is not any more,
    and its booked vehicle went nowhere else. ``vouched``: seq at which an operator said
    who stands there. ``tails``: since when it holds the end of a vehicle that is booked further on.
    ``slipped``: seq at which a vehicle left it that nobody had booked there, and whether it had green.
    """

    levels: dict[tuple[str, str], bool] = field(default_factory=dict)
    at: dict[str, str] = field(default_factory=dict)
    booked_seq: dict[str, int] = field(default_factory=dict)
    came_seq: dict[str, int] = field(default_factory=dict)
    captures: list[Seen] = field(default_factory=list)
    used: Seen | None = None  # the capture of the last arrival
    scans: list[tuple[Record, Scanned]] = field(default_factory=list)
    freed_at: dict[str, datetime] = field(default_factory=dict)
    witness: dict[str, Seen] = field(default_factory=dict)
    occupied_at: dict[str, datetime] = field(default_factory=dict)
    changed: dict[str, Moment] = field(default_factory=dict)
    emptied: dict[str, datetime] = field(default_factory=dict)
    rose: dict[str, int] = field(default_factory=dict)
    let_in: dict[str, frozenset[str]] = field(default_factory=dict)
    let_go: set[str] = field(default_factory=set)
    strange: dict[str, int] = field(default_factory=dict)
    vouched: dict[str, int] = field(default_factory=dict)
    tails: dict[str, datetime] = field(default_factory=dict)
    slipped: dict[str, tuple[int, bool]] = field(default_factory=dict)
    axles: dict[str, Axles] = field(default_factory=dict)
    green: set[str] = field(default_factory=set)
    advancing: set[str] = field(default_factory=set)
    watched_by: dict[str, str] = field(default_factory=dict)

    def on(self, station: str, sensor: str = "occupied") -> bool:
        """Level of a sensor; off before it was ever heard."""
        return self.levels.get((station, sensor), False)

    def present(self, station: str) -> bool:
        """Whether any sensor of a station sees a vehicle."""
        return any(self.on(station, sensor) for sensor in ("occupied", "axle", "beyond"))

    def free(self, station: str) -> bool:
        """Whether a vehicle may be sent to a station: nobody booked there and nothing sensed there."""
        return station not in self.at and not self.present(station)

    # ---- folding -----------------------------------------------------------------------------------

    def sense(self, record: Record, body: Sensed, boot: str) -> None:
        """A level changed."""
        station, now = body.station, Moment.of(record, boot)
        known, seen = self.levels.get((station, body.sensor), False), self.present(station)
        self.levels[station, body.sensor] = body.on
        if known is not body.on and body.sensor == "axle":
            self._axle(record, body, now)
        if known is not body.on and body.sensor == "occupied":
            if body.on:
                self._rise(record, station, now)
            else:
                self._fall(record, station)
            self.changed[station] = now
        if not self.present(station):
            self.tails.pop(station, None)
            if seen:
                self.emptied[station] = record.at

    def _axle(self, record: Record, body: Sensed, now: Moment) -> None:
        self.watched_by[body.station] = record.source.rpartition("//")[2]
        counted = self.axles.get(body.station)
        if counted is not None and body.on:
            counted.rise(now)
        elif counted is not None:
            counted.fell = now

    def _rise(self, record: Record, station: str, now: Moment) -> None:
        self.occupied_at[station] = record.at
        fell = self.changed.get(station)
        if fell is not None and now.since_ms(fell) < GAP_MS:
            return
        self.rose[station], self.let_in[station] = record.seq, frozenset(self.green)
        if station in self.at and fell is not None:
            self.strange[station] = record.seq

    def _fall(self, record: Record, station: str) -> None:
        self.freed_at[station] = record.at
        tail, green = self.tails.get(station), station in self.green
        if station in self.at and station not in self.strange:
            self.let_go |= {station} if green else set()
        elif tail is None or record.at - tail > TAIL:
            self.slipped[station] = record.seq, green

    def switch(self, body: Switched) -> None:
        """An output was confirmed."""
        if body.actuator == "advance":
            (self.advancing.add if body.on else self.advancing.discard)(body.station)
            if body.on and body.station in self.axles:
                self.axles[body.station].led = True
        else:
            (self.green.add if body.on else self.green.discard)(body.station)

    def see(self, seen: Seen, standing: bool) -> None:
        """A camera saw a vehicle; ``standing``: one that is booked there stands there."""
        body = seen.capture
        if self._has_left(body):
            return
        if seen.text:
            self.witness[body.station] = seen
        elif standing:
            return  # the recognised vehicle seen again: kept, it would be the next one's without a plate
        if self.used is None or not seen.repeats(self.used):
            others = [each for each in self.captures[-CAPTURES_KEPT:] if not seen.repeats(each)]
            self.captures = [*others, seen]

    def _has_left(self, body: Captured) -> bool:
        """Whether a camera tells late of a vehicle that stood there before the station was last free."""
        free = self.freed_at.get(body.station)
        if not body.replayed or body.taken_at is None or free is None:
            return False
        return body.taken_at < free - CAPTURE_LEAD

    def correct(self, body: Corrected) -> None:
        """An operator reads a capture otherwise."""

        def read(seen: Seen) -> Seen:
            right = seen.seq == body.capture_seq
            return Seen(seen.seq, seen.at, seen.capture, body) if right else seen

        self.captures = [read(seen) for seen in self.captures]
        self.witness = {station: read(seen) for station, seen in self.witness.items()}

    def vacate(self, who: str) -> None:
        """A vehicle is booked nowhere on this lane any more."""
        for station in [name for name, each in self.at.items() if each == who]:
            del self.at[station]
            del self.booked_seq[station], self.axles[station]
            self.witness.pop(station, None)
            self.strange.pop(station, None)
            self.vouched.pop(station, None)
            self.let_go.discard(station)

    def book(self, record: Record, station: str, who: str, by: str) -> None:
        """A vehicle is booked at a station; ``by``: an operator says so."""
        behind = [name for name, each in self.at.items() if each == who and name != station]
        came = min((self.booked_seq[name] for name in behind), default=record.seq)
        self.vacate(who)
        self.tails |= {name: record.at for name in behind if self.present(name)}
        for name in behind:
            if not self.present(name):
                # it was free before: who comes next is another, however soon
                self.changed.pop(name, None)
                self.emptied.pop(name, None)
        self.tails.pop(station, None)
        self.at[station], self.booked_seq[station] = who, record.seq
        self.came_seq[station] = came
        if by:
            self.vouched[station] = record.seq
        on = self.on(station, "axle")
        self.axles[station] = Axles(
            count=int(on), led=station in self.advancing, doubt=on and self.on(station, "beyond")
        )

    def unwatched(self, device: str | None = None) -> None:
        """The agent, or what reads the axles' photocell, was away: who was told to drive on may have."""
        for station, counted in self.axles.items():
            if station in self.advancing and device in (None, self.watched_by.get(station)):
                counted.doubt = True


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

    def moment(self, at: datetime, tick_ms: int) -> Moment:
        """A moment of this start of the kernel."""
        return Moment(at=at, tick_ms=tick_ms, boot=kernel_of(self.boot))

    def take(self, record: Record) -> None:
        """Adds one record, in journal order."""
        self.seq, body, boot = record.seq, record.body, kernel_of(self.boot)
        match body:
            case Ordered():
                if record.inspection and record.inspection not in self.inspections:
                    self.inspections[record.inspection] = opened(record, body, boot)
                return
            case Sensed():
                self.lane(body.lane).sense(record, body, boot)
            case Captured():
                lane = self.lane(body.lane)
                standing = body.station in lane.at and lane.on(body.station)
                lane.see(Seen(record.seq, record.at, body), standing)
            case Corrected():
                self.lane(body.lane).correct(body)
            case Scanned():
                lane = self.lane(body.lane)
                lane.scans = [*lane.scans[-CAPTURES_KEPT:], (record, body)]
            case Arrived():
                self._arrive(record, body)
            case Switched():
                self.switched[body.lane, body.station, body.actuator] = body.on
                self.lane(body.lane).switch(body)
            case DeviceChanged():
                self._hear(body)
            case NodeStarted():
                self._start(body)
            case _:
                pass
        inspection = self.inspections.get(record.inspection or "")
        if inspection is not None:
            self._follow(record, inspection)
            inspection.take(record)
            if inspection.phase in ("gone", "aborted") and inspection.station is None:
                self._forget_oldest(inspection.inspection)

    def _start(self, body: NodeStarted) -> None:
        self.boot = body.boot
        for each in self.inspections.values():
            each.restarted(kernel_of(body.boot))
        for lane in self.lanes.values():
            lane.unwatched()

    def _hear(self, body: DeviceChanged) -> None:
        self.devices[body.device] = body
        if body.state != "ok":
            for lane in self.lanes.values():
                lane.unwatched(body.device)

    def _follow(self, record: Record, inspection: Inspection) -> None:
        """Where an inspection's vehicle is booked now."""
        who = inspection.inspection
        match record.body:
            case Moved() as body if body.station:
                for lane in self.lanes.values():
                    if lane is not self.lane(body.lane):
                        lane.vacate(who)
                self.lane(body.lane).book(record, body.station, who, body.by)
            case Moved() | Withdrawn() as body:
                self.lane(body.lane).vacate(who)
            case Positioned() as body:
                counted = self.lane(body.lane).axles.get(body.station)
                if counted is not None and self.lane(body.lane).at[body.station] == who:
                    counted.count, counted.led, counted.doubt = body.axle, False, False

    def _arrive(self, record: Record, body: Arrived) -> None:
        lane, inspection = self.lane(body.lane), self.inspections.get(record.inspection or "")
        for seen in lane.captures:
            if inspection is not None and seen.seq == body.capture_seq:
                inspection.capture = (seen.seq, seen.capture)
                lane.used = seen
        lane.captures = [seen for seen in lane.captures if seen.seq > (body.capture_seq or record.seq)]
        lane.scans = []

    def _forget_oldest(self, ended: str) -> None:
        """Keeps the last ended inspections at hand; the older ones are in the journal."""
        if ended not in self._ended:
            self._ended.append(ended)
        while len(self._ended) > ENDED_KEPT:
            del self.inspections[self._ended.pop(0)]

    def waiting(self) -> list[Inspection]:
        """Ordered and not on a lane, oldest first."""
        return [each for each in self.inspections.values() if each.phase == "waiting"]

"""fold(records) -> Inspection: everything known of one vehicle's visit, from its records alone."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, TypeAlias

from lanes.checklist import Given
from lanes.evidence import Span
from lanes.moments import Moment, Stay
from lanes.record import (
    Aborted,
    AnyBody,
    Arrived,
    AxleWeighed,
    BrakeMeasured,
    Called,
    Captured,
    Checked,
    Filmed,
    Finding,
    Held,
    Instrumental,
    ItemEnded,
    ItemFailed,
    ItemStarted,
    Judged,
    Listed,
    Measurement,
    Moved,
    ObdRead,
    Ordered,
    Photographed,
    Ranked,
    Record,
    Referred,
    Released,
    Repeated,
    Resumed,
    Reviewed,
    Ruled,
    SideslipMeasured,
    Signed,
    Withdrawn,
    place_of,
)
from lanes.vehicle import Vehicle

Phase: TypeAlias = Literal["waiting", "on_lane", "judged", "gone", "aborted"]

#: (phase, kind of record) -> phase. A kind that is not listed for a phase leaves it as it is.
TRANSITIONS: dict[tuple[Phase, type], Phase] = {
    ("waiting", Arrived): "on_lane",
    ("waiting", Aborted): "aborted",
    ("on_lane", Judged): "judged",
    ("on_lane", Aborted): "aborted",
    ("on_lane", Withdrawn): "waiting",
}


@dataclass(frozen=True, slots=True)
class Started:
    """The instrument item that began last, and when."""

    seq: int
    body: ItemStarted
    moment: Moment


#: what somebody does for a visit before it is signed for
_WORK: TypeAlias = Measurement | Checked | Photographed | Reviewed | Ruled


@dataclass(slots=True)
class Inspection:
    """One vehicle's visit. Every pair is (seq, body); the latest wins, the earlier stay in the journal."""

    inspection: str
    vehicle: Vehicle
    business: str
    ordered_seq: int
    ordered_at: datetime
    ordered: Moment
    attempt: int = 1
    redo: tuple[str, ...] | None = None
    stands: tuple[Finding, ...] = ()
    stands_until: date | None = None
    called_to: str = ""
    called_seq: int = 0
    priority: int = 0
    appointed_at: datetime | None = None
    booking: str = ""
    held: Held | None = None
    left_out: tuple[str, ...] = ()
    left_out_why: str = ""
    listed: tuple[int, Listed] | None = None
    boot: str = ""
    phase: Phase = "waiting"
    lane: str | None = None
    station: str | None = None
    arrived_at: datetime | None = None
    arrived: Moment | None = None
    capture: tuple[int, Captured] | None = None
    stays: list[Stay] = field(default_factory=list)
    visit: int = 0
    moves: int = 0
    worked: tuple[int, Moment] | None = None
    signed: Moment | None = None
    ended_at: datetime | None = None
    running: str | None = None
    started: Started | None = None
    halted: set[str] = field(default_factory=set)
    failures: dict[str, tuple[int, ItemFailed]] = field(default_factory=dict)
    checks: dict[str, tuple[int, Checked]] = field(default_factory=dict)
    brakes: dict[str, tuple[int, BrakeMeasured]] = field(default_factory=dict)
    weights: dict[int, tuple[int, AxleWeighed]] = field(default_factory=dict)
    sideslip: tuple[int, SideslipMeasured] | None = None
    measured: dict[str, tuple[int, Instrumental]] = field(default_factory=dict)
    photos: dict[str, list[tuple[int, Photographed]]] = field(default_factory=dict)
    obd: tuple[int, ObdRead] | None = None
    spans: dict[str, Span] = field(default_factory=dict)
    films: list[tuple[int, Filmed]] = field(default_factory=list)
    reviews: dict[int, list[tuple[int, Reviewed]]] = field(default_factory=dict)
    rulings: dict[int, tuple[int, Ruled]] = field(default_factory=dict)
    signatures: dict[str, tuple[int, Signed]] = field(default_factory=dict)
    referrals: dict[int, Referred] = field(default_factory=dict)
    releases: dict[int, tuple[int, Released]] = field(default_factory=dict)
    judged: tuple[int, Judged] | None = None
    aborted: tuple[int, Aborted] | None = None
    taken: set[int] = field(default_factory=set)

    def take(self, record: Record) -> None:
        """Adds one record of this inspection; one that it has already is not taken again."""
        seq, body = record.seq, record.body
        if seq in self.taken:
            return
        self.taken.add(seq)
        match body:
            case Listed() if self.judged is None:
                self.listed = (seq, body)
            case Called():
                self.called_to, self.called_seq = body.lane, seq
            case Ranked():
                self.priority = body.priority
            case Held():
                self.held = body
            case Resumed():
                self.held = None
            case Arrived():
                self.lane, self.arrived_at = body.lane, self.arrived_at or record.at
                self.arrived = self.arrived or self._moment(record)
                self.visit = len(self.stays)
            case Moved():
                self._moved(record, body)
            case Withdrawn():
                self._withdrawn(record, body)
            case ItemStarted():
                self.running, self.started = body.item, Started(seq, body, self._moment(record))
                self._begun(record, body)
            case ItemFailed():
                self.running = self.started = None
                self.failures[body.item] = (seq, body)
                if body.by:
                    self.halted.add(body.item)
            case ItemEnded():
                self.started = None
            case AxleWeighed() if self._counts(f"W{body.axle}"):
                self.weights[body.axle] = (seq, body)
            case BrakeMeasured() if self._counts(body.item):
                self.brakes[body.item] = (seq, body)
            case SideslipMeasured() if self._counts(body.item):
                self.sideslip = (seq, body)
            case _ if isinstance(body, Instrumental) and self._counts(body.item):
                self.measured[place_of(body)] = (seq, body)
            case Checked():
                self.checks[body.item] = (seq, body)
            case Photographed():
                insort(self.photos.setdefault(body.shot, []), (seq, body), key=_seq)
            case ObdRead():
                self.obd = (seq, body)
            case Filmed():
                insort(self.films, (seq, body), key=_seq)
            case Reviewed():
                insort(self.reviews.setdefault(body.photo_seq, []), (seq, body), key=_seq)
            case Ruled():
                self.rulings[body.review_seq] = (seq, body)
            case Signed():
                self.signatures[body.role] = (seq, body)
                if body.role == "officer":
                    self.signed = self._moment(record)
            case Repeated():
                self._begin_again(body.items)
            case Referred():
                self.referrals[seq] = body
            case Released() if self._may_release(body):
                self.releases[body.referred_seq] = (seq, body)
            case Judged():
                self.judged = (seq, body)
            case Aborted() if self.phase in ("waiting", "on_lane"):  # beside a verdict it came too late
                self.aborted = (seq, body)
                self.ended_at = record.at
            case _:
                pass
        if item := ended_item(body):
            self._ended(record, item)
        if isinstance(body, _WORK) and (self.worked is None or self.worked[0] < seq):
            self.worked = seq, self._moment(record)
        self.phase = TRANSITIONS.get((self.phase, type(body)), self.phase)
        if self.ended_at is not None and self.phase == "judged":
            self.phase = "gone"

    def _moment(self, record: Record) -> Moment:
        return Moment.of(record, self.boot)

    def _moved(self, record: Record, body: Moved) -> None:
        self.moves += 1
        self._leave(record)
        self.station = body.station or None
        if self.station is None:
            self.ended_at = record.at
        else:
            entered = self._moment(record)
            self.stays.append(Stay(lane=body.lane, station=self.station, entered=entered))

    def _begun(self, record: Record, body: ItemStarted) -> None:
        self.spans[body.item] = Span(
            item=body.item,
            lane=body.lane,
            station=body.station,
            to_film=body.to_film,
            from_at=record.at,
            from_seq=record.seq,
        )

    def _ended(self, record: Record, item: str) -> None:
        span = self.spans.get(item)
        if span is not None and span.to_at is None:
            self.spans[item] = replace(span, to_at=record.at, to_seq=record.seq)

    def _leave(self, record: Record) -> None:
        if self.station is not None and self.stays:
            self.stays[-1].left = self._moment(record)

    def _withdrawn(self, record: Record, body: Withdrawn) -> None:
        """It is off the lane; one that needs nothing more there has left it for good."""
        self._leave(record)
        self.station = self.running = self.started = None
        if self.phase == "on_lane":
            self.lane = None
            self.called_to, self.called_seq = body.to, record.seq if body.to else 0
        else:
            self.ended_at = self.ended_at or record.at

    def restarted(self, boot: str) -> None:
        """The agent began anew: what ran begins again; what was measured may still wait for its end."""
        if self.running is not None:
            self.running = self.started = None
        self.boot = boot

    def _counts(self, item: str) -> bool:
        """Whether a reading counts: one that came after its item was stopped stays in the journal only."""
        if item in self.halted:
            return False
        self.running = None
        self.failures.pop(item, None)
        return True

    def _begin_again(self, items: tuple[str, ...]) -> None:
        """The records of what was found before stay in the journal; here they count no more."""
        self.halted -= set(items)
        for item in items:
            self.checks.pop(item, None)
            self.brakes.pop(item, None)
            self.failures.pop(item, None)
        for axle in [axle for axle in self.weights if f"W{axle}" in items]:
            del self.weights[axle]
        if "A1" in items:
            self.sideslip = None
        for place in [place for place, (_, body) in self.measured.items() if body.item in items]:
            del self.measured[place]

    def _may_release(self, body: Released) -> bool:
        """Whoever referred a vehicle cannot release it."""
        referred = self.referrals.get(body.referred_seq)
        return referred is not None and referred.officer != body.officer

    @property
    def referred(self) -> bool:
        """Whether a suspicion stands that nobody has released."""
        return bool(self.referrals.keys() - self.releases.keys())

    @property
    def ending(self) -> Literal["", "left", "aborted"]:
        """How it ended, if it has."""
        if self.ended_at is None:
            return ""
        return "left" if self.aborted is None else "aborted"

    def has_standing(self, item: str) -> bool:
        """Whether a finding of the attempt before stands for an item."""
        return self.redo is not None and any(finding.item == item for finding in self.stands)

    @property
    def stopped(self) -> bool:
        """Nothing more is measured of it; every station lets it go."""
        return self.phase == "aborted" or self.verdict == "suspicious"

    @property
    def unended(self) -> Started | None:
        """An item that has its reading and has not ended: its least time may still run."""
        return self.started if self.running is None else None

    @property
    def left(self) -> frozenset[str]:
        """Stations of its lane that it has left on this visit."""
        return frozenset(stay.station for stay in self.stays[self.visit :] if stay.left is not None)

    def has_reading(self, item: str) -> bool:
        """Whether an instrument item, other than the load of an axle, has a reading that counts."""
        if item == "A1":
            return self.sideslip is not None
        return item in self.brakes or item in self.measured

    def latest_photos(self) -> dict[str, tuple[int, Photographed]]:
        """The photo that counts for each shot: the last one taken."""
        return {shot: taken[-1] for shot, taken in self.photos.items()}

    def asks(self) -> list[tuple[int, Reviewed]]:
        """Reviews of photos that count, which do not agree and have no ruling yet."""
        current = {seq for seq, _ in self.latest_photos().values()}
        return [
            (seq, review)
            for photo_seq, reviews in sorted(self.reviews.items())
            if photo_seq in current
            for seq, review in reviews
            if review.opinion != "agree" and seq not in self.rulings
        ]

    @property
    def given(self) -> Given:
        """What its order adds to the tables of the rules."""
        listed = None if self.listed is None else self.listed[1]
        return Given(listed=listed, left_out=self.left_out, left_out_why=self.left_out_why)

    @property
    def verdict(self) -> str | None:
        """pass, fail, incomplete, suspicious, or None before it is judged."""
        return None if self.judged is None else self.judged[1].verdict

    @property
    def failed_items(self) -> list[str]:
        """Items with a finding that fails, in order, each once."""
        if self.judged is None:
            return []
        return list(dict.fromkeys(f.item for f in self.judged[1].findings if f.result == "fail"))


def fold(records: Iterable[Record]) -> Inspection | None:
    """The inspection that these records of one visit tell; None when they hold no Ordered."""
    inspection: Inspection | None = None
    for record in records:
        if inspection is not None:
            inspection.take(record)
        elif isinstance(record.body, Ordered):
            inspection = opened(record, record.body)
    return inspection


def opened(record: Record, body: Ordered, boot: str = "") -> Inspection:
    """A fresh inspection from its Ordered record; ``boot``: of which start of the kernel its ticks are."""
    return Inspection(
        inspection=record.inspection or "",
        vehicle=body.vehicle,
        business=body.business,
        ordered_seq=record.seq,
        ordered_at=record.at,
        attempt=body.attempt,
        redo=body.redo if body.mode == "failed_only" else None,
        stands=body.stands,
        stands_until=body.stands_until,
        called_to=body.lane,
        called_seq=record.seq if body.lane else 0,
        appointed_at=body.appointed_at,
        booking=body.booking,
        ordered=Moment.of(record, boot),
        boot=boot,
        taken={record.seq},
        left_out=body.left_out,
        left_out_why=body.left_out_why,
    )


def ended_item(body: AnyBody) -> str:
    """The item that ends with this fact; empty: none does."""
    if isinstance(body, AxleWeighed):
        return f"W{body.axle}"
    return body.item if isinstance(body, ItemFailed | Measurement) else ""


def _seq(pair: tuple[int, object]) -> int:
    return pair[0]

"""fold(records) -> Inspection: everything known of one vehicle's visit, from its records alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from lanes.checklist import Given
from lanes.record import (
    Aborted,
    Arrived,
    AxleWeighed,
    BrakeMeasured,
    Captured,
    Checked,
    Filmed,
    ItemFailed,
    ItemStarted,
    Judged,
    Listed,
    Moved,
    Ordered,
    Photographed,
    Record,
    Reviewed,
    Ruled,
    SideslipMeasured,
    Signed,
)
from lanes.vehicle import Vehicle

Phase: TypeAlias = Literal["waiting", "on_lane", "judged", "gone", "aborted"]

#: (phase, kind of record) -> phase. A kind that is not listed for a phase leaves it as it is.
TRANSITIONS: dict[tuple[Phase, type], Phase] = {
    ("waiting", Arrived): "on_lane",
    ("waiting", Aborted): "aborted",
    ("on_lane", Judged): "judged",
    ("on_lane", Aborted): "aborted",
}


@dataclass(slots=True)
class Inspection:
    """One vehicle's visit. Every pair is (seq, body); the latest wins, the earlier stay in the journal."""

    inspection: str
    vehicle: Vehicle
    business: str
    ordered_seq: int
    ordered_at: datetime
    attempt: int = 1
    called_to: str = ""
    left_out: tuple[str, ...] = ()
    left_out_why: str = ""
    listed: tuple[int, Listed] | None = None
    phase: Phase = "waiting"
    lane: str | None = None
    station: str | None = None
    arrived_at: datetime | None = None
    arrived_tick_ms: int = 0
    capture: tuple[int, Captured] | None = None
    entered_ms: dict[str, int] = field(default_factory=dict)
    left_ms: dict[str, int] = field(default_factory=dict)
    ended_at: datetime | None = None
    running: str | None = None
    failures: dict[str, tuple[int, ItemFailed]] = field(default_factory=dict)
    checks: dict[str, tuple[int, Checked]] = field(default_factory=dict)
    brakes: dict[str, tuple[int, BrakeMeasured]] = field(default_factory=dict)
    weights: dict[int, tuple[int, AxleWeighed]] = field(default_factory=dict)
    sideslip: tuple[int, SideslipMeasured] | None = None
    photos: dict[str, list[tuple[int, Photographed]]] = field(default_factory=dict)
    films: list[tuple[int, Filmed]] = field(default_factory=list)
    reviews: dict[int, list[tuple[int, Reviewed]]] = field(default_factory=dict)
    rulings: dict[int, tuple[int, Ruled]] = field(default_factory=dict)
    signatures: dict[str, tuple[int, Signed]] = field(default_factory=dict)
    judged: tuple[int, Judged] | None = None
    aborted: tuple[int, Aborted] | None = None

    def take(self, record: Record) -> None:
        """Adds one record of this inspection."""
        seq, body = record.seq, record.body
        match body:
            case Listed() if self.judged is None:
                self.listed = (seq, body)
            case Arrived():
                self.lane, self.arrived_at, self.arrived_tick_ms = body.lane, record.at, record.tick_ms
            case Moved():
                self._moved(record, body)
            case ItemStarted():
                self.running = body.item
            case ItemFailed():
                self.running = None
                self.failures[body.item] = (seq, body)
            case AxleWeighed():
                self._measured(f"W{body.axle}")
                self.weights[body.axle] = (seq, body)
            case BrakeMeasured():
                self._measured(body.item)
                self.brakes[body.item] = (seq, body)
            case SideslipMeasured():
                self._measured(body.item)
                self.sideslip = (seq, body)
            case Checked():
                self.checks[body.item] = (seq, body)
            case Photographed():
                self.photos.setdefault(body.shot, []).append((seq, body))
            case Filmed():
                self.films.append((seq, body))
            case Reviewed():
                self.reviews.setdefault(body.photo_seq, []).append((seq, body))
            case Ruled():
                self.rulings[body.review_seq] = (seq, body)
            case Signed():
                self.signatures[body.role] = (seq, body)
            case Judged():
                self.judged = (seq, body)
            case Aborted() if self.phase in ("waiting", "on_lane"):  # beside a verdict it came too late
                self.aborted = (seq, body)
                self.ended_at = record.at
            case _:
                pass
        self.phase = TRANSITIONS.get((self.phase, type(body)), self.phase)
        if self.ended_at is not None and self.phase == "judged":
            self.phase = "gone"

    def _moved(self, record: Record, body: Moved) -> None:
        if self.station is not None:
            self.left_ms[self.station] = record.tick_ms
        self.station = body.station or None
        if self.station is None:
            self.ended_at = record.at
        else:
            self.entered_ms[self.station] = record.tick_ms

    def _measured(self, item: str) -> None:
        self.running = None
        self.failures.pop(item, None)

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
        """pass, fail, or None before it is judged."""
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


def opened(record: Record, body: Ordered) -> Inspection:
    """A fresh inspection from its Ordered record."""
    return Inspection(
        inspection=record.inspection or "",
        vehicle=body.vehicle,
        business=body.business,
        ordered_seq=record.seq,
        ordered_at=record.at,
        attempt=body.attempt,
        called_to=body.lane,
        left_out=body.left_out,
        left_out_why=body.left_out_why,
    )

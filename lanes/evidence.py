"""Evidence: everything an attempt is judged by, each fact with the seq of its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

from lanes.checklist import NOTHING, Given
from lanes.record import (
    AxleWeighed,
    BrakeMeasured,
    Checked,
    Filmed,
    Finding,
    Instrumental,
    ObdRead,
    Photographed,
    Referred,
    Released,
    Reviewed,
    Ruled,
    SideslipMeasured,
)
from lanes.spelling import fold
from lanes.vehicle import Vehicle

_B = TypeVar("_B")
Numbered: TypeAlias = tuple[int, _B]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When an item was measured at a station, by the records of its beginning and its end."""

    item: str
    lane: str
    station: str
    to_film: bool
    from_at: datetime
    from_seq: int
    to_at: datetime | None = None
    to_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Facts of one attempt as (seq, body), the latest of each; all reviews; rulings by review seq.

    ``redo``: what a re-inspection must do again, None: everything; ``stands``: findings of the one before.
    ``referrals`` by their seq, ``releases`` by the seq of the referral. ``ended``: how, without a verdict.
    """

    vehicle: Vehicle
    business: str
    attempt: int = 1
    given: Given = NOTHING
    checks: Mapping[str, Numbered[Checked]] = field(default_factory=dict)
    brakes: Mapping[str, Numbered[BrakeMeasured]] = field(default_factory=dict)
    weights: Mapping[int, Numbered[AxleWeighed]] = field(default_factory=dict)
    sideslip: Numbered[SideslipMeasured] | None = None
    measured: Mapping[str, Numbered[Instrumental]] = field(default_factory=dict)
    reviews: tuple[Numbered[Reviewed], ...] = ()
    rulings: Mapping[int, Numbered[Ruled]] = field(default_factory=dict)
    photos: Mapping[str, Numbered[Photographed]] = field(default_factory=dict)
    obd: Numbered[ObdRead] | None = None
    films: tuple[Numbered[Filmed], ...] = ()
    spans: Mapping[str, Span] = field(default_factory=dict)
    redo: tuple[str, ...] | None = None
    stands: tuple[Finding, ...] = ()
    referrals: Mapping[int, Referred] = field(default_factory=dict)
    releases: Mapping[int, Numbered[Released]] = field(default_factory=dict)
    signed: bool = False
    ended: Literal["", "left", "aborted"] = ""

    @property
    def referred(self) -> bool:
        """Whether a suspicion stands that nobody has released."""
        return bool(self.referrals.keys() - self.releases.keys())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known of one question about the photo that counts for a shot."""

    shot: str
    question: str
    photo_seq: int
    review: Numbered[Reviewed] | None
    ruling: Numbered[Ruled] | None
    agrees: bool

    @property
    def settled(self) -> bool:
        """Whether it can be judged: the officer has ruled, or the model agrees."""
        return self.agrees if self.ruling is None else self.ruling[1].decision != "retake"

    @property
    def basis(self) -> tuple[int, ...]:
        """Seqs of photo, review and ruling."""
        pairs = (self.review, self.ruling)
        return (self.photo_seq, *(pair[0] for pair in pairs if pair is not None))


def answers(evidence: Evidence, shot: str, questions: tuple[str, ...]) -> tuple[Answer, ...]:
    """One Answer for each question that is due or was asked of the latest photo of a shot; empty: no photo.

    Reviews of a photo that was taken again do not count. An officer's ruling is about photo and question: it
    stands, whatever a model says of the same photo later.
    """
    if shot not in evidence.photos:
        return ()
    photo_seq = evidence.photos[shot][0]
    found = sorted(pair for pair in evidence.reviews if pair[1].photo_seq == photo_seq)  # by seq
    asked = dict.fromkeys((*questions, *(review.question for _, review in found)))
    return tuple(_answer(evidence, shot, question, photo_seq, found) for question in asked)


def _answer(
    evidence: Evidence, shot: str, question: str, photo_seq: int, found: list[Numbered[Reviewed]]
) -> Answer:
    mine = [pair for pair in found if pair[1].question == question]
    review = mine[-1] if mine else None
    return Answer(
        shot=shot,
        question=question,
        photo_seq=photo_seq,
        review=review,
        ruling=max((evidence.rulings[seq] for seq, _ in mine if seq in evidence.rulings), default=None),
        agrees=review is not None
        and review[1].opinion == "agree"
        and _was_asked_rightly(evidence, review[1]),
    )


def _was_asked_rightly(evidence: Evidence, review: Reviewed) -> bool:
    """Whether the model compared with what the papers say; agreeing with anything else proves nothing."""
    plate = evidence.vehicle.plate
    match review.question:
        case "vin":
            return fold(review.expected) == fold(evidence.vehicle.vin)
        case "plate":
            return plate is not None and fold(review.expected) == fold(plate.hphm)
    return True

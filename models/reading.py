"""Reading: what a model read in one photo, how sure, and what it thinks of the expected text."""

from decimal import Decimal
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from lanes.record import Character, Earlier, Opinion, Reviewed
from models.images import Box

Question: TypeAlias = Literal["plate", "vin", "quality", "reuse", "rubbing"]
PLACES = Decimal("0.0001")


class Reading(Struct, frozen=True, kw_only=True):
    """One answer about one photo. ``confidence`` and ``p`` are 0 to 1; ``score`` a margin in natural log.

    ``probability``: that the claim is true, at even odds.
    """

    question: Question
    model: str
    opinion: Opinion = "unsure"
    text: str = ""
    confidence: Decimal = Decimal(0)
    characters: tuple[Character, ...] = ()
    plate_type: str = "unknown"
    box: Box | None = None
    expected: str = ""
    score: Decimal | None = None
    probability: Decimal | None = None
    reasons: tuple[str, ...] = ()
    weights_sha256: str | None = None
    took_ms: int = 0
    earlier: Earlier | None = None
    searched: int = 0


def decimal(value: float) -> Decimal:
    """A float with the four places that are recorded."""
    return Decimal(repr(float(value))).quantize(PLACES)


def to_body(reading: Reading, photo_seq: int, photo_sha256: str, shot: str) -> Reviewed:
    """The record body of a reading of photo ``photo_sha256``, recorded at ``photo_seq`` as ``shot``."""
    fields = msgspec.structs.asdict(reading)
    return Reviewed(photo_seq=photo_seq, photo=photo_sha256, shot=shot, **fields)

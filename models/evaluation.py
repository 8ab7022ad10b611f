"""Asks a reviewer about every photo of a folder, with the right claim and with wrong ones."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
import numpy as np

from lanes.record import Opinion
from models.attacks import SEED, Way, attacks
from models.catalog import ClaimLimits, catalog
from models.cli import photo_bytes
from models.images import PhotoError, decode, encode, fitted
from models.labelled import Labelled, Row
from models.reading import Reading
from models.reviewer import Reviewer
from models.scoring import NO_TEXT
from models.stages import lap

SHOWN_SIDE = 640  # pixels of a photo in the report
SHOWN_QUALITY = 80
BLANK = np.full((64, 200, 3), 128, np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What became of one claim; ``way``: the rule that made it wrong, or that it is the right one.

    ``sure``: what was read is sure enough to contradict a claim.
    """

    way: Way | Literal["right"]
    claim: str
    margin: float
    sure: bool
    opinion: Opinion


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """All that was asked about one photo. ``wrong``: why nothing could be; then nothing else is told.

    ``first``: what is read without a claim; ``told``: the answer to the right claim; ``spent_ms``: by stage
    and in all (``total``). Pictures (JPEG) are kept only where there is something to look at.
    """

    row: Row
    wrong: str = ""
    first: Reading | None = None
    told: Reading | None = None
    claims: tuple[Scored, ...] = ()
    spent_ms: Mapping[str, float] = field(default_factory=dict)
    photo: bytes = b""
    flat: bytes = b""

    @property
    def exact(self) -> bool:
        """Whether the text reported first is the label."""
        return self.first is not None and self.first.text == self.row.label

    @property
    def listed(self) -> bool:
        """Whether the label is among what is read."""
        return self.exact or (self.told is not None and self.told.text == self.row.label)

    @property
    def opinion(self) -> Opinion:
        """What the model thinks of the right claim."""
        return "unsure" if self.told is None else self.told.opinion

    @property
    def accepted(self) -> tuple[Scored, ...]:
        """Wrong claims that the model agreed with."""
        return tuple(each for each in self.claims if each.way != "right" and each.opinion == "agree")

    @property
    def faulty(self) -> bool:
        """Whether there is something to look at."""
        return bool(self.wrong or self.accepted) or not self.exact or self.opinion != "agree"


class Evaluation:
    """Runs over a folder; ``every``: only every n-th photo. ``seed``: of the wrong claims.

    ``pictures``: of how many photos to look at they are kept, about 60 kB each.
    """

    def __init__(
        self,
        reviewer: Reviewer,
        labelled: Labelled,
        *,
        every: int = 1,
        seed: int = SEED,
        pictures: int = 0,
    ) -> None:
        self._reviewer, self._seed, self._pictures = reviewer, seed, pictures
        self.labelled, self.rows = labelled, labelled.rows[::every]
        self._thresholds = catalog().thresholds
        any_lead = msgspec.structs.replace(self.limits, agree=NO_TEXT)
        self._lenient = msgspec.structs.replace(self._thresholds, **{labelled.question: any_lead})

    @property
    def limits(self) -> ClaimLimits:
        """The thresholds of its question."""
        return self._thresholds.vin if self.labelled.question == "vin" else self._thresholds.plate

    def run(self, tell: Callable[[int, int], None]) -> Iterator[Answer]:
        """One answer a row; ``tell`` hears (done, of how many). Raises WeightsError."""
        self._ask(encode(BLANK), "")  # loads what is loaded at first use
        for n, row in enumerate(self.rows, 1):
            yield self._answer(row)
            tell(n, len(self.rows))

    def _answer(self, row: Row) -> Answer:
        if row.wrong:
            return Answer(row=row, wrong=row.wrong)
        try:
            content = photo_bytes(self.labelled.folder / row.file)
            began = time.perf_counter()
            with lap() as running:
                told = self._ask(content, row.label)
            total = {"total": (time.perf_counter() - began) * 1000}
        except PhotoError as error:
            return Answer(row=row, wrong=str(error))
        answer = Answer(
            row=row,
            first=self._ask(content, ""),
            told=told,
            claims=tuple(self._claims(content, row)),
            spent_ms=running.spent_ms | total,
        )
        return self._pictured(answer, content) if answer.faulty and self._pictures else answer

    def _claims(self, content: bytes, row: Row) -> Iterator[Scored]:
        """The right claim, and every wrong one that the photo does not show elsewhere."""
        yield self._scored(content, "right", row.label)
        for attack in attacks(self.labelled.question, row.label, self._seed):
            if attack.claim not in row.others:
                yield self._scored(content, attack.way, attack.claim)

    def _scored(self, content: bytes, way: Way | Literal["right"], claim: str) -> Scored:
        """The opinion by the thresholds, and the best margin, which another threshold would judge by."""
        self._reviewer.judge_by(self._lenient)
        reading = self._ask(content, claim)
        self._reviewer.judge_by(self._thresholds)
        margin = NO_TEXT if reading.score is None else float(reading.score)
        if reading.opinion == "agree" and margin < self.limits.agree:
            reading = self._ask(content, claim)
        sure = float(reading.confidence) >= self.limits.sure
        return Scored(way=way, claim=claim, margin=margin, sure=sure, opinion=reading.opinion)

    def _ask(self, content: bytes, claim: str) -> Reading:
        ask = self._reviewer.vin if self.labelled.question == "vin" else self._reviewer.plate
        return ask(content, claim)

    def _pictured(self, answer: Answer, content: bytes) -> Answer:
        """With the photo, made smaller, and the flat line that the text was read from."""
        self._pictures -= 1
        told, line = answer.told, None
        if told is not None:
            self._ask(content, answer.row.label)
            line = self._reviewer.flat(told.text)
        photo, _ = fitted(decode(content), SHOWN_SIDE)
        return replace(
            answer,
            photo=encode(photo, SHOWN_QUALITY),
            flat=b"" if line is None else encode(line, SHOWN_QUALITY),
        )

"""Reviewer: a photo and what it should show -> agree, disagree, or unsure, with reasons for the officer."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from lanes.record import Character, Opinion
from lanes.spelling import fold
from lanes.vin import fold_vin
from models.catalog import ClaimLimits, Thresholds, catalog, joint_digest
from models.claims import Judge
from models.corners import CornerFinder, LandmarkFinder
from models.images import Box, Image, box_of, decode, decode_for_work
from models.lines import LineFinder, LineReader
from models.locator import VinLocator
from models.plate import PlateReader, PlateText, is_plate
from models.plate_net import PlateNet
from models.probability import probability
from models.quality import Quality, burnt_share, light_faults, measure_line, measure_scene, room_beside
from models.reading import Question, Reading, decimal, to_body
from models.recapture import lattice
from models.rubbing import Comparison, Surface, compare
from models.session import sessions
from models.vin import VinReader, VinText, is_vin
from models.voter import Voter

__all__ = ("Reading", "Reviewer", "Subject", "decide", "questions_for", "subject_of", "to_body")

Subject: TypeAlias = Literal["plate", "vin", "scene"]
PLATE_MODEL = "plate-2 outline+plate-reader+PP-OCRv4"
VIN_MODEL = "vin-2 PP-OCRv6+vin-voter"
QUALITY_MODEL = "quality-1"
RUBBING_MODEL = "rubbing-1"
PLATE_WEIGHTS = ("plate-outline", "plate-corners", "lines-v4", "reader-v4", "plate-reader")
VIN_WEIGHTS = ("lines-v6", "reader-v6", "vin-locator", "vin-voter")

# Shots by zpzl (domain notes 2.5, F): front left, rear right, VIN; "gate" is the plate camera's photo.
QUESTIONS: dict[str, tuple[Question, ...]] = {
    "0111": ("plate", "quality"),
    "0112": ("plate", "quality"),
    "0113": ("vin", "quality"),
    "gate": ("plate",),
}
SUBJECTS: dict[str, Subject] = {"0111": "plate", "0112": "plate", "0113": "vin", "gate": "plate"}

SOFT = {
    "no_text",
    "too_small",
    "wrong_shot",
    "cut_off",
    "glare_in_box",
    "recaptured",
}  # the officer looks, and rules


def questions_for(shot: str) -> tuple[Question, ...]:
    """What a photo of this shot is asked, in order."""
    return QUESTIONS.get(shot, ("quality",))


def subject_of(shot: str) -> Subject:
    """What a photo of this shot must show legibly."""
    return SUBJECTS.get(shot, "scene")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """The last photo and what was found in it, so that its second question costs nothing."""

    digest: str
    subject: Subject
    image: Image
    factor: int
    texts: Sequence[PlateText | VinText]

    def box(self, text: PlateText | VinText) -> Box:
        """The box of a text in pixels of the photo as it was taken."""
        x, y, width, height = box_of(text.quad, self.image.shape)
        return x * self.factor, y * self.factor, width * self.factor, height * self.factor


class Reviewer:
    """Answers questions about photos; loads weights when first needed. For one thread at a time.

    Every method raises ``models.images.PhotoError`` for bytes that are no usable photo and
    ``models.catalog.WeightsError`` for missing or altered weights.
    """

    def __init__(self, threads: int = 2) -> None:
        self._threads = threads
        self._limits, self._chosen = catalog().thresholds, ""
        self._last: _Seen | None = None

    def judge_by(self, thresholds: Thresholds, chosen: str = "") -> None:
        """Takes other thresholds from now on; ``chosen`` names them in each answer's ``model``."""
        self._limits, self._chosen = thresholds, f" {chosen}" if chosen else ""

    @cached_property
    def plates(self) -> PlateReader:
        """The reader of plates; its weights are loaded now."""
        outline, corners, lines, reader, net = sessions(PLATE_WEIGHTS, threads=self._threads)
        finder = CornerFinder(outline, LandmarkFinder(corners))
        return PlateReader(finder, LineFinder(lines), LineReader(reader), PlateNet(net))

    @cached_property
    def vins(self) -> VinReader:
        """The reader of VINs; its weights are loaded now."""
        lines, reader, locator, voter = sessions(VIN_WEIGHTS, threads=self._threads)
        return VinReader(LineFinder(lines), LineReader(reader), VinLocator(locator), Voter(voter))

    def warm(self) -> None:
        """Loads all weights and runs each once, so that the first photo waits for nothing."""
        blank = np.full((64, 320, 3), 127, np.uint8)
        self.plates.find(blank)
        self.vins.find(blank)

    def plate(self, data: bytes, expected: str | None = None) -> Reading:
        """The plate of a photo, and whether it is ``expected``."""
        began = time.monotonic()
        blank = _blank("plate", PLATE_MODEL + self._chosen, PLATE_WEIGHTS, fold(expected or ""))
        seen = self._look(data, "plate")
        return _timed(_answered(seen, blank, self.plates.judge, self._limits), began)

    def vin(self, data: bytes, expected: str | None = None) -> Reading:
        """The VIN of a photo, and whether it is ``expected`` (I, O, Q there count as 1, 0, 0)."""
        began = time.monotonic()
        blank = _blank("vin", VIN_MODEL + self._chosen, VIN_WEIGHTS, fold_vin(expected or ""))
        seen = self._look(data, "vin")
        return _timed(_answered(seen, blank, self.vins.judge, self._limits), began)

    def rubbing(self, data: bytes, reference: bytes, surface: Surface = "photo") -> Comparison:
        """Whether a rubbing is of the strike that ``reference``, a photo or another rubbing, shows."""
        return compare(self.vins, decode(data), decode(reference), surface=surface)

    def struck(self, data: bytes, reference: bytes, expected: str | None = None) -> Reading:
        """Whether a rubbing is of the strike that a photo shows, and of the VIN it should be.

        ``score`` is what is left over, in pitches of characters; see docs/models/rubbing.md.
        """
        began = time.monotonic()
        blank = _blank("rubbing", RUBBING_MODEL, VIN_WEIGHTS, fold_vin(expected or ""))
        found = self.rubbing(data, reference)
        differs = ("differs",) if blank.expected and found.text not in ("", blank.expected) else ()
        anew = ("restamped",) if found.answer == "restamped" else ()
        reasons = (*anew, *differs, *found.reasons)
        reading = msgspec.structs.replace(
            blank,
            text=found.text,
            opinion="disagree" if anew else "agree" if found.answer == "same" and not reasons else "unsure",
            score=decimal(found.off) if found.matches else None,
            reasons=reasons or (() if found.answer == "same" else ("ambiguous",)),
        )
        return _timed(reading, began)

    def quality(self, data: bytes, subject: Subject = "scene") -> Reading:
        """Whether a photo shows its subject usably: agree, disagree (retake, with reasons), unsure.

        ``score`` is the sharpness: of the subject's flat line where it was found, else of the scene.
        """
        began = time.monotonic()
        seen = self._look(data, subject)
        reasons = _doubts(seen, self._limits)
        if reasons == ("no_text",) and self._shows_other(seen):
            reasons = ("wrong_shot",)
        if lattice(seen.image) > self._limits.quality.lattice:
            reasons = (*reasons, "recaptured")
        found = _measured(seen)
        soft = set(reasons) <= SOFT
        reading = Reading(
            question="quality",
            model=QUALITY_MODEL + self._chosen,
            opinion="agree" if not reasons else "unsure" if soft else "disagree",
            score=decimal(found.sharpness),
            box=seen.box(seen.texts[0]) if seen.texts else None,
            reasons=reasons,
        )
        return _timed(reading, began)

    def _shows_other(self, seen: _Seen) -> bool:
        """Whether a photo without its subject shows another's: a plate for a VIN, or a VIN for a plate."""
        others = self._texts(seen.image, "plate" if seen.subject == "vin" else "vin")
        return any(each.decoded.confidence >= _limits_of(each, self._limits).sure for each in others)

    def flat(self, text: str) -> Image | None:
        """The flat line from which ``text`` was read in the photo that was looked at last."""
        found = self._last.texts if self._last else ()
        return next((each.flat for each in found if each.decoded.text == text), None)

    def _look(self, data: bytes, subject: Subject) -> _Seen:
        """What the photo shows of its subject; the last photo is remembered."""
        digest = hashlib.sha256(data).hexdigest()
        last = self._last
        if last is None or (last.digest, last.subject) != (digest, subject):
            self._last = last = None  # two large photos at once would be one too many
            image, factor = decode_for_work(data)
            texts = self._texts(image, subject)
            self._last = last = _Seen(digest=digest, subject=subject, image=image, factor=factor, texts=texts)
        return last

    def _texts(self, image: Image, subject: Subject) -> Sequence[PlateText | VinText]:
        """The plates or VINs of a photo, the most prominent first; of a scene none is sought."""
        if subject == "plate":
            return [plate for plate in self.plates.find(image) if is_plate(plate)]
        if subject == "vin":
            return [vin for vin in self.vins.find(image) if is_vin(vin)]
        return ()


def _blank(question: Question, model: str, weights: tuple[str, ...], expected: str) -> Reading:
    return Reading(question=question, model=model, weights_sha256=joint_digest(weights), expected=expected)


def _answered(seen: _Seen, blank: Reading, judge: Judge, limits: Thresholds) -> Reading:
    """The reading of the text that supports the claim, or of the most prominent one."""
    if not seen.texts:
        return msgspec.structs.replace(blank, reasons=_doubts(seen, limits))
    if not blank.expected or not judge.alphabet.knows(blank.expected):
        why = "not_legal" if blank.expected else "nothing_expected"
        return _described(blank, seen, 0, reasons=(why, *_doubts(seen, limits)))
    at, margin, opinion = decide(seen.texts, blank.expected, judge, limits)
    reasons = {"agree": (), "disagree": ("differs",), "unsure": _doubts(seen, limits) or ("ambiguous",)}[
        opinion
    ]
    described = _described(blank, seen, at, reasons=reasons)
    return msgspec.structs.replace(
        described, opinion=opinion, score=decimal(margin), probability=worth(margin, seen.texts[0], limits)
    )


def decide(
    texts: Sequence[PlateText | VinText], claim: str, judge: Judge, thresholds: Thresholds
) -> tuple[int, float, Opinion]:
    """Which text answers a claim, its margin, the opinion: a text that supports it, else the most prominent.

    Agree above one margin; disagree below the other when what was read instead is sure and clear.
    """
    limits = _limits_of(texts[0], thresholds)
    margins = [judge.margin(text.views, claim, text.decoded) for text in texts]
    at = max(range(len(margins)), key=lambda n: margins[n])
    if margins[at] >= limits.agree:
        return at, margins[at], "agree"
    read = texts[0].decoded
    sure = read.confidence >= limits.sure and read.log_p >= limits.clear
    return 0, margins[0], "disagree" if sure and margins[0] <= -limits.disagree else "unsure"


def worth(margin: float, text: PlateText | VinText, thresholds: Thresholds) -> Decimal | None:
    """The probability of a claim that leads by ``margin``; None where the catalog has no fit."""
    fit = _limits_of(text, thresholds).probability
    return None if fit is None else decimal(probability(margin, fit.a, fit.b))


def _doubts(seen: _Seen, thresholds: Thresholds) -> tuple[str, ...]:
    """Why a photo may be unusable, as docs/models.md has the reasons."""
    limits = thresholds.quality
    found = _measured(seen)
    if not seen.texts:
        least = limits.blurred_scene if seen.subject == "scene" else limits.blurred_unread
        blurred = ("blurred",) if found.sharpness < least else ()
        missing = () if seen.subject == "scene" else ("no_text",)
        return (*blurred, *light_faults(found, limits), *missing)
    text = seen.texts[0]
    least = limits.blurred_plate if seen.subject == "plate" else limits.blurred_vin
    blurred = ("blurred",) if found.sharpness < least else ()
    cut = ("cut_off",) if room_beside(text.quad, seen.image.shape) < limits.room else ()
    if text.decoded.confidence >= _limits_of(text, thresholds).readable:
        return (*blurred, *cut)  # what is legible is neither too dark nor too small
    burnt = ("glare_in_box",) if burnt_share(text.flat) > limits.burnt_box else ()
    small = ("too_small",) if text.height_px < limits.character_px else ()
    return (*blurred, *light_faults(found, limits), *burnt, *cut, *small)


def _measured(seen: _Seen) -> Quality:
    return measure_line(seen.texts[0].flat) if seen.texts else measure_scene(seen.image)


def _limits_of(text: PlateText | VinText, thresholds: Thresholds) -> ClaimLimits:
    return thresholds.plate if isinstance(text, PlateText) else thresholds.vin


def _described(blank: Reading, seen: _Seen, at: int, *, reasons: tuple[str, ...]) -> Reading:
    text = seen.texts[at]
    decoded = text.decoded
    pairs = zip(decoded.text, decoded.posteriors, strict=True)
    return msgspec.structs.replace(
        blank,
        text=decoded.text,
        confidence=decimal(decoded.confidence),
        characters=tuple(Character(c=c, p=decimal(p)) for c, p in pairs),
        plate_type=text.plate_type if isinstance(text, PlateText) else "unknown",
        box=seen.box(text),
        reasons=reasons,
    )


def _timed(reading: Reading, began: float) -> Reading:
    return msgspec.structs.replace(reading, took_ms=round((time.monotonic() - began) * 1000))

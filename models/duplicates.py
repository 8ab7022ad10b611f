"""Whether a photo is an earlier one: laid upon each other, both must show the same, point by point."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.album import Album, Page
from models.prints import Plane, Print

SHORTLIST = 8  # photos of the album that are laid upon the new one
LEAST_PAIRS = 4  # points that share a word and are turned alike
LEAST_POINTS = 6  # points that must agree on one turn, size and place
TURN_DEGREES = 20.0
NEAR = 64  # bits of 256 that may differ between descriptors of one point
PLACE_PX = 4.0  # how far a point may lie from its place, pixels of the search picture
SCALES = (0.3, 3.5)
SKEW = 1.35  # how much more a picture may be stretched one way than the other
WINDOW = 9  # pixels of the small picture
CONTRAST = 3.0  # grey levels; flatter windows show nothing
ALIKE = 0.6  # correlation of a window from which it shows the same
EMPTY, EMPTY_SHARE = 4, 0.15  # grey levels by which empty corners vary; a turn by 5 degrees leaves an eighth
DARKEST, BRIGHTEST = 4.0, 245.0  # grey levels
LEAST_SHOWN = 0.1  # share of the common ground that must show something
SAME = 0.975  # share of the contrast on the common ground that is the same in copies of one photo
LEAST_COMMON = 0.8  # share of the smaller photo that the other covers

Numbers = NDArray[np.int64]
Matrix = NDArray[np.float64]  # (2, 3): from the earlier photo's search picture to the new one's


@dataclass(frozen=True, kw_only=True, slots=True)
class Likeness:
    """How two photos lie upon each other: points that agree, shares of ground and likeness."""

    points: int
    common: float
    same: float
    matrix: Matrix


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """An earlier photo and how much of it stands in the new one."""

    page: Page
    likeness: Likeness


def find(album: Album, asked: Print) -> Iterator[Match]:
    """Earlier photos of which ``asked`` is a copy, a part, or the whole; those of most words first."""
    for number in album.nearest(asked, SHORTLIST):
        page, kept = album.page(number)
        likeness = compared(kept, asked)
        if likeness is not None and likeness.common >= LEAST_COMMON and likeness.same >= SAME:
            yield Match(page=page, likeness=likeness)


def compared(kept: Print, asked: Print) -> Likeness | None:
    """The earlier photo laid upon the new one; None when their points do not agree on a way to do so."""
    matrix, points = _laid(kept, asked)
    if matrix is None:
        return None
    common, same = _shared(kept, asked, matrix)
    return Likeness(points=points, common=common, same=same, matrix=matrix)


def _laid(kept: Print, asked: Print) -> tuple[Matrix | None, int]:
    """The way that most points agree on, and how many."""
    one, other = _paired(kept, asked)
    if len(one) < LEAST_PAIRS:
        return None, 0
    cv2.setRNGSeed(1)  # the same photos give the same answer
    first: Any = cv2.estimateAffinePartial2D(
        kept.points[one, :2],
        asked.points[other, :2],
        method=cv2.RANSAC,
        ransacReprojThreshold=2 * PLACE_PX,
        maxIters=300,
        confidence=0.99,
    )[0]
    if first is None:
        return None, 0
    matrix: Matrix = np.asarray(first, np.float64)
    if not _plausible(matrix):
        return None, 0
    for near in (2 * PLACE_PX, PLACE_PX):
        one, other = _together(kept, asked, matrix, near)
        if len(one) < LEAST_POINTS:
            return None, 0
        ones = np.column_stack([kept.points[one, :2].astype(np.float64), np.ones(len(one))])
        matrix = np.linalg.lstsq(ones, asked.points[other, :2].astype(np.float64), rcond=None)[0].T
    return (matrix, len(one)) if _plausible(matrix) else (None, 0)


def _paired(kept: Print, asked: Print) -> tuple[Numbers, Numbers]:
    """Points of both that share a word and are turned alike."""
    mine, theirs = kept.words.ravel(), asked.words.ravel()
    order = np.argsort(mine)
    low = np.searchsorted(mine[order], theirs, "left")
    lengths = np.searchsorted(mine[order], theirs, "right") - low
    at = np.repeat(low - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    one = order[at] % max(len(kept.points), 1)
    other = np.repeat(np.arange(len(theirs)), lengths) % max(len(asked.points), 1)
    pairs = np.unique(np.stack([one, other])[:, _alike(kept, asked, one, other)], axis=1)
    return pairs[0], pairs[1]


def _together(kept: Print, asked: Print, matrix: Matrix, near: float) -> tuple[Numbers, Numbers]:
    """Points that come to lie on each other and are described alike."""
    laid = (kept.points[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    one, other = np.nonzero(
        (np.abs(laid[:, None, 0] - asked.points[:, 0]) < near)
        & (np.abs(laid[:, None, 1] - asked.points[:, 1]) < near)
    )
    alike = _alike(kept, asked, one, other)
    return one[alike], other[alike]


def _alike(kept: Print, asked: Print, one: Numbers, other: Numbers) -> NDArray[np.bool_]:
    """Which pairs are turned and described alike."""
    turned = np.abs((asked.points[other, 2] - kept.points[one, 2] + 180) % 360 - 180) < TURN_DEGREES
    apart = np.bitwise_count(kept.descriptors[one] ^ asked.descriptors[other]).sum(axis=1)
    return np.asarray(turned & (apart <= NEAR))


def _plausible(matrix: Matrix) -> bool:
    high, low = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return bool(
        np.linalg.det(matrix[:, :2]) > 0 and SCALES[0] <= low and high <= SCALES[1] and high <= SKEW * low
    )


def _shared(kept: Print, asked: Print, matrix: Matrix) -> tuple[float, float]:
    """Shares of the smaller photo that both cover, and of what shows something there that is the same."""
    small = _between(kept, asked, matrix)
    mine, theirs = np.full(kept.small.shape, 255, np.uint8), _taken(asked.small)
    base, on, other, of, way = asked.small, theirs, kept.small, mine, small
    if np.linalg.det(small[:, :2]) > 1:  # the new photo is a part: it is laid upon the earlier one
        base, on, other, of, way = (
            kept.small,
            mine,
            asked.small,
            theirs,
            np.asarray(cv2.invertAffineTransform(small), np.float64),
        )
    shrink = float(np.sqrt(abs(np.linalg.det(way[:, :2]))))
    soft = cv2.GaussianBlur(other, (0, 0), max(0.5 / shrink, 0.3)) if shrink < 1 else other
    size = (base.shape[1], base.shape[0])
    laid = np.asarray(cv2.warpAffine(soft, way, size, flags=cv2.INTER_LINEAR), np.float32)
    inside = np.minimum(cv2.warpAffine(of, way, size), on) == 255
    least = max(min(float((on > 0).sum()), float((of > 0).sum()) * shrink**2), 1.0)
    return float(inside.sum()) / least, _same(np.asarray(base, np.float32), laid, inside)


def _taken(small: Plane) -> Plane:
    """255 where a picture shows what the camera took, 0 in its corners when a turn has left them empty."""
    height, width = small.shape
    mask = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | (255 << 8) | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        cv2.floodFill(small.copy(), mask, corner, 0, EMPTY, EMPTY, flags)
    empty = mask[1:-1, 1:-1]
    if (empty > 0).mean() > EMPTY_SHARE:
        return np.full(small.shape, 255, np.uint8)
    return np.asarray(255 - cv2.dilate(empty, np.ones((5, 5), np.uint8)), np.uint8)


def _between(kept: Print, asked: Print, matrix: Matrix) -> Matrix:
    """The same way between the small pictures."""
    before = kept.size[0] / kept.small.shape[1]
    after = asked.size[0] / asked.small.shape[1]
    scaled = matrix.copy()
    scaled[:, :2] *= before / after
    scaled[:, 2] /= after
    return scaled


def _same(base: NDArray[np.float32], laid: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Share of the windows with contrast whose pixels go together in both pictures."""

    def mean(plane: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(cv2.boxFilter(plane, cv2.CV_32F, (WINDOW, WINDOW)), np.float32)

    both, one, two = mean(base * laid), mean(base), mean(laid)
    spread = np.sqrt(np.maximum(mean(base * base) - one * one, 0))
    their = np.sqrt(np.maximum(mean(laid * laid) - two * two, 0))
    whole = cv2.erode(inside.astype(np.uint8), np.ones((WINDOW, WINDOW), np.uint8), borderValue=0) > 0
    lit = (np.minimum(one, two) > DARKEST) & (
        np.maximum(one, two) < BRIGHTEST
    )  # what is cut off shows nothing
    shows = whole & lit & (np.maximum(spread, their) > CONTRAST)
    if shows.sum() < LEAST_SHOWN * max(whole.sum(), 1) or not whole.any():
        return 0.0
    correlation = (both - one * two) / np.maximum(spread * their, 1.0)
    weight = np.maximum(spread, their)[shows]
    return float(weight[correlation[shows] > ALIKE].sum() / weight.sum())

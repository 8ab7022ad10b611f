"""Text lines by PP-OCR: where they are (DB detector) and their softmax frames (CTC recogniser)."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, Quad, fitted, rectify, sides
from models.session import Session, Tensor
from models.stages import stage

MIN_PIXEL = 0.3  # a pixel of the map above it is text (the detector's published default)
LINE_HEIGHT = 48
WIDTH_STEP = 8  # the recognisers emit one frame per 8 pixels
MAX_WIDTH = 1600
MAX_LINES = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A text line: its corners in the photo and how sure the detector is."""

    quad: Quad
    score: float


class LineFinder:
    """Text detector: image -> lines, largest first. ``grow`` is the published unclip ratio."""

    def __init__(self, session: Session, *, grow: float = 1.6, keep: float = 0.5) -> None:
        self._session = session
        self._grow = grow
        self._keep = keep

    @stage("detect")
    def find(self, image: Image, long_side: int, *, enlarge: bool = False) -> list[Line]:
        """Lines of the photo; it is scaled to ``long_side`` for the search."""
        small, _ = fitted(image, long_side, multiple=32, enlarge=enlarge)
        heat = self._session.run(unit_tensor(small))[0][0, 0]
        back = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]], np.float32)
        found = self._outlined(heat)
        return [Line(quad=line.quad * back, score=line.score) for line in found]

    def _outlined(self, heat: NDArray[np.float32]) -> list[Line]:
        contours, _ = cv2.findContours(
            (heat > MIN_PIXEL).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE
        )
        found = []
        for contour in sorted(contours, key=cv2.contourArea, reverse=True)[:MAX_LINES]:
            (x, y), (width, height), angle = cv2.minAreaRect(contour)
            if min(width, height) < 3:
                continue
            score = inside(heat, contour)
            if score < self._keep:
                continue
            margin = width * height * self._grow / (2 * (width + height))
            rect = ((x, y), (width + 2 * margin, height + 2 * margin), angle)
            found.append(Line(quad=ordered(cv2.boxPoints(rect)), score=score))
        return found


def unit_tensor(image: Image) -> Tensor:
    """BGR image -> 1x3xHxW in -1..1, as both PP-OCR parts take it."""
    return np.ascontiguousarray((image.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1)[None])


def inside(heat: NDArray[np.float32], contour: NDArray[Any]) -> float:
    """Mean of the map inside a contour."""
    x, y, width, height = cv2.boundingRect(contour)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [contour - np.array([x, y])], 1)
    return float(cv2.mean(heat[y : y + height, x : x + width], mask)[0])


def ordered(points: NDArray[Any]) -> Quad:
    """Corners of a rectangle from top left clockwise, as a reader of a mostly horizontal line sees it."""
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    left = by_x[:2][np.argsort(by_x[:2, 1], kind="stable")]
    right = by_x[2:][np.argsort(by_x[2:, 1], kind="stable")]
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


class LineReader:
    """Text recogniser: a flat line -> softmax frames (T, classes); class 0 is the CTC blank."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.labels = session.metadata("character").splitlines()

    @stage("read")
    def read(self, flat: Image, *, stretch: float = 1.0) -> Tensor:
        """Softmax frames of one flat line image, at its own aspect, or lengthened by ``stretch``."""
        width = round(stretch * flat.shape[1] * LINE_HEIGHT / flat.shape[0] / WIDTH_STEP) * WIDTH_STEP
        width = min(max(width, LINE_HEIGHT), MAX_WIDTH)
        method = cv2.INTER_AREA if flat.shape[0] > LINE_HEIGHT else cv2.INTER_CUBIC
        sized = np.asarray(cv2.resize(flat, (width, LINE_HEIGHT), interpolation=method), np.uint8)
        frames: Tensor = self._session.run(unit_tensor(sized))[0][0]
        return frames


def flattened(image: Image, quad: Quad, *, height: int = LINE_HEIGHT) -> Image:
    """A line cut from the photo at its own aspect, ``height`` pixels high; a standing line is laid down."""
    quad = laid(quad)
    width, tall = sides(quad)
    return rectify(image, quad, width=max(round(width * height / max(tall, 1.0)), 8), height=height)


def laid(quad: Quad) -> Quad:
    """A line's corners; a standing line is laid down, so that its width is its length."""
    width, tall = sides(quad)
    return np.asarray(np.roll(quad, 1, axis=0) if tall > 1.5 * width else quad, np.float32)

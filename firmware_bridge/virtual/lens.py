"""A pinhole camera and the brushes that paint polygons through it. World in metres, z up; pictures BGR."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_bridge.virtual.glyphs import Colour, Picture

Points: TypeAlias = NDArray[np.float64]
Corner: TypeAlias = tuple[float, float]

NEAR = 0.15  # m; nothing closer to the lens is painted


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: place, axes (right, down, forward), focal length in px, centre in px."""

    at: Points
    axes: Points
    focal: float
    centre: Corner

    @staticmethod
    def aimed(at: Sequence[float], target: Sequence[float], focal: float, size: tuple[int, int]) -> "Camera":
        """A level camera at ``at`` that looks at ``target``; ``size`` is width, height in px."""
        eye = np.array(at, float)
        forward = np.array(target, float) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(forward, right), forward])
        return Camera(eye, axes, focal, (size[0] / 2, size[1] / 2))

    def seen(self, points: Points) -> Points:
        """Camera coordinates (right, down, depth), m."""
        seen: Points = (points - self.at) @ self.axes.T
        return seen

    def project(self, points: Points) -> Points:
        """Pixels (..., 2) of points that lie before the camera."""
        seen = self.seen(points)
        pixels: Points = self.focal * seen[..., :2] / np.maximum(seen[..., 2:], NEAR) + np.array(self.centre)
        return pixels


def before_lens(camera: Camera, points: Points) -> Points:
    """Pixels of a polygon whose part behind the lens is cut off; empty when nothing is left."""
    seen = camera.seen(points)
    kept: list[Points] = []
    for a, b in zip(seen, np.roll(seen, -1, axis=0), strict=True):
        if a[2] >= NEAR:
            kept.append(a)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            kept.append(a + (b - a) * (NEAR - a[2]) / (b[2] - a[2]))
    if len(kept) < 3:
        return np.empty((0, 2))
    cut = np.array(kept)
    pixels: Points = camera.focal * cut[:, :2] / cut[:, 2:] + np.array(camera.centre)
    return pixels


def sixteenths(pixels: Points) -> NDArray[np.int32]:
    """Pixels in OpenCV's fixed point (shift 4), within what it can draw."""
    return np.clip(np.round(pixels * 16), -500_000, 500_000).astype(np.int32)


def paint(picture: Picture, pixels: Points, colour: Colour) -> None:
    """A flat polygon."""
    if len(pixels) >= 3:
        cv2.fillPoly(picture, [sixteenths(pixels)], colour, cv2.LINE_AA, shift=4)


def trace(picture: Picture, pixels: Points, colour: Colour, width: int = 1, *, closed: bool = False) -> None:
    """A line through pixels."""
    if not len(pixels):
        return
    cv2.polylines(picture, [sixteenths(pixels)], closed, colour, max(1, width), cv2.LINE_AA, shift=4)


def shade(picture: Picture, pixels: Points, top: Colour, bottom: Colour, share: float = 1.0) -> None:
    """A polygon whose colour runs from ``top`` down to ``bottom``."""
    if len(pixels) < 3:
        return
    height, width = picture.shape[:2]
    x0, y0 = np.clip(np.floor(pixels.min(axis=0)).astype(int) - 1, 0, (width, height))
    x1, y1 = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + 2, 0, (width, height))
    if x1 <= x0 or y1 <= y0:
        return
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    paint(mask, pixels - (x0, y0), (255, 0, 0))
    mix = np.linspace(0, 1, y1 - y0, dtype=np.float32)[:, None, None]
    ramp = np.array(top, np.float32) * (1 - mix) + np.array(bottom, np.float32) * mix
    cover = mask[..., None].astype(np.float32) * (share / 255)
    window = picture[y0:y1, x0:x1]
    window[:] = (window * (1 - cover) + ramp * cover).astype(np.uint8)


def lay(picture: Picture, face: Picture, pixels: Points) -> None:
    """Lays a flat picture into four corners, px: upper left, upper right, lower right, lower left."""
    height, width = face.shape[:2]
    limits = np.array((picture.shape[1], picture.shape[0]))
    low = np.clip(np.floor(pixels.min(axis=0)).astype(int) - 2, 0, limits)
    high = np.clip(np.ceil(pixels.max(axis=0)).astype(int) + 3, 0, limits)
    box = (int(high[0] - low[0]), int(high[1] - low[1]))
    if min(box) <= 0:
        return
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    turn = cv2.getPerspectiveTransform(source, (pixels - low).astype(np.float32))
    shrink = max(1.0, width / max(float(np.ptp(pixels[:, 0])), 1.0))
    soft = cv2.GaussianBlur(face, (0, 0), 0.42 * shrink) if shrink > 1.2 else face
    laid = cv2.warpPerspective(soft, turn, box, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpPerspective(np.full((height, width), 255, np.uint8), turn, box, flags=cv2.INTER_LINEAR)
    share = cover[..., None].astype(np.float32) / 255
    window = picture[low[1] : high[1], low[0] : high[0]]
    window[:] = (window * (1 - share) + laid * share).astype(np.uint8)

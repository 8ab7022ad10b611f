"""Whether a photo can be used: sharpness, light and size of what it should show. No weights."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.catalog import QualityLimits
from models.images import Image, Quad, fitted, sides

Plane = NDArray[np.float32]
BLUR_SPAN = 9  # pixels of the second blur (Crete-Roffet 2007)
SCENE_SIDE = 1024
TILE = 64
SMOOTH = 1.5  # sigma before slopes are taken: keeps sensor noise from passing for sharpness
BURNT = 250  # grey level
STROKE = 0.22  # of a line's height: what is burnt more widely than this is no character
CONTRAST = 30.0  # grey levels between the 2nd and 98th percentile of a tile that shows anything
FOCUSED = 80  # percentile over tiles: a fifth of what the photo shows is in focus


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """Measures of an image: sharpness 0..1, median grey 0..255, share of burnt-out pixels."""

    sharpness: float
    grey: float
    glare: float


def measure_line(flat: Image) -> Quality:
    """The measures of a flat line: sharpness is what a second blur takes, the lesser of both directions."""
    grey = _grey(flat)
    across, down = cv2.blur(grey, (BLUR_SPAN, 1)), cv2.blur(grey, (1, BLUR_SPAN))
    sharp = min(_lost(grey, np.asarray(across, np.float32), 1), _lost(grey, np.asarray(down, np.float32), 0))
    return _with_light(grey, sharp)


def measure_scene(image: Image) -> Quality:
    """The measures of a photo: sharpness is the steepest slope per pixel as a share of the contrast there."""
    small, _ = fitted(image, SCENE_SIDE)
    grey = _grey(small)
    soft = cv2.GaussianBlur(grey, (0, 0), SMOOTH)
    slope = cv2.magnitude(
        cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    )
    found = []
    for y in range(0, max(len(soft) - TILE // 2, 1), TILE):
        for x in range(0, max(soft.shape[1] - TILE // 2, 1), TILE):
            low, high = np.percentile(soft[y : y + TILE, x : x + TILE], (2, 98))
            if high - low > CONTRAST:
                found.append(float(np.percentile(slope[y : y + TILE, x : x + TILE], 99)) / float(high - low))
    return _with_light(grey, float(np.percentile(found, FOCUSED)) if found else 0.0)


def _grey(image: Image) -> Plane:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.float32)


def _with_light(grey: Plane, sharpness: float) -> Quality:
    return Quality(sharpness=sharpness, grey=float(np.median(grey)), glare=float((grey >= BURNT).mean()))


def burnt_share(flat: Image) -> float:
    """Share of a flat line that is burnt out in patches wider than a stroke of its characters."""
    burnt = (_grey(flat) >= BURNT).astype(np.uint8)
    side = max(round(STROKE * len(flat)), 3)
    return float(np.mean(cv2.morphologyEx(burnt, cv2.MORPH_OPEN, np.ones((side, side), np.uint8))))


def room_beside(quad: Quad, shape: tuple[int, ...]) -> float:
    """How far a line keeps from the nearest edge of its photo, in heights of the line; below 0: beyond it."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    return float(min(*low, shape[1] - high[0], shape[0] - high[1])) / max(sides(quad)[1], 1.0)


def _lost(sharp: Plane, soft: Plane, axis: int) -> float:
    before = np.abs(np.diff(sharp, axis=axis))
    after = np.abs(np.diff(soft, axis=axis))
    total = float(before.sum())
    return float(np.maximum(before - after, 0).sum()) / total if total > 0 else 0.0


def light_faults(found: Quality, limits: QualityLimits) -> tuple[str, ...]:
    """What is wrong with the light: dark, overexposed, glare; empty when nothing is."""
    wrong = {
        "dark": found.grey < limits.dark,
        "overexposed": found.grey > limits.bright,
        "glare": found.glare > limits.glare and found.grey <= limits.bright,
    }
    return tuple(name for name, is_wrong in wrong.items() if is_wrong)

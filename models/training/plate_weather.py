"""What a camera does to a flat plate: small pixels, motion, tilt, light, glare, night, infrared, dirt, JPEG.

``photographed`` cuts a flat plate (or a cut-out of a photo) with corners that are off by as much as a
finder's may be; ``weathered`` does the rest at the size in which the camera would have seen it.
"""

from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, Quad

Dice: TypeAlias = np.random.Generator
Light: TypeAlias = NDArray[np.float32]


def photographed(dice: Dice, flat: Image, corners: Quad, high: int, *, loose: float = 1.0) -> Image:
    """The plate at ``corners`` of a picture, ``high`` pixels high, cut with corners that are off.

    ``loose`` scales how far they are off; what lies beyond the picture is a plain surrounding.
    """
    width = float(np.linalg.norm(corners[1] - corners[0]))
    tall = float(np.linalg.norm(corners[3] - corners[0]))
    wide = max(round(high * width / tall * dice.uniform(0.85, 1.12)), 24)
    off = dice.normal(0, 0.035 * loose, (4, 2))
    along, above, below = dice.uniform(-0.02, 0.16, 3) * loose
    if dice.random() < 0.25 * loose:  # one edge far out
        along, above, below = (along, above, below) + dice.uniform(0, 0.3, 3) * (dice.random(3) < 0.4)
    out = np.array([[-along, -above], [along, -above], [along, below], [-along, below]]) + off
    across = (corners[1] - corners[0]) / max(width, 1.0) * tall
    down = corners[3] - corners[0]
    source = corners + out[:, :1] * across + out[:, 1:] * down
    scale = min(1.0, 2.0 * high / tall)
    if scale < 1:
        flat = np.asarray(cv2.resize(flat, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        source = source * scale
    target = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    matrix = cv2.getPerspectiveTransform(source.astype(np.float32), target)
    if dice.random() < 0.5:
        edge: dict[str, object] = {"borderMode": cv2.BORDER_REPLICATE}
    else:
        shade = dice.integers(5, 235) + dice.integers(-15, 15, 3)
        edge = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": tuple(int(v) for v in shade)}
    return np.asarray(cv2.warpPerspective(flat, matrix, (wide, high), flags=cv2.INTER_AREA, **edge), np.uint8)


def weathered(dice: Dice, small: Image, hard: float = 1.0) -> Image:
    """The picture as a camera of some day would give it; ``hard`` scales how often and how badly."""
    scene = small.astype(np.float32)
    if dice.random() < 0.3 * hard:
        scene = _dirty(dice, scene)
    scene = _blurred(dice, scene, hard)
    scene = _lit(dice, scene, hard)
    chance = dice.random()
    if chance < 0.08 * hard:
        scene = np.repeat(scene.mean(axis=2, keepdims=True), 3, axis=2) * np.array(
            dice.uniform(0.85, 1.1, 3), np.float32
        )
    strength = dice.exponential(5 * hard)
    scene += dice.normal(0, 1, scene.shape).astype(np.float32) * np.float32(min(strength, 28))
    found = np.clip(scene, 0, 255).astype(np.uint8)
    if dice.random() < 0.6:
        quality = int(dice.integers(25, 95))
        _, packed = cv2.imencode(".jpg", found, [cv2.IMWRITE_JPEG_QUALITY, quality])
        found = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return found


def _dirty(dice: Dice, scene: Light) -> Light:
    height, width = scene.shape[:2]
    spots = dice.random((4, 12)).astype(np.float32)
    share = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
    share = np.clip((share - dice.uniform(0.55, 0.95)) * 2.5, 0, 0.8)[..., None]
    mud = np.array(dice.uniform(40, 170) + dice.uniform(-20, 20, 3), np.float32)
    return np.asarray(scene + (mud - scene) * share, np.float32)


def _blurred(dice: Dice, scene: Light, hard: float) -> Light:
    high = scene.shape[0]
    chance = dice.random()
    if chance < 0.45:
        sigma = dice.uniform(0.02, 0.075) * high * hard
        return np.asarray(cv2.GaussianBlur(scene, (0, 0), max(sigma, 0.1)), np.float32)
    if chance < 0.65:
        length = max(round(dice.uniform(0.05, 0.22) * high * hard), 1)
        kernel = np.zeros((length, length), np.float32)
        angle = dice.uniform(-0.5, 0.5) if dice.random() < 0.7 else dice.uniform(0, np.pi)
        middle = (length - 1) / 2
        reach = np.array([np.cos(angle), np.sin(angle)]) * middle
        first, last = (tuple(round(v) for v in middle + sign * reach) for sign in (-1, 1))
        cv2.line(kernel, first, last, 1.0, 1)
        return np.asarray(cv2.filter2D(scene, -1, kernel / kernel.sum()), np.float32)
    return scene


def _lit(dice: Dice, scene: Light, hard: float) -> Light:
    height, width = scene.shape[:2]
    scene = scene * dice.uniform(0.75, 1.2, 3).astype(np.float32) if dice.random() < 0.5 else scene
    mean = np.float32(scene.mean())
    scene = (scene - mean) * np.float32(dice.uniform(0.45, 1.25)) + mean
    scene = scene * np.float32(dice.uniform(0.55, 1.35)) + np.float32(dice.uniform(-15, 25))
    chance = dice.random()
    if chance < 0.15 * hard:  # a shadow's edge, or light from one side
        slope = np.linspace(*dice.uniform(0.35, 1.3, 2), num=width, dtype=np.float32)[None, :, None]
        scene = scene * slope
    elif chance < 0.3 * hard:  # glare
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        centre = dice.uniform(0, 1, 2) * (height, width)
        spread = dice.uniform(0.3, 1.2) * height
        spot = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * spread**2))
        scene = scene + np.float32(dice.uniform(40, 170)) * spot[..., None].astype(np.float32)
    elif chance < 0.42 * hard:  # night
        scene = scene * np.float32(dice.uniform(0.12, 0.4))
    return np.asarray(scene, np.float32)

"""Draws struck VINs as reliefs, their photos and rubbings: what ``benchmarks.rubbing`` and tests compare."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from models.images import Image

PITCH, TALL = 46, 64  # pixels from character to character, and of a character
MARGIN = 70
Plane = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Punches:
    """How unevenly characters are struck: place in pitches, angle in degrees, least depth (deepest is 1)."""

    place: float = 0.035
    angle: float = 1.5
    depth: float = 0.7


@cache
def font() -> ImageFont.FreeTypeFont:
    """The openly licensed font of the demo extra."""
    package = distribution("cvttf-NotoSansCJK-Bold")
    path = next(Path(str(package.locate_file(f))) for f in package.files or () if f.suffix == ".otf")
    return ImageFont.truetype(str(path), TALL)


def struck(vin: str, dice: np.random.Generator, punches: Punches | None = None) -> Plane:
    """The depth (0 to 1) of one strike of a VIN."""
    punches = punches or Punches()
    size = (PITCH * len(vin) + 2 * MARGIN, TALL + 2 * MARGIN)
    relief = np.zeros((size[1], size[0]), np.float32)
    for n, c in enumerate(vin):
        picture = Pillow.new("L", size)
        x, y = MARGIN + PITCH * (n + 0.5), size[1] / 2
        ImageDraw.Draw(picture).text((x, y), c, font=font(), fill=255, anchor="mm")
        turn = cv2.getRotationMatrix2D((x, y), dice.normal(0, punches.angle), 1.0)
        turn = turn + np.array([[0, 0, 1.0], [0, 0, 0]]) * dice.normal(0, punches.place * PITCH)
        turn = turn + np.array([[0, 0, 0], [0, 0, 1.0]]) * dice.normal(0, punches.place * PITCH)
        thin = cv2.erode(np.asarray(picture, np.float32), np.ones((3, 3), np.uint8))
        one = cv2.warpAffine(thin, turn, size, flags=cv2.INTER_CUBIC) / 255
        relief = np.maximum(relief, one * np.float32(dice.uniform(punches.depth, 1.0)))
    return np.asarray(cv2.GaussianBlur(relief, (0, 0), 1.5), np.float32)


def rubbed(relief: Plane, dice: np.random.Generator, *, mirrored: bool = False) -> Image:
    """A rubbing: graphite where nothing is struck, uneven pressure, grain, a bent film."""
    tall, wide = relief.shape
    pressure = 0.75 + 0.25 * cloud(relief.shape, 90, dice)
    grain = cv2.GaussianBlur(dice.standard_normal(relief.shape, np.float32), (0, 0), 0.8) * 0.35
    ink = np.clip((1 - 1.15 * relief) * pressure + grain * pressure, 0, 1)
    edge = np.zeros_like(relief)
    edge[20 : tall - 20, 25 : wide - 25] = 1
    paper = 236 - 190 * ink * cv2.GaussianBlur(edge, (0, 0), 4)
    ys, xs = np.mgrid[:tall, :wide].astype(np.float32)
    along = (xs - wide / 2) / (wide / 2)
    bend = dice.normal(0, 3, 4)
    bent = cv2.remap(
        paper.astype(np.float32),
        np.asarray(xs + bend[0] * along**2 + bend[1] * along, np.float32),
        np.asarray(ys + bend[2] * along**2 + bend[3] * along, np.float32),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return _taken(bent[:, ::-1] if mirrored else bent, dice)


def photographed(relief: Plane, dice: np.random.Generator) -> Image:
    """A photo of the strike: light from a slant, painted metal with a little grain, slight perspective."""
    tall, wide = relief.shape
    down, right = np.gradient(relief)
    light = dice.uniform(0, 2 * np.pi)
    shade = (np.cos(light) * right + np.sin(light) * down) * dice.uniform(250, 500)
    metal = dice.uniform(70, 150) + 25 * cloud(relief.shape, 60, dice)
    lit = metal + shade + cv2.GaussianBlur(dice.standard_normal(relief.shape, np.float32), (0, 0), 0.7) * 8
    corners = np.array([[0, 0], [wide, 0], [wide, tall], [0, tall]], np.float32)
    seen = corners + dice.normal(0, 6, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, np.asarray(seen, np.float32))
    photo = cv2.warpPerspective(lit.astype(np.float32), matrix, (wide, tall), borderMode=cv2.BORDER_REPLICATE)
    return _taken(photo, dice)


def cloud(shape: tuple[int, ...], sigma: float, dice: np.random.Generator) -> Plane:
    """Smooth unevenness of about -1 to 1."""
    soft = cv2.GaussianBlur(dice.standard_normal(shape, np.float32), (0, 0), sigma)
    return np.asarray(soft / max(float(np.abs(soft).max()), 1e-6), np.float32)


def _taken(grey: NDArray[Any], dice: np.random.Generator) -> Image:
    """As a camera takes it: another size, soft, noisy; BGR."""
    scale = dice.uniform(0.7, 1.2)
    sized = cv2.resize(np.ascontiguousarray(grey), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(sized, (0, 0), dice.uniform(0.4, 1.0))
    noisy = np.clip(soft + dice.normal(0, 3, soft.shape), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(noisy, cv2.COLOR_GRAY2BGR), np.uint8)

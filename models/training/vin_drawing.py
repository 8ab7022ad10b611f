"""Draws VIN lines: printed on labels, struck into metal (relief under slanting light), dot-peened."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from lanes.vin import ALPHABET, CHECKED, DIGITS, with_check_digit
from models.images import Image

FONTS = Path("/usr/share/fonts/truetype/dejavu")  # Debian's fonts-dejavu (free licence)
THIN = ("DejaVuSans-ExtraLight.ttf", "DejaVuSansMono.ttf", "DejaVuSansCondensed.ttf")
MARGIN = 10


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONTS / name), size)


class Pen:
    """Draws lines of random texts; their first characters are those of known texts or any."""

    def __init__(self, dice: np.random.Generator, known: list[str]) -> None:
        self._dice = dice
        self._known = known
        self._names = sorted(path.name for path in FONTS.glob("DejaVuSans*.ttf") if "Light" not in path.name)

    def text(self) -> str:
        """A VIN of any maker; the check digit holds where it must."""
        dice = self._dice
        tail = "".join(dice.choice(list(DIGITS), 4))
        if dice.random() < 0.5:
            head = self._known[int(dice.integers(len(self._known)))][: int(dice.integers(3, 12))]
        else:
            head = str(dice.choice(["L", "L", "W", "X", *CHECKED]))
        found = head + "".join(dice.choice(list(ALPHABET), 13 - len(head))) + tail
        return with_check_digit(found) if found[0] in CHECKED else found

    def line(self) -> tuple[Image, str]:
        """A grey line of random size, and its text."""
        text = self.text()
        kind = self._dice.random()
        flat = self._printed(text) if kind < 0.45 else self._struck(text, dotted=kind > 0.8)
        height = int(self._dice.integers(9, 33))
        width = round(flat.shape[1] * height / flat.shape[0] * self._dice.uniform(0.7, 1.3))
        return np.asarray(
            cv2.resize(flat, (max(width, 80), height), interpolation=cv2.INTER_AREA), np.uint8
        ), text

    def _printed(self, text: str) -> Image:
        dice = self._dice
        font = _font(str(dice.choice(self._names)), 40)
        gap = dice.uniform(-1, 5)
        width = round(sum(font.getlength(c) + gap for c in text)) + 2 * MARGIN
        picture = Pillow.new("L", (width, 40 + 2 * MARGIN), int(dice.integers(140, 255)))
        pen = ImageDraw.Draw(picture)
        ink, x = int(dice.integers(0, 90)), float(MARGIN)
        for c in text:
            pen.text((x, MARGIN + 20), c, font=font, fill=ink, anchor="lm")
            x += font.getlength(c) + gap
        return _trimmed(np.asarray(picture, np.uint8), dice)

    def _struck(self, text: str, *, dotted: bool) -> Image:
        dice = self._dice
        # makers strike a mark before and after the number; it is no part of the text
        depth = strokes(f"*{text}*" if dice.random() < 0.6 else text, dice, dotted=dotted)
        relief = lit(depth, dice.uniform(0, 2 * np.pi), dice.uniform(120, 700))
        grain = cv2.GaussianBlur(
            dice.normal(0, 1, depth.shape).astype(np.float32), (0, 0), dice.uniform(0.5, 2)
        )
        level = dice.uniform(60, 180) + relief + grain * dice.uniform(0, 18)
        return _trimmed(np.clip(level, 0, 255).astype(np.uint8), dice)


def _trimmed(grey: Image, dice: np.random.Generator) -> Image:
    """Cut at the edges as a detector would, not always alike."""
    up, down, left, right = (int(v) for v in dice.integers(0, MARGIN, 4))
    return np.ascontiguousarray(grey[up : len(grey) - down, left : grey.shape[1] - right])


def strokes(text: str, dice: np.random.Generator, *, dotted: bool = False) -> np.ndarray:
    """Depth 0..1 of struck characters: each a little off in place, angle and depth."""
    font = _font(str(dice.choice(THIN)), 40)
    pace = font.getlength("0") * dice.uniform(1.0, 1.9)
    size = (round(pace * len(text)) + 2 * MARGIN + 10, 40 + 2 * MARGIN)
    depth = np.zeros((size[1], size[0]), np.float32)
    thick = int(dice.integers(0, 2))
    span = 2 * (MARGIN + 20)
    for n, c in enumerate(text):
        picture = Pillow.new("L", (span, size[1]))
        x, y = span / 2 + dice.normal(0, 0.8), size[1] / 2 + dice.normal(0, 0.8)
        ImageDraw.Draw(picture).text((x, y), c, font=font, fill=255, anchor="mm", stroke_width=thick)
        turn = cv2.getRotationMatrix2D((x, y), dice.normal(0, 1.2), 1.0)
        one = (
            cv2.warpAffine(np.asarray(picture, np.float32), turn, picture.size) * dice.uniform(0.6, 1.0) / 255
        )
        left = max(round(MARGIN + pace * (n + 0.5) - span / 2), 0)
        place = depth[:, left : left + span]
        np.maximum(place, one[:, : place.shape[1]], out=place)
    if dotted:
        ys, xs = np.mgrid[: size[1], : size[0]]
        step = int(dice.integers(3, 5))
        depth = depth * ((xs % step < 2) & (ys % step < 2))
    return np.asarray(cv2.GaussianBlur(depth, (0, 0), dice.uniform(0.7, 1.6)), np.float32)


def lit(depth: np.ndarray, direction: float, strength: float) -> np.ndarray:
    """Brightness that slanting light adds to a relief."""
    down, right = np.gradient(depth)
    return np.asarray((np.cos(direction) * right + np.sin(direction) * down) * strength, np.float32)

"""Draws flat plates of every kind of GA 36: their ground, their characters in place, their text.

Character shapes are the 227 bitmaps of github Pengfei8324/chinese_license_plate_generator (MIT), named by
their folder and never part of the project; what it lacks, and everything where no folder is given, is drawn
in a font. Places of characters are that generator's (single 440 x 140 mm, new energy 480 x 140, double
440 x 220: F); those of armed forces, rescue and aviation plates, and all colours, are M.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from lanes.plate_form import DIGITS, LETTERS, PROVINCES
from models.images import Image

Dice: TypeAlias = np.random.Generator
Mask: TypeAlias = NDArray[np.uint8]
Slot: TypeAlias = tuple[int, int, int, int]  # x, y, width, height of a character, millimetres

GROUNDS = {  # BGR, M
    "blue": (150, 62, 12),
    "yellow": (20, 180, 245),
    "green": (120, 200, 90),
    "yellow_green": (110, 195, 85),
    "white": (238, 238, 238),
    "black": (28, 26, 26),
    "aviation": (80, 120, 20),
}
WHITE, BLACK, RED = (245, 245, 245), (18, 16, 16), (40, 30, 205)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A kind of plate: how often it is drawn, ground, colour name, text, layers and marks in red."""

    share: float
    ground: str
    colour: str
    text: Callable[[Dice], str]
    layers: int = 1
    light_ink: bool = False
    red: str = ""  # characters in red; "head": the first two
    split: int = 2  # characters before the wide gap of a single layer


def _pick(dice: Dice, symbols: str, count: int = 1) -> str:
    return "".join(symbols[int(n)] for n in dice.integers(0, len(symbols), count))


def _serial(dice: Dice, count: int, letters: int = 2) -> str:
    """Digits with at most ``letters`` letters among them."""
    found = list(_pick(dice, DIGITS, count))
    for at in dice.permutation(count)[: int(dice.integers(0, letters + 1))]:
        found[at] = _pick(dice, LETTERS)
    return "".join(found)


def _head(dice: Dice) -> str:
    return _pick(dice, PROVINCES) + (_pick(dice, LETTERS) if dice.random() < 0.97 else "O")


def _marked(mark: str) -> Callable[[Dice], str]:
    return lambda dice: _head(dice) + _serial(dice, 4, 1) + _pick(dice, mark)


def _civil(dice: Dice) -> str:
    return _head(dice) + _serial(dice, 5)


def _forces(dice: Dice) -> str:
    return _pick(dice, LETTERS, 2) + _pick(dice, DIGITS, 5)


def _armed_police(dice: Dice) -> str:
    return "WJ" + _pick(dice, PROVINCES) + _pick(dice, DIGITS, 4) + _pick(dice, DIGITS * 2 + "XBTSHJD")


def _embassy(dice: Dice) -> str:
    return _pick(dice, DIGITS, 6) + "使" if dice.random() < 0.6 else "使" + _pick(dice, DIGITS, 6)


KINDS = {
    "blue": Kind(share=8, ground="blue", colour="blue", text=_civil, light_ink=True),
    "yellow": Kind(share=4, ground="yellow", colour="yellow", text=_civil),
    "school": Kind(share=1.5, ground="yellow", colour="yellow", text=_marked("学")),
    "trial": Kind(share=0.5, ground="yellow", colour="yellow", text=_marked("试超")),
    "yellow_double": Kind(share=5, ground="yellow", colour="yellow", text=_civil, layers=2),
    "trailer": Kind(share=2, ground="yellow", colour="yellow", text=_marked("挂"), layers=2),
    "motorcycle": Kind(share=0.7, ground="blue", colour="blue", text=_civil, layers=2, light_ink=True),
    "green": Kind(
        share=5,
        ground="green",
        colour="green",
        text=lambda dice: (
            _head(dice) + _pick(dice, "DDDFABCEGHJK") + _serial(dice, 1, 1) + _pick(dice, DIGITS, 4)
        ),
    ),
    "yellow_green": Kind(
        share=1.5,
        ground="yellow_green",
        colour="yellow_green",
        text=lambda dice: _head(dice) + _pick(dice, DIGITS, 5) + _pick(dice, "DDDFABCEGHJK"),
    ),
    "police": Kind(share=2.5, ground="white", colour="white", text=_marked("警"), red="警", split=1),
    "forces": Kind(share=2, ground="white", colour="white", text=_forces, red="head"),
    "forces_double": Kind(share=1, ground="white", colour="white", text=_forces, red="head", layers=2),
    "armed_police": Kind(share=2, ground="white", colour="white", text=_armed_police, red="head"),
    "armed_police_double": Kind(
        share=1.2, ground="white", colour="white", text=_armed_police, red="head", layers=2
    ),
    "rescue": Kind(
        share=0.4,
        ground="white",
        colour="white",
        text=lambda dice: _pick(dice, PROVINCES) + _pick(dice, "XS") + _pick(dice, DIGITS, 4) + "应急",
        red="应急",
    ),
    "embassy": Kind(
        share=0.8, ground="black", colour="black", text=_embassy, light_ink=True, red="使", split=4
    ),
    "consulate": Kind(
        share=0.8,
        ground="black",
        colour="black",
        text=lambda dice: _head(dice) + _pick(dice, DIGITS, 4) + "领",
        light_ink=True,
        red="领",
    ),
    "foreign": Kind(share=0.5, ground="black", colour="black", text=_civil, light_ink=True),
    "border": Kind(
        share=1.5,
        ground="black",
        colour="black",
        text=lambda dice: "粤Z" + _serial(dice, 4, 2) + _pick(dice, "港澳"),
        light_ink=True,
    ),
    "aviation": Kind(
        share=0.3,
        ground="aviation",
        colour="green",
        text=lambda dice: "民航" + _pick(dice, LETTERS) + _pick(dice, DIGITS, 4),
        light_ink=True,
    ),
}


class Glyphs:
    """Shapes of characters: bitmaps of a folder, and a font for the others."""

    def __init__(self, font: Path, folder: Path | None = None) -> None:
        self._font = font
        self._folder = folder
        self.shape = lru_cache(maxsize=1000)(self._shape)

    def _shape(self, character: str, style: str, width: int, height: int) -> Mask:
        """Ink of a character, 0 to 255, filling a slot; ``style``: single, energy, upper, lower."""
        bitmap = self._bitmap(character, style)
        found = self._drawn(character) if bitmap is None else bitmap
        return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    def _bitmap(self, character: str, style: str) -> Mask | None:
        letter = character in LETTERS
        names = {
            "energy": [f"green_{character}"],
            "upper": [f"220_up_{character}" if letter else f"220_{character}"],
            "lower": [f"220_down_{character}" if letter else f"220_{character}"],
        }.get(style, [])
        for name in (*names, f"140_{character}"):
            path = self._folder / f"{name}.jpg" if self._folder else None
            if path is not None and path.is_file():
                grey = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
                return 255 - np.asarray(grey, np.uint8)
        return None

    @cached_property
    def _type(self) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(str(self._font), 120)

    def _drawn(self, character: str) -> Mask:
        picture = Pillow.new("L", (150, 200), 0)
        ImageDraw.Draw(picture).text((75, 100), character, font=self._type, fill=255, anchor="mm")
        left, top, right, bottom = picture.getbbox() or (0, 0, 150, 200)
        if character in "1I":  # keeps its slender shape in the slot
            middle = (left + right) // 2
            left, right = middle - (bottom - top) // 4, middle + (bottom - top) // 4
        return np.asarray(picture, np.uint8)[top:bottom, left:right]


def slots(kind: Kind, length: int) -> tuple[int, int, list[Slot]]:
    """Width and height of a plate in millimetres and the slot of each character, in reading order."""
    if kind.layers == 2:
        count = length - 5
        gap = 140 if count == 2 else 95
        first = 220 - (gap * (count - 1) + 80) // 2
        upper = [(first + gap * n, 15, 80, 60) for n in range(count)]
        return 440, 220, upper + [(27 + 80 * n, 90, 65, 110) for n in range(5)]
    width, wide, gap, split = 440, 45, 12, 34
    if length == 8 and not kind.ground.startswith("white"):
        width, wide, gap, split = 480, 43, 9, 49
    elif length == 8:
        wide, gap, split = 42, 8, 22
    found: list[Slot] = []
    x = 15
    for n in range(length):
        own = 45 if n == 0 and width == 480 else wide
        found.append((x, 25, own, 90))
        x += own + (split if n + 1 == kind.split else gap)
    return width, 140, found


def draw(dice: Dice, glyphs: Glyphs, name: str | None = None) -> tuple[Image, str, str, int]:
    """A flat plate (1 pixel a millimetre, BGR), its text, the name of its kind, its layers."""
    if name is None:
        shares = np.array([kind.share for kind in KINDS.values()])
        name = list(KINDS)[int(dice.choice(len(KINDS), p=shares / shares.sum()))]
    kind = KINDS[name]
    text = kind.text(dice)
    width, height, places = slots(kind, len(text))
    plate = _ground(dice, kind, width, height)
    ink = WHITE if kind.light_ink else BLACK
    for n, (character, (x, y, wide, high)) in enumerate(zip(text, places, strict=True)):
        red = n < 2 if kind.red == "head" else character in kind.red
        style = (
            ("energy" if len(text) == 8 else "single")
            if kind.layers == 1
            else "upper"
            if high == 60
            else "lower"
        )
        shape = glyphs.shape(character, style, wide, high)
        _stamp(plate, shape, x, y, RED if red else ink)
    if kind.layers == 1 and name not in ("green", "yellow_green", "embassy", "aviation", "rescue"):
        _dot(dice, plate, places[kind.split - 1], ink)
    return plate, text, name, kind.layers


def _ground(dice: Dice, kind: Kind, width: int, height: int) -> Image:
    colour = np.array(GROUNDS[kind.ground], np.float32) * dice.uniform(0.75, 1.15) + dice.uniform(-18, 18, 3)
    plate = np.empty((height, width, 3), np.float32)
    plate[:] = colour
    if kind.ground == "green":  # fades from white at the top
        share = np.linspace(dice.uniform(0.4, 1.0), 0, height, dtype=np.float32)[:, None, None]
        plate += (np.float32(240) - plate) * share
    if kind.ground == "yellow_green":
        plate[:, :100] = np.array(GROUNDS["yellow"], np.float32) * dice.uniform(0.85, 1.1)
    flat = np.clip(plate, 0, 255).astype(np.uint8)
    line = WHITE if kind.light_ink else BLACK
    if kind.ground != "green" and dice.random() < 0.8:
        inset = int(dice.integers(3, 8))
        cv2.rectangle(flat, (inset, inset), (width - inset, height - inset), line, int(dice.integers(2, 5)))
    _bolts(dice, flat)
    return flat


def _bolts(dice: Dice, flat: Image) -> None:
    height, width = flat.shape[:2]
    if dice.random() < 0.6:
        shade = (int(dice.integers(60, 220)),) * 3
        for x in (0.22, 0.78):
            for y in (12, height - 12):
                cv2.circle(flat, (round(width * x), y), int(dice.integers(4, 8)), shade, -1)


def _stamp(plate: Image, shape: Mask, x: int, y: int, ink: tuple[int, int, int]) -> None:
    high, wide = shape.shape
    part = plate[y : y + high, x : x + wide].astype(np.float32)
    share = (shape.astype(np.float32) / 255)[..., None]
    plate[y : y + high, x : x + wide] = (part + (np.array(ink, np.float32) - part) * share).astype(np.uint8)


def _dot(dice: Dice, plate: Image, before: Slot, ink: tuple[int, int, int]) -> None:
    if dice.random() < 0.93:
        cv2.circle(plate, (before[0] + before[2] + 17, 70), int(dice.integers(4, 7)), ink, -1)

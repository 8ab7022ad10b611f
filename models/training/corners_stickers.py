"""Flat plates to lay into scenes: drawn after GA 36, and cut from real photos.

Layout in mm (GA 36 as public generators use it, F):
single 440 x 140, characters 45 x 90 from x = 15, 12 apart,
34 around the dot; new energy 480 x 140; double 440 x 220, two upper 80 x 60 and five lower 65 x 110.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from lanes.plate_form import DIGITS, LETTERS, PROVINCES
from models.images import Image, rectify
from models.training.corners_scenes import Ground, Sticker

Colour: TypeAlias = tuple[int, int, int]  # BGR
Dice: TypeAlias = np.random.Generator
SERIAL = LETTERS + DIGITS
WHITE, BLACK, RED = (245, 245, 245), (15, 15, 15), (30, 30, 200)
BLUE, YELLOW, GREEN = (165, 70, 15), (25, 180, 240), (110, 190, 60)
KINDS = ("blue", "yellow", "green", "yellow_green", "white", "army", "black", "double", "double_army")
SHARES = (0.2, 0.13, 0.15, 0.05, 0.11, 0.05, 0.09, 0.17, 0.05)


@cache
def _font() -> ImageFont.FreeTypeFont:
    package = distribution("cvttf-NotoSansCJK-Bold")
    path = next(Path(str(package.locate_file(f))) for f in package.files or () if f.suffix == ".otf")
    return ImageFont.truetype(str(path), 120)


@cache
def _glyph(character: str) -> NDArray[np.uint8]:
    """The character's ink, cut to its bounds."""
    picture = Pillow.new("L", (220, 220))
    ImageDraw.Draw(picture).text((110, 110), character, font=_font(), fill=255, anchor="mm")
    box = picture.getbbox()
    return np.asarray(picture.crop(box), np.uint8)


def _put(flat: Image, character: str, x: float, y: float, size: tuple[int, int], ink: Colour) -> None:
    glyph = _glyph(character)
    wide, tall = size
    if character in "1I":
        x, wide = x + wide * 0.35, round(wide * 0.3)
    mask = cv2.resize(glyph, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255
    at = flat[round(y) : round(y) + tall, round(x) : round(x) + wide]
    at[:] = (at * (1 - mask) + np.array(ink) * mask).astype(np.uint8)


def _any(dice: Dice, alphabet: str, count: int) -> str:
    return "".join(dice.choice(list(alphabet), count))


def _ground(width: int, height: int, colour: Colour, line: Colour, dice: Dice) -> Image:
    flat = np.full((height, width, 3), 0, np.uint8)
    flat[:] = np.clip(np.array(colour) + dice.normal(0, 10, 3), 0, 255)
    cv2.rectangle(flat, (5, 5), (width - 6, height - 6), line, 3, cv2.LINE_AA)
    return flat


def _single(text: str, colour: Colour, ink: Colour, dice: Dice, gap_after: int = 2) -> Image:
    flat = _ground(440, 140, colour, ink, dice)
    x = 15.0
    for n, character in enumerate(text):
        if n == gap_after:
            cv2.circle(flat, (round(x + 5), 70), 5, ink, -1, cv2.LINE_AA)
            x += 22
        tint = (
            RED
            if colour == WHITE and (character in "警" or (n < gap_after and text[-1] not in "警"))
            else ink
        )
        _put(flat, character, x, 25, (45, 90), tint)
        x += 57
    return flat


def _energy(dice: Dice, *, large: bool) -> Image:
    flat = _ground(480, 140, WHITE, BLACK, dice)
    slope = np.linspace(0, 1, 140)[:, None, None]
    flat[:] = np.array(WHITE) * (1 - slope) + np.array(GREEN) * slope
    if large:
        flat[:] = GREEN
        flat[:, :130] = YELLOW
    cv2.rectangle(flat, (5, 5), (474, 134), BLACK, 2, cv2.LINE_AA)
    text = (
        _any(dice, PROVINCES, 1)
        + _any(dice, LETTERS, 1)
        + _any(dice, "DF" + SERIAL, 1)
        + _any(dice, SERIAL, 5)
    )
    x = 15.0
    for n, character in enumerate(text):
        _put(flat, character, x, 25, (45 if n == 0 else 43, 90), BLACK)
        x += 54 + (40 if n == 1 else 0)
    return flat


def _double(colour: Colour, ink: Colour, upper: str, lower: str, dice: Dice) -> Image:
    flat = _ground(440, 220, colour, ink, dice)
    tint = RED if colour == WHITE else ink
    for n, character in enumerate(upper):
        _put(flat, character, 110 + 140 * n, 15, (80, 60), tint)
    for n, character in enumerate(lower):
        _put(flat, character, 27 + 80 * n, 90, (65, 110), ink)
    return flat


def draw(kind: str, dice: Dice) -> Sticker:
    """A plate of the kind with a random number."""
    head = _any(dice, PROVINCES, 1) + _any(dice, LETTERS, 1)
    five = _any(dice, SERIAL, 5)
    if kind.startswith("double"):
        army = kind.endswith("army")
        upper = _any(dice, LETTERS, 2) if army else head
        last = dice.choice(["", "挂", "学"]) if not army else ""
        lower = (five[: 5 - len(last)]) + last
        colour, ink = (WHITE, BLACK) if army else (YELLOW, BLACK)
        return Sticker(image=_double(colour, ink, upper, lower, dice), layers=2)
    if kind in ("green", "yellow_green"):
        return Sticker(image=_energy(dice, large=kind == "yellow_green"), layers=1)
    texts = {
        "blue": (head + five, BLUE, WHITE, 2),
        "yellow": (head + five[:4] + _any(dice, SERIAL + "学挂", 1), YELLOW, BLACK, 2),
        "white": (head[:2] + five[:4] + "警", WHITE, BLACK, 1 if dice.random() < 0.5 else 2),
        "army": (_any(dice, LETTERS, 2) + five, WHITE, BLACK, 2),
        "black": (head + five[:4] + _any(dice, "港澳使领" + SERIAL, 1), BLACK, WHITE, 2),
    }
    text, colour, ink, gap = texts[kind]
    return Sticker(image=_single(text, colour, ink, dice, gap), layers=1)


def drawn(count: int, dice: Dice) -> Iterator[list[Sticker]]:
    """Plates of every kind, ``count`` of each, worn a little, in the order of ``KINDS``."""
    for kind in KINDS:
        yield [_worn(draw(kind, dice), dice) for _ in range(count)]


def _worn(sticker: Sticker, dice: Dice) -> Sticker:
    """Dirt and fading in broad patches."""
    height, width = sticker.image.shape[:2]
    patches = cv2.resize(dice.normal(1, 0.08, (4, 9)).astype(np.float32), (width, height))
    fade = dice.uniform(0, 0.35)
    image = sticker.image * (1 - fade) + sticker.image.mean() * fade
    return Sticker(image=np.clip(image * patches[..., None], 0, 255).astype(np.uint8), layers=sticker.layers)


def cut(grounds: Sequence[Ground]) -> list[Sticker]:
    """The real plates of photos, flat, with the layers of their photo."""
    found = []
    for ground in grounds:
        for quad in ground.plates[:1]:
            across, down = (np.linalg.norm(quad[b] - quad[a]) for a, b in ((0, 1), (0, 3)))
            if down >= 10:
                size = {"width": round(float(across)), "height": round(float(down))}
                found.append(Sticker(image=rectify(ground.image, quad, **size), layers=ground.layers))
    return found

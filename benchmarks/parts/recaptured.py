"""A picture as a camera sees it on a screen, on a halftone print, or as it is. Rendered: no real recapture.

Screen: stripes of red, green and blue with dark gaps. Print: round dots of cyan, magenta, yellow and black
at 75, 15, 0 and 45 degrees. Then a lens, a Bayer sensor with noise, sharpening, JPEG. ``pitch`` is how many
pixels of the camera a pixel of the screen or a row of dots takes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, decode, encode

Light = NDArray[np.float32]
Dice = np.random.Generator
FINER = 3  # places looked at along each side of a pixel
GAMMA = 2.2
STRIPES = ((2, 0), (1, 1), (0, 2))  # channel (BGR) and its place in a pixel of the screen
INKS = ((0, 0.0), (1, 75.0), (2, 15.0))  # channel that an ink takes away, turn of its rows in degrees
BLACK_DEGREES = 45.0
MOST_TURNED = 6.0  # degrees by which the camera is turned
QUALITIES = (75, 96)  # JPEG, as phones and uploads have it


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """Where each place that the camera looks at lies: in its own pixels before the turn, from the middle."""

    x: Light
    y: Light


Way = Callable[[Image, float, _View, Dice], Light]


def recaptured(image: Image, way: Way, pitch: float, sides: tuple[int, int], dice: Dice) -> Image:
    """The camera's picture, ``sides``: width and height, of what a way shows of an image."""
    width, height = sides
    light = way(image, pitch, _view(width, height, dice), dice)
    seen = np.asarray(cv2.resize(light, sides, interpolation=cv2.INTER_AREA), np.float32)
    seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), dice.uniform(0.4, 1.1)), np.float32)
    return _sensed(seen * (dice.uniform(0.5, 0.95) / max(float(np.percentile(seen, 99)), 1e-3)), dice)


def uploaded(image: Image, shrink: int, dice: Dice) -> Image:
    """The picture as it is sent: smaller by a factor, as JPEG."""
    small = cv2.resize(image, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    return decode(encode(np.asarray(small, np.uint8), int(dice.integers(*QUALITIES))))


def plain(image: Image, _: float, view: _View, dice: Dice) -> Light:
    """The scene itself: nothing between."""
    return _shown(image, view) ** np.float32(GAMMA)


def on_screen(image: Image, pitch: float, view: _View, dice: Dice) -> Light:
    """The image on a screen."""
    gap = dice.uniform(0.05, 0.2)
    across, down = view.x / pitch, view.y / pitch
    within, below = across - np.floor(across), down - np.floor(down)
    middle = _View(x=(np.floor(across) + 0.5) * pitch, y=(np.floor(down) + 0.5) * pitch)  # one colour a pixel
    light = _shown(image, middle) ** np.float32(GAMMA)
    lit = (below > gap / 2) & (below < 1 - gap / 2)
    for channel, place in STRIPES:
        stripe = (within >= (place + gap / 2) / 3) & (within < (place + 1 - gap / 2) / 3)
        light[..., channel] *= stripe & lit
    return light


def on_print(image: Image, pitch: float, view: _View, _: Dice) -> Light:
    """The image as a halftone print."""
    missing = 1 - _shown(image, view)
    black = missing.min(axis=2) * 0.6
    paper = np.ones_like(missing)
    for channel, degrees in INKS:
        ink = (missing[..., channel] - black) / (1 - black + 1e-3)
        paper[..., channel] *= np.where(_rows(view, pitch, degrees) < ink, 0.1, 1)
    paper *= np.where(_rows(view, pitch, BLACK_DEGREES) < black, 0.08, 1)[..., None]
    return np.asarray(paper ** np.float32(GAMMA), np.float32)


def _view(width: int, height: int, dice: Dice) -> _View:
    y, x = np.mgrid[: height * FINER, : width * FINER].astype(np.float32)
    x, y = (x + 0.5) / FINER - width / 2, (y + 0.5) / FINER - height / 2
    tilt = dice.uniform(-0.12, 0.12, 2) / (width, height)
    far = (tilt[0] * x + tilt[1] * y + 1).astype(np.float32)
    turn = np.deg2rad(dice.uniform(-MOST_TURNED, MOST_TURNED))
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    return _View(x=(cos * x - sin * y) / far, y=(sin * x + cos * y) / far)


def _shown(image: Image, view: _View) -> Light:
    """The image, 0 to 1, enlarged to fill what the camera looks at."""
    height, width = image.shape[:2]
    scale = np.float32(min(width, height) / max(view.x.max() - view.x.min(), view.y.max() - view.y.min()))
    x, y = view.x * scale + np.float32(width / 2), view.y * scale + np.float32(height / 2)
    border = cv2.BORDER_REFLECT
    shown = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=border)
    return np.asarray(shown, np.float32) / np.float32(255)


def _rows(view: _View, pitch: float, degrees: float) -> Light:
    """The screen of a printer, 0 to 1: where an ink of that share leaves a dot."""
    turn = np.float32(np.deg2rad(degrees))
    along = np.cos(turn) * view.x + np.sin(turn) * view.y
    across = np.cos(turn) * view.y - np.sin(turn) * view.x
    wave = np.float32(2 * np.pi / pitch)
    return np.asarray((np.cos(wave * along) + np.cos(wave * across)) / 4 + 0.5, np.float32)


def _sensed(light: Light, dice: Dice) -> Image:
    """What a Bayer sensor and the camera's own picture making leave of it."""
    light = np.clip(light, 0, 1)
    raw = light[..., 1].copy()
    raw[0::2, 0::2], raw[1::2, 1::2] = light[0::2, 0::2, 2], light[1::2, 1::2, 0]
    noise = dice.uniform(0.003, 0.012)
    raw += dice.normal(0, 1, raw.shape).astype(np.float32) * np.sqrt(noise**2 + 0.02 * noise * raw)
    counts = (np.clip(raw, 0, 1) * 65_535).astype(np.uint16)
    colours = cv2.cvtColor(counts, cv2.COLOR_BayerBG2BGR).astype(np.float32) / 65_535
    picture = colours ** (1 / GAMMA) * 255
    picture += dice.uniform(0, 0.8) * (picture - cv2.GaussianBlur(picture, (0, 0), 1.0))
    return np.asarray(np.clip(picture, 0, 255), np.uint8)

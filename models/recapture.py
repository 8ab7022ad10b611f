"""Whether a photo was taken of a screen or of a print: a lattice that stands in its spectrum. No weights.

A screen's pixels and a print's dots stand in rows, and beat with the pixels of the camera. In the spectrum of
a tile that is a narrow peak; edges are ridges there, and surfaces are hills.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image

SIDE = 256  # pixels of a tile, as the camera took them
GRID = 3  # tiles along each side of the photo, at most
MANY = 4  # tiles; of more every second one is enough
SOFT = 25  # pixels of the blur that is taken off before: light and shade
FLOOR = 2000.0  # power of a sine of a few hundredths of a grey level: what is weaker is nothing
BESIDE = (3, 5, 7, 9, 11)  # steps of 1/256 from a peak at which its neighbours are looked at
WAYS = ((0, 1), (1, 0), (1, 1), (1, -1))  # along which neighbours stand
LOWEST = (14, 8)  # steps below which nothing is looked at, in light and in colour: what photos show in rows
AXIS = 2  # steps beside the axes that are left out: upright and level edges, and the blocks of JPEG
REACH, HALF = max(BESIDE), SIDE // 2

Plane = NDArray[np.float32]


def lattice(image: Image) -> float:
    """How far a lattice stands out in half of the tiles, natural log of power; 0 of a photo below a tile."""
    if min(image.shape[:2]) < SIDE:
        return 0.0
    places = [(y, x) for y in _starts(image.shape[0]) for x in _starts(image.shape[1])]
    chosen = places[::2] if len(places) > MANY else places
    return float(np.median([_peak(image[y : y + SIDE, x : x + SIDE]) for y, x in chosen]))


def _starts(length: int) -> list[int]:
    count = min(GRID, length // SIDE)
    return [int(start) for start in np.linspace(0, length - SIDE, count)]


def _peak(tile: Image) -> float:
    """How far the highest peak of a tile stands out, in its light or in its colour."""
    planes = cv2.split(cv2.cvtColor(tile, cv2.COLOR_BGR2YCrCb).astype(np.float32))
    light, red, blue = (_power(np.asarray(plane, np.float32)) for plane in planes)
    return max(_standing(light, LOWEST[0]), _standing(red + blue, LOWEST[1]))


def _power(plane: Plane) -> Plane:
    """The power (SIDE, SIDE) of what is finer than light and shade, frequency 0 in its middle."""
    detail = (plane - cv2.blur(plane, (SOFT, SOFT))) * _window()
    waves = cv2.dft(detail, flags=cv2.DFT_COMPLEX_OUTPUT)
    return np.fft.fftshift(waves[:, :, 0] ** 2 + waves[:, :, 1] ** 2)


def _standing(power: Plane, lowest: int) -> float:
    """How far the highest peak stands above its neighbours, whichever way these are looked at."""
    around = np.pad(np.log(power + np.float32(FLOOR)), REACH, mode="wrap")

    def shifted(down: int, right: int) -> Plane:
        """The right half; the left one is the same."""
        return around[REACH + down :, REACH + HALF + right :][:SIDE, :HALF]

    steps = [step for far in BESIDE for step in (far, -far)]
    sums = [np.add.reduce([shifted(step * down, step * right) for step in steps]) for down, right in WAYS]
    stands = shifted(0, 0) - np.maximum.reduce(sums) / np.float32(len(steps))
    return float(stands[_looked_at(lowest)].max())


@cache
def _window() -> Plane:
    return np.outer(np.hanning(SIDE), np.hanning(SIDE)).astype(np.float32)


@cache
def _looked_at(lowest: int) -> NDArray[np.bool_]:
    """The right half of frequencies without low ones, the axes, and what blocks of 8 and 16 pixels make."""
    down, right = np.mgrid[-HALF:HALF, :HALF]
    far = np.hypot(down, right)
    block = SIDE // 16
    blocks = [np.abs((way + block // 2) % block - block // 2) <= 1 for way in (down, right)]
    inside = (far > lowest) & (far < HALF) & (np.abs(down) > AXIS) & (right > AXIS)
    return np.asarray(inside & ~(blocks[0] & blocks[1]))

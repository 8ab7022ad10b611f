"""The brush for what lies on a car's body: outlines, lines, rings, glass; nothing where it is turned away."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_bridge.virtual.bodywork import MIDDLE, Body, Surface, outline
from firmware_bridge.virtual.glyphs import Colour, Picture
from firmware_bridge.virtual.lens import Camera, Corner, Points, paint, shade, trace

PAINTS: dict[str, Colour] = {  # csys -> BGR
    "A": (238, 238, 236), "B": (150, 146, 142), "C": (40, 180, 225), "E": (38, 30, 176), "G": (86, 108, 44),
    "H": (150, 82, 34), "I": (44, 66, 98), "J": (54, 51, 50),
}  # fmt: skip
DARK: Colour = (24, 22, 22)
BLACK: Colour = (12, 11, 11)
CHROME: Colour = (205, 205, 200)


class Brush:
    """Paints on one body in one picture through one camera."""

    def __init__(self, picture: Picture, camera: Camera, body: Body, colour: Colour) -> None:
        self.picture, self.camera, self.body, self.colour = picture, camera, body, colour

    def on(self, surface: Surface, corners: Sequence[Corner], *, rounded: bool = True) -> Points:
        """Pixels of an outline on a surface; none when it is turned away from the lens."""
        params = outline(corners, rounded=rounded)
        if np.mean(self.faces(surface, params)) < 0.5:
            return np.empty((0, 2))
        return self.camera.project(surface(params[:, 0], params[:, 1]))

    def faces(self, surface: Surface, params: Points) -> NDArray[np.bool_]:
        """Which points of a surface look towards the lens."""
        a, b = params[:, 0], params[:, 1]
        point = surface(a, b)
        normal = np.cross(surface(a + 1e-3, b) - point, surface(a, b + 1e-3) - point)
        normal *= np.sign(np.sum(normal * (point - MIDDLE), axis=1, keepdims=True))
        towards: NDArray[np.bool_] = np.sum(normal * (self.camera.at - point), axis=1) > 0
        return towards

    def line(self, surface: Surface, points: Sequence[Corner], colour: Colour, width: int) -> None:
        """A line along a surface."""
        params = np.array(points, float)
        params = params[self.faces(surface, params)]
        if len(params) > 1:
            trace(self.picture, self.camera.project(surface(params[:, 0], params[:, 1])), colour, width)

    def ring(self, t: float, u: float, wide: float, high: float) -> list[Corner]:
        """An ellipse in surface parameters."""
        turn = np.linspace(0, 2 * np.pi, 14)[:-1]
        return [(t + wide * float(np.cos(a)), u + high * float(np.sin(a))) for a in turn]

    def darker(self, share: float) -> Colour:
        """The paint, darkened."""
        b, g, r = (int(c * share) for c in self.colour)
        return b, g, r

    def circle(self, centre: Sequence[float], radius: float) -> Points:
        """Pixels of a circle that stands along the car."""
        turn = np.linspace(0, 2 * np.pi, 36)
        x, y, z = centre
        return self.camera.project(
            np.stack([x + radius * np.cos(turn), y + 0 * turn, z + radius * np.sin(turn)], -1)
        )

    def disc(self, centre: Sequence[float], radius: float, colour: Colour) -> None:
        """A filled circle that stands along the car."""
        paint(self.picture, self.circle(centre, radius), colour)

    def pane_of_glass(self, pixels: Points) -> None:
        """Dark glass that mirrors a ceiling strip."""
        if not len(pixels):
            return
        shade(self.picture, pixels, (104, 94, 82), (44, 38, 34))
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        x, y = (int(v) for v in np.maximum(low, 0))
        window = self.picture[y : max(0, int(high[1])), x : max(0, int(high[0]))]
        if window.size:
            inside, gleam = np.zeros(window.shape[:2], np.uint8), np.zeros(window.shape[:2], np.uint8)
            paint(inside, pixels - (x, y), (255, 0, 0))
            strip = np.array([(0.12, -0.1), (0.24, -0.1), (0.52, 1.1), (0.34, 1.1)]) * (high - low)
            paint(gleam, strip + low - (x, y), (60, 0, 0))
            window[:] = cv2.add(window, cv2.cvtColor(cv2.min(inside, gleam), cv2.COLOR_GRAY2BGR))
        trace(self.picture, pixels, BLACK, 3, closed=True)

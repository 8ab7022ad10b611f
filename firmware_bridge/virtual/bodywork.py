"""The body of a stylised car: surfaces, facets, paint.

Car frame, metres: x forward, y to the car's left, z up, origin on the ground below the middle of the car.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_bridge.virtual.glyphs import Colour, Picture, smooth
from firmware_bridge.virtual.lens import Camera, Corner, Points, sixteenths

Surface: TypeAlias = Callable[[Points, Points], Points]

MIDDLE = np.array([0.0, 0.0, 0.7])  # within every body; normals point away from it
LIGHT = np.array([0.35, 0.25, 0.9]) / np.linalg.norm([0.35, 0.25, 0.9])


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Measures of a body, m; x of the four corners of the glass house from the middle of the car."""

    length: float
    width: float
    height: float
    hood: float  # height of the hood's front edge
    belt: float
    tail: float  # height of the tail's upper edge
    screen_base: float
    screen_top: float
    rear_top: float
    rear_base: float
    sill: float = 0.2
    wheel: float = 0.315
    wheelbase: float = 2.65


SHAPES = {
    "sedan": Shape(
        length=4.55, width=1.80, height=1.46, hood=0.76, belt=0.93, tail=0.98,
        screen_base=1.05, screen_top=0.28, rear_top=-0.95, rear_base=-1.62,
    ),
    "hatch": Shape(
        length=4.15, width=1.77, height=1.50, hood=0.78, belt=0.95, tail=1.0,
        screen_base=1.02, screen_top=0.35, rear_top=-1.42, rear_base=-1.86, wheelbase=2.55,
    ),
    "tall": Shape(
        length=4.60, width=1.84, height=1.70, hood=0.90, belt=1.06, tail=1.1,
        screen_base=1.12, screen_top=0.45, rear_top=-1.72, rear_base=-2.10, wheel=0.345, wheelbase=2.70,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Body:
    """Surfaces of one car, functions of two parameters; t runs -1..1 from its right to its left."""

    shape: Shape

    def belt(self, x: Points) -> Points:
        """Height of the shoulder line at x."""
        s = self.shape
        knots = (-s.length / 2, s.rear_base, s.screen_base, s.length / 2)
        return np.interp(x, knots, (s.tail - 0.03, s.tail, s.belt, s.hood - 0.02))

    def half(self, u: Points) -> Points:
        """Half width at share u (0 sill, 1 shoulder) of the body's height."""
        return self.shape.width / 2 * (1 - 0.07 * (u - 0.55) ** 2 * 4 * np.where(u > 0.55, 0.6, 1.0))

    def front(self, t: Points, u: Points) -> Points:
        """The face: bumper, lamps, grille."""
        s = self.shape
        x = (
            s.length / 2
            - 0.42 * np.abs(t) ** 3.4
            - 0.05 * t**2
            - 0.16 * np.clip(u - 0.55, 0, 1) ** 1.6 / 0.28
        )
        x = x - 0.10 * np.clip(0.3 - u, 0, 1) / 0.3
        return np.stack([x, t * self.half(u), s.sill + u * (self.belt(x) - s.sill)], -1)

    def rear(self, t: Points, u: Points) -> Points:
        """The tail."""
        s = self.shape
        x = -s.length / 2 + 0.30 * np.abs(t) ** 3.6 + 0.04 * t**2 + 0.16 * np.clip(u - 0.6, 0, 1) / 0.4
        x = x + 0.08 * np.clip(0.3 - u, 0, 1) / 0.3
        return np.stack([x, t * self.half(u), s.sill + 0.03 + u * (self.belt(x) - s.sill - 0.03)], -1)

    def side(self, sign: float) -> Surface:
        """A flank: v 0..1 from tail to nose, u 0..1 from sill to shoulder."""

        def surface(v: Points, u: Points) -> Points:
            edge = np.full_like(u, sign)
            start, end = self.rear(edge, u), self.front(edge, u)
            x = start[..., 0] * (1 - v) + end[..., 0] * v
            z = (start[..., 2] * (1 - v) + end[..., 2] * v) * (1 - u) + u * self.belt(x)
            return np.stack([x, start[..., 1] * (1 - v) + end[..., 1] * v, z], -1)

        return surface

    def deck(self, nose: bool) -> Surface:
        """Hood or boot lid: v 0..1 from the outer edge to the glass."""

        def surface(v: Points, t: Points) -> Points:
            outer = (self.front if nose else self.rear)(t, np.ones_like(t))
            inner = self.shape.screen_base + 0.1 if nose else self.shape.rear_base - 0.05
            x = outer[..., 0] * (1 - v) + inner * v
            z = self.belt(x) + 0.075 * (1 - t**4) * np.sin(np.clip(v * 1.9, 0, np.pi / 2)) * (
                1 if nose else 0.4
            )
            return np.stack([x, outer[..., 1], z], -1)

        return surface

    def glass(self, nose: bool) -> Surface:
        """Windscreen or rear window: v 0..1 from shoulder to roof."""

        def surface(v: Points, t: Points) -> Points:
            s = self.shape
            low, high = (s.screen_base, s.screen_top) if nose else (s.rear_base, s.rear_top)
            bow = 0.14 * (1 - t**2) if nose else 0.3 * np.abs(t) ** 3 * (1 - 0.4 * v)
            x = low * (1 - v) + high * v + bow
            wide = (s.width / 2 - 0.07) * (1 - v) + (s.width / 2 - 0.24) * v
            foot = self.belt(low + bow) + 0.03 * (1 - t**2) - 0.01
            return np.stack([x, t * wide, foot * (1 - v) + (s.height - 0.07 * t**2 - 0.02) * v], -1)

        return surface

    def roof(self, v: Points, t: Points) -> Points:
        """The roof: v 0..1 from the rear window to the windscreen."""
        back, fore = self.glass(False)(np.ones_like(t), t), self.glass(True)(np.ones_like(t), t)
        mix = v[..., None]
        bulge = 0.035 * np.sin(np.pi * v)
        return back * (1 - mix) + fore * mix + np.stack([0 * v, 0 * v, bulge], -1)

    def pane(self, sign: float) -> Surface:
        """Side of the glass house: v 0..1 from rear to front, u 0..1 from shoulder to roof."""

        def surface(v: Points, u: Points) -> Points:
            edge = np.full_like(u, sign)
            back, fore = self.glass(False)(u, edge), self.glass(True)(u, edge)
            mix = v[..., None]
            bulge = np.sin(np.pi * v) * (0.02 + 0.02 * u)
            point = back * (1 - mix) + fore * mix
            return point + np.stack([0 * v, sign * bulge, bulge * u], -1)

        return surface


def grid(surface: Surface, first: Corner, second: Corner, steps: tuple[int, int]) -> Points:
    """Corners of a surface's facets."""
    a, b = np.meshgrid(np.linspace(*first, steps[0]), np.linspace(*second, steps[1]), indexing="ij")
    return surface(a, b)


def facets(body: Body) -> Points:
    """All painted facets of a car: (n, 4, 3)."""
    s: list[Points] = [
        grid(body.front, (-1, 1), (0, 1), (29, 13)),
        grid(body.rear, (-1, 1), (0, 1), (25, 11)),
        grid(body.deck(True), (0, 1), (-1, 1), (10, 19)),
        grid(body.deck(False), (0, 1), (-1, 1), (5, 15)),
        grid(body.glass(True), (0, 1), (-1, 1), (7, 15)),
        grid(body.glass(False), (0, 1), (-1, 1), (6, 13)),
        grid(body.roof, (0, 1), (-1, 1), (9, 13)),
    ]
    for sign in (-1.0, 1.0):
        s += [grid(body.side(sign), (0, 1), (0, 1), (25, 10)), grid(body.pane(sign), (0, 1), (0, 1), (13, 6))]
    quads = [np.stack([g[:-1, :-1], g[1:, :-1], g[1:, 1:], g[:-1, 1:]], 2).reshape(-1, 4, 3) for g in s]
    return np.concatenate(quads)


def reflected(normals: Points, views: Points) -> Points:
    """Brightness 0..1 of the hall that a polished facet mirrors: ceiling strips above, wall, floor below."""
    bounce = views - 2 * np.sum(views * normals, -1, keepdims=True) * normals
    up = bounce[..., 2]
    strips = np.exp(-(((np.abs(bounce[..., 1]) - 0.45) / 0.22) ** 2)) * np.clip(up * 1.6, 0, 1)
    mirrored: Points = np.clip(0.18 + 0.42 * np.clip(up + 0.15, 0, 1) + 0.55 * strips, 0, 1)
    return mirrored


def paint_body(picture: Picture, camera: Camera, body: Body, colour: Colour, gloss: float) -> Picture:
    """The bare painted body, facets far to near, smoothed within its outline; gives the mask of it."""
    quads = facets(body)
    middle = quads.mean(axis=1)
    normals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    views = middle - camera.at
    views /= np.linalg.norm(views, axis=1, keepdims=True)
    outward = np.sign(np.sum(normals * (middle - MIDDLE), axis=1, keepdims=True))
    normals *= outward
    facing = -np.sum(normals * views, axis=1)
    light = 0.46 + 0.48 * np.clip(normals @ LIGHT, 0, 1) + 0.10 * np.clip(normals[:, 2], 0, 1)
    fresnel = (0.10 + 0.75 * (1 - np.clip(facing, 0, 1)) ** 4) * gloss
    mirror = reflected(normals, views) * 255
    tones = np.array(colour) * light[:, None] * (1 - fresnel[:, None]) + (fresnel * mirror * 1.5)[:, None]
    tones = np.clip(tones, 0, 255)
    pixels = sixteenths(camera.project(quads))
    layer, mask = np.zeros_like(picture), np.zeros(picture.shape[:2], np.uint8)
    for i in np.argsort(-np.linalg.norm(middle - camera.at, axis=1)):
        if facing[i] > 0:
            cv2.fillConvexPoly(layer, pixels[i], tones[i].tolist(), cv2.LINE_8, 4)
            cv2.fillConvexPoly(mask, pixels[i], (255, 0, 0), cv2.LINE_8, 4)
    blend(picture, layer, mask)
    return mask


def blend(picture: Picture, layer: Picture, mask: Picture) -> None:
    """Lays the layer over the picture inside the mask, its facets blurred into each other."""
    x, y, w, h = cv2.boundingRect(mask)
    layer, mask = layer[y : y + h, x : x + w], mask[y : y + h, x : x + w]
    small = (max(1, w // 4), max(1, h // 4))
    tones = cv2.GaussianBlur(cv2.resize(layer, small, interpolation=cv2.INTER_AREA), (0, 0), 1.1)
    weight = cv2.GaussianBlur(cv2.resize(mask, small, interpolation=cv2.INTER_AREA), (0, 0), 1.1)
    whole = np.minimum(tones / np.maximum(weight[..., None] / 255, 0.05), 255).astype(np.uint8)
    soft = np.asarray(cv2.resize(whole, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)
    edge = cv2.GaussianBlur(mask, (3, 3), 0).astype(np.float32) / 255
    window = picture[y : y + h, x : x + w]
    window[:] = cv2.blendLinear(soft, np.ascontiguousarray(window), edge, 1 - edge)


def outline(corners: Iterable[Corner], *, rounded: bool = True) -> Points:
    """Surface parameters along a closed line through corners, which are rounded off."""
    points: NDArray[Any] = np.array(list(corners), float)
    if rounded:
        after = np.roll(points, -1, axis=0)
        dense = np.stack([points, points * 0.8 + after * 0.2, points * 0.2 + after * 0.8], axis=1)
        points = smooth(dense.reshape(-1, 2), closed=True, times=2)
    return points

"""Scenes to train the corner finder on: plates, real and drawn, laid into photos by random homographies.

A scene is a square BGR picture with its plates (corners, layers) and regions that take no part. Everything
random comes from one generator, so that a seed gives the same scenes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, Quad, sides

SIDE = 320
LEAST, MOST = 8.0, 100.0  # height of a plate, pixels
UNIT = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sticker:
    """A flat plate and its rows of characters."""

    image: Image
    layers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """A photo to lay plates on, with those that it shows already and what is to be left out."""

    image: Image
    plates: Sequence[Quad] = ()
    ignored: Sequence[Quad] = ()
    layers: int = 1


@dataclass(kw_only=True, slots=True)
class Scene:
    """One training picture."""

    image: Image
    plates: list[tuple[Quad, int]] = field(default_factory=list)
    ignored: list[Quad] = field(default_factory=list)


class SceneMaker:
    """Makes scenes from grounds with plates, grounds without any, and stickers by kind."""

    def __init__(
        self,
        streets: Sequence[Ground],
        others: Sequence[Ground],
        stickers: Sequence[Sequence[Sticker]],
        dice: np.random.Generator,
        *,
        kept: float = 0.45,
    ) -> None:
        self._streets, self._others, self._stickers, self.dice = streets, others, stickers, dice
        self._kept = kept  # share of a photo's own plates that stay

    def scene(self) -> Scene:
        """The next scene."""
        scene = self._street() if self.dice.random() < 0.72 else self._other()
        for _ in range(self.dice.choice(4, p=(0.35, 0.4, 0.15, 0.1))):
            self._distract(scene)
        for _ in range(self.dice.choice(3, p=(0.45, 0.4, 0.15))):
            self._paste(scene)
        scene.image = self._exposed(scene)
        return scene

    def _street(self) -> Scene:
        """A photo of vehicles; its plates stay, get another plate laid over them, or are painted over."""
        dice = self.dice
        ground = self._streets[dice.integers(len(self._streets))]
        turn = self._view(ground)
        image = _warped(ground.image, turn, dice)
        scene = Scene(image=image, ignored=[_moved(q, turn) for q in ground.ignored])
        for quad in (_moved(q, turn) for q in ground.plates):
            how = dice.random()
            if how < self._kept and LEAST * 0.8 < sides(quad)[1] < MOST * 1.6:
                scene.plates.append((quad, ground.layers))
            elif how < 0.92:
                self._replace(scene, quad)
            else:
                _paint_over(scene.image, quad)
        if dice.random() < 0.3:
            _mirror(scene)
        return scene

    def _other(self) -> Scene:
        """A photo without plates, or a plain ground."""
        dice = self.dice
        if dice.random() < 0.12:
            colours = dice.integers(0, 255, (2, 2, 3)).astype(np.uint8)
            return Scene(image=np.asarray(cv2.resize(colours, (SIDE, SIDE)), np.uint8))
        ground = self._others[dice.integers(len(self._others))]
        return Scene(image=_warped(ground.image, self._anywhere(ground.image), dice))

    def _view(self, ground: Ground) -> NDArray[np.float64]:
        """A turn, scale and place that shows a plate of the ground, or anything of it."""
        if not ground.plates or self.dice.random() < 0.12:
            return self._anywhere(ground.image)
        quad = ground.plates[self.dice.integers(len(ground.plates))]
        wanted = self._height()
        scale = min(wanted / max(sides(quad)[1], 1.0), 3.0)
        place = self.dice.uniform(0.12, 0.88, 2) * SIDE
        return self._turned(scale, quad.mean(axis=0), place)

    def _anywhere(self, image: Image) -> NDArray[np.float64]:
        height, width = image.shape[:2]
        scale = SIDE / min(height, width) * np.exp(self.dice.uniform(-0.4, 0.9))
        return self._turned(scale, self.dice.uniform(0.2, 0.8, 2) * (width, height), np.full(2, SIDE / 2))

    def _turned(
        self, scale: float, middle: NDArray[np.float64], place: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        angle = np.deg2rad(self.dice.normal(0, 5))
        across, along = scale * np.exp(self.dice.normal(0, 0.06, 2))
        turn = np.array(
            [
                [np.cos(angle) * across, -np.sin(angle) * along],
                [np.sin(angle) * across, np.cos(angle) * along],
            ]
        )
        return np.hstack([turn, (place - turn @ middle)[:, None]])

    def _height(self) -> float:
        """Height of a plate in the scene: small ones are more frequent."""
        return float(np.exp(self.dice.beta(1.3, 1.7) * np.log(MOST / LEAST)) * LEAST)

    def _sticker(self) -> Sticker:
        kind = self._stickers[self.dice.integers(len(self._stickers))]
        return kind[self.dice.integers(len(kind))]

    def _replace(self, scene: Scene, quad: Quad) -> None:
        """Another plate in the place of this one, as large, in its own shape."""
        sticker = self._sticker()
        height, width = sticker.image.shape[:2]
        _paint_over(scene.image, quad)
        across, down = sides(quad)
        taller = (across / max(down, 1.0)) / (width / height) * 0.95
        downward = ((quad[3] - quad[0]) + (quad[2] - quad[1])) / 2 * (taller - 1) / 2
        shift = np.array([-downward, -downward, downward, downward])
        self._lay(scene, sticker, np.asarray(quad + shift, np.float32))

    def _paste(self, scene: Scene) -> None:
        """A plate anywhere."""
        dice, sticker = self.dice, self._sticker()
        height, width = sticker.image.shape[:2]
        tall = self._height() * (1.25 if sticker.layers == 2 else 1.0)
        wide = tall * width / height * dice.uniform(0.7, 1.15)
        angle = np.deg2rad(dice.normal(0, 7) if dice.random() < 0.85 else dice.uniform(-35, 35))
        shear = dice.normal(0, 0.12)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        corners = (UNIT - 0.5) * (wide, tall)
        corners[:, 1] += corners[:, 0] * shear
        corners = corners @ turn.T + dice.normal(0, 0.03 * tall, (4, 2))
        place = dice.uniform(0.05, 0.95, 2) * SIDE
        self._lay(scene, sticker, np.asarray(corners + place, np.float32))

    def _lay(self, scene: Scene, sticker: Sticker, quad: Quad) -> None:
        """Lays the plate down, in the light of the place, unless another is there or it is out of range."""
        tall = sides(quad)[1]
        if not LEAST * 0.8 < tall < MOST * 1.7 or _met(quad, [q for q, _ in scene.plates] + scene.ignored):
            return
        dice = self.dice
        flat = _shrunk(sticker.image, tall)
        if dice.random() < 0.25:  # a holder
            edge = max(1, round(len(flat) * dice.uniform(0.03, 0.12)))
            colour = [int(c) for c in dice.integers(0, 90, 3)]
            flat = cv2.copyMakeBorder(flat, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=colour)
            frame = _edges(flat, edge)
        else:
            frame = _edges(flat, 0)
        low, high = _bounds(quad, 4)
        if np.any(high - low < 2):
            return
        size = [int(v) for v in high - low]
        matrix = cv2.getPerspectiveTransform(frame, np.asarray(quad - low, np.float32))
        laid = cv2.warpPerspective(
            flat, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        mask = cv2.warpPerspective(np.full(flat.shape[:2], 255, np.uint8), matrix, size)
        at = (slice(low[1], high[1]), slice(low[0], high[0]))
        below = scene.image[at].astype(np.float32)
        share = mask.astype(np.float32)[..., None] / 255
        light = float(np.clip(below.mean() / 105 * np.exp(dice.normal(0, 0.35)), 0.18, 1.5))
        lit = laid.astype(np.float32) * light * np.exp(dice.normal(0, 0.05, 3))
        if dice.random() < 0.2:  # a shadow or a lamp from one side
            slope = np.linspace(*dice.uniform(0.5, 1.4, 2), lit.shape[1])
            lit *= slope[None, :, None]
        soft = dice.uniform(0, 0.045) * tall
        mixed = below * (1 - share) + np.clip(lit, 0, 255) * share
        if soft > 0.4:
            mixed = cv2.GaussianBlur(mixed, (0, 0), soft)
        scene.image[at] = np.clip(mixed, 0, 255).astype(np.uint8)
        scene.plates.append((quad, sticker.layers))

    def _distract(self, scene: Scene) -> None:
        """Something like a plate that is none: a grille, a line of text, a blank board."""
        dice, image = self.dice, scene.image
        x, y = (int(v) for v in dice.integers(0, SIDE - 40, 2))
        wide, tall = int(dice.integers(24, 160)), int(dice.integers(8, 50))
        quad = np.asarray(UNIT * (wide, tall) + (x, y), np.float32)
        if _met(quad, [q for q, _ in scene.plates] + scene.ignored):
            return
        ink, ground = ([int(c) for c in dice.integers(0, 255, 3)] for _ in range(2))
        kind = dice.random()
        if kind < 0.3:
            step = int(dice.integers(3, 12))
            for at in range(0, tall, step):
                cv2.line(image, (x, y + at), (x + wide, y + at), ink, max(1, step // 3), cv2.LINE_AA)
        elif kind < 0.55:
            cv2.rectangle(image, (x, y), (x + wide, y + tall), ground, -1, cv2.LINE_AA)
            if dice.random() < 0.5:
                cv2.rectangle(image, (x + 2, y + 2), (x + wide - 2, y + tall - 2), ink, 1, cv2.LINE_AA)
        else:
            letters = "".join(dice.choice(list("ABCDEFGHJKLMNPRSTUVWXYZ0123456789 -."), dice.integers(9, 22)))
            if dice.random() < 0.35:
                letters = letters[:3]
            size = tall / 40
            cv2.putText(
                image,
                letters,
                (x, y + tall),
                int(dice.integers(0, 5)),
                size,
                ink,
                max(1, tall // 16),
                cv2.LINE_AA,
            )

    def _exposed(self, scene: Scene) -> Image:
        """The picture as a camera takes it: light, colour, focus, noise, compression."""
        dice = self.dice
        image = scene.image
        how = dice.random()
        if how < 0.12:
            sigma = dice.uniform(0.5, 1.3)
            image = cv2.GaussianBlur(image, (0, 0), sigma)
        elif how < 0.22:
            image = cv2.filter2D(image, -1, _streak(dice))
        table = (np.arange(256) / 255) ** np.exp(dice.normal(0, 0.25)) * 255
        gain = np.exp(dice.normal(0, 0.25)) if dice.random() < 0.85 else dice.uniform(0.15, 0.5)
        table = table * gain + dice.normal(0, 8)
        tables = np.stack([table * np.exp(dice.normal(0, 0.05)) for _ in range(3)], axis=-1)
        tables = np.clip(tables, 0, 255).astype(np.uint8)[:, None]
        image = cv2.LUT(image, tables)
        if dice.random() < 0.08:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        if dice.random() < 0.5:
            noise = np.empty(image.shape, np.int8)
            cv2.randn(noise, 0, dice.uniform(1, 9))
            image = cv2.add(image, noise, dtype=cv2.CV_8U)
        if dice.random() < 0.5:
            _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(dice.integers(35, 95))])
            image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        return np.asarray(image, np.uint8)


def _warped(image: Image, turn: NDArray[np.float64], dice: np.random.Generator) -> Image:
    """The view of a photo; shrunk first, so that fine texture does not alias."""
    scale = float(np.sqrt(abs(np.linalg.det(turn[:, :2]))))
    if scale < 0.7:
        image = np.asarray(
            cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        turn = np.hstack([turn[:, :2] / scale, turn[:, 2:]])
    border = (cv2.BORDER_CONSTANT, cv2.BORDER_REPLICATE)[int(dice.random() < 0.5)]
    edge = [int(c) for c in dice.integers(0, 255, 3)]
    size = (SIDE, SIDE)
    warped = cv2.warpAffine(image, turn, size, flags=cv2.INTER_LINEAR, borderMode=border, borderValue=edge)
    return np.asarray(warped, np.uint8)


def _moved(quad: Quad, turn: NDArray[np.float64]) -> Quad:
    return np.asarray(quad @ turn[:, :2].T + turn[:, 2], np.float32)


def _mirror(scene: Scene) -> None:
    scene.image = np.ascontiguousarray(scene.image[:, ::-1])
    order = [1, 0, 3, 2]
    scene.plates = [(_flipped(q)[order], n) for q, n in scene.plates]
    scene.ignored = [_flipped(q)[order] for q in scene.ignored]


def _flipped(quad: Quad) -> Quad:
    return np.asarray(quad * (-1, 1) + (SIDE, 0), np.float32)


def _paint_over(image: Image, quad: Quad) -> None:
    """The plate gone: its place gets the mean of its surroundings with their grain."""
    middle = quad.mean(axis=0)
    wide = np.asarray(middle + (quad - middle) * 1.12, np.float32)
    low, high = _bounds(wide, 6)
    if np.any(high - low < 4):
        return
    at = (slice(low[1], high[1]), slice(low[0], high[0]))
    patch = image[at]
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(wide - low).astype(np.int32)], 255)
    around = patch[mask == 0]
    colour = around.mean(axis=0) if len(around) else np.full(3, 90.0)
    patch[mask > 0] = np.clip(
        colour + np.random.default_rng(len(around)).normal(0, 4, ((mask > 0).sum(), 3)), 0, 255
    )


def _bounds(quad: Quad, margin: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low = np.clip(np.floor(quad.min(axis=0)) - margin, 0, SIDE).astype(np.int64)
    high = np.clip(np.ceil(quad.max(axis=0)) + margin, 0, SIDE).astype(np.int64)
    return low, high


def _met(quad: Quad, others: Sequence[Quad]) -> bool:
    """Whether the box of the quad meets that of another."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    return any(np.all(low < o.max(axis=0)) and np.all(high > o.min(axis=0)) for o in others)


def _shrunk(flat: Image, tall: float) -> Image:
    """The plate at up to 1.3 times the height it will have."""
    scale = 1.3 * tall / len(flat)
    if scale >= 1:
        return flat
    return np.asarray(cv2.resize(flat, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _edges(flat: Image, inset: int) -> NDArray[np.float32]:
    height, width = flat.shape[:2]
    return np.asarray(UNIT * (width - 2 * inset, height - 2 * inset) + inset, np.float32)


def _streak(dice: np.random.Generator) -> NDArray[np.float32]:
    """A kernel of motion blur."""
    length = int(dice.integers(3, 8))
    kernel = np.zeros((length, length), np.float32)
    angle = dice.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    middle = (length - 1) / 2
    start, end = (tuple(int(v) for v in np.round(middle + sign * reach)) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0, 1)
    return kernel / kernel.sum()

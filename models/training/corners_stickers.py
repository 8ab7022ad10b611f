"""Flat plates to lay into scenes: drawn of every kind, and cut from real photos."""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import cv2
import numpy as np

from models.images import rectify, sides
from models.training.corners_scenes import Ground, Sticker
from models.training.plate_drawing import KINDS, Dice, Glyphs, draw

EACH = 40  # drawn of every kind
LEAST_HEIGHT = 10  # of a plate that is cut out, pixels


@cache
def glyphs(folder: Path | None) -> Glyphs:
    """The shapes of characters; those of the openly licensed font of the demo without a folder."""
    package = distribution("cvttf-NotoSansCJK-Bold")
    font = next(Path(str(package.locate_file(f))) for f in package.files or () if f.suffix == ".otf")
    return Glyphs(font, folder)


def sticker(kind: str, dice: Dice, folder: Path | None = None) -> Sticker:
    """A new plate of one kind of ``plate_drawing.KINDS``, with a random number."""
    image, _, _, layers = draw(dice, glyphs(folder), kind)
    return Sticker(image=image, layers=layers)


def drawn(kind: str, dice: Dice, folder: Path | None = None) -> list[Sticker]:
    """``EACH`` plates of one kind, dirty and faded."""
    return [_worn(sticker(kind, dice, folder), dice) for _ in range(EACH)]


def mixed(dice: Dice, folder: Path | None) -> Iterator[list[Sticker]]:
    """Plates of every kind, as often as they shall be laid: two rows and colours of few vehicles oftener."""
    for name, kind in KINDS.items():
        plates = drawn(name, dice, folder)
        oftener = 1.6 if kind.layers == 2 or kind.colour in ("white", "black") else 1.0
        yield from [plates] * round(kind.share * oftener * 2)


def _worn(plate: Sticker, dice: Dice) -> Sticker:
    """Dirt and fading in broad patches."""
    height, width = plate.image.shape[:2]
    patches = cv2.resize(dice.normal(1, 0.08, (4, 9)).astype(np.float32), (width, height))
    fade = dice.uniform(0, 0.35)
    image = plate.image * (1 - fade) + plate.image.mean() * fade
    return Sticker(image=np.clip(image * patches[..., None], 0, 255).astype(np.uint8), layers=plate.layers)


def cut(grounds: Sequence[Ground]) -> list[Sticker]:
    """The real plates of photos, flat: the labelled one of each, where it is high enough."""
    found = []
    for ground in grounds:
        for quad in ground.plates[:1]:
            width, height = (round(side) for side in sides(quad))
            if height >= LEAST_HEIGHT:
                flat = rectify(ground.image, quad, width=width, height=height)
                found.append(Sticker(image=flat, layers=ground.layers))
    return found

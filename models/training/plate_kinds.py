"""How well drawn plates of every kind of GA 36 are read by the whole cascade; no training used their seed.

python -m models.training.plate_kinds --glyphs DIR --font FILE
"""

import argparse
import math
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from models.images import Image
from models.plate import PlateReader, PlateText
from models.reviewer import Reviewer
from models.scoring import share
from models.training.plate_drawing import KINDS, Dice, Glyphs, draw
from models.training.plate_weather import photographed, weathered

SEED = 29991231
LOWEST, HIGHEST = 16, 60  # pixels of a plate of one layer


def crop(dice: Dice, glyphs: Glyphs, kind: str, hard: float) -> tuple[Image, str]:
    """A plate as a camera cuts it out, and its text; ``hard``: how bad its day is, in training up to 1."""
    flat, text, _, layers = draw(dice, glyphs, kind)
    height, width = flat.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    high = math.exp(dice.uniform(math.log(LOWEST), math.log(HIGHEST))) * (1.5 if layers == 2 else 1)
    return weathered(dice, photographed(dice, flat, corners, round(high)), hard), text


def measured(reader: PlateReader, glyphs: Glyphs, kind: str, each: int, hard: float) -> Counter[str]:
    """How many plates of a kind are read right, in the right colour, refereed; and each misreading."""
    found: Counter[str] = Counter()
    for n in range(each):
        dice = np.random.default_rng((SEED, list(KINDS).index(kind), n))
        picture, text = crop(dice, glyphs, kind, hard)
        best: list[PlateText] = reader.find(picture)[:1]
        found["right"] += any(plate.decoded.text == text for plate in best)
        found["colour"] += any(plate.plate_type == KINDS[kind].colour for plate in best)
        found["refereed"] += any(plate.refereed for plate in best)
        if not best or best[0].decoded.text != text:
            found[f"{text}>{best[0].decoded.text if best else ''}"] += 1
    return found


def main() -> None:
    """Tells the share of each kind with its Wilson interval."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--glyphs", type=Path)
    parser.add_argument("--font", type=Path, required=True)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--hard", type=float, default=0.6)
    parser.add_argument("--errors", action="store_true")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    reader, glyphs = Reviewer(1).plates, Glyphs(chosen.font, chosen.glyphs)
    for kind in KINDS:
        found = measured(reader, glyphs, kind, chosen.each, chosen.hard)
        right = share(found["right"], chosen.each)
        span = f"{right.value:.1%} [{right.low:.1%}, {right.high:.1%}]"
        print(f"{kind}: {span}, colour {found['colour']}, refereed {found['refereed']}", flush=True)
        if chosen.errors:
            print("  ", *[name for name in found if ">" in name][:12])


if __name__ == "__main__":
    main()

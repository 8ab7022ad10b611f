"""Gathers cut-outs of real plates whose row states a licence: the picture around them, corners, text, fold.

A fold is a fifth of the plates, by the digest of the text, so that no plate stands in two.

    python -m models.training.plate_photos --photos DIR --out FILE
"""

import argparse
import csv
import hashlib
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from models.corners import Candidate, CornerFinder, LandmarkFinder
from models.images import Image, PhotoError, Quad, decode, sides
from models.session import Session

UNLICENSED = ("none stated", "unclear", "GPL", "repo LICENSE")
MARGIN = 0.7  # plate heights kept around a plate of a whole photo
FOLDS = 5


class Finder(Protocol):
    """What tells the corners of the plates of a photo."""

    def find(self, image: Image, long_side: int) -> list[Candidate]:
        """Plates, best score first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A real plate: the picture around it, its corners there, text, colour, layers, fold, set."""

    picture: Image
    quad: Quad
    text: str
    colour: str
    layers: int
    fold: int
    folder: str


def fold_of(text: str) -> int:
    """Which fold a plate belongs to."""
    return hashlib.sha256(text.encode()).digest()[0] % FOLDS


def licensed(row: dict[str, str]) -> bool:
    """Whether a row may be trained on."""
    return bool(row["licence"]) and not any(word in row["licence"] for word in UNLICENSED)


def samples(photos: Path, finders: Sequence[Finder]) -> Iterator[Sample]:
    """Every plate that may be trained on, once for each way its corners are told."""
    for folder in ("plates_crop", "plates_full"):
        with (photos / folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if licensed(row)]
        for row in rows:
            try:
                image = decode((photos / folder / row["file"]).read_bytes())
            except PhotoError as error:
                print(f"{row['file']}: {error}")
                continue
            yield from _of(row, image, folder, finders)


def _of(row: dict[str, str], image: Image, folder: str, finders: Sequence[Finder]) -> Iterator[Sample]:
    label = row["label"]
    text = label[:2] + label[2:].translate(str.maketrans("OI", "01"))
    layers = 2 if row.get("layout") == "double" else 1
    known = {"text": text, "colour": row["colour"], "layers": layers, "fold": fold_of(text), "folder": folder}
    found = [[each.quad for each in finder.find(image, 640)] for finder in finders]
    if folder == "plates_crop":
        height, width = image.shape[:2]
        whole = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        fitting = [quad for quads in found for quad in quads[:1] if sides(quad)[0] > 0.6 * width]
        for quad in [whole, *fitting]:
            yield Sample(picture=image, quad=quad, **known)
        return
    for quads in found:
        for quad in [quad for quad in quads if _inside(quad, row.get("box", ""))][:1]:
            yield _cut(image, quad, known)


def _inside(quad: Quad, box: str) -> bool:
    """Whether the middle of a quad lies in the labelled box "x y width height"."""
    if not box:
        return False
    x, y, width, height = (float(word) for word in box.split())
    middle = quad.mean(axis=0)
    return bool(x <= middle[0] <= x + width and y <= middle[1] <= y + height)


def _cut(image: Image, quad: Quad, known: dict[str, object]) -> Sample:
    margin = MARGIN * sides(quad)[1]
    low = np.maximum(np.floor(quad.min(axis=0) - margin), 0).astype(int)
    high = np.ceil(quad.max(axis=0) + margin).astype(int)
    picture = image[low[1] : high[1], low[0] : high[0]].copy()
    return Sample(picture=picture, quad=quad - low.astype(np.float32), **known)


def main() -> None:
    """Writes the plates of a folder of photos to a file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    outline, corners = (Session(name, threads=1) for name in ("plate-outline", "plate-corners"))
    found = list(samples(chosen.photos, [CornerFinder(outline), LandmarkFinder(corners)]))
    rows = [tuple(getattr(sample, name) for name in Sample.__slots__) for sample in found]
    chosen.out.write_bytes(pickle.dumps(rows))
    print(f"{len(found)} samples of {len({sample.text for sample in found})} plates")


def stored(path: Path) -> list[Sample]:
    """What ``main`` wrote."""
    rows = pickle.loads(path.read_bytes())  # written by main
    return [Sample(**dict(zip(Sample.__slots__, row, strict=True))) for row in rows]


if __name__ == "__main__":
    main()

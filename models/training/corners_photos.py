"""Labelled photos -> corners to train on: the package's detector teaches where its plate reads as labelled.

Only rows whose licence is named are taken (``LICENCES``). A plate's corners are the mean of those found at
several scales near the labelled box; they count when the plate reads as its label with them.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from models.corners import Candidate, LandmarkFinder
from models.images import Image, Quad, decode, sides
from models.reviewer import Reviewer
from models.session import Session

LICENCES = ("Apache-2.0", "MIT", "MIT (CCPD)", "Apache-2.0 (repo)")
Row: TypeAlias = dict[str, str]
SIDES = (640, 800, 960, 1280)
CENTRED = (
    "liuruoze/EasyPR"  # its boxes are a centre with the sides of a turned rectangle, the others' a corner
)
SAME = 0.5  # of a plate's height between two middles: one plate


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """One photo: its plates with corners, and what is perhaps a plate and takes no part."""

    file: str
    plates: list[Quad]
    ignored: list[Quad]
    proven: bool  # the first plate reads as labelled with these corners
    double: bool


class Teacher:
    """The package's detector and today's reader of plates, one thread."""

    def __init__(self) -> None:
        self.finder = LandmarkFinder(Session("plate-corners", threads=1), keep=0.2)
        self.plates = Reviewer(threads=1).plates

    def seen(self, image: Image) -> list[tuple[Quad, float, int]]:
        """Every plate: mean corners, best score, at how many scales it was found; best first."""
        found = [c for side in SIDES for c in self.finder.find(image, side)]
        groups: list[list[Candidate]] = []
        for candidate in sorted(found, key=lambda c: -c.score):
            near = next((g for g in groups if same(g[0].quad, candidate.quad)), None)
            near.append(candidate) if near else groups.append([candidate])
        return [(mean(group), group[0].score, len(group)) for group in groups]

    def reads(self, image: Image, quad: Quad, label: str) -> bool:
        """Whether the plate reads as ``label`` with these corners."""
        read = self.plates.read(image, quad)
        return read is not None and read.decoded.text == label


def same(a: Quad, b: Quad) -> bool:
    """Whether two quads mean the same plate."""
    apart = float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0)))
    return apart < SAME * max(sides(a)[1], sides(b)[1], 8.0)


def mean(group: list[Candidate]) -> Quad:
    """The mean corners, weighted by score."""
    weights = np.array([c.score for c in group])
    return np.asarray(np.average([c.quad for c in group], axis=0, weights=weights), np.float32)


def box_of_row(row: Row) -> tuple[float, float, float, float] | None:
    """The labelled box, left, top, right, bottom in pixels; None without one."""
    if not row["box"]:
        return None
    x, y, width, height = map(float, row["box"].split())
    if row["source"] == CENTRED:
        width, height = max(width, height), min(width, height)
        x, y = x - width / 2, y - height / 2
    return x, y, x + width, y + height


def label_frame(teacher: Teacher, row: Row, image: Image) -> Labelled:
    """The corners of a whole photo's labelled plate; other findings are left out of training."""
    seen = teacher.seen(image)
    box = box_of_row(row)
    middle = None if box is None else np.array([box[0] + box[2], box[1] + box[3]]) / 2
    plates: list[Quad] = []
    ignored: list[Quad] = []
    for quad, score, times in seen:
        near = middle is None or np.linalg.norm(quad.mean(axis=0) - middle) < sides(quad)[0] / 2
        labelled = not plates and near and teacher.reads(image, quad, row["label"])
        another = score > 0.9 and times >= 3 and teacher.plates.read(image, quad) is not None
        (plates if labelled or another else ignored).append(quad)
    proven = bool(plates) and teacher.reads(image, plates[0], row["label"])
    return Labelled(
        file=row["file"], plates=plates, ignored=ignored, proven=proven, double=row["layout"] == "double"
    )


def label_crop(teacher: Teacher, row: Row, crop: Image) -> Labelled:
    """The corners of a crop's plate, sought with a margin and enlarged."""
    width = crop.shape[1]
    margin = width // 4
    padded = cv2.copyMakeBorder(crop, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    scale = max(1.0, 280 / width)
    large = np.asarray(cv2.resize(padded, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.uint8)
    seen = teacher.seen(large)
    plates = [np.asarray(seen[0][0] / scale - margin, np.float32)] if seen else []
    proven = bool(plates) and teacher.reads(crop, plates[0], row["label"])
    return Labelled(file=row["file"], plates=plates, ignored=[], proven=proven, double=False)


def every_row(folder: Path) -> list[Row]:
    """All rows of ``labels.csv``."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rows(folder: Path) -> list[Row]:
    """Rows that may be trained on."""
    return [row for row in every_row(folder) if row["licence"] in LICENCES]


def held_out(folder: Path, hold: int) -> list[Row]:
    """Rows that were not trained on: every ``hold``-th that might have been, and all others."""
    trained = {row["file"] for n, row in enumerate(rows(folder)) if n % hold}
    return [row for row in every_row(folder) if row["file"] not in trained]


def spelled(row: Row) -> str:
    """The label as GA 36 spells it: no O and no I in the serial."""
    return row["label"][:2] + row["label"][2:].translate(str.maketrans("OI", "01"))


def label(photos: Path, name: str, into: Path) -> None:
    """Writes the corners of one set of photos as JSON; done once."""
    if into.exists():
        return
    teacher = Teacher()
    one = label_frame if name == "plates_full" else label_crop
    found = []
    for row in rows(photos / name):
        image = decode((photos / name / row["file"]).read_bytes())
        each = one(teacher, row, image)
        found.append(
            {
                "file": each.file,
                "plates": [quad.tolist() for quad in each.plates],
                "ignored": [quad.tolist() for quad in each.ignored],
                "proven": each.proven,
                "double": each.double,
            }
        )
    into.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")

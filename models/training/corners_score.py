"""Measures corner finders beside each other: ``python -m models.training.corners_score --photos DIR``.

Real photos that were not trained on: the labelled box found, the plate read exactly (by the reader of the
project, with no other way to find a plate), time. Drawn plates in such photos, by kind: corners in heights of
the plate. Photos without plates: what is found nevertheless, and what of it reads as a plate.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from models.corners import Candidate, CornerFinder, LandmarkFinder
from models.images import Image, Quad, decode, sides
from models.plate import is_plate
from models.reviewer import Reviewer
from models.session import Session
from models.training.corners_photos import Row, box_of_row, held_out, spelled
from models.training.corners_scenes import Ground, SceneMaker
from models.training.corners_stickers import drawn
from models.training.plate_drawing import KINDS

Find: TypeAlias = Callable[[Image], list[Candidate]]
SEED = 7
SCENES = 30  # of each kind


def finders() -> dict[str, Find]:
    """What is measured, by name; one thread each."""
    own = CornerFinder(Session("plate-outline", threads=1))
    once = CornerFinder(Session("plate-outline", threads=1), twice=False)
    package = LandmarkFinder(Session("plate-corners", threads=1))
    return {
        "own 640": lambda image: own.find(image, 640),
        "own 640, one look": lambda image: once.find(image, 640),
        "package 640": lambda image: package.find(image, 640),
        "package 960": lambda image: package.find(image, 960),
    }


class Reads:
    """The project's reader with corners from elsewhere."""

    def __init__(self) -> None:
        self._reader = Reviewer(threads=1).plates

    def texts(self, image: Image, quads: Sequence[Quad]) -> list[str]:
        """What reads as a plate."""
        read = (self._reader.read(image, quad) for quad in quads)
        return [plate.decoded.text for plate in read if plate is not None and is_plate(plate)]


def photos(folder: Path, rows: list[Row], find: Find, reads: Reads) -> dict[str, Any]:
    """The labelled plate among what is read, by colour and layout; boxes; milliseconds."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    boxes, took = [0, 0], []
    for row in rows:
        image = decode((folder / row["file"]).read_bytes())
        began = time.perf_counter()
        found = find(image)
        took.append((time.perf_counter() - began) * 1000)
        right = spelled(row) in reads.texts(image, [c.quad for c in found])
        for kind in ("all", row["colour"], row["layout"]):
            counts[kind][0] += right
            counts[kind][1] += 1
        box = box_of_row(row)
        if box is not None:
            boxes[0] += any(overlap(box, c.quad) > 0.5 for c in found)
            boxes[1] += 1
    ms = np.percentile(took, (20, 50, 95)).round(1).tolist()
    return {"read": dict(sorted(counts.items())), "boxes": boxes, "ms p20 p50 p95": ms}


def scenes(grounds: list[Ground], others: list[Ground], finds: dict[str, Find]) -> dict[str, Any]:
    """By finder and kind: drawn plates, found (IoU of half), rows right, mean error in heights."""
    told: dict[str, Any] = {name: {} for name in finds}
    for kind in KINDS:
        stickers = [drawn(kind, np.random.default_rng(SEED))]
        maker = SceneMaker(grounds, others, stickers, np.random.default_rng(SEED + 1), kept=0.0)
        pictures = [maker.scene() for _ in range(SCENES)]
        for name, find in finds.items():
            met = [hit for s in pictures for hit in hits(s.plates, find(s.image))]
            errors = [error for error, _ in filter(None, met)]
            told[name][kind] = {
                "plates": len(met),
                "found": len(errors),
                "rows": sum(right for _, right in filter(None, met)),
                "error": round(float(np.mean(errors or [np.nan])), 3),
            }
    return told


def hits(plates: Sequence[tuple[Quad, int]], found: list[Candidate]) -> Iterator[tuple[float, bool] | None]:
    """For each plate that is wholly in the picture: mean corner error in heights and rows right, or None."""
    for quad, layers in plates:
        if quad.min() < 0 or quad.max() > 320:
            continue
        best = max(found, key=lambda c: shared(quad, c.quad), default=None)
        if best is None or shared(quad, best.quad) < 0.5:
            yield None
        else:
            error = float(np.linalg.norm(best.quad - quad, axis=1).mean()) / sides(quad)[1]
            yield error, best.layers == layers


def shared(a: Quad, b: Quad) -> float:
    """Intersection over union of two quads."""
    common, _ = cv2.intersectConvexConvex(cv2.convexHull(a), cv2.convexHull(b))
    return float(common) / max(cv2.contourArea(a) + cv2.contourArea(b) - float(common), 1e-6)


def overlap(box: Any, quad: Quad) -> float:
    """Intersection over union of a box (left, top, right, bottom) and the box of a quad."""
    left, top, right, bottom = box
    upright = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    (x, y), (u, v) = quad.min(axis=0), quad.max(axis=0)
    return shared(upright, np.array([[x, y], [u, y], [u, v], [x, v]], np.float32))


def nothing(pictures: list[Image], find: Find, reads: Reads) -> dict[str, int]:
    """Photos without plates: in how many something is found, and in how many that reads as a plate."""
    found = [[c.quad for c in find(image)] for image in pictures]
    false = sum(
        bool(reads.texts(image, quads)) for image, quads in zip(pictures, found, strict=True) if quads
    )
    return {"photos": len(pictures), "with a finding": sum(map(bool, found)), "with a plate read": false}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(
        prog="models.training.corners_score", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--hold", type=int, default=3, help="as it was trained with")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    folder = chosen.photos / "plates_full"
    rows = held_out(folder, chosen.hold)
    boxes = sorted((chosen.photos / "vin_boxes").glob("*.jpg"))[
        1::8
    ]  # training takes every second, from the first
    empty = [decode(path.read_bytes()) for path in boxes]
    streets = [Ground(image=decode((folder / row["file"]).read_bytes())) for row in rows[::2]]
    finds, reads = finders(), Reads()
    told = {
        name: {"photos": photos(folder, rows, find, reads), "none": nothing(empty, find, reads)}
        for name, find in finds.items()
    }
    told["scenes"] = scenes(streets, [Ground(image=image) for image in empty], finds)
    print(json.dumps(told, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()

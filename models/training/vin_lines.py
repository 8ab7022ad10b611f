"""Reads the VIN lines of boxed photos with PP-OCRv6 and v4: corners and texts to train locator and voter on.

Photos: Roboflow kirill-sergeev/vin-detection (CC BY 4.0), ``boxes.csv`` with one box each and no text. Photos
and vehicles of the labelled set are left out, so that it measures what was never seen. One JSON line a photo;
what is already in the file is not read again.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
from msgspec import Struct

from lanes.vin import fold_vin
from models.claims import Judge
from models.ctc import Frames, greedy
from models.grammar import STAR, check_holds, vin_alphabet, vin_forms
from models.images import Image, Quad, decode, grown
from models.lines import LineFinder, LineReader, flattened
from models.session import Session
from models.vin import elongated, joined, turned

SEARCH_SIDE = 448
AGAIN = -15.0  # log P below which a line is read from its other end too
ALIKE = 0.98  # correlation of two photos above which they are one
NEAR = 2  # characters by which the reading of a labelled vehicle may differ


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The VIN line of a photo: corners, what v6 reads in two views, and what v4 reads."""

    file: str
    quad: list[list[float]]
    text: str
    log_p: float
    confidence: float
    second: str

    @property
    def corners(self) -> Quad:
        """The corners as an array."""
        return np.array(self.quad, np.float32)

    @property
    def label(self) -> str | None:
        """The text if it can be relied on: read surely, or by both, or its check digit binds and holds."""
        holds = check_holds(self.text)
        if holds is False or self.log_p < -8.0:
            return None
        least = 0.3 if self.text == self.second else 0.4 if holds else 0.85
        return self.text if self.confidence > least else None


def stored(path: Path) -> list[Line]:
    """The lines that a former run wrote; the last may be half a line."""
    if not path.is_file():
        return []
    return [
        msgspec.json.decode(text, type=Line) for text in path.read_bytes().splitlines() if text[-1:] == b"}"
    ]


class Readers:
    """Finds and reads one line near a box."""

    def __init__(self) -> None:
        self._lines = LineFinder(Session("lines-v6", threads=1))
        self._readers = [LineReader(Session(name, threads=1)) for name in ("reader-v6", "reader-v4")]
        self._judges = [
            Judge(alphabet, vin_forms(alphabet), edge=STAR)
            for alphabet in (vin_alphabet(reader.labels) for reader in self._readers)
        ]

    def line(self, file: str, image: Image, box: Quad) -> Line | None:
        """The line near ``box`` that reads most like a VIN; None when none does."""
        quads = [*self._near(image, box), *([box] if elongated(box) else [])]
        tries = self._tries(image, quads)
        if max((log_p for log_p, _, _ in tries), default=AGAIN) <= AGAIN:
            tries += self._tries(image, [turned(quad) for quad in quads])
        if not tries:
            return None
        _, quad, first = max(tries, key=lambda each: each[0])
        read = self._judges[0].decode([first, self._frames(0, image, grown(quad, 0.12, 0.3))])
        second = self._judges[1].decode([self._frames(1, image, quad)])
        if read is None:
            return None
        return Line(
            file=file,
            quad=quad.tolist(),
            text=read.text,
            log_p=read.log_p,
            confidence=read.confidence,
            second=second.text if second else "",
        )

    def _near(self, image: Image, box: Quad) -> list[Quad]:
        around = grown(box, 0.5, 0.5)
        low = np.maximum(around.min(axis=0), 0).astype(int)
        high = np.ceil(around.max(axis=0)).astype(int) + 1
        part = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
        found = [line.quad for line in self._lines.find(part, SEARCH_SIDE, enlarge=True)]
        return [quad + low.astype(np.float32) for quad in found + joined(found) if elongated(quad)]

    def _tries(self, image: Image, quads: list[Quad]) -> list[tuple[float, Quad, Frames]]:
        found = []
        for quad in quads:
            frames = self._frames(0, image, quad)
            read = self._judges[0].decode([frames]) if 12 <= len(greedy(frames)) <= 24 else None
            if read:
                found.append((read.log_p, quad, frames))
        return found

    def _frames(self, n: int, image: Image, quad: Quad) -> Frames:
        return self._judges[n].alphabet.frames(self._readers[n].read(flattened(image, quad)))


def boxed(folder: Path) -> Iterator[tuple[str, Image, Quad]]:
    """Every photo with the corners of its box."""
    with (folder / "boxes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            image = decode((folder / row["file"]).read_bytes())
            x, y, width, height = (float(v) for v in row["boxes_cxcywh"].split())
            unit = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2) + (x, y)
            yield row["file"], image, np.asarray(unit * image.shape[1::-1], np.float32)


def print_of(image: Image) -> Frames:
    """32 x 32 grey levels of mean 0 and norm 1: photos that correlate are one photo."""
    grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    level = grey.astype(np.float64).ravel() - grey.mean()
    return np.asarray(level / max(float(np.linalg.norm(level)), 1.0))


def differing(one: str, other: str) -> int:
    """Characters in which two texts of one length differ."""
    return sum(a != b for a, b in zip(one, other, strict=False)) + abs(len(one) - len(other))


def main() -> None:
    """Reads all boxed photos but those of the labelled set."""
    parser = argparse.ArgumentParser(prog="models.training.vin_lines", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder with vin_boxes/ and vin/")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines")
    chosen = parser.parse_args()
    with (chosen.photos / "vin" / "labels.csv").open(encoding="utf-8", newline="") as file:
        kept = [(fold_vin(row["label"]), chosen.photos / "vin" / row["file"]) for row in csv.DictReader(file)]
    prints = np.stack([print_of(decode(path.read_bytes())) for _, path in kept])
    done = {line.file for line in stored(chosen.out)}
    readers = Readers()
    with chosen.out.open("ab") as out:
        for name, image, box in boxed(chosen.photos / "vin_boxes"):
            if name in done or float((prints @ print_of(image)).max()) > ALIKE:
                continue
            line = readers.line(name, image, box)
            if line and all(differing(line.text, label) > NEAR for label, _ in kept):
                out.write(msgspec.json.encode(line) + b"\n")


if __name__ == "__main__":
    main()

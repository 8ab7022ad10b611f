"""Photos of screens and prints told by their lattice: rendered recaptures, and all real photos as they are.

Each of some real photos is shown on a screen, printed, or left as it is, taken by a rendered camera
(``benchmarks.parts.recaptured``) and sent whole or at half its sides. False alarms: every photo under
--photos, as it is.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.parts.recaptured import Way, on_print, on_screen, plain, recaptured, uploaded
from benchmarks.reuse import photo_files
from models.catalog import catalog
from models.images import Image, PhotoError, decode
from models.recapture import SIDE, lattice
from models.scoring import share

SETS = ("plates_full", "vin", "vin_boxes")
SHOWN = ("plates_full", "vin")
SENT = (832, 624)  # pixels
WAYS: dict[str, tuple[Way, tuple[float, float]]] = {  # and the least and greatest pitch
    "as it is": (plain, (1, 1)),
    "screen": (
        on_screen,
        (0.5, 3),
    ),  # a screen of 4K that fills 2,000 pixels, to one of 1,080 that fills 3,200
    "halftone print": (on_print, (1.8, 5)),  # 150 dots an inch: A4 that fills 3,000 pixels, to half of it
}


def opened(paths: Sequence[Path]) -> Iterator[Image]:
    """What can be decoded."""
    for path in paths:
        try:
            yield decode(path.read_bytes())
        except PhotoError as error:
            print(f"{path.name}: {error}", file=sys.stderr)


def told(values: Sequence[float]) -> dict[str, Any]:
    """How many stand out, with the interval after Wilson."""
    found = sum(each > catalog().thresholds.quality.lattice for each in values)
    of = share(found, len(values))
    spread = [round(float(each), 2) for each in np.percentile(values, (5, 50, 95, 100))]
    return {
        "photos": len(values),
        "told": found,
        "interval": [round(of.low, 4), round(of.high, 4)],
        "p5, p50, p95, most": spread,
    }


def rendered(folder: Path, count: int, seed: int) -> dict[str, Any]:
    """Of ``count`` renderings of each way, how many are told."""
    shown, dice, rows = photo_files(folder, SHOWN), np.random.default_rng(seed), {}
    for name, (way, (least, most)) in WAYS.items():
        for shrink in (1, 2):
            values = []
            for _ in range(count):
                (image,) = opened([shown[int(dice.integers(len(shown)))]])
                pitch = math.exp(dice.uniform(math.log(least), math.log(most)))
                taken = recaptured(image, way, pitch, (SENT[0] * shrink, SENT[1] * shrink), dice)
                values.append(lattice(uploaded(taken, shrink, dice)))
            rows[f"{name}, {'whole' if shrink == 1 else 'half its sides'}"] = told(values)
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; exit status 2 when the photos are not there."""
    parser = argparse.ArgumentParser(prog="benchmarks.recapture", description=__doc__.split("\n\n")[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"), help="folder of photos")
    parser.add_argument("--count", type=int, default=100, help="renderings of each way")
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if not photo_files(chosen.photos, SHOWN):
        print(f"no photos: {chosen.photos} has none of {', '.join(SHOWN)}", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    real, took = {}, []
    for name in SETS:
        values = []
        for image in opened(photo_files(chosen.photos, [name])):
            began = time.perf_counter()
            values.append(lattice(image))
            took.append(time.perf_counter() - began)
            if min(image.shape[:2]) < SIDE:
                values.pop()  # nothing is told about it
        real[name] = values
    result = {
        "rendered": rendered(chosen.photos, chosen.count, chosen.seed),
        "real": {name: told(values) for name, values in real.items()}
        | {"all": told([value for values in real.values() for value in values])},
        "ms": [round(1000 * float(each), 1) for each in np.percentile(took, (50, 95))],
    }
    print(json.dumps(result) if chosen.json else _words(result))
    return 0


def _words(result: dict[str, Any]) -> str:
    rows = [*result["rendered"].items(), *((f"real: {name}", row) for name, row in result["real"].items())]
    return "\n".join([*(f"{name:30} {row}" for name, row in rows), f"ms p50, p95: {result['ms']}"])


if __name__ == "__main__":
    sys.exit(main())

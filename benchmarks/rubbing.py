"""Rubbings of struck VINs: the same strike told from another of the same VIN, on rendered sheets only.

Half of the pairs show one strike, half two strikes of one VIN; the rubbing is held against a photo or against
another rubbing. Rendering: ``benchmarks.parts.strikes``.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.parts.strikes import Punches, photographed, rubbed, struck
from lanes.vin import ALPHABET, DIGITS, with_check_digit
from models.reviewer import Reviewer
from models.rubbing import Comparison, Surface, compare
from models.vin import VinReader


def vin(dice: np.random.Generator) -> str:
    """Any VIN of a Chinese maker, check digit right."""
    return with_check_digit(
        "L" + "".join(dice.choice(list(ALPHABET), 12)) + "".join(dice.choice(list(DIGITS), 4))
    )


def pair(
    reader: VinReader, surface: Surface, same: bool, dice: np.random.Generator
) -> tuple[Comparison, str]:
    """One comparison and the VIN that was struck."""
    text, punches = vin(dice), Punches(place=float(dice.uniform(0.02, 0.05)))
    first = struck(text, dice, punches)
    second = first if same else struck(text, dice, punches)
    sheet = rubbed(first, dice, mirrored=bool(dice.random() < 0.2))
    reference = rubbed(second, dice) if surface == "rubbing" else photographed(second, dice)
    return compare(reader, sheet, reference, surface=surface), text


def measure(reader: VinReader, surface: Surface, pairs: int, seed: int) -> dict[str, Any]:
    """Answers, texts and displacements of ``pairs`` pairs."""
    dice = np.random.default_rng(seed)
    answers: dict[str, Counter[str]] = {"same strike": Counter(), "another strike": Counter()}
    off: dict[str, list[float]] = {"same strike": [], "another strike": []}
    alike: list[float] = []
    exact = 0
    for n in range(pairs):
        kind = "same strike" if n % 2 == 0 else "another strike"
        found, text = pair(reader, surface, n % 2 == 0, dice)
        answers[kind][found.answer] += 1
        off[kind].append(found.off)
        alike += [found.alike] if n % 2 == 0 else []
        exact += found.text == text
    spread = {
        kind: [round(float(v), 4) for v in np.percentile(each, (1, 5, 50, 95, 99))]
        for kind, each in off.items()
    }
    return {
        "pairs": pairs,
        "exact": exact,
        "answers": {kind: dict(count) for kind, count in answers.items()},
        "off, percentiles 1 5 50 95 99": spread,
        "alike of the same strike, percentiles 1 5 50": [
            round(float(v), 3) for v in np.percentile(alike, (1, 5, 50))
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark and prints one JSON object a surface."""
    parser = argparse.ArgumentParser(prog="benchmarks.rubbing", description=__doc__.split("\n\n")[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--threads", type=int, default=2, help="onnxruntime threads")
    chosen = parser.parse_args(arguments)
    reader = Reviewer(chosen.threads).vins
    surfaces: tuple[Surface, ...] = ("photo", "rubbing")
    for surface in surfaces:
        print(json.dumps({surface: measure(reader, surface, chosen.pairs, chosen.seed)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Exact readings on a fixed part of the real photographs; on drawn ones where there are none."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.reviewer import Reviewer
from tests.models_parts import car_photo, label_photo

pytestmark = pytest.mark.slow

PLATES = ["浙A12345", "京C7H885", "粤B450LJ", "沪D76U93", "渝G02M16", "苏E2Y256"]
VINS = ["LTEST8N76HT132923", "LTEST3F63HM055446", "LTEST9W5XHW202831"]


def photos() -> Path | None:
    """The folder of real photographs beside the repository or named by CHAYAN_PHOTOS, if there is one."""
    beside = Path(__file__).parents[2] / "shared" / "photos"
    folder = Path(os.environ.get("CHAYAN_PHOTOS", beside))
    return folder if (folder / "plates_full" / "labels.csv").is_file() else None


def samples(name: str, every: int) -> Iterator[tuple[bytes, str]]:
    """Every n-th labelled photo of a set, the hard VINs left out; drawn photos where there are none."""
    folder = photos()
    if folder is None:
        drawn = [(car_photo(text), text) for text in PLATES], [(label_photo(vin), vin) for vin in VINS]
        yield from drawn[name == "vin"]
        return
    with (folder / name / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("subset") != "hard"]
    for row in rows[::every]:
        yield (folder / name / row["file"]).read_bytes(), row["label"]


@pytest.mark.parametrize(("name", "every", "floor"), [("plates_full", 6, 0.87), ("vin", 7, 0.87)])
def test_most_photos_are_read_exactly_and_no_altered_claim_agrees(
    name: str, every: int, floor: float
) -> None:
    reviewer = Reviewer(threads=2)
    ask = reviewer.vin if name == "vin" else reviewer.plate
    exact, agreed, false, count = 0, 0, 0, 0
    for photo, label in samples(name, every):
        reading = ask(photo, label)
        wrong = label[:-1] + ("1" if label[-1] != "1" else "7")
        count += 1
        exact += reading.text == label
        agreed += reading.opinion == "agree"
        false += ask(photo, wrong).opinion == "agree"
    assert count >= 3
    assert exact >= floor * count
    assert agreed >= (floor - 0.1) * count
    assert false == 0

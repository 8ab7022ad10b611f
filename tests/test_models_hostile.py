"""The real review process: how it starts, and what hostile photos and questions do to it.

Ten thousand photos: ``make hostile``.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.parts.asking import Node, asking, due
from benchmarks.reuse import rendered
from edge.reviews import review
from models.images import decode, encode
from models.reading import Reading
from models.reviewer import Reviewer
from tests.hostile_images import besiege

IMAGES = 300


def test_hostile_photos_and_questions_change_nothing(tmp_path: Path) -> None:
    told = besiege(tmp_path, IMAGES, every=100, seed=7)
    assert told["problems"] == []
    assert told["good_answers_changed"] == 0
    assert told["answered"] + told["refused"] == IMAGES
    assert min(told["answered"], told["refused"]) > IMAGES / 4
    assert told["strange questions"] > 0
    assert told["peak_mb"] < 400


@pytest.mark.parametrize(
    "change",
    [
        None,
        7,
        {"photo": "../../node.key"},
        {"photo_seq": -1},
        {"question": "colour"},
        {"expected": "京" * 10_000},
        {"plated": None},
    ],
    ids=["nothing", "number", "photo", "record", "question", "expected", "plated"],
)
def test_what_is_no_question_keeps_no_other_from_its_answer(tmp_path: Path, change: Any) -> None:
    photo = encode(rendered(np.random.default_rng(3)))
    with asking(tmp_path) as asker:
        proper = due(asker.node, photo, "quality", seq=2)
        asker.send(proper | {"photo_seq": 1} | change if isinstance(change, dict) else change)
        assert asker.ask(proper)["review"]["photo_seq"] == 2
        assert "not a question" in asker.said()


class Stumbling(Reviewer):
    """Has a fault that a photo of this size brings to light."""

    def plate(self, data: bytes, expected: str | None = None) -> Reading:
        cv2.resize(decode(data), (0, 0))
        raise AssertionError("OpenCV refuses that")


def test_a_photo_that_opencv_refuses_is_answered_and_does_not_come_again_for_ever() -> None:
    node = Node()
    asked = due(node, encode(rendered(np.random.default_rng(3))), "plate", seq=2)
    told = review(Stumbling(), node.photos[asked["photo"]], asked)
    assert (told.opinion, told.model, told.reasons[0]) == ("unsure", "decoder", "not_a_photo")
    assert told.reasons[1].startswith("OpenCV")


def test_the_review_process_loads_nothing_of_the_agent() -> None:
    told = "import sys, edge.__main__, edge.reviews; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert {"fastapi", "uvicorn", "sqlalchemy", "av", "pymodbus"} & {*loaded.stdout.split()} == set()

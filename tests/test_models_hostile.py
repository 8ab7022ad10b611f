"""A few hundred hostile photos put to a real review process; ten thousand by ``make hostile``."""

from pathlib import Path

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

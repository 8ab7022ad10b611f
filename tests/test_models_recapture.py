"""A screen's or a print's lattice is told in a photo; what stands in rows by nature or by JPEG is not."""

import cv2
import msgspec
import numpy as np
import pytest

from benchmarks.parts.recaptured import Way, on_print, on_screen, plain, recaptured, uploaded
from benchmarks.reuse import rendered
from models.catalog import catalog
from models.images import Image, decode, encode
from models.recapture import SIDE, lattice
from models.reviewer import Reviewer

SIDES = (832, 624)
LIMIT = catalog().thresholds.quality.lattice


def taken(way: Way, pitch: float, seed: int) -> Image:
    dice = np.random.default_rng(seed)
    return uploaded(recaptured(rendered(dice), way, pitch, SIDES, dice), 1, dice)


@pytest.mark.parametrize(
    ("way", "pitch"), [(on_screen, 1.4), (on_screen, 2.8), (on_print, 2.5), (on_print, 4.0)]
)
def test_a_photo_of_a_screen_or_of_a_print_stands_out(way: Way, pitch: float) -> None:
    assert sum(lattice(taken(way, pitch, seed)) > LIMIT for seed in range(4)) >= 3


def test_the_same_scenes_themselves_do_not() -> None:
    assert max(lattice(taken(plain, 1.0, seed)) for seed in range(6)) < LIMIT - 1


@pytest.mark.parametrize("quality", [5, 20, 60])
def test_blocks_of_jpeg_are_no_lattice(quality: int) -> None:
    scene = taken(plain, 1.0, 1)
    assert lattice(decode(encode(scene, quality))) < LIMIT


def test_a_grille_in_the_middle_of_a_photo_is_no_lattice() -> None:
    grille = np.asarray(cv2.resize(taken(plain, 1.0, 3), (1280, 960)), np.uint8)
    alone = np.full((SIDE, SIDE, 3), 40, np.uint8)
    for left in range(0, 200, 12):
        cv2.line(alone, (left, 10), (left + 40, 240), (190, 190, 190), 3, cv2.LINE_AA)
    grille[400 : 400 + SIDE, 500 : 500 + SIDE] = alone
    assert lattice(grille) < LIMIT < lattice(alone)  # of a tile alone nobody can tell


@pytest.mark.parametrize("sides", [(SIDE, SIDE), (SIDE * 2, SIDE + 1), (3000, SIDE)])
def test_what_is_plain_or_too_small_shows_none(sides: tuple[int, int]) -> None:
    assert lattice(np.full((*sides, 3), 128, np.uint8)) < 1
    assert lattice(np.zeros((SIDE - 1, *sides[:1], 3), np.uint8)) == 0


def test_a_recaptured_photo_is_for_the_officer_and_no_retake_by_itself() -> None:
    reviewer, limits = Reviewer(1), catalog().thresholds
    quality = msgspec.structs.replace(limits.quality, blurred_scene=0.0)  # drawn scenes are soft
    reviewer.judge_by(msgspec.structs.replace(limits, quality=quality))
    photo, screen = (encode(taken(way, 2.8, 2)) for way in (plain, on_screen))
    assert "recaptured" not in reviewer.quality(photo).reasons
    told = reviewer.quality(screen)
    assert (told.opinion, told.reasons) == ("unsure", ("recaptured",))

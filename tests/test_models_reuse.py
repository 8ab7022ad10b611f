"""A changed copy of an earlier photo is found; another vehicle before the same wall is none."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.reuse import CHANGES, covered, rendered
from models.album import Album, Page
from models.duplicates import compared, find
from models.images import PhotoError, decode, decode_for_work, decode_small, encode
from models.prints import asked_of, print_of
from models.reuse import Searcher

COUNT = 24


def page(number: int, inspection: str = "", shot: str = "0111") -> Page:
    return Page(seq=number, sha256=f"{number:064x}", inspection=inspection or f"visit {number}", shot=shot)


@cache
def scenes() -> tuple[np.ndarray, ...]:
    dice = np.random.default_rng(5)
    return tuple(rendered(dice) for _ in range(COUNT))


@pytest.fixture(scope="module")
def album() -> Album:
    made = Album()
    made.add([(page(n + 1), print_of(scene)) for n, scene in enumerate(scenes())], through=COUNT)
    return made


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_no_other(album: Album, change: str) -> None:
    dice, missed = np.random.default_rng(7), 0
    for n, scene in enumerate(scenes()[:12]):
        found = [match.page.seq for match in find(album, asked_of(CHANGES[change](scene, dice)))]
        assert set(found) <= {n + 1}
        missed += not found
    assert missed <= 1  # drawn colours are so strong that light may burn one out


def test_the_whole_is_found_where_a_part_was_used_before() -> None:
    album = Album()
    album.add([(page(1), print_of(scenes()[0][60:320, 80:430]))])
    assert [match.page.seq for match in find(album, asked_of(scenes()[0]))] == [1]


@pytest.mark.parametrize("share", [0.3, 0.4, 0.5])
def test_another_vehicle_before_the_same_wall_is_no_copy(album: Album, share: float) -> None:
    dice = np.random.default_rng(9)
    for n in range(6):
        other = covered(scenes()[n], scenes()[-1 - n], share, dice)
        assert list(find(album, asked_of(other))) == []
        likeness = compared(print_of(scenes()[n]), asked_of(other))
        assert likeness is None or likeness.same < 0.95


def test_a_photo_without_points_is_no_copy(album: Album) -> None:
    blank = np.full((300, 400, 3), 90, np.uint8)
    assert list(find(album, asked_of(blank))) == []
    assert len(print_of(blank).points) == 0


def test_an_album_outlives_its_process_and_a_damaged_one_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "reuse.sqlite"
    first = Album(path)
    first.add([(page(3), print_of(scenes()[0]))], through=4)
    first.add([(page(3), print_of(scenes()[1]))], through=2)
    first.close()
    second = Album(path)
    assert (len(second), second.through) == (1, 4)
    assert [match.page.seq for match in find(second, asked_of(scenes()[0]))] == [3]
    second.close()
    path.write_bytes(b"no database" * 1000)
    third = Album(path)
    assert (len(third), third.through) == (0, 0)
    third.close()


def test_a_retake_of_the_same_shot_is_no_reuse_and_another_shot_or_visit_is() -> None:
    searcher, photo = Searcher(), encode(scenes()[0])
    searcher.keep([(page(5, "a"), photo)], 5)
    again = encode(cv2.convertScaleAbs(scenes()[0], alpha=0.8), 60)
    assert searcher.reuse(again, page(9, "a")).opinion == "agree"
    for new in (page(9, "a", "0112"), page(9, "b")):
        told = searcher.reuse(again, new)
        assert (told.opinion, told.reasons, told.searched) == ("disagree", ("reused",), 1)
        assert told.earlier is not None
        assert (told.earlier.photo, told.earlier.inspection, told.earlier.shot) == (f"{5:064x}", "a", "0111")
    assert searcher.reuse(again, page(4, "b")).opinion == "agree"  # it was taken first
    same = searcher.reuse(encode(scenes()[1]), replace(page(9, "b"), sha256=f"{5:064x}"))
    assert same.opinion == "disagree"  # the same bytes by their digest


def test_what_is_no_photo_is_refused_when_asked_and_left_out_when_kept() -> None:
    searcher = Searcher()
    searcher.keep([(page(1), b"no photo"), (page(2), encode(scenes()[0]))], 7)
    assert searcher.through == 7
    assert searcher.reuse(encode(scenes()[0]), page(8, "b")).searched == 1
    with pytest.raises(PhotoError):
        searcher.reuse(b"no photo", page(9))


def test_huge_photos_are_made_smaller_as_they_are_decoded() -> None:
    scene = cv2.resize(scenes()[0], (4800, 3600))
    photo = encode(scene, 80)
    small, factor = decode_for_work(photo)
    assert (small.shape, factor) == ((1800, 2400, 3), 2)
    assert decode_small(photo, 512).shape == (450, 600, 3)
    assert decode(photo).shape == scene.shape
    ok, png = cv2.imencode(".png", cv2.resize(scene, (6000, 4500)))
    assert ok
    with pytest.raises(PhotoError, match="26 megapixels"):
        decode_for_work(png.tobytes())

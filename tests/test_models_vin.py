"""Where a VIN stands and how it is read, on photos that the tests draw: located, slanting, struck, fused."""

from functools import cache

import cv2
import numpy as np
import pytest

from models.claims import Decoded
from models.images import Image, decode
from models.locator import VinLocator
from models.reviewer import Reviewer
from models.session import Session
from models.vin import VinReader, VinText, is_vin, joined
from models.voter import Voter, evened
from tests.models_parts import car_photo, label_photo

VIN = "LTEST8N76HT132923"


@cache
def reader() -> VinReader:
    return Reviewer(threads=1).vins


def label(**how: float) -> Image:
    return decode(label_photo(VIN, **how))


def texts(image: Image) -> list[str]:
    return [text.decoded.text for text in reader().find(image) if is_vin(text)]


def slanting(image: Image, degrees: float) -> Image:
    height, width = image.shape[:2]
    side = round(np.hypot(height, width))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turn[:, 2] += ((side - width) / 2, (side - height) / 2)
    return np.asarray(cv2.warpAffine(image, turn, (side, side), borderValue=(90, 90, 90)), np.uint8)


def test_the_locator_finds_the_line_of_a_label_whatever_its_size() -> None:
    locator = VinLocator(Session("vin-locator", threads=1))
    for width in (300, 1000, 1600):
        image = np.asarray(cv2.resize(label(), (width, width * 420 // 1000)), np.uint8)
        spots = locator.find(image)
        assert spots
        x, y = spots[0].quad.mean(axis=0) / width
        assert abs(x - 0.385) < 0.1
        assert abs(y - 0.222) < 0.04


@pytest.mark.parametrize("degrees", [0, 12, -25, 90, 180, 270])
def test_a_vin_is_read_however_the_photo_is_turned(degrees: float) -> None:
    assert texts(slanting(label(), degrees))[:1] == [VIN]


@pytest.mark.parametrize("width", [260, 420, 2400])
def test_a_vin_is_read_at_any_size(width: int) -> None:
    image = label()
    assert texts(np.asarray(cv2.resize(image, (width, width * 420 // 1000)), np.uint8))[:1] == [VIN]


def test_a_photo_without_a_vin_has_none() -> None:
    assert texts(decode(car_photo("浙A12345"))) == []
    assert texts(np.full((256, 256, 3), 128, np.uint8)) == []


def test_several_photos_of_one_vin_are_read_as_one() -> None:
    clear, soft = (reader().find(label(blur=blur))[0] for blur in (0.0, 5.0))
    together = reader().fused([soft, clear])
    assert together.decoded.text == VIN
    assert len(together.views) == len(clear.views) + len(soft.views)
    assert together.quad is clear.quad
    assert reader().judge.margin(together.views, VIN, together.decoded) > 0
    assert reader().judge.margin(together.views, VIN[:-1] + "8", together.decoded) < 0


def test_photos_that_each_miss_another_character_make_a_whole_one() -> None:
    text = reader().find(label())[0]
    judge = reader().judge

    def doubted(at: int, other: str) -> VinText:
        views = []
        for view in text.views:
            spoilt = view.copy()
            here, there = judge.alphabet.encode(VIN)[at], judge.alphabet.encode(other)[0]
            frames = spoilt[:, here] > np.log(0.3)
            when = reader().places(text, VIN)[at] * len(view)
            near = frames & (np.abs(np.arange(len(view)) - when) < len(view) / 30)
            spoilt[near, here], spoilt[near, there] = np.log(0.3), np.log(0.6)
            views.append(spoilt)
        decoded = judge.decode(views)
        assert isinstance(decoded, Decoded)
        return VinText(decoded=decoded, quad=text.quad, views=tuple(views), flat=text.flat)

    one, other = doubted(13, "8"), doubted(16, "8")
    assert reader().fused([one, other, text]).decoded.text == VIN


def test_fragments_of_a_line_are_joined() -> None:
    left = np.array([[10, 10], [60, 10], [60, 20], [10, 20]], np.float32)
    right = left + np.array([65, 1], np.float32)
    below = left + np.array([0, 40], np.float32)
    (whole,) = joined([right, below, left])
    assert whole.tolist() == [[10, 10], [125, 11], [125, 21], [10, 20]]


def test_the_voter_reads_all_lines_in_one_run_and_each_as_if_alone() -> None:
    voter = Voter(Session("vin-voter", threads=1))
    flat = reader().find(label())[0].flat
    darker = (flat // 2).astype(np.uint8)
    both = voter.read([flat, darker])
    assert len(both) == 2
    assert np.allclose(both[0], voter.read([flat])[0], atol=1e-4)
    assert both[0].shape[1] == len(voter.labels) + 2
    assert np.allclose(both[0].sum(axis=1), 1.0, atol=1e-3)
    assert voter.read([]) == []


def test_faint_lines_are_evened_and_empty_ones_stay_quiet() -> None:
    strong = np.tile(np.array([[50, 200]], np.uint8), (24, 128))
    faint = np.tile(np.array([[120, 135]], np.uint8), (24, 128))
    assert np.allclose(evened(strong), evened(faint), atol=1e-5)
    assert np.abs(evened(np.full((24, 256), 77, np.uint8))).max() == 0.0

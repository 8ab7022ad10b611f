"""Photos of the virtual site: marked, repeatable, all different, legible, and blurred when they should be."""

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice

import cv2
import numpy as np
import pytest
from PIL import Image

from firmware_bridge.virtual import scenes
from firmware_bridge.virtual.finish import MAX_BYTES, STATEMENT, sharpness
from firmware_bridge.virtual.fleet import Car, fleet, spoil
from firmware_bridge.virtual.physics import dice_for
from models.album import Page
from models.reuse import Searcher

SHOTS = ("0111", "0112", "0113", "0157", "0124", "0116", "0136")


@cache
def cars() -> tuple[Car, ...]:
    return tuple(islice((c for c in fleet(11, 2, fault_every=0) if c.vehicle.plate), 4))


@cache
def photo(number: int, shot: str) -> bytes:
    if shot == "gate":
        return scenes.gate_photo(cars()[number])
    if shot == "label":
        return scenes.vin_label_photo(cars()[number])
    return scenes.shot_photo(cars()[number], shot)


def pixels(data: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


@pytest.mark.parametrize("shot", ["gate", "label", *SHOTS])
def test_every_photo_is_a_small_jpeg_that_says_it_is_simulated(shot: str) -> None:
    data = photo(0, shot)
    assert data[:3] == b"\xff\xd8\xff"
    assert len(data) <= MAX_BYTES
    with Image.open(io.BytesIO(data)) as image:
        assert min(image.size) >= 720
        assert image.info["comment"].decode() == STATEMENT == "virtual+chayan simulated"
        assert image.getexif()[0x010E] == STATEMENT
        assert image.getexif()[0x0131] == "virtual+chayan"
    assert scenes.is_marked_simulated(data)


@pytest.mark.parametrize("shot", ["gate", "label", *SHOTS])
def test_the_visible_mark_survives_losing_the_metadata(shot: str) -> None:
    picture = pixels(photo(1, shot))
    ok, again = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert ok
    assert b"virtual" not in again.tobytes()
    assert scenes.is_marked_simulated(again.tobytes())
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert scenes.is_marked_simulated(cv2.imencode(".jpg", half)[1].tobytes())


@pytest.mark.parametrize("shot", ["gate", *SHOTS])
def test_without_metadata_and_mark_a_picture_is_not_called_simulated(shot: str) -> None:
    picture = pixels(photo(2, shot))
    height = picture.shape[0]
    unmarked = picture[: height - height // 14]
    assert not scenes.is_marked_simulated(cv2.imencode(".jpg", unmarked)[1].tobytes())


def test_bytes_that_are_no_image_are_refused() -> None:
    with pytest.raises(ValueError, match="no image"):
        scenes.is_marked_simulated(b"not a photo")


@pytest.mark.parametrize("shot", ["gate", "0111", "0113", "0136"])
def test_the_same_arguments_give_the_same_bytes(shot: str) -> None:
    car = cars()[0]
    again = scenes.gate_photo(car) if shot == "gate" else scenes.shot_photo(car, shot)
    assert again == photo(0, shot)


def test_several_threads_render_what_one_renders() -> None:
    with ThreadPoolExecutor(3) as pool:
        again = list(pool.map(lambda n: scenes.gate_photo(cars()[n % 4]), range(6)))
    assert again == [photo(n % 4, "gate") for n in range(6)]


def test_no_two_photos_share_their_bytes() -> None:
    every = [photo(n, shot) for n in range(4) for shot in ("gate", "label", *SHOTS)]
    every += [scenes.shot_photo(cars()[0], shot, taking=1) for shot in ("0111", "0113", "0136")]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("shot", ["0111", "0113"])
def test_a_planted_blur_spoils_the_first_taking_only(shot: str) -> None:
    car = spoil(cars()[1], "blurred_photo", dice_for(cars()[1], "test"))
    spoilt_shot = car.blurred_shot
    blurred, retaken = (pixels(scenes.shot_photo(car, spoilt_shot, taking)) for taking in (0, 1))
    middle = slice(200, -200)
    assert sharpness(cv2.GaussianBlur(blurred, (0, 0), 2)[middle]) * 3 < sharpness(
        cv2.GaussianBlur(retaken, (0, 0), 2)[middle]
    )
    other = "0113" if spoilt_shot == "0111" else "0111"
    assert scenes.shot_photo(car, other) == scenes.shot_photo(cars()[1], other)
    forced = scenes.PHOTOGRAPHS[shot](car, 0, blurred=True)
    assert sharpness(pixels(forced)[middle]) < sharpness(pixels(photo(1, shot))[middle])
    bare = cv2.imencode(".jpg", pixels(forced))[1].tobytes()
    assert scenes.is_marked_simulated(bare), "the softer mark of a blurred photo is still a mark"


def test_the_gate_view_gives_the_plate_box_and_its_crop() -> None:
    view = scenes.gate_view(cars()[0])
    assert view.box is not None
    assert view.crop is not None
    left, top, right, bottom = view.box
    assert 110 < right - left < 260
    assert 2.2 < (right - left) / (bottom - top) < 4.2
    crop = pixels(view.crop)
    assert crop.shape[:2] == (bottom - top, right - left)
    frame = pixels(view.photo)[top:bottom, left:right]
    assert np.abs(crop.astype(int) - frame.astype(int)).mean() < 12
    assert scenes.is_marked_simulated(view.crop)


def test_a_new_car_comes_without_plate() -> None:
    new = next(c for c in fleet(11, 2, fault_every=0) if c.vehicle.plate is None)
    view = scenes.gate_view(new)
    assert view.box is None
    assert view.crop is None
    assert scenes.is_marked_simulated(view.photo)


def test_the_other_plate_is_on_0111_and_the_gate_camera_sees_the_right_one() -> None:
    honest = cars()[2]
    car = spoil(honest, "other_plate", dice_for(honest, "test"))
    assert scenes.gate_photo(car) == scenes.gate_photo(honest)
    assert scenes.rear45_photo(car) == scenes.rear45_photo(honest)
    assert scenes.front45_photo(car) != scenes.front45_photo(honest)


def test_a_signature_is_a_png_of_its_own_marked_in_its_metadata() -> None:
    first, other = scenes.signature_png("王小明"), scenes.signature_png("李晓红")
    assert first != other
    assert first == scenes.signature_png("王小明")
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    assert scenes.is_marked_simulated(first)
    assert pixels(first).min() < 120


@pytest.mark.parametrize("shot", ["0111", "0113", "0157", "0136", "0124", "0116"])
def test_photos_of_two_vehicles_do_not_pass_for_one(shot: str) -> None:
    searcher = Searcher()
    for seq, car in enumerate(cars(), 1):
        photo = scenes.shot_photo(car, shot)
        page = Page(
            seq=seq, sha256=hashlib.sha256(photo).hexdigest(), inspection=f"inspection-{seq}", shot=shot
        )
        assert searcher.reuse(photo, page).opinion == "agree"
        searcher.keep([(page, photo)], seq)
        again = Page(seq=seq + 100, sha256=page.sha256, inspection="another", shot=shot)
        assert searcher.reuse(photo, again).opinion == "disagree"

"""The cascade of plates: our own net, the referee where it is not sure, the vehicle's own plate first."""

from functools import cache

import cv2
import numpy as np
import pytest

from models.corners import CornerFinder, LandmarkFinder
from models.grammar import RARE, plate_prior
from models.images import Image
from models.lines import LineFinder, LineReader
from models.plate import PlateReader, is_plate, one_line
from models.plate_net import PlateNet
from models.session import Session, Tensor
from models.training.corners_stickers import glyphs
from models.training.plate_drawing import KINDS, draw
from tests.test_models_corners import front


class Referee(LineReader):
    """PP-OCRv4, and how often it was asked."""

    asked = 0

    def read(self, flat: Image, *, stretch: float = 1.0) -> Tensor:
        self.asked += 1
        return super().read(flat, stretch=stretch)


@cache
def net() -> PlateNet:
    return PlateNet(Session("plate-reader", threads=1))


@cache
def parts() -> tuple[CornerFinder, LineFinder, Referee]:
    outline, corners, lines, reader = (
        Session(name, threads=1) for name in ("plate-outline", "plate-corners", "lines-v4", "reader-v4")
    )
    return CornerFinder(outline, LandmarkFinder(corners)), LineFinder(lines), Referee(reader)


def cascade() -> tuple[PlateReader, Referee]:
    corners, lines, referee = parts()
    referee.asked = 0
    return PlateReader(corners, lines, referee, net()), referee


def drawn(kind: str, seed: int = 0) -> tuple[Image, str]:
    """A flat plate of a kind, a millimetre a pixel, and its text."""
    flat, text, _, _ = draw(np.random.default_rng((7, seed)), glyphs(None), kind)
    return flat, text


def laid(photo: Image, plate: Image, x: int, y: int, height: int) -> Image:
    """The photo with a plate ``height`` pixels high about (x, y)."""
    width = round(height * plate.shape[1] / plate.shape[0])
    small = cv2.resize(plate, (width, height), interpolation=cv2.INTER_AREA)
    top, left = y - height // 2, x - width // 2
    photo[top : top + height, left : left + width] = small
    return photo


@pytest.mark.parametrize("kind", ["blue", "yellow", "school", "green", "yellow_green", "police", "forces"])
def test_the_net_reads_a_flat_plate_and_its_colour(kind: str) -> None:
    flat, text = drawn(kind)
    seen = net().read([flat])[0]
    best = seen.frames.argmax(axis=1)
    fresh = [k for n, k in enumerate(best) if k and (n == 0 or k != best[n - 1])]
    assert "".join(net().labels[k - 1] for k in fresh) == text
    assert seen.colour == KINDS[kind].colour
    assert seen.layered < 0.5
    assert np.allclose(seen.frames.sum(axis=1), 1, atol=1e-4)


def test_plates_are_read_together_as_one_by_one() -> None:
    flats = [drawn("blue")[0], drawn("green")[0]]
    for one, both in zip([net().read([flat])[0] for flat in flats], net().read(flats), strict=True):
        assert np.allclose(one.frames, both.frames, atol=1e-4)
    assert net().read([]) == []


@pytest.mark.parametrize("kind", ["yellow", "green", "police"])
def test_a_sure_net_asks_no_referee(kind: str) -> None:
    flat, text = drawn(kind)
    reader, referee = cascade()
    found = reader.find(laid(front(), flat, 480, 500, 54))
    assert (found[0].decoded.text, found[0].refereed, len(found[0].views)) == (text, False, 1)
    assert found[0].plate_type == KINDS[kind].colour
    assert referee.asked == 0


def test_an_unsure_net_asks_the_referee() -> None:
    """Of both ways to read a plate of two layers; the text stays right."""
    reader, referee = cascade()
    refereed = 0
    for seed in range(6):
        flat, text = drawn("motorcycle", seed)
        referee.asked = 0
        plate = reader.find(laid(front(), flat, 480, 500, 60))[0]
        assert plate.decoded.text == text
        assert (referee.asked, len(plate.views)) == ((2, 2) if plate.refereed else (0, 1))
        refereed += plate.refereed
    assert refereed


def test_where_net_and_referee_differ_the_reading_is_less_sure() -> None:
    reader, referee = cascade()
    ours, theirs = net().read([drawn("yellow", 0)[0]])[0], referee.read(drawn("yellow", 2)[0], stretch=1.6)
    views = [reader._own.frames(ours.frames), reader.judge.alphabet.frames(theirs)]
    alone, joint = reader.judge.decode(views[:1]), reader.judge.decode(views)
    assert alone is not None and joint is not None
    assert alone.confidence > 0.95
    assert joint.confidence < 0.9
    assert joint.log_p < alone.log_p - 3


@pytest.mark.parametrize(("left", "height", "first"), [(865, 54, 0), (720, 76, 1)])
def test_the_plate_of_the_vehicle_in_the_middle_is_told_first(left: int, height: int, first: int) -> None:
    """A larger plate at the side of the photo is that of another vehicle; a much larger one may not be."""
    (own, text), (other, larger) = drawn("yellow"), drawn("green")
    photo = laid(front(), own, 400, 520, 44)
    photo = laid(photo, other, left, 540, height)
    found = [plate.decoded.text for plate in cascade()[0].find(photo) if is_plate(plate)]
    assert found[:2] == ([text, larger] if first == 0 else [larger, text])


def test_the_referee_is_not_asked_about_a_plate_in_the_background() -> None:
    (own, text), (other, behind) = drawn("yellow"), drawn("blue", 5)
    photo = laid(laid(front(), own, 480, 500, 54), other, 860, 620, 30)
    reader, referee = cascade()
    found = reader.find(photo)
    assert [plate.decoded.text for plate in found][:1] == [text]
    assert len(found) == 2 and not any(plate.refereed for plate in found), behind
    assert referee.asked == 0


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.layers == 2])
def test_a_plate_of_two_layers_is_read_as_two(kind: str) -> None:
    flat, text = drawn(kind)
    found = cascade()[0].find(laid(front(), flat, 480, 500, 80))
    assert [plate.decoded.text for plate in found][:1] == [text]
    assert found[0].flat.shape == one_line(np.zeros((220, 440, 3), np.uint8)).shape


def test_a_crop_is_read_as_it_is() -> None:
    flat, text = drawn("yellow")
    reader, referee = cascade()
    found = reader.find(np.asarray(cv2.resize(flat, (168, 54), interpolation=cv2.INTER_AREA), np.uint8))
    assert [plate.decoded.text for plate in found] == [text]
    assert found[0].quad.tolist() == [[0, 0], [168, 0], [168, 54], [0, 54]]
    assert referee.asked == 0


def test_what_the_net_cannot_read_is_read_by_the_referee_alone() -> None:
    """The form of 2004 with nine characters was never drawn for the net."""
    flat, _ = drawn("forces")
    flat[20:120, 10:430] = 238
    for n, c in enumerate("WJ1693015"):
        shape = glyphs(None).shape(c, "single", 36, 90)
        flat[25:115, 14 + 47 * n : 50 + 47 * n][shape > 127] = (18, 16, 16)
    reader, _ = cascade()
    found = reader.find(laid(front(), flat, 480, 500, 60))
    assert (found[0].decoded.text, found[0].refereed, len(found[0].views)) == ("WJ1693015", True, 1)


def test_a_picture_without_a_plate_has_none() -> None:
    reader, _ = cascade()
    assert not [plate for plate in reader.find(front()) if is_plate(plate)]
    assert reader.find(np.full((64, 320, 3), 127, np.uint8)) == []


@pytest.mark.parametrize(("text", "prior"), [("浙A12345", 0.0), ("WJ京1234X", RARE), ("no plate", 0.0)])
def test_the_prior_of_a_plate_is_that_of_its_form(text: str, prior: float) -> None:
    assert plate_prior(text) == prior

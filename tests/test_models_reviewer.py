"""The reviewer on photos that the test draws: read, agree, disagree, ask for a retake."""

from decimal import Decimal
from functools import cache

import cv2
import msgspec
import numpy as np
import pytest

from lanes import record
from models.catalog import catalog
from models.images import PhotoError, decode, encode
from models.quality import burnt_share
from models.reviewer import Reviewer, Subject, questions_for, subject_of, to_body
from tests.models_parts import car_photo, flat_plate, label_photo

VIN = "LTEST8N76HT132923"


@cache
def reviewer() -> Reviewer:
    return Reviewer(threads=2)


@pytest.mark.parametrize(
    ("plate", "colour"),
    [("浙A12345", "blue"), ("京J5167警", "white"), ("皖L66736", "yellow"), ("皖AD08815", "green")],
)
def test_a_plate_is_read_with_its_colour_and_agrees_with_the_papers(plate: str, colour: str) -> None:
    reading = reviewer().plate(car_photo(plate, colour), plate)
    assert (reading.text, reading.plate_type, reading.opinion) == (plate, colour, "agree")
    assert reading.reasons == ()
    assert "".join(each.c for each in reading.characters) == plate
    assert all(0 < each.p <= 1 for each in reading.characters)
    assert reading.confidence > Decimal("0.5")
    assert reading.box is not None
    x, y, width, height = reading.box
    assert abs(x - 389) < 25 and abs(y - 470) < 25 and abs(width - 203) < 45 and abs(height - 71) < 30


@pytest.mark.parametrize("claim", ["浙A12346", "浙A12B45", "沪A12345", "浙B77777"])
def test_another_plate_disagrees(claim: str) -> None:
    reading = reviewer().plate(car_photo("浙A12345"), claim)
    assert (reading.text, reading.opinion, reading.reasons) == ("浙A12345", "disagree", ("differs",))
    assert reading.score is not None and reading.score < 0


def test_a_claim_may_be_written_with_dot_blank_and_lower_case() -> None:
    assert reviewer().plate(car_photo("浙A12345"), " 浙a·12345").opinion == "agree"


def test_a_reading_without_claim_has_no_opinion() -> None:
    reading = reviewer().plate(car_photo("浙A12345"))
    assert (reading.text, reading.opinion, reading.score) == ("浙A12345", "unsure", None)
    assert reading.reasons == ("nothing_expected",)


def test_a_vin_is_read_and_one_altered_character_disagrees() -> None:
    photo = label_photo(VIN)
    true, false = reviewer().vin(photo, VIN), reviewer().vin(photo, VIN[:-1] + "8")
    assert (true.text, true.opinion) == (VIN, "agree")
    assert (false.text, false.opinion, false.reasons) == (VIN, "disagree", ("differs",))
    assert true.score is not None and false.score is not None and true.score > 0 > false.score


def test_a_starred_vin_is_read_without_its_stars() -> None:
    assert reviewer().vin(label_photo(f"*{VIN}*"), VIN).opinion == "agree"


def test_a_vin_upside_down_is_read() -> None:
    assert reviewer().vin(label_photo(VIN, turned=True), VIN).text == VIN


@pytest.mark.parametrize("blur", [9.0, 14.0])
def test_a_blurred_photo_is_to_be_retaken(blur: float) -> None:
    plate, vin = car_photo("浙A12345", blur=blur), label_photo(VIN, blur=2 * blur)
    for reading in (reviewer().plate(plate, "浙A12345"), reviewer().vin(vin, VIN)):
        assert reading.opinion == "unsure"
        assert "blurred" in reading.reasons
    for reading in (
        reviewer().quality(plate, "plate"),
        reviewer().quality(vin, "vin"),
        reviewer().quality(vin),
    ):
        assert (reading.question, reading.opinion) == ("quality", "disagree")
        assert "blurred" in reading.reasons


def test_a_sharp_photo_passes_the_quality_question() -> None:
    assert reviewer().quality(car_photo("浙A12345"), "plate").opinion == "agree"
    assert reviewer().quality(label_photo(VIN), "vin").opinion == "agree"
    assert reviewer().quality(label_photo(VIN)).opinion == "agree"


def test_a_photo_without_its_subject_is_unsure() -> None:
    reading = reviewer().vin(car_photo("浙A12345"), VIN)
    assert (reading.opinion, reading.text, reading.reasons) == ("unsure", "", ("no_text",))
    assert reviewer().quality(car_photo("浙A12345"), "vin").opinion == "unsure"


@pytest.mark.parametrize(("photo", "subject"), [(car_photo("浙A12345"), "vin"), (label_photo(VIN), "plate")])
def test_a_photo_that_shows_another_shots_subject_says_so(photo: bytes, subject: Subject) -> None:
    reading = reviewer().quality(photo, subject)
    assert (reading.opinion, reading.reasons) == ("unsure", ("wrong_shot",))


def test_a_photo_of_neither_is_no_wrong_shot() -> None:
    canvas = np.full((480, 640, 3), 120, np.uint8)
    canvas[100:380, 150:500] = 40
    assert reviewer().quality(encode(canvas), "vin").reasons == ("no_text",)


@pytest.mark.parametrize("left", [4, 60])
def test_a_plate_at_the_edge_of_its_photo_may_be_cut_off(left: int) -> None:
    scene = decode(car_photo("浙A12345"))
    reading = reviewer().quality(encode(np.ascontiguousarray(scene[:, 390 - left :])), "plate")
    assert ("cut_off" in reading.reasons) == (left == 4)
    assert reading.opinion == ("unsure" if left == 4 else "agree")


def test_glare_is_measured_on_the_line_itself() -> None:
    """White characters are no glare, a burnt patch over two of them is; the catalog's limit parts the two."""
    flat = flat_plate("浙A12345", "blue")
    limit = catalog().thresholds.quality.burnt_box
    assert burnt_share(flat) < limit / 3
    assert burnt_share(flat_plate("浙A12345", "white")) < limit / 3
    cv2.circle(flat, (220, 70), 45, (255, 255, 255), -1)
    assert burnt_share(flat) > 2 * limit


def test_no_photo_is_an_error() -> None:
    with pytest.raises(PhotoError, match="no image"):
        reviewer().plate(b"no photo", "浙A12345")


def test_a_reading_becomes_a_record_body_that_survives_the_wire() -> None:
    reading = reviewer().plate(car_photo("浙A12345"), "浙A12345")
    body = to_body(reading, 7, "ab" * 32, "0111")
    assert (body.photo_seq, body.photo, body.shot, body.question) == (7, "ab" * 32, "0111", "plate")
    assert (body.opinion, body.text, body.characters) == ("agree", "浙A12345", reading.characters)
    again = msgspec.json.decode(msgspec.json.encode(body), type=record.Reviewed)
    assert again == body


def test_questions_and_subjects_of_shots() -> None:
    assert questions_for("0111") == questions_for("0112") == ("plate", "quality")
    assert questions_for("0113") == ("vin", "quality")
    assert questions_for("gate") == ("plate",)
    assert questions_for("0157") == ("quality",)
    assert [subject_of(shot) for shot in ("0112", "0113", "0157")] == ["plate", "vin", "scene"]

"""What the virtual site's photos show can be read by the review, and a blurred one cannot."""

from functools import cache
from itertools import islice

import pytest

from firmware_bridge.virtual import scenes
from firmware_bridge.virtual.fleet import Car, fleet
from models.reviewer import Reviewer

pytestmark = pytest.mark.slow

PHOTOS = {"gate": scenes.gate_photo, "0111": scenes.front45_photo, "0112": scenes.rear45_photo}


@cache
def cars() -> tuple[Car, ...]:
    return tuple(islice((c for c in fleet(11, 2, fault_every=0) if c.vehicle.plate), 4))


@cache
def reviewer() -> Reviewer:
    return Reviewer(threads=1)


def test_the_review_reads_what_the_photos_show() -> None:
    """Four cars, four kinds of photo: at most one character string of sixteen may be misread."""
    read = 0
    for car in cars():
        assert car.vehicle.plate
        for shot in ("gate", "0111", "0112"):
            read += reviewer().plate(PHOTOS[shot](car)).text == car.vehicle.plate.hphm
        read += reviewer().vin(scenes.vin_stamped_photo(car)).text == car.vehicle.vin
    assert read >= 15


def test_nothing_can_be_read_in_a_blurred_photo() -> None:
    car = cars()[3]
    assert car.vehicle.plate
    front = reviewer().plate(scenes.front45_photo(car, blurred=True), car.vehicle.plate.hphm)
    struck = reviewer().vin(scenes.vin_stamped_photo(car, blurred=True), car.vehicle.vin)
    assert front.opinion == struck.opinion == "unsure"
    assert front.text != car.vehicle.plate.hphm
    assert struck.text != car.vehicle.vin

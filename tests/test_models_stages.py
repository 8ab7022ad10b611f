"""The clock of stages: each for itself, also one inside another, and nothing outside of a lap."""

import threading
import time

import pytest

from models.images import PhotoError, decode
from models.reviewer import Reviewer
from models.stages import STAGES, lap, stage
from tests.models_parts import car_photo, label_photo


def test_a_stage_inside_another_counts_for_itself_only() -> None:
    with lap() as running:
        began = time.perf_counter()
        with stage("decode"):
            with stage("read"):
                time.sleep(0.05)
            with stage("read"):
                time.sleep(0.01)
        whole = (time.perf_counter() - began) * 1000
    assert running.spent_ms["read"] >= 60
    assert running.spent_ms["decode"] <= whole - running.spent_ms["read"] + 1e-6
    assert sum(running.spent_ms.values()) <= whole


def test_an_error_ends_its_stage_and_laps_of_threads_are_apart() -> None:
    def other() -> None:
        decode(car_photo("浙A12345"))

    with lap() as running:
        with pytest.raises(PhotoError):
            decode(b"no photo")
        seen = dict(running.spent_ms)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert set(seen) == {"open"} and running.spent_ms == seen
    decode(car_photo("浙A12345"))
    assert running.spent_ms == seen


def test_every_stage_of_a_reading_is_clocked() -> None:
    reviewer = Reviewer(threads=1)
    for ask, photo, claim in (
        (reviewer.plate, car_photo("浙A12345"), "浙A12345"),
        (reviewer.vin, label_photo("LTEST8N76HT132923"), "LTEST8N76HT132923"),
    ):
        with lap() as running:
            ask(photo, claim)
        assert set(running.spent_ms) == set(STAGES)
        assert all(spent > 0 for spent in running.spent_ms.values())

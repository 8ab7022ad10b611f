"""Rubbings that the tests draw: read, mirrored too, and told apart by strike."""

from functools import cache

import numpy as np
import pytest

from benchmarks.parts.strikes import Plane, photographed, rubbed, struck
from models.images import Image, encode
from models.reviewer import Reviewer
from models.rubbing import Surface, compare, read
from models.vin import VinReader

VIN = "LTEST8N76HT132923"
OTHER = "LTEST3F63HM055446"


@cache
def reader() -> VinReader:
    return Reviewer(threads=1).vins


@cache
def strike(seed: int, vin: str = VIN) -> Plane:
    return struck(vin, np.random.default_rng(seed))


def rubbing(of: Plane, seed: int, *, mirrored: bool = False) -> Image:
    return rubbed(of, np.random.default_rng(seed), mirrored=mirrored)


def reference(surface: Surface, of: Plane, seed: int) -> Image:
    draw = rubbed if surface == "rubbing" else photographed
    return draw(of, np.random.default_rng(seed))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_rubbing_is_read_mirrored_or_not(mirrored: bool) -> None:
    text, _, flipped = read(reader(), rubbing(strike(1), 2, mirrored=mirrored))
    assert text is not None
    assert (text.decoded.text, flipped) == (VIN, mirrored)


@pytest.mark.parametrize("surface", ["photo", "rubbing"])
def test_the_same_strike_is_told_from_another_of_the_same_vin(surface: Surface) -> None:
    sheet = rubbing(strike(1), 2, mirrored=True)
    same = compare(reader(), sheet, reference(surface, strike(1), 3), surface=surface)
    again = compare(reader(), sheet, reference(surface, strike(7), 3), surface=surface)
    assert (same.answer, same.text, same.reasons, same.mirrored) == ("same", VIN, (), True)
    assert (again.answer, again.text) == ("restamped", VIN)
    assert same.off < again.off
    assert [match.c for match in same.matches] == list(VIN)
    assert all(0 <= match.alike <= 1 for match in same.matches)


def test_the_heat_map_is_hotter_where_the_strikes_differ() -> None:
    sheet = rubbing(strike(1), 2)
    same = compare(reader(), sheet, reference("rubbing", strike(1), 3), surface="rubbing")
    again = compare(reader(), sheet, reference("rubbing", strike(7), 3), surface="rubbing")
    assert same.heat is not None and again.heat is not None
    assert same.heat.ndim == again.heat.ndim == 2
    assert again.heat.mean() > same.heat.mean() > 0


def test_a_rubbing_of_another_vin_is_for_a_person() -> None:
    found = compare(reader(), rubbing(strike(1), 2), reference("photo", strike(5, OTHER), 3))
    assert found.answer == "unsure"
    assert "other_text" in found.reasons


def test_an_empty_sheet_is_for_a_person() -> None:
    empty = np.full((200, 900, 3), 230, np.uint8)
    for one, other in ((empty, rubbing(strike(1), 2)), (rubbing(strike(1), 2), empty)):
        found = compare(reader(), one, other)
        assert (found.answer, found.reasons) == ("unsure", ("no_text",))


def test_the_reviewer_compares_bytes() -> None:
    found = Reviewer(threads=1).rubbing(
        encode(rubbing(strike(1), 2)), encode(reference("photo", strike(1), 3))
    )
    assert (found.answer, found.text) == ("same", VIN)

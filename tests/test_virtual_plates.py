"""Plate faces against the measures of GA 36-2018, and the glyphs that stand on them."""

from itertools import pairwise

import numpy as np
import pytest

from firmware_bridge.virtual.glyphs import (
    DOUBLE,
    NEW_ENERGY,
    RED_CHARACTERS,
    SINGLE,
    STROKES,
    STYLES,
    glyph,
    plate_face,
    plate_layout,
    plate_style,
    strokes,
)
from lanes.vin import ALPHABET
from tests.lanes_parts import rulebook


def test_single_layer_cells_are_45_by_90_with_12_mm_gaps_and_34_at_the_dot() -> None:
    assert (SINGLE.width, SINGLE.height) == (440, 140)
    assert [(c.width, c.height, c.y) for c in SINGLE.cells] == [(45, 90, 25)] * 7
    assert [c.x for c in SINGLE.cells] == [15, 72, 151, 208, 265, 322, 379]
    assert SINGLE.dot == (134, 70)  # in the middle of the 34 mm


def test_new_energy_cells_are_43_wide_after_the_first_with_9_mm_gaps_and_49_at_the_split() -> None:
    assert (NEW_ENERGY.width, NEW_ENERGY.height) == (480, 140)
    cells = NEW_ENERGY.cells
    assert [c.width for c in cells] == [45] + [43] * 7
    gaps = [b.x - a.x - a.width for a, b in pairwise(cells)]
    assert gaps == [9, 49, 9, 9, 9, 9, 9]
    assert cells[0].x == pytest.approx(480 - cells[-1].x - cells[-1].width)


def test_double_layer_has_two_cells_above_five() -> None:
    assert (DOUBLE.width, DOUBLE.height) == (440, 220)
    assert [(c.x, c.y, c.width, c.height) for c in DOUBLE.cells[:2]] == [(110, 15, 80, 60), (250, 15, 80, 60)]
    assert [(c.x, c.y) for c in DOUBLE.cells[2:]] == [(27 + 80 * i, 90) for i in range(5)]
    assert {(c.width, c.height) for c in DOUBLE.cells[2:]} == {(65, 110)}


@pytest.mark.parametrize(("hpzl", "hphm"), [("02", "浙A8G345"), ("52", "皖AD84269"), ("01", "苏B86X74")])
def test_ink_fills_each_cell_and_nothing_between_them(hpzl: str, hphm: str) -> None:
    px = 2.0
    face = plate_face(hpzl, hphm, px_per_mm=px).astype(int)
    layout = plate_layout(hphm)
    assert face.shape == (layout.height * px, layout.width * px, 3)
    text = np.array(plate_style(hpzl).text)
    inked = np.abs(face - text).sum(axis=2) < 90
    for cell in layout.cells:
        top, bottom = round(cell.y * px), round((cell.y + cell.height) * px)
        left, right = round(cell.x * px), round((cell.x + cell.width) * px)
        ink = inked[top:bottom, left:right]
        assert ink.any(axis=0)[[2, -3]].all(), "the character is as wide as its cell"
        assert ink.any(axis=1)[[2, -3]].all(), "the character is as high as its cell"
        assert not inked[top:bottom, right + 1 : right + 7].any(), "the gap is free"


def test_the_figure_one_stays_narrow_in_the_middle_of_its_cell() -> None:
    face = plate_face("02", "浙A1G345", px_per_mm=2.0).astype(int)
    cell = SINGLE.cells[2]
    inked = np.abs(face - 250).sum(axis=2) < 90
    strip = inked[60:220, round(cell.x * 2) : round((cell.x + cell.width) * 2)].any(axis=0)
    assert not strip[:18].any()
    assert not strip[-18:].any()
    assert strip[30:60].any()


def test_kinds_have_their_colours() -> None:
    def ground(hpzl: str, hphm: str) -> np.ndarray:
        return plate_face(hpzl, hphm, px_per_mm=1.0)[20:120, 8:13].astype(int).mean(axis=1)

    blue, yellow = ground("02", "浙A8G345").mean(axis=0), ground("01", "浙A8G345").mean(axis=0)
    assert blue[0] > 2 * blue[2]
    assert yellow[2] > 200 > 60 > yellow[0]
    green = ground("52", "浙AD84345")
    assert green[0].min() > 200, "white above"
    assert green[-1][1] > green[-1][0] + 30, "green below"


def test_plates_are_drawn_in_the_colours_of_the_rules() -> None:
    forms = rulebook().codes.plates.by_kind
    for hpzl, style in STYLES.items():
        assert {form.row.ground for form in forms[hpzl]} == {style.name}
    marked = {c for kind in forms.values() for form in kind if form.row.mark == "red" for c in form.places}
    assert set(RED_CHARACTERS) <= marked


@pytest.mark.parametrize(("hpzl", "hphm", "says"), [("99", "浙A8G345", "99"), ("02", "浙A8", "3 characters")])
def test_what_cannot_be_drawn_is_named(hpzl: str, hphm: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        plate_face(hpzl, hphm)


def test_every_vin_character_and_the_star_can_be_struck_within_its_box() -> None:
    assert set(STROKES) == {*ALPHABET, "*"}
    for char in STROKES:
        points = np.vstack(strokes(char))
        assert points.min() >= 0
        assert points.max() <= 1
    drawn = {char: np.vstack(strokes(char)).round(3).tobytes() for char in STROKES}
    assert len(set(drawn.values())) == len(STROKES)


def test_a_glyph_is_exactly_as_large_as_asked_and_touches_all_sides() -> None:
    ink = glyph("浙", 45, 90)
    assert ink.shape == (90, 45)
    assert min(ink[0].max(), ink[-1].max(), ink[:, 0].max(), ink[:, -1].max()) > 20

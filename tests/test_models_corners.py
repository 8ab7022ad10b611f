"""Plates are found by their corners: every kind, tilted, small, of two rows; and none where there is none."""

import cv2
import numpy as np
import pytest

from models.corners import CELL, REACH, Candidate, CornerFinder, LandmarkFinder, peaks
from models.images import Image, Quad, decode, sides
from models.session import Session
from models.training.corners_score import shared
from models.training.corners_stickers import sticker
from models.training.plate_drawing import KINDS
from tests.models_parts import car_photo


@pytest.fixture(scope="module")
def finder() -> CornerFinder:
    return CornerFinder(Session("plate-outline", threads=1))


def front(width: int = 960, height: int = 720) -> Image:
    """A car front without a plate: body, grille, lamps, a line of text."""
    photo = np.full((height, width, 3), 120, np.uint8)
    cv2.rectangle(photo, (width // 6, height // 6), (width * 5 // 6, height * 5 // 6), (70, 55, 50), -1)
    for y in range(height * 4 // 9, height * 5 // 9, 12):
        cv2.line(photo, (width // 3, y), (width * 2 // 3, y), (25, 25, 25), 4)
    for x in (width // 4, width * 3 // 4):
        cv2.circle(photo, (x, height // 2), height // 18, (225, 230, 235), -1)
    cv2.putText(photo, "4S SHOP TEL 62845577", (30, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (240, 240, 240), 3)
    return photo


def with_plate(
    kind: str, tall: float, *, degrees: float = 0.0, shear: float = 0.0
) -> tuple[Image, Quad, int]:
    """A car front with a plate ``tall`` pixels high below the grille, its corners and rows."""
    plate = sticker(kind, np.random.default_rng(tall.as_integer_ratio()[0]))
    flat = plate.image
    photo = front()
    height, width = flat.shape[:2]
    half = (
        np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2 * tall / height
    )
    half[:, 1] += half[:, 0] * shear
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    quad = np.asarray(half @ turn.T + (480, 500), np.float32)
    edges = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shrunk = cv2.GaussianBlur(flat, (0, 0), max(0.3 * height / tall, 0.1))
    matrix = cv2.getPerspectiveTransform(edges, quad)
    laid = cv2.warpPerspective(shrunk, matrix, (960, 720))
    mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, (960, 720))
    photo[mask > 127] = laid[mask > 127]
    return cv2.GaussianBlur(photo, (0, 0), 0.7), quad, plate.layers


def best(finder: CornerFinder, photo: Image, quad: Quad) -> Candidate:
    """What was found on the plate."""
    found = [each for each in finder.find(photo) if shared(quad, each.quad) > 0.5]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tall", [24, 60])
def test_a_plate_of_every_kind_is_found_with_its_corners_and_rows(
    finder: CornerFinder, kind: str, tall: float
) -> None:
    photo, quad, layers = with_plate(kind, tall)
    found = best(finder, photo, quad)
    assert shared(quad, found.quad) > 0.75
    assert found.layers == layers


@pytest.mark.parametrize(("degrees", "shear"), [(-18, 0.0), (15, 0.0), (5, 0.2), (-4, -0.2)])
def test_corners_follow_a_tilted_plate_from_the_top_left_clockwise(
    finder: CornerFinder, degrees: float, shear: float
) -> None:
    photo, quad, _ = with_plate("blue", 48, degrees=degrees, shear=shear)
    found = best(finder, photo, quad)
    error = np.linalg.norm(found.quad - quad, axis=1).max() / sides(quad)[1]
    assert error < 0.3


def test_a_photo_of_another_size_has_its_corners_in_its_own_pixels(finder: CornerFinder) -> None:
    photo, quad, _ = with_plate("yellow", 40)
    large = np.asarray(cv2.resize(photo, (1931, 1448)), np.uint8)
    found = best(finder, large, np.asarray(quad * (1931 / 960), np.float32))
    assert sides(found.quad)[1] == pytest.approx(80, rel=0.15)


@pytest.mark.parametrize(("width", "height"), [(960, 720), (500, 811), (33, 17), (65_000, 17), (16, 9000)])
def test_nothing_is_found_where_no_plate_is(finder: CornerFinder, width: int, height: int) -> None:
    assert finder.find(front(width, height)) == []


def cells_with(places: dict[tuple[int, int], tuple[float, float, Quad]]) -> np.ndarray:
    """An answer of the net: at (row, column) a heat and rows logit, and the way to the corners."""
    cells = np.zeros((10, 12, 20), np.float32)
    cells[0] = -8
    for (y, x), (heat, rows, quad) in places.items():
        cells[0, y, x], cells[1, y, x] = heat, rows
        middle = (np.array([x, y], np.float32) + 0.5) * CELL
        cells[2:, y, x] = ((quad - middle) / REACH).reshape(-1)
    return cells


def test_a_peak_gives_its_plate_and_a_weaker_one_on_the_same_plate_does_not() -> None:
    one = np.array([[40, 30], [90, 31], [91, 47], [41, 46]], np.float32)
    other = np.array([[100, 60], [150, 60], [150, 85], [100, 85]], np.float32)
    found = peaks(
        cells_with({(4, 8): (2.0, -3.0, one), (4, 10): (1.0, -3.0, one), (9, 15): (0.5, 4.0, other)}), 0.3
    )
    assert [(each.layers, round(each.score, 2)) for each in found] == [(1, 0.88), (2, 0.62)]
    assert np.allclose(found[0].quad, one, atol=1e-3)
    assert np.allclose(found[1].quad, other, atol=1e-3)


def test_what_is_below_the_limit_is_no_plate() -> None:
    quad = np.array([[40, 30], [90, 31], [91, 47], [41, 46]], np.float32)
    assert peaks(cells_with({(4, 8): (-1.0, 0.0, quad)}), 0.3) == []


def test_the_net_of_the_package_finds_a_plate_too() -> None:
    finder = LandmarkFinder(Session("plate-corners", threads=1))
    quad = np.array([[390, 470], [592, 476], [590, 541], [389, 533]], np.float32)
    found = finder.find(decode(car_photo("浙A12345")))
    assert shared(quad, found[0].quad) > 0.6
    assert found[0].layers == 1


@pytest.mark.parametrize("scale", [1.4, 2, 3.7])
def test_a_larger_photo_has_the_same_corners(finder: CornerFinder, scale: float) -> None:
    photo, _, _ = with_plate("blue", 60.0)
    large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    small, found = finder.find(photo, 512), finder.find(np.asarray(large, np.uint8), 512)
    assert len(found) == len(small) == 1
    assert np.abs(found[0].quad / scale - small[0].quad).max() < 3

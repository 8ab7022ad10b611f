"""Plates of a photo: corners -> flat plate -> text under the grammar, per-character posteriors, colour."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.claims import Decoded, Judge
from models.corners import CornerFinder
from models.ctc import Frames, greedy
from models.grammar import plate_alphabet, plate_forms
from models.images import Image, Quad, grown, rectify, sides
from models.lines import LineFinder, LineReader, flattened

DOUBLE_ASPECT = 2.4  # GA 36: single 440 x 140 (3.1), new energy 480 x 140 (3.4), double layer 440 x 220 (2.0)
UPPER_SHARE = 82 / 220  # GA 36: upper characters end at 75 mm, lower begin at 90 mm of 220
UPPER_SPAN = (85 / 440, 355 / 440)  # upper characters stand at 110 to 330 mm of 440
VIEWS = ((0.06, 0.12), (0.0, 0.0))  # how far a view reaches beyond the corners, in plate heights
STRETCH = 1.6  # lengthens the line so that the recogniser has frames enough to part "EE" and eight characters
PLATE_LIKE = -9.0  # log P of the best legal text above which a region counts as a plate
SEARCH_SIDE = 640
LINES_SIDE = 736
VIVID = 70  # saturation (0 to 255) from which a pixel has a colour
HUES = (("yellow", 10, 35), ("green", 35, 90), ("blue", 90, 135))  # OpenCV hue, 0 to 180
ENERGY_LENGTH = 8
MIN_GREEDY, MAX_GREEDY = 5, 10  # characters that a plate shows before its grammar is asked


@dataclass(frozen=True, kw_only=True, slots=True)
class PlateText:
    """One plate of a photo: its text, corners, colour, and the views that it was read from."""

    decoded: Decoded
    quad: Quad
    plate_type: str
    views: tuple[Frames, ...]
    flat: Image

    @property
    def height_px(self) -> float:
        """Height of the plate in the photo, pixels."""
        return sides(self.quad)[1]


class PlateReader:
    """Reads all plates of a photo, the most prominent legible one first."""

    def __init__(self, corners: CornerFinder, lines: LineFinder, reader: LineReader) -> None:
        self._corners = corners
        self._lines = lines
        self._reader = reader
        alphabet = plate_alphabet(reader.labels)
        self.judge = Judge(alphabet, plate_forms(alphabet))

    def find(self, image: Image) -> list[PlateText]:
        """Plates by their corners, else the picture itself if it could be a crop, else its text lines."""
        found = self._read_all(image, [c.quad for c in self._corners.find(image, SEARCH_SIDE)])
        whole = _whole(image)
        if not any(is_plate(plate) for plate in found) and _plate_shaped(whole):
            found += self._read_all(image, [whole])
        if not any(is_plate(plate) for plate in found):
            lines = self._lines.find(image, LINES_SIDE)
            found += self._read_all(image, [line.quad for line in lines if _plate_shaped(line.quad)])
        return sorted(found, key=_prominence, reverse=True)

    def _read_all(self, image: Image, quads: Sequence[Quad]) -> list[PlateText]:
        read = (self._read(image, quad) for quad in quads)
        return [plate for plate in read if plate is not None]

    def _read(self, image: Image, quad: Quad) -> PlateText | None:
        """The better reading of a region as one line or as two."""
        tries = [self._as_line(image, quad)]
        width, height = sides(quad)
        if width < DOUBLE_ASPECT * height < 4 * width:
            tries.append(self._as_layers(image, quad))
        return max((t for t in tries if t), key=lambda t: t.decoded.log_p, default=None)

    def _as_line(self, image: Image, quad: Quad) -> PlateText | None:
        return self._decoded(quad, [flattened(image, grown(quad, *margins)) for margins in VIEWS])

    def _as_layers(self, image: Image, quad: Quad) -> PlateText | None:
        return self._decoded(quad, [one_line(rectify(image, quad, width=440, height=220))])

    def _decoded(self, quad: Quad, flats: list[Image]) -> PlateText | None:
        alphabet = self.judge.alphabet
        first = alphabet.frames(self._reader.read(flats[0], stretch=STRETCH))
        if not MIN_GREEDY <= len(greedy(first)) <= MAX_GREEDY:
            return None
        views = (first, *(alphabet.frames(self._reader.read(flat, stretch=STRETCH)) for flat in flats[1:]))
        decoded = self.judge.decode(views)
        if decoded is None:
            return None
        return PlateText(
            decoded=decoded,
            quad=quad,
            plate_type=plate_type(flats[0], decoded.text),
            views=views,
            flat=flats[0],
        )


def is_plate(plate: PlateText) -> bool:
    """Whether a region reads like a plate at all."""
    return plate.decoded.log_p > PLATE_LIKE


def _whole(image: Image) -> Quad:
    """Corners of the picture itself, as of a crop that a plate camera hands over."""
    height, width = image.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def _plate_shaped(quad: Quad) -> bool:
    """Whether a text line could be a plate or its lower layer: 1.5 to 7 times as long as high."""
    short, long = sorted(sides(quad))
    return 1.5 * short <= long <= 7 * short


def _prominence(plate: PlateText) -> tuple[bool, float]:
    return is_plate(plate), plate.height_px * plate.decoded.confidence


def one_line(flat: Image) -> Image:
    """A flat double-layer plate (440 x 220) with its upper characters set before the lower ones."""
    height, width = flat.shape[:2]
    cut = round(height * UPPER_SHARE)
    lower = flat[cut:]
    left, right = (round(width * share) for share in UPPER_SPAN)
    upper = cv2.resize(flat[:cut, left:right], (round((right - left) * 0.8), len(lower)))
    return np.hstack([np.asarray(upper, np.uint8), lower])


def plate_type(flat: Image, text: str) -> str:
    """Colour of a flat plate: blue, yellow, green, white, black, yellow_green, unknown.

    By hue of its saturated pixels; where few are, by whether the characters are darker than the ground.
    """
    height, width = flat.shape[:2]
    inner = flat[round(0.12 * height) : round(0.88 * height), round(0.04 * width) : round(0.96 * width)]
    hue, saturation, value = (
        plane.astype(np.int64) for plane in cv2.split(cv2.cvtColor(inner, cv2.COLOR_BGR2HSV))
    )
    vivid = (saturation > VIVID) & (value > 40)
    shares = {name: float((vivid & (hue >= low) & (hue < high)).mean()) for name, low, high in HUES}
    name = max(shares, key=lambda key: shares[key])
    if shares["yellow"] > 0.1 and shares["green"] > 0.15 and len(text) == ENERGY_LENGTH:
        return "yellow_green"
    if shares[name] > 0.15:
        return name
    if len(text) == ENERGY_LENGTH and shares["green"] > 0.08:
        return "green"
    return "white" if np.median(value) > value.mean() else "black"

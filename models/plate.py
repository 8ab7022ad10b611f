"""Plates of a photo: corners -> flat plate -> text under the grammar, per-character posteriors, colour.

Our own net reads every candidate; PP-OCRv4 is the referee and is asked only where the net is not sure. What is
told then is what both make likeliest under the grammar.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.claims import Decoded, Judge
from models.corners import CornerFinder
from models.ctc import NEVER, Frames, greedy
from models.grammar import plate_alphabet, plate_forms
from models.images import Image, Quad, grown, rectify, sides
from models.lines import LineFinder, LineReader, flattened
from models.plate_net import PlateNet, Seen

DOUBLE_ASPECT = 2.4  # GA 36: single 440 x 140 (3.1), new energy 480 x 140 (3.4), double layer 440 x 220 (2.0)
UPPER_SHARE = 82 / 220  # GA 36: upper characters end at 75 mm, lower begin at 90 mm of 220
UPPER_SPAN = (85 / 440, 355 / 440)  # upper characters stand at 110 to 330 mm of 440
NET_VIEWS = ((0.04, 0.08), (0.0, 0.02))  # how far a view of the net reaches beyond the corners, plate heights
LAYER_VIEWS = (0.03, 0.0)  # the same of a plate of two layers
REFEREE_VIEWS = ((0.06, 0.12), (0.0, 0.0))  # the same of the referee
LAYERED = 0.1  # share of two layers from which a plate is also read as two
SURE, CLEAR = 0.95, -1.0  # confidence and log P from which the net needs no referee
STRETCH = 1.6  # lengthens the line so that the recogniser has frames enough to part "EE" and eight characters
PLATE_LIKE = -9.0  # log P of the best legal text above which a region counts as a plate
SEARCH_SIDES = (640, 960)
CROP_SIDE = 480  # pixels; a plate-shaped picture no larger is first read as it is
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
    refereed: bool = False

    @property
    def height_px(self) -> float:
        """Height of the plate in the photo, pixels."""
        return sides(self.quad)[1]


class PlateReader:
    """Reads all plates of a photo, the most prominent legible one first."""

    def __init__(self, corners: CornerFinder, lines: LineFinder, reader: LineReader, net: PlateNet) -> None:
        self._corners = corners
        self._lines = lines
        self._reader = reader
        self._net = net
        self.judge = Judge(plate_alphabet(reader.labels), plate_forms(plate_alphabet(reader.labels)))
        self._own = plate_alphabet(net.labels)

    def find(self, image: Image) -> list[PlateText]:
        """Plates by their corners, else the picture itself if it could be a crop, else its text lines."""
        if _crop_sized(image):
            whole = self._read(image, _whole(image), ask=False)
            if whole is not None and _sure(whole.decoded):
                return [whole]
        found: list[PlateText] = []
        for regions in self._searches(image):
            found += self._read_all(image, regions)
            if any(is_plate(plate) for plate in found):
                break
        best = _clearness if _crop_sized(image) else _prominence
        return sorted(found, key=best, reverse=True)

    def _searches(self, image: Image) -> Iterator[list[Quad]]:
        """Regions to read, the cheapest search first."""
        whole = _whole(image)
        crop = [whole] if _crop_sized(image) else []
        yield crop + [found.quad for found in self._corners.find(image, SEARCH_SIDES[0])]
        if max(image.shape[:2]) > SEARCH_SIDES[0]:
            yield [found.quad for found in self._corners.find(image, SEARCH_SIDES[1])]
        if not crop and _plate_shaped(whole):
            yield [whole]
        lines = self._lines.find(image, LINES_SIDE)
        yield [line.quad for line in lines if _plate_shaped(line.quad)]

    def _read_all(self, image: Image, quads: Sequence[Quad]) -> list[PlateText]:
        read = (self._read(image, quad) for quad in quads)
        return [plate for plate in read if plate is not None]

    def _read(self, image: Image, quad: Quad, *, ask: bool = True) -> PlateText | None:
        """The better reading of a region as one line or as two; ``ask`` the referee where it is not sure."""
        line = self._tried([flattened(image, grown(quad, *margins)) for margins in NET_VIEWS])
        tries = [line]
        width, height = sides(quad)
        if width < DOUBLE_ASPECT * height < 4 * width or line.seen[0].layered > LAYERED:
            flats = [rectify(image, grown(quad, m, m), width=440, height=220) for m in LAYER_VIEWS]
            tries.append(self._tried([one_line(flat) for flat in flats], layers=2))
        best = max(tries, key=_log_p)
        if ask and not _sure(best.decoded):
            for each in tries:
                self._refereed(image, quad, each)
            best = max(tries, key=_log_p)
        return _told(quad, best, line)

    def _tried(self, flats: list[Image], layers: int = 1) -> "_Try":
        """What the net alone makes of some flat views."""
        seen = self._net.read(flats)
        views = [self._own.frames(each.frames) for each in seen]
        return _Try(flats=flats, seen=seen, layers=layers, views=views, decoded=self.judge.decode(views))

    def _refereed(self, image: Image, quad: Quad, each: "_Try") -> None:
        """Adds the referee's views, until both are sure."""
        alphabet = self.judge.alphabet
        if each.layers == 2:
            flats = each.flats[-1:]
        else:
            flats = [flattened(image, grown(quad, *margins)) for margins in REFEREE_VIEWS]
        for flat in flats:
            frames = alphabet.frames(self._reader.read(flat, stretch=STRETCH))
            if not MIN_GREEDY <= len(greedy(frames)) <= MAX_GREEDY:
                continue
            each.views = [*each.views, frames]
            each.refereed = True
            each.decoded = self.judge.decode(each.views)
            if _sure(each.decoded):
                return


@dataclass(kw_only=True, slots=True)
class _Try:
    """A region read as one line or as two layers: its flat pictures, what the net saw, views, text."""

    flats: list[Image]
    seen: list[Seen]
    layers: int
    views: list[Frames]
    decoded: Decoded | None
    refereed: bool = False


def _sure(decoded: Decoded | None) -> bool:
    return decoded is not None and decoded.confidence >= SURE and decoded.log_p >= CLEAR


def _log_p(tried: _Try) -> float:
    return tried.decoded.log_p if tried.decoded else NEVER


def _told(quad: Quad, best: _Try, line: _Try) -> PlateText | None:
    if best.decoded is None:
        return None
    return PlateText(
        decoded=best.decoded,
        quad=quad,
        plate_type=plate_type(line.flats[0], best.decoded.text),
        views=tuple(best.views),
        flat=best.flats[0],
        refereed=best.refereed,
    )


def is_plate(plate: PlateText) -> bool:
    """Whether a region reads like a plate at all."""
    return plate.decoded.log_p > PLATE_LIKE


def _whole(image: Image) -> Quad:
    """Corners of the picture itself, as of a crop that a plate camera hands over."""
    height, width = image.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def _crop_sized(image: Image) -> bool:
    """Whether a picture is likely a plate that a camera has cut out already."""
    return max(image.shape[:2]) <= CROP_SIDE and _plate_shaped(_whole(image))


def _plate_shaped(quad: Quad) -> bool:
    """Whether a text line could be a plate or its lower layer: 1.5 to 7 times as long as high."""
    short, long = sorted(sides(quad))
    return 1.5 * short <= long <= 7 * short


def _prominence(plate: PlateText) -> tuple[bool, float]:
    return is_plate(plate), plate.height_px * plate.decoded.confidence


def _clearness(plate: PlateText) -> float:
    return plate.decoded.log_p


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

"""Plates of a photo: corners -> flat plate -> text under the grammar, per-character posteriors, colour.

Our own net looks at every candidate once, all in one run. PP-OCRv4 is the referee and is asked only about the
plate that would be told first, where the net is not sure. What is told then is what both make likeliest under
the grammar.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from models.claims import Decoded, Judge
from models.corners import Candidate, CornerFinder
from models.ctc import NEVER, Frames, greedy
from models.grammar import plate_alphabet, plate_forms, plate_prior
from models.images import Image, Quad, grown, rectify, sides
from models.lines import LineFinder, LineReader, flattened
from models.plate_net import PlateNet, Seen

DOUBLE_ASPECT = 2.4  # GA 36: single 440 x 140 (3.1), new energy 480 x 140 (3.4), double layer 440 x 220 (2.0)
UPPER_SHARE = 82 / 220  # GA 36: upper characters end at 75 mm, lower begin at 90 mm of 220
UPPER_SPAN = (85 / 440, 355 / 440)  # upper characters stand at 110 to 330 mm of 440
NET_VIEW = (0.04, 0.08)  # how far the net's view reaches beyond the corners, in plate heights
LAYER_VIEW = 0.03  # the same of a plate of two layers
REFEREE_VIEW = (0.06, 0.12)  # the same of the referee
LAYERED = 0.1  # share of two layers from which a plate is also read as two
SURE, CLEAR = 0.95, -1.0  # confidence and log P from which the net needs no referee
MUDDLED = -5.0  # log P below which no text explains the views
STRETCH = 1.6  # lengthens the line so that the recogniser has frames enough to part "EE" and eight characters
PLATE_LIKE = -9.0  # log P of the best legal text above which a region counts as a plate
SEARCH_SIDES = (512, 960)  # the second where the first finds no plate
CROP_SIDE = 480  # pixels; a plate-shaped picture no larger is first read as it is
LINES_SIDE = 736
GREENS = (
    "green",
    "yellow_green",
)  # GA 36: small vehicles of new energy, letter third; large ones, letter last
ENERGY_LENGTH = 8
MIN_GREEDY, MAX_GREEDY = 5, 10  # characters that the referee shows before its grammar is asked


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


@dataclass(kw_only=True, slots=True)
class _Try:
    """A region read as one line or as two layers: its flat picture, what the net saw, views, text."""

    flat: Image
    seen: Seen
    views: list[Frames]
    decoded: Decoded | None
    layers: int = 1


@dataclass(kw_only=True, slots=True)
class _Region:
    """A place that may be a plate, as one line and, where it may have two layers, as those."""

    place: Candidate
    tries: list[_Try]
    asked: bool = False  # the referee
    refereed: bool = False  # it had something to say

    @property
    def best(self) -> _Try:
        return max(self.tries, key=lambda each: _log_p(each.decoded))

    @property
    def log_p(self) -> float:
        return _log_p(self.best.decoded)


Order: TypeAlias = Callable[[_Region], float]
Explained: TypeAlias = tuple[list[Frames], Decoded | None]  # some views and the text that explains them


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
        crop = _crop_sized(image)
        order = _clearness if crop else _prominence(image.shape[1])
        regions: list[_Region] = []
        for search, places in enumerate(self._searches(image, crop=crop)):
            regions += self._looked_at(image, places)
            if crop and search == 0 and not _sure(regions[0]):
                continue  # its corners are sought before the referee is asked
            while doubtful := _doubtful(regions, order):
                self._referee(image, doubtful)
            if any(region.log_p > PLATE_LIKE for region in regions):
                break
        told = (_told(region) for region in sorted(regions, key=order, reverse=True))
        return [plate for plate in told if plate is not None]

    def read(self, image: Image, quad: Quad) -> PlateText | None:
        """The plate at four corners; the referee is asked where the net is not sure."""
        region = self._looked_at(image, [Candidate(quad=quad, score=1.0)])[0]
        if not _sure(region):
            self._referee(image, region)
        return _told(region)

    def _searches(self, image: Image, *, crop: bool) -> Iterator[list[Candidate]]:
        """Places to read, the cheapest search first."""
        whole = Candidate(quad=_whole(image), score=1.0)
        if crop:
            yield [whole]
        yield self._corners.find(image, SEARCH_SIDES[0])
        if max(image.shape[:2]) > SEARCH_SIDES[0]:
            yield self._corners.find(image, SEARCH_SIDES[1])
        if not crop and _plate_shaped(whole.quad):
            yield [whole]
        lines = self._lines.find(image, LINES_SIDE)
        yield [Candidate(quad=line.quad, score=line.score) for line in lines if _plate_shaped(line.quad)]

    def _looked_at(self, image: Image, places: Sequence[Candidate]) -> list[_Region]:
        """What the net alone makes of some places."""
        lines = self._tried([flattened(image, grown(place.quad, *NET_VIEW)) for place in places])
        regions = [_Region(place=place, tries=[line]) for place, line in zip(places, lines, strict=True)]
        doubles = [region for region in regions if _may_be_double(region)]
        flats = [_double_flat(image, region.place.quad, LAYER_VIEW) for region in doubles]
        for region, layered in zip(doubles, self._tried(flats, layers=2), strict=True):
            region.tries.append(layered)
        return regions

    def _tried(self, flats: list[Image], layers: int = 1) -> list[_Try]:
        found = []
        for flat, seen in zip(flats, self._net.read(flats), strict=True):
            views = [self._own.frames(seen.frames)]
            found.append(
                _Try(flat=flat, seen=seen, layers=layers, views=views, decoded=self.judge.decode(views))
            )
        return found

    def _referee(self, image: Image, region: _Region) -> None:
        """Adds what the referee makes of a region."""
        region.asked = True
        quad = region.place.quad
        for each in region.tries:
            double = each.layers == 2
            flat = _double_flat(image, quad, 0.0) if double else flattened(image, grown(quad, *REFEREE_VIEW))
            frames = self.judge.alphabet.frames(self._reader.read(flat, stretch=STRETCH))
            if MIN_GREEDY <= len(greedy(frames)) <= MAX_GREEDY:
                each.views, each.decoded = self._explained((each.views, each.decoded), frames)
                region.refereed = True

    def _explained(self, own: Explained, frames: Frames) -> Explained:
        """The net's views and the referee's together; where no text explains both, the clearer of the two."""
        views = [*own[0], frames]
        both = views, self.judge.decode(views)
        if not _muddled(both[1]):
            return both
        alone = [frames], self.judge.decode([frames])
        clearer = max(own, alone, key=lambda way: _log_p(way[1]))
        return both if _muddled(clearer[1]) else clearer


def _sure(region: _Region) -> bool:
    """Whether a text is confident and clear; that its form is rare makes it no less clear."""
    decoded = region.best.decoded
    if decoded is None or decoded.confidence < SURE:
        return False
    return decoded.log_p >= CLEAR or decoded.log_p - plate_prior(decoded.text) >= CLEAR


def _log_p(decoded: Decoded | None) -> float:
    return decoded.log_p if decoded else NEVER


def _muddled(decoded: Decoded | None) -> bool:
    return _log_p(decoded) < MUDDLED


def _doubtful(regions: Sequence[_Region], order: Order) -> _Region | None:
    """What the referee is to be asked about: what would be told first; all while nothing reads as a plate."""
    ordered = sorted(regions, key=order, reverse=True)
    if any(region.log_p > PLATE_LIKE for region in ordered):
        return None if ordered[0].asked or _sure(ordered[0]) else ordered[0]
    return next((region for region in ordered if not region.asked), None)


def _clearness(region: _Region) -> float:
    """The order within a crop, where all regions are of one plate."""
    return region.log_p


def _prominence(width: int) -> Order:
    """The order within a photo: how high a plate stands in it, how far from its sides, how surely it is one.

    A photo is taken of the vehicle in its middle; a larger plate at its side is that of another, cut off.
    The weight falls from 1 in the middle to a half at the sides, and is 0 where nothing reads as a plate.
    """

    def order(region: _Region) -> float:
        place = region.place
        aside = abs(float(place.quad[:, 0].mean()) / width - 0.5)
        like = max(1 - region.log_p / PLATE_LIKE, 0.0)
        return sides(place.quad)[1] * (1 - aside) * place.score * like

    return order


def _may_be_double(region: _Region) -> bool:
    width, height = sides(region.place.quad)
    layered = region.tries[0].seen.layered > LAYERED or region.place.layers == 2
    return width < DOUBLE_ASPECT * height < 4 * width or layered


def _double_flat(image: Image, quad: Quad, margin: float) -> Image:
    return one_line(rectify(image, grown(quad, margin, margin), width=440, height=220))


def _told(region: _Region) -> PlateText | None:
    best, line = region.best, region.tries[0]
    if best.decoded is None:
        return None
    return PlateText(
        decoded=best.decoded,
        quad=region.place.quad,
        plate_type=_colour(line.seen.colour, best.decoded.text),
        views=tuple(best.views),
        flat=best.flat,
        refereed=region.refereed,
    )


def _colour(seen: str, text: str) -> str:
    """The colour that was seen; which of the greens it is, the place of the letter tells."""
    if seen in GREENS and len(text) == ENERGY_LENGTH:
        return GREENS[not text[-1].isdigit()]
    return seen


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


def one_line(flat: Image) -> Image:
    """A flat double-layer plate (440 x 220) with its upper characters set before the lower ones."""
    height, width = flat.shape[:2]
    cut = round(height * UPPER_SHARE)
    lower = flat[cut:]
    left, right = (round(width * share) for share in UPPER_SPAN)
    upper = cv2.resize(flat[:cut, left:right], (round((right - left) * 0.8), len(lower)))
    return np.hstack([np.asarray(upper, np.uint8), lower])

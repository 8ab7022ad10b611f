"""The VIN of a photo: where its line lies, 17 characters under the VIN grammar, two readers, views fused."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.claims import Decoded, Judge
from models.ctc import Frames, greedy, moments
from models.grammar import STAR, vin_alphabet, vin_forms, vin_plausible
from models.images import Image, Quad, grown, sides
from models.lines import LineFinder, LineReader, flattened, laid
from models.locator import Spot, VinLocator
from models.voter import Voter

SEARCH_SIDE = 736
LEAST_SIDE = 160  # long side at which the surroundings of a spot are searched, at least
AROUND = (0.6, 0.6)  # how far beyond a spot, in its heights
MIN_GREEDY, MAX_GREEDY = 12, 24
VIN_LIKE = -40.0  # log P of the best 17 characters above which a line counts as a VIN
CERTAIN = -4.0  # log P of a glance above which the rest of the photo is not searched
STUDIED = 3  # lines that are read from all views
TIE = 6.0  # natural log: how much worse a text may look that check digit or maker prefer
VIEWS = ((0.0, 0.0), (0.06, 0.1), (-0.06, 0.15))  # what PP-OCR sees; the first is the glance
VOTES = ((0.06, 0.1), (0.15, 0.3), (0.0, 0.2))  # what the voter sees


@dataclass(frozen=True, kw_only=True, slots=True)
class VinText:
    """One line that reads like a VIN: its text, corners, and the views that it was read from."""

    decoded: Decoded
    quad: Quad
    views: tuple[Frames, ...]
    flat: Image

    @property
    def height_px(self) -> float:
        """Height of the line in the photo, pixels."""
        return sides(self.quad)[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Glance:
    log_p: float
    quad: Quad
    views: tuple[Frames, ...]


class VinReader:
    """Reads the VIN lines of a photo, the best first."""

    def __init__(self, lines: LineFinder, reader: LineReader, locator: VinLocator, voter: Voter) -> None:
        self._lines = lines
        self._reader = reader
        self._locator = locator
        self._voter = voter
        alphabet = vin_alphabet(reader.labels)
        self._votes = vin_alphabet(voter.labels)
        self.judge = Judge(alphabet, vin_forms(alphabet), edge=STAR, plausible=vin_plausible(alphabet))

    def find(self, image: Image) -> list[VinText]:
        """Lines of about 17 characters: near located spots, else anywhere; from the other end if need be."""
        quads = [quad for spot in self._locator.find(image) for quad in self._near(image, spot)]
        glances = self._glance_all(image, quads)
        if not _any(glances, CERTAIN):
            lines = [line.quad for line in self._lines.find(image, SEARCH_SIDE, enlarge=True)]
            others = [quad for quad in [*lines, *joined(lines), *map(_lower, quads)] if elongated(quad)]
            glances += self._glance_all(image, others)
            quads += others
        if not _any(glances, VIN_LIKE):
            glances += self._glance_all(image, [turned(quad) for quad in quads])
        best = sorted(glances, key=lambda glance: glance.log_p, reverse=True)[:STUDIED]
        found = [self._study(image, glance) for glance in best if glance.log_p > best[0].log_p - 2 * TIE]
        return sorted(found, key=lambda text: text.decoded.log_p, reverse=True)

    def fused(self, texts: Sequence[VinText]) -> VinText:
        """One reading of the same VIN from several photos: all views; corners of the clearest."""
        clearest = max(texts, key=lambda text: text.decoded.log_p)
        views = tuple(view for text in texts for view in text.views)
        return VinText(decoded=self._decoded(views), quad=clearest.quad, views=views, flat=clearest.flat)

    def places(self, text: VinText, known: str) -> NDArray[np.float64]:
        """Where along its line each character of ``known`` stands, 0..1, by the first view."""
        frames = text.views[0]
        when = moments(frames, self.judge.alphabet.encode(known), self.judge.alphabet.encode(STAR)[0])
        return np.asarray((when + 0.5) / len(frames))

    def _near(self, image: Image, spot: Spot) -> list[Quad]:
        """The lines in the surroundings of a spot whose middle it holds, else the spot itself."""
        around = grown(spot.quad, *AROUND)
        low = np.maximum(around.min(axis=0), 0).astype(int)
        high = np.ceil(around.max(axis=0)).astype(int) + 1
        part = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
        side = max(round(SEARCH_SIDE * max(part.shape[:2]) / max(image.shape[:2])), LEAST_SIDE)
        found = [line.quad + low.astype(np.float32) for line in self._lines.find(part, side, enlarge=True)]
        lines = [quad for quad in found + joined(found) if elongated(quad) and _crosses(quad, spot.quad)]
        return lines or [spot.quad]

    def _glance_all(self, image: Image, quads: Sequence[Quad]) -> list[_Glance]:
        """Each line that could hold a VIN, from one view by each reader."""
        views = [(quad, self._view(image, quad, *VIEWS[0])) for quad in map(laid, quads)]
        fit = [(quad, view) for quad, view in views if MIN_GREEDY <= len(greedy(view)) <= MAX_GREEDY]
        votes = self._vote(image, [(quad, VOTES[0]) for quad, _ in fit])
        glances = []
        for (quad, view), vote in zip(fit, votes, strict=True):
            decoded = self.judge.decode([view, vote])
            if decoded is not None:
                glances.append(_Glance(log_p=decoded.log_p, quad=quad, views=(view, vote)))
        return glances

    def _view(self, image: Image, quad: Quad, across: float, along: float) -> Frames:
        return self.judge.alphabet.frames(self._reader.read(flattened(image, grown(quad, across, along))))

    def _vote(self, image: Image, cuts: Sequence[tuple[Quad, tuple[float, float]]]) -> list[Frames]:
        flats = [flattened(image, grown(quad, *margins)) for quad, margins in cuts]
        return [self._votes.frames(frames) for frames in self._voter.read(flats)]

    def _study(self, image: Image, glance: _Glance) -> VinText:
        """A promising line read from all views by both readers."""
        quad = glance.quad
        more = [self._view(image, quad, *margins) for margins in VIEWS[1:]]
        votes = self._vote(image, [(quad, margins) for margins in VOTES[1:]])
        views = (*glance.views, *more, *votes)
        return VinText(decoded=self._decoded(views), quad=quad, views=views, flat=flattened(image, quad))

    def _decoded(self, views: Sequence[Frames]) -> Decoded:
        decoded = self.judge.decode(views)
        assert decoded is not None  # one view alone gave a text
        return self.judge.likelier(views, decoded, TIE)


def is_vin(text: VinText) -> bool:
    """Whether a line reads like a VIN at all."""
    return text.decoded.log_p > VIN_LIKE


def _any(glances: Sequence[_Glance], least: float) -> bool:
    return any(glance.log_p > least for glance in glances)


def joined(quads: Sequence[Quad]) -> list[Quad]:
    """Lines made of two or more neighbouring fragments that lie on one line, as corners of the whole."""
    rows: list[list[Quad]] = []
    for quad in sorted(quads, key=lambda q: float(q[:, 0].min())):
        row = next((row for row in rows if _collinear(row[-1], quad)), None)
        if row is None:
            rows.append([quad])
        else:
            row.append(quad)
    return [_around(row) for row in rows if len(row) > 1]


def _collinear(left: Quad, right: Quad) -> bool:
    """Whether ``right`` continues the line of ``left``: as high, level with it, at most 4 heights away."""
    (_, tall), (_, other) = sides(left), sides(right)
    along = (left[1] - left[0] + left[2] - left[3]) / 2
    along = along / max(float(np.linalg.norm(along)), 1.0)
    gap = (right[0] + right[3] - left[1] - left[2]) / 2
    ahead, aside = float(gap @ along), float(abs(gap[1] * along[0] - gap[0] * along[1]))
    alike = max(tall, other) < 1.8 * min(tall, other)
    return alike and aside < 0.5 * min(tall, other) and -tall < ahead < 4 * tall


def _around(row: Sequence[Quad]) -> Quad:
    """Corners of a whole row: the left edge of its first fragment, the right edge of its last."""
    first, last = row[0], row[-1]
    return np.array([first[0], last[1], last[2], first[3]], np.float32)


def turned(quad: Quad) -> Quad:
    """The same line read from its other end."""
    return np.asarray(np.roll(quad, 2, axis=0), np.float32)


def _lower(quad: Quad) -> Quad:
    """The lower part of a line: labels print the VIN below its bar code, which is found with it."""
    upper, lower = quad[[0, 1]], quad[[3, 2]]
    cut = lower + (upper - lower) * 0.5
    return np.array([cut[0], cut[1], lower[1], lower[0]], np.float32)


def elongated(quad: Quad) -> bool:
    """Whether a line is at least three times as long as high, as any half of a VIN is."""
    short, long = sorted(sides(quad))
    return long >= 3 * short


def _crosses(quad: Quad, spot: Quad) -> bool:
    """Whether the middle of a line lies in a spot."""
    x, y = (float(v) for v in quad.mean(axis=0))
    return cv2.pointPolygonTest(np.ascontiguousarray(spot, np.float32), (x, y), False) >= 0

"""The VIN of a photo: text lines, fragments of one line joined, 17 characters under the VIN grammar."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.claims import Decoded, Judge
from models.ctc import Frames, greedy
from models.grammar import STAR, check_holds, vin_alphabet, vin_forms
from models.images import Image, Quad, grown, sides
from models.lines import LineFinder, LineReader, flattened

SEARCH_SIDE = 736
MIN_GREEDY, MAX_GREEDY = 12, 24
VIN_LIKE = -40.0  # log P of the best 17 characters above which a line counts as a VIN
STUDIED = 3  # lines that are read from all views
TIE = 5.0  # natural log: how much worse a text may be that the check digit prefers
VIEWS = ((0.0, 0.0), (0.12, 0.3), (-0.06, 0.15))


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


class VinReader:
    """Reads the VIN lines of a photo, the best first."""

    def __init__(self, lines: LineFinder, reader: LineReader) -> None:
        self._lines = lines
        self._reader = reader
        alphabet = vin_alphabet(reader.labels)
        self.judge = Judge(alphabet, vin_forms(alphabet), edge=STAR)

    def find(self, image: Image) -> list[VinText]:
        """Lines of about 17 characters, fragments joined; other ends are tried when no line reads well."""
        quads = [line.quad for line in self._lines.find(image, SEARCH_SIDE, enlarge=True)]
        quads = [quad for quad in quads + joined(quads) if _elongated(quad)]
        glances = self._glance_all(image, quads)
        if not any(log_p > VIN_LIKE for log_p, _, _ in glances):
            glances += self._glance_all(image, [_turned(quad) for quad in quads])
        best = sorted(glances, key=lambda glance: glance[0], reverse=True)[:STUDIED]
        found = [self._study(image, quad, first) for _, quad, first in best]
        return sorted(found, key=lambda text: text.decoded.log_p, reverse=True)

    def _glance_all(self, image: Image, quads: Sequence[Quad]) -> list[tuple[float, Quad, Frames]]:
        """(log P, corners, frames) of each line that could hold a VIN, from one view."""
        glances = []
        for quad in quads:
            frames = self._view(image, quad, *VIEWS[0])
            if not MIN_GREEDY <= len(greedy(frames)) <= MAX_GREEDY:
                continue
            decoded = self.judge.decode([frames])
            if decoded is not None:
                glances.append((decoded.log_p, quad, frames))
        return glances

    def _view(self, image: Image, quad: Quad, across: float, along: float) -> Frames:
        return self.judge.alphabet.frames(self._reader.read(flattened(image, grown(quad, across, along))))

    def _study(self, image: Image, quad: Quad, first: Frames) -> VinText:
        """A promising line read from all views."""
        views = (first, *(self._view(image, quad, *margins) for margins in VIEWS[1:]))
        decoded = self.judge.decode(views)
        assert decoded is not None  # the first view alone gave a text
        flat = flattened(image, quad)
        return VinText(decoded=self._checked(decoded, views), quad=quad, views=views, flat=flat)

    def _checked(self, decoded: Decoded, views: Sequence[Frames]) -> Decoded:
        """The same reading, or its best near-tie whose check digit holds when its own does not."""
        if check_holds(decoded.text) is not False:
            return decoded
        near = self.judge.near_ties(views, decoded.text, TIE)
        better = [text for text in near if check_holds(text)] or [t for t in near if check_holds(t) is None]
        if not better:
            return decoded
        # log P stays that of the likelier text, so that a claim of the text refused here cannot lead it
        return replace(self.judge.described(views, better[0]), log_p=decoded.log_p)


def is_vin(text: VinText) -> bool:
    """Whether a line reads like a VIN at all."""
    return text.decoded.log_p > VIN_LIKE


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


def _turned(quad: Quad) -> Quad:
    """The same line read from its other end."""
    return np.asarray(np.roll(quad, 2, axis=0), np.float32)


def _elongated(quad: Quad) -> bool:
    """Whether a line is at least three times as long as high, as any half of a VIN is."""
    short, long = sorted(sides(quad))
    return long >= 3 * short

"""Characters and plate faces: printed glyphs, struck strokes, and the plate layouts of GA 36-2018."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Picture: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]  # BGR

FONT_PACKAGE = "cvttf_NotoSansCJK_Bold"  # Noto Sans CJK Bold, SIL Open Font License 1.1
FONT_FILE = "NotoSansCJKtc-Bold.otf"
_press = Lock()  # a FreeType face serves one thread at a time; photos are rendered in several


class FontMissing(RuntimeError):
    """The wheel with the font is not installed; the text says how to mend it."""


@cache
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """The site's font; raises FontMissing when its wheel is absent."""
    try:
        path = files(FONT_PACKAGE) / FONT_FILE
    except ModuleNotFoundError as e:
        raise FontMissing(
            f"the virtual site needs the font wheel {FONT_PACKAGE}: pip install 'chayan[demo]'"
        ) from e
    return ImageFont.truetype(str(path), size_px)


def printed(text: str, size_px: int) -> Image.Image:
    """Coverage of a line of text, as large as its bounding box and one pixel round it."""
    with _press:
        left, top, right, bottom = font(size_px).getbbox(text)
        sheet = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2), 0)
        ImageDraw.Draw(sheet).text((1 - left, 1 - top), text, fill=255, font=font(size_px))
    return sheet


def text_width(text: str, size_px: int) -> float:
    """How far a line of text runs, px."""
    with _press:
        return font(size_px).getlength(text)


@cache
def glyph(text: str, width_px: int, height_px: int) -> Picture:
    """Ink of ``text`` stretched to exactly width x height: coverage 0..255 (do not write to it)."""
    sheet = printed(text, max(24, int(height_px * 1.4)))
    ink = sheet.crop(sheet.getbbox())
    return np.asarray(ink.resize((width_px, height_px), Image.Resampling.LANCZOS), np.uint8)


@cache
def plate_glyph(char: str, width_px: int, height_px: int) -> Picture:
    """A plate character; the Q of plates keeps its bowl at full height, its tail within the cell."""
    if char != "Q":
        return glyph(char, width_px, height_px)
    bowl = glyph("O", width_px, height_px).copy()
    ends = np.array([(0.48, 0.66), (0.97, 0.97)]) * (width_px, height_px)
    thick = max(1, round(width_px * 0.2))
    cv2.polylines(bowl, [np.round(ends * 16).astype(np.int32)], False, (255, 0, 0), thick, cv2.LINE_AA, 4)
    return bowl


def write(picture: Picture, text: str, at: tuple[int, int], size_px: int, colour: Colour) -> None:
    """Prints ``text`` into the picture with its upper left corner at ``at``; what falls outside is cut."""
    ink(picture, np.asarray(printed(text, size_px), np.uint8), at, colour)


def ink(picture: Picture, coverage: Picture, at: tuple[int, int], colour: Colour) -> None:
    """Lays ``colour`` into the picture where ``coverage`` is, upper left corner at ``at``."""
    x, y = at
    window = picture[max(0, y) : y + coverage.shape[0], max(0, x) : x + coverage.shape[1]]
    part = coverage[max(0, -y) :, max(0, -x) :][: window.shape[0], : window.shape[1]]
    share = part[..., None].astype(np.float32) / 255
    window[:] = (window * (1 - share) + np.array(colour, np.float32) * share).astype(np.uint8)


# ---- plates ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Where one character stands on a plate, mm from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A plate face: size in mm, cells in reading order, centre of the separating dot (10 mm)."""

    width: int
    height: int
    cells: tuple[Cell, ...]
    dot: tuple[float, float] | None = None


def row(
    x: float, y: float, height: float, widths: tuple[float, ...], gaps: tuple[float, ...]
) -> tuple[Cell, ...]:
    """Cells of one line: ``gaps[i]`` lies after cell i."""
    cells = []
    for width, gap in zip(widths, (*gaps, 0.0), strict=True):
        cells.append(Cell(x=x, y=y, width=width, height=height))
        x += width + gap
    return tuple(cells)


# GA 36-2018 as public generators use it (F): characters 45 x 90 mm, gaps 12 mm, 34 mm at the dot.
SINGLE = Layout(
    width=440, height=140, cells=row(15, 25, 90, (45,) * 7, (12, 34, 12, 12, 12, 12)), dot=(134.0, 70.0)
)
NEW_ENERGY = Layout(width=480, height=140, cells=row(15.5, 25, 90, (45,) + (43,) * 7, (9, 49, 9, 9, 9, 9, 9)))
DOUBLE = Layout(
    width=440,
    height=220,
    cells=row(110, 15, 60, (80, 80), (60,)) + row(27, 90, 110, (65,) * 5, (15,) * 4),
    dot=(220.0, 45.0),
)


@dataclass(frozen=True, kw_only=True)
class Style:
    """Colours of a plate (BGR): ground at top and bottom, characters; ``left`` grounds the first two."""

    name: str  # plate colour as cameras and models call it
    top: Colour
    bottom: Colour
    text: Colour
    left: Colour | None = None


BLUE = Style(name="blue", top=(168, 66, 10), bottom=(160, 60, 6), text=(250, 250, 250))
YELLOW = Style(name="yellow", top=(12, 180, 244), bottom=(8, 172, 240), text=(20, 20, 20))
WHITE = Style(name="white", top=(240, 240, 240), bottom=(234, 234, 234), text=(22, 22, 22))
BLACK = Style(name="black", top=(32, 30, 30), bottom=(26, 24, 24), text=(245, 245, 245))
GREEN = Style(name="green", top=(236, 246, 236), bottom=(116, 196, 66), text=(24, 22, 22))
YELLOW_GREEN = Style(
    name="yellow_green", top=(116, 200, 72), bottom=(112, 194, 64), text=(20, 20, 20), left=(12, 180, 244)
)

# GA/T 16.7 kinds (hpzl); colours M, domain notes 5.2
STYLES = {
    "01": YELLOW, "02": BLUE, "03": BLACK, "04": BLACK, "15": YELLOW, "16": YELLOW, "23": WHITE,
    "26": BLACK, "27": BLACK, "31": WHITE, "32": WHITE, "51": YELLOW_GREEN, "52": GREEN,
}  # fmt: skip
RED_CHARACTERS = "警使领"
RED: Colour = (40, 30, 205)
DIGIT_ONE_SHARE = 0.5  # the figure 1 stays narrow in its cell


def plate_style(hpzl: str) -> Style:
    """Colours of a plate kind; raises ValueError for a kind that is not drawn."""
    if hpzl not in STYLES:
        raise ValueError(f"plate kind {hpzl!r} cannot be drawn; kinds that can: {', '.join(sorted(STYLES))}")
    return STYLES[hpzl]


def plate_layout(hphm: str, *, double: bool = False) -> Layout:
    """Layout for a plate number: 8 characters are new energy; raises ValueError for other lengths."""
    layout = NEW_ENERGY if len(hphm) == 8 else DOUBLE if double else SINGLE
    if len(hphm) != len(layout.cells):
        raise ValueError(f"plate {hphm!r} has {len(hphm)} characters; a plate has 7, or 8 for new energy")
    return layout


@cache
def plate_face(hpzl: str, hphm: str, *, double: bool = False, px_per_mm: float = 1.0) -> Picture:
    """The face of a plate, straight from the front (BGR; do not write to it)."""
    layout, style = plate_layout(hphm, double=double), plate_style(hpzl)
    face = ground(layout, style, px_per_mm)
    for char, cell in zip(hphm, layout.cells, strict=True):
        share = DIGIT_ONE_SHARE if char == "1" else 1.0
        size = (round(cell.width * share * px_per_mm), round(cell.height * px_per_mm))
        left = cell.x + cell.width * (1 - share) / 2
        at = (round(left * px_per_mm), round(cell.y * px_per_mm))
        ink(face, plate_glyph(char, *size), at, RED if char in RED_CHARACTERS else style.text)
    if layout.dot:
        dot(face, layout.dot, 5, style.text, px_per_mm)
    return face


def ground(layout: Layout, style: Style, px_per_mm: float) -> Picture:
    """Ground, border line and the four bolts of a plate."""
    width, height = round(layout.width * px_per_mm), round(layout.height * px_per_mm)
    mix = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    column = np.array(style.top, np.float32) * (1 - mix) + np.array(style.bottom, np.float32) * mix
    face = np.ascontiguousarray(np.broadcast_to(column, (height, width, 3))).astype(np.uint8)
    if style.left:
        face[:, : round(134 * px_per_mm)] = style.left
    margin, line = round(5 * px_per_mm), max(1, round(2.5 * px_per_mm))
    cv2.rectangle(
        face, (margin, margin), (width - 1 - margin, height - 1 - margin), style.text, line, cv2.LINE_AA
    )
    for x in (layout.width * 0.25, layout.width * 0.75):
        for y in (12, layout.height - 12):
            dot(face, (x, y), 6, (150, 150, 150), px_per_mm)
    return face


def dot(face: Picture, at: tuple[float, float], radius_mm: float, colour: Colour, px_per_mm: float) -> None:
    """A round spot, mm."""
    centre = (round(at[0] * px_per_mm * 16), round(at[1] * px_per_mm * 16))
    cv2.circle(face, centre, round(radius_mm * px_per_mm * 16), colour, -1, cv2.LINE_AA, shift=4)


# ---- struck characters -----------------------------------------------------------------------------------

# The project's own strokes on a grid of 8 x 12: pairs of hexadecimal x, y; "~" a curve, "@" a closed curve.
STROKES = {
    "0": "@10 70 84 88 7c 1c 08 04", "1": "22 50 5c", "2": "~03 00 80 85 58 0c|0c 8c",
    "3": "~02 00 80 86 26|~26 86 8c 0c 0a", "4": "6c 60 08 88", "5": "80 10 05|~05 04 84 8c 0c 09",
    "6": "~82 80 00 09|@05 85 8c 0c", "7": "00 80 3c", "8": "@10 70 76 16|@06 86 8c 0c",
    "9": "@00 80 87 07|~83 8c 0c 0a", "A": "0c 40 8c|18 78", "B": "00 0c|~00 80 86 06|~06 86 8c 0c",
    "C": "~83 80 00 0c 8c 89", "D": "00 0c|~00 40 80 8c 4c 0c", "E": "80 00 0c 8c|06 66",
    "F": "80 00 0c|06 66",
    "G": "~83 80 00 0c 8c 87|87 57", "H": "00 0c|80 8c|06 86", "J": "~70 7c 0c 08", "K": "00 0c|80 07|35 8c",
    "L": "00 0c 8c", "M": "0c 00 47 80 8c", "N": "0c 00 8c 80", "P": "0c 00|~00 80 87 07",
    "R": "0c 00|~00 80 87 07|47 8c", "S": "~82 80 00 06 86 8c 0c 0a", "T": "00 80|40 4c", "U": "~00 0c 8c 80",
    "V": "00 4c 80", "W": "00 2c 43 6c 80", "X": "00 8c|80 0c", "Y": "00 46 80|46 4c", "Z": "00 80 0c 8c",
    "*": "42 4a|14 78|74 18",
}  # fmt: skip


def smooth(points: NDArray[np.float64], *, closed: bool, times: int = 3) -> NDArray[np.float64]:
    """Corner cutting (Chaikin): an open line keeps its ends."""
    for _ in range(times):
        after = np.roll(points, -1, axis=0) if closed else points[1:]
        before = points if closed else points[:-1]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1).reshape(-1, 2)
        points = cut if closed else np.vstack([points[:1], cut, points[-1:]])
    return np.vstack([points, points[:1]]) if closed else points


@cache
def strokes(char: str) -> tuple[NDArray[np.float64], ...]:
    """Lines of a struck character in a unit box, y down; raises KeyError for one that is not struck."""
    lines: list[NDArray[Any]] = []
    for spec in STROKES[char].split("|"):
        pairs = spec.lstrip("~@").split()
        points = np.array([(int(p[0], 16) / 8, int(p[1], 16) / 12) for p in pairs])
        lines.append(smooth(points, closed=spec[0] == "@") if spec[0] in "~@" else points)
    return tuple(lines)

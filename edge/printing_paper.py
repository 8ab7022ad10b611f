"""Paper: A4 sheets of a form: font, wrapped text, photos, flags, seal and QR code.

Nothing is cut: a text that has no room goes on in the next line, a row on the next page.
"""

import io
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import segno
from fpdf import FPDF
from fpdf.enums import TextMode
from fpdf.fonts import TTFFont
from noto_cjk_sans_otc import FONT_PATH

from lanes.form_words import WORDS
from lanes.forms import Form
from lanes.tables import Label
from models.images import PhotoError, decode, encode, fitted

FONT, FACE_SC = "cjk", 2  # faces of the collection: 0 Japanese, 1 Korean, 2 Simplified Chinese
MARGIN, WIDTH, TOP, BOTTOM = 12.0, 186.0, 10.0, 265.0  # mm; what stands below BOTTOM is the seal's
PT = 25.4 / 72  # mm
LINE = 1.24  # height of a line over the size of its letters
PAD, PAD_X = 0.65, 1.0  # above and below a text, beside it
QR_SIDE = 22.0
HAIR, RULE = 0.15, 0.35
PIXELS_PER_MM = 10  # 254 dpi: a number plate stays readable, and the file small
JPEG_QUALITY = 72
GREY, RED, BLACK = (105, 105, 105), (190, 20, 20), (0, 0, 0)

Align: TypeAlias = Literal["left", "centre"]
Photos: TypeAlias = Callable[[str], bytes | Label]  # the bytes of a digest, or why there are none

_NO_LINE_START = frozenset("，。、；：！？）》」』”’%…·)]},.;:!?")
_WORDS = re.compile(r"\s+|[!-~\u00a0-\u024f]+|.", re.DOTALL)

for _name in ("fpdf", "fontTools"):  # they tell of every table of the font; Paper.clean does what matters
    logging.getLogger(_name).setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Run:
    """A text of one size (pt); it begins a line of its own."""

    text: str
    size: float = 7.5
    colour: tuple[int, int, int] = BLACK
    strong: bool = False  # there is no bold face: letters are drawn with an outline, from 8 pt on

    @property
    def height(self) -> float:
        """Of one line, mm."""
        return self.size * PT * LINE


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in one cell of a row."""

    runs: tuple[Run, ...]
    align: Align = "left"


def label_cell(label: Label, size: float = 7.5, align: Align = "left") -> Cell:
    """Chinese first, English below it."""
    english = (Run(label.en, size * 0.74, GREY),) if label.en else ()
    return Cell((Run(label.zh, size), *english), align)


def text_cell(text: str, size: float = 7.5, align: Align = "left", strong: bool = False) -> Cell:
    """A value."""
    return Cell((Run(text, size, strong=strong),), align)


class Paper(FPDF):
    """The pages of one form; ``y`` is where the next thing begins."""

    def __init__(self, form: Form, photos: Photos) -> None:
        super().__init__(unit="mm", format="A4")
        self.form, self._photos = form, photos
        self.add_font(FONT, fname=str(FONT_PATH), collection_font_number=FACE_SC)
        font = self.fonts[FONT]
        assert isinstance(font, TTFFont)
        self._widths = font.cw  # thousandths of the size, by code point
        self._known = frozenset(self._widths)
        self.set_auto_page_break(auto=False)
        self.set_margins(MARGIN, TOP, MARGIN)
        self.set_font(FONT, size=8)
        self.set_title(self.clean(f"{form.title.zh} {form.seal.inspection}"))
        self.set_subject(form.seal.text)
        self.set_creator("Chayan")
        self.set_lang("zh-CN")
        self.add_page()

    # ---- text ------------------------------------------------------------------------------------

    def clean(self, text: str) -> str:
        """The text with a name for every character that the font has not: nothing vanishes silently."""
        return "".join(c if ord(c) in self._known else f"[U+{ord(c):04X}]" for c in text)

    def width_of(self, text: str, size: float) -> float:
        """How wide a clean text is, mm."""
        return sum(self._widths[ord(c)] for c in text) * size * PT / 1000

    def wrapped(self, run: Run, width: float) -> Iterator[Run]:
        """A run's lines: broken between words and Chinese characters, inside a word only where it must."""
        for paragraph in run.text.splitlines() or [""]:
            for line in self._lines(self.clean(paragraph), width, run.size):
                yield Run(line, run.size, run.colour, run.strong)

    def _lines(self, text: str, width: float, size: float) -> Iterator[str]:
        line = ""
        for word in _WORDS.findall(text):
            if self.width_of(line + word, size) <= width:
                line += word
                continue
            if word in _NO_LINE_START and len(line) > 1:  # it takes the character before it along
                yield line[:-1].rstrip()
                line = line[-1] + word
                continue
            if line.strip():
                yield line.rstrip()
            line = word.lstrip()
            while self.width_of(line, size) > width and len(line) > 1:
                fits = self._fitting(line, width, size)
                yield line[:fits]
                line = line[fits:]
        yield line.rstrip()

    def _fitting(self, word: str, width: float, size: float) -> int:
        count = 1
        while self.width_of(word[: count + 1], size) <= width:
            count += 1
        return count

    def write_line(self, run: Run, x: float, y: float, width: float, align: Align = "left") -> None:
        """One line whose top is at ``y``."""
        if align == "centre":
            x += (width - self.width_of(run.text, run.size)) / 2
        self.set_font_size(run.size)
        self.set_text_color(*run.colour)
        base = y + run.height / 2 + 0.37 * run.size * PT  # middle of a Chinese character over its base line
        if run.strong:
            with self.local_context(
                text_mode=TextMode.FILL_STROKE, line_width=run.size * 0.007, draw_color=run.colour
            ):
                self.text(x, base, run.text)
        else:
            self.text(x, base, run.text)

    def put(self, run: Run, x: float, y: float, width: float, align: Align = "left") -> float:
        """A run with all its lines; the ``y`` below it."""
        for line in self.wrapped(run, width):
            self.write_line(line, x, y, width, align)
            y += line.height
        return y

    # ---- lines and pictures ----------------------------------------------------------------------

    def frame(self, x: float, y: float, width: float, height: float, thick: float = HAIR) -> None:
        """The outline of a box."""
        self.set_draw_color(0)
        self.set_line_width(thick)
        self.rect(x, y, width, height)

    def picture(self, digest: str, x: float, y: float, width: float, height: float) -> None:
        """A photo within a box, scaled down and upright; a box that says why when it cannot be shown."""
        found = self._photos(digest)
        if isinstance(found, bytes):
            try:
                scaled = fitted(decode(found), round(max(width, height) * PIXELS_PER_MM))[0]
            except PhotoError as error:
                found = Label(zh=WORDS["photo.damaged"].zh, en=f"{WORDS['photo.damaged'].en}: {error}")
            else:
                tall, wide = scaled.shape[:2]
                scale = min(width / wide, height / tall)
                wide, tall = wide * scale, tall * scale
                at = (x + (width - wide) / 2, y + (height - tall) / 2)
                self.image(io.BytesIO(encode(scaled, JPEG_QUALITY)), *at, wide, tall)
                return
        self._instead(found, digest, x, y, width, height)

    def _instead(self, why: Label, digest: str, x: float, y: float, width: float, height: float) -> None:
        """The placeholder of a photo, its letters as small as the box needs."""
        self.set_draw_color(*GREY)
        self.set_line_width(HAIR)
        with self.local_context(dash_pattern={"dash": 1, "gap": 1}):
            self.rect(x + 0.8, y + 0.8, width - 1.6, height - 1.6)
        texts = (why.zh, why.en, f"SHA-256 {digest[:16]}…")
        for size in (7.0, 6.0, 5.0, 4.0):
            lines = [line for text in texts for line in self.wrapped(Run(text, size, GREY), width - 4)]
            if sum(line.height for line in lines) <= height - 2:
                break
        room = max(1, int((height - 2) / lines[0].height))
        if len(lines) > room:
            lines = [*lines[: room - 1], Run("…", lines[0].size, GREY)]
        at = y + (height - sum(line.height for line in lines)) / 2
        for line in lines:
            self.write_line(line, x + 2, at, width - 4, "centre")
            at += line.height

    # ---- what every page bears -------------------------------------------------------------------

    def header(self) -> None:
        """Title, site and flags; a smaller one on the pages after the first."""
        form, first = self.form, self.page_no() == 1
        site = form.seal.site_title
        name = f"{site.zh} {site.en}" if site else f"{WORDS['seal.site'].zh} {form.seal.site}"
        left = self.put(Run(name, 7, GREY), MARGIN, TOP, 46)
        flags = self._flags(TOP)
        title = Run(
            form.title.zh if first else f"{form.title.zh}（{WORDS['flag.continued'].zh}）",
            16 if first else 10,
        )
        title = Run(title.text, title.size, strong=True)
        y = self.put(title, MARGIN + 48, TOP - 1, WIDTH - 96, "centre")
        english = form.title.en if first else f"{form.title.en}, {WORDS['flag.continued'].en}"
        y = self.put(Run(english, 8 if first else 6, GREY), MARGIN + 48, y, WIDTH - 96, "centre")
        self.set_y(max(left, flags, y) + 1.2)

    def _flags(self, y: float) -> float:
        """Draft and simulated, in words, at the right; the ``y`` below them."""
        form, x, width = self.form, MARGIN + WIDTH - 46, 46.0
        lines = []
        if form.drafts:
            lines.append(Run(f"{WORDS['flag.draft'].zh} {WORDS['flag.draft'].en}", 9, RED, strong=True))
            lines += [Run(f"{why.zh} {why.en}", 5.5, RED) for why in form.drafts]
        if form.seal.simulated:
            lines.append(Run(self._simulated, 9, RED, strong=True))
        for line in lines:
            y = self.put(line, x, y, width, "centre")
        return y

    @property
    def _simulated(self) -> str:
        return f"{WORDS['flag.simulated'].zh} {WORDS['flag.simulated'].en}"

    def footer(self) -> None:
        """Watermarks over the page, then the seal with its QR code."""
        self._watermarks()
        y = BOTTOM + 1.5
        self.set_draw_color(0)
        self.set_line_width(RULE)
        self.line(MARGIN, y, MARGIN + WIDTH, y)
        self.image(self._code(), MARGIN - 1.5, y + 0.3, QR_SIDE, QR_SIDE)
        x, width, at = MARGIN + QR_SIDE, WIDTH - QR_SIDE, y + 1.2
        for text in self._seal():
            at = self.put(Run(text, 5.8), x, at, width)
        page = WORDS["seal.page"]
        both = f"{page.zh}　{page.en}".replace("{page}", str(self.page_no())).replace("{pages}", "{nb}")
        self.set_xy(x - self.c_margin, at)
        self.set_font_size(5.8)
        self.set_text_color(*BLACK)
        self.cell(width, Run("", 5.8).height, both)

    def _seal(self) -> tuple[str, ...]:
        seal = self.form.seal

        def said(key: str, value: object) -> str:
            return f"{WORDS[key].zh} {WORDS[key].en}: {value}"

        nobody = f"{WORDS['seal.nobody'].zh} {WORDS['seal.nobody'].en}"
        return (
            "　".join(
                (
                    said("seal.site", seal.site),
                    said("seal.node", seal.node),
                    said("head.inspection", seal.inspection),
                    said("seal.attempt", seal.attempt),
                    said("seal.records", f"{seal.first_seq}–{seal.last_seq}"),
                )
            ),
            said("seal.rules", f"{seal.rules}　SHA-256 {seal.rules_sha256[:16]}…"),
            said("seal.head", seal.head),
            said("seal.printed", seal.printed_at) + "　" + said("seal.by", seal.printed_by or nobody),
        )

    def _code(self) -> io.BytesIO:
        """The digest text as a QR code."""
        sink = io.BytesIO()
        code = segno.make_qr(self.form.seal.text, encoding="utf-8", error="m")
        code.save(sink, kind="png", scale=8, border=4)
        sink.seek(0)
        return sink

    def _watermarks(self) -> None:
        marks = [self._simulated] if self.form.seal.simulated else []
        if self.form.drafts:
            marks.append(f"{WORDS['flag.draft'].zh} {WORDS['flag.draft'].en}")
        for place, mark in zip((0.36, 0.64), marks, strict=False):
            x, y, size = 105.0, 297 * place, 44.0
            with self.local_context(fill_opacity=0.10), self.rotation(32, x, y):
                self.set_font_size(size)
                self.set_text_color(*RED)
                self.text(x - self.width_of(mark, size) / 2, y, mark)

"""Draws the record form: header, businesses, items by group, boxes, conclusion, signatures, remarks."""

from collections.abc import Sequence

from edge.printing_paper import (
    BOTTOM,
    GREY,
    MARGIN,
    PAD,
    PAD_X,
    WIDTH,
    Cell,
    Paper,
    Run,
    label_cell,
    text_cell,
)
from edge.printing_table import Table
from lanes.form_record import Area, Line, RecordForm
from lanes.form_words import WORDS
from lanes.forms import MARKS, Form, Signature
from lanes.tables import Label

FIELDS_A_ROW, FIELD_LABEL = 4, 17.0  # mm
CHOICES_A_ROW, CHOICE = 4, 6.0  # pt
ITEMS_WIDE, SIDE = 118.0, 15.0
ITEM_WIDTHS = (7.5, 51.5, 14.0, 30.0)  # beside the group's column
ITEM_LEAST = 5.5
SIGNATURES_A_ROW = 3
VERDICT_WIDE, VERDICT_LEAST = 34.0, 19.0
SIGN_LABEL, SIGN_LEAST, HAND = 20.0, 10.0, 17.0  # mm: label, height of a line, width of the handwriting
REMARKS_LEAST = 12.0
SIGN_WIDE = WIDTH - VERDICT_WIDE - SIGN_LABEL


def draw_record(paper: Paper, form: RecordForm) -> None:
    """All of the form on ``paper``; one page unless its texts need more."""
    draw_fields(paper, form.fields)
    _businesses(paper, form)
    top, page = paper.y, paper.page_no()
    _items(paper, form)
    if paper.page_no() == page:
        _areas(paper, form.areas, top, paper.y - top)
    else:
        _areas(paper, form.areas, paper.y, 45.0, beside=True)
    draw_conclusion(paper, form, (("sign.first", form.signatures), ("sign.recheck", form.rechecks)))
    _remarks(paper, form.remarks)


def draw_fields(paper: Paper, fields: Sequence[tuple[Label, str]]) -> None:
    """Label and value pairs, four beside each other; the last ones share what is left of the line."""
    for start in range(0, len(fields), FIELDS_A_ROW):
        row = fields[start : start + FIELDS_A_ROW]
        share = WIDTH / len(row) - FIELD_LABEL
        table = Table(paper, [FIELD_LABEL, share] * len(row))
        table.row([cell for label, value in row for cell in (label_cell(label, 6.8), text_cell(value, 7.5))])


def _businesses(paper: Paper, form: RecordForm) -> None:
    """Every business of the form, ours ticked (F), in as many columns as their names leave."""
    room = WIDTH - FIELD_LABEL - 2 * PAD_X
    choices = [
        Run(paper.clean(f"{'√' if ticked else '□'} {label.zh} {label.en}".rstrip()), CHOICE)
        for label, ticked in form.businesses
    ]
    widest = max(paper.width_of(choice.text, CHOICE) for choice in choices) + 2
    columns = max(1, min(CHOICES_A_ROW, int(room / widest)))
    lines = [line for choice in choices for line in paper.wrapped(choice, room / columns)]
    tall = choices[0].height
    top = paper.y
    table = Table(paper, (FIELD_LABEL, WIDTH - FIELD_LABEL))
    table.row(
        [label_cell(WORDS["head.business"], 6.8), text_cell("")], -(-len(lines) // columns) * tall + 2 * PAD
    )
    for n, line in enumerate(lines):
        x = MARGIN + FIELD_LABEL + PAD_X + n % columns * room / columns
        paper.write_line(line, x, top + PAD + n // columns * tall, room / columns)


def _items(paper: Paper, form: RecordForm) -> None:
    head = [label_cell(WORDS[f"table.{key}"], 6.5, "centre") for key in ("number", "item", "mark", "value")]
    table = Table(paper, ITEM_WIDTHS, head, side=SIDE)
    for label, lines in form.groups:
        table.begin(label_cell(label, 6.5, "centre"))
        for line in lines:
            table.row(_item(line), ITEM_LEAST)
        table.end()


def _item(line: Line) -> tuple[Cell, ...]:
    return (
        text_cell(str(line.number), 7, "centre"),
        label_cell(line.label, 6.8),
        text_cell(MARKS[line.mark], 10, "centre", strong=True),
        text_cell(line.value, 7, "centre"),
    )


def _areas(paper: Paper, areas: Sequence[Area], top: float, height: float, *, beside: bool = False) -> None:
    """The boxes for rubbing and photo: at the right of the items, or on a line of their own."""
    if beside:
        if top + height > BOTTOM:
            paper.add_page()
            top = paper.y
        for n, area in enumerate(areas):
            _area(paper, area, MARGIN + n * WIDTH / len(areas), top, WIDTH / len(areas), height)
        paper.set_y(top + height)
        return
    tall = height / len(areas)
    for n, area in enumerate(areas):
        _area(paper, area, MARGIN + ITEMS_WIDE, top + n * tall, WIDTH - ITEMS_WIDE, tall)


def _area(paper: Paper, area: Area, x: float, y: float, width: float, height: float) -> None:
    paper.frame(x, y, width, height)
    below = y + PAD
    for run in label_cell(area.label, 6.5).runs:
        below = paper.put(run, x + PAD_X, below, width - 2 * PAD_X, "centre")
    if area.picture is not None:
        paper.picture(area.picture.photo, x + 1, below, width - 2, y + height - below - 1)
        return
    label = WORDS["area.attach" if area.needed else "area.needless"]
    middle = y + height / 2
    for run in (Run(label.zh, 8, GREY), Run(label.en, 6, GREY)):
        middle = paper.put(run, x + PAD_X, middle, width - 2 * PAD_X, "centre")


def draw_conclusion(paper: Paper, form: Form, lines: Sequence[tuple[str, Sequence[Signature]]]) -> None:
    """The verdict beside its signatures, each line of them with its label."""
    heights = [
        max(SIGN_LEAST, VERDICT_LEAST / len(lines), _signed_height(paper, signed)) for _, signed in lines
    ]
    if paper.y + sum(heights) > BOTTOM:
        paper.add_page()
    top = paper.y
    paper.frame(MARGIN, top, VERDICT_WIDE, sum(heights))
    verdict = Run(f"{MARKS[form.mark]} {form.conclusion.zh}".strip(), 13, strong=True)
    y = top + PAD
    for run in (*label_cell(WORDS["sign.conclusion"], 6.8).runs, verdict, Run(form.conclusion.en, 7, GREY)):
        y = paper.put(run, MARGIN + PAD_X, y, VERDICT_WIDE - 2 * PAD_X, "centre")
    x, y = MARGIN + VERDICT_WIDE, top
    for (key, signed), height in zip(lines, heights, strict=True):
        paper.frame(x, y, SIGN_LABEL, height)
        at = y + PAD
        for run in label_cell(WORDS[key], 6.8).runs:
            at = paper.put(run, x + PAD_X, at, SIGN_LABEL - 2 * PAD_X)
        paper.frame(x + SIGN_LABEL, y, SIGN_WIDE, height)
        _signatures(paper, signed, x + SIGN_LABEL, y, height)
        y += height
    paper.set_y(y)


def _signed_texts(paper: Paper, one: Signature) -> list[Run]:
    """Role, name and time of a signature, as lines beside the handwriting."""
    room = SIGN_WIDE / SIGNATURES_A_ROW - HAND - 2 * PAD_X
    runs = (Run(f"{one.role.zh} {one.role.en}", 5.2, GREY), Run(one.officer, 6.8), Run(one.at, 5.6))
    return [line for run in runs for line in paper.wrapped(run, room)]


def _signed_height(paper: Paper, signed: Sequence[Signature]) -> float:
    tall = max((sum(line.height for line in _signed_texts(paper, one)) for one in signed), default=0.0)
    return -(-len(signed) // SIGNATURES_A_ROW) * (tall + 2 * PAD)


def _signatures(paper: Paper, signed: Sequence[Signature], x: float, y: float, height: float) -> None:
    """Handwriting where there is an image, and in any case name and time."""
    if not signed:
        paper.put(Run(WORDS["sign.empty"].zh, 7, GREY), x + 2, y + height - 5, SIGN_WIDE - 4)
        return
    wide, tall = SIGN_WIDE / SIGNATURES_A_ROW, height / -(-len(signed) // SIGNATURES_A_ROW)
    for n, one in enumerate(signed):
        left, at = x + n % SIGNATURES_A_ROW * wide, y + n // SIGNATURES_A_ROW * tall
        if one.photo:
            paper.picture(one.photo, left + 0.4, at + 0.5, HAND - 0.8, tall - 1)
        for line in _signed_texts(paper, one):
            paper.write_line(line, left + HAND + PAD_X, at + PAD, wide - HAND - 2 * PAD_X)
            at += line.height


def _remarks(paper: Paper, remarks: Sequence[str]) -> None:
    table = Table(paper, (FIELD_LABEL, WIDTH - FIELD_LABEL))
    legend = WORDS["remark.legend"]
    runs = (*(Run(text, 7) for text in remarks), Run(f"{legend.zh}　　{legend.en}", 5.6, GREY))
    table.row([label_cell(WORDS["sign.remarks"], 6.8), Cell(runs)], REMARKS_LEAST, split=True)

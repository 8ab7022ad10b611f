"""Draws the record form: header, businesses, items by group, boxes, conclusion, signatures, remarks."""

from collections.abc import Sequence

from edge.printing_paper import BOTTOM, GREY, MARGIN, PAD, WIDTH, Cell, Paper, Run, label_cell, text_cell
from edge.printing_table import Table
from lanes.form_record import Area, Line, RecordForm
from lanes.form_words import WORDS
from lanes.forms import MARKS, Form, Signature
from lanes.tables import Label

FIELDS_A_ROW, FIELD_LABEL = 4, 17.0  # mm
CHOICES_A_ROW = 4
ITEMS_WIDE, SIDE = 118.0, 15.0
ITEM_WIDTHS = (7.5, 51.5, 14.0, 30.0)  # beside the group's column
ITEM_LEAST = 5.5
SIGNATURES_A_ROW = 3
SIGN_LEAST, HAND = 11.0, 7.5  # mm: a signature's box, and the handwriting in it


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
    """Every business of the form, ours ticked (F)."""
    table = Table(paper, (FIELD_LABEL, WIDTH - FIELD_LABEL))
    choices = [
        f"{'√' if ticked else '□'} {label.zh} {label.en}".rstrip() for label, ticked in form.businesses
    ]
    column = (WIDTH - FIELD_LABEL - 2 * PAD) / CHOICES_A_ROW
    rows = -(-len(choices) // CHOICES_A_ROW)
    fits = all(paper.width_of(paper.clean(text), 6.0) <= column - 1 for text in choices)
    if not fits:
        table.row([label_cell(WORDS["head.business"], 6.8), text_cell("　".join(choices), 6.0)])
        return
    line = Run("", 6.0).height
    top = paper.y
    table.row([label_cell(WORDS["head.business"], 6.8), text_cell("", 6.0)], rows * line + 2 * PAD)
    for n, (text, (_, ticked)) in enumerate(zip(choices, form.businesses, strict=True)):
        x = MARGIN + FIELD_LABEL + PAD + n % CHOICES_A_ROW * column
        run = Run(paper.clean(text), 6.0, strong=ticked)
        paper.write_line(run, x, top + PAD + n // CHOICES_A_ROW * line, column)


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
        below = paper.put(run, x + PAD, below, width - 2 * PAD, "centre")
    if area.picture is not None:
        paper.picture(area.picture.photo, x + 1, below, width - 2, y + height - below - 1)
        return
    label = WORDS["area.attach" if area.needed else "area.needless"]
    middle = y + height / 2
    for run in (Run(label.zh, 8, GREY), Run(label.en, 6, GREY)):
        middle = paper.put(run, x + PAD, middle, width - 2 * PAD, "centre")


def draw_conclusion(paper: Paper, form: Form, lines: Sequence[tuple[str, Sequence[Signature]]]) -> None:
    """The verdict beside its signatures, each line of them with its label."""
    label, sign = 24.0, WIDTH - 24.0 - 38.0
    heights = [SIGN_LEAST * max(1, -(-len(signed) // SIGNATURES_A_ROW)) for _, signed in lines]
    if paper.y + sum(heights) > BOTTOM:
        paper.add_page()
    top = paper.y
    paper.frame(MARGIN, top, 38.0, sum(heights))
    y = top + 1.5
    for run in label_cell(WORDS["sign.conclusion"], 6.8).runs:
        y = paper.put(run, MARGIN, y, 38.0, "centre")
    verdict = Run(f"{MARKS[form.mark]} {form.conclusion.zh}".strip(), 13, strong=True)
    y = paper.put(verdict, MARGIN + 1, y, 36.0, "centre")
    paper.put(Run(form.conclusion.en, 7, GREY), MARGIN + 1, y, 36.0, "centre")
    y = top
    for (key, signed), height in zip(lines, heights, strict=True):
        x = MARGIN + 38.0
        paper.frame(x, y, label, height)
        at = y + PAD
        for run in label_cell(WORDS[key], 6.8).runs:
            at = paper.put(run, x + PAD, at, label - 2 * PAD)
        paper.frame(x + label, y, sign, height)
        _signatures(paper, signed, x + label, y, sign)
        y += height
    paper.set_y(y)


def _signatures(paper: Paper, signed: Sequence[Signature], x: float, y: float, width: float) -> None:
    """Handwriting where there is an image, and in any case name and time."""
    column = width / SIGNATURES_A_ROW
    for n, one in enumerate(signed):
        left, at = x + n % SIGNATURES_A_ROW * column, y + n // SIGNATURES_A_ROW * SIGN_LEAST
        hand = 0.0
        if one.photo:
            hand = column * 0.42
            paper.picture(one.photo, left + 0.4, at + 0.6, hand, SIGN_LEAST - 1.2)
        text = left + hand + PAD
        room = column - hand - 2 * PAD
        below = at + PAD
        size = 6.8
        parts = (Run(f"{one.role.zh} {one.role.en}", 5.2, GREY), Run(one.officer, size), Run(one.at, 5.6))
        for run in parts:
            below = paper.put(run, text, below, room)
    if not signed:
        paper.put(Run(WORDS["sign.empty"].zh, 7, GREY), x + 2, y + SIGN_LEAST - 5, width - 4)


def _remarks(paper: Paper, remarks: Sequence[str]) -> None:
    table = Table(paper, (FIELD_LABEL, WIDTH - FIELD_LABEL))
    legend = WORDS["remark.legend"]
    runs = (*(Run(text, 7) for text in remarks), Run(f"{legend.zh}　　{legend.en}", 5.6, GREY))
    table.row([label_cell(WORDS["sign.remarks"], 6.8), Cell(runs)], 12)

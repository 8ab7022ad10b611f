"""Draws the instrument report: judged rows, raw readings, brake curves as vectors, arithmetic and clauses."""

from collections.abc import Sequence

from edge.printing_paper import BOTTOM, GREY, HAIR, MARGIN, WIDTH, Cell, Paper, Run, label_cell, text_cell
from edge.printing_record import draw_conclusion, draw_fields
from edge.printing_table import Table
from lanes.form_report import Curve, InstrumentReport, RawRow, ReportRow
from lanes.form_words import WORDS
from lanes.forms import MARKS

ROW_WIDTHS = (8.0, 62.0, 44.0, 38.0, 18.0, 16.0)
RAW_WIDTHS = (24.0, 14.0, 50.0, 36.0, 36.0, 26.0)
HOW_WIDTHS = (8.0, 46.0, 86.0, 46.0)
HOW_LEAST, HOW_ROW = 14.0, 4.7  # mm: title and heading, a row of one line
CURVES_A_ROW, CURVE_TALL = 3, 40.0
POINTS = 400  # of one side of a curve; more would not be seen at this size
LEFT, RIGHT = (20, 60, 160), (200, 90, 0)


def draw_report(paper: Paper, report: InstrumentReport) -> None:
    """All of the report on ``paper``."""
    draw_fields(paper, report.fields)
    paper.set_y(paper.y + 1.5)
    _rows(paper, report.rows)
    if report.raw:
        _title(paper, "report.raw")
        _raw(paper, report.raw)
    if report.curves:
        _title(paper, "report.curves")
        _curves(paper, report.curves)
    paper.set_y(paper.y + 1.5)
    draw_conclusion(paper, report, (("sign.first", report.signatures),))
    if report.rows:
        if paper.y + HOW_LEAST + HOW_ROW * len(report.rows) > BOTTOM:
            paper.add_page()
        _title(paper, "report.how")
        _how(paper, report.rows)


def _title(paper: Paper, key: str) -> None:
    label = WORDS[key]
    if paper.y + 20 > BOTTOM:
        paper.add_page()
    paper.set_y(paper.put(Run(f"{label.zh}　{label.en}", 8, strong=True), MARGIN, paper.y + 1.5, WIDTH) + 0.8)


def _heads(*keys: str) -> list[Cell]:
    return [label_cell(WORDS[key], 6.5, "centre") for key in keys]


def _rows(paper: Paper, rows: Sequence[ReportRow]) -> None:
    heads = ("table.number", "report.item", "report.result", "report.limit", "report.mark", "report.basis")
    table = Table(paper, ROW_WIDTHS, _heads(*heads))
    for row in rows:
        what = (
            Run(f"{row.item} {row.label.zh}　{row.quantity.zh}".strip(), 7.2),
            Run(", ".join(each for each in (row.label.en, row.quantity.en) if each), 5.4, GREY),
        )
        mark = WORDS[f"mark.{row.mark}"]
        judged = (
            Run(f"{MARKS[row.mark]} {mark.zh}", 8, strong=row.mark == "fail"),
            Run(mark.en, 5.4, GREY),
        )
        table.row(
            (
                text_cell(str(row.number), 7, "centre"),
                Cell(what),
                text_cell(row.value, 8, "centre", strong=row.mark == "fail"),
                text_cell(row.limit, 7.5, "centre"),
                Cell(judged, "centre"),
                text_cell(row.basis, 5.8, "centre"),
            )
        )
    if not rows:
        label = WORDS["report.empty"]
        Table(paper, (WIDTH,)).row([text_cell(f"{label.zh} {label.en}", 7.5, "centre")], 8)


def _raw(paper: Paper, rows: Sequence[RawRow]) -> None:
    heads = ("report.item", "report.axle", "report.load", "report.force", "report.drag", "report.bench")
    table = Table(paper, RAW_WIDTHS, _heads(*heads))
    for row in rows:
        values = (row.item, row.axle, row.load, row.force, row.drag, row.bench)
        table.row([text_cell(value or "—", 7, "centre") for value in values])


def _how(paper: Paper, rows: Sequence[ReportRow]) -> None:
    heads = ("table.number", "report.item", "report.arithmetic", "report.clause")
    table = Table(paper, HOW_WIDTHS, _heads(*heads))
    for row in rows:
        texts = (f"{row.item} {row.quantity.zh}".strip(), row.arithmetic or "—", row.clause or "—")
        table.row([text_cell(str(row.number), 6, "centre"), *(text_cell(text, 6) for text in texts)])


def _curves(paper: Paper, curves: Sequence[Curve]) -> None:
    for start in range(0, len(curves), CURVES_A_ROW):
        if paper.y + CURVE_TALL > BOTTOM:
            paper.add_page()
        for n, curve in enumerate(curves[start : start + CURVES_A_ROW]):
            width = WIDTH / CURVES_A_ROW
            _curve(paper, curve, MARGIN + n * width, paper.y, width - 1.5, CURVE_TALL - 1.5)
        paper.set_y(paper.y + CURVE_TALL)


def _curve(paper: Paper, curve: Curve, x: float, y: float, width: float, height: float) -> None:
    """Left and right force over time, with the highest of each side."""
    paper.frame(x, y, width, height)
    name = f"{curve.item} {curve.label.zh} {curve.label.en}"
    below = paper.put(Run(name, 6.2), x + 1, y + 0.6, width - 2)
    at, top, across, tall = x + 9, below + 4.0, width - 12, y + height - below - 9.5
    most = _scale_of(max((*curve.left_dan, *curve.right_dan), default=0))
    last_ms = max(1, (max(len(curve.left_dan), len(curve.right_dan)) - 1) * curve.interval_ms)
    for part in range(5):
        level = top + tall - tall * part / 4
        paper.set_draw_color(205 if part else 0)
        paper.set_line_width(HAIR)
        paper.line(at, level, at + across, level)
        paper.write_line(Run(str(most * part // 4), 4.8, GREY), x + 1, level - 1.1, 8)
    for part in range(3):
        text = f"{last_ms * part / 2 / 1000:.1f} s"
        paper.write_line(Run(text, 4.8, GREY), at + across * part / 2 - 3, top + tall + 0.4, 6, "centre")
    sides = (("left", curve.left_dan, LEFT), ("right", curve.right_dan, RIGHT))
    for n, (key, forces, colour) in enumerate(sides):
        label = WORDS[f"curve.{key}"]
        text = f"— {label.zh} {label.en} {max(forces, default=0)}"
        paper.write_line(Run(text, 5.2, colour), x + 9 + n * across / 2, below + 0.6, across / 2)
        points = [
            (at + across * ms / last_ms, top + tall - tall * max(0, force) / most)
            for ms, force in thinned(forces, curve.interval_ms)
        ]
        paper.set_draw_color(*colour)
        paper.set_line_width(0.25)
        if len(points) > 1:
            paper.polyline(points)
    paper.write_line(Run("10 N", 4.8, GREY), x + 1, below + 0.6, 8)


def _scale_of(most: int) -> int:
    """The next round number that four parts divide: 4, 8, 20, 40, 80, 200 …"""
    step = 1
    while True:
        for factor in (4, 8, 20):
            if factor * step >= most:
                return factor * step
        step *= 10


def thinned(forces: Sequence[int], interval_ms: int) -> list[tuple[int, int]]:
    """(ms, force) of a curve; of a long one the highest of each stretch, so that no peak is lost."""
    stride = -(-len(forces) // POINTS) or 1
    peaks = (
        max(range(n, min(n + stride, len(forces))), key=forces.__getitem__)
        for n in range(0, len(forces), stride)
    )
    return [(n * interval_ms, forces[n]) for n in peaks]

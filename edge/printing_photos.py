"""Draws the photo sheet: two photos beside each other, each with what its record says."""

from collections.abc import Iterable, Sequence

from edge.printing_paper import BOTTOM, GREY, MARGIN, PAD, PAD_X, RED, WIDTH, Paper, Run
from edge.printing_record import draw_fields
from lanes.form_photos import PhotoSheet
from lanes.form_words import WORDS
from lanes.forms import Picture

BESIDE, TALL = 2, 54.0  # mm
COLUMN = WIDTH / BESIDE


def draw_photos(paper: Paper, sheet: PhotoSheet) -> None:
    """All photos on ``paper``."""
    draw_fields(paper, sheet.fields)
    paper.set_y(paper.y + 1.5)
    if not sheet.pictures:
        label = WORDS["photo.empty"]
        paper.set_y(paper.put(Run(f"{label.zh} {label.en}", 9, GREY), MARGIN, paper.y + 6, WIDTH, "centre"))
    for start in range(0, len(sheet.pictures), BESIDE):
        _beside(paper, sheet.pictures[start : start + BESIDE])


def _beside(paper: Paper, pictures: Sequence[Picture]) -> None:
    width = COLUMN - 2 * PAD_X
    captions = [[line for run in _caption(each) for line in paper.wrapped(run, width)] for each in pictures]
    height = TALL + max(sum(line.height for line in lines) for lines in captions) + 2 * PAD
    if paper.y + height > BOTTOM:
        paper.add_page()
    top = paper.y
    for n, (picture, lines) in enumerate(zip(pictures, captions, strict=True)):
        x = MARGIN + n * COLUMN
        paper.frame(x, top, COLUMN, height)
        paper.picture(picture.photo, x + 0.6, top + 0.6, COLUMN - 1.2, TALL - 1.2)
        y = top + TALL + PAD / 2
        for line in lines:
            paper.write_line(line, x + PAD_X, y, width)
            y += line.height
    paper.set_y(top + height)


def _caption(picture: Picture) -> Iterable[Run]:
    yield Run(f"{picture.shot} {picture.label.zh}".strip(), 7.2)
    if picture.label.en:
        yield Run(picture.label.en, 5.4, GREY)
    who = (
        _said("photo.officer", picture.officer) if picture.officer else _said("photo.device", picture.device)
    )
    yield Run(f"{picture.at}　{who}", 6.2)
    record = _said("photo.record", str(picture.seq))
    yield Run(f"{record}　{_said('photo.digest', picture.photo[:16])}…", 6.2)
    if not picture.counts:
        label = WORDS["photo.superseded"]
        yield Run(f"{label.zh} {label.en}", 6.2, RED)


def _said(key: str, value: str) -> str:
    return f"{WORDS[key].zh} {WORDS[key].en}: {value or '—'}"

"""The photo sheet: every photo of an inspection with code, name, time, officer and digest."""

from collections.abc import Iterable
from dataclasses import dataclass

from lanes.form_words import WORDS
from lanes.forms import Dossier, Form, Picture, conclusion_of, drafts_of, fields_of, seal_of
from lanes.record import Captured, Photographed

FIELDS = 12  # of the header: the visit, and what one sees of the vehicle


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSheet(Form):
    """查验照片表: every photo of the inspection, in the order they were taken."""

    pictures: tuple[Picture, ...]


def photo_sheet(dossier: Dossier) -> PhotoSheet:
    """All photos, also those that were taken again, the gate camera's first."""
    conclusion, mark = conclusion_of(dossier.inspection)
    return PhotoSheet(
        title=WORDS["title.photos"],
        seal=seal_of(dossier),
        drafts=drafts_of(dossier),
        fields=fields_of(dossier)[:FIELDS],
        conclusion=conclusion,
        mark=mark,
        signatures=(),
        pictures=(*_capture(dossier), *_photographs(dossier)),
    )


def _capture(dossier: Dossier) -> Iterable[Picture]:
    record = dossier.kept.capture
    if record is None or not isinstance(record.body, Captured) or record.body.photo is None:
        return
    yield Picture(
        photo=record.body.photo,
        label=WORDS["photo.capture"],
        seq=record.seq,
        at=dossier.time(record.body.taken_at or record.at),
        device=record.body.device,
    )


def _photographs(dossier: Dossier) -> Iterable[Picture]:
    counting = {seq for seq, _ in dossier.inspection.latest_photos().values()}
    for record in dossier.kept.records:
        body = record.body
        if isinstance(body, Photographed):
            yield Picture(
                photo=body.photo,
                shot=body.shot,
                label=dossier.name("shots", body.shot),
                seq=record.seq,
                at=dossier.time(body.taken_at or record.at),
                officer=dossier.officer(body.officer) if body.officer else "",
                counts=record.seq in counting,
            )

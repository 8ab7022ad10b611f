"""Prints a form: an inspection as it is kept, filled by the rules, drawn as PDF."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from central_sync.photos import Photos as PhotoStore
from edge.desk import evidence
from edge.printing_paper import Paper, Photos
from edge.printing_photos import draw_photos
from edge.printing_record import draw_record
from edge.printing_report import draw_report
from lanes.checklist import Checklist, checklist
from lanes.form_photos import photo_sheet
from lanes.form_record import record_form
from lanes.form_report import instrument_report
from lanes.form_words import WORDS
from lanes.forms import Dossier, FormKind, Kept
from lanes.inspection import Inspection, fold
from lanes.judge import measured, missing
from lanes.record import Finding
from lanes.rulebook import Rulebook
from lanes.scope import RuleError
from lanes.tables import Label

DEFAULT_ZONE = "Asia/Shanghai"
_ONE_AT_A_TIME = threading.Lock()  # half a second of the interpreter, and a decoded photo in memory, each


def source_of(store: PhotoStore | None) -> Photos:
    """Photos of a store with the reason for each that cannot be had; None: no store at all."""

    def find(digest: str) -> bytes | Label:
        if store is None or not store.has(digest):
            absent, why = WORDS["photo.missing"], WORDS["photo.why"]
            return Label(zh=f"{absent.zh}：{why.zh}", en=f"{absent.en}: {why.en}")
        return store.whole(digest) or WORDS["photo.altered"]

    return find


class NoForm(Exception):
    """These records hold no order: there is nothing to print."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Who prints: rules, the site's own names and its clock."""

    rulebook: Rulebook
    zone: tzinfo = field(default_factory=lambda: ZoneInfo(DEFAULT_ZONE))
    site_title: Label | None = None
    officers: Mapping[str, str] = field(default_factory=dict)


def dossier_of(kept: Kept, office: Office, printed_by: str, printed_at: datetime | None = None) -> Dossier:
    """All that a form is filled from. Raises NoForm."""
    inspection = fold(kept.records)
    if inspection is None:
        raise NoForm
    wanted = _checklist(inspection, office)
    return Dossier(
        kept=kept,
        inspection=inspection,
        checklist=wanted,
        findings=_findings(inspection, wanted, office),
        missing=missing(evidence(inspection), wanted) if wanted and inspection.judged is None else (),
        rulebook=office.rulebook,
        zone=office.zone,
        printed_at=printed_at or datetime.now(UTC),
        printed_by=printed_by,
        site_title=office.site_title,
        officers=office.officers,
    )


def _checklist(inspection: Inspection, office: Office) -> Checklist | None:
    day = inspection.ordered_at.astimezone(office.zone).date()
    try:
        return checklist(inspection.vehicle, inspection.business, day, office.rulebook)
    except RuleError:
        return None


def _findings(inspection: Inspection, wanted: Checklist | None, office: Office) -> Sequence[Finding]:
    """The verdict's own findings; before it those of what has been measured so far."""
    if inspection.judged is not None:
        return inspection.judged[1].findings
    return measured(evidence(inspection), office.rulebook, wanted.on) if wanted else ()


def printed(
    kind: FormKind,
    kept: Kept,
    office: Office,
    photos: Photos,
    printed_by: str = "",
    printed_at: datetime | None = None,
) -> bytes:
    """The PDF of one form. Raises NoForm."""
    dossier = dossier_of(kept, office, printed_by, printed_at)
    with _ONE_AT_A_TIME:
        match kind:
            case "record":
                form = record_form(dossier)
                paper = Paper(form, photos)
                draw_record(paper, form)
            case "instruments":
                report = instrument_report(dossier)
                paper = Paper(report, photos)
                draw_report(paper, report)
            case "photos":
                sheet = photo_sheet(dossier)
                paper = Paper(sheet, photos)
                draw_photos(paper, sheet)
        return bytes(paper.output())

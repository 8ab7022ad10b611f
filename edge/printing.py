"""Prints a form: an inspection as it is kept, filled by the rules, drawn as PDF."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from central_sync.photos import Photos as PhotoStore
from central_sync.volumes import Row
from edge.desk import evidence
from edge.printing_paper import Paper, Photos
from edge.printing_photos import draw_photos
from edge.printing_record import draw_record
from edge.printing_report import draw_report
from edge.settings import SiteFile
from lanes.again import remaining
from lanes.checklist import Checklist, checklist
from lanes.form_photos import photo_sheet
from lanes.form_record import record_form
from lanes.form_report import instrument_report
from lanes.form_words import WORDS
from lanes.forms import Dossier, FormKind, Kept
from lanes.inspection import Inspection, fold
from lanes.judge import measured, missing
from lanes.record import Arrived, Captured, Finding, Record, parse
from lanes.rulebook import Rulebook
from lanes.scope import RuleError
from lanes.tables import Label

Rows: TypeAlias = Callable[[int, int], Sequence[Row]]

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


def office_of(rulebook: Rulebook, site: SiteFile) -> Office:
    """Rules, names and clock of a site that prints."""
    return Office(
        rulebook=rulebook,
        zone=ZoneInfo(site.site.timezone),
        site_title=Label(zh=site.site.title.zh, en=site.site.title.en),
        officers={each.officer: each.name for each in site.officers},
    )


def kept_of(site: str, node: str, records: Sequence[Record], rows: Rows, unreadable: int = 0) -> Kept:
    """An inspection of a journal, whose ``rows`` come after a number, at most so many.

    Raises LookupError when the journal does not hold its last record.
    """
    last = records[-1].seq
    found = rows(last - 1, 1)
    if not found or found[0].seq != last:
        raise LookupError(f"record {last} of {records[-1].inspection} is not in it")
    return Kept(
        site=site,
        node=node,
        records=records,
        head=found[0].head.hex(),
        capture=_capture(records, rows),
        unreadable=unreadable,
    )


def _capture(records: Sequence[Record], rows: Rows) -> Record | None:
    """The gate camera's record by which the vehicle was recognised, if it is still there."""
    bodies = [record.body for record in records]
    wanted = [body.capture_seq for body in bodies if isinstance(body, Arrived) and body.capture_seq]
    found = rows(wanted[-1] - 1, 1) if wanted else ()
    with contextlib.suppress(msgspec.DecodeError):  # of a newer version
        captured = [record for row in found if isinstance((record := parse(row.data)).body, Captured)]
        return captured[0] if captured else None
    return None


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
        made = checklist(inspection.vehicle, inspection.business, day, office.rulebook, inspection.given)
        return remaining(made, inspection.redo)
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
    """The PDF of one form. Raises NoForm, and RuleError when the rules do not number its items."""
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

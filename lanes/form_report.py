"""The instrument report: judged rows as the platform's report 18C62 has them, raw readings, brake curves.

Rows: item, result, limit, judgement, note (domain notes 3.2, F); arithmetic and clause stand apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lanes.form_words import WORDS
from lanes.forms import (
    Dossier,
    Form,
    Mark,
    conclusion_of,
    drafts_of,
    fields_of,
    seal_of,
    signatures_of,
)
from lanes.item_codes import axle_of
from lanes.quantity import plain
from lanes.record import NOT_MEASURED, BrakeMeasured, Finding
from lanes.tables import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One judged quantity. ``item``: empty for what is worked out of several; ``basis``: its records."""

    number: int
    item: str
    label: Label
    quantity: Label
    value: str
    limit: str
    mark: Mark
    basis: str
    arithmetic: str
    clause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """What bench and scale said of one axle, or of the parking brake; empty: not measured."""

    item: str
    axle: str
    bench: str
    load: str
    force: str
    drag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A brake curve for drawing, forces in 10 N."""

    item: str
    label: Label
    interval_ms: int
    left_dan: tuple[int, ...]
    right_dan: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentReport(Form):
    """仪器设备检验报告."""

    rows: tuple[ReportRow, ...]
    raw: tuple[RawRow, ...]
    curves: tuple[Curve, ...]


def instrument_report(dossier: Dossier) -> InstrumentReport:
    """The report of what was measured so far; the verdict's own findings once it is judged."""
    conclusion, mark = conclusion_of(dossier.inspection)
    first, again = signatures_of(dossier)
    findings = [each for each in dossier.findings if each.quantity not in NOT_MEASURED]
    brakes = sorted(dossier.inspection.brakes.items(), key=lambda each: _order(each[0]))
    return InstrumentReport(
        title=WORDS["title.instruments"],
        seal=seal_of(dossier),
        drafts=drafts_of(dossier),
        fields=fields_of(dossier),
        conclusion=conclusion,
        mark=mark,
        signatures=again or first,
        rows=tuple(_row(dossier, number, each) for number, each in enumerate(findings, 1)),
        raw=tuple(_raw(dossier)),
        curves=tuple(_curve(dossier, body) for _, (_, body) in brakes),
    )


def _row(dossier: Dossier, number: int, finding: Finding) -> ReportRow:
    marks: dict[str, Mark] = {"pass": "pass", "fail": "fail", "not_applicable": "none"}
    return ReportRow(
        number=number,
        item="" if dossier.rulebook.item_kinds.get(finding.item) == "derived" else finding.item,
        label=dossier.name("items", finding.item),
        quantity=dossier.name("quantities", finding.quantity),
        value=" ".join(each for each in (finding.value, finding.unit) if each),
        limit=finding.limit or "—",
        mark=marks[finding.result],
        basis=", ".join(map(str, finding.basis)),
        arithmetic=finding.arithmetic,
        clause=finding.clause,
    )


def _raw(dossier: Dossier) -> Iterable[RawRow]:
    inspection = dossier.inspection
    for item in sorted({*inspection.brakes, *(f"B{axle}" for axle in inspection.weights)}, key=_order):
        axle = axle_of(item)
        weighed = None if axle is None else inspection.weights.get(axle)
        brake = inspection.brakes.get(item)
        load = "" if weighed is None else f"{plain(weighed[1].left_kg)} / {plain(weighed[1].right_kg)}"
        yield _raw_row(item, "" if axle is None else str(axle), load, None if brake is None else brake[1])


def _order(item: str) -> tuple[bool, str]:
    """Axles first, the parking brake last."""
    return item == "B0", item


def _raw_row(item: str, axle: str, load: str, brake: BrakeMeasured | None) -> RawRow:
    if brake is None:
        return RawRow(item=item, axle=axle, bench="", load=load, force="", drag="")
    drags = (brake.left_drag_dan, brake.right_drag_dan)
    bench = WORDS[f"bench.{brake.bench}"]
    return RawRow(
        item=item,
        axle=axle,
        bench=f"{bench.zh} {bench.en}　{brake.device}",
        load=load,
        force=f"{brake.left_max_dan} / {brake.right_max_dan}",
        drag="" if drags == (None, None) else " / ".join("—" if d is None else str(d) for d in drags),
    )


def _curve(dossier: Dossier, body: BrakeMeasured) -> Curve:
    return Curve(
        item=body.item,
        label=dossier.name("items", body.item),
        interval_ms=body.curve.interval_ms,
        left_dan=body.curve.left_dan,
        right_dan=body.curve.right_dan,
    )

"""Forms: what stands on every printed form of an inspection, as values without a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Literal, TypeAlias, get_args

from lanes.checklist import Checklist
from lanes.form_digest import record_text
from lanes.form_words import SCHOOL_BUS_CLASSES, SCHOOL_BUS_USES, WORDS
from lanes.inspection import Inspection
from lanes.missing import Missing
from lanes.record import (
    Aborted,
    Arrived,
    Filmed,
    Finding,
    Judged,
    Moved,
    Record,
    Reviewed,
    Shadowed,
    Signed,
    is_simulated,
)
from lanes.rulebook import Rulebook
from lanes.tables import Label
from lanes.vehicle import Vehicle

FormKind: TypeAlias = Literal["record", "instruments", "photos"]
Mark: TypeAlias = Literal["pass", "fail", "none", "open"]
KINDS: tuple[FormKind, ...] = get_args(FormKind)

MARKS: dict[Mark, str] = {"pass": "√", "fail": "×", "none": "—", "open": ""}
#: kinds of facts that may follow a verdict without changing what it rests on
AFTER_VERDICT = (Moved, Arrived, Filmed, Reviewed, Shadowed, Aborted, Judged)


def form_kind(text: str) -> FormKind | None:
    """The form of that name; None: there is none."""
    return next((kind for kind in KINDS if kind == text), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One inspection as a node, a registry or a folder keeps it: its records in order, the head after them.

    ``capture``: the gate camera's record by which the vehicle was recognised; it belongs to no inspection.
    ``unreadable``: records of it that this version of the software cannot read.
    """

    site: str
    node: str
    records: Sequence[Record]
    head: str
    capture: Record | None = None
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All that a form is filled from. ``checklist``: None when the rules do not cover this vehicle."""

    kept: Kept
    inspection: Inspection
    checklist: Checklist | None
    findings: Sequence[Finding]
    missing: Sequence[Missing]
    rulebook: Rulebook
    zone: tzinfo
    printed_at: datetime
    printed_by: str = ""
    site_title: Label | None = None
    officers: Mapping[str, str] = field(default_factory=dict)

    def time(self, moment: datetime) -> str:
        """A moment by the site's clock."""
        return moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")

    def officer(self, officer: str) -> str:
        """Name and number of an officer."""
        name = self.officers.get(officer, "")
        return f"{name} {officer}" if name else officer

    def name(self, table: str, code: str) -> Label:
        """What the rules call a code; the code itself when they do not know it."""
        return self.rulebook.names.get(table, {}).get(code, Label(zh=code, en=""))

    def coded(self, table: str, code: str) -> str:
        """A code with its names: ``02 小型汽车 small vehicle``."""
        label = self.name(table, code)
        return code if label.zh == code else f"{code} {label.zh} {label.en}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Where a form comes from, and what an auditor compares it with."""

    site: str
    site_title: Label | None
    node: str
    inspection: str
    attempt: int
    first_seq: int
    last_seq: int
    head: str
    rules: str
    rules_sha256: str
    simulated: bool
    printed_at: str
    printed_by: str

    @property
    def text(self) -> str:
        """What the QR code says; ``seen_in`` reads it."""
        return record_text(self.site, self.node, self.inspection, self.last_seq, self.head)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A photo that belongs on a form, by its digest."""

    photo: str
    label: Label
    shot: str = ""
    seq: int = 0
    at: str = ""
    officer: str = ""
    device: str = ""
    counts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, when; ``photo`` is the digest of the handwriting's image, if there is one."""

    role: Label
    officer: str
    at: str
    photo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What every form bears. ``drafts``: why it is only a draft; empty: it is final."""

    title: Label
    seal: Seal
    drafts: tuple[Label, ...]
    fields: tuple[tuple[Label, str], ...]
    conclusion: Label
    mark: Mark
    signatures: tuple[Signature, ...]


# ---- what all forms bear -------------------------------------------------------------------------


def seal_of(dossier: Dossier) -> Seal:
    """The seal of every form of an inspection."""
    kept, judged = dossier.kept, dossier.inspection.judged
    used = (dossier.rulebook.name, dossier.rulebook.rules_sha256)
    rules, digest = used if judged is None else (judged[1].rules, judged[1].rules_sha256)
    sources = [*kept.records, *([kept.capture] if kept.capture else [])]
    return Seal(
        site=kept.site,
        site_title=dossier.site_title,
        node=kept.node,
        inspection=dossier.inspection.inspection,
        attempt=dossier.inspection.attempt,
        first_seq=kept.records[0].seq,
        last_seq=kept.records[-1].seq,
        head=kept.head,
        rules=rules,
        rules_sha256=digest,
        simulated=any(is_simulated(record.source) for record in sources),
        printed_at=f"{dossier.time(dossier.printed_at)} {dossier.printed_at.astimezone(dossier.zone):%z}",
        printed_by=dossier.printed_by,
    )


def drafts_of(dossier: Dossier) -> tuple[Label, ...]:
    """Why a form is only a draft."""
    inspection, why = dossier.inspection, []
    if inspection.judged is None:
        why.append(WORDS["draft.open" if inspection.aborted is None else "draft.aborted"])
    else:
        judged_seq = inspection.judged[0]
        later = [record.body for record in dossier.kept.records if record.seq > judged_seq]
        if any(not isinstance(body, AFTER_VERDICT) for body in later):
            why.append(WORDS["draft.corrected"])
    if dossier.checklist is None and inspection.judged is None:
        why.append(WORDS["draft.rules"])
    if dossier.kept.unreadable:
        why.append(WORDS["draft.unreadable"])
    return tuple(why)


def conclusion_of(inspection: Inspection) -> tuple[Label, Mark]:
    """The verdict in words, and how it is marked."""
    verdict = inspection.verdict
    if verdict is None:
        return WORDS["verdict.none"], "open"
    marks: dict[str, Mark] = {"pass": "pass", "fail": "fail"}
    return WORDS.get(f"verdict.{verdict}", Label(zh=verdict, en=verdict)), marks.get(verdict, "open")


def fields_of(dossier: Dossier) -> tuple[tuple[Label, str], ...]:
    """The header: the visit and the vehicle's papers."""
    inspection, vehicle = dossier.inspection, dossier.inspection.vehicle
    plate = vehicle.plate
    none = f"{WORDS['plate.none'].zh} {WORDS['plate.none'].en}"
    values = {
        "inspection": inspection.inspection,
        "ordered": dossier.time(inspection.ordered_at),
        "attempt": str(inspection.attempt),
        "lane": inspection.lane or "—",
        "plate": none if plate is None else dossier.rulebook.codes.plates.painted(plate).replace("\n", " "),
        "plate_kind": "—" if plate is None else dossier.coded("plate_kinds", plate.hpzl),
        "use": dossier.coded("uses", vehicle.use),
        "class": dossier.coded("vehicle_classes", vehicle.vehicle_class),
        "brand": " ".join(each for each in (vehicle.brand, vehicle.model) if each) or "—",
        "vin": vehicle.vin,
        "engine": vehicle.engine_no or "—",
        "colour": dossier.coded("colours", vehicle.colour) if vehicle.colour else "—",
        "seats": str(vehicle.seats),
        "made": vehicle.made_on.isoformat(),
        "registered": vehicle.registered_on.isoformat() if vehicle.registered_on else "—",
        "mass": f"{vehicle.gross_mass_kg} / {vehicle.kerb_mass_kg} kg",
    }
    rows = [(WORDS[f"head.{key}"], value) for key, value in values.items()]
    if is_school_bus(vehicle):
        built = WORDS["school.yes" if vehicle.vehicle_class in SCHOOL_BUS_CLASSES else "school.no"]
        rows.append((WORDS["head.school"], f"{built.zh} {built.en}"))
    return tuple(rows)


def signatures_of(dossier: Dossier) -> tuple[tuple[Signature, ...], tuple[Signature, ...]]:
    """(of the first check, of the re-check): a re-check that failed again is not signed for (F)."""
    visits: list[list[Signature]] = [[]]
    for record in dossier.kept.records:
        if isinstance(record.body, Signed):
            visits[-1].append(_signature(dossier, record, record.body))
        elif isinstance(record.body, Judged):
            visits.append([])
    if not visits[-1]:
        visits.pop()
    if not visits:
        return (), ()
    rechecked = len(visits) > 1 or dossier.inspection.attempt > 1
    first = visits[0] if len(visits) > 1 or not rechecked else []
    passed = rechecked and dossier.inspection.verdict == "pass"
    return tuple(first), tuple(visits[-1]) if passed else ()


def _signature(dossier: Dossier, record: Record, body: Signed) -> Signature:
    return Signature(
        role=WORDS[f"role.{body.role}"],
        officer=dossier.officer(body.officer),
        at=dossier.time(record.at),
        photo=body.photo or "",
    )


def is_school_bus(vehicle: Vehicle) -> bool:
    """Whether 校车查验记录表 is the form of this vehicle (F: K18 K28 K38, or use O P Q)."""
    return vehicle.use in SCHOOL_BUS_USES or vehicle.vehicle_class in SCHOOL_BUS_CLASSES

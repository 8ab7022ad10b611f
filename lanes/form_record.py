"""The record form, 机动车查验记录表 or 校车查验记录表.

Its filling rules are those printed on it (GA 801, domain notes 1.3, F).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lanes.form_words import (
    RECORD_BUSINESSES,
    SCHOOL_BUS_BUSINESSES,
    VALUE_NAMES,
    VEHICLE_SHOT,
    VIN_SHOT,
    WORDS,
    Choice,
)
from lanes.forms import (
    MARKS,
    Dossier,
    Form,
    Mark,
    Picture,
    Signature,
    conclusion_of,
    drafts_of,
    fields_of,
    is_school_bus,
    seal_of,
    signatures_of,
)
from lanes.record import Checked, Finding
from lanes.rulebook import FormName, Rulebook
from lanes.scope import RuleError
from lanes.tables import Label

VALUE_ROOM = 24  # characters of a written value that stand in its line; longer ones stand in the remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an item stands on a form."""

    number: int
    item: str
    group: str
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One numbered line of a record form."""

    number: int
    item: str
    label: Label
    mark: Mark
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A box for a rubbing or a photo."""

    label: Label
    needed: bool
    picture: Picture | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordForm(Form):
    """机动车查验记录表 or 校车查验记录表."""

    businesses: tuple[tuple[Label, bool], ...]
    groups: tuple[tuple[Label, tuple[Line, ...]], ...]
    areas: tuple[Area, ...]
    rechecks: tuple[Signature, ...]
    remarks: tuple[str, ...]


def record_form(dossier: Dossier) -> RecordForm:
    """The record form that applies to the vehicle, filled as far as the inspection has come."""
    school = is_school_bus(dossier.inspection.vehicle)
    places = places_of(dossier.rulebook, "school_bus" if school else "record")
    choices = SCHOOL_BUS_BUSINESSES if school else RECORD_BUSINESSES
    conclusion, mark = conclusion_of(dossier.inspection)
    first, again = signatures_of(dossier)
    return RecordForm(
        title=WORDS["title.school_bus" if school else "title.record"],
        seal=seal_of(dossier),
        drafts=drafts_of(dossier),
        fields=fields_of(dossier),
        conclusion=conclusion,
        mark=mark,
        signatures=first,
        rechecks=again,
        businesses=_businesses(dossier, choices),
        groups=_groups(dossier, places),
        areas=_areas(dossier),
        remarks=tuple(_remarks(dossier, places)),
    )


def places_of(rulebook: Rulebook, form: FormName) -> tuple[Place, ...]:
    """The lines of a form by number; raises RuleError when the rules number none."""
    rows = [row for row in rulebook.items.values() if form in row.form]
    if not rows:
        raise RuleError(f"names.toml, item: no item has a number on the form {form!r}")
    return tuple(
        Place(number=row.form[form], item=row.code, group=row.group, label=rulebook.names["items"][row.code])
        for row in sorted(rows, key=lambda row: row.form[form])
    )


def _letter(dossier: Dossier) -> str:
    row = dossier.rulebook.businesses.get(dossier.inspection.business)
    return "" if row is None else row.form_code


def _businesses(dossier: Dossier, choices: Sequence[Choice]) -> tuple[tuple[Label, bool], ...]:
    """Every business of the form, ours ticked; one that the form does not know ticks 其他."""
    ours = {dossier.inspection.business, _letter(dossier)}
    ticked = [not ours.isdisjoint(choice.codes) for choice in choices]
    rows = [(Label(zh=choice.zh, en=choice.en), tick) for choice, tick in zip(choices, ticked, strict=True)]
    if not any(ticked):
        name = dossier.name("businesses", dossier.inspection.business)
        rows[-1] = (Label(zh=f"其他：{name.zh}", en=name.en), True)
    return tuple(rows)


def _groups(dossier: Dossier, places: Sequence[Place]) -> tuple[tuple[Label, tuple[Line, ...]], ...]:
    groups = dict.fromkeys(place.group for place in places)
    return tuple(
        (
            dossier.name("groups", group),
            tuple(_line(dossier, place) for place in places if place.group == group),
        )
        for group in groups
    )


def _line(dossier: Dossier, place: Place) -> Line:
    value = _value(dossier, place.item)
    see = WORDS["remark.see"]
    return Line(
        number=place.number,
        item=place.item,
        label=place.label,
        mark=mark_of(dossier, place.item),
        value=value if len(value) <= VALUE_ROOM else f"{see.zh} {see.en}",
    )


def mark_of(dossier: Dossier, item: str) -> Mark:
    """√, × or — for an item; what is required and was not checked yet stays open."""
    checked, standing = dossier.inspection.checks.get(item), _standing(dossier).get(item)
    result = checked[1].result if checked else standing.result if standing else None
    if result is not None:
        marks: dict[str, Mark] = {"pass": "pass", "fail": "fail", "not_applicable": "none"}
        return marks[result]
    if dossier.checklist is None:
        return "none" if dossier.inspection.judged is not None else "open"
    required = {each.item for each in dossier.checklist.checks if each.required}
    return "open" if item in required else "none"


def _standing(dossier: Dossier) -> dict[str, Finding]:
    """What an officer found in the attempt before and stands in this re-inspection, by item."""
    return {each.item: each for each in dossier.inspection.stands if each.quantity == "check"}


def _value(dossier: Dossier, item: str) -> str:
    """What the officer wrote; a code with its name."""
    checked, standing = dossier.inspection.checks.get(item), _standing(dossier).get(item)
    value = (checked[1].value if checked else standing.value if standing else "").strip()
    names = dossier.rulebook.names.get(VALUE_NAMES.get(item, ""), {})
    return f"{value} {names[value].zh} {names[value].en}" if value in names else value


def _areas(dossier: Dossier) -> tuple[Area, ...]:
    artefacts = () if dossier.checklist is None else dossier.checklist.artefacts
    needed = {each.artefact for each in artefacts if each.required}
    boxes = (("rubbing", "vin_rubbing", VIN_SHOT), ("vehicle", "standard_photo", VEHICLE_SHOT))
    return tuple(
        Area(
            label=WORDS[f"area.{name}"],
            needed=artefact in needed,
            picture=_latest(dossier, artefact) or _latest(dossier, shot),
        )
        for name, artefact, shot in boxes
    )


def _latest(dossier: Dossier, shot: str) -> Picture | None:
    taken = dossier.inspection.latest_photos().get(shot)
    return (
        None if taken is None else Picture(photo=taken[1].photo, shot=shot, label=dossier.name("shots", shot))
    )


def _remarks(dossier: Dossier, places: Sequence[Place]) -> Iterable[str]:
    """备注: defects and remarks by item, what fails outside the table, why it is a draft."""
    inspection = dossier.inspection
    numbers = {place.item: place for place in places}
    for item, (_, checked) in sorted(inspection.checks.items(), key=lambda each: _place_of(each[0], numbers)):
        said = [*checked.defects, checked.remark.strip()]
        if item not in numbers:
            said = [checked.value.strip(), *said]
        elif len(_value(dossier, item)) > VALUE_ROOM:
            said = [_value(dossier, item), *said]
        text = "；".join(each for each in said if each)
        if item in numbers and text:
            place = numbers[item]
            yield f"{place.number} {place.label.zh}（{MARKS[mark_of(dossier, item)]}）：{text}"
        elif item not in numbers and (text or checked.result == "fail"):
            yield _outside(dossier, checked, text)
    for finding in dossier.findings:
        if finding.result == "fail" and finding.quantity != "check":
            yield f"{_bi('remark.failed')}：{finding_words(dossier, finding)}"
    yield from _states(dossier)


def _states(dossier: Dossier) -> Iterable[str]:
    """What a reader must know of the whole inspection."""
    inspection = dossier.inspection
    if inspection.business == "school_bus_permit":  # Q: to be noted in 备注
        yield _bi("remark.school")
    for finding in dossier.findings:
        if finding.quantity == "calibration":
            yield f"{_bi('remark.calibration')}：{finding.arithmetic}"
    if inspection.listed is not None:
        by = inspection.listed[1]
        yield f"{_bi('remark.platform')}：{by.by} {by.version}".rstrip()
    left_out = () if dossier.checklist is None else dossier.checklist.left_out
    for why in dict.fromkeys(item.left_out for item in left_out):
        items = "、".join(f"{item.item} {item.zh}" for item in left_out if item.left_out == why)
        yield f"{_bi('remark.left_out')}（{why}）：{items}"
    if inspection.stands:
        items = "、".join(dict.fromkeys(each.item for each in inspection.stands))
        yield f"{_bi('remark.stands')}（{inspection.stands_until or '—'}）：{items}"
    for seq, referred in inspection.referrals.items():
        signs = "；".join((*referred.signs, referred.reason))
        released = inspection.releases.get(seq)
        yield f"{_bi('remark.referred')}（{dossier.officer(referred.officer)}）：{signs}"
        if released is not None:
            yield f"{_bi('remark.released')}（{dossier.officer(released[1].officer)}）：{released[1].reason}"
    if inspection.aborted is not None:
        body = inspection.aborted[1]
        yield f"{_bi('remark.aborted')}：{body.reason}（{dossier.officer(body.by)}）"
    elif dossier.missing:
        yield f"{_bi('remark.lacking')}：{'；'.join(lack.zh for lack in dossier.missing)}"
    for role, (_, signed) in inspection.signatures.items():
        if signed.statement.strip():
            yield f"{_bi('remark.statement')}（{WORDS[f'role.{role}'].zh}）：{signed.statement.strip()}"


def _bi(key: str) -> str:
    return f"{WORDS[key].zh} {WORDS[key].en}"


def _place_of(item: str, numbers: Mapping[str, Place]) -> tuple[int, str]:
    return (numbers[item].number if item in numbers else 1000, item)


def _outside(dossier: Dossier, checked: Checked, text: str) -> str:
    """A defect outside the table is described here, and fails the vehicle (F)."""
    name = dossier.name("items", checked.item)
    what = _bi("remark.outside") if checked.result == "fail" else ""
    return f"{what} {checked.item} {name.zh}：{text}".strip()


def finding_words(dossier: Dossier, finding: Finding) -> str:
    """A finding in one line: item, quantity, value, limit."""
    name = dossier.name("items", finding.item).zh
    quantity = dossier.name("quantities", finding.quantity).zh
    value = " ".join(each for each in (finding.value, finding.unit) if each)
    limit = f"（{finding.limit}）" if finding.limit else ""
    if finding.quantity == "review":
        return " ".join(each for each in (name, f"{value}{limit}", finding.arithmetic) if each)
    return f"{finding.item} {name} {quantity} {value}{limit}"

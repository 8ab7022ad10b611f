"""Rulebook: the checked tables of rules of one edition, with their digest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeVar

import msgspec
from msgspec import Struct

from lanes.again import ANY, FINDINGS, Again, Standing
from lanes.checklist import ItemKind, ItemNeed, Outside, Question, ShotNeed
from lanes.limits import Condition, Limit, Limits
from lanes.record import Severity
from lanes.scope import Confidence, RuleError, Scope, must_be_ordered, resolved
from lanes.tables import (
    ClassGroupRow,
    Document,
    Label,
    NameRow,
    SourceRow,
    by_code,
    documents,
    each,
    must_know,
    rows,
)

#: files (by stem) and the tables each must hold
FILES: dict[str, tuple[str, ...]] = {
    "rulebook": ("name", "source", "class_group", "business"),
    "limits": ("limit",),
    "checklists": ("item", "shot", "outside"),
    "names": ("item", "quantity"),
    "codes": ("plate_kind", "use", "vehicle_class", "colour", "shot"),
    "verdicts": ("sign", "again", "stands"),
}
#: files that editions from before them do not have
LATER = ("verdicts",)
#: what pages find in Rulebook.names, beside "items" and "businesses", and file and table it comes from
_NAMES = {
    "quantities": ("names", "quantity"),
    "shots": ("codes", "shot"),
    "plate_kinds": ("codes", "plate_kind"),
    "uses": ("codes", "use"),
    "vehicle_classes": ("codes", "vehicle_class"),
    "colours": ("codes", "colour"),
}
_S = TypeVar("_S", bound=Scope)
_Labelled = list[tuple[str, _S]]


class ItemNameRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """names.toml, item: a code, what kind of item it is, and its names."""

    code: str
    kind: ItemKind
    zh: str
    en: str
    source: str
    confidence: Confidence


class BusinessRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """rulebook.toml, business: our code, the form's letter, the platform's jylb, and which limits apply."""

    code: str
    form_code: str
    jylb: str
    condition: Condition
    zh: str
    en: str
    source: str
    confidence: Confidence


class SignRow(NameRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """verdicts.toml, sign: a sign of suspicion. ``proposed_by``: on which question a model may propose it."""

    proposed_by: Question | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules in force. ``names``: items, shots, businesses, plate kinds, quantities … -> code -> Label.

    ``severities``: of defect codes; one that does not stand there rejects.
    """

    name: str
    rules_sha256: str
    limits: Limits
    item_needs: tuple[ItemNeed, ...]
    shot_needs: tuple[ShotNeed, ...]
    outside: tuple[Outside, ...]
    item_kinds: Mapping[str, ItemKind]
    businesses: Mapping[str, BusinessRow]
    names: Mapping[str, Mapping[str, Label]]
    signs: Mapping[str, SignRow] = field(default_factory=dict)
    again: tuple[Again, ...] = ()
    stands: tuple[Standing, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)

    @classmethod
    def from_tables(cls, tables: Mapping[str, object]) -> "Rulebook":
        """Rulebook from parsed files by stem: rulebook, limits, checklists, names, codes.

        Raises RuleError naming file, table and row for anything unknown, missing, contradictory or undefined.
        """
        docs = documents(tables, FILES, LATER)
        name = docs["rulebook"]["name"]
        if not isinstance(name, str) or not 0 < len(name) <= 80:
            raise RuleError("rulebook.toml: name must be a text of 1 to 80 characters")
        sources = by_code(rows(docs, "rulebook", "source", SourceRow), lambda row: row.key)
        businesses = _businesses(docs, sources)
        items, names = _names(docs, sources, businesses)
        limits = _scoped(docs, "limits", "limit", Limit, sources, businesses)
        item_needs = _scoped(docs, "checklists", "item", ItemNeed, sources, businesses)
        shot_needs = _scoped(docs, "checklists", "shot", ShotNeed, sources, businesses)
        outside = _scoped(docs, "checklists", "outside", Outside, sources, businesses)
        for label, row in limits:
            must_know(label, "quantity", [row.quantity], names["quantities"])
        for label, need in item_needs:
            must_know(label, "item", [need.item], items)
        for label, shot in shot_needs:
            must_know(label, "shot", [shot.shot], names["shots"])
        signs = _signs(docs, sources)
        again = _scoped(docs, "verdicts", "again", Again, sources, businesses)
        stands = _scoped(docs, "verdicts", "stands", Standing, sources, businesses)
        codes = {*items, *names["shots"], *FINDINGS}
        for label, need_again in again:
            must_know(label, "item", [need_again.item], {*codes, ANY})
            must_know(label, "brings", need_again.brings, codes)
        must_be_ordered(stands, "verdicts.toml, stands")
        for code in items:
            must_be_ordered([p for p in item_needs if p[1].item == code], f"checklists.toml, item {code}")
        for code in names["shots"]:
            must_be_ordered([p for p in shot_needs if p[1].shot == code], f"checklists.toml, shot {code}")
        return cls(
            name=name,
            rules_sha256=digest(docs),
            limits=Limits([row for _, row in limits], {c: b.condition for c, b in businesses.items()}),
            item_needs=tuple(row for _, row in item_needs),
            shot_needs=tuple(row for _, row in shot_needs),
            outside=tuple(row for _, row in outside),
            item_kinds={code: row.kind for code, row in items.items()},
            businesses=businesses,
            names={**names, "signs": _labels(signs)},
            signs=signs,
            again=tuple(row for _, row in again),
            stands=tuple(row for _, row in stands),
        )


def digest(docs: Mapping[str, Document]) -> str:
    """SHA-256 of the tables' canonical bytes: UTF-8 JSON by file stem, keys sorted, no blanks."""
    return sha256(msgspec.json.encode(docs, order="sorted")).hexdigest()


def _businesses(docs: Mapping[str, Document], sources: Mapping[str, SourceRow]) -> dict[str, BusinessRow]:
    labelled = rows(docs, "rulebook", "business", BusinessRow)
    for label, row in labelled:
        must_know(label, "source", row.source.split(), sources)
    return by_code(labelled, lambda row: row.code)


def _names(
    docs: Mapping[str, Document], sources: Mapping[str, SourceRow], businesses: Mapping[str, BusinessRow]
) -> tuple[dict[str, ItemNameRow], dict[str, dict[str, Label]]]:
    """Item rows by code, and all names for the pages."""
    labelled = rows(docs, "names", "item", ItemNameRow)
    for label, item in labelled:
        must_know(label, "source", item.source.split(), sources)
    items = by_code(labelled, lambda row: row.code)
    names = {"items": _labels(items), "businesses": _labels(businesses)}
    for key, (stem, table) in _NAMES.items():
        named = rows(docs, stem, table, NameRow)
        for label, row in named:
            must_know(label, "source", row.source.split(), sources)
        names[key] = _labels(by_code(named, lambda row: row.code))
    return items, names


def _signs(docs: Mapping[str, Document], sources: Mapping[str, SourceRow]) -> dict[str, SignRow]:
    labelled = rows(docs, "verdicts", "sign", SignRow)
    for label, row in labelled:
        must_know(label, "source", row.source.split(), sources)
    return by_code(labelled, lambda row: row.code)


def _labels(found: Mapping[str, ItemNameRow | BusinessRow | NameRow]) -> dict[str, Label]:
    return {code: Label(zh=row.zh, en=row.en) for code, row in found.items()}


def _scoped(
    docs: Mapping[str, Document],
    stem: str,
    table: str,
    kind: type[_S],
    sources: Mapping[str, SourceRow],
    businesses: Mapping[str, BusinessRow],
) -> _Labelled[_S]:
    """Rows with a scope: class groups replaced, sources and businesses known."""
    groups = _groups(docs, sources)
    labelled = each(rows(docs, stem, table, kind), lambda row: resolved(row, groups))
    for label, row in labelled:
        must_know(label, "source", row.source.split(), sources)
        must_know(label, "business", row.businesses, businesses)
    return labelled


def _groups(docs: Mapping[str, Document], sources: Mapping[str, SourceRow]) -> dict[str, tuple[str, ...]]:
    labelled = rows(docs, "rulebook", "class_group", ClassGroupRow)
    for label, row in labelled:
        must_know(label, "source", row.source.split(), sources)
    return {code: row.classes for code, row in by_code(labelled, lambda row: row.name).items()}

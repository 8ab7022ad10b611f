"""Rulebook: the checked tables of rules of one edition, with their digest."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from lanes.authority import AuthorityRow, LevelRow
from lanes.codes import Codes
from lanes.limits import Condition, Limit, Limits
from lanes.needs import ArtefactNeed, ItemKind, ItemNeed, Outside, ShotNeed
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
from lanes.verdicts import Again, Standing, Verdicts
from lanes.vin_rules import VinRule

#: files (by stem) and the tables each must hold
FILES: dict[str, tuple[str, ...]] = {
    "rulebook": ("name", "source", "class_group", "business"),
    "limits": ("limit",),
    "checklists": ("item", "shot", "artefact", "outside"),
    "authority": ("level", "authority"),
    "names": ("item", "group", "artefact", "quantity"),
    "codes": (
        "plate_kind",
        "use",
        "vehicle_class",
        "colour",
        "fuel",
        "test_kind",
        "special_class",
        "line_kind",
    ),
    "photos": ("shot", "old_shot"),
    "defects": ("defect_item", "defect"),
    "plates": ("format", "open_kind"),
    "vins": ("vin_rule", "region", "country"),
    "verdicts": ("sign", "again", "stands"),
}
#: files that editions from before them do not have
LATER = ("verdicts",)
#: what pages find in Rulebook.names, beside items, businesses and levels, and file and table it comes from
_NAMES = {
    "groups": ("names", "group"),
    "artefacts": ("names", "artefact"),
    "quantities": ("names", "quantity"),
    "shots": ("photos", "shot"),
    "plate_kinds": ("codes", "plate_kind"),
    "uses": ("codes", "use"),
    "vehicle_classes": ("codes", "vehicle_class"),
    "colours": ("codes", "colour"),
    "fuels": ("codes", "fuel"),
    "test_kinds": ("codes", "test_kind"),
    "special_classes": ("codes", "special_class"),
    "line_kinds": ("codes", "line_kind"),
    "defect_items": ("defects", "defect_item"),
}
_S = TypeVar("_S", bound=Scope)
_Labelled = list[tuple[str, _S]]


FormName: TypeAlias = Literal["record", "school_bus"]


class ItemNameRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """names.toml, item: a code, what kind of item it is, its names, and where else it stands.

    ``form``: its number on the record form and on that of school buses. ``number``, ``field``: the platform's
    (18C80). ``part_of``: the platform's code for its group. ``covered_by``: items of the form that
    say the same, alternatives; two in one text are needed together. ``quantities``: what judges a reading.
    """

    code: str
    kind: ItemKind
    zh: str
    en: str
    source: str
    confidence: Confidence
    group: str = ""
    form: dict[FormName, int] = {}
    number: str = ""
    field: str = ""
    part_of: str = ""
    covered_by: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()


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


class BusinessRows(NamedTuple):
    """The rows that can be for one business, by code, in the order of the form."""

    items: Mapping[str, tuple[ItemNeed, ...]]
    shots: Mapping[str, tuple[ShotNeed, ...]]
    artefacts: Mapping[str, tuple[ArtefactNeed, ...]]


_NO_ROWS = BusinessRows({}, {}, {})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rulebook:
    """All rules in force. ``names``: items, shots, businesses, plate kinds, quantities … -> code -> Label.

    ``severities``: of defect codes; one that does not stand there rejects.
    """

    name: str
    rules_sha256: str
    limits: Limits
    item_needs: tuple[ItemNeed, ...]
    shot_needs: tuple[ShotNeed, ...]
    artefact_needs: tuple[ArtefactNeed, ...]
    outside: tuple[Outside, ...]
    authority: tuple[AuthorityRow, ...]
    levels: Mapping[str, LevelRow]
    items: Mapping[str, ItemNameRow]
    item_kinds: Mapping[str, ItemKind]
    businesses: Mapping[str, BusinessRow]
    groups: Mapping[str, ClassGroupRow]
    sources: Mapping[str, str]
    names: Mapping[str, Mapping[str, Label]]
    codes: Codes
    verdicts: Verdicts
    by_business: Mapping[str, BusinessRows]
    said: Mapping[tuple[str, ...], tuple[str, ...]]  # beginnings of cllx -> the names a row says them by

    def knows_class(self, code: str) -> bool:
        """Whether a vehicle class is named, or begins as one of a class group."""
        groups = self.groups.values()
        return code in self.names["vehicle_classes"] or any(code.startswith(g.classes) for g in groups)

    def rows_for(self, business: str) -> BusinessRows:
        """The rows of checklists.toml that can be for a business."""
        return self.by_business.get(business, _NO_ROWS)

    @classmethod
    def from_tables(cls, tables: Mapping[str, object]) -> "Rulebook":
        """Rulebook from parsed files by stem, those of FILES.

        Raises RuleError naming file, table and row for anything unknown, missing, contradictory or undefined.
        """
        docs = documents(tables, FILES, LATER)
        name = docs["rulebook"]["name"]
        if not isinstance(name, str) or not 0 < len(name) <= 80:
            raise RuleError("rulebook.toml: name must be a text of 1 to 80 characters")
        sources = by_code(rows(docs, "rulebook", "source", SourceRow), lambda row: row.key)
        businesses = _businesses(docs, sources)
        levels = _levels(docs, sources)
        items, names = _names(docs, sources, businesses)
        names["levels"] = _labels(levels)
        read = _Reader(docs, sources, businesses)
        limits = read.scoped("limits", "limit", Limit)
        item_needs = read.scoped("checklists", "item", ItemNeed)
        shot_needs = read.scoped("checklists", "shot", ShotNeed)
        artefact_needs = read.scoped("checklists", "artefact", ArtefactNeed)
        outside = read.scoped("checklists", "outside", Outside)
        authority = read.scoped("authority", "authority", AuthorityRow)
        vin_rules = read.scoped("vins", "vin_rule", VinRule)
        for label, row in limits:
            must_know(label, "quantity", [row.quantity], names["quantities"])
        for label, need in item_needs:
            must_know(label, "item", [need.item], items)
        for label, shot in shot_needs:
            must_know(label, "shot", [shot.shot], names["shots"])
            must_know(label, "with_item", [shot.with_item] if shot.with_item else [], items)
        for label, artefact in artefact_needs:
            must_know(label, "artefact", [artefact.artefact], names["artefacts"])
        for label, who in authority:
            must_know(label, "level", [who.level] if who.level else [], levels)
        for code in items:
            must_be_ordered([p for p in item_needs if p[1].item == code], f"checklists.toml, item {code}")
        for code in names["shots"]:
            must_be_ordered([p for p in shot_needs if p[1].shot == code], f"checklists.toml, shot {code}")
        for code in names["artefacts"]:
            listed = [p for p in artefact_needs if p[1].artefact == code]
            must_be_ordered(listed, f"checklists.toml, artefact {code}")
        return cls(
            name=name,
            rules_sha256=digest(docs),
            limits=Limits([row for _, row in limits], {c: b.condition for c, b in businesses.items()}),
            item_needs=_bare(item_needs),
            shot_needs=_bare(shot_needs),
            artefact_needs=_bare(artefact_needs),
            outside=_bare(outside),
            authority=_bare(authority),
            levels=levels,
            items=items,
            item_kinds={code: row.kind for code, row in items.items()},
            businesses=businesses,
            groups=read.groups,
            sources={key: row.text for key, row in sources.items()},
            names=names,
            by_business={
                code: BusinessRows(
                    _by(item_needs, code, items, lambda row: row.item),
                    _by(shot_needs, code, names["shots"], lambda row: row.shot),
                    _by(artefact_needs, code, names["artefacts"], lambda row: row.artefact),
                )
                for code in businesses
            },
            said=read.said,
            codes=Codes.from_tables(docs, vin_rules, names, sources),
            verdicts=Verdicts.from_tables(
                docs,
                read.scoped("verdicts", "again", Again),
                read.scoped("verdicts", "stands", Standing),
                {*items, *names["shots"]},
                sources,
            ),
        )


def _bare(labelled: _Labelled[_S]) -> tuple[_S, ...]:
    return tuple(row for _, row in labelled)


def _by(
    labelled: _Labelled[_S], business: str, order: Iterable[str], code: Callable[[_S], str]
) -> dict[str, tuple[_S, ...]]:
    """Rows that can be for a business under their code, in the order in which codes are named."""
    found: dict[str, list[_S]] = {}
    for _, row in labelled:
        if not row.businesses or business in row.businesses:
            found.setdefault(code(row), []).append(row)
    return {each: tuple(found[each]) for each in order if each in found}


def digest(docs: Mapping[str, Document]) -> str:
    """SHA-256 of the tables' canonical bytes: UTF-8 JSON by file stem, keys sorted, no blanks."""
    return sha256(msgspec.json.encode(docs, order="sorted")).hexdigest()


def _businesses(docs: Mapping[str, Document], sources: Mapping[str, SourceRow]) -> dict[str, BusinessRow]:
    labelled = rows(docs, "rulebook", "business", BusinessRow)
    for label, row in labelled:
        must_know(label, "source", row.source.split(), sources)
    return by_code(labelled, lambda row: row.code)


def _levels(docs: Mapping[str, Document], sources: Mapping[str, SourceRow]) -> dict[str, LevelRow]:
    labelled = rows(docs, "authority", "level", LevelRow)
    if not labelled:
        raise RuleError("authority.toml, level: name at least one level of officers")
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
    for label, item in labelled:
        must_know(label, "group", [item.group] if item.group else [], names["groups"])
        must_know(label, "part_of", [item.part_of] if item.part_of else [], items)
        must_know(label, "covered_by", " ".join(item.covered_by).split(), items)
        must_know(label, "quantity", item.quantities, names["quantities"])
    return items, names


def _labels(found: Mapping[str, ItemNameRow | BusinessRow | NameRow | LevelRow]) -> dict[str, Label]:
    return {code: Label(zh=row.zh, en=row.en) for code, row in found.items()}


class _Reader:
    """Rows with a scope: class groups replaced, sources and businesses known."""

    def __init__(
        self,
        docs: Mapping[str, Document],
        sources: Mapping[str, SourceRow],
        businesses: Mapping[str, BusinessRow],
    ) -> None:
        self._docs, self._sources, self._businesses = docs, sources, businesses
        labelled = rows(docs, "rulebook", "class_group", ClassGroupRow)
        for label, row in labelled:
            must_know(label, "source", row.source.split(), sources)
        self.groups = by_code(labelled, lambda row: row.name)
        self.said: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._prefixes = {name: row.classes for name, row in self.groups.items()}

    def scoped(self, stem: str, table: str, kind: type[_S]) -> _Labelled[_S]:
        """(where, row) of one table."""
        labelled = each(rows(self._docs, stem, table, kind), self._resolved)
        for label, row in labelled:
            must_know(label, "source", row.source.split(), self._sources)
            must_know(label, "business", row.businesses, self._businesses)
        return labelled

    def _resolved(self, row: _S) -> _S:
        done = resolved(row, self._prefixes)
        self.said[done.classes] = row.classes
        return done

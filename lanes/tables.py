"""Rows of rule tables from parsed documents; errors name file, table, row and the nearest known name."""

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

import msgspec
from msgspec import Struct

from lanes.scope import Confidence, RuleError

_T = TypeVar("_T", bound=Struct)
_V = TypeVar("_V")
Document = Mapping[str, object]
_NAMING = ("code", "quantity", "item", "shot", "artefact", "level", "name", "key")


class Label(Struct, frozen=True, kw_only=True):
    """A name in both languages of the pages."""

    zh: str
    en: str


class SourceRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """rulebook.toml, source: where facts come from, under a short key."""

    key: str
    text: str


class ClassGroupRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """rulebook.toml, class_group: beginnings of cllx codes under one name; ``zh``, ``en``: for people."""

    name: str
    classes: tuple[str, ...]
    source: str
    confidence: Confidence
    zh: str = ""
    en: str = ""


class NameRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """names.toml, codes.toml and others: a code and its names."""

    code: str
    zh: str
    en: str
    source: str
    confidence: Confidence


def documents(
    tables: Mapping[str, object], wanted: Mapping[str, Collection[str]], optional: Collection[str] = ()
) -> dict[str, Document]:
    """The parsed files by stem; raises RuleError for missing or unknown files and tables.

    Files of ``optional`` may be absent: editions that were written before them have none.
    """
    by_stem = {str(name).removesuffix(".toml"): document for name, document in tables.items()}
    _known(by_stem, wanted, "rules", "file")
    for stem, names in wanted.items():
        document = by_stem.get(stem)
        if document is None and stem in optional:
            continue
        if not isinstance(document, Mapping):
            raise RuleError(f"{stem}.toml is missing from the rules")
        _known(document, names, f"{stem}.toml", "table")
        absent = [name for name in names if name not in document]
        if absent:
            raise RuleError(f"{stem}.toml: table {absent[0]!r} is missing")
    return {stem: document for stem in wanted if isinstance(document := by_stem.get(stem), Mapping)}


def rows(docs: Mapping[str, Document], stem: str, table: str, kind: type[_T]) -> list[tuple[str, _T]]:
    """(where, row) of one table; raises RuleError for anything that is not a row of that kind."""
    listed = docs[stem][table] if stem in docs else []
    if not isinstance(listed, list):
        raise RuleError(f"{stem}.toml, {table}: must be a list of rows, such as [[{table}]]")
    return [_row(f"{stem}.toml, {table}", i, raw, kind) for i, raw in enumerate(listed, 1)]


def _row(where: str, number: int, raw: object, kind: type[_T]) -> tuple[str, _T]:
    if not isinstance(raw, Mapping):
        raise RuleError(f"{where}, row {number}: is not a row of columns")
    said = next((str(raw[key]) for key in _NAMING if key in raw), "")
    label = f"{where}, row {number}" + (f" ({said})" if said else "")
    _known(raw, kind.__struct_fields__, label, "column")
    try:
        return label, msgspec.convert(raw, kind)
    except msgspec.ValidationError as wrong:
        raise RuleError(f"{label}: {wrong}") from None


def each(labelled: Iterable[tuple[str, _T]], change: Callable[[_T], _V]) -> list[tuple[str, _V]]:
    """Every row changed; a ValueError of ``change`` becomes a RuleError that names the row."""
    done = []
    for label, row in labelled:
        try:
            done.append((label, change(row)))
        except ValueError as wrong:
            raise RuleError(f"{label}: {wrong}") from None
    return done


def by_code(labelled: Iterable[tuple[str, _V]], code: Callable[[_V], str]) -> dict[str, _V]:
    """Rows under their code, in order; raises RuleError for a code that stands twice."""
    found: dict[str, _V] = {}
    for label, row in labelled:
        if code(row) in found:
            raise RuleError(f"{label}: {code(row)!r} stands twice in this table")
        found[code(row)] = row
    return found


def must_know(label: str, column: str, values: Iterable[str], known: Collection[str]) -> None:
    """Raises RuleError for a value that no other table defines."""
    for value in values:
        if value not in known:
            raise RuleError(f"{label}: {column} {value!r} is not defined{_nearest(value, known)}")


def _known(raw: Iterable[object], known: Collection[str], label: str, what: str) -> None:
    for key in raw:
        if key not in known:
            raise RuleError(f"{label}: unknown {what} {key!r}{_nearest(str(key), known)}")


def _nearest(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; nearest known: {near[0]!r}" if near else f" (known: {', '.join(sorted(known)[:20])})"

"""Results that others write as text, by a configured map of fields: CSV, INI, XML, or pairs on one line.

No maker's layout is public (domain facts 7.5: "result file or HTTP", F1/M), so names, units and words are
configured. The only file that imports defusedxml: a file in a folder is not to be trusted.
"""

import configparser
import csv
import io
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args, get_type_hints
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import Meta, Struct

from lanes.outline import outline_problem
from lanes.record import OutlineMeasured, RoadTested, Tread, TyresMeasured
from lanes.tyres import tyres_problem

Result: TypeAlias = OutlineMeasured | RoadTested | TyresMeasured
Word: TypeAlias = Annotated[str, Meta(min_length=1, max_length=80)]

NUMBER = re.compile(r"[+-]?[0-9]{1,9}(\.[0-9]{0,9})?")
LARGEST = 64 * 1024  # bytes of one result
COMMON = frozenset({"lane", "station", "device", "item", "kind", "bench_verdict"})


class FieldMap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``fields``: our name → theirs. ``factors``: what their number is multiplied by. Words of a verdict."""

    form: Literal["csv", "ini", "xml", "pairs"]
    fields: dict[str, Word]
    factors: dict[str, Decimal] = {}
    encoding: Literal["utf-8-sig", "gb18030"] = "utf-8-sig"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    pass_words: tuple[Word, ...] = ()
    fail_words: tuple[Word, ...] = ()

    def __post_init__(self) -> None:
        if not all(factor.is_finite() and factor for factor in self.factors.values()):
            raise ValueError("factors are numbers other than 0")


class Unreadable(ValueError):
    """A result that does not tell what it should; the text says what and where."""


def texts(data: bytes, settings: FieldMap) -> dict[str, str]:
    """All that a result says, by its own names; raises Unreadable."""
    if len(data) > LARGEST:
        raise Unreadable(f"{len(data)} bytes, {LARGEST} are the most")
    try:
        if settings.form == "xml":
            return _xml(data)
        text = data.decode(settings.encoding)
        if settings.form == "csv":
            return _csv(text, settings.delimiter)
        return _ini(text) if settings.form == "ini" else _pairs(text, settings.delimiter)
    except (UnicodeDecodeError, ParseError, DefusedXmlException, configparser.Error, csv.Error) as wrong:
        raise Unreadable(f"is no {settings.form} in {settings.encoding}: {wrong}") from wrong


def _csv(text: str, delimiter: str) -> dict[str, str]:
    """One row under one row of names, or one row alone, whose columns are named 1, 2, 3 …"""
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if any(row)]
    if not 1 <= len(rows) <= 2:
        raise Unreadable(f"{len(rows)} rows; one result is one row, or a row of names and one below it")
    names = [str(number) for number in range(1, len(rows[-1]) + 1)] if len(rows) == 1 else rows[0]
    if len(names) != len(rows[-1]):
        raise Unreadable(f"{len(names)} names, {len(rows[-1])} values")
    return _unique([(name.strip(), value.strip()) for name, value in zip(names, rows[-1], strict=True)])


def _ini(text: str) -> dict[str, str]:
    """``key`` by ``section.key``."""
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return {f"{name}.{key}": value for name in parser.sections() for key, value in parser[name].items()}


def _pairs(text: str, delimiter: str) -> dict[str, str]:
    """``key=value`` by the delimiter, or by lines."""
    parts = [part for line in text.splitlines() for part in line.split(delimiter) if part.strip()]
    cut = [part.partition("=") for part in parts]
    return _unique([(name.strip(), value.strip()) for name, equals, value in cut if equals])


def _xml(data: bytes) -> dict[str, str]:
    """Texts by path below the root, such as ``size/length``; attributes as ``size/@length``."""
    found: list[tuple[str, str]] = []

    def walk(element: Element, path: str) -> None:
        found.extend((f"{path}@{name}", value.strip()) for name, value in element.attrib.items())
        for child in element:
            below = f"{path}{child.tag.rpartition('}')[2]}"
            if child.text and child.text.strip():
                found.append((below, child.text.strip()))
            walk(child, f"{below}/")

    walk(fromstring(data, forbid_dtd=True), "")
    return _unique(found)


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    named = dict(pairs)
    for name, value in pairs:
        if named[name] != value:
            raise Unreadable(f"{name} stands in it twice, as {value} and as {named[name]}")
    return named


class Wanted(NamedTuple):
    """A kind of result: what it becomes, which fields its map may name, why one cannot be."""

    body: type[Result]
    names: frozenset[str]
    problem: Callable[[Any], str | None]


def _names(body: type[Result]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(body)) - COMMON


WHEELS = get_args(get_type_hints(Tread)["wheel"])
OUTLINE = Wanted(OutlineMeasured, _names(OutlineMeasured), outline_problem)
ROAD = Wanted(RoadTested, _names(RoadTested), lambda _test: None)  # its speed depends on the vehicle
TREADS = Wanted(
    TyresMeasured, frozenset(f"{axle}.{wheel}" for axle in range(1, 10) for wheel in WHEELS), tyres_problem
)


def check(name: str, wanted: Wanted, settings: FieldMap) -> None:
    """Raises ValueError for a map that names what the record does not have."""
    for field in [*settings.fields, *settings.factors]:
        if field not in wanted.names | {"bench_verdict"}:
            known = ", ".join(sorted(wanted.names))
            raise ValueError(
                f"{name}: no field {field!r} in {wanted.body.__name__}; known: {known}, bench_verdict"
            )


def read(data: bytes, wanted: Wanted, settings: FieldMap, common: Mapping[str, object]) -> Result:
    """The record body of a result; raises Unreadable, which names the field."""
    told = texts(data, settings)
    values = {
        field: _value(field, name, told[name], wanted, settings)
        for field, name in settings.fields.items()
        if told.get(name)
    }
    if wanted is TREADS:
        values = _treads(values)
    try:
        body = msgspec.convert({**common, **values, "kind": wanted.body.__struct_config__.tag}, wanted.body)
    except msgspec.ValidationError as wrong:
        raise Unreadable(f"{wrong}; it names {', '.join(sorted(told)) or 'nothing'}") from wrong
    why = wanted.problem(body)
    if why is not None:
        raise Unreadable(why)
    return body


def _treads(values: dict[str, object]) -> dict[str, object]:
    verdict = values.pop("bench_verdict", None)
    treads = [
        Tread(axle=int(place[0]), wheel=place[2:], depth_mm=depth)  # type: ignore[arg-type]
        for place, depth in values.items()
    ]
    return {"bench_verdict": verdict, "treads": tuple(treads)}


def _value(field: str, name: str, text: str, wanted: Wanted, settings: FieldMap) -> object:
    if field == "bench_verdict":
        return "pass" if text in settings.pass_words else "fail" if text in settings.fail_words else None
    kind = Decimal if wanted is TREADS else get_type_hints(wanted.body)[field]
    if not {int, Decimal} & {kind, *get_args(kind)}:
        return text
    if not NUMBER.fullmatch(text):
        raise Unreadable(f"{name} is {text[:40]!r}, no number")
    number = Decimal(text) * settings.factors.get(field, Decimal(1))
    whole = int in (kind, *get_args(kind))
    return int(number.to_integral_value(ROUND_HALF_EVEN)) if whole else number

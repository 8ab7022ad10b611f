"""What is wrong with the VIN of a vehicle by dated rules, and where in the world its characters are from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from lanes.scope import Case, Confidence, RuleError, Scope, must_be_ordered, narrowest
from lanes.tables import Document, Label, by_code, rows
from lanes.vehicle import Problem, Vehicle
from lanes.vin import (
    ALPHABET,
    LENGTH,
    LETTERS,
    check_digit,
    model_year,
    model_years,
    series_differences,
)

Check: TypeAlias = Literal[
    "length", "alphabet", "check_digit", "serial", "year_code", "year", "region", "series"
]
_ORDER = LETTERS + "1234567890"  # ISO 3780 counts letters first, and 0 last
DOMESTIC = "CN"


class VinRule(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """vins.toml, vin_rule: what a check that fails is for the vehicles of its scope.

    ``first``: first characters of the VIN. ``years_*``: how far the model year may be from the year made.
    """

    SETS: ClassVar[tuple[str, ...]] = (*Scope.SETS, "first")

    checks: Annotated[tuple[Check, ...], Meta(min_length=1)]
    level: Literal["error", "warning"]
    first: tuple[Annotated[str, Meta(min_length=1, max_length=1)], ...] = ()
    years_ahead: Annotated[int, Meta(ge=0, le=14)] = 1
    years_behind: Annotated[int, Meta(ge=0, le=14)] = 1


class _VinCase(Case):
    """A case that knows the first character of the VIN."""

    def value(self, name: str) -> str:
        return self.vehicle.vin[:1] if name == "first" else Case.value(self, name)


class RegionRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """vins.toml, region: a part of the world and the first characters given out there."""

    first: str
    zh: str
    en: str
    source: str
    confidence: Confidence


class CountryRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """vins.toml, country: its pairs of first characters, from ``first`` to ``last`` (A–Z, 1–9, 0)."""

    first: Annotated[str, Meta(pattern="^[A-HJ-NPR-Z0-9]{2}$")]
    last: Annotated[str, Meta(pattern="^[A-HJ-NPR-Z0-9]{2}$")]
    code: Annotated[str, Meta(pattern="^[A-Z]{2}$")]
    zh: str
    en: str
    source: str
    confidence: Confidence

    def __post_init__(self) -> None:
        if self.first[0] != self.last[0] or _rank(self.first) > _rank(self.last):
            raise ValueError(f"{self.first} to {self.last} is no range of one first character")


def _rank(pair: str) -> int:
    return _ORDER.index(pair[1])


@dataclass(frozen=True, slots=True)
class Vins:
    """All rules for VINs."""

    rules: tuple[VinRule, ...]
    regions: Mapping[str, Label]
    countries: Mapping[str, CountryRow]

    @classmethod
    def from_tables(cls, docs: Mapping[str, Document], rules: list[tuple[str, VinRule]]) -> "Vins":
        """Vins from the parsed ``vins`` file and its resolved rules; raises RuleError naming the row."""
        for check in get_args(Check):
            bearing = [pair for pair in rules if check in pair[1].checks]
            if not bearing:
                raise RuleError(f"vins.toml, vin_rule: no row is for the check {check!r}")
            must_be_ordered(bearing, f"vins.toml, vin_rule, {check}")
        return cls(tuple(rule for _, rule in rules), _regions(docs), _countries(docs))

    def country(self, vin: str) -> CountryRow | None:
        """Where the maker's code was given out; None: nowhere that is known."""
        return self.countries.get(vin[:2])

    def region(self, vin: str) -> Label | None:
        """The part of the world the first character belongs to; None: none that is known."""
        return self.regions.get(vin[:1])

    def binds(self, check: Check, vehicle: Vehicle, on: date) -> bool:
        """Whether a VIN that fails this check is an error for this vehicle."""
        rule = self._rule(check, vehicle, on)
        return rule is not None and rule.level == "error"

    def _rule(self, check: Check, vehicle: Vehicle, on: date) -> VinRule | None:
        bearing = (rule for rule in self.rules if check in rule.checks)
        return narrowest(bearing, _VinCase(vehicle=vehicle, business="", on=on))

    def problems(self, vehicle: Vehicle, on: date) -> tuple[Problem, ...]:
        """Everything wrong with the VIN of a vehicle as it stands in the papers; empty: nothing."""
        found = []
        for check, zh, en in self._faults(vehicle, on):
            rule = self._rule(check, vehicle, on)
            if rule is not None:
                found.append(Problem(rule.level, check, f"车辆识别代号{zh}", f"VIN {en}"))
        return tuple(found)

    def _faults(self, vehicle: Vehicle, on: date) -> Iterator[tuple[Check, str, str]]:
        """Each check that fails, in words."""
        vin = vehicle.vin
        if len(vin) != LENGTH:
            yield "length", f"应为17位，现为{len(vin)}位", f"has {len(vin)} characters, not 17"
            return
        wrong = "".join(sorted(set(vin) - set(ALPHABET)))
        if wrong:
            yield "alphabet", f"不得含有 {wrong}", f"must not contain {wrong}"
            return
        yield from _structure(vin)
        rule = self._rule("year", vehicle, on)
        if (
            rule is not None
            and model_years(vin)
            and model_year(vin, vehicle.made_on, rule.years_ahead, rule.years_behind) is None
        ):
            made = vehicle.made_on
            yield (
                "year",
                f"第10位年份与出厂日期 {made} 不符",
                f"character 10 does not fit the date made, {made}",
            )
        country = self.country(vin)
        if country is None or country.code != DOMESTIC:
            yield "region", "国产车应以 L 或 H 开头", "of a vehicle made in China begins with L or H"
        places = series_differences(vin, vehicle.vin_series)
        if places:
            zh = "、".join(f"第{each.place}位应为{each.due}，现为{each.found}" for each in places)
            en = ", ".join(f"character {each.place} is {each.found}, not {each.due}" for each in places)
            yield "series", f"与公告系列不符：{zh}", f"differs from the announced series: {en}"


def _structure(vin: str) -> Iterator[tuple[Check, str, str]]:
    """The rules for seventeen legal characters."""
    due, nine, ten = check_digit(vin), vin[8], vin[9]
    if nine != due:
        said = f"第9位应为{due}，现为{nine}", f"character 9 is {nine}, the check digit is {due}"
        yield "check_digit", *said
    if not vin[13:].isdecimal():
        yield "serial", "末4位应为数字", "the last four characters must be digits"
    if not model_years(vin):
        yield "year_code", f"第10位 {ten} 不是年份代码", f"character 10, {ten}, is no year code"


def _regions(docs: Mapping[str, Document]) -> dict[str, Label]:
    found = [(label, (c, row)) for label, row in rows(docs, "vins", "region", RegionRow) for c in row.first]
    return {c: Label(zh=row.zh, en=row.en) for c, (_, row) in by_code(found, lambda pair: pair[0]).items()}


def _countries(docs: Mapping[str, Document]) -> dict[str, CountryRow]:
    """Rows by pair; raises RuleError for a pair that two rows claim."""
    found = [
        (label, (row.first[0] + second, row))
        for label, row in rows(docs, "vins", "country", CountryRow)
        for second in _ORDER[_rank(row.first) : _rank(row.last) + 1]
    ]
    return {pair: row for pair, (_, row) in by_code(found, lambda claim: claim[0]).items()}

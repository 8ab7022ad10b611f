"""Scope: which vehicles, businesses and dates a rule row is for; the narrower of two rows wins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Struct

from lanes.vehicle import Vehicle

Confidence: TypeAlias = Literal["S", "F", "F1", "Q", "M"]
Positive: TypeAlias = Annotated[int, Meta(gt=0)]
_MOST = 10**9
_ANY = (0, _MOST)
_Row = TypeVar("_Row", bound="Scope")
_N = TypeVar("_N", int, date)


class RuleError(Exception):
    """Rule tables that cannot be used; the text names file, table, row, and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a rule is looked up for. ``condition``: new or in_use; ``axle``, ``bench`` where they matter."""

    vehicle: Vehicle
    business: str
    on: date
    condition: str = ""
    axle: str = ""
    bench: str = ""
    load: str = ""

    def value(self, name: str) -> str:
        """The case's value of one of the set-like columns of a Scope."""
        vehicle = self.vehicle
        match name:
            case "uses":
                return vehicle.use
            case "businesses":
                return self.business
            case "fuels":
                return vehicle.fuel
            case "plate_kinds":
                return vehicle.plate.hpzl if vehicle.plate is not None else ""
            case "origin":
                return "imported" if vehicle.imported else "domestic"
            case "steer_suspension" | "service_brake" | "lamps":
                return str(getattr(vehicle, name))
        return str(getattr(self, name))


class Scope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns shared by all rule rows. A column left out does not restrict; all bounds are inclusive.

    ``classes``: names of class groups or beginnings of cllx codes. ``mass_ratio_*``: gross ÷ kerb mass.
    ``speed_*``: design top speed; a vehicle whose papers do not tell it is in no row that restricts it.
    ``made_*``: date of manufacture. ``effective_*``: date of the inspection. ``source``: a key of [[source]].
    """

    SETS: ClassVar[tuple[str, ...]] = (
        "uses",
        "businesses",
        "fuels",
        "plate_kinds",
        "origin",
        "steer_suspension",
        "service_brake",
        "lamps",
    )
    #: first and last column of a range -> the vehicle's own number
    RANGES: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("gross_mass_from_kg", "gross_mass_to_kg", "gross_mass_kg"),
        ("axles_from", "axles_to", "axles"),
        ("seats_from", "seats_to", "seats"),
        ("speed_from_kmh", "speed_to_kmh", "top_speed_kmh"),
    )

    source: str
    confidence: Confidence
    classes: tuple[str, ...] = ()
    uses: tuple[Annotated[str, Meta(pattern="^[A-Z]$")], ...] = ()
    businesses: tuple[str, ...] = ()
    fuels: tuple[Annotated[str, Meta(min_length=1, max_length=4)], ...] = ()
    plate_kinds: tuple[Annotated[str, Meta(pattern="^[0-9]{2}$")], ...] = ()
    origin: Literal["domestic", "imported"] | None = None
    steer_suspension: Literal["independent", "dependent"] | None = None
    service_brake: Literal["hydraulic", "air"] | None = None
    lamps: Literal["one", "two", "four"] | None = None
    gross_mass_from_kg: Positive | None = None
    gross_mass_to_kg: Positive | None = None
    axles_from: Positive | None = None
    axles_to: Positive | None = None
    seats_from: Positive | None = None
    seats_to: Positive | None = None
    speed_from_kmh: Positive | None = None
    speed_to_kmh: Positive | None = None
    mass_ratio_to: Decimal | None = None
    mass_ratio_below: Decimal | None = None  # the one exclusive bound: GB 7258 says "less than 1.2 times"
    made_from: date | None = None
    made_to: date | None = None
    effective_from: date | None = None
    effective_to: date | None = None

    def __post_init__(self) -> None:
        if self.mass_ratio_to is not None and self.mass_ratio_below is not None:
            raise ValueError("mass_ratio_to and mass_ratio_below exclude each other")
        for name in ("mass_ratio_to", "mass_ratio_below"):
            ratio = getattr(self, name)
            if ratio is not None and not (ratio.is_finite() and ratio > 0):
                raise ValueError(f"{name} = {ratio} is not a positive number")
        for (low, high), (first, last, _) in zip(self._ranges(), self.RANGES, strict=True):
            if low > high:
                raise ValueError(f"{first} = {low} lies beyond {last} = {high}")
        if any(first > last for first, last in self._dates()):
            raise ValueError("a range of dates (made or effective) ends before it begins")

    def covers(self, case: Case) -> bool:
        """Whether this row is for this case."""
        vehicle = case.vehicle
        if self.classes and not vehicle.vehicle_class.startswith(self.classes):
            return False  # first and cheap: most rows end here
        made, effective = self._dates()
        return (
            all(_allows(value, case.value(n)) for n in self.SETS if (value := getattr(self, n)))
            and made[0] <= vehicle.made_on <= made[1]
            and effective[0] <= case.on <= effective[1]
            and all(
                _holds(span, getattr(vehicle, column[2]))
                for span, column in zip(self._ranges(), self.RANGES, strict=True)
            )
            and self._ratio_covers(vehicle)
        )

    def within(self, other: "Scope") -> bool:
        """Whether every case of this row is a case of ``other`` too."""
        return (
            _within_classes(self.classes, other.classes)
            and all(_inside(self._set(n), other._set(n)) for n in self.SETS)
            and all(map(_encloses, other._dates(), self._dates()))
            and all(map(_encloses, other._ranges(), self._ranges()))
            and self._ratio() <= other._ratio()
        )

    def overlaps(self, other: "Scope") -> bool:
        """Whether some case could be one of both rows."""
        return (
            (not self.classes or not other.classes or _share(self.classes, other.classes))
            and all(_meet(self._set(n), other._set(n)) for n in self.SETS)
            and all(map(_touch, other._dates(), self._dates()))
            and all(map(_touch, other._ranges(), self._ranges()))
        )

    def _set(self, name: str) -> frozenset[str]:
        """Allowed values of a set-like column; empty: all."""
        value = getattr(self, name)
        if value is None:
            return frozenset()
        return frozenset((value,) if isinstance(value, str) else value)

    def _dates(self) -> tuple[tuple[date, date], tuple[date, date]]:
        made = (self.made_from or date.min, self.made_to or date.max)
        return made, (self.effective_from or date.min, self.effective_to or date.max)

    def _ranges(self) -> tuple[tuple[int, int], ...]:
        """Lower and upper bound of each of RANGES; _ANY where the row does not restrict it."""
        return tuple((getattr(self, a) or 0, getattr(self, b) or _MOST) for a, b, _ in self.RANGES)

    def _ratio(self) -> tuple[Decimal, bool]:
        """Upper bound of gross ÷ kerb mass, and whether the bound itself is inside; ordered by width."""
        if self.mass_ratio_below is not None:
            return self.mass_ratio_below, False
        return (Decimal("Infinity") if self.mass_ratio_to is None else self.mass_ratio_to), True

    def _ratio_covers(self, vehicle: Vehicle) -> bool:
        bound, inside = self._ratio()
        gross, most = Decimal(vehicle.gross_mass_kg), bound * vehicle.kerb_mass_kg
        return gross <= most if inside else gross < most


def narrowest(rows: Iterable[_Row], case: Case) -> _Row | None:
    """The row for a case that lies within all others for it; None when no row is for it."""
    found = [row for row in rows if row.covers(case)]
    if len(found) < 2:
        return found[0] if found else None
    return next((row for row in found if all(row.within(other) for other in found)), None)


def must_be_ordered(rows: Sequence[tuple[str, _Row]], where: str) -> None:
    """Raises RuleError unless of any two rows for one case, one is narrower. Rows come as (label, row)."""
    for i, (label, row) in enumerate(rows):
        for other_label, other in rows[:i]:
            if row.overlaps(other) and row.within(other) == other.within(row):
                raise RuleError(
                    f"{where}: {other_label} and {label} can both be for the same vehicle and day, and "
                    "neither is narrower; restrict or end one of them (classes, uses, made_*, effective_*)"
                )


def resolved(row: _Row, groups: Mapping[str, tuple[str, ...]]) -> _Row:
    """The row with class groups replaced by their cllx beginnings; raises ValueError for an unknown name."""
    prefixes: list[str] = []
    for name in row.classes:
        if name not in groups and not _is_prefix(name):
            known = ", ".join(sorted(groups))
            raise ValueError(
                f"classes: {name!r} is neither a class group ({known}) nor the beginning of a cllx code"
            )
        prefixes.extend(groups.get(name, (name,)))
    return msgspec.structs.replace(row, classes=tuple(prefixes))


def _is_prefix(name: str) -> bool:
    return 1 <= len(name) <= 3 and name.isascii() and name.isalnum() and name.isupper() and name[0].isalpha()


def _allows(allowed: str | tuple[str, ...], value: str) -> bool:
    """Whether a column that names one value or several names this one."""
    return value == allowed if isinstance(allowed, str) else value in allowed


def _holds(span: tuple[int, int], number: int | None) -> bool:
    """Whether a number lies in a span; one that nobody knows lies only in the whole."""
    return span == _ANY if number is None else span[0] <= number <= span[1]


def _encloses(wide: tuple[_N, _N], narrow: tuple[_N, _N]) -> bool:
    return wide[0] <= narrow[0] and narrow[1] <= wide[1]


def _touch(one: tuple[_N, _N], other: tuple[_N, _N]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _inside(narrow: frozenset[str], wide: frozenset[str]) -> bool:
    return not wide or (bool(narrow) and narrow <= wide)


def _within_classes(narrow: tuple[str, ...], wide: tuple[str, ...]) -> bool:
    return not wide or (bool(narrow) and all(prefix.startswith(wide) for prefix in narrow))


def _meet(one: frozenset[str], other: frozenset[str]) -> bool:
    return not one or not other or bool(one & other)


def _share(one: Sequence[str], other: Sequence[str]) -> bool:
    return any(a.startswith(b) or b.startswith(a) for a in one for b in other)

"""Authority: who may inspect a vehicle, and what stands against one officer doing it."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from lanes.scope import Case, Confidence, Scope
from lanes.vehicle import Vehicle

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

Supervision: TypeAlias = Literal["video", "afterwards"]


class LevelRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of authority.toml, level: a level of officer; a higher ``rank`` may do what a lower one may."""

    code: str
    rank: int
    zh: str
    en: str
    source: str
    confidence: Confidence


class AuthorityRow(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of authority.toml, authority. All rows that apply count; the strictest of each column wins.

    ``by``: how an officer who is not of the police is supervised: on the spot or by video, afterwards.
    """

    level: str | None = None
    police: bool = False
    persons: Annotated[int, Meta(ge=1, le=2)] = 1
    by: tuple[Supervision, ...] = ()


class Requirement(Struct, frozen=True, kw_only=True):
    """Who may inspect: ``level`` at least; ``by``: supervision of officers who are not of the police."""

    level: str
    police: bool
    persons: int
    by: tuple[Supervision, ...]
    rows: tuple[AuthorityRow, ...]


class Grant(Struct, frozen=True, kw_only=True):
    """What one officer is certified for (18CF1). None does not restrict; ``classes``: beginnings of cllx.

    ``valid_until``: end of the certificate (3 years, Q); ``reviewed_until``: of its yearly review (Q).
    """

    officer: str
    level: str
    police: bool = False
    businesses: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None
    uses: tuple[str, ...] | None = None
    valid_until: date | None = None
    reviewed_until: date | None = None
    suspended: bool = False


class Objection(Struct, frozen=True, kw_only=True):
    """One reason why an officer may not inspect a vehicle."""

    code: str
    zh: str
    en: str


def requirement(vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook") -> Requirement:
    """Who may inspect this vehicle for a business on a day; where no row tells a level, the highest."""
    case = Case(vehicle=vehicle, business=business, on=on)
    rows = tuple(row for row in rulebook.authority if row.covers(case))
    ranks = {code: level.rank for code, level in rulebook.levels.items()}
    levels = [row.level for row in rows if row.level is not None] or list(ranks)
    supervised = {way for row in rows for way in row.by}
    ways: tuple[Supervision, ...] = ("video", "afterwards")
    return Requirement(
        level=max(levels, key=lambda code: ranks[code]),
        police=any(row.police for row in rows),
        persons=max((row.persons for row in rows), default=1),
        by=tuple(way for way in ways if way in supervised),
        rows=rows,
    )


def objections(
    grant: Grant, vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook"
) -> tuple[Objection, ...]:
    """Everything that stands against this officer inspecting this vehicle; empty: nothing."""
    needed = requirement(vehicle, business, on, rulebook)
    return (
        *_certificate(grant, on),
        *_standing(grant, needed, rulebook),
        *_permitted(grant, vehicle, business),
    )


def _certificate(grant: Grant, on: date) -> Iterator[Objection]:
    if grant.suspended:
        yield Objection(code="suspended", zh="查验员资格已暂停", en="the officer is suspended")
    if grant.valid_until is not None and on > grant.valid_until:
        yield Objection(
            code="expired",
            zh=f"查验员资格证书已于 {grant.valid_until} 到期",
            en=f"the certificate ended on {grant.valid_until}",
        )
    if grant.reviewed_until is not None and on > grant.reviewed_until:
        yield Objection(
            code="review",
            zh=f"资格年度审验已于 {grant.reviewed_until} 到期",
            en=f"the yearly review of the certificate was due on {grant.reviewed_until}",
        )


def _standing(grant: Grant, needed: Requirement, rulebook: "Rulebook") -> Iterator[Objection]:
    levels = rulebook.levels
    if grant.level not in levels:
        yield Objection(
            code="level",
            zh=f"查验员等级 {grant.level} 未知（已知：{'、'.join(levels)}）",
            en=f"no level {grant.level!r} of officers (known: {', '.join(levels)})",
        )
    elif levels[grant.level].rank < levels[needed.level].rank:
        mine, due = levels[grant.level], levels[needed.level]
        yield Objection(
            code="level",
            zh=f"须{due.zh}，现为{mine.zh}",
            en=f"needs at least: {due.en}; this is: {mine.en}",
        )
    if needed.police and not grant.police:
        yield Objection(
            code="police",
            zh="该车辆和业务须由民警查验",
            en="this vehicle and business must be inspected by the police",
        )


def _permitted(grant: Grant, vehicle: Vehicle, business: str) -> Iterator[Objection]:
    if grant.businesses is not None and business not in grant.businesses:
        yield Objection(
            code="business", zh=f"未获授权办理该业务（{business}）", en=f"not permitted: {business}"
        )
    if grant.classes is not None and not vehicle.vehicle_class.startswith(grant.classes):
        said = vehicle.vehicle_class
        yield Objection(code="class", zh=f"未获授权查验车辆类型 {said}", en=f"not permitted: class {said}")
    if grant.uses is not None and vehicle.use not in grant.uses:
        said = vehicle.use
        yield Objection(code="use", zh=f"未获授权查验使用性质 {said}", en=f"not permitted: use {said}")

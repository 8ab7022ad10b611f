"""Checklist: what this vehicle must pass, by business × class × use × dates: items, shots, artefacts."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from lanes.brakes import is_asked
from lanes.item_codes import axle_of, is_beyond, load_of, position
from lanes.limits import Axle, Bench
from lanes.needs import ItemKind, Outside, Question
from lanes.record import Listed
from lanes.scope import Case, Confidence, RuleError, narrowest
from lanes.tables import Label
from lanes.vehicle import Vehicle

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

BENCHES: tuple[Bench, ...] = ("roller", "plate")
KEPT = 512  # checklists that are kept for the next time they are asked for


class CheckItem(Struct, frozen=True, kw_only=True):
    """One item of a checklist: an officer's check (01…22, G01…) or an instrument item (B1, B0, A1 …).

    ``left_out``: why this site leaves it out; empty: it does not. ``known``: False for a code of the platform
    that these rules do not name.
    """

    item: str
    kind: ItemKind
    required: bool
    zh: str
    en: str
    confidence: Confidence
    writes_value: bool = False
    may_not_apply: bool = False
    group: str = ""
    left_out: str = ""
    known: bool = True


class Shot(Struct, frozen=True, kw_only=True):
    """One photo of a checklist, by its code (zpzl), with the questions a model is asked about it."""

    shot: str
    required: bool
    zh: str
    en: str
    confidence: Confidence
    questions: tuple[Question, ...] = ()
    known: bool = True


class Artefact(Struct, frozen=True, kw_only=True):
    """What the record form needs beside items and photos, such as a rubbing of the VIN (拓印膜)."""

    artefact: str
    required: bool
    zh: str
    en: str
    confidence: Confidence


class Given(Struct, frozen=True, kw_only=True):
    """What an order adds to the tables: the platform's own list, and what its site leaves out and why."""

    listed: Listed | None = None
    left_out: tuple[str, ...] = ()
    left_out_why: str = ""


NOTHING = Given()


class Checklist(Struct, frozen=True, kw_only=True):
    """All items and shots for one vehicle and business on a day, in the order of the form.

    ``basis``: what the list is by, ``rules NAME SHA256`` or ``platform BY VERSION SHA256; rules …``.
    """

    business: str
    on: date
    items: tuple[CheckItem, ...]
    shots: tuple[Shot, ...]
    artefacts: tuple[Artefact, ...] = ()
    basis: str = ""

    @property
    def checks(self) -> tuple[CheckItem, ...]:
        """Items an officer judges; without those that the site leaves out."""
        return tuple(item for item in self.items if item.kind == "check" and not item.left_out)

    @property
    def instruments(self) -> tuple[CheckItem, ...]:
        """Items a device measures; those not required may be measured, and are then judged if a limit is."""
        return tuple(item for item in self.items if item.kind == "instrument" and not item.left_out)

    @property
    def left_out(self) -> tuple[CheckItem, ...]:
        """Items that the rules want and this site leaves out, each with its reason."""
        return tuple(item for item in self.items if item.left_out)


def checklist(
    vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook", given: Given = NOTHING
) -> Checklist:
    """What must be passed; raises RuleError when the tables do not hold all that this vehicle needs."""
    return _judgeable(vehicle, business, on, rulebook, given)


def listing(
    vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook", given: Given = NOTHING
) -> Checklist:
    """The same list without a look at the limits; raises RuleError when no row is for this vehicle."""
    return _listing(vehicle, business, on, rulebook, given)


@lru_cache(maxsize=KEPT)
def _judgeable(vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook", given: Given) -> Checklist:
    result = _listing(vehicle, business, on, rulebook, given)
    _must_be_judgeable(result, vehicle, rulebook)
    return result


@lru_cache(maxsize=KEPT)
def _listing(vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook", given: Given) -> Checklist:
    _must_be_inside(vehicle, business, on, rulebook)
    case = Case(vehicle=vehicle, business=business, on=on)
    items = _items(case, rulebook, given)
    shots = tuple(_shots(case, rulebook, given, items))
    if not items or not shots:
        what = f"class {vehicle.vehicle_class}, use {vehicle.use}, {business} on {on}"
        raise RuleError(f"checklists.toml: no rows for {what}")
    return Checklist(
        business=business,
        on=on,
        items=items,
        shots=shots,
        artefacts=tuple(_artefacts(case, rulebook)),
        basis=_basis(rulebook, given.listed),
    )


def _must_be_inside(vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook") -> None:
    """Raises RuleError for a business that is not there and for a vehicle these lists are not for."""
    if business not in rulebook.names["businesses"]:
        known = ", ".join(rulebook.names["businesses"])
        raise RuleError(f"rulebook.toml, business: no business {business!r} (known: {known})")
    if not rulebook.knows_class(vehicle.vehicle_class):
        raise RuleError(
            f"codes.toml, vehicle_class: no class {vehicle.vehicle_class}, and it is in no class group"
        )
    row = outside(Case(vehicle=vehicle, business=business, on=on), rulebook)
    if row is not None:
        said = f"class {vehicle.vehicle_class}, use {vehicle.use}, {business}"
        raise RuleError(f"checklists.toml, outside: {said}: {f'{row.why_zh} {row.why}'.strip()}")


def outside(case: Case, rulebook: "Rulebook") -> Outside | None:
    """The row by which these lists are not for a vehicle and business; None: they are."""
    return next((row for row in rulebook.outside if row.covers(case)), None)


def _basis(rulebook: "Rulebook", listed: Listed | None) -> str:
    rules = f"rules {rulebook.name} {rulebook.rules_sha256}"
    if listed is None:
        return rules
    words = ("platform", listed.by, listed.version, listed.sha256 or "")
    return f"{' '.join(word for word in words if word)}; {rules}"


# ---- items ---------------------------------------------------------------------------------------


def _items(case: Case, rulebook: "Rulebook", given: Given) -> tuple[CheckItem, ...]:
    """The items that apply, by the tables or the platform, each once; what is left out is marked."""
    found = _by_tables(case, rulebook)
    uncovered = {code: item for code, item in found.items() if not _covered(item, found, rulebook)}
    if given.listed is not None:
        uncovered = _by_platform(given.listed, found, uncovered, rulebook)
    left = set(given.left_out)
    return tuple(
        msgspec.structs.replace(item, left_out=given.left_out_why or "—")
        if left & _names_of(code, rulebook)
        else item
        for code, item in uncovered.items()
    )


def _by_tables(case: Case, rulebook: "Rulebook") -> dict[str, CheckItem]:
    """Items by code; service-brake items beyond the vehicle's axles do not apply."""
    found = {}
    for code, rows in rulebook.rows_for(case.business).items.items():
        row = narrowest(rows, case)
        if row is None or row.need == "none" or is_beyond(code, case.vehicle):
            continue
        found[code] = _item(
            code,
            rulebook,
            required=row.need == "required",
            confidence=row.confidence,
            writes_value=row.writes_value,
            may_not_apply=row.may_not_apply,
        )
    return found


def _item(
    code: str,
    rulebook: "Rulebook",
    *,
    required: bool,
    confidence: Confidence,
    writes_value: bool = False,
    may_not_apply: bool = False,
) -> CheckItem:
    named = rulebook.items[code]
    return CheckItem(
        item=code,
        kind=named.kind,
        required=required,
        zh=named.zh,
        en=named.en,
        confidence=confidence,
        writes_value=writes_value,
        may_not_apply=may_not_apply,
        group=named.group,
    )


def _covered(item: CheckItem, found: Mapping[str, CheckItem], rulebook: "Rulebook") -> bool:
    """Whether the form asks the same already, at least as strictly."""
    return any(
        all(other in found and found[other].required >= item.required for other in together.split())
        for together in rulebook.items[item.item].covered_by
    )


def _names_of(code: str, rulebook: "Rulebook") -> set[str]:
    """The code of an item and that of its group."""
    named = rulebook.items.get(code)
    return {code} if named is None else {code, named.part_of}


def _by_platform(
    listed: Listed, tables: Mapping[str, CheckItem], ours: Mapping[str, CheckItem], rulebook: "Rulebook"
) -> dict[str, CheckItem]:
    """The platform's items instead of ours; where it lists none of a kind, ours of that kind stay."""
    wanted = [*listed.items, *listed.instruments]
    kept = {
        code: item
        for code, item in ours.items()
        if not (listed.instruments if item.kind == "instrument" else listed.items)
    }
    for code in dict.fromkeys(wanted):
        named = rulebook.items.get(code)
        if named is None:
            kept[code] = _unknown(code)
        elif named.kind == "group":
            kept |= {c: tables[c] for c in tables if rulebook.items[c].part_of == code}
        elif code in tables:
            kept[code] = msgspec.structs.replace(tables[code], required=True)
        else:
            kept[code] = _item(code, rulebook, required=True, confidence="F")
    order = {code: n for n, code in enumerate(rulebook.items)}
    return dict(sorted(kept.items(), key=lambda pair: order.get(pair[0], len(order))))


def _unknown(code: str) -> CheckItem:
    """A code of the platform that these rules do not name: the officer sees it and answers it."""
    return CheckItem(
        item=code,
        kind="check",
        required=True,
        zh=f"平台项目 {code}（本机无名称）",
        en=f"item {code} of the platform, without a name here",
        confidence="F",
        may_not_apply=True,
        known=False,
    )


# ---- shots and artefacts -------------------------------------------------------------------------


def _shots(case: Case, rulebook: "Rulebook", given: Given, items: Iterable[CheckItem]) -> Iterator[Shot]:
    """The shots that apply; nobody is asked for the plate of a vehicle that has none."""
    due = [item.item for item in items if item.required and not item.left_out]
    present = {name for code in due for name in _names_of(code, rulebook)}
    mine = {shot.shot: shot for shot in _shots_by_tables(case, rulebook, present)}
    if given.listed is None or not given.listed.shots:
        yield from mine.values()
        return
    for code in dict.fromkeys(given.listed.shots):
        if code in mine:
            yield msgspec.structs.replace(mine[code], required=True)
        else:
            yield _listed_shot(code, rulebook)


def _listed_shot(code: str, rulebook: "Rulebook") -> Shot:
    """A photo that the platform asks for and the tables do not."""
    named = rulebook.names["shots"].get(code)
    label = named or Label(
        zh=f"平台照片 {code}（本机无名称）", en=f"photo {code} of the platform, without a name here"
    )
    return Shot(
        shot=code,
        required=True,
        zh=label.zh,
        en=label.en,
        confidence="F",
        questions=("quality",),
        known=named is not None,
    )


def _shots_by_tables(case: Case, rulebook: "Rulebook", present: set[str]) -> Iterator[Shot]:
    for code, rows in rulebook.rows_for(case.business).shots.items():
        row = narrowest(rows, case)
        if row is None or row.need == "none" or (row.with_item and row.with_item not in present):
            continue
        name = rulebook.names["shots"][code]
        yield Shot(
            shot=code,
            required=row.need == "required",
            zh=name.zh,
            en=name.en,
            confidence=row.confidence,
            questions=tuple(q for q in row.questions if q != "plate" or case.vehicle.plate is not None),
        )


def _artefacts(case: Case, rulebook: "Rulebook") -> Iterator[Artefact]:
    for code, rows in rulebook.rows_for(case.business).artefacts.items():
        row = narrowest(rows, case)
        if row is None or row.need == "none":
            continue
        name = rulebook.names["artefacts"][code]
        yield Artefact(
            artefact=code,
            required=row.need == "required",
            zh=name.zh,
            en=name.en,
            confidence=row.confidence,
        )


# ---- can it be judged ----------------------------------------------------------------------------


def _must_be_judgeable(result: Checklist, vehicle: Vehicle, rulebook: "Rulebook") -> None:
    """Raises RuleError when an axle has no item, or a required instrument item has no limit."""
    required = [item.item for item in result.instruments if item.required]
    case = Case(vehicle=vehicle, business=result.business, on=result.on)
    rows = rulebook.rows_for(result.business).items
    beyond = next((item for item in required if is_beyond(item, vehicle)), None)
    if beyond is not None:
        raise RuleError(
            f"platform's list: item {beyond}, but by its papers the vehicle has {vehicle.axles} axles"
        )
    if any(axle_of(item) for item in required):
        for axle in range(1, vehicle.axles + 1):
            if narrowest(rows.get(f"B{axle}", ()), case) is None:
                raise RuleError(f"checklists.toml, item: no row B{axle} for class {vehicle.vehicle_class}")
    lacking = next(unlimited(required, vehicle, result.business, result.on, rulebook), None)
    if lacking is not None:
        quantity, at, bench = lacking
        raise RuleError(
            f"limits.toml, limit: no row {quantity} ({at or 'vehicle'}, {bench} bench) for class "
            f"{vehicle.vehicle_class}, {result.business} on {result.on}"
        )


def unlimited(
    items: Iterable[str], vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook"
) -> Iterator[tuple[str, Axle | None, Bench]]:
    """(quantity, axle, bench) of each limit without which these instrument items cannot be judged."""
    find = rulebook.limits.find
    for item in items:
        axle = axle_of(item)
        at = None if axle is None else position(axle)
        named = (each for each in rulebook.items[item].quantities if is_asked(each, vehicle, axle))
        for quantity, bench in product(named, BENCHES):
            if find(quantity, vehicle, business, on, axle=at, bench=bench, load=load_of(item)) is None:
                yield quantity, at, bench

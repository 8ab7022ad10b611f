"""Checklist: what this vehicle must pass, by business × class × use × dates: items and shots."""

from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct

from lanes.limits import Axle, Bench
from lanes.scope import Case, Confidence, RuleError, Scope, narrowest
from lanes.vehicle import Vehicle

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

ItemKind: TypeAlias = Literal["check", "instrument", "review", "derived"]
Question: TypeAlias = Literal["plate", "vin", "quality"]
Wanted: TypeAlias = Literal["required", "optional", "none"]
BENCHES: tuple[Bench, ...] = ("roller", "plate")


class ItemNeed(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of checklists.toml, item. ``none`` takes an item out for a narrower scope.

    ``writes_value``: the officer writes the determined value, not just a tick. ``may_not_apply``: the officer
    may mark a required item as not applicable.
    """

    item: str
    need: Wanted = "required"
    writes_value: bool = False
    may_not_apply: bool = False


class ShotNeed(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of checklists.toml, shot. ``questions``: what a model must be asked about the photo."""

    shot: str
    need: Wanted = "required"
    questions: tuple[Question, ...] = ()


class Outside(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of checklists.toml, outside: vehicles these lists are not for, and why."""

    why: str


class CheckItem(Struct, frozen=True, kw_only=True):
    """One item of a checklist: an officer's check (01…20) or an instrument item (B1, B0, A1 …)."""

    item: str
    kind: ItemKind
    required: bool
    zh: str
    en: str
    confidence: Confidence
    writes_value: bool = False
    may_not_apply: bool = False


class Shot(Struct, frozen=True, kw_only=True):
    """One photo of a checklist, by its code (zpzl), with the questions a model is asked about it."""

    shot: str
    required: bool
    zh: str
    en: str
    confidence: Confidence
    questions: tuple[Question, ...] = ()


class Checklist(Struct, frozen=True, kw_only=True):
    """All items and shots for one vehicle and business on a day, in the order of the form."""

    business: str
    on: date
    items: tuple[CheckItem, ...]
    shots: tuple[Shot, ...]

    @property
    def checks(self) -> tuple[CheckItem, ...]:
        """Items an officer judges."""
        return tuple(item for item in self.items if item.kind == "check")

    @property
    def instruments(self) -> tuple[CheckItem, ...]:
        """Items a device measures; those not required may be measured, and are then judged if a limit is."""
        return tuple(item for item in self.items if item.kind == "instrument")


def axle_of(item: str) -> int | None:
    """Axle number of a service-brake item (B1…B6); None for every other item."""
    number = item.removeprefix("B")
    return int(number) if item != number and number.isdigit() and number != "0" else None


def position(axle: int) -> Axle:
    """front or rear, as the limits tell axles apart (M: only the first axle is a front axle)."""
    return "front" if axle == 1 else "rear"


def checklist(vehicle: Vehicle, business: str, on: date, rulebook: "Rulebook") -> Checklist:
    """What must be passed; raises RuleError when the tables do not hold all that this vehicle needs."""
    if business not in rulebook.names["businesses"]:
        known = ", ".join(rulebook.names["businesses"])
        raise RuleError(f"rulebook.toml, business: no business {business!r} (known: {known})")
    case = Case(vehicle=vehicle, business=business, on=on)
    for row in rulebook.outside:
        if row.covers(case):
            raise RuleError(
                f"checklists.toml, outside: class {vehicle.vehicle_class}, use {vehicle.use}: {row.why}"
            )
    items = tuple(_items(case, rulebook))
    shots = tuple(_shots(case, rulebook))
    if not items or not shots:
        what = f"class {vehicle.vehicle_class}, use {vehicle.use}, {business} on {on}"
        raise RuleError(f"checklists.toml: no rows for {what}")
    result = Checklist(business=business, on=on, items=items, shots=shots)
    _must_be_judgeable(result, vehicle, rulebook)
    return result


def _items(case: Case, rulebook: "Rulebook") -> Iterator[CheckItem]:
    """The items that apply; service-brake items beyond the vehicle's axles do not."""
    for code, kind in rulebook.item_kinds.items():
        row = narrowest((row for row in rulebook.item_needs if row.item == code), case)
        if row is None or row.need == "none" or (axle_of(code) or 0) > case.vehicle.axles:
            continue
        name = rulebook.names["items"][code]
        yield CheckItem(
            item=code,
            kind=kind,
            required=row.need == "required",
            zh=name.zh,
            en=name.en,
            confidence=row.confidence,
            writes_value=row.writes_value,
            may_not_apply=row.may_not_apply,
        )


def _shots(case: Case, rulebook: "Rulebook") -> Iterator[Shot]:
    """The shots that apply; nobody is asked for the plate of a vehicle that has none."""
    for code, name in rulebook.names["shots"].items():
        row = narrowest((row for row in rulebook.shot_needs if row.shot == code), case)
        if row is None or row.need == "none":
            continue
        questions = tuple(q for q in row.questions if q != "plate" or case.vehicle.plate is not None)
        yield Shot(
            shot=code,
            required=row.need == "required",
            zh=name.zh,
            en=name.en,
            confidence=row.confidence,
            questions=questions,
        )


def _must_be_judgeable(result: Checklist, vehicle: Vehicle, rulebook: "Rulebook") -> None:
    """Raises RuleError when an axle has no item, or a required instrument item has no limit."""
    required = {item.item for item in result.instruments if item.required}
    axles = {axle for item in required if (axle := axle_of(item)) is not None}
    absent = set(range(1, vehicle.axles + 1)) - axles if axles else set()
    if absent:
        raise RuleError(f"checklists.toml, item: no row B{min(absent)} for class {vehicle.vehicle_class}")
    find = rulebook.limits.find
    for (quantity, at), bench in product(sorted(_quantities(required), key=str), BENCHES):
        if find(quantity, vehicle, result.business, result.on, axle=at, bench=bench) is None:
            raise RuleError(
                f"limits.toml, limit: no row {quantity} ({at or 'vehicle'}, {bench} bench) for class "
                f"{vehicle.vehicle_class}, {result.business} on {result.on}"
            )


def _quantities(required: set[str]) -> set[tuple[str, Axle | None]]:
    """The limits without which the required instrument items cannot be judged."""
    axles = [position(axle) for item in required if (axle := axle_of(item)) is not None]
    wanted: set[tuple[str, Axle | None]] = set(
        product(("axle_rate", "imbalance", "imbalance_of_load"), axles)
    )
    if axles:
        wanted.add(("whole_rate", None))
    if "B0" in required:
        wanted.add(("parking_rate", None))
    if "A1" in required:
        wanted.add(("sideslip", None))
    return wanted

"""Cases that a rule row is tried on, and the rows that decide for none of them."""

from collections.abc import Iterator
from datetime import date
from itertools import islice, product
from typing import TYPE_CHECKING, TypeVar

import msgspec

from lanes.rulewords import Placed, placed
from lanes.samples import classes, ordinary, padded
from lanes.scope import Case, Scope, narrowest
from lanes.vehicle import Plate

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

_V = TypeVar("_V", int, date)
MADE = date(2024, 3, 1)
TRIED = 2000  # cases that are tried for a row before it is called useless
_OPEN = {  # a column -> what it may be where a row does not restrict it
    "lamps": ("two", "four", "one"),
    "steer_suspension": ("independent", "dependent"),
    "service_brake": ("hydraulic", "air"),
    "origin": ("domestic", "imported"),
    "axle": ("front", "rear"),
    "bench": ("roller", "plate"),
    "load": ("unladen", "laden"),
    "condition": ("in_use", "new"),
}


def useless(rulebook: "Rulebook", on: date) -> Iterator[Placed]:
    """Rows of items, shots, artefacts and limits that narrower ones replace in every case that was tried."""
    rows = [each for each in placed(rulebook) if each.code]
    rivals: dict[tuple[str, str], list[Scope]] = {}
    for each in rows:
        rivals.setdefault((each.table, each.code), []).append(each.row)
    for each in rows:
        others = rivals[each.table, each.code]
        cases = islice(_cases(each.row, rulebook, on), TRIED)
        if not any(narrowest(others, case) is each.row for case in cases):
            yield each


def _cases(row: Scope, rulebook: "Rulebook", on: date) -> Iterator[Case]:
    """Cases inside a row: its classes and uses, with values at its bounds."""
    kinds = [code for code in classes(rulebook) if not row.classes or code.startswith(row.classes)]
    if row.classes and not kinds:
        kinds = [padded(prefix) for prefix in row.classes]
    day = _within(on, row.effective_from, row.effective_to)
    made = dict.fromkeys(
        (_within(MADE, row.made_from, row.made_to), *(d for d in (row.made_from, row.made_to) if d))
    )
    columns = {name: _values(row, name, default) for name, default in _OPEN.items()}
    # limits look at the business through its condition only; items at the business itself
    businesses = row.businesses or tuple(rulebook.businesses)
    wide = product(businesses, row.uses or ("A", "F", "Z"), made, *columns.values())
    for values in wide:
        business, use, made_on, *rest = values
        chosen = dict(zip(columns, rest, strict=True))
        for kind in kinds[:: max(1, len(kinds) // 40)]:
            yield _case(row, str(kind), str(use), str(business), made_on, day, chosen)


def _values(row: Scope, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """What a case may have in a column: the row's own value, else the first of its possible ones."""
    value = getattr(row, name, None)
    if value is not None:
        return (str(value),)
    return default[:1] if name in ("origin", "service_brake", "load") else default


def _case(
    row: Scope, kind: str, use: str, business: str, made_on: date, day: date, chosen: dict[str, str]
) -> Case:
    mass = ordinary(kind, made_on).gross_mass_kg
    gross = _within(mass, row.gross_mass_from_kg, row.gross_mass_to_kg)
    vehicle = ordinary(
        kind,
        made_on,
        use=use,
        gross_mass_kg=gross,
        kerb_mass_kg=gross if row.mass_ratio_below or row.mass_ratio_to else None,
        axles=min(6, _within(ordinary(kind, made_on).axles, row.axles_from, row.axles_to)),
        seats=_within(ordinary(kind, made_on).seats, row.seats_from, row.seats_to),
    )
    plate = Plate(hpzl=row.plate_kinds[0], hphm="浙A12345") if row.plate_kinds else None
    vehicle = msgspec.structs.replace(
        vehicle,
        plate=plate,
        fuel=row.fuels[0] if row.fuels else "A",
        imported=chosen["origin"] == "imported",
        lamps=chosen["lamps"],
        steer_suspension=chosen["steer_suspension"],
        service_brake=chosen["service_brake"],
        top_speed_kmh=row.speed_from_kmh or row.speed_to_kmh,
    )
    return Case(
        vehicle=vehicle,
        business=business,
        on=day,
        condition=chosen["condition"],
        axle=chosen["axle"],
        bench=chosen["bench"],
        load=chosen["load"],
    )


def _within(value: _V, first: _V | None, last: _V | None) -> _V:
    """The value, or the nearer bound."""
    if first is not None and value < first:
        return first
    return last if last is not None and value > last else value

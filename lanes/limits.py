"""Limit: one bound with clause, source and dates; Limits finds the one for a vehicle, business and day."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from lanes.quantity import SHARE_PLACES, Derived, plain, rounded
from lanes.record import Load
from lanes.scope import Case, Scope, must_be_ordered, narrowest
from lanes.vehicle import Vehicle

Condition: TypeAlias = Literal["new", "in_use"]
Axle: TypeAlias = Literal["front", "rear"]
Bench: TypeAlias = Literal["roller", "plate"]


class Limit(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of limits.toml: ``quantity``, rounded to ``places``, must be ≥, ≤ or between its bounds.

    ``within``: a deviation of at most ±``value``, or of at most ±``or_pct`` % of what the papers say: one of
    the two is enough. ``over``: on a plate bench the load that a brake force is a share of.
    """

    SETS: ClassVar[tuple[str, ...]] = (*Scope.SETS, "condition", "axle", "bench", "load")

    quantity: str
    bound: Literal["ge", "le", "between", "within"]
    value: Decimal
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    places: Annotated[int, Meta(ge=0, le=6)]
    clause: Annotated[str, Meta(min_length=1, max_length=200)]
    value_to: Decimal | None = None
    or_pct: Decimal | None = None
    over: Literal["static", "dynamic"] = "static"
    condition: Condition | None = None
    axle: Axle | None = None
    bench: Bench | None = None
    load: Load | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = [n for n in (self.value, self.value_to, self.or_pct) if n is not None]
        if not all(number.is_finite() for number in bounds):
            raise ValueError("value, value_to and or_pct must be numbers")
        if self.or_pct is not None and self.bound != "within":
            raise ValueError('or_pct belongs to bound = "within"')
        if self.over == "dynamic" and self.bench != "plate":
            raise ValueError('over = "dynamic" belongs to bench = "plate"')
        if (self.bound == "between") != (self.value_to is not None):
            raise ValueError('value_to belongs to bound = "between", and only to it')
        if self.value_to is not None and self.value_to <= self.value:
            raise ValueError(f"value_to = {plain(self.value_to)} is not above value = {plain(self.value)}")

    def holds(self, value: Decimal, share_pct: Decimal | None = None) -> bool:
        """Whether ``value``, rounded to ``places``, keeps the limit, or its share of the papers does."""
        compared = rounded(value, self.places)
        match self.bound:
            case "ge":
                return compared >= self.value
            case "le":
                return compared <= self.value
            case "within":
                return abs(compared) <= self.value or self._share_holds(share_pct)
        return self.value_to is not None and self.value <= compared <= self.value_to

    def _share_holds(self, share_pct: Decimal | None) -> bool:
        if self.or_pct is None or share_pct is None:
            return False
        return abs(rounded(share_pct, SHARE_PLACES)) <= self.or_pct

    def judges(self, derived: Derived) -> bool:
        """Whether a derived value keeps the limit; what the tester saw needs no comparison."""
        return self.holds(derived.value, derived.share_pct) if derived.seen is None else derived.seen

    @property
    def text(self) -> str:
        """The bound as reports print it: ``≥ 60 %``, ``-5…5 m/km``, ``±50 mm / ±1 %``."""
        if self.value_to is not None:
            return f"{plain(self.value)}…{plain(self.value_to)} {self.unit}"
        share = "" if self.or_pct is None else f" / ±{plain(self.or_pct)} %"
        return f"{_SIGNS[self.bound]}{plain(self.value)} {self.unit}{share}"


_SIGNS = {"ge": "≥ ", "le": "≤ ", "within": "±"}


class Limits:
    """All limit rows of a rulebook. ``conditions``: business -> new or in_use."""

    def __init__(self, rows: Iterable[Limit], conditions: Mapping[str, Condition]) -> None:
        """Raises RuleError when two rows of a quantity can be for one vehicle and neither is narrower."""
        self.rows = tuple(rows)
        self._conditions = dict(conditions)
        self._by_quantity: dict[str, list[Limit]] = {}
        labelled: dict[str, list[tuple[str, Limit]]] = {}
        for number, row in enumerate(self.rows, 1):
            self._by_quantity.setdefault(row.quantity, []).append(row)
            labelled.setdefault(row.quantity, []).append((f"row {number}", row))
        for quantity, pairs in labelled.items():
            must_be_ordered(pairs, f"limits.toml, limit, {quantity}")

    def find(
        self,
        quantity: str,
        vehicle: Vehicle,
        business: str,
        on: date,
        *,
        axle: Axle | None = None,
        bench: Bench | None = None,
        load: Load = "unladen",
    ) -> Limit | None:
        """The limit in force for this vehicle and business on the day of inspection; None: there is none."""
        case = Case(
            vehicle=vehicle,
            business=business,
            on=on,
            condition=self._conditions.get(business, ""),
            axle=axle or "",
            bench=bench or "",
            load=load,
        )
        return narrowest(self._by_quantity.get(quantity, ()), case)

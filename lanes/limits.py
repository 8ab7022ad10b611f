"""Limit: one bound with clause, source and dates; Limits finds the one for a vehicle, business and day."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from lanes.quantity import plain, rounded
from lanes.scope import Case, Scope, must_be_ordered, narrowest
from lanes.vehicle import Vehicle

Condition: TypeAlias = Literal["new", "in_use"]
Axle: TypeAlias = Literal["front", "rear"]
Bench: TypeAlias = Literal["roller", "plate"]
Load: TypeAlias = Literal["unladen", "laden"]


class Limit(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of limits.toml: ``quantity``, rounded to ``places``, must be ≥, ≤ or between its bounds."""

    SETS: ClassVar[tuple[str, ...]] = (*Scope.SETS, "condition", "axle", "bench", "load")

    quantity: str
    bound: Literal["ge", "le", "between"]
    value: Decimal
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    places: Annotated[int, Meta(ge=0, le=6)]
    clause: Annotated[str, Meta(min_length=1, max_length=200)]
    value_to: Decimal | None = None
    condition: Condition | None = None
    axle: Axle | None = None
    bench: Bench | None = None
    load: Load | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.value.is_finite() or not (self.value_to is None or self.value_to.is_finite()):
            raise ValueError("value and value_to must be numbers")
        if (self.bound == "between") != (self.value_to is not None):
            raise ValueError('value_to belongs to bound = "between", and only to it')
        if self.value_to is not None and self.value_to <= self.value:
            raise ValueError(f"value_to = {plain(self.value_to)} is not above value = {plain(self.value)}")

    def holds(self, value: Decimal) -> bool:
        """Whether ``value``, rounded to ``places``, keeps the limit."""
        compared = rounded(value, self.places)
        match self.bound:
            case "ge":
                return compared >= self.value
            case "le":
                return compared <= self.value
            case "between":
                return self.value_to is not None and self.value <= compared <= self.value_to

    @property
    def text(self) -> str:
        """The bound as reports print it: ``≥ 60 %``, ``-5…5 m/km``."""
        if self.value_to is not None:
            return f"{plain(self.value)}…{plain(self.value_to)} {self.unit}"
        return f"{'≥' if self.bound == 'ge' else '≤'} {plain(self.value)} {self.unit}"


class Limits:
    """All limit rows of a rulebook. ``conditions``: business -> new or in_use."""

    def __init__(self, rows: Iterable[Limit], conditions: Mapping[str, Condition]) -> None:
        """Raises RuleError when two rows of a quantity can be for one vehicle and neither is narrower."""
        self.rows = tuple(rows)
        self._conditions = dict(conditions)
        numbered = [(f"row {i}", row) for i, row in enumerate(self.rows, 1)]
        for quantity in {row.quantity for row in self.rows}:
            must_be_ordered(
                [p for p in numbered if p[1].quantity == quantity], f"limits.toml, limit, {quantity}"
            )

    def find(
        self,
        quantity: str,
        vehicle: Vehicle,
        business: str,
        on: date,
        *,
        axle: Axle | None = None,
        bench: Bench | None = None,
        load: Load | None = None,
    ) -> Limit | None:
        """The limit in force for this vehicle and business on the day of inspection; None: there is none."""
        case = Case(
            vehicle=vehicle,
            business=business,
            on=on,
            condition=self._conditions.get(business, ""),
            axle=axle or "",
            bench=bench or "",
            load=load or "",
        )
        return narrowest((row for row in self.rows if row.quantity == quantity), case)

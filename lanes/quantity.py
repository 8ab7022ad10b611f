"""Quantity: exact decimal values and the one rounding rule, GB/T 8170 (round half to even, once)."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

# Wide enough that no quotient of lane readings can look like a tie that it is not.
EXACT = Context(prec=50, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
SHARE_PLACES = 1  # decimals of a deviation in % of the papers (M: as all shares of the platform, n(4,1))


class QuantityError(ValueError):
    """A value that cannot be rounded or divided; the text says which."""


def rounded(value: Decimal | int, places: int) -> Decimal:
    """``value`` rounded to ``places`` decimals by GB/T 8170; raises QuantityError for NaN and infinities."""
    exact = Decimal(value)
    if not exact.is_finite():
        raise QuantityError(f"{value} is not a number that can be rounded")
    result = exact.quantize(Decimal(1).scaleb(-places), context=EXACT)
    return result if result else abs(result)  # no minus before zero on a report


def percent(part: Decimal, whole: Decimal) -> Decimal:
    """part ÷ whole × 100, unrounded (50 digits); raises QuantityError when ``whole`` is not positive."""
    if whole <= 0:
        raise QuantityError(f"cannot take a share of {plain(whole)}")
    return EXACT.divide(EXACT.multiply(part, Decimal(100)), whole)


def plain(value: Decimal | int) -> str:
    """The value in plain digits without trailing zeros: 640, 640.5, -0.3."""
    text = f"{Decimal(value):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A value worked out from readings: unrounded, with the working that leads to it.

    ``share_pct``: a deviation in % of what the papers say. ``seen``: nothing was measured, the tester saw
    whether the limit was kept.
    """

    quantity: str
    value: Decimal
    unit: str
    working: str
    share_pct: Decimal | None = None
    seen: bool | None = None

    def words(self, places: int) -> str:
        """The rounded value; what the tester saw in words."""
        return self.working if self.seen is not None else str(rounded(self.value, places))

    def arithmetic(self, places: int) -> str:
        """The working and its rounded result: ``(240+228)×10 N ÷ (640 kg×9.8) = 74.6 %``."""
        if self.seen is not None:
            return self.working
        share = "" if self.share_pct is None else f" ({rounded(self.share_pct, SHARE_PLACES)} %)"
        return f"{self.working} = {rounded(self.value, places)} {self.unit}{share}"


def as_measured(quantity: str, value: Decimal | int, unit: str) -> Derived:
    """A value that is judged as it was measured; nothing is worked out."""
    return Derived(quantity=quantity, value=Decimal(value), unit=unit, working=plain(value))


def deviation(quantity: str, value: Decimal | int, papers: int, unit: str) -> Derived:
    """Measured less what the papers say, with its share of the papers' value, %."""
    off = EXACT.subtract(Decimal(value), Decimal(papers))
    return Derived(
        quantity=quantity,
        value=off,
        unit=unit,
        working=f"{plain(value)}−{papers}",
        share_pct=percent(off, Decimal(papers)),
    )

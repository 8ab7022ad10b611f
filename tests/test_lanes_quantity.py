"""GB/T 8170: one rounding, half to even, on the decimal value."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.quantity import Derived, QuantityError, percent, plain, rounded


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        ("59.95", 1, "60.0"),
        ("59.85", 1, "59.8"),
        ("59.949999", 1, "59.9"),
        ("59.8500001", 1, "59.9"),
        ("24.05", 1, "24.0"),
        ("24.15", 1, "24.2"),
        ("0.5", 0, "0"),
        ("1.5", 0, "2"),
        ("2.5", 0, "2"),
        ("-2.5", 0, "-2"),
        ("-0.04", 1, "0.0"),
        ("-5.05", 1, "-5.0"),
        ("15.454545", 2, "15.45"),
        ("60", 1, "60.0"),
        ("1E+3", 0, "1000"),
    ],
)
def test_vectors(value: str, places: int, expected: str) -> None:
    assert str(rounded(Decimal(value), places)) == expected


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(QuantityError, match="not a number"):
        rounded(Decimal(value), 1)


@given(st.decimals(-100000, 100000, places=4), st.integers(0, 3))
def test_never_further_than_half_a_step_and_ties_end_even(value: Decimal, places: int) -> None:
    step = Decimal(1).scaleb(-places)
    result = rounded(value, places)
    assert abs(result - value) * 2 <= step
    if abs(result - value) * 2 == step:
        assert int(result / step) % 2 == 0


def test_the_callers_context_does_not_matter() -> None:
    with localcontext() as context:
        context.prec = 3
        context.rounding = "ROUND_UP"
        assert rounded(Decimal("12345.65"), 1) == Decimal("12345.6")
        assert rounded(percent(Decimal(1), Decimal(3)), 4) == Decimal("33.3333")


def test_percent_of_nothing_is_refused() -> None:
    with pytest.raises(QuantityError, match="share of 0"):
        percent(Decimal(1), Decimal(0))


@pytest.mark.parametrize(
    ("value", "expected"), [("640.00", "640"), ("640.50", "640.5"), ("1E+3", "1000"), ("-0.30", "-0.3")]
)
def test_plain_digits(value: str, expected: str) -> None:
    assert plain(Decimal(value)) == expected


def test_arithmetic_shows_working_and_rounded_result() -> None:
    one = Derived(quantity="sideslip", value=Decimal("-2.25"), unit="m/km", working="-2.25")
    assert one.arithmetic(1) == "-2.25 = -2.2 m/km"

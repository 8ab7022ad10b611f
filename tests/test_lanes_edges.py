"""Exact edges and exact words of what decides: each was once changed without a test that noticed."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lanes.evidence import Evidence
from lanes.judge import NotReady, judge, measured
from lanes.limits import Limit
from lanes.quantity import Derived, percent
from lanes.record import Finding, KerbMassMeasured
from lanes.sideslip import sideslip, sideslip_problem
from lanes.weight import (
    HEAVIEST_VEHICLE_KG,
    HEAVIEST_WHEEL_KG,
    kerb_mass_deviation,
    kerb_mass_problem,
    vehicle_load_kg,
    vehicle_mass,
    weighing_problem,
)
from tests.lanes_parts import ON, SMALL_SITE, attempt, car, checked, rulebook, slip, weighed


def limit(**columns: Any) -> Limit:
    row: dict[str, Any] = {"quantity": "q", "unit": "%", "places": 1, "clause": "c", "source": "s"}
    return Limit(**row | {"confidence": "M", "effective_from": date(2021, 1, 1)} | columns)


def test_a_share_of_less_than_one_is_a_share() -> None:
    assert percent(Decimal("0.5"), Decimal("0.5")) == 100


def test_the_wheel_that_cannot_be_is_named() -> None:
    heavy = str(HEAVIEST_WHEEL_KG)
    assert weighing_problem(weighed(1, heavy, heavy)) is None
    words = "axle 1: {} wheel load {} kg is not between 0 and 10000 kg"
    assert weighing_problem(weighed(1, "0", "1")) == words.format("left", 0)
    assert weighing_problem(weighed(1, "1", "10000.1")) == words.format("right", "10000.1")


def test_a_mass_is_a_decimal_even_of_nothing() -> None:
    assert isinstance(vehicle_load_kg([]), Decimal)
    mass = Derived(quantity="vehicle_mass", value=Decimal(1000), unit="kg", working="600+400")
    assert vehicle_mass([weighed(1, "300", "300"), weighed(2, "200", "200")]) == mass


@pytest.mark.parametrize(
    ("value", "usable"), [("20", True), ("-20", True), ("20.1", False), ("-20.1", False)]
)
def test_a_slip_to_the_edge_of_any_plate(value: str, usable: bool) -> None:
    assert (sideslip_problem(slip(value)) is None) is usable


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"bound": "between", "value": Decimal(1)}, 'value_to belongs to bound = "between", and only to it'),
        (
            {"bound": "ge", "value": Decimal(1), "value_to": Decimal(2)},
            'value_to belongs to bound = "between", and only to it',
        ),
        (
            {"bound": "between", "value": Decimal(1), "value_to": Decimal(1)},
            "value_to = 1 is not above value = 1",
        ),
        (
            {"bound": "ge", "value": Decimal("NaN")},
            "value, value_to and or_pct must be numbers",
        ),
        ({"bound": "ge", "value": Decimal(1), "or_pct": Decimal(1)}, 'or_pct belongs to bound = "within"'),
        (
            {"bound": "ge", "value": Decimal(1), "over": "dynamic", "bench": "roller"},
            'over = "dynamic" belongs to bench = "plate"',
        ),
    ],
)
def test_bounds_that_are_none_are_refused_in_these_words(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as refused:
        limit(**columns)
    assert str(refused.value) == words


def kerb(kg: str) -> KerbMassMeasured:
    return KerbMassMeasured(lane="1", station="z", device="d", item="Z1", mass_kg=Decimal(kg))


@pytest.mark.parametrize(
    ("kg", "usable"),
    [
        ("0", False),
        ("0.5", True),
        ("1", True),
        (str(HEAVIEST_VEHICLE_KG), True),
        (f"{HEAVIEST_VEHICLE_KG}.1", False),
        ("NaN", False),
    ],
)
def test_a_kerb_mass_that_can_be(kg: str, usable: bool) -> None:
    assert (kerb_mass_problem(kerb(kg)) is None) is usable


def test_measured_values_carry_their_units() -> None:
    assert sideslip(slip("1.5")).arithmetic(1) == "1.5 = 1.5 m/km"
    assert kerb_mass_deviation(kerb("1410"), 1400).arithmetic(0) == "1410−1400 = 10 kg (0.7 %)"


# ---- findings ------------------------------------------------------------------------------------


def findings(evidence: Evidence) -> dict[tuple[str, str], Finding]:
    return {(found.item, found.quantity): found for found in judge(evidence, rulebook(), ON)[0]}


def test_what_the_officer_wrote_stands_in_the_finding() -> None:
    evidence = attempt()
    written = {**evidence.checks, "04": (150, checked("04", value="白"))}
    assert findings(replace(evidence, checks=written))["04", "check"].value == "白"


def test_a_vehicle_without_a_plate_says_so() -> None:
    found = findings(attempt("registration", vehicle=car(plate=None)))["plate", "review"]
    assert (found.result, found.arithmetic) == ("not_applicable", "no plate yet")


def test_the_papers_claim_nothing_of_a_photos_quality() -> None:
    found = findings(attempt())
    assert (found["0112", "review"].limit, found["vin", "review"].limit) == ("", car().vin)


def test_a_model_that_does_not_say_how_sure_it_is_is_not_quoted_on_it() -> None:
    evidence = attempt()
    unsaid = tuple((n, msgspec.structs.replace(each, confidence=Decimal(0))) for n, each in evidence.reviews)
    found = findings(replace(evidence, reviews=unsaid))
    assert found["0112", "review"].arithmetic == "model agrees (reader-1)"


def test_what_the_site_leaves_out_is_not_judged_either() -> None:
    site = msgspec.structs.replace(SMALL_SITE, left_out=(*SMALL_SITE.left_out, "B1", "B2"))
    items = {found.item for found in measured(attempt(given=site), rulebook(), ON)}
    assert items == {"B0"}


def test_all_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(NotReady) as refused:
        judge(attempt(brakes={}), rulebook(), ON)
    words = ["B1", "B2", "B0"]
    lacking = [lack.en for lack in refused.value.missing]
    assert [lack.code for lack in refused.value.missing] == [f"instrument:{item}" for item in words]
    assert str(refused.value) == f"cannot be judged yet: {lacking[0]}; {lacking[1]}; {lacking[2]}"

"""Intervals, ROC, thresholds, reliability and the fit of a probability, against numbers made by hand."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.vin import check_digit, with_check_digit
from models.attacks import RECIPES, attacks, spelled
from models.probability import Claimed, choose, fit, fitted, folds, probability
from models.scoring import NO_TEXT, at_most, percentile, point, reliability, roc, share

MARGINS = st.lists(st.floats(-30, 30), min_size=1, max_size=60)
VIN = "LTEST8N76HT132923"


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        (9, 9, 0.7009, 1.0),  # all of n: n / (n + z²)
        (5, 10, 0.2366, 0.7634),  # half of n: 0.5 ± z / (2 √(n + z²))
        (0, 20, 0.0, 0.1611),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilsons_interval(hits: int, total: int, low: float, high: float) -> None:
    found = share(hits, total)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.low <= found.value <= found.high


@given(MARGINS, MARGINS, st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.5]), st.sampled_from([NO_TEXT, 0.0]))
def test_a_margin_for_a_rate_keeps_it_and_no_lower_one_does(
    true: list[float], false: list[float], far: float, least: float
) -> None:
    found = at_most(true, false, far, least)
    assert found.margin >= least
    assert found.false.hits <= far * len(false) + 1e-9
    seen = sorted(margin for margin in (*true, *false) if least <= margin < found.margin)
    if seen:  # the next margin below lets one wrong claim too many pass
        assert point(true, false, seen[-1]).false.hits > far * len(false)


def test_the_curve_rises_to_everything_that_was_read() -> None:
    curve = roc([5.0, 3.0, NO_TEXT], [4.0, -2.0])
    assert [(p.margin, p.false.hits, p.true.hits) for p in curve] == [
        (5.0, 0, 1), (4.0, 1, 1), (3.0, 1, 2), (-2.0, 2, 2),
    ]  # fmt: skip


def test_reliability_by_hand() -> None:
    found = reliability([0.95, 0.85, 0.15], [True, False, False], even=False)
    assert [(b.low, b.stated, b.came_true) for b in found.bins] == [
        (0.1, 0.15, 0),
        (0.8, 0.85, 0),
        (0.9, 0.95, 1),
    ]
    assert math.isclose(found.ece, (0.15 + 0.85 + 0.05) / 3)
    assert reliability([], [], even=False).ece == 0


def test_even_odds_do_not_depend_on_how_many_wrong_claims_were_made() -> None:
    few = reliability([0.8, 0.8], [True, False], even=True)
    many = reliability([0.8] * 21, [True] + [False] * 20, even=True)
    assert math.isclose(few.ece, many.ece) and math.isclose(many.bins[0].came_true, 0.5)


def test_percentiles_are_values_that_occurred() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], p) for p in (0.5, 0.95, 1.0)] == [2.0, 4.0, 4.0]
    assert percentile([], 0.5) == 0


def drawn(count: int, seed: int, a: float = 0.8, b: float = -1.0) -> list[Claimed]:
    """Claims that are true with the probability their margin has, as many true as false ones."""
    dice = random.Random(seed)
    margins = [dice.uniform(-10, 10) for _ in range(count)]
    return [
        Claimed(margin=margin, true=dice.random() < probability(margin, a, b), vehicle=str(n // 3))
        for n, margin in enumerate(margins)
    ]


def test_a_fit_finds_the_probability_that_claims_were_drawn_by() -> None:
    claims = drawn(6000, 1, b=0.0)
    a, b = fitted(claims)
    assert abs(a - 0.8) < 0.08 and abs(b) < 0.15
    assert fit(claims).held_out_ece < 0.02
    wrong = reliability(
        [probability(c.margin, 0.1, 0.0) for c in claims], [c.true for c in claims], even=True
    )
    assert wrong.ece > 0.1, "the measure finds a fit that is no good"


def test_a_fit_of_claims_that_a_margin_parts_stays_finite() -> None:
    claims = [
        Claimed(margin=margin, true=margin > 0, vehicle=str(margin)) for margin in (-30.0, -3.0, 3.0, 30.0)
    ]
    a, b = fitted(claims)
    assert 0 < a < 5 and abs(b) < 0.1
    assert probability(NO_TEXT, a, b) < 0.5 < probability(30.0, a, b) < 1
    with pytest.raises(ValueError, match="true and false"):
        fitted([claim for claim in claims if claim.true])


def test_folds_part_vehicles() -> None:
    claims = drawn(100, 2)
    parts = folds(claims, 5)
    assert sorted(c.margin for _, held in parts for c in held) == sorted(c.margin for c in claims)
    for rest, held in parts:
        assert not {c.vehicle for c in rest} & {c.vehicle for c in held}


def test_thresholds_are_tried_on_vehicles_they_were_not_chosen_on() -> None:
    dice = random.Random(3)
    claims = [Claimed(margin=dice.gauss(8, 3), true=True, vehicle=str(n)) for n in range(300)]
    claims += [Claimed(margin=dice.gauss(-8, 5), true=False, vehicle=str(n % 300)) for n in range(3000)]
    found = choose(claims, 0.01)
    assert found.agree.false.value <= 0.01 and found.lowest <= found.highest
    assert found.held_out_false.total == 3000 and found.held_out_true.total == 300
    assert found.held_out_false.low < 0.01 < found.held_out_false.high
    true = [c.margin for c in claims if c.true]
    assert sum(margin <= -found.disagree for margin in true) <= 3


@pytest.mark.parametrize(("kind", "label"), [("plate", "浙A12345"), ("plate", "粤ZF123港"), ("vin", VIN)])
def test_attacks_are_wrong_different_and_the_same_again(kind: str, label: str) -> None:
    made = attacks(kind, label)  # type: ignore[arg-type]
    claims = [each.claim for each in made]
    assert label not in claims and len(set(claims)) == len(claims)
    assert {each.way for each in made} <= {way for way, _ in RECIPES[kind]}
    assert made == attacks(kind, label)  # type: ignore[arg-type]
    assert made != attacks(kind, label, seed=7)  # type: ignore[arg-type]
    for each in made:
        assert len(each.claim) == len(label)
        apart = sum(a != b for a, b in zip(each.claim, label, strict=True))
        most = {"look_alike": 1, "other": 1, "swap": 2, "two": 2, "province": 1, "neighbour": 4}[each.way]
        assert 1 <= apart <= most, each


def test_a_neighbour_of_the_series_has_a_check_digit_that_holds_where_the_vins_own_does() -> None:
    true = with_check_digit(VIN)
    near = [each.claim for each in attacks("vin", true) if each.way == "neighbour"]
    assert len(near) == 5
    assert all(check_digit(vin) == vin[8] and vin[:8] == true[:8] for vin in near)


def test_labels_are_spelled_as_they_are_compared() -> None:
    assert spelled("plate", " 浙a·O2I45 ") == "浙A02145"
    assert spelled("vin", "ltest8n76htI32O2q") == "LTEST8N76HT132020"

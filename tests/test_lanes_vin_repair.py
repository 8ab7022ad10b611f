"""Misread VINs: what they may have been, by cost, and how often the true one comes first."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.spelling import ALIKE, LOOK_ALIKES, NEAR, OTHER, SHIFT
from lanes.vin import ALPHABET, CHECKED, YEAR_CODES, check_digit, with_check_digit
from lanes.vin_repair import BUDGET, Change, Repair, repairs

TRUE = "LTEST1A27R0000001"


def first(read: str, **known: str) -> Repair:
    return repairs(read, **known)[0]  # type: ignore[arg-type]


def test_a_sound_text_stands_first_at_no_cost() -> None:
    assert first(TRUE) == Repair(TRUE, 0, ())
    assert all(repair.cost > 0 for repair in repairs(TRUE)[1:])


@pytest.mark.parametrize(
    ("read", "cost", "changes"),
    [
        ("LTEST1A27RD000001", ALIKE, (Change(11, "D", "0"),)),
        ("LTE5T1A27R0000001", ALIKE, (Change(4, "5", "S"),)),
        ("LTEST1A27R0000O0I", 0, ()),  # O and I are no letters of a VIN
        ("LTEST1A27R000000L", NEAR, (Change(17, "L", "1"),)),
        ("LTEST1A27R000000?", OTHER, (Change(17, "?", "1"),)),
        ("LTEST1AZ7R000000?", ALIKE + OTHER, (Change(8, "Z", "2"), Change(17, "?", "1"))),
        ("LTEST1A2ZR0000001", OTHER, (Change(9, "Z", "7"),)),
    ],
)
def test_what_was_changed_is_told(read: str, cost: int, changes: tuple[Change, ...]) -> None:
    assert Repair(TRUE, cost, changes) in repairs(read, series="LTEST1A2", most=50)
    assert Repair(TRUE, cost, changes) == first(read, series="LTEST1A2×R", tail="0000001")


def test_a_lost_and_an_added_character() -> None:
    lost = repairs("LTST1A27R0000001", series="LTEST1A2")
    assert lost == (Repair(TRUE, SHIFT, (Change(3, "", "E"),)),)
    added = repairs("LTEEST1A27R0000001", series="LTEST1A2")
    assert [repair.vin for repair in added] == [TRUE]
    assert added[0].cost == SHIFT
    assert added[0].changes[0].read == "E"


@pytest.mark.parametrize("read", ["", "LTEST1A27R00001", "LTEST1A27R000000100", "???ST1A27R0000001"])
def test_too_far_from_any_vin(read: str) -> None:
    assert repairs(read) == ()


def test_without_a_check_digit_due_the_alphabet_and_what_is_known_decide() -> None:
    assert first("WVWZZZ1KZR0000001").cost == 0
    assert repairs("WVWZZZ1KZR0000001", checked=True)[0].cost > 0
    assert first("WVWZZZ1KZR000000S") == Repair("WVWZZZ1KZR0000005", ALIKE, (Change(17, "S", "5"),))
    assert first("LTEST1A20R0000001", tail="0001").cost > 0
    assert repairs("LTEST1A20R0000001", checked=False)[0].cost == 0


def test_known_last_characters_must_stand_there() -> None:
    assert all(repair.vin.endswith("2788") for repair in repairs("1M8GDM9AXKP04278B", tail="2788"))
    assert first("1M8GDM9AXKP04278B", tail="042788").vin == "1M8GDM9AXKP042788"


@given(st.text(ALPHABET + "OIQ?", min_size=14, max_size=20), st.sampled_from(["", "LTEST1A2", "×××××1"]))
def test_every_candidate_is_a_legal_vin_within_the_budget(read: str, series: str) -> None:
    found = repairs(read, series=series)
    assert list(found) == sorted(found, key=lambda repair: repair.cost)
    assert len({repair.vin for repair in found}) == len(found) <= 5
    for repair in found:
        assert repair.cost <= BUDGET
        assert len(repair.vin) == 17
        assert set(repair.vin) <= set(ALPHABET)
        assert repair.vin[9] in YEAR_CODES
        assert repair.vin[13:].isdigit()
        if repair.vin[0] in CHECKED:
            assert check_digit(repair.vin) == repair.vin[8]
        if series.startswith("LTEST"):
            assert repair.vin.startswith("LTEST1A2")


# ---- how often it is right -----------------------------------------------------------------------


ALIKE_IN_A_VIN = {
    c: sorted(set().union(*(g for g in LOOK_ALIKES if c in g)) & set(ALPHABET) - {c}) for c in ALPHABET
}


def vins(dice: Random, count: int) -> Iterator[str]:
    """Chinese VINs with a look-alike in them; six figures at the end, as large makers number vehicles."""
    heads = ["L" + "".join(dice.choices(ALPHABET, k=7)) for _ in range(200)]
    while count:
        tail = f"{dice.choice(YEAR_CODES)}{dice.choice(ALPHABET)}{dice.randrange(10**6):06d}"
        vin = with_check_digit(f"{dice.choice(heads)}0{tail}")
        if any(ALIKE_IN_A_VIN[c] for c in vin):
            count -= 1
            yield vin


def misread(vin: str, dice: Random) -> str:
    """The VIN with one character taken for a look-alike that a VIN may have."""
    at = dice.choice([i for i, c in enumerate(vin) if ALIKE_IN_A_VIN[c]])
    return vin[:at] + dice.choice(ALIKE_IN_A_VIN[vin[at]]) + vin[at + 1 :]


@pytest.mark.parametrize(
    ("count", "announced", "tail", "at_least"),
    [(100_000, 0, 0, 0.952), (20_000, 8, 0, 0.999), (20_000, 8, 4, 0.999), (20_000, 0, 6, 0.952)],
)
def test_the_true_vin_comes_first_after_one_look_alike(
    count: int, announced: int, tail: int, at_least: float
) -> None:
    """The shares are those measured; a change of costs or of their order shows here."""
    dice = Random("misread")
    right = 0
    for vin in vins(dice, count):
        found = repairs(misread(vin, dice), series=vin[:announced], tail=vin[17 - tail :], most=1)
        right += bool(found) and found[0].vin == vin
    assert right / count >= at_least

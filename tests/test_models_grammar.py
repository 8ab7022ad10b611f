"""Plate and VIN forms: what the grammar lets through, and what it decides between."""

import numpy as np
import pytest

from lanes.vin import ALPHABET as VIN_ALPHABET
from models.claims import Judge
from models.ctc import FLOOR, Frames, fits
from models.grammar import (
    MISCOUNTED,
    RARE,
    STAR,
    UNKNOWN_MAKER,
    check_holds,
    plate_alphabet,
    plate_forms,
    plate_symbols,
    vin_alphabet,
    vin_forms,
    vin_plausible,
)

PLATES = plate_alphabet(list(plate_symbols()))
VINS = vin_alphabet(list(VIN_ALPHABET + STAR))


def priors_of(text: str) -> set[float]:
    """Log priors of the forms that let a text through."""
    return {form.prior for form in plate_forms(PLATES) if fits(PLATES.encode(text), form.pattern)}


def frames_of(judge: Judge, *mixes: dict[str, float]) -> Frames:
    """One frame per character with the given shares, a blank frame between them."""
    width = len(judge.alphabet.symbols) + 1
    rows = []
    for mix in mixes:
        row = np.zeros(width)
        for symbol, share in mix.items():
            row[judge.alphabet.encode(symbol)] = share
        rows += [row, np.eye(width)[0]]
    logs: Frames = np.log(np.maximum(np.array(rows), FLOOR))
    return logs


def sure(text: str) -> list[dict[str, float]]:
    return [{c: 1.0} for c in text]


@pytest.mark.parametrize(
    ("text", "prior"),
    [
        ("浙A12345", 0.0),
        ("渝B3587学", 0.0),
        ("粤Z888A港", 0.0),
        ("苏J5167警", 0.0),
        ("皖AD08815", 0.0),
        ("陕C06999D", 0.0),
        ("川20401领", RARE),
        ("使184001", RARE),
        ("WJ京1234X", RARE),
        ("WJ1693015", RARE),
        ("LS11001", RARE),
        ("民航A1234", RARE),
        ("京X1234应急", RARE),
        ("京O12345", 0.0),
        ("粤Z1234澳", 0.0),
        ("123456使", RARE),
    ],
)
def test_plate_forms(text: str, prior: float) -> None:
    assert priors_of(text) == {prior}


def test_forms_that_differ_at_one_place_are_tried_as_one() -> None:
    forms = plate_forms(PLATES)
    assert len(forms) == 14
    assert [form.prior for form in forms] == sorted((form.prior for form in forms), reverse=True)
    assert any(
        fits(PLATES.encode("浙A1234学"), f.pattern) and fits(PLATES.encode("浙A1234挂"), f.pattern)
        for f in forms
    )


@pytest.mark.parametrize(
    "text", ["A12345", "浙A1234", "浙112345", "浙A123456", "浙A1234学5", "浙浙A1234", "浙Z1234港", "浙A12O45"]
)
def test_no_plate_form(text: str) -> None:
    assert priors_of(text) == set()


def test_the_grammar_makes_the_last_four_of_a_vin_digits() -> None:
    bare = [form for form in vin_forms(VINS) if len(form.pattern) == 17]
    good, bad = VINS.encode("LTEST8N76HT132923"), VINS.encode("LTEST8N76HT1329B3")
    assert any(fits(good, form.pattern) for form in bare)
    assert not any(fits(bad, form.pattern) for form in bare)


def test_an_illegal_greedy_text_becomes_the_most_likely_legal_one() -> None:
    judge = Judge(PLATES, plate_forms(PLATES))
    mixes = [*sure("浙A1234"), {"使": 0.6, "5": 0.4}]
    decoded = judge.decode([frames_of(judge, *mixes)])
    assert decoded is not None
    assert decoded.text == "浙A12345"
    assert decoded.posteriors[-1] == pytest.approx(1.0, abs=1e-3)


def test_posteriors_say_which_character_is_in_doubt() -> None:
    judge = Judge(PLATES, plate_forms(PLATES))
    decoded = judge.decode([frames_of(judge, *sure("浙A1234"), {"8": 0.7, "B": 0.3})])
    assert decoded is not None
    assert decoded.text == "浙A12348"
    assert decoded.posteriors[-1] == pytest.approx(0.7, abs=1e-3)
    assert decoded.confidence == pytest.approx(0.7, abs=1e-2)


def test_a_frequent_form_wins_a_tie_with_a_rare_one() -> None:
    judge = Judge(PLATES, plate_forms(PLATES))
    decoded = judge.decode([frames_of(judge, {"川": 0.4, "M": 0.6}, *sure("R35779"))])
    assert decoded is not None
    assert decoded.text == "川R35779"


def test_stars_around_a_vin_are_free() -> None:
    judge = Judge(VINS, vin_forms(VINS), edge=STAR)
    vin = "LTEST8N76HT132923"
    decoded = judge.decode([frames_of(judge, *sure(f"{STAR}{vin}{STAR}"))])
    assert decoded is not None
    assert decoded.text == vin
    assert decoded.confidence > 0.99


def test_a_claim_leads_when_true_and_trails_its_rival_when_one_character_is_altered() -> None:
    judge = Judge(VINS, vin_forms(VINS), edge=STAR)
    vin = "LTEST8N76HT132923"
    views = [frames_of(judge, *sure(vin[:-1]), {"3": 0.9, "1": 0.1})]
    read = judge.decode(views)
    assert judge.margin(views, vin, read) == pytest.approx(np.log(9), abs=1e-6)
    assert judge.margin(views, vin[:-1] + "1", read) == pytest.approx(-np.log(9), abs=1e-6)
    assert judge.margin(views, "WDB1681312J846923", read) < -50


def test_an_illegal_claim_does_not_lead_the_rare_form_it_was_altered_from() -> None:
    judge = Judge(PLATES, plate_forms(PLATES))
    views = [frames_of(judge, *sure("使12345"), {"0": 0.85, "D": 0.14})]
    read = judge.decode(views)
    assert read is not None
    assert read.text == "使123450"
    assert judge.margin(views, "使12345D", read) == pytest.approx(np.log(0.14 / 0.85), abs=1e-6)


def vin_judge() -> Judge:
    return Judge(VINS, vin_forms(VINS), edge=STAR, plausible=vin_plausible(VINS))


@pytest.mark.parametrize(
    "vin", ["LTEST8N76HT132923", "WVWZZZ1KZ8M317048", "1C3APE9LX5X056928", "WWWZZZ1KZ5B158883"]
)
def test_the_prior_of_each_change_is_that_of_the_changed_text(vin: str) -> None:
    plausible = vin_plausible(VINS)
    _, near = plausible(VINS.encode(vin))
    for row in range(17):
        for k, c in enumerate(VINS.symbols[:-1], start=1):
            changed = vin[:row] + c + vin[row + 1 :]
            own, _ = plausible(VINS.encode(changed))
            assert near[row, k] == own, changed


def test_check_digit_and_maker_make_a_vin_plausible() -> None:
    plausible = vin_plausible(VINS)
    assert plausible(VINS.encode("LTEST1A27R0000001"))[0] == 0.0
    assert plausible(VINS.encode("LTEST1A20R0000001"))[0] == MISCOUNTED
    assert plausible(VINS.encode("WWWZZZ1KZ5B158883"))[0] == UNKNOWN_MAKER
    assert plausible(VINS.encode("WVWZZZ1KZ5B158883"))[0] == 0.0


def test_a_near_tie_is_read_as_the_vin_whose_check_digit_holds() -> None:
    judge, vin = vin_judge(), "LTEST8N76HT132923"
    mixes = sure(vin)
    mixes[16] = {"8": 0.7, "3": 0.3}
    decoded = judge.decode([frames_of(judge, *mixes)])
    assert decoded is not None
    assert decoded.text == vin


def test_two_changes_are_made_when_both_together_make_the_check_digit_hold() -> None:
    judge, vin = vin_judge(), "LTEST8N76HT132923"
    mixes = sure(vin)
    mixes[14], mixes[16] = {"B": 0.0, "8": 0.6, "9": 0.4}, {"8": 0.6, "3": 0.4}
    views = [frames_of(judge, *mixes)]
    decoded = judge.decode(views)
    assert decoded is not None
    assert decoded.text != vin
    assert judge.likelier(views, decoded, 6.0).text == vin


def test_what_is_clear_is_read_however_implausible() -> None:
    judge, vin = vin_judge(), "LTEST8N76HT132928"
    views = [frames_of(judge, *sure(vin))]
    decoded = judge.decode(views)
    assert decoded is not None
    assert judge.likelier(views, decoded, 6.0).text == vin


@pytest.mark.parametrize(
    ("vin", "holds"),
    [("LTEST1A27R0000001", True), ("LTEST1A20R0000001", False), ("WDB1681312J846923", None)],
)
def test_check_digit_binds_where_the_region_requires_it(vin: str, holds: bool | None) -> None:
    assert check_holds(vin) is holds

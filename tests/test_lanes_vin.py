"""VINs by GB 16735: check digit, model year, maker, series, country, what binds and what only warns."""

from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.rulebook import Rulebook
from lanes.scope import RuleError
from lanes.vin import (
    ALPHABET,
    YEAR_CODES,
    Difference,
    Maker,
    check_digit,
    check_share,
    fold_vin,
    maker,
    model_year,
    model_years,
    series_differences,
    series_places,
    spaced,
    with_check_digit,
)
from tests.lanes_parts import ON, car, rulebook, tables

MADE = date(2024, 3, 1)
VINS = rulebook().codes.vins

GOOD = (
    "1M8GDM9AXKP042788",
    "11111111111111111",
    "LTEST1A27R0000001",
    "LTEST1A28N0000017",
    "LTEST1A20T0000042",
    "LTEST1A2XR0000008",
)


@pytest.mark.parametrize("vin", GOOD)
def test_check_digit_vectors(vin: str) -> None:
    assert check_digit(vin) == vin[8]
    assert with_check_digit(vin[:8] + "0" + vin[9:]) == vin


def test_a_hundred_thousand_vins_come_back_as_they_were_written() -> None:
    dice = Random("vins")
    for _ in range(100_000):
        vin = drawn(dice)
        assert fold_vin(spaced(vin)) == vin
        assert check_digit(vin) == vin[8]


def drawn(dice: Random) -> str:
    """Any VIN with a right check digit."""
    head, middle = "".join(dice.choices(ALPHABET, k=8)), "".join(dice.choices(ALPHABET, k=3))
    return with_check_digit(f"{head}0{dice.choice(YEAR_CODES)}{middle}{dice.randrange(10_000):04d}")


@pytest.mark.parametrize("vin", ["LTEST1A27R000000", "LTEST1A27R000000O", ""])
def test_no_check_digit_of_what_is_no_vin(vin: str) -> None:
    with pytest.raises(ValueError, match="not a 17-character VIN"):
        check_digit(vin)


@pytest.mark.parametrize(("place", "c", "share"), [(0, "A", 8), (0, "O", 0), (8, "X", -10), (8, "A", 0)])
def test_a_character_that_cannot_stand_there_adds_nothing(place: int, c: str, share: int) -> None:
    assert check_share(place, c) == share


@given(st.text(ALPHABET, min_size=17, max_size=17), st.integers(0, 16), st.sampled_from(ALPHABET))
def test_most_single_changes_are_noticed(vin: str, at: int, c: str) -> None:
    """The digit sees a change exactly when value × weight differs modulo 11 (it does not see position 9)."""
    values = dict(
        zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "012345678912345678123457923456789"), strict=True)
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    changed = vin[:at] + c + vin[at + 1 :]
    same = (values[vin[at]] - values[c]) * weights[at] % 11 == 0
    assert (check_digit(vin) == check_digit(changed)) is same


def test_folding_a_read_vin() -> None:
    assert fold_vin(" ltest1a2-7rooooooi ") == "LTEST1A27R0000001"
    assert fold_vin("ＬＴＥＳＴ1A27RQ000001") == "LTEST1A27R0000001"
    assert spaced("LTEST1A27R0000001") == "LTE ST1A27 R0000001"
    assert spaced("AB12") == "AB1 2"


# ---- model year, maker, country ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "years"),
    [
        ("A", (1980, 2010, 2040)),
        ("Y", (2000, 2030, 2060)),
        ("1", (2001, 2031, 2061)),
        ("9", (2009, 2039, 2069)),
        ("R", (1994, 2024, 2054)),
        ("0", ()),
        ("U", ()),
        ("Z", ()),
    ],
)
def test_model_years(code: str, years: tuple[int, ...]) -> None:
    assert model_years(f"LTEST1A27{code}0000001") == years
    assert model_years(f"LTEST1A27{code}") == years
    assert model_years("LTEST1A27") == ()


@pytest.mark.parametrize(
    ("code", "made_on", "year"),
    [
        ("R", date(2024, 3, 1), 2024),
        ("R", date(1994, 12, 31), 1994),
        ("R", date(2023, 1, 1), 2024),  # a year ahead
        ("R", date(2022, 12, 31), None),
        ("R", date(2025, 12, 31), 2024),  # a year behind
        ("R", date(2026, 1, 1), None),
        ("A", date(2010, 6, 1), 2010),
        ("A", date(1980, 6, 1), 1980),
        ("Y", date(2001, 1, 1), 2000),
        ("U", date(2024, 1, 1), None),
    ],
)
def test_the_day_made_tells_which_thirty_years(code: str, made_on: date, year: int | None) -> None:
    assert model_year(f"LTEST1A27{code}0000001", made_on) == year


def test_how_far_the_model_year_may_run_can_be_said() -> None:
    vin = "LTEST1A27R0000001"
    assert model_year(vin, date(2022, 1, 1), ahead=2) == 2024
    assert model_year(vin, date(2023, 1, 1), ahead=0) is None
    assert model_year(vin, date(2025, 1, 1), behind=0) is None


def test_a_maker_of_few_vehicles_is_told_by_three_more_characters() -> None:
    assert maker("LTEST1A27R0000001") == Maker("LTE")
    assert maker("LA9ST1A27RABC0001") == Maker("LA9", "BC0")
    assert maker("LA") == Maker("LA")


@pytest.mark.parametrize(
    ("vin", "code", "region"),
    [
        ("LTEST1A27R0000001", "CN", "Asia"),
        ("HTEST1A27R0000001", "CN", "Asia"),
        ("1M8GDM9AXKP042788", "US", "North America"),
        ("5M8GDM9AXKP042788", "US", "North America"),
        ("2M8GDM9AXKP042788", "CA", "North America"),
        ("3M8GDM9AXKP042788", "MX", "North America"),
        ("WVWZZZ1K0R0000001", "DE", "Europe"),
        ("SAL", "GB", "Europe"),
        ("SNT", "DE", "Europe"),
        ("VF1", "FR", "Europe"),
        ("VSS", "ES", "Europe"),
        ("ZFA", "IT", "Europe"),
        ("YV1", "SE", "Europe"),
        ("JTE", "JP", "Asia"),
        ("KMH", "KR", "Asia"),
        ("KFH", "IL", "Asia"),
        ("M1A", "IN", "Asia"),
        ("93H", "BR", "South America"),
        ("6T1", "AU", "Oceania"),
        ("AAV", "ZA", "Africa"),
    ],
)
def test_who_gave_out_the_first_characters(vin: str, code: str, region: str) -> None:
    country, where = VINS.country(vin), VINS.region(vin)
    assert country is not None
    assert where is not None
    assert (country.code, where.en) == (code, region)
    assert country.zh
    assert where.zh


def test_first_characters_that_nobody_was_given() -> None:
    assert VINS.country("AP") is not None
    assert VINS.country("A0") is None
    assert VINS.country("") is None
    assert VINS.region("0") is None


def test_the_countries_of_the_table_lie_in_regions_of_it() -> None:
    assert all(VINS.region(pair) is not None for pair in VINS.countries)
    assert len(VINS.countries) > 700


# ---- series of the announcement ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "differences"),
    [
        ("", ()),
        ("LTEST1A2", ()),
        ("LTEST1A2×××××××××", ()),
        ("LTEST1A2*R*******", ()),
        ("ltest1a2?????????", ()),
        ("LTEST1A2XXXXXXXXX", ()),
        ("LTEST1A2XRXXXXXXX", ()),
        ("LTEST1A20R0000001", ()),  # the ninth place is nobody's to announce
        ("LTEST1A2×P×××××××", ((10, "P", "R"),)),
        ("LTESX1B2", ((5, "X", "T"), (7, "B", "A"))),
        ("LXXST1A2", ((2, "X", "T"), (3, "X", "E"))),
        ("LTEST1A2×××XX", ((12, "X", "0"), (13, "X", "0"))),  # figures begin at the fourteenth
        ("LTEST1A2×××XXX", ()),
        ("LTEST1A2×××XX1", ((12, "X", "0"), (13, "X", "0"), (14, "1", "0"))),
        ("LTEST1A2×××××××××XXX", ()),
    ],
)
def test_a_series_is_compared_position_by_position(
    series: str, differences: tuple[tuple[int, str, str], ...]
) -> None:
    assert series_differences("LTEST1A27R0000001", series) == tuple(Difference(*each) for each in differences)


def test_a_vin_that_is_too_short_differs_where_it_ends() -> None:
    assert series_differences("LTEST1", "LTEST1A2") == (Difference(7, "A", ""), Difference(8, "2", ""))
    assert series_differences("LTEST1A27R00000012", "LTEST1A2") == ()  # nor beyond its end
    assert series_places("LTEST1A2") == (*"LTEST1A2", *[""] * 9)


def test_the_officer_is_told_where_the_series_differs() -> None:
    (problem,) = VINS.problems(car(vin_series="LTESX1B2×××××××××"), ON)
    assert (problem.level, problem.code) == ("warning", "series")
    assert problem.en == (
        "VIN differs from the announced series: character 5 is T, not X, character 7 is A, not B"
    )
    assert problem.zh == "车辆识别代号与公告系列不符：第5位应为X，现为T、第7位应为B，现为A"


@given(st.text(ALPHABET, min_size=17, max_size=17), st.sets(st.integers(0, 16)))
def test_wildcards_hide_exactly_their_places(vin: str, hidden: set[int]) -> None:
    other = "".join("A" if c == "B" else "B" for c in vin)
    series = "".join("×" if i in hidden else c for i, c in enumerate(other))
    open_ = set(range(17)) - hidden - {8}
    assert {each.place - 1 for each in series_differences(vin, series)} == open_


# ---- what binds ----------------------------------------------------------------------------------


BAD = "LTEST1A20R0000001"


def levels(vin: str, made_on: date, imported: bool, vehicle_class: str) -> dict[str, str]:
    vehicle = car(vin=vin, made_on=made_on, imported=imported, vehicle_class=vehicle_class)
    return {problem.code: problem.level for problem in VINS.problems(vehicle, ON)}


def test_a_wrong_check_digit_is_told_with_the_right_one() -> None:
    (problem,) = VINS.problems(car(vin=BAD), ON)
    assert (problem.level, problem.code) == ("error", "check_digit")
    assert problem.en == "VIN character 9 is 0, the check digit is 7"
    assert problem.zh == "车辆识别代号第9位应为7，现为0"
    assert VINS.binds("check_digit", car(vin=BAD), ON)
    assert not VINS.binds("check_digit", car(vin=BAD, vehicle_class="B11"), ON)
    assert not VINS.binds("region", car(imported=True), ON)


@pytest.mark.parametrize(
    ("vin", "made_on", "imported", "vehicle_class", "level"),
    [
        (BAD, MADE, False, "K33", "error"),
        (BAD, MADE, True, "K33", "error"),  # a Chinese VIN stays one
        (BAD, date(2004, 10, 1), False, "K33", "error"),
        (BAD, date(2004, 9, 30), False, "K33", "warning"),
        (BAD, date(2004, 9, 30), True, "K33", "warning"),
        (BAD, MADE, False, "B11", "warning"),
        (BAD, MADE, True, "B11", "warning"),
        (BAD, MADE, False, "G11", "warning"),
        (BAD, MADE, False, "N11", "warning"),
        (BAD, MADE, False, "H51", "warning"),
        (BAD, MADE, False, "H11", "error"),
        (BAD, MADE, False, "M21", "error"),
        ("WVWZZZ1K0R0000001", MADE, True, "K33", "warning"),
        ("JTEST1A20R0000001", MADE, True, "K33", "warning"),
        ("1M8GDM9A0KP042788", date(1989, 1, 1), True, "K33", "error"),
        ("1M8GDM9A0KP042788", date(1989, 1, 1), True, "B11", "warning"),
        ("5M8GDM9A0RP042788", MADE, True, "K33", "error"),
    ],
)
def test_when_the_check_digit_binds(
    vin: str, made_on: date, imported: bool, vehicle_class: str, level: str
) -> None:
    assert levels(vin, made_on, imported, vehicle_class)["check_digit"] == level


@pytest.mark.parametrize(
    ("vin", "made_on", "vehicle_class", "expected"),
    [
        ("LTEST1A27R0000001", MADE, "K33", {}),
        ("LTEST1A27R0000001", date(2023, 12, 1), "K33", {}),
        ("LTEST1A27R0000001", date(2025, 1, 1), "K33", {}),
        ("LTEST1A27R0000001", date(2022, 12, 31), "K33", {"year": "warning"}),
        ("LTEST1A27R000001", MADE, "K33", {"length": "error"}),
        ("LTEST1A27R000001", MADE, "M21", {"length": "warning"}),
        ("LTEST1A27R000001", MADE, "N11", {"length": "warning"}),
        ("LTEST1A27R000001", date(1995, 1, 1), "K33", {"length": "warning"}),
        ("LTEST1A27R000OOI1", MADE, "K33", {"alphabet": "error"}),
        ("LTEST1A27R00000é1", MADE, "K33", {"alphabet": "error"}),
        ("LTEST1A2?U0000001", MADE, "K33", {"year_code": "error"}),
        ("LTEST1A2?R00000A1", MADE, "K33", {"serial": "error"}),
        ("LTEST1A2?R000A001", MADE, "K33", {"serial": "error"}),
        ("LTEST1A2?R00A0001", MADE, "K33", {}),
        ("WTEST1A2?R0000001", MADE, "K33", {"region": "warning"}),
        ("A0EST1A2?R0000001", MADE, "K33", {"region": "warning"}),
        ("HTEST1A2?R0000001", MADE, "K33", {}),
    ],
)
def test_other_rules_of_a_vin(vin: str, made_on: date, vehicle_class: str, expected: dict[str, str]) -> None:
    if "?" in vin:
        vin = vin.replace("?", check_digit(vin))
    assert levels(vin, made_on, False, vehicle_class) == expected


@pytest.mark.parametrize(
    ("vin", "made_on", "zh", "en"),
    [
        ("LTEST1A27R000001", MADE, "应为17位，现为16位", "has 16 characters, not 17"),
        ("LTEST1A27R00OÉ0I1", MADE, "不得含有 IOÉ", "must not contain IOÉ"),
        (
            *("LTEST1A27R0000001", date(2022, 12, 31)),
            "第10位年份与出厂日期 2022-12-31 不符",
            "character 10 does not fit the date made, 2022-12-31",
        ),
        ("LTEST1A2?U1000001", MADE, "第10位 U 不是年份代码", "character 10, U, is no year code"),
        ("LTEST1A2?R000000A", MADE, "末4位应为数字", "the last four characters must be digits"),
        (
            *("WTEST1A2?R0000001", MADE),
            "国产车应以 L 或 H 开头",
            "of a vehicle made in China begins with L or H",
        ),
    ],
)
def test_each_fault_of_a_vin_in_words(vin: str, made_on: date, zh: str, en: str) -> None:
    if "?" in vin:
        vin = vin.replace("?", check_digit(vin))
    (problem,) = VINS.problems(car(vin=vin, made_on=made_on), ON)
    assert (problem.zh, problem.en) == (f"车辆识别代号{zh}", f"VIN {en}")


@pytest.mark.parametrize(
    ("made_on", "fits"),
    [
        (date(2021, 12, 31), False),
        (date(2022, 1, 1), True),
        (date(2024, 12, 31), True),
        (date(2025, 1, 1), False),
    ],
)
def test_a_row_says_how_far_the_model_year_may_run(made_on: date, fits: bool) -> None:
    files = tables()
    (row,) = (row for row in files["vins"]["vin_rule"] if "year" in row["checks"])
    row.update(years_ahead=2, years_behind=0)
    vins = Rulebook.from_tables(files).codes.vins
    assert (vins.problems(car(made_on=made_on), ON) == ()) is fits


def test_an_imported_vehicle_may_begin_as_it_likes() -> None:
    assert levels(with_check_digit("WTEST1A20R0000001"), MADE, True, "K33") == {}


# ---- faults of the table -------------------------------------------------------------------------


FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    (
        "nothing for a check",
        lambda f: f.update(vin_rule=[row for row in f["vin_rule"] if "alphabet" not in row["checks"]]),
        "no row is for the check 'alphabet'",
    ),
    ("ambiguous", lambda f: f["vin_rule"].append(dict(f["vin_rule"][0])), "vin_rule, length: .* neither"),
    ("no check", lambda f: f["vin_rule"][0].update(checks=[]), "vin_rule, row 1"),
    ("unknown check", lambda f: f["vin_rule"][0].update(checks=["digit"]), "Invalid enum value 'digit'"),
    (
        "group",
        lambda f: f["vin_rule"][4].update(classes=["trailers"]),
        "'trailers' is neither a class group \\(articulated_buses, buses, .*, wheeled_machinery\\) nor the",
    ),
    ("range", lambda f: f["country"][0].update(last="BA"), "AA to BA is no range"),
    ("backwards", lambda f: f["country"][0].update(first="AH", last="AA"), "AH to AA is no range"),
    ("claimed twice", lambda f: f["country"][0].update(last="AJ"), "'AJ' stands twice"),
    ("region twice", lambda f: f["region"].append(dict(f["region"][0])), "region, row 9: 'A' stands twice"),
]


@pytest.mark.parametrize(("spoil", "why"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_faults_of_the_table_name_their_row(spoil: Callable[[dict[str, Any]], Any], why: str) -> None:
    files = tables()
    spoil(files["vins"])
    with pytest.raises(RuleError, match=why):
        Rulebook.from_tables(files)

"""Plates by GA 36 and VINs by GB 16735: formats, folding, check digit, what binds and what only warns."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.vehicle import (
    VIN_ALPHABET,
    Plate,
    PlateError,
    check_digit,
    fold,
    fold_vin,
    format_plate,
    looks_like,
    model_years,
    parse_plate,
    plate_kinds,
    plate_problems,
    vin_problems,
)

MADE = date(2024, 3, 1)


@pytest.mark.parametrize(
    ("hpzl", "hphm"),
    [
        ("02", "浙A12345"),
        ("02", "浙A1B2C3"),
        ("01", "川Z9999Z"),
        ("03", "使123456"),
        ("03", "123456使"),
        ("04", "沪A1234领"),
        ("07", "苏E12345"),
        ("08", "苏E12345"),
        ("13", "皖K12345"),
        ("15", "鲁B1234挂"),
        ("16", "京A1234学"),
        ("22", "浙A12345"),
        ("22", "浙A12345临"),
        ("23", "浙A1234警"),
        ("26", "粤Z1234港"),
        ("27", "粤ZAB12澳"),
        ("31", "WJ浙12345"),
        ("31", "WJ1234X"),
        ("32", "KA12345"),
        ("51", "浙A12345D"),
        ("52", "浙AD12345"),
        ("52", "浙AFA1234"),
        ("99", "ABC-123"),
        ("02", "浙a·12345"),
        ("02", "浙Ａ 1２34-5"),
        ("02", "浙A•12345"),
    ],
)
def test_plates_that_are_well_formed(hpzl: str, hphm: str) -> None:
    assert plate_problems(hpzl, hphm) == ()
    assert parse_plate(hpzl, hphm).hphm == fold(hphm)


@pytest.mark.parametrize(
    ("hpzl", "hphm", "why"),
    [
        ("02", "浙AO1234", "no letter O"),
        ("02", "浙A1I345", "no letter O and no letter I"),
        ("02", "浙AD12345", "would fit kind 52"),
        ("52", "浙A12345", "would fit kind 01, 02"),
        ("52", "浙AL12345", "check province"),
        ("02", "浙AABC12", "more than two letters"),
        ("02", "哈A12345", "check province"),
        ("02", "浙A1234", "no plate of kind 02"),
        ("26", "粤Z1234澳", "would fit kind 27"),
        ("51", "浙A12345L", "check province"),
        ("02", "浙A1", "5 to 12"),
        ("2", "浙A12345", "two digits of GA/T 16.7"),
        ("02", "", "0 characters"),
        ("03", "使12345٣", "no plate of kind 03"),
        ("02", "浙A12345\n6", "no plate of kind 02"),
    ],
)
def test_plates_that_are_not(hpzl: str, hphm: str, why: str) -> None:
    (problem,) = plate_problems(hpzl, hphm)
    assert why in problem
    with pytest.raises(PlateError, match=r"hpzl|hphm"):
        parse_plate(hpzl, hphm)


def test_one_number_fits_several_kinds() -> None:
    assert {"01", "02", "07", "08"} <= set(plate_kinds("浙A12345"))
    assert plate_kinds("浙AD12345") == ("52",)
    assert plate_kinds("浙AABC12") == ("22",)
    assert plate_kinds("nonsense") == ()


@pytest.mark.parametrize(
    ("hphm", "painted"), [("浙A12345", "浙A·12345"), ("WJ1234X", "WJ1234X"), ("使123456", "使123456")]
)
def test_plates_as_painted(hphm: str, painted: str) -> None:
    assert format_plate(Plate(hpzl="02", hphm=hphm)) == painted
    assert fold(painted) == hphm


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("浙A12345", "浙A12345", True),
        ("浙A12345", "浙A1234S", True),
        ("浙A80000", "浙ABQDO0", True),
        ("浙A12345", "浙A12346", False),
        ("浙A12345", "浙A1234", False),
        ("浙A12345", "苏A12345", False),
    ],
)
def test_look_alikes(one: str, other: str, alike: bool) -> None:
    assert looks_like(one, other) is alike
    assert looks_like(other, one) is alike


# ---- VIN -----------------------------------------------------------------------------------------

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


def test_a_wrong_check_digit_is_told_with_the_right_one() -> None:
    (problem,) = vin_problems("LTEST1A20R0000001", MADE, False, "K33")
    assert (problem.level, problem.code) == ("error", "check_digit")
    assert problem.en == "VIN character 9 is 0, the check digit is 7"
    assert problem.zh == "车辆识别代号第9位应为7，现为0"


@pytest.mark.parametrize("vin", ["LTEST1A27R000000", "LTEST1A27R000000O", ""])
def test_no_check_digit_of_what_is_no_vin(vin: str) -> None:
    with pytest.raises(ValueError, match="not a 17-character VIN"):
        check_digit(vin)


@given(st.text(VIN_ALPHABET, min_size=17, max_size=17), st.integers(0, 16), st.sampled_from(VIN_ALPHABET))
def test_most_single_changes_are_noticed(vin: str, at: int, c: str) -> None:
    """The digit sees a change exactly when value × weight differs modulo 11 (it does not see position 9)."""
    values = dict(
        zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "012345678912345678123457923456789"), strict=True)
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    changed = vin[:at] + c + vin[at + 1 :]
    same = (values[vin[at]] - values[c]) * weights[at] % 11 == 0
    assert (check_digit(vin) == check_digit(changed)) is same


BAD = "LTEST1A20R0000001"


@pytest.mark.parametrize(
    ("vin", "made_on", "imported", "vehicle_class", "level"),
    [
        (BAD, MADE, False, "K33", "error"),
        (BAD, MADE, True, "K33", "error"),  # a Chinese VIN stays one
        (BAD, date(2004, 10, 1), False, "K33", "error"),
        (BAD, date(2004, 9, 30), False, "K33", "warning"),
        (BAD, MADE, False, "B11", "warning"),
        (BAD, MADE, False, "G11", "warning"),
        (BAD, MADE, False, "N11", "warning"),
        (BAD, MADE, False, "H51", "warning"),
        ("WVWZZZ1K0R0000001", MADE, True, "K33", "warning"),
        ("JTEST1A20R0000001", MADE, True, "K33", "warning"),
        ("1M8GDM9A0KP042788", date(1989, 1, 1), True, "K33", "error"),
        ("5M8GDM9A0RP042788", MADE, True, "K33", "error"),
    ],
)
def test_when_the_check_digit_binds(
    vin: str, made_on: date, imported: bool, vehicle_class: str, level: str
) -> None:
    found = {p.code: p.level for p in vin_problems(vin, made_on, imported, vehicle_class)}
    assert found["check_digit"] == level


@pytest.mark.parametrize(
    ("vin", "made_on", "vehicle_class", "expected"),
    [
        ("LTEST1A27R0000001", MADE, "K33", {}),
        ("LTEST1A27R0000001", date(2023, 12, 1), "K33", {}),
        ("LTEST1A27R0000001", date(2025, 1, 1), "K33", {}),
        ("LTEST1A27R0000001", date(2022, 12, 31), "K33", {"year": "warning"}),
        ("LTEST1A27R000001", MADE, "K33", {"length": "error"}),
        ("LTEST1A27R000001", MADE, "M21", {"length": "warning"}),
        ("LTEST1A27R000001", date(1995, 1, 1), "K33", {"length": "warning"}),
        ("LTEST1A27R000OOI1", MADE, "K33", {"alphabet": "error"}),
        ("LTEST1A27R00000é1", MADE, "K33", {"alphabet": "error"}),
        ("LTEST1A2?U0000001", MADE, "K33", {"year_code": "error"}),
        ("LTEST1A2?R00000A1", MADE, "K33", {"serial": "error"}),
        ("WTEST1A2?R0000001", MADE, "K33", {"region": "warning"}),
        ("HTEST1A2?R0000001", MADE, "K33", {}),
    ],
)
def test_other_rules_of_a_vin(vin: str, made_on: date, vehicle_class: str, expected: dict[str, str]) -> None:
    if "?" in vin:
        vin = vin.replace("?", check_digit(vin))
    assert {p.code: p.level for p in vin_problems(vin, made_on, False, vehicle_class)} == expected


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
    assert model_years("LTEST") == ()


def test_folding_a_read_vin() -> None:
    assert fold_vin(" ltest1a2-7rooooooi ") == "LTEST1A27R0000001"
    assert fold_vin("ＬＴＥＳＴ1A27RQ000001") == "LTEST1A27R0000001"

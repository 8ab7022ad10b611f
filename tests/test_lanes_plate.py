"""Plates by GA 36: every form of the table, what is no plate and why, colours and rows, look-alikes."""

from collections.abc import Callable
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.plate import PlateError, Plates
from lanes.plate_form import LETTERS, MOST_MEANT, PROVINCES, SETS, FormatRow, PlateForm
from lanes.rulebook import Rulebook
from lanes.scope import RuleError
from lanes.spelling import ALIKE, NEAR, OTHER, fold, looks_like, misread_as, misreading_cost
from lanes.vehicle import Plate, Problem
from tests.lanes_parts import ON, rulebook, tables

PLATES = rulebook().codes.plates
FORMS = PLATES.forms


@pytest.mark.parametrize(
    ("hpzl", "hphm"),
    [
        ("02", "浙A12345"),
        ("02", "浙A1B2C3"),
        ("02", "京O12345"),
        ("01", "川Z9999Z"),
        ("03", "使123456"),
        ("03", "123456使"),
        ("04", "沪A1234领"),
        ("04", "川20401领"),
        ("06", "粤A12345"),
        ("07", "苏E12345"),
        ("08", "苏E12345"),
        ("09", "使123456"),
        ("10", "沪A1234领"),
        ("12", "粤A12345"),
        ("13", "皖K12345"),
        ("14", "浙0112345"),
        ("15", "鲁B1234挂"),
        ("16", "京A1234学"),
        ("17", "京A1234学"),
        ("18", "京A1234试"),
        ("18", "京A1234超"),
        ("19", "京A1234试"),
        ("22", "浙A12345"),
        ("22", "浙A12345临"),
        ("23", "浙A1234警"),
        ("24", "浙A1234警"),
        ("26", "粤Z1234港"),
        ("27", "粤ZAB12澳"),
        ("31", "WJ浙12345"),
        ("31", "WJ1234X"),
        ("32", "KA12345"),
        ("51", "浙A12345D"),
        ("52", "浙AD12345"),
        ("52", "浙AFA1234"),
        ("99", "京X1234应急"),
        ("02", "浙a·12345"),
        ("02", "浙Ａ 1２34-5"),
        ("02", "浙A•12345"),
    ],
)
def test_plates_that_are_well_formed(hpzl: str, hphm: str) -> None:
    assert PLATES.problems(hpzl, hphm, ON) == ()
    assert PLATES.parse(hpzl, hphm, ON).hphm == fold(hphm)


@pytest.mark.parametrize(
    ("hpzl", "hphm", "why"),
    [
        ("02", "浙AO1234", "no letter O and no letter I, is it 浙A01234 or 浙AD1234 or 浙AQ1234\\?"),
        ("02", "浙A1I345", "no letter O and no letter I, is it 浙A11345 or 浙A1L345\\?"),
        ("02", "浙AOOOO1", "no letter O and no letter I, is it 0 or 1\\?"),
        ("02", "浙AD12345", "would fit kind 52"),
        ("52", "浙A12345", "would fit kind 01, 02"),
        ("52", "浙AL12345", "check province"),
        ("52", "浙AD1234S", "is it 浙AD12345\\?"),
        ("02", "浙AABC12", "more than 2 letters"),
        ("02", "哈A12345", "check province"),
        ("02", "浙A1234", "no plate of kind 02"),
        ("26", "粤Z1234澳", "would fit kind 27"),
        ("51", "浙A12345L", "check province"),
        ("02", "浙A1", "5 to 12"),
        ("2", "浙A12345", "two digits of GA/T 16.7"),
        ("77", "浙A12345", "not a plate kind"),
        ("02", "", "0 characters"),
        ("03", "使12345٣", "no plate of kind 03"),
        ("02", "浙A12345\n6", "no plate of kind 02"),
        ("31", "WJ1693015", "that form ended on 2013-04-30"),
    ],
)
def test_plates_that_are_not(hpzl: str, hphm: str, why: str) -> None:
    (problem,) = PLATES.problems(hpzl, hphm, ON)
    assert problem.level == "error"
    assert problem.zh
    with pytest.raises(PlateError, match=why):
        PLATES.parse(hpzl, hphm, ON)


@pytest.mark.parametrize(
    ("hpzl", "hphm", "on", "code", "zh", "en"),
    [
        (
            *("2", "浙A12345", ON, "kind"),
            "号牌种类 '2' 不在 GA/T 16.7 中，应为两位数字，如 02",
            "hpzl '2' is not a plate kind: write the two digits of GA/T 16.7, such as 02",
        ),
        (
            *("02", "浙A12", ON, "length"),
            "号牌号码 '浙A12' 为4位，应为5至12位",
            "hphm '浙A12' has 4 characters: a plate has 5 to 12",
        ),
        (
            *("02", "浙A12345678901", ON, "length"),
            "号牌号码 '浙A12345678901' 为13位，应为5至12位",
            "hphm '浙A12345678901' has 13 characters: a plate has 5 to 12",
        ),
        (
            *("02", "浙AABC12", ON, "letters"),
            "号牌号码 '浙AABC12' 的序号中字母多于2个",
            "hphm '浙AABC12' has more than 2 letters in its serial",
        ),
        (
            *("31", "WJ1693015", date(2013, 5, 1), "form"),
            "号牌号码 'WJ1693015' 不是 31 类号牌：该式样至 2013-04-30 止",
            "hphm 'WJ1693015' is no plate of kind 31: plates of that form ended on 2013-04-30",
        ),
        (
            *("52", "浙AD12345", date(2016, 11, 30), "form"),
            "号牌号码 '浙AD12345' 不是 52 类号牌：该式样自 2016-12-01 起",
            "hphm '浙AD12345' is no plate of kind 52: plates of that form begin on 2016-12-01",
        ),
        (
            *("02", "浙AO1234", ON, "form"),
            "号牌号码 '浙AO1234' 不是 02 类号牌：号牌序号没有字母 O 和 I，"
            "是否为 浙A01234、浙AD1234、浙AQ1234？",
            "hphm '浙AO1234' is no plate of kind 02: plates have no letter O and no letter I, "
            "is it 浙A01234 or 浙AD1234 or 浙AQ1234?",
        ),
        (  # what it may be misread from was a plate in its days only
            *("31", "WJ16O3015", date(2013, 4, 30), "form"),
            "号牌号码 'WJ16O3015' 不是 31 类号牌：号牌序号没有字母 O 和 I，是否为 WJ1603015？",
            "hphm 'WJ16O3015' is no plate of kind 31: plates have no letter O and no letter I, "
            "is it WJ1603015?",
        ),
        (
            *("31", "WJ16O3015", date(2013, 5, 1), "form"),
            "号牌号码 'WJ16O3015' 不是 31 类号牌：号牌序号没有字母 O 和 I，是否为 0、1？",
            "hphm 'WJ16O3015' is no plate of kind 31: plates have no letter O and no letter I, is it 0 or 1?",
        ),
        (
            *("52", "浙A12345", ON, "form"),
            "号牌号码 '浙A12345' 不是 52 类号牌：符合 01、02、06、07、08、12、13、22 类",
            "hphm '浙A12345' is no plate of kind 52: it would fit kind 01, 02, 06, 07, 08, 12, 13, 22",
        ),
        (
            *("52", "浙AD1234S", ON, "form"),
            "号牌号码 '浙AD1234S' 不是 52 类号牌：是否为 浙AD12345？",
            "hphm '浙AD1234S' is no plate of kind 52: is it 浙AD12345?",
        ),
        (  # before there were plates of kind 52
            *("02", "浙AD12345", date(2016, 11, 30), "form"),
            "号牌号码 '浙AD12345' 不是 02 类号牌：请核对省份、字母和位数",
            "hphm '浙AD12345' is no plate of kind 02: check province, letter and length",
        ),
        (
            *("02", "浙AX123456", ON, "form"),
            "号牌号码 '浙AX123456' 不是 02 类号牌：请核对省份、字母和位数",
            "hphm '浙AX123456' is no plate of kind 02: check province, letter and length",
        ),
    ],
)
def test_each_fault_of_a_plate_in_words(hpzl: str, hphm: str, on: date, code: str, zh: str, en: str) -> None:
    assert PLATES.problems(hpzl, hphm, on) == (Problem("error", code, zh, en),)


@pytest.mark.parametrize(
    ("length", "code"), [(4, "length"), (5, "unknown_form"), (12, "unknown_form"), (13, "length")]
)
def test_any_plate_has_five_to_twelve_characters(length: int, code: str) -> None:
    (problem,) = PLATES.problems("05", "A" * length, ON)
    assert problem.code == code


@pytest.mark.parametrize("hpzl", ["05", "11", "20", "21", "25", "41", "42", "43", "99"])
def test_a_kind_without_a_known_form_takes_what_the_records_take_and_says_so(hpzl: str) -> None:
    (problem,) = PLATES.problems(hpzl, "ABC-123", ON)
    assert (problem.level, problem.code) == ("warning", "unknown_form")
    assert "not checked" in problem.en
    assert PLATES.parse(hpzl, "abc-123", ON) == Plate(hpzl=hpzl, hphm="ABC123")
    with pytest.raises(PlateError, match="5 to 12"):
        PLATES.parse(hpzl, "ABC1")


@pytest.mark.parametrize(
    ("hphm", "hpzl", "on", "fits"),
    [
        ("WJ1693015", "31", date(2013, 4, 30), True),
        ("WJ1693015", "31", date(2013, 5, 1), False),
        ("WJ1693015", "31", None, True),
        ("浙AD12345", "52", date(2016, 11, 30), False),
        ("浙AD12345", "52", date(2016, 12, 1), True),
    ],
)
def test_forms_have_dates(hphm: str, hpzl: str, on: date | None, fits: bool) -> None:
    assert (PLATES.problems(hpzl, hphm, on) == ()) is fits
    assert (PLATES.kinds(hphm, on=on) == (hpzl,)) is fits


def test_a_form_that_has_not_begun_says_when() -> None:
    (problem,) = PLATES.problems("52", "浙AD12345", date(2016, 11, 30))
    assert problem.en.endswith("begin on 2016-12-01")


def test_one_number_fits_several_kinds_and_the_colour_tells_them_apart() -> None:
    assert {"01", "02", "07", "08"} <= set(PLATES.kinds("浙a·12345"))
    assert PLATES.kinds("浙A12345", "blue") == ("02", "08")
    assert PLATES.kinds("浙A12345", "yellow") == ("01", "07", "13")
    assert PLATES.kinds("浙AD12345") == ("52",)
    assert PLATES.kinds("浙AABC12") == ("22",)
    assert PLATES.kinds("nonsense") == ()


@pytest.mark.parametrize(
    ("hpzl", "hphm", "front", "rear"),
    [
        ("02", "浙A12345", "浙A·12345", "浙A·12345"),
        ("01", "浙A12345", "浙A·12345", "浙·A\n12345"),
        ("07", "浙A12345", "浙·A\n12345", "浙·A\n12345"),
        ("15", "浙A1234挂", "浙·A\n1234挂", "浙·A\n1234挂"),
        ("52", "浙AD12345", "浙A·D12345", "浙A·D12345"),
        ("31", "WJ1234X", "WJ1234X", "WJ\n1234X"),
        ("03", "使123456", "使123456", "使123456"),
        ("05", "ABC123", "ABC123", "ABC123"),
    ],
)
def test_plates_as_painted(hpzl: str, hphm: str, front: str, rear: str) -> None:
    plate = Plate(hpzl=hpzl, hphm=hphm)
    assert PLATES.painted(plate) == front
    assert PLATES.painted(plate, "rear") == rear
    assert plate.key == (hpzl, hphm)


@pytest.mark.parametrize(
    ("hpzl", "hphm", "ground", "energy", "mark"),
    [
        ("52", "浙AD12345", "green", "battery", None),
        ("52", "浙AE12345", "green", "battery", None),
        ("52", "浙AF12345", "green", "other", None),
        ("51", "浙A12345K", "yellow_green", "other", None),
        ("23", "浙A1234警", "white", None, "red"),
        ("26", "粤Z1234港", "black", None, None),
    ],
)
def test_what_a_form_says_of_a_plate(
    hpzl: str, hphm: str, ground: str, energy: str | None, mark: str | None
) -> None:
    form = PLATES.form_of(Plate(hpzl=hpzl, hphm=hphm))
    assert form is not None
    assert (form.row.ground, form.row.energy, form.row.mark) == (ground, energy, mark)


def test_a_plate_without_a_known_form_has_none() -> None:
    assert PLATES.form_of(Plate(hpzl="05", hphm="ABC123")) is None


# ---- many ----------------------------------------------------------------------------------------


def drawn(dice: Random, form: PlateForm) -> str:
    """A number of that form; letters of the serial are redrawn as figures where there are too many."""
    number = "".join(dice.choice(place) for place in form.places)
    while form.crowded(number):
        at = dice.choice(form.serial)
        number = number[:at] + dice.choice(SETS["digit"]) + number[at + 1 :]
    return number


def test_a_hundred_thousand_plates_of_all_forms_come_back_as_they_were_painted() -> None:
    dice = Random("plates")
    for n in range(100_000):
        form = FORMS[n % len(FORMS)]
        plate = Plate(hpzl=form.row.hpzl, hphm=drawn(dice, form))
        assert PLATES.parse(plate.hpzl, PLATES.painted(plate, "rear" if n % 2 else "front")) == plate


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.row.hpzl} {form.row.name}")
def test_every_row_fits_what_it_describes(form: PlateForm) -> None:
    row, dice = form.row, Random(f"{form.row.hpzl}{form.row.name}")
    numbers = {drawn(dice, form) for _ in range(200)}
    assert len(numbers) > 150
    for number in numbers:
        assert row.hpzl in PLATES.kinds(number, row.ground)
        assert form.fits(number)
        assert not form.fits(number + "0")
        assert not form.fits(number[:-1])
    assert row.front or row.rear
    assert 5 <= len(form.places) <= 12
    assert set("".join(form.places)) <= set(PROVINCES) | set(SETS["sign"]) | set(
        "挂学警港澳试超使领临应急民航"
    )


def test_every_kind_of_the_code_table_is_in_the_table_of_forms() -> None:
    assert PLATES.known == set(rulebook().names["plate_kinds"])


@given(st.text(LETTERS + "0123456789", min_size=5, max_size=5))
def test_a_civil_number_is_one_unless_it_has_more_than_two_letters(serial: str) -> None:
    assert (PLATES.problems("02", f"浙A{serial}") == ()) is (sum(c.isalpha() for c in serial) <= 2)


@given(st.sampled_from(FORMS), st.integers(0, 10**6), st.sampled_from(" ·.-　"))
def test_typing_does_not_matter(form: PlateForm, seed: int, between: str) -> None:
    number = drawn(Random(seed), form)
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isascii() else c for c in number)
    for typed in (between.join(number).lower(), wide, f" {number}\n"):
        assert PLATES.parse(form.row.hpzl, typed) == Plate(hpzl=form.row.hpzl, hphm=number)


@given(st.text(max_size=14), st.sampled_from(["01", "02", "22", "31", "52", "99"]))
def test_any_text_is_a_plate_or_has_a_reason(text: str, hpzl: str) -> None:
    problems = PLATES.problems(hpzl, text, ON)
    errors = [each for each in problems if each.level == "error"]
    assert all(each.zh and each.en for each in problems)
    if errors:
        with pytest.raises(PlateError):
            PLATES.parse(hpzl, text, ON)
    else:
        assert PLATES.parse(hpzl, text, ON).hphm == fold(text)


# ---- look-alikes ---------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("one", "other", "cost"),
    [
        ("8", "B", ALIKE),
        ("0", "Q", ALIKE),
        ("1", "7", NEAR),
        ("8", "3", NEAR),
        ("W", "2", OTHER),
        ("5", "5", 0),
    ],
)
def test_what_a_misreading_costs(one: str, other: str, cost: int) -> None:
    assert misreading_cost(one, other) == misreading_cost(other, one) == cost


@pytest.mark.parametrize(
    ("c", "cost", "others"),
    [("8", ALIKE, ("B",)), ("8", NEAR, ("3", "9")), ("0", ALIKE, ("D", "O", "Q")), ("W", NEAR, ())],
)
def test_what_a_character_is_taken_for(c: str, cost: int, others: tuple[str, ...]) -> None:
    assert misread_as(c, cost) == others


def test_what_may_have_been_meant_comes_cheapest_first() -> None:
    assert PLATES.meant("52", "浙AO1234S") == ("浙AD12345",)
    assert PLATES.meant("02", "浙AO1234") == ("浙A01234", "浙AD1234", "浙AQ1234")
    assert PLATES.meant("01", "浙012345") == ("浙D12345", "浙Q12345", "浙C12345")  # C is only near 0
    assert PLATES.meant("02", "浙A1234") == ()
    assert PLATES.meant("31", "WJ16O3015", date(2013, 4, 30)) == ("WJ1603015",)
    assert PLATES.meant("31", "WJ16O3015", date(2013, 5, 1)) == ()


# ---- faults of the table -------------------------------------------------------------------------


FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("place", lambda f: f["format"][0].update(places=["serail 4"]), "format, row 1 .*'serail 4' is no set"),
    ("layout", lambda f: f["format"][0].update(front="2.5"), "front = '2.5': write groups"),
    ("length", lambda f: f["format"][0].update(rear="1·1/6"), "rear = '1·1/6' does not place 7 characters"),
    ("colour", lambda f: f["format"][0].update(ground="pink"), "Invalid enum value 'pink'"),
    (
        "dates",
        lambda f: f["format"][0].update(effective_from=date(2020, 1, 2), effective_to=date(2020, 1, 1)),
        "effective_from lies after effective_to",
    ),
    ("twice", lambda f: f["format"].append(dict(f["format"][0])), "'01 civil' stands twice"),
    ("kind", lambda f: f["format"][0].update(hpzl="00"), "hpzl '00' is not defined"),
    (
        "source",
        lambda f: f["format"][0].update(source="GA63"),
        "source 'GA63' is not defined; nearest .*'GA36'",
    ),
    (
        "kind of an open one",
        lambda f: f["open_kind"][0].update(hpzl="00"),
        "plates.toml, open_kind, row 1: hpzl '00' is not defined",
    ),
    (
        "silent kinds",
        lambda f: f.update(open_kind=[]),
        "plates.toml: no format and no open_kind for hpzl 05, 11, 20, 21, 25, 41, 42, 43$",
    ),
    ("silent kind", lambda f: f["open_kind"].pop(0), "no format and no open_kind for hpzl 05"),
    ("open twice", lambda f: f["open_kind"].append(dict(f["open_kind"][0])), "'05' stands twice"),
]


@pytest.mark.parametrize(("spoil", "why"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_faults_of_the_table_name_their_row(spoil: Callable[[dict[str, Any]], Any], why: str) -> None:
    files = tables()
    spoil(files["plates"])
    with pytest.raises(RuleError, match=why):
        Rulebook.from_tables(files)


def test_the_forms_can_be_read_on_their_own() -> None:
    assert Plates.from_tables({"plates": tables()["plates"]}).forms == FORMS


def form_of(**changes: Any) -> PlateForm:
    fields = {"hpzl": "02", "name": "n", "places": ("province", "letter"), "ground": "blue", "ink": "white"}
    return PlateForm.of(FormatRow(**(fields | {"source": "s", "confidence": "M"} | changes)))


def test_a_form_of_one_day_is_a_form_and_one_that_ends_before_it_begins_is_none() -> None:
    day = date(2026, 11, 25)
    assert form_of(effective_from=day, effective_to=day).in_force(day)
    with pytest.raises(ValueError, match=r"^effective_from lies after effective_to$"):
        form_of(effective_from=day, effective_to=date(2026, 11, 24))


def test_places_that_say_nothing_are_refused_with_what_may_stand_there() -> None:
    with pytest.raises(
        ValueError, match=r"^places: 'x' is no set \(province, letter, serial, digit, capital, "
    ):
        form_of(places=("x",))


def test_a_number_that_fits_costs_nothing_and_a_guess_more() -> None:
    form = form_of(places=("province", "digit 2"))
    assert list(form.meant("浙12")) == [(0, "浙12")]
    costs = {number: cost for cost, number in form.meant("浙1B")}
    assert costs["浙18"] > 0 and costs["浙18"] == min(costs.values())


def test_as_many_meanings_as_are_allowed_are_all_told_and_of_more_none() -> None:
    assert sum(misreading_cost("0", letter) <= NEAR for letter in LETTERS) ** 3 == MOST_MEANT
    assert len(list(form_of(places=("letter 3",)).meant("000"))) == MOST_MEANT
    assert list(form_of(places=("letter 4",)).meant("0000")) == []

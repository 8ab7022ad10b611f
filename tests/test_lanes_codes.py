"""Code tables: as many codes as the sources have, in both languages; papers with codes nobody knows."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from lanes.rulebook import Rulebook
from lanes.scope import RuleError
from lanes.tables import Label
from lanes.vehicle import Plate
from tests.lanes_parts import ON, car, rulebook, tables

NAMES, CODES = rulebook().names, rulebook().codes


@pytest.mark.parametrize(
    ("table", "count"),
    [
        ("plate_kinds", 35),
        ("vehicle_classes", 236),
        ("uses", 22),
        ("colours", 11),
        ("fuels", 12),
        ("test_kinds", 16),
        ("special_classes", 10),
        ("line_kinds", 2),
        ("shots", 109),
        ("defect_items", 6),
    ],
)
def test_every_code_has_a_name_in_both_languages(table: str, count: int) -> None:
    found = NAMES[table]
    assert len(found) == count
    assert all(label.zh.strip() and label.en.strip() for label in found.values())
    assert all(label.en.isascii() or "°" in label.en for label in found.values())
    assert not any(label.en == label.zh for label in found.values())


@pytest.mark.parametrize(
    ("table", "code", "zh", "en"),
    [
        ("vehicle_classes", "K11", "大型普通客车", "large passenger vehicle, ordinary"),
        ("vehicle_classes", "K28", "中型专用校车", "medium school bus"),
        ("vehicle_classes", "H1C", "重型罐式自卸货车", "heavy goods vehicle, tank tipper"),
        ("vehicle_classes", "H46", "微型特殊结构货车", "mini goods vehicle, special structure"),
        ("vehicle_classes", "Q11", "重型半挂牵引车", "heavy tractor for semi-trailers"),
        ("vehicle_classes", "Z72", "轻型载货专项作业车", "light special-purpose vehicle, load-carrying"),
        ("vehicle_classes", "B1U", "重型中置轴旅居挂车", "heavy centre-axle trailer, caravan"),
        ("vehicle_classes", "M22", "轻便二轮摩托车", "moped, two wheels"),
        ("vehicle_classes", "X99", "其他", "other"),
        ("test_kinds", "0403", "转入逾期", "not periodic: transferred in, overdue"),
        ("fuels", "O", "混合动力", "hybrid"),
        ("shots", "0163", "危险货物运输车标志", "dangerous goods sign"),
        ("shots", "0361", "外廓尺寸自动测量-后", "automatic outline, rear"),
        ("defect_items", "4", "车辆识别代号（整车出厂编号）", "VIN or factory number"),
    ],
)
def test_names_of_some_codes(table: str, code: str, zh: str, en: str) -> None:
    assert NAMES[table][code] == Label(zh=zh, en=en)


def test_families_of_classes_are_whole() -> None:
    classes = set(NAMES["vehicle_classes"])
    assert {f"K1{n}" for n in range(1, 9)} | {f"K2{n}" for n in range(1, 9)} <= classes
    assert {f"H{size}{body}" for size in "12" for body in "123456789ABCDEFG"} <= classes
    assert {f"{family}{size}1" for family in "BGQ" for size in "123"} <= classes
    assert all(code[0] in "KHQZBGMNTJDX" for code in classes)


def test_defects_and_what_they_do() -> None:
    severity = {code: row.severity for code, row in CODES.defects.items()}
    assert len(severity) == 44
    assert [code for code, each in severity.items() if each == "reminder"] == ["1-1", "1-2", "1-3", "1-4"]
    assert CODES.defects["4-22"].zh == "电子控制单元（ECU）无车辆识别代号"
    assert all(code.split("-")[0] == row.item for code, row in CODES.defects.items())
    assert [f"4-{n}" for n in range(1, 26)] == [code for code in severity if code.startswith("4-")]


def test_two_digit_photo_codes_of_older_platforms() -> None:
    assert CODES.old_shots["01"] == "0201"
    assert CODES.old_shots["11"] == "0111"
    assert CODES.old_shots["13"] == "0113"
    assert CODES.old_shots["43"] == "0157"
    assert all(len(code) == 2 and shot in NAMES["shots"] for code, shot in CODES.old_shots.items())


# ---- papers --------------------------------------------------------------------------------------


def test_papers_in_order() -> None:
    assert CODES.problems(car(), ON) == ()
    assert CODES.problems(car(plate=None, colour="AJH"), ON) == ()


@pytest.mark.parametrize(
    ("changes", "code", "level", "en"),
    [
        ({"vehicle_class": "K99"}, "vehicle_class", "warning", "vehicle class K99 is in no code table"),
        ({"use": "Y"}, "use", "warning", "use Y is in no code table"),
        ({"fuel": "X"}, "fuel", "warning", "fuel X is in no code table"),
        ({"colour": "白"}, "colour", "warning", "colour 白: write up to 3 letters of the code table"),
        ({"colour": "ABCD"}, "colour", "warning", "colour ABCD: write up to 3 letters of the code table"),
        (
            {"plate": Plate(hpzl="02", hphm="浙AD12345")},
            "form",
            "error",
            "hphm '浙AD12345' is no plate of kind 02: it would fit kind 52",
        ),
        ({"vin": "LTEST1A20R0000001"}, "check_digit", "error", "VIN character 9 is 0, the check digit is 7"),
    ],
)
def test_what_is_wrong_with_papers(changes: dict[str, Any], code: str, level: str, en: str) -> None:
    (problem,) = CODES.problems(car(**changes), ON)
    assert (problem.code, problem.level, problem.en) == (code, level, en)
    assert problem.zh


def test_a_vehicle_of_several_colours() -> None:
    assert CODES.colour("A") == Label(zh="白", en="white")
    assert CODES.colour("AJ") == Label(zh="白、黑", en="white and black")
    assert CODES.colour("A?") == Label(zh="白、?", en="white and ?")
    assert CODES.colour("") == Label(zh="", en="")


def test_a_plate_is_held_against_the_forms_of_the_day() -> None:
    police = car(plate=Plate(hpzl="31", hphm="WJ1693015"))
    assert CODES.problems(police, date(2013, 4, 30)) == ()
    (problem,) = CODES.problems(police, date(2013, 5, 1))
    assert problem.en.endswith("plates of that form ended on 2013-04-30")


def test_tables_read_again_say_the_same() -> None:
    again, first = Rulebook.from_tables(tables()), rulebook()
    assert again.codes == CODES
    assert again.codes.names == NAMES
    assert again.verdicts == first.verdicts
    assert again.verdicts.again and again.verdicts.stands
    wrong = car(vin="LTEST1A20R0000001")
    assert again.codes.problems(wrong, ON) == CODES.problems(wrong, ON)


FAULTS: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("item", lambda f: f["defects"]["defect"][0].update(item="7"), "defect, row 1 \\(1-1\\): item '7'"),
    ("severity", lambda f: f["defects"]["defect"][0].update(severity="minor"), "Invalid enum value 'minor'"),
    (
        "defect twice",
        lambda f: f["defects"]["defect"].append(dict(f["defects"]["defect"][0])),
        "'1-1' stands",
    ),
    (
        "source of a photo code",
        lambda f: f["photos"]["old_shot"][0].update(source="nobody"),
        "photos.toml, old_shot, row 1 \\(01\\): source 'nobody'",
    ),
    ("shot", lambda f: f["photos"]["old_shot"][0].update(shot="0299"), "old_shot, row 1 .*shot '0299'"),
    ("old twice", lambda f: f["photos"]["old_shot"].append(dict(f["photos"]["old_shot"][0])), "'01' stands"),
    ("source", lambda f: f["defects"]["defect"][0].update(source="nobody"), "source 'nobody' is not defined"),
]


@pytest.mark.parametrize(("spoil", "why"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_faults_of_the_tables_name_their_row(spoil: Callable[[dict[str, Any]], Any], why: str) -> None:
    files = tables()
    spoil(files)
    with pytest.raises(RuleError, match=why):
        Rulebook.from_tables(files)

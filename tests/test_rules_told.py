"""Rules told to people: explained for one vehicle, looked over, compared; over the command line too."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from edge.__main__ import app
from edge.rulebook import default_folder
from lanes.checklist import Given
from lanes.explain import Explanation, Told, explain
from lanes.record import Listed
from lanes.rulebook import Rulebook
from lanes.rulecheck import doubts, short
from lanes.rulediff import Change, changes
from lanes.rulewords import outcome_words, placed, scope_words
from lanes.samples import classes, ordinary
from lanes.scope import Case, RuleError
from lanes.tables import Label
from tests.lanes_parts import ON, car, rulebook, rulebook_with

MADE = date(2024, 3, 1)
SOURCED = {"source": "own-default", "confidence": "M"}


def adding(stem: str, table: str, **row: Any) -> Rulebook:
    return rulebook_with(lambda files: files[stem][table].append({**row, **SOURCED}))


# ---- explain -------------------------------------------------------------------------------------


def of(told: tuple[Told, ...], code: str) -> Told:
    return next(each for each in told if each.code == code)


@pytest.fixture(scope="module")
def saloon() -> Explanation:
    return explain(car(steer_suspension="dependent"), "periodic", ON, rulebook())


def test_an_item_is_told_with_its_row_source_and_sureness(saloon: Explanation) -> None:
    item = of(saloon.items, "B1")
    assert (item.name.zh, item.need.zh, item.group and item.group.zh) == ("一轴制动", "必查", "制动")
    assert item.why is not None
    row = rulebook().item_needs[int(item.why.where.en.partition("row ")[2].partition(" ")[0]) - 1]
    assert (row.item, row.confidence) == ("B1", "F")
    assert item.why.scope.zh == "小微型载客汽车；定期检验（核发检验合格标志）"
    assert item.why.scope.en == "small and mini passenger cars; periodic inspection"
    assert [source.partition(":")[0] for source in item.why.sources] == ["T", "VEH"]
    assert item.why.sure.zh == "公开资料载明"


def test_limits_stand_beside_the_item_they_judge(saloon: Explanation) -> None:
    assert [limit.zh for limit in of(saloon.items, "B1").limits][:2] == [
        "轴制动率：≥ 60 %（GB 7258-2017 台试制动力）",
        "制动不平衡率：≤ 24 %（GB 7258-2017 制动力平衡）",
    ]
    assert of(saloon.items, "A1").limits[0].en.startswith("side-slip: -5…5 m/km")
    assert of(saloon.items, "01").limits == ()
    independent = explain(car(), "periodic", ON, rulebook())
    assert of(independent.items, "A1").limits[0].zh == "侧滑量：没有限值，不判定"


def test_limits_of_the_two_benches_are_told_apart() -> None:
    def strict_plate(files: dict[str, Any]) -> None:
        plates = [row for row in files["limits"]["limit"] if row.get("over") and row["axle"] == "front"]
        plates[0]["value"] = 66

    told = explain(car(), "periodic", ON, rulebook_with(strict_plate))
    said = of(told.items, "B1").limits[0]
    assert said.zh == (
        "轴制动率：滚筒台 ≥ 60 %（GB 7258-2017 台试制动力）；平板台 ≥ 66 %（GB 7258-2017 台试制动力）"
    )
    assert said.en.startswith("axle braking rate: roller bench ≥ 60 % (")


def test_an_instrument_that_nothing_judges_is_told() -> None:
    def unjudged(files: dict[str, Any]) -> None:
        for item in files["names"]["item"]:
            item.pop("quantities", None)

    told = explain(car(), "periodic", ON, rulebook_with(unjudged))
    assert [limit.en for limit in of(told.items, "S1").limits] == ["no quantity of these rules judges it"]


def test_a_narrower_row_names_those_it_goes_before(saloon: Explanation) -> None:
    slip = of(saloon.items, "A1")
    assert slip.why is not None
    assert slip.why.scope.zh.endswith("转向轴非独立悬架")
    assert len(slip.why.wider) == 1
    assert slip.why.wider[0].zh.endswith("→ 选查（有则判定）")


def test_of_many_businesses_and_classes_only_the_own_is_named(saloon: Explanation) -> None:
    scopes = [each.why.scope.zh for each in saloon.items if each.why is not None]
    assert any("等 10 项业务" in scope for scope in scopes)
    assert any("小微型载客汽车等" in scope for scope in scopes)
    english = {each.code: each.why.scope.en for each in saloon.items if each.why is not None}
    assert english["03"] == "all vehicles; periodic inspection and 9 other businesses"
    assert english["R"].startswith("small and mini passenger cars and 6 other kinds of vehicle; ")


def test_what_is_not_asked_is_told_with_its_reason(saloon: Explanation) -> None:
    assert of(saloon.absent, "G03").need.zh == "已由 01 查验"
    assert of(saloon.absent, "G22").need.en == "inspected under 09"
    assert of(saloon.absent, "G05").need == Label(zh="已由 04、07 查验", en="inspected under 04 and 07")
    bus = explain(ordinary("K18", MADE), "periodic", ON, rulebook())
    assert of(bus.absent, "G24").need.en == "inspected under 15", "not under X14, which is not asked for"
    trailer = explain(ordinary("B11", MADE), "registration", ON, rulebook())
    assert of(trailer.absent, "02").need.zh == "不查"
    assert "B4" not in {each.code for each in trailer.absent}


def test_who_may_inspect_is_told(saloon: Explanation) -> None:
    assert [word.zh for word in saloon.who.words] == [
        "初级查验员或以上",
        "民警、辅警或其他查验员均可",
        "非民警查验时：民警现场或视频监管",
        "非民警查验时：民警事后抽查复核",
    ]
    scrapped = explain(car(), "scrapping", ON, rulebook())
    assert [word.en for word in scrapped.who.words] == [
        "at least: junior officer",
        "by the police only",
        "by two persons",
    ]
    assert all(why.sources for why in scrapped.who.why)


def test_left_out_and_platform_items_are_explained() -> None:
    given = Given(
        listed=Listed(by="platform", items=("01", "77")), left_out=("S1",), left_out_why="no tester"
    )
    told = explain(car(), "periodic", ON, rulebook(), given)
    assert of(told.items, "S1").need.zh == "本机构不查：no tester"
    assert of(told.items, "77").why is None
    assert of(told.absent, "08").need == Label(zh="平台未列", en="not listed by the platform")
    assert of(told.absent, "G03").need.en == "inspected under 01"
    assert told.basis.startswith("platform platform; rules ")


def test_what_is_outside_is_refused_with_the_reason() -> None:
    with pytest.raises(RuleError, match="拖拉机由农业机械主管部门登记"):
        explain(ordinary("T11", MADE), "periodic", ON, rulebook())


# ---- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "zh", "en"),
    [
        ({}, "所有车辆", "all vehicles"),
        ({"classes": ["small_passenger"]}, "小微型载客汽车", "small and mini"),
        ({"classes": ["K38"]}, "小型专用校车", "small"),
        ({"classes": ["H14", "Y"]}, "车辆类型 Y…", "class Y…"),
        ({"uses": ["P"]}, "所有车辆；使用性质：小学校车", "all vehicles; use: school bus, primary school"),
        ({"fuels": ["C"]}, "所有车辆；燃料：", "all vehicles; fuel: "),
        ({"plate_kinds": ["07"]}, "号牌种类：两、三轮摩托车", "plate kind: motorcycle"),
        ({"origin": "imported"}, "所有车辆；进口", "all vehicles; imported"),
        ({"service_brake": "air", "lamps": "four"}, "气压制动；四灯制", "air brakes; four headlamps"),
        ({"gross_mass_from_kg": 3501}, "总质量自 3501 kg 起", "gross mass from 3501 kg"),
        ({"gross_mass_to_kg": 3500}, "总质量至 3500 kg 止", "gross mass to 3500 kg"),
        ({"axles_from": 3, "axles_to": 4}, "轴数 3 至 4", "axles 3 to 4"),
        ({"speed_from_kmh": 70}, "最高设计车速自 70 km/h 起", "top speed from 70 km/h"),
        ({"mass_ratio_below": "1.2"}, "总质量 < 1.2 倍整备质量", "gross mass < 1.2 × kerb mass"),
        ({"mass_ratio_to": "1.2"}, "总质量 ≤ 1.2 倍整备质量", "gross mass ≤ 1.2 × kerb mass"),
        ({"made_from": date(2018, 1, 1)}, "出厂日期自 2018-01-01 起", "made from 2018-01-01"),
        (
            {"effective_from": date(2027, 1, 1), "effective_to": date(2028, 1, 1)},
            "检验日期 2027-01-01 至 2028-01-01",
            "inspected 2027-01-01 to 2028-01-01",
        ),
    ],
)
def test_a_scope_in_words(row: dict[str, Any], zh: str, en: str) -> None:
    rules = adding("checklists", "outside", why="a test", **row)
    said = scope_words(rules.outside[-1], rules)
    assert zh in said.zh
    assert en in said.en
    assert scope_words(rules.outside[-1], rules, Case(vehicle=car(), business="periodic", on=ON)).zh


@pytest.mark.parametrize(
    ("row", "zh"),
    [
        ({"level": "senior"}, "高级查验员以上"),
        ({"police": True, "persons": 2}, "须由民警查验；须双人查验"),
        ({"by": ["afterwards"]}, "民警事后抽查复核"),
    ],
)
def test_rows_of_authority_in_words(row: dict[str, Any], zh: str) -> None:
    rules = adding("authority", "authority", **row)
    assert outcome_words(rules.authority[-1], rules).zh == zh


def test_every_shipped_row_can_be_told() -> None:
    rules = rulebook()
    rows = list(placed(rules))
    assert len(rows) > 400
    for each in rows:
        for label in (scope_words(each.row, rules), outcome_words(each.row, rules)):
            assert label.zh
            assert label.en
        assert each.where.partition(",")[0] == each.where_zh.partition(",")[0]


# ---- look over -----------------------------------------------------------------------------------


def found(rules: Rulebook, code: str) -> list[str]:
    return [each.en for each in doubts(rules, ON) if each.code == code]


@pytest.mark.parametrize(
    "code", ["unknown-code", "unknown-class", "useless", "unused-item", "gap", "no-level", "expired"]
)
def test_the_shipped_rules_have_no_doubt_of_that_kind(code: str) -> None:
    assert found(rulebook(), code) == []


def test_codes_that_no_table_names() -> None:
    rules = adding("checklists", "outside", why="test", uses=["Y"], plate_kinds=["98"], classes=["Y1"])
    number = len(rules.outside)
    assert found(rules, "unknown-code") == [
        f"checklists.toml, outside, row {number}: use Y is in no table of codes",
        f"checklists.toml, outside, row {number}: plate kind 98 is in no table of codes",
    ]
    assert found(rules, "unknown-class") == [
        "codes.toml names no vehicle class that begins with Y1, but rows use it"
    ]


def test_rows_that_ended_or_have_not_begun() -> None:
    rules = adding("checklists", "outside", why="test", classes=["T11"], effective_to=date(2020, 1, 1))
    assert found(rules, "expired") == [
        f"checklists.toml, outside, row {len(rules.outside)}: ended on 2020-01-01"
    ]
    rules = adding("checklists", "outside", why="test", classes=["T11"], effective_from=date(2030, 1, 1))
    assert found(rules, "not-yet") == [
        f"checklists.toml, outside, row {len(rules.outside)}: in force from 2030-01-01"
    ]


@pytest.mark.parametrize("scope", [{}, {"classes": ["K33"], "uses": ["A"]}], ids=["wide", "narrow"])
def test_a_row_that_narrower_ones_replace_is_useless(scope: dict[str, Any]) -> None:
    def shadow(files: dict[str, Any]) -> None:
        row = {"item": "08", "businesses": ["other"], **scope, **SOURCED}
        files["checklists"]["item"] += [row, *({**row, "lamps": lamps} for lamps in ("one", "two", "four"))]

    rules = rulebook_with(shadow)
    assert found(rules, "useless") == [
        f"checklists.toml, item, row {len(rules.item_needs) - 3} (08): "
        "no vehicle was found for which this row decides"
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"classes": ["Y1"]},
        {"fuels": ["C"], "plate_kinds": ["07"], "seats_from": 10, "seats_to": 12},
        {"speed_to_kmh": 70, "mass_ratio_below": "1.2", "gross_mass_to_kg": 900},
        {"made_to": date(2000, 1, 1), "effective_from": date(2030, 1, 1), "axles_from": 5},
        {"origin": "imported", "service_brake": "air", "steer_suspension": "dependent", "lamps": "one"},
    ],
)
def test_a_row_with_any_bound_is_tried_inside_it(row: dict[str, Any]) -> None:
    rules = adding("checklists", "item", item="08", businesses=["other"], **row)
    assert found(rules, "useless") == []


def test_items_nobody_asks_for_and_items_nothing_judges() -> None:
    def change(files: dict[str, Any]) -> None:
        files["names"]["item"].append(
            {"code": "Q1", "kind": "instrument", "zh": "测试", "en": "test", **SOURCED}
        )

    assert found(rulebook_with(change), "unused-item") == ["names.toml, item Q1 (test): no row asks for it"]

    def required(files: dict[str, Any]) -> None:
        change(files)
        files["checklists"]["item"].append({"item": "Q1", **SOURCED})

    assert any(
        line.startswith("item Q1 (test) is required") for line in found(rulebook_with(required), "unmeasured")
    )


def test_classes_without_a_list_without_limits_without_a_level() -> None:
    def change(files: dict[str, Any]) -> None:
        files["checklists"]["shot"] = [row for row in files["checklists"]["shot"] if row["shot"] == "0999"]

    gaps = found(rulebook_with(change), "gap")
    assert gaps
    assert all("no list for classes" in gap for gap in gaps)
    assert gaps[0].endswith("no rows")

    def no_limits(files: dict[str, Any]) -> None:
        files["limits"]["limit"] = [
            row for row in files["limits"]["limit"] if row["quantity"] != "parking_rate"
        ]

    assert any("parking brake rate" in line for line in found(rulebook_with(no_limits), "unlimited"))

    def no_levels(files: dict[str, Any]) -> None:
        files["authority"]["authority"] = []

    assert found(rulebook_with(no_levels), "no-level")[0].endswith("the highest is asked for")


def test_an_axle_without_a_row_is_a_gap() -> None:
    def change(files: dict[str, Any]) -> None:
        rows = files["checklists"]["item"]
        files["checklists"]["item"] = [
            row for row in rows if row["item"] != "B2" or row.get("businesses") != ["periodic"]
        ]

    assert any("no row B2" in line for line in found(rulebook_with(change), "gap"))


def test_class_codes_in_few_words() -> None:
    known = ["K11", "K12", "K21", "K22", "H11", "M21"]
    assert short(["K11", "K12", "K21", "K22", "M21"], known) == "K… M21"
    assert short(["K11", "K12", "K22"], known) == "K1… K22"


def test_samples_hold_every_class_and_take_what_is_given() -> None:
    kinds = classes(rulebook())
    assert {"K33", "H11", "B11", "M21", "N11", "X99"} <= set(kinds)
    assert all(ordinary(kind, MADE).kerb_mass_kg > 0 for kind in kinds)
    vehicle = ordinary("H11", MADE, use="R", gross_mass_kg=9000, kerb_mass_kg=4000, axles=2, seats=3)
    assert (vehicle.use, vehicle.gross_mass_kg, vehicle.kerb_mass_kg) == ("R", 9000, 4000)
    assert (vehicle.axles, vehicle.parking_axles, vehicle.seats) == (2, (2,), 3)


# ---- compare -------------------------------------------------------------------------------------


def one(change: Callable[[dict[str, Any]], None]) -> Change:
    differences = changes(rulebook(), rulebook_with(change))
    assert len(differences) == 1
    return differences[0]


def test_equal_rules_differ_in_nothing_even_in_another_order() -> None:
    assert changes(rulebook(), rulebook()) == ()

    def turned(files: dict[str, Any]) -> None:
        files["checklists"]["item"].reverse()
        files["checklists"]["item"][0]["businesses"] = files["checklists"]["item"][0]["businesses"][::-1]

    assert changes(rulebook(), rulebook_with(turned)) == ()


def test_a_changed_bound() -> None:
    change = one(lambda files: files["limits"]["limit"][0].update(value=55))
    assert (change.what, change.table, change.code) == ("changed", "limits.toml, limit", "axle_rate")
    assert change.before is not None
    assert change.after is not None
    assert (change.before.zh, change.after.zh) == (
        "≥ 60 %（GB 7258-2017 台试制动力）",
        "≥ 55 %（GB 7258-2017 台试制动力）",
    )
    assert "前轴" in change.scope.zh


def test_a_changed_need_source_or_question() -> None:
    change = one(lambda files: files["checklists"]["item"][0].update(need="optional"))
    assert change.after is not None
    assert (change.what, change.code, change.after.en) == (
        "changed",
        "01",
        "optional (judged if it is there)",
    )
    change = one(lambda files: files["checklists"]["item"][0].update(confidence="S"))
    assert change.after is not None
    assert (change.what, change.after.zh) == ("source", "GA801-form GA801-matrix (S)")
    change = one(lambda files: files["checklists"]["shot"][0].update(questions=[]))
    assert change.after is not None
    assert (change.what, change.after.zh) == ("changed", "必须")


@pytest.mark.parametrize(
    ("stem", "table", "row"),
    [
        ("checklists", "outside", {"why": "test", "classes": ["T11"]}),
        ("authority", "authority", {"police": True, "businesses": ["other"]}),
        ("checklists", "artefact", {"artefact": "vin_rubbing", "businesses": ["other"]}),
    ],
)
def test_added_and_removed_rows(stem: str, table: str, row: dict[str, Any]) -> None:
    longer = adding(stem, table, **row)
    (added,) = changes(rulebook(), longer)
    (removed,) = changes(longer, rulebook())
    assert (added.what, removed.what) == ("added", "removed")
    assert added.after == removed.before is not None
    assert added.scope == removed.scope


# ---- the commands --------------------------------------------------------------------------------


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["rules", *words])
    return result.exit_code, result.stdout, result.stderr


def folder(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """A copy of the shipped rules in which one file reads otherwise."""
    copied = tmp_path / "rules"
    copied.mkdir()
    for path in default_folder().glob("*.toml"):
        text = path.read_text(encoding="utf-8")
        if path.name == name:
            assert old in text
            text = text.replace(old, new, 1)
        (copied / path.name).write_text(text, encoding="utf-8")
    return copied


def test_check_says_that_the_shipped_rules_can_be_used() -> None:
    status, out, _ = run("check", "--lang", "zh", "--date", "2026-11-22")
    assert status == 0
    assert f"规则 {rulebook().name}：可以使用" in out
    status, out, _ = run("check", "--lang", "en")
    assert "every business: classes T… are refused: tractors" in out


def test_check_as_json_and_strict(tmp_path: Path) -> None:
    status, out, _ = run("check", "--json")
    body = json.loads(out)
    assert (status, body["rules_sha256"]) == (0, rulebook().rules_sha256)
    assert {doubt["level"] for doubt in body["doubts"]} <= {"warning", "note"}
    wrong = folder(tmp_path, "checklists.toml", 'uses = ["H", "I", "J", "K"]', 'uses = ["H", "I", "J", "Y"]')
    assert run("check", str(wrong))[0] == 0
    status, out, _ = run("check", str(wrong), "--strict")
    assert status == 1
    assert "use Y is in no table of codes" in out
    assert "使用性质 Y 不在代码表中" in out


def test_check_refuses_rules_that_cannot_be_used(tmp_path: Path) -> None:
    wrong = folder(tmp_path, "limits.toml", 'quantity = "axle_rate"', 'quantity = "axel_rate"')
    status, _, err = run("check", str(wrong))
    assert status == 1
    assert "nearest known: 'axle_rate'" in err


def test_diff_over_the_command_line(tmp_path: Path) -> None:
    other = folder(
        tmp_path,
        "checklists.toml",
        'artefact = "vin_rubbing", businesses = ["certificate_reissue"], need = "optional"',
        'artefact = "vin_rubbing", businesses = ["certificate_reissue"]',
    )
    status, out, _ = run("diff", str(default_folder()), str(other))
    assert status == 0
    assert "更改 checklists.toml, artefact vin_rubbing [所有车辆；补领登记证书]: 可选 → 必须" in out
    assert out.endswith("1 differences\n")
    status, out, _ = run("diff", str(default_folder()), str(other), "--json")
    assert [change["what"] for change in json.loads(out)["changes"]] == ["changed"]


def test_explain_over_the_command_line() -> None:
    words = (
        "explain",
        "--business",
        "periodic",
        "--class",
        "K33",
        "--date",
        "2026-11-22",
        "--made",
        "2019-01-01",
    )
    status, out, _ = run(*words)
    assert status == 0
    chinese, _, english = out.partition("\n== periodic inspection")
    assert "== 定期检验（核发检验合格标志） · K33 小型轿车 · A 非营运" in chinese
    assert "- B1 一轴制动: 必查" in chinese
    assert "- B1 brakes of the first axle: required" in english
    assert "驻车制动率：≥ 20 %" in chinese
    assert "\n# Sources (" in english
    assert f"\n- GB38900-items: {rulebook().sources['GB38900-items']}\n" in english
    status, out, _ = run(*words, "--lang", "zh", "--suspension", "dependent")
    assert "required" not in out
    assert "优先于 checklists.toml, item" in out
    status, out, _ = run(*words, "--json", "--mass", "2000", "--kerb", "1500", "--axles", "2", "--seats", "7")
    body = json.loads(out)
    assert (body["vehicle"]["gross_mass_kg"], body["vehicle"]["seats"]) == (2000, 7)
    assert body["explanation"]["items"][0]["code"] == "01"


def test_explain_takes_the_day_of_the_inspection_for_that_of_manufacture() -> None:
    status, out, _ = run(
        *("explain", "--business", "scrapping", "--class", "H11", "--date", "2026-11-22"),
        *("--imported", "--lamps", "four", "--lang", "en"),
    )
    assert status == 0
    assert "made 2026-11-22 · inspected 2026-11-22" in out
    assert "by two persons" in out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--business", "periodic", "--class", "T11"), "farm machinery"),
        (("--business", "sale", "--class", "K33"), "no business 'sale'"),
        (("--business", "periodic", "--class", "k33"), "--class 'k33' is in no row of codes.toml of CN"),
        (("--business", "periodic", "--class", "Q99"), "--class 'Q99' is in no row of codes.toml of CN"),
        (("--business", "periodic", "--class", "K333"), "; did you mean 'K33'?"),
        (
            ("--business", "periodic", "--class", "K33", "--use", "Y"),
            "--use 'Y' is in no row of codes.toml of CN",
        ),
    ],
)
def test_explain_says_why_it_cannot(words: tuple[str, ...], why: str) -> None:
    status, _, err = run("explain", *words)
    assert status == 1
    assert why in err


def test_explanations_can_be_written_as_json(saloon: Explanation) -> None:
    assert msgspec.json.decode(msgspec.json.encode(saloon))["who"]["words"]


def test_the_example_in_the_docs_is_what_the_command_prints() -> None:
    page = (Path(__file__).parents[1] / "docs" / "rules.md").read_text(encoding="utf-8")
    command, _, block = page.partition("## What a new officer reads")[2].partition("```text\n")
    words = command.partition("`chayan rules ")[2].partition("`")[0].split()
    _, out, _ = run(*words)
    assert block.partition("\n```")[0].replace(" …\n", f" {rulebook().rules_sha256}\n") in out

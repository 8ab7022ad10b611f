"""What stands on a form: the filling rules of the record form, the report's rows, the photo sheet."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.form_digest import record_text, seen_in
from lanes.form_photos import photo_sheet
from lanes.form_record import RecordForm, places_of, record_form
from lanes.form_report import InstrumentReport, instrument_report
from lanes.form_words import WORDS
from lanes.forms import MARKS, form_kind, is_school_bus
from lanes.record import (
    Aborted,
    AxleWeighed,
    Captured,
    Filmed,
    Finding,
    Judged,
    Listed,
    Moved,
    Photographed,
    Record,
    Referred,
    Released,
    Reviewed,
    Ruled,
    Signed,
)
from lanes.rulebook import FormName
from lanes.scope import RuleError
from tests.forms_parts import (
    BUS,
    HEAD,
    NUMBER,
    PERIODIC,
    REGISTRATION,
    START,
    TRUCK,
    bench,
    checks,
    digest,
    dossier,
    judged,
    opened,
    periodic,
    photographed,
    verdict,
)
from tests.lanes_parts import car, checked, rulebook, slip


def lines(form: RecordForm) -> dict[int, tuple[str, str]]:
    """Number of a line -> what stands in it."""
    return {line.number: (MARKS[line.mark], line.value) for _, group in form.groups for line in group}


def ticked(form: RecordForm) -> list[str]:
    return [label.zh for label, is_ticked in form.businesses if is_ticked]


# ---- which form ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vehicle_class", "use", "school"),
    [
        ("K33", "A", False),
        ("K11", "B", False),
        ("H11", "F", False),
        ("K18", "A", True),
        ("K28", "A", True),
        ("K38", "Q", True),
        ("K33", "O", True),
        ("K21", "P", True),
        ("K31", "Q", True),
    ],
)
def test_a_school_bus_has_a_form_of_its_own(vehicle_class: str, use: str, school: bool) -> None:
    vehicle = car(vehicle_class=vehicle_class, use=use)
    assert is_school_bus(vehicle) is school
    form = record_form(dossier(opened(vehicle)))
    assert form.title.zh == ("校车查验记录表" if school else "机动车查验记录表")
    assert len(lines(form)) == (22 if school else 20)


@pytest.mark.parametrize(("form", "last", "groups"), [("record", 20, 4), ("school_bus", 22, 2)])
def test_the_lines_of_a_form_are_numbered_without_gap_and_stand_by_group(
    form: FormName, last: int, groups: int
) -> None:
    places = places_of(rulebook(), form)
    assert [place.number for place in places] == list(range(1, last + 1))
    assert len({place.item for place in places}) == last
    runs = [group for group, _ in groupby(place.group for place in places)]
    assert len(runs) == len(set(runs)) == groups


def test_rules_without_numbers_cannot_fill_a_form() -> None:
    with pytest.raises(RuleError, match=r"names\.toml, item: no item has a number on the form 'record'"):
        places_of(replace(rulebook(), items={}), "record")


# ---- filling rules -------------------------------------------------------------------------------


def test_a_passed_periodic_inspection_is_final_and_signed() -> None:
    form = record_form(dossier(periodic()))
    assert form.drafts == ()
    assert ticked(form) == ["核发检验合格标志"]
    assert (form.conclusion.zh, form.mark) == ("合格", "pass")
    required = {int(item) for item in PERIODIC}
    assert {number for number, (mark, _) in lines(form).items() if mark == "√"} == required
    assert {mark for number, (mark, _) in lines(form).items() if number not in required} == {"—"}
    (signature,) = form.signatures
    assert (signature.role.zh, signature.officer) == ("查验员", "张三 001")
    assert signature.at == "2026-11-22 09:03:02"
    assert form.rechecks == ()


def test_the_header_tells_the_visit_and_the_papers() -> None:
    form = record_form(dossier(periodic()))
    fields = {label.zh: value for label, value in form.fields}
    assert fields["流水号"] == NUMBER
    assert fields["受理时间"] == "2026-11-22 09:00:00"
    assert fields["号牌号码"] == "浙A·12345"
    assert fields["号牌种类"] == "02 小型汽车 small vehicle"
    assert fields["车身颜色"] == "A 白 white"
    assert fields["品牌型号"] == "示例牌 SL7160A"
    assert fields["总/整备质量"] == "1800 / 1400 kg"
    assert all(label.zh and label.en for label, _ in form.fields)


def test_registration_writes_the_determined_values() -> None:
    whole = [*opened(business="registration"), *photographed(("0111", "0112", "0113"))]
    form = record_form(dossier(judged([*whole, *checks(REGISTRATION), *bench()])))
    assert ticked(form) == ["注册登记"]
    assert lines(form)[4] == ("√", "A 白 white")
    assert lines(form)[5] == ("√", "5")
    assert lines(form)[6] == ("√", "K33 小型轿车 small saloon")
    assert lines(form)[1] == ("√", "")
    assert [area.needed for area in form.areas] == [True, True]
    with_film = record_form(dossier([*whole, *photographed(("vin_rubbing",))]))
    assert with_film.areas[0].picture and with_film.areas[0].picture.photo == digest(b"vin_rubbing")
    assert [area.picture.photo for area in form.areas if area.picture] == [digest(b"0113"), digest(b"0111")]


def test_a_defect_is_crossed_described_and_fails_the_vehicle() -> None:
    form = record_form(dossier(periodic(result="fail", defects=("3-2",), remark="型号与行驶证不一致")))
    assert lines(form)[3][0] == "×"
    assert (form.conclusion.zh, form.mark) == ("不合格", "fail")
    assert "3 车辆品牌/型号（×）：3-2；型号与行驶证不一致" in form.remarks


def test_an_instrument_that_failed_stands_in_the_remarks() -> None:
    shots = ("0111", "0112", "0113", "0157")
    weak = judged([*opened(), *photographed(shots), *checks(PERIODIC), *bench(front=100)])
    form = record_form(dossier(weak))
    assert form.conclusion.zh == "不合格" and "×" not in {mark for mark, _ in lines(form).values()}
    failed = [remark for remark in form.remarks if remark.startswith("不合格项 failed：B1 一轴制动")]
    assert any("轴制动率 52.3 %（≥ 60 %）" in remark for remark in failed), form.remarks


def test_a_photo_that_failed_stands_in_the_remarks() -> None:
    bodies = periodic()
    at = next(n for n, body in enumerate(bodies) if isinstance(body, Reviewed) and body.question == "vin")
    doubted = [
        *bodies[: at + 1],
        Ruled(review_seq=101 + 2 * at, decision="fail", officer="001", reason="磨痕"),
    ]
    form = record_form(dossier(judged(doubted)))
    (remark,) = [each for each in form.remarks if each.startswith("不合格项 failed")]
    assert "磨痕" in remark and "vin" not in remark and form.conclusion.zh == "不合格"


def test_a_defect_outside_the_table_is_described_in_the_remarks() -> None:
    outside = checked("F1", "fail", remark="驾驶室玻璃破损")
    form = record_form(dossier([*opened(TRUCK), outside, Signed(officer="001"), verdict("fail")]))
    (remark,) = [each for each in form.remarks if "F1" in each]
    assert remark.startswith("表外缺陷") and "驾驶室玻璃破损" in remark
    assert form.conclusion.zh == "不合格"


def test_an_unfinished_inspection_is_a_draft_that_says_what_is_lacking() -> None:
    form = record_form(dossier([*opened(), checked("01"), checked("03", "fail")]))
    assert [why.zh for why in form.drafts] == ["未判定"]
    assert [lines(form)[n][0] for n in (1, 2, 3, 4, 20)] == ["√", "—", "×", "", ""]
    assert form.mark == "open" and form.signatures == ()
    lacking = next(remark for remark in form.remarks if remark.startswith("尚缺"))
    assert "车身颜色：未查验" in lacking and "一轴制动：未检测" in lacking


def test_an_item_marked_as_not_applicable_has_a_dash() -> None:
    form = record_form(dossier([*opened(business="registration"), checked("20", "not_applicable")]))
    assert lines(form)[20][0] == "—"


@pytest.mark.parametrize(
    "later",
    [
        checked("03", "fail"),
        Photographed(shot="0113", photo="1" * 64, size_bytes=1),
        Ruled(review_seq=1, decision="fail", officer="001"),
        slip("1.0"),
        Signed(officer="002", role="second_officer"),
    ],
    ids=lambda body: type(body).__name__,
)
def test_what_changes_after_the_verdict_makes_it_a_draft(later: Any) -> None:
    assert [why.zh for why in record_form(dossier([*periodic(), later])).drafts] == [
        "判定后有更正，未重新判定"
    ]


def test_what_follows_a_verdict_anyway_does_not() -> None:
    film = Filmed(device="nvr-1", from_at=START, to_at=START)
    assert record_form(dossier([*periodic(), film, Moved(lane="1", station="")])).drafts == ()


def test_an_aborted_inspection_is_a_draft_with_its_reason() -> None:
    form = record_form(dossier([*opened(), Aborted(by="001", reason="车主要求离开")]))
    assert [why.zh for why in form.drafts] == ["查验已终止"]
    assert "终止原因 aborted because：车主要求离开（张三 001）" in form.remarks


def test_an_incomplete_verdict_is_final_though_it_was_aborted() -> None:
    form = record_form(dossier([*opened(), Aborted(by="001", reason="车主要求离开"), verdict("incomplete")]))
    assert form.drafts == () and form.conclusion.zh == "检验未完成" and form.mark == "open"


def test_what_stands_of_the_attempt_before_is_marked_and_named() -> None:
    before = (
        Finding(item="01", result="pass"),
        Finding(item="04", result="pass", value="A"),
        Finding(item="B1", result="pass", quantity="axle_rate", value="70.0", unit="%"),
    )
    again = {"mode": "failed_only", "redo": ("03",), "stands": before, "stands_until": date(2026, 12, 1)}
    form = record_form(dossier([*opened(attempt=2, **again), checked("03"), Signed(officer="001")]))
    assert [lines(form)[n] for n in (1, 3, 4, 7)] == [("√", ""), ("√", ""), ("√", "A 白 white"), ("—", "")]
    assert (
        "沿用上次合格项，有效至 stand from the attempt before, until（2026-12-01）：01、04、B1"
        in form.remarks
    )


def test_a_referral_and_its_release_are_told_and_are_no_instrument_result() -> None:
    referral = Referred(officer="001", signs=("4-10",), reason="凿改痕迹")
    found = Finding(item="suspicion", result="not_applicable", quantity="referral", value="4-10")
    last = Judged(verdict="suspicious", findings=(found,), rules="r", rules_sha256="0" * 64)
    bodies = [*opened(), referral, Signed(officer="001"), last]
    form = record_form(dossier(bodies))
    assert form.conclusion.zh == "嫌疑车辆" and form.drafts == ()
    assert "移交嫌疑查处 referred as suspicious（张三 001）：4-10；凿改痕迹" in form.remarks
    assert report(bodies).rows == ()
    seq = next(r.seq for r in dossier(bodies).kept.records if isinstance(r.body, Referred))
    released = Released(referred_seq=seq, officer="002", reason="厂家证明")
    remarks = record_form(dossier([*opened(), referral, released])).remarks
    assert "嫌疑解除 released（李四 002）：厂家证明" in remarks


def test_records_that_cannot_be_read_make_it_a_draft() -> None:
    assert [why.zh for why in record_form(dossier(periodic(), unreadable=1)).drafts] == [
        "有记录本版本无法读取"
    ]


def test_a_verdict_that_this_form_does_not_know_is_printed_as_it_stands() -> None:
    form = record_form(dossier([*opened(), verdict("deferred")]))
    assert (form.conclusion.zh, form.mark) == ("deferred", "open")
    assert record_form(dossier([*opened(), verdict("suspicious")])).conclusion.zh == "嫌疑车辆"


@pytest.mark.parametrize(("last", "signed"), [("pass", ["李四 002"]), ("fail", [])])
def test_the_recheck_line_is_signed_only_when_it_passed(last: str, signed: list[str]) -> None:
    first = [*opened(), checked("03", "fail"), Signed(officer="001"), verdict("fail")]
    again = [checked("03"), Signed(officer="002"), verdict(last)]
    form = record_form(dossier([*first, *again]))
    assert [one.officer for one in form.signatures] == ["张三 001"]
    assert [one.officer for one in form.rechecks] == signed
    assert form.drafts == ()


@pytest.mark.parametrize(("last", "signed"), [("pass", ["张三 001"]), ("fail", [])])
def test_a_second_attempt_of_its_own_signs_the_recheck_line(last: str, signed: list[str]) -> None:
    form = record_form(dossier([*opened(attempt=2), Signed(officer="001"), verdict(last)]))
    assert form.signatures == () and [one.officer for one in form.rechecks] == signed
    assert form.seal.attempt == 2


def test_what_somebody_stated_when_signing_stands_in_the_remarks() -> None:
    bodies = periodic()
    at = next(n for n, body in enumerate(bodies) if isinstance(body, Signed))
    bodies[at] = Signed(officer="001", statement="车主在场")
    assert "车主在场" in " ".join(record_form(dossier(bodies)).remarks)


@pytest.mark.parametrize(("name", "kind"), [("record", "record"), ("photos", "photos"), ("other", None)])
def test_forms_have_names(name: str, kind: str | None) -> None:
    assert form_kind(name) == kind


def test_everybody_who_signed_is_there() -> None:
    signed = [
        Signed(officer="001"),
        Signed(officer="002", role="second_officer"),
        Signed(officer="车主", role="presenter"),
    ]
    form = record_form(dossier([*opened(), *signed, verdict("pass")]))
    assert [(one.role.zh, one.officer) for one in form.signatures] == [
        ("查验员", "张三 001"),
        ("第二查验员", "李四 002"),
        ("送检人", "车主"),
    ]


def test_a_school_bus_licence_is_noted() -> None:
    items = [place.item for place in places_of(rulebook(), "school_bus")]
    order = opened(BUS, "school_bus_permit")
    form = record_form(dossier([*order, *map(checked, items), Signed(officer="001"), verdict("pass")]))
    assert {mark for mark, _ in lines(form).values()} == {"√"}
    assert ticked(form) == ["申请校车使用许可"]
    assert "校车使用许可 school-bus licence" in form.remarks
    assert {label.zh: value for label, value in form.fields}["校车类别"].startswith("专用校车")
    assert [label.zh for label, _ in form.groups] == ["通用项目", "校车"]


def test_a_truck_has_its_goods_group() -> None:
    items = [f"{n:02}" for n in range(1, 15)]
    done = [*opened(TRUCK, "registration"), *map(checked, items), Signed(officer="001"), verdict("pass")]
    form = record_form(dossier(done))
    assert [lines(form)[n][0] for n in (10, 14, 15, 18)] == ["√", "√", "—", "—"]
    assert form.drafts == () and form.groups[1][0].zh == "货车、挂车"


def test_a_vehicle_that_these_rules_do_not_cover_shows_what_was_judged() -> None:
    tractor = car(vehicle_class="T11")
    done = [*opened(tractor), checked("01"), Signed(officer="001"), verdict("pass")]
    form = record_form(dossier(done))
    assert [lines(form)[n][0] for n in (1, 2, 20)] == ["√", "—", "—"]
    assert form.drafts == ()
    unfinished = record_form(dossier(done[:4]))
    assert [why.zh for why in unfinished.drafts] == ["未判定", "规则未涵盖本车"]
    assert [lines(unfinished)[n][0] for n in (1, 2, 20)] == ["√", "", ""]


def test_what_the_site_leaves_out_is_said_with_its_reason() -> None:
    (remark,) = [each for each in record_form(dossier(periodic())).remarks if each.startswith("本站不检")]
    assert remark.startswith("本站不检 left out at this site（no such station）：")
    assert "H1 前照灯（左外灯）" in remark and "G80 联网查询" in remark


def test_a_business_that_is_not_on_the_form_is_another_one() -> None:
    form = record_form(dossier(opened(TRUCK, "repainting")))
    assert ticked(form) == ["其他：repainting"]


def test_a_device_that_was_not_calibrated_is_named_in_the_remarks() -> None:
    shots = ("0111", "0112", "0113", "0157")
    benches = [
        msgspec.structs.replace(body, calibration="overdue") if isinstance(body, AxleWeighed) else body
        for body in bench()
    ]
    done = judged([*opened(), *photographed(shots), *checks(PERIODIC), *benches])
    (remark,) = {each for each in record_form(dossier(done)).remarks if "检定" in each}
    assert remark.startswith("检定提示 calibration：device ") and remark.endswith("check overdue")


def test_a_list_that_the_platform_gave_is_named_in_the_remarks() -> None:
    listed = Listed(by="platform", items=("01",), version="18C47/1")
    (remark,) = [each for each in record_form(dossier([*opened(), listed])).remarks if "platform" in each]
    assert remark == "项目清单由平台下发 items listed by the platform：platform 18C47/1"


def test_a_long_value_stands_whole_in_the_remarks() -> None:
    value = "整备质量实测 " * 30
    form = record_form(dossier([*opened(TRUCK), checked("11", value=value)]))
    assert lines(form)[11] == ("√", "见备注 see remarks")
    assert f"11 整备质量（√）：{value.strip()}" in form.remarks


# ---- seal and digest text ------------------------------------------------------------------------


def test_the_seal_names_records_rules_and_head() -> None:
    seal = record_form(dossier(periodic())).seal
    done = dossier(periodic()).kept.records
    assert (seal.first_seq, seal.last_seq, seal.head) == (101, done[-1].seq, HEAD)
    assert (seal.rules, seal.rules_sha256) == (rulebook().name, rulebook().rules_sha256)
    assert seal.text == f"chayan:record:1:3301-0001:lane-1:{NUMBER}:{done[-1].seq}:{HEAD}"
    assert seal.printed_at == "2026-11-22 12:30:00 +0800" and seal.printed_by == "王五"
    assert record_form(dossier([*opened(), verdict("pass")])).seal.rules == "CN 2027"


def test_one_simulated_record_is_enough() -> None:
    assert not record_form(dossier(periodic())).seal.simulated
    assert record_form(dossier(periodic(), source="virtual+agent")).seal.simulated
    capture = Record(
        seq=9, at=datetime(2026, 11, 22, 1, tzinfo=UTC), tick_ms=1, source="virtual+camera", source_key="9",
        body=Captured(lane="1", station="gate", device="camera-1", plate_text="浙A12345", photo="9" * 64),
    )  # fmt: skip
    assert record_form(dossier(periodic(), capture=capture)).seal.simulated


@given(
    names=st.tuples(*[st.text(min_size=1, max_size=80)] * 3).filter(
        lambda names: not any(0xD800 <= ord(c) < 0xE000 for name in names for c in name)
    ),
    seq=st.integers(1, 2**63 - 1),
    head=st.binary(min_size=32, max_size=32),
)
def test_the_digest_text_is_read_back_whatever_the_names(
    names: tuple[str, str, str], seq: int, head: bytes
) -> None:
    said = seen_in(record_text(*names, seq, head.hex()))
    assert (said.site, said.node, said.inspection, said.seq, said.head) == (*names, seq, head.hex())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chayan:record:1:",
        f"chayan:record:2:s:n:i:1:{HEAD}",
        f"chayan:record:1:s:n:i:{HEAD}",
        f"chayan:record:1:s:n:i:0:{HEAD}",
        f"chayan:record:1:s:n:i:-1:{HEAD}",
        f"chayan:record:1:s:n:i:٣:{HEAD}",
        f"chayan:record:1:s:n:i:{2**63}:{HEAD}",
        f"chayan:record:1:s:n:i:1:{HEAD[:-1]}",
        f"chayan:record:1:s:n:i:1:{HEAD.upper()}",
        f"chayan:record:1:s:n:i:1:{HEAD}:more",
    ],
)
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="chayan:record:1"):
        seen_in(text)


# ---- instrument report and photo sheet -----------------------------------------------------------


def report(bodies: list[Any]) -> InstrumentReport:
    return instrument_report(dossier(bodies))


def test_the_report_has_a_row_for_each_judged_quantity_in_order() -> None:
    rows = report(periodic()).rows
    assert [(row.number, row.item, row.quantity.zh) for row in rows][:4] == [
        (1, "B1", "轴制动率"),
        (2, "B1", "制动不平衡率"),
        (3, "B1", "车轮阻滞率"),
        (4, "B2", "轴制动率"),
    ]
    first = rows[0]
    assert (first.value, first.limit, first.mark) == ("74.6 %", "≥ 60 %", "pass")
    assert first.arithmetic == "(240+228)×10 N ÷ (640 kg×9.8) = 74.6 %"
    assert first.clause == "GB 7258-2017 台试制动力"
    whole = next(row for row in rows if row.label.zh == "整车制动")
    assert whole.item == "" and whole.basis.count(",") == 3


def test_a_quantity_without_limit_is_not_judged() -> None:
    shots = ("0111", "0112", "0113", "0157")
    done = judged([*opened(), *photographed(shots), *checks(PERIODIC), *bench(), slip("-1.2")])
    last = report(done).rows[-1]
    assert (last.item, last.value, last.limit, last.mark) == ("A1", "-1.2 m/km", "—", "none")


def test_an_unfinished_report_shows_what_was_measured_so_far() -> None:
    bodies = [*opened(), *bench()[:3]]
    found = report(bodies)
    assert {row.item for row in found.rows} == {"B1"} and found.drafts
    assert [(row.item, row.load, row.force, row.drag) for row in found.raw] == [
        ("B1", "322.5 / 317.5", "240 / 228", "10 / 12"),
        ("B2", "290 / 285", "", ""),
    ]
    assert [curve.item for curve in found.curves] == ["B1"]
    assert report(opened()).rows == ()


def test_curves_stand_in_order_the_parking_brake_last() -> None:
    curves = report(periodic()).curves
    assert [curve.item for curve in curves] == ["B1", "B2", "B0"]
    assert (max(curves[0].left_dan), max(curves[0].right_dan)) == (240, 228)


def test_the_photo_sheet_shows_every_photo_and_which_do_not_count() -> None:
    bodies = [*opened(), *photographed(("0113", "0111", "0113"))]
    pictures = photo_sheet(dossier(bodies)).pictures
    assert [(each.shot, each.seq, each.counts) for each in pictures] == [
        ("0113", 107, False),
        ("0111", 109, True),
        ("0113", 111, True),
    ]
    assert pictures[0].label.zh == "车辆识别代号" and pictures[0].officer == "张三 001"
    assert pictures[0].at == "2026-11-22 09:00:21"


def test_the_capture_at_the_gate_comes_first() -> None:
    capture = Record(
        seq=9, at=START, tick_ms=1, source="camera", source_key="9",
        body=Captured(lane="1", station="gate", device="camera-1", plate_text="浙A12345", photo="9" * 64),
    )  # fmt: skip
    first = photo_sheet(dossier([*opened(), *photographed(("0111",))], capture=capture)).pictures[0]
    assert (first.label, first.seq, first.device) == (WORDS["photo.capture"], 9, "camera-1")


def test_every_label_speaks_both_languages() -> None:
    assert [key for key, label in WORDS.items() if not label.zh or not label.en] == []

"""Verdicts beside pass and fail, reminders, and what stands in a re-inspection."""

from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import pytest

from lanes.again import AgainError, FailedOnly, failed_only, remaining
from lanes.checklist import checklist
from lanes.evidence import Evidence
from lanes.judge import judge, missing, wanted_of
from lanes.record import Checked, Finding, Judged, Referred, Released
from lanes.rulebook import FILES, Rulebook, digest
from lanes.scope import Case, RuleError
from lanes.verdicts import Verdicts
from tests.lanes_parts import ON, SMALL_SITE, attempt, brake, car, checked, review, rulebook, tables

REFERRED = Referred(officer="001", signs=("4-10", "weld"), reason="seen", photos=(202,))
RELEASED = Released(referred_seq=600, officer="002", reason="rust")


def with_check(evidence: Evidence, item: str, body: Checked) -> Evidence:
    return replace(evidence, checks={**evidence.checks, item: (150, body)})


def one(findings: tuple[Finding, ...], item: str) -> Finding:
    (found,) = [finding for finding in findings if finding.item == item]
    return found


# ---- reminders -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticked", "defects", "remark", "result", "severity"),
    [
        ("pass", (), "", "pass", "reject"),
        ("pass", ("1-1",), "", "pass", "reminder"),
        ("pass", ("1-1",), "three offences", "pass", "reminder"),
        ("pass", ("1-5",), "", "fail", "reject"),
        ("pass", ("1-1", "1-5"), "", "fail", "reject"),
        ("pass", ("77-7",), "", "fail", "reject"),
        ("fail", (), "", "fail", "reject"),
        ("fail", ("1-1",), "", "pass", "reminder"),
        ("fail", ("1-1",), " ", "pass", "reminder"),
        ("fail", ("1-1",), "and a torn guard", "fail", "reject"),
        ("fail", ("1-1", "1-5"), "", "fail", "reject"),
        ("not_applicable", ("1-1",), "", "not_applicable", "reminder"),
        ("not_applicable", ("1-5",), "", "fail", "reject"),
    ],
)
def test_a_reminder_fails_nobody_and_any_other_defect_does(
    ticked: str, defects: tuple[str, ...], remark: str, result: str, severity: str
) -> None:
    body = checked("13", ticked, defects=defects, remark=remark)
    findings, verdict = judge(with_check(attempt(), "13", body), rulebook(), ON)
    found = one(findings, "13")
    assert (found.result, found.severity) == (result, severity)
    assert found.arithmetic == "; ".join(word for word in (*defects, remark) if word)
    assert verdict == ("fail" if result == "fail" else "pass")


# ---- suspicion -----------------------------------------------------------------------------------


def test_a_referred_vehicle_is_suspicious_whatever_else_there_is() -> None:
    for evidence in (
        attempt(),
        attempt(brakes={}),
        attempt(ended="aborted"),
        with_check(attempt(), "08", BALD),
    ):
        findings, verdict = judge(replace(evidence, referrals={600: REFERRED}), rulebook(), ON)
        assert verdict == "suspicious"
        assert one(findings, "suspicion") == Finding(
            item="suspicion",
            result="not_applicable",
            quantity="referral",
            value="4-10 weld",
            arithmetic="officer 001 referred it: seen",
            basis=(600, 202),
        )


BALD = checked("08", "fail", defects=("8-1",))


def test_a_release_lifts_one_referral_only() -> None:
    both = attempt(referrals={600: REFERRED, 610: REFERRED}, releases={600: (620, RELEASED)})
    assert judge(both, rulebook(), ON)[1] == "suspicious"
    findings, verdict = judge(
        attempt(referrals={600: REFERRED}, releases={600: (620, RELEASED)}), rulebook(), ON
    )
    assert verdict == "pass"
    assert one(findings, "suspicion") == Finding(
        item="suspicion",
        result="pass",
        quantity="referral",
        value="4-10 weld",
        arithmetic="officer 001 referred it: seen; officer 002 released it: rust",
        basis=(600, 202, 620),
    )


def test_long_reasons_still_make_a_finding() -> None:
    long = Referred(officer="001", signs=("4-10",), reason="r" * 2000)
    findings, _ = judge(attempt(referrals={600: long}), rulebook(), ON)
    assert len(one(findings, "suspicion").arithmetic) == 2000
    site = msgspec.structs.replace(SMALL_SITE, left_out_why="r" * 2001)
    findings, _ = judge(attempt(given=site), rulebook(), ON)
    assert {f.arithmetic for f in findings if f.quantity == "left_out"} == {"r" * 2000}


# ---- incomplete ----------------------------------------------------------------------------------


def lacks(evidence: Evidence) -> list[str]:
    wanted = wanted_of(evidence, rulebook(), ON)
    return [lack.code for lack in missing(evidence, wanted)]


@pytest.mark.parametrize(
    ("changes", "codes", "verdict"),
    [
        ({"ended": "left", "signed": True}, [], "pass"),
        ({"ended": "left"}, ["signature:officer"], "incomplete"),
        ({"ended": "aborted", "signed": True}, ["end:aborted"], "incomplete"),
        ({"ended": "aborted"}, ["signature:officer", "end:aborted"], "incomplete"),
    ],
)
def test_what_has_ended_is_judged_or_incomplete(
    changes: dict[str, Any], codes: list[str], verdict: str
) -> None:
    evidence = attempt(**changes)
    assert lacks(evidence) == codes
    assert judge(evidence, rulebook(), ON)[1] == verdict


def test_what_an_attempt_that_has_ended_lacks_in_words() -> None:
    evidence = attempt(ended="aborted")
    found = missing(evidence, wanted_of(evidence, rulebook(), ON))
    assert [(lack.zh, lack.en) for lack in found] == [
        ("查验员未签字", "the officer has not signed"),
        ("检验已中止", "the inspection was stopped"),
    ]


def test_a_failed_item_does_not_fail_a_vehicle_that_lacks_another() -> None:
    evidence = with_check(attempt(ended="left", signed=True, brakes={}), "08", BALD)
    findings, verdict = judge(evidence, rulebook(), ON)
    assert verdict == "incomplete"
    assert one(findings, "08").result == "fail"


def test_an_open_question_of_an_incomplete_attempt_has_no_finding() -> None:
    doubt = review(202, "0113", "vin", "disagree", car().vin, "LTEST1A27R0000002")
    evidence = attempt(ended="left", reviews=((302, doubt),))
    findings, verdict = judge(evidence, rulebook(), ON)
    assert verdict == "incomplete"
    assert not {"vin", "plate", "0113"} & {finding.item for finding in findings}


# ---- re-inspection -------------------------------------------------------------------------------

DAY = date(2026, 11, 23)


def once_failed(**changes: Any) -> Judged:
    findings, verdict = judge(attempt(**changes), rulebook(), ON)
    return Judged(verdict=verdict, findings=findings, rules="r", rules_sha256="0" * 64)


def again_of(judged: Judged, on: date = DAY, until: date | None = None) -> FailedOnly:
    case = Case(vehicle=car(), business="periodic", on=on)
    wanted = checklist(car(), "periodic", on, rulebook(), SMALL_SITE)
    return failed_only(judged, ON, until, wanted, case, rulebook())


def weak_parking() -> dict[str, Any]:
    return {"brakes": {**attempt().brakes, "B0": (403, brake("B0", 60, 60))}}


def test_a_parking_brake_is_tested_again_by_itself() -> None:
    again = again_of(once_failed(**weak_parking()))
    assert again.redo == ("01", "B0", "0111", "0113")
    evidence = Evidence(vehicle=car(), business="periodic", redo=again.redo, stands=again.stands)
    wanted = remaining(checklist(car(), "periodic", DAY, rulebook(), SMALL_SITE), again.redo)
    codes = [lack.code for lack in missing(evidence, wanted)]
    assert codes == ["item:01", "instrument:B0", "weight:1", "weight:2", "shot:0111", "shot:0113"]
    assert again.until == date(2026, 12, 2)


def test_what_stands_counts_until_it_is_found_anew() -> None:
    again = again_of(once_failed(**weak_parking()))
    whole = attempt(attempt=2, redo=again.redo, stands=again.stands)
    part = replace(
        whole,
        checks={"01": whole.checks["01"]},
        brakes={"B0": whole.brakes["B0"]},
        photos={shot: whole.photos[shot] for shot in ("0111", "0113")},
    )
    findings, verdict = judge(part, rulebook(), DAY)
    assert verdict == "pass"
    assert {f.item for f in findings} == {f.item for f in judge(whole, rulebook(), DAY)[0]}
    assert next(f.item for f in findings if f in again.stands) == "03"
    bald = replace(part, checks={**part.checks, "08": (700, BALD)})
    findings, verdict = judge(bald, rulebook(), DAY)
    assert verdict == "fail" and one(findings, "08").basis == (700,)


def test_an_item_that_is_new_on_the_checklist_does_not_stand() -> None:
    judged = once_failed(**weak_parking())
    older = Judged(
        verdict="fail",
        findings=tuple(f for f in judged.findings if f.item not in ("09", "0157")),
        rules="r",
        rules_sha256="0" * 64,
    )
    assert again_of(older).redo == ("01", "09", "B0", "0111", "0113", "0157")


def test_a_released_suspicion_does_not_stand() -> None:
    judged = once_failed(**weak_parking(), referrals={600: REFERRED}, releases={600: (620, RELEASED)})
    assert one(judged.findings, "suspicion").result == "pass"
    assert "suspicion" not in {finding.item for finding in again_of(judged).stands}


def test_what_a_site_leaves_out_is_named_in_its_verdicts_and_never_stands() -> None:
    judged = once_failed(**weak_parking())
    named = [finding for finding in judged.findings if finding.quantity == "left_out"]
    wanted = checklist(car(), "periodic", ON, rulebook(), SMALL_SITE)
    assert [finding.item for finding in named] == [item.item for item in wanted.left_out] != []
    assert {finding.result for finding in named} == {"not_applicable"}
    assert {finding.arithmetic for finding in named} == {SMALL_SITE.left_out_why}
    assert not {"left_out"} & {finding.quantity for finding in again_of(judged).stands}
    case = Case(vehicle=car(), business="periodic", on=DAY)
    full = checklist(car(), "periodic", DAY, rulebook())
    again = failed_only(judged, ON, None, full, case, rulebook())  # elsewhere, where nothing is left out
    assert {item.item for item in wanted.left_out if item.required} <= set(again.redo)


def test_what_an_uncalibrated_device_measured_counts_and_is_named() -> None:
    whole = attempt()
    seq, body = whole.brakes["B1"]
    flagged = msgspec.structs.replace(body, calibration="expired")
    findings, verdict = judge(replace(whole, brakes={**whole.brakes, "B1": (seq, flagged)}), rulebook(), ON)
    reminder = one(findings, "calibration")
    assert verdict == "pass" and (reminder.severity, reminder.basis) == ("reminder", (seq,))
    assert reminder.arithmetic.endswith("measured after the verification certificate had expired")


def test_an_item_that_was_found_although_it_is_left_out_has_its_own_finding() -> None:
    evidence = with_check(attempt(), "NQ1", Checked(item="NQ1", result="pass", officer="1"))
    findings, _ = judge(evidence, rulebook(), ON)
    assert one(findings, "NQ1").quantity == "check"


def test_without_a_failed_verdict_or_a_rule_everything_is_done_again() -> None:
    for verdict in ("pass", "incomplete", "suspicious"):
        with pytest.raises(AgainError, match="did not fail") as refused:
            again_of(replace_verdict(once_failed(), verdict))
        assert str(refused.value) == "the attempt before did not fail: inspect all items"
        assert refused.value.zh == "上次检验结论不是不合格，须全项检验"
    judged = once_failed(**weak_parking())
    assert again_of(judged, on=date(2026, 12, 2)).until == date(2026, 12, 2)
    with pytest.raises(AgainError, match="stood until 2026-12-02") as late:
        again_of(judged, on=date(2026, 12, 3))
    assert late.value.zh == "合格项目有效至 2026-12-02，须全项检验"
    with pytest.raises(AgainError, match="stood until 2026-11-22"):
        again_of(judged, until=ON)
    assert again_of(judged, until=date(2027, 1, 1)).until == date(2026, 12, 2)
    case = Case(vehicle=car(), business="periodic", on=DAY)
    wanted = checklist(car(), "periodic", DAY, rulebook(), SMALL_SITE)
    with pytest.raises(AgainError, match="no rule") as told:
        failed_only(judged, ON, None, wanted, case, replace(rulebook(), verdicts=Verdicts()))
    assert str(told.value) == "no rule says how long passed items stand"
    assert told.value.zh == "规则未规定合格项目的有效期，须全项检验"


def replace_verdict(judged: Judged, verdict: str) -> Judged:
    return Judged(verdict=verdict, findings=judged.findings, rules="r", rules_sha256="0" * 64)  # type: ignore[arg-type]


# ---- the tables ----------------------------------------------------------------------------------


def test_an_edition_from_before_the_file_has_its_own_digest_and_full_re_inspections() -> None:
    older = tables()
    del older["verdicts"]
    edition = Rulebook.from_tables(older)
    assert edition.verdicts == Verdicts()
    assert edition.rules_sha256 == digest({stem: older[stem] for stem in FILES if stem in older})
    assert judge(attempt(), edition, ON) == judge(attempt(), rulebook(), ON)


@pytest.mark.parametrize(
    ("table", "row", "words"),
    [
        ("sign", {"code": "4-1"}, "verdicts.toml, sign, row 29 \\(4-1\\): '4-1' stands twice"),
        ("sign", {"code": "x", "source": "hearsay"}, "row 29 \\(x\\): source 'hearsay' is not defined"),
        ("sign", {"code": "x", "proposed_by": "colour"}, "row 29 \\(x\\): Invalid enum value 'colour'"),
        ("again", {"item": "B77"}, "again, row [0-9]+ \\(B77\\): item 'B77' is not defined"),
        ("again", {"brings": ["B77"]}, "again, row [0-9]+ \\([*]\\): brings 'B77' is not defined"),
        ("stands", {"days": 0}, "stands, row 2: Expected `int` >= 1"),
        ("stands", {}, "verdicts.toml, stands: .* can both be for the same vehicle"),
    ],
)
def test_a_row_that_cannot_be_is_named(table: str, row: dict[str, Any], words: str) -> None:
    changed = tables()
    rows = changed["verdicts"][table]
    rows.append(rows[0] | row)
    with pytest.raises(RuleError, match=words):
        Rulebook.from_tables(changed)

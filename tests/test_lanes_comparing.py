"""A recorded verdict beside a computed one: what differs, and whether it decides."""

import msgspec
import pytest

from lanes.comparing import Difference, Outcome, differences, outcome, unfounded
from lanes.evidence import Evidence
from lanes.judge import judge
from lanes.record import Finding, Judged
from tests.lanes_parts import ON, attempt, brake, car, rulebook


def by_hand(verdict: str, *findings: Finding) -> Judged:
    return Judged(verdict=verdict, findings=findings, rules="r", rules_sha256="0" * 64)  # type: ignore[arg-type]


def test_findings_are_paired_in_order_and_the_odd_ones_named() -> None:
    one = Finding(item="B1", quantity="rate", result="pass", value="1", unit="%", basis=(1,))
    two = msgspec.structs.replace(one, value="2", basis=(1, 2))
    found = differences(by_hand("pass", one, one), Outcome(verdict="pass", findings=(one, two)))
    assert found == (
        Difference(item="B1", quantity="rate", field="value", recorded="1", computed="2"),
        Difference(item="B1", quantity="rate", field="basis", recorded="1", computed="1 2"),
    )
    assert all(each.deciding for each in found)
    (lost,) = differences(by_hand("pass", one), Outcome(verdict="pass", findings=()))
    assert lost.words == "B1 rate finding: 1% pass ≠ —"
    (extra,) = differences(by_hand("pass"), Outcome(verdict="pass", findings=(one,)))
    assert (extra.recorded, extra.computed, extra.deciding) == ("—", "1% pass", True)


def test_of_three_findings_in_one_place_each_is_compared_with_its_own() -> None:
    one = Finding(item="M1", quantity="length", result="pass", value="1")
    third = msgspec.structs.replace(one, value="3")
    (last,) = differences(by_hand("pass", one, one, one), Outcome(verdict="pass", findings=(one, one, third)))
    assert last.words == "M1 length value: 1 ≠ 3"


def test_every_difference_is_told_the_verdict_first() -> None:
    brake = Finding(item="B1", quantity="rate", result="pass", value="60")
    plate = Finding(item="plate", quantity="review", result="pass")
    recorded = by_hand("pass", brake, plate)
    weak, other = (msgspec.structs.replace(each, result="fail") for each in (brake, plate))
    found = differences(recorded, Outcome(verdict="fail", findings=(weak, other)))
    assert [each.words for each in found] == [
        "verdict: pass ≠ fail",
        "B1 rate result: pass ≠ fail",
        "plate review result: pass ≠ fail",
    ]


def test_a_field_that_an_older_record_does_not_have_is_not_compared() -> None:
    old = Finding(item="vin", result="pass")
    new = msgspec.structs.replace(old, severity="reminder", proposes=("4-1",))
    assert differences(by_hand("pass", old), Outcome(verdict="pass", findings=(new,))) == ()
    (gone, lesser) = differences(by_hand("pass", new), Outcome(verdict="pass", findings=(old,)))
    assert (gone.field, gone.recorded, gone.computed) == ("severity", "reminder", "reject")
    assert (lesser.field, lesser.recorded, lesser.computed, lesser.deciding) == (
        "proposes",
        "4-1",
        "—",
        False,
    )
    (cleared,) = differences(
        by_hand("pass", msgspec.structs.replace(old, clause="c")), Outcome(verdict="pass", findings=(old,))
    )
    assert (cleared.field, cleared.computed) == ("clause", "—")


def test_what_older_verdicts_did_not_name_is_missed_only_in_newer_ones() -> None:
    left = Finding(item="H1", result="not_applicable", quantity="left_out", arithmetic="no tester")
    computed = Outcome(verdict="pass", findings=(left,))
    assert differences(by_hand("pass"), computed) == ()
    newer = msgspec.structs.replace(by_hand("pass"), checklist_by="rules r 00")
    (gone,) = differences(newer, computed)
    assert (gone.item, gone.field, gone.recorded) == ("H1", "finding", "—")


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (
            attempt(brakes={"B1": (401, brake("B1", 240, 228))}),
            "none (brakes of the second axle: not measured yet; parking brake: not measured yet)",
        ),
        (
            attempt(vehicle=car(vehicle_class="X99")),
            "none (checklists.toml, outside: class X99, use A, periodic: 车辆类型代码为“其他”："
            "请选择该车实际的车辆类型 the class code says only other, choose the class that the vehicle has)",
        ),
    ],
)
def test_an_attempt_that_cannot_be_judged_says_why(evidence: Evidence, words: str) -> None:
    computed = outcome(evidence, rulebook(), ON)
    assert (computed.verdict, computed.findings) == ("", ())
    (only,) = differences(by_hand("pass"), computed)
    assert only.words == f"verdict: pass ≠ {words}"


def test_what_is_judged_as_it_was_recorded_has_no_difference() -> None:
    findings, verdict = judge(attempt(), rulebook(), ON)
    computed = outcome(attempt(), rulebook(), ON)
    assert computed == Outcome(verdict="pass", findings=findings)
    recorded = msgspec.structs.replace(by_hand(verdict, *findings), checklist_by="rules")
    assert differences(recorded, computed) == ()


def test_what_stands_must_be_the_very_finding() -> None:
    one = Finding(item="B1", quantity="rate", result="pass", value="1")
    assert unfounded((one,), (one,)) == ()
    (claim,) = unfounded((one,), (msgspec.structs.replace(one, value="2"),))
    assert claim.deciding and claim.words == "B1 rate finding: taken over ≠ not in the attempt before"

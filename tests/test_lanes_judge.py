"""From evidence to verdict: good attempts, each kind of fault, and what keeps one from judging."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.checklist import Given, checklist
from lanes.judge import Evidence, NotReady, judge, measured, missing
from lanes.record import LEFT_OUT, Finding, Judged, Reviewed, Ruled
from lanes.scope import RuleError
from tests.lanes_parts import (
    ON,
    SMALL_SITE,
    VIN,
    attempt,
    brake,
    car,
    checked,
    photo,
    review,
    rulebook,
    slip,
    weighed,
)

OTHER_VIN = "LTEST1A27R0000002"


def judged(evidence: Evidence) -> tuple[dict[tuple[str, str], Finding], str]:
    findings, verdict = judge(evidence, rulebook(), ON)
    by_key = {(finding.item, finding.quantity): finding for finding in findings}
    assert len(by_key) == len(findings)
    return by_key, verdict


def failed(evidence: Evidence) -> list[tuple[str, str]]:
    findings, verdict = judged(evidence)
    found = [key for key, finding in findings.items() if finding.result == "fail"]
    assert (verdict == "fail") is bool(found)
    return found


def lacking(evidence: Evidence) -> list[str]:
    wanted = checklist(evidence.vehicle, evidence.business, ON, rulebook(), evidence.given)
    found = missing(evidence, wanted)
    assert all(lack.zh and lack.en for lack in found)
    if found:
        with pytest.raises(NotReady) as refused:
            judge(evidence, rulebook(), ON)
        assert refused.value.missing == found
        assert found[0].en in str(refused.value)
    return [lack.code for lack in found]


def ruled(review_seq: int, decision: str, reason: str = "seen at the vehicle") -> Ruled:
    return Ruled(review_seq=review_seq, decision=decision, officer="001", reason=reason)  # type: ignore[arg-type]


def reviewed(evidence: Evidence, seq: int, opinion: Reviewed) -> Evidence:
    """The evidence with one review more, in place of any with the same seq."""
    return replace(evidence, reviews=(*(pair for pair in evidence.reviews if pair[0] != seq), (seq, opinion)))


def with_brake(evidence: Evidence, item: str, left: int, right: int, **changes: Any) -> Evidence:
    body = brake(item, left, right, **changes)
    return replace(evidence, brakes={**evidence.brakes, item: (evidence.brakes[item][0], body)})


# ---- good attempts -------------------------------------------------------------------------------


def test_a_good_car_passes_its_periodic_inspection() -> None:
    findings, verdict = judged(attempt())
    assert verdict == "pass"
    rate = findings["B1", "axle_rate"]
    assert rate == Finding(
        item="B1",
        result="pass",
        quantity="axle_rate",
        value="74.6",
        unit="%",
        limit="≥ 60 %",
        clause="GB 7258-2017 台试制动力",
        arithmetic="(240+228)×10 N ÷ (640 kg×9.8) = 74.6 %",
        basis=(401, 411),
        limit_source="MFC VEH",
        confidence="F",
        effective_from=date(2021, 1, 1),
    )
    assert findings["B2", "axle_rate"].limit == "≥ 20 %"
    assert findings["whole", "whole_rate"].value == "64.1"
    assert findings["whole", "whole_rate"].basis == (401, 402, 411, 412)
    assert findings["B0", "parking_rate"].basis == (403, 411, 412)
    assert findings["B1", "drag_rate"].value == "3.9"
    assert ("B2", "drag_rate") not in findings  # that bench run measured no drag
    assert findings["vin", "review"].value == findings["vin", "review"].limit == VIN
    assert findings["vin", "review"].basis == (202, 302)
    assert findings["plate", "review"].limit == "浙A12345"
    assert findings["plate", "review"].arithmetic == "model agrees (reader-1, 0.98)"
    assert findings["04", "check"].basis == (102,)
    order = list(dict.fromkeys(item for item, quantity in findings if quantity != LEFT_OUT))
    assert order == [
        "01",
        "03",
        "04",
        "06",
        "07",
        "08",
        "09",
        "20",
        "B1",
        "B2",
        "whole",
        "B0",
        "plate",
        "0111",
        "0112",
        "vin",
        "0113",
        "0157",
    ]


def test_a_new_car_without_plate_passes_registration() -> None:
    findings, verdict = judged(attempt("registration", vehicle=car(plate=None)))
    assert verdict == "pass"
    assert findings["plate", "review"].result == "not_applicable"
    assert findings["vin", "review"].result == "pass"


def test_a_verdict_can_be_written_as_a_record() -> None:
    findings, verdict = judge(attempt(), rulebook(), ON)
    body = Judged(
        verdict=verdict, findings=findings, rules=rulebook().name, rules_sha256=rulebook().rules_sha256
    )
    assert msgspec.json.decode(msgspec.json.encode(body), type=Judged) == body


def test_judging_twice_says_the_same() -> None:
    assert judge(attempt(), rulebook(), ON) == judge(attempt(), rulebook(), ON)


# ---- one test for each kind of fault -------------------------------------------------------------


def test_a_vin_with_one_altered_character() -> None:
    doubt = review(202, "0113", "vin", "disagree", VIN, OTHER_VIN)
    evidence = reviewed(attempt(), 302, doubt)
    assert lacking(evidence) == ["ruling:0113:vin"]
    evidence = replace(evidence, rulings={302: (303, ruled(302, "fail", "last digit is 2"))})
    findings, verdict = judged(evidence)
    assert verdict == "fail"
    assert findings["vin", "review"] == Finding(
        item="vin",
        result="fail",
        quantity="review",
        value=OTHER_VIN,
        limit=VIN,
        arithmetic="officer 001 ruled fail: last digit is 2 (model: disagree)",
        basis=(202, 302, 303),
        proposes=("4-1",),
    )


def test_the_plate_of_another_vehicle() -> None:
    evidence = reviewed(attempt(), 301, review(200, "0111", "plate", "disagree", "浙A12345", "浙B99999"))
    assert lacking(evidence) == ["ruling:0111:plate"]
    assert failed(replace(evidence, rulings={301: (303, ruled(301, "fail"))})) == [("plate", "review")]


def test_a_weak_brake() -> None:
    found = failed(with_brake(attempt(), "B1", 150, 140))
    assert found == [("B1", "axle_rate"), ("whole", "whole_rate")]


def test_a_brake_that_pulls_to_one_side() -> None:
    assert failed(with_brake(attempt(), "B1", 280, 200)) == [("B1", "imbalance")]


@pytest.mark.parametrize(("business", "fails"), [("registration", True), ("periodic", False)])
def test_imbalance_is_stricter_for_new_vehicles(business: str, fails: bool) -> None:
    evidence = with_brake(attempt(business), "B1", 260, 203)  # 21.9 %
    assert failed(evidence) == ([("B1", "imbalance")] if fails else [])


def test_a_weak_rear_axle_is_judged_by_its_load() -> None:
    evidence = with_brake(attempt(), "B2", 120, 60)  # 31.9 % of the load, 10.6 % apart
    findings, verdict = judged(with_brake(evidence, "B1", 300, 290))
    assert verdict == "fail"
    assert findings["B2", "axle_rate"].result == "pass"
    assert findings["B2", "imbalance_of_load"].result == "fail"
    assert findings["B2", "imbalance_of_load"].limit == "≤ 10 %"


def test_a_dragging_wheel() -> None:
    dragging = with_brake(attempt(), "B1", 240, 228, left_drag_dan=33, right_drag_dan=5)
    assert failed(dragging) == [("B1", "drag_rate")]


def test_a_weak_parking_brake_and_the_lighter_demand_on_some_vehicles() -> None:
    weak = with_brake(attempt(), "B0", 110, 100)  # 17.6 %
    assert failed(weak) == [("B0", "parking_rate")]
    assert failed(replace(weak, vehicle=car(gross_mass_kg=1679))) == []
    assert failed(replace(weak, vehicle=car(gross_mass_kg=1680))) == [("B0", "parking_rate")]


def test_a_blurred_photo_taken_again() -> None:
    """The first photo's review and ruling do not count for the photo that took its place."""
    blurred = reviewed(attempt(), 302, review(202, "0113", "vin", "unsure", VIN, "LTEST"))
    assert lacking(blurred) == ["ruling:0113:vin"]
    sent_back = replace(blurred, rulings={302: (310, ruled(302, "retake", "blurred"))})
    assert lacking(sent_back) == ["shot:0113"]
    retaken = replace(sent_back, photos={**sent_back.photos, "0113": (320, photo("0113"))})
    assert lacking(retaken) == ["review:0113:vin", "review:0113:quality"]
    sharp = reviewed(retaken, 330, review(320, "0113", "vin", "agree", VIN, VIN))
    sharp = reviewed(sharp, 331, review(320, "0113", "quality", "agree", "", ""))
    findings, verdict = judged(sharp)
    assert verdict == "pass"
    assert findings["vin", "review"].basis == (320, 330)


def test_a_doubted_photo_retaken_without_waiting_for_a_ruling() -> None:
    doubt = reviewed(attempt(), 302, review(202, "0113", "vin", "disagree", VIN, OTHER_VIN))
    retaken = replace(doubt, photos={**doubt.photos, "0113": (320, photo("0113"))})
    sharp = reviewed(retaken, 330, review(320, "0113", "vin", "agree", VIN, VIN))
    assert failed(reviewed(sharp, 331, review(320, "0113", "quality", "agree", "", ""))) == []


def test_an_agreeing_review_of_the_photo_before_does_not_count() -> None:
    evidence = attempt()
    retaken = replace(evidence, photos={**evidence.photos, "0113": (320, photo("0113"))})
    assert lacking(retaken) == ["review:0113:vin", "review:0113:quality"]


def test_a_failed_check_fails_the_vehicle() -> None:
    evidence = attempt()
    bald = checked("08", "fail", defects=("8-1",), remark="tread 1.2 mm")
    found, verdict = judged(replace(evidence, checks={**evidence.checks, "08": (150, bald)}))
    assert verdict == "fail"
    assert found["08", "check"].arithmetic == "8-1; tread 1.2 mm"
    assert found["08", "check"].basis == (150,)


def test_a_defect_outside_the_checklist_fails_too() -> None:
    evidence = attempt()
    other = checked("13", "fail", remark="rear guard torn off")
    assert failed(replace(evidence, checks={**evidence.checks, "13": (150, other)})) == [("13", "check")]


@pytest.mark.parametrize(
    ("value", "fails"), [("5.05", False), ("5.06", True), ("-5.0", False), ("-5.1", True)]
)
def test_side_slip_of_a_rigid_axle(value: str, fails: bool) -> None:
    evidence = attempt(vehicle=car(steer_suspension="dependent"), sideslip=(501, slip(value)))
    assert failed(evidence) == ([("A1", "sideslip")] if fails else [])


def test_side_slip_of_an_independent_suspension_is_not_judged() -> None:
    findings, verdict = judged(attempt(sideslip=(501, slip("9.9"))))
    assert verdict == "pass"
    assert findings["A1", "sideslip"].result == "not_applicable"
    assert findings["A1", "sideslip"].value == "9.9"
    assert findings["A1", "sideslip"].basis == (501,)


# ---- the model advises, the officer decides ------------------------------------------------------


@pytest.mark.parametrize("opinion", ["disagree", "unsure"])
def test_an_officer_overrules_the_model(opinion: str) -> None:
    evidence = reviewed(attempt(), 302, review(202, "0113", "vin", opinion, VIN, OTHER_VIN))
    evidence = replace(evidence, rulings={302: (303, ruled(302, "pass", "dirt on the last digit"))})
    findings, verdict = judged(evidence)
    assert verdict == "pass"
    found = findings["vin", "review"]
    assert found.result == "pass"
    assert found.arithmetic == f"officer 001 ruled pass: dirt on the last digit (model: {opinion})"


def test_an_officer_fails_what_the_model_likes() -> None:
    assert failed(attempt(rulings={302: (303, ruled(302, "fail", "struck again"))})) == [("vin", "review")]


def test_a_ruling_stands_when_a_model_looks_at_the_same_photo_again() -> None:
    evidence = reviewed(attempt(), 302, review(202, "0113", "vin", "unsure", VIN, "LTEST"))
    evidence = replace(evidence, rulings={302: (303, ruled(302, "pass"))})
    again = reviewed(evidence, 350, review(202, "0113", "vin", "disagree", VIN, OTHER_VIN))
    assert failed(again) == []
    changed = replace(again, rulings={**again.rulings, 350: (351, ruled(350, "fail"))})
    assert failed(changed) == [("vin", "review")]


def test_the_later_review_of_a_photo_counts() -> None:
    doubt = reviewed(attempt(), 350, review(202, "0113", "vin", "disagree", VIN, OTHER_VIN))
    assert lacking(doubt) == ["ruling:0113:vin"]
    early = reviewed(attempt(), 250, review(202, "0113", "vin", "disagree", VIN, OTHER_VIN))
    assert failed(early) == []


@pytest.mark.parametrize("expected", [OTHER_VIN, ""])
def test_a_model_that_compared_with_another_vin_proves_nothing(expected: str) -> None:
    evidence = reviewed(attempt(), 302, review(202, "0113", "vin", "agree", expected, expected))
    assert lacking(evidence) == ["ruling:0113:vin"]


@pytest.mark.parametrize(("expected", "codes"), [("浙B99999", ["ruling:0111:plate"]), ("浙a·12345", [])])
def test_a_model_that_compared_with_another_plate_proves_nothing(expected: str, codes: list[str]) -> None:
    agrees = review(200, "0111", "plate", "agree", expected, expected)
    assert lacking(reviewed(attempt(), 301, agrees)) == codes


def test_a_doubt_about_quality_is_ruled_on_too() -> None:
    blurred = reviewed(attempt(), 360, review(201, "0112", "quality", "disagree", "", ""))
    assert lacking(blurred) == ["ruling:0112:quality"]
    assert lacking(replace(blurred, rulings={360: (361, ruled(360, "retake"))})) == ["shot:0112"]
    assert failed(replace(blurred, rulings={360: (361, ruled(360, "fail"))})) == [("0112", "review")]
    assert failed(replace(blurred, rulings={360: (361, ruled(360, "pass"))})) == []


def test_a_photo_that_is_no_copy_is_not_spoken_of_and_one_that_may_be_is_ruled_on() -> None:
    def told(evidence: Evidence) -> list[str]:
        findings, _ = judge(evidence, rulebook(), ON)
        return [f"{each.item} {each.quantity} {each.result}" for each in findings if 370 in each.basis]

    new = reviewed(attempt(), 370, review(201, "0112", "reuse", "agree", "", ""))
    assert lacking(new) == [] and told(new) == []
    copy = reviewed(attempt(), 370, review(201, "0112", "reuse", "disagree", "", ""))
    assert lacking(copy) == ["ruling:0112:reuse"]
    for asked in (new, copy):
        for decision in ("pass", "fail"):
            settled = replace(asked, rulings={370: (371, ruled(370, decision))})
            assert told(settled) == [f"0112 review {decision}"]


def test_an_item_that_is_left_out_and_checked_all_the_same_has_the_check() -> None:
    evidence = replace(
        attempt(), given=Given(left_out=(*SMALL_SITE.left_out, "08", "09"), left_out_why="no pit")
    )
    evidence = replace(evidence, checks={**evidence.checks, "09": (120, checked("09"))})
    evidence.checks.pop("08")
    told = {item: quantity for item, quantity in judged(evidence)[0] if item in ("08", "09")}
    assert told == {"08": LEFT_OUT, "09": "check"}


# ---- what keeps an attempt from being judged -----------------------------------------------------


def test_an_empty_attempt_lacks_everything_in_the_order_of_the_form() -> None:
    empty = Evidence(vehicle=car(), business="periodic", given=SMALL_SITE)
    assert lacking(empty) == [
        *(f"item:{i}" for i in ("01", "03", "04", "06", "07", "08", "09", "20")),
        "instrument:B1",
        "instrument:B2",
        "instrument:B0",
        "weight:1",
        "weight:2",
        *(f"shot:{s}" for s in ("0111", "0112", "0113", "0157")),
    ]
    assert measured(empty, rulebook(), ON) == ()


@pytest.mark.parametrize(
    ("part", "key", "code"),
    [
        ("checks", "08", "item:08"),
        ("brakes", "B1", "instrument:B1"),
        ("brakes", "B0", "instrument:B0"),
        ("weights", 1, "weight:1"),
        ("photos", "0157", "shot:0157"),
    ],
)
def test_each_missing_thing_is_named(part: str, key: object, code: str) -> None:
    evidence = attempt()
    assert lacking(evidence) == []
    kept = {k: v for k, v in getattr(evidence, part).items() if k != key}
    assert lacking(replace(evidence, **{part: kept})) == [code]


def test_reviews_are_waited_for() -> None:
    assert lacking(attempt(reviews=())) == [
        "review:0111:plate",
        "review:0111:quality",
        "review:0112:quality",
        "review:0113:vin",
        "review:0113:quality",
        "review:0157:quality",
    ]


def test_side_slip_is_waited_for_only_with_a_rigid_axle() -> None:
    assert lacking(attempt(vehicle=car(steer_suspension="dependent"))) == ["instrument:A1"]


@pytest.mark.parametrize("value", ["", "  "])
def test_registration_writes_the_determined_values(value: str) -> None:
    evidence = attempt("registration")
    bare = {item: (150, checked(item, value=value)) for item in ("04", "05", "06")}
    assert lacking(replace(evidence, checks={**evidence.checks, **bare})) == [
        "value:04",
        "value:05",
        "value:06",
    ]


def test_a_required_item_cannot_be_left_out_unless_the_tables_say_so() -> None:
    for business, item, codes in (
        ("periodic", "08", ["item:08"]),
        ("periodic", "20", ["item:20"]),
        ("registration", "20", []),
    ):
        evidence = attempt(business)
        left_out = {**evidence.checks, item: (150, checked(item, "not_applicable"))}
        assert lacking(replace(evidence, checks=left_out)) == codes


def test_unusable_readings_are_measured_again() -> None:
    evidence = with_brake(attempt(), "B1", 240, 228, curve=brake("B1", 0, 0).curve)
    evidence = replace(evidence, weights={**evidence.weights, 2: (412, weighed(2, "0", "285"))})
    assert lacking(replace(evidence, sideslip=(501, slip("99")))) == [
        "instrument:B1",
        "instrument:A1",
        "weight:2",
    ]
    assert measured(evidence, rulebook(), ON) == ()


def test_findings_come_as_readings_come() -> None:
    evidence = attempt()
    first = replace(evidence, brakes={"B1": evidence.brakes["B1"]}, weights={1: evidence.weights[1]})
    assert [(f.item, f.quantity) for f in measured(first, rulebook(), ON)] == [
        ("B1", "axle_rate"),
        ("B1", "imbalance"),
        ("B1", "drag_rate"),
    ]


@pytest.mark.parametrize("axle", [0, 3])
def test_an_axle_the_vehicle_does_not_have_weighs_nothing(axle: int) -> None:
    evidence = attempt()
    stray = replace(evidence, weights={**evidence.weights, axle: (413, weighed(axle, "900", "900"))})
    assert judge(stray, rulebook(), ON) == judge(evidence, rulebook(), ON)


def test_vehicles_without_rules_are_not_judged() -> None:
    with pytest.raises(RuleError, match="class T11, use A"):
        judge(attempt(vehicle=car(vehicle_class="T11")), rulebook(), ON)
    with pytest.raises(RuleError, match="no row axle_rate"):
        judge(attempt(), rulebook(), date(2020, 6, 1))


# ---- always --------------------------------------------------------------------------------------


@given(
    *(st.integers(0, 900) for _ in range(6)),
    st.decimals("0.5", "2000", places=1),
    st.decimals("0.5", "2000", places=1),
)
def test_the_verdict_is_pass_exactly_when_no_finding_fails(
    a: int, b: int, c: int, d: int, e: int, f: int, front: Decimal, rear: Decimal
) -> None:
    evidence = attempt(
        brakes={
            "B1": (401, brake("B1", a, b)),
            "B2": (402, brake("B2", c, d)),
            "B0": (403, brake("B0", e, f)),
        },
        weights={1: (411, weighed(1, str(front), str(front))), 2: (412, weighed(2, str(rear), str(rear)))},
    )
    findings, verdict = judge(evidence, rulebook(), ON)
    assert (verdict == "pass") is all(finding.result != "fail" for finding in findings)
    assert {f.item for f in findings} >= {"B1", "B2", "B0", "whole", "plate", "vin"}
    assert all(f.basis for f in findings if f.quantity != LEFT_OUT)

"""What holds of every visit: in whatever order and however often its facts come, whatever was found."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge.desk import evidence as evidence_of
from lanes.evidence import Evidence
from lanes.inspection import Inspection, fold
from lanes.judge import NotReady, judge, missing, wanted_of
from lanes.record import (
    LEFT_OUT,
    Aborted,
    AnyBody,
    Arrived,
    Filmed,
    Finding,
    HeadlampMeasured,
    ItemFailed,
    ItemStarted,
    Judged,
    Listed,
    Moved,
    NodeStarted,
    Ordered,
    Record,
    Referred,
    Released,
    Repeated,
    Ruled,
    Signed,
)
from tests.lanes_parts import ON, attempt, brake, car, checked, photo, review, rulebook, slip, weighed

START = datetime(2026, 11, 22, 1, tzinfo=UTC)
ITEMS = ("01", "03", "04", "06", "07", "08", "09", "13", "20")
SHOTS = ("0111", "0112", "0113", "0157")
RULES = rulebook()


def lamp(item: str, main: int | None) -> HeadlampMeasured:
    return HeadlampMeasured(lane="1", station="lamps", device="l", item=item, main_intensity_cd=main)


loads = st.sampled_from(("0", "285", "320"))
forces = st.sampled_from((0, 20, 140, 240))
results = st.sampled_from(("pass", "fail", "not_applicable"))
defects = st.lists(st.sampled_from(("1-1", "8-1")), max_size=2).map(tuple)
CHECKS = [
    st.builds(lambda r, d, m, item=item: checked(item, r, defects=d, remark=m), results, defects, st.just(""))
    for item in ITEMS
]
MEASURED = [
    *(st.builds(lambda a, b, axle=axle: weighed(axle, a, b), loads, loads) for axle in (1, 2)),
    *(st.builds(lambda a, b, item=item: brake(item, a, b), forces, forces) for item in ("B1", "B2", "B0")),
    st.sampled_from(("1.5", "9.9", "99")).map(slip),
    *(st.builds(lamp, st.just(item), st.sampled_from((None, 9000, 20000))) for item in ("H1", "H4")),
]


def record(seq: int, body: AnyBody) -> Record:
    moment = START + timedelta(seconds=seq)
    return Record(seq=seq, at=moment, tick_ms=seq, source="s", source_key=str(seq), inspection="i", body=body)


@st.composite
def independent(draw: st.DrawFn) -> list[Record]:
    """Some facts of one visit, none of which takes the place of another, each with the number it got."""
    bodies: list[AnyBody] = [draw(one) for one in (*CHECKS, *MEASURED) if draw(st.integers(0, 3))]
    shots = [shot for shot in SHOTS if draw(st.integers(0, 3))]
    records = [record(10 + n, body) for n, body in enumerate(bodies)]
    for n, shot in enumerate(shots):
        seq = 100 + 10 * n
        records.append(record(seq, photo(shot)))
        for k, question in enumerate(("vin", "plate", "quality")):
            if draw(st.booleans()):
                opinion = draw(st.sampled_from(("agree", "disagree", "unsure")))
                claim = {"vin": car().vin, "plate": "浙A12345", "quality": ""}[question]
                records.append(record(seq + 1 + k, review(seq, shot, question, opinion, claim, claim)))
                if draw(st.booleans()):
                    decision = draw(st.sampled_from(("pass", "fail", "retake")))
                    records.append(
                        record(seq + 4 + k, Ruled(review_seq=seq + 1 + k, decision=decision, officer="1"))
                    )
    if draw(st.booleans()):
        records.append(record(200, Filmed(device="c", from_at=START, to_at=START)))
    if draw(st.booleans()):
        records.append(record(201, Signed(officer="1", role="presenter")))
    if draw(st.booleans()):
        records.append(record(202, Referred(officer="1", signs=("weld",), reason="r")))
    return records


def begun() -> list[Record]:
    return [
        record(1, Ordered(vehicle=car(), business="periodic", ordered_by="c")),
        record(2, Arrived(lane="1")),
        record(3, Moved(lane="1", station="exterior")),
    ]


def folded(records: Sequence[Record]) -> Inspection:
    inspection = fold(records)
    assert inspection is not None
    return inspection


def said(inspection: Inspection) -> Any:
    """Findings and verdict, or what is lacking."""
    try:
        return judge(evidence_of(inspection), RULES, ON)
    except NotReady as refused:
        return refused.missing


@given(st.data())
def test_independent_facts_may_come_in_any_order(data: st.DataObject) -> None:
    facts = data.draw(independent())
    shuffled = data.draw(st.permutations(facts))
    straight, mixed = folded([*begun(), *facts]), folded([*begun(), *shuffled])
    assert mixed == straight
    assert said(mixed) == said(straight)


@given(st.data())
def test_facts_that_come_again_change_nothing(data: st.DataObject) -> None:
    """Also those that something later has overtaken: a station left, an item done again, an older check."""
    later: list[AnyBody] = [
        checked("08", "fail"),
        ItemStarted(lane="1", station="brake", item="B1", device="b"),
        ItemFailed(lane="1", station="brake", item="B1", device="b", why="w"),
        brake("B1", 20, 20),
        Repeated(items=("08", "B1", "W1", "A1"), officer="1", reason="r"),
        Moved(lane="1", station="brake"),
        photo("0111"),
        Referred(officer="1", signs=("weld",), reason="r"),
        Released(referred_seq=307, officer="2", reason="r"),
        Judged(verdict="fail", findings=(), rules="r", rules_sha256="0" * 64),
        Moved(lane="1", station=""),
    ]
    history = [*begun(), *data.draw(independent()), *(record(300 + n, body) for n, body in enumerate(later))]
    once = folded(history)
    told = list(history)
    for _ in range(data.draw(st.integers(1, 10))):
        first = data.draw(st.integers(0, len(history) - 1))
        last = next(n for n, each in enumerate(told) if each is history[first])
        told.insert(data.draw(st.integers(last + 1, len(told))), history[first])
    assert folded(told) == once
    assert folded([*history, *history]) == once


@st.composite
def attempts(draw: st.DrawFn) -> Evidence:
    """Whole and partial attempts, good and bad, running and ended."""
    facts = draw(independent())
    evidence = evidence_of(folded([*begun(), *facts]))
    whole = attempt()
    if draw(st.booleans()):  # else hardly any would be complete
        evidence = replace(
            whole,
            checks={**whole.checks, **evidence.checks},
            brakes={**whole.brakes, **{k: v for k, v in evidence.brakes.items() if draw(st.booleans())}},
            referrals=evidence.referrals,
        )
    return replace(
        evidence,
        ended=draw(st.sampled_from(("", "left", "aborted"))),
        signed=draw(st.booleans()),
    )


@given(attempts())
def test_pass_is_exactly_nothing_failed_nothing_missing_nothing_referred(evidence: Evidence) -> None:
    lacking = missing(evidence, wanted_of(evidence, RULES, ON))
    try:
        findings, verdict = judge(evidence, RULES, ON)
    except NotReady as refused:
        assert refused.missing == lacking != ()
        assert not evidence.ended and not evidence.referred
        return
    fails = any(finding.result == "fail" for finding in findings)
    assert (verdict == "pass") is (not fails and not lacking and not evidence.referred)
    assert (verdict == "fail") is (fails and not lacking and not evidence.referred)
    assert (verdict == "incomplete") is (bool(lacking) and not evidence.referred)
    assert (verdict == "suspicious") is evidence.referred


@given(attempts(), st.sampled_from(ITEMS))
def test_a_check_that_turns_from_fail_to_pass_never_turns_a_pass_to_fail(
    evidence: Evidence, item: str
) -> None:
    assume(item in evidence.checks)
    seq, found = evidence.checks[item]

    def verdict(result: str) -> str | None:
        body = checked(item, result, value="A", defects=found.defects, remark=found.remark)
        try:
            return judge(replace(evidence, checks={**evidence.checks, item: (seq, body)}), RULES, ON)[1]
        except NotReady:
            return None

    failed, passed = verdict("fail"), verdict("pass")
    assert (failed, passed) in {(v, v) for v in ("pass", "fail", "incomplete", "suspicious", None)} | {
        ("fail", "pass")
    }


@given(attempts())
def test_a_finding_rests_on_records(evidence: Evidence) -> None:
    try:
        findings, _ = judge(evidence, RULES, ON)
    except NotReady:
        return
    assert all(isinstance(each, Finding) and each.basis for each in findings if each.quantity != LEFT_OUT)


# ---- phases --------------------------------------------------------------------------------------


def through(*bodies: AnyBody) -> Inspection:
    return folded([*begun(), *(record(10 + n, body) for n, body in enumerate(bodies))])


JUDGED = Judged(verdict="incomplete", findings=(), rules="r", rules_sha256="0" * 64)


@pytest.mark.parametrize(
    ("bodies", "phase", "ending", "stopped"),
    [
        ([], "on_lane", "", False),
        ([Moved(lane="1", station="")], "on_lane", "left", False),
        ([Moved(lane="1", station=""), JUDGED], "gone", "left", False),
        ([Aborted(by="o", reason="r")], "aborted", "aborted", True),
        ([Aborted(by="o", reason="r"), JUDGED], "aborted", "aborted", True),
        ([JUDGED, Aborted(by="o", reason="r")], "judged", "", False),
    ],
)
def test_how_a_visit_ends(bodies: list[AnyBody], phase: str, ending: str, stopped: bool) -> None:
    inspection = through(*bodies)
    assert (inspection.phase, inspection.ending, inspection.stopped) == (phase, ending, stopped)


def test_a_release_counts_for_a_referral_that_is_there_by_somebody_else() -> None:
    referred = Referred(officer="1", signs=("weld",), reason="r")
    assert through(referred).referred
    assert through(referred, Released(referred_seq=10, officer="1", reason="r")).referred
    assert through(referred, Released(referred_seq=9, officer="2", reason="r")).referred
    assert not through(referred, Released(referred_seq=10, officer="2", reason="r")).referred


def test_a_photo_taken_again_asks_anew() -> None:
    doubt = review(10, "0113", "vin", "unsure", car().vin, "LTEST")
    inspection = through(photo("0113"), doubt)
    assert [seq for seq, _ in inspection.asks()] == [11]
    inspection.take(record(20, photo("0113")))
    assert inspection.asks() == []
    assert inspection.latest_photos()["0113"][0] == 20


def test_records_before_the_order_and_of_others_tell_nothing() -> None:
    started = NodeStarted(version="1", boot="b", site="s", config_sha256="0" * 64)
    assert fold([record(1, started)]) is None
    assert through(started).phase == "on_lane"
    assert through().verdict is None and through().failed_items == []
    failing = (Finding(item="08", result="fail"), Finding(item="B1", result="pass"))
    bad = Judged(verdict="fail", findings=failing, rules="r", rules_sha256="0" * 64)
    assert (through(bad).verdict, through(bad).failed_items) == ("fail", ["08"])


def test_what_is_done_again_counts_no_more_and_the_rest_does() -> None:
    inspection = through(
        checked("08"),
        checked("09"),
        weighed(1, "1", "1"),
        weighed(2, "1", "1"),
        brake("B1", 1, 1),
        slip("1"),
        lamp("H1", 9000),
        lamp("H4", 9000),
    )
    inspection.take(record(30, Repeated(items=("08", "B1", "W2", "H1"), officer="1", reason="r")))
    assert [body.item for _, body in inspection.measured.values()] == ["H4"]
    assert (set(inspection.checks), set(inspection.brakes), set(inspection.weights)) == ({"09"}, set(), {1})
    assert inspection.sideslip is not None
    inspection.take(record(31, Repeated(items=("A1",), officer="1", reason="r")))
    assert inspection.sideslip is None


def test_the_platforms_list_counts_until_the_verdict() -> None:
    first, second = (Listed(by="platform", items=(item,)) for item in ("01", "02"))
    inspection = through(first, JUDGED, second)
    assert inspection.given.listed == first


def test_only_a_re_inspection_of_failed_items_has_what_stands() -> None:
    stands = (Finding(item="08", result="pass"),)
    order = Ordered(vehicle=car(), business="periodic", ordered_by="c", stands=stands, redo=("01",))
    assert not folded([record(1, order)]).has_standing("08")
    order = msgspec.structs.replace(order, mode="failed_only")
    inspection = folded([record(1, order)])
    assert inspection.redo == ("01",)
    assert [inspection.has_standing(item) for item in ("08", "01")] == [True, False]

"""ECU VIN beside papers and struck VIN: what is proposed, what passes, and that nothing ever fails."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes import filmed, identity
from lanes.identity import ecu_vins, identity_findings
from lanes.judge import judge
from lanes.record import NOT_MEASURED, Finding, ObdRead, Ruled
from tests.lanes_parts import ON, VIN, attempt, car, review, rulebook

OTHER = "LTEST1A25R0000002"
STRUCK_SHOT, STRUCK_PHOTO = "0113", 202


def read(**fields: Any) -> ObdRead:
    return ObdRead(**({"lane": "1", "station": "exterior", "device": "obd-1"} | fields))


def found(body: ObdRead, **changes: Any) -> Finding:
    (finding,) = identity_findings(attempt(obd=(500, body), **changes), rulebook())
    return finding


def doubted(text: str) -> dict[str, Any]:
    """The model reads another VIN on the photo of the struck one."""
    return {"reviews": ((302, review(STRUCK_PHOTO, STRUCK_SHOT, "vin", "disagree", VIN, text)),)}


@pytest.mark.parametrize(
    "vin", [VIN, VIN.lower(), f"00{VIN}", f"\0\0\0{VIN}", f" {VIN} ", VIN.replace("0", "O")]
)
def test_the_vin_of_the_papers_passes_however_it_is_stored(vin: str) -> None:
    finding = found(read(vin=vin))
    assert (finding.item, finding.result, finding.proposes) == ("ecu_vin", "pass", ())
    assert (finding.value, finding.limit, finding.basis) == (VIN, VIN, (500,))


@pytest.mark.parametrize("fields", [{"vin": OTHER}, {"vin": VIN[:-1]}, {"vin": VIN, "other_vins": (OTHER,)}])
def test_another_vin_proposes_the_sign_and_fails_nothing(fields: dict[str, Any]) -> None:
    finding = found(read(**fields))
    assert (finding.result, finding.proposes, finding.severity) == ("not_applicable", ("4-23",), "reject")
    assert "defect 4-23" in finding.arithmetic
    assert ("the control units differ" in finding.arithmetic) == ("other_vins" in fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"outcome": "no_vin", "why": "0902: the units decline"},
        {"vin": "0" * 17},
        {"vin": "F" * 17},
        {"vin": "X" * 17},
        {"vin": ""},
    ],
)
def test_an_ecu_without_a_vin_proposes_its_own_sign(fields: dict[str, Any]) -> None:
    finding = found(read(**fields))
    assert (finding.result, finding.value, finding.proposes) == ("not_applicable", "", ("4-22",))
    assert fields.get("why", "hold no VIN") in finding.arithmetic


def test_where_no_unit_answers_nothing_is_proposed() -> None:
    finding = found(read(outcome="no_obd", why="no control unit answers: UNABLE TO CONNECT"))
    assert (finding.result, finding.proposes) == ("not_applicable", ())
    assert "UNABLE TO CONNECT" in finding.arithmetic


def test_papers_with_a_factory_number_are_not_compared() -> None:
    finding = found(read(vin=OTHER), vehicle=car(vin="A12345"))
    assert (finding.result, finding.proposes) == ("not_applicable", ())


def test_a_struck_vin_that_was_read_otherwise_is_compared_too() -> None:
    beside = found(read(vin=VIN), **doubted(OTHER))
    assert (beside.result, beside.proposes, beside.basis) == ("not_applicable", ("4-23",), (500, 202, 302))
    assert f"struck, as it was read: {OTHER}" in beside.arithmetic
    as_struck = found(read(vin=OTHER), **doubted(OTHER))
    assert as_struck.proposes == ("4-23",)
    misread = VIN.replace("1", "I", 1).replace("5", "S")
    assert found(read(vin=VIN), **doubted(misread)).result == "pass"
    assert found(read(vin=VIN), **doubted(OTHER[:9])).result == "pass"


def test_a_ruling_for_the_photo_ends_the_comparison_with_what_was_read() -> None:
    ruled = {302: (310, Ruled(review_seq=302, decision="pass", officer="001", reason="it is legible"))}
    assert found(read(vin=VIN), rulings=ruled, **doubted(OTHER)).result == "pass"
    against = {302: (310, Ruled(review_seq=302, decision="fail", officer="001", reason="another VIN"))}
    finding = found(read(vin=VIN), rulings=against, **doubted(OTHER))
    assert (finding.proposes, finding.basis) == (("4-23",), (500, 202, 302, 310))


def test_what_no_instrument_measured_stands_on_no_instrument_report() -> None:
    assert {identity.QUANTITY, filmed.QUANTITY} <= set(NOT_MEASURED)


def test_without_a_reading_there_is_no_finding() -> None:
    assert list(identity_findings(attempt(), rulebook())) == []


@given(
    st.text(max_size=40),
    st.lists(st.text(min_size=1, max_size=20), max_size=3),
    st.sampled_from(["read", "no_vin", "no_obd"]),
)
def test_whatever_the_units_say_nothing_fails(vin: str, others: list[str], outcome: str) -> None:
    finding = found(read(vin=vin, other_vins=tuple(others), outcome=outcome))
    assert finding.result != "fail"
    assert (finding.result == "pass") == (ecu_vins(read(vin=vin, other_vins=tuple(others))) == (VIN,))


def test_the_whole_finding_is_as_it_reads() -> None:
    body = read(vin=OTHER, other_vins=("LTEST1A2XR0000003",))
    finding = found(body, **doubted(VIN[:-1] + "9"))
    assert finding == Finding(
        item="ecu_vin",
        result="not_applicable",
        quantity="obd",
        value=f"{OTHER} LTEST1A2XR0000003",
        limit=VIN,
        arithmetic=f"struck, as it was read: {VIN[:-1]}9; the control units differ; "
        f"defect 4-23: {rulebook().codes.defects['4-23'].en}",
        basis=(500, 202, 302),
        proposes=("4-23",),
    )


@pytest.mark.parametrize(
    ("fields", "changes", "first"),
    [
        ({"vin": ""}, {}, "the control units hold no VIN"),
        ({"vin": "", "why": "0902: the units decline"}, {}, "0902: the units decline"),
        ({"vin": OTHER}, {"vehicle": car(vin="A12345")}, "the papers have no VIN to compare with"),
    ],
)
def test_what_hinders_a_comparison_is_said_first(
    fields: dict[str, Any], changes: dict[str, Any], first: str
) -> None:
    words = found(read(**fields), **doubted(OTHER), **changes).arithmetic.split("; ")
    assert words[:2] == [first, f"struck, as it was read: {OTHER}"]


def test_without_a_defect_in_the_rules_nothing_is_added() -> None:
    assert found(read(vin=VIN)).arithmetic == ""
    assert found(read(vin="", outcome="no_obd")).severity == "reject"
    silent = found(read(vin="", outcome="no_obd", why="no answer"), vehicle=car(vin="A1"))
    assert (silent.arithmetic, silent.proposes) == ("no answer", ())


def test_the_severity_of_a_finding_is_that_of_its_defect() -> None:
    book = rulebook()
    mild = dict(book.codes.defects)
    mild["4-22"] = msgspec.structs.replace(mild["4-22"], severity="reminder")
    milder = replace(book, codes=replace(book.codes, defects=mild))
    (finding,) = identity_findings(attempt(obd=(500, read(vin=""))), milder)
    assert (finding.severity, finding.proposes) == ("reminder", ("4-22",))


def test_long_words_are_cut_where_a_record_ends() -> None:
    assert len(found(read(vin="", why="x" * 2000)).arithmetic) == 2000


@pytest.mark.parametrize(
    ("stored", "seen"),
    [
        (f"\xff\0{VIN}\0\xff", (VIN,)),
        (f"0{VIN}", (VIN,)),
        (f"1{VIN}", (f"1{VIN}",)),  # no padding: another number
        (f"X{VIN}", (f"X{VIN}",)),
        ("0" * 20, ()),
        ("-" * 17, ()),
        ("0FX" * 5 + "0F", ("0FX" * 5 + "0F",)),  # blanks of several kinds are a text
        ("A" * 17, ("A" * 17,)),
    ],
)
def test_padding_is_taken_off_and_nothing_else(stored: str, seen: tuple[str, ...]) -> None:
    assert ecu_vins(read(vin=stored)) == seen


def test_the_struck_vin_is_looked_for_on_every_photo() -> None:
    agreed = (301, review(201, "0112", "plate", "disagree", "浙A12345", OTHER))
    short = (303, review(200, "0111", "vin", "disagree", VIN, OTHER[:5]))
    struck = (302, review(STRUCK_PHOTO, STRUCK_SHOT, "vin", "disagree", VIN, OTHER))
    finding = found(read(vin=VIN), reviews=(short, agreed, struck))
    assert finding.proposes == ("4-23",) and finding.basis[-1] == 302


def test_a_question_about_something_else_on_the_same_photo_does_not_hide_the_vin() -> None:
    plate = (301, review(STRUCK_PHOTO, STRUCK_SHOT, "plate", "disagree", "浙A12345", "浙A54321"))
    struck = (302, review(STRUCK_PHOTO, STRUCK_SHOT, "vin", "disagree", VIN, OTHER))
    assert found(read(vin=VIN), reviews=(plate, struck)).proposes == ("4-23",)


def test_the_verdict_holds_what_the_control_units_said() -> None:
    findings, verdict = judge(attempt(obd=(500, read(vin=OTHER))), rulebook(), ON)
    (finding,) = [each for each in findings if each.item == "ecu_vin"]
    assert verdict == "pass" and finding.proposes == ("4-23",)

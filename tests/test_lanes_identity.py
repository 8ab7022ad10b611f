"""ECU VIN beside papers and struck VIN: what is proposed, what passes, and that nothing ever fails."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes import filmed, identity
from lanes.identity import ecu_vins, identity_findings
from lanes.record import NOT_MEASURED, Finding, ObdRead, Ruled
from tests.lanes_parts import VIN, attempt, car, review, rulebook

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

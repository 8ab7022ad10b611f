"""Whose vehicle stands at a gate: the queue, captures and their corrections, and what a scan means."""

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.arrivals import (
    APPOINTED_LEAD,
    Meant,
    is_another,
    matching,
    meant_by,
    queue,
    recognised,
    resembling,
    unmatched,
    unmatched_seen,
)
from lanes.book import Seen
from lanes.flow import Arrive, steps
from lanes.record import (
    Arrived,
    Called,
    Captured,
    Corrected,
    Held,
    Moved,
    Ordered,
    Ranked,
    Resumed,
    Withdrawn,
)
from lanes.vehicle import Plate
from tests.line_parts import LANE, START, World, car


def seen(text: str, plate_type: str = "unknown", corrected: Corrected | None = None) -> Seen:
    capture = Captured(lane="1", station="gate", device="cam", plate_text=text, plate_type=plate_type)
    return Seen(1, START, capture, corrected)


def names(world: World, now: datetime | None = None) -> list[str]:
    return [each.inspection for each in queue(world.book.waiting(), now or world.now)]


def two_kinds(*hpzl: str) -> World:
    """Waiting inspections with one number under several kinds of plate."""
    world = World()
    for number, kind in enumerate(hpzl):
        plate = Plate(hpzl=kind, hphm="浙A00001")
        world.order(f"kind-{kind}", msgspec.structs.replace(car(number), plate=plate))
    return world


# ---- the queue -----------------------------------------------------------------------------------


def test_the_queue_is_by_call_then_priority_then_appointment_then_order() -> None:
    world = World()
    for name in ("first", "booked", "later", "urgent", "called", "held"):
        booked = START + timedelta(hours=1) if name == "booked" else None
        body = Ordered(vehicle=car(1), business="periodic", ordered_by="c", appointed_at=booked)
        world.add(body, name)
    world.add(Ranked(priority=3, by="op", reason="ambulance"), "urgent")
    world.add(Called(lane="1", by="op"), "later")
    world.add(Called(lane="2", by="op"), "called")
    world.add(Held(by="op", reason="papers"), "held")
    assert names(world) == ["later", "called", "urgent", "first", "booked", "held"]
    near = START + timedelta(hours=1) - APPOINTED_LEAD
    assert names(world, near) == ["later", "called", "urgent", "booked", "first", "held"]
    world.add(Ranked(priority=-1, by="op", reason="its driver is at lunch"), "first")
    assert names(world) == ["later", "called", "urgent", "booked", "first", "held"]
    world.add(Resumed(by="op"), "held")
    assert names(world) == ["later", "called", "urgent", "booked", "held", "first"]


def test_a_called_vehicle_keeps_its_call_where_an_order_made_it() -> None:
    world = World()
    world.order("i1", car(1))
    world.order("i2", car(2), lane="1")
    assert names(world) == ["i2", "i1"]
    inspection = world.book.inspections["i2"]
    assert (inspection.called_to, inspection.called_seq, world.book.inspections["i1"].called_seq) == (
        "1",
        2,
        0,
    )


# ---- captures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plate_type", "wanted"),
    [
        ("blue", "kind-02"),
        ("yellow", "kind-01"),
        ("yellow_double", "kind-01"),
        ("unknown", None),
        ("black", None),
    ],
)
def test_one_number_under_two_kinds_is_told_by_the_plate_s_colour(
    plate_type: str, wanted: str | None
) -> None:
    world = two_kinds("01", "02")
    found = matching(seen("浙A00001", plate_type), world.book.waiting())
    assert (found.inspection if found else None) == wanted


def test_two_kinds_of_one_colour_wait_for_the_operator() -> None:
    world = two_kinds("01", "07", "02")
    assert matching(seen("浙A00001", "yellow"), world.book.waiting()) is None
    corrected = Corrected(
        lane="1", capture_seq=1, plate_text="浙A00001", hpzl="07", by="op", reason="a motorcycle"
    )
    found = matching(seen("浙A00001", "yellow", corrected), world.book.waiting())
    assert found is not None and found.inspection == "kind-07"


def test_a_single_order_is_recognised_whatever_colour_the_camera_saw() -> None:
    world = two_kinds("02")
    assert matching(seen("浙A00001", "yellow"), world.book.waiting()) is not None
    wrong = Corrected(lane="1", capture_seq=1, plate_text="浙A00001", hpzl="07", by="op", reason="r")
    assert matching(seen("浙A00001", "blue", wrong), world.book.waiting()) is None


def test_an_unplated_vehicle_is_the_first_called_to_this_lane() -> None:
    world = World()
    world.order("anywhere", car(1, plated=False))
    world.order("elsewhere", car(2, plated=False), lane="2")
    found = matching(seen(""), world.book.waiting())
    assert found is not None and found.inspection == "anywhere"
    world.order("called", car(3, plated=False))
    world.order("next", car(4, plated=False))
    world.add(Called(lane="1", by="op"), "next")
    world.add(Called(lane="1", by="op"), "called")
    found = matching(seen(""), world.book.waiting())
    assert found is not None and found.inspection == "next"
    assert matching(seen(""), []) is None


def test_who_is_held_is_let_in_by_no_camera() -> None:
    world = World()
    world.order("i1", car(1))
    world.order("i2", car(2, plated=False))
    for name in ("i1", "i2"):
        world.add(Held(by="op", reason="papers"), name)
    assert matching(seen("浙A00001"), world.book.waiting()) is None
    assert matching(seen(""), world.book.waiting()) is None
    world.add(Resumed(by="op"), "i1")
    assert matching(seen("浙A00001"), world.book.waiting()) is not None


def test_a_misread_plate_proposes_and_admits_nobody() -> None:
    world = World()
    world.order("i1", msgspec.structs.replace(car(1), plate=Plate(hpzl="02", hphm="浙A8B012")))
    world.order("i2", car(2))
    world.order("i3", car(3, plated=False))
    world.sense("gate", True)
    seq = world.capture("浙A88O12")
    world.settle()
    (candidate,) = resembling(seen("浙A88O12"), world.book.waiting())
    assert candidate.inspection == "i1"
    assert recognised(LANE, world.book) is None
    found = unmatched(LANE, world.book)
    assert found is not None and found.plate_text == "浙A88O12"
    world.add(
        Corrected(lane="1", capture_seq=seq, plate_text="浙A8B012", by="op", reason="the photo shows it")
    )
    world.settle()
    inspection = world.book.inspections["i1"]
    assert inspection.station == "gate"
    assert inspection.capture is not None and inspection.capture[1].plate_text == "浙A88O12", (
        "as it was taken"
    )
    assert unmatched_seen(LANE, world.book) is None


def test_candidates_stand_by_how_likely_the_misreading_is() -> None:
    world = World()
    for name, hphm in (("near", "浙A1234Z"), ("nearer", "浙A12Z4Z"), ("far", "京B99999")):
        world.order(name, msgspec.structs.replace(car(1), plate=Plate(hpzl="02", hphm=hphm)))
    found = resembling(seen("浙A1Z34Z"), world.book.waiting())
    assert [each.inspection for each in found] == ["near", "nearer"]


@pytest.mark.parametrize(
    ("text", "another"),
    [
        ("浙A00001", False),
        ("浙AOOOO1", False),
        ("浙a·00001", False),
        ("浙A00007", False),
        ("浙A00002", True),
        ("浙AD00001", True),
        ("京A00001", True),
    ],
)
def test_another_plate_is_one_that_no_misreading_explains(text: str, another: bool) -> None:
    assert is_another(text, Plate(hpzl="02", hphm="浙A00001")) is another
    assert is_another(text, None)


def test_a_capture_at_an_inner_station_recognises_nobody_at_the_gate() -> None:
    world = World()
    world.order("i1", car(1))
    world.sense("gate", True)
    world.capture("浙A00001", station="brake")
    world.settle()
    assert world.book.inspections["i1"].station is None


def test_the_tail_of_a_vehicle_at_the_gate_is_nobody_to_recognise() -> None:
    world = World()
    for name, number in (("i1", 1), ("i2", 2)):
        world.order(name, car(number))
    world.sense("gate", True)
    world.capture("浙A00001")
    world.settle()
    world.sense("exterior", True)
    world.settle()
    world.capture("浙A00002")
    world.settle()
    assert world.book.inspections["i2"].station is None, "the loop still sees the end of the first"
    world.sense("gate", False)
    world.sense("gate", True)
    world.settle()
    assert world.book.inspections["i2"].station == "gate"


# ---- scans and searches --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meant", "wanted"),
    [
        (Meant(kind="inspection", text="i2"), ["i2"]),
        (Meant(kind="inspection", text="I2"), []),
        (Meant(kind="plate", text="浙a·00001"), ["i1"]),
        (Meant(kind="plate", text="浙A00001", hpzl="02"), ["i1"]),
        (Meant(kind="plate", text="浙A00001", hpzl="01"), []),
        (Meant(kind="plate", text=""), []),
        (Meant(kind="vin", text="LTEST1A27R0000001"), ["i1"]),
        (Meant(kind="vin", text="0002"), ["i2"]),
        (Meant(kind="vin", text="002"), []),
        (Meant(kind="booking", text="b-17"), ["i3"]),
        (Meant(kind="booking", text=""), []),
    ],
)
def test_what_a_scan_means_among_those_who_wait(meant: Meant, wanted: list[str]) -> None:
    world = World()
    world.order("i1", car(1))
    world.order("i2", car(2, plated=False))
    world.add(Ordered(vehicle=car(3), business="periodic", ordered_by="c", booking="B17"), "i3")
    assert [each.inspection for each in meant_by(meant, world.book.waiting())] == wanted


# ---- off the lane and back -----------------------------------------------------------------------


def test_a_vehicle_that_went_off_its_lane_waits_again_and_keeps_what_was_measured() -> None:
    world = World()
    world.order("i1", car(1))
    world.sense("gate", True)
    world.capture("浙A00001")
    world.settle()
    world.sense("gate", False)
    world.add(Withdrawn(lane="1", by="op", reason="reversed out", to="2"), "i1")
    inspection = world.book.inspections["i1"]
    assert (inspection.phase, inspection.lane, inspection.station) == ("waiting", None, None)
    assert (inspection.called_to, world.state.at) == ("2", {})
    arrived = inspection.arrived_at
    world.add(Arrived(lane="2", how="operator", by="op", reason="r"), "i1")
    world.add(Moved(lane="2", station="gate"), "i1")
    assert (inspection.phase, inspection.lane, inspection.arrived_at) == ("on_lane", "2", arrived)
    assert inspection.left == frozenset(), "of this visit"
    assert [(stay.lane, stay.station, stay.left is None) for stay in inspection.stays] == [
        ("1", "gate", False),
        ("2", "gate", True),
    ]


def test_one_vehicle_is_booked_on_one_lane_only() -> None:
    world = World()
    world.order("i1", car(1))
    for lane in ("1", "2"):
        world.add(Arrived(lane=lane), "i1")
        world.add(Moved(lane=lane, station="gate"), "i1")
    assert (world.book.lane("1").at, world.book.lane("2").at) == ({}, {"gate": "i1"})


@given(st.lists(st.sampled_from(["浙A00001", "浙A00002", "浙A0000l", "", "京B99999"]), max_size=8))
def test_a_capture_that_nobody_waits_for_never_admits(texts: list[str]) -> None:
    world = World()
    world.order("i1", car(1))
    world.sense("gate", True)
    for text in texts:
        world.capture(text)
    due = [step for step in steps(LANE, world.book, {}) if isinstance(step, Arrive)]
    assert bool(due) is ("浙A00001" in texts)

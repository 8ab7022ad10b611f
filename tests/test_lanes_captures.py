"""What a lane makes of a camera's reports: repeats of one vehicle, late ones, those without a plate."""

from lanes.arrivals import unmatched
from tests.line_parts import LANE, World, car


def test_a_vehicle_that_is_reported_twice_within_ten_seconds_is_one() -> None:
    world = World()
    world.order("i-1", car(1))
    world.capture("浙A00001", at_s=100)
    world.capture("浙A00001", at_s=110)
    assert world.waiting() == ["浙A00001"]
    assert world.book.lane("1").captures[0].seq == 3  # the newest counts
    world.capture("浙A00001", at_s=121)
    world.capture("浙A00001", at_s=111, device="other")
    world.capture("浙A00002", at_s=121)
    assert world.waiting() == ["浙A00001", "浙A00001", "浙A00001", "浙A00002"]


def test_a_report_more_of_the_recognised_vehicle_is_nobody_elses() -> None:
    world = World()
    world.order("i-1", car(1))
    world.sense("gate", True)
    world.capture("浙A00001", at_s=100)
    world.settle()
    assert world.book.inspections["i-1"].phase == "on_lane"
    world.capture("浙A00001", at_s=90)
    world.capture("浙A00001", at_s=110)
    assert world.waiting() == []
    world.capture("浙A00001", at_s=111)
    assert world.waiting() == ["浙A00001"]  # it came back, or stands there for long


def test_without_a_camera_time_the_journals_counts() -> None:
    world = World()
    world.capture("浙A00001")
    for _ in range(9):
        world.sense("exit", True)
    world.capture("浙A00001")
    assert world.waiting() == ["浙A00001"]
    for _ in range(10):
        world.sense("exit", True)
    world.capture("浙A00001")
    assert world.waiting() == ["浙A00001", "浙A00001"]


def test_two_vehicles_without_a_plate_are_two() -> None:
    world = World()
    world.capture("", at_s=100)
    world.capture("", at_s=101)
    assert world.waiting() == ["", ""]


def test_a_replayed_capture_of_who_left_is_not_taken_for_who_came() -> None:
    world = World()
    world.order("i-1", car(1))
    for _ in range(40):
        world.sense("exit", True)
    world.sense("gate", True)
    world.sense("gate", False)  # record 43, so free since second 43
    world.sense("gate", True)
    world.capture("浙A00001", replayed=True, at_s=12)  # more than 30 s before that
    assert world.waiting() == []
    assert unmatched(LANE, world.book) is None
    world.capture("浙A00001", replayed=True, at_s=13)
    assert world.waiting() == ["浙A00001"]
    world.settle()
    assert world.book.inspections["i-1"].phase == "on_lane"


def test_a_late_capture_counts_while_the_gate_has_not_been_free_since() -> None:
    world = World()
    world.order("i-1", car(1))
    for _ in range(40):
        world.sense("exit", True)
    world.sense("gate", True)
    world.capture("浙A00001", replayed=True, at_s=1)
    assert world.waiting() == ["浙A00001"]
    world.sense("gate", False)
    for _ in range(40):
        world.sense("exit", True)
    world.capture("浙A00002", at_s=1)  # not replayed: the camera's clock may be wrong
    world.capture("浙A00003", replayed=True)
    assert world.waiting() == ["浙A00001", "浙A00002", "浙A00003"]

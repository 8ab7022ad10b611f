"""The flow of a lane: followed by levels alone, so a restart at any moment changes nothing."""

from datetime import timedelta
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from lanes.arrivals import uncaptured, unmatched
from lanes.book import ENDED_KEPT
from lanes.flow import Arrive, Measure, Move, outputs, steps
from lanes.inspection import fold
from lanes.layout import Lane, layout_problems
from lanes.record import (
    Aborted,
    Arrived,
    AxleWeighed,
    Captured,
    Checked,
    ItemStarted,
    Judged,
    Moved,
    Ordered,
    Photographed,
    Reviewed,
    Ruled,
    Sensed,
)
from lanes.vehicle import Vehicle
from tests.line_parts import ITEMS, KINDS, LANE, World, car


def drive_through(world: World, name: str, vehicle: Vehicle, restarts: set[int]) -> list[str]:
    """One car from gate to exit, obeying the outputs; the items in the order they were measured."""
    tick, items = 0, []

    def beat() -> list[Measure]:
        nonlocal tick
        tick += 1
        if tick in restarts:
            world.restart()
        return world.settle()

    def until(station: str, actuator: str, level: bool = True) -> None:
        for _ in range(40):
            due = beat()
            if world.coils.get((station, actuator), False) is level:
                return
            if due:
                items.append(due[0].item)
                world.do(due[0])
        raise AssertionError(f"{station} {actuator} never became {level}")

    world.order(name, vehicle)
    world.sense("gate", True)
    beat()
    world.capture(vehicle.plate.hphm if vehicle.plate else "")
    until("gate", "barrier")
    world.sense("gate", False)
    beat()
    world.sense("exterior", True)
    beat()
    assert not world.coils.get(("exterior", "light"), False)
    world.add(Checked(item="01", result="pass", officer="o"), name)
    until("exterior", "light")
    world.sense("exterior", False)
    world.sense("brake", True)
    for axle in (1, 2):
        until("brake", "advance")
        world.sense("brake", False, "axle")
        beat()
        world.sense("brake", axle > 1, "beyond")
        world.sense("brake", True, "axle")
        until("brake", "advance", level=False)
    until("brake", "light")
    for sensor in ("axle", "beyond", "occupied"):
        world.sense("brake", False, sensor)
    world.sense("sideslip", True)
    until("sideslip", "light")
    world.sense("sideslip", False)
    world.sense("exit", True)
    beat()
    assert not world.coils.get(("exit", "barrier"), False)
    world.add(Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64), name)
    until("exit", "barrier")
    world.sense("exit", False)
    beat()
    return items


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, 60), max_size=12))
def test_a_car_passes_whatever_the_restarts(restarts: set[int]) -> None:
    world = World()
    items = drive_through(world, "i1", car(1), restarts)
    inspection = world.book.inspections["i1"]
    assert items == ["W1", "B1", "W2", "B2", "B0", "A1"]
    assert (inspection.phase, inspection.station) == ("gone", None)
    moves = [r.body.station for r in world.records if isinstance(r.body, Moved)]
    assert moves == [*KINDS, ""]
    assert world.book.lane("1").at == {}
    assert not any(world.coils.values())
    folded = fold(record for record in world.records if record.inspection == "i1")
    assert folded is not None and folded.phase == "gone"


def test_the_next_car_waits_until_the_station_is_free() -> None:
    world = World()
    for name, vehicle in (("i1", car(1)), ("i2", car(2))):
        world.order(name, vehicle)
    world.sense("gate", True)
    world.capture("浙A00001")
    world.settle()
    assert world.coils.get(("gate", "barrier"), False)
    world.sense("gate", False)
    world.sense("exterior", True)
    world.settle()
    assert not world.coils.get(("gate", "barrier"), False)
    world.sense("gate", True)
    world.capture("浙A00002")
    world.settle()
    assert world.book.inspections["i2"].station == "gate"
    assert not world.coils.get(("gate", "barrier"), False), "two cars would stand on one station"


def test_a_repeated_capture_of_a_car_on_the_lane_is_nobody_else() -> None:
    world = World()
    world.order("i1", car(1))
    world.sense("gate", True)
    world.capture("浙A00001")
    world.settle()
    world.capture("浙A00001")
    world.settle()
    assert world.book.inspections["i1"].station == "gate"
    assert sum(isinstance(record.body, Arrived) for record in world.records) == 1


def test_a_stranger_at_the_gate_is_an_alarm_and_stays_out() -> None:
    world = World()
    world.order("i1", car(1))
    world.sense("gate", True)
    world.capture("京B99999")
    world.settle()
    seen = unmatched(LANE, world.book)
    assert seen is not None and seen.plate_text == "京B99999"
    assert not world.coils.get(("gate", "barrier"), False)
    world.capture("浙A00001")
    world.settle()
    assert unmatched(LANE, world.book) is None
    assert world.coils.get(("gate", "barrier"), False)


def test_a_car_without_plate_is_the_oldest_called_to_this_lane() -> None:
    world = World()
    world.order("elsewhere", car(1, plated=False), lane="2")
    world.order("here", car(2, plated=False), lane="1")
    world.order("later", car(3, plated=False), lane="1")
    world.sense("gate", True)
    world.capture("")
    world.settle()
    assert {name for name, each in world.book.inspections.items() if each.station} == {"here"}


def test_an_old_capture_is_not_taken_for_a_new_car() -> None:
    world = World()
    world.order("i1", car(1, plated=False))
    world.capture("")  # somebody passed the camera and turned back
    for _ in range(40):
        world.sense("exit", False)  # forty seconds of other news
    world.sense("gate", True)
    world.settle()
    assert world.book.inspections["i1"].station is None


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


def test_the_barrier_stays_open_while_a_car_is_under_it() -> None:
    world = World()
    world.order("i1", car(1))
    world.sense("gate", True)
    world.capture("浙A00001")
    world.settle()
    world.sense("exterior", True)  # its front is in, its tail still under the barrier
    world.settle()
    assert world.book.inspections["i1"].station == "exterior"
    assert world.coils.get(("gate", "barrier"), False)
    world.sense("gate", False)
    world.settle()
    assert not world.coils.get(("gate", "barrier"), False)


def test_asks_are_of_photos_that_count_and_have_no_ruling() -> None:
    world = World()
    world.order("i1", car(1))

    def photograph(digest: str) -> int:
        world.add(Photographed(shot="0113", photo=digest * 64, size_bytes=1), "i1")
        return len(world.records)

    def doubt(photo_seq: int, digest: str) -> int:
        body = Reviewed(
            photo_seq=photo_seq,
            photo=digest * 64,
            shot="0113",
            question="vin",
            opinion="unsure",
            model="m",
        )
        world.add(body, "i1")
        return len(world.records)

    first = photograph("a")
    doubt(first, "a")
    second = photograph("b")
    review = doubt(second, "b")
    inspection = world.book.inspections["i1"]
    assert [seq for seq, _ in inspection.asks()] == [review]
    world.add(Ruled(review_seq=review, decision="pass", officer="o"), "i1")
    assert inspection.asks() == []


def test_ended_inspections_do_not_fill_the_memory() -> None:
    world = World()
    for number in range(ENDED_KEPT + 5):
        world.order(f"i{number}", car(number))
        world.add(Aborted(by="operator", reason="left"), f"i{number}")
    world.order("open", car(999))
    assert len(world.book.inspections) == ENDED_KEPT + 1
    assert "i4" not in world.book.inspections and "i5" in world.book.inspections


def test_layout_problems_name_lane_and_station() -> None:
    gate, *rest = LANE.stations
    twice = Lane(name="1", title=LANE.title, stations=(gate, gate, *rest))
    backwards = Lane(name="2", title=LANE.title, stations=tuple(reversed(LANE.stations)))
    assert layout_problems((LANE,)) == []
    assert layout_problems((twice, backwards)) == [
        "lane 1: station gate is named twice",
        "lane 2: the first station must be of kind gate",
        "lane 2: the last station must be of kind exit",
    ]


def test_the_capture_a_car_was_recognised_by_stays_with_it() -> None:
    world = World()
    world.order("i1", car(1))
    world.sense("gate", True)
    world.capture("浙A00001")
    seq = len(world.records)
    world.settle()
    capture = world.book.inspections["i1"].capture
    assert capture is not None and (capture[0], capture[1].plate_text) == (seq, "浙A00001")
    assert world.book.lane("1").captures == []


def test_an_abort_recorded_after_the_verdict_changes_nothing() -> None:
    """The operator and the marshal may append at once; a vehicle that is judged must still find its exit."""
    world = World()
    vehicle = car(1)
    world.add(Ordered(vehicle=vehicle, business="periodic", ordered_by="clerk"), "i1")
    world.add(Arrived(lane="1"), "i1")
    world.add(Sensed(lane="1", station="exit", sensor="occupied", on=True))
    world.add(Moved(lane="1", station="exit"), "i1")
    world.add(Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64), "i1")
    world.add(Aborted(by="operator", reason="too late"), "i1")
    inspection = world.book.inspections["i1"]
    assert (inspection.phase, inspection.aborted, inspection.ended_at) == ("judged", None, None)
    assert outputs(LANE, world.book, {"i1": ()}, {})["exit", "barrier"].on
    world.add(Moved(lane="1", station=""), "i1")
    assert inspection.phase == "gone"


def test_a_second_capture_of_a_car_without_plate_is_nobody_elses() -> None:
    """The camera looks again at the car that stands at the gate; the next one without plate still waits."""
    world = World()
    for name, number in (("i1", 1), ("i2", 2)):
        world.add(Ordered(vehicle=car(number, plated=False), business="registration", ordered_by="c"), name)
    capture = Captured(lane="1", station="gate", device="camera-1", plate_text="")
    world.add(Sensed(lane="1", station="gate", sensor="occupied", on=True))
    world.add(capture)
    world.add(Arrived(lane="1", capture_seq=len(world.records), how="no_plate"), "i1")
    world.add(Moved(lane="1", station="gate"), "i1")
    world.add(capture)
    world.add(Sensed(lane="1", station="exterior", sensor="occupied", on=True))
    world.add(Moved(lane="1", station="exterior"), "i1")
    assert [step for step in steps(LANE, world.book, {}) if isinstance(step, Arrive)] == []


def test_a_parking_brake_on_no_axle_is_measured_on_the_last_one() -> None:
    """An order from before the node refused such papers must not stop the whole lane."""
    world = World()
    vehicle = msgspec.structs.replace(car(1), parking_axles=())
    world.add(Ordered(vehicle=vehicle, business="periodic", ordered_by="clerk"), "i1")
    world.add(Arrived(lane="1"), "i1")
    world.add(Moved(lane="1", station="brake"), "i1")
    world.add(Sensed(lane="1", station="brake", sensor="axle", on=True))
    world.add(Sensed(lane="1", station="brake", sensor="beyond", on=True))
    (due,) = steps(LANE, world.book, {"i1": ("B0",)})
    assert isinstance(due, Measure) and (due.item, due.axle) == ("W2", 2)  # its rate is of the whole weight
    world.add(
        AxleWeighed(
            lane="1", station="brake", device="s", axle=2, left_kg=Decimal(300), right_kg=Decimal(300)
        ),
        "i1",
    )
    (due,) = steps(LANE, world.book, {"i1": ("B0",)})
    assert isinstance(due, Measure) and (due.item, due.axle) == ("B0", 2)


def test_an_aborted_car_is_sent_on_from_every_station_and_measured_nowhere() -> None:
    for number, kind in enumerate(KINDS):
        world = World()
        world.add(Ordered(vehicle=car(1), business="periodic", ordered_by="clerk"), "i1")
        world.add(Arrived(lane="1"), "i1")
        world.add(Sensed(lane="1", station=kind, sensor="occupied", on=True))
        world.add(Moved(lane="1", station=kind), "i1")
        world.add(ItemStarted(lane="1", station=kind, item="A1", device="d"), "i1")
        world.add(Aborted(by="operator", reason="it leaks"), "i1")
        wanted = outputs(LANE, world.book, {"i1": ITEMS}, {})
        leads = "barrier" if kind in ("gate", "exit") else "light"
        assert [place for place, goal in wanted.items() if goal.on] == [(kind, leads)]
        assert list(steps(LANE, world.book, {"i1": ITEMS})) == []
        world.add(Sensed(lane="1", station=kind, sensor="occupied", on=False))
        if number + 1 < len(KINDS):
            world.add(Sensed(lane="1", station=KINDS[number + 1], sensor="occupied", on=True))
        (move,) = steps(LANE, world.book, {"i1": ITEMS})
        assert isinstance(move, Move)


def test_a_vehicle_at_the_gate_without_any_capture_is_told_after_a_while() -> None:
    world = World()
    world.sense("gate", True)
    since = world.book.lane("1").occupied_at["gate"]
    assert uncaptured(LANE, world.book, since + timedelta(seconds=15)) is None
    assert uncaptured(LANE, world.book, since + timedelta(seconds=16)) == since
    world.capture("浙A12345")
    assert uncaptured(LANE, world.book, since + timedelta(seconds=16)) is None, "another alarm speaks of it"
    world.sense("gate", False)
    assert uncaptured(LANE, world.book, since + timedelta(seconds=60)) is None


def test_an_order_that_comes_again_and_news_of_an_ended_visit_change_nothing() -> None:
    world = World()
    world.order("i1", car(1))
    world.order("i1", car(2))
    assert world.book.inspections["i1"].vehicle == car(1)
    world.add(Aborted(by="operator", reason="left"), "i1")
    world.add(Checked(item="01", result="pass", officer="o"), "i1")
    assert world.book.inspections["i1"].phase == "aborted"
    world.add(Ordered(vehicle=car(3), business="periodic", ordered_by="c"))
    assert list(world.book.inspections) == ["i1"], "an order of no inspection opens none"

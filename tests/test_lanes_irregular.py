"""What is not as it should be on a lane: each irregularity told in both languages, until an act mends it."""

import re
import string
from datetime import timedelta

import msgspec
import pytest

from lanes.flow import Measure, Move, outputs, steps
from lanes.irregular import Irregular, elapsed_level, irregular, name_of
from lanes.irregular_words import SAYS
from lanes.presence import doubtful
from lanes.record import (
    Aborted,
    Arrived,
    Captured,
    Checked,
    Corrected,
    Held,
    ItemFailed,
    Judged,
    Moved,
    Repeated,
    Resumed,
    Sensed,
    Switched,
    Withdrawn,
)
from lanes.vehicle import Plate
from tests.line_parts import ITEMS, LANE, World, car

VERDICT = Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64)


def found(world: World, after_s: float = 0) -> dict[str, Irregular]:
    """Irregularities by code and station, ``after_s`` from now."""
    told = list(irregular(LANE, world.book, world.instruments(), world.now + timedelta(seconds=after_s)))
    codes = {f"{each.code} {each.station}": each for each in told}
    assert len(codes) == len(told), "each is told once"
    return codes


def at(station: str, *, light: bool = False) -> World:
    """A vehicle booked at a station of an otherwise empty lane; ``light``: it has green."""
    world = World()
    world.order("i1", car(1))
    world.add(Arrived(lane="1"), "i1")
    world.sense(station, True)
    world.add(Moved(lane="1", station=station), "i1")
    if light:
        lead = "barrier" if station in ("gate", "exit") else "light"
        world.add(Switched(lane="1", station=station, actuator=lead, on=True))
        world.coils[station, lead] = True
    return world


def follow(world: World, station: str, number: int = 2) -> str:
    """A second vehicle booked at another station."""
    name = f"i{number}"
    world.order(name, car(number))
    world.add(Arrived(lane="1"), name)
    world.sense(station, True)
    world.add(Moved(lane="1", station=station), name)
    return name


def moves(world: World) -> list[Move]:
    return [step for step in steps(LANE, world.book, world.instruments()) if isinstance(step, Move)]


def measures(world: World) -> list[Measure]:
    return [step for step in steps(LANE, world.book, world.instruments()) if isinstance(step, Measure)]


def greens(world: World, done: frozenset[str] = frozenset({"exterior"})) -> list[tuple[str, str]]:
    wanted = outputs(LANE, world.book, {}, dict.fromkeys(world.book.inspections, done))
    return [place for place, goal in wanted.items() if goal.on]


def test_the_words_of_every_irregularity_are_whole_and_name_their_acts() -> None:
    for code, says in SAYS.items():
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (says.zh, says.en)
        ]
        assert fields[0] == fields[1], code
        assert re.search(r"[\u4e00-\u9fff]", says.zh) and not re.search(r"[\u4e00-\u9fff]", says.en), code
        assert all(act in says.zh for act in says.acts[:1]), code


def test_an_orderly_lane_has_none() -> None:
    world = at("exterior")
    assert found(world, 60) == {}
    world.sense("exterior", False)
    world.sense("brake", True)
    world.settle()
    assert found(world, 60) == {}


# ---- the gate ------------------------------------------------------------------------------------


def test_a_stranger_at_the_gate_with_and_without_a_likely_misreading() -> None:
    world = World()
    world.order("i1", msgspec.structs.replace(car(1), plate=Plate(hpzl="02", hphm="浙A8B012")))
    world.sense("gate", True)
    world.capture("京B99999")
    told = found(world)["unmatched gate"]
    assert told.zh.startswith("一 道 gate：") is False and told.zh.startswith(
        "1 道 gate：车辆 京B99999 没有受理记录"
    )
    assert told.en.startswith("lane 1, gate: no order for the vehicle at the gate (京B99999): correct")
    assert (told.acts, told.candidates) == (("correct", "admit", "walk-in"), ())
    world.capture("浙A88O12")
    told = found(world)["unmatched gate"]
    assert "可能是 浙A8B012" in told.zh and "perhaps 浙A8B012" in told.en
    assert told.candidates == ("i1",)
    world.capture("")
    assert "(no plate)" in found(world)["unmatched gate"].en and "无号牌" in found(world)["unmatched gate"].zh


def test_one_number_of_several_kinds_at_the_gate() -> None:
    world = World()
    for name, hpzl in (("i1", "01"), ("i2", "02")):
        world.order(name, msgspec.structs.replace(car(1), plate=Plate(hpzl=hpzl, hphm="浙A00001")))
    world.sense("gate", True)
    seq = world.capture("浙A00001")
    assert found(world)["ambiguous gate"].candidates == ("i1", "i2")
    world.add(
        Corrected(lane="1", capture_seq=seq, plate_text="浙A00001", hpzl="01", by="op", reason="yellow")
    )
    assert found(world) == {}


def test_a_held_vehicle_at_the_gate() -> None:
    world = World()
    world.order("i1", car(1))
    world.add(Held(by="op", reason="fee not paid"), "i1")
    world.sense("gate", True)
    world.capture("浙A00001")
    assert "fee not paid" in found(world)["held_at_gate gate"].en
    world.add(Resumed(by="op"), "i1")
    assert found(world) == {}


def test_no_capture_at_all() -> None:
    world = World()
    world.sense("gate", True)
    assert found(world, 15) == {}
    assert found(world, 16)["uncaptured gate"].acts == ("admit", "walk-in")


# ---- tail-gating and two at once -----------------------------------------------------------------


def enter(world: World) -> None:
    """The first vehicle drives from the gate to the exterior station, as it may."""
    world.order("i1", car(1))
    world.sense("gate", True)
    world.capture("浙A00001")
    world.settle()
    assert world.coils["gate", "barrier"]


def test_the_barrier_comes_down_behind_a_vehicle_and_a_follower_stays_out() -> None:
    world = World()
    enter(world)
    world.sense("gate", False)
    world.settle()
    assert not world.coils["gate", "barrier"], "before it has reached the next station"
    world.sense("gate", True)
    world.settle()
    assert not world.coils["gate", "barrier"]
    assert doubtful(LANE, world.book) == {"gate"}, "perhaps it came back"
    world.sense("exterior", True)
    world.settle()
    assert world.book.inspections["i1"].station == "exterior"
    assert doubtful(LANE, world.book) == frozenset()
    assert not world.coils["gate", "barrier"]


def test_a_second_vehicle_under_the_open_barrier_is_told_and_what_it_may_have_entered_stands_still() -> None:
    world = World()
    enter(world)
    world.sense("exterior", True)
    world.settle()
    world.sense("gate", False)
    world.sense("gate", True)  # before the barrier has come down
    world.settle()
    assert world.coils["gate", "barrier"], "it is under it"
    assert found(world)["tailgate gate"].acts == ("admit",)
    world.add(Checked(item="01", result="pass", officer="o"), "i1")
    world.settle()
    assert world.coils["exterior", "light"]
    world.sense("gate", False)
    world.settle()
    assert not world.coils["exterior", "light"], "two on one station"
    assert found(world)["crowded exterior"].acts == ("moved", "withdrawn")
    world.add(Moved(lane="1", station="exterior", by="op", reason="the second was sent back"), "i1")
    world.settle()
    assert found(world) == {} and world.coils["exterior", "light"]


def test_a_recognised_vehicle_that_follows_under_the_barrier_is_with_the_other() -> None:
    world = World()
    enter(world)
    world.sense("exterior", True)
    world.settle()
    world.sense("gate", False)
    world.sense("gate", True)
    world.order("i2", car(2))
    world.capture("浙A00002")
    world.settle()
    assert world.book.inspections["i2"].station == "gate"
    assert world.coils["gate", "barrier"], "it is under it, though the station is occupied"
    world.sense("gate", False)
    world.settle()
    assert set(found(world)) == {"crowded exterior"}
    assert set(found(world, 60)) == {"crowded exterior", "vanished gate"}
    world.add(Withdrawn(lane="1", by="op", reason="it reversed out"), "i2")
    assert found(world) == {}


def test_a_red_light_is_no_barrier_and_a_closed_barrier_is_none_to_pass() -> None:
    world = at("brake")
    follow(world, "exterior")
    world.sense("exterior", False)
    assert set(found(world)) == {"crowded brake"}
    world = at("exterior")
    follow(world, "gate")
    world.sense("gate", False)
    assert found(world) == {}, "the barrier was down"


def test_the_end_of_a_vehicle_that_never_goes_is_a_second_one_or_a_stuck_sensor() -> None:
    world = at("exterior", light=True)
    world.sense("brake", True)
    world.settle()
    assert world.book.inspections["i1"].station == "brake"
    since = (world.now - world.state.tails["exterior"]).total_seconds()
    assert found(world, 30 - since) == {}
    assert set(found(world, 31 - since)) == {"tail exterior"}
    world.sense("exterior", False)
    assert found(world, 31) == {}


def test_what_passed_a_red_light_behind_a_vehicle_may_be_with_it_now() -> None:
    world = at("brake")
    world.sense("exterior", True)
    assert set(found(world, 6)) == {"unknown exterior"}
    world.sense("exterior", False)
    assert set(found(world)) == {"crowded brake"}
    world = at("exterior", light=True)
    world.sense("brake", True)
    world.settle()
    world.sense("exterior", False, after_s=40)
    assert set(found(world)) == {"crowded brake"}, "the end of a vehicle is not so long"


def test_a_vehicle_at_a_station_where_nobody_is_booked() -> None:
    world = World()
    world.sense("brake", True)
    assert found(world, 5) == {}
    assert set(found(world, 6)) == {"unknown brake"}
    world.sense("brake", False)
    world.sense("brake", True, "axle")
    assert set(found(world)) == {"unknown brake"}, "rollers without a vehicle: a sensor is stuck"


def test_a_vehicle_at_red_does_not_move_to_where_somebody_else_drove() -> None:
    """The next station is occupied by a vehicle that came from elsewhere, or its sensor is stuck."""
    world = at("exterior")
    world.sense("brake", True)
    assert moves(world) == []
    assert set(found(world, 6)) == {"unknown brake"}
    world.sense("exterior", False)
    (move,) = moves(world)
    assert move.station == "brake", "it is not here any more: it ran the red light"


def test_a_vehicle_with_green_moves_though_its_end_is_still_here() -> None:
    world = at("exterior", light=True)
    world.sense("brake", True)
    world.add(Switched(lane="1", station="exterior", actuator="light", on=False))
    (move,) = moves(world)
    assert move.station == "brake"


# ---- reversing and leaving -----------------------------------------------------------------------


def test_a_vehicle_that_leaves_backwards_through_the_gate() -> None:
    world = at("exterior")
    world.sense("exterior", False)
    world.sense("gate", True)
    assert found(world, 8) == {}
    assert set(found(world, 16)) == {"backwards exterior", "uncaptured gate"}
    assert greens(world) == [], "the barrier is down: it opens by the operator's word"
    world.sense("gate", False)
    assert set(found(world, 16)) == {"vanished exterior"}
    world.add(Withdrawn(lane="1", by="op", reason="it does not start"), "i1")
    assert found(world, 16) == {}
    assert world.book.inspections["i1"].phase == "waiting"


def test_a_vehicle_that_reverses_from_the_gate_is_not_let_in_when_another_comes() -> None:
    world = at("gate", light=True)
    world.sense("gate", False)
    world.settle()
    world.order("i2", car(2))
    world.sense("gate", True)
    assert greens(world) == []
    assert set(found(world)) == {"strange gate"}
    world.capture("浙A00002")
    assert greens(world) == [] and set(found(world)) == {"strange gate"}
    world.capture("浙A00001")
    assert found(world) == {} and greens(world) == [("gate", "barrier")], "it was the same"


def test_a_vehicle_without_plate_that_came_back_is_confirmed_by_the_operator() -> None:
    world = World()
    world.order("i1", car(1, plated=False))
    world.add(Arrived(lane="1"), "i1")
    world.sense("brake", True)
    world.sense("brake", True, "axle")
    world.add(Moved(lane="1", station="brake"), "i1")
    assert len(measures(world)) == 1
    world.sense("brake", False)
    world.sense("brake", True, after_s=2)
    assert measures(world) == [] and set(found(world)) == {"strange brake"}
    world.capture("浙A00009", station="brake")
    assert set(found(world)) == {"strange brake"}, "a plate says nothing of who has none"
    world.add(Moved(lane="1", station="brake", by="op", reason="it rolled back"), "i1")
    assert found(world) == {} and len(measures(world)) == 1


def test_a_short_flicker_is_the_same_vehicle() -> None:
    world = at("brake")
    world.sense("brake", False)
    world.sense("brake", True, after_s=1.9)
    assert found(world) == {}


def test_a_vehicle_that_is_not_judged_does_not_leave_by_a_sensor_alone() -> None:
    world = at("exit")
    world.sense("exit", False)
    assert moves(world) == [] and set(found(world, 11)) == {"vanished exit"}
    world.add(VERDICT, "i1")
    (move,) = moves(world)
    assert move.station == ""
    world = at("exit", light=True)
    world.sense("exit", False)
    assert len(moves(world)) == 1, "its barrier was open"


def test_a_judged_vehicle_that_was_withdrawn_has_left_for_good() -> None:
    world = at("exit")
    world.add(VERDICT, "i1")
    world.add(Withdrawn(lane="1", by="op", reason="through the workshop's door"), "i1")
    inspection = world.book.inspections["i1"]
    assert (inspection.phase, inspection.ending, world.state.at) == ("gone", "left", {})
    world = at("brake")
    world.add(Aborted(by="op", reason="it leaks"), "i1")
    ended = world.book.inspections["i1"].ended_at
    world.add(Withdrawn(lane="1", by="op", reason="towed"), "i1")
    inspection = world.book.inspections["i1"]
    assert (inspection.phase, inspection.ended_at, world.state.at) == ("aborted", ended, {})


# ---- the wrong vehicle ---------------------------------------------------------------------------


def test_another_plate_at_a_station_stops_it_until_somebody_has_looked() -> None:
    world = at("brake")
    world.sense("brake", True, "axle")
    world.capture("浙A00001", station="brake")
    assert found(world) == {} and len(measures(world)) == 1
    world.capture("浙AOOOO1", station="brake")
    assert found(world) == {}, "look-alikes"
    seq = world.capture("京B77777", station="brake")
    told = found(world)["another brake"]
    assert "京B77777" in told.zh and "浙A00001" in told.zh and told.inspection == "i1"
    assert measures(world) == [] and greens(world) == []
    world.add(Corrected(lane="1", capture_seq=seq, plate_text="浙A00001", by="op", reason="dirt on it"))
    assert found(world) == {} and len(measures(world)) == 1


def test_an_operator_s_word_goes_before_what_a_camera_read_earlier() -> None:
    world = at("brake")
    world.capture("京B77777", station="brake")
    assert set(found(world)) == {"another brake"}
    world.add(Moved(lane="1", station="brake", by="op", reason="the plate of a trailer"), "i1")
    assert found(world) == {}


def test_what_was_read_of_the_vehicle_before_is_nothing_of_this_one() -> None:
    world = World()
    world.capture("京B77777", station="brake")
    world.order("i1", car(1))
    world.add(Arrived(lane="1"), "i1")
    world.add(Sensed(lane="1", station="brake", sensor="occupied", on=True), after_s=31)
    world.add(Moved(lane="1", station="brake"), "i1")
    assert found(world) == {}
    assert world.state.witness["brake"].text == "京B77777"
    world.add(Sensed(lane="1", station="sideslip", sensor="occupied", on=True))
    world.add(Moved(lane="1", station="sideslip"), "i1")
    assert "brake" not in world.state.witness


def test_a_vehicle_that_no_sensor_sees_has_no_wrong_plate() -> None:
    world = World()
    world.order("i1", car(1))
    world.add(Arrived(lane="1"), "i1")
    world.add(Moved(lane="1", station="brake"), "i1")
    world.capture("京B77777", station="brake")
    assert doubtful(LANE, world.book) == frozenset()
    assert found(world, 60) == {}, "nor has it vanished: nothing has changed since it was booked"


def test_a_vehicle_that_was_booked_back_and_left_again_has_vanished() -> None:
    world = at("brake")
    world.sense("brake", False)
    world.sense("sideslip", True)
    world.add(Moved(lane="1", station="sideslip"), "i1")
    world.sense("sideslip", False)
    world.sense("brake", True, "axle")  # it rolled back, and the other sensor fails
    world.add(Moved(lane="1", station="brake", by="op", reason="it rolled back"), "i1")
    assert found(world, 60) == {}
    world.sense("brake", False, "axle")
    gone = world.now
    world.sense("brake", False, "axle", after_s=3)  # told again: nothing has changed
    assert found(world, 7) == {}
    told = found(world, 8)
    assert {code: each.at for code, each in told.items()} == {"vanished brake": gone}


# ---- time, held, stopped -------------------------------------------------------------------------


def test_who_stands_too_long_and_who_is_late() -> None:
    world = at("exterior")
    inspection = world.book.inspections["i1"]
    entered = inspection.stays[-1].entered.at
    assert inspection.arrived_at is not None

    def told(now_s: int) -> set[str]:
        return set(irregular_codes(world, now_s))

    def irregular_codes(world: World, now_s: int) -> list[str]:
        now = entered + timedelta(seconds=now_s)
        return [each.code for each in irregular(LANE, world.book, {}, now)]

    assert told(300) == set() and told(301) == {"slow"}
    assert told(898) == {"slow"} and told(899) == {"slow", "late"}
    assert [elapsed_level(LANE, entered, entered + timedelta(seconds=s)) for s in (719, 720, 900, 901)] == [
        "ok",
        "warn",
        "warn",
        "late",
    ]


def test_a_stopped_item_and_a_held_inspection_are_told_until_they_go_on() -> None:
    world = at("brake")
    world.sense("brake", True, "axle")
    world.add(ItemFailed(lane="1", station="brake", item="W1", device="d", why="smoke", by="op"), "i1")
    world.add(Held(by="op", reason="the fire brigade"), "i1")
    told = found(world)
    assert set(told) == {"stopped brake", "held brake"}
    assert "W1" in told["stopped brake"].zh and "the fire brigade" in told["held brake"].zh
    assert measures(world) == []
    wanted = outputs(LANE, world.book, {"i1": ITEMS}, {})
    assert wanted["brake", "light"].why == "held" and not wanted["brake", "advance"].on
    world.add(Resumed(by="op"), "i1")
    assert measures(world) == [], "nothing begins by itself after somebody stopped"
    world.add(Repeated(items=("W1",), officer="op", reason="no fire"), "i1")
    assert found(world) == {} and [step.item for step in measures(world)] == ["W1"]
    world.add(Aborted(by="op", reason="r"), "i1")
    world.add(Held(by="op", reason="r"), "i1")
    assert found(world) == {}, "what is aborted only leaves"


def test_a_vehicle_is_called_by_its_plate_or_else_its_vin() -> None:
    world = World()
    world.order("i1", car(1))
    world.order("i2", car(2, plated=False))
    names = [name_of(each) for each in world.book.inspections.values()]
    assert names == ["浙A00001", "LTEST1A27R0000002"]


@pytest.mark.parametrize("level", [True, False])
def test_a_level_that_is_told_again_changes_nothing(level: bool) -> None:
    world = at("brake")
    world.sense("brake", level)
    before = (world.state.changed["brake"], dict(world.state.let_in))
    world.sense("brake", level)
    assert (world.state.changed["brake"], dict(world.state.let_in)) == before


def test_corrections_touch_their_own_capture_only() -> None:
    world = at("brake")
    seq = world.capture("京B77777", station="brake")
    world.add(Captured(lane="1", station="gate", device="cam", plate_text="京C11111"))
    world.add(Corrected(lane="1", capture_seq=seq + 99, plate_text="浙A00001", by="op", reason="r"))
    assert world.state.witness["brake"].text == "京B77777"
    world.add(Corrected(lane="1", capture_seq=seq + 1, plate_text="", by="op", reason="none there"))
    assert [(each.text, each.hpzl) for each in world.state.captures[-1:]] == [("", "")]

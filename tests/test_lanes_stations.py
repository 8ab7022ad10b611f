"""Stations of every kind and of several roles: what is due where, with which axle, how long at least."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanes.book import AXLE_GAP_MS
from lanes.flow import Measure, ending, outputs, steps
from lanes.irregular import irregular
from lanes.layout import (
    OUTPUTS,
    ROLES,
    SENSORS,
    WORK,
    Lane,
    LeastSeconds,
    Role,
    Station,
    StationKind,
    Title,
    layout_problems,
    role_of,
)
from lanes.moments import Moment
from lanes.presence import axle_on, driven_axle
from lanes.record import (
    Arrived,
    AxleWeighed,
    Checked,
    DeviceChanged,
    ItemEnded,
    ItemFailed,
    ItemStarted,
    Judged,
    Moved,
    Ordered,
    Positioned,
    Sensed,
    Signed,
    Switched,
)
from lanes.stages import staged
from lanes.vehicle import Vehicle
from tests.line_parts import LANE, World, car, measured

TITLE = Title(zh="位", en="place")


def lane_of(*kinds: StationKind, roles: tuple[Role, ...] = (), least: LeastSeconds | None = None) -> Lane:
    """Gate, one station a kind, exit; ``roles``: of the first of them."""
    inner = [
        Station(name=kind, kind=kind, title=TITLE, roles=roles if n == 0 else ())
        for n, kind in enumerate(kinds)
    ]
    gate, out = (Station(name=kind, kind=kind, title=TITLE) for kind in ("gate", "exit"))  # type: ignore[arg-type]
    return Lane(name="1", title=TITLE, stations=(gate, *inner, out), least_s=least)


def standing(lane: Lane, station: str, items: tuple[str, ...], vehicle: Vehicle | None = None) -> World:
    """A world in which a vehicle stands at a station."""
    world = World(lane, items)
    world.order("i1", vehicle or car(1))
    world.add(Arrived(lane="1"), "i1")
    world.sense(station, True)
    world.add(Moved(lane="1", station=station), "i1")
    return world


def work_off(world: World) -> list[tuple[str, int]]:
    """Measures what is due until the vehicle would have to move; (item, axle) in order."""
    done = []
    while due := world.settle():
        (step,) = due
        done.append((step.item, step.axle))
        world.do(step)
    return done


def test_every_kind_of_station_is_in_the_table() -> None:
    assert SENSORS["brake"] == ("occupied", "axle", "beyond")
    assert SENSORS["speed"] == ("occupied", "axle")
    assert OUTPUTS["brake"] == OUTPUTS["sideslip"] == OUTPUTS["outline"] == ("light", "advance")
    assert OUTPUTS["mass"] == OUTPUTS["headlamp"] == OUTPUTS["chassis"] == ("light",)
    assert {role for roles in ROLES.values() for role in roles} == set(WORK)
    letters = [work.letter for work in WORK.values()]
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize(
    ("item", "role"),
    [
        ("B1", "brake"),
        ("B0", "brake"),
        ("W6", "weigh"),
        ("A1", "sideslip"),
        ("S1", "speed"),
        ("H4", "headlamp"),
        ("M1", "outline"),
        ("Z1", "mass"),
        ("L1", None),
        ("R1", None),
        ("01", None),
        ("DC", None),
        ("", None),
    ],
)
def test_an_item_is_measured_by_its_letter(item: str, role: str | None) -> None:
    assert role_of(item) == role


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("sideslip", ("A1",)),
        ("speed", ("S1",)),
        ("headlamp", ("H1", "H4")),
        ("outline", ("M1",)),
        ("mass", ("Z1",)),
    ],
)
def test_a_station_measures_the_items_of_its_kind_and_lets_go(
    kind: StationKind, items: tuple[str, ...]
) -> None:
    lane = lane_of(kind)
    world = standing(lane, kind, ("B1", *items, "R1"))
    assert not world.coils.get((kind, "light"), False)
    if kind == "speed":
        assert work_off(world) == []
        assert world.coils[kind, "advance"], "drive onto the rollers"
        world.sense(kind, True, "axle")
    assert work_off(world) == [(item, 1) for item in items]
    assert world.coils[kind, "light"]
    assert not world.coils.get((kind, "advance"), False)
    world.sense(kind, False)
    world.sense(kind, False, "axle")
    world.sense("exit", True)
    world.settle()
    assert world.book.inspections["i1"].station == "exit"


@pytest.mark.parametrize("kind", ["sideslip", "outline"])
def test_what_is_measured_in_passing_sends_the_vehicle_through_once_it_is_armed(kind: StationKind) -> None:
    item = {"sideslip": "A1", "outline": "M1"}[kind]
    world = standing(lane_of(kind), kind, (item,))
    (due,) = world.settle()
    assert not world.coils.get((kind, "advance"), False)
    world.add(ItemStarted(lane="1", station=kind, item=item, device="d"), "i1")
    world.settle()
    assert world.coils[kind, "advance"]
    world.add(measured(due), "i1")
    world.settle()
    assert not world.coils[kind, "advance"]


def test_nothing_is_measured_at_a_station_that_sees_nobody() -> None:
    world = standing(lane_of("mass"), "mass", ("Z1",))
    world.sense("mass", False)
    assert world.settle() == []


def test_a_brake_station_may_also_weigh_the_whole_and_do_the_speedometer() -> None:
    lane = lane_of("brake", roles=("brake", "speed", "weigh", "mass", "headlamp"))
    assert layout_problems((lane,)) == []
    assert lane.stations[1].work == ("mass", "headlamp", "weigh", "brake", "speed")
    assert lane.stations[1].sensors == ("occupied", "axle", "beyond")
    assert lane.stations[1].outputs == ("light", "advance")
    world = standing(lane, "brake", ("B1", "B2", "B0", "S1", "Z1", "H1"))
    assert work_off(world) == [("Z1", 1), ("H1", 1)]
    assert world.coils["brake", "advance"]
    world.sense("brake", True, "axle")
    assert work_off(world) == [("W1", 1), ("B1", 1), ("S1", 1)]
    world.sense("brake", False, "axle")
    world.sense("brake", True, "beyond")
    world.sense("brake", True, "axle")
    assert work_off(world) == [("W2", 2), ("B2", 2), ("B0", 2)]
    assert world.coils["brake", "light"]


def test_the_speedometer_is_turned_by_the_driven_axle() -> None:
    assert driven_axle(car(1)) == 1
    assert driven_axle(car(1, driven_axles=(2,))) == 2
    assert driven_axle(car(1, vehicle_class="H11", axles=3)) == 3
    assert driven_axle(car(1, vehicle_class="H11", axles=3, driven_axles=(2, 3))) == 2
    assert driven_axle(car(1, vehicle_class="M21")) == 2
    assert driven_axle(car(1, driven_axles=(5,))) == 2, "papers that name an axle it has not"


def test_a_parking_brake_is_measured_with_the_axle_that_it_holds() -> None:
    world = standing(lane_of("brake"), "brake", ("B1", "B2", "B0"), car(1, parking_axles=(1,)))
    world.sense("brake", True, "axle")
    assert work_off(world) == [("W1", 1), ("B1", 1), ("B0", 1)]


def test_parking_axles_that_the_vehicle_has_not_are_its_last_one() -> None:
    world = standing(lane_of("brake"), "brake", ("B0",), car(1, parking_axles=(4,)))
    world.sense("brake", True, "axle")
    assert work_off(world) == [("W1", 1)]
    world.sense("brake", True, "beyond")
    assert work_off(world) == [("W2", 2), ("B0", 2)]


def test_the_pit_waits_for_the_officer_s_own_checks() -> None:
    lane = lane_of("exterior", "chassis")
    assert lane.has("chassis") and not lane.has("brake")
    world = standing(lane, "chassis", ())
    wanted = outputs(lane, world.book, {}, {"i1": frozenset({"exterior"})})
    assert (wanted["chassis", "light"].on, wanted["chassis", "light"].why) == (
        False,
        "checks or photos missing",
    )
    assert outputs(lane, world.book, {}, {"i1": frozenset({"chassis"})})["chassis", "light"].on


def test_layout_problems_of_roles() -> None:
    twice = lane_of("brake", "mass", roles=("brake", "mass"))
    assert layout_problems((twice,)) == ["lane 1: role mass is named twice"]
    gate, *rest = LANE.stations
    wrong = Station(name="gate", kind="gate", title=TITLE, roles=("mass",))
    lane = Lane(name="1", title=TITLE, stations=(wrong, *rest))
    assert layout_problems((lane,)) == ["lane 1: station gate: roles: nothing is measured at kind gate"]
    assert gate.work == ()


# ---- axles ---------------------------------------------------------------------------------------


def drive_axle_on(world: World, axle: int) -> None:
    """The photocells as the axle before leaves the rollers and this one comes onto them."""
    world.sense("brake", False, "axle")
    world.sense("brake", axle > 1, "beyond")
    world.sense("brake", True, "axle")


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 6),
    st.sets(st.integers(0, 40), max_size=6),
    st.booleans(),
)
def test_every_axle_is_measured_once_whatever_the_restarts_while_it_stands(
    axles: int, restarts: set[int], flicker: bool
) -> None:
    items = (*(f"B{axle}" for axle in range(1, axles + 1)), "B0")
    vehicle = car(1, vehicle_class="H11", axles=axles, parking_axles=(axles,))
    world, done, beat = standing(lane_of("brake"), "brake", items, vehicle), [], 0
    for axle in range(1, axles + 1):
        world.settle()
        assert world.coils["brake", "advance"]
        drive_axle_on(world, axle)
        while due := world.settle():
            beat += 1
            if beat in restarts:
                world.restart()
                continue
            if flicker:
                world.sense("brake", False, "axle")
                world.sense("brake", True, "axle")
            (step,) = due
            done.append((step.item, step.axle))
            world.do(step)
    assert done == [
        each
        for axle in range(1, axles + 1)
        for each in ((f"W{axle}", axle), (f"B{axle}", axle), *((("B0", axle),) if axle == axles else ()))
    ]
    assert world.coils["brake", "light"]


def truck_between_axles(axle: int = 2) -> World:
    """A vehicle of three axles that has been told to drive on from an axle."""
    vehicle = car(1, vehicle_class="H11", axles=3, parking_axles=(3,))
    world = standing(lane_of("brake"), "brake", ("B1", "B2", "B3"), vehicle)
    for each in range(1, axle + 1):
        world.settle()
        drive_axle_on(world, each)
        work_off(world)
    assert world.coils["brake", "advance"]
    return world


def axle_alarms(world: World) -> list[tuple[str, str]]:
    found = irregular(world.lane, world.book, world.instruments(), world.now)
    return [(each.code, each.station) for each in found if each.code in ("axle", "overshot")]


@pytest.mark.parametrize("how", ["restart", "module lost"])
def test_axles_that_may_have_passed_unseen_ask_for_the_operator(how: str) -> None:
    """The agent is killed, or its I/O module lost, while the vehicle drives on: it may be at any axle."""
    world = truck_between_axles()
    if how == "restart":
        world.restart()
    else:
        world.add(DeviceChanged(device="camera-1", state="lost"))
        assert axle_alarms(world) == [], "another device sees no axle"
        world.add(DeviceChanged(device="io-1", state="ok"))
        assert axle_alarms(world) == []
        world.add(DeviceChanged(device="io-1", state="lost"))
    assert world.settle() == []
    assert not world.coils["brake", "advance"], "it stands until somebody has looked"
    assert axle_alarms(world) == [("axle", "brake")]
    drive_axle_on(world, 3)
    assert world.settle() == [], "counted, but from a number that nobody knows"
    world.add(Positioned(lane="1", station="brake", axle=3, by="op", reason="seen"), "i1")
    assert axle_alarms(world) == []
    assert work_off(world) == [("W3", 3), ("B3", 3)]


def test_an_operator_says_which_axle_stood_last() -> None:
    world = truck_between_axles()
    world.restart()
    world.settle()
    world.sense("brake", False, "axle")
    world.add(Positioned(lane="1", station="brake", axle=2, by="op", reason="it has not moved"), "i1")
    world.settle()
    assert world.coils["brake", "advance"]
    drive_axle_on(world, 3)
    assert work_off(world) == [("W3", 3), ("B3", 3)]


def test_a_position_of_a_vehicle_that_is_not_there_changes_nothing() -> None:
    world = truck_between_axles()
    world.order("i2", car(2))
    world.add(Positioned(lane="1", station="brake", axle=1, by="op", reason="mistaken"), "i2")
    world.add(Positioned(lane="1", station="exit", axle=1, by="op", reason="mistaken"), "i1")
    assert world.state.axles["brake"].count == 2


def test_a_flicker_while_driving_is_no_axle() -> None:
    world = truck_between_axles()
    world.sense("brake", False, "axle")
    world.sense("brake", True, "axle", after_s=(AXLE_GAP_MS - 1) / 1000)
    assert world.state.axles["brake"].count == 2
    world.sense("brake", False, "axle")
    world.sense("brake", True, "axle", after_s=AXLE_GAP_MS / 1000)
    assert world.state.axles["brake"].count == 3


def test_more_axles_than_the_papers_have_are_an_alarm() -> None:
    world = truck_between_axles()
    for _ in range(2):
        world.sense("brake", False, "axle")
        world.add(Switched(lane="1", station="brake", actuator="advance", on=True))
        world.sense("brake", True, "axle")
    assert world.state.axles["brake"].count == 4
    assert axle_on(world.lane.stations[1], world.state, world.book.inspections["i1"].vehicle) is None
    assert axle_alarms(world) == [("axle", "brake")]


def test_a_vehicle_that_passed_an_axle_unmeasured_must_come_back() -> None:
    world = standing(lane_of("brake"), "brake", ("B1", "B2"))
    world.sense("brake", True, "beyond")
    world.sense("brake", True, "axle")
    assert work_off(world) == [("W2", 2), ("B2", 2)]
    assert axle_alarms(world) == [("overshot", "brake")]
    assert not world.coils.get(("brake", "light"), False)
    world.sense("brake", False, "beyond")
    assert work_off(world) == [("W1", 1), ("B1", 1)]
    assert axle_alarms(world) == []


def test_an_axle_that_is_on_the_rollers_before_it_was_booked_is_the_first() -> None:
    vehicle = car(1, vehicle_class="H11", axles=3)
    world = World(lane_of("brake"), ("B1",))
    world.order("i1", vehicle)
    world.add(Arrived(lane="1"), "i1")
    world.sense("brake", True)
    world.sense("brake", True, "axle")
    world.add(Moved(lane="1", station="brake"), "i1")
    assert work_off(world) == [("W1", 1), ("B1", 1)]


def test_an_axle_before_booking_with_the_body_beyond_may_be_any() -> None:
    world = World(lane_of("brake"), ("B1",))
    world.order("i1", car(1, vehicle_class="H11", axles=3))
    world.add(Arrived(lane="1"), "i1")
    for sensor in ("occupied", "axle", "beyond"):
        world.sense("brake", True, sensor)
    world.add(Moved(lane="1", station="brake"), "i1")
    assert world.settle() == []
    assert axle_alarms(world) == [("axle", "brake")]


@pytest.mark.parametrize(("kind", "wheels"), [("M21", (1, 1)), ("M14", (1, 2)), ("M15", (2, 2))])
def test_motorcycles_and_three_wheelers_are_led_by_axle_too(kind: str, wheels: tuple[int, int]) -> None:
    """What their axles have of wheels the instrument must say (lanes.measured.problem)."""
    world = standing(lane_of("brake"), "brake", ("B1", "B2"), car(1, vehicle_class=kind))
    drive_axle_on(world, 1)
    assert work_off(world) == [("W1", 1), ("B1", 1)]
    drive_axle_on(world, 2)
    assert work_off(world) == [("W2", 2), ("B2", 2)]


# ---- start and end of an item --------------------------------------------------------------------


def weighed() -> AxleWeighed:
    load = Decimal(300)
    return AxleWeighed(lane="1", station="brake", device="d", axle=1, left_kg=load, right_kg=load)


def test_an_item_ends_not_before_its_least_time_and_the_next_waits_for_it() -> None:
    lane = lane_of("brake", least=LeastSeconds(weigh=20, brake=30))
    assert (lane.least_ms("W1"), lane.least_ms("B0"), lane.least_ms("A1"), lane.least_ms("01")) == (
        20_000,
        30_000,
        0,
        0,
    )
    world = standing(lane, "brake", ("B1",))
    world.sense("brake", True, "axle")
    started = world.add(ItemStarted(lane="1", station="brake", item="W1", device="d"), "i1")
    began_ms = round(world.now_s * 1000)
    world.add(weighed(), "i1")
    inspection = world.book.inspections["i1"]
    assert inspection.running is None and inspection.unended is not None
    assert list(steps(lane, world.book, world.instruments())) == []
    wanted = outputs(lane, world.book, {"i1": ()}, {})["brake", "light"]
    assert (wanted.on, wanted.why) == (False, "its least time runs")

    def due(after_ms: int) -> list[tuple[str, ItemEnded]]:
        now = Moment(at=world.now, tick_ms=began_ms + after_ms)
        return [(key, body) for _, key, body in ending(lane, world.book, now)]

    assert due(19_999) == []
    ((key, body),) = due(20_000)
    assert key == f"W1/ended/{started}"
    assert (body.item, body.station, body.device, body.lasted_ms, body.least_ms) == (
        "W1",
        "brake",
        "d",
        20_000,
        20_000,
    )
    world.add(body, "i1")
    assert due(60_000) == []
    (step,) = steps(lane, world.book, world.instruments())
    assert isinstance(step, Measure) and step.item == "B1"


def test_an_item_that_was_measured_before_a_restart_still_ends_and_one_that_was_not_begins_anew() -> None:
    lane = lane_of("brake", least=LeastSeconds(weigh=20))
    world = standing(lane, "brake", ("B1",))
    world.sense("brake", True, "axle")
    world.add(ItemStarted(lane="1", station="brake", item="W1", device="d"), "i1")
    world.restart()
    assert world.book.inspections["i1"].started is None
    (step,) = steps(lane, world.book, world.instruments())
    assert isinstance(step, Measure) and step.item == "W1"
    world.add(ItemStarted(lane="1", station="brake", item="W1", device="d"), "i1")
    world.add(weighed(), "i1")
    world.restart()
    now = world.book.moment(world.now + timedelta(seconds=30), round(world.now_s * 1000) + 30_000)
    assert [body.item for _, _, body in ending(lane, world.book, now)] == ["W1"]


def test_moments_go_by_the_monotonic_clock_and_over_a_boot_by_the_walls() -> None:
    at = World().now
    one = Moment(at=at, tick_ms=5000, boot="a")
    assert Moment(at=at - timedelta(hours=1), tick_ms=7500, boot="a").since_ms(one) == 2500
    assert Moment(at=at + timedelta(seconds=9), tick_ms=7500, boot="b").since_ms(one) == 9000
    assert Moment(at=at + timedelta(seconds=9), tick_ms=10, boot="a").since_ms(one) == 9000
    assert Moment(at=at - timedelta(hours=1), tick_ms=10, boot="b").since_ms(one) == 0


def test_a_stopped_item_is_not_measured_and_a_late_reading_of_it_does_not_count() -> None:
    world = standing(lane_of("brake"), "brake", ("B1",))
    world.sense("brake", True, "axle")
    world.add(ItemStarted(lane="1", station="brake", item="W1", device="d"), "i1")
    stop = ItemFailed(lane="1", station="brake", item="W1", device="d", why="the driver waved", by="op")
    world.add(stop, "i1")
    world.add(weighed(), "i1")
    inspection = world.book.inspections["i1"]
    assert (inspection.halted, inspection.weights, inspection.running) == ({"W1"}, {}, None)
    assert list(steps(world.lane, world.book, world.instruments())) == []


def test_an_order_s_sensors_are_those_of_the_table() -> None:
    world = World()
    world.add(Ordered(vehicle=car(1), business="periodic", ordered_by="c"), "i1")
    world.add(Sensed(lane="1", station="brake", sensor="axle", on=True))
    assert not world.state.free("brake"), "an axle stands there, whatever the loop says"


def test_the_stages_of_a_visit_are_its_queue_stations_and_signing() -> None:
    world = World()
    world.order("i1", car(1))
    world.add(Arrived(lane="1"), "i1", after_s=60)
    world.add(Moved(lane="1", station="gate"), "i1", after_s=0)
    world.add(Moved(lane="1", station="exterior"), "i1", after_s=20)
    world.add(Checked(item="01", result="pass", officer="o"), "i1", after_s=30)
    world.add(Signed(officer="p", role="presenter"), "i1", after_s=5)
    world.add(Signed(officer="o"), "i1", after_s=5)
    now = Moment(at=world.now, tick_ms=round(world.now_s * 1000) + 2000)
    told = staged(world.book.inspections["i1"], 900, now)
    assert [(each.stage, each.lasted_ms, each.lane) for each in told.stages] == [
        ("queue", 60_000, ""),
        ("gate", 20_000, "1"),
        ("exterior", 42_000, "1"),
        ("signing", 10_000, ""),
    ]
    assert (told.whole_ms, told.target_ms) == (62_000, 900_000)


def test_a_signature_without_any_work_and_a_visit_that_never_arrived() -> None:
    world = World()
    world.order("i1", car(1))
    world.add(Signed(officer="o"), "i1")
    now = Moment(at=world.now, tick_ms=round(world.now_s * 1000))
    told = staged(world.book.inspections["i1"], 900, now)
    assert [(each.stage, each.lasted_ms) for each in told.stages] == [("queue", 1000)]
    assert told.whole_ms == 0


def test_the_exit_waits_for_the_least_time_of_the_lane() -> None:
    world = World()
    world.order("i1", car(1))
    world.add(Arrived(lane="1"), "i1")
    world.sense("exit", True)
    world.add(Moved(lane="1", station="exit"), "i1")
    world.add(Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64), "i1")
    early = outputs(LANE, world.book, {}, {}, frozenset({"i1"}))["exit", "barrier"]
    assert (early.on, early.why) == (False, "too early")
    assert outputs(LANE, world.book, {}, {})["exit", "barrier"].on


def test_a_lane_without_a_station_for_an_item_measures_it_nowhere() -> None:
    assert LANE.measuring("B1") is LANE.stations[2] and LANE.measuring("W1") is LANE.stations[2]
    assert LANE.measuring("Z1") is None and LANE.measuring("01") is None

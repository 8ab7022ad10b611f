"""Arrival by a scanned code: what it may admit, and whom never."""

import pytest

from lanes.arrivals import meant_in
from lanes.flow import Arrive, steps
from lanes.record import Moved, Switched
from tests.line_parts import LANE, World, car


def due(world: World) -> list[tuple[str, str, int | None, int | None]]:
    found = steps(LANE, world.book, {})
    return [(s.inspection, s.how, s.capture_seq, s.scan_seq) for s in found if isinstance(s, Arrive)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("LTEST1A27R0000001", "vin", "LTEST1A27R0000001"),
        ("浙A00001", "plate", "浙A00001"),
        ("0190f000-0000-7000-8000-000000000001", "inspection", "0190f000-0000-7000-8000-000000000001"),
        ("BK-2026-11", "booking", "BK-2026-11"),
    ],
)
def test_what_a_scan_means_for_who_waits(text: str, kind: str, value: str) -> None:
    assert (meant_in(text).kind, meant_in(text).text) == (kind, value)


def test_a_scan_at_the_gate_admits_whom_no_camera_has_seen() -> None:
    world = World()
    world.order("i-1", car(1))
    world.order("i-2", car(2))
    world.sense("gate", True)
    scan = world.scan(car(2).vin)
    assert due(world) == [("i-2", "scan", None, scan)]
    world.settle()
    assert world.book.inspections["i-2"].phase == "on_lane"
    assert world.book.lane("1").scans == []


def test_a_capture_goes_before_a_scan() -> None:
    world = World()
    world.order("i-1", car(1))
    world.order("i-2", car(2))
    world.sense("gate", True)
    capture = world.capture("浙A00001")
    world.scan(car(2).vin)
    assert due(world) == [("i-1", "plate", capture, None)]


def test_a_scan_settles_a_misread_plate_but_never_another_one() -> None:
    world = World()
    world.order("i-8", car(8))
    world.sense("gate", True)
    misread = world.capture("浙A0000B")
    assert due(world) == []
    scan = world.scan(car(8).vin)
    assert due(world) == [("i-8", "scan", misread, scan)]
    world.capture("浙A77777")
    assert due(world) == []  # another vehicle with these papers


def test_a_scan_before_the_vehicle_of_another_station_or_of_nobody_admits_nobody() -> None:
    world = World()
    world.order("i-1", car(1))
    world.scan(car(1).vin)
    assert due(world) == []  # nobody stands at the gate
    world.now_s += 60
    world.sense("gate", True)
    assert due(world) == []  # long before that vehicle came
    world.scan(car(1).vin, station="exterior")
    world.scan(car(3).vin)
    world.scan("hello")
    assert due(world) == []
    world.scan(car(1).vin)
    assert [each[0] for each in due(world)] == ["i-1"]


def test_who_follows_within_two_seconds_of_a_vehicle_that_is_booked_on_is_booked_too() -> None:
    world = World()
    for number in (1, 2):
        world.order(f"i-{number}", car(number))
    world.sense("gate", True)
    world.capture("浙A00001")
    world.settle()
    world.sense("gate", False)
    world.sense("exterior", True)
    world.settle()
    world.sense("gate", True)
    world.capture("浙A00002")
    world.settle()
    assert world.book.lane("1").at == {"exterior": "i-1", "gate": "i-2"}
    world.sense("exterior", False)
    world.sense("brake", True, after_s=0.1)
    world.add(Moved(lane="1", station="brake"), "i-1", after_s=0.1)
    world.add(Switched(lane="1", station="gate", actuator="barrier", on=True), after_s=0.1)
    world.sense("gate", False, after_s=0.1)
    world.sense("exterior", True, after_s=0.1)  # 0.5 s after it fell
    world.settle()
    assert world.book.lane("1").at == {"brake": "i-1", "exterior": "i-2"}

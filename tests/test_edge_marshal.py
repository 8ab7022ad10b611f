"""The marshal of a lane: red before green, measures again what cannot be judged, judges once."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from edge.marshal import LaneDevices, Marshal
from firmware_bridge.device import MeasureError, Tell
from lanes.record import (
    AnyBody,
    Arrived,
    AxleWeighed,
    Captured,
    ItemFailed,
    ItemStarted,
    Moved,
    Sensed,
    Switched,
)
from tests.edge_parts import Edge, edge_at, vehicle


class Board:
    """An I/O module that stands as it is told and remembers the order; ``stuck`` outputs refuse."""

    name = "io-1"
    source = "virtual+modbus://io-1"

    def __init__(self, **levels: bool) -> None:
        self.levels = dict.fromkeys(OUTPUTS, False)
        for place, on in levels.items():
            station, _, actuator = place.partition("_")
            self.levels[station, actuator] = on
        self.switched: list[tuple[str, str, bool]] = []
        self.stuck: set[tuple[str, str]] = set()

    async def run(self, tell: Tell) -> None:
        await asyncio.Event().wait()

    async def switch(self, station: str, actuator: str, on: bool) -> None:
        if (station, actuator) in self.stuck:
            raise MeasureError(f"{self.name}: {actuator} at {station} is stuck")
        self.levels[station, actuator] = on
        self.switched.append((station, actuator, on))

    def outputs(self) -> dict[tuple[str, str], bool]:
        return dict(self.levels)


OUTPUTS = (
    ("gate", "barrier"),
    ("exterior", "light"),
    ("brake", "light"),
    ("brake", "advance"),
    ("sideslip", "light"),
    ("sideslip", "advance"),
    ("exit", "barrier"),
)


class Scale:
    """A wheel-load scale that gives its readings in turn."""

    name = "wheels-1"
    source = "virtual+serial://wheels-1"

    def __init__(self, *loads: str) -> None:
        self.loads = list(loads)

    async def run(self, tell: Tell) -> None:
        await asyncio.Event().wait()

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AnyBody:
        load = Decimal(self.loads.pop(0))
        return AxleWeighed(
            lane=lane, station=station, device=self.name, axle=axle, left_kg=load, right_kg=load
        )


def marshal_of(edge: Edge, devices: LaneDevices) -> Marshal:
    return Marshal(edge.desk, edge.desk.site.lane("1"), devices, "run")


async def sense(edge: Edge, station: str, sensor: str, on: bool) -> None:
    body = Sensed(lane="1", station=station, sensor=sensor, on=on)
    await edge.desk.append("virtual+io", f"{station}-{sensor}-{on}-{edge.desk.book.seq}", body)


async def at_the_gate(edge: Edge) -> str:
    inspection = await edge.order()
    await sense(edge, "gate", "occupied", True)
    capture = Captured(lane="1", station="gate", device="camera-1", plate_text="浙A12345")
    await edge.desk.append("virtual+cam", "c1", capture)
    return inspection


def test_everything_turns_red_before_anything_turns_green(tmp_path: Path) -> None:
    """A stale green at the next station would lead the vehicle straight through it."""

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            board = Board(exterior_light=True, brake_light=True)
            marshal = marshal_of(edge, LaneDevices(switchboards=(board,)))
            await marshal._round()
            assert edge.desk.book.inspections[inspection].station == "gate"
            *reds, last = board.switched
            assert last == ("gate", "barrier", True)
            assert sorted(reds) == [("brake", "light", False), ("exterior", "light", False)]
            recorded = [r.body for r in edge.desk.journal.replay() if isinstance(r.body, Switched)]
            assert [(b.station, b.actuator, b.on) for b in recorded] == board.switched

    asyncio.run(use())


def test_nothing_turns_green_while_a_red_is_stuck(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            await at_the_gate(edge)
            board = Board(exterior_light=True)
            board.stuck = {("exterior", "light")}
            marshal = marshal_of(edge, LaneDevices(switchboards=(board,)))
            await marshal._round()
            assert board.switched == []
            board.stuck.clear()
            await marshal._round()
            assert board.switched == [("exterior", "light", False), ("gate", "barrier", True)]

    asyncio.run(use())


def test_two_lanes_of_one_run_record_their_switching_each(tmp_path: Path) -> None:
    """Stations are named alike on every lane: the keys of their records must not meet."""

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            boards = {lane.name: Board(brake_light=True) for lane in edge.desk.site.lanes}
            for lane in edge.desk.site.lanes:
                devices = LaneDevices(switchboards=(boards[lane.name],))
                await Marshal(edge.desk, lane, devices, "run")._round()
            recorded = [r.body.lane for r in edge.desk.journal.replay() if isinstance(r.body, Switched)]
            assert recorded == ["1", "2"]

    asyncio.run(use())


def test_arrival_and_first_station_are_one_commit(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            await at_the_gate(edge)
            groups: list[list[type]] = []
            edge.desk.journal.listen(lambda records: groups.append([type(r.body) for r in records]))
            await marshal_of(edge, LaneDevices())._round()
            assert [Arrived, Moved] in groups

    asyncio.run(use())


def test_a_reading_that_cannot_be_judged_is_measured_again(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            marshal = marshal_of(edge, LaneDevices(instruments={"weigh": Scale("0", "310.5")}))
            await marshal._round()
            moved = Moved(lane="1", station="brake")
            await edge.desk.append("virtual+agent", "m", moved, inspection)
            await sense(edge, "brake", "occupied", True)
            await sense(edge, "brake", "axle", True)
            for _ in range(2):
                marshal._not_before.clear()  # the pause before the second try is not waited for
                await marshal._round()
                await marshal._measuring["brake"][1]
            bodies = [r.body for r in edge.desk.journal.of_inspection(inspection)]
            kept = [body for body in bodies if isinstance(body, AxleWeighed)]
            assert [body.left_kg for body in kept] == [Decimal("310.5")]
            assert sum(isinstance(body, ItemStarted) for body in bodies) == 2
            (failed,) = [body for body in bodies if isinstance(body, ItemFailed)]
            assert failed.item == "W1" and failed.why
            assert edge.desk.book.inspections[inspection].failures == {}

    asyncio.run(use())


@pytest.mark.parametrize("must", ["1/brake", "2/brake"])
def test_an_item_says_whether_it_had_to_be_filmed(must: str, tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path, f'[video]\nmust = ["{must}"]\n') as edge:
            inspection = await at_the_gate(edge)
            marshal = marshal_of(edge, LaneDevices(instruments={"weigh": Scale("310.5")}))
            await marshal._round()
            await edge.desk.append("virtual+agent", "m", Moved(lane="1", station="brake"), inspection)
            await sense(edge, "brake", "axle", True)
            await marshal._round()
            await marshal._measuring["brake"][1]
            span = edge.desk.book.inspections[inspection].spans["W1"]
            assert span.to_film is (must == "1/brake")
            assert span.to_at is not None

    asyncio.run(use())


def test_an_instrument_that_is_not_there_is_named(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            marshal = marshal_of(edge, LaneDevices())
            await marshal._round()
            await edge.desk.append("virtual+agent", "m", Moved(lane="1", station="brake"), inspection)
            await sense(edge, "brake", "axle", True)
            await marshal._round()
            await marshal._measuring["brake"][1]
            _, failed = edge.desk.book.inspections[inspection].failures["W1"]
            assert failed.why == "lane 1 has no weigh instrument"

    asyncio.run(use())


def test_what_was_switched_and_not_recorded_is_recorded_later(tmp_path: Path) -> None:
    """Killed between a barrier's opening and its record: it must not close on the vehicle under it."""

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            board = Board(gate_barrier=True)
            marshal = marshal_of(edge, LaneDevices(switchboards=(board,)))
            await marshal._round()
            await sense(edge, "exterior", "occupied", True)
            await marshal._round()
            assert edge.desk.book.inspections[inspection].station == "exterior"
            assert board.levels["gate", "barrier"], "the tail of the vehicle is still under it"
            assert ("gate", "barrier", True) not in board.switched
            recorded = [r.body for r in edge.desk.journal.replay() if isinstance(r.body, Switched)]
            assert [(b.station, b.actuator, b.on) for b in recorded] == [("gate", "barrier", True)]
            await sense(edge, "gate", "occupied", False)
            await marshal._round()
            assert not board.levels["gate", "barrier"]

    asyncio.run(use())


def test_an_instrument_that_breaks_its_contract_is_told_and_not_asked_in_a_storm(tmp_path: Path) -> None:
    """Anything but a MeasureError is a defect: the loop falls with it and is started again after a pause."""

    class Broken(Scale):
        async def measure(self, lane: str, station: str, item: str, axle: int) -> AnyBody:
            raise ZeroDivisionError("a defect of the device")

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            marshal = marshal_of(edge, LaneDevices(instruments={"weigh": Broken()}))
            await marshal._round()
            await edge.desk.append("virtual+agent", "m", Moved(lane="1", station="brake"), inspection)
            await sense(edge, "brake", "axle", True)
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(marshal.run(), 30)
            bodies = [r.body for r in edge.desk.journal.of_inspection(inspection)]
            assert sum(isinstance(body, ItemStarted) for body in bodies) == 1
            await marshal._round()  # the loop is started again: the item is tried once more
            with pytest.raises(ZeroDivisionError):
                await marshal._measuring["brake"][1]

    asyncio.run(use())


def test_operator_and_marshal_never_book_two_vehicles_at_one_gate(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            first = await at_the_gate(edge)
            other = await edge.order("k2", vehicle=vehicle("LTEST1A27R0000002", "浙A22222"))
            post = {"key": "a1", "by": "operator-1", "reason": "misread", "inspection": other}
            answer, _ = await asyncio.gather(
                edge.client.post("/api/v1/lanes/1/admit", json=post),
                marshal_of(edge, LaneDevices())._round(),
            )
            arrived = [r.inspection for r in edge.desk.journal.replay() if isinstance(r.body, Arrived)]
            assert arrived == [other if answer.status_code == 201 else first]

    asyncio.run(use())

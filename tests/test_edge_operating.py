"""The operator's acts over HTTP and what the marshal makes of them, on a line of virtual devices."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from edge.marshal import LaneDevices, Marshal
from lanes.layout import LeastSeconds
from lanes.record import (
    AnyBody,
    AxleWeighed,
    Captured,
    Checked,
    ItemEnded,
    ItemFailed,
    ItemStarted,
    Judged,
    Moved,
    Record,
    Sensed,
    StagesTimed,
)
from tests.edge_parts import Edge, edge_at, vehicle
from tests.test_edge_api import assert_problem
from tests.test_edge_marshal import Board, Scale

Use = Callable[["Line"], Awaitable[None]]


class Slow(Scale):
    """A scale whose driver does not come: it measures until it is stopped."""

    stopped = False

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AnyBody:
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True
        raise AssertionError("it waits for ever")


class Line:
    """Lane 1 of a node with its marshal, sensors and outputs."""

    def __init__(self, edge: Edge, scale: Scale | None = None) -> None:
        self.edge, self.board = edge, Board()
        devices = LaneDevices(instruments={"weigh": scale} if scale else {}, switchboards=(self.board,))
        self.marshal = Marshal(edge.desk, edge.desk.site.lane("1"), devices, "run")
        self._count = 0

    async def told(self, body: AnyBody, inspection: str | None = None) -> None:
        self._count += 1
        await self.edge.desk.append("virtual+io", f"t{self._count}", body, inspection)

    async def sense(self, station: str, on: bool, sensor: str = "occupied") -> None:
        await self.told(Sensed(lane="1", station=station, sensor=sensor, on=on))

    async def capture(self, text: str, station: str = "gate") -> int:
        await self.told(Captured(lane="1", station=station, device="camera-1", plate_text=text))
        return self.edge.desk.book.seq

    async def round(self, count: int = 2) -> None:
        for _ in range(count):
            await self.marshal._round()

    async def until(self, seen: Callable[[], object]) -> None:
        """Rounds of the marshal until something is so; its instruments have their turns between."""
        for _ in range(500):
            if seen():
                return
            await self.round(1)
            await asyncio.sleep(0.01)
        raise AssertionError("it never came")

    async def at_gate(self, plate: str = "浙A12345") -> str:
        inspection = await self.edge.order()
        await self.sense("gate", True)
        await self.capture(plate)
        await self.round()
        return inspection

    async def standing(self, station: str) -> str:
        """A vehicle that has come in through the gate and stands at a station, as the sensors tell."""
        inspection = await self.at_gate()
        path = ["gate", "exterior", "brake", "sideslip", "exit"]
        for here, after in pairwise(path[: path.index(station) + 1]):
            await self.sense(here, False)
            await self.sense(after, True)
            await self.round()
        assert self.edge.desk.book.inspections[inspection].station == station
        return inspection

    async def act(self, inspection: str, key: str, **act: Any) -> httpx.Response:
        body = {"key": key, "by": "op-1", "act": act}
        return await self.edge.client.post(f"/api/v1/inspections/{inspection}/operator", json=body)

    async def alarms(self) -> dict[str, dict[str, Any]]:
        board = (await self.edge.client.get("/api/v1/board")).json()
        return {each["code"]: each for each in board["alarms"] if "code" in each}

    def records(self, *kinds: type) -> list[Record]:
        return [each for each in self.edge.desk.journal.replay() if isinstance(each.body, kinds)]

    def inspection(self, name: str) -> Any:
        return self.edge.desk.book.inspections[name]


def run(folder: Path, use: Use, scale: Scale | None = None) -> None:
    async def inside() -> None:
        async with edge_at(folder) as edge:
            await use(Line(edge, scale))

    asyncio.run(inside())


def test_the_queue_is_called_ranked_held_and_shown(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        first = await line.edge.order()
        booked = {"appointed_at": "2036-01-01T08:00:00+08:00", "booking": "B-17"}
        second = await line.edge.order("k2", vehicle=vehicle("LTEST1A27R0000002", "浙A22222"), **booked)
        for key, act in (
            ("a1", {"kind": "ranked", "priority": 2, "reason": "ambulance"}),
            ("a2", {"kind": "called", "lane": "2"}),
            ("a3", {"kind": "held", "reason": "papers"}),
        ):
            answer = await line.act(second, key, **act)
            assert answer.status_code == 201, answer.text
            again = await line.act(second, key, **act)
            assert (again.status_code, again.json()) == (200, answer.json())
            assert_problem(await line.act(first, key, **act), 409, "key-reused")
        waiting = (await line.edge.client.get("/api/v1/board")).json()["waiting"]
        assert [each["inspection"] for each in waiting] == [first, second]
        assert waiting[1] | {"vin": "", "business": ""} == {
            "inspection": second,
            "plate": "浙A22222",
            "hpzl": "02",
            "vin": "",
            "business": "",
            "called_to": "2",
            "priority": 2,
            "appointed_at": "2036-01-01T00:00:00+00:00",
            "held": "papers",
        }
        assert_problem(await line.act(second, "a4", kind="held", reason="again"), 409, "held")
        assert_problem(await line.act(second, "a5", kind="called", lane="9"), 422, "no-lane")
        assert (await line.act(second, "a6", kind="resumed")).status_code == 201
        assert_problem(await line.act(second, "a7", kind="resumed"), 409, "not-held")
        waiting = (await line.edge.client.get("/api/v1/board")).json()["waiting"]
        assert [each["inspection"] for each in waiting] == [second, first]
        for act in (
            {"kind": "withdrawn", "reason": "r"},
            {"kind": "moved", "station": "gate", "reason": "r"},
        ):
            assert_problem(await line.act(first, "b", **act), 409, "not-on-lane")
        assert_problem(await line.act(first, "b", kind="stopped", reason="r"), 409, "nothing-runs")
        assert_problem(await line.act("nobody", "b", kind="held", reason="r"), 404, "no-inspection")
        assert_problem(await line.act(first, "b", kind="held", reason=""), 422, "malformed")

    run(tmp_path, use)


def test_a_misread_plate_is_corrected_and_the_capture_stays(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.at_gate("浙AI2345")
        told = (await line.alarms())["unmatched"]
        assert told["candidates"] == [inspection] and "correct" in told["acts"]
        assert not line.board.levels["gate", "barrier"]
        seq = line.records(Captured)[0].seq
        post = {"key": "c1", "by": "op-1", "reason": "a 1", "plate_text": "浙a·12345"}
        answer = await line.edge.client.post(f"/api/v1/captures/{seq}/correct", json=post)
        assert answer.status_code == 201, answer.text
        again = await line.edge.client.post(f"/api/v1/captures/{seq}/correct", json=post)
        assert (again.status_code, again.json()) == (200, answer.json())
        await line.round()
        assert line.inspection(inspection).station == "gate" and line.board.levels["gate", "barrier"]
        assert line.inspection(inspection).capture[1].plate_text == "浙AI2345"
        assert "unmatched" not in await line.alarms()
        used = await line.edge.client.post(f"/api/v1/captures/{seq}/correct", json=post | {"key": "c2"})
        assert used.status_code in (201, 404), "of use only while somebody stands there"
        other = await line.edge.client.post("/api/v1/captures/1/correct", json=post | {"key": "c3"})
        assert_problem(other, 404, "no-capture")

    run(tmp_path, use)


def test_a_walk_in_is_ordered_at_the_gate(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        order = {"key": "w1", "vehicle": vehicle(), "business": "periodic", "ordered_by": "op-1"}
        post = {"order": order, "by": "op-1", "reason": "came without an order"}

        async def walk_in(lane: str = "1") -> httpx.Response:
            return await line.edge.client.post(f"/api/v1/lanes/{lane}/walk-in", json=post)

        assert_problem(await walk_in(), 409, "nobody-there")
        assert line.edge.desk.book.inspections == {}, "no order of nobody"
        assert_problem(await walk_in("9"), 422, "no-lane")
        await line.sense("gate", True)
        answer = await walk_in()
        assert answer.status_code == 201, answer.text
        assert line.inspection(answer.json()["inspection"]).station == "gate"
        again = await walk_in()
        assert (again.status_code, again.json()) == (200, answer.json())
        await line.round()
        assert line.board.levels["gate", "barrier"]

    run(tmp_path, use)


def test_a_running_item_is_stopped_and_measured_again_only_when_it_is_to_be(tmp_path: Path) -> None:
    scale = Slow("300")

    async def use(line: Line) -> None:
        inspection = await line.standing("brake")
        await line.sense("brake", True, "axle")
        await line.until(lambda: line.inspection(inspection).running)
        assert_problem(await line.act(inspection, "m", kind="withdrawn", reason="r"), 409, "running")
        stop = {"kind": "stopped", "reason": "the driver waved"}
        answer = await line.act(inspection, "s1", **stop)
        assert answer.status_code == 201
        await line.until(lambda: scale.stopped)
        (failed,) = line.records(ItemFailed)
        assert (failed.body.item, failed.body.by, failed.body.why) == ("W1", "op-1", "the driver waved")
        assert (await line.act(inspection, "s1", **stop)).json() == answer.json()
        await line.round()
        assert len(line.records(ItemStarted)) == 1, "it waits for a word"
        assert (await line.alarms())["stopped"]["acts"] == ["repeated", "abort"]
        line.marshal.devices = LaneDevices(instruments={"weigh": Scale("310")})
        again = await line.act(inspection, "r1", kind="repeated", items=["W1"], reason="all clear")
        assert again.status_code == 201, again.text
        await line.until(lambda: line.records(ItemEnded))
        assert line.inspection(inspection).weights[1][1].left_kg == 310
        assert "stopped" not in await line.alarms()
        (ended,) = line.records(ItemEnded)
        assert ended.body.item == "W1" and ended.body.lasted_ms >= 0
        assert_problem(await line.act(inspection, "s2", kind="stopped", reason="r"), 409, "nothing-runs")

    run(tmp_path, use, scale)


def test_a_re_test_keeps_both_readings_and_the_last_counts(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.standing("brake")
        await line.sense("brake", True, "axle")
        for n, load in enumerate((300, 320)):
            await line.until(lambda count=n + 1: len(line.records(ItemEnded)) == count)  # type: ignore[misc]
            assert line.inspection(inspection).weights[1][1].left_kg == load
            if n == 0:
                act = {"kind": "repeated", "items": ["W1"], "reason": "it rolled"}
                assert (await line.act(inspection, "r", **act)).status_code == 201
        assert [record.body.left_kg for record in line.records(AxleWeighed)] == [300, 320]

    run(tmp_path, use, Scale("300", "320"))


def test_a_vehicle_that_reversed_out_is_withdrawn_and_comes_again_on_another_lane(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.standing("brake")
        kg = Decimal(300)
        weighed = AxleWeighed(lane="1", station="brake", device="w", axle=1, left_kg=kg, right_kg=kg)
        await line.told(weighed, inspection)
        act = {"kind": "withdrawn", "reason": "to the other lane", "to": "2"}
        assert_problem(await line.act(inspection, "w", **act), 409, "stands-there")
        assert_problem(await line.act(inspection, "w", **act | {"to": "9"}), 422, "no-lane")
        await line.sense("brake", False)
        answer = await line.act(inspection, "w", **act)
        assert answer.status_code == 201, answer.text
        known = line.inspection(inspection)
        assert (known.phase, known.lane, known.called_to) == ("waiting", None, "2")
        page = await line.edge.detail(inspection)
        assert (page["phase"], page["station"]) == ("waiting", None)
        other = Marshal(line.edge.desk, line.edge.desk.site.lane("2"), LaneDevices(), "run")
        await line.told(Sensed(lane="2", station="gate", sensor="occupied", on=True))
        await line.told(Captured(lane="2", station="gate", device="camera-2", plate_text="浙A12345"))
        await other._round()
        assert (known.phase, known.lane, known.station) == ("on_lane", "2", "gate")
        assert list(known.weights) == [1], "what was measured stays"
        for station in ("exterior", "brake"):
            await line.told(Sensed(lane="2", station=known.station, sensor="occupied", on=False))
            await line.told(Sensed(lane="2", station=station, sensor="occupied", on=True))
            await other._round()
        assert (known.lane, known.station) == ("2", "brake"), "stations of the same names, once more"
        act = {"kind": "repeated", "items": ["W1"], "reason": "another scale"}
        assert (await line.act(inspection, "again", **act)).status_code == 201

    run(tmp_path, use)


def test_an_operator_withdraws_against_the_sensors_by_his_word(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.standing("exterior")
        act = {"kind": "withdrawn", "reason": "another stands there", "sure": True}
        assert (await line.act(inspection, "w", **act)).status_code == 201
        assert line.edge.desk.book.lane("1").at == {}

    run(tmp_path, use)


def test_the_wrong_vehicle_stands_still_until_the_operator_has_looked(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.standing("brake")
        await line.sense("brake", True, "axle")
        await line.capture("京B77777", station="brake")
        await line.round()
        assert line.records(ItemStarted) == []
        assert (await line.alarms())["another"]["inspection"] == inspection
        act = {"kind": "moved", "station": "brake", "reason": "the plate of the car on the yard"}
        answer = await line.act(inspection, "m", **act)
        assert answer.status_code == 201, answer.text
        assert (await line.act(inspection, "m", **act)).json() == answer.json()
        await line.round()
        assert "another" not in await line.alarms()
        await line.marshal._measuring["brake"][1]
        assert len(line.records(ItemStarted)) == 1

    run(tmp_path, use, Scale("300"))


def test_where_a_vehicle_may_be_said_to_stand(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.standing("exterior")
        other = await line.edge.order("k2", vehicle=vehicle("LTEST1A27R0000002", "浙A22222"))
        await line.sense("gate", True)
        await line.capture("浙A22222")
        await line.round()
        assert line.inspection(other).station == "gate"

        async def moved(station: str) -> httpx.Response:
            return await line.act(inspection, f"m-{station}", kind="moved", station=station, reason="r")

        assert_problem(await moved("gate"), 409, "occupied")
        assert_problem(await moved("brake"), 409, "nobody-there")
        assert_problem(await moved("pit"), 422, "no-station")
        assert_problem(
            await line.act(inspection, "p", kind="positioned", axle=1, reason="r"), 409, "no-rollers"
        )
        await line.sense("brake", True)
        assert (await moved("brake")).status_code == 201
        assert line.inspection(inspection).station == "brake"
        assert_problem(await line.act(inspection, "p", kind="positioned", axle=3, reason="r"), 422, "axles")
        assert (await line.act(inspection, "q", kind="positioned", axle=1, reason="r")).status_code == 201
        assert line.edge.desk.book.lane("1").axles["brake"].count == 1

    run(tmp_path, use)


def test_the_stages_are_a_record_when_the_vehicle_leaves(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.standing("exit")
        verdict = Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64)
        await line.told(Checked(item="01", result="pass", officer="o"), inspection)
        await line.told(verdict, inspection)
        await line.round()
        assert line.board.levels["exit", "barrier"]
        await line.sense("exit", False)
        await line.round()
        (record,) = line.records(StagesTimed)
        assert record.source_key == f"{inspection}/stages"
        body = record.body
        assert [stage.stage for stage in body.stages] == [
            "queue",
            "gate",
            "exterior",
            "brake",
            "sideslip",
            "exit",
        ]
        assert body.target_ms == 900_000
        assert sum(stage.lasted_ms for stage in body.stages[1:]) <= body.whole_ms + 10
        moved = line.records(Moved)[-1]
        assert record.seq == moved.seq + 1 and moved.body.station == "", "one commit"
        assert not line.board.levels["exit", "barrier"]

    run(tmp_path, use)


def test_a_judged_vehicle_that_is_withdrawn_has_its_stages_too(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        inspection = await line.standing("exit")
        await line.told(Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64), inspection)
        act = {"kind": "withdrawn", "reason": "through the workshop", "sure": True}
        assert (await line.act(inspection, "w", **act)).status_code == 201
        assert len(line.records(StagesTimed)) == 1
        assert line.inspection(inspection).phase == "gone"

    run(tmp_path, use)


def test_nothing_is_done_on_levels_that_may_be_old(tmp_path: Path) -> None:
    """The power was away: what stood there may not stand there any more, until the module has been read."""

    async def use(line: Line) -> None:
        inspection = await line.edge.order()
        await line.sense("gate", True)
        await line.capture("浙A12345")
        levels, line.board.levels = line.board.levels, {}
        await line.round()
        assert line.inspection(inspection).station is None
        line.board.levels = levels
        await line.round()
        assert line.inspection(inspection).station == "gate"

    run(tmp_path, use)


def test_the_least_time_of_an_item_and_of_the_lane_is_kept(tmp_path: Path) -> None:
    async def use(line: Line) -> None:
        lane = msgspec.structs.replace(line.marshal.lane, least_s=LeastSeconds(weigh=3600, whole=3600))
        line.marshal.lane = lane
        inspection = await line.standing("brake")
        await line.sense("brake", True, "axle")
        await line.round()
        await line.marshal._measuring["brake"][1]
        await line.round(3)
        assert line.inspection(inspection).weights and line.records(ItemEnded) == []
        assert len(line.records(ItemStarted)) == 1
        assert line.marshal._early() == {inspection}
        line.marshal.lane = msgspec.structs.replace(lane, least_s=LeastSeconds())
        await line.round()
        assert len(line.records(ItemEnded)) == 1 and line.marshal._early() == frozenset()

    run(tmp_path, use, Scale("300"))


@pytest.mark.parametrize("moment", ["left", "another came"])
def test_a_reading_of_whom_nobody_is_sure_is_none(tmp_path: Path, moment: str) -> None:
    class Late(Scale):
        async def measure(self, lane: str, station: str, item: str, axle: int) -> AnyBody:
            if moment == "left":
                body = Moved(lane="1", station="sideslip")
                await held[0].told(body, held[1])
            else:
                await held[0].capture("京B77777", station="brake")
            return await super().measure(lane, station, item, axle)

    held: list[Any] = []

    async def use(line: Line) -> None:
        inspection = await line.standing("brake")
        held[:] = [line, inspection]
        await line.sense("brake", True, "axle")
        await line.round(1)
        await line.marshal._measuring["brake"][1]
        assert line.records(AxleWeighed) == []
        (failed,) = line.records(ItemFailed)
        assert ("left" if moment == "left" else "not sure") in failed.body.why

    run(tmp_path, use, Late("300"))

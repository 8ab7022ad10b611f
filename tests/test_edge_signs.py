"""Text boards at stations: what they say at each step, that they follow the lights, and hold nobody up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from edge.marshal import LaneDevices
from edge.settings import SettingsError, load
from edge.sign_words import GO_TO
from edge.signs import Announcer, sign_rows
from firmware_bridge.device import MeasureError, Row, Tell
from firmware_bridge.devices.led_board import fit_columns
from lanes.layout import SENSORS
from lanes.record import Aborted, ItemStarted, Moved, Switched
from tests.bridge_parts import end, until
from tests.edge_parts import Edge, changed_site, edge_at, vehicle
from tests.test_edge_marshal import Board, at_the_gate, marshal_of, sense


class Shown:
    """A board that remembers; ``gone``: it takes nothing; ``hangs``: it never answers."""

    name = "led-1"
    source = "virtual+sign://led-1"

    def __init__(self) -> None:
        self.rows: list[tuple[str, ...]] = []
        self.gone = self.hangs = False

    async def run(self, tell: Tell) -> None:
        await asyncio.Event().wait()

    async def show(self, rows: Sequence[Row]) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.gone:
            raise MeasureError("led-1: not connected")
        self.rows.append(tuple(row.text for row in rows))


def said(edge: Edge, station: str) -> tuple[str, ...]:
    return tuple(row.text for row in sign_rows(edge.desk, edge.desk.site.lane("1"), station))


async def move(edge: Edge, inspection: str, station: str) -> None:
    key = f"move-{station}-{edge.desk.book.seq}"
    await edge.desk.append("virtual+agent", key, Moved(lane="1", station=station), inspection)


async def switch(edge: Edge, station: str, actuator: str, on: bool) -> None:
    body = Switched(lane="1", station=station, actuator=actuator, on=on, why="test")
    await edge.desk.append("virtual+agent", f"switch-{edge.desk.book.seq}", body)


def at_edge(folder: Path, work: Callable[[Edge], Awaitable[None]]) -> None:
    async def main() -> None:
        async with edge_at(folder) as edge:
            await work(edge)

    asyncio.run(main())


def test_a_vehicle_is_led_through_the_lane(tmp_path: Path) -> None:
    async def work(edge: Edge) -> None:
        assert said(edge, "gate") == ("入口", "空闲")
        await sense(edge, "gate", "occupied", True)
        assert said(edge, "gate") == ("入口", "请等待识别")
        inspection = await edge.order()
        await edge.arrive(inspection)
        for station, onward in (
            ("exterior", "请上制动台"),
            ("brake", "请上侧滑台"),
            ("sideslip", "请到出口"),
        ):
            await move(edge, inspection, station)
            assert said(edge, station) == ("浙A12345", "请等候")
            await switch(edge, station, "light", True)
            assert said(edge, station) == ("浙A12345", onward)
            await switch(edge, station, "light", False)
        await move(edge, inspection, "exit")
        await switch(edge, "exit", "barrier", True)
        assert said(edge, "exit") == ("浙A12345", "请驶离")
        assert said(edge, "brake") == ("制动", "空闲")

    at_edge(tmp_path, work)


def test_what_is_to_be_done_at_a_bench(tmp_path: Path) -> None:
    async def work(edge: Edge) -> None:
        inspection = await edge.order(vehicle=vehicle(plate=None), business="registration")
        await edge.arrive(inspection)
        await move(edge, inspection, "brake")
        await switch(edge, "brake", "advance", True)
        assert said(edge, "brake") == ("无号牌", "请前移一轴")
        await switch(edge, "brake", "advance", False)
        started = ItemStarted(lane="1", station="brake", item="B1", device="brakes-1")
        await edge.desk.append("virtual+agent", "b1", started, inspection)
        assert said(edge, "brake") == ("无号牌", "检测中请勿动")
        await edge.desk.append("virtual+agent", "abort", Aborted(reason="left", by="clerk"), inspection)
        assert said(edge, "brake") == ("无号牌", "检验已中止")
        await switch(edge, "brake", "light", True)
        assert said(edge, "brake") == ("无号牌", "请上侧滑台")

    at_edge(tmp_path, work)


def test_every_message_fits_a_board_of_sixteen_columns() -> None:
    for text in (*GO_TO.values(), "检测中请勿动", "请等待识别", "请匀速驶过"):
        assert fit_columns(text, 16).rstrip() == text
    assert set(GO_TO) <= set(SENSORS)


def test_a_board_is_told_only_what_has_changed(tmp_path: Path) -> None:
    async def work(edge: Edge) -> None:
        sign = Shown()
        announcing = asyncio.create_task(Announcer(edge.desk, edge.desk.site.lane("1"), "brake", sign).run())
        await until(lambda: sign.rows == [("制动", "空闲")])
        await sense(edge, "gate", "occupied", True)  # another station's news
        inspection = await edge.order()
        await edge.arrive(inspection)
        await move(edge, inspection, "brake")
        await until(lambda: sign.rows[1:] == [("浙A12345", "请等候")])
        await end(announcing)

    at_edge(tmp_path, work)


def test_a_board_that_was_away_is_told_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.signs.RETRY_S", 0.05)

    async def work(edge: Edge) -> None:
        sign = Shown()
        sign.gone = True
        announcing = asyncio.create_task(Announcer(edge.desk, edge.desk.site.lane("1"), "brake", sign).run())
        await asyncio.sleep(0.2)
        assert sign.rows == []
        sign.gone = False
        await until(lambda: sign.rows == [("制动", "空闲")])
        await end(announcing)

    at_edge(tmp_path, work)


def test_a_board_that_hangs_holds_no_light_up(tmp_path: Path) -> None:
    async def work(edge: Edge) -> None:
        sign, board = Shown(), Board()
        sign.hangs = True
        announcing = asyncio.create_task(Announcer(edge.desk, edge.desk.site.lane("1"), "gate", sign).run())
        await at_the_gate(edge)
        await marshal_of(edge, LaneDevices(switchboards=(board,)))._round()
        assert board.switched == [("gate", "barrier", True)]
        assert sign.rows == []
        await end(announcing)

    at_edge(tmp_path, work)


def test_a_board_stands_at_a_station_of_a_lane(tmp_path: Path) -> None:
    sign = '[[devices]]\nname = "led-1"\nkind = "led-board"\nrole = "sign"\nlane = "1"\nstation = "{}"\n'
    sign += 'address = "serial:///dev/ttyUSB7?baud=19200"\nprefix = "02"\nsuffix = "03"\n\n[[lanes]]'
    assert load(changed_site(tmp_path, "[[lanes]]", sign.format("brake"))).devices[-1].role
    with pytest.raises(SettingsError, match="led-1: station = 'brakes'"):
        load(changed_site(tmp_path, "[[lanes]]", sign.format("brakes")))

"""A node whose stores are full takes no further vehicle, and holds what it measured until it can write."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from central_sync.journal import JournalError
from edge import marshal as marshal_room
from edge.marshal import LaneDevices
from lanes.record import AxleWeighed, Moved
from tests.edge_parts import edge_at
from tests.test_edge_marshal import Scale, at_the_gate, marshal_of, sense


def test_a_full_node_lets_nobody_in_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            edge.desk.full = True
            marshal = marshal_of(edge, LaneDevices())
            await marshal._round()
            assert edge.desk.book.inspections[inspection].phase == "waiting"
            post = {"key": "a", "by": "operator-1", "reason": "x", "inspection": inspection}
            refused = await edge.client.post("/api/v1/lanes/1/admit", json=post)
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:chayan:problem:no-room")
            edge.desk.full = False
            await marshal._round()
            assert edge.desk.book.inspections[inspection].phase == "on_lane"

    asyncio.run(use())


def test_a_measurement_is_held_while_the_journal_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vehicle need not go back on the scale because the disk was full for a moment."""
    monkeypatch.setattr(marshal_room, "OFFER_S", 0.01)

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            scale = Scale("310.5")  # a second measurement would have nothing to give
            marshal = marshal_of(edge, LaneDevices(instruments={"weigh": scale}))
            await marshal._round()
            await edge.desk.append("virtual+agent", "m", Moved(lane="1", station="brake"), inspection)
            await sense(edge, "brake", "axle", True)
            append, offered = edge.desk.append, 0

            async def full(source: str, key: str, body: Any, of: str | None = None) -> Any:
                nonlocal offered
                if isinstance(body, AxleWeighed):
                    offered += 1
                    if offered < 4:
                        raise JournalError("database or disk is full")
                return await append(source, key, body, of)

            monkeypatch.setattr(edge.desk, "append", full)
            await marshal._round()
            await asyncio.wait_for(marshal._measuring["brake"][1], 30)
            kept = edge.desk.book.inspections[inspection].weights[1][1]
            assert kept.left_kg == Decimal("310.5")
            assert offered == 4

    asyncio.run(use())


def test_a_measurement_that_cannot_be_kept_at_all_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marshal_room, "OFFER_S", 0.01)
    monkeypatch.setattr(marshal_room, "HELD_S", 0.05)

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await at_the_gate(edge)
            marshal = marshal_of(edge, LaneDevices(instruments={"weigh": Scale("310.5", "311")}))
            await marshal._round()
            await edge.desk.append("virtual+agent", "m", Moved(lane="1", station="brake"), inspection)
            await sense(edge, "brake", "axle", True)
            append = edge.desk.append

            async def full(source: str, key: str, body: Any, of: str | None = None) -> Any:
                if isinstance(body, AxleWeighed) and body.left_kg == Decimal("310.5"):
                    raise JournalError("database or disk is full")
                return await append(source, key, body, of)

            monkeypatch.setattr(edge.desk, "append", full)
            for _ in range(2):
                marshal._not_before.clear()
                await marshal._round()
                await asyncio.wait_for(marshal._measuring["brake"][1], 30)
            assert edge.desk.book.inspections[inspection].weights[1][1].left_kg == Decimal("311")

    asyncio.run(use())


def test_a_recorder_says_where_the_film_lies_also_after_the_vehicle_has_gone(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            film = {
                "kind": "filmed", "device": "recorder-1", "from_at": "2026-11-24T08:00:00+08:00",
                "to_at": "2026-11-24T08:04:00+08:00", "clip": "a" * 64, "place": "rtsp://192.0.2.9/1",
            }  # fmt: skip
            url = f"/api/v1/inspections/{inspection}/films"
            answers = [(await edge.client.post(url, json={"key": "f1", "film": film})) for _ in range(2)]
            assert [each.status_code for each in answers] == [201, 200]
            assert answers[0].json() == answers[1].json()
            (shown,) = (await edge.detail(inspection))["films"]
            assert (shown["device"], shown["clip"]) == ("recorder-1", "a" * 64)
            backwards = film | {"to_at": "2026-11-24T07:00:00+08:00"}
            naive = film | {"from_at": "2026-11-24T08:00:00"}
            for wrong in (backwards, naive):
                refused = await edge.client.post(url, json={"key": "f2", "film": wrong})
                assert refused.status_code == 422
            unknown = "/api/v1/inspections/nobody/films"
            assert (await edge.client.post(unknown, json={"key": "f3", "film": film})).status_code == 404

    asyncio.run(use())

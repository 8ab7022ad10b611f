"""An officer has a vehicle asked through its OBD socket; scans and tags become records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from edge.acts import Acts
from edge.intake import Intake
from firmware_bridge.device import Health, Scan, Tag
from firmware_bridge.devices import scanner
from firmware_bridge.devices.elm327 import Config, Elm327
from firmware_bridge.devices.scanner import Scanner
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_obd import ObdTwin, ObdVehicle, unit
from lanes.record import Moved, ObdRead, Scanned, Signed, TagRead
from tests.bridge_parts import Told, end
from tests.edge_parts import VIN, Edge, edge_at

OTHER = "LTEST1A25R0000002"
TABLE = """
[[devices]]
name = "obd-1"
kind = "obd-elm327"
role = "obd"
lane = "1"
station = "exterior"
address = "tcp://127.0.0.1:1"
simulated = true

[[devices]]
name = "scanner-1"
kind = "scanner"
role = "scanner"
lane = "1"
station = "gate"
address = "tcp://127.0.0.1:1"
simulated = true
"""


@asynccontextmanager
async def wired(folder: Path, vin: str = VIN) -> AsyncIterator[tuple[Edge, ObdTwin, str]]:
    """A node with an adapter at the exterior of lane 1, and a vehicle that stands there."""
    twin = ObdTwin(folder / "obd", ObdVehicle(units={0x7E8: unit(vin)}))
    await twin.start()
    device = Elm327("obd-1", Config(address=twin.line.address, answer_s=0.5, search_s=1.0, simulated=True))
    told = Told()
    running = asyncio.create_task(device.run(told))
    try:
        await told.count(Health, 1)
        async with edge_at(folder, TABLE, {"obd-1": device}) as edge:
            inspection = await edge.order()
            await edge.arrive(inspection)
            yield edge, twin, inspection
    finally:
        await end(running)
        await twin.stop()


async def ask(edge: Edge, inspection: str, key: str = "o1", **changes: Any) -> httpx.Response:
    body = {"key": key, "officer": "officer-01"} | changes
    return await edge.client.post(f"/api/v1/inspections/{inspection}/obd", json=body)


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_a_reading_is_recorded_once_and_shown(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, twin, inspection):
            first, again = await asyncio.gather(ask(edge, inspection), ask(edge, inspection))
            assert {first.status_code, again.status_code} == {200, 201}
            assert twin.asked.count("ATZ") == 1
            count = len(twin.asked)
            again = await ask(edge, inspection)
            assert again.status_code == 200
            assert first.json() == again.json()
            assert len(twin.asked) == count
            (record,) = [
                each for each in edge.desk.journal.of_inspection(inspection) if isinstance(each.body, ObdRead)
            ]
            assert (record.source, record.source_key) == ("virtual+serial://obd-1", "o1")
            page = await edge.detail(inspection)
            assert (page["obd"]["vin"], page["obd"]["officer"]) == (VIN, "officer-01")
            assert (page["obd"]["lane"], page["obd"]["station"]) == ("1", "exterior")
            assert not any(sign["proposed"] for sign in page["signs"])
            board = (await edge.client.get("/api/v1/board")).json()
            offered = {station["station"]: station["obd"] for station in board["lanes"][0]["stations"]}
            assert offered["exterior"] == ["obd-1"]
            assert offered["gate"] == []
            other = await edge.order("k2", vehicle={**page["vehicle"], "vin": OTHER, "plate": None})
            assert refused(await ask(edge, other)) == (409, "no-adapter")

    asyncio.run(use())


def test_another_vin_in_the_control_unit_proposes_the_sign(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path, OTHER) as (edge, _, inspection):
            assert (await ask(edge, inspection)).status_code == 201
            signs = {sign["sign"]: sign["proposed"] for sign in (await edge.detail(inspection))["signs"]}
            assert signs["4-23"] and not signs["4-22"]

    asyncio.run(use())


def test_an_adapter_at_the_pda_may_have_read_it(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, _, inspection):
            read = {"kind": "obd_read", "lane": "9", "station": "x", "device": "pda-7", "vin": VIN}
            assert (await ask(edge, inspection, read=read)).status_code == 201
            assert (await ask(edge, inspection, read=read)).status_code == 200
            obd = (await edge.detail(inspection))["obd"]
            assert (obd["lane"], obd["station"], obd["device"], obd["officer"]) == (
                "1",
                "exterior",
                "pda-7",
                "officer-01",
            )
            await edge.desk.append("virtual+agent", "m2", Moved(lane="1", station="brake"), inspection)
            assert (await ask(edge, inspection, read=read)).status_code == 200  # answered late, posted again
            changed = read | {"vin": OTHER}
            assert refused(await ask(edge, inspection, read=changed)) == (409, "key-reused")

    asyncio.run(use())


def test_what_cannot_be_asked_is_refused_with_the_reason(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, twin, inspection):
            assert refused(await ask(edge, inspection, officer="nobody")) == (422, "no-officer")
            assert refused(await ask(edge, "none")) == (404, "no-inspection")
            assert refused(await ask(edge, inspection, device="obd-2")) == (409, "no-adapter")
            assert refused(await ask(edge, inspection, sort="x")) == (422, "malformed")
            twin.line.fault = faults.silent
            assert refused(await ask(edge, inspection)) == (503, "no-reading")
            twin.line.fault = faults.whole
            assert (await ask(edge, inspection)).status_code == 201  # the same key once it works
            waiting = await edge.order(
                "k2", vehicle={**(await edge.detail(inspection))["vehicle"], "vin": OTHER, "plate": None}
            )
            assert refused(await ask(edge, waiting, key="o9", device="obd-1")) == (409, "no-adapter")
            await edge.desk.append(
                "virtual+officer/officer-01", "s", Signed(officer="officer-01"), inspection
            )
            assert refused(await ask(edge, inspection, key="o2")) == (409, "signed")

    asyncio.run(use())


def test_a_vehicle_that_drives_off_meanwhile_is_not_taken_for_the_one_that_was_asked(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, twin, inspection):
            twin.habits = replace(twin.habits, takes_s=0.2)  # so long is there between what is asked
            asking = asyncio.create_task(ask(edge, inspection))
            await twin.was_asked("0100")
            await edge.desk.append("virtual+agent", "m2", Moved(lane="1", station="brake"), inspection)
            assert refused(await asking) == (409, "left")
            assert (await edge.detail(inspection))["obd"] is None

    asyncio.run(use())


def test_scans_and_tags_become_records(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path, TABLE) as edge:
            entry = next(each for each in edge.desk.site.devices if each.name == "scanner-1")
            device = Scanner("scanner-1", scanner.Config(address="tcp://127.0.0.1:1"))
            tell = Intake(edge.desk, Acts(edge.desk)).tell_for(entry, device)
            await tell(Scan(key="r-1", text=VIN))
            await tell(Scan(key="r-1", text=VIN))
            await tell(Tag(key="r-2", epc="E2801160", rssi_dbm=-61))
            where = {"lane": "1", "station": "gate", "device": "scanner-1"}
            assert [record.body for record in edge.desk.journal.replay(0)] == [
                Scanned(**where, text=VIN),
                TagRead(**where, epc="E2801160", rssi_dbm=-61),
            ]

    asyncio.run(use())

"""An officer has a carried instrument give its result: recorded once, judged by the rules, never guessed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from edge.carrying import Place
from edge.compose import carried
from edge.settings import load
from firmware_bridge.catalog import KINDS
from firmware_bridge.virtual.twin_results import FileTwin, LineTwin
from lanes.record import ItemStarted, Record, RoadTested, Signed, TyresMeasured
from tests.bridge_parts import running
from tests.edge_parts import Edge, edge_at, site_file

TABLES = """
[[devices]]
name = "treads-1"
kind = "tread-line"
role = "treads"
lane = "1"
station = "exterior"
address = "{line}"
form = "csv"
fields = {{ "1.left" = "1", "1.right" = "2", "2.left" = "3", "2.right" = "4" }}
wait_s = 20.0
simulated = true
{certificate}

[[devices]]
name = "road-1"
kind = "road-file"
role = "road"
lane = "1"
station = "exterior"
folder = "{folder}"
form = "pairs"
fields = {{ initial_kmh = "V0", mfdd_m_per_s2 = "MFDD" }}
settle_ms = 100
wait_s = 1.0
simulated = true
"""
EXPIRED = 'certificate = { number = "T-1", valid_until = 2020-01-01 }'


@asynccontextmanager
async def wired(folder: Path, certificate: str = "") -> AsyncIterator[tuple[Edge, LineTwin, FileTwin, str]]:
    """A node with a tread gauge and a road tester, both at work, and a vehicle at the exterior of lane 1."""
    line, files = LineTwin(), FileTwin(folder / "results")
    files.folder.mkdir()
    await line.start()
    more = TABLES.format(line=line.address, folder=files.folder, certificate=certificate)
    path = site_file(folder)
    path.write_text(path.read_text("utf-8") + more, "utf-8")
    entries = [entry for entry in load(path).devices if entry.name in ("treads-1", "road-1")]
    devices = {entry.name: KINDS[entry.kind].build(entry.name, entry.config, {}) for entry in entries}
    places: dict[str, Place] = {}
    async with AsyncExitStack() as at_work:
        at_work.push_async_callback(line.stop)
        for device in devices.values():
            await at_work.enter_async_context(running(device))
        edge = await at_work.enter_async_context(edge_at(folder, carried=places, keep_site=True))
        mine = dict.fromkeys((entry.name for entry in edge.desk.site.devices), devices["road-1"])
        places |= carried(edge.desk, edge.watch, mine | devices)
        inspection = await edge.order()
        await edge.arrive(inspection)
        yield edge, line, files, inspection


async def ask(edge: Edge, inspection: str, device: str, key: str = "m1", **changes: Any) -> httpx.Response:
    body = {"key": key, "officer": "officer-01", "device": device} | changes
    return await edge.client.post(f"/api/v1/inspections/{inspection}/measurements", json=body)


async def asked(edge: Edge, line: LineTwin, inspection: str, text: bytes, **changes: Any) -> httpx.Response:
    """Asks the tread gauge, which sends the same line until it is answered."""
    asking = asyncio.create_task(ask(edge, inspection, "treads-1", **changes))
    while not asking.done():
        await line.send(text)
        await asyncio.sleep(0.05)
    return await asking


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def of(edge: Edge, inspection: str, body: type) -> list[Record]:
    return [each for each in edge.desk.journal.of_inspection(inspection) if isinstance(each.body, body)]


def test_treads_are_recorded_once_and_judged(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, line, _, inspection):
            first = await asked(edge, line, inspection, b"4.1,3.9,1.2,5.0\r\n")
            assert first.status_code == 201, first.text
            again = await ask(edge, inspection, "treads-1")
            assert (again.status_code, again.json()) == (200, first.json())
            (record,) = of(edge, inspection, TyresMeasured)
            assert (record.source, record.source_key) == ("virtual+serial://treads-1", "m1")
            assert isinstance(record.body, TyresMeasured)
            assert [tread.depth_mm for tread in record.body.treads] == [
                Decimal(each) for each in ("4.1", "3.9", "1.2", "5.0")
            ]
            found = edge.desk.instrument_findings(edge.desk.book.inspections[inspection])
            told = {each.quantity: (each.item, each.value, each.result) for each in found}
            assert told["tread_steering"] == ("08", "3.9", "pass")
            assert told["tread_other"] == ("08", "1.2", "fail")

    asyncio.run(use())


def test_a_stop_on_the_road_is_taken_from_the_file_that_appears(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, _, files, inspection):
            await files.result("old.txt", b"V0=51\nMFDD=9.9\n")
            assert refused(await ask(edge, inspection, "road-1")) == (503, "no-reading")
            asking = asyncio.create_task(ask(edge, inspection, "road-1"))
            await asyncio.sleep(0.4)
            await files.result("new.txt", b"V0=51\nMFDD=6.4\n")
            answer = await asking
            assert answer.status_code == 201, answer.text
            (record,) = of(edge, inspection, RoadTested)
            assert isinstance(record.body, RoadTested)
            assert (record.body.item, record.body.mfdd_m_per_s2) == ("R1", Decimal("6.4"))
            asking = asyncio.create_task(ask(edge, inspection, "road-1", "m2"))
            await asyncio.sleep(0.4)
            await files.result("slow.txt", b"V0=31\nMFDD=6.4\n")
            slow = await asking
            assert refused(slow) == (503, "no-reading") and "braked from 31 km/h" in slow.text

    asyncio.run(use())


def test_what_cannot_be_asked_is_refused_with_the_reason(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, line, _, inspection):
            assert refused(await ask(edge, inspection, "treads-1", officer="nobody")) == (422, "no-officer")
            assert refused(await ask(edge, "none", "treads-1")) == (404, "no-inspection")
            for other in ("treads-2", "brakes-1"):
                assert refused(await ask(edge, inspection, other)) == (404, "no-device")
            papers = (await edge.detail(inspection))["vehicle"]
            waiting = await edge.order("k2", vehicle=papers | {"vin": "LTEST1A25R0000002", "plate": None})
            assert refused(await ask(edge, waiting, "treads-1")) == (409, "not-open")
            assert (await asked(edge, line, inspection, b"4,4,4,4\r\n")).status_code == 201
            await edge.desk.append("virtual+agent", "x", Signed(officer="officer-01"), inspection)
            assert refused(await ask(edge, inspection, "treads-1", "m2")) == (409, "signed")
            assert (await ask(edge, inspection, "treads-1")).status_code == 200
            assert refused(await ask(edge, waiting, "treads-1")) == (409, "key-reused")

    asyncio.run(use())


def test_one_whose_certificate_has_expired_does_not_measure(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path, EXPIRED) as (edge, _, _, inspection):
            answer = await ask(edge, inspection, "treads-1")
            assert refused(answer) == (503, "no-reading") and "must not measure" in answer.text

    asyncio.run(use())


def test_a_carried_result_does_not_end_what_a_bench_measures_meanwhile(tmp_path: Path) -> None:
    async def use() -> None:
        async with wired(tmp_path) as (edge, line, _, inspection):
            started = ItemStarted(lane="1", station="brake", item="B1", device="brakes-1")
            await edge.desk.append("virtual+agent", "s", started, inspection)
            assert (await asked(edge, line, inspection, b"4,4,4,4\r\n")).status_code == 201
            known = edge.desk.book.inspections[inspection]
            assert (known.running, known.unended) == ("B1", None)

    asyncio.run(use())

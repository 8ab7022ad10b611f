"""Items are filmed by their time: clip, stills, record; a camera that fails leaves a finding, not a halt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from central_sync.photos import Photos
from edge.desk import evidence
from edge.filming import CLIPS, Filming
from edge.settings import SettingsError, load
from firmware_bridge.device import Film, MeasureError, Picture, Tell
from firmware_bridge.devices.rtsp_camera import Config, RtspCamera
from firmware_bridge.virtual.twin_rtsp import RtspTwin
from lanes.filmed import film_findings
from lanes.record import Filmed, ItemStarted, Moved
from tests.bridge_parts import Told, end
from tests.edge_parts import Edge, changed_site, edge_at
from tests.lanes_parts import brake
from tests.video_parts import decoded, until, until_held

VIDEO = '\n[video]\nmust = ["1/brake"]\n'
STARTED = ItemStarted(lane="1", station="brake", item="B1", device="bench-1", to_film=True)


class Blind:
    """A camera that gives nothing."""

    name, source, before_s, after_s = "cam-2", "rtsp://cam-2", 0, 0

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def run(self, tell: Tell) -> None:
        raise AssertionError("it is not run here")

    async def picture(self) -> Picture:
        raise MeasureError("cam-2: no picture of now")

    async def film(self, begin: datetime, end: datetime) -> Film:
        self.asked.set()
        raise MeasureError(f"cam-2: nothing from {begin} to {end}")


@asynccontextmanager
async def filmed(folder: Path) -> AsyncIterator[tuple[Edge, RtspCamera, str]]:
    """A node that films its brake station with a real stream and a camera that fails."""
    twin = RtspTwin()
    await twin.start()
    camera = RtspCamera("cam-1", Config(address=twin.address, before_s=1, after_s=1, simulated=True))
    told = Told()
    running = asyncio.create_task(camera.run(told))
    try:
        await until(told, "ok")
        async with edge_at(folder, VIDEO) as edge:
            filming = Filming(edge.desk, Photos(folder / CLIPS), {("1", "brake"): [Blind(), camera]})
            task = asyncio.create_task(filming.run())
            inspection = await edge.order()
            await edge.arrive(inspection)
            await edge.desk.append("virtual+agent", "m", Moved(lane="1", station="brake"), inspection)
            try:
                yield edge, camera, inspection
            finally:
                await end(task)
    finally:
        await end(running)
        await twin.stop()


async def until_filmed(edge: Edge, inspection: str) -> Filmed:
    with edge.desk.bell() as bell:
        async with asyncio.timeout(30):
            while not edge.desk.book.inspections[inspection].films:
                bell.clear()
                await bell.wait()
    return edge.desk.book.inspections[inspection].films[0][1]


def test_an_item_is_filmed_and_its_clip_can_be_seen(tmp_path: Path) -> None:
    async def use() -> None:
        async with filmed(tmp_path) as (edge, camera, inspection):
            await until_held(camera, 2)
            await edge.desk.append("virtual+agent", "i1", STARTED, inspection)
            await asyncio.sleep(1)
            await edge.desk.append("virtual+serial://b", "b1", brake("B1", 240, 228), inspection)
            film = await until_filmed(edge, inspection)
            span = edge.desk.book.inspections[inspection].spans["B1"]
            assert span.to_at is not None
            assert film.from_at <= span.from_at and span.to_at <= film.to_at
            assert (film.device, film.lane, film.station, film.item) == ("cam-1", "1", "brake", "B1")
            assert len(film.stills) == 2
            assert all(edge.desk.photos.has(still) for still in film.stills)
            answer = await edge.client.get(film.place)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
            assert len(answer.content) == film.size_bytes
            count, seconds = decoded(answer.content)
            assert count > 10
            assert abs(seconds - (film.to_at - film.from_at).total_seconds()) < 1
            (finding,) = film_findings(evidence(edge.desk.book.inspections[inspection]))
            assert (finding.value, finding.result) == ("B1", "pass")

    asyncio.run(use())


def test_an_item_that_no_camera_saw_is_a_finding(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path, VIDEO) as edge:
            blind = Blind()
            filming = Filming(edge.desk, Photos(tmp_path / CLIPS), {("1", "brake"): [blind]})
            task = asyncio.create_task(filming.run())
            inspection = await edge.order()
            await edge.arrive(inspection)
            await edge.desk.append("virtual+agent", "i1", STARTED, inspection)
            await edge.desk.append("virtual+serial://b", "b1", brake("B1", 240, 228), inspection)
            await blind.asked.wait()
            await end(task)
            known = edge.desk.book.inspections[inspection]
            assert known.films == []
            (finding,) = film_findings(evidence(known))
            assert (finding.result, finding.severity) == ("not_applicable", "reminder")

    asyncio.run(use())


def test_a_recorder_that_holds_it_is_told_over_http(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path, VIDEO) as edge:
            inspection = await edge.order()
            await edge.arrive(inspection)
            await edge.desk.append("virtual+agent", "i1", STARTED, inspection)
            await edge.desk.append("virtual+serial://b", "b1", brake("B1", 240, 228), inspection)
            now = datetime.now(UTC)
            film: dict[str, Any] = {
                "kind": "filmed",
                "device": "nvr-1",
                "from_at": now.replace(year=now.year - 1).isoformat(),
                "to_at": now.replace(year=now.year + 1).isoformat(),
                "place": "rtsp://nvr.example/3",
            }
            url = f"/api/v1/inspections/{inspection}/films"
            lost = film | {"stills": ["a" * 64]}
            assert (await edge.client.post(url, json={"key": "f0", "film": lost})).status_code == 409
            assert (await edge.client.post(url, json={"key": "f1", "film": film})).status_code == 201
            (finding,) = film_findings(evidence(edge.desk.book.inspections[inspection]))
            assert finding.result == "pass"

    asyncio.run(use())


def test_clips_that_are_not_there_are_refused(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            assert (await edge.client.get(f"/api/v1/clips/{'a' * 64}")).status_code == 404
            assert (await edge.client.get("/api/v1/clips/no-digest")).status_code == 422

    asyncio.run(use())


def test_the_site_file_says_which_stations_are_filmed(tmp_path: Path) -> None:
    site = load(changed_site(tmp_path, "[rules]", VIDEO + "\n[rules]"))
    assert site.video.must == ("1/brake",)
    with pytest.raises(SettingsError, match=r"\[video\] must: '1/brakes'; did you mean '1/brake'"):
        load(changed_site(tmp_path, "[rules]", VIDEO.replace("1/brake", "1/brakes") + "\n[rules]"))

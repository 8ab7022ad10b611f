"""The courier's photos over good lines and bad ones: what goes at once, what goes on, what goes first."""

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.chaos import proxy
from central_sync.courier import Pace
from central_sync.journal import Journal
from central_sync.photo_road import BEGIN_WITH, LARGEST, SMALLEST
from central_sync.photo_road import Line as Bears
from central_sync.photos import Photos
from central_sync.registry.api import build_app
from central_sync.seal import NodeKey
from lanes import record as r
from tests.central_parts import Serving, digest, settings_for
from tests.photo_parts import Central, Hand, Line, central, held_photos, large_photo, named, partial_files
from tests.test_central_courier import (
    Liar,
    Twin,
    done,
    hang_up,
    running,
    says,
    until,
)

pytestmark = pytest.mark.slow
PICTURE = large_photo()
SHA = digest(PICTURE)
USUAL = large_photo(300_000, 2)
Lie: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def lane_with(*pictures: bytes) -> Twin:
    """A node whose records name each of its photos."""
    lane = Twin()
    named(lane, *pictures)
    lane.pictures |= {digest(picture): picture for picture in pictures}
    return lane


class Seen:
    """ASGI layer that writes down what comes, and turns requests down before the registry sees them."""

    def __init__(self, app: ASGIApp, refuse: Callable[[str, str, int], int] = lambda *_: 0) -> None:
        self.app, self._refuse = app, refuse
        self.requests: list[tuple[str, int]] = []

    def verbs(self) -> list[str]:
        """Of requests about photos."""
        return [verb for verb, _ in self.requests]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        size = int(dict(scope["headers"]).get(b"content-length", b"0"))
        self.requests.append((scope["method"], size))
        if status := self._refuse(scope["method"], scope["path"], size):
            await says(status, b"<html>no</html>")(scope, receive, send)
            return
        await self.app(scope, receive, send)


QUICK = Pace(first_pause=0.02, longest_pause=0.2, recheck=0.3)


def direct(port: int) -> contextlib.nullcontext[str]:
    """A line that bears everything."""
    return contextlib.nullcontext(f"http://127.0.0.1:{port}")


def delivered(
    tmp_path: Path,
    lane: Twin,
    layer: Callable[[ASGIApp], ASGIApp],
    pace: Pace = QUICK,
    line: Callable[[int], contextlib.AbstractAsyncContextManager[str]] = direct,
) -> None:
    """Runs a courier until the registry behind line and layer holds every photo, byte for byte."""
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"

    async def scene(port: int) -> None:
        async with line(port) as url, running(lane, url, pace) as courier:
            await until(lambda: held_photos(dsn) == len(lane.pictures), "photos")
            await until(done(courier, lane))

    with Serving(layer(build_app(settings_for(dsn, tmp_path, lane)))) as served:
        asyncio.run(scene(served.socket.getsockname()[1]))
    assert_whole(tmp_path / "photos", lane)


def assert_whole(photos: Path, lane: Twin) -> None:
    """The folder has every photo of the lane and nothing that is not whole."""
    store = Photos(photos)
    assert {sha256: store.whole(sha256) for sha256 in lane.pictures} == lane.pictures
    assert partial_files(photos) == []


def seen_of(
    tmp_path: Path, lane: Twin, pace: Pace = QUICK, refuse: Callable[[str, str, int], int] = lambda *_: 0
) -> Seen:
    """What came while a lane's photos were delivered."""
    made: list[Seen] = []

    def layer(app: ASGIApp) -> ASGIApp:
        made.append(Seen(app, refuse))
        return made[0]

    delivered(tmp_path, lane, layer, pace)
    return made[0]


# ---- a good line -----------------------------------------------------------------------------------


def test_photos_of_the_usual_size_cost_one_request_each(tmp_path: Path) -> None:
    lane = lane_with(*(large_photo(300_000, seed) for seed in range(40)))
    verbs = seen_of(tmp_path, lane, Pace()).verbs()
    assert verbs.count("PUT") == 40 - Pace().photos_at_once, "after a start the first are asked for"
    assert verbs.count("HEAD") == verbs.count("PATCH") == Pace().photos_at_once


def test_a_large_photo_goes_in_parts_of_a_megabyte(tmp_path: Path) -> None:
    parts = [LARGEST] * (len(PICTURE) // LARGEST) + [len(PICTURE) % LARGEST]
    assert seen_of(tmp_path, lane_with(PICTURE)).requests[1:] == [
        ("HEAD", 0),
        *(("PATCH", size) for size in parts),
    ]


def test_records_go_before_the_rest_of_a_photo(tmp_path: Path) -> None:
    """A record that is written while parts go is sent before the photo is whole."""
    lane = lane_with(PICTURE)

    def write(verb: str, _: str, size: int) -> int:
        if verb == "PATCH" and lane.last == 1:
            lane.write(r.Signed(officer="o-1"), "a1")
        return 0

    verbs = seen_of(tmp_path, lane, refuse=write).verbs()
    assert verbs == ["POST", "HEAD", "PATCH", "POST", "HEAD", *["PATCH"] * 4]


# ---- lines that break ---------------------------------------------------------------------------------


def test_a_large_photo_arrives_over_a_line_that_is_cut_every_300_kb(tmp_path: Path) -> None:
    """In one request it never would; no byte goes twice that had arrived; parts become smaller."""
    lines, seen = list[Line](), list[Seen]()

    @contextlib.asynccontextmanager
    async def cut(port: int) -> AsyncIterator[str]:
        lines.append(Line(port, cut_after=300_000))
        async with lines[0].laid() as url:
            yield url

    def layer(app: ASGIApp) -> ASGIApp:
        seen.append(Seen(app))
        return seen[0]

    delivered(tmp_path, lane_with(PICTURE), layer, line=cut)
    assert lines[0].cuts >= len(PICTURE) // 300_000
    assert lines[0].up < 1.5 * len(PICTURE)
    assert [size for verb, size in seen[0].requests if verb == "PATCH"][5] < LARGEST // 2


def test_photos_arrive_over_a_line_that_loses_and_delays(tmp_path: Path) -> None:
    """The chaos rig's proxy hands on whole requests only: of one that it cuts at most half arrives."""
    told: list[str] = []

    @contextlib.asynccontextmanager
    async def bad(port: int) -> AsyncIterator[str]:
        made = proxy.Proxy(port, random.Random(3), told.append)
        await made.start()
        made.turn_bad(3600)
        try:
            yield f"http://127.0.0.1:{made.port}"
        finally:
            await made.stop()

    lane = lane_with(large_photo(1_000_000, 1), USUAL, large_photo(20_000, 3))
    delivered(tmp_path, lane, lambda app: app, line=bad)


def come(photos: Path, size: int) -> Callable[[], bool]:
    """More than so many bytes of uploads have come."""
    return lambda: sum(path.stat().st_size for path in partial_files(photos)) > size


def test_an_upload_goes_on_after_kill_9_of_its_sender(tmp_path: Path) -> None:
    folder, lane = tmp_path / "node", lane_with(PICTURE)
    Photos(folder / "photos").put(PICTURE)
    lane.key = NodeKey.create(folder / "node.key")
    body = r.Photographed(shot="0111", photo=SHA, size_bytes=len(PICTURE))

    @contextlib.contextmanager
    def sending(url: str) -> Iterator[None]:
        command = [sys.executable, "-m", "tests.photo_sender", folder, url, lane.site, lane.node]
        sender = subprocess.Popen(command, cwd=Path(__file__).parents[1])
        try:
            yield
        finally:
            sender.kill()
            sender.wait(30)

    async def scene(registry: Central) -> int:
        with contextlib.closing(Journal(folder / "journal.sqlite", lane.node, signer=lane.key)) as journal:
            await journal.append(r.Draft(source="test", source_key="1", body=body, inspection="a1"))
        line = Line(registry.port, bytes_per_s=4_000_000)
        async with line.laid() as url:
            for size in (1_000_000, 2_500_000):
                with sending(url):
                    await until(come(registry.photos, size))
            with sending(url):
                await until(lambda: held_photos(registry.dsn) == 1)
        return line.up

    with central(tmp_path, lane) as registry:
        assert asyncio.run(scene(registry)) < 1.5 * len(PICTURE)
        assert_whole(registry.photos, lane)


def test_an_upload_goes_on_after_kill_9_of_the_registry(tmp_path: Path) -> None:
    lane = lane_with(PICTURE)

    async def scene(registry: Central) -> int:
        line = Line(registry.port, bytes_per_s=4_000_000)
        async with line.laid() as url, running(lane, url, QUICK) as courier:
            await until(come(registry.photos, 2_000_000))
            registry.kill()
            await asyncio.to_thread(registry.start)
            await until(lambda: held_photos(registry.dsn) == 1)
            await until(done(courier, lane))
        return line.up

    with central(tmp_path, lane) as registry:
        assert asyncio.run(scene(registry)) < 1.5 * len(PICTURE)
        assert_whole(registry.photos, lane)


def test_two_couriers_of_one_photo_make_it_once(tmp_path: Path) -> None:
    lane, dsn = lane_with(PICTURE), f"sqlite:///{tmp_path / 'r.sqlite'}"

    async def scene(port: int) -> None:
        line = Line(port, bytes_per_s=4_000_000)
        async with line.laid() as url, running(lane, url) as one, running(lane, url) as two:
            await until(lambda: held_photos(dsn) == 1)
            await until(done(one, lane))
            await until(done(two, lane))

    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served:
        asyncio.run(scene(served.socket.getsockname()[1]))
    assert_whole(tmp_path / "photos", lane)


# ---- who stands in between or at the other end ------------------------------------------------------------


def test_an_older_registry_gets_photos_whole(tmp_path: Path) -> None:
    """It has no such path."""
    seen = seen_of(
        tmp_path, lane_with(PICTURE, USUAL), refuse=lambda _, path, __: 404 * path.endswith("/upload")
    )
    assert sorted(seen.verbs()) == ["HEAD", "HEAD", "POST", "PUT", "PUT"]


def test_a_limit_in_between_is_found_and_kept_to(tmp_path: Path) -> None:
    lane = lane_with(PICTURE, large_photo(700_000, 3))
    seen = seen_of(tmp_path, lane, refuse=lambda _, __, size: 413 * (size > 500_000))
    taken = [size for verb, size in seen.requests if verb == "PATCH" and size <= 500_000]
    assert sum(taken) == len(PICTURE) + 700_000


def about(offset: str, complete: str, status: int = 204) -> Lie:
    return says(status, b"", upload_offset=offset, upload_complete=complete)


@pytest.mark.parametrize("verb", ["HEAD", "PATCH"])
def test_nonsense_about_an_upload_is_not_believed(tmp_path: Path, verb: str) -> None:
    lane = lane_with(PICTURE)
    lies: list[Lie] = [
        says(200, b"<html>"), says(204, b""), about("-1", "?0"), about("x", "?0"), about("5", "yes"),
        hang_up, says(500, b""), says(403, b""), says(503, b"", retry_after="0"), about("9999999", "?0"),
    ]  # fmt: skip
    if verb == "PATCH":
        lies += [about("0", "?0")] * 3 + [about("0", "?0", 409)] * 3
    liars: list[Liar] = []

    def layer(app: ASGIApp) -> ASGIApp:
        liars.append(Liar(app, list(lies), verb))
        return liars[0]

    delivered(tmp_path, lane, layer)
    assert liars[0].told == len(lies)


@pytest.mark.parametrize(
    "there", [b"\xff\xd8\xff" + bytes(200_000), PICTURE + bytes(1000)], ids=["other", "longer"]
)
def test_other_bytes_at_the_registry_are_replaced(tmp_path: Path, there: bytes) -> None:
    lane, dsn = lane_with(PICTURE), f"sqlite:///{tmp_path / 'r.sqlite'}"

    async def scene(url: str) -> None:
        async with running(lane, url, QUICK) as courier:
            await until(lambda: held_photos(dsn) == 1)
            await until(done(courier, lane))
            assert "photo" not in courier.progress.alarms

    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served, Hand(served.url, lane) as hand:
        hand.send_records()
        assert hand.patch(SHA, 0, there).status_code == 204
        asyncio.run(scene(served.url))
    assert_whole(tmp_path / "photos", lane)


def test_a_photo_that_was_damaged_here_is_tried_twice_and_named(tmp_path: Path) -> None:
    lane, dsn = lane_with(PICTURE), f"sqlite:///{tmp_path / 'r.sqlite'}"
    lane.pictures[SHA] = PICTURE[:-1] + b"x"
    seen = Seen(build_app(settings_for(dsn, tmp_path, lane)))

    async def scene(url: str) -> None:
        async with running(lane, url, QUICK) as courier:
            await until(lambda: "photo" in courier.progress.alarms)
            assert SHA in courier.progress.alarms["photo"].en

    with Serving(seen) as served:
        asyncio.run(scene(served.url))
    assert sum(size for verb, size in seen.requests if verb == "PATCH") == 2 * len(PICTURE)
    assert held_photos(dsn) == 0 and partial_files(tmp_path / "photos") == []


def test_what_a_line_bears_is_halved_by_a_break_and_grows_with_answers() -> None:
    line = Bears(16)
    assert (line.room, line.width) == (LARGEST, BEGIN_WITH)
    for _ in range(20):
        line.bore()
    assert (line.room, line.width) == (LARGEST, 16)
    line.narrow()
    assert (line.room, line.width) == (LARGEST // 2, 8)
    line.bore()
    assert (line.room, line.width) == (LARGEST // 2 + LARGEST // 16, 9)
    for _ in range(20):
        line.narrow()
    assert (line.room, line.width) == (SMALLEST, 1)

"""The courier against real servers: healthy, killed, lying, slow of memory, and nonsense on the line."""

import asyncio
import contextlib
import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central_sync import batch as wire
from central_sync.courier import PHOTOS, Courier, Pace
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.registry import tables
from central_sync.registry.api import build_app
from central_sync.registry.engines import open_engine, writing
from central_sync.seal import NodeKey
from lanes import record as r
from tests.central_parts import Lane, Row, Serving, digest, dsn, photo, settings_for
from tests.held_parts import cut, entries_of

pytestmark = pytest.mark.slow

__all__ = ["dsn"]  # fixture
QUICK = Pace(first_pause=0.02, longest_pause=0.2, recheck=0.3)
LIMIT = 60.0  # s; bounds each wait


class Twin(Lane):
    """A journal and photos in memory, with the same members as the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.receipts: list[tuple[int, bytes]] = []
        self.clocks: list[r.Draft] = []
        self.photo_receipts: list[tuple[int, bytes]] = []
        self.pictures: dict[str, bytes] = {}
        self.keys: set[tuple[str, str]] = set()
        self.more = asyncio.Event()

    @property
    def last(self) -> int:
        return len(self.rows)

    def has(self, digest: str) -> bool:
        return digest in self.pictures

    def part(self, digest: str, offset: int, limit: int) -> tuple[int, bytes]:
        picture = self.pictures[digest]
        return len(picture), picture[offset : offset + limit]

    def inspect(self, name: str, plate: str = "浙A12345", verdict: r.Verdict = "pass") -> None:
        super().inspect(name, plate, verdict)
        self.pictures[digest(photo(name))] = photo(name)


class TwinJournal:
    """The Journal face of a Twin."""

    def __init__(self, lane: Twin) -> None:
        self.lane = lane

    def head(self) -> tuple[int, bytes]:
        return self.lane.last, self.lane.head

    def rows(self, after_seq: int, limit: int) -> list[Row]:
        return self.lane.rows[after_seq : after_seq + limit]

    def receipt(self, destination: str) -> tuple[int, bytes] | None:
        kept = self.lane.photo_receipts if destination.endswith(PHOTOS) else self.lane.receipts
        return kept[-1] if kept else None

    async def settle(self, destination: str, through_seq: int, data: bytes) -> None:
        """Never anything but the truth may be settled."""
        if destination.endswith(PHOTOS):
            standing = wire.decode_answer(data, wire.Standing)
            assert standing.through >= through_seq and standing.wanted == []
            self.lane.photo_receipts.append((through_seq, data))
            return
        receipt = wire.decode_receipt(data)
        assert receipt.node == self.lane.node and receipt.accepted_through >= through_seq
        assert receipt.head == self.lane.rows[receipt.accepted_through - 1].head.hex()
        self.lane.receipts.append((through_seq, data))

    async def append(self, *drafts: r.Draft) -> None:
        for draft in drafts:
            if isinstance(
                draft.body, r.ClockCompared
            ):  # kept apart: these tests count the lane's own records
                self.lane.clocks.append(draft)
            elif (draft.source, draft.source_key) not in self.lane.keys:
                self.lane.keys.add((draft.source, draft.source_key))
                self.lane.write(draft.body, draft.inspection, draft.source)
        self.lane.more.set()

    async def wait_beyond(self, seq: int) -> None:
        while self.lane.last <= seq:
            self.lane.more.clear()
            await self.lane.more.wait()


@contextlib.asynccontextmanager
async def running(lane: Twin, url: str, pace: Pace = QUICK, **more: Any) -> AsyncIterator[Courier]:
    """A courier of the lane at work."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        fixed: dict[str, Any] = {"site": lane.site, "node": lane.node, "signer": lane.key, "client": client}
        fixed |= {"journal": TwinJournal(lane), "photos": lane, "pace": pace}
        courier = Courier(**(fixed | more))
        task = asyncio.create_task(courier.run())
        try:
            yield courier
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(condition: Callable[[], bool], what: str = "") -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, f"not within {LIMIT} s: {what or condition}"
        await asyncio.sleep(0.03)


def done(courier: Courier, lane: Twin) -> Callable[[], bool]:
    """Everything settled and nothing to send."""
    return lambda: (
        courier.progress.accepted_through == lane.last
        and courier.progress.link == "ok"
        and courier.progress.photos_wanted == 0
    )


def held(dsn: str, lane: Lane) -> tuple[int, str, int, int]:
    """(through, head, records held, photos held) at the centre."""
    kept = sa.select(sa.func.count()).select_from(tables.photos).where(tables.photos.c.held.is_(True))
    with reading(dsn) as connection:
        node = connection.execute(sa.select(tables.nodes).where(tables.nodes.c.node == lane.node)).one()
        records = len(entries_of(connection, lane.node))
        return node.through_seq, node.head.hex(), records, connection.execute(kept).scalar_one()


@contextlib.contextmanager
def reading(dsn: str) -> Iterator[sa.Connection]:
    engine = open_engine(dsn)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def test_all_is_delivered_and_news_go_at_once(dsn: str, tmp_path: Path) -> None:
    async def scene(url: str, lane: Twin) -> None:
        slow = Pace(first_pause=0.02, recheck=3600)  # news must not wait for the recheck
        async with running(lane, url, slow) as courier:
            await until(done(courier, lane))
            lane.inspect("a2")
            lane.more.set()
            await until(lambda: courier.progress.accepted_through == lane.last)
            await until(lambda: held(dsn, lane)[3] == 2)
            assert courier.progress.alarms == {} and courier.progress.batches == 2

    lane = Twin()
    lane.inspect("a1")
    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served:
        asyncio.run(scene(served.url, lane))
    assert held(dsn, lane) == (22, lane.head.hex(), 22, 2)
    assert [through for through, _ in lane.receipts] == [11, 22]


@dataclass
class Liar:
    """ASGI layer: tells one lie per exchange while there are any, on POST or on GET, then the truth."""

    app: ASGIApp
    lies: list[Callable[[Scope, Receive, Send], Awaitable[None]]] = field(default_factory=list)
    method: str = "POST"
    told: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == self.method and self.lies:
            self.told += 1
            await self.lies.pop(0)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


def says(status: int, body: bytes, **headers: str) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """A lie: a fixed answer."""

    async def lie(_: Scope, receive: Receive, send: Send) -> None:
        await drain(receive)
        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    return lie


async def hang_up(_: Scope, receive: Receive, __: Send) -> None:
    await drain(receive)
    raise ConnectionAbortedError("on purpose")


async def half(_: Scope, receive: Receive, send: Send) -> None:
    await drain(receive)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"500")]})
    await send({"type": "http.response.body", "body": b'{"site":', "more_body": True})
    raise ConnectionAbortedError("on purpose")


async def endless(_: Scope, receive: Receive, send: Send) -> None:
    await drain(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _n in range(200):
        await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
    raise ConnectionAbortedError("enough")


def twisted(app: ASGIApp, **changes: Any) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """A lie: the true answer with some fields changed; the batch has been taken."""

    async def lie(scope: Scope, receive: Receive, send: Send) -> None:
        async def change(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = []
            elif message["type"] == "http.response.body" and message.get("body"):
                message["body"] = msgspec.json.encode(msgspec.json.decode(message["body"]) | changes)
            await send(message)

        await app(scope, receive, change)

    return lie


def lies_of(app: ASGIApp, lane: Lane) -> list[Callable[[Scope, Receive, Send], Awaitable[None]]]:
    """Every nonsense a centre, a proxy or a captive portal may answer to a batch."""
    gap = {"type": "urn:chayan:problem:gap", "status": 409}
    encode = msgspec.json.encode
    return [  # first those about a whole batch: what cannot be read halves the next one
        twisted(app, node="another-lane"), twisted(app, site="elsewhere"), twisted(app, head="0" * 64),
        twisted(app, accepted_through=10**6), twisted(app, accepted_through=1),
        twisted(app, accepted_through=1, head=lane.rows[0].head.hex()),
        twisted(app, refused=[{"seq": 999, "why": "x"}]), twisted(app, accepted_through=-1),
        twisted(app, wanted=["../../etc/passwd"]), twisted(app, stored="many"),
        says(200, b"<html>log in to the hotel network</html>", content_type="text/html"),
        says(200, b""), says(200, b"{}"), says(200, b"null"), says(204, b""), says(200, b"\xff\xfe"),
        says(200, b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        says(302, b"", location="/login"), says(500, b"oops"), says(502, b"<h1>502</h1>"),
        says(503, b"", retry_after="0"), says(404, b"no"), says(403, b"<html>blocked</html>"),
        says(409, b"what"), says(409, encode(gap)),
        says(409, encode(gap | {"expected": 1, "head": "0" * 64})),
        says(409, encode(gap | {"expected": 10**6, "head": "0" * 64})),
        says(409, encode(gap | {"expected": 4, "head": lane.rows[2].head.hex()})),
        says(409, encode({"type": "urn:chayan:problem:conflict", "seq": 1, "detail": "other bytes"})),
        says(200, gzip.compress(b"{}"), content_encoding="gzip"),
        hang_up, half, endless,
    ]  # fmt: skip


def test_nonsense_never_settles(tmp_path: Path) -> None:
    lane = Twin()
    lane.inspect("a1")
    app = build_app(settings_for(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path, lane))
    liar = Liar(app, lies_of(app, lane))
    lies = len(liar.lies)

    async def scene(url: str) -> None:
        alarms: list[str] = []
        pace = Pace(first_pause=0.01, longest_pause=0.01, recheck=0.3)
        async with running(
            lane, url, pace, told=lambda p: alarms.extend(a.en for a in p.alarms.values())
        ) as courier:
            await until(lambda: liar.told == lies or bool(lane.receipts))
            assert liar.told == lies and lane.receipts == []
            await until(done(courier, lane))
        assert any("not believed" in text for text in alarms) and any("reached" in text for text in alarms)

    with Serving(liar) as served:
        asyncio.run(scene(served.url))
    assert held(f"sqlite:///{tmp_path / 'r.sqlite'}", lane) == (11, lane.head.hex(), 11, 1)


def test_a_standing_that_is_no_truth_moves_nothing(tmp_path: Path) -> None:
    lane = Twin()
    lane.inspect("a1")
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    app = build_app(settings_for(dsn, tmp_path, lane))
    liar = Liar(app, method="GET")
    liar.lies = [
        says(200, b"<html>"), says(404, b""), says(200, b'{"through":3}'), hang_up, twisted(app, through=99),
        twisted(app, node="other-lane"), twisted(app, head="0" * 64), twisted(app, through=3),
    ]  # fmt: skip
    lies = len(liar.lies)

    async def scene(url: str) -> None:
        async with running(lane, url) as courier:
            await until(lambda: liar.told == lies or bool(lane.receipts))
            assert liar.told == lies and lane.receipts == []
            await until(done(courier, lane))

    with Serving(liar) as served:
        asyncio.run(scene(served.url))
    assert held(dsn, lane)[:3] == (11, lane.head.hex(), 11)


def test_a_receipt_must_be_countersigned_where_the_key_is_known(tmp_path: Path) -> None:
    lane, dsn = Twin(), f"sqlite:///{tmp_path / 'r.sqlite'}"
    lane.inspect("a1")
    key = NodeKey.create(tmp_path / "registry.pem")
    app = build_app(settings_for(dsn, tmp_path, lane, key_file=tmp_path / "registry.pem"))
    forged = NodeKey.generate().sign(b"x")
    liar = Liar(app, [twisted(app, countersignature=""), twisted(app, countersignature=forged)])

    async def scene(url: str) -> None:
        async with running(lane, url, registry_key=key.public) as courier:
            await until(done(courier, lane))
        assert liar.told == 2 and len(lane.receipts) == 1

    with Serving(liar) as served:
        asyncio.run(scene(served.url))


def test_refused_records_are_named_once_and_block_nothing(dsn: str, tmp_path: Path) -> None:
    lane = Twin()
    lane.inspect("a1")
    for on in (True, False):
        lane.write(r.Sensed(lane="1", station="gate", sensor="loop", on=on), "a1", "virtual+modbus://io")
    app = build_app(settings_for(dsn, tmp_path, lane, allow_simulated=False))
    liar = Liar(app, [twisted(app, head="0" * 64)])  # the first answer is lost: refused again in the second

    async def scene(url: str) -> None:
        async with running(lane, url) as courier:
            await until(lambda: len(lane.receipts) == 2)
            assert "simulated" in courier.progress.alarms["refused"].en

    with Serving(liar) as served:
        asyncio.run(scene(served.url))
    bodies = [r.parse(row.data).body for row in lane.rows[13:]]
    assert [(b.refused_seq, b.destination) for b in bodies if isinstance(b, r.Refused)] == [
        (12, "centre"),
        (13, "centre"),
    ]
    assert held(dsn, lane)[:3] == (15, lane.head.hex(), 15)


def test_a_refused_refusal_breeds_nothing(tmp_path: Path) -> None:
    lane, dsn = Twin(), f"sqlite:///{tmp_path / 'r.sqlite'}"
    lane.write(r.Refused(destination="centre", refused_seq=1, why="x"), source="virtual+courier")
    lane.write_bytes(b"\xc3\xa4 no record")

    async def scene(url: str) -> None:
        async with running(lane, url):
            await until(lambda: len(lane.receipts) == 2)

    app = build_app(settings_for(dsn, tmp_path, lane, allow_simulated=False))
    with Serving(app) as served:
        asyncio.run(scene(served.url))
    body = r.parse(lane.rows[2].data).body
    assert lane.last == 3 and isinstance(body, r.Refused) and body.refused_seq == 2


def test_what_the_centre_lost_is_sent_again(dsn: str, tmp_path: Path) -> None:
    lane = Twin()
    for name in ("a1", "a2", "a3"):
        lane.inspect(name)

    async def scene(url: str) -> None:
        async with running(lane, url, Pace(first_pause=0.02, recheck=0.2, max_records=5)) as courier:
            await until(done(courier, lane))
            await until(lambda: held(dsn, lane)[3] == 3)
            for keep in (13, 0):
                forget(dsn, lane, keep)  # the idle courier must notice by itself
                await until(lambda: held(dsn, lane)[:3] == (lane.last, lane.head.hex(), lane.last))
                await until(done(courier, lane))
                assert "again" in courier.progress.alarms["restored"].en
            await until(lambda: held(dsn, lane)[3] == 3)

    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served:
        asyncio.run(scene(served.url))


def forget(dsn: str, lane: Lane, keep: int) -> None:
    """The centre is restored from a backup that ends at record ``keep``."""
    engine = open_engine(dsn)
    with writing(engine) as connection:
        cut(connection, lane.node, keep, lane.key)
        for table in (tables.inspections, tables.photos):
            connection.execute(sa.delete(table))
        connection.execute(
            sa.update(tables.nodes).values(through_seq=keep, records=keep, head=lane.head_before(keep + 1))
        )
    engine.dispose()


def test_a_gap_is_answered_by_going_back(tmp_path: Path) -> None:
    """Records vanish between the comparison and the batch: only the 409 tells."""
    lane, dsn = Twin(), f"sqlite:///{tmp_path / 'r.sqlite'}"
    for name in ("a1", "a2"):
        lane.inspect(name)
    app = build_app(settings_for(dsn, tmp_path, lane))
    liar = Liar(app)

    async def forgetful(scope: Scope, receive: Receive, send: Send) -> None:
        forget(dsn, lane, 4)
        await app(scope, receive, send)

    liar.lies = [app, app, forgetful]

    async def scene(url: str) -> None:
        async with running(lane, url, Pace(first_pause=0.02, recheck=60, max_records=5)) as courier:
            await until(done(courier, lane))
            assert liar.lies == [] and "restored" in courier.progress.alarms

    with Serving(liar) as served:
        asyncio.run(scene(served.url))
    assert [through for through, _ in lane.receipts] == [5, 10, 4, 9, 14, 19, 22]
    assert held(dsn, lane)[:3] == (22, lane.head.hex(), 22)


def test_a_centre_with_another_history_is_not_fed(tmp_path: Path) -> None:
    lane, other, dsn = Twin(), Lane(), f"sqlite:///{tmp_path / 'r.sqlite'}"
    lane.inspect("a1")
    other.site, other.node, other.key = lane.site, lane.node, lane.key
    other.inspect("zz")
    app = build_app(settings_for(dsn, tmp_path, lane))

    async def scene(url: str) -> None:
        async with httpx.AsyncClient(base_url=url) as client:
            body = wire.encode_batch(other.batch(1, 8))
            sent = await client.post("/v1/batches", content=body, headers={"Content-Encoding": "zstd"})
            assert sent.status_code == 200
        async with running(lane, url) as courier:
            await until(lambda: "link" in courier.progress.alarms)
            assert "not the journal's" in courier.progress.alarms["link"].en
            assert courier.progress.link == "down" and lane.receipts == []

    with Serving(app) as served:
        asyncio.run(scene(served.url))
    assert held(dsn, lane)[:2] == (8, other.rows[7].head.hex())


def test_a_batch_that_is_too_large_is_made_smaller(tmp_path: Path) -> None:
    lane, dsn = Twin(), f"sqlite:///{tmp_path / 'r.sqlite'}"
    for name in ("a1", "a2"):
        lane.inspect(name)
    app = build_app(settings_for(dsn, tmp_path, lane))
    liar = Liar(app, [says(413, b"nginx")] * 3)

    async def scene(url: str) -> None:
        async with running(lane, url) as courier:
            await until(done(courier, lane))

    with Serving(liar) as served:
        asyncio.run(scene(served.url))
    assert [through for through, _ in lane.receipts][:4] == [2, 4, 7, 11]
    assert held(dsn, lane)[:3] == (22, lane.head.hex(), 22)


def test_photos_that_cannot_be_sent_do_not_stop_the_others(dsn: str, tmp_path: Path) -> None:
    lane = Twin()
    gif, gone = b"GIF89a", photo("gone")
    for name in ("a1", "a2"):
        lane.inspect(name)
        for odd in (gif, gone):
            lane.write(r.Photographed(shot="0111", photo=digest(odd), size_bytes=6), name)
    lane.pictures[digest(gif)] = gif
    app = build_app(settings_for(dsn, tmp_path, lane))
    liar = Liar(app, [hang_up, half, says(500, b""), says(200, b"<html>")], method="PUT")

    async def scene(url: str) -> None:
        async with running(lane, url) as courier:
            await until(lambda: held(dsn, lane)[3] == 2)
            await until(done(courier, lane))
            await until(lambda: "photo" in courier.progress.alarms)

    with Serving(liar) as served:
        asyncio.run(scene(served.url))
    assert liar.lies == [] and len(lane.receipts) == 1


def test_a_photo_that_is_not_wanted_yet_comes_later(tmp_path: Path) -> None:
    lane, dsn = Twin(), f"sqlite:///{tmp_path / 'r.sqlite'}"
    lane.inspect("a1")
    app = build_app(settings_for(dsn, tmp_path, lane))
    not_yet = msgspec.json.encode({"type": "urn:chayan:problem:photo-not-wanted", "detail": "records first"})
    liar = Liar(app, [says(409, not_yet), says(409, b"<html>")], method="PUT")

    async def scene(url: str) -> None:
        async with running(lane, url):
            await until(lambda: liar.lies == [] and held(dsn, lane)[3] == 1)

    with Serving(liar) as served:
        asyncio.run(scene(served.url))


def test_what_stays_refused_stays_on_the_board(tmp_path: Path) -> None:
    """A centre that answers but takes nothing: the alarm does not flicker, the pause grows."""
    lane, dsn = Twin(), f"sqlite:///{tmp_path / 'r.sqlite'}"
    lane.inspect("a1")
    app = build_app(settings_for(dsn, tmp_path, lane))
    liar = Liar(app, [says(500, b"")] * 6)
    links: list[str] = []

    async def scene(url: str) -> None:
        async with running(lane, url, told=lambda progress: links.append(progress.link)) as courier:
            await until(lambda: courier._failures >= 5)
            assert set(links) == {"down"}
            await until(done(courier, lane))

    with Serving(liar) as served:
        asyncio.run(scene(served.url))


def test_two_couriers_of_one_journal_double_nothing(dsn: str, tmp_path: Path) -> None:
    lane = Twin()
    for name in ("a1", "a2", "a3"):
        lane.inspect(name)

    async def scene(url: str) -> None:
        pace = Pace(first_pause=0.02, longest_pause=0.1, recheck=0.3, max_records=3)
        async with running(lane, url, pace) as one, running(lane, url, pace) as two:
            await until(done(one, lane))
            await until(done(two, lane))
            await until(lambda: held(dsn, lane)[3] == 3)

    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served:
        asyncio.run(scene(served.url))
    assert held(dsn, lane) == (33, lane.head.hex(), 33, 3)


class Process:
    """tests.faulty_registry in its own process, started again whenever it has died."""

    def __init__(self, dsn: str, folder: Path, lane: Lane, orders: list[str]) -> None:
        known = {
            "dsn": dsn,
            "photos_dir": str(folder / "photos"),
            "nodes": [
                {"site": lane.site, "node": lane.node, "public_key": lane.key.public, "allow_simulated": True}
            ],
        }
        self.settings, self.orders = folder / "settings.json", folder / "orders"
        self.settings.write_bytes(msgspec.json.encode(known))
        self.orders.write_text("\n".join(orders))
        with Serving(_nothing) as probe:
            self.url = probe.url
        self.deaths, self.stopping = 0, False
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        port = self.url.rpartition(":")[2]
        command = [sys.executable, "-m", "tests.faulty_registry", self.settings, port, self.orders]
        return subprocess.Popen(command, cwd=Path(__file__).parents[1])

    async def keep_alive(self) -> None:
        while not self.stopping:
            if self.process.poll() is not None:
                self.deaths += 1
                self.process = self.start()
            await asyncio.sleep(0.02)

    def stop(self) -> None:
        self.stopping = True
        self.process.kill()
        self.process.wait(30)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that is never asked."""


@contextlib.contextmanager
def opened(path: Path, node: str) -> Iterator[Journal]:
    journal = Journal(path, node)
    try:
        yield journal
    finally:
        journal.close()


def test_kill_9_at_any_point_loses_and_doubles_nothing(dsn: str, tmp_path: Path) -> None:
    """The real journal and photos; the registry dies before and after its commit, and at any moment."""
    lane = Lane()
    orders = [
        "die-before",
        "ok",
        "die-after",
        "lose",
        "die-after",
        "ok",
        "die-before",
        "lose",
        "ok",
        "die-after",
    ]
    process = Process(dsn, tmp_path, lane, orders)
    photos = Photos(tmp_path / "lane-photos")

    async def write(journal: Journal) -> None:
        for at in range(30):
            lane.rows.clear()
            lane.inspect(f"v{at}")
            photos.put(photo(f"v{at}"))
            bodies = [r.parse(row.data) for row in lane.rows]
            drafts = [
                r.Draft(source="test", source_key=f"{at}/{b.seq}", body=b.body, inspection=b.inspection)
                for b in bodies
            ]
            await journal.append(*drafts)
            if at in (12, 20):
                os.kill(process.process.pid, signal.SIGKILL)
            await asyncio.sleep(0.05)

    async def scene(journal: Journal) -> None:
        keeper = asyncio.create_task(process.keep_alive())
        async with httpx.AsyncClient(base_url=process.url, timeout=20) as client:
            courier = Courier(
                site=lane.site, node=lane.node, journal=journal, photos=photos, signer=lane.key,
                client=client, pace=Pace(first_pause=0.02, longest_pause=0.2, recheck=0.3, max_records=25),
            )  # fmt: skip
            task = asyncio.create_task(courier.run())
            await write(journal)
            await until(
                lambda: (
                    held_or_nothing(dsn, lane)
                    == (journal.head()[0], journal.head()[1].hex(), journal.head()[0], 30)
                ),
                "all held",
            )
            await until(lambda: courier.progress.accepted_through == journal.head()[0] >= 330)
            task.cancel()
            process.stopping = True
            await keeper
            with contextlib.suppress(asyncio.CancelledError):
                await task

    try:
        with opened(tmp_path / "journal.sqlite", lane.node) as journal:
            asyncio.run(scene(journal))
            assert process.orders.read_text() == "" and process.deaths >= 5
            settled = journal.receipt("centre")
            assert settled is not None and settled[0] == journal.head()[0]
            assert wire.decode_receipt(settled[1]).head == journal.head()[1].hex()
            same_as_journal(dsn, journal)
    finally:
        process.stop()


def held_or_nothing(dsn: str, lane: Lane) -> tuple[int, str, int, int] | None:
    """As ``held``; None before the registry has made its tables."""
    try:
        return held(dsn, lane)
    except (sa.exc.DBAPIError, sa.exc.NoResultFound):
        return None


def same_as_journal(dsn: str, journal: Journal) -> None:
    """Each inspection once, with all its records, in the order of the journal."""
    engine = open_engine(dsn)
    with engine.connect() as connection:
        heads = [each.head for each in entries_of(connection)]
        rows = connection.execute(sa.select(tables.inspections)).all()
    engine.dispose()
    assert heads == [row.head for row in journal.rows(0, 1000)]
    assert sorted(row.inspection for row in rows) == sorted(f"v{at}" for at in range(30))
    assert {(row.records, row.photos, row.verdict) for row in rows} == {(11, 1, "pass")}


def test_the_pause_grows_has_a_limit_and_jitter(tmp_path: Path) -> None:
    """Asked of the courier itself: with nobody to answer, failures are counted and pauses stay in bounds."""
    lane = Twin()
    lane.inspect("a1")

    async def scene() -> None:
        async with running(lane, "http://127.0.0.1:9", Pace(first_pause=0.01, longest_pause=0.02)) as courier:
            await until(lambda: courier._failures >= 5)
            assert courier.progress.link == "down" and "reached" in courier.progress.alarms["link"].en
            pauses = {courier._pause() for _ in range(50)}
            assert len(pauses) > 10 and all(0.01 <= pause <= 0.02 for pause in pauses)

    asyncio.run(scene())


@pytest.mark.parametrize("wait", ["0", "7", "99999", "soon", "-1"])
def test_the_centre_may_ask_for_patience(wait: str) -> None:
    from central_sync.centre import Centre, Trouble

    async def scene(url: str) -> float:
        async with httpx.AsyncClient(base_url=url) as client:
            with pytest.raises(Trouble) as caught:
                await Centre(client, "s", "lane-1", NodeKey.generate()).standing()
        return caught.value.wait

    with Serving(says(503, b"", retry_after=wait)) as served:
        assert asyncio.run(scene(served.url)) == {"7": 7.0, "99999": 300.0}.get(wait, 0.0)


# ---- clocks, photos on a lane that never rests, and photos that are settled -----------------------


def test_the_centres_clock_is_compared_recorded_once_and_told_when_far_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = Twin()
    lane.inspect("a1")
    app = build_app(settings_for(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path, lane))
    monkeypatch.setattr("central_sync.centre.time.time", lambda: time.monotonic() + 1_700_000_000.0)

    async def scene(url: str) -> None:
        async with running(lane, url) as courier:
            await until(done(courier, lane))
            await until(lambda: "clock" in courier.progress.alarms)
            assert "differ by" in courier.progress.alarms["clock"].en

    with Serving(app) as served:
        asyncio.run(scene(served.url))
    (kept,) = lane.clocks
    assert isinstance(kept.body, r.ClockCompared)
    assert kept.body.destination == "centre" and abs(kept.body.offset_ms) > 86_400_000
    assert kept.source == "courier://centre" and kept.source_key.endswith("-1-clock")


def test_a_lane_that_never_rests_does_not_keep_its_photos_back(tmp_path: Path) -> None:
    lane = Twin()
    app = build_app(settings_for(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path, lane))

    async def scene(url: str) -> None:
        async with running(lane, url, Pace(recheck=0.3)) as courier:
            for n in range(20):
                lane.inspect(f"b{n}")
            stop = asyncio.Event()

            async def busy() -> None:
                n = 0
                while not stop.is_set():
                    n += 1
                    body = r.Sensed(lane="1", station="gate", sensor="occupied", on=n % 2 == 0)
                    await TwinJournal(lane).append(r.Draft(source="s", source_key=f"busy{n}", body=body))
                    await asyncio.sleep(0.003)

            working = asyncio.create_task(busy())
            try:
                await until(lambda: len(list((tmp_path / "photos").glob("??/*.bin"))) == 20, "photos")
                assert courier.progress.batches > 2, "records came and went all the time"
            finally:
                stop.set()
                await working

    with Serving(app) as served:
        asyncio.run(scene(served.url))


def test_photos_are_settled_only_when_the_centre_wants_none(tmp_path: Path) -> None:
    lane = Twin()
    lane.inspect("a1")
    lane.inspect("a2")
    missing = lane.pictures.pop(digest(photo("a2")))
    app = build_app(settings_for(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path, lane))

    async def scene(url: str) -> None:
        async with running(lane, url) as courier:
            await until(lambda: courier.progress.accepted_through == lane.last)
            await until(lambda: "photo" in courier.progress.alarms)
            await asyncio.sleep(0.5)
            assert lane.photo_receipts == []
            lane.pictures[digest(missing)] = missing
            await until(lambda: bool(lane.photo_receipts))
            assert lane.photo_receipts[-1][0] == lane.last

    with Serving(app) as served:
        asyncio.run(scene(served.url))

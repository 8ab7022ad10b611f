"""One record that a centre, or what stands before it, will not have: what lies before and behind arrives."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
import zstandard
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central_sync.courier import Pace
from central_sync.journal import Journal
from central_sync.registry import tables
from central_sync.registry.api import build_app
from central_sync.seal import NodeKey
from central_sync.volumes import JournalReader
from lanes import record as r
from tests.central_parts import Lane, Serving, dsn, settings_for
from tests.courier_process import PACE
from tests.held_parts import entries_of
from tests.test_central_courier import Twin, done, forget, half, reading, running, says, until

pytestmark = pytest.mark.slow

__all__ = ["dsn"]  # fixture
MARK = "' OR 1=1 --"
Answer = Callable[[Scope, Receive, Send], Awaitable[None]]


ANSWERS: dict[str, Answer] = {
    "firewall": says(403, b"<html>blocked by policy</html>", content_type="text/html"),
    "fault": says(500, b"oops"),
    "gateway": says(502, b"<h1>502 Bad Gateway</h1>"),
    "page": says(200, b"<html>your request was blocked</html>"),
    "away": says(302, b"", location="/blocked"),
    "method": says(405, b"<html>405</html>"),
    "large": says(413, b"<h1>413 Request Entity Too Large</h1>"),
    "cut": half,
}


@dataclass
class Front:
    """What stands before a registry: reads every batch as a firewall would, and turns some down."""

    app: ASGIApp
    answer: Answer
    turns_down: Callable[[str], bool] = lambda text: MARK in text
    seen: list[str] = field(default_factory=list)
    turned_down: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        said = msgspec.json.decode(zstandard.decompress(body))
        text = "\n".join(each if isinstance(each, str) else str(each) for each in said["records"])
        self.seen.append(text)

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        if self.turns_down(text):
            self.turned_down += 1
            await self.answer(scope, again, send)
        else:
            await self.app(scope, again, send)


def poison(lane: Lane, inspection: str | None = "a1") -> int:
    return lane.write(r.Checked(item="01", result="pass", officer="o-1", remark=MARK), inspection)


def mixed() -> tuple[Twin, list[int]]:
    """A lane with records that a front will not have: one, two together, and the very last."""
    lane, bad = Twin(), []
    lane.inspect("a1")
    bad.append(poison(lane))
    lane.inspect("a2")
    bad += [poison(lane), poison(lane, None)]
    lane.inspect("a3")
    bad.append(poison(lane, "a3"))
    return lane, bad


def stands(dsn: str, lane: Lane) -> dict[int, tuple[bytes, str | None]]:
    """Number -> (bytes, or digest where they are not held, why not) at the centre."""
    with reading(dsn) as connection:
        found = entries_of(connection, lane.node)
    return {
        each.seq: (bytes.fromhex(each.sha256), each.instead.why) if each.instead else (each.data, None)
        for each in found
    }


def refusals(lane: Twin) -> list[tuple[int, str | None, str]]:
    """(record, inspection, why) of each Refused record of the lane."""
    records = [r.parse(row.data) for row in lane.rows]
    return [(x.body.refused_seq, x.inspection, x.body.why) for x in records if isinstance(x.body, r.Refused)]


def holds_all_but(dsn: str, lane: Twin, bad: list[int]) -> None:
    """Every record once, as it is; of ``bad`` the digest and the node's word; each of them on record once."""
    here = stands(dsn, lane)
    assert sorted(here) == list(range(1, lane.last + 1))
    assert [seq for seq, (_, why) in here.items() if why] == bad
    for row in lane.rows:
        assert here[row.seq][0] == (r.hashlib.sha256(row.data).digest() if row.seq in bad else row.data)
    assert [seq for seq, *_ in refusals(lane)] == bad
    with reading(dsn) as connection:
        rows = connection.execute(sa.select(tables.inspections)).all()
    assert {(row.inspection, row.verdict) for row in rows} == {("a1", "pass"), ("a2", "pass"), ("a3", "pass")}


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_lies_before_and_behind_goes_through_and_of_the_record_its_digest(
    tmp_path: Path, answer: str
) -> None:
    lane, bad = mixed()
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    front = Front(build_app(settings_for(dsn, tmp_path, lane)), ANSWERS[answer])

    async def scene(url: str) -> None:
        async with running(lane, url, PACE) as courier:
            await until(lambda: courier.progress.accepted_through == lane.last and len(refusals(lane)) == 4)
            alarm = courier.progress.alarms["withheld"]
            assert "only its digest" in alarm.en and "摘要" in alarm.zh
            assert "blocked" not in courier.progress.alarms and courier.progress.link == "ok"

    with Serving(front) as served:
        asyncio.run(scene(served.url))
    holds_all_but(dsn, lane, bad)
    brief = {"cut": "cut off", "firewall": "HTTP 403", "large": "HTTP 413"}.get(answer, "HTTP ")
    for seq, inspection, why in refusals(lane):
        assert inspection == r.parse(lane.rows[seq - 1].data).inspection
        assert why.startswith("withheld by the node: ") and brief in why and MARK not in why


def test_both_databases_hold_it_and_a_restored_one_gets_it_again(dsn: str, tmp_path: Path) -> None:
    lane, bad = mixed()
    front = Front(build_app(settings_for(dsn, tmp_path, lane)), ANSWERS["firewall"])

    async def scene(url: str) -> None:
        async with running(lane, url, PACE) as courier:
            await until(lambda: courier.progress.accepted_through == lane.last and len(refusals(lane)) == 4)
            await until(done(courier, lane))
            holds_all_but(dsn, lane, bad)
            forget(dsn, lane, 20)
            with reading(dsn) as connection:
                connection.execute(sa.delete(tables.inspections))
                connection.commit()
            await until(lambda: len(stands(dsn, lane)) == lane.last and done(courier, lane)())
            assert "restored" in courier.progress.alarms

    with Serving(front) as served:
        asyncio.run(scene(served.url))
    assert [seq for seq, *_ in refusals(lane)] == bad, "each is on record once, however often it is sent"
    assert [seq for seq, (_, why) in stands(dsn, lane).items() if why] == bad


def test_until_its_time_is_over_the_record_is_tried_and_when_the_front_is_mended_it_goes(
    tmp_path: Path,
) -> None:
    lane = Twin()
    lane.inspect("a1")
    bad = poison(lane)
    lane.inspect("a2")
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    front = Front(build_app(settings_for(dsn, tmp_path, lane)), ANSWERS["firewall"])

    async def scene(url: str) -> None:
        async with running(lane, url, replace(PACE, withhold_s=3600.0)) as courier:
            await until(lambda: front.seen[-8:].count(lane.rows[bad - 1].data.decode()) == 8)
            alarm = courier.progress.alarms["blocked"]
            assert f"record {bad} is turned down even alone" in alarm.en and f"第 {bad} 条" in alarm.zh
            assert courier.progress.accepted_through == bad - 1
            front.turns_down = lambda _: False
            await until(done(courier, lane))
            assert {"blocked", "withheld", "link"}.isdisjoint(courier.progress.alarms)

    with Serving(front) as served:
        asyncio.run(scene(served.url))
    assert refusals(lane) == [] and {why for _, why in stands(dsn, lane).values()} == {None}


def test_a_road_that_takes_nothing_for_a_while_costs_no_record_its_bytes(tmp_path: Path) -> None:
    """Whenever it opens again: what was taken before must be taken again, and the record still not."""
    dsn, lanes = f"sqlite:///{tmp_path / 'r.sqlite'}", [Twin() for _ in range(14)]
    front = Front(build_app(settings_for(dsn, tmp_path, *lanes)), ANSWERS["fault"])
    hasty = replace(PACE, withhold_s=0.0, withhold_tries=2)

    async def scene(url: str, lane: Twin, closed: int) -> None:
        front.seen.clear()
        front.turns_down = lambda _: 1 < len(front.seen) <= closed
        lane.inspect("a1")
        async with running(lane, url, hasty) as courier:
            await until(lambda: courier.progress.accepted_through == hasty.max_records)
            await until(lambda: len(front.seen) > closed)
            await until(done(courier, lane))

    with Serving(front) as served:
        for closed, lane in enumerate(lanes, 1):
            asyncio.run(scene(served.url, lane, closed))
            assert refusals(lane) == [] and {why for _, why in stands(dsn, lane).values()} == {None}, closed


def test_an_older_registry_blocks_only_there_and_a_newer_one_goes_on(tmp_path: Path) -> None:
    lane, bad = mixed()
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    app = build_app(settings_for(dsn, tmp_path, lane))
    malformed = {"type": "urn:chayan:problem:malformed", "status": 422, "title": "The request cannot be read"}
    older = Front(
        app, says(422, msgspec.json.encode(malformed)), turns_down=lambda text: "{'withheld'" in text
    )
    front = Front(older, ANSWERS["firewall"])

    async def scene(url: str) -> None:
        async with running(lane, url, PACE) as courier:
            await until(lambda: older.turned_down > 3)
            assert courier.progress.accepted_through == bad[0] - 1 and refusals(lane) == []
            assert set(courier.progress.alarms) >= {"blocked", "link"} and courier.progress.link == "down"
            older.turns_down = lambda _: False
            await until(lambda: courier.progress.accepted_through == lane.last and len(refusals(lane)) == 4)

    with Serving(front) as served:
        asyncio.run(scene(served.url))
    holds_all_but(dsn, lane, bad)


def test_a_record_beyond_the_limits_of_the_protocol_is_withheld_at_once(tmp_path: Path) -> None:
    lane = Twin()
    for name in ("a1", "a2", "a3"):
        if name == "a2":
            huge = r.canonical(r.parse(lane.rows[-1].data))
            lane.write_bytes(huge.replace(b'"seq":11', b'"note":"' + b"x" * (33 << 20) + b'","seq":12'))
        lane.inspect(name)
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    app = build_app(settings_for(dsn, tmp_path, lane))

    async def scene(url: str) -> None:
        patient = Pace(first_pause=0.01, longest_pause=0.05, recheck=0.3)
        async with running(lane, url, patient) as courier:
            await until(lambda: courier.progress.accepted_through == lane.last and len(refusals(lane)) == 1)
            assert "HTTP 413" in courier.progress.alarms["withheld"].en

    with Serving(app) as served:
        asyncio.run(scene(served.url))
    holds_all_but(dsn, lane, [12])


@pytest.mark.parametrize("status", [401, 407, 408, 409, 429, 503])
def test_what_holds_for_every_batch_withholds_none(tmp_path: Path, status: int) -> None:
    lane = Twin()
    lane.inspect("a1")
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    front = Front(build_app(settings_for(dsn, tmp_path, lane)), says(status, b""), turns_down=lambda _: True)

    async def scene(url: str) -> None:
        async with running(lane, url, replace(PACE, withhold_s=0.0)) as courier:
            await until(lambda: front.turned_down > 12)
            assert "blocked" not in courier.progress.alarms and courier.progress.link == "down"

    with Serving(front) as served:
        asyncio.run(scene(served.url))
    assert len({len(text) for text in front.seen}) == 1, "the same batch each time"


def test_a_node_that_is_not_known_or_has_another_key_withholds_nothing(tmp_path: Path) -> None:
    lane, stranger = Twin(), Twin()
    lane.inspect("a1")
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    app = build_app(settings_for(dsn, tmp_path, lane))
    front = Front(app, app, turns_down=lambda _: True)
    lane.key = stranger.key

    async def scene(url: str) -> None:
        async with running(lane, url, replace(PACE, withhold_s=0.0)) as courier:
            await until(lambda: front.turned_down > 12)
            assert "blocked" not in courier.progress.alarms and "key" in courier.progress.alarms["link"].en

    with Serving(front) as served:
        asyncio.run(scene(served.url))


# ---- killed ----------------------------------------------------------------------------------------


@contextmanager
def courier_process(folder: Path, lane: Lane, url: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.courier_process", folder, lane.site, lane.node, url]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


async def write(folder: Path, lane: Twin) -> None:
    journal = Journal(folder / "journal.sqlite", lane.node, signer=lane.key)
    bodies = [r.parse(row.data) for row in lane.rows]
    await journal.append(
        *(r.Draft(source="t", source_key=str(b.seq), body=b.body, inspection=b.inspection) for b in bodies)
    )
    journal.close()


def settled(folder: Path) -> tuple[list[bytes], list[int]]:
    """Every record of the journal while another process has it, and how far each receipt reaches."""
    reader = JournalReader(folder)
    try:
        rows = reader.rows(0, 1000)
        return [row.data for row in rows], [kept.through_seq for kept in reader.receipts()]
    finally:
        reader.close()


def test_a_courier_that_is_killed_again_and_again_withholds_each_record_once(tmp_path: Path) -> None:
    lane, bad = mixed()
    lane.key = NodeKey.create(tmp_path / "node.key")
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    asyncio.run(write(tmp_path, lane))
    front = Front(build_app(settings_for(dsn, tmp_path, lane)), ANSWERS["firewall"])
    chance, deaths = random.Random(1), 0

    def finished() -> bool:
        records, receipts = settled(tmp_path)
        refused = sum(isinstance(r.parse(data).body, r.Refused) for data in records)
        return refused == len(bad) and receipts[-1:] == [len(records)]

    async def scene(url: str) -> None:
        nonlocal deaths
        while not finished():
            with courier_process(tmp_path, lane, url) as process:
                enough = len(front.seen) + chance.randrange(25)
                await until(lambda enough=enough: len(front.seen) > enough or finished())  # type: ignore[misc]
                os.kill(process.pid, signal.SIGKILL)
                deaths += 1

    with Serving(front) as served:
        asyncio.run(scene(served.url))
    assert deaths > 3
    lane.rows.clear()
    for data in settled(tmp_path)[0]:
        lane.write_bytes(data)
    holds_all_but(dsn, lane, bad)

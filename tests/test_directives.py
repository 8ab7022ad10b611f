"""Directives: from the centre to the lane, and back as a record; forged or foreign ones do nothing."""

import asyncio
import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from central_sync import batch as wire
from central_sync.centre import Trouble
from central_sync.directives import ANSWER_LIMIT, Directive, Pull, UnpinnedTrouble, directive_message
from central_sync.registry.accept import Policy, accept
from central_sync.registry.directives import DirectiveError, due, give, listed, places
from central_sync.registry.engines import open_engine
from central_sync.registry.nodes import enroll
from central_sync.registry.schema import prepare
from central_sync.seal import NodeKey
from edge.__main__ import app as chayan
from edge.directives import Directing
from edge.rulebook import default_folder
from lanes.record import Directed, Ordered, genesis
from tests.central_parts import Lane, dsn, engine, enrolled
from tests.directives_parts import (
    KEY,
    acknowledged,
    black,
    centre_and_node,
    directed,
    order,
    site_path,
    tell,
)
from tests.edge_parts import edge_at, site_file

__all__ = ["dsn", "engine"]  # fixtures


# ---- the way there and back ------------------------------------------------------------------------


def test_an_order_of_the_centre_waits_at_the_lane_and_is_acknowledged_by_its_record(
    dsn: str, tmp_path: Path
) -> None:
    async def use() -> None:
        async with centre_and_node(dsn, tmp_path) as (edge, database, registry, pull):
            assert tell(edge, database, registry, "order", order()) == 1
            assert tell(edge, database, registry, "order", order()) == 1, "the same again is the same"
            assert tell(edge, database, registry, "order", order("LTEST1A27R0000002", "o2"), "v2") == 2
            (first, second) = await directed(edge, pull, 2)
            assert (first.number, first.outcome, second.outcome) == (1, "taken", "taken")
            assert {each.vehicle.vin for each in edge.desk.book.waiting()} == {
                "LTEST1A27R0000001", "LTEST1A27R0000002",
            }  # fmt: skip
            rows = edge.desk.journal.rows(0)
            site = edge.desk.site
            batch = wire.compose(site.site.id, site.node.name, rows, genesis(site.node.name), KEY)
            assert [each["outcome"] for each in listed(database)] == [None, None]
            accept(database, batch, Policy(allow_simulated=True))
            states = listed(database)
            assert [(each["number"], each["outcome"]) for each in states] == [(2, "taken"), (1, "taken")]
            assert all(each["answered_seq"] for each in states)

    asyncio.run(use())


def test_a_refused_directive_says_why_and_stops_no_other(dsn: str, tmp_path: Path) -> None:
    async def use() -> None:
        async with centre_and_node(dsn, tmp_path) as (edge, database, registry, pull):
            bodies: list[tuple[Any, bytes]] = [
                ("order", b"no json"),
                ("order", order(business="unheard-of")),
                ("blacklist", b'{"entries": [{"level": "maybe"}]}'),
                ("rules", b"[rules]"),
                ("models", b"[thresholds.plate]\nagree = 1"),
                ("configuration", b"[site]"),
                ("order", order()),
                ("order", order(key="o3")),
            ]
            for n, (subject, body) in enumerate(bodies):
                tell(edge, database, registry, subject, body, f"v{n}")
            done = await directed(edge, pull, len(bodies))
            assert [each.outcome for each in done] == ["refused"] * 6 + ["taken", "refused"]
            assert "no order" in done[0].why and "规则未覆盖" in done[1].why
            assert all("cannot be used as" in each.why for each in done[2:6])
            assert "open inspection" in done[7].why
            assert len(edge.desk.book.waiting()) == 1

    asyncio.run(use())


def test_killed_between_effect_and_record_it_is_done_once(tmp_path: Path) -> None:
    async def use() -> None:
        async with centre_and_node(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path) as parts:
            edge, database, registry, pull = parts
            tell(edge, database, registry, "order", order())
            (directive,) = await pull.after(0, 0)
            directing = Directing(edge.desk, pull, "centre", site_path(edge))
            await directing._act(directive.subject, directive.content())  # and here it was killed
            await directed(edge, pull, 1)
            await directed(edge, pull, 1)
            orders = [r for r in edge.desk.journal.replay() if isinstance(r.body, Ordered)]
            assert len(orders) == 1
            assert sum(isinstance(r.body, Directed) for r in edge.desk.journal.replay()) == 1

    asyncio.run(use())


# ---- black lists ---------------------------------------------------------------------------------


def test_a_listed_vehicle_is_stopped_at_the_order_or_shown_and_the_list_survives_a_restart(
    tmp_path: Path,
) -> None:
    async def use() -> None:
        async with centre_and_node(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path) as parts:
            edge, database, registry, pull = parts
            tell(edge, database, registry, "blacklist", black("stop", "v1", vin="LTEST1A27R0000001"))
            await directed(edge, pull, 1)
            post = json.loads(order())
            refused = await edge.client.post("/api/v1/orders", json=post)
            assert (refused.status_code, refused.json()["type"]) == (409, "urn:chayan:problem:blacklisted")
            assert "盗抢" in refused.json()["detail"]
            tell(edge, database, registry, "blacklist", black("warn", "v2", hpzl="02", hphm="浙A12345"), "v2")
            await directed(edge, pull, 2)
            await edge.order()
            alarms = (await edge.client.get("/api/v1/board")).json()["alarms"]
            assert any("布控车辆 浙A12345" in each["zh"] for each in alarms)

    asyncio.run(use())

    async def again() -> None:
        async with edge_at(tmp_path) as edge:
            assert edge.desk.blacklist.version == "v2"

    asyncio.run(again())


# ---- what is not believed ------------------------------------------------------------------------


def test_without_the_registrys_own_signature_nothing_is_taken(tmp_path: Path) -> None:
    async def use() -> None:
        other = NodeKey.generate().public
        dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
        async with centre_and_node(dsn, tmp_path, registry_key=other) as (edge, database, registry, pull):
            tell(edge, database, registry, "order", order())
            with pytest.raises(Trouble, match="not signed by the key of this registry"):
                await pull.after(0, 0)

    asyncio.run(use())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: {"number": d.number + 1},
        lambda d: {"version": "other"},
        lambda d: {"subject": "blacklist"},
        lambda d: {"body": "AAAA"},
        lambda d: {"body": "!"},
        lambda d: {"sha256": "0" * 64},
    ],
)
def test_a_changed_directive_is_not_believed(spoil: Any) -> None:
    body = order()
    digest = hashlib.sha256(body).hexdigest()
    true = Directive(
        number=1, subject="order", version="v", sha256=digest, public_key=KEY.public,
        signature=KEY.sign(directive_message("s", "node-1", 1, "order", "v", digest)),
        body=base64.b64encode(body).decode(),
    )  # fmt: skip
    said = iter([true, msgspec.structs.replace(true, **spoil(true))])

    def saying(directive: Directive) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(msgspec.json.encode({"directives": [directive]})))

    def answer(_: httpx.Request) -> httpx.Response:
        return saying(next(said))

    async def use() -> None:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://r.test") as client:
            pull = Pull(client, "s", "node-1", KEY, KEY.public)
            assert (await pull.after(0, 0))[0].content() == body
            with pytest.raises(Trouble):
                await pull.after(0, 0)
            client._transport = httpx.MockTransport(lambda _: saying(true))
            with pytest.raises(Trouble, match="not signed"):
                await Pull(client, "other", "node-1", KEY, KEY.public).after(0, 0)

    asyncio.run(use())


def test_only_the_node_itself_may_ask_also_with_a_clock_that_is_a_day_off(dsn: str, tmp_path: Path) -> None:
    async def use() -> None:
        async with centre_and_node(dsn, tmp_path, signer=NodeKey.generate()) as (
            edge,
            database,
            registry,
            pull,
        ):
            tell(edge, database, registry, "order", order())
            with pytest.raises(Trouble, match="403"):
                await pull.after(0, 0)
        for days in (-1, 1):
            late = lambda days=days: datetime.now(UTC) + timedelta(days=days)  # noqa: E731
            async with centre_and_node(dsn, tmp_path, now=late) as (_, _, _, pull):
                assert len(await pull.after(0, 0)) == 1

    asyncio.run(use())


def test_what_cannot_be_given_is_refused(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    for site, node, subject, version, body in (
        (lane.site, "nobody", "order", "v", b"x"),
        (lane.site, lane.node, "order", "", b"x"),
        (lane.site, lane.node, "order", "v", b""),
        (lane.site, lane.node, "order", "v", b"x" * (5 << 20)),
        (lane.site, lane.node, "nonsense", "v", b"x"),
    ):
        with pytest.raises(DirectiveError):
            give(engine, KEY, site, node, subject, version, body)


def test_a_waiting_request_is_answered_when_there_is_news(tmp_path: Path) -> None:
    async def use() -> None:
        async with centre_and_node(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path) as parts:
            edge, database, registry, pull = parts
            asked = asyncio.create_task(pull.after(0, 20))
            await asyncio.sleep(0.3)
            assert not asked.done()
            await asyncio.to_thread(tell, edge, database, registry, "order", order())
            assert len(await asyncio.wait_for(asked, 10)) == 1

    asyncio.run(use())


def test_the_commands_give_and_list_and_refuse_in_words(dsn: str, tmp_path: Path) -> None:
    engine = open_engine(dsn)
    prepare(engine)
    for node in ("lane-1", "lane-2"):
        enroll(engine, "site-1", node, KEY.public)
    enroll(engine, "site-2", "lane-1", KEY.public)
    engine.dispose()
    site = site_file(tmp_path)
    files = {
        "order": order(),
        "blacklist": black(vin="LTEST1A27R0000001"),
        "models": b"[thresholds]\n",
        "bad": b"{]",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    centre = ["--dsn", dsn, "--photos", str(tmp_path / "p")]

    def run(*words: str | Path) -> tuple[int, str]:
        done = CliRunner().invoke(chayan, ["direct", *map(str, words)])
        return done.exit_code, done.output

    one, mine, every = (["--node", each] for each in ("site-1/lane-1", "site-1/*", "*/*"))
    assert run("order", tmp_path / "order", *centre, *one)[1] == "site-1/lane-1: order o1, number 1\n"
    status, said = run("blacklist", tmp_path / "blacklist", *centre, *mine, *one)
    assert said.splitlines() == [
        "site-1/lane-1: blacklist v1, number 2", "site-1/lane-2: blacklist v1, number 1",
    ]  # fmt: skip
    status, said = run("rules", default_folder(), *centre, *every, "--version", "r1")
    assert [line.split(": ")[1] for line in said.splitlines()] == [
        "rules r1, number 3", "rules r1, number 2", "rules r1, number 1",
    ]  # fmt: skip
    assert "rules installed, number 4" in run("rules", *centre, *one)[1]
    assert "number 5" in run("models", tmp_path / "models", *centre, *one)[1]
    assert "virtual-site/virtual-node-1 is enrolled" in run("configuration", site, *centre)[1]
    assert run("list", "--dsn", dsn, "--node", "site-2/*")[1] == "site-2/lane-1 1 rules r1: waiting\n"
    assert len(run("list", "--dsn", dsn)[1].splitlines()) == 8
    assert len(run("list", "--dsn", dsn, "--limit", "3")[1].splitlines()) == 3
    for words in (
        ["order", tmp_path / "bad", *centre, *one],
        ["order", tmp_path / "no", *centre, *one],
        ["order", tmp_path / "order", *centre, "--node", "site-1"],
        ["order", tmp_path / "order", *centre, "--node", "*/lane-1"],
        ["order", tmp_path / "order", *centre, "--node", "site-1/nobody"],
        ["blacklist", tmp_path / "order", *centre, *one],
        ["rules", tmp_path, *centre, *one],
        ["models", tmp_path / "bad", *centre, *one],
        ["models", tmp_path / "models", *centre, *one, "--version", "v" * 81],
        ["configuration", tmp_path / "bad", *centre],
        ["list", "--dsn", "nonsense"],
        ["list", "--dsn", dsn, "--node", "site-1"],
    ):
        status, said = run(*words)
        assert status == 1 and said, words


# ---- numbers at the registry -----------------------------------------------------------------------


def test_an_order_comes_once_a_list_may_come_back_and_what_was_refused_again(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())

    def gives(subject: str, version: str) -> int:
        return give(engine, KEY, lane.site, lane.node, subject, version, version.encode())

    assert [gives("order", each) for each in ("a", "b", "a")] == [1, 2, 1]
    assert [gives("blacklist", each) for each in ("v1", "v1", "v2", "v1", "v1")] == [3, 3, 4, 5, 5]
    digest = hashlib.sha256(b"a").hexdigest()
    said = {"subject": "order", "version": "a", "sha256": digest}
    lane.write(Directed(number=1, outcome="refused", why="no room", **said))
    accept(engine, lane.batch(), Policy())
    assert [gives("order", each) for each in ("a", "a", "b")] == [6, 6, 2]
    assert [each.number for each in due(engine, lane.site, lane.node, 4)] == [5, 6]


def test_a_registry_restored_from_an_older_copy_gives_no_number_twice(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    for number in (1, 2, 3):
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        lane.write(
            Directed(number=number, subject="order", version=str(number), sha256=digest, outcome="taken")
        )
    assert give(engine, KEY, lane.site, lane.node, "order", "1", b"1") == 1, "as it was before"
    assert give(engine, KEY, lane.site, lane.node, "order", "new", b"new") == 2, "taken, but not known here"
    accept(engine, lane.batch(), Policy())
    states = {each["number"]: (each["version"], each["outcome"]) for each in listed(engine)}
    assert states == {1: ("1", "taken"), 2: ("new", "refused"), 3: ("3", "taken")}
    assert give(engine, KEY, lane.site, lane.node, "order", "new", b"new") == 4
    assert due(engine, lane.site, lane.node, 3)[0].version == "new"


def test_two_nodes_have_numbers_of_their_own_and_read_only_their_own(engine: sa.Engine) -> None:
    one, two = enrolled(engine, Lane(site="s")), enrolled(engine, Lane(site="s"))
    elsewhere = enrolled(engine, Lane(site="elsewhere"))
    assert {node for _, node in places(engine, "s/*")} == {one.node, two.node}
    assert ("elsewhere", elsewhere.node) in places(engine, "*/*")
    for n, lane in enumerate((one, two, one)):
        give(engine, KEY, "s", lane.node, "order", f"v{n}", b"x")
    assert [[d.version for d in due(engine, "s", lane.node, 0)] for lane in (one, two)] == [
        ["v0", "v2"], ["v1"],
    ]  # fmt: skip


# ---- the puller ------------------------------------------------------------------------------------


def test_without_a_pinned_key_what_waits_is_told_and_not_taken(tmp_path: Path) -> None:
    async def use() -> None:
        dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
        async with centre_and_node(dsn, tmp_path, registry_key="") as (edge, database, registry, pull):
            assert await pull.after(0, 0) == [], "nothing waits, nothing is told"
            tell(edge, database, registry, "order", order())
            with pytest.raises(UnpinnedTrouble, match=r"\[registry\] key") as told:
                await pull.after(0, 0)
            assert told.value.wait >= 60
            task = asyncio.create_task(Directing(edge.desk, pull, "centre", site_path(edge)).run())
            async with asyncio.timeout(20):
                with edge.desk.bell() as bell:
                    while "directives" not in edge.desk.alarms:
                        await bell.wait()
                        bell.clear()
            task.cancel()
            assert not acknowledged(edge) and not edge.desk.book.waiting()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>log in</html>", "no list of directives"),
        (200, b"[" * 100_000, "no list of directives"),
        (200, b" " * (ANSWER_LIMIT + 1), "bytes of directives"),
        (500, b"\xff", "HTTP 500"),
        (401, b"", "HTTP 401"),
    ],
)
def test_what_is_no_answer_of_a_registry_is_a_trouble(status: int, body: bytes, said: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, stream=httpx.ByteStream(body), headers={"Chayan-Time": "no time"})

    async def use() -> None:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://r.test") as client:
            with pytest.raises(Trouble, match=said):
                await Pull(client, "s", "node-1", KEY, KEY.public).after(0, 0)

    asyncio.run(use())


def test_a_full_disk_and_an_unknown_subject_stop_nothing_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> None:
        async with centre_and_node(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path) as parts:
            edge, database, registry, pull = parts
            keep, failures = edge.desk.reference.keep, iter([True])

            def full(content: bytes) -> None:
                if next(failures, False):
                    raise OSError(28, "No space left on device")
                keep(content)

            monkeypatch.setattr(edge.desk.reference, "keep", full)
            tell(edge, database, registry, "blacklist", black(vin="LTEST1A27R0000001"))
            (taken,) = await directed(edge, pull, 1)
            assert taken.outcome == "taken" and next(failures, None) is None
            directing = Directing(edge.desk, pull, "centre", site_path(edge))
            (true,) = await pull.after(0, 0)
            await directing.take(msgspec.structs.replace(true, number=2, subject="weather"))
            assert "takes no weather" in acknowledged(edge)[-1].why

    asyncio.run(use())

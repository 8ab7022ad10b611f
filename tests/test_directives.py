"""Directives: from the centre to the lane, and back as a record; forged or foreign ones do nothing."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from central_sync.directives import Directive, Pull, directive_message
from central_sync.registry.accept import Policy, accept
from central_sync.registry.api import build_app
from central_sync.registry.directives import DirectiveError, give, listed
from central_sync.registry.engines import open_engine
from central_sync.registry.nodes import enroll
from central_sync.seal import NodeKey
from edge.__main__ import app as chayan
from edge.directives import Directing
from lanes.record import Directed, Ordered, genesis
from tests.central_parts import Lane, dsn, engine, enrolled, settings_for
from tests.edge_parts import Edge, edge_at, vehicle

__all__ = ["dsn", "engine"]  # fixtures
KEY = NodeKey.generate()


def order(vin: str = "LTEST1A27R0000001", key: str = "o1", **changes: Any) -> bytes:
    post = {"key": key, "vehicle": vehicle(vin), "business": "periodic", "ordered_by": "centre-1"} | changes
    return json.dumps(post).encode()


def black(level: str = "stop", version: str = "v1", **of: str) -> bytes:
    entry = {"reason_zh": "盗抢", "reason_en": "stolen", "level": level} | of
    return json.dumps({"version": version, "entries": [entry]}).encode()


@asynccontextmanager
async def centre_and_node(
    dsn: str, folder: Path, **more: Any
) -> AsyncIterator[tuple[Edge, sa.Engine, NodeKey, Pull]]:
    """A registry, a node enrolled there, and its pull."""
    async with edge_at(folder) as edge:
        site = edge.desk.site
        lane = Lane(site.node.name, site.site.id)
        lane.key = KEY
        app = build_app(settings_for(dsn, folder, lane, key_file=folder / "registry.key"))
        registry, database = NodeKey.load(folder / "registry.key"), open_engine(dsn)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://r.test") as client:
            key = more.pop("registry_key", registry.public)
            pull = Pull(client, site.site.id, site.node.name, more.pop("signer", KEY), key, **more)
            yield edge, database, registry, pull
        database.dispose()


def tell(
    edge: Edge, database: sa.Engine, registry: NodeKey, subject: Any, body: bytes, version: str = "v1"
) -> int:
    site = edge.desk.site
    return give(database, registry, site.site.id, site.node.name, subject, version, body)


def acknowledged(edge: Edge) -> list[Directed]:
    """What the node's journal says of directives."""
    return [r.body for r in edge.desk.journal.replay() if isinstance(r.body, Directed)]


def site_path(edge: Edge) -> Path:
    """The site file of a node of ``edge_at``."""
    return edge.desk.journal.path.with_name("site.toml")


async def directed(edge: Edge, pull: Pull, count: int) -> list[Directed]:
    """Lets the node work until it has acknowledged ``count`` directives."""
    directing = Directing(edge.desk, pull, "centre", site_path(edge))
    task = asyncio.create_task(directing.run())
    try:
        async with asyncio.timeout(90):
            while len(found := acknowledged(edge)) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return found


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
            give(engine, KEY, site, node, subject, version, body)  # type: ignore[arg-type]


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
    from central_sync.registry.engines import create_all

    create_all(engine)
    enroll(engine, "site-1", "lane-1", KEY.public)
    engine.dispose()
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(order())
    bad.write_bytes(b"{}")
    listing = tmp_path / "black.json"
    listing.write_bytes(black(vin="LTEST1A27R0000001"))
    run, centre = CliRunner(), ["--dsn", dsn, "--photos", str(tmp_path / "p")]
    assert (
        "number 1"
        in run.invoke(chayan, ["direct", "order", str(good), *centre, "--node", "site-1/lane-1"]).output
    )
    assert (
        "number 2"
        in run.invoke(
            chayan, ["direct", "blacklist", str(listing), *centre, "--node", "site-1/lane-1"]
        ).output
    )
    assert "waiting" in run.invoke(chayan, ["direct", "list", "--dsn", dsn]).output
    for words in (
        ["order", str(bad), *centre, "--node", "site-1/lane-1"],
        ["order", str(tmp_path / "no"), *centre, "--node", "site-1/lane-1"],
        ["order", str(good), *centre, "--node", "site-1"],
        ["order", str(good), *centre, "--node", "site-1/nobody"],
        ["blacklist", str(good), *centre, "--node", "site-1/lane-1"],
        ["list", "--dsn", "nonsense"],
    ):
        wrong = run.invoke(chayan, ["direct", *words])
        assert wrong.exit_code == 1 and wrong.output, words

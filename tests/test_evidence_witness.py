"""The node has its chain cosigned each day: kept, handed over until it is done, believed by key only."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from central_sync import batch as wire
from central_sync import note, witness
from central_sync.centre import Trouble
from central_sync.journal import Journal
from central_sync.registry.accept import Policy, accept
from central_sync.registry.api import build_app
from central_sync.registry.engines import open_engine
from central_sync.seal import NodeKey
from central_sync.trust import Trust
from central_sync.verify import verify_journal
from central_sync.witness import Witness
from lanes.record import Draft, Sensed, genesis
from tests.central_parts import Lane, settings_for

BODY = Sensed(lane="1", station="gate", sensor="occupied", on=True)


@dataclass
class Node:
    """A journal, and a registry that holds what is settled; its answers can be held back."""

    folder: Path
    lane: Lane
    journal: Journal
    registry: NodeKey
    client: httpx.AsyncClient
    now: datetime
    answers: list[httpx.Response]
    asked: list[str]

    def witness(self, key: str | None = None, **more: Any) -> Witness:
        return Witness(
            site=self.lane.site, node=self.lane.node, journal=self.journal, signer=self.lane.key,
            client=self.client, registry_key=self.registry.public if key is None else key,
            clock=lambda: self.now, **more,
        )  # fmt: skip

    async def write(self, count: int) -> None:
        """New records, held and settled by the registry."""
        through = self.journal.head()[0]
        drafts = [Draft(source="virtual+x", source_key=f"{through}-{n}", body=BODY) for n in range(count)]
        await self.journal.append(*drafts)
        settled = self.journal.receipt("centre")
        held = 0 if settled is None else settled[0]
        rows = self.journal.rows(held, 1000)
        before = self.journal.rows(held - 1, 1)[0].head if held else genesis(self.lane.node)
        batch = wire.compose(self.lane.site, self.lane.node, rows, before, self.lane.key)
        engine = open_engine(f"sqlite:///{self.folder / 'r.sqlite'}")
        receipt = accept(engine, batch, Policy(allow_simulated=True, key=self.registry))
        engine.dispose()
        await self.journal.settle("centre", rows[-1].seq, wire.encode_receipt(receipt))


def on_a_node(folder: Path, use: Callable[[Node], Awaitable[None]]) -> None:
    lane = Lane("node-1")
    dsn = f"sqlite:///{folder / 'r.sqlite'}"
    app = build_app(settings_for(dsn, folder, lane, key_file=folder / "r.key"))
    answers: list[httpx.Response] = []
    asked: list[str] = []
    real = httpx.ASGITransport(app=app)

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(msgspec.json.decode(request.content)["note"])
        return answers.pop(0) if answers else await real.handle_async_request(request)

    async def run() -> None:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://r.test") as client:
            journal = Journal(folder / "journal.sqlite", "node-1", signer=lane.key)
            key = NodeKey.load(folder / "r.key")
            now = datetime.now(UTC)
            try:
                await use(Node(folder, lane, journal, key, client, now, answers, asked))
            finally:
                journal.close()

    asyncio.run(run())


def size_of(text: str | None) -> int:
    assert text is not None
    return note.checkpoint_of(note.parse(text)).size


def test_once_a_day_by_the_sites_clock_and_on_after_a_volume_was_retired(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        daily = node.witness()
        assert not daily.due() and await daily.checkpoint() is None
        await node.write(300)
        assert daily.due()
        assert size_of(await daily.checkpoint()) == 300
        assert not daily.due(), "nothing new"
        await node.journal.roll()
        await node.write(300)
        assert not daily.due(), "the same day"
        node.now += timedelta(days=1)
        assert daily.due()
        for _ in range(500):  # until the keys of the volume are in the ledger
            if await node.journal.retire(datetime(2100, 1, 1, tzinfo=UTC), 600, 500):
                break
            await asyncio.sleep(0.01)
        assert node.journal.first_seq() == 301
        await node.write(1)
        assert size_of(await daily.checkpoint()) == 603, "600, and the records of roll and retirement"

    on_a_node(tmp_path, use)
    findings = verify_journal(tmp_path, Trust(registry_keys=(NodeKey.load(tmp_path / "r.key").public,)))
    assert findings.holds, findings.bad
    assert any("over 603 records" in line.en and "cosigned" in line.en for line in findings.open)


def test_what_was_signed_is_kept_and_handed_over_again_until_it_is_cosigned(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        await node.write(10)
        daily = node.witness()
        node.answers += [httpx.Response(503, text="no"), httpx.Response(200, text="<html>log in</html>")]
        for said in ("HTTP 503", "not believed"):
            with pytest.raises(Trouble, match=said):
                await daily.checkpoint()
            await node.write(5)
        kept = node.journal.checkpoint()
        assert kept is not None and kept.size == 10
        assert note.is_signed(note.parse(kept.note), "chayan/site-1/node-1", node.lane.key.public)
        assert size_of(await daily.checkpoint()) == 10
        assert len(set(node.asked)) == 1, "one note a day, however often it is tried"
        assert not daily.due()

    on_a_node(tmp_path, use)


def test_a_day_without_the_registry_is_made_up_for_by_the_next(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        await node.write(10)
        daily = node.witness()
        node.answers.append(httpx.Response(503))
        with pytest.raises(Trouble):
            await daily.checkpoint()
        await node.write(7)
        node.now += timedelta(days=1)
        assert daily.due()
        assert size_of(await daily.checkpoint()) == 17

    on_a_node(tmp_path, use)


def test_after_a_change_of_key_the_node_signs_anew(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        await node.write(10)
        node.answers.append(httpx.Response(503))
        with pytest.raises(Trouble):
            await node.witness().checkpoint()
        node.lane.key = NodeKey.generate()
        with pytest.raises(Trouble, match="signature"):
            await node.witness().checkpoint()
        kept = node.journal.checkpoint()
        assert kept is not None
        assert note.is_signed(note.parse(kept.note), "chayan/site-1/node-1", node.lane.key.public)

    on_a_node(tmp_path, use)


def test_only_the_pinned_key_or_that_of_the_receipts_is_believed(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        await node.write(10)
        with pytest.raises(Trouble, match="not cosigned by its key"):
            await node.witness(NodeKey.generate().public).checkpoint()
        unpinned = node.witness("")
        assert unpinned.due()
        assert await unpinned.checkpoint() is not None
        assert not unpinned.due()

    on_a_node(tmp_path, use)


def test_a_registry_that_returns_another_note_is_not_believed(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        await node.write(10)
        origin = note.origin_of("site-1", "node-1")
        lie = note.Note(text=str(note.Checkpoint(origin=origin, size=9, root=bytes(32))))
        both = str(note.cosigned(lie, note.WITNESS, node.registry, 1))
        node.answers.append(httpx.Response(200, json={"note": both}))
        with pytest.raises(Trouble, match="not ours"):
            await node.witness().checkpoint()

    on_a_node(tmp_path, use)


def test_records_that_are_gone_before_they_were_under_a_tree_are_named(tmp_path: Path) -> None:
    async def use(node: Node) -> None:
        await node.write(10)
        await node.journal.settle("centre", 12, b"{}")  # beyond the end, as after a mend
        with pytest.raises(Trouble, match="record 11 is no longer on this node"):
            await node.witness().checkpoint()

    on_a_node(tmp_path, use)


def test_trouble_is_told_tried_again_less_often_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    pauses: list[float] = []
    real_sleep = asyncio.sleep

    async def paused(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 12:
            raise asyncio.CancelledError
        await real_sleep(0)

    async def use(node: Node) -> None:
        await node.write(10)
        node.answers += [httpx.Response(503) for _ in range(10)]
        monkeypatch.setattr(witness.asyncio, "sleep", paused)
        with pytest.raises(asyncio.CancelledError):
            await node.witness(
                alarm=lambda subject, zh, en: told.append(f"{subject} {en}"), calm=told.append
            ).run()
        monkeypatch.undo()

    on_a_node(tmp_path, use)
    assert len(told) == 13 and "checkpoint no checkpoint: " in told[0] and "503" in told[0]
    assert told[10:] == ["checkpoint"] * 3
    assert all(later >= sooner * 1.5 for sooner, later in pairwise(pauses[:4]))
    assert max(pauses) <= witness.MAX_PAUSE_S and pauses[10:] == [witness.LOOK_S] * 3

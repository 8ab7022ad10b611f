"""Keys of nodes at the registry: every one stays known, and is good for the records of its own time."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from central_sync import merkle, note
from central_sync.batch import encode_receipt
from central_sync.evidence import verify_evidence
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.registry import tables
from central_sync.registry.accept import Policy, accept
from central_sync.registry.api import Registry
from central_sync.registry.checkpoints import cosign
from central_sync.registry.evidence import evidence
from central_sync.registry.nodes import enroll, keys_of
from central_sync.registry.proof import proof
from central_sync.seal import KeyTrouble, NodeKey, head_message
from central_sync.trust import Trust
from central_sync.verify import verify_journal
from lanes.record import Draft, parse
from tests.central_parts import Lane, Row, dsn, engine, enrolled, photo, settings_for

__all__ = ["dsn", "engine"]  # fixtures


def hand_over(engine: sa.Engine, lane: Lane, name: str) -> None:
    """One more inspection, signed with the key that the lane has now."""
    first = len(lane.rows) + 1
    lane.inspect(name)
    accept(engine, lane.batch(first), Policy(allow_simulated=True))


def renewed(engine: sa.Engine, lane: Lane, key: NodeKey) -> None:
    lane.key = key
    enroll(engine, lane.site, lane.node, key.public, True)


def sign_anew(engine: sa.Engine, lane: Lane, number: int, key: NodeKey) -> None:
    """Puts another key's signature over the head of batch ``number``, as a thief with the database would."""
    runs = tables.runs
    mine = (runs.c.site == lane.site, runs.c.node == lane.node)
    with engine.begin() as connection:
        row = connection.execute(sa.select(runs).where(*mine).order_by(runs.c.last_seq)).all()[number]
        signature = key.sign(head_message(lane.node, row.last_seq, row.head))
        change = sa.update(runs).where(*mine, runs.c.last_seq == row.last_seq)
        connection.execute(change.values(public_key=key.public, signature=signature))


def test_a_replaced_key_is_good_for_its_own_records_only(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    old, new = lane.key, NodeKey.generate()
    for name in ("a0", "a1"):
        hand_over(engine, lane, name)
    renewed(engine, lane, new)
    for name in ("b0", "b1"):
        hand_over(engine, lane, name)
    with engine.connect() as connection:
        assert keys_of(connection, lane.site, lane.node) == {old.public, new.public}
    assert all(proof(engine, name)["ok"] for name in ("a0", "a1", "b0", "b1"))
    sign_anew(engine, lane, 3, old)
    assert not proof(engine, "b1")["ok"], "the old key had been replaced by then"
    sign_anew(engine, lane, 3, NodeKey.generate())
    assert not proof(engine, "b1")["ok"], "never enrolled"


def test_a_key_that_comes_back_is_good_again(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    first, second = lane.key, NodeKey.generate()
    for number, key in enumerate((first, second, first)):
        renewed(engine, lane, key)
        hand_over(engine, lane, f"a{number}")
    assert all(proof(engine, f"a{number}")["ok"] for number in range(3))


def test_nodes_of_before_keys_had_a_history_get_theirs_at_the_start(dsn: str, tmp_path: Path) -> None:
    lane = Lane()
    registry = Registry(settings_for(dsn, tmp_path, lane))
    hand_over(registry.engine, lane, "a0")
    with registry.engine.begin() as connection:
        connection.execute(sa.delete(tables.node_keys))
    assert not proof(registry.engine, "a0")["ok"]
    registry.engine.dispose()
    for _ in range(2):
        again = Registry(settings_for(dsn, tmp_path))
        assert proof(again.engine, "a0")["ok"]
        with again.engine.connect() as connection:
            (row,) = connection.execute(sa.select(tables.node_keys)).all()
        assert (row.public_key, row.ended_at) == (lane.key.public, None)
        assert row.enrolled_at <= datetime.now(UTC)
        again.engine.dispose()


def test_sm2_keys_carry_a_node_all_the_way(engine: sa.Engine, tmp_path: Path) -> None:
    lane, registry = Lane("node-1"), NodeKey.generate("sm2")
    lane.key = NodeKey.generate("sm2")
    trust = Trust(keys=(lane.key.public,), registry_keys=(registry.public,))

    async def write() -> None:
        journal = Journal(tmp_path / "journal.sqlite", "node-1", signer=lane.key)
        lane.inspect("a0")
        drafts = [parse(row.data) for row in lane.rows]
        await journal.append(
            *(Draft(source=r.source, source_key=r.source_key, inspection="a0", body=r.body) for r in drafts)
        )
        lane.rows = [Row(row.seq, row.data, row.head) for row in journal.rows(0, 100)]
        receipt = accept(engine, lane.batch(), Policy(allow_simulated=True, key=registry))
        await journal.settle("centre", receipt.accepted_through, encode_receipt(receipt))
        size, origin = len(lane.rows), note.origin_of(lane.site, "node-1")
        frontier = merkle.Frontier()
        for row in lane.rows:
            frontier.append(row.head)
        own = note.Note(text=str(note.Checkpoint(origin=origin, size=size, root=frontier.root())))
        text = cosign(engine, registry, lane.site, "node-1", str(note.signed(own, origin, lane.key)))
        await journal.keep_checkpoint(size, frontier.encode(), text)
        journal.close()

    enrolled(engine, lane)
    asyncio.run(write())
    (tmp_path / "photos").mkdir()
    Photos(tmp_path / "photos").put(photo("a0"))
    found = verify_journal(tmp_path, trust)
    assert found.holds and not found.open, (found.bad, found.open)
    assert proof(engine, "a0")["ok"]
    document = msgspec.json.encode(evidence(engine, "a0", "", registry.public))
    assert verify_evidence("x", document, trust).holds
    for other in (Trust(keys=(NodeKey.generate("sm2").public,)), Trust(registry_keys=(lane.key.public,))):
        assert not verify_evidence("x", document, other).holds
        assert not verify_journal(tmp_path, other).holds


def test_an_sm2_node_is_taken_where_sm2_is_installed_and_refused_by_name_elsewhere(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = Lane()
    lane.key = NodeKey.generate("sm2")
    hand_over(engine, enrolled(engine, lane), "a0")
    assert proof(engine, "a0")["ok"]
    monkeypatch.setitem(sys.modules, "gmssl_pyx", None)
    with pytest.raises(KeyTrouble, match=r"chayan\[gm\]"):
        enrolled(engine, lane)

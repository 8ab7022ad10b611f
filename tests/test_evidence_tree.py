"""Proofs of a registry over a large tree: right, and out of few questions to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
import sqlalchemy as sa

from central_sync import merkle, note
from central_sync.registry import runs, tables
from central_sync.registry.checkpoints import Held, cosign
from central_sync.registry.engines import writing
from central_sync.seal import NodeKey
from tests.central_parts import START, Lane, dsn, engine, enrolled

__all__ = ["dsn", "engine"]  # fixtures
pytestmark = pytest.mark.slow
RUN = 1000
SIZES = (70_000, 140_000)  # more than one noted subtree of 65 536 leaves
HEADS = [sha256(str(n).encode()).digest() for n in range(SIZES[-1])]
ROOTS = {size: merkle.root_of(HEADS[:size]) for size in SIZES}


@contextmanager
def questions(engine: sa.Engine) -> Iterator[list[str]]:
    asked: list[str] = []

    def note_it(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note_it)
    yield asked
    sa.event.remove(engine, "before_cursor_execute", note_it)


def _run(lane: Lane, at: int) -> dict[str, Any]:
    """Heads without their bytes, as of refused records."""
    heads = HEADS[at : at + RUN]
    return {
        "site": lane.site,
        "node": lane.node,
        "first_seq": at + 1,
        "last_seq": at + len(heads),
        "prev_head": HEADS[at - 1],
        "head": heads[-1],
        "public_key": "",
        "signature": "",
        "refused": len(heads),
        "received_at": START,
        "data": runs.pack(runs.Refused("", "", head.hex()) for head in heads),
    }


@pytest.fixture
def lane(engine: sa.Engine) -> Lane:
    """A node of which only the heads matter, cosigned at both sizes."""
    lane = enrolled(engine, Lane())
    with writing(engine) as connection:
        for first in range(0, len(HEADS), 5000):
            tables.insert(connection, tables.runs, [_run(lane, at) for at in range(first, first + 5000, RUN)])
        connection.execute(sa.update(tables.nodes).values(through_seq=len(HEADS)))
    registry, origin = NodeKey.generate(), note.origin_of(lane.site, lane.node)
    for size, root in ROOTS.items():
        text = str(note.Checkpoint(origin=origin, size=size, root=root))
        own = note.signed(note.Note(text=text), origin, lane.key)
        cosign(engine, registry, lane.site, lane.node, str(own))
    return lane


def test_proofs_hold_and_ask_little(engine: sa.Engine, lane: Lane) -> None:
    with engine.connect() as connection:
        for size, root in ROOTS.items():
            for first in (0, 255, 256, 65_535, 65_536, size - 40):
                held = Held(connection, lane.site, lane.node)
                with questions(engine) as asked:
                    paths = [merkle.inclusion(held, index, size) for index in range(first, first + 40)]
                assert len(asked) <= 12, "the records of an inspection share what is read"
                for index, path in enumerate(paths, first):
                    assert merkle.included(HEADS[index], index, size, path, root)
        old, new = SIZES
        with questions(engine) as asked:
            path = merkle.consistency(Held(connection, lane.site, lane.node), old, new)
        assert len(asked) <= 12
        assert merkle.consistent(old, ROOTS[old], new, ROOTS[new], path)


def test_subtrees_are_noted_once_for_each_full_one(engine: sa.Engine, lane: Lane) -> None:
    query = sa.select(tables.subtrees.c.level, sa.func.count()).group_by(tables.subtrees.c.level)
    with engine.connect() as connection:
        counted = {int(level): int(count) for level, count in connection.execute(query)}
    assert counted == {8: SIZES[-1] >> 8, 16: SIZES[-1] >> 16}

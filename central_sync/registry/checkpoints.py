"""Checkpoints at the centre: the node's signed root is computed afresh from the held heads and cosigned."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from central_sync import merkle, note
from central_sync.registry import runs
from central_sync.registry.engines import writing
from central_sync.registry.nodes import owned
from central_sync.registry.problems import Rejected
from central_sync.registry.tables import checkpoints, insert, insert_missing, nodes, subtrees
from central_sync.seal import NodeKey

LEVELS = (8, 16, 24)  # subtrees that are noted: of 256, 65 536 and 16 777 216 leaves
PAGE = 5000
BLOCK = 256  # leaves, or subtrees of one level, in one question
LISTED = 400  # checkpoints in one answer: a year of days


class Held:
    """The heads that the registry holds of one node, as leaves of its tree; for one request."""

    def __init__(self, connection: sa.Connection, site: str, node: str) -> None:
        self._connection, self._site, self._node = connection, site, node
        self._leaves: dict[int, dict[int, bytes]] = {}
        self._noted: dict[tuple[int, int], dict[int, bytes]] = {}

    def heads(self, first: int, last: int) -> Sequence[bytes]:
        """Heads of leaves ``first`` (included) to ``last`` (not included)."""
        block = first // BLOCK
        if last > (block + 1) * BLOCK:
            return list(self._read(first, last).values())
        if block not in self._leaves:
            self._leaves[block] = self._read(block * BLOCK, (block + 1) * BLOCK)
        leaves = self._leaves[block]
        return [leaves[leaf] for leaf in range(first, last) if leaf in leaves]

    def _read(self, first: int, last: int) -> dict[int, bytes]:
        held = runs.between(self._connection, self._site, self._node, first + 1, last)
        return {each.seq - 1: each.head for each in held}

    def full(self, level: int, index: int) -> bytes | None:
        """Hash of a noted subtree."""
        if level not in LEVELS:
            return None
        block = index // BLOCK
        if (level, block) not in self._noted:
            query = sa.select(subtrees.c.index, subtrees.c.hash).where(
                *owned(subtrees, self._site, self._node),
                subtrees.c.level == level,
                subtrees.c.index.between(block * BLOCK, (block + 1) * BLOCK - 1),
            )
            rows = self._connection.execute(query)
            self._noted[level, block] = {int(number): digest for number, digest in rows}
        return self._noted[level, block].get(index)


def cosign(engine: sa.Engine, key: NodeKey, site: str, node: str, text: str) -> str:
    """The note with the registry's signature, stored; the same again for a repetition. Raises Rejected."""
    try:
        signed = note.parse(text)
        checkpoint, origin = note.checkpoint_of(signed), note.origin_of(site, node)
    except note.NoteError as trouble:
        raise Rejected.malformed(str(trouble)) from trouble
    if checkpoint.origin != origin or signed.text != str(checkpoint):
        raise Rejected.malformed(f"no plain checkpoint of {origin!r}: {signed.text[:200]!r}")
    with writing(engine) as connection:
        stands = _node(connection, site, node)
        own = _signature(signed, origin, stands.public_key)
        if own is None:
            raise Rejected.bad_signature(f"the checkpoint over {checkpoint.size} records of {node}")
        known = stored(connection, site, node, checkpoint.size)
        if known is not None:
            if known.root != checkpoint.root:
                raise Rejected.other_root(checkpoint.size)
            return _again(connection, known, own, key)
        if checkpoint.size > stands.through_seq:
            raise Rejected.ahead(checkpoint.size, stands.through_seq)
        frontier = _grown(connection, site, node, checkpoint.size)
        if frontier.root() != checkpoint.root:
            raise Rejected.other_root(checkpoint.size)
        alone = note.Note(text=signed.text, signatures=(own,))
        both = str(note.cosigned(alone, note.WITNESS, key, int(time.time())))
        row = {"size": checkpoint.size, "root": checkpoint.root, "note": both, "frontier": frontier.encode()}
        owner = {"site": site, "node": node, "received_at": datetime.now(UTC)}
        insert(connection, checkpoints, [owner | row])
        return both


def _signature(signed: note.Note, origin: str, public_key: str) -> note.Signature | None:
    """The signature of the node's present key."""
    for each in signed.signatures:
        if note.is_signed(note.Note(text=signed.text, signatures=(each,)), origin, public_key):
            return each
    return None


def _again(connection: sa.Connection, known: sa.Row[Any], own: note.Signature, key: NodeKey) -> str:
    """The stored note; where node or registry has another key by now, with a signature by that too."""
    both = note.parse(known.note)
    if all(each.blob[:4] != own.blob[:4] for each in both.signatures):  # by another key
        both = note.Note(text=both.text, signatures=(*both.signatures, own))
    if note.witnessed_at(both, note.WITNESS, key.public) is None:
        both = note.cosigned(both, note.WITNESS, key, int(time.time()))
    if str(both) != known.note:
        same = (*owned(checkpoints, known.site, known.node), checkpoints.c.size == known.size)
        connection.execute(sa.update(checkpoints).where(*same).values(note=str(both)))
    return str(both)


def _node(connection: sa.Connection, site: str, node: str) -> sa.Row[Any]:
    query = sa.select(nodes).where(*owned(nodes, site, node)).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise Rejected.unknown_node(site, node)
    return row


def stored(connection: sa.Connection, site: str, node: str, size: int) -> sa.Row[Any] | None:
    """The checkpoint of a size."""
    query = sa.select(checkpoints).where(*owned(checkpoints, site, node), checkpoints.c.size == size)
    return connection.execute(query).first()


def newest(
    connection: sa.Connection, site: str, node: str, limit: int, before: int = 0
) -> Sequence[sa.Row[Any]]:
    """Checkpoints of a node, newest first; with ``before`` only those over fewer records."""
    query = sa.select(checkpoints).where(*owned(checkpoints, site, node))
    if before:
        query = query.where(checkpoints.c.size < before)
    return connection.execute(query.order_by(checkpoints.c.size.desc()).limit(limit)).all()


def covering(connection: sa.Connection, site: str, node: str, seq: int) -> sa.Row[Any] | None:
    """The first checkpoint that covers a record."""
    query = sa.select(checkpoints).where(*owned(checkpoints, site, node), checkpoints.c.size >= seq)
    return connection.execute(query.order_by(checkpoints.c.size).limit(1)).first()


def _grown(connection: sa.Connection, site: str, node: str, size: int) -> merkle.Frontier:
    """The tree's frontier at ``size``, from the newest checkpoint before it; notes subtrees on the way."""
    query = sa.select(checkpoints.c.frontier).where(
        *owned(checkpoints, site, node), checkpoints.c.size < size
    )
    before = connection.execute(query.order_by(checkpoints.c.size.desc()).limit(1)).scalar()
    frontier = merkle.Frontier() if before is None else merkle.Frontier.decode(before)
    held, owner = Held(connection, site, node), {"site": site, "node": node}
    while frontier.size < size:
        full: list[dict[str, Any]] = []
        for head in held.heads(frontier.size, min(frontier.size + PAGE, size)):
            filled = frontier.append(head)
            full += [
                owner | {"level": level, "index": (frontier.size >> level) - 1, "hash": filled[level]}
                for level in LEVELS
                if level < len(filled)
            ]
        insert_missing(connection, subtrees, full)
    return frontier

"""accept(batch) -> Receipt, any number of times: the one way records enter the registry.

The row of the node is locked while a batch is compared with what is held, so repeated and concurrent batches
come one after the other. Overlap is compared by chain head: equal heads over SHA-256 mean equal bytes. What
a batch says in the place of withheld bytes is believed only where nothing is held yet, and by signature.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from central_sync import batch as wire
from central_sync.batch import Batch, Receipt, RefusedRecord, Withheld
from central_sync.registry import fold, tables
from central_sync.registry.engines import writing
from central_sync.registry.holding import Holding
from central_sync.registry.nodes import owned, wanted
from central_sync.registry.problems import Rejected
from central_sync.seal import NodeKey, receipt_message
from lanes.record import genesis, is_node_name

_log = logging.getLogger("chayan.registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What this registry takes, and the key it countersigns with."""

    allow_simulated: bool = False
    key: NodeKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Row of a node, under lock."""

    public_key: str
    allow_simulated: bool
    through: int
    head: bytes


def accept(engine: sa.Engine, batch: Batch, policy: Policy) -> Receipt:
    """Holds what is new in the batch and answers what is held; raises Rejected for the whole batch."""
    sent, heads = _sound(batch)
    unread: dict[int, str] = {}
    with writing(engine) as connection:
        node = _locked(connection, batch)
        new = first_new(
            batch,
            heads,
            node,
            lambda seq: _head_at(connection, batch, seq, node),
            lambda sent: _first_other(connection, batch, sent),
        )
        rows = _read(batch, sent, heads, new, node.allow_simulated and policy.allow_simulated)
        if rows:
            unread = _store(connection, batch, rows)
        receipt = _receipt(connection, batch, node, rows)
    _tell(batch, rows, unread)
    return _countersigned(receipt, policy.key)


def _sound(batch: Batch) -> tuple[list[bytes | Withheld], list[bytes]]:
    """Records and heads of a batch that holds by itself."""
    if not is_node_name(batch.node) or "\0" in batch.site:
        raise Rejected.malformed(f"{batch.site!r}, {batch.node!r} cannot name a site and a node")
    sent = wire.raw_records(batch)
    heads = wire.heads_of(batch, sent)
    if heads[-1].hex() != batch.head:
        raise Rejected.broken_chain(batch.first_seq, batch.last_seq)
    if not wire.signature_holds(batch):
        raise Rejected.bad_signature(f"head {batch.last_seq} of {batch.node}")
    for seq in wire.unsigned(batch):
        raise Rejected.bad_signature(f"what stands for the withheld record {seq} of {batch.node}")
    return sent, heads


def _locked(connection: sa.Connection, batch: Batch) -> Held:
    query = sa.select(tables.nodes).where(*owned(tables.nodes, batch.site, batch.node)).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise Rejected.unknown_node(batch.site, batch.node)
    if row.public_key != batch.public_key:
        raise Rejected.other_key(batch.node)
    return Held(
        public_key=row.public_key, allow_simulated=row.allow_simulated, through=row.through_seq, head=row.head
    )


def first_new(
    batch: Batch,
    heads: Sequence[bytes],
    node: Held,
    head_at: Callable[[int], bytes],
    first_other: Callable[[Sequence[bytes]], int],
) -> int:
    """Index of the first new record; raises Rejected for a gap or for other bytes than those held.

    ``head_at``: the held head after a record; ``first_other``: the first number whose head differs.
    """
    if batch.first_seq > node.through + 1:
        raise Rejected.gap(node.through + 1, node.head)
    overlap = min(node.through, batch.last_seq) - batch.first_seq + 1
    before = head_at(batch.first_seq - 1)
    if before.hex() != batch.prev_head:
        raise Rejected.conflict(batch.first_seq - 1)
    said = [seq - batch.first_seq for seq in batch.withheld()]  # heads to which no bytes lead
    compared = [at for at in (overlap - 1, *said) if 0 <= at < overlap]
    if any(head_at(batch.first_seq + at) != heads[at] for at in compared):
        raise Rejected.conflict(first_other(heads[:overlap]))
    return overlap


def _head_at(connection: sa.Connection, batch: Batch, seq: int, node: Held) -> bytes:
    if seq == 0:
        return genesis(batch.node)
    if seq == node.through:
        return node.head
    query = sa.select(tables.records.c.head).where(*_span(batch, seq, seq))
    head: bytes = connection.execute(query).scalar_one()
    return head


def _first_other(connection: sa.Connection, batch: Batch, heads: Sequence[bytes]) -> int:
    last = batch.first_seq + len(heads) - 1
    query = sa.select(tables.records.c.seq, tables.records.c.head).where(*_span(batch, batch.first_seq, last))
    held = connection.execute(query.order_by(tables.records.c.seq))
    return next(int(seq) for (seq, head), sent in zip(held, heads, strict=True) if head != sent)


def _read(
    batch: Batch, sent: Sequence[bytes | Withheld], heads: Sequence[bytes], new: int, simulated: bool
) -> list[fold.Read]:
    rows = []
    for at in range(new, len(sent)):
        seq, each = batch.first_seq + at, sent[at]
        if isinstance(each, Withheld):
            rows.append(fold.withheld(seq, each))
        else:
            rows.append(fold.read(seq, each, heads[at], simulated))
    return rows


def _store(connection: sa.Connection, batch: Batch, rows: Sequence[fold.Read]) -> dict[int, str]:
    """Everything that new records change; number -> why of those that could not be read."""
    unread = Holding(connection, batch).hold(rows)
    now = datetime.now(UTC)
    signed = {
        "site": batch.site,
        "node": batch.node,
        "seq": batch.last_seq,
        "head": rows[-1].head,
        "public_key": batch.public_key,
        "signature": batch.signature,
        "received_at": now,
    }
    tables.insert(connection, tables.heads, [signed])
    connection.execute(
        sa.update(tables.nodes)
        .where(*owned(tables.nodes, batch.site, batch.node))
        .values(
            through_seq=batch.last_seq,
            head=rows[-1].head,
            records=tables.nodes.c.records + sum(row.refused is None for row in rows),
            received_at=now,
        )
    )
    return unread


def _tell(batch: Batch, rows: Sequence[fold.Read], unread: Mapping[int, str]) -> None:
    """Puts into the log what somebody should look at."""
    place = f"{batch.site}/{batch.node}"
    for seq, why in unread.items():
        _log.warning("record %d of %s is held, but could not be read: %s", seq, place, why)
    for row in rows:
        if row.withheld is not None:
            _log.warning("record %d of %s is %s", row.seq, place, row.refused)


def _receipt(connection: sa.Connection, batch: Batch, node: Held, rows: Sequence[fold.Read]) -> Receipt:
    through, head = (rows[-1].seq, rows[-1].head) if rows else (node.through, node.head)
    query = sa.select(tables.records.c.seq, tables.records.c.refused).where(
        *_span(batch, batch.first_seq, batch.last_seq), tables.records.c.refused.is_not(None)
    )
    refused = connection.execute(query.order_by(tables.records.c.seq))
    return Receipt(
        site=batch.site,
        node=batch.node,
        accepted_through=through,
        head=head.hex(),
        stored=sum(row.refused is None for row in rows),
        duplicates=len(batch.records) - len(rows),
        refused=[RefusedRecord(seq=seq, why=why) for seq, why in refused],
        wanted=wanted(connection, batch.site, batch.node),
    )


def _countersigned(receipt: Receipt, key: NodeKey | None) -> Receipt:
    if key is None:
        return receipt
    message = receipt_message(receipt.node, receipt.accepted_through, bytes.fromhex(receipt.head))
    return wire.countersigned(receipt, key.public, key.sign(message))


def _span(batch: Batch, first: int, last: int) -> tuple[sa.ColumnElement[bool], ...]:
    return *owned(tables.records, batch.site, batch.node), tables.records.c.seq.between(first, last)

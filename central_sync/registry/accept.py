"""accept(batch) -> Receipt, any number of times: the one way records enter the registry.

The row of the node is locked while a batch is compared with what is held, so repeated and concurrent batches
come one after the other. Overlap is compared by chain head: equal heads over SHA-256 mean equal bytes. What
a batch says in the place of withheld bytes is believed only where nothing is held yet, and by signature.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

import sqlalchemy as sa

from central_sync import batch as wire
from central_sync.batch import Batch, Receipt, RefusedRecord, Withheld
from central_sync.registry import fold, runs, tables
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
    with writing(engine) as connection:
        node = _locked(connection, batch)
        at = first_new(
            batch,
            heads,
            node,
            lambda seq: _head_at(connection, batch, seq, node),
            lambda sent: _first_other(connection, batch, sent),
        )
        new = _read(batch, sent, heads, at, node.allow_simulated and policy.allow_simulated)
        unread = _store(connection, batch, new) if new.held else {}
        receipt = _receipt(connection, batch, node, new)
    _tell(batch, new, unread)
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
    entry = runs.at(connection, batch.site, batch.node, seq)
    assert entry is not None, f"record {seq} of {batch.site}/{batch.node} is not held, {node.through} is"
    return entry.head


def _first_other(connection: sa.Connection, batch: Batch, heads: Sequence[bytes]) -> int:
    last = batch.first_seq + len(heads) - 1
    held = runs.between(connection, batch.site, batch.node, batch.first_seq, last)
    return next(each.seq for each, sent in zip(held, heads, strict=True) if each.head != sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """What is new in a batch: each record as it will be held, the heads around them, and what they say."""

    first_seq: int
    prev_head: bytes
    head: bytes
    held: Sequence[bytes | runs.Instead]
    rows: Sequence[fold.Read]

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.held) - 1

    def instead(self) -> dict[int, runs.Instead]:
        """Number -> what stands in the place of a record that is not held."""
        return {
            seq: each for seq, each in enumerate(self.held, self.first_seq) if not isinstance(each, bytes)
        }


def _read(
    batch: Batch, sent: Sequence[bytes | Withheld], heads: Sequence[bytes], new: int, simulated: bool
) -> New:
    held: list[bytes | runs.Instead] = []
    rows = []
    for at in range(new, len(sent)):
        seq, each = batch.first_seq + at, sent[at]
        if isinstance(each, Withheld):
            held.append(_withheld(each))
            continue
        row = fold.read(seq, each, simulated)
        if row.refused is None:
            rows.append(row)
            held.append(each)
        else:
            held.append(runs.Refused(row.refused, sha256(each).hexdigest(), heads[at].hex()))
    prev = heads[new - 1] if new else bytes.fromhex(batch.prev_head)
    return New(first_seq=batch.first_seq + new, prev_head=prev, head=heads[-1], held=held, rows=rows)


def _withheld(each: Withheld) -> runs.Withheld:
    why = f"withheld by the node: {each.size} bytes, SHA-256 {each.withheld} · 节点未送原文，只送摘要"
    return runs.Withheld(why, each.withheld, each.head, each.size, each.signature)


def _store(connection: sa.Connection, batch: Batch, new: New) -> dict[int, str]:
    """Everything that new records change; number -> why of those that could not be read."""
    now, instead = datetime.now(UTC), new.instead()
    run = {
        "site": batch.site,
        "node": batch.node,
        "last_seq": new.last_seq,
        "first_seq": new.first_seq,
        "prev_head": new.prev_head,
        "head": new.head,
        "public_key": batch.public_key,
        "signature": batch.signature,
        "refused": len(instead),
        "received_at": now,
        "data": runs.pack(new.held),
    }
    tables.insert(connection, tables.runs, [run])
    unread = Holding(connection, batch).hold(new.rows)
    nodes = tables.nodes.c
    connection.execute(
        sa.update(tables.nodes)
        .where(*owned(tables.nodes, batch.site, batch.node))
        .values(
            through_seq=new.last_seq,
            head=new.head,
            records=nodes.records + len(new.rows),
            runs=nodes.runs + 1,
            unread=nodes.unread + len(unread),
            withheld=nodes.withheld + sum(isinstance(each, runs.Withheld) for each in instead.values()),
            received_at=now,
        )
    )
    return unread


def _tell(batch: Batch, new: New, unread: Mapping[int, str]) -> None:
    """Puts into the log what somebody should look at."""
    place = f"{batch.site}/{batch.node}"
    for seq, why in unread.items():
        _log.warning("record %d of %s is held, but could not be read: %s", seq, place, why)
    for seq, each in new.instead().items():
        if isinstance(each, runs.Withheld):
            _log.warning("record %d of %s is %s", seq, place, each.why)


def _receipt(connection: sa.Connection, batch: Batch, node: Held, new: New) -> Receipt:
    through, head = (new.last_seq, new.head) if new.held else (node.through, node.head)
    refused = refused_of(connection, batch.site, batch.node, batch.first_seq, batch.last_seq)
    return Receipt(
        site=batch.site,
        node=batch.node,
        accepted_through=through,
        head=head.hex(),
        stored=len(new.rows),
        duplicates=len(batch.records) - len(new.held),
        refused=refused,
        wanted=wanted(connection, batch.site, batch.node),
    )


def refused_of(connection: sa.Connection, site: str, node: str, first: int, last: int) -> list[RefusedRecord]:
    """The records of these numbers whose bytes are not held."""
    return [
        RefusedRecord(seq=each.seq, why=each.instead.why)
        for run in runs.covering(connection, site, node, first, last, tables.runs.c.refused > 0)
        for each in runs.entries(run)
        if each.instead is not None and first <= each.seq <= last
    ]


def _countersigned(receipt: Receipt, key: NodeKey | None) -> Receipt:
    if key is None:
        return receipt
    message = receipt_message(receipt.node, receipt.accepted_through, bytes.fromhex(receipt.head))
    return wire.countersigned(receipt, key.public, key.sign(message))

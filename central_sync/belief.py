"""What must hold before a centre is believed: its answer fits the batch, its head is the journal's own."""

from collections.abc import Sequence
from typing import Protocol

from central_sync.batch import Batch, Receipt
from central_sync.centre import nonsense
from central_sync.seal import SealedRow, receipt_message, verify
from lanes.record import Continued, genesis, parse


class Chain(Protocol):
    """A journal as far as its heads are concerned."""

    def head(self) -> tuple[int, bytes]: ...
    def rows(self, after_seq: int, limit: int) -> Sequence[SealedRow]: ...


def must_answer(batch: Batch, receipt: Receipt, registry_key: str = "") -> None:
    """Raises Trouble unless the receipt is one for this batch, countersigned where the key is known."""
    if (receipt.site, receipt.node) != (batch.site, batch.node):
        raise nonsense(f"a receipt for {receipt.site}/{receipt.node}")
    if receipt.accepted_through < batch.last_seq:
        raise nonsense(f"it took the batch through {batch.last_seq} only to {receipt.accepted_through}")
    if any(not batch.first_seq <= refused.seq <= batch.last_seq for refused in receipt.refused):
        raise nonsense("it refuses records that were not in the batch")
    message = receipt_message(receipt.node, receipt.accepted_through, bytes.fromhex(receipt.head))
    if registry_key and not verify(registry_key, message, receipt.countersignature):
        raise nonsense("the receipt is not countersigned by the key of this registry")


def must_match(journal: Chain, node: str, seq: int, head: str) -> None:
    """Raises Trouble when the centre holds what this journal never wrote."""
    last, last_head = journal.head()
    if seq > last:
        raise nonsense(f"it holds record {seq}, the journal ends at {last}; was the journal restored?")
    mine = last_head if seq == last else _head_at(journal, node, seq)
    if mine.hex() != head:
        raise nonsense(
            f"its head at record {seq} is not the journal's; compare both with the office's chain proof"
        )


def after(journal: Chain, seq: int, limit: int) -> tuple[bytes, list[SealedRow]]:
    """Head after a record, and the rows that follow it; also of a record that a mended journal has lost."""
    first, *rows = journal.rows(seq - 1, limit + 1)
    if first.seq == seq:
        return first.head, rows
    return _head_of(first, seq), [first, *rows][:limit]


def _head_at(journal: Chain, node: str, seq: int) -> bytes:
    """Head after a record; of one that this node has lost, as the record says with which it goes on."""
    if seq == 0:
        return genesis(node)
    (row,) = journal.rows(seq - 1, 1)
    return row.head if row.seq == seq else _head_of(row, seq)


def _head_of(row: SealedRow, seq: int) -> bytes:
    """The head that a mended journal goes on from."""
    body = parse(row.data).body
    if isinstance(body, Continued) and body.last_seq == seq:
        return bytes.fromhex(body.head)
    raise nonsense(f"record {seq} is no longer here and cannot be compared")

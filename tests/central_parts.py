"""Parts that the tests of ``central_sync`` share: rows, chains, batches."""

from dataclasses import dataclass

from lanes.record import genesis, link


@dataclass(frozen=True)
class Row:
    seq: int
    data: bytes
    head: bytes


def chain(node: str, count: int) -> list[Row]:
    """Linked rows with small bytes that are no records."""
    head, rows = genesis(node), []
    for seq in range(1, count + 1):
        data = f'{{"seq":{seq}}}'.encode()
        head = link(head, data)
        rows.append(Row(seq, data, head))
    return rows

"""Records at a registry, for tests: listed one by one, and changed as somebody with the database would."""

from typing import Any

import sqlalchemy as sa

from central_sync.registry import runs, tables
from central_sync.seal import NodeKey, head_message


def entries_of(connection: sa.Connection, node: str = "") -> list[runs.Entry]:
    """Every record held, in order; of one node only where it is named."""
    query = sa.select(tables.runs).order_by(tables.runs.c.node, tables.runs.c.last_seq)
    found = connection.execute(query.where(tables.runs.c.node == node) if node else query)
    return [entry for run in found for entry in runs.entries(run)]


def text_of(entry: runs.Entry) -> bytes | runs.Instead:
    """What stands in a run for an entry."""
    return entry.instead or entry.data


def rewrite(connection: sa.Connection, node: str, seq: int, *instead: bytes | runs.Instead) -> None:
    """Puts ``instead`` in the place of one record of a run; with nothing the record is left out."""
    run = _holding(connection, node, seq)
    held = [[text_of(each)] if each.seq != seq else instead for each in runs.entries(run)]
    packed = runs.pack(text for texts in held for text in texts)
    connection.execute(sa.update(tables.runs).where(*_key(run)).values(data=packed))


def cut(connection: sa.Connection, node: str, keep: int, key: NodeKey) -> None:
    """Takes away every record after ``keep``, as an older copy would not have them; ``key``: the node's."""
    if keep:
        run = _holding(connection, node, keep)
        kept = [each for each in runs.entries(run) if each.seq <= keep]
        less: dict[str, Any] = {
            "last_seq": keep,
            "head": kept[-1].head,
            "signature": key.sign(head_message(node, keep, kept[-1].head)),
            "refused": sum(each.instead is not None for each in kept),
            "data": runs.pack(map(text_of, kept)),
        }
        connection.execute(sa.update(tables.runs).where(*_key(run)).values(**less))
    mine = tables.runs.c.node == node
    connection.execute(sa.delete(tables.runs).where(mine, tables.runs.c.last_seq > keep))


def _holding(connection: sa.Connection, node: str, seq: int) -> sa.Row[Any]:
    columns = tables.runs.c
    query = sa.select(tables.runs).where(
        columns.node == node, columns.first_seq <= seq, columns.last_seq >= seq
    )
    return connection.execute(query).one()


def _key(run: sa.Row[Any]) -> tuple[sa.ColumnElement[bool], ...]:
    columns = tables.runs.c
    return columns.site == run.site, columns.node == run.node, columns.last_seq == run.last_seq

"""What the office asks: lists and numbers. Paged by key: the last page costs what the first did."""

from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import sqlalchemy as sa
from msgspec import Meta, Struct

from central_sync.registry import cursors
from central_sync.registry.problems import Rejected
from central_sync.registry.tables import inspections, nodes, photos
from lanes.record import Verdict

LIMIT = 200
WHERE = "`next` of the page before"
AFTER_ALL = chr(0x10FFFF)  # greater than any character of a plate or VIN
ORDER = (inspections.c.ordered_at, inspections.c.site, inspections.c.node, inspections.c.inspection)
BRIEF = (
    "node", "inspection", "plate", "hpzl", "vin", "business", "lane", "verdict", "failed", "ordered_at",
    "ended_at", "records", "photos", "simulated",
)  # fmt: skip


class Cursor(Struct, frozen=True, array_like=True):
    """The last row of the page before."""

    ordered_at: Annotated[datetime, Meta(tz=True)]
    site: str
    node: str
    inspection: str


def find(
    engine: sa.Engine,
    *,
    q: str = "",
    verdict: str = "",
    business: str = "",
    limit: int = 50,
    cursor: str = "",
) -> dict[str, Any]:
    """A page of inspections, newest first, and the cursor of the next page."""
    query = sa.select(inspections).order_by(*(column.desc() for column in ORDER)).limit(limit + 1)
    if q.strip():
        query = query.where(_matches(q))
    if verdict:
        query = query.where(inspections.c.verdict == (None if verdict == "none" else verdict))
    if business:
        query = query.where(inspections.c.business == business)
    if cursor:
        after = _decode(cursor)
        query = query.where(sa.tuple_(*ORDER) < sa.tuple_(*_bound(after)))
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    page = rows[:limit]
    return {
        "inspections": [brief(row) for row in page],
        "next": _encode(page[-1]) if len(rows) > limit else None,
    }


def brief(row: sa.Row[Any]) -> dict[str, Any]:
    """The columns of an inspection that a list shows."""
    return {name: getattr(row, name) for name in BRIEF}


def stats(engine: sa.Engine) -> dict[str, Any]:
    """How far each node is held, and how much there is."""
    verdicts = sa.select(inspections.c.verdict, sa.func.count()).group_by(inspections.c.verdict)
    pictures = sa.select(photos.c.held, sa.func.count()).group_by(photos.c.held)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(nodes).order_by(nodes.c.site, nodes.c.node)).all()
        judged = _counted(connection, verdicts)
        kept = _counted(connection, pictures)
    return {
        "nodes": [
            {
                "site": row.site,
                "node": row.node,
                "through": row.through_seq,
                "head": row.head.hex(),
                "received_at": row.received_at,
                "records": row.records,
                "batches": row.runs,
                "unread": row.unread,
                "withheld": row.withheld,
            }
            for row in rows
        ],
        "inspections": sum(judged.values()),
        "records": sum(row.records for row in rows),
        "photos": kept.get(True, 0),
        "wanted": kept.get(False, 0),
        "verdicts": {verdict: judged.get(verdict, 0) for verdict in get_args(Verdict)},
    }


def _counted(connection: sa.Connection, query: sa.Select[Any]) -> dict[Any, int]:
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def _matches(q: str) -> sa.ColumnElement[bool]:
    """Plate with or without province, VIN, last six of it, each by its beginning; or an inspection id."""
    typed = "".join(q.split()).replace("·", "").replace("\0", "")
    text = typed.upper()
    columns = (inspections.c.plate, inspections.c.plate_tail, inspections.c.vin, inspections.c.vin_last6)
    begins = [sa.and_(column >= text, column < text + AFTER_ALL) for column in columns]
    return sa.or_(*begins, inspections.c.inspection == typed)


def _bound(after: Cursor) -> tuple[sa.BindParameter[Any], ...]:
    values = (after.ordered_at, after.site, after.node, after.inspection)
    return tuple(sa.literal(value, column.type) for value, column in zip(values, ORDER, strict=True))


def _encode(row: sa.Row[Any]) -> str:
    key = Cursor(row.ordered_at, row.site, row.node, row.inspection)
    return cursors.written(key)


def _decode(cursor: str) -> Cursor:
    after = cursors.taken(cursor, Cursor, WHERE)
    try:
        after.ordered_at.astimezone(UTC)
    except (ValueError, OverflowError) as trouble:
        raise Rejected.malformed(f"cursor: {trouble}; take it from {WHERE}") from trouble
    if "\0" in after.site + after.node + after.inspection:
        raise Rejected.malformed(f"cursor: not one of ours; take it from {WHERE}")
    return after

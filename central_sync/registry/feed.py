"""The feed: every run that a registry holds, once, at a position that never changes.

Who reads it puts the runs there. Intake does not know of it, so that nothing is contended: a reader finds the
nodes that are held further than the feed tells, and under one lock gives their runs the next positions. Only
what is committed can be found, so no position is passed by, as happens to ``id > cursor`` when a lower number
commits later. Each position carries a hash over all before it, and a cursor a part of that: a feed that was
put back to an older copy knows which cursors are none of its own.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from msgspec import Meta, Struct

from central_sync.batch import Through
from central_sync.registry import cursors
from central_sync.registry.engines import writing
from central_sync.registry.problems import Rejected
from central_sync.registry.tables import (
    feed,
    feed_head,
    insert,
    insert_missing,
    nodes,
    published,
    runs,
    upsert,
)

AT_ONCE = 500  # runs that one transaction publishes
SCANNED = 2000  # positions that are looked through for one page
WHERE = "the last line of an answer"
START = sha256(b"chayan-feed-1").digest()
ONE = 1  # the key of the only row of feed_head


class Cursor(Struct, frozen=True, array_like=True):
    """A place in a feed, and the beginning of the hash there."""

    position: Through
    mark: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]

    def __str__(self) -> str:
        return cursors.written(self)

    @classmethod
    def at(cls, position: int, chain: bytes) -> "Cursor":
        return cls(position, chain[:8].hex())


class Run(Struct, frozen=True, array_like=True):
    """Which run stands at a position."""

    site: str
    node: str
    last_seq: int


class Page(Struct, frozen=True):
    """Runs in the order of the feed, where it goes on, and whether there is more already."""

    runs: list[Run]
    cursor: Cursor
    more: bool


def read(engine: sa.Engine, cursor: str, limit: int, site: str = "", node: str = "") -> Page:
    """The next runs after a cursor, empty for the beginning; raises Rejected for one of another feed."""
    with engine.connect() as connection:
        behind = bool(_behind(connection))
    if behind:
        publish(engine)
    query = sa.select(feed.c.position, feed.c.chain, feed.c.site, feed.c.node, feed.c.last_seq)
    with engine.connect() as connection:
        after = _found(connection, cursors.taken(cursor, Cursor, WHERE)) if cursor else Cursor.at(0, START)
        query = query.where(feed.c.position > after.position).order_by(feed.c.position).limit(SCANNED)
        rows = connection.execute(query).all()
    wanted: list[Run] = []
    for row in rows:
        if len(wanted) == limit:
            return Page(wanted, after, more=True)
        after = Cursor.at(row.position, row.chain)
        if site in ("", row.site) and node in ("", row.node):
            wanted.append(Run(row.site, row.node, row.last_seq))
    return Page(wanted, after, more=len(rows) == SCANNED)


def held(connection: sa.Connection, run: Run) -> sa.Row[Any] | None:
    """The row of a run."""
    key = (runs.c.site == run.site, runs.c.node == run.node, runs.c.last_seq == run.last_seq)
    return connection.execute(sa.select(runs).where(*key)).first()


def since(engine: sa.Engine, moment: datetime) -> Cursor:
    """The cursor before the first run that was published at a moment or later."""
    earlier = sa.select(feed.c.position, feed.c.chain).where(feed.c.published_at < moment.astimezone(UTC))
    with engine.connect() as connection:
        row = connection.execute(earlier.order_by(feed.c.position.desc()).limit(1)).first()
    return Cursor.at(0, START) if row is None else Cursor.at(row.position, row.chain)


def publish(engine: sa.Engine) -> None:
    """Gives every run that has none its position."""
    while _published_some(engine):
        pass


def _published_some(engine: sa.Engine) -> bool:
    with writing(engine) as connection:
        insert_missing(connection, feed_head, [{"one": ONE, "position": 0, "chain": START}])
        head = connection.execute(sa.select(feed_head).with_for_update()).one()
        found = _unpublished(connection)
        if not found:
            return False
        rows, position, chain, now = [], head.position, head.chain, datetime.now(UTC)
        for run in found:
            position, chain = position + 1, _link(chain, run)
            named = {"site": run.site, "node": run.node, "last_seq": run.last_seq}
            rows.append(named | {"position": position, "chain": chain, "published_at": now})
        insert(connection, feed, rows)
        through = {(run.site, run.node): run.last_seq for run in found}
        upsert(
            connection,
            published,
            [{"site": site, "node": node, "through_seq": seq} for (site, node), seq in through.items()],
        )
        connection.execute(sa.update(feed_head).values(position=position, chain=chain))
    return len(found) == AT_ONCE


def _behind(connection: sa.Connection) -> list[sa.Row[Any]]:
    """Nodes that are held further than the feed tells, and how far it does."""
    told = sa.func.coalesce(published.c.through_seq, 0).label("told")
    both = sa.and_(published.c.site == nodes.c.site, published.c.node == nodes.c.node)
    query = sa.select(nodes.c.site, nodes.c.node, told).select_from(nodes.outerjoin(published, both))
    query = query.where(nodes.c.through_seq > told).order_by(nodes.c.site, nodes.c.node)
    return [*connection.execute(query)]


def _unpublished(connection: sa.Connection) -> list[sa.Row[Any]]:
    """Runs without a position, each node's in order."""
    found: list[sa.Row[Any]] = []
    for node in _behind(connection):
        query = (
            sa.select(runs.c.site, runs.c.node, runs.c.last_seq, runs.c.head)
            .where(runs.c.site == node.site, runs.c.node == node.node, runs.c.last_seq > node.told)
            .order_by(runs.c.last_seq)
            .limit(AT_ONCE - len(found))
        )
        found += connection.execute(query)
        if len(found) == AT_ONCE:
            break
    return found


def _link(chain: bytes, run: sa.Row[Any]) -> bytes:
    """The hash after one more position: over the one before, whose run it is, and the head after it."""
    named = msgspec.json.encode([run.site, run.node, run.last_seq])
    return sha256(chain + run.head + named).digest()


def _found(connection: sa.Connection, cursor: Cursor) -> Cursor:
    """The cursor, when it is of this feed."""
    if cursor.position == 0:
        chain: bytes | None = START
    else:
        query = sa.select(feed.c.chain).where(feed.c.position == cursor.position)
        chain = connection.execute(query).scalar()
    if chain is None or Cursor.at(cursor.position, chain) != cursor:
        raise Rejected.other_feed(cursor.position)
    return cursor

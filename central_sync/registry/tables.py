"""Tables of the registry, and the one way to write rows of each.

Rules that keep one code base running from SQLite to PostgreSQL to sharded engines: every primary key begins
with site and node, but for the feed's; one statement per table and batch; order is a dense seq given under
the lock of the node's row, never a database sequence; no triggers, advisory locks, LISTEN or cross-shard
foreign keys.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData()


class Moment(TypeDecorator[datetime]):
    """Aware UTC time; SQLite keeps none of the zone, so it is put back on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Byte order on both engines, so that a range of texts is a prefix search that an index serves.
Plain = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def _owner() -> tuple[sa.Column[Any], sa.Column[Any]]:
    return sa.Column("site", Plain, primary_key=True), sa.Column("node", Plain, primary_key=True)


nodes = sa.Table(
    "nodes",
    metadata,
    *_owner(),
    sa.Column("public_key", Plain, nullable=False),
    sa.Column("allow_simulated", sa.Boolean, nullable=False),
    sa.Column("through_seq", Count, nullable=False),
    sa.Column("head", sa.LargeBinary, nullable=False),
    sa.Column("records", Count, nullable=False),  # held; through_seq also counts the refused
    sa.Column("runs", Count, nullable=False),
    sa.Column("unread", Count, nullable=False),
    sa.Column("withheld", Count, nullable=False),
    sa.Column("received_at", Moment),
    sa.Index("nodes_by_name", "node"),
)

runs = sa.Table(  # the records of a batch, see runs.py, and the signed head after them
    "runs",
    metadata,
    *_owner(),
    sa.Column("last_seq", Count, primary_key=True, autoincrement=False),
    sa.Column("first_seq", Count, nullable=False),
    sa.Column("prev_head", sa.LargeBinary, nullable=False),
    sa.Column("head", sa.LargeBinary, nullable=False),
    sa.Column("public_key", Plain, nullable=False),
    sa.Column("signature", Plain, nullable=False),
    sa.Column("refused", Count, nullable=False),  # how many of them are not held, the withheld ones too
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

unread = sa.Table(  # records held byte for byte that could not be taken into the columns searched by
    "unread",
    metadata,
    *_owner(),
    sa.Column("seq", Count, primary_key=True, autoincrement=False),
    sa.Column("why", Plain, nullable=False),
)

inspections = sa.Table(
    "inspections",
    metadata,
    *_owner(),
    sa.Column("inspection", Plain, primary_key=True),
    sa.Column("plate", Plain),
    sa.Column("plate_tail", Plain),  # without the province, as people type it
    sa.Column("hpzl", Plain),
    sa.Column("vin", Plain),
    sa.Column("vin_last6", Plain),
    sa.Column("business", Plain),
    sa.Column("lane", Plain),
    sa.Column("verdict", Plain),
    sa.Column("failed", Json, nullable=False),
    sa.Column("ordered_at", Moment, nullable=False),  # of the order; without one, of the first record
    sa.Column("ended_at", Moment),
    sa.Column("first_seq", Count, nullable=False),
    sa.Column("last_seq", Count, nullable=False),
    sa.Column("steps", Plain, nullable=False),  # which of the numbers between are its own, see runs.py
    sa.Column("records", Count, nullable=False),
    sa.Column("photos", Count, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
    sa.Index("inspections_by_id", "inspection"),
    sa.Index("inspections_by_time", "ordered_at", "site", "node", "inspection"),
    sa.Index("inspections_by_plate", "plate"),
    sa.Index("inspections_by_plate_tail", "plate_tail"),
    sa.Index("inspections_by_vin", "vin"),
    sa.Index("inspections_by_vin_last6", "vin_last6"),
)

photos = sa.Table(
    "photos",
    metadata,
    *_owner(),
    sa.Column("sha256", Plain, primary_key=True),
    sa.Column("inspection", Plain),
    sa.Column("shot", Plain, nullable=False),
    sa.Column("seq", Count, nullable=False),  # the record that named it first
    sa.Column("held", sa.Boolean, nullable=False),
    sa.Column("size", Count),  # bytes; what the record says until the photo is here
    sa.Index("photos_wanted", "site", "node", "held", "seq"),
)

node_keys = sa.Table(  # every key a node was ever enrolled with: what a signature must be by
    "node_keys",
    metadata,
    *_owner(),
    sa.Column("public_key", Plain, primary_key=True),
    sa.Column("enrolled_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
)

checkpoints = sa.Table(  # Merkle roots of a node's chain that both sides have signed
    "checkpoints",
    metadata,
    *_owner(),
    sa.Column("size", Count, primary_key=True, autoincrement=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", Plain, nullable=False),  # signed note: the node's signature and this registry's
    sa.Column("frontier", sa.LargeBinary, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
)

subtrees = sa.Table(  # hashes of full subtrees of 256, 65 536 … leaves, so that proofs read few heads
    "subtrees",
    metadata,
    *_owner(),
    sa.Column("level", Count, primary_key=True, autoincrement=False),
    sa.Column("index", Count, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

directives = sa.Table(  # what the centre tells a node; acknowledged by a record of the node
    "directives",
    metadata,
    *_owner(),
    sa.Column("number", Count, primary_key=True, autoincrement=False),
    sa.Column("subject", Plain, nullable=False),
    sa.Column("version", Plain, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("sha256", Plain, nullable=False),
    sa.Column("signature", Plain, nullable=False),
    sa.Column("public_key", Plain, nullable=False),
    sa.Column("given_at", Moment, nullable=False),
    sa.Column("outcome", Plain),  # nothing: not acknowledged yet
    sa.Column("why", Plain),
    sa.Column("answered_seq", Count),
)

bundles = sa.Table(  # imported from one-way roads
    "bundles",
    metadata,
    *_owner(),
    sa.Column("number", Count, primary_key=True, autoincrement=False),
    sa.Column("sha256", Plain, nullable=False),
    sa.Column("first_seq", Count, nullable=False),
    sa.Column("last_seq", Count, nullable=False),
    sa.Column("imported_at", Moment, nullable=False),
)

feed = sa.Table(  # every run at its position, see feed.py; it belongs to no node and is never sharded
    "feed",
    metadata,
    sa.Column("position", Count, primary_key=True, autoincrement=False),
    sa.Column("site", Plain, nullable=False),
    sa.Column("node", Plain, nullable=False),
    sa.Column("last_seq", Count, nullable=False),
    sa.Column("chain", sa.LargeBinary, nullable=False),
    sa.Column("published_at", Moment, nullable=False),
    sa.Index("feed_by_time", "published_at"),
)

feed_head = sa.Table(  # one row: its lock is what gives positions one after the other
    "feed_head",
    metadata,
    sa.Column("one", Count, primary_key=True, autoincrement=False),
    sa.Column("position", Count, nullable=False),
    sa.Column("chain", sa.LargeBinary, nullable=False),
)

published = sa.Table(  # how far the feed tells each node
    "published",
    metadata,
    *_owner(),
    sa.Column("through_seq", Count, nullable=False),
)

Rows = Sequence[Mapping[str, Any]]
_dialects: dict[str, Any] = {"postgresql": postgresql, "sqlite": sqlite}


def insert(connection: sa.Connection, table: sa.Table, rows: Rows) -> None:
    """New rows; an existing key is an error."""
    if rows:
        _run(connection, _insert(connection, table, rows), rows)


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Rows) -> None:
    """New rows; an existing key keeps what it has."""
    if rows:
        _run(connection, _insert(connection, table, rows).on_conflict_do_nothing(), rows)


def upsert(connection: sa.Connection, table: sa.Table, rows: Rows) -> None:
    """New rows; an existing key takes the new values."""
    if rows:
        statement = _insert(connection, table, rows)
        key = [column.name for column in table.primary_key]
        changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
        _run(connection, statement.on_conflict_do_update(index_elements=key, set_=changed), rows)


def _insert(connection: sa.Connection, table: sa.Table, rows: Rows) -> Any:
    """INSERT of all rows: on PostgreSQL of one JSON text, on SQLite by the driver's executemany."""
    if not _as_text(connection, rows):
        return _dialects[connection.dialect.name].insert(table)
    columns = [sa.column(name, table.c[name].type) for name in rows[0]]
    function = sa.func.jsonb_to_recordset(sa.cast(sa.bindparam("rows", type_=sa.Text()), postgresql.JSONB))
    given = function.table_valued(*columns, name="given").render_derived(with_types=True)
    return postgresql.insert(table).from_select(
        list(rows[0]), sa.select(*(given.c[name] for name in rows[0]))
    )


def _run(connection: sa.Connection, statement: Any, rows: Rows) -> None:
    if _as_text(connection, rows):
        plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
        connection.execute(statement, {"rows": msgspec.json.encode(plain).decode()})
    else:
        connection.execute(statement, rows)


def _as_text(connection: sa.Connection, rows: Rows) -> bool:
    """Whether rows go as one JSON text: psycopg's executemany would send them one by one."""
    return connection.dialect.name == "postgresql" and len(rows) > 1


def _plain(value: Any) -> Any:
    """A value as it stands in the JSON text: bytes as PostgreSQL writes them (manual, 8.4.1)."""
    return "\\x" + value.hex() if isinstance(value, bytes) else value

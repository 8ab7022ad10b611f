"""Nodes: who may send, how far each is held, what is still wanted of it."""

from datetime import UTC, datetime

import sqlalchemy as sa

from central_sync.batch import Standing
from central_sync.registry import tables
from central_sync.registry.engines import writing
from central_sync.seal import is_public_key, must_be_usable
from lanes.record import genesis, is_node_name

WANTED_LIMIT = 200  # photos named in one answer


def enroll(engine: sa.Engine, site: str, node: str, public_key: str, allow_simulated: bool = False) -> None:
    """Makes a node known; again with another key or flag: these are replaced, its records stay.

    Raises ValueError for a name or key that cannot be one, KeyTrouble for a key that cannot be used here.
    """
    if not is_node_name(node) or not 1 <= len(site) <= 80 or "\0" in site:
        raise ValueError(f"site {site!r} and node {node!r} cannot be enrolled: a node is named like lane-1")
    if not is_public_key(public_key):
        raise ValueError(f"{public_key!r} is no public key such as ed25519:BASE64")
    must_be_usable(public_key)
    row = {
        "site": site,
        "node": node,
        "public_key": public_key,
        "allow_simulated": allow_simulated,
        "through_seq": 0,
        "head": genesis(node),
        "records": 0,
        "runs": 0,
        "unread": 0,
        "withheld": 0,
    }
    now = datetime.now(UTC)
    with writing(engine) as connection:
        tables.insert_missing(connection, tables.nodes, [row])
        _note_key(connection, site, node, public_key, now)
        connection.execute(
            sa.update(tables.nodes)
            .where(*owned(tables.nodes, site, node))
            .values(public_key=public_key, allow_simulated=allow_simulated)
        )


def _note_key(connection: sa.Connection, site: str, node: str, public_key: str, now: datetime) -> None:
    """Keeps every key a node was enrolled with; the one it replaces ends now, one that comes back goes on."""
    held = sa.select(tables.nodes.c.public_key).where(*owned(tables.nodes, site, node))
    stands = connection.execute(held).scalar_one()
    rows = [
        {"site": site, "node": node, "public_key": key, "enrolled_at": now} for key in (stands, public_key)
    ]
    tables.insert_missing(connection, tables.node_keys, rows)
    if stands != public_key:
        for key, ended_at in ((stands, now), (public_key, None)):
            mine = (*owned(tables.node_keys, site, node), tables.node_keys.c.public_key == key)
            connection.execute(sa.update(tables.node_keys).where(*mine).values(ended_at=ended_at))


def note_keys(engine: sa.Engine) -> None:
    """Notes the present key of nodes that were enrolled before keys had a history."""
    nodes, keys, now = tables.nodes, tables.node_keys, datetime.now(UTC)
    known = sa.select(keys.c.node).where(keys.c.site == nodes.c.site, keys.c.node == nodes.c.node)
    query = sa.select(nodes.c.site, nodes.c.node, nodes.c.public_key).where(~known.exists())
    with writing(engine) as connection:
        rows = [dict(row._mapping) | {"enrolled_at": now} for row in connection.execute(query)]
        tables.insert_missing(connection, keys, rows)


def keys_of(connection: sa.Connection, site: str, node: str) -> set[str]:
    """Every key that the node was ever enrolled with, the present one included."""
    query = sa.select(tables.node_keys.c.public_key).where(*owned(tables.node_keys, site, node))
    return set(connection.execute(query).scalars())


def key_was_valid(connection: sa.Connection, site: str, node: str, public_key: str, seq: int) -> bool:
    """Whether a head at ``seq`` could be by this key: enrolled, and not replaced before that record.

    Told by the order of the records, since clocks step: an ended key signs nothing beyond the first head by
    a key that was enrolled when it ended, or later.
    """
    keys, runs = tables.node_keys, tables.runs
    mine = sa.select(keys).where(*owned(keys, site, node), keys.c.public_key == public_key)
    row = connection.execute(mine).first()
    if row is None or row.ended_at is None:
        return row is not None
    later = sa.select(keys.c.public_key).where(*owned(keys, site, node), keys.c.enrolled_at >= row.ended_at)
    replaced = sa.select(runs.c.last_seq).where(
        *owned(runs, site, node), runs.c.last_seq < seq, runs.c.public_key.in_(later)
    )
    return connection.execute(replaced.limit(1)).first() is None


def standing(engine: sa.Engine, node: str, site: str | None = None) -> list[Standing]:
    """How far the chains of nodes of this name are held."""
    query = sa.select(tables.nodes).where(tables.nodes.c.node == node)
    if site is not None:
        query = query.where(tables.nodes.c.site == site)
    with engine.connect() as connection:
        return [
            Standing(
                site=row.site,
                node=row.node,
                through=row.through_seq,
                head=row.head.hex(),
                received_at=row.received_at and row.received_at.isoformat(),
                wanted=wanted(connection, row.site, row.node),
            )
            for row in connection.execute(query)
        ]


def wanted(connection: sa.Connection, site: str, node: str) -> list[str]:
    """Digests of photos that records of the node name and that are not held, oldest first."""
    query = (
        sa.select(tables.photos.c.sha256)
        .where(*owned(tables.photos, site, node), tables.photos.c.held.is_(False))
        .order_by(tables.photos.c.seq)
        .limit(WANTED_LIMIT)
    )
    return list(connection.execute(query).scalars())


def owned(table: sa.Table, site: str, node: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Condition for the rows of one node."""
    return table.c.site == site, table.c.node == node

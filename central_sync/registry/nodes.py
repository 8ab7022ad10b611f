"""Nodes: who may send, how far each is held, what is still wanted of it."""

from datetime import UTC, datetime

import sqlalchemy as sa

from central_sync.batch import Standing
from central_sync.registry import tables
from central_sync.registry.engines import writing
from central_sync.seal import is_public_key
from lanes.record import genesis, is_node_name

WANTED_LIMIT = 200  # photos named in one answer


def enroll(engine: sa.Engine, site: str, node: str, public_key: str, allow_simulated: bool = False) -> None:
    """Makes a node known; again with another key or flag: these are replaced, its records stay.

    Raises ValueError for a name or key that cannot be one.
    """
    if not is_node_name(node) or not 1 <= len(site) <= 80 or "\0" in site:
        raise ValueError(f"site {site!r} and node {node!r} cannot be enrolled: a node is named like lane-1")
    if not is_public_key(public_key):
        raise ValueError(f"{public_key!r} is no public key such as ed25519:BASE64")
    row = {
        "site": site,
        "node": node,
        "public_key": public_key,
        "allow_simulated": allow_simulated,
        "through_seq": 0,
        "head": genesis(node),
        "records": 0,
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
    """Keeps every key a node was enrolled with; the one it replaces ends now."""
    held = sa.select(tables.nodes.c.public_key).where(*owned(tables.nodes, site, node))
    stands = connection.execute(held).scalar_one()
    keys = [
        {"site": site, "node": node, "public_key": key, "enrolled_at": now} for key in {stands, public_key}
    ]
    tables.insert_missing(connection, tables.node_keys, keys)
    if stands != public_key:
        ended = (*owned(tables.node_keys, site, node), tables.node_keys.c.public_key == stands)
        connection.execute(sa.update(tables.node_keys).where(*ended).values(ended_at=now))


def keys_of(connection: sa.Connection, site: str, node: str) -> set[str]:
    """Every key that the node was ever enrolled with, the present one included."""
    query = sa.select(tables.node_keys.c.public_key).where(*owned(tables.node_keys, site, node))
    present = sa.select(tables.nodes.c.public_key).where(*owned(tables.nodes, site, node))
    return {*connection.execute(query).scalars(), *connection.execute(present).scalars()}


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

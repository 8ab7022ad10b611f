"""Directives at the centre: given, signed, pulled by their node, and acknowledged by its records."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import sqlalchemy as sa

from central_sync.batch import UNREADABLE
from central_sync.directives import Directive, Subject, directive_message, pull_message
from central_sync.registry import fold
from central_sync.registry.engines import writing
from central_sync.registry.nodes import owned
from central_sync.registry.problems import Rejected
from central_sync.registry.tables import directives, insert, nodes
from central_sync.seal import NodeKey, verify
from lanes.record import Directed, parse

MAX_BYTES = 4 << 20  # of one body
AT_ONCE = 20
ANSWER_BYTES = 8 << 20
CLOCKS_APART = timedelta(minutes=10)


class DirectiveError(ValueError):
    """A directive cannot be given; the text says why."""


def give(
    engine: sa.Engine, key: NodeKey, site: str, node: str, subject: Subject, version: str, body: bytes
) -> int:
    """Number of the directive for a node; the same bytes under the same version keep the one they have.

    Raises DirectiveError for a node that is not enrolled, or a body that is none.
    """
    if subject not in get_args(Subject):
        raise DirectiveError(f"{subject!r} is none of {', '.join(get_args(Subject))}")
    if not 0 < len(body) <= MAX_BYTES or not 0 < len(version) <= 80:
        raise DirectiveError(
            f"a directive has a version and 1 to {MAX_BYTES} bytes; this one has {len(body)}"
        )
    digest = hashlib.sha256(body).hexdigest()
    mine = owned(directives, site, node)
    with writing(engine) as connection:
        locked = sa.select(nodes.c.node).where(*owned(nodes, site, node)).with_for_update()
        if connection.execute(locked).first() is None:
            raise DirectiveError(f"node {site}/{node} is not enrolled here")
        same = sa.select(directives.c.number).where(
            *mine,
            directives.c.subject == subject,
            directives.c.version == version,
            directives.c.sha256 == digest,
        )
        stands = connection.execute(same).scalar()
        if stands is not None:
            return int(stands)
        last = connection.execute(sa.select(sa.func.max(directives.c.number)).where(*mine)).scalar() or 0
        number = int(last) + 1
        row = {
            "site": site,
            "node": node,
            "number": number,
            "subject": subject,
            "version": version,
            "body": body,
            "sha256": digest,
            "signature": key.sign(directive_message(site, node, number, subject, version, digest)),
            "public_key": key.public,
            "given_at": datetime.now(UTC),
        }
        insert(connection, directives, [row])
        return number


def must_be_node(engine: sa.Engine, site: str, node: str, after: int, time: str, signature: str) -> None:
    """Raises Rejected unless the enrolled node itself has signed this request, a moment ago."""
    query = sa.select(nodes.c.public_key).where(*owned(nodes, site, node))
    with engine.connect() as connection:
        key = connection.execute(query).scalar()
    if key is None:
        raise Rejected.unknown_node(site, node)
    if not verify(key, pull_message(site, node, after, time), signature):
        raise Rejected.bad_signature(f"the request of {node}")
    try:
        apart = abs(datetime.now(UTC) - datetime.fromisoformat(time))
    except (ValueError, TypeError, OverflowError) as trouble:
        raise Rejected.malformed(f"Chayan-Time {time[:60]!r} is no time with a zone") from trouble
    if apart > CLOCKS_APART:
        raise Rejected.clock(node)


def due(engine: sa.Engine, site: str, node: str, after: int) -> list[Directive]:
    """The next directives of a node, as many as fit into one answer."""
    query = (
        sa.select(directives)
        .where(*owned(directives, site, node), directives.c.number > after)
        .order_by(directives.c.number)
        .limit(AT_ONCE)
    )
    found: list[Directive] = []
    size = 0
    with engine.connect() as connection:
        for row in connection.execute(query):
            size += len(row.body)
            if found and size > ANSWER_BYTES:
                break
            found.append(
                Directive(
                    number=row.number,
                    subject=row.subject,
                    version=row.version,
                    sha256=row.sha256,
                    signature=row.signature,
                    public_key=row.public_key,
                    body=base64.b64encode(row.body).decode(),
                )
            )
    return found


def acknowledge(connection: sa.Connection, site: str, node: str, rows: Sequence[fold.Read]) -> None:
    """Notes what the node's own records say became of its directives."""
    for row in rows:
        if row.kind != "directed":
            continue
        try:
            body = parse(row.data).body
        except UNREADABLE:
            continue
        if isinstance(body, Directed):
            connection.execute(
                sa.update(directives)
                .where(
                    *owned(directives, site, node),
                    directives.c.number == body.number,
                    directives.c.sha256 == body.sha256,
                )
                .values(outcome=body.outcome, why=body.why, answered_seq=row.seq)
            )


def listed(engine: sa.Engine, site: str | None = None, node: str | None = None) -> list[dict[str, Any]]:
    """Directives with their state, newest first."""
    query = sa.select(*(column for column in directives.c if column.name != "body"))
    if site is not None:
        query = query.where(directives.c.site == site)
    if node is not None:
        query = query.where(directives.c.node == node)
    query = query.order_by(directives.c.site, directives.c.node, directives.c.number.desc())
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]

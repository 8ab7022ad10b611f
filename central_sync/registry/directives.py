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
OTHER = (
    "该编号在节点处是另一条指令，请重新下发 · the node has another directive of this number: give it again"
)


class DirectiveError(ValueError):
    """A directive cannot be given; the text says why."""


def give(
    engine: sa.Engine, key: NodeKey, site: str, node: str, subject: str, version: str, body: bytes
) -> int:
    """Number of the directive for a node; what stands there already keeps the number it has.

    That is the same order, or the list, rules … that were given last, unless the node has refused them.
    Raises DirectiveError for a node that is not enrolled, or a body that is none.
    """
    if subject not in get_args(Subject):
        raise DirectiveError(f"{subject!r} is none of {', '.join(get_args(Subject))}")
    if not 0 < len(body) <= MAX_BYTES or not 0 < len(version) <= 80:
        raise DirectiveError(
            f"a directive has a version and 1 to {MAX_BYTES} bytes; this one has {len(body)}"
        )
    digest = hashlib.sha256(body).hexdigest()
    with writing(engine) as connection:
        locked = sa.select(nodes.c.node).where(*owned(nodes, site, node)).with_for_update()
        if connection.execute(locked).first() is None:
            raise DirectiveError(f"node {site}/{node} is not enrolled here")
        stands = _standing(connection, site, node, subject, version, digest)
        if stands is not None:
            return stands
        number = _last(connection, site, node) + 1
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


def _standing(
    connection: sa.Connection, site: str, node: str, subject: str, version: str, digest: str
) -> int | None:
    """Number of the directive that says this already."""
    query = (
        sa.select(directives.c.number, directives.c.version, directives.c.sha256, directives.c.outcome)
        .where(*owned(directives, site, node), directives.c.subject == subject)
        .order_by(directives.c.number.desc())
        .limit(1)
    )
    if subject == "order":  # a list of before yesterday may come again, an order may not
        query = query.where(directives.c.version == version, directives.c.sha256 == digest)
    row = connection.execute(query).first()
    if row is None or row.outcome == "refused" or (row.version, row.sha256) != (version, digest):
        return None
    return int(row.number)


def _last(connection: sa.Connection, site: str, node: str) -> int:
    query = sa.select(sa.func.max(directives.c.number)).where(*owned(directives, site, node))
    return int(connection.execute(query).scalar() or 0)


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
            said = {"outcome": body.outcome, "why": fold.plain(body.why), "answered_seq": row.seq}
            mine = (*owned(directives, site, node), directives.c.number == body.number)
            change = sa.update(directives).where(*mine, directives.c.sha256 == body.sha256).values(**said)
            if not connection.execute(change).rowcount:
                _note_lost(connection, {"site": site, "node": node}, body, said)


def _note_lost(
    connection: sa.Connection, owner: dict[str, str], body: Directed, said: dict[str, Any]
) -> None:
    """The node knows a directive that we do not: this database was restored from an older copy.

    Its number is taken. What has been given under it since was never pulled, and must be given again.
    """
    mine = (*owned(directives, **owner), directives.c.number == body.number)
    again = {"outcome": "refused", "why": OTHER, "answered_seq": said["answered_seq"]}
    if not connection.execute(sa.update(directives).where(*mine).values(**again)).rowcount:
        lost = {"body": b"", "signature": "", "public_key": "", "given_at": datetime.now(UTC)}
        named = {name: fold.plain(getattr(body, name)) for name in ("number", "subject", "version", "sha256")}
        insert(connection, directives, [owner | named | lost | said])


def listed(engine: sa.Engine, pattern: str = "*/*", limit: int = 200) -> list[dict[str, Any]]:
    """Directives of the nodes of a pattern (see ``places``) with their state, newest first."""
    query = (
        sa.select(*(column for column in directives.c if column.name != "body"))
        .where(*_matching(directives, pattern))
        .order_by(
            directives.c.given_at.desc(), directives.c.site, directives.c.node, directives.c.number.desc()
        )
        .limit(limit)
    )
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query)]


def places(engine: sa.Engine, pattern: str) -> list[tuple[str, str]]:
    """(site, node) of SITE/NODE, SITE/* (every node of a site) or */* (every node); raises DirectiveError."""
    query = sa.select(nodes.c.site, nodes.c.node).where(*_matching(nodes, pattern))
    with engine.connect() as connection:
        found = [
            (row.site, row.node) for row in connection.execute(query.order_by(nodes.c.site, nodes.c.node))
        ]
    if not found:
        raise DirectiveError(f"no node {pattern} is enrolled here")
    return found


def _matching(table: sa.Table, pattern: str) -> list[sa.ColumnElement[bool]]:
    site, slash, node = pattern.partition("/")
    if not (site and slash and node) or (site == "*" and node != "*"):
        raise DirectiveError(f"{pattern!r}: write SITE/NODE, SITE/* or */*")
    wanted = {"site": site, "node": node}
    return [table.c[name] == word for name, word in wanted.items() if word != "*"]

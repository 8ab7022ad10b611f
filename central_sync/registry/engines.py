"""Connections: SQLite in WAL by default, PostgreSQL by DSN; one writing transaction per node at a time."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

WRITES = "chayan_writes"  # execution option: this transaction will write
LOCK = "chayan_lock"  # engine option: held while a SQLite transaction writes
BUSY_MS = 15_000  # another process, such as a backup or a replica, may hold file or row for a while
FROZEN_MS = 60_000  # PostgreSQL: a replica whose machine died in a transaction keeps its locks no longer
VALUE_STATES = ("22", "23", "54")  # SQLSTATE: data exception, constraint violation, limit exceeded
RETURN_S = 5.0  # a connection that is still at work when the registry stops is waited for so long
CONNECT_S = "10"  # PostgreSQL: one try at an address that does not answer


class DsnError(ValueError):
    """A DSN that this registry cannot use; the text shows one that it can."""


def open_engine(dsn: str) -> sa.Engine:
    """Engine for ``sqlite:///FILE`` or ``postgresql+psycopg://…``; raises DsnError."""
    try:
        url = sa.make_url(dsn)
    except sa.exc.ArgumentError as trouble:
        raise DsnError(
            f"{dsn!r} is no DSN; for example sqlite:////var/lib/chayan/registry.sqlite"
        ) from trouble
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        return _postgresql(url)
    if url.drivername not in ("sqlite", "sqlite+pysqlite") or not url.database:
        raise DsnError(
            f"{url.render_as_string()!r}: use sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"
        )
    engine = sa.create_engine(url, poolclass=sa.pool.QueuePool, connect_args={"check_same_thread": False})
    sa.event.listen(engine, "connect", _connected)
    sa.event.listen(engine, "begin", _begin)
    return engine.execution_options(**{LOCK: threading.Lock()})


def _postgresql(url: sa.URL) -> sa.Engine:
    url = url.set(drivername="postgresql+psycopg", query={"connect_timeout": CONNECT_S, **url.query})
    engine = sa.create_engine(url, pool_pre_ping=True, pool_size=8)
    sa.event.listen(engine, "connect", _bounded)
    return engine


def close(engine: sa.Engine) -> None:
    """Closes every connection, those of requests that are still at work once these are done."""
    pool, end = engine.pool, time.monotonic() + RETURN_S
    assert isinstance(pool, sa.pool.QueuePool)
    while pool.checkedout() and time.monotonic() < end:
        time.sleep(0.01)
    engine.dispose()


@contextlib.contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that writes; committed at the end of the block, rolled back by an exception.

    SQLite: one writer of this process at a time, which also keeps to one checkpointer (SQLite before 3.51.3
    can damage a WAL that two connections check-point at once, sqlite.org/wal.html).
    """
    lock = engine.get_execution_options().get(LOCK, contextlib.nullcontext())
    with lock, engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        yield connection


def is_of_a_value(trouble: sa.exc.StatementError) -> bool:
    """Whether the database will not have a value it was given; false where it cannot work at all."""
    if not isinstance(trouble, sa.exc.DBAPIError):
        return True  # it never came to the database
    state = getattr(trouble.orig, "sqlstate", None)
    if state is None:  # SQLite, or the PostgreSQL driver by itself
        return isinstance(trouble, sa.exc.DataError | sa.exc.IntegrityError)
    return str(state)[:2] in VALUE_STATES


def _bounded(connection: Any, _: object) -> None:
    connection.execute("SET timezone = 'UTC'")  # east of it the last day of year 9999 cannot be read back
    connection.execute(f"SET lock_timeout = {BUSY_MS}")
    connection.execute(f"SET idle_in_transaction_session_timeout = {FROZEN_MS}")
    connection.commit()


def _connected(connection: Any, _: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see _begin
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

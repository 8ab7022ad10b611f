"""The writing side of one volume: opening, migrating, and making the next one. Used by the journal only."""

import fcntl
import itertools
import os
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from central_sync.volumes import (
    APPEND_ONLY,
    FORMAT,
    JournalError,
    KeptCheckpoint,
    KeptReceipt,
    Volume,
    metadata,
    volume_path,
    why,
)
from lanes.record import Continued, Record, canonical, genesis, kind_of, link, parse

INSERT = "INSERT INTO records (seq, source, source_key, inspection, kind, data, head) VALUES (?,?,?,?,?,?,?)"
SETTLE = "INSERT INTO receipts (destination, through_seq, received_at, data) VALUES (?,?,?,?)"
SIGN = "INSERT OR IGNORE INTO heads (seq, head, public_key, signature, at) VALUES (?,?,?,?,?)"
NOTE = "INSERT INTO checkpoints (size, frontier, note, at) VALUES (?,?,?,?)"
_FACT = "INSERT INTO journal (name, value) VALUES (?, ?)"
_NO_CHANGE = (
    "CREATE TRIGGER IF NOT EXISTS {table}_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
)

Raw = sqlite3.Connection


def connect(path: Path, checkpoints: bool = True) -> Raw:
    """The writing connection of a volume; without ``checkpoints`` another program does them."""
    raw = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}")
    if not checkpoints:
        raw.execute("PRAGMA wal_autocheckpoint=0")
    return raw


def prepare(raw: Raw, path: Path, node: str) -> None:
    """Makes a new first volume, or brings an older format up to this one. Raises JournalError."""
    raw.execute("BEGIN IMMEDIATE")
    try:
        made = _facts(raw)
        if not made:
            create(raw, node, 1, 1, genesis(node))
        else:
            _migrate(raw, path, made, node)
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise


def _migrate(raw: Raw, path: Path, made: dict[str, str], node: str) -> None:
    """Forward only; each step leaves every byte of the records as it was."""
    if made.get("node") != node:
        raise JournalError(f"{path} has node {made.get('node')!r}, not {node!r}; name another file")
    stands = made.get("format", "")
    if not stands.isdecimal() or not 1 <= int(stands) <= FORMAT:
        raise JournalError(f"{path} has format {stands!r}, not {str(FORMAT)!r}; a newer version wrote it")
    _create(raw)
    if stands == "1":
        _note(raw, {"volume": 1, "first_seq": 1, "prev_head": genesis(node).hex()})
        raw.execute("UPDATE journal SET value = ? WHERE name = 'format'", (str(FORMAT),))


def _facts(raw: Raw) -> dict[str, str]:
    if raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'journal'").fetchone() is None:
        return {}
    return dict(raw.execute("SELECT name, value FROM journal"))


def _note(raw: Raw, facts: dict[str, Any]) -> None:
    raw.executemany(_FACT, [(name, str(value)) for name, value in facts.items()])


def _create(raw: Raw) -> None:
    dialect = sqlite.dialect()
    for table in metadata.sorted_tables:
        raw.execute(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)))
        for index in table.indexes:
            raw.execute(str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)))
    for table_name in APPEND_ONLY:
        for verb in ("update", "delete"):
            raw.execute(_NO_CHANGE.format(table=table_name, verb=verb))


def create(raw: Raw, node: str, volume: int, first_seq: int, prev_head: bytes) -> None:
    """Tables and facts of a volume that goes on after ``prev_head``."""
    _create(raw)
    facts = {"format": FORMAT, "node": node, "volume": volume, "first_seq": first_seq}
    _note(raw, {**facts, "prev_head": prev_head.hex()})


def put_receipt(raw: Raw, kept: KeptReceipt) -> None:
    """Appends a receipt as it was kept."""
    raw.execute(SETTLE, (kept.destination, kept.through_seq, kept.received_at, kept.data))


def row_of(record: Record, data: bytes, head: bytes) -> tuple[Any, ...]:
    """Values for INSERT."""
    return (
        record.seq,
        record.source,
        record.source_key,
        record.inspection,
        kind_of(record.body),
        data,
        head,
    )


def begin_volume(
    first: Path,
    body: Continued,
    node: str,
    envelope: Callable[[int, Continued], Record],
    receipts: Iterable[KeptReceipt],
    checkpoint: KeptCheckpoint | None,
) -> tuple[Path, Record]:
    """Makes the volume that goes on after ``body``: its path and first record, both durable.

    ``envelope`` makes the record of a body. A kill at any point leaves a whole volume or a ``.new`` file.
    """
    target = volume_path(first, body.volume)
    fresh = target.with_name(f"{target.name}.new")
    discard(fresh)
    record = envelope(body.last_seq + 1, body)
    data = canonical(record)
    head = link(bytes.fromhex(body.head), data)
    raw = connect(fresh)
    try:
        raw.execute("BEGIN IMMEDIATE")
        create(raw, node, body.volume, record.seq, bytes.fromhex(body.head))
        for each in receipts:
            put_receipt(raw, each)
        if checkpoint is not None:
            raw.execute(NOTE, (checkpoint.size, checkpoint.frontier, checkpoint.note, checkpoint.at))
        raw.execute(INSERT, row_of(record, data, head))
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        raw.close()
        discard(fresh)
        raise
    raw.close()
    sync(fresh)
    fresh.replace(target)
    sync(target.parent)
    return target, record


def discard(path: Path) -> None:
    """Removes a database that nobody uses, with its log and index."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def lay_down(path: Path, content: bytes) -> None:
    """Makes a file durable under its name: another beside it, fsync, rename, fsync of the folder."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    sync(fresh)
    fresh.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """fsync of a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hold(path: Path) -> int:
    """The lock of a journal, as a descriptor; raises JournalError while another process has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise JournalError(f"{path.with_suffix('')} is held by another process; stop it first") from None
    return lock


def must_follow(volumes: list[Volume]) -> None:
    """Raises JournalError unless each volume goes on from the one before it."""
    for before, after in itertools.pairwise(volumes):
        follows = (after.first_seq - 1, after.prev_head) == before.last() or is_mended(
            before.last()[0], after
        )
        if not follows or after.number <= before.number:
            raise JournalError(
                f"{after.path} goes on from record {after.first_seq - 1}, but {before.path} ends at "
                f"{before.last()[0]} or with another head: one of them was replaced; chayan verify says more"
            )


def is_mended(before: int, after: Volume) -> bool:
    """Whether ``after`` says that what lies between record ``before`` and it was lost to this node."""
    rows = after.rows(after.first_seq - 1, 1)
    body = parse(rows[0].data).body if rows else None
    lost = (before + 1, after.first_seq - 1)
    return isinstance(body, Continued) and (body.lost_from, body.lost_through) == lost


def stamp(moment: datetime) -> str:
    """A time as the tables keep it."""
    return moment.isoformat()


def explain(path: Path, error: Exception) -> JournalError:
    """A failure to open, in words."""
    if isinstance(error, sa.exc.SQLAlchemyError | sqlite3.Error | OSError):
        return JournalError(
            f"{path} cannot be opened as a journal: {why(error)}; chayan journal status says more"
        )
    return JournalError(str(error))

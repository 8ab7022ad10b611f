"""The ledger of keys: (source, source_key) of every closed volume, so that a repetition is known for ever.

A volume that is being written has its own unique index. Those before it are merged into ``keys.sqlite`` in
the background, so that an append costs the same however many volumes there are, and a key whose record has
been retired is still known. Until a volume is merged it is asked itself.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from central_sync.volumes import JournalError, Volume, why

SLICE = 2000  # keys a transaction
PREFIX = 16  # bytes of SHA-256: two of 10**12 keys meet with a probability of 10**-15

_CREATE = (
    "CREATE TABLE IF NOT EXISTS keys (key BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS merged (id INTEGER PRIMARY KEY CHECK (id = 1), through_seq INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO merged VALUES (1, 0)",
)


def keys_path(journal: Path) -> Path:
    """Where the ledger of a journal lies."""
    return journal.with_name("keys.sqlite")


def _connected(connection: Any, _: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _leave_checkpoints(connection: Any, _: object) -> None:
    connection.execute("PRAGMA wal_autocheckpoint=0")


class Keys:
    """The ledger of one journal. Raises JournalError when its file cannot be used.

    Without ``checkpoints`` another program does them.
    """

    def __init__(self, path: Path, checkpoints: bool = True) -> None:
        self.path = path
        self._engine = sa.create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False})
        sa.event.listen(self._engine, "connect", _connected)
        if not checkpoints:
            sa.event.listen(self._engine, "connect", _leave_checkpoints)
        self._asking = threading.Lock()
        try:
            self._reader = self._engine.connect()
            for statement in _CREATE:
                self._reader.exec_driver_sql(statement)
            self._reader.commit()
            self.through = self._merged_through()
        except sa.exc.DatabaseError as error:
            self._engine.dispose()
            raise JournalError(
                f"{path} cannot be used: {why(error)}. It can be made anew while no volume has been retired: "
                "move it away"
            ) from error

    def _merged_through(self) -> int:
        return int(self._reader.exec_driver_sql("SELECT through_seq FROM merged").scalar_one())

    def find(self, source: str, source_key: str) -> int | None:
        """Number of the record of a key in a merged volume."""
        with self._asking:
            found = self._reader.exec_driver_sql(
                "SELECT seq FROM keys WHERE key = ?", (_digest(source, source_key),)
            ).scalar()
            self._reader.commit()
        return found

    def merge(self, volumes: Sequence[Volume], stopping: Callable[[], bool]) -> None:
        """Takes in closed volumes, oldest first; may be stopped and killed at any point."""
        with self._engine.connect() as writer:
            for volume in volumes:
                while not stopping() and (page := volume.keys(self.through, SLICE)):
                    self._take(writer, page)

    def _take(self, writer: sa.Connection, page: Sequence[tuple[int, str, str]]) -> None:
        through = page[-1][0]
        rows = [(_digest(source, key), seq) for seq, source, key in page]
        writer.exec_driver_sql("BEGIN IMMEDIATE")
        writer.exec_driver_sql("INSERT OR IGNORE INTO keys VALUES (?, ?)", rows)
        writer.exec_driver_sql("UPDATE merged SET through_seq = ?", (through,))
        writer.exec_driver_sql("COMMIT")
        writer.commit()
        self.through = through

    def forget(self, after: int) -> None:
        """Lets go of keys of records after ``after``, which the journal beside does not hold any more."""
        if self.through <= after:
            return
        with self._engine.connect() as writer:
            writer.exec_driver_sql("BEGIN IMMEDIATE")
            writer.exec_driver_sql("DELETE FROM keys WHERE seq > ?", (after,))
            writer.exec_driver_sql("UPDATE merged SET through_seq = ?", (after,))
            writer.exec_driver_sql("COMMIT")
            writer.commit()
        self.through = after

    def close(self) -> None:
        """Lets go of the file."""
        self._reader.close()
        self._engine.dispose()


def _digest(source: str, source_key: str) -> bytes:
    return hashlib.sha256(f"{source}\0{source_key}".encode()).digest()[:PREFIX]

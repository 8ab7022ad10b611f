"""The shelf: volumes of an open journal read as one, keys of the closed ones, and their retirement."""

import contextlib
import sqlite3
import threading
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from central_sync import ledger
from central_sync.keys import Keys, keys_path
from central_sync.volumes import JournalError, Row, Volume, rows_of, volume_path
from lanes.record import parse


class RetiredError(JournalError):
    """This key stands for record ``seq``, which was removed from this node by policy."""

    def __init__(self, path: Path, seq: int) -> None:
        super().__init__(f"{path}: this key stands for record {seq}, which was retired from this node")
        self.seq = seq


def retirement_key(number: int) -> str:
    """Key of the record that volume ``number`` was retired."""
    return f"retired/volume/{number}"


class Shelf:
    """Volumes of the journal whose first volume is ``path``; ``source``: of the journal's own records."""

    def __init__(self, path: Path, source: str, checkpoints: bool) -> None:
        self._path, self._source, self._checkpoints = path, source, checkpoints
        self.volumes: list[Volume] = []
        self.keys: Keys | None = None
        self._closing = threading.Event()
        self._merging: threading.Thread | None = None

    def open(self, numbers: Sequence[int]) -> None:
        """Takes the volumes in. Raises JournalError when one does not go on from the one before it."""
        for number in numbers:
            self.volumes.append(Volume(volume_path(self._path, number)))
        ledger.must_follow(self.volumes)

    def know_keys(self, make: bool) -> None:
        """Opens the ledger of keys, if there is one; else makes it, if told so. Raises JournalError."""
        path = keys_path(self._path)
        if self.keys is None and (make or path.exists()):
            self.keys = Keys(path, self._checkpoints)
            self.keys.forget(after=self.current.last()[0])  # of a copy that was newer than this one

    @property
    def current(self) -> Volume:
        """The volume that is written."""
        return self.volumes[-1]

    def add(self, volume: Volume) -> None:
        """The volume that is written from now on; the ledger of keys must be there."""
        self.volumes = [*self.volumes, volume]  # readers in other threads keep the list they have
        self.merge()

    # ---- reading ---------------------------------------------------------------------------------

    def rows(self, after_seq: int, limit: int) -> list[Row]:
        """Records after ``after_seq``, in order."""
        return rows_of(self.volumes, after_seq, limit)

    def head_at(self, seq: int) -> bytes | None:
        """Head after a record, where that record is still here."""
        oldest = self.volumes[0]
        if seq == oldest.first_seq - 1:
            return oldest.prev_head
        row = self._row(seq)
        return None if row is None else row.head

    def _row(self, seq: int) -> Row | None:
        rows = self.rows(seq - 1, 1)
        return rows[0] if rows and rows[0].seq == seq else None

    def find(self, source: str, source_key: str) -> bytes | RetiredError | None:
        """The record of a key in any volume."""
        found = self.current.find(source, source_key)
        return self.find_closed(source, source_key) if found is None else found

    def find_closed(self, source: str, source_key: str) -> bytes | RetiredError | None:
        """The record of a key in a closed volume."""
        if self.keys is None:
            return None
        through = self.keys.through
        for volume, later in pairwise(self.volumes):
            if later.first_seq > through + 1 and (found := volume.find(source, source_key)) is not None:
                return found
        seq = self.keys.find(source, source_key)
        if seq is None:
            return None
        row = self._row(seq)
        return RetiredError(self._path, seq) if row is None else row.data

    # ---- keys of closed volumes ------------------------------------------------------------------

    def merge(self) -> None:
        """Takes keys of closed volumes into the ledger, in the background."""
        if self.keys is None or (self._merging is not None and self._merging.is_alive()):
            return
        keys, closed = self.keys, self.volumes[:-1]

        def work() -> None:
            with contextlib.suppress(JournalError, sqlite3.Error, OSError):  # tried again after the next roll
                keys.merge(closed, self._closing.is_set)

        self._merging = threading.Thread(target=work, name="journal keys", daemon=True)
        self._merging.start()

    # ---- retirement ------------------------------------------------------------------------------

    def retirable(self, before: datetime, settled_through: int, needed_from: int) -> Volume | None:
        """The oldest volume, if it may go: closed, settled, not needed, old, and its keys in the ledger."""
        if len(self.volumes) < 2 or self.keys is None:
            return None
        oldest = self.volumes[0]
        last, _ = oldest.last()
        if last > settled_through or last >= needed_from or last > self.keys.through:
            return None
        return oldest if parse(oldest.rows(last - 1, 1)[0].data).at < before else None

    def drop_retired(self) -> None:
        """Removes the files of volumes whose retirement is on record."""
        while len(self.volumes) > 1 and self._is_retired(self.volumes[0]):
            oldest, self.volumes = self.volumes[0], self.volumes[1:]
            oldest.close()
            ledger.discard(oldest.path)
            ledger.sync(self._path.parent)

    def _is_retired(self, volume: Volume) -> bool:
        key = retirement_key(volume.number)
        return any(later.find(self._source, key) is not None for later in self.volumes[1:])

    def stop(self) -> None:
        """Ends what runs in the background."""
        self._closing.set()
        if self._merging is not None:
            self._merging.join()

    def close(self) -> None:
        """Lets go of all files."""
        for volume in self.volumes:
            volume.close()
        if self.keys is not None:
            self.keys.close()

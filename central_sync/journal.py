"""The journal: append-only tables of records and receipts. The only room that writes the edge's database.

One thread owns the one writing connection and commits in groups: everything that has arrived since the last
fsync goes into one transaction, and ``append`` returns when that transaction is on the disk. WAL with
synchronous=FULL: measured to lose nothing at a power cut where NORMAL lost 11 % of acknowledged rows.
``seq`` is a plain INTEGER PRIMARY KEY: AUTOINCREMENT with ON CONFLICT DO NOTHING skips numbers, which would
look like lost records. A full journal goes on in a further volume (``ledger``, ``shelf``); how work reaches
the thread is in ``group``.
"""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from central_sync import ledger, mark
from central_sync.group import Job, Jobs, answer, fail
from central_sync.reading import Reading
from central_sync.seal import Signer
from central_sync.shelf import RetiredError as RetiredError
from central_sync.shelf import Shelf, retirement_key
from central_sync.storage import Ballast, Disk, Storage, state_of
from central_sync.volumes import JournalError, Volume, numbers_at, volume_path, why
from lanes.record import (
    AnyBody,
    Continued,
    Draft,
    Record,
    Retired,
    canonical,
    is_node_name,
    link,
    parse,
)

AGAIN_S = 60.0  # after a volume or the ballast could not be made
_FIND = "SELECT data FROM records WHERE source = ? AND source_key = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """When a volume is full."""

    records: int = 1_000_000
    size_bytes: int = 2000 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The record a draft became; ``fresh`` is false when its (source, source_key) was there already."""

    record: Record
    fresh: bool


def now_utc() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Journal(Reading):
    """The journal of one node, open for writing. Exactly one process may hold it.

    ``signer`` signs chain heads; ``source`` is whose facts the journal's own records are. Raises JournalError
    when a file belongs to another node or format, is held by another process, is damaged, or was rolled back.
    """

    def __init__(
        self,
        path: Path,
        node: str,
        *,
        signer: Signer | None = None,
        clock: Callable[[], datetime] = now_utc,
        roll: Roll = Roll(),
        ballast_bytes: int = 0,
        copied_by_other: bool = False,
        source: str = "agent",
    ) -> None:
        if not is_node_name(node):
            raise JournalError(
                f"{node!r} cannot name a node: lower-case letters, digits and hyphens, 2 to 63 long"
            )
        self.path, self.node, self._source = path, node, source
        self._clock, self._roll, self._roll_asked = clock, roll, False
        self._signing = mark.Signing(path, node, signer)
        self._checkpoints = not copied_by_other
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = ledger.hold(path.with_suffix(".lock"))
        self._raws: list[ledger.Raw] = []  # the writing connection, once it is there
        self._shelf = Shelf(path, source, self._checkpoints)
        try:
            self._open()
        except (sqlite3.Error, OSError, JournalError) as error:
            self._let_go()
            if isinstance(error, JournalError):
                raise
            raise ledger.explain(path, error) from error
        self._durable = (self._seq, self._head)
        self._disk = Disk(path, Ballast(path.with_name("ballast"), ballast_bytes))
        self._again_at = 0.0
        self._jobs = Jobs()
        self._waiting: set[asyncio.Future[None]] = set()
        self._fresh: list[Record] = []
        self._listeners: list[Callable[[Sequence[Record]], None]] = []
        self._shelf.merge()
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    # ---- opening ---------------------------------------------------------------------------------

    def _open(self) -> None:
        numbers = numbers_at(self.path) or [1]
        newest = volume_path(self.path, numbers[-1])
        ledger.discard(newest.with_name(f"{volume_path(self.path, numbers[-1] + 1).name}.new"))
        for number in numbers[:-1]:  # what the last process could not check-point any more
            ledger.connect(volume_path(self.path, number)).close()
        self._raw = ledger.connect(newest, self._checkpoints)
        self._raws.append(self._raw)
        ledger.prepare(self._raw, newest, self.node)
        self._shelf.open(numbers)
        self._seq, self._head = self._shelf.current.last()
        mark.must_hold(self.path, self.node, (self._seq, self._head), self._shelf.head_at)
        self._shelf.know_keys(make=len(numbers) > 1)
        self._shelf.drop_retired()
        signed = self._shelf.current.heads(self._seq - 1)
        self._signing.begin(signed[-1].seq if signed else 0)

    # ---- writing ---------------------------------------------------------------------------------

    async def append(self, *drafts: Draft) -> list[Appended]:
        """Makes drafts durable records, in order; returns after the commit. A repeated key: the old record.

        Raises RetiredError for the key of a removed record, JournalError when nothing was kept,
        msgspec.ValidationError when a draft cannot be written.
        """
        for draft in drafts:
            _encodes(draft)
        written = await self._submit(lambda: [self._append(draft) for draft in drafts])
        return [self._appended(each) for each in written]

    async def settle(self, destination: str, through_seq: int, data: bytes) -> None:
        """Appends a destination's receipt: it holds every record up to ``through_seq``."""
        row = (destination, through_seq, ledger.stamp(now_utc()), data)
        await self._submit(lambda: self._raw.execute(ledger.SETTLE, row) and None)

    async def keep_checkpoint(self, size: int, frontier: bytes, note: str) -> None:
        """Appends a signed note over the first ``size`` records."""
        row = (size, frontier, note, ledger.stamp(now_utc()))
        await self._submit(lambda: self._raw.execute(ledger.NOTE, row) and None)

    async def roll(self) -> None:
        """Goes on in a further volume now; a journal without records needs none. Raises JournalError."""
        if self._durable[0] == 0:
            return

        def work() -> None:
            self._roll_asked = True

        before = self._shelf.current.number
        await self._submit(work)
        if self._shelf.current.number == before:
            raise JournalError(f"{self.path}: no further volume could be made: {self.storage.en}")

    def listen(self, listener: Callable[[Sequence[Record]], None]) -> None:
        """Calls ``listener`` with each group of new records, durable, in order, before ``append`` returns.

        It runs in the loop that appended; a journal serves one loop.
        """
        self._listeners.append(listener)

    async def _submit(self, work: Callable[[], Any]) -> Any:
        if not self._thread.is_alive():
            raise JournalError(f"{self.path} is closed")
        return await self._jobs.put(work)

    def _write(self) -> None:
        while (group := self._jobs.take(self._signing.wait_s(self._durable[0]))) is not None:
            self._commit(group)

    def _commit(self, group: Sequence[Job]) -> None:
        try:
            results, signed = self._committed(group)
        except (sqlite3.Error, OSError, JournalError) as error:
            self._undo(error)
            unkept = "Nothing of it was acknowledged; it will be offered again"
            fail(group, JournalError(f"{self.path}: {why(error)}. {unkept}"))
            return
        self._durable = (self._seq, self._head)
        fresh, self._fresh = self._fresh, []
        if time.monotonic() >= self._again_at:
            self._disk.works()
        fresh += self._go_on()
        self._signing.note(signed)
        answer(group, results, then=lambda: self._announce(fresh))

    def _committed(self, group: Sequence[Job]) -> tuple[list[Any], mark.Mark | None]:
        """One transaction; on a full disk once more without the ballast."""
        try:
            return self._transaction(group)
        except (sqlite3.Error, OSError) as error:
            if state_of(error) != "full" or not self._disk.ballast.drop():
                raise
            self._undo(error)
            return self._transaction(group)

    def _transaction(self, group: Sequence[Job]) -> tuple[list[Any], mark.Mark | None]:
        self._raw.execute("BEGIN IMMEDIATE")
        results = [job.work() for job in group]
        signed = self._signing.sign(self._seq, self._head, self._fresh)
        if signed is not None:
            row = (signed.seq, self._head, signed.public_key, signed.signature, ledger.stamp(now_utc()))
            self._raw.execute(ledger.SIGN, row)
        self._raw.execute("COMMIT")
        return results, signed

    def _undo(self, error: Exception) -> None:
        """Back to what is durable; the connection is made anew, since a failed one may be of no use."""
        self._seq, self._head = self._durable
        self._fresh, self._roll_asked = [], False
        self._disk.fails(error, f"{self._shelf.current.path}")
        with contextlib.suppress(sqlite3.Error):
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        with contextlib.suppress(sqlite3.Error):
            self._use(ledger.connect(self._shelf.current.path, self._checkpoints))

    def _use(self, raw: ledger.Raw) -> None:
        self._raw.close()
        self._raw = raw
        self._raws[:] = [raw]

    def _append(self, draft: Draft) -> Record | bytes | RetiredError:
        # plain SQL: compiling the same two statements for every record cost more than running them
        old = self._raw.execute(_FIND, (draft.source, draft.source_key)).fetchone()
        if old is not None:
            return bytes(old[0])
        known = self._shelf.find_closed(draft.source, draft.source_key)
        return self._new(draft) if known is None else known

    def _new(self, draft: Draft) -> Record:
        record = self._enveloped(self._seq + 1, draft.source, draft.source_key, draft.inspection, draft.body)
        data = canonical(record)
        head = link(self._head, data)
        self._raw.execute(ledger.INSERT, ledger.row_of(record, data, head))
        self._seq, self._head = record.seq, head
        self._fresh.append(record)
        return record

    def _enveloped(self, seq: int, source: str, key: str, inspection: str | None, body: AnyBody) -> Record:
        return Record(
            seq=seq,
            at=self._clock(),
            tick_ms=time.monotonic_ns() // 1_000_000,
            source=source,
            source_key=key,
            inspection=inspection,
            body=body,
        )

    def _appended(self, written: Record | bytes | RetiredError) -> Appended:
        """Reads an old record in its sender's loop: one that cannot be read must not stop the writer."""
        if isinstance(written, RetiredError):
            raise written
        if isinstance(written, Record):
            return Appended(record=written, fresh=True)
        try:
            return Appended(record=parse(written), fresh=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise JournalError(f"{self.path} has this key, but its record cannot be read: {error}") from error

    # ---- further volumes -------------------------------------------------------------------------

    def _go_on(self) -> list[Record]:
        """Begins a further volume when this one is full; what cannot be made now is tried again later."""
        asked, self._roll_asked = self._roll_asked, False
        try:
            if asked or (time.monotonic() >= self._again_at and self._is_full()):
                return [self._next_volume()]
        except (sqlite3.Error, OSError, JournalError) as error:
            self._again_at = time.monotonic() + AGAIN_S
            self._disk.fails_to_go_on(error)
        return []

    def _is_full(self) -> bool:
        held = self._seq - self._shelf.current.first_seq + 1
        if held >= self._roll.records:
            return True
        return held % 512 == 0 and self._shelf.current.path.stat().st_size >= self._roll.size_bytes

    def _next_volume(self) -> Record:
        self._shelf.know_keys(make=True)
        body = Continued(volume=self._shelf.current.number + 1, last_seq=self._seq, head=self._head.hex())
        path, record = ledger.begin_volume(
            self.path,
            body,
            self.node,
            lambda seq, body: self._enveloped(seq, self._source, f"volume/{body.volume}", None, body),
            self._shelf.current.last_receipts().values(),
            self.checkpoint(),
        )
        try:
            volume, raw = Volume(path), ledger.connect(path, self._checkpoints)
        except (sqlite3.Error, JournalError):
            ledger.discard(path)  # the old volume goes on, so nothing may follow it yet
            raise
        self._seq, self._head = volume.last()
        self._durable = (self._seq, self._head)
        with contextlib.suppress(sqlite3.Error):
            if self._checkpoints:
                self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._use(raw)
        self._shelf.add(volume)
        return record

    async def retire(self, before: datetime, settled_through: int, needed_from: int) -> list[int]:
        """Removes volumes whose records all are older than ``before``, settled, not needed; their numbers.

        The record of it comes first; the key of every removed record stays known.
        """
        gone = []
        while (volume := self._shelf.retirable(before, settled_through, needed_from)) is not None:
            last, head = volume.last()
            body = Retired(
                what="volume",
                first_seq=volume.first_seq,
                last_seq=last,
                head=head.hex(),
                files=1,
                size_bytes=volume.path.stat().st_size,
                policy=f"before {before.isoformat()}",
            )
            draft = Draft(source=self._source, source_key=retirement_key(volume.number), body=body)
            await self.append(draft)
            await self._submit(self._shelf.drop_retired)
            gone.append(volume.number)
        return gone

    # ---- state of the disk -----------------------------------------------------------------------

    @property
    def storage(self) -> Storage:
        """Whether the journal can be written, and what to do when it cannot."""
        return self._disk.storage

    def watch(self, watcher: Callable[[Storage], None]) -> None:
        """Calls ``watcher`` from the writer's thread at each change of ``storage``."""
        self._disk.watchers.append(watcher)

    # ---- following -------------------------------------------------------------------------------

    def head(self) -> tuple[int, bytes]:
        """Number of the last durable record (0: none) and the chain head after it."""
        return self._durable

    async def wait_beyond(self, seq: int) -> None:
        """Returns when a record after ``seq`` is durable; at once if there is one."""
        while self._durable[0] <= seq:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)

    def close(self) -> None:
        """Commits what was submitted, signs the last head, stops the writer, releases the files."""
        self._jobs.end()
        self._thread.join()
        self._signing.hasten()
        self._commit([])
        self._shelf.stop()
        self._let_go()

    def _let_go(self) -> None:
        self._shelf.close()
        for raw in self._raws:  # after the readers: whoever closes last empties the write-ahead log
            raw.close()
        os.close(self._lock)

    def _announce(self, fresh: Sequence[Record]) -> None:
        if fresh:
            for listener in self._listeners:
                listener(fresh)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


def _encodes(draft: Draft) -> None:
    """Meets what cannot be written (a lone surrogate, a float) in the caller, not in the writer's thread."""
    msgspec.json.decode(msgspec.json.encode(draft), type=Draft)

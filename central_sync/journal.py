"""The journal: append-only tables of records and receipts. The only room that writes the edge's database.

One thread owns the one writing connection and commits in groups: everything that has arrived since the last
fsync goes into one transaction, and ``append`` returns when that transaction is on the disk. WAL with
synchronous=FULL: measured to lose nothing at a power cut where NORMAL lost 11 % of acknowledged rows.
``seq`` is a plain INTEGER PRIMARY KEY: AUTOINCREMENT with ON CONFLICT DO NOTHING skips numbers, which would
look like lost records. The journal goes on in a further volume when one is full (``volumes``, ``ledger``).
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from central_sync import ledger, mark
from central_sync.keys import Keys, keys_path
from central_sync.seal import Signer, head_message
from central_sync.storage import Ballast, Storage, stands, state_of
from central_sync.volumes import (
    JournalError,
    KeptCheckpoint,
    KeptReceipt,
    Row,
    Volume,
    numbers_at,
    rows_of,
    volume_path,
    why,
)
from lanes.record import (
    AnyBody,
    Continued,
    Draft,
    Judged,
    Record,
    Retired,
    canonical,
    is_node_name,
    link,
    parse,
)

GROUP_LIMIT = 500  # drafts per commit: bounds the time a waiting device sees
SIGN_S = 1.0  # an unsigned tail is no older than this
AGAIN_S = 60.0  # after a volume or the ballast could not be made
_FIND = "SELECT data FROM records WHERE source = ? AND source_key = ?"


class RetiredError(JournalError):
    """This key stands for record ``seq``, which was removed from this node by policy."""

    def __init__(self, path: Path, seq: int) -> None:
        super().__init__(f"{path}: this key stands for record {seq}, which was retired from this node")
        self.seq = seq


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


@dataclass(slots=True)
class _Job:
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


def now_utc() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Journal:
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
        self._signer, self._clock, self._roll = signer, clock, roll
        self._checkpoints = not copied_by_other
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = hold(path.with_suffix(".lock"))
        self._raws: list[ledger.Raw] = []  # the writing connection, once it is there
        self._volumes: list[Volume] = []
        self._keys: Keys | None = None
        try:
            self._open()
        except (sqlite3.Error, OSError, JournalError) as error:
            self._let_go()
            if isinstance(error, JournalError):
                raise
            raise ledger.explain(path, error) from error
        self._durable = (self._seq, self._head)
        self._storage, self._watchers = Storage(), list[Callable[[Storage], None]]()
        self._ballast = Ballast(path.with_name("ballast"), ballast_bytes)
        self._ballast.load()
        self._again_at = 0.0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting: set[asyncio.Future[None]] = set()
        self._fresh: list[Record] = []
        self._listeners: list[Callable[[Sequence[Record]], None]] = []
        self._closing = threading.Event()
        self._merging: threading.Thread | None = None
        self._merge()
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
        self._volumes = [Volume(volume_path(self.path, number)) for number in numbers]
        self._current = self._volumes[-1]
        if self._current.node != self.node:
            raise JournalError(f"{newest} has node {self._current.node!r}, not {self.node!r}")
        ledger.must_follow(self._volumes)
        self._seq, self._head = self._current.last()
        mark.must_hold(self.path, self.node, (self._seq, self._head), self._head_at)
        if len(self._volumes) > 1 or keys_path(self.path).exists():
            self._keys = Keys(keys_path(self.path), self._checkpoints)
            self._keys.forget(after=self._seq)  # of a copy that was newer than this one
        self._drop_retired()
        last = self._current.heads(self._seq - 1)
        self._signed = (last[-1].seq if last else 0, time.monotonic())

    def _head_at(self, seq: int) -> bytes | None:
        """Head after a record, where that record is still here."""
        if seq == self._volumes[0].first_seq - 1:
            return self._volumes[0].prev_head
        rows = rows_of(self._volumes, seq - 1, 1)
        return rows[0].head if rows and rows[0].seq == seq else None

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
        """Goes on in a further volume now. Raises JournalError when none could be made."""

        def work() -> None:
            self._roll_asked = True

        before = self._current.number
        await self._submit(work)
        if self._current.number == before:
            raise JournalError(f"{self.path}: no further volume could be made: {self._storage.en}")

    def listen(self, listener: Callable[[Sequence[Record]], None]) -> None:
        """Calls ``listener`` with each group of new records, durable, in order, before ``append`` returns.

        It runs in the loop that appended; a journal serves one loop.
        """
        self._listeners.append(listener)

    async def _submit(self, work: Callable[[], Any]) -> Any:
        if not self._thread.is_alive():
            raise JournalError(f"{self.path} is closed")
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop)
        self._jobs.put(job)
        return await job.done

    def _write(self) -> None:
        while (group := self._take()) is not None:
            self._commit(group)

    def _take(self) -> list[_Job] | None:
        """What has arrived; an empty group when a second has passed over an unsigned head."""
        try:
            first = self._jobs.get(timeout=SIGN_S if self._unsigned() else None)
        except queue.Empty:
            return []
        if first is None:
            return None
        group = [first]
        with contextlib.suppress(queue.Empty):
            while len(group) < GROUP_LIMIT:
                job = self._jobs.get_nowait()
                if job is None:
                    self._jobs.put(None)
                    break
                group.append(job)
        return group

    def _commit(self, group: Sequence[_Job]) -> None:
        try:
            results = self._committed(group)
        except (sqlite3.Error, OSError, JournalError) as error:
            self._undo(error)
            said = why(error)
            failed = JournalError(
                f"{self.path}: {said}. Nothing of it was acknowledged; it will be offered again"
            )
            _resolve(group, lambda job: _fail(job, failed))
            return
        self._durable = (self._seq, self._head)
        fresh, self._fresh = self._fresh, []
        self._stands(Storage())
        fresh += self._go_on()
        mark.write(self.path, self.node, self._mark)
        answers = dict(zip(map(id, group), results, strict=True))
        _resolve(group, lambda job: _answer(job, answers[id(job)]), then=lambda: self._announce(fresh))

    def _committed(self, group: Sequence[_Job]) -> list[Any]:
        """One transaction; on a full disk once more without the ballast."""
        try:
            return self._transaction(group)
        except (sqlite3.Error, OSError) as error:
            if state_of(error) != "full" or not self._ballast.drop():
                raise
            self._undo(error)
            return self._transaction(group)

    def _transaction(self, group: Sequence[_Job]) -> list[Any]:
        self._raw.execute("BEGIN IMMEDIATE")
        results = [job.work() for job in group]
        self._mark = self._sign()
        self._raw.execute("COMMIT")
        if self._mark is not None:
            self._signed = (self._seq, time.monotonic())
        return results

    def _undo(self, error: Exception) -> None:
        """Back to what is durable; the connection is made anew, since a failed one may be of no use."""
        self._seq, self._head = self._durable
        self._fresh, self._roll_asked = [], False
        state = state_of(error)
        if state is not None:
            self._stands(stands(state, "日志账", "the journal", f"{self._current.path}: {why(error)}"))
        with contextlib.suppress(sqlite3.Error):
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        with contextlib.suppress(sqlite3.Error):
            self._use(ledger.connect(self._current.path, self._checkpoints))

    def _use(self, raw: ledger.Raw) -> None:
        self._raw.close()
        self._raw = raw
        self._raws[:] = [raw]

    def _append(self, draft: Draft) -> Record | bytes | RetiredError:
        # plain SQL: compiling the same two statements for every record cost more than running them
        old = self._raw.execute(_FIND, (draft.source, draft.source_key)).fetchone()
        if old is not None:
            return bytes(old[0])
        if self._keys is not None:
            known = self._known(draft.source, draft.source_key)
            if known is not None:
                return known
        return self._new(draft)

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

    # ---- keys of earlier volumes -----------------------------------------------------------------

    def _known(self, source: str, source_key: str) -> bytes | RetiredError | None:
        """The record of a key in a closed volume."""
        assert self._keys is not None
        through, closed = self._keys.through, self._volumes[:-1]
        for volume in closed:
            if volume.last()[0] > through and (found := volume.find(source, source_key)) is not None:
                return found
        seq = self._keys.find(source, source_key)
        if seq is None:
            return None
        rows = rows_of(self._volumes, seq - 1, 1)
        if not rows or rows[0].seq != seq:
            return RetiredError(self.path, seq)
        return rows[0].data

    def _merge(self) -> None:
        """Takes keys of closed volumes into the ledger, in the background."""
        if self._keys is None or (self._merging is not None and self._merging.is_alive()):
            return
        keys, closed = self._keys, self._volumes[:-1]

        def work() -> None:
            with contextlib.suppress(JournalError, sqlite3.Error, OSError):  # tried again after the next roll
                keys.merge(closed, self._closing.is_set)

        self._merging = threading.Thread(target=work, name="journal keys", daemon=True)
        self._merging.start()

    # ---- signed heads ----------------------------------------------------------------------------

    _mark: mark.Mark | None = None
    _roll_asked = False

    def _unsigned(self) -> bool:
        return self._signer is not None and self._signed[0] < self._durable[0]

    def _sign(self) -> mark.Mark | None:
        """Signs the head when a verdict is under it, or a second has passed since the last one."""
        if self._signer is None or self._signed[0] == self._seq:
            return None
        judged = any(isinstance(record.body, Judged) for record in self._fresh)
        if not judged and time.monotonic() - self._signed[1] < SIGN_S:
            return None
        signature = self._signer.sign(head_message(self.node, self._seq, self._head))
        row = (self._seq, self._head, self._signer.public, signature, ledger.stamp(now_utc()))
        self._raw.execute(ledger.SIGN, row)
        return mark.Mark(
            seq=self._seq, head=self._head.hex(), public_key=self._signer.public, signature=signature
        )

    # ---- further volumes -------------------------------------------------------------------------

    def _go_on(self) -> list[Record]:
        """Begins a further volume when this one is full; what cannot be made now is tried again later."""
        due = self._roll_asked or self._is_full()
        if not due or (not self._roll_asked and time.monotonic() < self._again_at):
            return []
        self._roll_asked = False
        try:
            return [self._next_volume()]
        except (sqlite3.Error, OSError, JournalError) as error:
            self._again_at = time.monotonic() + AGAIN_S
            state = state_of(error) or "full"
            self._stands(stands(state, "日志账新卷", "a further volume of the journal", why(error)))
            return []

    def _is_full(self) -> bool:
        held = self._seq - self._current.first_seq + 1
        if held >= self._roll.records:
            return True
        return held % 512 == 0 and self._current.path.stat().st_size >= self._roll.size_bytes

    def _next_volume(self) -> Record:
        if self._keys is None:
            self._keys = Keys(keys_path(self.path), self._checkpoints)
        notes = self._current.checkpoints()
        body = Continued(volume=self._current.number + 1, last_seq=self._seq, head=self._head.hex())
        path, record = ledger.begin_volume(
            self.path,
            body,
            self.node,
            lambda seq, body: self._enveloped(seq, self._source, f"volume/{body.volume}", None, body),
            self._current.last_receipts().values(),
            notes[-1] if notes else None,
        )
        volume, raw = Volume(path), ledger.connect(path, self._checkpoints)
        self._seq, self._head = volume.last()
        self._durable = (self._seq, self._head)
        with contextlib.suppress(sqlite3.Error):
            if self._checkpoints:
                self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._use(raw)
        self._current = volume
        self._volumes = [*self._volumes, volume]
        self._merge()
        return record

    async def retire(self, before: datetime, settled_through: int, needed_from: int) -> list[int]:
        """Removes volumes whose records all are older than ``before``, settled, not needed; their numbers.

        The record of it comes first; the key of every removed record stays known.
        """
        gone = []
        while (volume := self._retirable(before, settled_through, needed_from)) is not None:
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
            draft = Draft(source=self._source, source_key=f"retired/volume/{volume.number}", body=body)
            await self.append(draft)
            await self._submit(self._drop_retired)
            gone.append(volume.number)
        return gone

    def _retirable(self, before: datetime, settled_through: int, needed_from: int) -> Volume | None:
        """The oldest volume, if it may go."""
        if len(self._volumes) < 2 or self._keys is None:
            return None
        oldest = self._volumes[0]
        last, _ = oldest.last()
        if last > settled_through or last >= needed_from or last > self._keys.through:
            return None
        return oldest if parse(oldest.rows(last - 1, 1)[0].data).at < before else None

    def _drop_retired(self) -> None:
        """Removes the files of volumes whose retirement is on record."""
        while len(self._volumes) > 1:
            oldest = self._volumes[0]
            if all(
                volume.find(self._source, f"retired/volume/{oldest.number}") is None
                for volume in self._volumes[1:]
            ):
                return
            self._volumes = self._volumes[1:]
            oldest.close()
            ledger.discard(oldest.path)
            ledger.sync(self.path.parent)

    # ---- state of the disk -----------------------------------------------------------------------

    @property
    def storage(self) -> Storage:
        """Whether the journal can be written, and what to do when it cannot."""
        return self._storage

    def watch(self, watcher: Callable[[Storage], None]) -> None:
        """Calls ``watcher`` from the writer's thread at each change of ``storage``."""
        self._watchers.append(watcher)

    def _stands(self, storage: Storage) -> None:
        if storage.state == "ok" and self._again_at > time.monotonic():
            return
        if storage.state == "ok" and self._storage.state != "ok" and not self._ballast.load():
            storage = stands("low", "日志账", "the journal", f"{self._current.path.parent}")
        if storage != self._storage:
            self._storage = storage
            for watcher in self._watchers:
                watcher(storage)

    # ---- reading ---------------------------------------------------------------------------------

    def head(self) -> tuple[int, bytes]:
        """Number of the last durable record (0: none) and the chain head after it."""
        return self._durable

    def first_seq(self) -> int:
        """Number of the oldest record that is still here."""
        return self._volumes[0].first_seq

    def rows(self, after_seq: int, limit: int = 500) -> list[Row]:
        """Durable records after ``after_seq``, in order."""
        return rows_of(self._volumes, after_seq, limit)

    def of_inspection(self, inspection: str) -> list[Record]:
        """All records of one inspection that are still here, in order."""
        return [parse(data) for volume in self._volumes for data in volume.of_inspection(inspection)]

    def find(self, source: str, source_key: str) -> Record | None:
        """The record of a (source, source_key), if it was ever written. Raises RetiredError."""
        data: bytes | RetiredError | None = self._current.find(source, source_key)
        if data is None and self._keys is not None:
            data = self._known(source, source_key)
        if isinstance(data, RetiredError):
            raise data
        return None if data is None else parse(data)

    def replay(self, after_seq: int = 0) -> Iterable[Record]:
        """Every durable record after ``after_seq``, read in pages."""
        while rows := self.rows(after_seq):
            yield from (parse(row.data) for row in rows)
            after_seq = rows[-1].seq

    def receipt(self, destination: str) -> tuple[int, bytes] | None:
        """The last receipt of a destination: accepted through, and the receipt's own bytes."""
        kept = self._current.last_receipts().get(destination)
        return None if kept is None else (kept.through_seq, kept.data)

    def receipts(self) -> dict[str, int]:
        """How far each destination has settled."""
        return {name: kept.through_seq for name, kept in self._current.last_receipts().items()}

    def last_receipts(self) -> dict[str, KeptReceipt]:
        """The last receipt of each destination."""
        return self._current.last_receipts()

    def receipt_count(self) -> int:
        """How many receipts all destinations have given."""
        return sum(volume.receipt_count() for volume in self._volumes)

    def checkpoint(self) -> KeptCheckpoint | None:
        """The newest signed note."""
        notes = self._current.checkpoints()
        return notes[-1] if notes else None

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
        self._jobs.put(None)
        self._thread.join()
        self._signed = (self._signed[0], 0.0)  # long ago
        self._commit([])
        self._closing.set()
        if self._merging is not None:
            self._merging.join()
        self._let_go()

    def _let_go(self) -> None:
        for volume in self._volumes:
            volume.close()
        for raw in self._raws:  # after the readers: whoever closes last empties the write-ahead log
            raw.close()
        if self._keys is not None:
            self._keys.close()
        os.close(self._lock)

    def _announce(self, fresh: Sequence[Record]) -> None:
        if fresh:
            for listener in self._listeners:
                listener(fresh)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


def hold(path: Path) -> int:
    """The lock of a journal, as a descriptor; raises JournalError while another process has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise JournalError(f"{path.with_suffix('')} is held by another process; stop it first") from None
    return lock


def _encodes(draft: Draft) -> None:
    """Meets what cannot be written (a lone surrogate, a float) in the caller, not in the writer's thread."""
    msgspec.json.decode(msgspec.json.encode(draft), type=Draft)


def _answer(job: _Job, result: Any) -> None:
    if not job.done.done():
        job.done.set_result(result)


def _fail(job: _Job, error: JournalError) -> None:
    if not job.done.done():
        job.done.set_exception(error)


def _resolve(
    group: Sequence[_Job], tell: Callable[[_Job], None], then: Callable[[], None] | None = None
) -> None:
    """Tells each job's outcome in its own loop, one wake-up per loop."""
    loops = {id(job.loop): job.loop for job in group}
    for key, loop in loops.items():
        mine = [job for job in group if id(job.loop) == key]

        def tell_all(mine: list[_Job] = mine) -> None:
            for job in mine:
                tell(job)
            if then is not None:
                then()

        with contextlib.suppress(RuntimeError):  # that loop has ended; nobody waits any more
            loop.call_soon_threadsafe(tell_all)

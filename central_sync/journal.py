"""The journal: append-only tables of records and receipts. The only file that writes the edge's database.

One thread owns the one writing connection and commits in groups: everything that has arrived since the last
fsync goes into one transaction, and ``append`` returns when that transaction is on the disk. WAL with
synchronous=FULL: measured to lose nothing at a power cut where NORMAL lost 11 % of acknowledged rows.
``seq`` is a plain INTEGER PRIMARY KEY: AUTOINCREMENT with ON CONFLICT DO NOTHING skips numbers, which would
look like lost records.
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from lanes.record import Draft, Record, canonical, genesis, is_node_name, kind_of, link, parse

FORMAT = "1"
GROUP_LIMIT = 500  # drafts per commit: bounds the time a waiting device sees

metadata = sa.MetaData()
records = sa.Table(
    "records",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_key", sa.Text, nullable=False),
    sa.Column("inspection", sa.Text),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("head", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("source", "source_key"),
    sa.Index("records_by_inspection", "inspection", "seq"),
    sqlite_autoincrement=False,
)
receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("destination", sa.Text, nullable=False),
    sa.Column("through_seq", sa.Integer, nullable=False),
    sa.Column("received_at", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index("receipts_by_destination", "destination", "id"),
)
journal_facts = sa.Table(
    "journal",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
_FIND = "SELECT data FROM records WHERE source = ? AND source_key = ?"
_INSERT = "INSERT INTO records (seq, source, source_key, inspection, kind, data, head) VALUES (?,?,?,?,?,?,?)"
_NO_CHANGE = (
    "CREATE TRIGGER IF NOT EXISTS {table}_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
)


class JournalError(Exception):
    """The journal cannot take or give a record; the text says which file and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record as it stands on the disk: its exact bytes and the chain head after it."""

    seq: int
    data: bytes
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """The record a draft became; ``fresh`` is false when its (source, source_key) was there already."""

    record: Record
    fresh: bool


@dataclass(slots=True)
class _Job:
    work: Callable[[sa.Connection], Any]
    done: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


def _connected(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin is ours: see _begin
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _read_only(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # one checkpointer: SQLite's WAL-reset bug needs two


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def open_engine(path: Path) -> sa.Engine:
    """Engine on a SQLite file with one connection, WAL and synchronous=FULL."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.StaticPool)
    sa.event.listen(engine, "connect", _connected)
    sa.event.listen(engine, "begin", _begin)
    return engine


class Journal:
    """The journal of one node, open for writing. Exactly one process may hold it.

    Raises JournalError when the file belongs to another node, another format, or another process.
    """

    def __init__(self, path: Path, node: str) -> None:
        if not is_node_name(node):
            raise JournalError(
                f"{node!r} cannot name a node: lower-case letters, digits and hyphens, 2 to 63 long"
            )
        self.path, self.node = path, node
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _hold(path.with_suffix(".lock"))
        self._engine = open_engine(path)
        self._reader = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.QueuePool)
        sa.event.listen(self._reader, "connect", _read_only)
        try:
            self._connection = self._engine.connect()
            self._seq, self._head = self._prepare()
        except (sa.exc.DatabaseError, JournalError) as error:
            self._engine.dispose()
            os.close(self._lock)
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"{path} cannot be opened as a journal: {_plain(error)}") from error
        self._durable = (self._seq, self._head)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting: set[asyncio.Future[None]] = set()
        self._fresh: list[Record] = []
        self._listeners: list[Callable[[Sequence[Record]], None]] = []
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._thread.start()

    # ---- writing ---------------------------------------------------------------------------------

    async def append(self, *drafts: Draft) -> list[Appended]:
        """Makes drafts durable records, in order; returns after the commit. A repeated key: the old record.

        Raises JournalError when nothing was kept, msgspec.ValidationError when a draft cannot be written.
        """
        for draft in drafts:
            _encodes(draft)
        written = await self._submit(lambda connection: [self._append(connection, draft) for draft in drafts])
        return [self._appended(each) for each in written]

    async def settle(self, destination: str, through_seq: int, data: bytes) -> None:
        """Appends a destination's receipt: it holds every record up to ``through_seq``."""
        row = {
            "destination": destination,
            "through_seq": through_seq,
            "received_at": datetime.now(UTC).isoformat(),
            "data": data,
        }
        await self._submit(lambda connection: connection.execute(receipts.insert(), row) and None)

    def listen(self, listener: Callable[[Sequence[Record]], None]) -> None:
        """Calls ``listener`` with each group of new records, durable, in order, before ``append`` returns.

        It runs in the loop that appended; a journal serves one loop.
        """
        self._listeners.append(listener)

    async def _submit(self, work: Callable[[sa.Connection], Any]) -> Any:
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
        first = self._jobs.get()
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
            with self._connection.begin():
                results = [job.work(self._connection) for job in group]
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._seq, self._head = self._durable
            self._fresh = []
            why = JournalError(
                f"{self.path}: {_plain(error)}. Nothing of it was acknowledged; it will be offered again"
            )
            _resolve(group, lambda job: _fail(job, why))
            return
        self._durable = (self._seq, self._head)
        fresh, self._fresh = self._fresh, []
        answers = dict(zip(map(id, group), results, strict=True))
        _resolve(group, lambda job: _answer(job, answers[id(job)]), then=lambda: self._announce(fresh))

    def _appended(self, written: Record | bytes) -> Appended:
        """Reads an old record in its sender's loop: one that cannot be read must not stop the writer."""
        if isinstance(written, Record):
            return Appended(record=written, fresh=True)
        try:
            return Appended(record=parse(written), fresh=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise JournalError(f"{self.path} has this key, but its record cannot be read: {error}") from error

    def _append(self, connection: sa.Connection, draft: Draft) -> Record | bytes:
        # plain SQL: compiling the same two statements for every record cost more than running them
        old: bytes | None = connection.exec_driver_sql(_FIND, (draft.source, draft.source_key)).scalar()
        if old is not None:
            return old
        record = Record(
            seq=self._seq + 1,
            at=datetime.now(UTC),
            tick_ms=time.monotonic_ns() // 1_000_000,
            source=draft.source,
            source_key=draft.source_key,
            inspection=draft.inspection,
            body=draft.body,
        )
        data = canonical(record)
        head = link(self._head, data)
        row = (
            record.seq,
            record.source,
            record.source_key,
            record.inspection,
            kind_of(record.body),
            data,
            head,
        )
        connection.exec_driver_sql(_INSERT, row)
        self._seq, self._head = record.seq, head
        self._fresh.append(record)
        return record

    # ---- reading ---------------------------------------------------------------------------------

    def head(self) -> tuple[int, bytes]:
        """Number of the last durable record (0: none) and the chain head after it."""
        return self._durable

    def rows(self, after_seq: int, limit: int = 500) -> list[Row]:
        """Durable records after ``after_seq``, in order."""
        query = sa.select(records.c.seq, records.c.data, records.c.head)
        query = query.where(records.c.seq > after_seq).order_by(records.c.seq).limit(limit)
        with self._reader.connect() as connection:
            return [Row(seq=seq, data=data, head=head) for seq, data, head in connection.execute(query)]

    def of_inspection(self, inspection: str) -> list[Record]:
        """All records of one inspection, in order."""
        query = sa.select(records.c.data).where(records.c.inspection == inspection).order_by(records.c.seq)
        with self._reader.connect() as connection:
            return [parse(data) for (data,) in connection.execute(query)]

    def find(self, source: str, source_key: str) -> Record | None:
        """The record of a (source, source_key), if it is there."""
        query = sa.select(records.c.data).where(
            records.c.source == source, records.c.source_key == source_key
        )
        with self._reader.connect() as connection:
            data = connection.execute(query).scalar()
        return None if data is None else parse(data)

    def replay(self, after_seq: int = 0) -> Iterable[Record]:
        """Every durable record after ``after_seq``, read in pages."""
        while rows := self.rows(after_seq):
            yield from (parse(row.data) for row in rows)
            after_seq = rows[-1].seq

    def receipt(self, destination: str) -> tuple[int, bytes] | None:
        """The last receipt of a destination: accepted through, and the receipt's own bytes."""
        query = sa.select(receipts.c.through_seq, receipts.c.data)
        query = query.where(receipts.c.destination == destination).order_by(receipts.c.id.desc()).limit(1)
        with self._reader.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], row[1])

    def receipt_count(self) -> int:
        """How many receipts all destinations have given."""
        with self._reader.connect() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(receipts)).scalar_one()

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
        """Commits what was submitted, stops the writer, releases the file."""
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()
        self._engine.dispose()
        self._reader.dispose()
        os.close(self._lock)

    def _announce(self, fresh: Sequence[Record]) -> None:
        if fresh:
            for listener in self._listeners:
                listener(fresh)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _prepare(self) -> tuple[int, bytes]:
        with self._connection.begin():
            metadata.create_all(self._connection)
            for table in ("records", "receipts"):
                for verb in ("update", "delete"):
                    self._connection.exec_driver_sql(_NO_CHANGE.format(table=table, verb=verb))
            self._own("format", FORMAT)
            self._own("node", self.node)
            last = self._connection.execute(
                sa.select(records.c.seq, records.c.head).order_by(records.c.seq.desc()).limit(1)
            ).first()
        return (0, genesis(self.node)) if last is None else (last[0], last[1])

    def _own(self, name: str, value: str) -> None:
        query = sa.select(journal_facts.c.value).where(journal_facts.c.name == name)
        stands = self._connection.execute(query).scalar()
        if stands is None:
            self._connection.execute(journal_facts.insert(), {"name": name, "value": value})
        elif stands != value:
            raise JournalError(f"{self.path} has {name} {stands!r}, not {value!r}; name another file")


def _hold(path: Path) -> int:
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


def _plain(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)


def _answer(job: _Job, result: Any) -> None:
    if not job.done.done():
        job.done.set_result(result)


def _fail(job: _Job, why: JournalError) -> None:
    if not job.done.done():
        job.done.set_exception(why)


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

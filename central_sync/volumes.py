"""Volumes: the files that a journal is made of, their tables, and reading them without the journal's lock.

``journal.sqlite`` is volume 1, ``journal-2.sqlite`` the next. The newest is written, older ones never again;
numbers and chain run on through all of them, and the first record of each further volume is ``Continued``.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from lanes.record import genesis

FORMAT = 2  # 1 had neither heads nor checkpoints, and one volume only
PAGE = 500

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
heads = sa.Table(  # chain heads that the node has signed
    "heads",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("head", sa.LargeBinary, nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
checkpoints = (
    sa.Table(  # signed Merkle roots: the node's own note, later the same with the witness's signature
        "checkpoints",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
)
journal_facts = sa.Table(
    "journal",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
APPEND_ONLY = ("records", "receipts", "heads", "checkpoints")


class JournalError(Exception):
    """The journal cannot take or give a record; the text says which file and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record as it stands on the disk: its exact bytes and the chain head after it."""

    seq: int
    data: bytes
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A whole row: the record's bytes and head, and the columns that repeat parts of it."""

    seq: int
    source: str
    source_key: str
    inspection: str | None
    kind: str
    data: bytes
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedHead:
    """A chain head that the node has signed (``seal.head_message``)."""

    seq: int
    head: bytes
    public_key: str
    signature: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReceipt:
    """A destination's receipt, its exact bytes."""

    destination: str
    through_seq: int
    received_at: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckpoint:
    """A signed note over the Merkle tree of the first ``size`` records, and the tree's frontier there."""

    size: int
    frontier: bytes
    note: str
    at: str


def volume_path(first: Path, number: int) -> Path:
    """Where volume ``number`` of the journal lies whose first volume is ``first``."""
    return first if number == 1 else first.with_name(f"{first.stem}-{number}{first.suffix}")


def numbers_at(first: Path) -> list[int]:
    """Numbers of the volumes that are there, oldest first."""
    name = re.compile(re.escape(first.stem) + r"-([1-9]\d{0,8})" + re.escape(first.suffix))
    found = [int(match[1]) for each in first.parent.glob("*") if (match := name.fullmatch(each.name))]
    return sorted([*([1] if first.exists() else []), *(number for number in found if number > 1)])


def why(error: Exception) -> str:
    """What SQLite said, without SQLAlchemy's frame."""
    return str(getattr(error, "orig", None) or error)


def _read_only(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # one checkpointer: SQLite's WAL-reset bug needs two
    connection.execute("PRAGMA busy_timeout=5000")


class Volume:
    """One file of a journal, read only. Raises JournalError when it is none, or is damaged."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise JournalError(f"{path} is not there")
        self.path = path
        self._engine = sa.create_engine(_read_url(path), poolclass=sa.pool.QueuePool)
        sa.event.listen(self._engine, "connect", _read_only)
        facts = self._facts()
        try:
            self.node = facts.get("node", "")
            self.format = int(facts.get("format", "0"))
            self.number = int(facts.get("volume", "1"))
            self.first_seq = int(facts.get("first_seq", "1"))
            self.prev_head = bytes.fromhex(facts["prev_head"]) if "prev_head" in facts else genesis(self.node)
        except ValueError as error:
            self.close()
            raise JournalError(f"{path} is damaged: its table of facts cannot be read: {error}") from error
        if not self.node or not 1 <= self.format <= FORMAT:
            self.close()
            raise JournalError(f"{path} is no journal that this version can read (format {self.format})")

    def _facts(self) -> Mapping[str, str]:
        try:
            return {str(fact.name): str(fact.value) for fact in self._ask(sa.select(journal_facts))}
        except JournalError:
            self.close()
            raise

    def _ask(self, query: sa.Executable) -> Sequence[Any]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except (sa.exc.DatabaseError, UnicodeDecodeError) as error:  # the latter: SQLite quotes spoilt text
            raise JournalError(f"{self.path} cannot be read as a journal: {why(error)}") from error

    def must_be_sound(self) -> None:
        """Reads the whole file; raises JournalError when SQLite finds its pages or indexes damaged."""
        found = [str(line) for (line,) in self._ask(sa.text("PRAGMA integrity_check(1)"))]
        if found != ["ok"]:
            raise JournalError(f"{self.path} is damaged: {' '.join(found)}")

    def last(self) -> tuple[int, bytes]:
        """Number of the last record, and the head after it; before the first: those it goes on from."""
        query = sa.select(records.c.seq, records.c.head).order_by(records.c.seq.desc()).limit(1)
        found = self._ask(query)
        return (found[0][0], found[0][1]) if found else (self.first_seq - 1, self.prev_head)

    def rows(self, after_seq: int, limit: int = PAGE) -> list[Row]:
        """Records after ``after_seq``, in order."""
        query = sa.select(records.c.seq, records.c.data, records.c.head)
        query = query.where(records.c.seq > after_seq).order_by(records.c.seq).limit(limit)
        found = self._ask(query)
        for _, data, head in found:
            if data is None or head is None:  # a page that was zeroed or cut off reads so
                raise JournalError(f"{self.path} is damaged: a record beyond {after_seq} has no bytes")
        return [Row(seq=seq, data=data, head=head) for seq, data, head in found]

    def entries(self, after_seq: int, limit: int = PAGE) -> list[Entry]:
        """Whole rows after ``after_seq``, in order, with the columns that questions are put to."""
        query = sa.select(records).where(records.c.seq > after_seq).order_by(records.c.seq).limit(limit)
        return [Entry(**each._mapping) for each in self._ask(query)]

    def keys(self, after_seq: int, limit: int) -> Sequence[tuple[int, str, str]]:
        """(seq, source, source_key) of records after ``after_seq``, in order."""
        query = sa.select(records.c.seq, records.c.source, records.c.source_key)
        return self._ask(query.where(records.c.seq > after_seq).order_by(records.c.seq).limit(limit))

    def keys_of(self, source: str, prefix: str) -> Sequence[tuple[int, str]]:
        """(seq, source_key) of every record of a source whose key begins so; the index alone is read."""
        mine = (records.c.source == source, records.c.source_key >= prefix)
        query = sa.select(records.c.seq, records.c.source_key).where(*mine)
        return self._ask(query.where(records.c.source_key < prefix + chr(0x10FFFF)))

    def of_inspection(self, inspection: str) -> list[bytes]:
        """Bytes of one inspection's records, in order."""
        query = sa.select(records.c.data).where(records.c.inspection == inspection).order_by(records.c.seq)
        return [data for (data,) in self._ask(query)]

    def last_of(self, kind: str, through_seq: int) -> bytes | None:
        """Bytes of the last record of a kind up to ``through_seq``."""
        query = sa.select(records.c.data).where(records.c.kind == kind, records.c.seq <= through_seq)
        found = self._ask(query.order_by(records.c.seq.desc()).limit(1))
        return found[0][0] if found else None

    def find(self, source: str, source_key: str) -> bytes | None:
        """Bytes of the record of a (source, source_key), if it is here."""
        mine = (records.c.source == source, records.c.source_key == source_key)
        found = self._ask(sa.select(records.c.data).where(*mine))
        return found[0][0] if found else None

    def heads(self, after_seq: int = 0, limit: int = PAGE) -> list[SignedHead]:
        """Signed heads after ``after_seq``, in order."""
        if self.format < 2:
            return []
        query = sa.select(heads).where(heads.c.seq > after_seq).order_by(heads.c.seq).limit(limit)
        return [SignedHead(**each._mapping) for each in self._ask(query)]

    def receipts(self) -> list[KeptReceipt]:
        """The receipts of this volume, in order; a further volume begins with the last ones before it."""
        query = sa.select(
            receipts.c.destination, receipts.c.through_seq, receipts.c.received_at, receipts.c.data
        )
        return [KeptReceipt(**each._mapping) for each in self._ask(query.order_by(receipts.c.id))]

    def last_receipts(self) -> dict[str, KeptReceipt]:
        """The last receipt of each destination."""
        newest = sa.select(sa.func.max(receipts.c.id)).group_by(receipts.c.destination)
        query = sa.select(
            receipts.c.destination, receipts.c.through_seq, receipts.c.received_at, receipts.c.data
        )
        found = self._ask(query.where(receipts.c.id.in_(newest)))
        return {each.destination: KeptReceipt(**each._mapping) for each in found}

    def receipt_count(self) -> int:
        """How many receipts this volume holds."""
        return int(self._ask(sa.select(sa.func.count()).select_from(receipts))[0][0])

    def checkpoints(self) -> list[KeptCheckpoint]:
        """Signed notes, in order."""
        if self.format < 2:
            return []
        columns = (checkpoints.c.size, checkpoints.c.frontier, checkpoints.c.note, checkpoints.c.at)
        found = self._ask(sa.select(*columns).order_by(checkpoints.c.id))
        return [KeptCheckpoint(**each._mapping) for each in found]

    def close(self) -> None:
        """Lets go of the file."""
        self._engine.dispose()


def _read_url(path: Path) -> str:
    """Read-only; where not even the index of the write-ahead log can be made, and no log waits: immutable."""
    wal = path.with_name(path.name + "-wal")
    mode = "mode=ro"
    if not os.access(path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size):
        mode = "immutable=1"
    return f"sqlite:///file:{quote(str(path.resolve()))}?{mode}&uri=true"


class JournalReader:
    """All volumes of a journal, read only, without its lock; other processes may go on writing.

    ``path``: the folder, or any one volume. ``first_seq`` and ``prev_head``: of the oldest volume that is
    there. Raises JournalError for what is no journal, with the file and the reason.
    """

    def __init__(self, path: Path) -> None:
        self._first = first_volume(path)
        self.volumes: list[Volume] = []
        self._look()
        if not self.volumes:
            raise JournalError(f"{path} holds no journal: there is no {self._first.name}")
        self.node = self.volumes[0].node
        self.first_seq, self.prev_head = self.volumes[0].first_seq, self.volumes[0].prev_head

    def _look(self) -> None:
        known = {volume.path for volume in self.volumes}
        paths = [volume_path(self._first, number) for number in numbers_at(self._first)]
        self.volumes += [Volume(path) for path in paths if path not in known]

    def head(self) -> tuple[int, bytes]:
        """Number of the last record (0: none) and the chain head after it."""
        self._look()
        return self.volumes[-1].last()

    def rows(self, after_seq: int, limit: int = PAGE) -> list[Row]:
        """Records after ``after_seq``, in order, at most ``limit``."""
        found = rows_of(self.volumes, after_seq, limit)
        if not found:
            self._look()
            found = rows_of(self.volumes, after_seq, limit)
        return found

    def of_inspection(self, inspection: str) -> list[bytes]:
        """Bytes of one inspection's records, in order."""
        return [data for volume in self.volumes for data in volume.of_inspection(inspection)]

    def last_of(self, kind: str, through_seq: int) -> bytes | None:
        """Bytes of the last record of a kind up to ``through_seq``."""
        found = (volume.last_of(kind, through_seq) for volume in reversed(self.volumes))
        return next((data for data in found if data is not None), None)

    def heads(self, after_seq: int = 0) -> Iterator[SignedHead]:
        """Signed heads after ``after_seq``, in order."""
        for volume in self.volumes:
            while page := volume.heads(after_seq):
                yield from page
                after_seq = page[-1].seq

    def receipts(self) -> Iterator[KeptReceipt]:
        """Every receipt, in order; those repeated at the beginning of a volume too."""
        for volume in self.volumes:
            yield from volume.receipts()

    def checkpoints(self) -> Iterator[KeptCheckpoint]:
        """Every signed note, in order; the one repeated at the beginning of a volume too."""
        for volume in self.volumes:
            yield from volume.checkpoints()

    def close(self) -> None:
        """Lets go of all files."""
        for volume in self.volumes:
            volume.close()


def first_volume(path: Path) -> Path:
    """Path of the first volume of the journal that a folder or a volume belongs to, there or not."""
    if path.is_dir():
        return path / "journal.sqlite"
    match = re.fullmatch(r"(.+)-([1-9]\d{0,8})", path.stem)
    if match is None:
        return path
    volume = Volume(path)
    volume.close()
    return path if volume.number == 1 else path.with_name(f"{match[1]}{path.suffix}")


def rows_of(volumes: Sequence[Volume], after_seq: int, limit: int) -> list[Row]:
    """Records after ``after_seq`` from volumes that follow each other, at most ``limit``."""
    found: list[Row] = []
    for number, volume in enumerate(volumes):
        later = volumes[number + 1 :]
        if later and after_seq >= later[0].first_seq - 1:
            continue
        found += volume.rows(after_seq, limit - len(found))
        if len(found) >= limit:
            break
        after_seq = found[-1].seq if found else after_seq
    return found

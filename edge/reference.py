"""Reference store: what the centre has sent and this node has taken. The journal says what is in force.

Contents lie under their SHA-256; ``index.json`` says what they are, and is made again from the journal's
``directed`` records where it is lost or not of this journal.
"""

import hashlib
import re
from pathlib import Path

import msgspec
from msgspec import Struct

from central_sync.journal import Journal, RetiredError
from central_sync.ledger import lay_down
from lanes.record import Directed, Record

INDEX = "index.json"
KEPT = ("blacklist", "rules", "models", "configuration")
EVERY_VERSION = ("rules",)  # an inspection keeps those under which it was ordered
_OURS = re.compile(r"[0-9a-f]{64}(\.new)?|index\.json\.new")


class Taken(Struct, frozen=True, kw_only=True):
    """A directive that was taken: its number, what it brought, and the record that says so."""

    number: int
    subject: str
    version: str
    sha256: str
    seq: int


class _Index(Struct, frozen=True, kw_only=True):
    through: int = 0
    taken: tuple[Taken, ...] = ()


class Reference:
    """The store of one node in ``folder``; ``source`` is whose records acknowledge directives."""

    def __init__(self, folder: Path, journal: Journal, source: str) -> None:
        self.folder, self._journal, self._source = folder, journal, source
        self.through = 0  # number of the last directive that was taken or refused
        self.forgotten = 0  # directives of which neither index nor journal can tell any more
        self._taken: list[Taken] = []
        self._recall()

    # ---- what is in force ------------------------------------------------------------------------

    def current(self, subject: str) -> Taken | None:
        """What was taken last."""
        return next((each for each in reversed(self._taken) if each.subject == subject), None)

    def at(self, subject: str, seq: int) -> Taken | None:
        """What was in force when record ``seq`` was written."""
        before = (each for each in reversed(self._taken) if each.subject == subject and each.seq < seq)
        return next(before, None)

    def read(self, taken: Taken) -> bytes | None:
        """Its bytes; None when they are missing or no longer those that were taken."""
        try:
            content = (self.folder / taken.sha256).read_bytes()
        except OSError:
            return None
        return content if hashlib.sha256(content).hexdigest() == taken.sha256 else None

    def content(self, subject: str) -> bytes | None:
        """Bytes of what was taken last; None when there are none, or they are damaged."""
        taken = self.current(subject)
        return None if taken is None else self.read(taken)

    def damaged(self) -> list[Taken]:
        """What is in force, or was when an open inspection was ordered, and cannot be read."""
        return [each for each in self._taken if self.read(each) is None]

    # ---- what changes it -------------------------------------------------------------------------

    def keep(self, content: bytes) -> None:
        """Makes bytes durable; they come into force by a record. Raises OSError."""
        self._write(hashlib.sha256(content).hexdigest(), content)

    def take(self, record: Record) -> None:
        """Follows the journal: a directive has been acknowledged."""
        body = record.body
        if not isinstance(body, Directed) or record.source != self._source:
            return
        self.through = max(self.through, body.number)
        if body.outcome == "taken" and body.subject in KEPT:
            self._taken = [
                each for each in self._taken if each.subject != body.subject or each.subject in EVERY_VERSION
            ]
            named = {"number": body.number, "subject": body.subject, "version": body.version}
            self._taken.append(Taken(**named, sha256=body.sha256, seq=record.seq))  # type: ignore[arg-type]

    def save(self) -> None:
        """Makes the index durable, and removes contents that are of no use any more. Raises OSError."""
        self._write(INDEX, msgspec.json.encode(_Index(through=self.through, taken=tuple(self._taken))))
        wanted = {each.sha256 for each in self._taken}
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in wanted:
                path.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        lay_down(self.folder / name, content)

    def _recall(self) -> None:
        """The index, and the records after it; without one that fits, every record there is."""
        index = self._index()
        self.through, self._taken = index.through, list(index.taken)
        while (found := self._acknowledged(self.through + 1)) is not None:
            self.through += 1
            if isinstance(found, Record):
                self.take(found)
            else:
                self.forgotten += 1

    def _index(self) -> _Index:
        """The index of the file; an empty one where it is lost, or speaks of another journal."""
        try:
            index = msgspec.json.decode((self.folder / INDEX).read_bytes(), type=_Index)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return _Index()
        known = index.through == 0 or self._acknowledged(index.through) is not None
        return index if known and all(map(self._fits, index.taken)) else _Index()

    def _fits(self, taken: Taken) -> bool:
        record = self._acknowledged(taken.number)
        if not isinstance(record, Record):
            return record is not None  # retired: nobody can say otherwise
        return isinstance(record.body, Directed) and (record.seq, record.body.sha256) == (
            taken.seq,
            taken.sha256,
        )

    def _acknowledged(self, number: int) -> Record | RetiredError | None:
        try:
            return self._journal.find(self._source, f"directive/{number}")
        except RetiredError as gone:
            return gone

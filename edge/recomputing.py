"""Recomputing: the inspections of a journal judged again from their records, by the rules of their day."""

from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from central_sync.volumes import JournalReader
from edge.desk import REFERENCE, evidence
from edge.rulebook import RulesError, unpack
from lanes.comparing import Difference, Outcome, differences, outcome, unfounded
from lanes.inspection import Inspection, opened
from lanes.record import Directed, Finding, Judged, Ordered, Record, parse
from lanes.rulebook import Rulebook

_DIRECTED = b'"kind":"directed"'


class RecomputeError(Exception):
    """A journal holds what this version cannot read; the text says which record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """One recorded verdict, and what its evidence gives now.

    ``at_hand``: the edition that was recorded was there; else ``rules`` took its place. ``as_of``: by the
    newest rules of another day, and in what that differs from the record.
    """

    inspection: Inspection
    recorded: Judged
    on: date
    rules: str
    at_hand: bool
    computed: Outcome
    differences: tuple[Difference, ...]
    as_of: Outcome | None = None
    as_of_differences: tuple[Difference, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether verdict and findings come out as they were recorded, but for their wording."""
        return not any(each.deciding for each in self.differences)


class Editions:
    """The rules at hand: those given or installed, and those that directives have brought to this node."""

    def __init__(self, given: Sequence[Rulebook], reader: JournalReader, folder: Path) -> None:
        self._installed = given[0]
        self._known = {each.rules_sha256: each for each in given}
        self._seqs: list[int] = []
        self._sent: list[Rulebook | None] = []
        for record in records(reader, _DIRECTED):
            body = record.body
            if isinstance(body, Directed) and (body.subject, body.outcome) == ("rules", "taken"):
                self._seqs.append(record.seq)
                self._sent.append(self._read(folder / REFERENCE / body.sha256, body.sha256))
        self._known |= {each.rules_sha256: each for each in self._sent if each is not None}

    def of(self, rules_sha256: str) -> Rulebook | None:
        """The edition of a digest, if it is at hand."""
        return self._known.get(rules_sha256)

    def in_force(self, seq: int) -> Rulebook:
        """What was in force when a record was written; the installed ones where that cannot be read."""
        place = bisect(self._seqs, seq)
        return (self._sent[place - 1] if place else None) or self._installed

    def newest(self) -> Rulebook:
        """What is in force at the end of the journal."""
        return (self._sent[-1] if self._sent else None) or self._installed

    def _read(self, path: Path, digest: str) -> Rulebook | None:
        try:
            content = path.read_bytes()
            return (unpack(content) or self._installed) if sha256(content).hexdigest() == digest else None
        except (OSError, RulesError):
            return None


def records(reader: JournalReader, holding: bytes = b"") -> Iterator[Record]:
    """Every record whose bytes hold some others, in order. Raises RecomputeError for what cannot be read."""
    after = reader.first_seq - 1
    while page := reader.rows(after):
        for row in page:
            if holding in row.data:
                yield _parsed(row.seq, row.data)
        after = page[-1].seq


def _parsed(seq: int, data: bytes) -> Record:
    try:
        return parse(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecomputeError(
            f"record {seq} cannot be read by this version ({error}); chayan verify tells what holds"
        ) from error


class Recomputation:
    """One pass through a journal. ``unjudged``: no verdict; ``untold``: a verdict whose order is not here."""

    def __init__(
        self, reader: JournalReader, editions: Editions, zone: ZoneInfo, as_of: date | None, only: str = ""
    ) -> None:
        self._reader, self._editions, self._zone = reader, editions, zone
        self._as_of, self._only = as_of, only
        self._open: dict[str, tuple[Inspection, Ordered]] = {}
        self.untold = 0

    @property
    def unjudged(self) -> int:
        """Inspections that the pass has opened and not closed."""
        return len(self._open)

    def run(self) -> Iterator[Recomputed]:
        """Every verdict in the order in which it was recorded."""
        for record in records(self._reader, self._only.encode()):
            name = record.inspection
            if not name or (self._only and name != self._only):
                continue
            if isinstance(record.body, Judged):
                yield from self._judged(name, record.body)
            elif name in self._open:
                self._open[name][0].take(record)
            elif isinstance(record.body, Ordered):
                self._open[name] = (opened(record, record.body), record.body)

    def _judged(self, name: str, recorded: Judged) -> Iterator[Recomputed]:
        if name not in self._open:
            self.untold += 1
            return
        inspection, ordered = self._open.pop(name)
        known = self._editions.of(recorded.rules_sha256)
        rules = known or self._editions.in_force(inspection.ordered_seq)
        facts, on = evidence(inspection), inspection.ordered_at.astimezone(self._zone).date()
        computed = outcome(facts, rules, on)
        then = None if self._as_of is None else outcome(facts, self._editions.newest(), self._as_of)
        yield Recomputed(
            inspection=inspection,
            recorded=recorded,
            on=on,
            rules=rules.name,
            at_hand=known is not None,
            computed=computed,
            differences=(
                *differences(recorded, computed),
                *(unfounded(ordered.stands, self._found(ordered.again_of)) if ordered.stands else ()),
            ),
            as_of=then,
            as_of_differences=() if then is None else differences(recorded, then),
        )

    def _found(self, name: str) -> tuple[Finding, ...]:
        """The findings of another inspection's verdict."""
        for volume in self._reader.volumes:
            for data in volume.of_inspection(name):
                body = parse(data).body
                if isinstance(body, Judged):
                    return body.findings
        return ()

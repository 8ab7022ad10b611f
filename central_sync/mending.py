"""Mending: a journal that is damaged, or was rolled back, goes on where nobody's knowledge is contradicted.

What can be read and holds is kept. The chain goes on after the last record that anybody has seen: the
salvaged journal itself, its mark, the registries, or a head given by hand. What lies between is lost to this
node and is named in the first record of the new volume; numbers that others may hold are never used again.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from central_sync import ledger, mark
from central_sync.keys import Keys, keys_path
from central_sync.volumes import (
    JournalError,
    KeptCheckpoint,
    KeptReceipt,
    Row,
    Volume,
    numbers_at,
    volume_path,
)
from lanes.record import Continued, Record, genesis, link, parse

PAGE = 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A head that somebody has seen: ``where`` says who."""

    seq: int
    head: bytes
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Soundness:
    """How far a journal holds. ``why`` says what is wrong beyond ``seq``; empty: nothing."""

    seq: int
    head: bytes
    volume: int
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What came of it: kept through ``kept``, lost through ``lost_through``, and the files set aside."""

    kept: int
    goes_on_after: int
    known_from: str
    set_aside: tuple[Path, ...]


def sound(path: Path, node: str) -> Soundness:
    """Walks all volumes of the journal whose first volume is ``path``; changes nothing."""
    seq, head, number = 0, genesis(node), 0
    for number in numbers_at(path):
        try:
            volume = Volume(volume_path(path, number))
        except JournalError as trouble:
            return Soundness(seq=seq, head=head, volume=number, why=str(trouble))
        try:
            if number == numbers_at(path)[0]:
                seq, head = volume.first_seq - 1, volume.prev_head
            elif (seq, head) != (volume.first_seq - 1, volume.prev_head) and not ledger.is_mended(
                seq, volume
            ):
                return Soundness(
                    seq=seq, head=head, volume=number, why=f"{volume.path} does not go on from record {seq}"
                )
            seq, head, trouble_here = _walk(volume)
        finally:
            volume.close()
        if trouble_here:
            return Soundness(seq=seq, head=head, volume=number, why=trouble_here)
    return Soundness(seq=seq, head=head, volume=number)


def _walk(volume: Volume) -> tuple[int, bytes, str]:
    """Last record of a volume that holds, its head, and what is wrong beyond it."""
    seq, head = volume.first_seq - 1, volume.prev_head
    while True:
        try:
            page = volume.rows(seq, PAGE)
        except JournalError as trouble:
            if (one := _one(volume, seq)) is None:
                return seq, head, str(trouble)
            page = [one]
        if not page:
            return seq, head, ""
        for row in page:
            if row.seq != seq + 1 or link(head, row.data) != row.head:
                return seq, head, f"{volume.path}: record {seq + 1} does not hold"
            seq, head = row.seq, row.head


def _one(volume: Volume, seq: int) -> Row | None:
    """The next row by itself, where a page of rows cannot be read."""
    try:
        rows = volume.rows(seq, 1)
    except JournalError:
        return None
    return rows[0] if rows else None


def mend(path: Path, node: str, known: Sequence[Known], source: str, why: str = "") -> Mended:
    """Makes the journal one that can be opened and goes on without contradiction. The node must be stopped.

    Raises JournalError when nothing needs mending, when somebody knows another history than the one that
    holds here, or when a file cannot be written.
    """
    lock = ledger.hold(path.with_suffix(".lock"))
    try:
        stands = sound(path, node)
        seen = [*known, *_marked(path, node)]
        end = _end(path, stands, seen)
        if not stands.why and end.seq == stands.seq:
            raise JournalError(
                f"{path}: nothing to mend: all {stands.seq} records hold, and nobody knows more"
            )
        aside = _set_aside(path, stands) if stands.why else []
        _go_on(path, node, stands, end, source, why or stands.why or "an older copy stood in its place")
        mark.mark_path(path).unlink(missing_ok=True)
        _forget(path, stands.seq)
        return Mended(kept=stands.seq, goes_on_after=end.seq, known_from=end.where, set_aside=tuple(aside))
    finally:
        os.close(lock)


def _forget(path: Path, after: int) -> None:
    """Keys of lost records are free: whoever repeats such a message gets it written again."""
    if keys_path(path).exists():
        keys = Keys(keys_path(path))
        keys.forget(after)
        keys.close()


def _marked(path: Path, node: str) -> list[Known]:
    stands = mark.read(path, node)
    if stands is None:
        return []
    return [Known(seq=stands.seq, head=bytes.fromhex(stands.head), where=f"the mark {mark.mark_path(path)}")]


def _end(path: Path, stands: Soundness, known: Sequence[Known]) -> Known:
    """The furthest head that anybody has seen; all that lie within the sound part must be its own."""
    own = Known(seq=stands.seq, head=stands.head, where="this journal")
    for each in known:
        mine = stands.head if each.seq == stands.seq else _head_at(path, each.seq, stands)
        if mine is not None and mine != each.head:
            raise JournalError(
                f"{each.where} has another head at record {each.seq} than {path}: one was rewritten. "
                "Find out which with chayan verify before anything is mended"
            )
    return max([own, *known], key=lambda each: each.seq)


def _head_at(path: Path, seq: int, stands: Soundness) -> bytes | None:
    if not 0 < seq <= stands.seq:
        return None
    for number in reversed(numbers_at(path)):
        if number > stands.volume:
            continue
        volume = Volume(volume_path(path, number))
        try:
            if volume.first_seq <= seq:
                rows = volume.rows(seq - 1, 1)
                return rows[0].head if rows and rows[0].seq == seq else None
        finally:
            volume.close()
    return None


def _set_aside(path: Path, stands: Soundness) -> list[Path]:
    """Moves the damaged volume and all after it away; what holds of it takes its place."""
    rebuilt = _rebuilt(path, stands)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    moved: list[Path] = []
    for number in [each for each in numbers_at(path) if each >= stands.volume]:
        for suffix in ("", "-wal", "-shm"):
            file = volume_path(path, number)
            file = file.with_name(file.name + suffix)
            if file.exists():
                aside = file.with_name(f"{file.name}.damaged-{stamp}")
                file.rename(aside)
                moved.append(aside)
    if rebuilt is not None:
        rebuilt.replace(volume_path(path, stands.volume))
    ledger.sync(path.parent)
    return moved


def _rebuilt(path: Path, stands: Soundness) -> Path | None:
    """The sound part of the damaged volume as a file of its own; None where nothing of it holds."""
    damaged = volume_path(path, stands.volume)
    try:
        volume = Volume(damaged)
    except JournalError:
        return None
    try:
        return _copy(volume, damaged, stands.seq) if stands.seq >= volume.first_seq else None
    finally:
        volume.close()


def _copy(volume: Volume, target: Path, through: int) -> Path:
    fresh = target.with_name(f"{target.name}.rebuilt")
    ledger.discard(fresh)
    raw = ledger.connect(fresh)
    try:
        raw.execute("BEGIN IMMEDIATE")
        ledger.create(raw, volume.node, volume.number, volume.first_seq, volume.prev_head)
        after = volume.first_seq - 1
        while after < through:
            for row in _readable(volume, after, through):  # the columns anew, from the record itself
                raw.execute(ledger.INSERT, ledger.row_of(parse(row.data), row.data, row.head))
                after = row.seq
        for receipt in _kept(volume.receipts):
            if receipt.through_seq <= through:
                ledger.put_receipt(raw, receipt)
        for head in _kept(volume.heads):
            if head.seq <= through:
                raw.execute(ledger.SIGN, (head.seq, head.head, head.public_key, head.signature, head.at))
        for note in _kept(volume.checkpoints):
            if note.size <= through:
                raw.execute(ledger.NOTE, (note.size, note.frontier, note.note, note.at))
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        raw.close()
    ledger.sync(fresh)
    return fresh


def _readable(volume: Volume, after: int, through: int) -> list[Row]:
    try:
        page = volume.rows(after, PAGE)
    except JournalError:
        page = volume.rows(after, 1)
    return [row for row in page if row.seq <= through]


def _kept(read: Callable[[], list[T]]) -> list[T]:
    """What a damaged table still gives; nothing, where it gives nothing."""
    try:
        return read()
    except JournalError:
        return []


def _go_on(path: Path, node: str, stands: Soundness, end: Known, source: str, why: str) -> None:
    """The volume that goes on after ``end``."""
    numbers = numbers_at(path)
    receipts: list[KeptReceipt] = []
    note: KeptCheckpoint | None = None
    if numbers:
        volume = Volume(volume_path(path, numbers[-1]))
        receipts = list(volume.last_receipts().values())
        notes = volume.checkpoints()
        note = notes[-1] if notes else None
        volume.close()
    lost = end.seq > stands.seq
    body = Continued(
        volume=max(stands.volume, *numbers, 1) + 1,
        last_seq=end.seq,
        head=end.head.hex(),
        lost_from=stands.seq + 1 if lost else None,
        lost_through=end.seq if lost else None,
        why=why[:2000],
    )

    def envelope(seq: int, body: Continued) -> Record:
        return Record(
            seq=seq,
            at=datetime.now(UTC),
            tick_ms=time.monotonic_ns() // 1_000_000,
            source=source,
            source_key=f"volume/{body.volume}",
            body=body,
        )

    try:
        ledger.begin_volume(path, body, node, envelope, receipts, note)
    except (sqlite3.Error, OSError) as error:
        raise ledger.explain(path, error) from error

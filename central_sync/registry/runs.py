"""Records as they are held: the dense run of a batch in one row, its exact bytes in one zstd frame.

The frame is a JSON text sequence (RFC 7464). A record stands in it byte for byte, and where its bytes are not
held an array that says why, which no record can be. Heads are computed from the bytes, not kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
import zstandard
from msgspec import Struct

from central_sync.batch import LEVEL, MAX_PLAIN_BYTES, MAX_RECORDS, UNREADABLE
from central_sync.registry.tables import runs
from lanes.record import link

BEGIN, END = b"\x1e", b"\n"  # RFC 7464 section 2.2; no JSON text holds a bare 0x1E
LIMIT = 2 * MAX_PLAIN_BYTES
NEAR = 500  # numbers; a record that is farther from the one before is fetched by itself


class Damaged(ValueError):
    """The bytes of a run are not what was written there."""


class Refused(Struct, frozen=True, array_like=True, tag="refused"):
    """Stands for a record that the registry will not hold."""

    why: str
    sha256: str
    head: str


class Withheld(Struct, frozen=True, array_like=True, tag="withheld"):
    """Stands for a record whose bytes the node keeps; ``signature``: the node's, see ``seal``."""

    why: str
    sha256: str
    head: str
    size: int
    signature: str


Instead: TypeAlias = Refused | Withheld


class Entry(Struct, frozen=True):
    """One record as it is held, between the head before it and the head after it."""

    seq: int
    prev: bytes
    head: bytes
    data: bytes = b""
    instead: Instead | None = None

    @property
    def sha256(self) -> str:
        """Digest of the record's bytes."""
        return self.instead.sha256 if self.instead else sha256(self.data).hexdigest()


def pack(held: Iterable[bytes | Instead]) -> bytes:
    """The column ``data`` of a run."""
    texts = (each if isinstance(each, bytes) else msgspec.json.encode(each) for each in held)
    return zstandard.ZstdCompressor(level=LEVEL).compress(b"".join(BEGIN + text + END for text in texts))


def entries(run: sa.Row[Any]) -> list[Entry]:
    """The records of a run in order, heads computed from ``prev_head`` on; raises Damaged."""
    place = f"records {run.first_seq} to {run.last_seq} of {run.site}/{run.node}"
    try:
        plain = zstandard.ZstdDecompressor().decompress(run.data, max_output_size=LIMIT)
        found = list(_read(plain, run.first_seq, run.prev_head))
    except (zstandard.ZstdError, *UNREADABLE, ValueError) as trouble:
        raise Damaged(f"{place}: {trouble}") from trouble
    if len(found) != run.last_seq - run.first_seq + 1:
        raise Damaged(f"{place}: {len(found)} are there")
    return found


def _read(plain: bytes, seq: int, prev: bytes) -> Iterator[Entry]:
    for number, text in enumerate(plain.split(BEGIN)[1:], seq):
        data = text.removesuffix(END)
        if data.startswith(b"["):
            instead = _instead.decode(data)
            yield Entry(number, prev, head := bytes.fromhex(instead.head), b"", instead)
        else:
            yield Entry(number, prev, head := link(prev, data), data)
        prev = head


_instead = msgspec.json.Decoder(Instead)


def covering(
    connection: sa.Connection, site: str, node: str, first: int, last: int, *more: sa.ColumnElement[bool]
) -> Sequence[sa.Row[Any]]:
    """The runs that hold any of these numbers, in order."""
    return connection.execute(_covering(site, node, first, last).where(*more)).all()


def _covering(site: str, node: str, first: int, last: int) -> sa.Select[Any]:
    return (
        sa.select(runs)
        .where(
            runs.c.site == site,
            runs.c.node == node,
            # no run is longer: the key serves both ends
            runs.c.last_seq.between(first, last + MAX_RECORDS - 1),
            runs.c.first_seq <= last,
        )
        .order_by(runs.c.last_seq)
    )


def between(
    connection: sa.Connection, site: str, node: str, first: int, last: int, lost: list[Damaged] | None = None
) -> Iterator[Entry]:
    """Entries of these numbers in order, as far as held; raises Damaged, or puts it into ``lost``."""
    for run in connection.execute(_covering(site, node, first, last)):
        try:
            found = entries(run)
        except Damaged as trouble:
            if lost is None:
                raise
            lost.append(trouble)
            continue
        yield from (each for each in found if first <= each.seq <= last)


def at(connection: sa.Connection, site: str, node: str, seq: int) -> Entry | None:
    """One entry; raises Damaged."""
    return next(between(connection, site, node, seq, seq), None)


def of_inspection(
    connection: sa.Connection, row: sa.Row[Any], lost: list[Damaged] | None = None
) -> list[Entry]:
    """The entries of an inspection, whose row this is, in order; raises Damaged, or puts it into ``lost``."""
    wanted = numbers(row.first_seq, row.steps, lost)
    own = set(wanted)
    return [
        each
        for near in _near(wanted)
        for each in between(connection, row.site, row.node, near[0], near[-1], lost)
        if each.seq in own
    ]


def _near(wanted: Sequence[int]) -> Iterator[Sequence[int]]:
    """The same numbers in parts, each without a wide gap."""
    begin = 0
    for place in range(1, len(wanted) + 1):
        if place == len(wanted) or wanted[place] - wanted[place - 1] > NEAR:
            yield wanted[begin:place]
            begin = place


def holding(connection: sa.Connection, site: str, node: str, seq: int) -> sa.Row[Any] | None:
    """The run that holds a record: its head is the first signed one after it."""
    return connection.execute(_covering(site, node, seq, seq)).first()


# ---- which numbers are an inspection's: so many that are, so many that are not, in turn ----------------


def stepped(steps: str, last: int, seq: int) -> str:
    """``steps`` of an inspection to ``last``, with one more number after it."""
    if not steps:
        return "1"
    if seq > last + 1:
        return f"{steps} {seq - last - 1} 1"
    kept, space, own = steps.rpartition(" ")
    return f"{kept}{space}{int(own) + 1}"


def numbers(first: int, steps: str, lost: list[Damaged] | None = None) -> list[int]:
    """The numbers that ``steps`` name; raises Damaged, or puts it into ``lost``."""
    try:
        counts = [int(count) for count in steps.split(" ")]
    except ValueError as trouble:
        damaged = Damaged(f"{steps[:60]!r} names no records")
        if lost is None:
            raise damaged from trouble
        lost.append(damaged)
        return []
    found: list[int] = []
    for place, count in enumerate(counts):
        if place % 2 == 0:
            found += range(first, first + count)
        first += count
    return found

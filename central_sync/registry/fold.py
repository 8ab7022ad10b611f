"""From records to the promoted columns: what the office searches by.

Folding goes on from the stored summary: the chain gives every record exactly once and in order, so a batch
costs as much as its own records, not as much as the inspection. A record at which this code fails is named
and left unread, so that no one record stands in the way of the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from central_sync.batch import UNREADABLE, Seq
from central_sync.registry.runs import stepped
from lanes.record import (
    Aborted,
    AnyBody,
    Arrived,
    Judged,
    Key,
    Moved,
    Ordered,
    Photographed,
    is_simulated,
    parse,
    photos_of,
)

SHOWN = 60  # characters of a source in a reason
NUL = rb"\u0000"  # the one way in which JSON can hold it (RFC 8259 section 7)
FAULTS = (  # a mistake in our own code, or a value that nobody thought of; not disk, memory or line
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)
PROMOTED = {"ordered", "arrived", "moved", "judged", "aborted", "photographed", "captured", "signed"}


class Kind(Struct, frozen=True, gc=False):
    """The tag of a body of any version."""

    kind: Annotated[str, Meta(min_length=1, max_length=80)]


class Envelope(Struct, frozen=True, gc=False):
    """What every record of every version carries, as far as the registry needs it."""

    seq: Seq
    at: Annotated[datetime, Meta(tz=True)]
    source: Key
    body: Kind
    inspection: Annotated[str, Meta(min_length=1, max_length=80)] | None = None


_envelopes = msgspec.json.Decoder(Envelope)


class Read(Struct, frozen=True, gc=False):
    """One record as the registry reads it.

    ``refused`` says why it will not be held, ``unread`` why it is held without what it says.
    """

    seq: int
    data: bytes
    kind: str | None = None
    at: datetime | None = None
    source: str | None = None
    inspection: str | None = None
    simulated: bool = False
    refused: str | None = None
    unread: str | None = None

    def bare(self) -> "Read":
        """The same with nothing but its bytes."""
        return replace(self, kind=None, at=None, source=None, inspection=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A photo that a record names."""

    sha256: str
    shot: str
    seq: int
    inspection: str | None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What came of rows: photos they name; number -> why of those that are unread."""

    photos: Sequence[Named]
    unread: Mapping[int, str]


def read(seq: int, data: bytes, allow_simulated: bool) -> Read:
    """One record; an unknown kind is held as it is, what is no record at all is refused."""
    try:
        return _read(seq, data, allow_simulated)
    except FAULTS as trouble:
        return Read(seq, data, unread=said(trouble))


def said(trouble: BaseException) -> str:
    """A failure in words that any column takes."""
    return str(plain(f"{type(trouble).__name__}: {trouble}"[:500]))


def _read(seq: int, data: bytes, allow_simulated: bool) -> Read:
    try:
        envelope = _envelopes.decode(data)
        at = envelope.at if envelope.at.tzinfo is UTC else envelope.at.astimezone(UTC)
    except (*UNREADABLE, OverflowError) as trouble:
        return Read(seq, data, refused=plain(f"no record: {trouble}"[:500]))
    refused, simulated = None, is_simulated(envelope.source)
    if envelope.seq != seq:
        refused = f"the record says seq {envelope.seq} but stands at {seq}"
    elif simulated and not allow_simulated:
        named = envelope.source[:SHOWN]  # a receipt may refuse every record of a batch
        refused = f"simulated source {named!r}: this registry takes no simulated records of this node"
    elif NUL in data and "\0" in envelope.source + envelope.body.kind + (envelope.inspection or ""):
        refused = "a NUL character in source, kind or inspection"
    return Read(
        seq,
        data,
        kind=envelope.body.kind,
        at=at,
        source=envelope.source,
        inspection=envelope.inspection,
        simulated=simulated,
        refused=refused and plain(refused),
    )


def body_of(row: Read) -> AnyBody | None:
    """The body where the summary needs it and this version can read it."""
    if row.kind not in PROMOTED:
        return None
    try:
        return parse(row.data).body
    except UNREADABLE:
        return None


def fresh(site: str, node: str, row: Read) -> dict[str, Any]:
    """Summary of an inspection before its first record, as columns of ``tables.inspections``."""
    unknown = ("plate", "plate_tail", "hpzl", "vin", "vin_last6", "business", "lane", "verdict", "ended_at")
    return dict.fromkeys(unknown) | {
        "site": site,
        "node": node,
        "inspection": row.inspection,
        "failed": [],
        "ordered_at": row.at,
        "first_seq": row.seq,
        "last_seq": row.seq,
        "steps": "",
        "records": 0,
        "photos": 0,
        "simulated": False,
    }


def take(summary: dict[str, Any], row: Read, body: AnyBody | None) -> None:
    """Adds one record to the summary of its inspection."""
    summary["records"] += 1
    summary["steps"] = stepped(summary["steps"], summary["last_seq"], row.seq)
    summary["last_seq"] = row.seq
    summary["simulated"] = summary["simulated"] or row.simulated
    match body:
        case Ordered() if summary["vin"] is None:
            summary.update(_vehicle(body), ordered_at=row.at)
        case Arrived():
            summary["lane"] = plain(body.lane)
        case Moved(station=""):
            summary["ended_at"] = row.at
        case Aborted() if summary["verdict"] is None:  # beside a verdict it came too late
            summary["ended_at"] = row.at
        case Photographed():
            summary["photos"] += 1
        case Judged():
            summary["verdict"] = body.verdict
            summary["failed"] = list(
                dict.fromkeys(plain(f.item) for f in body.findings if f.result == "fail")
            )
        case _:
            pass


def photos_named(row: Read, body: AnyBody | None) -> Sequence[Named]:
    """Photos whose bytes the registry wants because of this record."""
    if body is None:
        return ()
    size = body.size_bytes if isinstance(body, Photographed) else None
    return [_named(row, sha256, shot, size) for sha256, shot in photos_of(body) if len(sha256) == 64]


def fold(site: str, node: str, rows: Iterable[Read], known: dict[str, dict[str, Any]]) -> Folded:
    """Takes ``rows`` into ``known`` (inspection -> summary); of an unread one only that it is there."""
    photos: list[Named] = []
    unread: dict[int, str] = {}
    for row in rows:
        try:
            photos += _taken(site, node, row, known)
        except FAULTS as trouble:
            if row.unread is not None:
                raise
            row = replace(row, unread=said(trouble))
            _taken(site, node, row, known)
        if row.unread is not None:
            unread[row.seq] = row.unread
    return Folded(photos=photos, unread=unread)


def _taken(site: str, node: str, row: Read, known: dict[str, dict[str, Any]]) -> Sequence[Named]:
    """Takes one row into its summary, wholly or not at all; returns the photos it names."""
    body = None if row.unread is not None else body_of(row)
    photos = photos_named(row, body)
    if row.inspection is not None:
        summary = known.get(row.inspection) or fresh(site, node, row)
        if body is not None:  # what it says may not fit
            summary = dict(summary)
        take(summary, row, body)
        known[row.inspection] = summary
    return photos


def _named(row: Read, sha256: str, shot: str, size: int | None) -> Named:
    return Named(sha256=sha256, shot=plain(shot), seq=row.seq, inspection=row.inspection, size=size)


def _vehicle(body: Ordered) -> dict[str, Any]:
    plate, vin = body.vehicle.plate, plain(body.vehicle.vin)
    hphm = None if plate is None else plain(plate.hphm)
    return {
        "plate": hphm,
        "plate_tail": hphm and hphm[1:],
        "hpzl": plate and plate.hpzl,
        "vin": vin,
        "vin_last6": vin[-6:],
        "business": plain(body.business),
    }


def plain(text: Any) -> Any:
    """Text for a column: PostgreSQL holds no NUL. The record itself keeps its bytes."""
    return text.replace("\0", "\ufffd") if isinstance(text, str) and "\0" in text else text

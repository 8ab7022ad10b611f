"""Tap: what flows to and from one device, noted without holding anybody up, and counted.

A link takes the tap of its task (``TAP``) when it connects, a broker's route when it is made, so no kind of
device names it. Notes wait in a bounded buffer until the raw log fetches them; what finds no room is counted,
never waited for. Without a tap everything goes to one that nobody reads.
"""

import hashlib
import time
from collections import deque
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from firmware_bridge.device import Health, Junk, Said

BUFFER_BYTES = 4 << 20  # of one device; a written camera photo has some hundred kilobytes
NOTE_BYTES = 100  # what a note weighs beside its payload
HEAD_BYTES = 4096  # kept of a payload that is too long to be kept whole
GAPS = 64  # pauses between signs of life that are remembered

Payload: TypeAlias = bytes | Struct


class Note(NamedTuple):
    """One thing that happened: ``way`` in, out, up, lost, begun, said, asked, answered, dropped.

    ``at_ns``: wall clock. ``tick_ns``: monotonic clock. ``channel``: address, topic or path.
    """

    way: str
    at_ns: int
    tick_ns: int
    channel: str
    payload: Payload


class Entry(Struct, frozen=True, array_like=True, kw_only=True):
    """A note as it is kept. ``size_bytes``, ``sha256``: of the payload when ``data`` is only its head."""

    way: str
    at_ns: int
    tick_ns: int
    channel: str
    data: bytes
    size_bytes: int = 0
    sha256: str = ""


class Counts:
    """What a device's traffic amounts to since the agent started."""

    __slots__ = (
        "connected",
        "faults",
        "frame_at_ns",
        "frames",
        "gaps_s",
        "heard_at_ns",
        "heard_tick_ns",
        "losses",
        "quarantined",
        "skipped_bytes",
        "timeouts",
        "unlogged",
    )

    def __init__(self) -> None:
        self.connected = self.losses = self.frames = self.skipped_bytes = 0
        self.quarantined = self.timeouts = self.faults = self.unlogged = 0
        self.heard_at_ns = self.frame_at_ns = self.heard_tick_ns = 0
        self.gaps_s: deque[float] = deque(maxlen=GAPS)


class Tap:
    """The notes and counts of one device. Only the event loop's thread notes, only the raw log's fetches."""

    def __init__(self, name: str, *, whole_bytes: int = 0, logged: bool = False) -> None:
        self.name, self.counts = name, Counts()
        self._whole_bytes, self._logged = whole_bytes, logged
        self._notes: deque[tuple[Note, int]] = deque()
        self._put = self._fetched = 0  # bytes; one thread each, so that neither needs a lock
        self._dropped = 0

    # ---- what links, instruments and the agent call ----------------------------------------------

    def up(self, channel: str, words: str = "") -> None:
        """A connection is open; ``words``: what its other side said of what comes, such as a content type."""
        self.counts.connected += 1
        self._note("up", channel, words.encode())

    def lost(self, channel: str, why: str) -> None:
        """A connection is gone, or was not to be had."""
        self.counts.losses += 1
        self._note("lost", channel, why.encode())

    def heard(self, channel: str, data: bytes) -> None:
        """Bytes came in."""
        counts, tick_ns = self.counts, time.monotonic_ns()
        if counts.heard_tick_ns:
            counts.gaps_s.append((tick_ns - counts.heard_tick_ns) / 1e9)
        counts.heard_tick_ns, counts.heard_at_ns = tick_ns, time.time_ns()
        self._note("in", channel, data)

    def sent(self, channel: str, data: bytes) -> None:
        """Bytes went out."""
        self._note("out", channel, data)

    def framed(self, frames: int, skipped: int = 0) -> None:
        """Whole frames or messages were found, and bytes that belong to none."""
        if frames:
            self.counts.frames += frames
            self.counts.frame_at_ns = time.time_ns()
        self.counts.skipped_bytes += skipped

    def timed_out(self) -> None:
        """What was asked for did not come."""
        self.counts.timeouts += 1

    def begun(self, words: Struct) -> None:
        """The device was started, and as what."""
        self._note("begun", "", words)

    def said(self, said: Said) -> None:
        """The device told something."""
        if isinstance(said, Junk):
            self.counts.quarantined += 1
        elif isinstance(said, Health) and said.state == "faulty":
            self.counts.faults += 1
        self._note("said", type(said).__name__, said)

    def asked(self, number: str, words: Struct) -> None:
        """The agent asks the device for something."""
        self._note("asked", number, words)

    def answered(self, number: str, body: Payload) -> None:
        """What came of it: a body, or in words why nothing."""
        self._note("answered", number, body)

    def _note(self, way: str, channel: str, payload: Payload) -> None:
        if not self._logged:
            return
        size = NOTE_BYTES + (len(payload) if isinstance(payload, bytes) else _weight(payload))
        held = self._put - self._fetched
        if held and held + size > BUFFER_BYTES:
            self.drop(1)
            return
        self._put += size
        self._notes.append((Note(way, time.time_ns(), time.monotonic_ns(), channel, payload), size))

    def drop(self, count: int) -> None:
        """So many notes could not be kept; the next that is kept says so."""
        self._dropped += count
        self.counts.unlogged += count

    # ---- what the raw log calls, in its own thread -----------------------------------------------

    def fetch(self) -> list[Entry]:
        """Every note since the last time, as it is to be kept."""
        entries = []
        while self._notes:
            note, size = self._notes.popleft()
            self._fetched += size
            entries.append(self._entry(note))
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            lost = Note("dropped", time.time_ns(), time.monotonic_ns(), "", str(dropped).encode())
            entries.append(self._entry(lost))
        return entries

    def _entry(self, note: Note) -> Entry:
        data = note.payload if isinstance(note.payload, bytes) else plain_json(note.payload)
        named = {"way": note.way, "at_ns": note.at_ns, "tick_ns": note.tick_ns, "channel": note.channel}
        if note.way in ("in", "out") and len(data) > self._whole_bytes:
            digest = hashlib.sha256(data).hexdigest()
            return Entry(**named, data=data[:HEAD_BYTES], size_bytes=len(data), sha256=digest)  # type: ignore[arg-type]
        return Entry(**named, data=data)  # type: ignore[arg-type]


def _weight(payload: Struct) -> int:
    """Bytes that a struct's own bytes take."""
    values = (getattr(payload, name) for name in payload.__struct_fields__)
    return sum(len(value) for value in values if isinstance(value, bytes))


def plain_json(struct: Struct) -> bytes:
    """A struct as JSON with sorted keys, its name as ``is``; bytes by size and SHA-256."""
    fields = {name: _plain(getattr(struct, name)) for name in struct.__struct_fields__}
    return msgspec.json.encode({"is": type(struct).__name__, **fields}, order="sorted")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"size_bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    return msgspec.to_builtins(value)


NOBODY = Tap("")
TAP: ContextVar[Tap] = ContextVar("tap", default=NOBODY)

"""The raw log on disk: a ring of append-only files a device, and reading them back.

A file is a row of frames: length and CRC-32 (big endian, 4 bytes each), then the entry as MessagePack. A
frame that is torn or spoilt ends the reading of its file: every start of the agent begins a new one. Nothing
waits for the disk: it is a log for looking back at, not evidence.
"""

import contextlib
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from firmware_bridge.tap import Entry, Tap

FRAME = struct.Struct(">II")
LONGEST_FRAME = 64 << 20
PARTS = 8  # files of a full ring
MOST_FILES = 64  # every start begins one, however little is in it
LEAST_PART_BYTES = 64 << 10

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


class Ring:
    """The files of one device, at most ``keep_bytes`` together. Raises OSError."""

    def __init__(self, folder: Path, keep_bytes: int) -> None:
        self.folder, self._keep_bytes = folder, keep_bytes
        self._part_bytes = max(keep_bytes // PARTS, LEAST_PART_BYTES)
        self._file: IO[bytes] | None = None
        self._size = 0

    def write(self, entries: Iterable[Entry]) -> None:
        """Appends entries; the oldest files go when there is no room."""
        for entry in entries:
            framed = frame(entry)
            if self._file is None or self._size + len(framed) > self._part_bytes:
                self._begin()
            assert self._file is not None
            self._file.write(framed)
            self._size += len(framed)
        if self._file is not None:
            self._file.flush()

    def _begin(self) -> None:
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        here = parts(self.folder)
        number = int(here[-1].stem) + 1 if here else 1
        held = sum(path.stat().st_size for path in here)
        while here and (held > self._keep_bytes - self._part_bytes or len(here) >= MOST_FILES):
            oldest = here.pop(0)
            held -= oldest.stat().st_size
            oldest.unlink()
        self._file, self._size = (self.folder / f"{number:08}.raw").open("xb"), 0

    def close(self) -> None:
        """Lets go of the file; what could not be written is lost. Raises OSError."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


class RawLog:
    """Empties the taps of a node into their rings, one call of ``flush`` at a time."""

    def __init__(self, folder: Path, taps: Iterable[Tap], keep_bytes: int) -> None:
        self._rings = [(tap, Ring(folder / tap.name, keep_bytes)) for tap in taps]
        self._turn = threading.Lock()

    def flush(self) -> OSError | None:
        """Writes what was noted. After an OSError what waited is dropped, counted, and the error returned."""
        wrong = None
        with self._turn:
            for tap, ring in self._rings:
                entries = tap.fetch()
                try:
                    ring.write(entries)
                except OSError as error:
                    wrong = error
                    tap.drop(sum(entry.way != "dropped" for entry in entries))
                    _let_go(ring)
        return wrong

    def close(self) -> OSError | None:
        """Writes what is left and lets go of the files."""
        wrong = self.flush()
        for _, ring in self._rings:
            _let_go(ring)
        return wrong


def _let_go(ring: Ring) -> None:
    with contextlib.suppress(OSError):  # closing writes what is buffered: on a full disk it fails again
        ring.close()


def frame(entry: Entry) -> bytes:
    """The bytes of an entry in a file."""
    body = _encoder.encode(entry)
    return FRAME.pack(len(body), zlib.crc32(body)) + body


def parts(folder: Path) -> list[Path]:
    """The files of a ring, oldest first."""
    return sorted(path for path in folder.glob("*.raw") if path.stem.isdigit()) if folder.is_dir() else []


def read(folder: Path) -> Iterator[Entry]:
    """Every entry that is whole, oldest first; files that the agent removes meanwhile are passed over."""
    for path in parts(folder):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        yield from entries_of(content)


def entries_of(content: bytes) -> Iterator[Entry]:
    """The entries of one file up to the first that is torn or spoilt."""
    at = 0
    while len(content) - at >= FRAME.size:
        size, check = FRAME.unpack_from(content, at)
        body = content[at + FRAME.size : at + FRAME.size + size]
        if size > LONGEST_FRAME or len(body) != size or zlib.crc32(body) != check:
            return
        try:
            yield _decoder.decode(body)
        except msgspec.DecodeError:
            return
        at += FRAME.size + size

"""Photos that are not whole yet, by sender and digest; worth nothing until the whole has that digest.

A killed process loses none of their bytes. A power cut may: then the sender goes on from further back.
"""

import contextlib
import os
from pathlib import Path

from central_sync.photos import Photos

FILES, BYTES = 64, 256 << 20  # of one sender; beyond them goes what was untouched for longest
FOLDER, SUFFIX = "uploads", ".partial"


class Misplaced(Exception):
    """Bytes that do not begin where those that are here end."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"the upload has {offset} bytes")
        self.offset = offset


class Upload:
    """A photo of one sender that is not whole yet. Several may append at once: all have the same photo."""

    def __init__(self, store: Photos, sender: str, digest: str) -> None:
        """``sender``: a file name. Raises ValueError for what is no digest."""
        self._path = store.root / FOLDER / sender / store.path(digest).with_suffix(SUFFIX).name

    def offset(self) -> int:
        """How many bytes are here."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, offset: int, data: bytes) -> int:
        """Adds bytes that begin at ``offset``; how many there are now. Raises Misplaced, OSError."""
        here = self.offset()
        if here != offset:
            raise Misplaced(here)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._make_room(len(data))
        try:
            descriptor = os.open(self._path, os.O_WRONLY | (0 if offset else os.O_CREAT), 0o644)
        except FileNotFoundError as trouble:
            raise Misplaced(0) from trouble
        try:
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(descriptor)
        return offset

    def begin(self, data: bytes) -> None:
        """Keeps the first bytes, unless more of them are here."""
        here = self.offset()
        if here < len(data):
            self.append(here, data[here:])

    def read(self) -> bytes:
        """All of it; raises Misplaced when there is nothing."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError as trouble:
            raise Misplaced(0) from trouble

    def drop(self) -> None:
        """Forgets it."""
        self._path.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """Removes other uploads of the sender that its limits have no room for."""
        others = []
        with os.scandir(self._path.parent) as entries:
            for entry in entries:
                if entry.name != self._path.name:
                    with contextlib.suppress(FileNotFoundError):
                        stat = entry.stat()
                        others.append((stat.st_mtime_ns, stat.st_size, entry.path))
        left = BYTES - size - self.offset()
        kept = 0
        for _, theirs, path in sorted(others, reverse=True):
            kept, left = kept + 1, left - theirs
            if kept >= FILES or left < 0:
                Path(path).unlink(missing_ok=True)

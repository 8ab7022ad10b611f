"""Photo files named by the SHA-256 of their bytes. A photo is durable when ``put`` returns."""

import hashlib
import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from central_sync.storage import Storage, stands, state_of

WARN = 0.9  # part of the quota from which an alarm stands
_DIGEST = re.compile(r"[0-9a-f]{64}")


class QuotaError(OSError):
    """The photo store holds as much as it may."""


class Photos:
    """A folder of content-addressed files: ``root/ab/abcdef….bin``, at most ``quota_bytes`` in all."""

    def __init__(self, root: Path, quota_bytes: int | None = None) -> None:
        self.root, self._quota = root, quota_bytes
        root.mkdir(parents=True, exist_ok=True)
        self._counting = threading.Lock()
        self._used = 0 if quota_bytes is None else sum(path.stat().st_size for path in self.files())
        self._failed = Storage()
        self._durable: set[Path] = set()  # folders whose own name is on the disk

    def path(self, digest: str) -> Path:
        """Where a photo lies or would lie; raises ValueError for what is no digest."""
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError(f"{digest[:80]!r} is no SHA-256 in lower-case hex")
        return self.root / digest[:2] / f"{digest}.bin"

    def files(self) -> Iterator[Path]:
        """Every photo file."""
        return self.root.glob("??/*.bin")

    def has(self, digest: str) -> bool:
        """Whether the photo is here."""
        return self.path(digest).exists()

    def read(self, digest: str) -> bytes:
        """The photo's bytes; raises FileNotFoundError."""
        return self.path(digest).read_bytes()

    def whole(self, digest: str) -> bytes | None:
        """The photo's bytes; None when they are missing, or no longer what the digest names."""
        try:
            data = self.read(digest)
        except FileNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == digest else None

    def part(self, digest: str, offset: int, limit: int) -> tuple[int, bytes]:
        """The photo's size, and at most so many bytes of it from ``offset``; raises FileNotFoundError."""
        with self.path(digest).open("rb") as file:
            file.seek(offset)
            return os.fstat(file.fileno()).st_size, file.read(limit)

    def put(self, data: bytes) -> str:
        """Keeps the bytes and returns their digest; see ``keep``."""
        digest = hashlib.sha256(data).hexdigest()
        self.keep(digest, data)
        return digest

    def keep(self, digest: str, data: bytes) -> bool:
        """Makes bytes of this digest durable: temporary file, fsync, rename, fsync of the folders.

        Returns whether they are new. What is there already is made durable too: whoever put it may have been
        killed before the last fsync. Raises QuotaError when the quota is used up, OSError when the disk takes
        nothing.
        """
        target = self.path(digest)
        try:
            new = not self._holds(digest, data)
            if new:
                self._take_room(len(data))
                _write(target, data)
                self._count(len(data))
            _sync_folder(target.parent)
            if target.parent not in self._durable:
                _sync_folder(self.root)
                self._durable.add(target.parent)
        except OSError as error:
            state = state_of(error)
            if state is not None:
                self._failed = stands(state, "照片库", "the photo store", str(error.strerror or error))
            raise
        self._failed = Storage()
        return new

    def remove(self, digests: Iterable[str]) -> int:
        """Removes photos; how many bytes that freed. What is not here is gone already."""
        freed = 0
        for digest in digests:
            path = self.path(digest)
            if path.exists():
                freed += path.stat().st_size
                path.unlink()
        self._count(-freed)
        return freed

    def storage(self) -> Storage:
        """Whether photos can be kept, and what to do when not."""
        if self._failed.state != "ok" or self._quota is None:
            return self._failed
        used, quota = self._used, self._quota
        if used >= quota:
            return stands("full", "照片库", "the photo store", f"[photos] quota_gb, {used >> 20} MB")
        if used >= WARN * quota:
            why = f"{used >> 20} / {quota >> 20} MB ([photos] quota_gb)"
            return stands("low", "照片库", "the photo store", why)
        return Storage()

    def _holds(self, digest: str, data: bytes) -> bool:
        try:
            return self.read(digest) == data
        except FileNotFoundError:
            return False

    def _take_room(self, size: int) -> None:
        if self._quota is not None and self._used + size > self._quota:
            raise QuotaError(
                f"the photo store {self.root} may hold {self._quota >> 20} MB and is full; raise "
                "[photos] quota_gb or shorten [photos] keep_days"
            )

    def _count(self, size: int) -> None:
        with self._counting:
            self._used += size


def _write(target: Path, data: bytes) -> None:
    if not target.parent.is_dir():
        target.parent.mkdir(exist_ok=True)
    temporary = target.with_suffix(f".{secrets.token_hex(6)}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

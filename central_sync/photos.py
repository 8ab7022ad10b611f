"""Photo files named by the SHA-256 of their bytes. A photo is durable when ``put`` returns."""

import hashlib
import os
import re
import secrets
from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Photos:
    """A folder of content-addressed files: ``root/ab/abcdef….bin``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where a photo lies or would lie; raises ValueError for what is no digest."""
        if _DIGEST.fullmatch(digest) is None:
            raise ValueError(f"{digest[:80]!r} is no SHA-256 in lower-case hex")
        return self.root / digest[:2] / f"{digest}.bin"

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

    def peek(self, digest: str) -> tuple[int, bytes]:
        """The photo's size and its first 16 bytes; raises FileNotFoundError."""
        with self.path(digest).open("rb") as file:
            return os.fstat(file.fileno()).st_size, file.read(16)

    def put(self, data: bytes) -> str:
        """Keeps the bytes and returns their digest: temporary file, fsync, rename, fsync of the folders.

        What is there already is made durable too: whoever put it may have been killed before the last fsync.
        """
        digest = hashlib.sha256(data).hexdigest()
        target = self.path(digest)
        if self.whole(digest) is None:
            _write(target, data)
        _sync_folder(target.parent)
        _sync_folder(self.root)
        return digest


def _write(target: Path, data: bytes) -> None:
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

"""Parts of a multipart body, of a request that ends and of a stream that never does.

The library at hand (multipart) parses forms only: it wants a Content-Disposition in every part and ends a
part at the next boundary, which in an endless stream (alertStream, snapManager) may be minutes away.
"""

import re
from collections.abc import Mapping

from msgspec import Struct

HEAD_LIMIT = 8 * 1024  # bytes of one part's headers
PART_LIMIT = 8 * 1024 * 1024  # bytes of one part
SPOILED_LIMIT = 64 * 1024
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,200})', re.IGNORECASE)
_NAME = re.compile(r'\b(?:file)?name="?([^";]*)', re.IGNORECASE)


class Part(Struct, frozen=True, kw_only=True):
    """One part: its headers by lower-case name, and its bytes."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """Content type without parameters, lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def names(self) -> str:
        """Every name it goes by (name and filename), lower case."""
        return " ".join(_NAME.findall(self.headers.get("content-disposition", ""))).lower()


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type names; empty: none."""
    found = _BOUNDARY.search(content_type)
    return found[1] if found else ""


class Mixed:
    """Deframer of parts. A part is handed out when the boundary after it proves that it is whole.

    Some cameras announce a boundary with the two hyphens that belong before it (F1); both are understood.

    ``closed``: the last boundary was seen. ``skipped``: bytes that belonged to no part; ``spoiled``: the
    beginning of the last stretch of them.
    """

    def __init__(self, boundary: str, part_limit: int = PART_LIMIT) -> None:
        self._mark = b"--" + boundary.encode("utf-8", "replace")
        self._alias = self._mark[2:] if boundary.startswith("--") else b""
        self._limit = part_limit
        self._held = bytearray()
        self._from = 0  # up to here the held bytes were searched for the next boundary
        self.skipped = 0
        self.spoiled = b""
        self.closed = False

    def feed(self, chunk: bytes) -> list[Part]:
        """The parts that are proved whole by now."""
        self._held += chunk
        parts = []
        while (part := self._next()) is not None:
            parts += part
        return parts

    @property
    def half(self) -> bool:
        """Whether a part has begun that is not whole yet."""
        return len(self._held) > len(self._mark) + len(b"--\r\n")

    @property
    def torn(self) -> bytes:
        """What has come of a part that is not whole yet."""
        return bytes(self._held.removeprefix(self._mark)).strip(b"\r\n-")

    def drop(self) -> None:
        """Forgets what is held, such as after a lost connection."""
        self._skip(len(self._held))

    def rest(self) -> list[Part]:
        """The part that is whole by its Content-Length though nothing followed it; asked after a silence."""
        part = self._sized()
        if part is None:
            return []
        self._cut(len(self._held))
        return [part]

    def _next(self) -> list[Part] | None:
        """Takes one part or some garbage from what is held; None: more bytes are needed."""
        if not self._held.startswith(self._mark):
            return self._resynchronise()
        if self._held.startswith(self._mark + b"--"):
            self.closed = True
            self._cut(len(self._mark) + 2)
            return []
        following = self._held.find(self._mark, max(self._from, len(self._mark)))
        if following < 0:
            self._from = max(0, len(self._held) - len(self._mark))
            if len(self._held) > self._limit + HEAD_LIMIT:
                self._skip(len(self._mark))
                return []
            return None
        part = self._whole(bytes(self._held[:following]))
        if part is None:
            self._skip(following)
            return []
        self._cut(following)
        return [part]

    def _resynchronise(self) -> list[Part] | None:
        start = self._held.find(self._mark)
        if start < 0 and self._alias and self._held.startswith(self._alias):
            self._mark, self._alias = self._alias, b""
            return []
        if start < 0:
            keep = len(self._mark) - 1
            self._skip(max(0, len(self._held) - keep))
            return None
        self._skip(start)
        return []

    def _whole(self, raw: bytes) -> Part | None:
        """The part between two boundaries, or None: it is damaged."""
        headers, body = _split(raw[len(self._mark) :])
        if headers is None:
            return None
        said = headers.get("content-length", "")
        if said.isascii() and said.isdigit():
            size = int(said)
            return (
                None
                if body[size:].strip(b"\r\n") or len(body) < size
                else Part(headers=headers, body=body[:size])
            )
        return Part(headers=headers, body=body.removesuffix(b"\n").removesuffix(b"\r"))

    def _sized(self) -> Part | None:
        if not self._held.startswith(self._mark) or self._held.startswith(self._mark + b"--"):
            return None
        headers, _ = _split(bytes(self._held[len(self._mark) :]))
        return self._whole(bytes(self._held)) if headers and "content-length" in headers else None

    def _cut(self, size: int) -> None:
        del self._held[:size]
        self._from = 0

    def _skip(self, size: int) -> None:
        stretch = bytes(self._held[:size]).strip(b"\r\n")
        self._cut(size)
        if stretch:
            self.skipped += len(stretch)
            self.spoiled = stretch[:SPOILED_LIMIT]


def _split(raw: bytes) -> tuple[dict[str, str] | None, bytes]:
    """Headers and body of what follows a boundary; None: its headers are none."""
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank:
        head, blank, body = raw.partition(b"\n\n")
    if not blank or len(head) > HEAD_LIMIT:
        return None, b""
    headers = {}
    for line in head.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
        elif line.strip():
            return None, b""
    return headers, body

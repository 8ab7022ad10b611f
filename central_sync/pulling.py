"""Changes of a registry, for whoever takes its results: page by page, or into a file that holds each once."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import httpx
import msgspec
from msgspec import Struct

from central_sync.batch import UNREADABLE, Through
from central_sync.ledger import lay_down

Of: TypeAlias = Literal["inspections", "records"]
Query: TypeAlias = list[tuple[str, str | int | float | bool | None]]  # as httpx will have it
SUFFIX = ".cursor"


class PullError(Exception):
    """A registry cannot be asked, or its answer is no page of changes; the text says what to do."""


class Passing(PullError):
    """The same question may be answered a moment later."""


class _End(Struct, frozen=True, forbid_unknown_fields=True):
    lines: Through
    cursor: str
    more: bool


class Mark(Struct, frozen=True):
    """How far a file goes: the cursor, what was asked for, and the bytes that belong to it."""

    cursor: str
    asked: str
    size: Through


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """One page: its changes as they came (JSON texts), the cursor after it, whether there is more already."""

    texts: Sequence[bytes]
    cursor: str
    more: bool

    def decoded(self) -> list[dict[str, Any]]:
        """The changes."""
        return [msgspec.json.decode(text) for text in self.texts]


class Puller:
    """Asks one registry for its changes; the base URL of ``client`` is the registry's address."""

    def __init__(
        self,
        client: httpx.Client,
        of: Of = "inspections",
        site: str = "",
        node: str = "",
        kinds: Sequence[str] = (),
    ) -> None:
        self._client = client
        self._query: Query = [("of", of), ("site", site), ("node", node)]
        self._query += [("kind", kind) for kind in sorted(kinds)]

    @property
    def asked(self) -> str:
        """What is asked for; a cursor goes on with the same only."""
        return str(httpx.QueryParams(self._query))

    def page(self, cursor: str = "", wait_s: int = 0, limit: int = 20) -> Changes:
        """The page after a cursor, empty for the beginning; raises PullError."""
        query: Query = [*self._query, ("cursor", cursor), ("wait", str(wait_s)), ("limit", str(limit))]
        try:
            answer = self._client.get("/v1/changes", params=query, timeout=wait_s + 60)
        except httpx.HTTPError as trouble:
            raise Passing(f"{self._client.base_url}: {trouble or type(trouble).__name__}") from trouble
        if answer.status_code != 200:
            sort = Passing if answer.status_code in (429, 502, 503, 504) else PullError
            raise sort(f"{self._client.base_url} answers {answer.status_code}: {answer.text[:500]}")
        return _page(answer.content)

    def pages(self, cursor: str = "", limit: int = 20) -> Iterator[Changes]:
        """Every page that there is already; raises PullError."""
        more = True
        while more:
            page = self.page(cursor, limit=limit)
            cursor, more = page.cursor, page.more
            yield page


def _page(content: bytes) -> Changes:
    *texts, last = content.splitlines() or [b""]
    try:
        end = msgspec.json.decode(last, type=_End)
    except UNREADABLE as trouble:
        raise Passing(f"the answer was cut off after {len(texts)} changes") from trouble
    if end.lines != len(texts):
        raise Passing(f"the answer holds {len(texts)} changes and says {end.lines}")
    return Changes(texts=texts, cursor=end.cursor, more=end.more)


class Into:
    """A file of changes, a line each, and beside it how far it goes: what lies beyond is asked again.

    Raises PullError for a file that something else was pulled into, OSError.
    """

    def __init__(self, path: Path, asked: str) -> None:
        self.path, self._asked = path, asked
        self._mark_path = path.with_name(path.name + SUFFIX)
        self.cursor, size = "", 0
        if self._mark_path.exists():
            mark = self._mark()
            self.cursor, size = mark.cursor, mark.size
        elif path.exists() and path.stat().st_size:
            raise PullError(f"{path} is there without {self._mark_path.name}: name a new file")
        self._file = path.open("ab")
        if self._file.tell() < size:
            self._file.close()
            raise PullError(f"{path} has lost its end: remove it and {self._mark_path.name}, and pull again")
        self._file.truncate(size)

    def add(self, page: Changes) -> None:
        """Makes a page durable, then the cursor after it."""
        for text in page.texts:
            self._file.write(text + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        mark = Mark(page.cursor, self._asked, self.path.stat().st_size)
        lay_down(self._mark_path, msgspec.json.encode(mark))
        self.cursor = page.cursor

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _mark(self) -> Mark:
        try:
            mark = msgspec.json.decode(self._mark_path.read_bytes(), type=Mark)
        except UNREADABLE as trouble:
            raise PullError(f"{self._mark_path} cannot be read: {trouble}") from trouble
        if mark.asked != self._asked:
            raise PullError(f"{self.path} holds the changes of {mark.asked!r}, not of {self._asked!r}")
        return mark

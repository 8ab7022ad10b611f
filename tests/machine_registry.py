"""A real registry in this process, on files that can be copied and put back."""

import shutil
import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from central_sync.photos import Photos
from central_sync.registry.api import Enrolled, RegistrySettings, build_app
from central_sync.registry.engines import open_engine
from central_sync.registry.runs import Entry
from central_sync.seal import NodeKey
from tests.held_parts import entries_of
from tests.machine_line import Answer, Request

COPIES = 3


@dataclass(frozen=True)
class HeldRow:
    """A record at a registry: its bytes, or the digest of what was refused, and why."""

    seq: int
    data: bytes
    head: bytes
    refused: str | None


@dataclass(frozen=True)
class Copy:
    """An older copy of a registry's files."""

    folder: Path
    through: int
    photos: set[str]


class RegistryOnDisk:
    """A registry that knows one node. ``peak`` and ``peak_photos``: the most that it ever held."""

    def __init__(self, folder: Path, node: Enrolled, *, allow_simulated: bool) -> None:
        self.folder, self.allow_simulated, self._node = folder, allow_simulated, node
        folder.mkdir()
        self.photos = Photos(folder / "photos")
        self.key = NodeKey.create(folder / "registry.key")
        self.copies: list[Copy] = []
        self.peak, self.peak_photos = 0, set[str]()
        self.policy_stays = False  # once restored: what is judged anew must come to the same
        self._running = AsyncExitStack()

    async def start(self) -> None:
        settings = RegistrySettings(
            dsn=f"sqlite:///{self.folder / 'registry.sqlite'}",
            photos_dir=self.folder / "photos",
            key_file=self.folder / "registry.key",
            allow_simulated=self.allow_simulated,
            nodes=(self._node,),
        )
        app = build_app(settings)
        await self._running.enter_async_context(app.router.lifespan_context(app))
        self._transport = httpx.ASGITransport(app)

    async def stop(self) -> None:
        await self._running.aclose()

    async def ask(self, request: Request) -> Answer:
        """Hands a request in; the answer as it would go out."""
        asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.content)
        response = await self._transport.handle_async_request(asked)
        answer = Answer(response.status_code, await response.aread(), dict(response.headers))
        self.peak, self.peak_photos = max(self.peak, self.through()), self.peak_photos | self.held_photos()
        return answer

    async def get(self, path: str) -> Answer:
        return await self.ask(Request("GET", f"http://registry{path}", [], b""))

    # ---- what it holds ---------------------------------------------------------------------------

    def _select(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "registry.sqlite")) as connection:
            return connection.execute(query).fetchall()

    def through(self) -> int:
        return int(self._select("SELECT through_seq FROM nodes")[0][0])

    def node(self) -> tuple[int, bytes, int]:
        """Through which record, the head there, and how many are held."""
        ((through, head, count),) = self._select("SELECT through_seq, head, records FROM nodes")
        return through, head, count

    def rows(self) -> list[HeldRow]:
        engine = open_engine(f"sqlite:///{self.folder / 'registry.sqlite'}")
        with engine.connect() as connection:
            rows = [_row(each) for each in entries_of(connection)]
        engine.dispose()
        return rows

    def named(self) -> dict[str, tuple[int, bool]]:
        """Photos that held records name: by which record first, and whether they are held."""
        found = self._select("SELECT sha256, seq, held FROM photos")
        return {digest: (seq, bool(held)) for digest, seq, held in found}

    def held_photos(self) -> set[str]:
        """Photos that are held, each of them whole."""
        held = {digest for digest, (_, held) in self.named().items() if held}
        return {digest for digest in held if self.photos.whole(digest) is not None}

    def holds_all_it_ever_did(self) -> bool:
        return self.through() >= self.peak and self.held_photos() >= self.peak_photos

    # ---- copies ----------------------------------------------------------------------------------

    def back_up(self) -> None:
        folder = self.folder / f"copy-{len(self.copies)}-{self.peak}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.photos.root, folder / "photos")
        with (
            closing(sqlite3.connect(self.folder / "registry.sqlite")) as source,
            closing(sqlite3.connect(folder / "registry.sqlite")) as target,
        ):
            source.backup(target)
        self.copies = [*self.copies, Copy(folder, self.through(), self.held_photos())][-COPIES:]

    async def restore(self, copy: Copy, photos_too: bool) -> None:
        await self.stop()
        for file in self.folder.glob("registry.sqlite*"):
            file.unlink()
        shutil.copy(copy.folder / "registry.sqlite", self.folder)
        if photos_too:
            shutil.rmtree(self.photos.root)
            shutil.copytree(copy.folder / "photos", self.photos.root)
        await self.start()


def _row(entry: Entry) -> HeldRow:
    if entry.instead is None:
        return HeldRow(entry.seq, entry.data, entry.head, None)
    return HeldRow(entry.seq, bytes.fromhex(entry.sha256), entry.head, entry.instead.why)

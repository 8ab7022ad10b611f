"""A whole node and its registries in one process, on real files: killed, restarted, restored, at once."""

import asyncio
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from central_sync.courier import Courier, Pace
from central_sync.journal import Journal, Roll
from central_sync.photos import Photos
from central_sync.registry.api import Enrolled, RegistrySettings, build_app
from central_sync.registry.packing import unpack
from central_sync.seal import NodeKey
from edge.desk import Desk
from edge.keeping import Keeping
from lanes.record import Draft
from tests.central_parts import START
from tests.machine_line import Answer, Line, Request
from tests.virtual_time import VirtualLoop

SITE, NODE, KEY = "site-1", "lane-1", NodeKey.generate()
PACE = Pace(max_records=4, photos_at_once=2)
COPIES = 3

Settled = Callable[[str, int, bytes], None]


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
    """A real registry application on its files. ``peak``: how far it ever held the node."""

    def __init__(self, folder: Path, *, allow_simulated: bool) -> None:
        self.folder, self.allow_simulated = folder, allow_simulated
        self.photos = Photos(folder / "photos")
        self.key = NodeKey.create(folder / "registry.key")
        self.copies: list[Copy] = []
        self.peak = 0
        self._running = AsyncExitStack()

    async def start(self) -> None:
        node = Enrolled(site=SITE, node=NODE, public_key=KEY.public, allow_simulated=True)
        settings = RegistrySettings(
            dsn=f"sqlite:///{self.folder / 'registry.sqlite'}",
            photos_dir=self.folder / "photos",
            key_file=self.folder / "registry.key",
            allow_simulated=self.allow_simulated,
            nodes=(node,),
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
        self.peak = max(self.peak, self.through())
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
        rows = self._select("SELECT seq, data, head, refused FROM records ORDER BY seq")
        return [
            HeldRow(seq, data if refused else unpack(data), head, refused)
            for seq, data, head, refused in rows
        ]

    def named(self) -> dict[str, tuple[int, bool]]:
        """Photos that held records name: by which record first, and whether they are held."""
        found = self._select("SELECT sha256, seq, held FROM photos")
        return {digest: (seq, bool(held)) for digest, seq, held in found}

    def held_photos(self) -> set[str]:
        """Photos that are held, each of them whole."""
        held = {digest for digest, (_, held) in self.named().items() if held}
        return {digest for digest in held if self.photos.whole(digest) is not None}

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


class WatchedJournal(Journal):
    """The real journal. Its loop knows of what it writes; ``settled`` sees each receipt; couriers may die."""

    loop: VirtualLoop
    settled: Settled
    dies_at: str = ""

    async def _submit(self, work: Callable[[], Any]) -> Any:
        writing = self.loop.counted(self.loop.create_future())
        try:
            return await super()._submit(work)
        finally:
            writing.set_result(None)

    async def settle(self, destination: str, through_seq: int, data: bytes) -> None:
        await self._dies("before settling")
        self.settled(destination, through_seq, data)
        await super().settle(destination, through_seq, data)
        await self._dies("after settling")

    async def append(self, *drafts: Draft) -> Any:
        appended = await super().append(*drafts)
        await self._dies("after appending")
        return appended

    async def _dies(self, where: str) -> None:
        if self.dies_at == where:
            await self.loop.create_future()  # whoever waits here is killed with the node

    async def rest(self) -> None:
        """Waits for what the journal does by itself: heads to sign, keys to merge."""
        await self._submit(lambda: None)
        if self._shelf._merging is not None:
            self._shelf._merging.join()


class Keeper:
    """What ``Keeping`` needs of a desk: a site that keeps nothing for long, and no inspection open."""

    own, own_all = Desk.own, Desk.own_all

    def __init__(self, journal: Journal, photos: Photos, prefix: str) -> None:
        self.journal, self.photos, self.prefix = journal, photos, prefix
        self.site = SimpleNamespace(photos=SimpleNamespace(keep_days=0), journal=SimpleNamespace(keep_days=0))

    def needed_from(self) -> int:
        return self.journal.head()[0] + 1


class Node:
    """Journal, photos, retention and one courier a destination."""

    def __init__(
        self,
        root: Path,
        loop: VirtualLoop,
        lines: dict[str, Line],
        keys: dict[str, str],
        settled: Settled,
        *,
        simulated: bool,
        roll_records: int,
    ) -> None:
        self._root, self._loop, self._lines, self._keys, self._settled = root, loop, lines, keys, settled
        self._simulated, self._roll = simulated, Roll(records=roll_records)
        self._incarnation = 0
        self.photos = Photos(root / "photos")

    @property
    def prefix(self) -> str:
        return "virtual+" if self._simulated else ""

    def clock(self) -> datetime:
        return START + timedelta(seconds=self._loop.now)

    @property
    def _folder(self) -> Path:
        return self._root / f"journal-{self._incarnation}"

    def start(self) -> None:
        """Opens the files and lets the couriers go."""
        self.journal = WatchedJournal(
            self._folder / "journal.sqlite",
            NODE,
            signer=KEY,
            clock=self.clock,
            roll=self._roll,
            source=f"{self.prefix}agent",
        )
        self.journal.loop, self.journal.settled = self._loop, self._settled
        self.keeping = Keeping(Keeper(self.journal, self.photos, self.prefix), list(self._lines))  # type: ignore[arg-type]
        self._clients = {
            name: httpx.AsyncClient(transport=line, base_url=f"http://{name}", timeout=None)
            for name, line in self._lines.items()
        }
        self.couriers = {name: self._courier(name, client) for name, client in self._clients.items()}
        self._tasks = [self._loop.create_task(courier.run()) for courier in self.couriers.values()]

    def _courier(self, name: str, client: httpx.AsyncClient) -> Courier:
        return Courier(
            site=SITE,
            node=NODE,
            journal=self.journal,
            photos=self.photos,
            signer=KEY,
            client=client,
            destination=name,
            registry_key=self._keys[name],
            pace=PACE,
            simulated=self._simulated,
        )

    def must_live(self) -> None:
        """Raises what a courier died of."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError("a courier has ended")

    async def stop(self) -> None:
        """Ends the couriers and closes the journal."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        await self.journal.rest()
        self.journal.close()

    async def kill(self) -> None:
        """The journal is what lies on the disk now; nothing is closed before that."""
        await self.journal.rest()
        before = self._folder
        self._incarnation += 1
        shutil.copytree(before, self._folder)
        await self.stop()
        shutil.rmtree(before)


def virtual_courier_time(patch: Any, loop: VirtualLoop) -> None:
    """The couriers' clock and dice are the test's."""
    clock = {**vars(time), "monotonic": loop.time}
    patch.setattr("central_sync.courier.time", SimpleNamespace(**clock))
    patch.setattr("central_sync.courier._random", random.Random(1))

"""A node in this process: journal, photos, retention and couriers, on files, killed and started again."""

import asyncio
import random
import shutil
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from central_sync.courier import Courier, Pace
from central_sync.journal import Journal, Roll
from central_sync.photos import Photos
from central_sync.seal import NodeKey
from edge.desk import Desk
from edge.keeping import Keeping
from lanes.record import Draft
from tests.central_parts import START
from tests.machine_line import Line
from tests.virtual_time import VirtualLoop

SITE, NODE, KEY = "site-1", "lane-1", NodeKey.generate()
PACE = Pace(max_records=4, photos_at_once=2, withhold_tries=2, withhold_s=60.0)

Settled = Callable[[str, int, bytes], None]


class WatchedJournal(Journal):
    """The real journal; its loop knows of what it writes. ``settled`` is told of each receipt before.

    ``dies_at``: where a courier stands still, to be killed there.
    """

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
    """What ``Keeping`` needs of a desk: a site that keeps nothing longer than it must, no inspection open."""

    own, own_all = Desk.own, Desk.own_all

    def __init__(self, journal: Journal, photos: Photos, prefix: str, keeps_refused: bool) -> None:
        self.journal, self.photos, self.prefix = journal, photos, prefix
        policy = SimpleNamespace(keep_days=0, keep_refused_days=None if keeps_refused else 0)
        self.site = SimpleNamespace(photos=policy, journal=policy, video=SimpleNamespace(keep_days=None))

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
        keeps_refused: bool,
        roll_records: int,
    ) -> None:
        self._root, self._loop, self._lines, self._keys, self._settled = root, loop, lines, keys, settled
        self._simulated, self._keeps_refused = simulated, keeps_refused
        self._roll = Roll(records=roll_records)
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
        keeper = Keeper(self.journal, self.photos, self.prefix, self._keeps_refused)
        self.keeping = Keeping(keeper, list(self._lines), self.photos)  # type: ignore[arg-type]
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

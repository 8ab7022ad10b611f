"""The road rig: devices, one node, two registries, a proxy before each, and faults on all of them.

The devices live here, so that nothing but an acknowledgement that really arrived counts as one: each repeats
its fact until the node has acknowledged it, and some facts again after that.
"""

import asyncio
import contextlib
import itertools
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx
import msgspec

from benchmarks.chaos import copies
from benchmarks.chaos.deck import Deck
from benchmarks.chaos.disk import Disk
from benchmarks.chaos.facts import Fact
from benchmarks.chaos.judge import judge_journal, judge_photos, judge_registry, judge_verification
from benchmarks.chaos.node import NODE, SITE, End, Plan
from benchmarks.chaos.processes import NodeProcess, RegistryProcess
from benchmarks.chaos.proxy import CUTS, NONSENSE, Proxy
from benchmarks.chaos.tally import Tally
from central_sync.batch import Standing
from central_sync.seal import NodeKey
from edge.centre import KEY_FILE
from edge.children import free_ports

DEVICES = 12
DEVICE_PAUSE_S = (0.02, 0.2)
AGAIN_S = 0.1  # after no answer
AGAIN = 0.05  # of the acknowledged facts are told once more
BETWEEN = (1 / 6, 11 / 6)  # two faults, times the mean
PAUSE_S, BAD_S, FULL_S = (0.2, 2.0), (2.0, 5.0), (0.5, 2.0)
DAY_S = 86_400
REPEATED = 12  # old requests at once
TORN_KEPT = 5  # folders of copies with findings
READY_S, DRAIN_S = 60.0, 240.0
BROKEN_DRAIN_S = 20.0  # a node broken on purpose may never drain
ORDERS_WAITING = 4  # faults that a proxy still has to do


@dataclass(frozen=True, kw_only=True)
class Road:
    """One registry and the way to it."""

    name: str
    registry: RegistryProcess
    proxy: Proxy
    port: int
    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "registry.sqlite"


def run_road(
    tally: Tally, seed: int, faults: int, broken: str, kinds: frozenset[str], pause_s: float
) -> None:
    """So many faults; what was found goes into the tally, and the folder stays when there was something."""
    folder = Path(tempfile.mkdtemp(prefix="chayan-road-"))
    asyncio.run(_run(tally, folder, seed, faults, broken, kinds, pause_s))
    if tally.good:
        shutil.rmtree(folder)
    else:
        print(f"kept for a look: {folder}", file=sys.stderr)


async def _run(
    tally: Tally, folder: Path, seed: int, faults: int, broken: str, kinds: frozenset[str], pause_s: float
) -> None:
    disk = Disk(folder / "disk")
    try:
        rig = Rig(tally, folder, disk, random.Random(seed), broken, kinds)
        async with rig.running():
            await rig.hurt(faults, pause_s)
            settled = await rig.drain()
        if settled:
            rig.judge()
    finally:
        if not tally.good and not disk.why_not:
            shutil.copytree(disk.folder, folder / "disk-at-the-end", dirs_exist_ok=True)
        disk.close()


class Rig:
    """Everything that runs, and the faults that can be done to it."""

    def __init__(
        self,
        tally: Tally,
        folder: Path,
        disk: Disk,
        dice: random.Random,
        broken: str,
        kinds: frozenset[str],
    ) -> None:
        self._tally, self._folder, self._disk, self._dice = tally, folder, disk, dice
        self._node_folder = disk.folder / "node"
        self._node_folder.mkdir()
        self._acknowledged: dict[str, int] = {}
        self._drain_s = BROKEN_DRAIN_S if broken else DRAIN_S
        self._quiet = asyncio.Event()
        self._clock, self._offset_s = folder / "clock", 0
        self._set_clock(0)
        self._copies = itertools.count(1)
        self._busy: set[asyncio.Task[None]] = set()
        key = NodeKey.load_or_create(self._node_folder / "node.key").public
        self._key = key
        self._roads = [self._road(f"registry-{n}", key, port) for n, port in enumerate(free_ports(2), 1)]
        self._node = self._make_node(broken)
        if disk.why_not and "full_disk" in kinds:
            tally.not_injected["full_disk"] = disk.why_not
            kinds -= {"full_disk"}
        if not kinds:
            raise ValueError(f"none of the kinds can be done here: {tally.not_injected}")
        self._deck = Deck(random.Random(dice.random()), kinds)
        self._kinds: dict[str, Callable[[], Awaitable[bool]]] = {
            "kill_node": self._kill_node,
            "kill_registry": self._kill_registry,
            "pause_node": self._pause_node,
            "pause_registry": self._pause_registry,
            "loss_and_delay": self._loss,
            "repeated": self._repeated,
            "clock_step": self._step,
            "full_disk": self._full,
            "torn_copy": self._torn,
            "roll_over": self._roll,
            "restored_registry": self._restore,
        }

    def _road(self, name: str, node_key: str, port: int) -> Road:
        folder = self._folder / name
        photos = folder / "photos"
        photos.mkdir(parents=True)
        database = folder / "registry.sqlite"
        command = [sys.executable, "-m", "edge", "central", "--dsn", f"sqlite:///{database}"]
        command += ["--photos", str(photos), "--port", str(port), "--allow-simulated"]
        command += ["--node", f"{SITE}/{NODE}={node_key}"]
        log = self._folder / f"{name}.log"
        return Road(
            name=name,
            registry=RegistryProcess(name, command, log, self._fell, database),
            proxy=Proxy(port, random.Random(self._dice.random()), self._done),
            port=port,
            folder=folder,
        )

    def _make_node(self, broken: str) -> NodeProcess:
        faked = _faketime()
        env = {}
        if faked:  # every clock of the process, not only the journal's
            env = {"LD_PRELOAD": faked, "FAKETIME_TIMESTAMP_FILE": str(self._clock)}
            env |= {
                "FAKETIME_CACHE_DURATION": "1",
                "DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        self._plan = Plan(
            folder=str(self._node_folder),
            ends=[],
            clock_file="" if faked else str(self._clock),
            broken=broken,
        )
        command = [sys.executable, "-m", "benchmarks.chaos.node", str(self._folder / "plan.json")]
        log = self._folder / "node.log"
        return NodeProcess(command, log, self._fell, self._acknowledge, env)

    # ---- running ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything up and the devices speaking; at the end all stopped in order."""
        tasks: list[asyncio.Task[None]] = []
        try:
            for road in self._roads:
                await road.proxy.start()
                road.registry.start()
            await self._answering()
            ends = [
                End(
                    name=road.name,
                    url=f"http://127.0.0.1:{road.proxy.port}",
                    key=NodeKey.load(road.folder / "photos" / KEY_FILE).public,
                )
                for road in self._roads
            ]
            plan = msgspec.structs.replace(self._plan, ends=ends)
            (self._folder / "plan.json").write_bytes(msgspec.json.encode(plan))
            self._node.start()
            tasks += [asyncio.create_task(road.registry.keep_backups()) for road in self._roads]
            tasks += [asyncio.create_task(self._device(number)) for number in range(1, DEVICES + 1)]
            yield
        finally:
            for task in (*tasks, *self._busy):
                task.cancel()
            await asyncio.gather(*tasks, *self._busy, return_exceptions=True)
            await self._node.end()
            for road in self._roads:
                await road.registry.end()
                await road.proxy.stop()

    async def _answering(self) -> None:
        async with httpx.AsyncClient() as client, asyncio.timeout(READY_S):
            for road in self._roads:
                while True:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await client.get(f"http://127.0.0.1:{road.port}/healthz")).is_success:
                            break
                    await asyncio.sleep(0.1)

    async def _device(self, device: int) -> None:
        """Tells its facts, one after the other, each until it is acknowledged."""
        dice = random.Random(device)
        for number in itertools.count(1):
            if self._quiet.is_set():
                return
            fact = Fact(device=device, number=number)
            await self._tell(fact)
            if dice.random() < AGAIN:
                await self._tell(fact)
            await asyncio.sleep(dice.uniform(*DEVICE_PAUSE_S))

    async def _tell(self, fact: Fact) -> None:
        while not await self._node.ask(fact):  # noqa: ASYNC110 - it asks again, it waits for no event
            await asyncio.sleep(AGAIN_S)

    def _acknowledge(self, identity: str, seq: int) -> None:
        before = self._acknowledged.setdefault(identity, seq)
        if before != seq:
            self._tally.doubled.append(f"fact {identity} was acknowledged as record {before} and as {seq}")

    def _fell(self, what: str) -> None:
        self._tally.fallen.append(what)

    # ---- faults ----------------------------------------------------------------------------------

    async def hurt(self, faults: int, pause_s: float) -> None:
        """Draws and does faults until there were so many."""
        goal = self._tally.faults.total() + faults
        shown = 0
        while self._tally.faults.total() < goal and len(self._tally.findings) < 100:
            kind = self._deck.draw()
            if kind in CUTS or kind in NONSENSE:
                await self._order(kind)
            else:
                task = asyncio.create_task(self._do(kind))
                self._busy.add(task)
                task.add_done_callback(self._busy.discard)
            await asyncio.sleep(self._dice.uniform(*BETWEEN) * pause_s)
            if self._tally.faults.total() >= shown + 50:
                shown = self._tally.faults.total()
                print(f"{shown} faults, {len(self._acknowledged)} facts acknowledged", file=sys.stderr)

    async def _order(self, kind: str) -> None:
        """A fault for the next exchange of one of the roads; the proxy counts it when it is done."""
        proxy = self._dice.choice(self._roads).proxy
        if len(proxy.orders) < ORDERS_WAITING:
            proxy.orders.append(kind)

    async def _do(self, kind: str) -> None:
        if await self._kinds[kind]():
            self._done(kind)

    def _done(self, kind: str) -> None:
        self._tally.faults[kind] += 1

    async def _kill_node(self) -> bool:
        return self._node.signal(signal.SIGKILL)

    async def _kill_registry(self) -> bool:
        return self._dice.choice(self._roads).registry.signal(signal.SIGKILL)

    async def _pause_node(self) -> bool:
        return await self._node.pause(self._dice.uniform(*PAUSE_S))

    async def _pause_registry(self) -> bool:
        return await self._dice.choice(self._roads).registry.pause(self._dice.uniform(*PAUSE_S))

    async def _loss(self) -> bool:
        self._dice.choice(self._roads).proxy.turn_bad(self._dice.uniform(*BAD_S))
        return True

    async def _repeated(self) -> bool:
        return await self._dice.choice(self._roads).proxy.repeat(REPEATED) > 0

    async def _step(self) -> bool:
        step = self._dice.choice((-DAY_S, DAY_S))
        self._set_clock(self._offset_s + (step if abs(self._offset_s + step) <= 2 * DAY_S else -step))
        return True

    def _set_clock(self, offset_s: int) -> None:
        self._offset_s = offset_s
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{offset_s:+d}", encoding="ascii")
        fresh.replace(self._clock)

    async def _full(self) -> bool:
        seconds = self._dice.uniform(*FULL_S)
        self._node.excused_until = time.monotonic() + seconds + 5
        await asyncio.to_thread(self._disk.fill, self._dice.choice((0, 4096, 100_000)))
        await asyncio.sleep(seconds)
        self._disk.free()
        return True

    async def _torn(self) -> bool:
        """Copies the journal's files as a power cut would leave them, tears the copy, and looks at it."""
        dice = random.Random(self._dice.random())
        torn = self._folder / f"torn-{next(self._copies)}"
        self._node.signal(signal.SIGSTOP)
        try:
            await asyncio.to_thread(copies.copy, self._node_folder, torn)
        except FileNotFoundError:  # it was not standing still: just starting or dying
            shutil.rmtree(torn, ignore_errors=True)
            return False
        finally:
            self._node.signal(signal.SIGCONT)
        what = copies.tear(torn, dice)
        found = await asyncio.to_thread(copies.examine, torn, self._node_folder, NODE, what) if what else []
        self._tally.changed += [f"{each} ({torn.name})" for each in found]
        if not found:
            shutil.rmtree(torn)
        return bool(what)

    async def _roll(self) -> bool:
        self._node.tell({"roll": True})
        return True

    async def _restore(self) -> bool:
        return await self._dice.choice(self._roads).registry.restore()

    # ---- the end ---------------------------------------------------------------------------------

    async def drain(self) -> bool:
        """No more faults and facts; whether both registries then came to hold everything in time."""
        if self._busy:
            await asyncio.wait(self._busy)
        for road in self._roads:
            road.proxy.heal()
        self._quiet.set()
        until = time.monotonic() + self._drain_s
        async with httpx.AsyncClient(timeout=10) as client:
            while time.monotonic() < until:
                await asyncio.sleep(0.5)
                if await self._settled(client):
                    self._tally.acknowledged = len(self._acknowledged)
                    return True
        self._fell(
            f"after {self._drain_s:.0f} s without faults the registries still lack something; see the logs"
        )
        return False

    async def _settled(self, client: httpx.AsyncClient) -> bool:
        """Both hold the same head, lack no photo, and nothing has moved for a while."""
        before = await self._standings(client)
        await asyncio.sleep(2.0)
        after = await self._standings(client)
        heads = {(each.through, each.head) for each in after}
        return len(after) == len(self._roads) and before == after and len(heads) == 1 and not any(
            each.wanted for each in after
        )  # fmt: skip

    async def _standings(self, client: httpx.AsyncClient) -> list[Standing]:
        found = []
        for road in self._roads:
            with contextlib.suppress(httpx.HTTPError, msgspec.MsgspecError):
                answer = await client.get(
                    f"http://127.0.0.1:{road.port}/v1/nodes/{NODE}", params={"site": SITE}
                )
                found.append(msgspec.json.decode(answer.content, type=Standing))
        return found

    def judge(self) -> None:
        """Everything stands still: compares what was acknowledged, the journal, and both registries."""
        chain = judge_journal(self._tally, self._node_folder, NODE, self._acknowledged)
        judge_verification(self._tally, self._node_folder, self._key)
        judge_photos(self._tally, "node", self._node_folder / "photos", chain)
        for road in self._roads:
            judge_registry(self._tally, road.name, road.database, NODE, chain)
            judge_photos(self._tally, road.name, road.folder / "photos", chain)


def _faketime() -> str:
    """libfaketime's library where the package is installed and has one for this machine."""
    found = find_spec("libfaketime")
    if found is None or found.origin is None:
        return ""
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return str(library) if library.exists() else ""

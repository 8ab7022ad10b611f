"""The rig's node: a real journal, photo store and couriers; its devices speak over standard input.

``python -m benchmarks.chaos.node PLAN``. A line in: ``{"device": 1, "number": 5}``, or ``{"roll": true}``.
A line out, written the moment the record is durable: ``{"device": 1, "number": 5, "seq": 12}``, or ``no``
with the reason. Ends with status 3 when the journal cannot be opened, and says why.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmarks.chaos.facts import Fact
from central_sync.courier import Courier, Pace
from central_sync.journal import Journal, Roll, now_utc
from central_sync.photos import Photos
from central_sync.seal import NodeKey
from central_sync.volumes import JournalError

SITE, NODE = "rig-site", "rig-node"
CANNOT_OPEN = 3
AGAIN_S = 0.2
EARLY = 0  # no record has this number
REPEATS = 7  # of so many facts one is repeated under another key by a node broken like that
EARLY_S = 0.3  # of the node that acknowledges what it has not kept yet
PACE = Pace(first_pause=0.05, longest_pause=0.8, recheck=2.0, max_records=200)
BALLAST_BYTES = 1 << 20


class End(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that gets everything."""

    name: str
    url: str
    key: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How the rig's node runs. ``broken``: a fault of its own that the judge must find."""

    folder: str
    ends: list[End]
    clock_file: str = ""  # seconds that the wall clock is off; read at every look
    roll_records: int = 1000
    broken: str = ""


def clock_of(file: str) -> Callable[[], datetime]:
    """The wall clock, off by as many seconds as the file says."""
    if not file:
        return now_utc
    path = Path(file)
    return lambda: datetime.now(UTC) + timedelta(seconds=float(path.read_text(encoding="ascii")))


class Node:
    """Takes what devices say, answers once it is durable."""

    def __init__(self, plan: Plan, journal: Journal, photos: Photos) -> None:
        self._broken, self._journal, self._photos = plan.broken, journal, photos
        self._run = secrets.token_hex(4)
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, line: bytes) -> None:
        """One line from the devices."""
        task = asyncio.create_task(self._take(msgspec.json.decode(line)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(self, asked: dict[str, Any]) -> None:
        if "roll" in asked:
            with contextlib.suppress(JournalError):
                await self._journal.roll()
            return
        fact = Fact(device=asked["device"], number=asked["number"])
        if self._broken == "ack-early":
            _say({**asked, "seq": EARLY})
            await asyncio.sleep(EARLY_S)
        try:
            seq = await self._keep(fact)
        except (JournalError, OSError) as error:
            _say({**asked, "no": str(error)})
            return
        if self._broken != "ack-early":
            _say({**asked, "seq": seq})

    async def _keep(self, fact: Fact) -> int:
        photo = fact.photo()
        if photo is not None and self._broken != "no-photo":
            await asyncio.to_thread(self._photos.put, photo)
        key = f"{self._run}/{fact.number}" if self._broken == "new-key" else ""
        [appended] = await self._journal.append(fact.draft(key))
        if self._broken == "new-key" and fact.number % REPEATS == 0:  # a repetition, as after a lost answer
            await self._journal.append(fact.draft(f"{key}-again"))
        return appended.record.seq


def _say(answer: dict[str, Any]) -> None:
    os.write(sys.stdout.fileno(), json.dumps(answer).encode() + b"\n")


async def run(plan: Plan) -> None:
    """Runs until SIGTERM or the end of standard input; raises JournalError when it cannot begin."""
    folder = Path(plan.folder)
    key = NodeKey.load_or_create(folder / "node.key")
    photos = Photos(folder / "photos")
    journal = Journal(
        folder / "journal.sqlite",
        NODE,
        signer=key,
        clock=clock_of(plan.clock_file),
        roll=Roll(records=plan.roll_records),
        ballast_bytes=BALLAST_BYTES,
        source="virtual+agent",
    )
    try:
        async with contextlib.AsyncExitStack() as clients:
            tasks = []
            for end in plan.ends:
                client = await clients.enter_async_context(httpx.AsyncClient(base_url=end.url, timeout=10))
                tasks.append(asyncio.create_task(_deliver(end, client, journal, photos, key)))
            tasks.append(asyncio.create_task(_listen(Node(plan, journal, photos))))
            await _first(tasks)
    finally:
        journal.close()


async def _first(tasks: list["asyncio.Task[None]"]) -> None:
    """Until one of them ends or SIGTERM comes; what fell is raised."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, stopping):
        task.cancel()
    await asyncio.gather(*tasks, stopping, return_exceptions=True)
    for task in done:
        task.result()


async def _deliver(
    end: End, client: httpx.AsyncClient, journal: Journal, photos: Photos, key: NodeKey
) -> None:
    while True:
        courier = Courier(
            site=SITE,
            node=NODE,
            journal=journal,
            photos=photos,
            signer=key,
            client=client,
            destination=end.name,
            registry_key=end.key,
            pace=PACE,
            simulated=True,
        )
        try:
            await courier.run()
        except (JournalError, OSError) as error:  # a full disk; the agent starts a fallen loop again, too
            print(f"courier {end.name}: {error}", file=sys.stderr)
            await asyncio.sleep(AGAIN_S)


async def _listen(node: Node) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    while line := await reader.readline():
        node.take(line)


def main() -> int:
    """Runs the plan of a file."""
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    try:
        asyncio.run(run(plan))
    except (JournalError, OSError) as error:
        print(f"cannot run: {error}", file=sys.stderr)
        return CANNOT_OPEN
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

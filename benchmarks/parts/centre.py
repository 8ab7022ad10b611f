"""A real registry in its own process, and a node's journal, batches and courier to feed it with."""

import asyncio
import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.parts.visits import visit
from central_sync import batch as wire
from central_sync.courier import Courier
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.seal import NodeKey
from central_sync.volumes import Row
from edge.centre import KEY_FILE
from edge.children import free_ports
from lanes.record import Draft, genesis

NODE = "bench-node"
READY_S, END_S = 60.0, 30.0
TOGETHER = 2000  # drafts that are appended at once when a backlog is made


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """A running registry: its address, the key it countersigns with, and a site that it has not seen yet."""

    url: str
    key: str
    site: str


@contextlib.contextmanager
def registry(folder: Path, node_key: str, dsn: str = "") -> Iterator[Centre]:
    """A registry that knows the node; on SQLite in the folder, or on the database of a DSN."""
    folder.mkdir(parents=True)
    [port] = free_ports(1)
    command = [sys.executable, "-m", "edge", "central", "--photos", str(folder), "--port", str(port)]
    command += ["--dsn", dsn or f"sqlite:///{folder / 'registry.sqlite'}"]
    site = f"bench-{secrets.token_hex(6)}"
    command += ["--allow-simulated", "--node", f"{site}/{NODE}={node_key}"]
    with serving(folder / "registry.log", command, port) as url:
        yield Centre(url=url, key=NodeKey.load(folder / KEY_FILE).public, site=site)


@contextlib.contextmanager
def serving(log: Path, command: Sequence[str], port: int) -> Iterator[str]:
    """The address of a service that listens on that port; what it prints goes into the log."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        _answering(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(END_S)


def _answering(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Returns when a service answers; raises RuntimeError with the end of its log."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/healthz").is_success:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the service did not begin: {log.read_text(encoding='utf-8')[-1000:]}")


async def fill(journal: Journal, records: int, photos: Photos | None = None) -> None:
    """Whole visits, until there are so many records or a few more."""
    number = 0
    while journal.head()[0] < records:
        drafts: list[Draft] = []
        while len(drafts) < min(TOGETHER, records - journal.head()[0]):
            made = visit(number, str(number % 16 + 1), journal.head()[0] + len(drafts) + 1)
            drafts += made.drafts
            number += 1
            for photo in made.photos if photos else ():
                assert photos is not None
                photos.put(photo)
        await journal.append(*drafts)


def batches(journal: Journal, key: NodeKey, site: str, size: int = wire.MAX_RECORDS) -> list[bytes]:
    """The whole journal as encoded batches."""
    made, after, prev = [], 0, genesis(NODE)
    while rows := journal.rows(after, size):
        fitting: Sequence[Row] = rows[: wire.fit(rows, size)]
        made.append(wire.encode_batch(wire.compose(site, NODE, fitting, prev, key)))
        after, prev = fitting[-1].seq, fitting[-1].head
    return made


async def feed(url: str, *nodes: Sequence[bytes]) -> float:
    """Seconds that a registry takes for batches that lie ready, each node's one after the other."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
    async with httpx.AsyncClient(base_url=url, timeout=120) as client:

        async def send(bodies: Sequence[bytes]) -> None:
            for body in bodies:
                (await client.post("/v1/batches", content=body, headers=headers)).raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*map(send, nodes))
        return time.perf_counter() - began


@contextlib.asynccontextmanager
async def delivering(
    journal: Journal,
    photos: Photos,
    key: NodeKey,
    centre: Centre,
    name: str,
    url: str = "",
) -> AsyncIterator[Courier]:
    """A courier at work; ``url`` when it goes through a proxy."""
    async with httpx.AsyncClient(base_url=url or centre.url, timeout=60) as client:
        courier = Courier(
            site=centre.site,
            node=NODE,
            journal=journal,
            photos=photos,
            signer=key,
            client=client,
            destination=name,
            registry_key=centre.key,
            simulated=True,
        )
        running = asyncio.create_task(courier.run())
        try:
            yield courier
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def settled(courier: Courier, through: int, photos: bool = False) -> None:
    """Returns when the centre has confirmed so many records, and with ``photos`` wants no more of them."""
    while courier.progress.accepted_through < through or (  # noqa: ASYNC110 - a value, no event
        photos and courier.progress.photos_wanted
    ):
        await asyncio.sleep(0.005)

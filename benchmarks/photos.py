"""Photos a second from a real courier to a real registry, beside what disk and HTTP alone allow.

All three get the same photos in the same run, so many at once. ``disk``: bare threads, each with a temporary
file, fsync, rename, fsync of the folder. ``http``: the courier's client puts them to a process that keeps
nothing. ``courier``: a node whose records the registry holds already, until it wants no photo more.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from benchmarks.parts.centre import NODE, delivering, registry, settled
from central_sync.courier import PHOTOS, Pace
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.seal import NodeKey
from edge.children import free_ports
from lanes.record import Draft, Photographed

ROUNDS = 3
READY_S, END_S = 30.0, 30.0
LIMIT_S = 1800.0  # for the photos of one round
ROOT = Path(__file__).resolve().parents[1]


async def take(journal: Journal, photos: Photos, count: int, size: int) -> list[bytes]:
    """So many photos of about this size, kept by the node and named by its records."""
    dice, made, drafts = random.Random(1), [], []
    for number in range(count):
        photo = b"\xff\xd8\xff\xe0" + dice.randbytes(size - 4)
        body = Photographed(shot="0111", photo=photos.put(photo), size_bytes=size, officer="officer-01")
        drafts.append(Draft(source="virtual+pda", source_key=f"{number}", body=body, inspection="V1"))
        made.append(photo)
    await journal.append(*drafts)
    return made


def disk(folder: Path, photos: Sequence[bytes], at_once: int) -> float:
    """Photos a second of bare threads that make each as durable as the registry must."""
    for byte in range(256):
        (folder / f"{byte:02x}").mkdir(parents=True)

    def keep(photo: bytes) -> None:
        target = folder / (digest := hashlib.sha256(photo).hexdigest())[:2] / digest
        with target.with_suffix(".part").open("wb") as file:
            file.write(photo)
            file.flush()
            os.fsync(file.fileno())
        target.with_suffix(".part").rename(target)
        descriptor = os.open(target.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)

    with ThreadPoolExecutor(at_once) as threads:
        began = time.perf_counter()
        list(threads.map(keep, photos))
        return len(photos) / (time.perf_counter() - began)


@contextlib.contextmanager
def bare_server() -> Iterator[str]:
    """A server that keeps nothing, in a process of its own; its address."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.parts.sink", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        until = time.monotonic() + READY_S
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}")
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(END_S)


async def http(photos: Sequence[bytes], at_once: int) -> float:
    """Photos a second that the client puts to a server that keeps nothing."""
    waiting = iter(photos)
    with bare_server() as url:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:

            async def put() -> None:
                for photo in waiting:
                    (await client.put("/v1/photos/0", content=photo)).raise_for_status()

            began = time.perf_counter()
            await asyncio.gather(*(put() for _ in range(at_once)))
            return len(photos) / (time.perf_counter() - began)


async def courier(folder: Path, journal: Journal, photos: Photos, key: NodeKey, count: int) -> float:
    """Photos a second until the registry wants no more of them."""
    through, name = journal.head()[0], folder.name
    with registry(folder, key.public) as centre:
        async with delivering(journal, Photos(folder / "none"), key, centre, name) as records:
            await settled(records, through)
        began = time.perf_counter()
        async with delivering(journal, photos, key, centre, name), asyncio.timeout(LIMIT_S):
            while journal.receipts().get(f"{name}{PHOTOS}", 0) < through:  # noqa: ASYNC110 - a value
                await asyncio.sleep(0.05)
            return count / (time.perf_counter() - began)


async def compare(folder: Path, count: int, size: int, at_once: int) -> dict[str, Any]:
    """Photos a second of all three, by the median of the rounds, and the courier's part of the others."""
    key, photos = NodeKey.generate(), Photos(folder / "photos")
    with closing(Journal(folder / "journal.sqlite", NODE, signer=key)) as journal:
        made = await take(journal, photos, count, size)
        rounds = []
        for number in range(ROUNDS):
            bare = disk(folder / f"disk-{number}", made, at_once)
            wire = await http(made, at_once)
            ours = await courier(folder / f"courier-{number}", journal, photos, key, count)
            rounds.append((ours, bare, wire))
            sys.stderr.write(f"courier {ours:.0f}/s, disk {bare:.0f}/s, http {wire:.0f}/s\n")
    ours, bare, wire = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "photos": count,
        "bytes": size,
        "at_once": at_once,
        "rounds": ROUNDS,
        "courier_per_s": round(ours),
        "disk_per_s": round(bare),
        "http_per_s": round(wire),
        "disk_ratio": round(statistics.median(each[0] / each[1] for each in rounds), 3),
        "http_ratio": round(statistics.median(each[0] / each[2] for each in rounds), 3),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="photos --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.photos", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--photos", type=int, default=600, help="photos a round (default 600)")
    parser.add_argument("--kb", type=int, default=300, help="size of each (default 300)")
    at_once = Pace().photos_at_once
    parser.add_argument("--at-once", type=int, default=at_once, help=f"of the peers (default {at_once})")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if min(chosen.photos, chosen.kb, chosen.at_once) < 1:
        parser.error("--photos, --kb and --at-once must be at least 1")
    with tempfile.TemporaryDirectory(prefix="chayan-bench-") as folder:
        found = asyncio.run(compare(Path(folder), chosen.photos, chosen.kb * 1000, chosen.at_once))
    if chosen.json:
        print(json.dumps({"benchmark": "photos", **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

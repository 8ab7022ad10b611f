"""72 simulated hours without a line at a site of 16 lanes: memory, pages, and the drain afterwards.

16 lanes x 13 inspections a day are 8.7 an hour, 624 in 72 hours; with 107 records and 12 photos each that
makes 67 000 records and 7 500 photos. They are written through the node's own desk, one record after the
other as devices do, as fast as they go, while its pages are asked for all along and a courier tries in vain.
The peer of the drain is a registry process of its own that gets the same records as batches that lie ready.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from benchmarks.parts.centre import NODE, Centre, batches, delivering, feed, registry, settled
from benchmarks.parts.visits import visit
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.seal import NodeKey
from edge.acts import Acts
from edge.api import build_api
from edge.children import free_ports
from edge.demo_site import Ports, site_text
from edge.desk import Desk
from edge.roads import Links
from edge.rulebook import read_rulebook
from edge.settings import load

VISITS_A_DAY = 13  # of one lane
BETWEEN_PAGES_S = 0.005
PHOTOS_S = 1800.0  # for all photos to arrive


class Node:
    """The desk of a site of so many lanes, and its pages without a network."""

    def __init__(self, folder: Path, lanes: int, journal: Journal) -> None:
        self.lanes, self.journal = lanes, journal
        path = folder / "site.toml"
        addresses = {str(number): "tcp://127.0.0.1:502" for number in range(1, lanes + 1)}
        path.write_text(site_text(folder, Ports(1883, 0, 8600, 8700), addresses, NODE), "utf-8")
        self.photos = Photos(folder / "photos")
        self.desk = Desk(load(path), journal, self.photos, read_rulebook())
        app = build_api(self.desk, Acts(self.desk), Links({}), "token", None)
        self.pages = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://node")
        self.visits = 0
        self.latest = ""

    async def inspect(self) -> None:
        """One visit, record by record."""
        lane = str(self.visits % self.lanes + 1)
        made = visit(self.visits, lane, self.journal.head()[0] + 1)
        for photo in made.photos:
            await self.desk.keep(photo)
        for draft in made.drafts:
            await self.desk.append(draft.source, draft.source_key, draft.body, draft.inspection)
            self.latest = draft.inspection or self.latest
        self.visits += 1

    async def ask(self, took: list[float]) -> None:
        """Board, list and one inspection, over and over; seconds of each answer."""
        while True:
            for page in ("board", "inspections?state=all", f"inspections/{self.latest}"):
                began = time.perf_counter()
                (await self.pages.get(f"/api/v1/{page}")).raise_for_status()
                took.append(time.perf_counter() - began)
                await asyncio.sleep(BETWEEN_PAGES_S)


def rss_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def slope(values: Sequence[float]) -> float:
    """Growth a step, by least squares over the second half; the first fills caches."""
    half = values[len(values) // 2 :]
    return statistics.linear_regression(range(len(half)), half).slope if len(half) > 1 else 0.0


async def stay_offline(node: Node, hours: int) -> dict[str, Any]:
    """So many simulated hours; memory at each, pages of each day."""
    await node.inspect()
    memory, days = [], []
    took: list[float] = []
    for hour in range(1, hours + 1):
        asking = asyncio.create_task(node.ask(took))
        while node.visits < round(hour * node.lanes * VISITS_A_DAY / 24):
            await node.inspect()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        memory.append(rss_mb())
        if hour % 24 == 0 or hour == hours:
            days.append(_percentiles(took))
            sys.stderr.write(
                f"hour {hour}: {node.journal.head()[0]} records, {memory[-1]:.0f} MB, {days[-1]}\n"
            )
            took.clear()
    return {
        "hours": hours,
        "inspections": node.visits,
        "records": node.journal.head()[0],
        "rss_mb": [round(memory[0], 1), round(memory[-1], 1)],
        "rss_mb_per_hour": round(slope(memory), 3),
        "pages_by_day_ms": days,
    }


def _percentiles(took: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took) or [0.0]
    at = {"p50": 0.5, "p99": 0.99}
    found = {name: round(ordered[int(part * (len(ordered) - 1))] * 1000, 1) for name, part in at.items()}
    return {**found, "asked": len(took)}


async def come_back(folder: Path, node: Node, key: NodeKey) -> dict[str, Any]:
    """The drain of the backlog, beside the registry alone."""
    with registry(folder / "alone", key.public) as centre:
        bodies = batches(node.journal, key, centre.site)
        through = node.journal.head()[0]
        alone = through / await feed(centre.url, bodies)
    with registry(folder / "centre", key.public) as centre:
        began = time.perf_counter()
        async with delivering(node.journal, node.photos, key, centre, "back") as courier:
            await settled(courier, through)
            drained = through / (time.perf_counter() - began)
            async with asyncio.timeout(PHOTOS_S):
                while node.journal.receipts().get("back#photos", 0) < through:  # noqa: ASYNC110 - a value
                    await asyncio.sleep(0.1)
            photos_s = time.perf_counter() - began
    return {
        "registry_alone_per_s": round(alone),
        "drain_per_s": round(drained),
        "drain_ratio": round(drained / alone, 3),
        "all_photos_after_s": round(photos_s, 1),
    }


async def run(folder: Path, hours: int, lanes: int) -> dict[str, Any]:
    """Away, and back."""
    key = NodeKey.generate()
    nowhere = Centre(url=f"http://127.0.0.1:{free_ports(1)[0]}", key="", site="bench-nowhere")
    with closing(Journal(folder / "journal.sqlite", NODE, signer=key)) as journal:
        node = Node(folder, lanes, journal)
        async with node.pages:
            async with delivering(journal, node.photos, key, nowhere, "nowhere"):
                found = await stay_offline(node, hours)
            return found | await come_back(folder, node, key)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="offline --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.offline", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--hours", type=int, default=72, help="simulated hours without a line (default 72)")
    parser.add_argument("--lanes", type=int, default=16, help="lanes of the site (default 16)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if chosen.hours < 1 or chosen.lanes < 1:
        parser.error("--hours and --lanes must be at least 1")
    with tempfile.TemporaryDirectory(prefix="chayan-bench-") as folder:
        found = asyncio.run(run(Path(folder), chosen.hours, chosen.lanes))
    sys.stderr.write(f"{found}\n")
    if chosen.json:
        print(json.dumps({"benchmark": "offline", "lanes": chosen.lanes, **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

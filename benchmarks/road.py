"""Records a second from append to settled receipt, beside the registry alone in the same run.

The peer is a registry process of its own that gets the same records as batches that lie ready, one after the
other over one connection. ``drain``: a real courier empties a backlog into a fresh registry. ``live``:
devices append all the while; the time runs from the first append to the last receipt.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.parts.centre import NODE, batches, delivering, feed, fill, registry, settled
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.seal import NodeKey
from lanes.record import Draft, parse

ROUNDS = 3
PRODUCERS = 16


async def alone(folder: Path, journal: Journal, key: NodeKey, dsn: str) -> float:
    """Seconds of the peer."""
    with registry(folder, key.public, dsn) as centre:
        return await feed(centre.url, batches(journal, key, centre.site))


async def drain(folder: Path, journal: Journal, key: NodeKey, dsn: str) -> float:
    """Seconds until a backlog is settled."""
    photos = Photos(folder.with_name(f"{folder.name}-photos"))
    with registry(folder, key.public, dsn) as centre:
        began = time.perf_counter()
        async with delivering(journal, photos, key, centre, folder.name) as courier:
            await settled(courier, journal.head()[0])
            return time.perf_counter() - began


async def live(folder: Path, source: Journal, key: NodeKey, dsn: str) -> float:
    """Seconds from the first append to the last receipt, with the courier at work all the while."""
    drafts = iter([_again(row.data) for row in source.rows(0, source.head()[0])])
    photos = Photos(folder.with_name(f"{folder.name}-photos"))
    with (
        registry(folder, key.public, dsn) as centre,
        closing(Journal(folder / "journal.sqlite", NODE, signer=key)) as journal,
    ):

        async def produce() -> None:
            for draft in drafts:
                await journal.append(draft)

        async with delivering(journal, photos, key, centre, folder.name) as courier:
            began = time.perf_counter()
            await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
            await settled(courier, journal.head()[0])
            return time.perf_counter() - began


def _again(data: bytes) -> Draft:
    made = parse(data)
    return Draft(source=made.source, source_key=made.source_key, inspection=made.inspection, body=made.body)


async def compare(folder: Path, count: int, dsn: str) -> dict[str, Any]:
    """Records a second of all three, by the median of the rounds, and the ratios to the peer."""
    key = NodeKey.generate()
    with closing(Journal(folder / "journal.sqlite", NODE, signer=key)) as journal:
        await fill(journal, count)
        through = journal.head()[0]
        rounds = []
        for number in range(ROUNDS):
            theirs = through / await alone(folder / f"alone-{number}", journal, key, dsn)
            drained = through / await drain(folder / f"drain-{number}", journal, key, dsn)
            lively = through / await live(folder / f"live-{number}", journal, key, dsn)
            rounds.append((theirs, drained, lively))
            print(_words(*rounds[-1]), file=sys.stderr)
    theirs, drained, lively = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "records": through,
        "rounds": ROUNDS,
        "registry_alone_per_s": round(theirs),
        "drain_per_s": round(drained),
        "live_per_s": round(lively),
        "drain_ratio": round(statistics.median(each[1] / each[0] for each in rounds), 3),
        "live_ratio": round(statistics.median(each[2] / each[0] for each in rounds), 3),
    }


def _words(theirs: float, drained: float, lively: float) -> str:
    return (
        f"registry alone {theirs:.0f}/s, drain {drained:.0f}/s ({drained / theirs:.2f}), "
        f"live {lively:.0f}/s ({lively / theirs:.2f})"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="road --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.road", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--records", type=int, default=20_000, help="records a round (default 20000)")
    parser.add_argument("--dsn", default="", help="database of the registries; default: SQLite")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="chayan-bench-") as folder:
        found = asyncio.run(compare(Path(folder), max(1, chosen.records), chosen.dsn))
    database = "postgresql" if chosen.dsn else "sqlite"
    if chosen.json:
        print(json.dumps({"benchmark": "road", "database": database, **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

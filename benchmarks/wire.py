"""Bytes on the wire for the records of an inspection, beside the same records as plain JSON.

Batches and receipts are counted by a proxy between a real courier and a real registry, heads of requests and
answers included, without TCP and TLS; photos go along and are not counted. The peer is the canonical JSON of
the records, one a line, without any transport. Once with one batch an inspection, as at a quiet lane, once
with batches of 1000, as after a day without a line.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.chaos.proxy import Proxy
from benchmarks.parts.centre import NODE, delivering, registry, settled
from benchmarks.parts.visits import visit
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.seal import NodeKey


async def measure(folder: Path, visits: int, together: bool) -> dict[str, Any]:
    """Bytes up and down for so many visits; ``together``: the courier begins when all are in the journal."""
    key = NodeKey.generate()
    with (
        registry(folder, key.public) as centre,
        closing(Journal(folder / "journal.sqlite", NODE, signer=key)) as journal,
    ):
        proxy = Proxy(urlsplit(centre.url).port or 0, random.Random(0), lambda _: None)
        await proxy.start()
        photos, url = Photos(folder / "mine"), f"http://127.0.0.1:{proxy.port}"
        written = await _write(journal, photos, range(visits)) if together else 0
        async with delivering(journal, photos, key, centre, "centre", url) as courier:
            for number in range(0 if together else visits):
                written += await _write(journal, photos, [number])
                await settled(courier, journal.head()[0], photos=True)
            await settled(courier, journal.head()[0])
        await proxy.stop()
        raw = sum(len(row.data) + 1 for row in journal.rows(0, journal.head()[0]))
    return {
        "batches": "1000 records" if together else "one an inspection",
        "inspections": visits,
        "records_per_inspection": round(written / visits, 1),
        "json_bytes": round(raw / visits),
        "up_bytes": round(proxy.bytes_up / visits),
        "down_bytes": round(proxy.bytes_down / visits),
        "ratio": round((proxy.bytes_up + proxy.bytes_down) / raw, 3),
    }


async def _write(journal: Journal, photos: Photos, numbers: Sequence[int]) -> int:
    before = journal.head()[0]
    for number in numbers:
        made = visit(number, "1", journal.head()[0] + 1)
        for photo in made.photos:
            photos.put(photo)
        await journal.append(*made.drafts)
    return journal.head()[0] - before


async def compare(folder: Path, visits: int) -> list[dict[str, Any]]:
    """Both cases."""
    return [await measure(folder / str(together), visits, together) for together in (False, True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="wire --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.wire", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--visits", type=int, default=100, help="inspections in each case (default 100)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="chayan-bench-") as folder:
        cases = asyncio.run(compare(Path(folder), max(1, chosen.visits)))
    for case in cases:
        sys.stderr.write(
            f"{case['batches']:>18}: {case['up_bytes']} B up, {case['down_bytes']} B down an inspection of "
            f"{case['records_per_inspection']} records; plain JSON {case['json_bytes']} B; "
            f"ratio {case['ratio']}\n"
        )
    if chosen.json:
        print(json.dumps({"benchmark": "wire", "cases": cases}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""A courier with its real journal in a process of its own; run, and killed, by test_central_withheld.py.

``python -m tests.courier_process FOLDER SITE NODE URL``: FOLDER has ``journal.sqlite`` and ``node.key``.
"""

import asyncio
import sys
from pathlib import Path

import httpx

from central_sync.courier import Courier, Pace
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.seal import NodeKey

PACE = Pace(
    first_pause=0.01, longest_pause=0.05, recheck=0.3, max_records=8, withhold_tries=3, withhold_s=0.3
)


async def deliver(folder: Path, site: str, node: str, url: str) -> None:
    """Sends and settles until it is killed."""
    journal, key = Journal(folder / "journal.sqlite", node), NodeKey.load(folder / "node.key")
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        photos = Photos(folder / "photos")
        fixed = {"site": site, "node": node, "journal": journal, "photos": photos, "signer": key}
        await Courier(client=client, pace=PACE, **fixed).run()  # type: ignore[arg-type]


if __name__ == "__main__":
    asyncio.run(deliver(Path(sys.argv[1]), *sys.argv[2:]))

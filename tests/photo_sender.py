"""A courier in its own process that hands over what its journal names; run by test_photo_road.py.

``python -m tests.photo_sender FOLDER URL SITE NODE``: until it is killed.
"""

import asyncio
import sys
from pathlib import Path

import httpx

from central_sync.courier import Courier, Pace
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.seal import NodeKey


async def main() -> None:
    """Sends for ever."""
    folder, url, site, node = Path(sys.argv[1]), *sys.argv[2:]
    key = NodeKey.load(folder / "node.key")
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        courier = Courier(
            site=site,
            node=node,
            journal=Journal(folder / "journal.sqlite", node, signer=key),
            photos=Photos(folder / "photos"),
            signer=key,
            client=client,
            pace=Pace(first_pause=0.02, longest_pause=0.2, recheck=0.3),
        )
        await courier.run()


if __name__ == "__main__":
    asyncio.run(main())

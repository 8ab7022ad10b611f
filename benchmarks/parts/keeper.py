"""Appends numbered records to a journal, one after the other, and says each number once it is durable.

``python -m benchmarks.parts.keeper FOLDER``: until it is killed.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from central_sync.journal import Journal
from lanes.record import Draft, Sensed


async def keep(folder: Path) -> None:
    """Appends until it is killed."""
    journal = Journal(folder / "journal.sqlite", "bench-node")
    for n in itertools.count(1):
        body = Sensed(lane="1", station="gate", sensor="occupied", on=True)
        await journal.append(Draft(source="virtual+bench", source_key=str(n), body=body))
        os.write(1, b"%d\n" % n)


if __name__ == "__main__":
    asyncio.run(keep(Path(sys.argv[1])))

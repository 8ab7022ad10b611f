"""What append, find, rows, replay and opening cost as a journal grows, beside the same at 10 000 records.

The peer is the journal's own younger self, measured in the same run on the same disk. Volumes of the real
format with a real chain are filled by bulk inserts between the sizes, and rolled over by the journal itself.
"""

import argparse
import asyncio
import itertools
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from central_sync import ledger
from central_sync.journal import Journal
from central_sync.volumes import numbers_at, volume_path
from lanes.record import Draft, Record, Sensed, canonical, link, parse

NODE, SOURCE = "bench-node", "virtual+bench"
FIRST = 10_000
VOLUME = 900_000  # records; below the journal's own limit, so that appends of the measurement begin none
TRANSACTION = 20_000
TIMES = 300  # of each operation; the median counts
ROWS, REPLAYED = 500, 5000
MERGE_S = 1800.0


def sizes(top: int) -> list[int]:
    """10^4, 10^5 … up to ``top``."""
    return list(itertools.takewhile(lambda size: size <= top, (FIRST * 10**n for n in range(8))))


def _sensed(seq: int) -> Record:
    body = Sensed(lane="1", station="gate", sensor="occupied", on=bool(seq % 2))
    at = datetime.fromtimestamp(1_790_000_000 + seq, UTC)
    key, inspection = f"{seq:010d}", f"V{seq // 100:08d}"
    return Record(
        seq=seq, at=at, tick_ms=seq, source=SOURCE, source_key=key, inspection=inspection, body=body
    )


async def grow(path: Path, to: int) -> None:
    """Fills the journal up to ``to`` records; it may not be open."""
    while True:
        with closing(Journal(path, NODE)) as journal:
            seq, head = journal.head()
            room = VOLUME - (seq - _first_of_newest(path) + 1)
            if seq >= to:
                return
            if room <= 0:
                await journal.roll()
                continue
        _insert(path, seq, head, min(to, seq + room))


def _newest(path: Path) -> Path:
    return volume_path(path, numbers_at(path)[-1])


def _first_of_newest(path: Path) -> int:
    with closing(sqlite3.connect(f"file:{_newest(path)}?mode=ro", uri=True)) as file:
        return int(file.execute("SELECT value FROM journal WHERE name = 'first_seq'").fetchone()[0])


def _insert(path: Path, seq: int, head: bytes, to: int) -> None:
    """Records ``seq`` + 1 to ``to``, as the journal would have written them."""
    with closing(ledger.connect(_newest(path))) as raw:
        while seq < to:
            raw.execute("BEGIN IMMEDIATE")
            for record in map(_sensed, range(seq + 1, min(to, seq + TRANSACTION) + 1)):
                data = canonical(record)
                head = link(head, data)
                raw.execute(ledger.INSERT, ledger.row_of(record, data, head))
            raw.execute("COMMIT")
            seq = min(to, seq + TRANSACTION)


async def measure(path: Path, dice: random.Random) -> dict[str, float]:
    """Microseconds of each operation, medians; opening once."""
    began = time.perf_counter()
    with closing(Journal(path, NODE)) as journal:
        opened = (time.perf_counter() - began) * 1e6
        await _merged(path)
        size, run = journal.head()[0], dice.getrandbits(64)

        there = iter([_key_at(journal, dice.randint(1, size)) for _ in range(TIMES)])
        missing = iter([(SOURCE, f"none-{dice.random()}") for _ in range(TIMES)])

        def find(keys: Iterator[tuple[str, str]], known: bool) -> None:
            assert (journal.find(*next(keys)) is not None) == known

        def replay() -> None:
            start = dice.randint(0, size - REPLAYED)
            assert sum(1 for _ in itertools.islice(journal.replay(start), REPLAYED)) == REPLAYED

        return {
            "append": await _appends(journal, f"{run:x}"),
            "find": _median(lambda: find(there, True)),
            "find_missing": _median(lambda: find(missing, False)),
            "rows_500": _median(lambda: journal.rows(dice.randint(0, size - ROWS), ROWS)),
            "replay_1": _median(replay, 5) / REPLAYED,
            "open": opened,
        }


def _key_at(journal: Journal, seq: int) -> tuple[str, str]:
    record = parse(journal.rows(seq - 1, 1)[0].data)
    return record.source, record.source_key


async def _appends(journal: Journal, run: str) -> float:
    took = []
    for number in range(TIMES):
        body = Sensed(lane="1", station="gate", sensor="occupied", on=True)
        draft = Draft(source=f"{SOURCE}-{run}", source_key=str(number), body=body)
        began = time.perf_counter()
        await journal.append(draft)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


def _median(work: Callable[[], object], times: int = TIMES) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


async def _merged(path: Path) -> None:
    """Waits until the keys of closed volumes are in the ledger, which an open journal does by itself."""
    keys, closed = path.with_name("keys.sqlite"), _first_of_newest(path) - 1
    until = time.monotonic() + MERGE_S
    while closed and time.monotonic() < until:
        with closing(sqlite3.connect(f"file:{keys}?mode=ro", uri=True)) as file:
            if file.execute("SELECT through_seq FROM merged").fetchone()[0] >= closed:
                return
        await asyncio.sleep(0.2)
    if closed:
        raise TimeoutError(f"{keys} was not merged through {closed} within {MERGE_S:.0f} s")


async def compare(path: Path, top: int) -> list[dict[str, Any]]:
    """Each size with its costs, and their ratios to those of the first."""
    dice, found = random.Random(1), list[dict[str, Any]]()
    for size in sizes(top):
        await grow(path, size)
        costs = await measure(path, dice)
        first = found[0]["us"] if found else costs
        ratios = {name: round(cost / first[name], 2) for name, cost in costs.items()}
        found.append({"records": size, "us": {name: round(cost, 1) for name, cost in costs.items()}})
        found[-1] |= {"ratio": ratios, "volumes": len(numbers_at(path))}
        sys.stderr.write(f"{size:>9} records: {found[-1]['us']} us, ratio {ratios}\n")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="growth --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.growth", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--to", type=int, default=10**6, help="records at the top (default 1000000)")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the temporary folder")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if chosen.to < FIRST:
        parser.error(f"--to {chosen.to}: at least {FIRST}")
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="chayan-bench-") as folder:
        found = asyncio.run(compare(Path(folder) / "journal.sqlite", chosen.to))
    if chosen.json:
        print(json.dumps({"benchmark": "growth", "sizes": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

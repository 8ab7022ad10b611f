"""Durable appends a second of the journal, beside bare sqlite3 in the same run on the same disk.

One producer, which waits for each record, against one commit a row; 32 producers at once against one commit
for 32 rows. The peer has the journal's table, pragmas and bytes, and does nothing else: no chain, no check
for a repeated key before the insert, no threads. Both sides run in turn; the median round counts.
With --peers the storages of thingsboard-gateway, too, in an environment of their own: what each had
acknowledged when it was killed, and how much of that is not on the disk.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from benchmarks.parts import peers
from central_sync.journal import Journal
from central_sync.volumes import records
from lanes.record import Draft, Sensed, canonical

PRODUCERS = 32
ROUNDS = 5
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON")
INSERT = (
    "INSERT INTO records (seq, source, source_key, inspection, kind, data, head) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


def drafts(count: int) -> list[Draft]:
    """Sensor changes, the most frequent record of a lane."""
    body = Sensed(lane="1", station="gate", sensor="occupied", on=True)
    return [Draft(source="virtual+bench", source_key=f"{n:08d}", body=body) for n in range(count)]


async def _append(path: Path, count: int, producers: int) -> tuple[float, list[tuple[Any, ...]]]:
    journal, waiting = Journal(path, "bench"), iter(drafts(count))

    async def produce() -> None:
        for draft in waiting:
            await journal.append(draft)

    try:
        began = time.perf_counter()
        await asyncio.gather(*(produce() for _ in range(producers)))
        took = time.perf_counter() - began
        rows = [
            (each.seq, each.source, each.source_key, each.inspection, "sensed", canonical(each), b"\0" * 32)
            for each in journal.replay()
        ]
    finally:
        journal.close()
    return count / took, rows


def _insert(path: Path, rows: Sequence[tuple[Any, ...]], group: int) -> float:
    """Rows a second of bare sqlite3, ``group`` rows a commit."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for pragma in PRAGMAS:
            file.execute(f"PRAGMA {pragma}")
        file.execute(str(CreateTable(records).compile(dialect=sqlite.dialect())))
        for index in records.indexes:
            file.execute(str(CreateIndex(index).compile(dialect=sqlite.dialect())))
        began = time.perf_counter()
        for first in range(0, len(rows), group):
            file.execute("BEGIN IMMEDIATE")
            for row in rows[first : first + group]:
                file.execute(INSERT, row)
            file.execute("COMMIT")
        return len(rows) / (time.perf_counter() - began)


def compare(folder: Path, count: int, producers: int) -> dict[str, Any]:
    """Appends a second of both, and the journal's part of the peer's, by the median of the rounds."""
    rounds: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        ours, rows = asyncio.run(_append(folder / f"ours-{producers}-{number}.sqlite", count, producers))
        theirs = _insert(folder / f"bare-{producers}-{number}.sqlite", rows, producers)
        rounds.append((ours, theirs))
    ratios = sorted(ours / theirs for ours, theirs in rounds)
    return {
        "producers": producers,
        "journal_per_s": round(statistics.median(ours for ours, _ in rounds)),
        "sqlite3_per_s": round(statistics.median(theirs for _, theirs in rounds)),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="journal --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.journal", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=2000, help="records a round (default 2000)")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the temporary folder")
    parser.add_argument(
        "--peers", action="store_true", help="also storages of thingsboard-gateway, and kill -9"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if chosen.rows < PRODUCERS:
        parser.error(f"--rows {chosen.rows}: at least {PRODUCERS}")
    results = []
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="chayan-bench-") as folder:
        for producers in (1, PRODUCERS):
            results.append(compare(Path(folder), chosen.rows, producers))
            sys.stderr.write(_words(results[-1]))
        killed = peers.compare(Path(folder)) if chosen.peers else []
    for each in killed:
        sys.stderr.write(f"{each}\n")
    if chosen.json:
        report = {"benchmark": "journal", "rows": chosen.rows, "rounds": ROUNDS, "cases": results}
        print(json.dumps(report | ({"killed": killed} if killed else {})))
    return 0


def _words(case: dict[str, Any]) -> str:
    return (
        f"{case['producers']:>3} producers: journal {case['journal_per_s']}/s, "
        f"bare sqlite3 {case['sqlite3_per_s']}/s, ratio {case['ratio']}\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())

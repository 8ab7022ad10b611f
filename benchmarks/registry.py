"""Inspections a second that a registry settles, beside COPY of the same rows and a plain service, in one run.

Four nodes hand in batches that lie ready, at once, over HTTP: to the registry, which checks signature, chain
and each record, holds it once and indexes it; and to ``benchmarks.peers.plain_registry`` (FastAPI, pydantic,
the ORM), which does the same job. The limit is the database itself, given the rows that the registry wrote:
COPY in one transaction, and for comparison COPY of every record as a row of its own; on SQLite executemany.
"""

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.parts.centre import NODE, batches, feed, fill, serving
from central_sync import batch as wire
from central_sync.journal import Journal
from central_sync.registry import runs, tables
from central_sync.registry.engines import open_engine
from central_sync.seal import NodeKey
from edge.children import free_ports

ROUNDS, NODES = 3, 4
PIECE = 1 << 16  # bytes given to COPY at once
HELD = (tables.runs, tables.inspections, tables.photos)
ROW = "site text, node text, seq bigint, data {blob}, head {blob}, PRIMARY KEY (site, node, seq)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Batches of each site, and the key that signed them."""

    sites: dict[str, list[bytes]]
    key: NodeKey

    def nodes(self) -> list[str]:
        return [f"{site}/{NODE}" for site in self.sites]


async def load(folder: Path, records: int) -> Load:
    """Whole visits of each node."""
    sites, key = {}, NodeKey.generate()
    for number in range(NODES):
        with closing(Journal(folder / f"journal-{number}.sqlite", NODE, signer=key)) as journal:
            await fill(journal, records // NODES)
            sites[f"bench-{number}"] = batches(journal, key, f"bench-{number}")
    return Load(sites=sites, key=key)


def ours(folder: Path, dsn: str, given: Load) -> float:
    """Seconds of the registry."""
    enrolled = [part for node in given.nodes() for part in ("--node", f"{node}={given.key.public}")]
    [port] = free_ports(1)
    command = [sys.executable, "-m", "edge", "central", "--dsn", dsn, "--photos", str(folder / "photos")]
    command += ["--port", str(port), "--allow-simulated", *enrolled]
    with serving(folder / "registry.log", command, port) as url:
        return asyncio.run(feed(url, *given.sites.values()))


def plain(folder: Path, dsn: str, given: Load) -> float:
    """Seconds of the plain service."""
    [port] = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.peers.plain_registry", dsn, str(port), *given.nodes()]
    with serving(folder / "plain.log", command, port) as url:
        return asyncio.run(feed(url, *given.sites.values()))


def each_record(dsn: str) -> list[tuple[str, str, int, bytes, bytes]]:
    """What the registry holds, a row a record."""
    engine = open_engine(dsn)
    with engine.connect() as connection:
        held = [
            (run.site, run.node, each.seq, each.data, each.head)
            for run in connection.execute(tables.runs.select())
            for each in runs.entries(run)
        ]
    engine.dispose()
    return held


def copy(dsn: str) -> tuple[float, float]:
    """Seconds that PostgreSQL takes for the rows that the registry wrote, and for a row a record."""
    with psycopg.connect(dsn.replace("+psycopg", "")) as connection:
        written = _copied(connection, [table.name for table in HELD])
        connection.execute(f"CREATE TABLE each_record ({ROW.format(blob='bytea')})")
        with connection.cursor().copy("COPY each_record FROM STDIN (FORMAT binary)") as target:
            target.set_types(["text", "text", "int8", "bytea", "bytea"])
            for row in each_record(dsn):
                target.write_row(row)
        connection.commit()
        return written, _copied(connection, ["each_record", *(table.name for table in HELD[1:])])


def _copied(connection: psycopg.Connection[Any], names: Sequence[str]) -> float:
    """Seconds for the rows of these tables, read before, into tables made like them."""
    rows = {name: _out(connection, name) for name in names}
    for name in names:
        connection.execute(f"CREATE TABLE copy_{name} (LIKE {name} INCLUDING ALL)")
    connection.commit()
    began = time.perf_counter()
    for name in names:
        into = f"COPY copy_{name} FROM STDIN (FORMAT binary)"
        with connection.cursor().copy(into) as target:
            for at in range(0, len(rows[name]), PIECE):
                target.write(rows[name][at : at + PIECE])
    connection.commit()
    took = time.perf_counter() - began
    for name in names:
        connection.execute(f"DROP TABLE copy_{name}")
    return took


def _out(connection: psycopg.Connection[Any], name: str) -> bytes:
    with connection.cursor().copy(f"COPY {name} TO STDOUT (FORMAT binary)") as source:
        return b"".join(bytes(part) for part in source)


def many(dsn: str) -> tuple[float, float]:
    """Seconds that sqlite3 takes for the same, by executemany in one transaction each."""
    path = Path(dsn.removeprefix("sqlite:///"))
    names = [table.name for table in HELD]
    with closing(sqlite3.connect(path)) as source:
        made = source.execute("SELECT sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        rows = {name: source.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    with_records = {"each_record": each_record(dsn)} | {name: rows[name] for name in names[1:]}
    made.append((f"CREATE TABLE each_record ({ROW.format(blob='blob')})", "each_record"))
    return _executed(path, made, rows), _executed(path, made, with_records)


def _executed(path: Path, made: Sequence[tuple[str, str]], rows: dict[str, list[Any]]) -> float:
    target = path.with_suffix(".limit")
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(target, isolation_level=None)) as file:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            file.execute(f"PRAGMA {pragma}")
        for statement, table in made:
            if table in rows:
                file.execute(statement)
        began = time.perf_counter()
        file.execute("BEGIN IMMEDIATE")
        for name, each in rows.items():
            file.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(each[0]))})", each)
        file.execute("COMMIT")
        return time.perf_counter() - began


def compare(folder: Path, records: int, fresh: Callable[[], str]) -> dict[str, Any]:
    """Inspections a second of all sides by the median of the rounds, and the registry's ratio to each."""
    given = asyncio.run(load(folder, records))
    rounds = []
    for number in range(ROUNDS):
        place = folder / f"round-{number}"
        place.mkdir()
        dsn = fresh()
        took = ours(place, dsn, given)
        limits = copy(dsn) if dsn.startswith("postgresql") else many(dsn)
        count = _inspections(dsn)
        rounds.append([count / each for each in (took, plain(place, fresh(), given), *limits)])
        print(
            "registry {:.0f}/s, plain {:.0f}/s, rows {:.0f}/s, a row a record {:.0f}/s".format(*rounds[-1]),
            file=sys.stderr,
        )
    speeds = [statistics.median(column) for column in zip(*rounds, strict=True)]
    ratio = [round(statistics.median(each[0] / each[at] for each in rounds), 3) for at in range(4)]
    return {
        "inspections": count,
        "records": sum(_records(body) for bodies in given.sites.values() for body in bodies),
        "rounds": ROUNDS,
        "registry_per_s": round(speeds[0]),
        "plain_service_per_s": round(speeds[1]),
        "copy_per_s": round(speeds[2]),
        "copy_of_records_per_s": round(speeds[3]),
        "ratio_to_plain_service": ratio[1],
        "ratio_to_copy": ratio[2],
        "ratio_to_copy_of_records": ratio[3],
    }


def _records(body: bytes) -> int:
    return len(wire.decode_batch(body).records)


def _inspections(dsn: str) -> int:
    engine = open_engine(dsn)
    with engine.connect() as connection:
        count = len(connection.execute(tables.inspections.select()).all())
    engine.dispose()
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="registry --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.registry", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--records", type=int, default=40_000, help="records a round (default 40000)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    from tests import postgres  # the server by wheel, as the tests have it

    with tempfile.TemporaryDirectory(prefix="chayan-bench-") as folder:
        numbers = iter(range(1000))
        engines: dict[str, Callable[[], str]] = {
            "postgresql": lambda: postgres.server().fresh(),
            "sqlite": lambda: f"sqlite:///{folder}/sqlite/{next(numbers)}.sqlite",
        }
        found = {}
        for name, fresh in engines.items():
            (place := Path(folder, name)).mkdir()
            found[name] = compare(place, max(NODES, chosen.records), fresh)
    if chosen.json:
        print(json.dumps({"benchmark": "registry", **found["postgresql"], "sqlite": found["sqlite"]}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Sixteen lanes on one node: each ten Modbus modules at 20 Hz, two 100 Hz channels, camera, officer, bench.

Everything runs on this machine: the node with its review process, broker and registry, and the yard that
plays vehicles and devices (``parts/yard.py``). Lost readings are counted against what truly happened: each
edge of each probe, each act that was acknowledged, each vehicle. The peer, at the end of the same run:
pymodbus alone polls the same modules as often, with nothing behind it.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import msgspec
from pymodbus.client import AsyncModbusTcpClient

from benchmarks.parts.yard import CHANNELS, PROBE
from central_sync.volumes import JournalReader
from edge.centre import registry_key
from edge.children import Children, free_ports, nats_config, program
from edge.compose import node_key
from edge.demo import hearing
from edge.demo_site import Ports, site_text
from edge.settings import load
from lanes.record import Judged, Sensed, parse

RATE_HZ = 20
LANES, MODULES = 16, 10
PACE_S, VISIT_S, EDGE_S = 150, 120, 2.0
READY_S, PEER_S = 120.0, 30.0
TICK = os.sysconf("SC_CLK_TCK")
Probe: TypeAlias = tuple[str, int]
Edge: TypeAlias = tuple[bool, int]  # level, ns


def site(folder: Path, ports: Ports, found: dict[str, Any], lanes: int, modules: int, key: str) -> Path:
    """The site file: that of the demo, with streaming scales, and the other modules of each lane."""
    names = [str(number) for number in range(1, lanes + 1)]
    text = site_text(
        folder, ports, {n: f"tcp://127.0.0.1:{found['modules'][f'{n}/0']}" for n in names}, "bench-node", key
    )
    gate = '  { station = "gate", sensor = "occupied", input = 0 }'
    probe = f'  {{ station = "exterior", sensor = "probe0", input = {PROBE} }}'
    text = text.replace(gate, f"{probe},\n{gate}")
    for name in names:
        left, right = (f"tcp://127.0.0.1:{port}" for port in found["scales"][name])
        wheels = json.dumps(f"serial://{folder}/tty-wheels-{name}?baud=38400")
        text = text.replace(f"address = {wheels}", f'left = "{left}"\nright = "{right}"')
        text += "".join(_module(name, n, found["modules"][f"{name}/{n}"]) for n in range(1, modules))
    text = text.replace('kind = "wheel-load-jx"', 'kind = "scale-xk3190"')
    path = folder / "site.toml"
    path.write_text(text, "utf-8")
    return path


def _module(lane: str, number: int, port: int) -> str:
    return f"""
[[devices]]
name = "io-{lane}-{number}"
kind = "modbus-io"
role = "io"
lane = "{lane}"
address = "tcp://127.0.0.1:{port}"
rate_hz = {RATE_HZ}
simulated = true
inputs = [{{ station = "exterior", sensor = "probe{number}", input = {PROBE} }}]
"""


def cpu_s(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_mb(pid: int) -> float:
    """The most memory a process has held."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextlib.asynccontextmanager
async def yard(folder: Path, plan: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The yard, its devices ready."""
    path = folder / "plan.json"
    path.write_text(json.dumps(plan), "utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.parts.yard", str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await said(process, "ready")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process, word: str) -> None:
    """Waits for a word of the yard; raises RuntimeError when it falls before."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 900)
    if line.decode().strip() != word:
        raise RuntimeError(f"the yard said {line!r} where {word!r} was due")


async def start(children: Children, folder: Path, ports: Ports, path: Path) -> None:
    """Registry, agent and review process; returns when both answer."""
    this, placed = [sys.executable, "-m", "edge"], load(path)
    enrolled = f"{placed.site.id}/{placed.node.name}={node_key(placed).public}"
    central = [
        "central",
        "--dsn",
        f"sqlite:///{folder / 'registry.sqlite'}",
        "--photos",
        str(folder / "held"),
    ]
    central += ["--allow-simulated"]
    central += ["--port", str(ports.centre), "--node", enrolled]
    await children.start("registry", [*this, *central])
    await children.start("agent", [*this, "run", str(path)])
    await children.start("reviewer", [*this, "review", "follow", str(path)])
    async with httpx.AsyncClient() as client, asyncio.timeout(READY_S):
        for port in (ports.centre, ports.edge):
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200:
                        break
                await asyncio.sleep(0.2)
    await hearing(f"http://127.0.0.1:{ports.edge}")


class Page:
    """An operator's page: every change of every probe, and when it was there, ns."""

    def __init__(self) -> None:
        self.seen: dict[Probe, list[Edge]] = defaultdict(list)
        self.snapshots = self.size_bytes = 0

    async def watch(self, port: int) -> None:
        """Looks until cancelled."""
        async with (
            httpx.AsyncClient(timeout=None) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/api/v1/events") as stream,
        ):
            async for line in stream.aiter_lines():
                if line.startswith("data: ") and '"lanes"' in line:
                    self._look(line.removeprefix("data: "), time.time_ns())

    def _look(self, board: str, now: int) -> None:
        self.snapshots += 1
        self.size_bytes += len(board)
        for lane in msgspec.json.decode(board)["lanes"]:
            for probe, on in _probes(lane):
                edges = self.seen[probe]
                if not edges or edges[-1][0] is not on:
                    edges.append((on, now))


def _probes(lane: dict[str, Any]) -> Iterator[tuple[Probe, bool]]:
    for station in lane["stations"]:
        for sensor, on in station["sensors"].items():
            if sensor.startswith("probe"):
                yield (lane["lane"], int(sensor.removeprefix("probe"))), on


def matched(truth: Sequence[Edge], seen: Sequence[Edge]) -> tuple[list[float], int]:
    """Delays in ms of the edges that were seen, in order, and how many were not."""
    delays, rest, lost = [], iter(seen), 0
    for level, at in truth:
        found = next((when for on, when in rest if on is level and when >= at), None)
        if found is None:
            lost += 1
        else:
            delays.append((found - at) / 1e6)
    return delays, lost


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """p50, p99 and the worst."""
    ordered = sorted(values) or [0.0]
    at = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[int(part * (len(ordered) - 1))], 1) for name, part in at.items()}


async def bare(ports: Sequence[int], seconds: float) -> dict[str, Any]:
    """The peer: pymodbus alone polls as many modules as often; what it reaches and what it costs."""
    polls = 0
    until = time.monotonic() + seconds

    async def poll(port: int) -> None:
        nonlocal polls
        client = AsyncModbusTcpClient("127.0.0.1", port=port, retries=0)
        await client.connect()
        due = time.monotonic()
        while due < until:
            await client.read_discrete_inputs(0, count=CHANNELS)
            polls += 1
            due = max(due + 1 / RATE_HZ, time.monotonic() - 1 / RATE_HZ)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        client.close()

    before = time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for port in ports:
            tasks.create_task(poll(port))
    used = time.process_time() - before
    return {"polls_per_s": round(polls / seconds), "cpu_ms_per_poll": round(used * 1000 / polls, 3)}


def kept(folder: Path, since_ns: int) -> tuple[dict[Probe, list[Edge]], dict[str, int]]:
    """Edges of the probes as the journal holds them, and how many records and verdicts there are."""
    edges: dict[Probe, list[Edge]] = defaultdict(list)
    counts = {"records": 0, "verdicts": 0}
    reader, after = JournalReader(folder), 0
    while rows := reader.rows(after):
        for row in rows:
            record = parse(row.data)
            counts["records"] += 1
            counts["verdicts"] += isinstance(record.body, Judged)
            if isinstance(record.body, Sensed) and record.body.sensor.startswith("probe"):
                at = int(record.at.timestamp() * 1e9)
                if at >= since_ns:
                    probe = (record.body.lane, int(record.body.sensor.removeprefix("probe")))
                    edges[probe].append((record.body.on, at))
        after = rows[-1].seq
    return edges, counts


async def run(folder: Path, lanes: int, modules: int, seconds: int, viewers: int) -> dict[str, Any]:
    """The whole run."""
    ports = Ports(*free_ports(4))
    plan: dict[str, Any] = {"lanes": lanes, "modules": modules, "seconds": seconds}
    plan |= {"mqtt": ports.mqtt, "edge": ports.edge}
    plan |= {"pace_s": PACE_S, "visit_s": min(VISIT_S, seconds // 2), "edge_s": EDGE_S, "seed": 16}
    children = Children(folder)
    pages = [Page() for _ in range(viewers)]
    try:
        config = folder / "broker.conf"
        config.write_text(nats_config(folder, ports.mqtt, ports.web), "utf-8")
        await children.start("broker", [program("nats-server"), "-c", str(config)])
        async with yard(folder, plan) as playing:
            found = json.loads((folder / "yard.json").read_text("utf-8"))
            path = site(folder, ports, found, lanes, modules, registry_key(folder / "held").public)
            await start(children, folder, ports, path)
            watching = [asyncio.create_task(page.watch(ports.edge)) for page in pages]
            assert playing.stdin is not None
            playing.stdin.write(b"go\n")
            await said(playing, "working")
            processes = {
                name: child.process.pid for name, child in children.children.items() if child.process
            }
            processes["yard"] = playing.pid
            since_ns, began = time.time_ns(), time.monotonic()
            before = {name: cpu_s(pid) for name, pid in processes.items()}
            await said(playing, "done")
            lasted = time.monotonic() - began
            cores = {name: round((cpu_s(pid) - before[name]) / lasted, 2) for name, pid in processes.items()}
            memory = {name: round(peak_mb(pid)) for name, pid in processes.items()}
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
            restarts = sum(child.starts - 1 for child in children.children.values())
            await children.stop()
            peer = await bare(list(found["modules"].values()), min(PEER_S, seconds))
    finally:
        await children.stop()
    return summary(folder, since_ns, lasted, pages) | {
        "cores": cores,
        "peak_mb": memory,
        "restarts": restarts,
        "bare_pymodbus": peer,
    }


def summary(folder: Path, since_ns: int, lasted: float, pages: Sequence[Page]) -> dict[str, Any]:
    """What came of it: lost, late, how much."""
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    edges: dict[Probe, list[Edge]] = defaultdict(list)
    for lane, number, level, at in truth["edges"]:
        edges[lane, number].append((level, at))
    held, counts = kept(folder / "node", since_ns)
    records = [matched(edges[probe], held[probe]) for probe in edges]
    shown = [matched(edges[probe], page.seen[probe]) for page in pages for probe in edges]
    snapshots = sum(page.snapshots for page in pages)
    return {
        "seconds": round(lasted),
        "edges": len(truth["edges"]),
        "edges_lost": sum(lost for _, lost in records),
        "edge_to_record_ms": percentiles(ms for delays, _ in records for ms in delays),
        "edge_to_page_ms": percentiles(ms for delays, _ in shown for ms in delays),
        "edges_not_on_page": sum(lost for _, lost in shown),
        "snapshots_per_s": round(snapshots / len(pages) / lasted, 1),
        "snapshot_kb": round(sum(page.size_bytes for page in pages) / max(1, snapshots) / 1024, 1),
        "act_to_durable_ms": percentiles(truth["acts_ms"]),
        "polls_per_s": round(truth["polls"] / lasted),
        "frames_per_s": round(truth["frames"] / lasted),
        "vehicles": truth["cars"],
        "vehicles_not_through": truth["cars"] - truth["left"],
        **counts,
        "verdicts_lost": truth["cars"] - counts["verdicts"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="lanes --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.lanes", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--lanes", type=int, default=LANES, help="lanes of the site (default 16)")
    parser.add_argument("--modules", type=int, default=MODULES, help="Modbus modules a lane (default 10)")
    parser.add_argument("--seconds", type=int, default=600, help="how long it runs (default 600)")
    parser.add_argument("--viewers", type=int, default=1, help="pages that look on (default 1)")
    parser.add_argument("--keep", type=Path, help="a new folder that stays")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if min(chosen.lanes, chosen.modules, chosen.seconds, chosen.viewers) < 1:
        parser.error("--lanes, --modules, --seconds and --viewers must be at least 1")
    with contextlib.ExitStack() as stack:
        if chosen.keep is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chayan-bench-")))
        else:
            folder = chosen.keep.resolve()
            folder.mkdir(parents=True)
        found = asyncio.run(run(folder, chosen.lanes, chosen.modules, chosen.seconds, chosen.viewers))
    sys.stderr.write(f"{found}\n")
    if chosen.json:
        print(json.dumps({"benchmark": "lanes", "lanes": chosen.lanes, "modules": chosen.modules, **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

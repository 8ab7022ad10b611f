"""chayan demo: the whole system on one machine, with a virtual site of two lanes on real protocols."""

import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import structlog
from rich.console import Console

from edge.agent import stop_on_signals
from edge.centre import registry_key
from edge.children import ChildError, Children, free_ports, nats_config, program
from edge.compose import node_key, pages_folder
from edge.demo_site import Ports, io_wiring, site_text
from edge.settings import load
from firmware_bridge.virtual.fleet import fleet
from firmware_bridge.virtual.officer import Desk, Officer
from firmware_bridge.virtual.site import LaneTwins, Traffic, Trip, VirtualLane
from firmware_bridge.virtual.twin_brake import BrakeTwin
from firmware_bridge.virtual.twin_camera import CameraTwin
from firmware_bridge.virtual.twin_io import IoTwin
from firmware_bridge.virtual.twin_pda import PdaTwin
from firmware_bridge.virtual.twin_slip import SlipTwin
from firmware_bridge.virtual.twin_wheel import WheelTwin

LANES = ("1", "2")
READY_S = 60.0
SETTLE_S = 120.0
REGISTRY_PHOTOS = "registry-photos"
DISK_RESERVE = 2 * 1024**3  # bytes of free disk below which no new vehicle comes

log = structlog.get_logger("chayan.demo")
say = Console(stderr=True, soft_wrap=True)


class DemoError(Exception):
    """The demo could not be set up; the text says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What ``chayan demo`` was asked for."""

    vehicles: int | None
    as_json: bool
    keep: Path | None
    seed: int
    pause_s: float
    fault_every: int
    dsn: str | None
    timeout_s: float


async def run_demo(plan: Plan) -> int:
    """Runs the demo; the exit status: 0 only when lane and centre hold the identical chain."""
    if pages_folder() is None:
        say.print("[yellow]pages are not built; run `make pages` for them. The demo goes on without.[/]")
    folder = _folder(plan)
    say.print("查验 Chayan 正在启动 · starting broker, registry, agent, review process …")
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        async with _system(plan, folder) as system:
            return await _drive(plan, system, stop)
    except ChildError as error:
        raise DemoError(str(error)) from error
    finally:
        if plan.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(plan: Plan) -> Path:
    if plan.keep is None:
        return Path(tempfile.mkdtemp(prefix="chayan-demo-"))
    folder = plan.keep.resolve()
    if (folder / "site.toml").exists():
        raise DemoError(f"{folder} already holds a demo; name an empty or new folder with --keep")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"--keep {plan.keep}: {error.strerror or error}") from error
    return folder


@dataclass(frozen=True, kw_only=True)
class System:
    """The running demo: its addresses, its virtual traffic, its processes."""

    folder: Path
    edge: str
    centre: str
    traffic: Traffic
    children: Children
    desk: Desk
    registry: httpx.AsyncClient


@contextlib.asynccontextmanager
async def _system(plan: Plan, folder: Path) -> AsyncIterator[System]:
    """Starts everything, in order, and stops it in the other order."""
    ports = Ports(*free_ports(4))
    children = Children(folder)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(children.stop)
        config = folder / "broker.conf"
        config.write_text(nats_config(folder, ports.mqtt, ports.web), encoding="utf-8")
        await children.start("broker", [program("nats-server"), "-c", str(config)])
        await _listening(ports.mqtt, "broker", folder)
        lanes = [await _lane_twins(stack, name, folder, ports) for name in LANES]
        path = folder / "site.toml"
        addresses = {each.name: each.io.address for each in lanes}
        # a node of its own for each fleet: on a database that is kept, chains do not meet
        key = registry_key(folder / REGISTRY_PHOTOS).public
        path.write_text(site_text(folder, ports, addresses, f"virtual-node-{plan.seed}", key), "utf-8")
        await _start_python(children, path, plan, ports)
        edge, centre = f"http://127.0.0.1:{ports.edge}", f"http://127.0.0.1:{ports.centre}"
        desk = Desk(edge)
        stack.push_async_callback(desk.close)
        registry = await stack.enter_async_context(httpx.AsyncClient(base_url=centre, timeout=30.0))
        await _answering(edge, "agent", folder)
        await _answering(centre, "registry", folder)
        await hearing(edge)
        traffic = await _traffic(stack, plan, lanes, desk, ports, folder)
        try:
            yield System(
                folder=folder,
                edge=edge,
                centre=centre,
                traffic=traffic,
                children=children,
                desk=desk,
                registry=registry,
            )
        finally:
            await children.stop()  # before the twins, or the agent would see its devices vanish


async def _start_python(children: Children, path: Path, plan: Plan, ports: Ports) -> None:
    """The registry, the agent and the review process: this program again, each in its own process."""
    folder, this = path.parent, [sys.executable, "-m", "edge"]
    site = load(path)
    enrolled = f"{site.site.id}/{site.node.name}={node_key(site).public}"
    dsn = plan.dsn or f"sqlite:///{folder / 'registry.sqlite'}"
    central = ["central", "--dsn", dsn, "--photos", str(folder / REGISTRY_PHOTOS), "--allow-simulated"]
    await children.start("registry", [*this, *central, "--port", str(ports.centre), "--node", enrolled])
    await children.start("agent", [*this, "run", str(path)])
    await children.start("reviewer", [*this, "review", "follow", str(path)])


async def _lane_twins(stack: contextlib.AsyncExitStack, name: str, folder: Path, ports: Ports) -> LaneTwins:
    """The twins of one lane, speaking."""
    inputs, outputs = io_wiring()
    broker = f"mqtt://127.0.0.1:{ports.mqtt}"
    twins = LaneTwins(
        name=name,
        io=IoTwin(inputs, outputs),
        camera=CameraTwin(f"virtual-cam-{name}", broker),
        wheels=WheelTwin(folder / f"tty-wheels-{name}"),
        brakes=BrakeTwin(folder / f"tty-brakes-{name}"),
        slip=SlipTwin(folder / f"tty-slip-{name}"),
    )
    for twin in (twins.io, twins.wheels, twins.brakes, twins.slip):
        await twin.start()
        stack.push_async_callback(twin.stop)
    _background(stack, twins.camera.run())
    return twins


async def _traffic(
    stack: contextlib.AsyncExitStack,
    plan: Plan,
    lanes: list[LaneTwins],
    desk: Desk,
    ports: Ports,
    folder: Path,
) -> Traffic:
    """Virtual lanes with their officers, and the cars that will come."""
    painters = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="painter"))

    async def render(paint: Any, *what: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(painters, partial(paint, *what))

    virtual = []
    for twins in lanes:
        pda = PdaTwin(f"pda-{twins.name}", f"mqtt://127.0.0.1:{ports.mqtt}")
        _background(stack, pda.run())
        virtual.append(VirtualLane(twins, desk, Officer(desk, pda, render), render))
    cars = fleet(plan.seed, len(lanes), fault_every=plan.fault_every)
    return Traffic(cars, virtual, plan.pause_s, lambda: _has_room(folder))


def _has_room(folder: Path) -> bool:
    """Whether the disk takes more vehicles, about 2 MB each; an endless demo must not fill it."""
    free = shutil.disk_usage(folder).free
    if free <= DISK_RESERVE:
        say.print(
            f"[yellow]only {free / 1024**3:.1f} GiB free at {folder}: no new vehicle until there is more[/]"
        )
    return free > DISK_RESERVE


def _background(stack: contextlib.AsyncExitStack, work: Any) -> None:
    task = asyncio.ensure_future(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)


async def _listening(port: int, name: str, folder: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise ChildError(f"the {name} does not listen after {READY_S:.0f} s; see {folder / 'logs'}/{name}.log")


async def _answering(base: str, name: str, folder: Path) -> None:
    deadline = time.monotonic() + READY_S
    async with httpx.AsyncClient(base_url=base, timeout=5.0) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get("/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.2)
    text = (folder / "logs" / f"{name}.log").read_text("utf-8", "replace")[-800:]
    raise ChildError(f"the {name} does not answer after {READY_S:.0f} s. Its log ends:\n{text}")


async def hearing(base: str) -> None:
    """Returns when the agent hears the broker: what a camera says before its first subscription is lost."""
    deadline = time.monotonic() + READY_S
    async with httpx.AsyncClient(base_url=base, timeout=5.0) as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get("/api/v1/status")).json()["devices"].get("pdas") == "ok":
                    return
            await asyncio.sleep(0.2)
    raise ChildError(f"the agent does not hear the broker after {READY_S:.0f} s; see logs/agent.log")


# ---- driving -------------------------------------------------------------------------------------


async def _drive(plan: Plan, system: System, stop: asyncio.Event) -> int:
    _announce(system)
    running = asyncio.create_task(system.traffic.run(plan.vehicles))
    stopping = asyncio.create_task(stop.wait())
    told: set[int] = set()
    progress = asyncio.create_task(_progress(plan, system, told))
    try:
        await asyncio.wait(
            {running, stopping},
            timeout=plan.timeout_s if plan.vehicles is not None else None,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if plan.vehicles is None:
            return 0 if stop.is_set() else _fell(running)
        if not running.done():
            say.print(f"[red]given up: {_left(system)} of {plan.vehicles} vehicles are through[/]")
            return 1
        running.result()
        progress.cancel()
        await _tell_left(plan, system, told)
        ends = await _settle(system)
        kept = system.folder / "acknowledged.json"  # what the node told its clerk and officers it has
        kept.write_text(json.dumps(system.desk.acknowledged), encoding="utf-8")
        report = await _report(system, ends)
        if plan.as_json:
            sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        _conclude(report)
        return 0 if report["ok"] else 1
    finally:
        for task in (running, stopping, progress):
            task.cancel()
        await asyncio.gather(running, stopping, progress, return_exceptions=True)


def _conclude(report: dict[str, Any]) -> None:
    system = report["system"]
    if system["chains_equal"]:
        say.print(
            f"[green]通道与中心的证据链一致 · lane and centre hold the identical chain[/]: "
            f"{system['records']} records, head {system['lane_head']['hash'][:16]}…"
        )
    else:
        say.print(f"[red]lane and centre differ[/]: {system['lane_head']} and {system['centre_head']}")


def _fell(running: "asyncio.Task[None]") -> int:
    running.result()
    return 1


def _announce(system: System) -> None:
    say.print("[bold]查验 Chayan[/] 模拟站已启动 · virtual site is up (everything simulated)")
    say.print(f"  PDA            {system.edge}/pda/")
    say.print(f"  通道看板 board  {system.edge}/board/")
    say.print(f"  中心 office     {system.centre}/office/")
    say.print(f"  数据 data       {system.folder}   (Ctrl-C 结束 ends it)")


def _left(system: System) -> int:
    return sum(trip.left for trip in system.traffic.trips)


async def _progress(plan: Plan, system: System, told: set[int]) -> None:
    """A line for each car that has left: the demo takes longer than two seconds."""
    while True:
        await asyncio.sleep(0.5)
        await _tell_left(plan, system, told)


async def _tell_left(plan: Plan, system: System, told: set[int]) -> None:
    for trip in system.traffic.trips:
        if trip.left and trip.car.number not in told:
            told.add(trip.car.number)
            page = await system.desk.detail(trip.inspection)
            planted = f" [dim](planted: {trip.car.planted})[/]" if trip.car.planted else ""
            colour = "green" if page["verdict"] == "pass" else "red"
            say.print(
                f"  {len(told)}/{plan.vehicles or '∞'} {page['plate'] or '新车'} {page['vin']} "
                f"[{colour}]{page['verdict']}[/]{planted}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """One look at both ends of the chain: the node's status, the registry's figures, its row of the node."""

    status: dict[str, Any]
    stats: dict[str, Any]
    centre: dict[str, Any]

    @property
    def chains_equal(self) -> bool:
        """Whether both name the same last record and head."""
        head = self.status["head"]
        return (head["seq"], head["hash"]) == (self.centre.get("through"), self.centre.get("head"))

    @property
    def settled(self) -> bool:
        """Whether the registry holds all records and photos, and the node knows it."""
        sent = self.status["sent_through"] == self.status["head"]["seq"]
        return self.chains_equal and sent and self.stats.get("wanted") == 0


async def _settle(system: System) -> Ends:
    """Looks at both ends until they are settled or time is over; a node at rest still notes its health."""
    deadline = time.monotonic() + SETTLE_S
    ends = await _look(system)
    while not ends.settled and time.monotonic() < deadline:
        await asyncio.sleep(0.3)
        ends = await _look(system)
    if not ends.settled:
        alarms = (await system.desk.ask("GET", "/api/v1/board")).json()["alarms"]
        say.print(f"[red]not settled after {SETTLE_S:.0f} s[/]: {ends.status}, {ends.stats}")
        say.print(f"alarms: {[each['en'] for each in alarms]}")
    return ends


async def _look(system: System) -> Ends:
    status = (await system.desk.ask("GET", "/api/v1/status")).json()
    stats: dict[str, Any] = {}
    with contextlib.suppress(httpx.HTTPError, ValueError):
        answer = await system.registry.get("/v1/stats")
        stats = answer.json() if answer.status_code == 200 else {}
    mine = [node for node in stats.get("nodes", []) if node["node"] == status["node"]]
    return Ends(status=status, stats=stats, centre=mine[0] if mine else {})


async def _report(system: System, ends: Ends) -> dict[str, Any]:
    """What came of it, from both ends."""
    status, centre = ends.status, ends.centre
    return {
        "vehicles": [await _vehicle(system, trip) for trip in system.traffic.trips],
        "system": {
            "records": status["records"],
            "batches": centre.get("batches", 0),
            "receipts": status["receipts"],
            "records_at_centre": centre.get("records", 0),
            "photos_at_centre": ends.stats.get("photos"),
            "lane_head": status["head"],
            "centre_head": {"seq": centre.get("through"), "hash": centre.get("head")},
            "chains_equal": ends.chains_equal,
            "restarts": {name: child.starts - 1 for name, child in system.children.children.items()},
        },
        "ok": ends.settled,
    }


async def _vehicle(system: System, trip: Trip) -> dict[str, Any]:
    page = await system.desk.detail(trip.inspection)
    reviews = [review for shot in page["shots"] for photo in shot["photos"] for review in photo["reviews"]]
    return {
        "inspection": trip.inspection,
        "plate": page["plate"],
        "vin": page["vin"],
        "business": page["business"],
        "verdict": page["verdict"],
        "findings": page["findings"],
        "photos": [
            {"shot": shot["shot"], "photo": photo["photo"]}
            for shot in page["shots"]
            for photo in shot["photos"]
        ],
        "reviews": [
            {
                key: review.get(key)
                for key in ("question", "opinion", "expected", "text", "confidence", "reasons")
            }
            for review in reviews
        ],
        "seconds": _seconds(page["records"]),
        "verdicts": sum(record["kind"] == "judged" for record in page["records"]),
        "planted": trip.car.planted,
        "found": found(trip.car.planted, page, reviews),
    }


def found(planted: str | None, page: dict[str, Any], reviews: list[dict[str, Any]]) -> bool | None:
    """Whether the system, not the officer, noticed what was planted; None when nothing was."""
    doubted = {review["question"] for review in reviews if review["opinion"] != "agree"}
    failed = {finding["item"] for finding in page["findings"] if finding["result"] == "fail"}
    match planted:
        case "vin_altered":
            return "vin" in doubted
        case "other_plate":
            return "plate" in doubted
        case "weak_brake":
            return bool(failed & {"B0", "B1", "B2", "whole"})
        case "blurred_photo":
            return any("blurred" in (review.get("reasons") or ()) for review in reviews)
    return None


def _seconds(records: list[dict[str, Any]]) -> dict[str, float]:
    """How long the vehicle stood at each station, from the journal's own times."""
    moves = [
        (record["body"]["station"], datetime.fromisoformat(record["at"]))
        for record in records
        if record["kind"] == "moved"
    ]
    return {station: round((after - at).total_seconds(), 2) for (station, at), (_, after) in pairwise(moves)}

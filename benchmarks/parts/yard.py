"""The other side of sixteen lanes, in a process of its own: vehicles, devices, officers, and the truth.

``python -m benchmarks.parts.yard PLAN.json``: makes its devices, writes ``yard.json`` (their addresses) and
says ``ready``; waits for a line on standard input (the node is up), sends one vehicle through each lane
(which paints the photos), says ``working``, works for ``seconds``, writes what truly happened to
``truth.json``, says ``done`` and serves its modules until one more line comes.
Its Modbus side is its own: a lean server, so that the load and not the loader is measured.
"""

import asyncio
import itertools
import json
import random
import struct
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from edge.demo_site import io_wiring
from firmware_bridge.devices import scale_xk3190
from firmware_bridge.virtual.fleet import Car, fleet
from firmware_bridge.virtual.officer import Desk, Officer
from firmware_bridge.virtual.site import LaneTwins, Trip, VirtualLane
from firmware_bridge.virtual.twin_brake import BrakeTwin
from firmware_bridge.virtual.twin_camera import CameraTwin
from firmware_bridge.virtual.twin_pda import PdaTwin
from firmware_bridge.virtual.twin_slip import SlipTwin

PROBE = 40  # the discrete input of each module that changes at known moments
CHANNELS = 64
STREAM_S = 0.01
SHORTEST_S = 0.6  # between two edges of one probe: what is polled at 20 Hz must see both


class Module(asyncio.Protocol):
    """One connection to a Modbus TCP module: functions 01, 02 and 05."""

    def __init__(self, twin: "LeanIo") -> None:
        self._twin, self._held = twin, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way back."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answers every whole request."""
        self._held += data
        while len(self._held) >= 12:
            transaction, _, length, unit, *asked = struct.unpack(">HHHBBHH", self._held[:12])
            self._held = self._held[6 + length :]
            self._twin.count += 1
            body = self._twin.answer(*asked)
            self._transport.write(struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body)


class LeanIo:
    """A module with the wiring of a virtual lane and one probe; the face of ``IoTwin``."""

    def __init__(self) -> None:
        inputs, outputs = io_wiring()
        self._inputs = {(wired.station, wired.sensor): wired.input for wired in inputs}
        self._outputs = {(wired.station, wired.actuator): wired.coil for wired in outputs}
        self.bits = {1: [False] * CHANNELS, 2: [False] * CHANNELS}
        self.count = 0
        self.port = 0

    async def start(self, stack: AsyncExitStack) -> None:
        """Begins to serve on a free port."""
        made = await asyncio.get_running_loop().create_server(lambda: Module(self), "127.0.0.1", 0)
        await stack.enter_async_context(made)
        self.port = made.sockets[0].getsockname()[1]

    def answer(self, function: int, address: int, value: int) -> bytes:
        """The body of an answer."""
        if function == 5:
            self.bits[1][address] = value == 0xFF00
            return struct.pack(">BHH", 5, address, value)
        asked = self.bits[function][address : address + value]
        packed = sum(on << place for place, on in enumerate(asked))
        size = (value + 7) // 8
        return bytes([function, size]) + packed.to_bytes(size, "little")

    def set(self, station: str, sensor: str, on: bool) -> None:
        """Puts a sensor at a level."""
        self.bits[2][self._inputs[station, sensor]] = on

    def output(self, station: str, actuator: str) -> bool:
        """Level of an output as the node last switched it."""
        return self.bits[1][self._outputs[station, actuator]]


class Stream:
    """Two weighing indicators that speak a hundred times a second each; the face of ``WheelTwin``."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.count = 0
        self._load = (0, 0)
        self._listeners: list[list[asyncio.StreamWriter]] = [[], []]

    async def start(self, stack: AsyncExitStack) -> None:
        """Begins to serve both on free ports."""
        for side in (0, 1):
            made = await asyncio.start_server(self._hears(side), "127.0.0.1", 0)
            await stack.enter_async_context(made)
            self.ports.append(made.sockets[0].getsockname()[1])

    def _hears(self, side: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        return lambda _, writer: self._listeners[side].append(writer)

    def stand(self, load: tuple[int, int] | None) -> None:
        """An axle rolls on, or off."""
        self._load = load or (0, 0)

    def speak(self) -> None:
        """One frame of each indicator."""
        for listeners, kg in zip(self._listeners, self._load, strict=True):
            for listener in listeners:
                listener.write(scale_xk3190.build(Decimal(kg)))
                self.count += 1


class Yard:
    """All lanes at work."""

    def __init__(self, plan: dict[str, Any], folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.modules: dict[tuple[str, int], LeanIo] = {}
        self.streams: list[Stream] = []
        self.edges: list[tuple[str, int, bool, int]] = []
        self.cars = self.left = 0
        self._photos: dict[tuple[Any, ...], Any] = {}

    async def lane(self, stack: AsyncExitStack, name: str, desk: Desk) -> VirtualLane:
        """One lane's devices, speaking."""
        for number in range(self.plan["modules"]):
            module = self.modules[name, number] = LeanIo()
            await module.start(stack)
        stream = Stream()
        self.streams.append(stream)
        await stream.start(stack)
        broker = f"mqtt://127.0.0.1:{self.plan['mqtt']}"
        camera, pda = CameraTwin(f"virtual-cam-{name}", broker), PdaTwin(f"pda-{name}", broker)
        twins: Any = LaneTwins(
            name=name,
            io=self.modules[name, 0],  # type: ignore[arg-type]
            camera=camera,
            wheels=stream,  # type: ignore[arg-type]
            brakes=BrakeTwin(self.folder / f"tty-brakes-{name}"),
            slip=SlipTwin(self.folder / f"tty-slip-{name}"),
        )
        for twin in (twins.brakes, twins.slip):
            await twin.start()
            stack.push_async_callback(twin.stop)
        for work in (camera.run(), pda.run()):
            task = asyncio.ensure_future(work)
            stack.callback(task.cancel)
        return VirtualLane(twins, desk, Officer(desk, pda, self.render), self.render)

    async def render(self, paint: Callable[..., Any], *what: Any) -> Any:
        """A photo as it was painted before the clock ran; painted now if nobody thought of it."""
        key = (paint.__name__, *(each.vehicle.vin if isinstance(each, Car) else each for each in what))
        if key not in self._photos:
            self._photos[key] = await asyncio.to_thread(paint, *what)
        return self._photos[key]

    async def visit(self, lane: VirtualLane, car: Car, turn: int) -> None:
        """One visit of a lane's car, from the order until it has left."""
        self.cars += 1
        await lane.take(Trip(replace(car, number=car.number + self.plan["lanes"] * turn)))
        self.left += 1

    async def traffic(self, lane: VirtualLane, car: Car, until: float) -> None:
        """The same car again and again, a visit every ``pace_s``; the last one begins in time to end."""
        await asyncio.sleep(random.uniform(0, self.plan["pace_s"] / 2))
        for turn in itertools.count(1):
            began = time.monotonic()
            if began > until:
                return
            await self.visit(lane, car, turn)
            await asyncio.sleep(max(0.0, self.plan["pace_s"] - (time.monotonic() - began)))

    async def probe(self, name: str, number: int, until: float) -> None:
        """Edges at known moments."""
        dice, level, bits = random.Random(f"{name}/{number}"), False, self.modules[name, number].bits[2]
        while time.monotonic() < until:
            await asyncio.sleep(SHORTEST_S + dice.expovariate(1 / (self.plan["edge_s"] - SHORTEST_S)))
            level = not level
            bits[PROBE] = level
            self.edges.append((name, number, level, time.time_ns()))

    async def speak(self) -> None:
        """All streams, a hundred times a second, late frames made up for, until cancelled."""
        due = time.monotonic()
        while True:
            for stream in self.streams:
                stream.speak()
            due += STREAM_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))


class TimedDesk(Desk):
    """Keeps how long each act over HTTP takes until the node has made it durable, ms."""

    def __init__(self, base: str) -> None:
        super().__init__(base)
        self.acts_ms: list[float] = []

    async def ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        """As a Desk asks."""
        began = time.perf_counter()
        answer = await super().ask(method, path, **what)
        if method == "POST" and answer.status_code == 201:
            self.acts_ms.append((time.perf_counter() - began) * 1000)
        return answer


async def run(path: Path) -> None:
    """Makes everything, waits for the node, works, tells."""
    plan = json.loads(path.read_text("utf-8"))
    folder = path.parent
    yard = Yard(plan, folder)
    names = [str(number) for number in range(1, plan["lanes"] + 1)]
    async with AsyncExitStack() as stack:
        desk = TimedDesk(f"http://127.0.0.1:{plan['edge']}")
        stack.push_async_callback(desk.close)
        lanes = [await yard.lane(stack, name, desk) for name in names]
        found = {
            "modules": {f"{lane}/{n}": module.port for (lane, n), module in yard.modules.items()},
            "scales": {name: stream.ports for name, stream in zip(names, yard.streams, strict=True)},
        }
        (folder / "yard.json").write_text(json.dumps(found), "utf-8")
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        cars = list(itertools.islice(fleet(plan["seed"], plan["lanes"], fault_every=0), plan["lanes"]))
        streams = asyncio.create_task(yard.speak())
        await asyncio.gather(*(yard.visit(lane, car, 0) for lane, car in zip(lanes, cars, strict=True)))
        desk.acts_ms.clear()
        for module in yard.modules.values():
            module.count = 0
        for stream in yard.streams:
            stream.count = 0
        print("working", flush=True)
        until = time.monotonic() + plan["seconds"]
        async with asyncio.TaskGroup() as tasks:
            for lane, car in zip(lanes, cars, strict=True):
                tasks.create_task(yard.traffic(lane, car, until - plan["visit_s"]))
            for name, number in yard.modules:
                tasks.create_task(yard.probe(name, number, until))
        streams.cancel()
        truth = {
            "edges": yard.edges,
            "acts_ms": desk.acts_ms,
            "cars": yard.cars,
            "left": yard.left,
            "polls": sum(module.count for module in yard.modules.values()),
            "frames": sum(stream.count for stream in yard.streams),
            "acknowledged": len(desk.acknowledged),
        }
        (folder / "truth.json").write_text(json.dumps(truth), "utf-8")
        print("done", flush=True)
        await asyncio.to_thread(sys.stdin.readline)  # the peer polls the same modules


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))

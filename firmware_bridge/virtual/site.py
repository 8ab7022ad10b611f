"""The virtual site: cars that arrive, drive by lights and barriers, and stand on twins of real devices."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from firmware_bridge.virtual import physics
from firmware_bridge.virtual.fleet import Car
from firmware_bridge.virtual.officer import Desk, Officer
from firmware_bridge.virtual.scenes import gate_view
from firmware_bridge.virtual.twin_brake import BrakeTwin
from firmware_bridge.virtual.twin_camera import CameraTwin
from firmware_bridge.virtual.twin_io import IoTwin
from firmware_bridge.virtual.twin_slip import SlipTwin
from firmware_bridge.virtual.twin_wheel import WheelTwin

ROOM_LOOK_S = 30.0
LOOK_S = 0.05  # how often a driver looks at the light
STOP_S = 0.8  # a driver stops before looking; the sensors need 0.15 s to be sure of a vehicle
ROLL_S = 0.6  # from one sensor to the next

Render = Callable[..., Awaitable[Any]]
PLATE_TYPES = {"02": "blue", "52": "green_small"}


@dataclass(frozen=True, kw_only=True)
class LaneTwins:
    """The devices of one virtual lane, each a twin behind its real protocol."""

    name: str
    io: IoTwin
    camera: CameraTwin
    wheels: WheelTwin
    brakes: BrakeTwin
    slip: SlipTwin


@dataclass
class Trip:
    """One car's way through, as its driver knows it."""

    car: Car
    inspection: str = ""
    left: bool = False


class VirtualLane:
    """One lane: at most one car a station, in order, led by the agent's outputs alone."""

    def __init__(self, twins: LaneTwins, desk: Desk, officer: Officer, render: Render) -> None:
        self.twins, self.desk, self.officer, self.render = twins, desk, officer, render
        self._gate = asyncio.Lock()

    async def take(self, trip: Trip) -> None:
        """Orders, drives and inspects one car until it has left the lane."""
        car = trip.car
        vehicle = msgspec.to_builtins(car.vehicle)
        async with self._gate:
            trip.inspection = await self.desk.order(car, vehicle, self.twins.name)
            await self._through_gate(car)
        async with asyncio.TaskGroup() as both:
            both.create_task(self.officer.inspect(car, trip.inspection))
            both.create_task(self._drive(car))
        trip.left = True

    async def _drive(self, car: Car) -> None:
        await self._light("exterior")
        await self._go("exterior", "brake", before=lambda: self._stand_on_bench(car))
        await self._brakes()
        self.twins.brakes.stand(None)
        await self._go("brake", "sideslip")
        await self._pass_plate(car)
        await self._go("sideslip", "exit")
        await asyncio.sleep(STOP_S)
        await self._until(lambda: self.twins.io.output("exit", "barrier"))
        self.twins.io.set("exit", "occupied", False)
        # closed again: the node has noted that the car has left
        await self._until(lambda: not self.twins.io.output("exit", "barrier"))

    async def _through_gate(self, car: Car) -> None:
        io = self.twins.io
        await self._until(lambda: not io.output("gate", "barrier"))
        io.set("gate", "occupied", True)
        view = await self.render(gate_view, car)
        plate = car.vehicle.plate
        await self.twins.camera.publish(
            plate.hphm if plate else "",
            view.photo,
            view.crop,
            plate_type=PLATE_TYPES.get(plate.hpzl, "unknown") if plate else "unknown",
            plateid=car.number + 1,
        )
        await self._until(lambda: io.output("gate", "barrier"))
        await self._go("gate", "exterior")

    async def _go(self, here: str, there: str, before: Callable[[], None] | None = None) -> None:
        """Rolls from one station to the next; the sensors see it leave and reach."""
        self.twins.io.set(here, "occupied", False)
        await asyncio.sleep(ROLL_S)
        if before is not None:
            before()
        self.twins.io.set(there, "occupied", True)

    def _stand_on_bench(self, car: Car) -> None:
        self._loads = [(round(left), round(right)) for left, right in physics.wheel_loads(car)]
        self.twins.brakes.stand(lambda item: physics.brake_curve(car, item))

    async def _pass_plate(self, car: Car) -> None:
        """Rolls over the plate each time it is told to, until the light is green."""
        io, told = self.twins.io, False
        await asyncio.sleep(STOP_S)
        while not io.output("sideslip", "light"):
            if io.output("sideslip", "advance") and not told:
                await asyncio.sleep(ROLL_S)
                self.twins.slip.passed(physics.slip(car))
            told = io.output("sideslip", "advance")
            await asyncio.sleep(LOOK_S)

    async def _brakes(self) -> None:
        """Axle after axle onto the rollers when told to advance, off when the light is green."""
        io = self.twins.io
        for axle, loads in enumerate(self._loads, 1):
            await self._until(lambda: io.output("brake", "advance"))
            io.set("brake", "axle", False)
            self.twins.wheels.stand(None)
            await asyncio.sleep(ROLL_S)
            io.set("brake", "beyond", axle > 1)
            self.twins.wheels.stand(loads)
            io.set("brake", "axle", True)
            await self._until(lambda: not io.output("brake", "advance"))
        await self._light("brake")
        io.set("brake", "axle", False)
        io.set("brake", "beyond", False)
        self.twins.wheels.stand(None)

    async def _light(self, station: str) -> None:
        await asyncio.sleep(STOP_S)
        await self._until(lambda: self.twins.io.output(station, "light"))

    async def _until(self, seen: Callable[[], bool]) -> None:
        while not seen():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(LOOK_S)


class Traffic:
    """Cars to lanes, with a pause between arrivals, while there is ``room``; keeps every trip."""

    def __init__(
        self,
        cars: Iterator[Car],
        lanes: list[VirtualLane],
        pause_s: float,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        self._cars, self._lanes, self._pause_s, self._room = cars, lanes, pause_s, room
        self.trips: list[Trip] = []

    async def run(self, count: int | None = None) -> None:
        """Sends ``count`` cars (None: without end) and returns when the last has left."""
        async with asyncio.TaskGroup() as tasks:
            turn = asyncio.Semaphore(2 * len(self._lanes) + 2)
            while count is None or len(self.trips) < count:
                await turn.acquire()
                while not self._room():  # noqa: ASYNC110 - a disk rings no bell
                    await asyncio.sleep(ROOM_LOOK_S)
                trip = Trip(next(self._cars))
                self.trips.append(trip)
                task = tasks.create_task(self._lanes[trip.car.lane % len(self._lanes)].take(trip))
                task.add_done_callback(lambda _: turn.release())
                await asyncio.sleep(self._pause_s)

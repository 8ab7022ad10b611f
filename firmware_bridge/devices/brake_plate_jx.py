"""Plate brake tester of 江新 (JX), JXPB13: the vehicle brakes, then the host fetches maxima and curves.

Commands and short answers are JX frames (jx.py): ``52`` resets, ``62`` sets to zero, ``6B`` with four
digits 0 or 1 chooses front axle, rear axle, parking brake, ``64`` starts. The bench tells ``31`` drive on
at 5 to 10 km/h, ``32`` brake, ``35`` on to the parking brake, ``36`` pull it, ``37`` ended. ``51`` and
``48`` fetch front and rear: 44 bytes, ten numbers of four digits, left and right maximum force first;
``53`` the parking brake: 12 bytes, left and right. ``55`` and ``54`` fetch the force curves, ``45`` and
``46`` the load curves of front and rear: 1536 bytes without frame or check, 192 points of left and right,
four digits each, blank where there are no more (F1, linzewu/veh, driver JXPB13). Force in daN, load in kg,
10 ms from point to point: M. As a curve has no check, each is fetched twice and must be the same, and its
maxima must be those of the frame.
"""

import asyncio
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import jx
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.record import BrakeCurve, BrakeMeasured

RESET, CHOOSE, BEGIN, ENDED = 0x52, 0x6B, 0x64, 0x37
POINTS, POINT_SIZE = 192, 8
CURVE_SIZE = POINTS * POINT_SIZE
CURVE = -1  # kind of what comes without a frame
AXLE_DIGITS, PARKING_DIGITS = 40, 8


class Item(NamedTuple):
    """How an item is chosen and fetched; the parking brake has no curves."""

    flags: bytes
    maxima: int
    forces: int | None = None
    loads: int | None = None


ITEMS = {
    "B1": Item(b"1000", 0x51, 0x55, 0x45),
    "B2": Item(b"0100", 0x48, 0x54, 0x46),
    "B0": Item(b"0010", 0x53),
}


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Line and bounds; forces in daN, loads in kg."""

    address: str
    interval_ms: Annotated[int, Meta(ge=1, le=100)] = 10
    capacity_dan: Annotated[int, Meta(ge=100, le=9999)] = 3000
    min_dan: Annotated[int, Meta(ge=0, le=1000)] = 30
    min_samples: Annotated[int, Meta(ge=2, le=192)] = 30
    maxima_tolerance_dan: Annotated[int, Meta(ge=0, le=200)] = 5
    reset_s: Annotated[float, Meta(ge=0, le=30)] = 2.0
    pause_ms: Annotated[int, Meta(ge=0, le=2000)] = 300
    wait_s: Annotated[float, Meta(ge=1, le=600)] = 90.0
    simulated: bool = False


class Side(NamedTuple):
    """Left and right of one point, or of one maximum."""

    left: int
    right: int


class Deframer(jx.Deframer):
    """JX frames, and once ``expect_curve`` was called the bytes of one curve, which have no frame."""

    def __init__(self) -> None:
        super().__init__()
        self._curve = False

    def expect_curve(self) -> None:
        """The next 1536 bytes are a curve."""
        self._curve = True

    def feed(self, chunk: bytes) -> list[jx.Frame]:
        """Frames completed by this chunk."""
        if not self._curve:
            return super().feed(chunk)
        self._held += chunk
        if len(self._held) < CURVE_SIZE:
            return []
        whole, rest = self._held[:CURVE_SIZE], self._held[CURVE_SIZE:]
        self._held, self._curve = b"", False
        return [jx.Frame(CURVE, whole), *super().feed(rest)]

    def drop(self) -> None:
        """Forgets what began but did not end, and that a curve was to come."""
        super().drop()
        self._curve = False


def read_pair(digits: bytes) -> Side | None:
    """Two numbers of eight digits; None when they are none."""
    left, right = jx.number(digits[:4]), jx.number(digits[4:8])
    return None if left is None or right is None else Side(left, right)


def read_curve(body: bytes) -> list[Side] | None:
    """The points of a curve; None when one is no number, or blanks stand between numbers."""
    used = body.rstrip(b" ")
    size = -(-len(used) // POINT_SIZE) * POINT_SIZE
    points = [read_pair(body[at : at + POINT_SIZE]) for at in range(0, size, POINT_SIZE)]
    known = [point for point in points if point is not None]
    return known if len(known) == len(points) else None


class BrakePlateJx(SerialInstrument[jx.Frame]):
    """One bench; it speaks only in a test."""

    mute = True
    deframer: Deframer

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config.address, Deframer(), simulated=config.simulated)
        self._config = config

    async def measure(self, lane: str, station: str, item: str, axle: int) -> BrakeMeasured:
        """One stop on the plates; raises MeasureError."""
        if item not in ITEMS:
            raise MeasureError(f"{self.name}: {item} is not measured here: only {', '.join(ITEMS)}")
        async with self._lock, self.stopping(jx.build(RESET)):
            most, forces, loads = await self._test(ITEMS[item])
        self._check(item, most, forces, loads)
        return BrakeMeasured(
            lane=lane,
            station=station,
            device=self.name,
            item=item,
            axle=axle,
            bench="plate",
            left_max_dan=most.left,
            right_max_dan=most.right,
            curve=BrakeCurve(
                interval_ms=self._config.interval_ms,
                left_dan=tuple(point.left for point in forces),
                right_dan=tuple(point.right for point in forces),
                left_load_kg=tuple(point.left for point in loads),
                right_load_kg=tuple(point.right for point in loads),
            ),
        )

    async def _test(self, item: Item) -> tuple[Side, list[Side], list[Side]]:
        await self._tell(jx.build(RESET), "reset")
        await asyncio.sleep(self._config.reset_s)
        await self._tell(jx.build(jx.ZERO), "zero")
        await self._tell(jx.build(CHOOSE, item.flags), "choose")
        self.forget()
        await self._tell(jx.build(BEGIN), "start")
        await self._until(ENDED, 0, self._config.wait_s, "brake")
        size = PARKING_DIGITS if item.forces is None else AXLE_DIGITS
        self.forget()
        await self.send(jx.build(item.maxima), "maxima")
        most = read_pair((await self._until(item.maxima, size, jx.ACK_S, "maxima")).body)
        if most is None:
            raise MeasureError(f"{self.name}: the bench's maxima are no numbers; measure again")
        forces, loads = await self._curve(item.forces), await self._curve(item.loads)
        return most, forces, loads

    async def _until(self, kind: int, size: int, limit_s: float, doing: str) -> jx.Frame:
        deadline = asyncio.get_running_loop().time() + limit_s
        while True:
            frame = (await self.before(deadline, doing)).frame
            if (frame.kind, len(frame.body)) == (kind, size):
                return frame

    async def _curve(self, kind: int | None) -> list[Side]:
        if kind is None:
            return []
        bodies = []
        for _ in range(2):
            self.forget()
            self.deframer.expect_curve()
            await self.send(jx.build(kind), "curve")
            bodies.append((await self._until(CURVE, CURVE_SIZE, jx.ACK_S, "curve")).body)
        points = read_curve(bodies[0])
        if points is None or bodies[0] != bodies[1]:
            raise MeasureError(f"{self.name}: a curve was damaged; check the cable, measure again")
        return points

    def _check(self, item: str, most: Side, forces: list[Side], loads: list[Side]) -> None:
        settings = self._config
        if max(most) > settings.capacity_dan:
            raise MeasureError(f"{self.name}: {max(most)} daN is beyond {settings.capacity_dan} daN")
        if max(most) < settings.min_dan:
            raise MeasureError(
                f"{self.name}: at most {max(most)} daN: the vehicle did not brake on the plates"
            )
        if ITEMS[item].forces is None:
            return
        if len(forces) < settings.min_samples or len(loads) != len(forces):
            counts = f"{len(forces)} forces, {len(loads)} loads"
            raise MeasureError(f"{self.name}: {counts}; {settings.min_samples} of each are the least")
        for side, told, curve in zip(("left", "right"), most, zip(*forces, strict=True), strict=True):
            if abs(max(curve) - told) > settings.maxima_tolerance_dan:
                both = f"{told} daN by the bench, {max(curve)} by the curve"
                raise MeasureError(f"{self.name}: {side} maximum {both}; measure again")

    async def _tell(self, sent: bytes, doing: str) -> None:
        await self.send(sent, doing)
        await asyncio.sleep(self._config.pause_ms / 1000)

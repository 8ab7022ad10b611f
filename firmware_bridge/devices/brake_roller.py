"""Roller brake bench of 江新 (JX): two channels of force while the driver brakes, then its own maxima.

Frames: see jx.py. Order (F1, linzewu/veh, drivers JXGT2 and JXGT2CZ): host ``66`` start; bench acknowledges
with 4 bytes, sends a notice of 5 bytes, then the drag of both wheels, then samples, all of 4 + 4 digits in
12 bytes, until a frame of kind ``E`` filled with ``E``; host ``6B`` fetch; bench answers left and right
maximum and left and right at the greatest difference, 4 digits each, in 20 bytes. Force in daN and 10 ms
between samples: M (the interval is that of GB 38900 curves). ``63``/``64`` move the lift up and down and
are acknowledged with 4 bytes.

``frames = "numbered"`` is our own extension for benches that can number their samples (docs/devices/
brake-roller.md): start carries the item, a sample is ``41 10 53 NNNN LLLL RRRR CHECK`` with NNNN from 1, the
end is ``41 0C 45 NNNN EEEE CHECK`` with the last number, ``67`` stops. A missing number makes the measurement
invalid. Without numbers, a sample that was lost whole shows only in the pace: see ``pace_slip_ms``.
"""

import asyncio
from itertools import accumulate
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import jx
from lanes.record import BrakeCurve, BrakeMeasured

SAMPLE, DRAG, NOTICE, END = 0x53, 0x44, 0x4E, 0x45  # END: F1; the others are ours, a JX bench may differ
PAIR, QUAD = 8, 16  # bytes of digits
FILL = b"EEEE"
COUNTER_RANGE = 10_000
FEW = 20  # samples of which the earliest is on time


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Line, dialect and limits of one bench; forces in daN."""

    address: str
    frames: Literal["jx", "numbered"] = "jx"
    interval_ms: Annotated[int, Meta(ge=1, le=100)] = 10
    capacity_dan: Annotated[int, Meta(ge=100, le=9999)] = 3000
    min_samples: Annotated[int, Meta(ge=2, le=10_000)] = 50
    drag_timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 15.0
    brake_timeout_s: Annotated[float, Meta(ge=0.1, le=120)] = 30.0
    maxima_tolerance_dan: Annotated[int, Meta(ge=0, le=200)] = 5
    maxima_tolerance_pct: Annotated[float, Meta(ge=0, le=20)] = 3.0
    gap_ms: Annotated[int, Meta(ge=10, le=1000)] = 50
    lift: bool = True
    lift_s: Annotated[float, Meta(ge=0, le=30)] = 5.0
    simulated: bool = False


class Forces(NamedTuple):
    """Left and right, daN."""

    left: int
    right: int


class Sample(NamedTuple):
    """One point of the curve; ``number`` only where the bench counts."""

    number: int | None
    forces: Forces
    at: float


class Maxima(NamedTuple):
    """What the bench itself found."""

    highest: Forces
    at_difference: Forces


def start(frames: str, item: str) -> bytes:
    """The start command; a bench with numbered frames is told the item."""
    return jx.build(jx.START_TEST, item.encode("ascii")[:8] if frames == "numbered" else b"")


def read_pair(body: bytes) -> Forces | None:
    """Two forces of eight digits; None when they are not digits."""
    left, right = jx.number(body[:4]), jx.number(body[4:8])
    return None if left is None or right is None or len(body) != PAIR else Forces(left, right)


def read_sample(frames: str, frame: jx.Frame, at: float) -> Sample | None:
    """A sample frame of the dialect; None when it is something else."""
    if frames == "jx":
        forces = read_pair(frame.body)
        return None if forces is None else Sample(None, forces, at)
    count, forces = jx.number(frame.body[:4]), read_pair(frame.body[4:])
    if frame.kind != SAMPLE or count is None or forces is None:
        return None
    return Sample(count, forces, at)


def read_maxima(body: bytes) -> Maxima | None:
    """The answer to fetch."""
    highest, at_difference = read_pair(body[:PAIR]), read_pair(body[PAIR:])
    return None if highest is None or at_difference is None else Maxima(highest, at_difference)


def is_end(frame: jx.Frame) -> bool:
    """Whether the bench has ended the test."""
    return frame.kind == END and len(frame.body) == PAIR and frame.body[4:] == FILL


def end_number(frame: jx.Frame) -> int | None:
    """Number of the last sample; None where the bench does not count."""
    return jx.number(frame.body[:4])


def missing(numbers: list[int], last: int) -> int | None:
    """The first sample number that did not arrive; they run from 1 to ``last`` and wrap at 10,000."""
    expected = 1
    for number in numbers:
        if number != expected:
            return expected
        expected = (expected + 1) % COUNTER_RANGE
    return None if expected == (last + 1) % COUNTER_RANGE else expected


def pace_slip_ms(times: list[float], interval_ms: int) -> float:
    """How much later than their count says all samples come after some moment than before it, in ms.

    A delay in this program makes some samples late, never the earliest of a group; a sample lost on the way
    moves all that follow. So the earliest on both sides are compared, ``FEW`` at least, wherever it may be.
    """
    lateness = [at * 1000 - index * interval_ms for index, at in enumerate(times)]
    before, after = list(accumulate(lateness, min)), list(accumulate(lateness[::-1], min))[::-1]
    splits = range(FEW, len(lateness) - FEW + 1)
    return max((after[at] - before[at - 1] for at in splits), default=0.0)


class BrakeRoller(jx.JxBench):
    """One bench."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config.address, simulated=config.simulated)
        self._config = config

    async def zero(self) -> None:
        """Sets both channels to zero; raises MeasureError."""
        async with self._lock:
            await self._command(jx.build(jx.ZERO), "zero")

    async def measure(self, lane: str, station: str, item: str, axle: int) -> BrakeMeasured:
        """One test, from start to the bench's own maxima; raises MeasureError."""
        async with self._lock:
            try:
                async with self.stopping(*([jx.build(jx.LOCK)] if self._config.frames == "numbered" else [])):
                    await self._lift(jx.LIFT_DOWN)
                    drag, samples = await self._test(item)
                    maxima = await self._fetch()
            finally:
                await self._raise_lift()
            self._check(samples, maxima)
        return BrakeMeasured(
            lane=lane,
            station=station,
            device=self.name,
            item=item,
            axle=axle,
            left_max_dan=maxima.highest.left,
            right_max_dan=maxima.highest.right,
            left_drag_dan=drag.left,
            right_drag_dan=drag.right,
            curve=BrakeCurve(
                interval_ms=self._config.interval_ms,
                left_dan=tuple(sample.forces.left for sample in samples),
                right_dan=tuple(sample.forces.right for sample in samples),
            ),
        )

    async def _lift(self, command: int) -> None:
        if self._config.lift:
            await self._command(jx.build(command), "lift")
            await asyncio.sleep(self._config.lift_s)

    async def _raise_lift(self) -> None:
        """The vehicle must be able to leave, whatever came of the test."""
        if self._config.lift and self._up.is_set():
            await self.send(jx.build(jx.LIFT_UP), "lift up", urgent=True)

    async def _command(self, command: bytes, doing: str) -> None:
        self.forget()
        await self.send(command, doing)
        await self._expect(0, jx.ACK_S, f"{doing}: acknowledgement")

    async def _expect(self, size: int, limit_s: float, doing: str) -> jx.Frame:
        """The next frame with a body of this size; others (late answers, notices) pass by."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while True:
            heard = await self.before(deadline, doing)
            if len(heard.frame.body) == size:
                return heard.frame

    async def _test(self, item: str) -> tuple[Forces, list[Sample]]:
        await self.quiet("start")
        self.forget()
        damaged = self.deframer.skipped  # before the start: acknowledgement and curve may come in one piece
        await self.send(start(self._config.frames, item), "start")
        await self._expect(0, jx.ACK_S, "start: acknowledgement")
        drag = read_pair((await self._expect(PAIR, self._config.drag_timeout_s, "drag")).body)
        if drag is None:
            raise MeasureError(f"{self.name}: drag is no number; check the bench's display")
        samples, end = await self._curve()
        lost = self.deframer.skipped - damaged
        if lost:
            raise MeasureError(f"{self.name}: {lost} bytes of the curve were damaged; check the cable")
        self._count(samples, end)
        return drag, samples

    async def _curve(self) -> tuple[list[Sample], jx.Frame]:
        samples: list[Sample] = []
        deadline = asyncio.get_running_loop().time() + self._config.brake_timeout_s
        while True:
            heard = await self.before(deadline, "curve")
            if is_end(heard.frame):
                return samples, heard.frame
            sample = read_sample(self._config.frames, heard.frame, heard.at)
            if sample is None:
                raise MeasureError(f"{self.name}: frame {heard.frame.kind:02X} in the middle of the curve")
            samples.append(sample)

    def _count(self, samples: list[Sample], end: jx.Frame) -> None:
        if self._config.frames == "numbered":
            numbers = [sample.number or 0 for sample in samples]
            lost = missing(numbers, end_number(end) or 0)
            if lost is not None:
                raise MeasureError(f"{self.name}: sample {lost} of the curve was lost; measure again")

    async def _fetch(self) -> Maxima:
        self.forget()
        await self.send(jx.build(jx.FETCH), "fetch")
        maxima = read_maxima((await self._expect(QUAD, jx.ACK_S, "maxima")).body)
        if maxima is None:
            raise MeasureError(f"{self.name}: the bench's maxima are no numbers; measure again")
        return maxima

    def _check(self, samples: list[Sample], maxima: Maxima) -> None:
        settings = self._config
        if len(samples) < settings.min_samples:
            raise MeasureError(f"{self.name}: {len(samples)} samples, {settings.min_samples} are the least")
        slip = pace_slip_ms([sample.at for sample in samples], settings.interval_ms)
        if settings.frames == "jx" and slip > settings.gap_ms:
            raise MeasureError(f"{self.name}: samples for about {slip:.0f} ms were lost; measure again")
        self._cross_check("left", [sample.forces.left for sample in samples], maxima.highest.left)
        self._cross_check("right", [sample.forces.right for sample in samples], maxima.highest.right)

    def _cross_check(self, side: str, curve: list[int], told: int) -> None:
        highest, settings = max(curve), self._config
        if max(highest, told) > settings.capacity_dan:
            beyond = f"{max(highest, told)} daN is beyond {settings.capacity_dan} daN"
            raise MeasureError(f"{self.name}: {side} {beyond}, what the bench can carry")
        allowed = max(settings.maxima_tolerance_dan, told * settings.maxima_tolerance_pct / 100)
        if abs(highest - told) > allowed:
            raise MeasureError(
                f"{self.name}: {side} maximum {told} daN by the bench, {highest} by the curve; measure again"
            )

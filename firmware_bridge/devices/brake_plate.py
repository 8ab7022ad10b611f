"""Plate brake tester (平板制动台): force and load of both wheels while the vehicle brakes on the plates.

The frames are ours, not a maker's (docs/devices/brake-plate.md), built as the JX frame (jx.py): ``66`` with
the item starts and is acknowledged; each 10 ms ``50`` with number, left and right force, left and right
load, four digits each; once, when the pedal is touched, ``4B`` with the number of the sample before; at the
end ``45`` with the number of the last sample and ``EEEE``, ``PASS`` or ``FAIL``, what the bench itself
thinks; ``67`` stops. A missing number makes the measurement invalid. The host computes; the bench's opinion
is only kept.
"""

import asyncio
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import jx
from firmware_bridge.devices.brake_roller import END, missing
from lanes.record import BenchVerdict, BrakeCurve, BrakeMeasured

SAMPLE, PEDAL = 0x50, 0x4B
WORDS: dict[bytes, BenchVerdict] = {b"EEEE": None, b"PASS": "pass", b"FAIL": "fail"}


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Line and bounds; forces in daN, loads in kg."""

    address: str
    interval_ms: Annotated[int, Meta(ge=1, le=100)] = 10
    capacity_dan: Annotated[int, Meta(ge=100, le=9999)] = 3000
    capacity_kg: Annotated[int, Meta(ge=100, le=9999)] = 5000
    min_samples: Annotated[int, Meta(ge=2, le=10_000)] = 30
    min_dan: Annotated[int, Meta(ge=0, le=1000)] = 30
    wait_s: Annotated[float, Meta(ge=1, le=600)] = 60.0
    brake_timeout_s: Annotated[float, Meta(ge=0.1, le=60)] = 10.0
    simulated: bool = False


class Sample(NamedTuple):
    """One point of the curve: daN and kg, left and right."""

    number: int
    left_dan: int
    right_dan: int
    left_kg: int
    right_kg: int


class Ended(NamedTuple):
    """The end of a test."""

    last: int
    verdict: BenchVerdict


def start(item: str) -> bytes:
    """The start command."""
    return jx.build(jx.START_TEST, item.encode("ascii")[:8])


def build_sample(sample: Sample) -> bytes:
    """The frame of a sample."""
    return jx.build(SAMPLE, b"%04d%4d%4d%4d%4d" % sample)


def read_sample(frame: jx.Frame) -> Sample | None:
    """The sample of a frame; None when it is something else."""
    numbers = [jx.number(frame.body[at : at + 4]) for at in range(0, 20, 4)]
    if frame.kind != SAMPLE or len(frame.body) != 20 or None in numbers:
        return None
    return Sample(*(number or 0 for number in numbers))


def read_end(frame: jx.Frame) -> Ended | None:
    """The end of a frame; None when it is something else."""
    last, word = jx.number(frame.body[:4]), frame.body[4:]
    if frame.kind != END or last is None or word not in WORDS:
        return None
    return Ended(last, WORDS[word])


class BrakePlate(jx.JxBench):
    """One bench."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config.address, simulated=config.simulated)
        self._config = config

    async def measure(self, lane: str, station: str, item: str, axle: int) -> BrakeMeasured:
        """One stop on the plates; raises MeasureError."""
        async with self._lock, self.stopping(jx.build(jx.LOCK)):
            samples, pedal, end = await self._test(item)
        self._check(samples)
        _, left_dan, right_dan, left_kg, right_kg = zip(*samples, strict=True)
        return BrakeMeasured(
            lane=lane,
            station=station,
            device=self.name,
            item=item,
            axle=axle,
            bench="plate",
            left_max_dan=max(left_dan),
            right_max_dan=max(right_dan),
            curve=BrakeCurve(
                interval_ms=self._config.interval_ms,
                left_dan=left_dan,
                right_dan=right_dan,
                left_load_kg=left_kg,
                right_load_kg=right_kg,
            ),
            pedal_ms=None if pedal is None else pedal * self._config.interval_ms,
            bench_verdict=end.verdict,
        )

    async def _test(self, item: str) -> tuple[list[Sample], int | None, Ended]:
        await self.quiet("start")
        self.forget()
        damaged = self.deframer.skipped
        await self.send(start(item), "start")
        clock = asyncio.get_running_loop().time
        deadline = clock() + jx.ACK_S
        while (await self.before(deadline, "start: acknowledgement")).frame != (jx.START_TEST, b""):
            pass
        samples: list[Sample] = []
        pedal: int | None = None
        deadline = clock() + self._config.wait_s
        while (end := read_end(frame := (await self.before(deadline, "curve")).frame)) is None:
            sample = read_sample(frame)
            if sample is not None:
                deadline = deadline if samples else clock() + self._config.brake_timeout_s
                samples.append(sample)
            elif frame.kind == PEDAL and pedal is None:
                pedal = jx.number(frame.body)
            else:
                raise MeasureError(f"{self.name}: frame {frame.kind:02X} in the middle of the curve")
        lost = self.deframer.skipped - damaged
        if lost:
            raise MeasureError(f"{self.name}: {lost} bytes of the curve were damaged; check the cable")
        gone = missing([sample.number for sample in samples], end.last)
        if gone is not None:
            raise MeasureError(f"{self.name}: sample {gone} of the curve was lost; measure again")
        return samples, pedal, end

    def _check(self, samples: list[Sample]) -> None:
        settings = self._config
        if len(samples) < settings.min_samples:
            raise MeasureError(f"{self.name}: {len(samples)} samples, {settings.min_samples} are the least")
        most_dan = max(max(sample.left_dan, sample.right_dan) for sample in samples)
        most_kg = max(max(sample.left_kg, sample.right_kg) for sample in samples)
        if most_dan > settings.capacity_dan:
            raise MeasureError(f"{self.name}: {most_dan} daN is beyond {settings.capacity_dan} daN")
        if most_kg > settings.capacity_kg:
            raise MeasureError(f"{self.name}: {most_kg} kg is beyond {settings.capacity_kg} kg")
        if most_dan < settings.min_dan:
            raise MeasureError(
                f"{self.name}: at most {most_dan} daN: the vehicle did not brake on the plates"
            )

"""Wheel-load scale of 江新 (JX), JXZB10 style: two platforms, weight of the left and of the right wheel.

Frames: see jx.py. ``68`` asks for the weights; the answer has 19 bytes: digits left 3-7, right 8-12 (F1,
MFC and linzewu/veh), a third number 13-17 that we take for the sum (M) and do not use. ``62`` sets to zero,
``67`` locks.
"""

import asyncio
from decimal import Decimal
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import jx
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.record import AxleWeighed

ANSWER_S = 1.5  # s; the scale answers at once (M)
BODY = 15  # bytes of digits in an answer


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Line and limits. Stable: ``stable_readings`` in a row within ``stable_kg`` on both sides."""

    address: str
    capacity_kg: Annotated[int, Meta(ge=100, le=99_999)] = 10_000
    min_kg: Annotated[int, Meta(ge=0, le=1000)] = 50
    stable_kg: Annotated[int, Meta(ge=0, le=200)] = 3
    stable_readings: Annotated[int, Meta(ge=2, le=100)] = 5
    every_ms: Annotated[int, Meta(ge=20, le=2000)] = 200
    wait_s: Annotated[float, Meta(ge=0.5, le=120)] = 20.0
    simulated: bool = False


class Weights(NamedTuple):
    """Left and right wheel, kg."""

    left: int
    right: int


def read_weights(body: bytes) -> Weights | None:
    """Weights of an answer; None when the digits are none."""
    left, right = jx.number(body[:5]), jx.number(body[5:10])
    return None if left is None or right is None or len(body) != BODY else Weights(left, right)


def stable(readings: list[Weights], count: int, within_kg: int) -> bool:
    """Whether the last ``count`` readings lie within ``within_kg`` on each side."""
    last = readings[-count:]
    if len(last) < count:
        return False
    return all(max(side) - min(side) <= within_kg for side in zip(*last, strict=True))


class WheelLoad(SerialInstrument[jx.Frame]):
    """One scale."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config.address, jx.Deframer(), simulated=config.simulated)
        self._config = config

    async def probe(self) -> None:
        """Reads the weights once."""
        await self._read("probe")

    async def zero(self) -> None:
        """Sets both platforms to zero; raises MeasureError."""
        async with self._lock:
            self.forget()
            await self.send(jx.build(jx.ZERO), "zero")
            await self.next(ANSWER_S, "zero: acknowledgement")

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AxleWeighed:
        """Waits for an axle to stand still and weighs it; raises MeasureError."""
        async with self._lock:
            weights = await self._settled()
        return AxleWeighed(
            lane=lane,
            station=station,
            device=self.name,
            axle=axle,
            left_kg=Decimal(weights.left),
            right_kg=Decimal(weights.right),
        )

    async def _settled(self) -> Weights:
        settings, loop = self._config, asyncio.get_running_loop()
        deadline = loop.time() + settings.wait_s
        readings: list[Weights] = []
        while True:
            readings.append(await self._read("weigh"))
            last = readings[-1]
            if min(last) >= settings.min_kg and stable(
                readings, settings.stable_readings, settings.stable_kg
            ):
                if max(last) > settings.capacity_kg:
                    raise MeasureError(f"{self.name}: {max(last)} kg is beyond {settings.capacity_kg} kg")
                return last
            if loop.time() > deadline:
                seen = f"last left {last.left} kg, right {last.right} kg"
                raise MeasureError(f"{self.name}: no axle came to rest within {settings.wait_s:g} s ({seen})")
            await asyncio.sleep(settings.every_ms / 1000)

    async def _read(self, doing: str) -> Weights:
        self.forget()
        await self.send(jx.build(jx.READ), doing)
        body = (await self.next(ANSWER_S, doing)).frame.body
        weights = read_weights(body)
        if weights is None:
            raise MeasureError(f"{self.name}: {doing}: no weights in {body[:20]!r}; measure again")
        return weights

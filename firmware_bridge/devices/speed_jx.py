"""Speedometer bench of 江新 (JX): how fast the rollers turn when the driver declares what he reads.

Frames have three bytes. ``FF xx EE`` is a notice; ``FF 00 EE`` comes when the driver declares (申报) that
he indicates 40 km/h. ``AA`` fetches the speed, answered with a byte and four BCD digits of 0.1 km/h; ``44``
lowers the lift (F1, linzewu/veh, driver JXSD; older versions of it read whole km/h). What other notices
mean, what raises the lift and the first byte of an answer are not known: that it lies between F0 and FE is
M, after the same maker's side-slip bench (domain facts 7.5). No frame has a check: a speed is fetched twice
and must be the same.
"""

import asyncio
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices.framing import Fixed
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.record import SpeedometerMeasured

SIZE = 3
NOTICE, NOTICE_END = 0xFF, 0xEE
LOWER, FETCH = b"\x44", b"\xaa"
ANSWER_S = 1.5  # s; the bench answers at once (M)
FIRST_HEAD = 0xF0


class Notice(NamedTuple):
    """``FF code EE``."""

    code: int


class Speed(NamedTuple):
    """What the rollers turn at."""

    kmh: Decimal


Frame: TypeAlias = Notice | Speed


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Line, what the driver declares and how, bounds. ``raise_lift``: the byte that does, if one does."""

    address: str
    indicated_kmh: Literal[30, 40] = 40
    declared: Annotated[int, Meta(ge=0, le=255)] = 0
    decimals: Literal[0, 1] = 1
    lift_s: Annotated[float, Meta(ge=0, le=30)] = 4.0
    raise_lift: Annotated[int, Meta(ge=0, le=255)] | None = None
    wait_s: Annotated[float, Meta(ge=1, le=600)] = 90.0
    agree_kmh: Annotated[float, Meta(ge=0, le=5)] = 0.5
    lowest_kmh: Annotated[int, Meta(ge=0, le=30)] = 10
    highest_kmh: Annotated[int, Meta(ge=40, le=200)] = 120
    probe: bool = True
    simulated: bool = False


def read(frame: bytes, decimals: int = 1) -> Frame | None:
    """The notice or the speed of three bytes; None when they are neither."""
    if len(frame) != SIZE or frame[0] < FIRST_HEAD:
        return None
    if frame[0] == NOTICE:
        return Notice(frame[1]) if frame[2] == NOTICE_END else None
    digits = frame[1:].hex()
    return Speed(Decimal(int(digits)).scaleb(-decimals)) if digits.isdigit() else None


def build_speed(kmh: Decimal, decimals: int = 1) -> bytes:
    """An answer to fetch, of at most four digits."""
    return bytes([FIRST_HEAD]) + bytes.fromhex(f"{int(kmh.scaleb(decimals)):04d}")


class SpeedBench(SerialInstrument[Frame]):
    """One bench."""

    def __init__(self, name: str, config: Config) -> None:
        frames: Fixed[Frame] = Fixed(SIZE, lambda frame: read(frame, config.decimals))
        super().__init__(name, config.address, frames, simulated=config.simulated)
        self._config = config
        self.mute = not config.probe

    async def probe(self) -> None:
        """Fetches the speed once."""
        if self._config.probe:
            await self._fetch("probe")

    async def measure(self, lane: str, station: str, item: str, axle: int) -> SpeedometerMeasured:
        """The speed when the driver declares; raises MeasureError."""
        async with self._lock:
            try:
                await self.quiet("lower the lift")
                self.forget()
                await self.send(LOWER, "lower the lift")
                await asyncio.sleep(self._config.lift_s)
                await self._declared()
                speed = await self._agreed()
            finally:
                await self._raise()
        return SpeedometerMeasured(
            lane=lane,
            station=station,
            device=self.name,
            item=item,
            indicated_kmh=Decimal(self._config.indicated_kmh),
            actual_kmh=speed,
        )

    async def _declared(self) -> None:
        """Waits for the driver; what he declared before the rollers could turn is not meant."""
        self.forget()
        deadline = asyncio.get_running_loop().time() + self._config.wait_s
        doing = f"wait for {self._config.indicated_kmh} km/h to be declared"
        while (await self.before(deadline, doing)).frame != Notice(self._config.declared):
            pass

    async def _agreed(self) -> Decimal:
        first, second = [await self._fetch("speed") for _ in range(2)]
        settings = self._config
        if abs(first - second) > Decimal(str(settings.agree_kmh)):
            raise MeasureError(f"{self.name}: {first} and then {second} km/h: in motion; declare again")
        if not settings.lowest_kmh <= second <= settings.highest_kmh:
            bounds = f"{settings.lowest_kmh} and {settings.highest_kmh} km/h"
            raise MeasureError(f"{self.name}: {second} km/h is not between {bounds}; drive, then declare")
        return second

    async def _fetch(self, doing: str) -> Decimal:
        self.forget()
        await self.send(FETCH, doing)
        deadline = asyncio.get_running_loop().time() + ANSWER_S
        while True:
            frame = (await self.before(deadline, doing)).frame
            if isinstance(frame, Speed):
                return frame.kmh

    async def _raise(self) -> None:
        """The vehicle must be able to leave, whatever came of the test."""
        if self._config.raise_lift is not None and self._up.is_set():
            await self.send(bytes([self._config.raise_lift]), "raise the lift", urgent=True)

"""Weighing indicators 耀华 (Yaohua) XK3190-A9 in continuous mode, one under each wheel.

A frame has 12 bytes: ``02``, sign, six digits, position of the decimal point, two check characters, ``03``.
The check is the XOR of sign to decimal point, its nibbles written as 30h + n or, above 9, 37h + n (domain
facts 7.5: frame F, several parsers; nibble rule M).
"""

import asyncio
from decimal import Decimal
from functools import reduce
from operator import xor
from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.device import Health, MeasureError, Said, Tell
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.record import AxleWeighed

STX, ETX = 0x02, 0x03
SIZE = 12
SPEAKS_S = 2.0  # s; the indicator sends several frames a second (M)
WORST_FIRST = ("lost", "faulty", "silent", "ok")


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lines of the left and the right indicator, and what counts as at rest."""

    left: str
    right: str
    capacity_kg: Annotated[int, Meta(ge=100, le=99_999)] = 10_000
    min_kg: Annotated[int, Meta(ge=0, le=1000)] = 50
    stable_kg: Annotated[int, Meta(ge=0, le=200)] = 3
    stable_readings: Annotated[int, Meta(ge=2, le=100)] = 8
    wait_s: Annotated[float, Meta(ge=0.5, le=120)] = 20.0
    simulated: bool = False


def check_characters(covered: bytes) -> bytes:
    """The two characters that close a frame over its bytes from sign to decimal point."""
    total = reduce(xor, covered, 0)
    return bytes(0x30 + n if n <= 9 else 0x37 + n for n in (total >> 4, total & 0xF))


def build(weight: Decimal) -> bytes:
    """The frame of a weight with at most six digits; raises ValueError."""
    exponent = weight.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    digits = str(int(abs(weight).scaleb(places))).rjust(6, "0")
    if len(digits) > 6 or places > 4:
        raise ValueError(f"{weight} does not fit six digits")
    covered = (b"-" if weight < 0 else b"+") + digits.encode() + str(places).encode()
    return bytes([STX]) + covered + check_characters(covered) + bytes([ETX])


def read(frame: bytes) -> Decimal | None:
    """Weight of twelve bytes; None when they are no frame."""
    covered, check = frame[1:9], frame[9:11]
    framed = len(frame) == SIZE and frame[0] == STX and frame[-1] == ETX
    if not framed or covered[:1] not in (b"+", b"-") or not covered[1:].isdigit():
        return None
    if check_characters(covered) != check or covered[7] > ord("4"):
        return None
    value = Decimal(int(covered[1:7])).scaleb(-int(covered[7:8]))
    return -value if covered[:1] == b"-" else value


class Deframer:
    """Weights out of a byte stream; ``skipped`` counts torn, corrupt and foreign bytes."""

    def __init__(self) -> None:
        self.skipped = 0
        self._held = b""

    def feed(self, chunk: bytes) -> list[Decimal]:
        """Weights of the frames completed by this chunk."""
        self._held += chunk
        weights = []
        while len(self._held) >= SIZE:
            weight = read(self._held[:SIZE])
            used = 1 if weight is None else SIZE
            self._held = self._held[used:]
            if weight is None:
                self.skipped += 1
            else:
                weights.append(weight)
        return weights

    def drop(self) -> None:
        """The stream goes on by itself: there is nothing to forget."""


def settled(weights: list[Decimal], count: int, within_kg: int) -> bool:
    """Whether the last ``count`` weights lie within ``within_kg``."""
    last = weights[-count:]
    return len(last) == count and max(last) - min(last) <= within_kg


class Indicator(SerialInstrument[Decimal]):
    """One indicator; it speaks unasked."""

    async def settle(self, config: Config) -> Decimal:
        """Weight once at rest; raises MeasureError."""
        async with self._lock:
            self.forget()
            weights: list[Decimal] = []
            deadline = asyncio.get_running_loop().time() + config.wait_s
            while True:
                weights.append((await self.next(SPEAKS_S, "weigh")).frame)
                last = weights[-1]
                if last >= config.min_kg and settled(weights, config.stable_readings, config.stable_kg):
                    return last
                if asyncio.get_running_loop().time() > deadline:
                    raise MeasureError(
                        f"{self.name}: not at rest within {config.wait_s:g} s (last {last} kg)"
                    )

    async def now(self) -> Decimal:
        """The next weight it tells; raises MeasureError."""
        async with self._lock:
            self.forget()
            return (await self.next(SPEAKS_S, "weigh")).frame


class ScaleXk3190:
    """Two indicators as one wheel-load scale."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self._config = config
        self._left = Indicator(f"{name}-left", config.left, Deframer(), simulated=config.simulated)
        self._right = Indicator(f"{name}-right", config.right, Deframer(), simulated=config.simulated)
        self.source = f"virtual+serial://{name}" if config.simulated else f"serial://{name}"

    async def run(self, tell: Tell) -> None:
        """Keeps both lines; the health told is that of the worse one."""
        states: dict[str, Health] = {}
        told = ""

        def side(of: Indicator) -> Tell:
            async def hear(said: Said) -> None:
                nonlocal told
                if isinstance(said, Health):
                    states[of.name] = Health(
                        state=said.state, why=f"{of.name}: {said.why}" if said.why else ""
                    )
                worst = min(states.values(), key=lambda health: WORST_FIRST.index(health.state))
                if worst.state != told and (len(states) == 2 or worst.state != "ok"):
                    told = worst.state
                    await tell(worst)

            return hear

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._left.run(side(self._left)))
            tasks.create_task(self._right.run(side(self._right)))

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AxleWeighed:
        """Both weights once at rest; raises MeasureError."""
        left, right = await asyncio.gather(
            self._left.settle(self._config), self._right.settle(self._config), return_exceptions=True
        )
        for weight in (left, right):
            if isinstance(weight, BaseException):
                raise weight
            if weight > self._config.capacity_kg:
                raise MeasureError(f"{self.name}: {weight} kg is beyond {self._config.capacity_kg} kg")
        assert isinstance(left, Decimal)
        assert isinstance(right, Decimal)
        await self._still(left, right)
        return AxleWeighed(
            lane=lane, station=station, device=self.name, axle=axle, left_kg=left, right_kg=right
        )

    async def _still(self, *settled: Decimal) -> None:
        """Raises MeasureError when a side has moved since: it may carry another axle now."""
        for indicator, weight in zip((self._left, self._right), settled, strict=True):
            last = await indicator.now()
            if abs(last - weight) > self._config.stable_kg:
                raise MeasureError(
                    f"{indicator.name}: {last} kg after {weight} kg at rest: the axle moved; measure again"
                )

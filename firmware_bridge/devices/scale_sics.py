"""Vehicle scale that is asked over MT-SICS, as indicators of Mettler Toledo and others speak it (all M).

``SI`` asks for the weight now. One line answers: ``S S      123.4 kg`` at rest, ``S D …`` in motion, ``S I``
not now, ``S +`` and ``S -`` beyond its range. The number is right-aligned in ten characters, so a line that
lost one is none; there is no check, so several readings in a row must agree.
"""

import asyncio
import re
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices.framing import Lines
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.record import KerbMassMeasured

ASK = b"SI\r\n"
ANSWER_S = 1.0  # M
WEIGHT = re.compile(rb"S ([SD]) (?=[ 0-9.-]{10} kg) *(-?\d+(?:\.\d+)?) kg")
WORD = re.compile(rb"S ([I+-])")
SAYS = {"I": "cannot weigh now", "+": "is beyond its range", "-": "is below its zero"}

State: TypeAlias = Literal["S", "D", "I", "+", "-"]


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The line, and what is at rest; ``zero_kg``: how far from zero the empty scale may show."""

    address: str
    zero_kg: Annotated[int, Meta(ge=0, le=200)] = 10
    capacity_kg: Annotated[int, Meta(ge=100, le=199_999)] = 60_000
    min_kg: Annotated[int, Meta(ge=20, le=5000)] = 100
    stable_kg: Annotated[int, Meta(ge=0, le=200)] = 10
    stable_readings: Annotated[int, Meta(ge=2, le=100)] = 3
    every_ms: Annotated[int, Meta(ge=50, le=2000)] = 200
    wait_s: Annotated[float, Meta(ge=0.5, le=120)] = 20.0
    simulated: bool = False


class Reading(NamedTuple):
    """What one line says; without a weight ``kg`` is 0."""

    state: State
    kg: Decimal = Decimal(0)


def read(line: bytes) -> Reading | None:
    """A line without its end; None for anything else, another unit too."""
    if (weight := WEIGHT.fullmatch(line)) is not None:
        return Reading(weight[1].decode(), Decimal(weight[2].decode()))  # type: ignore[arg-type]
    if (word := WORD.fullmatch(line)) is not None:
        return Reading(word[1].decode())  # type: ignore[arg-type]
    return None


def build(reading: Reading) -> bytes:
    """The line of a reading; raises ValueError for a number of more than ten characters."""
    if reading.state not in ("S", "D"):
        return f"S {reading.state}\r\n".encode()
    number = str(reading.kg)
    if len(number) > 10:
        raise ValueError(f"{number} does not fit ten characters")
    return f"S {reading.state} {number:>10} kg\r\n".encode()


class ScaleSics(SerialInstrument[Reading]):
    """One scale. A weighing is worth nothing when the empty scale did not show zero before it."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config.address, Lines(read, headed=True), simulated=config.simulated)
        self._config = config
        self._empty: Decimal | None = None  # what it last showed at rest without a vehicle

    async def probe(self) -> None:
        """Asks for the weight once."""
        await self._ask("probe")

    def overhear(self, frame: Reading) -> None:
        """Keeps what the empty scale shows."""
        if frame.state == "S" and frame.kg < self._config.min_kg:
            self._empty = frame.kg

    def cut_off(self) -> None:
        """What it shows meanwhile is not known."""
        self._empty = None

    async def measure(self, lane: str, station: str, item: str, axle: int) -> KerbMassMeasured:
        """The vehicle's mass once at rest; raises MeasureError."""
        async with self._lock:
            mass = await self._settled()
        empty, again = self._empty, "drive off, set it to zero, drive on again"
        if empty is None:
            raise MeasureError(f"{self.name}: nobody saw the empty scale at zero; {again}")
        if abs(empty) > self._config.zero_kg:
            raise MeasureError(f"{self.name}: the empty scale showed {empty} kg; {again}")
        return KerbMassMeasured(lane=lane, station=station, device=self.name, item=item, mass_kg=mass)

    async def _settled(self) -> Decimal:
        config, loop = self._config, asyncio.get_running_loop()
        deadline, calm = loop.time() + config.wait_s, list[Decimal]()
        while True:
            reading = await self._ask("weigh")
            heavy = reading.state == "S" and reading.kg >= config.min_kg
            calm = [*calm[1 - config.stable_readings :], reading.kg] if heavy else []
            if len(calm) == config.stable_readings and max(calm) - min(calm) <= config.stable_kg:
                if reading.kg > config.capacity_kg:
                    raise MeasureError(f"{self.name}: {reading.kg} kg is beyond {config.capacity_kg} kg")
                return reading.kg
            if loop.time() > deadline:
                last = SAYS.get(reading.state, f"last {reading.kg} kg")
                raise MeasureError(f"{self.name}: not at rest within {config.wait_s:g} s ({last})")
            await asyncio.sleep(config.every_ms / 1000)

    async def _ask(self, doing: str) -> Reading:
        self.forget()
        await self.send(ASK, doing)
        return (await self.next(ANSWER_S, doing)).frame

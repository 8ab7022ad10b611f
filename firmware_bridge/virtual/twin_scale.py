"""Weighing indicators facing the other way: they speak unasked; a load that has just come swings."""

import asyncio
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

from firmware_bridge.devices import indicators
from firmware_bridge.devices.indicators import Reading
from firmware_bridge.virtual.twin_line import PtyLine

EVERY_S = 0.03  # s between frames; a real one sends about ten a second
SETTLE_S = 0.5
SWING = Decimal("0.05")  # of the load, at first

BUILD: Mapping[indicators.Name, Callable[[Reading], bytes]] = {
    "xk3190-a9": lambda reading: indicators.build_a9(reading.kg),
    "a12e": lambda reading: indicators.build_a12e(reading.kg, net=reading.net),
    "ds8": lambda reading: indicators.build_ds8(reading.kg),
    "toledo": indicators.build_toledo,
}


class ScaleTwin:
    """One indicator on a pty. ``zero``: what it shows without a load; ``tared``: it shows net weights."""

    def __init__(self, path: Path, indicator: indicators.Name, *, capacity_kg: int = 80_000) -> None:
        self.line = PtyLine(path, lambda _heard: None)
        self.zero = Decimal(0)
        self.tared = False
        self._build = BUILD[indicator]
        self._capacity_kg = capacity_kg
        self._rng = random.Random(0)
        self._load = Decimal(0)
        self._since = 0.0
        self._speaking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switches the indicator on."""
        self.line.open()
        self._speaking = asyncio.create_task(self._speak())

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        speaking, self._speaking = self._speaking, None
        if speaking is not None:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        self.line.close()

    def stand(self, kg: Decimal | int | None) -> None:
        """A load comes; None: it has left."""
        self._load = Decimal(kg or 0)
        self._since = asyncio.get_running_loop().time()

    def reading(self) -> Reading:
        """What it shows now."""
        share = 1 - (asyncio.get_running_loop().time() - self._since) / SETTLE_S
        swinging = bool(self._load) and share > 0
        swing = Decimal(round(share * self._rng.uniform(-1, 1), 3)) * SWING if swinging else Decimal(0)
        kg = round(self._load * (1 + swing) + self.zero)
        return Reading(Decimal(kg), motion=swinging, over=kg > self._capacity_kg, net=self.tared)

    async def _speak(self) -> None:
        while True:
            self.line.send(self._build(self.reading()))
            await asyncio.sleep(EVERY_S)

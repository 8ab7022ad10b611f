"""A vehicle scale that answers MT-SICS, facing the other way."""

import asyncio
from decimal import Decimal
from pathlib import Path

from firmware_bridge.devices.scale_sics import ASK, Reading, build
from firmware_bridge.virtual.twin_line import PtyLine

SETTLE_S = 0.5  # s in motion after a vehicle has come or left


class SicsTwin:
    """A scale on a pty. ``zero``: what it shows without a load; ``word``: said in place of weights."""

    def __init__(self, path: Path) -> None:
        self.line = PtyLine(path, self._hear)
        self.zero = Decimal(0)
        self.word: Reading | None = None
        self._load = Decimal(0)
        self._since = 0.0
        self._heard = b""

    async def start(self) -> None:
        """Switches the scale on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self.line.close()

    def stand(self, kg: int) -> None:
        """A load comes; 0: it has left."""
        self._load = Decimal(kg)
        self._since = asyncio.get_running_loop().time()

    def _hear(self, heard: bytes) -> None:
        *asked, self._heard = (self._heard + heard).split(b"\n")
        for command in asked:
            if command + b"\n" == ASK:
                self.line.send(build(self.word or self._reading()))
            else:
                self.line.send(b"ES\r\n")

    def _reading(self) -> Reading:
        moving = asyncio.get_running_loop().time() - self._since < SETTLE_S
        return Reading("D" if moving else "S", self._load + self.zero)

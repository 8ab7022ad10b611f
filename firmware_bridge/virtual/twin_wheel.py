"""The wheel-load scale facing the other way: answers with its weights, which settle as real ones."""

import asyncio
import random
from pathlib import Path

from firmware_bridge.devices import jx
from firmware_bridge.virtual.twin_line import PtyLine

SETTLE_S = 0.6  # s until the springs of a vehicle that has just stopped are at rest
SWING = 0.05  # of the load, at first


class WheelTwin:
    """A scale on a pty."""

    def __init__(self, path: Path, *, seed: int = 0) -> None:
        self.line = PtyLine(path, self._hear)
        self._deframer = jx.Deframer()
        self._rng = random.Random(seed)
        self._load: tuple[int, int] | None = None
        self._since = 0.0
        self._locked: tuple[int, int] | None = None

    async def start(self) -> None:
        """Switches the scale on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self.line.close()

    def stand(self, load: tuple[int, int] | None) -> None:
        """An axle of (left, right) kg rolls on; None: it has left."""
        self._load = load
        self._since = asyncio.get_running_loop().time()

    def weights(self) -> tuple[int, int]:
        """What the platforms show now."""
        if self._load is None:
            return 0, 0
        left = 1 - (asyncio.get_running_loop().time() - self._since) / SETTLE_S
        swing = max(0.0, left) * SWING
        return tuple(max(0, round(kg * (1 + self._rng.uniform(-swing, swing)))) for kg in self._load)  # type: ignore[return-value]

    def _hear(self, heard: bytes) -> None:
        for frame in self._deframer.feed(heard):
            if frame.kind == jx.READ:
                left, right = self._locked or self.weights()
                self.line.send(jx.build(jx.READ, b"%5d%5d%5d" % (left, right, left + right)))
            elif frame.kind in {jx.ZERO, jx.LOCK, jx.UNLOCK}:
                self._locked = self.weights() if frame.kind == jx.LOCK else None
                self.line.send(jx.build(frame.kind))

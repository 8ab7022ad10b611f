"""Two channels of raw samples facing the other way: lines on a pty, or a ring of Modbus registers on TCP."""

import asyncio
from collections import deque
from pathlib import Path
from typing import Literal

from firmware_bridge.devices.brake_analog import WORDS, Raw, build_line
from firmware_bridge.devices.brake_roller import COUNTER_RANGE
from firmware_bridge.modbus import Served, Tables, serve_tcp
from firmware_bridge.virtual.physics import BrakeTrace
from firmware_bridge.virtual.twin_line import PtyLine

INTERVAL_S = 0.01
RING_PAIRS = 32


class AnalogTwin:
    """Channels that never rest. A count is ``1 / per_dan`` daN above ``zero``, the same on both sides."""

    def __init__(
        self, path: Path, samples: Literal["lines", "checked", "ring"], *, zero: int = 100, per_dan: int = 4
    ) -> None:
        self.line = PtyLine(path, lambda _heard: None)
        self.tables = Tables(registers=1 + 2 * RING_PAIRS)
        self.frozen = False
        self._samples = samples
        self._zero, self._per_dan = zero, per_dan
        self._due: deque[tuple[int, int]] = deque()
        self._ring: deque[tuple[int, int]] = deque([(zero, zero)] * RING_PAIRS, maxlen=RING_PAIRS)
        self._count = 0
        self._served: Served | None = None
        self._port = 0
        self._speaking: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """What stands in a site file."""
        return f"tcp://127.0.0.1:{self._port}" if self._samples == "ring" else self.line.address

    async def start(self) -> None:
        """Switches the channels on."""
        if self._samples == "ring":
            self._served = await serve_tcp(self.tables, port=self._port)
            self._port = self._served.port
        else:
            self.line.open()
        self._speaking = asyncio.create_task(self._speak())

    async def stop(self) -> None:
        """Switches them off."""
        speaking, served, self._served = self._speaking, self._served, None
        if speaking is not None:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        if served is not None:
            await served.stop()
        self.line.close()

    def brake(self, trace: BrakeTrace) -> None:
        """The rollers turn and the driver brakes: these forces from now on, then none."""
        self._due.extend(zip(trace.left_dan, trace.right_dan, strict=True))

    def release(self) -> None:
        """Whatever was to come does not."""
        self._due.clear()

    async def _speak(self) -> None:
        """By the clock: after a delay of this program the samples due come at once."""
        clock = asyncio.get_running_loop().time
        began = clock()
        for turn in range(10**9):
            await asyncio.sleep(max(0.0, began + turn * INTERVAL_S - clock()))
            if not self.frozen:
                self._tell(*(self._zero + dan * self._per_dan for dan in (self._due or [(0, 0)])[0]))
                if self._due:
                    self._due.popleft()

    def _tell(self, left: int, right: int) -> None:
        self._count += 1
        if self._samples == "ring":
            self._ring.append((left, right))
            words = [self._count, *(count for pair in self._ring for count in pair)]
            self.tables.registers[:] = [word % WORDS for word in words]
        else:
            number = self._count % COUNTER_RANGE if self._samples == "checked" else None
            self.line.send(build_line(Raw(number, left, right)))

"""The JXPB13 plate bench facing the other way: tells the driver what to do, then answers with what it saw."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from firmware_bridge.devices import jx
from firmware_bridge.devices.brake_plate_jx import BEGIN, CHOOSE, CURVE_SIZE, ENDED, ITEMS, RESET
from firmware_bridge.virtual.physics import PlateTrace
from firmware_bridge.virtual.twin_line import PtyLine

DRIVE_ON, BRAKE = 0x31, 0x32
STEP_S = 0.1  # s between two of its words; a driver needs several

TraceFor: TypeAlias = Callable[[str], PlateTrace]


class PlateJxTwin:
    """A bench on a pty; without ``stand`` nobody drives on."""

    def __init__(self, path: Path) -> None:
        self.line = PtyLine(path, self._hear)
        self.resets = 0
        self._deframer = jx.Deframer()
        self._trace_for: TraceFor | None = None
        self._seen: PlateTrace | None = None
        self._chosen = "B1"
        self._test: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switches the bench on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self._reset()
        if self._test is not None:
            await asyncio.gather(self._test, return_exceptions=True)
        self.line.close()

    def stand(self, trace_for: TraceFor | None) -> None:
        """A vehicle will brake on the plates (None: nobody will): what the next tests will show."""
        self._trace_for = trace_for

    def _reset(self) -> None:
        self._seen = None
        if self._test is not None:
            self._test.cancel()

    def _hear(self, heard: bytes) -> None:
        for frame in self._deframer.feed(heard):
            if frame.kind == RESET:
                self.resets += 1
                self._reset()
            elif frame.kind == CHOOSE:
                self._chosen = next(item for item, how in ITEMS.items() if how.flags == frame.body)
            elif frame.kind == BEGIN:
                self._test = asyncio.ensure_future(self._run())
            elif self._seen is not None:
                self._answer(frame.kind, self._seen)

    async def _run(self) -> None:
        self.line.send(jx.build(DRIVE_ON))
        if self._trace_for is None:
            return
        for word in (BRAKE, ENDED):
            await asyncio.sleep(STEP_S)
            self._seen = self._trace_for(self._chosen)
            self.line.send(jx.build(word))

    def _answer(self, kind: int, seen: PlateTrace) -> None:
        how = ITEMS[self._chosen]
        if kind == how.maxima:
            pair = b"%4d%4d" % (max(seen.left_dan), max(seen.right_dan))
            self.line.send(jx.build(kind, pair if how.forces is None else pair * 5))
        elif kind == how.forces:
            self.line.send(_points(seen.left_dan, seen.right_dan))
        elif kind == how.loads:
            self.line.send(_points(seen.left_kg, seen.right_kg))


def _points(left: Sequence[int], right: Sequence[int]) -> bytes:
    return b"".join(b"%4d%4d" % pair for pair in zip(left, right, strict=True)).ljust(CURVE_SIZE)

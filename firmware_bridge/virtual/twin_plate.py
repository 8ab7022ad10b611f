"""The plate brake tester facing the other way: acknowledges, samples, ends with its own opinion."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from firmware_bridge.devices import jx
from firmware_bridge.devices.brake_plate import PEDAL, Sample, build_sample
from firmware_bridge.devices.brake_roller import COUNTER_RANGE, END, FILL
from firmware_bridge.virtual.physics import PlateTrace
from firmware_bridge.virtual.twin_line import PtyLine

TraceFor: TypeAlias = Callable[[str], PlateTrace]


class PlateTwin:
    """A bench on a pty; without ``stand`` nobody drives onto its plates. ``opinion``: its own verdict."""

    def __init__(self, path: Path) -> None:
        self.line = PtyLine(path, self._hear)
        self.opinion = FILL
        self.stopped = 0
        self._deframer = jx.Deframer()
        self._trace_for: TraceFor | None = None
        self._test: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switches the bench on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self._cancel()
        if self._test is not None:
            await asyncio.gather(self._test, return_exceptions=True)
        self.line.close()

    def stand(self, trace_for: TraceFor | None) -> None:
        """A vehicle will brake on the plates (None: nobody will): what the next tests will show."""
        self._trace_for = trace_for

    def _hear(self, heard: bytes) -> None:
        for frame in self._deframer.feed(heard):
            if frame.kind == jx.STATE:
                self.line.send(jx.build(jx.STATE, b"F" * 8))
            elif frame.kind in (jx.LOCK, jx.START_TEST):
                self._cancel()
                self.stopped += frame.kind == jx.LOCK
                self.line.send(jx.build(frame.kind))
                if frame.kind == jx.START_TEST and self._trace_for is not None:
                    self._test = asyncio.ensure_future(self._run(self._trace_for(frame.body.decode("ascii"))))

    def _cancel(self) -> None:
        if self._test is not None:
            self._test.cancel()

    async def _run(self, trace: PlateTrace) -> None:
        """By the clock: after a delay of this program the samples due are sent at once."""
        clock = asyncio.get_running_loop().time
        began = clock()
        points = zip(trace.left_dan, trace.right_dan, trace.left_kg, trace.right_kg, strict=True)
        for index, point in enumerate(points):
            await asyncio.sleep(max(0.0, began + index * trace.interval_ms / 1000 - clock()))
            if index == trace.pedal:
                self.line.send(jx.build(PEDAL, b"%04d" % index))
            self.line.send(build_sample(Sample((index + 1) % COUNTER_RANGE, *point)))
        self.line.send(jx.build(END, b"%04d" % (len(trace.left_dan) % COUNTER_RANGE) + self.opinion))

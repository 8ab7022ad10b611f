"""The brake bench facing the other way: acknowledges, spins up, samples, ends, tells its maxima."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from firmware_bridge.devices import jx
from firmware_bridge.devices.brake_roller import COUNTER_RANGE, DRAG, END, FILL, NOTICE, SAMPLE
from firmware_bridge.virtual.twin_line import PtyLine

SPIN_UP_S = 0.2  # s; a real bench needs about 3


class Trace(Protocol):
    """What a bench measures in one test."""

    @property
    def left_dan(self) -> Sequence[int]: ...
    @property
    def right_dan(self) -> Sequence[int]: ...
    @property
    def interval_ms(self) -> int: ...


TraceFor: TypeAlias = Callable[[str], Trace]


class BrakeTwin:
    """A bench on a pty. Without ``stand`` its rollers are empty and a start leads to nothing.

    ``trace_for`` is asked with the item (``B1`` …) at each start; with the plain JX frames, which do not
    carry the item, with an empty text.
    """

    def __init__(self, path: Path, *, frames: Literal["jx", "numbered"] = "numbered") -> None:
        self.line = PtyLine(path, self._hear)
        self._frames = frames
        self._deframer = jx.Deframer()
        self._trace_for: TraceFor | None = None
        self._last: Trace | None = None
        self._test: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switches the bench on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        await self._abandon()
        self.line.close()

    def stand(self, trace_for: TraceFor | None) -> None:
        """A vehicle stands on the rollers (or, with None, has left): what the next tests will show."""
        self._trace_for = trace_for

    def _hear(self, heard: bytes) -> None:
        for frame in self._deframer.feed(heard):
            self._obey(frame)

    def _obey(self, frame: jx.Frame) -> None:
        if frame.kind == jx.START_TEST:
            self._cancel()
            self._acknowledge(frame)
            self._test = asyncio.ensure_future(self._run_test(frame.body.decode("ascii", "replace")))
        elif frame.kind == jx.FETCH and self._last is not None:
            self.line.send(jx.build(jx.FETCH, _maxima(self._last)))
        elif frame.kind == jx.STATE:
            occupied = b"O" if self._trace_for is not None else b"F"
            self.line.send(jx.build(jx.STATE, occupied * 8))
        elif frame.kind in {jx.LOCK, jx.LIFT_UP}:
            self._cancel()
            self._acknowledge(frame)
        elif frame.kind in {jx.ZERO, jx.LIFT_DOWN}:
            self._acknowledge(frame)

    def _acknowledge(self, frame: jx.Frame) -> None:
        self.line.send(jx.build(frame.kind))

    def _cancel(self) -> None:
        if self._test is not None:
            self._test.cancel()

    async def _abandon(self) -> None:
        self._cancel()
        if self._test is not None:
            await asyncio.gather(self._test, return_exceptions=True)

    async def _run_test(self, item: str) -> None:
        self.line.send(jx.build(NOTICE, b"0"))
        if self._trace_for is None:
            return
        trace = self._trace_for(item)
        await asyncio.sleep(SPIN_UP_S)
        self.line.send(jx.build(DRAG, _pair(min(trace.left_dan), min(trace.right_dan))))
        await self._send_curve(trace)
        self._last = trace
        last = b"%04d" % (len(trace.left_dan) % COUNTER_RANGE) if self._frames == "numbered" else FILL
        self.line.send(jx.build(END, last + FILL))

    async def _send_curve(self, trace: Trace) -> None:
        """By the clock, not by sleeping: after a delay of this program the samples due are sent at once."""
        clock = asyncio.get_running_loop()
        began = clock.time()
        for index, (left, right) in enumerate(zip(trace.left_dan, trace.right_dan, strict=True)):
            due = began + index * trace.interval_ms / 1000
            if due > clock.time():
                await asyncio.sleep(due - clock.time())
            count = b"%04d" % ((index + 1) % COUNTER_RANGE) if self._frames == "numbered" else b""
            self.line.send(jx.build(SAMPLE, count + _pair(left, right)))


def _pair(left: int, right: int) -> bytes:
    return b"%4d%4d" % (left, right)


def _maxima(trace: Trace) -> bytes:
    left, right = trace.left_dan, trace.right_dan
    at = max(range(len(left)), key=lambda index: abs(left[index] - right[index]))
    return _pair(max(left), max(right)) + _pair(left[at], right[at])

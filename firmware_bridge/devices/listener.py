"""Listener: what only speaks (scanners, tag readers): its line, its health, things said more than once."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from uuid import uuid4

from firmware_bridge.device import Junk, Said, Tell
from firmware_bridge.devices.instrument import Deframer
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.link import Line

F = TypeVar("F")
RHYTHM_S = float("inf")  # nobody scans for hours
WAITING = 256  # frames that may wait for the journal; more are lost and counted
GAP_S = 1.0  # s; a line that pauses longer is torn, not slow (M)


class Once:
    """Things said again within ``window_s`` of the last time are the same one, for at most ``most`` things.

    A thing is taken at its ``times``-th hearing: what a damaged line says is not said again.
    """

    def __init__(self, window_s: float, times: int = 1, most: int = 1000) -> None:
        self._window_s, self._times, self._most = window_s, times, most
        self._heard: dict[str, tuple[float, int]] = {}

    def takes(self, what: str, at: float) -> bool:
        """Whether this hearing, at a time in seconds, is the one that counts."""
        last, count = self._heard.pop(what, (at, 0))
        count = 1 if at - last > self._window_s else count + 1
        self._heard[what] = (at, count)
        while len(self._heard) > self._most:
            del self._heard[next(iter(self._heard))]
        return count == self._times


class Listener(Generic[F]):
    """Tells what ``read`` makes of each frame; what it raises ValueError for is junk."""

    def __init__(
        self, name: str, address: str, make: Callable[[], Deframer[F]], once: Once, *, simulated: bool
    ) -> None:
        self.name = name
        self.source = f"virtual+serial://{name}" if simulated else f"serial://{name}"
        self._make = make
        self.deframer = make()
        self.lost_frames = 0
        self._line = Line(address, self._hear)
        self._frames: asyncio.Queue[tuple[F, float]] = asyncio.Queue(WAITING)
        self._once = once
        self._pending: Said | None = None
        self._heard_at = 0.0
        self._run, self._count = uuid4().hex[:12], 0

    def wanted(self, frame: F) -> bool:
        """Whether a frame is to be told at all."""
        return True

    def named(self, frame: F) -> str:
        """What makes two frames the same thing; raises ValueError for junk."""
        raise NotImplementedError

    def said(self, key: str, frame: F) -> Said:
        """What is told of a frame."""
        raise NotImplementedError

    def bytes_of(self, frame: F) -> bytes:
        """A frame as it came, for junk."""
        raise NotImplementedError

    async def run(self, tell: Tell) -> None:
        """Keeps the line and tells what it hears, until cancelled."""
        pulse = Pulse(tell, RHYTHM_S)

        async def changed(up: bool, why: str) -> None:
            self.deframer = self._make()  # the rest of a line never comes on another connection
            await (pulse.beat() if up else pulse.lost(why))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._line.keep(changed))
            tasks.create_task(self._tell_on(tell))

    def _hear(self, chunk: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._heard_at > GAP_S:
            self.deframer.drop()
        self._heard_at = now
        skipped = self.deframer.skipped
        frames = self.deframer.feed(chunk)
        self._line.link.tap.framed(len(frames), self.deframer.skipped - skipped)
        for frame in filter(self.wanted, frames):
            if self._frames.full():
                self.lost_frames += 1
            else:
                self._frames.put_nowait((frame, now))

    async def _tell_on(self, tell: Tell) -> None:
        """Tells on; what could not be kept is offered again when the device runs again."""
        while True:
            if self._pending is None:
                self._pending = self._made_of(*await self._frames.get())
            if self._pending is not None:
                await tell(self._pending)
                self._pending = None

    def _made_of(self, frame: F, at: float) -> Said | None:
        """What is to be told of a frame; None: it was said before."""
        try:
            name = self.named(frame)
        except ValueError as wrong:
            data = self.bytes_of(frame)
            return Junk(channel=self.source, why=str(wrong), data=data, size_bytes=len(data))
        if not self._once.takes(name, at):
            return None
        self._count += 1
        return self.said(f"{self._run}-{self._count}", frame)

"""SerialInstrument: what instruments on a byte stream share: line, frames, health, one asker at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Generic, NamedTuple, Protocol, TypeVar

from firmware_bridge.device import MeasureError, Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.link import Line, LinkError

F = TypeVar("F")
PROBE_S = 2.0  # s between two signs of life asked for
RHYTHM_S = 3 * PROBE_S
QUIET_S = 0.5  # s of silence after a time-out, so that a late answer is not taken for the next one
QUIET_LIMIT_S = 5.0


class Heard(NamedTuple, Generic[F]):
    """A frame and the loop's time when it arrived."""

    frame: F
    at: float


class Deframer(Protocol[F]):
    """Whole frames out of a byte stream; ``skipped`` counts the bytes that belonged to none."""

    skipped: int

    def feed(self, chunk: bytes) -> list[F]: ...

    def drop(self) -> None: ...


class SerialInstrument(Generic[F]):
    """The line, its Deframer and the frames heard. What speaks only when asked has a ``probe``.

    ``mute``: it speaks only within a measurement, so all that is known of its health is its link.
    """

    mute = False

    def __init__(self, name: str, address: str, deframer: Deframer[F], *, simulated: bool) -> None:
        self.name = name
        source = f"serial://{name}"
        self.source = f"virtual+{source}" if simulated else source
        self.deframer = deframer
        self._line = Line(address, self._hear)
        self._frames: asyncio.Queue[Heard[F] | None] = asyncio.Queue()
        self._lock = asyncio.Lock()
        self._up = asyncio.Event()
        self._bytes_heard = self._frames_heard = 0
        self._noise_at: float | None = None  # last byte or time-out since an answer failed to come
        self._why_down = "not connected yet"

    async def probe(self) -> None:
        """Asks for a sign of life; raises MeasureError."""

    def overhear(self, frame: F) -> None:
        """Each frame, also those that nobody waits for."""

    def cut_off(self) -> None:
        """The link is lost: what is known of the device may be out of date."""

    async def run(self, tell: Tell) -> None:
        """Keeps the line and tells its health, until cancelled."""
        pulse = Pulse(tell, RHYTHM_S)

        async def changed(up: bool, why: str) -> None:
            self._why_down = why
            if up:
                self._up.set()
            else:
                self._up.clear()
                self.deframer.drop()  # else its last bytes would begin the first frame of the next link
                self.cut_off()
                if self._lock.locked():  # else nobody would ever take it
                    self._frames.put_nowait(None)
                await pulse.lost(why)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._line.keep(changed))
            tasks.create_task(self._watch(pulse))

    async def _watch(self, pulse: Pulse) -> None:
        while True:
            await self._up.wait()
            bytes_before, frames_before = self._bytes_heard, self._frames_heard
            if not self._lock.locked():
                async with self._lock:
                    with suppress(MeasureError):
                        await self.probe()
            if self._frames_heard == frames_before:
                await asyncio.sleep(PROBE_S)  # what speaks unasked has its time
            await self._judge(pulse, self._bytes_heard - bytes_before, self._frames_heard - frames_before)
            await asyncio.sleep(PROBE_S)

    async def _judge(self, pulse: Pulse, new_bytes: int, new_frames: int) -> None:
        if new_frames or (self.mute and self._up.is_set() and not new_bytes):
            await pulse.beat()
        elif new_bytes:
            await pulse.set("faulty", "bytes arrive but no whole frame: check baud rate, parity, wiring")
        elif self._up.is_set() and not self._lock.locked():
            await pulse.check()

    def _hear(self, chunk: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self._bytes_heard += len(chunk)
        if self._noise_at is not None:
            self._noise_at = now
        skipped = self.deframer.skipped
        frames = self.deframer.feed(chunk)
        self._line.link.tap.framed(len(frames), self.deframer.skipped - skipped)
        for frame in frames:
            self._frames_heard += 1
            self.overhear(frame)
            if self._lock.locked():
                self._frames.put_nowait(Heard(frame, now))

    def forget(self) -> None:
        """Frames heard until now are nobody's answer."""
        self.deframer.drop()
        while not self._frames.empty():
            self._frames.get_nowait()

    async def send(self, sent: bytes, doing: str, *, urgent: bool = False) -> None:
        """Writes a command; after a time-out, unless urgent, once the line is quiet; raises MeasureError."""
        if not urgent:
            await self.quiet(doing)
        if not self._up.is_set():
            raise MeasureError(f"{self.name}: {doing}: no link ({self._why_down})")
        try:
            await self._line.send(sent)
        except LinkError as lost:
            raise MeasureError(f"{self.name}: {doing}: {lost}") from lost

    async def quiet(self, doing: str) -> None:
        """Waits, after a time-out, until nothing has come for ``QUIET_S``; raises MeasureError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + QUIET_LIMIT_S
        while self._noise_at is not None:
            if loop.time() > deadline:
                raise MeasureError(f"{self.name}: {doing}: the device does not fall silent; restart it")
            await asyncio.sleep(max(self._noise_at + QUIET_S - loop.time(), 0.01))
            if loop.time() >= self._noise_at + QUIET_S:
                self._noise_at = None
                self.forget()

    def doubt(self) -> None:
        """What was asked may still be answered: the next command waits until the line is quiet."""
        self._noise_at = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def stopping(self, *commands: bytes) -> AsyncIterator[None]:
        """A test that is refused or broken off leaves no device at work: it is told to stop, and doubted.

        Why it ended is what is raised, also where the stop cannot be sent any more.
        """
        try:
            yield
        except (MeasureError, asyncio.CancelledError):
            self.doubt()  # the device may go on sending what was refused
            for command in commands if self._up.is_set() else ():
                with suppress(MeasureError):
                    await self.send(command, "stop", urgent=True)
            raise

    async def before(self, deadline: float, doing: str) -> Heard[F]:
        """The next frame; raises MeasureError after the deadline (loop's time), however much still comes."""
        rest = deadline - asyncio.get_running_loop().time()
        if rest <= 0:
            why = "frames come, but not what was waited for; measure again"
            raise MeasureError(f"{self.name}: {doing}: {why}")
        return await self.next(rest, doing)

    async def next(self, limit_s: float, doing: str) -> Heard[F]:
        """The next frame; raises MeasureError when none comes in time or the link is lost."""
        try:
            async with asyncio.timeout(limit_s):
                heard = await self._frames.get()
        except asyncio.CancelledError:
            self.doubt()
            raise
        except TimeoutError:
            self.doubt()
            self._line.link.tap.timed_out()
            advice = "check power, cable and line settings"
            raise MeasureError(
                f"{self.name}: {doing}: nothing for {round(limit_s, 1):g} s; {advice}"
            ) from None
        if heard is None:
            raise MeasureError(f"{self.name}: {doing}: link lost ({self._why_down})")
        return heard

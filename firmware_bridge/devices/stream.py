"""StreamDevice: cameras whose events are one answer that never ends: heartbeats, events, pictures."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from firmware_bridge.device import Capture, junk
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.speaker import Speaker
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.link import Backoff
from firmware_bridge.mixed import Mixed, Part, boundary_of
from firmware_bridge.web import Refused, Web, WebError

QUIET_S = 1.0  # s without a byte after which an event is told with the pictures it has
HALF_WAITS = 5  # such waits, where a picture has stopped half-way
BACKOFF_S = (0.5, 30.0)  # first and longest wait before the next try
REFUSED_S = 120.0  # s; makers lock a user out for many minutes after a few wrong passwords (M)
PICTURES = 6  # of one event; more are told with the next, as an event without a text
HELD = 16  # chunks between line and parser


class Codec(Struct, frozen=True, kw_only=True):
    """What a maker's stream means.

    ``event``: (group, pictures it announces) of a part that begins an event, None for a sign of life; raises
    Unreadable. ``captures``: what an event's parts say; raises Unreadable.
    """

    event: Callable[[Part], tuple[str, int | None] | None]
    captures: Callable[[Sequence[Part]], list[Capture]]
    boundary: str


def is_picture(part: Part) -> bool:
    """Whether a part is a picture, by its kind or its first bytes."""
    return part.kind.startswith("image/") or part.body.startswith(b"\xff\xd8")


class _Event:
    """An event whose pictures are still coming."""

    def __init__(self, group: str, announced: int | None, first: Part) -> None:
        self.group, self.announced, self.parts, self.pictures = group, announced, [first], 0

    @property
    def whole(self) -> bool:
        return self.pictures >= (PICTURES if self.announced is None else self.announced)


class StreamDevice(Speaker):
    """One camera whose stream is read. Nothing is acknowledged: an event is told as soon as it is whole."""

    def __init__(self, name: str, source: str, web: Web, path: str, codec: Codec, silence_s: float) -> None:
        super().__init__(name, source, silence_s)
        self.web = web
        self._path, self._codec, self._silence_s = path, codec, silence_s
        self._event: _Event | None = None
        self._parts: list[Part] = []  # heard, not told yet: what could not be kept waits for the next run
        self._late = False  # that run tells it as replayed, since its vehicle may have left by now

    async def listen(self, pulse: Pulse) -> None:
        """Reads the stream, and comes back after every loss."""
        self._late = True
        await self._work_off()
        await self._flush()
        self._late = False
        backoff = Backoff(*BACKOFF_S)
        while True:
            try:
                await self._session(backoff)
            except Refused as refused:
                await pulse.set("faulty", str(refused))
                await asyncio.sleep(REFUSED_S)
            except WebError as lost:
                await pulse.lost(str(lost))
            await asyncio.sleep(backoff.delay())

    async def _session(self, backoff: Backoff) -> None:
        async with self.web.stream(self._path, self._silence_s) as stream:
            if "multipart" not in stream.content_type.lower():
                raise WebError(
                    f"{self.web.address}: answered {stream.content_type[:80]!r}, no multipart stream"
                )
            mixed = Mixed(boundary_of(stream.content_type) or self._codec.boundary)
            chunks: asyncio.Queue[bytes | WebError] = asyncio.Queue(HELD)
            reading = asyncio.create_task(_read(stream.chunks, chunks))
            try:
                await self._follow(mixed, chunks, backoff)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _follow(
        self, mixed: Mixed, chunks: "asyncio.Queue[bytes | WebError]", backoff: Backoff
    ) -> None:
        """Tells what the chunks say; raises WebError at the stream's end or when no part comes out of it."""
        clock = asyncio.get_running_loop().time
        heard, waits = clock(), 0
        while True:
            chunk = await self._next(mixed, chunks)
            waits = 0 if chunk else waits + 1
            skipped = mixed.skipped
            if isinstance(chunk, WebError):
                await self._lost(mixed)
                raise chunk
            parts = mixed.feed(chunk) if chunk else mixed.rest()
            if mixed.skipped != skipped:
                await self._junk(mixed.spoiled, "bytes that belong to no whole part", mixed.skipped - skipped)
            self._parts += parts
            await self._work_off()
            if parts:
                heard = clock()
                backoff.reset()
            elif not chunk and (not mixed.half or waits >= HALF_WAITS):
                await self._flush()
            elif chunk and clock() - heard > self._silence_s:
                raise WebError(
                    f"{self.web.address}: bytes for {self._silence_s:g} s, but no whole part of them"
                )

    async def _next(self, mixed: Mixed, chunks: "asyncio.Queue[bytes | WebError]") -> bytes | WebError:
        """The next chunk; empty: it is quiet while something waits for more."""
        try:
            async with asyncio.timeout(QUIET_S if self._event is not None or mixed.half else None):
                return await chunks.get()
        except TimeoutError:
            return b""

    async def _work_off(self) -> None:
        while self._parts:
            await self._part(self._parts[0])
            self._parts.pop(0)

    async def _part(self, part: Part) -> None:
        if is_picture(part):
            await self._picture(part)
            return
        try:
            begins = self._codec.event(part)
        except Unreadable as wrong:
            await self._flush()
            await self._junk(part.body, str(wrong))
            return
        if begins is None:
            await self._flush()
            await self.alive()
            return
        if self._event is not None and self._event.group == begins[0]:
            self._event.parts.append(part)
            return
        await self._flush()
        self._event = _Event(*begins, part)
        if self._event.whole:
            await self._flush()

    async def _picture(self, part: Part) -> None:
        if self._event is None:
            await self._junk(part.body, "a picture without an event before it")
            return
        if not self._event.whole:  # it is, where it could not be kept at once
            self._event.parts.append(part)
            self._event.pictures += 1
        if self._event.whole:
            await self._flush()

    async def _flush(self) -> None:
        """Tells the event that waits for pictures, if any; where that fails it waits for the next run."""
        event = self._event
        if event is None:
            return
        try:
            for capture in self._codec.captures(event.parts):
                await self.say(replace(capture, replayed=True) if self._late else capture)
        except Unreadable as wrong:
            await self._junk(event.parts[0].body, str(wrong))
        self._event = None

    async def _lost(self, mixed: Mixed) -> None:
        """The stream ended: an event whose text is whole is told with its pictures, the rest is Junk."""
        self._parts += mixed.rest()
        await self._work_off()
        await self._flush()
        if torn := mixed.torn:
            await self._junk(torn, "the stream broke off in the middle of a part")

    async def _junk(self, payload: bytes, why: str, size_bytes: int | None = None) -> None:
        await self.say(junk(f"{self.source}{self._path}", payload, why, size_bytes))


async def _read(source: AsyncIterator[bytes], chunks: "asyncio.Queue[bytes | WebError]") -> None:
    """Moves chunks to the queue, and at the end why there are no more."""
    try:
        async for chunk in source:
            if chunk:
                await chunks.put(chunk)
    except WebError as lost:
        await chunks.put(lost)
    else:
        await chunks.put(WebError("the camera ended the stream"))

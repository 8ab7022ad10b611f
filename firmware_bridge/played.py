"""The recorded side of a conversation: answers a device of today as the real one answered it then.

``PlayedLoop`` is an event loop whose clock jumps to the next moment somebody waits for, and whose TCP
connections lead into recordings: a replay takes no time and never races. A command is answered by what came
after the same command, in order, and once these are used up as it was the last time: who polls by its own
clock may ask once more than then. Of Modbus TCP the transaction number does not count. What the device asks
and the recording does not hold is said (``strange``) and stays unanswered.
"""

import asyncio
import heapq
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.tap import Entry
from firmware_bridge.web import Stream, Web, WebError

NUMBER = 2  # bytes of a Modbus TCP transaction number
LATE_S = 1e-4  # no real loop wakes anybody at the very moment he asked for
BEHIND_S = (
    0.25  # who polls was held up a little each time; the recording's clock is kept up to so much a time
)


@dataclass
class Turn:
    """A command that was sent, when (s), and what was heard until the next: seconds after it, bytes."""

    sent: bytes
    at_s: float
    answers: list[tuple[float, bytes]] = field(default_factory=list)


@dataclass
class Connection:
    """One connection: when it was open (s of the recording), what came unasked at first, and the turns."""

    up_s: float
    words: str = ""  # what the other side said of what comes
    ends_s: float | None = None  # None: it was still open at the end
    opening: list[tuple[float, bytes]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)


class Side:
    """Everything recorded of one address, connection by connection; ``began_ns`` is second 0."""

    def __init__(self, channel: str, entries: Iterable[Entry], began_ns: int) -> None:
        self.channel = channel
        self.numbered = channel.startswith("modbus:tcp://")
        self.connections: deque[Connection] = deque()
        self.strange: list[str] = []
        now: Connection | None = None
        since = began_ns
        for entry in entries:
            at_s = (entry.tick_ns - began_ns) / 1e9
            if now is not None and entry.way in ("up", "lost"):
                now.ends_s, now = at_s, None
            if now is None and entry.way != "lost":
                words = entry.data.decode() if entry.way == "up" else ""
                now, since = Connection(at_s, words), entry.tick_ns
                self.connections.append(now)
            if now is not None:
                since = _take(now, entry, at_s, since)

    def key(self, sent: bytes) -> bytes:
        """What of a command tells it from another."""
        return sent[NUMBER:] if self.numbered else sent


def _take(now: Connection, entry: Entry, at_s: float, since: int) -> int:
    """Adds a chunk to a connection; the moment from which the next answer counts."""
    if entry.way == "out":
        now.turns.append(Turn(entry.data, at_s))
        return entry.tick_ns
    if entry.way == "in":
        after = (entry.tick_ns - since) / 1e9
        (now.turns[-1].answers if now.turns else now.opening).append((after, entry.data))
    return since


class PlayedTransport(asyncio.Transport):
    """One connection into a recording."""

    def __init__(self, loop: "PlayedLoop", protocol: Any, side: Side, connection: Connection) -> None:
        self._socket = socket.socket()  # never connected: links set options on it
        super().__init__({"socket": self._socket, "peername": ("played", 0), "sockname": ("played", 0)})
        self._loop, self._protocol, self._side, self._connection = loop, protocol, side, connection
        self._turns = deque(connection.turns)
        self._last: dict[bytes, Turn] = {}
        self._closing = False

    def begin(self) -> None:
        """What the other side said unasked comes in its time, and so does the end."""
        self._play(self._connection.opening, b"")
        if self._connection.ends_s is not None:
            self._loop.call_at(self._connection.ends_s, self._end)

    def _play(self, answers: list[tuple[float, bytes]], number: bytes) -> None:
        for place, (after, data) in enumerate(answers):
            told = number + data[len(number) :] if place == 0 else data
            self._loop.call_later(after, self._hear, told)

    def _hear(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def _end(self) -> None:
        if not self._closing:
            self._protocol.eof_received()
            self.close()

    def write(self, data: Any) -> None:
        """A command: answered by what came after the same one."""
        sent, side = bytes(data), self._side
        key = side.key(sent)
        found = next((turn for turn in self._turns if side.key(turn.sent) == key), None)
        if found is not None:
            self._turns.remove(found)
            self._last[key] = found
            self._loop.keep_up(found.at_s)
        elif key in self._last:
            found = self._last[key]
        elif self._turns:
            side.strange.append(f"{side.channel}: sends {sent.hex(' ')}, which the recording does not hold")
        if found is not None:
            self._play(found.answers, sent[:NUMBER] if side.numbered else b"")

    def close(self) -> None:
        """Ends the connection."""
        if not self._closing:
            self._closing = True
            self._socket.close()
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._closing

    def get_protocol(self) -> Any:
        """Who hears."""
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        """Changes who hears."""
        self._protocol = protocol

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def pause_reading(self) -> None:
        """The recording goes on: its size is its limit."""

    def resume_reading(self) -> None:
        """The same."""


class PlayedWeb(Web):
    """A device's web server that is not there: its streams are those of the recording."""

    def __init__(self, side: Side) -> None:
        super().__init__("http://played", "", "")
        self._connections = side.connections

    @asynccontextmanager
    async def stream(self, path: str, silence_s: float) -> AsyncIterator[Stream]:
        """The next stream, once its moment has come; raises WebError after the last."""
        if not self._connections:
            raise WebError(f"{self.address}: no further stream in the recording")
        connection = self._connections.popleft()
        await asyncio.sleep(connection.up_s - asyncio.get_running_loop().time())
        yield Stream(content_type=connection.words or "multipart/mixed", chunks=_streamed(connection))


async def _streamed(connection: Connection) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    for after, data in connection.opening:
        await asyncio.sleep(connection.up_s + after - loop.time())
        yield data
    if connection.ends_s is None:
        await loop.create_future()  # it went on beyond the recording
    else:
        await asyncio.sleep(connection.ends_s - loop.time())
    raise WebError("the stream ended")


class PlayedLoop(asyncio.SelectorEventLoop):
    """An event loop in the recording's time; ``sides`` by the TCP port under which a device finds them."""

    def __init__(self, sides: dict[int, Side]) -> None:
        self.now = 0.0
        self._sides = sides
        self._under_way: set[asyncio.Future[Any]] = set()
        super().__init__()

    def time(self) -> float:
        """Seconds of the recording."""
        return self.now

    def keep_up(self, moment_s: float) -> None:
        """It is as late as it was then, if that is hardly later."""
        if moment_s - self.now < BEHIND_S:
            self.now = max(self.now, moment_s)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Any, *args: Any
    ) -> "asyncio.Future[Any]":
        """As ever; the clock stands meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    def _run_once(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0].cancelled():  # as the loop itself does, but before its clock is set
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
        if timers and not self._ready and not self._under_way:  # type: ignore[attr-defined]
            self.now = max(self.now, timers[0].when() + LATE_S)
        super()._run_once()  # type: ignore[misc]

    async def create_connection(  # type: ignore[override]
        self, factory: Callable[[], Any], host: str | None = None, port: int | None = None, **_: Any
    ) -> tuple[asyncio.Transport, Any]:
        """The next connection of that port, once its moment has come; refused after the last."""
        side = self._sides.get(port or 0)
        if side is None or not side.connections:
            raise ConnectionRefusedError(f"no connection to {host}:{port} in the recording")
        await asyncio.sleep(max(0.0, side.connections[0].up_s - self.now))
        protocol = factory()
        transport = PlayedTransport(self, protocol, side, side.connections.popleft())
        protocol.connection_made(transport)
        transport.begin()
        return transport, protocol

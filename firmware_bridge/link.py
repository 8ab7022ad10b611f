"""Bytes in, bytes out: ``serial:///dev/ttyUSB0?baud=38400&parity=N`` and ``tcp://host:port``.

The only file that imports pyserial (whose errors are OSErrors, but for those of termios on a port that is
unplugged while it is opened). ``Link`` is one connection; ``Line``
keeps a link up and hands on what it hears.
"""

import asyncio
import random
import socket
import termios
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

import serial_asyncio_fast

from firmware_bridge.tap import NOBODY, TAP

BAUDS = frozenset({1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400})
READ_SIZE = 4096
CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
# A device server that lost its power says no goodbye, and what only listens would wait for it for ever: after
# 10 s of silence the kernel asks, every 5 s, and gives up after the third.
KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))


class LinkError(Exception):
    """No bytes flow: the text says which address and why."""


class AddressError(ValueError):
    """An address that cannot be meant: the text shows it and how one looks."""


@dataclass(frozen=True, kw_only=True)
class SerialPort:
    """A serial line and its settings (8 data bits unless told otherwise)."""

    path: str
    baud: int = 9600
    parity: str = "N"
    data_bits: int = 8
    stop_bits: int = 1

    def __str__(self) -> str:
        return f"serial://{self.path}"


@dataclass(frozen=True, kw_only=True)
class TcpPeer:
    """A TCP server: the device itself, or a serial device server in front of it."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://{self.host}:{self.port}"


def split(text: str) -> SplitResult:
    """``urlsplit`` that raises AddressError."""
    try:
        return urlsplit(text)
    except ValueError as wrong:  # such as an unclosed [
        raise AddressError(f"{text!r}: {wrong}") from wrong


def parse_address(text: str) -> SerialPort | TcpPeer:
    """SerialPort or TcpPeer of an address; raises AddressError that says how to write it."""
    parts = split(text)
    if parts.scheme == "serial":
        return _serial(text, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))
    if parts.scheme == "tcp":
        return tcp_peer(text, default_port=None)
    raise AddressError(f"{text!r}: begin with serial:///dev/NAME?baud=9600&parity=N or tcp://HOST:PORT")


def tcp_peer(text: str, default_port: int | None) -> TcpPeer:
    """Host and port of ``scheme://host:port``; raises AddressError."""
    parts = split(text)
    try:
        port = parts.port or default_port
    except ValueError as wrong:
        raise AddressError(f"{text!r}: {wrong}") from wrong
    if not parts.hostname or port is None or parts.path not in ("", "/"):
        raise AddressError(f"{text!r}: write {parts.scheme}://HOST:PORT, with a port from 1 to 65535")
    return TcpPeer(host=parts.hostname, port=port)


def _serial(text: str, path: str, options: dict[str, str]) -> SerialPort:
    unknown = set(options) - {"baud", "parity", "data", "stop"}
    if not path or unknown:
        said = f"unknown option {sorted(unknown)[0]!r}" if unknown else "no device path"
        raise AddressError(f"{text!r}: {said}; write serial:///dev/ttyUSB0?baud=38400&parity=N&data=8&stop=1")
    baud = _choice(text, options, "baud", sorted(BAUDS), 9600)
    data = _choice(text, options, "data", [7, 8], 8)
    stop = _choice(text, options, "stop", [1, 2], 1)
    parity = options.get("parity", "N").upper()
    if parity not in {"N", "E", "O"}:
        raise AddressError(f"{text!r}: parity is N, E or O, not {parity!r}")
    return SerialPort(path=path, baud=baud, parity=parity, data_bits=data, stop_bits=stop)


def _choice(text: str, options: dict[str, str], key: str, allowed: list[int], default: int) -> int:
    given = options.get(key, str(default))
    if given not in map(str, allowed):
        raise AddressError(f"{text!r}: {key} is one of {', '.join(map(str, allowed))}, not {given!r}")
    return int(given)


class Backoff:
    """Delays between tries: doubling from ``first_s`` to ``most_s``, each spread by ±25 %."""

    def __init__(self, first_s: float = 0.2, most_s: float = 5.0) -> None:
        self._first, self._most, self._next = first_s, most_s, first_s

    def reset(self) -> None:
        """The next delay is the first again."""
        self._next = self._first

    def delay(self) -> float:
        """Seconds to wait before the next try."""
        now, self._next = self._next, min(self._next * 2, self._most)
        return now * random.uniform(0.75, 1.25)  # noqa: S311 (jitter)


class Link:
    """One connection to an address, at most one at a time."""

    def __init__(self, address: str) -> None:
        self.address = parse_address(address)
        self.channel = address
        self.tap = NOBODY
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as is known."""
        return self._writer is not None

    async def connect(self) -> None:
        """Opens the connection; raises LinkError."""
        await self.close()
        self.tap = TAP.get()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._reader, self._writer = await _open(self.address)
        except TimeoutError:
            raise self._lost(f"no connection within {CONNECT_TIMEOUT_S:g} s") from None
        except OSError as wrong:
            raise self._lost(str(wrong)) from wrong
        self.tap.up(self.channel)

    def _lost(self, why: str) -> LinkError:
        self.tap.lost(self.channel, why)
        return LinkError(f"{self.address}: {why}")

    async def read(self) -> bytes:
        """Waits for at least one byte; raises LinkError when the other side is gone."""
        if self._reader is None:
            raise LinkError(f"{self.address}: not connected")
        try:
            heard = await self._reader.read(READ_SIZE)
        except OSError as wrong:
            raise self._lost(str(wrong)) from wrong
        if not heard:
            raise self._lost("closed by the other side")
        self.tap.heard(self.channel, heard)
        return heard

    async def write(self, sent: bytes) -> None:
        """Hands bytes to the line; raises LinkError."""
        if self._writer is None:
            raise LinkError(f"{self.address}: not connected")
        self.tap.sent(self.channel, sent)
        try:
            self._writer.write(sent)
            await self._writer.drain()
        except OSError as wrong:
            raise LinkError(f"{self.address}: {wrong}") from wrong

    async def close(self) -> None:
        """Closes the connection, if any; never raises."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is None:
            return
        writer.transport.abort()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await writer.wait_closed()


async def _open(address: SerialPort | TcpPeer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, TcpPeer):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        _keep_alive(writer.get_extra_info("socket"))
        return reader, writer
    try:
        reader, writer = await serial_asyncio_fast.open_serial_connection(
            url=address.path,
            baudrate=address.baud,
            bytesize=address.data_bits,
            parity=address.parity,
            stopbits=address.stop_bits,
            exclusive=True,  # a second program on the line would steal bytes
        )
    except termios.error as wrong:
        raise OSError(*wrong.args) from wrong
    return reader, writer


def _keep_alive(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


class Line:
    """A link that comes back; every chunk heard goes to ``hear``."""

    def __init__(self, address: str, hear: Callable[[bytes], None], backoff: Backoff | None = None) -> None:
        self.link = Link(address)
        self._hear = hear
        self._backoff = backoff or Backoff()

    async def keep(self, changed: Callable[[bool, str], Awaitable[None]]) -> None:
        """Connects, listens, reconnects, until cancelled; awaits ``changed(up, why)`` at each outcome."""
        try:
            while True:
                try:
                    await self.link.connect()
                    await changed(True, "")
                    await self._listen()
                except LinkError as lost:
                    await changed(False, str(lost))
                await self.link.close()
                await asyncio.sleep(self._backoff.delay())
        finally:
            await self.link.close()

    async def _listen(self) -> None:
        while True:
            chunk = await self.link.read()
            self._backoff.reset()
            self._hear(chunk)

    async def send(self, sent: bytes) -> None:
        """Writes to the line; raises LinkError when it is down."""
        await self.link.write(sent)

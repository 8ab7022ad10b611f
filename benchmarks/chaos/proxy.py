"""A TCP proxy in front of a registry that loses, delays, cuts, repeats and answers nonsense, on order.

It reads whole HTTP/1.1 messages, so that it can cut at every class of byte boundary, and keeps old requests,
so that it can send them again in any order.
"""

import asyncio
import contextlib
import random
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

CUTS = ("cut_before", "cut_head", "cut_body", "answer_lost", "cut_answer")
NONSENSE = ("answer_500", "answer_page", "answer_empty", "answer_truncated")
LOSS, DELAY_S = 0.3, 2.0
KEPT = 200  # requests
LIMIT = 64 << 20  # bytes of one message
BROKEN = (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)

_PAGE = b"<html><title>Log in to the network</title></html>"
_SAID = {
    "answer_500": (b"500 Internal Server Error", b"text/html", b"<h1>oops</h1>"),
    "answer_page": (b"200 OK", b"text/html", _PAGE),
    "answer_empty": (b"200 OK", b"application/json", b""),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One request or answer as it stood on the wire."""

    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body


class Proxy:
    """Listens on a free port of 127.0.0.1; ``told`` hears each fault the moment it is done."""

    def __init__(self, upstream: int, dice: random.Random, told: Callable[[str], None]) -> None:
        self._upstream, self._dice, self._told = upstream, dice, told
        self.orders: deque[str] = deque()
        self._bad_until = 0.0
        self._kept: deque[Message] = deque(maxlen=KEPT)
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.exchanges = 0
        self.bytes_up = self.bytes_down = 0  # of batches and their receipts

    async def start(self) -> None:
        """Begins to listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def turn_bad(self, seconds: float) -> None:
        """For so long 30 % of all exchanges are lost, the others up to 2 s late."""
        self._bad_until = time.monotonic() + seconds

    def heal(self) -> None:
        """No more faults."""
        self.orders.clear()
        self._bad_until = 0.0

    async def repeat(self, count: int) -> int:
        """Sends old requests again, out of order and all at once; how many were answered."""
        asked = self._dice.sample(list(self._kept), min(count, len(self._kept)))
        answered = await asyncio.gather(*(self._again(message) for message in asked))
        return sum(answered)

    async def _again(self, message: Message) -> bool:
        with contextlib.suppress(*BROKEN, TimeoutError):
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream, limit=LIMIT)
                try:
                    writer.write(message.raw)
                    await _message(reader)
                    return True
                finally:
                    writer.transport.abort()
        return False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Exchanges of one connection, until one of them is cut."""
        try:
            with contextlib.suppress(*BROKEN):
                theirs, ours = await asyncio.open_connection("127.0.0.1", self._upstream, limit=LIMIT)
                try:
                    while await self._exchange(await _message(reader), theirs, ours, writer):
                        pass
                finally:
                    ours.transport.abort()
        finally:
            writer.transport.abort()

    async def _exchange(
        self,
        asked: Message,
        theirs: asyncio.StreamReader,
        ours: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
    ) -> bool:
        """Forwards one request and its answer, or does what was ordered; whether the connection goes on."""
        self.exchanges += 1
        if asked.head.startswith((b"POST", b"PUT", b"PATCH")):
            self._kept.append(asked)
        fate = await self._fate()
        if fate in ("cut_before", "cut_head", "cut_body"):
            ours.write(_part(asked, fate))
            await ours.drain()
            await asyncio.sleep(0.02)  # what was written arrives before the end of the connection
            return False
        if fate in _SAID and self._dice.random() < 0.5:  # the registry never saw it
            client.write(_said(fate))
            await client.drain()
            return True
        ours.write(asked.raw)
        answer = await _message(theirs)
        if asked.head.startswith(b"POST"):
            self.bytes_up += len(asked.raw)
            self.bytes_down += len(answer.raw)
        if fate == "answer_lost":
            return False
        client.write(_answer(answer, fate))
        await client.drain()
        if fate == "cut_answer":
            await asyncio.sleep(0.02)
        return fate != "cut_answer"

    async def _fate(self) -> str:
        """What happens to this exchange."""
        if self.orders:
            fate = self.orders.popleft()
            self._told(fate)
            return fate
        if time.monotonic() < self._bad_until:
            await asyncio.sleep(self._dice.uniform(0, DELAY_S))
            if self._dice.random() < LOSS:
                return self._dice.choice(CUTS)
        return ""


def _part(asked: Message, fate: str) -> bytes:
    if fate == "cut_before":
        return b""
    if fate == "cut_head" or not asked.body:
        return asked.head[: len(asked.head) // 2]
    return asked.head + asked.body[: len(asked.body) // 2]


def _said(fate: str) -> bytes:
    status, media, body = _SAID[fate]
    return (
        b"HTTP/1.1 " + status + b"\r\ncontent-type: " + media
        + b"\r\ncontent-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )  # fmt: skip


def _answer(answer: Message, fate: str) -> bytes:
    if fate in _SAID:
        return _said(fate)
    half = answer.body[: len(answer.body) // 2]
    if fate == "cut_answer":
        return answer.head + half
    if fate == "answer_truncated":  # by somebody who counts right
        length = b"content-length: " + str(len(half)).encode()
        return re.sub(rb"(?i)content-length: *\d+", length, answer.head) + half
    return answer.raw


async def _message(reader: asyncio.StreamReader) -> Message:
    """The next message; raises IncompleteReadError at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        return Message(head, await _chunks(reader))
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return Message(head, await reader.readexactly(int(length[1])) if length else b"")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        body += line + await reader.readexactly(size + 2)
        if not size:
            return body

"""Both sides of a camera's HTTP: a small web server with digest authentication, and a client that posts.

What they write goes through a fault, so that bodies and streams can be torn, lost, late or corrupt.
"""

import asyncio
import hashlib
import re
import secrets
from urllib.parse import urlsplit

from msgspec import Struct

from firmware_bridge.virtual.faults import Fault, whole

REALM = "camera"
_FIELD = re.compile(r'(\w+)="?([^",]*)"?')


class Request(Struct, frozen=True, kw_only=True):
    """What the server was asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Reply(Struct, frozen=True, kw_only=True):
    """What a server answered."""

    status: int
    body: bytes


async def read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    """First line and headers (lower-case names) of a request or an answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def write(writer: asyncio.StreamWriter, sent: bytes, fault: Fault) -> None:
    """Writes what a fault leaves of ``sent``."""
    for part in fault(sent):
        await asyncio.sleep(part.delay_s)
        writer.write(part.data)
        await writer.drain()


async def post(url: str, content_type: str, body: bytes, fault: Fault = whole) -> Reply | None:
    """Posts once, as a camera does; None: no answer came."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = (
        f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        await write(writer, head.encode(), whole)
        await write(writer, body, fault)
        if fault is not whole:
            writer.write_eof()
        first, headers = await read_head(reader)
        answer = await reader.readexactly(int(headers.get("content-length", "0")))
        return Reply(status=int(first.split()[1]), body=answer)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    finally:
        writer.close()


class WebTwin:
    """A camera's web server on a free port. Streams get what ``send`` is given, each through ``fault``."""

    def __init__(self, user: str, password: str, boundary: str) -> None:
        self.user, self.password, self.boundary = user, password, boundary
        self.announced = boundary  # a camera may announce another boundary than it uses
        self.fault: Fault = whole
        self.asked: list[Request] = []
        self.streams: list[asyncio.StreamWriter] = []
        self._nonce = secrets.token_hex(8)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listens, on the port it had before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Power off: every connection is reset."""
        assert self._server is not None
        self._server.close()
        self.reset()
        await self._server.wait_closed()

    def reset(self) -> None:
        """Cuts every connection."""
        for writer in self._open:
            writer.transport.abort()

    async def send(self, sent: bytes) -> None:
        """Writes to every open stream."""
        for writer in list(self.streams):
            await write(writer, sent, self.fault)

    def part(self, content_type: str, body: bytes, disposition: str = "") -> bytes:
        """One part of the stream, with the boundary before it."""
        named = f"Content-Disposition: {disposition}\r\n" if disposition else ""
        head = (
            f"--{self.boundary}\r\n{named}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body + b"\r\n"

    def is_stream(self, target: str) -> bool:
        """Whether a target is answered for ever."""
        raise NotImplementedError

    async def answer(self, request: Request) -> tuple[int, str, bytes]:
        """Status, content type and body for another target."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            if writer in self.streams:
                self.streams.remove(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, headers = await read_head(reader)
        method, target, _ = first.split(" ", 2)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method=method, target=target, headers=headers, body=body)
        if not self._knows(request):
            challenge = f'Digest realm="{REALM}", nonce="{self._nonce}", qop="auth", algorithm=MD5'
            writer.write(_answer(401, "text/plain", b"", f"WWW-Authenticate: {challenge}\r\n"))
            return True
        self.asked.append(request)
        if self.is_stream(target):
            kind = f"multipart/mixed; boundary={self.announced}"
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode())
            self.streams.append(writer)
            await reader.read()  # until the other side hangs up
            return False
        writer.write(_answer(*await self.answer(request)))
        return True

    def _knows(self, request: Request) -> bool:
        """RFC 2617 with qop=auth, as every camera has it."""
        said = dict(_FIELD.findall(request.headers.get("authorization", "")))
        if said.get("nonce") != self._nonce or said.get("username") != self.user:
            return False
        secret = _md5(f"{self.user}:{REALM}:{self.password}")
        asked = _md5(f"{request.method}:{said.get('uri', '')}")
        proof = ":".join((secret, self._nonce, said.get("nc", ""), said.get("cnonce", ""), "auth", asked))
        return said.get("uri") == request.target and said.get("response") == _md5(proof)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - digest authentication of cameras is MD5


def _answer(status: int, content_type: str, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\n{more}Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body

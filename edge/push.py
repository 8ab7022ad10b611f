"""The door for devices that post over plain HTTP: bounded, durable before it answers (decision 0017)."""

import asyncio
import re
import socket
from collections.abc import Mapping

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from central_sync.volumes import JournalError
from edge.agent import bind, serve
from edge.settings import PushAddress
from firmware_bridge.device import Answer, Push, Pushed, channel_of
from firmware_bridge.tap import NOBODY, Tap

HEAD_S = 10.0  # s from the connection to the end of its request's head
BODY_S = 30.0  # s from there to the end of the body; a photo of 2 MB over 1 Mbit/s takes 16 s
PEER_LIMIT = 32  # connections of one address
AT_ONCE = 4  # posts of one device at work; further ones wait in their sockets
DRAINED = 4  # times the limit that is still read and dropped, so that the device hears the answer
MB = 1 << 20
PASSWORD = re.compile(rb'(name="[^"]{0,40}pass[^"]{0,40}"\r\n\r\n)[^\r\n]*', re.IGNORECASE)  # in a form

log = structlog.get_logger("chayan.push")


class _Impatient(H11Protocol):
    """A connection that brings one request, whose head comes in time or never.

    uvicorn itself waits for a head for ever; after the answer it closes, since the door says so.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_S, self._abort_if_mute)
        host = self.client[0] if self.client else ""
        peers = [getattr(each, "client", None) for each in self.connections]
        if sum(peer is not None and peer[0] == host for peer in peers) > PEER_LIMIT:
            transport.abort()

    def _abort_if_mute(self) -> None:
        if getattr(self, "cycle", None) is None:  # no request has begun; uvicorn's types do not say so
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.cancel()
        super().connection_lost(exc)


class PushDoor:
    """Listens, finds the device of ``/NAME/…``, reads what it posts, and hands it on."""

    def __init__(
        self, address: PushAddress, devices: Mapping[str, Pushed], taps: Mapping[str, Tap] | None = None
    ) -> None:
        self._address, self._devices, self._taps = address, devices, taps or {}
        self._limit = address.body_limit_mb * MB
        self._turns = {name: asyncio.Semaphore(AT_ONCE) for name in devices}
        self._listener: socket.socket | None = _listen(address)

    async def run(self) -> None:
        """Serves until cancelled; what was read by then is told and answered first."""
        listener = self._listener or _listen(self._address)
        self._listener = None
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(self, listener, stop, http=_Impatient))
        try:
            await asyncio.shield(serving)
        finally:
            stop.set()
            await serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            answer = await self._answer(request)
        except (JournalError, OSError) as error:
            log.error("not kept", path=request.url.path, why=str(error))
            answer = _plain(503, "not kept, send it again")
        response = Response(
            answer.body, answer.status, {"connection": "close"}, media_type=answer.content_type
        )
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Answer:
        name, _, rest = request.url.path.removeprefix("/").partition("/")
        device = self._devices.get(name)
        peer = request.client.host if request.client else ""
        if device is None:
            return _plain(404, "no device of this name posts here")
        if request.method not in ("POST", "PUT"):
            return _plain(405, "post it")
        if device.peer and peer != device.peer:
            log.warning("posted from a foreign address", device=name, peer=peer, pinned=device.peer)
            return _plain(403, "not from this address")
        async with self._turns[name]:
            push = await self._read(request, f"/{rest}" if rest else "", peer)
            tap = self._taps.get(name, NOBODY)
            tap.heard(channel_of(push), PASSWORD.sub(rb"\1", push.body))
            tap.framed(0 if push.torn else 1)
            return await device.pushed(push)

    async def _read(self, request: Request, path: str, peer: str) -> Push:
        """The post, as whole as it came."""
        kept, size, torn = bytearray(), 0, ""
        try:
            async with asyncio.timeout(BODY_S):
                async for chunk in request.stream():
                    size += len(chunk)
                    kept += chunk[: max(0, self._limit - len(kept))]
                    if size > self._limit:
                        torn = f"more than {self._limit >> 20} MB"
                    if size > self._limit * DRAINED:
                        break
        except ClientDisconnect:
            torn = f"broke off after {size} bytes"
        except TimeoutError:
            torn = f"not whole within {BODY_S:g} s, {size} bytes came"
        return Push(
            path=path,
            peer=peer,
            content_type=request.headers.get("content-type", ""),
            body=bytes(kept),
            size_bytes=size,
            torn=torn,
        )


def _listen(address: PushAddress) -> socket.socket:
    """A socket at which posts already wait while the node still starts; raises AddressTaken."""
    listener = bind(address.host, address.port)
    listener.listen()
    return listener


def _plain(status: int, text: str) -> Answer:
    return Answer(status=status, content_type="text/plain; charset=utf-8", body=f"{text}\n".encode())

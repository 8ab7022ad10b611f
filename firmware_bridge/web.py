"""HTTP to a device: streams that never end, and single calls. The only file of devices that imports httpx.

Digest authentication is httpx's own. No proxy of the environment is asked: a camera is on the lane's network.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from firmware_bridge.link import AddressError, split, tcp_peer
from firmware_bridge.tap import TAP

CONNECT_S = 5.0
CALL_S = 10.0
HTTP_PORT = 80
ANSWER_LIMIT = 64 * 1024  # bytes of an answer that are kept; the rest is read and dropped
# of httpx's digest authentication: an algorithm it does not know is a KeyError, auth-int is not written yet
FAILED = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, KeyError, NotImplementedError)


class WebError(Exception):
    """No answer, or one that is none; the text says which address and why."""


class Refused(WebError):
    """The device does not let us in: user or password, or the user's rights."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An answer that goes on: its content type, and its bytes as they come."""

    content_type: str
    chunks: AsyncIterator[bytes]


def checked(address: str) -> str:
    """``http://host:port`` without a path; raises AddressError."""
    if split(address).scheme != "http":
        raise AddressError(f"{address!r}: write http://HOST:PORT")
    peer = tcp_peer(address, default_port=HTTP_PORT)
    host = f"[{peer.host}]" if ":" in peer.host else peer.host
    return f"http://{host}:{peer.port}"


class Web:
    """One device's web server."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self.address = checked(address)
        self._auth = httpx.DigestAuth(user, password) if user else None

    @asynccontextmanager
    async def stream(self, path: str, silence_s: float) -> AsyncIterator[Stream]:
        """GET whose answer goes on until ``silence_s`` pass without a byte; raises WebError, Refused."""
        timeout = httpx.Timeout(CALL_S, connect=CONNECT_S, read=silence_s)
        async with self._answered("GET", path, b"", "", timeout) as answer:
            content_type = answer.headers.get("content-type", "")
            TAP.get().up(self.address, content_type)
            try:
                yield Stream(content_type=content_type, chunks=self._chunks(answer))
            except WebError as gone:
                TAP.get().lost(self.address, str(gone))
                raise

    async def call(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> bytes:
        """One exchange, never repeated, within 10 s; the answer's first 64 KiB. Raises WebError, Refused."""
        kept = bytearray()
        try:
            async with (
                asyncio.timeout(CALL_S),
                self._answered(method, path, body, content_type, httpx.Timeout(CALL_S)) as answer,
            ):
                async for chunk in self._chunks(answer):
                    kept += chunk[: ANSWER_LIMIT - len(kept)]
        except TimeoutError:
            raise WebError(f"{self.address}: {method} not answered within {CALL_S:g} s") from None
        return bytes(kept)

    @asynccontextmanager
    async def _answered(
        self, method: str, path: str, body: bytes, content_type: str, timeout: httpx.Timeout
    ) -> AsyncIterator[httpx.Response]:
        headers = {"accept-encoding": "identity"} | ({"content-type": content_type} if content_type else {})
        client = httpx.AsyncClient(trust_env=False, timeout=timeout, auth=self._auth)
        try:
            try:
                request = client.build_request(method, f"{self.address}{path}", content=body, headers=headers)
                answer = await client.send(request, stream=True)
            except FAILED as wrong:
                raise self._failed(wrong) from wrong
            self._must_be_in(answer, method)
            yield answer
        finally:
            await client.aclose()

    def _failed(self, wrong: Exception) -> WebError:
        return WebError(f"{self.address}: {type(wrong).__name__} {wrong}".strip())

    def _must_be_in(self, answer: httpx.Response, method: str) -> None:
        if answer.status_code in (401, 403):
            raise Refused(f"{self.address}: {answer.status_code}, user or password or its rights are refused")
        if not answer.is_success:
            raise WebError(f"{self.address}: {method} answered {answer.status_code} {answer.reason_phrase}")

    async def _chunks(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                TAP.get().heard(self.address, chunk)
                yield chunk
        except FAILED as wrong:
            raise self._failed(wrong) from wrong

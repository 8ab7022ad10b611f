"""What every answer of the registry carries, and what every request must keep to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central_sync.clock import HEADER
from central_sync.registry.problems import Rejected

DRAIN = 4  # times the limit that is still read and thrown away, so that the sender hears why
BODY_S = 300.0  # s for a whole body; as long as a courier waits for its answer

TIME = HEADER.lower().encode()  # so that a node can compare its clock
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
]


class SecurityHeaders:
    """ASGI layer that adds HEADERS to each response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                now = datetime.now(UTC).isoformat(timespec="microseconds").encode()
                message["headers"] = [*message.get("headers", ()), *HEADERS, (TIME, now)]
            await send(message)

        await self.app(scope, receive, with_headers)


async def read_body(request: Request, limit: int) -> bytes:
    """The request body; raises Rejected: 413 beyond ``limit``, never holding more of it, 408 after BODY_S."""
    parts: list[bytes] = []
    await read_into(parts, request, limit)
    return b"".join(parts)


async def read_into(parts: list[bytes], request: Request, limit: int) -> None:
    """As ``read_body``; what came before the sender went away or the time was up stands in ``parts``."""
    async with in_time():
        await _read(parts, request, limit)


@contextlib.asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """What must not take longer than a body may; raises Rejected 408."""
    try:
        async with asyncio.timeout(BODY_S):
            yield
    except TimeoutError as trouble:
        raise Rejected.http(408, f"the body did not come within {BODY_S:g} s") from trouble


async def drain(body: AsyncIterator[bytes], limit: int) -> None:
    """Reads what a sender is still sending, so that it hears the answer."""
    size = 0
    with contextlib.suppress(Rejected):
        async with in_time():
            async for part in body:
                size += len(part)
                if size > limit * DRAIN:
                    return


async def _read(parts: list[bytes], request: Request, limit: int) -> None:
    size = 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            parts.append(part)
        elif size > limit * DRAIN:
            break
        else:
            parts.clear()
    if size > limit:
        raise Rejected.too_large(f"the body has more than {limit} bytes")

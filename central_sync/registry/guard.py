"""What every answer of the registry carries, and what every request must keep to."""

import asyncio
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
    try:
        async with asyncio.timeout(BODY_S):
            return await _read(request, limit)
    except TimeoutError as trouble:
        raise Rejected.http(408, f"the body did not come within {BODY_S:g} s") from trouble


async def drain(request: Request, limit: int) -> None:
    """Reads what a sender is still sending, so that it hears the answer."""
    try:
        await read_body(request, limit)
    except Rejected:
        return


async def _read(request: Request, limit: int) -> bytes:
    parts, size = [], 0
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
    return b"".join(parts)

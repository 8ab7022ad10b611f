"""A line between a courier and a registry on which a test decides what becomes of each request and answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import msgspec

from central_sync import batch as wire
from central_sync.seal import SealedRow
from lanes.record import genesis

PROBLEM = "urn:chayan:problem:"
Chain = list[SealedRow]


@dataclass(frozen=True)
class Request:
    """What the node sent."""

    method: str
    url: str
    headers: list[tuple[bytes, bytes]]
    content: bytes


@dataclass(frozen=True)
class Answer:
    """What came back, or what somebody on the way makes of it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def sent(self) -> httpx.Response:
        return httpx.Response(self.status, headers=self.headers, stream=httpx.ByteStream(self.body))

    def twisted(self, **changes: Any) -> "Answer":
        """Other values in a good answer; any other answer as it is."""
        if self.status != 200:
            return self
        return replace(self, body=msgspec.json.encode(msgspec.json.decode(self.body) | changes))


@dataclass(eq=False)
class Exchange:
    """A request that the courier waits for; ``answer``: what the registry said, once it was asked."""

    request: Request
    back: "asyncio.Future[httpx.Response]"
    answer: Answer | None = None


class Line(httpx.AsyncBaseTransport):
    """Requests wait in ``open`` until the test answers them; ``astray`` are those that may still arrive."""

    def __init__(self) -> None:
        self.open: list[Exchange] = []
        self.astray: list[Request] = []
        self.past: list[Answer] = []  # true answers to questions how far the registry is
        self.offended_at = 0  # a box on the way lets nothing pass that holds this record

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        sent = Request(request.method, str(request.url), list(request.headers.raw), content)
        exchange = Exchange(sent, asyncio.get_running_loop().create_future())
        self.open.append(exchange)
        try:
            return await exchange.back
        finally:
            self.open.remove(exchange)
            if exchange.back.cancelled() and exchange.answer is None:
                self.astray.append(sent)  # who sent it waits no longer

    def is_blocked(self, request: Request) -> bool:
        """Whether the box takes offence at a request."""
        if not self.offended_at or not request.url.endswith("/v1/batches"):
            return False
        batch = wire.decode_batch(request.content)
        at = self.offended_at - batch.first_seq
        return 0 <= at < len(batch.records) and isinstance(batch.records[at], str)


class _Torn(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


# ---- what may come of an exchange ----------------------------------------------------------------


def _problem(status: int, code: str, **more: Any) -> Answer:
    return Answer(status, msgspec.json.encode({"type": PROBLEM + code, "status": status, **more}))


def _further(answer: Answer, exchange: Exchange, chain: Chain) -> Answer:
    """A receipt for more than the registry holds, with the head that the journal has there."""
    if exchange.request.method != "POST" or answer.status != 200:
        return answer
    beyond = msgspec.json.decode(answer.body)["accepted_through"] + 1
    if beyond > len(chain):
        return answer.twisted(accepted_through=beyond)
    return answer.twisted(accepted_through=beyond, head=chain[beyond - 1].head.hex())


def _numbered(answer: Answer, exchange: Exchange, _: Chain) -> Answer:
    """A greater number with the head of a smaller one."""
    if answer.status != 200:
        return answer
    name = "accepted_through" if exchange.request.method == "POST" else "through"
    return answer.twisted(**{name: msgspec.json.decode(answer.body).get(name, 0) + 1})


LIES: dict[str, Callable[[Answer, Exchange, Chain], Answer]] = {
    "html": lambda *_: Answer(200, b"<html>log in</html>", {"Content-Type": "text/html"}),
    "nothing": lambda *_: Answer(200, b""),
    "blocked": lambda *_: Answer(403, b"<html>an attack was prevented</html>"),
    "500": lambda *_: Answer(500, b"oops"),
    "503": lambda *_: Answer(503, b"", {"Retry-After": "7"}),
    "too large": lambda *_: Answer(413, b"<html>413</html>"),
    "a gap": lambda answer, exchange, chain: _problem(409, "gap", expected=1, head=genesis("lane-1").hex()),
    "not wanted": lambda *_: _problem(409, "photo-not-wanted", detail="send the records first"),
    "another node": lambda answer, *_: answer.twisted(node="lane-9"),
    "another head": lambda answer, *_: answer.twisted(head="0" * 64),
    "half a body": lambda answer, *_: replace(answer, body=answer.body[: len(answer.body) // 2]),
    "further": _further,
    "a greater number": _numbered,
}  # fmt: skip
FATES = ("true", "lost", "too late", "torn", "from before", *LIES)


def meets(fate: str, exchange: Exchange, line: Line, chain: Chain) -> None:
    """Gives an exchange its end. What no registry was asked for cannot be answered truly: it is lost."""
    answer, back = exchange.answer, exchange.back
    if fate == "from before" and exchange.request.method == "GET" and line.past:
        answer, fate = line.past[0], "true"
    if fate == "too late":
        back.set_exception(httpx.ReadTimeout("no answer in time"))
    elif fate in LIES:
        lie = LIES[fate](answer or Answer(502, b"<h1>502</h1>"), exchange, chain)
        back.set_result(lie.sent())
    elif answer is None or fate == "lost":
        back.set_exception(httpx.ReadError("the connection is gone"))
    elif fate == "torn":
        torn = _Torn(answer.body[: len(answer.body) // 2])
        back.set_result(httpx.Response(answer.status, headers=answer.headers, stream=torn))
    else:
        back.set_result(answer.sent())

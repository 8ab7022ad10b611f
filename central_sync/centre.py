"""A registry as the courier sees it: its questions over HTTP, and what counts as an answer.

Whatever is not a well-formed answer of this protocol, such as the log-in page of a firewall, is a Trouble.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import httpx
import msgspec
from msgspec import Struct

from central_sync import batch as wire
from central_sync import uploads
from central_sync.batch import UNREADABLE, Problem, Receipt, Standing, WireError
from central_sync.clock import HEADER, Offset, offset
from central_sync.seal import Signer, photo_message

CUT = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
ANSWER_LIMIT = 300.0  # s for one exchange; a photo of 12 MB over 1 Mbit/s takes 100 s
RETRY_AFTER_LIMIT = 300.0  # s; a centre may ask for more, but is asked again after this
PROBLEM = "urn:chayan:problem:"
OF_THE_ROAD = (401, 407, 408, 409, 429, 503)  # answers that hold for every batch, whatever is in it
TOO_SLOW = 408  # the body did not come in time
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL)


class Trouble(Exception):
    """An exchange that brought nothing; text in both languages, and how long the centre asks to wait (s)."""

    def __init__(self, zh: str, en: str, wait: float = 0.0) -> None:
        super().__init__(en)
        self.zh, self.en, self.wait = zh, en, wait


class Broken(Trouble):
    """The line broke, or was too slow, after something had been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The centre wants records from ``expected``; ``head`` is what it holds before that."""

    expected: int
    head: str


class TurnedDown(Trouble):
    """This batch was not taken, and not for a reason that holds for every batch: its bytes may be why.

    ``brief`` names the reason in words of our own; foreign text might hold those very bytes.
    """

    def __init__(self, trouble: Trouble, brief: str) -> None:
        super().__init__(trouble.zh, trouble.en, trouble.wait)
        self.brief = brief


class Oversized(TurnedDown):
    """The centre takes no batch of this size; ``by_protocol``: says a registry, not something before it."""

    def __init__(self, trouble: Trouble, by_protocol: bool) -> None:
        super().__init__(trouble, "HTTP 413")
        self.by_protocol = by_protocol


class Cut(Broken):
    """The line was there and broke off before the answer."""


class Smaller:
    """The centre, or whoever stands before it, takes no photo of this size in one body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRefused:
    """The centre will not have this photo: now, or ``for_good``."""

    why: str
    for_good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """How much of a photo the centre has; ``complete``: it is durable there."""

    offset: int
    complete: bool


class PhotoAnswer(Struct, frozen=True, kw_only=True):
    """What the centre says of a photo that it holds."""

    sha256: str
    size: int


Answered: TypeAlias = Receipt | Gap
Handed: TypeAlias = Begun | PhotoRefused | Smaller


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class Centre:
    """One registry, over an HTTP client whose base URL is its address."""

    def __init__(self, client: httpx.AsyncClient, site: str, node: str, signer: Signer) -> None:
        self._client, self._site, self._node, self._signer = client, site, node, signer
        self.clock: Offset | None = None  # as of the last answer that named its time

    async def standing(self) -> Standing:
        """How far the centre holds the chain of this node; raises Trouble."""
        answer = await self._exchange("GET", f"/v1/nodes/{self._node}", params={"site": self._site})
        _ok(answer)
        standing = _decoded(answer, Standing)
        if (standing.site, standing.node) != (self._site, self._node):
            raise nonsense(f"it speaks of {standing.site}/{standing.node}")
        return standing

    async def send(self, body: bytes) -> Answered:
        """Hands over an encoded batch; raises TurnedDown, Trouble."""
        headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
        try:
            answer = await self._exchange("POST", "/v1/batches", content=body, headers=headers)
        except Cut as trouble:
            raise TurnedDown(trouble, "cut off") from trouble
        problem = _problem(answer)
        if answer.status == 409 and problem.type == PROBLEM + "gap":
            if problem.expected is None or problem.head is None:
                raise nonsense("a gap without expected and head")
            return Gap(expected=problem.expected, head=problem.head)
        try:
            _ok(answer)
            return _decoded(answer, Receipt)
        except Trouble as trouble:
            if answer.status == 413:
                raise Oversized(trouble, problem.type == PROBLEM + "too-large") from trouble
            if answer.status in OF_THE_ROAD or (answer.status == 403 and problem.type.startswith(PROBLEM)):
                raise
            raise TurnedDown(trouble, f"HTTP {answer.status}") from trouble

    async def hand_photo(self, sha256: str, photo: bytes) -> Handed:
        """Hands over a whole photo in one request; raises Trouble."""
        headers = self._signed(sha256) | {uploads.COMPLETE: "?1", uploads.LENGTH: str(len(photo))}
        headers["Content-Type"] = "application/octet-stream"
        return _handed(
            sha256, await self._exchange("PUT", f"/v1/photos/{sha256}", content=photo, headers=headers)
        )

    async def begun(self, sha256: str) -> Begun | PhotoRefused | None:
        """How much of a photo is there; None where photos are taken only as a whole. Raises Trouble."""
        answer = await self._exchange("HEAD", f"/v1/photos/{sha256}/upload", headers=self._signed(sha256))
        if answer.status in (404, 405):
            return None
        if answer.status == 409:
            return PhotoRefused(why="no record there names it", for_good=False)
        _ok(answer)
        return _begun(answer)

    async def append_photo(self, sha256: str, size: int, offset: int, part: bytes) -> Handed:
        """Hands over a part of a photo of ``size``; raises Trouble.

        From beyond its end (somebody else's bytes are there) the upload is ended, so that its digest fails.
        """
        end = offset + len(part)
        headers = self._signed(sha256) | uploads.fields(offset, complete=end >= size)
        headers |= {"Content-Type": uploads.MEDIA, uploads.LENGTH: str(max(size, end))}
        path = f"/v1/photos/{sha256}/upload"
        return _handed(sha256, await self._exchange("PATCH", path, content=part, headers=headers))

    def _signed(self, sha256: str) -> dict[str, str]:
        """What proves that this node hands over this photo."""
        signature = self._signer.sign(photo_message(self._node, sha256))
        return {"Chayan-Node": self._node, "Chayan-Signature": signature}

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
    ) -> _Answer:
        """One request; at most MAX_ANSWER_BYTES of its answer, which may not be compressed."""
        request = self._client.build_request(method, path, content=content, headers=headers, params=params)
        request.headers["Accept-Encoding"] = "identity"
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                asked = time.time()
                response = await self._client.send(request, stream=True)
                self.clock = _offset(asked, response.headers.get(HEADER, ""))
                try:
                    return _Answer(response.status_code, response.headers, await _body(response))
                finally:
                    await response.aclose()
        except TimeoutError as trouble:
            raise Broken("中心未在时限内应答", "the centre did not answer in time") from trouble
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            said = str(trouble) or type(trouble).__name__
            kind = Cut if isinstance(trouble, CUT) else Trouble if isinstance(trouble, UNSENT) else Broken
            raise kind(f"无法连接中心:{said}", f"the centre cannot be reached: {said}") from trouble


def nonsense(what: str) -> Trouble:
    """An answer that cannot be from a registry of this protocol, or that our own journal disproves."""
    return Trouble(
        f"中心应答不可信,未结清:{what}", f"the centre's answer is not believed, nothing is settled: {what}"
    )


def _offset(asked_s: float, theirs: str) -> Offset | None:
    """The centre's clock beside ours; None when the answer does not name its time."""
    try:
        return offset(asked_s, time.time(), datetime.fromisoformat(theirs).timestamp())
    except (ValueError, OverflowError, OSError):
        return None


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > wire.MAX_ANSWER_BYTES:
            raise nonsense(f"more than {wire.MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def _ok(answer: _Answer) -> None:
    """Raises Trouble unless the centre took it."""
    if answer.status in (200, 201, 204):
        return
    if answer.status < 400:
        raise nonsense(f"HTTP {answer.status}")
    problem = _problem(answer)
    said = f"HTTP {answer.status} {problem.title} {problem.detail}".rstrip()
    zh = f"HTTP {answer.status} {problem.title_zh or problem.title} {problem.detail}".rstrip()
    retry_after = answer.headers.get("Retry-After", "")
    wait = float(retry_after) if retry_after.isdecimal() else 0.0
    kind = Broken if answer.status == TOO_SLOW else Trouble
    raise kind(f"中心拒绝:{zh}", f"the centre turned it down: {said}", min(wait, RETRY_AFTER_LIMIT))


def _handed(sha256: str, answer: _Answer) -> Handed:
    """What became of a photo or a part of it."""
    problem = _problem(answer)
    if answer.status == 409 and answer.headers.get(uploads.OFFSET):
        return _begun(answer)
    if answer.status in (409, 413, 422) and problem.type.startswith(PROBLEM):
        return PhotoRefused(why=problem.detail, for_good=answer.status != 409)
    if answer.status == 413:
        return Smaller()
    _ok(answer)
    if answer.status == 204:
        return _begun(answer)
    try:
        held = msgspec.json.decode(answer.body, type=PhotoAnswer)
    except UNREADABLE as trouble:
        raise nonsense(f"the answer speaks of no photo: {trouble}") from trouble
    if held.sha256 != sha256:
        raise nonsense(f"it speaks of photo {held.sha256[:80]!r}")
    return Begun(offset=held.size, complete=True)


def _begun(answer: _Answer) -> Begun:
    offset = uploads.integer(answer.headers.get(uploads.OFFSET, ""))
    complete = uploads.boolean(answer.headers.get(uploads.COMPLETE, ""))
    if offset is None or complete is None:
        raise nonsense("it does not say how much of a photo it has")
    return Begun(offset=offset, complete=complete)


def _decoded(answer: _Answer, kind: type[wire.Answer]) -> wire.Answer:
    try:
        return wire.decode_answer(answer.body, kind)
    except WireError as trouble:
        raise nonsense(str(trouble)) from trouble


def _problem(answer: _Answer) -> Problem:
    """The problem as far as the answer is one; empty for anything else."""
    try:
        return wire.decode_answer(answer.body, Problem)
    except WireError:
        return Problem(status=answer.status)

"""Directives: what the centre tells a node, pulled by the node, each signed and numbered. The node's side.

The request is signed by the node, since a work order holds personal data; the directive is signed by the
registry, whose key must be pinned: it changes what a lane does.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeAlias

import httpx
import msgspec
from msgspec import Meta, Struct

from central_sync.centre import Trouble, nonsense
from central_sync.seal import Signer, verify
from lanes.record import Name, Sha256

Subject: TypeAlias = Literal["order", "blacklist", "rules", "models", "configuration"]
WAIT_S = 20  # one long poll
SLOW_S = 30  # beyond that, for an answer over a slow line
ANSWER_LIMIT = 16 << 20  # bytes; a registry sends 8 MiB of bodies, which base64 makes 11
UNPINNED_S = 300.0  # how often is looked whether something waits that may not be taken
TIME, NODE, SIGNATURE = "Chayan-Time", "Chayan-Node", "Chayan-Signature"


class UnpinnedTrouble(Trouble):
    """Directives wait, and none may be taken: the registry's key is not pinned."""


class Directive(Struct, frozen=True, kw_only=True):
    """One directive as it travels; ``body`` is base64."""

    number: Annotated[int, Meta(ge=1)]
    subject: Name  # a newer registry may know more of them
    version: Name
    sha256: Sha256
    signature: str
    public_key: str
    body: str

    def content(self) -> bytes:
        """The body's bytes; raises Trouble when they are not those that were signed."""
        try:
            content = base64.b64decode(self.body, validate=True)
        except (binascii.Error, ValueError) as trouble:
            raise nonsense(f"directive {self.number} cannot be unpacked") from trouble
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise nonsense(f"directive {self.number} has another digest than the one that was signed")
        return content


class Directives(Struct, frozen=True, kw_only=True):
    """An answer: the next directives, in the order of their numbers."""

    directives: list[Directive]


def directive_message(site: str, node: str, number: int, subject: str, version: str, sha256: str) -> bytes:
    """What a registry signs of a directive."""
    return f"chayan directive 1\n{site}\n{node}\n{number}\n{subject}\n{version}\n{sha256}\n".encode()


def pull_message(site: str, node: str, after: int, time: str) -> bytes:
    """What a node signs when it asks."""
    return f"chayan pull 1\n{site}\n{node}\n{after}\n{time}\n".encode()


class Pull:
    """Asks one registry for directives; where our clock is far off, by the registry's own time.

    Without ``registry_key`` nothing is taken: what waits is told as a Trouble.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        site: str,
        node: str,
        signer: Signer,
        registry_key: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client, self._site, self._node, self._signer = client, site, node, signer
        self._registry_key, self._now = registry_key, now
        self._offset = timedelta()

    @property
    def pinned(self) -> bool:
        """Whether this node can take directives at all."""
        return self._registry_key != ""

    async def after(self, number: int, wait_s: int = WAIT_S) -> list[Directive]:
        """The directives after ``number``, dense and each signed by the pinned key; raises Trouble."""
        status, headers, body = await self._ask(number, wait_s)
        if status == 401 and self._learn(headers):  # our clock is wrong: once more by its own
            status, headers, body = await self._ask(number, wait_s)
        if status != 200:
            said = f"HTTP {status} {body[:200].decode('utf-8', 'replace')}"
            raise Trouble(f"中心拒绝：{said}", f"the centre turned it down: {said}")
        try:
            found = msgspec.json.decode(body, type=Directives).directives
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as trouble:
            raise nonsense(f"no list of directives: {trouble}") from trouble
        if found and not self._registry_key:
            raise _unpinned()
        for expected, each in enumerate(found, number + 1):
            self._must_hold(each, expected)
        return found

    def _must_hold(self, each: Directive, expected: int) -> None:
        if each.number != expected:
            raise nonsense(f"directive {each.number} came where {expected} is due")
        message = directive_message(
            self._site, self._node, each.number, each.subject, each.version, each.sha256
        )
        if not verify(self._registry_key, message, each.signature):
            raise nonsense(f"directive {each.number} is not signed by the key of this registry")
        each.content()

    async def _ask(self, number: int, wait_s: int) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and at most ANSWER_LIMIT bytes of the answer to one request."""
        time = (self._now() + self._offset).isoformat(timespec="seconds")
        request = self._client.build_request(
            "GET",
            f"/v1/nodes/{self._node}/directives",
            params={"site": self._site, "after": number, "wait": wait_s},
            headers={
                NODE: self._node,
                TIME: time,
                SIGNATURE: self._signer.sign(pull_message(self._site, self._node, number, time)),
                "Accept-Encoding": "identity",
            },
            timeout=wait_s + SLOW_S,
        )
        try:
            async with asyncio.timeout(wait_s + 10 * SLOW_S):
                answer = await self._client.send(request, stream=True)
                try:
                    return answer.status_code, answer.headers, await _bounded(answer)
                finally:
                    await answer.aclose()
        except TimeoutError as trouble:
            raise Trouble("中心未在时限内应答", "the centre did not answer in time") from trouble
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            said = str(trouble) or type(trouble).__name__
            raise Trouble(f"无法连接中心：{said}", f"the centre cannot be reached: {said}") from trouble

    def _learn(self, headers: httpx.Headers) -> bool:
        """Takes the registry's time from its answer; whether there was one."""
        try:
            theirs = datetime.fromisoformat(headers.get(TIME, ""))
            self._offset = theirs - self._now()
        except (ValueError, TypeError):
            return False
        return True


async def _bounded(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > ANSWER_LIMIT:
            raise nonsense(f"more than {ANSWER_LIMIT} bytes of directives")
    return bytes(body)


def _unpinned() -> Trouble:
    return UnpinnedTrouble(
        "中心有指令待取，但本节点未固定登记库公钥，一律不接受：请先在 [registry] key 填入登记库公钥",
        "directives wait at the centre, none is taken: pin the registry's key first, [registry] key",
        UNPINNED_S,
    )

"""Directives: what the centre tells a node, pulled by the node, each signed and numbered. The node's side.

The request is signed by the node, since a work order holds personal data; the directive is signed by the
registry, whose key must be pinned: it changes what a lane does.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

import httpx
import msgspec
from msgspec import Struct

from central_sync.centre import Trouble, nonsense
from central_sync.seal import Signer, verify

Subject: TypeAlias = Literal["order", "blacklist", "rules", "models", "configuration"]
WAIT_S = 20  # one long poll
TIME, NODE, SIGNATURE = "Chayan-Time", "Chayan-Node", "Chayan-Signature"


class Directive(Struct, frozen=True, kw_only=True):
    """One directive as it travels; ``body`` is base64."""

    number: int
    subject: Subject
    version: str
    sha256: str
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
    """Asks one registry for directives; where our clock is far off, by the registry's own time."""

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

    async def after(self, number: int, wait_s: int = WAIT_S) -> list[Directive]:
        """The directives after ``number``, dense and each signed by the pinned key; raises Trouble."""
        answer = await self._ask(number, wait_s)
        if answer.status_code == 401 and self._learn(answer):  # our clock is wrong: once more by its own
            answer = await self._ask(number, wait_s)
        if answer.status_code != 200:
            said = f"HTTP {answer.status_code} {answer.text[:200]}"
            raise Trouble(f"中心拒绝：{said}", f"the centre turned it down: {said}")
        try:
            found = msgspec.json.decode(answer.content, type=Directives).directives
        except (msgspec.MsgspecError, UnicodeDecodeError) as trouble:
            raise nonsense(f"no list of directives: {trouble}") from trouble
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

    async def _ask(self, number: int, wait_s: int) -> httpx.Response:
        time = (self._now() + self._offset).isoformat(timespec="seconds")
        headers = {
            NODE: self._node,
            TIME: time,
            SIGNATURE: self._signer.sign(pull_message(self._site, self._node, number, time)),
        }
        params: dict[str, str | int] = {"site": self._site, "after": number, "wait": wait_s}
        try:
            return await self._client.get(
                f"/v1/nodes/{self._node}/directives", params=params, headers=headers, timeout=wait_s + 30
            )
        except httpx.HTTPError as trouble:
            said = str(trouble) or type(trouble).__name__
            raise Trouble(f"无法连接中心：{said}", f"the centre cannot be reached: {said}") from trouble

    def _learn(self, answer: httpx.Response) -> bool:
        """Takes the registry's time from its answer; whether there was one."""
        try:
            theirs = datetime.fromisoformat(answer.headers.get(TIME, ""))
            self._offset = theirs - self._now()
        except (ValueError, TypeError):
            return False
        return True

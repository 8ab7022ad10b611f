"""A candidate beside the current models, asked about a share of the photos while no review is due."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import httpx
import msgspec
import structlog

from edge.settings import Shadow
from lanes.record import Reviewed, Shadowed
from models.catalog import Catalog, WeightsError, candidate, trying
from models.reviewer import Reviewer

COMPARED = ("plate", "vin", "quality")  # what a reviewer answers
EVERY = 100  # comparisons after which one is recorded that agrees: it carries their number

Ask: TypeAlias = Callable[[Reviewer, bytes, dict[str, Any]], Reviewed]

log = structlog.get_logger("chayan.shadow")


class Shadowing:
    """Compares one question at a time; ``policy`` None: none. ``ask``: how a reviewer answers what is due."""

    def __init__(self, policy: Shadow | None, threads: int, ask: Ask) -> None:
        self._policy, self._threads, self._ask = policy, threads, ask
        self._candidate: Catalog | None = None
        self._reviewer: Reviewer | None = None
        self._waiting: deque[tuple[dict[str, Any], Reviewed]] = deque()
        self._compared = self._left_out = 0
        if policy is not None:
            try:
                self._candidate = candidate(policy.candidate)
            except WeightsError as error:
                self._give_up(error)

    @property
    def waiting(self) -> bool:
        """Whether there is a question to compare."""
        return bool(self._waiting)

    def note(self, due: dict[str, Any], current: Reviewed) -> None:
        """An answered question is compared later if its photo is of the share and the queue is short."""
        if self._policy is None or self._candidate is None or due["question"] not in COMPARED:
            return
        if int(due["photo"][:8], 16) % 100 >= self._policy.share_percent:
            return
        if len(self._waiting) < self._policy.queue:
            self._waiting.append((due, current))
        else:
            self._left_out += 1

    async def compare_one(self, client: httpx.AsyncClient) -> None:
        """Asks the candidate what was asked longest ago, and records it if the two differ."""
        due, current = self._waiting.popleft()
        photo = await client.get(f"/api/v1/photos/{due['photo']}")
        if photo.is_error:
            self._left_out += 1
            return
        work = asyncio.to_thread(self._said, photo.content, due)
        (said,) = await asyncio.gather(work, return_exceptions=True)  # other weights may fail in any way
        if isinstance(said, BaseException):
            self._give_up(said)
            return
        self._compared += 1
        if (said.opinion, said.text) == (current.opinion, current.text) and self._compared < EVERY:
            return
        body = {"inspection": due["inspection"], "shadow": self._beside(said, current)}
        posted = await client.post("/api/v1/reviews/shadow", content=msgspec.json.encode(body))
        if posted.is_error:  # such as an inspection that ended long ago
            log.warning("not recorded", photo=due["photo"], why=posted.text[:200])
            return
        self._compared = self._left_out = 0

    def _said(self, photo: bytes, due: dict[str, Any]) -> Reviewed:
        """What the candidate answers; its weights are loaded the first time."""
        assert self._candidate is not None
        with trying(self._candidate):
            self._reviewer = self._reviewer or Reviewer(self._threads)
            return self._ask(self._reviewer, photo, due)

    def _beside(self, said: Reviewed, current: Reviewed) -> Shadowed:
        assert self._policy is not None
        return Shadowed(
            photo_seq=said.photo_seq,
            photo=said.photo,
            shot=said.shot,
            question=said.question,
            candidate=self._policy.named,
            model=said.model,
            weights_sha256=said.weights_sha256,
            opinion=said.opinion,
            text=said.text,
            score=said.score,
            took_ms=said.took_ms,
            current_opinion=current.opinion,
            current_text=current.text,
            current_score=current.score,
            compared=self._compared,
            left_out=self._left_out,
        )

    def _give_up(self, why: BaseException) -> None:
        """A candidate that cannot be had, or that fails, stops no review."""
        self._candidate = None
        self._waiting.clear()
        log.error("the candidate is not tried", why=f"{type(why).__name__}: {why}")

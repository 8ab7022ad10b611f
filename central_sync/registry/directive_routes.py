"""The route by which a node pulls its directives."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from central_sync.directives import Directive, Directives
from central_sync.registry.answers import answer
from central_sync.registry.directives import due, must_be_node

if TYPE_CHECKING:
    from central_sync.registry.api import Registry

WAIT_LIMIT_S = 25
LOOK_S = 1.0  # how often a waiting request looks into the database, at least
LOOKS_A_SECOND = 100  # of all together: many nodes wait a little longer


def add_directives(app: FastAPI, registry: "Registry") -> None:
    """Adds the route."""
    waiting: set[object] = set()

    async def news(site: str, node: str, after: int, wait_s: int) -> list[Directive]:
        """What is due, waiting for the first; no thread is held meanwhile."""
        end, me = time.monotonic() + min(wait_s, WAIT_LIMIT_S), object()
        waiting.add(me)
        try:
            while not (found := await run_in_threadpool(due, registry.engine, site, node, after)):
                left = end - time.monotonic()
                if left <= 0:
                    break
                await asyncio.sleep(min(left, max(LOOK_S, len(waiting) / LOOKS_A_SECOND)))
            return found
        finally:
            waiting.discard(me)

    @app.get("/v1/nodes/{node}/directives", summary="What the centre tells a node; waits for news")
    async def get_directives(
        node: str,
        site: str,
        after: Annotated[int, Query(ge=0, lt=1 << 63)] = 0,
        wait: Annotated[int, Query(ge=0)] = 0,
        chayan_time: Annotated[str, Header(max_length=60)] = "",
        chayan_signature: Annotated[str, Header(max_length=400)] = "",
    ) -> Response:
        place = site.replace("\0", ""), node.replace("\0", "")
        await run_in_threadpool(must_be_node, registry.engine, *place, after, chayan_time, chayan_signature)
        return answer(Directives(directives=await news(*place, after, wait)))

"""The route by which a node pulls its directives."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI, Header, Query, Response
from starlette.concurrency import run_in_threadpool

from central_sync.directives import Directives
from central_sync.registry.answers import answer
from central_sync.registry.directives import due, must_be_node

if TYPE_CHECKING:
    from central_sync.registry.api import Registry

WAIT_LIMIT_S = 25
LOOK_S = 1.0  # how often a waiting request looks into the database


def add_directives(app: FastAPI, registry: "Registry") -> None:
    """Adds the route."""

    @app.get("/v1/nodes/{node}/directives", summary="What the centre tells a node; waits for news")
    async def get_directives(
        node: str,
        site: str,
        after: Annotated[int, Query(ge=0)] = 0,
        wait: Annotated[int, Query(ge=0)] = 0,
        chayan_time: Annotated[str, Header(max_length=60)] = "",
        chayan_signature: Annotated[str, Header(max_length=400)] = "",
    ) -> Response:
        engine, place = registry.engine, (site.replace("\0", ""), node.replace("\0", ""))
        await run_in_threadpool(must_be_node, engine, *place, after, chayan_time, chayan_signature)
        end = time.monotonic() + min(wait, WAIT_LIMIT_S)
        while not (found := await run_in_threadpool(due, engine, *place, after)):
            if time.monotonic() >= end:
                break
            await asyncio.sleep(LOOK_S)  # no thread is held meanwhile
        return answer(Directives(directives=found))

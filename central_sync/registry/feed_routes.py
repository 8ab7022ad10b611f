"""Changes over HTTP, as NDJSON: a line a change; the last says how many there were and where it goes on."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
import zstandard
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from central_sync.batch import LEVEL
from central_sync.registry import feed, fold, runs
from central_sync.registry.nodes import owned
from central_sync.registry.problems import Rejected
from central_sync.registry.search import brief
from central_sync.registry.tables import inspections

if TYPE_CHECKING:
    from central_sync.registry.api import Registry

AT_MOST, USUAL = 100, 20  # runs an answer
LONGEST_S, AGAIN_S = 60, 0.5
MEDIA = "application/x-ndjson"
Of = Literal["inspections", "records"]


def add_feed(app: FastAPI, registry: "Registry") -> None:
    """Adds the route."""

    @app.get("/v1/changes", summary="What has changed since a cursor, each change once and in order")
    async def get_changes(
        request: Request,
        cursor: Annotated[str, Query(max_length=200)] = "",
        since: datetime | None = None,
        of: Of = "inspections",
        site: Annotated[str, Query(max_length=200)] = "",
        node: Annotated[str, Query(max_length=80)] = "",
        kind: Annotated[list[str] | None, Query(max_length=50)] = None,
        limit: Annotated[int, Query(ge=1, le=AT_MOST)] = USUAL,
        wait: Annotated[int, Query(ge=0, le=LONGEST_S)] = 0,
    ) -> Response:
        engine = registry.engine
        if since is not None:
            if cursor or since.tzinfo is None:
                raise Rejected.malformed("since: a time with its zone, and no cursor beside it")
            cursor = str(await run_in_threadpool(feed.since, engine, since))
        page = await _awaited(engine, cursor, (limit, site, node), wait)
        lines = _lines(engine, page, of, frozenset(kind or ()))
        if "zstd" in request.headers.get("Accept-Encoding", ""):
            return StreamingResponse(_packed(lines), media_type=MEDIA, headers={"Content-Encoding": "zstd"})
        return StreamingResponse(lines, media_type=MEDIA)


async def _awaited(engine: sa.Engine, cursor: str, asked: tuple[int, str, str], wait: float) -> feed.Page:
    """The next page with anything on it; an empty one when there was nothing for so long."""
    until = time.monotonic() + wait
    while True:
        page = await run_in_threadpool(feed.read, engine, cursor, *asked)
        cursor = str(page.cursor)
        if page.runs or (time.monotonic() >= until and not page.more):
            return page
        if not page.more:
            await asyncio.sleep(AGAIN_S)


def _lines(engine: sa.Engine, page: feed.Page, of: Of, kinds: frozenset[str]) -> Iterator[bytes]:
    count = 0
    for run in page.runs:
        with engine.connect() as connection:
            row = feed.held(connection, run)
            told = () if row is None else list(_told(connection, row, of, kinds))
        for line in told:  # a reader who goes away in between holds no connection
            count += 1
            yield msgspec.json.encode(line) + b"\n"
    end = {"lines": count, "cursor": str(page.cursor), "more": page.more}
    yield msgspec.json.encode(end) + b"\n"


def _told(
    connection: sa.Connection, run: sa.Row[Any], of: Of, kinds: frozenset[str]
) -> Iterable[dict[str, Any]]:
    try:
        found = runs.entries(run)
    except runs.Damaged as trouble:
        return [{"site": run.site, "node": run.node, "through": run.last_seq, "damaged": str(trouble)}]
    reads = [(each, fold.read(each.seq, each.data, allow_simulated=True)) for each in found]
    if kinds:
        reads = [(each, read) for each, read in reads if read.kind in kinds]
    return _records(run, reads) if of == "records" else _inspections(connection, run, reads)


Reads = Sequence[tuple[runs.Entry, fold.Read]]


def _records(run: sa.Row[Any], reads: Reads) -> Iterator[dict[str, Any]]:
    for each, _ in reads:
        line = {"site": run.site, "node": run.node, "seq": each.seq, "head": each.head.hex()}
        if each.instead is None:
            yield line | {"record": each.data.decode()}
        else:
            yield line | {"instead": {"why": each.instead.why, "sha256": each.instead.sha256}}


def _inspections(connection: sa.Connection, run: sa.Row[Any], reads: Reads) -> Iterator[dict[str, Any]]:
    """Each inspection of the run once, as it stands now, and which kinds of records the run brought of it."""
    kinds: dict[str, dict[str, None]] = {}
    for _, read in reads:
        if read.inspection is not None and read.kind is not None:
            kinds.setdefault(read.inspection, {})[read.kind] = None
    query = sa.select(inspections).where(
        *owned(inspections, run.site, run.node), inspections.c.inspection.in_(kinds)
    )
    rows = {row.inspection: row for row in connection.execute(query)} if kinds else {}
    for name, brought in kinds.items():
        if name in rows:
            yield {"site": run.site, "through": run.last_seq, "kinds": list(brought), **brief(rows[name])}


def _packed(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The same in one zstd frame, flushed so that what is there goes out."""
    packer = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    for line in lines:
        if part := packer.compress(line):
            yield part
    yield packer.flush()

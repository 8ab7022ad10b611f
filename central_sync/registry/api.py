"""The registry over HTTP: batches and photos in, inspections and proofs out, the office pages.

Bodies are read and written by msgspec; errors are RFC 9457 problems in both languages.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from central_sync import batch as wire
from central_sync.photos import Photos
from central_sync.registry import search
from central_sync.registry.accept import Policy, accept
from central_sync.registry.answers import answer
from central_sync.registry.detail import detail
from central_sync.registry.directive_routes import add_directives
from central_sync.registry.engines import close, open_engine
from central_sync.registry.evidence_routes import add_evidence
from central_sync.registry.feed_routes import add_feed
from central_sync.registry.form_routes import Printer, add_forms
from central_sync.registry.guard import SecurityHeaders, read_body
from central_sync.registry.nodes import enroll, note_keys, standing
from central_sync.registry.pages import add_pages
from central_sync.registry.photo_routes import add_photos
from central_sync.registry.problems import Rejected
from central_sync.registry.proof import proof
from central_sync.registry.runs import Damaged
from central_sync.registry.schema import prepare
from central_sync.seal import KeyTrouble, NodeKey

RETRY_AFTER = "5"  # s, with 503
BATCHES_AT_ONCE = 8  # unpacked; bounds memory, and leaves threads to the office

SUSPICIOUS = {"conflict", "broken-chain", "bad-signature", "other-key", "unknown-node", "other-root"}

_log = logging.getLogger("chayan.registry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A node that may send."""

    site: str
    node: str
    public_key: str
    allow_simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """Everything the registry needs to start. ``pages_dir`` holds ``office/index.html`` and ``assets/``.

    ``printer``: draws forms; without one there are none.
    """

    dsn: str
    photos_dir: Path
    pages_dir: Path | None = None
    key_file: Path | None = None
    allow_simulated: bool = False
    nodes: tuple[Enrolled, ...] = ()
    printer: Printer | None = None


class Registry:
    """Database, photos and policy of one running registry."""

    def __init__(self, settings: RegistrySettings) -> None:
        key = None if settings.key_file is None else NodeKey.load_or_create(settings.key_file)
        self.policy = Policy(allow_simulated=settings.allow_simulated, key=key)
        self.engine = open_engine(settings.dsn)
        prepare(self.engine)
        note_keys(self.engine)
        for node in settings.nodes:
            enroll(self.engine, node.site, node.node, node.public_key, node.allow_simulated)
        self.photos = Photos(settings.photos_dir)


def build_app(settings: RegistrySettings) -> FastAPI:
    """The application; opens the database and makes its tables. Raises DsnError, KeyTrouble, ValueError."""
    registry = Registry(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(close, registry.engine)

    app = FastAPI(
        title="Chayan registry",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=lifespan,
    )
    app.add_middleware(SecurityHeaders)
    _add_problems(app)
    _add_intake(app, registry)
    add_photos(app, registry)
    add_evidence(app, registry)
    add_feed(app, registry)
    add_directives(app, registry)
    if settings.printer is not None:
        add_forms(app, registry, settings.printer)
    _add_questions(app, registry)
    add_pages(app, settings.pages_dir)
    return app


def _problem(trouble: Rejected) -> Response:
    response = answer(trouble.body, trouble.status, "application/problem+json")
    response.headers.update(trouble.headers)
    if trouble.status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def _add_problems(app: FastAPI) -> None:
    """Every error as a problem; nothing of the inside is told."""

    async def rejected(request: Request, trouble: Exception) -> Response:
        assert isinstance(trouble, Rejected)
        if trouble.code in SUSPICIOUS:
            _log.warning("%s %s: %s", request.method, request.url.path, trouble)
        return _problem(trouble)

    async def http(_: Request, trouble: Exception) -> Response:
        assert isinstance(trouble, HTTPException)
        return _problem(Rejected.http(trouble.status_code, str(trouble.detail)))

    async def invalid(_: Request, trouble: Exception) -> Response:
        assert isinstance(trouble, RequestValidationError)
        said = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in trouble.errors())
        return _problem(Rejected.malformed(said))

    async def unavailable(request: Request, trouble: Exception) -> Response:
        _log.error("%s %s: %s", request.method, request.url.path, trouble)
        return _problem(Rejected.unavailable())

    async def uncheckable(request: Request, trouble: Exception) -> Response:
        _log.error("%s %s: %s", request.method, request.url.path, trouble)
        return _problem(Rejected.no_algorithm(str(trouble)))

    async def damaged(request: Request, trouble: Exception) -> Response:
        _log.error("%s %s: %s", request.method, request.url.path, trouble)
        return _problem(Rejected.damaged(str(trouble)))

    async def gone(_: Request, trouble: Exception) -> Response:
        return _problem(Rejected.http(400, f"the sender went away: {type(trouble).__name__}"))

    async def failed(_: Request, trouble: Exception) -> Response:
        return _problem(Rejected.http(500, "a fault of the registry; its log says more"))

    app.add_exception_handler(Exception, failed)  # the server still logs the trace
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Rejected, rejected)
    app.add_exception_handler(KeyTrouble, uncheckable)
    app.add_exception_handler(Damaged, damaged)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError):
        app.add_exception_handler(kind, unavailable)


def _add_intake(app: FastAPI, registry: Registry) -> None:
    turns = asyncio.Semaphore(BATCHES_AT_ONCE)

    @app.post("/v1/batches", summary="Hand over a batch of records; any number of times")
    async def post_batch(request: Request) -> Response:
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding not in ("zstd", "identity"):
            raise Rejected.http(415, f"Content-Encoding {encoding!r}: use zstd, or none")
        body = await read_body(request, wire.MAX_WIRE_BYTES)
        async with turns:
            return answer(await run_in_threadpool(_take, body, encoding == "zstd"))

    def _take(body: bytes, compressed: bool) -> wire.Receipt:
        try:
            return accept(registry.engine, wire.decode_batch(body, compressed=compressed), registry.policy)
        except wire.TooLarge as trouble:
            raise Rejected.too_large(str(trouble)) from trouble
        except wire.WireError as trouble:
            raise Rejected.malformed(str(trouble)) from trouble

    @app.get("/v1/nodes/{node}", summary="How far the chain of a node is held")
    def get_node(node: str, site: str = "") -> Response:
        held = standing(registry.engine, node.replace("\0", ""), site.replace("\0", "") or None)
        if not held:
            raise Rejected.not_found(f"node {node!r} is not enrolled here")
        if len(held) > 1:
            raise Rejected.ambiguous(f"node {node!r} stands at several sites; add ?site=SITE")
        return answer(held[0])


def _add_questions(app: FastAPI, registry: Registry) -> None:
    @app.get("/v1/inspections", summary="Inspections, newest first")
    def list_inspections(
        q: Annotated[str, Query(max_length=100)] = "",
        verdict: Literal["", "pass", "fail", "incomplete", "suspicious", "none"] = "",
        business: Annotated[str, Query(max_length=80)] = "",
        limit: Annotated[int, Query(ge=1, le=search.LIMIT)] = 50,
        cursor: Annotated[str, Query(max_length=1000)] = "",
    ) -> Response:
        asked = {"q": q, "verdict": verdict, "business": business.replace("\0", "")}
        return answer(search.find(registry.engine, **asked, limit=limit, cursor=cursor))

    @app.get("/v1/inspections/{inspection}", summary="Everything of one inspection")
    def get_inspection(inspection: str, node: str = "") -> Response:
        return answer(detail(registry.engine, inspection, node.replace("\0", "")))

    @app.get("/v1/inspections/{inspection}/proof", summary="Its records against the signed chain")
    def get_proof(inspection: str, node: str = "") -> Response:
        return answer(proof(registry.engine, inspection, node.replace("\0", "")))

    @app.get("/v1/stats", summary="How much there is, and how far each node is held")
    def get_stats() -> Response:
        return answer(search.stats(registry.engine))

    @app.get("/healthz", summary="Whether the database answers")
    def healthz() -> Response:
        with registry.engine.connect() as connection:
            connection.execute(sa.select(1))
        return answer({"ok": True})

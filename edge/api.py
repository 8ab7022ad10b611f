"""The edge node's HTTP API and pages: PDA, lane board, and the review process speak to it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from msgspec import Meta, Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central_sync.photos import Photos
from central_sync.volumes import JournalError
from edge.acts import PHOTO_LIMIT, ActPost, Acts, media_type
from edge.answers import answer, problem, read_body, read_struct
from edge.board import LinkState, board, detail, site_view, summary
from edge.carrying import CarriedPost, Carrying, Place
from edge.checking import CheckPost, enter
from edge.desk import Desk
from edge.filming import add_clips
from edge.form_routes import add_forms
from edge.obd import Obd, ObdPost
from edge.operating import Operating
from edge.operator_routes import add_operating
from edge.orders import OrderPost, place
from edge.permits import ActError
from edge.review_routes import add_reviews
from edge.watching import Watch, devices_view
from firmware_bridge.device import ObdReader
from lanes.inspection import Inspection
from lanes.record import Filmed, Key, Name

BEAT_S = 5.0  # heartbeat of the event stream; pages call it stale after the next one is missed
LEAST_S = 0.2  # at most five snapshots a second
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none';"
    " frame-ancestors 'none'"
)
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", PAGE_POLICY.encode()),
]
NO_PAGES = (
    "<!doctype html><meta charset=utf-8><title>Chayan</title><h1>页面尚未构建 · pages not built</h1>"
    "<p>在源码目录运行 <code>make pages</code>。Run <code>make pages</code> in the checkout.</p>"
)

NO_READERS: Mapping[str, ObdReader] = {}
NO_PLACES: Mapping[str, Place] = {}


class AbortPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator stops an inspection."""

    key: Key
    by: Name
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class FilmPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recorder or body camera says where the video of an inspection lies."""

    key: Key
    film: Filmed


class AdmitPost(AbortPost, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator says whose the vehicle at the gate is."""

    inspection: Name


def build_api(
    desk: Desk,
    acts: Acts,
    link: LinkState,
    token: str,
    pages: Path | None,
    watch: Watch | None = None,
    readers: Mapping[str, ObdReader] = NO_READERS,
    clips: Photos | None = None,
    carried: Mapping[str, Place] = NO_PLACES,
) -> FastAPI:
    """The node's application. ``readers``, ``carried``: its OBD adapters and carried instruments by name;
    ``clips``: what its cameras filmed.
    """
    app = FastAPI(title="Chayan edge", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    _errors(app)
    app.add_middleware(_Secure)
    _reading_routes(app, desk, link)
    _writing_routes(app, desk, acts)
    if clips is not None:
        add_clips(app, clips)
    _obd_routes(app, Obd(acts, readers))
    _carried_routes(app, Carrying(acts, carried))
    add_reviews(app, desk, token)
    _device_routes(app, desk, watch or Watch(desk.site))
    add_operating(app, Operating(acts))
    add_forms(app, desk)
    _pages(app, pages)
    return app


def _errors(app: FastAPI) -> None:
    @app.exception_handler(ActError)
    async def act_error(_: Request, error: ActError) -> Response:
        return problem(error.status, error.code, error.zh, error.en)

    @app.exception_handler(JournalError)
    async def journal_error(_: Request, error: JournalError) -> Response:
        return problem(
            503, "journal", f"本机日志账暂不能写入，请稍后重试：{error}", f"not kept, try again: {error}"
        )

    @app.exception_handler(OSError)
    async def disk_error(_: Request, error: OSError) -> Response:
        return problem(
            503,
            "disk",
            f"本机磁盘读写失败，请稍后重试：{error.strerror}",
            f"not kept, try again: {error.strerror}",
        )


class _Secure:
    """Adds the security headers to every answer, and takes nothing that a page of another site posts.

    Pages are asked for anew, hashed assets are kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), *HEADERS]
                if b"cache-control" not in {name.lower() for name, _ in headers}:
                    asset = scope.get("path", "").startswith("/assets/")
                    headers.append(
                        (b"cache-control", b"max-age=31536000, immutable" if asset else b"no-cache")
                    )
                message = {**message, "headers": headers}
            await send(message)

        if scope["type"] == "http" and _is_foreign(scope):
            refused = problem(403, "origin", "拒绝其他网站的请求", "a page of another site may not post here")
            await refused(scope, receive, send_secured)
            return
        await self.app(scope, receive, send_secured)


def _is_foreign(scope: Scope) -> bool:
    """Whether a browser sends this for a page that did not come from here; programs send no Origin."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if scope["method"] in ("GET", "HEAD") or origin is None:
        return False
    return bool(origin.partition(b"://")[2] != headers.get(b"host"))


def _reading_routes(app: FastAPI, desk: Desk, link: LinkState) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        return answer({"ok": True, "node": desk.site.node.name, "seq": desk.book.seq})

    @app.get("/api/v1/status")
    async def status() -> Response:
        seq, head = desk.journal.head()
        return answer(
            {
                "node": desk.site.node.name,
                "site": desk.site.site.id,
                "records": seq,
                "receipts": desk.journal.receipt_count(),
                "head": {"seq": seq, "hash": head.hex()},
                "sent_through": link.accepted_through,
                "link": link.link,
                "reviews_due": len(desk.unreviewed()),
                "devices": {name: body.state for name, body in desk.book.devices.items()},
            }
        )

    @app.get("/api/v1/site")
    async def site() -> Response:
        return answer(site_view(desk))

    @app.get("/api/v1/names")
    async def names() -> Response:
        return answer(desk.rules.of(desk.journal.head()[0]).names)

    @app.get("/api/v1/board")
    async def snapshot() -> Response:
        return answer(board(desk, link))

    @app.get("/api/v1/events")
    async def events() -> Response:
        return StreamingResponse(
            _events(desk, link), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    @app.get("/api/v1/inspections")
    async def inspections(state: str = "open", limit: int = 50) -> Response:
        return answer({"inspections": [summary(each) for each in _listed(desk, state)[: max(1, limit)]]})

    @app.get("/api/v1/inspections/{inspection}")
    async def one(inspection: str) -> Response:
        records = desk.journal.of_inspection(inspection)
        known = desk.inspection(inspection)
        if known is None:
            raise ActError(404, "no-inspection", f"没有流水号 {inspection}", f"no inspection {inspection}")
        return answer(detail(desk, known, records))

    @app.get("/api/v1/photos/{digest}")
    async def photo(digest: str) -> Response:
        if not _held(desk, digest):
            raise ActError(404, "no-photo", "没有这张照片", "no such photo")
        data = await asyncio.to_thread(desk.photos.read, digest)
        headers = {"Cache-Control": "private, max-age=31536000, immutable"}
        return Response(data, media_type=media_type(data) or "application/octet-stream", headers=headers)


def _held(desk: Desk, digest: str) -> bool:
    try:
        return desk.photos.has(digest)
    except ValueError as error:
        raise ActError(422, "digest", "照片摘要格式错误", str(error)) from error


def _listed(desk: Desk, state: str) -> list[Inspection]:
    phases = {"open": ("waiting", "on_lane"), "closed": ("judged", "gone", "aborted")}
    wanted = phases.get(state)
    found = [each for each in desk.book.inspections.values() if wanted is None or each.phase in wanted]
    return sorted(found, key=lambda each: each.ordered_seq, reverse=True)


async def _events(desk: Desk, link: LinkState) -> AsyncIterator[bytes]:
    with desk.bell() as bell:
        bell.set()
        while not desk.closing:
            try:
                async with asyncio.timeout(BEAT_S):
                    await bell.wait()
            except TimeoutError:
                yield b"event: beat\ndata: " + msgspec.json.encode({"at": datetime.now(UTC)}) + b"\n\n"
                continue
            bell.clear()
            data = msgspec.json.encode(board(desk, link))
            yield b"event: board\ndata: " + data + b"\n\n"
            await asyncio.sleep(LEAST_S)


def _writing_routes(app: FastAPI, desk: Desk, acts: Acts) -> None:
    @app.post("/api/v1/orders")
    async def order(request: Request) -> Response:
        post = await read_struct(request, OrderPost)
        appended = await place(desk, post, f"{desk.prefix}clerk/{post.ordered_by}")
        seen = {"inspection": appended.record.inspection, "seq": appended.record.seq}
        return answer(seen, 201 if appended.fresh else 200)

    @app.post("/api/v1/inspections/{inspection}/acts")
    async def act(inspection: str, request: Request) -> Response:
        seq, fresh = await acts.append(inspection, await read_struct(request, ActPost))
        return answer({"seq": seq}, 201 if fresh else 200)

    @app.post("/api/v1/inspections/{inspection}/abort")
    async def abort(inspection: str, request: Request) -> Response:
        post = await read_struct(request, AbortPost)
        seq, fresh = await acts.abort(inspection, post.key, post.by, post.reason)
        return answer({"seq": seq}, 201 if fresh else 200)

    @app.post("/api/v1/inspections/{inspection}/films")
    async def film(inspection: str, request: Request) -> Response:
        post = await read_struct(request, FilmPost)
        seq, fresh = await acts.film(inspection, post.key, post.film)
        return answer({"seq": seq}, 201 if fresh else 200)

    @app.post("/api/v1/lanes/{lane}/admit")
    async def admit(lane: str, request: Request) -> Response:
        post = await read_struct(request, AdmitPost)
        seq, fresh = await acts.admit(lane, post.inspection, post.key, post.by, post.reason)
        return answer({"seq": seq}, 201 if fresh else 200)

    @app.put("/api/v1/photos/{digest}")
    async def put_photo(digest: str, request: Request) -> Response:
        _held(desk, digest)
        kept, fresh = await acts.put_photo(await read_body(request, PHOTO_LIMIT), digest)
        return answer({"photo": kept}, 201 if fresh else 200)


def _obd_routes(app: FastAPI, obd: Obd) -> None:
    @app.post("/api/v1/inspections/{inspection}/obd")
    async def ask(inspection: str, request: Request) -> Response:
        seq, fresh = await obd.ask(inspection, await read_struct(request, ObdPost))
        return answer({"seq": seq}, 201 if fresh else 200)


def _carried_routes(app: FastAPI, carrying: Carrying) -> None:
    @app.post("/api/v1/inspections/{inspection}/measurements")
    async def measure(inspection: str, request: Request) -> Response:
        seq, fresh = await carrying.ask(inspection, await read_struct(request, CarriedPost))
        return answer({"seq": seq}, 201 if fresh else 200)


def _device_routes(app: FastAPI, desk: Desk, watch: Watch) -> None:
    @app.get("/api/v1/devices")
    async def devices() -> Response:
        return answer({"devices": devices_view(desk, watch, datetime.now(UTC))})

    @app.post("/api/v1/devices/{device}/checks")
    async def checked(device: str, request: Request) -> Response:
        seq, passed, fresh = await enter(desk, device, await read_struct(request, CheckPost))
        return answer({"seq": seq, "passed": passed}, 201 if fresh else 200)


def _pages(app: FastAPI, pages: Path | None) -> None:
    @app.get("/")
    async def root() -> Response:
        if pages is None:
            return Response(NO_PAGES, 503, media_type="text/html; charset=utf-8")
        return RedirectResponse("/board/")

    for name in ("board", "pda", "assets"):
        if pages is not None and (pages / name).is_dir():
            app.mount(f"/{name}", StaticFiles(directory=pages / name, html=True), name=name)

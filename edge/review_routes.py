"""The review process's routes: what is due, photos taken, thresholds, answers, and a candidate's."""

import asyncio
import contextlib
import hashlib
import hmac
from typing import Any

from fastapi import FastAPI, Request, Response
from msgspec import Struct

from edge.answers import answer, read_struct
from edge.desk import Desk, beside
from edge.permits import ActError
from lanes.record import Name, Photographed, Reviewed, Shadowed, parse

WAIT_LIMIT_S = 25.0


class ReviewPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One review by the review process."""

    inspection: Name
    review: Reviewed


class ShadowPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a candidate's answer differs, by the review process."""

    inspection: Name
    shadow: Shadowed


def add_reviews(app: FastAPI, desk: Desk, token: str) -> None:
    """Adds the routes to an application; each wants the token."""

    def permit(request: Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise ActError(401, "token", "需要本机审核进程的令牌", "the review process's token is needed")

    @app.get("/api/v1/reviews/due")
    async def due(request: Request, wait: float = 0.0) -> Response:
        permit(request)
        due = await _due(desk, min(wait, WAIT_LIMIT_S))
        content = desk.reference.content("models")
        return answer({"due": due, "models": hashlib.sha256(content).hexdigest() if content else ""})

    @app.get("/api/v1/reviews/photos")
    async def photos(request: Request, after: int = 0) -> Response:
        permit(request)
        return answer(await asyncio.to_thread(taken_after, desk, after))

    @app.get("/api/v1/reviews/models")
    async def models(request: Request) -> Response:
        permit(request)
        content = desk.reference.content("models")
        if content is None:
            raise ActError(404, "no-models", "中心未下发模型阈值", "the centre has sent no thresholds")
        return Response(content, media_type="application/toml")

    @app.post("/api/v1/reviews")
    async def reviewed(request: Request) -> Response:
        permit(request)
        post = await read_struct(request, ReviewPost)
        return await kept(post.inspection, f"{post.review.photo_seq}/{post.review.question}", post.review)

    @app.post("/api/v1/reviews/shadow")
    async def shadowed(request: Request) -> Response:
        permit(request)
        post = await read_struct(request, ShadowPost)
        about = post.shadow
        return await kept(post.inspection, f"{about.photo_seq}/{about.question}/{about.candidate}", about)

    async def kept(inspection: str, key: str, body: Reviewed | Shadowed) -> Response:
        if desk.book.inspections.get(inspection) is None:
            raise ActError(404, "no-inspection", f"没有流水号 {inspection}", "no such inspection")
        appended = await desk.append(f"{desk.prefix}reviewer", key, body, inspection)
        return answer({"seq": appended.record.seq}, 201 if appended.fresh else 200)


def taken_after(desk: Desk, after: int) -> dict[str, Any]:
    """Photos that officers took, of the next records after one; ``through``: the last record looked at."""
    rows = desk.journal.rows(after)
    told = [(row.seq, parse(row.data)) for row in rows]
    return {
        "photos": [
            {"photo_seq": seq, "photo": body.photo, "shot": body.shot, "inspection": record.inspection}
            for seq, record in told
            if isinstance(body := record.body, Photographed) and record.inspection is not None
        ],
        "through": told[-1][0] if told else after,
    }


async def _due(desk: Desk, wait_s: float) -> list[dict[str, Any]]:
    """Reviews that are due, waiting up to ``wait_s`` for the first."""
    with desk.bell() as bell, contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while not desk.unreviewed() and not desk.closing:
                await bell.wait()
                bell.clear()
    return [
        {
            "inspection": inspection.inspection,
            "photo_seq": seq,
            "photo": photo,
            "shot": shot,
            "question": question,
            "expected": desk.expected(inspection, question) or "",
            "plated": inspection.vehicle.plate is not None,
            "beside": beside(inspection, question),
        }
        for inspection, seq, photo, shot, question in desk.unreviewed()
    ]

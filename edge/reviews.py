"""The review process: asks the node which reviews are due and answers them. Its own process, no state."""

import asyncio
import contextlib
import hashlib
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog

from edge.agent import stop_on_signals
from edge.compose import worker_token
from edge.settings import load
from edge.shadowing import Shadowing
from lanes.record import Reviewed
from models.catalog import WeightsError, catalog, overridden
from models.images import PhotoError
from models.reviewer import Reviewer, subject_of, to_body

WAIT_S = 20.0  # one long poll
AGAIN_S = (0.5, 1.0, 2.0, 5.0)  # waits while the node is away; the last one repeats

log = structlog.get_logger("chayan.reviews")


async def follow(path: Path, threads: int) -> None:
    """Reviews the photos of the node of a site file until SIGINT or SIGTERM."""
    site = load(path)
    stop = asyncio.Event()
    stop_on_signals(stop)
    reviewer = await asyncio.to_thread(Reviewer, threads)
    headers = {"Authorization": f"Bearer {worker_token(site.node.folder)}"}
    base = f"http://{site.api.host}:{site.api.port}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=WAIT_S + 15) as client:
        shadow = Shadowing(site.shadow, threads, review)
        working = asyncio.create_task(_work(client, reviewer, shadow))
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        for task in done - {stopping}:
            task.result()


async def _work(client: httpx.AsyncClient, reviewer: Reviewer, shadow: Shadowing) -> None:
    away, judged_by = 0, ""
    while True:
        try:
            wait_s = 0.0 if shadow.waiting else WAIT_S
            answer = await client.get("/api/v1/reviews/due", params={"wait": wait_s})
            answer.raise_for_status()
            asked = answer.json()
            if asked["models"] != judged_by:
                await take_thresholds(client, reviewer, asked["models"])
                judged_by = asked["models"]
            if not asked["due"] and shadow.waiting:
                await shadow.compare_one(client)
            unanswered = [due for due in asked["due"] if not await _answered(client, reviewer, shadow, due)]
            if not unanswered:
                away = 0
                continue
            why = f"{len(unanswered)} due reviews could not be answered"
        except (httpx.HTTPError, ValueError, KeyError) as error:  # away, or something else on its port
            why = f"the node does not answer: {str(error) or type(error).__name__}"
        wait = AGAIN_S[min(away, len(AGAIN_S) - 1)]
        log.warning("again", why=why, again_in_s=wait)
        away += 1
        await asyncio.sleep(wait)


async def take_thresholds(client: httpx.AsyncClient, reviewer: Reviewer, sha256: str) -> None:
    """Judges by the thresholds of that digest from now on; those for other weights are not taken.

    Raises httpx.HTTPError while the node cannot give them.
    """
    if not sha256:
        reviewer.judge_by(catalog().thresholds)
        return
    answer = await client.get("/api/v1/reviews/models")
    answer.raise_for_status()
    try:
        if hashlib.sha256(answer.content).hexdigest() != sha256:
            raise WeightsError(f"they are not those of digest {sha256}")
        reviewer.judge_by(overridden(answer.content), f"thresholds {sha256[:8]}")
    except WeightsError as error:
        log.error("the centre's thresholds are not used", why=str(error))
        reviewer.judge_by(catalog().thresholds)


async def _answered(
    client: httpx.AsyncClient, reviewer: Reviewer, shadow: Shadowing, due: dict[str, Any]
) -> bool:
    """Whether a due question was answered; what the node refuses, such as a lost photo, stops no other."""
    try:
        shadow.note(due, await _answer(client, reviewer, due))
    except httpx.HTTPStatusError as error:
        log.warning("not reviewed", photo=due["photo"], shot=due["shot"], why=str(error))
        return False
    return True


async def _answer(client: httpx.AsyncClient, reviewer: Reviewer, due: dict[str, Any]) -> Reviewed:
    photo = await client.get(f"/api/v1/photos/{due['photo']}")
    photo.raise_for_status()
    body = await asyncio.to_thread(review, reviewer, photo.content, due)
    posted = await client.post(
        "/api/v1/reviews",
        content=msgspec.json.encode({"inspection": due["inspection"], "review": body}),
    )
    posted.raise_for_status()
    return body


def review(reviewer: Reviewer, photo: bytes, due: dict[str, Any]) -> Reviewed:
    """The answer to one due question."""
    question, expected = due["question"], due["expected"] or None
    try:
        if question == "plate":
            reading = reviewer.plate(photo, expected)
        elif question == "vin":
            reading = reviewer.vin(photo, expected)
        else:
            subject = subject_of(due["shot"])
            # a new car has no plate to be legible: its photo is judged as a scene
            reading = reviewer.quality(photo, subject if due["plated"] or subject != "plate" else "scene")
    except PhotoError as error:
        return Reviewed(
            photo_seq=due["photo_seq"],
            photo=due["photo"],
            shot=due["shot"],
            question=question,
            opinion="unsure",
            model="decoder",
            expected=due["expected"],
            reasons=("not_a_photo", str(error)[:80]),
        )
    return to_body(reading, due["photo_seq"], due["photo"], due["shot"])

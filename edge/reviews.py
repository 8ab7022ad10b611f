"""The review process: asks the node which reviews are due and answers them. Its own process.

Its one file, the album of prints, can be made again from the journal's photos.
"""

import asyncio
import contextlib
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import cv2
import httpx
import msgspec
import structlog
from msgspec import Meta, Struct

from edge.shadowing import Shadowing
from edge.starting import REUSE, stop_on_signals, worker_token
from edge.tables import review_site
from lanes.record import Reviewed
from models.album import Page
from models.catalog import WeightsError, catalog, overridden
from models.images import PhotoError
from models.memory import give_back, keep_little
from models.reading import Question, Reading
from models.reuse import Searcher
from models.reviewer import Reviewer, subject_of, to_body

ALBUM_FILE = "reuse.sqlite"
WAIT_S = 20.0  # one long poll
TAKING_S = 2.0  # after which other reviews have their turn while the album is made
AGAIN_S = (0.5, 1.0, 2.0, 5.0)  # waits while the node is away; the last one repeats

log = structlog.get_logger("chayan.reviews")


class _Asked(Struct, frozen=True, kw_only=True):
    """What is due, and the digest of the thresholds that the centre has sent."""

    due: list[Any]
    models: str


class _Due(Struct, frozen=True, kw_only=True):
    """One due question; ``expected`` and ``beside`` (a photo) are empty where nothing is compared with."""

    inspection: Annotated[str, Meta(min_length=1, max_length=160)]
    photo_seq: Annotated[int, Meta(ge=1, le=2**62)]
    photo: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    shot: Annotated[str, Meta(min_length=1, max_length=160)]
    question: Question
    expected: Annotated[str, Meta(max_length=160)]
    plated: bool
    beside: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$")] = ""


async def follow(path: Path, threads: int) -> None:
    """Reviews the photos of the node of a site file until SIGINT or SIGTERM."""
    site = review_site(path)
    keep_little()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "review"))
    stop = asyncio.Event()
    stop_on_signals(stop)
    headers = {"Authorization": f"Bearer {worker_token(site.node.folder)}"}
    reviewer, searcher = Reviewer(threads), Searcher(site.node.folder / ALBUM_FILE)
    base = f"http://{site.api.host}:{site.api.port}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=WAIT_S + 15) as client:
        shadow = Shadowing(site.shadow, threads, review)
        working = asyncio.create_task(_work(client, reviewer, searcher, shadow))
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        searcher.close()
        for task in done - {stopping}:
            task.result()


async def _work(client: httpx.AsyncClient, reviewer: Reviewer, searcher: Searcher, shadow: Shadowing) -> None:
    away, judged_by = 0, ""
    await asyncio.to_thread(_warmed, reviewer)
    while True:
        try:
            wait_s = 0.0 if shadow.waiting else WAIT_S
            answer = await client.get("/api/v1/reviews/due", params={"wait": wait_s})
            answer.raise_for_status()
            asked = msgspec.convert(answer.json(), _Asked)
            if asked.models != judged_by:
                await take_thresholds(client, reviewer, asked.models)
                judged_by = asked.models
            if not asked.due and shadow.waiting:
                await shadow.compare_one(client)
            fit = [_well_formed(due) for due in asked.due]
            well = list(compress(asked.due, fit))
            sought = [due for due in well if due["question"] == REUSE]
            read = [due for due in well if due["question"] != REUSE]
            unanswered = [due for due, good in zip(asked.due, fit, strict=True) if not good]
            unanswered += [due for due in read if not await _answered(client, reviewer, due, shadow)]
            if await take_photos(client, searcher, max((due["photo_seq"] for due in sought), default=0)):
                unanswered += [due for due in sought if not await _answered(client, searcher, due)]
            if not unanswered:
                away = 0
                continue
            why = f"{len(unanswered)} due reviews could not be answered"
        except (
            httpx.HTTPError,
            ValueError,
            KeyError,
            msgspec.ValidationError,
        ) as error:  # away, or something else on its port
            why = f"the node does not answer: {str(error) or type(error).__name__}"
        wait = AGAIN_S[min(away, len(AGAIN_S) - 1)]
        log.warning("again", why=why, again_in_s=wait)
        away += 1
        await asyncio.sleep(wait)


def _well_formed(due: Any) -> bool:
    """Whether this is a question; what is none keeps no other from its answer."""
    try:
        msgspec.convert(due, _Due)
    except msgspec.ValidationError as error:
        log.error("not a question", why=str(error), asked=repr(due)[:200])
        return False
    return True


def _warmed(reviewer: Reviewer) -> None:
    """Loads every weight, so that the first photo waits for none, and says that it has."""
    began = time.monotonic()
    reviewer.warm()
    log.info("ready", warmed_in_ms=round((time.monotonic() - began) * 1000))


async def take_photos(client: httpx.AsyncClient, searcher: Searcher, through: int) -> bool:
    """Takes the journal's photos up to record ``through`` into the album; False when it needs another turn.

    What the node no longer has is left out. Raises httpx.HTTPError while the node is away.
    """
    until = time.monotonic() + TAKING_S
    while searcher.through < through:
        if time.monotonic() > until:
            log.info("the album is being made", through=searcher.through, of=through)
            return False
        answer = await client.get("/api/v1/reviews/photos", params={"after": searcher.through})
        answer.raise_for_status()
        told = answer.json()
        photos = []
        for each in told["photos"]:
            photo = await client.get(f"/api/v1/photos/{each['photo']}")
            if photo.status_code != httpx.codes.NOT_FOUND:
                photo.raise_for_status()
                photos.append((_page(each), photo.content))
        await asyncio.to_thread(searcher.keep, photos, told["through"])
    return True


def _page(told: dict[str, Any]) -> Page:
    seq, inspection = told["photo_seq"], told["inspection"]
    return Page(seq=seq, sha256=told["photo"], inspection=inspection, shot=told["shot"])


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
    client: httpx.AsyncClient, by: Reviewer | Searcher, due: dict[str, Any], shadow: Shadowing | None = None
) -> bool:
    """Whether a due question was answered; what the node refuses, such as a lost photo, stops no other."""
    try:
        answer = await _answer(client, by, due)
        if shadow is not None:
            shadow.note(due, answer)
    except httpx.HTTPStatusError as error:
        log.warning("not reviewed", photo=due["photo"], shot=due["shot"], why=str(error))
        return False
    return True


async def _answer(client: httpx.AsyncClient, by: Reviewer | Searcher, due: dict[str, Any]) -> Reviewed:
    photo = await _photo(client, due["photo"])
    beside = await _photo(client, due["beside"]) if due.get("beside") else b""
    body = await asyncio.to_thread(review, by, photo, due, beside)
    posted = await client.post(
        "/api/v1/reviews",
        content=msgspec.json.encode({"inspection": due["inspection"], "review": body}),
    )
    posted.raise_for_status()
    return body


async def _photo(client: httpx.AsyncClient, sha256: str) -> bytes:
    answer = await client.get(f"/api/v1/photos/{sha256}")
    answer.raise_for_status()
    return answer.content


def review(by: Reviewer | Searcher, photo: bytes, due: dict[str, Any], beside: bytes = b"") -> Reviewed:
    """The answer to one due question; what it took is given back."""
    try:
        return _reviewed(by, photo, due, beside)
    finally:
        give_back()


def _reviewed(by: Reviewer | Searcher, photo: bytes, due: dict[str, Any], beside: bytes) -> Reviewed:
    try:
        reading = by.reuse(photo, _page(due)) if isinstance(by, Searcher) else _read(by, photo, due, beside)
    except (PhotoError, cv2.error) as error:
        if isinstance(error, cv2.error):  # a fault of ours, but asked again it would stop all reviews again
            log.error("a photo could not be worked on", photo=due["photo"], why=str(error))
        return Reviewed(
            photo_seq=due["photo_seq"],
            photo=due["photo"],
            shot=due["shot"],
            question=due["question"],
            opinion="unsure",
            model="decoder",
            expected=due["expected"],
            reasons=("not_a_photo", str(error)[:80]),
        )
    return to_body(reading, due["photo_seq"], due["photo"], due["shot"])


def _read(reviewer: Reviewer, photo: bytes, due: dict[str, Any], beside: bytes) -> Reading:
    expected = due["expected"] or None
    if due["question"] == "plate":
        return reviewer.plate(photo, expected)
    if due["question"] == "vin":
        return reviewer.vin(photo, expected)
    if due["question"] == "rubbing":
        return reviewer.struck(photo, beside, expected)
    subject = subject_of(due["shot"])
    # a new car has no plate to be legible: its photo is judged as a scene
    return reviewer.quality(photo, subject if due["plated"] or subject != "plate" else "scene")

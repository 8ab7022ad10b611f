"""A rubbing on the lane is held against the photo of the struck VIN; a difference waits for a ruling."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.parts.strikes import photographed, rubbed, struck
from lanes.record import Reviewed
from models.images import Image, encode
from tests.edge_parts import TOKEN, Edge, edge_at, vehicle
from tests.test_edge_shadowing import bodies, working

pytestmark = pytest.mark.slow
PAPERS = "LTEST8N76HT132923"
OTHER = "LTEST3F63HM055446"


async def take(edge: Edge, inspection: str, shot: str, picture: Image) -> str:
    photo = encode(picture)
    digest = hashlib.sha256(photo).hexdigest()
    await edge.client.put(f"/api/v1/photos/{digest}", content=photo)
    act = {"kind": "photographed", "shot": shot, "photo": digest}
    assert (await edge.act(inspection, f"{shot}/{digest[:6]}", act)).status_code == 201
    return digest


async def due(edge: Edge) -> dict[str, dict[str, Any]]:
    """Questions about the rubbing, by what they are held against."""
    told = (await edge.client.get("/api/v1/reviews/due")).json()["due"]
    return {each["beside"]: each for each in told if each["question"] == "rubbing"}


@pytest.mark.parametrize(
    ("seed", "film_says", "opinion", "reason"),
    [(1, PAPERS, "agree", None), (7, PAPERS, "disagree", "restamped"), (1, OTHER, "unsure", "other_text")],
)
def test_a_rubbing_waits_for_the_photo_and_is_held_against_it(
    tmp_path: Path, seed: int, film_says: str, opinion: str, reason: str | None
) -> None:
    film = rubbed(struck(film_says, np.random.default_rng(1)), np.random.default_rng(2), mirrored=True)
    photo = photographed(struck(PAPERS, np.random.default_rng(seed)), np.random.default_rng(3))

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            edge.client.headers["Authorization"] = f"Bearer {TOKEN}"
            inspection = await edge.order(business="transfer", vehicle=vehicle(PAPERS))
            await edge.arrive(inspection)
            await take(edge, inspection, "vin_rubbing", film)
            assert await due(edge) == {}
            lacking = {gap["code"] for gap in (await edge.detail(inspection))["missing"]}
            assert {"review:vin_rubbing:rubbing", "shot:0113"} <= lacking
            beside = await take(edge, inspection, "0113", photo)
            (asked,) = (await due(edge)).items()
            assert asked[0] == beside and asked[1]["expected"] == PAPERS
            async with working(edge), asyncio.timeout(60):
                with edge.desk.bell() as bell:
                    while edge.desk.unreviewed():
                        await bell.wait()
                        bell.clear()
            (said,) = [
                body for body in bodies(edge, inspection)
                if isinstance(body, Reviewed) and body.question == "rubbing"
            ]  # fmt: skip
            assert (said.opinion, said.shot, said.expected) == (opinion, "vin_rubbing", PAPERS)
            assert reason in said.reasons if reason else said.reasons == () and said.text == PAPERS
            asks = {ask["question"]: ask for ask in (await edge.detail(inspection))["asks"]}
            assert ("rubbing" in asks) is (opinion != "agree")
            if opinion != "agree":
                ruling = {"kind": "ruled", "decision": "pass", "reason": "核对原始拓印"}
                ruling |= {"review_seq": asks["rubbing"]["review_seq"]}
                assert (await edge.act(inspection, "r1", ruling)).status_code == 201
            lacking = {gap["code"] for gap in (await edge.detail(inspection))["missing"]}
            assert not [code for code in lacking if code.endswith(":rubbing")]

    asyncio.run(use())

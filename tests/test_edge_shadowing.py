"""A candidate beside the current models: compared while nothing is due, recorded where it differs."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from edge import shadowing
from edge.__main__ import app
from edge.reviews import _work, review
from edge.settings import SettingsError, Shadow, load
from edge.shadowing import Shadowing
from edge.shadows import tally
from lanes.inspection import fold
from lanes.record import Reviewed, Shadowed
from models.catalog import Weight, catalog, locate
from models.reviewer import Reviewer
from tests.edge_parts import TOKEN, Edge, edge_at, site_file
from tests.models_parts import car_photo

STRICT = (
    "[thresholds.plate]\nagree = 900.0\ndisagree = 3.0\nsure = 0.95\nclear = -4.0\n"
    'readable = 0.5\nchosen_on = ""\n'
)
PHOTO = car_photo("浙A12345")


async def photographed(edge: Edge, shot: str = "0111") -> str:
    """A vehicle on a lane whose plate was photographed; the inspection."""
    inspection = await edge.order()
    await edge.arrive(inspection)
    digest = hashlib.sha256(PHOTO).hexdigest()
    await edge.client.put(f"/api/v1/photos/{digest}", content=PHOTO)
    act = {"kind": "photographed", "shot": shot, "photo": digest}
    assert (await edge.act(inspection, shot, act)).status_code == 201
    edge.client.headers["Authorization"] = f"Bearer {TOKEN}"
    return inspection


@contextlib.asynccontextmanager
async def working(edge: Edge) -> AsyncIterator[Shadowing]:
    """The review process at its work."""
    shadow = Shadowing(edge.desk.site.shadow, 1, review)
    worker = asyncio.create_task(_work(edge.client, Reviewer(1), shadow))
    try:
        yield shadow
    finally:
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker


def bodies(edge: Edge, inspection: str) -> list[Any]:
    return [record.body for record in edge.desk.journal.of_inspection(inspection)]


async def until_shadowed(edge: Edge, inspection: str) -> list[Shadowed]:
    async with asyncio.timeout(60):
        with edge.desk.bell() as bell:
            while not (found := [b for b in bodies(edge, inspection) if isinstance(b, Shadowed)]):
                await bell.wait()
                bell.clear()
    return found


def test_a_candidate_that_differs_is_recorded_and_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "strict.toml").write_text(STRICT, "utf-8")
    more = '\n[shadow]\ncandidate = "strict.toml"\nshare_percent = 100\n'

    async def use() -> str:
        async with edge_at(tmp_path, more) as edge:
            inspection = await photographed(edge)
            async with working(edge):
                (found,) = await until_shadowed(edge, inspection)
            assert (found.candidate, found.question, found.shot) == ("strict", "plate", "0111")
            assert (found.opinion, found.current_opinion, found.compared) == ("unsure", "agree", 1)
            assert found.text == found.current_text == "浙A12345" and found.score == found.current_score
            reviews = [b for b in bodies(edge, inspection) if isinstance(b, Reviewed)]
            assert [r.opinion for r in reviews if r.question == "plate"] == ["agree"]
            page = await edge.detail(inspection)
            assert page["asks"] == [], "nobody is asked about what a candidate doubts"
            records = list(edge.desk.journal.of_inspection(inspection))
            with_it, without = (
                fold([r for r in records if keep or not isinstance(r.body, Shadowed)])
                for keep in (True, False)
            )
            assert with_it is not None and without is not None
            assert (with_it.reviews, with_it.phase, with_it.asks()) == (
                without.reviews,
                without.phase,
                without.asks(),
            )
            return inspection

    inspection = asyncio.run(use())
    done = CliRunner().invoke(app, ["review", "shadow", str(tmp_path / "journal.sqlite"), "--json"])
    (told,) = json.loads(done.stdout)["candidates"]
    assert (told["candidate"], told["compared"], told["differ"], told["left_out"]) == ("strict", 1, 1, 0)
    assert told["questions"]["plate"]["opinions"] == {"agree -> unsure": 1}
    assert told["questions"]["plate"]["photos"][0]["inspection"] == inspection
    words = CliRunner().invoke(app, ["review", "shadow", str(tmp_path)]).stdout
    assert "decides nothing" in words and "一致 → 存疑 · agree → unsure: 1" in words


def test_agreement_is_told_by_the_hundredth_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadowing, "EVERY", 2)
    (tmp_path / "same.toml").write_text("", "utf-8")
    more = '\n[shadow]\ncandidate = "same.toml"\nshare_percent = 100\n'

    async def use() -> None:
        async with edge_at(tmp_path, more) as edge:
            inspection = await photographed(edge)
            async with working(edge):
                (found,) = await until_shadowed(edge, inspection)
            assert (found.question, found.compared, found.opinion) == ("quality", 2, found.current_opinion)
            (told,) = tally([(1, inspection, found)])
            assert (told["compared"], told["differ"], told["questions"]) == (2, 0, {})

    asyncio.run(use())


def other_weight(name: str, path: str, sha256: str) -> str:
    """A candidate whose weight ``name`` is another file."""
    fields = dict.fromkeys(Weight.__struct_fields__, "") | {"path": path, "sha256": sha256}
    return f"[weights.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())


def test_a_candidate_that_cannot_be_had_or_fails_stops_no_review(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lost.toml").write_text(other_weight("reader-v4", "none.onnx", ""), "utf-8")
    reader = catalog().weights["reader-v4"]  # as a detector of plates it cannot even take a photo
    mistaken = other_weight("plate-corners", str(locate("reader-v4", reader)), reader.sha256)
    (tmp_path / "mistaken.toml").write_text(mistaken, "utf-8")

    async def use(candidate: str, folder: Path) -> None:
        more = f'\n[shadow]\ncandidate = "{candidate}"\nshare_percent = 100\n'
        async with edge_at(folder, more) as edge:
            await photographed(edge)
            async with working(edge) as shadow, asyncio.timeout(60):
                with edge.desk.bell() as bell:
                    while edge.desk.unreviewed():
                        await bell.wait()
                        bell.clear()
                for _ in range(600):
                    if shadow._candidate is None:
                        break
                    await asyncio.sleep(0.05)

    for name, candidate in (("a", "nobody"), ("b", "../lost.toml"), ("c", "../mistaken.toml")):
        (tmp_path / name).mkdir()
        asyncio.run(use(candidate, tmp_path / name))
        assert "the candidate is not tried" in capsys.readouterr().out


def due(n: int) -> dict[str, Any]:
    photo = hashlib.sha256(str(n).encode()).hexdigest()
    return {"photo": photo, "photo_seq": n, "question": "plate"}


def answered(n: int) -> Reviewed:
    return Reviewed(
        photo_seq=n, photo=due(n)["photo"], shot="0111", question="plate", opinion="agree", model="m"
    )


def test_its_share_is_by_photo_and_its_queue_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "same.toml").write_text("", "utf-8")

    def noted(percent: int, queue: int) -> Shadowing:
        shadow = Shadowing(
            Shadow(candidate=str(tmp_path / "same.toml"), share_percent=percent, queue=queue), 1, review
        )
        for n in range(1000):
            shadow.note(due(n), answered(n))
        return shadow

    some = noted(10, 1000)
    assert 70 <= len(some._waiting) <= 130
    assert {each[0]["photo_seq"] for each in some._waiting} < {
        each[0]["photo_seq"] for each in noted(30, 1000)._waiting
    }, "a larger share is the smaller one and more"
    full = noted(100, 16)
    assert (len(full._waiting), full._left_out) == (16, 984)
    assert not Shadowing(None, 1, review).waiting


def test_the_table_of_the_site_file(tmp_path: Path) -> None:
    path = site_file(tmp_path)
    text = path.read_text("utf-8")
    path.write_text(text + '\n[shadow]\ncandidate = "models/next.toml"\n', "utf-8")
    shadow = load(path).shadow
    assert shadow is not None
    assert (shadow.candidate, shadow.named) == (str((tmp_path / "models/next.toml").resolve()), "next")
    assert (shadow.share_percent, shadow.queue) == (10, 16)
    path.write_text(text + '\n[shadow]\ncandidate = "by-name"\nshare_percent = 101\n', "utf-8")
    with pytest.raises(SettingsError, match="share_percent"):
        load(path)
    path.write_text(text, "utf-8")
    assert load(path).shadow is None


def test_only_the_review_process_posts_comparisons(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await photographed(edge)
            seen = Shadowed(
                photo_seq=1,
                photo="a" * 64,
                shot="0111",
                question="plate",
                candidate="c",
                model="m",
                opinion="unsure",
                current_opinion="agree",
            )
            body = msgspec.json.encode({"inspection": inspection, "shadow": seen})
            posted = [await edge.client.post("/api/v1/reviews/shadow", content=body) for _ in range(2)]
            assert [each.status_code for each in posted] == [201, 200]
            other = msgspec.json.encode({"inspection": "nobody", "shadow": seen})
            assert (await edge.client.post("/api/v1/reviews/shadow", content=other)).status_code == 404
            del edge.client.headers["Authorization"]
            assert (await edge.client.post("/api/v1/reviews/shadow", content=body)).status_code == 401

    asyncio.run(use())


def test_a_journal_without_comparisons_says_so_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            await edge.order()

    asyncio.run(use())
    done = CliRunner().invoke(app, ["review", "shadow", str(tmp_path)])
    assert done.exit_code == 0 and "no candidate was compared" in done.stdout
    done = CliRunner().invoke(app, ["review", "shadow", str(tmp_path / "none")])
    assert done.exit_code == 2 and "none" in done.stderr

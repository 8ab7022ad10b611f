"""The feed of changes: each once and in order, whoever writes, restarts or restores meanwhile."""

import json
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa
import stamina
import zstandard
from typer.testing import CliRunner

from central_sync.pulling import Into, Passing, Puller, PullError
from central_sync.registry import feed, tables
from central_sync.registry.accept import Policy, accept
from central_sync.registry.api import build_app
from central_sync.registry.engines import open_engine, writing
from central_sync.registry.problems import Rejected
from edge.__main__ import app as chayan
from tests.central_parts import Lane, Serving, dsn, engine, enrolled, settings_for
from tests.held_parts import cut

__all__ = ["dsn", "engine"]  # fixtures
TAKES = Policy(allow_simulated=True)
WRITERS, BATCHES = 8, 12


def written(dsn: str, lane: Lane) -> None:
    """A writer: its own replica, whole inspections in batches of all sizes, some of them twice."""
    mine = open_engine(dsn)
    first = 1
    for number in range(BATCHES):
        lane.inspect(f"{lane.node[-3:]}{number}")
        last = len(lane.rows) - number % 5
        for _ in range(1 + number % 2):
            accept(mine, lane.batch(first, last), TAKES)
        first = last + 1
    accept(mine, lane.batch(first), TAKES)
    mine.dispose()


def test_nothing_is_lost_or_doubled_under_eight_writers_and_restarts(dsn: str, tmp_path: Path) -> None:
    lanes = [Lane(site=f"site-{number % 3}") for number in range(WRITERS)]
    threads = [threading.Thread(target=written, args=(dsn, lane)) for lane in lanes]
    got: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
    cursor, over = "", False
    with Serving(build_app(settings_for(dsn, tmp_path, *lanes))):
        for thread in threads:
            thread.start()
    for _ in range(100):  # each time a registry that has just started
        registry = Serving(build_app(settings_for(dsn, tmp_path, *lanes)))
        with registry as served, httpx.Client(base_url=served.url) as client:
            over = not any(thread.is_alive() for thread in threads)
            for page in Puller(client, "records").pages(cursor, limit=3):
                cursor = page.cursor
                for line in page.decoded():
                    got[line["node"]].append((line["seq"], line["record"].encode()))
        if over:
            break
        time.sleep(0.1)
    assert over
    assert {lane.node: [(row.seq, row.data) for row in lane.rows] for lane in lanes} == got


def newest(engine: sa.Engine) -> feed.Cursor:
    """The cursor after all there is."""
    page = feed.read(engine, "", 100)
    assert not page.more
    return page.cursor


def test_positions_are_dense_and_chained(engine: sa.Engine) -> None:
    lanes = [enrolled(engine, Lane(site=f"site-{number}")) for number in range(3)]
    for lane in lanes:
        lane.inspect("a")
        for first in range(1, 12):
            accept(engine, lane.batch(first, first), TAKES)
    feed.publish(engine)
    with engine.connect() as connection:
        rows = connection.execute(sa.select(tables.feed).order_by(tables.feed.c.position)).all()
    assert [row.position for row in rows] == list(range(1, 34))
    assert len({row.chain for row in rows}) == 33
    cursors = []
    cursor = ""
    for _ in range(4):
        page = feed.read(engine, cursor, 10)
        cursors.append([(run.node, run.last_seq) for run in page.runs])
        assert page.more is (len(page.runs) == 10)
        cursor = str(page.cursor)
    assert [len(each) for each in cursors] == [10, 10, 10, 3]
    assert [*chain(*cursors)] == [(row.node, row.last_seq) for row in rows]
    assert str(newest(engine)) == cursor and feed.read(engine, cursor, 10).runs == []


def test_one_transaction_takes_so_many_and_the_rest_follows(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "AT_ONCE", 4)
    monkeypatch.setattr(feed, "SCANNED", 5)
    lanes = [enrolled(engine, Lane()) for _ in range(2)]
    for lane in lanes:
        lane.inspect("a")
        for first in range(1, 12):
            accept(engine, lane.batch(first, first), TAKES)
    page, found = feed.read(engine, "", 100, node=lanes[1].node), []
    found += page.runs
    while page.more:
        page = feed.read(engine, str(page.cursor), 100, node=lanes[1].node)
        found += page.runs
    assert [(run.node, run.last_seq) for run in found] == [(lanes[1].node, seq) for seq in range(1, 12)]


def test_since_a_time(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a")
    accept(engine, lane.batch(1, 5), TAKES)
    assert [run.last_seq for run in feed.read(engine, "", 10).runs] == [5]
    between = datetime.now(UTC)
    accept(engine, lane.batch(6), TAKES)
    feed.publish(engine)
    assert [run.last_seq for run in feed.read(engine, str(feed.since(engine, between)), 10).runs] == [11]
    early = feed.since(engine, between - timedelta(days=1))
    assert [run.last_seq for run in feed.read(engine, str(early), 10).runs] == [5, 11]


@pytest.mark.parametrize("cursor", ["x", "W10", "WzEsICJ4Il0", "é", "W251bGwsICIwMCJd"])
def test_what_is_no_cursor_is_named(engine: sa.Engine, cursor: str) -> None:
    with pytest.raises(Rejected, match="last line of an answer"):
        feed.read(engine, cursor, 10)


def test_a_restored_registry_knows_a_cursor_that_is_none_of_its_own(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a")
    for first in (1, 4, 8):
        accept(engine, lane.batch(first, min(first + 3, 11)), TAKES)
    kept, ahead = feed.read(engine, "", 1), str(newest(engine))
    with writing(engine) as connection:  # as a copy from before the second batch
        cut(connection, lane.node, 4, lane.key)
        connection.execute(sa.delete(tables.feed).where(tables.feed.c.position > 1))
        first = connection.execute(sa.select(tables.feed)).one()
        connection.execute(sa.update(tables.feed_head).values(position=1, chain=first.chain))
        connection.execute(sa.update(tables.published).values(through_seq=4))
        connection.execute(sa.update(tables.nodes).values(through_seq=4, head=lane.rows[3].head))
    for beyond in (ahead, str(feed.Cursor(position=2**40, mark="0" * 16))):
        with pytest.raises(Rejected) as caught:
            feed.read(engine, beyond, 10)
        assert (caught.value.status, caught.value.code) == (410, "other-feed")
    accept(engine, lane.batch(5), TAKES)
    with pytest.raises(Rejected, match="restored"):
        feed.read(engine, ahead, 10)
    assert [run.last_seq for run in feed.read(engine, str(kept.cursor), 10).runs] == [11]


class Desk:
    """A registry over HTTP with two lanes, of which one has a refused record."""

    def __init__(self, url: str, dsn: str, lanes: list[Lane]) -> None:
        self.client, self.dsn, self.lanes = httpx.Client(base_url=url), dsn, lanes

    def ask(self, **query: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        answer = self.client.get("/v1/changes", params=query, timeout=90)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        *lines, end = map(json.loads, answer.text.splitlines())
        assert end["lines"] == len(lines)
        return lines, end


@pytest.fixture
def desk(dsn: str, tmp_path: Path) -> Any:
    lanes = [Lane(site="site-1"), Lane(site="site-2")]
    with Serving(build_app(settings_for(dsn, tmp_path, *lanes))) as served:
        made = Desk(served.url, dsn, lanes)
        mine = open_engine(dsn)
        for number, lane in enumerate(lanes):
            lane.inspect(f"a{number}")
            lane.write_bytes(b"{}")
            lane.inspect(f"b{number}", verdict="fail")
            accept(mine, lane.batch(1, 15), TAKES)
            accept(mine, lane.batch(16), TAKES)
        mine.dispose()
        yield made
        made.client.close()


def test_inspections_as_they_stand_with_what_was_brought(desk: Desk) -> None:
    lines, end = desk.ask()
    assert [(line["inspection"], line["through"]) for line in lines] == [
        ("a0", 15), ("b0", 15), ("b0", 23), ("a1", 15), ("b1", 15), ("b1", 23),
    ]  # fmt: skip
    assert lines[2]["kinds"][-2:] == ["judged", "moved"] and lines[1]["kinds"] == [
        "ordered",
        "arrived",
        "moved",
    ]
    assert {line["verdict"] for line in lines if line["inspection"][0] == "b"} == {"fail"}
    assert not end["more"] and desk.ask(cursor=end["cursor"]) == ([], end | {"lines": 0})
    judged, _ = desk.ask(kind="judged", site="site-2")
    assert [(line["inspection"], line["kinds"]) for line in judged] == [
        ("a1", ["judged"]),
        ("b1", ["judged"]),
    ]
    first, end = desk.ask(limit=1)
    assert [line["inspection"] for line in first] == ["a0", "b0"] and end["more"]


def test_records_byte_for_byte_and_what_stands_for_those_not_held(desk: Desk) -> None:
    lane = desk.lanes[0]
    lines, _ = desk.ask(of="records", node=lane.node)
    assert [line["seq"] for line in lines] == list(range(1, 24))
    assert [line["head"] for line in lines] == [row.head.hex() for row in lane.rows]
    assert [line.get("record") for line in lines] == [
        None if row.seq == 12 else row.data.decode() for row in lane.rows
    ]
    assert "no record" in lines[11]["instead"]["why"]
    kinds, _ = desk.ask(of="records", kind=["judged", "signed"])
    assert [json.loads(line["record"])["body"]["kind"] for line in kinds] == ["signed", "judged"] * 4


def test_what_is_damaged_is_said_and_the_rest_goes_on(desk: Desk) -> None:
    engine = open_engine(desk.dsn)
    with writing(engine) as connection:
        runs = tables.runs
        mine = (runs.c.node == desk.lanes[0].node, runs.c.last_seq == 15)
        connection.execute(sa.update(runs).where(*mine).values(data=b"no frame"))
    engine.dispose()
    lines, end = desk.ask()
    assert "damaged" in lines[0] and lines[0]["through"] == 15 and len(lines) == 5 and not end["more"]


def test_zstd_is_one_frame(desk: Desk) -> None:
    plain = desk.client.get("/v1/changes", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with desk.client.stream("GET", "/v1/changes", headers={"Accept-Encoding": "zstd"}) as answer:
        assert answer.headers["content-encoding"] == "zstd"
        raw = b"".join(answer.iter_raw())
    assert zstandard.ZstdDecompressor().decompressobj().decompress(raw) == plain.content


def test_a_question_waits_for_news(desk: Desk) -> None:
    cursor = desk.ask(limit=100)[1]["cursor"]
    began = time.monotonic()
    assert desk.ask(cursor=cursor, wait=1)[0] == [] and time.monotonic() - began >= 1
    lane = desk.lanes[1]
    last = len(lane.rows)
    lane.inspect("late")
    mine = open_engine(desk.dsn)
    later = threading.Timer(0.7, accept, (mine, lane.batch(last + 1), TAKES))
    later.start()
    lines, _ = desk.ask(cursor=cursor, wait=60)
    later.join()
    mine.dispose()
    assert [line["inspection"] for line in lines] == ["late"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"cursor": "x"}, 422), ({"limit": 0}, 422), ({"limit": 101}, 422), ({"wait": 61}, 422),
        ({"of": "photos"}, 422), ({"since": "2026-11-22T08:00:00"}, 422), ({"since": "yesterday"}, 422),
        ({"since": "2026-11-22T08:00:00Z", "cursor": "x"}, 422), ({"cursor": "x" * 201}, 422),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_answered_is_turned_down(
    desk: Desk, query: dict[str, Any], status: int
) -> None:
    answer = desk.client.get("/v1/changes", params=query)
    assert answer.status_code == status and answer.json()["title_zh"]


# ---- into a file ---------------------------------------------------------------------------------


def pulled(desk: Desk, path: Path, *options: str) -> Any:
    return CliRunner().invoke(chayan, ["pull", str(desk.client.base_url), "--into", str(path), *options])


def held_in(path: Path) -> list[str]:
    return [json.loads(line)["inspection"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_file_holds_each_change_once_however_pulling_ends(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "changes.ndjson"
    done = pulled(desk, path)
    assert done.exit_code == 0 and "6 changes written" in done.output
    with path.open("ab") as file:  # killed between the page and its mark
        file.write(b'{"inspection":"half')
    assert "0 changes written" in pulled(desk, path).output
    assert held_in(path) == ["a0", "b0", "b0", "a1", "b1", "b1"]
    lane = desk.lanes[0]
    lane.inspect("c0")
    engine = open_engine(desk.dsn)
    accept(engine, lane.batch(24), TAKES)
    engine.dispose()
    assert "1 changes written" in pulled(desk, path).output and held_in(path)[-1] == "c0"


def test_a_file_of_another_question_or_without_its_mark_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "changes.ndjson"
    assert pulled(desk, path, "--kind", "judged").exit_code == 0
    for options, says in (((), "holds the changes of"), (("--kind", "signed"), "not of")):
        other = pulled(desk, path, *options)
        assert other.exit_code == 1 and says in other.output
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert "lost its end" in pulled(desk, path, "--kind", "judged").output
    path.write_bytes(whole)
    mark = path.with_name("changes.ndjson.cursor")
    mark.write_bytes(b"x")
    assert "cannot be read" in pulled(desk, path, "--kind", "judged").output
    mark.unlink()
    assert "name a new file" in pulled(desk, path, "--kind", "judged").output
    assert path.read_bytes() == whole


def test_wrong_addresses_are_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamina.set_testing(True, attempts=1)
    run = CliRunner()
    try:
        for url, says in (
            ("registry", "name an address"), ("http://127.0.0.1:1", "refused"), ("http://[::1", "Invalid"),
        ):  # fmt: skip
            done = run.invoke(chayan, ["pull", url, "--into", str(tmp_path / "f")])
            assert done.exit_code == 1 and says in done.output and "Traceback" not in done.output, done.output
    finally:
        stamina.set_testing(False)
    authority = ["--ca-file", str(tmp_path / "none.pem")]
    done = run.invoke(chayan, ["pull", "https://127.0.0.1:1", "--into", str(tmp_path / "f"), *authority])
    assert done.exit_code == 1 and "--ca-file" in done.output


def answering(*contents: bytes | int) -> httpx.Client:
    """A client whose registry answers with these, one after the other."""
    left = iter(contents)

    def answer(_: httpx.Request) -> httpx.Response:
        given = next(left)
        return httpx.Response(given) if isinstance(given, int) else httpx.Response(200, content=given)

    return httpx.Client(transport=httpx.MockTransport(answer), base_url="http://registry")


@pytest.mark.parametrize(
    "content",
    [b"", b'{"a":1}\n', b'{"a":1}\n{"lines":2,"cursor":"c","more":false}\n', b"<html>", 503, 502],
)
def test_an_answer_that_is_cut_off_is_asked_for_again(content: bytes | int) -> None:
    with pytest.raises(Passing):
        Puller(answering(content)).page()


def test_what_will_not_pass_is_no_reason_to_ask_again() -> None:
    with pytest.raises(PullError) as caught:
        Puller(answering(404)).page()
    assert not isinstance(caught.value, Passing)


def test_a_cursor_is_durable_only_after_what_it_stands_for(tmp_path: Path) -> None:
    page = Puller(answering(b'{"a":1}\n{"lines":1,"cursor":"c","more":false}\n')).page()
    file = Into(tmp_path / "f", "of=inspections")
    file.add(page)
    file.close()
    assert msgspec.json.decode((tmp_path / "f.cursor").read_bytes())["size"] == 8
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith((".part", ".new"))] == []

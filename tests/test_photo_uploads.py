"""Photos that reach a registry in parts: what is kept of them, what is refused, what decides."""

import contextlib
import os
import re
import resource
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from central_sync import partials, uploads
from central_sync.partials import Misplaced, Upload
from central_sync.photos import Photos
from central_sync.registry import marks, tables
from central_sync.registry.api import build_app
from central_sync.registry.pictures import MAX_BYTES
from central_sync.sweep import PARTIAL_S, sweep_broken
from tests.central_parts import Lane, Serving, digest, dsn, settings_for
from tests.photo_parts import Hand, central, held_photos, large_photo, named, partial_files

__all__ = ["dsn"]  # fixture
PART = 400_000
PICTURE = large_photo(1_000_000)
SHA = digest(PICTURE)


@pytest.fixture
def hand(dsn: str, tmp_path: Path) -> Iterator[Hand]:
    """A served registry that holds a record which names PICTURE."""
    lane = named(Lane(), PICTURE)
    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served, Hand(served.url, lane) as made:
        made.send_records()
        yield made


def fields(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, offset and completeness of an answer."""
    return (
        answer.status_code,
        answer.headers.get(uploads.OFFSET, ""),
        answer.headers.get(uploads.COMPLETE, ""),
    )


def code(answer: httpx.Response) -> str:
    """What kind of problem an answer is."""
    assert answer.headers["content-type"] == "application/problem+json"
    kind: str = answer.json()["type"]
    return re.split("[:#]", kind)[-1]


def test_parts_make_a_photo_that_is_visible_only_as_a_whole(hand: Hand, tmp_path: Path) -> None:
    assert fields(hand.head(SHA)) == (204, "0", "?0")
    assert hand.head(SHA).headers[uploads.LIMIT] == f"max-size={MAX_BYTES}"
    assert fields(hand.patch(SHA, 0, PICTURE[:PART])) == (204, "400000", "?0")
    assert fields(hand.patch(SHA, PART, PICTURE[PART : 2 * PART])) == (204, "800000", "?0")
    assert fields(hand.head(SHA)) == (204, "800000", "?0")
    assert hand.client.get(f"/v1/photos/{SHA}").status_code == 404
    assert hand.client.get("/v1/stats").json()["wanted"] == 1
    assert list(Photos(tmp_path / "photos").files()) == []
    last = hand.patch(SHA, 2 * PART, PICTURE[2 * PART :], complete=True)
    assert fields(last) == (201, "1000000", "?1") and last.json() == {"sha256": SHA, "size": 1_000_000}
    assert hand.client.get(f"/v1/photos/{SHA}").content == PICTURE
    assert hand.client.get("/v1/stats").json()["wanted"] == 0
    assert partial_files(tmp_path / "photos") == []
    assert fields(hand.head(SHA)) == (204, "1000000", "?1")
    again = hand.patch(SHA, 2 * PART, PICTURE[2 * PART :], complete=True)  # its answer was lost
    assert fields(again) == (200, "1000000", "?1") and partial_files(tmp_path / "photos") == []


def test_a_wrong_offset_is_answered_with_the_right_one(hand: Hand) -> None:
    assert hand.patch(SHA, 0, PICTURE[:PART]).status_code == 204
    for wrong in (0, 1, PART - 1, PART + 1, 10**14):
        answer = hand.patch(SHA, wrong, PICTURE[:PART])
        assert fields(answer) == (409, str(PART), "?0"), wrong
        problem = answer.json()
        assert problem["type"] == uploads.MISMATCH and problem["title_zh"]
        assert (problem["expected-offset"], problem["provided-offset"]) == (PART, wrong)
    assert hand.patch(SHA, PART, PICTURE[PART:], complete=True).status_code == 201


def test_a_part_beyond_the_size_is_refused_and_the_upload_goes_on(hand: Hand) -> None:
    size = {"Upload_Length": str(len(PICTURE))}
    assert hand.patch(SHA, 0, PICTURE[:PART], **size).status_code == 204
    beyond = hand.patch(SHA, PART, PICTURE[PART:] + b"more", complete=True, **size)
    assert (beyond.status_code, beyond.json()["type"]) == (400, uploads.INCONSISTENT)
    assert hand.offset(SHA) <= len(PICTURE)
    short = hand.patch(SHA, hand.offset(SHA), b"", complete=True, Upload_Length=str(len(PICTURE) + 1))
    assert (short.status_code, short.json()["type"]) == (400, uploads.INCONSISTENT)
    left = PICTURE[hand.offset(SHA) :]
    assert hand.patch(SHA, hand.offset(SHA), left, complete=True, **size).status_code == 201


def test_no_upload_grows_beyond_what_a_photo_may_have(hand: Hand, tmp_path: Path) -> None:
    assert hand.patch(SHA, 0, PICTURE[:PART]).status_code == 204
    answer = hand.patch(SHA, PART, bytes(MAX_BYTES), complete=True)
    assert (answer.status_code, code(answer)) == (413, "too-large")
    [kept] = partial_files(tmp_path / "photos")
    assert kept.stat().st_size <= MAX_BYTES
    assert list(Photos(tmp_path / "photos").files()) == []


def test_who_says_too_early_that_it_is_whole_begins_again(hand: Hand, tmp_path: Path) -> None:
    early = hand.patch(SHA, 0, PICTURE[:PART], complete=True)
    assert (*fields(early), code(early)) == (422, "", "?1", "wrong-photo")
    assert partial_files(tmp_path / "photos") == [] and hand.offset(SHA) == 0
    assert hand.client.get(f"/v1/photos/{SHA}").status_code == 404
    assert fields(hand.patch(SHA, 0, PICTURE)) == (204, "1000000", "?0"), "all there, and not said so"
    assert hand.client.get(f"/v1/photos/{SHA}").status_code == 404
    assert fields(hand.patch(SHA, len(PICTURE), b"", complete=True)) == (201, "1000000", "?1")


def test_bytes_that_somebody_else_put_are_never_trusted(hand: Hand, tmp_path: Path) -> None:
    assert hand.patch(SHA, 0, b"\xff\xd8\xff" + bytes(PART)).status_code == 204
    offset = hand.offset(SHA)
    mixed = hand.patch(SHA, offset, PICTURE[offset:], complete=True)
    assert (mixed.status_code, code(mixed)) == (422, "wrong-photo")
    assert list(Photos(tmp_path / "photos").files()) == partial_files(tmp_path / "photos") == []
    assert hand.patch(SHA, 0, PICTURE, complete=True).status_code == 201


def test_only_the_enrolled_node_may_add_to_a_photo_that_its_records_name(hand: Hand, tmp_path: Path) -> None:
    other, lane = digest(b"x"), hand.lane
    assert code(hand.patch(other, 0, b"x")) == "photo-not-wanted" and hand.head(other).status_code == 409
    hand.lane = Lane()
    assert code(hand.patch(SHA, 0, b"x")) == "unknown-node" and hand.head(SHA).status_code == 403
    hand.lane.node = lane.node
    assert code(hand.patch(SHA, 0, b"x")) == "bad-signature" and hand.head(SHA).status_code == 403
    hand.lane = lane
    for changed, status in (
        ({"Content_Type": "image/jpeg"}, 415),
        ({"Upload_Offset": None}, 422), ({"Upload_Offset": "-1"}, 422), ({"Upload_Offset": "1.5"}, 422),
        ({"Upload_Offset": "9" * 16}, 422), ({"Upload_Complete": "true"}, 422),
        ({"Upload_Complete": None}, 422),
    ):  # fmt: skip
        assert hand.patch(SHA, 0, b"x", **changed).status_code == status, changed
    for odd in ("x", "A" * 64, "..%2f..%2fetc%2fpasswd"):
        answers = (
            hand.client.head(f"/v1/photos/{odd}/upload"),
            hand.client.patch(f"/v1/photos/{odd}/upload"),
        )
        assert {answer.status_code for answer in answers} == {404}, odd
    assert partial_files(tmp_path / "photos") == []


def broken_off(url: str, head: str, body: bytes) -> None:
    """A request of which only so much arrives."""
    with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), 20) as line:
        line.sendall(head.encode() + b"\r\n" + body)


def request_head(hand: Hand, line: str, *more: str) -> str:
    signed = [f"{name}: {value}" for name, value in hand.signed(SHA).items()]
    return "".join(f"{each}\r\n" for each in (f"{line} HTTP/1.1", "Host: x", *signed, *more))


@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_what_came_before_the_line_broke_is_kept(hand: Hand, tmp_path: Path, verb: str) -> None:
    length = f"Content-Length: {len(PICTURE)}"
    if verb == "PUT":
        head = request_head(hand, f"PUT /v1/photos/{SHA}", length, "Upload-Complete: ?1")
    else:
        more = ("Upload-Offset: 0", "Upload-Complete: ?1", f"Content-Type: {uploads.MEDIA}")
        head = request_head(hand, f"PATCH /v1/photos/{SHA}/upload", length, *more)
    broken_off(str(hand.client.base_url), head, PICTURE[:PART])
    came = waited(lambda: hand.offset(SHA))
    assert 0 < came <= PART and list(Photos(tmp_path / "photos").files()) == []
    assert hand.patch(SHA, came, PICTURE[came:], complete=True).status_code == 201


def test_a_shorter_beginning_never_takes_the_place_of_a_longer_one(hand: Hand) -> None:
    assert hand.patch(SHA, 0, PICTURE[: 2 * PART]).status_code == 204
    head = request_head(hand, f"PUT /v1/photos/{SHA}", "Content-Length: 1000000", "Upload-Complete: ?1")
    broken_off(str(hand.client.base_url), head, PICTURE[:PART])
    assert hand.put(PICTURE[:10]).status_code == 409, "answered after the one that broke off"
    assert hand.offset(SHA) == 2 * PART


def test_nodes_that_know_no_parts_put_photos_whole_and_leave_nothing_when_they_break_off(
    hand: Hand, tmp_path: Path
) -> None:
    head = request_head(hand, f"PUT /v1/photos/{SHA}", f"Content-Length: {len(PICTURE)}")
    broken_off(str(hand.client.base_url), head, PICTURE[:PART])
    assert hand.put(PICTURE).status_code == 201
    assert hand.put(PICTURE).status_code == 200
    assert not (tmp_path / "photos" / partials.FOLDER).exists()


def test_a_whole_photo_ends_an_upload_that_had_begun(hand: Hand) -> None:
    assert hand.patch(SHA, 0, PICTURE[:PART]).status_code == 204
    assert hand.put(PICTURE).status_code == 201
    assert fields(hand.head(SHA)) == (204, "1000000", "?1")
    assert fields(hand.patch(SHA, PART, PICTURE[PART:], complete=True)) == (200, "1000000", "?1")


def waited(value: Any) -> Any:
    """The first value that is not zero."""
    for _ in range(600):
        if found := value():
            return found
        threading.Event().wait(0.05)
    raise AssertionError("nothing came")


def test_two_at_once_make_one_photo(hand: Hand, tmp_path: Path) -> None:
    """Both begin at 0 and go on from where the registry says; each byte is the same for both."""

    def send(step: int) -> int:
        offset = 0
        with Hand(str(hand.client.base_url), hand.lane) as mine:
            while True:
                part = PICTURE[offset : offset + step]
                answer = mine.patch(SHA, offset, part, complete=offset + len(part) == len(PICTURE))
                if answer.headers[uploads.COMPLETE] == "?1":
                    return answer.status_code
                assert answer.status_code in (204, 409)
                offset = int(answer.headers[uploads.OFFSET])

    with ThreadPoolExecutor(2) as both:
        assert set(both.map(send, (30_000, 70_000))) <= {200, 201}
    assert hand.client.get(f"/v1/photos/{SHA}").content == PICTURE
    assert partial_files(tmp_path / "photos") == []


# ---- the files ---------------------------------------------------------------------------------------


def test_uploads_of_a_sender_are_bounded_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "FILES", 3)
    monkeypatch.setattr(partials, "BYTES", 100)
    store = Photos(tmp_path)
    mine = [Upload(store, "node-1", digest(bytes([n]))) for n in range(5)]
    other = Upload(store, "node-2", digest(b"\0"))
    other.append(0, bytes(90))
    for age, upload in enumerate(mine[:4]):
        upload.append(0, bytes(20))
        os.utime(upload._path, (age, age))
    assert [upload.offset() for upload in mine[:4]] == [0, 20, 20, 20], "three files"
    mine[3].append(20, bytes(40))
    assert [upload.offset() for upload in mine[:4]] == [0, 20, 20, 60], "100 bytes"
    mine[4].append(0, bytes(41))
    assert [upload.offset() for upload in mine] == [0, 0, 0, 0, 41]
    assert other.offset() == 90
    with pytest.raises(Misplaced):
        mine[1].append(20, b"x")
    assert mine[1].offset() == 0


def test_uploads_that_nobody_goes_on_with_are_swept(tmp_path: Path) -> None:
    store = Photos(tmp_path)
    stale, fresh = Upload(store, "node-1", SHA), Upload(store, "node-2", SHA)
    for upload in (stale, fresh):
        upload.append(0, b"begun")
    now_s = fresh._path.stat().st_mtime
    os.utime(stale._path, (0, now_s - PARTIAL_S - 1))
    assert sweep_broken(store, now_s) == 1
    assert (stale.offset(), fresh.offset()) == (0, 5)


@pytest.mark.slow
def test_a_registry_sweeps_what_was_left_before_it_began(tmp_path: Path) -> None:
    store = Photos(tmp_path / "photos")
    stale, fresh = (Upload(store, f"node-{n}", SHA) for n in (1, 2))
    for upload in (stale, fresh):
        upload.append(0, b"begun")
    os.utime(stale._path, (0, 0))
    with central(tmp_path, Lane()):
        waited(lambda: not stale.offset())
        assert fresh.offset() == 5


# ---- what is killed, and what is full ------------------------------------------------------------------


@pytest.mark.slow
def test_kill_9_of_the_registry_loses_nothing_of_an_upload(tmp_path: Path) -> None:
    lane = named(Lane(), PICTURE)
    with central(tmp_path, lane) as registry, Hand(registry.url, lane) as hand:
        hand.send_records()
        for at in range(0, 3 * 200_000, 200_000):
            assert hand.patch(SHA, at, PICTURE[at : at + 200_000]).status_code == 204
            registry.kill()
            registry.start()
            assert hand.offset(SHA) == at + 200_000
        assert hand.patch(SHA, 600_000, PICTURE[600_000:], complete=True).status_code == 201
        registry.kill()
        registry.start()
        assert fields(hand.head(SHA)) == (204, "1000000", "?1")
        assert hand.client.get(f"/v1/photos/{SHA}").content == PICTURE


@pytest.mark.slow
def test_a_disk_that_fills_in_the_middle_takes_the_rest_when_there_is_room(tmp_path: Path) -> None:
    """A limit of the file's size stands for the full disk: the kernel takes a part of a write, then none."""
    lane = named(Lane(), PICTURE)
    with central(tmp_path, lane) as registry, Hand(registry.url, lane) as hand:
        hand.send_records()
        assert hand.patch(SHA, 0, PICTURE[:PART]).status_code == 204
        _, most = resource.prlimit(registry.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(registry.pid, resource.RLIMIT_FSIZE, (500_000, most))
        for _ in range(2):
            offset = hand.offset(SHA)
            answer = hand.patch(SHA, offset, PICTURE[offset:], complete=True)
            assert (answer.status_code, code(answer)) == (503, "unavailable")
            assert hand.offset(SHA) == 500_000
        assert hand.put(PICTURE).status_code == 503
        assert list(Photos(registry.photos).files()) == [] and held_photos(registry.dsn) == 0
        resource.prlimit(registry.pid, resource.RLIMIT_FSIZE, (most, most))
        assert hand.patch(SHA, 500_000, PICTURE[500_000:], complete=True).status_code == 201


# ---- when a photo is acknowledged ------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [False, True], ids=["whole", "parts"])
def test_the_answer_comes_after_file_folder_and_mark(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: bool
) -> None:
    """Every step of many photos at once is written down; each photo's own must have this order."""
    pictures = [large_photo(50_000, seed) for seed in range(12)]
    lane, steps, lock = named(Lane(), *pictures), list[tuple[str, str]](), threading.Lock()
    fsync, replace = os.fsync, os.replace

    def noted(step: str, name: str) -> None:
        with lock:
            steps.append((step, name))

    def synced(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        fsync(descriptor)
        noted("folder", path.name) if path.is_dir() else noted("file", path.name[:64])

    def renamed(source: Any, target: Any) -> None:
        replace(source, target)
        noted("rename", Path(target).name[:64])

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served, Hand(served.url, lane) as hand:
        hand.send_records()

        def send(picture: bytes) -> None:
            sha256 = digest(picture)
            if parts:
                hand.patch(sha256, 0, picture[:30_000]).raise_for_status()
                answer = hand.patch(sha256, 30_000, picture[30_000:], complete=True)
            else:
                answer = hand.put(picture)
            noted("answer", sha256)
            assert answer.status_code == 201

        with watched_marks(monkeypatch, dsn, noted), ThreadPoolExecutor(6) as senders:
            list(senders.map(send, pictures))
    for picture in pictures:
        sha256 = digest(picture)
        mine = [steps.index(each) for each in (("file", sha256), ("rename", sha256))]
        folder = next(n for n, each in enumerate(steps) if n > mine[1] and each == ("folder", sha256[:2]))
        mark = steps.index(("mark", sha256))
        assert mine[0] < mine[1] < folder < mark < steps.index(("answer", sha256)), sha256


@contextlib.contextmanager
def watched_marks(
    monkeypatch: pytest.MonkeyPatch, dsn: str, noted: Callable[[str, str], None]
) -> Iterator[None]:
    """Notes each photo that a commit has marked as held, as another connection sees it."""
    dialect, engine = sa.make_url(dsn).get_dialect(), sa.create_engine(dsn)
    commit, seen, lock = dialect.do_commit, set[str](), threading.Lock()
    query = sa.select(tables.photos.c.sha256).where(tables.photos.c.held.is_(True))

    def committed(self: Any, connection: Any) -> None:
        commit(self, connection)
        with lock, engine.connect() as reader:
            for sha256 in set(reader.execute(query).scalars()) - seen:
                seen.add(sha256)
                noted("mark", sha256)

    monkeypatch.setattr(dialect, "do_commit", committed)
    yield
    monkeypatch.setattr(dialect, "do_commit", commit)
    engine.dispose()


def test_many_photos_share_a_commit_and_nobody_hears_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer holds the database until all files are there."""
    pictures = [large_photo(50_000, seed) for seed in range(12)]
    lane, dsn = named(Lane(), *pictures), f"sqlite:///{tmp_path / 'registry.sqlite'}"
    groups: list[int] = []
    commit = marks.mark

    def counted(engine: sa.Engine, made: Sequence[marks.Mark]) -> None:
        groups.append(len(made))
        commit(engine, made)

    monkeypatch.setattr(marks, "mark", counted)
    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served, Hand(served.url, lane) as hand:
        hand.send_records()
        with (
            contextlib.closing(sqlite3.connect(tmp_path / "registry.sqlite", isolation_level=None)) as other,
            ThreadPoolExecutor(len(pictures)) as senders,
        ):
            other.execute("BEGIN IMMEDIATE")
            answers = [senders.submit(hand.put, picture) for picture in pictures]
            store = Photos(tmp_path / "photos")
            waited(lambda: len(list(store.files())) == len(pictures))
            assert not any(answer.done() for answer in answers)
            assert held_photos(dsn) == 0
            other.execute("COMMIT")
            assert {answer.result().status_code for answer in answers} == {201}
        assert sum(groups) == held_photos(dsn) == len(pictures) and len(groups) <= 3, groups


def test_a_commit_that_fails_acknowledges_none_of_its_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [large_photo(50_000, seed) for seed in range(6)]
    lane, dsn = named(Lane(), *pictures), f"sqlite:///{tmp_path / 'registry.sqlite'}"

    def failing(*_: Any) -> None:
        raise sa.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError("disk I/O error"))

    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served, Hand(served.url, lane) as hand:
        hand.send_records()
        with monkeypatch.context() as broken, ThreadPoolExecutor(6) as senders:
            broken.setattr(marks, "mark", failing)
            assert {answer.status_code for answer in senders.map(hand.put, pictures)} == {503}
            assert hand.client.get("/v1/stats").json()["wanted"] == 6
        assert {hand.put(picture).status_code for picture in pictures} == {200}, "the files were there"
        assert held_photos(dsn) == 6

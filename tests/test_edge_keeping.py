"""The node looks after itself: low disk, clocks that jump, what may be removed and when."""

import asyncio
import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from central_sync.clock import Comparison, Offset, StepWatch, offset
from central_sync.journal import Journal, Roll
from central_sync.photos import Photos, QuotaError
from central_sync.sweep import orphans, sweep_broken
from central_sync.volumes import Volume
from edge.desk import Desk
from edge.health import Health
from edge.keeping import Keeping, note_replay, replay_from
from edge.rulebook import read_rulebook
from edge.settings import Disk, JournalPolicy, PhotoPolicy, SettingsError, VideoPolicy, load
from lanes.record import (
    ClockStepped,
    Draft,
    Filmed,
    Refused,
    Retired,
    Sensed,
    Signed,
    StorageChanged,
    photos_of,
)
from tests.edge_parts import Edge, edge_at, site_file, vehicle

JPEG = b"\xff\xd8\xff\xe0"


def bodies(edge: Edge, kind: type) -> list[Any]:
    return [r.body for r in edge.desk.journal.replay() if isinstance(r.body, kind)]


# ---- health --------------------------------------------------------------------------------------


def test_a_low_disk_is_told_recorded_once_and_over_only_when_a_tenth_more_is_free(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            free = [9000]
            health = Health(edge.desk, Disk(warn_mb=4000, refuse_mb=1000), lambda: free[0])
            for left, full, alarm in (
                (9000, False, False), (3900, False, True), (4300, False, True), (4500, False, False),
                (900, True, True), (1050, True, True), (1200, False, True), (9000, False, False),
            ):  # fmt: skip
                free[0] = left
                await health.look()
                assert (edge.desk.full, "disk" in edge.desk.alarms) == (full, alarm), left
            told = [(each.what, each.state) for each in bodies(edge, StorageChanged)]
            assert told == [("disk", "low"), ("disk", "ok")]
            free[0] = 900
            await health.look()
            refused = await edge.client.post(
                "/api/v1/orders",
                json={"key": "k", "vehicle": vehicle(), "business": "periodic", "ordered_by": "c"},
            )
            assert refused.status_code == 503 and "no-room" in refused.json()["type"]

    asyncio.run(use())


def test_a_clock_that_jumps_is_an_alarm_and_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            health = Health(edge.desk, Disk(), lambda: 90_000)
            await health.look()
            real = time.monotonic

            monkeypatch.setattr("edge.health.time.monotonic", lambda: real() - 86_400)
            await health.look()
            (step,) = bodies(edge, ClockStepped)
            assert 86_399_000 < step.step_ms < 86_401_000
            assert "jumped by +8" in edge.desk.alarms["clock-step"].en

    asyncio.run(use())


def test_offsets_and_steps_are_what_the_clocks_say() -> None:
    assert offset(100.0, 100.2, 101.1) == Offset(offset_ms=1000, round_trip_ms=200)
    seen = Comparison()
    assert seen.worth(Offset(offset_ms=0, round_trip_ms=10), 0.0)
    assert not seen.worth(Offset(offset_ms=400, round_trip_ms=10), 10.0)
    assert not seen.worth(Offset(offset_ms=900, round_trip_ms=2000), 20.0), "a slow answer proves nothing"
    assert seen.worth(Offset(offset_ms=900, round_trip_ms=10), 30.0)
    assert seen.worth(Offset(offset_ms=900, round_trip_ms=10), 30.0 + 86_400)
    watch = StepWatch()
    assert watch.look(1000.0, 5.0) is None
    assert watch.look(1010.4, 15.0) is None
    assert watch.look(1010.4 - 3600 + 1, 16.0) == -3600


# ---- photos --------------------------------------------------------------------------------------


def test_a_photo_store_keeps_to_its_quota_and_says_so_before(tmp_path: Path) -> None:
    photos = Photos(tmp_path, quota_bytes=1000)
    first = photos.put(b"a" * 500)
    assert photos.storage().state == "ok"
    photos.put(b"b" * 450)
    assert photos.storage().state == "low"
    with pytest.raises(QuotaError, match="quota_gb"):
        photos.put(b"c" * 100)
    assert photos.put(b"a" * 500) == first, "what is there already needs no room"
    assert Photos(tmp_path, quota_bytes=900).storage().state == "full"
    assert photos.remove([first, "0" * 64]) == 500
    photos.put(b"c" * 100)
    assert photos.storage().state == "ok"


def test_broken_uploads_and_photos_that_nobody_names_are_swept_when_they_are_old(tmp_path: Path) -> None:
    photos = Photos(tmp_path)
    named, lost, young = (photos.put(each) for each in (b"named", b"lost", b"young"))
    part = photos.path(named).with_suffix(".abc.part")
    part.write_bytes(b"x")
    week = time.time() - 8 * 86_400
    for path in (photos.path(named), photos.path(lost), part):
        os.utime(path, (week, week))
    assert orphans(photos, [named]) == {lost}
    assert sweep_broken(photos) == 1 and not part.exists()
    assert photos.has(young)


# ---- retention -----------------------------------------------------------------------------------


FILMS = [b"film %d" % number for number in range(80)]


async def aged(
    tmp_path: Path, policy: JournalPolicy, groups: int = 80, clips: Photos | None = None
) -> tuple[Desk, list[str]]:
    """A node whose journal grew by 75 records and a photo a day since a hundred days ago; its photos.

    With ``clips`` one of a day's records names a clip.
    """
    site = load(site_file(tmp_path))
    site = msgspec.structs.replace(site, journal=policy, photos=PhotoPolicy(keep_days=10))
    clock = [datetime.now(UTC) - timedelta(days=100)]
    journal = Journal(
        tmp_path / "j.sqlite", site.node.name, roll=Roll(records=400), clock=lambda: clock[0],
        source="virtual+agent",
    )  # fmt: skip
    photos = Photos(tmp_path / "photos")
    kept = []
    for group in range(groups):
        kept.append(photos.put(JPEG + str(group).encode()))
        bodies_: list[Any] = [Signed(officer="o", photo=kept[-1]), *[Signed(officer="o")] * 74]
        if clips is not None:
            at = clock[0]
            bodies_[9] = Filmed(device="top", from_at=at, to_at=at, clip=clips.put(FILMS[group]))
        keys = [f"{group}/{n}" for n in range(75)]
        await journal.append(
            *(Draft(source="t", source_key=k, body=b) for k, b in zip(keys, bodies_, strict=True))
        )
        clock[0] += timedelta(days=1)
    return Desk(site, journal, photos, read_rulebook()), kept


def clips_of(folder: Path) -> Photos:
    return Photos(folder / "clips")


async def settle(journal: Journal, *names: str) -> None:
    for name in names:
        await journal.settle(name, journal.head()[0], b"{}")


def test_nothing_goes_before_every_destination_has_settled_it_and_then_photos_before_records(
    tmp_path: Path,
) -> None:
    async def use() -> None:
        desk, kept = await aged(tmp_path, JournalPolicy(keep_days=30))
        journal, photos = desk.journal, desk.photos
        keeping = Keeping(desk, ["centre", "province"], clips_of(tmp_path))
        now = datetime.now(UTC)
        await settle(journal, "centre")
        await keeping.retire(now)
        assert journal.first_seq() == 1 and all(map(photos.has, kept)), "province has settled nothing"
        await settle(journal, "centre#photos", "province", "province#photos")
        await keeping.retire(now)
        gone = [each for each in kept if not photos.has(each)]
        assert gone == kept[: len(gone)] and 0 < len(gone) < len(kept)
        for _ in range(200):
            await asyncio.sleep(0.05)
            await keeping.retire(now)
            if journal.first_seq() > 1:
                break
        oldest = next(iter(journal.replay(journal.first_seq() - 1)))
        assert oldest.seq > 1
        retired = [r.body for r in journal.replay(journal.first_seq() - 1) if isinstance(r.body, Retired)]
        assert {each.what for each in retired} == {"photos", "volume"}
        keeping.sweep()
        assert all(photos.has(each) for each in kept[len(gone) :])
        journal.close()

    asyncio.run(use())


async def refuse(desk: Desk, destination: str, seq: int) -> None:
    """What the courier of the site's own destination writes when a record was not taken."""
    source, body = f"virtual+courier://{destination}", Refused(destination="x", refused_seq=seq, why="x")
    await desk.append(source, f"refused/{seq}", body)


async def retired_to(keeping: Keeping, desk: Desk, seq: int) -> None:
    """Retires until nothing before ``seq`` is left, and then once more; keys are merged meanwhile."""
    for _ in range(400):
        await keeping.retire(datetime.now(UTC))
        if desk.journal.first_seq() >= seq:
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    await keeping.retire(datetime.now(UTC))


def test_what_a_destination_did_not_take_stays_until_a_policy_of_its_own(tmp_path: Path) -> None:
    async def use() -> None:
        desk, kept = await aged(tmp_path, JournalPolicy(keep_days=30))
        journal = desk.journal
        firsts = [volume.first_seq for volume in journal._shelf.volumes]
        digests = {photo: r.seq for r in journal.replay() for photo, _ in photos_of(r.body)}
        spared = next(photo for photo in kept if digests[photo] > firsts[1])
        refused = digests[spared]
        await refuse(desk, "centre", refused)
        await refuse(desk, "nobody", 5)  # a destination that is no longer one of this node's
        await settle(journal, "centre", "centre#photos")
        keeping = Keeping(desk, ["centre"], clips_of(tmp_path))
        await retired_to(keeping, desk, firsts[1])
        assert journal.first_seq() == firsts[1] <= refused < firsts[2]
        assert next(photo for photo in kept if desk.photos.has(photo)) == spared
        assert not desk.photos.has(kept[kept.index(spared) + 1])
        await refuse(desk, "centre", refused - 1)  # heard of later, as after a restart of the centre
        again = Keeping(desk, ["centre"], clips_of(tmp_path))
        for each in (keeping, again):
            await each.retire(datetime.now(UTC))
            assert each._refused == {refused - 1, refused} and journal.first_seq() == firsts[1]
        policy = JournalPolicy(keep_days=30, keep_refused_days=40)
        desk.site = msgspec.structs.replace(desk.site, journal=policy)
        await retired_to(keeping, desk, firsts[2])
        assert journal.first_seq() >= firsts[2] and keeping._refused == set()
        journal.close()

    asyncio.run(use())


def test_only_what_was_refused_since_is_looked_at(tmp_path: Path) -> None:
    async def use() -> None:
        desk, _ = await aged(tmp_path, JournalPolicy(keep_days=36_500), groups=12)
        journal, asked = desk.journal, []
        honest = Volume.keys_of

        def counted(self: Volume, source: str, prefix: str) -> Any:
            asked.append(self.number)
            return honest(self, source, prefix)

        keeping = Keeping(desk, ["centre", "province"], clips_of(tmp_path))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Volume, "keys_of", counted)
            for destination, seq in (("centre", 7), ("province", 450)):
                await refuse(desk, destination, seq)
                await keeping.retire(datetime.now(UTC))
        assert keeping._refused == {7, 450} and len(journal._shelf.volumes) == 3
        assert asked == [1, 2, 3, 1, 2, 3, 3, 3], "both destinations; then the volume that has grown"
        plan = sqlite3.connect(tmp_path / "j.sqlite").execute(
            "EXPLAIN QUERY PLAN SELECT seq, source_key FROM records "
            "WHERE source = 'x' AND source_key >= 'a' AND source_key < 'b'"
        )
        assert "USING COVERING INDEX" in plan.fetchone()[3], "no row of the journal is read for it"
        journal.close()

    asyncio.run(use())


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_node_that_was_killed_while_photos_were_removed_goes_on_and_records_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: int
) -> None:
    """``killed_after``: that many of two photos were gone."""

    async def use() -> None:
        site = load(site_file(tmp_path))
        site = msgspec.structs.replace(site, photos=PhotoPolicy(keep_days=1))
        old = datetime.now(UTC) - timedelta(days=2)
        journal = Journal(tmp_path / "j.sqlite", site.node.name, clock=lambda: old, source="virtual+agent")
        photos = Photos(tmp_path / "photos")
        desk = Desk(site, journal, photos, read_rulebook())
        kept = sorted(photos.put(JPEG + each) for each in (b"a", b"b"))
        drafts = [Draft(source="t", source_key=each, body=Signed(officer="o", photo=each)) for each in kept]
        await journal.append(*drafts, Draft(source="t", source_key="last", body=Signed(officer="o")))
        monkeypatch.setattr("edge.desk.REPLAYED", 0)
        for name in ("centre", "centre#photos"):
            await journal.settle(name, 2, b"{}")
        remove = photos.remove
        with monkeypatch.context() as dying:
            dying.setattr(photos, "remove", lambda digests: remove(sorted(digests)[:killed_after]))
            await Keeping(desk, ["centre"], clips_of(tmp_path)).retire(datetime.now(UTC))
        assert sum(map(photos.has, kept)) == 2 - killed_after
        await Keeping(desk, ["centre"], clips_of(tmp_path)).retire(datetime.now(UTC))
        assert not any(map(photos.has, kept))
        (retired,) = [r.body for r in journal.replay() if isinstance(r.body, Retired)]
        assert (retired.what, retired.first_seq, retired.last_seq, retired.files) == ("photos", 1, 2, 2)
        journal.close()

    asyncio.run(use())


def test_clips_go_by_age_with_a_record_and_records_stay_as_long_as_clips_they_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.desk.REPLAYED", 0)

    async def use() -> None:
        clips = clips_of(tmp_path)
        desk, _ = await aged(tmp_path, JournalPolicy(keep_days=30), clips=clips)
        journal, now = desk.journal, datetime.now(UTC)
        await settle(journal, "centre", "centre#photos")
        written = [r for r in journal.replay() if isinstance(r.body, Filmed)]
        films = {r.seq: r.body.clip for r in written if r.body.clip}
        old = {r.seq for r in written if r.at < now - timedelta(days=60)}
        await Keeping(desk, [], clips).retire(now)
        assert all(map(clips.has, films.values())), "without a policy they stay"
        desk.site = msgspec.structs.replace(desk.site, video=VideoPolicy(keep_days=60))
        for _ in range(2):  # a second run of the node finds nothing more
            keeping = Keeping(desk, ["centre"], clips)
            await keeping.retire(now)
            assert {seq for seq, clip in films.items() if not clips.has(clip)} == old
        (retired,) = [
            r.body
            for r in journal.replay(journal.first_seq() - 1)
            if isinstance(r.body, Retired) and r.body.what == "clips"
        ]
        assert (retired.files, retired.first_seq) == (len(old), 1) and len(films) > len(old) > 30
        assert retired.size_bytes == sum(map(len, FILMS[: len(old)]))
        assert retired.policy == "[video] keep_days = 60" and max(old) <= retired.last_seq < max(films)
        for _ in range(200):
            await asyncio.sleep(0.05)
            await keeping.retire(now)
            if journal.first_seq() > 1:
                break
        assert 1 < journal.first_seq() <= retired.last_seq + 1, "what names a clip that is kept is kept"
        journal.close()

    asyncio.run(use())


def test_a_policy_that_would_leave_photos_without_their_records_is_refused(tmp_path: Path) -> None:
    path = site_file(tmp_path)
    good = path.read_text("utf-8")
    for wrong in ("[journal]\nkeep_days = 5\n", "[journal]\nkeep_days = 5\n[photos]\nkeep_days = 9\n"):
        path.write_text(wrong + good, "utf-8")
        with pytest.raises(SettingsError, match=r"\[photos\] keep_days of at most 5"):
            load(path)
    path.write_text("[journal]\nkeep_days = 9\n[photos]\nkeep_days = 5\n" + good, "utf-8")
    assert load(path).journal.keep_days == 9


def test_a_replay_begins_where_the_book_needs_it_and_a_wrong_hint_costs_only_time(tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            folder = edge.desk.site.node.folder
            folder.mkdir(parents=True, exist_ok=True)
            journal = edge.desk.journal
            inspection = await edge.order()
            assert edge.desk.needed_from() == 1
            for group in range(60):
                drafts = [
                    Draft(
                        source="virtual+x",
                        source_key=f"{group}/{n}",
                        body=Sensed(lane="1", station="gate", sensor="occupied", on=n % 2 == 0),
                    )
                    for n in range(100)
                ]
                await journal.append(*drafts)
            assert edge.desk.needed_from() == 1, "the order is still open"
            note_replay(edge.desk)
            assert replay_from(folder, journal) == 1
            await edge.client.post(
                f"/api/v1/inspections/{inspection}/abort", json={"key": "a", "by": "op", "reason": "gone"}
            )
            edge.desk.book.inspections.clear()
            note_replay(edge.desk)
            begins = replay_from(folder, journal)
            assert begins == journal.head()[0] - 5000
            again = Desk(edge.desk.site, journal, edge.desk.photos, read_rulebook(), begins)
            assert again.book.seq == journal.head()[0]
            assert again.book.lane("1").levels == edge.desk.book.lane("1").levels
            for hint in ("", "[]", '{"from_seq": "x"}', '{"from_seq": 999999}', '{"from_seq": -4}'):
                (folder / "replay.json").write_text(hint, "ascii")
                assert replay_from(folder, journal) == 1

    asyncio.run(use())

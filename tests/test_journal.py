"""The journal: what was acknowledged stays, once, in one dense chain."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_sync.journal import Appended, Journal, JournalError
from central_sync.photos import Photos
from lanes.record import Draft, Sensed, canonical, genesis, link_all, parse


def draft(key: str, on: bool = True, source: str = "virtual+test") -> Draft:
    body = Sensed(lane="1", station="gate", sensor="occupied", on=on)
    return Draft(source=source, source_key=key, body=body)


def journal_at(folder: Path, node: str = "node-1") -> Journal:
    return Journal(folder / "journal.sqlite", node)


def test_append_is_dense_chained_and_repeatable(tmp_path: Path) -> None:
    async def use() -> None:
        journal = journal_at(tmp_path)
        first = await journal.append(draft("a"), draft("b"), draft("a"))
        assert [(each.record.seq, each.fresh) for each in first] == [(1, True), (2, True), (1, False)]
        again = await journal.append(draft("b"), draft("c"))
        assert [(each.record.seq, each.fresh) for each in again] == [(2, False), (3, True)]
        rows = journal.rows(0)
        assert [row.seq for row in rows] == [1, 2, 3]
        assert rows[-1].head == link_all(genesis("node-1"), [row.data for row in rows])
        assert journal.head() == (3, rows[-1].head)
        assert all(canonical(parse(row.data)) == row.data for row in rows)
        journal.close()

    asyncio.run(use())


def test_repeated_keys_leave_no_gap(tmp_path: Path) -> None:
    """AUTOINCREMENT with ON CONFLICT DO NOTHING would skip a number for each repetition."""

    async def use() -> list[int]:
        journal = journal_at(tmp_path)
        for round_ in range(5):
            await asyncio.gather(*(journal.append(draft(f"{n}")) for n in range(round_ * 3 + 1)))
        journal.close()
        return [row.seq for row in Journal(tmp_path / "journal.sqlite", "node-1").rows(0)]

    assert asyncio.run(use()) == list(range(1, 14))
    with sqlite3.connect(tmp_path / "journal.sqlite") as file:
        (table,) = file.execute("SELECT sql FROM sqlite_master WHERE name = 'records'").fetchone()
    file.close()
    assert "AUTOINCREMENT" not in table.upper()


def test_rows_can_be_neither_changed_nor_deleted(tmp_path: Path) -> None:
    async def fill() -> None:
        journal = journal_at(tmp_path)
        await journal.append(draft("a"))
        await journal.settle("centre", 1, b"receipt")
        journal.close()

    asyncio.run(fill())
    file = sqlite3.connect(tmp_path / "journal.sqlite")
    for statement in (
        "UPDATE records SET kind = 'x'",
        "DELETE FROM records",
        "UPDATE receipts SET through_seq = 9",
        "DELETE FROM receipts",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            file.execute(statement)
    file.close()


def test_receipts_are_kept_and_the_last_counts(tmp_path: Path) -> None:
    async def use() -> None:
        journal = journal_at(tmp_path)
        await journal.append(draft("a"), draft("b"))
        assert journal.receipt("centre") is None
        await journal.settle("centre", 1, b"one")
        await journal.settle("province", 2, b"other")
        await journal.settle("centre", 2, b"two")
        assert journal.receipt("centre") == (2, b"two")
        assert journal.receipt("province") == (2, b"other")
        assert journal.receipt_count() == 3
        journal.close()

    asyncio.run(use())


def test_one_process_holds_a_journal_and_it_keeps_its_node(tmp_path: Path) -> None:
    async def use() -> None:
        journal = journal_at(tmp_path)
        with pytest.raises(JournalError, match="held by another process"):
            journal_at(tmp_path)
        journal.close()
        with pytest.raises(JournalError, match="node 'node-1', not 'node-2'"):
            journal_at(tmp_path, "node-2")
        with pytest.raises(JournalError, match="cannot name a node"):
            journal_at(tmp_path, "No Good")

    asyncio.run(use())


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database, but long enough to look like one" * 40)
    with pytest.raises(JournalError, match=r"journal\.sqlite cannot be opened as a journal"):
        journal_at(tmp_path)


def test_what_cannot_be_written_fails_its_sender_only(tmp_path: Path) -> None:
    async def use() -> None:
        journal = journal_at(tmp_path)
        bad = draft("bad\ud800key")
        good, wrong = await asyncio.gather(
            journal.append(draft("good")), journal.append(bad), return_exceptions=True
        )
        assert isinstance(wrong, (UnicodeEncodeError, msgspec.MsgspecError))
        assert not isinstance(good, BaseException)
        assert journal.head()[0] == 1
        journal.close()

    asyncio.run(use())


def test_a_record_that_cannot_be_read_fails_who_repeats_it_only(tmp_path: Path) -> None:
    async def scene() -> None:
        journal = journal_at(tmp_path)
        await journal.append(draft("a"))
        with sqlite3.connect(journal.path) as other:
            other.execute("DROP TRIGGER records_update")
            other.execute("UPDATE records SET data = x'00'")  # a bad disk, or a kind of a newer version
        other.close()
        repeated, fresh = await asyncio.gather(
            journal.append(draft("a")), journal.append(draft("b")), return_exceptions=True
        )
        assert isinstance(repeated, JournalError) and "cannot be read" in str(repeated)
        assert isinstance(fresh, list) and fresh[0].fresh and fresh[0].record.seq == 2
        journal.close()

    asyncio.run(asyncio.wait_for(scene(), 20))


def test_listeners_hear_each_record_once_in_order_before_append_returns(tmp_path: Path) -> None:
    async def use() -> None:
        journal = journal_at(tmp_path)
        heard: list[int] = []
        journal.listen(lambda records: heard.extend(record.seq for record in records))

        async def one(key: str) -> Appended:
            (appended,) = await journal.append(draft(key))
            assert appended.record.seq in heard
            return appended

        await asyncio.gather(*(one(str(n % 40)) for n in range(120)))
        assert heard == list(range(1, 41))
        journal.close()

    asyncio.run(use())


def test_wait_beyond_wakes_on_the_next_record(tmp_path: Path) -> None:
    async def use() -> None:
        journal = journal_at(tmp_path)
        waiting = asyncio.create_task(journal.wait_beyond(1))
        await journal.append(draft("a"))
        await asyncio.sleep(0)
        assert not waiting.done()
        await journal.append(draft("b"))
        await asyncio.wait_for(waiting, 5)
        await asyncio.wait_for(journal.wait_beyond(0), 5)
        journal.close()

    asyncio.run(use())


def test_full_disk_takes_nothing_it_cannot_keep(tmp_path: Path) -> None:
    """The page limit of SQLite stands for a full disk: refused, nothing acknowledged, and then it goes on."""

    async def use() -> None:
        journal = journal_at(tmp_path)
        await journal.append(draft("before"))
        journal._raw.execute("PRAGMA max_page_count = 8")  # of this connection; the next one has no limit
        taken = 1
        with pytest.raises(JournalError, match="full"):
            for n in range(2000):
                await journal.append(draft(f"{n}-{'x' * 150}"))
                taken += 1
        assert journal.head()[0] == taken == len(journal.rows(0, 5000))
        (after,) = await journal.append(draft("after"))
        assert after.record.seq == taken + 1
        rows = journal.rows(0, 5000)
        assert journal.head() == (taken + 1, link_all(genesis("node-1"), [row.data for row in rows]))
        journal.close()

    asyncio.run(use())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xy")), max_size=6), max_size=8)
)
def test_any_order_of_repetitions_gives_each_key_one_record(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[str, str]]]
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    expected: dict[tuple[str, str], int] = {}

    async def use() -> None:
        for group in groups:
            journal = journal_at(folder)  # opened anew for each group: a restart
            drafts = [draft(key, source=f"virtual+{source}") for key, source in group]
            for each, (key, source) in zip(await journal.append(*drafts), group, strict=True):
                assert each.fresh is ((source, key) not in expected)
                assert expected.setdefault((source, key), each.record.seq) == each.record.seq
            journal.close()

    asyncio.run(use())
    journal = journal_at(folder)
    assert sorted(expected.values()) == [row.seq for row in journal.rows(0)]
    journal.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from central_sync.journal import Journal
from lanes.record import Draft, Sensed
async def main():
    journal = Journal(Path(sys.argv[1]), "node-1")
    start = journal.head()[0]
    async def one(n):
        body = Sensed(lane="1", station="gate", sensor="occupied", on=bool(n % 2))
        await journal.append(Draft(source="virtual+w", source_key=str(n), body=body))
        sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
    n = start
    while True:
        await asyncio.gather(*(one(n + k) for k in range(20)))
        n += 20
asyncio.run(main())
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "journal.sqlite", set[str]()
    for round_ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        assert writer.stdout is not None
        heard = []
        deadline = time.monotonic() + 20
        while len(heard) < 60 + 37 * round_ and time.monotonic() < deadline:
            heard.append(writer.stdout.readline().strip())
        os.kill(writer.pid, signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
        writer.stdout.close()
        writer.wait()
        acknowledged |= {key for key in [*heard, *rest] if key}
    journal = Journal(path, "node-1")
    records = list(journal.replay())
    assert acknowledged <= {record.source_key for record in records}
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert len({record.source_key for record in records}) == len(records)
    assert journal.head()[1] == link_all(genesis("node-1"), [canonical(record) for record in records])
    journal.close()
    assert len(acknowledged) > 300


def test_a_photo_found_there_is_made_durable_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    photos = Photos(tmp_path / "photos")
    digest = photos.put(b"picture")
    folder = photos.path(digest).parent
    monkeypatch.setattr(os, "fsync", watched)
    Photos(photos.root).put(b"picture")  # whoever put it first may have been killed before its last fsync
    assert {str(folder), str(photos.root)} <= set(synced)
    photos.path(digest).write_bytes(b"pict")
    assert photos.put(b"picture") == digest and photos.read(digest) == b"picture"


def test_photos_are_kept_by_digest_once(tmp_path: Path) -> None:
    photos = Photos(tmp_path / "photos")
    digest = photos.put(b"picture")
    assert photos.put(b"picture") == digest
    assert photos.has(digest) and photos.read(digest) == b"picture"
    assert [path.name for path in (tmp_path / "photos").rglob("*") if path.is_file()] == [f"{digest}.bin"]
    with pytest.raises(ValueError, match="no SHA-256"):
        photos.path("../../etc/passwd")
    with pytest.raises(FileNotFoundError):
        photos.read("0" * 64)

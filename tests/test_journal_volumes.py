"""Volumes of a journal: one dense chain through many files, keys known for ever, nothing half made."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from central_sync.journal import Journal, JournalError, RetiredError, Roll
from central_sync.seal import NodeKey, head_message, verify, verify_chain
from central_sync.volumes import JournalReader
from lanes.record import Continued, Draft, Judged, Retired, Sensed, genesis, parse

OLD = Path(__file__).parent / "journals" / "format-1.sql"
ROOT = Path(__file__).parents[1]


def draft(key: str, source: str = "virtual+test") -> Draft:
    return Draft(
        source=source, source_key=key, body=Sensed(lane="1", station="gate", sensor="occupied", on=True)
    )


def verdict(key: str) -> Draft:
    body = Judged(verdict="pass", findings=(), rules="r", rules_sha256="1" * 64)
    return Draft(source="agent", source_key=key, inspection="i", body=body)


def small(folder: Path, records: int = 10, **more: object) -> Journal:
    return Journal(folder / "journal.sqlite", "node-1", roll=Roll(records=records), **more)  # type: ignore[arg-type]


def whole(folder: Path) -> list[int]:
    """Numbers of all records of a journal, which must be one dense chain."""
    reader = JournalReader(folder)
    rows, after = [], 0
    while page := reader.rows(after, 7):
        rows += page
        after = page[-1].seq
    reader.close()
    assert verify_chain("node-1", rows) is None
    return [row.seq for row in rows]


async def merged(journal: Journal) -> None:
    """Waits until the ledger has taken in every closed volume."""
    for _ in range(200):
        assert journal._shelf.keys is not None
        if journal._shelf.keys.through >= journal._shelf.volumes[-1].first_seq - 1:
            return
        journal._shelf.merge()
        await asyncio.sleep(0.02)
    raise AssertionError("the ledger never caught up")


# ---- one chain through many files ----------------------------------------------------------------


def test_a_full_journal_goes_on_in_a_volume_that_begins_with_the_head_of_the_old_one(tmp_path: Path) -> None:
    async def use() -> None:
        journal = small(tmp_path)
        heard: list[int] = []
        journal.listen(lambda records: heard.extend(record.seq for record in records))
        for n in range(35):
            await journal.append(draft(f"k{n}"))
        await journal.settle("centre", 12, b"{}")
        last, _ = journal.head()
        journal.close()
        assert heard == list(range(1, last + 1)), "listeners hear of the first record of a volume too"

    asyncio.run(use())
    names = sorted(path.name for path in tmp_path.glob("journal*.sqlite"))
    assert names == ["journal-2.sqlite", "journal-3.sqlite", "journal-4.sqlite", "journal.sqlite"]
    assert whole(tmp_path) == list(range(1, 39))
    reader = JournalReader(tmp_path / "journal-3.sqlite")
    for before, volume in zip(reader.volumes, reader.volumes[1:], strict=False):
        first = parse(volume.rows(0, 1)[0].data)
        assert isinstance(first.body, Continued)
        seq, head = before.last()
        assert (first.body.last_seq, first.body.head, first.seq) == (seq, head.hex(), seq + 1)
        assert first.body.volume == volume.number
    reader.close()


def test_everything_asked_spans_the_volumes(tmp_path: Path) -> None:
    async def use() -> None:
        journal = small(tmp_path)
        for n in range(30):
            await journal.append(verdict(f"v{n}") if n % 10 == 0 else draft(f"k{n}"))
        assert len(journal.of_inspection("i")) == 3
        assert [row.seq for row in journal.rows(8, 6)] == [9, 10, 11, 12, 13, 14]
        assert len(list(journal.replay())) == journal.head()[0]
        for n in range(30):
            key = f"v{n}" if n % 10 == 0 else f"k{n}"
            found = journal.find("agent" if n % 10 == 0 else "virtual+test", key)
            assert found is not None and found.source_key == key
        assert journal.find("virtual+test", "never") is None
        journal.close()

    asyncio.run(use())


def test_a_repetition_is_known_whether_its_volume_is_merged_or_not(tmp_path: Path) -> None:
    async def use() -> None:
        journal = small(tmp_path)
        first = [(await journal.append(draft(f"k{n}")))[0].record for n in range(25)]
        for n in range(25):
            (again,) = await journal.append(draft(f"k{n}"))
            assert (again.fresh, again.record) == (False, first[n])
        await merged(journal)
        for n in range(25):
            (again,) = await journal.append(draft(f"k{n}"))
            assert (again.fresh, again.record) == (False, first[n])
        journal.close()
        journal = small(tmp_path)
        (again,) = await journal.append(draft("k3"))
        assert (again.fresh, again.record.seq) == (False, first[3].seq)
        assert journal.receipts() == {}
        journal.close()

    asyncio.run(use())


def test_receipts_and_the_newest_checkpoint_stand_in_the_new_volume_too(tmp_path: Path) -> None:
    async def use() -> None:
        journal = small(tmp_path)
        await journal.settle("centre", 3, b"old")
        await journal.settle("centre", 5, b"new")
        await journal.settle("province", 4, b"other")
        await journal.keep_checkpoint(5, b"frontier", "note")
        await journal.append(*(draft(f"k{n}") for n in range(12)))
        await journal.roll()
        journal.close()
        journal = small(tmp_path)
        assert journal.receipt("centre") == (5, b"new")
        assert journal.receipts() == {"centre": 5, "province": 4}
        kept = journal.checkpoint()
        assert kept is not None and (kept.size, kept.frontier, kept.note) == (5, b"frontier", "note")
        journal.close()

    asyncio.run(use())


def test_an_empty_journal_needs_no_further_volume(tmp_path: Path) -> None:
    async def use() -> None:
        journal = small(tmp_path)
        await journal.roll()
        assert await journal.retire(datetime.now(UTC), 0, 1) == []
        await journal.append(draft("k1"))
        journal.close()

    asyncio.run(use())
    assert [path.name for path in tmp_path.glob("journal*.sqlite")] == ["journal.sqlite"]


def test_volumes_that_do_not_follow_each_other_are_refused(tmp_path: Path) -> None:
    async def use() -> None:
        for folder in (tmp_path / "a", tmp_path / "b"):
            journal = small(folder)
            await journal.append(*(draft(f"{folder.name}{n}") for n in range(12)))
            await journal.roll()
            journal.close()

    asyncio.run(use())
    (tmp_path / "b" / "journal-2.sqlite").replace(tmp_path / "a" / "journal-2.sqlite")
    with pytest.raises(JournalError, match=r"journal-2\.sqlite goes on from record"):
        small(tmp_path / "a")


# ---- killed at any step ----------------------------------------------------------------------------

WRITER = """
import asyncio, os, signal, sys
from pathlib import Path
from central_sync import ledger
from central_sync.journal import Journal, Roll
from tests.test_journal_volumes import draft

step, folder = sys.argv[1], Path(sys.argv[2])
rolls = 0

def dies(name, before):
    def wrapped(*args, _real=getattr(ledger, name) if hasattr(ledger, name) else None, **kw):
        if before and rolls >= 1: os.kill(os.getpid(), signal.SIGKILL)
        result = _real(*args, **kw)
        if not before and rolls >= 1: os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(ledger, name, wrapped)

def replace_dies(before):
    real = Path.replace
    def wrapped(self, target):
        if before and self.name.endswith(".sqlite.new") and rolls >= 1: os.kill(os.getpid(), signal.SIGKILL)
        result = real(self, target)
        if not before and str(target).endswith(".sqlite") and rolls >= 1: os.kill(os.getpid(), signal.SIGKILL)
        return result
    Path.replace = wrapped

if step in ("before-create", "after-create"): dies("_create", step.startswith("before"))
if step in ("before-rename", "after-rename"): replace_dies(step.startswith("before"))
if step in ("before-sync", "after-sync"): dies("sync", step.startswith("before"))
if step in ("before-begin", "after-begin"): dies("begin_volume", step.startswith("before"))

async def main():
    global rolls
    journal = Journal(folder / "journal.sqlite", "node-1", roll=Roll(records=20))
    for n in range(200):
        (done,) = await journal.append(draft(f"k{n}"))
        print(n, done.record.seq, flush=True)
        if n == 25: rolls = 1

asyncio.run(main())
"""
STEPS = [f"{when}-{what}" for what in ("create", "rename", "sync", "begin") for when in ("before", "after")]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_of_a_roll_over_the_chain_goes_on_and_nothing_is_lost(
    step: str, tmp_path: Path
) -> None:
    writer = subprocess.run(
        [sys.executable, "-c", WRITER, step, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert writer.returncode == -signal.SIGKILL, writer.stderr
    acknowledged = [tuple(map(int, line.split())) for line in writer.stdout.splitlines()]
    assert acknowledged

    async def again() -> None:
        journal = small(tmp_path, 20)
        for n, seq in acknowledged:
            found = journal.find("virtual+test", f"k{n}")
            assert found is not None and found.seq == seq
        for n in range(60):  # the device repeats itself, and goes on
            (done,) = await journal.append(draft(f"k{n}"))
            assert done.fresh is (n > acknowledged[-1][0]) or n == acknowledged[-1][0] + 1
        journal.close()

    asyncio.run(again())
    numbers = whole(tmp_path)
    assert numbers == list(range(1, len(numbers) + 1))
    assert not list(tmp_path.glob("*.new*"))


# ---- retirement ----------------------------------------------------------------------------------


def test_only_settled_old_and_unneeded_volumes_go_and_their_keys_stay_known(tmp_path: Path) -> None:
    async def use() -> None:
        clock = [datetime(2026, 1, 1, tzinfo=UTC)]
        journal = small(tmp_path, clock=lambda: clock[0])
        for n in range(45):
            await journal.append(draft(f"k{n}"))
            clock[0] += timedelta(days=1)
        await merged(journal)
        late, far = datetime(2027, 1, 1, tzinfo=UTC), 10**9
        assert await journal.retire(late, settled_through=9, needed_from=far) == []
        assert await journal.retire(late, settled_through=far, needed_from=10) == []
        assert await journal.retire(datetime(2026, 1, 5, tzinfo=UTC), far, far) == []
        assert await journal.retire(late, settled_through=25, needed_from=far) == [1, 2]
        assert journal.first_seq() == 21
        assert not (tmp_path / "journal.sqlite").exists()
        with pytest.raises(RetiredError) as known:
            await journal.append(draft("k4"))
        assert known.value.seq == 5
        with pytest.raises(RetiredError):
            journal.find("virtual+test", "k4")
        retired = [r.body for r in journal.replay() if isinstance(r.body, Retired)]
        assert [(b.first_seq, b.last_seq, b.files) for b in retired] == [(1, 10, 1), (11, 20, 1)]
        journal.close()

    asyncio.run(use())
    journal = small(tmp_path)
    assert journal.first_seq() == 21
    assert journal.rows(0, 1)[0].seq == 21
    journal.close()


def test_killed_between_the_record_and_the_removal_the_volume_goes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> None:
        journal = small(tmp_path)
        await journal.append(*(draft(f"k{n}") for n in range(12)))
        await journal.roll()
        await merged(journal)
        monkeypatch.setattr(journal._shelf, "drop_retired", lambda: None)
        await asyncio.wait_for(_one_round(journal), 5)
        journal.close()

    async def _one_round(journal: Journal) -> None:
        rounds = iter([journal._shelf.volumes[0], None])
        monkeypatch.setattr(journal._shelf, "retirable", lambda *_: next(rounds))
        await journal.retire(datetime(2030, 1, 1, tzinfo=UTC), 10**9, 10**9)

    asyncio.run(use())
    assert (tmp_path / "journal.sqlite").exists()
    journal = small(tmp_path)
    assert not (tmp_path / "journal.sqlite").exists()
    assert journal.first_seq() == 13
    journal.close()


# ---- signed heads --------------------------------------------------------------------------------


def test_a_verdict_is_signed_with_its_commit_and_the_rest_within_a_second_and_at_the_end(
    tmp_path: Path,
) -> None:
    key = NodeKey.generate()

    async def use() -> None:
        journal = small(tmp_path, 100, signer=key)
        await journal.append(draft("a"))
        await journal.append(verdict("v"))
        await journal.append(draft("b"))
        assert [each.seq for each in JournalReader(tmp_path).heads()] == [2]
        for _ in range(60):
            await asyncio.sleep(0.05)
            if len(list(JournalReader(tmp_path).heads())) == 2:
                break
        await journal.append(draft("c"))
        journal.close()

    asyncio.run(use())
    signed = list(JournalReader(tmp_path).heads())
    assert [each.seq for each in signed] == [2, 3, 4]
    for each in signed:
        assert verify(key.public, head_message("node-1", each.seq, each.head), each.signature)


def test_a_journal_that_ends_before_its_mark_is_not_opened(tmp_path: Path) -> None:
    key = NodeKey.generate()

    async def write(*keys: str) -> None:
        journal = small(tmp_path, 100, signer=key)
        for each in keys:
            await journal.append(draft(each))
        journal.close()

    asyncio.run(write("a", "b"))
    yesterday = (tmp_path / "journal.sqlite").read_bytes()
    asyncio.run(write("c", "d"))
    (tmp_path / "journal.sqlite").write_bytes(yesterday)
    with pytest.raises(JournalError, match=r"ends at record 2, but this node has signed record 4"):
        small(tmp_path, signer=key)


def test_a_journal_with_another_history_than_its_mark_is_not_opened(tmp_path: Path) -> None:
    key = NodeKey.generate()

    async def write(folder: Path, *keys: str) -> None:
        journal = small(folder, 100, signer=key)
        await journal.append(*map(draft, keys))
        journal.close()

    asyncio.run(write(tmp_path / "a", "a", "b"))
    asyncio.run(write(tmp_path / "b", "x", "y", "z"))
    (tmp_path / "a" / "journal.sqlite").write_bytes((tmp_path / "b" / "journal.sqlite").read_bytes())
    with pytest.raises(JournalError, match="another head at record 2"):
        small(tmp_path / "a", signer=key)


def test_a_mark_of_somebody_else_or_torn_says_nothing(tmp_path: Path) -> None:
    async def write() -> None:
        journal = small(tmp_path, 100, signer=NodeKey.generate())
        await journal.append(draft("a"))
        journal.close()

    asyncio.run(write())
    good = (tmp_path / "journal.head").read_text("ascii")
    for torn in ("", "{", good[:-9], good.replace('"seq":1', '"seq":9')):
        (tmp_path / "journal.head").write_text(torn, "ascii")
        small(tmp_path, 100).close()


# ---- formats -------------------------------------------------------------------------------------


def old_journal(folder: Path) -> Path:
    path = folder / "journal.sqlite"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(OLD.read_text("utf-8"))
        file.execute("PRAGMA journal_mode=WAL")
    return path


def test_a_journal_of_format_1_is_read_as_it_is(tmp_path: Path) -> None:
    reader = JournalReader(old_journal(tmp_path))
    assert (reader.node, reader.first_seq, reader.prev_head) == ("node-1", 1, genesis("node-1"))
    assert verify_chain("node-1", reader.rows(0)) is None
    assert reader.head()[0] == 8
    assert list(reader.heads()) == list(reader.checkpoints()) == []
    assert [each.through_seq for each in reader.receipts()] == [5, 7]
    reader.close()


def test_a_journal_of_format_1_is_brought_up_opened_twice_and_keeps_every_byte(tmp_path: Path) -> None:
    path = old_journal(tmp_path)
    before = JournalReader(path)
    rows = before.rows(0)
    before.close()

    async def use() -> None:
        for n in range(2):
            journal = small(tmp_path, 100, signer=NodeKey.generate())
            assert journal.rows(0)[:8] == rows
            assert journal.receipt("centre") == (7, b'{"accepted_through":7}')
            await journal.append(draft(f"new{n}"))
            (again,) = await journal.append(
                Draft(source="modbus://io-1", source_key="k2", body=parse(rows[3].data).body)
            )
            assert not again.fresh
            journal.close()

    asyncio.run(use())
    assert whole(tmp_path) == list(range(1, 11))
    (tmp_path / "journal.head").unlink()


def test_a_format_of_the_future_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = old_journal(tmp_path)
    with closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE journal SET value = '3' WHERE name = 'format'")
        file.commit()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="format"):
        small(tmp_path)
    assert path.read_bytes() == before
    with pytest.raises(JournalError, match="format 3"):
        JournalReader(path)

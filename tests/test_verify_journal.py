"""What the verifier says of whole journals, older copies, lost volumes, photos, and damaged files."""

import asyncio
import hashlib
import random
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from central_sync import note
from central_sync.journal import Journal
from central_sync.ledger import begin_volume
from central_sync.merkle import Frontier
from central_sync.seal import head_message
from central_sync.trust import Seen, Trust
from central_sync.verify import verify_journal
from lanes.record import Continued, Draft, Record
from tests.verify_parts import (
    COUNT,
    KEY,
    NODE,
    REGISTRY,
    SENSED,
    SITE,
    TRUST,
    first_wrong,
    folder,
    open_up,
    said,
    write,
    written,
)

__all__ = ["folder", "written"]  # fixtures

# ---- what holds ----------------------------------------------------------------------------------


def test_a_true_journal_holds_and_says_what_was_checked(folder: Path) -> None:
    findings = verify_journal(folder, TRUST)
    assert findings.holds, findings.bad
    text = said(findings)
    assert f"records 1 to {COUNT} are linked" in text
    assert f"signed by the node through record {COUNT}" in text
    assert "centre has confirmed through record 13" in text
    assert "the checkpoint over 13 records is that of the records, cosigned by the registry" in text
    assert "6 photos are here and whole" in text


def test_without_keys_the_key_inside_is_named(folder: Path) -> None:
    findings = verify_journal(folder / "journal.sqlite", Trust())
    assert findings.holds
    assert KEY.public in said(findings) and "no --key was given" in said(findings)


def test_a_journal_of_several_volumes_holds(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, 30, roll=8))
    assert len(list(tmp_path.glob("journal*.sqlite"))) == 5
    for target in (tmp_path, tmp_path / "journal-2.sqlite"):
        findings = verify_journal(target, TRUST)
        assert findings.holds, findings.bad
        assert "records 1 to 34 are linked" in said(findings)


def test_what_was_written_a_moment_ago_is_said_to_be_unsigned_and_a_long_tail_does_not_hold(
    folder: Path,
) -> None:
    with closing(open_up(folder)) as file:
        file.execute("DELETE FROM heads WHERE seq = ?", (COUNT,))
    (folder / "journal.head").unlink()
    assert first_wrong(folder) == COUNT, "a verdict is signed with its own commit"
    with closing(open_up(folder)) as file:
        file.execute("DELETE FROM heads")
    assert "no signed head" in said(verify_journal(folder, TRUST))


# ---- older copies --------------------------------------------------------------------------------


def test_yesterdays_copy_is_caught_by_the_mark_by_a_witness_and_by_its_own_receipts(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path / "node"))
    yesterday = (tmp_path / "node" / "journal.sqlite").read_bytes()
    asyncio.run(write(tmp_path / "node", 10, first=COUNT))
    mark = (tmp_path / "node" / "journal.head").read_bytes()
    (tmp_path / "node" / "journal.sqlite").write_bytes(yesterday)
    assert first_wrong(tmp_path / "node") == COUNT + 1
    (tmp_path / "node" / "journal.head").unlink()
    assert verify_journal(tmp_path / "node", TRUST).holds, "nothing beside it tells"
    held = msgspec.json.decode(mark)
    seen = Seen(seq=held["seq"], head=held["head"], where="the centre")
    assert first_wrong(tmp_path / "node", Trust(keys=(KEY.public,), witnesses=(seen,))) == COUNT + 1
    assert "older copy" in said(
        verify_journal(tmp_path / "node", Trust(keys=(KEY.public,), witnesses=(seen,)))
    )


def test_a_lost_volume_is_named(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, 30, roll=8))
    shutil.copytree(tmp_path, tmp_path.with_name("without-2"))
    (tmp_path.with_name("without-2") / "journal-2.sqlite").unlink()
    assert first_wrong(tmp_path.with_name("without-2")) == 9
    shutil.copytree(tmp_path, tmp_path.with_name("without-last"))
    (tmp_path.with_name("without-last") / "journal-5.sqlite").unlink()
    assert first_wrong(tmp_path.with_name("without-last")) == 33
    shutil.copytree(tmp_path, tmp_path.with_name("without-first"))
    (tmp_path.with_name("without-first") / "journal.sqlite").unlink()
    assert first_wrong(tmp_path.with_name("without-first")) == 1
    assert "no record says that they were removed" in said(
        verify_journal(tmp_path.with_name("without-first"), TRUST)
    )


def test_what_was_retired_by_policy_is_told_and_later_checkpoints_are_still_computed(tmp_path: Path) -> None:
    async def use() -> None:
        journal = Journal(tmp_path / "journal.sqlite", NODE, signer=KEY)
        heads: list[bytes] = []

        async def go_on(count: int) -> None:
            drafts = [
                Draft(source="agent", source_key=f"{len(heads)}-{n}", body=SENSED) for n in range(count)
            ]
            await journal.append(*drafts)
            heads.extend(row.head for row in journal.rows(len(heads), 1000))
            frontier = Frontier()
            for head in heads:
                frontier.append(head)
            origin = note.origin_of(SITE, NODE)
            text = str(note.Checkpoint(origin=origin, size=frontier.size, root=frontier.root()))
            own = note.signed(note.Note(text=text), origin, KEY)
            both = note.cosigned(own, note.WITNESS, REGISTRY, 1_795_000_000)
            await journal.keep_checkpoint(frontier.size, frontier.encode(), str(both))

        await go_on(10)
        await journal.roll()
        for count in (5, 7, 6):
            await go_on(count)
        for _ in range(500):  # until the keys of the volume are in the ledger
            if await journal.retire(datetime(2100, 1, 1, tzinfo=UTC), 20, 20):
                break
            await asyncio.sleep(0.01)
        assert journal.first_seq() == 11
        journal.close()

    asyncio.run(use())
    findings = verify_journal(tmp_path, TRUST)
    assert findings.holds, findings.bad
    assert "records 1 to 10 were removed from this node by policy" in said(findings)
    assert "the checkpoint over 29 records is that of the records, cosigned" in said(findings)
    with closing(open_up(tmp_path, "journal-2.sqlite")) as file:
        wrong = note.Checkpoint(origin=note.origin_of(SITE, NODE), size=29, root=bytes(32))
        lie = note.signed(note.Note(text=str(wrong)), wrong.origin, KEY)
        file.execute("UPDATE checkpoints SET note = ? WHERE size = 29", (str(lie),))
    assert first_wrong(tmp_path) == 29


def test_what_was_lost_and_mended_is_told_and_nothing_else_may_be_missing(tmp_path: Path) -> None:
    """Volume 1 ends at 12 since 13 to 20 were lost; volume 2 goes on after 20, as its first record says."""
    whole, mended = tmp_path / "whole", tmp_path / "mended"
    asyncio.run(write(whole, 20))
    with closing(sqlite3.connect(whole / "journal.sqlite")) as file:
        (head,) = file.execute("SELECT head FROM records WHERE seq = 20").fetchone()
    shutil.copytree(whole, mended)
    with closing(open_up(mended)) as file:
        for table in ("records", "heads"):
            file.execute(f"DELETE FROM {table} WHERE seq > 12")
        file.execute("DELETE FROM receipts")
        file.execute("DELETE FROM checkpoints")

    def goes_on(body: Continued) -> None:
        (mended / "journal-2.sqlite").unlink(missing_ok=True)
        begin_volume(mended / "journal.sqlite", body, NODE, in_envelope, (), None)
        with closing(open_up(mended, "journal-2.sqlite")) as file:
            ((seq, last),) = file.execute("SELECT seq, head FROM records")
            row = (seq, last, KEY.public, KEY.sign(head_message(NODE, seq, last)), "x")
            file.execute("INSERT INTO heads VALUES (?,?,?,?,?)", row)

    def in_envelope(seq: int, body: Continued) -> Record:
        at = datetime(2026, 11, 25, tzinfo=UTC)
        return Record(seq=seq, at=at, tick_ms=1, source="agent", source_key="volume/2", body=body)

    told = Continued(volume=2, last_seq=20, head=head.hex(), lost_from=13, lost_through=20, why="disk")
    goes_on(told)
    findings = verify_journal(mended, TRUST)
    assert findings.holds, findings.bad
    assert "records 13 to 20 were lost on this node" in said(findings) and "disk" in said(findings)
    for lie in ({"lost_from": 14}, {"lost_through": 19}, {"lost_from": None, "lost_through": None}):
        goes_on(msgspec.structs.replace(told, **lie))
        assert first_wrong(mended) == 13, lie


# ---- photos and the file itself --------------------------------------------------------------------


def test_a_lost_or_changed_photo_is_named_with_its_record(folder: Path) -> None:
    digest = hashlib.sha256(b"\xff\xd8\xff8").hexdigest()
    path = folder / "photos" / digest[:2] / f"{digest}.bin"
    path.write_bytes(b"\xff\xd8\xff9")
    assert first_wrong(folder) == 9
    path.unlink()
    assert first_wrong(folder) == 9
    assert f"photo {digest} of record 9 is missing" in said(verify_journal(folder, TRUST))


@pytest.mark.parametrize("seed", range(40))
def test_a_file_with_any_page_spoilt_or_cut_anywhere_is_never_taken_for_whole(
    written: Path, folder: Path, seed: int
) -> None:
    dice = random.Random(seed)
    path = folder / "journal.sqlite"
    content = bytearray(path.read_bytes())
    at = dice.randrange(100, len(content))
    if seed % 2:
        del content[at:]
    else:
        size = dice.choice([1, 16, 4096])
        content[at : at + size] = dice.randbytes(size)
    changed = bytes(content) != path.read_bytes()
    path.write_bytes(content)
    findings = verify_journal(folder, TRUST)
    # SQLite keeps unused space between the rows of a page: a change there changes nothing that is signed
    assert not findings.holds or (changed and _facts(path) == _facts(written / "journal.sqlite"))


def _facts(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return [
            row
            for table, columns in (
                ("records", "*"),
                ("receipts", "data"),
                ("heads", "seq, head, public_key, signature"),
                ("checkpoints", "size, frontier, note"),
            )
            for row in file.execute(f"SELECT {columns} FROM {table}")
        ]


def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no database at all" * 100)
    for target in (tmp_path, tmp_path / "nothing"):
        findings = verify_journal(target, TRUST)
        assert not findings.holds and "cannot be read" in said(findings)


@pytest.mark.parametrize("value", ["", "x", b"\xff", "9" * 30])
@pytest.mark.parametrize("name", ["format", "node", "first_seq", "prev_head"])
def test_facts_that_cannot_be_true_are_named(folder: Path, name: str, value: Any) -> None:
    with closing(open_up(folder)) as file:
        file.execute("UPDATE journal SET value = ? WHERE name = ?", (value, name))
    assert not verify_journal(folder, TRUST).holds

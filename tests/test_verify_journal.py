"""Every way to tamper with a journal is named by the verifier, with the first record that does not hold."""

import asyncio
import hashlib
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from central_sync import batch as wire
from central_sync import note
from central_sync.journal import Journal, Roll
from central_sync.merkle import root_of
from central_sync.photos import Photos
from central_sync.seal import NodeKey, head_message, receipt_message
from central_sync.verdicts import Findings
from central_sync.verify import Trust, Witness, verify_journal
from lanes.record import Draft, Judged, Photographed, genesis, link, parse

NODE, SITE = "node-1", "site-1"
KEY, OTHER, REGISTRY = NodeKey.generate(), NodeKey.generate(), NodeKey.generate()
TRUST = Trust(keys=(KEY.public,), registry_keys=(REGISTRY.public,))
COUNT = 24


async def _write(folder: Path, count: int = COUNT, roll: int = 1000, first: int = 0) -> None:
    """A journal of photos and verdicts, settled and check-pointed half-way, all of it signed."""
    photos = Photos(folder / "photos")
    clock = [datetime(2026, 11, 24, 8, tzinfo=UTC) + timedelta(minutes=first)]
    journal = Journal(
        folder / "journal.sqlite", NODE, signer=KEY, clock=lambda: clock[0], roll=Roll(records=roll)
    )
    for n in range(first, first + count):
        clock[0] += timedelta(seconds=30)
        if n % 4 == 0:
            data = b"\xff\xd8\xff" + str(n).encode()
            body: Any = Photographed(shot="0111", photo=photos.put(data), size_bytes=len(data))
        else:
            body = Judged(verdict="pass", findings=(), rules="r", rules_sha256="1" * 64)
        await journal.append(Draft(source="agent", source_key=f"k{n}", inspection="i", body=body))
        if n == first + count // 2:
            await _witnessed(journal)
    journal.close()


async def _witnessed(journal: Journal) -> None:
    """A receipt of the registry, and a checkpoint that it has cosigned."""
    seq, head = journal.head()
    message = receipt_message(NODE, seq, head)
    receipt = wire.Receipt(
        site=SITE, node=NODE, accepted_through=seq, head=head.hex(), stored=seq, duplicates=0,
        registry_key=REGISTRY.public, countersignature=REGISTRY.sign(message),
    )  # fmt: skip
    await journal.settle("centre", seq, wire.encode_receipt(receipt))
    if journal.first_seq() == 1:
        origin = note.origin_of(SITE, NODE)
        root = root_of(row.head for row in journal.rows(0, 10_000))
        own = note.signed(
            note.Note(text=str(note.Checkpoint(origin=origin, size=seq, root=root))), origin, KEY
        )
        await journal.keep_checkpoint(
            seq, b"", str(note.cosigned(own, note.WITNESS, REGISTRY, 1_795_000_000))
        )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    asyncio.run(_write(folder))
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copied: Path = shutil.copytree(written, tmp_path / "node")
    return copied


def open_up(folder: Path, name: str = "journal.sqlite") -> sqlite3.Connection:
    """The database without the guards against changes."""
    file = sqlite3.connect(folder / name, isolation_level=None)
    triggers = [each for (each,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for trigger in triggers:
        file.execute(f"DROP TRIGGER {trigger}")
    return file


def first_wrong(folder: Path, trust: Trust = TRUST) -> int | None:
    findings = verify_journal(folder, trust)
    assert not findings.holds
    assert all(line.zh and line.en for line in findings.bad)
    return findings.bad[0].seq


def said(findings: Findings) -> str:
    return " | ".join(line.en for line in (*findings.good, *findings.bad))


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
    asyncio.run(_write(tmp_path, 30, roll=8))
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
    assert first_wrong(folder) == COUNT, "30 seconds without a signature"
    with closing(open_up(folder)) as file:
        file.execute("DELETE FROM heads")
    assert "no signed head" in said(verify_journal(folder, TRUST))


# ---- what was changed ----------------------------------------------------------------------------


@pytest.mark.parametrize("seq", [1, 2, 13, 14, COUNT])
def test_any_changed_byte_of_a_record_is_named(folder: Path, seq: int) -> None:
    with closing(open_up(folder)) as file:
        (data,) = file.execute("SELECT data FROM records WHERE seq = ?", (seq,)).fetchone()
        for at in range(len(data)):
            spoilt = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            file.execute("UPDATE records SET data = ? WHERE seq = ?", (spoilt, seq))
            assert first_wrong(folder) == seq, at
            file.execute("UPDATE records SET data = ? WHERE seq = ?", (data, seq))
    assert verify_journal(folder, TRUST).holds


@pytest.mark.parametrize("seq", [1, 13, COUNT])
def test_a_changed_head_is_named(folder: Path, seq: int) -> None:
    with closing(open_up(folder)) as file:
        (head,) = file.execute("SELECT head FROM records WHERE seq = ?", (seq,)).fetchone()
        for at in range(32):
            spoilt = head[:at] + bytes([head[at] ^ 128]) + head[at + 1 :]
            file.execute("UPDATE records SET head = ? WHERE seq = ?", (spoilt, seq))
            assert first_wrong(folder) == seq


@pytest.mark.parametrize(
    ("column", "value"),
    [("source", "virtual+agent"), ("source_key", "k99"), ("inspection", "j"), ("kind", "moved")],
)
def test_a_column_that_does_not_say_what_the_record_says_is_named(
    folder: Path, column: str, value: str
) -> None:
    with closing(open_up(folder)) as file:
        file.execute(f"UPDATE records SET {column} = ? WHERE seq = 7", (value,))
    assert first_wrong(folder) == 7
    assert f"column {column} of record 7" in said(verify_journal(folder, TRUST))


@pytest.mark.parametrize("seq", [1, 5, 13, COUNT])
def test_a_dropped_record_is_named(folder: Path, seq: int) -> None:
    with closing(open_up(folder)) as file:
        file.execute("DELETE FROM records WHERE seq = ?", (seq,))
    assert first_wrong(folder) == seq


def test_swapped_records_are_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        rows = dict(file.execute("SELECT seq, data FROM records WHERE seq IN (6, 7)"))
        file.execute("UPDATE records SET data = ? WHERE seq = 6", (rows[7],))
        file.execute("UPDATE records SET data = ? WHERE seq = 7", (rows[6],))
    assert first_wrong(folder) == 6
    assert "swapped or inserted" in said(verify_journal(folder, TRUST))


def relinked(file: sqlite3.Connection, first: int, change: Callable[[Any], Any]) -> None:
    """Rewrites record ``first`` and computes every later head anew: a chain that holds by itself."""
    before = file.execute("SELECT head FROM records WHERE seq = ?", (first - 1,)).fetchone()
    head = before[0] if before else genesis(NODE)
    for seq, data in file.execute(
        "SELECT seq, data FROM records WHERE seq >= ? ORDER BY seq", (first,)
    ).fetchall():
        if seq == first:
            data = msgspec.json.Encoder(order="sorted").encode(change(parse(data)))
        head = link(head, data)
        file.execute("UPDATE records SET data = ?, head = ? WHERE seq = ?", (data, head, seq))


def failed_it(record: Any) -> Any:
    return msgspec.structs.replace(record, at=record.at + timedelta(seconds=1))


@pytest.mark.parametrize("seq", [1, 10, 20, COUNT])
def test_a_rewritten_and_relinked_history_is_caught_by_its_signatures(folder: Path, seq: int) -> None:
    with closing(open_up(folder)) as file:
        relinked(file, seq, failed_it)
        due = min(s for (s,) in file.execute("SELECT seq FROM heads") if s >= seq)
    assert first_wrong(folder) == due


def test_signed_anew_with_another_key_it_is_caught_by_the_key_or_by_the_registrys_receipt(
    folder: Path,
) -> None:
    with closing(open_up(folder)) as file:
        relinked(file, 5, failed_it)
        heads = dict(file.execute("SELECT seq, head FROM records"))
        for (seq,) in file.execute("SELECT seq FROM heads").fetchall():
            signature = OTHER.sign(head_message(NODE, seq, heads[seq]))
            file.execute(
                "UPDATE heads SET head = ?, public_key = ?, signature = ? WHERE seq = ?",
                (heads[seq], OTHER.public, signature, seq),
            )
        first = min(seq for (seq,) in file.execute("SELECT seq FROM heads"))
    (folder / "journal.head").unlink()
    assert first_wrong(folder) == first
    assert "another key" in said(verify_journal(folder, TRUST))
    assert first_wrong(folder, Trust()) == 13, "no key is known, but the registry has seen record 13"


def test_a_thief_of_the_nodes_key_is_caught_by_what_the_registry_holds(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        relinked(file, 5, failed_it)
        heads = dict(file.execute("SELECT seq, head FROM records"))
        file.execute("DELETE FROM receipts")
        for (seq,) in file.execute("SELECT seq FROM heads").fetchall():
            signature = KEY.sign(head_message(NODE, seq, heads[seq]))
            file.execute(
                "UPDATE heads SET head = ?, signature = ? WHERE seq = ?", (heads[seq], signature, seq)
            )
        (text,) = file.execute("SELECT note FROM checkpoints").fetchone()
    (folder / "journal.head").unlink()
    assert first_wrong(folder) == 13, "the root that the registry cosigned"
    checkpoint = note.checkpoint_of(note.parse(text))
    with closing(open_up(folder)) as file:
        file.execute("DELETE FROM checkpoints")
    assert verify_journal(folder, TRUST).holds, "nothing in the file speaks against it any more"
    seen = Witness(seq=13, root=checkpoint.root, where="the auditor's copy")
    assert first_wrong(folder, Trust(keys=(KEY.public,), witnesses=(seen,))) == 13


def test_inserted_records_are_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        row = file.execute("SELECT * FROM records WHERE seq = ?", (COUNT,)).fetchone()
        data = row[5].replace(f'"seq":{COUNT}'.encode(), f'"seq":{COUNT + 1}'.encode())
        data = data.replace(f'"k{COUNT - 1}"'.encode(), b'"extra"')
        values = (COUNT + 1, row[1], "extra", row[3], row[4], data, link(row[6], data))
        file.execute("INSERT INTO records VALUES (?,?,?,?,?,?,?)", values)
    findings = verify_journal(folder, TRUST)
    assert "the last 1 records are not signed yet" in said(findings), "as young as the last signature"
    with closing(open_up(folder)) as file:
        late = data.replace(b"2026-11-24T08", b"2026-11-24T09")
        file.execute(
            "UPDATE records SET data = ?, head = ? WHERE seq = ?", (late, link(row[6], late), COUNT + 1)
        )
    assert first_wrong(folder) == COUNT + 1


def test_a_changed_signature_receipt_or_checkpoint_is_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        (text,) = file.execute("SELECT note FROM checkpoints").fetchone()
        file.execute("UPDATE checkpoints SET note = ?", (text.replace("\n13\n", "\n12\n"),))
        assert first_wrong(folder) == 12
        file.execute("UPDATE checkpoints SET note = ?", (text,))
        assert verify_journal(folder, TRUST).holds
        (data,) = file.execute("SELECT data FROM receipts").fetchone()
        other = msgspec.json.decode(data)
        other["countersignature"] = OTHER.sign(b"something else")
        file.execute("UPDATE receipts SET data = ?", (msgspec.json.encode(other),))
        assert first_wrong(folder) == 13
        file.execute("UPDATE receipts SET data = ?", (data,))
        file.execute(
            "UPDATE heads SET signature = (SELECT signature FROM heads LIMIT 1) WHERE seq = ?", (COUNT,)
        )
        assert first_wrong(folder) == COUNT


# ---- older copies --------------------------------------------------------------------------------


def test_yesterdays_copy_is_caught_by_the_mark_by_a_witness_and_by_its_own_receipts(tmp_path: Path) -> None:
    asyncio.run(_write(tmp_path / "node"))
    yesterday = (tmp_path / "node" / "journal.sqlite").read_bytes()
    asyncio.run(_write(tmp_path / "node", 10, first=COUNT))
    mark = (tmp_path / "node" / "journal.head").read_bytes()
    (tmp_path / "node" / "journal.sqlite").write_bytes(yesterday)
    assert first_wrong(tmp_path / "node") == COUNT + 1
    (tmp_path / "node" / "journal.head").unlink()
    assert verify_journal(tmp_path / "node", TRUST).holds, "nothing beside it tells"
    held = msgspec.json.decode(mark)
    seen = Witness(seq=held["seq"], head=held["head"], where="the centre")
    assert first_wrong(tmp_path / "node", Trust(keys=(KEY.public,), witnesses=(seen,))) == COUNT + 1
    assert "older copy" in said(
        verify_journal(tmp_path / "node", Trust(keys=(KEY.public,), witnesses=(seen,)))
    )


def test_a_lost_volume_is_named(tmp_path: Path) -> None:
    asyncio.run(_write(tmp_path, 30, roll=8))
    shutil.copytree(tmp_path, tmp_path.with_name("without-2"))
    (tmp_path.with_name("without-2") / "journal-2.sqlite").unlink()
    assert first_wrong(tmp_path.with_name("without-2")) == 9
    shutil.copytree(tmp_path, tmp_path.with_name("without-last"))
    (tmp_path.with_name("without-last") / "journal-5.sqlite").unlink()
    assert first_wrong(tmp_path.with_name("without-last")) == 33


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
    folder: Path, seed: int
) -> None:
    dice = random.Random(seed)
    path = folder / "journal.sqlite"
    content = bytearray(path.read_bytes())
    at = dice.randrange(100, len(content))
    if seed % 2:
        del content[at:]
    else:
        size = dice.choice([1, 16, 4096])
        content[at : at + size] = os.urandom(size)
    changed = bytes(content) != path.read_bytes()
    path.write_bytes(content)
    findings = verify_journal(folder, TRUST)
    # SQLite keeps unused space between the rows of a page: a change there changes no fact
    assert not findings.holds or (changed and _facts(path) == _facts_before(folder)), findings.good


def _facts(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as file:
        return [
            row
            for table in ("records", "receipts", "heads", "checkpoints")
            for row in file.execute(f"SELECT * FROM {table}")
        ]


def _facts_before(folder: Path) -> list[tuple[Any, ...]]:
    return _TRUE[0] if _TRUE else []


_TRUE: list[list[tuple[Any, ...]]] = []


@pytest.fixture(autouse=True, scope="module")
def _true_facts(written: Path) -> None:
    _TRUE[:] = [_facts(written / "journal.sqlite")]


def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no database at all" * 100)
    for target in (tmp_path, tmp_path / "nothing"):
        findings = verify_journal(target, TRUST)
        assert not findings.holds and "cannot be read" in said(findings)

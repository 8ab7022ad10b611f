"""Every change of a journal is named by the verifier, with the first record that does not hold."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from central_sync import batch as wire
from central_sync import note
from central_sync.seal import head_message, receipt_message
from central_sync.trust import Seen, Trust
from central_sync.verify import verify_journal
from lanes.record import (
    Judged,
    canonical,
    genesis,
    kind_of,
    link,
    parse,
)
from tests.central_parts import STEADY
from tests.verify_parts import (
    COUNT,
    KEY,
    NODE,
    OTHER,
    SENSED,
    SITE,
    TRUST,
    first_wrong,
    folder,
    open_up,
    said,
    written,
)

__all__ = ["folder", "written"]  # fixtures

pytestmark = pytest.mark.slow

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


SEQS = st.integers(1, COUNT)
CHANGES = st.one_of(
    st.tuples(st.just("flip"), SEQS, st.integers(0, 10_000)),
    st.tuples(st.just("head"), SEQS, st.integers(0, 31)),
    st.tuples(st.just("drop"), SEQS, st.just(0)),
    st.tuples(st.just("swap"), SEQS, SEQS).filter(lambda change: change[1] != change[2]),
    st.tuples(st.just("copy"), SEQS, SEQS).filter(lambda change: change[1] != change[2]),
)


def spoil(rows: dict[int, list[bytes]], change: tuple[str, int, int]) -> None:
    """Does one change to (data, head) by number."""
    kind, seq, other = change
    if kind in ("flip", "head"):
        part = 0 if kind == "flip" else 1
        raw = bytearray(rows[seq][part])
        raw[other % len(raw)] ^= 1 << other % 8
        rows[seq][part] = bytes(raw)
    elif kind == "drop":
        del rows[seq]
    elif kind == "swap":
        rows[seq], rows[other] = rows[other], rows[seq]
    else:
        rows[seq] = list(rows[other])


@settings(STEADY, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(CHANGES, min_size=1, max_size=3, unique_by=lambda change: change[1]))
def test_of_any_changes_the_first_is_named(
    written: Path, tmp_path: Path, changes: list[tuple[str, int, int]]
) -> None:
    folder = tmp_path / "node"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(written / "journal.sqlite", folder)
    shutil.copy(written / "journal.head", folder)
    with closing(open_up(folder)) as file:
        true = {seq: [data, head] for seq, data, head in file.execute("SELECT seq, data, head FROM records")}
        rows = {seq: list(row) for seq, row in true.items()}
        for change in changes:
            if change[1] in rows and (change[0] not in ("swap", "copy") or change[2] in rows):
                spoil(rows, change)
        first = next((seq for seq in sorted(true) if rows.get(seq) != true[seq]), None)
        for seq in true:
            if seq in rows:
                file.execute("UPDATE records SET data = ?, head = ? WHERE seq = ?", (*rows[seq], seq))
            else:
                file.execute("DELETE FROM records WHERE seq = ?", (seq,))
    findings = verify_journal(folder, TRUST)
    assert (findings.bad[0].seq if findings.bad else None) == first


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
    seen = Seen(seq=13, root=checkpoint.root, where="the auditor's copy")
    assert first_wrong(folder, Trust(keys=(KEY.public,), witnesses=(seen,))) == 13


def added(file: sqlite3.Connection, body: Any, tick_ms: int = 0) -> None:
    """One more record at the end, linked as it should be; nobody has signed it."""
    seq, data, head = file.execute("SELECT seq, data, head FROM records ORDER BY seq DESC LIMIT 1").fetchone()
    last = parse(data)
    record = msgspec.structs.replace(
        last, seq=seq + 1, tick_ms=last.tick_ms + tick_ms, source_key=f"added{seq}", body=body
    )
    data = canonical(record)
    values = (seq + 1, "agent", record.source_key, "i", kind_of(body), data, link(head, data))
    file.execute("INSERT INTO records VALUES (?,?,?,?,?,?,?)", values)


def test_an_added_verdict_is_never_taken_for_one_that_is_not_signed_yet(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        added(file, Judged(verdict="pass", findings=(), rules="r", rules_sha256="1" * 64))
    assert first_wrong(folder) == COUNT + 1


def test_records_of_the_last_moment_are_said_to_be_vouched_for_by_nobody(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        added(file, SENSED, tick_ms=3_600_000)
        findings = verify_journal(folder, TRUST)
        assert findings.holds, "the first record after a quiet hour, then a power cut"
        assert "the last 1 records, from 25 on, are not signed yet" in said(findings)
        added(file, SENSED, tick_ms=11_000)
        assert first_wrong(folder) == COUNT + 1, "eleven seconds of writing without a signature"


def test_a_record_put_in_between_is_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        for table, column in (("records", "seq"), ("heads", "seq")):
            file.execute(f"UPDATE {table} SET {column} = -{column} WHERE {column} >= 9")
            file.execute(f"UPDATE {table} SET {column} = 1 - {column} WHERE {column} < 0")
        row = file.execute("SELECT * FROM records WHERE seq = 8").fetchone()
        file.execute("INSERT INTO records VALUES (9,?,'extra',?,?,?,?)", (row[1], *row[3:]))
    assert first_wrong(folder) == 9
    assert "swapped or inserted" in said(verify_journal(folder, TRUST))


@pytest.mark.parametrize("seq", [0, -7])
def test_a_record_before_the_first_is_named(folder: Path, seq: int) -> None:
    with closing(open_up(folder)) as file:
        file.execute(
            "INSERT INTO records SELECT ?, source, 'extra', inspection, kind, data, head FROM records "
            "WHERE seq = 1",
            (seq,),
        )
    assert first_wrong(folder) == 1


def test_any_changed_byte_of_a_signed_head_is_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        seqs = [seq for (seq,) in file.execute("SELECT seq FROM heads ORDER BY seq")]
        for seq in (seqs[0], seqs[-1]):
            for column in ("head", "public_key", "signature"):
                (true,) = file.execute(f"SELECT {column} FROM heads WHERE seq = ?", (seq,)).fetchone()
                raw = true.encode() if isinstance(true, str) else true
                for at in range(len(raw)):
                    spoilt: Any = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
                    spoilt = spoilt.decode() if isinstance(true, str) else spoilt
                    file.execute(f"UPDATE heads SET {column} = ? WHERE seq = ?", (spoilt, seq))
                    assert first_wrong(folder) == seq, (column, at)
                file.execute(f"UPDATE heads SET {column} = ? WHERE seq = ?", (true, seq))
    assert verify_journal(folder, TRUST).holds


def test_a_signature_under_another_number_is_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        first, second = (seq for (seq,) in file.execute("SELECT seq FROM heads ORDER BY seq LIMIT 2"))
        file.execute("DELETE FROM heads WHERE seq = ?", (second,))
        file.execute("UPDATE heads SET seq = ? WHERE seq = ?", (second, first))
        assert first_wrong(folder) == second
        file.execute("UPDATE heads SET seq = ? WHERE seq = ?", (COUNT + 5, second))
        assert first_wrong(folder) == COUNT + 1, "signed beyond the end"


def test_any_changed_field_of_a_receipt_is_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        (data,) = file.execute("SELECT data FROM receipts").fetchone()
        true = msgspec.json.decode(data)
        changes: list[tuple[dict[str, Any], int | None]] = [
            ({"countersignature": OTHER.sign(b"something else")}, 13),
            ({"countersignature": ""}, 13),
            ({"registry_key": OTHER.public}, 13),
            ({"head": "0" * 64}, 13),
            ({"accepted_through": 14}, 14),
            ({"accepted_through": 12}, None),
            ({"node": "node-2"}, None),
            ({"head": "nonsense"}, None),
        ]
        for change, seq in changes:
            file.execute("UPDATE receipts SET data = ?", (msgspec.json.encode(true | change),))
            assert first_wrong(folder) == seq, change
        for nonsense in (b"", "text", 7, None):
            file.execute("DROP TABLE receipts")
            file.execute("CREATE TABLE receipts (id, destination, through_seq, received_at, data)")
            file.execute("INSERT INTO receipts VALUES (1, 'centre', 13, 'x', ?)", (nonsense,))
            assert first_wrong(folder) is None


def test_a_receipt_that_names_another_head_is_caught_without_any_key(folder: Path) -> None:
    head = b"1" * 32
    forged = wire.Receipt(
        site=SITE, node=NODE, accepted_through=13, head=head.hex(), stored=13, duplicates=0,
        registry_key=OTHER.public, countersignature=OTHER.sign(receipt_message(NODE, 13, head)),
    )  # fmt: skip
    with closing(open_up(folder)) as file:
        file.execute("UPDATE receipts SET data = ?", (wire.encode_receipt(forged),))
    assert first_wrong(folder, Trust()) == 13


def test_a_changed_checkpoint_is_named(folder: Path) -> None:
    with closing(open_up(folder)) as file:
        (text,) = file.execute("SELECT note FROM checkpoints").fetchone()
        for old, new, seq in (
            ("\n13\n", "\n12\n", 12),
            ("\n13\n", "\n30\n", COUNT + 1),
            ("chayan/site-1/node-1\n13", "chayan/site-2/node-1\n13", 13),
            ("\n13\n", "\nthirteen\n", None),
        ):
            assert old in text
            file.execute("UPDATE checkpoints SET note = ?", (text.replace(old, new, 1),))
            assert first_wrong(folder) == seq
        file.execute("UPDATE checkpoints SET note = ?", (text,))
        assert verify_journal(folder, TRUST).holds


@pytest.mark.parametrize("value", [None, 7, "text", b"", 1.5])
@pytest.mark.parametrize("column", ["data", "head", "source", "kind"])
def test_columns_of_any_type_break_no_verifier(folder: Path, column: str, value: Any) -> None:
    with closing(open_up(folder)) as file:
        columns = "seq, source, source_key, inspection, kind, data, head"
        file.execute(f"CREATE TABLE loose AS SELECT {columns} FROM records")
        file.execute("DROP TABLE records")
        file.execute("ALTER TABLE loose RENAME TO records")
        file.execute(f"UPDATE records SET {column} = ? WHERE seq = 5", (value,))
    assert first_wrong(folder) == 5

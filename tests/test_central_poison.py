"""Records that a registry cannot read, or never gets: the rest is held, in both databases."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from central_sync import batch as b
from central_sync import merkle, note
from central_sync.evidence import verify_evidence
from central_sync.registry import fold, runs, tables
from central_sync.registry.accept import Policy, accept
from central_sync.registry.api import build_app
from central_sync.registry.checkpoints import cosign
from central_sync.registry.detail import detail
from central_sync.registry.engines import open_engine
from central_sync.registry.evidence import evidence
from central_sync.registry.problems import Rejected
from central_sync.registry.proof import proof
from central_sync.registry.schema import prepare
from central_sync.registry.search import find, stats
from central_sync.seal import NodeKey, head_message
from central_sync.trust import Trust
from lanes import record as r
from tests.central_parts import Lane, Serving, dsn, engine, enrolled, settings_for
from tests.held_parts import rewrite
from tests.test_central_accept import counts, held, rejected, sent

__all__ = ["dsn", "engine"]  # fixtures
TAKES = Policy(allow_simulated=True)
SHA = "5" * 64


def noted(engine: sa.Engine, table: sa.Table) -> dict[int, Any]:
    """Rows of a table by their number."""
    with engine.connect() as connection:
        return {row.seq: row for row in connection.execute(sa.select(table))}


def numbers(engine: sa.Engine) -> tuple[int, int, int]:
    """(records held, unread, withheld) as the registry itself says."""
    (node,) = stats(engine)["nodes"]
    return node["records"], node["unread"], node["withheld"]


# ---- what cannot be read -------------------------------------------------------------------------

POISON: dict[str, r.AnyBody] = {
    "size": r.Photographed(shot="0111", photo=SHA, size_bytes=2**63),
    "smaller": r.Photographed(shot="0111", photo=SHA, size_bytes=-(2**70)),
    "number": r.Directed(number=2**64, subject="order", version="1", sha256=SHA, outcome="taken"),
}


@pytest.mark.parametrize("poison", POISON)
def test_a_record_that_the_database_will_not_have_is_held_and_the_rest_is_indexed(
    engine: sa.Engine, poison: str, caplog: pytest.LogCaptureFixture
) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    bad = lane.write(POISON[poison], "a1")
    lane.inspect("a2")
    with caplog.at_level(logging.WARNING, "chayan.registry"):
        receipt = accept(engine, lane.batch(), TAKES)
    assert (receipt.stored, receipt.refused, receipt.head) == (23, [], lane.head.hex())
    assert held(engine, lane) == sent(lane) and numbers(engine) == (23, 1, 0)
    assert list(noted(engine, tables.unread)) == [bad]
    assert f"record {bad} of {lane.site}/{lane.node} is held, but could not be read" in caplog.text
    assert [each["inspection"] for each in find(engine)["inspections"]] == ["a2", "a1"]
    shown = detail(engine, "a1", lane.node)
    assert (shown["verdict"], shown["records"][-1]["seq"]) == ("pass", bad)
    proven = proof(engine, "a1", lane.node)
    assert (proven["ok"], proven["unread"], len(proven["rows"])) == (True, 1, 12)
    assert "could not read" in proven["says"]["en"]
    assert accept(engine, lane.batch(), TAKES).duplicates == 23
    assert numbers(engine) == (23, 1, 0)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_many_of_them_anywhere_in_a_batch_leave_all_others_as_they_are(engine: sa.Engine, count: int) -> None:
    lane = enrolled(engine, Lane())
    bad = []
    for number in range(count):
        if number % 2:
            lane.inspect(f"b{number}")
        bad.append(lane.write(POISON["size"], f"b{number}"))
        bad.append(lane.write(POISON["number"]))
    lane.inspect("last")
    assert accept(engine, lane.batch(1, 3), TAKES).accepted_through == 3
    assert accept(engine, lane.batch(), TAKES).refused == []
    assert held(engine, lane) == sent(lane) and sorted(noted(engine, tables.unread)) == bad
    assert proof(engine, "last", lane.node)["ok"]


def test_a_fold_that_fails_leaves_its_record_unread(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lane, honest = enrolled(engine, Lane()), fold.take
    lane.inspect("a1")

    def broken(summary: dict[str, Any], row: fold.Read, body: r.AnyBody | None) -> None:
        summary["plate"] = "half done"
        if isinstance(body, r.Judged):
            raise KeyError("a mistake in our code")
        honest(summary, row, body)
        summary["plate"] = None

    monkeypatch.setattr(fold, "take", broken)
    receipt = accept(engine, lane.batch(), TAKES)
    assert (receipt.stored, receipt.refused) == (11, []) and held(engine, lane) == sent(lane)
    ((seq, why),) = ((row.seq, row.why) for row in noted(engine, tables.unread).values())
    assert seq == 10 and "a mistake in our code" in why and "a mistake" in caplog.text
    (listed,) = find(engine)["inspections"]
    assert (listed["records"], listed["verdict"], listed["plate"]) == (11, None, None)
    assert proof(engine, "a1", lane.node)["ok"]
    monkeypatch.undo()
    assert proof(engine, "a1", lane.node)["says"]["en"].startswith("Not proven: the list"), "the plate"


def test_a_fold_that_fails_whatever_it_is_given_costs_the_record_its_columns_only(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, honest = enrolled(engine, Lane()), fold.take
    lane.inspect("a1")

    def broken(summary: dict[str, Any], row: fold.Read, body: r.AnyBody | None) -> None:
        assert row.seq != 8, "a mistake in our code"
        honest(summary, row, body)

    monkeypatch.setattr(fold, "take", broken)
    assert accept(engine, lane.batch(), TAKES).stored == 11
    assert held(engine, lane) == sent(lane) and list(noted(engine, tables.unread)) == [8]
    (row,) = find(engine)["inspections"]
    assert row["records"] == 10
    monkeypatch.undo()
    proven = proof(engine, "a1", lane.node)
    assert (proven["ok"], proven["checked"], len(proven["rows"])) == (True, 11, 10)


def test_a_reader_that_fails_is_no_way_to_lose_a_record(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")

    def broken(source: str) -> bool:
        raise TypeError("a mistake in our code")

    monkeypatch.setattr(fold, "is_simulated", broken)
    assert accept(engine, lane.batch(), TAKES).stored == 11
    assert held(engine, lane) == sent(lane) and len(noted(engine, tables.unread)) == 11


def test_nul_in_what_a_node_says_of_directives_does_not_stop_the_chain(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    for number, (subject, why) in enumerate([("or\0der", "x"), ("order", "a\0b")], 1):
        said = {"number": number, "subject": subject, "version": "1\0", "sha256": SHA, "why": why}
        lane.write(r.Directed(outcome="refused", **said))
    assert accept(engine, lane.batch(), TAKES).stored == 2
    assert numbers(engine) == (2, 0, 0)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_moment_of_time_can_be_written_and_read_back(
    engine: sa.Engine, at: str
) -> None:
    """PostgreSQL, in a time zone east of UTC, showed the last day of 9999 as one of the year 10000."""
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    data = lane.rows[0].data
    lane.rows.clear()
    lane.write_bytes(data.replace(b"2026-11-22T08:00:01Z", at.encode()))
    lane.write(r.Moved(lane="1", station=""), "a1")
    accept(engine, lane.batch(1, 1), TAKES)
    assert accept(engine, lane.batch(2), TAKES).stored == 1
    assert find(engine)["inspections"][0]["inspection"] == "a1"
    assert proof(engine, "a1", lane.node)["ok"] and numbers(engine) == (2, 0, 0)


@pytest.mark.parametrize("table", ["runs", "inspections", "photos", "nodes"])
def test_a_database_that_cannot_work_holds_nothing_and_says_so(engine: sa.Engine, table: str) -> None:
    """A lost table is no fault of a record, on neither engine: the whole batch must come again."""
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    with pytest.raises(sa.exc.DBAPIError):
        accept(engine, lane.batch(), TAKES)
    with engine.begin() as connection:
        connection.execute(sa.text(f"ALTER TABLE elsewhere RENAME TO {table}"))
    assert set(counts(engine).values()) == {0, 1}, "the node and its key, nothing else"
    assert accept(engine, lane.batch(), TAKES).stored == 11 and numbers(engine) == (11, 0, 0)


def test_a_full_disk_holds_nothing_and_costs_no_record_its_columns(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'r.sqlite'}")
    prepare(engine)
    lane = enrolled(engine, Lane())
    for at in range(60):
        lane.inspect(f"i{at}")
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() + 4

    def limit(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    engine.dispose()
    sa.event.listen(engine, "connect", limit)
    with pytest.raises(sa.exc.OperationalError, match="full"):
        accept(engine, lane.batch(), TAKES)
    engine.dispose()
    sa.event.remove(engine, "connect", limit)
    assert numbers(engine) == (0, 0, 0) and held(engine, lane) == []
    assert accept(engine, lane.batch(), TAKES).stored == 660 and numbers(engine) == (660, 0, 0)
    engine.dispose()


def test_one_record_more_costs_no_statement_more(engine: sa.Engine) -> None:
    seen: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    spent = []
    for count in (1, 9):
        lane = enrolled(engine, Lane())
        for at in range(count):
            lane.inspect(f"{count}-{at}")
        seen.clear()
        accept(engine, lane.batch(), TAKES)
        spent.append(len(seen))
        for table in ("runs", "inspections", "photos"):
            assert sum(text.startswith(f"INSERT INTO {table} ") for text in seen) == 1
    assert spent[0] == spent[1]


# ---- what is withheld ----------------------------------------------------------------------------


def kept_back(lane: Lane, seq: int) -> b.Batch:
    return b.withhold(lane.batch(seq, seq), lane.key)


def joined(lane: Lane, *seqs: int) -> b.Batch:
    """All records in one batch, those of ``seqs`` withheld."""
    whole = lane.batch()
    records = [
        kept_back(lane, seq).records[0] if seq in seqs else each for seq, each in enumerate(whole.records, 1)
    ]
    return msgspec.structs.replace(whole, records=records)


def test_what_stands_for_a_record_travels_and_an_older_registry_refuses_it_cleanly() -> None:
    lane = Lane()
    lane.inspect("a1")
    batch = joined(lane, 3)
    again = b.decode_batch(b.encode_batch(batch))
    assert again == batch and b.check(again) == [] and list(again.withheld()) == [3]
    assert b.heads_of(again, b.raw_records(again)) == [row.head for row in lane.rows]
    stands = again.withheld()[3]
    assert (stands.size, stands.head) == (len(lane.rows[2].data), lane.rows[2].head.hex())

    class Older(msgspec.Struct):
        records: list[str]

    with pytest.raises(msgspec.ValidationError, match=r"Expected `str`, got `object` - at `\$.records"):
        msgspec.json.decode(msgspec.json.encode(batch), type=Older)


@pytest.mark.parametrize("seqs", [(1,), (5,), (11,), (4, 5, 6), (1, 3, 11), tuple(range(1, 12))])
def test_a_withheld_record_keeps_its_place_and_is_named_each_time(
    engine: sa.Engine, seqs: tuple[int, ...]
) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    receipt = accept(engine, joined(lane, *seqs), TAKES)
    assert (receipt.stored, receipt.head) == (11 - len(seqs), lane.head.hex())
    assert tuple(each.seq for each in receipt.refused) == seqs
    assert all(each.why.startswith("withheld by the node: ") for each in receipt.refused)
    assert held(engine, lane) == [(s, b"" if s in seqs else d, h) for s, d, h in sent(lane)]
    assert numbers(engine) == (11 - len(seqs), 0, len(seqs))
    for again in (joined(lane, *seqs), lane.batch(), *(kept_back(lane, seq) for seq in seqs)):
        refused = accept(engine, again, TAKES).refused
        assert [each.seq for each in refused] == [s for s in seqs if again.first_seq <= s <= again.last_seq]
    assert numbers(engine) == (11 - len(seqs), 0, len(seqs))


def test_bytes_that_are_held_stay_whatever_is_said_of_them_later(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    accept(engine, lane.batch(1, 6), TAKES)
    receipt = accept(engine, joined(lane, 2, 6, 7), TAKES)
    assert [each.seq for each in receipt.refused] == [7] and numbers(engine) == (10, 0, 1)
    assert held(engine, lane) == [(s, b"" if s == 7 else d, h) for s, d, h in sent(lane)]


def test_nobody_on_the_way_makes_a_withheld_record_or_changes_one(engine: sa.Engine) -> None:
    """All but the node's key is known to whoever carries a batch, who could sign nothing in its name."""
    lane, other, change = enrolled(engine, Lane()), Lane(), msgspec.structs.replace
    lane.inspect("a1")
    good, batch = kept_back(lane, 4).withheld()[4], joined(lane, 4, 5)
    foreign = b.withhold(lane.batch(4, 4), other.key).withheld()[4]
    for false in (
        foreign, change(good, size=good.size + 1), change(good, withheld=SHA), change(good, head=SHA),
        change(good, signature=lane.batch(4, 4).signature), kept_back(lane, 5).withheld()[5],
    ):  # fmt: skip
        records = [false if seq == 4 else each for seq, each in enumerate(batch.records, 1)]
        rejected("bad-signature", engine, change(batch, records=records))
        assert any("withheld" in each for each in b.check(change(batch, records=records)))
    assert accept(engine, batch, TAKES).accepted_through == 11


def claiming(lane: Lane, first: int, *heads: str) -> b.Batch:
    """What the holder of the node's key could send: withheld records whose heads are named at will."""
    change, last = msgspec.structs.replace, first + len(heads) - 1
    stands = [
        b.withhold(change(lane.batch(seq, seq), head=head), lane.key).records[0]
        for seq, head in enumerate(heads, first)
    ]
    signature = lane.key.sign(head_message(lane.node, last, bytes.fromhex(heads[-1])))
    return change(lane.batch(first, last), head=heads[-1], signature=signature, records=stands)


def test_a_link_that_can_be_checked_is_not_broken_by_withholding(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    whole = lane.batch()
    records = [*whole.records[:3], *claiming(lane, 4, SHA).records, *whole.records[4:]]
    rejected("broken-chain", engine, msgspec.structs.replace(whole, records=records))
    accept(engine, lane.batch(1, 7), TAKES)
    right = lane.rows[6].head.hex()
    assert rejected("conflict", engine, claiming(lane, 4, SHA)).body["seq"] == 4
    assert rejected("conflict", engine, claiming(lane, 6, SHA, right)).body["seq"] == 6
    assert rejected("conflict", engine, claiming(lane, 7, SHA, SHA)).body["seq"] == 7
    assert held(engine, lane) == sent(lane)[:7]


def checkpoint(lane: Lane) -> str:
    """The node's own checkpoint over all its records."""
    tree = merkle.Frontier()
    for row in lane.rows:
        tree.append(row.head)
    origin = note.origin_of(lane.site, lane.node)
    text = str(note.Checkpoint(origin=origin, size=len(lane.rows), root=tree.root()))
    return str(note.signed(note.Note(text=text, signatures=()), origin, lane.key))


def test_a_false_word_of_the_nodes_key_shows_at_the_next_checkpoint(engine: sa.Engine) -> None:
    """The one link that nobody but the node can check: two histories joined there are found out later."""
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    accept(engine, lane.batch(1, 7), TAKES)
    assert accept(engine, claiming(lane, 8, SHA), TAKES).head == SHA
    assert rejected("conflict", engine, lane.batch(9)).body["seq"] == 8
    lane.rows = lane.rows[:8]
    with pytest.raises(Rejected) as caught:
        cosign(engine, NodeKey.generate(), lane.site, lane.node, checkpoint(lane))
    assert caught.value.code == "other-root"


def test_proof_says_what_a_withheld_record_leaves_open(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    accept(engine, joined(lane, 8), TAKES)
    proven = proof(engine, "a1", lane.node)
    assert (proven["ok"], proven["checked"], proven["refused"], proven["withheld"]) == (True, 10, 1, 1)
    assert "the node's word alone" in proven["says"]["en"] and "none was changed" not in proven["says"]["en"]
    assert [row["seq"] for row in proven["rows"]] == [1, 2, 3, 4, 5, 6, 7, 9, 10, 11]
    with engine.begin() as connection:  # somebody makes a withheld one of a record that was held
        nine = lane.rows[8]
        rewrite(
            connection, lane.node, 9,
            runs.Withheld("withheld", "0" * 64, nine.head.hex(), 1, lane.key.sign(b"another")),
        )  # fmt: skip
    assert proof(engine, "a1", lane.node)["says"]["en"].startswith("Not proven: the chain")


def test_checkpoints_and_evidence_hold_around_a_withheld_record(engine: sa.Engine) -> None:
    lane, registry = enrolled(engine, Lane()), NodeKey.generate()
    lane.inspect("a1")
    accept(engine, joined(lane, 4, 5), TAKES)
    with pytest.raises(Rejected, match="next checkpoint"):
        evidence(engine, "a1", lane.node, registry.public)
    cosign(engine, registry, lane.site, lane.node, checkpoint(lane))
    shown = evidence(engine, "a1", lane.node, registry.public)
    assert [each["seq"] for each in shown["records"]] == [1, 2, 3, 6, 7, 8, 9, 10, 11]
    found = verify_evidence("x", msgspec.json.encode(shown), Trust(keys=(lane.key.public,)))
    assert found.holds, found.bad


def test_the_routes_take_it_and_count_it(dsn: str, tmp_path: Path) -> None:
    lane = Lane()
    lane.inspect("a1")
    bad = lane.write(POISON["size"], "a1")

    async def scene(url: str) -> None:
        async with httpx.AsyncClient(base_url=url) as client:
            for batch in (joined(lane, 2), lane.batch(bad, bad)):
                headers = {"Content-Encoding": "zstd"}
                body = b.encode_batch(batch)
                assert (await client.post("/v1/batches", content=body, headers=headers)).status_code == 200
            (node,) = (await client.get("/v1/stats")).json()["nodes"]
            assert (node["through"], node["records"], node["unread"], node["withheld"]) == (12, 11, 1, 1)
            shown = (await client.get("/v1/inspections/a1/proof")).json()
            assert (shown["ok"], shown["unread"], shown["withheld"]) == (True, 1, 1)

    with Serving(build_app(settings_for(dsn, tmp_path, lane))) as served:
        asyncio.run(scene(served.url))

"""accept: any number of times, in any overlap, from anyone, on SQLite and on a real PostgreSQL."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from central_sync import batch as b
from central_sync.registry import fold, tables
from central_sync.registry.accept import Policy, accept
from central_sync.registry.engines import DsnError, close, open_engine, writing
from central_sync.registry.nodes import enroll, standing
from central_sync.registry.problems import Rejected
from central_sync.registry.schema import prepare
from central_sync.seal import NodeKey, receipt_message, verify
from lanes import inspection as lane_fold
from lanes import record as r
from tests.central_parts import Lane, digest, dsn, dsn_of, engine, enrolled, photo, prepared_together
from tests.held_parts import entries_of

__all__ = ["dsn", "engine"]  # fixtures
TAKES_ALL = Policy(allow_simulated=True)


def rejected(code: str, engine: sa.Engine, batch: b.Batch, policy: Policy = TAKES_ALL) -> Rejected:
    """The rejection of a batch, which must be ``code`` and leave nothing behind."""
    before = counts(engine)
    with pytest.raises(Rejected) as caught:
        accept(engine, batch, policy)
    assert caught.value.code == code
    assert counts(engine) == before
    return caught.value


def counts(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            t.name: connection.execute(sa.select(sa.func.count()).select_from(t)).scalar_one()
            for t in tables.metadata.sorted_tables
        }


def held(engine: sa.Engine, lane: Lane) -> list[tuple[int, bytes, bytes]]:
    with engine.connect() as connection:
        return [(each.seq, each.data, each.head) for each in entries_of(connection, lane.node)]


def sent(lane: Lane) -> list[tuple[int, bytes, bytes]]:
    return [(row.seq, row.data, row.head) for row in lane.rows]


def test_a_batch_is_held_once_however_often_it_comes(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    first = accept(engine, lane.batch(), TAKES_ALL)
    assert (first.stored, first.duplicates, first.accepted_through) == (11, 0, 11)
    assert first.head == lane.head.hex() and first.wanted == [digest(photo("a1"))]
    after = counts(engine)
    for _ in range(3):
        again = accept(engine, lane.batch(), TAKES_ALL)
        assert (again.stored, again.duplicates, again.head) == (0, 11, first.head)
    assert counts(engine) == after
    assert held(engine, lane) == sent(lane)


def test_overlap_stores_only_what_is_new(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    lane.inspect("a2")
    accept(engine, lane.batch(1, 7), TAKES_ALL)
    receipt = accept(engine, lane.batch(4, 15), TAKES_ALL)
    assert (receipt.stored, receipt.duplicates, receipt.accepted_through) == (8, 4, 15)
    older = accept(engine, lane.batch(2, 5), TAKES_ALL)
    assert (older.stored, older.accepted_through, older.head) == (0, 15, lane.rows[14].head.hex())
    accept(engine, lane.batch(16), TAKES_ALL)
    assert held(engine, lane) == sent(lane)


def test_a_gap_names_where_to_send_from(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    assert rejected("gap", engine, lane.batch(3)).body["expected"] == 1
    accept(engine, lane.batch(1, 4), TAKES_ALL)
    gap = rejected("gap", engine, lane.batch(7))
    assert (gap.status, gap.body["expected"], gap.body["head"]) == (409, 5, lane.rows[3].head.hex())


def test_the_same_number_with_other_bytes_is_a_conflict(engine: sa.Engine) -> None:
    lane, forged = enrolled(engine, Lane()), Lane()
    lane.inspect("a1")
    accept(engine, lane.batch(1, 8), TAKES_ALL)
    forged.site, forged.node, forged.key = lane.site, lane.node, lane.key
    for row in lane.rows[:4]:
        forged.write_bytes(row.data)
    forged.inspect("zz")
    assert rejected("conflict", engine, forged.batch(1, 7)).body["seq"] == 5
    assert rejected("conflict", engine, forged.batch(3, 12)).body["seq"] == 5
    assert rejected("conflict", engine, forged.batch(9)).body["seq"] == 8
    assert held(engine, lane) == sent(lane)[:8]


def test_broken_chains_and_foreign_seals_are_turned_down(engine: sa.Engine) -> None:
    lane, replace = enrolled(engine, Lane()), msgspec.structs.replace
    lane.inspect("a1")
    good = lane.batch()
    stranger = Lane(lane.node)
    stranger.rows = lane.rows
    rejected("broken-chain", engine, replace(good, records=[*good.records[:-1], good.records[-1] + " "]))
    rejected("broken-chain", engine, replace(good, prev_head="0" * 64))
    rejected("bad-signature", engine, replace(good, signature=stranger.key.sign(b"x")))
    rejected("bad-signature", engine, replace(good, public_key=stranger.key.public))
    rejected("bad-signature", engine, replace(good, first_seq=2))
    rejected("other-key", engine, stranger.batch())
    rejected("malformed", engine, replace(good, node="No Node"))


def test_an_unknown_node_or_site_is_turned_down(engine: sa.Engine) -> None:
    stranger = Lane()
    stranger.inspect("a1")
    assert rejected("unknown-node", engine, stranger.batch()).status == 403
    enroll(engine, "site-2", stranger.node, stranger.key.public, True)
    rejected("unknown-node", engine, stranger.batch())


def test_a_new_key_takes_the_place_of_the_old_one(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    accept(engine, lane.batch(1, 5), TAKES_ALL)
    old = lane.batch(6)
    lane.key = NodeKey.generate()
    rejected("other-key", engine, lane.batch(6))
    enrolled(engine, lane)
    rejected("other-key", engine, old)
    assert accept(engine, lane.batch(), TAKES_ALL).accepted_through == 11


@pytest.mark.parametrize(
    ("site", "node", "key"), [("s", "Bad", None), ("", "lane-1", None), ("s", "lane-1", "x")]
)
def test_what_cannot_be_enrolled_is_said(engine: sa.Engine, site: str, node: str, key: str | None) -> None:
    with pytest.raises(ValueError, match=r"cannot be enrolled|no public key"):
        enroll(engine, site, node, key or NodeKey.generate().public)


@pytest.mark.parametrize(("of_node", "of_registry"), [(False, True), (True, False), (False, False)])
def test_simulated_records_are_refused_one_by_one(
    engine: sa.Engine, of_node: bool, of_registry: bool
) -> None:
    lane = enrolled(engine, Lane(), simulated=of_node)
    for seq in range(1, 7):
        body = r.Photographed(shot="0111", photo=digest(photo(str(seq))), size_bytes=1)
        lane.write(body, "i-1", "virtual+mqtt://pda" if seq % 2 else "mqtt://pda")
    receipt = accept(engine, lane.batch(1, 4), Policy(allow_simulated=of_registry))
    assert [(one.seq, "simulated" in one.why) for one in receipt.refused] == [(1, True), (3, True)]
    assert (receipt.stored, receipt.accepted_through, receipt.head) == (2, 4, lane.rows[3].head.hex())
    again = accept(engine, lane.batch(), Policy(allow_simulated=of_registry))
    assert [one.seq for one in again.refused] == [1, 3, 5]
    assert again.wanted == [digest(photo(str(seq))) for seq in (2, 4, 6)]
    assert held(engine, lane) == [(s, d if s % 2 == 0 else b"", h) for s, d, h in sent(lane)]
    with engine.connect() as connection:
        first = entries_of(connection, lane.node)[0]
        summary = connection.execute(sa.select(tables.inspections)).one()
    assert first.sha256 == digest(lane.rows[0].data)
    assert (summary.records, summary.photos, summary.simulated) == (3, 3, False)


def test_records_of_a_newer_version_are_held_as_they_are(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.write(r.Sensed(lane="1", station="gate", sensor="loop", on=True), "i-1")
    newer = (
        lane.rows[0].data.replace(b'"sensed"', b'"weather"').replace(b'"seq":1', b'"rain_mm":3,"seq":2,"v":9')
    )
    lane.write_bytes(newer)
    changed = lane.rows[0].data.replace(b'"sensed"', b'"judged"').replace(b'"seq":1', b'"seq":3')
    lane.write_bytes(changed)
    receipt = accept(engine, lane.batch(), TAKES_ALL)
    assert (receipt.stored, receipt.refused) == (3, [])
    assert held(engine, lane) == sent(lane)


LONG = b"i" * 81
JUNK = [
    b"", b"junk", b"{}", b"\xc3\xa4", b'{"seq":1}', b'"' + b"x" * 2000 + b'"',
    b'{"at":"2026-11-22T08:00:00","body":{"kind":"x"},"seq":SEQ,"source":"a"}',
    b'{"at":"0001-01-01T00:00:00+14:00","body":{"kind":"x"},"seq":SEQ,"source":"a"}',
    b'{"at":"2026-11-22T08:00:00Z","body":{"kind":"x"},"seq":99,"source":"a"}',
    b'{"at":"2026-11-22T08:00:00Z","body":{"kind":"x"},"seq":SEQ,"source":"a\\u0000b"}',
    b'{"at":"2026-11-22T08:00:00Z","body":{"kind":"x"},"inspection":"\\u0000","seq":SEQ,"source":"a"}',
    b'{"at":"2026-11-22T08:00:00Z","body":{"kind":"x\\u0000"},"seq":SEQ,"source":"virtual+a\\u0000"}',
    b'{"at":"2026-11-22T08:00:00Z","body":{"kind":"x"},"inspection":"' + LONG + b'","seq":SEQ,"source":"a"}',
    b'{"at":"2026-11-22T08:00:00Z","body":{"kind":"x","y":' + b"[" * 5000 + b"]" * 5000
    + b'},"seq":SEQ,"source":"a"}',
]  # fmt: skip


def test_what_is_no_record_is_refused_and_the_chain_goes_on(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    for seq, data in enumerate(JUNK, 1):
        lane.write_bytes(data.replace(b"SEQ", str(seq).encode()))
    lane.inspect("a1")
    receipt = accept(engine, lane.batch(), TAKES_ALL)
    assert [one.seq for one in receipt.refused] == list(range(1, len(JUNK) + 1))
    assert (receipt.stored, receipt.head) == (11, lane.head.hex())
    assert accept(engine, lane.batch(), TAKES_ALL).refused == receipt.refused


def test_a_receipt_that_refuses_a_whole_batch_can_be_read(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane(), simulated=False)
    for _ in range(b.MAX_RECORDS):
        lane.write(r.Arrived(lane="1"), source="virtual+" + "\U000e0001" * 190)
    answer = b.encode_receipt(accept(engine, lane.batch(), TAKES_ALL))
    assert len(answer) <= b.MAX_ANSWER_BYTES
    assert len(b.decode_receipt(answer).refused) == b.MAX_RECORDS


def test_nul_in_what_is_promoted_does_not_stop_the_chain(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1", plate="浙A\0B12")
    lane.write(r.Arrived(lane="1\0"), "a1")
    assert accept(engine, lane.batch(), TAKES_ALL).refused == []
    assert held(engine, lane) == sent(lane)


def test_the_receipt_is_countersigned(engine: sa.Engine) -> None:
    lane, key = enrolled(engine, Lane()), NodeKey.generate()
    lane.inspect("a1")
    receipt = accept(engine, lane.batch(), Policy(allow_simulated=True, key=key))
    assert receipt.registry_key == key.public
    assert verify(key.public, receipt_message(lane.node, 11, lane.head), receipt.countersignature)
    assert accept(engine, lane.batch(), TAKES_ALL).countersignature == ""


def test_the_standing_tells_how_far_the_chain_is_held(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    assert [s.through for s in standing(engine, lane.node)] == [0]
    assert standing(engine, lane.node)[0].head == lane.head.hex()
    lane.inspect("a1")
    accept(engine, lane.batch(), TAKES_ALL)
    (now,) = standing(engine, lane.node, lane.site)
    assert (now.through, now.head, now.wanted) == (11, lane.head.hex(), [digest(photo("a1"))])
    assert standing(engine, "nobody") == [] == standing(engine, lane.node, "elsewhere")


def test_two_nodes_with_the_same_inspection_do_not_touch_each_other(engine: sa.Engine) -> None:
    one, two = enrolled(engine, Lane()), enrolled(engine, Lane())
    one.inspect("same", plate="浙A11111")
    two.inspect("same", plate="京B22222", verdict="fail")
    accept(engine, one.batch(), TAKES_ALL)
    accept(engine, two.batch(), TAKES_ALL)
    query = sa.select(tables.inspections.c.node, tables.inspections.c.plate, tables.inspections.c.verdict)
    with engine.connect() as connection:
        rows = {tuple(row) for row in connection.execute(query)}
    assert rows == {(one.node, "浙A11111", "pass"), (two.node, "京B22222", "fail")}


def test_couriers_at_once_double_nothing(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    for name in ("a1", "a2", "a3", "a4"):
        lane.inspect(name)
    troubles: list[Exception] = []
    start = threading.Barrier(4)

    def send(step: int) -> None:
        start.wait(30)
        at = 1
        while at <= len(lane.rows):
            try:
                at = accept(engine, lane.batch(max(1, at - step), at + step), TAKES_ALL).accepted_through + 1
            except Rejected as trouble:
                troubles.append(trouble)
                return

    threads = [threading.Thread(target=send, args=(step,)) for step in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []
    assert held(engine, lane) == sent(lane)
    with engine.connect() as connection:
        summaries = connection.execute(sa.select(tables.inspections)).all()
        assert connection.execute(sa.select(tables.nodes.c.records)).scalar_one() == len(lane.rows)
    assert [(s.records, s.photos, s.verdict) for s in summaries] == [(11, 1, "pass")] * 4


def test_processes_that_start_at_once_make_the_tables_once(dsn: str) -> None:
    assert prepared_together(dsn) == []


def test_a_lock_that_stays_is_no_wait_for_ever(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("central_sync.registry.engines.BUSY_MS", 200)
    engine, frozen = open_engine(dsn), open_engine(dsn)
    prepare(engine)
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    with writing(frozen) as connection:
        connection.execute(sa.select(tables.nodes).with_for_update())
        with pytest.raises(sa.exc.OperationalError):
            accept(engine, lane.batch(), TAKES_ALL)
    assert accept(engine, lane.batch(), TAKES_ALL).stored == 11
    engine.dispose()
    frozen.dispose()


def test_a_replica_that_froze_in_a_transaction_loses_its_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central_sync.registry.engines.FROZEN_MS", 200)
    dsn = dsn_of("postgresql", tmp_path)
    engine, frozen = open_engine(dsn), open_engine(dsn)
    prepare(engine)
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    with frozen.connect() as connection:
        connection.execute(sa.select(tables.nodes).with_for_update())
        assert accept(engine, lane.batch(), TAKES_ALL).stored == 11
        connection.invalidate()
    engine.dispose()
    frozen.dispose()


def test_a_connection_at_work_when_the_registry_stops_is_closed_too(dsn: str) -> None:
    engine = open_engine(dsn)
    at_work, stopping, closed = threading.Event(), threading.Event(), []

    def work() -> None:
        with engine.connect() as connection:
            sa.event.listen(engine.pool, "close", lambda *_: closed.append(True))
            at_work.set()
            assert stopping.wait(10)
            connection.execute(sa.text("SELECT 1"))

    thread = threading.Thread(target=work)
    thread.start()
    assert at_work.wait(10)
    threading.Timer(0.3, stopping.set).start()
    close(engine)
    thread.join(10)
    assert closed == [True]


def test_a_dsn_that_cannot_be_used_is_explained() -> None:
    for text in ("", "registry.sqlite", "mysql://x/y", "sqlite://"):
        with pytest.raises(DsnError, match="sqlite:///"):
            open_engine(text)


@contextmanager
def crash_at(engine: sa.Engine, statement: int) -> Iterator[list[int]]:
    """The n-th statement from now raises, as a lost connection would."""
    seen: list[int] = []

    def count(*_: Any) -> None:
        seen.append(1)
        if len(seen) == statement:
            raise ConnectionResetError("crash")

    sa.event.listen(engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", count)


def test_a_crash_at_any_statement_keeps_all_or_nothing(engine: sa.Engine) -> None:
    lane = enrolled(engine, Lane())
    lane.inspect("a1")
    before, statement, crashes = counts(engine), 0, 0
    while counts(engine) == before:
        statement += 1
        with crash_at(engine, statement):
            try:
                accept(engine, lane.batch(), TAKES_ALL)
            except ConnectionResetError:
                crashes += 1
        assert statement < 40
    assert crashes >= 8
    assert held(engine, lane) == sent(lane)


class Sync(RuleBasedStateMachine):
    """A lane that writes and couriers that send anything, against one registry; compared after each step."""

    dsn: str

    def __init__(self) -> None:
        super().__init__()
        self.engine = open_engine(self.dsn)
        self.lane = enrolled(self.engine, Lane(), simulated=False)
        self.through = 0

    def teardown(self) -> None:
        self.engine.dispose()

    @rule(
        name=st.sampled_from(["i1", "i2", "i3"]),
        simulated=st.booleans(),
        verdict=st.sampled_from(["pass", "fail"]),
    )
    def records(self, name: str, simulated: bool, verdict: r.Verdict) -> None:
        self.lane.inspect(name, verdict=verdict)
        source = "virtual+test" if simulated else "test"
        self.lane.write(r.Sensed(lane="1", station="gate", sensor="loop", on=True), name, source)
        self.lane.write(r.Aborted(by="o-1", reason="enough"), name)

    @precondition(lambda self: self.lane.rows)
    @rule(data=st.data(), crash=st.integers(0, 14))
    def send(self, data: st.DataObject, crash: int) -> None:
        first = data.draw(st.integers(1, len(self.lane.rows)))
        last = data.draw(st.integers(first, len(self.lane.rows)))
        with crash_at(self.engine, crash):
            try:
                receipt = accept(self.engine, self.lane.batch(first, last), TAKES_ALL)
            except ConnectionResetError:
                return
            except Rejected as gap:
                assert (gap.code, gap.body["expected"]) == ("gap", self.through + 1)
                assert first > self.through + 1
                return
        assert first <= self.through + 1
        self.through = max(self.through, last)
        assert receipt.accepted_through == self.through
        assert receipt.head == self.lane.rows[self.through - 1].head.hex()
        assert receipt.stored + receipt.duplicates + len(receipt.refused) >= last - first + 1

    @precondition(lambda self: self.through > 1)
    @rule(data=st.data())
    def forge(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(1, self.through))
        forged = Lane(self.lane.node)
        forged.key = self.lane.key
        for row in self.lane.rows[: self.through]:
            forged.write_bytes(row.data + b" " if row.seq == at else row.data)
        first = data.draw(st.integers(1, at))
        with pytest.raises(Rejected) as caught:
            accept(self.engine, forged.batch(first), TAKES_ALL)
        assert (caught.value.code, caught.value.body["seq"]) == ("conflict", at)

    @rule()
    def restart(self) -> None:
        self.engine.dispose()
        self.engine = open_engine(self.dsn)

    @invariant()
    def the_registry_holds_a_prefix(self) -> None:
        rows = self.lane.rows[: self.through]
        simulated = {row.seq for row in rows if b'"virtual+' in row.data}
        assert held(self.engine, self.lane) == [
            (row.seq, b"" if row.seq in simulated else row.data, row.head) for row in rows
        ]
        (now,) = standing(self.engine, self.lane.node)
        assert (now.through, now.head) == (
            self.through,
            rows[-1].head.hex() if rows else self.lane.head_before(1).hex(),
        )
        query = sa.select(tables.inspections).where(tables.inspections.c.node == self.lane.node)
        with self.engine.connect() as connection:
            summaries = {row.inspection: row for row in connection.execute(query)}
        kept = [r.parse(row.data) for row in rows if row.seq not in simulated]
        assert set(summaries) == {record.inspection for record in kept}
        for name, summary in summaries.items():
            self._same(summary, [record for record in kept if record.inspection == name])

    @staticmethod
    def _same(summary: Any, records: list[r.Record]) -> None:
        """The promoted columns say what the lane's own fold says."""
        told = lane_fold.fold(records)
        assert told is not None
        assert (summary.verdict, summary.failed) == (told.verdict, told.failed_items)
        assert (summary.lane, summary.ordered_at, summary.ended_at) == (
            told.lane,
            told.ordered_at,
            told.ended_at,
        )
        assert summary.vin == told.vehicle.vin and summary.vin_last6 == summary.vin[-6:]
        assert (summary.plate, summary.business) == (
            told.vehicle.plate and told.vehicle.plate.hphm,
            told.business,
        )
        assert summary.photos == sum(map(len, told.photos.values()))
        assert (summary.records, summary.first_seq, summary.last_seq) == (
            len(records), records[0].seq, records[-1].seq,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_any_order_of_sending_crashing_and_forging(kind: str, tmp_path: Path) -> None:
    where = dsn_of(kind, tmp_path)
    made = open_engine(where)
    prepare(made)
    prepare(made)
    made.dispose()
    machine = type("Machine", (Sync,), {"dsn": where})
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=checks,
            database=None,
        ),
    )


def test_a_photo_is_named_by_each_record_that_shows_one() -> None:
    lane = Lane()
    lane.write(r.Captured(lane="1", station="gate", device="c", plate_text="", photo="1" * 64, crop="2" * 64))
    lane.write(r.Signed(officer="o", photo="3" * 64), "i")
    lane.write(r.Signed(officer="o"), "i")
    rows = [fold.read(row.seq, row.data, True) for row in lane.rows]
    named = fold.fold(lane.site, lane.node, rows, {}).photos
    assert [(n.sha256[0], n.shot, n.inspection) for n in named] == [
        ("1", "capture", None), ("2", "crop", None), ("3", "signature", "i"),
    ]  # fmt: skip

"""Batches and receipts on the wire: exact bytes, limits, and everything that is no batch."""

import json
from datetime import UTC, datetime

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from central_sync import batch as b
from central_sync.seal import NodeKey
from lanes.record import DeviceChanged, Record, canonical, genesis, link
from tests.central_parts import STEADY, Row, chain

KEY = NodeKey.generate()


def row(seq: int, why: str, head: bytes) -> Row:
    body = DeviceChanged(device="camera-1", state="faulty", why=why)
    record = Record(
        seq=seq, at=datetime(2026, 11, 22, tzinfo=UTC), tick_ms=1, source="t", source_key=f"{seq}", body=body
    )
    data = canonical(record)
    return Row(seq, data, link(head, data))


def batch_of(rows: list[Row], prev: bytes | None = None) -> b.Batch:
    return b.compose("site-1", "lane-1", rows, genesis("lane-1") if prev is None else prev, KEY)


@STEADY
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=8))
def test_the_exact_bytes_arrive(texts: list[str]) -> None:
    rows, head = [], genesis("lane-1")
    for seq, text in enumerate(texts, 1):
        rows.append(row(seq, text, head))
        head = rows[-1].head
    wire = b.encode_batch(batch_of(rows))
    back = b.decode_batch(wire)
    assert b.raw_records(back) == [r.data for r in rows]
    assert b.heads_of(back, b.raw_records(back)) == [r.head for r in rows]
    assert b.check(back) == []
    other_library = json.loads(zstandard.decompress(wire))
    assert [text.encode() for text in other_library["records"]] == [r.data for r in rows]


def test_what_is_wrong_is_said() -> None:
    good = batch_of(chain("lane-1", 3))
    replace = msgspec.structs.replace
    assert "chain is broken" in b.check(replace(good, records=good.records[:2]))[0]
    assert "chain is broken" in b.check(replace(good, prev_head="0" * 64))[0]
    assert "signature" in b.check(replace(good, public_key=NodeKey.generate().public))[0]
    assert "signature" in b.check(replace(good, first_seq=2))[0]
    assert "cannot name a node" in b.check(replace(good, node="Bad Node"))[0]


def test_a_lone_surrogate_is_no_record() -> None:
    good = batch_of(chain("lane-1", 1))
    text = msgspec.json.encode(msgspec.structs.replace(good, records=["x"])).replace(b'"x"', b'"\\ud800"')
    with pytest.raises(b.WireError):
        b.raw_records(b.decode_batch(zstandard.compress(text)))


@pytest.mark.parametrize("sized", [True, False])
def test_a_zstd_bomb_does_not_unpack(sized: bool) -> None:
    bomb = zstandard.ZstdCompressor(write_content_size=sized).compress(b" " * (b.MAX_PLAIN_BYTES + 1))
    assert len(bomb) < 10_000
    with pytest.raises(b.TooLarge, match="unpacks to"):
        b.decode_batch(bomb)


def test_a_batch_without_declared_size_is_read() -> None:
    good = batch_of(chain("lane-1", 3))
    wire = zstandard.ZstdCompressor(write_content_size=False).compress(msgspec.json.encode(good))
    assert b.decode_batch(wire) == good
    assert b.decode_batch(msgspec.json.encode(good), compressed=False) == good


def test_a_body_beyond_the_limit_is_too_large() -> None:
    with pytest.raises(b.TooLarge, match="at most"):
        b.decode_batch(bytes(b.MAX_WIRE_BYTES + 1))


@STEADY
@given(junk=st.binary(max_size=200), cut=st.integers(0, 400))
def test_no_bytes_break_the_reader(junk: bytes, cut: int) -> None:
    wire = b.encode_batch(batch_of(chain("lane-1", 3)))
    for body in (junk, wire[:cut], wire[:cut] + junk, zstandard.compress(junk)):
        if body[: len(wire)] != wire:
            with pytest.raises(b.WireError):
                b.decode_batch(body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_seq", 0),
        ("first_seq", 2**60),
        ("first_seq", "1"),
        ("records", []),
        ("records", ["{}"] * 1001),
        ("head", "AB" * 32),
        ("head", None),
        ("site", ""),
        ("signature", "x" * 500),
        ("records", [{}]),
    ],
)
def test_a_field_out_of_range_is_named(field: str, value: object) -> None:
    content = msgspec.to_builtins(batch_of(chain("lane-1", 1))) | {field: value}
    with pytest.raises(b.WireError, match=field):
        b.decode_batch(zstandard.compress(msgspec.json.encode(content)))


def test_a_receipt_survives_and_newer_fields_are_ignored() -> None:
    receipt = b.Receipt(
        site="s", node="lane-1", accepted_through=7, head="ab" * 32, stored=3, duplicates=4,
        refused=[b.RefusedRecord(seq=5, why="simulated")], wanted=["cd" * 32],
    )  # fmt: skip
    assert b.decode_receipt(b.encode_receipt(receipt)) == receipt
    newer = msgspec.to_builtins(receipt) | {"weather": "fine"}
    assert b.decode_receipt(msgspec.json.encode(newer)) == receipt
    for nonsense in (b"<html>", b"{}", b"[]", b"", b"\xff"):
        with pytest.raises(b.WireError):
            b.decode_receipt(nonsense)


def test_batches_close_at_their_limits() -> None:
    rows = chain("lane-1", 10)
    size = len(rows[0].data)
    assert b.fit(rows, 4) == 4
    assert b.fit(rows, 100) == 10
    assert b.fit(rows, 100, max_bytes=3 * size) == 3
    assert b.fit(rows, 100, max_bytes=1) == 1
    assert b.fit([], 100) == 0

"""What the journal counts on: heads, the photos of each record, names, moments."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from lanes.inspection import fold
from lanes.record import (
    AnyBody,
    Arrived,
    Captured,
    ObdRead,
    Ordered,
    Photographed,
    Record,
    Signed,
    canonical,
    genesis,
    is_node_name,
    kind_of,
    link,
    link_all,
    parse,
    photos_of,
    utc,
)
from tests.lanes_parts import car

A, B = "a" * 64, "b" * 64


def test_the_head_after_many_is_that_after_each() -> None:
    head = genesis("node-1")
    assert link_all(head, []) == head
    assert link_all(head, [b"1", b"2"]) == link(link(head, b"1"), b"2")


def test_a_record_is_the_same_when_it_is_read_back_and_a_wrong_one_names_its_field() -> None:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    record = Record(seq=1, at=moment, tick_ms=1, source="s", source_key="k", body=Arrived(lane="1"))
    assert parse(canonical(record)) == record
    with pytest.raises(msgspec.ValidationError, match=r"\$\.body\.lane"):
        parse(canonical(record).replace(b'"lane":"1"', b'"lane":1'))


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (Photographed(shot="0111", photo=A, size_bytes=1), ((A, "0111"),)),
        (
            Captured(lane="1", station="gate", device="c", plate_text="", photo=A, crop=B),
            ((A, "capture"), (B, "crop")),
        ),
        (Captured(lane="1", station="gate", device="c", plate_text="", crop=B), ((B, "crop"),)),
        (Signed(officer="o", photo=A), ((A, "signature"),)),
        (Signed(officer="o"), ()),
        (Arrived(lane="1"), ()),
    ],
)
def test_the_photos_of_a_record(body: AnyBody, pairs: tuple[tuple[str, str], ...]) -> None:
    assert photos_of(body) == pairs


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a1", True),
        ("a", False),
        ("a" * 63, True),
        ("a" * 64, False),
        ("-a", False),
        ("a-", True),
        ("A1", False),
    ],
)
def test_names_of_nodes(name: str, good: bool) -> None:
    assert is_node_name(name) is good


def test_moments_are_utc_and_never_naive() -> None:
    there = datetime(2026, 11, 22, 9, tzinfo=timezone(timedelta(hours=8)))
    assert utc(there) == there and utc(there).tzinfo is UTC and utc(there).hour == 1
    with pytest.raises(ValueError, match="2026-11-22T09:00:00"):
        utc(there.replace(tzinfo=None))


def test_the_last_reading_of_the_control_units_counts() -> None:
    bodies: list[AnyBody] = [
        Ordered(vehicle=car(), business="periodic", ordered_by="c"),
        ObdRead(lane="1", station="exterior", device="o", outcome="no_obd", why="none answers"),
        ObdRead(lane="1", station="exterior", device="o", vin="LTEST1A27R0000001"),
    ]
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    inspection = fold(
        Record(seq=n, at=moment, tick_ms=n, source="s", source_key=str(n), inspection="i", body=body)
        for n, body in enumerate(bodies, 1)
    )
    assert inspection is not None and inspection.obd == (3, bodies[2])
    assert kind_of(bodies[2]) == "obd_read"

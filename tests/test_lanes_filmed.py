"""What had to be filmed and was, in part or not at all; nothing fails by it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lanes.evidence import Span
from lanes.filmed import film_findings
from lanes.inspection import fold
from lanes.record import AnyBody, Filmed, Finding, ItemFailed, ItemStarted, Ordered, Record, photos_of
from tests.lanes_parts import attempt, brake, car, weighed

START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
CLIP = "a" * 64


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def span(**changes: Any) -> Span:
    fields = {"item": "B1", "lane": "1", "station": "brake", "to_film": True}
    times = {"from_at": at(0), "from_seq": 70, "to_at": at(10), "to_seq": 75}
    return Span(**(fields | times | changes))


def film(begin: float, end: float, **changes: Any) -> Filmed:
    fields = {
        "device": "cam-1",
        "lane": "1",
        "station": "brake",
        "item": "B1",
        "clip": CLIP,
        "size_bytes": 500_000,
    }
    return Filmed(from_at=at(begin), to_at=at(end), **(fields | changes))


def found(*films: Filmed, **changes: Any) -> Finding:
    numbered = tuple((80 + n, each) for n, each in enumerate(films))
    (finding,) = film_findings(attempt(films=numbered, spans={"B1": span(**changes)}))
    return finding


@pytest.mark.parametrize(
    "films",
    [
        [film(-3, 13)],
        [film(1, 9)],  # the slack of clocks
        [film(-3, 5), film(6, 13)],
        [film(5, 13), film(-3, 5.5)],
        [film(-600, 600, station="", lane="", item="", clip=None, size_bytes=None)],
        [film(-3, 13, size_bytes=None)],
    ],
)
def test_an_item_filmed_from_beginning_to_end_passes(films: list[Filmed]) -> None:
    finding = found(*films)
    assert (finding.item, finding.value, finding.result, finding.severity) == (
        "video",
        "B1",
        "pass",
        "reject",
    )
    assert finding.basis == (70, 75, *range(80, 80 + len(films)))


@pytest.mark.parametrize(
    ("films", "words"),
    [
        ([], "no film of it"),
        ([film(11, 20)], "no film of it"),
        ([film(-3, 13, station="slip")], "no film of it"),
        ([film(-3, 13, lane="2")], "no film of it"),
        ([film(-3, 8.9)], "1.1 s are missing from 08:00:08 UTC"),
        ([film(1.1, 13)], "1.1 s are missing from 08:00:00 UTC"),
        ([film(-3, 3), film(7, 13)], "4.0 s are missing from 08:00:03 UTC"),
        ([film(-3, 13, size_bytes=31_999)], "record 80: its clip is too small"),
    ],
)
def test_a_missing_or_short_film_is_shown_and_fails_nothing(films: list[Filmed], words: str) -> None:
    finding = found(*films)
    assert (finding.result, finding.severity) == ("not_applicable", "reminder")
    assert words in finding.arithmetic
    assert "B1 at 1/brake lasted 10.0 s" in finding.arithmetic


def test_what_need_not_be_filmed_or_has_not_ended_has_no_finding() -> None:
    spans = {"B1": span(to_film=False), "B2": span(item="B2", to_at=None)}
    assert list(film_findings(attempt(spans=spans))) == []
    assert found(film(-3, 13, size_bytes=32_000)).result == "pass"


def test_an_inspection_knows_when_each_item_was_measured() -> None:
    started = {"lane": "1", "station": "brake", "device": "bench-1"}
    bodies: list[AnyBody] = [
        Ordered(vehicle=car(), business="periodic", ordered_by="c"),
        ItemStarted(item="W1", to_film=True, **started),
        weighed(1, "300", "300"),
        ItemStarted(item="B1", **started),
        ItemFailed(item="B1", why="silent", **started),
        ItemStarted(item="B1", to_film=True, **started),
        brake("B1", 240, 228),
        brake("B1", 250, 238),
        ItemStarted(item="B2", **started),
    ]
    records = [
        Record(seq=n, at=at(n), tick_ms=n, source="s", source_key=str(n), inspection="i", body=body)
        for n, body in enumerate(bodies, 1)
    ]
    inspection = fold(records)
    assert inspection is not None
    assert inspection.spans == {
        "W1": span(item="W1", from_at=at(2), from_seq=2, to_at=at(3), to_seq=3),
        "B1": span(from_at=at(6), from_seq=6, to_at=at(7), to_seq=7),
        "B2": span(item="B2", to_film=False, from_at=at(9), from_seq=9, to_at=None, to_seq=0),
    }


def test_stills_travel_with_their_record_and_the_clip_does_not() -> None:
    assert photos_of(film(0, 1, stills=("b" * 64, "c" * 64))) == (("b" * 64, "still"), ("c" * 64, "still"))


def test_the_whole_finding_of_a_gap_is_as_it_reads() -> None:
    assert found(film(-3, 3), film(7, 13, size_bytes=1)) == Finding(
        item="video",
        result="not_applicable",
        quantity="film",
        value="B1",
        arithmetic="B1 at 1/brake lasted 10.0 s; 7.0 s are missing from 08:00:03 UTC; "
        "record 81: its clip is too small",
        basis=(70, 75, 80, 81),
        severity="reminder",
    )
    assert found().arithmetic == "B1 at 1/brake lasted 10.0 s; no film of it"


def test_a_film_that_only_touches_the_item_is_near_it() -> None:
    assert found(film(-20, 0)).basis == (70, 75, 80)
    assert found(film(10, 30)).basis == (70, 75, 80)
    assert found(film(10.001, 30)).basis == (70, 75)


def test_every_item_has_its_finding_also_after_one_that_had_none() -> None:
    spans = {"A1": span(item="A1", to_film=False), "B1": span(), "B2": span(item="B2", to_at=None)}
    spans |= {"B3": span(item="B3")}
    assert [each.value for each in film_findings(attempt(spans=spans))] == ["B1", "B3"]


def test_the_words_of_many_gaps_are_cut_where_a_record_ends() -> None:
    films = [film(n * 4, n * 4 + 1) for n in range(100)]
    assert len(found(*films, to_at=at(400)).arithmetic) == 2000

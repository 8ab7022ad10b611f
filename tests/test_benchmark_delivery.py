"""The benchmarks of delivery run against real registries, and say what they compared."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from benchmarks import offline, photos, road, wire
from benchmarks.parts.visits import visit
from lanes.inspection import fold
from lanes.record import Record

pytestmark = pytest.mark.slow
WHEN = datetime(2026, 11, 24, 8, tzinfo=UTC)


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_road_compares_with_the_registry_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(road, "ROUNDS", 1)
    assert road.main(["--records", "200", "--json"]) == 0
    report = said(capsys)
    assert (report["benchmark"], report["database"], report["rounds"]) == ("road", "sqlite", 1)
    assert report["records"] >= 200
    for name in ("registry_alone_per_s", "drain_per_s", "live_per_s", "drain_ratio", "live_ratio"):
        assert report[name] > 0, name


def test_wire_counts_bytes_of_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert wire.main(["--visits", "2", "--json"]) == 0
    cases = said(capsys)["cases"]
    assert [case["batches"] for case in cases] == ["one an inspection", "1000 records"]
    for case in cases:
        assert case["inspections"] == 2 and case["records_per_inspection"] == 107
        carried = (case["up_bytes"] + case["down_bytes"]) / case["json_bytes"]
        assert case["ratio"] == pytest.approx(carried, abs=0.01)


def test_offline_tells_memory_pages_and_drain(capsys: pytest.CaptureFixture[str]) -> None:
    assert offline.main(["--hours", "2", "--lanes", "4", "--json"]) == 0
    report = said(capsys)
    assert (report["hours"], report["lanes"], report["inspections"]) == (2, 4, 4)
    assert report["records"] == 4 * 107 and len(report["rss_mb"]) == 2
    [day] = report["pages_by_day_ms"]
    assert 0 < day["p50"] <= day["p99"] and day["asked"] > 0
    assert report["drain_ratio"] > 0 and report["all_photos_after_s"] > 0


def test_photos_compares_with_disk_and_http_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "ROUNDS", 1)
    assert photos.main(["--photos", "30", "--kb", "300", "--at-once", "8", "--json"]) == 0
    report = said(capsys)
    assert (report["benchmark"], report["photos"], report["bytes"]) == ("photos", 30, 300_000)
    assert (report["at_once"], report["rounds"]) == (8, 1)
    for name in ("courier_per_s", "disk_per_s", "http_per_s", "disk_ratio", "http_ratio"):
        assert report[name] > 0, name


def test_growth_of_memory_is_a_slope() -> None:
    assert offline.slope([90.0, 99.0, 100.0, 101.0, 102.0, 103.0]) == pytest.approx(1.0)
    assert offline.slope([90.0]) == 0.0


def test_a_visit_is_one_that_a_lane_would_write() -> None:
    made = visit(7, "3", 101)
    folded = fold(
        Record(
            seq=seq, at=WHEN, tick_ms=seq, source=each.source, source_key=each.source_key, body=each.body,
            inspection=each.inspection,
        )
        for seq, each in enumerate(made.drafts, 101)
    )  # fmt: skip
    assert folded is not None and folded.verdict == "pass" and folded.lane == "3"
    assert len(folded.photos) == len(made.photos) == 12 and set(folded.reviews) <= {
        seq for taken in folded.photos.values() for seq, _ in taken
    }
    assert len({(each.source, each.source_key) for each in made.drafts}) == len(made.drafts)

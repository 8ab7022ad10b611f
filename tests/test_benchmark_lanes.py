"""The benchmark of lanes plays a small site, and finds what is lost and how late the rest is."""

import json

import pytest

from benchmarks import lanes


def test_edges_are_matched_in_order_and_the_lost_ones_counted() -> None:
    truth = [(True, 1_000_000), (False, 5_000_000), (True, 9_000_000)]
    assert lanes.matched(truth, [(True, 2_000_000), (False, 7_000_000), (True, 9_500_000)]) == (
        [1, 2, 0.5],
        0,
    )
    assert lanes.matched(truth, [(False, 0), (True, 2_000_000), (False, 7_000_000)]) == ([1, 2], 1)
    assert lanes.matched(truth, []) == ([], 3)


def test_percentiles() -> None:
    assert lanes.percentiles(range(101)) == {"p50": 50, "p99": 99, "max": 100}
    assert lanes.percentiles([]) == {"p50": 0, "p99": 0, "max": 0}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_lane_with_two_modules_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PACE_S", 4)
    assert lanes.main(["--lanes", "1", "--modules", "2", "--seconds", "12", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["edges"] > 0 and told["edges_lost"] == told["edges_not_on_page"] == 0
    assert told["vehicles"] == told["verdicts"] >= 1 and told["vehicles_not_through"] == 0
    assert told["polls_per_s"] > 0 and told["bare_pymodbus"]["polls_per_s"] > 0
    assert set(told["cores"]) == {"broker", "registry", "agent", "reviewer", "yard"}


def test_a_site_without_lanes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lanes.main(["--lanes", "0"])
    assert "must be at least 1" in capsys.readouterr().err

"""The journal's benchmark runs, and says what it compared."""

import json

import pytest

from benchmarks import journal


def test_both_cases_have_a_ratio_of_the_same_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert journal.main(["--rows", "64", "--json"]) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert (report["benchmark"], report["rows"]) == ("journal", 64)
    assert [case["producers"] for case in report["cases"]] == [1, 32]
    for case in report["cases"]:
        lowest, highest = case["ratio_range"]
        assert 0 < lowest <= case["ratio"] <= highest
        assert case["journal_per_s"] > 0 and case["sqlite3_per_s"] > 0
    assert said.err.count("ratio") == 2


def test_too_few_rows_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        journal.main(["--rows", "5"])
    assert ended.value.code == 2 and "at least 32" in capsys.readouterr().err

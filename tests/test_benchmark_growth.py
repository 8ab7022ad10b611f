"""The benchmark of growth builds true journals, and says what each size costs."""

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import growth
from central_sync.journal import Journal
from central_sync.seal import verify_chain


def test_the_first_size_is_the_peer_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert growth.main(["--to", "10000", "--json"]) == 0
    [size] = json.loads(capsys.readouterr().out)["sizes"]
    assert (size["records"], size["volumes"]) == (10_000, 1)
    assert set(size["us"]) == {"append", "find", "find_missing", "rows_500", "replay_1", "open"}
    assert all(cost > 0 for cost in size["us"].values()) and set(size["ratio"].values()) == {1.0}


def test_a_journal_filled_in_bulk_is_a_true_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "VOLUME", 150)
    path = tmp_path / "journal.sqlite"
    asyncio.run(growth.grow(path, 400))
    with closing(Journal(path, growth.NODE)) as journal:
        rows = journal.rows(0, 1000)
        assert len(rows) == 400 and verify_chain(growth.NODE, rows) is None
        assert journal.find(growth.SOURCE, f"{200:010d}") is not None
    assert [each.name for each in sorted(tmp_path.glob("journal*.sqlite"))] == [
        "journal-2.sqlite", "journal-3.sqlite", "journal.sqlite"
    ]  # fmt: skip


def test_sizes_go_up_by_ten() -> None:
    assert growth.sizes(10**6) == [10**4, 10**5, 10**6]


def test_less_than_the_first_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        growth.main(["--to", "500"])
    assert ended.value.code == 2 and "at least 10000" in capsys.readouterr().err

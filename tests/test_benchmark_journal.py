"""The journal's benchmark runs, and says what it compared."""

import base64
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import journal
from benchmarks.parts import gateway, peers


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


def test_a_killed_journal_holds_all_it_acknowledged(tmp_path: Path) -> None:
    [journal, *_] = peers.peers(Path(sys.executable))
    found = peers.kill(journal, tmp_path / "killed", seconds=0.5)
    assert found["acknowledged"] > 0 and found["lost_after_kill"] == 0


def test_what_a_storage_acknowledged_and_lost_is_counted(tmp_path: Path) -> None:
    says = "import os, time; os.write(1, b'1\\n2\\n3\\n'); time.sleep(60)"
    liar = peers.Peer(name="liar", command=lambda _: [sys.executable, "-c", says], kept=lambda _: {1})
    found = peers.kill(liar, tmp_path / "killed", seconds=0.2)
    assert (found["acknowledged"], found["lost_after_kill"]) == (3, 2)


def test_a_peer_that_does_not_run_is_said(tmp_path: Path) -> None:
    gone = peers.Peer(name="gone", command=lambda _: [sys.executable, "-c", "1/0"], kept=lambda _: set())
    with pytest.raises(peers.PeersError, match=r"gone did not run[^§]*ZeroDivisionError"):
        peers.kill(gone, tmp_path / "killed", seconds=5)


def test_numbers_are_read_from_files_of_the_gateway(tmp_path: Path) -> None:
    (tmp_path / "data_1.txt").write_bytes(base64.b64encode(gateway.MESSAGE.format(n=41).encode()) + b"\n")
    with closing(sqlite3.connect(tmp_path / "data.db")) as file:
        file.execute("CREATE TABLE messages (id INTEGER, timestamp INTEGER, message TEXT)")
        file.execute("INSERT INTO messages VALUES (1, 1, ?)", (gateway.MESSAGE.format(n=42),))
        file.commit()
    _, databases, files = peers.peers(Path(sys.executable))
    assert (databases.kept(tmp_path), files.kept(tmp_path)) == ({42}, {41})

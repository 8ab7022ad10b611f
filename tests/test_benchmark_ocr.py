"""The benchmark of reading: our figures are those of the evaluation, peers run on the same photos."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import ocr
from tests.models_parts import car_photo

PLATES = {"a.jpg": ("浙A12345", "blue"), "b.jpg": ("京J5167警", "white")}


def test_ours_and_peers_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "plates_full"
    folder.mkdir()
    rows = ["file,label,colour,layout"]
    for name, (text, colour) in PLATES.items():
        (folder / name).write_bytes(car_photo(text, colour))
        rows.append(f"{name},{text},{colour},single")
    (folder / "labels.csv").write_text("\n".join(rows), "utf-8")
    words = ["--photos", str(tmp_path), "--sets", "plates_full", "--threads", "1"]
    assert ocr.main([*words, "--json", "--peers-python", sys.executable]) == 0
    told = json.loads(capsys.readouterr().out)["plates_full"]
    assert [each["name"] for each in told["classes"]] == ["blue", "white", "all"]
    assert told["classes"][-1]["listed"]["hits"] == 2
    assert told["claims"][-1]["agree"]["hits"] == 0
    plain = told["peers"].pop("PP-OCRv4 plain")
    assert plain["classes"]["all"]["total"] == 2 and plain["ms"]["p50"] > 0
    assert plain["ratio"].get("all", 2) >= 1
    assert len(told["peers"]) == 4, "each pipeline says something"
    for name, peer in told["peers"].items():  # this environment has their weights, not what they import
        assert peer.get("missing") or peer["classes"]["all"]["total"] == 2, name
    assert ocr.main([*words, "--no-peer"]) == 0
    assert "altered, all" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ocr.main(["--photos", str(tmp_path), "--sets", "vin"]) == 2
    assert "labels.csv" in capsys.readouterr().err

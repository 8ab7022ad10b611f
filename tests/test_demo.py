"""The whole system, every hop over its real protocol: the demo, on SQLite and on PostgreSQL."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lanes.record import Captured, Judged, Photographed, is_simulated, parse
from tests.postgres import server

LIMIT_S = 220


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)


def assert_whole(report: dict[str, Any], vehicles: int) -> None:
    system = report["system"]
    assert report["ok"] is True and len(report["vehicles"]) == vehicles
    assert system["chains_equal"] is True and system["lane_head"] == system["centre_head"]
    assert system["records"] == system["records_at_centre"] == system["lane_head"]["seq"]
    assert system["batches"] > 0 and system["receipts"] > 0
    for vehicle in report["vehicles"]:
        assert vehicle["verdicts"] == 1 and vehicle["verdict"] in ("pass", "fail")
        assert vehicle["findings"] and len(vehicle["photos"]) >= 3 and vehicle["reviews"]
        assert set(vehicle["seconds"]) == {"gate", "exterior", "brake", "sideslip", "exit"}


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 20)
def test_three_vehicles_and_nothing_stays_behind(tmp_path: Path) -> None:
    done = demo("--vehicles", "3", "--json", "--keep", str(tmp_path / "kept"), "--pause", "1")
    assert done.returncode == 0, done.stderr[-3000:]
    assert_whole(json.loads(done.stdout), 3)
    assert not (tmp_path / "kept" / "pids.json").exists()
    with sqlite3.connect(tmp_path / "kept" / "node" / "journal.sqlite") as file:
        records = [parse(data) for (data,) in file.execute("SELECT data FROM records ORDER BY seq")]
    file.close()
    assert all(is_simulated(record.source) for record in records), "simulated data must say so"
    photos = {
        digest
        for record in records
        for digest in [getattr(record.body, "photo", None)]
        if isinstance(record.body, (Captured, Photographed)) and digest
    }
    for folder in ("node/photos", "registry-photos"):
        held = {path.stem for path in (tmp_path / "kept" / folder).rglob("*.bin")}
        assert photos <= held, f"{folder} lacks photos"
    assert sum(isinstance(record.body, Judged) for record in records) == 3


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S + 20)
def test_planted_faults_are_found_with_postgresql_at_the_centre() -> None:
    """Every vehicle spoilt: what is planted must be noticed by reviews or rules, not by the officer."""
    done = demo(
        "--vehicles",
        "4",
        "--json",
        "--pause",
        "1",
        "--fault-every",
        "1",
        "--seed",
        "3",
        "--dsn",
        server().fresh(),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert_whole(report, 4)
    planted = {vehicle["planted"]: vehicle for vehicle in report["vehicles"]}
    assert set(planted) == {"vin_altered", "weak_brake", "other_plate", "blurred_photo"}
    assert [name for name, vehicle in planted.items() if vehicle["found"] is not True] == []
    verdicts = {name: vehicle["verdict"] for name, vehicle in planted.items()}
    assert verdicts == {
        "vin_altered": "fail",
        "weak_brake": "fail",
        "other_plate": "fail",
        "blurred_photo": "pass",  # taken again, and good then
    }


@pytest.mark.slow
def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "demo", "--keep", str(tmp_path / "kept")]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    pids_file, deadline = tmp_path / "kept" / "pids.json", time.monotonic() + 60
    pids: dict[str, int] = {}
    while len(pids) < 4 and time.monotonic() < deadline:
        time.sleep(0.2)
        if pids_file.exists():
            pids = json.loads(pids_file.read_text("ascii"))
    assert set(pids) == {"broker", "registry", "agent", "reviewer"}
    time.sleep(3)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert "/board/" in said and "/office/" in said and "/pda/" in said
    assert alive(list(pids.values())) == []


@pytest.mark.slow
def test_a_folder_in_use_and_a_bad_option_are_named(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("", "utf-8")
    used = demo("--keep", str(tmp_path), "--vehicles", "1")
    assert used.returncode == 1 and "already holds a demo" in used.stderr
    assert "Traceback" not in used.stderr
    bad = demo("--vehicles", "0")
    assert bad.returncode == 2 and "vehicles" in bad.stderr
    if os.geteuid() != 0:
        closed = demo("--keep", "/proc/nowhere", "--vehicles", "1")
        assert closed.returncode == 1 and "--keep" in closed.stderr

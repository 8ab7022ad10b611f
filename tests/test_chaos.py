"""make chaos itself: a few kills here, so that the tool that proves the rest keeps working."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(235)
def test_a_few_kills_lose_and_double_nothing() -> None:
    command = [
        sys.executable,
        "-m",
        "benchmarks.chaos",
        "--faults",
        "4",
        "--seed",
        "2",
        "--vehicles",
        "2",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=230)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["faults"] == 4 and report["seed"] == 2 and report["vehicles"] >= 2
    assert (report["lost"], report["doubled"], report["chains_equal"]) == (0, 0, True)


def test_what_cannot_be_asked_for_is_said() -> None:
    command = [sys.executable, "-m", "benchmarks.chaos", "--faults", "none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--faults" in done.stderr

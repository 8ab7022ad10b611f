"""The system rig: kill -9 of agent, review process, broker and registry at random moments of the demo.

Every vehicle must still end with one verdict, nothing that was acknowledged may be missing, nothing may be
doubled, and lane and centre must hold the identical chain.
"""

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chaos.judge import read_only, volumes
from benchmarks.chaos.tally import Tally
from lanes.record import genesis, link_all

TARGETS = ("agent", "reviewer", "broker", "registry")
PAUSE_S = (1.0, 7.0)  # between two faults
ROUND_LIMIT_S = 900.0


def run_rounds(tally: Tally, seed: int, faults: int, vehicles: int, dsn: str | None) -> None:
    """Rounds of the demo until so many processes were killed, or something was found."""
    dice, goal = random.Random(seed), tally.faults.total() + faults
    for round_ in itertools.count():
        if tally.faults.total() >= goal or not tally.good:
            return
        run_round(tally, dice, Round(seed=seed * 100 + round_, goal=goal, vehicles=vehicles, dsn=dsn))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One demo: no more kills once the tally stands at ``goal``."""

    seed: int
    goal: int
    vehicles: int
    dsn: str | None


def run_round(tally: Tally, dice: random.Random, plan: Round) -> None:
    """One demo with faults; its findings go into the tally."""
    folder = Path(tempfile.mkdtemp(prefix="chayan-chaos-"))
    command = [sys.executable, "-m", "edge", "demo", "--vehicles", str(plan.vehicles), "--json"]
    command += ["--keep", str(folder / "demo"), "--seed", str(plan.seed), "--pause", "2"]
    command += ["--timeout", str(ROUND_LIMIT_S), *(["--dsn", plan.dsn] if plan.dsn else [])]
    with (folder / "demo.log").open("wb") as log:
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        while demo.poll() is None and tally.faults.total() < plan.goal:
            time.sleep(dice.uniform(*PAUSE_S))
            _kill_one(folder / "demo" / "pids.json", tally, dice)
        out, _ = demo.communicate(timeout=ROUND_LIMIT_S + 200)
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(30)
    _judge(tally, folder / "demo", out, demo.returncode, f"virtual-node-{plan.seed}")
    if not tally.good:
        print(f"kept for a look: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)


def _kill_one(pids: Path, tally: Tally, dice: random.Random) -> None:
    try:
        running: dict[str, int] = json.loads(pids.read_text(encoding="ascii"))
        name = dice.choice(TARGETS)
        os.kill(running[name], signal.SIGKILL)
    except (OSError, ValueError, KeyError):
        return  # not started yet, just being restarted, or already at its end
    tally.faults[f"kill_system_{name}"] += 1
    print(f"fault {tally.faults.total()}: killed {name}", file=sys.stderr)


def _judge(tally: Tally, folder: Path, out: bytes, status: int | None, node: str) -> None:
    try:
        report = json.loads(out)
    except ValueError:
        tally.lost.append(f"the demo ended with status {status} and no report; see {folder.parent}/demo.log")
        return
    tally.vehicles += len(report["vehicles"])
    for vehicle in report["vehicles"]:
        if vehicle["verdicts"] < 1:
            tally.lost.append(f"no verdict for {vehicle['vin']}")
        if vehicle["verdicts"] > 1:
            tally.doubled.append(f"{vehicle['verdicts']} verdicts for {vehicle['vin']}")
    if not report["system"]["chains_equal"]:
        tally.changed.append("lane and centre do not hold the identical chain")
    if report["system"]["records_at_centre"] != report["system"]["records"]:
        tally.lost.append(
            f"centre has {report['system']['records_at_centre']} of {report['system']['records']}"
        )
    _judge_acknowledged(tally, folder, node)


def _judge_acknowledged(tally: Tally, folder: Path, node: str) -> None:
    """The journal itself: dense, chained, each acknowledged key once."""
    rows, head = [], genesis(node)
    for path in volumes(folder / "node"):
        with read_only(path) as file:
            rows += file.execute("SELECT seq, source_key, data, head FROM records ORDER BY seq").fetchall()
    if [row[0] for row in rows] != list(range(1, len(rows) + 1)):
        tally.lost.append("the journal's numbers have gaps")
    if rows and rows[-1][3] != link_all(head, [row[2] for row in rows]):
        tally.changed.append("the journal's chain is broken")
    keys = Counter(row[1] for row in rows)
    acknowledged = json.loads((folder / "acknowledged.json").read_text(encoding="utf-8"))
    tally.lost += [f"acknowledged but not in the journal: {key}" for key in acknowledged if not keys[key]]
    tally.doubled += [f"{keys[key]} records of {key}" for key in acknowledged if keys[key] > 1]

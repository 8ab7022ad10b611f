"""make chaos: kill -9 of agent, review process, broker and registry at random moments of the demo.

Every vehicle must still end with one verdict, nothing that was acknowledged may be missing, nothing may be
doubled, and lane and centre must hold the identical chain.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lanes.record import genesis, link_all

TARGETS = ("agent", "reviewer", "broker", "registry")
PAUSE_S = (1.0, 7.0)  # between two faults
VEHICLES = 6  # in one round; rounds follow each other until all faults are done
ROUND_LIMIT_S = 900.0


@dataclass
class Tally:
    """What came of it."""

    faults: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    chains_equal: bool = True
    vehicles: int = 0
    killed: Counter[str] = field(default_factory=Counter)


def main(arguments: list[str] | None = None) -> int:
    """Runs the faults; status 0 only when nothing was lost or doubled and all chains are equal."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=20, help="how many processes to kill in all")
    parser.add_argument("--seed", type=int, default=None, help="the same seed kills in the same order")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--vehicles", type=int, default=VEHICLES, help="how many go through in one round")
    parser.add_argument("--dsn", help="database of the registry; default: SQLite")
    options = parser.parse_args(arguments)
    if options.faults < 1 or options.vehicles < 1:
        parser.error("--faults and --vehicles must be at least 1")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    tally, dice, began = Tally(), random.Random(seed), time.monotonic()
    round_ = 0
    while tally.faults < options.faults:
        run_round(tally, dice, options, seed * 100 + round_)
        round_ += 1
        if tally.lost or tally.doubled or not tally.chains_equal:
            break
    report = {
        "faults": tally.faults,
        "lost": len(tally.lost),
        "doubled": len(tally.doubled),
        "chains_equal": tally.chains_equal,
        "seed": seed,
        "vehicles": tally.vehicles,
        "killed": dict(tally.killed),
        "rounds": round_,
        "seconds": round(time.monotonic() - began, 1),
        "what": [*tally.lost, *tally.doubled][:20],
    }
    good = not tally.lost and not tally.doubled and tally.chains_equal
    print(json.dumps(report, ensure_ascii=False) if options.json else _words(report))
    return 0 if good else 1


def _words(report: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in report.items())


def run_round(tally: Tally, dice: random.Random, options: argparse.Namespace, seed: int) -> None:
    """One demo with faults; its findings go into the tally."""
    folder = Path(tempfile.mkdtemp(prefix="chayan-chaos-"))
    command = [sys.executable, "-m", "edge", "demo", "--vehicles", str(options.vehicles), "--json"]
    command += ["--keep", str(folder / "demo"), "--seed", str(seed), "--pause", "2"]
    command += ["--timeout", str(ROUND_LIMIT_S), *(["--dsn", options.dsn] if options.dsn else [])]
    with (folder / "demo.log").open("wb") as log:
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        while demo.poll() is None and tally.faults < options.faults:
            time.sleep(dice.uniform(*PAUSE_S))
            _kill_one(folder / "demo" / "pids.json", tally, dice)
        out, _ = demo.communicate(timeout=ROUND_LIMIT_S + 200)
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(30)
    _judge(tally, folder / "demo", out, demo.returncode, f"virtual-node-{seed}")
    if tally.lost or tally.doubled or not tally.chains_equal:
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
    tally.faults += 1
    tally.killed[name] += 1
    print(f"fault {tally.faults}: killed {name}", file=sys.stderr)


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
    tally.chains_equal &= bool(report["system"]["chains_equal"])
    if report["system"]["records_at_centre"] != report["system"]["records"]:
        tally.lost.append(
            f"centre has {report['system']['records_at_centre']} of {report['system']['records']}"
        )
    _judge_journal(tally, folder, node)


def _judge_journal(tally: Tally, folder: Path, node: str) -> None:
    """The journal itself: dense, chained, each acknowledged key once, every photo there."""
    with sqlite3.connect(folder / "node" / "journal.sqlite") as file:
        rows = file.execute("SELECT seq, source, source_key, data, head FROM records ORDER BY seq").fetchall()
    file.close()
    if [row[0] for row in rows] != list(range(1, len(rows) + 1)):
        tally.lost.append("the journal's numbers have gaps")
    if rows and rows[-1][4] != link_all(genesis(node), [row[3] for row in rows]):
        tally.chains_equal = False
    keys = Counter(row[2] for row in rows)
    acknowledged = json.loads((folder / "acknowledged.json").read_text(encoding="utf-8"))
    tally.lost += [f"acknowledged but not in the journal: {key}" for key in acknowledged if not keys[key]]
    tally.doubled += [f"{keys[key]} records of {key}" for key in acknowledged if keys[key] > 1]


if __name__ == "__main__":
    raise SystemExit(main())

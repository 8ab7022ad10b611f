"""make chaos: seeded faults of many kinds; status 0 only when nothing was lost, doubled or changed."""

import argparse
import json
import random
import sys
import time
from typing import Any

from benchmarks.chaos.deck import SHARES
from benchmarks.chaos.road import run_road
from benchmarks.chaos.system import run_rounds
from benchmarks.chaos.tally import Tally

SYSTEM_SHARE = 50  # one of so many faults hits the whole system
BROKEN = ("ack-early", "new-key", "no-photo")


def main(arguments: list[str] | None = None) -> int:
    """Runs the faults of both rigs and prints what came of it."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=100, help="how many faults in all")
    parser.add_argument("--system", type=int, help="how many of them kill a process of the whole system")
    parser.add_argument("--seed", type=int, default=None, help="the same seed draws the same faults")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument(
        "--vehicles", type=int, default=6, help="how many go through in one round of the system"
    )
    parser.add_argument("--dsn", help="database of the system's registry; default: SQLite")
    parser.add_argument("--kinds", help="only these kinds on the road, such as kill_node,kill_registry")
    parser.add_argument(
        "--pause", type=float, default=0.3, help="seconds between two faults of the road, mean"
    )
    parser.add_argument("--broken", choices=BROKEN, default="", help="break the node: it must be found")
    options = parser.parse_args(arguments)
    system = options.faults // SYSTEM_SHARE if options.system is None else options.system
    if min(options.faults, options.vehicles) < 1 or options.pause <= 0 or not 0 <= system <= options.faults:
        parser.error("--faults and --vehicles must be at least 1, --system at most --faults, --pause above 0")
    kinds = frozenset(options.kinds.split(",") if options.kinds else SHARES)
    if unknown := kinds.difference(SHARES):
        parser.error(f"--kinds {', '.join(sorted(unknown))}: there are {', '.join(SHARES)}")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    tally, began = Tally(), time.monotonic()
    if system < options.faults:
        run_road(tally, seed, options.faults - system, options.broken, kinds, options.pause)
    if tally.good:
        run_rounds(tally, seed, system, options.vehicles, options.dsn)
    report = tally.report() | {"seed": seed, "seconds": round(time.monotonic() - began, 1)}
    print(json.dumps(report, ensure_ascii=False) if options.json else _words(report))
    return 0 if tally.good else 1


def _words(report: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in report.items())


if __name__ == "__main__":
    sys.exit(main())

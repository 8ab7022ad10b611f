"""Fuzzing of every codec that reads what a device sends: ``make fuzz ARGS="--inputs 1000000 --only jx"``.

Two steps a codec, each in a process of its own, both over the contract of codec_contract.py. Coverage-guided
(atheris, libFuzzer), one input in twenty: it finds inputs that reach new code. Then those are mutated further
at full speed, without the instrumentation, which costs five times what a codec does. Corpus and what broke
something stay in ``--room``; a second run begins with them. Ends with 1 when something broke.
"""

import argparse
import hashlib
import json
import multiprocessing
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.codec_contract import Case

ROOT = Path(__file__).parents[1]
FRAMES, LEAST = 4, 64  # an input is as long as so many golden ones of the longest kind, or so many bytes
DEEP = 16  # every so many inputs is also fed byte by byte, and followed by clean frames
GUIDED = 20  # every so many is guided by coverage
HANG_S = 20  # s for one input; none takes a tenth of one
MEMORY_MB = 2048
INPUTS = 1_000_000
TURN = 256  # mutated inputs between two looks at the clock


class Broken(AssertionError):
    """An input that breaks the contract; the text says how."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What fuzzing one codec gave. ``edges``: of the instrumented code that were reached."""

    codec: str
    guided: int
    mutated: int
    edges: int
    corpus: int
    findings: list[str]
    said: str = ""


def case_of(name: str) -> Case:
    """The case of that name."""
    from tests.codec_cases import CASES

    return CASES[name]


def longest(case: Case) -> int:
    """Bytes of the longest input."""
    return max(LEAST, FRAMES * max(len(sent) for sent, _ in case.golden))


def check(case: Case) -> Callable[[bytes], None]:
    """The contract for any bytes: the first one says where they are cut, and how deep to look."""

    def run(raw: bytes) -> None:
        first = raw[0] if raw else 0
        wrong = case.damage(raw[1:], [(first >> 3) * len(raw) // 32], deep=first % DEEP == 0)
        if wrong:
            raise Broken(wrong)

    return run


def with_frames(case: Case, raw: bytes, seed: int) -> bytes:
    """Half of the inputs with a golden frame put in, or a stretch made a frame whose check is right."""
    at = 1 + (seed >> 8) % max(1, len(raw))
    if seed & 3 == 0:
        return raw[:at] + case.golden[(seed >> 4) % len(case.golden)][0] + raw[at:]
    if seed & 3 == 1 and case.closed is not None:
        end = at + ((seed >> 4) & 0x7F)
        return raw[:at] + case.closed(raw[at:end]) + raw[end:]
    return raw


# ---- guided by coverage --------------------------------------------------------------------------


def guide(name: str, options: list[str]) -> None:
    """Runs libFuzzer on one codec; never returns."""
    import atheris

    with atheris.instrument_imports(include=["firmware_bridge"]):
        case = case_of(name)

    def mutate(raw: bytes, most: int, seed: int) -> bytes:
        return with_frames(case, atheris.Mutate(raw, len(raw) + 32), seed)[:most]

    atheris.Setup([sys.argv[0], *options], check(case), custom_mutator=mutate)
    atheris.Fuzz()


def guided(name: str, inputs: int, room: Path, seed: int) -> tuple[int, int, str]:
    """(inputs, edges, what it said when it ended badly)."""
    options = [
        f"-runs={inputs}",
        f"-seed={seed}",
        f"-max_len={longest(case_of(name))}",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-artifact_prefix={room}/broken/",
        "-print_final_stats=1",
        f"{room}/corpus",
    ]
    command = [sys.executable, "-m", "tests.fuzz", "--codec", name, *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    inputs = _last(r"stat::number_of_executed_units:\s*(\d+)", ended.stderr)
    said = (ended.stderr + ended.stdout)[-4000:] if ended.returncode else ""
    return inputs, _last(r"\bcov: (\d+)", ended.stderr), said


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


# ---- mutated at full speed -----------------------------------------------------------------------


def mutation(rng: random.Random, corpus: list[bytes], most: int) -> bytes:
    """One of the corpus, or two joined, with a few bytes changed, put in or taken out."""
    raw = bytearray(rng.choice(corpus))
    way = rng.random()
    if way < 0.25:
        other = rng.choice(corpus)
        raw = raw[: rng.randrange(len(raw) + 1)] + other[rng.randrange(len(other) + 1) :]
    for _ in range(1 + int(way * 100) % 4):
        at = int(rng.random() * (len(raw) + 1))
        if way < 0.5:
            raw[at : at + 1] = bytes([rng.getrandbits(8)])
        elif way < 0.7:
            raw[at:at] = bytes([rng.getrandbits(8)])
        elif way < 0.8:
            del raw[at : at + 1 + rng.getrandbits(3)]
        elif at < len(raw):
            raw[at] ^= 1 << rng.getrandbits(3) % 8
    return bytes(raw[:most])


def mutate(name: str, inputs: int, room: Path, seed: int, told: Connection) -> None:
    """Tells (inputs, why) when all have run, or one broke the contract."""
    case = case_of(name)
    run, rng, most = check(case), random.Random(seed), longest(case)
    corpus = [path.read_bytes() for path in sorted((room / "corpus").iterdir())]

    def hang(*_: object) -> None:
        raise Broken(f"{TURN} inputs take more than {HANG_S} s")

    signal.signal(signal.SIGALRM, hang)
    done, raw = 0, b""
    try:
        for done in range(1, inputs + 1):
            if done % TURN == 1:
                signal.alarm(HANG_S)
            raw = with_frames(case, mutation(rng, corpus, most), rng.getrandbits(24))
            run(raw)
    except Exception as broke:  # noqa: BLE001 (whatever a codec raises is a finding)
        (room / "broken" / f"mutated-{hashlib.sha256(raw).hexdigest()[:16]}").write_bytes(raw)
        told.send((done, f"{type(broke).__name__}: {broke}\n"))
    else:
        told.send((done, ""))


def mutated(name: str, inputs: int, room: Path, seed: int) -> tuple[int, str]:
    """(inputs, why it ended early) of a process of its own."""
    told, tell = multiprocessing.Pipe(duplex=False)
    arguments: tuple[Any, ...] = (name, inputs, room, seed, tell)
    process = multiprocessing.get_context("fork").Process(target=mutate, args=arguments)
    process.start()
    tell.close()
    try:
        done, why = told.recv()
    except EOFError:
        done, why = 0, "the process died\n"
    process.join()
    return done, why


# ---- all of it -----------------------------------------------------------------------------------


def prepared(name: str, room: Path) -> Path:
    """The codec's own folder in the room, its golden inputs in the corpus."""
    own = room / name
    for folder in ("corpus", "broken"):
        (own / folder).mkdir(parents=True, exist_ok=True)
    sent = [sent for sent, _ in case_of(name).golden]
    for number, golden in enumerate([*sent, b"".join(sent)]):
        (own / "corpus" / f"golden-{number}").write_bytes(b"\x40" + golden)
    return own


def fuzzed(name: str, inputs: int, room: Path, seed: int) -> Outcome:
    """Fuzzes one codec in its own folder, first guided, then fast."""
    corpus, broken = room / "corpus", room / "broken"
    before = set(broken.iterdir())
    first, edges, said = guided(name, max(1, inputs // GUIDED), room, seed)
    second, why = (0, "") if said else mutated(name, inputs - first, room, seed)
    findings = sorted(str(path) for path in set(broken.iterdir()) - before)
    if (said or why) and not findings:
        findings = ["nothing stored"]
    kept = len(list(corpus.iterdir()))
    return Outcome(
        codec=name, guided=first, mutated=second, edges=edges, corpus=kept, findings=findings, said=said + why
    )


def table(outcomes: list[Outcome]) -> str:
    """One line a codec, and the sum."""
    rows = [("codec", "guided", "mutated", "edges", "corpus", "findings")]
    for each in outcomes:
        counts = (each.guided, each.mutated, each.edges, each.corpus, len(each.findings))
        rows.append((each.codec, *(f"{count:,}" for count in counts)))
    sums = [
        sum(column)
        for column in zip(*((o.guided, o.mutated, len(o.findings)) for o in outcomes), strict=True)
    ]
    rows.append(("all", f"{sums[0]:,}", f"{sums[1]:,}", "", "", f"{sums[2]:,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def main() -> int:
    """Fuzzes the codecs that were named, or all; 1 when something broke."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=INPUTS, help="over all codecs together")
    parser.add_argument("--only", action="append", default=[], help="a codec, or the beginning of its name")
    parser.add_argument("--room", type=Path, default=Path("build/fuzz"), help="corpus and broken inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--codec", help=argparse.SUPPRESS)
    given, options = parser.parse_known_args()
    if given.codec:
        guide(given.codec, options)
        return 0
    from tests.codec_cases import CASES

    names = [name for name in CASES if not given.only or name.startswith(tuple(given.only))]
    if not names or options:
        parser.error(f"no such codec or option: {options or given.only}; codecs: {', '.join(CASES)}")
    outcomes = []
    for name in names:
        outcome = fuzzed(
            name, max(1, given.inputs // len(names)), prepared(name, given.room.resolve()), given.seed
        )
        outcomes.append(outcome)
        done, broke = outcome.guided + outcome.mutated, len(outcome.findings)
        print(
            f"{name}: {done:,} inputs, {broke} findings\n{outcome.said}", end="", file=sys.stderr, flush=True
        )
    print(json.dumps([asdict(each) for each in outcomes]) if given.json else table(outcomes))
    return 1 if any(each.findings for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())

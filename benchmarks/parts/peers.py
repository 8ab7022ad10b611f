"""The journal beside the storages of thingsboard-gateway: what each acknowledges, and loses at kill -9."""

import base64
import re
import sqlite3
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from central_sync.volumes import JournalReader
from lanes.record import parse

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "deploy" / "locks" / "peers.txt"
RUN_S = 2.0  # from the first acknowledgement to the kill
_NUMBER = re.compile(r'"number":(\d+)')


class PeersError(Exception):
    """The peers could not be installed; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A storage: how to run it on a folder, and which numbers lie in that folder."""

    name: str
    command: Callable[[Path], Sequence[str]]
    kept: Callable[[Path], set[int]]


def environment(folder: Path) -> Path:
    """Python of the peers' own environment, made from the hash-pinned lock. Raises PeersError."""
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists() or ready.stat().st_mtime < LOCK.stat().st_mtime:
        venv.create(folder, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]
        done = subprocess.run(
            [*command, "--require-hashes", "-r", str(LOCK)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PeersError(f"{LOCK} cannot be installed into {folder}: {done.stderr.strip()[-500:]}")
        ready.touch()
    return python


def peers(python: Path) -> list[Peer]:
    """The journal first."""
    script = str(Path(__file__).with_name("gateway.py"))
    ours = [sys.executable, "-m", "benchmarks.parts.keeper"]
    return [
        Peer(name="journal", command=lambda folder: [*ours, str(folder)], kept=_in_journal),
        Peer(
            name="thingsboard-gateway sqlite",
            command=lambda folder: [str(python), script, "sqlite", str(folder)],
            kept=_in_databases,
        ),
        Peer(
            name="thingsboard-gateway file",
            command=lambda folder: [str(python), script, "file", str(folder)],
            kept=_in_files,
        ),
    ]


def _in_journal(folder: Path) -> set[int]:
    with closing(JournalReader(folder)) as reader:
        return {int(parse(row.data).source_key) for row in reader.rows(0, 10**7)}


def _in_databases(folder: Path) -> set[int]:
    found = set[int]()
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as file:
            found |= {_number(text) for (text,) in file.execute("SELECT message FROM messages")}
    return found


def _in_files(folder: Path) -> set[int]:
    lines = (line for path in folder.glob("data_*.txt") for line in path.read_bytes().splitlines())
    return {_number(base64.b64decode(line).decode()) for line in lines}


def _number(text: str) -> int:
    match = _NUMBER.search(text)
    assert match is not None
    return int(match[1])


def kill(peer: Peer, folder: Path, seconds: float = RUN_S) -> dict[str, Any]:
    """Runs a storage for so long, kills it, and counts what it had acknowledged and does not hold."""
    folder.mkdir()
    errors = folder.with_suffix(".err")
    with (
        errors.open("wb") as log,
        subprocess.Popen(peer.command(folder), stdout=subprocess.PIPE, stderr=log, cwd=ROOT) as process,
    ):
        assert process.stdout is not None
        first = process.stdout.readline()
        began = time.perf_counter()
        killer = threading.Timer(seconds, process.kill)
        killer.start()
        acknowledged = {int(line) for line in [first, *process.stdout] if line.endswith(b"\n")}
        took = time.perf_counter() - began
        killer.cancel()
        process.kill()
    if not acknowledged:
        raise PeersError(f"{peer.name} did not run: {errors.read_text(encoding='utf-8')[-500:]}")
    return {
        "storage": peer.name,
        "acknowledged": len(acknowledged),
        "acknowledged_per_s": round(len(acknowledged) / took),
        "lost_after_kill": len(acknowledged - peer.kept(folder)),
    }


def compare(folder: Path) -> list[dict[str, Any]]:
    """Each storage, killed once, with its acknowledgements a second as a part of the journal's."""
    found = [
        kill(peer, folder / str(number))
        for number, peer in enumerate(peers(environment(ROOT / ".venv-peers")))
    ]
    for each in found:
        each["journal_ratio"] = round(found[0]["acknowledged_per_s"] / each["acknowledged_per_s"], 3)
    return found

"""What docs/evidence.md says about checking by hand works, without anything of this software."""

import asyncio
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from central_sync import merkle, note
from central_sync.journal import Journal
from central_sync.registry.accept import Policy, accept
from central_sync.registry.checkpoints import cosign
from central_sync.registry.engines import open_engine
from central_sync.registry.evidence import evidence
from central_sync.registry.nodes import enroll
from central_sync.registry.schema import prepare
from central_sync.seal import NodeKey
from lanes.record import Draft, Sensed
from tests.central_parts import Lane

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"


def block(language: str, number: int) -> str:
    found: list[str] = re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return found[number]


def run(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Python without this project on its path."""
    command = [sys.executable, "-I", "-S", "-c", script, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_chain_of_a_journal(tmp_path: Path) -> None:
    async def write() -> bytes:
        journal = Journal(tmp_path / "journal.sqlite", "node-1")
        body = Sensed(lane="1", station="gate", sensor="occupied", on=True)
        await journal.append(*(Draft(source="x", source_key=str(n), body=body) for n in range(20)))
        head = journal.head()[1]
        journal.close()
        return head

    head = asyncio.run(write())
    script = block("python", 0)
    done = run(tmp_path, script, "journal.sqlite", "node-1")
    assert done.stdout.split() == ["20", head.hex()], done.stderr
    other = run(tmp_path, script, "journal.sqlite", "node-2")
    assert other.returncode and "record 1 does not hold" in other.stderr


def test_an_inspection_under_a_checkpoint_and_the_registrys_signature(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None, "install openssl: apt install openssl"
    lane, key = Lane(), NodeKey.generate()
    engine = open_engine(f"sqlite:///{tmp_path / 'r.sqlite'}")
    prepare(engine)
    enroll(engine, lane.site, lane.node, lane.key.public, True)
    for name in ("a0", "a1", "a2"):
        lane.inspect(name)
    accept(engine, lane.batch(), Policy(allow_simulated=True, key=key))
    origin, size = note.origin_of(lane.site, lane.node), 29
    root = merkle.root_of(row.head for row in lane.rows[:size])
    text = str(note.Checkpoint(origin=origin, size=size, root=root))
    cosign(engine, key, lane.site, lane.node, str(note.signed(note.Note(text=text), origin, lane.key)))
    shown = tmp_path / "evidence.json"
    for name in ("a0", "a1"):
        shown.write_bytes(msgspec.json.encode(evidence(engine, name, "", key.public)))
        done = run(tmp_path, block("python", 1), shown.name)
        assert f"11 records under {origin} 29" in done.stdout, done.stderr
        assert abs(int(done.stdout.split()[-1]) - time.time()) < 3600
        (tmp_path / "check.sh").write_text(block("sh", 0))
        checked = subprocess.run(
            ["/bin/sh", "check.sh"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert checked.returncode == 0 and "Verified Successfully" in checked.stdout, checked.stderr
    engine.dispose()
    shown.write_text(
        shown.read_text("utf-8").replace('\\"verdict\\":\\"pass', '\\"verdict\\":\\"fail'), "utf-8"
    )
    done = run(tmp_path, block("python", 1), shown.name)
    assert done.returncode and "record 21 does not hold" in done.stderr

"""Parts that the tests of the verifier share: a whole journal, and ways to open it up."""

import asyncio
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from central_sync import batch as wire
from central_sync import note
from central_sync.journal import Journal, Roll
from central_sync.merkle import Frontier
from central_sync.photos import Photos
from central_sync.seal import NodeKey, receipt_message
from central_sync.trust import Trust
from central_sync.verdicts import Findings
from central_sync.verify import verify_journal
from lanes.record import Draft, Judged, Photographed, Sensed

NODE, SITE = "node-1", "site-1"
KEY, OTHER, REGISTRY = NodeKey.generate(), NodeKey.generate(), NodeKey.generate()
TRUST = Trust(keys=(KEY.public,), registry_keys=(REGISTRY.public,))
COUNT = 24
SENSED = Sensed(lane="1", station="gate", sensor="occupied", on=True)


async def write(folder: Path, count: int = COUNT, roll: int = 1000, first: int = 0) -> None:
    """A journal of photos and verdicts, settled and check-pointed half-way, all of it signed."""
    photos = Photos(folder / "photos")
    clock = [datetime(2026, 11, 24, 8, tzinfo=UTC) + timedelta(minutes=first)]
    journal = Journal(
        folder / "journal.sqlite", NODE, signer=KEY, clock=lambda: clock[0], roll=Roll(records=roll)
    )
    for n in range(first, first + count):
        clock[0] += timedelta(seconds=30)
        if n % 4 == 0:
            data = b"\xff\xd8\xff" + str(n).encode()
            body: Any = Photographed(shot="0111", photo=photos.put(data), size_bytes=len(data))
        else:
            body = Judged(verdict="pass", findings=(), rules="r", rules_sha256="1" * 64)
        await journal.append(Draft(source="agent", source_key=f"k{n}", inspection="i", body=body))
        if n == first + count // 2:
            await _witnessed(journal)
    journal.close()


async def _witnessed(journal: Journal) -> None:
    """A receipt of the registry, and a checkpoint that it has cosigned."""
    seq, head = journal.head()
    message = receipt_message(NODE, seq, head)
    receipt = wire.Receipt(
        site=SITE, node=NODE, accepted_through=seq, head=head.hex(), stored=seq, duplicates=0,
        registry_key=REGISTRY.public, countersignature=REGISTRY.sign(message),
    )  # fmt: skip
    await journal.settle("centre", seq, wire.encode_receipt(receipt))
    if journal.first_seq() == 1:
        origin = note.origin_of(SITE, NODE)
        tree = Frontier()
        for row in journal.rows(0, 10_000):
            tree.append(row.head)
        text = str(note.Checkpoint(origin=origin, size=seq, root=tree.root()))
        own = note.signed(note.Note(text=text), origin, KEY)
        both = str(note.cosigned(own, note.WITNESS, REGISTRY, 1_795_000_000))
        await journal.keep_checkpoint(seq, tree.encode(), both)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journal")
    asyncio.run(write(folder))
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    copied: Path = shutil.copytree(written, tmp_path / "node")
    return copied


def open_up(folder: Path, name: str = "journal.sqlite") -> sqlite3.Connection:
    """The database without the guards against changes."""
    file = sqlite3.connect(folder / name, isolation_level=None)
    triggers = [each for (each,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
    for trigger in triggers:
        file.execute(f"DROP TRIGGER {trigger}")
    return file


def first_wrong(folder: Path, trust: Trust = TRUST) -> int | None:
    findings = verify_journal(folder, trust)
    assert not findings.holds
    assert all(line.zh and line.en for line in findings.bad)
    return findings.bad[0].seq


def said(findings: Findings) -> str:
    return " | ".join(line.en for line in (*findings.good, *findings.open, *findings.bad))

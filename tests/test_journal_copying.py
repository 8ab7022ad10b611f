"""A journal copied while it is written, by litestream: to a folder and to S3, killed, restored."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from central_sync.journal import Journal, Roll
from central_sync.mending import Known, mend, sound
from central_sync.seal import NodeKey
from central_sync.trust import Trust
from central_sync.verify import verify_journal
from central_sync.volumes import JournalReader, Row
from tests.copy_parts import Litestream, Place, s3_server, until
from tests.test_journal_volumes import draft, merged

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
FIRST = ("journal.sqlite", "journal-2.sqlite")
WRITER = """
import asyncio, sys
from pathlib import Path
from central_sync.journal import Journal, Roll
from central_sync.seal import NodeKey
from tests.test_journal_volumes import draft

async def main(folder, key):
    journal = Journal(folder / "journal.sqlite", "node-1", signer=NodeKey.load(key), roll=Roll(records=400),
                      copied_by_other=True)
    while True:
        first = journal.head()[0]
        await asyncio.gather(*(journal.append(draft(f"k{first + n}")) for n in range(20)))
        await asyncio.sleep(0.05)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        yield Place(url=f"file://{tmp_path / 'copy'}")
        return
    with s3_server(tmp_path / "s3") as found:
        yield found


def rows_at(folder: Path) -> list[Row]:
    reader = JournalReader(folder)
    rows = reader.rows(0, 10**9)
    reader.close()
    return rows


def last_of(node: Path) -> int:
    reader = JournalReader(node)
    try:
        return reader.head()[0]
    finally:
        reader.close()


def killed_together(node: Path, key: Path, litestream: Litestream, through: int) -> None:
    """Writer and litestream work until record ``through`` is written and two volumes are copied; SIGKILL."""
    copying = litestream.start()
    writing = subprocess.Popen([sys.executable, "-c", WRITER, str(node), str(key)], cwd=ROOT)
    try:
        until(lambda: last_of(node) >= through and all(map(litestream.has, FIRST)))
        assert writing.poll() is copying.poll() is None, "one of them ended by itself"
    finally:
        for each in (writing, copying):
            each.kill()
            each.wait()


def databases(node: Path) -> list[str]:
    return sorted(path.name for path in node.glob("*.sqlite"))


def test_a_copy_is_the_journal_up_to_some_record_and_the_node_goes_on_from_it(
    place: Place, tmp_path: Path
) -> None:
    node, key_file = tmp_path / "node", tmp_path / "node.key"
    node.mkdir()
    key = NodeKey.create(key_file)
    Journal(node / "journal.sqlite", "node-1", copied_by_other=True).close()
    litestream = Litestream(node, place, tmp_path / "litestream.yml")
    killed_together(node, key_file, litestream, 900)
    killed_together(node, key_file, litestream, 1700)
    written = rows_at(node)
    assert verify_journal(node, Trust(keys=(key.public,))).holds

    torn = tmp_path / "torn"
    litestream.restore(databases(node), torn)
    through = sound(torn / "journal.sqlite", "node-1").seq
    assert through >= 800, "volumes that were full long before"
    assert rows_at(torn)[:through] == written[:through]
    goes_on(torn, key, written[-1])

    litestream.catch_up()
    litestream.restore(databases(node), tmp_path / "whole")
    assert rows_at(tmp_path / "whole") == written
    assert verify_journal(tmp_path / "whole", Trust(keys=(key.public,))).holds


def goes_on(folder: Path, key: NodeKey, seen: Row) -> None:
    """What was restored is mended with what the registry has seen, appended to, and verified."""
    path = folder / "journal.sqlite"
    if sound(path, "node-1").seq < seen.seq:
        done = mend(path, "node-1", [Known(seq=seen.seq, head=seen.head, where="centre")], "agent")
        assert done.goes_on_after == seen.seq

    async def use() -> None:
        journal = Journal(path, "node-1", signer=key, copied_by_other=True)
        (known,) = await journal.append(draft("k0"))
        assert not known.fresh and known.record.seq == 1, "a repetition after the restore is known"
        (later,) = await journal.append(draft("later"))
        assert later.record.seq > seen.seq
        journal.close()

    asyncio.run(use())
    assert verify_journal(folder, Trust(keys=(key.public,))).holds


def test_while_another_copies_it_the_journal_never_checkpoints(tmp_path: Path) -> None:
    """SQLite before 3.51.3 can lose pages when two connections checkpoint at once: one must do it all."""

    async def use() -> int:
        journal = Journal(
            tmp_path / "journal.sqlite", "node-1", roll=Roll(records=3000), copied_by_other=True
        )
        with sqlite3.connect(tmp_path / "journal.sqlite") as other:
            begun = (tmp_path / "journal.sqlite").stat().st_size
            for _ in range(8):
                await journal.append(*(draft(f"{n}-{journal.head()[0]}-{'x' * 150}") for n in range(500)))
            grown = (tmp_path / "journal.sqlite").stat().st_size - begun
            assert (tmp_path / "journal-2.sqlite").exists()
            await merged(journal)
            assert (tmp_path / "keys.sqlite").stat().st_size == 4096
        other.close()
        journal.close()
        return grown

    assert asyncio.run(use()) == 0

"""A disk that is full, read-only or damaged: nothing acknowledged is lost, and the journal goes on."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from central_sync.journal import Journal, JournalError, Roll
from central_sync.seal import verify_chain
from central_sync.storage import Storage
from central_sync.volumes import JournalReader
from tests.test_journal_volumes import draft

ROOT = Path(__file__).parents[1]
BALLAST = 200 << 10


def heavy(key: str) -> str:
    return f"{key}-{'x' * 180}"


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "6m") -> Iterator[Path]:
    """A disk of its own; needs root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def can_mount(tmp_path: Path) -> bool:
    if os.geteuid() != 0:
        return False
    probe = tmp_path / "probe"
    try:
        with small_disk(probe):
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


async def fill(journal: Journal, word: str, limit: int = 20_000) -> int:
    """Appends until the journal takes nothing; how many it took."""
    for n in range(limit):
        try:
            await journal.append(draft(heavy(f"{word}{n}")))
        except JournalError as error:
            assert "will be offered again" in str(error)
            return n
    raise AssertionError("never full")


def whole(folder: Path) -> int:
    reader = JournalReader(folder)
    count, after, head = 0, 0, None
    while page := reader.rows(after, 1000):
        assert verify_chain("node-1", page, after + 1, head) is None
        count, after, head = count + len(page), page[-1].seq, page[-1].head
    reader.close()
    return count


def test_a_full_disk_gives_the_ballast_up_then_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """On a real small disk where one can be had (root), else on a limit of this process's files."""
    if not can_mount(tmp_path):
        child = subprocess.run(
            [sys.executable, "-c", LIMITED, str(tmp_path)],
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert child.returncode == 0, child.stderr
        return
    with small_disk(tmp_path / "disk") as disk:
        asyncio.run(_fill_and_free(disk))


async def _fill_and_free(disk: Path) -> None:
    journal = Journal(disk / "journal.sqlite", "node-1", ballast_bytes=BALLAST)
    told: list[Storage] = []
    journal.watch(told.append)
    assert (disk / "ballast").stat().st_size == BALLAST
    (disk / "other").write_bytes(b"x" * (1 << 20))
    taken = await fill(journal, "a")
    assert (disk / "ballast").stat().st_size == 0, "the reserve was used before anything was refused"
    assert journal.storage.state == "full" and "已满" in journal.storage.zh
    assert journal.head()[0] == taken
    with pytest.raises(JournalError):
        await journal.append(draft(heavy("again")))
    (disk / "other").unlink()
    for n in range(50):
        await journal.append(draft(heavy(f"b{n}")))
    assert journal.storage.state == "ok"
    assert [each.state for each in told] == ["full", "low", "full", "ok"]
    (repeated,) = await journal.append(draft(heavy("a0")))
    assert not repeated.fresh
    journal.close()
    assert whole(disk) == taken + 50


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from central_sync.journal import Journal
from tests.test_journal_disk import draft, fill, heavy, whole

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async def main(disk):
    journal = Journal(disk / "journal.sqlite", "node-1")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    taken = await fill(journal, "a")
    assert journal.storage.state == "full", journal.storage
    assert journal.head()[0] == taken
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for n in range(50):
        await journal.append(draft(heavy(f"b{n}")))
    assert journal.storage.state == "ok"
    journal.close()
    assert whole(disk) == taken + 50

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_limit_on_the_files_of_the_process_is_a_full_disk(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    child = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr


def test_a_volume_that_cannot_be_begun_keeps_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> None:
        journal = Journal(tmp_path / "journal.sqlite", "node-1", roll=Roll(records=10))
        for n in range(9):
            await journal.append(draft(f"k{n}"))
        (tmp_path / "journal-2.sqlite.new").mkdir()  # nobody can make the file
        (tmp_path / "journal-2.sqlite.new" / "x").touch()
        for n in range(9, 15):
            await journal.append(draft(f"k{n}"))
        assert journal.storage.state == "full" and "volume" in journal.storage.en
        assert journal.head()[0] == 15
        (tmp_path / "journal-2.sqlite.new" / "x").unlink()
        (tmp_path / "journal-2.sqlite.new").rmdir()
        journal._again_at = 0.0  # a minute has passed
        await journal.append(draft("k15"))
        assert (tmp_path / "journal-2.sqlite").exists()
        await journal.append(draft("k16"))
        assert journal.storage.state == "ok"
        journal.close()

    asyncio.run(use())
    assert whole(tmp_path) == 18


def test_a_damaged_page_is_a_state_and_good_rows_can_still_be_read(tmp_path: Path) -> None:
    async def fill_some() -> None:
        journal = Journal(tmp_path / "journal.sqlite", "node-1")
        for n in range(400):
            await journal.append(draft(heavy(f"k{n}")))
        journal.close()

    asyncio.run(fill_some())
    path = tmp_path / "journal.sqlite"
    content = bytearray(path.read_bytes())
    page = 4096 * (len(content) // 4096 - 2)
    content[page : page + 4096] = os.urandom(4096)
    path.write_bytes(content)

    async def use() -> list[str]:
        said = []
        try:
            journal = Journal(path, "node-1")
        except JournalError as error:
            return [str(error)]
        for n in range(400):
            try:
                await journal.append(draft(heavy(f"n{n}")))
            except JournalError as error:
                said.append(str(error))
        assert journal.storage.state == "damaged"
        assert "mend" in journal.storage.en
        assert journal.rows(0, 5)[0].seq == 1
        journal.close()
        return said

    said = asyncio.run(use())
    assert said and all(str(path) in each for each in said)


def test_a_folder_that_cannot_be_written_is_refused_at_the_start_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((JournalError, OSError), match="file"):
        Journal(tmp_path / "file" / "journal.sqlite", "node-1")


def test_a_journal_on_read_only_media_can_be_read(tmp_path: Path) -> None:
    """As an auditor gets it: a copy that nobody may change."""

    async def use() -> None:
        journal = Journal(tmp_path / "j" / "journal.sqlite", "node-1", roll=Roll(records=10))
        for n in range(25):
            await journal.append(draft(f"k{n}"))
        journal.close()

    asyncio.run(use())
    before = {path.name: path.read_bytes() for path in (tmp_path / "j").glob("*.sqlite")}
    for path in (tmp_path / "j").iterdir():
        path.chmod(0o444)
    (tmp_path / "j").chmod(0o555)
    try:
        assert whole(tmp_path / "j") == 27
    finally:
        (tmp_path / "j").chmod(0o755)
    assert {path.name: path.read_bytes() for path in (tmp_path / "j").glob("*.sqlite")} == before

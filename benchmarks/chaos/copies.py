"""A torn copy of a journal: cut or zeroed somewhere. Opening it gives true rows, or says what is wrong."""

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.chaos.judge import read_only, volumes
from central_sync.journal import Journal
from central_sync.seal import verify_chain
from central_sync.volumes import JournalError, JournalReader
from lanes.record import genesis

LAST = 3  # volumes; older ones are as they were at the last copy
PAGE = 4096  # bytes, SQLite's


def copy(folder: Path, to: Path) -> None:
    """The newest volumes with their logs, as they lie there now; the node should stand still."""
    to.mkdir()
    for path in volumes(folder)[-LAST:]:
        for suffix in ("", "-wal"):
            each = path.with_name(path.name + suffix)
            if each.exists():
                shutil.copyfile(each, to / each.name)
    for name in ("journal.head", "keys.sqlite", "keys.sqlite-wal"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, to / name)


def tear(folder: Path, dice: random.Random) -> str:
    """Cuts or zeroes one of the files at a random place; says which and where. Nothing: no file yet."""
    files = sorted(path for path in folder.iterdir() if path.stat().st_size)
    if not files:
        return ""
    path = dice.choice(files)
    size = path.stat().st_size
    at = dice.randrange(size)
    if dice.random() < 0.5:
        with path.open("r+b") as file:
            file.truncate(at)
        return f"{path.name} of {size} bytes cut at {at}"
    length = dice.choice((1, 512, PAGE))
    at = at // length * length
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\0" * min(length, size - at))
    return f"{path.name} of {size} bytes zeroed from {at}, {length} bytes"


def examine(torn: Path, live: Path, node: str, what: str) -> list[str]:
    """Findings: bytes that were never written and pass for true, or a failure without a clear word."""
    found = []
    looks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("read", lambda: _read(torn, live)),
        ("opened", lambda: _open(torn, live, node)),
    )
    for verb, look in looks:
        try:
            said = look()
        except JournalError:
            continue  # a clear refusal
        except Exception as error:  # noqa: BLE001 - whatever else it raises is the finding
            said = f"{type(error).__name__}: {error}"
        if said:
            found.append(f"torn copy {verb}: {what}: {said}")
    return found


def _read(torn: Path, live: Path) -> str:
    with closing(JournalReader(torn)) as reader:
        return _rows(reader, live, reader.first_seq, reader.prev_head)


def _open(torn: Path, live: Path, node: str) -> str:
    with closing(Journal(volumes_path(torn), node)) as journal:
        first = journal.first_seq()
        prev = genesis(node) if first == 1 else _head(live, first - 1)
        if prev is None:
            return f"it begins at record {first}, beyond all that was written"
        seq, head = journal.head()
        if seq >= first and _head(live, seq) != head:
            return f"it goes on from record {seq} with a head that was never written"
        return _rows(journal, live, first, prev)


def volumes_path(folder: Path) -> Path:
    """The path that names a journal."""
    return folder / "journal.sqlite"


def _rows(source: JournalReader | Journal, live: Path, first: int, prev: bytes) -> str:
    """Rows as far as the chain holds must be true ones."""
    after = first - 1
    while rows := source.rows(after, 500):
        broken = verify_chain("", rows, after + 1, prev)
        good = rows if broken is None else [row for row in rows if row.seq < broken]
        true = _true(live, after + 1, len(good))
        for row in good:
            if true.get(row.seq) != (row.data, row.head):
                return f"record {row.seq} is not what was written, and its chain holds"
        if broken is not None:
            return ""  # the chain names it
        after, prev = rows[-1].seq, rows[-1].head
    return ""


def _true(live: Path, first: int, count: int) -> dict[int, tuple[bytes, bytes]]:
    """Rows of the real journal."""
    found: dict[int, tuple[bytes, bytes]] = {}
    for path in reversed(volumes(live)):
        with read_only(path) as file:
            query = "SELECT seq, data, head FROM records WHERE seq BETWEEN ? AND ?"
            rows = file.execute(query, (first, first + count - 1)).fetchall()
            found |= {seq: (data, head) for seq, data, head in rows}
            if len(found) >= count:
                break
    return found


def _head(live: Path, seq: int) -> bytes | None:
    row = _true(live, seq, 1).get(seq)
    return None if row is None else row[1]

"""The mark beside a journal: the last head the node signed. A journal that ends before it was rolled back."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from central_sync.seal import head_message, verify
from central_sync.volumes import JournalError


class Mark(Struct, frozen=True, kw_only=True):
    """A signed head, as ``journal.head`` holds it."""

    seq: int
    head: str
    public_key: str
    signature: str


def mark_path(journal: Path) -> Path:
    """Where the mark of a journal lies."""
    return journal.with_suffix(".head")


def write(journal: Path, node: str, mark: Mark | None) -> None:
    """Notes a head that is durable. Without fsync: a mark that is behind does no harm."""
    if mark is None:
        return
    path = mark_path(journal)
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(OSError):  # a full disk; the journal itself holds the signature
        fresh.write_bytes(msgspec.json.encode({"node": node, **msgspec.structs.asdict(mark)}) + b"\n")
        fresh.replace(path)


def read(journal: Path, node: str) -> Mark | None:
    """The mark of a journal; None when there is none, or none that this node has signed."""
    try:
        mark = msgspec.json.decode(mark_path(journal).read_bytes(), type=Mark)
        message = head_message(node, mark.seq, bytes.fromhex(mark.head))
    except (OSError, msgspec.MsgspecError, ValueError):
        return None
    return mark if verify(mark.public_key, message, mark.signature) else None


def must_hold(
    journal: Path, node: str, last: tuple[int, bytes], head_at: Callable[[int], bytes | None]
) -> None:
    """Raises JournalError when the journal ends before its mark, or has another head at that number."""
    mark = read(journal, node)
    if mark is None:
        return
    if mark.seq > last[0]:
        raise JournalError(
            f"{journal} ends at record {last[0]}, but this node has signed record {mark.seq}: an older copy "
            "stands in its place. Put the newer one back, or run chayan journal mend"
        )
    mine = last[1] if mark.seq == last[0] else head_at(mark.seq)
    if mine is not None and mine.hex() != mark.head:
        raise JournalError(
            f"{journal} has another head at record {mark.seq} than the one this node has signed: records "
            "were changed. Put the true journal back, or run chayan journal mend; chayan verify names it"
        )

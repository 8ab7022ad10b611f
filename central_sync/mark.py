"""The mark beside a journal: the last head the node signed. A journal that ends before it was rolled back."""

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from central_sync.seal import Signer, head_message, verify
from central_sync.volumes import JournalError
from lanes.record import Judged, Record

SIGN_S = 1.0  # an unsigned tail is no older than this


class Mark(Struct, frozen=True, kw_only=True):
    """A signed head, as ``journal.head`` holds it."""

    seq: int
    head: str
    public_key: str
    signature: str


def mark_path(journal: Path) -> Path:
    """Where the mark of a journal lies."""
    return journal.with_suffix(".head")


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


class Signing:
    """When a journal's head is signed: with a verdict, else within a second, and at the end."""

    def __init__(self, journal: Path, node: str, signer: Signer | None) -> None:
        self._journal, self._node, self._signer = journal, node, signer
        self.begin(0)

    def begin(self, signed_through: int) -> None:
        """Goes on after what has been signed."""
        self._through, self._at = signed_through, time.monotonic()

    def wait_s(self, seq: int) -> float | None:
        """How long the writer may wait for work when ``seq`` is durable; None: for ever."""
        return SIGN_S if self._signer is not None and self._through < seq else None

    def hasten(self) -> None:
        """The next head is signed whatever it is."""
        self._at = 0.0

    def sign(self, seq: int, head: bytes, fresh: Sequence[Record]) -> Mark | None:
        """The signature of a head, if it is due."""
        if self._signer is None or self._through == seq:
            return None
        judged = any(isinstance(record.body, Judged) for record in fresh)
        if not judged and time.monotonic() - self._at < SIGN_S:
            return None
        signature = self._signer.sign(head_message(self._node, seq, head))
        return Mark(seq=seq, head=head.hex(), public_key=self._signer.public, signature=signature)

    def note(self, mark: Mark | None) -> None:
        """Takes a signed head that is durable. Without fsync: a mark that is behind does no harm."""
        if mark is None:
            return
        self.begin(mark.seq)
        path = mark_path(self._journal)
        fresh = path.with_name(f"{path.name}.new")
        with contextlib.suppress(OSError):  # a full disk; the journal itself holds the signature
            fresh.write_bytes(
                msgspec.json.encode({"node": self._node, **msgspec.structs.asdict(mark)}) + b"\n"
            )
            fresh.replace(path)

"""The one pass of a verification through a journal: bytes, links, columns, signed heads.

Everything is computed afresh from the bytes; nothing that stands in the file is believed but what a key has
signed. Memory does not grow with the journal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from central_sync import note
from central_sync.batch import UNREADABLE
from central_sync.merkle import Frontier
from central_sync.seal import head_message, verify
from central_sync.trust import Trust
from central_sync.verdicts import Findings
from central_sync.volumes import Entry, JournalReader, KeptCheckpoint, SignedHead, Volume
from lanes.record import Continued, Judged, NodeStarted, Record, Retired, genesis, kind_of, link, parse

UNSIGNED_MS = 10_000  # a node that writes signs at least once a second
PAGE = 500
BEFORE_ALL = -(2**62)  # SQLite takes rows of any number


class BrokenError(Exception):
    """The first record that does not hold; what lies beyond it proves nothing."""


@dataclass(slots=True, kw_only=True)
class _Tail:
    """Records since the last signed head."""

    first: int = 0
    tick_ms: int = 0
    overdue: bool = False  # a node that does as it should would have signed

    def take(self, record: Record) -> None:
        if not self.first:
            self.first, self.tick_ms = record.seq, record.tick_ms
        if isinstance(record.body, NodeStarted) or record.tick_ms < self.tick_ms:
            self.tick_ms = record.tick_ms  # another boot
        if isinstance(record.body, Judged) or record.tick_ms - self.tick_ms > UNSIGNED_MS:
            self.overdue = True


class Walk:
    """One pass. ``last`` and ``head``: how far the records hold; ``whole``: that is all of them."""

    def __init__(self, reader: JournalReader, trust: Trust, findings: Findings) -> None:
        self._reader, self._trust, self._findings = reader, trust, findings
        fresh = reader.first_seq == 1
        self.last, self.head = reader.first_seq - 1, genesis(reader.node) if fresh else reader.prev_head
        self.whole = False
        self.signers: list[str] = []
        self.signed_through = self.signatures = 0
        self.photos_retired = self._volumes_retired = 0
        self.roots: dict[int, bytes] = {}  # size -> root computed here
        self._tail, self._lost = _Tail(), range(0)
        self._frontier = Frontier() if fresh else None
        self._kept = {each.size: each for each in reader.checkpoints()}
        self._sizes = {*self._kept, *(each.seq for each in trust.witnesses)}

    def records(self) -> Iterator[Record]:
        """Every record up to the first that does not hold, which is told."""
        try:
            yield from self._records()
        except BrokenError:
            return
        self.whole = True

    def _records(self) -> Iterator[Record]:
        heads = self._reader.heads()
        due = next(heads, None)
        for volume in self._reader.volumes:
            for entry in _entries(volume):
                record = self._linked(entry, volume)
                self._take(entry, record)
                while due is not None and due.seq <= entry.seq:
                    if due.seq not in self._lost:
                        self._signed(due, entry)
                    due = next(heads, None)
                yield record
        if due is not None:
            self._broken(
                self.last + 1,
                f"缺少第 {self.last + 1} 条及以后的记录：节点签过第 {due.seq} 条的链头",
                f"records from {self.last + 1} are missing: the node has signed the head at record {due.seq}",
            )

    def _broken(self, seq: int, zh: str, en: str) -> NoReturn:
        self._findings.wrong(zh, en, seq)
        raise BrokenError

    def _take(self, entry: Entry, record: Record) -> None:
        self.last, self.head = entry.seq, entry.head
        self._tail.take(record)
        if isinstance(record.body, Retired):
            if record.body.what == "photos":
                self.photos_retired = max(self.photos_retired, record.body.last_seq)
            else:
                self._volumes_retired = max(self._volumes_retired, record.body.last_seq)
        if self._frontier is None:
            self._frontier = tree_at(self._kept.get(entry.seq))
            return
        self._frontier.append(entry.head)
        if entry.seq in self._sizes:
            self.roots[entry.seq] = self._frontier.root()

    # ---- one record ------------------------------------------------------------------------------

    def _linked(self, entry: Entry, volume: Volume) -> Record:
        """The record of a row that holds; tells the first that does not."""
        due = self.last + 1
        if not isinstance(entry.data, bytes) or not isinstance(entry.head, bytes):
            self._broken(due, f"第 {due} 条没有记录内容", f"what stands at {due} has no bytes of a record")
        record = _read(entry)
        if entry.seq != due and not self._is_mended(record, entry, volume):
            self._broken(
                due,
                f"第 {due} 条记录缺失（其后是第 {entry.seq} 条）",
                f"record {due} is missing: after {self.last} comes {entry.seq}",
            )
        if entry.seq == volume.first_seq and volume.prev_head != self.head:
            self._broken(
                due,
                f"文件 {volume.path.name} 自称接续另一条链头",
                f"{volume.path.name} says that it goes on from another head than that of record {due - 1}",
            )
        if link(self.head, entry.data) != entry.head:
            self._unlinked(entry, record)
        if record is None:
            self._broken(
                due, f"第 {due} 条不是本版本所知的记录", f"what stands at {due} is no record known here"
            )
        if (column := _misfit(entry, record)) is not None:
            self._broken(
                entry.seq,
                f"第 {entry.seq} 条记录的列 {column} 与其内容不符",
                f"column {column} of record {entry.seq} does not say what the record says",
            )
        return record

    def _is_mended(self, record: Record | None, entry: Entry, volume: Volume) -> bool:
        """Whether a gap is one that the node itself has put on record when its journal was mended."""
        if record is None or not isinstance(record.body, Continued):
            return False
        body, due = record.body, self.last + 1
        if (body.lost_from, body.lost_through, body.last_seq) != (due, entry.seq - 1, entry.seq - 1):
            return False
        self.head, self._frontier, self._lost = volume.prev_head, None, range(due, entry.seq)
        self._findings.remark(
            f"第 {due} 至 {entry.seq - 1} 条在本机已失：日志账修复时登记（{body.why}），请向登记库索取",
            f"records {due} to {entry.seq - 1} were lost on this node, as it put on record when its journal "
            f"was mended ({body.why}); ask the registry for them",
            due,
        )
        return True

    def _unlinked(self, entry: Entry, record: Record | None) -> None:
        if record is not None and record.seq != entry.seq:
            self._broken(
                entry.seq,
                f"第 {entry.seq} 条位置上是另一条记录（自称第 {record.seq} 条）：被调换或插入",
                f"another record stands at {entry.seq} (it says it is {record.seq}): swapped or inserted",
            )
        self._broken(
            entry.seq,
            f"第 {entry.seq} 条记录或其链头被改动",
            f"record {entry.seq} or its head was changed: they do not belong together",
        )

    # ---- signatures ------------------------------------------------------------------------------

    def _signed(self, due: SignedHead, entry: Entry) -> None:
        """A signed head: that of this row, by the node's key."""
        seq, key = due.seq, str(due.public_key)
        if seq != entry.seq or due.head != entry.head:
            self._broken(
                seq,
                f"节点签名的第 {seq} 条链头与现有记录不符：第 {seq} 条或更早的记录在签名后被改写",
                f"the head that the node signed at record {seq} is not that of the records: "
                f"{seq} or one before it was rewritten after it was signed",
            )
        if not verify(key, head_message(self._reader.node, seq, due.head), str(due.signature)):
            self._broken(seq, f"第 {seq} 条的签名无效", f"the signature at record {seq} is not valid")
        if key not in (self._trust.keys or self.signers or [key]):
            self._broken(
                seq, f"第 {seq} 条由另一密钥签名：{key}", f"record {seq} is signed by another key: {key}"
            )
        if key not in self.signers:
            self.signers.append(key)
        self.signed_through, self.signatures, self._tail = seq, self.signatures + 1, _Tail()

    def conclude(self) -> None:
        """Tells what the whole pass has shown."""
        first = self._reader.first_seq
        self._findings.right(
            f"第 {first} 至 {self.last} 条记录的哈希链完整，逐条相接",
            f"records {first} to {self.last} are linked, each to the one before it",
        )
        if first > 1:
            self._earlier(first - 1)
        if not self.signatures:
            self._findings.wrong(
                "没有任何签名的链头：记录相接，但无人为其担保",
                "there is no signed head: the records are linked, but nobody vouches for them",
            )
            return
        keys = ", ".join(self.signers)
        self._findings.right(
            f"至第 {self.signed_through} 条由节点密钥签名（{self.signatures} 个签名）：{keys}",
            f"signed by the node through record {self.signed_through} ({self.signatures} signatures): {keys}",
        )
        if not self._trust.keys:
            self._findings.remark(
                "未给定 --key：以上密钥取自文件本身，请与登记的公钥核对",
                "no --key was given: this key was found inside; compare it with the one that is enrolled",
            )
        self._unsigned()

    def _earlier(self, last: int) -> None:
        if self._volumes_retired >= last:
            self._findings.remark(
                f"第 1 至 {last} 条已按策略从本机清除，有记录为证",
                f"records 1 to {last} were removed from this node by policy, which is on record",
            )
            return
        self._findings.wrong(
            f"缺少第 1 至 {last} 条，且没有按策略清除的记录",
            f"records 1 to {last} are missing, and no record says that they were removed by policy",
            1,
        )

    def _unsigned(self) -> None:
        first = self._tail.first
        if self._tail.overdue:
            self._findings.wrong(
                f"第 {first} 至 {self.last} 条没有签名，而节点对判定即时签名、此外每秒签名：不可采信",
                f"records {first} to {self.last} are not signed, though a node signs verdicts at once and "
                "all else every second: nobody vouches for them",
                first,
            )
        elif first:
            count = self.last - first + 1
            self._findings.remark(
                f"最后 {count} 条记录（自第 {first} 条）尚未签名，无人为其担保",
                f"the last {count} records, from {first} on, are not signed yet: nobody vouches for them",
                first,
            )


def _entries(volume: Volume) -> Iterator[Entry]:
    after = BEFORE_ALL
    while page := volume.entries(after, PAGE):
        yield from page
        after = page[-1].seq


def _read(entry: Entry) -> Record | None:
    try:
        return parse(entry.data)
    except UNREADABLE:
        return None


def _misfit(entry: Entry, record: Record) -> str | None:
    """Name of the first column that does not say what the record says."""
    says = {
        "seq": record.seq,
        "source": record.source,
        "source_key": record.source_key,
        "inspection": record.inspection,
        "kind": kind_of(record.body),
    }
    return next((name for name, value in says.items() if getattr(entry, name) != value), None)


def tree_at(kept: KeptCheckpoint | None) -> Frontier | None:
    """The tree at a checkpoint whose earlier records are gone: what its root, which is signed, binds."""
    if kept is None:
        return None
    try:
        frontier, checkpoint = Frontier.decode(kept.frontier), note.checkpoint_of(note.parse(kept.note))
    except (ValueError, TypeError, AttributeError):
        return None
    return frontier if (frontier.size, frontier.root()) == (checkpoint.size, checkpoint.root) else None

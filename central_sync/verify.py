"""Verification of a journal by anyone, offline: chain, signatures, receipts, checkpoints, mark, photos.

Everything is computed afresh from the bytes; nothing that stands in the file is believed but what a key has
signed. A journal is read once, in pages; memory grows with its photos and receipts, not with its records.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from central_sync import batch as wire
from central_sync import mark, note
from central_sync.merkle import Frontier
from central_sync.seal import head_message, receipt_message, verify
from central_sync.verdicts import Findings
from central_sync.volumes import Entry, JournalError, JournalReader, SignedHead, first_volume
from lanes.record import Record, Retired, kind_of, link, parse, photos_of

UNSIGNED = timedelta(seconds=10)  # heads are signed at least once a second while the node writes
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What somebody else has seen of this journal at record ``seq``: its head (hex), or its Merkle root."""

    seq: int
    where: str
    head: str = ""
    root: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Keys the verifier knows to be the node's and the registry's, and heads seen elsewhere.

    Without keys those found inside are taken and named: the reader must compare them.
    """

    keys: Collection[str] = ()
    registry_keys: Collection[str] = ()
    site: str = ""
    witnesses: Collection[Witness] = ()


@dataclass(slots=True)
class _Seen:
    """What the one pass through the records gathers."""

    last: int = 0
    head: bytes = b""
    at: datetime | None = None
    signed_through: int = 0
    signed_at: datetime | None = None
    signers: list[str] = field(default_factory=list)
    signatures: int = 0
    photos: dict[str, int] = field(default_factory=dict)
    photos_retired: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)


class _Broken(Exception):
    """The first record that does not hold; what lies beyond it proves nothing."""


def verify_journal(path: Path, trust: Trust) -> Findings:
    """What holds of a journal (folder or any volume)."""
    findings = Findings(target=str(path))
    try:
        reader = JournalReader(path)
    except JournalError as trouble:
        findings.wrong(f"无法读取日志账：{trouble}", f"the journal cannot be read: {trouble}")
        return findings
    try:
        seen = _walk(reader, trust, findings)
        if seen is not None:
            _signatures(seen, reader.first_seq, trust, findings)
            _checkpoints(reader, seen, trust, findings)
            _witnessed(seen, trust, findings)
            _mark(path, reader, seen, findings)
            _photos(path, seen, findings)
    except JournalError as trouble:
        findings.wrong(f"文件损坏：{trouble}", f"the file is damaged: {trouble}")
    finally:
        reader.close()
    return findings


# ---- records -------------------------------------------------------------------------------------


def _walk(reader: JournalReader, trust: Trust, findings: Findings) -> _Seen | None:
    """One pass through all records; None when the chain breaks, which is then told."""
    seen = _Seen(last=reader.first_seq - 1, head=reader.prev_head)
    heads = reader.heads()
    due: SignedHead | None = next(heads, None)
    expected = _expected(reader, trust, findings)
    frontier = Frontier() if reader.first_seq == 1 else None
    sizes = {kept.size for kept in reader.checkpoints()} | {each.seq for each in trust.witnesses}
    try:
        _compare(expected, seen.last, seen.head, findings)
        for entry in _entries(reader):
            record = _linked(entry, seen, findings)
            seen.last, seen.head, seen.at = entry.seq, entry.head, record.at
            if frontier is not None:
                frontier.append(entry.head)
                if frontier.size in sizes:
                    seen.roots[frontier.size] = frontier.root()
            while due is not None and due.seq <= entry.seq:
                _signed(reader.node, due, entry, seen, trust, findings)
                due = next(heads, None)
            _compare(expected, entry.seq, entry.head, findings)
            for digest, _ in photos_of(record.body):
                seen.photos.setdefault(digest, entry.seq)
            if isinstance(record.body, Retired) and record.body.what == "photos":
                seen.photos_retired = record.body.last_seq
        if due is not None:
            findings.wrong(
                f"缺少第 {seen.last + 1} 条及以后的记录：节点签过第 {due.seq} 条的链头",
                f"records from {seen.last + 1} are missing: the node has signed a head at record {due.seq}",
                seen.last + 1,
            )
        for seq, heads_due in sorted(expected.items()):
            if seq > seen.last and not any(each.seq == seq for each in trust.witnesses):
                _beyond(seq, heads_due, seen, findings)
    except _Broken:
        return None
    zh = f"第 {reader.first_seq} 至 {seen.last} 条记录的哈希链完整，逐条相接"
    en = f"records {reader.first_seq} to {seen.last} are linked, each to the one before it"
    findings.right(zh, en)
    return seen


def _entries(reader: JournalReader) -> Iterator[Entry]:
    for volume in reader.volumes:
        after = volume.first_seq - 1
        while page := volume.entries(after, PAGE):
            yield from page
            after = page[-1].seq


def _linked(entry: Entry, seen: _Seen, findings: Findings) -> Record:
    """The record of a row that holds; tells the first that does not."""
    due = seen.last + 1
    if entry.seq != due:
        findings.wrong(
            f"第 {due} 条记录缺失（其后是第 {entry.seq} 条）",
            f"record {due} is missing: after {seen.last} comes {entry.seq}",
            due,
        )
        raise _Broken
    record = _read(entry)
    if link(seen.head, entry.data) != entry.head:
        _unlinked(entry, record, findings)
        raise _Broken
    if record is None:
        findings.wrong(f"第 {due} 条不是记录", f"what stands at {due} is no record", due)
        raise _Broken
    columns = (entry.seq, entry.source, entry.source_key, entry.inspection, entry.kind)
    says = (record.seq, record.source, record.source_key, record.inspection, kind_of(record.body))
    if columns != says:
        wrong = next(
            name
            for name, mine, theirs in zip(
                ("seq", "source", "source_key", "inspection", "kind"), columns, says, strict=True
            )
            if mine != theirs
        )
        findings.wrong(
            f"第 {due} 条记录的列 {wrong} 与其内容不符",
            f"column {wrong} of record {due} does not say what the record says",
            due,
        )
        raise _Broken
    return record


def _read(entry: Entry) -> Record | None:
    try:
        return parse(entry.data)
    except wire.UNREADABLE:
        return None


def _unlinked(entry: Entry, record: Record | None, findings: Findings) -> None:
    if record is not None and record.seq != entry.seq:
        findings.wrong(
            f"第 {entry.seq} 条位置上是另一条记录（自称第 {record.seq} 条）：被调换或插入",
            f"another record stands at {entry.seq} (it says it is {record.seq}): swapped or inserted",
            entry.seq,
        )
        return
    findings.wrong(
        f"第 {entry.seq} 条记录或其链头被改动",
        f"record {entry.seq} or its head was changed: they do not belong together",
        entry.seq,
    )


# ---- signatures ----------------------------------------------------------------------------------


def _signed(node: str, due: SignedHead, entry: Entry, seen: _Seen, trust: Trust, findings: Findings) -> None:
    """A signed head: that of this row, by the node's key."""
    if due.seq != entry.seq or due.head != entry.head:
        findings.wrong(
            f"节点签名的第 {due.seq} 条链头与现有记录不符：第 {due.seq} 条或更早的记录在签名后被改写",
            f"the head that the node signed at record {due.seq} is not that of the records: "
            f"{due.seq} or one before it was rewritten after it was signed",
            due.seq,
        )
        raise _Broken
    if not verify(due.public_key, head_message(node, due.seq, due.head), due.signature):
        findings.wrong(
            f"第 {due.seq} 条的签名无效", f"the signature at record {due.seq} is not valid", due.seq
        )
        raise _Broken
    known = trust.keys or seen.signers[:1] or [due.public_key]
    if due.public_key not in known:
        findings.wrong(
            f"第 {due.seq} 条由另一密钥签名：{due.public_key}",
            f"record {due.seq} is signed by another key: {due.public_key}",
            due.seq,
        )
        raise _Broken
    if due.public_key not in seen.signers:
        seen.signers.append(due.public_key)
    seen.signed_through, seen.signed_at, seen.signatures = due.seq, seen.at, seen.signatures + 1


def _signatures(seen: _Seen, first: int, trust: Trust, findings: Findings) -> None:
    if not seen.signatures:
        findings.wrong(
            "没有任何签名的链头：记录相接，但无人为其担保",
            "there is no signed head: the records are linked, but nobody vouches for them",
        )
        return
    keys = ", ".join(seen.signers)
    findings.right(
        f"至第 {seen.signed_through} 条由节点密钥签名（{seen.signatures} 个签名）：{keys}",
        f"signed by the node through record {seen.signed_through} ({seen.signatures} signatures): {keys}",
    )
    if not trust.keys:
        findings.right(
            "未给定 --key：以上密钥取自文件本身，请与登记的公钥核对",
            "no --key was given: this key was found inside; compare it with the one that is enrolled",
        )
    tail = seen.last - seen.signed_through
    if not tail:
        return
    if seen.at is not None and seen.signed_at is not None and seen.at - seen.signed_at > UNSIGNED:
        findings.wrong(
            f"最后 {tail} 条记录没有签名，而节点每秒签名：第 {seen.signed_through + 1} 条起不可采信",
            f"the last {tail} records are not signed, though the node signs every second: "
            f"from {seen.signed_through + 1} on nobody vouches for them",
            seen.signed_through + 1,
        )
        return
    findings.right(f"最后 {tail} 条记录尚未签名", f"the last {tail} records are not signed yet")


# ---- what others have seen -----------------------------------------------------------------------

_Expected = dict[int, list[tuple[str, str, str]]]  # seq -> (head in hex, zh, en)


def _expected(reader: JournalReader, trust: Trust, findings: Findings) -> _Expected:
    """Heads that receipts and other witnesses name; a receipt that is not signed as it should is told."""
    expected: _Expected = defaultdict(list)
    destinations: dict[str, int] = {}
    for kept in reader.receipts():
        if "#" in kept.destination:
            continue
        try:
            receipt = wire.decode_receipt(kept.data)
        except wire.WireError:
            continue
        message = receipt_message(reader.node, receipt.accepted_through, bytes.fromhex(receipt.head))
        if receipt.countersignature and not verify(receipt.registry_key, message, receipt.countersignature):
            findings.wrong(
                f"{kept.destination} 对第 {receipt.accepted_through} 条的回执签名无效",
                f"the signature of {kept.destination}'s receipt for {receipt.accepted_through} is not valid",
                receipt.accepted_through,
            )
        elif trust.registry_keys and receipt.registry_key not in trust.registry_keys:
            findings.wrong(
                f"{kept.destination} 对第 {receipt.accepted_through} 条的回执不是由给定的登记库密钥签名",
                f"{kept.destination}'s receipt for {receipt.accepted_through} is not by that registry",
                receipt.accepted_through,
            )
        zh, en = f"{kept.destination} 的回执", f"the receipt of {kept.destination}"
        expected[receipt.accepted_through].append((receipt.head, zh, en))
        destinations[kept.destination] = max(receipt.accepted_through, destinations.get(kept.destination, 0))
    for name, through in destinations.items():
        findings.right(f"{name} 确认到第 {through} 条", f"{name} has confirmed through record {through}")
    for witness in trust.witnesses:
        if witness.head:
            expected[witness.seq].append((witness.head, witness.where, witness.where))
    return expected


def _compare(expected: _Expected, seq: int, head: bytes, findings: Findings) -> None:
    for theirs, zh, en in expected.get(seq, ()):
        if theirs != head.hex():
            findings.wrong(
                f"第 {seq} 条处的链头与{zh}不符：第 {seq} 条或更早的记录被改写",
                f"the head at record {seq} is not that in {en}: it, or one before it, was rewritten",
                seq,
            )
            raise _Broken


def _beyond(seq: int, heads: list[tuple[str, str, str]], seen: _Seen, findings: Findings) -> None:
    for _, zh, en in heads[:1]:
        findings.wrong(
            f"日志账止于第 {seen.last} 条，而{zh}已见第 {seq} 条：这是较旧的副本",
            f"the journal ends at record {seen.last}, but {en} has seen record {seq}: this is an older copy",
            seen.last + 1,
        )


def _checkpoints(reader: JournalReader, seen: _Seen, trust: Trust, findings: Findings) -> None:
    """Signed Merkle roots: equal to the tree of the records, signed by the node, cosigned by the registry."""
    newest: note.Checkpoint | None = None
    cosigned = 0
    for kept in reader.checkpoints():
        try:
            parsed = note.parse(kept.note)
            newest = note.checkpoint_of(parsed)
        except note.NoteError as trouble:
            findings.wrong(f"检查点无法读取：{trouble}", f"a checkpoint cannot be read: {trouble}")
            return
        if newest.size > seen.last or seen.roots.get(newest.size, newest.root) != newest.root:
            findings.wrong(
                f"检查点（前 {newest.size} 条）的默克尔根与记录不符",
                f"the Merkle root of the checkpoint over {newest.size} records is not that of the records",
                newest.size,
            )
            return
        keys = trust.keys or seen.signers
        if not any(note.is_signed(parsed, newest.origin, key) for key in keys):
            findings.wrong(
                f"检查点（前 {newest.size} 条）不是由节点密钥签名",
                f"the checkpoint over {newest.size} records is not signed by the node's key",
                newest.size,
            )
            return
        times = (note.witnessed_at(parsed, note.WITNESS, key) for key in trust.registry_keys)
        cosigned = max((time for time in times if time is not None), default=cosigned)
    if newest is not None:
        by = f"，登记库联署于 {day(cosigned)}" if cosigned else ""
        also = f", cosigned by the registry at {day(cosigned)}" if cosigned else ""
        findings.right(
            f"检查点（前 {newest.size} 条）与记录一致{by}",
            f"the checkpoint over {newest.size} records is that of the records{also}",
        )


def _witnessed(seen: _Seen, trust: Trust, findings: Findings) -> None:
    """Merkle roots that others hold."""
    for each in trust.witnesses:
        if each.seq > seen.last:
            _beyond(each.seq, [("", each.where, each.where)], seen, findings)
        elif each.root and seen.roots.get(each.seq, each.root) != each.root:
            findings.wrong(
                f"前 {each.seq} 条记录的默克尔根与 {each.where} 不符：其中有记录被改写",
                f"the Merkle root over {each.seq} records is not that of {each.where}: one was rewritten",
                each.seq,
            )
        elif each.root and each.seq not in seen.roots:
            findings.wrong(
                f"无法核对 {each.where}：更早的记录已按策略清除",
                f"{each.where} cannot be compared: earlier records were removed from this node",
                each.seq,
            )
        else:
            findings.right(f"与 {each.where} 一致", f"agrees with {each.where}")


def day(time_s: int) -> str:
    """A witness's time, by the reader's own clock."""
    return f"{datetime.fromtimestamp(time_s).astimezone():%Y-%m-%d %H:%M:%S%z}"


# ---- what lies beside it -------------------------------------------------------------------------


def _mark(path: Path, reader: JournalReader, seen: _Seen, findings: Findings) -> None:
    stands = mark.read(first_volume(path), reader.node)
    if stands is None:
        return
    if stands.seq > seen.last:
        findings.wrong(
            f"日志账止于第 {seen.last} 条，而本节点已签到第 {stands.seq} 条：这是较旧的副本",
            f"the journal ends at record {seen.last}, but this node has signed record {stands.seq}: "
            "this is an older copy",
            seen.last + 1,
        )
        return
    if stands.seq >= reader.first_seq:
        row = reader.rows(stands.seq - 1, 1)[0]
        if row.head.hex() != stands.head:
            findings.wrong(
                f"第 {stands.seq} 条处的链头与旁存的签名链头不符：记录被改写",
                f"the head at record {stands.seq} is not the signed one beside the journal: it was rewritten",
                stands.seq,
            )


def _photos(path: Path, seen: _Seen, findings: Findings) -> None:
    """Photos beside the journal: those that records name are there, and are what they name."""
    folder = (path if path.is_dir() else path.parent) / "photos"
    if not folder.is_dir() or not seen.photos:
        return
    whole = gone = 0
    for digest, seq in seen.photos.items():
        file = folder / digest[:2] / f"{digest}.bin"
        if not file.is_file():
            if seq > seen.photos_retired:
                findings.wrong(
                    f"第 {seq} 条记录的照片 {digest} 不在", f"photo {digest} of record {seq} is missing", seq
                )
            gone += 1
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            findings.wrong(
                f"第 {seq} 条记录的照片 {digest} 被改动", f"photo {digest} of record {seq} was changed", seq
            )
        else:
            whole += 1
    findings.right(f"{whole} 张照片在库且完整", f"{whole} photos are here and whole")
    if gone and seen.photos_retired:
        findings.right(
            f"第 {seen.photos_retired} 条以前的照片已按策略清除",
            f"photos of records through {seen.photos_retired} were removed by policy",
        )

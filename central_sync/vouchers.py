"""What others have seen of a journal: receipts, checkpoints, the mark beside it, a reader's own copy.

Asked after the records were found to be linked: each of these names a head or a root that they must have.
"""

from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from central_sync import batch as wire
from central_sync import mark, note
from central_sync.seal import receipt_message, verify
from central_sync.trust import Seen, Trust
from central_sync.verdicts import Findings, when
from central_sync.volumes import JournalReader, KeptCheckpoint, KeptReceipt, first_volume
from central_sync.walk import Walk, tree_at

PAGE = 500


class Vouchers:
    """All of them for one journal, whose records ``walk`` has read."""

    def __init__(
        self, path: Path, reader: JournalReader, walk: Walk, trust: Trust, findings: Findings
    ) -> None:
        self._path, self._reader, self._walk = path, reader, walk
        self._trust, self._findings = trust, findings
        self._pages: dict[str, dict[int, bytes]] = defaultdict(dict)

    def check(self) -> None:
        """Tells what each of them says."""
        keys = self._receipts()
        if keys and not self._trust.registry_keys:
            self._findings.remark(
                f"未给定 --registry-key：登记库密钥取自文件本身，请核对：{', '.join(keys)}",
                f"no --registry-key was given: found inside, compare it: {', '.join(keys)}",
            )
        self._checkpoints(self._trust.registry_keys or keys)
        for seen in self._trust.witnesses:
            self._witness(seen)
        self._mark()

    def _head_at(self, asker: str, seq: int) -> str | None:
        """Head after a record in hex, None where it is not here; each asker reads on in its own page."""
        if seq == self._reader.first_seq - 1:
            return self._reader.prev_head.hex()
        if seq not in self._pages[asker]:
            self._pages[asker] = {row.seq: row.head for row in self._reader.rows(seq - 1, PAGE)}
        head = self._pages[asker].get(seq)
        return None if head is None else head.hex()

    def _beyond(self, seq: int, zh: str, en: str) -> None:
        last = self._walk.last
        self._findings.wrong(
            f"日志账止于第 {last} 条，而{zh}已见第 {seq} 条：这是较旧的副本",
            f"the journal ends at record {last}, but {en} has seen record {seq}: this is an older copy",
            last + 1,
        )

    def _other_head(self, seq: int, zh: str, en: str) -> None:
        self._findings.wrong(
            f"第 {seq} 条处的链头与{zh}不符：第 {seq} 条或更早的记录被改写",
            f"the head at record {seq} is not that in {en}: it, or one before it, was rewritten",
            seq,
        )

    # ---- receipts --------------------------------------------------------------------------------

    def _receipts(self) -> list[str]:
        """Compares every receipt; the registry keys that have signed some."""
        through: dict[str, int] = {}
        spoilt: set[str] = set()
        keys: dict[str, None] = {}
        for kept in self._reader.receipts():
            name = str(kept.destination)
            if "#" in name or name in spoilt:
                continue
            receipt = _receipt(kept, self._reader.node)
            if receipt is None:
                self._findings.wrong(
                    f"{name} 的一份回执无法读取", f"a receipt of {name} cannot be read as one of this node"
                )
                spoilt.add(name)
            elif not self._is_right(name, receipt):
                spoilt.add(name)
            else:
                through[name] = max(receipt.accepted_through, through.get(name, 0))
                if receipt.countersignature:
                    keys[receipt.registry_key] = None
        for name, seq in through.items():
            if seq > self._walk.last:
                self._beyond(seq, f"{name} 的回执", f"the receipt of {name}")
            elif name not in spoilt:
                self._findings.right(
                    f"{name} 确认到第 {seq} 条", f"{name} has confirmed through record {seq}"
                )
        return list(keys)

    def _is_right(self, name: str, receipt: wire.Receipt) -> bool:
        """A receipt's signature, and its head against that of the records."""
        seq, trusted = receipt.accepted_through, self._trust.registry_keys
        message = receipt_message(self._reader.node, seq, bytes.fromhex(receipt.head))
        if receipt.countersignature and not verify(receipt.registry_key, message, receipt.countersignature):
            self._findings.wrong(
                f"{name} 对第 {seq} 条的回执签名无效",
                f"the signature of {name}'s receipt for {seq} is not valid",
                seq,
            )
            return False
        if trusted and (receipt.registry_key not in trusted or not receipt.countersignature):
            self._findings.wrong(
                f"{name} 对第 {seq} 条的回执不是由给定的登记库密钥签名",
                f"{name}'s receipt for {seq} is not by a registry key that was given",
                seq,
            )
            return False
        if seq <= self._walk.last and self._head_at(name, seq) not in (receipt.head, None):
            self._other_head(seq, f"{name} 的回执", f"the receipt of {name}")
            return False
        return True

    # ---- checkpoints -----------------------------------------------------------------------------

    def _checkpoints(self, registry_keys: Collection[str]) -> None:
        newest: tuple[note.Checkpoint, note.Note] | None = None
        for kept in self._reader.checkpoints():
            parsed = self._checkpoint(kept, registry_keys)
            if parsed is None:
                return
            newest = parsed
        if newest is None:
            return
        checkpoint, signed = newest
        times = [time for key in registry_keys if (time := note.witnessed_at(signed, note.WITNESS, key))]
        by, also = "", ""
        if times:
            by, also = (
                f"，登记库联署于 {when(max(times))}",
                f", cosigned by the registry at {when(max(times))}",
            )
        size = checkpoint.size
        if size in self._walk.roots:
            zh, en = f"检查点（前 {size} 条）与记录一致{by}", "is that of the records"
            self._findings.right(zh, f"the checkpoint over {size} records {en}{also}")
        else:
            self._findings.remark(
                f"检查点（前 {size} 条）签名有效{by}；更早的记录已不在本机，默克尔根无法在此重算",
                f"the checkpoint over {size} records is signed{also}; earlier records are no longer here, so "
                "that its root cannot be computed",
            )
        if not times:
            self._findings.remark(
                f"最近的检查点（前 {size} 条）没有可核对的登记库联署",
                f"the newest checkpoint, over {size} records, has no cosignature by a known registry key",
            )

    def _checkpoint(
        self, kept: KeptCheckpoint, registry_keys: Collection[str]
    ) -> tuple[note.Checkpoint, note.Note] | None:
        """One that holds; tells why another does not."""
        try:
            signed = note.parse(str(kept.note))
            checkpoint = note.checkpoint_of(signed)
        except note.NoteError as trouble:
            self._findings.wrong(f"检查点无法读取：{trouble}", f"a checkpoint cannot be read: {trouble}")
            return None
        size = checkpoint.size
        if size > self._walk.last:
            self._beyond(size, "检查点", "a checkpoint")
            return None
        if self._walk.roots.get(size, checkpoint.root) != checkpoint.root or size != kept.size:
            self._findings.wrong(
                f"检查点（前 {size} 条）的默克尔根与记录不符",
                f"the Merkle root of the checkpoint over {size} records is not that of the records",
                size,
            )
            return None
        keys = self._trust.keys or self._walk.signers
        ours = checkpoint.origin.endswith(f"/{self._reader.node}")
        if not ours or not any(note.is_signed(signed, checkpoint.origin, key) for key in keys):
            self._findings.wrong(
                f"检查点（前 {size} 条）不是由节点密钥签名",
                f"the checkpoint over {size} records is not signed by the node's key",
                size,
            )
            return None
        if registry_keys and not _is_witnessed(signed, registry_keys):
            self._findings.wrong(
                f"检查点（前 {size} 条）的登记库联署无效",
                f"the registry's signature under the checkpoint over {size} records is not valid",
                size,
            )
            return None
        if tree_at(kept) is None:
            self._findings.wrong(
                f"检查点（前 {size} 条）旁存的树不是其默克尔根的树",
                f"the tree kept with the checkpoint over {size} records is not that of its root",
                size,
            )
            return None
        return checkpoint, signed

    # ---- what was seen elsewhere -----------------------------------------------------------------

    def _witness(self, seen: Seen) -> None:
        known = self._walk.roots.get(seen.seq) if seen.root else self._head_at(seen.where, seen.seq)
        if seen.seq > self._walk.last:
            self._beyond(seen.seq, seen.where, seen.where)
        elif known is None:
            self._findings.wrong(
                f"无法核对 {seen.where}：更早的记录已不在本机",
                f"{seen.where} cannot be compared: earlier records are no longer on this node",
                seen.seq,
            )
        elif known == (seen.root or seen.head):
            self._findings.right(f"与 {seen.where} 一致", f"agrees with {seen.where}")
        elif seen.root:
            self._findings.wrong(
                f"前 {seen.seq} 条记录的默克尔根与 {seen.where} 不符：其中有记录被改写",
                f"the Merkle root over {seen.seq} records is not that of {seen.where}: one was rewritten",
                seen.seq,
            )
        else:
            self._other_head(seen.seq, seen.where, seen.where)

    def _mark(self) -> None:
        """The last head that the node signed, as it stands beside the journal."""
        stands = mark.read(first_volume(self._path), self._reader.node)
        if stands is None:
            self._findings.remark(
                "旁边没有可读的签名链头标记：末尾是否被截去，只能与他处所存（--against）核对",
                "no mark that can be read lies beside it: whether the end was cut off can only be told "
                "by what others hold (--against)",
            )
        elif stands.seq > self._walk.last:
            self._beyond(stands.seq, "旁存的签名链头", "the signed mark beside it")
        elif stands.public_key not in (self._trust.keys or self._walk.signers):
            self._findings.wrong(
                f"旁存的链头标记由另一密钥签名：{stands.public_key}",
                f"the mark beside the journal is signed by another key: {stands.public_key}",
                stands.seq,
            )
        elif self._head_at("mark", stands.seq) not in (stands.head, None):
            self._other_head(stands.seq, "旁存的签名链头", "the signed mark beside it")


def _receipt(kept: KeptReceipt, node: str) -> wire.Receipt | None:
    """The receipt, if it is one for this node that reaches as far as its row says."""
    try:
        receipt = wire.decode_receipt(bytes(kept.data))
    except (wire.WireError, TypeError):
        return None
    reaches = isinstance(kept.through_seq, int) and kept.through_seq <= receipt.accepted_through
    return receipt if reaches and receipt.node == node else None


def _is_witnessed(signed: note.Note, registry_keys: Collection[str]) -> bool:
    """Whether each signature that is called the registry's is one by a known key; none at all is fine."""
    theirs = [each for each in signed.signatures if each.name == note.WITNESS]
    alone = [note.Note(text=signed.text, signatures=(each,)) for each in theirs]
    times = [note.witnessed_at(each, note.WITNESS, key) for each in alone for key in registry_keys]
    count = sum(time is not None for time in times)
    return count >= len(theirs) and (count > 0 or len(signed.signatures) == 1)

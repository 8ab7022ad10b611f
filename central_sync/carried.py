"""Verification of a bundle by anyone, offline: signature, parts, its chain, photos, receipt."""

import contextlib
import hashlib
from pathlib import Path
from typing import NoReturn

import msgspec

from central_sync import batch as wire
from central_sync.bundle import Bundle, BundleError, batch_in, open_bundle
from central_sync.ferry import BundleReceipt
from central_sync.seal import receipt_message, verify
from central_sync.trust import Seen, Trust
from central_sync.verdicts import Findings
from lanes.record import genesis, parse


class _BrokenError(Exception):
    """What does not hold has been told."""


def verify_bundle(path: Path, trust: Trust) -> Findings:
    """What holds of a bundle file; never raises for what it holds."""
    findings = Findings(target=str(path))
    try:
        bundle = open_bundle(path)
        with contextlib.suppress(_BrokenError):
            _Check(bundle, trust, findings).all()
    except (BundleError, wire.WireError) as trouble:
        findings.wrong(f"文件包损坏或不完整：{trouble}", f"the bundle is damaged or not whole: {trouble}")
    return findings


class _Check:
    """One pass through the parts of one bundle."""

    def __init__(self, bundle: Bundle, trust: Trust, findings: Findings) -> None:
        self._bundle, self._trust, self._findings = bundle, trust, findings
        self._last, self._head = bundle.manifest.first_seq - 1, b""
        self._photos = self._kept_back = 0
        self._seen = {each.seq: each for each in trust.witnesses if each.head}

    def all(self) -> None:
        """Tells what holds, up to the first that does not."""
        receipt = self._bundle.manifest.kind == "receipt"
        keys = self._trust.registry_keys if receipt else self._trust.keys
        self._signed(set(keys), "--registry-key" if receipt else "--key")
        for name, content in self._bundle.parts():
            if name.startswith("batches/"):
                self._batch(batch_in(self._bundle, name, content))
            elif name.startswith("photos/"):
                self._photo(name.removeprefix("photos/"), content)
            else:
                self._receipt(content)
        if not receipt:
            self._records()

    def _broken(self, zh: str, en: str, seq: int | None = None) -> NoReturn:
        self._findings.wrong(zh, en, seq)
        raise _BrokenError

    def _signed(self, keys: set[str], option: str) -> None:
        inside = self._bundle.manifest.public_key
        if inside not in (keys or {inside}):
            zh, en = f"清单由另一密钥签名：{inside}", f"the manifest is signed by another key: {inside}"
            self._broken(zh, en)
        if not self._bundle.is_by([inside]):
            zh, en = "清单的签名无效：清单或签名被改动", "the signature of the manifest is not valid"
            self._broken(zh, f"{en}: it, or the manifest, was changed")
        number, place = self._bundle.number, f"{self._bundle.site}/{self._bundle.node}"
        self._findings.right(
            f"{place} 的第 {number} 号文件包，由 {inside} 签名",
            f"bundle {number} of {place}, signed by {inside}",
        )
        if not keys:
            self._findings.remark(
                f"未给定 {option}：以上密钥取自文件本身，请核对",
                f"no {option} was given: this key was found inside; compare it",
            )

    # ---- records ---------------------------------------------------------------------------------

    def _batch(self, batch: wire.Batch) -> None:
        """A batch that goes on from the one before it, signed by the key of the manifest."""
        due = self._last + 1
        if batch.first_seq != due:
            self._broken(
                f"第 {due} 条记录缺失（其后是第 {batch.first_seq} 条）",
                f"record {due} is missing: after {self._last} comes {batch.first_seq}",
                due,
            )
        before = self._head or (genesis(batch.node) if due == 1 else bytes.fromhex(batch.prev_head))
        if batch.prev_head != before.hex():
            self._broken(f"第 {due} 条不接前一条", f"record {due} does not go on from the one before it", due)
        heads = wire.heads_of(batch, wire.raw_records(batch))
        for seq, (text, head) in enumerate(zip(batch.records, heads, strict=True), due):
            if isinstance(text, wire.Withheld):
                self._withheld(seq, text)
            elif _number(text) != seq:
                self._broken(
                    f"第 {seq} 条位置上不是该条记录", f"what stands as record {seq} is not that record", seq
                )
            self._compare(seq, head)
        for seq in wire.unsigned(batch):
            zh, en = f"第 {seq} 条的摘要不是由节点签名", f"what stands for the withheld record {seq}"
            self._broken(zh, f"{en} is not signed by the node", seq)
        if heads[-1].hex() != batch.head or not wire.signature_holds(batch):
            self._broken(
                f"第 {batch.last_seq} 条链头的签名与记录不符",
                f"the signature at record {batch.last_seq} is not one over these records",
                batch.last_seq,
            )
        if batch.public_key != self._bundle.manifest.public_key:
            self._broken(
                f"第 {batch.last_seq} 条由另一密钥签名：{batch.public_key}",
                f"record {batch.last_seq} is signed by another key: {batch.public_key}",
                batch.last_seq,
            )
        self._last, self._head = batch.last_seq, heads[-1]

    def _withheld(self, seq: int, instead: wire.Withheld) -> None:
        self._kept_back += 1
        zh, en = f"第 {seq} 条节点未送原文", f"record {seq} was withheld by the node"
        self._findings.remark(
            f"{zh}：只有其摘要 {instead.withheld}（{instead.size} 字节）；链条经过该处仅有节点签名为凭",
            f"{en}: only its digest {instead.withheld} ({instead.size} bytes) is here; that the chain goes "
            "through there is the node's word alone",
            seq,
        )

    def _compare(self, seq: int, head: bytes) -> None:
        seen = self._seen.get(seq)
        if seen is None:
            return
        if seen.head != head.hex():
            self._broken(
                f"第 {seq} 条处的链头与 {seen.where} 不符：第 {seq} 条或更早的记录被改写",
                f"the head at record {seq} is not that in {seen.where}: it, or one before it, was rewritten",
                seq,
            )
        self._findings.right(f"与 {seen.where} 一致", f"agrees with {seen.where}")

    def _photo(self, digest: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != digest:
            self._broken(f"照片 {digest} 被改动", f"photo {digest} is not what its name says")
        self._photos += 1

    def _records(self) -> None:
        manifest = self._bundle.manifest
        if self._last != manifest.last_seq or (self._head and self._head.hex() != manifest.head):
            self._broken(
                f"记录止于第 {self._last} 条，而清单写到第 {manifest.last_seq} 条",
                f"the records end at {self._last}, the manifest says {manifest.last_seq}",
                self._last + 1,
            )
        if self._head:
            first, kept_back = manifest.first_seq, self._kept_back
            zh = f"（{kept_back} 条未送原文者除外）" if kept_back else ""
            en = f", but for {kept_back} withheld" if kept_back else ""
            self._findings.right(
                f"第 {first} 至 {self._last} 条记录逐条相接{zh}，与签名一致",
                f"records {first} to {self._last} are linked{en}, and are what was signed",
            )
        self._findings.right(f"{self._photos} 张照片完整", f"{self._photos} photos are whole")
        if manifest.previous:
            self._findings.remark(
                f"前一号文件包的 SHA-256 应为 {manifest.previous}",
                f"the bundle before it must have SHA-256 {manifest.previous}",
            )
        for seen in self._trust.witnesses:
            if not manifest.first_seq <= seen.seq <= self._last or not seen.head:
                self._elsewhere(seen)

    def _elsewhere(self, seen: Seen) -> None:
        first = self._bundle.manifest.first_seq
        self._findings.remark(
            f"{seen.where} 无法核对：本文件包只有第 {first} 至 {self._last} 条的链头",
            f"{seen.where} cannot be compared: this bundle has only the heads of records {first} to "
            f"{self._last}",
        )

    # ---- a receipt on its way back ---------------------------------------------------------------

    def _receipt(self, content: bytes) -> None:
        """The registry's receipt inside, signed by the same key."""
        key = self._bundle.manifest.public_key
        try:
            receipt = msgspec.json.decode(content, type=BundleReceipt).receipt
        except wire.UNREADABLE as trouble:
            self._broken(f"回执无法读取：{trouble}", f"the receipt cannot be read: {trouble}")
        message = receipt_message(receipt.node, receipt.accepted_through, bytes.fromhex(receipt.head))
        if receipt.node != self._bundle.node or not verify(key, message, receipt.countersignature):
            self._broken("回执的签名无效", "the signature of the receipt is not valid")
        self._findings.right(
            f"登记库确认到第 {receipt.accepted_through} 条，链头 {receipt.head}",
            f"the registry has confirmed through record {receipt.accepted_through}, head {receipt.head}",
        )


def _number(text: str) -> int | None:
    """The number that a record says of itself."""
    try:
        return parse(text.encode()).seq
    except wire.UNREADABLE:
        return None

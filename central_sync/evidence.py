"""Verification of an inspection's evidence, as a registry hands it out: offline, with nothing but keys."""

import contextlib
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import msgspec
from msgspec import Struct

from central_sync import merkle, note
from central_sync.batch import UNREADABLE, Seq, Sha256
from central_sync.seal import head_message, verify
from central_sync.trust import Trust
from central_sync.verdicts import Findings, when
from lanes.record import Record, link, parse

FORMAT = "chayan evidence 1"


class Shown(Struct, frozen=True, kw_only=True):
    """One record: its exact bytes, and the chain head before it."""

    seq: Seq
    prev_head: Sha256
    record: str


class Signed(Struct, frozen=True, kw_only=True):
    """A head that the node has signed."""

    seq: Seq
    head: Sha256
    public_key: str
    signature: str


class Evidence(Struct, frozen=True, kw_only=True):
    """The whole document: records, and either a checkpoint with paths or a signed head with its links."""

    format: str
    site: str
    node: str
    inspection: str
    records: list[Shown]
    registry_key: str = ""
    node_keys: list[str] = []
    checkpoint: str = ""
    inclusion: dict[str, list[Sha256]] = {}
    signed_head: Signed | None = None
    links: list[str] = []


class _BrokenError(Exception):
    """What does not hold has been told."""


def verify_evidence(target: str, document: bytes, trust: Trust) -> Findings:
    """What holds of the evidence of one inspection."""
    findings = Findings(target=target)
    try:
        shown = msgspec.json.decode(document, type=Evidence)
    except UNREADABLE as trouble:
        findings.wrong(f"不是证据文件：{trouble}", f"this is no evidence document: {trouble}")
        return findings
    if shown.format != FORMAT or not shown.records:
        findings.wrong(
            f"证据格式不识别：{shown.format!r}", f"no evidence of a format known here: {shown.format!r}"
        )
        return findings
    with contextlib.suppress(_BrokenError):
        _Check(shown, trust, findings).run()
    return findings


class _Check:
    """The steps from the records to a signature, for one document."""

    def __init__(self, shown: Evidence, trust: Trust, findings: Findings) -> None:
        self._shown, self._trust, self._findings = shown, trust, findings

    def run(self) -> None:
        shown = self._shown
        heads = [self._head(each) for each in shown.records]
        for before, after in pairwise(shown.records):
            if before.seq >= after.seq:
                self._broken(
                    f"第 {after.seq} 条次序颠倒或重复",
                    f"record {after.seq} is repeated or out of order",
                    after.seq,
                )
        if shown.checkpoint:
            self._under_checkpoint(heads)
        else:
            self._under_signed_head(heads)
        first, last = shown.records[0].seq, shown.records[-1].seq
        self._findings.right(
            f"流水 {shown.inspection} 的 {len(heads)} 条记录（第 {first} 至 {last} 条）与签名一致，未被改动",
            f"{len(heads)} records of inspection {shown.inspection}, {first} to {last}, are what was signed",
        )

    def _broken(self, zh: str, en: str, seq: int | None = None) -> NoReturn:
        self._findings.wrong(zh, en, seq)
        raise _BrokenError

    def _head(self, each: Shown) -> bytes:
        """Chain head after a record that is one of this inspection, under its own number."""
        record = _read(each.record)
        if record is None or (record.seq, record.inspection) != (each.seq, self._shown.inspection):
            self._broken(
                f"第 {each.seq} 条不是本流水的该条记录",
                f"what stands as record {each.seq} is not that record of this inspection",
                each.seq,
            )
        return link(bytes.fromhex(each.prev_head), each.record.encode())

    # ---- a checkpoint ----------------------------------------------------------------------------

    def _under_checkpoint(self, heads: Sequence[bytes]) -> None:
        """Each head is under the root, and the root is signed by the node and cosigned by the registry."""
        shown = self._shown
        try:
            signed = note.parse(shown.checkpoint)
            checkpoint, origin = note.checkpoint_of(signed), note.origin_of(shown.site, shown.node)
        except note.NoteError as trouble:
            self._broken(f"检查点无法读取：{trouble}", f"the checkpoint cannot be read: {trouble}")
        if checkpoint.origin != origin:
            zh, en = f"检查点属于 {checkpoint.origin}", f"the checkpoint is of {checkpoint.origin}"
            self._broken(f"{zh}，不是 {origin}", f"{en}, not of {origin}")
        for each, head in zip(shown.records, heads, strict=True):
            path = [bytes.fromhex(step) for step in shown.inclusion.get(str(each.seq), [])]
            if not merkle.included(head, each.seq - 1, checkpoint.size, path, checkpoint.root):
                self._broken(
                    f"第 {each.seq} 条记录不在检查点的默克尔树内：被改动",
                    f"record {each.seq} is not under the Merkle root of the checkpoint: it was changed",
                    each.seq,
                )
        self._cosigned(signed, checkpoint)
        self._by_node(signed, checkpoint)
        self._seen_elsewhere(checkpoint)

    def _cosigned(self, signed: note.Note, checkpoint: note.Checkpoint) -> None:
        keys = self._trust.registry_keys or [self._shown.registry_key]
        for key in filter(None, keys):
            time_s = note.witnessed_at(signed, note.WITNESS, key)
            if time_s is None:
                continue
            self._findings.right(
                f"检查点（前 {checkpoint.size} 条）由登记库 {key} 联署于 {when(time_s)}",
                f"the checkpoint over {checkpoint.size} records was cosigned by registry {key} "
                f"at {when(time_s)}",
            )
            if not self._trust.registry_keys:
                self._findings.remark(
                    "未给定 --registry-key：登记库密钥取自文件本身，请核对",
                    "no --registry-key was given: the registry's key was found inside; compare it",
                )
            return
        self._broken("检查点没有登记库的联署", "the checkpoint is not cosigned by the registry")

    def _by_node(self, signed: note.Note, checkpoint: note.Checkpoint) -> None:
        keys = self._trust.keys or self._shown.node_keys
        by = [key for key in keys if note.is_signed(signed, checkpoint.origin, key)]
        if not by:
            self._broken("检查点不是由节点密钥签名", "the checkpoint is not signed by the node's key")
        self._findings.right(f"并由节点密钥签名：{by[0]}", f"and signed by the node's key {by[0]}")
        if not self._trust.keys:
            self._compare_key()

    def _compare_key(self) -> None:
        self._findings.remark(
            "未给定 --key：节点密钥取自文件本身，请与登记的公钥核对",
            "no --key was given: the node's key was found inside; compare it with the one that is enrolled",
        )

    def _seen_elsewhere(self, checkpoint: note.Checkpoint) -> None:
        """The same root, where a reader holds one over as many records; others say nothing of it."""
        for seen in self._trust.witnesses:
            if not seen.root or seen.seq != checkpoint.size:
                self._findings.remark(
                    f"{seen.where} 无法在此核对：检查点为前 {checkpoint.size} 条",
                    f"{seen.where} cannot be compared here: the checkpoint is over {checkpoint.size} records",
                )
            elif seen.root == checkpoint.root:
                self._findings.right(f"与 {seen.where} 一致", f"agrees with {seen.where}")
            else:
                self._broken(
                    f"前 {seen.seq} 条记录的默克尔根与 {seen.where} 不符：其中有记录被改写",
                    f"the Merkle root over {seen.seq} records is not that of {seen.where}: one was rewritten",
                    seen.seq,
                )

    # ---- no checkpoint yet -----------------------------------------------------------------------

    def _under_signed_head(self, heads: Sequence[bytes]) -> None:
        """The links from the first record to a head that the node has signed."""
        shown, signed = self._shown, self._shown.signed_head
        if signed is None:
            self._broken("既无检查点也无签名链头", "there is neither a checkpoint nor a signed head")
        computed = self._linked(bytes.fromhex(shown.records[0].prev_head), shown.records[0].seq)
        for each, own in zip(shown.records, heads, strict=True):
            if computed.get(each.seq) != own:
                self._broken(
                    f"第 {each.seq} 条记录不在签名的哈希链上：被改动",
                    f"record {each.seq} does not lie on the signed chain: it was changed",
                    each.seq,
                )
        head, seq = bytes.fromhex(signed.head), signed.seq
        message = head_message(shown.node, seq, head)
        if computed.get(seq) != head or not verify(signed.public_key, message, signed.signature):
            self._broken(
                f"第 {seq} 条的签名与记录不符",
                f"the signature at record {seq} is not one over these records",
                seq,
            )
        if self._trust.keys and signed.public_key not in self._trust.keys:
            self._broken(
                f"第 {seq} 条由另一密钥签名：{signed.public_key}",
                f"record {seq} is signed by another key: {signed.public_key}",
                seq,
            )
        self._findings.right(
            f"第 {seq} 条链头由节点密钥 {signed.public_key} 签名",
            f"the head at record {seq} is signed by {signed.public_key}",
        )
        self._findings.remark(
            "尚无检查点：登记库未联署，只有节点为其担保",
            "no checkpoint covers it yet: only the node vouches for it, no registry",
        )
        if not self._trust.keys:
            self._compare_key()

    def _linked(self, head: bytes, seq: int) -> dict[int, bytes]:
        """Head after each linked record; those of this inspection must all be among the records shown."""
        shown = {each.seq for each in self._shown.records}
        computed: dict[int, bytes] = {}
        for number, text in enumerate(self._shown.links, seq):
            record = _read(text)
            if record is not None and record.inspection == self._shown.inspection and number not in shown:
                self._broken(
                    f"第 {number} 条属于本流水，却未列出",
                    f"record {number} is one of this inspection, but is not shown",
                    number,
                )
            head = computed[number] = link(head, text.encode())
        return computed


def _read(text: str) -> Record | None:
    try:
        return parse(text.encode())
    except UNREADABLE:
        return None

"""Verification of an inspection's evidence, as a registry hands it out: offline, with nothing but keys."""

import msgspec
from msgspec import Struct

from central_sync import merkle, note
from central_sync.batch import UNREADABLE, Sha256
from central_sync.seal import head_message, verify
from central_sync.trust import Trust
from central_sync.verdicts import Findings, when
from lanes.record import Record, link, parse

FORMAT = "chayan evidence 1"


class Shown(Struct, frozen=True, kw_only=True):
    """One record: its exact bytes, and the chain head before it."""

    seq: int
    prev_head: Sha256
    record: str


class Signed(Struct, frozen=True, kw_only=True):
    """A head that the node has signed."""

    seq: int
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
    checkpoint: str = ""
    inclusion: dict[str, list[Sha256]] = {}
    signed_head: Signed | None = None
    links: list[str] = []


class _Broken(Exception):
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
    try:
        heads = [_head(each, shown, findings) for each in shown.records]
        if shown.checkpoint:
            _checkpoint(shown, heads, trust, findings)
        else:
            _signed_head(shown, heads, trust, findings)
    except _Broken:
        return findings
    first, last = shown.records[0].seq, shown.records[-1].seq
    findings.right(
        f"流水 {shown.inspection} 的 {len(heads)} 条记录（第 {first} 至 {last} 条）与签名一致，未被改动",
        f"the {len(heads)} records of inspection {shown.inspection} ({first} to {last}) are what was signed",
    )
    return findings


def _head(each: Shown, shown: Evidence, findings: Findings) -> bytes:
    """Chain head after a record that is one of this inspection, under its own number."""
    data = each.record.encode()
    record = _read(data)
    if record is None or (record.seq, record.inspection) != (each.seq, shown.inspection):
        findings.wrong(
            f"第 {each.seq} 条不是本流水的该条记录",
            f"what stands as record {each.seq} is not that record of this inspection",
            each.seq,
        )
        raise _Broken
    return link(bytes.fromhex(each.prev_head), data)


def _read(data: bytes) -> Record | None:
    try:
        return parse(data)
    except UNREADABLE:
        return None


def _checkpoint(shown: Evidence, heads: list[bytes], trust: Trust, findings: Findings) -> None:
    """Each head is under the root, and the root is signed by the node and cosigned by the registry."""
    try:
        signed = note.parse(shown.checkpoint)
        checkpoint, origin = note.checkpoint_of(signed), note.origin_of(shown.site, shown.node)
    except note.NoteError as trouble:
        findings.wrong(f"检查点无法读取：{trouble}", f"the checkpoint cannot be read: {trouble}")
        raise _Broken from trouble
    if checkpoint.origin != origin:
        findings.wrong(
            f"检查点属于 {checkpoint.origin}，不是 {origin}",
            f"the checkpoint is of {checkpoint.origin}, not of {origin}",
        )
        raise _Broken
    for each, head in zip(shown.records, heads, strict=True):
        path = [bytes.fromhex(step) for step in shown.inclusion.get(str(each.seq), [])]
        if not merkle.included(head, each.seq - 1, checkpoint.size, path, checkpoint.root):
            findings.wrong(
                f"第 {each.seq} 条记录不在检查点的默克尔树内：被改动",
                f"record {each.seq} is not under the Merkle root of the checkpoint: it was changed",
                each.seq,
            )
            raise _Broken
    _vouched(signed, checkpoint, shown, trust, findings)


def _vouched(
    signed: note.Note, checkpoint: note.Checkpoint, shown: Evidence, trust: Trust, findings: Findings
) -> None:
    registry_keys = trust.registry_keys or ([shown.registry_key] if shown.registry_key else [])
    times = {
        key: time
        for key in registry_keys
        if (time := note.witnessed_at(signed, note.WITNESS, key)) is not None
    }
    by_node = [key for key in trust.keys if note.is_signed(signed, checkpoint.origin, key)]
    if trust.keys and not by_node:
        findings.wrong("检查点不是由给定的节点密钥签名", "the checkpoint is not signed by the node's key")
        raise _Broken
    if not times:
        findings.wrong("检查点没有登记库的联署", "the checkpoint is not cosigned by the registry")
        raise _Broken
    for key, time in times.items():
        findings.right(
            f"检查点（前 {checkpoint.size} 条）由登记库 {key} 联署于 {when(time)}",
            f"the checkpoint over {checkpoint.size} records was cosigned by registry {key} at {when(time)}",
        )
    if by_node:
        findings.right(f"并由节点密钥签名：{by_node[0]}", f"and signed by the node's key {by_node[0]}")
    if not trust.registry_keys:
        findings.right(
            "未给定 --registry-key：登记库密钥取自文件本身，请核对",
            "no --registry-key was given: the registry's key was found inside; compare it",
        )


def _signed_head(shown: Evidence, heads: list[bytes], trust: Trust, findings: Findings) -> None:
    """The links from the first record to the signed head, which no checkpoint covers yet."""
    signed = shown.signed_head
    if signed is None:
        findings.wrong("既无检查点也无签名链头", "there is neither a checkpoint nor a signed head")
        raise _Broken
    head, seq = bytes.fromhex(shown.records[0].prev_head), shown.records[0].seq
    computed: dict[int, bytes] = {}
    for number, data in enumerate(shown.links, seq):
        head = computed[number] = link(head, data.encode())
    for each, own in zip(shown.records, heads, strict=True):
        if computed.get(each.seq) != own:
            findings.wrong(
                f"第 {each.seq} 条记录不在签名的哈希链上：被改动",
                f"record {each.seq} does not lie on the signed chain: it was changed",
                each.seq,
            )
            raise _Broken
    message = head_message(shown.node, signed.seq, bytes.fromhex(signed.head))
    if computed.get(signed.seq) != bytes.fromhex(signed.head) or not verify(
        signed.public_key, message, signed.signature
    ):
        findings.wrong(
            f"第 {signed.seq} 条的签名与记录不符",
            f"the signature at record {signed.seq} is not one over these records",
            signed.seq,
        )
        raise _Broken
    if trust.keys and signed.public_key not in trust.keys:
        findings.wrong(
            f"第 {signed.seq} 条由另一密钥签名：{signed.public_key}",
            f"record {signed.seq} is signed by another key: {signed.public_key}",
            signed.seq,
        )
        raise _Broken
    findings.right(
        f"第 {signed.seq} 条链头由节点密钥 {signed.public_key} 签名（尚无检查点）",
        f"the head at record {signed.seq} is signed by {signed.public_key} (no checkpoint covers it yet)",
    )
    if not trust.keys:
        findings.right("未给定 --key：密钥取自文件本身，请核对", "no --key was given: compare this key")

"""Verification of a node's checkpoints at a registry: signed, cosigned, and each only adding to the last."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NoReturn

from central_sync import merkle, note
from central_sync.trust import Seen, Trust
from central_sync.verdicts import Findings, when


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a registry shows of a node: notes in any order, and keys that it says are the node's and its own.

    ``consistency`` asks for the proof between two sizes, ``inclusion`` for that of a record under a size.
    """

    site: str
    node: str
    notes: Sequence[str]
    node_keys: Sequence[str]
    registry_key: str
    through: int
    consistency: Callable[[int, int], Sequence[bytes]]
    inclusion: Callable[[int, int], Sequence[bytes]]


class _BrokenError(Exception):
    """What does not hold has been told."""


def verify_history(target: str, history: History, trust: Trust) -> Findings:
    """What holds of all checkpoints of a node."""
    findings = Findings(target=target)
    with contextlib.suppress(_BrokenError):
        _verify(history, trust, findings)
    return findings


def _verify(history: History, trust: Trust, findings: Findings) -> None:
    checked = sorted(
        (_checkpoint(text, history, trust, findings) for text in history.notes), key=lambda each: each[0].size
    )
    if not checked:
        _broken(findings, "登记库没有该节点的检查点", "the registry has no checkpoint of this node")
    roots = [checkpoint for checkpoint, _ in checked]
    for old, new in pairwise(roots):
        path = history.consistency(old.size, new.size)
        if not merkle.consistent(old.size, old.root, new.size, new.root, path):
            _broken(
                findings,
                f"检查点（前 {new.size} 条）不是前 {old.size} 条的延续：其中有记录被改写",
                f"the checkpoint over {new.size} records does not go on from that over {old.size}: "
                "a record was rewritten",
                old.size,
            )
    first, (last, time_s) = roots[0], checked[-1]
    findings.right(
        f"{len(roots)} 个检查点（前 {first.size} 至前 {last.size} 条）逐个延续，均由节点签名、登记库联署",
        f"{len(roots)} checkpoints, over {first.size} to {last.size} records, each go on from the one "
        "before, signed by the node and cosigned by the registry",
    )
    findings.right(
        f"最近一个联署于 {when(time_s)}；登记库现有至第 {history.through} 条",
        f"the newest was cosigned at {when(time_s)}; the registry holds records through {history.through}",
    )
    if history.through < last.size:
        _older(findings, history.through, "检查点", "the newest checkpoint", last.size)
    for seen in trust.witnesses:
        _compare(seen, roots, history, findings)
    _keys(history, trust, findings)


def _checkpoint(text: str, history: History, trust: Trust, findings: Findings) -> tuple[note.Checkpoint, int]:
    """A checkpoint of this node that both have signed, and when it was cosigned (Unix seconds)."""
    try:
        signed = note.parse(text)
        checkpoint, origin = note.checkpoint_of(signed), note.origin_of(history.site, history.node)
    except note.NoteError as trouble:
        _broken(findings, f"检查点无法读取：{trouble}", f"a checkpoint cannot be read: {trouble}")
    size = checkpoint.size
    if checkpoint.origin != origin:
        zh, en = f"检查点属于 {checkpoint.origin}", f"a checkpoint is of {checkpoint.origin}"
        _broken(findings, f"{zh}，不是 {origin}", f"{en}, not of {origin}", size)
    if not any(note.is_signed(signed, origin, key) for key in trust.keys or history.node_keys):
        _broken(
            findings,
            f"检查点（前 {size} 条）不是由节点密钥签名",
            f"the checkpoint over {size} records is not signed by the node's key",
            size,
        )
    keys = trust.registry_keys or [history.registry_key]
    times = [time for key in keys if (time := note.witnessed_at(signed, note.WITNESS, key)) is not None]
    if not times:
        _broken(
            findings,
            f"检查点（前 {size} 条）没有登记库的联署",
            f"the checkpoint over {size} records is not cosigned by the registry",
            size,
        )
    return checkpoint, max(times)


def _compare(seen: Seen, roots: Sequence[note.Checkpoint], history: History, findings: Findings) -> None:
    """What somebody else holds: its root is that of a checkpoint, or its head is under one."""
    covering = next((each for each in roots if each.size >= seen.seq), None)
    if seen.seq > history.through:
        _older(findings, history.through, seen.where, seen.where, seen.seq)
    elif covering is None or not seen.seq or (seen.root and covering.size != seen.seq):
        findings.remark(
            f"{seen.where} 无法在此核对：没有相应的检查点",
            f"{seen.where} cannot be compared here: there is no checkpoint for it",
        )
    elif seen.root == covering.root or (seen.head and _is_under(seen, covering, history)):
        findings.right(f"与 {seen.where} 一致", f"agrees with {seen.where}")
    else:
        findings.wrong(
            f"前 {seen.seq} 条记录与 {seen.where} 不符：其中有记录被改写",
            f"the first {seen.seq} records are not those of {seen.where}: one was rewritten",
            seen.seq,
        )


def _is_under(seen: Seen, checkpoint: note.Checkpoint, history: History) -> bool:
    path = history.inclusion(seen.seq, checkpoint.size)
    return merkle.included(bytes.fromhex(seen.head), seen.seq - 1, checkpoint.size, path, checkpoint.root)


def _older(findings: Findings, through: int, zh: str, en: str, seq: int) -> None:
    findings.wrong(
        f"登记库止于第 {through} 条，而{zh}已见第 {seq} 条：这是较旧的副本",
        f"the registry ends at record {through}, but {en} has seen record {seq}: this is an older copy",
        through + 1,
    )


def _keys(history: History, trust: Trust, findings: Findings) -> None:
    if not trust.keys:
        keys = ", ".join(history.node_keys)
        findings.remark(
            f"未给定 --key：节点密钥由登记库给出，请核对：{keys}",
            f"no --key was given: the registry names the node's keys, compare them: {keys}",
        )
    if not trust.registry_keys:
        findings.remark(
            f"未给定 --registry-key：请核对 {history.registry_key}",
            f"no --registry-key was given: compare {history.registry_key}",
        )


def _broken(findings: Findings, zh: str, en: str, seq: int | None = None) -> NoReturn:
    findings.wrong(zh, en, seq)
    raise _BrokenError

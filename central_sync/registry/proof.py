"""Proof that the records of an inspection are what the node signed, computed afresh from the stored bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from central_sync.registry import fold, runs
from central_sync.registry.detail import one
from central_sync.registry.nodes import key_was_valid, owned
from central_sync.registry.runs import Damaged, Entry, Withheld
from central_sync.registry.tables import unread
from central_sync.seal import head_message, verify, withheld_message
from lanes.record import genesis


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step of the chain. ``ok`` is None where the bytes are not held, only the head after them."""

    entry: Entry
    ok: bool | None
    read: fold.Read | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The chain from the first record of an inspection to the first signed head after its last one."""

    links: Sequence[Link]
    unread: frozenset[int]
    signed: sa.Row[Any] | None
    signed_ok: bool

    def count(self, ok: bool | None) -> int:
        return sum(each.ok is ok for each in self.links)

    def withheld(self) -> int:
        return sum(isinstance(each.entry.instead, Withheld) for each in self.links)


def proof(engine: sa.Engine, inspection: str, node: str = "") -> dict[str, Any]:
    """Every link from the first record of the inspection to the first signed head after its last one."""
    with engine.connect() as connection:
        row = one(connection, inspection, node)
        chain = _chain(connection, row)
    own = [each for each in chain.links if each.read and each.read.inspection == row.inspection]
    signed, broken = chain.signed, chain.count(False)
    summary = _summary([each.read for each in own if each.read], row)
    listed_ok = not broken and summary == dict(row._mapping)
    return {
        "node": row.node,
        "inspection": row.inspection,
        "ok": chain.signed_ok and not broken and listed_ok,
        "checked": len(chain.links) - chain.count(None),
        "refused": chain.count(None),
        "withheld": chain.withheld(),
        "unread": len(chain.unread),
        "rows": [_shown(each) for each in own],
        "head": {
            "seq": row.last_seq if signed is None else signed.last_seq,
            "hash": "" if signed is None else signed.head.hex(),
            "signature": signed and signed.signature,
            "public_key": signed and signed.public_key,
            "signed_ok": chain.signed_ok,
        },
        "says": _says(len(own), chain, not broken, listed_ok),
    }


def _chain(connection: sa.Connection, row: sa.Row[Any]) -> Chain:
    signed = runs.holding(connection, row.site, row.node, row.last_seq)
    last = row.last_seq if signed is None else signed.last_seq
    query = sa.select(unread.c.seq).where(
        *owned(unread, row.site, row.node), unread.c.seq.between(row.first_seq, last)
    )
    puzzling = frozenset(connection.execute(query).scalars())
    links = list(_links(connection, row, last, puzzling))
    whole = bool(links) and links[-1].entry.seq == last
    return Chain(
        links=links,
        unread=puzzling,
        signed=signed,
        signed_ok=whole and signed is not None and _is_signed(connection, signed),
    )


def _links(
    connection: sa.Connection, row: sa.Row[Any], last: int, puzzling: frozenset[int]
) -> Iterator[Link]:
    own = set(runs.numbers(row.first_seq, row.steps, lost=[]))
    seq, head = _before(connection, row)
    for run in runs.covering(connection, row.site, row.node, row.first_seq, last):
        follows = seq is None or (run.first_seq, run.prev_head) == (seq, head)
        try:
            found = runs.entries(run)
        except Damaged:
            found = [Entry(run.first_seq, run.prev_head, run.head)]
            follows = False
        sound = follows and found[-1].head == run.head
        for each in found:
            if each.seq >= row.first_seq:
                yield _link(connection, run, each, sound, puzzling, own)
        seq, head = run.last_seq + 1, run.head


def _before(connection: sa.Connection, row: sa.Row[Any]) -> tuple[int | None, bytes]:
    """First number of the run in which the inspection begins, and the head that must stand before it."""
    run = runs.holding(connection, row.site, row.node, row.first_seq)
    if run is None or run.first_seq == 1:
        return 1, genesis(row.node)
    before = runs.holding(connection, row.site, row.node, run.first_seq - 1)
    return run.first_seq, b"" if before is None else before.head


def _link(
    connection: sa.Connection,
    run: sa.Row[Any],
    entry: Entry,
    sound: bool,
    puzzling: frozenset[int],
    own: set[int],
) -> Link:
    """``sound``: the run's bytes lead from the head before it to the signed one after it."""
    if isinstance(entry.instead, Withheld):
        signed = _is_withheld(connection, run, entry, entry.instead)
        return Link(entry=entry, ok=None if sound and signed else False)
    if entry.instead is not None:
        return Link(entry=entry, ok=None if sound else False)
    read = fold.read(entry.seq, entry.data, allow_simulated=True)
    if entry.seq in puzzling:
        read = replace(read if entry.seq in own else read.bare(), unread="so it stands in the table")
    return Link(entry=entry, ok=sound, read=read)


def _is_withheld(connection: sa.Connection, run: sa.Row[Any], entry: Entry, kept: Withheld) -> bool:
    """Whether a key of the node has signed for digest, size and head in the place of a record."""
    message = withheld_message(run.node, entry.seq, kept.sha256, kept.size, kept.head)
    return verify(run.public_key, message, kept.signature) and key_was_valid(
        connection, run.site, run.node, run.public_key, entry.seq
    )


def _is_signed(connection: sa.Connection, run: sa.Row[Any]) -> bool:
    """By a key that the node was enrolled with then, not by whichever stands beside the head."""
    message = head_message(run.node, run.last_seq, run.head)
    return verify(run.public_key, message, run.signature) and key_was_valid(
        connection, run.site, run.node, run.public_key, run.last_seq
    )


def _summary(reads: Sequence[fold.Read], row: sa.Row[Any]) -> dict[str, Any] | None:
    """The row of the inspection as its records make it."""
    known: dict[str, dict[str, Any]] = {}
    fold.fold(row.site, row.node, reads, known)
    return known.get(row.inspection)


def _shown(step: Link) -> dict[str, Any]:
    entry, kind = step.entry, step.read and step.read.kind
    return {
        "seq": entry.seq,
        "kind": kind,
        "prev": entry.prev.hex(),
        "hash": entry.head.hex(),
        "ok": step.ok,
    }


def _says(count: int, chain: Chain, chain_ok: bool, listed_ok: bool) -> dict[str, str]:
    if not chain.signed_ok:
        return _not_proven("签名不符", "the signature fails")
    if not chain_ok:
        return _not_proven("链条断裂", "the chain is broken")
    if not listed_ok:
        return _not_proven("列表与记录不符", "the list does not say what the records say")
    zh = f"本检验的 {count} 条记录与节点签名的哈希链一致"
    en = f"All {count} records fit the chain that the node signed"
    if refused := chain.count(None):
        zh += f"。其间 {refused} 条被拒收或未送原文的记录只存链头,无法在此重算;"
        zh += "其内容及其之前的记录须在节点核对。"
        en += (
            f". Of {refused} refused records in between only the head is held and cannot be computed here; "
            "check them, and what stands before them, at the node."
        )
    else:
        zh, en = zh + ",写入之后未被改动、删除或插入。", en + ": none was changed, removed or added."
    if kept_back := chain.withheld():
        zh += f"其中 {kept_back} 条节点未送原文:链条经过该处仅有节点签名为凭。"
        en += f" {kept_back} of them never came: that the chain goes through there is the node's word alone."
    if chain.unread:
        zh += f"另有 {len(chain.unread)} 条原文已存,但本库无法解读。"
        en += f" {len(chain.unread)} records are held, but this registry could not read what they say."
    return {"zh": zh, "en": en}


def _not_proven(zh: str, en: str) -> dict[str, str]:
    return {
        "zh": f"验证未通过:{zh}。库内数据与节点签名的不一致,请勿采信,并与检验机构的日志账核对。",
        "en": f"Not proven: {en}. Do not rely on it; compare with the journal of the node.",
    }

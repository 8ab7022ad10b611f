"""Proof that the records of an inspection are what the node signed, computed afresh from the stored bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from central_sync.registry import fold
from central_sync.registry.detail import one
from central_sync.registry.nodes import key_was_valid, owned
from central_sync.registry.packing import Damaged, unpack
from central_sync.registry.tables import heads, records, unread, withheld
from central_sync.seal import head_message, verify, withheld_message
from lanes.record import genesis, link

PAGE = 1000  # rows read at a time
COLUMNS = ("inspection", "kind", "at", "source", "simulated")  # of a record, each as its bytes say


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One step of the chain. ``ok`` is None where the bytes are not held, only the head after them."""

    row: sa.Row[Any]
    prev: bytes
    ok: bool | None
    read: fold.Read | None = None


def proof(engine: sa.Engine, inspection: str, node: str = "") -> dict[str, Any]:
    """Every link from the first record of the inspection to the first signed head after its last one."""
    with engine.connect() as connection:
        row = one(connection, inspection, node)
        signed = _signed_head(connection, row)
        valid = signed is not None and _is_signed(connection, signed)
        noted = _noted(connection, row, row.last_seq if signed is None else signed.seq)
        rows, reads, checked, refused, broken, head = [], [], 0, 0, 0, b""
        for step in _links(connection, row, noted):
            checked, refused = checked + (step.ok is not None), refused + (step.ok is None)
            broken, head = broken + (step.ok is False), step.row.head
            if step.row.inspection == row.inspection and step.row.refused is None:
                rows.append(_shown(step))
                reads.append(step.read)
    signed_ok = signed is not None and head == signed.head and valid
    listed_ok = not broken and _summary([read for read in reads if read], row) == dict(row._mapping)
    ok = signed_ok and not broken and listed_ok
    return {
        "node": row.node,
        "inspection": row.inspection,
        "ok": ok,
        "checked": checked,
        "refused": refused,
        "withheld": len(noted.withheld),
        "unread": len(noted.unread),
        "rows": rows,
        "head": {
            "seq": row.last_seq if signed is None else signed.seq,
            "hash": head.hex() if signed is None else signed.head.hex(),
            "signature": signed and signed.signature,
            "public_key": signed and signed.public_key,
            "signed_ok": signed_ok,
        },
        "says": _says(len(rows), refused, noted, signed_ok, not broken, listed_ok),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What stands beside the records from an inspection's first to ``last``.

    ``withheld``: number -> whether the node has signed for what stands in its place.
    """

    last: int
    unread: frozenset[int]
    withheld: dict[int, bool]


def _noted(connection: sa.Connection, row: sa.Row[Any], last: int) -> Noted:
    query = sa.select(unread.c.seq).where(
        *owned(unread, row.site, row.node), unread.c.seq.between(row.first_seq, last)
    )
    both = sa.and_(*(records.c[key] == withheld.c[key] for key in ("site", "node", "seq")))
    instead = (
        sa.select(withheld, records.c.data, records.c.head)
        .join_from(withheld, records, both)
        .where(*owned(withheld, row.site, row.node), withheld.c.seq.between(row.first_seq, last))
    )
    return Noted(
        last=last,
        unread=frozenset(connection.execute(query).scalars()),
        withheld={each.seq: _is_withheld(connection, each) for each in connection.execute(instead).all()},
    )


def _is_withheld(connection: sa.Connection, each: sa.Row[Any]) -> bool:
    """Whether a key of the node has signed for digest, size and head in the place of a record."""
    message = withheld_message(each.node, each.seq, each.data.hex(), each.size, each.head.hex())
    return verify(each.public_key, message, each.signature) and key_was_valid(
        connection, each.site, each.node, each.public_key, each.seq
    )


def _is_signed(connection: sa.Connection, signed: sa.Row[Any]) -> bool:
    """By a key that the node was enrolled with then, not by whichever stands beside the head."""
    message = head_message(signed.node, signed.seq, signed.head)
    return verify(signed.public_key, message, signed.signature) and key_was_valid(
        connection, signed.site, signed.node, signed.public_key, signed.seq
    )


def _signed_head(connection: sa.Connection, row: sa.Row[Any]) -> sa.Row[Any] | None:
    query = sa.select(heads).where(
        heads.c.site == row.site, heads.c.node == row.node, heads.c.seq >= row.last_seq
    )
    return connection.execute(query.order_by(heads.c.seq).limit(1)).first()


def _links(connection: sa.Connection, row: sa.Row[Any], noted: Noted) -> Iterator[Link]:
    mine = owned(records, row.site, row.node)
    before = sa.select(records.c.head).where(*mine, records.c.seq == row.first_seq - 1)
    prev = genesis(row.node) if row.first_seq == 1 else connection.execute(before).scalar() or b""
    query = sa.select(records).where(*mine, records.c.seq.between(row.first_seq, noted.last))
    for expected, each in enumerate(
        connection.execute(query.order_by(records.c.seq).execution_options(yield_per=PAGE)), row.first_seq
    ):
        yield _link(each, expected, prev, noted)
        prev = each.head


def _link(row: sa.Row[Any], expected: int, prev: bytes, noted: Noted) -> Link:
    """Whether the stored bytes lead to the stored head, and the columns are what these bytes say."""
    if row.seq != expected:
        return Link(row=row, prev=prev, ok=False)
    if row.refused is not None:
        return Link(row=row, prev=prev, ok=None if noted.withheld.get(row.seq, True) else False)
    try:
        data = unpack(row.data)
    except Damaged:
        return Link(row=row, prev=prev, ok=False)
    read = fold.read(row.seq, data, row.head, allow_simulated=True)
    if row.seq in noted.unread:
        read = replace(read if row.kind else read.bare(), unread="so it stands in the table")
    same = all(getattr(read, name) == getattr(row, name) for name in COLUMNS)
    return Link(row=row, prev=prev, ok=same and link(prev, data) == row.head, read=read)


def _summary(reads: Sequence[fold.Read], row: sa.Row[Any]) -> dict[str, Any] | None:
    """The row of the inspection as its records make it."""
    known: dict[str, dict[str, Any]] = {}
    fold.fold(row.site, row.node, reads, known)
    return known.get(row.inspection)


def _shown(step: Link) -> dict[str, Any]:
    row = step.row
    return {"seq": row.seq, "kind": row.kind, "prev": step.prev.hex(), "hash": row.head.hex(), "ok": step.ok}


def _says(
    count: int, refused: int, noted: Noted, signed_ok: bool, chain_ok: bool, listed_ok: bool
) -> dict[str, str]:
    if not signed_ok:
        return _not_proven("签名不符", "the signature fails")
    if not chain_ok:
        return _not_proven("链条断裂", "the chain is broken")
    if not listed_ok:
        return _not_proven("列表与记录不符", "the list does not say what the records say")
    zh = f"本检验的 {count} 条记录与节点签名的哈希链一致"
    en = f"All {count} records fit the chain that the node signed"
    if refused:
        zh += f"。其间 {refused} 条被拒收或未送原文的记录只存链头,无法在此重算;"
        zh += "其内容及其之前的记录须在节点核对。"
        en += (
            f". Of {refused} refused records in between only the head is held and cannot be computed here; "
            "check them, and what stands before them, at the node."
        )
    else:
        zh, en = zh + ",写入之后未被改动、删除或插入。", en + ": none was changed, removed or added."
    if kept_back := len(noted.withheld):
        zh += f"其中 {kept_back} 条节点未送原文:链条经过该处仅有节点签名为凭。"
        en += f" {kept_back} of them never came: that the chain goes through there is the node's word alone."
    if noted.unread:
        zh += f"另有 {len(noted.unread)} 条原文已存,但本库无法解读。"
        en += f" {len(noted.unread)} records are held, but this registry could not read what they say."
    return {"zh": zh, "en": en}


def _not_proven(zh: str, en: str) -> dict[str, str]:
    return {
        "zh": f"验证未通过:{zh}。库内数据与节点签名的不一致,请勿采信,并与检验机构的日志账核对。",
        "en": f"Not proven: {en}. Do not rely on it; compare with the journal of the node.",
    }

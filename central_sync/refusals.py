"""A refused record becomes a record itself, so that operator and office see it."""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from central_sync.batch import Receipt, RefusedRecord, Withheld
from lanes.record import Draft, Refused

REFUSED = "refused/"  # keys of Refused records begin so; the number of the refused record follows


class _Kind(Struct, frozen=True):
    kind: str = ""


class _What(Struct):
    """What a refused record was about, as far as it can be read."""

    body: _Kind = _Kind()
    inspection: str | None = None


def refusals(
    source: str,
    destination: str,
    receipt: Receipt,
    record: Callable[[int], str | bytes | Withheld],
    because: str = "",
) -> list[Draft]:
    """One draft for each record that the receipt refuses; the same key when it is repeated.

    The refusal of a refusal gives none: it must not breed. ``record``: what was sent under a number;
    ``because``: what this node was answered before it withheld the record.
    """
    drafts = []
    for refused in receipt.refused:
        what = _what(record(refused.seq))
        if what.body.kind != "refused":
            why = f"{refused.why}; {because}" if because else refused.why
            body = Refused(destination=destination, refused_seq=refused.seq, why=why[:2000])
            key = f"{REFUSED}{refused.seq}"
            drafts.append(Draft(source=source, source_key=key, inspection=what.inspection, body=body))
    return drafts


def courier_source(destination: str, prefix: str = "") -> str:
    """Source of what is recorded of the road to a destination; ``prefix``: "virtual+" on a simulated site."""
    return f"{prefix}courier://{destination}"


def words(refused: RefusedRecord, because: str = "") -> tuple[str, str, str]:
    """Subject and words, Chinese and English, of the alarm for a refused record; ``because`` as above."""
    seq, why = refused.seq, refused.why
    if not because:
        return "refused", f"中心拒收第 {seq} 条记录:{why}", f"the centre refused record {seq}: {why}"
    zh = f"第 {seq} 条记录屡被拒收({because}),中心只收到摘要,原文留在本机:请查防火墙与登记库日志"
    en = f"record {seq} was turned down too often ({because}): the centre has only its digest, the bytes stay"
    return "withheld", zh, f"{en} here; look at the firewalls and into the registry's log"


def _what(record: str | bytes | Withheld) -> _What:
    if isinstance(record, Withheld):
        return _What()
    try:
        return msgspec.json.decode(record, type=_What)
    except msgspec.MsgspecError:
        return _What()

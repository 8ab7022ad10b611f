"""A refused record becomes a record itself, so that operator and office see it."""

import msgspec
from msgspec import Struct

from central_sync.batch import Batch, Receipt
from lanes.record import Draft, Refused


class _Kind(Struct, frozen=True):
    kind: str = ""


class _What(Struct):
    """What a refused record was about, as far as it can be read."""

    body: _Kind = _Kind()
    inspection: str | None = None


def refusals(destination: str, batch: Batch, receipt: Receipt, prefix: str = "") -> list[Draft]:
    """One draft for each record of ``batch`` that the receipt refuses; the same draft when it is repeated.

    The refusal of a refusal gives none: it must not breed. ``prefix``: "virtual+" on a simulated site.
    """
    drafts = []
    for refused in receipt.refused:
        what = _what(batch.records[refused.seq - batch.first_seq])
        if what.body.kind != "refused":
            body = Refused(destination=destination, refused_seq=refused.seq, why=refused.why)
            source, key = f"{prefix}courier://{destination}", f"refused/{refused.seq}"
            drafts.append(Draft(source=source, source_key=key, inspection=what.inspection, body=body))
    return drafts


def _what(record: str) -> _What:
    try:
        return msgspec.json.decode(record, type=_What)
    except msgspec.MsgspecError:
        return _What()

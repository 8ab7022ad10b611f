"""One inspection with everything that is known of it, from its records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Raw

from central_sync.batch import UNREADABLE
from central_sync.registry import runs
from central_sync.registry.fold import Envelope, Kind
from central_sync.registry.nodes import owned
from central_sync.registry.problems import Rejected
from central_sync.registry.search import brief
from central_sync.registry.tables import inspections, photos
from lanes.record import (
    NOT_MEASURED,
    Arrived,
    AxleWeighed,
    BrakeMeasured,
    Captured,
    Checked,
    Finding,
    Judged,
    Ordered,
    Photographed,
    Record,
    Reviewed,
    Ruled,
    SideslipMeasured,
    Signed,
    parse,
)

REVIEW = (
    "question", "opinion", "expected", "text", "confidence", "characters", "score", "reasons", "model",
)  # fmt: skip


class _Opaque(Envelope, frozen=True):
    """A record of any version: its body as it stands."""

    body: Raw  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Told:
    """What the parsed records of one inspection say, each with its seq."""

    records: Sequence[Record]

    def of(self, kind: type[Any]) -> Iterable[tuple[int, Any]]:
        return ((record.seq, record.body) for record in self.records if isinstance(record.body, kind))

    def findings(self) -> Sequence[Finding]:
        """Findings of the last judgement."""
        judged = [body for _, body in self.of(Judged)]
        return judged[-1].findings if judged else ()


def one(connection: sa.Connection, inspection: str, node: str = "") -> sa.Row[Any]:
    """The row of an inspection; raises Rejected when there is none, or one on several nodes."""
    query = sa.select(inspections).where(inspections.c.inspection == inspection.replace("\0", ""))
    if node:
        query = query.where(inspections.c.node == node)
    rows = connection.execute(query.limit(2)).all()
    if not rows:
        raise Rejected.not_found(f"no inspection {inspection!r}")
    if len(rows) > 1:
        raise Rejected.ambiguous(f"inspection {inspection!r} is held of several nodes; add ?node=NODE")
    return rows[0]


def detail(engine: sa.Engine, inspection: str, node: str = "") -> dict[str, Any]:
    """Everything of one inspection, as the office shows it."""
    with engine.connect() as connection:
        row = one(connection, inspection, node)
        # what cannot be read is missing here: the proof tells
        stored = runs.of_inspection(connection, row, lost=[])
        told = Told(list(parsed(stored)))
        pictures = [*_captures(connection, row, told), *_photographs(told)]
        held = _held(connection, row, [photo for _, _, photo, _ in pictures])
    return brief(row) | {
        "vehicle": next((body.vehicle for _, body in told.of(Ordered)), None),
        "readings": readings(told),
        "curves": [_curve(body) for _, body in told.of(BrakeMeasured)],
        "photos": [_picture(told, picture, held) for picture in pictures],
        "checks": [_checked(body) for _, body in told.of(Checked)],
        "findings": [msgspec.structs.asdict(finding) for finding in told.findings()],
        "signed": [
            {"officer": record.body.officer, "role": record.body.role, "at": record.at}
            for record in told.records
            if isinstance(record.body, Signed)
        ],
        "records": list(_records(stored)),
    }


def readings(told: Told) -> list[dict[str, Any]]:
    """What the instruments said, then what was derived from it with its limit."""
    rows = []
    for _, body in told.of(AxleWeighed):
        for side, value in (("left_load", body.left_kg), ("right_load", body.right_kg)):
            rows.append(_reading(f"W{body.axle}", side, str(value), "kg", axle=body.axle))
    for _, body in told.of(BrakeMeasured):
        for side, dan in (("left_max", body.left_max_dan), ("right_max", body.right_max_dan)):
            rows.append(_reading(body.item, side, str(dan), "daN", axle=body.axle))
    derived = [finding for finding in told.findings() if finding.quantity not in NOT_MEASURED]
    if not any(finding.quantity == "sideslip" for finding in derived):
        for _, body in told.of(SideslipMeasured):
            rows.append(_reading(body.item, "sideslip", str(body.slip_m_per_km), "m/km"))
    for one in derived:
        rows.append(_reading(one.item, one.quantity, one.value, one.unit, limit=one.limit, result=one.result))
    return rows


def _reading(
    item: str,
    quantity: str,
    value: str,
    unit: str,
    *,
    axle: int | None = None,
    limit: str = "",
    result: str | None = None,
) -> dict[str, Any]:
    return {
        "item": item,
        "axle": axle,
        "quantity": quantity,
        "value": value,
        "unit": unit,
        "limit": limit,
        "result": result,
    }


def _curve(body: BrakeMeasured) -> dict[str, Any]:
    curve = body.curve
    return {
        "item": body.item,
        "axle": body.axle,
        "interval_ms": curve.interval_ms,
        "left_dan": curve.left_dan,
        "right_dan": curve.right_dan,
    }


def _checked(body: Checked) -> dict[str, Any]:
    return {name: getattr(body, name) for name in ("item", "result", "officer", "value", "remark", "defects")}


def _photographs(told: Told) -> Iterable[tuple[int, str, str, Any]]:
    for record in told.records:
        if isinstance(record.body, Photographed):
            yield record.seq, record.body.shot, record.body.photo, record.body.taken_at or record.at


def _captures(connection: sa.Connection, row: sa.Row[Any], told: Told) -> Iterable[tuple[int, str, str, Any]]:
    record = capture_of(connection, row, told.records)
    if record is not None and isinstance(record.body, Captured) and record.body.photo is not None:
        yield record.seq, "capture", record.body.photo, record.body.taken_at or record.at


def capture_of(connection: sa.Connection, row: sa.Row[Any], told: Sequence[Record]) -> Record | None:
    """The gate camera's record by which the vehicle was recognised; it belongs to no inspection."""
    bodies = [record.body for record in told]
    wanted = [
        body.capture_seq for body in bodies if isinstance(body, Arrived) and body.capture_seq is not None
    ]
    if not wanted:
        return None
    found = parsed(runs.between(connection, row.site, row.node, wanted[-1], wanted[-1], lost=[]))
    return next((record for record in found if isinstance(record.body, Captured)), None)


def _picture(told: Told, picture: tuple[int, str, str, Any], held: set[str]) -> dict[str, Any]:
    seq, shot, photo, taken_at = picture
    reviews = {review: body for review, body in told.of(Reviewed) if body.photo_seq == seq}
    return {
        "shot": shot,
        "photo": photo,
        "taken_at": taken_at,
        "held": photo in held,
        "reviews": [{name: getattr(body, name) for name in REVIEW} for body in reviews.values()],
        "rulings": [
            {"decision": body.decision, "officer": body.officer, "reason": body.reason}
            for _, body in told.of(Ruled)
            if body.review_seq in reviews
        ],
    }


def _held(connection: sa.Connection, row: sa.Row[Any], wanted: Sequence[str]) -> set[str]:
    query = sa.select(photos.c.sha256).where(
        *owned(photos, row.site, row.node), photos.c.sha256.in_(wanted), photos.c.held.is_(True)
    )
    return set(connection.execute(query).scalars())


def parsed(stored: Iterable[runs.Entry]) -> Iterable[Record]:
    """Records that this version can read; those of a newer one are shown but not interpreted."""
    for each in stored:
        try:
            yield parse(each.data)
        except UNREADABLE:
            continue


def _records(stored: Iterable[runs.Entry]) -> Iterable[dict[str, Any]]:
    for each in stored:
        try:
            record = msgspec.json.decode(each.data, type=_Opaque)
            kind = msgspec.json.decode(record.body, type=Kind).kind
        except UNREADABLE:  # somebody changed the bytes, which the proof then shows
            continue
        yield {
            "seq": each.seq,
            "at": record.at,
            "kind": kind,
            "source": record.source,
            "body": record.body,
            "hash": each.head.hex(),
        }

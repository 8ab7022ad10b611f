"""What a lane's operator does: calls, ranks, holds, stops, repeats, and says what the sensors cannot."""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from central_sync.journal import RetiredError
from edge.acts import Acts, Reason, RepeatedAct
from edge.operator_permits import must_be_open_lane, must_be_operable
from edge.orders import OrderPost, place
from edge.permits import ActError, must_be_permitted
from lanes.inspection import Inspection
from lanes.record import (
    AnyBody,
    Body,
    Called,
    Corrected,
    Draft,
    Held,
    ItemFailed,
    Key,
    Moved,
    Name,
    Positioned,
    Ranked,
    Repeated,
    Resumed,
    Text,
    Withdrawn,
)
from lanes.spelling import fold
from lanes.stages import staged


class _Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class CalledAct(_Act, frozen=True, kw_only=True, tag="called"):
    """A waiting vehicle is called to a lane."""

    lane: Name
    reason: Text = ""


class RankedAct(_Act, frozen=True, kw_only=True, tag="ranked"):
    """A waiting vehicle goes before others, or after them."""

    priority: Annotated[int, Meta(ge=-9, le=9)]
    reason: Reason


class HeldAct(_Act, frozen=True, kw_only=True, tag="held"):
    """The inspection is held."""

    reason: Reason


class ResumedAct(_Act, frozen=True, kw_only=True, tag="resumed"):
    """A held inspection goes on."""

    reason: Text = ""


class WithdrawnAct(_Act, frozen=True, kw_only=True, tag="withdrawn"):
    """The vehicle is off its lane, or goes to another; ``sure``: the sensors there see another vehicle."""

    reason: Reason
    to: Annotated[str, Meta(max_length=80)] = ""
    sure: bool = False


class StoppedAct(_Act, frozen=True, kw_only=True, tag="stopped"):
    """The item that is being measured is stopped."""

    reason: Reason


class MovedAct(_Act, frozen=True, kw_only=True, tag="moved"):
    """The vehicle stands at this station of its lane, and alone."""

    station: Name
    reason: Reason


class PositionedAct(_Act, frozen=True, kw_only=True, tag="positioned"):
    """This axle stands on the rollers, or stood there last."""

    axle: Annotated[int, Meta(ge=0, le=6)]
    reason: Reason


OperatorAct: TypeAlias = (
    CalledAct
    | RankedAct
    | HeldAct
    | ResumedAct
    | WithdrawnAct
    | RepeatedAct
    | StoppedAct
    | MovedAct
    | PositionedAct
)


class OperatorPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act of an operator; ``key`` makes its repetition harmless."""

    key: Key
    by: Name
    act: OperatorAct


class CorrectPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator reads the plate of a capture otherwise; ``hpzl``: of which kind it is."""

    key: Key
    by: Name
    reason: Reason
    plate_text: Annotated[str, Meta(max_length=40)]
    hpzl: Annotated[str, Meta(pattern="^([0-9]{2})?$")] = ""


class WalkInPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vehicle that stands at the gate without an order is ordered and admitted."""

    order: OrderPost
    by: Name
    reason: Reason


class Operating:
    """Checks an operator's act against the book and appends it."""

    def __init__(self, acts: Acts) -> None:
        self.acts, self.desk = acts, acts.desk

    def _source(self, by: str) -> str:
        return f"{self.desk.prefix}operator/{by}"

    async def append(self, inspection: str, post: OperatorPost) -> tuple[int, bool]:
        """(seq, fresh) of the record; raises ActError when it cannot be taken as things stand."""
        kind, stated = _stated(post.act, post.by)
        source = self._source(post.by)
        async with self.desk.turn:
            seq = self._recorded(source, post.key, inspection, lambda body: _says(body, kind, stated))
            if seq is not None:
                return seq, False
            known = self.acts.known(inspection)
            if not isinstance(post.act, RepeatedAct):
                sure = isinstance(post.act, WithdrawnAct) and post.act.sure
                must_be_operable(self.desk, known, kind, stated, sure=sure)
            body = kind(**stated, **_found(kind, known))
            if isinstance(body, Repeated):
                must_be_permitted(self.desk, known, body)
            drafts = [Draft(source=source, source_key=post.key, body=body, inspection=inspection)]  # type: ignore[arg-type]
            appended, *_ = await self.desk.journal.append(*drafts, *self._with(known, kind))
        return appended.record.seq, appended.fresh

    def _with(self, known: Inspection, kind: type[Body]) -> list[Draft]:
        """The stages of a visit that ends with a withdrawal: what needs nothing more does not come again."""
        if kind is not Withdrawn or known.phase == "on_lane":
            return []
        target_s = self.desk.site.lane(known.lane or "").target_s
        return [
            Draft(
                source=f"{self.desk.prefix}agent",
                source_key=f"{known.inspection}/stages",
                body=staged(known, target_s, self.desk.moment()),
                inspection=known.inspection,
            )
        ]

    async def correct(self, capture_seq: int, post: CorrectPost) -> tuple[int, bool]:
        """(seq, fresh): how an operator reads a plate; raises ActError when no such capture counts."""
        source, text = self._source(post.by), fold(post.plate_text)
        stated = {
            "capture_seq": capture_seq,
            "plate_text": text,
            "hpzl": post.hpzl,
            "by": post.by,
            "reason": post.reason,
        }
        async with self.desk.turn:
            seq = self._recorded(source, post.key, None, lambda body: _says(body, Corrected, stated))
            if seq is not None:
                return seq, False
            body = Corrected(lane=self._lane_of(capture_seq), **stated)  # type: ignore[arg-type]
            appended = await self.desk.append(source, post.key, body)
        return appended.record.seq, appended.fresh

    def _lane_of(self, capture_seq: int) -> str:
        """The lane of a capture that still counts; raises ActError."""
        for lane in self.desk.book.lanes.values():
            for seen in (*lane.captures, *lane.witness.values()):
                if seen.seq == capture_seq:
                    return seen.capture.lane
        raise ActError(
            404,
            "no-capture",
            f"记录 {capture_seq} 不是待识别的抓拍",
            f"record {capture_seq} is no capture that counts",
        )

    async def walk_in(self, lane: str, post: WalkInPost) -> tuple[str, int, bool]:
        """(inspection, seq, fresh): an order made at the gate, and its vehicle admitted; raises ActError."""
        source = f"{self.desk.prefix}clerk/{post.order.ordered_by}"
        if self.desk.journal.find(source, post.order.key) is None:
            must_be_open_lane(self.desk, lane)
            self.acts.free_gate(lane)
        ordered = await place(self.desk, msgspec.structs.replace(post.order, lane=lane), source)
        inspection = ordered.record.inspection or ""
        key = f"{post.order.key[:180]}/admitted"
        seq, fresh = await self.acts.admit(lane, inspection, key, post.by, post.reason)
        return inspection, seq, fresh

    def _recorded(
        self, source: str, key: str, inspection: str | None, says: Callable[[AnyBody], bool]
    ) -> int | None:
        """Seq of the record this act already is; raises ActError when its key stands for another."""
        try:
            record = self.desk.journal.find(source, key)
        except RetiredError as error:
            return error.seq
        if record is None:
            return None
        if record.inspection != inspection or not says(record.body):
            raise ActError(
                409,
                "key-reused",
                f"同一键值已用于另一内容（记录 {record.seq}）",
                f"this key already stands for something else (record {record.seq}); use a new key",
            )
        return record.seq


def _says(body: AnyBody, kind: type[Body], stated: dict[str, Any]) -> bool:
    """Whether a record states the same, whatever the node has added to it."""
    return isinstance(body, kind) and all(getattr(body, name) == value for name, value in stated.items())


def _stated(act: OperatorAct, by: str) -> tuple[type[Body], dict[str, Any]]:
    """The kind of record of an act, and what the act itself says of it."""
    match act:
        case CalledAct():
            return Called, {"lane": act.lane, "by": by, "reason": act.reason}
        case RankedAct():
            return Ranked, {"priority": act.priority, "by": by, "reason": act.reason}
        case HeldAct():
            return Held, {"by": by, "reason": act.reason}
        case ResumedAct():
            return Resumed, {"by": by, "reason": act.reason}
        case WithdrawnAct():
            return Withdrawn, {"by": by, "reason": act.reason, "to": act.to}
        case RepeatedAct():
            return Repeated, {"items": act.items, "officer": by, "reason": act.reason}
        case StoppedAct():
            return ItemFailed, {"why": act.reason, "by": by}
        case MovedAct():
            return Moved, {"station": act.station, "by": by, "reason": act.reason}
        case PositionedAct():
            return Positioned, {"axle": act.axle, "by": by, "reason": act.reason}


def _found(kind: type[Body], known: Inspection) -> dict[str, Any]:
    """What the book adds to an act: where the vehicle is, and what is being measured."""
    if kind is ItemFailed and known.started is not None:
        body = known.started.body
        return {"lane": body.lane, "station": body.station, "item": body.item, "device": body.device}
    if kind is Positioned:
        return {"lane": known.lane, "station": known.station}
    return {"lane": known.lane} if kind in (Withdrawn, Moved) else {}

"""Re-inspection (复检) as an order: which attempt it goes on from, and what of that stands."""

from datetime import date

import msgspec

from edge.desk import Desk
from edge.permits import ActError
from lanes.again import AgainError, failed_only
from lanes.checklist import Checklist
from lanes.inspection import Inspection
from lanes.record import Judged, Ordered
from lanes.scope import Case
from lanes.spelling import fold as spelled
from lanes.vehicle import Vehicle


def reordered(desk: Desk, body: Ordered, wanted: Checklist) -> Ordered:
    """The order of a further attempt, with its number, what it does again and what stands.

    ``wanted``: its checklist as if nothing stood. Raises ActError when it cannot go on from that attempt.
    """
    before = _before(desk, body)
    body = msgspec.structs.replace(body, attempt=before.attempt + 1)
    if body.mode == "full":
        return body
    judged, day = _judged(desk, before)
    case = Case(vehicle=body.vehicle, business=body.business, on=wanted.on)
    try:
        again = failed_only(judged, day, before.stands_until, wanted, case, desk.rules.now())
    except AgainError as error:
        raise ActError(409, "inspect-all", error.zh, error.en) from error
    return msgspec.structs.replace(body, redo=again.redo, stands=again.stands, stands_until=again.until)


def _before(desk: Desk, body: Ordered) -> Inspection:
    """The attempt before: of this vehicle and business, and ended."""
    before = desk.inspection(body.again_of)
    if before is None:
        raise ActError(
            404, "no-inspection", f"没有流水号 {body.again_of}", f"no inspection {body.again_of} on this node"
        )
    if spelled(before.vehicle.vin) != spelled(body.vehicle.vin) or before.business != body.business:
        raise ActError(
            409,
            "another-vehicle",
            f"流水 {body.again_of} 是另一车辆或另一业务",
            f"inspection {body.again_of} is of another vehicle or another business",
        )
    return before


def _judged(desk: Desk, before: Inspection) -> tuple[Judged, date]:
    """Its verdict, and the day of it."""
    if before.judged is None:
        raise ActError(
            409,
            "inspect-all",
            "上次检验没有结论，须全项检验",
            "there is no verdict yet: inspect all items",
        )
    seq, judged = before.judged
    days = (each.at for each in desk.journal.of_inspection(before.inspection) if each.seq == seq)
    return judged, desk.rules_day(next(days))


def must_not_be_held(desk: Desk, vehicle: Vehicle, again_of: str) -> None:
    """Raises ActError while a suspicion of this vehicle stands in an inspection at hand or in that before."""
    at_hand = list(desk.book.inspections.values())
    before = desk.inspection(again_of)
    for each in (*at_hand, *(() if before is None else (before,))):
        if each.referred and spelled(each.vehicle.vin) == spelled(vehicle.vin):
            raise ActError(
                409,
                "suspicious",
                f"该车辆在流水 {each.inspection} 中被列为嫌疑车辆，尚未解除",
                f"inspection {each.inspection} referred this vehicle as suspicious, and nobody released it",
            )

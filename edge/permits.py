"""Permits: what the state of an inspection allows its officers to do, and what they are told otherwise."""

from edge.desk import Desk
from lanes.checklist import Checklist
from lanes.inspection import Inspection
from lanes.judge import rejecting
from lanes.record import (
    Aborted,
    AnyBody,
    Checked,
    Photographed,
    Referred,
    Released,
    Repeated,
    Ruled,
    Signed,
)


class ActError(Exception):
    """An act that cannot be recorded: HTTP status, problem code, and what to do in two languages."""

    def __init__(self, status: int, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.status, self.code, self.zh, self.en = status, code, zh, en


def must_be_permitted(desk: Desk, inspection: Inspection, body: AnyBody) -> None:
    """Raises ActError for what this inspection does not allow as it stands."""
    match body:
        case Aborted():
            if inspection.phase not in ("waiting", "on_lane"):
                raise ActError(409, "not-open", "该流水已结束", "this inspection has ended")
        case Referred():
            _may_refer(desk, inspection, body)
        case Released():
            _may_release(inspection, body)
        case _:
            _must_be_open(inspection)
            _may_add(desk, inspection, body)


def _must_be_open(inspection: Inspection) -> None:
    if inspection.phase != "on_lane":
        says = {"waiting": ("车辆尚未进入通道", "the vehicle has not arrived yet")}
        zh, en = says.get(inspection.phase, ("该流水已结束", "this inspection has ended"))
        raise ActError(409, "not-open", zh, en)
    if "officer" in inspection.signatures:
        raise ActError(409, "signed", "已签字，不能再修改", "it is signed; nothing can be added")


def _may_add(desk: Desk, inspection: Inspection, body: AnyBody) -> None:
    """What the checklist and the reviews have asked for."""
    checklist = desk.checklist(inspection)
    match body:
        case Checked():
            _may_check(desk, inspection, body, checklist)
        case Photographed() if body.shot not in {shot.shot for shot in checklist.shots}:
            raise ActError(
                422, "no-shot", f"没有照片种类 {body.shot}", f"this vehicle has no shot {body.shot}"
            )
        case Ruled() if body.review_seq not in {seq for seq, _ in inspection.asks()}:
            raise ActError(409, "no-ask", "该审核不需裁定或已裁定", "that review does not wait for a ruling")
        case Repeated():
            _may_repeat(desk, inspection, body, checklist)
        case Signed():
            _may_sign(desk, inspection)
        case _:
            pass


def _may_check(desk: Desk, inspection: Inspection, body: Checked, checklist: Checklist) -> None:
    """An item of the checklist; one with a defect that rejects cannot pass."""
    if body.item not in {item.item for item in checklist.checks}:
        raise _no_item(body.item)
    rejects = rejecting(body.defects, desk.rules_of(inspection))
    if rejects and body.result != "fail":
        raise ActError(
            422,
            "rejects",
            f"缺陷 {'、'.join(rejects)} 属于不合格，项目须判不合格",
            f"defect {', '.join(rejects)} rejects: the item must fail",
        )


def _may_repeat(desk: Desk, inspection: Inspection, body: Repeated, checklist: Checklist) -> None:
    """Items of this vehicle, none of which is being measured, at a station it has not left yet."""
    weighed = {f"W{axle}" for axle in inspection.weights}
    codes = {item.item for item in checklist.items} | weighed | inspection.halted
    lane = desk.site.lane(inspection.lane or "")
    for item in body.items:
        if item not in codes:
            raise _no_item(item)
        station = lane.measuring(item)
        if station is not None and station.name in inspection.left:
            raise ActError(
                409, "left", f"车辆已离开 {item} 的工位", f"the vehicle has left the station of {item}"
            )
    if inspection.running is not None:
        running = inspection.running
        raise ActError(409, "running", f"正在检测 {running}", f"{running} is being measured: wait")


def _no_item(item: str) -> ActError:
    return ActError(422, "no-item", f"没有项目 {item}", f"this vehicle has no item {item}")


def _may_sign(desk: Desk, inspection: Inspection) -> None:
    """With nothing missing; a suspicious vehicle is signed for as it is."""
    gaps = desk.missing(inspection)
    if gaps and not inspection.referred:
        raise ActError(
            409,
            "incomplete",
            "还缺：" + "、".join(gap.zh for gap in gaps),
            "still missing: " + ", ".join(gap.en for gap in gaps),
        )


# ---- suspicion -----------------------------------------------------------------------------------


def _may_refer(desk: Desk, inspection: Inspection, body: Referred) -> None:
    """By known signs and photos of this very inspection, also after its verdict, not before it arrived."""
    if inspection.phase == "waiting":
        raise ActError(409, "not-open", "车辆尚未进入通道", "the vehicle has not arrived yet")
    signs = desk.rules_of(inspection).verdicts.signs
    unknown = next((code for code in body.signs if code not in signs), None)
    if unknown is not None:
        known = ", ".join(signs)
        raise ActError(422, "no-sign", f"没有嫌疑特征 {unknown}", f"no sign {unknown}; known: {known}")
    taken = {seq for shots in inspection.photos.values() for seq, _ in shots}
    strange = next((seq for seq in body.photos if seq not in taken), None)
    if strange is not None:
        raise ActError(
            422, "no-photo", f"记录 {strange} 不是本流水的照片", f"record {strange} is no photo of it"
        )


def _may_release(inspection: Inspection, body: Released) -> None:
    """A referral that stands, by somebody else than who made it."""
    referred = inspection.referrals.get(body.referred_seq)
    if referred is None or body.referred_seq in inspection.releases:
        raise ActError(
            409, "no-referral", "没有待解除的嫌疑", f"record {body.referred_seq} is no referral that stands"
        )
    if referred.officer == body.officer:
        raise ActError(
            409, "same-officer", "须由另一查验员解除嫌疑", "another officer than the one who referred it must"
        )

"""Accepting a vehicle for inspection (受理): by a clerk over HTTP or by a directive, on one road."""

from datetime import datetime
from typing import Annotated

import msgspec
import uuid_utils
from msgspec import Meta, Struct

from central_sync.journal import Appended
from edge.acts import aware, must_have_room
from edge.again import must_not_be_held, reordered
from edge.desk import Desk
from edge.permits import ActError
from lanes.checklist import Checklist, Given
from lanes.record import Business, Draft, Key, Listed, Mode, Name, Ordered
from lanes.scope import RuleError
from lanes.spelling import fold
from lanes.vehicle import Vehicle

#: what the node adds to an order; a repetition may come when that would be something else
_OWN = ("left_out", "left_out_why", "attempt", "redo", "stands", "stands_until")


class OrderPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A vehicle is accepted for inspection; ``key`` makes its repetition harmless.

    ``listed``: the platform's own list for this vehicle, which goes before the tables here. ``appointed_at``,
    ``booking``: when it was booked to come, and under which number.
    """

    key: Key
    vehicle: Vehicle
    business: Business
    ordered_by: Name
    lane: Annotated[str, Meta(max_length=80)] = ""
    listed: Listed | None = None
    again_of: Annotated[str, Meta(max_length=80)] = ""
    mode: Mode = "full"
    appointed_at: datetime | None = None
    booking: Annotated[str, Meta(max_length=80)] = ""


async def place(desk: Desk, post: OrderPost, source: str) -> Appended:
    """The order as a record; the one it already is for a repetition. Raises ActError."""
    policy = desk.site.rules
    body = Ordered(
        vehicle=post.vehicle,
        business=post.business,
        ordered_by=post.ordered_by,
        lane=post.lane,
        left_out=policy.left_out,
        left_out_why=policy.left_out_why,
        again_of=post.again_of,
        mode=post.mode,
        appointed_at=None if post.appointed_at is None else aware(post.appointed_at),
        booking=post.booking,
    )
    async with desk.turn:
        known = desk.journal.find(source, post.key)
        if known is None:
            must_have_room(desk)
            wanted = _orderable(desk, post, body)
            if post.again_of:
                body = reordered(desk, body, wanted)
        appended = await _append(desk, post, source, body, known is None)
    if not _same(appended.record.body, body):
        raise ActError(
            409, "key-reused", "同一键值已用于另一受理", "this key already stands for another order"
        )
    return appended


async def _append(desk: Desk, post: OrderPost, source: str, body: Ordered, new: bool) -> Appended:
    """The order, and with a new one the platform's list: both, or after a power cut neither."""
    inspection = str(uuid_utils.uuid7())
    drafts = [Draft(source=source, source_key=post.key, body=body, inspection=inspection)]
    if new and post.listed is not None:
        drafts.append(
            Draft(
                source=f"{desk.prefix}agent",
                source_key=f"{inspection}/listed",
                body=post.listed,
                inspection=inspection,
            )
        )
    return (await desk.journal.append(*drafts))[0]


def _same(recorded: object, body: Ordered) -> bool:
    """Whether an order repeats one, in all but what the node itself adds to it."""
    return isinstance(recorded, Ordered) and body == msgspec.structs.replace(
        recorded, **{name: getattr(body, name) for name in _OWN}
    )


def _orderable(desk: Desk, post: OrderPost, body: Ordered) -> Checklist:
    """Its checklist; refuses what may not or could not be inspected: black list, no rules, still open."""
    stopped = desk.blacklist.stops(post.vehicle)
    if stopped is not None:
        raise ActError(
            409,
            "blacklisted",
            f"该车辆在布控名单内：{stopped.reason_zh}",
            f"this vehicle is on the black list: {stopped.reason_en}",
        )
    must_not_be_held(desk, post.vehicle, post.again_of)
    if post.mode == "failed_only" and not post.again_of:
        raise ActError(
            422,
            "no-attempt",
            "复检须注明原流水号",
            "again_of must name the attempt that failed",
        )
    try:
        given = Given(listed=post.listed, left_out=body.left_out, left_out_why=body.left_out_why)
        wanted = desk.rules_today(post.vehicle, post.business, given)
    except RuleError as error:
        raise ActError(422, "no-rules", f"规则未覆盖该车辆或业务：{error}", str(error)) from error
    _must_fit(post.vehicle, wanted)
    lanes = {lane.name for lane in desk.site.lanes}
    if post.lane and post.lane not in lanes:
        raise ActError(422, "no-lane", f"没有检测线 {post.lane}", f"no lane {post.lane}; {sorted(lanes)}")
    for each in desk.book.inspections.values():
        if each.phase in ("waiting", "on_lane") and fold(each.vehicle.vin) == fold(post.vehicle.vin):
            raise ActError(
                409,
                "open-already",
                f"该车辆已有未结束的流水 {each.inspection}",
                f"this vehicle already has the open inspection {each.inspection}",
            )
    return wanted


def _must_fit(vehicle: Vehicle, wanted: Checklist) -> None:
    """Refuses papers with which a lane could not recognise the vehicle, or never finish its parking brake."""
    plate = vehicle.plate
    if plate is not None and plate.hphm != fold(plate.hphm):
        raise ActError(
            422,
            "plate",
            f"号牌号码应写作 {fold(plate.hphm)}",
            f"write the plate as the cameras do: {fold(plate.hphm)}, not {plate.hphm}",
        )
    parked = set(vehicle.parking_axles)
    if "B0" in {item.item for item in wanted.instruments} and not (
        parked and parked <= set(range(1, vehicle.axles + 1))
    ):
        raise ActError(
            422,
            "axles",
            f"驻车轴 {sorted(parked)} 须为车辆现有的轴（1 至 {vehicle.axles}）",
            f"parking_axles {sorted(parked)} must be axles the vehicle has, of 1 to {vehicle.axles}",
        )

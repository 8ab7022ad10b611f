"""What the state of a lane allows its operator to do, and what he is told otherwise."""

from typing import Any

from edge.desk import Desk
from edge.permits import ActError
from lanes.inspection import Inspection
from lanes.record import (
    Body,
    Called,
    Held,
    ItemFailed,
    Moved,
    Positioned,
    Ranked,
    Resumed,
    Withdrawn,
)


def must_be_operable(
    desk: Desk, known: Inspection, kind: type[Body], stated: dict[str, Any], *, sure: bool
) -> None:
    """Raises ActError for an act that an inspection does not allow as it stands."""
    if kind in (Called, Ranked):
        if known.phase != "waiting":
            raise ActError(409, "not-waiting", "该流水不在等候", "this inspection does not wait")
        if kind is Called:
            must_be_open_lane(desk, stated["lane"])
    elif kind is Held:
        _may_hold(known)
    elif kind is Resumed:
        if known.held is None:
            raise ActError(409, "not-held", "该流水没有暂停", "this inspection is not held")
    elif kind is ItemFailed:
        if known.running is None:
            raise ActError(409, "nothing-runs", "没有正在检测的项目", "nothing is being measured")
    else:
        _must_be_on_lane(known)
        if kind is Withdrawn:
            _may_withdraw(desk, known, stated["to"], sure)
        elif kind is Moved:
            _may_move(desk, known, stated["station"])
        elif kind is Positioned:
            _may_position(desk, known, stated["axle"])


def must_be_open_lane(desk: Desk, lane: str) -> None:
    """Raises ActError for a lane that this site does not have."""
    lanes = [each.name for each in desk.site.lanes]
    if lane not in lanes:
        raise ActError(422, "no-lane", f"没有检测线 {lane}", f"no lane {lane}; {lanes}")


def _may_hold(known: Inspection) -> None:
    if known.phase not in ("waiting", "on_lane"):
        raise ActError(409, "not-open", "该流水已结束", "this inspection has ended")
    if known.held is not None:
        raise ActError(409, "held", "该流水已暂停", "this inspection is held already")


def _must_be_on_lane(known: Inspection) -> None:
    if known.lane is None or known.station is None:
        raise ActError(409, "not-on-lane", "车辆不在通道内", "the vehicle is on no lane")
    if known.running is not None:
        running = known.running
        raise ActError(
            409, "running", f"正在检测 {running}，请先中止", f"{running} is being measured: stop it"
        )


def _may_withdraw(desk: Desk, known: Inspection, to: str, sure: bool) -> None:
    """Off a station that sees no vehicle any more, or by the operator's word that it is another."""
    if to:
        must_be_open_lane(desk, to)
    if desk.book.lane(known.lane or "").present(known.station or "") and not sure:
        raise ActError(
            409,
            "stands-there",
            f"传感器显示工位 {known.station} 仍有车；确认已离开请注明 sure",
            f"the sensors see a vehicle at {known.station}: let it leave first, or say that you are sure",
        )


def _may_move(desk: Desk, known: Inspection, station: str) -> None:
    """To a station of its lane where a vehicle stands and nobody else is booked."""
    lane, state = desk.site.lane(known.lane or ""), desk.book.lane(known.lane or "")
    if station not in [each.name for each in lane.stations]:
        raise ActError(422, "no-station", f"没有工位 {station}", f"lane {lane.name} has no station {station}")
    if state.at.get(station, known.inspection) != known.inspection:
        raise ActError(
            409,
            "occupied",
            f"工位 {station} 登记有另一车辆，请先退线",
            f"another vehicle is booked at {station}: withdraw that first",
        )
    if not state.present(station):
        raise ActError(409, "nobody-there", f"工位 {station} 没有车", f"no vehicle is seen at {station}")


def _may_position(desk: Desk, known: Inspection, axle: int) -> None:
    """An axle that the vehicle has, at a station that measures axle by axle."""
    stations = {each.name: each for each in desk.site.lane(known.lane or "").stations}
    if not stations[known.station or ""].by_axle:
        raise ActError(
            409, "no-rollers", f"工位 {known.station} 不按轴检测", f"{known.station} does not measure by axle"
        )
    if axle > known.vehicle.axles:
        has = known.vehicle.axles
        raise ActError(422, "axles", f"该车只有 {has} 轴", f"this vehicle has {has} axles only")

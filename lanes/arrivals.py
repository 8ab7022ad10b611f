"""Whose vehicle stands at a gate: captures to waiting inspections, the queue, what may be meant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from lanes.book import CAPTURE_LEAD, Book, LaneBook, Seen
from lanes.inspection import Inspection
from lanes.layout import Lane
from lanes.record import Captured
from lanes.scan import meaning
from lanes.spelling import NEAR, fold, misreading_cost
from lanes.vehicle import Plate

CAPTURE_LAG = timedelta(seconds=15)  # a capture comes a moment after the vehicle; later it is missing
APPOINTED_LEAD = timedelta(minutes=15)  # from then on who is booked goes before walk-ins (M)
LIKELY_COST = 2 * NEAR  # what the characters of a plate may cost together to be shown as a likely misreading

#: What a camera says of a plate -> kinds (hpzl) painted so (words F: domain notes 7.1; kinds M: 5.2).
COLOURS: Mapping[str, frozenset[str]] = {
    "blue": frozenset({"02", "06", "08"}),
    "black": frozenset({"03", "04", "09", "10", "12", "26", "27"}),
    "white": frozenset({"23", "24", "31", "32"}),
    "yellow": frozenset({"01", "07", "13", "15", "16", "17", "18", "19"}),
    "yellow_single": frozenset({"01", "13", "16", "18"}),
    "yellow_double": frozenset({"01", "07", "13", "15", "17", "19"}),
    "green": frozenset({"52"}),
    "green_small": frozenset({"52"}),
    "yellow_green": frozenset({"51"}),
    "green_large": frozenset({"51"}),
    "police": frozenset({"23", "24"}),
    "embassy": frozenset({"03", "09"}),
    "consulate": frozenset({"04", "10"}),
}

MeantKind: TypeAlias = Literal["inspection", "plate", "vin", "booking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a scan or a search means: an inspection's number, a plate, a VIN or its end, a booking."""

    kind: MeantKind
    text: str
    hpzl: str = ""


def queue(waiting: Iterable[Inspection], now: datetime) -> list[Inspection]:
    """Who waits, in the order in which they should be called.

    Called ones as they were called; then by priority; then whoever is booked for now, by the time; then the
    others as they came, with those whose time has not come yet. Who is held is last.
    """

    def place(each: Inspection) -> tuple[bool, float, int, bool, datetime, int]:
        booked = each.appointed_at
        due = booked if booked is not None and booked - APPOINTED_LEAD <= now else None
        called = float(each.called_seq) if each.called_seq else float("inf")
        return each.held is not None, called, -each.priority, due is None, due or now, each.ordered_seq

    return sorted(waiting, key=place)


def matching(seen: Seen, waiting: Sequence[Inspection]) -> Inspection | None:
    """The waiting inspection of a capture: (hpzl, hphm), or without a plate an unplated one of the lane.

    One number may stand under several kinds: then the operator's word or the plate's colour must tell which.
    """
    free = [each for each in waiting if each.held is None]
    if not seen.text:
        unplated = [each for each in free if each.vehicle.plate is None]
        called = [each for each in unplated if each.called_to == seen.capture.lane]
        anywhere = [each for each in unplated if not each.called_to]
        return min(called, key=lambda each: each.called_seq, default=next(iter(anywhere), None))
    alike = [each for each in free if _number(each) == seen.text]
    if seen.hpzl:
        alike = [each for each in alike if _kind(each) == seen.hpzl]
    elif len(alike) > 1:
        kinds = COLOURS.get(seen.capture.plate_type, frozenset())
        alike = [each for each in alike if _kind(each) in kinds]
    return alike[0] if len(alike) == 1 else None


def _number(inspection: Inspection) -> str:
    plate = inspection.vehicle.plate
    return plate.hphm if plate else ""


def _kind(inspection: Inspection) -> str:
    plate = inspection.vehicle.plate
    return plate.hpzl if plate else ""


def resembling(seen: Seen, waiting: Iterable[Inspection]) -> list[Inspection]:
    """Waiting inspections whose plate the camera may have misread, the likeliest first; admits nobody."""
    costs = {each.inspection: _misread(seen.text, _number(each)) for each in waiting}
    likely = [each for each in waiting if costs[each.inspection] <= LIKELY_COST]
    return sorted(likely, key=lambda each: costs[each.inspection])


def _misread(read: str, true: str) -> int:
    """What it costs to read one plate for another; more than anything is likely when their lengths differ."""
    if len(read) != len(true):
        return LIKELY_COST + 1
    return sum(misreading_cost(a, b) for a, b in zip(read, true, strict=True))


def is_another(text: str, plate: Plate | None) -> bool:
    """Whether a plate that was read is not this one: no confusion of look-alikes explains it."""
    read, true = fold(text), "" if plate is None else fold(plate.hphm)
    return len(read) != len(true) or any(
        misreading_cost(a, b) > NEAR for a, b in zip(read, true, strict=True)
    )


def meant_by(meant: Meant, waiting: Iterable[Inspection]) -> list[Inspection]:
    """Waiting inspections that a scan or a search means; admitted is only a single one, by who asked."""
    text = fold(meant.text)

    def fits(each: Inspection) -> bool:
        match meant.kind:
            case "inspection":
                return each.inspection == meant.text
            case "plate":
                return bool(text) and fold(_number(each)) == text and meant.hpzl in ("", _kind(each))
            case "vin":
                return len(text) >= VIN_END and fold(each.vehicle.vin).endswith(text)
        return bool(text) and fold(each.booking) == text

    return [each for each in waiting if fits(each)]


def meant_in(text: str) -> Meant:
    """What a scanned text means for who waits; what nobody else knows may be the number of a booking."""
    found = meaning(text)
    match found.kind:
        case "form" | "inspection":
            return Meant(kind="inspection", text=found.value)
        case "vin" | "plate":
            return Meant(kind=found.kind, text=found.value)
    return Meant(kind="booking", text=found.value)


VIN_END = 4  # the platform searches by the last 4 or 6 characters of a VIN (F: domain notes 4)


# ---- the gate ------------------------------------------------------------------------------------


def at_gate(lane: Lane, state: LaneBook) -> bool:
    """Whether a vehicle stands at the gate unrecognised; not the end of one that has gone in."""
    gate = lane.stations[0].name
    return gate not in state.at and gate not in state.tails and state.on(gate)


def candidates(lane: Lane, state: LaneBook) -> list[Seen]:
    """Unused captures of the vehicle that stands at the gate unrecognised, the newest first."""
    if not at_gate(lane, state):
        return []
    gate = lane.stations[0].name
    since = state.occupied_at[gate] - CAPTURE_LEAD
    return [seen for seen in reversed(state.captures) if seen.capture.station == gate and seen.at >= since]


def recognised(lane: Lane, book: Book) -> tuple[Seen, Inspection] | None:
    """The newest capture at the gate that is somebody's who waits, and whose."""
    waiting = book.waiting()
    for seen in candidates(lane, book.lane(lane.name)):
        match = matching(seen, waiting)
        if match is not None:
            return seen, match
    return None


def scanned(lane: Lane, book: Book) -> tuple[int, Seen | None, Inspection] | None:
    """The newest scan at the gate that means one inspection that waits: its seq, the capture there, whose.

    A scan never admits a vehicle on which the camera has read another plate: papers can be anybody's.
    """
    state = book.lane(lane.name)
    if not at_gate(lane, state):
        return None
    gate = lane.stations[0].name
    free = [each for each in book.waiting() if each.held is None]
    seen = next(iter(candidates(lane, state)), None)
    for record, body in reversed(state.scans):
        if body.station != gate or record.at < state.occupied_at[gate] - CAPTURE_LEAD:
            continue
        found = meant_by(meant_in(body.text), free)
        if len(found) == 1 and (seen is None or not seen.text or _is_his(seen, found[0])):
            return record.seq, seen, found[0]
    return None


def _is_his(seen: Seen, inspection: Inspection) -> bool:
    return not is_another(seen.text, inspection.vehicle.plate)


def unmatched_seen(lane: Lane, book: Book) -> Seen | None:
    """The last capture of a vehicle at the gate that is nobody's who waits: the operator must act."""
    seen = candidates(lane, book.lane(lane.name))
    return seen[0] if seen and recognised(lane, book) is None else None


def unmatched(lane: Lane, book: Book) -> Captured | None:
    """The same capture as the camera told it."""
    seen = unmatched_seen(lane, book)
    return None if seen is None else seen.capture


def uncaptured(lane: Lane, book: Book, now: datetime) -> datetime | None:
    """Since when a vehicle stands at the gate that no camera has captured, once that is longer than usual."""
    state = book.lane(lane.name)
    if not at_gate(lane, state) or candidates(lane, state):
        return None
    since = state.occupied_at[lane.stations[0].name]
    return since if now - since > CAPTURE_LAG else None

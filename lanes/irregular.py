"""What is not as it should be on a lane, by its levels and records, and which acts of an operator mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from lanes.arrivals import resembling, uncaptured, unmatched_seen
from lanes.book import TAIL, Book, LaneBook
from lanes.flow import Items, tasks_left
from lanes.inspection import Inspection
from lanes.irregular_words import SAYS
from lanes.layout import Lane, Station
from lanes.presence import axle_on, doubts

VANISHED = timedelta(seconds=10)  # a vehicle rolls from one station to the next in less (M)
UNKNOWN = timedelta(seconds=5)  # a sensor may rise this long before anybody can be booked there (M)
WARN_PCT = 80  # of the target, from which the board warns (M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Irregular:
    """One irregularity of a lane as it stands. ``candidates``: inspections that may be meant."""

    code: str
    lane: str
    station: str
    at: datetime
    zh: str
    en: str
    inspection: str = ""
    candidates: tuple[str, ...] = ()

    @property
    def acts(self) -> tuple[str, ...]:
        """The operator's acts of which one mends it."""
        return SAYS[self.code].acts


def irregular(lane: Lane, book: Book, items: Items, now: datetime) -> Iterator[Irregular]:
    """Everything that is not as it should be on a lane; each ends once levels or an act say so."""
    yield from _at_gate(lane, book, now)
    state, unsure = book.lane(lane.name), dict(doubts(lane, book))
    for number, here in enumerate(lane.stations):
        inspection = book.inspections.get(state.at.get(here.name, ""))
        if inspection is None:
            yield from _unbooked(lane, state, here, now)
            continue
        if here.name in unsure:
            code = unsure[here.name]
            seen = state.witness[here.name].text if code == "another" else ""
            since = state.changed[here.name].at if here.name in state.changed else now
            yield _of(code, lane, here, inspection, since, seen=seen)
        yield from _vanished(lane, state, number, inspection, now)
        yield from _halted(lane, here, inspection, now)
        yield from _axles(lane, state, here, inspection, items.get(inspection.inspection, ()), now)
        yield from _slow(lane, here, inspection, now)


def _of(
    code: str, lane: Lane, station: Station, inspection: Inspection | None, at: datetime, **words: str
) -> Irregular:
    says, title = SAYS[code], station.title
    vehicle = "" if inspection is None else name_of(inspection)
    candidates = tuple(words.pop("candidates", "").split())
    zh = says.zh.format(vehicle=vehicle, **_in("zh", words))
    en = says.en.format(vehicle=vehicle, **_in("en", words))
    return Irregular(
        code=code,
        lane=lane.name,
        station=station.name,
        at=at,
        zh=f"{lane.name} 道 {title.zh}：{zh}",
        en=f"lane {lane.name}, {title.en}: {en}",
        inspection="" if inspection is None else inspection.inspection,
        candidates=candidates,
    )


def _in(tongue: str, words: dict[str, str]) -> dict[str, str]:
    """The words of one language; a word for one only is named with it (seen_zh)."""
    return {name.removesuffix(f"_{tongue}"): word for name, word in words.items()}


def name_of(inspection: Inspection) -> str:
    """How people call a vehicle: its plate, else its VIN."""
    plate = inspection.vehicle.plate
    return plate.hphm if plate else inspection.vehicle.vin


# ---- the gate ------------------------------------------------------------------------------------


def _at_gate(lane: Lane, book: Book, now: datetime) -> Iterator[Irregular]:
    gate, state = lane.stations[0], book.lane(lane.name)
    since = uncaptured(lane, book, now)
    if since is not None:
        yield _of("uncaptured", lane, gate, None, since)
    seen = unmatched_seen(lane, book)
    if seen is None:
        return
    waiting = book.waiting()
    same = [each for each in waiting if seen.text and name_of(each) == seen.text]
    held = next((each.held for each in same if each.held is not None), None)
    likely = same or (resembling(seen, waiting) if seen.text else [])
    code = "unmatched" if not same else "ambiguous" if held is None else "held_at_gate"
    names = ", ".join(f"{name_of(each)} {each.vehicle.vin}" for each in likely[:3])
    yield _of(
        code,
        lane,
        gate,
        None,
        state.occupied_at[gate.name],
        seen_zh=seen.text or "无号牌",
        seen_en=seen.text or "no plate",
        likely_zh=f"，可能是 {names}" if names else "",
        likely_en=f", perhaps {names}" if names else "",
        why="" if held is None else held.reason,
        candidates=" ".join(each.inspection for each in likely),
    )


# ---- stations ------------------------------------------------------------------------------------


def _unbooked(lane: Lane, state: LaneBook, here: Station, now: datetime) -> Iterator[Irregular]:
    """Occupied, and nobody is booked there."""
    tail = state.tails.get(here.name)
    if tail is not None:
        if now - tail > TAIL:
            yield _of("tail", lane, here, None, tail)
        return
    if not state.present(here.name):
        return
    since = state.occupied_at.get(here.name, now)
    if here.kind == "gate":
        if here.name in state.green:
            yield _of("tailgate", lane, here, None, since)
    elif now - since > UNKNOWN or not state.on(here.name):
        yield _of("unknown", lane, here, None, since)


def _vanished(
    lane: Lane, state: LaneBook, number: int, inspection: Inspection, now: datetime
) -> Iterator[Irregular]:
    """Booked here, and seen neither here nor further on."""
    here = lane.stations[number]
    emptied = state.emptied.get(here.name)
    if state.present(here.name) or emptied is None or now - emptied <= VANISHED:
        return
    before = lane.stations[number - 1] if number else None
    behind = before is not None and before.name not in state.at and state.present(before.name)
    yield _of("backwards" if behind else "vanished", lane, here, inspection, emptied)


def _halted(lane: Lane, here: Station, inspection: Inspection, now: datetime) -> Iterator[Irregular]:
    since = inspection.stays[-1].entered.at if inspection.stays else now
    if inspection.stopped:
        return
    if inspection.halted:
        yield _of("stopped", lane, here, inspection, since, items=", ".join(sorted(inspection.halted)))
    if inspection.held is not None:
        yield _of("held", lane, here, inspection, since, why=inspection.held.reason)


def _axles(
    lane: Lane, state: LaneBook, here: Station, inspection: Inspection, items: tuple[str, ...], now: datetime
) -> Iterator[Irregular]:
    """Rollers with an axle that nobody knows, or one behind the next that is due."""
    left = [task.axle for task in tasks_left(here, inspection, items) if task.axle]
    if inspection.stopped or not left:
        return
    axle, since = axle_on(here, state, inspection.vehicle), state.occupied_at.get(here.name, now)
    if axle is None:
        yield _of("axle", lane, here, inspection, since)
    elif 0 < min(left) < axle and axle not in left:
        yield _of("overshot", lane, here, inspection, since, axle=str(min(left)))


def _slow(lane: Lane, here: Station, inspection: Inspection, now: datetime) -> Iterator[Irregular]:
    """Longer on one station, or on the lane, than it should be."""
    entered, arrived = inspection.stays[-1].entered.at, inspection.arrived_at
    if now - entered > timedelta(seconds=lane.stand_limit_s):
        yield _of("slow", lane, here, inspection, entered, limit=str(lane.stand_limit_s))
    if arrived is not None and elapsed_level(lane, arrived, now) == "late":
        yield _of("late", lane, here, inspection, arrived, limit=str(lane.target_s))


def elapsed_level(lane: Lane, arrived: datetime, now: datetime) -> str:
    """ok, warn from 80 % of the lane's target on, late beyond it."""
    spent_s = (now - arrived).total_seconds()
    if spent_s > lane.target_s:
        return "late"
    return "warn" if spent_s * 100 >= lane.target_s * WARN_PCT else "ok"

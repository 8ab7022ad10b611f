"""Signs: a text board at a station tells the vehicle there what to do; only on change, never in the way.

A board follows the lights as they were confirmed: it says go only where the light or barrier already does.
"""

import asyncio
import contextlib

import structlog

from edge import sign_words
from edge.desk import Desk
from firmware_bridge.device import MeasureError, Row, Sign
from lanes.inspection import Inspection
from lanes.layout import Lane, Station

RETRY_S = 5.0  # before it is tried again on a board that did not take it
SHOW_S = 15.0  # longest wait for one board

log = structlog.get_logger("chayan.signs")


def sign_rows(desk: Desk, lane: Lane, station: str) -> tuple[Row, ...]:
    """What a board at a station shows now: whose turn it is, and what to do."""
    place = lane.index(station)
    here, after = lane.stations[place], [*lane.stations, None][place + 1]
    state = desk.book.lane(lane.name)
    inspection = desk.book.inspections.get(state.at.get(station, ""))
    if inspection is None:
        told = sign_words.RECOGNISING if here.kind == "gate" and state.on(station) else sign_words.FREE
        return (Row(text=here.title.zh, colour=told.colour), told)
    told = _task(desk, lane, here, after, inspection)
    plate = inspection.vehicle.plate
    return (Row(text=plate.hphm if plate else sign_words.NO_PLATE, colour=told.colour), told)


def _task(desk: Desk, lane: Lane, here: Station, after: Station | None, inspection: Inspection) -> Row:
    def switched(*actuators: str) -> bool:
        return any(desk.book.switched.get((lane.name, here.name, each), False) for each in actuators)

    if switched("light", "barrier"):
        return sign_words.LEAVE if after is None else sign_words.go_to(after.kind, after.title.zh)
    if inspection.stopped:
        return sign_words.STOPPED
    if switched("advance"):
        return sign_words.advance(here.kind)
    return sign_words.WAIT if inspection.running is None else sign_words.MEASURING


class Announcer:
    """One board of one station."""

    def __init__(self, desk: Desk, lane: Lane, station: str, sign: Sign) -> None:
        self._desk, self._lane, self._station, self._sign = desk, lane, station, sign

    async def run(self) -> None:
        """Shows what has changed until cancelled; what a board does not take is only told in the log."""
        shown: tuple[Row, ...] | None = None
        with self._desk.bell() as bell:
            while True:
                bell.clear()
                rows = sign_rows(self._desk, self._lane, self._station)
                if rows != shown:
                    shown = rows if await self._show(rows) else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S if shown is None else None):
                        await bell.wait()

    async def _show(self, rows: tuple[Row, ...]) -> bool:
        try:
            async with asyncio.timeout(SHOW_S):
                await self._sign.show(rows)
        except (MeasureError, TimeoutError) as error:
            log.info("not shown", sign=self._sign.name, why=str(error) or "no answer in time")
            return False
        return True

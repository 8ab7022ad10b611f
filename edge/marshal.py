"""The marshal: does what the lane's flow says is due: recognises, follows, measures, switches, judges."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from central_sync.volumes import JournalError
from edge.desk import Desk, evidence, moved_key
from firmware_bridge.device import Instrument, MeasureError, Switchboard
from lanes.flow import Arrive, Measure, Move, Step, Wanted, ending, outputs, steps
from lanes.inspection import Inspection
from lanes.judge import judge, missing, wanted_of
from lanes.layout import PIT_GROUP, PIT_SHOTS, Lane
from lanes.measured import problem
from lanes.presence import doubtful
from lanes.record import (
    AnyBody,
    Arrived,
    ItemFailed,
    ItemStarted,
    Judged,
    Measurement,
    Moved,
    Switched,
)
from lanes.scope import RuleError
from lanes.stages import staged
from lanes.vehicle import Vehicle

OFFICERS = ("exterior", "chassis")  # kinds of station where officers check
TICK_S = 1.0  # looks again this often even when nothing was heard
HELD_S, OFFER_S = 600.0, 2.0  # a vehicle need not go back on the rollers because a disk was full for a while
RETRY_S = (2.0, 5.0, 10.0, 30.0)  # waits after the first, second … failure of one item; the last one repeats

log = structlog.get_logger("chayan.marshal")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneDevices:
    """What the marshal may move and ask on one lane: instruments by role, switchboards by what they drive."""

    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    switchboards: tuple[Switchboard, ...] = ()


class Marshal:
    """Runs one lane. Everything it does follows from the book, so it may be killed at any moment."""

    def __init__(self, desk: Desk, lane: Lane, devices: LaneDevices, run: str) -> None:
        self.desk, self.lane, self.devices, self.run_id = desk, lane, devices, f"{run}-{lane.name}"
        self._measuring: dict[str, tuple[Measure, asyncio.Task[None]]] = {}
        self._not_before: dict[tuple[str, str], float] = {}
        self._tries: dict[tuple[str, str], int] = {}
        self._uncovered: set[str] = set()  # ended, and the rules have no rows for them any more
        self._count = 0

    async def run(self) -> None:
        """Acts at each change and each tick until cancelled."""
        with self.desk.bell() as bell:
            try:
                while True:
                    bell.clear()
                    await self._round()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(TICK_S):  # wait_for of 3.11 can swallow a cancellation
                            await bell.wait()
            finally:
                for _, task in self._measuring.values():
                    task.cancel()

    async def _round(self) -> None:
        self._stop()
        if self._levels_are_read():
            await self._end()
            for step in list(steps(self.lane, self.desk.book, self.desk.instruments())):
                await self._do(step)
        for inspection in list(self.desk.book.inspections.values()):
            if inspection.lane == self.lane.name and inspection.judged is None:
                async with self.desk.turn:
                    await self._judge(inspection)
        await self._switch()

    def _levels_are_read(self) -> bool:
        """Whether an I/O module was read since the agent began; until then the book's levels may be old."""
        boards = self.devices.switchboards
        return not boards or any(board.outputs() for board in boards)

    async def _end(self) -> None:
        """Items whose reading is there end once their least time is over."""
        for inspection, key, body in list(ending(self.lane, self.desk.book, self.desk.moment())):
            await self.desk.own(f"{inspection.inspection}/{key}", body, inspection.inspection)

    async def _do(self, step: Step) -> None:
        match step:
            case Arrive():
                await self._arrive(step)
            case Move():
                await self._move(step)
            case Measure():
                self._measure(step)

    async def _move(self, step: Move) -> None:
        """The vehicle is at its next station; with the last one its stages are told in the same commit."""
        async with self.desk.turn:  # an operator may have said otherwise since the book was asked
            if step not in steps(self.lane, self.desk.book, {}):
                return
            inspection = self.desk.book.inspections[step.inspection]
            moved = Moved(lane=step.lane, station=step.station)
            facts: dict[str, AnyBody] = {moved_key(inspection, step.station): moved}
            if not step.station:
                body = staged(inspection, self.lane.target_s, self.desk.moment())
                facts[f"{step.inspection}/stages"] = body
            await self.desk.own_all(step.inspection, facts)

    async def _arrive(self, step: Arrive) -> None:
        arrived = Arrived(
            lane=step.lane,
            capture_seq=step.capture_seq,
            how=step.how,  # type: ignore[arg-type]
            scan_seq=step.scan_seq,
        )
        async with self.desk.turn:  # an operator may have admitted another vehicle since the book was asked
            if self.desk.full or step not in steps(self.lane, self.desk.book, {}):
                return
            inspection = self.desk.book.inspections[step.inspection]
            facts: dict[str, AnyBody] = {
                f"{step.inspection}/arrived/{inspection.moves}": arrived,
                moved_key(inspection, step.gate): Moved(lane=step.lane, station=step.gate),
            }
            await self.desk.own_all(step.inspection, facts)

    async def _judge(self, inspection: Inspection) -> None:
        """The verdict once the officer has signed and nothing is missing, or the inspection has ended."""
        due = inspection.ending or self._signed(inspection)
        if inspection.judged is not None or not due or inspection.inspection in self._uncovered:
            return
        rules, on = self.desk.rules.of(inspection.ordered_seq), self.desk.rules_day(inspection.ordered_at)
        found = evidence(inspection)
        try:
            wanted = wanted_of(found, rules, on)
            findings, verdict = judge(found, rules, on)
        except RuleError as error:
            if not inspection.ending:
                raise
            self._uncovered.add(inspection.inspection)
            log.warning("no verdict", inspection=inspection.inspection, why=str(error))
            return
        body = Judged(
            verdict=verdict,
            findings=findings,
            rules=rules.name,
            rules_sha256=rules.rules_sha256,
            attempt=inspection.attempt,
            missing=tuple(gap.code for gap in missing(found, wanted)),
            checklist_by=wanted.basis,
        )
        await self.desk.own(
            f"{inspection.inspection}/judged/{inspection.attempt}", body, inspection.inspection
        )

    def _signed(self, inspection: Inspection) -> bool:
        """Whether an officer has signed for all that it needs; a suspicious vehicle needs no more."""
        signed = "officer" in inspection.signatures
        return signed and (inspection.referred or not self.desk.missing(inspection))

    # ---- measuring -------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Instruments leave what an operator has stopped; it begins anew when it is to be repeated."""
        for station, (step, task) in self._measuring.items():
            inspection = self.desk.book.inspections.get(step.inspection)
            if inspection is not None and step.item in inspection.halted and not task.done():
                log.warning("item stopped", lane=step.lane, station=station, item=step.item)
                task.cancel()
                for memory in (self._tries, self._not_before):
                    memory.pop((step.inspection, step.item), None)

    def _measure(self, step: Measure) -> None:
        _, running = self._measuring.get(step.station, (step, None))
        due = self._not_before.get((step.inspection, step.item), 0.0)
        if running is not None and running.done() and not running.cancelled():
            del self._measuring[step.station]
            running.result()  # a defect of the device ends this loop, which begins again after a pause
        elif running is not None and not running.done():
            return
        if time.monotonic() < due:
            return
        self._measuring[step.station] = step, asyncio.create_task(self._measured(step))

    async def _measured(self, step: Measure) -> None:
        """One item on one instrument; a failure is recorded and tried again while the vehicle stands."""
        instrument = self.devices.instruments.get(step.role)
        try:
            if instrument is None:
                raise MeasureError(f"lane {step.lane} has no {step.role} instrument")
            self._count += 1
            started = ItemStarted(
                lane=step.lane,
                station=step.station,
                item=step.item,
                device=instrument.name,
                to_film=f"{step.lane}/{step.station}" in self.desk.site.video.must,
            )
            key = f"{step.inspection}/{step.item}/started/{self.run_id}-{self._count}"
            await self.desk.own(key, started, step.inspection)
            body = await instrument.measure(step.lane, step.station, step.item, step.axle)
            _must_be_usable(body, self.desk.book.inspections[step.inspection].vehicle)
            self._must_stand_there(step)
            key = f"{step.inspection}/{step.item}/{step.axle}/{self.run_id}-{self._count}"
            await self._kept(instrument.source, key, body, step.inspection)
            for memory in (self._tries, self._not_before):
                memory.pop((step.inspection, step.item), None)
        except (MeasureError, JournalError) as error:
            await self._failed(step, instrument.name if instrument else "none", str(error))
        finally:
            self.desk.ring()

    def _must_stand_there(self, step: Measure) -> None:
        """Raises MeasureError when it is not sure that what was measured is of this vehicle."""
        if step.inspection != self.desk.book.lane(step.lane).at.get(step.station):
            raise MeasureError(f"the vehicle left {step.station} while {step.item} was measured")
        if step.station in doubtful(self.lane, self.desk.book):
            raise MeasureError(f"it is not sure who stood at {step.station} while {step.item} was measured")

    async def _kept(self, source: str, key: str, body: AnyBody, inspection: str) -> None:
        """Makes a measurement durable; while the journal takes nothing it is held and offered again.

        Raises JournalError after HELD_S: then the item is measured anew.
        """
        until = time.monotonic() + HELD_S
        while True:
            try:
                await self.desk.append(source, key, body, inspection)
            except JournalError as error:
                if time.monotonic() > until:
                    raise
                log.error("a measurement is held", item=key, why=str(error))
                await asyncio.sleep(OFFER_S)
            else:
                return

    async def _failed(self, step: Measure, device: str, why: str) -> None:
        tried = self._tries.get((step.inspection, step.item), 0)
        self._tries[step.inspection, step.item] = tried + 1
        wait = RETRY_S[min(tried, len(RETRY_S) - 1)]
        self._not_before[step.inspection, step.item] = time.monotonic() + wait
        log.warning("item failed", lane=step.lane, item=step.item, device=device, why=why, again_in_s=wait)
        body = ItemFailed(lane=step.lane, station=step.station, item=step.item, device=device, why=why[:2000])
        key = f"{step.inspection}/{step.item}/failed/{self.run_id}-{self._count}"
        try:
            await self.desk.own(key, body, step.inspection)
        except JournalError as error:
            log.error("the journal takes nothing", why=str(error))

    # ---- lights and barriers ---------------------------------------------------------------------

    def _done(self) -> dict[str, frozenset[str]]:
        """Kinds of station whose own work is complete, for each inspection on this lane."""
        on_lane = [each for each in self.desk.book.inspections.values() if each.lane == self.lane.name]
        return {
            each.inspection: frozenset(kind for kind in OFFICERS if not self._gaps(each, kind == "chassis"))
            for each in on_lane
            if each.station is not None
        }

    def _gaps(self, inspection: Inspection, in_pit: bool) -> bool:
        """Whether a check or a photo of the exterior or the pit is still to be taken."""
        checklist, pit = self.desk.checklist(inspection), self.lane.has("chassis")
        items = {
            item.item
            for item in checklist.checks
            if item.required and (pit and item.group == PIT_GROUP) is in_pit
        }
        shots = {
            shot.shot
            for shot in checklist.shots
            if shot.required and (pit and shot.shot in PIT_SHOTS) is in_pit
        }
        return not (items <= set(inspection.checks) and shots <= set(inspection.photos))

    def _early(self) -> frozenset[str]:
        """Inspections whose least time on the whole lane is not over."""
        least, now = self.lane.least_s, self.desk.moment()
        whole_ms = 0 if least is None else least.whole * 1000
        return frozenset(
            who
            for who in self.desk.book.lane(self.lane.name).at.values()
            if (arrived := self.desk.book.inspections[who].arrived) is not None
            and now.since_ms(arrived) < whole_ms
        )

    async def _switch(self) -> None:
        """Brings every output to its wanted level: all red and closed before anything turns green or opens.

        A vehicle that is let on must not find the green of the one before it at the next station. What stands
        right but is recorded otherwise was switched just before the agent fell: it is recorded now.
        """
        wanted = outputs(self.lane, self.desk.book, self.desk.instruments(), self._done(), self._early())
        due = [
            (wanted[place], board, place)
            for board in self.devices.switchboards
            for place, on in board.outputs().items()
            if place in wanted and {on, self._recorded(place)} != {wanted[place].on}
        ]
        try:
            for goal, board, place in sorted(due, key=lambda each: each[0].on):
                await self._switch_one(board, place, goal)
        except MeasureError as error:
            log.warning("not switched", lane=self.lane.name, why=str(error))

    def _recorded(self, place: tuple[str, str]) -> bool:
        return self.desk.book.switched.get((self.lane.name, *place), False)

    async def _switch_one(self, board: Switchboard, place: tuple[str, str], goal: Wanted) -> None:
        station, actuator = place
        if board.outputs()[place] is not goal.on:
            await board.switch(station, actuator, goal.on)
        self._count += 1
        body = Switched(lane=self.lane.name, station=station, actuator=actuator, on=goal.on, why=goal.why)
        await self.desk.own(f"{self.run_id}-{self._count}-{station}-{actuator}", body)


def _must_be_usable(body: AnyBody, vehicle: Vehicle) -> None:
    """Raises MeasureError for a measurement that the rules cannot judge: it is better measured again."""
    why = problem(body, vehicle) if isinstance(body, Measurement) else None
    if why is not None:
        raise MeasureError(why)

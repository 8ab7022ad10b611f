"""ELM327 adapters in the vehicle's OBD socket, and their clones: VIN, calibrations, lamp and readiness.

A session begins with ``ATZ``: whatever comes before its banner is older than it and belongs to nobody, so the
late answer of another vehicle is never this one's. The text has no check of its own: each answer is asked for
until it comes twice the same. Commands: domain facts 7.6 (F); ``ATH1``, ``ATDPN``, times: data sheet (M).
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import elm_text, obd_pids
from firmware_bridge.devices.elm_text import BadAnswer, Declined, Deframer, Form, Reply
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.record import ObdRead

T = TypeVar("T")
ASKS, RESETS, SESSIONS = 6, 3, 3  # of one answer; of the banner; of a whole reading
BANNER = "ELM327"
SUPPORTED = (1, 0)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The adapter's line, and how long a vehicle may take."""

    address: str
    protocol: Annotated[str, Meta(pattern="^[0-9A]$")] = "0"
    search_s: Annotated[float, Meta(ge=1, le=60)] = 20.0
    answer_s: Annotated[float, Meta(ge=0.5, le=30)] = 5.0  # a reset takes about one, clones more (M)
    simulated: bool = False


class Quiet(Exception):
    """The adapter works and no control unit answers: its words."""


@dataclass(slots=True)
class _Session:
    """What the adapter has said since its reset."""

    adapter: str = ""
    protocol: str = ""
    headers: bool = True
    form: Form = "bare"


class Elm327(SerialInstrument[Reply]):
    """An adapter that stays at its station and is plugged into one vehicle after another."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config.address, Deframer(), simulated=config.simulated)
        self._config = config

    async def probe(self) -> None:
        """Asks the adapter who it is; no vehicle need be there."""
        await self.send(b"ATI\r", "sign of life")
        await self.next(self._config.answer_s, "sign of life")

    async def read_vehicle(self, lane: str, station: str) -> ObdRead:
        """All that the vehicle says of itself; raises MeasureError when nothing can be said of it."""
        async with self._lock:
            for _ in range(SESSIONS - 1):
                session = _Session(adapter=await self._reset())
                with suppress(MeasureError):
                    return await self._read(session, lane, station)
            return await self._read(_Session(adapter=await self._reset()), lane, station)

    async def _read(self, session: _Session, lane: str, station: str) -> ObdRead:
        await self._set("ATE0")
        session.headers = await self._set("ATH1", may_refuse=True)
        await self._set(f"ATSP{self._config.protocol}")

        def told(**fields: object) -> ObdRead:
            return ObdRead(
                lane=lane,
                station=station,
                device=self.name,
                adapter=session.adapter[:80],
                protocol=session.protocol[:80],
                **fields,  # type: ignore[arg-type]
            )

        try:
            await self._find_bus(session)
        except Quiet as quiet:
            return told(outcome="no_obd", why=f"no control unit answers: {quiet}")
        status = await self._asked(session, obd_pids.STATUS, obd_pids.read_status)
        vins = await self._asked(session, obd_pids.VIN, obd_pids.read_vins)
        calids = await self._asked(session, obd_pids.CALID, obd_pids.read_calids)
        cvns = await self._asked(session, obd_pids.CVN, obd_pids.read_cvns)
        if not _many(vins):
            await self._still_there()
        found = None if isinstance(status, str) else status
        return told(
            outcome="read" if _many(vins) else "no_vin",
            why="" if _many(vins) else vins if isinstance(vins, str) else "the VIN is blank",
            vin=next(iter(_many(vins)), ""),
            other_vins=_many(vins)[1:],
            calids=_many(calids),
            cvns=_many(cvns),
            mil=found and found.mil,
            dtc_count=found and found.dtc_count,
            ready=found.ready if found else (),
            not_ready=found.not_ready if found else (),
        )

    # ---- the adapter -----------------------------------------------------------------------------

    async def _reset(self) -> str:
        """The banner of a reset; what comes before it is nobody's. Raises MeasureError."""
        self.forget()
        for _ in range(RESETS):  # the first character only stops what the adapter was at (M)
            await self.send(b"ATZ\r", "reset", urgent=True)
            until = asyncio.get_running_loop().time() + self._config.answer_s
            while (left := until - asyncio.get_running_loop().time()) > 0:
                try:
                    reply = (await self.next(left, "reset")).frame
                except MeasureError:
                    if not self._up.is_set():
                        raise
                    break
                banner = next((line for line in reply.lines if BANNER in line), "")
                if banner:
                    return banner.removeprefix("ATZ").strip()
                if elm_text.trouble(reply):
                    break
        raise MeasureError(f"{self.name}: no ELM327 answers to a reset: check power, cable, baud rate")

    async def _set(self, command: str, *, may_refuse: bool = False) -> bool:
        """Sets what a command sets; False when it is refused and may be; raises MeasureError."""
        reply = await self._exchange(command)
        if reply.lines == ("OK",):
            return True
        if may_refuse and reply.lines == ("?",):
            return False
        raise MeasureError(f"{self.name}: {command}: {' '.join(reply.lines)[:80] or 'empty answer'}, not OK")

    async def _exchange(self, command: str, limit_s: float = 0.0) -> Reply:
        """The reply to a command; raises MeasureError, also where it is plainly another command's."""
        await self.send(command.encode() + b"\r", command)
        heard = (await self.next(limit_s or self._config.answer_s, command)).frame
        try:
            reply = elm_text.unechoed(heard, command)
        except BadAnswer as bad:
            raise MeasureError(f"{self.name}: {bad}") from bad
        if any(BANNER in line for line in reply.lines):
            raise MeasureError(f"{self.name}: {command}: the adapter has started anew: check its power")
        return reply

    # ---- the vehicle -----------------------------------------------------------------------------

    async def _find_bus(self, session: _Session) -> None:
        """Finds the protocol of the vehicle; raises Quiet, MeasureError."""
        for _ in range(ASKS):
            reply = await self._exchange(_request(SUPPORTED), self._config.search_s)
            word = elm_text.trouble(reply)
            if any(each in word for each in elm_text.NO_BUS):
                raise Quiet(word)
            if not word and reply.lines:
                break
        else:
            raise MeasureError(f"{self.name}: no protocol found: {word or 'empty answers'}")
        described = await self._exchange("ATDPN")
        session.protocol = "" if elm_text.trouble(described) else " ".join(described.lines)
        if session.headers:
            session.form = elm_text.form_of(session.protocol, reply)

    async def _still_there(self) -> None:
        """Raises MeasureError when no unit answers any more: then silence says nothing of their VIN."""
        word = elm_text.trouble(await self._exchange(_request(SUPPORTED)))
        if word:
            raise MeasureError(
                f"{self.name}: the vehicle has stopped answering ({word}): check plug, ignition"
            )

    async def _asked(
        self, session: _Session, what: tuple[int, int], read: Callable[[Mapping[str, bytes]], T]
    ) -> T | str:
        """What two answers agree on, or why the vehicle does not know it; raises MeasureError."""
        before: T | str | None = None
        why = ""
        for _ in range(ASKS):
            try:
                found = await self._once(session, what, read)
            except BadAnswer as bad:
                before, why = None, str(bad)
                continue
            if found == before:
                return found
            before, why = found, "two answers differ"
        raise MeasureError(f"{self.name}: {_request(what)}: {why}: check plug, cable and ignition")

    async def _once(
        self, session: _Session, what: tuple[int, int], read: Callable[[Mapping[str, bytes]], T]
    ) -> T | str:
        reply = await self._exchange(_request(what))
        word = elm_text.trouble(reply)
        if "NO DATA" in word:
            return f"{_request(what)}: no unit answers"
        if word:
            raise BadAnswer(word)
        if session.protocol[-1:] in ("3", "4", "5") and session.headers and not elm_text.sums_up(reply):
            raise BadAnswer("a check byte is wrong")
        try:
            return read(elm_text.answers(reply, *what, session.form))
        except Declined:
            return f"{_request(what)}: the units decline"


def _request(what: tuple[int, int]) -> str:
    return f"{what[0]:02X}{what[1]:02X}"


def _many(found: tuple[str, ...] | str) -> tuple[str, ...]:
    """The values there are; none of what the vehicle does not know."""
    return () if isinstance(found, str) else found

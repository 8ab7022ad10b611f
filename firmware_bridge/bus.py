"""Bus: one line that several units share: one request at a time, in turn, quiet after a time-out.

RTU has no transaction number: what arrives after a time-out could be anybody's. So the quiet rule holds for
the line, not for the unit that was silent: until nothing was heard for its ``quiet_s`` nobody asks anything.
A unit that stays silent would hold the others up each time it is asked; on a line with others it is asked
ever more rarely, until its silence takes 1/17 of the line's time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from firmware_bridge.tap import NOBODY, Tap

LONGEST_HEARD = 1024  # bytes; the longest answer has 260 (Modbus on TCP/IP V1.0b §4.1)
SETTLE_S = 0.01  # s; a program that was held up first reads what waits in the kernel
REST_MOST = 16  # times the cost of its silence
UNHEARD_LIMIT = 5  # requests in a row that nobody answered: the connection is opened anew


Answer = TypeVar("Answer")


def no_flood(heard: bytes) -> bytes:
    """What has come since a request; nothing where it is more than any answer has.

    pymodbus looks for an answer at each place of it, in time that grows with the square of its length.
    """
    return heard if len(heard) <= LONGEST_HEARD else b""


class ModbusError(Exception):
    """No answer that can be used."""


class ModbusFault(ModbusError):
    """The device answered with an exception, or with something else than was asked."""


class ModbusSilent(ModbusError):
    """The device did not answer in time."""


class ModbusLost(ModbusError):
    """There is no connection."""


@dataclass
class Member:
    """One device on a bus."""

    unit: int
    timeout_s: float
    quiet_s: float
    channel: str = ""
    tap: Tap = NOBODY
    here: bool = False

    __hash__ = object.__hash__


@dataclass(frozen=True, kw_only=True)
class _Silence:
    times: int
    until: float


class Bus:
    """A line and who is on it. ``settings`` tells what two devices that name one line must agree in."""

    def __init__(self, name: str, settings: object, *, rtu: bool) -> None:
        self.name, self.settings = name, settings
        self.wire: Any = None  # a client of pymodbus
        self._rtu = rtu
        self._turn = asyncio.Lock()  # first come, first served; a device asks one thing at a time
        self._members: WeakSet[Member] = WeakSet()
        self._silent: dict[int, _Silence] = {}
        self._unheard = 0
        self._noise_at: float | None = None  # last byte heard or time-out since the line was last known quiet
        self._quiet_s = 0.0
        self._speaker: Member | None = None  # who asked last: what arrives is noted as theirs
        self._left = 0  # bytes that the client holds from before; it shows them again with those that follow

    @property
    def connected(self) -> bool:
        """Whether the connection is open as far as is known."""
        return self.wire is not None and bool(self.wire.connected)

    async def join(self, member: Member, connect: Callable[["Bus"], Awaitable[Any]]) -> None:
        """Opens the connection unless others talk over it already; raises what ``connect`` raises."""
        async with self._turn:
            member.here = True
            self._members.add(member)
            if self.connected and self._unheard < UNHEARD_LIMIT and len(self._here()) > 1:
                return
            self._unheard = 0
            self._drop()
            self.wire, self._left = await connect(self), 0

    def leave(self, member: Member) -> None:
        """The last one closes the connection."""
        member.here = False
        if not self._here():
            self._drop()

    async def ask(self, member: Member, request: Callable[[Any], Awaitable[Answer]]) -> Answer:
        """One request over the open line, None where there is none; ModbusSilent while the unit rests."""
        async with self._turn:
            if self._silent:
                self._must_not_rest(member.unit)
            if self._noise_at is not None:
                await self._quiet()
            self._speaker = member
            return await request(self.wire if self.connected and member.here else None)

    def heard(self, unit: int) -> None:
        """A whole answer came; whatever was noise before it has passed."""
        self._silent.pop(unit, None)
        self._unheard = 0
        self._noise_at = None

    def unheard(self, member: Member) -> None:
        """No answer came; it may still come."""
        self.noise(member)
        self._unheard += 1
        times = self._silent[member.unit].times + 1 if member.unit in self._silent else 1
        cost = member.timeout_s + (member.quiet_s if self._rtu else 0)
        rest = 0.0 if times == 1 else cost * min(2 ** (times - 1), REST_MOST)
        now = asyncio.get_running_loop().time()
        self._silent[member.unit] = _Silence(times=times, until=now + rest)

    def noise(self, member: Member) -> None:
        """An answer nobody waits for may come: nothing is asked until the line was quiet."""
        if self._rtu:
            self._noise_at = asyncio.get_running_loop().time()
            self._quiet_s = max(self._quiet_s, member.quiet_s)

    def packet(self, sending: bool, packet: bytes) -> bytes:
        """What went over the line; while it is to be quiet, the wait begins anew with each byte heard."""
        loop, speaker = asyncio.get_running_loop(), self._speaker
        if sending and speaker is not None:
            speaker.tap.sent(speaker.channel, packet)
        elif not sending:
            if speaker is not None:
                speaker.tap.heard(speaker.channel, packet[self._left :])
            loop.call_soon(self._look_what_is_left)
            if self._noise_at is not None:
                self._noise_at = loop.time()
        return packet if sending else no_flood(packet)

    def _look_what_is_left(self) -> None:
        self._left = 0 if self.wire is None else len(self.wire.ctx.recv_buffer)

    async def _quiet(self) -> None:
        """Waits until nothing was heard for the quiet time since the last time-out."""
        while self._noise_at is not None:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(self._noise_at + self._quiet_s - loop.time(), 0))
            await asyncio.sleep(SETTLE_S)
            if loop.time() >= self._noise_at + self._quiet_s:
                self._noise_at, self._quiet_s = None, 0.0

    def _must_not_rest(self, unit: int) -> None:
        silence, now = self._silent.get(unit), asyncio.get_running_loop().time()
        others = {member.unit for member in self._here()} - {unit}
        if silence is not None and others and now < silence.until:
            raise ModbusSilent(
                f"{self.name} unit {unit}: no answer {silence.times} times in a row; asked again in "
                f"{silence.until - now:.1f} s, so that the other units of the line are not held up"
            )

    def _here(self) -> list[Member]:
        return [member for member in self._members if member.here]

    def _drop(self) -> None:
        wire, self.wire = self.wire, None
        if wire is not None:
            wire.close()


_buses: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, Bus]] = WeakKeyDictionary()


def bus_at(name: str, settings: object) -> Bus:
    """The one bus of an RTU line in this program; raises ModbusLost when it runs with other settings."""
    lines = _buses.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    bus = lines.get(name)
    if bus is None:
        bus = lines[name] = Bus(name, settings, rtu=True)
    if bus.settings != settings:
        raise ModbusLost(f"{name}: open as {bus.settings}; devices on one line name the same settings")
    return bus

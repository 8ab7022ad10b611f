"""Instruments that send each result as one line of text, over TCP or a serial line, by a configured map.

With ``check`` a line ends with ``*`` and two hexadecimal digits, the XOR of all bytes before it (our own,
after NMEA 0183). A line that repeats the last one heard before a measurement is no new result, unless it
was asked for.
"""

import asyncio
from functools import reduce
from operator import xor
from typing import Annotated

from msgspec import Meta

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import fields
from firmware_bridge.devices.fields import FieldMap, Result, Unreadable, Wanted
from firmware_bridge.devices.framing import Lines
from firmware_bridge.devices.instrument import SerialInstrument


class Config(FieldMap, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address, how a whole line begins and ends, what is in it. ``ask``: what is sent for a measurement."""

    address: str
    opening: Annotated[str, Meta(max_length=20)] = ""
    closing: Annotated[str, Meta(max_length=20)] = ""
    check: bool = False
    ask: Annotated[str, Meta(max_length=80)] = ""
    wait_s: Annotated[float, Meta(ge=1, le=600)] = 120.0
    simulated: bool = False


def build(text: bytes, config: Config) -> bytes:
    """The line of a result."""
    line = config.opening.encode() + text + config.closing.encode()
    return line + (b"*%02X" % reduce(xor, line, 0) if config.check else b"") + b"\r\n"


def read(line: bytes, config: Config) -> bytes | None:
    """What lies between opening and closing of a whole line; None when it is none."""
    opening, closing = config.opening.encode(), config.closing.encode()
    if config.check:
        line, told = line[:-3], line[-3:]
        if told.upper() != b"*%02X" % reduce(xor, line, 0):
            return None
    within = line[len(opening) : len(line) - len(closing)]
    if not within or line != opening + within + closing:
        return None
    return None if opening and opening in within else within  # else two lines, the first of them torn


class ResultLine(SerialInstrument[bytes]):
    """One instrument that sends a line after each vehicle."""

    mute = True

    def __init__(self, name: str, config: Config, wanted: Wanted) -> None:
        fields.check(name, wanted, config)
        headed = bool(config.opening) or config.address.startswith("tcp://")
        lines = Lines(lambda line: read(line, config), headed=headed)
        super().__init__(name, config.address, lines, simulated=config.simulated)
        self._config, self._wanted = config, wanted
        self._last = b""

    def overhear(self, frame: bytes) -> None:
        """The last result heard while nobody measured."""
        if not self._lock.locked():
            self._last = frame

    async def measure(self, lane: str, station: str, item: str, axle: int) -> Result:
        """The result that is sent from now on; raises MeasureError."""
        common = {"lane": lane, "station": station, "device": self.name, "item": item}
        async with self._lock:
            self.forget()
            damaged = self.deframer.skipped
            if self._config.ask:
                await self.send(self._config.ask.encode() + b"\r\n", "ask")
            try:
                frame = await self._new()
            except MeasureError:
                lost = self.deframer.skipped - damaged
                if lost:
                    raise MeasureError(
                        f"{self.name}: result: {lost} bytes were damaged; measure again"
                    ) from None
                raise
            self._last = frame
            try:
                return fields.read(frame, self._wanted, self._config, common)
            except Unreadable as wrong:
                raise MeasureError(f"{self.name}: {wrong}") from wrong

    async def _new(self) -> bytes:
        deadline = asyncio.get_running_loop().time() + self._config.wait_s
        while True:
            frame = (await self.before(deadline, "result")).frame
            if frame != self._last or self._config.ask:
                return frame

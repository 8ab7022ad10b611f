"""Roller brake bench without a program of its own: two channels of raw samples, integrated here (braking.py).

The samples (layouts of ours; no maker's is public, domain facts 7.5: "two channels of analogue force at 10
ms", F1) come as ``lines``, ``L,R`` with CR LF, where nothing tells of a sample that was lost whole but the
pace, and of a wrong digit nothing but a jump; as ``checked`` lines, ``N,L,R*XX`` with the number modulo
10,000 and the XOR of all before the star (after NMEA 0183); or in a ``ring`` of Modbus registers: a counter
of all samples modulo 65,536, then the newest ``pairs`` of them, oldest first, left and right in two's
complement, read at once.
"""

import asyncio
import re
from functools import reduce
from operator import xor
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from firmware_bridge.bus import ModbusError
from firmware_bridge.device import Instrument, MeasureError, Tell
from firmware_bridge.devices.brake_roller import COUNTER_RANGE, pace_slip_ms
from firmware_bridge.devices.braking import Braked, Braking, Channel, Forces, NotBraked, Shape, force
from firmware_bridge.devices.framing import Lines
from firmware_bridge.devices.instrument import SerialInstrument
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.registers import RegisterDevice
from firmware_bridge.link import Backoff
from firmware_bridge.modbus import READ_HOLDING, READ_REGISTERS
from lanes.record import BrakeCurve, BrakeMeasured

PROBE_S = 2.0
RHYTHM_S = 3 * PROBE_S
STALL_S = 1.0  # s without a sample: the channels have stopped
LINE = re.compile(rb"(?:(\d{1,4}),)?(-?\d{1,5}),(-?\d{1,5})")
WORDS = 65_536


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where samples come from, what a count is worth on each side, what a braking is; forces in daN."""

    address: str
    samples: Literal["lines", "checked", "ring"]
    left: Channel = Channel()
    right: Channel = Channel()
    shape: Shape = Shape()
    interval_ms: Annotated[int, Meta(ge=1, le=100)] = 10
    capacity_dan: Annotated[int, Meta(ge=100, le=9999)] = 3000
    min_samples: Annotated[int, Meta(ge=2, le=10_000)] = 50
    wait_s: Annotated[float, Meta(ge=1, le=600)] = 60.0
    brake_timeout_s: Annotated[float, Meta(ge=0.1, le=120)] = 15.0
    gap_ms: Annotated[int, Meta(ge=10, le=1000)] = 50
    table: Literal["input", "holding"] = "input"
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    first: Annotated[int, Meta(ge=0, le=65_535)] = 0
    pairs: Annotated[int, Meta(ge=2, le=62)] = 32
    every_ms: Annotated[int, Meta(ge=10, le=1000)] = 100
    timeout_ms: Annotated[int, Meta(ge=20, le=10_000)] = 500
    quiet_ms: Annotated[int, Meta(ge=500, le=10_000)] = 500
    simulated: bool = False


class Raw(NamedTuple):
    """Counts of the left and the right channel; ``number`` where samples are counted."""

    number: int | None
    left: int
    right: int


def build_line(raw: Raw) -> bytes:
    """The line of a sample, checked when it is numbered."""
    if raw.number is None:
        return b"%d,%d\r\n" % (raw.left, raw.right)
    bare = b"%d,%d,%d" % (raw.number, raw.left, raw.right)
    return bare + b"*%02X\r\n" % reduce(xor, bare)


def read_line(line: bytes, *, checked: bool) -> Raw | None:
    """The sample of a line without its end; None when it is none."""
    if checked:
        line, told = line[:-3], line[-3:]
        if not line or told != b"*%02X" % reduce(xor, line):
            return None
    found = LINE.fullmatch(line)
    if found is None or (found[1] is not None) != checked:
        return None
    return Raw(int(found[1]) if checked else None, int(found[2]), int(found[3]))


def read_ring(block: list[int], last: int | None) -> tuple[int, list[Raw]]:
    """Counter, and the samples after number ``last`` (None: none); raises NotBraked when some are gone."""
    counter, signed = block[0], [word - WORDS if word >= WORDS // 2 else word for word in block[1:]]
    new = 0 if last is None else (counter - last) % WORDS
    if new > len(signed) // 2:
        raise NotBraked(f"{new - len(signed) // 2} samples were lost: read the ring more often")
    numbers = range(counter - len(signed) // 2 + 1, counter + 1)
    held = [
        Raw(n % WORDS, *pair)
        for n, pair in zip(numbers, zip(signed[::2], signed[1::2], strict=True), strict=True)
    ]
    return counter, held[len(held) - new :]


class Trial:
    """One braking: raw samples in, a record body out; every reason against it is a MeasureError."""

    def __init__(self, name: str, config: Config) -> None:
        self._name, self._config = name, config
        self._braking = Braking(config.shape, config.interval_ms)
        self._deadline = asyncio.get_running_loop().time() + config.wait_s

    def take(self, raw: Raw) -> Braked | None:
        """The braking, once this sample ends it."""
        begun, config = self._braking.begun, self._config
        try:
            forces = Forces(
                force(raw.left, config.left, config.shape), force(raw.right, config.right, config.shape)
            )
            braked = self._braking.take(forces)
        except NotBraked as wrong:
            raise self.against(str(wrong)) from wrong
        now = asyncio.get_running_loop().time()
        if self._braking.begun and not begun:
            self._deadline = now + config.brake_timeout_s
        if braked is None and now > self._deadline:
            doing = "the braking did not end" if begun else "nobody braked"
            raise self.against(f"{doing} within {config.brake_timeout_s if begun else config.wait_s:g} s")
        return braked

    def against(self, why: str) -> MeasureError:
        """The error of that reason."""
        return MeasureError(f"{self._name}: {why}")

    def body(self, lane: str, station: str, item: str, axle: int, braked: Braked) -> BrakeMeasured:
        """The measurement; the maxima are those of the curve."""
        left, right = zip(*braked.curve, strict=True)
        if len(left) < self._config.min_samples:
            raise self.against(f"{len(left)} samples, {self._config.min_samples} are the least")
        if max(*left, *right) > self._config.capacity_dan:
            raise self.against(f"{max(*left, *right)} daN is beyond {self._config.capacity_dan} daN")
        return BrakeMeasured(
            lane=lane,
            station=station,
            device=self._name,
            item=item,
            axle=axle,
            left_max_dan=max(left),
            right_max_dan=max(right),
            left_drag_dan=braked.drag.left,
            right_drag_dan=braked.drag.right,
            curve=BrakeCurve(interval_ms=self._config.interval_ms, left_dan=left, right_dan=right),
        )


class AnalogLines(SerialInstrument[Raw]):
    """A bench whose samples come as lines; it speaks unasked."""

    def __init__(self, name: str, config: Config) -> None:
        checked = config.samples == "checked"
        lines = Lines(lambda line: read_line(line, checked=checked), headed=False)
        super().__init__(name, config.address, lines, simulated=config.simulated)
        self._config = config

    async def measure(self, lane: str, station: str, item: str, axle: int) -> BrakeMeasured:
        """The next braking; raises MeasureError."""
        async with self._lock:
            self.forget()
            trial = Trial(self.name, self._config)
            times: list[float] = []
            raw = (await self.next(STALL_S, "samples")).frame
            damaged = self.deframer.skipped  # what came before was the rest of a line
            while (braked := trial.take(raw)) is None:
                heard, last = await self.next(STALL_S, "samples"), raw.number
                raw = heard.frame
                times.append(heard.at)
                lost = self.deframer.skipped - damaged
                if lost:
                    raise trial.against(f"{lost} bytes of the samples were damaged; check the cable")
                if last is not None and raw.number != (last + 1) % COUNTER_RANGE:
                    raise trial.against(f"a sample was lost after number {last}; measure again")
        slip = pace_slip_ms(times[-len(braked.curve) :], self._config.interval_ms)
        if self._config.samples == "lines" and slip > self._config.gap_ms:
            raise trial.against(f"samples for about {slip:.0f} ms were lost; measure again")
        return trial.body(lane, station, item, axle, braked)


class AnalogRing(RegisterDevice):
    """A bench whose samples lie in a ring of registers."""

    rhythm_s = RHYTHM_S

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config)
        self._config = config
        self._lock = asyncio.Lock()

    async def watch(self, tell: Tell, pulse: Pulse, backoff: Backoff) -> None:
        """Looks whether the counter advances, until the connection fails."""
        last = None
        while True:
            counter = (await self._block())[0]
            backoff.reset()
            if counter == last:
                await pulse.set("faulty", "the counter of samples stands still")
            else:
                await pulse.beat()
            last = counter
            await asyncio.sleep(PROBE_S)

    async def _block(self) -> list[int]:
        function = READ_REGISTERS if self._config.table == "input" else READ_HOLDING
        return await self._client.registers(function, self._config.first, 1 + 2 * self._config.pairs)

    async def measure(self, lane: str, station: str, item: str, axle: int) -> BrakeMeasured:
        """The next braking; raises MeasureError."""
        async with self._lock:
            trial = Trial(self.name, self._config)
            try:
                braked = await self._braked(trial)
            except (ModbusError, NotBraked) as wrong:
                raise trial.against(str(wrong)) from wrong
        return trial.body(lane, station, item, axle, braked)

    async def _braked(self, trial: Trial) -> Braked:
        clock = asyncio.get_running_loop().time
        last, _ = read_ring(await self._block(), None)
        heard_at = clock()
        while clock() < heard_at + STALL_S:
            await asyncio.sleep(self._config.every_ms / 1000)
            counter, new = read_ring(await self._block(), last)
            for raw in new:
                braked = trial.take(raw)
                if braked is not None:
                    return braked
            heard_at, last = clock() if new else heard_at, counter
        raise trial.against(f"no new samples for {STALL_S:g} s")


def build(name: str, config: Config) -> Instrument:
    """The bench whose samples come that way."""
    return AnalogRing(name, config) if config.samples == "ring" else AnalogLines(name, config)

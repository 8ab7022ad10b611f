"""Any bench that gives its result in Modbus registers: speedometer, scale, side-slip; the map is configured.

No maker's register map is public (domain facts 7.5 know only serial frames, F1), so nothing is assumed but
what a map says. A result is new when the counter went on by one, or when ``ready`` came after it was gone; a
live value is taken once it has stood still. What belongs together is read at once, or twice and compared.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from firmware_bridge.bus import ModbusError
from firmware_bridge.device import MeasureError, Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.register_map import (
    Bit,
    Image,
    Limits,
    NumberType,
    Order,
    Register,
    Words,
    blocks,
    number,
    read_image,
    words_of,
)
from firmware_bridge.devices.registers import RegisterDevice
from firmware_bridge.link import Backoff
from lanes.record import AxleWeighed, KerbMassMeasured, SideslipMeasured, SpeedometerMeasured

PROBE_S = 2.0
RHYTHM_S = 3 * PROBE_S
COUNTER_SIZE = 65_536
SPLIT_TRIES = 5

Quantity: TypeAlias = Literal[
    "actual_kmh", "indicated_kmh", "mass_kg", "left_kg", "right_kg", "slip_m_per_km"
]
Measured: TypeAlias = SpeedometerMeasured | KerbMassMeasured | AxleWeighed | SideslipMeasured

#: What a bench gives together; the first of each names the kind of record.
TOGETHER: tuple[frozenset[Quantity], ...] = (
    frozenset({"actual_kmh"}),
    frozenset({"actual_kmh", "indicated_kmh"}),
    frozenset({"mass_kg"}),
    frozenset({"left_kg"}),
    frozenset({"left_kg", "right_kg"}),
    frozenset({"slip_m_per_km"}),
)
#: What a lane may use a bench for that gives a quantity.
ROLES: Mapping[Quantity, str] = {
    "actual_kmh": "speed",
    "mass_kg": "mass",
    "left_kg": "weigh",
    "slip_m_per_km": "sideslip",
}
#: Beyond it the bench is at fault, or empty (M).
RANGES: Mapping[Quantity, tuple[int, int]] = {
    "actual_kmh": (0, 200),
    "indicated_kmh": (0, 200),
    "mass_kg": (1, 100_000),
    "left_kg": (1, 20_000),
    "right_kg": (1, 20_000),
    "slip_m_per_km": (-20, 20),
}


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One quantity: the number in its registers times ``scale``, in the unit its name bears."""

    quantity: Quantity
    register: Register
    type: NumberType = "u16"
    words: Order = "big"
    bytes: Order = "big"
    scale: Decimal = Decimal(1)
    least: Decimal | None = None
    most: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.scale.is_finite() or self.scale == 0:
            raise ValueError(f"{self.quantity}: scale = {self.scale} makes no value")

    @property
    def registers(self) -> range:
        """The registers it lies in."""
        return range(self.register, self.register + words_of(self.type))

    def reading(self, table: Words, image: Image) -> Decimal:
        """The value in what was read; raises ValueError for what is no number."""
        raw = number([image[table, at] for at in self.registers], self.type, self.words, self.bytes)
        return raw * self.scale + 0  # no minus zero

    def problem(self, value: Decimal) -> str:
        """Why a value cannot be right; empty: nothing."""
        least, most = RANGES[self.quantity]
        low = Decimal(least) if self.least is None else self.least
        high = Decimal(most) if self.most is None else self.most
        return "" if low <= value <= high else f"{self.quantity} {value} is not between {low} and {high}"


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address, register map, limits. ``trigger``: holding register that is written before a measurement."""

    address: str
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    table: Words = "input"
    values: Annotated[tuple[Value, ...], Meta(min_length=1, max_length=2)]
    counter: Register | None = None
    ready: Register | None = None
    ready_bit: Bit | None = None
    ready_values: tuple[int, ...] = (1,)
    status: Register | None = None
    status_mask: Register = 65_535
    status_ok: tuple[int, ...] = (0,)
    trigger: Register | None = None
    trigger_on: Register = 1
    trigger_off: Register = 0
    live_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0
    live_spread: Decimal = Decimal(0)
    indicated_kmh: Annotated[int, Meta(ge=10, le=120)] = 40
    exact: bool = False
    wait_s: Annotated[float, Meta(ge=0.5, le=300)] = 60.0
    every_ms: Annotated[int, Meta(ge=20, le=2000)] = 100
    timeout_ms: Annotated[int, Meta(ge=20, le=10_000)] = 1000
    quiet_ms: Annotated[int, Meta(ge=500, le=10_000)] = 500
    simulated: bool = False

    def __post_init__(self) -> None:
        named = [value.quantity for value in self.values]
        if len(set(named)) != len(named) or frozenset(named) not in TOGETHER:
            known = "; ".join(" and ".join(sorted(each)) for each in TOGETHER)
            raise ValueError(f"values: {' and '.join(named)} make no record; known are {known}")
        if not self.live_ms and self.counter is None and self.ready is None:
            raise ValueError("nothing tells a new result from an old one: name counter or ready, or live_ms")

    @property
    def roles(self) -> tuple[str, ...]:
        """What a lane may use it for."""
        return tuple(ROLES[value.quantity] for value in self.values if value.quantity in ROLES)

    @property
    def guards(self) -> list[int]:
        """Registers that tell whether a value is there and new."""
        return [each for each in (self.counter, self.ready, self.status) if each is not None]

    def is_ready(self, word: int) -> bool:
        """Whether the ready register says that a value is there."""
        return word in self.ready_values if self.ready_bit is None else bool(word >> self.ready_bit & 1)


@dataclass(frozen=True, kw_only=True)
class State:
    """What the guards said in one reading."""

    counter: int | None
    ready: bool | None
    status: int | None


class Freshness:
    """Whether a reading is newer than the one before the measurement began; pure."""

    def __init__(self, before: State) -> None:
        self._before = before
        self._was_gone = before.ready is not True

    def is_new(self, now: State) -> bool:
        """Raises ValueError when more than one result came: which is it?"""
        self._was_gone = self._was_gone or now.ready is False
        if now.ready is False:
            return False
        if now.counter is None or self._before.counter is None:
            return self._was_gone
        passes = (now.counter - self._before.counter) % COUNTER_SIZE
        if passes > 1:
            raise ValueError(f"{passes} passes at once; which was the vehicle? measure again")
        return passes == 1


class ModbusMeter(RegisterDevice):
    """One bench."""

    rhythm_s = RHYTHM_S
    nothing = "no new result"

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config)
        self._config = config
        self._lock = asyncio.Lock()
        values = [at for value in config.values for at in value.registers]
        limits = Limits(gap=0 if config.exact else Limits().gap)
        self._plan = blocks(((config.table, at) for at in (*values, *config.guards)), limits)
        self._guard_plan = blocks(((config.table, at) for at in config.guards), limits)
        self._is_whole = len(self._plan) == 1 or config.live_ms > 0  # a live value stands still by itself

    async def watch(self, tell: Tell, pulse: Pulse, backoff: Backoff) -> None:
        """Asks for its status until the connection fails."""
        while True:
            state = self._state(await read_image(self._client, self._plan))
            backoff.reset()
            if self._is_well(state):
                await pulse.beat()
            else:
                await pulse.set("faulty", f"status {state.status}")
            await asyncio.sleep(PROBE_S)

    async def measure(self, lane: str, station: str, item: str, axle: int) -> Measured:
        """The next result, or the value that stands still, as a record body; raises MeasureError."""
        async with self._lock:
            try:
                values = await (self._steady() if self._config.live_ms else self._result())
            except ModbusError as wrong:
                raise MeasureError(f"{self.name}: {wrong}") from wrong
        return self._body(values, lane, station, item, axle)

    async def _result(self) -> dict[Quantity, Decimal]:
        """What the bench gives next; it is told to begin, and to leave it when nothing comes."""
        _, first = await self._read()
        self._must_be_well(first)
        fresh, clock = Freshness(first), asyncio.get_running_loop()
        await self._trigger(self._config.trigger_on)
        try:
            deadline = clock.time() + self._config.wait_s
            while clock.time() < deadline:
                await asyncio.sleep(self._config.every_ms / 1000)
                image, state = await self._read()
                if self._is_new(fresh, state):
                    return self._values(image)
            raise MeasureError(f"{self.name}: {self.nothing} within {self._config.wait_s:g} s")
        except (MeasureError, ModbusError, asyncio.CancelledError):
            with suppress(ModbusError):
                await self._trigger(self._config.trigger_off)
            raise

    def _is_new(self, fresh: Freshness, state: State) -> bool:
        self._must_be_well(state)
        try:
            return fresh.is_new(state)
        except ValueError as unclear:
            raise MeasureError(f"{self.name}: {unclear}") from unclear

    async def _steady(self) -> dict[Quantity, Decimal]:
        """The value that stands on the bench, once it has not moved for ``live_ms``."""
        settings, clock = self._config, asyncio.get_running_loop()
        deadline, began, first = clock.time() + settings.wait_s, 0.0, None
        why = "nothing stands on it"
        while clock.time() < deadline:
            image, state = await self._read()
            self._must_be_well(state)
            try:
                values = self._values(image)
            except MeasureError as wrong:  # empty, or not settled yet
                first, why = None, str(wrong)
            else:
                why = "no steady value"
                if first is None or state.ready is False or self._moved(first[0], values):
                    first, began = (values, state), clock.time()
                elif clock.time() - began >= settings.live_ms / 1000 and _goes_on(first[1], state):
                    return values
            await asyncio.sleep(settings.every_ms / 1000)
        raise MeasureError(f"{self.name}: {self.nothing} within {settings.wait_s:g} s: {why}")

    def _moved(self, first: Mapping[Quantity, Decimal], values: Mapping[Quantity, Decimal]) -> bool:
        return any(abs(values[name] - first[name]) > self._config.live_spread for name in first)

    async def _trigger(self, value: int) -> None:
        if self._config.trigger is not None:
            await self._client.write_register(self._config.trigger, value)

    # ---- reading ---------------------------------------------------------------------------------

    async def _read(self) -> tuple[Image, State]:
        """Values and guards of one moment; where it took several reads, the guards stood still meanwhile."""
        for _ in range(SPLIT_TRIES):
            image = await read_image(self._client, self._plan)
            state = self._state(image)
            if self._is_whole or self._state(await read_image(self._client, self._guard_plan)) == state:
                return image, state
        raise MeasureError(f"{self.name}: its counter or status moves while its values are read")

    def _state(self, image: Image) -> State:
        def read(register: int | None) -> int | None:
            return None if register is None else image[self._config.table, register]

        ready, status = read(self._config.ready), read(self._config.status)
        return State(
            counter=read(self._config.counter),
            ready=None if ready is None else self._config.is_ready(ready),
            status=None if status is None else status & self._config.status_mask,
        )

    def _is_well(self, state: State) -> bool:
        return state.status is None or state.status in self._config.status_ok

    def _must_be_well(self, state: State) -> None:
        if not self._is_well(state):
            raise MeasureError(f"{self.name}: status {state.status}; see the instrument's manual")

    def _values(self, image: Image) -> dict[Quantity, Decimal]:
        found: dict[Quantity, Decimal] = {}
        for value in self._config.values:
            try:
                read = value.reading(self._config.table, image)
            except ValueError as wrong:
                raise MeasureError(f"{self.name}: {value.quantity}: {wrong}") from wrong
            if problem := value.problem(read):
                raise MeasureError(f"{self.name}: {problem}")
            found[value.quantity] = read
        return found

    def _body(
        self, values: Mapping[Quantity, Decimal], lane: str, station: str, item: str, axle: int
    ) -> Measured:
        where: dict[str, Any] = {"lane": lane, "station": station, "device": self.name}
        if "actual_kmh" in values:
            told = values.get("indicated_kmh", Decimal(self._config.indicated_kmh))
            return SpeedometerMeasured(
                **where, item=item, indicated_kmh=told, actual_kmh=values["actual_kmh"]
            )
        if "mass_kg" in values:
            return KerbMassMeasured(**where, item=item, mass_kg=values["mass_kg"])
        if "slip_m_per_km" in values:
            return SideslipMeasured(**where, item=item, slip_m_per_km=values["slip_m_per_km"])
        where["wheels"] = len(values)
        right = values.get("right_kg", Decimal(0))
        return AxleWeighed(**where, axle=axle, left_kg=values["left_kg"], right_kg=right)


def _goes_on(first: State, now: State) -> bool:
    """A bench that counts must have counted on: registers that stand still may be those of one that hangs."""
    return now.counter is None or now.counter != first.counter

"""Side-slip plate behind Modbus RTU registers: peak value, pass counter, status; the map is configured.

No maker's register map is public (domain facts 7.5 know only a JX frame, F1), so nothing is assumed but
this: the peak is a signed 16-bit number in 0.1 m/km, the counter advances with each vehicle that has
passed, and the block that holds them is read at once, so that the peak belongs to the counter.
"""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError, Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.registers import RegisterDevice
from firmware_bridge.link import Backoff
from firmware_bridge.modbus import READ_HOLDING, READ_REGISTERS, ModbusError
from lanes.record import SideslipMeasured

PROBE_S = 2.0
RHYTHM_S = 3 * PROBE_S
LONGEST_BLOCK = 125  # registers; Modbus application protocol V1.1b3 §6.3

Register = Annotated[int, Meta(ge=0, le=65_535)]


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address, register map, limits. ``arm``: holding register that is set to 1 before a measurement."""

    address: str
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    table: Literal["input", "holding"] = "input"
    peak: Register = 0
    counter: Register = 1
    status: Register = 2
    status_ok: tuple[int, ...] = (0,)
    arm: Register | None = None
    outward_positive: bool = True
    range_m_per_km: Annotated[int, Meta(ge=5, le=100)] = 20
    wait_s: Annotated[float, Meta(ge=0.5, le=300)] = 60.0
    every_ms: Annotated[int, Meta(ge=20, le=2000)] = 100
    timeout_ms: Annotated[int, Meta(ge=20, le=10_000)] = 1000
    quiet_ms: Annotated[int, Meta(ge=500, le=10_000)] = 500
    simulated: bool = False


class Plate(Struct, frozen=True, kw_only=True):
    """One reading of the block."""

    peak: int
    counter: int
    status: int


def slip(raw: int, *, outward_positive: bool) -> Decimal:
    """m/km, outward positive, of a register in 0.1 m/km (two's complement)."""
    signed = raw - 65_536 if raw >= 32_768 else raw
    return Decimal(signed if outward_positive else -signed).scaleb(-1)


class SideSlip(RegisterDevice):
    """One plate."""

    rhythm_s = RHYTHM_S

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config)
        self._config = config
        self._lock = asyncio.Lock()
        self._first = min(config.peak, config.counter, config.status)
        self._count = max(config.peak, config.counter, config.status) - self._first + 1
        if self._count > LONGEST_BLOCK:
            raise ValueError(
                f"{name}: peak, counter and status lie {self._count} registers apart, at most 125"
            )

    async def watch(self, tell: Tell, pulse: Pulse, backoff: Backoff) -> None:
        """Asks for its status until the connection fails."""
        while True:
            plate = await self._read()
            backoff.reset()
            if plate.status in self._config.status_ok:
                await pulse.beat()
            else:
                await pulse.set("faulty", f"status {plate.status}")
            await asyncio.sleep(PROBE_S)

    async def _read(self) -> Plate:
        function = READ_REGISTERS if self._config.table == "input" else READ_HOLDING
        block = await self._client.registers(function, self._first, self._count)
        at = self._config
        return Plate(
            peak=block[at.peak - self._first],
            counter=block[at.counter - self._first],
            status=block[at.status - self._first],
        )

    async def measure(self, lane: str, station: str, item: str, axle: int) -> SideslipMeasured:
        """The peak of the next vehicle that passes; raises MeasureError."""
        async with self._lock:
            try:
                value = await self._passed()
            except ModbusError as wrong:
                raise MeasureError(f"{self.name}: {wrong}") from wrong
            except asyncio.CancelledError:
                with suppress(ModbusError):
                    await self._arm(0)
                raise
        return SideslipMeasured(lane=lane, station=station, device=self.name, item=item, slip_m_per_km=value)

    async def _passed(self) -> Decimal:
        settings, loop = self._config, asyncio.get_running_loop()
        before = await self._read()
        await self._arm(1)
        deadline = loop.time() + settings.wait_s
        while loop.time() < deadline:
            await asyncio.sleep(settings.every_ms / 1000)
            plate = await self._read()
            if plate.status not in settings.status_ok:
                raise MeasureError(f"{self.name}: status {plate.status}; see the instrument's manual")
            if plate.counter != before.counter:
                return self._checked(plate, (plate.counter - before.counter) % 65_536)
        await self._arm(0)
        raise MeasureError(f"{self.name}: no vehicle passed within {settings.wait_s:g} s")

    async def _arm(self, level: int) -> None:
        if self._config.arm is not None:
            await self._client.write_register(self._config.arm, level)

    def _checked(self, plate: Plate, passes: int) -> Decimal:
        if passes != 1:
            raise MeasureError(f"{self.name}: {passes} passes at once; which was the vehicle? measure again")
        value = slip(plate.peak, outward_positive=self._config.outward_positive)
        if abs(value) > self._config.range_m_per_km:
            raise MeasureError(f"{self.name}: {value} m/km is beyond {self._config.range_m_per_km} m/km")
        return value

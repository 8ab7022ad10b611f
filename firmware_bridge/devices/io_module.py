"""Modbus I/O module: loops and photocells are discrete inputs (02), lights and barriers coils (05, 01)."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.bus import ModbusError
from firmware_bridge.device import MeasureError, Signal, Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.registers import RegisterDevice
from firmware_bridge.link import Backoff
from firmware_bridge.modbus import READ_COILS, READ_INPUTS

RHYTHM_S = 2.0
READ_BACK_S = 1.0  # s; coils can be switched by others (a panel switch)

Name = Annotated[str, Meta(min_length=1, max_length=80)]
Channel = Annotated[int, Meta(ge=0, le=1999)]  # function 02 reads at most 2000 bits at once


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sensor and its discrete input. ``invert``: the contact opens when occupied."""

    station: Name
    sensor: Name
    input: Channel
    invert: bool = False


class Output(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One light or barrier and the coil that switches it."""

    station: Name
    actuator: Name
    coil: Channel


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address, unit and the map of a module. ``debounce_ms``: how long a level must hold to count."""

    address: str
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    rate_hz: Annotated[float, Meta(ge=1, le=100)] = 20.0
    debounce_ms: Annotated[int, Meta(ge=0, le=5000)] = 100
    timeout_ms: Annotated[int, Meta(ge=20, le=10_000)] = 1000
    quiet_ms: Annotated[int, Meta(ge=500, le=10_000)] = 500
    simulated: bool = False


@dataclass
class _Level:
    told: bool | None = None
    seen: bool = False
    since: float = 0.0


class Debounce:
    """Which of the levels just read are news; pure: the caller brings the clock."""

    def __init__(self, hold_s: float, size: int) -> None:
        self._hold_s = hold_s
        self._levels = [_Level() for _ in range(size)]

    def forget(self) -> None:
        """After a reconnect every level is news again, at once."""
        self._levels = [_Level() for _ in self._levels]

    def news(self, levels: Sequence[bool], now: float) -> list[tuple[int, bool]]:
        """(index, level) of every level that is new, or has changed and held."""
        return [(index, on) for index, on in enumerate(levels) if self._is_news(self._levels[index], on, now)]

    def _is_news(self, level: _Level, on: bool, now: float) -> bool:
        if level.told is None or on != level.seen:
            level.seen, level.since = on, now
        if level.told is None or (on != level.told and now - level.since >= self._hold_s):
            level.told = on
            return True
        return False


class IoModule(RegisterDevice):
    """One module: Signals in, switched outputs out."""

    rhythm_s = RHYTHM_S

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config)
        self._config = config
        self._debounce = Debounce(config.debounce_ms / 1000, len(config.inputs))
        self._coils = {(output.station, output.actuator): output.coil for output in config.outputs}
        self._outputs: dict[tuple[str, str], bool] = {}

    async def watch(self, tell: Tell, pulse: Pulse, backoff: Backoff) -> None:
        """Polls and tells until the connection fails."""
        self._debounce.forget()
        clock = asyncio.get_running_loop()
        read_back_at = clock.time()
        while True:
            began = clock.time()
            levels = await self._read_inputs()
            if began >= read_back_at:
                await self._read_outputs()
                read_back_at = began + READ_BACK_S
            await pulse.beat()
            backoff.reset()
            for index, on in self._debounce.news(levels, began):
                sensor = self._config.inputs[index]
                await tell(Signal(station=sensor.station, sensor=sensor.sensor, on=on))
            await asyncio.sleep(max(0.0, began + 1 / self._config.rate_hz - clock.time()))

    async def _read_inputs(self) -> list[bool]:
        channels = [sensor.input for sensor in self._config.inputs]
        block = await self._read_block(READ_INPUTS, channels)
        return [block[sensor.input] != sensor.invert for sensor in self._config.inputs]

    async def _read_outputs(self) -> None:
        block = await self._read_block(READ_COILS, list(self._coils.values()))
        self._outputs = {place: block[coil] for place, coil in self._coils.items()}

    async def _read_block(self, function: int, channels: list[int]) -> dict[int, bool]:
        if not channels:
            return {}
        first, last = min(channels), max(channels)
        bits = await self._client.bits(function, first, last - first + 1)
        return {first + offset: on for offset, on in enumerate(bits)}

    async def switch(self, station: str, actuator: str, on: bool) -> None:
        """Writes the coil and reads it back; raises MeasureError."""
        coil = self._coils.get((station, actuator))
        if coil is None:
            raise MeasureError(
                f"{self.name}: no output {actuator!r} at {station!r}; see its outputs in the site file"
            )
        try:
            await self._client.write_coil(coil, on)
            (level,) = await self._client.bits(READ_COILS, coil, 1)
        except ModbusError as wrong:
            raise MeasureError(f"{self.name}: {actuator} at {station} not switched: {wrong}") from wrong
        self._outputs[station, actuator] = level
        if level != on:
            raise MeasureError(
                f"{self.name}: {actuator} at {station}: coil {coil} reads back {level} after {on}"
            )

    def outputs(self) -> dict[tuple[str, str], bool]:
        """Last read-back level of each output."""
        return dict(self._outputs)

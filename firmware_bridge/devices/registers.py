"""RegisterDevice: what devices behind Modbus registers share: client, source, reconnects, health."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Protocol

from firmware_bridge.bus import ModbusFault, ModbusLost, ModbusSilent
from firmware_bridge.device import Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.link import AddressError, Backoff
from firmware_bridge.modbus import ModbusClient, line_of


class RegisterConfig(Protocol):
    """The keys every Modbus device has."""

    @property
    def address(self) -> str: ...
    @property
    def unit(self) -> int: ...
    @property
    def timeout_ms(self) -> int: ...
    @property
    def quiet_ms(self) -> int: ...
    @property
    def simulated(self) -> bool: ...


class RegisterDevice(ABC):
    """A Modbus device. ``watch`` reads for ever over an open connection and beats the pulse."""

    rhythm_s: float

    def __init__(self, name: str, config: RegisterConfig) -> None:
        self.name = name
        source = f"modbus://{name}"
        self.source = f"virtual+{source}" if config.simulated else source
        self._client = ModbusClient(
            config.address,
            unit=config.unit,
            timeout_s=config.timeout_ms / 1000,
            quiet_s=config.quiet_ms / 1000,
        )

    @abstractmethod
    async def watch(self, tell: Tell, pulse: Pulse, backoff: Backoff) -> None:
        """Reads until the connection fails; raises ModbusError."""

    async def run(self, tell: Tell) -> None:
        """Keeps the connection and tells, until cancelled."""
        pulse, backoff = Pulse(tell, self.rhythm_s), Backoff()
        try:
            while True:
                try:
                    await self._client.connect()
                    await self.watch(tell, pulse, backoff)
                except ModbusLost as lost:
                    await pulse.lost(str(lost))
                except ModbusSilent as silent:
                    await pulse.set("silent", str(silent))
                except ModbusFault as fault:
                    await pulse.set("faulty", str(fault))
                await asyncio.sleep(backoff.delay())
        finally:
            self._client.close()


def line_problems(devices: Iterable[tuple[str, object]]) -> list[str]:
    """(name, config) of a site's devices: units that share a serial line and name it with other settings."""
    known: dict[str, tuple[str, object]] = {}
    problems = []
    for name, config in devices:
        line = _line_of(config)
        if line is None:
            continue
        first, settings = known.setdefault(line[0], (name, line[1]))
        if settings != line[1]:
            problems.append(
                f"{name}: address: {first} names {line[0]} with other settings; write one address for both"
            )
    return problems


def _line_of(config: object) -> tuple[str, object] | None:
    try:
        return line_of(config.address) if hasattr(config, "unit") and hasattr(config, "address") else None
    except AddressError:  # told when the device is built
        return None

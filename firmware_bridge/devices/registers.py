"""RegisterDevice: what devices behind Modbus registers share: client, source, reconnects, health."""

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol

from firmware_bridge.bus import ModbusFault, ModbusLost, ModbusSilent
from firmware_bridge.device import Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.link import Backoff
from firmware_bridge.modbus import ModbusClient


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

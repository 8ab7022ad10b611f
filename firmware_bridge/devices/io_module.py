"""Modbus I/O module, any make: where each sensor, light and barrier lies is data of the site file."""

import asyncio

from firmware_bridge.bus import ModbusLost
from firmware_bridge.device import Signal, Tell
from firmware_bridge.devices.contacts import Contact
from firmware_bridge.devices.io_map import Config, Input
from firmware_bridge.devices.io_outputs import Outputs
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.register_map import Image, blocks, read_image
from firmware_bridge.devices.registers import RegisterDevice
from firmware_bridge.link import Backoff

RHYTHM_S = 2.0
EARLY = 0.2  # of the time between polls: so early may a poll be and still count as a whole one
READ_BACK_S = 1.0  # s; outputs can be switched by others (a panel switch)


class IoModule(RegisterDevice):
    """One module: Signals in, switched outputs out."""

    rhythm_s = RHYTHM_S

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config)
        self._config = config
        self._contacts = [contact_of(config, sensor) for sensor in config.inputs]
        levels = [(sensor.table, sensor.input) for sensor in config.inputs]
        counters = [(each.counter_table, each.counter) for each in config.inputs if each.counter is not None]
        self._plan = blocks([*levels, *counters], config.limits)
        self._outputs = Outputs(name, config, self._client)

    async def watch(self, tell: Tell, pulse: Pulse, backoff: Backoff) -> None:
        """Polls and tells until the connection fails."""
        for contact in self._contacts:
            contact.forget()
        await self._outputs.begin()
        clock = asyncio.get_running_loop()
        read_back_at = due = clock.time()
        while True:
            began = clock.time()
            image = await read_image(self._client, self._plan)
            if began >= read_back_at:
                await self._outputs.read()
                read_back_at = began + READ_BACK_S
            if self._plan or self._outputs.readable:
                await pulse.beat()
                backoff.reset()
            elif not self._client.connected:  # a module that is only written to
                raise ModbusLost(f"{self.name}: the connection was lost")
            await self._tell_news(tell, image, clock.time())
            due = next_poll(due, 1 / self._config.rate_hz, clock.time())
            await asyncio.sleep(max(0.0, due - clock.time()))

    async def _tell_news(self, tell: Tell, image: Image, now: float) -> None:
        for sensor, contact in zip(self._config.inputs, self._contacts, strict=True):
            count = None if sensor.counter is None else image[sensor.counter_table, sensor.counter]
            on = contact.news(sensor.place.level(image) != sensor.invert, now, count)
            if on is not None:
                await tell(Signal(station=sensor.station, sensor=sensor.sensor, on=on))

    async def switch(self, station: str, actuator: str, on: bool) -> None:
        """Switches one output and reads it back; raises MeasureError."""
        await self._outputs.switch(station, actuator, on)

    def outputs(self) -> dict[tuple[str, str], bool | None]:
        """Last known level of each output; None for one that cannot be read and was not switched yet."""
        return dict(self._outputs.levels)


def next_poll(due: float, period: float, now: float) -> float:
    """When the poll after that of ``due`` is due: late wakings do not add up, missed ones are not made up."""
    return max(due + period, now)


def contact_of(config: Config, sensor: Input) -> Contact:
    """The contact of an input. Its times lack ``EARLY`` of a poll: two of 50 ms are 100 ms, jitter or not."""
    on_ms = config.debounce_ms if sensor.debounce_on_ms is None else sensor.debounce_on_ms
    off_ms = config.debounce_ms if sensor.debounce_off_ms is None else sensor.debounce_off_ms
    early_s = EARLY / config.rate_hz
    return Contact(on_s=on_ms / 1000 - early_s, off_s=off_ms / 1000 - early_s, latch_s=sensor.latch_ms / 1000)

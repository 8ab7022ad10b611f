"""The I/O module facing the other way: a Modbus TCP server whose inputs the virtual site sets."""

from collections.abc import Sequence

from firmware_bridge.devices.io_map import Input, Output
from firmware_bridge.devices.register_map import Place
from firmware_bridge.modbus import Tables
from firmware_bridge.virtual.twin_port import TwinPort

CHANNELS = 64


class IoTwin(TwinPort):
    """A module with the wiring of an IoModule's config."""

    def __init__(
        self, inputs: Sequence[Input], outputs: Sequence[Output], *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._inputs = {(wired.station, wired.sensor): wired for wired in inputs}
        self._outputs = {(wired.station, wired.actuator): wired for wired in outputs}
        named = [address for wired in inputs for address in (wired.input, wired.counter or 0)]
        named += [place.address for wired in outputs for place in _places(wired)]
        size = 1 + max([CHANNELS - 1, *named])
        tables = Tables(coils=size, inputs=size, holdings=size, registers=size)
        super().__init__(tables, host=host, port=port)
        for place in self._inputs:
            self.set(*place, False)

    def set(self, station: str, sensor: str, on: bool) -> None:
        """Puts a sensor at a level."""
        wired = self._inputs[station, sensor]
        self._write(wired.place, on != wired.invert)

    def flash(self, station: str, sensor: str) -> None:
        """A pulse too short for any read: only the module's own counter saw it."""
        wired = self._inputs[station, sensor]
        assert wired.counter is not None
        words = self.tables.registers if wired.counter_table == "input" else self.tables.holdings
        words[wired.counter] = (words[wired.counter] + 1) & 0xFFFF

    def output(self, station: str, actuator: str) -> bool:
        """Level of a light or barrier as the agent last switched it; of a pulsed one, its on contact."""
        wired = self._outputs[station, actuator]
        return self.contact(wired.on) != wired.invert

    def contact(self, place: Place) -> bool:
        """Whether a contact is closed."""
        if place.table == "coil":
            return self.tables.coils[place.address]
        word = self.tables.holdings[place.address]
        return bool(word if place.bit is None else word >> place.bit & 1)

    def _write(self, place: Place, level: bool) -> None:
        if place.table in ("discrete", "coil"):
            (self.tables.inputs if place.table == "discrete" else self.tables.coils)[place.address] = level
            return
        words = self.tables.registers if place.table == "input" else self.tables.holdings
        mask = 1 << (place.bit or 0)
        words[place.address] = words[place.address] | mask if level else words[place.address] & ~mask


def _places(wired: Output) -> list[Place]:
    """Everywhere an output is written or read."""
    return [wired.on, wired.off, *([wired.read.place] if wired.read else [])]

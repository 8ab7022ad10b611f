"""How a level gets onto an output of a Modbus I/O module, and how it is known to be there."""

import asyncio
from collections.abc import Sequence

from firmware_bridge.bus import ModbusError, ModbusFault
from firmware_bridge.device import MeasureError
from firmware_bridge.devices.io_map import Config, Output
from firmware_bridge.devices.register_map import Block, Place, blocks, read_image
from firmware_bridge.modbus import READ_COILS, READ_HOLDING, ModbusClient


class Outputs:
    """The outputs of one module. Levels: True, False, or None for one that nobody can know yet."""

    def __init__(self, name: str, config: Config, client: ModbusClient) -> None:
        self._name, self._config, self._client = name, config, client
        self._outputs = {(each.station, each.actuator): each for each in config.outputs}
        self._readable = {
            key: each for key, each in self._outputs.items() if config.read_back and not each.pulse_ms
        }
        read = config.outputs if config.read_back else ()
        places = [place for each in read for place in _read_at(each)]
        self._plan: Sequence[Block] = blocks(((each.table, each.address) for each in places), config.limits)
        self._writing = asyncio.Lock()  # a register is read, changed and written by one at a time
        self._shadow = _all_off(config.outputs)  # what was written, where nothing can be read
        self.levels: dict[tuple[str, str], bool | None] = {}

    @property
    def readable(self) -> bool:
        """Whether ``read`` reads anything."""
        return bool(self._plan)

    async def begin(self) -> None:
        """A new connection: levels that cannot be read are unknown, pulses that were broken off end.

        Raises ModbusError.
        """
        self.levels.update({key: None for key in self._outputs if key not in self._readable})
        async with self._writing:
            for output in self._outputs.values():
                if output.pulse_ms:
                    await self._put(output, output.on, False)
                    await self._put(output, output.off, False)

    async def read(self) -> None:
        """Reads back what can be read; raises ModbusError."""
        image = await read_image(self._client, self._plan)
        for key, output in self._readable.items():
            raw = image[_seen_at(output).table, _seen_at(output).address]
            self.levels[key] = _level(output, raw)

    async def switch(self, station: str, actuator: str, on: bool) -> None:
        """Switches one output and knows that it stands so; raises MeasureError."""
        output = self._outputs.get((station, actuator))
        if output is None:
            raise MeasureError(
                f"{self._name}: no output {actuator!r} at {station!r}; see its outputs in the site file"
            )
        try:
            async with self._writing:
                level = await (self._pulse(output, on) if output.pulse_ms else self._hold(output, on))
        except ModbusError as wrong:
            if (station, actuator) not in self._readable:
                self.levels[station, actuator] = None
            raise MeasureError(f"{self._name}: {actuator} at {station} not switched: {wrong}") from wrong
        self.levels[station, actuator] = level
        if level != on:
            where = _words(_seen_at(output))
            raise MeasureError(
                f"{self._name}: {actuator} at {station}: {where} reads back {level} after {on}"
            )

    async def _hold(self, output: Output, on: bool) -> bool | None:
        await self._put(output, output.on, on != output.invert)
        if not self._config.read_back:
            return on
        seen = _seen_at(output)
        image = await read_image(self._client, [(seen.table, seen.address, 1)])
        return _level(output, image[seen.table, seen.address])

    async def _pulse(self, output: Output, on: bool) -> bool:
        contact = output.on if on else output.off
        try:
            await self._put(output, contact, True)
            await self._must_read(output, contact, True)
            await asyncio.sleep(output.pulse_ms / 1000)
        finally:  # if this fails too, the next connection opens the contact
            await self._put(output, contact, False)
        await self._must_read(output, contact, False)
        return on

    async def _must_read(self, output: Output, contact: Place, level: bool) -> None:
        if self._config.read_back:
            image = await read_image(self._client, [(contact.table, contact.address, 1)])
            if _closed(output, contact, image[contact.table, contact.address]) is not level:
                raise ModbusFault(f"{_words(contact)} does not read back {level}")

    async def _put(self, output: Output, place: Place, level: bool) -> None:
        """Writes one contact; the others that share its block or register stay as they are."""
        if place.table == "coil":
            await self._put_coil(output, place.address, level)
            return
        if place.bit is None:
            value = output.on_value if level else output.off_value
        else:
            whole = await self._whole(Place("holding", place.address))
            value = whole | 1 << place.bit if level else whole & ~(1 << place.bit)
        if output.function == 16:
            await self._client.write_registers(place.address, [value])
        else:
            await self._client.write_register(place.address, value)
        self._shadow[Place("holding", place.address)] = value

    async def _put_coil(self, output: Output, coil: int, level: bool) -> None:
        if output.function != 15:
            await self._client.write_coil(coil, level)
        else:
            size = self._config.coil_block
            first = coil // size * size
            whole = await self._block(first, size) if size > 1 else [False]
            whole[coil - first] = level
            await self._client.write_coils(first, whole)
        self._shadow[Place("coil", coil)] = int(level)

    async def _block(self, first: int, size: int) -> list[bool]:
        if self._config.read_back:
            return await self._client.bits(READ_COILS, first, size)
        return [bool(self._shadow.get(Place("coil", first + at), 0)) for at in range(size)]

    async def _whole(self, place: Place) -> int:
        if not self._config.read_back:
            return self._shadow.get(place, 0)
        (value,) = await self._client.registers(READ_HOLDING, place.address, 1)
        return value


def _all_off(outputs: Sequence[Output]) -> dict[Place, int]:
    """Coils and registers as they are with every output off."""
    off: dict[Place, int] = {}
    for output in outputs:
        whole = Place(output.on.table, output.on.address)
        off[whole] = off.get(whole, 0) | output.invert << (output.on.bit or 0)
    return off


def _read_at(output: Output) -> tuple[Place, ...]:
    """Everywhere it can be read; a pulsed one only shows that the module is there."""
    return (output.on, output.off) if output.pulse_ms else (_seen_at(output),)


def _seen_at(output: Output) -> Place:
    return output.on if output.read is None else output.read.place


def _level(output: Output, raw: int) -> bool | None:
    """The output's level from what its place reads; None for a register with neither of its values."""
    closed = _closed(output, _seen_at(output), raw)
    invert = output.invert if output.read is None else output.read.invert
    return None if closed is None else closed != invert


def _closed(output: Output, contact: Place, raw: int) -> bool | None:
    if contact.table == "holding" and contact.bit is None:
        return {output.on_value: True, output.off_value: False}.get(raw)
    return bool(raw >> (contact.bit or 0) & 1)


def _words(place: Place) -> str:
    names = {"coil": "coil", "discrete": "input", "holding": "register", "input": "input register"}
    return f"{names[place.table]} {place.address}" + ("" if place.bit is None else f" bit {place.bit}")

"""A bench behind registers facing the other way: Modbus TCP, or one unit of an RTU line behind two ptys."""

import struct
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from firmware_bridge.devices.modbus_meter import Config, Value
from firmware_bridge.devices.register_map import NumberType, Order
from firmware_bridge.modbus import Tables, serve_rtu
from firmware_bridge.virtual.twin_line import PtyBridge
from firmware_bridge.virtual.twin_port import TwinPort

SIZE = 400  # registers of each table
_FORMS: dict[NumberType, str] = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f"}


def registers_of(value: Decimal, kind: NumberType, words: Order = "big", order: Order = "big") -> list[int]:
    """A number as the bench lays it into its registers."""
    raw = struct.pack(_FORMS[kind], float(value) if kind == "f32" else int(value))
    found = [int.from_bytes(raw[at : at + 2], order) for at in range(0, len(raw), 2)]
    return found if words == "big" else found[::-1]


class MeterTwin(TwinPort):
    """A bench with the map of ``config``; ``path``: where an agent opens its serial line, without it TCP."""

    def __init__(self, config: Config, path: Path | None = None) -> None:
        super().__init__(Tables(holdings=SIZE, registers=SIZE), unit=config.unit)
        self._config = config
        self.bridge = None if path is None else PtyBridge(path, path.with_name(f"{path.name}.twin"))
        self.ready(False)

    @property
    def address(self) -> str:
        """What stands in a site file; known after start."""
        return super().address if self.bridge is None else self.bridge.left.address

    async def start(self) -> None:
        """Switches the bench on."""
        if self.bridge is None:
            await super().start()
        else:
            self.bridge.open()
            self._served = await serve_rtu(self.tables, self.bridge.right.address, unit=self._config.unit)

    async def stop(self) -> None:
        """Switches it off."""
        await super().stop()
        if self.bridge is not None:
            self.bridge.close()

    @property
    def words(self) -> list[int]:
        """The table that holds its values."""
        return self.tables.registers if self._config.table == "input" else self.tables.holdings

    def triggered(self) -> bool:
        """Whether the agent has told it to begin."""
        at = self._config.trigger
        return at is not None and self.tables.holdings[at] == self._config.trigger_on

    def stand(self, *values: Decimal | str) -> None:
        """Values in the order of the map, in the units of the agent, nothing said about them."""
        for value, told in zip(self._config.values, values, strict=True):
            self._lay(value, registers_of(Decimal(told) / value.scale, value.type, value.words, value.bytes))

    def _lay(self, value: Value, words: Sequence[int]) -> None:
        self.words[value.register : value.register + len(words)] = words

    def ready(self, is_there: bool) -> None:
        """Says that a value is there, or is not."""
        if self._config.ready is not None:
            told = (
                self._config.ready_values[0]
                if self._config.ready_bit is None
                else 1 << self._config.ready_bit
            )
            self.words[self._config.ready] = told if is_there else 0

    def result(self, *values: Decimal | str) -> None:
        """A measurement has ended."""
        self.stand(*values)
        if self._config.counter is not None:
            self.words[self._config.counter] = (self.words[self._config.counter] + 1) & 0xFFFF
        self.ready(True)
        if self._config.trigger is not None:
            self.tables.holdings[self._config.trigger] = self._config.trigger_off

    def fail(self, status: int) -> None:
        """The bench reports a fault (0: none)."""
        assert self._config.status is not None
        self.words[self._config.status] = status

"""The side-slip plate facing the other way: Modbus RTU registers behind two ptys back to back."""

from decimal import Decimal
from pathlib import Path

from firmware_bridge.modbus import Served, Tables, serve_rtu
from firmware_bridge.virtual.twin_line import PtyBridge

PEAK, COUNTER, STATUS = 0, 1, 2  # input registers
ARM = 0  # holding register


class SlipTwin:
    """A plate; ``path`` is where the agent opens it, with ``arm = 0`` in its config."""

    def __init__(self, path: Path) -> None:
        self.bridge = PtyBridge(path, path.with_name(f"{path.name}.twin"))
        self.tables = Tables()
        self._served: Served | None = None

    @property
    def address(self) -> str:
        """What stands in a site file."""
        return self.bridge.left.address

    async def start(self) -> None:
        """Switches the plate on."""
        self.bridge.open()
        self._served = await serve_rtu(self.tables, self.bridge.right.address)

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        served, self._served = self._served, None
        if served is not None:
            await served.stop()
        self.bridge.close()

    def armed(self) -> bool:
        """Whether the agent waits for a vehicle."""
        return self.tables.holdings[ARM] == 1

    def passed(self, value: Decimal | float) -> None:
        """A wheel has rolled over the plate: ``value`` m/km, outward positive."""
        self.tables.registers[PEAK] = round(value * 10) & 0xFFFF
        self.tables.registers[COUNTER] = (self.tables.registers[COUNTER] + 1) & 0xFFFF
        self.tables.holdings[ARM] = 0

    def fail(self, status: int) -> None:
        """The instrument reports a fault (0: none)."""
        self.tables.registers[STATUS] = status

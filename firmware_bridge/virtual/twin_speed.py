"""The speedometer bench facing the other way: a driver declares, and the bench tells how fast it turns."""

from decimal import Decimal
from pathlib import Path

from firmware_bridge.devices.speed_jx import FETCH, LOWER, NOTICE, NOTICE_END, build_speed
from firmware_bridge.virtual.twin_line import PtyLine


class SpeedTwin:
    """A bench on a pty."""

    def __init__(self, path: Path) -> None:
        self.line = PtyLine(path, self._hear)
        self.lowered = False
        self.kmh = Decimal(0)

    async def start(self) -> None:
        """Switches the bench on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self.line.close()

    def drive(self, kmh: Decimal) -> None:
        """The rollers turn at this speed."""
        self.kmh = kmh

    def declare(self, code: int = 0) -> None:
        """The driver presses his button."""
        self.line.send(bytes([NOTICE, code, NOTICE_END]))

    def _hear(self, heard: bytes) -> None:
        for command in heard:
            if command == LOWER[0]:
                self.lowered = True
            elif command == FETCH[0]:
                self.line.send(build_speed(self.kmh))
            else:
                self.lowered = False

"""Text boards facing the other way: what a driver would read on them."""

from pathlib import Path

from firmware_bridge.devices.led_board import Config
from firmware_bridge.modbus import Tables
from firmware_bridge.virtual.twin_line import PtyLine
from firmware_bridge.virtual.twin_port import TwinPort

SIZE = 400  # registers
KEPT = 64 * 1024  # bytes of a frame that never ends


class LineSignTwin:
    """A board on a serial line that takes frames between ``prefix`` and ``suffix``."""

    def __init__(self, path: Path, config: Config) -> None:
        self._config = config
        self.line = PtyLine(path, self._hear)
        self._heard = b""
        self.frames: list[bytes] = []

    def _hear(self, chunk: bytes) -> None:
        prefix, suffix = (bytes.fromhex(each) for each in (self._config.prefix, self._config.suffix))
        self._heard = (self._heard + chunk)[-KEPT:]
        while suffix and suffix in self._heard:
            whole, self._heard = self._heard.split(suffix, 1)
            self.frames.append(whole[whole.rfind(prefix) + len(prefix) :])

    def rows(self) -> list[str]:
        """The texts of the last frame, without blanks at their ends; empty before the first."""
        if not self.frames:
            return []
        body = self.frames[-1] if self._config.check == "none" else self.frames[-1][:-1]
        colours = [bytes.fromhex(each) for each in (self._config.colours.red, self._config.colours.green)]
        rows = body.split(bytes.fromhex(self._config.between))
        for colour in colours:
            rows = [row.removeprefix(colour) for row in rows]
        return [row.decode(self._config.encoding).rstrip() for row in rows]


class RegisterSignTwin(TwinPort):
    """A board whose rows are registers, over Modbus TCP."""

    def __init__(self, config: Config) -> None:
        super().__init__(Tables(holdings=SIZE), unit=config.unit)
        self._config = config

    async def start(self) -> None:
        """Switches the board on, dark."""
        self.tables.holdings[:] = [0] * SIZE
        await super().start()

    def rows(self) -> list[str]:
        """The texts it shows, without blanks at their ends."""
        texts = []
        for place in self._config.registers:
            words = self.tables.holdings[place.register : place.register + place.size]
            text = b"".join(word.to_bytes(2, self._config.bytes) for word in words)
            texts.append(text.decode(self._config.encoding).rstrip(" \0"))
        return texts

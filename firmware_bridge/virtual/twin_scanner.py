"""A scanner facing the other way: what is held before it goes out as one line a time."""

from pathlib import Path

from firmware_bridge.virtual.twin_line import PtyLine


class ScannerTwin:
    """A scanner on a pty with its prefix, suffix, line end and encoding."""

    def __init__(
        self, path: Path, *, prefix: str = "", suffix: str = "", end: str = "\r\n", encoding: str = "utf-8"
    ) -> None:
        self.line = PtyLine(path, lambda _: None)
        self._prefix, self._suffix, self._end, self._encoding = prefix, suffix, end, encoding

    async def start(self) -> None:
        """Switches the scanner on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self.line.close()

    def scan(self, text: str) -> None:
        """Something is scanned once."""
        self.line.send((self._prefix + text + self._suffix + self._end).encode(self._encoding))

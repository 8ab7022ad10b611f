"""A UHF reader facing the other way: tells the tags in its field, round after round."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from firmware_bridge.virtual.twin_line import PtyLine


def a0(epc: str, rssi_dbm: int, antenna: int = 0, command: int = 0x89) -> bytes:
    """The frame ``A0 …`` of a tag."""
    words = bytes.fromhex(epc)
    inner = bytes([0x01, command, antenna << 2, len(words) // 2 << 3, 0]) + words + bytes([rssi_dbm + 129])
    bare = bytes([0xA0, len(inner) + 1]) + inner
    return bare + bytes([-sum(bare) & 0xFF])


class TagTwin:
    """A reader on a pty. ``field``: EPC -> strength in dBm of the tags it hears now."""

    def __init__(self, path: Path, frame: Literal["line", "a0"] = "line") -> None:
        self.line = PtyLine(path, lambda _: None)
        self.field: Mapping[str, int] = {}
        self._frame = frame

    async def start(self) -> None:
        """Switches the reader on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self.line.close()

    def round(self) -> None:
        """One inventory of the field."""
        for epc, rssi in self.field.items():
            frame = a0(epc, rssi) if self._frame == "a0" else f"{epc},{rssi}\r\n".encode("ascii")
            self.line.send(frame)

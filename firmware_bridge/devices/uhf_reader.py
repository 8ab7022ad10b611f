"""UHF readers (ISO 18000-6C) that tell the EPC of every tag in their field, in one of two frames (both M).

``line``: hex, perhaps the strength, a line end: ``E2801160600002054CC61A3D,-61``. ``a0``: modules that
report ``A0 LEN ADDRESS 89 ANTENNA PC(2) EPC… RSSI CHECK``, where LEN counts what follows it, CHECK makes the
sum of all bytes 0 modulo 256, and the strength is RSSI - 129 dBm. The PC word holds the length of the EPC,
which must be right.

An EPC is no electronic identity (汽车电子标识): that needs a reader with the national crypto module.
"""

import re
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from firmware_bridge.device import Tag
from firmware_bridge.devices import text_lines
from firmware_bridge.devices.framing import Sized
from firmware_bridge.devices.listener import Listener, Once

START = 0xA0
INVENTORY = frozenset({0x89, 0x8B})
SHORTEST, LONGEST = 3, 70  # bytes after LEN: address, command, check; an EPC of 62 bytes
RSSI_OFFSET = 129
_LINE = re.compile(r"^(?P<epc>(?:[0-9A-F]{4}){1,31})(?:[,; \t]+(?P<rssi>-\d{1,3})(?:\s*DBM)?)?$")


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reader's line and frame; a tag is told anew once it was not heard for ``away_s``.

    ``times``: so often it must be heard before it is believed.
    """

    address: str
    frame: Literal["line", "a0"] = "line"
    away_s: Annotated[float, Meta(ge=0, le=3600)] = 30.0
    times: Annotated[int, Meta(ge=1, le=20)] = 2
    weakest_dbm: Annotated[int, Meta(ge=-128, le=0)] = -128
    simulated: bool = False


class Inventory(NamedTuple):
    """One tag as it was heard; ``epc`` empty: a frame of another kind or a line that is no EPC."""

    epc: str
    rssi_dbm: int | None
    raw: bytes


def read_line(line: bytes) -> Inventory:
    """An ASCII line; its EPC is empty when it is none."""
    found = _LINE.match(line.decode("ascii", "replace").strip().upper())
    if found is None:
        return Inventory("", None, line)
    return Inventory(found["epc"], int(found["rssi"]) if found["rssi"] else None, line)


def read_a0(frame: bytes) -> Inventory | None:
    """A whole frame ``A0 …``; None for one that tells no tag."""
    command, body = frame[3], frame[4:-1]
    if command not in INVENTORY or len(body) < 6:
        return None
    pc, epc, rssi = body[1:3], body[3:-1], body[-1]
    if (pc[0] >> 3) * 2 != len(epc):
        return None
    return Inventory(epc.hex().upper(), (rssi & 0x7F) - RSSI_OFFSET, frame)


class LineDeframer:
    """Inventories of ASCII lines; ``skipped`` counts the bytes of lines that were given up."""

    def __init__(self) -> None:
        self.skipped = 0
        self._lines = text_lines.Deframer()

    def feed(self, chunk: bytes) -> list[Inventory]:
        """Inventories of the lines completed by this chunk."""
        found = [read_line(line) for line in self._lines.feed(chunk)]
        self.skipped = self._lines.skipped
        return found

    def drop(self) -> None:
        """Forgets what began but did not end, and its rest."""
        self._lines.drop()
        self.skipped = self._lines.skipped


def size_of(head: bytes) -> int | None:
    """Bytes of the ``A0`` frame that begins so; 0: none does; None: its length has not come yet."""
    if head[0] != START:
        return 0
    if len(head) == 1:
        return None
    return head[1] + 2 if SHORTEST <= head[1] <= LONGEST else 0


class A0Deframer:
    """Inventories of ``A0`` frames; ``skipped`` counts the bytes that belonged to no whole frame."""

    def __init__(self) -> None:
        self.skipped = 0
        self._frames = Sized(2, size_of, lambda whole: None if sum(whole) & 0xFF else whole)

    def feed(self, chunk: bytes) -> list[Inventory]:
        """Inventories of the frames completed by this chunk; frames of another kind are none."""
        told = [read_a0(frame) for frame in self._frames.feed(chunk)]
        self.skipped = self._frames.skipped
        return [inventory for inventory in told if inventory is not None]

    def drop(self) -> None:
        """Forgets what began but did not end."""
        self._frames.drop()
        self.skipped = self._frames.skipped


class UhfReader(Listener[Inventory]):
    """A reader that inventories without being asked."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(
            name,
            config.address,
            A0Deframer if config.frame == "a0" else LineDeframer,
            Once(config.away_s, config.times),
            simulated=config.simulated,
        )
        self._config = config

    def wanted(self, frame: Inventory) -> bool:
        """Whether a tag is heard strongly enough; one without a strength is."""
        return frame.rssi_dbm is None or frame.rssi_dbm >= self._config.weakest_dbm

    def named(self, frame: Inventory) -> str:
        if not frame.epc:
            raise ValueError("a line that is no EPC")
        return frame.epc

    def said(self, key: str, frame: Inventory) -> Tag:
        return Tag(key=key, epc=frame.epc, rssi_dbm=frame.rssi_dbm)

    def bytes_of(self, frame: Inventory) -> bytes:
        return frame.raw

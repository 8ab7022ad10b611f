"""The frame that instruments of 江新 (Jiangxin, "JX") share: brake bench, wheel-load scale and others.

``41 LEN KIND BODY… CHECK``: LEN counts the whole frame, all bytes add up to 0 modulo 256, numbers are ASCII
digits. Commands to the instrument are frames without body, such as ``41 04 68 53`` (read) and ``41 04 62
59`` (zero). Source: linzewu/veh, drivers of JXZB10, JXGT2, JXGT2CZ and of a JX speedometer bench (F1: one
code base; that LEN and CHECK mean this was found by us from eleven commands and four reply lengths).
"""

from typing import NamedTuple

from firmware_bridge.devices.instrument import SerialInstrument

ACK_S = 3.0  # s; a bench acknowledges at once (M)
START = 0x41
SHORTEST, LONGEST = 4, 44  # bytes; the longest reply known is that of a plate bench

LIFT_UP, LIFT_DOWN, ZERO, START_TEST = 0x63, 0x64, 0x62, 0x66
LOCK, READ, FETCH, STATE = 0x67, 0x68, 0x6B, 0x61
UNLOCK = 0x70


class Frame(NamedTuple):
    """One whole frame: its third byte and what lies between that and the check."""

    kind: int
    body: bytes


def build(kind: int, body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    bare = bytes([START, len(body) + 4, kind]) + body
    return bare + bytes([-sum(bare) & 0xFF])


def number(digits: bytes) -> int | None:
    """Number of space-padded ASCII digits; None when they are none."""
    text = digits.strip(b" ")
    return int(text) if text.isdigit() else None


class Deframer:
    """Whole frames out of a byte stream; finds the next frame after torn, corrupt and foreign bytes.

    ``skipped`` counts the bytes that belonged to no whole frame.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._held = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Frames completed by this chunk."""
        self._held += chunk
        frames: list[Frame] = []
        while True:
            self._seek_start()
            if len(self._held) < 2 or len(self._held) < self._held[1]:
                return frames
            frames.append(self._take())

    def drop(self) -> None:
        """Forgets what began but did not end."""
        self.skipped += len(self._held)
        self._held = b""

    def _take(self) -> Frame:
        length = self._held[1]
        whole, self._held = self._held[:length], self._held[length:]
        return Frame(whole[2], whole[3:-1])

    def _seek_start(self) -> None:
        """Drops bytes until the held ones begin with what is, or may still become, a frame."""
        while self._held and not self._plausible():
            self._held = self._held[1:]
            self.skipped += 1

    def _plausible(self) -> bool:
        if self._held[0] != START:
            return False
        if len(self._held) < 2:
            return True
        length = self._held[1]
        if not SHORTEST <= length <= LONGEST:
            return False
        return len(self._held) < length or sum(self._held[:length]) & 0xFF == 0


class JxBench(SerialInstrument[Frame]):
    """A bench on a line of its own that can be asked for the state of its photocells."""

    def __init__(self, name: str, address: str, *, simulated: bool) -> None:
        super().__init__(name, address, Deframer(), simulated=simulated)

    async def probe(self) -> None:
        """Asks whether a vehicle stands on it (``61``, 12 bytes; F1, JXGT2CZ)."""
        self.forget()
        await self.send(build(STATE), "probe")
        await self.next(ACK_S, "probe")

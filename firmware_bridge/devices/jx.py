"""The frame that instruments of 江新 (Jiangxin, "JX") share: brake bench, wheel-load scale and others.

``41 LEN KIND BODY… CHECK``: LEN counts the whole frame, all bytes add up to 0 modulo 256, numbers are ASCII
digits. Commands to the instrument are frames without body, such as ``41 04 68 53`` (read) and ``41 04 62
59`` (zero). Source: linzewu/veh, drivers of JXZB10, JXGT2, JXGT2CZ and of a JX speedometer bench (F1: one
code base; that LEN and CHECK mean this was found by us from eleven commands and four reply lengths).
"""

from typing import NamedTuple

from firmware_bridge.devices.framing import Sized
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


def size_of(head: bytes) -> int | None:
    """Bytes of the frame that begins so; 0: none does; None: its length has not come yet."""
    if head[0] != START:
        return 0
    if len(head) == 1:
        return None
    return head[1] if SHORTEST <= head[1] <= LONGEST else 0


def read_frame(whole: bytes) -> Frame | None:
    """The frame of all its bytes; None when their sum is not 0."""
    return None if sum(whole) & 0xFF else Frame(whole[2], whole[3:-1])


class Deframer(Sized[Frame]):
    """Whole frames out of a byte stream; finds the next frame after torn, corrupt and foreign bytes."""

    def __init__(self) -> None:
        super().__init__(2, size_of, read_frame)


class JxBench(SerialInstrument[Frame]):
    """A bench on a line of its own that can be asked for the state of its photocells."""

    def __init__(self, name: str, address: str, *, simulated: bool) -> None:
        super().__init__(name, address, Deframer(), simulated=simulated)

    async def probe(self) -> None:
        """Asks whether a vehicle stands on it (``61``, 12 bytes; F1, JXGT2CZ)."""
        self.forget()
        await self.send(build(STATE), "probe")
        await self.next(ACK_S, "probe")

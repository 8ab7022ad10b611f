"""Headlamp tester MQD-6A (2400 baud): intensity, beam offsets and height of one lamp a call.

Host to tester ``02 01 32 G C CHECK``, six bytes; tester to host ``02 32 G C CHECK``, five, and 112 bytes
with all that was measured: ``02 L``, three records of the left lamps (main, second main, dipped), ``R``,
three of the right, check. A record has 18 characters: horizontal offset 5, vertical offset 5, intensity 4
in 100 cd, height 4 (F1, linzewu/veh, driver MQD6A). All bytes of a frame add up to 0 modulo 256: found by
us, from 29 commands and 6 notices of that driver. Offsets in mm at 10 m, up positive: F1; right positive,
height in mm: M. That ``L`` and ``R`` stand where they do, and that the long frame has the same check: M,
from a shorter answer and from the lengths.
"""

import asyncio
import re
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from firmware_bridge.device import MeasureError
from firmware_bridge.devices.framing import Sized
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.headlamps import LAMPS, headlamp_problem
from lanes.record import HeadlampMeasured

STX, HOST, PAYLOAD = 0x02, 0x01, 0x32
SET, TEST, GET, MOVE, FAULT = 0x53, 0x54, 0x47, 0x4D, 0x45  # groups: S T G M E
FOUR_LAMPS, TWO_LAMPS = (SET, 0x31), (SET, 0x32)
MAIN_ONLY, BOTH_BEAMS = (SET, 0x33), (SET, 0x35)
NO_MAIN_ADJUSTING, NO_DIPPED_ADJUSTING, MAIN_FIRST = (SET, 0x61), (SET, 0x63), (SET, 0x71)
IN_PLACE, FULL_TRAVEL, STATE = (TEST, 0x51), (TEST, 0x52), (TEST, 0x6F)
LEFT, RIGHT = (TEST, 0x07), (TEST, 0x40)
ALL_RESULTS, STOP, HOME = (GET, 0x4F), (MOVE, 0x3E), (MOVE, 0x47)
MAIN_DONE, SECOND_DONE, DIPPED_DONE, AT_HOME = (TEST, 0x4F), (TEST, 0x4E), (TEST, 0x4D), (TEST, 0x40)
NO_LAMP, FAILED = (FAULT, 0x13), (FAULT, 0x14)

NOTICE_SIZE, RESULTS_SIZE, RECORD_SIZE = 5, 112, 18
RIGHT_AT = 56  # where R stands
UNMEASURED = b"0" * RECORD_SIZE
NUMBER = re.compile(rb" *[+-]?\d+ *")
ANSWER_S = 3.0  # s; 112 bytes take 0.5 s at 2400 baud
LEFT_LAMPS, INNER_LAMPS = ("H1", "H2"), ("H2", "H3")


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Line, what is measured of an outer lamp, how the tester is started, how long it may take."""

    address: str
    beams: Literal["main", "both"] = "both"
    start: Literal["side", "in_place", "full_travel"] = "side"
    right_positive: bool = True
    pause_ms: Annotated[int, Meta(ge=0, le=2000)] = 300
    wait_s: Annotated[float, Meta(ge=1, le=300)] = 60.0
    probe: bool = True
    simulated: bool = False


class Beam(NamedTuple):
    """One record: mm at 10 m, cd, mm."""

    horizontal_mm: int
    vertical_mm: int
    intensity_cd: int
    height_mm: int


def closed(bare: bytes) -> bytes:
    """A frame with its check."""
    return bare + bytes([-sum(bare) & 0xFF])


def command(code: tuple[int, int]) -> bytes:
    """What the host sends."""
    return closed(bytes([STX, HOST, PAYLOAD, *code]))


def notice(code: tuple[int, int]) -> bytes:
    """What the tester sends unasked."""
    return closed(bytes([STX, PAYLOAD, *code]))


def record(beam: Beam | None) -> bytes:
    """The 18 characters of a beam."""
    if beam is None:
        return UNMEASURED
    horizontal, vertical, cd, height = beam
    return b"%+05d%+05d%04d%04d" % (horizontal, vertical, cd // 100, height)


def results(left: list[Beam | None], right: list[Beam | None]) -> bytes:
    """The long answer; three beams a side: main, second main, dipped."""
    sides = [b"".join(map(record, side)) for side in (left, right)]
    return closed(bytes([STX]) + b"L" + sides[0] + b"R" + sides[1])


def number(text: bytes) -> int:
    """Raises ValueError for what is no whole number."""
    if not NUMBER.fullmatch(text):
        raise ValueError(f"no number: {text!r}")
    return int(text)


def read_beam(frame: bytes, side: Literal["left", "right"], place: int) -> Beam | None:
    """A beam of the long answer; None when the tester has none; raises ValueError when it is no number."""
    at = (2 if side == "left" else RIGHT_AT + 1) + place * RECORD_SIZE
    text = frame[at : at + RECORD_SIZE]
    if text == UNMEASURED:
        return None
    horizontal, vertical, hundreds, height = map(number, (text[:5], text[5:10], text[10:14], text[14:]))
    return Beam(horizontal, vertical, hundreds * 100, height)


def size_of(head: bytes) -> int | None:
    """Bytes of the frame that begins so; 0: none does; None: its kind has not come yet."""
    if head[0] != STX:
        return 0
    if len(head) == 1:
        return None
    if head[1] == PAYLOAD:
        return NOTICE_SIZE
    return RESULTS_SIZE if head[1:2] == b"L" and head[RIGHT_AT:] in (b"", b"R") else 0


class Deframer(Sized[bytes]):
    """Notices and long answers out of a byte stream, whole."""

    def __init__(self) -> None:
        super().__init__(RIGHT_AT + 1, size_of, lambda whole: whole if _holds(whole) else None)


def _holds(whole: bytes) -> bool:
    """The check is one byte: the end of a torn answer and a notice after it can make up a right one."""
    if sum(whole) & 0xFF:
        return False
    return len(whole) != RESULTS_SIZE or STX not in whole[1:-1]


class HeadlampTester(SerialInstrument[bytes]):
    """One tester."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config.address, Deframer(), simulated=config.simulated)
        self._config = config
        self.mute = not config.probe

    async def probe(self) -> None:
        """Asks for its state."""
        if self._config.probe:
            self.forget()
            await self.send(command(STATE), "probe")
            await self.next(ANSWER_S, "probe")

    async def measure(self, lane: str, station: str, item: str, axle: int) -> HeadlampMeasured:
        """One lamp, an inner one after the outer of its side (the tester's order); raises MeasureError."""
        if item not in LAMPS:
            raise MeasureError(f"{self.name}: {item} is no headlamp ({', '.join(LAMPS)})")
        async with self._lock, self.stopping(command(STOP), command(HOME)):
            await self._prepare(item)
            await self._tested(item)
            frame = await self._fetch()
        measured = HeadlampMeasured(
            lane=lane, station=station, device=self.name, item=item, **self._values(item, frame)
        )
        why = headlamp_problem(measured)
        if why is not None:
            raise MeasureError(f"{self.name}: {why}")
        return measured

    async def _prepare(self, item: str) -> None:
        inner = item in INNER_LAMPS
        order = [FOUR_LAMPS if inner else TWO_LAMPS, BOTH_BEAMS if self._dipped(item) else MAIN_ONLY]
        for code in (*order, NO_DIPPED_ADJUSTING, NO_MAIN_ADJUSTING, MAIN_FIRST):
            await self._tell(code, "prepare")

    async def _tested(self, item: str) -> None:
        starts = {"in_place": IN_PLACE, "full_travel": FULL_TRAVEL}
        self.forget()
        await self._tell(starts.get(self._config.start, LEFT if item in LEFT_LAMPS else RIGHT), "start")
        await self._until(MAIN_DONE, "main beam")
        if item in INNER_LAMPS:
            await self._until(SECOND_DONE, "second main beam")
        if self._dipped(item):
            await self._until(DIPPED_DONE, "dipped beam")

    async def _until(self, code: tuple[int, int], doing: str) -> None:
        deadline = asyncio.get_running_loop().time() + self._config.wait_s
        while (frame := (await self.before(deadline, doing)).frame) != notice(code):
            if frame == notice(NO_LAMP):
                raise MeasureError(f"{self.name}: {doing}: no lamp found; is it lit?")
            if frame == notice(FAILED):
                raise MeasureError(f"{self.name}: {doing}: the tester reports an error; measure again")

    async def _fetch(self) -> bytes:
        """The tester goes home first, as linzewu/veh has it."""
        await self._tell(HOME, "home")
        self.forget()
        await self._tell(ALL_RESULTS, "fetch")
        deadline = asyncio.get_running_loop().time() + ANSWER_S
        while len(frame := (await self.before(deadline, "fetch")).frame) != RESULTS_SIZE:
            pass
        return frame

    def _values(self, item: str, frame: bytes) -> dict[str, Any]:
        side: Literal["left", "right"] = "left" if item in LEFT_LAMPS else "right"
        try:
            main = read_beam(frame, side, 1 if item in INNER_LAMPS else 0)
            dipped = read_beam(frame, side, 2) if self._dipped(item) else None
        except ValueError:
            raise MeasureError(f"{self.name}: the tester's results are no numbers; measure again") from None
        if main is None or (dipped is None and self._dipped(item)):
            raise MeasureError(f"{self.name}: {item}: the tester has no result of it; measure again")
        way = 1 if self._config.right_positive else -1
        values = {
            "main_intensity_cd": main.intensity_cd,
            "main_vertical_mm_per_10m": main.vertical_mm,
            "main_horizontal_mm_per_10m": way * main.horizontal_mm,
            "lamp_height_mm": main.height_mm,
        }
        if dipped is not None:
            values |= {
                "dipped_vertical_mm_per_10m": dipped.vertical_mm,
                "dipped_horizontal_mm_per_10m": way * dipped.horizontal_mm,
                "dipped_lamp_height_mm": dipped.height_mm,
            }
        return values

    def _dipped(self, item: str) -> bool:
        return self._config.beams == "both" and item not in INNER_LAMPS

    async def _tell(self, code: tuple[int, int], doing: str) -> None:
        await self.send(command(code), doing)
        await asyncio.sleep(self._config.pause_ms / 1000)

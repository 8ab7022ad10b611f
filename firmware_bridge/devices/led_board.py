"""Text board of a lane (LED 屏): rows of text in Modbus registers, or as one frame on a serial line.

Makers' protocols are not public; that such boards hang on a serial line at 19200 baud is from one program
(domain facts 7.5, F1), that others take text in registers is from memory (M). So both forms are data.
A frame is one-way: nobody answers, and whether it is shown is only seen by looking.
"""

import asyncio
import math
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from firmware_bridge.bus import ModbusError
from firmware_bridge.device import MeasureError, Row, Sign, Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.register_map import Order, Register
from firmware_bridge.devices.registers import RegisterDevice
from firmware_bridge.link import Backoff, Line, LinkError

RHYTHM_S = math.inf  # a board says nothing by itself


Hex: TypeAlias = Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2} ?)*$", max_length=200)]
Encoding: TypeAlias = Literal["gbk", "gb18030", "utf-8", "utf-16-be", "utf-16-le", "ascii"]


class Colours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes before a row of a colour, or the value of its colour register; empty: a board of one colour."""

    red: Hex = ""
    green: Hex = ""
    yellow: Hex = ""


class RowPlace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a row lies: two bytes of text a register."""

    register: Register
    size: Annotated[int, Meta(ge=1, le=123)]
    colour: Register | None = None


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address and form of a board: ``registers`` makes it a Modbus board, without them it is sent frames."""

    address: str
    encoding: Encoding = "gbk"
    colours: Colours = Colours()
    rows: Annotated[int, Meta(ge=1, le=8)] = 2
    columns: Annotated[int, Meta(ge=2, le=64)] = 16
    prefix: Hex = ""
    between: Hex = "0d0a"
    suffix: Hex = "0d0a"
    check: Literal["none", "xor", "sum"] = "none"
    registers: tuple[RowPlace, ...] = ()
    bytes: Order = "big"
    commit: Register | None = None
    commit_value: Register = 1
    repeat_s: Annotated[float, Meta(ge=5, le=3600)] = 60.0
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    timeout_ms: Annotated[int, Meta(ge=20, le=10_000)] = 1000
    quiet_ms: Annotated[int, Meta(ge=500, le=10_000)] = 500
    simulated: bool = False

    def __post_init__(self) -> None:
        coloured = any(place.colour is not None for place in self.registers)
        if coloured and "" in (self.colours.red, self.colours.green, self.colours.yellow):
            raise ValueError(
                "a row has a colour register: give the values of red, green and yellow in colours"
            )


# ---- codec ---------------------------------------------------------------------------------------


def printable(text: str) -> str:
    """The text without characters that could be taken for the end of a frame."""
    return "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)


def fit_columns(text: str, columns: int) -> str:
    """The text cut or filled up to ``columns``; a Chinese character takes two."""
    fitted, left = "", columns
    for letter in printable(text):
        width = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > left:
            break
        fitted, left = fitted + letter, left - width
    return fitted + " " * left


def fit_bytes(text: str, size: int, encoding: Encoding) -> bytes:
    """The text cut at a whole character, or filled up, to ``size`` bytes; ? for what cannot be written."""
    fitted, blank = b"", " ".encode(encoding)
    for letter in printable(text):
        encoded = letter.encode(encoding, "replace")
        if len(fitted) + len(encoded) > size:
            break
        fitted += encoded
    return (fitted + blank * size)[:size]


def frame(config: Config, rows: Sequence[Row]) -> bytes:
    """What is sent to a board on a serial line; ``check`` is over all between prefix and suffix."""
    texts = [_row_or_blank(rows, at) for at in range(config.rows)]
    parts = [
        bytes.fromhex(getattr(config.colours, row.colour))
        + fit_columns(row.text, config.columns).encode(config.encoding, "replace")
        for row in texts
    ]
    body = bytes.fromhex(config.between).join(parts)
    return bytes.fromhex(config.prefix) + body + _check(config, body) + bytes.fromhex(config.suffix)


def _check(config: Config, body: bytes) -> bytes:
    if config.check == "sum":
        return bytes([sum(body) & 0xFF])
    if config.check == "xor":
        total = 0
        for byte in body:
            total ^= byte
        return bytes([total])
    return b""


def words(config: Config, place: RowPlace, row: Row) -> list[int]:
    """The registers of one row."""
    text = fit_bytes(row.text, 2 * place.size, config.encoding)
    return [int.from_bytes(text[at : at + 2], config.bytes) for at in range(0, len(text), 2)]


def _row_or_blank(rows: Sequence[Row], at: int) -> Row:
    return rows[at] if at < len(rows) else Row(text="")


# ---- boards --------------------------------------------------------------------------------------


def build(name: str, config: Config) -> Sign:
    """The board that a table means."""
    return RegisterBoard(name, config) if config.registers else LineBoard(name, config)


class LineBoard:
    """A board that is sent frames; what it says, if anything, is not understood."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self.source = f"virtual+sign://{name}" if config.simulated else f"sign://{name}"
        self._config = config
        self._line = Line(config.address, lambda _heard: None)
        self._rows: Sequence[Row] | None = None

    async def run(self, tell: Tell) -> None:
        """Keeps the line and shows the last rows again now and then: a board may have lost its power."""
        pulse = Pulse(tell, RHYTHM_S)

        async def changed(up: bool, why: str) -> None:
            if up:
                await pulse.set("ok")
                await self._again()
            else:
                await pulse.lost(why)

        async with asyncio.TaskGroup() as group:
            group.create_task(self._line.keep(changed))
            group.create_task(self._repeat())

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._config.repeat_s)
            await self._again()

    async def _again(self) -> None:
        if self._rows is not None:
            with suppress(LinkError):  # the line tells that it is down
                await self._line.send(frame(self._config, self._rows))

    async def show(self, rows: Sequence[Row]) -> None:
        """Sends the rows; raises MeasureError when the line is down."""
        self._rows = tuple(rows)
        try:
            await self._line.send(frame(self._config, rows))
        except LinkError as down:
            raise MeasureError(f"{self.name}: {down}") from down


class RegisterBoard(RegisterDevice):
    """A board whose rows are registers."""

    rhythm_s = RHYTHM_S

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config)
        self._config = config
        self._rows: Sequence[Row] | None = None
        self._is_due = True
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    async def watch(self, tell: Tell, pulse: Pulse, backoff: Backoff) -> None:
        """Writes the last rows again now and then: a board may have lost its power."""
        self._is_due = True
        while True:
            if self._rows is not None:
                if self._is_due:
                    await self._write(self._rows)
                await pulse.beat()
                backoff.reset()
            self._is_due = True
            with suppress(TimeoutError):  # wait_for would swallow a cancellation that comes with the bell
                async with asyncio.timeout(self._config.repeat_s):
                    await self._wake.wait()
            self._wake.clear()

    async def show(self, rows: Sequence[Row]) -> None:
        """Writes the rows; raises MeasureError."""
        self._rows = tuple(rows)
        try:
            await self._write(rows)
            self._is_due = False
        except ModbusError as wrong:
            raise MeasureError(f"{self.name}: {wrong}") from wrong
        finally:
            self._wake.set()

    async def _write(self, rows: Sequence[Row]) -> None:
        config = self._config
        async with self._writing:
            for at, place in enumerate(config.registers):
                row = _row_or_blank(rows, at)
                await self._client.write_registers(place.register, words(config, place, row))
                if place.colour is not None:
                    value = int.from_bytes(bytes.fromhex(getattr(config.colours, row.colour)), "big")
                    await self._client.write_register(place.colour, value)
            if config.commit is not None:
                await self._client.write_register(config.commit, config.commit_value)

"""An OBD adapter facing the other way: an ELM327 with the control units of one vehicle behind it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from firmware_bridge.virtual.twin_line import PtyLine

Request: TypeAlias = tuple[int, int]  # service and PID
Unit: TypeAlias = Mapping[Request, bytes]
SUPPORTED: Request = (1, 0)
CAN = "6789"


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How a clone differs from the chip: keeps echoing, drops blanks, knows no headers, answers late."""

    echoes: bool = False
    blanks: bool = True
    headers: bool = True
    describes: bool = True
    prompts: int = 1
    takes_s: float = 0.0
    banner: str = "ELM327 v1.5"


@dataclass(kw_only=True)
class ObdVehicle:
    """What is on the bus: protocol number and units by address; what a unit does not hold it declines."""

    protocol: str = "6"
    units: Mapping[int, Unit] = field(default_factory=dict)


class ObdTwin:
    """An adapter on a pty. ``words``: what it says to the next requests instead of an answer."""

    def __init__(self, path: Path, vehicle: ObdVehicle | None = None, habits: Habits | None = None) -> None:
        self.line = PtyLine(path, self._hear)
        self.vehicle = vehicle
        self.habits = habits or Habits()
        self.words: list[str] = []
        self.asked: list[str] = []
        self._news = asyncio.Event()
        self._held = b""
        self._reset()

    async def start(self) -> None:
        """Switches the adapter on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self.line.close()

    async def was_asked(self, command: str) -> None:
        """Waits until a command has come."""
        while command not in self.asked:
            self._news.clear()
            await self._news.wait()

    def _reset(self) -> None:
        self._echo, self._headers, self._searched = True, False, False

    def _hear(self, heard: bytes) -> None:
        *commands, self._held = (self._held + heard).split(b"\r")
        for command in commands:
            text = command.decode("ascii", "replace").upper().replace(" ", "")
            if self.habits.takes_s:
                asyncio.get_running_loop().call_later(self.habits.takes_s, self._answer, text)
            else:
                self._answer(text)

    def _answer(self, command: str) -> None:
        self.asked.append(command)
        self._news.set()
        echo = self._echo or self.habits.echoes
        lines = self._setting(command) if command.startswith("AT") else self._request(command)
        text = "".join(f"{line}\r" for line in ([command] if echo else []) + lines)
        self.line.send(text.encode() + b"\r" + b">" * self.habits.prompts)

    def _setting(self, command: str) -> list[str]:
        match command[2:]:
            case "Z":
                self._reset()
                return ["", self.habits.banner]
            case "I":
                return [self.habits.banner]
            case "E0":
                self._echo = False
            case "H1" if self.habits.headers:
                self._headers = True
            case "DPN" if self.habits.describes and self.vehicle is not None:
                return [f"A{self.vehicle.protocol}"]
            case setting if setting.startswith("SP"):
                pass
            case _:
                return ["?"]
        return ["OK"]

    def _request(self, command: str) -> list[str]:
        if self.words:
            return [self.words.pop(0)]
        first = [] if self._searched else ["SEARCHING..."]
        if self.vehicle is None:
            return [*first, "UNABLE TO CONNECT"]
        self._searched = True
        what = (int(command[:2], 16), int(command[2:4], 16))
        told = [
            line for unit, held in sorted(self.vehicle.units.items()) for line in self._told(unit, held, what)
        ]
        return [*first, *self._interleaved(told)] if told else [*first, "NO DATA"]

    def _told(self, unit: int, held: Unit, what: Request) -> list[str]:
        body = b"\xbe\x3f\xb8\x13" if what == SUPPORTED else held.get(what)
        if body is None:
            return [self._spaced(self._framed(unit, bytes([0x7F, what[0], 0x12]))[0])] if held else []
        start = bytes([what[0] | 0x40, what[1]])
        assert self.vehicle is not None
        if self.vehicle.protocol in CAN:
            items = b"\x01" if what[0] == 9 else b""
            return [self._spaced(line) for line in self._framed(unit, start + items + body)]
        if what[0] != 9:
            return [self._spaced(self._framed(unit, start + body)[0])]
        filled = bytes(-len(body) % 4) + body
        parts = [filled[at : at + 4] for at in range(0, len(filled), 4)]
        return [
            self._spaced(self._framed(unit, start + bytes([n]) + part)[0]) for n, part in enumerate(parts, 1)
        ]

    def _framed(self, unit: int, message: bytes) -> list[str]:
        """Lines of one message as the bus carries it."""
        assert self.vehicle is not None
        if self.vehicle.protocol not in CAN:
            row = bytes([0x80 | len(message), 0xF1, unit]) + message
            return [(row + bytes([sum(row) & 0xFF]) if self._headers else message).hex()]
        header = (
            (f"{unit:03X}" if self.vehicle.protocol in "68" else f"18DAF1{unit:02X}") if self._headers else ""
        )
        if len(message) <= 7:
            return [
                header + (bytes([len(message)]) + message.ljust(7, b"\xaa")).hex()
                if header
                else message.hex()
            ]
        first, rest = message[:6], message[6:].ljust(-(-len(message[6:]) // 7) * 7, b"\xaa")
        parts = [rest[at : at + 7] for at in range(0, len(rest), 7)]
        if header:
            head = bytes([0x10 | len(message) >> 8, len(message) & 0xFF])
            rows = [head + first, *(bytes([0x20 | n % 16]) + part for n, part in enumerate(parts, 1))]
            return [header + row.hex() for row in rows]
        numbered = [f"{n % 16:X}:{part.hex()}" for n, part in enumerate([first, *parts])]
        return [f"{len(message):03X}", *numbered]

    def _interleaved(self, lines: list[str]) -> list[str]:
        """Long answers of several units take turns, as on a real bus."""
        if not self._headers or self.vehicle is None or self.vehicle.protocol not in CAN:
            return lines
        size = 3 if self.vehicle.protocol in "68" else 8
        turns: dict[str, int] = {}
        order = []
        for line in lines:
            unit = line.replace(" ", "")[:size]
            turns[unit] = turns.get(unit, 0) + 1
            order.append((turns[unit], line))
        return [line for _, line in sorted(order, key=lambda each: each[0])]

    def _spaced(self, line: str) -> str:
        """``7E8 06 41 …``, ``0: 49 02 …``, unless the clone drops blanks."""
        line = line.upper()
        if not self.habits.blanks or len(line) == 3:
            return line
        if line[1:2] == ":":
            return f"{line[:2]} {line[2:]}" if len(line) < 4 else f"{line[:2]} " + _pairs(line[2:])
        return f"{line[:3]} {_pairs(line[3:])}" if len(line) % 2 else _pairs(line)


def _pairs(text: str) -> str:
    return " ".join(text[at : at + 2] for at in range(0, len(text), 2))


def unit(vin: str, calid: str = "", cvn: bytes = b"", status: bytes = bytes(4)) -> dict[Request, bytes]:
    """A control unit that holds these; an empty VIN: it holds none."""
    held: dict[Request, bytes] = {(1, 1): status}
    if vin:
        held[9, 2] = vin.encode("ascii")
    if calid:
        held[9, 4] = calid.encode("ascii").ljust(16, b"\0")
    if cvn:
        held[9, 6] = cvn
    return held

"""What an ELM327 writes: replies that end with its prompt ``>``, lines of hex in the forms of each bus.

CAN without headers: ``41 01 81 07 65 04``, and of a long message its length ``014`` and parts ``0: 49 02
…``, ``1: …``; with headers ``7E8 10 14 49 02 …``, ``7E8 21 …`` (ISO-TP). Older buses: ``49 02 01 00 00 00
4C``, four bytes a line, with headers three bytes more in front and a check byte behind (domain facts 7.6: F;
header forms of 29 bits and of older buses M). Blanks may be missing: some clones leave them out.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

PROMPT = b">"
LONGEST = 4096  # bytes without a prompt: nothing that a vehicle tells of itself is as long
Form: TypeAlias = Literal["can11", "can29", "old", "bare"]
PENDING = 0x78  # negative response: the answer follows

#: what stands in a reply instead of an answer, and what it means (data sheet of the chip: M)
NO_BUS = ("UNABLE TO CONNECT", "BUS INIT", "NO DATA")
TROUBLES = (
    *NO_BUS,
    "STOPPED",
    "CAN ERROR",
    "BUS ERROR",
    "BUS BUSY",
    "FB ERROR",
    "DATA ERROR",
    "RX ERROR",
    "BUFFER FULL",
    "LV RESET",
    "LP ALERT",
    "ACT ALERT",
    "ERR",
    "?",
)
_PROGRESS = re.compile(r"^(SEARCHING\.*|BUS INIT: ?\.*OK|BUS INIT: ?\.+(?!\.*ERROR))")
_PART = re.compile(r"^([0-9A-F]):((?:[0-9A-F]{2})+)$")
_LENGTH = re.compile(r"^[0-9A-F]{3}$")
_HEX = re.compile(r"^[0-9A-F]+$")


class BadAnswer(Exception):
    """An answer that is torn, of several units at once, or of another question; the text says which."""


class Declined(Exception):
    """Every unit that answered does not know what was asked."""


class Reply(NamedTuple):
    """The lines before one prompt, without blanks at their ends, empty ones left out."""

    lines: tuple[str, ...]


class Deframer:
    """Replies out of a byte stream; ``skipped`` counts the bytes of replies that were given up."""

    def __init__(self) -> None:
        self.skipped = 0
        self._held = b""
        self._giving_up = False

    def feed(self, chunk: bytes) -> list[Reply]:
        """Replies completed by this chunk."""
        *ended, self._held = (self._held + chunk).split(PROMPT)
        replies = []
        for text in ended:
            if self._giving_up or len(text) > LONGEST:
                self.skipped += len(text) + 1
            elif lines := _lines(text):  # some clones prompt twice
                replies.append(Reply(lines))
            self._giving_up = False
        if len(self._held) > LONGEST:
            self._giving_up = True
        if self._giving_up:
            self._forget()
        return replies

    def drop(self) -> None:
        """What began without its prompt belongs to nobody, and so does its rest."""
        self._giving_up = self._giving_up or bool(self._held)
        self._forget()

    def _forget(self) -> None:
        self.skipped += len(self._held)
        self._held = b""


def _lines(text: bytes) -> tuple[str, ...]:
    """The chip may slip a NUL in anywhere (M); what is not ASCII stays visible and fits no line."""
    words = text.replace(b"\0", b"").decode("ascii", "replace")
    return tuple(line for line in (part.strip() for part in re.split(r"[\r\n]", words)) if line)


def unechoed(reply: Reply, command: str) -> Reply:
    """The reply without its echo, if it has one; raises BadAnswer for the echo of another command."""
    first = _packed(reply.lines[0]) if reply.lines else ""
    if first == _packed(command):
        return Reply(reply.lines[1:])
    if first.startswith("AT") and first[2:3].isalpha():
        raise BadAnswer(f"{command} is answered with the echo of {first[:20]}")
    return reply


def trouble(reply: Reply) -> str:
    """The word of a reply that is no answer; empty: none."""
    for line in map(_settled, reply.lines):
        for word in TROUBLES:
            if word in line:
                return line
    return ""


def _settled(line: str) -> str:
    """A line without what only tells that the adapter is still at work."""
    return _PROGRESS.sub("", line.upper()).strip()


def _packed(line: str) -> str:
    return re.sub(r"\s+", "", line).upper()


def form_of(protocol: str, reply: Reply) -> Form:
    """The form of lines with headers on a protocol (``6``, ``A6``); of an unknown one by their looks."""
    number = protocol[-1:]
    known: dict[str, Form] = {"6": "can11", "8": "can11", "7": "can29", "9": "can29"}
    if number in known:
        return known[number]
    if number in "12345" and number:
        return "old"
    lines = [_packed(_settled(line)) for line in reply.lines]
    if all(len(line) % 2 for line in lines if line):
        return "can11"
    return "can29" if all(line.startswith(("18DA", "18DB")) for line in lines if line) else "old"


def answers(reply: Reply, service: int, pid: int, form: Form) -> dict[str, bytes]:
    """What follows service and PID in each unit's answer, by the unit's address.

    Of service 9 the number of items or of the line is left out. Raises BadAnswer, and Declined when all that
    answered said no.
    """
    lines = [packed for line in reply.lines if (packed := _packed(_settled(line)))]
    if not lines:
        raise BadAnswer("an empty answer")
    found: dict[str, list[bytes]] = {}
    for unit, message in _messages(lines, form):
        found.setdefault(unit, []).append(message)
    kept = {unit: _own(messages, service, pid) for unit, messages in found.items()}
    told = {unit: _joined(parts, service, form) for unit, parts in kept.items() if parts}
    if not told:
        raise Declined
    return told


def _own(messages: list[bytes], service: int, pid: int) -> list[bytes]:
    """What follows service and PID; nothing of a unit that declined; raises BadAnswer for anything else."""
    own = []
    for message in messages:
        if message[:2] == bytes([service | 0x40, pid]):
            own.append(message[2:])
        elif message[:2] != bytes([0x7F, service]) or len(message) != 3:
            raise BadAnswer(f"{service:02X}{pid:02X} is answered with {message[:4].hex(' ').upper()}")
        elif message[2] != PENDING and own:
            raise BadAnswer("a unit answers and declines")
    return own


def _joined(parts: list[bytes], service: int, form: Form) -> bytes:
    """One answer of a unit's messages: of older buses and service 9, lines that count from 1."""
    if service != 9:
        if len(parts) > 1:
            raise BadAnswer("one unit answers twice")
        return parts[0]
    if form == "old" or (form == "bare" and len(parts) > 1):
        if [part[:1] for part in parts] != [bytes([n]) for n in range(1, len(parts) + 1)]:
            raise BadAnswer("lines of an answer are missing or doubled")
        return b"".join(part[1:] for part in parts)
    if len(parts) > 1:
        raise BadAnswer("one unit answers twice")
    return parts[0][1:]


def _messages(lines: list[str], form: Form) -> Iterator[tuple[str, bytes]]:
    match form:
        case "bare":
            yield from _bare(lines)
        case "old":
            yield from map(_old, lines)
        case "can11" | "can29":
            yield from _segmented(lines, 3 if form == "can11" else 8)


def _hex(text: str) -> bytes:
    if not _HEX.match(text) or len(text) % 2:
        raise BadAnswer(f"{text[:40]!r} is no line of bytes")
    return bytes.fromhex(text)


def _bare(lines: list[str]) -> Iterator[tuple[str, bytes]]:
    """Lines without headers: one long message at most, since nothing tells whose part is whose."""
    lengths = [int(line, 16) for line in lines if _LENGTH.match(line)]
    parts = [found for line in lines if (found := _PART.match(line))]
    rest = [line for line in lines if not _LENGTH.match(line) and not _PART.match(line)]
    if lengths or parts:
        if len(lengths) != 1 or [int(found[1], 16) for found in parts] != [n % 16 for n in range(len(parts))]:
            raise BadAnswer("parts are missing, or several units answer at once: headers must be on")
        yield "", _cut(b"".join(_hex(found[2]) for found in parts), lengths[0])
    service_nine = all(line.startswith("49") for line in rest)
    for number, line in enumerate(rest):
        yield ("" if service_nine else str(number)), _hex(line)


def _old(line: str) -> tuple[str, bytes]:
    """Three bytes of header, the last of them the sender; the last byte of all is the check."""
    raw = _hex(line)
    if len(raw) < 6:
        raise BadAnswer(f"{line[:40]!r} is too short")
    return f"{raw[2]:02X}", raw[3:-1]


def sums_up(reply: Reply) -> bool:
    """Whether the check bytes of ISO 9141 and ISO 14230 lines are right."""
    rows = [_hex(packed) for line in reply.lines if (packed := _packed(_settled(line)))]
    return all(sum(row[:-1]) & 0xFF == row[-1] for row in rows)


def _cut(message: bytes, length: int) -> bytes:
    if len(message) < length:
        raise BadAnswer(f"{len(message)} bytes of {length}")
    return message[:length]


def _segmented(lines: list[str], header: int) -> Iterator[tuple[str, bytes]]:
    """ISO-TP: 0L single, 1LLL first, 2N consecutive from 1 modulo 16; units may take turns."""
    open_: dict[str, tuple[int, bytes, int]] = {}
    for line in lines:
        unit, raw = line[:header], _hex(line[header:])
        if not _HEX.match(unit) or len(unit) < header or not raw:
            raise BadAnswer(f"{line[:40]!r} is no line with a header of {header} digits")
        match raw[0] >> 4:
            case 0 if unit not in open_ and 0 < raw[0] <= 7:
                yield unit, _cut(raw[1:], raw[0])
            case 1 if unit not in open_ and len(raw) == 8:
                open_[unit] = ((raw[0] & 0xF) << 8 | raw[1], raw[2:], 1)
            case 2 if unit in open_ and open_[unit][2] % 16 == raw[0] & 0xF:
                length, so_far, number = open_[unit]
                open_[unit] = (length, so_far + raw[1:], number + 1)
            case _:
                raise BadAnswer(f"{line[:40]!r} does not follow")
        if unit in open_ and len(open_[unit][1]) >= open_[unit][0]:
            length, whole, _ = open_.pop(unit)
            yield unit, whole[:length]
    if open_:
        raise BadAnswer("the end of a long answer is missing")

"""Weighing indicators that speak unasked: a frame is a weight, and what the indicator itself says of it.

- XK3190-A9 (耀华): 12 bytes, ``02``, sign, six digits, position of the decimal point, two check characters,
  ``03``. The check is the XOR of sign to decimal point, its nibbles as 30h + n or, above 9, 37h + n (domain
  facts 7.5: frame F, several parsers; nibble rule M).
- A12E (耀华): lines with CR LF such as ``ww000.000kg`` (gross), ``wn-003.17kg`` (net), ``wt000.000kg`` (tare)
  (F); that the number always has seven characters: M, from these.
- DS8 (耀华): 12 bytes with the weight in bytes 2-7 counted from 0 (F1, MFC); ``02`` and sign before, ``03``
  after it: M, as linzewu/veh reads the D2008. Whole kilograms (M). It has no check that is known.
- Toledo continuous: ``02 SWA SWB SWC``, six digits of weight, six of tare, ``0D``, a check byte: the sum of
  all is 0 modulo 128 (F). Bits 0-2 of SWA are the decimal point; bit 0 of SWB is net, 1 negative, 2 over
  capacity, 3 in motion, 4 kilograms (M). The highest bit of each byte may be parity and is not looked at.
"""

import re
from decimal import Decimal
from functools import reduce
from operator import xor
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta, Struct

from firmware_bridge.devices.framing import Fixed, Lines
from firmware_bridge.devices.instrument import Deframer

Name: TypeAlias = Literal["xk3190-a9", "a12e", "ds8", "toledo"]

STX, ETX, CR = 0x02, 0x03, 0x0D
SIZE = 12  # XK3190-A9 and DS8
BARE_SIZE = 17  # Toledo without its check
A12E = re.compile(
    rb"w([wn])(?=.{7}kg)(-?)(\d{1,7}(?:\.\d{0,5})?)kg"
)  # seven characters, sign and point included
NET, NEGATIVE, OVER, MOTION, KILOGRAMS = 1, 2, 4, 8, 16  # SWB
UNITS_CODE = 2  # SWA: 0 hundreds, 1 tens, 2 units, 3 tenths … 7 (M)


class Reading(NamedTuple):
    """A weight; one in motion or over capacity is no weight, a net one lacks what was tared."""

    kg: Decimal
    motion: bool = False
    over: bool = False
    net: bool = False


class Toledo(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What differs between indicators that speak Toledo continuous; ``places``: fixed decimal places."""

    check: bool = True
    unit_bit: bool = True
    places: Annotated[int, Meta(ge=0, le=5)] | None = None


def deframer(indicator: Name, toledo: Toledo) -> Deframer[Reading]:
    """The codec of an indicator."""
    if indicator == "a12e":
        return Lines(read_a12e, headed=True)
    if indicator == "toledo":
        return Fixed(BARE_SIZE + toledo.check, lambda frame: read_toledo(frame, toledo))
    return Fixed(SIZE, read_a9 if indicator == "xk3190-a9" else read_ds8)


# ---- XK3190-A9 and DS8 ---------------------------------------------------------------------------


def check_characters(covered: bytes) -> bytes:
    """The two characters that close an XK3190-A9 frame over its bytes from sign to decimal point."""
    total = reduce(xor, covered, 0)
    return bytes(0x30 + n if n <= 9 else 0x37 + n for n in (total >> 4, total & 0xF))


def build_a9(weight: Decimal) -> bytes:
    """The frame of a weight with at most six digits; raises ValueError."""
    places = _places(weight)
    digits = _digits(weight, places)
    if len(digits) > 6 or places > 4:
        raise ValueError(f"{weight} does not fit six digits")
    covered = (b"-" if weight < 0 else b"+") + digits + str(places).encode()
    return bytes([STX]) + covered + check_characters(covered) + bytes([ETX])


def read_a9(frame: bytes) -> Reading | None:
    """Weight of twelve bytes; None when they are no frame."""
    covered, check = frame[1:9], frame[9:11]
    if not _enclosed(frame) or not covered[1:].isdigit() or covered[7] > ord("4"):
        return None
    if check_characters(covered) != check:
        return None
    value = Decimal(int(covered[1:7])).scaleb(-int(covered[7:8]))
    return Reading(-value if covered[:1] == b"-" else value)


def build_ds8(weight: Decimal) -> bytes:
    """The frame of whole kilograms; what lies between weight and end is not known: ``000`` (M)."""
    digits = _digits(weight, 0)
    if len(digits) > 6:
        raise ValueError(f"{weight} does not fit six digits")
    return bytes([STX]) + (b"-" if weight < 0 else b"+") + digits + b"000" + bytes([ETX])


def read_ds8(frame: bytes) -> Reading | None:
    """Weight of twelve bytes; None when they are no frame."""
    if not _enclosed(frame) or not frame[2:8].isdigit():
        return None
    value = Decimal(int(frame[2:8]))
    return Reading(-value if frame[1:2] == b"-" else value)


def _enclosed(frame: bytes) -> bool:
    return len(frame) == SIZE and (frame[0], frame[-1]) == (STX, ETX) and frame[1:2] in (b"+", b"-")


# ---- A12E ----------------------------------------------------------------------------------------


def build_a12e(weight: Decimal, *, net: bool = False) -> bytes:
    """The line of a weight with at most seven characters; raises ValueError."""
    number = str(weight).zfill(7)
    if len(number) > 7:
        raise ValueError(f"{weight} does not fit seven characters")
    return f"w{'n' if net else 'w'}{number}kg\r\n".encode()


def read_a12e(line: bytes) -> Reading | None:
    """Gross or net weight of a line without its end; None for a tare, another unit, anything else."""
    found = A12E.fullmatch(line)
    if found is None:
        return None
    value = Decimal(found[3].decode())
    return Reading(-value if found[2] else value, net=found[1] == b"n")


# ---- Toledo continuous ---------------------------------------------------------------------------


def toledo_check(covered: bytes) -> int:
    """The check byte: seven bits that make the sum 0 modulo 128."""
    return -sum(byte & 0x7F for byte in covered) & 0x7F


def build_toledo(reading: Reading, *, check: bool = True) -> bytes:
    """The frame of a weight with at most six digits and five places; raises ValueError."""
    places = _places(reading.kg)
    digits = _digits(reading.kg, places).lstrip(b"0").rjust(1, b"0").rjust(6)
    if len(digits) > 6 or places > 5:
        raise ValueError(f"{reading.kg} does not fit six digits")
    state = 0x20 | KILOGRAMS
    for bit, on in ((NET, reading.net), (OVER, reading.over), (MOTION, reading.motion)):
        state |= bit * on
    state |= NEGATIVE * (reading.kg < 0)
    bare = bytes([STX, 0x28 | (UNITS_CODE + places), state, 0x20]) + digits + b"     0" + bytes([CR])
    return bare + bytes([toledo_check(bare)]) if check else bare


def read_toledo(frame: bytes, settings: Toledo) -> Reading | None:
    """Weight of 17 or, with its check, 18 bytes; None when they are no frame, or not in kilograms."""
    bare = bytes(byte & 0x7F for byte in frame)
    if len(bare) != BARE_SIZE + settings.check or bare[0] != STX or bare[16] != CR:
        return None
    state, digits, tare = bare[2], bare[4:10].strip(b" "), bare[10:16].strip(b" ")
    if sum(bare) & 0x7F and settings.check:
        return None
    if not digits.isdigit() or not tare.isdigit() or not all(0x20 <= byte < 0x40 for byte in bare[1:4]):
        return None
    if settings.unit_bit and not state & KILOGRAMS:
        return None
    places = (bare[1] & 7) - UNITS_CODE if settings.places is None else settings.places
    value = Decimal(int(digits)).scaleb(-places)
    return Reading(
        -value if state & NEGATIVE else value,
        motion=bool(state & MOTION),
        over=bool(state & OVER),
        net=bool(state & NET),
    )


def _places(weight: Decimal) -> int:
    exponent = weight.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _digits(weight: Decimal, places: int) -> bytes:
    return str(int(abs(weight).scaleb(places))).rjust(6, "0").encode()

"""A map of Modbus addresses as a site file gives it: what is read at once, and numbers in registers."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple, TypeAlias

from msgspec import Meta

from firmware_bridge.modbus import READ_COILS, READ_HOLDING, READ_INPUTS, READ_REGISTERS, ModbusClient

Table: TypeAlias = Literal["discrete", "coil", "input", "holding"]
Words: TypeAlias = Literal["input", "holding"]
NumberType: TypeAlias = Literal["u16", "i16", "u32", "i32", "f32"]
Order: TypeAlias = Literal["big", "little"]
Register = Annotated[int, Meta(ge=0, le=65_535)]
Bit = Annotated[int, Meta(ge=0, le=15)]

FUNCTIONS: Mapping[Table, int] = {
    "coil": READ_COILS,
    "discrete": READ_INPUTS,
    "holding": READ_HOLDING,
    "input": READ_REGISTERS,
}
LONGEST_BITS, LONGEST_REGISTERS = 2000, 125  # of one read; Modbus application protocol V1.1b3 §6.1, §6.3
_FORMS: Mapping[NumberType, str] = {"u16": ">H", "i16": ">h", "u32": ">I", "i32": ">i", "f32": ">f"}


class Place(NamedTuple):
    """One address of one table, or one bit of its register."""

    table: Table
    address: int
    bit: int | None = None

    def level(self, image: "Image") -> bool:
        """Its level in what was read."""
        value = image[self.table, self.address]
        return bool(value if self.bit is None else value >> self.bit & 1)


Image: TypeAlias = Mapping[tuple[Table, int], int]  # what was read; a coil is 0 or 1
Block: TypeAlias = tuple[Table, int, int]  # table, first address, how many


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one read may ask, and how many addresses between two wanted ones are read with them."""

    bits: int = LONGEST_BITS
    registers: int = LONGEST_REGISTERS
    gap: int = LONGEST_BITS


def blocks(places: Iterable[tuple[Table, int]], limits: Limits) -> list[Block]:
    """The fewest reads that cover the places."""
    found: list[Block] = []
    for table, address in sorted(set(places)):
        most = limits.registers if table in ("input", "holding") else limits.bits
        last_table, first, count = found[-1] if found else (None, 0, 0)
        near = address - (first + count) <= limits.gap and address - first < most
        if table == last_table and near:
            found[-1] = (table, first, address - first + 1)
        else:
            found.append((table, address, 1))
    return found


async def read_image(client: ModbusClient, plan: Sequence[Block]) -> dict[tuple[Table, int], int]:
    """Reads all blocks one after the other; raises ModbusError."""
    image: dict[tuple[Table, int], int] = {}
    for table, first, count in plan:
        ask = client.registers if table in ("input", "holding") else client.bits
        for offset, value in enumerate(await ask(FUNCTIONS[table], first, count)):
            image[table, first + offset] = int(value)
    return image


def words_of(kind: NumberType) -> int:
    """Registers that a number takes."""
    return struct.calcsize(_FORMS[kind]) // 2


def number(registers: Sequence[int], kind: NumberType, words: Order = "big", order: Order = "big") -> Decimal:
    """The number in registers: ``words`` says which register comes first, ``order`` which byte of each.

    A float is the shortest decimal that is that float. Raises ValueError for one that is no number.
    """
    in_order = list(registers) if words == "big" else list(registers)[::-1]
    raw = b"".join(word.to_bytes(2, order) for word in in_order)
    (value,) = struct.unpack(_FORMS[kind], raw)
    return _shortest(raw, value) if kind == "f32" else Decimal(value)


def _shortest(raw: bytes, value: float) -> Decimal:
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))  # 9 digits tell any two of them apart
    found = next((text for text in texts if _packed(float(text)) == raw), None)
    if found is None or not Decimal(found).is_finite():
        raise ValueError(f"{raw.hex()} is no number")
    return Decimal(found)


def _packed(value: float) -> bytes | None:
    """The largest float, rounded to fewer digits, is none."""
    try:
        return struct.pack(">f", value)
    except OverflowError:
        return None

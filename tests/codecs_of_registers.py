"""Cases of codecs that read Modbus: a reply on the line, and the numbers in its registers."""

from decimal import Decimal
from functools import partial
from typing import Any

from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from firmware_bridge.bus import no_flood
from firmware_bridge.devices import brake_analog, modbus_meter
from firmware_bridge.devices.brake_analog import Raw
from firmware_bridge.devices.brake_plate_jx import Side, read_curve
from firmware_bridge.devices.braking import NotBraked
from firmware_bridge.devices.modbus_meter import Value
from firmware_bridge.devices.register_map import Place, number
from firmware_bridge.modbus import READ_INPUTS, READ_REGISTERS
from tests.codec_contract import Message


class NotAsked(ValueError):
    """A reply to another question."""


def reply(function: int, what: str, count: int, raw: bytes) -> list[int]:
    """The values of a reply on an RTU line as ModbusClient takes them; raises NotAsked."""
    used, pdu = FramerRTU(DecodePDU(is_server=False)).handleFrame(no_flood(raw), 1, 0)
    if pdu is None or pdu.isError() or pdu.function_code != function:
        raise NotAsked(f"{used} bytes used")
    values = [int(value) for value in getattr(pdu, what)]
    if len(values) != count:
        raise NotAsked(f"{len(values)} {what}")
    return values


def rtu(body: bytes) -> bytes:
    """A frame with its CRC."""
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def words(count: int, raw: bytes) -> list[int]:
    """So many registers; raises NotAsked for another number of bytes."""
    if len(raw) != 2 * count:
        raise NotAsked(f"{len(raw)} bytes for {count} registers")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


def measured(value: Value, raw: bytes) -> Decimal:
    """A value of two registers as a meter takes it; raises ValueError."""
    image = {("input", at): word for at, word in enumerate(words(2, raw))}
    read = value.reading("input", image)  # type: ignore[arg-type]
    if problem := value.problem(read):
        raise ValueError(problem)
    return read


def ring(raw: bytes) -> Any:
    """The two newest samples of a ring of three."""
    block = words(7, raw)
    return brake_analog.read_ring(block, (block[0] - 2) % brake_analog.WORDS)


def curve(raw: bytes) -> list[Side]:
    """The points of a curve; raises NotAsked."""
    points = read_curve(raw)
    if points is None:
        raise NotAsked("no curve")
    return points


def level(raw: bytes) -> bool:
    """One bit of a register."""
    return Place("holding", 0, 3).level({("holding", 0): words(1, raw)[0]})


def meter(
    name: str, quantity: modbus_meter.Quantity, kind: Any, golden: tuple[bytes, str], **more: Any
) -> Message:
    """A form of number in a meter's map."""
    return Message(
        name=f"meter-{name}",
        kinds=("modbus-meter", "side-slip-modbus"),
        read=partial(measured, Value(quantity=quantity, register=0, type=kind, **more)),
        refuses=(ValueError,),
        golden=((golden[0], Decimal(golden[1])),),
    )


TWO_WORDS = bytes.fromhex("010404 FFE7 0001")
REGISTERS: tuple[Message, ...] = (
    Message(
        name="modbus-rtu-registers",
        kinds=("modbus-meter", "side-slip-modbus", "brake-analog", "modbus-io"),
        read=partial(reply, READ_REGISTERS, "registers", 2),
        refuses=(ModbusException, NotAsked),
        golden=((rtu(TWO_WORDS), [0xFFE7, 1]),),
        check="own",
        closed=rtu,
    ),
    Message(
        name="modbus-rtu-bits",
        kinds=("modbus-io",),
        read=partial(reply, READ_INPUTS, "bits", 16),
        refuses=(ModbusException, NotAsked),
        golden=((rtu(bytes.fromhex("010202 05 80")), [1, 0, 1, *[0] * 12, 1]),),
        check="own",
        closed=rtu,
    ),
    meter("i16", "slip_m_per_km", "i16", (bytes.fromhex("FFE7 0000"), "-2.5"), scale=Decimal("0.1")),
    meter("u32", "mass_kg", "u32", (bytes.fromhex("0000 05DC"), "1500")),
    meter("f32", "actual_kmh", "f32", (bytes.fromhex("421F 3333"), "39.8")),
    Message(
        name="float",
        kinds=("modbus-meter",),
        read=lambda raw: number(words(2, raw), "f32"),
        refuses=(ValueError,),
        golden=(
            (bytes.fromhex("421F 3333"), Decimal("39.8")),
            (bytes.fromhex("7F7F FFFF"), Decimal("3.4028235E+38")),  # rounded to fewer digits it is no float
        ),
    ),
    Message(
        name="plate-curve",
        kinds=("brake-plate-jx",),
        read=curve,
        refuses=(NotAsked,),
        whole=False,  # by its length only: the device waits for 1536 bytes
        check="none",
        golden=((b" 310 295 612 601".ljust(32), [Side(310, 295), Side(612, 601)]),),
    ),
    Message(
        name="ring",
        kinds=("brake-analog",),
        read=ring,
        refuses=(NotAsked, NotBraked),
        golden=(
            (
                bytes.fromhex("0009 0001 0002 FFFF 0004 0005 0006"),
                (9, [Raw(8, -1, 4), Raw(9, 5, 6)]),
            ),
        ),
    ),
    Message(
        name="bit",
        kinds=("modbus-io",),
        read=level,
        refuses=(NotAsked,),
        golden=((bytes.fromhex("0008"), True), (bytes.fromhex("FFF7"), False)),
    ),
)

"""Cases of codecs that read a byte stream: frames of benches, scales, adapters, scanners, cameras."""

import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from firmware_bridge import mixed
from firmware_bridge.devices import (
    brake_analog,
    brake_plate,
    brake_plate_jx,
    brake_roller,
    elm_text,
    headlamp_mqd6a,
    indicators,
    jx,
    obd_pids,
    result_line,
    scale_sics,
    scanner,
    speed_jx,
    text_lines,
    uhf_reader,
    wheel_load,
)
from firmware_bridge.devices.brake_analog import Raw
from firmware_bridge.devices.elm_text import BadAnswer, Declined
from firmware_bridge.devices.framing import LONGEST_LINE, Fixed, Lines
from firmware_bridge.devices.headlamp_mqd6a import Beam
from firmware_bridge.devices.indicators import Reading, Toledo
from firmware_bridge.devices.speed_jx import Notice, Speed
from tests.codec_contract import Wire

# ---- JX frames: the sum of all bytes is 0 modulo 256 ---------------------------------------------


def jx_closed(raw: bytes) -> bytes:
    """A frame of any kind and body."""
    return jx.build(raw[0] if raw else 0, raw[1 : jx.LONGEST - 3])


def jx_said(frame: jx.Frame) -> bytes:
    """The bytes of a frame."""
    return jx.build(*frame)


def brake_frame(dialect: str, frame: jx.Frame) -> Any:
    """What a roller bench says with a frame: end, maxima, a sample, or nothing."""
    if brake_roller.is_end(frame):
        return "end", brake_roller.end_number(frame)
    if len(frame.body) == brake_roller.QUAD and dialect == "jx":
        return brake_roller.read_maxima(frame.body)
    return brake_roller.read_sample(dialect, frame, 0.0)


def plate_frame(frame: jx.Frame) -> Any:
    """What a plate bench says with a frame."""
    return brake_plate.read_end(frame) or brake_plate.read_sample(frame)


def plate_maxima(frame: jx.Frame) -> Any:
    """The maxima of the front axle that a plate bench of JX says with a frame."""
    fits = (frame.kind, len(frame.body)) == (0x51, brake_plate_jx.AXLE_DIGITS)
    return brake_plate_jx.read_pair(frame.body) if fits else None


def sample(dialect: str, number: int | None, left: int, right: int) -> tuple[bytes, Any]:
    """A sample of a roller bench."""
    count = b"" if number is None else b"%04d" % number
    body = count + b"%4d%4d" % (left, right)
    return jx.build(brake_roller.SAMPLE, body), brake_roller.Sample(
        number, brake_roller.Forces(left, right), 0.0
    )


JX = partial(
    Wire,
    make=jx.Deframer,
    said=jx_said,
    check="own",
    most_held=jx.LONGEST,
    pause=bytes(jx.LONGEST),
    lost_after=12,  # frames of 4 bytes in the 44 that a damaged length may claim
    closed=jx_closed,
)
JX_CASES = (
    JX(
        name="jx-brake-roller",
        kinds=("brake-roller",),
        read=partial(brake_frame, "jx"),
        golden=(
            (jx.build(jx.START_TEST), None),
            sample("jx", None, 12, 345),
            sample("jx", None, 13, 1350),
            (jx.build(brake_roller.END, b"EEEEEEEE"), ("end", None)),
            (
                jx.build(jx.FETCH, b"0250024002300210"),
                brake_roller.Maxima(brake_roller.Forces(250, 240), brake_roller.Forces(230, 210)),
            ),
        ),
    ),
    JX(
        name="jx-brake-roller-numbered",
        kinds=("brake-roller",),
        read=partial(brake_frame, "numbered"),
        golden=(
            sample("numbered", 1, 12, 345),
            sample("numbered", 2, 13, 1350),
            (jx.build(brake_roller.END, b"0002EEEE"), ("end", 2)),
        ),
    ),
    JX(
        name="jx-wheel-load",
        kinds=("wheel-load-jx",),
        read=lambda frame: wheel_load.read_weights(frame.body),
        golden=(
            (jx.build(jx.READ, b"00432  41500847"), wheel_load.Weights(432, 415)),
            (jx.build(jx.ZERO), None),
            (jx.build(jx.READ, b"0004100042   83"), wheel_load.Weights(41, 42)),
        ),
    ),
    JX(
        name="jx-brake-plate-jx",
        kinds=("brake-plate-jx",),
        make=brake_plate_jx.Deframer,
        read=plate_maxima,
        golden=(
            (jx.build(0x32), None),
            (jx.build(0x51, b" 310 295" + b"%4d" % 0 * 8), brake_plate_jx.Side(310, 295)),
            (jx.build(0x51, b"1310 295" + b"%4d" % 7 * 8), brake_plate_jx.Side(1310, 295)),
        ),
    ),
    JX(
        name="jx-brake-plate",
        kinds=("brake-plate",),
        read=plate_frame,
        golden=(
            *(
                (brake_plate.build_sample(each), each)
                for each in (
                    brake_plate.Sample(1, 0, 0, 812, 805),
                    brake_plate.Sample(2, 310, 295, 840, 838),
                )
            ),
            (jx.build(brake_plate.PEDAL, b"0001"), None),
            (jx.build(brake_roller.END, b"0002PASS"), brake_plate.Ended(2, "pass")),
        ),
    ),
)

# ---- frames of one size --------------------------------------------------------------------------


def weight_said(build: Callable[[Decimal], bytes]) -> Callable[[Reading], bytes | None]:
    """The frame of a weight; none for zero, which may have a sign."""
    return lambda reading: build(reading.kg) if reading.kg else None


def a9_closed(raw: bytes) -> bytes:
    """An XK3190-A9 frame of any eight bytes."""
    covered = raw[:8].ljust(8, b"0")
    return b"\x02" + covered + indicators.check_characters(covered) + b"\x03"


def seven_bits(stream: bytes) -> bytes:
    """The highest bit may be parity."""
    return bytes(byte & 0x7F for byte in stream)


def toledo_closed(raw: bytes) -> bytes:
    """A Toledo frame of any state and digits."""
    bare = b"\x02" + raw[:15].ljust(15, b"0") + b"\r"
    return bare + bytes([indicators.toledo_check(bare)])


def toledo_frame(reading: Reading, *, check: bool = True) -> tuple[bytes, Any]:
    """A frame and what it says."""
    return indicators.build_toledo(reading, check=check), reading


def toledo_said(reading: Reading) -> bytes | None:
    """The digits of a weight."""
    return str(int(abs(reading.kg).scaleb(-int(reading.kg.as_tuple().exponent)))).encode()  # any exponent


def ds8_said(reading: Reading) -> bytes | None:
    """Sign and digits; what lies between weight and end is not looked at."""
    return indicators.build_ds8(reading.kg)[:8] if reading.kg else None


SIZE = indicators.SIZE
FIXED_CASES = (
    Wire(
        name="xk3190-a9",
        kinds=("scale-xk3190", "scale", "weighbridge"),
        make=lambda: indicators.deframer("xk3190-a9", Toledo()),
        golden=tuple(  # computed from the description, domain facts 7.5
            (bytes.fromhex(sent), Reading(Decimal(kg)))
            for sent, kg in (
                ("022B30303132333430314603", "1234"),
                ("022D30303030353031313903", "-5.0"),
                ("022B30313235363030314203", "12560"),
            )
        ),
        said=weight_said(indicators.build_a9),
        check="own",
        most_held=SIZE,
        pause=bytes(SIZE),
        closed=a9_closed,
        lost_after=1,
    ),
    Wire(
        name="ds8",
        kinds=("scale", "weighbridge"),
        make=lambda: indicators.deframer("ds8", Toledo()),
        golden=tuple((indicators.build_ds8(Decimal(kg)), Reading(Decimal(kg))) for kg in (1234, -5, 12560)),
        said=ds8_said,
        check="none",
        most_held=SIZE,
        pause=bytes(SIZE),
        lost_after=1,
    ),
    Wire(
        name="toledo",
        kinds=("scale", "weighbridge"),
        make=lambda: indicators.deframer("toledo", Toledo()),
        golden=(
            toledo_frame(Reading(Decimal(1234))),
            toledo_frame(Reading(Decimal("-5.0"), motion=True)),
            toledo_frame(Reading(Decimal(12560), over=True, net=True)),
        ),
        said=toledo_said,
        plain=seven_bits,
        check="own",
        most_held=18,
        pause=bytes(18),
        lost_after=1,
        closed=toledo_closed,
    ),
    Wire(
        name="toledo-without-check",
        kinds=("scale", "weighbridge"),
        make=lambda: indicators.deframer("toledo", Toledo(check=False)),
        golden=(
            toledo_frame(Reading(Decimal(1234)), check=False),
            toledo_frame(Reading(Decimal("-5.0"), motion=True), check=False),
        ),
        said=toledo_said,
        plain=seven_bits,
        check="none",
        most_held=17,
        pause=bytes(17),
        lost_after=1,
    ),
    Wire(
        name="speed-jx",
        kinds=("speed-jx",),
        make=lambda: Fixed(speed_jx.SIZE, speed_jx.read),
        golden=(
            (bytes.fromhex("FF00EE"), Notice(0)),
            (speed_jx.build_speed(Decimal("39.8")), Speed(Decimal("39.8"))),
        ),
        said=lambda frame: (
            bytes([0xFF, frame.code, 0xEE])
            if isinstance(frame, Notice)
            else speed_jx.build_speed(frame.kmh)[1:]
        ),
        check="none",
        most_held=speed_jx.SIZE,
        pause=bytes(speed_jx.SIZE),
        lost_after=1,
    ),
)

# ---- the headlamp tester -------------------------------------------------------------------------

LEFT = [Beam(-12, 25, 21_300, 690), None, Beam(5, -31, 9_800, 690)]
RIGHT = [Beam(8, 20, 20_900, 692), None, Beam(-4, -29, 9_700, 692)]


def lamp_closed(raw: bytes) -> bytes:
    """A notice, or a long answer of any characters."""
    if len(raw) < 50:
        return headlamp_mqd6a.closed(bytes([2, 0x32]) + raw[:2].ljust(2, b"T"))
    text = raw[:109].ljust(109, b"0")
    return headlamp_mqd6a.closed(b"\x02L" + text[:54] + b"R" + text[54:108])


LAMP = Wire(
    name="headlamp-mqd6a",
    kinds=("headlamp-mqd6a",),
    make=headlamp_mqd6a.Deframer,
    golden=tuple(
        (sent, sent)
        for sent in (
            bytes.fromhex("0232544F29"),
            headlamp_mqd6a.results(LEFT, RIGHT),
            bytes.fromhex("0232451374"),
            bytes.fromhex("0232544D2B"),
        )
    ),
    said=lambda frame: bytes(frame),
    check="own",
    most_held=headlamp_mqd6a.RESULTS_SIZE,
    pause=bytes(headlamp_mqd6a.RESULTS_SIZE),
    lost_after=5,
    closed=lamp_closed,
)

# ---- lines ---------------------------------------------------------------------------------------


def one_blank(stream: bytes) -> bytes:
    """Every end of a line as one byte."""
    return re.sub(rb"[\r\n]+", b"\n", stream)


def star_closed(raw: bytes) -> bytes:
    """A line with its check behind a star."""
    line = re.sub(rb"[\r\n*]", b",", raw[:400]) or b"0"
    total = 0
    for byte in line:
        total ^= byte
    return line + b"*%02X\r\n" % total


PLAIN_LINE = result_line.Config(address="tcp://192.0.2.1:4001", form="pairs", fields={"length_mm": "L"})
CHECKED_LINE = result_line.Config(
    address="tcp://192.0.2.1:4001", form="pairs", fields={"length_mm": "L"}, opening="$", check=True
)
RESULTS = (b"L=4625,W=1802,H=1478", b"L=5010,W=1900,H=1510")
LINE = partial(Wire, pause=b"\r\n", plain=one_blank, most_held=LONGEST_LINE, lost_after=1)


def under_way(*, checked: bool) -> Lines[Raw]:
    """The codec of samples after the first end of a line, before which there is only the rest of one."""
    lines: Lines[Raw] = Lines(partial(brake_analog.read_line, checked=checked), headed=False)
    lines.feed(b"\r\n")
    return lines


def line_said(line: bytes) -> bytes:
    """A line as it was sent."""
    return bytes(line)


LINE_CASES = (
    LINE(
        name="a12e",
        kinds=("scale", "weighbridge"),
        make=lambda: indicators.deframer("a12e", Toledo()),
        golden=(
            (indicators.build_a12e(Decimal("1234.50")), Reading(Decimal("1234.50"))),
            (b"wn-003.17kg\r\n", Reading(Decimal("-3.17"), net=True)),
            (b"wt000.000kg\r\n", None),
        ),
        said=lambda reading: f"{abs(reading.kg)}".encode(),
        check="none",
    ),
    LINE(
        name="sics",
        kinds=("scale-sics",),
        make=lambda: Lines(scale_sics.read, headed=True),
        golden=(
            (b"S S     1320.5 kg\r\n", scale_sics.Reading("S", Decimal("1320.5"))),
            (b"S D     -12.50 kg\r\n", scale_sics.Reading("D", Decimal("-12.50"))),
            (b"S +\r\n", scale_sics.Reading("+")),
        ),
        said=lambda reading: scale_sics.build(reading)[:-2],
        check="none",
    ),
    LINE(
        name="brake-analog-lines",
        kinds=("brake-analog",),
        make=partial(under_way, checked=False),
        golden=tuple(
            (brake_analog.build_line(raw), raw) for raw in (Raw(None, 12, -3), Raw(None, 345, 1350))
        ),
        said=lambda raw: None,
        check="none",
    ),
    LINE(
        name="brake-analog-checked",
        kinds=("brake-analog",),
        make=partial(under_way, checked=True),
        golden=tuple((brake_analog.build_line(raw), raw) for raw in (Raw(17, 12, -3), Raw(18, 345, 1350))),
        said=lambda raw: None,
        check="own",
        closed=star_closed,
    ),
    LINE(
        name="result-line",
        kinds=("outline-tcp", "tread-line"),
        make=lambda: Lines(lambda line: result_line.read(line, PLAIN_LINE), headed=True),
        golden=tuple((result_line.build(text, PLAIN_LINE), text) for text in RESULTS),
        said=line_said,
        check="none",
    ),
    LINE(
        name="result-line-checked",
        kinds=("outline-tcp", "tread-line"),
        make=lambda: Lines(lambda line: result_line.read(line, CHECKED_LINE), headed=True),
        golden=tuple((result_line.build(text, CHECKED_LINE), text) for text in RESULTS),
        said=line_said,
        check="own",
        closed=lambda raw: star_closed(b"$" + raw),
    ),
    Wire(
        name="scanner",
        kinds=("scanner",),
        make=lambda: text_lines.Deframer(),
        read=lambda line: scanner.read(line, scanner.Config(address="tcp://192.0.2.1:4001")),
        refuses=(ValueError,),
        golden=(
            (b"LTEST1A27R0000001\r\n", "LTEST1A27R0000001"),
            ("浙A12345\r\n".encode("gbk"), "浙A12345"),
            ("浙A·D12345\n".encode(), "浙A·D12345"),
        ),
        said=line_said,
        plain=one_blank,
        check="none",
        most_held=text_lines.LONGEST,
        pause=b"\r\n",
        lost_after=1,
    ),
    Wire(
        name="uhf-line",
        kinds=("uhf-reader",),
        make=uhf_reader.LineDeframer,
        read=lambda heard: (heard.epc, heard.rssi_dbm) if heard.epc else None,
        golden=(
            (b"E2801160600002054CC61A3D,-61\r\n", ("E2801160600002054CC61A3D", -61)),
            (b"e2801160600002054cc61a3e\r\n", ("E2801160600002054CC61A3E", None)),
        ),
        said=lambda heard: heard.raw,
        plain=one_blank,
        check="none",
        most_held=text_lines.LONGEST,
        pause=b"\r\n",
        lost_after=1,
    ),
)

# ---- tags in A0 frames ---------------------------------------------------------------------------


def a0(epc: bytes, rssi: int, command: int = 0x89) -> bytes:
    """The frame of a tag."""
    body = bytes([1, command, 4, len(epc) // 2 << 3, 0]) + epc + bytes([rssi])
    bare = bytes([uhf_reader.START, len(body) + 1]) + body
    return bare + bytes([-sum(bare) & 0xFF])


def a0_closed(raw: bytes) -> bytes:
    """A frame of any address, command and body."""
    bare = bytes([uhf_reader.START, min(len(raw), 69) + 1]) + raw[:69]
    return bare + bytes([-sum(bare) & 0xFF])


EPC = bytes.fromhex("E2801160600002054CC61A3D")
A0 = Wire(
    name="uhf-a0",
    kinds=("uhf-reader",),
    make=uhf_reader.A0Deframer,
    read=lambda heard: (heard.epc, heard.rssi_dbm) if heard.epc else None,
    golden=(
        (a0(EPC, 68), (EPC.hex().upper(), -61)),
        (a0(EPC[:-1] + b"\x07", 60), ((EPC[:-1] + b"\x07").hex().upper(), -69)),
    ),
    said=lambda heard: heard.raw,
    check="own",
    most_held=uhf_reader.LONGEST + 2,
    pause=bytes(uhf_reader.LONGEST + 2),
    lost_after=4,
    closed=a0_closed,
)

# ---- an ELM327's replies -------------------------------------------------------------------------

VIN = "LTEST1A27R0000001"
BARE = b"014\r0: 49 02 01 4C 54 45\r1: 53 54 31 41 32 37 52\r2: 30 30 30 30 30 30 31\r\r>"
CAN11 = b"7E8 10 14 49 02 01 4C 54 45\r7E8 21 53 54 31 41 32 37 52\r7E8 22 30 30 30 30 30 30 31\r\r>"
OLD = b"".join(
    row + b"%02X\r" % (sum(bytes.fromhex(row.decode())) & 0xFF)
    for row in (
        b"87 F1 10 49 02 %02X %s " % (n, four)
        for n, four in enumerate(
            (b"00 00 00 4C", b"54 45 53 54", b"31 41 32 37", b"52 30 30 30", b"30 30 30 31"), 1
        )
    )
)


def without_blanks(text: str) -> bytes:
    """A text but for blanks and ends of lines."""
    return re.sub(r"\s", "", text).encode()


def packed(stream: bytes) -> bytes:
    """What replies are but for blanks, ends of lines and the NULs that the chip slips in."""
    return without_blanks(stream.replace(b"\0", b"").decode("ascii", "replace"))


def vins(form: elm_text.Form, reply: elm_text.Reply) -> Any:
    """The VINs of a reply."""
    if form == "old" and not elm_text.sums_up(reply):
        raise BadAnswer("a check byte is wrong")
    return obd_pids.read_vins(elm_text.answers(reply, 9, 2, form))


ELM = partial(
    Wire,
    kinds=("obd-elm327",),
    make=elm_text.Deframer,
    refuses=(BadAnswer, Declined),
    said=lambda reply: without_blanks("".join(reply.lines)),
    plain=packed,
    check="none",
    most_held=elm_text.LONGEST,
    pause=b">",
    lost_after=1,
)
ELM_CASES = (
    ELM(name="elm-bare", read=partial(vins, "bare"), golden=((BARE, (VIN,)), (b"NO DATA\r\r>", None))),
    ELM(
        name="elm-can11", read=partial(vins, "can11"), golden=((CAN11, (VIN,)), (b"7E8 03 7F 09 12\r>", None))
    ),
    ELM(name="elm-old", read=partial(vins, "old"), golden=((OLD + b"\r>", (VIN,)), (b"?\r>", None))),
)

# ---- parts of a stream that never ends -----------------------------------------------------------


def part(kind: str, body: bytes, *, sized: bool = True) -> bytes:
    """A part, its boundary before it."""
    size = f"Content-Length: {len(body)}\r\n" if sized else ""
    return f"--b7\r\nContent-Type: {kind}\r\n{size}\r\n".encode() + body + b"\r\n"


BODIES = (b"<a/>", b"\xff\xd8 picture \r\n with lines \xff\xd9", b"Heartbeat")
PART_LIMIT = 4096


class Limited(mixed.Mixed):
    """Parts of a stream, small ones, so that the limit is met."""

    def __init__(self) -> None:
        super().__init__("b7", PART_LIMIT)


MIXED = partial(
    Wire,
    make=Limited,
    read=lambda each: each.body,
    said=lambda each: each.body,
    most_held=PART_LIMIT + mixed.HEAD_LIMIT + 64 * 1024,
    pause=b"--b7\r\n",
    lost_after=1,
    at_once=False,
    check="carrier",
)
MIXED_CASES = (
    MIXED(
        name="mixed-sized",
        kinds=("hikvision-stream", "dahua-stream", "hikvision-push"),
        golden=tuple((part("x/y", body), body) for body in BODIES),
    ),
    MIXED(
        name="mixed-unsized",
        kinds=("hikvision-stream", "dahua-stream", "hikvision-push"),
        golden=tuple((part("x/y", body, sized=False), body) for body in BODIES),
    ),
)

STREAMS: tuple[Wire, ...] = (
    *JX_CASES,
    *FIXED_CASES,
    LAMP,
    *LINE_CASES,
    A0,
    *ELM_CASES,
    *MIXED_CASES,
)

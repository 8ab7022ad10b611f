"""Scanners and tag readers: what is heard is told once, whole, and never out of a damaged line."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Health, Junk, Said, Scan, Tag
from firmware_bridge.devices import scanner, text_lines, uhf_reader
from firmware_bridge.devices.listener import GAP_S, Listener, Once
from firmware_bridge.devices.scanner import Scanner
from firmware_bridge.devices.uhf_reader import A0Deframer, LineDeframer, UhfReader
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_scanner import ScannerTwin
from firmware_bridge.virtual.twin_tags import TagTwin, a0
from tests.bridge_parts import Told, end

VIN = "LTEST1A27R0000001"
EPC, OTHER = "E2801160600002054CC61A3D", "E280116060000205AABBCCDD"
STX, ETX = "\x02", "\x03"


@asynccontextmanager
async def running(device: Listener[Any]) -> AsyncIterator[Told]:
    told = Told()
    task = asyncio.create_task(device.run(told))
    try:
        await told.count(Health, 1)
        yield told
    finally:
        await end(task)


# ---- codecs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "config", "text"),
    [
        (VIN.encode(), {}, VIN),
        (f" {VIN} ".encode(), {}, VIN),
        ("浙A12345".encode(), {}, "浙A12345"),
        ("浙A12345".encode("gbk"), {}, "浙A12345"),
        ("浙A12345".encode("gbk"), {"encoding": "gbk"}, "浙A12345"),
        (f"{STX}~{VIN}{ETX}".encode(), {"prefix": f"{STX}~", "suffix": ETX}, VIN),
    ],
)
def test_a_line_is_read_as_it_is_configured(line: bytes, config: dict[str, Any], text: str) -> None:
    assert scanner.read(line, scanner.Config(address="tcp://192.0.2.1:1", **config)) == text


@pytest.mark.parametrize(
    ("line", "config", "why"),
    [
        (VIN.encode(), {"prefix": "~"}, "without prefix"),
        (f"~{VIN}".encode(), {"prefix": "~", "suffix": "#"}, "without suffix"),
        (b"~", {"prefix": "~", "suffix": "~"}, "without suffix"),
        ("浙A12345".encode("gbk"), {"encoding": "utf-8"}, "not utf-8"),
        (b"\xff\xff", {}, "neither UTF-8 nor GBK"),
        (b"   ", {}, "no code"),
        (b"LTEST\x071A27", {}, "cannot be printed"),
        (b"A" * 2001, {}, "longer than any code"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(line: bytes, config: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        scanner.read(line, scanner.Config(address="tcp://192.0.2.1:1", **config))


def test_inventory_lines_and_frames() -> None:
    frame = bytes.fromhex("A0130189003000E2801160600002054CC61A3D4400")[:-1]
    golden = frame + bytes([-sum(frame) & 0xFF])
    assert a0(EPC, -61) == golden
    assert [(each.epc, each.rssi_dbm) for each in A0Deframer().feed(golden)] == [(EPC, -61)]
    lines = f"{EPC}\r\n{EPC.lower()},-61\r\n{EPC} -61dBm\n".encode()
    assert [(each.epc, each.rssi_dbm) for each in LineDeframer().feed(lines)] == [
        (EPC, None),
        (EPC, -61),
        (EPC, -61),
    ]
    for wrong in (EPC[:-1], EPC[:-2], f"{EPC},61", "hello", f"{EPC};;", "E2801"):
        assert uhf_reader.read_line(wrong.encode()).epc == ""
    wrong_length = a0(EPC, -61, command=0x89)[:5] + b"\x28" + a0(EPC, -61)[6:-1]
    assert A0Deframer().feed(wrong_length + bytes([-sum(wrong_length) & 0xFF])) == []
    assert A0Deframer().feed(a0(EPC, -61, command=0x72)) == []


EPCS = st.lists(
    st.binary(min_size=1, max_size=15).map(lambda half: (half + half).hex().upper()), min_size=1, max_size=8
)


@given(
    epcs=EPCS,
    seed=st.integers(0, 2**31),
    fault=st.sampled_from(["whole", "torn", "corrupt", "garbage", "bytewise"]),
)
def test_a0_frames_survive_damage_and_invent_nothing(epcs: list[str], seed: int, fault: str) -> None:
    rng = random.Random(seed)
    writes = [a0(epc, -60) for epc in epcs]
    hit = rng.randrange(len(writes))
    if fault == "torn":
        writes[hit] = writes[hit][: rng.randrange(1, len(writes[hit]))]
    elif fault == "corrupt":
        writes[hit] = faults.corrupt(rng, 1.0)(writes[hit])[0].data
    elif fault == "garbage":
        writes[hit] += bytes(rng.randrange(1, 0x40) for _ in range(9))
    elif fault == "bytewise":
        writes = [part.data for part in faults.bytewise(b"".join(writes))]
    deframer = A0Deframer()
    heard = [each.epc for write in [*writes, bytes(80)] for each in deframer.feed(write)]
    kept = epcs if fault in ("whole", "bytewise", "garbage") else epcs[:hit] + epcs[hit + 1 :]
    if fault != "torn":
        assert heard == kept
    else:
        assert [epc for epc in heard if epc in kept] == [epc for epc in kept if epc in heard]


@given(st.lists(st.binary(max_size=50), max_size=30))
def test_no_bytes_break_the_codecs(chunks: list[bytes]) -> None:
    for deframer in (text_lines.Deframer(), text_lines.Deframer(b"\x03"), LineDeframer(), A0Deframer()):
        for chunk in chunks:
            deframer.feed(chunk)
        deframer.drop()


def test_a_line_without_an_end_is_given_up_with_bounded_memory() -> None:
    deframer = text_lines.Deframer()
    for _ in range(100):
        assert deframer.feed(b"A" * 500) == []
    assert deframer.feed(b"TAIL\r\nNEXT\r\n") == [b"NEXT"]
    assert deframer.skipped == 50_004
    deframer.feed(b"HALF")
    deframer.drop()
    assert deframer.feed(b" LINE\r\nWHOLE\r\n") == [b"WHOLE"]


def test_what_is_said_again_within_the_window_is_the_same() -> None:
    once = Once(2.0)
    assert [once.takes("a", at) for at in (0, 1.9, 3.8, 5.9)] == [True, False, False, True]
    twice = Once(2.0, times=2, most=3)
    assert [twice.takes("a", at) for at in (0, 1, 2, 5, 6)] == [False, True, False, False, True]
    for name in "bcdef":
        twice.takes(name, 6)
    assert not twice.takes("a", 6)  # forgotten: only so many are kept


# ---- over a line ---------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_code_is_told_once_however_long_it_is_held_before_the_scanner(
    encoding: str, tmp_path: Path
) -> None:
    async def main() -> None:
        twin = ScannerTwin(tmp_path / "scanner", prefix=STX, suffix=ETX, encoding=encoding)
        twin.line.fault = faults.bytewise
        await twin.start()
        config = scanner.Config(address=twin.line.address, prefix=STX, suffix=ETX, simulated=True)
        try:
            async with running(Scanner("scanner-1", config)) as told:
                for _ in range(5):
                    twin.scan("浙A12345")
                twin.scan(VIN)
                twin.line.fault = faults.whole
                twin.line.send(b"no prefix\r\n")
                (junk,) = await told.count(Junk, 1)
        finally:
            await twin.stop()
        scans = [said for said in told.said if isinstance(said, Scan)]
        assert [scan.text for scan in scans] == ["浙A12345", VIN]
        assert len({scan.key for scan in scans}) == 2
        assert isinstance(junk, Junk)
        assert (junk.data, junk.why) == (b"no prefix", "a line without prefix")

    asyncio.run(main())


def test_a_line_that_was_torn_is_not_joined_to_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        twin = ScannerTwin(tmp_path / "scanner")
        await twin.start()
        try:
            async with running(Scanner("scanner-1", scanner.Config(address=twin.line.address))) as told:
                twin.line.send(b"LTEST1A2")
                await asyncio.sleep(GAP_S + 0.3)
                twin.scan("7R0000001")
                twin.scan(VIN)
                (scan,) = await told.count(Scan, 1)
        finally:
            await twin.stop()
        assert isinstance(scan, Scan)
        assert scan.text == VIN
        assert told.of(Junk) == []

    asyncio.run(main())


def test_a_scan_that_could_not_be_kept_is_offered_again(tmp_path: Path) -> None:
    async def main() -> None:
        twin = ScannerTwin(tmp_path / "scanner")
        await twin.start()
        device = Scanner("scanner-1", scanner.Config(address=twin.line.address))

        async def full(said: Said) -> None:
            if isinstance(said, Health):
                twin.scan(VIN)
            else:
                raise OSError("no space left")

        try:
            with pytest.raises(ExceptionGroup):
                await device.run(full)
            async with running(device) as told:
                (scan,) = await told.count(Scan, 1)
        finally:
            await twin.stop()
        assert isinstance(scan, Scan)
        assert scan.text == VIN

    asyncio.run(main())


def test_a_scanner_on_tcp_that_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        lines = iter([b"LTEST1A2", f"{VIN}\r".encode()])

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(next(lines, b""))  # the first connection breaks in the middle of a line
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with running(Scanner("s", scanner.Config(address=f"tcp://127.0.0.1:{port}"))) as told:
                (scan,) = await told.count(Scan, 1)
                states = [health.state for health in told.of(Health) if isinstance(health, Health)]
        assert isinstance(scan, Scan)
        assert scan.text == VIN
        assert states[:3] == ["ok", "lost", "ok"]

    asyncio.run(main())


@pytest.mark.parametrize("frame", ["line", "a0"])
def test_a_tag_is_told_once_while_it_stays_in_the_field(frame: Any, tmp_path: Path) -> None:
    async def main() -> None:
        twin = TagTwin(tmp_path / "tags", frame)
        twin.field = {EPC: -61, OTHER: -90}
        await twin.start()
        config = uhf_reader.Config(address=twin.line.address, frame=frame, weakest_dbm=-80, simulated=True)
        device = UhfReader("tags-1", config)
        try:
            async with running(device) as told:
                twin.round()
                twin.line.fault = faults.once(bool, faults.corrupt(random.Random(1), 1.0))
                for _ in range(6):
                    twin.round()
                twin.field = {OTHER: -70}
                twin.round()
                twin.round()
                await told.count(Tag, 2)
        finally:
            await twin.stop()
        tags = [said for said in told.said if isinstance(said, Tag)]
        assert [tag.epc for tag in tags] == [EPC, OTHER]
        assert tags[1].rssi_dbm == -70
        assert device.source == "virtual+serial://tags-1"

    asyncio.run(main())

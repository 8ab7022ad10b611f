"""OBD: golden lines, the adapter against its twin with every fault, and an emulator we did not write."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices import elm_text, obd_pids
from firmware_bridge.devices.elm327 import Config, Elm327
from firmware_bridge.devices.elm_text import BadAnswer, Declined, Deframer, Form, Reply, answers
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_line import PtyBridge
from firmware_bridge.virtual.twin_obd import Habits, ObdTwin, ObdVehicle, unit
from lanes.record import ObdRead
from tests.bridge_parts import Told, end
from tests.brokers import free_port

VIN = "LTEST1A27R0000001"
OTHER = "LTEST1A25R0000002"
STATUS = bytes.fromhex("83076504")
ENGINE = unit(VIN, "CAL-000001", bytes.fromhex("1791BC82"), STATUS)
GEARS = unit("", "CAL-000002", bytes.fromhex("16E062BE"), bytes.fromhex("00040000"))
CAR = ObdVehicle(units={0x7E8: ENGINE, 0x7E9: GEARS})

# ---- golden lines: domain facts 7.6 (F), header forms of 29 bits and K-line by the data sheet (M) ---

BARE = "014\r0: 49 02 01 4C 54 45\r1: 53 54 31 41 32 37 52\r2: 30 30 30 30 30 30 31"
CAN11 = "7E8 10 14 49 02 01 4C 54 45\r7E8 21 53 54 31 41 32 37 52\r7E8 22 30 30 30 30 30 30 31"
CAN29 = CAN11.replace("7E8", "18 DA F1 10")
FOURS = "00 00 00 4C", "54 45 53 54", "31 41 32 37", "52 30 30 30", "30 30 30 31"
K_LINE = "\r".join(f"49 02 0{n} {four}" for n, four in enumerate(FOURS, 1))


def reply(text: str) -> Reply:
    (found,) = Deframer().feed(text.encode() + b"\r\r>")
    return found


def vins(text: str, form: Form) -> tuple[str, ...]:
    return obd_pids.read_vins(answers(reply(text), 9, 2, form))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (BARE, "bare"),
        (f"SEARCHING...\r{BARE}", "bare"),
        (BARE.replace(" ", ""), "bare"),
        (K_LINE, "bare"),
        (K_LINE.lower(), "bare"),
        (CAN11, "can11"),
        (CAN11.replace(" ", ""), "can11"),
        (CAN29, "can29"),
        (CAN29.replace(" ", ""), "can29"),
        (f"7F 09 12\r{K_LINE}", "bare"),
        ("BUS INIT: ...OK\r" + "\r".join(f"87 F1 10 {line} 00" for line in K_LINE.split("\r")), "old"),
        (f"7E9 03 7F 09 78\r{CAN11}\r7E9 03 7F 09 12", "can11"),
    ],
)
def test_golden_lines_of_a_vin(text: str, form: Form) -> None:
    if not text.startswith("7F"):
        assert vins(text, form) == (VIN,)
    else:
        with pytest.raises(BadAnswer):
            vins(text.replace("49 02 05", "49 02 06"), form)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (BARE.replace("1: 53 54 31 41 32 37 52\r", ""), "bare"),
        (BARE.replace("014\r", ""), "bare"),
        (BARE.rpartition("\r")[0], "bare"),
        (f"{BARE}\r{BARE}", "bare"),
        (BARE.replace("49 02", "49 04"), "bare"),
        (BARE.replace("4C 54", "4C 5G"), "bare"),
        (BARE.replace("4C 54", "01 54"), "bare"),
        (K_LINE.rpartition("\r")[0], "bare"),
        (K_LINE.replace("49 02 03 31 41 32 37\r", ""), "bare"),
        (CAN11.replace("7E8 21", "7E8 22"), "can11"),
        (CAN11.rpartition("\r")[0], "can11"),
        (CAN11.replace("7E8 10 14", "7E8 10 15"), "can11"),
        (CAN11.replace("7E8 21", "7E9 21"), "can11"),
        ("7E8 09 49 02 01 4C 54 45", "can11"),
        ("7E8 07 49 02 01 4C 54", "can11"),
        ("", "can11"),
    ],
)
def test_a_damaged_vin_is_no_vin(text: str, form: Form) -> None:
    with pytest.raises(BadAnswer):
        vins(text or "SEARCHING...", form)


def test_an_answer_of_no_unit() -> None:
    with pytest.raises(Declined):
        answers(reply("7E8 03 7F 09 12\r7E9 03 7F 09 11"), 9, 2, "can11")
    assert (
        vins(
            BARE.replace("4C 54 45", "FF FF FF").replace("53 54 31 41 32 37 52", "FF " * 7)[:-21] + "FF " * 7,
            "bare",
        )
        == ()
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("NO DATA", "NO DATA"),
        ("SEARCHING...\rUNABLE TO CONNECT", "UNABLE TO CONNECT"),
        ("SEARCHING...UNABLE TO CONNECT", "UNABLE TO CONNECT"),
        ("BUS INIT: ...ERROR", "BUS INIT: ...ERROR"),
        ("BUS INIT: ERROR", "BUS INIT: ERROR"),
        ("BUS INIT: ...OK\r41 00 BE 3F B8 13", ""),
        ("41 00 BE 3F <DATA ERROR", "41 00 BE 3F <DATA ERROR"),
        ("014\r0: 49 02 01 4C 54 45\rBUFFER FULL", "BUFFER FULL"),
        ("STOPPED", "STOPPED"),
        ("CAN ERROR", "CAN ERROR"),
        ("ERR94", "ERR94"),
        ("?", "?"),
        ("41 00 BE 3F B8 13", ""),
    ],
)
def test_words_of_the_adapter(text: str, word: str) -> None:
    assert elm_text.trouble(reply(text)) == word


def test_status_of_all_units() -> None:
    both = answers(reply("7E8 06 41 01 83 07 65 04\r7E9 06 41 01 00 0C 03 01"), 1, 1, "can11")
    status = obd_pids.read_status(both)
    assert (status.mil, status.dtc_count) == (True, 3)
    assert "evaporative_system" in status.not_ready
    assert "nmhc_catalyst" in status.not_ready
    assert {"misfire", "catalyst"} <= {*status.ready, *status.not_ready}
    with pytest.raises(BadAnswer):
        obd_pids.read_status({"7E8": b"\x00\x00\x00"})


def test_an_echo_is_taken_off_and_a_foreign_one_refused() -> None:
    assert elm_text.unechoed(reply(f"09 02\r{BARE}"), "0902") == reply(BARE)
    assert elm_text.unechoed(reply("OK"), "ATE0") == reply("OK")
    with pytest.raises(BadAnswer, match="ATE0 is answered with the echo of ATZ"):
        elm_text.unechoed(reply("ATZ\rELM327 v1.5"), "ATE0")


@given(st.lists(st.binary(max_size=60), max_size=30), st.sampled_from(["can11", "can29", "old", "bare"]))
def test_no_bytes_break_the_adapters_codec(chunks: list[bytes], form: Form) -> None:
    deframer = Deframer()
    for chunk in chunks:
        for found in deframer.feed(chunk + b">"):
            elm_text.trouble(found)
            with suppress(BadAnswer, Declined):
                answers(found, 9, 2, form)


@given(
    st.text("0123456789ABCDEF: \r?>.", max_size=300),
    st.sampled_from([(1, 1), (9, 2), (9, 4)]),
    st.sampled_from(["can11", "can29", "old", "bare"]),
)
def test_no_text_breaks_the_adapters_codec(text: str, what: tuple[int, int], form: Form) -> None:
    for found in Deframer().feed(text.encode() + b">"):
        with suppress(BadAnswer, Declined):
            answers(found, *what, form)


def test_replies_arrive_whole_however_they_are_cut() -> None:
    stream = "".join(f"{text}\r\r>" for text in (BARE, CAN11, "NO DATA", "?")).encode()
    whole = Deframer().feed(stream)
    bytewise = Deframer()
    assert [each for at in range(len(stream)) for each in bytewise.feed(stream[at : at + 1])] == whole
    assert len(whole) == 4


def test_what_never_prompts_is_given_up_with_bounded_memory() -> None:
    deframer = Deframer()
    for _ in range(100):
        assert deframer.feed(b"41 01 " * 100) == []
    assert deframer.feed(b"83 07 65 04\r>41 01 83 07 65 04\r>") == [reply("41 01 83 07 65 04")]
    assert deframer.skipped == 60_000 + 13
    deframer.feed(b"41 01 83")
    deframer.drop()
    assert deframer.feed(b" 07 65 04\r>") == []


# ---- the twin ------------------------------------------------------------------------------------


@asynccontextmanager
async def plugged(
    folder: Path, vehicle: ObdVehicle | None, habits: Habits | None = None
) -> AsyncIterator[tuple[Elm327, ObdTwin]]:
    twin = ObdTwin(folder / "obd", vehicle, habits)
    await twin.start()
    device = Elm327("obd-1", Config(address=twin.line.address, answer_s=1.0, search_s=2.0, simulated=True))
    told = Told()
    running = asyncio.create_task(device.run(told))
    try:
        await told.count(Health, 1)
        yield device, twin
    finally:
        await end(running)
        await twin.stop()


def read(folder: Path, vehicle: ObdVehicle | None, habits: Habits | None = None) -> ObdRead:
    async def main() -> ObdRead:
        async with plugged(folder, vehicle, habits) as (device, _):
            return await device.read_vehicle("1", "exterior")

    return asyncio.run(main())


@pytest.mark.parametrize("protocol", ["6", "7", "8", "9", "3", "5"])
@pytest.mark.parametrize(
    "habits",
    [
        Habits(),
        Habits(echoes=True, blanks=False),
        Habits(prompts=2, takes_s=0.05),
        Habits(describes=False),
    ],
)
def test_a_vehicle_is_read_over_every_bus_and_clone(protocol: str, habits: Habits, tmp_path: Path) -> None:
    first, second = (0x7E8, 0x7E9) if protocol in "68" else (0x10, 0x18)
    found = read(tmp_path, ObdVehicle(protocol=protocol, units={first: ENGINE, second: GEARS}), habits)
    assert (found.outcome, found.vin, found.other_vins) == ("read", VIN, ())
    assert found.calids == ("CAL-000001", "CAL-000002")
    assert found.cvns == ("1791BC82", "16E062BE")
    assert (found.mil, found.dtc_count) == (True, 3)
    assert found.adapter == "ELM327 v1.5"
    assert found.protocol == (f"A{protocol}" if habits.describes else "")


def test_without_headers_one_unit_is_read_and_several_are_not_mixed_up(tmp_path: Path) -> None:
    old = Habits(headers=False)
    assert read(tmp_path, ObdVehicle(units={0x7E8: ENGINE}), old).calids == ("CAL-000001",)
    with pytest.raises(MeasureError, match="headers must be on"):
        read(tmp_path, CAR, old)


def test_units_that_hold_different_vins_are_all_told(tmp_path: Path) -> None:
    found = read(tmp_path, ObdVehicle(units={0x7E8: ENGINE, 0x7E9: unit(OTHER)}))
    assert (found.vin, found.other_vins) == (VIN, (OTHER,))


def test_a_vehicle_without_obd_and_one_without_vin_are_answers(tmp_path: Path) -> None:
    without = read(tmp_path, None)
    assert (without.outcome, without.vin) == ("no_obd", "")
    assert "UNABLE TO CONNECT" in without.why
    blank = read(tmp_path, ObdVehicle(units={0x7E8: unit("", status=STATUS)}))
    assert (blank.outcome, blank.vin, blank.why) == ("no_vin", "", "0902: the units decline")
    assert blank.dtc_count == 3
    nulls = read(tmp_path, ObdVehicle(units={0x7E8: {**ENGINE, (9, 2): bytes(17)}}))
    assert (nulls.outcome, nulls.why) == ("no_vin", "the VIN is blank")


@pytest.mark.parametrize("word", ["STOPPED", "CAN ERROR", "BUFFER FULL", "BUS BUSY", "LV RESET", "?"])
def test_a_word_of_trouble_is_asked_over(word: str, tmp_path: Path) -> None:
    async def main() -> ObdRead:
        async with plugged(tmp_path, CAR) as (device, twin):
            twin.words = [word, word]
            return await device.read_vehicle("1", "exterior")

    assert asyncio.run(main()).vin == VIN


def test_a_bus_that_cannot_be_read_is_an_error_and_not_a_vehicle_without_obd(tmp_path: Path) -> None:
    async def main() -> None:
        async with plugged(tmp_path, CAR) as (device, twin):
            twin.words = ["CAN ERROR"] * 100
            with pytest.raises(MeasureError, match="CAN ERROR"):
                await device.read_vehicle("1", "exterior")

    asyncio.run(main())


def test_a_vehicle_that_is_switched_off_meanwhile_is_not_one_without_vin(tmp_path: Path) -> None:
    async def main() -> ObdRead:
        async with plugged(tmp_path, CAR) as (device, twin):
            reading = asyncio.create_task(device.read_vehicle("1", "exterior"))
            await twin.was_asked("0101")
            twin.vehicle = ObdVehicle(units={})
            return await reading

    found = asyncio.run(main())
    assert (found.outcome, found.why) == ("no_obd", "no control unit answers: NO DATA")


def test_the_late_answer_of_one_vehicle_is_not_the_next_ones(tmp_path: Path) -> None:
    async def main() -> None:
        async with plugged(tmp_path, CAR) as (device, twin):
            twin.line.fault = faults.once(lambda sent: b"49 02" in sent, faults.late(1.4))
            reading = asyncio.create_task(device.read_vehicle("1", "exterior"))
            await twin.was_asked("0902")
            reading.cancel()  # the officer pulls the plug before the answer is out
            await asyncio.gather(reading, return_exceptions=True)
            twin.vehicle = ObdVehicle(units={0x7E8: unit(OTHER, status=STATUS)})
            assert (await device.read_vehicle("1", "exterior")).vin == OTHER

    asyncio.run(main())


def seeded(make: Callable[[random.Random, float], faults.Fault]) -> list[faults.Fault]:
    return [make(random.Random(seed), 0.15) for seed in range(3)]


@pytest.mark.parametrize(
    "fault", [faults.bytewise, *seeded(faults.torn), *seeded(faults.corrupt), *seeded(faults.lost)]
)
def test_a_bad_line_gives_the_true_reading_or_none(fault: faults.Fault, tmp_path: Path) -> None:
    async def main() -> ObdRead | None:
        async with plugged(tmp_path, CAR) as (device, twin):
            twin.line.fault = fault
            try:
                return await device.read_vehicle("1", "exterior")
            except MeasureError:
                return None

    found = asyncio.run(main())
    assert found is None or (found.vin, found.cvns, found.dtc_count) == (VIN, ("1791BC82", "16E062BE"), 3)


def test_a_silent_adapter_is_an_error_that_says_what_to_check(tmp_path: Path) -> None:
    async def main() -> None:
        async with plugged(tmp_path, CAR) as (device, twin):
            twin.line.fault = faults.silent
            with pytest.raises(MeasureError, match="no ELM327 answers to a reset: check power"):
                await device.read_vehicle("1", "exterior")

    asyncio.run(main())


# ---- an emulator that we did not write -----------------------------------------------------------

EMULATED = """
import sys, time
from elm import Elm
from elm.obd_message import ObdMessage
for table in ObdMessage.values():
    if sys.argv[1] == "one" and "VIN" in table:
        table["VIN"]["Response"] = table["VIN"]["Response"][0]  # it would tell another one each time
port = sys.argv[2]
way = {"net_port": int(port)} if port.isdigit() else {"serial_port": port, "serial_baudrate": 38400}
emulator = Elm(batch_mode=True, **way)
emulator.scenario = "car"
emulator.set_sorted_obd_msg("car")
emulator.run()
"""
EMULATED_VIN = "WP0ZZZ99ZTS390000"  # the emulator's own, found in its table of answers


@contextmanager
def emulator(folder: Path, *arguments: str) -> Iterator[None]:
    with (folder / "elm.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", EMULATED, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


async def asked(address: str) -> ObdRead:
    device = Elm327("obd-1", Config(address=address))
    told = Told()
    running = asyncio.create_task(device.run(told))
    try:
        async with asyncio.timeout(90):
            while Health(state="ok") not in await told.count(Health, len(told.said) + 1):
                pass
            return await device.read_vehicle("1", "exterior")
    finally:
        await end(running)


def test_an_adapter_on_tcp_by_somebody_else(tmp_path: Path) -> None:
    port = free_port()
    with emulator(tmp_path, "one", str(port)):
        found = asyncio.run(asked(f"tcp://127.0.0.1:{port}"))
    assert (found.outcome, found.vin) == ("read", EMULATED_VIN)
    assert len(found.calids) == len(found.cvns) == 2
    assert (found.mil, found.protocol) == (False, "A6")


def test_an_adapter_on_a_pty_by_somebody_else(tmp_path: Path) -> None:
    async def main() -> ObdRead:
        bridge = PtyBridge(tmp_path / "ours", tmp_path / "theirs")
        bridge.open()
        try:
            with emulator(tmp_path, "one", str(tmp_path / "theirs")):
                return await asked(bridge.left.address)
        finally:
            bridge.close()

    assert asyncio.run(main()).vin == EMULATED_VIN


def test_a_vehicle_that_tells_another_vin_each_time_is_not_believed(tmp_path: Path) -> None:
    port = free_port()
    with (
        emulator(tmp_path, "many", str(port)),
        pytest.raises(MeasureError, match="two answers differ"),
    ):
        asyncio.run(asked(f"tcp://127.0.0.1:{port}"))

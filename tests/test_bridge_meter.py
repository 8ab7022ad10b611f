"""Benches behind registers: every kind of number, new and old results, live values; TCP and RTU, faults."""

import asyncio
import random
import struct
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices.modbus_meter import Config, Freshness, ModbusMeter, State
from firmware_bridge.devices.register_map import NumberType, Order, number
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_meter import MeterTwin, registers_of
from lanes.record import AxleWeighed, KerbMassMeasured, SideslipMeasured, SpeedometerMeasured
from tests.bridge_parts import Told, end, until

Work = Callable[[ModbusMeter, MeterTwin, Told], Awaitable[None]]
Table = dict[str, Any]

MASS: Table = {"values": [{"quantity": "mass_kg", "register": 4, "type": "u32"}], "counter": 1, "status": 2}
SPEED: Table = {
    "table": "holding",
    "values": [
        {"quantity": "actual_kmh", "register": 10, "type": "f32", "words": "little"},
        {"quantity": "indicated_kmh", "register": 12, "scale": "0.1"},
    ],
    "ready": 14,
    "ready_bit": 3,
    "trigger": 20,
}
LIVE: Table = {
    "values": [
        {"quantity": "left_kg", "register": 0, "type": "i16", "scale": 0.5},
        {"quantity": "right_kg", "register": 1, "type": "i16", "scale": 0.5},
    ],
    "live_ms": 200,
    "live_spread": 1,
}


def config(table: Table, address: str = "tcp://127.0.0.1:1") -> Config:
    quick = {"every_ms": 20, "wait_s": 5.0, "timeout_ms": 500}
    return msgspec.convert({"address": address, **quick, **table}, Config)


def run(table: Table, work: Work, path: Path | None = None) -> None:
    """A meter with a twin of its map, until ``work`` is done."""

    async def main() -> None:
        twin, told = MeterTwin(config(table), path), Told()
        await twin.start()
        meter = ModbusMeter("bench-1", config(table, twin.address))
        task = asyncio.create_task(meter.run(told))
        try:
            await told.count(Health, 1)
            await work(meter, twin, told)
        finally:
            await end(task)
            await twin.stop()

    asyncio.run(main())


def ask(meter: ModbusMeter, item: str = "Z1", axle: int = 1) -> "asyncio.Task[Any]":
    return asyncio.create_task(meter.measure("lane-1", "scale", item, axle))


# ---- numbers -------------------------------------------------------------------------------------

GOLDEN = [  # computed by the rules of the formats
    ([0x8000], "u16", "32768"),
    ([0x8000], "i16", "-32768"),
    ([0x0001, 0x86A0], "u32", "100000"),
    ([0xFFFF, 0xFFFE], "i32", "-2"),
    ([0x4220, 0x0000], "f32", "40"),
    ([0x421E, 0xCCCD], "f32", "39.7"),
    ([0x0000, 0x0001], "f32", "1E-45"),
]


@pytest.mark.parametrize(("registers", "kind", "value"), GOLDEN)
def test_golden_registers(registers: list[int], kind: NumberType, value: str) -> None:
    assert number(registers, kind) == Decimal(value)
    assert number(registers[::-1], kind, "little") == Decimal(value)
    swapped = [int.from_bytes(word.to_bytes(2, "big"), "little") for word in registers]
    assert number(swapped, kind, "big", "little") == Decimal(value)


@pytest.mark.parametrize("registers", [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0]])
def test_what_is_no_number_is_refused(registers: list[int]) -> None:
    with pytest.raises(ValueError, match="is no number"):
        number(registers, "f32")


@given(raw=st.binary(min_size=4, max_size=4), words=st.sampled_from(["big", "little"]))
def test_numbers_are_those_of_pymodbus(raw: bytes, words: Order) -> None:
    registers = list(struct.unpack(">HH", raw))
    types = ModbusClientMixin.DATATYPE
    for kind, theirs in (("u32", types.UINT32), ("i32", types.INT32)):
        peer = ModbusClientMixin.convert_from_registers(registers, theirs, word_order=words)
        assert number(registers, kind, words) == peer  # type: ignore[arg-type]
    peer = ModbusClientMixin.convert_from_registers(registers, types.FLOAT32, word_order=words)
    if isinstance(peer, float) and abs(peer) < float("inf"):
        assert struct.pack(">f", float(number(registers, "f32", words))) == struct.pack(">f", peer)


@given(value=st.integers(-32_768, 32_767), words=st.sampled_from(["big", "little"]))
def test_twin_and_meter_mean_the_same_registers(value: int, words: Order) -> None:
    kinds: tuple[NumberType, ...] = ("i16", "i32", "f32")
    for kind in kinds:
        for order in ("big", "little"):
            laid = registers_of(Decimal(value), kind, words, order)  # type: ignore[arg-type]
            assert number(laid, kind, words, order) == value  # type: ignore[arg-type]


# ---- new and old ---------------------------------------------------------------------------------


def state(counter: int | None = None, ready: bool | None = None) -> State:
    return State(counter=counter, ready=ready, status=None)


def test_a_result_is_new_once_the_counter_went_on_by_one() -> None:
    assert not Freshness(state(7)).is_new(state(7))
    assert Freshness(state(7)).is_new(state(8))
    assert Freshness(state(65_535)).is_new(state(0))
    assert not Freshness(state(7, ready=False)).is_new(state(8, ready=False))
    with pytest.raises(ValueError, match="2 passes at once"):
        Freshness(state(7)).is_new(state(9))


def test_an_old_ready_is_not_a_new_one() -> None:
    fresh = Freshness(state(ready=True))
    assert [fresh.is_new(state(ready=each)) for each in (True, True, False, True)] == [False] * 3 + [True]
    assert Freshness(state(ready=False)).is_new(state(ready=True))


# ---- over a line ---------------------------------------------------------------------------------


@pytest.mark.parametrize("serial", [False, True])
def test_a_kerb_mass_by_counter(serial: bool, tmp_path: Path) -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        twin.result("1640")  # before the measurement: somebody else's
        measuring = ask(meter)
        await asyncio.sleep(0.2)
        assert not measuring.done()
        twin.result("100000")
        assert await measuring == KerbMassMeasured(
            lane="lane-1", station="scale", device="bench-1", item="Z1", mass_kg=Decimal(100_000)
        )

    run(MASS, work, tmp_path / "line" if serial else None)


def test_a_speedometer_by_trigger_and_ready() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        twin.result("88.8", "40")  # old, and still called ready
        measuring = ask(meter, "S1")
        await until(twin.triggered)
        await asyncio.sleep(0.1)
        assert not measuring.done()
        twin.ready(False)
        await asyncio.sleep(0.1)
        twin.result("37.9", "40")
        assert await measuring == SpeedometerMeasured(
            lane="lane-1",
            station="scale",
            device="bench-1",
            item="S1",
            indicated_kmh=Decimal("40.0"),
            actual_kmh=Decimal("37.9"),
        )

    run(SPEED, work)


def test_an_axle_that_stands_still_on_a_live_scale() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        twin.stand("0", "0")
        measuring = ask(meter, "W2", 2)
        rng = random.Random(5)
        for _step in range(15):  # it drives on
            twin.stand(Decimal(rng.randrange(200, 600)), Decimal(rng.randrange(200, 600)))
            await asyncio.sleep(0.03)
        assert not measuring.done()
        twin.stand("412.5", "398")
        assert await measuring == AxleWeighed(
            lane="lane-1",
            station="scale",
            device="bench-1",
            axle=2,
            left_kg=Decimal("412.5"),
            right_kg=Decimal(398),
        )

    run(LIVE, work)


def test_a_live_scale_that_is_empty_or_hangs_gives_no_reading() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        twin.stand("0", "0")
        with pytest.raises(MeasureError, match=r"within 0.5 s: bench-1: left_kg 0\.0 is not between 1 and"):
            await ask(meter, "W1")
        twin.stand("412.5", "398")
        with pytest.raises(MeasureError, match=r"within 0\.5 s: no steady value"):
            await ask(meter, "W1")  # its counter stands still: it hangs
        beating = asyncio.create_task(beat(twin))
        assert (await ask(meter, "W1")).left_kg == Decimal("412.5")
        await end(beating)

    async def beat(twin: MeterTwin) -> None:
        while True:
            twin.words[9] += 1
            await asyncio.sleep(0.02)

    run({**LIVE, "counter": 9, "wait_s": 0.5}, work)


def test_a_motorcycles_wheel_stands_on_the_left() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        twin.stand("88")
        weighed = await ask(meter, "W1")
        assert (weighed.left_kg, weighed.right_kg, weighed.wheels) == (88, 0, 1)

    run({"values": [{"quantity": "left_kg", "register": 0}], "live_ms": 60}, work)


def test_a_side_slip_of_another_maker() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        measuring = ask(meter, "A1")
        await until(twin.triggered)
        twin.result("-3.42")
        measured = await measuring
        assert isinstance(measured, SideslipMeasured)
        assert measured.slip_m_per_km == Decimal("-3.42")

    values = [{"quantity": "slip_m_per_km", "register": 7, "type": "i16", "scale": "-0.01"}]
    run({"values": values, "counter": 3, "trigger": 0}, work)


def test_values_and_counter_too_far_apart_for_one_read_still_belong_together() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        for mass in range(1000, 1010):
            measuring = ask(meter)
            await asyncio.sleep(0.08)
            twin.result(str(mass))
            assert (await measuring).mass_kg == mass

    run({**MASS, "values": [{"quantity": "mass_kg", "register": 300}]}, work)


def test_what_cannot_be_right_is_no_reading() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, told: Told) -> None:
        with pytest.raises(MeasureError, match=r"bench-1: no new result within 0\.5 s"):
            await ask(meter)
        measuring = ask(meter)
        await asyncio.sleep(0.1)
        twin.result("100001")
        with pytest.raises(MeasureError, match="mass_kg 100001 is not between 1 and 100000"):
            await measuring
        twin.fail(0x11)
        with pytest.raises(MeasureError, match="status 1; see the instrument's manual"):
            await ask(meter)
        twin.tables.fault = 4
        with pytest.raises(MeasureError, match="exception code 4"):
            await ask(meter)
        *_, faulty = await told.count(Health, 2)
        assert isinstance(faulty, Health)
        assert faulty.state == "faulty"

    run({**MASS, "status_mask": 0x0F, "wait_s": 0.5}, work)


def test_a_trigger_is_taken_back_when_nothing_comes() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        measuring = ask(meter, "S1")
        await until(twin.triggered)
        with pytest.raises(MeasureError, match="no new result"):
            await measuring
        assert twin.tables.holdings[20] == 0

    run({**SPEED, "wait_s": 0.5}, work)


def test_a_float_that_is_no_number_is_no_reading() -> None:
    async def work(meter: ModbusMeter, twin: MeterTwin, _: Told) -> None:
        measuring = ask(meter, "S1")
        await until(twin.triggered)
        twin.words[10:12] = [0, 0x7FC0]
        twin.ready(True)
        with pytest.raises(MeasureError, match="actual_kmh: 7fc00000 is no number"):
            await measuring

    run(SPEED, work)


@pytest.mark.parametrize("name", ["torn", "lost", "corrupt", "late", "silent"])
def test_a_bad_line_gives_a_right_reading_or_none(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    fault = {
        "torn": faults.torn(rng, 0.3),
        "lost": faults.lost(rng, 0.3),
        "corrupt": faults.corrupt(rng, 0.3),
        "late": faults.late(0.15),
        "silent": faults.silent,
    }[name]

    async def work(meter: ModbusMeter, twin: MeterTwin, told: Told) -> None:
        assert twin.bridge is not None
        twin.bridge.left.fault = fault
        for mass in (1200, 1300, 1400):
            measuring = ask(meter)
            await asyncio.sleep(0.15)
            twin.result(str(mass))
            try:
                assert (await measuring).mass_kg == mass
            except MeasureError as none:
                assert "bench-1" in str(none)
        twin.bridge.left.fault = faults.whole
        await until(lambda: told.of(Health)[-1] == Health(state="ok"))

    run({**MASS, "timeout_ms": 60, "wait_s": 1.0}, work, tmp_path / "line")


def test_a_bench_that_nobody_here_wrote() -> None:
    """pymodbus's simulator with its own float; it refuses every address that the map does not name."""

    async def main() -> None:
        there = [
            SimData(100, values=39.7, datatype=DataType.FLOAT32),
            SimData(103, values=[5], datatype=DataType.REGISTERS),
        ]
        server = ModbusTcpServer(SimDevice(9, simdata=there), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        table = {
            "unit": 9,
            "table": "holding",
            "values": [{"quantity": "actual_kmh", "register": 100, "type": "f32"}],
            "status": 103,
            "status_ok": [5],
            "live_ms": 50,
            "exact": True,
        }
        address = f"tcp://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
        told, meter = Told(), ModbusMeter("bench-1", config(table, address))
        task = asyncio.create_task(meter.run(told))
        assert await told.count(Health, 1) == [Health(state="ok")]
        measured = await ask(meter, "S1")
        assert (measured.indicated_kmh, measured.actual_kmh) == (40, Decimal("39.7"))
        await end(task)
        await server.shutdown()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({**MASS, "values": []}, "length >= 1"),
        ({**MASS, "counter": None}, "nothing tells a new result from an old one"),
        ({**MASS, "values": MASS["values"] * 2}, "mass_kg and mass_kg make no record"),
        (
            {**MASS, "values": [{"quantity": "right_kg", "register": 1}]},
            "right_kg make no record; known are actual_kmh",
        ),
        (
            {**MASS, "values": [{"quantity": "mass_kg", "register": 1, "scale": 0}]},
            "scale = 0 makes no value",
        ),
        ({**MASS, "values": [{"quantity": "mass_kg", "register": 1, "scale": "NaN"}]}, "makes no value"),
    ],
)
def test_a_map_that_makes_no_record_is_refused_in_words(table: Table, said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        config(table)

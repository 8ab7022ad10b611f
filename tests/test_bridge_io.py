"""The I/O module of any make over real Modbus TCP: maps, blocks, latches, counters, outputs of every kind."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import pairwise

import msgspec
import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_bridge.device import Health, MeasureError, Signal
from firmware_bridge.devices.contacts import Contact
from firmware_bridge.devices.io_map import Config, Input, Output, ReadBack
from firmware_bridge.devices.io_module import IoModule, contact_of, next_poll
from firmware_bridge.devices.register_map import Limits, blocks
from firmware_bridge.virtual.twin_io import IoTwin
from tests.bridge_parts import Told, end, until

Work = Callable[[IoModule, IoTwin, Told], Awaitable[None]]


def run(
    inputs: Sequence[Input], outputs: Sequence[Output], work: Work, *, heard: bool = True, **settings: object
) -> None:
    """A module with a twin of its wiring, until ``work`` is done; ``heard``: it can be read at all."""

    async def main() -> None:
        twin, told = IoTwin(inputs, outputs), Told()
        await twin.start()
        wiring = {"inputs": tuple(inputs), "outputs": tuple(outputs), "debounce_ms": 0, "timeout_ms": 500}
        config = Config(address=twin.address, **{**wiring, **settings})  # type: ignore[arg-type]
        module = IoModule("io-1", config)
        task = asyncio.create_task(module.run(told))
        try:
            await told.count(Health, int(heard))
            await told.count(Signal, len(inputs))
            await work(module, twin, told)
        finally:
            await end(task)
            await twin.stop()

    asyncio.run(main())


# ---- inputs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wired",
    [
        Input(station="gate", sensor="loop", input=9),
        Input(station="gate", sensor="loop", input=9, table="coil"),
        Input(station="gate", sensor="loop", input=9, table="input", bit=15),
        Input(station="gate", sensor="loop", input=9, table="holding", bit=0, invert=True),
    ],
    ids=["02", "01", "04", "03"],
)
def test_a_sensor_may_lie_in_every_table(wired: Input) -> None:
    async def work(_: IoModule, twin: IoTwin, told: Told) -> None:
        for number, level in enumerate((True, False), 2):
            twin.set("gate", "loop", level)
            *_, last = await told.count(Signal, number)
            assert last == Signal(station="gate", sensor="loop", on=level)

    run([wired], [], work)


def test_reads_cover_the_map_and_no_more_than_it_allows() -> None:
    wanted = [("discrete", at) for at in (0, 1, 2, 7, 40)]
    assert blocks(wanted, Limits()) == [("discrete", 0, 41)]  # as it always was
    assert blocks(wanted, Limits(gap=4)) == [("discrete", 0, 8), ("discrete", 40, 1)]
    assert blocks(wanted, Limits(gap=0)) == [("discrete", 0, 3), ("discrete", 7, 1), ("discrete", 40, 1)]
    assert blocks(wanted, Limits(bits=7)) == [("discrete", 0, 3), ("discrete", 7, 1), ("discrete", 40, 1)]
    both = [("input", 0), ("input", 200), ("coil", 0), ("input", 0)]
    assert blocks(both, Limits()) == [("coil", 0, 1), ("input", 0, 1), ("input", 200, 1)]
    assert blocks([], Limits()) == []


def test_blocks_hold_for_any_map() -> None:
    rng = random.Random(11)
    for _ in range(300):
        places = {
            (rng.choice(("discrete", "holding")), rng.randrange(400)) for _ in range(rng.randrange(1, 60))
        }
        limits = Limits(bits=rng.randrange(1, 200), registers=rng.randrange(1, 125), gap=rng.randrange(20))
        found = blocks(places, limits)
        read = [(table, first + at) for table, first, count in found for at in range(count)]
        assert len(read) == len(set(read))
        assert places <= set(read)
        for table, first, count in found:
            assert count <= (limits.registers if table == "holding" else limits.bits)
            inside = sorted(at for of, at in places if of == table and first <= at < first + count)
            assert (inside[0], inside[-1]) == (first, first + count - 1)
            assert all(b - a - 1 <= limits.gap for a, b in pairwise(inside))


def test_exact_reads_of_a_module_that_refuses_addresses_it_does_not_have() -> None:
    """pymodbus's own simulator answers exception 2 for a block with a hole in it."""

    async def main() -> None:
        there = [SimData(at, values=[3], datatype=DataType.REGISTERS) for at in (10, 12)]
        server = ModbusTcpServer(SimDevice(1, simdata=there), address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        address = f"tcp://127.0.0.1:{server.transport.sockets[0].getsockname()[1]}"
        inputs = tuple(
            Input(station="gate", sensor=f"s{at}", input=at, table="holding", bit=0) for at in (10, 12)
        )
        for exact, expected in ((False, "faulty"), (True, "ok")):
            told = Told()
            task = asyncio.create_task(
                IoModule("io-1", Config(address=address, inputs=inputs, exact=exact)).run(told)
            )
            (health,) = await told.count(Health, 1)
            assert isinstance(health, Health)
            assert health.state == expected
            assert expected == "ok" or "exception code 2" in health.why
            await end(task)
        await server.shutdown()

    asyncio.run(main())


def test_a_level_must_hold_to_count_on_and_off_by_their_own_times() -> None:
    contact = Contact(on_s=0.1, off_s=0.5)
    assert contact.news(False, 0.0) is False
    assert contact.news(True, 1.00) is None
    assert contact.news(False, 1.05) is None  # a bounce
    assert contact.news(True, 1.06) is None
    assert contact.news(True, 1.15) is None
    assert contact.news(True, 1.17) is True
    assert contact.news(False, 2.00) is None
    assert contact.news(False, 2.49) is None
    assert contact.news(False, 2.50) is False
    contact.forget()
    assert contact.news(False, 9.1) is False


def test_a_thousand_polls_of_a_bouncing_contact_tell_it_once() -> None:
    rng, contact = random.Random(3), Contact(on_s=0.1, off_s=0.1)
    assert contact.news(False, 0.0) is False
    noisy = [contact.news(rng.random() < 0.5, 1 + at / 100) for at in range(8)]
    settled = [contact.news(True, 2 + at / 100) for at in range(1000)]
    assert noisy == [None] * 8
    assert [news for news in settled if news is not None] == [True]


@pytest.mark.parametrize(("jitter", "news"), [(-0.004, True), (0.0, True), (0.004, True), (-0.02, None)])
def test_two_polls_make_the_debounce_they_fill_whatever_their_jitter(
    jitter: float, news: bool | None
) -> None:
    sensor = Input(station="exit", sensor="occupied", input=0)
    contact = contact_of(Config(address="tcp://x", inputs=(sensor,), rate_hz=20, debounce_ms=100), sensor)
    assert contact.news(False, 0.0) is False
    assert contact.news(True, 0.05) is None
    assert contact.news(True, 0.1) is None
    assert contact.news(True, 0.15 + jitter) is news


def test_a_short_pulse_is_held_until_the_lane_has_seen_it() -> None:
    contact = Contact(on_s=0.1, off_s=0.1, latch_s=0.3)
    assert contact.news(False, 0.0) is False
    assert contact.news(True, 1.00) is None  # one read of a light curtain's 20 ms
    assert contact.news(False, 1.05) is None
    assert contact.news(False, 1.10) is True
    assert contact.news(False, 1.30) is None
    assert contact.news(False, 1.41) is False


def test_a_counter_shows_what_no_read_saw() -> None:
    contact = Contact(on_s=0.0, off_s=0.0, latch_s=0.3)
    assert contact.news(False, 0.0, 65_535) is False  # the first count says nothing
    assert contact.news(False, 0.1, 65_535) is None
    assert contact.news(False, 0.2, 0) is True  # it went round
    assert contact.news(False, 0.3, 0) is None
    assert contact.news(False, 0.6, 0) is False
    assert contact.news(False, 0.7, 5000) is None  # not counted by a contact
    assert contact.news(False, 0.8, 0) is None  # the module began anew
    contact.forget()
    assert contact.news(False, 0.9, 7) is False  # counted while nobody listened: too old


def test_polls_keep_their_rate_though_each_waking_is_late() -> None:
    due = now = 0.0
    for _ in range(200):
        due = next_poll(due, 0.05, now + 0.003)  # the answer took 3 ms
        assert due >= now + 0.003
        now = due + 0.004  # the loop was busy when it was due
    assert due == pytest.approx(200 * 0.05)
    assert next_poll(due, 0.05, due + 3.0) == due + 3.0  # a stall of 3 s is not followed by 60 polls at once


def test_an_edge_shorter_than_a_poll_is_told() -> None:
    async def work(_: IoModule, twin: IoTwin, told: Told) -> None:
        twin.flash("exit", "curtain")
        *_, on, off = await told.count(Signal, 3)
        assert (on, off) == (
            Signal(station="exit", sensor="curtain", on=True),
            Signal(station="exit", sensor="curtain", on=False),
        )

    run([Input(station="exit", sensor="curtain", input=3, latch_ms=200, counter=20)], [], work)


# ---- outputs -------------------------------------------------------------------------------------

LIGHTS = {
    "05": Output(station="gate", actuator="light", coil=9),
    "15": Output(station="gate", actuator="light", coil=9, function=15),
    "06": Output(station="gate", actuator="light", register=9, bit=4),
    "16": Output(station="gate", actuator="light", register=9, bit=4, function=16),
    "whole": Output(station="gate", actuator="light", register=9, on_value=0x0100, off_value=0x0200),
    "inverted": Output(station="gate", actuator="light", coil=9, invert=True),
    "elsewhere": Output(
        station="gate", actuator="light", coil=9, read=ReadBack(table="coil", address=9, invert=False)
    ),
}


@pytest.mark.parametrize("coil_block", [1, 8])
@pytest.mark.parametrize("name", LIGHTS)
def test_an_output_is_switched_and_read_back_by_every_function(name: str, coil_block: int) -> None:
    async def work(module: IoModule, twin: IoTwin, _: Told) -> None:
        twin.tables.coils[8] = twin.tables.coils[10] = True
        if name != "whole":
            twin.tables.holdings[9] = 0b1000_0000_0010_0001
        for level in (True, False, True):
            await module.switch("gate", "light", level)
            assert module.outputs() == {("gate", "light"): level}
            if name != "whole":
                assert twin.output("gate", "light") is level
                assert twin.tables.holdings[9] & ~(1 << 4) == 0b1000_0000_0010_0001
        if name == "whole":
            assert twin.tables.holdings[9] == 0x0100
        assert twin.tables.coils[8]
        assert twin.tables.coils[10]

    run([], [LIGHTS[name]], work, coil_block=coil_block)


def test_two_bits_of_one_register_are_never_written_over_each_other() -> None:
    lights = [Output(station="gate", actuator=f"l{bit}", register=3, bit=bit) for bit in range(16)]

    async def work(module: IoModule, twin: IoTwin, _: Told) -> None:
        await asyncio.gather(*(module.switch("gate", f"l{bit}", True) for bit in range(16)))
        assert twin.tables.holdings[3] == 0xFFFF
        await asyncio.gather(*(module.switch("gate", f"l{bit}", False) for bit in range(0, 16, 2)))
        assert twin.tables.holdings[3] == 0xAAAA

    run([], lights, work)


def test_what_a_panel_switches_is_seen_and_what_does_not_follow_is_refused() -> None:
    stuck = Output(
        station="gate", actuator="stuck", coil=4, read=ReadBack(table="input", address=7, bit=2)
    )  # an auxiliary contact

    async def work(module: IoModule, twin: IoTwin, _: Told) -> None:
        with pytest.raises(MeasureError, match="input register 7 bit 2 reads back False after True"):
            await module.switch("gate", "stuck", True)
        twin.tables.registers[7] = 0b100
        await until(lambda: module.outputs()["gate", "stuck"] is True)
        assert module.outputs() == {("gate", "stuck"): True}

    run([], [stuck], work)


def test_a_module_that_cannot_be_read_back_is_unknown_until_it_is_switched() -> None:
    light = Output(station="gate", actuator="light", register=5, bit=1)

    async def work(module: IoModule, twin: IoTwin, told: Told) -> None:
        assert module.outputs() == {("gate", "light"): None}
        await module.switch("gate", "light", True)
        assert twin.output("gate", "light")
        assert module.outputs() == {("gate", "light"): True}
        twin.tables.fault = 4
        with pytest.raises(MeasureError, match="exception code 4"):
            await module.switch("gate", "light", False)
        assert module.outputs() == {("gate", "light"): None}
        twin.tables.fault = None
        await module.switch("gate", "light", False)
        await twin.stop()
        await told.count(Health, 2)
        await twin.start()
        await until(lambda: module.outputs() == {("gate", "light"): None})  # it may have lost its power

    sensor = Input(station="gate", sensor="loop", input=0)
    run([sensor], [light], work, read_back=False, read_back_why="the relay board answers no reads")


def test_other_bits_of_a_register_that_cannot_be_read_are_off_before_they_are_switched() -> None:
    lights = [
        Output(station="gate", actuator="light", register=5, bit=1),
        Output(station="gate", actuator="lamp", register=5, bit=2, invert=True),
        Output(station="gate", actuator="horn", register=5, bit=3),
    ]

    async def work(module: IoModule, twin: IoTwin, told: Told) -> None:
        await until(lambda: bool(module.outputs()))
        assert told.of(Health) == []  # nothing is ever heard of it
        await module.switch("gate", "light", True)
        assert twin.tables.holdings[5] == 0b0110
        await module.switch("gate", "lamp", True)
        assert twin.tables.holdings[5] == 0b0010
        await twin.stop()
        await told.count(Health, 1)
        await twin.start()
        await until(lambda: set(module.outputs().values()) == {None})

    run([], lights, work, read_back=False, read_back_why="it answers no reads", heard=False)


BARRIER = Output(station="gate", actuator="barrier", coil=2, off_coil=3, pulse_ms=120)


def test_a_barrier_gets_a_pulse_to_open_and_another_to_close() -> None:
    async def work(module: IoModule, twin: IoTwin, _: Told) -> None:
        assert module.outputs() == {("gate", "barrier"): None}
        for level, contact, other in ((True, BARRIER.on, BARRIER.off), (False, BARRIER.off, BARRIER.on)):
            switching = asyncio.create_task(module.switch("gate", "barrier", level))
            await until(partial(twin.contact, contact))
            assert not twin.contact(other)
            await switching
            assert not twin.contact(contact)
            assert module.outputs() == {("gate", "barrier"): level}

    run([], [BARRIER], work)


def test_a_pulse_that_is_broken_off_leaves_no_contact_closed() -> None:
    async def work(module: IoModule, twin: IoTwin, told: Told) -> None:
        switching = asyncio.create_task(module.switch("gate", "barrier", True))
        await until(lambda: twin.contact(BARRIER.on))
        switching.cancel()
        await asyncio.gather(switching, return_exceptions=True)
        assert not twin.contact(BARRIER.on)
        await twin.stop()
        await told.count(Health, 2)
        twin.tables.coils[2] = True  # as an agent leaves it that was killed in the middle
        await twin.start()
        await until(lambda: not twin.contact(BARRIER.on))

    run([Input(station="gate", sensor="loop", input=0)], [BARRIER], work)


# ---- what is refused -----------------------------------------------------------------------------

GATE = {"station": "gate", "actuator": "a"}
LOOP = {"station": "gate", "sensor": "s", "input": 1}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"inputs": [{**LOOP, "table": "holding"}]}, "bit .* goes with the tables input and holding"),
        ({"inputs": [{**LOOP, "bit": 3}]}, "bit .* goes with the tables input and holding"),
        ({"inputs": [{**LOOP, "counter": 3}]}, "counter needs latch_ms"),
        ({"inputs": [{**LOOP, "latch_ms": 100}]}, "latch_ms = 100 would never be told: make it at least 150"),
        ({"outputs": [GATE]}, "name either coil or register"),
        ({"outputs": [{**GATE, "coil": 1, "register": 1}]}, "name either coil or register"),
        ({"outputs": [{**GATE, "coil": 1, "bit": 1}]}, "bit is for a register"),
        ({"outputs": [{**GATE, "coil": 1, "function": 6}]}, "5 or 15 writes a coil"),
        ({"outputs": [{**GATE, "register": 1, "function": 5}]}, "5 or 15 writes a coil"),
        ({"outputs": [{**GATE, "register": 1, "off_value": 1}]}, "on_value and off_value are the same"),
        ({"outputs": [{**GATE, "coil": 1, "pulse_ms": 100}]}, "name either off_coil or off_register"),
        ({"outputs": [{**GATE, "coil": 1, "off_coil": 1, "pulse_ms": 100}]}, "need two contacts"),
        ({"outputs": [{**GATE, "coil": 1, "off_coil": 2}]}, "an off_ contact needs pulse_ms"),
        ({"outputs": [{**GATE, "coil": 1, "off_coil": 2, "pulse_ms": 9, "invert": True}]}, "not for pulses"),
        ({"read_back": False}, "read_back = false and read_back_why go together"),
        ({"read_back_why": "why not"}, "read_back = false and read_back_why go together"),
    ],
)
def test_a_map_that_cannot_be_meant_is_refused_in_words(table: dict[str, object], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert({"address": "tcp://x", **table}, Config)

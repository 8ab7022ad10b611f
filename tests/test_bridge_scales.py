"""Weighing indicators: golden frames, damage, and scales and weighbridge against twins on real ptys."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices import indicators, scale, weighbridge
from firmware_bridge.devices.framing import LONGEST_LINE, Lines
from firmware_bridge.devices.indicators import Reading, Toledo
from firmware_bridge.virtual import faults, physics
from firmware_bridge.virtual.fleet import sound_car
from firmware_bridge.virtual.twin_scale import BUILD, ScaleTwin
from lanes.record import AxleWeighed, KerbMassMeasured
from tests.bridge_parts import Told, running

NAMES: tuple[indicators.Name, ...] = get_args(indicators.Name)
UNCHECKED = {"a12e", "ds8"}  # a turned bit in a digit is a digit: only rest protects

# domain facts 7.5: A12E, F; Toledo "1234, tare 0", computed: layout and check F, its bits M
A12E = {
    b"ww000.000kg": Reading(Decimal("0.000")),
    b"wn-003.17kg": Reading(Decimal("-3.17"), net=True),
    b"ww12560.0kg": Reading(Decimal(12560)),
    b"wt000.000kg": None,
    b"ww000.000lb": None,
    b"ww00.000kg": None,  # a character was lost
    b"w000.000kg": None,
}
TOLEDO = bytes.fromhex("023120202020313233342020202020300D26")


@pytest.mark.parametrize("line", A12E)
def test_a12e_golden_lines(line: bytes) -> None:
    assert indicators.read_a12e(line) == A12E[line]


def test_toledo_golden_frame() -> None:
    assert indicators.toledo_check(TOLEDO[:-1]) == TOLEDO[-1]
    assert indicators.read_toledo(TOLEDO, Toledo()) is None  # by the bit map it is in pounds
    as_it_is = Toledo(unit_bit=False, places=0)
    assert indicators.read_toledo(TOLEDO, as_it_is) == Reading(Decimal(1234))
    with_parity = bytes(byte | 0x80 * (byte.bit_count() % 2) for byte in TOLEDO)
    assert indicators.read_toledo(with_parity, as_it_is) == Reading(Decimal(1234))
    for at in range(len(TOLEDO)):
        wrong = TOLEDO[:at] + bytes([TOLEDO[at] ^ 4]) + TOLEDO[at + 1 :]
        assert indicators.read_toledo(wrong, as_it_is) is None


def test_ds8_golden_frame() -> None:
    """Computed from "12 bytes, weight in bytes 2 to 7" (domain facts 7.5, F1)."""
    frame = bytes.fromhex("022B30313235363030303003")
    assert indicators.read_ds8(frame) == Reading(Decimal(12560))
    assert indicators.build_ds8(Decimal(12560)) == frame
    assert indicators.read_ds8(frame.replace(b"+", b"-")) == Reading(Decimal(-12560))


WEIGHTS = st.integers(-9_999, 99_999).map(Decimal)
READINGS = st.builds(Reading, WEIGHTS, motion=st.booleans(), over=st.booleans(), net=st.booleans())


@given(readings=st.lists(READINGS, min_size=1, max_size=8), check=st.booleans(), seed=st.integers(0, 99))
def test_toledo_tells_all_that_the_indicator_says(readings: list[Reading], check: bool, seed: int) -> None:
    stream = b"".join(indicators.build_toledo(reading, check=check) for reading in readings)
    for fault in (faults.whole, faults.bytewise):
        deframer = indicators.deframer("toledo", Toledo(check=check))
        heard = [each for part in fault(stream) for each in deframer.feed(part.data)]
        assert heard == readings
        assert deframer.skipped == 0
    assert seed >= 0


@given(weight=st.decimals(-999, 9_999, places=2) | st.integers(-99_999, 999_999).map(Decimal))
def test_toledo_and_a12e_carry_decimals(weight: Decimal) -> None:
    frame = indicators.build_toledo(Reading(weight))
    assert indicators.read_toledo(frame, Toledo()) == Reading(weight)
    assert indicators.read_a12e(indicators.build_a12e(weight).rstrip()) == Reading(weight)


@pytest.mark.parametrize("indicator", NAMES)
@given(
    weights=st.lists(WEIGHTS, min_size=1, max_size=10),
    seed=st.integers(0, 2**31),
    fault=st.sampled_from(["torn", "corrupt", "garbage"]),
)
def test_nothing_is_invented_out_of_damage(
    indicator: indicators.Name, weights: list[Decimal], seed: int, fault: str
) -> None:
    rng = random.Random(seed)
    hit = rng.randrange(len(weights))
    writes = [BUILD[indicator](Reading(weight)) for weight in weights]
    if fault == "torn":
        writes[hit] = writes[hit][: rng.randrange(1, len(writes[hit]))]
    elif fault == "corrupt":
        writes[hit] = faults.corrupt(rng, 1.0)(writes[hit])[0].data
    else:
        writes[hit] += bytes(rng.choice(b"\xff\x80\x07") for _ in range(rng.randint(1, 30))) + b"\r\n"
    deframer = indicators.deframer(indicator, Toledo())
    heard = [reading.kg for write in writes for reading in deframer.feed(write)]
    rest = weights[:hit] + weights[hit + 1 :]
    if fault == "corrupt" and indicator in UNCHECKED:
        invented = [kg for kg in heard if kg not in weights]
        assert len(invented) <= 1
    elif fault == "garbage":
        assert heard == weights
    else:
        assert _within(heard, rest) or _within(
            heard, weights
        )  # a turned parity bit or line end changes nothing


def _within(part: list[Decimal], whole: list[Decimal]) -> bool:
    left = iter(whole)
    return all(any(each == other for other in left) for each in part)


@pytest.mark.parametrize("indicator", NAMES)
@given(chunks=st.lists(st.binary(max_size=400), max_size=20))
def test_no_bytes_break_a_codec_or_fill_it(indicator: indicators.Name, chunks: list[bytes]) -> None:
    deframer = indicators.deframer(indicator, Toledo())
    for chunk in chunks:
        deframer.feed(chunk)
        assert len(deframer._held) <= LONGEST_LINE  # type: ignore[attr-defined]
    deframer.drop()
    assert deframer._held == b""  # type: ignore[attr-defined]


def test_the_tail_of_a_line_is_no_line() -> None:
    lines = Lines(bytes, headed=False)
    assert lines.feed(b"34,567\r\n1234,") == []
    assert lines.feed(b"567\r") == [b"1234,567"]
    assert lines.feed(b"\n12") == []
    lines.drop()
    assert lines.feed(b"34,567\r\n89\n") == [b"89"]
    assert lines.feed(bytes(LONGEST_LINE + 1)) == []
    assert lines.feed(b"1\n2\n") == [b"2"]


def test_unheaded_lines_begin_anew_after_a_line_that_is_too_long() -> None:
    lines = Lines(bytes, headed=True)
    assert lines.feed(b"7" * (LONGEST_LINE + 1)) == []
    assert lines.feed(b"7\n8\n") == [b"8"]
    assert lines.skipped == LONGEST_LINE + 2


# ---- devices -------------------------------------------------------------------------------------


async def with_twins(
    device: scale.Scale | weighbridge.Weighbridge,
    twins: list[ScaleTwin],
    work: Callable[[Told], Awaitable[None]],
) -> None:
    for twin in twins:
        await twin.start()
    async with running(device, *twins) as told:
        await work(told)


def two(tmp_path: Path, indicator: indicators.Name, **changes: object) -> tuple[scale.Scale, list[ScaleTwin]]:
    twins = [ScaleTwin(tmp_path / side, indicator) for side in ("left", "right")]
    left, right = (twin.line.address for twin in twins)
    settings: dict[str, object] = {
        "indicator": indicator,
        "left": left,
        "right": right,
        "wait_s": 5,
        **changes,
    }
    return scale.Scale("scale-1", scale.Config(**settings)), twins  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("indicator", NAMES)
def test_two_indicators_of_any_kind_weigh_an_axle(indicator: indicators.Name, tmp_path: Path) -> None:
    front, rear = physics.wheel_loads(sound_car(1, 0, 1, ("a",)))

    async def work(_told: Told) -> None:
        for axle, loads in enumerate((front, rear), 1):
            for twin, kg in zip(twins, loads, strict=True):
                twin.stand(kg)
            weighed = await device.measure("lane-1", "brake", f"B{axle}", axle)
            assert weighed == AxleWeighed(
                lane="lane-1",
                station="brake",
                device="scale-1",
                axle=axle,
                left_kg=loads[0],
                right_kg=loads[1],
            )

    device, twins = two(tmp_path, indicator)
    twins[0].line.fault = faults.corrupt(random.Random(3), 0.02)
    twins[1].line.fault = faults.bytewise
    asyncio.run(with_twins(device, twins, work))


REFUSED: dict[str, tuple[str, dict[str, object]]] = {
    "in motion": ("not at rest within 1.5 s .*in motion", {"wait_s": 1.5}),
    "over": ("not at rest within 1 s .*over capacity", {"wait_s": 1}),
    "net": ("net: clear the tare", {"wait_s": 1}),
    "beyond": ("scale-1: 5000 kg is beyond 4000 kg", {"capacity_kg": 4000}),
    "silent": ("nothing for 2 s", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED)
def test_what_the_indicator_itself_doubts_is_no_weight(case: str, tmp_path: Path) -> None:
    why, changes = REFUSED[case]

    async def work(_told: Told) -> None:
        twin.stand(5000)
        asking = asyncio.create_task(device.measure("lane-1", "weigh", "B1", 1))
        if case == "in motion":
            for _ in range(18):
                await asyncio.sleep(0.1)
                twin.stand(5000)
        if case == "silent":
            twin.line.fault = faults.silent
        with pytest.raises(MeasureError, match=why):
            await asking
        twin.line.fault, twin.tared = faults.whole, False
        twin.stand(600)
        weighed = await device.measure("lane-1", "weigh", "B1", 1)
        assert (weighed.left_kg, weighed.right_kg, weighed.wheels) == (600, 0, 1)

    twin = ScaleTwin(tmp_path / "one", "toledo", capacity_kg=4500 if case == "over" else 9000)
    twin.tared = case == "net"
    config = scale.Config(indicator="toledo", platform=twin.line.address, **changes)  # type: ignore[arg-type]
    device = scale.Scale("scale-1", config)
    asyncio.run(with_twins(device, [twin], work))


@pytest.mark.slow
def test_a_weighing_that_is_broken_off_leaves_nothing_behind(tmp_path: Path) -> None:
    async def work(_told: Told) -> None:
        twins[0].stand(400)
        asking = asyncio.create_task(device.measure("lane-1", "weigh", "B1", 1))
        await asyncio.sleep(0.3)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        for twin in twins:
            twin.stand(300)
        weighed = await device.measure("lane-1", "weigh", "B2", 2)
        assert (weighed.left_kg, weighed.right_kg) == (300, 300)

    device, twins = two(tmp_path, "xk3190-a9")
    asyncio.run(with_twins(device, twins, work))


def bridge(tmp_path: Path, **changes: object) -> tuple[weighbridge.Weighbridge, ScaleTwin]:
    twin = ScaleTwin(tmp_path / "bridge", "toledo")
    settings: dict[str, object] = {
        "indicator": "toledo",
        "address": twin.line.address,
        "wait_s": 5,
        **changes,
    }
    return weighbridge.Weighbridge("bridge-1", weighbridge.Config(**settings)), twin  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_weighbridge_weighs_the_vehicle_after_it_was_empty(tmp_path: Path) -> None:
    kg = physics.kerb_mass(sound_car(2, 0, 1, ("a",)))

    async def work(_told: Told) -> None:
        twin.zero = Decimal(4)
        await asyncio.sleep(0.5)
        twin.stand(kg)
        measured = await device.measure("lane-1", "mass", "Z1", 0)
        assert measured == KerbMassMeasured(
            lane="lane-1", station="mass", device="bridge-1", item="Z1", mass_kg=kg + 4
        )
        assert (await device.measure("lane-1", "mass", "Z1", 0)).mass_kg == kg + 4  # once more, still on

    device, twin = bridge(tmp_path)
    asyncio.run(with_twins(device, [twin], work))


@pytest.mark.slow
def test_a_weighbridge_that_was_not_at_zero_is_not_believed(tmp_path: Path) -> None:
    async def work(told: Told) -> None:
        with pytest.raises(MeasureError, match="nobody saw the empty bridge at zero; drive off"):
            await device.measure("lane-1", "mass", "Z1", 0)
        twin.zero = Decimal(40)
        twin.stand(None)
        await asyncio.sleep(0.6)
        twin.stand(1500)
        with pytest.raises(MeasureError, match="the empty bridge showed 40 kg; drive off"):
            await device.measure("lane-1", "mass", "Z1", 0)
        twin.zero = Decimal(0)
        twin.stand(None)
        await asyncio.sleep(0.6)
        await twin.stop()
        await told.count(Health, 2)
        twin.stand(1500)
        await twin.start()
        await told.count(Health, 3)
        with pytest.raises(MeasureError, match="nobody saw the empty bridge"):
            await device.measure("lane-1", "mass", "Z1", 0)

    device, twin = bridge(tmp_path)

    async def main() -> None:
        twin.stand(1500)
        await with_twins(device, [twin], work)

    asyncio.run(main())

"""Plate brake tester and raw brake channels: frames, what a braking is, both with every fault."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import brake_analog, brake_plate, brake_plate_jx, jx
from firmware_bridge.devices.brake_analog import AnalogLines, AnalogRing, Raw
from firmware_bridge.devices.brake_plate import BrakePlate, Ended, Sample
from firmware_bridge.devices.brake_plate_jx import BrakePlateJx
from firmware_bridge.devices.braking import Braked, Braking, Channel, Forces, NotBraked, Shape, force
from firmware_bridge.virtual import faults, physics
from firmware_bridge.virtual.fleet import sound_car
from firmware_bridge.virtual.physics import BrakeTrace, PlateTrace
from firmware_bridge.virtual.twin_analog import AnalogTwin
from firmware_bridge.virtual.twin_plate import PlateTwin
from firmware_bridge.virtual.twin_plate_jx import PlateJxTwin
from lanes.brakes import brake_problem
from tests.bridge_parts import Told, running

Source = Literal["lines", "checked", "ring"]
SOURCES: tuple[Source, ...] = get_args(Source)
CAR = sound_car(7, 0, 1, ("a",))


# ---- frames --------------------------------------------------------------------------------------


def test_plate_frames_are_as_documented() -> None:
    sample = Sample(7, 120, 98, 412, 405)
    frame = brake_plate.build_sample(sample)
    assert frame == b"A\x18P0007 120  98 412 405" + frame[-1:]
    assert sum(frame) & 0xFF == 0
    (whole,) = jx.Deframer().feed(frame)
    assert brake_plate.read_sample(whole) == sample
    assert brake_plate.read_sample(jx.Frame(brake_plate.SAMPLE, b"0007 120  98 412 4x5")) is None
    assert brake_plate.read_sample(jx.Frame(brake_plate.SAMPLE, b"0007 120  98 412")) is None
    assert brake_plate.read_sample(jx.Frame(0x53, whole.body)) is None
    assert brake_plate.start("B1") == bytes.fromhex("410666 42 31 E0".replace(" ", ""))
    ends = {b"0300EEEE": None, b"0300PASS": "pass", b"0300FAIL": "fail"}
    for body, verdict in ends.items():
        assert brake_plate.read_end(jx.Frame(0x45, body)) == Ended(300, verdict)  # type: ignore[arg-type]
    assert brake_plate.read_end(jx.Frame(0x45, b"0300xxxx")) is None
    assert brake_plate.read_end(jx.Frame(0x50, b"0300EEEE")) is None


RAWS = st.builds(Raw, st.integers(0, 9999), st.integers(-32_768, 32_767), st.integers(-32_768, 32_767))


@given(raw=RAWS, at=st.integers(0, 40), bit=st.integers(0, 7))
def test_lines_of_samples(raw: Raw, at: int, bit: int) -> None:
    plain = raw._replace(number=None)
    assert brake_analog.read_line(brake_analog.build_line(plain).rstrip(), checked=False) == plain
    line = brake_analog.build_line(raw).rstrip()
    assert brake_analog.read_line(line, checked=True) == raw
    assert brake_analog.read_line(line, checked=False) is None
    at %= len(line)
    assert (
        brake_analog.read_line(line[:at] + bytes([line[at] ^ 1 << bit]) + line[at + 1 :], checked=True)
        is None
    )


def test_a_line_by_hand() -> None:
    assert brake_analog.build_line(Raw(7, 412, -3)) == b"7,412,-3*1E\r\n"
    for wrong in (b"", b"*00", b"1,2", b"1,2,3", b"1,2,3*", b"7,412,-3*29", b"7,412*1E"):
        assert brake_analog.read_line(wrong, checked=True) is None
    for wrong in (b"", b"1", b"1,", b"1,2,3", b"123456,1", b"1.5,2"):
        assert brake_analog.read_line(wrong, checked=False) is None


@given(last=st.integers(0, 65_535), new=st.integers(0, 6), pairs=st.integers(2, 5), seed=st.integers(0, 99))
def test_a_ring_tells_what_is_new_or_that_some_is_lost(last: int, new: int, pairs: int, seed: int) -> None:
    rng = random.Random(seed)
    samples = [(rng.randint(-9, 9), rng.randint(-9, 9)) for _ in range(pairs)]
    counter = (last + new) % 65_536
    block = [counter, *(count % 65_536 for pair in samples for count in pair)]
    if new > pairs:
        with pytest.raises(NotBraked, match=f"{new - pairs} samples were lost"):
            brake_analog.read_ring(block, last)
        return
    told, raws = brake_analog.read_ring(block, last)
    assert told == counter
    assert [(raw.left, raw.right) for raw in raws] == samples[pairs - new :]
    assert [raw.number for raw in raws] == [(last + 1 + n) % 65_536 for n in range(new)]
    assert brake_analog.read_ring(block, None) == (counter, [])


# ---- what a braking is ---------------------------------------------------------------------------


def test_a_channel_is_calibrated_in_decimals() -> None:
    channel = Channel(zero=Decimal("102.5"), scale=Decimal("0.25"))
    assert force(512, channel, Shape()) == 102  # 102.375
    assert force(90, channel, Shape()) == 0  # −3.1, noise
    with pytest.raises(NotBraked, match="-24 daN is below zero: set the zero"):
        force(5, channel, Shape())


def fed(trace: list[Forces], shape: Shape = Shape()) -> Braked | None:  # noqa: B008 (frozen)
    braking = Braking(shape, 10)
    for at, sample in enumerate(trace, 1):
        braked = braking.take(sample)
        if braked is not None:
            assert at >= len(braked.curve)
            return braked
    return None


def flat(forces: tuple[int, int], count: int) -> list[Forces]:
    return [Forces(*forces)] * count


def test_drag_curve_and_end_of_a_braking() -> None:
    still, free = flat((0, 0), 30), flat((12, 14), 40)
    up = [Forces(12 + 8 * n, 14 + 7 * n) for n in range(40)]
    down = up[::-1]
    trace = still + free + up + down + flat((0, 0), 40)
    braked = fed(trace)
    assert braked is not None
    assert braked.drag == (12, 14)
    assert max(left for left, _ in braked.curve) == 12 + 8 * 39
    # it begins with the drag, 20 samples, and ends when both have been below 60 daN for 20 samples
    begins = 30 + 40 - 20 + 1  # the first sample of the rise still lies within 6 daN
    assert braked.curve == trace[begins : begins + len(braked.curve)]
    assert max(braked.curve[-20]) <= 60 < max(braked.curve[-21])


REFUSED_TRACES = {
    "no drag": (
        flat((0, 0), 50) + [Forces(5 * n, 5 * n) for n in range(30)],
        "braked before the wheels turned",
    ),
    "a jump": (flat((12, 12), 30) + flat((400, 400), 2), "a force jumped by more than 300 daN"),
}


@pytest.mark.parametrize("case", REFUSED_TRACES)
def test_samples_that_are_no_braking_are_refused(case: str) -> None:
    trace, why = REFUSED_TRACES[case]
    with pytest.raises(NotBraked, match=why):
        fed(trace)


def test_wheels_that_are_never_braked_give_nothing() -> None:
    assert fed(flat((12, 14), 500)) is None


@given(seed=st.integers(0, 500), item=st.sampled_from(["B1", "B2", "B0"]))
def test_every_sound_car_brakes_as_the_physics_say(seed: int, item: str) -> None:
    car = sound_car(seed, 0, 1, ("a",))
    trace = physics.brake_curve(car, item)
    braked = fed([Forces(0, 0)] * 30 + _forces(trace) + [Forces(0, 0)] * 30)
    assert braked is not None
    assert max(left for left, _ in braked.curve) == max(trace.left_dan)
    assert max(right for _, right in braked.curve) == max(trace.right_dan)
    for told, true in zip(braked.drag, physics.drags(car, 1 if item == "B1" else 2), strict=True):
        assert abs(told - true) <= 4  # the pedal begins gently, within what counts as flat


def _forces(trace: BrakeTrace) -> list[Forces]:
    return [Forces(*pair) for pair in zip(trace.left_dan, trace.right_dan, strict=True)]


# ---- plates --------------------------------------------------------------------------------------


async def with_plates(
    twin: PlateTwin, work: Callable[[BrakePlate, Told], Awaitable[None]], **changes: Any
) -> None:
    settings = {"address": twin.line.address, "wait_s": 3.0, "brake_timeout_s": 3.0, **changes}
    await twin.start()
    bench = BrakePlate("plate-1", brake_plate.Config(**settings))
    async with running(bench, twin) as told:
        await work(bench, told)


@pytest.mark.slow
def test_a_stop_on_the_plates_yields_forces_loads_and_the_benchs_opinion(tmp_path: Path) -> None:
    async def work(bench: BrakePlate, _told: Told) -> None:
        twin.stand(lambda item: physics.plate_curve(CAR, item))
        twin.line.fault = faults.bytewise
        for axle, opinion, verdict in ((1, b"FAIL", "fail"), (2, b"PASS", "pass"), (2, b"EEEE", None)):
            twin.opinion, trace = opinion, physics.plate_curve(CAR, f"B{axle}")
            measured = await bench.measure("lane-1", "plates", f"B{axle}", axle)
            assert measured.bench == "plate"
            assert measured.bench_verdict == verdict
            assert measured.curve.left_dan == trace.left_dan
            assert measured.curve.right_dan == trace.right_dan
            assert measured.curve.left_load_kg == trace.left_kg
            assert measured.curve.right_load_kg == trace.right_kg
            assert measured.pedal_ms == trace.pedal * 10
            assert (measured.left_max_dan, measured.right_max_dan) == (
                max(trace.left_dan),
                max(trace.right_dan),
            )
            assert brake_problem(measured) is None

    twin = PlateTwin(tmp_path / "plate")
    asyncio.run(with_plates(twin, work))


def numbered(number: int) -> Callable[[bytes], bool]:
    return lambda sent: sent[2] == brake_plate.SAMPLE and sent[3:7] == b"%04d" % number


def kind(code: int) -> Callable[[bytes], bool]:
    return lambda sent: sent[2] == code


PLATE_FAULTS: dict[str, tuple[faults.Fault, str]] = {
    "silent": (faults.silent, "start: acknowledgement: nothing"),
    "torn": (faults.once(numbered(9), faults.torn(random.Random(1), 1.0)), "bytes of the curve were damaged"),
    "corrupt": (
        faults.once(numbered(9), faults.corrupt(random.Random(2), 1.0)),
        "bytes of the curve were damaged",
    ),
    "lost": (faults.once(numbered(9), faults.silent), "sample 9 of the curve was lost"),
    "the end lost": (faults.once(kind(0x45), faults.silent), "curve: (nothing|frames come)"),
    "late": (faults.once(numbered(9), faults.late(0.2)), "sample 9 of the curve was lost"),
    "foreign": (
        faults.once(numbered(9), lambda sent: [faults.Part(jx.build(0x44, b"12"))]),
        "frame 44 in the middle of the curve",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", PLATE_FAULTS)
def test_a_damaged_stop_is_none_and_the_next_one_is_good(case: str, tmp_path: Path) -> None:
    fault, why = PLATE_FAULTS[case]

    async def work(bench: BrakePlate, _told: Told) -> None:
        twin.stand(lambda _item: physics.plate_curve(CAR, "B1"))
        twin.line.fault = fault
        with pytest.raises(MeasureError, match=f"plate-1: .*{why}"):
            await bench.measure("lane-1", "plates", "B1", 1)
        twin.line.fault = faults.whole
        twin.stand(lambda _item: physics.plate_curve(CAR, "B2"))
        measured = await bench.measure("lane-1", "plates", "B2", 2)
        assert measured.curve.left_dan == physics.plate_curve(CAR, "B2").left_dan
        assert twin.stopped == 1

    twin = PlateTwin(tmp_path / "plate")
    asyncio.run(with_plates(twin, work))


def stop(top: int, count: int = 40, kg: int = 400) -> PlateTrace:
    dan = tuple(min(top, 2 + n * 20) for n in range(count))
    return PlateTrace(left_dan=dan, right_dan=dan, left_kg=(kg,) * count, right_kg=(kg,) * count, pedal=3)


REFUSED_STOPS = {
    "force": (stop(700), {"capacity_dan": 600}, "700 daN is beyond 600 daN"),
    "load": (stop(300, kg=1200), {"capacity_kg": 1000}, "1200 kg is beyond 1000 kg"),
    "short": (stop(300, 20), {}, "20 samples, 30 are the least"),
    "rolled over": (stop(20), {}, "at most 20 daN: the vehicle did not brake on the plates"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED_STOPS)
def test_a_stop_out_of_bounds_is_refused(case: str, tmp_path: Path) -> None:
    trace, changes, why = REFUSED_STOPS[case]

    async def work(bench: BrakePlate, _told: Told) -> None:
        with pytest.raises(MeasureError, match="curve: nothing for "):
            await bench.measure("lane-1", "plates", "B1", 1)
        twin.stand(lambda _item: trace)
        with pytest.raises(MeasureError, match=why):
            await bench.measure("lane-1", "plates", "B1", 1)

    twin = PlateTwin(tmp_path / "plate")
    asyncio.run(with_plates(twin, work, wait_s=1.0, **changes))


@pytest.mark.slow
def test_a_broken_off_stop_stops_the_bench(tmp_path: Path) -> None:
    async def work(bench: BrakePlate, _told: Told) -> None:
        twin.stand(lambda _item: stop(300, 200))
        asking = asyncio.create_task(bench.measure("lane-1", "plates", "B1", 1))
        await asyncio.sleep(0.5)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        twin.stand(lambda _item: stop(200))
        measured = await bench.measure("lane-1", "plates", "B1", 1)
        assert (measured.left_max_dan, twin.stopped) == (200, 1)

    twin = PlateTwin(tmp_path / "plate")
    asyncio.run(with_plates(twin, work))


# ---- plates of 江新 ------------------------------------------------------------------------------

# F1, linzewu/veh, driver JXPB13
PLATE_COMMANDS = {0x52: "41045269", 0x62: "41046259", 0x64: "41046457", 0x51: "4104516A", 0x48: "41044873"}
PLATE_COMMANDS |= {0x53: "41045368", 0x45: "41044576", 0x46: "41044675", 0x55: "41045566", 0x54: "41045467"}


def test_plate_commands_are_those_the_makers_program_sends() -> None:
    for code, frame in PLATE_COMMANDS.items():
        assert jx.build(code).hex().upper() == frame
    assert jx.build(brake_plate_jx.CHOOSE, brake_plate_jx.ITEMS["B1"].flags)[:3].hex().upper() == "41086B"
    (answer,) = jx.Deframer().feed(jx.build(0x51, b" 312 298" * 5))
    assert (len(answer.body), brake_plate_jx.read_pair(answer.body)) == (40, (312, 298))


def test_a_curve_without_frame() -> None:
    body = b"  12  14 312 298   0   0".ljust(brake_plate_jx.CURVE_SIZE)
    assert brake_plate_jx.read_curve(body) == [(12, 14), (312, 298), (0, 0)]
    assert brake_plate_jx.read_curve(b" " * brake_plate_jx.CURVE_SIZE) == []
    assert brake_plate_jx.read_curve(b"  12  14".ljust(16) + b"   1   2") is None
    assert brake_plate_jx.read_curve(b"  12  1x" + body[8:]) is None


@given(before=st.binary(max_size=60), body=st.binary(min_size=1536, max_size=1536), size=st.integers(1, 700))
def test_a_curve_is_the_bytes_that_follow_its_command(before: bytes, body: bytes, size: int) -> None:
    deframer, stream = brake_plate_jx.Deframer(), body + jx.build(0x37)
    deframer.feed(before)
    deframer.drop()
    deframer.expect_curve()
    heard = [each for at in range(0, len(stream), size) for each in deframer.feed(stream[at : at + size])]
    assert heard == [jx.Frame(brake_plate_jx.CURVE, body), jx.Frame(0x37, b"")]
    deframer.expect_curve()
    deframer.feed(body[:-1])
    deframer.drop()
    assert deframer.feed(jx.build(0x37)) == [jx.Frame(0x37, b"")]


async def with_jx_plates(
    twin: PlateJxTwin, work: Callable[[BrakePlateJx], Awaitable[None]], **changes: Any
) -> None:
    settings = {"address": twin.line.address, "wait_s": 2.0, "reset_s": 0.0, "pause_ms": 20, **changes}
    await twin.start()
    bench = BrakePlateJx("plate-1", brake_plate_jx.Config(**settings))
    async with running(bench, twin):
        await work(bench)


@pytest.mark.slow
def test_a_stop_on_the_plates_of_jx_is_fetched_after_it(tmp_path: Path) -> None:
    async def work(bench: BrakePlateJx) -> None:
        twin.stand(lambda item: physics.plate_curve(CAR, item if item != "B0" else "B2"))
        twin.line.fault = faults.bytewise
        for axle, item in ((1, "B1"), (2, "B2"), (2, "B0")):
            trace = physics.plate_curve(CAR, "B1" if axle == 1 else "B2")
            measured = await bench.measure("lane-1", "plates", item, axle)
            assert (measured.left_max_dan, measured.right_max_dan) == (
                max(trace.left_dan),
                max(trace.right_dan),
            )
            assert measured.curve.left_dan == (trace.left_dan if item != "B0" else ())
            assert measured.curve.right_load_kg == (trace.right_kg if item != "B0" else ())
            assert brake_problem(measured) is None
        with pytest.raises(MeasureError, match="plate-1: B3 is not measured here: only B1, B2, B0"):
            await bench.measure("lane-1", "plates", "B3", 3)

    twin = PlateJxTwin(tmp_path / "plate")
    asyncio.run(with_jx_plates(twin, work))


def curve(fault: faults.Fault) -> faults.Fault:
    """The fault for the first curve; all else arrives."""
    return faults.once(lambda sent: len(sent) == brake_plate_jx.CURVE_SIZE, fault)


def beheaded(sent: bytes) -> list[faults.Part]:
    return [faults.Part(b"0999" + sent[4:])]


JX_PLATE_FAULTS: dict[str, tuple[faults.Fault, str]] = {
    "silent": (faults.silent, "brake: nothing for"),
    "maxima lost": (faults.once(kind(0x51), faults.silent), "maxima: nothing for"),
    "maxima corrupt": (faults.once(kind(0x51), faults.corrupt(random.Random(1), 1.0)), "maxima: nothing for"),
    "a curve torn": (curve(lambda sent: [faults.Part(sent[:900])]), "curve: nothing for"),
    "a curve corrupt": (curve(beheaded), "a curve was damaged"),
    "a curve late": (curve(faults.late(3.2)), "curve: nothing for"),
    "another curve": (
        lambda sent: beheaded(sent) if len(sent) == 1536 else faults.whole(sent),
        "by the curve",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", JX_PLATE_FAULTS)
def test_damaged_plates_of_jx_give_nothing_and_the_next_stop_is_good(case: str, tmp_path: Path) -> None:
    fault, why = JX_PLATE_FAULTS[case]

    async def work(bench: BrakePlateJx) -> None:
        twin.stand(lambda item: physics.plate_curve(CAR, item))
        twin.line.fault = fault
        with pytest.raises(MeasureError, match=f"plate-1: .*{why}"):
            await bench.measure("lane-1", "plates", "B1", 1)
        twin.line.fault = faults.whole
        measured = await bench.measure("lane-1", "plates", "B2", 2)
        assert measured.curve.left_dan == physics.plate_curve(CAR, "B2").left_dan

    twin = PlateJxTwin(tmp_path / "plate")
    asyncio.run(with_jx_plates(twin, work))


@pytest.mark.slow
def test_plates_of_jx_without_a_vehicle_and_a_test_that_is_broken_off(tmp_path: Path) -> None:
    async def work(bench: BrakePlateJx) -> None:
        with pytest.raises(MeasureError, match=r"plate-1: brake: (nothing|frames come)"):
            await bench.measure("lane-1", "plates", "B1", 1)
        twin.stand(lambda _item: stop(20))
        with pytest.raises(MeasureError, match="at most 20 daN: the vehicle did not brake"):
            await bench.measure("lane-1", "plates", "B1", 1)
        twin.stand(lambda _item: stop(700))
        with pytest.raises(MeasureError, match="700 daN is beyond 600 daN"):
            await bench.measure("lane-1", "plates", "B1", 1)
        before = twin.resets
        asking = asyncio.create_task(bench.measure("lane-1", "plates", "B1", 1))
        await asyncio.sleep(0.2)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert twin.resets == before + 2
        twin.stand(lambda _item: stop(300))
        assert (await bench.measure("lane-1", "plates", "B1", 1)).left_max_dan == 300

    twin = PlateJxTwin(tmp_path / "plate")
    asyncio.run(with_jx_plates(twin, work, capacity_dan=600))


# ---- raw channels --------------------------------------------------------------------------------


async def with_channels(
    twin: AnalogTwin,
    samples: Source,
    work: Callable[[AnalogLines | AnalogRing], Awaitable[None]],
    **changes: Any,
) -> None:
    await twin.start()
    channel = Channel(zero=Decimal(100), scale=Decimal("0.25"))
    settings = {
        "address": twin.address,
        "samples": samples,
        "left": channel,
        "right": channel,
        "wait_s": 3.0,
        "gap_ms": 200,
        **changes,
    }
    bench = brake_analog.build("brake-1", brake_analog.Config(**settings))
    assert isinstance(bench, AnalogLines | AnalogRing)
    async with running(bench, twin):
        await work(bench)


async def braked(bench: AnalogLines | AnalogRing, twin: AnalogTwin, item: str) -> None:
    """A braking of the car is measured as it was."""
    trace = physics.brake_curve(CAR, item)
    asking = asyncio.create_task(bench.measure("lane-1", "brake", item, 1 if item == "B1" else 2))
    await asyncio.sleep(0.8)
    twin.brake(trace)
    measured = await asking
    assert (measured.left_max_dan, measured.right_max_dan) == (max(trace.left_dan), max(trace.right_dan))
    assert measured.left_drag_dan is not None
    assert abs(measured.left_drag_dan - physics.drags(CAR, 1 if item == "B1" else 2)[0]) <= 4
    assert brake_problem(measured) is None
    last = max(at for at, pair in enumerate(_forces(trace)) if max(pair) > 60)
    whole = [pair for pair in measured.curve.left_dan if pair > 60]
    assert whole == [dan for dan in trace.left_dan[: last + 1] if dan > 60]


@pytest.mark.slow
@pytest.mark.parametrize("samples", SOURCES)
def test_raw_samples_are_integrated_to_a_braking(samples: Source, tmp_path: Path) -> None:
    async def work(bench: AnalogLines | AnalogRing) -> None:
        if samples != "ring":
            twin.line.fault = faults.bytewise
        await braked(bench, twin, "B1")
        await braked(bench, twin, "B2")

    twin = AnalogTwin(tmp_path / "channels", samples)
    asyncio.run(with_channels(twin, samples, work))


@pytest.mark.slow
@pytest.mark.parametrize("samples", SOURCES)
def test_channels_that_rest_and_tests_that_are_broken_off(samples: Source, tmp_path: Path) -> None:
    async def work(bench: AnalogLines | AnalogRing) -> None:
        with pytest.raises(MeasureError, match=r"brake-1: nobody braked within 2 s"):
            await bench.measure("lane-1", "brake", "B1", 1)
        asking = asyncio.create_task(bench.measure("lane-1", "brake", "B1", 1))
        twin.brake(physics.brake_curve(CAR, "B1"))
        await asyncio.sleep(0.5)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        twin.release()
        twin.frozen = True
        await asyncio.sleep(0.1)
        with pytest.raises(MeasureError, match=r"brake-1: (samples: nothing for 1 s|no new samples for 1 s)"):
            await bench.measure("lane-1", "brake", "B1", 1)
        twin.frozen = False
        await braked(bench, twin, "B2")

    twin = AnalogTwin(tmp_path / "channels", samples)
    asyncio.run(with_channels(twin, samples, work, wait_s=2.0))


def nth(number: int, fault: faults.Fault) -> faults.Fault:
    """The fault for one write, so many after this one."""
    seen = 0

    def apply(sent: bytes) -> list[faults.Part]:
        nonlocal seen
        seen += 1
        return fault(sent) if seen == number else faults.whole(sent)

    return apply


LINE_FAULTS: dict[str, tuple[Source, faults.Fault, str]] = {
    "lost": ("checked", nth(100, faults.silent), r"a sample was lost after number \d+"),
    "torn": ("checked", nth(100, lambda sent: [faults.Part(sent[:5])]), "bytes of the samples were damaged"),
    "corrupt": (
        "checked",
        nth(100, faults.corrupt(random.Random(3), 1.0)),
        "bytes of the samples were damaged",
    ),
    "garbage": (
        "lines",
        nth(100, lambda sent: [faults.Part(b"\xff\xfe," + sent)]),
        "bytes of the samples were damaged",
    ),
    "a wrong digit": (
        "lines",
        nth(100, lambda _: [faults.Part(b"9999,100\r\n")]),
        "a force jumped by more than",
    ),
    "below zero": ("lines", nth(100, lambda _: [faults.Part(b"-999,100\r\n")]), "is below zero"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LINE_FAULTS)
def test_damaged_samples_are_no_braking_and_the_next_one_is_good(case: str, tmp_path: Path) -> None:
    samples, fault, why = LINE_FAULTS[case]

    async def work(bench: AnalogLines | AnalogRing) -> None:
        asking = asyncio.create_task(bench.measure("lane-1", "brake", "B1", 1))
        await asyncio.sleep(0.3)
        twin.line.fault = fault
        twin.brake(physics.brake_curve(CAR, "B1"))
        with pytest.raises(MeasureError, match=f"brake-1: .*{why}"):
            await asking
        twin.line.fault = faults.whole
        twin.release()
        await braked(bench, twin, "B2")

    twin = AnalogTwin(tmp_path / "channels", samples)
    asyncio.run(with_channels(twin, samples, work))


@pytest.mark.slow
def test_lost_lines_without_numbers_show_in_the_pace(tmp_path: Path) -> None:
    async def work(bench: AnalogLines | AnalogRing) -> None:
        asking = asyncio.create_task(bench.measure("lane-1", "brake", "B1", 1))
        await asyncio.sleep(0.3)
        trace = physics.brake_curve(CAR, "B1")
        top = trace.left_dan.index(max(trace.left_dan))
        written = 0

        def losing(sent: bytes) -> list[faults.Part]:
            nonlocal written
            written += 1
            return [] if top <= written < top + 35 else faults.whole(sent)

        twin.line.fault = losing
        twin.brake(trace)
        with pytest.raises(MeasureError, match=r"samples for about \d+ ms were lost|jumped by more than"):
            await asking

    twin = AnalogTwin(tmp_path / "channels", "lines")
    asyncio.run(with_channels(twin, "lines", work, gap_ms=100))


@pytest.mark.slow
def test_a_ring_that_is_read_too_seldom_or_refuses_gives_nothing(tmp_path: Path) -> None:
    async def work(bench: AnalogLines | AnalogRing) -> None:
        with pytest.raises(MeasureError, match=r"brake-1: \d+ samples were lost: read the ring more often"):
            await bench.measure("lane-1", "brake", "B1", 1)
        twin.tables.fault = 4
        with pytest.raises(MeasureError, match=r"brake-1: .*exception code 4"):
            await bench.measure("lane-1", "brake", "B1", 1)

    twin = AnalogTwin(tmp_path / "channels", "ring")
    asyncio.run(with_channels(twin, "ring", work, every_ms=600))

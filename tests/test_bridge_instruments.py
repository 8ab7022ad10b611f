"""Instruments against their twins on real pty lines, with everything that goes wrong on a line."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices import brake_roller, indicators, jx, scale_xk3190, side_slip, wheel_load
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_brake import BrakeTwin
from firmware_bridge.virtual.twin_line import PtyLine
from firmware_bridge.virtual.twin_slip import SlipTwin
from firmware_bridge.virtual.twin_wheel import WheelTwin
from lanes.record import BrakeMeasured
from tests.bridge_parts import Told, Trace, end, ramp

pytestmark = pytest.mark.slow


def brake_config(twin: BrakeTwin, **changes: object) -> brake_roller.Config:
    settings: dict[str, object] = {
        "address": twin.line.address,
        "frames": "numbered",
        "lift_s": 0.0,
        "drag_timeout_s": 1.0,
        "brake_timeout_s": 5.0,
        "simulated": True,
    }
    return brake_roller.Config(**{**settings, **changes})  # type: ignore[arg-type]


async def with_bench(
    twin: BrakeTwin,
    work: Callable[[brake_roller.BrakeRoller, Told], Awaitable[None]],
    **changes: object,
) -> None:
    await twin.start()
    bench, told = brake_roller.BrakeRoller("brake-1", brake_config(twin, **changes)), Told()
    task = asyncio.create_task(bench.run(told))
    try:
        await told.count(Health, 1)
        await work(bench, told)
    finally:
        await end(task)
        await twin.stop()


@pytest.mark.parametrize("frames", ["jx", "numbered"])
def test_a_brake_test_yields_the_whole_curve(frames: str, tmp_path: Path) -> None:
    async def work(bench: brake_roller.BrakeRoller, told: Told) -> None:
        items: list[str] = []
        traces = {"B1": ramp(320), "B0": ramp(150), "": ramp(320)}

        def trace_for(item: str) -> Trace:
            items.append(item)
            return traces[item]

        twin.stand(trace_for)
        measured = await bench.measure("lane-1", "brake", "B1", 1)
        assert measured == BrakeMeasured(
            lane="lane-1",
            station="brake",
            device="brake-1",
            item="B1",
            axle=1,
            left_max_dan=320,
            right_max_dan=288,
            left_drag_dan=8,
            right_drag_dan=7,
            curve=measured.curve,
        )
        assert measured.curve.left_dan == traces["B1"].left_dan
        assert measured.curve.right_dan == traces["B1"].right_dan
        assert measured.curve.interval_ms == 10
        if frames == "numbered":
            assert (await bench.measure("lane-1", "brake", "B0", 2)).left_max_dan == 150
            assert items == ["B1", "B0"]
        await bench.zero()
        assert told.of(Health) == [Health(state="ok")]
        assert bench.source == "virtual+serial://brake-1"

    twin = BrakeTwin(tmp_path / "brake", frames=frames)  # type: ignore[arg-type]
    asyncio.run(with_bench(twin, work, frames=frames))


def sample(number: int) -> Callable[[bytes], bool]:
    return lambda write: write[2] == brake_roller.SAMPLE and write[3:7] == b"%04d" % number


def kind(code: int) -> Callable[[bytes], bool]:
    return lambda write: write[2] == code


DAMAGE = {
    "torn": (faults.torn(random.Random(1), 1.0), sample(27), "damaged"),
    "corrupt": (faults.corrupt(random.Random(2), 1.0), sample(27), "damaged"),
    "a lost sample": (faults.silent, sample(27), "sample 27 of the curve was lost"),
    "the first sample lost": (faults.silent, sample(1), "sample 1 of the curve was lost"),
    "the last sample lost": (faults.silent, sample(80), "sample 80 of the curve was lost"),
    "the end lost": (faults.silent, kind(brake_roller.END), "curve: nothing"),
    "the start unanswered": (faults.silent, kind(jx.START_TEST), "start: acknowledgement: nothing"),
    "the maxima lost": (faults.silent, kind(jx.FETCH), "maxima: nothing"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_curve_is_no_measurement_and_the_next_one_is_good(case: str, tmp_path: Path) -> None:
    fault, fits, why = DAMAGE[case]

    async def work(bench: brake_roller.BrakeRoller, _told: Told) -> None:
        twin.stand(lambda _item: ramp(300))
        twin.line.fault = faults.once(fits, fault)
        with pytest.raises(MeasureError, match=why):
            await bench.measure("lane-1", "brake", "B1", 1)
        twin.line.fault = faults.whole
        measured = await bench.measure("lane-1", "brake", "B1", 1)
        assert measured.curve.left_dan == ramp(300).left_dan

    twin = BrakeTwin(tmp_path / "brake")
    asyncio.run(with_bench(twin, work, brake_timeout_s=2.0))


def test_without_numbers_lost_samples_show_in_the_pace(tmp_path: Path) -> None:
    async def work(bench: brake_roller.BrakeRoller, _told: Told) -> None:
        twin.stand(lambda _item: ramp(300, 200))
        written = -1

        def losing(sent: bytes) -> list[faults.Part]:
            nonlocal written
            written += 1
            return [] if 60 <= written < 90 else faults.whole(sent)

        twin.line.fault = losing
        with pytest.raises(MeasureError, match=r"samples for about \d+ ms were lost"):
            await bench.measure("lane-1", "brake", "B1", 1)

    twin = BrakeTwin(tmp_path / "brake", frames="jx")
    asyncio.run(with_bench(twin, work, frames="jx"))


REFUSED = {
    "too short": (ramp(300, 20), {}, "20 samples, 50 are the least"),
    "beyond capacity": (ramp(700), {"capacity_dan": 600}, "left 700 daN is beyond 600 daN"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_measurement_out_of_bounds_is_refused(case: str, tmp_path: Path) -> None:
    trace, changes, why = REFUSED[case]

    async def work(bench: brake_roller.BrakeRoller, _told: Told) -> None:
        twin.stand(lambda _item: trace)
        with pytest.raises(MeasureError, match=why):
            await bench.measure("lane-1", "brake", "B1", 1)

    twin = BrakeTwin(tmp_path / "brake")
    asyncio.run(with_bench(twin, work, **changes))


def test_a_bench_that_contradicts_its_curve_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(bench: brake_roller.BrakeRoller, _told: Told) -> None:
        twin.stand(lambda _item: ramp(300))
        monkeypatch.setattr("firmware_bridge.virtual.twin_brake._maxima", lambda _trace: b" 330 270 200 100")
        with pytest.raises(MeasureError, match="left maximum 330 daN by the bench, 300 by the curve"):
            await bench.measure("lane-1", "brake", "B1", 1)

    twin = BrakeTwin(tmp_path / "brake")
    asyncio.run(with_bench(twin, work))


def test_empty_rollers_give_no_reading(tmp_path: Path) -> None:
    async def work(bench: brake_roller.BrakeRoller, _told: Told) -> None:
        with pytest.raises(MeasureError, match=r"drag: nothing for .*check power, cable"):
            await bench.measure("lane-1", "brake", "B1", 1)

    twin = BrakeTwin(tmp_path / "brake")
    asyncio.run(with_bench(twin, work, drag_timeout_s=0.3))


def test_a_bench_that_vanishes_in_a_test_and_comes_back(tmp_path: Path) -> None:
    async def work(bench: brake_roller.BrakeRoller, told: Told) -> None:
        twin.stand(lambda _item: ramp(300, 300))
        measuring = asyncio.create_task(bench.measure("lane-1", "brake", "B1", 1))
        await asyncio.sleep(0.6)
        await twin.stop()
        with pytest.raises(MeasureError, match=r"link lost|no link"):
            await measuring
        await told.count(Health, 2)
        with pytest.raises(MeasureError, match="no link"):
            await bench.measure("lane-1", "brake", "B1", 1)
        await twin.start()
        await told.count(Health, 3)
        assert [said.state for said in told.of(Health) if isinstance(said, Health)] == ["ok", "lost", "ok"]
        assert (await bench.measure("lane-1", "brake", "B1", 1)).curve.left_dan == ramp(300, 300).left_dan

    twin = BrakeTwin(tmp_path / "brake")
    asyncio.run(with_bench(twin, work))


def test_a_bench_that_never_ends_its_curve_is_given_up(tmp_path: Path) -> None:
    """Samples faster than the loop asks for them: no wait ever times out."""

    async def work(bench: brake_roller.BrakeRoller, _told: Told) -> None:
        samples = jx.build(brake_roller.SAMPLE, b" 100 100") * 200

        def flood(sent: bytes) -> list[faults.Part]:
            if jx.Deframer().feed(sent)[0].kind != brake_roller.DRAG:
                return faults.whole(sent)
            return [*faults.whole(sent), *(faults.Part(samples, n / 1000) for n in range(1500))]

        twin.line.fault = flood
        twin.stand(lambda _item: ramp(320))
        asking = asyncio.ensure_future(bench.measure("lane-1", "brake", "B1", 1))
        done, _ = await asyncio.wait({asking}, timeout=1.5)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert done
        assert "curve: frames come" in str(asking.exception())

    twin = BrakeTwin(tmp_path / "bench", frames="jx")
    asyncio.run(with_bench(twin, work, frames="jx", brake_timeout_s=0.3))


def test_a_cancelled_brake_test_leaves_nothing_to_the_next_vehicle(tmp_path: Path) -> None:
    async def work(bench: brake_roller.BrakeRoller, _told: Told) -> None:
        twin.line.fault = lambda sent: [part._replace(delay_s=0.3) for part in faults.whole(sent)]
        twin.stand(lambda _item: ramp(320, 300))
        first = asyncio.ensure_future(bench.measure("lane-1", "brake", "B1", 1))
        await asyncio.sleep(1.2)  # in the middle of its curve, 0.3 s of which is on the way
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert twin._test is not None
        assert twin._test.cancelled()  # the bench was told to stop
        twin.line.fault = faults.whole
        twin.stand(lambda _item: ramp(150))
        second = await bench.measure("lane-1", "brake", "B1", 1)
        assert (second.left_drag_dan, second.left_max_dan) == (8, 150)
        assert max(second.curve.left_dan) == 150

    twin = BrakeTwin(tmp_path / "bench")
    asyncio.run(with_bench(twin, work, lift=False))


def test_a_line_that_stays_away_fills_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        config = wheel_load.Config(address=f"serial://{tmp_path}/nothing?baud=38400")
        scale, told = wheel_load.WheelLoad("wheel-1", config), Told()
        task = asyncio.create_task(scale.run(told))
        await told.count(Health, 1)
        await asyncio.sleep(1.0)  # some more tries
        await end(task)
        assert scale._frames.empty()

    asyncio.run(main())


async def with_scale(
    twin: WheelTwin, work: Callable[[wheel_load.WheelLoad, Told], Awaitable[None]], **changes: object
) -> None:
    await twin.start()
    settings: dict[str, object] = {"address": twin.line.address, "every_ms": 50, "wait_s": 5.0, **changes}
    scale, told = wheel_load.WheelLoad("wheel-1", wheel_load.Config(**settings)), Told()  # type: ignore[arg-type]
    task = asyncio.create_task(scale.run(told))
    try:
        await told.count(Health, 1)
        await work(scale, told)
    finally:
        await end(task)
        await twin.stop()


def test_an_axle_is_weighed_once_it_stands_still(tmp_path: Path) -> None:
    async def work(scale: wheel_load.WheelLoad, _told: Told) -> None:
        weighing = asyncio.create_task(scale.measure("lane-1", "brake", "B1", 1))
        await asyncio.sleep(0.3)
        assert not weighing.done()
        twin.stand((452, 431))
        weighed = await weighing
        assert abs(weighed.left_kg - 452) <= 3
        assert abs(weighed.right_kg - 431) <= 3
        assert (weighed.device, weighed.axle) == ("wheel-1", 1)
        assert weighed.left_kg == int(weighed.left_kg)
        await scale.zero()

    twin = WheelTwin(tmp_path / "wheel", seed=5)
    asyncio.run(with_scale(twin, work))


def test_a_scale_gives_no_weight_that_it_cannot_stand_for(tmp_path: Path) -> None:
    async def work(scale: wheel_load.WheelLoad, _told: Told) -> None:
        with pytest.raises(MeasureError, match=r"no axle came to rest within 2.4 s"):
            await scale.measure("lane-1", "brake", "B1", 1)
        twin.stand((6000, 6000))
        with pytest.raises(MeasureError, match="beyond 5000 kg"):
            await scale.measure("lane-1", "brake", "B1", 1)
        twin.line.fault = faults.silent
        with pytest.raises(MeasureError, match=r"nothing for 1.5 s"):
            await scale.measure("lane-1", "brake", "B1", 1)
        twin.line.fault = faults.whole
        twin.stand((400, 380))
        assert (await scale.measure("lane-1", "brake", "B2", 2)).axle == 2

    twin = WheelTwin(tmp_path / "wheel")
    asyncio.run(with_scale(twin, work, wait_s=2.4, capacity_kg=5000, stable_kg=40))


def test_a_late_answer_is_not_the_next_one(tmp_path: Path) -> None:
    async def work(scale: wheel_load.WheelLoad, _told: Told) -> None:
        twin.stand((900, 900))
        await asyncio.sleep(1.0)  # its springs are at rest
        delays = iter((1.7, 0.4))
        twin.line.fault = lambda sent: faults.late(next(delays, 0.0))(sent)
        with pytest.raises(MeasureError, match=r"nothing for 1.5 s"):
            await scale.measure("lane-1", "brake", "B1", 1)
        twin.stand((400, 400))
        await asyncio.sleep(0.02)  # the late answer is still on its way
        async with scale._lock:
            assert abs((await scale._read("weigh")).left - 400) <= 20

    twin = WheelTwin(tmp_path / "wheel")
    asyncio.run(with_scale(twin, work))


def test_garbage_on_the_line_is_told_as_faulty(tmp_path: Path) -> None:
    async def main() -> None:
        line = PtyLine(tmp_path / "wheel", lambda _heard: line.send(b"\xff\x00garbage"))
        line.open()
        scale, told = wheel_load.WheelLoad("wheel-1", wheel_load.Config(address=line.address)), Told()
        task = asyncio.create_task(scale.run(told))
        (first,) = await told.count(Health, 1)
        assert isinstance(first, Health)
        assert (first.state, "baud rate" in first.why) == ("faulty", True)
        await end(task)
        line.close()

    asyncio.run(main())


def test_a_missing_serial_port_is_told_as_lost(tmp_path: Path) -> None:
    async def main() -> None:
        config = wheel_load.Config(address=f"serial://{tmp_path}/nothing?baud=38400")
        scale, told = wheel_load.WheelLoad("wheel-1", config), Told()
        task = asyncio.create_task(scale.run(told))
        (first,) = await told.count(Health, 1)
        assert isinstance(first, Health)
        assert first.state == "lost"
        assert "nothing" in first.why
        await end(task)

    asyncio.run(main())


def test_two_xk3190_indicators_are_one_wheel_load_scale(tmp_path: Path) -> None:
    async def main() -> None:
        lines = {side: PtyLine(tmp_path / side, lambda _heard: None) for side in ("left", "right")}
        kilograms = {"left": Decimal(0), "right": Decimal(0)}
        rng = random.Random(4)

        async def speak() -> None:
            while True:
                for side, line in lines.items():
                    line.send(indicators.build_a9(kilograms[side]))
                await asyncio.sleep(0.02)

        for line in lines.values():
            line.open()
            line.fault = faults.corrupt(rng, 0.1)
        config = scale_xk3190.Config(left=lines["left"].address, right=lines["right"].address, wait_s=5)
        scale, told = scale_xk3190.build("scale-1", config), Told()
        tasks = [asyncio.create_task(speak()), asyncio.create_task(scale.run(told))]
        (first,) = await told.count(Health, 1)
        assert first == Health(state="ok")
        weighing = asyncio.create_task(scale.measure("lane-1", "brake", "B1", 1))
        await asyncio.sleep(0.2)
        kilograms |= {"left": Decimal("455.5"), "right": Decimal("440.0")}
        weighed = await weighing
        assert (weighed.left_kg, weighed.right_kg) == (Decimal("455.5"), Decimal("440.0"))
        lines["right"].close()
        *_, lost = await told.count(Health, 2)
        assert isinstance(lost, Health)
        assert (lost.state, "scale-1-right" in lost.why) == ("lost", True)
        with pytest.raises(MeasureError, match="scale-1-right"):
            await scale.measure("lane-1", "brake", "B1", 1)
        await end(*tasks)
        lines["left"].close()

    asyncio.run(main())


def test_both_wheels_weighed_are_those_of_one_axle(tmp_path: Path) -> None:
    async def main() -> None:
        lines = {side: PtyLine(tmp_path / side, lambda _heard: None) for side in ("left", "right")}
        rolled = asyncio.Event()

        async def speak() -> None:
            for turn in range(1000):
                # the right front wheel does not come to rest; then the rear axle stands there
                left, right = (300, 290) if rolled.is_set() else (455, 400 + 50 * (turn % 2))
                lines["left"].send(indicators.build_a9(Decimal(left)))
                lines["right"].send(indicators.build_a9(Decimal(right)))
                await asyncio.sleep(0.02)

        for line in lines.values():
            line.open()
        config = scale_xk3190.Config(left=lines["left"].address, right=lines["right"].address, wait_s=5)
        scale, told = scale_xk3190.build("scale-1", config), Told()
        tasks = [asyncio.create_task(speak()), asyncio.create_task(scale.run(told))]
        await told.count(Health, 1)
        weighing = asyncio.ensure_future(scale.measure("lane-1", "brake", "B1", 1))
        await asyncio.sleep(1.0)
        rolled.set()
        with pytest.raises(MeasureError, match="scale-1-left: 300 kg after 455 kg at rest"):
            await weighing
        weighed = await scale.measure("lane-1", "brake", "B2", 2)
        assert (weighed.left_kg, weighed.right_kg) == (Decimal(300), Decimal(290))
        await end(*tasks)
        for line in lines.values():
            line.close()

    asyncio.run(main())


async def with_plate(
    twin: SlipTwin, work: Callable[[side_slip.SideSlip, Told], Awaitable[None]], **changes: object
) -> None:
    await twin.start()
    settings: dict[str, object] = {
        "address": twin.address,
        "arm": 0,
        "every_ms": 30,
        "wait_s": 5.0,
        **changes,
    }
    plate, told = side_slip.SideSlip("slip-1", side_slip.Config(**settings)), Told()  # type: ignore[arg-type]
    task = asyncio.create_task(plate.run(told))
    try:
        await told.count(Health, 1)
        await work(plate, told)
    finally:
        await end(task)
        await twin.stop()


async def pass_when_armed(twin: SlipTwin, *values: float) -> None:
    async with asyncio.timeout(5):
        while not twin.armed():  # noqa: ASYNC110 (a register, no event)
            await asyncio.sleep(0.02)
    for value in values:
        twin.passed(value)


@pytest.mark.parametrize("value", ["-3.4", "0.0", "7.1"])
def test_a_side_slip_is_that_of_the_vehicle_that_passes_next(value: str, tmp_path: Path) -> None:
    async def work(plate: side_slip.SideSlip, _told: Told) -> None:
        twin.passed(9.9)  # before the measurement: somebody else's
        measuring = asyncio.create_task(plate.measure("lane-1", "slip", "A1", 1))
        await pass_when_armed(twin, float(value))
        measured = await measuring
        assert measured.slip_m_per_km == Decimal(value)
        assert (measured.item, measured.device) == ("A1", "slip-1")

    twin = SlipTwin(tmp_path / "slip")
    asyncio.run(with_plate(twin, work))


def test_a_side_slip_that_cannot_be_told_is_none(tmp_path: Path) -> None:
    async def work(plate: side_slip.SideSlip, told: Told) -> None:
        with pytest.raises(MeasureError, match=r"no vehicle passed within 0.5 s"):
            await plate.measure("lane-1", "slip", "A1", 1)
        measuring = asyncio.create_task(plate.measure("lane-1", "slip", "A1", 1))
        await pass_when_armed(twin, 25.0)
        with pytest.raises(MeasureError, match=r"slip_m_per_km 25\.0 is not between -20 and 20"):
            await measuring
        measuring = asyncio.create_task(plate.measure("lane-1", "slip", "A1", 1))
        await pass_when_armed(twin, 1.0, 2.0)
        with pytest.raises(MeasureError, match="2 passes at once"):
            await measuring
        twin.fail(3)
        with pytest.raises(MeasureError, match="status 3"):
            await plate.measure("lane-1", "slip", "A1", 1)
        twin.tables.fault = 4
        with pytest.raises(MeasureError, match="function 04 address 0: exception code 4"):
            await plate.measure("lane-1", "slip", "A1", 1)
        *_, faulty = await told.count(Health, 2)
        assert isinstance(faulty, Health)
        assert faulty.state == "faulty"

    twin = SlipTwin(tmp_path / "slip")
    asyncio.run(with_plate(twin, work, wait_s=0.5))


def test_a_broken_off_side_slip_leaves_the_plate_disarmed(tmp_path: Path) -> None:
    async def work(plate: side_slip.SideSlip, _told: Told) -> None:
        first = asyncio.create_task(plate.measure("lane-1", "slip", "A1", 1))
        async with asyncio.timeout(5):
            while not twin.armed():  # noqa: ASYNC110 (a register, no event)
                await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert not twin.armed()
        twin.passed(4.4)  # nobody's
        second = asyncio.create_task(plate.measure("lane-1", "slip", "A1", 1))
        await pass_when_armed(twin, 1.2)
        assert (await second).slip_m_per_km == Decimal("1.2")

    twin = SlipTwin(tmp_path / "slip")
    asyncio.run(with_plate(twin, work))


def test_a_plate_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    async def work(plate: side_slip.SideSlip, told: Told) -> None:
        await twin.stop()
        with pytest.raises(MeasureError, match="slip-1"):
            await plate.measure("lane-1", "slip", "A1", 1)
        await told.count(Health, 2)
        await twin.start()
        await told.count(Health, 3)
        states = [said.state for said in told.of(Health) if isinstance(said, Health)]
        assert states[0] == states[2] == "ok"
        assert states[1] in {"lost", "silent"}
        measuring = asyncio.create_task(plate.measure("lane-1", "slip", "A1", 1))
        await pass_when_armed(twin, -0.6)
        assert (await measuring).slip_m_per_km == Decimal("-0.6")

    twin = SlipTwin(tmp_path / "slip")
    asyncio.run(with_plate(twin, work, timeout_ms=300))


def test_silence_beyond_the_rhythm_is_told_once_and_so_is_its_end() -> None:
    async def main() -> None:
        told = Told()
        pulse = Pulse(told, 0.05)
        await pulse.check()
        assert told.said == []  # not yet silent
        await pulse.beat()
        await pulse.beat()
        await asyncio.sleep(0.1)
        await pulse.check()
        await pulse.check()
        await pulse.lost("unplugged")
        await pulse.check()
        await pulse.beat()
        states = [said.state for said in told.said if isinstance(said, Health)]
        assert states == ["ok", "silent", "lost", "ok"]
        assert Health(state="lost", why="unplugged") in told.said

    asyncio.run(main())


@pytest.mark.parametrize("why", [MeasureError("refused"), asyncio.CancelledError()])
def test_why_a_test_ended_is_told_also_where_the_stop_cannot_be_sent(why: BaseException) -> None:
    async def use() -> None:
        bench = jx.JxBench("bench", "tcp://192.0.2.1:1", simulated=True)
        bench._up.set()  # the link was there a moment ago: nothing has noticed its loss
        async with bench.stopping(jx.build(jx.LOCK)):
            raise why

    with pytest.raises(type(why)) as told:
        asyncio.run(use())
    assert str(told.value) == str(why)

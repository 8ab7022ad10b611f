"""Headlamp tester and speedometer bench: golden frames, damage, and both against twins on real ptys."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices import headlamp_mqd6a as mqd
from firmware_bridge.devices import speed_jx
from firmware_bridge.devices.headlamp_mqd6a import Beam
from firmware_bridge.devices.speed_jx import Notice, Speed
from firmware_bridge.virtual import faults, physics
from firmware_bridge.virtual.fleet import sound_car
from firmware_bridge.virtual.twin_headlamp import HeadlampTwin
from firmware_bridge.virtual.twin_speed import SpeedTwin
from lanes.record import HeadlampMeasured, SpeedometerMeasured
from tests.bridge_parts import Told, running

# F1, linzewu/veh, driver MQD6A; the first two also domain facts 7.5
COMMANDS = {
    mqd.IN_PLACE: "020132545126",
    mqd.FULL_TRAVEL: "020132545225",
    mqd.LEFT: "020132540770",
    mqd.RIGHT: "020132544037",
    mqd.STATE: "020132546F08",
    mqd.ALL_RESULTS: "020132474F35",
    mqd.HOME: "0201324D4737",
    mqd.STOP: "0201324D3E40",
    mqd.FOUR_LAMPS: "020132533147",
    mqd.TWO_LAMPS: "020132533246",
    mqd.MAIN_ONLY: "020132533345",
    mqd.BOTH_BEAMS: "020132533543",
    mqd.NO_MAIN_ADJUSTING: "020132536117",
    mqd.NO_DIPPED_ADJUSTING: "020132536315",
    mqd.MAIN_FIRST: "020132537107",
}
OTHER_COMMANDS = [
    "020132545B1C",
    "020132545324",
    "020132545423",
    "02013254591E",
    "020132545A1D",
    "020132474A3A",
    "020132474B39",
    "020132474C38",
    "020132474D37",
    "020132474E36",
    "020132533444",
    "020132537206",
    "020132536018",
    "020132536216",
]
NOTICES = {
    mqd.MAIN_DONE: "0232544F29",
    mqd.SECOND_DONE: "0232544E2A",
    mqd.DIPPED_DONE: "0232544D2B",
    mqd.AT_HOME: "0232544038",
    mqd.NO_LAMP: "0232451374",
    mqd.FAILED: "0232451473",
}


def test_every_known_frame_of_the_tester_has_the_check_we_found() -> None:
    for code, frame in COMMANDS.items():
        assert mqd.command(code).hex().upper() == frame
    for code, frame in NOTICES.items():
        assert mqd.notice(code).hex().upper() == frame
        assert mqd.Deframer().feed(bytes.fromhex(frame)) == [bytes.fromhex(frame)]
    for frame in OTHER_COMMANDS:
        assert sum(bytes.fromhex(frame)) & 0xFF == 0
    assert mqd.command((0x47, 0x50))[-1] == 0x34  # the check that the third example of domain facts 7.5 lacks


BEAMS = st.none() | st.builds(
    Beam,
    st.integers(-999, 999),
    st.integers(-999, 999),
    st.integers(1, 9999).map(lambda hundreds: hundreds * 100),
    st.integers(1, 2000),
)
SIDES = st.lists(BEAMS, min_size=3, max_size=3)


def test_a_long_answer_by_hand() -> None:
    beam = Beam(-35, 12, 23_400, 702)
    assert mqd.record(beam) == b"-0035+001202340702"
    frame = mqd.results([beam, None, None], [None, None, beam])
    assert (len(frame), frame[:2], frame[56:57]) == (112, b"\x02L", b"R")
    assert mqd.read_beam(frame, "right", 2) == beam
    blanks = frame.replace(b"-0035+0012", b"  -35   12")
    assert mqd.read_beam(blanks, "left", 0) == beam
    with pytest.raises(ValueError, match="no number"):
        mqd.read_beam(frame.replace(b"0234", b"0_34"), "left", 0)


@given(left=SIDES, right=SIDES)
def test_a_long_answer_carries_every_beam(left: list[Beam | None], right: list[Beam | None]) -> None:
    stream = mqd.notice(mqd.AT_HOME) + mqd.results(left, right)
    for fault in (faults.whole, faults.bytewise):
        deframer = mqd.Deframer()
        _, frame = [each for part in fault(stream) for each in deframer.feed(part.data)]
        assert [mqd.read_beam(frame, "left", place) for place in range(3)] == left
        assert [mqd.read_beam(frame, "right", place) for place in range(3)] == right
        assert deframer.skipped == 0


@example(left=[None, mqd.Beam(0, -1, 100, 2), None], seed=0, fault="torn")
@given(left=SIDES, seed=st.integers(0, 2**31), fault=st.sampled_from(["torn", "corrupt", "garbage"]))
def test_a_damaged_long_answer_is_none_and_what_follows_is_found(
    left: list[Beam | None], seed: int, fault: str
) -> None:
    rng = random.Random(seed)
    sent, after = mqd.results(left, left), mqd.notice(mqd.MAIN_DONE)
    if fault == "torn":
        sent = sent[: rng.randrange(1, len(sent))]
    elif fault == "corrupt":
        sent = faults.corrupt(rng, 1.0)(sent)[0].data
    else:
        sent = bytes(rng.randrange(3, 256) for _ in range(rng.randint(1, 30))) + sent
    assume(fault == "garbage" or sent + after[:1] != mqd.results(left, left))  # its check may be an STX
    deframer = mqd.Deframer()
    heard = [frame for chunk in (sent, after, bytes(120)) for frame in deframer.feed(chunk)]
    answers = [frame for frame in heard if len(frame) == mqd.RESULTS_SIZE]
    assert answers == ([mqd.results(left, left)] if fault == "garbage" else [])
    assert after in heard
    assert deframer.skipped > 0


@given(chunks=st.lists(st.binary(max_size=200), max_size=10))
def test_no_bytes_break_or_fill_the_testers_codec(chunks: list[bytes]) -> None:
    deframer, used = mqd.Deframer(), 0
    for chunk in chunks:
        used += sum(map(len, deframer.feed(chunk)))
        assert len(deframer._held) < mqd.RESULTS_SIZE
    deframer.drop()
    assert used + deframer.skipped == sum(map(len, chunks))


def test_speed_frames() -> None:
    """``FF 00 EE``, BCD in bytes 1 and 2, tenths: F1 (domain facts 7.5; linzewu/veh, driver JXSD)."""
    assert speed_jx.read(bytes.fromhex("FF00EE")) == Notice(0)
    assert speed_jx.read(bytes.fromhex("FF02EE")) == Notice(2)
    assert speed_jx.read(bytes.fromhex("F00386")) == Speed(Decimal("38.6"))
    assert speed_jx.read(bytes.fromhex("F00038"), decimals=0) == Speed(Decimal(38))
    assert speed_jx.build_speed(Decimal("38.6")) == bytes.fromhex("F00386")
    for wrong in ("FF00ED", "F0038A", "000386", "F003"):
        assert speed_jx.read(bytes.fromhex(wrong)) is None


@given(
    speeds=st.lists(st.integers(0, 9999), min_size=2, max_size=8),
    cut=st.integers(1, 2),
    head=st.booleans(),
    seed=st.integers(0, 99),
)
def test_torn_speeds_are_none_and_the_next_are_found(
    speeds: list[int], cut: int, head: bool, seed: int
) -> None:
    frames = [speed_jx.build_speed(Decimal(tenths) / 10) for tenths in speeds]
    hit = seed % len(frames)
    torn = [*frames]
    torn[hit] = frames[hit][cut:] if head else frames[hit][:-cut]
    bench = speed_jx.SpeedBench("s", speed_jx.Config(address="tcp://192.0.2.1:1"))
    heard = [frame for chunk in [*torn, b"\xff\x00\xee"] for frame in bench.deframer.feed(chunk)]
    whole = [Speed(Decimal(tenths) / 10) for at, tenths in enumerate(speeds) if at != hit]
    assert heard == [*whole, Notice(0)]
    assert bench.deframer.skipped == 3 - cut


# ---- the speedometer bench -----------------------------------------------------------------------


async def with_speed(
    twin: SpeedTwin, work: Callable[[speed_jx.SpeedBench, Told], Awaitable[None]], **changes: Any
) -> None:
    settings = {"address": twin.line.address, "lift_s": 0.1, "wait_s": 5.0, "raise_lift": 0x55, **changes}
    await twin.start()
    bench = speed_jx.SpeedBench("speed-1", speed_jx.Config(**settings))
    async with running(bench, twin) as told:
        await work(bench, told)


async def driven(twin: SpeedTwin, bench: speed_jx.SpeedBench, *codes: int) -> SpeedometerMeasured:
    asking = asyncio.create_task(bench.measure("lane-1", "speed", "S1", 0))
    await asyncio.sleep(0.4)
    for code in codes:
        twin.declare(code)
    return await asking


@pytest.mark.slow
def test_the_speed_is_that_of_the_moment_the_driver_declares(tmp_path: Path) -> None:
    kmh = physics.actual_kmh(sound_car(3, 0, 1, ("a",)))

    async def work(bench: speed_jx.SpeedBench, told: Told) -> None:
        twin.declare()  # before the measurement: somebody else's
        twin.drive(kmh)
        twin.line.fault = faults.bytewise
        measured = await driven(twin, bench, 2, 0)
        assert measured == SpeedometerMeasured(
            lane="lane-1",
            station="speed",
            device="speed-1",
            item="S1",
            indicated_kmh=Decimal(40),
            actual_kmh=kmh,
        )
        assert [said.state for said in told.of(Health) if isinstance(said, Health)] == ["ok"]
        await asyncio.sleep(0.1)
        assert not twin.lowered

    twin = SpeedTwin(tmp_path / "speed")
    asyncio.run(with_speed(twin, work))


def moving(_sent: bytes, seen: list[int] = []) -> list[faults.Part]:  # noqa: B006
    seen.append(0)
    return [faults.Part(speed_jx.build_speed(Decimal(30 + 2 * len(seen))))]


def answers(fault: faults.Fault) -> faults.Fault:
    """The fault for answers alone; notices arrive."""
    return lambda sent: faults.whole(sent) if sent[0] == speed_jx.NOTICE else fault(sent)


SPEED_FAULTS: dict[str, tuple[faults.Fault, str]] = {
    "never declared": (faults.silent, "wait for 40 km/h to be declared: nothing for"),
    "silent": (answers(faults.silent), "speed: nothing for"),
    "torn": (answers(lambda sent: [faults.Part(sent[:2])]), "speed: nothing for"),
    "corrupt": (answers(lambda sent: [faults.Part(b"\x70" + sent[1:])]), "speed: nothing for"),
    "late": (answers(faults.late(1.7)), "speed: nothing for"),
    "in motion": (answers(moving), "in motion; declare again"),
    "standing": (
        answers(lambda _: [faults.Part(b"\xf0\x00\x00")]),
        "0.0 km/h is not between 10 and 120 km/h",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", SPEED_FAULTS)
def test_a_speed_that_cannot_be_told_is_none_and_the_next_one_is_good(case: str, tmp_path: Path) -> None:
    fault, why = SPEED_FAULTS[case]

    async def work(bench: speed_jx.SpeedBench, _told: Told) -> None:
        twin.drive(Decimal("70.1"))
        twin.line.fault = fault
        with pytest.raises(MeasureError, match=why):
            await driven(twin, bench, 0)
        twin.line.fault = faults.whole
        twin.drive(Decimal("38.2"))
        asking = asyncio.create_task(driven(twin, bench))
        for _ in range(30):
            await asyncio.sleep(0.1)
            if twin.lowered:
                break
        await asyncio.sleep(0.4)
        twin.declare()
        assert (await asking).actual_kmh == Decimal("38.2")

    twin = SpeedTwin(tmp_path / "speed")
    asyncio.run(with_speed(twin, work, wait_s=2.0))


@pytest.mark.slow
def test_a_broken_off_speed_test_lets_the_vehicle_go(tmp_path: Path) -> None:
    async def work(bench: speed_jx.SpeedBench, _told: Told) -> None:
        asking = asyncio.create_task(bench.measure("lane-1", "speed", "S1", 0))
        await asyncio.sleep(0.4)
        assert twin.lowered
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert not twin.lowered
        twin.declare()  # too late
        twin.drive(Decimal("36.0"))
        asking = asyncio.create_task(driven(twin, bench))
        await asyncio.sleep(1.5)
        assert not asking.done()
        twin.declare()
        assert (await asking).actual_kmh == 36

    twin = SpeedTwin(tmp_path / "speed")
    asyncio.run(with_speed(twin, work))


# ---- the headlamp tester -------------------------------------------------------------------------


def lamps_of(number: int) -> Callable[[str, int], Beam | None]:
    car = sound_car(number, 0, 1, ("a",))

    def beam(side: str, place: int) -> Beam:
        right, up, cd, height = physics.headlamp(car, side, "dipped" if place == 2 else "main")  # type: ignore[arg-type]
        return Beam(right + place, up, cd, height)

    return beam


async def with_lamps(
    twin: HeadlampTwin, work: Callable[[mqd.HeadlampTester, Told], Awaitable[None]], **changes: Any
) -> None:
    settings = {"address": twin.line.address, "pause_ms": 20, "wait_s": 2.0, **changes}
    await twin.start()
    tester = mqd.HeadlampTester("lamp-1", mqd.Config(**settings))
    async with running(tester, twin) as told:
        await work(tester, told)


@pytest.mark.slow
def test_each_lamp_is_measured_by_itself(tmp_path: Path) -> None:
    lamps = lamps_of(5)

    async def work(tester: mqd.HeadlampTester, _told: Told) -> None:
        twin.stand(lamps)
        twin.line.fault = faults.bytewise
        for item, side, place in (
            ("H1", "left", 0),
            ("H4", "right", 0),
            ("H2", "left", 1),
            ("H3", "right", 1),
        ):
            main, dipped = lamps(side, place), lamps(side, 2)
            assert main is not None
            assert dipped is not None
            wanted = HeadlampMeasured(
                lane="lane-1",
                station="lamps",
                device="lamp-1",
                item=item,
                main_intensity_cd=main.intensity_cd,
                main_vertical_mm_per_10m=main.vertical_mm,
                main_horizontal_mm_per_10m=main.horizontal_mm,
                lamp_height_mm=main.height_mm,
                dipped_vertical_mm_per_10m=None if place else dipped.vertical_mm,
                dipped_horizontal_mm_per_10m=None if place else dipped.horizontal_mm,
                dipped_lamp_height_mm=None if place else dipped.height_mm,
            )
            assert await tester.measure("lane-1", "lamps", item, 0) == wanted
        with pytest.raises(MeasureError, match="lamp-1: H5 is no headlamp"):
            await tester.measure("lane-1", "lamps", "H5", 0)

    twin = HeadlampTwin(tmp_path / "lamp")
    asyncio.run(with_lamps(twin, work))


def only(code: tuple[int, int], fault: faults.Fault) -> faults.Fault:
    return lambda sent: fault(sent) if sent == mqd.notice(code) else faults.whole(sent)


def long(fault: faults.Fault) -> faults.Fault:
    return lambda sent: fault(sent) if len(sent) == mqd.RESULTS_SIZE else faults.whole(sent)


def dark(sent: bytes) -> list[faults.Part]:
    wrong = sent[:2] + mqd.record(Beam(0, 3000, 100, 700)) + sent[20:-1]
    return [faults.Part(mqd.closed(wrong))]


LAMP_FAULTS: dict[str, tuple[faults.Fault, str]] = {
    "silent": (faults.silent, "main beam: nothing for 2 s"),
    "a notice torn": (only(mqd.MAIN_DONE, lambda sent: [faults.Part(sent[:3])]), "main beam: nothing"),
    "a notice corrupt": (
        only(mqd.DIPPED_DONE, faults.corrupt(random.Random(1), 1.0)),
        "dipped beam: nothing for 2 s",
    ),
    "results lost": (long(faults.silent), "fetch: (nothing|frames come)"),
    "results torn": (long(lambda sent: [faults.Part(sent[:60])]), "fetch: (nothing|frames come)"),
    "results corrupt": (long(faults.corrupt(random.Random(1), 1.0)), "fetch: (nothing|frames come)"),
    "results late": (long(faults.late(3.2)), "fetch: (nothing|frames come)"),
    "out of range": (long(dark), "an offset is beyond ±2000 mm"),
    "not measured": (
        long(lambda _: [faults.Part(mqd.results([None] * 3, [None] * 3))]),
        "has no result of it",
    ),
    "no numbers": (
        long(lambda sent: [faults.Part(mqd.closed(sent[:2] + b"?" + sent[3:-1]))]),
        "are no numbers",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LAMP_FAULTS)
def test_a_lamp_that_cannot_be_told_is_none_and_the_next_one_is_good(case: str, tmp_path: Path) -> None:
    fault, why = LAMP_FAULTS[case]
    first, second = lamps_of(5), lamps_of(6)

    async def work(tester: mqd.HeadlampTester, _told: Told) -> None:
        twin.stand(first)
        twin.line.fault = fault
        with pytest.raises(MeasureError, match=why):
            await tester.measure("lane-1", "lamps", "H1", 0)
        twin.line.fault = faults.whole
        twin.stand(second)
        wanted = second("left", 0)
        assert wanted is not None
        measured = await tester.measure("lane-1", "lamps", "H1", 0)
        assert measured.main_intensity_cd == wanted.intensity_cd

    twin = HeadlampTwin(tmp_path / "lamp")
    asyncio.run(with_lamps(twin, work))


@pytest.mark.slow
def test_a_tester_that_finds_nothing_says_so_and_one_that_is_broken_off_stops(tmp_path: Path) -> None:
    async def work(tester: mqd.HeadlampTester, _told: Told) -> None:
        with pytest.raises(MeasureError, match=r"main beam: no lamp found; is it lit\?"):
            await tester.measure("lane-1", "lamps", "H1", 0)
        twin.stand(lamps_of(5))
        twin.failing = True
        with pytest.raises(MeasureError, match="the tester reports an error"):
            await tester.measure("lane-1", "lamps", "H1", 0)
        twin.failing = False
        asking = asyncio.create_task(tester.measure("lane-1", "lamps", "H1", 0))
        while mqd.LEFT not in twin.heard[-1:]:  # noqa: ASYNC110 (a twin rings no bell)
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert twin.heard[-2:] == [mqd.STOP, mqd.HOME]
        wanted = lamps_of(5)("right", 0)
        assert wanted is not None
        measured = await tester.measure("lane-1", "lamps", "H4", 0)
        assert measured.main_intensity_cd == wanted.intensity_cd

    twin = HeadlampTwin(tmp_path / "lamp")
    asyncio.run(with_lamps(twin, work))

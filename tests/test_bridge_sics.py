"""MT-SICS: golden lines (M), damage, and the scale against its twin on a real pty with every fault."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Health, MeasureError
from firmware_bridge.devices.framing import Lines
from firmware_bridge.devices.scale_sics import Config, Reading, ScaleSics, build, read
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_sics import SETTLE_S, SicsTwin
from lanes.record import KerbMassMeasured
from tests.bridge_parts import Told, running, until

# from memory of the maker's manual of MT-SICS, level 0 (M)
GOLDEN = {
    b"S S      123.4 kg": Reading("S", Decimal("123.4")),
    b"S D     -12.50 kg": Reading("D", Decimal("-12.50")),
    b"S S       1320 kg": Reading("S", Decimal(1320)),
    b"S I": Reading("I"),
    b"S +": Reading("+"),
    b"S -": Reading("-"),
}


@pytest.mark.parametrize("line", GOLDEN)
def test_golden_lines(line: bytes) -> None:
    assert read(line) == GOLDEN[line]
    assert build(GOLDEN[line]) == line + b"\r\n"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"ES",
        b"S S      123.4 g ",
        b"S S     123.4 kg",
        b"S S 1 23.4    kg",
        b"S S        1.  kg",
        b"S X",
        b"I4 A",
    ],
)
def test_what_is_no_weight_in_kilograms_is_none(line: bytes) -> None:
    assert read(line) is None


@given(kg=st.decimals(-99_999, 199_999, places=1), cut=st.integers(0, 16), state=st.sampled_from("SD"))
def test_a_line_that_lost_a_character_is_none(kg: Decimal, cut: int, state: Any) -> None:
    line = build(Reading(state, kg))
    torn = line[:cut] + line[cut + 1 :]
    deframer = Lines(read, headed=True)
    frames = [frame for chunk in (torn, line) for frame in deframer.feed(chunk)]
    assert frames == [Reading(state, kg)]
    assert deframer.skipped == len(torn) - 2


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit ten characters"):
        build(Reading("S", Decimal("123456789.01")))


Work = Callable[[ScaleSics, SicsTwin, Told], Awaitable[None]]


def weighed(tmp_path: Path, work: Work, *, zero: int = 0, **changes: Any) -> None:
    """A scale that has seen itself empty, then ``work``."""

    async def main() -> None:
        twin = SicsTwin(tmp_path / "sics")
        twin.zero = Decimal(zero)
        await twin.start()
        settings = {"address": twin.line.address, "every_ms": 50, "wait_s": 2.0} | changes
        scale = ScaleSics("mass-1", Config(**settings))
        async with running(scale, twin) as told:
            await work(scale, twin, told)

    asyncio.run(main())


async def measured(scale: ScaleSics) -> KerbMassMeasured:
    return await scale.measure("1", "mass", "Z1", 0)


@pytest.mark.parametrize("fault", [faults.whole, faults.bytewise, faults.late(0.05)])
def test_the_mass_is_that_at_rest(tmp_path: Path, fault: faults.Fault) -> None:
    async def work(scale: ScaleSics, twin: SicsTwin, told: Told) -> None:
        twin.line.fault = fault
        twin.stand(1320)
        body = await measured(scale)
        assert body == KerbMassMeasured(
            lane="1", station="mass", device="mass-1", item="Z1", mass_kg=Decimal(1320)
        )
        assert [said.state for said in told.of(Health) if isinstance(said, Health)] == ["ok"]

    weighed(tmp_path, work)


REFUSED: dict[str, tuple[dict[str, Any], Callable[[SicsTwin], None], str]] = {
    "in motion": ({"wait_s": 0.5}, lambda twin: None, r"not at rest within 0.5 s \(last 1320 kg\)"),
    "over": ({}, lambda twin: setattr(twin, "word", Reading("+")), r"\(is beyond its range\)"),
    "cannot": ({}, lambda twin: setattr(twin, "word", Reading("I")), r"\(cannot weigh now\)"),
    "too heavy": ({"capacity_kg": 1000}, lambda twin: None, "1320 kg is beyond 1000 kg"),
    "silent": ({}, lambda twin: setattr(twin.line, "fault", faults.silent), "weigh: nothing for 1 s"),
    "torn": (
        {},
        lambda twin: setattr(twin.line, "fault", lambda sent: [faults.Part(sent[:-4])]),
        "weigh: nothing for 1 s",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_weighing_is_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    changes, act, why = REFUSED[case]

    async def work(scale: ScaleSics, twin: SicsTwin, _told: Told) -> None:
        twin.stand(1320)
        act(twin)
        with pytest.raises(MeasureError, match=f"mass-1: .*{why}"):
            await measured(scale)

    weighed(tmp_path, work, **changes)


def test_lost_and_corrupt_answers_give_the_right_mass_or_none(tmp_path: Path) -> None:
    async def work(scale: ScaleSics, twin: SicsTwin, _told: Told) -> None:
        twin.stand(1320)
        await asyncio.sleep(SETTLE_S)
        for seed in range(4):
            rng = random.Random(seed)
            twin.line.fault = faults.lost(rng, 0.2) if seed % 2 else faults.torn(rng, 0.2)
            try:
                assert (await measured(scale)).mass_kg == 1320
            except MeasureError as why:
                assert "nothing for 1 s" in str(why)

    weighed(tmp_path, work, wait_s=10.0)


def test_a_scale_that_was_not_at_zero_is_not_believed(tmp_path: Path) -> None:
    async def work(scale: ScaleSics, twin: SicsTwin, _told: Told) -> None:
        twin.stand(1320)
        with pytest.raises(MeasureError, match="the empty scale showed 30 kg; drive off"):
            await measured(scale)

    weighed(tmp_path, work, zero=30)


def test_after_a_lost_link_nobody_knows_its_zero(tmp_path: Path) -> None:
    async def work(scale: ScaleSics, twin: SicsTwin, told: Told) -> None:
        twin.stand(1320)
        await twin.stop()
        await told.count(Health, 2)
        await twin.start()
        await told.count(Health, 3)
        with pytest.raises(MeasureError, match="nobody saw the empty scale at zero"):
            await measured(scale)
        twin.stand(0)
        await until(lambda: scale._empty == 0)
        twin.stand(1320)
        assert (await measured(scale)).mass_kg == 1320

    weighed(tmp_path, work)

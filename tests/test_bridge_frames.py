"""Serial codecs: golden frames, and each codec against whole, bytewise, torn, corrupt and foreign bytes."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.devices import brake_roller, indicators, jx, side_slip, wheel_load
from firmware_bridge.virtual import faults

# commands found in linzewu/veh and MFC; their check bytes were never in our hands when they were sent
KNOWN_COMMANDS = {
    jx.LIFT_UP: "41046358",
    jx.LIFT_DOWN: "41046457",
    jx.ZERO: "41046259",
    jx.START_TEST: "41046655",
    jx.READ: "41046853",
    jx.FETCH: "41046B50",
    jx.LOCK: "41046754",
    jx.UNLOCK: "4104704B",
    jx.STATE: "4104615A",
}

# computed from the description, domain facts 7.5
XK3190 = {
    Decimal(1234): "022B30303132333430314603",
    Decimal("-5.0"): "022D30303030353031313903",
    Decimal(12560): "022B30313235363030314203",
}


@pytest.mark.parametrize("kind", KNOWN_COMMANDS)
def test_jx_commands_are_those_the_makers_program_sends(kind: int) -> None:
    assert jx.build(kind).hex().upper() == KNOWN_COMMANDS[kind]


@pytest.mark.parametrize("weight", XK3190)
def test_xk3190_golden_frames(weight: Decimal) -> None:
    frame = bytes.fromhex(XK3190[weight])
    assert indicators.build_a9(weight) == frame
    assert indicators.read_a9(frame) == indicators.Reading(weight)


def test_wheel_load_answer() -> None:
    answer = jx.build(jx.READ, b"00432  41500847")
    assert len(answer) == 19
    ((frame,), deframer) = jx.Deframer().feed(answer), jx.Deframer()
    assert wheel_load.read_weights(frame.body) == (432, 415)
    assert deframer.feed(answer[:18]) == []
    for body in (b"", b"0043X0041500847", b"0043200415"):
        assert wheel_load.read_weights(body) is None


def test_brake_frames() -> None:
    assert brake_roller.start("jx", "B1").hex().upper() == "41046655"
    assert brake_roller.start("numbered", "B1") == bytes.fromhex("410666423 1".replace(" ", "")) + bytes(
        [0xE0]
    )
    sample = jx.Frame(brake_roller.SAMPLE, b"  12 345")
    assert brake_roller.read_sample("jx", sample, 1.0) == (None, (12, 345), 1.0)
    counted = jx.Frame(brake_roller.SAMPLE, b"0007  12 345")
    assert brake_roller.read_sample("numbered", counted, 1.0) == (7, (12, 345), 1.0)
    assert brake_roller.read_sample("numbered", sample, 1.0) is None
    assert brake_roller.is_end(jx.Frame(0x45, b"EEEEEEEE"))
    assert brake_roller.is_end(jx.Frame(0x45, b"0300EEEE"))
    assert not brake_roller.is_end(jx.Frame(0x45, b"01230456"))
    assert brake_roller.read_maxima(b"0250024002300210") == ((250, 240), (230, 210))
    assert brake_roller.read_maxima(b"0250024002300X10") is None


@given(last=st.integers(1, 12_000), lost=st.sets(st.integers(0, 11_999), max_size=3))
def test_a_missing_sample_number_is_always_found(last: int, lost: set[int]) -> None:
    numbers = [(index + 1) % brake_roller.COUNTER_RANGE for index in range(last)]
    gone = {index for index in lost if index < last}
    arrived = [number for index, number in enumerate(numbers) if index not in gone]
    found = brake_roller.missing(arrived, numbers[-1])
    assert found == (numbers[min(gone)] if gone else None)


@given(
    count=st.integers(60, 400),
    lost=st.integers(0, 40),
    where=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_lost_samples_show_in_the_pace(count: int, lost: int, where: float, seed: int) -> None:
    rng = random.Random(seed)
    sent = [index * 0.01 + rng.expovariate(1 / 0.003) for index in range(count + lost)]
    begin = brake_roller.FEW + int((count - 2 * brake_roller.FEW) * where)
    arrived = sent[:begin] + sent[begin + lost :]
    slip = brake_roller.pace_slip_ms(arrived, 10)
    assert abs(slip - 10 * lost) < 12


@given(raw=st.integers(-32_768, 32_767))
def test_side_slip_registers_are_signed_tenths(raw: int) -> None:
    for outward_positive, wanted in ((True, Decimal(raw) / 10), (False, -Decimal(raw) / 10)):
        config = side_slip.Config(address="tcp://x", outward_positive=outward_positive)
        (peak,) = side_slip.as_meter(config).values
        assert peak.reading("input", {("input", 0): raw & 0xFFFF}) == wanted


@given(weight=st.decimals(-999_999, 999_999, places=0) | st.decimals(-9_999, 9_999, places=2))
def test_xk3190_frames_carry_every_weight(weight: Decimal) -> None:
    frame = indicators.build_a9(weight)
    assert len(frame) == indicators.SIZE
    assert indicators.read_a9(frame) == indicators.Reading(weight)


@pytest.mark.parametrize("weight", [Decimal(1_000_000), Decimal("1.23456")])
def test_a_weight_beyond_six_digits_is_refused(weight: Decimal) -> None:
    with pytest.raises(ValueError, match="six digits"):
        indicators.build_a9(weight)


@given(st.binary(min_size=indicators.SIZE, max_size=indicators.SIZE))
def test_xk3190_never_takes_foreign_bytes_for_a_weight(frame: bytes) -> None:
    reading = indicators.read_a9(frame)
    assert reading is None or indicators.read_a9(indicators.build_a9(reading.kg)) == reading


JX_FRAMES = st.lists(
    st.builds(jx.Frame, st.integers(0, 255), st.binary(max_size=jx.LONGEST - 4)), min_size=1, max_size=12
)
WEIGHTS = st.lists(st.integers(-999_999, 999_999).map(Decimal), min_size=1, max_size=12)


def cut(stream: bytes, seed: int) -> list[bytes]:
    """The stream in chunks of 1 to 20 bytes."""
    rng, chunks = random.Random(seed), []
    while stream:
        size = rng.randint(1, 20)
        chunks.append(stream[:size])
        stream = stream[size:]
    return chunks


@given(frames=JX_FRAMES, seed=st.integers(0, 99))
def test_jx_frames_arrive_whole_however_they_are_cut(frames: list[jx.Frame], seed: int) -> None:
    stream = b"".join(jx.build(*frame) for frame in frames)
    for chunks in ([stream], cut(stream, seed), [part.data for part in faults.bytewise(stream)]):
        deframer = jx.Deframer()
        assert [frame for chunk in chunks for frame in deframer.feed(chunk)] == frames
        assert deframer.skipped == 0


@given(weights=WEIGHTS, seed=st.integers(0, 99))
def test_xk3190_weights_arrive_however_they_are_cut(weights: list[Decimal], seed: int) -> None:
    stream = b"".join(map(indicators.build_a9, weights))
    for chunks in ([stream], cut(stream, seed), [part.data for part in faults.bytewise(stream)]):
        deframer = indicators.deframer("xk3190-a9", indicators.Toledo())
        assert [reading.kg for chunk in chunks for reading in deframer.feed(chunk)] == weights
        assert deframer.skipped == 0


DIGIT_FRAMES = st.lists(
    st.tuples(st.integers(0, 9999), st.integers(0, 9999)).map(
        lambda pair: jx.Frame(brake_roller.SAMPLE, b"%4d%4d" % pair)
    ),
    min_size=4,
    max_size=20,
)


@given(frames=DIGIT_FRAMES, seed=st.integers(0, 2**31), fault=st.sampled_from(["torn", "corrupt", "garbage"]))
def test_jx_finds_its_way_back_after_damage(frames: list[jx.Frame], seed: int, fault: str) -> None:
    """What arrives is a sub-sequence of what was sent, nothing invented, and the damage is counted."""
    rng = random.Random(seed)
    hit = rng.randrange(len(frames) - 2)
    writes = [jx.build(*frame) for frame in frames]
    if fault == "torn":
        writes[hit] = writes[hit][: rng.randrange(1, len(writes[hit]))]
    elif fault == "corrupt":
        writes[hit] = faults.corrupt(rng, 1.0)(writes[hit])[0].data
    else:
        writes[hit] += bytes(rng.choice(b"\x00\xff5E\r\n") for _ in range(rng.randint(1, 9)))
    deframer = jx.Deframer()
    heard = [frame for write in writes for frame in deframer.feed(write)]
    heard += deframer.feed(bytes(jx.LONGEST))  # silence would end a wait for more bytes
    kept = frames if fault == "garbage" else frames[:hit] + frames[hit + 1 :]
    invented = [
        frame for frame in heard if frame not in kept
    ]  # an 8-bit sum lets one in 256 torn frames through,
    assert [frame for frame in invented if brake_roller.read_pair(frame.body)] == []  # but never as a sample
    assert heard[:hit] == kept[:hit]
    assert len(heard) >= len(kept) - 3
    assert deframer.skipped > 0


@given(weights=WEIGHTS, seed=st.integers(0, 2**31), fault=st.sampled_from(["torn", "corrupt", "garbage"]))
def test_xk3190_finds_its_way_back_after_damage(weights: list[Decimal], seed: int, fault: str) -> None:
    rng = random.Random(seed)
    hit = rng.randrange(len(weights))
    writes = [indicators.build_a9(weight) for weight in weights]
    if fault == "torn":
        writes[hit] = writes[hit][: rng.randrange(1, indicators.SIZE)]
    elif fault == "corrupt":
        writes[hit] = faults.corrupt(rng, 1.0)(writes[hit])[0].data
    else:
        writes[hit] += bytes(rng.randrange(0x80, 0x100) for _ in range(rng.randint(1, 30)))
    deframer = indicators.deframer("xk3190-a9", indicators.Toledo())
    heard = [reading.kg for write in [*writes, bytes(12)] for reading in deframer.feed(write)]
    assert heard == (weights if fault == "garbage" else weights[:hit] + weights[hit + 1 :])
    assert deframer.skipped > 0


@given(chunks=st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_break_the_deframers(chunks: list[bytes]) -> None:
    ours, theirs = jx.Deframer(), indicators.deframer("xk3190-a9", indicators.Toledo())
    used = 0
    for chunk in chunks:
        used += sum(len(frame.body) + 4 for frame in ours.feed(chunk))
        theirs.feed(chunk)
    ours.drop()
    assert used + ours.skipped == sum(map(len, chunks))


def test_faults_are_repeatable_and_do_what_they_say() -> None:
    sent = bytes(range(40))
    assert faults.whole(sent) == [faults.Part(sent)]
    assert faults.silent(sent) == []
    assert faults.late(0.5)(sent) == [faults.Part(sent, 0.5)]
    assert b"".join(part.data for part in faults.bytewise(sent)) == sent
    (part,) = faults.torn(random.Random(1), 1.0)(sent)
    assert sent.startswith(part.data)
    assert len(part.data) < len(sent)
    (part,) = faults.corrupt(random.Random(1), 1.0)(sent)
    assert sum((a ^ b).bit_count() for a, b in zip(part.data, sent, strict=True)) == 1
    dropped = sum(not faults.lost(random.Random(seed), 0.5)(sent) for seed in range(200))
    assert 60 < dropped < 140
    third = faults.once(lambda write: write == b"c", faults.silent)
    assert [bool(third(write)) for write in (b"a", b"b", b"c", b"c")] == [True, True, False, True]

"""Every codec of devices × whole, bytewise, torn, lossy, delayed, corrupt, garbage between frames, repeated.

Never a crash, never a reading that was not sent; the next whole frame is found again; memory and work are
bounded by the input.
"""

import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.devices.framing import LONGEST_LINE
from firmware_bridge.virtual import faults
from tests.codec_cases import CASES, WITHOUT, untried
from tests.codec_contract import Case, Message, Wire, held, pieces

ROOT = Path(__file__).parents[1]
WIRES = [case for case in CASES.values() if isinstance(case, Wire)]
MESSAGES = [case for case in CASES.values() if isinstance(case, Message)]
wires = pytest.mark.parametrize("case", WIRES, ids=lambda case: case.name)
messages = pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.name)
cases = pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.name)

GARBAGE_BYTES = 10 * 1024 * 1024
CHUNK = 4096  # firmware_bridge.link.READ_SIZE
EVERY_VALUE_UP_TO = 13  # bytes of a frame; in longer ones each bit is turned


def clean(case: Wire, count: int) -> tuple[bytes, list[Any]]:
    """So many golden frames with a reading, and the readings."""
    told = [golden for golden in case.golden if golden[1] is not None]
    taken = [told[n % len(told)] for n in range(count)]
    return b"".join(sent for sent, _ in taken), [reading for _, reading in taken]


def changed(sent: bytes) -> Iterator[bytes]:
    """The bytes with each one of them changed in every way, or in each of its bits."""
    changes: Sequence[int] = range(1, 256) if len(sent) <= EVERY_VALUE_UP_TO else [1 << n for n in range(8)]
    for at, byte in enumerate(sent):
        for change in changes:
            yield sent[:at] + bytes([byte ^ change]) + sent[at + 1 :]


def only_what_was_sent(case: Wire, heard: list[Any], also: Sequence[Any] = ()) -> bool:
    """Whether each reading is one of the golden ones."""
    return all(reading in [*case.readings, *also] for reading in heard)


# ---- the table and the catalog -------------------------------------------------------------------


def test_every_kind_of_device_has_its_codec_in_the_contract() -> None:
    assert untried() == set()


def test_every_case_belongs_to_a_kind() -> None:
    from firmware_bridge.catalog import KINDS

    named = {kind for case in CASES.values() for kind in case.kinds}
    assert named | WITHOUT <= set(KINDS)
    assert len(CASES) == len(WIRES) + len(MESSAGES)


@cases
def test_a_page_says_where_nothing_finds_a_changed_byte(case: Case) -> None:
    """Of kinds without a check of their own, so that nobody trusts a digit more than its line."""
    if case.check != "none":
        return
    for kind in case.kinds:
        page = (ROOT / f"docs/devices/{kind}.md").read_text("utf-8")
        assert re.search(r"\b(no|without a|without) check\b", page), (
            f"{kind}: say that {case.name} has no check"
        )


# ---- frames of a byte stream ---------------------------------------------------------------------


@wires
def test_whole_bytewise_and_in_any_two_pieces(case: Wire) -> None:
    stream = b"".join(sent for sent, _ in case.golden)
    ways = [[stream], [part.data for part in faults.bytewise(stream)]]
    ways += [list(pieces(stream, [cut])) for cut in range(1, len(stream))]
    skipped = set()
    for chunks in ways:
        codec = case.make()
        frames = [frame for chunk in chunks for frame in codec.feed(chunk)]
        if not case.at_once:
            frames += codec.feed(case.pause)
        assert case.meant(frames) == case.readings
        skipped.add(codec.skipped)
    assert len(skipped) == 1
    codec = case.make()
    codec.feed(clean(case, 6)[0])
    assert codec.skipped == 0


@wires
def test_a_frame_is_told_with_its_last_byte(case: Wire) -> None:
    codec = case.make()
    for sent, reading in case.golden if case.at_once else ():
        early = case.meant(frame for byte in sent[:-1] for frame in codec.feed(bytes([byte])))
        last = case.meant(codec.feed(sent[-1:]))
        assert [*early, *last] == ([] if reading is None else [reading])
        assert early == [] or sent.endswith(b"\r\n")  # a line ends with its first end


@wires
def test_torn_at_each_place(case: Wire) -> None:
    following, readings = clean(case, case.lost_after + 2)
    for sent, _ in case.golden:
        for end in range(1, len(sent)):
            stream = sent[:end] + following
            heard = case.hear(stream, case.pause)
            assert heard[-2:] == readings[-2:]
            if case.check == "own":
                assert only_what_was_sent(case, heard)
            assert only_what_was_sent(case, case.hear(sent[:end]))  # nothing follows: the device is gone


@wires
def test_a_fifth_of_the_frames_lost(case: Wire) -> None:
    for seed in range(20):
        loses = faults.lost(random.Random(seed), 0.2)
        codec, heard, arrived = case.make(), [], []
        for n in range(60):
            sent, reading = case.golden[n % len(case.golden)]
            for part in loses(sent):
                heard += codec.feed(part.data)
                arrived += [] if reading is None else [reading]
        heard += codec.feed(case.pause)
        assert case.meant(heard) == arrived
        assert len(arrived) < 60


@wires
def test_delayed_pieces_come_in_order_and_count_once(case: Wire) -> None:
    """A pure codec knows no clock: between two pieces any time may pass, and any number of empty reads."""
    stream, readings = clean(case, 12)
    for seed in range(20):
        rng, codec, heard = random.Random(seed), case.make(), []
        for chunk in pieces(stream, [rng.randrange(len(stream)) for _ in range(15)]):
            heard += [*codec.feed(chunk), *codec.feed(b"")]
        assert case.meant([*heard, *codec.feed(case.pause)]) == readings


@wires
def test_no_changed_byte_makes_another_reading(case: Wire) -> None:
    following, readings = clean(case, case.lost_after + 2)
    for sent, _ in case.golden:
        for damaged in changed(sent):
            heard = case.hear(damaged + following, case.pause)
            assert heard[-2:] == readings[-2:]
            if case.check == "own":
                assert only_what_was_sent(case, heard), damaged


@wires
def test_garbage_between_frames(case: Wire) -> None:
    following, readings = clean(case, case.lost_after + 2)
    starts = [sent[:2] for sent, _ in case.golden]
    for seed in range(60):
        rng = random.Random(seed)
        garbage = rng.randbytes(rng.randrange(1, 60))
        garbage += rng.choice([b"", b"\x00", b"\xff\xff", *starts, case.golden[0][0][:-1]])
        stream = case.golden[0][0] + garbage + following
        heard = case.hear(stream, case.pause)
        assert heard[-2:] == readings[-2:]
        if case.check == "own":
            assert only_what_was_sent(case, heard)
        assert case.damage(stream, [rng.randrange(len(stream)) for _ in range(4)]) == ""


@wires
def test_a_repeated_frame_is_read_twice(case: Wire) -> None:
    """Whether it is the same fact again is the device's matter, which knows its clock."""
    for sent, reading in case.golden:
        assert case.hear(sent, sent, case.pause) == ([] if reading is None else [reading, reading])


@wires
def test_what_began_before_a_drop_never_ends_after_it(case: Wire) -> None:
    following, readings = clean(case, case.lost_after + 2)
    for sent, _ in case.golden:
        for end in range(1, len(sent)):
            codec = case.make()
            codec.feed(sent[:end])
            codec.drop()
            assert held(codec) == 0
            heard = case.meant([*codec.feed(following), *codec.feed(case.pause)])
            assert only_what_was_sent(case, heard)
            assert heard[-2:] == readings[-2:]


GARBAGE = ("noise", "one byte", "beginnings")


def garbage_of(case: Wire, kind: str) -> bytes:
    """4096 bytes: noise, one byte for ever, the beginning of a frame again and again."""
    sent = case.golden[0][0]
    beginnings = (sent[: len(sent) // 2 + 1] * CHUNK)[:CHUNK]
    return {"noise": random.Random(1).randbytes(CHUNK), "one byte": sent[:1] * CHUNK}.get(kind, beginnings)


def survives(case: Wire, kinds: Sequence[str], size: int) -> None:
    """Feeds so many bytes of garbage: no more than its limit is held, and frames are found again."""
    codec, most = case.make(), 0
    chunks = [garbage_of(case, kind) for kind in kinds]
    for n in range(size // CHUNK):
        codec.feed(chunks[n % len(chunks)])
        most = max(most, held(codec))
    assert most <= case.most_held
    following, readings = clean(case, case.lost_after + 2)
    assert case.meant([*codec.feed(following), *codec.feed(case.pause)])[-2:] == readings[-2:]


@wires
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_not_kept(case: Wire, kind: str) -> None:
    survives(case, [kind], 32 * CHUNK)


@wires
@pytest.mark.slow
def test_ten_megabytes_of_garbage_are_not_kept(case: Wire) -> None:
    survives(case, GARBAGE, GARBAGE_BYTES)


class Counted(bytes):
    """Bytes that count what is copied out of them, in whatever codec they come to lie."""

    copied = 0

    def _count(self, made: bytes) -> "Counted":
        Counted.copied += len(made)
        return Counted(made)

    def __getitem__(self, at: Any) -> Any:
        return self._count(super().__getitem__(at)) if isinstance(at, slice) else super().__getitem__(at)

    def __add__(self, other: bytes) -> "Counted":  # type: ignore[override]
        return self._count(super().__add__(other))

    def __radd__(self, other: Any) -> Any:
        return NotImplemented if isinstance(other, bytearray) else self._count(other + bytes(self))


def work(run: Callable[[], object]) -> int:
    """Lines executed and bytes copied: what takes time, without a clock."""
    lines = 0

    def trace(_frame: FrameType, event: str, _what: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before, Counted.copied = sys.gettrace(), 0
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return lines + Counted.copied


@wires
@pytest.mark.parametrize("what", ["noise", "frames", "one byte"])
def test_twice_the_bytes_are_twice_the_work(case: Wire, what: str) -> None:
    unit = {
        "noise": random.Random(2).randbytes(3000),
        "frames": b"".join(sent for sent, _ in case.golden) * (3000 // len(case.golden[0][0]) + 1),
        "one byte": case.golden[0][0][:1] * 3000,
    }[what]
    once, twice = (work(partial(case.make().feed, Counted(unit * times))) for times in (1, 2))
    assert twice < 2.5 * once + 2000


def test_a_line_beyond_its_limit_is_none_however_it_comes() -> None:
    case = CASES["result-line"]
    assert isinstance(case, Wire)
    line = b"L=" + b"1" * LONGEST_LINE + b"\r\n"
    assert case.hear(line) == []
    assert case.damage(line) == ""


@wires
@settings(max_examples=60)
@given(data=st.data())
def test_any_bytes_in_any_pieces(case: Wire, data: st.DataObject) -> None:
    golden = st.sampled_from([sent for sent, _ in case.golden])
    part = (
        st.binary(max_size=30)
        | golden
        | st.tuples(golden, st.integers(1, 30)).map(lambda cut: cut[0][: cut[1]])
    )
    if case.closed is not None:
        part |= st.binary(max_size=120).map(case.closed)
    stream = b"".join(data.draw(st.lists(part, max_size=12)))
    cuts = data.draw(st.lists(st.integers(1, max(1, len(stream))), max_size=8))
    assert case.damage(stream, cuts) == ""


# ---- whole messages ------------------------------------------------------------------------------


@messages
def test_a_message_says_what_it_says_each_time_it_comes(case: Message) -> None:
    for sent, reading in case.golden:
        assert case.read(sent) == reading
        assert case.read(sent) == reading
        assert case.damage(sent) == ""


@messages
def test_a_message_torn_at_each_place(case: Message) -> None:
    for sent, reading in case.golden:
        for end in range(len(sent)):
            heard = case.hear(sent[:end])
            if case.whole:
                assert heard is None or heard == reading
            assert case.damage(sent[:end]) == ""


@messages
def test_no_changed_byte_of_a_message_breaks_its_codec(case: Message) -> None:
    for sent, reading in case.golden:
        for damaged in changed(sent):
            assert case.damage(damaged) == ""
            if case.check == "own":
                assert case.hear(damaged) in (None, reading)


@messages
def test_garbage_around_a_message(case: Message) -> None:
    for seed in range(40):
        rng = random.Random(seed)
        sent, reading = case.golden[seed % len(case.golden)]
        noise = rng.randbytes(rng.randrange(1, 40))
        for stream in (noise + sent, sent + noise, noise, sent + sent):
            assert case.damage(stream) == ""
            if case.check == "own":
                assert case.hear(stream) in (None, reading)


@messages
@pytest.mark.parametrize(
    "endless", [b"[", b'{"a":', b"<a>", b"--b7\r\n", b"\x00", b"\xff", b"a=1,", b"[a]\n"]
)
def test_an_endless_message_is_refused(case: Message, endless: bytes) -> None:
    assert case.hear(endless * (1024 * 1024 // len(endless))) is None


@messages
@settings(max_examples=60)
@given(data=st.data())
def test_any_message(case: Message, data: st.DataObject) -> None:
    sent = data.draw(st.sampled_from([sent for sent, _ in case.golden]))
    begin, end = sorted((data.draw(st.integers(0, len(sent))), data.draw(st.integers(0, len(sent)))))
    message = sent[:begin] + data.draw(st.binary(max_size=20)) + sent[end:]
    if case.closed is not None and data.draw(st.booleans()):
        message = case.closed(message)
    assert case.damage(message) == ""

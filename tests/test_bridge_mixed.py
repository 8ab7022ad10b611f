"""Parts of multipart bodies: whole, torn at every byte, corrupt, with garbage between them, for ever."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import mixed
from firmware_bridge.mixed import Mixed, boundary_of

BODIES = [b"<a/>", b"\xff\xd8 picture \r\n with lines \xff\xd9", b"", b"Heartbeat"]


def part(body: bytes, *, sized: bool = True, more: str = "") -> bytes:
    size = f"Content-Length: {len(body)}\r\n" if sized else ""
    return f"--b7\r\nContent-Type: x/y\r\n{size}{more}\r\n".encode() + body + b"\r\n"


STREAM = b"".join(part(body) for body in BODIES) + b"--b7--\r\n"


def bodies(parser: Mixed, *chunks: bytes) -> list[bytes]:
    return [each.body for chunk in chunks for each in parser.feed(chunk)]


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_parts_come_out_however_the_bytes_are_cut(size: int, sized: bool) -> None:
    stream = b"".join(part(body, sized=sized) for body in BODIES) + b"--b7--\r\n"
    parser = Mixed("b7")
    assert bodies(parser, *(stream[at : at + size] for at in range(0, len(stream), size))) == BODIES
    assert (parser.closed, parser.skipped, parser.torn) == (True, 0, b"")


def test_lines_may_end_without_a_carriage_return() -> None:
    stream = b"".join(part(body, sized=False) for body in BODIES) + b"--b7--"
    expected = [body.replace(b"\r\n", b"\n") for body in BODIES]
    assert bodies(Mixed("b7"), stream.replace(b"\r\n", b"\n")) == expected


def test_a_part_is_not_whole_before_the_next_boundary_or_a_silence() -> None:
    parser = Mixed("b7")
    assert bodies(parser, part(b"<a/>")) == []
    assert parser.half
    assert [each.body for each in parser.rest()] == [b"<a/>"]
    assert parser.rest() == []
    assert not parser.half
    assert bodies(parser, part(b"<b/>")[:-4]) == []
    assert parser.rest() == []  # two bytes are missing
    assert bodies(parser, b"/>\r\n--b7\r\n") == [b"<b/>"]


def test_a_part_without_its_size_is_not_whole_by_silence() -> None:
    parser = Mixed("b7")
    assert bodies(parser, part(b"PlateNumber=A1", sized=False)) == []
    assert parser.rest() == []


@pytest.mark.parametrize("lost", range(len(part(b"one")), len(part(b"one")) + len(part(b"twoo")), 3))
def test_lost_bytes_cost_their_part_and_no_other(lost: int) -> None:
    stream = part(b"one") + part(b"twoo") + part(b"three") + part(b"four") + b"--b7--"
    parser = Mixed("b7")
    found = bodies(parser, stream[:lost] + stream[lost + 3 :])
    assert set(found) <= {b"one", b"three", b"four"} | ({b"twoo"} if b"twoo" in found else set())
    assert found[0] == b"one" or lost < len(part(b"one")) + 4
    assert found[-1] == b"four"
    assert b"two" not in found


def test_garbage_between_parts_is_skipped_and_kept_to_be_told() -> None:
    parser = Mixed("b7")
    assert bodies(parser, b"noise before\r\n" + STREAM) == BODIES
    assert parser.spoiled == b"noise before"
    parser.feed(b"noise after")
    parser.drop()
    assert parser.spoiled == b"ter"  # a boundary might have begun there
    assert parser.skipped == len(b"noise before") + len(b"noise after")


def test_what_is_held_has_a_limit() -> None:
    parser = Mixed("b7", part_limit=10_000)
    parser.feed(part(b"")[:-2].replace(b": 0", b": 999999"))
    for _ in range(100):
        assert parser.feed(b"x" * 1000) == []
        assert len(parser._held) <= 10_000 + mixed.HEAD_LIMIT + 1000
    assert bodies(parser, b"\r\n" + STREAM) == BODIES
    parser.feed(b"--b7\r\n" + b"Name: value\r\n" * 10_000)
    assert len(parser._held) <= 10_000 + mixed.HEAD_LIMIT
    assert bodies(parser, b"\r\n" + STREAM) == BODIES


def test_headers_that_are_none_spoil_their_part() -> None:
    parser = Mixed("b7")
    assert bodies(parser, b"--b7\r\nno header at all\r\n\r\nbody\r\n" + STREAM) == BODIES
    assert b"no header" in parser.spoiled


def test_another_boundary_gives_nothing() -> None:
    parser = Mixed("other")
    assert bodies(parser, STREAM) == []
    assert parser.skipped > 0


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_no_bytes_break_the_parser(chunks: list[bytes]) -> None:
    parser = Mixed("b7")
    bodies(parser, *chunks)
    parser.rest()
    parser.drop()
    assert bodies(parser, STREAM) == BODIES


@given(st.integers(0, 10_000))
def test_a_turned_bit_never_moves_a_byte_from_one_part_to_another(seed: int) -> None:
    rng = random.Random(seed)
    at = rng.randrange(len(STREAM))
    turned = STREAM[:at] + bytes([STREAM[at] ^ (1 << rng.randrange(8))]) + STREAM[at + 1 :]
    for body in bodies(Mixed("b7"), turned):
        assert len(body) in {len(each) for each in BODIES} or b"--b7" not in body


@pytest.mark.parametrize(
    ("said", "boundary"),
    [
        ("multipart/mixed; boundary=boundary", "boundary"),
        ('multipart/form-data; boundary="---7e13971310878"', "---7e13971310878"),
        ("multipart/x-mixed-replace;boundary=--myboundary", "--myboundary"),
        ("Multipart/Mixed; charset=x; BOUNDARY=abc; more", "abc"),
        ("multipart/mixed", ""),
    ],
)
def test_boundaries_as_makers_write_them(said: str, boundary: str) -> None:
    assert boundary_of(said) == boundary


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("announced", ["b7", "--b7"])
def test_a_boundary_may_be_announced_with_its_hyphens(announced: str, size: int) -> None:
    hyphens = STREAM.replace(b"--b7", b"----b7")
    chunks = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert bodies(Mixed(announced), *chunks) == BODIES
    assert bodies(Mixed("--b7"), hyphens) == BODIES


def test_names_and_kinds_of_a_part() -> None:
    more = 'Content-Disposition: form-data; name="anpr.xml"; filename="C:\\ANPR.xml"\r\n'
    (found,) = Mixed("b7").feed(part(b"x", more=more) + b"--b7--")
    assert (found.kind, found.names) == ("x/y", "anpr.xml c:\\anpr.xml")

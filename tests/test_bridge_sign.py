"""Text boards: rows cut at whole characters, frames and registers, over a pty and TCP; boards gone dark."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.catalog import KINDS
from firmware_bridge.device import Health, MeasureError, Row
from firmware_bridge.devices import led_board
from firmware_bridge.devices.led_board import (
    Colours,
    Config,
    Encoding,
    RowPlace,
    fit_bytes,
    fit_columns,
    frame,
)
from firmware_bridge.virtual.twin_sign import LineSignTwin, RegisterSignTwin
from tests.bridge_parts import Told, end, until

ROWS = (Row(text="苏AD12345", colour="red"), Row(text="请上制动台", colour="green"))
FRAMED = {
    "address": "serial:///dev/null?baud=19200",
    "prefix": "02 30",
    "between": "1F",
    "suffix": "03",
    "colours": Colours(red="1B31", green="1B32", yellow="1B33"),
    "columns": 12,
}
PLACED = {
    "address": "tcp://127.0.0.1:1",
    "registers": (RowPlace(register=10, size=6, colour=40), RowPlace(register=20, size=8, colour=41)),
    "colours": Colours(red="01", green="02", yellow="03"),
    "commit": 50,
}


def config(table: dict[str, object], **changes: object) -> Config:
    return Config(**{**table, **changes})  # type: ignore[arg-type]


# ---- codec ---------------------------------------------------------------------------------------


def test_a_golden_frame() -> None:
    """Computed: GBK of 苏 is CBD5, 请 C7EB, 上 C9CF, 制 D6C6, 动 B6AF, 台 CCA8."""
    assert frame(config(FRAMED), ROWS) == bytes.fromhex(
        "02301B31CBD5 4144 3132333435 2020201F1B32C7EBC9CFD6C6B6AFCCA8 202003"
    )


@pytest.mark.parametrize("check", ["none", "sum", "xor"])
def test_a_check_stands_between_text_and_suffix(check: str) -> None:
    sent = frame(config(FRAMED, rows=1, columns=2, check=check, colours=Colours()), [Row(text="AZ")])
    total = sum(b"AZ") & 0xFF, ord("A") ^ ord("Z")
    expected = {"none": b"", "sum": bytes([total[0]]), "xor": bytes([total[1]])}[check]
    assert sent == b"\x020AZ" + expected + b"\x03"


@given(text=st.text(max_size=30), columns=st.integers(2, 64))
def test_a_row_is_always_as_wide_as_the_board(text: str, columns: int) -> None:
    fitted = fit_columns(text, columns)
    narrow = fitted.encode("gb18030", "replace")
    assert len(fitted) <= columns
    assert not any(byte < 0x20 for byte in narrow)  # nothing in it ends a frame


@given(
    text=st.text(max_size=30),
    size=st.integers(1, 40),
    encoding=st.sampled_from(["gbk", "gb18030", "utf-8", "utf-16-be", "utf-16-le", "ascii"]),
)
def test_a_row_is_never_cut_within_a_character(text: str, size: int, encoding: Encoding) -> None:
    fitted = fit_bytes(text, 2 * size, encoding)
    assert len(fitted) == 2 * size
    shown = fitted.decode(encoding)
    wanted = led_board.printable(text).encode(encoding, "replace").decode(encoding)
    assert wanted.startswith(shown.rstrip()) or shown.startswith(wanted)


def test_rows_that_a_board_does_not_have_are_left_out_and_others_are_blank() -> None:
    plain = config({"address": "serial:///dev/null"}, columns=4)
    assert frame(plain, ROWS[1:]) == "请上\r\n    \r\n".encode("gbk")
    assert frame(plain, [*ROWS, *ROWS]) == "苏AD\r\n请上\r\n".encode("gbk")


# ---- boards --------------------------------------------------------------------------------------


async def show_until_taken(board: led_board.Sign, rows: Sequence[Row]) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await board.show(rows)
            except MeasureError:
                await asyncio.sleep(0.05)
            else:
                return


def test_a_line_board_shows_and_shows_again_after_its_line_was_gone(tmp_path: Path) -> None:
    async def main() -> None:
        settings = config(FRAMED)
        twin, told = LineSignTwin(tmp_path / "led", settings), Told()
        board = led_board.build("led-1", msgspec.structs.replace(settings, address=twin.line.address))
        with pytest.raises(MeasureError, match=r"led-1: .*not connected"):
            await board.show(ROWS)
        twin.line.open()
        task = asyncio.create_task(board.run(told))
        await told.count(Health, 1)
        await until(lambda: twin.rows() == ["苏AD12345", "请上制动台"])  # what it was told while it was away
        await board.show([Row(text="空闲", colour="green")])
        await until(lambda: twin.rows() == ["空闲", ""])
        twin.line.close()
        await told.count(Health, 2)
        twin.frames.clear()
        twin.line.open()
        await until(lambda: twin.rows() == ["空闲", ""])
        states = [said.state for said in told.said if isinstance(said, Health)]
        assert states[:3] == ["ok", "lost", "ok"]
        assert board.source == "sign://led-1"
        await end(task)
        twin.line.close()

    asyncio.run(main())


@pytest.mark.parametrize("encoding", ["gbk", "utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("order", ["big", "little"])
def test_a_register_board_takes_text_colour_and_commit(encoding: str, order: str) -> None:
    async def main() -> None:
        settings = config(PLACED, encoding=encoding, bytes=order)
        twin, told = RegisterSignTwin(settings), Told()
        await twin.start()
        board = led_board.build("led-1", msgspec.structs.replace(settings, address=twin.address))
        task = asyncio.create_task(board.run(told))
        await show_until_taken(board, ROWS)
        cut = {"gbk": "苏AD12345"}.get(encoding, "苏AD123")  # six registers hold twelve bytes
        assert twin.rows() == [cut, "请上制动台"]
        assert twin.tables.holdings[40:42] == [1, 2]
        assert twin.tables.holdings[50] == 1
        assert await told.count(Health, 1) == [Health(state="ok")]
        await end(task)
        await twin.stop()

    asyncio.run(main())


def test_a_register_board_that_lost_its_power_shows_again() -> None:
    async def main() -> None:
        settings = config(PLACED, timeout_ms=200)
        twin, told = RegisterSignTwin(settings), Told()
        await twin.start()
        board = led_board.build("led-1", msgspec.structs.replace(settings, address=twin.address))
        task = asyncio.create_task(board.run(told))
        await show_until_taken(board, ROWS)
        await told.count(Health, 1)
        await twin.stop()
        with pytest.raises(MeasureError, match="led-1"):
            await board.show(ROWS[:1])
        await told.count(Health, 2)
        await twin.start()
        await until(lambda: twin.rows() == ["苏AD12345", ""])
        twin.tables.fault = 2
        with pytest.raises(MeasureError, match="function 16 address 10: exception code 2"):
            await board.show(ROWS)
        await until(lambda: isinstance(last := told.of(Health)[-1], Health) and last.state == "faulty")
        await end(task)
        await twin.stop()

    asyncio.run(main())


def test_a_colour_register_needs_values() -> None:
    table = {"address": "tcp://x", "registers": [{"register": 0, "size": 4, "colour": 9}]}
    with pytest.raises(msgspec.ValidationError, match="give the values of red, green and yellow in colours"):
        msgspec.convert(table, KINDS["led-board"].config)

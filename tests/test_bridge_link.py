"""Addresses, back-off, and links over real TCP and pty lines that break."""

import asyncio
import errno
import socket
import termios
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.link import (
    KEEPALIVE,
    AddressError,
    Backoff,
    Line,
    Link,
    LinkError,
    SerialPort,
    TcpPeer,
    parse_address,
)
from firmware_bridge.virtual.twin_line import PtyLine
from tests.bridge_parts import end
from tests.brokers import free_port


def test_addresses() -> None:
    assert parse_address("serial:///dev/ttyUSB0?baud=38400&parity=e&data=7&stop=2") == SerialPort(
        path="/dev/ttyUSB0", baud=38400, parity="E", data_bits=7, stop_bits=2
    )
    assert parse_address("serial:///dev/ttyUSB0") == SerialPort(path="/dev/ttyUSB0")
    assert parse_address("tcp://192.0.2.7:4001") == TcpPeer(host="192.0.2.7", port=4001)
    assert parse_address("tcp://[::1]:4001") == TcpPeer(host="::1", port=4001)


BAD = {
    "": "begin with serial",
    "/dev/ttyUSB0": "begin with serial",
    "http://x:1": "begin with serial",
    "serial://": "no device path",
    "serial:///dev/x?bauds=9600": "unknown option 'bauds'",
    "serial:///dev/x?baud=9601": "baud is one of 1200",
    "serial:///dev/x?baud=fast": "baud is one of 1200",
    "serial:///dev/x?parity=Q": "parity is N, E or O, not 'Q'",
    "serial:///dev/x?stop=3": "stop is one of 1, 2",
    "tcp://x": "write tcp://HOST:PORT",
    "tcp://x:0": "write tcp://HOST:PORT",
    "tcp://x:70000": "Port out of range",
    "tcp://[": "Invalid IPv6",
    "serial:///dev/x?baud=²": "baud is one of 1200",
    "tcp://x:1/y": "write tcp://HOST:PORT",
}


@pytest.mark.parametrize("address", BAD)
def test_bad_addresses_say_what_is_wrong(address: str) -> None:
    with pytest.raises(AddressError, match=BAD[address]) as caught:
        parse_address(address)
    assert repr(address) in str(caught.value)


@given(st.sampled_from(["", "tcp://", "serial://", "serial:///dev/x?baud="]), st.text(max_size=40))
def test_no_text_breaks_the_parser(begin: str, end: str) -> None:
    text = begin + end
    try:
        parsed = parse_address(text)
    except AddressError as wrong:
        assert text in str(wrong) or repr(text) in str(wrong)
    else:
        assert isinstance(parsed, SerialPort | TcpPeer)


def test_backoff_doubles_to_its_cap_with_jitter() -> None:
    backoff = Backoff(0.1, 1.0)
    delays = [backoff.delay() for _ in range(8)]
    for delay, middle in zip(delays, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 1.0], strict=True):
        assert 0.75 * middle <= delay <= 1.25 * middle
    assert len(set(delays[4:])) > 1
    backoff.reset()
    assert backoff.delay() <= 0.125


def test_a_tcp_link_carries_bytes_and_tells_when_it_is_gone() -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readexactly(4))[::-1])
            await gone.wait()
            writer.close()
            await writer.wait_closed()

        port = free_port()
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        link = Link(f"tcp://127.0.0.1:{port}")
        with pytest.raises(LinkError, match="not connected"):
            await link.write(b"x")
        await link.connect()
        await link.write(b"abcd")
        assert await link.read() == b"dcba"
        gone.set()
        with pytest.raises(LinkError, match="closed by the other side"):
            await link.read()
        await link.close()
        await link.close()
        server.close()
        await server.wait_closed()
        with pytest.raises(LinkError, match=f"tcp://127.0.0.1:{port}"):
            await link.connect()

    asyncio.run(main())


def test_a_tcp_link_finds_out_by_itself_that_its_peer_lost_power() -> None:
    async def main() -> None:
        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        port = free_port()
        server = await asyncio.start_server(serve, "127.0.0.1", port)
        link = Link(f"tcp://127.0.0.1:{port}")
        await link.connect()
        assert link._writer is not None
        kernel = link._writer.get_extra_info("socket")
        assert kernel.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, every, count = (kernel.getsockopt(socket.IPPROTO_TCP, option) for option, _ in KEEPALIVE)
        assert idle + every * count <= 30
        await link.close()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_a_port_unplugged_while_it_is_opened_is_a_lost_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        line = PtyLine(tmp_path / "tty", lambda _heard: None)
        line.open()
        link = Link(line.address)
        with pytest.raises(LinkError, match="Input/output error"):
            await link.connect()
        line.close()

    def unplugged(_port: int, _queue: int) -> None:
        raise termios.error(errno.EIO, "Input/output error")

    monkeypatch.setattr(termios, "tcflush", unplugged)  # what pyserial calls last when it opens
    asyncio.run(main())


def test_a_serial_link_is_its_programs_alone(tmp_path: Path) -> None:
    async def main() -> None:
        line = PtyLine(tmp_path / "tty", lambda _heard: None)
        line.open()
        first, second = Link(line.address), Link(line.address)
        await first.connect()
        with pytest.raises(LinkError, match=r"lock|busy|Resource"):
            await second.connect()
        await first.close()
        await second.connect()
        await second.close()
        line.close()

    asyncio.run(main())


def test_a_line_comes_back_on_the_same_path(tmp_path: Path) -> None:
    async def main() -> None:
        heard: list[bytes] = []
        states: asyncio.Queue[bool] = asyncio.Queue()
        pty = PtyLine(tmp_path / "tty", lambda sent: pty.send(b"<" + sent + b">"))

        async def changed(up: bool, _why: str) -> None:
            states.put_nowait(up)

        line = Line(f"serial://{tmp_path}/tty", heard.append, Backoff(0.05, 0.2))
        task = asyncio.create_task(line.keep(changed))
        async with asyncio.timeout(20):
            assert await states.get() is False
            for turn in (b"1", b"2", b"3"):
                pty.open()
                while not await states.get():
                    pass
                await line.send(turn)
                while b"<" + turn + b">" not in b"".join(heard):  # noqa: ASYNC110 (bytes, no event)
                    await asyncio.sleep(0.01)
                pty.close()
                assert await states.get() is False
        await end(task)

    asyncio.run(main())


def test_more_than_a_pty_holds_arrives_whole(tmp_path: Path) -> None:
    async def main() -> None:
        line = PtyLine(tmp_path / "tty", lambda _heard: None)
        line.open()
        link = Link(line.address)
        await link.connect()
        sent = bytes(range(256)) * 400
        line.send(sent)
        heard = b""
        async with asyncio.timeout(20):
            while len(heard) < len(sent):
                heard += await link.read()
        assert heard == sent
        await link.close()
        line.close()

    asyncio.run(main())

"""The tap and the raw log: nothing blocks, nothing grows without end, a torn tail costs only itself."""

import asyncio
import contextlib
import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from firmware_bridge.device import Capture, Junk
from firmware_bridge.link import Line
from firmware_bridge.modbus import READ_INPUTS, ModbusClient, ModbusSilent, Tables, serve_tcp
from firmware_bridge.mqtt import Broker
from firmware_bridge.rawlog import (
    LEAST_PART_BYTES,
    MOST_FILES,
    PARTS,
    RawLog,
    Ring,
    entries_of,
    frame,
    parts,
    read,
)
from firmware_bridge.tap import BUFFER_BYTES, HEAD_BYTES, NOBODY, TAP, Entry, Tap
from tests.bridge_parts import end


def tap(**changes: object) -> Tap:
    return Tap("d", **{"whole_bytes": 1000, "logged": True, **changes})  # type: ignore[arg-type]


def entry(data: bytes = b"x" * 1000) -> Entry:
    return Entry(way="in", at_ns=1, tick_ns=2, channel="c", data=data)


def test_notes_come_out_once_in_order_with_both_clocks() -> None:
    made = tap()
    made.up("serial:///dev/a")
    made.sent("serial:///dev/a", b"\x41\x04")
    made.heard("serial:///dev/a", b"\x41")
    made.lost("serial:///dev/a", "gone")
    entries = made.fetch()
    assert [(e.way, e.data) for e in entries] == [
        ("up", b""),
        ("out", b"\x41\x04"),
        ("in", b"\x41"),
        ("lost", b"gone"),
    ]
    assert sorted(entries, key=lambda e: e.tick_ns) == entries
    assert all(e.at_ns > 1_600_000_000 * 10**9 for e in entries)
    assert made.fetch() == []


def test_a_long_payload_is_kept_as_digest_and_head() -> None:
    made = tap(whole_bytes=10_000)
    made.heard("mqtt:t", b"p" * 10_000)
    made.heard("mqtt:t", b"q" * 10_001)
    whole, cut = made.fetch()
    assert (len(whole.data), whole.size_bytes, whole.sha256) == (10_000, 0, "")
    assert (len(cut.data), cut.size_bytes, len(cut.sha256)) == (HEAD_BYTES, 10_001, 64)


def test_a_full_buffer_drops_and_says_how_many() -> None:
    made = tap()
    half = b"x" * (BUFFER_BYTES // 2)
    for _ in range(5):
        made.heard("c", half)
    entries = made.fetch()
    assert [e.way for e in entries] == ["in", "dropped"]
    assert entries[-1].data == b"4"
    assert made.counts.unlogged == 4
    made.heard("c", half)
    assert [e.way for e in made.fetch()] == ["in"]


def test_what_was_said_is_json_with_photos_by_digest() -> None:
    made = tap()
    made.said(Capture(key="k", plate_text="浙A12345", photo=b"jpeg"))
    made.said(Junk(channel="t", why="no", data=b"?", size_bytes=1))
    capture, _ = made.fetch()
    said = json.loads(capture.data)
    assert said["plate_text"] == "浙A12345"
    assert said["photo"] == {"size_bytes": 4, "sha256": sha256(b"jpeg").hexdigest()}
    assert made.counts.quarantined == 1


def test_without_a_log_only_counts_are_kept() -> None:
    made = tap(logged=False)
    made.heard("c", b"x")
    made.framed(2, 3)
    assert made.fetch() == []
    assert (made.counts.frames, made.counts.skipped_bytes) == (2, 3)


# ---- on disk -------------------------------------------------------------------------------------


def test_a_ring_keeps_the_newest_and_stays_within_its_room(tmp_path: Path) -> None:
    room = PARTS * LEAST_PART_BYTES
    ring = Ring(tmp_path / "d", room)
    for number in range(2000):
        ring.write([entry(b"%06d" % number + b"x" * 1000)])
    ring.close()
    assert sum(path.stat().st_size for path in parts(tmp_path / "d")) <= room
    kept = [int(e.data[:6]) for e in read(tmp_path / "d")]
    assert kept == list(range(kept[0], 2000))
    assert len(kept) > 400


def test_many_starts_leave_few_files(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 10):
        ring = Ring(tmp_path, 10**7)
        ring.write([entry(b"%d" % number)])
        ring.close()
    assert [int(e.data) for e in read(tmp_path)] == list(range(10, MOST_FILES + 10))


def test_a_torn_tail_is_skipped_and_what_follows_is_read(tmp_path: Path) -> None:
    for number in range(2):
        ring = Ring(tmp_path, 10**7)
        ring.write([entry(b"%d-%d" % (number, n)) for n in range(3)])
        ring.close()
    first, _ = parts(tmp_path)
    os.truncate(first, first.stat().st_size - 1)
    assert [e.data for e in read(tmp_path)] == [b"0-0", b"0-1", b"1-0", b"1-1", b"1-2"]


def test_no_spoilt_byte_yields_a_wrong_entry() -> None:
    content = b"".join(frame(entry(b"%d" % n)) for n in range(3))
    whole = list(entries_of(content))
    for at in range(len(content)):
        spoilt = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        found = list(entries_of(spoilt))
        assert found == whole[: len(found)]
        assert len(found) < 3


def test_a_disk_that_takes_nothing_stops_the_raw_log_alone(tmp_path: Path) -> None:
    made = tap()
    (tmp_path / "raw").write_bytes(b"a file where the folder should be")
    log = RawLog(tmp_path / "raw", [made], 10**7)
    made.heard("c", b"lost")
    assert isinstance(log.flush(), OSError)
    (tmp_path / "raw").unlink()
    made.heard("c", b"kept")
    assert log.flush() is None
    assert log.close() is None
    assert [(e.way, e.data) for e in read(tmp_path / "raw" / "d")] == [("in", b"kept"), ("dropped", b"1")]
    assert made.counts.unlogged == 1


def test_a_full_disk_is_an_error_once_and_never_raised(tmp_path: Path) -> None:
    made = tap()
    (tmp_path / "d").mkdir()
    log = RawLog(tmp_path, [made], 10**7)
    ring = log._rings[0][1]
    made.heard("c", b"x")
    assert log.flush() is None
    ring.close()
    ring._file = Path("/dev/full").open("wb")  # noqa: SIM115 (the ring closes it)
    made.heard("c", b"y")
    wrong = log.flush()
    assert wrong is not None and wrong.errno == 28
    made.heard("c", b"z")
    assert log.close() is None
    assert [e.data for e in read(tmp_path / "d") if e.way == "in"] == [b"x", b"z"]


# ---- links ---------------------------------------------------------------------------------------


def test_a_line_notes_every_chunk_connect_and_loss() -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"pong " + await reader.read(100))
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        address, made, outcomes = f"tcp://127.0.0.1:{port}", tap(), []
        line = Line(address, lambda _: None)
        lost = asyncio.Event()

        async def changed(up: bool, why: str) -> None:
            outcomes.append(up)
            if up and len(outcomes) == 1:
                await line.send(b"ping")
            elif not up:
                lost.set()

        TAP.set(made)
        keeping = asyncio.create_task(line.keep(changed))
        TAP.set(NOBODY)
        await asyncio.wait_for(lost.wait(), 10)
        await end(keeping)
        server.close()
        await server.wait_closed()
        entries = made.fetch()[:4]
        assert [(e.way, e.channel) for e in entries] == [
            (way, address) for way in ("up", "out", "in", "lost")
        ]
        assert [e.data for e in entries] == [b"", b"ping", b"pong ping", b"closed by the other side"]

    asyncio.run(main())


def test_modbus_notes_each_byte_once_however_the_answer_is_cut() -> None:
    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                while asked := await reader.read(100):
                    for byte in asked[:2] + bytes.fromhex("0000 0004 01 02 01 05"):
                        writer.write(bytes([byte]))
                        await writer.drain()
                        await asyncio.sleep(0.005)
            ended.set()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        made, ended = tap(), asyncio.Event()
        TAP.set(made)
        client = ModbusClient(f"tcp://127.0.0.1:{port}")
        await client.connect()
        for _ in range(2):
            assert await client.bits(READ_INPUTS, 0, 3) == [True, False, True]
        client.close()
        await asyncio.wait_for(ended.wait(), 10)
        server.close()
        heard = b"".join(e.data for e in made.fetch() if e.way == "in")
        assert heard.hex(" ") == "00 01 00 00 00 04 01 02 01 05 00 02 00 00 00 04 01 02 01 05"
        assert made.counts.frames == 2

    asyncio.run(main())


def test_modbus_counts_what_was_not_answered() -> None:
    async def main() -> None:
        tables = Tables()
        served = await serve_tcp(tables)
        made = tap()
        TAP.set(made)
        client = ModbusClient(f"tcp://127.0.0.1:{served.port}", timeout_s=0.1)
        await client.connect()
        tables.delay_s = 1.0
        with pytest.raises(ModbusSilent):
            await client.bits(READ_INPUTS, 0, 1)
        client.close()
        await served.stop()
        assert made.counts.timeouts == 1

    asyncio.run(main())


def test_a_message_is_noted_on_the_tap_of_its_listener_and_so_is_the_answer() -> None:
    class Echo:
        async def heard(self, topic: str, payload: bytes) -> None:
            await broker.publish(f"{topic}/ack", payload)

        async def unreadable(self, topic: str, payload: bytes, why: str) -> None: ...

    class Quiet(Broker):
        async def publish(self, topic: str, payload: bytes, *, wait_s: float = 0.0) -> None:
            TAP.get().sent(f"mqtt:{topic}", payload)

    async def main() -> None:
        first, second = tap(), tap()
        for made, name in ((first, "a"), (second, "b")):
            TAP.set(made)
            broker.route((f"{name}/#",), Echo())
        TAP.set(NOBODY)
        await asyncio.create_task(broker.hand_on("a/x", b"1"))
        await asyncio.create_task(broker.hand_on("b/x", b"2"))
        for made, name, data in ((first, "a", b"1"), (second, "b", b"2")):
            assert [(e.way, e.channel, e.data) for e in made.fetch()] == [
                ("in", f"mqtt:{name}/x", data),
                ("out", f"mqtt:{name}/x/ack", data),
            ]

    broker = Quiet("mqtt://192.0.2.1", identifier="t")
    asyncio.run(main())

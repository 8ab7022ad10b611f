"""The agent as a process, driven only from outside by peers that we did not write."""

import base64
import hashlib
import itertools
import os
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from lanes.record import BrakeMeasured, Captured, ItemFailed, Photographed, Sensed, Switched
from tests.agent_parts import CAMERA, PDA, Agent, IoSimulator, Peer, ivs_result, jpeg, make_agent, peer, until
from tests.brokers import amqtt, free_port, nats
from tests.edge_parts import VIN

PLATE, MOMENT = "浙A12345", 1_700_000_000
BROKERS = {"nats": nats, "amqtt": amqtt}


def arrive(agent: Agent, io: IoSimulator, camera: Peer) -> str:
    """Orders a vehicle and lets it stop at the gate; the inspection."""
    agent.until_device("io-1", "ok")
    agent.until_device("pdas", "ok")
    inspection = agent.order("o1", VIN, PLATE)
    io.sense("gate", True)
    camera.publish(CAMERA, ivs_result(PLATE, MOMENT, jpeg("gate")))
    until(lambda: agent.station("gate")["vehicle"])
    return inspection


def drive(agent: Agent, io: IoSimulator, here: str, there: str) -> None:
    """The vehicle drives from one station to the next."""
    io.sense(there, True)
    until(lambda: agent.station(there)["vehicle"])
    io.sense(here, False)


# ---- Modbus ------------------------------------------------------------------------------------------


def told(agent: Agent) -> list[tuple[str, str, bool]]:
    """Every level that the journal says was sensed, and everything that was switched."""
    return [
        (body.station, body.sensor if isinstance(body, Sensed) else body.actuator, body.on)
        for record in agent.records("sensed", "switched")
        for body in [record.body]
        if isinstance(body, Sensed | Switched)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", BROKERS)
def test_a_modbus_module_fails_in_every_way_while_a_vehicle_comes_in(kind: str, tmp_path: Path) -> None:
    with BROKERS[kind](tmp_path / "broker") as broker, IoSimulator() as io:
        edits = {'kind = "modbus-io"': 'kind = "modbus-io"\ntimeout_ms = 300'}
        agent = make_agent(tmp_path / "site", mqtt=broker.port, io=io.address, edits=edits)
        with agent, peer(broker.port) as camera:
            inspection = arrive(agent, io, camera)
            until(lambda: io.coil("gate", "barrier"))
            until(lambda: ("gate", "barrier", True) in told(agent))
            assert agent.station("gate")["vehicle"]["inspection"] == inspection
            before = told(agent)

            io.fault = ExcCodes.DEVICE_FAILURE
            why = agent.until_device("io-1", "faulty")["why"]
            assert "exception code 4 (device failure)" in why and "function 02" in why
            io.fault = None
            agent.until_device("io-1", "ok")

            io.delay_s = 1.0
            assert "no answer" in agent.until_device("io-1", "silent")["why"]
            io.delay_s = 0.0
            agent.until_device("io-1", "ok")

            io.stop()
            assert "connect" in agent.until_device("io-1", "lost")["why"]
            assert any("io-1 lost" in alarm["en"] for alarm in agent.board()["alarms"])
            assert told(agent) == before, "a module that fails has sensed and switched nothing"
            assert agent.station("gate")["vehicle"]["inspection"] == inspection
            io.start()  # its coils have fallen: the barrier is down although the journal says open
            agent.until_device("io-1", "ok")
            until(lambda: io.coil("gate", "barrier"))
            until(lambda: len(told(agent)) > len(before))
            assert told(agent) == [*before, ("gate", "barrier", True)]

            drive(agent, io, "gate", "exterior")
            until(lambda: not io.coil("gate", "barrier"))
            assert not any("io-1" in alarm["en"] for alarm in agent.board()["alarms"])


# ---- the brake bench -----------------------------------------------------------------------------------

LEFT = [min(300, 8 + 300 * index // 40) for index in range(80)]
RIGHT = [force * 9 // 10 for force in LEFT]


def jx_frame(kind: str, digits: str = "") -> bytes:
    """``41 LEN KIND digits CHECK``; all bytes add up to 0 modulo 256 (domain facts, JX instruments)."""
    frame = bytes([0x41, 4 + len(digits), ord(kind)]) + digits.encode()
    return frame + bytes([(256 - sum(frame) % 256) % 256])


def curve() -> list[bytes]:
    """What a bench says from the acknowledgement of its start to the end of the curve."""
    samples = [jx_frame("S", f"{left:04d}{right:04d}") for left, right in zip(LEFT, RIGHT, strict=True)]
    return [jx_frame("f"), jx_frame("N", "1"), jx_frame("D", "00080007"), *samples, jx_frame("E", "EEEEEEEE")]


def damaged(how: str) -> list[bytes]:
    """A curve with one damaged sample; ``silent``: a bench that does not answer its start."""
    frames = curve()
    match how:
        case "silent":
            return []
        case "corrupt":
            frames[30] = frames[30][:5] + bytes([frames[30][5] ^ 0x40]) + frames[30][6:]
        case "torn":
            frames[30] = frames[30][:7]
    return frames


@contextmanager
def on_pty(answer: Callable[[int], bytes]) -> Iterator[str]:
    """Address of a line; each command (its third byte) is answered by ``answer``.

    Long answers come by turns in one piece and a few bytes at a time.
    """
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    ended = threading.Event()

    def serve() -> None:
        held, sizes = b"", itertools.cycle((4096, 7))
        while not ended.is_set():
            with suppress(OSError):
                held += os.read(ours, 256)
            while len(held) >= 4:
                assert held[0] == 0x41 and sum(held[: held[1]]) % 256 == 0, held.hex()
                said, held = answer(held[2]), held[held[1] :]
                size = next(sizes) if len(said) > 100 else 7
                for start in range(0, len(said), size):
                    os.write(ours, said[start : start + size])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"serial://{os.ttyname(theirs)}?baud=38400"
    finally:
        ended.set()
        os.write(theirs, jx_frame("b"))
        thread.join(10)
        os.close(ours)
        os.close(theirs)
    assert not thread.is_alive()


class Bench:
    """A JX brake bench that is told how its next tests go; then they go well."""

    def __init__(self, *next_tests: str) -> None:
        self.next_tests = list(next_tests)
        self.tests = 0

    def __call__(self, command: int) -> bytes:
        match chr(command):
            case "f":
                self.tests += 1
                return b"".join(damaged(self.next_tests.pop(0) if self.next_tests else "good"))
            case "k":
                return jx_frame("k", f"{max(LEFT):04d}{max(RIGHT):04d}{200:04d}{180:04d}")
            case "a":
                return jx_frame("a", "00000000")
            case _:
                return jx_frame(chr(command))


def scale(_command: int) -> bytes:
    return jx_frame("h", f"{390:05d}{410:05d}{800:05d}")


@pytest.mark.slow
def test_a_bad_brake_line_is_told_and_the_good_curve_recorded_once(tmp_path: Path) -> None:
    bench = Bench("corrupt", "silent", "good", "torn")
    with (
        nats(tmp_path / "broker") as broker,
        IoSimulator() as io,
        on_pty(bench) as brakes,
        on_pty(scale) as wheels,
    ):
        folder = tmp_path / "site"
        edits = {
            f"serial://{folder}/tty-brakes-1?baud=38400": brakes,
            f"serial://{folder}/tty-wheels-1?baud=38400": wheels,
            'frames = "numbered"\nlift_s = 1': 'frames = "jx"\nlift_s = 0',
        }
        agent = make_agent(folder, mqtt=broker.port, io=io.address, edits=edits)

        def alarm(text: str) -> Callable[[], bool]:
            return lambda: any(text in each["zh"] for each in agent.station("brake")["vehicle"]["alarms"])

        def measured() -> list[str]:
            return [r.body.item for r in agent.records("brake_measured") if isinstance(r.body, BrakeMeasured)]

        with agent, peer(broker.port) as camera:
            arrive(agent, io, camera)
            drive(agent, io, "gate", "exterior")
            io.sense("brake", True)
            io.sense("exterior", False)  # past the red light: it is followed once it is there no more
            until(lambda: agent.station("brake")["vehicle"])
            io.sense("brake", True, "axle")
            until(alarm("B1 未测成：brakes-1: 12 bytes of the curve were damaged; check the cable"))
            until(alarm("B1 未测成：brakes-1: start: acknowledgement: nothing for 3 s; check power"))
            until(lambda: measured() == ["B1"])
            assert agent.station("brake")["vehicle"]["alarms"] == []
            io.sense("brake", True, "beyond")
            until(alarm("B2 未测成：brakes-1: 7 bytes of the curve were damaged"))
            until(lambda: len(measured()) == 3)
            assert measured() == ["B1", "B2", "B0"] and bench.tests == 6
            bodies = [record.body for record in agent.records("brake_measured", "item_failed")]
            failed = [(body.item, body.device) for body in bodies if isinstance(body, ItemFailed)]
            assert failed == [("B1", "brakes-1"), ("B1", "brakes-1"), ("B2", "brakes-1")]
            for body in bodies:
                if isinstance(body, BrakeMeasured):
                    assert (list(body.curve.left_dan), list(body.curve.right_dan)) == (LEFT, RIGHT)
                    assert (body.left_max_dan, body.right_drag_dan) == (300, 7)


# ---- durable before it is acknowledged -----------------------------------------------------------------


class Tap:
    """Sits between agent and broker and reads along; ``acknowledged`` says whether a PUBACK may pass."""

    def __init__(self, broker_port: int, acknowledged: Callable[[bytes], bool]) -> None:
        self.port, self.delivered = free_port(), [b""][:0]
        self._broker_port, self._acknowledged = broker_port, acknowledged
        self._payloads: dict[bytes, bytes] = {}
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                agent, _ = self._listener.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                self._sockets += [agent, broker]
                self._start(self._pass, agent, broker, self._from_agent)
                self._start(self._pass, broker, agent, self._from_broker)

    def _pass(self, here: socket.socket, there: socket.socket, look: Callable[[int, bytes], bool]) -> None:
        with suppress(OSError), here.makefile("rb") as stream:
            while head := stream.read(1):
                size, shift, length = 0, 0, b""
                while not length or length[-1] & 0x80:
                    length += stream.read(1)
                    size, shift = size | (length[-1] & 0x7F) << shift, shift + 7
                body = stream.read(size)
                if look(head[0], body):
                    there.sendall(head + length + body)
        for end in (here, there):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _from_broker(self, head: int, body: bytes) -> bool:
        if head >> 4 == 3 and head & 0x06:  # PUBLISH with an acknowledgement
            at = 2 + int.from_bytes(body[:2], "big")
            self._payloads[body[at : at + 2]] = body[at + 2 :]
            self.delivered.append(body[at + 2 :])
        return True

    def _from_agent(self, head: int, body: bytes) -> bool:
        return head >> 4 != 4 or self._acknowledged(self._payloads[body[:2]])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for each in self._sockets:
            each.close()


@pytest.mark.slow
def test_record_and_photo_are_durable_before_the_broker_is_told(tmp_path: Path) -> None:
    messages = {n: ivs_result(PLATE, MOMENT + n, jpeg(f"photo {n}", 60_000)) for n in range(4)}
    looked: list[tuple[int, bool]] = []
    withheld = threading.Event()

    def acknowledged(payload: bytes) -> bool:
        """At the very moment of the acknowledgement: is it on the disk? read by sqlite3 and pathlib alone."""
        number = next(n for n in messages if f'"id": "m{MOMENT + n}"'.encode() in payload)
        kept = [each for each in agent.records("captured") if f"/{MOMENT + number}." in each.source_key]
        body = kept[0].body if kept else None
        photo = agent.photo_file(body.photo or "") if isinstance(body, Captured) else None
        whole = photo is not None and photo.read_bytes() == jpeg(f"photo {number}", 60_000)
        looked.append((number, whole))
        return not withheld.is_set()

    with nats(tmp_path / "broker", ack_wait_s=1) as broker:
        tap = Tap(broker.port, acknowledged)
        agent = make_agent(tmp_path / "site", mqtt=tap.port)
        try:
            with agent, peer(broker.port) as camera:
                agent.until_device("pdas", "ok")
                withheld.set()
                for number in range(3):
                    camera.publish(CAMERA, messages[number])
                until(lambda: all(looked.count((number, True)) >= 2 for number in range(3)))
                withheld.clear()  # redelivered until acknowledged, and then not again
                passed = len(looked)
                until(lambda: {number for number, _ in looked[passed:]} == {0, 1, 2})
            settled = len(tap.delivered)
            with agent, peer(broker.port) as camera:
                camera.publish(CAMERA, messages[3])
                until(lambda: (3, True) in looked)
                assert len(tap.delivered) == settled + 1, "what was acknowledged came again"
                assert len(agent.records("captured")) == 4
        finally:
            tap.close()
    assert all(whole for _, whole in looked)


@pytest.mark.slow
def test_kill_9_while_captures_arrive_loses_none_and_doubles_none(tmp_path: Path) -> None:
    with nats(tmp_path / "broker", ack_wait_s=2) as broker:
        agent = make_agent(tmp_path / "site", mqtt=broker.port)
        agent.start()
        try:
            agent.until_device("pdas", "ok")

            def capture(number: int) -> dict[str, Any]:
                return ivs_result(PLATE, MOMENT + number, jpeg(f"car {number}"))

            with peer(broker.port) as camera:
                sent = [camera.send(CAMERA, capture(number)) for number in range(80)]
                until(lambda: len(agent.records("captured")) >= 5)
                agent.kill()
                sent += [camera.send(CAMERA, capture(number)) for number in range(80, 160)]
                held = len(agent.records("captured"))
                agent.start()
                sent += [camera.send(CAMERA, capture(number)) for number in range(160, 200)]
                until(lambda: len(agent.records("captured")) > held)
                agent.kill()
                for each in sent:
                    each.wait_for_publish(30)
            agent.start()
            until(lambda: len(agent.records("captured")) >= 200, 40)
            captured = agent.records("captured")
            keys = [f"virtual-cam-1/{MOMENT + n}.250000/{(MOMENT + n) % 10_000}" for n in range(200)]
            assert sorted(each.source_key for each in captured) == sorted(keys)
            digests = {hashlib.sha256(jpeg(f"car {number}")).hexdigest() for number in range(200)}
            photos = {each.body.photo for each in captured if isinstance(each.body, Captured)}
            assert photos == digests and all(agent.photo_file(digest) for digest in digests)
        finally:
            agent.stop()


# ---- PDAs ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_pda_says_the_same_over_mqtt_and_http_in_both_orders(tmp_path: Path) -> None:
    with nats(tmp_path / "broker") as broker, IoSimulator() as io:
        agent = make_agent(tmp_path / "site", mqtt=broker.port, io=io.address)
        with agent, peer(broker.port) as pda:
            inspection = arrive(agent, io, pda)
            pda.subscribe(f"{PDA}/down/ack")
            page = agent.get(f"/api/v1/inspections/{inspection}")
            items, shot = [item["item"] for item in page["items"]], page["shots"][0]["shot"]

            def by_mqtt(key: str, act: dict[str, Any], **more: Any) -> dict[str, Any]:
                post = {"key": key, "inspection": inspection, "officer": "officer-01", "act": act} | more
                pda.publish(f"{PDA}/up/act", post)
                return pda.answer(key)

            def by_http(key: str, act: dict[str, Any]) -> tuple[int, dict[str, Any]]:
                answer = agent.post(
                    f"/api/v1/inspections/{inspection}/acts",
                    {"key": key, "officer": "officer-01", "act": act},
                )
                return answer.status_code, answer.json()

            first = {"kind": "checked", "item": items[0], "result": "pass"}
            told = by_mqtt("mqtt-first", first)
            assert told["ok"] is True and by_http("mqtt-first", first) == (200, {"seq": told["seq"]})
            second = {"kind": "checked", "item": items[1], "result": "fail", "remark": "左前灯破损"}
            status, body = by_http("http-first", second)
            assert status == 201 and by_mqtt("http-first", second) == {
                "key": "http-first",
                "ok": True,
                **body,
            }
            checked = agent.records("checked")
            assert [each.source_key for each in checked] == ["mqtt-first", "http-first"]

            picture = jpeg("front")
            digest = hashlib.sha256(picture).hexdigest()
            taken = {"kind": "photographed", "shot": shot, "photo": digest}
            told = by_mqtt("photo", taken, photo_base64=base64.b64encode(picture).decode())
            assert told["ok"] is True and by_http("photo", taken) == (200, {"seq": told["seq"]})
            (photographed,) = agent.records("photographed")
            assert isinstance(photographed.body, Photographed)
            kept = agent.photo_file(photographed.body.photo)
            assert kept is not None and kept.read_bytes() == picture

            refused = {
                "no such inspection": by_mqtt("r1", first, inspection="nowhere"),
                "who": by_mqtt("r2", first, officer="stranger"),
                "no item": by_mqtt("r3", first | {"item": "ZZ"}),
                "another act": by_mqtt("mqtt-first", second),
                "unknown field": by_mqtt("r4", first | {"colour": "red"}),
                "wrong type": by_mqtt("r5", first | {"result": 7}),
                "no time": by_mqtt("r6", taken | {"taken_at": "0001-01-01T00:00:00+14:00"}),
                "no zone": by_mqtt("r7", taken | {"taken_at": "2026-11-22T08:00:00"}),
                "no image": by_mqtt("r8", taken, photo_base64="AAAA"),
                "wrong base64": by_mqtt("r9", taken, photo_base64="!"),
                "unsigned": by_mqtt("r10", {"kind": "signed"}),
                "huge number": by_mqtt("r11", {"kind": "ruled", "review_seq": 10**300, "decision": "pass"}),
            }
            expected = {
                "no such inspection": "没有流水号 nowhere",
                "who": "本站没有查验员 stranger",
                "no item": "没有项目 ZZ",
                "another act": "同一键值已用于另一内容",
                "unknown field": "colour",
                "wrong type": "result",
                "no time": "时间超出范围",
                "no zone": "时间缺少时区",
                "no image": "不是 JPEG 或 PNG 图像",
                "wrong base64": "not base64",
                "unsigned": "还缺",
                "huge number": "不需裁定",
            }
            said = {case: (each["ok"], expected[case] in each["why"]) for case, each in refused.items()}
            assert said == dict.fromkeys(expected, (False, True)), refused
            assert len(agent.records("checked", "photographed", "ruled", "signed")) == 3
            assert (
                by_mqtt("after all that", {"kind": "checked", "item": items[2], "result": "pass"})["ok"]
                is True
            )

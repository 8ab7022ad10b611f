"""The persistent session: acknowledged after handling, on two real brokers, over kills and large payloads."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiomqtt
import pytest

from firmware_bridge.link import AddressError
from firmware_bridge.mqtt import Broker, BrokerLost, require_manual_ack
from tests.brokers import BrokerProcess, amqtt, nats

BROKERS = {"nats": nats, "amqtt": amqtt}


class Notes:
    """A listener that keeps what it hears."""

    def __init__(self, act: Callable[[str, bytes], Awaitable[None]] | None = None) -> None:
        self.heard_all: list[tuple[str, bytes]] = []
        self.junk: list[tuple[str, int, str]] = []
        self._act = act

    async def heard(self, topic: str, payload: bytes) -> None:
        if self._act is not None:
            await self._act(topic, payload)
        self.heard_all.append((topic, payload))

    async def unreadable(self, topic: str, payload: bytes, why: str) -> None:
        self.junk.append((topic, len(payload), why))


async def until(done: Callable[[], bool], limit_s: float = 30.0) -> None:
    async with asyncio.timeout(limit_s):
        while not done():  # noqa: ASYNC110 (conditions of many kinds)
            await asyncio.sleep(0.02)


class Running:
    """Brokers' ``run`` as tasks, cancelled at the end."""

    def __init__(self, *brokers: Broker) -> None:
        self._brokers = brokers

    async def __aenter__(self) -> None:
        self._tasks = [asyncio.create_task(broker.run()) for broker in self._brokers]
        for broker in self._brokers:
            async with asyncio.timeout(20):
                await broker.up.wait()

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.mark.parametrize("kind", BROKERS)
def test_messages_arrive_in_order_of_their_topic(kind: str, tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        notes = Notes()
        taker = Broker(server.address, identifier="taker")
        taker.route(("lane/+/x",), notes)
        giver = Broker(server.address, identifier="giver", persistent=False)
        async with Running(taker, giver):
            for number in range(40):
                await giver.publish(f"lane/{number % 4}/x", str(number).encode())
            await until(lambda: len(notes.heard_all) >= 40)
        for lane in range(4):
            numbers = [int(body) for topic, body in notes.heard_all if topic == f"lane/{lane}/x"]
            assert numbers == list(range(lane, 40, 4))

    with BROKERS[kind](tmp_path) as server:
        asyncio.run(main(server))


def test_a_slow_topic_does_not_hold_up_another(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        free = asyncio.Event()

        async def act(topic: str, _payload: bytes) -> None:
            if topic == "lane/slow":
                await free.wait()

        notes = Notes(act)
        taker = Broker(server.address, identifier="taker", max_inflight=4)
        taker.route(("lane/+",), notes)
        giver = Broker(server.address, identifier="giver", persistent=False)
        async with Running(taker, giver):
            for topic in ("lane/slow", "lane/slow", "lane/fast", "lane/fast"):
                await giver.publish(topic, b"x")
            await until(lambda: len(notes.heard_all) == 2)
            assert {topic for topic, _ in notes.heard_all} == {"lane/fast"}
            free.set()
            await until(lambda: len(notes.heard_all) == 4)

    with nats(tmp_path) as server:
        asyncio.run(main(server))


def test_what_a_listener_did_not_take_comes_again(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        tries: list[bytes] = []

        async def act(_topic: str, payload: bytes) -> None:
            tries.append(payload)
            if payload == b"2" and tries.count(b"2") < 3:
                raise OSError("disk full")

        notes = Notes(act)
        taker = Broker(server.address, identifier="taker")
        taker.route(("lane/x",), notes)
        giver = Broker(server.address, identifier="giver", persistent=False)
        async with Running(taker, giver):
            for number in (b"1", b"2", b"3"):
                await giver.publish("lane/x", number)
            await until(lambda: {b for _, b in notes.heard_all} == {b"1", b"2", b"3"}, 60)
        assert tries.count(b"2") == 3

    with nats(tmp_path, ack_wait_s=1) as server:
        asyncio.run(main(server))


def test_session_keeps_what_came_while_the_agent_was_away(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        first, second = Notes(), Notes()
        for notes, bodies in ((first, (b"a",)), (second, ())):
            taker = Broker(server.address, identifier="taker")
            taker.route(("lane/x",), notes)
            giver = Broker(server.address, identifier="giver", persistent=False)
            async with Running(taker, giver):
                for body in bodies:
                    await giver.publish("lane/x", body)
                await until(lambda notes=notes: len(notes.heard_all) >= 1)
            async with Running(giver):
                await giver.publish("lane/x", b"while away")
        assert [body for _, body in first.heard_all] == [b"a"]
        assert second.heard_all[0][1] == b"while away"

    with nats(tmp_path) as server:
        asyncio.run(main(server))


def test_broker_killed_and_restarted_loses_nothing(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        notes = Notes()
        taker = Broker(server.address, identifier="taker")
        taker.route(("lane/x",), notes)
        giver = Broker(server.address, identifier="giver", persistent=False)
        async with Running(taker, giver):
            taken = set()
            for number in range(60):
                if number in (20, 40):
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                body = str(number).encode()
                for _ in range(50):
                    try:
                        await giver.publish("lane/x", body, wait_s=5)
                        taken.add(body)
                        break
                    except BrokerLost:
                        await asyncio.sleep(0.1)
            await until(lambda: taken <= {body for _, body in notes.heard_all}, 60)
            assert len(taken) == 60

    with nats(tmp_path, ack_wait_s=2) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("kind", BROKERS)
def test_too_large_a_payload_is_junk_and_the_session_goes_on(kind: str, tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        notes = Notes()
        taker = Broker(server.address, identifier="taker")
        taker.route(("lane/x",), notes)
        giver = Broker(server.address, identifier="giver", persistent=False)
        size = 20 * 1024 * 1024
        async with Running(taker, giver):
            await giver.publish("lane/x", b"\xff" * size, wait_s=60)
            await giver.publish("lane/x", b"small")
            await until(lambda: bool(notes.heard_all), 60)
        assert notes.heard_all == [("lane/x", b"small")]
        ((topic, told, why),) = notes.junk
        assert (topic, told) == ("lane/x", size)
        assert "limit of 8388608" in why

    server = nats(tmp_path, max_payload_mb=64) if kind == "nats" else amqtt(tmp_path)
    with server:
        asyncio.run(main(server))


CONSUMER = """
import asyncio, sys
from firmware_bridge.mqtt import Broker

class Slow:
    async def heard(self, topic, payload):
        await asyncio.sleep(0.01)          # received, not yet durable: killed here, it must come again
        with open(sys.argv[2], "ab", buffering=0) as log:
            log.write(payload + b"\\n")

    async def unreadable(self, topic, payload, why):
        raise AssertionError(why)

async def main():
    broker = Broker(sys.argv[1], identifier="victim")
    broker.route(("burst/+",), Slow())
    await broker.run()

asyncio.run(main())
"""


@pytest.mark.slow
def test_consumer_killed_between_receipt_and_acknowledgement_loses_nothing(tmp_path: Path) -> None:
    count, kills, log = 400, 4, tmp_path / "taken"
    log.touch()

    def consumer(server: BrokerProcess) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        return subprocess.Popen([sys.executable, "-c", CONSUMER, server.address, str(log)], env=environment)

    def taken() -> list[int]:
        return [int(line) for line in log.read_bytes().split()]

    async def flood(server: BrokerProcess) -> None:
        giver = Broker(server.address, identifier="giver", persistent=False)
        async with Running(giver):
            for number in range(count):
                await giver.publish(f"burst/{number % 8}", str(number).encode())

    def wait(done: Callable[[], bool], limit_s: float = 60.0) -> None:
        deadline = time.monotonic() + limit_s
        while not done() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert done()

    with nats(tmp_path / "broker", ack_wait_s=2) as server:
        process = consumer(server)
        try:
            asyncio.run(_subscribed(server, log))
            asyncio.run(flood(server))
            for _ in range(kills):
                before = len(taken())
                wait(lambda before=before: len(taken()) > before or len(set(taken())) >= count)
                process.send_signal(signal.SIGKILL)
                process.wait(10)
                process = consumer(server)
            wait(lambda: len(set(taken()) - {-1}) >= count)
        finally:
            process.kill()
            process.wait(10)
    assert set(taken()) - {-1} == set(range(count))


async def _subscribed(server: BrokerProcess, log: Path) -> None:
    """Returns when the consumer process hears; what came before its first subscription is nobody's."""
    giver = Broker(server.address, identifier="prober", persistent=False)
    async with Running(giver):
        for _ in range(200):
            await giver.publish("burst/probe", b"-1")
            await asyncio.sleep(0.1)
            if log.stat().st_size:
                return
    raise AssertionError("the consumer never heard anything")


def test_publish_without_broker_says_so() -> None:
    async def main() -> None:
        broker = Broker("mqtt://127.0.0.1:1", identifier="nobody")
        task = asyncio.create_task(broker.run())
        with pytest.raises(BrokerLost, match="not confirmed within"):
            await broker.publish("x", b"y", wait_s=0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1883", "http://x:1", "mqtt://", "mqtt://x:99999", "mqtt://x:1/path"]
)
def test_bad_addresses_are_refused_with_advice(address: str) -> None:
    with pytest.raises(AddressError, match=r"mqtt|[Pp]ort"):
        Broker(address, identifier="x")


def test_start_fails_loudly_when_the_client_loses_its_manual_acknowledgement() -> None:
    async def main() -> None:
        client = aiomqtt.Client("127.0.0.1")
        require_manual_ack(client)
        inner = client._client
        del client._client
        with pytest.raises(RuntimeError, match="a crash would lose messages"):
            require_manual_ack(client)
        client._client = inner

    asyncio.run(main())

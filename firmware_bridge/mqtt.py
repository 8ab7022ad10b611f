"""Topics in and out: a persistent MQTT session that acknowledges a message after its listener has returned.

The only file that imports aiomqtt. The library acknowledges QoS 1 on arrival (its issue 345: a killed
consumer loses what it had not handled yet), so the manual acknowledgement of the client beneath it is
switched on, and tested for at start. MQTT 3.1.1, because the embedded broker (NATS) and amqtt refuse
version 5. A Client that was cancelled while it connected is unusable for ever, so every try makes a new one.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

import aiomqtt

from firmware_bridge.link import AddressError, Backoff, split, tcp_peer
from firmware_bridge.tap import TAP, Tap

DEFAULT_PAYLOAD_BYTES = 8 * 1024 * 1024
KEEPALIVE_S = 15
CALL_TIMEOUT_S = 10.0
REFUSED_SUBSCRIPTION = 0x80  # MQTT 3.1.1 §3.9.3: return code of SUBACK

_log = logging.getLogger("chayan.mqtt")
_aiomqtt_log = logging.getLogger("chayan.mqtt.client")
_aiomqtt_log.setLevel(logging.CRITICAL)  # what it warns of is told here, as states and errors


class BrokerLost(Exception):
    """The broker is away, refused, or did not confirm in time."""


class Listener(Protocol):
    """Hears the messages of some topics. Returning acknowledges; raising leaves unacknowledged."""

    async def heard(self, topic: str, payload: bytes) -> None: ...

    async def unreadable(self, topic: str, payload: bytes, why: str) -> None: ...


def require_manual_ack(client: aiomqtt.Client) -> None:
    """Switches manual acknowledgement on; raises RuntimeError when the library no longer lets us."""
    inner = getattr(client, "_client", None)
    switch = getattr(inner, "manual_ack_set", None)
    if not callable(switch) or not callable(getattr(inner, "ack", None)):
        raise RuntimeError(
            "aiomqtt without _client.manual_ack_set/ack: a crash would lose messages; pin aiomqtt<3"
        )
    switch(True)
    if getattr(inner, "_manual_ack", None) is not True:
        raise RuntimeError("paho-mqtt: manual_ack_set(True) had no effect, so a crash would lose messages")


@dataclass
class _Route:
    filters: tuple[str, ...]
    listener: Listener
    tap: Tap

    def takes(self, topic: str) -> bool:
        return any(aiomqtt.Topic(topic).matches(pattern) for pattern in self.filters)


@dataclass
class _Lanes:
    """Messages at work: one queue a topic (order kept), at most ``limit`` topics at once."""

    limit: asyncio.Semaphore
    queues: dict[str, list[aiomqtt.Message]] = field(default_factory=dict)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    failed: asyncio.Event = field(default_factory=asyncio.Event)


class Broker:
    """One connection, shared by all devices that speak through this broker.

    ``address``: ``mqtt://[user:password@]host:port`` or ``mqtts://``. ``identifier`` is fixed, since the
    session belongs to it. Devices ``route`` when they are built; then somebody must ``run`` it.
    """

    def __init__(
        self,
        address: str,
        *,
        identifier: str,
        persistent: bool = True,
        max_inflight: int = 16,
        payload_limit_bytes: int = DEFAULT_PAYLOAD_BYTES,
        backoff: Backoff | None = None,
    ) -> None:
        self._host, self._port, self._user, self._password, self._tls = _split(address)
        self.address = f"mqtt://{self._host}:{self._port}"
        self.identifier = identifier
        self.persistent = persistent
        self.max_inflight = max_inflight
        self.payload_limit_bytes = payload_limit_bytes
        self.up = asyncio.Event()
        self.why = "not connected yet"
        self._backoff = backoff or Backoff()
        self._routes: list[_Route] = []
        self._client: aiomqtt.Client | None = None

    def route(self, filters: Sequence[str], listener: Listener) -> None:
        """Messages of these topic filters go to ``listener``, from the next connection on."""
        self._routes.append(_Route(tuple(filters), listener, TAP.get()))

    async def run(self) -> None:
        """Keeps the session until cancelled; what a listener did not take comes again."""
        require_manual_ack(self._make_client())
        while True:
            try:
                await self._session()
            except (aiomqtt.MqttError, BrokerLost) as lost:
                self.why = f"{self.address}: {lost}"
                for tap in self._taps():
                    tap.lost(self.address, str(lost))
            finally:
                self._client = None
                self.up.clear()
            await asyncio.sleep(self._backoff.delay())

    async def publish(self, topic: str, payload: bytes, *, wait_s: float = CALL_TIMEOUT_S) -> None:
        """Publishes with QoS 1 and returns after the broker's PUBACK; raises BrokerLost."""
        try:
            async with asyncio.timeout(wait_s):
                await self.up.wait()
                client = self._client
                if client is None:
                    raise BrokerLost(self.why)
                TAP.get().sent(f"mqtt:{topic}", payload)
                await client.publish(topic, payload, qos=1, timeout=wait_s)
                self._backoff.reset()
        except TimeoutError:
            raise BrokerLost(f"{topic}: not confirmed within {wait_s:g} s ({self.why})") from None
        except aiomqtt.MqttError as lost:
            raise BrokerLost(f"{topic}: {lost}") from lost

    def _make_client(self) -> aiomqtt.Client:
        client = aiomqtt.Client(
            self._host,
            self._port,
            username=self._user,
            password=self._password,
            identifier=self.identifier,
            clean_session=not self.persistent,
            protocol=aiomqtt.ProtocolVersion.V311,
            keepalive=KEEPALIVE_S,
            timeout=CALL_TIMEOUT_S,
            max_inflight_messages=self.max_inflight,
            tls_context=ssl.create_default_context() if self._tls else None,
            logger=_aiomqtt_log,
        )
        client.pending_calls_threshold = 10 * self.max_inflight
        return client

    async def _session(self) -> None:
        client = self._make_client()
        require_manual_ack(client)
        await _enter(client)
        lanes = _Lanes(asyncio.Semaphore(self.max_inflight))
        try:
            await self._subscribe(client)
            self._client, self.why = client, ""
            for tap in self._taps():
                tap.up(self.address)
            self.up.set()
            await self._receive(client, lanes)
        finally:
            self.up.clear()
            for task in lanes.tasks:
                task.cancel()
            await asyncio.gather(*lanes.tasks, return_exceptions=True)
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        for pattern in sorted({pattern for route in self._routes for pattern in route.filters}):
            for code in await client.subscribe(pattern, qos=1):
                granted = code if isinstance(code, int) else code.value
                if granted >= REFUSED_SUBSCRIPTION:
                    raise BrokerLost(f"subscription to {pattern} refused")

    async def _receive(self, client: aiomqtt.Client, lanes: _Lanes) -> None:
        messages = asyncio.ensure_future(self._sort(client, lanes))
        failed = asyncio.ensure_future(lanes.failed.wait())
        try:
            await asyncio.wait((messages, failed), return_when=asyncio.FIRST_COMPLETED)
            if messages.done():
                messages.result()
            raise BrokerLost("a message was not taken; it will come again")
        finally:
            for task in (messages, failed):
                task.cancel()
            await asyncio.gather(messages, failed, return_exceptions=True)

    async def _sort(self, client: aiomqtt.Client, lanes: _Lanes) -> None:
        async for message in client.messages:
            topic = str(message.topic)
            waiting = lanes.queues.setdefault(topic, [])
            waiting.append(message)
            if len(waiting) == 1:
                task = asyncio.ensure_future(self._work(client, lanes, topic))
                lanes.tasks.add(task)
                task.add_done_callback(lambda done: self._worked(lanes, done))

    def _worked(self, lanes: _Lanes, task: "asyncio.Task[None]") -> None:
        lanes.tasks.discard(task)
        wrong = None if task.cancelled() else task.exception()
        if wrong is not None:
            _log.error("%s: listener failed, the message stays with the broker", self.address, exc_info=wrong)
            lanes.failed.set()

    async def _work(self, client: aiomqtt.Client, lanes: _Lanes, topic: str) -> None:
        waiting = lanes.queues[topic]
        while waiting and not lanes.failed.is_set():
            async with lanes.limit:
                await self.hand_on(topic, bytes(waiting[0].payload))
            _acknowledge(client, waiting.pop(0))
            self._backoff.reset()
        if not waiting:
            del lanes.queues[topic]

    def _taps(self) -> set[Tap]:
        return {route.tap for route in self._routes}

    async def hand_on(self, topic: str, payload: bytes) -> None:
        """Gives a message to everyone who listens to its topic; returns when all have taken it."""
        routes = [route for route in self._routes if route.takes(topic)]
        if not routes:
            _log.warning(
                "%s: nobody listens to %s any more; %d bytes dropped", self.address, topic, len(payload)
            )
        for route in routes:
            TAP.set(route.tap)  # of this task: what the listener publishes is its device's
            route.tap.heard(f"mqtt:{topic}", payload)
            route.tap.framed(1)
            if len(payload) > self.payload_limit_bytes:
                why = f"{len(payload)} bytes, more than the limit of {self.payload_limit_bytes}"
                await route.listener.unreadable(topic, payload, why)
            else:
                await route.listener.heard(topic, payload)


def _acknowledge(client: aiomqtt.Client, message: aiomqtt.Message) -> None:
    if message.qos:
        client._client.ack(message.mid, message.qos)


async def _enter(client: aiomqtt.Client) -> None:
    """Connects in a task of its own: the connecting thread cannot be cancelled, only undone."""
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        with suppress(aiomqtt.MqttError):
            await entering
            await client.__aexit__(None, None, None)
        raise


def _split(address: str) -> tuple[str, int, str | None, str | None, bool]:
    parts = split(address)
    if parts.scheme not in {"mqtt", "mqtts"}:
        raise AddressError(f"{address!r}: write mqtt://HOST:PORT or mqtts://USER:PASSWORD@HOST:PORT")
    peer = tcp_peer(address, default_port=8883 if parts.scheme == "mqtts" else 1883)
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return peer.host, peer.port, user, password, parts.scheme == "mqtts"

"""TopicDevice: what the devices behind a broker have in common: waiting for ``run``, junk, health."""

import asyncio
import math
from typing import TypeVar

import msgspec

from firmware_bridge.device import Said, Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.mqtt import Broker, junk

T = TypeVar("T")
LOOK_S = 1.0  # s; how often the broker's state and the silence are looked at


class Unreadable(Exception):
    """Bytes that are no message of this protocol; the text says why."""


def read_json(what: str, payload: bytes, shape: type[T], *, strict: bool = True) -> T:
    """JSON of a known shape; raises Unreadable."""
    try:
        return msgspec.json.decode(payload, type=shape, strict=strict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Unreadable(f"{what}: {wrong}") from wrong


class TopicDevice:
    """A device whose messages come by topic. A message that arrives before ``run`` waits unacknowledged."""

    def __init__(self, name: str, source: str, broker: Broker, rhythm_s: float) -> None:
        self.name = name
        self.source = source
        self.broker = broker
        self._rhythm_s = rhythm_s
        self._running = asyncio.Event()
        self._tell: Tell | None = None
        self._pulse: Pulse | None = None

    async def run(self, tell: Tell) -> None:
        """Tells what arrives and the device's health, until cancelled."""
        self._tell, self._pulse = tell, Pulse(tell, self._rhythm_s)
        self._running.set()
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                if not self.broker.up.is_set():
                    await self._pulse.lost(self.broker.why)
                elif math.isinf(self._rhythm_s):
                    await self._pulse.beat()  # it may be silent for hours: the way to it is all one can know
                else:
                    await self._pulse.check()
        finally:
            self._running.clear()

    async def say(self, said: Said) -> None:
        """Tells one fact, and that the device is alive."""
        await self._running.wait()
        if self._tell is None or self._pulse is None:
            raise RuntimeError(f"{self.name}: told before run")
        await self._tell(said)
        await self._pulse.beat()

    async def alive(self) -> None:
        """A sign of life without a fact."""
        await self._running.wait()
        if self._pulse is not None:
            await self._pulse.beat()

    async def unreadable(self, topic: str, payload: bytes, why: str) -> None:
        """Tells Junk."""
        await self.say(junk(topic, payload, why))

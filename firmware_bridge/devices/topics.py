"""TopicDevice: what the devices behind a broker have in common."""

import math
from typing import TypeVar

import msgspec

from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.devices.speaker import Speaker
from firmware_bridge.mqtt import Broker

T = TypeVar("T")


class Unreadable(Exception):
    """Bytes that are no message of this protocol; the text says why."""


def read_json(what: str, payload: bytes, shape: type[T], *, strict: bool = True) -> T:
    """JSON of a known shape; raises Unreadable."""
    try:
        return msgspec.json.decode(payload, type=shape, strict=strict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Unreadable(f"{what}: {wrong}") from wrong


class TopicDevice(Speaker):
    """A device whose messages come by topic. A message that arrives before ``run`` waits unacknowledged."""

    def __init__(self, name: str, source: str, broker: Broker, rhythm_s: float) -> None:
        super().__init__(name, source, rhythm_s)
        self.broker = broker

    async def look(self, pulse: Pulse) -> None:
        """The broker's state, then the silence."""
        if not self.broker.up.is_set():
            await pulse.lost(self.broker.why)
        elif math.isinf(self._rhythm_s):
            await pulse.beat()  # it may be silent for hours: the way to it is all one can know
        else:
            await pulse.check()

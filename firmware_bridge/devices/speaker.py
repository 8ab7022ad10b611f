"""Speaker: what devices that speak by themselves have in common: waiting for ``run``, junk, health."""

import asyncio

from firmware_bridge.device import Said, Tell, junk
from firmware_bridge.devices.pulse import Pulse

LOOK_S = 1.0  # s; how often the silence is looked at


class Speaker:
    """A device that is heard. What arrives before its first ``run`` waits for it, unacknowledged."""

    def __init__(self, name: str, source: str, rhythm_s: float) -> None:
        self.name = name
        self.source = source
        self._rhythm_s = rhythm_s
        self._running = asyncio.Event()
        self._tell: Tell | None = None
        self._pulse: Pulse | None = None

    async def run(self, tell: Tell) -> None:
        """Tells what arrives and the device's health, until cancelled."""
        self._tell, self._pulse = tell, Pulse(tell, self._rhythm_s)
        self._running.set()
        try:
            await self.listen(self._pulse)
        finally:
            self.ended()

    async def listen(self, pulse: Pulse) -> None:
        """What the device does while it runs: here to look for its silence."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look(pulse)

    async def look(self, pulse: Pulse) -> None:
        """One look at the device's silence."""
        await pulse.check()

    def ended(self) -> None:
        """From now on what arrives waits for the next ``run``."""
        self._running.clear()

    async def say(self, said: Said) -> None:
        """Tells one fact, and that the device is alive."""
        tell, pulse = await self._ready()
        await tell(said)
        await pulse.beat()

    async def alive(self) -> None:
        """A sign of life without a fact."""
        _, pulse = await self._ready()
        await pulse.beat()

    async def unreadable(self, channel: str, payload: bytes, why: str) -> None:
        """Tells Junk."""
        await self.say(junk(channel, payload, why))

    async def _ready(self) -> tuple[Tell, Pulse]:
        await self._running.wait()
        if self._tell is None or self._pulse is None:
            raise RuntimeError(f"{self.name}: told before run")
        return self._tell, self._pulse

"""Pulse: a device's health, told on change; silence for longer than its rhythm is a fault."""

import asyncio

from firmware_bridge.device import Health, Tell


class Pulse:
    """Health of one device: ``beat`` at each sign of life, ``set`` what is known, ``check`` for silence."""

    def __init__(self, tell: Tell, rhythm_s: float) -> None:
        self._tell = tell
        self._rhythm_s = rhythm_s
        self._last = asyncio.get_running_loop().time()
        self.state = "unknown"
        self._why = ""

    async def set(self, state: str, why: str = "") -> None:
        """Tells the state if it differs from the last one told."""
        if state != self.state:
            self.state, self._why = state, why
            await self._tell(Health(state=state, why=why))

    async def beat(self) -> None:
        """The device was heard: it is ok."""
        self._last = asyncio.get_running_loop().time()
        await self.set("ok")

    async def lost(self, why: str) -> None:
        """The way to the device is gone; silence counts anew once it is back."""
        self._last = asyncio.get_running_loop().time()
        await self.set("lost", why)

    async def check(self) -> None:
        """Tells silent when nothing was heard for longer than the rhythm."""
        quiet = asyncio.get_running_loop().time() - self._last
        if quiet > self._rhythm_s:
            await self.set("silent", f"nothing heard for {self._rhythm_s:g} s")

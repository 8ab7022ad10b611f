"""PushDevice: what devices have in common that post to the node over HTTP."""

import asyncio
import ipaddress
from typing import Annotated

from msgspec import Meta

from firmware_bridge.device import Answer, Push, junk
from firmware_bridge.devices.speaker import Speaker
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.link import AddressError

START_S = 10.0  # s; a device that was just built runs by then
Peer = Annotated[str, Meta(max_length=45)]


def known_peer(text: str) -> str:
    """An IP address as sockets write it; empty stays empty; raises AddressError."""
    if not text:
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as wrong:
        raise AddressError(f"peer = {text!r}: {wrong}; write an address such as 192.0.2.11") from wrong


class PushDevice(Speaker):
    """A device that is heard by its posts. What it posts is told before it is answered."""

    def __init__(self, name: str, source: str, peer: str, rhythm_s: float) -> None:
        super().__init__(name, source, rhythm_s)
        self.peer = known_peer(peer)

    async def pushed(self, push: Push) -> Answer:
        """Tells what was posted, as Junk what cannot be read, and answers so that it is not sent for ever."""
        async with asyncio.timeout(START_S):
            await self._running.wait()
        if push.torn:
            return await self._unread(push, push.torn)
        try:
            return await self.read(push)
        except Unreadable as wrong:
            return await self._unread(push, str(wrong))

    async def read(self, push: Push) -> Answer:
        """Tells what a whole post says and gives the maker's answer; raises Unreadable."""
        raise NotImplementedError

    def unread(self) -> Answer:
        """The maker's answer to what could not be read: taken, do not send it again."""
        return Answer()

    async def _unread(self, push: Push, why: str) -> Answer:
        await self.say(junk(f"http://{self.name}{push.path}", push.body, why, push.size_bytes))
        return self.unread()

    def ended(self) -> None:
        """What is being posted while the node stops is still told: this kind of device posts only once."""

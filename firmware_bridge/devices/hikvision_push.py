"""Hikvision plate cameras that push (ISAPI ``httpHosts``): fire and forget, a 503 is not sent again (F)."""

from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.device import Answer, Push
from firmware_bridge.devices.hikvision import captures, is_alert, raise_barrier, recognise
from firmware_bridge.devices.login import Login
from firmware_bridge.devices.push import Peer, PushDevice
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.mixed import Mixed, Part, boundary_of

RHYTHM_S = float("inf")  # without a vehicle it may say nothing for hours; its heartbeat can be off (F1)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera: the address it may post from; with ``login`` it can be told something."""

    peer: Peer = ""
    channel: Annotated[int, Meta(ge=1, le=64)] = 1
    login: Login | None = None
    simulated: bool = False


def read_parts(push: Push) -> list[Part]:
    """The parts of a whole body: a multipart form, or an alert without pictures; raises Unreadable."""
    multipart = "multipart" in push.content_type.lower()
    parts = _form(push) if multipart else [Part(headers={"content-type": push.content_type}, body=push.body)]
    if not any(is_alert(part) for part in parts):
        raise Unreadable(f"no alert in {len(parts)} parts")
    return parts


def _form(push: Push) -> list[Part]:
    boundary = boundary_of(push.content_type)
    if not boundary:
        raise Unreadable(f"form: no boundary in {push.content_type[:200]!r}")
    mixed = Mixed(boundary, part_limit=len(push.body))
    parts = mixed.feed(push.body)
    if not mixed.closed:
        parts += mixed.rest()  # a form without its last boundary, but with the size of its last part
    if mixed.skipped or mixed.torn:
        raise Unreadable(f"form: {mixed.skipped + len(mixed.torn)} bytes belong to no whole part")
    return parts


class HikvisionPush(PushDevice):
    """One camera that posts."""

    def __init__(self, name: str, config: Config) -> None:
        source = f"http://{name}"
        super().__init__(name, f"virtual+{source}" if config.simulated else source, config.peer, RHYTHM_S)
        self._channel = config.channel
        self._web = config.login.web() if config.login else None

    async def read(self, push: Push) -> Answer:
        """Tells the captures of a post; an alert of another kind is a sign of life."""
        told = captures(read_parts(push))
        for capture in told:
            await self.say(capture)
        if not told:
            await self.alive()
        return Answer()

    async def trigger(self) -> None:
        """Lets it recognise what it sees now; raises CommandError."""
        await recognise(self.name, self._web, self._channel)

    async def gate(self, raised: bool) -> None:
        """Raises or lowers the barrier wired to it; raises CommandError."""
        await raise_barrier(self.name, self._web, self._channel, raised)

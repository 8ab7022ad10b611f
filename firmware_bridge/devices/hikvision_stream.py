"""Hikvision plate cameras that are asked for their stream of alerts (ISAPI, domain facts 7.3: F)."""

from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.devices.hikvision import captures, is_alert, raise_barrier, read_alert, recognise
from firmware_bridge.devices.login import Login
from firmware_bridge.devices.stream import Codec, StreamDevice
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.mixed import Part

PATH = "/ISAPI/Event/notification/alertStream"
RHYTHM_S = 60.0  # "videoloss, inactive" comes every few seconds as a heartbeat (M)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One camera and how to get into it."""

    login: Login
    channel: Annotated[int, Meta(ge=1, le=64)] = 1
    silence_s: Annotated[int, Meta(ge=5, le=3600)] = 60
    simulated: bool = False


def event(part: Part) -> tuple[str, int | None] | None:
    """The alert that a part begins, and how many pictures follow it; raises Unreadable."""
    if not is_alert(part):
        raise Unreadable(f"a part of kind {part.kind[:80]!r}")
    alert = read_alert(part.body)
    return None if alert is None else (alert.capture.key, alert.pictures)


CODEC = Codec(event=event, captures=captures, boundary="boundary")


class HikvisionStream(StreamDevice):
    """One camera whose stream of alerts is read."""

    def __init__(self, name: str, config: Config) -> None:
        source = f"virtual+http://{name}" if config.simulated else f"http://{name}"
        super().__init__(name, source, config.login.web(), PATH, CODEC, config.silence_s)
        self._channel = config.channel

    async def trigger(self) -> None:
        """Lets it recognise what it sees now; raises CommandError."""
        await recognise(self.name, self.web, self._channel)

    async def gate(self, raised: bool) -> None:
        """Raises or lowers the barrier wired to it; raises CommandError."""
        await raise_barrier(self.name, self.web, self._channel, raised)

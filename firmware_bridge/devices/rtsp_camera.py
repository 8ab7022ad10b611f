"""Network cameras over RTSP: a ring of what they show, stills and clips out of it (RFC 2326, 3550, 6184)."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit, urlunsplit

from msgspec import Meta, Struct

from firmware_bridge.device import Film, MeasureError, Picture, Tell
from firmware_bridge.devices.pulse import Pulse
from firmware_bridge.link import AddressError
from firmware_bridge.secret import password
from firmware_bridge.video import Ring, Stream, VideoError, clip, still

RHYTHM_S = 10.0
LOOK_S = 0.5
STALE_S = 3.0  # s; an older picture is not what stands there now
MB = 1 << 20


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The camera's stream, and how much of it is held in memory."""

    address: str
    username: Annotated[str, Meta(max_length=80)] = ""
    password_file: Path | None = None
    keep_s: Annotated[int, Meta(ge=10, le=3600)] = 180
    keep_mb: Annotated[int, Meta(ge=1, le=2000)] = 96
    before_s: Annotated[int, Meta(ge=0, le=60)] = 3
    after_s: Annotated[int, Meta(ge=0, le=60)] = 3
    simulated: bool = False


def stream_address(config: Config) -> str:
    """The address with its user and password; raises AddressError, SecretError."""
    parts = urlsplit(config.address)
    if parts.scheme not in ("rtsp", "rtsps") or not parts.hostname or parts.username is not None:
        raise AddressError("address: write rtsp://HOST:554/PATH; the user stands in username, password_file")
    if not config.username:
        return config.address
    secret = password(config.password_file) if config.password_file else ""
    user = f"{quote(config.username, safe='')}:{quote(secret, safe='')}@"
    return urlunsplit(parts._replace(netloc=user + parts.netloc))


class RtspCamera:
    """One camera. What it films is told to nobody until a still or a clip is asked for."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self.source = f"virtual+rtsp://{name}" if config.simulated else f"rtsp://{name}"
        self.before_s, self.after_s = config.before_s, config.after_s
        self.ring = Ring(keep_s=config.keep_s, keep_bytes=config.keep_mb * MB)
        self._address = stream_address(config)
        self._up, self._why = False, "not connected yet"

    async def run(self, tell: Tell) -> None:
        """Keeps the ring filled and tells the camera's health, until cancelled."""
        pulse = Pulse(tell, RHYTHM_S)
        stream = Stream(self._address, self.ring, RHYTHM_S, self._changed)
        stream.start()
        seen: datetime | None = None
        try:
            while stream.alive:
                newest = self.ring.newest
                if self._up and newest != seen:
                    seen = newest
                    await pulse.beat()
                elif self._up:
                    await pulse.check()
                elif self._why != "not connected yet":
                    await pulse.lost(self._why)
                await asyncio.sleep(LOOK_S)
            raise RuntimeError(f"{self.name}: what reads the stream has fallen: see the log")
        finally:
            stream.stop()

    def _changed(self, up: bool, why: str) -> None:
        """Called in the stream's thread."""
        self._up, self._why = up, why

    async def picture(self) -> Picture:
        """What the camera shows now; raises MeasureError, also when the last picture is old."""
        newest = self.ring.newest
        if newest is None or (datetime.now(UTC) - newest).total_seconds() > STALE_S:
            raise MeasureError(f"{self.name}: no picture of now ({self._why or 'the camera is silent'})")
        try:
            jpeg, at = await asyncio.to_thread(still, self.ring)
        except VideoError as error:
            raise MeasureError(f"{self.name}: {error}") from error
        return Picture(jpeg=jpeg, at=at)

    async def film(self, begin: datetime, end: datetime) -> Film:
        """What is held from ``begin`` to ``end``, begun by a key picture; raises MeasureError."""
        pieces = self.ring.between(begin, end)
        try:
            data = await asyncio.to_thread(clip, self.ring, pieces)
        except VideoError as error:
            raise MeasureError(f"{self.name}: {error}") from error
        return Film(mp4=data, from_at=pieces[0].at, to_at=pieces[-1].at)

"""What the tests of video share: a player's view of a clip, and waits for a camera."""

import asyncio
import io

import av

from firmware_bridge.device import Health
from firmware_bridge.devices.rtsp_camera import RtspCamera
from firmware_bridge.virtual.video import RATE
from tests.bridge_parts import Told


def decoded(mp4: bytes) -> tuple[int, float]:
    """Pictures and seconds of a clip, as a player finds them."""
    with av.open(io.BytesIO(mp4)) as film:
        times = [float(frame.time) for frame in film.decode(video=0) if frame.time is not None]
    return len(times), times[-1] - times[0]


async def until(told: Told, state: str) -> None:
    """Waits until the last health told is this one."""
    while [health.state for health in told.of(Health) if isinstance(health, Health)][-1:] != [state]:
        await told.count(Health, len(told.of(Health)) + 1)


async def until_held(camera: RtspCamera, seconds: float) -> None:
    async with asyncio.timeout(30):
        while len(camera.ring.pieces) < seconds * RATE:  # noqa: ASYNC110 - filled by a thread
            await asyncio.sleep(0.05)

"""A video camera against an RTSP server that we did not write."""

import asyncio
import subprocess
import sys
from pathlib import Path

from firmware_bridge.devices.rtsp_camera import Config, RtspCamera
from firmware_bridge.video import clip
from tests.bridge_parts import Told, end
from tests.brokers import free_port
from tests.test_bridge_video import filled
from tests.video_parts import decoded, until, until_held

SERVE = """
import asyncio, sys
import aio_rtsp_toolkit.server as rtsp
folder, port, control = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
asyncio.run(rtsp.serve(folder, "127.0.0.1", port, control_port=control))
"""


def test_a_stream_by_somebody_else_is_filmed(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    ring = filled(300, keep_s=600)
    (tmp_path / "films" / "a.mp4").write_bytes(clip(ring, list(ring.pieces)))
    port = free_port()

    async def use() -> None:
        camera = RtspCamera("cam-1", Config(address=f"rtsp://127.0.0.1:{port}/a.mp4"))
        told = Told()
        running = asyncio.create_task(camera.run(told))
        try:
            async with asyncio.timeout(60):
                await until(told, "ok")
                await until_held(camera, 2)
            assert (await camera.picture()).jpeg.startswith(b"\xff\xd8\xff")
            pieces = list(camera.ring.pieces)
            film = await camera.film(pieces[0].at, pieces[-1].at)
            assert decoded(film.mp4)[0] >= 15
        finally:
            await end(running)

    with (tmp_path / "log").open("wb") as log:
        arguments = [str(tmp_path / "films"), str(port), str(free_port())]
        server = subprocess.Popen([sys.executable, "-c", SERVE, *arguments], stdout=log, stderr=log)
        try:
            asyncio.run(use())
        finally:
            server.kill()
            server.wait()

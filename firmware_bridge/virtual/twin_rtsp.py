"""A network camera facing the other way: RTSP with RTP inside its own connection, H.264."""

import asyncio
import base64
import struct
from collections.abc import Iterator
from contextlib import suppress

from firmware_bridge.virtual import video

CLOCK_HZ = 90_000
ROOM = 1400  # bytes of a picture in one RTP packet
KIND = 96
SPS, PPS = 7, 8


def units(picture: bytes) -> list[bytes]:
    """NAL units of an Annex B picture."""
    parts = picture.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def payloads(unit: bytes) -> Iterator[bytes]:
    """A NAL unit whole, or in fragments (FU-A, RFC 6184)."""
    if len(unit) <= ROOM:
        yield unit
        return
    indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
    parts = [unit[at : at + ROOM] for at in range(1, len(unit), ROOM)]
    for n, part in enumerate(parts):
        mark = (0x80 if n == 0 else 0) | (0x40 if n == len(parts) - 1 else 0)
        yield bytes([indicator, mark | kind]) + part


class RtspTwin:
    """A camera on a TCP port."""

    def __init__(self) -> None:
        self.shown = 0
        self._awake = asyncio.Event()
        self._awake.set()
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """What stands in a site file."""
        assert self._server is not None
        return f"rtsp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/stream"

    async def start(self, port: int = 0) -> None:
        """Switches the camera on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def stop(self) -> None:
        """Switches it off: connections break."""
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def hang(self) -> None:
        """It holds its connections and says nothing more, until it is woken."""
        self._awake.clear()

    def wake(self) -> None:
        """It goes on."""
        self._awake.set()

    def cut(self) -> None:
        """Breaks every connection."""
        for client in self._clients:
            client.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        playing: asyncio.Task[None] | None = None
        try:
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).decode("ascii", "replace").lstrip("\0$")
                method = request.split(" ", 1)[0][-20:]
                await self._awake.wait()
                writer.write(self._answer(method, request))
                if method == "PLAY":
                    playing = asyncio.create_task(self._play(writer))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the other side is gone, or the camera is switched off
        finally:
            self._clients.discard(writer)
            if playing is not None:
                playing.cancel()
            writer.close()

    def _answer(self, method: str, request: str) -> bytes:
        number = next(
            line.split(":", 1)[1].strip() for line in request.splitlines() if line.upper().startswith("CSEQ")
        )
        body, more = "", ""
        if method == "DESCRIBE":
            body, more = self._description(), "Content-Type: application/sdp\r\n"
        elif method == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
        elif method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        else:
            more = "Session: 1\r\n"
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        return f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{more}{length}\r\n{body}".encode("ascii")

    def _description(self) -> str:
        sets = [unit for unit in units(video.group()[0]) if unit[0] & 0x1F in (SPS, PPS)]
        known = ",".join(base64.b64encode(each).decode("ascii") for each in sets)
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=twin\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            f"m=video 0 RTP/AVP {KIND}\r\na=rtpmap:{KIND} H264/{CLOCK_HZ}\r\n"
            f"a=fmtp:{KIND} packetization-mode=1;sprop-parameter-sets={known}\r\na=control:track1\r\n"
        )

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        number, at = 0, 0
        with suppress(OSError):
            while True:
                for picture in video.group():
                    await self._awake.wait()
                    every = [part for unit in units(picture) for part in payloads(unit)]
                    for n, part in enumerate(every):
                        mark = 0x80 if n == len(every) - 1 else 0
                        head = struct.pack("!BBHII", 0x80, mark | KIND, number & 0xFFFF, at & 0xFFFFFFFF, 1)
                        packet = head + part
                        writer.write(b"$\0" + struct.pack("!H", len(packet)) + packet)
                        number += 1
                    await writer.drain()
                    self.shown += 1
                    at += CLOCK_HZ // video.RATE
                    await asyncio.sleep(1 / video.RATE)

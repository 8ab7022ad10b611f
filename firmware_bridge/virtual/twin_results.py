"""Instruments that hand over results as text, facing the other way: one writes files, one sends lines."""

import asyncio
from pathlib import Path

from firmware_bridge.virtual.faults import Fault, whole


class FileTwin:
    """A program that leaves its results in ``folder``; ``rename``: it writes under another name first."""

    def __init__(self, folder: Path, *, rename: bool = False) -> None:
        self.folder = folder
        self.fault: Fault = whole
        self._rename = rename

    async def result(self, name: str, text: bytes) -> None:
        """Writes one result, part by part as the fault has it."""
        path = self.folder / (f"{name}.part" if self._rename else name)
        with path.open("wb") as file:
            for part in self.fault(text):
                await asyncio.sleep(part.delay_s)
                file.write(part.data)
                file.flush()
        if self._rename:
            path.rename(self.folder / name)


class LineTwin:
    """A gauge on a TCP port that sends lines to whoever is connected; ``asked`` are the lines it was sent."""

    def __init__(self) -> None:
        self.fault: Fault = whole
        self.asked: list[bytes] = []
        self.reply: bytes | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._peers: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """What stands in a site file."""
        return f"tcp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Switches the gauge on, at the port it had before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Switches it off: its connections end."""
        if self._server is not None:
            self._server.close()
            for peer in list(self._peers):
                peer.transport.abort()
            await self._server.wait_closed()

    async def send(self, line: bytes) -> None:
        """Sends a line to everyone."""
        for part in self.fault(line):
            await asyncio.sleep(part.delay_s)
            for peer in list(self._peers):
                peer.write(part.data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._peers.add(writer)
        try:
            while line := await reader.readline():
                self.asked.append(line)
                if self.reply is not None:
                    await self.send(self.reply)
        except OSError:
            pass  # it was switched off
        finally:
            self._peers.discard(writer)
            writer.close()

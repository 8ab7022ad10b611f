"""The rig's processes: started, started again whenever they die, hurt by process id."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.chaos.facts import Fact
from benchmarks.chaos.node import CANNOT_OPEN

END_S = 30.0  # a process gets this long to end by itself
ANSWER_S = 5.0  # for one fact; the devices then repeat themselves
BACKUP_EVERY_S, BACKUPS, BACKUP_AGE_S = 10.0, 8, 60.0
FALLEN_SHOWN = 5


class Process:
    """One program, kept running. ``fell`` is told when it ends with neither SIGKILL nor permission."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        fell: Callable[[str], None],
        env: dict[str, str] | None = None,
    ) -> None:
        self.name, self._command, self._log, self._fell = name, command, log, fell
        self._env = {**os.environ, **(env or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._may_start = asyncio.Event()
        self._may_start.set()
        self.excused_until = 0.0  # may refuse to begin: its disk is full
        self.starts = 0

    def start(self) -> None:
        """Runs it until ``end``."""
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            await self._may_start.wait()
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=log,
                    env=self._env,
                    limit=1 << 20,
                )
            self.starts += 1
            try:
                await self._attend(self._process)
            except asyncio.CancelledError:
                await self._terminate(self._process)
                raise
            self._judge_end(await self._process.wait())
            await asyncio.sleep(0.05)

    def _judge_end(self, status: int) -> None:
        excused = status == CANNOT_OPEN and time.monotonic() < self.excused_until
        if status != -signal.SIGKILL and not excused:
            self._fell(f"{self.name} ended by itself with status {status}; see {self._log}")

    async def _attend(self, process: asyncio.subprocess.Process) -> None:
        """While it runs."""
        await process.wait()

    async def _terminate(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), END_S)
            except TimeoutError:
                self.signal(signal.SIGKILL)
                await process.wait()
                self._fell(f"{self.name} did not end within {END_S:.0f} s of SIGTERM")
                return
        if process.returncode not in (0, -signal.SIGTERM, -signal.SIGKILL):
            self._fell(f"{self.name} ended with status {process.returncode} when told to; see {self._log}")

    def signal(self, number: signal.Signals) -> bool:
        """Sends a signal; whether there was a process to take it."""
        process = self._process
        if process is None or process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
            return True
        return False

    async def pause(self, seconds: float) -> bool:
        """SIGSTOP, and SIGCONT after ``seconds``; whether there was a process."""
        stopped = self.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.signal(signal.SIGCONT)
        return stopped

    async def end(self) -> None:
        """Stops it in order."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class NodeProcess(Process):
    """The node, and the devices' line to it. ``acknowledged`` is told identity and number of the record."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        fell: Callable[[str], None],
        acknowledged: Callable[[str, int], None],
        env: dict[str, str],
    ) -> None:
        super().__init__("node", command, log, fell, env)
        self._acknowledged = acknowledged
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._listens = False

    async def ask(self, fact: Fact) -> bool:
        """Offers a fact; whether it was acknowledged."""
        if not self._listens:
            return False
        answer = asyncio.get_running_loop().create_future()
        self._asked[fact.identity] = answer
        self.tell({"device": fact.device, "number": fact.number})
        try:
            async with asyncio.timeout(ANSWER_S):
                return bool(await answer)
        except TimeoutError:
            return False

    def tell(self, line: dict[str, Any]) -> None:
        """One line to the node; lost when it is down."""
        process = self._process
        if self._listens and process is not None and process.stdin is not None:
            process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _attend(self, process: asyncio.subprocess.Process) -> None:
        """Reads answers to the very last: what was written before a kill was acknowledged."""
        assert process.stdout is not None
        self._listens = True
        while (line := await process.stdout.readline()).endswith(b"\n"):
            self._hear(json.loads(line))
        self._listens = False
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(False)
        self._asked.clear()

    def _hear(self, said: dict[str, Any]) -> None:
        identity = Fact(device=said["device"], number=said["number"]).identity
        if "seq" in said:
            self._acknowledged(identity, said["seq"])
        answer = self._asked.get(identity)
        if answer is not None and not answer.done():
            answer.set_result("seq" in said)


class RegistryProcess(Process):
    """A registry on SQLite that is backed up all the time, and can be put back to such a backup."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, fell: Callable[[str], None], database: Path
    ) -> None:
        super().__init__(name, command, log, fell)
        self._database = database
        self._backups: deque[tuple[float, Path]] = deque()

    async def keep_backups(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(BACKUP_EVERY_S if self._backups else 1.0)
            if self._database.exists():
                await self._back_up()

    async def _back_up(self) -> None:
        copy = self._database.with_name(f"backup-{time.monotonic_ns()}")
        try:
            await asyncio.to_thread(_copy_database, self._database, copy)
        except sqlite3.Error:  # in the middle of a fault
            copy.unlink(missing_ok=True)
            return
        self._backups.append((time.monotonic(), copy))
        while len(self._backups) > BACKUPS:
            self._backups.popleft()[1].unlink(missing_ok=True)

    async def restore(self) -> bool:
        """Kills it and puts the newest backup that is a minute old in its place, else the oldest."""
        if not self._backups:
            return False
        old = [path for at, path in self._backups if time.monotonic() - at >= BACKUP_AGE_S]
        backup = old[-1] if old else self._backups[0][1]
        self._may_start.clear()
        process = self._process
        self.signal(signal.SIGKILL)
        if process is not None:
            await process.wait()
        await asyncio.to_thread(_put_back, backup, self._database)
        self._may_start.set()
        return True


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)


def _copy_database(source: Path, target: Path) -> None:
    with closing(_read_only(source)) as from_, closing(sqlite3.connect(target)) as to:
        from_.backup(to)


def _put_back(backup: Path, database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(backup.read_bytes())

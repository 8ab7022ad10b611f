"""Pseudo serial lines: a path an agent opens as if a device were wired to it, and the twin's end of it."""

import asyncio
import os
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from firmware_bridge.virtual.faults import Fault, whole

READ_SIZE = 4096
OVERRUN = 1024 * 1024  # bytes nobody reads; more are lost, as in a UART


class PtyLine:
    """A pty whose slave stays open, so that the path survives agents that come and go.

    ``path`` becomes a symbolic link to the slave. ``hear`` gets what the agent writes; ``send`` goes to the
    agent, through ``fault`` if one is set.
    """

    def __init__(self, path: Path, hear: Callable[[bytes], None]) -> None:
        self.path = path
        self.fault: Fault = whole
        self._hear = hear
        self._master = -1
        self._slave = -1
        self._waiting = b""

    @property
    def address(self) -> str:
        """What stands in a site file."""
        return f"serial://{self.path}?baud=38400"

    def open(self) -> None:
        """Makes the pty and the link; needs a running loop."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    def close(self) -> None:
        """Takes the line away: an agent on it sees it vanish."""
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._waiting = b""
        self.path.unlink(missing_ok=True)

    def send(self, sent: bytes) -> None:
        """Writes to the agent; bytes that the kernel does not take now follow later."""
        for part in self.fault(sent):
            if part.delay_s:
                asyncio.get_running_loop().call_later(part.delay_s, self._write, part.data)
            else:
                self._write(part.data)

    def _readable(self) -> None:
        with suppress(BlockingIOError, OSError):
            self._hear(os.read(self._master, READ_SIZE))

    def _write(self, sent: bytes) -> None:
        if self._master < 0:
            return
        self._waiting = (self._waiting + sent)[-OVERRUN:]
        with suppress(BlockingIOError):
            written = os.write(self._master, self._waiting)
            self._waiting = self._waiting[written:]
        loop = asyncio.get_running_loop()
        if self._waiting:
            loop.add_writer(self._master, self._write, b"")
        else:
            loop.remove_writer(self._master)


class PtyBridge:
    """Two ptys back to back, so that two programs which both open serial ports can face each other."""

    def __init__(self, left: Path, right: Path) -> None:
        self.left = PtyLine(left, self._to_right)
        self.right = PtyLine(right, self._to_left)

    def open(self) -> None:
        """Makes both ends."""
        self.left.open()
        self.right.open()

    def close(self) -> None:
        """Takes both ends away."""
        self.left.close()
        self.right.close()

    def _to_right(self, heard: bytes) -> None:
        self.right.send(heard)

    def _to_left(self, heard: bytes) -> None:
        self.left.send(heard)

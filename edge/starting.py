"""What the agent and the review process share: token, signals, the question that both ask of every photo."""

import asyncio
import contextlib
import os
import secrets
import signal
from pathlib import Path

REUSE = "reuse"  # asked of every photo that an officer has taken, whatever the checklist asks
TOKEN_FILE = "worker.token"  # noqa: S105 - a file's name


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGINT, SIGTERM and the end of the terminal set ``stop``."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def worker_token(folder: Path) -> str:
    """The token by which this node knows its review process; made at first use, its user's alone."""
    path = folder / TOKEN_FILE
    if path.exists() and not path.stat().st_size:
        path.unlink(missing_ok=True)  # left by a power cut; an empty token would let everybody in
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mine = path.with_suffix(f".{secrets.token_hex(4)}")
        mine.touch(mode=0o600)
        with mine.open("w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # agent and reviewer start together: the first one's holds
            os.link(mine, path)
        mine.unlink()
    return path.read_text(encoding="ascii")

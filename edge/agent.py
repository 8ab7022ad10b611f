"""The agent: one node's loops, each restarted by itself when it falls, all ended together."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from edge.desk import Desk
from edge.starting import stop_on_signals
from lanes.record import NodeStarted

RESTART_S = (0.5, 1.0, 2.0, 5.0, 10.0)  # waits before a fallen loop is started again; the last one repeats
WELL_S = 60.0  # a loop that ran so long begins with the first wait again
GRACE_S = 2

log = structlog.get_logger("chayan.agent")

Loop = Callable[[], Awaitable[None]]


class AddressTaken(Exception):
    """The API's address cannot be bound; the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files with which a server proves its name."""

    certificate: Path
    key: Path


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the agent ends everything together."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def keep_running(name: str, loop: Loop) -> None:
    """Runs a loop for ever; when it falls, says why and starts it again: the one place that catches all."""
    fallen = 0
    while True:
        began = time.monotonic()
        try:
            await loop()
            log.warning("loop ended", loop=name)
        except Exception as error:  # one fallen device must not end the lane
            log.error("loop fell", loop=name, why=f"{type(error).__name__}: {error}", exc_info=True)
        if time.monotonic() - began > WELL_S:
            fallen = 0
        await asyncio.sleep(RESTART_S[min(fallen, len(RESTART_S) - 1)])
        fallen += 1


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises AddressTaken in plain words.

    asyncio turns Nagle's delay off only where the protocol is named; with it every answer can wait 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise AddressTaken(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    stop: asyncio.Event,
    closing: Callable[[], None] = lambda: None,
    tls: Tls | None = None,
    http: Literal["auto"] | type[asyncio.Protocol] = "auto",
) -> None:
    """Serves an application until ``stop`` is set; ``closing`` then ends its long answers."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=http,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    closing()
    stopping.cancel()
    await serving


async def run_agent(
    desk: Desk,
    loops: Mapping[str, Loop],
    app: FastAPI,
    started: NodeStarted,
    stop: asyncio.Event,
) -> None:
    """Runs every loop and the API until ``stop``; the journal stays open."""
    listener = bind(desk.site.api.host, desk.site.api.port)
    stop_on_signals(stop)
    await desk.own(f"started-{started.boot}", started)
    tasks = [asyncio.create_task(keep_running(name, loop), name=name) for name, loop in loops.items()]
    log.info("node is up", node=desk.site.node.name, api=f"http://{desk.site.api.host}:{desk.site.api.port}")
    try:
        await serve(app, listener, stop, desk.close)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def boot_id() -> str:
    """The kernel's boot id: ``tick_ms`` of two records compare only within one."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"pid-{os.getpid()}"

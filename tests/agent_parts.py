"""The real agent as a process, and peers that we did not write: paho-mqtt, pymodbus's simulator, sqlite3."""

import asyncio
import base64
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import ModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.demo_site import ACTUATORS, SENSORS, Ports, site_text
from lanes.record import Record, parse
from tests.brokers import free_port
from tests.edge_parts import vehicle

ROOT = Path(__file__).parents[1]
CAMERA = "device/virtual-cam-1/message/up/ivs_result"
PDA = "chayan/pda/pda-7"
NO_REGISTRY = "\n[registry]\nurl = "
SENSOR_BITS = 16  # the simulator's first bit that is a sensor; the coils begin at 0


def until(done: Callable[[], Any], limit_s: float = 20.0, pause_s: float = 0.05) -> Any:
    """Waits for something true and returns it."""
    deadline = time.monotonic() + limit_s
    while True:
        found = done()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {limit_s} s"
        time.sleep(pause_s)


def chayan(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A command of chayan from start to end."""
    command = [sys.executable, "-m", "edge", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, env=environment)


class Process:
    """A chayan command that runs on; its standard error goes to a file."""

    def __init__(self, log: Path, *arguments: str, up: str = "") -> None:
        self.log, self.url = log, up
        self._command = [sys.executable, "-m", "edge", *arguments]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits for its /healthz if it has one."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=ROOT)
        if self.url:
            until(self._healthy, 40)

    def _healthy(self) -> bool:
        assert self.process is not None and self.process.poll() is None, self.said()[-3000:]
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def said(self) -> str:
        return self.log.read_text("utf-8", errors="replace")

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM; must end by itself."""
        status = self._end(signal.SIGTERM)
        assert status in (0, None), self.said()[-3000:]

    def _end(self, how: signal.Signals) -> int | None:
        process, self.process = self.process, None
        if process is None:
            return None
        process.send_signal(how)
        try:
            return process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise

    def rss_mb(self) -> float:
        """Resident memory now."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def __enter__(self) -> "Process":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Agent(Process):
    """``chayan run`` on a site file in ``folder``."""

    def __init__(self, folder: Path, site: Path, port: int) -> None:
        self.folder, self.site = folder, site
        super().__init__(folder / "agent.log", "run", str(site), up=f"http://127.0.0.1:{port}")

    def get(self, path: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}{path}", timeout=10)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, timeout=10)

    def board(self) -> dict[str, Any]:
        return self.get("/api/v1/board")

    def device(self, name: str) -> dict[str, Any]:
        return next(each for each in self.board()["devices"] if each["device"] == name)

    def until_device(self, name: str, state: str, limit_s: float = 20.0) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            device = self.device(name)
            return device if device["state"] == state else None

        found: dict[str, Any] = until(there, limit_s)
        return found

    def station(self, name: str) -> dict[str, Any]:
        (lane,) = self.board()["lanes"]
        return next(each for each in lane["stations"] if each["station"] == name)

    def order(self, key: str, vin: str, plate: str) -> str:
        body = {"key": key, "vehicle": vehicle(vin, plate), "business": "periodic", "ordered_by": "clerk"}
        answer = self.post("/api/v1/orders", body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["inspection"])

    # ---- what is on the disk, read by sqlite3 alone ----------------------------------------------

    @property
    def journal(self) -> Path:
        return self.folder / "node" / "journal.sqlite"

    def records(self, *kinds: str) -> list[Record]:
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as file:
            rows = file.execute("SELECT kind, data FROM records ORDER BY seq").fetchall()
        return [parse(data) for kind, data in rows if not kinds or kind in kinds]

    def photo_file(self, digest: str) -> Path | None:
        return next((self.folder / "node" / "photos").rglob(f"{digest}*"), None)


def make_agent(
    folder: Path,
    *,
    mqtt: int = 1,
    io: str = "tcp://127.0.0.1:1",
    registry: str = "",
    edits: dict[str, str] | None = None,
) -> Agent:
    """An agent of one lane on free ports; ``edits`` replace parts of its site file."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    text = site_text(folder, Ports(mqtt, 0, port, 1), {"1": io})
    text = re.sub(r"input = (\d+)", lambda found: f"input = {int(found[1]) + SENSOR_BITS}", text)
    table = f'[registry]\nurl = "{registry}"\n' if registry else ""
    text = text.replace('[registry]\nurl = "http://127.0.0.1:1"\nkey = ""\n', table)
    for old, new in (edits or {}).items():
        assert old in text, old
        text = text.replace(old, new)
    site = folder / "site.toml"
    site.write_text(text, "utf-8")
    return Agent(folder, site, port)


# ---- MQTT: paho, as a camera's or a PDA's firmware would -------------------------------------------


class Peer:
    """A plain paho client with a thread of its own."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_message = self._heard
        self._messages: list[tuple[str, bytes]] = []
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(self._client.is_connected)

    def publish(self, topic: str, payload: bytes | dict[str, Any], limit_s: float = 30.0) -> None:
        """QoS 1; returns after the broker's PUBACK."""
        self.send(topic, payload).wait_for_publish(limit_s)

    def send(self, topic: str, payload: bytes | dict[str, Any]) -> paho.MQTTMessageInfo:
        body = payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode()
        return self._client.publish(topic, body, qos=1)

    def subscribe(self, topic: str) -> None:
        granted = threading.Event()
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.subscribe(topic, qos=1)
        assert granted.wait(10)

    def answer(self, key: str, limit_s: float = 15.0) -> dict[str, Any]:
        """The answer on down/ack to the message with this key."""

        def there() -> dict[str, Any] | None:
            answers = [
                json.loads(body) for topic, body in list(self._messages) if topic.endswith("/down/ack")
            ]
            return next((each for each in answers if each["key"] == key), None)

        found: dict[str, Any] = until(there, limit_s)
        self._messages.clear()
        return found

    def _heard(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self._messages.append((message.topic, bytes(message.payload)))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def peer(port: int) -> Iterator[Peer]:
    made = Peer(port)
    try:
        yield made
    finally:
        made.close()


def jpeg(mark: str, size: int = 2000) -> bytes:
    """Bytes that begin and end like a JPEG, different for each mark."""
    return b"\xff\xd8\xff\xe0" + f"simulated {mark} ".encode() * (size // (11 + len(mark))) + b"\xff\xd9"


def ivs_result(plate: str, moment: int, photo: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """A capture as the maker's "custom MQTT protocol" has it."""
    result: dict[str, Any] = {
        "license": base64.b64encode(plate.encode()).decode(),
        "confidence": 97,
        "type": 1,
        "colorType": 1,
        "full_image_content": base64.b64encode(photo or b"").decode(),
        "timeStamp": {"Timeval": {"sec": moment, "usec": 250_000}},
        "plateid": moment % 10_000,
        "isoffline": 0,
    }
    return {
        "id": f"m{moment}",
        "sn": "virtual-cam-1",
        "name": "ivs_result",
        "version": "1.0",
        "timestamp": moment,
        "payload": {"AlarmInfoPlate": {"result": {"PlateResult": result | changes}}},
    }


# ---- Modbus: pymodbus's own server and simulator ---------------------------------------------------


class IoSimulator:
    """An I/O module: sensors and coils are bits of its registers, written and read by a client of its own.

    ``fault`` is answered instead of values; ``delay_s`` holds answers back.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.fault: ExcCodes | None = None
        self.delay_s = 0.0
        self._registers = [0, 0, 0, 0]
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    async def _act(self, *_: object) -> ExcCodes | None:
        await asyncio.sleep(self.delay_s)
        return self.fault

    async def _serve(self, ready: threading.Event) -> None:
        block = SimData(0, values=self._registers, datatype=DataType.REGISTERS)
        device = SimDevice(1, simdata=[block], action=self._act, use_bit_addressing=True)
        server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await server.serve_forever(background=True)
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        ready.set()
        await self._stop.wait()
        await server.shutdown()

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)))
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """Power off: sensors keep their levels, coils fall."""
        if self._thread is not None:
            if self.fault is None and not self.delay_s:
                self._registers = [0, *self.read_sensor_words()]
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(15)
            assert not self._thread.is_alive()
            self._thread = None

    def read_sensor_words(self) -> list[int]:
        with self.client() as client:
            return list(client.read_holding_registers(1, count=3, device_id=1).registers)

    @contextmanager
    def client(self) -> Iterator[ModbusTcpClient]:
        client = ModbusTcpClient("127.0.0.1", port=self.port)
        assert client.connect()
        try:
            yield client
        finally:
            client.close()

    def sense(self, station: str, on: bool, sensor: str = "occupied") -> None:
        """What the lane's loops and photocells see."""
        bit = SENSOR_BITS + SENSORS.index((station, sensor))
        with self.client() as client:
            assert not client.write_coil(bit, on, device_id=1).isError()

    def coil(self, station: str, actuator: str) -> bool:
        """Level of an output, read by a client that the agent does not know."""
        with self.client() as client:
            answer = client.read_coils(ACTUATORS.index((station, actuator)), count=1, device_id=1)
            assert not answer.isError()
            return bool(answer.bits[0])

    def __enter__(self) -> "IoSimulator":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.fault, self.delay_s = None, 0.0
        self.stop()

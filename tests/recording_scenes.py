"""Scenes of further kinds: good measurements, refused ones, and lines with faults."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from edge.settings import Role
from firmware_bridge.device import Row
from firmware_bridge.devices import modbus_meter
from firmware_bridge.devices.headlamp_mqd6a import Beam
from firmware_bridge.devices.led_board import Config as BoardConfig
from firmware_bridge.devices.scale_sics import Reading
from firmware_bridge.virtual import faults, physics
from firmware_bridge.virtual.fleet import sound_car
from firmware_bridge.virtual.twin_analog import AnalogTwin
from firmware_bridge.virtual.twin_dahua import DahuaTwin, text
from firmware_bridge.virtual.twin_headlamp import HeadlampTwin
from firmware_bridge.virtual.twin_hikvision import HikvisionTwin, alert, heartbeat
from firmware_bridge.virtual.twin_meter import MeterTwin
from firmware_bridge.virtual.twin_obd import ObdTwin, ObdVehicle, unit
from firmware_bridge.virtual.twin_plate import PlateTwin
from firmware_bridge.virtual.twin_plate_jx import PlateJxTwin
from firmware_bridge.virtual.twin_results import LineTwin
from firmware_bridge.virtual.twin_scale import ScaleTwin
from firmware_bridge.virtual.twin_scanner import ScannerTwin
from firmware_bridge.virtual.twin_sics import SicsTwin
from firmware_bridge.virtual.twin_sign import LineSignTwin
from firmware_bridge.virtual.twin_speed import SpeedTwin
from firmware_bridge.virtual.twin_tags import TagTwin
from firmware_bridge.virtual.twin_vzenith_http import VzenithHttpTwin
from tests.bridge_parts import until
from tests.recording_parts import JPEG, Scene, record

CAR = sound_car(7, 0, 1, ("a",))
CROP = JPEG[:200]
VIN = "LTEST1A27R0000001"
RNG = random.Random(11)


async def soon(scene: Scene, item: str, act: Callable[[], Any], after_s: float = 0.5) -> None:
    """Measures, and what ``act`` does happens meanwhile."""
    asking = asyncio.create_task(scene.measure(item))
    await asyncio.sleep(after_s)
    done = act()
    if isinstance(done, Awaitable):
        await done
    await asking


# ---- cameras -------------------------------------------------------------------------------------


async def vzenith_http(_folder: Path) -> None:
    """Captures with and without a plate, signs of life, a body that is none."""

    async def work(scene: Scene) -> None:
        twin = VzenithHttpTwin("virtual-cam-1", scene.url)
        await twin.recognise("浙A12345", JPEG, CROP)
        await twin.poll(form=False)
        await twin.recognise("", None)
        await VzenithHttpTwin("virtual-cam-9", scene.url).recognise("浙A12345", None)
        await scene.until(3)

    await record("vzenith-http", "camera", {"sn": "virtual-cam-1", "hold_s": 0}, work)


async def hikvision_push(_folder: Path) -> None:
    """A form with two pictures, one without a plate, one whose camera is cut off in the middle."""

    async def work(scene: Scene) -> None:
        twin = HikvisionTwin()
        await twin.push(scene.url, alert("浙A12345"), JPEG, CROP)
        await twin.push(scene.url, alert(""), None, None)
        await twin.push(scene.url, alert("浙A12346"), JPEG, fault=faults.torn(RNG, 1.0))
        await scene.until(3)

    await record("hikvision-push", "camera", {}, work)


def login(folder: Path, address: str) -> dict[str, Any]:
    """The way into a twin's web server."""
    secret = folder / "camera.password"
    secret.write_text("secret-1\n", "utf-8")
    return {"login": {"address": address, "password_file": str(secret)}}


async def hikvision_stream(folder: Path) -> None:
    """Two captures, a stream that breaks off in a part, and what comes on the next one."""
    twin = HikvisionTwin()
    await twin.start()

    async def work(scene: Scene) -> None:
        await until(lambda: bool(twin.streams))
        await twin.send(twin.part("application/xml", heartbeat()))
        await twin.send(twin.parts(alert("浙A12345", pictures=2), JPEG, CROP))
        await scene.until(1)
        await twin.send(twin.parts(alert("浙A12346", pictures=1), JPEG, None)[:-200])
        await asyncio.sleep(0.5)
        twin.reset()
        await asyncio.sleep(0.2)
        await until(lambda: bool(twin.streams))
        await twin.send(twin.parts(alert("浙A12347", pictures=0), None, None))
        await twin.send(twin.part("application/xml", heartbeat()))
        await asyncio.sleep(2.0)

    await record("hikvision-stream", "camera", login(folder, twin.address), work)
    await twin.stop()


async def dahua_stream(folder: Path) -> None:
    """Two captures, heartbeats, chunks of single bytes."""
    twin = DahuaTwin()
    await twin.start()

    async def work(scene: Scene) -> None:
        await until(lambda: bool(twin.streams))
        await twin.beat()
        await twin.show(text("浙A12345", 1), JPEG)
        await twin.beat()
        twin.fault = faults.bytewise
        await twin.show(text("浙AD12346", 2, colour="Green"))
        await twin.beat()
        await scene.until(2)

    await record("dahua-stream", "camera", login(folder, twin.address), work)
    await twin.stop()


# ---- weights -------------------------------------------------------------------------------------


async def scale(folder: Path) -> None:
    """An axle on one platform, a vehicle that left, a line that corrupts now and then."""
    twin = ScaleTwin(folder / "scale", "a12e")
    await twin.start()

    async def work(scene: Scene) -> None:
        twin.stand(812)
        await scene.measure("W1")
        twin.stand(None)
        await scene.measure("W2", 2)
        twin.line.fault = faults.corrupt(RNG, 0.1)
        twin.stand(640)
        await scene.measure("W2", 2)

    table = {"platform": twin.line.address, "indicator": "a12e", "wait_s": 5.0}
    await record("scale", "weigh", table, work)
    await twin.stop()


async def weighbridge(folder: Path) -> None:
    """An empty bridge that a vehicle drives onto, and one that was not empty."""
    twin = ScaleTwin(folder / "bridge", "toledo")
    await twin.start()

    async def work(scene: Scene) -> None:
        await asyncio.sleep(1.0)
        twin.stand(1320)
        await scene.measure("Z1")
        twin.stand(None)
        await scene.measure("Z1")

    table = {"address": twin.line.address, "indicator": "toledo", "wait_s": 4.0}
    await record("weighbridge", "mass", table, work)
    await twin.stop()


async def scale_sics(folder: Path) -> None:
    """An empty scale that a vehicle drives onto, one beyond its range, an answer that does not come."""
    twin = SicsTwin(folder / "sics")
    await twin.start()

    async def work(scene: Scene) -> None:
        await asyncio.sleep(0.5)
        twin.stand(1320)
        await scene.measure("Z1")
        twin.word = Reading("+")
        await scene.measure("Z1")
        twin.line.fault = faults.silent
        await scene.measure("Z1")

    await record("scale-sics", "mass", {"address": twin.line.address, "wait_s": 2.0}, work)
    await twin.stop()


async def meter(_folder: Path) -> None:
    """A speedometer bench with a counter: a result, none, a fault."""
    table = {
        "values": [{"quantity": "actual_kmh", "register": 10, "scale": "0.1"}],
        "counter": 12,
        "status": 13,
        "wait_s": 2.0,
    }
    twin = MeterTwin(msgspec.convert(table | {"address": "tcp://127.0.0.1:1"}, modbus_meter.Config))
    await twin.start()

    async def work(scene: Scene) -> None:
        await soon(scene, "S1", lambda: twin.result("38.6"))
        await scene.measure("S1")
        twin.fail(3)
        await scene.measure("S1")

    await record("modbus-meter", "speed", table | {"address": twin.address}, work)
    await twin.stop()


# ---- benches -------------------------------------------------------------------------------------


async def speed_jx(folder: Path) -> None:
    """A driver who declares 40 km/h, one who does not."""
    twin = SpeedTwin(folder / "speed")
    await twin.start()

    async def work(scene: Scene) -> None:
        twin.drive(Decimal("38.6"))
        await soon(scene, "S1", twin.declare)
        await scene.measure("S1")

    await record("speed-jx", "speed", {"address": twin.line.address, "lift_s": 0.1, "wait_s": 2.0}, work)
    await twin.stop()


async def headlamp(folder: Path) -> None:
    """The outer lamps of both sides, one of them with a damaged answer."""
    twin = HeadlampTwin(folder / "lamps")
    await twin.start()
    beam = Beam(horizontal_mm=-12, vertical_mm=-30, intensity_cd=23_400, height_mm=710)

    async def work(scene: Scene) -> None:
        twin.stand(lambda _side, place: None if place == 1 else beam)
        await scene.measure("H1")
        await scene.measure("H4")
        twin.line.fault = faults.once(lambda sent: len(sent) > 100, faults.corrupt(RNG, 1.0))
        await scene.measure("H1")

    table = {"address": twin.line.address, "pause_ms": 20, "wait_s": 3.0}
    await record("headlamp-mqd6a", "headlamp", table, work)
    await twin.stop()


async def brake_plate(folder: Path) -> None:
    """A stop, one with a sample lost, nobody."""
    twin = PlateTwin(folder / "plate")
    await twin.start()

    async def work(scene: Scene) -> None:
        twin.stand(lambda item: physics.plate_curve(CAR, item))
        await scene.measure("B1")
        twin.line.fault = faults.once(lambda sent: sent[3:7] == b"0020", faults.silent)
        await scene.measure("B2", 2)
        twin.stand(None)
        await scene.measure("B1")

    await record("brake-plate", "brake", {"address": twin.line.address, "wait_s": 2.0}, work)
    await twin.stop()


async def brake_plate_jx(folder: Path) -> None:
    """A stop of both axles."""
    twin = PlateJxTwin(folder / "plate")
    await twin.start()

    async def work(scene: Scene) -> None:
        twin.stand(lambda item: physics.plate_curve(CAR, item))
        await scene.measure("B1")
        await scene.measure("B2", 2)

    table = {"address": twin.line.address, "reset_s": 0.2, "pause_ms": 20, "wait_s": 5.0}
    await record("brake-plate-jx", "brake", table, work)
    await twin.stop()


async def brake_analog(folder: Path) -> None:
    """A braking, and one of which a line is damaged."""
    twin = AnalogTwin(folder / "analog", "checked")
    await twin.start()

    async def work(scene: Scene) -> None:
        await soon(scene, "B1", lambda: twin.brake(physics.brake_curve(CAR, "B1")), 1.0)

        def damaged() -> None:
            twin.line.fault = faults.once(bool, faults.corrupt(RNG, 1.0))
            twin.brake(physics.brake_curve(CAR, "B2"))

        await soon(scene, "B2", damaged, 1.0)

    side = {"zero": "100", "scale": "0.25"}
    table = {"address": twin.address, "samples": "checked", "left": side, "right": side, "wait_s": 5.0}
    await record("brake-analog", "brake", table, work)
    await twin.stop()


# ---- results as text -----------------------------------------------------------------------------


async def _lines(kind: str, role: Role, item: str, fields: dict[str, str], lines: list[bytes]) -> None:
    twin = LineTwin()
    await twin.start()

    async def work(scene: Scene) -> None:
        for line in lines:
            await soon(scene, item, lambda line=line: twin.send(line))

    table = {"address": twin.address, "form": "csv", "fields": fields, "wait_s": 1.0}
    await record(kind, role, table, work)
    await twin.stop()


async def outline_tcp(_folder: Path) -> None:
    """A result, the same line again, one that is too short, one of no vehicle."""
    fields = {"length_mm": "1", "width_mm": "2", "height_mm": "3"}
    lines = [b"4625,1802,1478\r\n", b"4625,1802,1478\r\n", b"4625,1802\r\n", b"0,0,0\r\n"]
    await _lines("outline-tcp", "outline", "M1", fields, lines)


async def tread_line(_folder: Path) -> None:
    """Two vehicles, one of them with a tyre that was not measured."""
    fields = {"1.left": "1", "1.right": "2", "2.left": "3", "2.right": "4"}
    await _lines("tread-line", "treads", "08", fields, [b"4.1,3.9,1.2,5.0\r\n", b"4.1,3.9,,5.0\r\n"])


# ---- readers, boards -----------------------------------------------------------------------------


async def obd(folder: Path) -> None:
    """A vehicle that tells its VIN, a second one, a line that says nothing."""
    twin = ObdTwin(folder / "obd", ObdVehicle(units={0x7E8: unit(VIN, "CAL-000001", b"\x17\x91\xbc\x82")}))
    await twin.start()

    async def work(scene: Scene) -> None:
        await scene.read()
        await scene.read()
        twin.line.fault = faults.silent
        await scene.read()

    table = {"address": twin.line.address, "answer_s": 0.5, "search_s": 1.0}
    await record("obd-elm327", "obd", table, work)
    await twin.stop()


async def scanner(folder: Path) -> None:
    """Two codes, one of them held before the scanner."""
    twin = ScannerTwin(folder / "scanner")
    await twin.start()

    async def work(scene: Scene) -> None:
        for _ in range(3):
            twin.scan(VIN)
        twin.scan("浙A12345")
        await scene.until(2)

    await record("scanner", "scanner", {"address": twin.line.address}, work)
    await twin.stop()


async def tags(folder: Path) -> None:
    """Two tags that stay, one that is another lane's."""
    twin = TagTwin(folder / "tags", "a0")
    twin.field = {"E28011606000020400001234": -55, "E28011606000020400005678": -61, "E2801160": -90}
    await twin.start()

    async def work(scene: Scene) -> None:
        for _ in range(4):
            twin.round()
            await asyncio.sleep(0.2)
        await scene.until(2)

    table = {"address": twin.line.address, "frame": "a0", "weakest_dbm": -80}
    await record("uhf-reader", "tag", table, work)
    await twin.stop()


async def led_board(folder: Path) -> None:
    """Two texts, and one of them again because the board repeats it."""
    table = {"prefix": "02", "between": "0d", "suffix": "03", "check": "xor", "repeat_s": 5}
    twin = LineSignTwin(folder / "led", msgspec.convert(table | {"address": "tcp://x:1"}, BoardConfig))
    twin.line.open()

    async def work(scene: Scene) -> None:
        await scene.device.show([Row(text="浙A12345"), Row(text="请上制动台", colour="green")])
        await asyncio.sleep(0.3)
        await scene.device.show([Row(text="空闲", colour="green")])
        await asyncio.sleep(5.5)

    await record("led-board", "sign", table | {"address": twin.line.address}, work)
    twin.line.close()


FURTHER: dict[str, Callable[[Path], Awaitable[None]]] = {
    "vzenith-http": vzenith_http,
    "hikvision-push": hikvision_push,
    "hikvision-stream": hikvision_stream,
    "dahua-stream": dahua_stream,
    "scale": scale,
    "weighbridge": weighbridge,
    "scale-sics": scale_sics,
    "modbus-meter": meter,
    "speed-jx": speed_jx,
    "headlamp-mqd6a": headlamp,
    "brake-plate": brake_plate,
    "brake-plate-jx": brake_plate_jx,
    "brake-analog": brake_analog,
    "outline-tcp": outline_tcp,
    "tread-line": tread_line,
    "obd-elm327": obd,
    "scanner": scanner,
    "uhf-reader": tags,
    "led-board": led_board,
}

"""Makes tests/recordings/: each kind of device on its twin, recorded as a node records it. All simulated.

python -m tests.make_recordings [KIND…]
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from edge.capturing import Recorded, header_of, write_recording
from edge.settings import DeviceEntry, Node, RawPolicy, Role, Site, SiteFile
from edge.watching import Watch, Watched
from firmware_bridge.catalog import KINDS
from firmware_bridge.device import Device, MeasureError, Said
from firmware_bridge.devices.io_module import Input, Output
from firmware_bridge.devices.scale_xk3190 import build
from firmware_bridge.mqtt import Broker
from firmware_bridge.tap import TAP, Entry
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_brake import BrakeTwin
from firmware_bridge.virtual.twin_camera import CameraTwin
from firmware_bridge.virtual.twin_io import IoTwin
from firmware_bridge.virtual.twin_line import PtyLine
from firmware_bridge.virtual.twin_pda import PdaTwin
from firmware_bridge.virtual.twin_slip import SlipTwin
from firmware_bridge.virtual.twin_wheel import WheelTwin
from lanes.layout import Lane, Title
from tests.bridge_parts import end, ramp
from tests.brokers import nats

HERE = Path(__file__).parent / "recordings"
JPEG = b"\xff\xd8\xff\xe0" + b"simulated photo " * 100 + b"\xff\xd9"
SPEAKS_S = 0.1


class Scene(NamedTuple):
    """A device that runs, and its taps."""

    device: Watched
    folder: Path
    told: list[Said]

    async def until(self, count: int) -> None:
        """Waits until so much was told beside health."""
        async with asyncio.timeout(30):
            while sum(type(said).__name__ != "Health" for said in self.told) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def measure(self, item: str, axle: int = 1) -> None:
        """Measures, whatever comes of it."""
        with suppress(MeasureError):
            await self.device.measure("1", "brake", item, axle)


Work = Callable[[Scene], Awaitable[None]]


async def record(
    kind: str, role: Role, table: dict[str, Any], work: Work, broker: Broker | None = None
) -> None:
    """Runs one device under its tap while ``work`` goes on, and writes what was noted."""
    name = f"virtual-{kind}"
    config = msgspec.convert({**table, "simulated": True}, KINDS[kind].config)
    entry = DeviceEntry(name=name, kind=kind, role=role, lane="1", station="brake", config=config)
    site = SiteFile(
        site=Site(id="virtual-site", title=Title(zh="模拟", en="Virtual"), simulated=True),
        node=Node(name="virtual-node-1", folder=Path("unused")),
        lanes=(Lane(name="1", title=Title(zh="一", en="One"), stations=()),),
        raw=RawPolicy(whole_kb=64),
        devices=(entry,),
    )
    watch, told = Watch(site), []
    tap = watch.of(name)

    async def tell(said: Said) -> None:
        told.append(said)

    mine = TAP.set(tap)
    device: Device = KINDS[kind].build(name, config, {} if broker is None else {"main": broker})
    TAP.reset(mine)
    running = [asyncio.create_task(watch.run(entry, device, tell))]
    if broker is not None:
        running.append(asyncio.create_task(broker.run()))
    try:
        await asyncio.sleep(0.5)
        await work(Scene(Watched(device, tap), Path("unused"), told))
    finally:
        await end(*running)
    header, entries = elsewhere(header_of(site, {name}), tap.fetch(), table)
    size = write_recording(HERE / f"{kind}.zst", Recorded(header=header, entries={name: entries}))
    print(f"{kind}: {len(entries)} entries, {size} bytes, told {len(told)}")


def elsewhere(header: Any, entries: list[Entry], table: dict[str, Any]) -> tuple[Any, list[Entry]]:
    """The same with addresses of no machine: paths and ports of this run mean nothing later."""
    (device,) = header.devices
    config, places = dict(device.config), {}
    for key in ("address", "left", "right"):
        if isinstance(table.get(key), str):
            serial = table[key].startswith("serial:")
            places[table[key]] = (
                f"serial:///dev/virtual-{key}?baud=38400" if serial else "tcp://192.0.2.1:502"
            )
            config[key] = places[table[key]]

    def moved(channel: str) -> str:
        for here, there in places.items():
            channel = channel.replace(here, there)
        return "mqtt://192.0.2.1:1883" if channel.startswith("mqtt://") else channel

    header = replace(header, devices=(replace(device, config=config),))
    return header, [replace(entry, channel=moved(entry.channel)) for entry in entries]


# ---- one scene a kind ----------------------------------------------------------------------------


async def brake_roller(folder: Path) -> None:
    """Two good tests, one with a sample lost on the way, and the good one after it."""
    twin = BrakeTwin(folder / "brake")
    await twin.start()
    twin.stand(lambda item: ramp(150 if item == "B0" else 320))

    async def work(scene: Scene) -> None:
        await scene.measure("B1")
        await scene.measure("B0")
        lost = lambda write: write[3:7] == b"0027"  # noqa: E731
        twin.line.fault = faults.once(lost, faults.silent)
        await scene.measure("B1")
        twin.line.fault = faults.whole
        await scene.measure("B1")

    table = {"address": twin.line.address, "frames": "numbered", "lift_s": 0.0}
    await record("brake-roller", "brake", table, work)
    await twin.stop()


async def wheel_load_jx(folder: Path) -> None:
    """An axle that settles, an empty scale, an axle behind a line that cuts every byte."""
    twin = WheelTwin(folder / "wheels")
    await twin.start()

    async def work(scene: Scene) -> None:
        twin.stand((411, 396))
        await scene.measure("B1")
        twin.stand(None)
        await scene.measure("B2", 2)
        twin.line.fault = faults.bytewise
        twin.stand((305, 322))
        await scene.measure("B2", 2)

    await record("wheel-load-jx", "weigh", {"address": twin.line.address, "wait_s": 2.0}, work)
    await twin.stop()


async def scale_xk3190(folder: Path) -> None:
    """Two indicators that speak unasked; one of them with a turned bit now and then."""
    lines = {side: PtyLine(folder / side, lambda _: None) for side in ("left", "right")}
    weights = {"left": Decimal(0), "right": Decimal(0)}
    for line in lines.values():
        line.open()

    async def speak() -> None:
        number = 0
        while True:
            number += 1
            for side, line in lines.items():
                frame = bytearray(build(weights[side]))
                frame[4] ^= 0x04 if side == "left" and number % 7 == 0 else 0
                line.send(bytes(frame))
            await asyncio.sleep(SPEAKS_S)

    async def work(scene: Scene) -> None:
        await scene.measure("B1")
        weights.update(left=Decimal(402), right=Decimal(390))
        await scene.measure("B1")

    speaking = asyncio.create_task(speak())
    table = {"left": lines["left"].address, "right": lines["right"].address, "wait_s": 3.0}
    await record("scale-xk3190", "weigh", table, work)
    await end(speaking)
    for line in lines.values():
        line.close()


async def side_slip_modbus(folder: Path) -> None:
    """A vehicle that passes, one that does not, a plate that reports a fault."""
    twin = SlipTwin(folder / "slip")
    await twin.start()

    async def work(scene: Scene) -> None:
        async def passing() -> None:
            await asyncio.sleep(0.5)
            twin.passed(Decimal("-3.4"))

        await asyncio.gather(passing(), scene.measure("A1"))
        await scene.measure("A1")
        twin.fail(7)
        await scene.measure("A1")

    table = {"address": twin.address, "arm": 0, "wait_s": 2.0}
    await record("side-slip-modbus", "sideslip", table, work)
    await twin.stop()


async def modbus_io(_folder: Path) -> None:
    """Sensors that change, an output that is switched, a module that goes away and comes back."""
    inputs = (
        Input(station="gate", sensor="occupied", input=0),
        Input(station="exit", sensor="occupied", input=3),
    )
    outputs = (Output(station="gate", actuator="barrier", coil=0),)
    twin = IoTwin(inputs, outputs)
    await twin.start()

    async def work(scene: Scene) -> None:
        await scene.until(2)
        for place in ("gate", "exit"):
            twin.set(place, "occupied", True)
            await asyncio.sleep(0.5)
        await scene.device.switch("gate", "barrier", True)
        await twin.stop()
        await asyncio.sleep(0.5)
        twin.set("gate", "occupied", False)
        await twin.start()
        await scene.until(6)
        await scene.device.switch("gate", "barrier", False)

    table = {
        "address": twin.address,
        "inputs": msgspec.to_builtins(inputs),
        "outputs": msgspec.to_builtins(outputs),
        "rate_hz": 10.0,
    }
    await record("modbus-io", "io", table, work)
    await twin.stop()


async def vzenith_mqtt(folder: Path) -> None:
    """Captures with and without a plate, and a message that is none."""
    await _on_broker(folder, "vzenith-mqtt", "camera", {"sn": "virtual-cam-1"}, _cars)


async def _cars(scene: Scene, address: str) -> None:
    twin = CameraTwin("virtual-cam-1", address)
    plain = Broker(address, identifier="other", persistent=False)
    tasks = [asyncio.create_task(twin.run()), asyncio.create_task(plain.run())]
    await twin.publish("浙A12345", JPEG)
    await twin.publish("", None)
    await plain.publish("device/virtual-cam-1/message/up/ivs_result", b'{"name": "ivs_result"}')
    await scene.until(3)
    await end(*tasks)


async def pda_mqtt(folder: Path) -> None:
    """An act with a photo, and one that cannot be read."""
    await _on_broker(folder, "pda-mqtt", "pda", {}, _acts)


async def _acts(scene: Scene, address: str) -> None:
    twin = PdaTwin("pda-1", address)
    acts = [
        {"kind": "photographed", "shot": "0113", "photo": "0" * 64},
        {"what": "without a kind"},
    ]
    tasks = [asyncio.create_task(twin.run())]
    for number, act in enumerate(acts):
        photo = JPEG if number == 0 else None
        tasks.append(asyncio.create_task(twin.post(f"k{number}", "i1", "officer-01", act, photo)))  # type: ignore[arg-type]
    await scene.until(2)
    await end(*tasks)


async def _on_broker(
    folder: Path, kind: str, role: Role, table: dict[str, Any], act: Callable[[Scene, str], Awaitable[None]]
) -> None:
    process = nats(folder)
    process.start()
    try:
        broker = Broker(process.address, identifier="agent")
        await record(kind, role, table, lambda scene: act(scene, process.address), broker)
    finally:
        process.stop()


SCENES: dict[str, Callable[[Path], Awaitable[None]]] = {
    "brake-roller": brake_roller,
    "wheel-load-jx": wheel_load_jx,
    "scale-xk3190": scale_xk3190,
    "side-slip-modbus": side_slip_modbus,
    "modbus-io": modbus_io,
    "vzenith-mqtt": vzenith_mqtt,
    "pda-mqtt": pda_mqtt,
}


async def main(kinds: list[str]) -> None:
    """Records these kinds, one after another."""
    HERE.mkdir(exist_ok=True)
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            await SCENES[kind](Path(folder))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or list(SCENES)))

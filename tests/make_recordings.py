"""Makes tests/recordings/: each kind of device on its twin, recorded as a node records it. All simulated.

python -m tests.make_recordings [KIND…]
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from firmware_bridge.devices.io_map import Input, Output
from firmware_bridge.devices.scale_xk3190 import build
from firmware_bridge.mqtt import Broker
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_brake import BrakeTwin
from firmware_bridge.virtual.twin_camera import CameraTwin
from firmware_bridge.virtual.twin_io import IoTwin
from firmware_bridge.virtual.twin_line import PtyLine
from firmware_bridge.virtual.twin_pda import PdaTwin
from firmware_bridge.virtual.twin_slip import SlipTwin
from firmware_bridge.virtual.twin_wheel import WheelTwin
from tests.bridge_parts import end, ramp
from tests.recording_parts import HERE, JPEG, Scene, on_broker, record
from tests.recording_scenes import FURTHER

SPEAKS_S = 0.1


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
    await on_broker(folder, "vzenith-mqtt", "camera", {"sn": "virtual-cam-1"}, _cars)


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
    await on_broker(folder, "pda-mqtt", "pda", {}, _acts)


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


SCENES: dict[str, Callable[[Path], Awaitable[None]]] = {
    "brake-roller": brake_roller,
    "wheel-load-jx": wheel_load_jx,
    "scale-xk3190": scale_xk3190,
    "side-slip-modbus": side_slip_modbus,
    "modbus-io": modbus_io,
    "vzenith-mqtt": vzenith_mqtt,
    "pda-mqtt": pda_mqtt,
    **FURTHER,
}


async def main(kinds: list[str]) -> None:
    """Records these kinds, one after another."""
    HERE.mkdir(exist_ok=True)
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder:
            await SCENES[kind](Path(folder))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or list(SCENES)))

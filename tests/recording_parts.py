"""How recordings are made: a device on its twin, under its tap, its addresses those of no machine."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from edge.capturing import Recorded, header_of, write_recording
from edge.push import PushDoor
from edge.settings import DeviceEntry, Node, PushAddress, RawPolicy, Role, Site, SiteFile, decode_path
from edge.watching import Watch, Watched
from firmware_bridge.catalog import KINDS
from firmware_bridge.device import Device, MeasureError, Pushed, Said
from firmware_bridge.mqtt import Broker
from firmware_bridge.tap import TAP, Entry
from lanes.layout import Lane, Title
from tests.bridge_parts import end
from tests.brokers import free_port, nats

HERE = Path(__file__).parent / "recordings"
JPEG = b"\xff\xd8\xff\xe0" + b"simulated photo " * 100 + b"\xff\xd9"

STANDING = {
    "serial": "serial:///dev/virtual-{}?baud=38400",
    "tcp": "tcp://192.0.2.1:502",
    "http": "http://192.0.2.1:80",
}


class Scene(NamedTuple):
    """A device that runs, and its taps."""

    device: Watched
    told: list[Said]
    url: str = ""  # where it posts to, of a kind that does

    async def until(self, count: int) -> None:
        """Waits until so much was told beside health."""
        async with asyncio.timeout(30):
            while sum(type(said).__name__ != "Health" for said in self.told) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def measure(self, item: str, axle: int = 1) -> None:
        """Measures, whatever comes of it."""
        with suppress(MeasureError):
            await self.device.measure("1", "brake", item, axle)

    async def read(self) -> None:
        """Asks the vehicle, whatever comes of it."""
        with suppress(MeasureError):
            await self.device.read_vehicle("1", "brake")


Work = Callable[[Scene], Awaitable[None]]


async def record(
    kind: str, role: Role, table: dict[str, Any], work: Work, broker: Broker | None = None
) -> None:
    """Runs one device under its tap while ``work`` goes on, and writes what was noted."""
    name = f"virtual-{kind}"
    config = msgspec.convert({**table, "simulated": True}, KINDS[kind].config, dec_hook=decode_path)
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
    url = ""
    if isinstance(device, Pushed):
        address = PushAddress(host="127.0.0.1", port=free_port())
        running.append(asyncio.create_task(PushDoor(address, {name: device}, watch.taps).run()))
        url = f"http://127.0.0.1:{address.port}/{name}"
    try:
        await asyncio.sleep(0.5)
        await work(Scene(Watched(device, tap), told, url))
    finally:
        await end(*running)
    header, entries = elsewhere(header_of(site, {name}), tap.fetch(), table)
    size = write_recording(HERE / f"{kind}.zst", Recorded(header=header, entries={name: entries}))
    print(f"{kind}: {len(entries)} entries, {size} bytes, told {len(told)}")


def elsewhere(header: Any, entries: list[Entry], table: dict[str, Any]) -> tuple[Any, list[Entry]]:
    """The same with addresses of no machine: paths and ports of this run mean nothing later."""
    (device,) = header.devices
    places = dict(_places(table))

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: moved(each) for key, each in value.items()}
        if not isinstance(value, str):
            return value
        for here, there in places.items():
            value = value.replace(here, there)
        return "mqtt://192.0.2.1:1883" if value.startswith("mqtt://") else value

    header = replace(header, devices=(replace(device, config=moved(device.config)),))
    return header, [replace(entry, channel=moved(entry.channel)) for entry in entries]


def _places(table: dict[str, Any], key: str = "") -> Iterator[tuple[str, str]]:
    """Every address of a table, and what stands for it."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _places(value, name)
        elif isinstance(value, str) and (scheme := value.partition("://")[0]) in STANDING:
            yield value, STANDING[scheme].format(name)


async def on_broker(
    folder: Path, kind: str, role: Role, table: dict[str, Any], act: Callable[[Scene, str], Awaitable[None]]
) -> None:
    process = nats(folder)
    process.start()
    try:
        broker = Broker(process.address, identifier="agent")
        await record(kind, role, table, lambda scene: act(scene, process.address), broker)
    finally:
        process.stop()

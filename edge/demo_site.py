"""The site file of the virtual site: the same form as a real one, its addresses those of the twins."""

import json
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.devices.io_map import Input, Output

SENSORS = (
    ("gate", "occupied"),
    ("exterior", "occupied"),
    ("brake", "occupied"),
    ("brake", "axle"),
    ("brake", "beyond"),
    ("sideslip", "occupied"),
    ("exit", "occupied"),
)
ACTUATORS = (
    ("gate", "barrier"),
    ("exterior", "light"),
    ("brake", "light"),
    ("brake", "advance"),
    ("sideslip", "light"),
    ("sideslip", "advance"),
    ("exit", "barrier"),
)
TITLES = {
    "gate": ("入口", "Gate"),
    "exterior": ("外观查验", "Exterior"),
    "brake": ("制动", "Brakes"),
    "sideslip": ("侧滑", "Side-slip"),
    "exit": ("出口", "Exit"),
}


class Ports(NamedTuple):
    """TCP ports of the demo."""

    mqtt: int
    web: int
    edge: int
    centre: int


def io_wiring() -> tuple[tuple[Input, ...], tuple[Output, ...]]:
    """Which terminal of a lane's I/O module is what."""
    inputs = tuple(Input(station=at, sensor=what, input=n) for n, (at, what) in enumerate(SENSORS))
    outputs = tuple(Output(station=at, actuator=what, coil=n) for n, (at, what) in enumerate(ACTUATORS))
    return inputs, outputs


def site_text(
    folder: Path,
    ports: Ports,
    io_addresses: dict[str, str],
    node: str = "virtual-node-1",
    registry_key: str = "",
) -> str:
    """The whole site file as TOML."""
    head = f"""# The virtual site of `chayan demo`. Everything in it is simulated.
[site]
id = "virtual-site"
simulated = true
title = {{ zh = "模拟查验区", en = "Virtual site" }}

[node]
name = "{node}"
folder = "node"

[broker]
host = "127.0.0.1"
port = {ports.mqtt}

[api]
host = "127.0.0.1"
port = {ports.edge}

[registry]
url = "http://127.0.0.1:{ports.centre}"
key = "{registry_key}"

[rules]
left_out = ["NQ", "UC", "F1", "DC", "C1", "H1", "H2", "H3", "H4", "S1"]
left_out_why = "模拟检测线没有这些工位，也没有联网查询 (the virtual lanes have no stations for them)"

[[officers]]
officer = "officer-01"
name = "模拟查验员一"

[[officers]]
officer = "officer-02"
name = "模拟查验员二"

[[devices]]
name = "pdas"
kind = "pda-mqtt"
role = "pda"
simulated = true
"""
    return head + "".join(_lane(folder, name, address) for name, address in io_addresses.items())


def _lane(folder: Path, name: str, io_address: str) -> str:
    stations = ",\n".join(
        f'  {{ name = "{kind}", kind = "{kind}", title = {{ zh = "{zh}", en = "{en}" }} }}'
        for kind, (zh, en) in TITLES.items()
    )
    inputs = ",\n".join(
        f'  {{ station = "{at}", sensor = "{what}", input = {n} }}' for n, (at, what) in enumerate(SENSORS)
    )
    outputs = ",\n".join(
        f'  {{ station = "{at}", actuator = "{what}", coil = {n} }}' for n, (at, what) in enumerate(ACTUATORS)
    )
    return f"""
[[lanes]]
name = "{name}"
title = {{ zh = "{name} 号通道", en = "Lane {name}" }}
stations = [
{stations},
]

[[devices]]
name = "camera-{name}"
kind = "vzenith-mqtt"
role = "camera"
lane = "{name}"
station = "gate"
sn = "virtual-cam-{name}"
simulated = true

[[devices]]
name = "io-{name}"
kind = "modbus-io"
role = "io"
lane = "{name}"
address = "{io_address}"
simulated = true
inputs = [
{inputs},
]
outputs = [
{outputs},
]

[[devices]]
name = "wheels-{name}"
kind = "wheel-load-jx"
role = "weigh"
lane = "{name}"
station = "brake"
address = {json.dumps(f"serial://{folder}/tty-wheels-{name}?baud=38400")}
simulated = true

[[devices]]
name = "brakes-{name}"
kind = "brake-roller"
role = "brake"
lane = "{name}"
station = "brake"
address = {json.dumps(f"serial://{folder}/tty-brakes-{name}?baud=38400")}
frames = "numbered"
lift_s = 1
simulated = true

[[devices]]
name = "slip-{name}"
kind = "side-slip-modbus"
role = "sideslip"
lane = "{name}"
station = "sideslip"
address = {json.dumps(f"serial://{folder}/tty-slip-{name}?baud=38400")}
arm = 0
wait_s = 15
simulated = true
"""

"""The catalog: every kind decodes, refuses by name, builds, is documented; one importer per library."""

import ast
import asyncio
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from edge.settings import decode_path
from firmware_bridge.catalog import KINDS, UnknownBroker
from firmware_bridge.device import Camera, Pushed
from firmware_bridge.mqtt import Broker

ROOT = Path(__file__).parents[1]

SECRET = ROOT / "LICENSE"  # any file with a text in it

LEAST: dict[str, dict[str, object]] = {
    "vzenith-mqtt": {"sn": "aaaa0000-bbbb0001"},
    "pda-mqtt": {},
    "modbus-io": {
        "address": "tcp://192.0.2.1:502",
        "inputs": [{"station": "gate", "sensor": "loop", "input": 0}],
        "outputs": [{"station": "gate", "actuator": "barrier", "coil": 0}],
    },
    "brake-roller": {"address": "serial:///dev/ttyUSB0?baud=38400"},
    "wheel-load-jx": {"address": "serial:///dev/ttyUSB1?baud=38400&parity=N"},
    "scale-xk3190": {"left": "tcp://192.0.2.1:4001", "right": "tcp://192.0.2.1:4002"},
    "side-slip-modbus": {"address": "rtu+tcp://192.0.2.1:4003"},
    "modbus-meter": {
        "address": "rtu+tcp://192.0.2.1:4004",
        "values": [{"quantity": "mass_kg", "register": 0}],
        "ready": 2,
    },
    "led-board": {"address": "serial:///dev/ttyUSB2?baud=19200"},
    "obd-elm327": {"address": "tcp://192.0.2.1:35000"},
    "scanner": {"address": "serial:///dev/ttyUSB2"},
    "uhf-reader": {"address": "tcp://192.0.2.1:4004"},
    "rtsp-camera": {"address": "rtsp://192.0.2.1:554/stream"},
    "vzenith-http": {"sn": "aaaa0000-bbbb0001"},
    "hikvision-push": {},
    "hikvision-stream": {"login": {"address": "http://192.0.2.1", "password_file": str(SECRET)}},
    "dahua-stream": {"login": {"address": "http://192.0.2.1", "password_file": str(SECRET)}},
    "scale": {"indicator": "toledo", "platform": "tcp://192.0.2.1:4004"},
    "speed-jx": {"address": "serial:///dev/ttyUSB4?baud=38400"},
    "headlamp-mqd6a": {"address": "serial:///dev/ttyUSB5?baud=2400"},
    "brake-plate": {"address": "tcp://192.0.2.1:4007"},
    "brake-plate-jx": {"address": "serial:///dev/ttyUSB6?baud=38400"},
    "brake-analog": {"address": "tcp://192.0.2.1:4008", "samples": "ring"},
    "outline-file": {"folder": "/var/outline", "form": "xml", "fields": {"length_mm": "size/length"}},
    "outline-tcp": {"address": "tcp://192.0.2.1:4006", "form": "pairs", "fields": {"length_mm": "L"}},
    "road-file": {"folder": "/var/road", "form": "ini", "fields": {"initial_kmh": "stop.V0"}},
    "tread-line": {"address": "serial:///dev/ttyUSB3", "form": "csv", "fields": {"1.left": "1"}},
    "weighbridge": {"indicator": "a12e", "address": "tcp://192.0.2.1:4005"},
    "scale-sics": {"address": "serial:///dev/ttyUSB7?baud=9600"},
}

WRONG = [
    ("vzenith-mqtt", {"sn": "a b"}, "sn"),
    ("modbus-io", {"rate_hz": 1000}, "rate_hz"),
    ("modbus-io", {"unit": 0}, "unit"),
    ("modbus-io", {"quiet_ms": 10}, "quiet_ms"),
    ("modbus-io", {"inputs": [{"station": "gate", "sensor": "x", "input": 70000}]}, "inputs"),
    ("modbus-io", {"outputs": [{"station": "gate", "actuator": "x", "coil": 1, "colour": 3}]}, "colour"),
    ("brake-roller", {"frames": "other"}, "frames"),
    ("brake-roller", {"capacity_dan": 20_000}, "capacity_dan"),
    ("wheel-load-jx", {"stable_readings": 1}, "stable_readings"),
    ("side-slip-modbus", {"range_m_per_km": 1000}, "range_m_per_km"),
    ("pda-mqtt", {"pda": "a/b"}, "pda"),
    ("obd-elm327", {"protocol": "Z"}, "protocol"),
    ("obd-elm327", {"search_s": 0}, "search_s"),
    ("scanner", {"ends": ""}, "ends"),
    ("scanner", {"prefix": "查"}, "prefix"),
    ("uhf-reader", {"frame": "other"}, "frame"),
    ("uhf-reader", {"times": 0}, "times"),
    ("rtsp-camera", {"keep_s": 1}, "keep_s"),
    ("vzenith-mqtt", {"raise_io": 4}, "raise_io"),
    ("vzenith-http", {"hold_s": 21}, "hold_s"),
    ("vzenith-http", {"sn": "a b"}, "sn"),
    ("hikvision-push", {"login": {"address": "http://x"}}, "password_file"),
    ("hikvision-stream", {"silence_s": 1}, "silence_s"),
    ("dahua-stream", {"ahead_min": 1000}, "ahead_min"),
    ("scale", {"left": "tcp://192.0.2.1:4001"}, "give left and right, or platform alone"),
    ("scale", {"platform": ""}, "give left and right, or platform alone"),
    ("scale", {"indicator": "other"}, "indicator"),
    ("weighbridge", {"zero_kg": 500}, "zero_kg"),
    ("speed-jx", {"indicated_kmh": 50}, "indicated_kmh"),
    ("headlamp-mqd6a", {"beams": "dipped"}, "beams"),
    ("brake-plate", {"min_samples": 1}, "min_samples"),
    ("brake-plate-jx", {"min_samples": 193}, "min_samples"),
    ("brake-analog", {"samples": "other"}, "samples"),
    ("brake-analog", {"left": {"scale": "x"}}, "left.scale"),
    ("brake-analog", {"left": {"scale": 0}}, "scale is not 0"),
    ("brake-analog", {"right": {"zero": "NaN"}}, "zero and scale are numbers"),
    ("outline-file", {"factors": {"length_mm": "Infinity"}}, "factors are numbers"),
    ("brake-analog", {"shape": {"drag_ms": 1}}, "shape.drag_ms"),
    ("outline-file", {"pattern": "a/*.xml"}, "pattern"),
    ("outline-tcp", {"form": "json"}, "form"),
    ("weighbridge", {"toledo": {"bits": 3}}, "bits"),
]


def test_every_kind_is_tried_here() -> None:
    assert set(LEAST) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("simulated", [False, True])
def test_every_kind_builds_from_its_least_table(kind: str, simulated: bool) -> None:
    async def main() -> None:
        brokers = {"main": Broker("mqtt://192.0.2.1", identifier="agent")}
        table = {**LEAST[kind], "simulated": simulated}
        config = msgspec.convert(table, KINDS[kind].config, dec_hook=decode_path)
        device = KINDS[kind].build("device-1", config, brokers)
        assert device.name == "device-1"
        assert device.source.startswith("virtual+") == simulated
        assert KINDS[kind].rhythm_s > 0
        assert KINDS[kind].zh
        assert KINDS[kind].en

    asyncio.run(main())


CAMERAS = ("vzenith-mqtt", "vzenith-http", "hikvision-push", "hikvision-stream", "dahua-stream")


@pytest.mark.parametrize("kind", KINDS)
def test_cameras_can_be_told_and_what_posts_has_a_door(kind: str) -> None:
    async def main() -> None:
        brokers = {"main": Broker("mqtt://192.0.2.1", identifier="agent")}
        config = msgspec.convert(LEAST[kind], KINDS[kind].config, dec_hook=decode_path)
        device = KINDS[kind].build("device-1", config, brokers)
        assert isinstance(device, Camera) == (kind in CAMERAS)
        assert (
            isinstance(device, Pushed) == KINDS[kind].pushes == (kind in ("vzenith-http", "hikvision-push"))
        )

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_key_is_refused_by_name(kind: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="adress"):
        table = {**LEAST[kind], "adress": "x"}
        msgspec.convert(table, KINDS[kind].config, dec_hook=decode_path)


@pytest.mark.parametrize(("kind", "changes", "named"), WRONG)
def test_a_value_out_of_range_is_refused_by_name(kind: str, changes: dict[str, object], named: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=named):
        msgspec.convert({**LEAST[kind], **changes}, KINDS[kind].config, dec_hook=decode_path)


def test_a_broker_that_the_site_does_not_have_is_refused() -> None:
    config = msgspec.convert({"sn": "aaaa0000", "broker": "yard"}, KINDS["vzenith-mqtt"].config)
    with pytest.raises(UnknownBroker, match="device cam: no broker 'yard' in this site; known: none"):
        KINDS["vzenith-mqtt"].build("cam", config, {})


def test_a_map_that_names_what_the_record_does_not_have_is_refused() -> None:
    for kind, field in {"outline-file": "lenght_mm", "tread-line": "0.left", "road-file": "device"}.items():
        table = {**LEAST[kind], "fields": {field: "x"}}
        config = msgspec.convert(table, KINDS[kind].config, dec_hook=decode_path)
        with pytest.raises(ValueError, match=f"gauge: no field '{field}' in .*; known: .*bench_verdict"):
            KINDS[kind].build("gauge", config, {})


def test_a_side_slip_map_too_wide_for_one_read_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="501 registers apart"):
        msgspec.convert({"address": "tcp://x", "counter": 500}, KINDS["side-slip-modbus"].config)


def test_examples_on_the_pages_of_devices_decode() -> None:
    tried = set()
    for page in sorted((ROOT / "docs/devices").glob("*.md")):
        for example in re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            for table in tomllib.loads(example)["devices"]:
                own = {key: value for key, value in table.items() if key not in COMMON}
                msgspec.convert(own, KINDS[table["kind"]].config, dec_hook=decode_path)
                tried.add(table["kind"])
    assert {"modbus-io", "modbus-meter", "led-board"} <= tried


COMMON = {"name", "kind", "role", "lane", "station"}
ONLY = {
    "serial": "link.py",
    "serial_asyncio_fast": "link.py",
    "pymodbus": "modbus.py",
    "aiomqtt": "mqtt.py",
    "paho": "mqtt.py",
    "av": "video.py",
    "httpx": "web.py officer.py",  # cameras; and the virtual officer's browser
    "defusedxml": "fields.py hikvision.py",
}


def test_each_library_has_one_importer() -> None:
    wrong = []
    for path in sorted((ROOT / "firmware_bridge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [
                (path.name, name)
                for name in names
                if path.name not in ONLY.get(name.split(".")[0], path.name).split()
            ]
    assert wrong == []

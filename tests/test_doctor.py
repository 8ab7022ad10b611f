"""chayan doctor against real ptys, servers and brokers: who answers, who does not, and what it advises."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from central_sync.registry.api import build_app
from central_sync.seal import NodeKey
from edge import doctor, doctor_devices
from edge.settings import BrokerAddress, DeviceEntry, Disk, Node, Registry, Role, Site, SiteFile
from firmware_bridge.catalog import KINDS
from firmware_bridge.modbus import Tables, serve_rtu, serve_tcp
from firmware_bridge.virtual.faults import Part
from firmware_bridge.virtual.twin_camera import CameraTwin
from firmware_bridge.virtual.twin_line import PtyBridge
from firmware_bridge.virtual.twin_wheel import WheelTwin
from lanes.layout import Lane, Title
from tests.agent_parts import IoSimulator, chayan, make_agent
from tests.brokers import BrokerProcess, free_port, nats, nats_binary
from tests.central_parts import Serving, settings_for

pytestmark = pytest.mark.slow

HOLD = """
import fcntl, sys, time
port = open(sys.argv[1], "r+b", 0)
fcntl.flock(port, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def entry(kind: str, role: Role, name: str = "d1", **table: Any) -> DeviceEntry:
    config = msgspec.convert({**table, "simulated": True}, KINDS[kind].config)
    return DeviceEntry(name=name, kind=kind, role=role, lane="1", station="brake", config=config)


def site(folder: Path, *devices: DeviceEntry, **more: Any) -> SiteFile:
    title = Title(zh="模拟", en="Virtual")
    return SiteFile(
        site=Site(id="virtual-site", title=title, simulated=True),
        node=Node(name="virtual-node-1", folder=folder / "node"),
        lanes=(Lane(name="1", title=title, stations=()),),
        devices=devices,
        **more,
    )


Found: TypeAlias = tuple[bool, str, str]


def examined(folder: Path, device: DeviceEntry) -> Found:
    return asyncio.run(doctor_devices.examine(site(folder, device), device, None))


@asynccontextmanager
async def wheels(folder: Path) -> AsyncIterator[WheelTwin]:
    twin = WheelTwin(folder / "wheels")
    await twin.start()
    try:
        yield twin
    finally:
        await twin.stop()


# ---- serial lines --------------------------------------------------------------------------------


def test_a_scale_that_answers_is_well(tmp_path: Path) -> None:
    async def main() -> Found:
        async with wheels(tmp_path) as twin:
            device = entry("wheel-load-jx", "weigh", address=twin.line.address)
            return await doctor_devices.examine(site(tmp_path, device), device, None)

    ok, zh, en = asyncio.run(main())
    assert ok
    assert zh.startswith("有应答，") and en.startswith("answers, ")


def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    device = entry("wheel-load-jx", "weigh", address=f"serial://{tmp_path}/tty?baud=9600")
    ok, zh, en = examined(tmp_path, device)
    assert not ok
    assert f"没有此端口 {tmp_path}/tty" in zh
    assert f"no such port {tmp_path}/tty" in en


@pytest.mark.parametrize(("baud", "speed"), [(9600, termios.B9600), (115200, termios.B115200)])
def test_wrong_line_settings_are_guessed(baud: int, speed: int, tmp_path: Path) -> None:
    """By the speed alone: a pty knows no parity."""

    async def main() -> Found:
        async with wheels(tmp_path) as twin:

            def garbled(sent: bytes) -> bytes:
                """What a UART makes of it when the other side's settings differ."""
                right = termios.tcgetattr(twin.line._slave)[5] == speed
                return sent if right else bytes(byte ^ 0xA5 for byte in sent)

            twin.line.fault = lambda sent: [Part(garbled(sent))]
            device = entry("wheel-load-jx", "weigh", address=f"serial://{twin.line.path}?baud=38400")
            return await doctor_devices.examine(site(tmp_path, device), device, 4.0)

    ok, zh, en = asyncio.run(main())
    assert not ok
    settings = f"baud={baud}&parity=N"
    assert en == f"bytes arrive but no whole frame; with {settings} it answers: write that down"
    assert f"用 {settings} 有完整应答" in zh


def test_a_port_that_another_program_holds_is_not_opened(tmp_path: Path) -> None:
    async def main() -> Found:
        async with wheels(tmp_path) as twin:
            command = [sys.executable, "-c", HOLD, str(twin.line.path)]
            other = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220
            try:
                assert other.stdout is not None
                assert await asyncio.to_thread(other.stdout.readline)
                device = entry("wheel-load-jx", "weigh", address=twin.line.address)
                ok, zh, en = await doctor_devices.examine(site(tmp_path, device), device, None)
                assert f"held by process {other.pid} (python" in en
                return ok, zh, en
            finally:
                other.terminate()
                other.wait(10)
                assert other.stdout is not None
                other.stdout.close()

    ok, zh, _ = asyncio.run(main())
    assert not ok
    assert "未打开" in zh


def test_a_port_that_may_not_be_opened_names_the_group() -> None:
    me, folder = os.geteuid(), Path(tempfile.mkdtemp())
    port = folder / "tty"
    port.touch()
    port.chmod(0o000)
    folder.chmod(0o755)
    asyncio.run(doctor_devices.unreachable(f"serial://{port}x"))  # imports what only root may read
    try:
        if me == 0:
            os.seteuid(65534)  # root may open everything
        words = asyncio.run(doctor_devices.unreachable(f"serial://{port}"))
    finally:
        os.seteuid(me)
        shutil.rmtree(folder)
    assert words is not None
    assert f"没有权限打开 {port}" in words[0]
    assert "usermod -aG " in words[1]


def test_a_line_on_which_nobody_speaks_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_devices, "LIKELY", ())

    async def main() -> Found:
        async with wheels(tmp_path) as twin:
            twin.line.fault = lambda _: []
            device = entry("wheel-load-jx", "weigh", address=twin.line.address)
            return await doctor_devices.examine(site(tmp_path, device), device, None)

    ok, _, en = asyncio.run(main())
    assert not ok
    assert en.startswith("silent: nothing heard for 6 s; check power, wiring")


# ---- Modbus --------------------------------------------------------------------------------------

PLATE: dict[str, Any] = {"timeout_ms": 200, "quiet_ms": 500}


def test_an_address_where_nothing_listens_is_named(tmp_path: Path) -> None:
    device = entry("side-slip-modbus", "sideslip", address=f"tcp://127.0.0.1:{free_port()}")
    ok, zh, en = examined(tmp_path, device)
    assert not ok
    assert "没有程序监听" in zh and "nothing listens there" in en


def test_a_wrong_unit_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_devices, "LIKELY", ())

    async def main() -> Found:
        bridge = PtyBridge(tmp_path / "slip", tmp_path / "slip.twin")
        bridge.open()
        served = await serve_rtu(Tables(), bridge.right.address, unit=3)
        try:
            device = entry("side-slip-modbus", "sideslip", address=bridge.left.address, **PLATE)
            return await doctor_devices.examine(site(tmp_path, device), device, 2.0)
        finally:
            await served.stop()
            bridge.close()

    ok, _, en = asyncio.run(main())
    assert not ok
    assert "with unit = 3 it answers" in en


def test_an_exception_code_is_explained(tmp_path: Path) -> None:
    async def main() -> Found:
        tables = Tables()
        tables.fault = 2
        served = await serve_tcp(tables)
        try:
            device = entry("side-slip-modbus", "sideslip", address=f"tcp://127.0.0.1:{served.port}", **PLATE)
            return await doctor_devices.examine(site(tmp_path, device), device, 2.0)
        finally:
            await served.stop()

    ok, zh, en = asyncio.run(main())
    assert not ok
    assert "异常码" in zh
    assert "exception code 2 (illegal address)" in en
    assert "check the register map, the unit and the device" in en


# ---- brokers -------------------------------------------------------------------------------------


def broker_lines(folder: Path, port: int, **more: Any) -> list[doctor.Line]:
    camera = entry("vzenith-mqtt", "camera", sn="virtual-cam-1")
    there = site(folder, camera, broker=BrokerAddress(port=port, **more))
    return asyncio.run(doctor.look_at_broker(there))


def test_a_broker_that_answers_and_one_that_is_not_there(tmp_path: Path) -> None:
    with nats(tmp_path) as server:
        (line,) = broker_lines(tmp_path, server.port)
        assert line.mark == "ok"
    (line,) = broker_lines(tmp_path, server.port)
    assert line.mark == "bad"
    assert "check that it runs" in line.en


def test_a_broker_that_refuses_the_password_is_told_apart(tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "locked.conf"
    config.write_text(
        f"""
        server_name: test
        host: 127.0.0.1
        port: {free_port()}
        authorization {{ user: chayan, password: right }}
        jetstream {{ store_dir: {json.dumps(str(tmp_path / "store"))} }}
        mqtt {{ host: 127.0.0.1, port: {port} }}
        """
    )
    password = tmp_path / "password"
    with BrokerProcess([nats_binary(), "-c", str(config)], port, tmp_path / "nats.log"):
        for words, mark in (("wrong", "bad"), ("right", "ok")):
            password.write_text(words)
            (line,) = broker_lines(tmp_path, port, username="chayan", password_file=password)
            assert line.mark == mark, line.en
            assert ("refuses the login" in line.en and "拒绝登录" in line.zh) == (mark == "bad")


def test_a_camera_is_heard_or_not(tmp_path: Path) -> None:
    async def main(port: int) -> list[Found]:
        twin = CameraTwin("virtual-cam-1", f"mqtt://127.0.0.1:{port}")
        speaking = asyncio.create_task(twin.run())
        found = []
        try:
            for sn, seconds in (("virtual-cam-1", 20.0), ("virtual-cam-9", 3.0)):
                camera = entry("vzenith-mqtt", "camera", sn=sn)
                there = site(tmp_path, camera, broker=BrokerAddress(port=port))
                found.append(await doctor_devices.examine(there, camera, seconds))
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        return found

    with nats(tmp_path) as server:
        heard, unheard = asyncio.run(main(server.port))
    assert heard[0]
    assert unheard[0] is False
    assert "not heard within 3 s" in unheard[2] and "序列号" in unheard[1]


# ---- the node and its registry -------------------------------------------------------------------


def test_a_registry_its_clock_and_its_key(tmp_path: Path) -> None:
    key_file = tmp_path / "registry.key"
    own, other = NodeKey.load_or_create(key_file), NodeKey.generate()
    settings = settings_for(f"sqlite:///{tmp_path}/r.sqlite", tmp_path, key_file=key_file)
    with Serving(build_app(settings)) as served:
        for pinned, mark in (("", "note"), (own.public, "ok"), (other.public, "bad")):
            lines = asyncio.run(doctor.look_at_registry(Registry(url=served.url, key=pinned)))
            assert [line.mark for line in lines] == ["ok", "ok", mark]
            assert lines[1].subject == "clock, registry centre"
            assert ("not the pinned one" in lines[2].en) == (mark == "bad")


def test_a_registry_without_a_key_answers_all_the_same(tmp_path: Path) -> None:
    settings = settings_for(f"sqlite:///{tmp_path}/r.sqlite", tmp_path)
    with Serving(build_app(settings)) as served:
        lines = asyncio.run(doctor.look_at_registry(Registry(url=served.url)))
    assert [line.mark for line in lines] == ["ok", "ok", "note"]


def test_a_registry_that_is_not_there(tmp_path: Path) -> None:
    (line,) = asyncio.run(doctor.look_at_registry(Registry(url=f"http://127.0.0.1:{free_port()}")))
    assert line.mark == "bad"
    assert "check network, address, firewall" in line.en


def test_disk_and_folder(tmp_path: Path) -> None:
    assert doctor.look_at_folder(site(tmp_path)).mark == "ok"
    assert doctor.look_at_disk(site(tmp_path, disk=Disk(warn_mb=2, refuse_mb=1))).mark == "ok"
    assert doctor.look_at_disk(site(tmp_path, disk=Disk(warn_mb=9_999_999))).mark == "note"
    full = site(tmp_path, disk=Disk(warn_mb=9_999_999, refuse_mb=9_999_998))
    assert doctor.look_at_disk(full).mark == "bad"
    (tmp_path / "node").write_bytes(b"")
    assert doctor.look_at_folder(site(tmp_path)).mark == "bad"
    assert os.access(tmp_path, os.W_OK)


def test_a_running_node_keeps_its_ports_and_is_asked_instead(tmp_path: Path) -> None:
    with IoSimulator() as io:
        agent = make_agent(tmp_path, io=io.address)
        with agent:
            agent.until_device("io-1", "ok")
            done = chayan("doctor", str(agent.site), "--json")
            assert done.returncode == 1
            lines = {line["subject"]: line for line in json.loads(done.stdout)["lines"]}
    assert "none is opened, its own view is read" in lines["node"]["en"]
    assert lines["device io-1"]["mark"] == "ok"
    assert lines["device io-1"]["en"].startswith("held by the running node, ok, last heard 20")
    assert lines["device wheels-1"]["mark"] == "bad"
    assert lines["device wheels-1"]["en"].startswith("held by the running node, lost: ")


def test_the_command_tells_each_device_in_both_languages(tmp_path: Path) -> None:
    agent = make_agent(tmp_path)
    done = chayan("doctor", str(agent.site), "--seconds", "1")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    (wheels_line,) = [line for line in lines if "device wheels-1" in line]
    assert wheels_line.startswith("异常 BAD  device wheels-1: 没有此端口 ")
    assert " / no such port " in wheels_line
    assert any(line.startswith("正常 ok   rules: ") for line in lines)
    assert any("broker main" in line and line.startswith("异常 BAD") for line in lines)

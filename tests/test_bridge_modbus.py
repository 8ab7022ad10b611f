"""Modbus TCP and RTU against pymodbus's own server; late replies on a real pty line; the I/O module."""

import asyncio
import random
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_bridge.bus import ModbusFault, ModbusLost, ModbusSilent
from firmware_bridge.device import Health, MeasureError, Signal
from firmware_bridge.devices.io_map import Config, Input, Output
from firmware_bridge.devices.io_module import IoModule
from firmware_bridge.link import AddressError
from firmware_bridge.modbus import (
    READ_COILS,
    READ_HOLDING,
    READ_INPUTS,
    READ_REGISTERS,
    ModbusClient,
    Tables,
    serve_rtu,
    serve_tcp,
)
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_io import IoTwin
from firmware_bridge.virtual.twin_line import PtyBridge
from tests.bridge_parts import Told, end
from tests.brokers import free_port


def test_every_function_over_tcp() -> None:
    async def main() -> None:
        tables = Tables(coils=40, inputs=40, holdings=20, registers=20)
        served = await serve_tcp(tables)
        client = ModbusClient(f"tcp://127.0.0.1:{served.port}")
        await client.connect()
        tables.inputs[17] = True
        tables.registers[3] = 4711
        assert await client.bits(READ_INPUTS, 16, 3) == [False, True, False]
        assert await client.registers(READ_REGISTERS, 2, 3) == [0, 4711, 0]
        await client.write_coil(33, True)
        await client.write_coils(0, [True, False, True])
        assert [at for at, on in enumerate(tables.coils) if on] == [0, 2, 33]
        assert await client.bits(READ_COILS, 30, 5) == [False, False, False, True, False]
        await client.write_register(5, 65535)
        await client.write_registers(6, [1, 2])
        assert await client.registers(READ_HOLDING, 5, 3) == [65535, 1, 2]
        client.close()
        await served.stop()

    asyncio.run(main())


def test_an_exception_names_address_function_and_code() -> None:
    async def main() -> None:
        tables = Tables(registers=4)
        served = await serve_tcp(tables)
        client = ModbusClient(f"tcp://127.0.0.1:{served.port}", unit=1)
        await client.connect()
        with pytest.raises(ModbusFault, match=r"unit 1 function 04 address 100: exception code 2 \(illegal"):
            await client.registers(READ_REGISTERS, 100, 2)
        tables.fault = 6
        with pytest.raises(ModbusFault, match=r"function 05 address 0: exception code 6"):
            await client.write_coil(0, True)
        tables.fault = None
        await client.write_coil(0, True)
        client.close()
        await served.stop()

    asyncio.run(main())


def test_a_silent_device_and_a_vanished_one_are_told_apart() -> None:
    async def main() -> None:
        tables = Tables()
        served = await serve_tcp(tables)
        client = ModbusClient(f"tcp://127.0.0.1:{served.port}", timeout_s=0.1)
        await client.connect()
        tables.delay_s = 0.4
        with pytest.raises(ModbusSilent, match="no answer"):
            await client.registers(READ_HOLDING, 0, 1)
        tables.delay_s = 0.0
        await asyncio.sleep(0.5)
        assert await client.registers(READ_HOLDING, 0, 1) == [0]  # TCP: the late reply has another number
        await served.stop()
        with pytest.raises((ModbusLost, ModbusSilent)):
            await client.registers(READ_HOLDING, 0, 1)
        with pytest.raises(ModbusLost, match="no connection"):
            await client.connect()
        client.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "tcp://", "udp://x:1", "serial://", "serial:///dev/x?baud=7"]
)
def test_bad_addresses_are_refused_with_advice(address: str) -> None:
    with pytest.raises(AddressError, match=r"write|one of"):
        ModbusClient(address)


def test_rtu_through_a_serial_device_server() -> None:
    async def main() -> None:
        registers = SimDevice(7, simdata=[SimData(0, values=[5, 6, 7], datatype=DataType.REGISTERS)])
        server = ModbusTcpServer(registers, framer=FramerType.RTU, address=("127.0.0.1", free_port()))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        client = ModbusClient(f"rtu+tcp://127.0.0.1:{port}", unit=7)
        await client.connect()
        assert await client.registers(READ_HOLDING, 0, 3) == [5, 6, 7]
        client.close()
        await server.shutdown()

    asyncio.run(main())


def test_rtu_over_a_pty(tmp_path: Path) -> None:
    async def main() -> None:
        bridge, tables = PtyBridge(tmp_path / "agent", tmp_path / "twin"), Tables()
        bridge.open()
        served = await serve_rtu(tables, bridge.right.address, unit=3)
        client = ModbusClient(bridge.left.address, unit=3)
        await client.connect()
        tables.registers[:3] = [1, 2, 3]
        assert await client.registers(READ_REGISTERS, 0, 3) == [1, 2, 3]
        client.close()
        await client.connect()
        assert await client.registers(READ_REGISTERS, 0, 3) == [1, 2, 3]
        client.close()
        await served.stop()
        bridge.close()

    asyncio.run(main())


@pytest.mark.slow
def test_a_late_rtu_reply_is_never_taken_for_another_register(tmp_path: Path) -> None:
    """220 injected time-outs, each answered late; each next value is that of its own register.

    A reply that a busy machine brought onto the line after the quiet time is not counted: it is slower
    than ``quiet_s`` allows for.
    """
    injected, timeout_s, quiet_s = 220, 0.025, 0.08

    async def main() -> None:
        rng, clock = random.Random(7), asyncio.get_running_loop()
        bridge, tables = PtyBridge(tmp_path / "agent", tmp_path / "twin"), Tables(registers=200)
        tables.registers[:] = [7000 + at for at in range(200)]
        on_line: list[float] = []

        def watched(sent: bytes) -> list[faults.Part]:
            on_line.append(clock.time())
            return faults.whole(sent)

        bridge.open()
        bridge.left.fault = watched
        served = await serve_rtu(tables, bridge.right.address)
        client = ModbusClient(bridge.left.address, timeout_s=timeout_s, quiet_s=quiet_s)
        await client.connect()
        wrong = read = 0
        for _ in range(3 * injected):
            at = rng.randrange(200)
            tables.delay_s = rng.uniform(timeout_s * 1.2, timeout_s + quiet_s * 0.8)
            on_line.clear()
            try:
                await client.registers(READ_REGISTERS, at, 1)
                continue  # the time-out came after the reply
            except ModbusSilent:
                silent_at = clock.time()
            tables.delay_s = 0.0
            other = (at + rng.randrange(1, 200)) % 200
            try:
                (value,) = await client.registers(READ_REGISTERS, other, 1)
            except ModbusSilent:  # this machine was busy for 25 ms
                continue
            if on_line and on_line[0] - silent_at < quiet_s:
                read, wrong = read + 1, wrong + (value != 7000 + other)
            if read == injected:
                break
        assert wrong == 0
        assert read == injected
        client.close()
        await served.stop()
        bridge.close()

    asyncio.run(main())


def test_a_cancelled_rtu_request_leaves_no_reply_for_the_next(tmp_path: Path) -> None:
    async def main() -> None:
        bridge, tables = PtyBridge(tmp_path / "agent", tmp_path / "twin"), Tables()
        tables.registers[:2] = [111, 999]
        bridge.open()
        served = await serve_rtu(tables, bridge.right.address)
        client = ModbusClient(bridge.left.address, timeout_s=2.0, quiet_s=0.3)
        await client.connect()
        tables.delay_s = 0.15
        asking = asyncio.create_task(client.registers(READ_REGISTERS, 0, 1))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        tables.delay_s = 0.0
        assert await client.registers(READ_REGISTERS, 1, 1) == [999]
        client.close()
        await served.stop()
        bridge.close()

    asyncio.run(main())


INPUTS = (
    Input(station="gate", sensor="loop", input=0),
    Input(station="brake", sensor="photocell", input=5, invert=True),
)
OUTPUTS = (
    Output(station="gate", actuator="barrier", coil=2),
    Output(station="brake", actuator="light", coil=9),
)


def config(address: str, **changes: object) -> Config:
    settings = {
        "address": address,
        "inputs": INPUTS,
        "outputs": OUTPUTS,
        "debounce_ms": 40,
        "timeout_ms": 300,
    }
    return Config(**{**settings, **changes})  # type: ignore[arg-type]


def signals(told: Told) -> list[tuple[str, bool]]:
    return [(said.sensor, said.on) for said in told.said if isinstance(said, Signal)]


def test_io_module_tells_levels_once_and_changes_as_they_come() -> None:
    async def main() -> None:
        twin, told = IoTwin(INPUTS, OUTPUTS), Told()
        await twin.start()
        module = IoModule("io-1", config(twin.address, simulated=True))
        task = asyncio.create_task(module.run(told))
        await told.count(Signal, 2)
        assert signals(told) == [("loop", False), ("photocell", False)]
        twin.set("gate", "loop", True)
        await told.count(Signal, 3)
        twin.set("brake", "photocell", True)
        await told.count(Signal, 4)
        assert signals(told)[2:] == [("loop", True), ("photocell", True)]
        assert told.said[0] == Health(state="ok")
        assert module.source == "virtual+modbus://io-1"
        await end(task)
        await twin.stop()

    asyncio.run(main())


def test_io_module_switches_and_reads_back() -> None:
    async def main() -> None:
        twin, told = IoTwin(INPUTS, OUTPUTS), Told()
        await twin.start()
        module = IoModule("io-1", config(twin.address))
        assert module.outputs() == {}
        with pytest.raises(MeasureError, match="not connected"):
            await module.switch("gate", "barrier", True)
        task = asyncio.create_task(module.run(told))
        await told.count(Signal, 2)
        await module.switch("gate", "barrier", True)
        assert twin.output("gate", "barrier")
        assert module.outputs() == {("gate", "barrier"): True, ("brake", "light"): False}
        await module.switch("gate", "barrier", False)
        assert not twin.output("gate", "barrier")
        with pytest.raises(MeasureError, match="no output 'siren' at 'gate'"):
            await module.switch("gate", "siren", True)
        twin.tables.fault = 4
        with pytest.raises(MeasureError, match="exception code 4"):
            await module.switch("gate", "barrier", True)
        await end(task)
        await twin.stop()

    asyncio.run(main())


def test_io_module_that_vanishes_and_comes_back() -> None:
    async def main() -> None:
        twin, told = IoTwin(INPUTS, OUTPUTS), Told()
        await twin.start()
        module = IoModule("io-1", config(twin.address))
        task = asyncio.create_task(module.run(told))
        await told.count(Signal, 2)
        await twin.stop()
        await told.count(Health, 2)
        twin.set("gate", "loop", True)
        await twin.start()
        await told.count(Signal, 4)  # after a reconnect every level is told anew
        assert signals(told)[2:] == [("loop", True), ("photocell", False)]
        twin.tables.fault = 4
        await told.count(Health, 4)
        twin.tables.fault = None
        await told.count(Health, 5)
        states = [said.state for said in told.said if isinstance(said, Health)]
        assert states[0] == states[2] == states[4] == "ok"
        assert states[1] in {"lost", "silent"}
        assert states[3] == "faulty"
        await end(task)
        await twin.stop()

    asyncio.run(main())

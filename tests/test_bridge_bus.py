"""Several units on one line, a real pty: shared, in turn, quiet for all; a dead unit holds nobody up."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_bridge.bus import Bus, Member, ModbusFault, ModbusLost, ModbusSilent
from firmware_bridge.device import Health, Signal
from firmware_bridge.devices.io_map import Config, Input
from firmware_bridge.devices.io_module import IoModule
from firmware_bridge.modbus import READ_REGISTERS, ModbusClient, Tables, serve_rtu
from firmware_bridge.tap import TAP, Tap
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.faults import Part
from firmware_bridge.virtual.twin_line import PtyBridge
from tests.bridge_parts import Told, end


class Rs485:
    """A pty line with units behind it; register ``at`` of unit u reads 1000 u + at."""

    def __init__(self, folder: Path, *units: int) -> None:
        self.bridge = PtyBridge(folder / "agent", folder / "twin")
        self.tables = {unit: Tables(registers=100) for unit in units}
        for unit, tables in self.tables.items():
            tables.registers[:] = [1000 * unit + at for at in range(100)]
        self.asked: Counter[int] = Counter()
        self.dead: set[int] = set()

    def _asked(self, sent: bytes) -> list[Part]:
        self.asked[sent[0]] += 1
        return [] if sent[0] in self.dead else faults.whole(sent)

    def client(self, unit: int, **settings: float) -> ModbusClient:
        return ModbusClient(self.bridge.left.address, unit=unit, **settings)

    @asynccontextmanager
    async def served(self, *clients: ModbusClient) -> AsyncIterator[None]:
        self.bridge.open()
        self.bridge.right.fault = self._asked
        served = await serve_rtu(self.tables, self.bridge.right.address)
        try:
            for client in clients:
                await client.connect()
            yield
        finally:
            for client in clients:
                client.close()
            await served.stop()
            self.bridge.close()


def test_units_of_one_line_answer_in_turn_over_one_open_port(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3, 4, 5)
        clients = [line.client(unit) for unit in (3, 4, 5)]
        async with line.served(*clients):

            async def ask(client: ModbusClient) -> None:
                for at in range(30):
                    assert await client.registers(READ_REGISTERS, at, 1) == [1000 * client.unit + at]

            await asyncio.gather(*map(ask, clients))
            clients[0].close()
            with pytest.raises(ModbusLost, match="not connected"):
                await clients[0].registers(READ_REGISTERS, 0, 1)
            assert await clients[1].registers(READ_REGISTERS, 0, 1) == [4000]  # still open for the others

    asyncio.run(main())


def test_a_greedy_unit_gets_every_other_turn_and_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3, 4)
        greedy, modest = line.client(3), line.client(4)
        async with line.served(greedy, modest):
            at_once = [asyncio.create_task(greedy.registers(READ_REGISTERS, at, 1)) for at in range(40)]
            await asyncio.sleep(0)
            for at in range(10):
                await modest.registers(READ_REGISTERS, at, 1)
            assert line.asked[3] <= line.asked[4] + 2
            await asyncio.gather(*at_once)

    asyncio.run(main())


def test_what_flows_is_noted_as_the_units_that_asked(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3, 4)
        clients, taps = (
            [line.client(3), line.client(4)],
            [Tap("a", whole_bytes=99, logged=True) for _ in "ab"],
        )
        async with line.served():
            for client, tap in zip(clients, taps, strict=True):
                TAP.set(tap)
                await client.connect()
            for _ in range(5):
                await asyncio.gather(*(client.registers(READ_REGISTERS, 0, 1) for client in clients))
            for client, tap in zip(clients, taps, strict=True):
                flowed = [entry for entry in tap.fetch() if entry.way in ("in", "out")]
                assert len(flowed) >= 10
                assert b"".join(each.data for each in flowed if each.way == "in")[0] == client.unit
                assert {each.data[0] for each in flowed if each.way == "out"} == {client.unit}
                assert tap.counts.frames == 5
                client.close()

    asyncio.run(main())


def test_one_line_has_one_baud_rate(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3)
        async with line.served(line.client(3)) as _:
            first = line.client(3)
            await first.connect()
            other = ModbusClient(line.bridge.left.address.replace("38400", "9600"), unit=4)
            with pytest.raises(ModbusLost, match="devices on one line name the same settings"):
                await other.connect()
            first.close()

    asyncio.run(main())


def test_two_units_behind_one_device_server_share_its_connection() -> None:
    async def main() -> None:
        units = [
            SimDevice(unit, simdata=[SimData(0, values=[unit] * 4, datatype=DataType.REGISTERS)])
            for unit in (7, 8)
        ]
        opened: list[bool] = []
        server = ModbusTcpServer(
            units, framer=FramerType.RTU, address=("127.0.0.1", 0), trace_connect=opened.append
        )
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
        clients = [ModbusClient(f"rtu+tcp://127.0.0.1:{port}", unit=unit) for unit in (7, 8)]
        for client in clients:
            await client.connect()
        read = [await client.registers(3, 0, 2) for client in clients]
        assert read == [[7, 7], [8, 8]]
        assert opened == [True]
        for client in clients:
            client.close()
        await server.shutdown()

    asyncio.run(main())


async def injected_late(folder: Path, seed: int, wanted: int) -> int:
    """Late answers of unit 3 or 4 on one line, each while the other is asked next; returns how many."""
    timeout_s, quiet_s = 0.03, 0.09
    rng, clock, held = random.Random(seed), asyncio.get_running_loop(), [0.0]
    arrived: list[float] = []
    line = Rs485(folder, 3, 4)
    clients = {unit: line.client(unit, timeout_s=timeout_s, quiet_s=quiet_s) for unit in (3, 4)}

    def late(sent: bytes) -> list[Part]:
        delay, held[0] = held[0], 0.0
        arrived.append(clock.time() + delay)
        return [Part(sent, delay)]

    injected = 0
    async with line.served(*clients.values()):
        line.bridge.left.fault = late
        for _ in range(4 * wanted):
            unit = rng.choice((3, 4))
            first, other = clients[unit], clients[rng.choice((3, 4))]
            held[0] = rng.uniform(timeout_s * 1.2, timeout_s + quiet_s * 0.8)
            arrived.clear()
            late_at, at = rng.randrange(50), rng.randrange(50, 100)
            asking = asyncio.create_task(first.registers(READ_REGISTERS, late_at, 1))
            await asyncio.sleep(0)
            read = None
            with suppress(ModbusSilent):  # this machine was busy
                (read,) = await other.registers(READ_REGISTERS, at, 1)
            assert read in (None, 1000 * other.unit + at)
            try:
                assert await asking == [1000 * unit + late_at]
            except ModbusSilent:
                injected += bool(read is not None and arrived and arrived[0] <= clock.time())
            for each in clients.values():
                each._bus._silent.clear()  # type: ignore[union-attr] # here a unit need not rest
            if injected == wanted:
                break
    return injected


def test_a_late_answer_of_one_unit_is_never_taken_for_anothers(tmp_path: Path) -> None:
    assert asyncio.run(injected_late(tmp_path, 1, 20)) == 20


@pytest.mark.slow
def test_of_a_thousand_late_answers_on_lines_of_two_units_none_is_taken_for_another(tmp_path: Path) -> None:
    async def main() -> list[int]:
        folders = [tmp_path / str(number) for number in range(5)]
        return await asyncio.gather(*(injected_late(folder, n, 200) for n, folder in enumerate(folders)))

    assert asyncio.run(main()) == [200] * 5


def test_a_cancellation_that_comes_with_the_answer_is_not_lost(tmp_path: Path) -> None:
    """asyncio.wait_for of Python 3.11, which pymodbus uses, would return the answer and forget it."""

    async def main() -> None:
        line = Rs485(tmp_path, 3)
        client = line.client(3)
        async with line.served(client):
            asking = asyncio.create_task(client.registers(READ_REGISTERS, 0, 1))

            def heard(sending: bool, packet: bytes) -> bytes:
                assert sending or asking.cancel()
                return packet

            client._bus.wire.ctx.trace_packet = heard  # type: ignore[union-attr]
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(main())


def test_an_answer_of_the_wrong_unit_or_address_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3, 4)
        client = line.client(3, timeout_s=0.2, quiet_s=0.05)
        async with line.served(client):
            line.bridge.left.fault = lambda _: [Part(bytes.fromhex("0404020fa0b0b8"))]  # unit 4: 4000
            with pytest.raises(ModbusSilent):
                await client.registers(READ_REGISTERS, 0, 1)
            line.bridge.left.fault = lambda _: [Part(_crc(bytes.fromhex("03050007ff00")))]  # coil 7
            with pytest.raises(ModbusFault, match=r"answered \{'address': 7"):
                await client.write_coil(5, True)
            line.bridge.left.fault = lambda _: [Part(_crc(bytes.fromhex("0304040bb80bb9")))]  # two of them
            with pytest.raises(ModbusFault, match="2 registers, 1 were asked"):
                await client.registers(READ_REGISTERS, 0, 1)
            line.bridge.left.fault = faults.whole
            assert await client.registers(READ_REGISTERS, 0, 1) == [3000]

    asyncio.run(main())


def _crc(frame: bytes) -> bytes:
    crc = 0xFFFF
    for byte in frame:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return frame + crc.to_bytes(2, "little")


def test_a_dead_unit_is_asked_ever_more_rarely_and_at_once_when_it_is_back(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3, 4)
        dead, well = line.client(3, timeout_s=0.05, quiet_s=0.05), line.client(4)
        line.dead = {3}
        async with line.served(dead, well):
            for _ in range(2):  # one lost frame is forgiven
                with pytest.raises(ModbusSilent, match="no answer"):
                    await dead.registers(READ_REGISTERS, 0, 1)
            asked = line.asked[3]
            with pytest.raises(ModbusSilent, match=r"no answer 2 times in a row; asked again in 0\.\d s"):
                await dead.registers(READ_REGISTERS, 0, 1)
            assert line.asked[3] == asked
            assert await well.registers(READ_REGISTERS, 0, 1) == [4000]
            line.dead = set()
            assert await eventually(lambda: dead.registers(READ_REGISTERS, 0, 1)) == [3000]
            assert await dead.registers(READ_REGISTERS, 1, 1) == [3001]

    asyncio.run(main())


async def eventually(ask: Callable[[], Awaitable[list[int]]]) -> list[int]:
    async with asyncio.timeout(10):
        while True:
            try:
                return await ask()
            except ModbusSilent:
                await asyncio.sleep(0.02)


def test_a_unit_alone_on_its_line_never_rests(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3)
        dead = line.client(3, timeout_s=0.02, quiet_s=0.02)
        line.dead = {3}
        async with line.served(dead):
            for _ in range(5):
                with pytest.raises(ModbusSilent, match="no answer"):
                    await dead.registers(READ_REGISTERS, 0, 1)
            assert line.asked[3] == 5

    asyncio.run(main())


def test_rest_doubles_to_a_seventeenth_of_the_line() -> None:
    async def main() -> None:
        bus, clock = Bus("line", None, rtu=True), asyncio.get_running_loop()
        member = Member(unit=9, timeout_s=1.0, quiet_s=0.5)
        rests = []
        for _ in range(8):
            bus.unheard(member)
            rests.append(round((bus._silent[9].until - clock.time()) / 1.5))
        assert rests == [0, 2, 4, 8, 16, 16, 16, 16]
        bus.heard(9)
        assert bus._silent == {}

    asyncio.run(main())


def test_a_line_that_nobody_answers_on_is_opened_anew(tmp_path: Path) -> None:
    async def main() -> None:
        line = Rs485(tmp_path, 3, 4)
        clients = [line.client(unit, timeout_s=0.02, quiet_s=0.02) for unit in (3, 4)]
        async with line.served(*clients):
            wire = clients[0]._bus.wire  # type: ignore[union-attr]
            line.dead = {3, 4}
            while clients[0]._bus._unheard < 5:  # type: ignore[union-attr]
                for client in clients:
                    with pytest.raises(ModbusSilent):
                        await client.registers(READ_REGISTERS, 0, 1)
                await asyncio.sleep(0.02)
            await clients[0].connect()
            assert clients[0]._bus.wire is not wire  # type: ignore[union-attr]
            line.dead = set()
            assert await eventually(lambda: clients[1].registers(READ_REGISTERS, 0, 1)) == [4000]

    asyncio.run(main())


def test_modules_of_one_line_tell_their_signals_while_one_is_dead(tmp_path: Path) -> None:
    async def main() -> None:
        line, told = Rs485(tmp_path, 3, 4, 5), {unit: Told() for unit in (3, 4, 5)}
        line.dead = {5}
        line.bridge.open()
        line.bridge.right.fault = line._asked
        served = await serve_rtu(line.tables, line.bridge.right.address)
        tasks = []
        for unit in (3, 4, 5):
            config = Config(
                address=line.bridge.left.address,
                unit=unit,
                inputs=(Input(station="gate", sensor="loop", input=1),),
                debounce_ms=0,
                timeout_ms=50,
            )
            tasks.append(asyncio.create_task(IoModule(f"io-{unit}", config).run(told[unit])))
        await told[3].count(Signal, 1)
        await told[4].count(Signal, 1)
        for level in (True, False, True):
            line.tables[3].inputs[1] = line.tables[4].inputs[1] = level
            heard = len(told[3].of(Signal)) + 1
            await told[3].count(Signal, heard)
            await told[4].count(Signal, heard)
        assert told[3].of(Health) == told[4].of(Health) == [Health(state="ok")]
        (silent,) = await told[5].count(Health, 1)
        assert isinstance(silent, Health)
        assert silent.state == "silent"
        line.dead = set()
        await told[5].count(Signal, 1)
        await end(*tasks)
        await served.stop()
        line.bridge.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["torn", "lost", "corrupt", "late", "bytewise"])
def test_a_bad_line_never_tells_a_level_that_was_not(name: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    fault = {
        "torn": faults.torn(rng, 0.4),
        "lost": faults.lost(rng, 0.4),
        "corrupt": faults.corrupt(rng, 0.4),
        "late": faults.late(0.1),
        "bytewise": faults.bytewise,
    }[name]

    async def main() -> None:
        line, told = Rs485(tmp_path, 3, 4), Told()
        line.tables[4].inputs[:] = [True] * 16  # the other unit's levels are all different
        address = line.bridge.left.address
        inputs = tuple(Input(station="gate", sensor=f"s{at}", input=at) for at in range(8))
        other = line.client(4, timeout_s=0.05)
        async with line.served(other):
            line.bridge.left.fault = fault
            config = Config(address=address, unit=3, inputs=inputs, debounce_ms=0, timeout_ms=50)
            task = asyncio.create_task(IoModule("io-3", config).run(told))
            for _ in range(20):
                with suppress(ModbusSilent, ModbusFault, ModbusLost):
                    await other.bits(2, 0, 8)
                await asyncio.sleep(0.05)
            line.bridge.left.fault = faults.whole
            await told.count(Signal, 8)
            assert not any(said.on for said in told.said if isinstance(said, Signal))
            await end(task)

    asyncio.run(main())

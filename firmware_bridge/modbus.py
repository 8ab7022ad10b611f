"""Registers in and out, Modbus TCP and RTU; the other side of it for tests and the virtual site.

The only file that imports pymodbus. Two of its habits are mended here:

- RTU has no transaction number. A reply that comes after its time-out is taken for the answer to the next
  request (measured: wrong in 3 of 3 retry settings). So after a time-out on RTU whatever arrives is discarded
  and the line stays silent for ``quiet_s`` after the last byte heard. No request is repeated by itself.
- It reconnects by itself with delays up to 300 s. That is switched off; the caller connects.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_bridge.link import AddressError, SerialPort, parse_address, split, tcp_peer
from firmware_bridge.tap import NOBODY, TAP

logging.getLogger("pymodbus").addHandler(logging.NullHandler())  # else it prints frames to stderr

READ_COILS, READ_INPUTS, READ_HOLDING, READ_REGISTERS = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_HOLDINGS = 5, 6, 15, 16
SETTLE_S = 0.01  # s; a program that was held up first reads what waits in the kernel
QUIET_S = 0.5  # s; the longest reply time seen on the benches we know of is below it


class ModbusError(Exception):
    """No answer that can be used."""


class ModbusFault(ModbusError):
    """The device answered with an exception, or with something else than was asked."""


class ModbusSilent(ModbusError):
    """The device did not answer in time."""


class ModbusLost(ModbusError):
    """There is no connection."""


class ModbusClient:
    """One device (``unit``) behind ``tcp://``, ``serial://`` (RTU) or ``rtu+tcp://`` (RTU, serial server).

    One request at a time, never repeated. Values are those of one reply, in the order of the addresses.
    """

    def __init__(
        self, address: str, *, unit: int = 1, timeout_s: float = 1.0, quiet_s: float = QUIET_S
    ) -> None:
        self.address = address
        self.unit = unit
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._rtu = not address.startswith("tcp://")
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._lock = asyncio.Lock()
        self.channel = f"modbus:{address}"
        self.tap = NOBODY
        self._left = 0  # bytes that the client holds from before; it shows them again with those that follow
        self._noise_at: float | None = None  # last byte heard or time-out since the line was last known quiet
        self._make = _maker(address)

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as is known."""
        return self._client is not None and self._client.connected

    async def connect(self) -> None:
        """Opens the connection, closing the one before; raises ModbusLost."""
        self.close()
        self.tap, self._left = TAP.get(), 0
        client = self._make(self._timeout_s, self._packet)
        if not await client.connect():
            client.close()
            raise self._lost("no connection")
        self._client = client
        self.tap.up(self.channel)

    def _lost(self, why: str) -> ModbusLost:
        self.tap.lost(self.channel, why)
        return ModbusLost(f"{self.address}: {why}")

    def close(self) -> None:
        """Closes the connection, if any."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def bits(self, function: int, address: int, count: int) -> list[bool]:
        """Coils (01) or discrete inputs (02); raises ModbusError."""
        read = {READ_COILS: "read_coils", READ_INPUTS: "read_discrete_inputs"}[function]
        reply = await self._ask(function, address, read, count=count)
        if len(reply.bits) != (count + 7) // 8 * 8:
            raise ModbusFault(f"{self._where(function, address)}: {len(reply.bits)} bits, {count} were asked")
        return list(reply.bits[:count])

    async def registers(self, function: int, address: int, count: int) -> list[int]:
        """Holding (03) or input registers (04); raises ModbusError."""
        read = {READ_HOLDING: "read_holding_registers", READ_REGISTERS: "read_input_registers"}[function]
        reply = await self._ask(function, address, read, count=count)
        if len(reply.registers) != count:
            got = len(reply.registers)
            raise ModbusFault(f"{self._where(function, address)}: {got} registers, {count} were asked")
        return list(reply.registers)

    async def write_coil(self, address: int, on: bool) -> None:
        """Function 05; raises ModbusError."""
        await self._ask(WRITE_COIL, address, "write_coil", value=on)

    async def write_register(self, address: int, value: int) -> None:
        """Function 06; raises ModbusError."""
        await self._ask(WRITE_REGISTER, address, "write_register", value=value)

    async def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Function 15; raises ModbusError."""
        await self._ask(WRITE_COILS, address, "write_coils", values=list(values))

    async def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Function 16; raises ModbusError."""
        await self._ask(WRITE_HOLDINGS, address, "write_registers", values=list(values))

    async def _ask(self, function: int, address: int, method: str, **what: Any) -> ModbusPDU:
        async with self._lock:
            await self._quiet()
            client = self._client
            if client is None or not client.connected:
                raise self._lost("not connected")
            try:
                reply: ModbusPDU = await getattr(client, method)(address, device_id=self.unit, **what)
            except ConnectionException as lost:
                raise self._lost(str(lost)) from lost
            except ModbusIOException as silent:
                self._noise()
                self.tap.timed_out()
                raise ModbusSilent(f"{self._where(function, address)}: no answer ({silent})") from silent
            except ModbusException as wrong:
                self._noise()
                raise ModbusFault(f"{self._where(function, address)}: {wrong}") from wrong
            except asyncio.CancelledError:
                self._noise()  # the reply to the cancelled request is still on its way
                raise
            self._noise_at = None
            self.tap.framed(1)
            return self._checked(function, address, reply)

    def _checked(self, function: int, address: int, reply: ModbusPDU) -> ModbusPDU:
        if reply.isError():
            code = getattr(reply, "exception_code", 0)
            raise ModbusFault(f"{self._where(function, address)}: exception code {code} {_meaning(code)}")
        if reply.function_code != function:
            self._noise()
            raise ModbusFault(f"{self._where(function, address)}: answered with {reply.function_code:02d}")
        return reply

    def _where(self, function: int, address: int) -> str:
        return f"{self.address} unit {self.unit} function {function:02d} address {address}"

    def _noise(self) -> None:
        if self._rtu:
            self._noise_at = asyncio.get_running_loop().time()

    def _packet(self, sending: bool, packet: bytes) -> bytes:
        if sending:
            self.tap.sent(self.channel, packet)
            return packet
        self.tap.heard(self.channel, packet[self._left :])
        asyncio.get_running_loop().call_soon(self._look_what_is_left)
        if self._noise_at is not None:
            self._noise()
        return packet

    def _look_what_is_left(self) -> None:
        self._left = 0 if self._client is None else len(self._client.ctx.recv_buffer)

    async def _quiet(self) -> None:
        """Waits until nothing was heard for ``quiet_s`` since the last time-out."""
        while self._noise_at is not None:
            loop = asyncio.get_running_loop()
            rest = self._noise_at + self._quiet_s - loop.time()
            await asyncio.sleep(max(rest, 0))
            await asyncio.sleep(SETTLE_S)
            if loop.time() >= self._noise_at + self._quiet_s:
                self._noise_at = None


def _meaning(code: int) -> str:
    try:
        return f"({ExcCodes(code).name.lower().replace('_', ' ')})"
    except ValueError:
        return "(unknown)"


def _maker(address: str) -> Any:
    """Factory of pymodbus clients for an address; raises AddressError at once, not at the first connect."""
    scheme = split(address).scheme
    common: dict[str, Any] = {"retries": 0, "reconnect_delay": 0, "reconnect_delay_max": 0}
    if scheme in {"tcp", "rtu+tcp"}:
        peer = tcp_peer(address, default_port=502)
        framer = FramerType.RTU if scheme == "rtu+tcp" else FramerType.SOCKET
        return lambda timeout, packet: AsyncModbusTcpClient(
            peer.host, port=peer.port, framer=framer, timeout=timeout, trace_packet=packet, **common
        )
    port = parse_address(address) if scheme == "serial" else None
    if not isinstance(port, SerialPort):
        raise AddressError(
            f"{address!r}: write tcp://HOST:502, serial:///dev/NAME?baud=9600 or rtu+tcp://HOST:PORT"
        )
    return lambda timeout, packet: AsyncModbusSerialClient(
        port.path,
        baudrate=port.baud,
        parity=port.parity,
        bytesize=port.data_bits,
        stopbits=port.stop_bits,
        timeout=timeout,
        trace_packet=packet,
        **common,
    )


class Tables:
    """The four tables of a served device; read and set at will while it serves.

    ``delay_s`` holds every answer back; ``fault`` (an exception code) is answered instead of values.
    """

    def __init__(self, *, coils: int = 16, inputs: int = 16, holdings: int = 16, registers: int = 16) -> None:
        self.coils = [False] * coils
        self.inputs = [False] * inputs
        self.holdings = [0] * holdings
        self.registers = [0] * registers
        self.delay_s = 0.0
        self.fault: int | None = None
        self.asked = 0

    def device(self, unit: int) -> SimDevice:
        """The tables as pymodbus serves them."""
        bits = [
            [SimData(0, values=_padded(table), datatype=DataType.BITS)] for table in (self.coils, self.inputs)
        ]
        words = [
            [SimData(0, values=table or [0], datatype=DataType.REGISTERS)]
            for table in (self.holdings, self.registers)
        ]
        return SimDevice(unit, simdata=(bits[0], bits[1], words[0], words[1]), action=self._act)

    async def _act(
        self,
        function: int,
        _start: int,
        address: int,
        _count: int,
        served: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.asked += 1
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.fault is not None:
            return ExcCodes(self.fault)
        if function in {READ_COILS, READ_INPUTS, WRITE_COIL, WRITE_COILS}:
            return self._bits(
                self.inputs if function == READ_INPUTS else self.coils, address, served, written
            )
        return self._words(
            self.registers if function == READ_REGISTERS else self.holdings, address, served, written
        )

    def _bits(
        self, table: list[bool], address: int, served: list[int], written: Sequence[int] | None
    ) -> ExcCodes | None:
        for offset, value in enumerate(written or ()):
            if address + offset >= len(table):
                return ExcCodes.ILLEGAL_ADDRESS
            table[address + offset] = bool(value)
        if address >= len(table):
            return ExcCodes.ILLEGAL_ADDRESS
        for word in range((len(table) + 15) // 16):
            served[word] = sum(on << bit for bit, on in enumerate(table[word * 16 : word * 16 + 16]))
        return None

    def _words(
        self, table: list[int], address: int, served: list[int], written: Sequence[int] | None
    ) -> ExcCodes | None:
        for offset, value in enumerate(written or ()):
            table[address + offset] = int(value)
        served[: len(table)] = table
        return None


def _padded(table: list[bool]) -> list[bool]:
    return table + [False] * (-len(table) % 16) or [False] * 16


class Served:
    """A running Modbus server over ``tables``; ``stop`` ends it."""

    def __init__(self, server: ModbusTcpServer | ModbusSerialServer) -> None:
        self._server = server

    @property
    def port(self) -> int:
        """TCP port it listens on."""
        listening: Any = self._server.transport
        return int(listening.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Closes the server and its connections."""
        await self._server.shutdown()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)


async def serve_tcp(tables: Tables, *, host: str = "127.0.0.1", port: int = 0, unit: int = 1) -> Served:
    """Serves the tables over Modbus TCP; port 0: a free one."""
    server = ModbusTcpServer(tables.device(unit), address=(host, port))
    await server.serve_forever(background=True)
    return Served(server)


async def serve_rtu(tables: Tables, address: str, *, unit: int = 1) -> Served:
    """Serves the tables over Modbus RTU on ``serial://…``."""
    port = parse_address(address)
    if not isinstance(port, SerialPort):
        raise AddressError(f"{address!r}: RTU is served on serial:///dev/NAME?baud=9600")
    server = ModbusSerialServer(
        tables.device(unit), port=port.path, baudrate=port.baud, parity=port.parity, stopbits=port.stop_bits
    )
    await server.serve_forever(background=True)
    return Served(server)

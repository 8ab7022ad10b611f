"""Registers in and out, Modbus TCP and RTU; the other side of it for tests and the virtual site.

The only file that imports pymodbus. Two of its habits are mended here:

- RTU has no transaction number. A reply that comes after its time-out is taken for the answer to the next
  request (measured: wrong in 3 of 3 retry settings). So after a time-out on RTU whatever arrives is discarded
  and the line stays silent for ``quiet_s`` after the last byte heard, whichever of its units is asked next
  (``firmware_bridge/bus.py``). No request is repeated by itself.
- It reconnects by itself with delays up to 300 s. That is switched off; the caller connects.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from firmware_bridge.bus import Bus, Member, ModbusFault, ModbusLost, ModbusSilent, bus_at
from firmware_bridge.link import AddressError, SerialPort, parse_address, split, tcp_peer
from firmware_bridge.tap import TAP

logging.getLogger("pymodbus").addHandler(logging.NullHandler())  # else it prints frames to stderr

READ_COILS, READ_INPUTS, READ_HOLDING, READ_REGISTERS = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_HOLDINGS = 5, 6, 15, 16
QUIET_S = 0.5  # s; the longest reply time seen on the benches we know of is below it


Fits: TypeAlias = Callable[[Any], str]  # what is wrong with an answer; empty: nothing


class ModbusClient:
    """One device (``unit``) behind ``tcp://``, ``serial://`` (RTU) or ``rtu+tcp://`` (RTU, serial server).

    Clients that name one RTU line share its connection. One request at a time, never repeated. Values are
    those of one reply, in the order of the addresses.
    """

    def __init__(
        self, address: str, *, unit: int = 1, timeout_s: float = 1.0, quiet_s: float = QUIET_S
    ) -> None:
        self.address = address
        self.unit = unit
        channel = f"modbus:{address}"
        self._member = Member(unit=unit, timeout_s=timeout_s, quiet_s=quiet_s, channel=channel)
        self._asking = asyncio.Lock()
        self._line = line_of(address)
        self._make = _maker(address)
        self._bus: Bus | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection is open as far as is known."""
        return self._bus is not None and self._member.here and self._bus.connected

    async def connect(self) -> None:
        """Joins the line, opening it unless others talk over it already; raises ModbusLost."""
        self._member.tap = TAP.get()
        if self._bus is None:
            self._bus = bus_at(*self._line) if self._line else Bus(self.address, None, rtu=False)
        await self._bus.join(self._member, self._open)
        self._member.tap.up(self._member.channel)

    async def _open(self, bus: Bus) -> Any:
        client = self._make(self._member.timeout_s, bus.packet)
        if not await client.connect():
            client.close()
            raise self._lost("no connection")
        return client

    def _lost(self, why: str) -> ModbusLost:
        self._member.tap.lost(self._member.channel, why)
        return ModbusLost(f"{self.address}: {why}")

    def close(self) -> None:
        """Leaves the line; the last one closes it."""
        if self._bus is not None:
            self._bus.leave(self._member)

    async def bits(self, function: int, address: int, count: int) -> list[bool]:
        """Coils (01) or discrete inputs (02); raises ModbusError."""
        read = {READ_COILS: "read_coils", READ_INPUTS: "read_discrete_inputs"}[function]
        reply = await self._ask(function, address, read, _has("bits", (count + 7) // 8 * 8), count=count)
        return list(reply.bits[:count])

    async def registers(self, function: int, address: int, count: int) -> list[int]:
        """Holding (03) or input registers (04); raises ModbusError."""
        read = {READ_HOLDING: "read_holding_registers", READ_REGISTERS: "read_input_registers"}[function]
        reply = await self._ask(function, address, read, _has("registers", count), count=count)
        return list(reply.registers)

    async def write_coil(self, address: int, on: bool) -> None:
        """Function 05; raises ModbusError."""
        await self._ask(WRITE_COIL, address, "write_coil", _echoes(address, bits=[on]), value=on)

    async def write_register(self, address: int, value: int) -> None:
        """Function 06; raises ModbusError."""
        fits = _echoes(address, registers=[value])
        await self._ask(WRITE_REGISTER, address, "write_register", fits, value=value)

    async def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Function 15; raises ModbusError."""
        fits = _echoes(address, count=len(values))
        await self._ask(WRITE_COILS, address, "write_coils", fits, values=list(values))

    async def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Function 16; raises ModbusError."""
        fits = _echoes(address, count=len(values))
        await self._ask(WRITE_HOLDINGS, address, "write_registers", fits, values=list(values))

    async def _ask(self, function: int, address: int, method: str, fits: Fits, **what: Any) -> Any:
        bus, member = self._bus, self._member
        if bus is None:
            raise self._lost("not connected")

        async def request(client: Any) -> ModbusPDU:
            if client is None:
                raise self._lost("not connected")
            client.ctx.comm_params.timeout_connect = member.timeout_s  # the units of a line differ
            cancelled = _cancellations()
            try:
                reply: ModbusPDU = await getattr(client, method)(address, device_id=self.unit, **what)
                if _cancellations() > cancelled:  # wait_for forgets one that comes together with the reply
                    raise asyncio.CancelledError
            except ConnectionException as lost:
                raise self._lost(str(lost)) from lost
            except ModbusIOException as silent:
                bus.unheard(member)
                member.tap.timed_out()
                raise ModbusSilent(f"{self._where(function, address)}: no answer ({silent})") from silent
            except ModbusException as wrong:
                bus.noise(member)
                raise ModbusFault(f"{self._where(function, address)}: {wrong}") from wrong
            except asyncio.CancelledError:
                bus.noise(member)  # the reply to the cancelled request is still on its way
                raise
            bus.heard(self.unit)
            member.tap.framed(1)
            return self._checked(function, address, reply, fits)

        async with self._asking:
            return await bus.ask(member, request)

    def _checked(self, function: int, address: int, reply: ModbusPDU, fits: Fits) -> ModbusPDU:
        """The reply; one to another request is a fault, and the line has to be quiet before the next."""
        if reply.function_code == function | 0x80:
            code = getattr(reply, "exception_code", 0)
            raise ModbusFault(f"{self._where(function, address)}: exception code {code} {_meaning(code)}")
        same = reply.function_code == function
        wrong = fits(reply) if same else f"answered with {reply.function_code:02d}"
        if wrong:
            assert self._bus is not None
            self._bus.noise(self._member)
            raise ModbusFault(f"{self._where(function, address)}: {wrong}")
        return reply

    def _where(self, function: int, address: int) -> str:
        return f"{self.address} unit {self.unit} function {function:02d} address {address}"


def _has(what: str, count: int) -> Fits:
    """The answer holds as many values as were asked."""

    def fits(reply: Any) -> str:
        got = len(getattr(reply, what))
        return "" if got == count else f"{got} {what}, {count} were asked"

    return fits


def _echoes(address: int, **values: object) -> Fits:
    """The answer to a write repeats what was written where."""

    def fits(reply: Any) -> str:
        told = {"address": reply.address, **{name: getattr(reply, name) for name in values}}
        wanted = {"address": address, **values}
        return "" if told == wanted else f"answered {told}, not {wanted}"

    return fits


def line_of(address: str) -> tuple[str, object] | None:
    """(name, settings) of the RTU line that an address means, None for Modbus TCP; raises AddressError."""
    if split(address).scheme == "rtu+tcp":
        peer = tcp_peer(address, default_port=502)
        return f"rtu+{peer}", None
    if split(address).scheme != "serial":
        return None
    port = parse_address(address)
    return str(port), port


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


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


async def serve_rtu(tables: Tables | Mapping[int, Tables], address: str, *, unit: int = 1) -> Served:
    """Serves one unit's tables, or those of several, over Modbus RTU on ``serial://…``."""
    port = parse_address(address)
    if not isinstance(port, SerialPort):
        raise AddressError(f"{address!r}: RTU is served on serial:///dev/NAME?baud=9600")
    units = {unit: tables} if isinstance(tables, Tables) else tables
    server = ModbusSerialServer(
        [each.device(number) for number, each in units.items()],
        port=port.path,
        baudrate=port.baud,
        parity=port.parity,
        stopbits=port.stop_bits,
    )
    await server.serve_forever(background=True)
    return Served(server)

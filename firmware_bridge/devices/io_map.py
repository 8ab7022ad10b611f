"""The map of a Modbus I/O module as a site file gives it: which address is which sensor, light or barrier."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from firmware_bridge.devices.register_map import Bit, Limits, Place, Register, Table, Words

Name = Annotated[str, Meta(min_length=1, max_length=80)]
Millis = Annotated[int, Meta(ge=0, le=5000)]


class Input(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One sensor and where its level is read. ``invert``: the contact opens when occupied.

    ``counter``: register in which the module counts this input's edges; of a 32-bit counter its low word.
    """

    station: Name
    sensor: Name
    input: Register
    table: Table = "discrete"
    bit: Bit | None = None
    invert: bool = False
    debounce_on_ms: Millis | None = None
    debounce_off_ms: Millis | None = None
    latch_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0
    counter: Register | None = None
    counter_table: Words = "input"

    def __post_init__(self) -> None:
        _must_have_bit(f"{self.station}/{self.sensor}", self.table, self.bit)
        if self.counter is not None and not self.latch_ms:
            raise ValueError(f"{self.sensor}: counter needs latch_ms: how long the lane sees a counted pulse")

    @property
    def place(self) -> Place:
        return Place(self.table, self.input, self.bit)


class ReadBack(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the level of an output is read, when that is not where it is written."""

    table: Table
    address: Register
    bit: Bit | None = None
    invert: bool = False

    def __post_init__(self) -> None:
        _must_have_bit("read", self.table, self.bit)

    @property
    def place(self) -> Place:
        return Place(self.table, self.address, self.bit)


class Output(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One light or barrier: a coil, a bit of a holding register, or a whole register with two values.

    ``pulse_ms``: the contact only closes so long to switch on; to switch off the ``off_`` contact does.
    """

    station: Name
    actuator: Name
    coil: Register | None = None
    register: Register | None = None
    bit: Bit | None = None
    function: Literal[5, 6, 15, 16] | None = None
    on_value: Register = 1
    off_value: Register = 0
    invert: bool = False
    read: ReadBack | None = None
    pulse_ms: Annotated[int, Meta(ge=0, le=5000)] = 0
    off_coil: Register | None = None
    off_register: Register | None = None
    off_bit: Bit | None = None

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ValueError(f"{self.station}/{self.actuator}: {problem}")

    def _problems(self) -> list[str]:
        wrong = [_point_problem("", self.coil, self.register, self.bit)]
        if self.function is not None and (self.function in (5, 15)) != (self.coil is not None):
            wrong.append("function 5 or 15 writes a coil, 6 or 16 a register")
        if self.on_value == self.off_value:
            wrong.append("on_value and off_value are the same")
        off = (self.off_coil, self.off_register, self.off_bit)
        if self.pulse_ms:
            wrong.append(_point_problem("off_", *off))
            wrong.append("invert and read are not for pulses" if self.invert or self.read else "")
            wrong.append("a pulse on and a pulse off need two contacts" if self.on == self.off else "")
        elif off != (None, None, None):
            wrong.append("an off_ contact needs pulse_ms")
        return [problem for problem in wrong if problem]

    @property
    def on(self) -> Place:
        """Where it is switched; of a pulsed one where it is switched on."""
        return _place(self.coil, self.register, self.bit)

    @property
    def off(self) -> Place:
        """Where a pulsed one is switched off."""
        return _place(self.off_coil, self.off_register, self.off_bit)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address, unit and the map of a module. ``debounce_ms``: how long a level must hold to count."""

    address: str
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    rate_hz: Annotated[float, Meta(ge=1, le=100)] = 20.0
    debounce_ms: Millis = 100
    max_bits: Annotated[int, Meta(ge=1, le=2000)] = 2000
    max_registers: Annotated[int, Meta(ge=1, le=125)] = 125
    max_gap: Annotated[int, Meta(ge=0, le=2000)] = 2000
    exact: bool = False
    coil_block: Annotated[int, Meta(ge=1, le=1968)] = 1
    read_back: bool = True
    read_back_why: Annotated[str, Meta(max_length=400)] = ""
    timeout_ms: Annotated[int, Meta(ge=20, le=10_000)] = 1000
    quiet_ms: Annotated[int, Meta(ge=500, le=10_000)] = 500
    simulated: bool = False

    def __post_init__(self) -> None:
        if self.read_back == bool(self.read_back_why.strip()):
            raise ValueError("read_back = false and read_back_why go together: why can it not be read back?")
        for sensor in self.inputs:
            on_ms = self.debounce_ms if sensor.debounce_on_ms is None else sensor.debounce_on_ms
            least = on_ms + 1000 / self.rate_hz
            if 0 < sensor.latch_ms < least:
                raise ValueError(
                    f"{sensor.station}/{sensor.sensor}: latch_ms = {sensor.latch_ms} would never be told: "
                    f"make it at least {least:g}, debounce_on_ms and one poll"
                )

    @property
    def limits(self) -> Limits:
        """How its reads are cut."""
        gap = 0 if self.exact else self.max_gap
        return Limits(bits=self.max_bits, registers=self.max_registers, gap=gap)


def _place(coil: int | None, register: int | None, bit: int | None) -> Place:
    return Place("holding", register or 0, bit) if coil is None else Place("coil", coil)


def _point_problem(prefix: str, coil: int | None, register: int | None, bit: int | None) -> str:
    if (coil is None) == (register is None):
        return f"name either {prefix}coil or {prefix}register"
    return f"{prefix}bit is for a register" if coil is not None and bit is not None else ""


def _must_have_bit(where: str, table: Table, bit: int | None) -> None:
    if (table in ("input", "holding")) != (bit is not None):
        raise ValueError(f"{where}: bit (0–15) goes with the tables input and holding, and only with them")

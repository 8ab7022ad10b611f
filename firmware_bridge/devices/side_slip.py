"""Side-slip plate behind Modbus registers: peak value, pass counter, status; the map is configured.

No maker's register map is public (domain facts 7.5 know only a JX frame, F1), so nothing is assumed but
this: the peak is a signed 16-bit number in 0.1 m/km, the counter advances with each vehicle that has
passed, and the block that holds them is read at once, so that the peak belongs to the counter.
"""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from firmware_bridge.devices import modbus_meter
from firmware_bridge.devices.register_map import LONGEST_REGISTERS, Register
from lanes.record import SideslipMeasured

RHYTHM_S = modbus_meter.RHYTHM_S


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address, register map, limits. ``arm``: holding register that is set to 1 before a measurement."""

    address: str
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    table: Literal["input", "holding"] = "input"
    peak: Register = 0
    counter: Register = 1
    status: Register = 2
    status_ok: tuple[int, ...] = (0,)
    arm: Register | None = None
    outward_positive: bool = True
    range_m_per_km: Annotated[int, Meta(ge=5, le=100)] = 20
    wait_s: Annotated[float, Meta(ge=0.5, le=300)] = 60.0
    every_ms: Annotated[int, Meta(ge=20, le=2000)] = 100
    timeout_ms: Annotated[int, Meta(ge=20, le=10_000)] = 1000
    quiet_ms: Annotated[int, Meta(ge=500, le=10_000)] = 500
    simulated: bool = False

    def __post_init__(self) -> None:
        named = (self.peak, self.counter, self.status)
        apart = max(named) - min(named) + 1
        if apart > LONGEST_REGISTERS:
            raise ValueError(
                f"peak, counter and status lie {apart} registers apart, at most {LONGEST_REGISTERS}"
            )


def as_meter(config: Config) -> modbus_meter.Config:
    """The same plate as a meter's map."""
    reach = Decimal(config.range_m_per_km)
    peak = modbus_meter.Value(
        quantity="slip_m_per_km",
        register=config.peak,
        type="i16",
        scale=Decimal("0.1" if config.outward_positive else "-0.1"),
        least=-reach,
        most=reach,
    )
    return modbus_meter.Config(
        address=config.address,
        unit=config.unit,
        table=config.table,
        values=(peak,),
        counter=config.counter,
        status=config.status,
        status_ok=config.status_ok,
        trigger=config.arm,
        wait_s=config.wait_s,
        every_ms=config.every_ms,
        timeout_ms=config.timeout_ms,
        quiet_ms=config.quiet_ms,
        simulated=config.simulated,
    )


class SideSlip(modbus_meter.ModbusMeter):
    """One plate."""

    nothing = "no vehicle passed"

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, as_meter(config))

    async def measure(self, lane: str, station: str, item: str, axle: int) -> SideslipMeasured:
        """The peak of the next vehicle that passes; raises MeasureError."""
        body = await super().measure(lane, station, item, axle)
        assert isinstance(body, SideslipMeasured)
        return body

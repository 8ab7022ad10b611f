"""Weighbridge (Z1): any indicator of indicators.py under the whole vehicle.

It is listened to all the time: a weighing is worth nothing when the empty bridge did not show zero before the
vehicle came on, and after a lost link or a restart nobody knows what it showed.
"""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from firmware_bridge.device import MeasureError
from firmware_bridge.devices import indicators
from firmware_bridge.devices.indicators import Reading, Toledo
from firmware_bridge.devices.scale import Indicator, Rest, settled, unfit
from lanes.record import KerbMassMeasured


class Config(Rest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Line and indicator; how far from zero the empty bridge may show; what is at rest."""

    address: str
    indicator: indicators.Name
    toledo: Toledo = Toledo()
    zero_kg: Annotated[int, Meta(ge=0, le=200)] = 10
    capacity_kg: Annotated[int, Meta(ge=100, le=199_999)] = 60_000
    min_kg: Annotated[int, Meta(ge=20, le=5000)] = 100
    stable_kg: Annotated[int, Meta(ge=0, le=200)] = 10
    simulated: bool = False


class Weighbridge(Indicator):
    """One bridge."""

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(
            name, config.address, config, config.indicator, config.toledo, simulated=config.simulated
        )
        self._config = config
        self._light: list[Decimal] = []  # the last weights in a row that no vehicle has
        self._empty: Decimal | None = None  # what it last showed at rest without a vehicle

    def overhear(self, frame: Reading) -> None:
        """Keeps what the empty bridge shows."""
        if unfit(frame, self.rest) is not None or frame.kg >= self.rest.min_kg:
            self._light = []
            return
        self._light = [*self._light[1 - self.rest.stable_readings :], frame.kg]
        if settled(self._light, self.rest.stable_readings, self.rest.stable_kg):
            self._empty = frame.kg

    def cut_off(self) -> None:
        """What the bridge shows meanwhile is not known."""
        self._light, self._empty = [], None

    async def measure(self, lane: str, station: str, item: str, axle: int) -> KerbMassMeasured:
        """The vehicle's mass once at rest; raises MeasureError."""
        mass = await self.settle()
        self._must_have_been_zero()
        return KerbMassMeasured(lane=lane, station=station, device=self.name, item=item, mass_kg=mass)

    def _must_have_been_zero(self) -> None:
        again = "drive off, set it to zero, drive on again"
        if self._empty is None:
            raise MeasureError(f"{self.name}: nobody saw the empty bridge at zero; {again}")
        if abs(self._empty) > self._config.zero_kg:
            raise MeasureError(f"{self.name}: the empty bridge showed {self._empty} kg; {again}")

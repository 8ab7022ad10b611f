"""Scales: any indicator under the left and the right wheel, or under the one wheel of an axle.

What an indicator says of itself is obeyed: a weight in motion, over capacity or net is no weight, and the
wait for rest begins anew. Rest is ``stable_readings`` weights in a row within ``stable_kg``.
"""

import asyncio
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from firmware_bridge.device import Health, MeasureError, Said, Tell
from firmware_bridge.devices import indicators
from firmware_bridge.devices.indicators import Reading, Toledo
from firmware_bridge.devices.instrument import SerialInstrument
from lanes.record import AxleWeighed

SPEAKS_S = 2.0  # s; an indicator sends several frames a second (M)
WORST_FIRST = ("lost", "faulty", "silent", "ok")


class Rest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as a weight at rest; ``net``: also one that an indicator calls net."""

    capacity_kg: Annotated[int, Meta(ge=100, le=99_999)] = 10_000
    min_kg: Annotated[int, Meta(ge=0, le=1000)] = 50
    stable_kg: Annotated[int, Meta(ge=0, le=200)] = 3
    stable_readings: Annotated[int, Meta(ge=2, le=100)] = 8
    wait_s: Annotated[float, Meta(ge=0.5, le=120)] = 20.0
    net: bool = False


class Config(Rest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The lines of ``left`` and ``right``, or that of one ``platform``, and what speaks there."""

    indicator: indicators.Name
    left: str = ""
    right: str = ""
    platform: str = ""
    toledo: Toledo = Toledo()
    simulated: bool = False

    def __post_init__(self) -> None:
        given = (bool(self.left), bool(self.right), bool(self.platform))
        if given not in ((True, True, False), (False, False, True)):
            raise ValueError("give left and right, or platform alone")


def settled(weights: list[Decimal], count: int, within_kg: int) -> bool:
    """Whether the last ``count`` weights lie within ``within_kg``."""
    last = weights[-count:]
    return len(last) == count and max(last) - min(last) <= within_kg


def unfit(reading: Reading, rest: Rest) -> str | None:
    """Why a reading is no weight, or None."""
    if reading.over:
        return "over capacity"
    if reading.motion:
        return "in motion"
    return "net: clear the tare" if reading.net and not rest.net else None


class Indicator(SerialInstrument[Reading]):
    """One indicator; it speaks unasked."""

    def __init__(
        self,
        name: str,
        address: str,
        config: Rest,
        speaks: indicators.Name,
        toledo: Toledo,
        *,
        simulated: bool,
    ) -> None:
        super().__init__(name, address, indicators.deframer(speaks, toledo), simulated=simulated)
        self.rest = config

    async def settle(self) -> Decimal:
        """Weight once at rest; raises MeasureError."""
        async with self._lock:
            self.forget()
            weights: list[Decimal] = []
            deadline = asyncio.get_running_loop().time() + self.rest.wait_s
            while True:
                reading = (await self.next(SPEAKS_S, "weigh")).frame
                why = unfit(reading, self.rest)
                weights = [*weights[1 - self.rest.stable_readings :], reading.kg] if why is None else []
                if reading.kg >= self.rest.min_kg and settled(
                    weights, self.rest.stable_readings, self.rest.stable_kg
                ):
                    return self._carried(reading.kg)
                if asyncio.get_running_loop().time() > deadline:
                    last = f"last {reading.kg} kg" + (f", {why}" if why else "")
                    raise MeasureError(f"{self.name}: not at rest within {self.rest.wait_s:g} s ({last})")

    async def now(self) -> Decimal:
        """The next weight it tells; raises MeasureError."""
        async with self._lock:
            self.forget()
            reading = (await self.next(SPEAKS_S, "weigh")).frame
        why = unfit(reading, self.rest)
        if why is not None:
            raise MeasureError(f"{self.name}: {reading.kg} kg is {why}; measure again")
        return reading.kg

    def _carried(self, kg: Decimal) -> Decimal:
        if kg > self.rest.capacity_kg:
            raise MeasureError(f"{self.name}: {kg} kg is beyond {self.rest.capacity_kg} kg")
        return kg


class Scale:
    """One or two indicators that weigh an axle."""

    def __init__(self, name: str, config: Config) -> None:
        self.name = name
        self._stable_kg = config.stable_kg
        lines = (
            {name: config.platform}
            if config.platform
            else {f"{name}-left": config.left, f"{name}-right": config.right}
        )
        self._indicators = [
            Indicator(each, line, config, config.indicator, config.toledo, simulated=config.simulated)
            for each, line in lines.items()
        ]
        self.source = f"virtual+serial://{name}" if config.simulated else f"serial://{name}"

    async def run(self, tell: Tell) -> None:
        """Keeps the lines; the health told is that of the worst one."""
        states: dict[str, Health] = {}
        told = ""

        def side(of: Indicator) -> Tell:
            async def hear(said: Said) -> None:
                nonlocal told
                if isinstance(said, Health):
                    states[of.name] = Health(
                        state=said.state, why=f"{of.name}: {said.why}" if said.why else ""
                    )
                worst = min(states.values(), key=lambda health: WORST_FIRST.index(health.state))
                if worst.state != told and (len(states) == len(self._indicators) or worst.state != "ok"):
                    told = worst.state
                    await tell(worst)

            return hear

        async with asyncio.TaskGroup() as tasks:
            for each in self._indicators:
                tasks.create_task(each.run(side(each)))

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AxleWeighed:
        """The weights once all are at rest; raises MeasureError. One platform bears one wheel, left."""
        weights = await asyncio.gather(*(each.settle() for each in self._indicators), return_exceptions=True)
        kilograms: list[Decimal] = []
        for weight in weights:
            if isinstance(weight, BaseException):
                raise weight
            kilograms.append(weight)
        for indicator, weight in zip(self._indicators, kilograms, strict=True):
            await self._still(indicator, weight)
        left, *rest = kilograms
        return AxleWeighed(
            lane=lane,
            station=station,
            device=self.name,
            axle=axle,
            left_kg=left,
            right_kg=rest[0] if rest else Decimal(0),
            wheels=2 if rest else 1,
        )

    async def _still(self, indicator: Indicator, weight: Decimal) -> None:
        """Raises MeasureError when a side has moved since: it may carry another axle now."""
        last = await indicator.now()
        if abs(last - weight) > self._stable_kg:
            raise MeasureError(
                f"{indicator.name}: {last} kg after {weight} kg at rest: the axle moved; measure again"
            )

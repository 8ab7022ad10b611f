"""For every quantity: readings of a vehicle out of which exactly a wanted value is worked."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from lanes.checklist import CheckItem, Checklist
from lanes.evidence import Evidence
from lanes.limits import Axle, Bench, Limits
from lanes.readings import Readings
from lanes.record import (
    AxleWeighed,
    BrakeCurve,
    BrakeMeasured,
    Finding,
    HeadlampMeasured,
    Instrumental,
    KerbMassMeasured,
    Load,
    OutlineMeasured,
    RoadParked,
    RoadTested,
    SideslipMeasured,
    SpeedometerMeasured,
    Tread,
    TyresMeasured,
    place_of,
)
from lanes.roadtest import initial_kmh
from lanes.rulebook import Rulebook
from lanes.vehicle import Vehicle
from lanes.weight import wheels_of
from tests.lanes_parts import ON, curve, rulebook

PLACE = {"lane": "1", "station": "s", "device": "d"}
GRAVITY = Decimal("9.8")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Of which vehicle, at which business, where and how a value is measured."""

    vehicle: Vehicle
    business: str
    axle: Axle | None = None
    bench: Bench = "roller"
    load: Load = "unladen"

    @property
    def number(self) -> int:
        return 2 if self.axle == "rear" else 1


def finding_of(quantity: str, value: Decimal, asked: Asked, limits: Limits | None = None) -> Finding:
    """What the judging path makes of readings out of which ``value`` is worked; by other limits if given."""
    rules = rulebook() if limits is None else replace(rulebook(), limits=limits)
    evidence = Evidence(vehicle=asked.vehicle, business=asked.business, **_builder(quantity)(value, asked))
    [finding] = [
        each for each in judged(evidence, rules) if each.quantity == quantity and _is_asked(each, asked)
    ]
    return finding


def judged(evidence: Evidence, rules: Rulebook | None = None) -> list[Finding]:
    """All findings, with every axle on the checklist."""
    codes = [*(f"B{n}" for n in range(1, evidence.vehicle.axles + 1)), "B0"]
    items = tuple(
        CheckItem(item=code, kind="instrument", required=True, zh=code, en=code, confidence="M")
        for code in codes
    )
    wanted = Checklist(business=evidence.business, on=ON, items=items, shots=())
    return list(Readings(evidence, rules or rulebook(), ON).findings(wanted))


def _is_asked(finding: Finding, asked: Asked) -> bool:
    return asked.axle is None or finding.item[0] not in "BL" or finding.item[1:] == str(asked.number)


def _builder(quantity: str) -> Callable[[Decimal, Asked], dict[str, Any]]:
    for ending, builder in BUILDERS.items():
        if quantity.endswith(ending):
            return lambda value, asked: builder(quantity, value, asked)
    raise LookupError(quantity)


# ---- brakes --------------------------------------------------------------------------------------


def braked(axle: int, asked: Asked, left: int, right: int, **changes: Any) -> BrakeMeasured:
    item = f"{'L' if asked.load == 'laden' else 'B'}{axle}"
    one = wheels_of(asked.vehicle, axle) == 1 and axle <= asked.vehicle.axles
    fields: dict[str, Any] = {
        **PLACE,
        "item": item,
        "axle": axle,
        "bench": asked.bench,
        "load": asked.load,
        "wheels": 1 if one else 2,
        "left_max_dan": left,
        "right_max_dan": 0 if one else right,
        "curve": curve(left, 0 if one else right),
    }
    return BrakeMeasured(**{**fields, **changes})


def loaded(axle: int, asked: Asked, kg: Decimal) -> AxleWeighed:
    """An axle's weighing, the same under each of its wheels."""
    one = wheels_of(asked.vehicle, axle) == 1 and axle <= asked.vehicle.axles
    left, right = (kg, Decimal(0)) if one else (kg / 2, kg / 2)
    return AxleWeighed(
        lane="1", station="s", device="d", axle=axle, left_kg=left, right_kg=right, wheels=1 if one else 2
    )


def _load_for(dan: int, pct: Decimal) -> Decimal:
    """The load, kg, of which a force is this share of its weight."""
    return Decimal(dan * 1000) / (GRAVITY * pct)


def _axle_rate(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    body = braked(asked.number, asked, 300, 300)
    dan = body.left_max_dan + body.right_max_dan
    kg = _load_for(dan, value)
    if asked.load == "laden":
        body = braked(asked.number, asked, 300, 300, left_load_kg=kg / 2, right_load_kg=kg / 2)
    return {"brakes": {body.item: (1, body)}, "weights": {asked.number: (2, loaded(asked.number, asked, kg))}}


def _imbalance(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    body = braked(asked.number, asked, 10_000, 10_000 - int(value * 100))
    return {
        "brakes": {body.item: (1, body)},
        "weights": {asked.number: (2, loaded(asked.number, asked, Decimal(10_000)))},
    }


def _imbalance_of_load(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    body = braked(asked.number, asked, 800, 0)
    kg = _load_for(800, value)
    return {"brakes": {body.item: (1, body)}, "weights": {asked.number: (2, loaded(asked.number, asked, kg))}}


def _drag(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    body = braked(2, asked, 300, 300, left_drag_dan=100, right_drag_dan=0)
    return {"brakes": {"B2": (1, body)}, "weights": {2: (2, loaded(2, asked, _load_for(100, value) * 2))}}


def _whole(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    axles = range(1, asked.vehicle.axles + (2 if quantity == "train_rate" else 1))
    bodies = [braked(n, asked, 300, 300, coupled=quantity == "train_rate") for n in axles]
    dan = sum(body.left_max_dan + body.right_max_dan for body in bodies)
    kg = _load_for(dan, value) / len(bodies)
    return {
        "brakes": {body.item: (n, body) for n, body in enumerate(bodies)},
        "weights": {n: (10 + n, loaded(n, asked, kg)) for n in axles},
    }


def _parking(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    body = braked(2, asked, 300, 300, item="B0")
    kg = _load_for(600, value) / asked.vehicle.axles
    axles = range(1, asked.vehicle.axles + 1)
    return {"brakes": {"B0": (1, body)}, "weights": {n: (n, loaded(n, asked, kg)) for n in axles}}


def _coordination(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    """On the road; of a vehicle alone also on the bench, by a curve of one sample a millisecond."""
    if asked.axle is None:
        return _road(quantity, value, asked)
    ready = 100 + int(value * 1000)
    side = (*(0 for _ in range(ready)), 300, 300)
    drawn = BrakeCurve(interval_ms=1, left_dan=side, right_dan=side)
    body = braked(asked.number, asked, 300, 300, curve=drawn, pedal_ms=100)
    kg = Decimal(600)
    return {"brakes": {body.item: (1, body)}, "weights": {asked.number: (2, loaded(asked.number, asked, kg))}}


# ---- other instruments ---------------------------------------------------------------------------


def _one(body: Instrumental) -> dict[str, Any]:
    return {"measured": {place_of(body): (1, body)}}


def lamp(item: str = "H1", **changes: Any) -> HeadlampMeasured:
    return HeadlampMeasured(**{**PLACE, "item": item, "lamp_height_mm": 700, **changes})


def _intensity(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    return _one(lamp(main_intensity_cd=int(value)))


def _intensity_sum(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    lamps = {"one": ("H1",), "two": ("H1", "H4"), "four": ("H1", "H2", "H3", "H4")}[asked.vehicle.lamps]
    shares = [
        int(value) // len(lamps) + (int(value) % len(lamps) if n == 0 else 0) for n in range(len(lamps))
    ]
    bodies = [lamp(item, main_intensity_cd=cd) for item, cd in zip(lamps, shares, strict=True)]
    return {"measured": {body.item: (n, body) for n, body in enumerate(bodies)}}


def _dipped(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    if quantity == "dipped_horizontal":
        return _one(lamp(main_intensity_cd=20_000, dipped_horizontal_mm_per_10m=int(value)))
    height = 1001 if quantity.endswith("high") else 1000
    return _one(lamp(dipped_vertical_mm_per_10m=int(value), lamp_height_mm=height))


def _speed(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    indicated = Decimal(quantity.removeprefix("speed_at_"))
    return _one(SpeedometerMeasured(**PLACE, item="S1", indicated_kmh=indicated, actual_kmh=value))


def _slip(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    return {"sideslip": (1, SideslipMeasured(**PLACE, item="A1", slip_m_per_km=value))}


def outlined(**changes: Any) -> OutlineMeasured:
    return OutlineMeasured(
        **{**PLACE, "item": "M1", "length_mm": 1900, "width_mm": 700, "height_mm": 1000, **changes}
    )


def _size(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    return _one(outlined(**{f"{quantity}_mm": int(value)}))


def _deviation(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    field = f"{quantity.removesuffix('_deviation')}_mm"
    return _one(outlined(**{field: getattr(asked.vehicle, field) + int(value)}))


def _train_length(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    return _one(outlined(length_mm=int(value), coupled=quantity.removesuffix("_train_length")))


def _kerb(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    return _one(KerbMassMeasured(**PLACE, item="Z1", mass_kg=asked.vehicle.kerb_mass_kg + value))


def stop(vehicle: Vehicle, **changes: Any) -> RoadTested:
    speed = initial_kmh(vehicle, changes.get("brake", "service"))
    fields = {**PLACE, "item": "R1", "initial_kmh": Decimal(speed), "mfdd_m_per_s2": Decimal("6.5")}
    return RoadTested(**{**fields, **changes})


def _road(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    changes: dict[str, Any] = {"load": asked.load}
    if quantity.startswith("train_"):
        changes["coupled"] = True
    if quantity.startswith("emergency_"):
        changes["brake"] = "emergency"
    match quantity.removeprefix("train_").removeprefix("emergency_"):
        case "mfdd":
            changes["mfdd_m_per_s2"] = value
        case "braking_distance":
            changes |= {"judged_by": "distance", "distance_m": value}
        case "coordination_time":
            changes["coordination_ms"] = int(value * 1000)
        case "foot_force" | "hand_force" as control:
            changes |= {"control": control[:4], "control_force_n": int(value)}
        case "channel":
            changes["left_channel"] = value > 3
    return _one(stop(asked.vehicle, **changes))


def _hold(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    return _one(RoadParked(**PLACE, item="R2", slope_pct=Decimal(20), uphill_s=int(value), downhill_s=300))


Wheel = Literal["left", "right", "left_inner", "right_inner"]


def tread(axle: int, wheel: Wheel, depth: Decimal) -> Tread:
    return Tread(axle=axle, wheel=wheel, depth_mm=depth)


def _tread(quantity: str, value: Decimal, asked: Asked) -> dict[str, Any]:
    axle = 1 if quantity == "tread_steering" else 2
    treads = (
        tread(axle, "left", value),
        tread(axle, "right", Decimal(8)),
        tread(3 - axle, "left", Decimal(9)),
    )
    return _one(TyresMeasured(**PLACE, item="08", treads=treads))


#: the first ending that fits
BUILDERS: dict[str, Callable[[str, Decimal, Asked], dict[str, Any]]] = {
    "axle_rate": _axle_rate,
    "imbalance": _imbalance,
    "imbalance_of_load": _imbalance_of_load,
    "drag_rate": _drag,
    "whole_rate": _whole,
    "train_rate": _whole,
    "parking_rate": _parking,
    "coordination_time": _coordination,
    "intensity_sum": _intensity_sum,
    "intensity": _intensity,
    "dipped_vertical": _dipped,
    "dipped_vertical_high": _dipped,
    "dipped_horizontal": _dipped,
    "speed_at_40": _speed,
    "speed_at_30": _speed,
    "sideslip": _slip,
    "train_length": _train_length,
    "length": _size,
    "width": _size,
    "height": _size,
    "kerb_mass_deviation": _kerb,
    "_deviation": _deviation,
    "mfdd": _road,
    "braking_distance": _road,
    "_force": _road,
    "channel": _road,
    "parking_hold": _hold,
    "tread_steering": _tread,
    "tread_other": _tread,
}

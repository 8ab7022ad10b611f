"""Every shipped limit at its bound, one unit inside, one unit outside; and proof that this notices changes.

The bounds are written here a second time, from the standard, on purpose.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from lanes.limits import Axle, Bench, Limit, Limits
from lanes.quantity import rounded
from lanes.record import Load
from lanes.scope import RuleError, resolved
from lanes.vehicle import Vehicle
from tests.lanes_parts import ON, car, rulebook
from tests.limit_parts import Asked, finding_of

CONDITIONS = {"registration": "new", "periodic": "in_use"}
NEW, IN_USE = ("registration",), ("periodic",)
BENCHES: tuple[Bench, ...] = ("roller", "plate")
BOTH: tuple[Axle, ...] = ("front", "rear")
RIGID_AXLE = car(steer_suspension="dependent")

# one class for each beginning of a code that a row may name
CARS = ("K31", "K43")
BUSES = ("K11", "K21", "D11")
ARTICULATED = ("K14", "K24")
TRUCKS, LIGHT_TRUCKS, SLOW_TRUCKS = ("H11", "H27"), ("H31", "H41"), ("H51",)
TRACTORS, LIGHT_TRACTORS = ("Q11", "Q21"), ("Q31",)
SPECIAL, LIGHT_SPECIAL = ("Z11", "Z21", "Z51"), ("Z31", "Z41", "Z71")
GOODS = (*TRUCKS, *LIGHT_TRUCKS, *SLOW_TRUCKS, *TRACTORS, *LIGHT_TRACTORS)
WORKING = (*GOODS, *SPECIAL, *LIGHT_SPECIAL)
HEAVY = (*BUSES, *WORKING)
MOTOR = (*CARS, *HEAVY)
SEMI, FULL = ("B11", "B21", "B31"), ("G11", "G21", "G31")
TRAILERS = (*SEMI, *FULL)
HEAVY_TRAILERS, LIGHT_TRAILERS = ("B11", "B21", "G11", "G21"), ("B31", "G31")
MOTORCYCLES, MOPEDS = ("M11", "M13", "M14", "M15", "M21"), ("M12", "M22")
TRICYCLES, THREE = ("M11", "M12", "M13", "M14"), ("N11",)
UPRIGHT = ("M11", "M13", "M14")  # tricycles that are no mopeds
TO_3500, FROM_3501 = {"gross_mass_kg": 3500}, {"gross_mass_kg": 3501}


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One bound, written down a second time, and the cases it is for."""

    quantity: str
    low: str | None = None
    high: str | None = None
    or_pct: str | None = None
    places: int = 1
    whole: bool = False  # readings of this quantity are whole numbers
    classes: tuple[str, ...]
    businesses: tuple[str, ...] = ("registration", "periodic")
    axles: tuple[Axle | None, ...] = (None,)
    benches: tuple[Bench, ...] = BENCHES
    loads: tuple[Load, ...] = ("unladen",)
    vehicle: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        parts = [self.quantity, self.low, self.high, *self.classes[:2], *self.businesses[:1], *self.axles]
        return "-".join(
            str(part) for part in (*parts, *self.benches[:1], *self.loads[:1], *self.vehicle.values())
        )

    def cases(self) -> Iterator[Asked]:
        for code in self.classes:
            vehicle = car(**{**BASIS, "vehicle_class": code, **self.vehicle})
            for business in self.businesses:
                for axle in self.axles:
                    for bench in self.benches:
                        for load in self.loads:
                            yield Asked(vehicle=vehicle, business=business, axle=axle, bench=bench, load=load)

    def values(self) -> tuple[list[Decimal], list[Decimal]]:
        """What just keeps the bound and what just breaks it: at it, a unit off, around half a unit off."""
        keep, fail = list[Decimal](), list[Decimal]()
        for bound, outward in ((self.low, -1), (self.high, 1)):
            if bound is None:
                continue
            at, unit = Decimal(bound), Decimal(outward).scaleb(-self.places)
            keep += [at, at - unit]
            fail += [at + unit]
            if not self.whole:
                even = at.scaleb(self.places) % 2 == 0  # a tie at half a unit goes to the even digit
                keep += [at + unit * Decimal("0.4"), *([at + unit / 2] if even else [])]
                fail += [at + unit * Decimal("0.6"), *([] if even else [at + unit / 2])]
        return keep, fail


#: a vehicle that none of the narrower rows is for, unless an edge changes it
BASIS: dict[str, Any] = {
    "gross_mass_kg": 18_000,
    "kerb_mass_kg": 9_000,
    "length_mm": 9_000,
    "width_mm": 2_000,
    "height_mm": 3_000,
    "side_board_mm": 600,
}


def ints(**fields: Any) -> Edge:
    return Edge(**{"places": 0, "whole": True, **fields})


EDGES = (
    # axle rate
    Edge(quantity="axle_rate", low="60.0", axles=("front",), classes=MOTOR),
    Edge(quantity="axle_rate", low="60.0", axles=("front",), classes=HEAVY, vehicle=TO_3500),
    Edge(quantity="axle_rate", low="20.0", axles=("rear",), classes=CARS),
    Edge(quantity="axle_rate", low="20.0", axles=("rear",), classes=HEAVY, vehicle=TO_3500),
    Edge(
        quantity="axle_rate",
        low="40.0",
        axles=("rear",),
        classes=BUSES,
        benches=("roller",),
        vehicle=FROM_3501,
    ),
    Edge(
        quantity="axle_rate",
        low="30.0",
        axles=("rear",),
        classes=BUSES,
        benches=("plate",),
        vehicle=FROM_3501,
    ),
    Edge(
        quantity="axle_rate",
        low="50.0",
        axles=("rear",),
        classes=WORKING,
        benches=("roller",),
        vehicle=FROM_3501,
    ),
    Edge(
        quantity="axle_rate",
        low="35.0",
        axles=("rear",),
        classes=WORKING,
        benches=("plate",),
        vehicle=FROM_3501,
    ),
    Edge(quantity="axle_rate", low="55.0", axles=BOTH, classes=TRAILERS),
    Edge(quantity="axle_rate", low="60.0", axles=("front",), classes=(*MOTORCYCLES, *MOPEDS)),
    Edge(quantity="axle_rate", low="55.0", axles=("rear",), classes=MOTORCYCLES),
    Edge(quantity="axle_rate", low="50.0", axles=("rear",), classes=MOPEDS),
    Edge(quantity="axle_rate", low="60.0", axles=("rear",), classes=THREE),
    Edge(quantity="axle_rate", low="50.0", axles=BOTH, classes=HEAVY, loads=("laden",)),
    Edge(quantity="axle_rate", low="45.0", axles=BOTH, classes=TRAILERS, loads=("laden",)),
    # whole vehicle, combination
    Edge(quantity="whole_rate", low="60.0", classes=MOTOR),
    Edge(quantity="whole_rate", low="55.0", classes=(*ARTICULATED, *TRAILERS)),
    Edge(
        quantity="whole_rate",
        low="50.0",
        classes=(*SPECIAL, *LIGHT_SPECIAL),
        vehicle={"kerb_mass_kg": 15_000},
    ),
    Edge(quantity="whole_rate", low="60.0", classes=SPECIAL, vehicle={"kerb_mass_kg": 14_999}),
    Edge(quantity="train_rate", low="55.0", classes=(*TRACTORS, *TRUCKS)),
    # imbalance
    Edge(quantity="imbalance", high="20.0", axles=("front",), businesses=NEW, classes=MOTOR),
    Edge(quantity="imbalance", high="24.0", axles=("front",), businesses=IN_USE, classes=MOTOR),
    Edge(
        quantity="imbalance",
        high="24.0",
        axles=("rear",),
        businesses=NEW,
        classes=(*MOTOR, *THREE, *TRICYCLES),
    ),
    Edge(
        quantity="imbalance",
        high="30.0",
        axles=("rear",),
        businesses=IN_USE,
        classes=(*MOTOR, *THREE, *TRICYCLES),
    ),
    Edge(quantity="imbalance", high="24.0", axles=BOTH, businesses=NEW, classes=TRAILERS),
    Edge(quantity="imbalance", high="30.0", axles=BOTH, businesses=IN_USE, classes=TRAILERS),
    Edge(quantity="imbalance_of_load", high="8.0", axles=BOTH, businesses=NEW, classes=(*MOTOR, *TRAILERS)),
    Edge(
        quantity="imbalance_of_load", high="10.0", axles=BOTH, businesses=IN_USE, classes=(*MOTOR, *TRAILERS)
    ),
    Edge(
        quantity="imbalance_of_load",
        high="8.0",
        axles=("rear",),
        businesses=NEW,
        classes=(*THREE, *TRICYCLES),
    ),
    Edge(
        quantity="imbalance_of_load",
        high="10.0",
        axles=("rear",),
        businesses=IN_USE,
        classes=(*THREE, *TRICYCLES),
    ),
    # drag, parking, co-ordination time
    Edge(quantity="drag_rate", high="10.0", axles=("rear",), classes=(*MOTOR, *TRAILERS, *THREE)),
    Edge(quantity="parking_rate", low="20.0", classes=(*MOTOR, *TRAILERS, *THREE, *TRICYCLES)),
    Edge(
        quantity="parking_rate",
        low="20.0",
        classes=CARS,
        vehicle={"gross_mass_kg": 1680, "kerb_mass_kg": 1400},
    ),
    Edge(
        quantity="parking_rate",
        low="15.0",
        classes=(*MOTOR, *TRAILERS, *THREE, *TRICYCLES),
        vehicle={"gross_mass_kg": 1679, "kerb_mass_kg": 1400},
    ),
    Edge(quantity="coordination_time", high="0.35", places=2, axles=(None, *BOTH), classes=MOTOR),
    Edge(
        quantity="coordination_time",
        high="0.60",
        places=2,
        axles=(None, *BOTH),
        classes=MOTOR,
        vehicle={"service_brake": "air"},
    ),
    Edge(quantity="coordination_time", high="0.80", places=2, axles=(None, *BOTH), classes=ARTICULATED),
    Edge(
        quantity="coordination_time",
        high="0.80",
        places=2,
        axles=(None, *BOTH),
        classes=ARTICULATED,
        vehicle={"service_brake": "air"},
    ),
    Edge(quantity="train_coordination_time", high="0.80", places=2, classes=(*TRACTORS, *TRUCKS)),
    # side-slip, speedometer
    Edge(
        quantity="sideslip", low="-5.0", high="5.0", classes=MOTOR, vehicle={"steer_suspension": "dependent"}
    ),
    Edge(quantity="speed_at_40", low="32.8", high="40.0", classes=(*MOTOR, *MOTORCYCLES)),
    Edge(quantity="speed_at_30", low="23.6", high="30.0", classes=(*MOPEDS, *THREE)),
    # headlamps
    ints(quantity="main_intensity", low="18000", classes=MOTOR, businesses=NEW),
    ints(quantity="main_intensity", low="15000", classes=MOTOR, businesses=IN_USE),
    ints(quantity="main_intensity", low="15000", classes=MOTOR, businesses=NEW, vehicle={"lamps": "four"}),
    ints(quantity="main_intensity", low="12000", classes=MOTOR, businesses=IN_USE, vehicle={"lamps": "four"}),
    ints(quantity="main_intensity", low="8000", classes=MOTOR, businesses=NEW, vehicle={"top_speed_kmh": 69}),
    ints(
        quantity="main_intensity", low="6000", classes=MOTOR, businesses=IN_USE, vehicle={"top_speed_kmh": 69}
    ),
    ints(
        quantity="main_intensity", low="18000", classes=MOTOR, businesses=NEW, vehicle={"top_speed_kmh": 70}
    ),
    ints(
        quantity="main_intensity",
        low="15000",
        classes=MOTOR,
        businesses=IN_USE,
        vehicle={"top_speed_kmh": 70},
    ),
    ints(
        quantity="main_intensity", low="10000", classes=MOTORCYCLES, businesses=NEW, vehicle={"lamps": "one"}
    ),
    ints(
        quantity="main_intensity",
        low="8000",
        classes=MOTORCYCLES,
        businesses=IN_USE,
        vehicle={"lamps": "one"},
    ),
    ints(quantity="main_intensity", low="8000", classes=MOTORCYCLES, businesses=NEW),
    ints(quantity="main_intensity", low="6000", classes=MOTORCYCLES, businesses=IN_USE),
    ints(quantity="main_intensity", low="4000", classes=MOPEDS, businesses=NEW, vehicle={"lamps": "one"}),
    ints(quantity="main_intensity", low="3000", classes=MOPEDS, businesses=IN_USE, vehicle={"lamps": "one"}),
    ints(quantity="main_intensity", low="3000", classes=MOPEDS, businesses=NEW),
    ints(quantity="main_intensity", low="2500", classes=MOPEDS, businesses=IN_USE),
    ints(quantity="main_intensity", low="8000", classes=THREE, businesses=NEW, vehicle={"lamps": "one"}),
    ints(quantity="main_intensity", low="6000", classes=THREE, businesses=IN_USE, vehicle={"lamps": "one"}),
    ints(quantity="main_intensity", low="6000", classes=THREE, businesses=NEW),
    ints(quantity="main_intensity", low="5000", classes=THREE, businesses=IN_USE),
    ints(quantity="main_intensity_sum", high="430000", classes=("K31", "H11", "M15")),
    ints(quantity="main_intensity_sum", high="430000", classes=("K31",), vehicle={"lamps": "four"}),
    ints(quantity="dipped_vertical", low="-300", high="-50", classes=MOTOR),
    ints(quantity="dipped_vertical_high", low="-350", high="-100", classes=MOTOR),
    ints(quantity="dipped_horizontal", low="-170", high="350", classes=MOTOR),
    # outline; a share of the papers is enough for large vehicles, the millimetres for small ones
    *(
        edge
        for side in ("length", "width", "height")
        for edge in (
            ints(
                quantity=f"{side}_deviation",
                low="-50",
                high="50",
                or_pct="1",
                businesses=NEW,
                classes=(*MOTOR, *TRAILERS),
            ),
            ints(
                quantity=f"{side}_deviation",
                low="-50",
                high="50",
                or_pct="3",
                businesses=NEW,
                classes=(*MOTORCYCLES, *MOPEDS, *THREE),
            ),
            ints(
                quantity=f"{side}_deviation",
                low="-150",
                high="150",
                or_pct="3",
                businesses=IN_USE,
                classes=(*TRUCKS, *SPECIAL, *LIGHT_SPECIAL, *HEAVY_TRAILERS),
            ),
        )
    ),
    ints(quantity="side_board_deviation", low="-50", high="50", or_pct="2", classes=(*WORKING, *TRAILERS)),
    ints(quantity="length", high="13750", classes=SEMI),
    ints(
        quantity="length",
        high="12000",
        classes=(*FULL, *CARS, *TRUCKS, *LIGHT_TRUCKS, *TRACTORS, *LIGHT_TRACTORS, *SPECIAL, *LIGHT_SPECIAL),
    ),
    ints(quantity="length", high="13700", classes=BUSES),
    ints(quantity="length", high="18000", classes=ARTICULATED),
    ints(quantity="width", high="2550", classes=(*CARS, *BUSES, *TRUCKS, *TRACTORS, *SPECIAL, *TRAILERS)),
    ints(quantity="height", high="4000", classes=(*CARS, *BUSES, *TRUCKS, *TRACTORS, *SPECIAL, *TRAILERS)),
    *(
        ints(quantity=side, high=str(most), classes=classes)
        for classes, sizes in (
            (SLOW_TRUCKS, (6000, 2000, 2500)),
            (THREE, (4600, 1600, 2000)),
            (("M21",), (2500, 1000, 1400)),
            (("M15",), (2700, 1750, 1400)),
            (UPRIGHT, (3500, 1500, 2000)),
            (("M22",), (2000, 800, 1100)),
            (("M12",), (2000, 1000, 1100)),
        )
        for side, most in zip(("length", "width", "height"), sizes, strict=True)
    ),
    ints(quantity="semi_trailer_train_length", high="17100", classes=TRACTORS),
    ints(quantity="full_trailer_train_length", high="20000", classes=TRUCKS),
    ints(quantity="centre_axle_trailer_train_length", high="22000", classes=TRUCKS),
    # kerb mass
    Edge(
        quantity="kerb_mass_deviation",
        places=0,
        low="-500",
        high="500",
        or_pct="3",
        businesses=NEW,
        classes=(*TRUCKS, *TRACTORS, *SPECIAL, *HEAVY_TRAILERS),
    ),
    Edge(
        quantity="kerb_mass_deviation",
        places=0,
        low="-100",
        high="100",
        or_pct="3",
        businesses=NEW,
        classes=(*LIGHT_TRUCKS, *SLOW_TRUCKS, *LIGHT_TRACTORS, *LIGHT_SPECIAL, *LIGHT_TRAILERS),
    ),
    Edge(
        quantity="kerb_mass_deviation",
        places=0,
        low="-100",
        high="100",
        or_pct="5",
        businesses=NEW,
        classes=THREE,
    ),
    Edge(quantity="kerb_mass_deviation", places=0, low="-10", high="10", businesses=NEW, classes=TRICYCLES),
    # road test: laden, unladen
    *(
        edge
        for classes, vehicle, decelerations, distances in (
            (CARS, {}, ("5.9", "6.2"), ("20.0", "19.0")),
            (
                (*BUSES, *TRUCKS, *LIGHT_TRUCKS, *TRACTORS, *SPECIAL),
                TO_3500,
                ("5.4", "5.8"),
                ("22.0", "21.0"),
            ),
            (SLOW_TRUCKS, TO_3500, ("5.2", "5.6"), ("9.0", "8.0")),
            (HEAVY, FROM_3501, ("5.0", "5.4"), ("10.0", "9.0")),
            (ARTICULATED, FROM_3501, ("4.5", "5.0"), ("10.5", "9.5")),
        )
        for load, slowest, farthest in zip(("laden", "unladen"), decelerations, distances, strict=True)
        for edge in (
            Edge(quantity="mfdd", low=slowest, classes=classes, loads=(load,), vehicle=vehicle),
            Edge(quantity="braking_distance", high=farthest, classes=classes, loads=(load,), vehicle=vehicle),
        )
    ),
    Edge(quantity="mfdd", low="3.8", classes=THREE, loads=("laden", "unladen")),
    Edge(quantity="train_mfdd", low="4.5", classes=TRACTORS, loads=("laden",)),
    Edge(quantity="train_mfdd", low="5.0", classes=TRACTORS),
    Edge(quantity="train_braking_distance", high="10.5", classes=TRACTORS, loads=("laden",)),
    Edge(quantity="train_braking_distance", high="9.5", classes=TRACTORS),
    Edge(quantity="braking_distance", high="5.0", classes=THREE),
    Edge(quantity="braking_distance", high="7.0", classes=("M21",)),
    Edge(quantity="braking_distance", high="8.0", classes=("M15",)),
    Edge(quantity="braking_distance", high="7.5", classes=UPRIGHT),
    Edge(quantity="braking_distance", high="4.0", classes=MOPEDS),
    Edge(quantity="emergency_mfdd", low="2.9", classes=CARS),
    Edge(quantity="emergency_mfdd", low="2.5", classes=BUSES),
    Edge(quantity="emergency_mfdd", low="2.2", classes=WORKING),
    Edge(quantity="emergency_braking_distance", high="38.0", classes=CARS),
    Edge(quantity="emergency_braking_distance", high="18.0", classes=BUSES),
    Edge(quantity="emergency_braking_distance", high="20.0", classes=WORKING),
    ints(quantity="foot_force", high="500", classes=CARS, loads=("laden",)),
    ints(quantity="foot_force", high="400", classes=CARS),
    ints(quantity="foot_force", high="700", classes=HEAVY, loads=("laden",)),
    ints(quantity="foot_force", high="450", classes=HEAVY),
    ints(quantity="foot_force", high="400", classes=("M15", "M21", *MOPEDS)),
    ints(quantity="foot_force", high="600", classes=(*THREE, *UPRIGHT)),
    ints(quantity="hand_force", high="250", classes=("M15", "M21", *MOPEDS)),
    ints(quantity="emergency_foot_force", high="500", classes=CARS),
    ints(quantity="emergency_foot_force", high="700", classes=HEAVY),
    ints(quantity="emergency_hand_force", high="400", classes=CARS),
    ints(quantity="emergency_hand_force", high="600", classes=HEAVY),
    ints(quantity="parking_hold", low="120", classes=(*MOTOR, *TRAILERS, *THREE, *TRICYCLES)),
    # tyres
    Edge(quantity="tread_steering", low="1.6", classes=(*CARS, *TRAILERS)),
    Edge(quantity="tread_steering", low="3.2", classes=(*HEAVY, *THREE)),
    Edge(quantity="tread_other", low="1.6", classes=(*MOTOR, *TRAILERS, *THREE)),
    Edge(quantity="tread_steering", low="0.8", classes=(*MOTORCYCLES, *MOPEDS)),
    Edge(quantity="tread_other", low="0.8", classes=(*MOTORCYCLES, *MOPEDS)),
)
#: width of the channel that a stopping vehicle may not leave, seen and not measured
CHANNELS = (
    Edge(quantity="channel", high="2.5", classes=(*CARS, *THREE, "M15")),
    Edge(quantity="channel", high="2.5", classes=HEAVY, vehicle=TO_3500),
    Edge(quantity="channel", high="3.0", classes=HEAVY, vehicle=FROM_3501),
    Edge(quantity="channel", high="2.3", classes=UPRIGHT),
    Edge(quantity="train_channel", high="3.0", classes=TRACTORS),
)
#: what nothing is asked of: classes, quantities
UNASKED = (
    (("M21", "M22"), ("imbalance", "imbalance_of_load", "parking_rate", "whole_rate")),
    (MOTORCYCLES, ("speed_at_30", "sideslip", "dipped_vertical", "drag_rate")),
    (MOPEDS, ("speed_at_40", "sideslip", "mfdd", "drag_rate", "coordination_time")),
    (TRAILERS, ("sideslip", "speed_at_40", "main_intensity", "mfdd", "coordination_time", "channel")),
    (THREE, ("speed_at_40", "sideslip", "whole_rate")),
    (CARS, ("kerb_mass_deviation", "side_board_deviation")),
    (TRACTORS, ("speed_at_30",)),
    (
        ("T11", "J11", "D12", "X99"),
        ("axle_rate", "whole_rate", "imbalance", "mfdd", "main_intensity", "tread_other"),
    ),
)


NO_HELP = Decimal(100)  # a deviation of so many % of the papers keeps no tolerance


def broken(limits: Limits, edges: tuple[Edge, ...] = (*EDGES, *CHANNELS)) -> Iterator[str]:
    """Every statement of the boundary table that these limits do not keep."""
    for edge in edges:
        keep, fail = edge.values()
        for asked in edge.cases():
            limit = limits.find(
                edge.quantity,
                asked.vehicle,
                asked.business,
                ON,
                axle=asked.axle,
                bench=asked.bench,
                load=asked.load,
            )
            if limit is None:
                yield f"{edge.name}: no limit for {asked}"
                continue
            yield from (f"{edge.name}: {v} must keep it" for v in keep if not limit.holds(v, NO_HELP))
            yield from (f"{edge.name}: {v} must break it" for v in fail if limit.holds(v, NO_HELP))
            yield from (f"{edge.name}: {why}" for why in _wrong_share(limit, edge))


def _wrong_share(limit: Limit, edge: Edge) -> Iterator[str]:
    """A share at its bound is enough, beyond it is not; without one no share helps."""
    far = Decimal(10**6)
    if edge.or_pct is None:
        if limit.holds(far, Decimal(0)) and edge.high is not None:
            yield "a share must not help"
        return
    at = Decimal(edge.or_pct)
    if not (limit.holds(far, at) and limit.holds(-far, -at)):
        yield f"{at} % must be enough"
    if limit.holds(far, at + Decimal("0.1")) or limit.holds(-far, -at - Decimal("0.1")):
        yield f"more than {at} % must not be enough"


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_at_the_bound_one_unit_inside_one_unit_outside(edge: Edge) -> None:
    assert list(broken(rulebook().limits, (edge,))) == []


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: edge.name)
def test_readings_at_the_bound_are_judged_by_it(edge: Edge) -> None:
    """The same through the judging path: from readings to the finding, with its row shown."""
    keep, fail = edge.values()
    for asked in edge.cases():
        small = asked.vehicle if edge.or_pct is None else msgspec.structs.replace(asked.vehicle, **SMALL)
        asked = Asked(
            vehicle=small, business=asked.business, axle=asked.axle, bench=asked.bench, load=asked.load
        )
        for value, result in (*((v, "pass") for v in keep), *((v, "fail") for v in fail)):
            if edge.quantity in QUOTIENTS and (value * 2).scaleb(edge.places) % 2 == 1:
                continue  # no reading gives exactly this tie
            finding = finding_of(edge.quantity, value, asked)
            assert (finding.result, finding.value) == (result, str(rounded(value, edge.places))), (
                asked,
                finding,
            )
            assert finding.limit and finding.clause and finding.limit_source and finding.confidence
            assert finding.effective_from == date(2021, 1, 1)
            assert (
                finding.arithmetic.endswith(f"{finding.value} {finding.unit}")
                or edge.or_pct
                or "%" in finding.arithmetic
            )


#: the readings that give a wanted value of these are rounded quotients themselves
QUOTIENTS = ("axle_rate", "imbalance_of_load", "drag_rate", "whole_rate", "train_rate", "parking_rate")
#: papers so small that a deviation in mm or kg is always the larger tolerance
SMALL = {"length_mm": 1000, "width_mm": 1000, "height_mm": 1000, "side_board_mm": 600, "kerb_mass_kg": 1000}


@pytest.mark.parametrize("edge", [edge for edge in EDGES if edge.or_pct], ids=lambda edge: edge.name)
def test_of_two_tolerances_one_is_enough(edge: Edge) -> None:
    """For a large vehicle the share of the papers: 1 % of 20 m are 200 mm."""
    papers = 20_000
    large = dict.fromkeys(SMALL, papers)
    most = Decimal(edge.or_pct or 0) * papers / 100
    for asked in edge.cases():
        vehicle = msgspec.structs.replace(asked.vehicle, **large)
        case = Asked(vehicle=vehicle, business=asked.business)
        for off, result in ((most, "pass"), (most + papers // 1000, "fail")):
            for value in (off, -off):
                finding = finding_of(edge.quantity, value, case)
                assert finding.result == result, finding
                assert f"({rounded(value * 100 / papers, 1)} %)" in finding.arithmetic


@pytest.mark.parametrize("edge", CHANNELS, ids=lambda edge: edge.name)
def test_a_vehicle_that_leaves_its_channel_fails(edge: Edge) -> None:
    for asked in edge.cases():
        stayed, left = (finding_of(edge.quantity, Decimal(metres), asked) for metres in (0, 9))
        assert (stayed.result, stayed.value) == ("pass", "stayed in the channel")
        assert (left.result, left.value) == ("fail", "left the channel")
        assert stayed.limit == left.limit == f"≤ {Decimal(edge.high or 0).normalize()} m"


@pytest.mark.parametrize(("classes", "quantities"), UNASKED)
def test_what_no_rule_asks_of_a_class(classes: tuple[str, ...], quantities: tuple[str, ...]) -> None:
    for code in classes:
        vehicle = car(vehicle_class=code, steer_suspension="dependent")
        for quantity in quantities:
            for business in CONDITIONS:
                limits = [
                    rulebook().limits.find(quantity, vehicle, business, ON, axle=axle, bench="roller")
                    for axle in BOTH
                ]
                assert limits == [None, None], (code, quantity)


class Strict(Limit, frozen=True, kw_only=True):
    """A limit whose ≥ became >, whose ≤ became <."""

    def holds(self, value: Decimal, share_pct: Decimal | None = None) -> bool:
        edges = (self.value, self.value_to, -self.value if self.bound == "within" else None)
        return super().holds(value, share_pct) and rounded(value, self.places) not in edges


class Unrounded(Limit, frozen=True, kw_only=True):
    """A limit that forgets to round."""

    def holds(self, value: Decimal, share_pct: Decimal | None = None) -> bool:
        exact = Limit(**{**msgspec.structs.asdict(self), "places": 6})
        return exact.holds(value, share_pct)


OTHER: dict[str, dict[str, str]] = {
    "axle": {"front": "rear", "rear": "front"},
    "condition": {"new": "in_use", "in_use": "new"},
    "bench": {"roller": "plate", "plate": "roller"},
    "load": {"laden": "unladen", "unladen": "laden"},
    "lamps": {"one": "two", "two": "four", "four": "one"},
    "service_brake": {"hydraulic": "air", "air": "hydraulic"},
    "steer_suspension": {"dependent": "independent"},
}
WHOLE_NUMBERS = {edge.quantity for edge in EDGES if edge.whole}


def mutants(row: Limit) -> Iterator[tuple[str, Limit | None]]:
    """What a slip of a hand or a refactoring could make of one row; None: the row is gone."""
    fields = msgspec.structs.asdict(row)
    change = msgspec.structs.replace
    unit = Decimal(1).scaleb(-row.places)
    yield "strict", Strict(**fields)
    yield "gone", None
    yield "value up", change(row, value=row.value + unit)
    yield "value down", change(row, value=row.value - unit)
    if row.quantity not in WHOLE_NUMBERS:
        yield "unrounded", Unrounded(**fields)
        yield (
            "no decimals" if row.places else "ten",
            change(row, places=0) if row.places else change(row, places=1),
        )
        yield "a decimal more", change(row, places=row.places + 1)
    yield "not yet in force", change(row, effective_from=date(2026, 11, 23))
    yield "no longer in force", change(row, effective_to=date(2026, 11, 21))
    yield "another class", change(row, classes=("T",))
    for prefix in row.classes:
        yield f"without {prefix}", change(row, classes=tuple({*row.classes} - {prefix}) or ("T",))
    if row.bound in ("ge", "le"):
        yield "turned", change(row, bound="le" if row.bound == "ge" else "ge")
    if row.value_to is not None:
        yield "upper up", change(row, value_to=row.value_to + unit)
        yield "upper down", change(row, value_to=row.value_to - unit)
    if row.or_pct is not None:
        yield "no share", change(row, or_pct=None)
        yield "share up", change(row, or_pct=row.or_pct + Decimal("0.1"))
        yield "share down", change(row, or_pct=row.or_pct - Decimal("0.1"))
    for column, others in OTHER.items():
        value = getattr(row, column)
        if value is not None and (column, row.over) != ("bench", "dynamic"):
            yield f"other {column}", change(row, **{column: others[value]})
    if row.mass_ratio_below is not None:
        yield "inclusive ratio", change(row, mass_ratio_below=None, mass_ratio_to=row.mass_ratio_below)
        yield "smaller ratio", change(row, mass_ratio_below=Decimal("1.19"))
    if row.mass_ratio_to is not None:
        yield "exclusive ratio", change(row, mass_ratio_to=None, mass_ratio_below=row.mass_ratio_to)
        yield "larger ratio", change(row, mass_ratio_to=row.mass_ratio_to + Decimal("0.0001"))
    for column in ("gross_mass_from_kg", "gross_mass_to_kg", "speed_to_kmh"):
        value = getattr(row, column)
        if value is not None:
            yield f"{column} up", change(row, **{column: value + 1})
            yield f"{column} down", change(row, **{column: value - 1})


def _may_survive(row: Limit, how: str) -> bool:
    """Where a row only says which load to divide by, its sibling with the same bound stands in for it."""
    gone = ("gone", "another", "other", "without", "not yet", "no longer", "gross_mass")
    return row.over == "dynamic" and how.startswith(gone)


def test_the_unchanged_limits_keep_the_whole_table() -> None:
    assert list(broken(rulebook().limits)) == []


@pytest.mark.parametrize("number", range(len(rulebook().limits.rows)))
def test_no_mutant_of_a_limit_survives_the_table(number: int) -> None:
    rows = rulebook().limits.rows
    row = rows[number]
    siblings = [other for other in rows if other.quantity == row.quantity and other is not row]
    edges = tuple(edge for edge in (*EDGES, *CHANNELS) if edge.quantity == row.quantity)
    survivors = []
    for how, mutant in mutants(row):
        try:
            limits = Limits([*siblings, *([] if mutant is None else [mutant])], CONDITIONS)  # type: ignore[arg-type]
        except (RuleError, ValueError):
            continue  # two rows for one vehicle: refused at load, which is as good
        if next(broken(limits, edges), None) is None and not _may_survive(row, how):
            survivors.append(how)
    assert survivors == [], row


def test_every_row_stands_in_the_table() -> None:
    used = {
        limit
        for edge in (*EDGES, *CHANNELS)
        for asked in edge.cases()
        if (
            limit := rulebook().limits.find(
                edge.quantity,
                asked.vehicle,
                asked.business,
                ON,
                axle=asked.axle,
                bench=asked.bench,
                load=asked.load,
            )
        )
    }
    assert used == set(rulebook().limits.rows)


def test_sideslip_has_no_limit_with_independent_suspension() -> None:
    assert rulebook().limits.find("sideslip", car(), "periodic", ON) is None


@pytest.mark.parametrize(
    ("on", "there"), [(date(2020, 12, 31), False), (date(2021, 1, 1), True), (date(2099, 1, 1), True)]
)
def test_limits_begin_on_their_day(on: date, there: bool) -> None:
    assert (rulebook().limits.find("whole_rate", car(), "periodic", on) is not None) is there


def test_texts_of_limits() -> None:
    find = rulebook().limits.find
    texts = {
        limit.text
        for limit in (
            find("whole_rate", car(), "periodic", ON),
            find("drag_rate", car(), "periodic", ON),
            find("sideslip", RIGID_AXLE, "periodic", ON),
        )
        if limit is not None
    }
    assert texts == {"≥ 60 %", "≤ 10 %", "-5…5 m/km"}


# ---- rows of other classes are only more rows ----------------------------------------------------


def row(value: int, **changes: Any) -> Limit:
    fields: dict[str, Any] = {
        "quantity": "axle_rate",
        "bound": "ge",
        "value": Decimal(value),
        "unit": "%",
        "places": 1,
        "clause": "GB 7258-2017",
        "source": "MFC",
        "confidence": "F",
    }
    return Limit(**{**fields, **changes})


def found(rows: list[Limit], vehicle: Vehicle, **asked: Any) -> Decimal | None:
    limit = Limits(rows, CONDITIONS).find("axle_rate", vehicle, "periodic", ON, **asked)  # type: ignore[arg-type]
    return None if limit is None else limit.value


@pytest.mark.parametrize("quantity", ["axle_rate", "imbalance", "whole_rate", "train_rate", "parking_rate"])
@pytest.mark.parametrize("bench", BENCHES)
def test_a_limit_of_one_bench_judges_what_that_bench_measured(quantity: str, bench: Bench) -> None:
    limits = Limits([row(1, quantity=quantity, bench=bench)], CONDITIONS)  # type: ignore[arg-type]
    for used in BENCHES:
        asked = Asked(vehicle=car(), business="periodic", bench=used)
        result = finding_of(quantity, Decimal(50), asked, limits).result
        assert result == ("pass" if used == bench else "not_applicable")


@pytest.mark.parametrize(
    "quantity", ["axle_rate", "whole_rate", "parking_rate", "main_intensity_sum", "sideslip", "height"]
)
def test_what_is_measured_without_a_load_is_judged_by_the_limits_for_unladen(quantity: str) -> None:
    for load, result in (("unladen", "pass"), ("laden", "not_applicable")):
        limits = Limits([row(1, quantity=quantity, load=load)], CONDITIONS)  # type: ignore[arg-type]
        asked = Asked(vehicle=car(), business="periodic")
        assert finding_of(quantity, Decimal(15), asked, limits).result == result


def test_goods_vehicles_by_axle_and_bench() -> None:
    goods = [
        row(60, classes=("H",), axle="front"),
        row(50, classes=("H",), axle="rear"),
        row(35, classes=("H",), axle="rear", bench="plate", gross_mass_from_kg=3501),
        row(20, classes=("H",), axle="rear", gross_mass_to_kg=3500),
    ]
    heavy, light = (car(vehicle_class="H11", gross_mass_kg=kg, kerb_mass_kg=3000) for kg in (3501, 3500))
    assert found(goods, heavy, axle="rear", bench="roller") == 50
    assert found(goods, heavy, axle="rear", bench="plate") == 35
    assert found(goods, light, axle="rear", bench="roller") == 20
    assert found(goods, light, axle="rear", bench="plate") == 20
    assert found(goods, heavy, axle="front", bench="plate") == 60
    assert found(goods, car(), axle="front") is None


@pytest.mark.parametrize(
    ("narrow", "fits", "fits_not"),
    [
        ({"classes": ("K33",)}, {"vehicle_class": "K33"}, {"vehicle_class": "K31"}),
        ({"uses": ("N", "D")}, {"use": "D"}, {"use": "A"}),
        ({"made_from": date(2018, 1, 1)}, {"made_on": date(2018, 1, 1)}, {"made_on": date(2017, 12, 31)}),
        ({"made_to": date(2018, 1, 1)}, {"made_on": date(2018, 1, 1)}, {"made_on": date(2018, 1, 2)}),
        ({"gross_mass_from_kg": 3501}, {"gross_mass_kg": 3501}, {"gross_mass_kg": 3500}),
        ({"gross_mass_to_kg": 3500}, {"gross_mass_kg": 3500}, {"gross_mass_kg": 3501}),
        ({"mass_ratio_to": Decimal("1.2")}, {"gross_mass_kg": 1680}, {"gross_mass_kg": 1681}),
        ({"mass_ratio_below": Decimal("1.2")}, {"gross_mass_kg": 1679}, {"gross_mass_kg": 1680}),
        ({"steer_suspension": "dependent"}, {"steer_suspension": "dependent"}, {}),
        ({"businesses": ("periodic",), "uses": ("D",)}, {"use": "D"}, {}),
    ],
)
def test_the_narrower_row_wins_where_it_fits(
    narrow: dict[str, Any], fits: dict[str, Any], fits_not: dict[str, Any]
) -> None:
    for rows in ([row(1), row(2, **narrow)], [row(2, **narrow), row(1)]):
        assert found(rows, car(**fits)) == 2
        assert found(rows, car(**fits_not)) == 1


def test_a_later_edition_supersedes_from_its_day() -> None:
    limits = Limits([row(1), row(2, effective_from=ON)], CONDITIONS)  # type: ignore[arg-type]
    before = limits.find("axle_rate", car(), "periodic", date(2026, 11, 21))
    after = limits.find("axle_rate", car(), "periodic", ON)
    assert before is not None and after is not None
    assert (before.value, after.value) == (1, 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"classes": ("K",)}, {"uses": ("A",)}),
        ({"classes": ("K3", "H")}, {"classes": ("K33", "M")}),
        ({"gross_mass_to_kg": 3500}, {"gross_mass_from_kg": 3500}),
        ({"gross_mass_from_kg": 3500}, {"gross_mass_to_kg": 3500}),
        ({"effective_to": date(2027, 1, 1)}, {"effective_from": ON}),
        ({"mass_ratio_below": Decimal("1.2")}, {"made_from": ON}),
    ],
)
def test_two_rows_for_one_vehicle_are_refused_at_load(one: dict[str, Any], other: dict[str, Any]) -> None:
    with pytest.raises(RuleError, match=r"limits\.toml, limit, axle_rate: row 1 and row 2 can both be"):
        Limits([row(1, **one), row(2, **other)], CONDITIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"classes": ("K",)}, {"classes": ("H",)}),
        ({"axle": "front"}, {"axle": "rear"}),
        ({"gross_mass_to_kg": 3500}, {"gross_mass_from_kg": 3501}),
        ({"effective_to": date(2026, 11, 21)}, {"effective_from": ON}),
        ({"made_to": date(2017, 12, 31)}, {"made_from": date(2018, 1, 1)}),
        ({"uses": ("A",)}, {"uses": ("B",)}),
    ],
)
def test_rows_that_never_meet_stand_side_by_side(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert len(Limits([row(1, **one), row(2, **other)], CONDITIONS).rows) == 2  # type: ignore[arg-type]


def test_first_and_last_day_and_single_mass_are_inside() -> None:
    on_that_day = row(1, effective_from=ON, effective_to=ON)
    assert found([on_that_day], car()) == 1
    assert found([row(1, effective_to=date(2026, 11, 21))], car()) is None
    assert found([row(1, gross_mass_from_kg=1800, gross_mass_to_kg=1800)], car()) == 1


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("K", True),
        ("K3", True),
        ("K33", True),
        ("H5B", True),
        ("K333", False),
        ("", False),
        ("k3", False),
        ("33", False),
    ],
)
def test_beginnings_of_class_codes(name: str, known: bool) -> None:
    if known:
        assert resolved(row(1, classes=(name,)), {}).classes == (name,)
    else:
        with pytest.raises(ValueError, match="neither a class group"):
            resolved(row(1, classes=(name,)), {})


def test_fronts_and_rears_are_only_found_when_asked_for() -> None:
    assert found([row(1, axle="front")], car()) is None
    assert found([row(1, axle="front")], car(), axle="front") == 1
    assert found([row(1)], car(), axle="front") == 1

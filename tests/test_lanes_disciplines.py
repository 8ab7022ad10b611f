"""Each discipline: arithmetic to the digit, what cannot be used, and what may never turn better or worse."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lanes.brakes import bench_load_kg, brake_problem, coordination_time, is_asked, rise, widest
from lanes.checklist import CheckItem, Checklist
from lanes.evidence import Evidence
from lanes.headlamps import headlamp, headlamp_problem
from lanes.measured import derived, problem
from lanes.missing import missing
from lanes.outline import outline, outline_problem
from lanes.quantity import Derived
from lanes.readings import Readings
from lanes.record import (
    AxleWeighed,
    BrakeCurve,
    BrakeMeasured,
    Finding,
    KerbMassMeasured,
    RoadParked,
    SpeedometerMeasured,
    TyresMeasured,
    place_of,
)
from lanes.roadtest import initial_kmh, mfdd, parked, parked_problem, road, road_problem, slope_pct
from lanes.sideslip import sideslip_problem
from lanes.speed import speedometer, speedometer_problem
from lanes.tyres import tyres, tyres_problem
from lanes.weight import kerb_mass_problem, weighing_problem, wheels_of
from tests.lanes_parts import ON, brake, car, curve, rulebook, slip, weighed
from tests.limit_parts import PLACE, Asked, braked, judged, lamp, loaded, outlined, stop, tread

NO_CURVE = BrakeCurve(interval_ms=10, left_dan=(), right_dan=())


def by_key(found: list[Finding]) -> dict[tuple[str, str], Finding]:
    keyed = {(finding.item, finding.quantity): finding for finding in found}
    assert len(keyed) == len(found)
    return keyed


def said(values: Any) -> list[str]:
    return [f"{one.quantity}: {one.arithmetic(1)}" for one in values]


# ---- brakes: which load, one wheel, laden, coupled -----------------------------------------------


def test_a_plate_bench_divides_by_the_loads_under_the_wheels_at_their_maxima() -> None:
    drawn = BrakeCurve(
        interval_ms=10,
        left_dan=(0, 100, 240, 200),
        right_dan=(0, 90, 200, 228),
        left_load_kg=(320, 330, 350, 360),
        right_load_kg=(320, 330, 340, 370),
    )
    body = brake("B1", 240, 228, bench="plate", curve=drawn)
    evidence = Evidence(
        vehicle=car(),
        business="periodic",
        brakes={"B1": (1, body)},
        weights={1: (2, weighed(1, "320", "320"))},
    )
    rate = by_key(judged(evidence))["B1", "axle_rate"]
    assert rate.arithmetic == "(240+228)×10 N ÷ (720 kg×9.8) = 66.3 %"  # 350 kg left, 370 kg right
    assert (rate.basis, rate.confidence) == ((1,), "M")
    rollers = replace(evidence, brakes={"B1": (1, msgspec.structs.replace(body, bench="roller"))})
    static = by_key(judged(rollers))["B1", "axle_rate"]
    assert static.arithmetic == "(240+228)×10 N ÷ (640 kg×9.8) = 74.6 %"
    assert static.basis == (1, 2)
    heavy = replace(evidence, vehicle=car(vehicle_class="H11", gross_mass_kg=9000))
    assert by_key(judged(heavy))["B1", "axle_rate"].basis == (1, 2)
    unweighed = replace(evidence, brakes={"B1": (1, brake("B1", 240, 228, bench="plate"))})
    assert by_key(judged(unweighed))["B1", "axle_rate"].value == "74.6"


def test_a_laden_axle_is_judged_by_what_the_bench_weighed_under_it() -> None:
    lorry = car(vehicle_class="H11", gross_mass_kg=25_000, kerb_mass_kg=9000, axles=3)
    body = brake("L2", 2000, 1900, load="laden", left_load_kg=Decimal(3900), right_load_kg=Decimal(3800))
    found = by_key(judged(Evidence(vehicle=lorry, business="periodic", brakes={"L2": (7, body)})))
    assert set(found) == {("L2", "axle_rate"), ("L2", "imbalance_of_load")}
    rate = found["L2", "axle_rate"]
    assert (rate.arithmetic, rate.limit) == ("(2000+1900)×10 N ÷ (7700 kg×9.8) = 51.7 %", "≥ 50 %")
    timed = msgspec.structs.replace(body, item="L1", axle=1, pedal_ms=0)  # 50 % are demanded of it, not 60 %
    found = by_key(judged(Evidence(vehicle=lorry, business="periodic", brakes={"L1": (7, timed)})))
    assert found["L1", "coordination_time"].arithmetic == "2830 daN at 150 ms − pedal at 0 ms = 0.15 s"
    beyond = msgspec.structs.replace(body, item="L4", axle=4)
    assert judged(Evidence(vehicle=lorry, business="periodic", brakes={"L4": (7, beyond)})) == []


def test_a_motorcycle_has_one_wheel_an_axle_and_no_imbalance() -> None:
    rider = car(vehicle_class="M21", gross_mass_kg=300, kerb_mass_kg=130, lamps="one", parking_axles=())
    asked = Asked(vehicle=rider, business="periodic")
    evidence = Evidence(
        vehicle=rider,
        business="periodic",
        brakes={f"B{n}": (n, braked(n, asked, 50, 0, left_drag_dan=3)) for n in (1, 2)},
        weights={n: (10 + n, loaded(n, asked, Decimal(75))) for n in (1, 2)},
    )
    found = by_key(judged(evidence))
    assert set(found) == {
        ("B1", "axle_rate"),
        ("B1", "drag_rate"),
        ("B2", "axle_rate"),
        ("B2", "drag_rate"),
        ("whole", "whole_rate"),
    }
    assert found["B1", "axle_rate"].arithmetic == "(50)×10 N ÷ (75 kg×9.8) = 68.0 %"
    assert found["whole", "whole_rate"].result == "not_applicable"
    assert found["B2", "axle_rate"].limit == "≥ 55 %"


@pytest.mark.parametrize(
    ("code", "front", "rear"),
    [("M21", 1, 1), ("M22", 1, 1), ("M11", 1, 2), ("M15", 1, 2), ("N11", 1, 2), ("K33", 2, 2), ("B11", 2, 2)],
)
def test_wheels_by_class(code: str, front: int, rear: int) -> None:
    vehicle = car(vehicle_class=code)
    assert [wheels_of(vehicle, axle) for axle in (1, 2)] == [front, rear]


@pytest.mark.parametrize(
    ("code", "quantity", "axle", "asked"),
    [
        ("K33", "imbalance", 1, True),
        ("K33", "whole_rate", 1, True),
        ("M21", "imbalance_of_load", 2, False),
        ("M11", "imbalance", 1, False),
        ("M11", "imbalance", 2, True),
        ("M15", "imbalance", 2, False),
        ("M21", "whole_rate", None, False),
        ("N11", "whole_rate", 2, False),
        ("N11", "imbalance", None, True),
        ("M21", "axle_rate", 1, True),
    ],
)
def test_what_is_asked_of_an_axle(code: str, quantity: str, axle: int | None, asked: bool) -> None:
    assert is_asked(quantity, car(vehicle_class=code), axle) is asked


def test_an_axle_measured_with_other_wheels_than_it_has_is_measured_again() -> None:
    one_wheel = brake("B1", 240, 0, wheels=1)
    assert brake_problem(one_wheel) is None
    assert problem(one_wheel, car()) == "B1: measured with 1 of 2 wheels"
    assert problem(brake("B1", 240, 228), car(vehicle_class="M21")) == "B1: measured with 2 of 1 wheels"
    single = msgspec.structs.replace(weighed(1, "70", "0"), wheels=1)
    assert problem(single, car()) == "axle 1: measured with 1 of 2 wheels"
    assert problem(single, car(vehicle_class="M21")) is None
    assert problem(brake("B2", 240, 0, wheels=1), car()) == "B2: measured with 1 of 2 wheels"
    assert problem(brake("B1", 240, 228), car(vehicle_class="M11")) == "B1: measured with 2 of 1 wheels"
    assert (
        problem(msgspec.structs.replace(weighed(3, "70", "0"), wheels=1), car()) is None
    )  # not this vehicle's
    assert "on the right" in (weighing_problem(msgspec.structs.replace(single, right_kg=Decimal(5))) or "")


def test_a_combination_is_judged_once_all_its_axles_are_there() -> None:
    tractor = car(vehicle_class="Q11", gross_mass_kg=25_000, kerb_mass_kg=8800, service_brake="air")
    asked = Asked(vehicle=tractor, business="periodic")
    axles = range(1, 6)
    evidence = Evidence(
        vehicle=tractor,
        business="periodic",
        brakes={f"B{n}": (n, braked(n, asked, 1600, 1600, coupled=True)) for n in axles},
        weights={n: (10 + n, loaded(n, asked, Decimal(5900))) for n in axles},
    )
    found = by_key(judged(evidence))
    train = found["train", "train_rate"]
    assert (train.value, train.result, train.limit) == ("55.3", "pass", "≥ 55 %")
    assert train.basis == (1, 2, 3, 4, 5, 11, 12, 13, 14, 15)
    assert found["whole", "whole_rate"].basis == (1, 2, 11, 12)
    assert ("B3", "axle_rate") not in found  # the trailer's axles are judged on its own visit
    alone = replace(evidence, brakes={f"B{n}": evidence.brakes[f"B{n}"] for n in (1, 2)})
    assert ("train", "train_rate") not in by_key(judged(alone))
    for part, key in (("brakes", "B4"), ("weights", 4)):
        rest = {k: v for k, v in getattr(evidence, part).items() if k != key}
        assert ("train", "train_rate") not in by_key(judged(replace(evidence, **{part: rest})))


def test_more_axles_than_the_vehicle_has_count_only_when_coupled() -> None:
    asked = Asked(vehicle=car(), business="periodic")
    evidence = Evidence(
        vehicle=car(),
        business="periodic",
        brakes={f"B{n}": (n, braked(n, asked, 200, 200)) for n in (1, 2, 3)},
        weights={n: (10 + n, loaded(n, asked, Decimal(600))) for n in (1, 2, 3)},
    )
    assert ("train", "train_rate") not in by_key(judged(evidence))


def test_a_front_axle_that_nothing_is_asked_of() -> None:
    """A three-wheeler brakes behind; its front wheel is told, not judged."""
    three = car(vehicle_class="N11", gross_mass_kg=1500, kerb_mass_kg=900)
    asked = Asked(vehicle=three, business="periodic")
    evidence = Evidence(
        vehicle=three,
        business="periodic",
        brakes={"B1": (1, braked(1, asked, 100, 0, pedal_ms=0))},
        weights={1: (2, loaded(1, asked, Decimal(300)))},
    )
    [rate] = judged(evidence)
    assert (rate.quantity, rate.result, rate.value) == ("axle_rate", "not_applicable", "34.0")


@pytest.mark.parametrize("axles", range(1, 7))
def test_one_to_six_axles(axles: int) -> None:
    lorry = car(vehicle_class="H11", gross_mass_kg=30_000, kerb_mass_kg=9000, axles=axles)
    asked = Asked(vehicle=lorry, business="periodic")
    numbers = range(1, axles + 1)
    evidence = Evidence(
        vehicle=lorry,
        business="periodic",
        brakes={f"B{n}": (n, braked(n, asked, 900, 880)) for n in numbers},
        weights={n: (10 + n, loaded(n, asked, Decimal(3000))) for n in numbers},
    )
    found = by_key(judged(evidence))
    assert [item for item, quantity in found if quantity == "axle_rate"] == [f"B{n}" for n in numbers]
    assert found["whole", "whole_rate"].value == "60.5"
    lacking = replace(evidence, weights={n: pair for n, pair in evidence.weights.items() if n > 1})
    assert ("whole", "whole_rate") not in by_key(judged(lacking))


# ---- brakes: co-ordination time ------------------------------------------------------------------


def ramp(step: int, samples: int, pedal_ms: int | None) -> BrakeMeasured:
    side = tuple(min(300, step * i) for i in range(samples))
    drawn = BrakeCurve(interval_ms=10, left_dan=side, right_dan=side)
    return brake("B1", 300, 300, curve=drawn, pedal_ms=pedal_ms)


def test_co_ordination_ends_at_three_quarters_of_the_demanded_force() -> None:
    time = coordination_time(ramp(10, 40, 50), Decimal(640), Decimal(60))
    # demanded 640 kg × 9.8 × 60 % = 3763.2 N, of it 75 % = 282.24 daN; sample 15 has 150 + 150 daN
    assert time is not None
    assert time.arithmetic(2) == "283 daN at 150 ms − pedal at 50 ms = 0.10 s"
    assert coordination_time(ramp(10, 40, None), Decimal(640), Decimal(60)) is None
    assert coordination_time(ramp(10, 40, 50), Decimal(6400), Decimal(60)) is None
    late = coordination_time(ramp(10, 40, 205), Decimal(640), Decimal(60))
    assert late is not None and late.value == Decimal("0.005")  # force before the pedal does not count


@pytest.mark.parametrize(
    ("kg", "words"),
    [
        ("1000", "294 daN at 1470 ms − pedal at 0 ms"),  # 1000 kg × 9.8 N × 40 % × 75 %: the very force
        ("1000.04", "295 daN at 1480 ms − pedal at 0 ms"),  # 294.01 daN
    ],
)
def test_co_ordination_ends_at_the_very_force_and_not_just_below_it(kg: str, words: str) -> None:
    time = coordination_time(ramp(1, 302, 0), Decimal(kg), Decimal(40))
    assert time is not None and time.working == words


# ---- brakes: what cannot be used -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"item": "L1"}, "was measured unladen on axle 1"),
        ({"load": "laden"}, "was measured laden on axle 1"),
        ({"item": "L1", "load": "laden"}, "weighed no load"),
        ({"left_load_kg": Decimal(0), "right_load_kg": Decimal(0)}, "weighed no load"),
        ({"left_load_kg": Decimal("NaN"), "right_load_kg": Decimal(0)}, "a wheel load is not between"),
        ({"left_load_kg": Decimal(10_001), "right_load_kg": Decimal(1)}, "a wheel load is not between"),
        ({"wheels": 1}, "has a force on the right"),
        ({"wheels": 1, "right_max_dan": 0}, "has a force on the right"),
        ({"pedal_ms": -1}, "outside the curve"),
        ({"pedal_ms": 241}, "outside the curve"),
    ],
)
def test_brake_readings_that_cannot_be_judged(changes: dict[str, Any], why: str) -> None:
    changed = msgspec.structs.replace(brake("B1", 240, 228), **changes)
    assert why in (brake_problem(changed) or "")


@pytest.mark.parametrize(
    ("loads", "why"),
    [
        ({"left_load_kg": (1, 2)}, "one load a sample"),
        ({"left_load_kg": (300,) * 25}, "one load a sample"),
        ({"left_load_kg": (300,) * 24, "right_load_kg": (300,) * 24}, "one load a sample"),
        ({"left_load_kg": (300,) * 24 + (-1,), "right_load_kg": (300,) * 25}, "not between 0"),
        ({"left_load_kg": (0,) * 25, "right_load_kg": (0,) * 25}, "weighed no load"),
        ({"left_load_kg": (300,) * 25, "right_load_kg": (300,) * 25}, None),
    ],
)
@pytest.mark.parametrize("item", ["B1", "B0"])
def test_load_curves(item: str, loads: dict[str, Any], why: str | None) -> None:
    drawn = msgspec.structs.replace(curve(240, 228), **loads)
    found = brake_problem(brake(item, 240, 228, curve=drawn, pedal_ms=240 if item == "B1" else None))
    assert found is None if why is None else why in (found or "")


def test_a_parking_brake_with_loads_but_without_curve_is_measured_again() -> None:
    drawn = BrakeCurve(interval_ms=10, left_dan=(), right_dan=(), left_load_kg=(1,), right_load_kg=(1,))
    assert "empty" in (brake_problem(brake("B0", 160, 150, curve=drawn)) or "")
    assert brake_problem(brake("B0", 160, 150, curve=NO_CURVE)) is None


def test_a_parking_brake_weighed_on_one_side_only_needs_its_curve_too() -> None:
    for side in ("left", "right"):
        drawn = msgspec.structs.replace(NO_CURVE, **{f"{side}_load_kg": (300,)})
        found = brake_problem(brake("B0", 160, 150, curve=drawn))
        assert found == "B0: the curve is empty or its sides differ in length"


@pytest.mark.parametrize(("dan", "usable"), [(-1, False), (0, True), (10_000, True), (10_001, False)])
@pytest.mark.parametrize(
    "where", ["left_max_dan", "right_max_dan", "left_drag_dan", "right_drag_dan", "left_dan", "right_dan"]
)
def test_every_force_lies_between_nothing_and_the_strongest_brake(where: str, dan: int, usable: bool) -> None:
    body = brake("B0", 9_995, 9_995, curve=NO_CURVE)
    if where.endswith(("_max_dan", "_drag_dan")):
        body = msgspec.structs.replace(body, **{where: dan})
    else:
        body = msgspec.structs.replace(body, curve=msgspec.structs.replace(NO_CURVE, **{where: (5, dan)}))
    wanted = None if usable else "B0: a force is not between 0 and 10000 daN"
    assert brake_problem(body) == wanted


@pytest.mark.parametrize(
    ("kg", "usable"), [("0.5", True), ("10000", True), ("10000.5", False), ("-1", False)]
)
def test_every_wheel_load_is_one_that_a_wheel_can_bear(kg: str, usable: bool) -> None:
    body = brake("B1", 240, 228, left_load_kg=Decimal(kg), right_load_kg=Decimal(300))
    assert (brake_problem(body) is None) is usable


def test_loads_of_the_bench() -> None:
    assert bench_load_kg(brake("B1", 240, 228)) is None
    assert bench_load_kg(brake("B1", 240, 228, left_load_kg=Decimal(300))) is None
    own = brake("B1", 240, 228, left_load_kg=Decimal("300.5"), right_load_kg=Decimal(310))
    assert bench_load_kg(own) == Decimal("610.5")


# ---- brakes: always ------------------------------------------------------------------------------

dans = st.integers(1, 4000)
kilos = st.integers(20, 9000)
_PASSES = {"pass": 1, "not_applicable": 0, "fail": -1}


def axles_of(forces: list[tuple[int, int]], kg: list[int], code: str = "K33") -> Evidence:
    vehicle = car(vehicle_class=code, axles=len(forces))
    return Evidence(
        vehicle=vehicle,
        business="periodic",
        brakes={f"B{n}": (n, brake(f"B{n}", *pair)) for n, pair in enumerate(forces, 1)},
        weights={n: (10 + n, weighed(n, str(one), str(one))) for n, one in enumerate(kg, 1)},
    )


@given(
    st.lists(st.tuples(dans, dans, kilos), min_size=1, max_size=6),
    st.integers(0, 5),
    st.booleans(),
    st.integers(1, 4000),
    st.sampled_from(["K33", "K11", "H11", "Z11", "B11"]),
)
def test_more_force_on_any_wheel_never_turns_a_rate_into_a_fail(
    axles: list[tuple[int, int, int]], at: int, left: bool, more: int, code: str
) -> None:
    forces, kg = [(a, b) for a, b, _ in axles], [c for _, _, c in axles]
    was = by_key(judged(axles_of(forces, kg, code)))
    at %= len(forces)
    forces[at] = (forces[at][0] + more, forces[at][1]) if left else (forces[at][0], forces[at][1] + more)
    now = by_key(judged(axles_of(forces, kg, code)))
    for key in (*((f"B{n}", "axle_rate") for n in range(1, len(kg) + 1)), ("whole", "whole_rate")):
        assert _PASSES[now[key].result] >= _PASSES[was[key].result], key
        assert Decimal(now[key].value) >= Decimal(was[key].value)


@given(st.integers(100, 900), st.integers(0, 900), st.integers(1, 900), st.booleans())
def test_a_larger_difference_never_improves_imbalance(most: int, gap: int, more: int, strong: bool) -> None:
    gap, wider = min(gap, most), min(gap + more, most)
    kg = 10 if strong else 9000
    results = []
    for difference in (gap, wider):
        drawn = BrakeCurve(interval_ms=10, left_dan=(0, most, most), right_dan=(0, most - difference, most))
        body = brake("B1", most, most, curve=drawn)
        evidence = Evidence(
            vehicle=car(),
            business="periodic",
            brakes={"B1": (1, body)},
            weights={1: (2, weighed(1, str(kg), str(kg)))},
        )
        [found] = [f for f in judged(evidence) if f.quantity.startswith("imbalance")]
        results.append((Decimal(found.value), found.result))
    assert results[0][0] <= results[1][0]
    assert _PASSES[results[0][1]] >= _PASSES[results[1][1]]


@given(st.integers(1, 400), kilos, st.integers(0, 300))
def test_more_drag_and_less_load_never_improve_drag(dan: int, kg: int, more: int) -> None:
    def result(drag: int, load: int) -> int:
        body = brake("B1", 240, 228, left_drag_dan=drag, right_drag_dan=1)
        evidence = Evidence(
            vehicle=car(),
            business="periodic",
            brakes={"B1": (1, body)},
            weights={1: (2, weighed(1, str(load), str(load)))},
        )
        return _PASSES[by_key(judged(evidence))["B1", "drag_rate"].result]

    assert result(dan, kg) >= result(dan + more, kg)
    assert result(dan, kg + more) >= result(dan, kg)


@given(st.lists(st.integers(0, 9000), min_size=2000, max_size=2000, unique=False), st.integers(0, 1999))
def test_curves_of_two_thousand_samples(left: list[int], start: int) -> None:
    """The same sample as by the definition, looked for one by one."""
    right = left[start:] + left[:start]
    drawn = BrakeCurve(interval_ms=10, left_dan=tuple(left), right_dan=tuple(right))
    end = rise(drawn)
    assert end == max(left.index(max(left)), right.index(max(right))) + 1
    gaps = [abs(a - b) for a, b in zip(left[:end], right[:end], strict=True)]
    at, a, b = widest(drawn)
    assert (at, abs(a - b)) == (gaps.index(max(gaps)), max(gaps))


# ---- headlamps -----------------------------------------------------------------------------------


def test_everything_of_a_lamp_is_told_and_only_its_cut_off_and_intensity_judged() -> None:
    body = lamp(
        main_intensity_cd=15_500,
        main_vertical_mm_per_10m=-40,
        main_horizontal_mm_per_10m=20,
        dipped_vertical_mm_per_10m=-120,
        dipped_horizontal_mm_per_10m=10,
        lamp_height_mm=700,
        dipped_lamp_height_mm=690,
    )
    other = msgspec.structs.replace(body, item="H4", main_intensity_cd=16_000)
    evidence = Evidence(vehicle=car(), business="periodic", measured={"H1": (1, body), "H4": (2, other)})
    found = by_key(judged(evidence))
    results = {key: finding.result for key, finding in found.items() if key[0] == "H1"}
    assert results == {
        ("H1", "main_intensity"): "pass",
        ("H1", "main_vertical"): "not_applicable",
        ("H1", "main_horizontal"): "not_applicable",
        ("H1", "dipped_vertical"): "pass",
        ("H1", "dipped_horizontal"): "pass",
    }
    total = found["headlamps", "main_intensity_sum"]
    assert (total.arithmetic, total.basis) == ("15500+16000 = 31500 cd", (1, 2))
    assert found["H1", "dipped_vertical"].limit == "-300…-50 mm/10 m"
    one = replace(evidence, measured={"H1": (1, body)})
    assert ("headlamps", "main_intensity_sum") not in by_key(judged(one))


def test_which_height_counts_for_the_dipped_beam() -> None:
    high = lamp(dipped_vertical_mm_per_10m=-120, lamp_height_mm=900, dipped_lamp_height_mm=1001)
    assert said(headlamp(high)) == [
        "main_intensity: 20000 = 20000.0 cd",
        "dipped_vertical_high: -120 = -120.0 mm/10 m",
    ]
    assert said(headlamp(lamp(dipped_vertical_mm_per_10m=-120, lamp_height_mm=1000)))[1].startswith(
        "dipped_vertical:"
    )
    assert said(headlamp(lamp(main_intensity_cd=None))) == []
    assert said(headlamp(lamp(dipped_horizontal_mm_per_10m=5, lamp_height_mm=None)))[1:] == [
        "dipped_horizontal: 5 = 5.0 mm/10 m"
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"item": "H5", "main_intensity_cd": 1}, "H5: is no headlamp (H1, H2, H3, H4)"),
        ({"main_intensity_cd": None, "dipped_vertical_mm_per_10m": -100}, "main beam was not measured"),
        ({}, None),
        ({"main_intensity_cd": -1}, "cd is not between"),
        ({"main_intensity_cd": 1_000_000}, "cd is not between"),
        ({"main_intensity_cd": 1, "main_vertical_mm_per_10m": 2001}, "beyond ±2000"),
        ({"dipped_vertical_mm_per_10m": -2001}, "beyond ±2000"),
        ({"dipped_vertical_mm_per_10m": -100, "lamp_height_mm": None}, "needs a lamp height"),
        ({"dipped_vertical_mm_per_10m": -100, "lamp_height_mm": 3001}, "needs a lamp height"),
        ({"dipped_vertical_mm_per_10m": -100, "lamp_height_mm": 0}, "needs a lamp height"),
        ({"dipped_vertical_mm_per_10m": -100, "lamp_height_mm": 1}, None),
        ({"dipped_vertical_mm_per_10m": -100, "lamp_height_mm": 3000}, None),
        ({"main_intensity_cd": 0, "lamp_height_mm": None}, None),
        ({"main_intensity_cd": 999_999, "main_horizontal_mm_per_10m": 2000}, None),
    ],
)
def test_headlamp_readings_that_cannot_be_used(changes: dict[str, Any], why: str | None) -> None:
    found = headlamp_problem(lamp(**changes))
    assert found is None if why is None else why in (found or "")


@given(st.integers(0, 900_000), st.integers(0, 90_000), st.sampled_from(["K33", "M21", "N11"]))
def test_a_brighter_lamp_is_never_too_dim(cd: int, more: int, code: str) -> None:
    def result(intensity: int) -> int:
        vehicle = car(vehicle_class=code)
        measured = {"H1": (1, lamp(main_intensity_cd=intensity))}
        found = by_key(judged(Evidence(vehicle=vehicle, business="periodic", measured=measured)))
        return _PASSES[found["H1", "main_intensity"].result]

    assert result(cd + more) >= result(cd)


# ---- speedometer, side-slip, kerb mass, outline, tyres -------------------------------------------


def speed(indicated: str, actual: str) -> SpeedometerMeasured:
    return SpeedometerMeasured(
        **PLACE, item="S1", indicated_kmh=Decimal(indicated), actual_kmh=Decimal(actual)
    )


@pytest.mark.parametrize(
    ("code", "indicated", "actual", "why"),
    [
        ("K33", "40", "38.2", None),
        ("K33", "40.0", "0", None),
        ("K33", "30", "28", "indicated 30 km/h instead of 40"),
        ("M22", "40", "38", "indicated 40 km/h instead of 30"),
        ("N11", "30.0", "28", None),
        ("K33", "NaN", "38", "instead of 40"),
        ("K33", "40", "NaN", "not between 0 and 200"),
        ("K33", "40", "200.1", "not between 0 and 200"),
        ("K33", "40", "-1", "not between 0 and 200"),
        ("K33", "40", "200", None),
    ],
)
def test_speedometer_readings(code: str, indicated: str, actual: str, why: str | None) -> None:
    found = speedometer_problem(speed(indicated, actual), car(vehicle_class=code))
    assert found is None if why is None else why in (found or "")


def test_the_real_speed_is_named_by_the_indicated_one() -> None:
    assert speedometer(speed("40.0", "38.25")) == Derived(
        quantity="speed_at_40", value=Decimal("38.25"), unit="km/h", working="38.25"
    )


@pytest.mark.parametrize(("kg", "bad"), [("1400.5", False), ("0", True), ("NaN", True), ("1000000", True)])
def test_kerb_mass_readings(kg: str, bad: bool) -> None:
    body = KerbMassMeasured(**PLACE, item="Z1", mass_kg=Decimal(kg))
    assert (kerb_mass_problem(body) is not None) is bad
    assert (problem(body, car()) is not None) is bad


def test_kerb_mass_against_the_papers() -> None:
    body = KerbMassMeasured(**PLACE, item="Z1", mass_kg=Decimal("9262.5"))
    lorry = car(vehicle_class="H11", kerb_mass_kg=9000, gross_mass_kg=18_000)
    [found] = judged(Evidence(vehicle=lorry, business="registration", measured={"Z1": (1, body)}))
    assert (found.value, found.limit, found.result) == ("262", "±500 kg / ±3 %", "pass")
    assert found.arithmetic == "9262.5−9000 = 262 kg (2.9 %)"


def test_outline_against_papers_and_maxima() -> None:
    vehicle = car(length_mm=4500, width_mm=1800, wheelbase_mm=2700)
    body = outlined(length_mm=4546, width_mm=1800, height_mm=1460, wheelbase_mm=2705, side_board_mm=400)
    assert said(outline(body, vehicle)) == [
        "length: 4546 = 4546.0 mm",
        "length_deviation: 4546−4500 = 46.0 mm (1.0 %)",
        "width: 1800 = 1800.0 mm",
        "width_deviation: 1800−1800 = 0.0 mm (0.0 %)",
        "height: 1460 = 1460.0 mm",
        "wheelbase: 2705 = 2705.0 mm",
        "wheelbase_deviation: 2705−2700 = 5.0 mm (0.2 %)",
        "side_board: 400 = 400.0 mm",
    ]
    train = outlined(length_mm=17_100, coupled="semi_trailer")
    assert said(outline(train, vehicle)) == ["semi_trailer_train_length: 17100 = 17100.0 mm"]
    assert (place_of(train), place_of(body)) == ("M1/semi_trailer", "M1")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"length_mm": 0}, "length 0 mm"),
        ({"width_mm": -5}, "width -5 mm"),
        ({"height_mm": 100_000}, "height 100000 mm"),
        ({"wheelbase_mm": 0}, "wheelbase 0 mm"),
        ({"side_board_mm": 100_000}, "M1: side boards 100000 mm is not between 0 and 99999 mm"),
        ({"side_board_mm": 1}, None),
        ({"length_mm": 99_999}, None),
    ],
)
def test_outlines_that_cannot_be_used(changes: dict[str, Any], why: str | None) -> None:
    found = outline_problem(outlined(**changes))
    assert found is None if why is None else why in (found or "")


@given(st.integers(-400, 400), st.integers(0, 400))
def test_a_size_further_from_the_papers_is_never_better(off: int, more: int) -> None:
    lorry = car(vehicle_class="H11", length_mm=9000, gross_mass_kg=18_000)

    def result(deviation: int) -> int:
        measured = {"M1": (1, outlined(length_mm=9000 + deviation))}
        found = by_key(judged(Evidence(vehicle=lorry, business="periodic", measured=measured)))
        return _PASSES[found["M1", "length_deviation"].result]

    assert result(off) >= result(off + more if off >= 0 else off - more)


def gauge(*treads: Any) -> TyresMeasured:
    return TyresMeasured(**PLACE, item="08", treads=tuple(treads))


def test_the_shallowest_tyre_counts_on_steering_and_other_axles() -> None:
    body = gauge(
        tread(1, "left", Decimal("3.3")),
        tread(1, "right", Decimal("3.1")),
        tread(2, "left", Decimal("1.7")),
        tread(2, "left_inner", Decimal("2")),
    )
    lorry = car(vehicle_class="H11", gross_mass_kg=18_000)
    found = by_key(judged(Evidence(vehicle=lorry, business="periodic", measured={"08": (1, body)})))
    front, rear = found["08", "tread_steering"], found["08", "tread_other"]
    assert (front.result, front.arithmetic) == ("fail", "min(1 left 3.3, 1 right 3.1) = 3.1 mm")
    assert (rear.result, rear.arithmetic) == ("pass", "min(2 left 1.7, 2 left_inner 2) = 1.7 mm")
    assert [one.quantity for one in tyres(gauge(tread(2, "left", Decimal(3))))] == ["tread_other"]


@pytest.mark.parametrize(
    ("treads", "why"),
    [
        ((), "no tyre"),
        ((tread(1, "left", Decimal("NaN")),), "axle 1 left"),
        ((tread(2, "right_inner", Decimal("-0.1")),), "axle 2 right_inner"),
        ((tread(2, "right", Decimal("50.1")),), "not between 0 and 50"),
        ((tread(2, "right", Decimal(0)), tread(2, "left", Decimal(50))), None),
    ],
)
def test_treads_that_cannot_be_used(treads: tuple[Any, ...], why: str | None) -> None:
    found = tyres_problem(gauge(*treads))
    assert found is None if why is None else why in (found or "")


# ---- road test -----------------------------------------------------------------------------------


def test_mfdd_is_worked_out_of_the_metres() -> None:
    """50 km/h, 3.9 m until 40 km/h, 13.4 m until 5 km/h: 0.63 × 2500 ÷ (25.92 × 9.5)."""
    metres = {"reach_80_pct_m": Decimal("3.9"), "reach_10_pct_m": Decimal("13.4")}
    found = mfdd(stop(car(), mfdd_m_per_s2=Decimal(9), **metres))
    assert found is not None
    assert (found.quantity, found.unit) == ("mfdd", "m/s²")
    assert found.arithmetic(1) == "(0.64−0.01)×50² ÷ (25.92×(13.4−3.9 m)) = 6.4 m/s²"
    assert str(found.value)[:12] == "6.3961988304"
    assert mfdd(stop(car())) == Derived(quantity="mfdd", value=Decimal("6.5"), unit="m/s²", working="6.5")
    assert mfdd(stop(car(), mfdd_m_per_s2=None, reach_80_pct_m=Decimal(3))) is None


def test_what_a_stop_is_judged_by() -> None:
    full = {"coordination_ms": 310, "control_force_n": 380, "distance_m": Decimal("18.4"), "pulled": "left"}
    assert said(road(stop(car(), **full))) == [
        "mfdd: 6.5 = 6.5 m/s²",
        "coordination_time: 0.31 = 0.3 s",
        "foot_force: 380 = 380.0 N",
        "channel: stayed in the channel, pulled to the left",
    ]
    by_distance = said(road(stop(car(), judged_by="distance", **full)))
    assert by_distance[0] == "braking_distance: 18.4 = 18.4 m"
    *_, channel = road(stop(car(), left_channel=True, pulled="right"))
    assert channel == Derived(
        quantity="channel",
        value=Decimal(0),
        unit="m",
        working="left the channel, pulled to the right",
        seen=False,
    )
    assert [one.quantity for one in road(stop(car(), brake="emergency", **full))] == [
        "emergency_mfdd",
        "emergency_foot_force",
    ]
    assert [one.quantity for one in road(stop(car(), coupled=True, control="hand", **full))] == [
        "train_mfdd", "train_coordination_time", "train_hand_force", "train_channel"
    ]  # fmt: skip
    assert [one.quantity for one in road(stop(car()))] == ["mfdd", "channel"]


def test_several_stops_stand_beside_each_other() -> None:
    stops = [
        stop(car()),
        stop(car(), load="laden"),
        stop(car(), brake="emergency"),
        stop(car(), coupled=True),
    ]
    assert [place_of(one) for one in stops] == [
        "R1/service/unladen", "R1/service/laden", "R1/emergency/unladen", "R1/service/unladen/coupled"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "gross", "service", "emergency"),
    [
        ("K33", 1800, 50, 50),
        ("K11", 9000, 30, 30),
        ("H31", 3500, 50, 30),
        ("H31", 3501, 30, 30),
        ("H51", 2000, 30, 30),
        ("M21", 300, 30, 30),
        ("M22", 150, 20, 20),
        ("N11", 1500, 20, 20),
    ],
)
def test_initial_speeds(code: str, gross: int, service: int, emergency: int) -> None:
    vehicle = car(vehicle_class=code, gross_mass_kg=gross)
    assert (initial_kmh(vehicle, "service"), initial_kmh(vehicle, "emergency")) == (service, emergency)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"initial_kmh": Decimal("49.9")}, "braked from 49.9 km/h, not from 50 to 55 km/h"),
        ({"initial_kmh": Decimal("55.1")}, "not from 50 to 55"),
        ({"initial_kmh": Decimal("NaN")}, "not from 50 to 55"),
        ({"initial_kmh": Decimal(55)}, None),
        ({"mfdd_m_per_s2": Decimal("15.1")}, "not one that a vehicle can have"),
        ({"mfdd_m_per_s2": Decimal("NaN")}, "not one that a vehicle can have"),
        ({"mfdd_m_per_s2": Decimal(0)}, None),  # a brake that does nothing is judged, and fails
        ({"mfdd_m_per_s2": Decimal(15), "distance_m": Decimal(500)}, None),
        ({"distance_m": Decimal(-1)}, "not one that a vehicle can have"),
        ({"reach_80_pct_m": Decimal(501)}, "not one that a vehicle can have"),
        ({"reach_80_pct_m": Decimal(5), "reach_10_pct_m": Decimal(5)}, "reached before 80 %"),
        ({"mfdd_m_per_s2": None}, "judged by mfdd, which was not measured"),
        ({"mfdd_m_per_s2": None, "reach_10_pct_m": Decimal(5)}, "judged by mfdd, which was not measured"),
        ({"judged_by": "distance"}, "judged by distance, which was not measured"),
        ({"coordination_ms": -1}, "negative"),
        ({"control_force_n": -1}, "negative"),
        ({"mfdd_m_per_s2": None, "reach_80_pct_m": Decimal(4), "reach_10_pct_m": Decimal(14)}, None),
        ({"judged_by": "distance", "distance_m": Decimal(19), "coordination_ms": 0}, None),
    ],
)
def test_stops_that_cannot_be_judged(changes: dict[str, Any], why: str | None) -> None:
    found = road_problem(stop(car(), **changes), car())
    assert found is None if why is None else why in (found or "")


@pytest.mark.parametrize(
    ("brake", "kmh", "why"),
    [
        ("service", 50, None),
        ("service", 30, "R1: braked from 30 km/h, not from 50 to 55 km/h"),
        ("emergency", 30, None),
        ("emergency", 50, "R1: braked from 50 km/h, not from 30 to 35 km/h"),
    ],
)
def test_the_emergency_brake_has_an_initial_speed_of_its_own(brake: str, kmh: int, why: str | None) -> None:
    lorry = car(vehicle_class="H31", gross_mass_kg=3500)
    assert road_problem(stop(lorry, brake=brake, initial_kmh=Decimal(kmh)), lorry) == why


def slope(pct: str, uphill: int = 120, downhill: int = 120) -> RoadParked:
    return RoadParked(**PLACE, item="R2", slope_pct=Decimal(pct), uphill_s=uphill, downhill_s=downhill)


@pytest.mark.parametrize(
    ("vehicle", "pct"),
    [
        (car(), 20),
        (car(gross_mass_kg=1679), 15),
        (car(gross_mass_kg=1680), 20),
        (car(vehicle_class="Q11", gross_mass_kg=25_000, kerb_mass_kg=8800), 15),
        (car(vehicle_class="Q12", gross_mass_kg=25_000, kerb_mass_kg=8800), 20),
    ],
)
def test_slopes(vehicle: Any, pct: int) -> None:
    assert slope_pct(vehicle) == pct
    assert parked_problem(slope(str(pct)), vehicle) is None
    assert f"not of {pct} to 45 %" in (parked_problem(slope(f"{pct - 1}.9"), vehicle) or "")


@pytest.mark.parametrize(
    ("test", "bad"),
    [
        (slope("NaN"), True),
        (slope("45.1"), True),
        (slope("20", -1), True),
        (slope("20", 1, 3601), True),
        (slope("45", 0, 3600), False),
    ],
)
def test_parking_tests_that_cannot_be_judged(test: RoadParked, bad: bool) -> None:
    assert (parked_problem(test, car()) is not None) is bad


def test_the_worse_direction_counts() -> None:
    assert parked(slope("20.5", 300, 119)).arithmetic(0) == "on 20.5 %: min(300, 119) = 119 s"


# ---- all of them ---------------------------------------------------------------------------------

GOOD = {
    "H1": lamp(main_intensity_cd=16_000, bench_verdict="pass"),
    "S1": speed("40", "38.0"),
    "M1": outlined(),
    "Z1": KerbMassMeasured(**PLACE, item="Z1", mass_kg=Decimal(1400)),
    "R1": stop(car()),
    "R2": slope("20"),
    "08": gauge(tread(1, "left", Decimal(3))),
}


@pytest.mark.parametrize("body", [*GOOD.values(), slip("1"), brake("B1", 9, 9), weighed(1, "1", "1")])
def test_every_kind_has_its_word(body: Any) -> None:
    assert problem(body, car()) is None
    if not isinstance(body, BrakeMeasured | AxleWeighed):
        values = list(derived(body, car()))
        assert values and all(isinstance(one, Derived) for one in values)


@pytest.mark.parametrize(
    "body",
    [
        lamp(main_intensity_cd=None),
        speed("30", "20"),
        outlined(length_mm=0),
        KerbMassMeasured(**PLACE, item="Z1", mass_kg=Decimal(0)),
        stop(car(), initial_kmh=Decimal(9)),
        slope("1"),
        gauge(),
    ],
)
def test_an_unusable_reading_has_no_finding_and_is_asked_for_again(body: Any) -> None:
    evidence = Evidence(vehicle=car(), business="periodic", measured={place_of(body): (1, body)})
    assert judged(evidence) == []
    wanted = Checklist(business="periodic", on=ON, items=(_item(body.item),), shots=())
    [lack] = missing(evidence, wanted)
    assert lack.code == f"instrument:{body.item}"
    assert (problem(body, car()) or "") in lack.en
    [nothing] = missing(Evidence(vehicle=car(), business="periodic"), wanted)
    assert (nothing.code, nothing.en) == (lack.code, f"{body.item}: not measured yet")
    optional = msgspec.structs.replace(wanted.items[0], required=False)
    assert (
        missing(
            Evidence(vehicle=car(), business="periodic"), msgspec.structs.replace(wanted, items=(optional,))
        )
        == ()
    )


@pytest.mark.parametrize(
    ("items", "axles"),
    [(("B1",), (1,)), (("B1", "B3"), (1, 3)), (("B0",), (1, 2, 3)), (("B2", "B0"), (1, 2, 3))],
)
def test_what_is_braked_must_be_weighed(items: tuple[str, ...], axles: tuple[int, ...]) -> None:
    wanted = Checklist(business="periodic", on=ON, items=tuple(map(_item, items)), shots=())
    found = missing(Evidence(vehicle=car(vehicle_class="H11", axles=3), business="periodic"), wanted)
    assert [lack.code for lack in found] == [
        *(f"instrument:{item}" for item in items),
        *(f"weight:{axle}" for axle in axles),
    ]


def _item(code: str) -> CheckItem:
    return CheckItem(item=code, kind="instrument", required=True, zh=code, en=code, confidence="M")


# ---- the bench's own verdict ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cd", "bench", "said"),
    [
        (16_000, "fail", "the bench says fail, its readings say pass"),
        (14_000, "pass", "the bench says pass, its readings say fail"),
        (16_000, "pass", None),
        (14_000, "fail", None),
        (14_000, None, None),
    ],
)
def test_a_bench_that_thinks_otherwise_is_told_and_decides_nothing(
    cd: int, bench: Any, said: str | None
) -> None:
    body = lamp(main_intensity_cd=cd, bench_verdict=bench)
    found = by_key(judged(Evidence(vehicle=car(), business="periodic", measured={"H1": (4, body)})))
    assert found["H1", "main_intensity"].result == ("pass" if cd > 15_000 else "fail")
    told = found.get(("H1", "bench_verdict"))
    if said is None:
        assert told is None
    else:
        assert told == Finding(
            item="H1",
            result="not_applicable",
            quantity="bench_verdict",
            value=bench,
            arithmetic=said,
            basis=(4,),
        )


def test_a_verdict_about_what_no_limit_judges_is_no_contradiction() -> None:
    body = msgspec.structs.replace(slip("9.9"), bench_verdict="fail")
    found = by_key(judged(Evidence(vehicle=car(), business="periodic", sideslip=(1, body))))
    assert set(found) == {("A1", "sideslip")}


def test_the_verdicts_of_brake_benches() -> None:
    asked = Asked(vehicle=car(), business="periodic")
    evidence = Evidence(
        vehicle=car(),
        business="periodic",
        brakes={
            "B1": (1, braked(1, asked, 240, 228, bench_verdict="fail")),
            "B2": (2, braked(2, asked, 150, 145)),
            "B0": (3, braked(2, asked, 10, 10, item="B0", bench_verdict="pass")),
        },
        weights={1: (4, weighed(1, "320", "320")), 2: (5, weighed(2, "290", "285"))},
    )
    found = by_key(judged(evidence))
    assert (found["B1", "bench_verdict"].value, found["B1", "bench_verdict"].basis) == ("fail", (1,))
    assert found["B0", "bench_verdict"].arithmetic == "the bench says pass, its readings say fail"
    assert found["B0", "bench_verdict"].basis == (3,)
    assert ("B2", "bench_verdict") not in found


def test_findings_show_the_row_they_rest_on() -> None:
    [found] = judged(Evidence(vehicle=car(), business="periodic", measured={"R2": (1, slope("20"))}))
    assert (found.limit, found.limit_source, found.confidence) == ("≥ 120 s", "default-limits", "M")
    assert str(found.effective_from) == "2021-01-01"
    assert Readings(Evidence(vehicle=car(), business="periodic"), rulebook(), ON).measured == []
    assert sideslip_problem(slip("0")) is None

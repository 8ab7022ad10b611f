"""The fleet: repeatable, valid papers, one fault in each eight."""

from collections import Counter
from itertools import islice

import pytest

from firmware_bridge.virtual.fleet import FAULTS, Car, fleet
from lanes.vin import ALPHABET, check_digit
from tests.lanes_parts import ON, rulebook

CODES = rulebook().codes


def cars(seed: int, count: int, lanes: int = 2, **options: int) -> list[Car]:
    return list(islice(fleet(seed, lanes, **options), count))


def test_the_same_seed_gives_the_same_cars_and_another_gives_others() -> None:
    assert cars(7, 40) == cars(7, 40)
    assert not {c.vehicle.vin for c in cars(7, 40)} & {c.vehicle.vin for c in cars(8, 40)}


@pytest.mark.parametrize("seed", range(6))
def test_exactly_one_car_in_each_run_of_eight_has_a_fault(seed: int) -> None:
    found = cars(seed, 8 * 40)
    for start in range(0, len(found), 8):
        assert sum(car.planted is not None for car in found[start : start + 8]) == 1
    assert set(Counter(car.planted for car in found if car.planted)) == set(FAULTS)
    places = {i % 8 for i, car in enumerate(found) if car.planted}
    assert len(places) > 4, "the place within eight is drawn"


@pytest.mark.parametrize("every", [1, 3, 5, 20])
def test_the_rate_of_faults_can_be_chosen(every: int) -> None:
    found = cars(3, every * 12, fault_every=every)
    for start in range(0, len(found), every):
        assert sum(car.planted is not None for car in found[start : start + every]) == 1


def test_a_fleet_without_faults() -> None:
    assert all(car.planted is None for car in cars(3, 64, fault_every=0))


@pytest.mark.parametrize("seed", range(4))
def test_papers_are_valid(seed: int) -> None:
    for car in cars(seed, 400):
        vehicle = car.vehicle
        assert vehicle.vin.startswith("LTEST")
        assert vehicle.vin[8] == check_digit(vehicle.vin)
        assert CODES.problems(vehicle, ON) == ()
        assert vehicle.vehicle_class in {"K31", "K33"}
        assert 900 < vehicle.kerb_mass_kg < vehicle.gross_mass_kg <= 3500
        if vehicle.plate:
            form = CODES.plates.form_of(vehicle.plate)
            assert form is not None
            assert form.row.energy == {"C": "battery", "O": "other"}.get(vehicle.fuel)


def test_a_new_car_has_no_plate_and_one_in_use_has() -> None:
    found = cars(1, 800)
    for car in found:
        vehicle = car.vehicle
        if car.business == "registration":
            assert vehicle.plate is None
            assert vehicle.registered_on is None
            assert vehicle.made_on.year == 2026
        else:
            assert vehicle.plate is not None
            assert vehicle.registered_on is not None
            assert vehicle.made_on < vehicle.registered_on
            assert vehicle.registered_on.year <= 2020
    assert sum(car.business == "periodic" for car in found) == 400


def test_no_two_cars_share_vin_or_plate() -> None:
    found = cars(2, 5000)
    vins = [car.vehicle.vin for car in found]
    plates = [car.vehicle.plate.hphm for car in found if car.vehicle.plate]
    assert len(set(vins)) == len(vins)
    assert len(set(plates)) == len(plates)
    assert len({car.seed for car in found}) == len(found)


def test_faults_are_what_they_say() -> None:
    for car in cars(4, 8 * 60):
        vehicle = car.vehicle
        altered = sum(a != b for a, b in zip(car.shown_vin, vehicle.vin, strict=True))
        assert altered == (1 if car.planted == "vin_altered" else 0)
        assert (car.shown_plate != vehicle.plate) == (car.planted == "other_plate")
        assert bool(car.blurred_shot) == (car.planted == "blurred_photo")
        if car.planted == "vin_altered":
            assert set(car.shown_vin) <= set(ALPHABET)
            assert car.shown_vin[8] in "0123456789X"
            assert car.shown_vin[13:].isdigit()
        if car.planted == "other_plate":
            assert car.shown_plate is not None
            assert vehicle.plate is not None
            assert car.shown_plate.hpzl == vehicle.plate.hpzl
            assert CODES.plates.problems(car.shown_plate.hpzl, car.shown_plate.hphm) == ()
        if car.blurred_shot == "0111":
            assert vehicle.plate is not None


def test_lanes_and_officers_take_turns() -> None:
    assert {car.lane for car in cars(1, 12, lanes=3)} == {0, 1, 2}
    named = list(islice(fleet(1, 2, officers=("a", "b", "c")), 6))
    assert [car.officer for car in named] == ["a", "b", "c", "a", "b", "c"]


@pytest.mark.parametrize(("lanes", "every"), [(0, 8), (1, -1)])
def test_a_fleet_that_cannot_be_is_refused(lanes: int, every: int) -> None:
    with pytest.raises(ValueError, match="at least one lane"):
        next(fleet(1, lanes, fault_every=every))

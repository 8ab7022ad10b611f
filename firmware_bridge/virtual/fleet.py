"""The endless fleet of a virtual site: cars with papers, and one in eight with a planted fault."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random
from typing import Literal, TypeAlias

from lanes.plate_form import LETTERS, PROVINCES
from lanes.vehicle import Plate, Vehicle
from lanes.vin import LETTERS as VIN_LETTERS
from lanes.vin import YEAR_CODES, with_check_digit

Business: TypeAlias = Literal["registration", "periodic"]
Fault: TypeAlias = Literal["vin_altered", "other_plate", "weak_brake", "blurred_photo"]

FAULTS: tuple[Fault, ...] = ("vin_altered", "weak_brake", "other_plate", "blurred_photo")
FAULT_EVERY = 8
OFFICERS = ("officer-01", "officer-02")

HOME = "浙"
PURE_ELECTRIC, OTHER_NEW_ENERGY = "DABCE", "FGHJK"  # M, domain notes 5.2

WMI = "LTEST"  # fictitious maker and type: no real vehicle begins so
FIGURES_AT = (8, 13, 14, 15, 16)  # check digit and the last four
LOOK_ALIKES = {  # what an altered character becomes: what reading and eyes confuse
    "0": "D", "1": "7", "2": "Z", "3": "8", "4": "A", "5": "S", "6": "G", "7": "1", "8": "B", "9": "8",
    "B": "8", "D": "0", "S": "5", "Z": "2", "G": "6", "A": "4",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Make:
    """A fictitious model: class (cllx), kerb and gross mass in kg, seats, body shape."""

    brand: str
    model: str
    vehicle_class: str
    kerb_kg: int
    gross_kg: int
    seats: int
    shape: Literal["sedan", "hatch", "tall"]


MAKES = (
    Make(
        brand="测试牌",
        model="CS7150A",
        vehicle_class="K33",
        kerb_kg=1265,
        gross_kg=1640,
        seats=5,
        shape="sedan",
    ),
    Make(
        brand="测试牌",
        model="CS7180B",
        vehicle_class="K33",
        kerb_kg=1380,
        gross_kg=1780,
        seats=5,
        shape="sedan",
    ),
    Make(
        brand="模拟牌",
        model="MN7201C",
        vehicle_class="K33",
        kerb_kg=1495,
        gross_kg=1900,
        seats=5,
        shape="sedan",
    ),
    Make(
        brand="模拟牌",
        model="MN7140H",
        vehicle_class="K33",
        kerb_kg=1120,
        gross_kg=1510,
        seats=5,
        shape="hatch",
    ),
    Make(
        brand="虚构牌",
        model="XG7160H",
        vehicle_class="K33",
        kerb_kg=1210,
        gross_kg=1600,
        seats=5,
        shape="hatch",
    ),
    Make(
        brand="虚构牌",
        model="XG6460T",
        vehicle_class="K31",
        kerb_kg=1560,
        gross_kg=2050,
        seats=5,
        shape="tall",
    ),
    Make(
        brand="示例牌",
        model="SL6470T",
        vehicle_class="K31",
        kerb_kg=1675,
        gross_kg=2250,
        seats=7,
        shape="tall",
    ),
)
BATTERY_KG = 260  # an electric car of the same body is that much heavier
COLOURS = (
    "A",
    "A",
    "A",
    "J",
    "J",
    "B",
    "B",
    "E",
    "H",
    "H",
    "I",
    "G",
    "C",
)  # csys, about as often as on the road


@dataclass(frozen=True, kw_only=True)
class Car:
    """One vehicle that will come: its papers, and what is wrong with what will be seen of it."""

    number: int  # from 0, in order of arrival
    lane: int  # from 0
    seed: int
    vehicle: Vehicle
    business: Business
    officer: str
    shape: Literal["sedan", "hatch", "tall"]
    shown_plate: Plate | None  # on photo 0111; the gate camera sees the vehicle's own
    shown_vin: str  # struck in the metal; the label carries the one of the papers
    planted: Fault | None = None
    blurred_shot: str = ""  # which photo is blurred at its first taking


def fleet(
    seed: int,
    lane_count: int,
    *,
    fault_every: int = FAULT_EVERY,
    officers: Sequence[str] = OFFICERS,
) -> Iterator[Car]:
    """Endless, the same for the same arguments; one fault in each run of ``fault_every`` cars (0: none)."""
    if lane_count < 1 or fault_every < 0 or not officers:
        raise ValueError("a fleet needs at least one lane, one officer, and fault_every 0 or more")
    number, first_fault = 0, Random(f"{seed}/faults").randrange(len(FAULTS))
    while True:
        run = [sound_car(seed, number + i, lane_count, officers) for i in range(fault_every or FAULT_EVERY)]
        if fault_every:
            turn = number // fault_every
            run = plant(run, FAULTS[(first_fault + turn) % len(FAULTS)], Random(f"{seed}/plant/{turn}"))
        yield from run
        number += len(run)


def plant(run: list[Car], fault: Fault, dice: Random) -> list[Car]:
    """The run with one car spoilt; a plate can be exchanged only where there is one."""
    plated = [i for i, car in enumerate(run) if car.vehicle.plate]
    if fault == "other_plate" and not plated:
        fault = "weak_brake"
    at = dice.choice(plated if fault == "other_plate" else range(len(run)))
    run[at] = spoil(run[at], fault, dice)
    return run


def spoil(car: Car, fault: Fault, dice: Random) -> Car:
    """The same car with the fault that the system must find."""
    if fault == "vin_altered":
        return replace(car, planted=fault, shown_vin=altered_vin(car.vehicle.vin, dice))
    if fault == "other_plate" and car.vehicle.plate:
        other = replace_plate(car.vehicle.plate, dice)
        return replace(car, planted=fault, shown_plate=other)
    if fault == "blurred_photo":
        shot = dice.choice(("0111", "0113")) if car.vehicle.plate else "0113"
        return replace(car, planted=fault, blurred_shot=shot)
    return replace(car, planted=fault)


def sound_car(seed: int, number: int, lane_count: int, officers: Sequence[str]) -> Car:
    """Car ``number`` of the fleet before any fault is planted."""
    dice = Random(f"{seed}/car/{number}")
    business = business_of(seed, number)
    vehicle, make = papers(dice, business, permuted(seed, number))
    return Car(
        number=number,
        lane=number % lane_count,
        seed=dice.getrandbits(48),
        vehicle=vehicle,
        business=business,
        officer=officers[number % len(officers)],
        shape=make.shape,
        shown_plate=vehicle.plate,
        shown_vin=vehicle.vin,
    )


def business_of(seed: int, number: int) -> Business:
    """Half and half in each eight, in a drawn order."""
    order: list[Business] = ["registration", "periodic"] * 4
    Random(f"{seed}/business/{number // 8}").shuffle(order)
    return order[number % 8]


def papers(dice: Random, business: Business, serial: int) -> tuple[Vehicle, Make]:
    """A small passenger car, new (no plate yet) or in use for six to fourteen years."""
    make = dice.choice(MAKES)
    registered = (
        None if business == "registration" else date(2012, 3, 1) + timedelta(days=dice.randrange(3100))
    )
    made = (registered - timedelta(days=dice.randint(20, 120))) if registered else drawn_made_on(dice)
    fuel = dice.choices(("A", "C", "O"), (6, 3, 1))[0] if not registered or registered.year >= 2018 else "A"
    extra = BATTERY_KG if fuel == "C" else 0
    vehicle = Vehicle(
        vin=drawn_vin(dice, made.year, serial),
        vehicle_class=make.vehicle_class,
        use="A",
        made_on=made,
        gross_mass_kg=make.gross_kg + extra,
        kerb_mass_kg=make.kerb_kg + extra,
        plate=drawn_plate(dice, fuel, serial) if registered else None,
        brand=make.brand,
        model=make.model + ("EV" if fuel == "C" else ""),
        colour=dice.choice(COLOURS),
        seats=make.seats,
        fuel=fuel,
        engine_no=f"TE{dice.randrange(10**7):07d}",
        registered_on=registered,
    )
    return vehicle, make


def drawn_made_on(dice: Random) -> date:
    """A day of 2026 on which a car that is registered now was made."""
    return date(2026, 1, 5) + timedelta(days=dice.randrange(270))


def permuted(seed: int, number: int) -> int:
    """A number below 240,000 that no other car of the fleet has within 240,000 cars."""
    return (number * 77_477 + seed * 7_919 + 13) % 240_000  # 77,477 shares no factor with 240,000


# ---- plates and VINs -------------------------------------------------------------------------------------


def drawn_plate(dice: Random, fuel: str, serial: int) -> Plate:
    """Green with eight characters for new energy, else blue with seven; half of them of the home province."""
    head = (HOME if dice.random() < 0.5 else dice.choice(PROVINCES)) + dice.choice(LETTERS[:11])
    letter, digits = LETTERS[serial // 10_000], f"{serial % 10_000:04d}"
    if fuel in "CO":
        kind = dice.choice(PURE_ELECTRIC if fuel == "C" else OTHER_NEW_ENERGY)
        return Plate(hpzl="52", hphm=head + kind + letter + digits)
    at = dice.randrange(5)
    return Plate(hpzl="02", hphm=head + digits[:at] + letter + digits[at:])


def replace_plate(plate: Plate, dice: Random) -> Plate:
    """A plate of the same kind that differs in its last four places."""
    old = plate.hphm[-4:]
    digits = (
        f"{(int(''.join(c if c.isdigit() else '0' for c in old)) + dice.randint(1111, 8888)) % 10_000:04d}"
    )
    return Plate(hpzl=plate.hpzl, hphm=plate.hphm[:-4] + digits)


def drawn_vin(dice: Random, year: int, serial: int) -> str:
    """17 characters with the right check digit for a model year; the serial ends it."""
    kind = dice.choice("123456789") + dice.choice(VIN_LETTERS) + dice.choice("23456789")
    year_code = YEAR_CODES[(year - 2010) % 30]
    return with_check_digit(f"{WMI}{kind}0{year_code}{dice.choice(VIN_LETTERS)}{serial:06d}")


def altered_vin(vin: str, dice: Random) -> str:
    """The VIN with one character exchanged for a look-alike, or a figure of the serial for its neighbour.

    It stays well formed but for its check digit: figures remain figures where ISO 3779 wants them.
    """
    swaps = [(i, LOOK_ALIKES[c]) for i, c in enumerate(vin) if i >= len(WMI) and c in LOOK_ALIKES]
    swaps = [(i, other) for i, other in swaps if other.isdigit() or i not in FIGURES_AT]
    if swaps and dice.random() < 0.5:
        at, other = dice.choice(swaps)
    else:
        at = dice.randrange(13, 17)
        other = str((int(vin[at]) + dice.choice((1, 9))) % 10)
    return vin[:at] + other + vin[at + 1 :]

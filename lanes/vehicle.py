"""Plate and Vehicle: what is inspected, and a Problem of its papers. The key of a vehicle is (hpzl, hphm)."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct


class Plate(Struct, frozen=True, kw_only=True):
    """A plate: kind (hpzl, two digits, GA/T 16.7) and number (hphm, without blanks and dots)."""

    hpzl: Annotated[str, Meta(pattern="^[0-9]{2}$")]
    hphm: Annotated[str, Meta(min_length=5, max_length=12)]

    @property
    def key(self) -> tuple[str, str]:
        """What tells vehicles apart: many numbers stand under several kinds."""
        return self.hpzl, self.hphm


class Vehicle(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the papers say of a vehicle. Codes are those of GA/T 16; masses in kg."""

    vin: Annotated[str, Meta(min_length=1, max_length=25)]
    vehicle_class: Annotated[str, Meta(pattern="^[A-Z][0-9A-Z]{2}$")]  # cllx, such as K33
    use: Annotated[str, Meta(pattern="^[A-Z]$")]  # syxz, such as A
    made_on: date
    gross_mass_kg: Annotated[int, Meta(gt=0)]
    kerb_mass_kg: Annotated[int, Meta(gt=0)]
    plate: Plate | None = None
    brand: Annotated[str, Meta(max_length=80)] = ""
    model: Annotated[str, Meta(max_length=80)] = ""
    colour: Annotated[str, Meta(max_length=8)] = ""  # csys
    seats: int = 5
    fuel: Annotated[str, Meta(max_length=4)] = "A"  # rlzl
    engine_no: Annotated[str, Meta(max_length=40)] = ""
    registered_on: date | None = None
    axles: Annotated[int, Meta(ge=1, le=6)] = 2
    parking_axles: tuple[int, ...] = (2,)
    driven_axles: tuple[int, ...] = ()  # qdxs
    steer_suspension: Literal["independent", "dependent"] = "independent"
    service_brake: Literal["hydraulic", "air"] = "hydraulic"
    imported: bool = False
    lamps: Literal["one", "two", "four"] = "two"  # lamp system of the main beams (灯制)
    top_speed_kmh: Annotated[int, Meta(gt=0)] | None = None
    length_mm: Annotated[int, Meta(gt=0)] | None = None
    width_mm: Annotated[int, Meta(gt=0)] | None = None
    height_mm: Annotated[int, Meta(gt=0)] | None = None
    wheelbase_mm: Annotated[int, Meta(gt=0)] | None = None
    side_board_mm: Annotated[int, Meta(gt=0)] | None = None  # 栏板高度
    vin_series: Annotated[str, Meta(max_length=25)] = ""  # 公告 sbdhxl, with wildcards


class Problem(Struct, frozen=True):
    """One thing wrong with the papers of a vehicle: an error binds, a warning is told to the officer."""

    level: Literal["error", "warning"]
    code: str
    zh: str
    en: str

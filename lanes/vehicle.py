"""Plate, Vin and Vehicle: what is inspected. The key of a vehicle is (hpzl, hphm), never hphm alone."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct


class Plate(Struct, frozen=True, kw_only=True):
    """A plate: kind (hpzl, two digits, GA/T 16.7) and number (hphm, without blanks and dots)."""

    hpzl: Annotated[str, Meta(pattern="^[0-9]{2}$")]
    hphm: Annotated[str, Meta(min_length=5, max_length=12)]


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


# ---- plates (GA 36; domain notes 5.2: F for the civil formats, M for 03 04 22 31 32) --------------

PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
_P, _A, _N = f"[{PROVINCES}]", "[A-HJ-NP-Z]", "[A-HJ-NP-Z0-9]"  # no letter O, no letter I on a plate
_CIVIL = f"{_P}{_A}{_N}{{5}}"
_TAILED = f"{_P}{_A}{_N}{{4}}"
_ELECTRIC = "[DABCEFGHJK]"  # D A B C E battery, F G H J K other new energy (M)

_FORMATS: dict[str, re.Pattern[str]] = {
    hpzl: re.compile(pattern)
    for hpzl, pattern in {
        "01": _CIVIL,
        "02": _CIVIL,
        "03": "使[0-9]{6}|[0-9]{6}使",
        "04": f"{_P}{_A}?[0-9]{{4,5}}领",
        "07": _CIVIL,
        "08": _CIVIL,
        "13": _CIVIL,
        "15": f"{_TAILED}挂",
        "16": f"{_TAILED}学",
        "22": f"{_P}[A-Z][A-Z0-9]{{5}}临?",
        "23": f"{_TAILED}警",
        "26": f"粤Z{_N}{{4}}港",
        "27": f"粤Z{_N}{{4}}澳",
        "31": f"WJ{_P}?[0-9]{{4}}[A-Z0-9]",
        "32": "[A-Z]{2}[A-Z0-9]{5}",
        "51": f"{_P}{_A}[0-9]{{5}}{_ELECTRIC}",
        "52": f"{_P}{_A}{_ELECTRIC}{_N}[0-9]{{4}}",
    }.items()
}
_AT_MOST_TWO_LETTERS = frozenset({"01", "02", "07", "08", "13"})
_SEPARATORS = re.compile(r"[\s·・•.．\-_—–]+")

# What reading confuses on plates and VINs (F: blogs on reading for the periodic test; domain notes 4).
LOOK_ALIKES: tuple[frozenset[str], ...] = tuple(frozenset(g) for g in ("0OQD", "1I", "8B", "5S", "2Z", "6G"))


class PlateError(ValueError):
    """Text that cannot be the number of a plate of that kind."""


def fold(text: str) -> str:
    """One spelling of typed or read text: half width, upper case, no blanks, dots or hyphens."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()


def plate_problems(hpzl: str, hphm: str) -> tuple[str, ...]:
    """What is wrong with a plate, one sentence each; empty: well formed, or a kind without a known format."""
    number = fold(hphm)
    if not re.fullmatch(r"[0-9]{2}", hpzl):
        return (f"hpzl {hpzl!r} is not a plate kind: write the two digits of GA/T 16.7, such as 02",)
    if not 5 <= len(number) <= 12:
        return (f"hphm {number!r} has {len(number)} characters: a plate has 5 to 12",)
    pattern = _FORMATS.get(hpzl)
    if pattern is None:
        return ()
    if pattern.fullmatch(number) is None:
        return (f"hphm {number!r} is no plate of kind {hpzl}{_plate_hint(hpzl, number)}",)
    if hpzl in _AT_MOST_TWO_LETTERS and sum(c.isalpha() for c in number[2:]) > 2:
        return (f"hphm {number!r} has more than two letters among its last five",)
    return ()


def _plate_hint(hpzl: str, number: str) -> str:
    """The likeliest reason, as the end of a sentence."""
    if "O" in number[2:] or "I" in number[2:]:
        return ": plates have no letter O and no letter I, is it 0 or 1?"
    others = [kind for kind in plate_kinds(number) if kind != hpzl]
    if others:
        return f": it would fit kind {', '.join(others)}"
    return ": check province, letter and length"


def plate_kinds(hphm: str) -> tuple[str, ...]:
    """The kinds (hpzl) whose format this number fits; many numbers stand under several kinds."""
    number = fold(hphm)
    return tuple(
        hpzl
        for hpzl, pattern in _FORMATS.items()
        if pattern.fullmatch(number) and not (hpzl in _AT_MOST_TWO_LETTERS and plate_problems(hpzl, number))
    )


def parse_plate(hpzl: str, text: str) -> Plate:
    """Plate from typed text; raises PlateError with every problem."""
    problems = plate_problems(hpzl, text)
    if problems:
        raise PlateError("; ".join(problems))
    return Plate(hpzl=hpzl, hphm=fold(text))


def format_plate(plate: Plate) -> str:
    """The number as it is painted: a dot after province and letter (浙A·12345)."""
    if plate.hphm[0] in PROVINCES:
        return f"{plate.hphm[:2]}·{plate.hphm[2:]}"
    return plate.hphm


def looks_like(one: str, other: str) -> bool:
    """Whether two texts differ only by characters that reading confuses; equal texts look alike too."""
    return len(one) == len(other) and all(
        a == b or any(a in group and b in group for group in LOOK_ALIKES)
        for a, b in zip(one, other, strict=True)
    )


# ---- VIN (ISO 3779, GB 16735; domain notes 4: M unless marked) ----------------------------------

VIN_ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_VALUES = {c: int(c) for c in "0123456789"} | dict(
    zip(_LETTERS, map(int, "12345678123457923456789"), strict=True)
)
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_YEAR_CODES = "ABCDEFGHJKLMNPRSTVWXY123456789"  # 1980 and 2010 = A; thirty years a turn
_BINDS_FROM = date(2004, 10, 1)  # GB 16735-2004 in force; year Q by the notes, day M
_CHINESE, _AMERICAN = frozenset("LH"), frozenset("12345")
_LOOSE_CLASSES = ("B", "G", "N", "H5")  # trailers, three-wheelers, low-speed: a failed digit only warns
_OWN_NUMBERS = ("M", "N")  # motorcycles and three-wheelers may bear a factory number (整车出厂编号) instead


class VinProblem(Struct, frozen=True):
    """One thing wrong with a VIN: an error binds, a warning is told to the officer."""

    level: Literal["error", "warning"]
    code: str
    zh: str
    en: str


def fold_vin(text: str) -> str:
    """One spelling of a VIN; letters that it cannot have become the digits they look like (O Q 0, I 1)."""
    return fold(text).translate(str.maketrans("OQI", "001"))


def check_digit(vin: str) -> str:
    """The ninth character a 17-character VIN must have; raises ValueError for other texts."""
    if len(vin) != 17 or any(c not in _VALUES for i, c in enumerate(vin) if i != 8):
        raise ValueError(f"{vin!r} is not a 17-character VIN")
    remainder = sum(_VALUES[c] * w for c, w in zip(vin, _WEIGHTS, strict=True) if w) % 11
    return "X" if remainder == 10 else str(remainder)


def model_years(vin: str) -> tuple[int, ...]:
    """The years the tenth character may mean from 1980 to 2069; empty: not a year code."""
    if len(vin) < 10 or vin[9] not in _YEAR_CODES:
        return ()
    first = 1980 + _YEAR_CODES.index(vin[9])
    return (first, first + 30, first + 60)


def vin_binds(vin: str, made_on: date, imported: bool, vehicle_class: str) -> bool:
    """Whether the VIN rules (check digit, year, serial) bind this vehicle or are only information."""
    if vehicle_class.startswith(_LOOSE_CLASSES):
        return False
    if vin[:1] in _AMERICAN:
        return True
    return not (imported and vin[:1] not in _CHINESE) and made_on >= _BINDS_FROM


def vin_problems(vin: str, made_on: date, imported: bool, vehicle_class: str) -> tuple[VinProblem, ...]:
    """Everything wrong with a VIN as it stands in the papers; empty: nothing."""
    binds = vin_binds(vin, made_on, imported, vehicle_class)
    if len(vin) != 17:
        loose = vehicle_class.startswith(_OWN_NUMBERS) or not binds
        return (
            _problem(
                not loose, "length", f"应为17位，现为{len(vin)}位", f"has {len(vin)} characters, not 17"
            ),
        )
    wrong = "".join(sorted(set(vin) - set(VIN_ALPHABET)))
    if wrong:
        return (_problem(True, "alphabet", f"不得含有 {wrong}", f"must not contain {wrong}"),)
    return tuple(_structure(vin, made_on, imported, binds))


def _structure(vin: str, made_on: date, imported: bool, binds: bool) -> Iterator[VinProblem]:
    """The rules for seventeen legal characters."""
    due, nine, ten = check_digit(vin), vin[8], vin[9]
    if nine != due:
        said = f"第9位应为{due}，现为{nine}", f"character 9 is {nine}, the check digit is {due}"
        yield _problem(binds, "check_digit", *said)
    if not vin[13:].isdigit():
        yield _problem(binds, "serial", "末4位应为数字", "the last four characters must be digits")
    years = model_years(vin)
    if not years:
        yield _problem(
            binds, "year_code", f"第10位 {ten} 不是年份代码", f"character 10, {ten}, is no year code"
        )
    elif not any(abs(year - made_on.year) <= 1 for year in years):  # may run one ahead or behind (M)
        said = f"第10位年份与出厂日期 {made_on} 不符", f"character 10 does not fit the date made, {made_on}"
        yield _problem(False, "year", *said)
    if not imported and vin[0] not in _CHINESE:
        yield _problem(
            False, "region", "国产车应以 L 或 H 开头", "of a vehicle made in China begins with L or H"
        )


def _problem(error: bool, code: str, zh: str, en: str) -> VinProblem:
    return VinProblem("error" if error else "warning", code, f"车辆识别代号{zh}", f"VIN {en}")

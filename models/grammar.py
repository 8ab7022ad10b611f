"""What a plate and a VIN may look like: symbols, foldings of the recognisers' classes, and patterns.

The forms of plates are those of ``configs/rules/plates.toml`` as it was installed, those before today's too.
VIN: GB 16735 / ISO 3779, 33 characters (M).
"""

import tomllib
from functools import cache
from importlib.resources import files

from lanes.plate import Plates
from lanes.plate_form import DIGITS, LETTERS, PROVINCES
from lanes.vin import ALPHABET as VIN_ALPHABET
from lanes.vin import CHECKED, check_digit
from models.claims import Form
from models.ctc import Alphabet

PLATE_BLANKS = " ·•.-—_:,'`|・。"  # separators: the round dot of the plate is read as any of these
OLD_FORMS = {
    "苏": "蘇", "云": "雲", "辽": "遼", "鲁": "魯", "宁": "寧", "晋": "晉", "沪": "滬", "贵": "貴",
    "陕": "陝", "赣": "贛", "闽": "閩", "学": "學", "领": "領", "应": "應", "试": "試",
}  # fmt: skip
CAPITALS = {letter: letter.lower() for letter in LETTERS}
PLATE_FOLDS = CAPITALS | OLD_FORMS | {"0": "oO", "1": "iI", "O": "o"}

STAR = "*"
VIN_FOLDS = {letter: letter.lower() for letter in VIN_ALPHABET if letter.isalpha()} | {
    "0": "oOqQ",
    "1": "iI|",
    STAR: "★☆✱XxKkH#",  # recognisers take the struck star for these; only allowed outside the 17 characters
}
VIN_BLANKS = " .-—_:,'`·"


@cache
def installed_plates() -> Plates:
    """The forms of plates that came with this installation."""
    text = (files("configs") / "rules" / "plates.toml").read_text(encoding="utf-8")
    return Plates.from_tables({"plates": tomllib.loads(text)})


@cache
def plate_places() -> dict[tuple[str, ...], float]:
    """What is looked for in photos: the characters of each place, and the log prior of that form.

    Forms that differ at one place only are one, which is the same set of texts and fewer to try.
    """
    found: dict[tuple[str, ...], float] = {}
    for form in installed_plates().forms:
        if form.row.read:
            _join(found, form.places, RARE if form.row.rare else 0.0)
    return found


def _join(found: dict[tuple[str, ...], float], places: tuple[str, ...], prior: float) -> None:
    """Adds a form, joined with one of the same prior that differs at one place at most."""
    for other in [other for other, known in found.items() if known == prior and len(other) == len(places)]:
        apart = [i for i, (a, b) in enumerate(zip(places, other, strict=True)) if a != b]
        if len(apart) < 2:
            del found[other]
            places = tuple("".join(dict.fromkeys(a + b)) for a, b in zip(other, places, strict=True))
    found[places] = prior


@cache
def plate_symbols() -> str:
    """Every character that is looked for on a plate."""
    every = "".join("".join(places) for places in plate_places())
    return "".join(dict.fromkeys(PROVINCES + every + LETTERS + DIGITS))


def plate_alphabet(labels: list[str]) -> Alphabet:
    """Plate symbols out of a recogniser's labels."""
    return Alphabet(plate_symbols(), labels, PLATE_FOLDS, PLATE_BLANKS)


def vin_alphabet(labels: list[str]) -> Alphabet:
    """VIN symbols and the struck star out of a recogniser's labels."""
    return Alphabet(VIN_ALPHABET + STAR, labels, VIN_FOLDS, VIN_BLANKS)


RARE = -3.0  # log prior of the special forms: enough to settle 川 against M, not to overrule a clear reading


def plate_forms(alphabet: Alphabet) -> list[Form]:
    """Every plate form, the frequent ones first."""
    ordered = sorted(plate_places().items(), key=lambda item: -item[1])
    return [
        Form(name=" ".join(places), pattern=alphabet.allow(*places), prior=prior) for places, prior in ordered
    ]


def vin_forms(alphabet: Alphabet) -> list[Form]:
    """17 characters, bare or with a star before, after, or on both sides.

    The last four are digits (ISO 3779, domain notes 4, M); where the check digit is required it is 0-9 or X.
    """
    other = "".join(c for c in VIN_ALPHABET if c not in CHECKED)
    tail = [VIN_ALPHABET] * 4 + [DIGITS] * 4
    bodies = {
        "checked": [CHECKED] + [VIN_ALPHABET] * 7 + [DIGITS + "X"] + tail,
        "free": [other] + [VIN_ALPHABET] * 8 + tail,
    }
    stars: list[tuple[list[str], list[str]]] = [([], []), ([STAR], []), ([], [STAR]), ([STAR], [STAR])]
    return [
        Form(name=name, pattern=alphabet.allow(*before, *body, *after))
        for name, body in bodies.items()
        for before, after in stars
    ]


def check_holds(vin: str) -> bool | None:
    """Whether the check digit of 17 characters is right; None where the maker's region requires none."""
    return vin[8] == check_digit(vin) if vin[0] in CHECKED else None

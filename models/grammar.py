"""What a plate and a VIN may look like: symbols, foldings of the recognisers' classes, and patterns.

Plate formats: GA 36-2018 and the forms before it (domain notes 5.2: F for civil and new-energy forms, M for
the rest); O stands only second, on old police plates (M). VIN: GB 16735 / ISO 3779, 33 characters (M).
"""

from lanes.vehicle import PROVINCES, VIN_ALPHABET, check_digit
from models.claims import Form
from models.ctc import Alphabet

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
DIGITS = "0123456789"
SERIAL = "ABCDEFGHJKLMNPQRSTUVWXYZ" + DIGITS
ENERGY = "DABCEFGHJK"  # D A B C E electric, F G H J K other new energy
PLATE_SYMBOLS = PROVINCES + "学警港澳挂领使民航应急试超" + LETTERS + "O" + DIGITS
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
VIN_LENGTH = 17
CHECKED_REGIONS = "L12345"  # China by GB 16735, North America; elsewhere the ninth place is free (M)


def plate_alphabet(labels: list[str]) -> Alphabet:
    """Plate symbols out of a recogniser's labels."""
    return Alphabet(PLATE_SYMBOLS, labels, PLATE_FOLDS, PLATE_BLANKS)


def vin_alphabet(labels: list[str]) -> Alphabet:
    """VIN symbols and the struck star out of a recogniser's labels."""
    return Alphabet(VIN_ALPHABET + STAR, labels, VIN_FOLDS, VIN_BLANKS)


RARE = -3.0  # log prior of the special forms: enough to settle 川 against M, not to overrule a clear reading


def plate_forms(alphabet: Alphabet) -> list[Form]:
    """Every plate form, the frequent ones first."""
    serial, digit, province, letter = [SERIAL], [DIGITS], [PROVINCES], [LETTERS]
    frequent = {
        "civil": province + [LETTERS + "O"] + serial * 5,
        "marked": province + letter + serial * 4 + ["学警港澳挂领试超"],
        "energy_small": province + letter + [ENERGY] + serial + digit * 4,
        "energy_large": province + letter + digit * 5 + [ENERGY],
    }
    special = {
        "consular": province + digit * 5 + ["领"],
        "embassy": ["使"] + digit * 6,
        "embassy_2017": digit * 6 + ["使"],
        "police_force": ["W", "J", PROVINCES] + digit * 4 + serial,
        "police_force_2004": ["W", "J"] + digit * 6 + serial,
        "military": letter + letter + digit * 5,
        "aviation": ["民", "航"] + letter + digit * 4,
        "rescue": province + ["XS"] + digit * 4 + ["应", "急"],
    }
    both = [(frequent, 0.0), (special, RARE)]
    return [
        Form(name=name, pattern=alphabet.allow(*places), prior=prior)
        for forms, prior in both
        for name, places in forms.items()
    ]


def vin_forms(alphabet: Alphabet) -> list[Form]:
    """17 characters, bare or with a star before, after, or on both sides.

    The last four are digits (ISO 3779, domain notes 4, M); where the check digit is required it is 0-9 or X.
    """
    other = "".join(c for c in VIN_ALPHABET if c not in CHECKED_REGIONS)
    tail = [VIN_ALPHABET] * 4 + [DIGITS] * 4
    bodies = {
        "checked": [CHECKED_REGIONS] + [VIN_ALPHABET] * 7 + [DIGITS + "X"] + tail,
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
    return vin[8] == check_digit(vin) if vin[0] in CHECKED_REGIONS else None

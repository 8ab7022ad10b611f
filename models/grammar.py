"""What a plate and a VIN may look like: symbols, foldings of the recognisers' classes, and patterns.

The forms of plates are those of ``configs/rules/plates.toml`` as it was installed, those before today's too.
VIN: GB 16735 / ISO 3779, 33 characters (M).
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from lanes.plate import Plates
from lanes.plate_form import DIGITS, LETTERS, PROVINCES
from lanes.vin import ALPHABET as VIN_ALPHABET
from lanes.vin import CHECKED, LENGTH, check_digit, check_share, maker
from models.claims import Form, Plausible
from models.ctc import Alphabet, Frames

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


def plate_prior(text: str) -> float:
    """The log prior of the most frequent form that a plate fits; 0 of one that fits none."""
    fitting = [
        prior
        for places, prior in plate_places().items()
        if len(places) == len(text) and all(c in place for c, place in zip(text, places, strict=True))
    ]
    return max(fitting, default=0.0)


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


MISCOUNTED = -5.0  # log prior of a VIN whose check digit is wrong where its region requires one
UNKNOWN_MAKER = -5.0  # log prior of a WMI outside China that is none of the frequent ones
# Frequent WMIs outside China (M; most stand in photos of Roboflow kirill-sergeev/vin-detection, CC BY 4.0).
# China has more makers than anyone lists: any WMI that begins with L is taken.
_MAKERS = """
1B3 1C3 1C4 1C6 1C8 1D7 1FA 1FD 1FM 1FT 1FU 1G1 1G4 1G6 1GC 1GN 1GT 1GY 1HG 1J4 1J8 1M1 1N4 1N6 1VW 1XP
2C3 2C4 2D4 2FA 2FM 2G1 2GN 2HG 2HM 2T1 2T2 2T3 3C4 3C6 3CZ 3D7 3FA 3GC 3GN 3GS 3GT 3N1 3N6 3VV 3VW
4F2 4JG 4S3 4S4 4T1 4T3 4US 5FN 5GA 5J6 5LM 5N1 5NP 5TD 5TF 5UX 5XX 5XY 5YJ 5YM 7SA
JDA JF1 JF2 JHG JHL JHM JM1 JM3 JMA JMB JMY JMZ JN1 JN8 JNA JS2 JS3 JSA JT2 JTD JTE JTH JTJ JTM JTN
KL1 KL7 KL8 KLA KMF KMH KMJ KNA KND KNE KNM KPA KPT MAL MBH MDH MHF MM0 MMB MNB MNT MR0 MX1 NLH NM0
NMB NMT RUM SAJ SAL SAR SB1 SCA SCB SCC SHH SJN TMA TMB TMP TRU TSM U5Y U6Y UU1
VF1 VF3 VF6 VF7 VF8 VNK VNV VR1 VR3 VR7 VS6 VS7 VSK VSS W0L W0V W1K W1N W1V WAU WBA WBS WBW WBX WBY
WDA WDB WDC WDD WDF WF0 WMA WME WMW WP0 WP1 WUA WV1 WV2 WVG WVW
X4X X7L X9F X9L XL9 XLR XMC XP7 XTA XTH XTT XUF XUU XW7 XW8 XWB XWE XZG YK1 YS2 YS3 YV1 YV4
Z6F Z7X Z8N Z8T Z94 ZAM ZAR ZCF ZFA ZFF ZHW ZLA
"""
MAKERS = frozenset(_MAKERS.split())


def vin_plausible(alphabet: Alphabet) -> Plausible:
    """The log prior of VINs by check digit and maker."""
    symbols = " " + alphabet.symbols
    shares = np.array([[check_share(place, c) for c in symbols] for place in range(LENGTH)])
    bound = np.array([c in CHECKED for c in symbols])
    strange = np.array([c not in DIGITS + "X" for c in symbols])  # cannot be a check digit

    def plausible(columns: Sequence[int]) -> tuple[float, Frames]:
        at = list(columns)
        near = np.zeros((len(at), len(symbols)))
        if len(at) != LENGTH:
            return 0.0, near
        rows = np.arange(LENGTH)
        others = int(shares[rows, at].sum()) - shares[rows, at]
        wrong = (others[:, None] + shares) % 11 != 0
        wrong[8] |= strange
        wrong[rows != 8] |= strange[at[8]]
        binds = np.repeat(bound[at[0]], LENGTH)[:, None] | np.zeros_like(wrong)
        binds[0] = bound
        near += np.where(wrong & binds, MISCOUNTED, 0.0)
        text = alphabet.text(at)
        for row in range(3):
            near[row] += [_maker_prior(text[:row] + c + text[row + 1 :]) for c in symbols]
        near[3:] += _maker_prior(text)
        own = float(near[0, at[0]])
        return own, near

    return plausible


def _maker_prior(vin: str) -> float:
    return 0.0 if vin[0] == "L" or maker(vin).wmi in MAKERS else UNKNOWN_MAKER


def check_holds(vin: str) -> bool | None:
    """Whether the check digit of 17 characters is right; None where the maker's region requires none."""
    return vin[8] == check_digit(vin) if vin[0] in CHECKED else None

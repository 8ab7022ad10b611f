"""What a scanned text means: one of our forms, a VIN, an inspection number, a plate, or nothing known."""

import re
from typing import Literal, TypeAlias

from msgspec import Struct

from lanes.form_digest import SCHEME, seen_in
from lanes.spelling import fold
from lanes.vin import ALPHABET, LENGTH

Meant: TypeAlias = Literal["form", "inspection", "vin", "plate", "unknown"]
#: inspections are numbered by UUIDs of version 7; platforms number theirs by digits and letters (cylsh, M)
_OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
#: a character of a province or WJ, then as GA 36: letters and digits with few Chinese characters (M)
_PLATE = re.compile(r"(?:[\u4e00-\u9fff]|WJ[\u4e00-\u9fff]?)[A-Z0-9]{4,8}[\u4e00-\u9fff]?")
_VIN_TAG = re.compile(r"(?:VIN|车辆识别代号|车架号)[:：=\s]*", re.IGNORECASE)
_PLACE = re.compile(r"(?<![A-Z0-9])[A-Z0-9]{17}(?![A-Z0-9])")


class Meaning(Struct, frozen=True):
    """What a text stands for, and its value in the one spelling that is looked up; unknown: as scanned."""

    kind: Meant
    value: str


def meaning(text: str) -> Meaning:
    """What a scanned text means; it never raises.

    ``form`` and ``inspection`` give an inspection's number; a ``vin`` has 17 characters of a VIN's alphabet,
    alone or after its name; only what says which vehicle it is counts, so of two different VINs in one text
    none does.
    """
    bare = text.strip()
    if bare.startswith(SCHEME):
        try:
            return Meaning("form", seen_in(bare).inspection)
        except ValueError:
            return Meaning("unknown", bare)
    if _OURS.fullmatch(bare):
        return Meaning("inspection", bare.lower())
    found = _vins(bare)
    if len(found) == 1:
        return Meaning("vin", found[0])
    folded = fold(bare)
    if not found and _PLATE.fullmatch(folded):
        return Meaning("plate", folded)
    return Meaning("unknown", bare)


def _vins(text: str) -> list[str]:
    """Every VIN of a text, each once: the whole of it, or words of it; a digit of a longer number is none."""
    whole = fold(_VIN_TAG.sub("", text))
    words = [whole] if len(whole) == LENGTH else _PLACE.findall(text.upper())
    known = set(ALPHABET)
    return list(dict.fromkeys(word for word in words if known.issuperset(word) and not word.isdigit()))

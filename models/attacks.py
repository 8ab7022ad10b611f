"""Claims that are wrong, made by rule and seeded: what a forger or a tired clerk would put beside a photo."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from lanes.plate_form import PROVINCES
from lanes.spelling import ALIKE, NEAR, fold, misread_as
from lanes.vin import ALPHABET, check_digit, fold_vin, with_check_digit

SEED = 20261122
SERIAL = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # GA 36: neither I nor O
CHECK_PLACE = 8
Way: TypeAlias = Literal["look_alike", "other", "swap", "two", "province", "neighbour"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attack:
    """A wrong claim and the rule that made it."""

    way: Way
    claim: str


Recipe: TypeAlias = Sequence[tuple[Way, int]]
#: How many claims of each way are made of one label.
RECIPES: Mapping[str, Recipe] = {
    "plate": (("look_alike", 2), ("other", 1), ("swap", 1), ("two", 1), ("province", 1), ("neighbour", 1)),
    "vin": (("look_alike", 8), ("other", 2), ("swap", 2), ("two", 4), ("neighbour", 5)),
}


def attacks(kind: Literal["plate", "vin"], label: str, seed: int = SEED) -> tuple[Attack, ...]:
    """The wrong claims about a photo of ``label``: the same for the same label and seed, none twice."""
    dice = random.Random(f"{seed}/{kind}/{label}")  # noqa: S311 - seeded, not secret
    make = _plate if kind == "plate" else _vin
    found: dict[str, Way] = {}
    for way, count in RECIPES[kind]:
        for claim in _distinct(partial(make, label, way, dice), count, {label, *found}):
            found[claim] = way
    return tuple(Attack(way=way, claim=claim) for claim, way in found.items())


def spelled(kind: Literal["plate", "vin"], text: str) -> str:
    """A label as it is compared: a plate has no O and no I in its serial (GA 36), a VIN no I, O, Q."""
    if kind == "vin":
        return fold_vin(text)
    plain = fold(text)
    return plain[:2] + plain[2:].translate(str.maketrans("OI", "01"))


TRIES = 20  # draws a claim; a short label may have fewer different ones than wanted


def _distinct(draw: Callable[[], str | None], count: int, known: set[str]) -> Iterator[str]:
    for _ in range(count * TRIES):
        claim = draw()
        if claim is None or not count:
            return
        if claim not in known:
            known.add(claim)
            count -= 1
            yield claim


def _plate(plate: str, way: Way, dice: random.Random) -> str | None:
    head, tail = plate[:2], plate[2:]
    if way == "province":
        return dice.choice(PROVINCES) + plate[1:] if plate[0] in PROVINCES else None
    if way == "neighbour":
        return head + _next_number(tail, dice)
    changed = _changed(tail, way, SERIAL, dice)
    return None if changed is None else head + changed


def _vin(vin: str, way: Way, dice: random.Random) -> str | None:
    """Where a check digit held it holds again in a neighbour's: no arithmetic can tell the two apart."""
    if way == "neighbour":
        other = vin[:-4] + _next_number(vin[-4:], dice)
        return with_check_digit(other) if check_digit(vin) == vin[CHECK_PLACE] else other
    return _changed(vin, way, ALPHABET, dice)


def _changed(text: str, way: Way, alphabet: str, dice: random.Random) -> str | None:
    places = [n for n, c in enumerate(text) if c in alphabet]
    if way == "swap":
        return _swapped(text, places, dice)
    count = 2 if way == "two" else 1
    characters = list(text)
    for at in dice.sample(places, min(count, len(places))):
        alike = [] if way == "other" else _alike(characters[at], alphabet)
        characters[at] = dice.choice(alike or [c for c in alphabet if c != characters[at]])
    return "".join(characters)


def _alike(character: str, alphabet: str) -> list[str]:
    """What reading takes a character for, else what worn strokes make of it."""
    for cost in (ALIKE, NEAR):
        if found := [c for c in misread_as(character, cost) if c in alphabet]:
            return found
    return []


def _swapped(text: str, places: Sequence[int], dice: random.Random) -> str | None:
    pairs = [n for n in places if n + 1 in places and text[n] != text[n + 1]]
    if not pairs:
        return None
    at = dice.choice(pairs)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _next_number(text: str, dice: random.Random) -> str:
    """A number of the same series: the digits at the end of ``text``, a few further on; letters stay."""
    digits = len(text) - len(text.rstrip("0123456789"))
    if not digits:
        return text
    number = (int(text[-digits:]) + dice.randint(1, 99)) % 10**digits
    return text[:-digits] + str(number).zfill(digits)

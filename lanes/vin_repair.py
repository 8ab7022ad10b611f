"""What a misread VIN may have been: candidates by cost, within the alphabet, the check digit and the series.

A look-alike is cheap, another character dear, a lost or added one dearer (lanes.spelling). At most two
characters are exchanged, or one is lost or added; the total cost is bounded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product
from typing import NamedTuple

from msgspec import Struct

from lanes.spelling import OTHER, SHIFT, misread_as, misreading_cost
from lanes.vin import ALPHABET, CHECKED, DIGITS, LENGTH, YEAR_CODES, check_share, fold_vin, series_places

BUDGET = 4  # cost at most: two near look-alikes, a look-alike and any other, or one lost or added character
CANDIDATES = 5


class Change(Struct, frozen=True):
    """At a place of the true VIN (from 1), what was read and what it was; empty: lost or added."""

    place: int
    read: str
    true: str


class Repair(Struct, frozen=True):
    """A VIN that may have been misread so, what that costs, and where it was."""

    vin: str
    cost: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a candidate must be: characters by place, and whether its check digit must be right."""

    places: tuple[str, ...]
    binds: Callable[[str], bool]  # by the first character


class _Swap(NamedTuple):
    """One character exchanged: its place from 0, the true character, and what the check sum gains."""

    at: int
    true: str
    gain: int


def repairs(
    read: str, *, series: str = "", tail: str = "", checked: bool | None = None, most: int = CANDIDATES
) -> tuple[Repair, ...]:
    """VINs that ``read`` may stand for, the cheapest first; the text itself at cost 0 if it is sound.

    ``series``: that of the announcement; ``tail``: known last characters; ``checked``: whether a check digit
    is due, by default when the first character's region has one.
    """
    text, wanted = fold_vin(read), _wanted(series, tail, checked)
    if len(text) == LENGTH:
        return _best(_exchanged(text, wanted), most)
    shifted = _grown(text) if len(text) == LENGTH - 1 else _shrunk(text) if len(text) == LENGTH + 1 else ()
    sound = {repair.vin: repair for repair in shifted if _sound(repair.vin, wanted)}
    return _best(iter([list(sound.values())]), most)


def _best(levels: Iterator[list[Repair]], most: int) -> tuple[Repair, ...]:
    """Candidates level by level of cost until there are enough."""
    found: list[Repair] = []
    for level in levels:
        found += sorted(level, key=_order)
        if len(found) >= most:
            break
    return tuple(found[:most])


def _order(repair: Repair) -> tuple[int, int, int, str]:
    """Cheap before dear, figures before letters where makers number their vehicles (places 12, 13; M)."""
    letters = sum(c.isalpha() for c in repair.vin[11:13])
    return repair.cost, letters, len(repair.changes), repair.vin


@lru_cache(256)
def _wanted(series: str, tail: str, checked: bool | None) -> _Wanted:
    free = (*[ALPHABET] * 9, YEAR_CODES, *[ALPHABET] * 3, *[DIGITS] * 4)
    end = fold_vin(tail)[-LENGTH:].rjust(LENGTH)
    said = zip(free, series_places(series), end, strict=True)
    places = tuple(last.strip() or due or legal for legal, due, last in said)
    return _Wanted(places, lambda first: first in CHECKED if checked is None else checked)


def _sound(vin: str, wanted: _Wanted) -> bool:
    legal = all(c in place for c, place in zip(vin, wanted.places, strict=True))
    return legal and _checks(_sum(vin), vin[0], vin[8], wanted)


def _sum(vin: str) -> int:
    return sum(check_share(i, c) for i, c in enumerate(vin))


def _checks(total: int, first: str, nine: str, wanted: _Wanted) -> bool:
    """Whether a sum is that of a right check digit, or none is due."""
    return not wanted.binds(first) or (total % 11 == 0 and nine in DIGITS + "X")


def _exchanged(text: str, wanted: _Wanted) -> Iterator[list[Repair]]:
    """Candidates with none, one or two characters exchanged, by rising cost."""
    wrong = {i for i, (c, place) in enumerate(zip(text, wanted.places, strict=True)) if c not in place}
    if len(wrong) > 2:
        return
    total = _sum(text)
    if not wrong and _checks(total, text[0], text[8], wanted):
        yield [Repair(text, 0, ())]
    swaps: dict[int, list[_Swap]] = {}
    for cost in range(1, BUDGET + 1):
        swaps[cost] = _swaps(text, wanted, cost)
        found = []
        for picked in (*((swap,) for swap in swaps[cost]), *_pairs(swaps, cost, wrong)):
            changed = {swap.at: swap.true for swap in picked}
            gain = sum(swap.gain for swap in picked)
            first, nine = changed.get(0, text[0]), changed.get(8, text[8])
            if changed.keys() >= wrong and _checks(total + gain, first, nine, wanted):
                found.append(_repair(text, changed, cost))
        yield found


def _swaps(text: str, wanted: _Wanted, cost: int) -> list[_Swap]:
    """Every exchange of one character for a legal one at that cost."""
    return [
        _Swap(i, true, check_share(i, true) - check_share(i, c))
        for i, (c, place) in enumerate(zip(text, wanted.places, strict=True))
        for true in (place if cost == OTHER else misread_as(c, cost))
        if true in place and misreading_cost(c, true) == cost
    ]


def _pairs(swaps: Mapping[int, list[_Swap]], cost: int, wrong: set[int]) -> Iterator[tuple[_Swap, _Swap]]:
    """Two exchanges at different places that cost so much together, one at least where it is needed."""
    for low in range(1, cost // 2 + 1):
        same = 2 * low == cost
        for one, other in combinations(swaps[low], 2) if same else product(swaps[low], swaps[cost - low]):
            if one.at != other.at and (not wrong or one.at in wrong or other.at in wrong):
                yield one, other


def _repair(text: str, changed: Mapping[int, str], cost: int) -> Repair:
    vin = "".join(changed.get(i, c) for i, c in enumerate(text))
    return Repair(vin, cost, tuple(Change(i + 1, text[i], changed[i]) for i in sorted(changed)))


def _grown(text: str) -> Iterator[Repair]:
    """One character was lost."""
    for at in range(LENGTH):
        for true in ALPHABET:
            yield Repair(text[:at] + true + text[at:], SHIFT, (Change(at + 1, "", true),))


def _shrunk(text: str) -> Iterator[Repair]:
    """One character was added."""
    for at in range(len(text)):
        yield Repair(text[:at] + text[at + 1 :], SHIFT, (Change(at + 1, text[at], ""),))

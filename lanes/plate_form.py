"""A form of a plate (GA 36): a row of ``plates.toml``, what fits it, and how it is painted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from math import prod
from typing import Annotated, Literal

from msgspec import Meta, Struct

from lanes.scope import Confidence
from lanes.spelling import NEAR, misreading_cost

PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"  # domain notes 5.2: F
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # no letter O, no letter I: F
DIGITS = "0123456789"
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: names that ``places`` may use, and the characters they stand for
SETS: Mapping[str, str] = {
    "province": PROVINCES,
    "letter": LETTERS,
    "serial": LETTERS + DIGITS,
    "digit": DIGITS,
    "capital": _CAPITALS,
    "sign": _CAPITALS + DIGITS,
}
_NAMED = re.compile(f"({'|'.join(SETS)})(?: ([2-9]))?")
_CHOICE = re.compile(r"[A-Z0-9](\|[A-Z0-9])+")
_LITERAL = re.compile(r"[一-鿿A-Z0-9]+")
_LAYOUT = re.compile(r"[1-9](?:[·/][1-9])*")
MOST_MEANT = 27  # numbers that one may have been misread from, beyond which nothing is guessed

Ground = Literal["blue", "yellow", "green", "yellow_green", "white", "black", "light_blue", "brown"]
Ink = Literal["black", "white", "red"]


class FormatRow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """plates.toml, format: one form of a kind of plate.

    ``places``: names of SETS with a count (``"serial 4"``), choices (``"D|A"``), or characters as they stand.
    ``letters_to``: letters allowed at most among the places of ``serial``.
    ``front``, ``rear``: characters in groups, ``·`` the painted dot, ``/`` the lower row; empty: none there.
    ``mark``: ink of what is painted apart (警 使 领). ``read``: whether photos are searched for it.
    """

    hpzl: Annotated[str, Meta(pattern="^[0-9]{2}$")]
    name: str
    places: tuple[str, ...]
    ground: Ground
    ink: Ink
    source: str
    confidence: Confidence
    letters_to: Annotated[int, Meta(ge=0)] | None = None
    front: str = ""
    rear: str = ""
    mark: Ink | None = None
    energy: Literal["battery", "other"] | None = None
    read: bool = True
    rare: bool = False
    effective_from: date | None = None
    effective_to: date | None = None


@dataclass(frozen=True, slots=True)
class PlateForm:
    """A row ready to be compared: the characters of each place, and a pattern that is fast."""

    row: FormatRow
    places: tuple[str, ...]
    pattern: re.Pattern[str]
    serial: tuple[int, ...]

    @classmethod
    def of(cls, row: FormatRow) -> "PlateForm":
        """Raises ValueError for places or layouts that say nothing, or dates in the wrong order."""
        parts = [(part, _characters(part)) for part in row.places]
        places = tuple(place for _, part in parts for place in part)
        serial = [part.startswith("serial") for part, found in parts for _ in found]
        for name in ("front", "rear"):
            _must_lay_out(name, getattr(row, name), len(places))
        if row.effective_from and row.effective_to and row.effective_from > row.effective_to:
            raise ValueError("effective_from lies after effective_to")
        pattern = re.compile("".join(f"[{place}]" for place in places))
        return cls(row, places, pattern, tuple(i for i, counted in enumerate(serial) if counted))

    def fits(self, number: str) -> bool:
        """Whether a folded number has this form."""
        return self.pattern.fullmatch(number) is not None and not self.crowded(number)

    def crowded(self, number: str) -> bool:
        """Whether a number that fits the places has too many letters among its serial characters."""
        limit = self.row.letters_to
        return limit is not None and sum(number[i].isalpha() for i in self.serial) > limit

    def in_force(self, on: date | None) -> bool:
        """Whether such plates are valid on a day; None: ever."""
        first, last = self.row.effective_from or date.min, self.row.effective_to or date.max
        return on is None or first <= on <= last

    def meant(self, number: str) -> Iterator[tuple[int, str]]:
        """(cost, number) of this form that a number may have been misread from, by look-alikes only."""
        if len(number) != len(self.places):
            return
        choices = [
            [(0, c)] if c in place else [(cost, d) for d in place if (cost := misreading_cost(c, d)) <= NEAR]
            for c, place in zip(number, self.places, strict=True)
        ]
        if prod(map(len, choices)) > MOST_MEANT:
            return
        meant = (
            (sum(cost for cost, _ in picked), "".join(c for _, c in picked)) for picked in product(*choices)
        )
        yield from (pair for pair in meant if not self.crowded(pair[1]))


def _characters(part: str) -> list[str]:
    """The characters each place of a part may hold; raises ValueError."""
    named = _NAMED.fullmatch(part)
    if named:
        return [SETS[named[1]]] * int(named[2] or 1)
    if _CHOICE.fullmatch(part):
        return [part.replace("|", "")]
    if _LITERAL.fullmatch(part):
        return list(part)
    raise ValueError(
        f"places: {part!r} is no set ({', '.join(SETS)}, with a count of 2 to 9), choice (A|B) or characters"
    )


def _must_lay_out(name: str, layout: str, length: int) -> None:
    """Raises ValueError unless a layout places exactly that many characters."""
    if layout and not _LAYOUT.fullmatch(layout):
        raise ValueError(f"{name} = {layout!r}: write groups such as '2·5' or '1·1/5'")
    if layout and sum(int(c) for c in layout if c.isdigit()) != length:
        raise ValueError(f"{name} = {layout!r} does not place {length} characters")


def laid_out(number: str, layout: str) -> str:
    """A number in the groups of a layout; an empty layout leaves it as it is."""
    rest, painted = number, ""
    for sign in layout:
        if sign.isdigit():
            painted, rest = painted + rest[: int(sign)], rest[int(sign) :]
        else:
            painted += "\n" if sign == "/" else sign
    return painted + rest

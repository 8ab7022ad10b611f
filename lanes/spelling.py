"""How plates and VINs are typed and misread: one spelling of a text, and what a misreading costs."""

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s·・•.．\-_—–]+")

# What reading confuses on plates and VINs (F: blogs on reading for the periodic test; domain notes 4).
LOOK_ALIKES: tuple[frozenset[str], ...] = tuple(frozenset(g) for g in ("0OQD", "1I", "8B", "5S", "2Z", "6G"))
# What worn or badly lit strokes make alike too (M).
NEAR_ALIKES: tuple[frozenset[str], ...] = tuple(
    frozenset(g)
    for g in ("17", "38", "89", "4A", "CG", "EF", "HN", "KX", "LI1", "MN", "PR", "UV", "VY", "0C")
)
ALIKE, NEAR, OTHER, SHIFT = (
    1,
    2,
    3,
    4,
)  # costs: a look-alike, a near one, any other, a lost or added character


def fold(text: str) -> str:
    """One spelling of typed or read text: half width, upper case, no blanks, dots or hyphens."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()


def misreading_cost(one: str, other: str) -> int:
    """What it costs to take one character for another: 0 for the same, ALIKE, NEAR or OTHER."""
    if one == other:
        return 0
    return _COSTS.get((one, other), OTHER)


def misread_as(c: str, cost: int) -> tuple[str, ...]:
    """The characters that one is taken for at that cost, ALIKE or NEAR."""
    return _MISREAD.get((c, cost), ())


def looks_like(one: str, other: str) -> bool:
    """Whether two texts differ only by characters that reading confuses; equal texts look alike too."""
    return len(one) == len(other) and all(
        misreading_cost(a, b) <= ALIKE for a, b in zip(one, other, strict=True)
    )


_COSTS = {
    (a, b): cost
    for cost, groups in ((NEAR, NEAR_ALIKES), (ALIKE, LOOK_ALIKES))
    for group in groups
    for a in group
    for b in group
    if a != b
}
_MISREAD = {
    (c, cost): tuple(sorted(b for (a, b), due in _COSTS.items() if (a, due) == (c, cost)))
    for (c, _), cost in _COSTS.items()
}

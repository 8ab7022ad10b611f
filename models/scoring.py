"""How good answers are, as numbers: shares with intervals, ROC, thresholds, reliability. Pure arithmetic."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from msgspec import Struct

Z = NormalDist().inv_cdf(0.975)  # 95 %, two-sided
NO_TEXT = -1e6  # margin of a claim about a photo in which nothing was read


class Share(Struct, frozen=True, kw_only=True):
    """``hits`` of ``total`` as a share with its Wilson 95 % interval."""

    hits: int
    total: int
    value: float
    low: float
    high: float


def share(hits: int, total: int) -> Share:
    """A share with its interval (Wilson 1927); of nothing it may be anything."""
    if not total:
        return Share(hits=0, total=0, value=0.0, low=0.0, high=1.0)
    p = hits / total
    centre = p + Z * Z / (2 * total)
    reach = Z * math.sqrt(p * (1 - p) / total + Z * Z / (4 * total * total))
    low, high = ((centre + sign * reach) / (1 + Z * Z / total) for sign in (-1, 1))
    low, high = (low if hits else 0.0), (high if hits < total else 1.0)  # exact, whatever was rounded
    return Share(hits=hits, total=total, value=p, low=low, high=high)


class Point(Struct, frozen=True, kw_only=True):
    """One point of an ROC: at and above ``margin`` so many false and true claims are accepted."""

    margin: float
    false: Share
    true: Share


def at_most(true: Sequence[float], false: Sequence[float], far: float, least: float = NO_TEXT) -> Point:
    """The lowest margin, ``least`` at least, at which at most ``far`` of the false claims are accepted.

    It stands half way between the best false claim turned down and the next margin that was seen.
    """
    ordered = sorted(false, reverse=True)
    refused = ordered[allowed(len(ordered), far) :][:1] or [NO_TEXT]
    if refused[0] < least:
        return point(true, false, least)
    above = [margin for margin in (*true, *false) if margin > refused[0]]
    return point(true, false, (refused[0] + min(above, default=refused[0] + 2)) / 2)


def allowed(count: int, far: float) -> int:
    """How many of ``count`` false claims may pass."""
    return math.floor(count * far + 1e-9)


def point(true: Sequence[float], false: Sequence[float], margin: float) -> Point:
    """What a margin accepts."""
    return Point(
        margin=margin,
        false=share(sum(each >= margin for each in false), len(false)),
        true=share(sum(each >= margin for each in true), len(true)),
    )


def roc(true: Sequence[float], false: Sequence[float], most: int = 200) -> list[Point]:
    """The curve from strict to lenient, thinned to about ``most`` points; NO_TEXT accepts nothing."""
    margins = sorted({each for each in (*true, *false) if each > NO_TEXT}, reverse=True)
    step = max(1, len(margins) // most)
    return [point(true, false, margin) for margin in margins[::step]]


class Bin(Struct, frozen=True, kw_only=True):
    """Answers whose stated probability lies in ``low`` to ``high``: what was stated, what came true."""

    low: float
    high: float
    weight: float
    stated: float
    came_true: float


class Reliability(Struct, frozen=True, kw_only=True):
    """Bins of equal width and the expected calibration error: the weighted mean of their gaps."""

    bins: tuple[Bin, ...]
    ece: float


def reliability(
    stated: Sequence[float], came_true: Sequence[bool], *, even: bool, bins: int = 10
) -> Reliability:
    """How stated probabilities compare with what came true.

    ``even``: true and false answers weigh equally in all, whatever their number; for claims, whose odds in a
    test set are the maker's choice.
    """
    weights = even_weights(came_true) if even else [1.0] * len(stated)
    total = sum(weights)
    found = []
    for n in range(bins):
        inside = [
            (p, hit, w)
            for p, hit, w in zip(stated, came_true, weights, strict=True)
            if min(int(p * bins), bins - 1) == n
        ]
        weight = sum(w for _, _, w in inside)
        if weight:
            found.append(
                Bin(
                    low=n / bins,
                    high=(n + 1) / bins,
                    weight=weight / total,
                    stated=sum(p * w for p, _, w in inside) / weight,
                    came_true=sum(w for _, hit, w in inside if hit) / weight,
                )
            )
    return Reliability(bins=tuple(found), ece=sum(b.weight * abs(b.stated - b.came_true) for b in found))


def even_weights(truths: Sequence[bool]) -> list[float]:
    """Weights by which the true and the false ones count for the same in all."""
    count = {truth: max(sum(each == truth for each in truths), 1) for truth in (True, False)}
    return [len(truths) / (2 * count[truth]) for truth in truths]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share lies, by the nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0

"""What a margin is worth: the probability of a claim, fitted to claims; and margins chosen for a stated rate.

The probability is stated at even odds, as if true and false claims were as frequent. On a lane false claims
are rare: it understates there what a claim is worth.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.scoring import NO_TEXT, Point, Share, at_most, even_weights, point, reliability, share

SPAN = 40.0  # margins beyond it say no more than it does (natural log)
ROUNDS = 100
RIDGE = 1e-9
TINY = 1e-9
Column = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A claim that was scored: its margin, whether it is true, and whose photo it was about.

    ``sure``: what was read is sure enough to contradict it.
    """

    margin: float
    true: bool
    vehicle: str
    sure: bool = True


def probability(margin: float, a: float, b: float) -> float:
    """P(the claim is true) = 1 / (1 + exp(-(a * margin + b))) at even odds."""
    return 1.0 / (1.0 + math.exp(-(a * max(-SPAN, min(SPAN, margin)) + b)))


def fitted(claims: Sequence[Claimed]) -> tuple[float, float]:
    """(a, b) by logistic regression with Platt's targets (1999), true and false claims weighing the same.

    Raises ValueError where there are no true or no false claims.
    """
    truths = [claim.true for claim in claims]
    count = {truth: truths.count(truth) for truth in (True, False)}
    if not all(count.values()):
        raise ValueError("a fit needs true and false claims")
    goals = {True: (count[True] + 1) / (count[True] + 2), False: 1 / (count[False] + 2)}
    margins = np.clip([claim.margin for claim in claims], -SPAN, SPAN)
    rows = np.stack([margins, np.ones(len(margins))])
    goal, weight = np.array([goals[truth] for truth in truths]), np.array(even_weights(truths))
    found = np.zeros(2)
    for _ in range(ROUNDS):  # Newton's method; a step that makes it worse is halved
        stated = _sigmoid(found @ rows)
        slope = rows @ (weight * (stated - goal))
        curve = (rows * (weight * stated * (1 - stated))) @ rows.T + RIDGE * np.eye(2)
        step = np.linalg.solve(curve, slope)
        here = _loss(found, rows, goal, weight)
        while _loss(found - step, rows, goal, weight) > here and np.abs(step).sum() > TINY:
            step = step / 2
        found = found - step
        if np.abs(step).sum() <= TINY:
            break
    return float(found[0]), float(found[1])


def _sigmoid(z: Column) -> Column:
    return np.asarray(1.0 / (1.0 + np.exp(-z)))


def _loss(found: Column, rows: Column, goal: Column, weight: Column) -> float:
    """Cross entropy of the goals; log(1 + exp(z)) without overflow."""
    z = found @ rows
    return float((weight * (np.logaddexp(0.0, z) - goal * z)).sum())


def folds(
    claims: Sequence[Claimed], count: int = 5, seed: int = 1
) -> list[tuple[list[Claimed], list[Claimed]]]:
    """(rest, held out) by vehicle, so that no vehicle stands on both sides."""
    vehicles = sorted({claim.vehicle for claim in claims})
    random.Random(seed).shuffle(vehicles)  # noqa: S311 - seeded, not secret
    place = {vehicle: n % count for n, vehicle in enumerate(vehicles)}
    return [
        (
            [claim for claim in claims if place[claim.vehicle] != n],
            [claim for claim in claims if place[claim.vehicle] == n],
        )
        for n in range(min(count, len(vehicles)))
    ]


class Chosen(Struct, frozen=True, kw_only=True):
    """Margins for one rate of false accepts. ``held_out``: margins chosen without a fold, tried on it.

    ``lowest``, ``highest`` of those margins. ``disagree``: how far a claim must trail so that at most that
    share of the true ones is contradicted.
    """

    far: float
    agree: Point
    disagree: float
    held_out_false: Share
    held_out_true: Share
    lowest: float
    highest: float


def choose(claims: Sequence[Claimed], far: float, count: int = 5) -> Chosen:
    """The margin that lets at most ``far`` of the false claims pass, and how such a one does elsewhere."""
    parts = [(rest, held) for rest, held in folds(claims, count) if rest and held]
    margins = [at_most(*_split(rest), far, 0.0).margin for rest, _ in parts]
    points = [point(*_split(held), margin) for (_, held), margin in zip(parts, margins, strict=True)]
    true, false = _split(claims)
    trailing = [-claim.margin if claim.sure else NO_TEXT for claim in claims if claim.true]
    return Chosen(
        far=far,
        agree=at_most(true, false, far, 0.0),
        disagree=at_most([-margin for margin in false], trailing, far, 0.0).margin,
        held_out_false=_sum([each.false for each in points]),
        held_out_true=_sum([each.true for each in points]),
        lowest=min(margins, default=0.0),
        highest=max(margins, default=0.0),
    )


class Fit(Struct, frozen=True, kw_only=True):
    """The probability as some claims would have it; ``held_out_ece``: of fits without a fold, tried on it."""

    a: float
    b: float
    held_out_ece: float


def fit(claims: Sequence[Claimed], count: int = 5) -> Fit:
    """``a`` and ``b`` of all claims, and how well such a fit does elsewhere; ValueError as ``fitted``."""
    stated: list[float] = []
    truths: list[bool] = []
    for rest, held in folds(claims, count):
        a, b = fitted(rest)
        stated += [probability(claim.margin, a, b) for claim in held]
        truths += [claim.true for claim in held]
    a, b = fitted(claims)
    return Fit(a=a, b=b, held_out_ece=reliability(stated, truths, even=True).ece)


def _sum(shares: Sequence[Share]) -> Share:
    return share(sum(each.hits for each in shares), sum(each.total for each in shares))


def _split(claims: Sequence[Claimed]) -> tuple[list[float], list[float]]:
    return [c.margin for c in claims if c.true], [c.margin for c in claims if not c.true]

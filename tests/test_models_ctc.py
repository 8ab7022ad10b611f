"""CTC against brute force over all paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import ctc

IMPOSSIBLE = -1e6  # anything below is "cannot be"
SYMBOLS = 4  # blank and three symbols


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(k for k, _ in itertools.groupby(path) if k)


def all_texts(frames: ctc.Frames) -> tuple[dict[tuple[int, ...], float], dict[tuple[int, ...], float]]:
    """log P of every text, and of its best path, by looking at every path."""
    total: dict[tuple[int, ...], float] = {}
    best: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        weight = float(frames[range(len(frames)), path].sum())
        text = collapsed(path)
        total[text] = float(np.logaddexp(total.get(text, -np.inf), weight))
        best[text] = max(best.get(text, -np.inf), weight)
    return total, best


def same(found: float, truth: float) -> bool:
    return (found < IMPOSSIBLE and truth < IMPOSSIBLE) or found == pytest.approx(truth, abs=1e-9)


def random_frames(seed: int, length: int) -> ctc.Frames:
    rng = np.random.default_rng(seed)
    logs: ctc.Frames = np.log(np.maximum(rng.dirichlet(np.full(SYMBOLS, 0.6), length), ctc.FLOOR))
    return logs


cases = given(
    seed=st.integers(0, 10_000),
    length=st.integers(2, 6),
    text=st.lists(st.integers(1, SYMBOLS - 1), min_size=1, max_size=3),
)


@cases
@settings(max_examples=60, deadline=None)
def test_likelihood_of_a_text_and_of_every_rival_is_the_sum_over_all_paths(
    seed: int, length: int, text: list[int]
) -> None:
    frames = random_frames(seed, length)
    total, _ = all_texts(frames)
    found = ctc.likelihood(frames, text)
    assert same(found.text, total.get(tuple(text), ctc.NEVER))
    for row, k in itertools.product(range(len(text)), range(1, SYMBOLS)):
        rival = (*text[:row], k, *text[row + 1 :])
        truth = ctc.NEVER if k == text[row] else total.get(rival, ctc.NEVER)
        assert same(float(found.rivals[row, k]), truth)


@cases
@settings(max_examples=60, deadline=None)
def test_a_free_edge_sums_over_the_text_with_and_without_stars(
    seed: int, length: int, text: list[int]
) -> None:
    frames = random_frames(seed, length)
    total, _ = all_texts(frames)
    star = SYMBOLS - 1

    def truth(core: tuple[int, ...]) -> float:
        forms = (core, (star, *core), (*core, star), (star, *core, star))
        return float(np.logaddexp.reduce([total.get(form, ctc.NEVER) for form in forms]))

    found = ctc.likelihood(frames, text, edge=star)
    assert same(found.text, truth(tuple(text)))
    for row, k in itertools.product(range(len(text)), range(1, SYMBOLS)):
        if k != text[row]:
            assert same(float(found.rivals[row, k]), truth((*text[:row], k, *text[row + 1 :])))


@given(
    seed=st.integers(0, 10_000),
    length=st.integers(1, 6),
    allowed=st.lists(st.sets(st.integers(1, SYMBOLS - 1), min_size=1).map(sorted), min_size=1, max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_best_path_under_a_pattern_is_the_best_of_all_paths(
    seed: int, length: int, allowed: list[list[int]]
) -> None:
    frames = random_frames(seed, length)
    pattern = np.zeros((len(allowed), SYMBOLS), np.bool_)
    for row, columns in enumerate(allowed):
        pattern[row, columns] = True
    _, best = all_texts(frames)
    legal = {text: weight for text, weight in best.items() if ctc.fits(text, pattern)}
    columns, weight = ctc.best_path(frames, pattern)
    if not legal:
        assert weight < IMPOSSIBLE
        return
    assert weight == pytest.approx(max(legal.values()), abs=1e-9)
    assert legal[tuple(columns)] == pytest.approx(weight, abs=1e-9)


@given(seed=st.integers(0, 10_000), length=st.integers(3, 9))
@settings(max_examples=40, deadline=None)
def test_patterns_searched_together_give_what_each_gives_alone(seed: int, length: int) -> None:
    rng, frames = np.random.default_rng(seed), random_frames(seed, length)
    patterns = [rng.random((3, SYMBOLS)) < 0.7 for _ in range(3)]
    for pattern in patterns:
        pattern[:, 0] = False
    together = ctc.best_paths(frames, patterns)
    for (columns, score), pattern in zip(together, patterns, strict=True):
        alone, best = ctc.best_path(frames, pattern)
        assert same(score, best)
        assert score < IMPOSSIBLE or columns == alone


def test_rivals_too_unlikely_for_a_float_are_still_told_apart() -> None:
    frames = np.full((120, SYMBOLS), np.log(ctc.FLOOR))
    frames[:, 1], frames[60:, 1], frames[60:, 2] = 0.0, np.log(ctc.FLOOR), 0.0
    frames[:, 3] = np.log(ctc.FLOOR) - np.arange(120) / 120
    found = ctc.likelihood(frames, [1, 2])
    assert found.text == pytest.approx(0.0, abs=1e-6)
    # 3 instead of 2, held for one frame, the blank for the others: 60 frames at the floor
    assert found.rivals[1, 3] == pytest.approx(60 * np.log(ctc.FLOOR) + np.log(60.0), abs=6.0)
    assert found.rivals[1, 3] < -1000


def test_the_place_of_a_symbol_is_the_frame_that_holds_it() -> None:
    rows = [0, 1, 0, 0, 2, 2, 0, 1, 0]
    frames = np.log(np.maximum(np.eye(SYMBOLS)[rows], ctc.FLOOR))
    assert ctc.moments(frames, [1, 2, 1]) == pytest.approx([1, 4.5, 7], abs=1e-3)
    assert ctc.moments(frames, [2, 1], edge=1) == pytest.approx([4.5, 7], abs=1e-3)


def test_greedy_collapses_repeats_and_drops_blanks() -> None:
    frames = np.log(np.eye(3)[[0, 1, 1, 0, 1, 2, 2]] + ctc.FLOOR)
    assert ctc.greedy(frames) == [1, 1, 2]


def test_an_alphabet_folds_look_alike_classes_and_counts_separators_as_blank() -> None:
    alphabet = ctc.Alphabet("0A", ["A", "a", "O", "0", "."], {"A": "a", "0": "O"}, " .")
    probabilities = np.array(
        [[0.1, 0.2, 0.3, 0.05, 0.15, 0.1, 0.1]], np.float32
    )  # blank, labels, blank character
    blank, zero, letter = np.exp(alphabet.frames(probabilities))[0]
    assert (blank, zero, letter) == pytest.approx((0.3, 0.2, 0.5), abs=1e-6)
    assert alphabet.text(alphabet.encode("A0")) == "A0"
    assert not alphabet.knows("AB")

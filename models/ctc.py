"""CTC in numpy: greedy, best path under a pattern, likelihood of a claim and of its one-character rivals.

Frames are ``log p`` of shape (T, K); column 0 is the blank, column k the symbol ``symbols[k - 1]``. A pattern
is a boolean array (L, K): the symbols each of L places may hold. Everything is a natural logarithm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float64]
Pattern = NDArray[np.bool_]
FLOOR = 1e-9  # below it a softmax of float32 says nothing
NEVER = -1e9  # log of "impossible" that can be added up without becoming nan


class Alphabet:
    """Which classes of a recogniser count as which symbol; many may fold into one, one may serve many."""

    def __init__(self, symbols: str, labels: Sequence[str], folds: Mapping[str, str], blanks: str) -> None:
        self.symbols = symbols
        self._index = {symbol: k for k, symbol in enumerate(symbols, start=1)}
        places = {label: n for n, label in enumerate(labels, start=1)}
        pairs = [(0, 0), (len(labels) + 1, 0)]  # blank is class 0; the blank character comes after the labels
        pairs += [(places[c], 0) for c in blanks if c in places]
        for k, symbol in enumerate(symbols, start=1):
            alike = {symbol, *folds.get(symbol, "")}
            pairs += [(places[c], k) for c in sorted(alike) if c in places]
        self._classes = np.array([n for n, _ in pairs])
        self._fold = np.zeros((len(pairs), len(symbols) + 1), np.float32)
        self._fold[np.arange(len(pairs)), [k for _, k in pairs]] = 1.0

    def frames(self, probabilities: NDArray[np.float32]) -> Frames:
        """Log frames (T, K) of a recogniser's softmax output (T, classes)."""
        kept = probabilities[:, self._classes] @ self._fold
        logs: Frames = np.log(np.maximum(kept, FLOOR)).astype(np.float64)
        return logs

    def encode(self, text: str) -> list[int]:
        """Columns of a text; raises KeyError for a character that is no symbol."""
        return [self._index[c] for c in text]

    def knows(self, text: str) -> bool:
        """Whether every character of ``text`` is a symbol."""
        return all(c in self._index for c in text)

    def text(self, columns: Sequence[int]) -> str:
        """The text of a sequence of columns, without blanks."""
        return "".join(self.symbols[k - 1] for k in columns if k)

    def allow(self, *places: str) -> Pattern:
        """The pattern of a text whose places may hold the given symbols."""
        mask = np.zeros((len(places), len(self.symbols) + 1), np.bool_)
        for row, symbols in enumerate(places):
            mask[row, self.encode(symbols)] = True
        return mask


def greedy(frames: Frames) -> list[int]:
    """Columns of the most likely frame labels, repeats collapsed, blanks dropped."""
    best = frames.argmax(axis=1)
    fresh = np.ones(len(best), np.bool_)
    fresh[1:] = best[1:] != best[:-1]
    return [int(k) for k in best[fresh] if k]


def fits(columns: Sequence[int], pattern: Pattern) -> bool:
    """Whether a text obeys a pattern."""
    return len(columns) == len(pattern) and all(pattern[row, k] for row, k in enumerate(columns))


def best_path(frames: Frames, pattern: Pattern) -> tuple[list[int], float]:
    """The most likely path whose text obeys ``pattern``: its columns and log probability (exact Viterbi)."""
    length, width = pattern.shape
    symbol = np.full((length, width), NEVER)  # path ends in place i holding k
    blank = np.full(length + 1, NEVER)  # path ends in the blank after i places
    blank[0] = 0.0
    came = np.zeros(
        (len(frames), length, width), np.int64
    )  # k: from that symbol of place i-1; -1 stay; 0 blank
    rested = np.zeros((len(frames), length + 1), np.int64)  # k: from that symbol; 0 from the blank
    for t, row in enumerate(frames):
        entry, origin = _entries(symbol, blank)
        stay = symbol >= entry
        came[t] = np.where(stay, -1, origin)
        ends = symbol.argmax(axis=1)
        last = np.concatenate(([NEVER], symbol[np.arange(length), ends]))
        rested[t] = np.where(blank >= last, 0, np.concatenate(([0], ends)))
        blank = np.maximum(blank, last) + row[0]
        symbol = np.where(pattern, np.maximum(symbol, entry) + row, NEVER)
    return _trace(symbol, blank, came, rested)


def _entries(symbol: Frames, blank: Frames) -> tuple[Frames, NDArray[np.int64]]:
    """Best score with which each (place, symbol) can be entered, and from where (0: the blank before it)."""
    length, width = symbol.shape
    rows = np.arange(length)
    first = symbol.argmax(axis=1)
    others = symbol.copy()
    others[rows, first] = NEVER
    second = others.argmax(axis=1)
    source = np.repeat(first[:, None], width, axis=1)
    source[rows, first] = second  # a symbol cannot follow itself without a blank
    before = np.vstack((np.full((1, width), NEVER), np.take_along_axis(symbol, source, axis=1)[:-1]))
    source = np.vstack((np.zeros((1, width), np.int64), source[:-1]))
    from_blank = blank[:-1, None] >= before
    return np.where(from_blank, blank[:-1, None], before), np.where(from_blank, 0, source)


def _trace(
    symbol: Frames, blank: Frames, came: NDArray[np.int64], rested: NDArray[np.int64]
) -> tuple[list[int], float]:
    place, held = len(symbol) - 1, int(symbol[-1].argmax())
    score = float(max(symbol[-1, held], blank[-1]))
    if blank[-1] > symbol[-1, held]:
        held = 0
    columns = [0] * len(symbol)
    for t in range(len(came) - 1, -1, -1):
        if held:
            columns[place] = held
            step = int(came[t, place, held])
            if step >= 0:
                place, held = place - 1, step
        else:
            held = int(rested[t, place + 1])
    return columns, score


@dataclass(frozen=True, kw_only=True, slots=True)
class Likelihood:
    """log P(text) and, for each place and symbol, log P(text with that place holding that symbol)."""

    text: float
    rivals: Frames  # (L, K); column 0 (blank) and the text's own symbols hold NEVER


def likelihood(frames: Frames, text: Sequence[int], edge: int | None = None) -> Likelihood:
    """Sum over all paths for a text and all its one-character rivals, in one forward-backward pass.

    ``edge``: a symbol that may, but need not, stand once before and once after the text (the stamped star).
    """
    chain = list(text) if edge is None else [edge, *text, edge]
    free = 1 if edge is None else 3  # states beyond the first in which a path may begin or end
    states = np.zeros(2 * len(chain) + 1, np.int64)
    states[1::2] = chain
    forward = _forward(frames, states, free)
    backward = _forward(frames[::-1], states[::-1], free)[::-1, ::-1]
    total = float(np.logaddexp.reduce(forward[-1, len(states) - 1 - free :]))
    offset = 0 if edge is None else 1
    rivals = _substituted(frames, chain, forward, backward, free)[offset : len(chain) - offset]
    rivals[:, 0] = NEVER
    rivals[np.arange(len(text)), list(text)] = NEVER
    return Likelihood(text=total, rivals=rivals)


def _forward(frames: Frames, states: NDArray[np.int64], free: int) -> Frames:
    """alpha[t, s]: all paths over frames 0..t that end in state s, the emission at t included."""
    emit = frames[:, states]
    skip = np.zeros(len(states), np.bool_)
    skip[2:] = (states[2:] != 0) & (states[2:] != states[:-2])
    alpha = np.full(emit.shape, NEVER)
    alpha[0, : free + 1] = emit[0, : free + 1]
    for t in range(1, len(frames)):
        past = alpha[t - 1]
        one = np.concatenate(([NEVER], past[:-1]))
        two = np.where(skip, np.concatenate(([NEVER, NEVER], past[:-2])), NEVER)
        alpha[t] = np.logaddexp(np.logaddexp(past, one), two) + emit[t]
    return alpha


def _substituted(frames: Frames, chain: list[int], forward: Frames, backward: Frames, free: int) -> Frames:
    """log P of the chain with place i holding k, for all i and k: only that one state is redone."""
    length, width = len(chain), frames.shape[1]
    at = 2 * np.arange(length) + 1
    columns = np.arange(width)
    before = np.array([0, *chain[:-1]])
    after = np.array([*chain[1:], 0])
    can_skip_in = (before[:, None] != columns) & (before[:, None] > 0)
    can_skip_out = (after[:, None] != columns) & (after[:, None] > 0)
    opening = np.where(at <= free, 0.0, NEVER)[:, None]
    closing = np.where(2 * length - at <= free, 0.0, NEVER)[:, None]
    inside = np.full((length, width), NEVER)
    total = np.full((length, width), NEVER)
    for t in range(len(frames)):
        if t == 0:
            inside = opening + frames[0]
        else:
            enter = _around(forward[t - 1], at - 1, at - 2, can_skip_in)
            inside = np.logaddexp(inside, enter) + frames[t]
        if t == len(frames) - 1:
            leave = np.broadcast_to(closing, inside.shape)
        else:
            leave = _around(backward[t + 1], at + 1, at + 2, can_skip_out)
        total = np.logaddexp(total, inside + leave)
    return total


def _around(alpha: Frames, near: NDArray[np.int64], far: NDArray[np.int64], may: Pattern) -> Frames:
    """What flows between a place and the blank beside it, and the symbol beyond where allowed."""
    beyond = alpha[np.clip(far, 0, len(alpha) - 1)][:, None]
    return np.logaddexp(alpha[near][:, None], np.where(may, beyond, NEVER))

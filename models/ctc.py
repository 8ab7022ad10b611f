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
VANISHED = 1e-250  # below it a product of probabilities is added up as logarithms, which takes longer
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
    return best_paths(frames, [pattern])[0]


def best_paths(frames: Frames, patterns: Sequence[Pattern]) -> list[tuple[list[int], float]]:
    """``best_path`` for several patterns of one length, all at once."""
    legal = np.where(np.stack(patterns), 0.0, NEVER)
    count, length, width = legal.shape
    symbol = np.full(legal.shape, NEVER)  # path ends in place i holding k
    blank = np.full((count, length + 1), NEVER)  # path ends in the blank after i places
    blank[:, 0] = 0.0
    steps = _Steps(len(frames), legal.shape)
    before = np.full((count, length), NEVER)  # best symbol of the place before, and the best beside that one
    other = before.copy()
    forms, places = np.ogrid[:count, :length]
    for t, row in enumerate(frames):
        first = symbol.argmax(axis=2)
        top = symbol[forms, places, first]
        symbol[forms, places, first] = -np.inf
        second = symbol.argmax(axis=2)
        other[:, 1:] = symbol[forms, places, second][:, :-1]
        symbol[forms, places, first] = top
        before[:, 1:] = top[:, :-1]
        rest = blank[:, :-1]
        entry = np.repeat(np.maximum(rest, before)[:, :, None], width, axis=2)
        # a symbol cannot follow itself without a blank
        entry[forms, places[:, 1:], first[:, :-1]] = np.maximum(rest, other)[:, 1:]
        steps.first[t], steps.second[t] = first, second
        steps.rested[t], steps.rested_same[t] = rest >= before, rest >= other
        np.greater_equal(symbol, entry, out=steps.stays[t])
        np.greater_equal(blank[:, 1:], top, out=steps.blanks[t])
        np.maximum(symbol, entry, out=symbol)
        symbol += row + legal
        blank[:, 1:] = np.maximum(blank[:, 1:], top)
        blank += row[0]
    return [steps.trace(n, symbol[n], blank[n]) for n in range(count)]


class _Steps:
    """Where each state of the search came from, frame by frame."""

    def __init__(self, frames: int, shape: tuple[int, ...]) -> None:
        self.first = np.zeros((frames, *shape[:2]), np.int64)  # the best symbol of each place
        self.second = np.zeros((frames, *shape[:2]), np.int64)  # the best beside that one
        self.rested = np.zeros((frames, *shape[:2]), np.bool_)  # a place is entered from the blank before it
        self.rested_same = np.zeros((frames, *shape[:2]), np.bool_)  # the same, by the symbol before it
        self.stays = np.zeros((frames, *shape), np.bool_)
        self.blanks = np.zeros((frames, *shape[:2]), np.bool_)  # the blank after a place goes on

    def trace(self, n: int, symbol: Frames, blank: Frames) -> tuple[list[int], float]:
        """The best path of pattern ``n`` backwards from its end."""
        place, held = len(symbol) - 1, int(symbol[-1].argmax())
        score = float(max(symbol[-1, held], blank[-1]))
        if blank[-1] > symbol[-1, held]:
            held = 0
        columns = [0] * len(symbol)
        for t in range(len(self.stays) - 1, -1, -1):
            if held:
                columns[place] = held
                if not self.stays[t, n, place, held]:
                    held, place = self._source(t, n, place, held), place - 1
            elif place >= 0 and not self.blanks[t, n, place]:
                held = int(self.first[t, n, place])
        return columns, score

    def _source(self, t: int, n: int, place: int, held: int) -> int:
        """The symbol before the one that is entered; 0: the blank."""
        if place == 0:
            return 0
        same = held == self.first[t, n, place - 1]
        if (self.rested_same if same else self.rested)[t, n, place]:
            return 0
        return int((self.second if same else self.first)[t, n, place - 1])


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
    forward, backward = _both_ways(frames, states, free)
    total = float(np.logaddexp.reduce(forward[-1, len(states) - 1 - free :]))
    places = slice(0, None) if edge is None else slice(1, -1)
    rivals = _substituted(frames, np.array(chain), forward, backward, free, places)
    rivals[:, 0] = NEVER
    rivals[np.arange(len(text)), list(text)] = NEVER
    return Likelihood(text=total, rivals=rivals)


def _both_ways(frames: Frames, states: NDArray[np.int64], free: int) -> tuple[Frames, Frames]:
    """alpha and beta: all paths that end, or begin, in state s at frame t, the emission there included."""
    emit = np.stack((frames[:, states], frames[::-1, states[::-1]]), axis=1)
    skip = np.full((2, len(states)), NEVER)
    skip[0, 2:][(states[2:] != 0) & (states[2:] != states[:-2])] = 0.0
    skip[1, 2:] = skip[0, 2:][::-1]
    walk = np.full((len(frames), 2, len(states) + 2), NEVER)  # two columns of nothing before the first state
    walk[0, :, 2 : free + 3] = emit[0, :, : free + 1]
    for t in range(1, len(frames)):
        past, here = walk[t - 1], walk[t, :, 2:]
        np.logaddexp(past[:, 2:], past[:, 1:-1], out=here)
        np.logaddexp(here, past[:, :-2] + skip, out=here)
        here += emit[t]
    return walk[:, 0, 2:], walk[::-1, 1, 2:][:, ::-1]


def _substituted(
    frames: Frames,
    chain: NDArray[np.int64],
    forward: Frames,
    backward: Frames,
    free: int,
    places: slice,
) -> Frames:
    """log P of the chain with place i of ``places`` holding k, for all k: only that one state is redone."""
    at = 2 * np.arange(len(chain)) + 1
    before, after = np.roll(chain, 1), np.roll(chain, -1)
    before[0] = after[-1] = 0
    never = np.full((1, len(chain)), NEVER)
    near_in = np.vstack((np.where(at <= free, 0.0, NEVER)[None], forward[:-1, at - 1]))
    far_in = np.vstack((never, np.where(before > 0, forward[:-1, np.maximum(at - 2, 0)], NEVER)))
    last = np.minimum(at + 2, forward.shape[1] - 1)
    near_out = np.vstack((backward[1:, at + 1], np.where(2 * len(chain) - at <= free, 0.0, NEVER)[None]))
    far_out = np.vstack((np.where(after > 0, backward[1:, last], NEVER), never))
    enters = np.stack((near_in, np.logaddexp(near_in, far_in)))[:, :, places]
    leaves = np.stack((near_out, np.logaddexp(near_out, far_out)))[:, :, places]
    columns = np.arange(frames.shape[1])
    skips_in = (before[places, None] != columns).astype(np.int64)
    skips_out = (after[places, None] != columns).astype(np.int64)
    return _through(frames, enters, leaves, skips_in, skips_out)


def _through(
    frames: Frames,
    enters: Frames,
    leaves: Frames,
    skips_in: NDArray[np.int64],
    skips_out: NDArray[np.int64],
) -> Frames:
    """log of the sum over all stays of (enter before it, emissions during it, leave after it), (L, K).

    Entries and exits differ by symbol only where the neighbour is the same symbol, which has two cases.
    """
    rows = np.arange(enters.shape[2])[:, None]
    reach = np.maximum.accumulate(enters[1], axis=0)  # scale of each frame and place: the best entry so far
    fade = np.exp(np.concatenate((reach[:1] - reach[:1], reach[:-1] - reach[1:])))
    fresh = np.exp(enters - reach)
    outward = reach + leaves
    scale = outward[1].max(axis=0)
    weight = np.exp(outward - scale)
    emit = np.exp(frames)
    inside = np.zeros(skips_in.shape)
    total = np.zeros(skips_in.shape)
    for t in range(len(frames)):
        inside *= fade[t][:, None]
        inside += fresh[:, t][skips_in, rows]
        inside *= emit[t]
        total += inside * weight[:, t][skips_out, rows]
    logs: Frames = np.log(np.maximum(total, VANISHED)) + scale[:, None]
    place, column = np.nonzero(total < VANISHED)
    climb = np.cumsum(frames[:, column], axis=0)
    entered = enters[skips_in[place, column], :, place].T - climb + frames[:, column]
    stayed = np.logaddexp.accumulate(entered, axis=0) + climb
    left = leaves[skips_out[place, column], :, place].T
    logs[place, column] = np.logaddexp.reduce(stayed + left, axis=0)
    return np.maximum(logs, NEVER)


def moments(frames: Frames, text: Sequence[int], edge: int | None = None) -> NDArray[np.float64]:
    """The frame at which each symbol of a text is expected, a star at either end left free as before."""
    chain = list(text) if edge is None else [edge, *text, edge]
    states = np.zeros(2 * len(chain) + 1, np.int64)
    states[1::2] = chain
    forward, backward = _both_ways(frames, states, 1 if edge is None else 3)
    held = (forward + backward - frames[:, states])[:, 1::2]
    share = np.exp(held - held.max(axis=0))
    when = (np.arange(len(frames))[:, None] * share).sum(axis=0) / share.sum(axis=0)
    return np.asarray(when if edge is None else when[1:-1])

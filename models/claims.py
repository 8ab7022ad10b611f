"""A text out of several views of it, and the score of a claimed text against its best rival."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from models.ctc import NEVER, Alphabet, Frames, Likelihood, Pattern, best_paths, fits, greedy, likelihood
from models.stages import stage

WEIGHED = 2  # best paths of a view whose full likelihood is then weighed
# The log prior of a text, and of each of its one-character changes (L, K), beyond what the forms say.
Plausible: TypeAlias = Callable[[Sequence[int]], tuple[float, Frames]]
LENGTH_SLACK = 2  # characters by which the greedy text may miss a form that is still tried


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A pattern and the natural log of how frequent it is beside the most frequent one."""

    name: str
    pattern: Pattern
    prior: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoded:
    """The legal text that explains all views best, with the posterior of each character given the others."""

    text: str
    log_p: float
    posteriors: tuple[float, ...]

    @property
    def confidence(self) -> float:
        """Probability that every character is right, as far as one-character rivals tell."""
        return float(np.prod(self.posteriors)) if self.posteriors else 0.0


def joint(views: Sequence[Frames], columns: Sequence[int], edge: int | None = None) -> Likelihood:
    """The mean log likelihood over views of a text and of its one-character rivals."""
    parts = [likelihood(frames, columns, edge) for frames in views]
    text = float(np.mean([part.text for part in parts]))
    return Likelihood(text=text, rivals=np.mean([part.rivals for part in parts], axis=0))


def proposals(frames: Frames, forms: Sequence[Form]) -> list[list[int]]:
    """The greedy text if it is legal, else the best paths of the forms of about its length."""
    plain = greedy(frames)
    if any(fits(plain, form.pattern) for form in forms):
        return [plain]
    near = [form for form in forms if abs(len(form.pattern) - len(plain)) <= LENGTH_SLACK]
    lengths = dict.fromkeys(len(form.pattern) for form in near)
    alike = [[form.pattern for form in near if len(form.pattern) == length] for length in lengths]
    found = [path for patterns in alike for path in best_paths(frames, patterns)]
    best = sorted(found, key=lambda one: one[1], reverse=True)[:WEIGHED]
    return [columns for columns, score in best if score > NEVER / 2]


def priors(columns: Sequence[int], forms: Sequence[Form], width: int) -> tuple[float, Frames]:
    """Log prior of a text and (L, K) of its one-character changes; NEVER where a change is illegal.

    A text that fits no form counts like its most frequent legal neighbour: a claim of an illegal plate must
    not lead the rare form it was altered from. Without a legal neighbour it may become anything.
    """
    rows = np.arange(len(columns))
    near = np.full((len(columns), width), NEVER)
    own = NEVER
    for form in forms:
        if len(form.pattern) != len(columns):
            continue
        wrong = [row for row, k in enumerate(columns) if not form.pattern[row, k]]
        if not wrong:
            own = max(own, form.prior)
            near = np.maximum(near, np.where(form.pattern, form.prior, NEVER))
        elif len(wrong) == 1:
            row = wrong[0]
            near[row] = np.maximum(near[row], np.where(form.pattern[row], form.prior, NEVER))
    if near.max() <= NEVER:
        near[:, 1:] = 0.0
    own = float(near.max()) if own == NEVER else own
    near[rows, list(columns)] = NEVER
    return own, near


class Judge:
    """Decodes and scores under one alphabet and its forms; ``edge`` names the symbol free at both ends."""

    def __init__(
        self,
        alphabet: Alphabet,
        forms: Sequence[Form],
        edge: str = "",
        plausible: Plausible | None = None,
    ) -> None:
        self.alphabet = alphabet
        self._plausible = plausible
        self._forms = forms
        self._edge = alphabet.encode(edge)[0] if edge else None
        self._width = len(alphabet.symbols) + 1
        self._bare = [f for f in forms if self._edge is None or not f.pattern[:, self._edge].any()]

    def _weighed(self, views: Sequence[Frames], columns: Sequence[int]) -> Likelihood:
        """Log P of a text and of its legal rivals, priors of their forms included."""
        found = joint(views, columns, self._edge)
        own, near = priors(columns, self._bare, self._width)
        if self._plausible is not None:
            more, beside = self._plausible(columns)
            own, near = own + more, near + beside
        if self._edge is not None:
            near[:, self._edge] = NEVER
        return Likelihood(text=found.text + own, rivals=np.maximum(found.rivals + near, NEVER))

    @stage("decode")
    def decode(self, views: Sequence[Frames]) -> Decoded | None:
        """The best legal text of some views of the same line; None when no legal text fits their length."""
        texts = {tuple(self._core(columns)) for view in views for columns in proposals(view, self._forms)}
        if not texts:
            return None
        weighed = {text: self._weighed(views, text) for text in texts}
        best = max(weighed, key=lambda text: weighed[text].text)
        found = weighed[best]
        for _ in range(3):
            row, k = np.unravel_index(int(found.rivals.argmax()), found.rivals.shape)
            if found.rivals[row, k] <= found.text:
                break
            best = (*best[:row], int(k), *best[row + 1 :])
            found = self._weighed(views, best)
        return Decoded(text=self.alphabet.text(best), log_p=found.text, posteriors=_posteriors(found))

    def _core(self, columns: list[int]) -> list[int]:
        return [k for k in columns if k != self._edge]

    def likelier(self, views: Sequence[Frames], read: Decoded, within: float) -> Decoded:
        """The best of a reading and of its changes in two places less than ``within`` (natural log) behind.

        One change never leads a reading of ``decode``; two may, where they make the text plausible.
        """
        found = joint(views, columns := self.alphabet.encode(read.text), self._edge)
        legal = priors(columns, self._bare, self._width)[1] > NEVER
        rows, symbols = np.nonzero(legal & (found.rivals > found.text - within))
        places = zip(rows.tolist(), symbols.tolist(), strict=True)
        changes = [(found.text - float(found.rivals[at]), at) for at in places]
        pairs = [
            (loss + more, self._changed(columns, one, two))
            for (loss, one), (more, two) in combinations(sorted(changes), 2)
            if one[0] != two[0] and loss + more < within
        ]
        if self._plausible is None or not pairs:
            return read
        led = [(self._plausible(text)[0] - loss, text) for loss, text in pairs]
        best = max(led)[1]
        other = self._described(views, best)
        return other if other.log_p > read.log_p else read

    def _described(self, views: Sequence[Frames], columns: Sequence[int]) -> Decoded:
        found = self._weighed(views, columns)
        return Decoded(text=self.alphabet.text(columns), log_p=found.text, posteriors=_posteriors(found))

    def _changed(self, columns: list[int], *places: tuple[int, int]) -> tuple[int, ...]:
        changed = dict(places)
        return tuple(changed.get(row, k) for row, k in enumerate(columns))

    @stage("referee")
    def margin(self, views: Sequence[Frames], claim: str, read: Decoded | None) -> float:
        """log P(claim) minus that of its best rival: a legal one-character change, or what was read."""
        found = self._weighed(views, self.alphabet.encode(claim))
        rival = float(found.rivals.max())
        if read is not None and read.text != claim:
            rival = max(rival, read.log_p)
        return found.text - rival


def _posteriors(found: Likelihood) -> tuple[float, ...]:
    """Probability of each character against all rivals at its place."""
    against = np.exp(np.minimum(found.rivals - found.text, 50.0)).sum(axis=1)
    return tuple(float(p) for p in 1.0 / (1.0 + against))

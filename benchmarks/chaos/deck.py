"""The kinds of faults of the road rig, dealt like cards so that each kind gets its share."""

import random
from collections.abc import Collection

from benchmarks.chaos.proxy import CUTS, NONSENSE

SHARES = {
    "kill_node": 10,
    "kill_registry": 8,
    "pause_node": 4,
    "pause_registry": 4,
    **dict.fromkeys(CUTS, 8),
    **dict.fromkeys(NONSENSE, 4),
    "loss_and_delay": 2,
    "repeated": 8,
    "clock_step": 6,
    "full_disk": 4,
    "torn_copy": 6,
    "roll_over": 4,
    "restored_registry": 2,
}


class Deck:
    """An endless deal of ``kinds``."""

    def __init__(self, dice: random.Random, kinds: Collection[str] = frozenset(SHARES)) -> None:
        self._dice, self._cards = dice, list[str]()
        self._kinds = {kind: share for kind, share in SHARES.items() if kind in kinds}

    def draw(self) -> str:
        """The next kind."""
        if not self._cards:
            self._cards = [kind for kind, share in self._kinds.items() for _ in range(share)]
            self._dice.shuffle(self._cards)
        return self._cards.pop()

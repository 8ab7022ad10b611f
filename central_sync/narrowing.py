"""Narrowing: which one record a centre turns down, by halving, and when its bytes are withheld. Pure.

A centre, or whatever stands before it, may turn down any batch that holds certain bytes, while it answers
everything else. What lies before such a record then still goes through, and the record is tried alone.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a record is tried alone, and over how many seconds, before its bytes are withheld."""

    tries: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """Where the record lies that is turned down: at ``last`` or before it; 0: none is suspected.

    ``tries`` counts those of one record alone. The seconds run on through further records that are turned
    down, as long as the patience is not once over without any: where many are, each has its tries only.
    """

    last: int = 0
    tries: int = 0
    since_s: float = 0.0
    latest_s: float = -math.inf

    def room(self, through: int, room: int) -> int:
        """How many records after ``through`` the next batch may hold; ``room`` where nothing is suspected."""
        left = self.last - through
        return room if left <= 0 else min(room, max(1, left // 2))

    def turned_down(self, first: int, last: int, now_s: float, patience: Patience) -> "Suspicion":
        """A batch of records ``first`` to ``last`` was turned down."""
        if first < last:
            return replace(self, last=last, tries=0)
        quiet = now_s - self.latest_s > patience.seconds
        return Suspicion(
            last=last,
            tries=self.tries + 1 if self.last == last else 1,
            since_s=now_s if quiet else self.since_s,
            latest_s=now_s,
        )

    def is_ripe(self, patience: Patience) -> bool:
        """Whether the one record that is left has had its tries and its time."""
        return self.tries >= patience.tries and self.latest_s - self.since_s >= patience.seconds

    def taken(self, through: int) -> "Suspicion":
        """Records up to ``through`` were taken."""
        return self if through < self.last else replace(self, last=0, tries=0)

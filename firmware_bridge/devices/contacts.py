"""A contact over time: latched, debounced, and seen even when it closed between two reads; pure."""

from dataclasses import dataclass, field

MOST_EDGES = 1000  # between two reads; a counter that went further was set back by its module
COUNTER_SIZE = 65_536


@dataclass(kw_only=True)
class Contact:
    """One input. ``on_s``, ``off_s``: how long a level must hold to count; an on is held for ``latch_s``."""

    on_s: float
    off_s: float
    latch_s: float = 0.0
    _told: bool | None = field(default=None, init=False)
    _seen: bool = field(default=False, init=False)
    _since: float = field(default=0.0, init=False)
    _held_until: float = field(default=float("-inf"), init=False)
    _count: int | None = field(default=None, init=False)

    def forget(self) -> None:
        """After a reconnect the level is news again, at once; what was counted meanwhile is too old."""
        self._told, self._count, self._held_until = None, None, float("-inf")

    def news(self, raw: bool, now: float, count: int | None = None) -> bool | None:
        """The level if it is new, or has changed and held. ``now`` (s) and ``count``: of this read."""
        if raw or self._has_counted(count):
            self._held_until = now + self.latch_s
        level = raw or now < self._held_until
        if self._told is None or level != self._seen:
            self._seen, self._since = level, now
        holds = now - self._since >= (self.on_s if level else self.off_s)
        if self._told is None or (level != self._told and holds):
            self._told = level
            return level
        return None

    def _has_counted(self, count: int | None) -> bool:
        """Whether the module's own counter went on since the last read."""
        before, self._count = self._count, count
        if before is None or count is None:
            return False
        return 0 < (count - before) % COUNTER_SIZE <= MOST_EDGES

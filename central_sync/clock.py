"""Clocks: how far a node's is from a destination's, and whether its own has jumped. Pure."""

from dataclasses import dataclass

STEP_S = 0.5  # the wall clock may drift so far against the monotonic one between two looks
CHANGED_MS = 500  # an offset that moved less is the same
DAY_S = 86_400.0
HEADER = "Chayan-Time"  # UTC, RFC 3339, with microseconds: when the answer was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """A destination's clock beside this node's, in milliseconds; positive: the destination is ahead."""

    offset_ms: int
    round_trip_ms: int


def offset(asked_s: float, answered_s: float, theirs_s: float) -> Offset:
    """From the wall clock at question and answer and the time that the answer names (all seconds, UTC).

    The answer is taken to have been made half-way (RFC 5905 section 8 without its second pair of stamps).
    """
    middle = (asked_s + answered_s) / 2
    return Offset(
        offset_ms=round((theirs_s - middle) * 1000), round_trip_ms=round((answered_s - asked_s) * 1000)
    )


class Comparison:
    """Which offsets are worth a record: the first, one that moved, and one a day."""

    def __init__(self) -> None:
        self._told: Offset | None = None
        self._told_s = 0.0

    def worth(self, seen: Offset, tick_s: float) -> bool:
        """Whether ``seen`` at monotonic time ``tick_s`` should be recorded; then it counts as told.

        An offset is uncertain by half of its round trip, so a slow answer proves no movement.
        """
        if self._told is not None and tick_s - self._told_s < DAY_S:
            moved = abs(seen.offset_ms - self._told.offset_ms)
            if moved <= CHANGED_MS + (seen.round_trip_ms + self._told.round_trip_ms) / 2:
                return False
        self._told, self._told_s = seen, tick_s
        return True


class StepWatch:
    """Notices jumps of the wall clock against the monotonic clock."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None

    def look(self, wall_s: float, tick_s: float) -> float | None:
        """Seconds the wall clock has jumped since the last look, forward positive; None when it has not."""
        before, self._last = self._last, (wall_s, tick_s)
        if before is None:
            return None
        step = (wall_s - before[0]) - (tick_s - before[1])
        return step if abs(step) > STEP_S else None

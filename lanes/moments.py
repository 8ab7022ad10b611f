"""Moment and Stay: when something was by both clocks of a node, and how long a vehicle stood."""

from dataclasses import dataclass
from datetime import datetime

from lanes.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Wall clock (UTC) and monotonic clock (ms) of one node; ``boot``: of which start of its kernel."""

    at: datetime
    tick_ms: int
    boot: str = ""

    @classmethod
    def of(cls, record: Record, boot: str = "") -> "Moment":
        """When a record was written."""
        return cls(at=record.at, tick_ms=record.tick_ms, boot=boot)

    def since_ms(self, earlier: "Moment") -> int:
        """Time since an earlier moment, never negative: by the monotonic clock, over a boot by the wall's."""
        if self.boot == earlier.boot and self.tick_ms >= earlier.tick_ms:
            return self.tick_ms - earlier.tick_ms
        return max(0, int((self.at - earlier.at).total_seconds() * 1000))


@dataclass(slots=True, kw_only=True)
class Stay:
    """A vehicle on one station of a lane; ``left`` None: it stands there."""

    lane: str
    station: str
    entered: Moment
    left: Moment | None = None


def kernel_of(boot: str) -> str:
    """Which start of the kernel a ``boot`` of NodeStarted belongs to: its ticks go on over agents."""
    return boot.rpartition("-")[0]

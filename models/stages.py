"""Where the time of a reading goes: each stage is clocked where its work is done, for whoever opens a lap."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias, get_args

Stage: TypeAlias = Literal["open", "detect", "flatten", "read", "decode", "referee"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Lap:
    """Milliseconds of each stage of one reading; a stage inside another counts for itself only."""

    def __init__(self) -> None:
        self.spent_ms: dict[str, float] = {}
        self._inner_s = 0.0

    @contextmanager
    def clocked(self, name: Stage) -> Iterator[None]:
        """Adds the time of a block to its stage."""
        before, self._inner_s = self._inner_s, 0.0
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.spent_ms[name] = self.spent_ms.get(name, 0.0) + (took - self._inner_s) * 1000
            self._inner_s = before + took


_lap: ContextVar[Lap | None] = ContextVar("lap", default=None)


@contextmanager
def lap() -> Iterator[Lap]:
    """Every stage that is clocked inside belongs to one reading."""
    running = Lap()
    token = _lap.set(running)
    try:
        yield running
    finally:
        _lap.reset(token)


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Clocks a block, or as ``@stage("read")`` every call of a function; outside of a lap it does nothing."""
    running = _lap.get()
    if running is None:
        yield
        return
    with running.clocked(name):
        yield

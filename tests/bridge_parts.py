"""What the tests of the bridge share: a Tell that remembers, and an end to tasks."""

import asyncio
from typing import NamedTuple

from firmware_bridge.device import Said


class Told:
    """Collects what devices tell."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._news = asyncio.Condition()

    async def __call__(self, said: Said) -> None:
        async with self._news:
            self.said.append(said)
            self._news.notify_all()

    def of(self, kind: type[Said]) -> list[Said]:
        return [said for said in self.said if isinstance(said, kind)]

    async def count(self, kind: type[Said], number: int, limit_s: float = 20.0) -> list[Said]:
        """Waits until ``number`` of a kind were told."""
        async with asyncio.timeout(limit_s), self._news:
            await self._news.wait_for(lambda: len(self.of(kind)) >= number)
        return self.of(kind)


class Trace(NamedTuple):
    """A brake curve as a bench shows it."""

    left_dan: tuple[int, ...]
    right_dan: tuple[int, ...]
    interval_ms: int = 10


def ramp(top: int, count: int = 80) -> Trace:
    """A pedal that is pressed slowly."""
    left = tuple(min(top, 8 + index * top // 40) for index in range(count))
    return Trace(left, tuple(force * 9 // 10 for force in left))


async def end(*tasks: "asyncio.Task[None]") -> None:
    """Cancels tasks and waits for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

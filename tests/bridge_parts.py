"""What the tests of the bridge share: a Tell that remembers, and an end to tasks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from firmware_bridge.device import Device, Health, Said


class Twin(Protocol):
    """What can be switched on and off."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


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


async def until(holds: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Waits until something is so that rings no bell, such as a register."""
    async with asyncio.timeout(limit_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


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


@asynccontextmanager
async def running(device: Device, *twins: Twin) -> AsyncIterator[Told]:
    """A device at work, from its first word of health on; in the end it is ended and its twins are off."""
    told = Told()
    task = asyncio.create_task(device.run(told))
    try:
        await told.count(Health, 1)
        yield told
    finally:
        await end(task)
        for twin in twins:
            await twin.stop()

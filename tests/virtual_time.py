"""An event loop whose clock stands until a test turns it on: pauses cost nothing, and nothing races."""

import asyncio
from concurrent.futures import Executor
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """``quiet`` returns when nothing goes on by itself: what is left waits for the clock or the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self._under_way: set[asyncio.Future[Any]] = set()
        super().__init__()

    def time(self) -> float:
        """Seconds since the test began, as the test has it."""
        return self.now

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:
        """As ever, and ``quiet`` waits for it."""
        return self.counted(super().run_in_executor(executor, func, *args))

    def counted(self, future: "asyncio.Future[Any]") -> "asyncio.Future[Any]":
        """The future of something that another thread does."""
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        return future

    async def quiet(self) -> None:
        """Lets everybody go on as far as they can."""
        while True:
            await asyncio.sleep(0)
            if self._under_way:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            elif not self._ready:  # type: ignore[attr-defined]
                return

    def turn_on(self) -> None:
        """The clock goes on to the next moment that somebody waits for."""
        timers = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        assert timers, "nobody waits for anything any more"
        self.now = max(self.now, min(timers))

    def end(self) -> None:
        """Ends what is left and lets go of the files."""
        self.run_until_complete(self.shutdown_asyncgens())
        self.run_until_complete(self.shutdown_default_executor())
        self.close()

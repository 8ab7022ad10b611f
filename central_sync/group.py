"""Group commit: work arrives from any loop, one thread takes all of it, each sender hears in its loop."""

import asyncio
import contextlib
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

GROUP_LIMIT = 500  # jobs per commit: bounds the time a waiting device sees


@dataclass(slots=True)
class Job:
    """Work for the thread, and the future of who waits for it."""

    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class Jobs:
    """What waits for the thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    async def put(self, work: Callable[[], Any]) -> Any:
        """Hands work over; returns what it gave once its group is durable, or raises why it is not."""
        loop = asyncio.get_running_loop()
        job = Job(work, loop.create_future(), loop)
        self._queue.put(job)
        return await job.done

    def end(self) -> None:
        """Nothing comes any more."""
        self._queue.put(None)

    def take(self, timeout_s: float | None) -> list[Job] | None:
        """What has arrived; an empty group when nothing does in time, None at the end."""
        try:
            first = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return []
        if first is None:
            return None
        group = [first]
        with contextlib.suppress(queue.Empty):
            while len(group) < GROUP_LIMIT:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)
                    break
                group.append(job)
        return group


def answer(group: Sequence[Job], results: Sequence[Any], then: Callable[[], None]) -> None:
    """Gives each job its result; ``then`` runs in each loop after the results, before anyone resumes."""
    answers = dict(zip(map(id, group), results, strict=True))

    def tell(job: Job) -> None:
        job.done.set_result(answers[id(job)])

    _resolve(group, tell, then)


def fail(group: Sequence[Job], error: Exception) -> None:
    """Tells each job why nothing of the group was kept."""
    _resolve(group, lambda job: job.done.set_exception(error), lambda: None)


def _resolve(group: Sequence[Job], tell: Callable[[Job], None], then: Callable[[], None]) -> None:
    """Tells each job's outcome in its own loop, one wake-up per loop."""
    loops = {id(job.loop): job.loop for job in group}
    for key, loop in loops.items():
        mine = [job for job in group if id(job.loop) == key]

        def tell_all(mine: list[Job] = mine) -> None:
            for job in mine:
                if not job.done.done():
                    tell(job)
            then()

        with contextlib.suppress(RuntimeError):  # that loop has ended; nobody waits any more
            loop.call_soon_threadsafe(tell_all)

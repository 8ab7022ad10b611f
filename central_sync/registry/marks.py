"""Marks of photos as held: as many as there are in one commit, and nobody hears of his before it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool

from central_sync.registry.engines import writing
from central_sync.registry.tables import photos


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Mark:
    """A photo that a node's records name and that is durable here."""

    site: str
    node: str
    sha256: str
    size: int


_MARK = (
    sa.update(photos)
    .where(
        photos.c.site == sa.bindparam("of_site"),
        photos.c.node == sa.bindparam("of_node"),
        photos.c.sha256 == sa.bindparam("of_sha256"),
    )
    .values(held=True, size=sa.bindparam("of_size"))
)


def mark(engine: sa.Engine, marks: Sequence[Mark]) -> None:
    """Commits marks of photos whose files and folders are durable; in one order, so that none deadlock."""
    rows = [
        {"of_site": each.site, "of_node": each.node, "of_sha256": each.sha256, "of_size": each.size}
        for each in sorted(marks)
    ]
    with writing(engine) as connection:
        connection.execute(_MARK, rows)


class Marks:
    """Gathers marks while a commit is under way; the next commit takes all of them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, self._turn = engine, asyncio.Lock()
        self._waiting: list[Mark] = []
        self._next: asyncio.Task[None] | None = None

    async def put(self, made: Mark) -> None:
        """Returns once the mark is durable; raises why it is not."""
        self._waiting.append(made)
        if self._next is None:
            self._next = asyncio.create_task(self._commit())
        await asyncio.shield(self._next)

    async def _commit(self) -> None:
        async with self._turn:
            marks, self._waiting, self._next = self._waiting, [], None
            await run_in_threadpool(mark, self._engine, marks)

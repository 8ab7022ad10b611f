"""Keeping: removes what policy allows once every destination has settled it; notes where a replay begins."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from central_sync.journal import Journal, RetiredError
from central_sync.sweep import orphans, sweep_broken
from edge.desk import Desk
from lanes.record import Retired, photos_of

NOTE_S = 600.0
RETIRE_EVERY = 36  # notes; a look through the journal every six hours
REPLAY_FILE = "replay.json"
PAGE = 2000

log = structlog.get_logger("chayan.keeping")


class Keeping:
    """Retention of one node. ``destinations``: all that must have settled; without any nothing is removed."""

    def __init__(self, desk: Desk, destinations: Sequence[str]) -> None:
        self._desk, self._destinations = desk, destinations
        self._photos_through = 0

    async def run(self) -> None:
        """Notes and retires until cancelled."""
        for turn in itertools.count(1):
            await asyncio.sleep(NOTE_S)
            note_replay(self._desk)
            if turn % RETIRE_EVERY == 1:
                await self.retire(datetime.now(UTC))
                await asyncio.to_thread(self.sweep)

    async def retire(self, now: datetime) -> None:
        """Removes what is due at ``now``: photos first, since the records name them."""
        site = self._desk.site
        if site.photos.keep_days is not None:
            await self._retire_photos(now - timedelta(days=site.photos.keep_days), site.photos.keep_days)
        if site.journal.keep_days is not None:
            before = now - timedelta(days=site.journal.keep_days)
            # records stay at least as long as photos that they name: who else could say what a file is?
            needed = min(self._desk.needed_from(), self._photos_through + 1)
            await self._desk.journal.retire(before, self._settled(""), needed)

    def sweep(self) -> None:
        """Removes broken uploads, and photos that were put and never named by a record."""
        photos, journal = self._desk.photos, self._desk.journal
        broken = sweep_broken(photos)
        kept = journal.replay(journal.first_seq() - 1)
        named = (digest for record in kept for digest, _ in photos_of(record.body))
        lost = orphans(photos, named)
        photos.remove(lost)
        if broken or lost:
            log.info("swept", broken_uploads=broken, orphans=len(lost))

    def _settled(self, suffix: str) -> int:
        """Through which record every destination has settled."""
        receipts = self._desk.journal.receipts()
        return min((receipts.get(f"{name}{suffix}", 0) for name in self._destinations), default=0)

    async def _retire_photos(self, before: datetime, days: int) -> None:
        """Removes photos of records before ``before`` whose photos every destination holds."""
        last = min(self._settled("#photos"), self._settled(""), self._desk.needed_from() - 1)
        first = max(self._photos_through + 1, self._desk.journal.first_seq())
        named, through = await asyncio.to_thread(_named, self._desk.journal, first, last, before)
        if through < first:
            return
        digests = [digest for digest in named if self._desk.photos.has(digest)]
        if digests and not self._is_on_record(key := f"photos/{through}"):
            size = await asyncio.to_thread(self._size, digests)
            body = Retired(
                what="photos",
                first_seq=first,
                last_seq=through,
                files=len(digests),
                size_bytes=size,
                policy=f"[photos] keep_days = {days}",
            )
            await self._desk.own(key, body)
            log.info("photos removed", files=len(digests), size_bytes=size, through_seq=through)
        await asyncio.to_thread(self._desk.photos.remove, digests)
        self._photos_through = through

    def _is_on_record(self, key: str) -> bool:
        """Whether an earlier run of this node removed so far, or was killed while it did."""
        try:
            return self._desk.journal.find(f"{self._desk.prefix}agent", key) is not None
        except RetiredError:
            return True

    def _size(self, digests: Sequence[str]) -> int:
        total = 0
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                total += self._desk.photos.path(digest).stat().st_size
        return total


def _named(journal: Journal, first: int, last: int, before: datetime) -> tuple[list[str], int]:
    """Photos named by records ``first`` to ``last``, before ``before``, and by no later one; and how far."""
    digests: set[str] = set()
    through = first - 1
    for record in journal.replay(first - 1):
        names = [digest for digest, _ in photos_of(record.body)]
        if record.seq <= last and record.at < before and through == record.seq - 1:
            digests.update(names)
            through = record.seq
        else:
            digests.difference_update(names)
    return sorted(digests), through


def note_replay(desk: Desk) -> None:
    """Notes where the next start's replay may begin: a hint beside the journal, of no worth as evidence."""
    path = desk.site.node.folder / REPLAY_FILE
    mine = path.with_suffix(".new")
    with contextlib.suppress(OSError):  # a full disk: the next start replays a little more
        mine.write_text(json.dumps({"from_seq": desk.needed_from()}), encoding="ascii")
        mine.replace(path)


def replay_from(folder: Path, journal: Journal) -> int:
    """Where a replay may begin; the oldest record when the hint is missing or cannot be right."""
    oldest = max(1, journal.first_seq())
    try:
        hint = json.loads((folder / REPLAY_FILE).read_text(encoding="ascii"))["from_seq"]
    except (OSError, ValueError, KeyError, TypeError):
        return oldest
    return hint if isinstance(hint, int) and oldest <= hint <= journal.head()[0] + 1 else oldest

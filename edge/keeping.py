"""Keeping: removes what policy allows once every destination has settled it; notes where a replay begins.

A record that a destination refused, or of which it got the digest only, is settled but not held there: what
holds its bytes, and its photos, stays until a policy of its own says otherwise.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from msgspec.structs import replace

from central_sync.journal import Journal, RetiredError
from central_sync.photos import Photos
from central_sync.refusals import courier_source
from central_sync.sweep import orphans, sweep_broken
from edge.desk import Desk
from lanes.record import Filmed, Record, Retired, photos_of

NOTE_S = 600.0
RETIRE_EVERY = 36  # notes; a look through the journal every six hours
REPLAY_FILE = "replay.json"
PAGE = 2000

log = structlog.get_logger("chayan.keeping")


class Keeping:
    """Retention of one node. ``destinations``: all that must have settled; without any nothing is removed.

    ``clips``, which go to no destination, are removed by age alone.
    """

    def __init__(self, desk: Desk, destinations: Sequence[str], clips: Photos) -> None:
        self._desk, self._destinations, self._clips = desk, destinations, clips
        self._photos_through = self._clips_through = 0
        self._refused: set[int] = set()  # records that some destination does not hold
        self._refused_through = 0  # the last record that was looked at for them

    async def run(self) -> None:
        """Notes and retires until cancelled."""
        for turn in itertools.count(1):
            await asyncio.sleep(NOTE_S)
            note_replay(self._desk)
            if turn % RETIRE_EVERY == 1:
                await self.retire(datetime.now(UTC))
                await asyncio.to_thread(self.sweep)

    async def retire(self, now: datetime) -> None:
        """Removes what is due at ``now``: photos and clips first, since the records name them."""
        site, needed = self._desk.site, self._desk.needed_from()
        refused_days = site.journal.keep_refused_days
        refused_before = None if refused_days is None else now - timedelta(days=refused_days)
        await asyncio.to_thread(self._look_for_refused)
        if site.photos.keep_days is not None:
            before = now - timedelta(days=site.photos.keep_days)
            await self._retire_photos(before, refused_before, site.photos.keep_days)
            needed = min(needed, self._photos_through + 1)
        if site.video.keep_days is not None:
            await self._retire_clips(now - timedelta(days=site.video.keep_days), site.video.keep_days)
            needed = min(needed, self._clips_through + 1)
        if site.journal.keep_days is not None:
            before = now - timedelta(days=site.journal.keep_days)
            # records stay at least as long as files that they name: who else could say what a file is?
            await self._retire_volumes(before, refused_before, needed)

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

    def _look_for_refused(self) -> None:
        """Takes in what destinations have refused since the last look; forgets what is gone."""
        journal, prefix = self._desk.journal, self._desk.prefix
        last = journal.head()[0]
        sources = [courier_source(name, prefix) for name in self._destinations]
        known = self._refused | journal.refused(sources, self._refused_through)
        self._refused = {seq for seq in known if seq >= journal.first_seq()}
        self._refused_through = last

    async def _retire_volumes(self, before: datetime, refused_before: datetime | None, needed: int) -> None:
        """Removes volumes before ``before``; such as hold a refused record only before ``refused_before``."""
        journal, settled = self._desk.journal, self._settled("")
        if refused_before is not None:
            await journal.retire(min(before, refused_before), settled, needed)
        here = [seq for seq in self._refused if seq >= journal.first_seq()]
        await journal.retire(before, settled, min([needed, *here]))

    def _settled(self, suffix: str) -> int:
        """Through which record every destination has settled."""
        receipts = self._desk.journal.receipts()
        return min((receipts.get(f"{name}{suffix}", 0) for name in self._destinations), default=0)

    async def _retire_photos(self, before: datetime, refused_before: datetime | None, days: int) -> None:
        """Removes photos of records before ``before`` whose photos every destination holds.

        Those of refused records stay, but for such as are before ``refused_before`` too.
        """
        last = min(self._settled("#photos"), self._settled(""), self._desk.needed_from() - 1)
        first = max(self._photos_through + 1, self._desk.journal.first_seq())

        def is_kept(record: Record) -> bool:
            return record.seq in self._refused and not (refused_before and record.at < refused_before)

        named, through = await asyncio.to_thread(
            _named, self._desk.journal, first, last, before, is_kept, _photos
        )
        if through >= first:
            policy = f"[photos] keep_days = {days}"
            await self._remove(
                self._desk.photos,
                named,
                Retired(what="photos", first_seq=first, last_seq=through, policy=policy),
            )
            self._photos_through = through

    async def _retire_clips(self, before: datetime, days: int) -> None:
        """Removes clips of records before ``before``."""
        last = self._desk.needed_from() - 1
        first = max(self._clips_through + 1, self._desk.journal.first_seq())
        named, through = await asyncio.to_thread(
            _named, self._desk.journal, first, last, before, lambda _: False, _clips
        )
        if through >= first:
            policy = f"[video] keep_days = {days}"
            await self._remove(
                self._clips, named, Retired(what="clips", first_seq=first, last_seq=through, policy=policy)
            )
            self._clips_through = through

    async def _remove(self, store: Photos, named: Sequence[str], body: Retired) -> None:
        """Removes the files that are still there, once it is on record that they go."""
        digests = [digest for digest in named if store.has(digest)]
        if digests and not self._is_on_record(key := f"{body.what}/{body.last_seq}"):
            size = await asyncio.to_thread(_size, store, digests)
            await self._desk.own(key, replace(body, files=len(digests), size_bytes=size))
            log.info(
                "files removed",
                what=body.what,
                files=len(digests),
                size_bytes=size,
                through_seq=body.last_seq,
            )
        await asyncio.to_thread(store.remove, digests)

    def _is_on_record(self, key: str) -> bool:
        """Whether an earlier run of this node removed so far, or was killed while it did."""
        try:
            return self._desk.journal.find(f"{self._desk.prefix}agent", key) is not None
        except RetiredError:
            return True


def _size(store: Photos, digests: Sequence[str]) -> int:
    total = 0
    for digest in digests:
        with contextlib.suppress(FileNotFoundError):
            total += store.path(digest).stat().st_size
    return total


def _photos(record: Record) -> list[str]:
    return [digest for digest, _ in photos_of(record.body)]


def _clips(record: Record) -> list[str]:
    return [record.body.clip] if isinstance(record.body, Filmed) and record.body.clip else []


def _named(
    journal: Journal,
    first: int,
    last: int,
    before: datetime,
    is_kept: Callable[[Record], bool],
    files: Callable[[Record], Iterable[str]],
) -> tuple[list[str], int]:
    """Files named by records ``first`` to ``last``, before ``before``, and by no later one; and how far."""
    digests: set[str] = set()
    kept: set[str] = set()
    through = first - 1
    for record in journal.replay(first - 1):
        names = files(record)
        if record.seq <= last and record.at < before and through == record.seq - 1:
            digests.update(names)
            kept.update(names if is_kept(record) else ())
            through = record.seq
        else:
            digests.difference_update(names)
    return sorted(digests - kept), through


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

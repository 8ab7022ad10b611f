"""The courier: sends what lies beyond the last receipt, settles what the centre has proved to hold.

Nothing is settled unless the centre's head equals the journal's own head at that number. The centre may have
lost records (a restored backup): the courier then goes back and sends again. Records go before photos.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx
import msgspec

from central_sync import batch as wire
from central_sync import belief
from central_sync.batch import Batch, Receipt
from central_sync.centre import Answered, Centre, Gap, Smaller, Trouble, nonsense
from central_sync.clock import Comparison
from central_sync.progress import Progress, Teller
from central_sync.refusals import refusals
from central_sync.seal import SealedRow, Signer
from lanes.record import ClockCompared, Draft, genesis

PHOTOS = "#photos"  # a destination's receipts for photos stand under its name with this
CLOCKS_APART_MS = 5000  # from here on people should know
_random = random.SystemRandom()


class Journal(Protocol):
    """What the courier needs of ``journal.Journal``. ``rows`` may be called from another thread."""

    def head(self) -> tuple[int, bytes]: ...
    def rows(self, after_seq: int, limit: int) -> Sequence[SealedRow]: ...
    def receipt(self, destination: str) -> tuple[int, bytes] | None: ...
    def settle(self, destination: str, through_seq: int, data: bytes) -> Awaitable[None]: ...
    def append(self, *drafts: Draft) -> Awaitable[object]: ...
    def wait_beyond(self, seq: int) -> Awaitable[None]: ...


class Photos(Protocol):
    """What the courier needs of ``photos.Photos``."""

    def has(self, digest: str) -> bool: ...
    def read(self, digest: str) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Rhythm of the courier, in seconds."""

    first_pause: float = 0.5
    longest_pause: float = 30.0
    recheck: float = 60.0  # idle: ask the centre whether it still holds everything
    max_records: int = wire.MAX_RECORDS
    photos_at_once: int = 4  # the centre waits for its disk, the line for its round trip


class Courier:
    """One destination. ``run`` until cancelled; what the journal raises goes up. ``progress`` at any time."""

    def __init__(
        self,
        *,
        site: str,
        node: str,
        journal: Journal,
        photos: Photos,
        signer: Signer,
        client: httpx.AsyncClient,
        destination: str = "centre",
        registry_key: str = "",
        pace: Pace = Pace(),
        simulated: bool = False,
        told: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._site, self._node, self._destination = site, node, destination
        self._prefix = "virtual+" if simulated else ""
        self._journal, self._store, self._signer = journal, photos, signer
        self._centre = Centre(client, site, node, signer)
        self._registry_key, self._pace = registry_key, pace
        settled = journal.receipt(destination)
        self._through = self._receipt = 0 if settled is None else settled[0]
        self._room = pace.max_records
        self._doubt = True  # whether the centre must be asked what it holds
        self._went_back = False
        self._photos_last = False
        self._failures = 0
        self._ready: tuple[Batch, bytes] | None = None  # made while an answer was awaited
        self._wanted: list[str] = []
        self._unwelcome: set[str] = set()  # photos the centre refused for good
        self._handed: set[str] = set()  # photos it took; not sent again before the next recheck
        self._clear_at = time.monotonic() + pace.recheck
        self._photos_through = (
            settled_photos[0] if (settled_photos := journal.receipt(f"{destination}{PHOTOS}")) else 0
        )
        self._clocks, self._run, self._compared = Comparison(), secrets.token_hex(6), 0
        self._teller = Teller(Progress(accepted_through=self._through), told)

    async def run(self) -> None:
        """Sends and settles until cancelled."""
        while True:
            try:
                await self._step()
            except Trouble as trouble:
                self._teller.alarm("link", trouble.zh, trouble.en, link="down")
                self._doubt, self._failures = True, self._failures + 1
                await asyncio.sleep(max(trouble.wait, self._pause()))

    async def _step(self) -> None:
        """One exchange, or the wait for something to send."""
        if self._doubt:
            await self._compare()  # alone no proof that things go well again
            return
        waiting = self._journal.head()[0] - self._through
        if self._wanted and waiting < self._room and not (waiting and self._photos_last):
            self._photos_last = True  # a lane that never rests must not keep its photos back
            await self._send_photos()
        elif waiting:
            self._photos_last = False
            await self._send_records()
        else:
            self._photos_last = False
            self._well()
            await self._idle()
        self._well()
        await self._compare_clocks()
        if time.monotonic() > self._clear_at:
            self._handed.clear()  # what is still wanted now was lost there
            self._clear_at = time.monotonic() + self._pace.recheck

    async def _compare_clocks(self) -> None:
        """Records how far the centre's clock is from ours, when that is news."""
        seen = self._centre.clock
        if seen is None or not self._clocks.worth(seen, time.monotonic()):
            return
        self._compared += 1
        body = ClockCompared(
            destination=self._destination, offset_ms=seen.offset_ms, round_trip_ms=seen.round_trip_ms
        )
        source, key = f"{self._prefix}courier://{self._destination}", f"{self._run}-{self._compared}-clock"
        await self._journal.append(Draft(source=source, source_key=key, body=body))
        if abs(seen.offset_ms) <= CLOCKS_APART_MS:
            self._teller.calm("clock")
            return
        seconds = seen.offset_ms / 1000
        self._teller.alarm(
            "clock",
            f"本机与{self._destination}的时钟相差 {seconds:+.1f} 秒，请检查对时",
            f"the clocks of this node and {self._destination} differ by {seconds:+.1f} s; check both",
        )

    def _well(self) -> None:
        self._failures = 0
        self._teller.calm("link")

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(self._pace.recheck):
                await self._journal.wait_beyond(self._through)
        except TimeoutError:
            self._doubt = True

    # ---- records ---------------------------------------------------------------------------------

    async def _compare(self) -> None:
        """Asks what the centre holds; goes back when it holds less than was settled."""
        standing = await self._centre.standing()
        self._must_match(standing.through, standing.head)
        if standing.through < self._through:
            self._go_back(standing.through)
        elif self._lost_before(standing.through):
            self._through = standing.through  # what this node has lost, the centre holds
        else:
            self._through = self._settled(self._through, standing.through)
        self._want(standing.wanted)
        self._doubt = False
        if not standing.wanted and standing.through > self._photos_through:
            self._photos_through = standing.through
            await self._journal.settle(
                f"{self._destination}{PHOTOS}", standing.through, msgspec.json.encode(standing)
            )

    def _settled(self, through: int, held: int) -> int:
        """After going back: what the last receipt says needs no second batch where the centre holds it."""
        return max(through, min(held, self._receipt))

    def _lost_before(self, through: int) -> bool:
        """Whether a mended journal cannot send all that lies between its last receipt and ``through``."""
        if through == self._through:
            return False
        (row,) = self._journal.rows(through - 1, 1) or (None,)
        return row is not None and row.seq != through

    async def _send_records(self) -> None:
        batch, body = await self._batch()
        answering = asyncio.create_task(self._centre.send(body))
        try:
            self._ready = await self._prepared(batch, answering)
            answer = await answering
        finally:
            answering.cancel()
        match answer:
            case Gap():
                self._missing(batch, answer)
            case Smaller():
                self._shrink(batch)
            case Receipt():
                await self._settle(batch, answer)

    async def _batch(self) -> tuple[Batch, bytes]:
        """The next batch: the one made ahead, if it still is the next."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0].first_seq == self._through + 1:
            return ready
        return await asyncio.to_thread(self._next_batch, self._through)

    async def _prepared(
        self, batch: Batch, answering: "asyncio.Task[Answered]"
    ) -> tuple[Batch, bytes] | None:
        """The batch after ``batch``, made meanwhile: only where a backlog would fill it."""
        if answering.done() or self._journal.head()[0] < batch.last_seq + self._room:
            return None
        return await asyncio.to_thread(self._next_batch, batch.last_seq)

    def _next_batch(self, through: int) -> tuple[Batch, bytes]:
        if through == 0:
            rows, prev_head = list(self._journal.rows(0, self._room)), genesis(self._node)
        else:
            prev_head, rows = belief.after(self._journal, through, self._room)
        rows = [row for number, row in enumerate(rows) if row.seq == rows[0].seq + number]
        rows = rows[: wire.fit(rows, self._room)]
        batch = wire.compose(self._site, self._node, rows, prev_head, self._signer)
        return batch, wire.encode_batch(batch)

    async def _settle(self, batch: Batch, receipt: Receipt) -> None:
        """Believes a receipt, appends what it refuses, then the receipt itself."""
        belief.must_answer(batch, receipt, self._registry_key)
        self._must_match(receipt.accepted_through, receipt.head)
        for refused in receipt.refused:
            zh = f"中心拒收第 {refused.seq} 条记录:{refused.why}"
            self._teller.alarm("refused", zh, f"the centre refused record {refused.seq}: {refused.why}")
        if drafts := refusals(self._destination, batch, receipt, self._prefix):
            await self._journal.append(*drafts)
        # not further: what is refused beyond it is not known yet
        through = self._settled(batch.last_seq, receipt.accepted_through)
        await self._journal.settle(self._destination, through, wire.encode_receipt(receipt))
        self._through, self._receipt, self._went_back = through, through, False
        self._room = min(self._room + max(1, self._room // 8), self._pace.max_records)
        self._want(receipt.wanted)
        self._teller.tell(accepted_through=through, batches=self.progress.batches + 1)

    def _must_match(self, seq: int, head: str) -> None:
        belief.must_match(self._journal, self._node, seq, head)

    def _missing(self, batch: Batch, gap: Gap) -> None:
        if self._went_back or gap.expected >= batch.first_seq:
            raise nonsense(f"it asks again for record {gap.expected}")
        self._must_match(gap.expected - 1, gap.head)
        self._go_back(gap.expected - 1)
        self._went_back = True

    def _go_back(self, through: int) -> None:
        """Raises Trouble where what follows is no longer here."""
        (row,) = self._journal.rows(through, 1)
        if row.seq != through + 1:
            raise Trouble(
                f"中心只保存到第 {through} 条,其后至第 {row.seq - 1} 条本机已不再保存;请用较新的备份恢复中心",
                f"the centre holds records only to {through}, and those up to {row.seq - 1} are no longer on "
                "this node; restore the centre from a newer copy",
            )
        self._ready = None
        self._photos_through = min(self._photos_through, through)
        self._teller.alarm(
            "restored",
            f"中心只保存到第 {through} 条(曾确认到 {self._through}),正在补发",
            f"the centre holds records only to {through} (it had confirmed {self._through}); sending again",
        )
        self._through = through

    def _shrink(self, batch: Batch) -> None:
        if len(batch.records) == 1:
            raise nonsense(f"record {batch.first_seq} alone is too large for it")
        self._room, self._ready = max(1, len(batch.records) // 2), None

    # ---- photos ----------------------------------------------------------------------------------

    def _want(self, wanted: Sequence[str]) -> None:
        """Queues what the centre asks for, without what it has had or will not have."""
        asked = [sha256 for sha256 in wanted if sha256 not in self._unwelcome | self._handed]
        self._wanted = [sha256 for sha256 in asked if self._store.has(sha256)]
        for sha256 in set(asked).difference(self._wanted):
            en = f"the centre asks for photo {sha256}, which is not on this node"
            self._teller.alarm("photo", f"中心索要的照片 {sha256} 不在本机", en)
        self._teller.tell(photos_wanted=len(self._wanted))

    async def _send_photos(self) -> None:
        """The next few at once; records that came meanwhile go before the rest. Raises the first Trouble."""
        sending = [self._send_photo(sha256) for sha256 in self._wanted[: self._pace.photos_at_once]]
        for outcome in await asyncio.gather(*sending, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _send_photo(self, sha256: str) -> None:
        try:
            data = await asyncio.to_thread(self._store.read, sha256)
        except OSError as trouble:
            self._unsendable(sha256, f"本机读取失败 {trouble}", f"it cannot be read here: {trouble}")
            return
        refused = await self._centre.hand_photo(sha256, data)
        if refused is None:
            self._handed.add(sha256)
            self._sent(sha256)
        elif refused.for_good:
            self._unsendable(sha256, f"中心不收:{refused.why}", f"the centre refused it: {refused.why}")
        else:  # it has lost the record that names the photo
            self._handed.add(sha256)
            self._sent(sha256)
            self._doubt = True

    def _unsendable(self, sha256: str, zh: str, en: str) -> None:
        self._unwelcome.add(sha256)
        self._teller.alarm("photo", f"照片 {sha256} 未上传:{zh}", f"photo {sha256} was not sent: {en}")
        self._sent(sha256)

    def _sent(self, sha256: str) -> None:
        self._wanted.remove(sha256)
        self._doubt = self._doubt or not self._wanted  # its list may have been cut short: ask for the rest
        self._teller.tell(photos_wanted=len(self._wanted))

    def _pause(self) -> float:
        """Exponential, capped, with jitter: many lanes must not return to a centre in step."""
        longest = min(self._pace.longest_pause, self._pace.first_pause * 2 ** min(self._failures - 1, 16))
        return _random.uniform(longest / 2, longest)

    @property
    def progress(self) -> Progress:
        """How far it is and what is wrong, now."""
        return self._teller.progress

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
from central_sync.centre import Answered, Centre, Gap, Oversized, Trouble, TurnedDown, nonsense
from central_sync.clock import Comparison
from central_sync.narrowing import Patience, Suspicion
from central_sync.photo_road import PhotoRoad, Photos
from central_sync.progress import Progress, Teller
from central_sync.refusals import courier_source, refusals, words
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Rhythm of the courier, in seconds."""

    first_pause: float = 0.5
    longest_pause: float = 30.0
    recheck: float = 60.0  # idle: ask the centre whether it still holds everything
    max_records: int = wire.MAX_RECORDS
    withhold_tries: int = 8  # a record that is turned down so often alone …
    withhold_s: float = 600.0  # … over so long gives way to its digest
    photos_at_once: int = 8  # at most; the centre waits for its disk, the line for its round trip


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
        self._source = courier_source(destination, "virtual+" if simulated else "")
        self._journal, self._signer = journal, signer
        self._centre = Centre(client, site, node, signer)
        self._registry_key, self._pace = registry_key, pace
        settled = journal.receipt(destination)
        self._through = 0 if settled is None else settled[0]
        self._room = pace.max_records
        self._patience = Patience(tries=pace.withhold_tries, seconds=pace.withhold_s)
        self._suspicion = Suspicion()  # of one record that is turned down, and all behind it with it
        self._doubt = True  # whether the centre must be asked what it holds
        self._went_back = False
        self._photos_last = False
        self._failures = 0
        self._ready: tuple[Batch, bytes] | None = None  # made while an answer was awaited
        self._proven = b""  # the last batch that was settled, as it was sent
        self._clear_at = time.monotonic() + pace.recheck
        self._photos_through = (
            settled_photos[0] if (settled_photos := journal.receipt(f"{destination}{PHOTOS}")) else 0
        )
        self._clocks, self._run, self._compared = Comparison(), secrets.token_hex(6), 0
        self._teller = Teller(Progress(accepted_through=self._through), told)
        self._photos = PhotoRoad(
            store=photos,
            centre=self._centre,
            teller=self._teller,
            at_once=pace.photos_at_once,
            took=self._well,
        )

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
        waiting = self._waiting()
        if self._photos.wanted and waiting < self._room and not (waiting and self._photos_last):
            self._photos_last = True  # a lane that never rests must not keep its photos back
            self._doubt = await self._photos.send(lambda: self._waiting() > 0) or self._doubt
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
            self._photos.recheck()
            self._clear_at = time.monotonic() + self._pace.recheck

    def _waiting(self) -> int:
        """How many records are not settled."""
        return self._journal.head()[0] - self._through

    async def _compare_clocks(self) -> None:
        """Records how far the centre's clock is from ours, when that is news."""
        seen = self._centre.clock
        if seen is None or not self._clocks.worth(seen, time.monotonic()):
            return
        self._compared += 1
        body = ClockCompared(
            destination=self._destination, offset_ms=seen.offset_ms, round_trip_ms=seen.round_trip_ms
        )
        key = f"{self._run}-{self._compared}-clock"
        await self._journal.append(Draft(source=self._source, source_key=key, body=body))
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
            await self._go_back(standing.through)
        else:
            self._through = self._beyond_gone(standing.through)
        self._photos.want(standing.wanted)
        self._doubt = False
        if not standing.wanted and standing.through > self._photos_through:
            self._photos_through = standing.through
            await self._journal.settle(
                f"{self._destination}{PHOTOS}", standing.through, msgspec.json.encode(standing)
            )

    def _beyond_gone(self, held: int) -> int:
        """Where to go on: what comes next, is lost or retired here and held there, is passed over."""
        next_here = [row.seq - 1 for row in self._journal.rows(self._through, 1)]
        return max([self._through, *(seq for seq in next_here if seq <= held)])

    async def _send_records(self) -> None:
        batch, body = await self._batch()
        try:
            await self._answered(batch, body, await self._exchanged(batch, body))
        except Oversized as trouble:
            if len(batch.records) == 1:
                await self._turned_down(batch, body, trouble)
            else:
                self._room, self._ready = max(1, len(batch.records) // 2), None
        except TurnedDown as trouble:
            await self._turned_down(batch, body, trouble)

    async def _exchanged(self, batch: Batch, body: bytes) -> Answered:
        """The answer to a batch; meanwhile the next one is made."""
        answering = asyncio.create_task(self._centre.send(body))
        try:
            self._ready = await self._prepared(batch, answering)
            return await answering
        finally:
            answering.cancel()

    async def _answered(self, batch: Batch, body: bytes, answer: Answered, because: str = "") -> None:
        if isinstance(answer, Gap):
            await self._missing(batch, answer)
        else:
            await self._settle(batch, answer, because)
            self._proven = body

    async def _turned_down(self, batch: Batch, body: bytes, trouble: TurnedDown) -> None:
        """Narrows down to one record; tried alone often enough, its digest goes in its place."""
        first, last = batch.first_seq, batch.last_seq
        self._ready = None
        self._suspicion = self._suspicion.turned_down(first, last, time.monotonic(), self._patience)
        if first < last:
            raise trouble
        self._teller.alarm(
            "blocked",
            f"第 {first} 条记录单独发送也被拒({self._suspicion.tries} 次,{trouble.brief}),其后的记录都在等它",
            f"record {first} is turned down even alone ({self._suspicion.tries} times, {trouble.brief}); all "
            "behind it wait",
        )
        by_protocol = isinstance(trouble, Oversized) and trouble.by_protocol
        if not by_protocol and not self._suspicion.is_ripe(self._patience):
            raise trouble
        await self._compare()
        if self._through + 1 != first:
            raise trouble
        await self._last_try(batch, body)

    async def _last_try(self, batch: Batch, body: bytes) -> None:
        """What was taken before is taken again, the record is not, its digest is: the bytes are why."""
        if self._proven:
            await self._centre.send(self._proven)
        try:
            answer, because = await self._centre.send(body), ""
        except TurnedDown as trouble:
            body, because = wire.encode_batch(wire.withhold(batch, self._signer)), trouble.brief
            answer = await self._centre.send(body)
        await self._answered(batch, body, answer, because)

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
        room = self._suspicion.room(through, self._room)
        if through == 0:
            rows, prev_head = list(self._journal.rows(0, room)), genesis(self._node)
        else:
            prev_head, rows = belief.after(self._journal, through, room)
        rows = [row for number, row in enumerate(rows) if row.seq == rows[0].seq + number]
        rows = rows[: wire.fit(rows, room)]
        batch = wire.compose(self._site, self._node, rows, prev_head, self._signer)
        return batch, wire.encode_batch(batch)

    async def _settle(self, batch: Batch, receipt: Receipt, because: str) -> None:
        """Believes a receipt, appends what it refuses, then the receipt itself.

        ``because``: why the one record of the batch was withheld, if it was.
        """
        belief.must_answer(batch, receipt, self._registry_key)
        self._must_match(receipt.accepted_through, receipt.head)
        for refused in receipt.refused:
            self._teller.alarm(*words(refused, because))
        sent, first = batch.records, batch.first_seq
        drafts = refusals(self._source, self._destination, receipt, lambda seq: sent[seq - first], because)
        if drafts:
            await self._journal.append(*drafts)
        through = batch.last_seq  # not further: what is refused beyond it is not known yet
        await self._journal.settle(self._destination, through, wire.encode_receipt(receipt))
        self._through, self._went_back = through, False
        self._through = self._beyond_gone(receipt.accepted_through)
        self._suspicion = self._suspicion.taken(through)
        self._teller.calm("blocked")
        self._room = min(self._room + max(1, self._room // 8), self._pace.max_records)
        self._photos.want(receipt.wanted)
        self._teller.tell(accepted_through=through, batches=self.progress.batches + 1)

    def _must_match(self, seq: int, head: str) -> None:
        belief.must_match(self._journal, self._node, seq, head)

    async def _missing(self, batch: Batch, gap: Gap) -> None:
        if self._went_back or gap.expected >= batch.first_seq:
            raise nonsense(f"it asks again for record {gap.expected}")
        self._must_match(gap.expected - 1, gap.head)
        await self._go_back(gap.expected - 1)
        self._went_back = True

    async def _go_back(self, through: int) -> None:
        """Settles no further than ``through``: nothing beyond is retired, or passed over after a restart.

        Raises Trouble where what follows is no longer here.
        """
        (row,) = self._journal.rows(through, 1)
        if row.seq != through + 1:
            raise Trouble(
                f"中心只保存到第 {through} 条,其后至第 {row.seq - 1} 条本机已不再保存;请用较新的备份恢复中心",
                f"the centre holds records only to {through}, and those up to {row.seq - 1} are no longer on "
                "this node; restore the centre from a newer copy",
            )
        self._ready, self._suspicion = None, self._suspicion.taken(self._suspicion.last)
        for name in (self._destination, f"{self._destination}{PHOTOS}"):
            settled = self._journal.receipt(name)
            if settled is not None and settled[0] > through:
                await self._journal.settle(name, through, settled[1])
        self._photos_through = min(self._photos_through, through)
        self._teller.alarm(
            "restored",
            f"中心只保存到第 {through} 条(曾确认到 {self._through}),正在补发",
            f"the centre holds records only to {through} (it had confirmed {self._through}); sending again",
        )
        self._through = through

    def _pause(self) -> float:
        """Exponential, capped, with jitter: many lanes must not return to a centre in step."""
        longest = min(self._pace.longest_pause, self._pace.first_pause * 2 ** min(self._failures - 1, 16))
        return _random.uniform(longest / 2, longest)

    @property
    def progress(self) -> Progress:
        """How far it is and what is wrong, now."""
        return self._teller.progress

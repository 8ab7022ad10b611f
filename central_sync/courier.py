"""The courier: sends what lies beyond the last receipt, settles what the centre has proved to hold.

Nothing is settled unless the centre's head equals the journal's own head at that number. The centre may have
lost records (a restored backup): the courier then goes back and sends again. Records go before photos.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Protocol

import httpx
import msgspec
from msgspec import Struct

from central_sync import batch as wire
from central_sync.batch import Batch, Receipt
from central_sync.centre import Centre, Gap, Smaller, Trouble, nonsense
from central_sync.seal import SealedRow, receipt_message, verify
from lanes.record import Draft, Refused, genesis

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
class Alarm:
    """Something a person should know about the way to the centre."""

    at: datetime
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """For the pages: state of the link, what is settled, photos still to send, alarms by their subject."""

    link: Literal["ok", "down"] = "down"
    accepted_through: int = 0
    photos_wanted: int = 0
    batches: int = 0
    alarms: dict[str, Alarm]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Rhythm of the courier, in seconds."""

    first_pause: float = 0.5
    longest_pause: float = 30.0
    recheck: float = 60.0  # idle: ask the centre whether it still holds everything
    max_records: int = wire.MAX_RECORDS


class Courier:
    """One destination. ``run`` until cancelled; ``progress`` at any time."""

    def __init__(
        self,
        *,
        site: str,
        node: str,
        journal: Journal,
        photos: Photos,
        signer: wire.Signer,
        client: httpx.AsyncClient,
        destination: str = "centre",
        registry_key: str = "",
        pace: Pace = Pace(),
        told: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._site, self._node, self._destination = site, node, destination
        self._journal, self._photos, self._signer = journal, photos, signer
        self._centre = Centre(client, site, node, signer)
        self._registry_key, self._pace, self._told = registry_key, pace, told
        settled = journal.receipt(destination)
        self._through = 0 if settled is None else settled[0]
        self._room = pace.max_records
        self._doubt = True  # whether the centre must be asked what it holds
        self._went_back = False
        self._failures = 0
        self._wanted: list[str] = []
        self._unwelcome: set[str] = set()  # photos the centre refused for good
        self._handed: set[str] = set()  # photos it took; not sent again before the next recheck
        self.progress = Progress(accepted_through=self._through, alarms={})

    async def run(self) -> None:
        """Sends and settles until cancelled."""
        while True:
            try:
                await self._step()
            except Trouble as trouble:
                self._alarm("link", trouble.zh, trouble.en, link="down")
                self._doubt, self._failures = True, self._failures + 1
                await asyncio.sleep(max(trouble.wait, self._pause()))

    async def _step(self) -> None:
        """One exchange, or the wait for something to send."""
        if self._doubt:
            await self._compare()
        elif self._journal.head()[0] > self._through:
            await self._send_records()
        elif self._wanted:
            await self._send_photo(self._wanted[0])
        else:
            await self._idle()
            return
        self._failures = 0
        self._calm("link")

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(self._pace.recheck):
                await self._journal.wait_beyond(self._through)
        except TimeoutError:
            self._doubt = True
            self._handed.clear()

    # ---- records ---------------------------------------------------------------------------------

    async def _compare(self) -> None:
        """Asks what the centre holds; goes back when it holds less than was settled."""
        standing = await self._centre.standing()
        self._must_match(standing.through, standing.head)
        if standing.through < self._through:
            self._go_back(standing.through)
        self._want(standing.wanted)
        self._doubt = False

    async def _send_records(self) -> None:
        batch, body = await asyncio.to_thread(self._next_batch)
        answer = await self._centre.send(body)
        match answer:
            case Gap():
                self._missing(batch, answer)
            case Smaller():
                self._shrink(batch)
            case Receipt():
                await self._settle(batch, answer)

    def _next_batch(self) -> tuple[Batch, bytes]:
        if self._through == 0:
            rows, prev_head = self._journal.rows(0, self._room), genesis(self._node)
        else:
            before, *rows = self._journal.rows(self._through - 1, self._room + 1)
            prev_head = before.head
        rows = rows[: wire.fit(rows, self._room)]
        batch = wire.compose(self._site, self._node, rows, prev_head, self._signer)
        return batch, wire.encode_batch(batch)

    async def _settle(self, batch: Batch, receipt: Receipt) -> None:
        """Believes a receipt, appends what it refuses, then the receipt itself."""
        self._must_hold(batch, receipt)
        refused = self._refusals(batch, receipt)
        if refused:
            await self._journal.append(*refused)
        await self._journal.settle(self._destination, receipt.accepted_through, wire.encode_receipt(receipt))
        self._through, self._went_back = batch.last_seq, False
        self._room = min(self._room * 2, self._pace.max_records)
        self._want(receipt.wanted)
        self._tell(accepted_through=receipt.accepted_through, batches=self.progress.batches + 1)

    def _must_hold(self, batch: Batch, receipt: Receipt) -> None:
        if (receipt.site, receipt.node) != (self._site, self._node):
            raise nonsense(f"a receipt for {receipt.site}/{receipt.node}")
        if receipt.accepted_through < batch.last_seq:
            raise nonsense(f"it took the batch through {batch.last_seq} only to {receipt.accepted_through}")
        self._must_match(receipt.accepted_through, receipt.head)
        if any(not batch.first_seq <= refused.seq <= batch.last_seq for refused in receipt.refused):
            raise nonsense("it refuses records that were not in the batch")
        message = receipt_message(receipt.node, receipt.accepted_through, bytes.fromhex(receipt.head))
        if self._registry_key and not verify(self._registry_key, message, receipt.countersignature):
            raise nonsense("the receipt is not countersigned by the key of this registry")

    def _must_match(self, seq: int, head: str) -> None:
        """Raises Trouble when the centre holds what this journal never wrote."""
        last, last_head = self._journal.head()
        if seq > last:
            raise nonsense(f"it holds record {seq}, the journal ends at {last}; was the journal restored?")
        if seq == last:
            mine = last_head
        else:
            mine = self._journal.rows(seq - 1, 1)[0].head if seq else genesis(self._node)
        if mine.hex() != head:
            raise nonsense(f"its head at record {seq} is not the journal's; compare both with chayan verify")

    def _missing(self, batch: Batch, gap: Gap) -> None:
        if self._went_back or gap.expected >= batch.first_seq:
            raise nonsense(f"it asks again for record {gap.expected}")
        self._must_match(gap.expected - 1, gap.head)
        self._go_back(gap.expected - 1)
        self._went_back = True

    def _go_back(self, through: int) -> None:
        self._alarm(
            "restored",
            f"中心只保存到第 {through} 条(曾确认到 {self._through}),正在补发",
            f"the centre holds records only to {through} (it had confirmed {self._through}); sending again",
        )
        self._through = through

    def _shrink(self, batch: Batch) -> None:
        if len(batch.records) == 1:
            raise nonsense(f"record {batch.first_seq} alone is too large for it")
        self._room = max(1, len(batch.records) // 2)

    def _refusals(self, batch: Batch, receipt: Receipt) -> list[Draft]:
        drafts = []
        for refused in receipt.refused:
            what = _what(batch.records[refused.seq - batch.first_seq])
            zh = f"中心拒收第 {refused.seq} 条记录:{refused.why}"
            self._alarm("refused", zh, f"the centre refused record {refused.seq}: {refused.why}")
            if what.body.kind != "refused":  # a refused refusal must not breed
                drafts.append(self._refusal(refused, what.inspection))
        return drafts

    def _refusal(self, refused: wire.RefusedRecord, inspection: str | None) -> Draft:
        body = Refused(destination=self._destination, refused_seq=refused.seq, why=refused.why)
        return Draft(
            source=f"courier://{self._destination}",
            source_key=f"refused/{refused.seq}",
            inspection=inspection,
            body=body,
        )

    # ---- photos ----------------------------------------------------------------------------------

    def _want(self, wanted: Sequence[str]) -> None:
        """Queues what the centre asks for, without what it has had or will not have."""
        asked = [sha256 for sha256 in wanted if sha256 not in self._unwelcome | self._handed]
        self._wanted = [sha256 for sha256 in asked if self._photos.has(sha256)]
        for sha256 in set(asked).difference(self._wanted):
            en = f"the centre asks for photo {sha256}, which is not on this node"
            self._alarm("photo", f"中心索要的照片 {sha256} 不在本机", en)
        self._tell(photos_wanted=len(self._wanted))

    async def _send_photo(self, sha256: str) -> None:
        try:
            data = await asyncio.to_thread(self._photos.read, sha256)
        except OSError as trouble:
            self._unsendable(sha256, f"本机读取失败 {trouble}", f"it cannot be read here: {trouble}")
            return
        refused = await self._centre.hand_photo(sha256, data)
        if refused is None:
            self._handed.add(sha256)
            self._sent(sha256)
        else:
            self._unsendable(sha256, f"中心不收:{refused.why}", f"the centre refused it: {refused.why}")

    def _unsendable(self, sha256: str, zh: str, en: str) -> None:
        self._unwelcome.add(sha256)
        self._alarm("photo", f"照片 {sha256} 未上传:{zh}", f"photo {sha256} was not sent: {en}")
        self._sent(sha256)

    def _sent(self, sha256: str) -> None:
        self._wanted.remove(sha256)
        self._doubt = not self._wanted  # its list may have been cut short: ask for the rest
        self._tell(photos_wanted=len(self._wanted))

    # ---- telling ---------------------------------------------------------------------------------

    def _pause(self) -> float:
        """Exponential, capped, with jitter: many lanes must not return to a centre in step."""
        longest = min(self._pace.longest_pause, self._pace.first_pause * 2 ** min(self._failures - 1, 16))
        return _random.uniform(longest / 2, longest)

    def _alarm(self, subject: str, zh: str, en: str, link: Literal["ok", "down"] | None = None) -> None:
        alarm = Alarm(at=datetime.now(UTC), zh=zh, en=en)
        self._tell(link=link or self.progress.link, alarms=self.progress.alarms | {subject: alarm})

    def _calm(self, subject: str) -> None:
        alarms = {key: alarm for key, alarm in self.progress.alarms.items() if key != subject}
        self._tell(link="ok", alarms=alarms)

    def _tell(self, **changes: object) -> None:
        progress = replace(self.progress, **changes)  # type: ignore[arg-type]
        if progress != self.progress:
            self.progress = progress
            self._told(progress)


class _Kind(Struct, frozen=True):
    kind: str = ""


class _What(Struct):
    body: _Kind = _Kind()
    inspection: str | None = None


def _what(record: str) -> _What:
    try:
        return msgspec.json.decode(record, type=_What)
    except msgspec.MsgspecError:
        return _What()

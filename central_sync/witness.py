"""The witness of a node's chain: once a day its Merkle root is signed, and cosigned by the registry.

What the node has signed is kept at once, and handed over until the registry has cosigned it. The frontier of
the tree is kept with it, so that the next one costs what has come since, also after volumes were retired.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import httpx
import msgspec

from central_sync import batch as wire
from central_sync import merkle, note
from central_sync.centre import Trouble, nonsense
from central_sync.seal import KeyTrouble, SealedRow, Signer
from central_sync.volumes import KeptCheckpoint

LOOK_S = 60.0
MAX_PAUSE_S = 3600.0  # after trouble the pause doubles up to this
PAGE = 2000
_random = random.SystemRandom()


class Journal(Protocol):
    """What the witness needs of ``journal.Journal``."""

    def head(self) -> tuple[int, bytes]: ...
    def rows(self, after_seq: int, limit: int) -> Sequence[SealedRow]: ...
    def receipt(self, destination: str) -> tuple[int, bytes] | None: ...
    def checkpoint(self) -> KeptCheckpoint | None: ...
    def keep_checkpoint(self, size: int, frontier: bytes, note: str) -> Awaitable[None]: ...


class _Cosigned(msgspec.Struct, frozen=True):
    note: str


class Witness:
    """Checkpoints of one node at one registry. ``alarm`` and ``calm`` are told of trouble and its end."""

    def __init__(
        self,
        *,
        site: str,
        node: str,
        journal: Journal,
        signer: Signer,
        client: httpx.AsyncClient,
        destination: str = "centre",
        registry_key: str = "",
        zone: str = "Asia/Shanghai",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        alarm: Callable[[str, str, str], None] = lambda *_: None,
        calm: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._site, self._node, self._destination = site, node, destination
        self._journal, self._signer, self._client = journal, signer, client
        self._registry_key, self._zone, self._clock = registry_key, ZoneInfo(zone), clock
        self._alarm, self._calm = alarm, calm
        self._origin = note.origin_of(site, node)

    async def run(self) -> None:
        """Looks once a minute whether a day has passed, until cancelled; after trouble less often."""
        pause = LOOK_S
        while True:
            try:
                if self.due():
                    await self.checkpoint()
                self._calm("checkpoint")
                pause = LOOK_S
            except Trouble as trouble:
                self._alarm("checkpoint", f"检查点未获联署：{trouble.zh}", f"no checkpoint: {trouble.en}")
                pause = min(max(2 * pause, trouble.wait), MAX_PAUSE_S) * _random.uniform(0.8, 1.0)
            await asyncio.sleep(pause)

    def due(self) -> bool:
        """Whether records have come since the last cosigned checkpoint, and that is from another day."""
        kept = self._journal.checkpoint()
        if kept is None or not self._is_cosigned(kept.note):
            return self._journal.head()[0] > 0
        return kept.size < self._journal.head()[0] and not self._is_of_today(kept)

    def _is_of_today(self, kept: KeptCheckpoint) -> bool:
        """By the site's own clock."""
        made, now = datetime.fromisoformat(kept.at), self._clock()
        return made.astimezone(self._zone).date() >= now.astimezone(self._zone).date()

    async def checkpoint(self) -> str | None:
        """Has the records that the registry has settled cosigned; the note, None when there is nothing new.

        Raises Trouble when the registry does not cosign, or when its signature does not hold.
        """
        kept = self._journal.checkpoint()
        settled = self._journal.receipt(self._destination)
        size = 0 if settled is None else settled[0]
        if kept is None or not self._is_pending(kept, size):
            if size == 0 or (kept is not None and size < kept.size):
                return None
            kept = await asyncio.to_thread(self._grown, kept, size)
            await self._journal.keep_checkpoint(kept.size, kept.frontier, kept.note)
        text = await self._cosigned(kept.note)
        if note.parse(text).text != note.parse(kept.note).text or not self._is_cosigned(text):
            raise nonsense("the checkpoint that it returned is not ours, or is not cosigned by its key")
        await self._journal.keep_checkpoint(kept.size, kept.frontier, text)
        return text

    def _is_pending(self, kept: KeptCheckpoint, settled: int) -> bool:
        """Whether a checkpoint by the present key still waits for its cosignature, and none newer is due."""
        ours = note.is_signed(note.parse(kept.note), self._origin, self._signer.public)
        newest = self._is_of_today(kept) or kept.size >= settled
        return ours and newest and not self._is_cosigned(kept.note)

    def _grown(self, kept: KeptCheckpoint | None, size: int) -> KeptCheckpoint:
        """The signed checkpoint over the first ``size`` records."""
        frontier = merkle.Frontier() if kept is None else merkle.Frontier.decode(kept.frontier)
        while frontier.size < size:
            rows = self._journal.rows(frontier.size, min(PAGE, size - frontier.size))
            if not rows or rows[0].seq != frontier.size + 1:
                missing = frontier.size + 1
                raise Trouble(
                    f"第 {missing} 条记录已不在本机，无法继续计算默克尔树",
                    f"record {missing} is no longer on this node, so that its tree cannot go on",
                )
            for row in rows:
                frontier.append(row.head)
        text = str(note.Checkpoint(origin=self._origin, size=size, root=frontier.root()))
        own = note.signed(note.Note(text=text), self._origin, self._signer)
        at = self._clock().isoformat()
        return KeptCheckpoint(size=size, frontier=frontier.encode(), note=str(own), at=at)

    def _is_cosigned(self, text: str) -> bool:
        """By the pinned key; without one, by the key that has signed the last receipt. Raises Trouble."""
        key = self._registry_key or self._receipts_key()
        try:
            return bool(key) and note.witnessed_at(note.parse(text), note.WITNESS, key) is not None
        except KeyTrouble as trouble:
            raise Trouble(
                f"无法验证登记库签名：{trouble}", f"the registry's signature cannot be checked: {trouble}"
            ) from trouble

    def _receipts_key(self) -> str:
        settled = self._journal.receipt(self._destination)
        try:
            return "" if settled is None else wire.decode_receipt(settled[1]).registry_key
        except wire.WireError:
            return ""

    async def _cosigned(self, text: str) -> str:
        body = msgspec.json.encode({"site": self._site, "node": self._node, "note": text})
        headers = {"Content-Type": "application/json"}
        try:
            answer = await self._client.post("/v1/checkpoints", content=body, headers=headers)
        except httpx.HTTPError as trouble:
            raise Trouble(f"无法连接中心：{trouble}", f"the centre cannot be reached: {trouble}") from trouble
        if answer.status_code != 200:
            said = f"HTTP {answer.status_code} {answer.text[:300]}"
            raise Trouble(f"中心拒绝：{said}", f"the centre turned it down: {said}")
        try:
            cosigned = msgspec.json.decode(answer.content, type=_Cosigned).note
            note.checkpoint_of(note.parse(cosigned))
        except (msgspec.MsgspecError, note.NoteError) as trouble:
            raise nonsense(str(trouble)) from trouble
        return cosigned

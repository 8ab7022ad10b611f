"""The witness of a node's chain: once a day its Merkle root is signed, and cosigned by the registry.

The frontier of the tree is kept with each checkpoint, so that the next one costs what has come since, also
after older volumes were retired.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import httpx
import msgspec

from central_sync import merkle, note
from central_sync.centre import Trouble, nonsense
from central_sync.seal import SealedRow, Signer
from central_sync.volumes import KeptCheckpoint

LOOK_S = 60.0
PAGE = 2000


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
        """Looks once a minute whether a day has passed, until cancelled."""
        while True:
            try:
                if self.due():
                    await self.checkpoint()
                self._calm("checkpoint")
            except Trouble as trouble:
                self._alarm("checkpoint", f"检查点未获联署：{trouble.zh}", f"no checkpoint: {trouble.en}")
            await asyncio.sleep(LOOK_S)

    def due(self) -> bool:
        """Whether the last cosigned checkpoint is from another day, by the site's own clock."""
        kept = self._journal.checkpoint()
        if self._journal.head()[0] == 0 or (kept is not None and kept.size == self._journal.head()[0]):
            return False
        if kept is None or not self._is_cosigned(note.parse(kept.note)):
            return True
        return self._day(datetime.fromisoformat(kept.at)) < self._day(self._clock())

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self._zone).date()

    async def checkpoint(self) -> str | None:
        """Has what the registry has settled signed and cosigned; the note, None when there is nothing.

        Raises Trouble when the registry does not cosign, or when its signature does not hold.
        """
        settled = self._journal.receipt(self._destination)
        size = 0 if settled is None else settled[0]
        if size == 0:
            return None
        kept = self._journal.checkpoint()
        if kept is not None and kept.size > size:
            return None
        own, frontier = await asyncio.to_thread(self._signed, kept, size)
        text = await self._cosigned(str(own))
        cosigned = note.parse(text)
        if cosigned.text != own.text or not self._is_cosigned(cosigned):
            raise nonsense("the checkpoint that it returned is not ours, or is not cosigned by its key")
        await self._journal.keep_checkpoint(size, frontier.encode(), text)
        return text

    def _signed(self, kept: KeptCheckpoint | None, size: int) -> tuple[note.Note, merkle.Frontier]:
        frontier = merkle.Frontier() if kept is None else merkle.Frontier.decode(kept.frontier)
        while frontier.size < size:
            for row in self._journal.rows(frontier.size, min(PAGE, size - frontier.size)):
                if row.seq != frontier.size + 1:
                    raise nonsense(f"record {frontier.size + 1} is no longer here; no tree can be made")
                frontier.append(row.head)
        text = str(note.Checkpoint(origin=self._origin, size=size, root=frontier.root()))
        return note.signed(note.Note(text=text), self._origin, self._signer), frontier

    def _is_cosigned(self, checkpoint: note.Note) -> bool:
        """By the pinned key; without one, that somebody cosigned must do."""
        if not self._registry_key:
            return len(checkpoint.signatures) > 1
        return note.witnessed_at(checkpoint, note.WITNESS, self._registry_key) is not None

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

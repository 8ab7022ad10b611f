"""Health of the node itself: disk, stores and clock become records, alarms, and a desk that takes no more."""

import asyncio
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import structlog

from central_sync.clock import StepWatch
from central_sync.volumes import JournalError
from edge.desk import Desk
from edge.settings import Disk
from lanes.record import AnyBody, ClockStepped, StorageChanged

LOOK_S = 2.0
MB = 1 << 20
EASE = 1.1  # a state ends only when a tenth more is free than where it began

log = structlog.get_logger("chayan.health")


class Health:
    """Looks every ``LOOK_S`` seconds; ``free_mb`` is asked for the space of the node's folder."""

    def __init__(self, desk: Desk, disk: Disk, free_mb: Callable[[], int] | None = None) -> None:
        self._desk, self._disk = desk, disk
        folder = desk.site.node.folder
        self._free_mb = free_mb or (lambda: shutil.disk_usage(folder).free // MB)
        self._steps = StepWatch()
        self._run, self._count = uuid4().hex[:12], 0
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """One look at disk, stores and clock."""
        free = self._free_mb()
        disk, journal, photos = (
            self._disk_state(free),
            self._desk.journal.storage,
            self._desk.photos.storage(),
        )
        self._desk.full = disk == "low" or journal.state != "ok" or photos.state in ("full", "read_only")
        if free < self._disk.warn_mb * (EASE if "disk" in self._desk.alarms else 1):
            self._desk.alarm("disk", *self._disk_words(free, disk))
        else:
            self._desk.calm("disk")
        for what, store in (("journal", journal), ("photos", photos)):
            if store.state == "ok":
                self._desk.calm(what)
            else:
                self._desk.alarm(what, store.zh, store.en)
        await self._tell("disk", disk, free, "")
        await self._tell("journal", journal.state, free, journal.en)
        await self._tell("photos", photos.state, free, photos.en)
        await self._clock()

    def _disk_state(self, free: int) -> str:
        limit = self._disk.refuse_mb * (EASE if self._told.get("disk") == "low" else 1)
        return "low" if free < limit else "ok"

    def _disk_words(self, free: int, state: str) -> tuple[str, str]:
        if state == "low":
            return (
                f"磁盘仅剩 {free} MB（低于 {self._disk.refuse_mb} MB）：不再受理新车，请清理磁盘",
                f"only {free} MB left (below {self._disk.refuse_mb} MB): no new vehicle is taken; make room",
            )
        return (
            f"磁盘剩余 {free} MB，低于 {self._disk.warn_mb} MB，请及时清理",
            f"{free} MB left on the disk, less than {self._disk.warn_mb} MB; make room soon",
        )

    async def _tell(self, what: str, state: str, free: int, why: str) -> None:
        """A record of each change of state; while none can be kept, the next look tries again."""
        if self._told.get(what, "ok") == state:
            return
        body = StorageChanged(what=what, state=state, free_mb=free, why=why[:2000])  # type: ignore[arg-type]
        if await self._keep(what, body):
            self._told[what] = state

    async def _clock(self) -> None:
        step = self._steps.look(datetime.now(UTC).timestamp(), time.monotonic())
        if step is None:
            return
        step_ms = round(step * 1000)
        log.warning("the clock stepped", step_ms=step_ms)
        self._desk.alarm(
            "clock-step",
            f"本机时钟跳变 {step_ms / 1000:+.1f} 秒，请检查对时",
            f"this node's clock jumped by {step_ms / 1000:+.1f} s; check its time source",
        )
        await self._keep("step", ClockStepped(step_ms=step_ms))

    async def _keep(self, word: str, body: AnyBody) -> bool:
        self._count += 1
        try:
            await self._desk.own(f"{self._run}-{self._count}-{word}", body)
        except JournalError as error:
            log.error("the journal takes nothing", why=str(error))
            return False
        return True

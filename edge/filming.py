"""Films items by their time: a still at beginning and end, a clip of all between, and a record of them."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog
from fastapi import FastAPI
from fastapi.responses import FileResponse

from central_sync.photos import Photos
from central_sync.volumes import JournalError
from edge.desk import Desk
from edge.permits import ActError
from firmware_bridge.device import Filmer, MeasureError
from lanes.evidence import Span
from lanes.inspection import ended_item
from lanes.record import Filmed, ItemStarted, Record

Place: TypeAlias = tuple[str, str]  # lane, station
CLIPS = "clips"  # folder of the node
WAITING = 200  # ends of items that may wait; what comes on top is not filmed, and a finding says so

log = structlog.get_logger("chayan.filming")


class Filming:
    """Listens to the journal; never holds up who writes to it."""

    def __init__(self, desk: Desk, clips: Photos, cameras: Mapping[Place, Sequence[Filmer]]) -> None:
        self.desk, self._clips, self._cameras = desk, clips, cameras
        self._due: asyncio.Queue[tuple[str, Span]] = asyncio.Queue(WAITING)
        self._first: dict[tuple[str, str, str], asyncio.Task[str | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        desk.journal.listen(self.take)  # after the desk, whose book knows these records by then

    def take(self, records: Sequence[Record]) -> None:
        """Beginnings and ends of items at stations with a camera."""
        for record in records:
            inspection = self.desk.book.inspections.get(record.inspection or "")
            begins = isinstance(record.body, ItemStarted)
            item = record.body.item if isinstance(record.body, ItemStarted) else ended_item(record.body)
            span = inspection.spans.get(item) if inspection is not None else None
            if inspection is None or span is None or (span.lane, span.station) not in self._cameras:
                continue
            if not begins and span.to_seq != record.seq:
                continue  # it had no beginning of its own
            if self._due.full():
                log.error("not filmed: too much is waiting", inspection=inspection.inspection, item=item)
            else:
                self._due.put_nowait((inspection.inspection, span))

    async def run(self) -> None:
        """Films until cancelled."""
        try:
            while True:
                inspection, span = await self._due.get()
                for camera in self._cameras[span.lane, span.station]:
                    if span.to_at is None:
                        key = (inspection, span.item, camera.name)
                        self._first[key] = asyncio.create_task(self._still(camera))
                    else:
                        task = asyncio.create_task(self._film(camera, inspection, span, span.to_at))
                        self._tasks.add(task)
                        task.add_done_callback(self._tasks.discard)
        finally:
            for each in (*self._tasks, *self._first.values()):
                each.cancel()
            self._first.clear()

    async def _still(self, camera: Filmer) -> str | None:
        """Digest of what the camera shows now, durable; None when it shows nothing."""
        try:
            return await self.desk.keep((await camera.picture()).jpeg)
        except (MeasureError, OSError) as error:
            log.warning("no still", device=camera.name, why=str(error))
            return None

    async def _film(self, camera: Filmer, inspection: str, span: Span, end: datetime) -> None:
        """Appends the record of an item that has ended; without one a finding says what is missing."""
        first = self._first.pop((inspection, span.item, camera.name), None)
        stills = [await first if first is not None else None, await self._still(camera)]
        await asyncio.sleep(camera.after_s)
        try:
            film = await camera.film(
                span.from_at - timedelta(seconds=camera.before_s), end + timedelta(seconds=camera.after_s)
            )
            clip = await asyncio.to_thread(self._clips.put, film.mp4)
            body = Filmed(
                device=camera.name,
                from_at=film.from_at,
                to_at=film.to_at,
                clip=clip,
                size_bytes=len(film.mp4),
                place=f"/api/v1/clips/{clip}",
                lane=span.lane,
                station=span.station,
                item=span.item,
                stills=tuple(each for each in stills if each is not None),
            )
            key = f"{inspection}/{span.item}/{span.from_seq}/{camera.name}"
            await self.desk.append(camera.source, key, body, inspection)
            self.desk.calm("clips")
        except (MeasureError, JournalError, OSError) as error:
            log.warning("not filmed", device=camera.name, item=span.item, why=str(error))
            self.desk.alarm(
                "clips",
                f"{span.item} 的录像未能保存：{error}",
                f"the film of {span.item} was not kept: {error}",
            )


def add_clips(app: FastAPI, clips: Photos) -> None:
    """Clips over the node's API."""

    @app.get("/api/v1/clips/{digest}")
    async def clip(digest: str) -> FileResponse:
        try:
            path = clips.path(digest)
        except ValueError as error:
            raise ActError(422, "digest", "录像摘要格式错误", str(error)) from error
        if not path.exists():
            raise ActError(404, "no-clip", "没有这段录像", "no such clip")
        return FileResponse(path, media_type="video/mp4")

"""A vehicle is asked through its OBD socket: by the station's adapter, or by one at an officer's PDA."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from central_sync.journal import RetiredError
from edge.acts import Acts
from edge.permits import ActError, key_reused, must_be_permitted
from edge.settings import DeviceEntry
from firmware_bridge.device import MeasureError, ObdReader
from lanes.inspection import Inspection
from lanes.record import Key, Name, ObdRead


class ObdPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An officer has the vehicle asked, or gives what an adapter at the PDA has ``read``."""

    key: Key
    officer: Name
    device: Annotated[str, Meta(max_length=80)] = ""
    read: ObdRead | None = None


class Obd:
    """The adapters of a node by name, and who may have them ask which vehicle."""

    def __init__(self, acts: Acts, readers: Mapping[str, ObdReader]) -> None:
        self.acts, self.desk, self._readers = acts, acts.desk, readers
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ask(self, inspection: str, post: ObdPost) -> tuple[int, bool]:
        """(seq, fresh) of the reading; a repetition asks no vehicle. Raises ActError."""
        self.acts.must_be_officer(post.officer)
        known = self.acts.known(inspection)
        lane, station = known.lane or "", known.station or ""
        if post.read is not None:
            source = f"{self.desk.prefix}officer/{post.officer}"
        else:
            reader = self._reader(known, post.device)
            source = reader.source
        async with self._turns[source]:  # the same key, posted again while the vehicle is asked, waits
            kept = self._kept(source, post.key, inspection, post.read)
            if kept is not None:
                return kept, False
            if not lane or not station:
                raise ActError(409, "not-open", "车辆不在工位上", "the vehicle stands at no station")
            told = post.read
            if told is None:
                must_be_permitted(self.desk, known, ObdRead(lane=lane, station=station, device=reader.name))
                told = await self._told(reader, known, lane, station)
            read = msgspec.structs.replace(told, lane=lane, station=station, officer=post.officer)
            return await self.acts.once(source, post.key, read, inspection)

    async def _told(self, reader: ObdReader, known: Inspection, lane: str, station: str) -> ObdRead:
        """What the vehicle says; raises ActError, also when it has driven off meanwhile."""
        try:
            told = await reader.read_vehicle(lane, station)
        except MeasureError as error:
            raise ActError(
                503, "no-reading", f"OBD 未读成，请重试：{error}", f"try again: {error}"
            ) from error
        if self.acts.known(known.inspection).station != station:
            raise ActError(409, "left", "车辆已离开该工位", f"the vehicle has left {station}")
        return told

    def _kept(self, source: str, key: str, inspection: str, read: ObdRead | None) -> int | None:
        """Seq of the reading that this key already stands for; raises ActError for another one."""
        try:
            record = self.desk.journal.find(source, key)
        except RetiredError as error:
            return error.seq
        if record is None:
            return None
        stands = record.body
        place = {name: getattr(stands, name, "") for name in ("lane", "station", "officer")}
        same = read is None or stands == msgspec.structs.replace(read, **place)
        if not isinstance(stands, ObdRead) or not same or record.inspection != inspection:
            raise key_reused(record.seq)
        return record.seq

    def _reader(self, known: Inspection, device: str) -> ObdReader:
        """The adapter of the vehicle's station, of several the named one; raises ActError."""
        here = [entry.name for entry in adapters(self.desk.site.devices, known.lane, known.station)]
        wanted = [name for name in here if device in ("", name) and name in self._readers]
        if not wanted:
            at = f"{known.lane or '?'}/{known.station or '?'}"
            raise ActError(
                409,
                "no-adapter",
                f"车辆所在工位 {at} 没有 OBD 适配器 {device}",
                f"no OBD adapter {device} at {at}",
            )
        return self._readers[wanted[0]]


def adapters(
    devices: tuple[DeviceEntry, ...], lane: str | None, station: str | None
) -> tuple[DeviceEntry, ...]:
    """The OBD adapters of a station."""
    return tuple(each for each in devices if (each.role, each.lane, each.station) == ("obd", lane, station))

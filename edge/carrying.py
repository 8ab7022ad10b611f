"""Instruments that are carried to a vehicle: an officer has one give its next result for an inspection."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct

from central_sync.journal import RetiredError
from edge.acts import Acts
from edge.permits import ActError, key_reused, must_be_permitted, no_item
from firmware_bridge.device import Instrument, MeasureError
from lanes.measured import problem
from lanes.record import ItemStarted, Key, Measurement, Name


class CarriedPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An officer asks for the result of ``device``."""

    key: Key
    officer: Name
    device: Name


@dataclass(frozen=True, kw_only=True)
class Place:
    """A carried instrument, where it is kept, and the item it measures."""

    instrument: Instrument
    lane: str
    station: str
    item: str


class Carrying:
    """The carried instruments of a node by name, and who may have them measure which vehicle."""

    def __init__(self, acts: Acts, places: Mapping[str, Place]) -> None:
        self.acts, self.desk, self._places = acts, acts.desk, places
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def ask(self, inspection: str, post: CarriedPost) -> tuple[int, bool]:
        """(seq, fresh) of the measurement; a repetition measures nothing. Raises ActError."""
        self.acts.must_be_officer(post.officer)
        known = self.acts.known(inspection)
        place = self._places.get(post.device)
        if place is None:
            raise ActError(
                404,
                "no-device",
                f"没有可携带的检测设备 {post.device}",
                f"no instrument {post.device} that is carried to a vehicle",
            )
        source = place.instrument.source
        async with self._turns[source]:  # the same key, posted again while it measures, waits
            kept = self._kept(source, post.key, inspection)
            if kept is not None:
                return kept, False
            if place.item not in {item.item for item in self.desk.checklist(known).items}:
                raise no_item(place.item)
            try:
                body = await self._measured(inspection, place)
            except MeasureError as error:
                raise ActError(
                    503, "no-reading", f"未测得结果，请重试：{error}", f"try again: {error}"
                ) from error
            return await self.acts.once(source, post.key, body, inspection)

    async def _measured(self, inspection: str, place: Place) -> Measurement:
        """What the instrument tells next, if the rules can judge it. Raises MeasureError, ActError."""
        known = self.acts.known(inspection)
        instrument, lane, station, item = place.instrument, place.lane, place.station, place.item
        asked = ItemStarted(lane=lane, station=station, item=item, device=instrument.name)
        must_be_permitted(self.desk, known, asked)
        body = await instrument.measure(lane, station, item, 1)
        assert isinstance(body, Measurement)
        why = problem(body, known.vehicle)
        if why is not None:
            raise MeasureError(why)
        return body

    def _kept(self, source: str, key: str, inspection: str) -> int | None:
        """Seq of the measurement that this act already is; raises ActError where it is another's."""
        try:
            record = self.desk.journal.find(source, key)
        except RetiredError as error:
            return error.seq
        if record is not None and record.inspection != inspection:
            raise key_reused(record.seq)
        return None if record is None else record.seq

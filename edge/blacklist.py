"""The black list (布控名单): vehicles the centre wants stopped, or wants the operator to know of."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from lanes.arrivals import unmatched
from lanes.book import Book
from lanes.layout import Lane
from lanes.record import Name, Text
from lanes.spelling import fold
from lanes.vehicle import Vehicle


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One vehicle, by plate or VIN. ``stop``: no order is taken; ``warn``: it is shown."""

    reason_zh: Text
    reason_en: Text
    level: Literal["stop", "warn"]
    hpzl: Annotated[str, Meta(pattern="^([0-9]{2})?$")] = ""
    hphm: Annotated[str, Meta(max_length=12)] = ""
    vin: Annotated[str, Meta(max_length=25)] = ""

    def words(self, name: str) -> tuple[str, str]:
        """What is shown of a vehicle: zh, en."""
        return f"布控车辆 {name}：{self.reason_zh}", f"{name} is on the black list: {self.reason_en}"


class Listed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A black list as it travels."""

    version: Name
    entries: tuple[Entry, ...]


class Blacklist:
    """All entries of one version, found by plate or VIN as cameras and papers spell them."""

    def __init__(self, listed: Listed | None = None) -> None:
        self.version = listed.version if listed else ""
        self._by_plate: dict[str, list[Entry]] = defaultdict(list)
        self._by_vin: dict[str, list[Entry]] = defaultdict(list)
        for each in listed.entries if listed else ():
            if each.hphm:
                self._by_plate[fold(each.hphm)].append(each)
            if each.vin:
                self._by_vin[fold(each.vin)].append(each)

    def of(self, vehicle: Vehicle) -> list[Entry]:
        """Entries about a vehicle, each once."""
        plate = vehicle.plate
        found = [*self._by_vin.get(fold(vehicle.vin), ())]
        if plate is not None:
            found += [each for each in self._plated(plate.hphm, plate.hpzl) if each not in found]
        return found

    def stops(self, vehicle: Vehicle) -> Entry | None:
        """The entry for which this vehicle may not be ordered."""
        return next((each for each in self.of(vehicle) if each.level == "stop"), None)

    def words_of(self, vehicle: Vehicle) -> list[tuple[str, str]]:
        """What is shown of a vehicle: zh, en."""
        return [each.words(vehicle.plate.hphm if vehicle.plate else vehicle.vin) for each in self.of(vehicle)]

    def on_site(self, book: Book, lanes: Iterable[Lane]) -> list[tuple[str, str]]:
        """Words for each listed vehicle that waits, stands on a lane, or is seen at a gate."""
        here = (each.vehicle for each in book.inspections.values() if each.phase in ("waiting", "on_lane"))
        words = [pair for vehicle in here for pair in self.words_of(vehicle)]
        seen = (capture.plate_text for lane in lanes if (capture := unmatched(lane, book)) is not None)
        return words + [entry.words(text) for text in seen for entry in self._plated(text)]

    def _plated(self, hphm: str, hpzl: str = "") -> list[Entry]:
        """Entries about a plate; without a kind on either side it is about every kind."""
        known = self._by_plate.get(fold(hphm), ()) if hphm else ()
        return [each for each in known if not each.hpzl or not hpzl or each.hpzl == hpzl]


def parse(content: bytes) -> Blacklist:
    """A black list of JSON; raises msgspec.MsgspecError, UnicodeDecodeError."""
    return Blacklist(msgspec.json.decode(content, type=Listed))

"""The black list (布控名单): vehicles the centre wants stopped, or wants the operator to know of."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from central_sync.ledger import sync
from edge.settings import SettingsError
from lanes.flow import Book, unmatched
from lanes.layout import Lane
from lanes.record import Name, Text
from lanes.vehicle import Vehicle, fold

FILE = "blacklist.json"


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One vehicle, by plate or VIN. ``stop``: no order is taken; ``warn``: it is shown."""

    reason_zh: Text
    reason_en: Text
    level: Literal["stop", "warn"]
    hpzl: Annotated[str, Meta(pattern="^([0-9]{2})?$")] = ""
    hphm: Annotated[str, Meta(max_length=12)] = ""
    vin: Annotated[str, Meta(max_length=25)] = ""

    def is_of(self, hpzl: str, hphm: str, vin: str) -> bool:
        """Whether the entry is about a vehicle; an entry without ``hpzl`` is about every kind of plate."""
        if self.vin and vin and fold(self.vin) == fold(vin):
            return True
        kinds = not self.hpzl or not hpzl or self.hpzl == hpzl
        return bool(self.hphm) and bool(hphm) and fold(self.hphm) == fold(hphm) and kinds


class Blacklist(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All entries of one version."""

    version: Name = "none"
    entries: tuple[Entry, ...] = ()

    def of(self, vehicle: Vehicle) -> Iterator[Entry]:
        """Entries about a vehicle."""
        plate = vehicle.plate
        for each in self.entries:
            if each.is_of(plate.hpzl if plate else "", plate.hphm if plate else "", vehicle.vin):
                yield each

    def stops(self, vehicle: Vehicle) -> Entry | None:
        """The entry for which this vehicle may not be ordered."""
        return next((each for each in self.of(vehicle) if each.level == "stop"), None)

    def on_site(self, book: Book, lanes: Iterable[Lane]) -> list[tuple[str, str]]:
        """Words (zh, en) for each listed vehicle that waits, stands on a lane, or is seen at a gate."""
        if not self.entries:
            return []
        words = [
            _words(each, vehicle.plate.hphm if vehicle.plate else vehicle.vin)
            for vehicle in (i.vehicle for i in book.inspections.values() if i.phase in ("waiting", "on_lane"))
            for each in self.of(vehicle)
        ]
        for lane in lanes:
            seen = unmatched(lane, book)
            if seen is not None:
                words += [
                    _words(each, seen.plate_text)
                    for each in self.entries
                    if each.is_of("", seen.plate_text, "")
                ]
        return words


def _words(entry: Entry, name: str) -> tuple[str, str]:
    return f"布控车辆 {name}：{entry.reason_zh}", f"{name} is on the black list: {entry.reason_en}"


def read(folder: Path) -> Blacklist:
    """The list that is in force; empty when the centre has sent none. Raises SettingsError."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Blacklist)
    except FileNotFoundError:
        return Blacklist()
    except (msgspec.MsgspecError, OSError) as error:
        raise SettingsError(
            f"{folder / FILE}: cannot be read: {error}; have the centre send the black list again and "
            "remove this file"
        ) from error


def keep(folder: Path, content: bytes) -> Blacklist:
    """Checks a list and makes it durable; raises msgspec.ValidationError, OSError."""
    taken = msgspec.json.decode(content, type=Blacklist)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{FILE}.new"
    fresh.write_bytes(content)
    sync(fresh)
    fresh.replace(folder / FILE)
    sync(folder)
    return taken

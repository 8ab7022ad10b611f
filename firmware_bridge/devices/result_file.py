"""Instruments whose program puts a result file into a folder: outline gauge, road tester, tread gauge.

A result belongs to the vehicle that stands there now: only a file that appears (or, where one file is
written over and over, changes) after the measurement began is taken, only once it is whole, and no content
twice under one name. Whole: its size and time stand still for ``settle_ms`` and it reads as what it should
be, with its closing mark where one is set. Files are never written, moved or removed here.
"""

import asyncio
import hashlib
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta

from firmware_bridge.device import MeasureError, Tell
from firmware_bridge.devices import fields
from firmware_bridge.devices.fields import FieldMap, Result, Unreadable, Wanted
from firmware_bridge.devices.pulse import Pulse

PROBE_S = 2.0
RHYTHM_S = 3 * PROBE_S


class Config(FieldMap, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Folder and names of the results, what is in them, how long to wait."""

    folder: Path
    pattern: Annotated[str, Meta(pattern="^[^/]+$")] = "*"
    overwrites: bool = False
    closing: str = ""
    settle_ms: Annotated[int, Meta(ge=100, le=10_000)] = 500
    wait_s: Annotated[float, Meta(ge=1, le=600)] = 120.0
    simulated: bool = False


class Stamp(NamedTuple):
    """By what a file is known to have changed."""

    inode: int
    size: int
    changed_ns: int


def stamps(folder: Path, pattern: str) -> dict[str, Stamp]:
    """The results in a folder; raises OSError."""
    found: dict[str, Stamp] = {}
    for path in folder.iterdir():
        if not path.match(pattern):
            continue
        with suppress(FileNotFoundError):  # renamed meanwhile
            about = path.lstat()
            if stat.S_ISREG(about.st_mode):
                found[path.name] = Stamp(about.st_ino, about.st_size, about.st_mtime_ns)
    return found


class ResultFile:
    """One folder."""

    def __init__(self, name: str, config: Config, wanted: Wanted) -> None:
        fields.check(name, wanted, config)
        self.name = name
        self.source = f"virtual+file://{name}" if config.simulated else f"file://{name}"
        self._config, self._wanted = config, wanted
        self._folder = config.folder
        self._taken: set[tuple[str, str]] = set()
        self._lock = asyncio.Lock()

    async def run(self, tell: Tell) -> None:
        """Looks whether the folder can be read, until cancelled."""
        pulse = Pulse(tell, RHYTHM_S)
        while True:
            try:
                await self._look()
            except OSError as wrong:
                await pulse.lost(str(wrong))
            else:
                await pulse.beat()
            await asyncio.sleep(PROBE_S)

    async def measure(self, lane: str, station: str, item: str, axle: int) -> Result:
        """The result that appears from now on; raises MeasureError."""
        common = {"lane": lane, "station": station, "device": self.name, "item": item}
        async with self._lock:
            try:
                return await self._appears(await self._at_rest(), common)
            except OSError as wrong:
                raise MeasureError(f"{self.name}: {wrong}; check the folder and who may read it") from wrong

    async def _look(self) -> dict[str, Stamp]:
        return await asyncio.to_thread(stamps, self._folder, self._config.pattern)

    async def _at_rest(self) -> dict[str, Stamp]:
        """What lies there before the measurement: what is still being written is another vehicle's."""
        loop, last = asyncio.get_running_loop(), None
        deadline = loop.time() + self._config.wait_s
        while (seen := await self._look()) != last:
            if loop.time() > deadline:
                raise MeasureError(f"{self.name}: files keep changing; give a narrower pattern")
            await asyncio.sleep(self._config.settle_ms / 1000)
            last = seen
        return seen

    async def _appears(self, before: dict[str, Stamp], common: Mapping[str, object]) -> Result:
        loop, why = asyncio.get_running_loop(), "no new result"
        deadline, last = loop.time() + self._config.wait_s, before
        while loop.time() < deadline:
            await asyncio.sleep(self._config.settle_ms / 1000)
            seen = await self._look()
            new = {
                name: stamp
                for name, stamp in seen.items()
                if name not in before or (self._config.overwrites and before[name] != stamp)
            }
            if len(new) > 1:
                names = ", ".join(sorted(new))
                raise MeasureError(f"{self.name}: {len(new)} results at once ({names}); measure again")
            for name in [name for name, stamp in new.items() if last.get(name) == stamp]:
                try:
                    return await self._take(name, seen[name], common)
                except Unreadable as wrong:
                    why = f"{name}: {wrong}"
            last = seen
        raise MeasureError(f"{self.name}: nothing for {self._config.wait_s:g} s: {why}")

    async def _take(self, name: str, stamp: Stamp, common: Mapping[str, object]) -> Result:
        path = self._folder / name
        if stamp.size > fields.LARGEST:
            raise Unreadable(f"{stamp.size} bytes, {fields.LARGEST} are the most")
        data = await asyncio.to_thread(path.read_bytes)
        key = name, hashlib.sha256(data).hexdigest()
        if key in self._taken:
            raise Unreadable("its content was taken before")
        if not data.rstrip().endswith(
            self._config.closing.encode(self._config.encoding.removesuffix("-sig"))
        ):
            raise Unreadable(f"does not end with {self._config.closing!r}")
        if self._config.form != "xml" and not self._config.closing and not data.endswith((b"\r", b"\n")):
            raise Unreadable("the last line has no end; if results have none, set closing")
        body = fields.read(data, self._wanted, self._config, common)
        if (await self._look()).get(name) != stamp:
            raise Unreadable("changed while it was read")
        self._taken.add(key)
        return body

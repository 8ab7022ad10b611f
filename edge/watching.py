"""Watching devices: the raw log of each, what its traffic amounts to, and who may measure."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from typing import Any

import structlog
from msgspec import Struct
from msgspec.structs import replace

from central_sync.volumes import JournalError
from edge.desk import Desk
from edge.settings import DeviceEntry, SiteFile
from firmware_bridge.catalog import KINDS
from firmware_bridge.device import (
    Device,
    Health,
    Instrument,
    MeasureError,
    ObdReader,
    Row,
    Said,
    Sign,
    Switchboard,
    Tell,
)
from firmware_bridge.rawlog import RawLog
from firmware_bridge.tap import NOBODY, TAP, Counts, Tap
from lanes.calibration import Standing
from lanes.record import AnyBody, Measurement, ObdRead

RAW = "raw"  # folder of the raw logs in the node's
FLUSH_S = 0.25
AGAIN_S = 30.0  # after the disk took nothing
KB, MB = 1 << 10, 1 << 20

Json = dict[str, Any]
log = structlog.get_logger("chayan.watching")


class Begun(Struct, frozen=True, kw_only=True):
    """The note that a device was started."""

    device: str
    kind: str
    version: str


class Asked(Struct, frozen=True, kw_only=True):
    """The note that something was asked of a device: ``measure``, ``switch``, ``read`` (OBD) or ``show``."""

    do: str
    lane: str = ""
    station: str = ""
    item: str = ""
    axle: int = 0
    actuator: str = ""
    on: bool = False
    rows: tuple[Row, ...] = ()


class Failed(Struct, frozen=True, kw_only=True):
    """The note that nothing came of it."""

    why: str


class Done(Struct, frozen=True, kw_only=True):
    """The note that an output was switched, or a text shown."""


class Watch:
    """The taps of a node's devices, and the loop that keeps what they noted."""

    def __init__(self, site: SiteFile) -> None:
        self.site = site
        logged = site.raw.keep_mb > 0
        self.taps = {
            entry.name: Tap(entry.name, whole_bytes=site.raw.whole_kb * KB, logged=logged)
            for entry in site.devices
        }
        taps = self.taps.values() if logged else ()
        self._log = RawLog(site.node.folder / RAW, taps, site.raw.keep_mb * MB)

    def of(self, device: str) -> Tap:
        """The tap of a device."""
        return self.taps.get(device, NOBODY)

    async def keep(self, desk: Desk) -> None:
        """Writes what was noted until cancelled; a disk that takes nothing stops the raw log alone."""
        try:
            while True:
                wrong = await asyncio.to_thread(self._log.flush)
                self._say(desk, wrong)
                await asyncio.sleep(FLUSH_S if wrong is None else AGAIN_S)
        finally:
            self._log.close()

    def _say(self, desk: Desk, wrong: OSError | None) -> None:
        if wrong is None:
            desk.calm("raw-log")
            return
        why = wrong.strerror or str(wrong)
        desk.alarm(
            "raw-log",
            f"设备原始数据日志无法写入（{why}），检验不受影响",
            f"the raw logs of devices cannot be written ({why}); inspections go on",
        )

    async def run(self, entry: DeviceEntry, device: Device, tell: Tell) -> None:
        """Runs a device with its tap; when it falls that is its health, and whoever restarts it is told."""
        tap = self.of(entry.name)
        TAP.set(tap)  # of this task: the device's links take it from here
        tap.begun(Begun(device=entry.name, kind=entry.kind, version=version("chayan")))

        async def hear(said: Said) -> None:
            tap.said(said)
            await tell(said)

        try:
            await device.run(hear)
        except Exception as error:
            with contextlib.suppress(JournalError):
                await hear(Health(state="faulty", why=f"stopped by {_first(error)}; it is started again"))
            raise


def _first(error: BaseException) -> str:
    """An error in words; of a group, its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


class Watched:
    """A device whose work for the agent is noted, and which only measures while it may."""

    def __init__(self, device: Any, tap: Tap, stands: Callable[[], Standing] = lambda: Standing()) -> None:
        self._device, self._tap, self._stands = device, tap, stands
        self._numbers = count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AnyBody:
        """As the instrument; raises MeasureError too when its calibration forbids it."""
        stands = self._stands()
        if stands.blocks:
            raise MeasureError(f"{self._device.name}: 不得检测，{stands.zh} (must not measure: {stands.en})")
        asked = Asked(do="measure", lane=lane, station=station, item=item, axle=axle)
        instrument: Instrument = self._device
        body = await self._noted(asked, lambda: instrument.measure(lane, station, item, axle))
        if stands.word and isinstance(body, Measurement):
            return replace(body, calibration=stands.word)
        assert body is not None
        return body

    async def switch(self, station: str, actuator: str, on: bool) -> None:
        """As the switchboard."""
        asked = Asked(do="switch", station=station, actuator=actuator, on=on)
        board: Switchboard = self._device
        await self._noted(asked, lambda: board.switch(station, actuator, on))

    async def read_vehicle(self, lane: str, station: str) -> ObdRead:
        """As the OBD adapter."""
        asked = Asked(do="read", lane=lane, station=station)
        reader: ObdReader = self._device
        body = await self._noted(asked, lambda: reader.read_vehicle(lane, station))
        assert isinstance(body, ObdRead)
        return body

    async def show(self, rows: Sequence[Row]) -> None:
        """As the text board."""
        sign: Sign = self._device
        await self._noted(Asked(do="show", rows=tuple(rows)), lambda: sign.show(rows))

    async def _noted(self, asked: Asked, work: Callable[[], Awaitable[AnyBody | None]]) -> AnyBody | None:
        number = str(next(self._numbers))
        self._tap.asked(number, asked)
        mine = TAP.set(self._tap)
        try:
            body = await work()
        except MeasureError as error:
            self._tap.answered(number, Failed(why=str(error)))
            raise
        finally:
            TAP.reset(mine)
        self._tap.answered(number, Done() if body is None else body)
        return body


# ---- what the board and GET /api/v1/devices show -------------------------------------------------


def marks(desk: Desk, entry: DeviceEntry, now: datetime) -> list[str]:
    """What stands beside a device's state: uncalibrated, simulated."""
    simulated = bool(getattr(entry.config, "simulated", False))
    uncalibrated = bool(desk.calibrations.of(entry.name, now).word)
    return ["uncalibrated"] * uncalibrated + ["simulated"] * simulated


def devices_view(desk: Desk, watch: Watch, now: datetime) -> list[Json]:
    """Every device in full: state, marks, traffic, calibration."""
    return [_device_view(desk, watch, entry, now) for entry in desk.site.devices]


def _device_view(desk: Desk, watch: Watch, entry: DeviceEntry, now: datetime) -> Json:
    known, rhythm = desk.book.devices.get(entry.name), KINDS[entry.kind].rhythm_s
    counts = watch.of(entry.name).counts
    return {
        "device": entry.name,
        "kind": entry.kind,
        "role": entry.role,
        "lane": entry.lane,
        "station": entry.station,
        "state": known.state if known else "unknown",
        "why": known.why if known else "",
        "marks": marks(desk, entry, now),
        "rhythm": {"declared_s": None if math.isinf(rhythm) else rhythm, **_heard(counts)},
        "traffic": _traffic(counts),
        "calibration": _calibration(desk, entry, now),
    }


def _heard(counts: Counts) -> Json:
    return {
        "longest_pause_s": round(max(counts.gaps_s), 3) if counts.gaps_s else None,
        "heard_at": _iso(counts.heard_at_ns),
        "frame_at": _iso(counts.frame_at_ns),
    }


def _iso(at_ns: int) -> str | None:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat() if at_ns else None


def _traffic(counts: Counts) -> Json:
    names = ("frames", "skipped_bytes", "quarantined", "timeouts", "faults", "losses", "unlogged")
    return {
        **{name: getattr(counts, name) for name in names},
        "reconnects": max(0, counts.connected - 1),
    }


def _calibration(desk: Desk, entry: DeviceEntry, now: datetime) -> Json | None:
    stands, held = desk.calibrations.of(entry.name, now), entry.certificate
    checks: Iterable[tuple[str, Any]] = desk.calibrations.checks(entry.name).items()
    if held is None and not stands.word and not checks:
        return None
    return {
        "word": stands.word,
        "blocks": stands.blocks,
        "why": {"zh": stands.zh, "en": stands.en},
        "certificate": None if held is None else held.number,
        "valid_until": None if held is None else held.valid_until.isoformat(),
        "check_every_hours": entry.check_every_hours,
        "checks": {
            name: {"at": checked.at.isoformat(), "passed": checked.body.passed, "by": checked.body.by}
            for name, checked in checks
        },
    }

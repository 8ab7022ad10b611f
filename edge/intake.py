"""From what devices say to durable records. Returning from ``tell`` is the acknowledgement's permission."""

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from uuid import uuid4

import structlog

from central_sync.journal import RetiredError
from central_sync.volumes import JournalError
from edge.acts import Acts
from edge.desk import Desk
from edge.permits import ActError
from edge.settings import DeviceEntry
from firmware_bridge.device import Act, Capture, Device, Health, Junk, Said, Scan, Signal, Tag, Tell
from firmware_bridge.devices.pda import Pda
from firmware_bridge.mqtt import BrokerLost
from lanes.record import Captured, DeviceChanged, Quarantined, Scanned, Sensed, TagRead

EXCERPT_CHARACTERS = 200
JUNK_LIMIT, JUNK_WINDOW_S = 60, 60.0  # a broken camera must not fill the disk with evidence of it

log = structlog.get_logger("chayan.intake")


@dataclass(slots=True)
class _Flood:
    """Junk of one device within a window: how many records it gave, and what came after the limit."""

    records: int = 0
    dropped: int = 0
    dropped_bytes: int = 0
    sha256: str = ""


class Intake:
    """Turns each Said of a device into records of the journal."""

    def __init__(self, desk: Desk, acts: Acts) -> None:
        self.desk, self.acts = desk, acts
        self._run = uuid4().hex[:12]
        self._count = 0
        self._floods: dict[str, _Flood] = {}
        self._windows: set[asyncio.Task[None]] = set()

    def tell_for(self, entry: DeviceEntry, device: Device) -> Tell:
        """The ``tell`` of one device: returns only when what was said is durable."""

        async def tell(said: Said) -> None:
            try:
                await told(said)
            except RetiredError as error:  # kept long ago and removed by policy: it need not come again
                log.info("repeated after retirement", device=device.name, seq=error.seq)

        async def told(said: Said) -> None:
            match said:
                case Capture():
                    await self._capture(entry, device, said)
                case Signal():
                    await self._signal(entry, device, said)
                case Scan():
                    await self._scan(entry, device, said)
                case Tag():
                    await self._tag(entry, device, said)
                case Junk():
                    await self._junk(device, said)
                case Health():
                    await self._health(entry, said)
                case Act():
                    await self._act(device, said)

        return tell

    async def _act(self, device: Device, said: Act) -> None:
        """Every act is answered; a refusal is an answer too, so the message is not offered again."""
        assert isinstance(device, Pda)
        try:
            seq, _ = await self.acts.from_pda(said)
        except ActError as error:
            answer = device.answer(said.pda, said.key, ok=False, why=f"{error.zh} {error.en}")
        else:
            answer = device.answer(said.pda, said.key, ok=True, seq=seq)
        with contextlib.suppress(BrokerLost):  # the PDA asks again with the same key and gets the same answer
            await answer

    def _key(self, word: str) -> str:
        self._count += 1
        return f"{self._run}-{self._count}-{word}"

    async def _capture(self, entry: DeviceEntry, device: Device, said: Capture) -> None:
        photo = None if said.photo is None else await self.desk.keep(said.photo)
        crop = None if said.crop is None else await self.desk.keep(said.crop)
        body = Captured(
            lane=entry.lane,
            station=entry.station,
            device=entry.name,
            plate_text=said.plate_text,
            plate_type=said.plate_type,
            confidence_pct=said.confidence_pct,
            photo=photo,
            crop=crop,
            taken_at=said.taken_at,
            replayed=said.replayed,
        )
        await self.desk.append(device.source, said.key, body)

    async def _signal(self, entry: DeviceEntry, device: Device, said: Signal) -> None:
        lane = self.desk.book.lane(entry.lane)
        if lane.levels.get((said.station, said.sensor)) is said.on:
            return
        body = Sensed(lane=entry.lane, station=said.station, sensor=said.sensor, on=said.on)
        await self.desk.append(device.source, self._key(said.sensor), body)

    async def _scan(self, entry: DeviceEntry, device: Device, said: Scan) -> None:
        body = Scanned(lane=entry.lane, station=entry.station, device=entry.name, text=said.text)
        await self.desk.append(device.source, said.key, body)

    async def _tag(self, entry: DeviceEntry, device: Device, said: Tag) -> None:
        body = TagRead(
            lane=entry.lane,
            station=entry.station,
            device=entry.name,
            epc=said.epc,
            rssi_dbm=said.rssi_dbm,
        )
        await self.desk.append(device.source, said.key, body)

    async def _junk(self, device: Device, said: Junk) -> None:
        """A record of its own; beyond ``JUNK_LIMIT`` a minute of one device, one record that counts the rest.

        What is dropped is acknowledged as well: it would be as unreadable when it came again. The device is
        what counts, not the topic, since an unreadable message may come on any topic it likes.
        """
        digest = hashlib.sha256(said.data).hexdigest()
        flood = self._flood(device, said.channel)
        if flood.records >= JUNK_LIMIT:
            flood.dropped, flood.dropped_bytes = flood.dropped + 1, flood.dropped_bytes + said.size_bytes
            flood.sha256 = digest
            return
        body = Quarantined(
            channel=said.channel[:2000],
            why=said.why[:2000],
            size_bytes=said.size_bytes,
            sha256=digest,
            excerpt=said.data[:EXCERPT_CHARACTERS].decode("ascii", "replace"),
        )
        # the same bytes on the same channel are one fact, however often a device repeats them
        appended = await self.desk.append(device.source, f"junk-{digest[:32]}-{said.channel[-100:]}", body)
        flood.records += appended.fresh

    def _flood(self, device: Device, channel: str) -> _Flood:
        """The device's window; the first junk opens it."""
        flood = self._floods.get(device.name)
        if flood is None:
            flood = self._floods[device.name] = _Flood()
            window = asyncio.create_task(self._window(device, channel))
            self._windows.add(window)
            window.add_done_callback(self._windows.discard)
        return flood

    async def _window(self, device: Device, channel: str) -> None:
        """Closes the device's window after its time, and records what was dropped in it."""
        await asyncio.sleep(JUNK_WINDOW_S)
        flood = self._floods.pop(device.name)
        if not flood.dropped:
            return
        why = f"{flood.dropped} more unreadable messages within {JUNK_WINDOW_S:g} s were dropped"
        log.warning(
            "junk dropped", device=device.name, messages=flood.dropped, size_bytes=flood.dropped_bytes
        )
        body = Quarantined(
            channel=channel[:2000], why=why, size_bytes=flood.dropped_bytes, sha256=flood.sha256
        )
        try:
            await self.desk.append(device.source, self._key("junk-dropped"), body)
        except JournalError as error:
            log.error("the journal takes nothing", why=str(error))

    async def _health(self, entry: DeviceEntry, said: Health) -> None:
        known = self.desk.book.devices.get(entry.name)
        state = said.state if said.state in ("ok", "silent", "faulty", "lost") else "faulty"
        if known is not None and (known.state, known.why) == (state, said.why):
            return
        body = DeviceChanged(device=entry.name, state=state, why=said.why[:2000])  # type: ignore[arg-type]
        await self.desk.own(self._key(entry.name), body)

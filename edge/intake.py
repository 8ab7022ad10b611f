"""From what devices say to durable records. Returning from ``tell`` is the acknowledgement's permission."""

import contextlib
import hashlib
from uuid import uuid4

from edge.acts import ActError, Acts
from edge.desk import Desk
from edge.settings import DeviceEntry
from firmware_bridge.device import Act, Capture, Device, Health, Junk, Said, Signal, Tell
from firmware_bridge.devices.pda import Pda
from firmware_bridge.mqtt import BrokerLost
from lanes.record import Captured, DeviceChanged, Quarantined, Sensed

EXCERPT_CHARACTERS = 200


class Intake:
    """Turns each Said of a device into records of the journal."""

    def __init__(self, desk: Desk, acts: Acts) -> None:
        self.desk, self.acts = desk, acts
        self._run = uuid4().hex[:12]
        self._count = 0

    def tell_for(self, entry: DeviceEntry, device: Device) -> Tell:
        """The ``tell`` of one device: returns only when what was said is durable."""

        async def tell(said: Said) -> None:
            match said:
                case Capture():
                    await self._capture(entry, device, said)
                case Signal():
                    await self._signal(entry, device, said)
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

    async def _junk(self, device: Device, said: Junk) -> None:
        digest = hashlib.sha256(said.data).hexdigest()
        body = Quarantined(
            channel=said.channel[:2000],
            why=said.why[:2000],
            size_bytes=said.size_bytes,
            sha256=digest,
            excerpt=said.data[:EXCERPT_CHARACTERS].decode("ascii", "replace"),
        )
        # the same bytes on the same channel are one fact, however often a device repeats them
        await self.desk.append(device.source, f"junk-{digest[:32]}-{said.channel[-100:]}", body)

    async def _health(self, entry: DeviceEntry, said: Health) -> None:
        known = self.desk.book.devices.get(entry.name)
        state = said.state if said.state in ("ok", "silent", "faulty", "lost") else "faulty"
        if known is not None and (known.state, known.why) == (state, said.why):
            return
        body = DeviceChanged(device=entry.name, state=state, why=said.why[:2000])  # type: ignore[arg-type]
        await self.desk.own(self._key(entry.name), body)

"""Calibration of a node's devices: certificates and checks as the journal has them, and who may measure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from uuid import uuid4

import msgspec

from central_sync.journal import Appended, Journal
from edge.settings import DeviceEntry, SiteFile
from lanes.calibration import CALIBRATED, Checked, Standing, standing
from lanes.layout import WORK
from lanes.record import AnyBody, CalibrationChecked, DeviceCertified, Draft, Record

CERTIFIED, CHECKED = "certified/", "calibration/"


class Calibrations:
    """What the journal and the site file say of every measuring device's calibration."""

    def __init__(self, site: SiteFile, journal: Journal, source: str, zone: tzinfo) -> None:
        self._site, self._journal, self._source, self._zone = site, journal, source, zone
        self.entries = {entry.name: entry for entry in site.devices if entry.role in WORK}
        self._checks: dict[str, dict[str, Checked]] = {name: {} for name in self.entries}
        self._taken(journal.newest(source, CHECKED))
        journal.listen(self._taken)

    def _taken(self, records: Sequence[Record]) -> None:
        for record in records:
            body = record.body
            if isinstance(body, CalibrationChecked) and body.device in self._checks:
                self._checks[body.device][body.check] = Checked(at=record.at, body=body)

    def of(self, device: str, now: datetime) -> Standing:
        """How a device stands; what does not measure needs no calibration."""
        entry = self.entries.get(device)
        if entry is None:
            return CALIBRATED
        return standing(
            entry.certificate,
            self._checks[device],
            entry.check_every_hours,
            self._site.calibration,
            now,
            now.astimezone(self._zone).date(),
        )

    def checks(self, device: str) -> Mapping[str, Checked]:
        """The last check of each kind of a device."""
        return self._checks.get(device, {})

    async def certify(self) -> None:
        """Records each certificate that is another than the journal knows; raises JournalError."""
        records = self._journal.newest(self._source, CERTIFIED)
        known = {each.body.device: each.body for each in records if isinstance(each.body, DeviceCertified)}
        for entry in self.entries.values():
            body = certified(entry)
            if body != known.get(entry.name, DeviceCertified(device=entry.name)):
                await self._append(f"{CERTIFIED}{entry.name}/{uuid4().hex}", body)

    async def check(self, body: CalibrationChecked, key: str) -> Appended:
        """Records a check; what stands under its key already is answered. Raises JournalError."""
        return await self._append(f"{CHECKED}{body.device}/{body.check}/{key}", body)

    async def _append(self, key: str, body: AnyBody) -> Appended:
        return (await self._journal.append(Draft(source=self._source, source_key=key, body=body)))[0]


def certified(entry: DeviceEntry) -> DeviceCertified:
    """The record of a device's certificate in force."""
    held = entry.certificate
    return DeviceCertified(device=entry.name, **({} if held is None else msgspec.structs.asdict(held)))

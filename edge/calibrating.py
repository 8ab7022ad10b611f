"""Calibration of a node's devices: certificates and checks as the journal has them, and who may measure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Annotated, Literal, get_args
from uuid import uuid4

import msgspec
from msgspec import Meta, Struct

from central_sync.journal import Journal
from edge.permits import ActError
from edge.settings import DeviceEntry, Measuring, SiteFile
from lanes.calibration import CALIBRATED, Checked, Standing, passes, standing
from lanes.record import AnyBody, CalibrationChecked, DeviceCertified, Draft, Name, Record, Text

CERTIFIED, CHECKED = "certified/", "calibration/"


class CheckPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zero or span check as it is entered; whether it passed is worked out here."""

    key: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,80}$")]
    check: Literal["zero", "span"]
    expected: Decimal
    measured: Decimal
    tolerance: Annotated[Decimal, Meta(ge=0)]
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    by: Name
    remark: Text = ""


class Calibrations:
    """What the journal and the site file say of every measuring device's calibration."""

    def __init__(self, site: SiteFile, journal: Journal, source: str, zone: tzinfo) -> None:
        self._site, self._journal, self._source, self._zone = site, journal, source, zone
        self._entries = {e.name: e for e in site.devices if e.role in get_args(Measuring)}
        self._checks: dict[str, dict[str, Checked]] = {name: {} for name in self._entries}
        for record in journal.newest(source, CHECKED):
            self._take(record)
        journal.listen(self._taken)

    def _taken(self, records: Sequence[Record]) -> None:
        for record in records:
            self._take(record)

    def _take(self, record: Record) -> None:
        body = record.body
        if isinstance(body, CalibrationChecked) and body.device in self._checks:
            self._checks[body.device][body.check] = Checked(at=record.at, body=body)

    def of(self, device: str, now: datetime) -> Standing:
        """How a device stands; what does not measure needs no calibration."""
        entry = self._entries.get(device)
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
        known = {
            record.body.device: record.body
            for record in self._journal.newest(self._source, CERTIFIED)
            if isinstance(record.body, DeviceCertified)
        }
        for entry in self._entries.values():
            body = certified(entry)
            if body != known.get(entry.name, DeviceCertified(device=entry.name)):
                await self._append(f"{CERTIFIED}{entry.name}/{uuid4().hex}", body)

    async def check(self, device: str, post: CheckPost) -> tuple[Record, bool]:
        """Records a check: the record, and whether it is new. Raises ActError, JournalError."""
        if device not in self._entries:
            raise ActError(404, "no-device", f"没有检测设备 {device}", f"no measuring device {device}")
        if not all(each.is_finite() for each in (post.expected, post.measured, post.tolerance)):
            raise ActError(422, "number", "核查数值必须是有限的数", "a check's numbers must be finite")
        body = CalibrationChecked(
            device=device,
            check=post.check,
            expected=post.expected,
            measured=post.measured,
            tolerance=post.tolerance,
            unit=post.unit,
            passed=passes(post.expected, post.measured, post.tolerance),
            by=post.by,
            remark=post.remark,
        )
        record, fresh = await self._append(f"{CHECKED}{device}/{post.check}/{post.key}", body)
        if record.body != body:
            raise ActError(
                409, "key", f"此键已用于另一次核查 {record.seq}", f"this key stands for {record.seq}"
            )
        return record, fresh

    async def _append(self, key: str, body: AnyBody) -> tuple[Record, bool]:
        (appended,) = await self._journal.append(Draft(source=self._source, source_key=key, body=body))
        return appended.record, appended.fresh


def certified(entry: DeviceEntry) -> DeviceCertified:
    """The record of a device's certificate in force."""
    held = entry.certificate
    if held is None:
        return DeviceCertified(device=entry.name)
    return DeviceCertified(device=entry.name, **msgspec.structs.asdict(held))

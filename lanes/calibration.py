"""Calibration (计量检定) of measuring devices: whether one may measure today, and what records say of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from lanes.evidence import Evidence
from lanes.record import Calibration, CalibrationChecked, Finding, Measurement

Consequence: TypeAlias = Literal["block", "flag"]


class Certificate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[devices.certificate]: the verification certificate (检定证书) in force. ``valid_until``: last day."""

    number: Annotated[str, Meta(min_length=1, max_length=80)]
    valid_until: date
    by: Annotated[str, Meta(max_length=200)] = ""
    serial: Annotated[str, Meta(max_length=80)] = ""
    range: Annotated[str, Meta(max_length=200)] = ""


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[calibration]: what becomes of a device without calibration: it does not measure, or is flagged.

    ``expired`` also holds for a check that failed or is overdue.
    """

    expired: Consequence = "block"
    missing: Literal["block", "flag", "ignore"] = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a device stands: ``word`` is empty when it is calibrated, else why not, in both languages."""

    word: Calibration = ""
    blocks: bool = False
    zh: str = ""
    en: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The last check of a kind, and when it was recorded."""

    at: datetime
    body: CalibrationChecked


CALIBRATED = Standing()


def standing(
    certificate: Certificate | None,
    checks: Mapping[str, Checked],
    every_hours: int | None,
    policy: Policy,
    now: datetime,
    today: date,
) -> Standing:
    """How a measuring device stands at a moment, ``today`` being the site's date; the gravest reason counts.

    ``checks``: the last zero and the last span check. The certificate's last day is a good day.
    """
    if certificate is None and policy.missing != "ignore":
        return Standing(
            word="missing",
            blocks=policy.missing == "block",
            zh="没有登记检定证书",
            en="no verification certificate is registered",
        )
    found = _expired(certificate, today) or _failed(checks) or _overdue(checks, every_hours, now)
    if found is None:
        return CALIBRATED
    word, zh, en = found
    return Standing(word=word, blocks=policy.expired == "block", zh=zh, en=en)


_Why: TypeAlias = tuple[Calibration, str, str]


def _expired(certificate: Certificate | None, today: date) -> _Why | None:
    if certificate is None or today <= certificate.valid_until:
        return None
    until, number = certificate.valid_until.isoformat(), certificate.number
    return (
        "expired",
        f"检定证书 {number} 已于 {until} 到期",
        f"verification certificate {number} was valid until {until}",
    )


def _failed(checks: Mapping[str, Checked]) -> _Why | None:
    words = {"zero": "零位", "span": "量程"}
    for name, checked in sorted(checks.items()):
        body = checked.body
        if not body.passed:
            seen = f"{body.measured} {body.unit}, {body.expected} ± {body.tolerance} {body.unit}"
            return "failed", f"{words[name]}核查不合格：{seen}", f"the last {name} check failed: {seen}"
    return None


def _overdue(checks: Mapping[str, Checked], every_hours: int | None, now: datetime) -> _Why | None:
    if every_hours is None:
        return None
    last = max((checked.at for checked in checks.values()), default=None)
    if last is not None and now - last <= timedelta(hours=every_hours):
        return None
    since_zh = "从未核查" if last is None else f"上次核查 {last.isoformat(timespec='minutes')}"
    since = "never checked" if last is None else f"last checked {last.isoformat(timespec='minutes')}"
    return (
        "overdue",
        f"零位/量程核查已超期（每 {every_hours} 小时一次，{since_zh}）",
        f"its zero or span check is overdue (every {every_hours} h, {since})",
    )


def passes(expected: Decimal, measured: Decimal, tolerance: Decimal) -> bool:
    """Whether a check lies within its tolerance."""
    return abs(measured - expected) <= tolerance


_WORDS: Mapping[str, str] = {
    "missing": "measured without a verification certificate",
    "expired": "measured after the verification certificate had expired",
    "failed": "measured after a failed zero or span check",
    "overdue": "measured with a zero or span check overdue",
}


def reminders(evidence: Evidence) -> tuple[Finding, ...]:
    """What the verdict of an attempt says of devices that measured without calibration."""
    slip = [] if evidence.sideslip is None else [evidence.sideslip]
    others = (evidence.brakes, evidence.weights, evidence.measured)
    return remarks([*slip, *(pair for each in others for pair in each.values())])


def remarks(measured: Iterable[tuple[int, Measurement]]) -> tuple[Finding, ...]:
    """A reminder of each device that measured without calibration, with the records it measured."""
    found: dict[tuple[str, str], list[int]] = {}
    for seq, body in measured:
        if body.calibration:
            found.setdefault((body.device, body.calibration), []).append(seq)
    return tuple(
        Finding(
            item="calibration",
            result="pass",
            severity="reminder",
            quantity="calibration",
            value=word,
            arithmetic=f"device {device} {_WORDS[word]}",
            basis=tuple(sorted(records)),
        )
        for (device, word), records in sorted(found.items())
    )

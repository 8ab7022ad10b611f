"""Who may measure by certificate and checks; what a record measured without them says."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from lanes.calibration import (
    CALIBRATED,
    Certificate,
    Checked,
    Policy,
    passes,
    remarks,
    reminders,
    standing,
)
from lanes.record import AxleWeighed, CalibrationChecked, Measurement, SideslipMeasured, SpeedometerMeasured
from tests.lanes_parts import attempt, brake

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
TODAY = date(2026, 11, 25)
GOOD = Certificate(number="JJG-1", valid_until=date(2027, 1, 1))


def checked(check: str, passed: bool = True, hours_ago: float = 1) -> dict[str, Checked]:
    body = CalibrationChecked(
        device="w",
        check=check,  # type: ignore[arg-type]
        expected=Decimal(0),
        measured=Decimal(0 if passed else 9),
        tolerance=Decimal(1),
        unit="kg",
        passed=passed,
        by="officer-01",
    )
    return {check: Checked(at=NOW - timedelta(hours=hours_ago), body=body)}


def test_a_certificate_in_force_needs_nothing_else() -> None:
    assert standing(GOOD, {}, None, Policy(), NOW, TODAY) == CALIBRATED
    assert not CALIBRATED.word and not CALIBRATED.blocks


@pytest.mark.parametrize(
    ("until", "word"),
    [(date(2026, 11, 24), "expired"), (date(2026, 11, 25), ""), (date(2026, 11, 26), "")],
)
def test_the_last_day_of_a_certificate_is_a_good_day(until: date, word: str) -> None:
    found = standing(Certificate(number="JJG-1", valid_until=until), {}, None, Policy(), NOW, TODAY)
    assert (found.word, found.blocks) == (word, word != "")
    assert ("2026-11-24" in found.en and "JJG-1" in found.zh) == (word != "")


def test_an_expired_certificate_is_flagged_where_the_site_says_so() -> None:
    old = Certificate(number="n", valid_until=date(2026, 1, 1))
    found = standing(old, {}, None, Policy(expired="flag"), NOW, TODAY)
    assert (found.word, found.blocks) == ("expired", False)


@pytest.mark.parametrize(
    ("policy", "word", "blocks"),
    [("ignore", "", False), ("flag", "missing", False), ("block", "missing", True)],
)
def test_a_missing_certificate_follows_its_own_word(policy: str, word: str, blocks: bool) -> None:
    found = standing(None, {}, None, Policy(missing=policy), NOW, TODAY)  # type: ignore[arg-type]
    assert (found.word, found.blocks) == (word, blocks)


def test_a_failed_check_forbids_until_a_good_one_of_the_same_kind() -> None:
    failed = checked("zero", passed=False)
    found = standing(GOOD, failed | checked("span"), None, Policy(), NOW, TODAY)
    assert (found.word, found.blocks) == ("failed", True)
    assert "9 kg, 0 ± 1 kg" in found.en
    assert standing(GOOD, failed | checked("zero"), None, Policy(), NOW, TODAY) == CALIBRATED


@pytest.mark.parametrize(("hours", "word"), [(23.9, ""), (24, ""), (24.1, "overdue")])
def test_a_check_is_overdue_after_its_hours(hours: float, word: str) -> None:
    found = standing(GOOD, checked("span", hours_ago=hours), 24, Policy(), NOW, TODAY)
    assert (found.word, found.blocks) == (word, word != "")


def test_the_newest_check_of_either_kind_counts_and_none_at_all_is_overdue() -> None:
    both = checked("zero", hours_ago=100) | checked("span", hours_ago=2)
    assert standing(GOOD, both, 24, Policy(), NOW, TODAY) == CALIBRATED
    never = standing(None, {}, 24, Policy(expired="flag"), NOW, TODAY)
    assert (never.word, never.blocks) == ("overdue", False)
    assert "never checked" in never.en


def test_the_gravest_reason_is_told() -> None:
    old = Certificate(number="n", valid_until=date(2026, 1, 1))
    failed = checked("zero", passed=False, hours_ago=99)
    assert standing(None, failed, 24, Policy(missing="flag"), NOW, TODAY).word == "missing"
    assert standing(old, failed, 24, Policy(), NOW, TODAY).word == "expired"
    assert standing(GOOD, failed, 24, Policy(), NOW, TODAY).word == "failed"


@pytest.mark.parametrize(
    ("measured", "good"), [("9.9", True), ("9.8", True), ("9.79", False), ("10.21", False)]
)
def test_a_check_passes_within_its_tolerance(measured: str, good: bool) -> None:
    assert passes(Decimal(10), Decimal(measured), Decimal("0.2")) is good


def weighed(axle: int, calibration: str = "") -> AxleWeighed:
    return AxleWeighed(
        lane="1",
        station="brake",
        device="wheels-1",
        axle=axle,
        left_kg=Decimal(400),
        right_kg=Decimal(400),
        calibration=calibration,  # type: ignore[arg-type]
    )


def test_what_was_measured_without_calibration_is_a_reminder_for_each_device_and_reason() -> None:
    slip = SideslipMeasured(
        lane="1", station="s", device="slip-1", item="A1", slip_m_per_km=Decimal(1), calibration="overdue"
    )
    found = remarks([(9, weighed(2, "expired")), (5, weighed(1, "expired")), (7, weighed(3)), (11, slip)])
    assert [(f.item, f.result, f.severity, f.value, f.basis) for f in found] == [
        ("calibration", "pass", "reminder", "overdue", (11,)),
        ("calibration", "pass", "reminder", "expired", (5, 9)),
    ]
    assert found[1].arithmetic == ("device wheels-1 measured after the verification certificate had expired")
    assert remarks([(1, weighed(1))]) == ()


def test_every_measurement_of_an_attempt_is_looked_at() -> None:
    def bare(body: Measurement) -> Any:
        return replace(body, calibration="expired")

    slip = bare(SideslipMeasured(lane="1", station="s", device="s", item="A1", slip_m_per_km=Decimal(1)))
    speed = SpeedometerMeasured(
        lane="1", station="v", device="v", item="S1", indicated_kmh=Decimal(40), actual_kmh=Decimal(39)
    )
    found = attempt(
        brakes={"B1": (1, bare(brake("B1", 300, 290, device="b")))},
        weights={1: (2, weighed(1, "expired")), 2: (3, weighed(2))},
        sideslip=(4, slip),
        measured={"S1": (5, bare(speed))},
    )
    assert [(each.arithmetic.split()[1], each.basis) for each in reminders(found)] == [
        ("b", (1,)),
        ("s", (4,)),
        ("v", (5,)),
        ("wheels-1", (2,)),
    ]
    assert reminders(attempt()) == ()


@pytest.mark.parametrize(("check", "zh"), [("zero", "零位"), ("span", "量程")])
def test_a_failed_check_is_told_with_its_figures(check: str, zh: str) -> None:
    found = standing(GOOD, checked(check, passed=False), None, Policy(), NOW, TODAY)
    assert found.zh == f"{zh}核查不合格：9 kg, 0 ± 1 kg"
    assert found.en == f"the last {check} check failed: 9 kg, 0 ± 1 kg"


def test_an_overdue_check_is_told_with_the_last_one() -> None:
    late = standing(GOOD, checked("zero", hours_ago=25), 24, Policy(), NOW, TODAY)
    assert late.zh == "零位/量程核查已超期（每 24 小时一次，上次核查 2026-11-24T07:00+00:00）"
    assert late.en == "its zero or span check is overdue (every 24 h, last checked 2026-11-24T07:00+00:00)"
    never = standing(GOOD, {}, 24, Policy(), NOW, TODAY)
    assert never.zh == "零位/量程核查已超期（每 24 小时一次，从未核查）"
    assert never.en == "its zero or span check is overdue (every 24 h, never checked)"


def test_a_missing_certificate_is_told_in_both_languages() -> None:
    found = standing(None, {}, None, Policy(missing="flag"), NOW, TODAY)
    assert (found.zh, found.en) == ("没有登记检定证书", "no verification certificate is registered")


def test_a_remark_is_a_finding_of_its_own_quantity() -> None:
    body = replace(brake("B1", 200, 200), calibration="missing")
    (remark,) = remarks([(7, body)])
    assert (remark.item, remark.quantity, remark.value) == ("calibration", "calibration", "missing")

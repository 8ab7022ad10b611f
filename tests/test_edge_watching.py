"""Devices as the node sees them: raw log, counts, restarts, calibration, in API, board and journal."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from edge import agent
from edge.acts import Acts
from edge.agent import keep_running
from edge.compose import lane_devices
from edge.intake import Intake
from edge.settings import SettingsError, load, read
from edge.watching import RAW, Watch, Watched
from firmware_bridge.device import Health, Junk, MeasureError, Tell
from firmware_bridge.rawlog import read as read_raw
from firmware_bridge.tap import TAP, Tap
from lanes.calibration import CALIBRATED, Standing
from lanes.record import AxleWeighed, CalibrationChecked, DeviceCertified, DeviceChanged
from tests.agent_parts import chayan, make_agent
from tests.edge_parts import Edge, changed_site, edge_at, site_file

CERTIFICATE = """
[devices.certificate]
number = "JJG-{number}"
valid_until = {until}
by = "某计量院"
serial = "SN1"
range = "0-10000 kg"
"""
WHEELS = 'name = "wheels-1"'


def certified_site(folder: Path, until: date, number: int = 1, more: str = "") -> Path:
    """The demo's site with a certificate for the scale of lane 1."""
    path = site_file(folder)
    before, name, after = path.read_text("utf-8").partition(f"[[devices]]\n{WHEELS}")
    own, rest = after.split("\n[[devices]]", 1)
    own += CERTIFICATE.format(number=number, until=until)
    path.write_text(f"{before}{name}{more}{own}\n[[devices]]{rest}", "utf-8")
    return path


async def device(edge: Edge, name: str) -> dict[str, Any]:
    answer = await edge.client.get("/api/v1/devices")
    found: dict[str, Any] = next(each for each in answer.json()["devices"] if each["device"] == name)
    return found


def check(key: str = "c1", measured: str = "0", **changes: Any) -> dict[str, Any]:
    return {
        "key": key,
        "check": "zero",
        "expected": "0",
        "measured": measured,
        "tolerance": "1",
        "unit": "kg",
        "by": "officer-01",
    } | changes


# ---- health --------------------------------------------------------------------------------------


class Falling:
    """A device whose run raises; it never measures."""

    source = "virtual+test://falling"

    def __init__(self, name: str) -> None:
        self.name, self.starts = name, 0

    async def run(self, tell: Tell) -> None:
        self.starts += 1
        raise ZeroDivisionError("register 7")


class Steady:
    """A device that is well."""

    source = "virtual+test://steady"

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, tell: Tell) -> None:
        await tell(Health(state="ok"))
        await asyncio.Event().wait()


def test_a_device_that_falls_is_named_and_started_again_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "RESTART_S", (0.0, 0.01))

    async def main() -> None:
        async with edge_at(tmp_path) as edge:
            watch, intake = Watch(edge.desk.site), Intake(edge.desk, Acts(edge.desk))
            entries = {entry.name: entry for entry in edge.desk.site.devices}
            falling, steady = Falling("wheels-1"), Steady("wheels-2")
            tasks = []
            for made in (falling, steady):
                entry = entries[made.name]
                tell = intake.tell_for(entry, made)
                loop = lambda e=entry, d=made, t=tell: watch.run(e, d, t)  # noqa: E731
                tasks.append(asyncio.create_task(keep_running(made.name, loop)))  # type: ignore[arg-type]
            async with asyncio.timeout(20):
                while falling.starts < 4 or "wheels-2" not in edge.desk.book.devices:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert not any(task.done() for task in tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            fallen = await device(edge, "wheels-1")
            assert fallen["state"] == "faulty"
            assert fallen["why"] == "stopped by ZeroDivisionError: register 7; it is started again"
            assert (await device(edge, "wheels-2"))["state"] == "ok"
            told = [
                record.body.device
                for record in edge.desk.journal.replay()
                if isinstance(record.body, DeviceChanged)
            ]
            assert sorted(told) == ["wheels-1", "wheels-2"]  # once each, however often it falls
            alarms = (await edge.client.get("/api/v1/board")).json()["alarms"]
            assert any("wheels-1 faulty" in alarm["en"] for alarm in alarms)

    asyncio.run(main())


def test_waits_before_a_restart_grow_and_end_at_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            raise asyncio.CancelledError

    async def fall() -> None:
        raise OSError("gone")

    monkeypatch.setattr(agent.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keep_running("device x", fall))
    assert waits == [0.5, 1.0, 2.0, 5.0, 10.0, 10.0, 10.0, 10.0]


def test_traffic_rhythm_and_marks_are_in_the_api(tmp_path: Path) -> None:
    class Speaking(Steady):
        async def run(self, tell: Tell) -> None:
            tap = TAP.get()
            for _ in range(2):
                tap.up("tcp://x")
                tap.heard("tcp://x", b"abc")
                tap.framed(1, skipped=2)
                tap.timed_out()
            tap.lost("tcp://x", "gone")
            await tell(Junk(channel="c", why="w", data=b"?", size_bytes=1))

    async def main() -> None:
        async with edge_at(tmp_path) as edge:
            intake, made = Intake(edge.desk, Acts(edge.desk)), Speaking("camera-1")
            entry = next(each for each in edge.desk.site.devices if each.name == "camera-1")
            watch = edge.watch
            await watch.run(entry, made, intake.tell_for(entry, made))
            seen = await device(edge, "camera-1")
            assert seen["traffic"] == {
                "frames": 2,
                "skipped_bytes": 4,
                "quarantined": 1,
                "timeouts": 2,
                "faults": 0,
                "losses": 1,
                "unlogged": 0,
                "reconnects": 1,
            }
            assert seen["rhythm"]["declared_s"] == 30.0
            assert 0 <= seen["rhythm"]["longest_pause_s"] < 30
            assert datetime.fromisoformat(seen["rhythm"]["frame_at"]) <= datetime.now(UTC)
            assert (seen["state"], seen["marks"], seen["calibration"]) == ("unknown", ["simulated"], None)
            pdas = await device(edge, "pdas")
            assert (pdas["rhythm"]["declared_s"], pdas["rhythm"]["heard_at"]) == (None, None)

    asyncio.run(main())


def test_the_raw_log_of_a_device_lies_in_the_nodes_folder(tmp_path: Path) -> None:
    async def main() -> None:
        async with edge_at(tmp_path) as edge:
            watch, made = edge.watch, Steady("wheels-1")
            entry = next(each for each in edge.desk.site.devices if each.name == "wheels-1")
            tasks = [asyncio.create_task(watch.keep(edge.desk))]

            async def tell(_: object) -> None: ...

            tasks.append(asyncio.create_task(watch.run(entry, made, tell)))
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            entries = list(read_raw(edge.desk.site.node.folder / RAW / "wheels-1"))
            assert [each.way for each in entries] == ["begun", "said"]

    asyncio.run(main())


def test_a_raw_log_that_cannot_be_written_is_an_alarm_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        async with edge_at(tmp_path) as edge:
            folder = edge.desk.site.node.folder
            folder.mkdir(exist_ok=True)
            (folder / RAW).write_bytes(b"in the way")
            edge.watch.of("wheels-1").heard("c", b"x")
            keeping = asyncio.create_task(edge.watch.keep(edge.desk))
            async with asyncio.timeout(10):
                while "raw-log" not in edge.desk.alarms:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            assert "inspections go on" in edge.desk.alarms["raw-log"].en
            assert not edge.desk.full

    asyncio.run(main())


def test_without_room_there_is_no_raw_log_and_counts_go_on(tmp_path: Path) -> None:
    path = site_file(tmp_path)
    path.write_text(path.read_text("utf-8") + "\n[raw]\nkeep_mb = 0\n", "utf-8")
    watch = Watch(load(path))
    watch.of("wheels-1").heard("c", b"x")
    watch.of("wheels-1").framed(1)
    assert watch.of("wheels-1").fetch() == []
    assert watch.of("wheels-1").counts.frames == 1


# ---- what measures -------------------------------------------------------------------------------


class Scale(Steady):
    """Weighs 400 kg, or nothing."""

    good = True

    async def measure(self, lane: str, station: str, item: str, axle: int) -> AxleWeighed:
        if not self.good:
            raise MeasureError("nothing there")
        kg = Decimal(400)
        return AxleWeighed(lane=lane, station=station, device=self.name, axle=axle, left_kg=kg, right_kg=kg)


def watched(stands: Standing) -> tuple[Watched, Tap]:
    made = Tap("scale", whole_bytes=1000, logged=True)
    return Watched(Scale("scale"), made, lambda: stands), made


def test_a_calibrated_device_measures_and_its_words_are_noted() -> None:
    device, made = watched(CALIBRATED)
    body = asyncio.run(device.measure("1", "brake", "B1", 1))
    assert isinstance(body, AxleWeighed)
    assert body.calibration == ""
    assert [(each.way, each.channel) for each in made.fetch()] == [("asked", "1"), ("answered", "1")]
    assert (device.name, device.source) == ("scale", "virtual+test://steady")


def test_a_forbidden_device_is_not_asked() -> None:
    device, made = watched(Standing(word="expired", blocks=True, zh="证书到期", en="expired on 1"))
    with pytest.raises(MeasureError, match=r"scale: 不得检测，证书到期 \(must not measure: expired on 1\)"):
        asyncio.run(device.measure("1", "brake", "B1", 1))
    assert made.fetch() == []


def test_a_flagged_device_says_so_in_its_record() -> None:
    device, _ = watched(Standing(word="overdue", en="check overdue"))
    body = asyncio.run(device.measure("1", "brake", "B1", 1))
    assert isinstance(body, AxleWeighed)
    assert body.calibration == "overdue"


def test_a_failed_measurement_is_noted_with_its_reason() -> None:
    device, made = watched(CALIBRATED)
    device._device.good = False
    with pytest.raises(MeasureError, match="nothing there"):
        asyncio.run(device.measure("1", "brake", "B1", 1))
    assert [each.data for each in made.fetch() if each.way == "answered"] == [
        b'{"is":"Failed","why":"nothing there"}'
    ]


def test_a_lanes_instruments_stand_as_the_site_file_says(tmp_path: Path) -> None:
    async def main() -> None:
        certified_site(tmp_path, date(2020, 1, 1))
        async with edge_at(tmp_path, keep_site=True) as edge:
            devices = {entry.name: Scale(entry.name) for entry in edge.desk.site.devices}
            lanes = {name: lane_devices(edge.desk, edge.watch, devices, name) for name in ("1", "2")}
            assert set(lanes["1"].instruments) == {"weigh", "brake", "sideslip"}
            with pytest.raises(MeasureError, match="JJG-1 was valid until 2020-01-01"):
                await lanes["1"].instruments["weigh"].measure("1", "brake", "B1", 1)
            await lanes["2"].instruments["weigh"].measure("2", "brake", "B1", 1)
            board = (await edge.client.get("/api/v1/board")).json()
            assert any("wheels-1 must not measure" in alarm["en"] for alarm in board["alarms"])
            marks = {each["device"]: each["marks"] for each in board["devices"]}
            assert marks["wheels-1"] == ["uncalibrated", "simulated"]
            assert marks["wheels-2"] == ["simulated"]

    asyncio.run(main())


# ---- certificates and checks ---------------------------------------------------------------------


def test_a_certificate_is_recorded_once_per_change(tmp_path: Path) -> None:
    async def certify(path: Path) -> list[DeviceCertified]:
        async with edge_at(path.parent, keep_site=True) as edge:
            await edge.desk.calibrations.certify()
            await edge.desk.calibrations.certify()
            return [
                each.body for each in edge.desk.journal.replay() if isinstance(each.body, DeviceCertified)
            ]

    first = certified_site(tmp_path, date(2027, 1, 1))
    (only,) = asyncio.run(certify(first))
    assert only == DeviceCertified(
        device="wheels-1",
        number="JJG-1",
        valid_until=date(2027, 1, 1),
        by="某计量院",
        serial="SN1",
        range="0-10000 kg",
    )
    assert asyncio.run(certify(first)) == [only]
    asyncio.run(certify(certified_site(tmp_path, date(2028, 1, 1), number=2)))
    back = asyncio.run(certify(certified_site(tmp_path, date(2027, 1, 1))))
    assert [each.number for each in back] == ["JJG-1", "JJG-2", "JJG-1"]
    gone = asyncio.run(certify(site_file(tmp_path)))
    assert [each.number for each in gone] == ["JJG-1", "JJG-2", "JJG-1", ""]
    assert gone[-1] == DeviceCertified(device="wheels-1")


def test_a_check_is_a_record_and_decides_who_may_measure_also_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        certified_site(tmp_path, date(2099, 1, 1))
        async with edge_at(tmp_path, keep_site=True) as edge:
            url = "/api/v1/devices/wheels-1/checks"
            failed = await edge.client.post(url, json=check(measured="1.2"))
            assert (failed.status_code, failed.json()["passed"]) == (201, False)
            again = await edge.client.post(url, json=check(measured="1.2"))
            assert (again.status_code, again.json()) == (200, failed.json())
            other = await edge.client.post(url, json=check(measured="0.2"))
            assert (other.status_code, other.json()["type"]) == (409, "urn:chayan:problem:key-reused")
            seen = await device(edge, "wheels-1")
            assert (seen["calibration"]["word"], seen["calibration"]["blocks"]) == ("failed", True)
            assert seen["calibration"]["checks"]["zero"]["passed"] is False
        async with edge_at(tmp_path, keep_site=True) as edge:
            assert edge.desk.calibrations.of("wheels-1", datetime.now(UTC)).word == "failed"
            good = await edge.client.post(url, json=check("c2"))
            assert (good.status_code, good.json()["passed"]) == (201, True)
            assert edge.desk.calibrations.of("wheels-1", datetime.now(UTC)) == CALIBRATED
            checks = [
                each.body for each in edge.desk.journal.replay() if isinstance(each.body, CalibrationChecked)
            ]
            assert [(each.measured, each.passed) for each in checks] == [
                (Decimal("1.2"), False),
                (Decimal(0), True),
            ]

    asyncio.run(main())


def test_a_due_check_forbids_until_it_is_entered(tmp_path: Path) -> None:
    async def main() -> None:
        certified_site(tmp_path, date(2099, 1, 1), more="\ncheck_every_hours = 24")
        async with edge_at(tmp_path, keep_site=True) as edge:
            now = datetime.now(UTC)
            assert edge.desk.calibrations.of("wheels-1", now).word == "overdue"
            await edge.client.post("/api/v1/devices/wheels-1/checks", json=check())
            assert edge.desk.calibrations.of("wheels-1", now).word == ""
            assert edge.desk.calibrations.of("wheels-1", now + timedelta(hours=25)).word == "overdue"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [
        ("nobody", {}, 404),
        ("camera-1", {}, 404),
        ("wheels-1", {"tolerance": "-1"}, 422),
        ("wheels-1", {"measured": "NaN"}, 422),
        ("wheels-1", {"check": "other"}, 422),
        ("wheels-1", {"key": "a/b"}, 422),
    ],
)
def test_a_check_that_cannot_be_taken_is_refused(
    name: str, changes: dict[str, Any], status: int, tmp_path: Path
) -> None:
    async def main() -> None:
        async with edge_at(tmp_path) as edge:
            answer = await edge.client.post(f"/api/v1/devices/{name}/checks", json=check(**changes))
            assert answer.status_code == status, answer.text
            assert edge.desk.journal.head()[0] == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "vzenith-mqtt"', 'kind = "vzenith-mqtt"\ncheck_every_hours = 4', "only what measures"),
        ('kind = "wheel-load-jx"', 'kind = "wheel-load-jx"\ncheck_every_hours = 0', "check_every_hours"),
        (
            'kind = "wheel-load-jx"',
            'kind = "wheel-load-jx"\ncertificate = { number = "1", valid_until = "soon" }',
            "certificate",
        ),
        (
            'kind = "wheel-load-jx"',
            'kind = "wheel-load-jx"\ncertificate = { number = "1", valid_until = 2027-01-01, issuer = "x" }',
            "issuer",
        ),
    ],
)
def test_a_wrong_certificate_is_refused_by_name(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        load(changed_site(tmp_path, old, new))


def test_expiry_is_by_the_sites_own_date(tmp_path: Path) -> None:
    path = certified_site(tmp_path, date(2027, 1, 1))
    site = read(path.read_bytes(), path)
    assert site.site.timezone == "Asia/Shanghai"

    async def main() -> None:
        async with edge_at(tmp_path, keep_site=True) as edge:
            of = edge.desk.calibrations.of
            assert of("wheels-1", datetime(2027, 1, 1, 15, 59, tzinfo=UTC)).word == ""
            assert of("wheels-1", datetime(2027, 1, 1, 16, 0, tzinfo=UTC)).word == "expired"

    asyncio.run(main())


@pytest.mark.slow
def test_a_check_is_entered_by_command(tmp_path: Path) -> None:
    agent = make_agent(tmp_path)

    def enter(measured: str, device: str = "wheels-1") -> tuple[int, str]:
        options = {
            "check": "span",
            "expected": "500",
            "measured": measured,
            "tolerance": "2.5",
            "unit": "kg",
            "by": "officer-01",
        }
        words = [word for name, text in options.items() for word in (f"--{name}", text)]
        done = chayan("device-check", str(agent.site), device, *words)
        return done.returncode, done.stdout + done.stderr

    with agent:
        status, said = enter("502.5")
        assert (status, said.startswith("wheels-1: 合格 passed, record ")) == (0, True)
        status, said = enter("502.6")
        assert status == 1
        assert "wheels-1: 不合格 failed, record " in said
        status, said = enter("500", "camera-1")
        assert (status, "no measuring device camera-1" in said) == (1, True)
        assert enter("many")[0] == 1
        agent.until_device("wheels-1", "lost")
        assert agent.device("wheels-1")["marks"] == ["uncalibrated", "simulated"]
        (good, bad) = agent.records("calibration_checked")
    assert [record.body.passed for record in (good, bad)] == [True, False]
    status, said = enter("500")
    assert status == 1
    assert "the node does not answer" in said

"""Cameras whose stream is read: against twins with digest authentication that tear, stop, reset and lie."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Capture, CommandError, Health, Junk, Said
from firmware_bridge.devices import dahua, hikvision_stream, stream
from firmware_bridge.devices.login import Login
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.link import AddressError
from firmware_bridge.mixed import Part
from firmware_bridge.secret import SecretError
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_dahua import DahuaTwin, text
from firmware_bridge.virtual.twin_hikvision import HikvisionTwin, alert
from firmware_bridge.web import Web
from tests.bridge_parts import Told, end
from tests.camera_parts import CROP, PHOTO, powered, running, until


def secret(folder: Path, password: str = "secret-1") -> Path:
    path = folder / "camera.password"
    path.write_text(f"{password}\n", "utf-8")
    return path


def hikvision(address: str, folder: Path, **changes: Any) -> hikvision_stream.HikvisionStream:
    login = Login(address=address, password_file=secret(folder))
    return hikvision_stream.HikvisionStream("gate", hikvision_stream.Config(login=login, **changes))


def dahua_camera(address: str, folder: Path, **changes: Any) -> dahua.DahuaStream:
    login = Login(address=address, password_file=secret(folder))
    return dahua.DahuaStream("gate", dahua.Config(login=login, **changes))


@asynccontextmanager
async def hikvision_at_work(
    told: Callable[[Said], Any], folder: Path, **changes: Any
) -> AsyncIterator[tuple[HikvisionTwin, hikvision_stream.HikvisionStream]]:
    """A twin and the device that reads it."""
    async with powered(HikvisionTwin()) as twin:
        assert isinstance(twin, HikvisionTwin)
        device = hikvision(twin.address, folder, **changes)
        async with running(told, device):
            await until(lambda: twin.streams)
            yield twin, device


@asynccontextmanager
async def dahua_at_work(
    told: Callable[[Said], Any], folder: Path, **changes: Any
) -> AsyncIterator[tuple[DahuaTwin, dahua.DahuaStream]]:
    """The same of the other maker."""
    async with powered(DahuaTwin()) as twin:
        assert isinstance(twin, DahuaTwin)
        device = dahua_camera(twin.address, folder, **changes)
        async with running(told, device):
            await until(lambda: twin.streams)
            yield twin, device


def seen(told: Told) -> list[tuple[str, bytes | None, bytes | None]]:
    return [
        (said.plate_text, said.photo, said.crop) for said in told.of(Capture) if isinstance(said, Capture)
    ]


def states(told: Told) -> list[str]:
    return [said.state for said in told.of(Health) if isinstance(said, Health)]


# ---- Dahua's codec -----------------------------------------------------------------------------------

# names and heartbeat: several public programs (F); values of this test
LINES = b"""Events[0].EventBaseInfo.Code=TrafficJunction\r
Events[0].EventBaseInfo.Action=Pulse\r
Events[0].EventID=5864\r
Events[0].UTC=1784769302\r
Events[0].UTCMS=120\r
Events[0].Object.Confidence=97\r
Events[0].Object.Text=SUAD12345\r
Events[0].TrafficCar.PlateNumber=\xe8\x8b\x8fAD12345\r
Events[0].TrafficCar.PlateColor=Green\r
Events[0].TrafficCar.PlateType=Unknown\r
"""


def part(body: bytes, kind: str = "text/plain") -> Part:
    return Part(headers={"content-type": kind}, body=body)


def test_the_makers_lines_become_a_capture() -> None:
    pictures = [part(CROP, "image/jpeg"), part(PHOTO, "image/jpeg")]
    assert dahua.captures([part(LINES), *pictures]) == [
        Capture(
            key="1784769302.120/5864",
            plate_text="苏AD12345",
            plate_type="green",
            confidence_pct=97,
            photo=PHOTO,
            crop=CROP,
            taken_at=datetime(2026, 7, 23, 1, 15, 2, 120000, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("苏AD12345", "", "plate_text", ""),
        ("PlateType=Unknown", "PlateType=DoubleYellow", "plate_type", "yellow_double"),
        ("PlateColor=Green", "PlateColor=Silver", "plate_type", "unknown"),
        ("Events[0].TrafficCar.PlateNumber=苏AD12345\r\n", "", "plate_text", "SUAD12345"),
        ("EventBaseInfo.Code", "Code", "plate_text", "苏AD12345"),
        ("Events[0]", "ReturnEvents[0]", "plate_text", "苏AD12345"),
        ("Confidence=97", "Confidence=?", "confidence_pct", 0),
        ("UTCMS=120", "UTCMS=0", "taken_at", datetime(2026, 7, 23, 1, 15, 2, tzinfo=UTC)),
    ],
)
def test_what_firmware_says_differently(old: str, new: str, field: str, value: object) -> None:
    lines = part(LINES.decode().replace(old, new).encode())
    assert dahua.event(lines) is not None
    assert getattr(dahua.captures([lines])[0], field) == value


@pytest.mark.parametrize("province", "京黑蒙新")
def test_a_provinces_plate_stays_as_it_is(province: str) -> None:
    (capture,) = dahua.captures([part(LINES.decode().replace("苏", province).encode())])
    assert capture.plate_text == f"{province}AD12345"


def test_older_firmware_writes_gb18030() -> None:
    assert dahua.captures([part(LINES.decode().encode("gb18030"))])[0].plate_text == "苏AD12345"


def test_a_camera_that_counts_local_time_is_put_right() -> None:
    (capture,) = dahua.captures([part(LINES)], ahead_min=480)
    assert capture.taken_at == datetime(2026, 7, 22, 17, 15, 2, 120000, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", [b"Heartbeat", b"Heartbeat\r\n", LINES.replace(b"TrafficJunction", b"VideoMotion")]
)
def test_heartbeats_and_other_events_are_signs_of_life(said: bytes) -> None:
    assert dahua.event(part(said)) is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"hello", "no line"),
        (b"\xff\xff\xff", "neither UTF-8 nor GB 18030"),
        (LINES.replace(b"UTC=1784769302", b"UTC=99999999999999"), "is no time"),
        (LINES.replace(b"UTC=1784769302", b"UTC=soon"), "is no time"),
        (LINES.replace(b"Events[0].UTC=1784769302\r\n", b""), "PlateNumber or UTC is missing"),
        (LINES.replace(b"AD12345", b"AD12345" * 4), "29 characters"),
    ],
)
def test_malformed_lines_are_unreadable(said: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        assert dahua.event(part(said)) is not None
        dahua.captures([part(said)])


@given(st.binary(max_size=300))
def test_no_bytes_break_the_codec(said: bytes) -> None:
    try:
        begins = dahua.event(part(said))
    except Unreadable:
        return
    assert begins is None


# ---- streams -----------------------------------------------------------------------------------------


def test_alerts_with_their_pictures_come_out_of_a_stream(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with hikvision_at_work(told, tmp_path, simulated=True) as (twin, device):
            await twin.beat()
            await twin.show(alert("浙A00001", pictures=2), PHOTO, CROP)
            await twin.show(alert("浙A00002", pictures=0))
            await twin.show(alert("浙A00003"), PHOTO)
            await twin.show(alert("浙A00004"))
            await twin.beat()
            await told.count(Capture, 4)
            assert device.source == "virtual+http://gate"
        assert seen(told) == [
            ("浙A00001", PHOTO, CROP),
            ("浙A00002", None, None),
            ("浙A00003", PHOTO, None),
            ("浙A00004", None, None),
        ]
        assert (states(told), told.of(Junk)) == (["ok"], [])

    asyncio.run(main())


def test_the_last_alert_need_not_wait_for_the_next_part(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with hikvision_at_work(told, tmp_path) as (twin, _):
            await twin.show(alert("浙A00001"), PHOTO, CROP)
            await told.count(Capture, 1)
        assert seen(told) == [("浙A00001", PHOTO, CROP)]

    asyncio.run(main())


def test_texts_and_pictures_come_out_of_dahuas_stream(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with dahua_at_work(told, tmp_path) as (twin, _):
            await twin.beat()
            await twin.show(text("浙A00001", 1), PHOTO, CROP)
            moment = datetime.now(UTC)
            await twin.show(
                text("浙A00002", 2, at=moment, index=1, count=2), PHOTO
            )  # a text for each picture
            await twin.show(text("浙A00002", 2, at=moment, index=2, count=2), CROP)
            await twin.show(text("", 3))
            await twin.beat()
            await told.count(Capture, 3)
        assert seen(told) == [("浙A00001", PHOTO, CROP), ("浙A00002", PHOTO, CROP), ("", None, None)]
        assert (states(told), told.of(Junk)) == (["ok"], [])

    asyncio.run(main())


@pytest.mark.parametrize("fault", [faults.bytewise, faults.late(0.2)])
def test_a_stream_may_come_in_drops(fault: faults.Fault, tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with hikvision_at_work(told, tmp_path) as (twin, _):
            twin.fault = fault
            await twin.show(alert("浙A00001", pictures=1), PHOTO)
            await twin.beat()
            await told.count(Capture, 1)
        assert seen(told) == [("浙A00001", PHOTO, None)]

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["torn", "lost", "corrupt"])
def test_damage_costs_its_event_and_no_reading_is_wrong(kind: str, tmp_path: Path) -> None:
    make = {"torn": faults.torn, "lost": faults.lost, "corrupt": faults.corrupt}[kind]

    async def main() -> None:
        told, sent = Told(), {f"浙A0{number:04d}": number for number in range(40)}
        async with dahua_at_work(told, tmp_path) as (twin, _):
            twin.fault = make(random.Random(11), 0.3)
            for plate, number in sent.items():
                await twin.show(text(plate, number))
            twin.fault = faults.whole
            await twin.beat()
            await twin.show(text("浙B00001", 99), PHOTO)
            await twin.beat()
            await until(lambda: seen(told) and seen(told)[-1][0] == "浙B00001")
        plates = [plate for plate, _, _ in seen(told)]
        assert 15 <= len(plates) <= 41
        assert len(set(plates)) == len(plates)
        if kind != "corrupt":  # a turned bit within a plate is what its pictures and the officer are for
            assert set(plates) <= {*sent, "浙B00001"}

    asyncio.run(main())


def test_half_a_picture_and_then_silence_is_an_event_without_it(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with hikvision_at_work(told, tmp_path) as (twin, _):
            whole = twin.parts(alert("浙A00001"), PHOTO, None)
            await twin.send(whole[:-100])
            await told.count(Capture, 1)
            assert seen(told) == [("浙A00001", None, None)]
            await twin.send(twin.part("application/xml", alert("浙A00002", pictures=0)))
            await twin.beat()
            await told.count(Capture, 2)
            assert len(told.of(Junk)) == 1

    asyncio.run(main())


def test_half_an_alert_and_then_the_end_is_junk(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with hikvision_at_work(told, tmp_path) as (twin, _):
            await twin.send(twin.parts(alert("浙A00001"), None, None)[:-100])
            await asyncio.sleep(0.2)
            twin.reset()
            await told.count(Junk, 1)
            assert told.of(Capture) == []
            await until(lambda: twin.streams)
            await twin.show(alert("浙A00002", pictures=0))
            await twin.beat()
            await told.count(Capture, 1)
        (junk,) = told.of(Junk)
        assert isinstance(junk, Junk)
        assert "broke off" in junk.why and b"EventNotificationAlert" in junk.data
        assert states(told) == ["ok", "lost", "ok"]

    asyncio.run(main())


def test_a_camera_that_goes_and_comes_is_read_again(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with dahua_at_work(told, tmp_path) as (twin, _):
            await twin.show(text("浙A00001", 1), PHOTO)
            await asyncio.sleep(0.2)
            await twin.stop()
            await told.count(Health, 2)
            assert seen(told) == [("浙A00001", PHOTO, None)]  # it was whole, though nothing came after it
            await twin.start()
            await until(lambda: twin.streams)
            await twin.show(text("浙A00001", 1), PHOTO)
            await twin.show(text("浙A00002", 2), PHOTO)
            await twin.beat()
            await told.count(Capture, 3)
        keys = [said.key for said in told.of(Capture) if isinstance(said, Capture)]
        assert states(told) == ["ok", "lost", "ok"]
        assert len(keys) == 3

    asyncio.run(main())


def test_silence_is_a_lost_camera(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with hikvision_at_work(told, tmp_path, silence_s=5) as (twin, _):
            await twin.beat()
            await told.count(Health, 2)
            assert states(told) == ["ok", "lost"]
            await until(lambda: len(twin.asked) >= 2)
            assert {each.target for each in twin.asked} == {hikvision_stream.PATH}

    asyncio.run(main())


@pytest.mark.parametrize("announced", ["another", "--boundary", ""])
def test_the_boundary_that_is_announced_may_be_wrong(announced: str, tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with powered(HikvisionTwin()) as twin:
            assert isinstance(twin, HikvisionTwin)
            twin.announced = announced
            async with running(told, hikvision(twin.address, tmp_path, silence_s=5)):
                await until(lambda: twin.streams)
                for number in range(30):
                    await twin.show(alert(f"浙A0000{number % 10}", pictures=0))
                    await twin.beat()
                    await asyncio.sleep(0.25)
                    if told.of(Capture) or "lost" in states(told):
                        break
        if announced == "another":
            assert told.of(Capture) == []
            assert "no whole part" in str(told.of(Health)[-1])
        else:
            assert seen(told)[0] == ("浙A00000", None, None)

    asyncio.run(main())


def test_an_answer_that_is_no_stream_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with powered(DahuaTwin()) as twin, running(told, hikvision(twin.address, tmp_path)):
            await told.count(Health, 1)
        (health,) = told.of(Health)
        assert isinstance(health, Health)
        assert (health.state, "answered 404" in health.why) == ("lost", True)

    asyncio.run(main())


def test_a_wrong_password_is_a_fault_and_is_not_tried_again_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        twin = HikvisionTwin(password="another")
        async with powered(twin), running(told, hikvision(twin.address, tmp_path)):
            await told.count(Health, 1)
            await asyncio.sleep(1.5)
        (health,) = told.of(Health)
        assert isinstance(health, Health)
        assert (health.state, "refused" in health.why) == ("faulty", True)
        assert twin.asked == []

    asyncio.run(main())
    assert stream.REFUSED_S >= 60


def test_an_event_that_could_not_be_kept_is_told_by_the_next_run(tmp_path: Path) -> None:
    async def main() -> None:
        told, broken = Told(), True

        async def tell(said: Said) -> None:
            if broken and isinstance(said, Capture):
                raise OSError("disk full")
            await told(said)

        async with powered(HikvisionTwin()) as twin:
            assert isinstance(twin, HikvisionTwin)
            device = hikvision(twin.address, tmp_path)
            first = asyncio.create_task(device.run(tell))
            await until(lambda: twin.streams)
            shown = twin.parts(alert("浙A00001", pictures=1), PHOTO, None)
            await twin.send(shown + twin.parts(alert("浙A00002", pictures=2), PHOTO, CROP))
            await twin.beat()
            for _ in range(2):
                with pytest.raises(OSError, match="disk full"):
                    async with asyncio.timeout(20):
                        await first
                first = asyncio.create_task(device.run(tell))
            await end(first)
            broken = False
            async with running(tell, device):
                await told.count(Capture, 2)
        assert seen(told) == [("浙A00001", PHOTO, None), ("浙A00002", PHOTO, CROP)]
        assert all(said.replayed for said in told.of(Capture) if isinstance(said, Capture))

    asyncio.run(main())


# ---- commands and settings -----------------------------------------------------------------------------


def test_hikvision_recognises_on_command(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with hikvision_at_work(told, tmp_path) as (twin, device):
            twin.sees = "浙A12345"
            await device.trigger()
            await device.gate(True)
            await told.count(Capture, 1)
            assert twin.raised
        assert seen(told) == [("浙A12345", None, None)]  # not the old result in the command's answer

    asyncio.run(main())


def test_dahua_opens_and_snaps_on_command(tmp_path: Path) -> None:
    async def main() -> None:
        told = Told()
        async with dahua_at_work(told, tmp_path) as (twin, device):
            twin.sees = "浙A12345"
            await device.trigger()
            await device.gate(True)
            assert twin.opened == 1
            with pytest.raises(CommandError, match="lower"):
                await device.gate(False)
            await told.count(Capture, 1)

    asyncio.run(main())


@pytest.mark.parametrize(
    "address", ["192.0.2.11", "https://192.0.2.11", "http://", "http://a/b", "http://[::1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(AddressError):
        Web(address, "", "")


def test_a_password_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "empty"):
        (tmp_path / "empty").touch()
        with pytest.raises(SecretError, match=str(path)):
            Login(address="http://192.0.2.11", password_file=path).web()

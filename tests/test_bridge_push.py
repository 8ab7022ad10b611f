"""Cameras that push: golden payloads, the maker's answers, and twins that post through the real door."""

import asyncio
import base64
import json
import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Capture, CommandError, Health, Junk, Push, Said
from firmware_bridge.devices import hikvision, hikvision_push, vzenith_http
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.link import AddressError
from firmware_bridge.virtual import faults
from firmware_bridge.virtual.twin_hikvision import HikvisionTwin, alert
from firmware_bridge.virtual.twin_vzenith_http import VzenithHttpTwin
from firmware_bridge.virtual.twin_web import post
from tests.bridge_parts import Told
from tests.camera_parts import CROP, HIKVISION_ALERT, PHOTO, SN, VZENITH_PUSH, door, powered

TAKEN_AT = datetime(2026, 7, 23, 1, 15, 2, 120000, tzinfo=UTC)


def vzenith(**changes: Any) -> bytes:
    """The maker's push with changes in its PlateResult; None takes a field away."""
    message = json.loads(VZENITH_PUSH)
    alarm = message["AlarmInfoPlate"]
    pictures = {
        "imageFile": base64.b64encode(PHOTO).decode(),
        "imageFragmentFile": base64.b64encode(CROP).decode(),
    }
    result = alarm["result"]["PlateResult"] | pictures | changes
    alarm["result"]["PlateResult"] = {key: value for key, value in result.items() if value is not None}
    return json.dumps(message, ensure_ascii=False).encode()


def test_the_makers_push_becomes_a_capture() -> None:
    golden = VZENITH_PUSH.replace(
        '"imageFile":"<base64>"', f'"imageFile":"{base64.b64encode(PHOTO).decode()}"'
    )
    golden = golden.replace("<base64>", base64.b64encode(CROP).decode())
    read = vzenith_http.read_push(SN, golden.encode())
    assert read is not None
    assert read[0] == Capture(
        key=f"{SN}/1784769302.120000/1402",
        plate_text="苏AD12345",
        plate_type="green_small",
        confidence_pct=97,
        photo=PHOTO,
        crop=CROP,
        taken_at=TAKEN_AT,
        replayed=False,
    )


def test_the_push_word_by_word_has_no_picture_in_it() -> None:
    with pytest.raises(Unreadable, match="imageFile: not base64"):
        vzenith_http.read_push(SN, VZENITH_PUSH.encode())


def test_both_ways_to_speak_give_one_key_and_one_plate_type() -> None:
    from firmware_bridge.devices import vzenith as over_mqtt

    sent = json.loads(vzenith())["AlarmInfoPlate"]["result"]["PlateResult"]
    sent["license"] = base64.b64encode(sent["license"].encode()).decode()
    message = {
        "name": "ivs_result",
        "sn": SN,
        "payload": {"AlarmInfoPlate": {"result": {"PlateResult": sent}}},
    }
    read = vzenith_http.read_push(SN, vzenith())
    assert read is not None
    assert over_mqtt.read_capture(SN, json.dumps(message).encode()) == read[0]


@pytest.mark.parametrize("said", ["_无_", "", "无车牌"])
def test_a_vehicle_without_a_plate_is_an_empty_text(said: str) -> None:
    read = vzenith_http.read_push(SN, vzenith(license=said))
    assert read is not None
    assert read[0].plate_text == ""


SIGNS_OF_LIFE: list[dict[str, Any]] = [
    {"AlarmInfoPlate": {"channel": 0, "deviceName": "IVS", "serialno": SN, "heartbeat": 1}},
    {"AlarmGioIn": {"result": {"TriggerResult": {"source": 3, "value": 1}}, "serialno": SN}},
    {"SerialData": {"channel": 0, "serialno": SN, "data": "Y2guY29tFw==", "dataLen": 7}},
]


@pytest.mark.parametrize("said", SIGNS_OF_LIFE)
def test_other_pushes_are_signs_of_life(said: dict[str, Any]) -> None:
    assert vzenith_http.read_push(SN, json.dumps(said).encode()) is None


MALFORMED = {
    "not JSON": (b"<xml/>", "malformed"),
    "cut": (vzenith()[:300], "truncated"),
    "another camera": (vzenith().replace(SN.encode(), b"aaaa0000-bbbb0009"), "came on the path of"),
    "no time": (vzenith(timeStamp={"Timeval": {"sec": 10**15}}), "timeStamp"),
    "a sentence": (vzenith(license="京" * 21), "license: 21 characters"),
    "no license": (vzenith(license=None), "license"),
    "not UTF-8": (b'{"AlarmInfoPlate":{"serialno":"\xff"}}', "AlarmInfoPlate"),
    "bottomless": (b"[" * 100_000, "AlarmInfoPlate"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_pushes_are_unreadable(case: str) -> None:
    payload, why = MALFORMED[case]
    with pytest.raises(Unreadable, match=why):
        vzenith_http.read_push(SN, payload)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_codecs(payload: bytes) -> None:
    for read in (lambda: vzenith_http.read_push(SN, payload), lambda: hikvision.read_alert(payload)):
        with pytest.raises(Unreadable):
            read()


def test_no_answer_opens_the_barrier_unasked() -> None:
    read = vzenith_http.read_push(SN, vzenith(isoffline=1))
    assert read is not None
    for plate in (None, read[1]):
        said = json.loads(vzenith_http.answer_body(plate, {}))["Response_AlarmInfoPlate"]
        assert said["info"] != "ok"
        assert not said.keys() & {"ivs_ioctrl", "gpio_out", "serialData", "manualTrigger"}


# ---- Hikvision's alert ---------------------------------------------------------------------------


def test_the_makers_alert_becomes_a_capture() -> None:
    read = hikvision.read_alert(HIKVISION_ALERT.encode())
    assert read is not None
    assert read.capture == Capture(
        key="00000000-0000-4000-8000-000000000001/2026-07-23T09:15:02+08:00",
        plate_text="苏AD12345",
        plate_type="green_small",
        confidence_pct=97,
        taken_at=datetime(2026, 7, 23, 9, 15, 2, tzinfo=timezone(timedelta(hours=8))),
    )
    assert read.pictures is None


@pytest.mark.parametrize(
    "xmlns",
    [
        "",
        ' xmlns="http://www.hikvision.com/ver10/XMLSchema"',
        ' xmlns="http://www.isapi.org/ver20/XMLSchema"',
    ],
)
def test_namespaces_differ_by_firmware(xmlns: str) -> None:
    said = HIKVISION_ALERT.replace(' xmlns="http://www.hikvision.com/ver20/XMLSchema"', xmlns)
    assert hikvision.read_alert(said.encode()) == hikvision.read_alert(HIKVISION_ALERT.encode())


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("苏AD12345", "绿苏AD12345", "plate_text", "苏AD12345"),
        ("苏AD12345", "noPlate", "plate_text", ""),
        ("苏AD12345", "unknown", "plate_text", ""),
        ("苏AD12345", "苏A·D12345 ", "plate_text", "苏AD12345"),
        ("newEnergySmall", "yellowTwoLine", "plate_type", "yellow_double"),
        ("newEnergySmall", "92TypeCivil", "plate_type", "green"),
        (
            "<plateType>newEnergySmall</plateType><plateColor>green",
            "<plateColor>newEnergyYellowGreen",
            "plate_type",
            "yellow_green",
        ),
        ("<confidenceLevel>97", "<confidenceLevel>high", "confidence_pct", 0),
        ("+08:00", "", "taken_at", None),
        ("</ANPR>", "<alarmDataType>1</alarmDataType></ANPR>", "replayed", True),
        ("</ANPR>", "<alarmDataType>0</alarmDataType></ANPR>", "replayed", False),
    ],
)
def test_what_firmware_says_differently(old: str, new: str, field: str, value: object) -> None:
    read = hikvision.read_alert(HIKVISION_ALERT.replace(old, new).encode())
    assert read is not None
    assert getattr(read.capture, field) == value


PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"


@pytest.mark.parametrize("province", PROVINCES)
def test_every_provinces_plates_stay_as_they_are(province: str) -> None:
    plain = f"{province}A12345"
    pushed = vzenith_http.read_push(SN, vzenith(license=plain))
    assert pushed is not None
    assert pushed[0].plate_text == plain
    for said in (plain, *(f"{colour}{plain}" for colour in "蓝黄白黑绿")):
        alert = hikvision.read_alert(HIKVISION_ALERT.replace("苏AD12345", said).encode())
        assert alert is not None
        assert alert.capture.plate_text == plain, said


@pytest.mark.parametrize(
    ("said", "plate"),
    [
        ("黑使123456", "使123456"),
        ("黑123456使", "123456使"),
        ("黑粤Z1234港", "粤Z1234港"),
        ("白WJ12345", "WJ12345"),
        ("白浙A1234警", "浙A1234警"),
        ("黑", "黑"),
    ],
)
def test_a_colour_before_other_plates_is_taken_off(said: str, plate: str) -> None:
    alert = hikvision.read_alert(HIKVISION_ALERT.replace("苏AD12345", said).encode())
    assert alert is not None
    assert alert.capture.plate_text == plate


def test_an_alert_without_a_uuid_is_known_by_its_bytes() -> None:
    said = HIKVISION_ALERT.replace("<UUID>00000000-0000-4000-8000-000000000001</UUID>", "")
    first, again = (hikvision.read_alert(said.encode()) for _ in range(2))
    other = hikvision.read_alert(said.replace("09:15:02", "09:15:03").encode())
    assert first is not None and again is not None and other is not None
    assert first.capture.key == again.capture.key != other.capture.key


BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><EventNotificationAlert>&c;</EventNotificationAlert>'
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><EventNotificationAlert>&b;</EventNotificationAlert>'


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (HIKVISION_ALERT[:300], "not XML"),
        ("<other/>", "no EventNotificationAlert"),
        (HIKVISION_ALERT.replace("<licensePlate>苏AD12345</licensePlate>", ""), "without licensePlate"),
        (HIKVISION_ALERT.replace("2026-07-23T", "yesterday"), "is no time"),
        (HIKVISION_ALERT.replace("苏AD12345", "京" * 21), "21 characters"),
        (BOMB, "not XML"),
        (OUTSIDE, "not XML"),
        ("<a>" * 200_000, "not XML"),
        (f"<a>{'x' * 2_000_000}</a>", "bytes of XML"),
    ],
)
def test_malformed_alerts_are_unreadable(said: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        hikvision.read_alert(said.encode())


def test_other_events_are_signs_of_life() -> None:
    assert hikvision.read_alert(HIKVISION_ALERT.replace(">ANPR<", ">videoloss<").encode()) is None


def form(*parts: tuple[str, str, bytes], end: str = "--b7--\r\n") -> Push:
    """A form whose parts are (content type, name, body)."""
    body = b""
    for kind, name, content in parts:
        named = f'Content-Disposition: form-data; name="{name}"; filename="{name}"\r\n' if name else ""
        body += f"--b7\r\n{named}Content-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"
    whole = body + end.encode()
    kind = "multipart/form-data; boundary=b7"
    return Push(path="", peer="192.0.2.12", content_type=kind, body=whole, size_bytes=len(whole))


XML = ("application/xml", "anpr.xml", HIKVISION_ALERT.encode())
PLATE = ("image/jpeg", "licensePlatePicture.jpg", CROP)
SCENE = ("image/jpeg", "detectionPicture.jpg", PHOTO)


@pytest.mark.parametrize(
    ("parts", "photo", "crop"),
    [
        ((XML, PLATE, SCENE), PHOTO, CROP),
        ((SCENE, PLATE, XML), PHOTO, CROP),
        ((XML,), None, None),
        ((XML, SCENE), PHOTO, None),
        ((XML, PLATE), None, CROP),
        (
            (
                ("text/xml", "MoveDetection.xml", XML[2]),
                ("image/jpeg", "a.jpg", CROP),
                ("image/jpeg", "b.jpg", PHOTO),
            ),
            PHOTO,
            CROP,
        ),
        ((("text/xml", "", XML[2]), ("image/pjpeg", "", PHOTO)), PHOTO, None),
        ((XML, PLATE, ("image/jpeg", "vehicle.jpg", PHOTO)), PHOTO, CROP),
        ((XML, ("image/jpeg", "licensePlatePicture.jpg", b""), SCENE), PHOTO, None),
    ],
)
def test_parts_may_come_in_any_order_and_under_other_names(
    parts: tuple[tuple[str, str, bytes], ...], photo: bytes | None, crop: bytes | None
) -> None:
    (capture,) = hikvision.captures(hikvision_push.read_parts(form(*parts)))
    assert (capture.plate_text, capture.photo, capture.crop) == ("苏AD12345", photo, crop)


def test_an_alert_without_pictures_may_come_without_a_form() -> None:
    push = Push(path="", peer="", content_type="application/xml", body=XML[2], size_bytes=len(XML[2]))
    (capture,) = hikvision.captures(hikvision_push.read_parts(push))
    assert (capture.plate_text, capture.photo) == ("苏AD12345", None)


@pytest.mark.parametrize(
    ("push", "why"),
    [
        (form(XML, SCENE, end=""), "belong to no whole part"),
        (form(PLATE, SCENE), "no alert in 2 parts"),
        (form(), "no alert in 0 parts"),
        (Push(path="", peer="", content_type="multipart/form-data", body=b"x", size_bytes=1), "no boundary"),
        (
            Push(
                path="",
                peer="",
                content_type="multipart/form-data; boundary=zz",
                body=form(XML).body,
                size_bytes=1,
            ),
            "no whole part",
        ),
        (
            Push(path="", peer="", content_type="text/plain", body=b"hello", size_bytes=5),
            "no alert in 1 parts",
        ),
    ],
)
def test_damaged_forms_are_unreadable(push: Push, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        hikvision.captures(hikvision_push.read_parts(push))


# ---- through the door ------------------------------------------------------------------------------


def camera(**changes: Any) -> vzenith_http.VzenithHttp:
    return vzenith_http.VzenithHttp("gate", vzenith_http.Config(sn=SN, hold_s=0, **changes))


def test_a_camera_that_pushes_is_told_and_answered() -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera(simulated=True)) as url, httpx.AsyncClient() as client:
            answer = await client.post(f"{url}/gate/plate", content=vzenith())
            assert answer.status_code == 200
            assert answer.json()["Response_AlarmInfoPlate"] == {
                "info": "no",
                "content": "retransfer_stop",
                "plateid": 1402,
            }
            twin = VzenithHttpTwin(SN, f"{url}/gate")
            await twin.poll(form=False)
            await twin.poll()
            assert await twin.recognise("", PHOTO)
            assert twin.pulses == []
        golden, unplated = told.of(Capture)
        assert isinstance(golden, Capture) and isinstance(unplated, Capture)
        assert (golden.plate_text, golden.photo, golden.crop) == ("苏AD12345", PHOTO, CROP)
        assert (unplated.plate_text, unplated.confidence_pct) == ("", 0)
        assert told.of(Junk) == []
        assert told.of(Health) == [Health(state="ok")]

    asyncio.run(main())


def test_a_200_means_that_tell_has_returned() -> None:
    async def main() -> None:
        may, told = asyncio.Event(), Told()

        async def tell(said: Said) -> None:
            if isinstance(said, Capture):
                await may.wait()
            await told(said)

        async with door(tell, camera()) as url:
            posting = asyncio.create_task(post(f"{url}/gate", "application/json", vzenith()))
            done, _ = await asyncio.wait([posting], timeout=0.5)
            assert not done
            may.set()
            answer = await posting
            assert answer is not None
            assert answer.status == 200
            assert len(told.of(Capture)) == 1

    asyncio.run(main())


def test_what_was_kept_offline_is_pushed_one_by_one_as_replayed() -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url:
            twin = VzenithHttpTwin(SN, "http://127.0.0.1:1/gate")
            for plate in ("浙A00001", "浙A00002", "浙A00003"):
                assert not await twin.recognise(plate, PHOTO)
            twin.url = f"{url}/gate"
            assert await twin.recognise("浙A00004", PHOTO)
            await twin.replay()
            assert twin.kept == []
        found = [(said.plate_text, said.replayed) for said in told.of(Capture) if isinstance(said, Capture)]
        assert found == [("浙A00004", False), ("浙A00001", True), ("浙A00002", True), ("浙A00003", True)]

    asyncio.run(main())


def test_an_answer_that_is_lost_brings_the_same_event_again_under_one_key() -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url:
            for _ in range(2):
                await post(f"{url}/gate", "application/json", vzenith())
        keys = {said.key for said in told.of(Capture) if isinstance(said, Capture)}
        assert len(told.of(Capture)) == 2
        assert len(keys) == 1

    asyncio.run(main())


@pytest.mark.parametrize("case", MALFORMED)
def test_what_cannot_be_read_is_junk_and_answered_so_that_it_stops(case: str) -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url:
            answer = await post(f"{url}/gate", "application/json", MALFORMED[case][0])
            assert answer is not None
            assert (answer.status, b"retransfer_stop" in answer.body) == (200, True)
        (junk,) = told.of(Junk)
        assert isinstance(junk, Junk)
        assert (junk.channel, junk.size_bytes) == ("http://gate", len(MALFORMED[case][0]))
        assert told.of(Capture) == []

    asyncio.run(main())


def test_a_foreign_heartbeats_password_is_not_kept() -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url:
            await VzenithHttpTwin("cccc0000-dddd0001", f"{url}/gate").poll()
        (junk,) = told.of(Junk)
        assert isinstance(junk, Junk)
        assert (junk.data, "serial number" in junk.why) == (b"", True)

    asyncio.run(main())


RNG = random.Random(4)
FAULTS = {
    "torn": faults.once(lambda sent: len(sent) > 100, faults.torn(RNG, 1.0)),
    "silent": faults.once(lambda sent: len(sent) > 100, faults.silent),
    "corrupt": faults.once(
        lambda sent: len(sent) > 100, lambda sent: [faults.Part(sent.replace(b'"', b"'", 9))]
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_torn_push_is_never_a_reading_and_the_next_one_is(fault: str) -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url:
            await post(f"{url}/gate", "application/json", vzenith(), FAULTS[fault])
            await told.count(Junk, 1)
            assert told.of(Capture) == []
            assert await VzenithHttpTwin(SN, f"{url}/gate").recognise("浙A00001", PHOTO)
        assert len(told.of(Capture)) == 1

    asyncio.run(main())


@pytest.mark.parametrize("fault", [faults.bytewise, faults.late(0.3), faults.whole])
def test_slow_and_cut_pushes_arrive_whole(fault: faults.Fault) -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url:
            answer = await post(f"{url}/gate", "application/json", vzenith(imageFile=None), fault)
            assert answer is not None and answer.status == 200
        assert len(told.of(Capture)) == 1

    asyncio.run(main())


# ---- commands --------------------------------------------------------------------------------------


def test_commands_ride_in_the_next_answer_once() -> None:
    async def main() -> None:
        told, device = Told(), camera(raise_io=1, lower_io=2)
        async with door(told, device) as url:
            twin = VzenithHttpTwin(SN, f"{url}/gate")
            twin.sees = "浙A12345"
            commands = [asyncio.create_task(device.gate(True)), asyncio.create_task(device.trigger())]
            await asyncio.sleep(0)
            await twin.poll()
            await asyncio.gather(*commands)
            await told.count(Capture, 1)
            await twin.poll()
            assert twin.pulses == [1]
            lowering = asyncio.create_task(device.gate(False))
            await asyncio.sleep(0)
            assert await twin.recognise("浙A00001", None)  # the answer to a plate takes it as well
            await lowering
            assert twin.pulses == [1, 2]

    asyncio.run(main())


def test_two_commands_of_one_kind_go_out_one_after_the_other() -> None:
    async def main() -> None:
        device = camera(raise_io=1, lower_io=2)
        async with door(Told(), device) as url:
            twin = VzenithHttpTwin(SN, f"{url}/gate")
            commands = [asyncio.create_task(device.gate(raised)) for raised in (True, False)]
            await asyncio.sleep(0)
            await twin.poll()
            assert twin.pulses == [1]
            await twin.poll()
            assert twin.pulses == [1, 2]
            await asyncio.gather(*commands)

    asyncio.run(main())


def test_a_polling_camera_waits_for_its_command() -> None:
    async def main() -> None:
        device = vzenith_http.VzenithHttp("gate", vzenith_http.Config(sn=SN, hold_s=20, raise_io=0))
        async with door(Told(), device) as url:
            twin = VzenithHttpTwin(SN, f"{url}/gate")
            polling = asyncio.create_task(twin.poll())
            done, _ = await asyncio.wait([polling], timeout=0.5)
            assert not done
            await device.gate(True)
            await polling
            assert twin.pulses == [0]

    asyncio.run(main())


def test_a_command_that_no_answer_takes_expires() -> None:
    async def main() -> None:
        device = camera(command_s=1, raise_io=0)
        async with door(Told(), device) as url:
            with pytest.raises(CommandError, match="gate: no camera asked within 1 s; switch its heartbeat"):
                await device.gate(True)
            with pytest.raises(CommandError, match="lower_io"):
                await device.gate(False)
            twin = VzenithHttpTwin(SN, f"{url}/gate")
            await twin.poll()
            assert twin.pulses == []

    asyncio.run(main())


def test_junk_takes_no_command_with_it() -> None:
    async def main() -> None:
        device = camera(raise_io=0)
        async with door(Told(), device) as url:
            opening = asyncio.create_task(device.gate(True))
            await asyncio.sleep(0)
            answer = await post(f"{url}/gate", "application/json", b"?")
            assert answer is not None
            assert b"ivs_ioctrl" not in answer.body
            twin = VzenithHttpTwin(SN, f"{url}/gate")
            await twin.poll()
            await opening
            assert twin.pulses == [0]

    asyncio.run(main())


# ---- Hikvision through the door --------------------------------------------------------------------


def test_hikvision_pushes_through_the_door() -> None:
    async def main() -> None:
        told, device = Told(), hikvision_push.HikvisionPush("gate", hikvision_push.Config())
        twin = HikvisionTwin()
        async with door(told, device) as url:
            for xml, photo, crop in (
                (alert("浙A12345", pictures=2), PHOTO, CROP),
                (alert("浙A12346", pictures=0), None, None),
                (alert("浙A12347", old=True), PHOTO, None),
            ):
                answer = await twin.push(f"{url}/gate/ISAPI", xml, photo, crop)
                assert answer is not None and answer.status == 200
            torn = await twin.push(
                f"{url}/gate", alert("浙A12348"), PHOTO, CROP, faults.torn(random.Random(1), 1)
            )
            assert torn is None or torn.status == 200
            await told.count(Junk, 1)
        found = [
            (said.plate_text, said.photo, said.crop, said.replayed)
            for said in told.of(Capture)
            if isinstance(said, Capture)
        ]
        assert found == [
            ("浙A12345", PHOTO, CROP, False),
            ("浙A12346", None, None, False),
            ("浙A12347", PHOTO, None, True),
        ]

    asyncio.run(main())


def test_hikvision_obeys_over_isapi(tmp_path: Any) -> None:
    secret = tmp_path / "password"
    secret.write_text("secret-1\n", "utf-8")

    async def main() -> None:
        async with powered(HikvisionTwin()) as twin:
            assert isinstance(twin, HikvisionTwin)
            login = hikvision_push.Login(address=twin.address, password_file=secret)
            device = hikvision_push.HikvisionPush("gate", hikvision_push.Config(login=login))
            await device.gate(True)
            assert twin.raised
            await device.gate(False)
            assert not twin.raised
            twin.status = 4
            with pytest.raises(CommandError, match="gate: barrierGate answered status 4"):
                await device.gate(True)
            await device.trigger()
            assert [each.target for each in twin.asked][-1] == "/ISAPI/Traffic/MNPR/channels/1"
            secret.write_text("wrong", "utf-8")
            stranger = hikvision_push.HikvisionPush("gate", hikvision_push.Config(login=login))
            with pytest.raises(CommandError, match="refused"):
                await stranger.gate(True)
            assert not twin.raised
        with pytest.raises(CommandError, match=r"gate: http://127\.0\.0\.1"):
            await device.gate(True)
        with pytest.raises(CommandError, match="login"):
            await hikvision_push.HikvisionPush("gate", hikvision_push.Config()).trigger()

    asyncio.run(main())


def test_a_peer_that_is_no_address_is_refused_by_name() -> None:
    with pytest.raises(AddressError, match=r"peer = 'gate.example': .*192\.0\.2\.11"):
        camera(peer="gate.example")

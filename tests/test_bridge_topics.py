"""Cameras and PDAs: golden messages, malformed ones, and twins that face the devices over a real broker."""

import asyncio
import base64
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.device import Act, Capture, CommandError, Health, Junk, Said
from firmware_bridge.devices import pda, vzenith, vzenith_result
from firmware_bridge.devices.topics import Unreadable
from firmware_bridge.mqtt import Broker
from firmware_bridge.virtual.twin_camera import CameraTwin, ivs_result
from firmware_bridge.virtual.twin_pda import PdaTwin
from tests.bridge_parts import Told, end
from tests.brokers import BrokerProcess, nats

SN = "aaaa0000-bbbb0001"
PHOTO = b"\xff\xd8 a photo \xff\xd9"


def golden(**changes: object) -> bytes:
    """The message of the maker's description (domain facts 7.2), with changes in its PlateResult."""
    result = {
        "license": base64.b64encode("苏AD12345".encode()).decode(),
        "confidence": 97,
        "type": 11,
        "full_image_content": base64.b64encode(PHOTO).decode(),
        "small_image_content": base64.b64encode(b"crop").decode(),
        "pos": {"left": 512, "top": 690, "right": 742, "bottom": 768},
        "timeStamp": {"Timeval": {"sec": 1784769302, "usec": 120000}},
        **changes,
    }
    kept = {key: value for key, value in result.items() if value is not None}
    return json.dumps(
        {
            "id": "c0ffee01",
            "sn": SN,
            "name": "ivs_result",
            "version": "1.0",
            "timestamp": 1784769302,
            "payload": {"AlarmInfoPlate": {"channel": 0, "result": {"PlateResult": kept}}},
        }
    ).encode()


def test_the_makers_message_becomes_a_capture() -> None:
    assert vzenith.read_capture(SN, golden()) == Capture(
        key=f"{SN}/1784769302.120000/",
        plate_text="苏AD12345",
        plate_type="green_small",
        confidence_pct=97,
        photo=PHOTO,
        crop=b"crop",
        taken_at=datetime(2026, 7, 23, 1, 15, 2, 120000, tzinfo=UTC),
        replayed=False,
    )


def test_offline_events_are_replayed_under_the_same_key() -> None:
    live = vzenith.read_capture(SN, golden(plateid=1402))
    again = vzenith.read_capture(SN, golden(plateid=1402, isoffline=1).replace(b"c0ffee01", b"c0ffee77"))
    assert (again.key, again.replayed) == (live.key, True)
    assert vzenith.read_capture(SN, golden(plateid=1403)).key != live.key


def test_without_a_time_the_key_is_the_messages() -> None:
    assert vzenith.read_capture(SN, golden(timeStamp=None, plateid=7)).key == f"{SN}/id/c0ffee01"


@pytest.mark.parametrize("said", ["_无_", "", "  "])
def test_no_plate_is_an_empty_text(said: str) -> None:
    capture = vzenith.read_capture(SN, golden(license=base64.b64encode(said.encode()).decode()))
    assert capture.plate_text == ""


def test_the_colour_stands_in_for_an_unknown_type() -> None:
    assert vzenith.read_capture(SN, golden(type=0, colorType=5)).plate_type == "green"
    assert vzenith.read_capture(SN, golden(type=99)).plate_type == "unknown"


MALFORMED = {
    "not JSON": (b"<xml/>", "malformed"),
    "cut": (golden()[:200], "truncated"),
    "empty": (b"", "truncated"),
    "no plate result": (b'{"name":"ivs_result","payload":{}}', "AlarmInfoPlate"),
    "wrong photo": (golden(full_image_content="***"), "full_image_content: not base64"),
    "wrong license": (golden(license="苏AD12345"), "license: not base64"),
    "license not UTF-8": (golden(license=base64.b64encode(b"\xff\xfe\xfd").decode()), "license"),
    "license too long": (golden(license=base64.b64encode(b"A" * 99).decode()), "license: 99 characters"),
    "no time": (golden(timeStamp={"Timeval": {"sec": 10**15}}), "timeStamp"),
    "another camera": (golden().replace(SN.encode(), b"aaaa0000-bbbb0009"), "came on the topic of"),
    "bottomless": (b"[" * 100_000, "ivs_result"),
    "not UTF-8": (b'{"name":"\xff\xff"}', "ivs_result"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_camera_messages_are_unreadable(case: str) -> None:
    payload, why = MALFORMED[case]
    with pytest.raises(Unreadable, match=why):
        vzenith.read_capture(SN, payload)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_codecs(payload: bytes) -> None:
    for read in (vzenith.read_capture, pda.read_act):
        with pytest.raises(Unreadable):
            read(SN, payload)


@given(
    plate=st.text(alphabet="浙苏京A0189BD", min_size=1, max_size=9),
    code=st.sampled_from(sorted(vzenith_result.PLATE_TYPES)),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    photo=st.binary(min_size=1, max_size=50),
)
def test_what_the_twin_sends_is_what_the_device_reads(
    plate: str, code: int, at: datetime, photo: bytes
) -> None:
    kind = vzenith_result.PLATE_TYPES[code]
    capture = vzenith.read_capture(SN, ivs_result(SN, plate, photo, None, kind, at, 5, 90))
    told = (capture.plate_text, capture.plate_type, capture.taken_at, capture.photo, capture.crop)
    assert told == (plate, kind, at, photo, None)


ACT = {"key": "k1", "inspection": "i1", "officer": "o1", "act": {"kind": "checked", "item": "01"}}


def test_an_act_is_parsed_and_its_photo_set_beside() -> None:
    sent = {**ACT, "photo_base64": base64.b64encode(PHOTO).decode()}
    assert pda.read_act("pda-1", json.dumps(sent).encode()) == Act(
        key="k1", pda="pda-1", fields=ACT, photo=PHOTO
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": ""}, "key"),
        ({"act": {}}, "no kind"),
        ({"officer": 5}, "officer"),
        ({"photo_base64": "?"}, "photo_base64: not base64"),
    ],
)
def test_malformed_acts_are_unreadable(changes: dict[str, object], why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        pda.read_act("pda-1", json.dumps({**ACT, **changes}).encode())


def test_a_publisher_that_is_not_ours_brings_a_photo_of_real_size(tmp_path: Path) -> None:
    photo = bytes(range(256)) * 4096  # 1 MiB, as base64 in one message

    async def publish(server: BrokerProcess, topic: str, payload: bytes) -> None:
        command = [str(Path(sys.executable).with_name("amqtt_pub")), "--url", server.address, "-q", "1"]
        sending = await asyncio.create_subprocess_exec(
            *(*command, "-t", topic, "-s"), stdin=asyncio.subprocess.PIPE
        )
        await asyncio.wait_for(sending.communicate(payload), 60)
        assert sending.returncode == 0

    async def scene(server: BrokerProcess) -> None:
        told, broker = Told(), Broker(server.address, identifier="lane-node")
        camera = vzenith.Vzenith("gate-camera", vzenith.Config(sn=SN, simulated=True), broker)
        tasks = [asyncio.create_task(run) for run in (broker.run(), camera.run(told))]
        try:
            await asyncio.wait_for(broker.up.wait(), 20)
            await publish(server, f"device/{SN}/message/up/keep_alive", b"\x00{}")
            message = golden(full_image_content=base64.b64encode(photo).decode())
            await publish(server, f"{SN}/device/message/up/ivs_result", message)
            (capture,) = await told.count(Capture, 1)
            assert (capture.plate_text, capture.photo) == ("苏AD12345", photo)
            assert not told.of(Junk)
        finally:
            await end(*tasks)

    with nats(tmp_path) as server:
        asyncio.run(scene(server))


@pytest.mark.parametrize("older", [False, True])
def test_camera_twin_and_device_meet_on_a_real_broker(older: bool, tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        broker, told = Broker(server.address, identifier="agent"), Told()
        camera = vzenith.Vzenith("gate-camera", vzenith.Config(sn=SN, simulated=True), broker)
        twin = CameraTwin(SN, server.address, older_firmware=older)
        tasks = [asyncio.create_task(run) for run in (broker.run(), camera.run(told), twin.run())]
        async with asyncio.timeout(20):
            await broker.up.wait()
        await twin.publish("浙A12345", PHOTO, b"crop", "blue")
        first, *_ = await told.count(Capture, 1)
        assert isinstance(first, Capture)
        assert (first.plate_text, first.photo, first.crop) == ("浙A12345", PHOTO, b"crop")
        assert camera.source == f"virtual+mqtt://{SN}"
        await twin.publish("", PHOTO)
        _, second = await told.count(Capture, 2)
        assert isinstance(second, Capture)
        assert second.plate_text == ""
        assert Health(state="ok") in told.said
        await end(*tasks)

    with nats(tmp_path) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("older", [False, True])
def test_a_camera_obeys_and_its_reply_is_awaited(older: bool, tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        broker, told = Broker(server.address, identifier="agent"), Told()
        config = vzenith.Config(sn=SN, raise_io=0, lower_io=1)
        camera = vzenith.Vzenith("gate-camera", config, broker)
        twin = CameraTwin(SN, server.address, older_firmware=older)
        twin.sees = "浙A12345"
        with pytest.raises(CommandError, match="gate-camera: gpio_out not sent, nothing is heard"):
            await camera.gate(True)
        tasks = [asyncio.create_task(run) for run in (broker.run(), camera.run(told))]
        async with asyncio.timeout(20):
            await broker.up.wait()
        tasks.append(asyncio.create_task(twin.run()))
        await told.count(Health, 1)
        await camera.gate(True)
        await camera.gate(False)
        assert twin.pulses == [0, 1]
        await camera.trigger()
        (capture,) = await told.count(Capture, 1)
        assert isinstance(capture, Capture)
        assert capture.plate_text == "浙A12345"
        twin.code = 500
        with pytest.raises(CommandError, match="gpio_out was refused with code 500"):
            await camera.gate(True)
        twin.code = 0
        with pytest.raises(CommandError, match="no reply to gpio_out within 5 s; was it done"):
            await camera.gate(True)
        assert (twin.pulses, told.of(Junk), camera._waiting) == ([0, 1], [], {})
        await end(*tasks)

    with nats(tmp_path) as server:
        asyncio.run(main(server))


def test_a_relay_that_is_not_named_is_not_guessed() -> None:
    async def main() -> None:
        broker = Broker("mqtt://192.0.2.1", identifier="agent")
        camera = vzenith.Vzenith("gate-camera", vzenith.Config(sn=SN, raise_io=0), broker)
        with pytest.raises(CommandError, match=r"gate-camera: no relay for it; .*lower_io"):
            await camera.gate(False)

    asyncio.run(main())


@pytest.mark.parametrize(
    "payload", [b"", b"?", b"[]", b'{"id":7,"code":200}', b'{"id":"unknown","code":200}']
)
def test_a_reply_that_nobody_waits_for_is_a_sign_of_life(payload: bytes) -> None:
    async def main() -> None:
        told = Told()
        broker = Broker("mqtt://192.0.2.1", identifier="agent")
        camera = vzenith.Vzenith("gate-camera", vzenith.Config(sn=SN), broker)
        task = asyncio.create_task(camera.run(told))
        await camera.heard(f"device/{SN}/message/down/gpio_out/reply", payload)
        assert told.said == [Health(state="ok")]
        await end(task)

    asyncio.run(main())


def test_malformed_payloads_are_told_as_junk_and_the_session_goes_on(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        broker, told = Broker(server.address, identifier="agent"), Told()
        camera = vzenith.Vzenith("gate-camera", vzenith.Config(sn=SN), broker)
        giver = Broker(server.address, identifier="giver", persistent=False)
        tasks = [asyncio.create_task(run) for run in (broker.run(), camera.run(told), giver.run())]
        async with asyncio.timeout(20):
            await broker.up.wait()
        topic = f"device/{SN}/message/up/ivs_result"
        for payload, _ in MALFORMED.values():
            await giver.publish(topic, payload)
        await giver.publish(topic, b"\x00" * 100_000)
        await giver.publish(topic, golden())
        await told.count(Capture, 1)
        junk = told.of(Junk)
        assert len(junk) == len(MALFORMED) + 1
        last = junk[-1]
        assert isinstance(last, Junk)
        assert (last.channel, last.size_bytes, len(last.data)) == (topic, 100_000, 65_536)
        await end(*tasks)

    with nats(tmp_path) as server:
        asyncio.run(main(server))


def test_a_message_before_the_device_runs_waits_with_the_broker(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        broker, told = Broker(server.address, identifier="agent"), Told()
        camera = vzenith.Vzenith("gate-camera", vzenith.Config(sn=SN), broker)
        giver = Broker(server.address, identifier="giver", persistent=False)
        tasks = [asyncio.create_task(run) for run in (broker.run(), giver.run())]
        async with asyncio.timeout(20):
            await broker.up.wait()
        await giver.publish(f"device/{SN}/message/up/ivs_result", golden())
        tasks.append(asyncio.create_task(camera.run(told)))
        await told.count(Capture, 1)
        await end(*tasks)

    with nats(tmp_path) as server:
        asyncio.run(main(server))


def test_a_broker_that_goes_and_comes_is_told_as_health(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        broker, told = Broker(server.address, identifier="agent"), Told()
        camera = vzenith.Vzenith("gate-camera", vzenith.Config(sn=SN), broker)
        twin = CameraTwin(SN, server.address)
        tasks = [asyncio.create_task(run) for run in (broker.run(), camera.run(told))]
        async with asyncio.timeout(20):
            await broker.up.wait()
        tasks.append(asyncio.create_task(twin.run()))
        await told.count(Health, 1)
        await asyncio.to_thread(server.kill)
        await told.count(Health, 2)
        await asyncio.to_thread(server.start)
        await twin.publish("浙A12345", None)
        await told.count(Health, 3)
        states = [said.state for said in told.of(Health) if isinstance(said, Health)]
        assert states == ["ok", "lost", "ok"]
        await end(*tasks)

    with nats(tmp_path) as server:
        asyncio.run(main(server))


def test_pda_twin_posts_until_it_is_answered(tmp_path: Path) -> None:
    async def main(server: BrokerProcess) -> None:
        broker, told = Broker(server.address, identifier="agent"), Told()
        device = pda.Pda("pdas", pda.Config(simulated=True), broker)
        twin = PdaTwin("pda-7", server.address)

        async def tell(said: Said) -> None:
            await told(said)
            if isinstance(said, Act):
                await device.answer(said.pda, said.key, ok=True, seq=41)

        tasks = [asyncio.create_task(run) for run in (broker.run(), device.run(tell), twin.run())]
        async with asyncio.timeout(30):
            act: dict[str, object] = {"kind": "signed", "role": "officer"}
            assert await twin.post("key-1", "i1", "o1", act, PHOTO) == {"key": "key-1", "ok": True, "seq": 41}
            refused = await twin.post("key-2", "i1", "o1", {})
        assert refused["ok"] is False
        assert "no kind" in str(refused["why"])
        (posted,) = told.of(Act)
        assert isinstance(posted, Act)
        assert (posted.pda, posted.photo, posted.fields["act"]) == ("pda-7", PHOTO, act)
        await end(*tasks)

    with nats(tmp_path) as server:
        asyncio.run(main(server))

"""The door: paths, peers, bounds of size and time, a journal that cannot write, the real agent behind it."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from central_sync.volumes import JournalError
from edge import push
from edge.acts import Acts
from edge.agent import AddressTaken
from edge.intake import Intake
from edge.settings import DeviceEntry, PushAddress, SettingsError, load
from firmware_bridge.device import Capture, Junk, Push, Said, channel_of, push_of
from firmware_bridge.devices.hikvision_push import Config as HikvisionConfig
from firmware_bridge.devices.hikvision_push import HikvisionPush
from firmware_bridge.devices.vzenith_http import Config, VzenithHttp
from firmware_bridge.tap import Tap
from firmware_bridge.virtual.twin_hikvision import HikvisionTwin, alert
from firmware_bridge.virtual.twin_vzenith_http import VzenithHttpTwin
from firmware_bridge.virtual.twin_web import post
from lanes.record import Captured, Quarantined
from tests.agent_parts import chayan, make_agent, until
from tests.bridge_parts import Told
from tests.brokers import free_port
from tests.camera_parts import CROP, PHOTO, SN, door
from tests.edge_parts import changed_site, edge_at


def camera(name: str = "gate", **changes: Any) -> VzenithHttp:
    return VzenithHttp(name, Config(sn=SN, hold_s=0, **changes))


def plate(text: str = "浙A12345", second: int = 1784769302, photo: bytes = PHOTO) -> bytes:
    result = {
        "license": text,
        "type": 1,
        "confidence": 97,
        "plateid": second % 1000,
        "timeStamp": {"Timeval": {"sec": second}},
        "imageFile": base64.b64encode(photo).decode(),
    }
    return json.dumps({"AlarmInfoPlate": {"serialno": SN, "result": {"PlateResult": result}}}).encode()


def test_only_posts_of_known_devices_are_taken() -> None:
    async def main() -> None:
        told = Told()
        devices = (camera(), camera("pinned", peer="192.0.2.1"), camera("mine", peer="127.0.0.1"))
        async with door(told, *devices) as url, httpx.AsyncClient() as client:
            for path, method, status in (
                ("/other", "POST", 404),
                ("/", "POST", 404),
                ("/gate", "GET", 405),
                ("/gate", "PUT", 200),
                ("/gate/any/path", "POST", 200),
                ("/pinned", "POST", 403),
                ("/mine", "POST", 200),
            ):
                answer = await client.request(method, f"{url}{path}", content=plate())
                assert (path, answer.status_code) == (path, status)
        assert len(told.of(Capture)) == 3

    asyncio.run(main())


def test_a_body_beyond_the_limit_is_junk_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera(), body_limit_mb=1) as url:
            answer = await post(f"{url}/gate", "application/json", b"x" * 3_000_000)
            assert answer is not None and answer.status == 200
            reply = await post(f"{url}/gate", "application/json", b"x" * 50_000_000)
            assert reply is None or reply.status == 200
            await told.count(Junk, 2)
            ok = await post(f"{url}/gate", "application/json", plate())
            assert ok is not None and ok.status == 200
        first, second = told.of(Junk)
        assert isinstance(first, Junk) and isinstance(second, Junk)
        assert (first.why, first.size_bytes, len(first.data)) == ("more than 1 MB", 3_000_000, 65_536)
        assert 4_000_000 < second.size_bytes < 5_000_000  # the rest was not even read
        assert len(told.of(Capture)) == 1

    asyncio.run(main())


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain connection to the door."""
    parts = httpx.URL(url)
    reader, writer = await asyncio.open_connection(parts.host, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


HEAD = b"POST /gate HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"


def test_a_head_that_does_not_come_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "HEAD_S", 0.5)

    async def main() -> None:
        async with door(Told(), camera()) as url:
            for begun in (b"", HEAD[:-4], b"GET"):
                async with connected(url) as (reader, writer):
                    writer.write(begun)
                    async with asyncio.timeout(10):
                        with suppress(ConnectionResetError):
                            assert await reader.read() == b""

    asyncio.run(main())


def test_a_body_that_does_not_come_is_junk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "BODY_S", 0.5)

    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url, connected(url) as (reader, writer):
            writer.write(HEAD + b"{")
            async with asyncio.timeout(10):
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.write(b"}")
        (junk,) = told.of(Junk)
        assert isinstance(junk, Junk)
        assert (junk.data, "not whole within" in junk.why) == (b"{", True)

    asyncio.run(main())


def test_a_camera_may_wait_for_a_go_on_or_post_in_chunks() -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera()) as url:
            async with connected(url) as (reader, writer):
                body = plate()
                head = HEAD.replace(b"5000\r\n", f"{len(body)}\r\nExpect: 100-continue\r\n".encode())
                writer.write(head)  # as libcurl does before a large body
                assert (await reader.readline()).startswith(b"HTTP/1.1 100")
                writer.write(body)
                assert b"HTTP/1.1 200" in await reader.read()

            async def chunks() -> AsyncIterator[bytes]:
                for at in range(0, len(body), 100):
                    yield body[at : at + 100]

            async with httpx.AsyncClient() as client:
                assert (await client.post(f"{url}/gate", content=chunks())).status_code == 200
        assert len(told.of(Capture)) == 2

    asyncio.run(main())


def test_slow_bodies_of_one_device_do_not_stop_another(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        told = Told()
        async with door(told, camera(), camera("exit")) as url:
            held = [
                await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
                for _ in range(push.AT_ONCE + 2)
            ]
            for _, writer in held:
                writer.write(HEAD + b"{")
            answer = await post(f"{url}/exit", "application/json", plate())
            assert answer is not None and answer.status == 200
            for _, writer in held:
                writer.close()
            await told.count(Junk, push.AT_ONCE + 2)  # what came of them is kept
            answer = await post(f"{url}/gate", "application/json", plate())
            assert answer is not None and answer.status == 200

    asyncio.run(main())


def test_one_address_has_so_many_connections() -> None:
    async def main() -> None:
        async with door(Told(), camera()) as url:
            port = httpx.URL(url).port
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(push.PEER_LIMIT)]
            async with asyncio.timeout(10):
                with pytest.raises((ConnectionResetError, EOFError)):
                    async with connected(url) as (reader, writer):
                        writer.write(HEAD)
                        await reader.readexactly(1)
            for _, writer in held:
                writer.close()

    asyncio.run(main())


@pytest.mark.parametrize("error", [JournalError("disk full"), OSError(28, "No space left")])
def test_a_journal_that_cannot_write_is_a_503(error: Exception) -> None:
    async def main() -> None:
        told, broken = Told(), True

        async def tell(said: Said) -> None:
            if broken and isinstance(said, Capture | Junk):
                raise error
            await told(said)

        async with door(tell, camera()) as url:
            for body in (plate(), b"?"):
                answer = await post(f"{url}/gate", "application/json", body)
                assert answer is not None and answer.status == 503
            twin = VzenithHttpTwin(SN, f"{url}/gate")
            assert not await twin.recognise("浙A00001", PHOTO)
            broken = False
            await twin.replay()
            assert twin.kept == []
        assert [said.replayed for said in told.of(Capture) if isinstance(said, Capture)] == [True]

    asyncio.run(main())


def test_what_is_being_told_when_the_node_stops_is_told_and_answered() -> None:
    async def main() -> None:
        told, entered = Told(), asyncio.Event()

        async def tell(said: Said) -> None:
            if isinstance(said, Capture):
                entered.set()
                await asyncio.sleep(0.5)
            await told(said)

        async with door(tell, camera()) as url:
            posting = asyncio.create_task(post(f"{url}/gate", "application/json", plate()))
            await entered.wait()
        answer = await posting
        assert answer is not None and answer.status == 200
        assert len(told.of(Capture)) == 1

    asyncio.run(main())


def test_a_device_that_does_not_run_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_bridge.devices.push.START_S", 0.2)

    async def main() -> None:
        opened = push.PushDoor(PushAddress(host="127.0.0.1", port=free_port()), {"gate": camera()})
        transport = httpx.ASGITransport(app=opened)
        async with httpx.AsyncClient(transport=transport, base_url="http://door.test") as client:
            answer = await client.post("/gate", content=plate())
        assert answer.status_code == 503
        assert opened._listener is not None
        opened._listener.close()

    asyncio.run(main())


def test_a_password_in_a_form_does_not_reach_the_raw_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_bridge.devices.push.START_S", 0.2)
    fields = {"user_name": "admin", "pass_wd": "s3cret", "serialno": SN}
    parts = (f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    tap = Tap("gate", whole_bytes=65_536, logged=True)

    async def main() -> None:
        address = PushAddress(host="127.0.0.1", port=free_port())
        opened = push.PushDoor(address, {"gate": camera()}, {"gate": tap})
        transport = httpx.ASGITransport(app=opened)
        async with httpx.AsyncClient(transport=transport, base_url="http://door.test") as client:
            form = {"content-type": "multipart/form-data; boundary=b"}
            await client.post("/gate", content="".join(parts) + "--b--\r\n", headers=form)
        assert opened._listener is not None
        opened._listener.close()

    asyncio.run(main())
    (entry,) = (entry for entry in tap.fetch() if entry.way == "in")
    assert b"s3cret" not in entry.data and SN.encode() in entry.data
    assert push_of(entry.channel, entry.data).content_type == "multipart/form-data; boundary=b"


def test_the_note_of_a_post_names_its_parts_whatever_they_are() -> None:
    said = Push(path="/a\tb", peer="", content_type="x\t" * 500, body=b"1", size_bytes=1, torn="broke off")
    read = push_of(channel_of(said), b"1")
    assert (read.path, read.content_type, read.torn) == ("/a b", "x " * 100, "broke off")


def test_a_taken_address_is_said_before_the_node_starts() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(AddressTaken, match="cannot listen on 127"):
            push.PushDoor(PushAddress(host="127.0.0.1", port=other.getsockname()[1]), {})


# ---- intake --------------------------------------------------------------------------------------------


def test_both_kinds_become_records_with_photo_and_crop(tmp_path: Path) -> None:
    async def main() -> None:
        async with edge_at(tmp_path) as edge:
            intake = Intake(edge.desk, Acts(edge.desk))
            vzenith, hikvision = camera("camera-1"), HikvisionPush("camera-2", HikvisionConfig())
            tasks = []
            for device in (vzenith, hikvision):
                entry = DeviceEntry(name=device.name, kind="x", role="camera", lane="1", station="gate")
                tasks.append(asyncio.create_task(device.run(intake.tell_for(entry, device))))
            opened = push.PushDoor(
                PushAddress(host="127.0.0.1", port=free_port()),
                {each.name: each for each in (vzenith, hikvision)},
            )
            transport = httpx.ASGITransport(app=opened)
            async with httpx.AsyncClient(transport=transport, base_url="http://door.test") as client:
                for _ in range(2):  # the answer was lost, it comes again
                    assert (await client.post("/camera-1", content=plate())).status_code == 200
                twin = HikvisionTwin()
                form = twin.parts(alert("浙A12346", uuid="u-1"), PHOTO, CROP) + b"--boundary--"
                kind = {"content-type": "multipart/form-data; boundary=boundary"}
                assert (await client.post("/camera-2", content=form, headers=kind)).status_code == 200
                assert (await client.post("/camera-2", content=form[:-40], headers=kind)).status_code == 200
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert opened._listener is not None
            opened._listener.close()
            records = list(edge.desk.journal.replay(0))
            captured = [record for record in records if isinstance(record.body, Captured)]
            (junk,) = [record for record in records if isinstance(record.body, Quarantined)]
            first, second = captured
            assert (first.source, second.source, junk.source) == (
                f"http://{SN}",
                "http://camera-2",
                "http://camera-2",
            )
            assert isinstance(first.body, Captured) and isinstance(second.body, Captured)
            assert first.body.taken_at is not None and first.at != first.body.taken_at
            assert second.body.photo is not None and edge.desk.photos.read(second.body.photo) == PHOTO
            assert second.body.crop is not None and edge.desk.photos.read(second.body.crop) == CROP

    asyncio.run(main())


# ---- the site file -------------------------------------------------------------------------------------

VZENITH_TABLE = ('kind = "vzenith-mqtt"', 'kind = "vzenith-http"\nhold_s = 0')


def test_a_camera_that_pushes_needs_a_door(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"camera-1: kind vzenith-http posts to this node: add a table \[push\]"
    ):
        load(changed_site(tmp_path, *VZENITH_TABLE))


def test_password_files_lie_beside_the_site_file(tmp_path: Path) -> None:
    table = (
        'kind = "hikvision-stream"\nlogin = { address = "http://192.0.2.11", password_file = "secrets/gate" }'
    )
    path = changed_site(tmp_path, 'kind = "vzenith-mqtt"', table)
    path.write_text(path.read_text("utf-8").replace('sn = "virtual-cam-1"\n', ""), "utf-8")
    entry = next(each for each in load(path).devices if each.name == "camera-1")
    assert entry.config.login.password_file == tmp_path / "secrets" / "gate"
    checked = chayan("check", str(path))
    assert checked.returncode == 1
    assert "camera-1" in checked.stderr and "secrets/gate cannot be read" in checked.stderr.replace("\n", "")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "gate").write_text("secret-1", "utf-8")
    assert chayan("check", str(path)).returncode == 0


@pytest.mark.slow
def test_what_was_answered_with_200_survives_a_kill(tmp_path: Path) -> None:
    port = free_port()
    edits = dict([VZENITH_TABLE]) | {"[registry]": f'[push]\nhost = "127.0.0.1"\nport = {port}\n\n[registry]'}
    agent = make_agent(tmp_path, registry="http://127.0.0.1:1", edits=edits)
    said = plate().replace(SN.encode(), b"virtual-cam-1")
    with agent:
        answer = httpx.post(f"http://127.0.0.1:{port}/camera-1", content=said, timeout=20)
        assert answer.status_code == 200
        agent.kill()
        (record,) = agent.records("captured")
        assert isinstance(record.body, Captured) and record.body.photo is not None
        assert record.source == "virtual+http://virtual-cam-1"
        found = agent.photo_file(record.body.photo)
        assert found is not None and found.read_bytes() == PHOTO
        agent.start()
        assert httpx.post(f"http://127.0.0.1:{port}/camera-1", content=said, timeout=20).status_code == 200
        until(lambda: agent.device("camera-1")["state"] == "ok")
        assert len(agent.records("captured")) == 1

"""What reaches the agent broken, and what keeps it from starting: one clear word each, and it goes on."""

import asyncio
import base64
import hashlib
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from central_sync.journal import Journal
from central_sync.registry.engines import open_engine
from central_sync.registry.search import find
from edge import intake
from edge.acts import Acts
from edge.children import Children
from edge.intake import Intake
from edge.reviews import _work, review
from edge.shadowing import Shadowing
from edge.starting import worker_token
from firmware_bridge.device import JUNK_EXCERPT_BYTES, Junk
from firmware_bridge.devices.vzenith import Config, Vzenith
from firmware_bridge.mqtt import Broker
from lanes.record import Quarantined, Refused, Reviewed
from models.images import PhotoError
from models.reading import Reading
from models.reuse import Searcher
from models.reviewer import Reviewer
from tests.agent_parts import (
    CAMERA,
    PDA,
    ROOT,
    Agent,
    IoSimulator,
    Process,
    chayan,
    ivs_result,
    jpeg,
    make_agent,
    peer,
    until,
)
from tests.brokers import free_port, nats
from tests.edge_parts import JPEG, TOKEN, VIN, edge_at
from tests.held_parts import entries_of

pytestmark = pytest.mark.slow

PLATE, MOMENT = "浙A12345", 1_700_000_000
MB = 1024 * 1024


def bad_capture(**changes: Any) -> bytes:
    return json.dumps(ivs_result(PLATE, MOMENT, jpeg("bad"), **changes), ensure_ascii=False).encode()


def lacking(field: str) -> bytes:
    message = ivs_result(PLATE, MOMENT)
    del message["payload"]["AlarmInfoPlate"]["result"]["PlateResult"][field]
    return json.dumps(message).encode()


def noise(size: int) -> bytes:
    return hashlib.shake_128(str(size).encode()).digest(size)


PAYLOADS: dict[str, tuple[str, bytes, str]] = {
    "not JSON": (CAMERA, b"plate=ZJA12345", "malformed"),
    "empty": (CAMERA, b"", "truncated"),
    "cut short": (CAMERA, bad_capture()[:-20], "truncated"),
    "not UTF-8": (CAMERA, b'{"name":"\xff\xfe"}', "utf-8"),
    "half a surrogate": (CAMERA, b'{"name":"\\ud800 and no more"}', "surrogate"),
    "an array": (CAMERA, b"[1, 2, 3]", "Expected `object`, got `array`"),
    "nested without end": (CAMERA, b'{"extra":' + b"[" * 100_000, "recursion"),
    "act nested without end": (f"{PDA}/up/act", b'{"key":"k","act":{"a":' + b"[" * 100_000, "recursion"),
    "plate not base64": (CAMERA, bad_capture(license="浙A12345"), "license: not base64"),
    "photo not base64": (CAMERA, bad_capture(full_image_content="###"), "full_image_content: not base64"),
    "no plate": (CAMERA, lacking("license"), "license"),
    "wrong type": (CAMERA, bad_capture(confidence={"value": 9}), "confidence"),
    "another camera": (CAMERA, bad_capture().replace(b"virtual-cam-1", b"virtual-cam-9"), "virtual-cam-9"),
    "a number of 400 digits": (CAMERA, bad_capture(plateid=10**400), "plateid"),
    "a time beyond all time": (CAMERA, bad_capture(timeStamp={"Timeval": {"sec": 10**15}}), "timeStamp"),
    "a plate of 3000 letters": (
        CAMERA,
        bad_capture(license=base64.b64encode(b"A" * 3000).decode()),
        "3000 characters",
    ),
    "7 MB of noise": (CAMERA, noise(7 * MB), "malformed"),
    "20 MB of noise": (CAMERA, noise(20 * MB), "more than the limit of 8388608"),
    "act not JSON": (f"{PDA}/up/act", b"checked", "malformed"),
    "act without kind": (
        f"{PDA}/up/act",
        b'{"key":"k","inspection":"i","officer":"o","act":{}}',
        "act: no kind",
    ),
}


@pytest.mark.slow
def test_malformed_messages_become_one_record_each_and_the_next_good_one_is_taken(tmp_path: Path) -> None:
    with nats(tmp_path / "broker", max_payload_mb=32) as broker:
        agent = make_agent(tmp_path / "site", mqtt=broker.port)
        with agent, peer(broker.port) as device:
            agent.until_device("pdas", "ok")
            for number, (topic, payload, _) in enumerate(PAYLOADS.values()):
                device.publish(topic, payload)
                device.publish(topic, payload)
                device.publish(CAMERA, ivs_result(PLATE, MOMENT + number, jpeg("good")))
            until(lambda: len(agent.records("captured")) == len(PAYLOADS))
            bodies = [each.body for each in agent.records("quarantined")]
            kept = {(each.sha256, each.channel): each for each in bodies if isinstance(each, Quarantined)}
            assert len(bodies) == len(kept) == len(PAYLOADS), "identical bytes are one fact"
            for case, (topic, payload, why) in PAYLOADS.items():
                body = kept[hashlib.sha256(payload[:JUNK_EXCERPT_BYTES]).hexdigest(), topic]
                assert why.lower() in body.why.lower(), f"{case}: {body.why}"
                assert body.size_bytes == len(payload), case
            assert agent.device("camera-1")["state"] == "ok"
            assert "loop fell" not in agent.said() and "listener failed" not in agent.said()


@pytest.mark.slow
def test_a_flood_of_junk_costs_neither_memory_nor_disk_and_is_acknowledged(tmp_path: Path) -> None:
    with nats(tmp_path / "broker", ack_wait_s=1) as broker:
        agent = make_agent(tmp_path / "site", mqtt=broker.port)
        with agent, peer(broker.port) as camera:
            agent.until_device("pdas", "ok")
            camera.publish(CAMERA, ivs_result(PLATE, MOMENT, jpeg("first")))
            until(lambda: agent.records("captured"))
            before = agent.rss_mb()
            for number in range(200):
                camera.publish(CAMERA, b"%03d" % number + noise(256 * 1024))
            camera.publish(CAMERA, ivs_result(PLATE, MOMENT + 1, jpeg("next")))
            until(lambda: len(agent.records("captured")) == 2)
            assert agent.rss_mb() - before < 64, "50 MB of junk came; the agent must not hold it"
            assert len(agent.records("quarantined")) == intake.JUNK_LIMIT
        with agent, peer(broker.port) as camera:  # what was not acknowledged would come again now
            camera.publish(CAMERA, ivs_result(PLATE, MOMENT + 2, jpeg("last")))
            until(lambda: len(agent.records("captured")) == 3)
            assert len(agent.records("quarantined")) == intake.JUNK_LIMIT


def test_junk_beyond_the_limit_is_counted_in_one_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "JUNK_WINDOW_S", 0.5)

    async def main() -> None:
        async with edge_at(tmp_path) as edge:
            desk = edge.desk
            camera = Vzenith("camera-1", Config(sn="cam-1234"), Broker("mqtt://127.0.0.1:1", identifier="x"))
            tell = Intake(desk, Acts(desk)).tell_for(desk.site.devices[1], camera)

            def kept() -> list[Quarantined]:
                return [each.body for each in desk.journal.replay() if isinstance(each.body, Quarantined)]

            for _ in range(3):  # repeats make no record and do not count
                await tell(Junk(channel="t", why="torn", data=b"same", size_bytes=4))
            for number in range(100):
                await tell(Junk(channel="t", why="torn", data=b"%d" % number, size_bytes=1000))
            assert len(kept()) == intake.JUNK_LIMIT
            async with asyncio.timeout(20):
                await desk.journal.wait_beyond(desk.journal.head()[0])
            last = kept()[-1]
            assert last.why == "41 more unreadable messages within 0.5 s were dropped"
            assert (last.size_bytes, last.sha256) == (41_000, hashlib.sha256(b"99").hexdigest())
            await tell(Junk(channel="t", why="torn", data=b"new", size_bytes=3))
            assert kept()[-1].why == "torn" and len(kept()) == intake.JUNK_LIMIT + 2

    asyncio.run(main())


# ---- what keeps a command from starting ------------------------------------------------------------------


def assert_refused(command: tuple[str, ...], *says: str, cwd: Path = ROOT) -> None:
    """One line on standard error, status 1, no traceback, nothing on standard output."""
    done = chayan(*command, cwd=cwd)
    assert done.returncode == 1, done.stderr
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1, done.stderr
    for part in says:
        assert part in done.stderr, done.stderr


SITES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "a typo": ({"[api]\nhost": "[api]\nhots"}, ("site.toml", "[api]", "'hots'", "did you mean 'host'")),
    "an address without host": ({"tcp://127.0.0.1:1": "tcp://"}, ("site.toml", "io-1", "tcp://")),
    "a scheme of no device": ({"tcp://127.0.0.1:1": "http://127.0.0.1:1"}, ("io-1", "http://127.0.0.1:1")),
    "a wrong baud rate": ({"baud=38400": "baud=38401"}, ("wheels-1", "baud is one of")),
    "an unknown broker": (
        {'sn = "virtual-cam-1"': 'sn = "virtual-cam-1"\nbroker = "mian"'},
        ("camera-1", "no broker 'mian'", "known: main"),
    ),
    "no password file": (
        {"[broker]\n": '[broker]\nusername = "u"\npassword_file = "secret"\n'},
        ("site.toml", "broker.password_file", "secret", "No such file"),
    ),
    "a folder that is a file": ({'folder = "node"': 'folder = "site.toml/node"'}, ("node.folder", "journal")),
}


@pytest.mark.parametrize("case", SITES)
def test_a_site_that_cannot_run_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    edits, says = SITES[case]
    agent = make_agent(tmp_path, edits=edits)
    assert_refused(("run", str(agent.site)), *says)
    if case != "a folder that is a file":
        assert_refused(("check", str(agent.site)), *says)


@pytest.mark.slow
def test_a_port_a_journal_and_rules_that_cannot_be_had_are_named(tmp_path: Path) -> None:
    agent = make_agent(tmp_path / "site")
    with socket.create_server(("127.0.0.1", int(agent.url.rpartition(":")[2]))):
        assert_refused(("run", str(agent.site)), "cannot listen on 127.0.0.1", "in use")
    journal = Journal(agent.journal, "virtual-node-1")
    try:
        assert_refused(("run", str(agent.site)), "journal", "is held by another process; stop it first")
    finally:
        journal.close()
    other = make_agent(tmp_path / "site", edits={"virtual-node-1": "virtual-node-2"})
    assert_refused(("run", str(other.site)), "has node 'virtual-node-1', not 'virtual-node-2'")
    rules = tmp_path / "configs" / "rules"
    rules.mkdir(parents=True)
    (tmp_path / "configs" / "__init__.py").touch()
    assert_refused(("run", str(agent.site)), str(rules), "no rules", cwd=tmp_path)
    (rules / "limits.toml").write_text("[[limit]\n", "utf-8")
    assert_refused(("run", str(agent.site)), "limits.toml", cwd=tmp_path)
    assert_refused(("review", "follow", str(tmp_path / "none.toml")), "none.toml", "No such file")


CENTRES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no DSN": (("--dsn", "registry.sqlite"), ("'registry.sqlite' is no DSN", "sqlite:///")),
    "an engine it does not know": (("--dsn", "mysql://u@h/d"), ("mysql://u@h/d", "postgresql+psycopg://")),
    "a folder that is not there": (("--dsn", "sqlite:////nowhere/r.sqlite"), ("--dsn", "unable to open")),
    "no PostgreSQL there": (
        ("--dsn", "postgresql+psycopg://u@127.0.0.1:1/d"),
        ("--dsn", "127.0.0.1", "refused"),
    ),
    "a node without key": (("--node", "site-1/lane-1"), ("--node 'site-1/lane-1'", "SITE/NODE=PUBLICKEY")),
    "a key that is none": (("--node", "site-1/lane-1=abc"), ("abc",)),
}


@pytest.mark.parametrize("case", CENTRES)
def test_a_registry_that_cannot_run_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    options, says = CENTRES[case]
    dsn = () if "--dsn" in options else ("--dsn", f"sqlite:///{tmp_path}/r.sqlite")
    assert_refused(("central", *dsn, "--photos", str(tmp_path / "photos"), *options), *says)


def test_a_registry_port_in_use_and_a_missing_driver_are_named(tmp_path: Path) -> None:
    photos = ("--photos", str(tmp_path / "photos"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        dsn = ("--dsn", f"sqlite:///{tmp_path}/r.sqlite")
        assert_refused(("central", *dsn, *photos, "--port", port), f"cannot listen on 127.0.0.1:{port}")
    (tmp_path / "psycopg.py").write_text("raise ImportError('no libpq here')\n", "ascii")
    dsn = ("--dsn", "postgresql+psycopg://u@127.0.0.1:1/d")
    assert_refused(("central", *dsn, *photos), "no libpq here", "chayan[pg]", cwd=tmp_path)


@pytest.mark.parametrize("command", ["", "run", "check", "review follow", "central", "node-key", "demo"])
def test_every_command_has_help(command: str) -> None:
    done = chayan(*command.split(), "--help")
    assert done.returncode == 0 and "Usage:" in done.stdout and done.stderr == ""


# ---- what starts beside the agent ------------------------------------------------------------------------


def test_agent_and_reviewer_that_start_together_agree_on_the_token(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for number in range(50):
            tokens = set(threads.map(worker_token, [tmp_path / str(number)] * 8))
            assert len(tokens) == 1 and len(tokens.pop()) > 30
            assert [each.name for each in (tmp_path / str(number)).iterdir()] == ["worker.token"]


def test_an_empty_token_is_no_token(tmp_path: Path) -> None:
    """A power cut may leave a file without its bytes: then no token at all would open the review routes."""
    (tmp_path / "worker.token").touch()
    token = worker_token(tmp_path)
    assert len(token) > 30 and worker_token(tmp_path) == token


def test_a_child_that_died_is_not_started_again_by_the_end_of_all(tmp_path: Path) -> None:
    """The last to end takes longer than the pause before a dead one is started again."""
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.5), exit(0)));"
        " print('up', flush=True); time.sleep(60)"
    )

    async def use() -> None:
        children = Children(tmp_path)
        await children.start("brief", [sys.executable, "-c", "input()"])
        await children.start("stubborn", [sys.executable, "-c", stubborn])
        log = tmp_path / "logs" / "stubborn.log"
        await asyncio.to_thread(until, lambda: b"up" in log.read_bytes())
        brief = children.children["brief"]
        assert brief.process is not None
        await asyncio.wait_for(brief.process.wait(), 30)
        starts = brief.starts
        await children.stop()
        assert brief.starts == starts
        assert brief.process.returncode is not None

    asyncio.run(use())


def test_a_photo_that_is_lost_does_not_keep_the_others_from_their_review(tmp_path: Path) -> None:
    class Blind:
        """A reviewer that can read no photo."""

        def quality(self, photo: bytes, subject: str) -> Reading:
            raise PhotoError("damaged")

        plate = vin = quality

        def warm(self) -> None:
            """Nothing to load."""

    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            inspection = await edge.order()
            await edge.arrive(inspection)
            digests = []
            for number, shot in enumerate(("0111", "0113")):
                data = JPEG + bytes([number])
                digests.append(hashlib.sha256(data).hexdigest())
                await edge.client.put(f"/api/v1/photos/{digests[-1]}", content=data)
                act = {"kind": "photographed", "shot": shot, "photo": digests[-1]}
                assert (await edge.act(inspection, shot, act)).status_code == 201
            edge.desk.photos.path(digests[0]).unlink()
            edge.client.headers["Authorization"] = f"Bearer {TOKEN}"
            worker = asyncio.create_task(
                _work(edge.client, cast(Reviewer, Blind()), Searcher(), Shadowing(None, 1, review))
            )
            try:
                async with asyncio.timeout(30):
                    with edge.desk.bell() as bell:
                        while len({due[2] for due in edge.desk.unreviewed()}) > 1:
                            await bell.wait()
                            bell.clear()
            finally:
                worker.cancel()
            assert {due[2] for due in edge.desk.unreviewed()} == {digests[0]}

    asyncio.run(use())


@pytest.mark.slow
def test_a_broker_that_wants_a_password_gets_it_as_it_is_written(tmp_path: Path) -> None:
    password = "p@ss/w:rd#%41?"
    broker = nats(tmp_path / "broker")
    with (tmp_path / "broker" / "nats.conf").open("a") as config:
        config.write(f"authorization {{ user: lane, password: {json.dumps(password)} }}\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "secret").write_text(f"{password}\n", "ascii")
    login = '[broker]\nusername = "lane"\npassword_file = "secret"\n'
    with broker:
        agent = make_agent(tmp_path / "site", mqtt=broker.port, edits={"[broker]\n": login})
        with agent:
            agent.until_device("pdas", "ok")
        (tmp_path / "site" / "secret").write_text("wrong", "ascii")
        with agent:
            why = agent.until_device("pdas", "lost")["why"]
            assert f"mqtt://127.0.0.1:{broker.port}" in why and password not in why


@pytest.mark.slow
def test_the_reviewer_waits_for_a_node_that_is_away_and_comes_back(tmp_path: Path) -> None:
    with nats(tmp_path / "broker") as broker, IoSimulator() as io:
        agent = make_agent(tmp_path / "site", mqtt=broker.port, io=io.address)
        reviewer = Process(tmp_path / "reviewer.log", "review", "follow", str(agent.site))

        def waits() -> int:
            return reviewer.said().count("the node does not answer")

        with reviewer:
            until(lambda: waits() >= 1)
            with agent, peer(broker.port) as camera:
                agent.until_device("io-1", "ok")
                agent.until_device("pdas", "ok")
                agent.order("o1", VIN, PLATE)
                io.sense("gate", True)
                camera.publish(CAMERA, ivs_result(PLATE, MOMENT, jpeg("no real picture")))
                (review,) = until(lambda: agent.records("reviewed"))
                assert isinstance(review.body, Reviewed) and review.body.opinion == "unsure"
                assert "not_a_photo" in review.body.reasons
            away = waits()
            until(lambda: waits() > away)
            assert reviewer.process is not None and reviewer.process.poll() is None
            assert "Traceback" not in reviewer.said()


# ---- a registry that takes nothing simulated --------------------------------------------------


@pytest.mark.slow
def test_a_production_registry_refuses_a_simulated_site_and_the_lane_goes_on(tmp_path: Path) -> None:
    port = free_port()
    url, database = f"http://127.0.0.1:{port}", tmp_path / "registry.sqlite"
    with nats(tmp_path / "broker") as broker, IoSimulator() as io:
        agent = make_agent(tmp_path / "site", mqtt=broker.port, io=io.address, registry=url)
        enrolment = chayan("node-key", str(agent.site)).stdout.strip()
        assert enrolment.startswith("virtual-site/virtual-node-1=")
        options = ("--dsn", f"sqlite:///{database}", "--photos", str(tmp_path / "photos"))
        central = Process(
            tmp_path / "central.log", "central", *options, "--port", str(port), "--node", enrolment, up=url
        )
        with central, agent, peer(broker.port) as camera:
            agent.until_device("io-1", "ok")
            agent.until_device("pdas", "ok")
            inspection = agent.order("o1", VIN, PLATE)
            io.sense("gate", True)
            camera.publish(CAMERA, ivs_result(PLATE, MOMENT, jpeg("gate")))
            until(lambda: io.coil("gate", "barrier"), 20)
            assert agent.station("gate")["vehicle"]["inspection"] == inspection
            settled = until(lambda: _all_sent(agent))
            assert settled["link"] == "ok"
            alarms = [
                alarm["en"] for alarm in settled["alarms"] if "the centre refused record" in alarm["en"]
            ]
            assert len(alarms) == 1 and "simulated" in alarms[0]
            through = settled["sent_through"]
            records = agent.records()[:through]
            assert all(record.source.startswith("virtual+") for record in records)
            refused = {r.body.refused_seq: r.body.why for r in records if isinstance(r.body, Refused)}
            offered = {r.seq for r in records if not isinstance(r.body, Refused)}
            assert set(refused) == offered and all("simulated" in why for why in refused.values())
        engine = open_engine(f"sqlite:///{database}")
        with engine.connect() as connection:
            held = entries_of(connection)
        inspections = find(engine)["inspections"]
        engine.dispose()
        assert [each.seq for each in held[:through]] == list(range(1, through + 1))
        assert all(each.instead and not each.data for each in held), (
            "of a refused record only its SHA-256 is kept"
        )
        assert inspections == [] and not list((tmp_path / "photos").rglob("*.bin"))


def _all_sent(agent: Agent) -> dict[str, Any] | None:
    """The board once everything there is has been answered for."""
    board = agent.board()
    return board if board["sent_through"] == board["head"]["seq"] > 20 else None

"""Recordings against today's code: same is same, a difference is named; capture keeps no password."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from msgspec.structs import replace

from edge import capturing, replaying
from edge.capturing import (
    Recorded,
    RecordingError,
    header_of,
    read_recording,
    stretch,
    without_passwords,
    write_recording,
)
from edge.settings import load
from firmware_bridge.catalog import KINDS
from firmware_bridge.devices import dahua, hikvision, jx, led_board, obd_pids, plates, wheel_load
from firmware_bridge.rawlog import Ring, read
from firmware_bridge.tap import Entry
from tests.agent_parts import IoSimulator, chayan, make_agent, until
from tests.edge_parts import site_file

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.zst"))
BY_KIND = {path.stem: path for path in RECORDINGS}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_todays_code_says_what_was_said_then(path: Path) -> None:
    header, replayed = replaying.replay_file(path)
    assert header.simulated
    for device in replayed:
        assert device.difference() is None
        assert len(device.now) >= 2
        assert device.notes == []


def test_each_recording_holds_the_kind_it_is_named_after() -> None:
    for kind, path in BY_KIND.items():
        assert [device.kind for device in read_recording(path).header.devices] == [kind]
        assert kind in KINDS


def test_a_replay_is_the_same_each_time() -> None:
    first, second = (replaying.replay_file(BY_KIND["brake-roller"])[1] for _ in range(2))
    assert [device.now for device in first] == [device.now for device in second]


def test_a_codec_that_reads_otherwise_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(body: bytes) -> wheel_load.Weights | None:
        left, right = jx.number(body[:5]), jx.number(body[5:10])
        return None if left is None or right is None else wheel_load.Weights(right, left)

    monkeypatch.setattr(wheel_load, "read_weights", swapped)
    (device,) = replaying.replay_file(BY_KIND["wheel-load-jx"])[1]
    difference = device.difference()
    assert difference is not None
    assert difference.startswith("1: then ")
    assert '"left_kg": "411"' in difference.partition(", now ")[0]
    assert '"left_kg": "396"' in difference.partition(", now ")[2]


def test_a_message_that_is_not_read_any_more_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plates, "NO_PLATE", frozenset())
    (device,) = replaying.replay_file(BY_KIND["vzenith-mqtt"])[1]
    assert (device.difference() or "").startswith("2: then ")


def test_a_command_that_was_never_sent_then_is_noted_and_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jx, "READ", 0x69)
    (device,) = replaying.replay_file(BY_KIND["wheel-load-jx"])[1]
    assert device.difference() is not None
    assert any("which the recording does not hold" in note for note in device.notes)


def test_two_starts_of_the_agent_are_two_runs(tmp_path: Path) -> None:
    recorded = read_recording(BY_KIND["scale-xk3190"])
    (name,) = recorded.entries
    twice = replace_entries(recorded, recorded.entries[name] * 2)
    path = tmp_path / "twice.zst"
    write_recording(path, twice)
    (device,) = replaying.replay_file(path)[1]
    assert device.difference() is None
    assert len(device.now) == 4


def replace_entries(recorded: Recorded, entries: list[Entry]) -> Recorded:
    (name,) = recorded.entries
    return Recorded(header=recorded.header, entries={name: entries})


def test_what_could_not_be_kept_whole_is_noted(tmp_path: Path) -> None:
    recorded = read_recording(BY_KIND["vzenith-mqtt"])
    (entries,) = recorded.entries.values()
    cut = [replace(each, size_bytes=10**6) if each.way == "in" else each for each in entries]
    lost = Entry(way="dropped", at_ns=cut[-1].at_ns, tick_ns=cut[-1].tick_ns, channel="", data=b"7")
    path = tmp_path / "cut.zst"
    write_recording(path, replace_entries(recorded, [*cut, lost]))
    (device,) = replaying.replay_file(path)[1]
    count = sum(each.way == "in" for each in entries)
    assert device.notes == [
        f"{count} messages were too long to be kept whole and are not replayed",
        "7 entries found no room when it was recorded",
    ]
    assert device.now == []


CHANGES: dict[str, tuple[Any, str, Any, str]] = {
    "vzenith-http": (plates, "NO_PLATE", frozenset(), "2: then "),
    "hikvision-push": (hikvision, "pictures", lambda _parts: (None, None), "1: then "),
    "hikvision-stream": (hikvision, "pictures", lambda _parts: (None, None), "1: then "),
    "dahua-stream": (dahua, "_plate_type", lambda _fields: "unknown", "1: then "),
    "obd-elm327": (obd_pids, "read_vins", lambda _answers: (), "1: then "),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_post_a_stream_and_a_vehicle_that_are_read_otherwise_differ(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, name, instead, difference = CHANGES[kind]
    monkeypatch.setattr(where, name, instead)
    (device,) = replaying.replay_file(BY_KIND[kind])[1]
    assert (device.difference() or "").startswith(difference)


def test_a_board_that_is_sent_another_frame_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(led_board, "frame", lambda _config, _rows: b"\x02?\x03")
    (device,) = replaying.replay_file(BY_KIND["led-board"])[1]
    assert any("sends 02 3f 03, which the recording does not hold" in note for note in device.notes)


def test_every_kind_whose_bytes_pass_a_link_has_a_recording() -> None:
    assert set(KINDS) - set(BY_KIND) == {"rtsp-camera", "outline-file", "road-file"}


def test_a_recording_holds_no_password_and_no_folder_of_a_machine() -> None:
    for path in RECORDINGS:
        content = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
        for never in (b"secret-1", b"password", b"/tmp/"):
            assert never not in content, (path.name, never)


def test_what_came_another_way_is_noted(tmp_path: Path) -> None:
    recorded = read_recording(BY_KIND["wheel-load-jx"])
    (entries,) = recorded.entries.values()
    pushed = replace(entries[-1], way="in", channel="http:/alarm")
    path = tmp_path / "pushed.zst"
    write_recording(path, replace_entries(recorded, [*entries, pushed]))
    (device,) = replaying.replay_file(path)[1]
    assert device.notes == ["what came over http:/alarm cannot be replayed"]
    assert device.difference() is None


# ---- the file ------------------------------------------------------------------------------------


def test_a_recording_comes_back_as_it_was(tmp_path: Path) -> None:
    recorded = read_recording(BY_KIND["modbus-io"])
    write_recording(tmp_path / "again.zst", recorded)
    assert read_recording(tmp_path / "again.zst") == recorded


@pytest.mark.parametrize("how", ["empty", "other", "torn", "spoilt"])
def test_a_file_that_is_no_whole_recording_is_refused(how: str, tmp_path: Path) -> None:
    good = BY_KIND["pda-mqtt"].read_bytes()
    content = {
        "empty": b"",
        "other": b"[site]\nid = 1\n",
        "torn": good[:-20],
        "spoilt": good[:200] + bytes([good[200] ^ 0xFF]) + good[201:],
    }[how]
    path = tmp_path / "x.zst"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"x\.zst: "):
        read_recording(path)


def test_passwords_are_left_out() -> None:
    config = {
        "address": "http://admin:12345@192.0.2.1/x",
        "password": "12345",
        "password_file": "x",
        "api_key": "12345",
        "inputs": [{"station": "gate", "token": "12345"}],
        "keep": 3,
    }
    assert without_passwords(config) == {
        "address": "http://192.0.2.1/x",
        "inputs": [{"station": "gate"}],
        "keep": 3,
    }


def test_the_last_seconds_are_those_before_the_newest_entry(tmp_path: Path) -> None:
    for name, newest in (("a", 100), ("b", 60)):
        ring = Ring(tmp_path / name, 10**6)
        ring.write(
            Entry(way="in", at_ns=at * 10**9, tick_ns=at, channel="c", data=b"")
            for at in range(50, newest + 1)
        )
        ring.close()
    found = stretch(tmp_path, {"a", "b", "none"}, 10.0)
    assert [e.at_ns // 10**9 for e in found["a"]] == list(range(90, 101))
    assert (found["b"], found["none"]) == ([], [])
    assert len(stretch(tmp_path, {"a", "b"}, None)["b"]) == 11


def test_the_header_names_devices_and_their_settings(tmp_path: Path) -> None:
    header = header_of(load(site_file(tmp_path)), {"wheels-1", "camera-2"})
    assert {device.name: device.kind for device in header.devices} == {
        "camera-2": "vzenith-mqtt",
        "wheels-1": "wheel-load-jx",
    }
    assert header.devices[0].config["address"].startswith("serial://")
    assert (header.site, header.node, header.simulated) == ("virtual-site", "virtual-node-1", True)


# ---- the commands --------------------------------------------------------------------------------


@pytest.mark.slow
def test_capture_and_replay_from_end_to_end(tmp_path: Path) -> None:
    site, out = site_file(tmp_path), tmp_path / "out.zst"
    refused = chayan("capture", str(site), "--out", str(out))
    assert refused.returncode == 1
    assert "no raw log yet" in refused.stderr
    recorded = read_recording(BY_KIND["wheel-load-jx"])
    (entries,) = recorded.entries.values()
    address = load(site).devices[3].config.address
    ring = Ring(tmp_path / "node" / "raw" / "wheels-1", 10**7)
    ring.write(
        replace(each, channel=address) if each.way in ("up", "in", "out") else each for each in entries
    )
    ring.close()
    assert chayan("capture", str(site), "--out", str(out), "--device", "nobody").returncode == 1
    captured = chayan("capture", str(site), "--out", str(out), "--device", "wheels-1")
    assert captured.returncode == 0, captured.stderr
    assert f"wheels-1: {len(entries)} entries" in captured.stdout
    played = chayan("replay", str(out), "--json")
    line = json.loads(played.stdout)
    assert (played.returncode, line["same"]) == (1, False)  # the device had another name then
    assert line["now"][0]["left_kg"] == "411"
    expected = tmp_path / "expected.json"
    expected.write_text(played.stdout, "utf-8")
    assert chayan("replay", str(out), "--expect", str(expected)).returncode == 0
    line["now"][0]["left_kg"] = "412"
    expected.write_text(msgspec.json.encode(line).decode(), "utf-8")
    differs = chayan("replay", str(out), "--expect", str(expected))
    assert differs.returncode == 1
    assert "differs at 1: then" in differs.stdout


@pytest.mark.slow
def test_a_running_node_is_captured_and_its_module_replayed(tmp_path: Path) -> None:
    out = tmp_path / "io.zst"
    with IoSimulator() as io:
        agent = make_agent(tmp_path, io=io.address)
        with agent:
            agent.until_device("io-1", "ok")
            for count, on in enumerate((True, False), 8):  # after the seven levels of the start
                io.sense("exterior", on)
                until(lambda count=count: len(agent.records("sensed")) >= count)
            until(lambda: noted(agent.folder, "said") >= 10)  # these nine, and its health
            captured = chayan("capture", str(agent.site), "--out", str(out), "--device", "io-1")
            assert captured.returncode == 0, captured.stderr
    (entries,) = read_recording(out).entries.values()
    assert {"begun", "up", "in", "out", "said"} <= {each.way for each in entries}
    played = chayan("replay", str(out))
    assert played.returncode == 0, played.stdout[-2000:]
    assert '"on": true, "sensor": "occupied", "station": "exterior"' in played.stdout


def noted(folder: Path, way: str) -> int:
    """How many notes of a way the raw log of io-1 holds by now."""
    return sum(each.way == way for each in read(folder / "node" / "raw" / "io-1"))


def test_a_recording_that_does_not_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capturing, "LONGEST_BYTES", 10_000)
    path = tmp_path / "bomb.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(b" " * 10**7))
    with pytest.raises(RecordingError, match="more than 10000 bytes unpacked"):
        read_recording(path)

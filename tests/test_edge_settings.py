"""The site file: strict, and each error names file, table, key and the nearest known key."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from edge.settings import Role, SettingsError, load
from firmware_bridge.catalog import KINDS
from tests.edge_parts import changed_site, site_file


def test_the_demo_site_and_the_example_are_good(tmp_path: Path) -> None:
    site = load(site_file(tmp_path))
    assert [lane.name for lane in site.lanes] == ["1", "2"]
    assert site.node.folder == (tmp_path / "node").resolve()
    example = load(Path(__file__).parents[1] / "configs" / "site.example.toml")
    assert not example.site.simulated and example.devices


def test_units_of_one_line_name_one_baud_rate(tmp_path: Path) -> None:
    units = "".join(
        f'[[devices]]\nname = "slip-{unit}x"\nkind = "side-slip-modbus"\nrole = "sideslip"\nlane = "1"\n'
        f'station = "sideslip"\nunit = {unit}\naddress = "serial:///dev/ttyS9?baud={baud}"\n\n'
        for unit, baud in ((1, 9600), (2, 9600), (3, 19200))
    )
    with pytest.raises(SettingsError) as wrong:
        load(changed_site(tmp_path, "[[lanes]]", f"{units}[[lanes]]"))
    line, *further = str(wrong.value).splitlines()
    assert "[[devices]] slip-1: role = 'sideslip' is slip-1x's on lane 1" in further[-1]
    assert "slip-3x: address: slip-1x names serial:///dev/ttyS9 with other settings" in line


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[api]\nhost", "[api]\nhots", ["[api]", "'hots'", "did you mean 'host'"]),
        ("port = 8600", "port = 99999", ["api.port", "<= 65535"]),
        ('kind = "modbus-io"', 'kind = "modbus-oi"', ["'modbus-oi'", "did you mean 'modbus-io'"]),
        ('sn = "virtual-cam-1"', 'serial = "virtual-cam-1"', ["camera-1", "unknown key 'serial'"]),
        ('frames = "numbered"', 'frames = "lettered"', ["brakes-1", "frames", "lettered"]),
        ("wait_s = 15", "wait_s = 0.1", ["slip-1", "wait_s", ">= 0.5"]),
        ("coil = 0 }", "coyl = 0 }", ["io-1", "outputs", "'coyl'", "did you mean 'coil'"]),
        ('role = "brake"', 'role = "break"', ["brakes-1", "role", "break"]),
        (
            'role = "brake"',
            'role = "sign"',
            ["brakes-1", "brake-roller cannot be role = 'sign'", "fitting: brake"],
        ),
        ('role = "io"', 'role = "weigh"', ["io-1", "modbus-io cannot be role = 'weigh'; fitting: io"]),
        ('lane = "2"\nstation = "gate"', 'lane = "3"\nstation = "gate"', ["camera-2", "lane = '3'"]),
        ('station = "gate"\nsn', 'station = "gait"\nsn', ["camera-1", "station = 'gait'", "'gate'"]),
        ('sensor = "axle"', 'sensor = "axel"', ["lane 1, station brake", "no I/O device", "'axle'"]),
        ('name = "camera-2"', 'name = "camera-1"', ["camera-1 is named twice"]),
        ("simulated = true\ntitle", "title", ["simulated = true, but [site] simulated is not set"]),
        ('id = "virtual-site"', 'id = "virtual-site"\nid = "b"', ["is not TOML"]),
        ('id = "virtual-site"', 'ID = "virtual-site"', ["[site]", "unknown key 'ID'"]),
        ('url = "http', 'url = "ftp', ["registry.url"]),
    ],
)
def test_wrong_site_files_are_refused_by_name(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    path = changed_site(tmp_path, old, new)
    with pytest.raises(SettingsError) as wrong:
        load(path)
    text = str(wrong.value)
    assert str(path) in text
    for part in says:
        assert part in text, text


METER = """[[devices]]
name = "meter-1"
kind = "modbus-meter"
role = "{role}"
lane = "1"
station = "exterior"
address = "tcp://192.0.2.30:502"
values = [{{ quantity = "mass_kg", register = 0 }}]
counter = 1

[[lanes]]"""


def test_the_quantity_of_a_meter_tells_its_role(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as wrong:
        load(changed_site(tmp_path, "[[lanes]]", METER.format(role="speed")))
    assert "meter-1: kind modbus-meter cannot be role = 'speed'; fitting: mass" in str(wrong.value)
    with pytest.raises(SettingsError) as misplaced:
        load(changed_site(tmp_path, "[[lanes]]", METER.format(role="mass")))
    assert "fitting" not in str(misplaced.value)


def test_every_role_but_that_of_cards_has_a_kind_and_every_kind_a_role() -> None:
    roles = {role for part in get_args(Role) for role in (get_args(part) or (part,))}
    assert roles - {"card"} == {role for kind in KINDS.values() for role in kind.roles}
    assert all(kind.roles for kind in KINDS.values())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge", "check", *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.slow
def test_chayan_check_says_good_or_what_is_wrong(tmp_path: Path) -> None:
    good = check(str(site_file(tmp_path)))
    assert good.returncode == 0 and "good. 2 lanes" in good.stdout
    as_json = json.loads(check(str(site_file(tmp_path)), "--json").stdout)
    assert as_json["ok"] is True and len(as_json["rules_sha256"]) == 64
    bad = check(str(changed_site(tmp_path, "[api]\nhost", "[api]\nhots")))
    assert bad.returncode == 1 and "did you mean 'host'" in bad.stderr and "Traceback" not in bad.stderr
    wrong = check(str(changed_site(tmp_path, "port = 8600", "port = 0")), "--json")
    assert wrong.returncode == 1 and json.loads(wrong.stdout)["ok"] is False

"""configs/site.full.toml: every kind of device, every table, every key; ``chayan check`` takes it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge import settings
from edge.compose import equipment
from edge.rulebook import read_rulebook
from edge.rules import must_know_left_out
from edge.settings import DeviceEntry, SettingsError, SiteFile
from firmware_bridge.catalog import KINDS
from lanes.calibration import Certificate
from lanes.layout import ROLES, WORK, Lane, LeastSeconds, Station
from tests.test_docs import TABLES

FILE = Path(__file__).parents[1] / "configs" / "site.full.toml"
TEXT = FILE.read_text("utf-8")
RAW: dict[str, Any] = tomllib.loads(TEXT)


def below(table: Any) -> Iterator[dict[str, Any]]:
    """Every table of one of the file's, itself first."""
    for each in table if isinstance(table, list) else [table]:
        if isinstance(each, dict):
            yield each
            for value in each.values():
                yield from below(value)


def test_it_names_every_kind_of_device_and_every_role_a_lane_measures() -> None:
    site = settings.load(FILE)
    assert {entry.kind for entry in site.devices} == set(KINDS)
    assert {entry.role for entry in site.devices} == {role for kind in KINDS.values() for role in kind.roles}
    measured = {(entry.lane, entry.role) for entry in site.devices if entry.role in WORK}
    assert measured == {(lane.name, role) for lane in site.lanes for st in lane.stations for role in st.work}
    assert {station.kind for lane in site.lanes for station in lane.stations} == set(ROLES)


def test_a_folder_of_results_starts_at_the_site_files_own(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(TEXT.replace('"/var/outline"', '"results"'), "utf-8")
    folders = {
        each.kind: each.config.folder
        for each in settings.load(path).devices
        if each.role in ("outline", "road") and hasattr(each.config, "folder")
    }
    assert folders == {"outline-file": (tmp_path / "results").resolve(), "road-file": Path("/var/road")}


def test_it_names_every_table() -> None:
    assert set(RAW) == {field.encode_name for field in msgspec.structs.fields(SiteFile)}


PARTS = {"[[lanes]]": (Lane, Station, LeastSeconds), "[[devices]]": (DeviceEntry, Certificate)}


@pytest.mark.parametrize("title", TABLES)
def test_it_names_every_key_of_a_table(title: str) -> None:
    named = {key for table in below(RAW[title.strip("[]")]) for key in table}
    for struct in PARTS.get(title, TABLES[title]):
        assert {f.encode_name for f in msgspec.structs.fields(struct) if f.name != "config"} <= named


def test_check_takes_it_once_the_password_files_it_names_are_there(tmp_path: Path) -> None:
    path = tmp_path / FILE.name
    path.write_text(TEXT, "utf-8")
    site = settings.load(path)
    with pytest.raises(SettingsError, match=r"password_file: .*broker\.password cannot be read"):
        equipment(path, site)
    (tmp_path / "secrets").mkdir()
    (names,) = re.findall(r"for each in ([\w -]+); do", TEXT)
    for name in names.split():
        (tmp_path / "secrets" / f"{name}.password").write_text("change-me\n", "utf-8")
    must_know_left_out(path, site, read_rulebook())
    _, devices = equipment(path, site)
    assert set(devices) == {entry.name for entry in site.devices}


def test_its_addresses_are_nobodys() -> None:
    addresses = set(re.findall(r"\d+\.\d+\.\d+\.\d+", TEXT)) - {"127.0.0.1", "0.0.0.0"}
    assert len(addresses) > 10 and all(each.startswith("192.0.2.") for each in addresses)
    assert set(re.findall(r"https?://([\w.]+)", TEXT)) - addresses <= {
        "registry.example.org",
        "province.example.org",
        "HOST",
    }


def test_every_block_of_a_device_is_read_alone() -> None:
    """What is copied is a block: it must not lean on lines above it."""
    blocks = re.findall(r"^\[\[devices\]\].*?(?=^\[\[|^# ----|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert [tomllib.loads(block)["devices"][0] for block in blocks] == RAW["devices"]

"""Node and registry may sign by different algorithms: as processes, end to end, and where one is missing."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from central_sync import batch as wire
from central_sync import note
from central_sync.centre import Trouble
from central_sync.journal import Journal
from central_sync.registry.api import build_app
from central_sync.seal import NodeKey
from central_sync.witness import Witness
from edge.__main__ import app
from edge.centre import CentreError, registry_key, run_centre
from edge.settings import SettingsError, load
from tests.agent_parts import Process, chayan, make_agent, until
from tests.brokers import free_port
from tests.central_parts import Lane, settings_for
from tests.directives_parts import order
from tests.edge_parts import site_file

NO_SM2 = r"SM2 is not installed: pip install 'chayan\[gm\]'"


def remove_sm2(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on gmssl-pyx cannot be imported."""
    monkeypatch.setitem(sys.modules, "gmssl_pyx", None)


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "theirs"), [("ed25519", "sm2"), ("sm2", "ed25519")])
def test_from_the_lane_to_the_proof_with_keys_of_two_kinds(ours: str, theirs: str, tmp_path: Path) -> None:
    """Receipts, a directive and a checkpoint by the pinned key; all of it verified offline."""
    dsn, photos, port = f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path / "photos", free_port()
    at_centre = ["--dsn", dsn, "--photos", str(photos)]
    key = chayan("registry-key", "--photos", str(photos), "--signature", theirs).stdout.strip()
    url = f"http://127.0.0.1:{port}"
    edits = {
        f'url = "{url}"': f'url = "{url}"\nkey = "{key}"',
        "[node]\n": f'[node]\nsignature = "{ours}"\n',
    }
    agent = make_agent(tmp_path / "lane", registry=url, edits=edits)
    node = chayan("node-key", str(agent.site)).stdout.strip()
    place, _, own = node.partition("=")
    assert key.startswith(f"{theirs}:") and own.startswith(f"{ours}:")
    (tmp_path / "order.json").write_bytes(order())
    options = ["--allow-simulated", "--node", node, "--port", str(port), "--signature", theirs]
    with Process(tmp_path / "central.log", "central", *at_centre, *options, up=url):
        with agent:
            given = chayan("direct", "order", str(tmp_path / "order.json"), *at_centre, "--node", place)
            assert given.returncode == 0, given.stderr
            until(lambda: agent.board()["waiting"])
            until(lambda: agent.records("directed"))
        name = place.partition("/")[2]
        with agent:  # a checkpoint is due at once, and what is held was settled before
            notes = f"{url}/v1/nodes/{name}/checkpoints"
            where = {"site": place.partition("/")[0]}
            until(lambda: httpx.get(notes, params=where).json()["checkpoints"])
        trust = ["--key", own, "--registry-key", key]
        inspection = agent.records("ordered")[0].inspection
        for target in (
            str(tmp_path / "lane" / "node"),
            f"{url}/v1/nodes/{name}",
            f"{url}/v1/inspections/{inspection}",
        ):
            done = chayan("verify", target, *trust)
            assert done.returncode == 0 and "全部成立" in done.stdout, done.stdout
            other = chayan("verify", target, "--registry-key", NodeKey.generate(theirs).public)
            assert other.returncode == 1, other.stdout


def test_the_registrys_key_is_of_the_kind_that_was_asked_for_and_stays_so(tmp_path: Path) -> None:
    made = registry_key(tmp_path, "sm2")
    assert made.public.startswith("sm2:")
    assert registry_key(tmp_path).public == registry_key(tmp_path, "sm2").public == made.public
    command = ["registry-key", "--photos", str(tmp_path), "--signature", "ed25519"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 1
    assert "registry.key holds a key of the kind sm2, not ed25519" in told.output
    with pytest.raises(CentreError, match="of the kind sm2"):
        asyncio.run(
            run_centre("sqlite:///:memory:", tmp_path, "127.0.0.1", 0, (), False, signature="ed25519")
        )
    assert registry_key(tmp_path / "new").public.startswith("ed25519:")


def test_a_key_file_of_yet_another_kind_is_told_so(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "registry.key"
    file.touch(0o600)
    file.write_bytes(pem)
    told = CliRunner().invoke(app, ["registry-key", "--photos", str(tmp_path), "--signature", "sm2"])
    assert told.exit_code == 1
    assert (
        "holds a key of another kind" in told.output
        and "an SM2 key from a file that chayan made" in told.output
    )


# ---- where SM2 is not installed ------------------------------------------------------------------


def test_without_sm2_no_such_key_is_made_or_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry_key(tmp_path / "made", "sm2")
    remove_sm2(monkeypatch)
    for folder in ("made", "new"):
        told = CliRunner().invoke(
            app, ["registry-key", "--photos", str(tmp_path / folder), "--signature", "sm2"]
        )
        assert told.exit_code == 1 and "SM2 is not installed: pip install 'chayan[gm]'" in told.output
    assert (
        "registry.key holds an SM2 key, but"
        in CliRunner().invoke(app, ["registry-key", "--photos", str(tmp_path / "made")]).output
    )
    assert not (tmp_path / "new").exists()


def test_without_sm2_a_site_that_needs_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = site_file(tmp_path)
    good, key = path.read_text("utf-8"), NodeKey.generate("sm2").public
    edits = {
        "signature = 'sm2'": good.replace("[node]\n", '[node]\nsignature = "sm2"\n'),
        "centre: key = 'sm2:": good.replace('key = ""', f'key = "{key}"'),
    }
    for text in edits.values():
        path.write_text(text, "utf-8")
        assert load(path)
    remove_sm2(monkeypatch)
    for named, text in edits.items():
        path.write_text(text, "utf-8")
        with pytest.raises(SettingsError, match=NO_SM2) as told:
            load(path)
        assert named in str(told.value)


def test_without_sm2_a_registry_says_so_to_a_node_that_signs_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = Lane()
    lane.key = NodeKey.generate("sm2")
    lane.inspect("a1")
    centre = build_app(settings_for(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path, lane))
    body = wire.encode_batch(lane.batch())

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app=centre)
        async with httpx.AsyncClient(transport=transport, base_url="http://r.test") as client:
            return await client.post("/v1/batches", content=body, headers={"Content-Encoding": "zstd"})

    remove_sm2(monkeypatch)
    told = asyncio.run(sent())
    assert (told.status_code, told.headers["Retry-After"]) == (503, "5")
    assert told.json()["type"].endswith("no-algorithm") and "chayan[gm]" in told.json()["detail"]


def test_without_sm2_a_node_that_pins_no_key_is_told_why_it_gets_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its courier believes such a registry by the chain alone, its witness has nothing to go by."""
    lane, key = Lane("node-1"), NodeKey.create(tmp_path / "registry.key", "sm2")

    async def look() -> None:
        journal = Journal(tmp_path / "journal.sqlite", "node-1")
        receipt = wire.Receipt(
            site=lane.site, node="node-1", accepted_through=1, head="0" * 64, stored=1, duplicates=0,
            registry_key=key.public,
        )  # fmt: skip
        await journal.settle("centre", 1, wire.encode_receipt(receipt))
        text = note.cosigned(note.Note(text="chayan/site-1/node-1\n"), note.WITNESS, key, 1)
        await journal.keep_checkpoint(1, b"", str(text))
        async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as client:
            witness = Witness(
                site=lane.site, node="node-1", journal=journal, signer=lane.key, client=client,
                clock=lambda: datetime.now(UTC),
            )  # fmt: skip
            remove_sm2(monkeypatch)
            with pytest.raises(Trouble, match=NO_SM2):
                witness.due()
        journal.close()

    asyncio.run(look())

"""Directives among real processes: killed between effect and record; from command to lane and back."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from central_sync.registry.directives import listed
from edge.directives import NEXT_FILE
from lanes.record import NodeStarted, Ordered
from tests.agent_parts import ROOT, Process, chayan, make_agent, until
from tests.brokers import free_port
from tests.directives_parts import (
    acknowledged,
    black,
    centre_and_node,
    directed,
    lite_rules,
    order,
    site_path,
    tell,
)
from tests.edge_parts import Edge

pytestmark = pytest.mark.slow


# ---- killed between effect and record --------------------------------------------------------------

DISK = b"\n[disk]\nwarn_mb = 5000\n"
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from edge.desk import Desk
from edge.directives import Directing
from lanes.record import Directed
from tests.directives_parts import centre_and_node, site_path

append = Desk.append

async def killed(desk, source, key, body, inspection=None):
    if isinstance(body, Directed):
        os.kill(os.getpid(), signal.SIGKILL)
    return await append(desk, source, key, body, inspection)

async def main(folder):
    async with centre_and_node(f"sqlite:///{folder / 'r.sqlite'}", folder) as (edge, _, _, pull):
        Desk.append = killed
        await Directing(edge.desk, pull, "centre", site_path(edge)).run()

asyncio.run(main(Path(sys.argv[1])))
"""


def in_force(edge: Edge) -> dict[str, Any]:
    """Everything a directive may have brought."""
    ready = edge.desk.reference.folder / NEXT_FILE
    return {
        "order": sum(isinstance(record.body, Ordered) for record in edge.desk.journal.replay()),
        "blacklist": edge.desk.blacklist.version,
        "rules": edge.desk.rules.now().name,
        "configuration": ready.read_bytes() if ready.exists() else b"",
    }


@pytest.mark.parametrize("subject", ["order", "blacklist", "rules", "configuration"])
def test_killed_between_effect_and_record_the_effect_comes_once(subject: str, tmp_path: Path) -> None:
    bodies: dict[str, Callable[[Edge], bytes]] = {
        "order": lambda _: order(),
        "blacklist": lambda _: black(vin="LTEST1A27R0000009"),
        "rules": lambda _: lite_rules("lite"),
        "configuration": lambda edge: site_path(edge).read_bytes() + DISK,
    }

    async def given() -> tuple[bytes, dict[str, Any]]:
        async with centre_and_node(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path) as (
            edge,
            database,
            registry,
            _,
        ):
            body = bodies[subject](edge)
            tell(edge, database, registry, subject, body)
            return body, in_force(edge)

    body, before = asyncio.run(given())
    for _ in range(2):
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, timeout=60, capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]

    async def again() -> None:
        async with centre_and_node(f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path) as (
            edge,
            database,
            _,
            pull,
        ):
            assert not acknowledged(edge)
            if subject in ("blacklist", "rules"):
                assert in_force(edge) == before, "without its record nothing is in force"
            (taken,) = await directed(edge, pull, 1)
            assert taken.outcome == "taken"
            after = {"order": 1, "blacklist": "v1", "rules": "lite", "configuration": body}[subject]
            assert in_force(edge) == before | {subject: after}
            assert [each["number"] for each in listed(database)] == [1]

    asyncio.run(again())


# ---- from the command to the lane and back -----------------------------------------------------------


def test_from_the_centres_command_to_the_lane_and_back(tmp_path: Path) -> None:
    """Order, black list, rules and site file, each by its command; node and registry as installed."""
    dsn, photos, port = f"sqlite:///{tmp_path / 'r.sqlite'}", tmp_path / "photos", free_port()
    photos.mkdir()
    key = chayan("registry-key", "--photos", str(photos)).stdout.strip()
    url = f"http://127.0.0.1:{port}"
    agent = make_agent(
        tmp_path / "lane", registry=url, edits={f'url = "{url}"': f'url = "{url}"\nkey = "{key}"'}
    )
    node = chayan("node-key", str(agent.site)).stdout.strip()
    place, at_centre = node.partition("=")[0], ["--dsn", dsn, "--photos", str(photos)]

    def gives(*words: str) -> None:
        done = chayan(
            "direct", *words, *at_centre, *([] if words[0] == "configuration" else ["--node", place])
        )
        assert done.returncode == 0, done.stderr

    def states() -> list[str]:
        return [line.split(": ")[1] for line in chayan("direct", "list", "--dsn", dsn).stdout.splitlines()]

    bodies = {
        "order.json": order(),
        "black.json": black(vin="LTEST1A27R0000009"),
        "site.toml": agent.site.read_bytes() + DISK,
    }
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    options = ["--allow-simulated", "--node", node, "--port", str(port)]
    with Process(tmp_path / "central.log", "central", *at_centre, *options, up=url):
        with agent:
            gives("order", str(tmp_path / "order.json"))
            assert until(lambda: agent.board()["waiting"])[0]["vin"] == "LTEST1A27R0000001"
            gives("blacklist", str(tmp_path / "black.json"))
            gives("rules", str(ROOT / "configs" / "rules"))
            gives("configuration", str(tmp_path / "site.toml"))
            assert until(lambda: states() if "waiting" not in states() else None) == ["taken"] * 4
            assert any("chayan check" in each["zh"] for each in agent.board()["alarms"])
            (ready,) = tmp_path.rglob(NEXT_FILE)
        agent.site.write_bytes(ready.read_bytes())
        with agent:
            assert not ready.exists()
            started = [record.body for record in agent.records("node_started")]
            digests = {body.config_sha256 for body in started if isinstance(body, NodeStarted)}
            assert len(digests) == 2, "it runs with the other configuration now"
            assert [each["vin"] for each in agent.board()["waiting"]] == ["LTEST1A27R0000001"]
            assert len(agent.records("directed")) == 4

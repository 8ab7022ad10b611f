"""A small site for tests of the edge: its file, its desk, its API without a network."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from central_sync.journal import Journal
from central_sync.photos import Photos
from edge.acts import Acts
from edge.api import NO_PLACES, NO_READERS, build_api
from edge.carrying import Place
from edge.demo_site import Ports, site_text
from edge.desk import Desk
from edge.roads import Links
from edge.rulebook import read_rulebook
from edge.settings import load
from edge.watching import Watch
from firmware_bridge.device import ObdReader
from lanes.record import Arrived, Moved

TOKEN = "test-token"
VIN = "LTEST1A27R0000001"
JPEG = b"\xff\xd8\xff\xe0" + b"simulated test photo" * 20


def vehicle(vin: str = VIN, plate: str | None = "浙A12345") -> dict[str, Any]:
    papers: dict[str, Any] = {
        "vin": vin,
        "vehicle_class": "K33",
        "use": "A",
        "made_on": "2018-03-01",
        "gross_mass_kg": 1640,
        "kerb_mass_kg": 1265,
        "colour": "A",
        "registered_on": "2018-05-01",
    }
    return papers | ({"plate": {"hpzl": "02", "hphm": plate}} if plate else {})


def site_file(folder: Path, mqtt: int = 1883, edge: int = 8600, io: str = "tcp://127.0.0.1:502") -> Path:
    """The demo's site file with two lanes, at the given ports."""
    path = folder / "site.toml"
    path.write_text(site_text(folder, Ports(mqtt, 0, edge, 8700), {"1": io, "2": io}), "utf-8")
    return path


def changed_site(folder: Path, old: str, new: str) -> Path:
    """The same with one text replaced."""
    path = site_file(folder)
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return path


@dataclass(frozen=True, kw_only=True)
class Edge:
    """A desk with its API."""

    desk: Desk
    client: httpx.AsyncClient
    watch: Watch

    async def order(self, key: str = "k1", **changes: Any) -> str:
        body = {"key": key, "vehicle": vehicle(), "business": "periodic", "ordered_by": "clerk"} | changes
        answer = await self.client.post("/api/v1/orders", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["inspection"])

    async def arrive(self, inspection: str) -> None:
        """Puts the vehicle on lane 1 as the marshal would."""
        await self.desk.append("virtual+agent", f"{inspection}/a", Arrived(lane="1"), inspection)
        await self.desk.append(
            "virtual+agent", f"{inspection}/m", Moved(lane="1", station="exterior"), inspection
        )

    async def act(self, inspection: str, key: str, act: dict[str, Any], **changes: Any) -> httpx.Response:
        body = {"key": key, "officer": "officer-01", "act": act} | changes
        return await self.client.post(f"/api/v1/inspections/{inspection}/acts", json=body)

    async def detail(self, inspection: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/inspections/{inspection}")
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page


@asynccontextmanager
async def edge_at(
    folder: Path,
    more: str = "",
    readers: Mapping[str, ObdReader] = NO_READERS,
    carried: Mapping[str, Place] = NO_PLACES,
    *,
    keep_site: bool = False,
) -> AsyncIterator[Edge]:
    """A node on a folder, whose devices do not run; ``more``: what its site file says beside the demo's.

    ``keep_site``: its site file lies there already.
    """
    path = folder / "site.toml" if keep_site else site_file(folder)
    path.write_text(path.read_text("utf-8") + more, "utf-8")
    site = load(path)
    journal = Journal(folder / "journal.sqlite", site.node.name)
    try:
        desk = Desk(site, journal, Photos(folder / "photos"), read_rulebook())
        watch = Watch(site)
        clips = Photos(folder / "clips")
        app = build_api(desk, Acts(desk), Links({}), TOKEN, None, watch, readers, clips, carried)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
            yield Edge(desk=desk, client=client, watch=watch)
    finally:
        journal.close()

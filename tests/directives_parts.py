"""A registry and a node enrolled there, without a network between them; bodies of directives."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from central_sync.directives import Pull
from central_sync.registry.api import build_app
from central_sync.registry.directives import give
from central_sync.registry.engines import open_engine
from central_sync.seal import NodeKey
from edge.directives import Directing
from edge.rulebook import default_folder, pack
from lanes.record import Directed
from tests.central_parts import Lane, settings_for
from tests.edge_parts import Edge, edge_at, vehicle

KEY = NodeKey.generate()


def order(vin: str = "LTEST1A27R0000001", key: str = "o1", **changes: Any) -> bytes:
    post = {"key": key, "vehicle": vehicle(vin), "business": "periodic", "ordered_by": "centre-1"} | changes
    return json.dumps(post).encode()


def black(level: str = "stop", version: str = "v1", **of: str) -> bytes:
    entry = {"reason_zh": "盗抢", "reason_en": "stolen", "level": level} | of
    return json.dumps({"version": version, "entries": [entry]}).encode()


@asynccontextmanager
async def centre_and_node(
    dsn: str, folder: Path, **more: Any
) -> AsyncIterator[tuple[Edge, sa.Engine, NodeKey, Pull]]:
    """A registry, a node enrolled there, and its pull."""
    async with edge_at(folder) as edge:
        site = edge.desk.site
        lane = Lane(site.node.name, site.site.id)
        lane.key = KEY
        app = build_app(settings_for(dsn, folder, lane, key_file=folder / "registry.key"))
        registry, database = NodeKey.load(folder / "registry.key"), open_engine(dsn)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),  # at its end the registry closes its connections
            httpx.AsyncClient(transport=transport, base_url="http://r.test") as client,
        ):
            key = more.pop("registry_key", registry.public)
            pull = Pull(client, site.site.id, site.node.name, more.pop("signer", KEY), key, **more)
            yield edge, database, registry, pull
        database.dispose()


def tell(
    edge: Edge, database: sa.Engine, registry: NodeKey, subject: Any, body: bytes, version: str = "v1"
) -> int:
    site = edge.desk.site
    return give(database, registry, site.site.id, site.node.name, subject, version, body)


def acknowledged(edge: Edge) -> list[Directed]:
    """What the node's journal says of directives."""
    return [r.body for r in edge.desk.journal.replay() if isinstance(r.body, Directed)]


def site_path(edge: Edge) -> Path:
    """The site file of a node of ``edge_at``."""
    return edge.desk.journal.path.with_name("site.toml")


async def directed(edge: Edge, pull: Pull, count: int, alarm: str = "") -> list[Directed]:
    """Lets the node work until it has acknowledged ``count`` directives and told that alarm."""
    directing = Directing(edge.desk, pull, "centre", site_path(edge))
    task = asyncio.create_task(directing.run())
    try:
        async with asyncio.timeout(90):
            while len(found := acknowledged(edge)) < count or (  # noqa: ASYNC110
                alarm and alarm not in edge.desk.alarms
            ):
                await asyncio.sleep(0.05)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return found


def lite_rules(name: str, business: str = "periodic") -> bytes:
    """Rules of one business, under which a vehicle needs item 01 and a signature, no more."""
    texts = json.loads(pack(default_folder()))
    rest = f'businesses = ["{business}"], source = "GA801-matrix", confidence = "M"'
    texts["checklists.toml"] = (
        f'item = [{{ item = "01", {rest} }}]\nshot = [{{ shot = "0111", need = "optional", {rest} }}]\n'
        "artefact = []\noutside = []\n"
    )
    texts["rulebook.toml"] = re.sub("^name = .*$", f'name = "{name}"', texts["rulebook.toml"], flags=re.M)
    return json.dumps(texts).encode()

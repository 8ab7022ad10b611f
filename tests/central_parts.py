"""Parts that the tests of ``central_sync`` share: chains, a lane that writes, registries on both engines."""

import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import uvicorn
from hypothesis import settings
from starlette.types import ASGIApp

from central_sync import batch as b
from central_sync.registry.api import Enrolled, RegistrySettings
from central_sync.registry.engines import open_engine
from central_sync.registry.nodes import enroll
from central_sync.registry.schema import prepare
from central_sync.seal import NodeKey
from lanes import record as r
from lanes.vehicle import Plate, Vehicle
from tests import postgres

STEADY = settings(deadline=None, database=None)  # a loaded machine or a read-only checkout fails no test
JPEG = b"\xff\xd8\xff\xe0" + b"picture"
START = datetime(2026, 11, 22, 8, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    seq: int
    data: bytes
    head: bytes


def chain(node: str, count: int) -> list[Row]:
    """Linked rows with small bytes that are no records."""
    head, rows = r.genesis(node), []
    for seq in range(1, count + 1):
        data = f'{{"seq":{seq}}}'.encode()
        head = r.link(head, data)
        rows.append(Row(seq, data, head))
    return rows


def photo(name: str) -> bytes:
    """Bytes that begin like a JPEG, different for each name."""
    return JPEG + name.encode()


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


class Lane:
    """A node that writes records into memory and seals batches of them."""

    def __init__(self, node: str | None = None, site: str = "site-1") -> None:
        self.site, self.node = site, node or f"lane-{secrets.token_hex(5)}"
        self.key = NodeKey.generate()
        self.rows: list[Row] = []

    @property
    def head(self) -> bytes:
        return self.rows[-1].head if self.rows else r.genesis(self.node)

    def write(self, body: r.AnyBody, inspection: str | None = None, source: str = "test://lane") -> int:
        seq = len(self.rows) + 1
        record = r.Record(
            seq=seq,
            at=START + timedelta(seconds=seq),
            tick_ms=seq,
            source=source,
            source_key=str(seq),
            body=body,
            inspection=inspection,
        )
        return self.write_bytes(r.canonical(record))

    def write_bytes(self, data: bytes) -> int:
        self.rows.append(Row(len(self.rows) + 1, data, r.link(self.head, data)))
        return len(self.rows)

    def head_before(self, seq: int) -> bytes:
        return self.rows[seq - 2].head if seq > 1 else r.genesis(self.node)

    def batch(self, first: int = 1, last: int | None = None) -> b.Batch:
        rows = self.rows[first - 1 : last]
        return b.compose(self.site, self.node, rows, self.head_before(first), self.key)

    def inspect(self, name: str, plate: str = "浙A12345", verdict: r.Verdict = "pass") -> None:
        """The records of one whole inspection, with one photo named ``name``."""
        vehicle = Vehicle(
            vin="LSVAU2180N2" + name[:6].upper().ljust(6, "0"),
            vehicle_class="K33",
            use="A",
            made_on=date(2024, 5, 1),
            gross_mass_kg=1900,
            kerb_mass_kg=1400,
            plate=Plate(hpzl="02", hphm=plate),
        )
        self.write(r.Ordered(vehicle=vehicle, business="periodic", ordered_by="desk"), name)
        self.write(r.Arrived(lane="1"), name)
        self.write(r.Moved(lane="1", station="brake"), name)
        curve = r.BrakeCurve(interval_ms=10, left_dan=tuple(range(60)), right_dan=tuple(range(60)))
        self.write(
            r.BrakeMeasured(
                lane="1", station="brake", device="brake-1", item="B1", axle=1, left_max_dan=300,
                right_max_dan=290, curve=curve,
            ),
            name,
        )  # fmt: skip
        picture = photo(name)
        sha = digest(picture)
        taken = self.write(r.Photographed(shot="0111", photo=sha, size_bytes=len(picture)), name)
        review = self.write(
            r.Reviewed(
                photo_seq=taken, photo=sha, shot="0111", question="plate", opinion="unsure", model="m",
                expected=plate, text=plate, confidence=Decimal("0.97"),
            ),
            name,
        )  # fmt: skip
        self.write(r.Ruled(review_seq=review, decision="pass", officer="o-1", reason="seen"), name)
        self.write(r.Checked(item="01", result="pass", officer="o-1"), name)
        self.write(r.Signed(officer="o-1"), name)
        finding = r.Finding(
            item="B1", result=verdict, quantity="brake_rate", value="61.2", unit="%", limit="≥ 60", basis=(4,)
        )
        rules = {"rules": "gb38900", "rules_sha256": "0" * 64}
        self.write(r.Judged(verdict=verdict, findings=(finding,), **rules), name)
        self.write(r.Moved(lane="1", station=""), name)


def dsn_of(kind: str, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'registry.sqlite'}"
    return postgres.server().fresh()


@pytest.fixture(params=["sqlite", "postgresql"])
def dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return dsn_of(request.param, tmp_path)


@pytest.fixture
def engine(dsn: str) -> Iterator[sa.Engine]:
    """A registry without nodes."""
    made = open_engine(dsn)
    prepare(made)
    yield made
    made.dispose()


def prepared_together(dsn: str) -> list[Exception]:
    """Three replicas that start at once; what went wrong."""
    troubles: list[Exception] = []
    start = threading.Barrier(3)

    def replica() -> None:
        mine = open_engine(dsn)
        start.wait(30)
        try:
            prepare(mine)
        except Exception as trouble:  # noqa: BLE001 - told to the test
            troubles.append(trouble)
        finally:
            mine.dispose()

    threads = [threading.Thread(target=replica) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return troubles


def enrolled(engine: sa.Engine, lane: Lane, simulated: bool = True) -> Lane:
    enroll(engine, lane.site, lane.node, lane.key.public, simulated)
    return lane


class Serving:
    """A real HTTP server on a free port of 127.0.0.1, in a thread of this process."""

    def __init__(self, app: ASGIApp) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=5)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})

    def __enter__(self) -> "Serving":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(30)
        self.socket.close()
        assert not self.thread.is_alive()


def settings_for(dsn: str, folder: Path, *lanes: Lane, **more: Any) -> RegistrySettings:
    """Settings of a registry that knows ``lanes``, simulated sources allowed."""
    nodes = tuple(
        Enrolled(site=lane.site, node=lane.node, public_key=lane.key.public, allow_simulated=True)
        for lane in lanes
    )
    fixed = {"dsn": dsn, "photos_dir": folder / "photos", "nodes": nodes, "allow_simulated": True}
    return RegistrySettings(**(fixed | more))

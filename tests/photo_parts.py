"""Parts that the tests of photos on their way share: large photos, hands, lines that break, a process."""

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from central_sync import batch as b
from central_sync import uploads
from central_sync.partials import FOLDER, SUFFIX
from central_sync.registry import tables
from central_sync.registry.engines import open_engine
from central_sync.seal import photo_message
from edge.children import free_ports
from lanes import record as r
from tests.central_parts import Lane, digest

LARGE = 5_000_000
WAIT_S = 60.0  # bounds each wait


def large_photo(size: int = LARGE, seed: int = 1) -> bytes:
    """A photo of so many bytes, different for each seed."""
    return b"\xff\xd8\xff\xe0" + random.Random(seed).randbytes(size - 4)


def named(lane: Lane, *pictures: bytes) -> Lane:
    """The lane, with a record that names each photo."""
    for picture in pictures:
        body = r.Photographed(shot="0111", photo=digest(picture), size_bytes=len(picture))
        lane.write(body, "a1")
    return lane


class Hand:
    """Hands photos to a registry by hand, whole or in parts."""

    def __init__(self, url: str, lane: Lane) -> None:
        self.client, self.lane = httpx.Client(base_url=url, timeout=60), lane

    def __enter__(self) -> "Hand":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def send_records(self) -> None:
        body = b.encode_batch(self.lane.batch())
        self.client.post("/v1/batches", content=body, headers={"Content-Encoding": "zstd"}).raise_for_status()

    def signed(self, sha256: str) -> dict[str, str]:
        signature = self.lane.key.sign(photo_message(self.lane.node, sha256))
        return {"Chayan-Node": self.lane.node, "Chayan-Signature": signature}

    def put(self, picture: bytes, **headers: str) -> httpx.Response:
        sha256 = digest(picture)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.put(f"/v1/photos/{sha256}", content=picture, headers=self.signed(sha256) | fields)

    def head(self, sha256: str) -> httpx.Response:
        return self.client.head(f"/v1/photos/{sha256}/upload", headers=self.signed(sha256))

    def offset(self, sha256: str) -> int:
        answer = self.head(sha256)
        assert answer.status_code == 204, answer.text
        return int(answer.headers[uploads.OFFSET])

    def patch(
        self, sha256: str, offset: int, part: bytes, complete: bool = False, **changed: Any
    ) -> httpx.Response:
        """One part; ``changed``: headers that are sent otherwise, None for not at all."""
        headers = self.signed(sha256) | uploads.fields(offset, complete) | {"Content-Type": uploads.MEDIA}
        headers |= {name.replace("_", "-"): value for name, value in changed.items()}
        sent = {name: value for name, value in headers.items() if value is not None}
        return self.client.patch(f"/v1/photos/{sha256}/upload", content=part, headers=sent)


def partial_files(photos: Path) -> list[Path]:
    """Uploads that are not whole, in a registry's folder of photos."""
    return sorted((photos / FOLDER).glob(f"*/*{SUFFIX}"))


def held_photos(dsn: str) -> int:
    """How many photos are marked as held."""
    engine = open_engine(dsn)
    query = sa.select(sa.func.count()).select_from(tables.photos).where(tables.photos.c.held.is_(True))
    try:
        with engine.connect() as connection:
            return int(connection.execute(query).scalar_one())
    finally:
        engine.dispose()


class Line:
    """A TCP line to a port that counts bytes, cuts each connection after so many of them, or is slow."""

    def __init__(self, upstream: int, cut_after: int | None = None, bytes_per_s: float = 0.0) -> None:
        self._upstream, self.cut_after, self.bytes_per_s = upstream, cut_after, bytes_per_s
        self.up = self.cuts = 0

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[str]:
        """Its address while it stands."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        down = asyncio.create_task(self._copy(theirs, writer))
        try:
            await self._forward(reader, ours)
        finally:
            down.cancel()
            for end in (ours, writer):
                end.close()

    async def _forward(self, reader: asyncio.StreamReader, ours: asyncio.StreamWriter) -> None:
        """Upwards, until the end or the cut."""
        left = self.cut_after
        with contextlib.suppress(OSError):
            while piece := await reader.read(16384):
                piece = piece if left is None else piece[:left]
                self.up += len(piece)
                ours.write(piece)
                await ours.drain()
                if self.bytes_per_s:
                    await asyncio.sleep(len(piece) / self.bytes_per_s)
                if left is not None:
                    left -= len(piece)
                    if not left:
                        self.cuts += 1
                        return

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()


class Central:
    """``chayan central`` in a process of its own, on the same folder and port whenever it is started."""

    def __init__(self, folder: Path, lane: Lane) -> None:
        self.folder, self.photos = folder, folder / "photos"
        self.dsn = f"sqlite:///{folder / 'registry.sqlite'}"
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [
            sys.executable, "-m", "edge", "central", "--dsn", self.dsn, "--photos", str(self.photos),
            "--port", str(self.port), "--allow-simulated",
            "--node", f"{lane.site}/{lane.node}={lane.key.public}",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with (self.folder / "registry.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=Path(__file__).parents[1], stdout=log, stderr=log
            )
        until = time.monotonic() + WAIT_S
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/healthz").is_success:
                    return
            assert time.monotonic() < until and self._process.poll() is None, "the registry did not start"
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)


@contextlib.contextmanager
def central(folder: Path, lane: Lane) -> Iterator[Central]:
    """A registry process that knows the lane."""
    made = Central(folder, lane)
    made.start()
    try:
        yield made
    finally:
        made.kill()

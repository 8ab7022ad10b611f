"""Continuous copies for tests: litestream beside a writing journal, and a real S3 server to copy to."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.brokers import BrokerProcess, free_port

BIN = Path(sys.executable).parent
BUCKET = "journals"
IDENTITIES = """{"identities": [{"name": "t", "actions": ["Admin", "Read", "Write", "List"],
 "credentials": [{"accessKey": "test", "secretKey": "secret"}]}]}"""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where litestream copies to; ``more``: further lines of a replica, ``query``: the same in a URL."""

    url: str
    more: str = ""
    query: str = ""


@contextmanager
def s3_server(folder: Path) -> Iterator[Place]:
    """SeaweedFS with an empty bucket, stopped at the end."""
    folder.mkdir()
    (folder / "s3.json").write_text(IDENTITIES, "ascii")
    ports = {
        f"-{part}.port{kind}": free_port()
        for part in ("master", "volume", "filer", "s3")
        for kind in ("", ".grpc")
    }
    command = [str(BIN / "weed"), "server", "-dir", str(folder), "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1"]
    command += ["-filer", "-s3", "-s3.config", str(folder / "s3.json"), "-volume.max", "4"]
    command += ["-master.volumeSizeLimitMB", "64", "-s3.port.iceberg", "0", "-s3.port.lance", "0"]
    command += [str(each) for pair in ports.items() for each in pair]
    endpoint = f"http://127.0.0.1:{ports['-s3.port']}"
    with BrokerProcess(command, ports["-s3.port"], folder / "log"):
        bucket = f"http://127.0.0.1:{ports['-filer.port']}/buckets/{BUCKET}/"
        until(lambda: _made(bucket))
        yield Place(
            url=f"s3://{BUCKET}/node-1",
            more=f"      endpoint: {endpoint}\n      force-path-style: true\n      region: us-east-1\n",
            query=f"?endpoint={endpoint}&forcePathStyle=true&region=us-east-1",
        )


def _made(folder: str) -> bool:
    try:
        return httpx.post(folder, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until something holds; fails when it never does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.1)


class Litestream:
    """litestream with the configuration that docs/operations.md gives for a node's folder."""

    def __init__(self, node: Path, place: Place, config: Path) -> None:
        self._place, self._config = place, config
        config.write_text(
            f'dbs:\n  - dir: {node}\n    pattern: "*.sqlite"\n    watch: true\n'
            f"    replica:\n      url: {place.url}\n{place.more}",
            "utf-8",
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Begins to copy."""
        with self._config.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(self._command("replicate"), env=_environment(), stdout=log, stderr=log)

    def catch_up(self) -> None:
        """Copies what there is, and ends."""
        subprocess.run(
            self._command("replicate", "-once"),
            env=_environment(),
            timeout=120,
            check=True,
            capture_output=True,
        )

    def has(self, name: str) -> bool:
        """Whether a copy of this database can be restored."""
        found = subprocess.run(
            [str(BIN / "litestream"), "restore", "-dry-run", "-o", f"{self._config}.dry", self._url(name)],
            env=_environment(), timeout=60, check=False, capture_output=True,
        )  # fmt: skip
        return found.returncode == 0

    def restore(self, names: list[str], folder: Path) -> None:
        """Makes the newest copy of each database in a folder; what was never copied is left out."""
        folder.mkdir()
        for name in names:
            options = ["-if-replica-exists", "-integrity-check", "full", "-o", str(folder / name)]
            subprocess.run(
                [str(BIN / "litestream"), "restore", *options, self._url(name)],
                env=_environment(), timeout=120, check=True, capture_output=True,
            )  # fmt: skip

    def _url(self, name: str) -> str:
        return f"{self._place.url}/{name}{self._place.query}"

    def _command(self, *words: str) -> list[str]:
        return [str(BIN / "litestream"), *words, "-config", str(self._config)]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
    return {**kept, **KEYS}

"""A real review process with a node before it that asks whatever it is told to, well-formed or not."""

import contextlib
import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SITE = """[site]
id = "asking"
title = "asking"
[node]
name = "asking"
folder = "node"
[api]
port = {port}
"""
LONGEST_S = 120.0  # for one answer
POLL_S = 0.5  # how long a poll waits for a question

Due = dict[str, Any]


class Silence(Exception):
    """The review process did not answer, or has ended; the text says which, and what it said last."""


@dataclass
class Node:
    """What is asked and what was answered. Every photo is known by its digest."""

    photos: dict[str, bytes] = field(default_factory=dict)
    asked: deque[Due] = field(default_factory=deque)
    answers: "queue.Queue[Due]" = field(default_factory=queue.Queue)
    taken: list[Due] = field(default_factory=list)
    given: threading.Event = field(default_factory=threading.Event)
    polled: threading.Event = field(default_factory=threading.Event)

    def photo(self, content: bytes) -> str:
        """Keeps a photo; its digest."""
        digest = hashlib.sha256(content).hexdigest()
        self.photos[digest] = content
        return digest

    def due(self, wait_s: float) -> list[Due]:
        """The next question, if there is one in time."""
        self.polled.set()
        self.given.wait(min(wait_s, POLL_S))
        self.given.clear()
        return [self.asked.popleft()] if self.asked else []


def due(
    node: Node, content: bytes, question: str, *, seq: int, shot: str = "0111", expected: str = ""
) -> Due:
    """A well-formed question about a photo."""
    return {
        "inspection": f"visit-{seq}",
        "photo_seq": seq,
        "photo": node.photo(content),
        "shot": shot,
        "question": question,
        "expected": expected,
        "plated": True,
    }


class Asker:
    """Asks the running process; for one thread at a time."""

    def __init__(self, node: Node, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.node, self._process, self._log = node, process, log

    def ask(self, question: Due) -> Due:
        """The body of the answer, as it was posted. Raises Silence."""
        self.send(question)
        return self.answer()

    def send(self, question: Due) -> None:
        """Puts a question to the process."""
        self.node.asked.append(question)
        self.node.given.set()

    def answer(self, within_s: float = LONGEST_S) -> Due:
        """The next answer. Raises Silence."""
        until = time.monotonic() + within_s
        while self._process.poll() is None and time.monotonic() < until:
            try:
                return self.node.answers.get(timeout=1)
            except queue.Empty:
                continue
        raise Silence(f"no answer; exit {self._process.poll()}; it said: {self.said()}")

    def said(self) -> str:
        """The last that the process logged."""
        return self._log.read_text(errors="replace")[-2000:]

    def resident_mb(self) -> tuple[float, float]:
        """Resident now, and at its peak."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return tuple(int(lines[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value]

    def cpu_s(self) -> float:
        """Seconds of a core that it has taken so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def asking(room: Path, *, threads: int = 1) -> Iterator[Asker]:
    """A review process of its own folder, until the block ends. It has polled once: it is ready."""
    node = Node()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _door(node))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site, log = room / "site.toml", room / "reviews.log"
    site.write_text(SITE.format(port=server.server_address[1]))
    with log.open("wb") as sink:
        command = [sys.executable, "-m", "edge", "review", "follow", str(site), "--threads", str(threads)]
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2], stderr=sink, stdout=sink)
    asker = Asker(node, process, log)
    try:
        until = time.monotonic() + LONGEST_S
        while not node.polled.wait(0.005):
            if process.poll() is not None or time.monotonic() > until:
                raise Silence(f"it did not start; exit {process.poll()}; it said: {asker.said()}")
        yield asker
    finally:
        process.terminate()
        process.wait(30)
        server.shutdown()
        server.server_close()


def _door(node: Node) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path == "/api/v1/reviews/due":
                wait_s = float(query.removeprefix("wait=") or 0)
                self.told({"due": node.due(wait_s), "models": ""})
            elif path == "/api/v1/reviews/photos":
                after = int(query.removeprefix("after="))
                fresh = [each for each in node.taken if each["photo_seq"] > after]
                self.told({"photos": fresh, "through": max((e["photo_seq"] for e in fresh), default=2**40)})
            elif (content := node.photos.get(path.rpartition("/")[2])) is not None:
                self.told(content)
            else:
                self.told({}, HTTPStatus.NOT_FOUND)

        def do_POST(self) -> None:
            node.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.told({"seq": 1}, HTTPStatus.CREATED)

        def told(self, said: Any, status: int = HTTPStatus.OK) -> None:
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # it was ended as it polled
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    return Door

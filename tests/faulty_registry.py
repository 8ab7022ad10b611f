"""A real registry in its own process that fails on order; run by test_central_courier.py.

``python -m tests.faulty_registry SETTINGS PORT FAULTS``: each POST of a batch takes the first line of
the file FAULTS: ``ok``, ``die-before`` and ``die-after`` (SIGKILL before the batch is taken, or after its
commit and before the answer), ``lose`` (commit, then close the connection without an answer).
"""

import os
import signal
import sys
from pathlib import Path

import msgspec
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from central_sync.registry.api import Enrolled, RegistrySettings, build_app


class Faulty:
    """ASGI layer that takes orders from a file; what is left of them survives the process."""

    def __init__(self, app: ASGIApp, orders: Path) -> None:
        self.app, self.orders = app, orders

    def next_order(self) -> str:
        lines = self.orders.read_text().split()
        self.orders.write_text("\n".join(lines[1:]))
        return lines[0] if lines else "ok"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        order = self.next_order() if scope.get("method") == "POST" else "ok"
        if order == "die-before":
            os.kill(os.getpid(), signal.SIGKILL)

        async def told(message: Message) -> None:
            if order == "die-after":
                os.kill(os.getpid(), signal.SIGKILL)
            if order == "lose":
                raise ConnectionAbortedError("the answer is lost on purpose")
            await send(message)

        await self.app(scope, receive, told)


def main() -> None:
    """Serves until it is told to die."""
    settings, port, orders = sys.argv[1:]
    known = msgspec.json.decode(Path(settings).read_bytes())
    nodes = tuple(Enrolled(**node) for node in known.pop("nodes"))
    app = build_app(
        RegistrySettings(
            dsn=known["dsn"], photos_dir=Path(known["photos_dir"]), allow_simulated=True, nodes=nodes
        )
    )
    config = uvicorn.Config(
        Faulty(app, Path(orders)), "127.0.0.1", int(port), log_level="critical", ws="none"
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()

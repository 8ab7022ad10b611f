"""A server that takes requests and keeps nothing. ``python -m benchmarks.parts.sink PORT``."""

import sys

import uvicorn
from starlette.types import Receive, Scope, Send


async def sink(_: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and answers 201."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def main() -> None:
    """Serves until it is ended, set up as the registry's server is."""
    config = uvicorn.Config(sink, port=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()

"""Runs the central registry: settings from the command line, pages from the package."""

import asyncio
from pathlib import Path

import sqlalchemy as sa

from central_sync.registry.api import Enrolled, RegistrySettings, build_app
from central_sync.registry.engines import DsnError
from central_sync.seal import KeyTrouble
from edge.agent import bind, serve, stop_on_signals
from edge.compose import pages_folder


class CentreError(Exception):
    """The registry cannot start; the text says which setting is wrong and how it should look."""


def enrolled(text: str, allow_simulated: bool) -> Enrolled:
    """A node from SITE/NODE=PUBLICKEY; raises CentreError."""
    place, equals, key = text.partition("=")
    site, slash, node = place.partition("/")
    if not (equals and slash and site and node and key):
        raise CentreError(f"--node {text!r}: write SITE/NODE=PUBLICKEY, as `chayan node-key FILE` prints it")
    return Enrolled(site=site, node=node, public_key=key, allow_simulated=allow_simulated)


async def run_centre(
    dsn: str, photos: Path, host: str, port: int, nodes: tuple[str, ...], allow_simulated: bool
) -> None:
    """Serves the registry until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        settings = RegistrySettings(
            dsn=dsn,
            photos_dir=photos,
            pages_dir=pages_folder(),
            key_file=photos / "registry.key",
            allow_simulated=allow_simulated,
            nodes=tuple(enrolled(text, allow_simulated) for text in nodes),
        )
        photos.mkdir(parents=True, exist_ok=True)
        app = await asyncio.to_thread(build_app, settings)
    except (DsnError, KeyTrouble, ValueError, OSError) as error:
        raise CentreError(str(error)) from error
    except sa.exc.SQLAlchemyError as error:
        why = " ".join(str(getattr(error, "orig", None) or error).split())  # PostgreSQL says it on many lines
        raise CentreError(f"--dsn: {why}") from error
    except ImportError as error:
        raise CentreError(f"--dsn: no driver ({error}); pip install 'chayan[pg]'") from error
    await serve(app, bind(host, port), stop)

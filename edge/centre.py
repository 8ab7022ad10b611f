"""Runs the central registry: settings from the command line, pages from the package."""

import asyncio
import ssl
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import sqlalchemy as sa
import structlog

from central_sync.photos import Photos
from central_sync.registry.api import Enrolled, RegistrySettings, build_app
from central_sync.registry.engines import DsnError
from central_sync.registry.form_routes import Printer
from central_sync.seal import ALGORITHM, KeyTrouble, NodeKey
from central_sync.sweep import sweep_broken
from edge.agent import Tls, bind, keep_running, serve
from edge.compose import pages_folder
from edge.rulebook import RulesError, read_rulebook
from edge.starting import stop_on_signals
from lanes.forms import FormKind, Kept

KEY_FILE = "registry.key"
SWEEP_S = 86_400.0

log = structlog.get_logger("chayan.registry")

Signature: TypeAlias = Literal["ed25519", "sm2"]


class CentreError(Exception):
    """The registry cannot start; the text says which setting is wrong and how it should look."""


def enrolled(text: str, allow_simulated: bool) -> Enrolled:
    """A node from SITE/NODE=PUBLICKEY; raises CentreError."""
    place, equals, key = text.partition("=")
    site, slash, node = place.partition("/")
    if not (equals and slash and site and node and key):
        raise CentreError(f"--node {text!r}: write SITE/NODE=PUBLICKEY, as `chayan node-key FILE` prints it")
    return Enrolled(site=site, node=node, public_key=key, allow_simulated=allow_simulated)


def registry_key(photos: Path, signature: Signature | None = None) -> NodeKey:
    """The key with which the registry of a photo folder countersigns; made once, of the kind asked for.

    Raises KeyTrouble, also when the key that is there is of another kind.
    """
    path = photos / KEY_FILE
    key = NodeKey.load_or_create(path, signature or ALGORITHM)
    if signature not in (None, key.algorithm):
        raise KeyTrouble(
            f"{path} holds a key of the kind {key.algorithm}, not {signature}. Nodes have pinned it: leave "
            f"--signature out to go on with it, or move it away and pin the new one at every node"
        )
    return key


def printer() -> Printer:
    """Draws forms by the rules installed here, in the time zone of China. Raises RulesError."""
    rulebook = read_rulebook()

    def draw(kind: FormKind, kept: Kept, photos: Photos, by: str) -> bytes:
        from edge.printing import Office, printed, source_of  # 50 MB that a registry need not

        office = Office(rulebook=rulebook)
        return printed(kind, kept, office, source_of(photos), by)

    return draw


def tls_of(certificate: Path | None, key: Path | None) -> Tls | None:
    """Both files or none; raises CentreError when they cannot serve."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise CentreError("--tls-cert and --tls-key go together: name both PEM files, or neither")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise CentreError(f"--tls-cert {certificate}, --tls-key {key}: cannot be used: {error}") from error
    return Tls(certificate=certificate, key=key)


async def run_centre(
    dsn: str,
    photos: Path,
    host: str,
    port: int,
    nodes: tuple[str, ...],
    allow_simulated: bool,
    tls: Tls | None = None,
    signature: Signature | None = None,
) -> None:
    """Serves the registry until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        settings = RegistrySettings(
            dsn=dsn,
            photos_dir=photos,
            pages_dir=pages_folder(),
            key_file=photos / KEY_FILE,
            allow_simulated=allow_simulated,
            nodes=tuple(enrolled(text, allow_simulated) for text in nodes),
            printer=printer(),
        )
        registry_key(photos, signature)
        app = await asyncio.to_thread(build_app, settings)
    except (DsnError, KeyTrouble, RulesError, ValueError, OSError) as error:
        raise CentreError(str(error)) from error
    except sa.exc.SQLAlchemyError as error:
        why = " ".join(str(getattr(error, "orig", None) or error).split())  # PostgreSQL says it on many lines
        raise CentreError(f"--dsn: {why}") from error
    except ImportError as error:
        raise CentreError(f"--dsn: no driver ({error}); pip install 'chayan[pg]'") from error
    sweeping = asyncio.create_task(keep_running("sweep", partial(_sweep, Photos(photos))))
    try:
        await serve(app, bind(host, port), stop, tls=tls)
    finally:
        sweeping.cancel()


async def _sweep(photos: Photos) -> None:
    """Once a day: what broken uploads have left."""
    while True:
        if swept := await asyncio.to_thread(sweep_broken, photos):
            log.info("swept", broken_uploads=swept)
        await asyncio.sleep(SWEEP_S)

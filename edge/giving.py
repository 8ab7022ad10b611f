"""The command ``chayan direct``: the centre tells its nodes."""

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from edge.failing import fail

direct_app = typer.Typer(help="What the centre tells its nodes.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE")]
Dsn = Annotated[str, typer.Option(help="Database of the registry, as `chayan central` has it")]
Photos = Annotated[Path, typer.Option(help="Folder of the photos and of registry.key")]
Nodes = Annotated[
    list[str], typer.Option(help="SITE/NODE, SITE/* (all of a site) or */*; may stand several times")
]
Version = Annotated[
    str, typer.Option(help="What people call it, at most 80 characters; default: begin of its digest")
]


@direct_app.command("order")
def order_command(file: File, dsn: Dsn, photos: Photos, node: Nodes) -> None:
    """Give a work order to nodes; its key makes a repetition harmless."""
    import msgspec

    from edge.orders import OrderPost

    content = _content(file)
    try:
        post = msgspec.json.decode(content, type=OrderPost)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        fail(f"{file}: is no order: {error}")
    _give(dsn, photos, node, "order", post.key[:80], content)


@direct_app.command("blacklist")
def blacklist_command(file: File, dsn: Dsn, photos: Photos, node: Nodes) -> None:
    """Give a black list to nodes; it replaces the one they have."""
    import msgspec

    from edge.blacklist import parse

    content = _content(file)
    try:
        listed = parse(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        fail(f"{file}: is no black list: {error}")
    _give(dsn, photos, node, "blacklist", listed.version, content)


@direct_app.command("rules")
def rules_command(
    dsn: Dsn,
    photos: Photos,
    node: Nodes,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Rules (*.toml); without it those installed")
    ] = None,
    version: Version = "",
) -> None:
    """Give rules to nodes; they hold for what is ordered from then on."""
    from edge.rulebook import RulesError, pack

    try:
        content = b"{}" if folder is None else pack(folder)
    except RulesError as error:
        fail(str(error))
    _give(dsn, photos, node, "rules", version or ("" if folder else "installed"), content)


@direct_app.command("models")
def models_command(file: File, dsn: Dsn, photos: Photos, node: Nodes, version: Version = "") -> None:
    """Give thresholds of the models to nodes: a catalog.toml that may leave out what stays."""
    from models.catalog import WeightsError, overridden

    content = _content(file)
    try:
        overridden(content)
    except WeightsError as error:
        fail(f"{file}: {error}")
    _give(dsn, photos, node, "models", version, content)


@direct_app.command("configuration")
def configuration_command(file: File, dsn: Dsn, photos: Photos, version: Version = "") -> None:
    """Give a site file to the node it names; its operator restarts the node with it."""
    from edge.settings import SettingsError, read

    content = _content(file)
    try:
        site = read(content, file)
    except SettingsError as error:
        fail(str(error))
    _give(dsn, photos, [f"{site.site.id}/{site.node.name}"], "configuration", version, content)


@direct_app.command("list")
def list_command(
    dsn: Dsn,
    node: Annotated[str, typer.Option(help="SITE/NODE, SITE/* (all of a site) or */*")] = "*/*",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first")] = 200,
) -> None:
    """List directives with what became of them."""
    import sqlalchemy as sa

    from central_sync.registry.directives import DirectiveError, listed
    from central_sync.registry.engines import DsnError, open_engine
    from central_sync.registry.schema import prepare

    try:
        engine = open_engine(dsn)
        try:
            prepare(engine)
            rows = listed(engine, node, limit)
        finally:
            engine.dispose()
    except (DirectiveError, DsnError, OSError, sa.exc.SQLAlchemyError) as error:
        fail(str(error))
    for row in rows:
        state, why = row["outcome"] or "waiting", row["why"] or ""
        place = f"{row['site']}/{row['node']} {row['number']}"
        typer.echo(f"{place} {row['subject']} {row['version']}: {state} {why}".rstrip())


def _give(dsn: str, photos: Path, patterns: list[str], subject: str, version: str, body: bytes) -> None:
    import sqlalchemy as sa

    from central_sync.registry.directives import DirectiveError, give, places
    from central_sync.registry.engines import DsnError, open_engine
    from central_sync.registry.schema import prepare
    from central_sync.seal import KeyTrouble
    from edge.centre import registry_key

    version = version or hashlib.sha256(body).hexdigest()[:12]
    try:
        engine, key = open_engine(dsn), registry_key(photos)
        try:
            prepare(engine)
            for site, node in dict.fromkeys(place for each in patterns for place in places(engine, each)):
                number = give(engine, key, site, node, subject, version, body)
                typer.echo(f"{site}/{node}: {subject} {version}, number {number}")
        finally:
            engine.dispose()
    except (DirectiveError, DsnError, KeyTrouble, OSError, sa.exc.SQLAlchemyError) as error:
        fail(str(error))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror or error}")

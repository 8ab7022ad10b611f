"""Directives at the node, taken or refused one after the other; and the command that gives them."""

import asyncio
import random
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import structlog
import typer

from central_sync.centre import Trouble
from central_sync.directives import Directive, Pull, Subject
from central_sync.journal import RetiredError
from edge import blacklist
from edge.acts import ActError
from edge.desk import REFERENCE, Desk
from edge.orders import OrderPost, place
from lanes.record import Directed

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)

log = structlog.get_logger("chayan.directives")
direct_app = typer.Typer(help="What the centre tells its nodes.", no_args_is_help=True)
_random = random.SystemRandom()


class RefusedError(Exception):
    """A directive cannot be taken; the text is the acknowledgement's reason."""


class Directing:
    """Pulls directives for ever and acts on each; the record of it is its acknowledgement."""

    def __init__(self, desk: Desk, pull: Pull, destination: str) -> None:
        self._desk, self._pull, self._destination = desk, pull, destination
        self._source = f"{desk.prefix}agent"
        self._number = 0

    async def run(self) -> None:
        """Until cancelled."""
        self._number = await asyncio.to_thread(self._last)
        failed = 0
        while True:
            try:
                for directive in await self._pull.after(self._number):
                    await self.take(directive)
            except Trouble as trouble:
                self._desk.alarm("directives", f"中心指令：{trouble.zh}", f"directives: {trouble.en}")
                pause = PAUSES_S[min(failed, len(PAUSES_S) - 1)]
                failed += 1
                await asyncio.sleep(max(trouble.wait, _random.uniform(pause / 2, pause)))
            else:
                self._desk.calm("directives")
                failed = 0

    def _last(self) -> int:
        """Number of the last directive that this node has acknowledged."""
        number = 0
        while self._is_known(number + 1):
            number += 1
        return number

    def _is_known(self, number: int) -> bool:
        try:
            return self._desk.journal.find(self._source, f"directive/{number}") is not None
        except RetiredError:
            return True

    async def take(self, directive: Directive) -> None:
        """Acts, then records it. Killed in between it is done again, to the same effect."""
        try:
            await self._act(directive)
            outcome, why = "taken", ""
        except RefusedError as error:
            outcome, why = "refused", str(error)
        body = Directed(
            number=directive.number,
            subject=directive.subject,
            version=directive.version,
            sha256=directive.sha256,
            outcome=outcome,  # type: ignore[arg-type]
            why=why[:2000],
        )
        await self._desk.append(self._source, f"directive/{directive.number}", body)
        self._number = directive.number
        log.info("directive", number=directive.number, subject=directive.subject, outcome=outcome, why=why)

    async def _act(self, directive: Directive) -> None:
        match directive.subject:
            case "order":
                await self._order(directive)
            case "blacklist":
                await self._blacklist(directive)
            case _:
                raise RefusedError(
                    f"本版本节点不接受 {directive.subject} 指令 · this version of a node takes no directive "
                    f"about {directive.subject}"
                )

    async def _order(self, directive: Directive) -> None:
        """A work order takes the same road as a clerk's."""
        try:
            post = msgspec.json.decode(directive.content(), type=OrderPost)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RefusedError(f"no order: {error}") from error
        source = f"{self._desk.prefix}{self._destination}/{post.ordered_by}"
        try:
            await place(self._desk, post, source)
        except ActError as error:
            raise RefusedError(f"{error.zh} · {error.en}") from error

    async def _blacklist(self, directive: Directive) -> None:
        folder = self._desk.site.node.folder / REFERENCE
        try:
            taken = await asyncio.to_thread(blacklist.keep, folder, directive.content())
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RefusedError(f"no black list: {error}") from error
        self._desk.blacklist = taken
        self._desk.ring()


# ---- the centre's command ------------------------------------------------------------------------

Dsn = Annotated[str, typer.Option(help="Database of the registry, as `chayan central` has it")]
Photos = Annotated[Path, typer.Option(help="Folder of the photos and of registry.key")]
Nodes = Annotated[list[str], typer.Option(help="SITE/NODE; may stand several times")]


@direct_app.command("order")
def order_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON as POST /api/v1/orders takes it")],
    dsn: Dsn,
    photos: Photos,
    node: Nodes,
) -> None:
    """Give a work order to nodes; its key makes a repetition harmless."""
    try:
        post = msgspec.json.decode(file.read_bytes(), type=OrderPost)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        _fail(f"{file}: is no order: {error}")
    _give(dsn, photos, node, "order", post.key[:80], file.read_bytes())


@direct_app.command("blacklist")
def blacklist_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON: version and entries")],
    dsn: Dsn,
    photos: Photos,
    node: Nodes,
) -> None:
    """Give a black list to nodes; it replaces the one they have."""
    try:
        taken = msgspec.json.decode(file.read_bytes(), type=blacklist.Blacklist)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        _fail(f"{file}: is no black list: {error}")
    _give(dsn, photos, node, "blacklist", taken.version, file.read_bytes())


def _give(dsn: str, photos: Path, nodes: list[str], subject: Subject, version: str, body: bytes) -> None:
    import sqlalchemy as sa

    from central_sync.registry.directives import DirectiveError, give
    from central_sync.registry.engines import DsnError, create_all, open_engine
    from central_sync.seal import KeyTrouble
    from edge.centre import registry_key

    try:
        engine, key = open_engine(dsn), registry_key(photos)
        create_all(engine)
        for each in nodes:
            site, slash, name = each.partition("/")
            if not (site and slash and name):
                raise DirectiveError(f"--node {each!r}: write SITE/NODE")
            number = give(engine, key, site, name, subject, version, body)
            typer.echo(f"{each}: {subject} {version}, number {number}")
        engine.dispose()
    except (DirectiveError, DsnError, KeyTrouble, OSError, sa.exc.SQLAlchemyError) as error:
        _fail(str(error))


@direct_app.command("list")
def list_command(dsn: Dsn) -> None:
    """List directives with what became of them."""
    import sqlalchemy as sa

    from central_sync.registry.directives import listed
    from central_sync.registry.engines import DsnError, create_all, open_engine

    try:
        engine = open_engine(dsn)
        create_all(engine)
        rows = listed(engine)
        engine.dispose()
    except (DsnError, OSError, sa.exc.SQLAlchemyError) as error:
        _fail(str(error))
    for row in rows:
        state = row["outcome"] or "waiting"
        typer.echo(
            f"{row['site']}/{row['node']} {row['number']} {row['subject']} {row['version']}: {state} "
            f"{row['why'] or ''}".rstrip()
        )


def _fail(text: str) -> NoReturn:
    typer.echo(text, err=True)
    raise typer.Exit(1)

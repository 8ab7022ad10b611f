"""The command ``chayan pull``: what has changed at a registry, into a file that holds each change once."""

import contextlib
from pathlib import Path
from typing import Annotated

import httpx
import stamina
import typer

from central_sync.pulling import Changes, Into, Of, Passing, Puller, PullError
from edge.auditing import TargetError, authorities
from edge.failing import fail

WAIT_S = 30  # s that a question waits for news
TRIES_S, PAUSE_S = 120.0, 15.0  # a registry that is away: for so long, with at most such pauses


def pull_command(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the registry")],
    into: Annotated[
        Path,
        typer.Option(help="File of changes, a JSON line each; FILE.cursor beside it says how far it goes"),
    ],
    of: Annotated[Of, typer.Option(help="What a line is: an inspection as it stands now, or a record")] = (
        "inspections"
    ),
    site: Annotated[str, typer.Option(help="Only of this site")] = "",
    node: Annotated[str, typer.Option(help="Only of this node")] = "",
    kind: Annotated[
        list[str] | None, typer.Option(help="Only of records of this kind, such as judged; may be repeated")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on and wait for what comes, until interrupted")
    ] = False,
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificate of the registry's own authority, for https")
    ] = None,
) -> None:
    """Pull what has changed since the last time; nothing is lost or doubled, however it ends."""
    if not url.startswith(("http://", "https://")):
        fail(f"{url}: name an address such as https://registry.example")
    try:
        verify = authorities(ca_file)
    except TargetError as trouble:
        fail(str(trouble))
    count = 0
    try:
        with httpx.Client(base_url=url, verify=verify) as client:
            puller = Puller(client, of, site, node, kind or ())
            with contextlib.closing(Into(into, puller.asked)) as file:
                more = True
                while more or follow:
                    page = _again(puller, file.cursor, WAIT_S if follow and not more else 0)
                    file.add(page)
                    count, more = count + len(page.texts), page.more
    except KeyboardInterrupt:
        pass
    except (PullError, OSError, httpx.InvalidURL) as trouble:
        fail(f"{trouble}; {count} changes were written to {into}")
    typer.echo(f"{count} changes written to {into}")


@stamina.retry(on=Passing, attempts=None, timeout=TRIES_S, wait_max=PAUSE_S)
def _again(puller: Puller, cursor: str, wait_s: int) -> Changes:
    """As the puller, again while the registry is away for a moment."""
    return puller.page(cursor, wait_s)

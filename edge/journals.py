"""chayan journal: how the journal of a node stands, and mending one that is damaged or was rolled back."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.failing import fail

if TYPE_CHECKING:
    from central_sync.mending import Known

journal_app = typer.Typer(help="Look at, and mend, the journal of a node.", no_args_is_help=True)
SiteFileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The site file of the node")]


@journal_app.command("status")
def status_command(
    file: SiteFileArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
) -> None:
    """Walk the whole journal and say how far it holds; the node may be running."""
    from central_sync import mark, mending
    from central_sync.seal import KeyTrouble
    from central_sync.volumes import numbers_at, volume_path
    from edge.compose import JOURNAL_FILE
    from edge.settings import SettingsError, load

    try:
        site = load(file)
        path = site.node.folder / JOURNAL_FILE
        noted = mark.read(path, site.node.name)
    except (SettingsError, KeyTrouble) as error:
        fail(str(error))
    if not numbers_at(path):
        fail(f"{path} is not there: the node has not run yet, or its files were moved")
    stands = mending.sound(path, site.node.name)
    rolled_back = noted is not None and noted.seq > stands.seq
    facts = {
        "ok": not stands.why and not rolled_back,
        "records": stands.seq,
        "head": stands.head.hex(),
        "volumes": [volume_path(path, number).name for number in numbers_at(path)],
        "signed_through": None if noted is None else noted.seq,
        "why": stands.why,
    }
    typer.echo(json.dumps(facts) if as_json else _words(facts, rolled_back))
    raise typer.Exit(0 if facts["ok"] else 1)


def _words(facts: dict[str, object], rolled_back: bool) -> str:
    lines = [f"{facts['records']} 条记录完整 · records hold, head {facts['head']}"]
    if facts["why"]:
        lines.append(f"其后损坏 · beyond it: {facts['why']}")
    if rolled_back:
        lines.append(
            f"旧副本：节点已签到 {facts['signed_through']} · an older copy: this node has signed "
            f"record {facts['signed_through']}"
        )
    if facts["why"] or rolled_back:
        lines.append("停止节点后运行 · stop the node, then run: chayan journal mend FILE")
    return "\n".join(lines)


@journal_app.command("mend")
def mend_command(
    file: SiteFileArgument,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the registries")] = False,
    known: Annotated[
        str | None, typer.Option("--from", help="SEQ:HEAD that somebody else has seen, by hand")
    ] = None,
) -> None:
    """Set a damaged or rolled back journal aside, keep what holds, go on without contradiction."""
    from central_sync import mending
    from central_sync.seal import KeyTrouble
    from central_sync.volumes import JournalError, numbers_at
    from edge.compose import JOURNAL_FILE
    from edge.settings import SettingsError, load

    try:
        site = load(file)
        path = site.node.folder / JOURNAL_FILE
        if not numbers_at(path):
            fail(f"{path} is not there: nothing to mend")
        heads = [] if known is None else [_by_hand(known)]
        if not offline:
            heads += asyncio.run(_asked(file))
        source = "virtual+agent" if site.site.simulated else "agent"
        mended = mending.mend(path, site.node.name, heads, source)
    except (SettingsError, JournalError, KeyTrouble) as error:
        fail(str(error))
    typer.echo(f"保留至第 {mended.kept} 条 · kept through record {mended.kept}")
    if mended.goes_on_after > mended.kept:
        typer.echo(
            f"第 {mended.kept + 1} 至 {mended.goes_on_after} 条已不在本机（见于 {mended.known_from}） · "
            f"records {mended.kept + 1} to {mended.goes_on_after} are lost to this node, "
            f"known from {mended.known_from}"
        )
    for each in mended.set_aside:
        typer.echo(f"已移开 · set aside: {each}")


def _by_hand(text: str) -> "Known":
    from central_sync.mending import Known
    from central_sync.volumes import JournalError

    number, _, head = text.partition(":")
    try:
        seen = Known(seq=int(number), head=bytes.fromhex(head), where="--from")
    except ValueError as error:
        raise JournalError(f"--from {text!r}: write SEQ:HEAD, such as 120:9f…(64 hex digits)") from error
    if len(seen.head) != 32 or seen.seq < 1:
        raise JournalError(f"--from {text!r}: write SEQ:HEAD, such as 120:9f…(64 hex digits)")
    return seen


async def _asked(file: Path) -> "list[Known]":
    """How far each registry of the site holds the chain. Raises JournalError when one does not answer."""
    from central_sync.centre import Centre, Trouble
    from central_sync.mending import Known
    from central_sync.volumes import JournalError
    from edge.compose import node_key
    from edge.roads import client_of, ends_of
    from edge.settings import load

    site = load(file)
    heads = []
    for end in ends_of(site):
        async with client_of(end) as client:
            try:
                held = await Centre(client, site.site.id, site.node.name, node_key(site)).standing()
            except Trouble as trouble:
                raise JournalError(
                    f"{end.name} at {end.url} does not say how far it holds this journal: {trouble.en}. "
                    "Try again when it answers, or use --offline (and --from SEQ:HEAD) if it never will"
                ) from trouble
        if held.through:
            heads.append(Known(seq=held.through, head=bytes.fromhex(held.head), where=end.name))
    return heads

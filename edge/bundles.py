"""chayan bundle, and the loop of a node that has a one-way road."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
import typer

from central_sync.batch import encode_receipt
from central_sync.bundle import BundleError, open_bundle
from central_sync.centre import Trouble
from central_sync.courier import PHOTOS
from central_sync.ferry import Export, must_match, receipt_of
from central_sync.refusals import courier_source, refusals, words
from central_sync.seal import NodeKey
from edge.desk import Desk
from edge.failing import fail
from edge.settings import Bundles, SiteFile

log = structlog.get_logger("chayan.bundles")
bundle_app = typer.Typer(help="Signed files for a one-way road between two networks.", no_args_is_help=True)


def state_path(folder: Path, name: str) -> Path:
    """Where a node keeps how far its bundles are."""
    return folder / "bundles" / f"{name}.json"


class Ferrying:
    """Writes what is new into the folder ``out``, and settles the receipts that come into ``back``."""

    def __init__(self, desk: Desk, key: NodeKey, road: Bundles) -> None:
        self._desk, self._road = desk, road
        self._key = desk.site.registry.key if desk.site.registry else ""
        self._taken: set[tuple[str, float]] = set()
        self._export = Export(
            site=desk.site.site.id,
            node=desk.site.node.name,
            journal=desk.journal,
            photos=desk.photos,
            signer=key,
            out=road.out,
            state=state_path(desk.site.node.folder, road.name),
            size_bytes=road.size_mb << 20,
        )

    async def run(self) -> None:
        """Exports and settles until cancelled."""
        while True:
            try:
                for path in await asyncio.to_thread(self._export.export):
                    log.info("bundle written", file=path.name)
                self._desk.calm("bundles")
            except (BundleError, OSError) as trouble:
                self._desk.alarm("bundles", f"数据包未写出：{trouble}", f"no bundle was written: {trouble}")
            if self._road.back is not None and self._road.back.is_dir():
                await self._settle_all(self._road.back)
            await asyncio.sleep(self._road.every_s)

    async def _settle_all(self, back: Path) -> None:
        for path in sorted(back.glob("*.receipt.*.tar.zst")):
            seen = (path.name, path.stat().st_mtime)
            if seen in self._taken:
                continue
            try:
                await self._settle(path)
                self._desk.calm("bundle-receipt")
            except (BundleError, Trouble) as trouble:
                zh, en = f"回执包未采信：{trouble}", f"a receipt bundle is not believed: {trouble}"
                self._desk.alarm("bundle-receipt", zh, en)
            self._taken.add(seen)

    async def _settle(self, path: Path) -> None:
        """Settles one receipt; an older one changes nothing."""
        journal, site = self._desk.journal, self._desk.site
        came = await asyncio.to_thread(receipt_of, path, site.site.id, site.node.name, self._key)
        must_match(journal, site.node.name, came)
        through, settled = came.receipt.accepted_through, journal.receipts()
        name = self._road.name
        for refused in came.receipt.refused:
            self._desk.alarm("bundle-refused", *words(refused)[1:])
        source = courier_source(name, self._desk.prefix)
        if drafts := refusals(source, name, came.receipt, self._record):
            await journal.append(*drafts)
        if through > settled.get(name, 0):
            await journal.settle(name, through, encode_receipt(came.receipt))
        if not came.wanted and through > settled.get(f"{name}{PHOTOS}", 0):
            await journal.settle(f"{name}{PHOTOS}", through, b"{}")
        await asyncio.to_thread(self._export.want, came.wanted)

    def _record(self, seq: int) -> bytes:
        """Bytes of a record; none, where it is no longer here."""
        (row,) = self._desk.journal.rows(seq - 1, 1) or (None,)
        return b"" if row is None or row.seq != seq else row.data


@bundle_app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The site file of the node")],
    out: Annotated[Path | None, typer.Option(help="Folder; default: that of the site file")] = None,
) -> None:
    """Write everything that is new into bundles; the node may be running."""
    from central_sync.photos import Photos
    from central_sync.seal import KeyTrouble
    from central_sync.volumes import JournalError, JournalReader
    from edge.compose import JOURNAL_FILE, node_key
    from edge.settings import SettingsError, load

    try:
        site = load(file)
        road = _road(site, out)
        reader = JournalReader(site.node.folder / JOURNAL_FILE)
        export = Export(
            site=site.site.id,
            node=site.node.name,
            journal=reader,
            photos=Photos(site.node.folder / "photos"),
            signer=node_key(site),
            out=road.out,
            state=state_path(site.node.folder, road.name),
            size_bytes=road.size_mb << 20,
        )
        paths = export.export()
    except (SettingsError, JournalError, KeyTrouble, BundleError, OSError) as error:
        fail(str(error))
    for path in paths:
        typer.echo(str(path))
    if not paths:
        typer.echo("没有新内容 · nothing new", err=True)


def _road(site: SiteFile, out: Path | None) -> Bundles:
    if out is not None:
        return Bundles(out=out) if site.bundles is None else msgspec.structs.replace(site.bundles, out=out)
    if site.bundles is None:
        raise BundleError("the site file has no [bundles]; name a folder with --out")
    return site.bundles


@bundle_app.command("import")
def import_command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Bundles, or folders of them")],
    dsn: Annotated[str, typer.Option(help="Database of the registry, as `chayan central` has it")],
    photos: Annotated[Path, typer.Option(help="Folder of the photos, as `chayan central` has it")],
    back: Annotated[Path | None, typer.Option(help="Folder for receipts that go back to the nodes")] = None,
    allow_simulated: Annotated[
        bool, typer.Option(help="Take simulated records (never in production)")
    ] = False,
) -> None:
    """Take bundles into a registry; any of them any number of times."""
    import sqlalchemy as sa

    from central_sync.photos import Photos
    from central_sync.registry.accept import Policy
    from central_sync.registry.engines import DsnError, open_engine
    from central_sync.registry.ferry import import_all, write_receipt
    from central_sync.registry.schema import prepare
    from central_sync.seal import KeyTrouble
    from edge.centre import registry_key

    try:
        files = _files(paths)
        engine = open_engine(dsn)
        prepare(engine)
        key = registry_key(photos)
        policy = Policy(allow_simulated=allow_simulated, key=key)
        results = import_all(engine, Photos(photos), policy, files)
        if back is not None:
            good = [each.path for each in results if each.outcome in ("taken", "held")]
            opened = sorted(map(open_bundle, good), key=lambda bundle: bundle.number)
            for (site, node), number in {(b.site, b.node): b.number for b in opened}.items():
                write_receipt(engine, key, site, node, number, back)
        engine.dispose()
    except (DsnError, KeyTrouble, BundleError, OSError, sa.exc.SQLAlchemyError) as error:
        fail(str(error))
    for each in results:
        typer.echo(f"{each.path.name}: {each.zh}\n  {each.en}")
    raise typer.Exit(0 if all(each.outcome in ("taken", "held") for each in results) else 1)


def _files(paths: list[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(path.glob("*.tar.zst"))
        elif path.is_file():
            files.append(path)
        else:
            raise BundleError(f"{path} is not there; name bundles or folders of them")
    if not files:
        raise BundleError(f"no bundle (*.tar.zst) in {', '.join(map(str, paths))}")
    return files


@bundle_app.command("show")
def show_command(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A bundle")],
) -> None:
    """Print what a bundle says it is, after checking every part of it."""
    try:
        bundle = open_bundle(path)
        bundle.check()
    except BundleError as error:
        fail(str(error))
    shown = bundle.manifest
    facts = {name: getattr(shown, name) for name in shown.__struct_fields__ if name != "parts"}
    typer.echo(json.dumps(facts | {"parts": len(shown.parts), "signed": bundle.is_by([shown.public_key])}))

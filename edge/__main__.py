"""chayan: the command line. Every command ends with status 0 only for success."""

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import structlog
import typer

from edge.evaluating import eval_command
from edge.failing import fail
from edge.late import Late
from edge.shadows import shadow_command


class _Commands(Late):
    """What has a room of its own; the rest stands below."""

    places: ClassVar[Mapping[str, str]] = {
        "bundle": "edge.bundles:bundle_app",
        "capture": "edge.capturing:capture_command",
        "device-check": "edge.checking:check_command",
        "direct": "edge.giving:direct_app",
        "doctor": "edge.doctor:doctor_command",
        "journal": "edge.journals:journal_app",
        "judge": "edge.judging:judge_command",
        "print": "edge.papers:print_command",
        "pull": "edge.pulling:pull_command",
        "replay": "edge.replaying:replay_command",
        "rules": "edge.rules:rules_app",
        "verify": "edge.verifying:verify_command",
    }


app = typer.Typer(
    name="chayan",
    cls=_Commands,
    help="查验 Chayan: vehicle inspection from lane to registry.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
review_app = typer.Typer(
    help="Review photos with the models of this node: plates and VINs.", no_args_is_help=True
)
app.add_typer(review_app, name="review")
SiteArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A site file, see configs/site.example.toml")
]
Signature = Annotated[
    Literal["ed25519", "sm2"] | None,
    typer.Option(help="Kind of the registry's key, made at first use; sm2 needs chayan[gm]"),
]
Photos = Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Image files (JPEG, PNG …)")]


def log_to_stderr() -> None:
    """One JSON line an event, on standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)


@app.command()
def run(file: SiteArgument) -> None:
    """Run the agent of a lane node: devices, workflow, journal, pages, courier."""
    from central_sync.seal import KeyTrouble
    from central_sync.volumes import JournalError
    from edge.agent import AddressTaken
    from edge.compose import run_node
    from edge.rulebook import RulesError
    from edge.settings import SettingsError

    log_to_stderr()
    try:
        asyncio.run(run_node(file))
    except (SettingsError, RulesError, JournalError, AddressTaken, KeyTrouble) as error:
        fail(str(error))


@app.command()
def check(
    file: SiteArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")] = False,
) -> None:
    """Validate a site file and the rules without starting anything."""
    from edge.compose import equipment
    from edge.rulebook import RulesError, read_rulebook
    from edge.rules import left_out_warnings, must_know_left_out
    from edge.settings import SettingsError, load
    from models.catalog import WeightsError, must_be_whole

    try:
        site, rules = load(file), read_rulebook()
        must_know_left_out(file, site, rules)
        equipment(file, site)
        if site.shadow is not None:
            must_be_whole(site.shadow.candidate)
    except (SettingsError, RulesError, WeightsError) as error:
        if as_json:
            typer.echo(json.dumps({"ok": False, "problems": str(error).splitlines()}, ensure_ascii=False))
            raise typer.Exit(1) from None
        fail(str(error))
    facts = {
        "ok": True,
        "site": site.site.id,
        "node": site.node.name,
        "lanes": [lane.name for lane in site.lanes],
        "devices": [entry.name for entry in site.devices],
        "rules": rules.name,
        "rules_sha256": rules.rules_sha256,
        "warnings": left_out_warnings(site, rules),
    }
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
    else:
        typer.echo(f"{file}: good. {len(site.lanes)} lanes, {len(site.devices)} devices, rules {rules.name}")
        for warning in left_out_warnings(site, rules):
            typer.echo(f"warning: {warning}")


@review_app.command("plate")
def review_plate(
    photos: Photos,
    expect: Annotated[str | None, typer.Option(help="The plate it should be, such as 浙A12345")] = None,
) -> None:
    """Read (and compare) the plate of photos; one JSON line each."""
    _review("plate", photos, expect)


@review_app.command("vin")
def review_vin(
    photos: Photos,
    expect: Annotated[str | None, typer.Option(help="The VIN it should be, 17 characters")] = None,
) -> None:
    """Read (and compare) the VIN of photos; one JSON line each."""
    _review("vin", photos, expect)


@review_app.command("rubbing")
def review_rubbing(
    film: Annotated[Path, typer.Argument(metavar="RUBBING", help="Photo or scan of the rubbing (拓印膜)")],
    reference: Annotated[Path, typer.Argument(help="Photo of the struck VIN, or an earlier rubbing of it")],
    surface: Annotated[
        Literal["photo", "rubbing"], typer.Option("--reference-is", help="What the reference is")
    ] = "photo",
    heat: Annotated[
        Path | None, typer.Option(help="PNG: the reference's line, what differs in red", metavar="FILE")
    ] = None,
) -> None:
    """Read a rubbing and hold it against a photo or an earlier rubbing: same strike, or struck anew."""
    from models.catalog import WeightsError
    from models.cli import compare_rubbing

    try:
        raise typer.Exit(compare_rubbing(film, reference, surface, heat, sys.stdout))
    except WeightsError as error:
        fail(str(error))


def _review(question: Literal["plate", "vin"], photos: list[Path], expect: str | None) -> None:
    from models.catalog import WeightsError
    from models.cli import review_photos

    try:
        raise typer.Exit(review_photos(question, photos, expect, sys.stdout))
    except WeightsError as error:
        fail(str(error))


review_app.command("eval")(eval_command)
review_app.command("shadow")(shadow_command)


@review_app.command("follow")
def review_follow(
    file: SiteArgument,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of the inference")] = 2,
) -> None:
    """Run the review process of a lane node: answers every review that is due."""
    from edge.reviews import follow
    from edge.tables import SettingsError
    from models.catalog import WeightsError

    log_to_stderr()
    try:
        asyncio.run(follow(file, threads))
    except (SettingsError, WeightsError) as error:
        fail(str(error))


@app.command()
def central(
    dsn: Annotated[str, typer.Option(help="Database: sqlite:///FILE or postgresql+psycopg://USER@HOST/DB")],
    photos: Annotated[Path, typer.Option(help="Folder of the photos")],
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on")] = 8700,
    node: Annotated[
        list[str] | None,
        typer.Option(help="Enrol a node: SITE/NODE=PUBLICKEY, as `chayan node-key FILE` prints it"),
    ] = None,
    allow_simulated: Annotated[
        bool, typer.Option(help="Take simulated records (never in production)")
    ] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file: serve HTTPS with this certificate")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file: the certificate's private key")] = None,
    signature: Signature = None,
) -> None:
    """Run the central registry: takes batches and photos, serves the office pages."""
    from edge.agent import AddressTaken
    from edge.centre import CentreError, run_centre, tls_of

    log_to_stderr()
    try:
        tls = tls_of(tls_cert, tls_key)
        asyncio.run(run_centre(dsn, photos, host, port, tuple(node or ()), allow_simulated, tls, signature))
    except (AddressTaken, CentreError) as error:
        fail(str(error))


@app.command("node-key")
def node_key_command(file: SiteArgument) -> None:
    """Print SITE/NODE=PUBLICKEY of a node, making its key at first use; a registry enrols it with --node."""
    from central_sync.seal import KeyTrouble
    from edge.compose import node_key
    from edge.settings import SettingsError, load

    try:
        site = load(file)
        typer.echo(f"{site.site.id}/{site.node.name}={node_key(site).public}")
    except (SettingsError, KeyTrouble) as error:
        fail(str(error))


@app.command("registry-key")
def registry_key_command(
    photos: Annotated[Path, typer.Option(help="Folder of the photos, as `chayan central` has it")],
    signature: Signature = None,
) -> None:
    """Print a registry's public key, making it at first use; nodes pin it in their site files."""
    from central_sync.seal import KeyTrouble
    from edge.centre import registry_key

    try:
        typer.echo(registry_key(photos, signature).public)
    except (OSError, KeyTrouble) as error:
        fail(f"--photos {photos}: {error}")


@app.command()
def demo(
    vehicles: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Stop after that many vehicles; default: run on")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Leave journal, photos and registry in this folder")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which vehicles come")] = 1,
    pause: Annotated[float, typer.Option(min=0.0, help="Seconds between arrivals")] = 6.0,
    fault_every: Annotated[int, typer.Option(min=0, help="One vehicle in so many has a planted fault")] = 8,
    dsn: Annotated[
        str | None, typer.Option(help="Database of the registry; default: SQLite in the folder")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=10, help="Give up after so many seconds; default: 300 and 60 a vehicle"),
    ] = None,
) -> None:
    """Run the whole system on this machine with a virtual site of two lanes."""
    from edge.demo import DemoError, Plan, run_demo

    log_to_stderr()
    plan = Plan(
        vehicles=vehicles,
        as_json=as_json,
        keep=keep,
        seed=seed,
        pause_s=pause,
        fault_every=fault_every,
        dsn=dsn,
        timeout_s=timeout if timeout is not None else 300.0 + 60.0 * (vehicles or 0),
    )
    try:
        raise typer.Exit(asyncio.run(run_demo(plan)))
    except DemoError as error:
        fail(str(error))


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()

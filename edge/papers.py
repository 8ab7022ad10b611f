"""chayan print, and how an inspection is found in a journal to be printed."""

import getpass
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from edge.failing import fail
from lanes.forms import KINDS, Kept, form_kind
from lanes.record import Judged, NodeStarted, Record, parse
from lanes.scope import RuleError

if TYPE_CHECKING:
    from central_sync.volumes import JournalReader
    from edge.printing import Office
    from edge.settings import SiteFile
    from lanes.rulebook import Rulebook


def print_command(
    journal: Annotated[
        Path, typer.Argument(metavar="JOURNAL", help="A node's folder, or one file of its journal")
    ],
    inspection: Annotated[str, typer.Argument(metavar="INSPECTION", help="The inspection's number (流水号)")],
    form: Annotated[str, typer.Option(help="record, instruments or photos")] = "record",
    out: Annotated[Path | None, typer.Option(help="The PDF; default: INSPECTION-FORM.pdf")] = None,
    site: Annotated[
        Path | None, typer.Option(help="Site file: its names of site and officers, its time zone")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who prints; default: this system's user")] = None,
) -> None:
    """Print a form of an inspection from a journal; the node may be running, or long gone."""
    from central_sync.volumes import JournalError, JournalReader
    from edge.printing import NoForm, printed, source_of
    from edge.rulebook import RulesError
    from edge.settings import SettingsError, load

    kind = form_kind(form)
    if kind is None:
        fail(f"--form {form!r}: write one of {', '.join(KINDS)}")
    try:
        settings = None if site is None else load(site)
        folder = journal if journal.is_dir() else journal.parent
        reader = JournalReader(journal)
        try:
            kept = _kept(reader, inspection)
        finally:
            reader.close()
        office = _office(folder, kept, settings)
        data = printed(kind, kept, office, source_of(_store(folder)), by or _user())
        path = out or Path(f"{re.sub(r'[^A-Za-z0-9._-]', '_', inspection)}-{kind}.pdf")
        path.write_bytes(data)
    except NoForm:
        fail(
            f"{journal} holds no inspection {inspection!r}; the board, the office page and "
            "GET /api/v1/inspections?state=all list them"
        )
    except (JournalError, SettingsError, RulesError, RuleError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}")
    typer.echo(str(path))


def _kept(reader: "JournalReader", inspection: str) -> Kept:
    from central_sync.volumes import JournalError
    from edge.printing import NoForm, kept_of

    bodies = reader.of_inspection(inspection)
    records = [record for data in bodies if (record := _read(data)) is not None]
    if not records:
        raise NoForm
    started = _read(reader.last_of("node_started", records[-1].seq) or b"")
    site = started.body.site if started is not None and isinstance(started.body, NodeStarted) else ""
    try:
        return kept_of(site, reader.node, records, reader.rows, len(bodies) - len(records))
    except LookupError as error:
        raise JournalError(f"{reader.volumes[0].path.parent}: the journal is damaged: {error}") from error


def _read(data: bytes) -> Record | None:
    try:
        return parse(data)
    except (msgspec.DecodeError, UnicodeDecodeError):  # of a newer version
        return None


def _office(folder: Path, kept: Kept, site: "SiteFile | None") -> "Office":
    from edge.printing import Office, office_of

    rulebook = _rulebook(folder, kept)
    return Office(rulebook=rulebook) if site is None else office_of(rulebook, site)


def _rulebook(folder: Path, kept: Kept) -> "Rulebook":
    """The edition by which it was judged, where it lies here; else the installed one."""
    from edge.desk import REFERENCE
    from edge.rulebook import RulesError, read_rulebook, unpack

    installed = read_rulebook()
    used = [record.body.rules_sha256 for record in kept.records if isinstance(record.body, Judged)]
    if not used or installed.rules_sha256 == used[-1]:
        return installed
    for path in sorted((folder / REFERENCE).glob("?" * 64)):
        try:
            sent = unpack(path.read_bytes())
        except (RulesError, OSError):  # a black list, a site file …
            continue
        if sent is not None and sent.rules_sha256 == used[-1]:
            return sent
    return installed


def _store(folder: Path) -> Any:
    """The photos beside a journal; None when there are none."""
    from central_sync.photos import Photos

    return Photos(folder / "photos") if (folder / "photos").is_dir() else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's nameless user
        return ""

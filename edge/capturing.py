"""chayan capture: a stretch of a node's raw logs in one file that says itself what it holds.

The file is Zstandard: one line of JSON (``Recording``), then for each entry a frame as in the raw log, its
channel preceded by the device's name and a tab. Passwords of the configuration are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
import zstandard
from msgspec import Struct
from msgspec.structs import replace

from edge.failing import fail
from edge.settings import SettingsError, SiteFile, load
from edge.watching import RAW
from firmware_bridge.rawlog import entries_of, frame, parts, read
from firmware_bridge.tap import Entry

FORMAT: Literal["chayan recording 1"] = "chayan recording 1"
LONGEST_BYTES = 1 << 30  # of an unpacked recording
SECRET = re.compile(r"pass|secret|token|pwd|(^|_)key$", re.IGNORECASE)
USER = re.compile(r"(?<=://)[^/@\s]*@")


class RecordedDevice(Struct, frozen=True, kw_only=True):
    """One device of a recording, as its site file had it."""

    name: str
    kind: str
    role: str
    lane: str = ""
    station: str = ""
    config: dict[str, Any] = {}


class Recording(Struct, frozen=True, kw_only=True):
    """The header of a recording."""

    format: Literal["chayan recording 1"]
    site: str
    node: str
    simulated: bool
    version: str
    devices: tuple[RecordedDevice, ...]


class RecordingError(Exception):
    """A file that is no recording, or a damaged one; the text says which and why."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A recording in memory: its header, and the entries of each device in their order."""

    header: Recording
    entries: dict[str, list[Entry]]


def without_passwords(value: Any) -> Any:
    """A configuration without what only its owner should know."""
    if isinstance(value, dict):
        return {key: without_passwords(each) for key, each in value.items() if not SECRET.search(str(key))}
    if isinstance(value, list | tuple):
        return [without_passwords(each) for each in value]
    return USER.sub("", value) if isinstance(value, str) else value


def header_of(site: SiteFile, names: set[str]) -> Recording:
    """The header of a recording of these devices."""
    return Recording(
        format=FORMAT,
        site=site.site.id,
        node=site.node.name,
        simulated=site.site.simulated,
        version=version("chayan"),
        devices=tuple(
            RecordedDevice(
                name=each.name,
                kind=each.kind,
                role=each.role,
                lane=each.lane,
                station=each.station,
                config=without_passwords(msgspec.to_builtins(each.config, enc_hook=str)),
            )
            for each in site.devices
            if each.name in names
        ),
    )


def stretch(folder: Path, names: set[str], seconds: float | None) -> dict[str, list[Entry]]:
    """The entries of each device; of the last ``seconds`` before the newest entry of all."""
    found = {name: list(read(folder / name)) for name in sorted(names)}
    if seconds is not None:
        newest = max((entries[-1].at_ns for entries in found.values() if entries), default=0)
        since = newest - int(seconds * 1e9)
        found = {name: [each for each in entries if each.at_ns >= since] for name, entries in found.items()}
    return found


def write_recording(path: Path, recorded: Recorded) -> int:
    """Writes a recording; its size. Raises OSError."""
    squeezer = zstandard.ZstdCompressor(level=10, write_checksum=True)
    parts_ = [msgspec.json.encode(recorded.header) + b"\n"]
    parts_ += [
        frame(replace(entry, channel=f"{name}\t{entry.channel}"))
        for name, entries in recorded.entries.items()
        for entry in entries
    ]
    path.write_bytes(squeezer.compress(b"".join(parts_)))
    return path.stat().st_size


def read_recording(path: Path) -> Recorded:
    """Reads a recording whole. Raises RecordingError."""
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as unpacked:
            content = unpacked.read(LONGEST_BYTES + 1)
        if len(content) > LONGEST_BYTES:
            raise RecordingError(f"{path}: more than {LONGEST_BYTES} bytes unpacked; capture fewer --seconds")
        line, _, rest = content.partition(b"\n")
        header = msgspec.json.decode(line, type=Recording)
    except (OSError, zstandard.ZstdError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: is no recording of chayan capture: {error}") from error
    entries: dict[str, list[Entry]] = {device.name: [] for device in header.devices}
    for entry in _whole(path, rest):
        name, _, channel = entry.channel.partition("\t")
        if name not in entries:
            raise RecordingError(f"{path}: an entry of {name!r}, which its header does not name")
        entries[name].append(replace(entry, channel=channel))
    return Recorded(header=header, entries=entries)


def _whole(path: Path, content: bytes) -> Iterator[Entry]:
    size = 0
    for entry in entries_of(content):
        size += len(frame(entry))
        yield entry
    if size != len(content):
        raise RecordingError(f"{path}: damaged after {size} bytes of entries")


def capture_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A site file")],
    out: Annotated[Path, typer.Option(help="The file to write")],
    device: Annotated[list[str] | None, typer.Option(help="Only this device; may be repeated")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Only the last so many seconds")] = None,
) -> None:
    """Copy a stretch of a node's raw logs, running or stopped, into one file for replay."""
    try:
        site = load(file)
    except SettingsError as error:
        fail(str(error))
    known = {each.name for each in site.devices}
    names = set(device or known)
    if unknown := sorted(names - known):
        fail(f"{file}: no device {unknown[0]!r}; known are {', '.join(sorted(known))}")
    folder = site.node.folder / RAW
    if not any(parts(folder / name) for name in names):
        fail(f"{folder}: no raw log yet; run the node first, with [raw] keep_mb above 0")
    try:
        found = stretch(folder, names, seconds)
        size = write_recording(out, Recorded(header=header_of(site, names), entries=found))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror or error}")
    for name, entries in sorted(found.items()):
        typer.echo(f"{name}: {len(entries)} entries")
    typer.echo(f"{out}: {size} bytes")

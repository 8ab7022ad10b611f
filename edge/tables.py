"""The tables of a site file that the review process reads too, without the rest and all that devices need."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]


class SettingsError(Exception):
    """The site file is wrong; one problem a line, each naming file, table and key."""


class Node(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[node]: this edge box. ``folder`` holds its journal, photos and key."""

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{1,62}$")]
    folder: Path
    signature: Literal["ed25519", "sm2"] = "ed25519"


class Api(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[api]: where PDA pages, lane board and PDAs reach this node."""

    host: str = "127.0.0.1"
    port: Port = 8600


class Shadow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[shadow]: a candidate that is asked beside the current models; it decides nothing.

    ``candidate``: its name in ``models/catalog.toml``, or a file of that form that ends in ``.toml``.
    ``share_percent`` of the photos; ``queue``: how many questions may wait for it.
    """

    candidate: Annotated[str, Meta(min_length=1, max_length=400)]
    share_percent: Annotated[int, Meta(ge=1, le=100)] = 10
    queue: Annotated[int, Meta(ge=1, le=1000)] = 16

    @property
    def named(self) -> str:
        """What records call the candidate."""
        return Path(self.candidate).name.removesuffix(".toml")[:80]


class ReviewSite(Struct, frozen=True, kw_only=True):
    """What the review process takes from a site file; the node answers for the rest of it."""

    node: Node
    api: Api = Api()
    shadow: Shadow | None = None


def review_site(path: Path) -> ReviewSite:
    """Reads these tables of a site file; relative paths start at its own folder. Raises SettingsError."""
    try:
        site: ReviewSite = msgspec.convert(
            parsed(content_of(path), path), ReviewSite, strict=True, dec_hook=decode_path
        )
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {complaint(error)}") from error
    change, folder = msgspec.structs.replace, path.parent
    return change(site, node=placed(site.node, folder), shadow=site.shadow and tried(site.shadow, folder))


def content_of(path: Path) -> bytes:
    """The bytes of a site file. Raises SettingsError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error


def parsed(content: bytes, path: Path) -> dict[str, Any]:
    """The tables of a site file that stands, or is to stand, at ``path``. Raises SettingsError."""
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from error


def placed(node: Node, folder: Path) -> Node:
    """The node with its folder taken from the site file's."""
    return msgspec.structs.replace(node, folder=(folder / node.folder).resolve())


def tried(shadow: Shadow, folder: Path) -> Shadow:
    """The candidate with its file, if it is one, taken from the site file's folder."""
    name = shadow.candidate
    file = str((folder / name).resolve()) if name.endswith(".toml") else name
    return msgspec.structs.replace(shadow, candidate=file)


def complaint(error: msgspec.ValidationError) -> str:
    """Which key is wrong, and how."""
    text, _, place = str(error).partition(" - at ")
    return f"{place.strip('`').removeprefix('$').lstrip('.') or 'the table'}: {text}"


def decode_path(kind: type, value: Any) -> Path:
    """The ``Path`` that a table means by a string: a ``dec_hook`` of msgspec."""
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise msgspec.ValidationError(f"Expected a path, got {value!r}")

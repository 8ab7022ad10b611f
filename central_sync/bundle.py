"""Bundles: signed, numbered files for the one-way road between two networks. Read as if they were hostile.

A bundle is a tar in one zstd frame, so that ordinary tools open it: ``manifest.json``, ``manifest.sig``, then
exactly the parts that the manifest lists, in its order. Nothing is ever extracted to a path, links and
special members are refused, and no more is unpacked than a bundle may hold.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
import zstandard
from msgspec import Meta, Struct

from central_sync import batch as wire
from central_sync.batch import UNREADABLE, KeyText, Sha256, Through
from central_sync.ledger import sync
from central_sync.seal import Signer, verify
from lanes.record import Name

FORMAT = "chayan bundle 1"
SUFFIX = ".tar.zst"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_MANIFEST = 8 << 20
MAX_PART = wire.MAX_PLAIN_BYTES
MAX_PLAIN = 8 << 30  # of all parts together
LEVEL = 3
_BATCH = re.compile(r"batches/\d{6}\.json")
_PHOTO = re.compile(r"photos/[0-9a-f]{64}")
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


class BundleError(Exception):
    """A file is no bundle that can be taken; says which file, which part, and why."""


class Part(Struct, frozen=True, kw_only=True):
    """One member of the archive."""

    name: Annotated[str, Meta(max_length=100)]
    size: Annotated[int, Meta(ge=0, le=MAX_PART)]
    sha256: Sha256


class Manifest(Struct, frozen=True, kw_only=True):
    """What a bundle is, and every part of it. ``previous``: SHA-256 of the bundle file before it."""

    format: str
    kind: Literal["records", "receipt"]
    site: Name
    node: Name
    number: Annotated[int, Meta(ge=1, le=10**9)]
    previous: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", max_length=64)]
    first_seq: Annotated[int, Meta(ge=1, le=2**53)]
    last_seq: Through
    head: Sha256
    made_at: Name
    public_key: KeyText
    parts: Annotated[list[Part], Meta(max_length=200_000)]


def message(manifest: bytes) -> bytes:
    """What is signed."""
    return b"chayan bundle 1\n" + manifest


def file_name(manifest: Manifest) -> str:
    """The name under which a bundle travels; raises BundleError for a place that cannot be in one."""
    if not _PLACE.fullmatch(manifest.site) or not _PLACE.fullmatch(manifest.node):
        raise BundleError(f"{manifest.site!r}, {manifest.node!r} cannot stand in a file name")
    kind = "" if manifest.kind == "records" else "receipt."
    return f"{manifest.site}.{manifest.node}.{kind}{manifest.number:06d}{SUFFIX}"


# ---- writing -------------------------------------------------------------------------------------


def write(folder: Path, manifest: Manifest, signer: Signer, content: Callable[[str], bytes]) -> Path:
    """Makes a bundle durable under its name: temporary file, fsync, rename, fsync of the folder."""
    target = folder / file_name(manifest)
    fresh = folder / f".{target.name}.part"
    packed = msgspec.json.encode(manifest)
    squeezer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with (
        fresh.open("wb") as raw,
        squeezer.stream_writer(raw, closefd=False) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w|", format=tarfile.USTAR_FORMAT) as archive,
    ):
        _add(archive, MANIFEST, packed)
        _add(archive, SIGNATURE, signer.sign(message(packed)).encode())
        for part in manifest.parts:
            _add(archive, part.name, content(part.name))
    sync(fresh)
    fresh.replace(target)
    sync(folder)
    return target


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o444
    archive.addfile(member, io.BytesIO(content))


def part_of(name: str, content: bytes) -> Part:
    """Name, size and digest of what will be a part."""
    return Part(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


# ---- reading -------------------------------------------------------------------------------------


class _Limited(io.RawIOBase):
    """The content of one zstd frame, and never more than a bundle may hold."""

    def __init__(self, raw: IO[bytes], path: Path) -> None:
        self._path, self._left = path, MAX_PLAIN
        unpacker = zstandard.ZstdDecompressor(max_window_size=wire.MAX_WINDOW_BYTES)
        self._plain = unpacker.stream_reader(raw, read_across_frames=False, closefd=False)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        try:
            found = self._plain.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        except zstandard.ZstdError as trouble:
            raise BundleError(f"{self._path}: the zstd frame cannot be unpacked: {trouble}") from trouble
        self._left -= len(found)
        if self._left < 0:
            raise BundleError(f"{self._path}: unpacks to more than {MAX_PLAIN >> 30} GiB")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle whose manifest was read; its parts are read, and checked, by ``parts``."""

    path: Path
    manifest: Manifest
    packed: bytes
    signature: str

    @property
    def site(self) -> str:
        """The site it comes from."""
        return self.manifest.site

    @property
    def node(self) -> str:
        """The node whose records it carries."""
        return self.manifest.node

    @property
    def number(self) -> int:
        """Its place in the sequence, from 1."""
        return self.manifest.number

    def is_by(self, keys: Iterable[str]) -> bool:
        """Whether one of ``keys`` has signed the manifest."""
        return any(verify(key, message(self.packed), self.signature) for key in keys)

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """(name, content) of every part, each of the size and digest that was signed. Raises BundleError."""
        with self.path.open("rb") as raw:
            yield from _parts(raw, self)

    def check(self) -> None:
        """Reads it whole; raises BundleError for the first part that is not what was signed."""
        for _ in self.parts():
            pass

    def batches(self) -> Iterator[wire.Batch]:
        """Its batches, in order. Raises BundleError."""
        for name, content in self.parts():
            if _BATCH.fullmatch(name):
                yield batch_in(self, name, content)

    def photos(self) -> list[str]:
        """Digests of the photos that it carries."""
        return [part.name[7:] for part in self.manifest.parts if _PHOTO.fullmatch(part.name)]


def batch_in(bundle: Bundle, name: str, content: bytes) -> wire.Batch:
    """A batch of this bundle's own node; raises BundleError."""
    try:
        batch = wire.decode_batch(content, compressed=False)
    except wire.WireError as trouble:
        raise BundleError(f"{bundle.path}: {name}: {trouble}") from trouble
    if (batch.site, batch.node) != (bundle.site, bundle.node):
        raise BundleError(f"{bundle.path}: {name} is a batch of {batch.site}/{batch.node}")
    return batch


def open_bundle(path: Path) -> Bundle:
    """Reads a bundle's manifest; raises BundleError."""
    try:
        with path.open("rb") as raw:
            archive = _archive(raw, path)
            packed = _member(archive, path, MANIFEST, MAX_MANIFEST)
            signature = _member(archive, path, SIGNATURE, 1000).decode("ascii", "replace")
    except OSError as trouble:
        raise BundleError(f"{path}: cannot be read: {trouble.strerror or trouble}") from trouble
    try:
        manifest = msgspec.json.decode(packed, type=Manifest)
    except UNREADABLE as trouble:
        raise BundleError(f"{path}: {MANIFEST}: {trouble}") from trouble
    if manifest.format != FORMAT or msgspec.json.encode(manifest) != packed:
        raise BundleError(f"{path}: {MANIFEST} is not of the form {FORMAT!r}")
    _listed(path, manifest)
    return Bundle(path=path, manifest=manifest, packed=packed, signature=signature)


def _listed(path: Path, manifest: Manifest) -> None:
    """The parts may be what they are called, each once, and the file has the name of its bundle."""
    try:
        called = file_name(manifest)
    except BundleError as trouble:
        raise BundleError(f"{path}: {trouble}") from trouble
    if path.name != called:
        raise BundleError(f"{path}: is the bundle {called}; give it its name back")
    names = [part.name for part in manifest.parts]
    allowed = [name == "receipt.json" for name in names] if manifest.kind == "receipt" else None
    fine = allowed or [bool(_BATCH.fullmatch(name) or _PHOTO.fullmatch(name)) for name in names]
    if not all(fine) or len(set(names)) != len(names):
        raise BundleError(f"{path}: {MANIFEST} lists a part that may not be there, or one twice")


def _archive(raw: IO[bytes], path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=_Limited(raw, path), mode="r|", bufsize=1 << 16)
    except (tarfile.TarError, EOFError) as trouble:
        raise BundleError(f"{path}: is no bundle: {trouble}") from trouble


def _member(archive: tarfile.TarFile, path: Path, name: str, limit: int) -> bytes:
    """The content of the next member, which must be the plain file ``name``."""
    try:
        member = archive.next()
        if member is None:
            raise BundleError(f"{path}: ends before {name}")
        if member.name != name:
            raise BundleError(f"{path}: {member.name[:100]!r} stands where {name} should be")
        plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.pax_headers
        if not plain or member.size > limit:
            raise BundleError(f"{path}: {name} is no plain file of at most {limit} bytes")
        file = archive.extractfile(member)
        content = b"" if file is None else file.read(limit + 1)
    except (tarfile.TarError, EOFError, ValueError) as trouble:
        raise BundleError(f"{path}: {name} cannot be read: {trouble}") from trouble
    if len(content) != member.size:
        raise BundleError(f"{path}: {name} is cut off")
    return content


def _parts(raw: IO[bytes], bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    path = bundle.path
    archive = _archive(raw, path)
    if _member(archive, path, MANIFEST, MAX_MANIFEST) != bundle.packed:
        raise BundleError(f"{path}: was changed while it was read")
    _member(archive, path, SIGNATURE, 1000)
    for part in bundle.manifest.parts:
        content = _member(archive, path, part.name, part.size)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise BundleError(f"{path}: {part.name} is not what was signed")
        yield part.name, content
    try:
        beyond = archive.next()
    except (tarfile.TarError, EOFError) as trouble:
        raise BundleError(f"{path}: the end cannot be read: {trouble}") from trouble
    if beyond is not None:
        raise BundleError(f"{path}: {beyond.name[:100]!r} is not in the manifest")
    _ends(raw, path)


def _ends(raw: IO[bytes], path: Path) -> None:
    """The file holds one whole frame, and nothing after it."""
    raw.seek(0)
    unpacker = zstandard.ZstdDecompressor(max_window_size=wire.MAX_WINDOW_BYTES).decompressobj()
    left = MAX_PLAIN
    while chunk := raw.read(1 << 20):
        try:
            left -= len(unpacker.decompress(chunk))
        except zstandard.ZstdError as trouble:
            raise BundleError(f"{path}: the zstd frame cannot be unpacked: {trouble}") from trouble
        if left < 0:
            raise BundleError(f"{path}: unpacks to more than {MAX_PLAIN >> 30} GiB")
        if unpacker.eof:
            break
    if not unpacker.eof or unpacker.unused_data or raw.read(1):
        raise BundleError(f"{path}: is cut off, or goes on after its end")

"""The node's end of the one-way road: what is new goes into bundles, receipts come back as bundles.

The state is one small file, written after a bundle is durable under its name: whoever is killed in between
finds that bundle at the next start and takes it for his own.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from central_sync import batch as wire
from central_sync import belief
from central_sync.bundle import (
    FORMAT,
    Bundle,
    BundleError,
    Manifest,
    Part,
    file_name,
    open_bundle,
    part_of,
    write,
)
from central_sync.centre import nonsense
from central_sync.ledger import lay_down
from central_sync.seal import SealedRow, Signer
from lanes.record import genesis, parse, photos_of

RECORDS = 1000  # in one batch


class Rows(Protocol):
    """What an export needs of a journal, or of its reader."""

    def head(self) -> tuple[int, bytes]: ...
    def rows(self, after_seq: int, limit: int) -> Sequence[SealedRow]: ...


class Photos(Protocol):
    """What an export needs of ``photos.Photos``."""

    def has(self, digest: str) -> bool: ...
    def read(self, digest: str) -> bytes: ...


class State(Struct, frozen=True, kw_only=True):
    """How far the export is: the last bundle, and photos that still have to go."""

    number: int = 0
    through_seq: int = 0
    head: str = ""
    previous: str = ""
    photos: tuple[str, ...] = ()


class BundleReceipt(Struct, frozen=True, kw_only=True):
    """What the centre answers: how far it holds the chain, and which photos it still wants."""

    receipt: wire.Receipt
    wanted: list[str]


class Export:
    """Bundles of one node. ``size_bytes``: a bundle is closed there; one greater part still goes, alone."""

    def __init__(
        self,
        *,
        site: str,
        node: str,
        journal: Rows,
        photos: Photos,
        signer: Signer,
        out: Path,
        state: Path,
        size_bytes: int = 100 << 20,
    ) -> None:
        self._site, self._node = site, node
        self._journal, self._photos, self._signer = journal, photos, signer
        self._out, self._path, self._size = out, state, size_bytes
        out.mkdir(parents=True, exist_ok=True)
        state.parent.mkdir(parents=True, exist_ok=True)

    def state(self) -> State:
        """How far the export is. Raises BundleError for a file that cannot be one."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=State)
        except FileNotFoundError:
            return State(head=genesis(self._node).hex())
        except msgspec.MsgspecError as trouble:
            raise BundleError(
                f"{self._path}: cannot be read: {trouble}; move it away to begin again with bundle 1"
            ) from trouble

    def export(self) -> list[Path]:
        """Writes everything that is new; paths of the bundles. Raises BundleError, OSError."""
        written = []
        with self._alone():
            while (path := self.one()) is not None:
                written.append(path)
        return written

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One export at a time, of the running node or by hand."""
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise BundleError(f"{self._path}: another export is at work; try again in a moment") from None
        finally:
            os.close(lock)

    def one(self) -> Path | None:
        """Writes the next bundle; None when there is nothing new."""
        state = self.state()
        adopted = self._adopt(state)
        if adopted is not None:
            return adopted
        contents, through, head, photos = self._gather(state)
        if not contents:
            return None
        manifest = self._manifest(state, [part_of(*each) for each in contents.items()], through, head)
        path = write(self._out, manifest, self._signer, contents.__getitem__)
        self._keep(state, manifest, path, photos)
        return path

    def want(self, digests: Sequence[str]) -> None:
        """Photos that the centre lacks go into the next bundle again."""
        state = self.state()
        more = tuple(each for each in digests if each not in state.photos and self._photos.has(each))
        if more:
            self._write(msgspec.structs.replace(state, photos=(*state.photos, *more)))

    def _gather(self, state: State) -> tuple[dict[str, bytes], int, bytes, tuple[str, ...]]:
        """Parts of the next bundle: records first, then photos, as long as they fit."""
        contents: dict[str, bytes] = {}
        through, head, size = state.through_seq, bytes.fromhex(state.head), 0
        waiting = list(state.photos)
        while size < self._size and (rows := self._journal.rows(through, RECORDS)):
            rows, content = self._batch(rows, head)
            contents[f"batches/{len(contents) + 1:06d}.json"] = content
            through, head, size = rows[-1].seq, rows[-1].head, size + len(content)
            for row in rows:
                waiting += [digest for digest, _ in photos_of(parse(row.data).body)]
        left = []
        for digest in dict.fromkeys(waiting):
            if contents and size >= self._size:
                left.append(digest)
            elif self._photos.has(digest):
                content = self._photos.read(digest)
                contents[f"photos/{digest}"] = content
                size += len(content)
        return contents, through, head, tuple(left)

    def _batch(self, rows: Sequence[SealedRow], head: bytes) -> tuple[Sequence[SealedRow], bytes]:
        """The next batch that any registry takes, and its rows; of one greater record only the digest."""
        count = wire.fit(rows, RECORDS, min(self._size, wire.MAX_RECORD_BYTES))
        while True:
            batch = wire.compose(self._site, self._node, rows[:count], head, self._signer)
            content = msgspec.json.encode(batch)
            if len(content) <= wire.MAX_WIRE_BYTES:
                return rows[:count], content
            if count == 1:
                return rows[:1], msgspec.json.encode(wire.withhold(batch, self._signer))
            count //= 2

    def _manifest(self, state: State, parts: list[Part], through: int, head: bytes) -> Manifest:
        return Manifest(
            format=FORMAT,
            kind="records",
            site=self._site,
            node=self._node,
            number=state.number + 1,
            previous=state.previous,
            first_seq=state.through_seq + 1,
            last_seq=through,
            head=head.hex(),
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            public_key=self._signer.public,
            parts=parts,
        )

    def _adopt(self, state: State) -> Path | None:
        """The next bundle, if a killed export left it durable and whole; else it is written anew."""
        number = state.number + 1
        path = self._out / file_name(self._manifest(state, [], state.through_seq, bytes(32)))
        if not path.exists():
            return None
        left = open_bundle(path)
        manifest = left.manifest
        mine = left.is_by([self._signer.public])
        if not mine or (manifest.number, manifest.previous, manifest.first_seq) != (
            number, state.previous, state.through_seq + 1,
        ):  # fmt: skip
            raise BundleError(
                f"{path}: stands where bundle {number} should be written, but is not it; move it away"
            )
        left.check()
        carried = set(left.photos())
        named = [
            digest
            for batch in left.batches()
            for text in batch.records
            if isinstance(text, str)
            for digest, _ in photos_of(parse(text.encode()).body)
        ]
        waiting = [digest for digest in dict.fromkeys([*state.photos, *named]) if digest not in carried]
        self._keep(state, manifest, path, tuple(each for each in waiting if self._photos.has(each)))
        return path

    def _keep(self, state: State, manifest: Manifest, path: Path, photos: tuple[str, ...]) -> None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fresh = State(
            number=manifest.number,
            through_seq=manifest.last_seq,
            head=manifest.head,
            previous=digest,
            photos=photos,
        )
        self._write(fresh)

    def _write(self, state: State) -> None:
        lay_down(self._path, msgspec.json.encode(state))


def receipt_of(path: Path, site: str, node: str, registry_key: str) -> BundleReceipt:
    """The receipt in a bundle that came back; raises BundleError unless the registry's key has signed it."""
    bundle: Bundle = open_bundle(path)
    if bundle.manifest.kind != "receipt" or (bundle.site, bundle.node) != (site, node):
        raise BundleError(f"{path}: is no receipt for {site}/{node}")
    if not registry_key:
        raise BundleError(f"{path}: no registry is trusted; pin its key: [registry] key")
    if not bundle.is_by([registry_key]):
        raise BundleError(f"{path}: is not signed by the registry's key {registry_key}")
    try:
        return msgspec.json.decode(dict(bundle.parts())["receipt.json"], type=BundleReceipt)
    except (KeyError, *wire.UNREADABLE) as trouble:
        raise BundleError(f"{path}: receipt.json cannot be read: {trouble}") from trouble


def must_match(journal: belief.Chain, node: str, came: BundleReceipt) -> None:
    """Raises centre.Trouble when the centre holds, or refuses, what this journal never wrote."""
    through = came.receipt.accepted_through
    belief.must_match(journal, node, through, came.receipt.head)
    if any(refused.seq > through for refused in came.receipt.refused):
        raise nonsense(f"it refuses records beyond {through}, which it does not have")

"""What an auditor verifies: files of a node, an inspection's evidence, a node's checkpoints at a registry."""

import contextlib
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import msgspec

from central_sync import note
from central_sync.batch import UNREADABLE, Sha256, Through
from central_sync.bundle import SUFFIX
from central_sync.carried import verify_bundle
from central_sync.evidence import verify_evidence
from central_sync.history import History, verify_history
from central_sync.trust import Seen, Trust
from central_sync.verdicts import Findings
from central_sync.verify import verify_journal
from lanes.form_digest import SCHEME, seen_in

TIMEOUT_S = 60.0
MAX_CHECKPOINTS = 20_000  # of one node: fifty years of days


class TargetError(Exception):
    """A target or a witness cannot be read; the text says which and what it should be."""


class _Held(msgspec.Struct, frozen=True):
    """A receipt, a standing or a mark: how far somebody has seen the chain, and its head there."""

    head: Sha256
    accepted_through: Through | None = None
    through: Through | None = None
    seq: Through | None = None


def verified(target: str, trust: Trust, ca_file: Path | None = None) -> Findings:
    """What holds of a file, a folder or a URL. Raises TargetError."""
    if _is_url(target):
        return _at_registry(target, trust, ca_file)
    path = Path(target)
    if path.suffix == ".json" and path.is_file():
        return verify_evidence(target, path.read_bytes(), trust)
    if path.name.endswith(SUFFIX) and path.is_file():
        return verify_bundle(path, trust)
    if path.exists():
        return verify_journal(path, trust)
    raise TargetError(
        f"{target} is not there; name a node's folder, a journal, a bundle, an evidence file or a URL"
    )


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _at_registry(url: str, trust: Trust, ca_file: Path | None) -> Findings:
    with contextlib.closing(Office(url, ca_file)) as office:
        if office.inspection:
            return verify_evidence(url, office.evidence(), trust)
        if office.node:
            return verify_history(url, office.history(), trust)
    raise TargetError(f"{url}: name an inspection or a node, such as https://registry/v1/inspections/ID")


def witness_of(place: str, ca_file: Path | None = None) -> Seen:
    """What a file, a URL or the QR code of a form says that somebody else has seen. Raises TargetError."""
    if place.startswith(SCHEME):
        return _on_paper(place)
    text = _content(place, ca_file)
    if not text.lstrip().startswith(b"{"):
        try:
            checkpoint = note.checkpoint_of(note.parse(text.decode()))
        except (note.NoteError, UnicodeDecodeError) as trouble:
            raise TargetError(f"--against {place}: is neither JSON nor a signed note: {trouble}") from trouble
        return Seen(seq=checkpoint.size, root=checkpoint.root, where=place)
    try:
        held = msgspec.json.decode(text, type=_Held)
    except UNREADABLE as trouble:
        raise TargetError(f"--against {place}: is no receipt, mark or standing: {trouble}") from trouble
    numbers = [each for each in (held.accepted_through, held.through, held.seq) if each is not None]
    if not numbers:
        raise TargetError(f"--against {place}: does not say how far the chain was seen")
    return Seen(seq=numbers[0], head=held.head, where=place)


def _on_paper(text: str) -> Seen:
    """What the QR code of a printed form says."""
    try:
        said = seen_in(text)
    except ValueError as trouble:
        raise TargetError(f"--against: {trouble}") from trouble
    return Seen(seq=said.seq, head=said.head, where=f"form of {said.inspection}, {said.site}/{said.node}")


def _content(place: str, ca_file: Path | None) -> bytes:
    if _is_url(place):
        with contextlib.closing(Office(place, ca_file)) as office:
            return office.text()
    try:
        return Path(place).read_bytes()
    except OSError as trouble:
        raise TargetError(f"--against {place}: cannot be read: {trouble.strerror}") from trouble


def authorities(ca_file: Path | None) -> ssl.SSLContext:
    """The public authorities, or the one of ``--ca-file``; raises TargetError."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError) as trouble:
        raise TargetError(f"--ca-file {ca_file}: cannot be read as certificates: {trouble}") from trouble


class Office:
    """A registry by the URL of one of its things; ``ca_file`` names an authority of one's own.

    Every question raises TargetError when there is no proper answer.
    """

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        base, _, self._path = parts.path.partition("/v1/")
        self._named = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self._base = f"{parts.scheme}://{parts.netloc}{base}/v1/"
        self._client = httpx.Client(verify=authorities(ca_file), timeout=TIMEOUT_S)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    @property
    def inspection(self) -> str:
        """The inspection that the URL names; empty: none."""
        kind, _, rest = self._path.partition("/")
        return unquote(rest.partition("/")[0]) if kind == "inspections" else ""

    @property
    def node(self) -> str:
        """The node that the URL names; empty: none."""
        kind, _, rest = self._path.partition("/")
        return unquote(rest.partition("/")[0]) if kind == "nodes" else ""

    def text(self, path: str = "", **query: str | int) -> bytes:
        """The answer to a question; without a path, to that of the URL itself."""
        url = self._base + (path or self._path)
        try:
            answer = self._client.get(url, params=self._named | {name: str(v) for name, v in query.items()})
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            raise TargetError(f"{url} cannot be reached: {trouble}") from trouble
        if answer.status_code != 200:
            raise TargetError(f"{url} answers {answer.status_code}: {answer.text[:200]}")
        return answer.content

    def evidence(self) -> bytes:
        """The evidence document of the inspection."""
        return self.text(f"inspections/{quote(self.inspection, safe='')}/evidence")

    def history(self) -> History:
        """All checkpoints of the node."""
        where = f"nodes/{quote(self.node, safe='')}"
        try:
            standing = self._json(where)
            self._named["site"] = standing["site"]
            notes, keys = self._notes(where)
            return History(
                site=str(standing["site"]),
                node=str(standing["node"]),
                notes=notes,
                node_keys=keys,
                registry_key=str(self._json("key")["public_key"]),
                through=int(standing["through"]),
                consistency=lambda old, size: self._steps(f"{where}/consistency", {"from": old, "to": size}),
                inclusion=lambda seq, size: self._steps(f"{where}/inclusion", {"seq": seq, "size": size}),
            )
        except (KeyError, TypeError, ValueError) as trouble:
            raise self._nonsense(where, trouble) from trouble

    def _notes(self, where: str) -> tuple[list[str], list[str]]:
        notes: list[str] = []
        before = 0
        while True:
            page = self._json(f"{where}/checkpoints", before=before)
            notes += [str(each["note"]) for each in page["checkpoints"]]
            before = int(page["checkpoints"][-1]["size"]) if page["checkpoints"] else 0
            if before <= 1 or len(notes) > MAX_CHECKPOINTS:
                return notes, [str(key) for key in page["node_keys"]]

    def _json(self, path: str, **query: int) -> Any:
        try:
            return msgspec.json.decode(self.text(path, **query))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as trouble:
            raise self._nonsense(path, trouble) from trouble

    def _steps(self, path: str, query: dict[str, int]) -> Sequence[bytes]:
        try:
            return [bytes.fromhex(step) for step in self._json(path, **query)["path"]]
        except (KeyError, TypeError, ValueError) as trouble:
            raise self._nonsense(path, trouble) from trouble

    def _nonsense(self, path: str, trouble: Exception) -> TargetError:
        return TargetError(f"{self._base}{path} does not answer as a registry does: {trouble!r}")

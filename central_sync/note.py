"""Signed notes and checkpoints as transparency logs write them (C2SP signed-note, tlog-checkpoint).

A checkpoint names a tree: origin, size, root. The node signs it as its log, the registry cosigns it as
witness with the time (tlog-cosignature). The text can be checked with any tool that reads these formats.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from central_sync.seal import Signer, raw_key, raw_signature, signature_text, verify

ED25519, COSIGNATURE = 0x01, 0x04  # types of signature (C2SP signed-note)
PRIVATE = b"\xffchayan-sm2"  # 0xff, then a name of its own: an algorithm that has no number there
MAX_BYTES = 16_384
MAX_SIGNATURES = 64
WITNESS = "chayan-registry"
DASH = "— "
SIGNATURE = re.compile(rf"{DASH}([^\s+]+) (\S+)")
CHECKPOINT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n([^\n]+)\n")  # extension lines may follow


class NoteError(ValueError):
    """A text is no signed note or no checkpoint; says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One line under a note: who, and the key's hash and signature."""

    name: str
    blob: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text, ending in a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        lines = [f"{DASH}{each.name} {base64.b64encode(each.blob).decode()}\n" for each in self.signatures]
        return self.text + "\n" + "".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A tree that somebody vouches for."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def origin_of(site: str, node: str) -> str:
    """Name of a node's log; raises NoteError for a site that cannot stand in one."""
    name = f"chayan/{site}/{node}"
    if any(character.isspace() or character == "+" for character in name) or not site:
        raise NoteError(f"site {site!r} cannot name a log: no blanks, no plus sign")
    return name


def vkey(name: str, public_key: str, kind: int = ED25519) -> str:
    """The key as note tools take it: name, hash, type and key."""
    encoded = base64.b64encode(_type(public_key, kind) + raw_key(public_key)).decode()
    return f"{name}+{_key_hash(name, public_key, kind).hex()}+{encoded}"


def parse(text: str) -> Note:
    """A note from its text; raises NoteError."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise NoteError(f"a note has at most {MAX_BYTES} bytes")
    if re.search("[\x00-\x09\x0b-\x1f\ud800-\udfff]", text):
        raise NoteError("a note is UTF-8 without control characters but newlines")
    body, blank, lines = text.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("a note is a text, an empty line, and lines of signatures")
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
    return Note(text=body + "\n", signatures=tuple(map(_signature, signatures)))


def _signature(line: str) -> Signature:
    match = SIGNATURE.fullmatch(line)
    blob = None if match is None else _plain(match[2])
    if match is None or blob is None or len(blob) < 5:
        raise NoteError(f"no signature line: {line[:100]!r}")
    return Signature(name=match[1], blob=blob)


def _plain(encoded: str) -> bytes | None:
    """Bytes of canonical base64: one text for one value."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == encoded else None


def checkpoint_of(note: Note) -> Checkpoint:
    """What a note vouches for; raises NoteError."""
    match = CHECKPOINT.match(note.text)
    root = None if match is None else _plain(match[3])
    if match is None or root is None or len(root) != 32:
        raise NoteError(f"no lines of origin, size and root, as a checkpoint has: {note.text[:200]!r}")
    return Checkpoint(origin=match[1], size=int(match[2]), root=root)


def signed(note: Note, name: str, signer: Signer) -> Note:
    """The note with the log's own signature added."""
    raw = raw_signature(signer.sign(note.text.encode()))
    blob = _key_hash(name, signer.public, ED25519) + raw
    return Note(text=note.text, signatures=(*note.signatures, Signature(name=name, blob=blob)))


def cosigned(note: Note, name: str, signer: Signer, time_s: int) -> Note:
    """The note with a witness's signature and time added (cosignature/v1)."""
    raw = raw_signature(signer.sign(_cosigned_message(note.text, time_s)))
    blob = _key_hash(name, signer.public, COSIGNATURE) + time_s.to_bytes(8, "big") + raw
    return Note(text=note.text, signatures=(*note.signatures, Signature(name=name, blob=blob)))


def is_signed(note: Note, name: str, public_key: str) -> bool:
    """Whether the log of this name and key has signed the note."""
    return any(
        verify(public_key, note.text.encode(), signature_text(public_key, rest))
        for rest in _by(note, name, public_key, ED25519)
    )


def witnessed_at(note: Note, name: str, public_key: str) -> int | None:
    """When the witness of this name and key has cosigned the note (Unix seconds); None: it has not."""
    for rest in _by(note, name, public_key, COSIGNATURE):
        time_s = int.from_bytes(rest[:8], "big")
        message = _cosigned_message(note.text, time_s)
        if verify(public_key, message, signature_text(public_key, rest[8:])):
            return time_s
    return None


def _by(note: Note, name: str, public_key: str, kind: int) -> Iterator[bytes]:
    """What follows the key's hash in each signature that claims to be of this key."""
    expected = _key_hash(name, public_key, kind)
    for each in note.signatures:
        if each.name == name and each.blob[:4] == expected:
            yield each.blob[4:]


def _type(public_key: str, kind: int) -> bytes:
    return bytes([kind]) if public_key.startswith("ed25519:") else PRIVATE + bytes([kind])


def _key_hash(name: str, public_key: str, kind: int) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _type(public_key, kind) + raw_key(public_key)).digest()[:4]


def _cosigned_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()

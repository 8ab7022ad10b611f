"""Node keys and signed chain heads: what a centre, a lane or a court can check without asking anyone.

Keys and signatures travel as text that names its algorithm, ``ed25519:BASE64``, so that SM2 (GB/T 32918) can
stand beside Ed25519 (RFC 8032) without a new format.
"""

import base64
import binascii
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from central_sync.algorithms import KINDS, AlgorithmError, Ed25519, Kind, PrivateKey, Sm2
from lanes.record import genesis, link

ALGORITHM = Ed25519.name


class KeyTrouble(Exception):
    """A key file or key text cannot be used; the text says which and how to mend it."""


class SealedRow(Protocol):
    """A journal row as far as the chain is concerned."""

    @property
    def seq(self) -> int: ...
    @property
    def data(self) -> bytes: ...
    @property
    def head(self) -> bytes: ...


class Signer(Protocol):
    """Whoever holds a private key: ``NodeKey``, later a card or a cryptographic machine."""

    @property
    def public(self) -> str: ...
    def sign(self, message: bytes) -> str: ...


class NodeKey:
    """The private key of a node or of a registry."""

    def __init__(self, private: PrivateKey) -> None:
        self._private, self.algorithm = private, private.name
        self.public = _text(private.name, private.public)

    def sign(self, message: bytes) -> str:
        """Signature text over ``message``."""
        return _text(self._private.name, self._private.sign(message))

    @classmethod
    def generate(cls, algorithm: str = ALGORITHM) -> "NodeKey":
        """A new key that lives in memory only. Raises KeyTrouble for an algorithm that is not installed."""
        try:
            return cls(KINDS[algorithm].generate())
        except AlgorithmError as trouble:
            raise KeyTrouble(str(trouble)) from trouble

    @classmethod
    def create(cls, path: Path, algorithm: str = ALGORITHM) -> "NodeKey":
        """New key, durable in ``path`` (0600); raises KeyTrouble when the file exists already."""
        key = cls.generate(algorithm)
        _write_new(path, key._private.encode())
        return key

    @classmethod
    def load(cls, path: Path) -> "NodeKey":
        """Key from ``path``; raises KeyTrouble when it is missing, readable by others or no key."""
        try:
            content, mode = path.read_bytes(), path.stat().st_mode
        except OSError as trouble:
            raise KeyTrouble(f"cannot read the node key {path}: {trouble.strerror}") from trouble
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyTrouble(
                f"the node key {path} can be used by others on this machine; run: chmod 600 {path}"
            )
        try:
            return cls(Sm2.decode(content) if content.startswith(b"chayan sm2") else Ed25519.decode(content))
        except AlgorithmError as trouble:
            raise KeyTrouble(f"{path} {trouble}") from trouble

    @classmethod
    def load_or_create(cls, path: Path, algorithm: str = ALGORITHM) -> "NodeKey":
        """The key in ``path``, of whatever kind it is; made at the first start."""
        return cls.load(path) if path.exists() else cls.create(path, algorithm)


def head_message(node: str, seq: int, head: bytes) -> bytes:
    """What a node signs for the head of its chain."""
    return f"chayan head 1\n{node}\n{seq}\n{head.hex()}\n".encode()


def withheld_message(node: str, seq: int, sha256: str, size: int, head: str) -> bytes:
    """What a node signs when it sends this in the place of a record; ``head`` is that after the record."""
    return f"chayan withheld 1\n{node}\n{seq}\n{sha256}\n{size}\n{head}\n".encode()


def photo_message(node: str, sha256: str) -> bytes:
    """What a node signs when it hands over a photo."""
    return f"chayan photo 1\n{node}\n{sha256}\n".encode()


def receipt_message(node: str, seq: int, head: bytes) -> bytes:
    """What a registry signs when it has accepted the chain of ``node`` up to ``head``."""
    return f"chayan receipt 1\n{node}\n{seq}\n{head.hex()}\n".encode()


def verify(public_key: str, message: bytes, signature: str) -> bool:
    """Whether ``signature`` over ``message`` is by ``public_key``; malformed text is not.

    Raises KeyTrouble for an algorithm that is known but not installed here.
    """
    kind = _kind(public_key)
    if kind is None or _kind(signature) is not kind:
        return False
    key, sealed = _bytes(public_key, kind.key_bytes), _bytes(signature, kind.signature_bytes)
    if key is None or sealed is None:
        return False
    try:
        return kind.verify(key, message, sealed)
    except AlgorithmError as trouble:
        raise KeyTrouble(str(trouble)) from trouble


def is_public_key(text: str) -> bool:
    """Whether ``text`` has the form of a public key that this version can check."""
    kind = _kind(text)
    return kind is not None and _bytes(text, kind.key_bytes) is not None


def must_be_usable(key: str) -> None:
    """Raises KeyTrouble where what a key needs is not installed; ``key``: a public one, or its kind."""
    kind = _kind(key)
    try:
        if kind is not None:
            kind.must_be_installed()
    except AlgorithmError as trouble:
        raise KeyTrouble(str(trouble)) from trouble


def raw_key(public_key: str) -> bytes:
    """Bytes of a public key; raises KeyTrouble for what is none."""
    kind = _kind(public_key)
    raw = None if kind is None else _bytes(public_key, kind.key_bytes)
    if raw is None:
        raise KeyTrouble(f"{public_key[:100]!r} is no public key such as ed25519:BASE64")
    return raw


def raw_signature(signature: str) -> bytes:
    """Bytes of a signature text."""
    return base64.b64decode(signature.partition(":")[2])


def signature_text(public_key: str, raw: bytes) -> str:
    """Text of a signature by a key of the same kind as ``public_key``."""
    return _text(public_key.partition(":")[0], raw)


def verify_chain(
    node: str, rows: Iterable[SealedRow], from_seq: int = 1, prev_head: bytes | None = None
) -> int | None:
    """First seq at which the chain of ``node`` is not dense or not linked; None when all of it holds.

    ``prev_head`` is the head before ``from_seq``; left out, the rows must begin at 1.
    """
    if prev_head is None:
        from_seq, prev_head = 1, genesis(node)
    for expected, row in enumerate(rows, from_seq):
        prev_head = link(prev_head, row.data)
        if row.seq != expected or row.head != prev_head:
            return expected
    return None


def _text(algorithm: str, raw: bytes) -> str:
    return f"{algorithm}:{base64.b64encode(raw).decode()}"


def _kind(text: str) -> Kind | None:
    return KINDS.get(text.partition(":")[0])


def _bytes(text: str, size: int) -> bytes | None:
    try:
        raw = base64.b64decode(text.partition(":")[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == size else None


def _write_new(path: Path, content: bytes) -> None:
    """Durable or absent: temporary file, fsync, hard link (which never replaces), fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError as trouble:
        raise KeyTrouble(f"{path} exists already; a key is never replaced, move it away first") from trouble
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

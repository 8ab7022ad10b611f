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

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from lanes.record import genesis, link

ALGORITHM = "ed25519"
KEY_BYTES = 32  # RFC 8032 section 5.1.5
SIGNATURE_BYTES = 64  # RFC 8032 section 5.1.6


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

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = _text(private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> str:
        """Signature text over ``message``."""
        return _text(self._private.sign(message))

    @classmethod
    def generate(cls) -> "NodeKey":
        """A new key that lives in memory only."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def create(cls, path: Path) -> "NodeKey":
        """New key, durable in ``path`` (0600); raises KeyTrouble when the file exists already."""
        key = cls.generate()
        pem = key._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _write_new(path, pem)
        return key

    @classmethod
    def load(cls, path: Path) -> "NodeKey":
        """Key from ``path``; raises KeyTrouble when it is missing, readable by others or no Ed25519 key."""
        try:
            pem, mode = path.read_bytes(), path.stat().st_mode
        except OSError as trouble:
            raise KeyTrouble(f"cannot read the node key {path}: {trouble.strerror}") from trouble
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise KeyTrouble(
                f"the node key {path} can be used by others on this machine; run: chmod 600 {path}"
            )
        try:
            private = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as trouble:
            raise KeyTrouble(f"{path} is no private key in PEM form: {trouble}") from trouble
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyTrouble(f"{path} holds a key of another kind; an Ed25519 key is needed")
        return cls(private)

    @classmethod
    def load_or_create(cls, path: Path) -> "NodeKey":
        """The key in ``path``, made at the first start."""
        return cls.load(path) if path.exists() else cls.create(path)


def head_message(node: str, seq: int, head: bytes) -> bytes:
    """What a node signs for the head of its chain."""
    return f"chayan head 1\n{node}\n{seq}\n{head.hex()}\n".encode()


def photo_message(node: str, sha256: str) -> bytes:
    """What a node signs when it hands over a photo."""
    return f"chayan photo 1\n{node}\n{sha256}\n".encode()


def receipt_message(node: str, seq: int, head: bytes) -> bytes:
    """What a registry signs when it has accepted the chain of ``node`` up to ``head``."""
    return f"chayan receipt 1\n{node}\n{seq}\n{head.hex()}\n".encode()


def verify(public_key: str, message: bytes, signature: str) -> bool:
    """Whether ``signature`` over ``message`` is by ``public_key``; malformed text is not."""
    key, sealed = _bytes(public_key, KEY_BYTES), _bytes(signature, SIGNATURE_BYTES)
    if key is None or sealed is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(sealed, message)
    except InvalidSignature:
        return False
    return True


def is_public_key(text: str) -> bool:
    """Whether ``text`` has the form of a public key that this version can check."""
    return _bytes(text, KEY_BYTES) is not None


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


def _text(raw: bytes) -> str:
    return f"{ALGORITHM}:{base64.b64encode(raw).decode()}"


def _bytes(text: str, size: int) -> bytes | None:
    algorithm, _, encoded = text.partition(":")
    if algorithm != ALGORITHM:
        return None
    try:
        raw = base64.b64decode(encoded, validate=True)
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

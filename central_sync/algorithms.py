"""Kinds of signature: Ed25519 (RFC 8032), and SM2 with SM3 (GB/T 32918.2, GB/T 35276). One class each.

Keys and signatures are raw bytes here: Ed25519 32 and 64; SM2 the point x ‖ y and r ‖ s, 64 each.
"""

import re
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

SM2_ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123  # n, GB/T 32918.5

OTHER_KIND = (
    "holds a key of another kind; from PEM an Ed25519 key is read, an SM2 key from a file that chayan made"
)


class AlgorithmError(Exception):
    """A key cannot be used; the text says why and what is needed."""


class PrivateKey(Protocol):
    """A private key of some kind."""

    @property
    def name(self) -> str: ...
    @property
    def public(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...
    def encode(self) -> bytes: ...


class Ed25519:
    """RFC 8032."""

    name = "ed25519"
    key_bytes = 32  # section 5.1.5
    signature_bytes = 64  # section 5.1.6

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> "Ed25519":
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def decode(cls, pem: bytes) -> "Ed25519":
        """From PKCS#8 PEM; raises AlgorithmError."""
        try:
            private = load_pem_private_key(pem, password=None)
        except UnsupportedAlgorithm as trouble:
            raise AlgorithmError(f"{OTHER_KIND} ({trouble})") from trouble
        except (ValueError, TypeError) as trouble:
            raise AlgorithmError(f"is no private key in PEM form: {trouble}") from trouble
        if not isinstance(private, Ed25519PrivateKey):
            raise AlgorithmError(OTHER_KIND)
        return cls(private)

    def encode(self) -> bytes:
        """PKCS#8 PEM."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._private.sign(message)

    @staticmethod
    def must_be_installed() -> None:
        """It always is."""

    @staticmethod
    def verify(public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature holds."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Sm2:
    """SM2 with SM3 and the default identity 1234567812345678 (GB/T 35276); needs the extra ``gm``."""

    name = "sm2"
    key_bytes = 64
    signature_bytes = 64

    def __init__(self, private: bytes, public: bytes) -> None:
        self._private, self.public = private, public

    @classmethod
    def generate(cls) -> "Sm2":
        """A new key."""
        public, private = _gmssl().sm2_key_generate()
        return cls(private, public)

    @classmethod
    def decode(cls, text: bytes) -> "Sm2":
        """From the text of ``encode``; raises AlgorithmError."""
        match = re.fullmatch(rb"chayan sm2 key 1\n([0-9a-f]{64})\n([0-9a-f]{128})\n", text)
        if match is None:
            raise AlgorithmError("is no SM2 key file of this version")
        key = cls(bytes.fromhex(match[1].decode()), bytes.fromhex(match[2].decode()))
        try:
            belong_together = cls.verify(key.public, b"self-test", key.sign(b"self-test"))
        except AlgorithmError as trouble:
            raise AlgorithmError(f"holds an SM2 key, but {trouble}") from trouble
        if not belong_together:
            raise AlgorithmError("holds an SM2 key whose halves do not belong together")
        return key

    def encode(self) -> bytes:
        """A line that names the format, the private number and the public point, in hex."""
        return f"chayan sm2 key 1\n{self._private.hex()}\n{self.public.hex()}\n".encode("ascii")

    def sign(self, message: bytes) -> bytes:
        """64 bytes: r ‖ s."""
        r, s = decode_dss_signature(_gmssl().sm2_sign(self._private, self.public, message))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    @staticmethod
    def must_be_installed() -> None:
        """Raises AlgorithmError where SM2 is not."""
        _gmssl()

    @staticmethod
    def verify(public: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the signature holds; raises AlgorithmError where SM2 is not installed."""
        gmssl = _gmssl()
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if not (0 < r < SM2_ORDER and 0 < s < SM2_ORDER):
            return False
        try:
            held: bool = gmssl.sm2_verify(public, message, encode_dss_signature(r, s))
        except (gmssl.InvalidValueError, gmssl.GmsslInnerError):
            return False
        return held


Kind = type[Ed25519] | type[Sm2]
KINDS: dict[str, Kind] = {kind.name: kind for kind in (Ed25519, Sm2)}


def _gmssl() -> Any:
    try:
        import gmssl_pyx
    except ImportError as trouble:
        raise AlgorithmError("SM2 is not installed: pip install 'chayan[gm]'") from trouble
    return gmssl_pyx

"""What a verifier knows beforehand: keys, and what others have seen."""

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What somebody else has seen of this journal at record ``seq``: its head (hex), or its Merkle root."""

    seq: int
    where: str
    head: str = ""
    root: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Keys the verifier knows to be the node's and the registry's, and heads seen elsewhere.

    Without keys those found inside are taken and named: the reader must compare them.
    """

    keys: Collection[str] = ()
    registry_keys: Collection[str] = ()
    witnesses: Collection[Seen] = ()

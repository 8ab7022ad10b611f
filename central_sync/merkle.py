"""The Merkle tree over a node's chain (RFC 9162 section 2.1). Pure.

Leaf *i* (from 0) is the 32-byte chain head after record *i* + 1: both sides have it, also of records that a
registry refused and whose bytes only the node keeps. That a record is under a head needs the head before it
and the record's bytes; that the head is under the root is what the proofs here show.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()  # root of no leaves


def leaf_hash(head: bytes) -> bytes:
    """Hash of a leaf (section 2.1.1)."""
    return hashlib.sha256(b"\0" + head).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


class Frontier:
    """The full subtrees of a growing tree, largest first: enough to append and to name the root."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size, self._hashes = size, list(hashes)
        if len(self._hashes) != size.bit_count() or any(len(each) != HASH_BYTES for each in self._hashes):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} full subtrees")

    def append(self, head: bytes) -> list[bytes]:
        """One more leaf; hashes of the full subtrees that it completes, of 1, 2, 4 … leaves."""
        filled, size = [leaf_hash(head)], self.size
        while size & 1:
            filled.append(node_hash(self._hashes.pop(), filled[-1]))
            size >>= 1
        self._hashes.append(filled[-1])
        self.size += 1
        return filled

    def root(self) -> bytes:
        """Root of the tree so far."""
        if not self._hashes:
            return EMPTY
        *left, found = self._hashes
        for each in reversed(left):
            found = node_hash(each, found)
        return found

    def encode(self) -> bytes:
        """Size (8 bytes, big-endian) and hashes."""
        return self.size.to_bytes(8, "big") + b"".join(self._hashes)

    @classmethod
    def decode(cls, packed: bytes) -> "Frontier":
        """From ``encode``; raises ValueError."""
        if len(packed) < 8:
            raise ValueError("a frontier begins with the number of its leaves, which are full subtrees")
        hashes = [packed[at : at + HASH_BYTES] for at in range(8, len(packed), HASH_BYTES)]
        return cls(int.from_bytes(packed[:8], "big"), hashes)


def root_of(heads: Iterable[bytes]) -> bytes:
    """Root of the tree of all ``heads``."""
    frontier = Frontier()
    for head in heads:
        frontier.append(head)
    return frontier.root()


class Leaves(Protocol):
    """Where heads come from; ``full`` may know the hash of a full subtree of 2**level leaves."""

    def heads(self, first: int, last: int) -> Sequence[bytes]: ...
    def full(self, level: int, index: int) -> bytes | None: ...


def subtree(leaves: Leaves, first: int, last: int) -> bytes:
    """Hash of the tree of leaves ``first`` (included) to ``last`` (not included)."""
    count = last - first
    level = count.bit_length() - 1
    if count == 1 << level and first % count == 0:
        known = leaves.full(level, first >> level)
        if known is not None:
            return known
    if count <= 256:
        return root_of(leaves.heads(first, last))
    middle = first + _split(count)
    return node_hash(subtree(leaves, first, middle), subtree(leaves, middle, last))


def _split(count: int) -> int:
    """The largest power of two smaller than ``count``."""
    return int(1 << ((count - 1).bit_length() - 1))


def inclusion(leaves: Leaves, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of section 2.1.3.1."""
    return _path(leaves, index, 0, size)


def _path(leaves: Leaves, index: int, first: int, last: int) -> list[bytes]:
    if last - first <= 1:
        return []
    middle = first + _split(last - first)
    if index < middle:
        return [*_path(leaves, index, first, middle), subtree(leaves, middle, last)]
    return [*_path(leaves, index, middle, last), subtree(leaves, first, middle)]


def consistency(leaves: Leaves, old: int, size: int) -> list[bytes]:
    """PROOF(old, D[size]) of section 2.1.4.1; nothing to prove for an empty or an equal tree."""
    return _subproof(leaves, old, 0, size, True) if 0 < old < size else []


def _subproof(leaves: Leaves, old: int, first: int, last: int, known: bool) -> list[bytes]:
    if first + old == last:
        return [] if known else [subtree(leaves, first, last)]
    split = _split(last - first)
    middle = first + split
    if old <= split:
        return [*_subproof(leaves, old, first, middle, known), subtree(leaves, middle, last)]
    return [*_subproof(leaves, old - split, middle, last, False), subtree(leaves, first, middle)]


def included(head: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``proof`` shows leaf ``index`` under ``root`` (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf_hash(head)
    for each in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(each, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = node_hash(found, each)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def consistent(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether ``proof`` shows that the tree of ``size`` only adds to that of ``old`` (section 2.1.4.2)."""
    if old > size:
        return False
    if old in (0, size):
        return not proof and (old_root == root if old else old_root == EMPTY)
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    left, right = path[0], path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            left, right = node_hash(each, left), node_hash(each, right)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            right = node_hash(right, each)
        node, last = node >> 1, last >> 1
    return last == 0 and left == old_root and right == root

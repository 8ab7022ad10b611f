"""The Merkle tree of RFC 9162 against its definition, published vectors, and every change of a proof."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_sync import merkle
from tests.central_parts import STEADY

# Inputs and roots of the certificate-transparency reference trees (RFC 6962: the same tree)
CT_LEAVES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive(leaves: Sequence[bytes]) -> bytes:
    """MTH of section 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return merkle.leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(naive(leaves[:split]), naive(leaves[split:]))


class Known:
    """Heads in memory, and the full subtrees that somebody noted."""

    def __init__(self, heads: Sequence[bytes], noted: bool = False) -> None:
        self.all, self.noted, self.read = heads, noted, 0

    def heads(self, first: int, last: int) -> Sequence[bytes]:
        self.read += last - first
        return self.all[first:last]

    def full(self, level: int, index: int) -> bytes | None:
        if not self.noted or level not in (8, 16):
            return None
        return naive(self.all[index << level : (index + 1) << level])


def heads_of(count: int) -> list[bytes]:
    return [hashlib.sha256(str(n).encode()).digest() for n in range(count)]


def test_published_roots_are_met() -> None:
    frontier = merkle.Frontier()
    for leaf, root in zip(CT_LEAVES, CT_ROOTS, strict=True):
        frontier.append(bytes.fromhex(leaf))
        assert frontier.root().hex() == root
    assert merkle.Frontier().root().hex().startswith("e3b0c44298fc1c14")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 9, 255, 256, 257, 600])
def test_frontier_subtree_and_definition_agree(size: int) -> None:
    heads = heads_of(size)
    assert merkle.root_of(heads) == naive(heads)
    if size:
        assert merkle.subtree(Known(heads), 0, size) == naive(heads)
        assert merkle.subtree(Known(heads, noted=True), 0, size) == naive(heads)
    packed = merkle.Frontier()
    for head in heads[: size // 2]:
        packed.append(head)
    again = merkle.Frontier.decode(packed.encode())
    for head in heads[size // 2 :]:
        again.append(head)
    assert again.root() == naive(heads)


def test_every_inclusion_proof_of_small_trees_holds_and_no_changed_one_does() -> None:
    for size in range(1, 18):
        heads = heads_of(size)
        root = naive(heads)
        for index in range(size):
            proof = merkle.inclusion(Known(heads), index, size)
            assert merkle.included(heads[index], index, size, proof, root)
            assert not merkle.included(heads[index - 1] if size > 1 else b"", index, size, proof, root)
            assert not merkle.included(heads[index], index, size, proof, b"\0" * 32)
            assert not merkle.included(heads[index], index, size, [*proof, b"\0" * 32], root)
            for at in range(len(proof)):
                assert not merkle.included(heads[index], index, size, proof[:at] + proof[at + 1 :], root)
                changed = [*proof[:at], bytes(32), *proof[at + 1 :]]
                assert not merkle.included(heads[index], index, size, changed, root)
        assert not merkle.included(heads[0], size, size, [], root)
        assert not merkle.included(heads[0], -1, size, [], root)


def test_every_consistency_proof_of_small_trees_holds_and_no_changed_one_does() -> None:
    for size in range(1, 18):
        heads = heads_of(size)
        root = naive(heads)
        for old in range(size + 1):
            proof = merkle.consistency(Known(heads), old, size)
            before = naive(heads[:old])
            assert merkle.consistent(old, before, size, root, proof)
            assert not merkle.consistent(old, bytes(32), size, root, proof)
            assert not merkle.consistent(old, before, size, bytes(32), proof) or old == 0
            for at in range(len(proof)):
                changed = [*proof[:at], bytes(32), *proof[at + 1 :]]
                assert not merkle.consistent(old, before, size, root, changed)
                assert not merkle.consistent(old, before, size, root, proof[:at] + proof[at + 1 :])
        assert not merkle.consistent(size + 1, root, size, root, [])


@STEADY
@given(size=st.integers(1, 1500), data=st.data())
def test_proofs_of_larger_trees_hold_with_noted_subtrees_too(size: int, data: st.DataObject) -> None:
    heads = heads_of(size)
    root = merkle.root_of(heads)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    plain, noted = Known(heads), Known(heads, noted=True)
    assert merkle.inclusion(plain, index, size) == merkle.inclusion(noted, index, size)
    assert merkle.included(heads[index], index, size, merkle.inclusion(noted, index, size), root)
    proof = merkle.consistency(noted, old, size)
    assert proof == merkle.consistency(plain, old, size)
    assert merkle.consistent(old, merkle.root_of(heads[:old]), size, root, proof)
    if size > 1024:
        assert noted.read < plain.read


def test_a_frontier_that_cannot_be_one_is_refused() -> None:
    for packed in (b"", b"\0" * 7, (3).to_bytes(8, "big") + b"\0" * 32, (1).to_bytes(8, "big") + b"\0" * 31):
        with pytest.raises(ValueError, match="full subtrees"):
            merkle.Frontier.decode(packed)

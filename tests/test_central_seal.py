"""Node keys, signatures and the chain: what must hold and what must be refused."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from central_sync.seal import (
    KeyTrouble,
    NodeKey,
    head_message,
    is_public_key,
    photo_message,
    receipt_message,
    verify,
    verify_chain,
)
from tests.central_parts import STEADY, Row, chain


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "node.pem"
    made = NodeKey.load_or_create(path)
    again = NodeKey.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.public == again.public and made.public.startswith("ed25519:")
    assert verify(made.public, b"m", again.sign(b"m"))
    assert [p.name for p in path.parent.iterdir()] == ["node.pem"]


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    first = NodeKey.create(path).public
    with pytest.raises(KeyTrouble, match="never replaced"):
        NodeKey.create(path)
    assert NodeKey.load(path).public == first


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    NodeKey.create(path)
    path.chmod(0o640)
    with pytest.raises(KeyTrouble, match="chmod 600"):
        NodeKey.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyTrouble, match=r"node\.pem"):
        NodeKey.load(path)


def test_a_key_of_another_kind_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    with pytest.raises(KeyTrouble, match="No such file"):
        NodeKey.load(path)
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    with pytest.raises(KeyTrouble, match="Ed25519"):
        NodeKey.load(path)


def test_messages_are_told_apart() -> None:
    head = bytes(32)
    assert head_message("n-1", 7, head) == b"chayan head 1\nn-1\n7\n" + b"0" * 64 + b"\n"
    assert photo_message("n-1", "ab" * 32) == b"chayan photo 1\nn-1\n" + b"ab" * 32 + b"\n"
    assert receipt_message("n-1", 7, head) == b"chayan receipt 1\nn-1\n7\n" + b"0" * 64 + b"\n"


@STEADY
@given(message=st.binary(max_size=64), other=st.binary(max_size=64))
def test_a_signature_holds_for_its_message_and_key_only(message: bytes, other: bytes) -> None:
    key, stranger = NodeKey.generate(), NodeKey.generate()
    signature = key.sign(message)
    assert verify(key.public, message, signature)
    assert not verify(stranger.public, message, signature)
    assert verify(key.public, other, signature) == (message == other)


@STEADY
@given(text=st.text(max_size=120))
def test_any_text_as_key_or_signature_is_only_a_no(text: str) -> None:
    key = NodeKey.generate()
    assert not verify(key.public, b"m", text)
    assert not verify(text, b"m", key.sign(b"m"))
    assert not verify(key.public, b"m", "ed25519:" + text)


def test_an_unknown_algorithm_is_no_key() -> None:
    key = NodeKey.generate()
    assert is_public_key(key.public)
    assert not is_public_key(key.public.replace("ed25519", "sm2"))
    assert not is_public_key("ed25519:AAAA")


@STEADY
@given(data=st.data(), count=st.integers(2, 12))
def test_the_first_bad_row_is_named(data: st.DataObject, count: int) -> None:
    rows = chain("lane-1", count)
    assert verify_chain("lane-1", rows) is None
    at = data.draw(st.integers(0, count - 1))
    rows[at] = Row(rows[at].seq, rows[at].data + b" ", rows[at].head)
    assert verify_chain("lane-1", rows) == at + 1
    assert verify_chain("lane-1", rows[at + 1 :], at + 2, rows[at].head) is None


def test_gaps_other_nodes_and_wrong_starts_are_found() -> None:
    rows = chain("lane-1", 6)
    assert verify_chain("lane-2", rows) == 1
    assert verify_chain("lane-1", rows[:2] + rows[3:]) == 3
    assert verify_chain("lane-1", rows[2:]) == 1
    assert verify_chain("lane-1", rows[2:], 3, rows[0].head) == 3
    assert verify_chain("lane-1", []) is None

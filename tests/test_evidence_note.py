"""Signed notes: the published vector, our own signatures, SM2 beside Ed25519, and whatever is no note."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_sync import note as n
from central_sync.algorithms import Sm2
from central_sync.seal import KeyTrouble, NodeKey, is_public_key, raw_key, raw_signature, verify
from tests.central_parts import STEADY

# The example of the signed-note format (golang.org/x/mod/sumdb/note)
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNED = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpR"
    "Zb6KE6RyyBwJnAM=\n"
)
ROOT = "A" * 43 + "="


def test_the_published_note_holds_and_no_changed_one_does() -> None:
    name, _, encoded = PETER.split("+", 2)
    key = "ed25519:" + base64.b64encode(base64.b64decode(encoded)[1:]).decode()
    note = n.parse(SIGNED)
    assert str(note) == SIGNED
    assert n.vkey(name, key) == PETER
    assert n.is_signed(note, name, key)
    assert not n.is_signed(n.parse(SIGNED.replace("your problem", "my problem")), name, key)
    assert not n.is_signed(note, "Somebody", key)


@pytest.mark.parametrize("algorithm", ["ed25519", "sm2"])
def test_a_checkpoint_signed_by_the_node_and_cosigned_by_the_registry(algorithm: str) -> None:
    node, registry = NodeKey.generate(algorithm), NodeKey.generate(algorithm)
    origin = n.origin_of("site-1", "lane-1")
    checkpoint = n.Checkpoint(origin=origin, size=7, root=bytes(range(32)))
    note = n.signed(n.Note(text=str(checkpoint)), origin, node)
    both = n.parse(str(n.cosigned(note, n.WITNESS, registry, 1_800_000_000)))
    assert n.checkpoint_of(both) == checkpoint
    assert n.is_signed(both, origin, node.public)
    assert n.witnessed_at(both, n.WITNESS, registry.public) == 1_800_000_000
    assert n.witnessed_at(both, n.WITNESS, node.public) is None
    assert not n.is_signed(both, origin, registry.public)
    later = n.Note(text=both.text, signatures=both.signatures[:1])
    assert n.witnessed_at(later, n.WITNESS, registry.public) is None
    changed = n.parse(str(both).replace("\n7\n", "\n8\n"))
    assert not n.is_signed(changed, origin, node.public)
    assert n.witnessed_at(changed, n.WITNESS, registry.public) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a\n",
        "a\n\n",
        "a\n\nb\n",
        "a\n\n— b\n",
        "a\n\n— b !!!\n",
        "a\n\n— b AAAA\n",
        "x" * 20_000,
        "a\n\n— b AAAAAAAAAAB=\n",
        "a\r\n\n— b AAAAAAAAAAA=\n",
        "a\ud800\n\n— b AAAAAAAAAAA=\n",
        "a\n\n— b+c AAAAAAAAAAA=\n",
        "a\n\n" + "— b AAAAAAAAAAA=\n" * 65,
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(n.NoteError):
        n.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "o\n",
        "o\n1\n",
        "o\n1\nAAAA\n",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n１\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n1\n{ROOT}",
        f"o\n1\n{ROOT[:-2]}B=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(n.NoteError):
        n.checkpoint_of(n.Note(text=text))


@STEADY
@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        n.checkpoint_of(n.parse(text))
    except n.NoteError:
        return


@pytest.mark.parametrize("site", ["", "a b", "a+b", "a\nb"])
def test_a_site_that_cannot_name_a_log_is_refused(site: str) -> None:
    with pytest.raises(n.NoteError):
        n.origin_of(site, "lane-1")


# ---- SM2 -----------------------------------------------------------------------------------------


def test_an_sm2_key_is_kept_read_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    key = NodeKey.load_or_create(path, "sm2")
    assert path.stat().st_mode & 0o777 == 0o600
    assert NodeKey.load_or_create(path, "ed25519").public == key.public, "a key that is there is kept"
    assert key.public.startswith("sm2:") and is_public_key(key.public)
    assert verify(key.public, b"m", key.sign(b"m"))
    assert not verify(key.public, b"other", key.sign(b"m"))
    assert not verify(NodeKey.generate("sm2").public, b"m", key.sign(b"m"))
    assert not verify(NodeKey.generate().public, b"m", key.sign(b"m")), "another kind of key"
    with pytest.raises(KeyTrouble, match="exists already"):
        NodeKey.create(path, "sm2")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(KeyTrouble, match="no SM2 key file"):
        NodeKey.load(path)


@pytest.mark.parametrize("raw", [bytes(64), b"\xff" * 64, b"\x01" * 64])
def test_malformed_sm2_signatures_and_points_do_not_hold(raw: bytes) -> None:
    key = NodeKey.generate("sm2")
    text = "sm2:" + base64.b64encode(raw).decode()
    assert not verify(key.public, b"m", text)
    assert not verify(text, b"m", key.sign(b"m"))


def test_openssl_agrees_with_our_sm2_signatures(tmp_path: Path) -> None:
    """Another implementation of GB/T 32918 on the same key, message and identity."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "install openssl: apt install openssl"
    key = NodeKey.generate("sm2")
    header = "3059301306072a8648ce3d020106082a811ccf5501822d034200" + "04"
    spki = base64.b64encode(bytes.fromhex(header) + raw_key(key.public)).decode()
    (tmp_path / "k.pem").write_text(
        f"-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n", "ascii"
    )
    (tmp_path / "m").write_bytes(b"chayan head 1\nlane-1\n7\n")
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    raw = raw_signature(key.sign(b"chayan head 1\nlane-1\n7\n"))
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    (tmp_path / "s").write_bytes(der)
    told = subprocess.run(
        [openssl, "dgst", "-sm3", "-verify", "k.pem", "-signature", "s",
         "-sigopt", "distid:1234567812345678", "m"],
        cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "Verified OK" in told.stdout, told.stderr


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    key = NodeKey.generate("sm2")
    signature = key.sign(b"m")
    monkeypatch.setitem(__import__("sys").modules, "gmssl_pyx", None)
    with pytest.raises(KeyTrouble, match=r"chayan\[gm\]"):
        NodeKey.generate("sm2")
    with pytest.raises(KeyTrouble, match=r"chayan\[gm\]"):
        verify(key.public, b"m", signature)


def test_the_halves_of_an_sm2_key_file_belong_together(tmp_path: Path) -> None:
    one, other = Sm2.generate().encode().split(b"\n"), Sm2.generate().encode().split(b"\n")
    path = tmp_path / "node.key"
    path.touch(0o600)
    path.write_bytes(b"\n".join([one[0], one[1], other[2], b""]))
    with pytest.raises(KeyTrouble, match="do not belong together"):
        NodeKey.load(path)

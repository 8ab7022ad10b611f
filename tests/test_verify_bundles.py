"""A bundle is verified offline: what holds, and every way to spoil one is named."""

import random
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from typer.testing import CliRunner

from central_sync import batch as wire
from central_sync import bundle as b
from central_sync.carried import verify_bundle
from central_sync.ferry import BundleReceipt, Export
from central_sync.photos import Photos
from central_sync.seal import NodeKey, receipt_message
from central_sync.trust import Seen, Trust
from central_sync.verdicts import Findings
from edge.__main__ import app as chayan
from tests.central_parts import Lane, Row, photo

OTHER, REGISTRY = NodeKey.generate(), NodeKey.generate()
Contents = dict[str, bytes]


class Journal:
    """The rows of a lane, as an export reads them."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def head(self) -> tuple[int, bytes]:
        return len(self._lane.rows), self._lane.head

    def rows(self, after_seq: int, limit: int) -> list[Row]:
        return self._lane.rows[after_seq : after_seq + limit]


class Road:
    """A lane whose records and photos go into bundles of one inspection each."""

    def __init__(self, folder: Path) -> None:
        self.lane, self._folder = Lane("lane-1"), folder
        self.photos = Photos(folder / "photos")
        self.export = Export(
            site=self.lane.site, node=self.lane.node, journal=Journal(self.lane), photos=self.photos,
            signer=self.lane.key, out=folder / "out", state=folder / "state.json",
        )  # fmt: skip
        self.trust = Trust(keys=(self.lane.key.public,))

    def send(self, *names: str) -> Path:
        for name in names:
            self.photos.put(photo(name))
            self.lane.inspect(name)
        (path,) = self.export.export()
        return path


@pytest.fixture
def road(tmp_path: Path) -> Road:
    return Road(tmp_path)


def made_anew(path: Path, change: Callable[[Contents], Any], key: NodeKey, **manifest: Any) -> Path:
    """The bundle with other parts, all digests and the manifest's signature made for them."""
    bundle = b.open_bundle(path)
    contents = dict(bundle.parts())
    change(contents)
    parts = [b.part_of(*each) for each in contents.items()]
    fresh = msgspec.structs.replace(bundle.manifest, parts=parts, **manifest)
    return b.write(path.parent, fresh, key, contents.__getitem__)


def batch_changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Contents], None]:
    def work(contents: Contents) -> None:
        batch = msgspec.json.decode(contents["batches/000001.json"])
        change(batch)
        contents["batches/000001.json"] = msgspec.json.encode(batch)

    return work


def said(findings: Findings) -> str:
    assert all(line.zh and line.en for line in (*findings.good, *findings.open, *findings.bad))
    return " | ".join(line.en for line in (*findings.good, *findings.open, *findings.bad))


def test_a_true_bundle_holds_and_says_what_was_checked(road: Road) -> None:
    first, second = road.send("a0", "a1"), road.send("a2")
    findings = verify_bundle(first, road.trust)
    assert findings.holds, findings.bad
    text = said(findings)
    assert "bundle 1 of site-1/lane-1" in text and "records 1 to 22 are linked" in text
    assert "2 photos are whole" in text and "--key" not in text
    later = verify_bundle(second, Trust())
    assert later.holds and "records 23 to 33" in said(later)
    assert "no --key was given" in said(later) and "must have SHA-256" in said(later)
    done = CliRunner().invoke(chayan, ["verify", str(second), "--key", road.lane.key.public])
    assert done.exit_code == 0, done.output


def test_a_withheld_record_is_told_and_must_be_signed_for(road: Road) -> None:
    path = road.send("a0")
    batch = next(b.open_bundle(path).batches())
    kept_back = wire.withhold(road.lane.batch(4, 4), road.lane.key).records[0]

    def withhold(contents: Contents) -> None:
        records = [*batch.records[:3], kept_back, *batch.records[4:]]
        contents["batches/000001.json"] = msgspec.json.encode(msgspec.structs.replace(batch, records=records))

    changed = made_anew(path, withhold, road.lane.key)
    findings = verify_bundle(changed, road.trust)
    assert findings.holds, findings.bad
    assert [line.seq for line in findings.open] == [4] and "the node's word alone" in findings.open[0].en
    assert "linked, but for 1 withheld" in said(findings)

    def lie(contents: Contents) -> None:
        withhold(contents)
        batch_changed(lambda said: said["records"][3].update(size=1))(contents)

    findings = verify_bundle(made_anew(changed, lie, road.lane.key), road.trust)
    assert [(line.seq, "not signed" in line.en) for line in findings.bad] == [(4, True)]


def test_photos_alone_can_be_a_bundle(road: Road) -> None:
    road.send("a0")
    digest = road.photos.put(photo("late"))
    road.export.want([digest])
    (path,) = road.export.export()
    findings = verify_bundle(path, road.trust)
    assert findings.holds and "1 photos are whole" in said(findings)


def test_another_key_is_named(road: Road) -> None:
    path = road.send("a0")
    assert "signed by another key" in said(verify_bundle(path, Trust(keys=(OTHER.public,))))
    made_anew(path, lambda _: None, OTHER)
    assert "signature of the manifest is not valid" in said(verify_bundle(path, road.trust))
    assert "signature of the manifest is not valid" in said(verify_bundle(path, Trust()))
    made_anew(path, lambda _: None, OTHER, public_key=OTHER.public)
    findings = verify_bundle(path, Trust())
    assert findings.bad[0].seq == 11 and "signed by another key" in said(findings), "the batch names its own"


def test_parts_changed_under_a_fresh_signature_are_named_with_their_record(road: Road) -> None:
    """As whoever holds the node's key and does not take care, or a fault of the export, would leave it."""
    path, key = road.send("a0", "a1"), road.lane.key
    true = path.read_bytes()

    def first_wrong(change: Callable[[Contents], Any], **manifest: Any) -> int | None:
        path.write_bytes(true)
        made_anew(path, change, key, **manifest)
        findings = verify_bundle(path, road.trust)
        assert not findings.holds, said(findings)
        return findings.bad[0].seq

    def swap(batch: dict[str, Any]) -> None:
        batch["records"][4], batch["records"][5] = batch["records"][5], batch["records"][4]

    def verdict(batch: dict[str, Any]) -> None:
        batch["records"][9] = batch["records"][9].replace('"verdict":"pass"', '"verdict":"fail"')

    assert first_wrong(batch_changed(swap)) == 5
    assert first_wrong(batch_changed(lambda batch: batch["records"].pop(6))) == 7
    assert first_wrong(batch_changed(lambda batch: batch["records"].insert(3, batch["records"][3]))) == 5
    assert first_wrong(batch_changed(verdict)) == 22, "the signature over its last head"
    assert first_wrong(batch_changed(lambda batch: batch.update(first_seq=2))) == 1
    assert first_wrong(batch_changed(lambda batch: batch.update(prev_head="0" * 64))) == 1
    assert first_wrong(batch_changed(lambda batch: batch["records"].pop())) == 21
    assert first_wrong(lambda contents: contents.pop("batches/000001.json")) == 1
    assert first_wrong(lambda _: None, last_seq=23) == 23
    assert first_wrong(lambda _: None, head="0" * 64) == 23
    digest = b.open_bundle(path).photos()[0]
    assert first_wrong(lambda contents: contents.update({f"photos/{digest}": b"other"})) is None
    path.write_bytes(true)
    assert verify_bundle(path, road.trust).holds


def test_what_others_have_seen_is_compared(road: Road) -> None:
    path = road.send("a0", "a1")
    head = road.lane.rows[9].head.hex()

    def with_seen(**seen: Any) -> Findings:
        return verify_bundle(path, Trust(witnesses=[Seen(where="theirs", **seen)]))

    assert "agrees with theirs" in said(with_seen(seq=10, head=head))
    assert with_seen(seq=11, head=head).bad[0].seq == 11
    for elsewhere in (with_seen(seq=23, head=head), with_seen(seq=10, root=b"\1" * 32)):
        assert elsewhere.holds and "theirs cannot be compared" in said(elsewhere)


def test_a_receipt_on_its_way_back_is_verified(road: Road) -> None:
    lane, head = road.lane, road.send("a0") and road.lane.head.hex()
    message = receipt_message(lane.node, 11, lane.head)

    def returned(signature: str) -> Path:
        receipt = wire.Receipt(
            site=lane.site, node=lane.node, accepted_through=11, head=head, stored=0, duplicates=0,
            registry_key=REGISTRY.public, countersignature=signature,
        )  # fmt: skip
        content = msgspec.json.encode(BundleReceipt(receipt=receipt, wanted=[]))
        manifest = b.Manifest(
            format=b.FORMAT, kind="receipt", site=lane.site, node=lane.node, number=1, previous="",
            first_seq=1, last_seq=11, head=head, made_at="2026-11-24T08:00:00+00:00",
            public_key=REGISTRY.public, parts=[b.part_of("receipt.json", content)],
        )  # fmt: skip
        return b.write(road.export._out, manifest, REGISTRY, lambda _: content)

    good = verify_bundle(returned(REGISTRY.sign(message)), Trust(registry_keys=(REGISTRY.public,)))
    assert good.holds and "confirmed through record 11" in said(good)
    bad = verify_bundle(returned(OTHER.sign(message)), Trust())
    assert "signature of the receipt is not valid" in said(bad)
    assert not verify_bundle(returned(REGISTRY.sign(message)), Trust(registry_keys=(OTHER.public,))).holds


@pytest.mark.parametrize("seed", range(60))
def test_no_changed_or_cut_file_is_taken_for_whole(road: Road, seed: int) -> None:
    path, dice = road.send("a0"), random.Random(seed)
    content = bytearray(path.read_bytes())
    if seed % 3 == 0:
        del content[dice.randrange(len(content)) :]
    elif seed % 3 == 1:
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    else:
        content += bytes([dice.randrange(256)])
    path.write_bytes(content)
    findings = verify_bundle(path, road.trust)
    assert not findings.holds, said(findings)


def test_any_changed_byte_of_a_member_is_named(road: Road) -> None:
    path = road.send("a0")
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    with tarfile.open(fileobj=BytesIO(plain)) as archive:
        spans = [(each.name, each.offset_data, each.size) for each in archive.getmembers()]
    dice = random.Random(7)
    for name, start, size in spans:
        for at in {0, size - 1, *(dice.randrange(size) for _ in range(6))}:
            spoilt = bytearray(plain)
            spoilt[start + at] ^= 1
            path.write_bytes(zstandard.ZstdCompressor().compress(bytes(spoilt)))
            findings = verify_bundle(path, road.trust)
            assert not findings.holds, (name, at)

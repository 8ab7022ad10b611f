"""The centre's end of the one-way road: bundles in, receipts back. Any bundle, any number of times."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
import sqlalchemy as sa

from central_sync import ferry
from central_sync.batch import MAX_RECORDS, Receipt, RefusedRecord
from central_sync.bundle import FORMAT, Bundle, BundleError, Manifest, batch_in, open_bundle, part_of, write
from central_sync.photos import Photos
from central_sync.registry import pictures
from central_sync.registry.accept import Policy, accept, refused_of
from central_sync.registry.engines import writing
from central_sync.registry.marks import Mark, mark
from central_sync.registry.nodes import owned, standing
from central_sync.registry.problems import Rejected
from central_sync.registry.tables import bundles, insert_missing, nodes, photos
from central_sync.seal import NodeKey, receipt_message

Outcome: TypeAlias = Literal["taken", "held", "gap", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of one file, in both languages."""

    path: Path
    outcome: Outcome
    zh: str
    en: str


def import_all(engine: sa.Engine, store: Photos, policy: Policy, paths: Iterable[Path]) -> list[Imported]:
    """Takes bundles in the order of their numbers; one that cannot be taken stops no other node's."""
    results, opened = [], list[Bundle]()
    for path in paths:
        try:
            opened.append(open_bundle(path))
        except BundleError as trouble:
            results.append(_refused(path, str(trouble)))
    for bundle in sorted(opened, key=lambda each: (each.site, each.node, each.number)):
        results.append(import_one(engine, store, policy, bundle))
    return results


def import_one(engine: sa.Engine, store: Photos, policy: Policy, bundle: Bundle) -> Imported:
    """Takes one bundle: verified whole before anything of it is stored."""
    try:
        if bundle.manifest.kind != "records":
            raise BundleError(f"{bundle.path}: is a receipt; it belongs into the node's folder for receipts")
        _must_be_enrolled(engine, bundle)
        digest = _digest(bundle.path)
        if _is_held(engine, bundle, digest):
            number = bundle.number
            return Imported(
                path=bundle.path,
                outcome="held",
                zh=f"第 {number} 包早已导入",
                en=f"bundle {number} was taken before",
            )
        bundle.check()
        return _take(engine, store, policy, bundle, digest)
    except BundleError as trouble:
        return _refused(bundle.path, str(trouble))


def _take(engine: sa.Engine, store: Photos, policy: Policy, bundle: Bundle, digest: str) -> Imported:
    taken = pictured = 0
    for name, content in bundle.parts():
        if name.startswith("batches/"):
            try:
                taken += accept(engine, batch_in(bundle, name, content), policy).stored
            except Rejected as trouble:
                return _turned_down(engine, bundle, trouble)
        elif _is_named(engine, bundle, name[7:]):
            try:
                pictured += pictures.keep(store, name[7:], content)
            except Rejected as trouble:
                return _refused(bundle.path, f"{bundle.path}: {name}: {trouble}")
            mark(engine, [Mark(site=bundle.site, node=bundle.node, sha256=name[7:], size=len(content))])
    row = {
        "site": bundle.site,
        "node": bundle.node,
        "number": bundle.number,
        "sha256": digest,
        "first_seq": bundle.manifest.first_seq,
        "last_seq": bundle.manifest.last_seq,
        "imported_at": datetime.now(UTC),
    }
    with writing(engine) as connection:
        insert_missing(connection, bundles, [row])
    return Imported(
        path=bundle.path,
        outcome="taken",
        zh=f"第 {bundle.number} 包：新增 {taken} 条记录、{pictured} 张照片",
        en=f"bundle {bundle.number}: {taken} new records, {pictured} new photos",
    )


def _must_be_enrolled(engine: sa.Engine, bundle: Bundle) -> None:
    query = sa.select(nodes.c.public_key).where(*owned(nodes, bundle.site, bundle.node))
    with engine.connect() as connection:
        key = connection.execute(query).scalar()
    if key is None:
        raise BundleError(f"{bundle.path}: node {bundle.site}/{bundle.node} is not enrolled here (--node)")
    if not bundle.is_by([key]):
        raise BundleError(f"{bundle.path}: is not signed by the key that {bundle.node} is enrolled with")


def _is_held(engine: sa.Engine, bundle: Bundle, digest: str) -> bool:
    query = sa.select(bundles.c.sha256).where(
        *owned(bundles, bundle.site, bundle.node), bundles.c.number == bundle.number
    )
    with engine.connect() as connection:
        return connection.execute(query).scalar() == digest


def _is_named(engine: sa.Engine, bundle: Bundle, digest: str) -> bool:
    """Whether a held record names the photo; what none names is not kept."""
    query = sa.select(photos.c.seq).where(*owned(photos, bundle.site, bundle.node), photos.c.sha256 == digest)
    with engine.connect() as connection:
        return connection.execute(query).first() is not None


def _turned_down(engine: sa.Engine, bundle: Bundle, trouble: Rejected) -> Imported:
    if trouble.code != "gap":
        return _refused(bundle.path, f"{bundle.path}: {trouble}")
    query = sa.select(sa.func.max(bundles.c.number)).where(*owned(bundles, bundle.site, bundle.node))
    with engine.connect() as connection:
        last = connection.execute(query).scalar() or 0
    expected = trouble.body["expected"]
    missing = f"{last + 1}" if last + 1 == bundle.number - 1 else f"{last + 1}–{bundle.number - 1}"
    return Imported(
        path=bundle.path,
        outcome="gap",
        zh=f"第 {bundle.number} 包之前缺第 {missing} 包（自第 {expected} 条记录起），请先导入",
        en=f"bundle {missing} is missing before bundle {bundle.number} (records from {expected}): import it",
    )


def _refused(path: Path, why: str) -> Imported:
    return Imported(path=path, outcome="refused", zh=f"拒收：{why}", en=f"refused: {why}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _not_held(engine: sa.Engine, site: str, node: str, number: int) -> list[RefusedRecord]:
    """What is not held of the records that a bundle carried."""
    span = sa.select(bundles.c.first_seq, bundles.c.last_seq).where(
        *owned(bundles, site, node), bundles.c.number == number
    )
    with engine.connect() as connection:
        row = connection.execute(span).first()
        if row is None:
            return []
        return refused_of(connection, site, node, row.first_seq, row.last_seq)[:MAX_RECORDS]


def write_receipt(engine: sa.Engine, key: NodeKey, site: str, node: str, number: int, folder: Path) -> Path:
    """A bundle that tells the node how far its chain is held here, signed by this registry."""
    (held,) = standing(engine, node, site)
    message = receipt_message(node, held.through, bytes.fromhex(held.head))
    receipt = Receipt(
        site=site,
        node=node,
        accepted_through=held.through,
        head=held.head,
        stored=0,
        duplicates=0,
        refused=_not_held(engine, site, node, number),
        wanted=held.wanted,
        registry_key=key.public,
        countersignature=key.sign(message),
    )
    content = msgspec.json.encode(ferry.BundleReceipt(receipt=receipt, wanted=held.wanted))
    manifest = Manifest(
        format=FORMAT,
        kind="receipt",
        site=site,
        node=node,
        number=number,
        previous="",
        first_seq=1,
        last_seq=held.through,
        head=held.head,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        public_key=key.public,
        parts=[part_of("receipt.json", content)],
    )
    folder.mkdir(parents=True, exist_ok=True)
    return write(folder, manifest, key, lambda _: content)

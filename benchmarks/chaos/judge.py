"""The verdict on a rig at rest: its files read with plain SQLite, everything hashed anew."""

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import zstandard

from benchmarks.chaos.facts import Fact, identity_of
from benchmarks.chaos.tally import Tally
from central_sync.seal import head_message, verify
from central_sync.trust import Trust
from central_sync.verify import verify_journal
from lanes.record import genesis, link, parse, photos_of

Chain = list[tuple[bytes, bytes]]  # bytes and head of record 1, 2, …
ENOUGH = 50  # findings of one sort
RUN_BYTES = 1 << 26  # unpacked


def volumes(folder: Path) -> list[Path]:
    """Files of a journal, oldest first."""
    numbered = {1: folder / "journal.sqlite"}
    for path in folder.glob("journal-*.sqlite"):
        if match := re.fullmatch(r"journal-(\d+)\.sqlite", path.name):
            numbered[int(match[1])] = path
    return [numbered[number] for number in sorted(numbered)]


def read_only(path: Path) -> closing[sqlite3.Connection]:
    """A connection that changes nothing, not even the write-ahead log."""
    return closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10))


def judge_journal(tally: Tally, folder: Path, node: str, acknowledged: Mapping[str, int]) -> Chain:
    """Dense, linked, signed, every acknowledged fact exactly once, at its number, with its own bytes."""
    chain: Chain = []
    seen: Counter[str] = Counter()
    keys: Counter[tuple[str, str]] = Counter()
    head = genesis(node)
    for seq, source, key, data, kept in _records(folder):
        head = link(head, data)
        if seq != len(chain) + 1:
            tally.lost.append(f"journal: record {seq} follows {len(chain)}")
        if kept != head:
            tally.changed.append(f"journal: the chain breaks at record {seq}")
            head = kept
        chain.append((data, kept))
        keys[source, key] += 1
        _judge_fact(tally, seq, data, seen, acknowledged)
    tally.doubled += [f"journal: {count} records of {key}" for key, count in keys.items() if count > 1]
    tally.doubled += [f"journal: {count} records of fact {fact}" for fact, count in seen.items() if count > 1]
    missing = [fact for fact in acknowledged if not seen[fact]]
    tally.lost += [f"journal: acknowledged but not there: {fact}" for fact in missing]
    _judge_signatures(tally, folder, node, chain)
    tally.records, tally.volumes = len(chain), len(volumes(folder))
    return chain


def _records(folder: Path) -> Iterator[tuple[int, str, str, bytes, bytes]]:
    for path in volumes(folder):
        with read_only(path) as file:
            yield from file.execute("SELECT seq, source, source_key, data, head FROM records ORDER BY seq")


def _judge_fact(
    tally: Tally, seq: int, data: bytes, seen: Counter[str], acknowledged: Mapping[str, int]
) -> None:
    record = parse(data)
    identity = identity_of(record.body)
    if record.seq != seq:
        tally.changed.append(f"journal: record {seq} says it is {record.seq}")
    if identity is None:
        return
    seen[identity] += 1
    device, number = identity.split("/")
    if record.body != Fact(device=int(device), number=int(number)).draft().body:
        tally.changed.append(f"journal: record {seq} does not say what device {device} said")
    if acknowledged.get(identity, 0) not in (0, seq):
        tally.doubled.append(f"journal: fact {identity} is {seq}, acknowledged as {acknowledged[identity]}")


def _judge_signatures(tally: Tally, folder: Path, node: str, chain: Chain) -> None:
    """Every signed head is the chain's at that number, by the node's key."""
    signed = 0
    for path in volumes(folder):
        with read_only(path) as file:
            rows = file.execute("SELECT seq, head, public_key, signature FROM heads").fetchall()
        for seq, head, public_key, signature in rows:
            signed += 1
            if not _holds(chain, node, seq, head, public_key, signature):
                tally.changed.append(f"journal: the signed head {seq} does not hold")
    if chain and not signed:
        tally.changed.append("journal: no head was signed")


def judge_verification(tally: Tally, folder: Path, public_key: str) -> None:
    """What ``chayan verify`` says of the journal."""
    found = verify_journal(folder, Trust(keys=(public_key,)))
    tally.changed += [f"chayan verify: {line.en}" for line in found.bad]


def judge_registry(tally: Tally, name: str, database: Path, node: str, chain: Chain) -> None:
    """The same bytes and heads at the same numbers, none refused, signed heads that hold."""
    with read_only(database) as file:
        signed = file.execute(
            "SELECT first_seq, last_seq, head, public_key, signature, data FROM runs"
            " WHERE node = ? ORDER BY last_seq",
            (node,),
        ).fetchall()
        held = file.execute("SELECT through_seq, head FROM nodes WHERE node = ?", (node,)).fetchone()
    rows = [row for first, *_, data in signed for row in enumerate(_texts(data), first)]
    if [row[0] for row in rows] != list(range(1, len(chain) + 1)):
        tally.lost.append(f"{name} has {len(rows)} of {len(chain)} records")
    for (seq, data), (true, _) in zip(rows, chain, strict=False):
        if data.startswith(b"["):
            tally.lost.append(f"{name} refused record {seq}: {data[:200].decode()}")
        elif data != true:
            tally.changed.append(f"{name}: record {seq} differs from the journal's")
    if chain and held != (len(chain), chain[-1][1]):
        tally.changed.append(f"{name} ends at {held[0] if held else None}, the journal at {len(chain)}")
    for _, seq, head, public_key, signature, _ in signed:
        if not _holds(chain, node, seq, head, public_key, signature):
            tally.changed.append(f"{name}: the signed head {seq} does not hold")


def _holds(chain: Chain, node: str, seq: int, head: bytes, public_key: str, signature: str) -> bool:
    true = seq <= len(chain) and chain[seq - 1][1] == head
    return true and verify(public_key, head_message(node, seq, head), signature)


def _texts(frame: bytes) -> list[bytes]:
    """The records of a run: a JSON text sequence (RFC 7464) in a zstd frame."""
    try:
        plain = zstandard.ZstdDecompressor().decompress(frame, max_output_size=RUN_BYTES)
    except zstandard.ZstdError:
        return []
    return [text.removesuffix(b"\n") for text in plain.split(b"\x1e")[1:]]


def judge_photos(tally: Tally, name: str, folder: Path, chain: Chain) -> None:
    """Every photo that a record names is in the store, whole."""
    for data, _ in chain:
        for digest, _ in photos_of(parse(data).body):
            path = folder / digest[:2] / f"{digest}.bin"
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                tally.photos_missing.append(f"{name}: photo {digest} is missing or damaged")
                if len(tally.photos_missing) >= ENOUGH:
                    return

"""Batch and Receipt: what a lane sends and what a centre answers. Pure: bytes in, bytes out.

A record travels as a JSON string that holds its canonical bytes, so that any JSON library gives back exactly
what was hashed. On the wire: JSON in one zstd frame (``Content-Encoding: zstd``). See ``docs/protocol.md``.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, TypeAlias, TypeVar

import msgspec
import zstandard
from msgspec import Meta, Struct

from central_sync.seal import SealedRow, Signer, head_message, verify, withheld_message
from lanes.record import Key, Name, Text, is_node_name, link

MAX_RECORDS = 1000  # per batch; a registry answers 413 beyond it
MAX_RECORD_BYTES = 4 << 20  # a sender closes its batch here; one greater record still travels, alone
MAX_WIRE_BYTES = 8 << 20  # compressed body
MAX_PLAIN_BYTES = 32 << 20  # the same after decompression: guards against a zstd bomb
MAX_ANSWER_BYTES = 1 << 20  # receipt or problem
MAX_WINDOW_BYTES = 8 << 20  # RFC 8878 section 3.1.1.1.2 recommends decoders to support at least 8 MB
UNREADABLE = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    RecursionError,
)  # by msgspec; the last: nested too deep
LEVEL = 3  # zstd; 1.2 ms for 400 KB, 5.3 : 1 (measured)

Seq: TypeAlias = Annotated[int, Meta(ge=1, le=2**53)]  # 2**53: what every JSON reader can hold
Through: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Sha256: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]  # "$" lets a newline by
KeyText: TypeAlias = Annotated[str, Meta(min_length=8, max_length=400)]


class WireError(ValueError):
    """Bytes from the wire are no batch or receipt; the text says where."""


class TooLarge(WireError):
    """A body is beyond the limits of this protocol."""


class Withheld(Struct, frozen=True, kw_only=True):
    """Stands in a batch for a record whose bytes stay at the node: SHA-256, size, and the head after it.

    Without the bytes nobody can compute that head, so the node signs it by itself: nobody on the way can make
    this of a record, or change it (``seal.withheld_message``).
    """

    withheld: Sha256
    size: Through
    head: Sha256
    signature: KeyText


class Batch(Struct, frozen=True, kw_only=True):
    """A dense run of one node's records, and the node's signature over the head after them."""

    site: Name
    node: Name
    first_seq: Seq
    prev_head: Sha256
    head: Sha256
    signature: KeyText
    public_key: KeyText
    records: Annotated[list[str | Withheld], Meta(min_length=1, max_length=MAX_RECORDS)]

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.records) - 1

    def withheld(self) -> dict[int, Withheld]:
        """Number -> what stands in the place of that record."""
        return {
            seq: each for seq, each in enumerate(self.records, self.first_seq) if isinstance(each, Withheld)
        }


class RefusedRecord(Struct, frozen=True, kw_only=True):
    """One record that the destination will not hold; the sequence moved on past it."""

    seq: Seq
    why: Text


class Receipt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A destination's answer: it holds all of ``node`` through ``accepted_through``, whose head is ``head``.

    ``stored`` and ``duplicates`` count this batch; ``refused`` names every refused record of this batch, also
    when it is repeated; ``wanted`` names photos that are still missing there. ``countersignature`` is the
    registry's, over ``seal.receipt_message``.
    """

    site: Name
    node: Name
    accepted_through: Through
    head: Sha256
    stored: int
    duplicates: int
    refused: Annotated[list[RefusedRecord], Meta(max_length=MAX_RECORDS)] = []
    wanted: Annotated[list[Sha256], Meta(max_length=1000)] = []
    registry_key: str = ""
    countersignature: str = ""


class Standing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a destination holds a node's chain (``GET /v1/nodes/{node}``)."""

    site: Name
    node: Name
    through: Through
    head: Sha256
    received_at: Key | None = None
    wanted: Annotated[list[Sha256], Meta(max_length=1000)] = []


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 problem; ``expected`` and ``head`` come with a gap, ``seq`` with a conflict."""

    type: Text = "about:blank"
    title: Text = ""
    title_zh: Text = ""
    status: int = 0
    detail: Text = ""
    expected: Seq | None = None
    head: Sha256 | None = None
    seq: int | None = None


Answer = TypeVar("Answer", Receipt, Standing, Problem)


def compose(site: str, node: str, rows: Sequence[SealedRow], prev_head: bytes, signer: Signer) -> Batch:
    """The batch of a dense run of rows that follows ``prev_head``."""
    last = rows[-1]
    return Batch(
        site=site,
        node=node,
        first_seq=rows[0].seq,
        prev_head=prev_head.hex(),
        head=last.head.hex(),
        signature=signer.sign(head_message(node, last.seq, last.head)),
        public_key=signer.public,
        records=[row.data.decode() for row in rows],
    )


def withhold(batch: Batch, signer: Signer) -> Batch:
    """A batch of one record without its bytes; its heads and its signature stay as they are."""
    (text,) = batch.records
    assert isinstance(text, str)
    data = text.encode()
    digest, size = sha256(data).hexdigest(), len(data)
    message = withheld_message(batch.node, batch.first_seq, digest, size, batch.head)
    instead = Withheld(withheld=digest, size=size, head=batch.head, signature=signer.sign(message))
    return msgspec.structs.replace(batch, records=[instead])


def fit(rows: Sequence[SealedRow], max_records: int, max_bytes: int = MAX_RECORD_BYTES) -> int:
    """How many of ``rows`` go into the next batch: at least one."""
    size = 0
    for count, row in enumerate(rows[:max_records]):
        size += len(row.data)
        if size > max_bytes:
            return max(count, 1)
    return min(len(rows), max_records)


def encode_batch(batch: Batch) -> bytes:
    """Wire bytes of a batch."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(msgspec.json.encode(batch))


def decode_batch(wire: bytes, *, compressed: bool = True) -> Batch:
    """Batch from wire bytes; raises TooLarge or WireError."""
    if len(wire) > MAX_WIRE_BYTES:
        raise TooLarge(f"the body has {len(wire)} bytes, at most {MAX_WIRE_BYTES} are taken")
    plain = _decompress(wire) if compressed else wire
    try:
        return _batches.decode(plain)
    except UNREADABLE as trouble:
        raise WireError(f"the body is no batch: {trouble}") from trouble


def encode_receipt(receipt: Receipt) -> bytes:
    """JSON bytes of a receipt, as answered and as kept by the journal."""
    return msgspec.json.encode(receipt)


def countersigned(receipt: Receipt, registry_key: str, signature: str) -> Receipt:
    """The receipt with the registry's own signature."""
    return msgspec.structs.replace(receipt, registry_key=registry_key, countersignature=signature)


def decode_answer(data: bytes, kind: type[Answer]) -> Answer:
    """Receipt, Standing or Problem from JSON bytes; raises WireError."""
    try:
        return msgspec.json.decode(data, type=kind)
    except UNREADABLE as trouble:
        raise WireError(f"the answer is no {kind.__name__.lower()}: {trouble}") from trouble


def decode_receipt(data: bytes) -> Receipt:
    """Receipt from JSON bytes; raises WireError."""
    return decode_answer(data, Receipt)


def raw_records(batch: Batch) -> list[bytes | Withheld]:
    """The exact canonical bytes of each record; raises WireError for text that is no UTF-8."""
    try:
        return [each if isinstance(each, Withheld) else each.encode() for each in batch.records]
    except UnicodeEncodeError as trouble:
        raise WireError(f"a record cannot be written as UTF-8: {trouble}") from trouble


def heads_of(batch: Batch, records: Sequence[bytes | Withheld]) -> list[bytes]:
    """Chain head after each record, from ``prev_head``; after a withheld one as the node says."""
    head, heads = bytes.fromhex(batch.prev_head), []
    for each in records:
        head = bytes.fromhex(each.head) if isinstance(each, Withheld) else link(head, each)
        heads.append(head)
    return heads


def check(batch: Batch) -> list[str]:
    """What is wrong with a batch by itself: name, chain, signature. Empty: nothing."""
    problems = []
    if not is_node_name(batch.node):
        problems.append(f"{batch.node!r} cannot name a node")
    if heads_of(batch, raw_records(batch))[-1].hex() != batch.head:
        problems.append(f"the chain is broken: prev_head and the records do not lead to head {batch.head}")
    if not signature_holds(batch):
        problems.append(f"the signature over head {batch.last_seq} is not by {batch.public_key}")
    problems += [f"record {seq} is withheld, but not by {batch.public_key}" for seq in unsigned(batch)]
    return problems


def signature_holds(batch: Batch) -> bool:
    """Whether ``public_key`` signed the head after the last record."""
    message = head_message(batch.node, batch.last_seq, bytes.fromhex(batch.head))
    return verify(batch.public_key, message, batch.signature)


def unsigned(batch: Batch) -> list[int]:
    """Numbers of withheld records for which ``public_key`` has not signed."""
    return [
        seq
        for seq, each in batch.withheld().items()
        if not verify(
            batch.public_key,
            withheld_message(batch.node, seq, each.withheld, each.size, each.head),
            each.signature,
        )
    ]


def _decompress(wire: bytes) -> bytes:
    """The content of one zstd frame, never more than MAX_PLAIN_BYTES of it in memory."""
    try:
        declared = zstandard.frame_content_size(wire)
        if declared > MAX_PLAIN_BYTES:
            raise TooLarge(f"the body unpacks to {declared} bytes, at most {MAX_PLAIN_BYTES} are taken")
        unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
        if declared >= 0:
            return unpacker.decompress(wire)
        plain = unpacker.stream_reader(wire).read(MAX_PLAIN_BYTES + 1)
    except zstandard.ZstdError as trouble:
        raise WireError(f"the body is no zstd frame: {trouble}") from trouble
    if len(plain) > MAX_PLAIN_BYTES:
        raise TooLarge(f"the body unpacks to more than {MAX_PLAIN_BYTES} bytes")
    return plain


_batches = msgspec.json.Decoder(Batch)

"""How canonical bytes lie in the ``data`` column: as they are, or as a zstd frame where that is shorter."""

import zstandard

WORTH = 400  # bytes; below it a frame is hardly shorter (measured on lane records)
MAGIC = b"\x28\xb5\x2f\xfd"  # RFC 8878 section 3.1.1; no JSON text begins with it
LIMIT = 64 << 20


class Damaged(ValueError):
    """Bytes in the column are not what was written there."""


def pack(data: bytes) -> bytes:
    """Bytes for the column."""
    if len(data) < WORTH and not data.startswith(MAGIC):
        return data
    return zstandard.ZstdCompressor().compress(data)


def unpack(stored: bytes) -> bytes:
    """The exact canonical bytes again; raises Damaged."""
    if not stored.startswith(MAGIC):
        return stored
    try:
        return zstandard.ZstdDecompressor().decompress(stored, max_output_size=LIMIT)
    except zstandard.ZstdError as trouble:
        raise Damaged(f"{len(stored)} bytes: {trouble}") from trouble

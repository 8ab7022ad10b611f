"""The digest text of a form: what its QR code says, and how an auditor reads it."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

SCHEME = "chayan:record:1:"
_PARTING = re.compile(r"[\x00-\x20%:\x7f]")  # would part or hide a name; the rest stays short for the code


def record_text(site: str, node: str, inspection: str, seq: int, head: str) -> str:
    """``chayan:record:1:SITE:NODE:INSPECTION:SEQ:HEAD``: the chain's head (hex) after record ``seq``.

    Colons, per cents, blanks and controls of the three names are percent-encoded.
    """
    names = (_PARTING.sub(lambda found: f"%{ord(found[0]):02X}", name) for name in (site, node, inspection))
    return SCHEME + ":".join([*names, str(seq), head])


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintedHead:
    """What the QR code of a form says."""

    site: str
    node: str
    inspection: str
    seq: int
    head: str


def seen_in(text: str) -> PrintedHead:
    """What such a text says; raises ValueError telling how it should look."""
    parts = text.strip().removeprefix(SCHEME).split(":")
    hexes = set("0123456789abcdef")
    if not text.strip().startswith(SCHEME) or len(parts) != 5:
        raise ValueError(f"{text[:80]!r} is not {SCHEME}SITE:NODE:INSPECTION:SEQ:HEAD")
    site, node, inspection = map(unquote, parts[:3])
    if not (parts[3].isascii() and parts[3].isdigit() and 0 < int(parts[3]) < 2**63):
        raise ValueError(f"{parts[3][:40]!r} in {SCHEME}… is not the number of a record")
    if len(parts[4]) != 64 or not set(parts[4]) <= hexes:
        raise ValueError(f"{parts[4][:80]!r} in {SCHEME}… is not a head of 64 hex digits")
    return PrintedHead(site=site, node=node, inspection=inspection, seq=int(parts[3]), head=parts[4])

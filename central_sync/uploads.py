"""Header fields of resumable uploads as both sides write them (draft-ietf-httpbis-resumable-upload-12).

Items of RFC 9651; a value of another form counts as none.
"""

import re

OFFSET, COMPLETE, LENGTH, LIMIT = "Upload-Offset", "Upload-Complete", "Upload-Length", "Upload-Limit"
MEDIA = "application/partial-upload"
MISMATCH = "https://iana.org/assignments/http-problem-types#mismatching-upload-offset"
INCONSISTENT = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length"

_INTEGER = re.compile(r"[0-9]{1,15}")
_BOOLEANS = {"?1": True, "?0": False}


def integer(text: str) -> int | None:
    """A number of bytes."""
    return int(text) if _INTEGER.fullmatch(text) else None


def boolean(text: str) -> bool | None:
    """Whether something is so."""
    return _BOOLEANS.get(text)


def fields(offset: int, complete: bool) -> dict[str, str]:
    """What an answer says of an upload."""
    return {OFFSET: str(offset), COMPLETE: f"?{complete:d}"}

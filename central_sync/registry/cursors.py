"""Cursors of pages and of the feed: opaque to whoever carries them, read as if they were hostile."""

import base64
from typing import TypeVar

import msgspec
from msgspec import Struct

from central_sync.batch import UNREADABLE
from central_sync.registry.problems import Rejected

Cursor = TypeVar("Cursor", bound=Struct)


def written(cursor: Struct) -> str:
    """The text of a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode()


def taken(text: str, kind: type[Cursor], where: str) -> Cursor:
    """The cursor of a text; raises Rejected that says ``where`` to take one from."""
    try:
        return msgspec.json.decode(base64.b64decode(text, altchars=b"-_", validate=True), type=kind)
    except (ValueError, *UNREADABLE) as trouble:
        raise Rejected.malformed(f"cursor: {trouble}; take it from {where}") from trouble

"""Whether a photo was used before: sought in the album, then kept there."""

import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from lanes.record import Earlier
from models.album import Album, Page
from models.duplicates import find
from models.images import PhotoError, decode_small
from models.prints import SIDE, Print, asked_of, print_of
from models.reading import Reading, decimal

MODEL = "reuse-1 ORB"


class Searcher:
    """Seeks photos among all earlier ones of a node. For one thread at a time; ``path`` as for Album."""

    def __init__(self, path: Path | None = None) -> None:
        self._album = Album(path)

    def close(self) -> None:
        """Ends the use of the album's file."""
        self._album.close()

    @property
    def through(self) -> int:
        """The last record of the journal whose photo can be found."""
        return self._album.through

    def keep(self, photos: Iterable[tuple[Page, bytes]], through: int) -> None:
        """Takes in the photos of the journal up to record ``through``; what is no photo is left out."""
        self._album.add([(page, kept) for page, content in photos if (kept := _print(content))], through)

    def reuse(self, content: bytes, page: Page) -> Reading:
        """Whether a photo is a copy, a part or the whole of one that another visit or shot was given before.

        Raises ``models.images.PhotoError``. A retake, or a repeated upload, of the same shot is none.
        """
        began = time.monotonic()
        blank = Reading(question="reuse", model=MODEL, opinion="agree", searched=len(self._album))
        asked = asked_of(decode_small(content, SIDE))
        for each in self._album.same_bytes(page.sha256):
            if _counts(each, page):
                return _timed(_found(blank, each, 1.0), began)
        for match in find(self._album, asked):
            if _counts(match.page, page):
                return _timed(_found(blank, match.page, match.likeness.same), began)
        return _timed(blank, began)


def _counts(earlier: Page, page: Page) -> bool:
    """Whether an equal photo of the album was taken before, for something else."""
    return earlier.seq < page.seq and (earlier.inspection, earlier.shot) != (page.inspection, page.shot)


def _found(blank: Reading, page: Page, same: float) -> Reading:
    earlier = Earlier(photo=page.sha256, photo_seq=page.seq, inspection=page.inspection, shot=page.shot)
    return msgspec.structs.replace(
        blank, opinion="disagree", reasons=("reused",), earlier=earlier, score=decimal(same)
    )


def _timed(reading: Reading, began: float) -> Reading:
    return msgspec.structs.replace(reading, took_ms=round((time.monotonic() - began) * 1000))


def _print(content: bytes) -> Print | None:
    try:
        return print_of(decode_small(content, SIDE))
    except PhotoError:
        return None

"""The album: prints of all earlier photos in one SQLite file, found again by the words they share."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.prints import LEVELS, Plane, Print, words_of

VERSION = 1  # of the file's form and of the words; another one is made anew from the journal's photos
ANGLE_BITS, LEVEL_BITS = 6, 4  # of a posting: photo, angle, level in 32 bits
ID_SHIFT = ANGLE_BITS + LEVEL_BITS
ANGLES = 1 << ANGLE_BITS
TURN = 2  # steps of 5.6 degrees by which a point may be turned
COMMON_SHARE, COMMON_LEAST = 0.004, 64  # a word in more than this share of the photos tells nothing
LEAST_VOTES = 4
CACHE_KIB = 16_384
JPEG_QUALITY = 80

SCHEMA = """
CREATE TABLE marks (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE photos (
  id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, sha256 TEXT NOT NULL, inspection TEXT NOT NULL,
  shot TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, points BLOB NOT NULL,
  descriptors BLOB NOT NULL, small BLOB NOT NULL
);
CREATE UNIQUE INDEX photos_seq ON photos (seq);
CREATE INDEX photos_sha256 ON photos (sha256);
CREATE TABLE words (word INTEGER PRIMARY KEY, postings BLOB NOT NULL);
INSERT INTO marks VALUES ('through', 0);
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Whose a photo in the album is: its record, digest, inspection and shot."""

    seq: int
    sha256: str
    inspection: str
    shot: str


class Album:
    """Prints of photos by number of their record. For one thread at a time; ``path`` None keeps it in memory.

    A file that is damaged or of another form is begun anew: ``through`` then says 0.
    """

    def __init__(self, path: Path | None = None) -> None:
        try:
            self._db = _opened(path)
        except sqlite3.DatabaseError:
            assert path is not None
            for each in (path, *(path.with_name(path.name + tail) for tail in ("-wal", "-shm"))):
                each.unlink(missing_ok=True)
            self._db = _opened(path)
        self._count = self._db.execute("SELECT count(*) FROM photos").fetchone()[0]

    def close(self) -> None:
        """Ends the use of the file."""
        self._db.close()

    def __len__(self) -> int:
        return int(self._count)

    @property
    def through(self) -> int:
        """The last record of the journal that has been taken in."""
        return int(self._db.execute("SELECT value FROM marks WHERE key = 'through'").fetchone()[0])

    def add(self, entries: Iterable[tuple[Page, Print]], through: int | None = None) -> None:
        """Takes in photos and how far the journal has been read, together; a known record changes nothing."""
        with self._db:
            fresh: list[tuple[int, Print]] = []
            for page, kept in entries:
                row = self._db.execute(
                    "INSERT OR IGNORE INTO photos VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (page.seq, page.sha256, page.inspection, page.shot, *_packed(kept)),
                )
                if row.rowcount:
                    fresh.append((row.lastrowid or 0, kept))
            words, postings = _postings(fresh)
            self._db.executemany(
                "INSERT INTO words VALUES (?, ?) ON CONFLICT (word) DO UPDATE"
                " SET postings = CAST(postings || excluded.postings AS BLOB)",
                zip(words, postings, strict=True),
            )
            if through is not None:
                self._db.execute("UPDATE marks SET value = max(value, ?) WHERE key = 'through'", (through,))
            self._count += len(fresh)

    def nearest(self, asked: Print, most: int) -> list[int]:
        """Photos that share most words with ``asked``, alike in turn and in change of size; best first."""
        if not len(asked.descriptors):
            return []
        words = asked.words
        angles = np.tile(_steps(asked.points[:, 2]), len(words))
        levels = np.tile(asked.points[:, 3].astype(np.int64), len(words))
        found = self._postings_of(words.ravel())
        order = np.searchsorted(found.words, words.ravel())
        order = np.minimum(order, max(len(found.words) - 1, 0))
        met = found.words[order] == words.ravel() if len(found.words) else np.zeros(words.size, bool)
        order, angles, levels = order[met], angles[met], levels[met]
        lengths = found.lengths[order]
        at = np.repeat(found.starts[order] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
        postings = found.postings[at]
        turned = (np.repeat(angles, lengths) - ((postings >> LEVEL_BITS) & (ANGLES - 1)) + TURN) % ANGLES
        alike = turned <= 2 * TURN
        postings, levels = postings[alike], np.repeat(levels, lengths)[alike]
        cells = (
            (postings >> ID_SHIFT) * (2 * LEVELS) + levels - (postings & ((1 << LEVEL_BITS) - 1)) + LEVELS - 1
        )
        return _most_voted(cells, most)

    def page(self, number: int) -> tuple[Page, Print]:
        """A photo of the album with its print."""
        return _unpacked(self._db.execute("SELECT * FROM photos WHERE id = ?", (number,)).fetchone())

    def same_bytes(self, sha256: str) -> list[Page]:
        """Photos with that very digest, the earliest first."""
        rows = self._db.execute(
            "SELECT seq, sha256, inspection, shot FROM photos WHERE sha256 = ? ORDER BY seq", (sha256,)
        )
        return [Page(seq=seq, sha256=digest, inspection=of, shot=shot) for seq, digest, of, shot in rows]

    def _postings_of(self, words: NDArray[np.int64]) -> "_Found":
        most = max(COMMON_LEAST, int(COMMON_SHARE * self._count)) * 4
        wanted = ",".join(map(str, np.unique(words).tolist()))
        rows = self._db.execute(
            f"SELECT word, postings FROM words WHERE word IN ({wanted})"  # noqa: S608 - numbers of our own
            " AND length(postings) <= ? ORDER BY word",
            (most,),
        ).fetchall()
        lengths = np.array([len(row[1]) // 4 for row in rows], np.int64)
        return _Found(
            words=np.array([row[0] for row in rows], np.int64),
            lengths=lengths,
            starts=np.cumsum(lengths) - lengths,
            postings=np.frombuffer(b"".join(row[1] for row in rows), np.uint32).astype(np.int64),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """Postings of several words, one after the other."""

    words: NDArray[np.int64]
    lengths: NDArray[np.int64]
    starts: NDArray[np.int64]
    postings: NDArray[np.int64]


def _opened(path: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:" if path is None else path, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is read from the journal again
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"form {version}")
        if version == 0:
            db.executescript(SCHEMA)
            db.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _steps(angles: NDArray[np.float32]) -> NDArray[np.int64]:
    return (angles * (ANGLES / 360)).astype(np.int64) % ANGLES


def _postings(fresh: Sequence[tuple[int, Print]]) -> tuple[list[int], list[bytes]]:
    """Words in order, and for each the new postings."""
    words, postings = [np.zeros(0, np.int64)], [np.zeros(0, np.uint32)]
    for number, kept in fresh:
        mine = kept.words
        marks = (_steps(kept.points[:, 2]) << LEVEL_BITS) | kept.points[:, 3].astype(np.int64)
        words.append(mine.ravel())
        postings.append(np.tile((number << ID_SHIFT) | marks, len(mine)).astype(np.uint32))
    every, told = np.concatenate(words), np.concatenate(postings)
    order = np.argsort(every, kind="stable")
    every, told = every[order], told[order]
    starts = np.flatnonzero(np.diff(every, prepend=-1))
    parts = np.split(told, starts[1:]) if len(starts) else []
    return every[starts].tolist(), [part.tobytes() for part in parts]


def _most_voted(cells: NDArray[np.int64], most: int) -> list[int]:
    """Photos by the votes of their best two neighbouring changes of size."""
    if not len(cells):
        return []
    base = int(cells.min()) // (2 * LEVELS) * 2 * LEVELS
    votes = np.bincount(cells - base)
    votes[:-1] += votes[1:]
    likely = np.flatnonzero(votes >= LEAST_VOTES)
    best: dict[int, None] = {}
    for cell in likely[np.argsort(-votes[likely], kind="stable")].tolist():
        best.setdefault((cell + base) // (2 * LEVELS))
        if len(best) == most:
            break
    return list(best)


def _packed(kept: Print) -> tuple[Any, ...]:
    points = np.round(kept.points * np.array([32, 32, 64, 1], np.float32)).astype(np.uint16)
    small = cv2.imencode(".jpg", kept.small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return (*kept.size, points.tobytes(), kept.descriptors.tobytes(), small)


def _unpacked(row: tuple[Any, ...]) -> tuple[Page, Print]:
    _, seq, sha256, inspection, shot, width, height, points, descriptors, small = row
    places = np.frombuffer(points, np.uint16).reshape(-1, 4) / np.array([32, 32, 64, 1], np.float32)
    plane: Plane = np.asarray(cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
    told = np.frombuffer(descriptors, np.uint8).reshape(-1, 32)
    kept = Print(
        points=np.asarray(places, np.float32),
        descriptors=told,
        words=words_of(told),
        small=plane,
        size=(width, height),
    )
    return Page(seq=seq, sha256=sha256, inspection=inspection, shot=shot), kept

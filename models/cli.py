"""``chayan review``: one JSON line a photo; a bad file is told in its line and the others go on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Literal

import cv2
import msgspec

from models.images import Image, PhotoError, decode
from models.reading import Reading
from models.reviewer import Reviewer
from models.rubbing import Surface, compare, shown
from models.stages import lap

MAX_BYTES = 64 * 1024 * 1024
AGREES = {"agree": True, "disagree": False, "unsure": None}


def review_photos(
    question: Literal["plate", "vin"],
    paths: Iterable[Path],
    expect: str | None,
    out: IO[str],
    *,
    threads: int = 2,
) -> int:
    """Writes one JSON line for each photo to ``out``; returns 1 when any file could not be read, else 0.

    Raises WeightsError when a weight is missing or altered, for then no photo can be read.
    """
    reviewer = Reviewer(threads)
    status = 0
    for path in paths:
        try:
            with lap() as running:
                reading = _asked(reviewer, question, photo_bytes(path), expect)
            answer = line(path, reading, running.spent_ms)
        except PhotoError as error:
            answer, status = {"file": str(path), "error": f"{path}: {error}"}, 1
        out.write(msgspec.json.encode(answer).decode() + "\n")
        out.flush()
    return status


def compare_rubbing(
    film: Path,
    reference: Path,
    surface: Surface,
    heat: Path | None,
    out: IO[str],
    *,
    threads: int = 2,
) -> int:
    """Writes one JSON line on a rubbing beside its reference to ``out``, what differs as PNG to ``heat``.

    Returns 1 when a file could not be read or written, else 0. Raises WeightsError as ``review_photos`` does.
    """
    files = {"rubbing": str(film), "reference": str(reference)}
    try:
        pictures = _picture(film), _picture(reference)
        found = compare(Reviewer(threads).vins, *pictures, surface=surface)
        picture = None if heat is None else shown(found)
        if heat is not None and picture is not None:
            heat.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    except (PhotoError, OSError) as error:
        out.write(msgspec.json.encode(files | {"error": str(error)}).decode() + "\n")
        return 1
    characters = [
        {"c": each.c, "alike": round(each.alike, 3), "off": round(each.off, 4), "turn": each.turn}
        for each in found.matches
    ]
    told = {
        "answer": found.answer,
        "text": found.text,
        "off": round(found.off, 4),
        "alike": round(found.alike, 3),
        "mirrored": found.mirrored,
        "reasons": found.reasons,
        "characters": characters,
        "heat": None if picture is None else str(heat),
    }
    out.write(msgspec.json.encode(files | told).decode() + "\n")
    return 0


def _picture(path: Path) -> Image:
    """A photo; raises PhotoError naming the file."""
    try:
        return decode(photo_bytes(path))
    except PhotoError as error:
        raise PhotoError(f"{path}: {error}") from error


def photo_bytes(path: Path) -> bytes:
    """The bytes of a photo file; raises PhotoError when it is missing, no file, unreadable or too large."""
    try:
        if path.is_dir():
            raise PhotoError("this is a directory; name the photos in it")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PhotoError(f"the file has {size} bytes; at most {MAX_BYTES} are read")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PhotoError("there is no such file") from error
    except OSError as error:
        raise PhotoError(f"the file cannot be read: {error.strerror}") from error


def line(path: Path, reading: Reading, spent_ms: Mapping[str, float]) -> dict[str, object]:
    """A reading as the JSON line says it; numbers instead of the record's decimal texts."""
    return {
        "file": str(path),
        "text": reading.text,
        "confidence": float(reading.confidence),
        "characters": [{"c": each.c, "p": float(each.p)} for each in reading.characters],
        "plate_type": reading.plate_type,
        "box": reading.box,
        "expected": reading.expected or None,
        "agree": AGREES[reading.opinion],
        "score": None if reading.score is None else float(reading.score),
        "probability": None if reading.probability is None else float(reading.probability),
        "reasons": reading.reasons,
        "ms": reading.took_ms,
        "stages_ms": {name: round(spent, 1) for name, spent in spent_ms.items()},
        "model": reading.model,
    }


def _asked(
    reviewer: Reviewer, question: Literal["plate", "vin"], photo: bytes, expect: str | None
) -> Reading:
    return reviewer.plate(photo, expect) if question == "plate" else reviewer.vin(photo, expect)

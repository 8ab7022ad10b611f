"""What plate cameras of every maker have in common: the text of a plate, and which picture is which."""

from collections.abc import Sequence

from firmware_bridge.devices.topics import Unreadable

PLATE_LIMIT = 20  # characters
# what makers say where they read no plate: 臻识 (F), Hikvision's ISAPI (F), Dahua (M)
NO_PLATE = frozenset({"", "_无_", "无车牌", "noplate", "unknown", "unlicensed"})


def plate_text(field: str, said: str) -> str:
    """The plate as our records have it: no blanks, no dot; empty: none. Raises Unreadable."""
    text = "".join(said.split()).replace("·", "")
    if len(text) > PLATE_LIMIT:
        raise Unreadable(f"{field}: {len(text)} characters, no plate has more than {PLATE_LIMIT}")
    return "" if text.lower() in NO_PLATE else text


def by_size(pictures: Sequence[bytes]) -> tuple[bytes | None, bytes | None]:
    """(photo, crop) of pictures without names: the largest is the scene, a smaller one the plate (M)."""
    largest_first = sorted((each for each in pictures if each), key=len, reverse=True)
    photo = largest_first[0] if largest_first else None
    return photo, largest_first[-1] if len(largest_first) > 1 else None

"""Hostile images: each is answered or refused as no photo, and a good photo's answer stays the same."""

import io
import random
import resource
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image as Pillow

from benchmarks.reuse import rendered
from models.album import Page
from models.images import PhotoError, encode
from models.reuse import Searcher

IMAGES = 400
MEMORY_MB = 500  # beyond what the process had before


def saved(image: Pillow.Image, form: str, **more: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, form, **more)
    return sink.getvalue()


def bomb(width: int, height: int, depth: int = 8) -> bytes:
    """A PNG file of a few hundred bytes that asks for that many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def hostile(dice: random.Random, good: bytes) -> bytes:
    """One image of a kind chosen at random."""
    noise = Pillow.effect_noise((dice.randint(16, 300), dice.randint(16, 300)), 90)
    kinds = {
        "cut": lambda: good[: dice.randrange(len(good))],
        "flipped": lambda: flipped(dice, good),
        "bomb": lambda: bomb(dice.choice([5000, 30_000, 2**31 - 1]), dice.choice([5000, 30_000, 1])),
        "deep bomb": lambda: bomb(4000, 4000, 16),
        "line": lambda: saved(noise.convert("RGB").resize(dice.choice([(1, 9000), (9000, 1)])), "PNG"),
        "strip": lambda: saved(noise.convert("RGB").resize(dice.choice([(16, 9000), (9000, 16)])), "PNG"),
        "CMYK": lambda: saved(noise.convert("CMYK"), "JPEG"),
        "16 bits": lambda: saved(noise.convert("I;16"), "PNG"),
        "palette": lambda: saved(noise.convert("P"), "PNG", transparency=0),
        "one bit": lambda: saved(noise.convert("1"), "PNG"),
        "alpha": lambda: saved(noise.convert("LA"), "PNG"),
        "animated": lambda: saved(
            noise.convert("RGB"), "WEBP", save_all=True, append_images=[noise.convert("RGB")] * 5
        ),
        "huge EXIF": lambda: saved(
            noise.convert("RGB"), "JPEG", exif=b"Exif\x00\x00" + dice.randbytes(60_000)
        ),
        "other kind": lambda: saved(noise.convert("RGB"), dice.choice(["GIF", "TIFF", "PPM", "ICO"])),
        "two in one": lambda: good + b"PK\x03\x04" + dice.randbytes(500) + saved(noise, "PNG"),
        "script first": lambda: b"<script>1</script>" + good,
        "noise": lambda: dice.randbytes(dice.randrange(5000)),
    }
    return kinds[dice.choice(sorted(kinds))]()


def flipped(dice: random.Random, good: bytes) -> bytes:
    content = bytearray(good)
    for _ in range(dice.randint(1, 40)):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(content)


def answers(searcher: Searcher, photos: list[bytes], number: int) -> Iterator[object]:
    for n, photo in enumerate(photos):
        page = Page(seq=number, sha256=f"{n:064x}"[::-1], inspection="asked", shot="0111")
        told = searcher.reuse(photo, page)
        yield told.opinion, told.earlier, told.score


def test_hostile_images_change_nothing_for_good_photos() -> None:
    dice, drawn = random.Random(20261126), np.random.default_rng(11)
    photos = [encode(rendered(drawn)) for _ in range(6)]
    searcher = Searcher()
    searcher.keep(
        [
            (Page(seq=n + 1, sha256=f"{n + 1:064x}", inspection=f"visit {n}", shot="0111"), photo)
            for n, photo in enumerate(photos[:3])
        ],
        3,
    )
    before = list(answers(searcher, photos, 10_000))
    assert [opinion for opinion, _, _ in before] == ["disagree"] * 3 + ["agree"] * 3
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for n in range(IMAGES):
        content = hostile(dice, photos[n % len(photos)])
        page = Page(seq=100 + n, sha256=f"{100 + n:064x}", inspection=f"hostile {n}", shot="0111")
        try:
            searcher.reuse(content, page)
        except PhotoError as error:
            refused += 1
            assert str(error)
    assert IMAGES / 4 < refused < IMAGES
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < MEMORY_MB * 1024
    assert list(answers(searcher, photos, 10_000)) == before

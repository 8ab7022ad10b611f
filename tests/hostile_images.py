"""Hostile photos and questions by seed, put to a real review process: ``make hostile ARGS="--images 10000"``.

Every photo gets a result or one clear error, memory stays bounded, and good photos that are asked every so
many times get the same answer as before, byte for byte but for the time it took. Questions that are no
questions are put between; the process goes on after each.
"""

import argparse
import contextlib
import io
import json
import random
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from benchmarks.parts.asking import Asker, Due, asking, due
from benchmarks.reuse import rendered
from models.images import encode

IMAGES, EVERY = 10_000, 500
BOUND_MB = 400
STRANGE = 0.02  # share of the photos before which a strange question is asked
SHOTS = {"plate": "0111", "vin": "0113", "quality": "0112", "reuse": "0111"}
HEADS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBP", b"BM")
WEIGHTS = (7, 2, 4, 7)  # of the same questions; a VIN is sought longest
SIDES = (0, 1, 2, 15, 16, 17, 255, 4000, 9000, 30_000, 65_535, 2**31 - 1, 2**32 - 1)


def saved(image: Pillow.Image, form: str, **more: object) -> bytes:
    """The bytes of a file of that form."""
    sink = io.BytesIO()
    image.save(sink, form, **more)
    return sink.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def claiming(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG file of a few hundred bytes that asks for that many pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    rows = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def flipped(dice: random.Random, good: bytes) -> bytes:
    """Some bits turned over."""
    content = bytearray(good)
    for _ in range(dice.randint(1, 40)):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(content)


def rewritten(dice: random.Random, good: bytes) -> bytes:
    """A JPEG, WebP, BMP, GIF or TIFF whose header claims other sides."""
    picture = Pillow.open(io.BytesIO(good)).convert("RGB").resize((64, 48))
    form = dice.choice(["JPEG", "WEBP", "BMP", "GIF", "TIFF"])
    content = bytearray(saved(picture, form))
    width, height = (dice.choice(SIDES) for _ in range(2))
    if form == "JPEG":
        at = content.find(b"\xff\xc0") + 5
        content[at : at + 4] = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
    elif form == "BMP":
        content[18:26] = struct.pack("<II", width & 0xFFFFFFFF, height & 0xFFFFFFFF)
    elif form == "GIF":
        content[6:10] = struct.pack("<HH", width & 0xFFFF, height & 0xFFFF)
    elif form == "WEBP":
        content[26:30] = struct.pack("<HH", width & 0x3FFF, height & 0x3FFF)
    else:
        content = bytearray(flipped(dice, bytes(content)))
    return bytes(content)


def with_exif(dice: random.Random, good: bytes) -> bytes:
    """Every orientation that there is and some that are not, whole or with its bits turned over."""
    exif = Pillow.Exif()
    exif[0x0112] = dice.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65_535])
    content = exif.tobytes()
    if dice.random() < 0.5:
        content = b"Exif\x00\x00" + flipped(dice, content[6:])
    if dice.random() < 0.2:
        content = b"Exif\x00\x00" + dice.randbytes(dice.randrange(60_000))
    return saved(Pillow.open(io.BytesIO(good)).convert("RGB"), "JPEG", exif=content)


def hostile(dice: random.Random, good: bytes) -> tuple[str, bytes]:
    """One photo of a kind chosen at random, and the kind."""
    size = (dice.randint(1, 400), dice.randint(1, 400))
    noise = Pillow.effect_noise(size, dice.choice([0, 10, 90, 250]))
    colour = noise.convert("RGB")
    flat = Pillow.new("RGB", size, tuple(dice.choice([0, 127, 255]) for _ in range(3)))
    thin = dice.choice([(1, 9000), (9000, 1), (16, 9000), (9000, 16), (1, 1), (65_000, 17)])
    kinds: dict[str, Callable[[], bytes]] = {
        "cut": lambda: good[: dice.randrange(len(good))],
        "bits turned": lambda: flipped(dice, good),
        "bits of the head turned": lambda: flipped(dice, good[:400]) + good[400:],
        "bomb": lambda: claiming(dice.choice(SIDES), dice.choice(SIDES)),
        "deep": lambda: claiming(
            dice.choice((300, 4000)), 4000, dice.choice((1, 2, 4, 8, 16, 3)), dice.choice(range(8))
        ),
        "sides rewritten": lambda: rewritten(dice, good),
        "thin": lambda: saved(colour.resize(thin), dice.choice(["PNG", "JPEG"])),
        "large and empty": lambda: saved(Pillow.new("P", (dice.choice((3100, 7000)), 5000)), "PNG"),
        "CMYK": lambda: saved(noise.convert("CMYK"), "JPEG"),
        "16 bits": lambda: saved(noise.convert("I;16"), "PNG"),
        "palette": lambda: saved(noise.convert("P"), "PNG", transparency=0),
        "one bit": lambda: saved(noise.convert("1"), dice.choice(["PNG", "BMP"])),
        "alpha": lambda: saved(noise.convert("LA"), dice.choice(["PNG", "WEBP"])),
        "flat": lambda: saved(flat, "JPEG"),
        "noise": lambda: saved(colour, dice.choice(["JPEG", "PNG", "WEBP", "BMP"])),
        "animated": lambda: saved(colour, "WEBP", save_all=True, append_images=[colour] * 5),
        "animated PNG": lambda: saved(colour, "PNG", save_all=True, append_images=[colour] * 5),
        "EXIF": lambda: with_exif(dice, good),
        "other kind": lambda: saved(colour.resize((64, 64)), dice.choice(["GIF", "TIFF", "PPM", "ICO"])),
        "two in one": lambda: good + b"PK\x03\x04" + dice.randbytes(500) + saved(noise, "PNG"),
        "other first": lambda: dice.choice([b"<script>1</script>", b"%PDF-1.7\n", b"MZ", b"\x00"]) + good,
        "text": lambda: ("查验 " * dice.randrange(1, 500)).encode(),
        "bytes": lambda: dice.randbytes(dice.randrange(5000)),
        "empty": lambda: b"",
        "head alone": lambda: dice.choice(HEADS),
    }  # fmt: skip
    kind = dice.choice(sorted(kinds))
    return kind, kinds[kind]()


def strange(dice: random.Random, proper: Due) -> Any:
    """A question that is none, or asks for what nobody can know."""
    word = dice.choice(
        ["", "京A12345" * 500, "\x00\x1b[2J", "I" * 17, "浙A·1 2 3 4 5", "'; DROP TABLE photos; --"]
    )
    key = dice.choice(sorted(proper))
    return dice.choice(
        [
            proper | {"expected": word},
            proper | {"shot": word},
            proper | {"photo": "0" * 64},
            proper | {"question": dice.choice(["", "colour", None, 7])},
            proper | {key: dice.choice([None, [], {}, -1, 2**70, 1.5])},
            {name: value for name, value in proper.items() if name != key},
            dice.choice([None, 7, "due", [], {}]),
        ]
    )


def problem(answer: Due, asked: Due) -> str:
    """What is wrong with an answer; empty: nothing."""
    body = answer.get("review", {})
    told = (body.get("photo"), body.get("photo_seq"), body.get("question"))
    if told != (asked["photo"], asked["photo_seq"], asked["question"]):
        return f"asked for {asked['question']} of {asked['photo_seq']}, answered {told}"
    if body["model"] == "decoder":
        clear = body["opinion"] == "unsure" and len(body["reasons"]) == 2 and len(body["reasons"][1]) > 10
        clear = clear and not body["reasons"][1].startswith("OpenCV")  # nobody has judged that photo
        return "" if clear else f"no clear error: {body}"
    return "" if body["opinion"] in {"agree", "disagree", "unsure"} else f"no opinion: {body}"


def timeless(answer: Due) -> str:
    """An answer without the time that it took."""
    return json.dumps({**answer["review"], "took_ms": 0}, sort_keys=True, ensure_ascii=False)


class Siege:
    """So many hostile photos put to one process; ``good``: photos whose answers must not change."""

    def __init__(self, asker: Asker, good: Sequence[Due], seed: int) -> None:
        self._asker, self._good, self._dice = asker, good, random.Random(seed)
        self._contents = dict(asker.node.photos)
        self.told: Counter[str] = Counter()
        self.problems: list[str] = []

    def answers(self) -> list[str]:
        """The answers of the good photos."""
        self._asker.node.photos = dict(self._contents)
        return [timeless(self._asker.ask(each)) for each in self._good]

    def put(self, seq: int) -> None:
        """One hostile photo, and sometimes a strange question first."""
        dice, node = self._dice, self._asker.node
        content = dice.choice(list(self._contents.values()))
        kind, photo = hostile(dice, content)
        question = dice.choices(list(SHOTS), WEIGHTS)[0]
        node.photos = dict(self._contents)
        proper = due(
            node, photo, question, seq=seq, shot=SHOTS[question], expected=dice.choice(["", "浙A12345"])
        )
        if dice.random() < STRANGE:
            self._asker.send(strange(dice, proper | {"photo_seq": 2**41 + seq}))
            self.told["strange questions"] += 1
        answer = self._asker.ask(proper)
        while answer["review"]["photo_seq"] != seq:  # a strange one got an answer too
            answer = self._asker.answer()
        if wrong := problem(answer, proper):
            self.problems.append(f"{kind}: {wrong}")
        self.told["refused" if answer["review"]["model"] == "decoder" else "answered"] += 1


def besiege(room: Path, images: int, every: int, seed: int) -> dict[str, Any]:
    """What so many hostile photos changed."""
    drawn = np.random.default_rng(seed)
    with asking(room) as asker:
        pictures = [encode(rendered(drawn)) for _ in range(2)]
        good = [
            due(asker.node, picture, question, seq=2**40 + n, shot=SHOTS[question], expected="浙A12345")
            for n, picture in enumerate(pictures)
            for question in ("plate", "vin", "quality")
        ]
        siege = Siege(asker, good, seed)
        before, changed = siege.answers(), 0
        for n in range(1, images + 1):
            siege.put(n)
            if n % every == 0:
                changed += siege.answers() != before
                print(n, dict(siege.told), [round(each) for each in asker.resident_mb()], file=sys.stderr)
        now, peak = asker.resident_mb()
    return {
        "images": images,
        **siege.told,
        "problems": siege.problems[:20],
        "good_answers_changed": changed,
        "end_mb": round(now),
        "peak_mb": round(peak),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the siege; status 1 where something changed."""
    parser = argparse.ArgumentParser(prog="tests.hostile_images", description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--every", type=int, default=EVERY, help="the good photos are asked after so many")
    parser.add_argument("--seed", type=int, default=20261126)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as room:
        result = besiege(Path(room), chosen.images, chosen.every, chosen.seed)
    lines = "\n".join(f"{name:22} {value}" for name, value in result.items())
    print(json.dumps(result, ensure_ascii=False) if chosen.json else lines)
    return 1 if result["problems"] or result["good_answers_changed"] or result["peak_mb"] > BOUND_MB else 0


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())

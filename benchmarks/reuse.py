"""Copies of a photo sought among many others, beside a perceptual hash over the same photos.

The album holds: every photo under --photos (plates_full, vin, vin_boxes, plates_crop); --rendered
scenes drawn for this; and up to --entries prints mixed from points of all of these, 300 at random for
each, with the small picture of one more. The peer is the 64-bit DCT hash that the library imagehash made
common, all of them compared, at most 10 bits apart.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.album import Album, Page
from models.duplicates import find
from models.images import Image, PhotoError, decode, encode, fitted
from models.prints import KEPT, Plane, Print, asked_of, print_of

SEED = 20261126
SETS = ("plates_full", "vin", "vin_boxes", "plates_crop")
QUERIED = ("plates_full", "vin", "vin_boxes")  # the others are 94 x 24 pixels
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
GROUP = 2000  # photos of one commit
PEER_BITS = 10
SCENE = (384, 512)
Dice = np.random.Generator
Change = Callable[[Image, Dice], Image]


# ---- what is done to a photo -------------------------------------------------------------------------


def again(image: Image, quality: int) -> Image:
    """The photo compressed once more."""
    return decode(encode(image, quality))


def lit(image: Image, gain: float, more: float) -> Image:
    """Brighter or darker."""
    return np.asarray(np.clip(image * gain + more, 0, 255), np.uint8)


def turned(image: Image, degrees: float) -> Image:
    """Turned about its middle; the corners stay black."""
    height, width = image.shape[:2]
    way = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, way, (width, height)), np.uint8)


def part(image: Image, share: float, dice: Dice) -> Image:
    """A part somewhere in the photo, ``share`` of each side."""
    height, width = (round(side * share) for side in image.shape[:2])
    y = int(dice.integers(0, image.shape[0] - height + 1))
    x = int(dice.integers(0, image.shape[1] - width + 1))
    return image[y : y + height, x : x + width]


def covered(image: Image, other: Image, share: float, dice: Dice) -> Image:
    """Another vehicle before the same ground: a photo laid over ``share`` of each side. No copy."""
    height, width = (round(side * share) for side in image.shape[:2])
    y, x = (
        int((side - size) * dice.uniform(0.2, 0.8))
        for side, size in zip(image.shape[:2], (height, width), strict=True)
    )
    laid = image.copy()
    laid[y : y + height, x : x + width] = cv2.resize(part(other, 0.8, dice), (width, height))
    return again(laid, 80)


CHANGES: dict[str, Change] = {
    "same bytes": lambda image, _: image,
    "JPEG quality 30": lambda image, _: again(image, 30),
    "half the size": lambda image, _: again(fitted(image, max(image.shape) // 2)[0], 80),
    "darker to 60 %": lambda image, _: lit(image, 0.6, 0),
    "brighter by 130 % + 20": lambda image, _: lit(image, 1.3, 20),
    "turned 2 degrees": lambda image, _: turned(image, 2),
    "turned 5 degrees": lambda image, _: turned(image, 5),
    "turned -5 degrees": lambda image, _: turned(image, -5),
    "80 % of each side": lambda image, dice: part(image, 0.8, dice),
    "70 % of each side": lambda image, dice: part(image, 0.7, dice),
    "60 % of each side": lambda image, dice: part(image, 0.6, dice),
    "50 % of each side": lambda image, dice: part(image, 0.5, dice),
    "70 %, 4 degrees, darker, quality 50": lambda image, dice: again(
        lit(turned(part(image, 0.7, dice), 4), 0.75, 10), 50
    ),
}


# ---- the album ---------------------------------------------------------------------------------------


def photo_files(folder: Path, sets: Sequence[str]) -> list[Path]:
    """The photo files of these sets."""
    found = (path for name in sets for path in sorted((folder / name).glob("*")))
    return [path for path in found if path.suffix.lower() in SUFFIXES]


def photos_in(folder: Path, sets: Sequence[str]) -> Iterator[tuple[str, Image]]:
    """Every photo of these sets that can be decoded."""
    for path in photo_files(folder, sets):
        try:
            yield f"{path.parent.name}/{path.name}", decode(path.read_bytes())
        except PhotoError as error:
            print(f"{path.name}: {error}", file=sys.stderr)


def rendered(dice: Dice) -> Image:
    """A scene drawn at random: ground of several scales, boxes, lines, text, light from one side."""
    height, width = SCENE
    scene = np.zeros((height, width, 3), np.float32) + dice.uniform(40, 180, 3).astype(np.float32)
    for size in (3, 12, 48):
        grain = dice.normal(0, dice.uniform(4, 26), (height // size + 2, width // size + 2, 1)).astype(
            np.float32
        )
        scene += cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)[:, :, None]
    scene = np.clip(scene, 0, 255).astype(np.uint8)
    for _ in range(int(dice.integers(20, 70))):
        at = dice.integers(0, (width, height)).tolist()
        to = (np.array(at) + dice.integers(-120, 120, 2)).tolist()
        ink, what = dice.uniform(0, 255, 3).tolist(), int(dice.integers(0, 5))
        if what == 0:
            cv2.rectangle(scene, at, to, ink, -1 if dice.random() < 0.6 else 2)
        elif what == 1:
            cv2.ellipse(
                scene,
                at,
                (int(dice.integers(4, 70)), int(dice.integers(4, 70))),
                dice.uniform(0, 180),
                0,
                360,
                ink,
                -1,
            )
        elif what == 2:
            cv2.line(scene, at, to, ink, int(dice.integers(1, 5)))
        elif what == 3:
            text = "".join(dice.choice(list("ABCDEFGHJKLMNPRSTUVWXYZ0123456789"), 6))
            cv2.putText(
                scene, text, at, cv2.FONT_HERSHEY_SIMPLEX, dice.uniform(0.4, 1.6), ink, 2, cv2.LINE_AA
            )
        else:
            corners = (np.array(at) + dice.integers(-60, 60, (5, 2))).astype(np.int32)
            cv2.fillPoly(scene, [corners], ink, cv2.LINE_AA)
    light = np.linspace(dice.uniform(0.6, 1), dice.uniform(0.8, 1.2), width, dtype=np.float32)
    soft = cv2.GaussianBlur(scene * light[None, :, None], (0, 0), dice.uniform(0.5, 1.2)) + dice.normal(
        0, 3, scene.shape
    )
    return np.asarray(np.clip(soft, 0, 255), np.uint8)


def mixed(prints: Sequence[Print], dice: Dice) -> Print:
    """A print of points of many photos, as dense as any."""
    shown, *of = dice.choice(len(prints), 31, replace=False).tolist()
    share = KEPT // len(of)
    picks = [(prints[n], dice.integers(0, len(prints[n].points), share)) for n in of if len(prints[n].points)]
    made: Print = replace(
        prints[shown],
        points=np.concatenate([each.points[at] for each, at in picks]),
        descriptors=np.concatenate([each.descriptors[at] for each, at in picks]),
        words=np.concatenate([each.words[:, at] for each, at in picks], axis=1),
    )
    return made


def filled(album: Album, folder: Path, entries: int, scenes: int) -> dict[str, Any]:
    """The album with all its photos; record n is photo n - 1 of ``photos_in``."""
    began, dice = time.monotonic(), np.random.default_rng(SEED)
    prints = [print_of(image) for _, image in photos_in(folder, SETS)]
    real = len(prints)
    prints += [print_of(rendered(dice)) for _ in range(min(scenes, entries - real))]
    told, done = len(prints), 0
    while done < max(entries, told):
        group = []
        for n in range(done, min(done + GROUP, max(entries, told))):
            one = prints[n] if n < told else mixed(prints, dice)
            group.append((Page(seq=n + 1, sha256=f"{n:064x}", inspection=f"visit {n}", shot="0111"), one))
        album.add(group, through=group[-1][0].seq)
        done += len(group)
    return {
        "real": real,
        "rendered": told - real,
        "mixed": done - told,
        "seconds": round(time.monotonic() - began),
    }


# ---- the peer ----------------------------------------------------------------------------------------


def hash_of(small: Plane) -> int:
    """The DCT hash of a grey picture: 8 x 8 lowest frequencies of 32 x 32, above their median or not."""
    plane = cv2.dct(np.asarray(cv2.resize(small, (32, 32), interpolation=cv2.INTER_AREA), np.float32))[:8, :8]
    return int.from_bytes(np.packbits(plane > np.median(plane)).tobytes(), "big")


def hashes(album: Album) -> NDArray[np.uint64]:
    """The peer's hash of every photo, by record."""
    return np.array([hash_of(album.page(n + 1)[1].small) for n in range(len(album))], np.uint64)


# ---- measuring ---------------------------------------------------------------------------------------


def measure(album: Album, folder: Path, every: int, known: NDArray[np.uint64]) -> dict[str, Any]:
    """Copies found, times, and the peer's, change by change."""
    dice = np.random.default_rng(SEED)
    photos = [(n, *pair) for n, pair in enumerate(photos_in(folder, QUERIED))][::every]
    rows: dict[str, Any] = {}
    for name, change in CHANGES.items():
        found = peer = 0
        features, searches, peers = [], [], []
        for n, _, image in photos:
            changed = change(image, dice)
            started = time.perf_counter()
            asked = asked_of(changed)
            ready = time.perf_counter()
            match = next((each for each in find(album, asked) if each.page.seq == n + 1), None)
            ended = time.perf_counter()
            far = np.bitwise_count(known ^ np.uint64(hash_of(asked.small)))
            peers.append(time.perf_counter() - ended)
            features.append(ready - started)
            searches.append(ended - ready)
            found += match is not None
            peer += bool(far[n] <= PEER_BITS)
        rows[name] = {
            "photos": len(photos),
            "found": found / len(photos),
            "peer": peer / len(photos),
            "ratio_to_peer": round(found / peer, 2) if peer else None,
            "features_ms": _ms(features),
            "search_ms": _ms(searches),
            "peer_ms": _ms(peers),
        }
    return rows


def false_alarms(album: Album, folder: Path, every: int, known: NDArray[np.uint64]) -> dict[str, Any]:
    """Photos taken for others: each as it is, and with another vehicle before its ground."""
    dice = np.random.default_rng(SEED)
    photos = list(photos_in(folder, QUERIED))
    pairs, peer = [], 0
    for n, (name, image) in enumerate(photos):
        asked = asked_of(image)
        far = np.bitwise_count(known ^ np.uint64(hash_of(asked.small)))
        peer += int((far <= PEER_BITS).sum()) - 1
        for match in find(album, asked):
            if (at := match.page.seq - 1) != n:
                known_as = photos[at][0] if at < len(photos) else f"entry {at}"
                pairs.append((name, known_as, round(match.likeness.same, 3)))
    ground: dict[str, float] = {}
    for share in (0.25, 0.3, 0.4, 0.5):
        taken = asked_photos = 0
        for n in range(0, len(photos), every):
            other = photos[int(dice.integers(0, len(photos)))][1]
            asked = asked_of(covered(photos[n][1], other, share, dice))
            taken += any(match.page.seq == n + 1 for match in find(album, asked))
            asked_photos += 1
        ground[f"{share:.0%} of each side"] = taken / asked_photos
    return {"asked": len(photos), "pairs": pairs, "peer_pairs": peer, "same_ground": ground}


def _ms(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50": round(1000 * statistics.median(ordered), 1),
        "p95": round(1000 * ordered[int(0.95 * (len(ordered) - 1))], 1),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; exit status 2 when the photos are not there."""
    parser = argparse.ArgumentParser(prog="benchmarks.reuse", description=__doc__.split("\n\n")[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"), help="folder of photos")
    parser.add_argument("--entries", type=int, default=100_000, help="photos of the album")
    parser.add_argument("--rendered", type=int, default=10_000, help="of them drawn for this")
    parser.add_argument("--every", type=int, default=8, help="only every n-th photo is asked")
    parser.add_argument("--album", type=Path, help="keep the album in this file, or take it from there")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if not any((chosen.photos / name).is_dir() for name in QUERIED):
        print(f"no photos: {chosen.photos} has none of {', '.join(QUERIED)}", file=sys.stderr)
        return 2
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as room:
        album = Album(chosen.album or Path(room) / "album.sqlite")
        made = filled(album, chosen.photos, chosen.entries, chosen.rendered) if not len(album) else {}
        known = hashes(album)
        result = {
            "entries": {"all": len(album), **made},
            "changes": measure(album, chosen.photos, chosen.every, known),
            "false_alarms": false_alarms(album, chosen.photos, chosen.every, known),
            "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        album.close()
    print(json.dumps(result, ensure_ascii=False)) if chosen.json else show(result)
    return 0


def show(result: dict[str, Any]) -> None:
    """The tables for people."""
    print(f"album: {result['entries']}; peak {result['peak_rss_mb']} MB resident")
    print(f"{'change':36} found   peer  ratio | features, search, peer: ms p50 / p95")
    for name, row in result["changes"].items():
        times = " ".join(
            f"{row[key]['p50']:6.1f} /{row[key]['p95']:6.1f}"
            for key in ("features_ms", "search_ms", "peer_ms")
        )
        print(f"{name:36} {row['found']:6.1%} {row['peer']:6.1%} {row['ratio_to_peer'] or 0:5.2f} | {times}")
    alarms = result["false_alarms"]
    print(
        f"{alarms['asked']} photos as they are: {len(alarms['pairs'])} others matched,"
        f" the peer matched {alarms['peer_pairs']}"
    )
    for pair in alarms["pairs"]:
        print("  ", *pair)
    print("another vehicle before the same ground, taken for a copy:", alarms["same_ground"])


if __name__ == "__main__":
    sys.exit(main())

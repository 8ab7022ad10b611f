"""Reading and verification of plates and VINs on labelled photos, beside plain PP-OCR on the same photos.

Folders under --photos: plates_full/, plates_crop/, vin/, each with labels.csv (file, label, colour or
subset). The peer is PP-OCR as published (its text detector at 736, greedy decoding of every line, no grammar,
the label contained in a line), run here on the same weights, photos and threads: v4 on plates, v6 on VINs.
"""

import argparse
import csv
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lanes.spelling import LOOK_ALIKES, fold
from lanes.vin import check_digit, fold_vin, with_check_digit
from models.catalog import catalog
from models.claims import Judge
from models.images import Image, PhotoError, decode
from models.lines import LineFinder, LineReader, flattened
from models.plate import PlateText, is_plate
from models.reviewer import Reviewer, decide
from models.session import Session
from models.vin import VinText, is_vin

PEER_SHORT_SIDE = 736  # PP-OCR's published limit_side_len, limit_type min
PEER_LONG_SIDE = 2000
Texts = Sequence[PlateText | VinText]


@dataclass(kw_only=True)
class Tally:
    """Counts of one kind of photo and what the answers were."""

    photos: int = 0
    listed: int = 0  # the label is among the texts found
    exact: int = 0  # the text reported first is the label
    peer: int = 0
    opinions: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))


class Peer:
    """Plain PP-OCR: every text line, greedy, all classes."""

    def __init__(self, version: str, threads: int) -> None:
        self._lines = LineFinder(Session(f"lines-{version}", threads=threads))
        self._reader = LineReader(Session(f"reader-{version}", threads=threads))

    def texts(self, image: Image) -> list[str]:
        """The text of every line of the photo."""
        short, long = sorted(image.shape[:2])
        side = min(long * max(1.0, PEER_SHORT_SIDE / short), PEER_LONG_SIDE)
        lines = self._lines.find(image, round(side), enlarge=True)
        return [self._text(flattened(image, line.quad)) for line in lines]

    def _text(self, flat: Image) -> str:
        best = self._reader.read(flat).argmax(axis=1)
        fresh = np.concatenate(([True], best[1:] != best[:-1]))
        labels = self._reader.labels
        return "".join(labels[k - 1] for k in best[fresh] if 0 < k <= len(labels))


# ---- impostors: claims that are wrong ------------------------------------------------------------


def altered(text: str, dice: random.Random, alphabet: str, places: int) -> str:
    """``text`` with ``places`` characters changed, to look-alikes where there are any."""
    characters = list(text)
    for at in dice.sample([n for n, c in enumerate(text) if c in alphabet], places):
        alike = sorted({c for group in LOOK_ALIKES if characters[at] in group for c in group} & set(alphabet))
        others = [c for c in alike if c != characters[at]] or [c for c in alphabet if c != characters[at]]
        characters[at] = dice.choice(others)
    return "".join(characters)


def neighbour(vin: str, dice: random.Random) -> str:
    """Another vehicle of the same model: other last digits; the check digit is right if it was."""
    tail = str(int(vin[-4:]) + dice.randint(1, 99)).zfill(4)[-4:]
    other = vin[:-4] + tail
    return with_check_digit(other) if check_digit(vin) == vin[8] else other


def plate_impostors(plate: str, dice: random.Random) -> list[str]:
    """5 wrong plates: look-alike and any character in the serial, two characters, another province."""
    serial = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    head, tail = plate[:2], plate[2:]
    wrong = [head + altered(tail, dice, serial, 1) for _ in range(3)] + [
        head + altered(tail, dice, serial, 2)
    ]
    provinces = "京津冀沪苏浙皖闽鲁豫鄂湘粤川渝"
    return [*wrong, altered(plate[0], dice, provinces, 1) + plate[1:] if plate[0] in provinces else wrong[0]]


def vin_impostors(vin: str, dice: random.Random) -> list[str]:
    """20 wrong VINs: 10 one look-alike, 5 two, 5 neighbours of the same model."""
    alphabet = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
    one = [altered(vin, dice, alphabet, 1) for _ in range(10)]
    two = [altered(vin, dice, alphabet, 2) for _ in range(5)]
    return [*one, *two, *(neighbour(vin, dice) for _ in range(5))]


# ---- measuring -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Task:
    """One folder of photos and how it is read."""

    folder: str
    kind: str  # column that the table is split by
    look: Callable[[Image], Texts]
    judge: Callable[[], Judge]
    peer: str
    impostors: Callable[[str, random.Random], list[str]]
    spelled: Callable[[str], str]


def tasks(reviewer: Reviewer) -> dict[str, Task]:
    """The folders this benchmark knows."""
    plates: dict[str, Any] = {
        "kind": "colour",
        "look": lambda image: [p for p in reviewer.plates.find(image) if is_plate(p)],
        "judge": lambda: reviewer.plates.judge,
        "peer": "v4",
        "impostors": plate_impostors,
        "spelled": plate_spelling,
    }
    return {
        "plates_full": Task(folder="plates_full", **plates),
        "plates_crop": Task(folder="plates_crop", **plates),
        "vin": Task(
            folder="vin",
            kind="subset",
            look=lambda image: [v for v in reviewer.vins.find(image) if is_vin(v)],
            judge=lambda: reviewer.vins.judge,
            peer="v6",
            impostors=vin_impostors,
            spelled=fold_vin,
        ),
    }


def plate_spelling(text: str) -> str:
    """A plate as GA 36 spells it: no O and no I in the serial."""
    plain = fold(text)
    return plain[:2] + plain[2:].translate(str.maketrans("OI", "01"))


def rows(folder: Path, every: int) -> Iterator[tuple[dict[str, str], Image]]:
    """Label rows with their decoded photos; a photo that cannot be read is told and left out."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        wanted = list(csv.DictReader(file))[::every]
    for n, row in enumerate(wanted, start=1):
        if n % 50 == 0:
            print(f"{folder.name}: {n} of {len(wanted)}", file=sys.stderr)
        try:
            yield row, decode((folder / row["file"]).read_bytes())
        except PhotoError as error:
            print(f"{row['file']}: {error}", file=sys.stderr)


def measure(task: Task, folder: Path, *, threads: int, every: int, with_peer: bool) -> dict[str, Any]:
    """The table of one folder, by kind and in all, with latency and margins of true and false claims."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    took: list[float] = []
    peer_took: list[float] = []
    margins: dict[str, list[float]] = {"true": [], "false": []}
    peer = Peer(task.peer, threads) if with_peer else None
    dice = random.Random(20261122)
    for row, image in rows(folder, every):
        label = task.spelled(row["label"])
        began = time.perf_counter()
        texts = task.look(image)
        took.append((time.perf_counter() - began) * 1000)
        found = [text.decoded.text for text in texts]
        began = time.perf_counter()
        raw = [task.spelled(text) for text in peer.texts(image)] if peer else []
        peer_took.append((time.perf_counter() - began) * 1000)
        claims = [("true", label)] + [("false", c) for c in task.impostors(label, dice) if c != label]
        scored = [(truth, *scores(task.judge(), texts, claim)) for truth, claim in claims]
        for truth, margin, _ in scored:
            margins[truth].append(margin)
        for kind in (row[task.kind], "all"):
            tally = tallies[kind]
            tally.photos += 1
            tally.listed += label in found
            tally.exact += found[:1] == [label]
            tally.peer += any(label in text for text in raw)
            for truth, _, opinion in scored:
                tally.opinions[truth][opinion] += 1
    table = {kind: line(tally, with_peer) for kind, tally in sorted(tallies.items())}
    return {
        "kinds": table,
        "ms": {"p50": round(statistics.median(took)), "p95": round(float(np.percentile(took, 95)))},
        "peer": f"PP-OCR{task.peer} raw" if peer else None,
        "peer_ms": {"p50": round(statistics.median(peer_took))} if peer else None,
        "tar_at_far": {str(far): tar(margins, far) for far in (0.01, 0.001)},
    }


def scores(judge: Judge, texts: Texts, claim: str) -> tuple[float, str]:
    """(margin, opinion) of a claim, as the reviewer forms it."""
    if not texts or not judge.alphabet.knows(claim):
        return -1e6, "unsure"
    _, margin, opinion = decide(texts, claim, judge, catalog().thresholds)
    return margin, opinion


def tar(margins: dict[str, list[float]], far: float) -> dict[str, float]:
    """The share of true claims accepted at the margin that lets at most ``far`` of the false ones pass."""
    false = sorted(margins["false"], reverse=True)
    limit = max(false[int(len(false) * far)], -1e5)
    passed = sum(margin > limit for margin in margins["true"])
    return {"margin": round(limit, 2), "tar": round(passed / len(margins["true"]), 4)}


def line(tally: Tally, with_peer: bool) -> dict[str, Any]:
    """One line of the table: shares of photos and of claims."""
    shares: dict[str, Any] = {
        "photos": tally.photos,
        "exact": round(tally.exact / tally.photos, 4),
        "listed": round(tally.listed / tally.photos, 4),
    }
    if with_peer:
        shares["peer"] = round(tally.peer / tally.photos, 4)
        shares["ratio_to_peer"] = round(tally.listed / tally.peer, 3) if tally.peer else None
    for truth, opinions in tally.opinions.items():
        total = sum(opinions.values())
        shares[truth] = {name: round(opinions[name] / total, 4) for name in ("agree", "disagree", "unsure")}
        shares[truth]["claims"] = total
    return shares


def show(name: str, result: dict[str, Any]) -> None:
    """The table of one folder for people."""
    own, peer = result["ms"], result["peer_ms"]
    beside = f"; peer {result['peer']}: {peer['p50']} ms median" if peer else ""
    print(f"\n{name}: {own['p50']} ms median, {own['p95']} ms p95{beside}")
    print(
        "kind       photos  exact listed   peer ratio | true: agree disagree unsure | false: agree disagree"
    )
    for kind, row in result["kinds"].items():
        true, false = row["true"], row["false"]
        print(
            f"{kind:10} {row['photos']:6} {row['exact']:6.1%} {row['listed']:6.1%} {row.get('peer', 0):6.1%} "
            f"{row.get('ratio_to_peer') or 0:5.2f} | {true['agree']:11.1%} {true['disagree']:8.1%} "
            f"{true['unsure']:6.1%} | {false['agree']:12.2%} {false['disagree']:8.1%}"
        )
    for far, found in result["tar_at_far"].items():
        passed, at = f"{found['tar']:.1%}", found["margin"]
        print(f"true claims accepted at {float(far):.1%} false accepts: {passed} (margin {at})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; exit status 2 when the photos are not there."""
    parser = argparse.ArgumentParser(prog="benchmarks.ocr", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--photos", type=Path, default=Path("../shared/photos"), help="folder of labelled photos"
    )
    parser.add_argument(
        "--sets", nargs="+", default=["plates_full", "vin"], help="plates_full plates_crop vin"
    )
    parser.add_argument("--every", type=int, default=1, help="only every n-th photo")
    parser.add_argument("--threads", type=int, default=2, help="onnxruntime threads")
    parser.add_argument("--no-peer", action="store_true", help="leave the peer out")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    known = tasks(Reviewer(chosen.threads))
    for name in chosen.sets:
        if name not in known or not (chosen.photos / name / "labels.csv").is_file():
            print(
                f"no set {name!r} with labels.csv in {chosen.photos}; known: {', '.join(known)}",
                file=sys.stderr,
            )
            return 2
    results = {}
    for name in chosen.sets:
        folder = chosen.photos / name
        results[name] = measure(
            known[name], folder, threads=chosen.threads, every=chosen.every, with_peer=not chosen.no_peer
        )
        if not chosen.json:
            show(name, results[name])
    if chosen.json:
        print(json.dumps(results, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Reading and verification of plates and VINs on labelled photos, beside others on the same photos.

Folders under --photos: plates_full/, plates_crop/, vin/, as `chayan review eval` takes them; our own
figures are the ones it tells. One peer always runs: PP-OCR as published (its text detector at 736, greedy
decoding of every line, no grammar, the label contained in a line), on the same weights, photos and threads,
v4 on plates, v6 on VINs. With --peers-python the pipelines of RapidOCR and HyperLPR run too, as they come,
in their own environment.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from models.attacks import spelled
from models.cli import photo_bytes
from models.evaluation import Answer, Evaluation
from models.figures import ALL, ClassFigures, class_figures, latency, way_figures
from models.images import Image, decode
from models.labelled import KINDS, FolderError, Kind, Labelled, labelled
from models.lines import LineFinder, LineReader, flattened
from models.reviewer import Reviewer
from models.scoring import Share, percentile, share
from models.session import Session

PEER_SHORT_SIDE = 736  # PP-OCR's published limit_side_len, limit_type min
PEER_LONG_SIDE = 2000
PIPELINES = Path(__file__).parent / "peers" / "pipelines.py"
VERSIONS: dict[Kind, str] = {"plates_full": "v4", "plates_crop": "v4", "vin": "v6"}


class Plain:
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


class Peer:
    """What a peer has read: for each photo whether the label is contained in a text, and how long it took."""

    def __init__(self, name: str) -> None:
        self.name, self.missing = name, ""
        self.hits: dict[str, bool] = {}
        self.took_ms: list[float] = []

    def take(self, photos: Labelled, answer: Answer, texts: Sequence[str], ms: float) -> None:
        """Another photo."""
        label = answer.row.label
        self.hits[answer.row.file] = any(label in spelled(photos.question, text) for text in texts)
        self.took_ms.append(ms)

    def told(self, answers: Sequence[Answer], own: Sequence[ClassFigures]) -> dict[str, Any]:
        """Its shares by class, and ours divided by them."""
        if self.missing:
            return {"missing": self.missing}
        shares = {
            each.name: self._of([a for a in answers if each.name in (*a.row.classes, ALL)]) for each in own
        }
        return {
            "classes": {name: msgspec.to_builtins(found) for name, found in shares.items()},
            "ratio": {
                each.name: round(each.listed.value / shares[each.name].value, 3)
                for each in own
                if shares[each.name].hits
            },
            "ms": {"p50": round(percentile(self.took_ms, 0.5)), "p95": round(percentile(self.took_ms, 0.95))},
        }

    def _of(self, answers: Sequence[Answer]) -> Share:
        return share(sum(self.hits.get(answer.row.file, False) for answer in answers), len(answers))


def measure(
    photos: Labelled, *, threads: int, every: int, plain: bool, python: Path | None
) -> dict[str, Any]:
    """The table of one folder: our figures, and every peer's beside them."""
    evaluation = Evaluation(Reviewer(threads), photos, every=every)
    answers = [a for a in evaluation.run(_progress(photos.kind)) if not a.wrong]
    peers: dict[str, Peer] = {}
    if plain:
        peers["plain"] = Peer(f"PP-OCR{VERSIONS[photos.kind]} plain")
        reader = Plain(VERSIONS[photos.kind], threads)
        for answer in answers:
            image = decode(photo_bytes(photos.folder / answer.row.file))
            began = time.perf_counter()
            peers["plain"].take(photos, answer, reader.texts(image), (time.perf_counter() - began) * 1000)
    if python is not None:
        peers |= pipelines(python, threads, photos, answers)
    own = class_figures(answers)
    return {
        "classes": [msgspec.to_builtins(each) for each in own],
        "claims": [msgspec.to_builtins(each) for each in way_figures(answers)],
        "ms": {"p50": round(latency(answers, ())[0].p50_ms), "p95": round(latency(answers, ())[0].p95_ms)},
        "peers": {peer.name: peer.told(answers, own) for peer in peers.values()},
    }


def pipelines(python: Path, threads: int, photos: Labelled, answers: Sequence[Answer]) -> dict[str, Peer]:
    """Every pipeline that this Python has, on every photo."""
    peers: dict[str, Peer] = {}
    by_file = {str(photos.folder / answer.row.file): answer for answer in answers}
    with TemporaryDirectory() as folder:
        listed = Path(folder) / "files"
        listed.write_text("\n".join(by_file), "utf-8")
        command = [str(python), str(PIPELINES), photos.question, str(threads), str(listed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                told = json.loads(line)
                peer = peers.setdefault(told["peer"], Peer(told["peer"]))
                if "version" in told:
                    peer.name += f" ({told['version']})"
                elif "missing" in told:
                    peer.missing = told["missing"]
                elif "texts" in told:
                    peer.take(photos, by_file[told["file"]], told["texts"], told["ms"])
        if process.returncode:
            raise SystemExit(f"{' '.join(command[:2])} ended with status {process.returncode}")
    return peers


def _progress(name: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if done % 50 == 0:
            print(f"{name}: {done} of {total}", file=sys.stderr)

    return tell


def show(name: str, result: dict[str, Any]) -> None:
    """The table of one folder for people."""
    print(f"\n{name}: {result['ms']['p50']} ms median, {result['ms']['p95']} ms p95")
    for each in result["classes"]:
        print(
            f"{each['name']:10} {each['exact']['total']:5} exact {each['exact']['value']:6.1%} "
            f"listed {each['listed']['value']:6.1%} | right claim: agree {each['agree']['value']:6.1%} "
            f"disagree {each['disagree']['value']:6.1%}"
        )
    for each in result["claims"]:
        print(
            f"altered, {each['way']:10} {each['agree']['total']:5} agree {each['agree']['value']:6.2%} "
            f"disagree {each['disagree']['value']:6.1%}"
        )
    for peer, told in result["peers"].items():
        if "missing" in told:
            print(f"{peer}: not there: {told['missing']}")
            continue
        print(f"{peer}: {told['ms']['p50']} ms median, {told['ms']['p95']} ms p95")
        for kind, found in told["classes"].items():
            print(f"  {kind:10} {found['value']:6.1%}, ours / its {told['ratio'].get(kind, '-')}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; exit status 2 when the photos are not there."""
    parser = argparse.ArgumentParser(prog="benchmarks.ocr", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--photos", type=Path, default=Path("../shared/photos"), help="folder of labelled photos"
    )
    parser.add_argument("--sets", nargs="+", default=["plates_full", "vin"], choices=KINDS)
    parser.add_argument("--every", type=int, default=1, help="only every n-th photo")
    parser.add_argument("--threads", type=int, default=2, help="onnxruntime threads")
    parser.add_argument("--no-peer", action="store_true", help="leave plain PP-OCR out")
    parser.add_argument("--peers-python", type=Path, help="a Python that has RapidOCR and HyperLPR installed")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    results = {}
    try:
        folders = [labelled(chosen.photos / name, name) for name in chosen.sets]
    except FolderError as error:
        print(error, file=sys.stderr)
        return 2
    for photos in folders:
        results[photos.kind] = measure(
            photos,
            threads=chosen.threads,
            every=chosen.every,
            plain=not chosen.no_peer,
            python=chosen.peers_python,
        )
        if not chosen.json:
            show(photos.kind, results[photos.kind])
    if chosen.json:
        print(json.dumps(results, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The review process itself: how soon after its start it answers, and what memory it takes in its whole life.

A real ``chayan review follow`` is asked for plate, VIN, quality and reuse of mixed photos; one in ten is
shown as a phone's of 12 megapixels. Its peer is a process that only imports the libraries and loads the same
files.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.parts.asking import asking, due
from benchmarks.reuse import photo_files, rendered
from models.images import PhotoError, decode, encode

LARGE = (4000, 3000)  # pixels of a phone's photo
EVERY_LARGE = 10
LIMITS = {"ready_s": 2.0, "peak_mb": 400}
BARE = """
import sys, onnxruntime, cv2, numpy
from pathlib import Path
from models.catalog import catalog, locate
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
kept = [
    onnxruntime.InferenceSession(str(locate(name, weight)), options, providers=["CPUExecutionProvider"])
    for name, weight in catalog().weights.items()
]
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
ASKED = {
    "plates_full": ("0111", ("plate", "quality", "reuse")),
    "plates_crop": ("gate", ("plate",)),
    "vin": ("0113", ("vin", "quality", "reuse")),
}


def mixed(folder: Path, photos: int) -> Iterator[tuple[str, tuple[str, ...], bytes]]:
    """Shot, questions and bytes: real photos in turn, or rendered scenes where there are none."""
    sets = {name: photo_files(folder, [name]) for name in ASKED}
    names = [name for name, paths in sets.items() if paths]
    dice = np.random.default_rng(20261126)
    for n in range(photos):
        name = names[n % len(names)] if names else "plates_full"
        shot, questions = ASKED[name]
        paths = sets[name]
        content = (
            paths[n // max(len(names), 1) % len(paths)].read_bytes() if paths else encode(rendered(dice))
        )
        if n % EVERY_LARGE == 0:
            content = enlarged(content)
        yield shot, questions, content


def enlarged(content: bytes) -> bytes:
    """The same picture as a phone's photo of 12 megapixels."""
    try:
        image = decode(content)
    except PhotoError:
        return content
    return encode(np.asarray(cv2.resize(image, LARGE, interpolation=cv2.INTER_CUBIC), np.uint8))


def started(room: Path, content: bytes, threads: int) -> tuple[float, float, float]:
    """Seconds from the start until it polls, of a core until then, and until the first plate is answered."""
    began = time.monotonic()
    with asking(room, threads=threads) as asker:
        ready_s, cpu_s = time.monotonic() - began, asker.cpu_s()
        asker.ask(due(asker.node, content, "plate", seq=1))
        return ready_s, cpu_s, time.monotonic() - began


def lived(room: Path, folder: Path, photos: int, threads: int) -> dict[str, Any]:
    """Memory over a life of so many photos."""
    answers, took = 0, []
    with asking(room, threads=threads) as asker:
        idle, _ = asker.resident_mb()
        for n, (shot, questions, content) in enumerate(mixed(folder, photos), 1):
            began = time.monotonic()
            for question in questions:
                asked = due(asker.node, content, question, seq=n, shot=shot)
                if question == "reuse":
                    asker.node.taken.append(asked)
                asker.ask(asked)
                answers += 1
            took.append(time.monotonic() - began)
            asker.node.photos.clear()
            if n % 100 == 0:
                print(n, [round(each) for each in asker.resident_mb()], file=sys.stderr)
        now, peak = asker.resident_mb()
    return {
        "photos": photos,
        "answers": answers,
        "idle_mb": round(idle),
        "end_mb": round(now),
        "peak_mb": round(peak),
        "photo_s_p50": round(statistics.median(took), 3),
    }


def bare() -> dict[str, Any]:
    """The peer: seconds of its whole run, and its peak."""
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", BARE], check=True, capture_output=True, text=True)
    return {"s": round(time.monotonic() - began, 2), "peak_mb": round(int(ran.stdout) / 1024)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; status 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(prog="benchmarks.reviewing", description=__doc__.split("\n\n")[0])
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"), help="folder of photos")
    parser.add_argument("--count", type=int, default=500, help="photos of its life")
    parser.add_argument("--starts", type=int, default=5, help="how often it is started")
    parser.add_argument("--threads", type=int, default=1, help="threads of the inference")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    first = next(mixed(chosen.photos, 2))[2]
    rooms = [Path(tempfile.mkdtemp()) for _ in range(chosen.starts + 1)]
    starts = [started(room, first, chosen.threads) for room in rooms[1:]]
    peer = bare()
    life = lived(rooms[0], chosen.photos, chosen.count, chosen.threads)
    ready, cpu, first_answer = (round(statistics.median(column), 2) for column in zip(*starts, strict=True))
    worst = round(max(start[0] for start in starts), 2)
    result = {
        "ready_s": ready,
        "ready_s_worst": worst,
        "ready_cpu_s": cpu,
        "first_answer_s": first_answer,
        "bare": peer,
        "life": life,
        "ratio_to_bare": {
            "ready": round(ready / peer["s"], 2),
            "peak": round(life["peak_mb"] / peer["peak_mb"], 2),
        },
        "ratio_to_limit": {
            "ready": round(ready / LIMITS["ready_s"], 3),
            "peak": round(life["peak_mb"] / LIMITS["peak_mb"], 3),
        },
    }
    print(json.dumps(result) if chosen.json else _words(result))
    return 0 if max(result["ratio_to_limit"].values()) < 1 else 1


def _words(result: dict[str, Any]) -> str:
    return "\n".join(f"{name:16} {value}" for name, value in result.items())


if __name__ == "__main__":
    sys.exit(main())

"""Other projects' own pipelines for plates and text, as they come: run by a Python that has them installed.

Needs nothing of ours. Arguments: plate or vin, threads, and a file that names a photo a line. Standard
output: a JSON line for each peer at its start ({"peer", "version"} or {"peer", "missing"}), then one for
each photo and peer ({"peer", "file", "texts", "ms"}).
"""

import importlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[Any], list[str]]


def rapidocr(threads: int) -> Read:
    """RapidOCR 3 (PP-OCRv6), every text of the photo."""
    key = "EngineConfig.onnxruntime.intra_op_num_threads"
    engine = importlib.import_module("rapidocr").RapidOCR(params={key: threads})
    return lambda image: list(engine(image).txts or ())


def rapidocr_onnxruntime(threads: int) -> Read:
    """RapidOCR 1.4 (PP-OCRv4), every text of the photo."""
    engine = importlib.import_module("rapidocr_onnxruntime").RapidOCR(intra_op_num_threads=threads)
    return lambda image: [text for _, text, _ in engine(image)[0] or ()]


def hyperlpr2(threads: int) -> Read:
    """HyperLPR 1, whose weights lie in the wheel; it has no setting for threads beside OpenCV's."""
    importlib.import_module("cv2").setNumThreads(threads)
    recognise = importlib.import_module("hyperlpr2").HyperLPR_plate_recognition
    return lambda image: [found[0] for found in recognise(image)]


def hyperlpr3(threads: int) -> Read:
    """HyperLPR 3; it fetches its weights at first use."""
    catcher = importlib.import_module("hyperlpr3").LicensePlateCatcher()
    return lambda image: [found[0] for found in catcher(image)]


PEERS: dict[str, tuple[str, Callable[[int], Read], tuple[str, ...]]] = {
    "RapidOCR 3": ("rapidocr", rapidocr, ("plate", "vin")),
    "RapidOCR 1": ("rapidocr-onnxruntime", rapidocr_onnxruntime, ("plate", "vin")),
    "HyperLPR 1": ("hyperlpr2", hyperlpr2, ("plate",)),
    "HyperLPR 3": ("hyperlpr3", hyperlpr3, ("plate",)),
}


def main(question: str, threads: int, listed: Path) -> None:
    """Reads every photo with every peer that reads such texts."""
    cv2: Any = importlib.import_module("cv2")
    numpy: Any = importlib.import_module("numpy")
    peers: dict[str, Read] = {}
    for name, (package, make, reads) in PEERS.items():
        if question not in reads:
            continue
        try:
            peers[name] = make(threads)
            tell(peer=name, version=importlib.metadata.version(package))
        except Exception as error:  # noqa: BLE001 - what it needs and has not got is its own affair
            tell(peer=name, missing=f"{type(error).__name__}: {str(error)[:200]}")
    for file in listed.read_text("utf-8").splitlines():
        image = cv2.imdecode(numpy.fromfile(file, numpy.uint8), cv2.IMREAD_COLOR)
        for name, read in peers.items():
            began = time.perf_counter()
            try:
                texts = [] if image is None else read(image)
            except Exception as error:  # noqa: BLE001 - a photo that breaks a peer is one it has not read
                texts = []
                tell(peer=name, broke=str(error)[:200], file=file)
            tell(peer=name, file=file, texts=texts, ms=(time.perf_counter() - began) * 1000)


_out = sys.stdout


def tell(**facts: object) -> None:
    """One JSON line; what peers print themselves goes to standard error."""
    _out.write(json.dumps(facts, ensure_ascii=False) + "\n")
    _out.flush()


if __name__ == "__main__":
    sys.stdout = sys.stderr
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))

"""What lies in a photo store and belongs to nothing: broken uploads, and photos that no record names."""

import contextlib
import time
from collections.abc import Iterable
from pathlib import Path

from central_sync.partials import FOLDER, SUFFIX
from central_sync.photos import Photos

BROKEN_S = 3600.0  # a temporary file older than this belongs to nobody any more
PARTIAL_S = 7 * 86_400.0  # an upload that was not taken up again in this time
ORPHAN_S = 7 * 86_400.0  # a photo that is put, and named by no record for so long


def sweep_broken(photos: Photos, now_s: float | None = None) -> int:
    """Removes temporary files of writers that died, and uploads nobody goes on with; how many."""
    now_s = time.time() if now_s is None else now_s
    old = [path for path in photos.root.glob("??/*.part") if _age(path, now_s) > BROKEN_S]
    old += [path for path in photos.root.glob(f"{FOLDER}/*/*{SUFFIX}") if _age(path, now_s) > PARTIAL_S]
    return sum(_removed(path) for path in old)


def orphans(photos: Photos, named: Iterable[str], now_s: float | None = None) -> set[str]:
    """Digests of photos that are older than ``ORPHAN_S`` and not among ``named``, those of all records."""
    now_s = time.time() if now_s is None else now_s
    old = {path.stem for path in photos.files() if _age(path, now_s) > ORPHAN_S}
    old.difference_update(named)
    return old


def _age(path: Path, now_s: float) -> float:
    with contextlib.suppress(FileNotFoundError):
        return now_s - path.stat().st_mtime
    return 0.0


def _removed(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        return True
    return False

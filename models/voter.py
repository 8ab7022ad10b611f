"""The small VIN recogniser of our own: flat lines of any size -> softmax frames, all of them in one run."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image
from models.session import Session, Tensor

HEIGHT, WIDTH = 24, 256
LEAST_CONTRAST = 2.0  # grey levels: what varies less is noise


class Voter:
    """Reads flat VIN lines; class 0 is the CTC blank."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.labels = session.metadata("character").splitlines()

    def read(self, flats: Sequence[Image]) -> list[Tensor]:
        """Softmax frames of each flat line, (T, classes)."""
        if not flats:
            return []
        batch = np.stack([_grey(flat) for flat in flats])[:, None]
        return list(self._session.run(batch)[0])


def _grey(flat: Image) -> Tensor:
    """A line as the voter takes it."""
    method = cv2.INTER_AREA if flat.shape[0] > HEIGHT else cv2.INTER_CUBIC
    return evened(cv2.resize(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY), (WIDTH, HEIGHT), interpolation=method))


def evened(grey: NDArray[Any]) -> Tensor:
    """Grey levels of mean 0 and deviation 0.5, so that faint lines look like strong ones."""
    level = grey.astype(np.float32)
    return np.asarray((level - level.mean()) / (2 * max(float(level.std()), LEAST_CONTRAST)), np.float32)

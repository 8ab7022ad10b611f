"""Where the VIN line of a photo lies, by a small heat-map model of our own; nothing is read here."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.images import Image, Quad, fitted
from models.lines import inside, ordered, unit_tensor
from models.session import Session

SIDE = 256  # long side at which a photo is searched
STRIDE = 4  # pixels a cell of the map
PADDING = 114  # grey beyond the photo, as in training
MIN_CELL = 0.35
CORE = 0.8  # share of the line's height that the map marks
MOST = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """Where a VIN line may lie: corners in the photo, and how sure the locator is, 0..1."""

    quad: Quad
    score: float


class VinLocator:
    """Photo -> up to two spots, the surest first."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, image: Image) -> list[Spot]:
        """Spots of the photo; it is scaled to 256 pixels for the search."""
        small, _ = fitted(image, SIDE, enlarge=True)
        height, width = small.shape[:2]
        framed = np.full((-(-height // 32) * 32, -(-width // 32) * 32, 3), PADDING, np.uint8)
        framed[:height, :width] = small
        heat = self._session.run(unit_tensor(framed))[0][0, 0]
        back = np.array([image.shape[1] / width, image.shape[0] / height], np.float32) * STRIDE
        return [
            Spot(quad=np.asarray(spot.quad * back, np.float32), score=spot.score) for spot in _spots(heat)
        ]


def _spots(heat: NDArray[np.float32]) -> list[Spot]:
    """The marked regions of a map in its own cells, the surest first."""
    marked = (heat > MIN_CELL).astype(np.uint8)
    contours, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour in contours:
        (x, y), (width, height), angle = cv2.minAreaRect(contour)
        if max(width, height) < 4:
            continue
        # a cell is 1 wide, its contour runs through middles
        wide, tall = (width + 1, height + 1)
        wide, tall = (wide, tall / CORE) if wide > tall else (wide / CORE, tall)
        rect = ((x + 0.5, y + 0.5), (wide, tall), angle)
        found.append(Spot(quad=ordered(cv2.boxPoints(rect)), score=inside(heat, contour)))
    return sorted(found, key=lambda spot: spot.score, reverse=True)[:MOST]

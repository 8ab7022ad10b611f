"""The plate reader of our own: flat plates -> frames of symbols, colour, whether two layers are seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.images import Image
from models.session import Session, Tensor
from models.stages import stage

HEIGHT, WIDTH = 48, 168
EVEN = 4.0  # added to the spread so that a plain picture stays plain


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the net makes of a flat plate: softmax frames (T, K), shares of colours, that of two layers."""

    frames: Tensor
    colours: dict[str, float]
    layered: float

    @property
    def colour(self) -> str:
        """The likeliest colour."""
        return max(self.colours, key=lambda name: self.colours[name])


class PlateNet:
    """Reads flat plates of any aspect, several at once; class 0 is the CTC blank."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.labels = session.metadata("character").splitlines()
        self._colours = session.metadata("colours").splitlines()

    @stage("read")
    def read(self, flats: Sequence[Image]) -> list[Seen]:
        """What is seen on each of some flat plates; a double one is read when its layers are in one line."""
        if not flats:
            return []
        signs, colours, layers = self._session.run(np.stack([evened(flat) for flat in flats]))
        return [
            Seen(
                frames=signs[n],
                colours=dict(zip(self._colours, map(float, colours[n]), strict=True)),
                layered=float(layers[n, 1]),
            )
            for n in range(len(flats))
        ]


def evened(flat: Image) -> Tensor:
    """The net's input (3, 48, 168): resized, mean 0 and spread 1 over all its values."""
    method = cv2.INTER_AREA if flat.shape[0] > HEIGHT else cv2.INTER_LINEAR
    sized = cv2.resize(flat, (WIDTH, HEIGHT), interpolation=method).astype(np.float32)
    even: Tensor = ((sized - sized.mean()) / (sized.std() + EVEN)).transpose(2, 0, 1)
    return even

"""When a braking begins and ends, its drag and its curve, out of raw samples. Pure and repeatable.

Drag is the mean of the last ``drag_ms`` before the force rises in which neither force moved by more than
``flat_dan`` and one shows ``turning_dan``: the wheels turn freely. The braking has begun when a force
exceeds ``start_dan``, and has ended when both have stayed below it for ``end_ms``. The curve begins with
the drag and ends with the braking.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct


class Channel(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A force in daN is (raw − ``zero``) × ``scale``, as it was calibrated."""

    zero: Decimal = Decimal(0)
    scale: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if not self.zero.is_finite() or not self.scale.is_finite() or not self.scale:
            raise ValueError("zero and scale are numbers, and scale is not 0")


class Shape(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What counts as turning freely, as braking, as the end of it."""

    start_dan: Annotated[int, Meta(ge=5, le=1000)] = 60
    drag_ms: Annotated[int, Meta(ge=50, le=5000)] = 200
    turning_dan: Annotated[int, Meta(ge=0, le=100)] = 2
    flat_dan: Annotated[int, Meta(ge=1, le=100)] = 6
    end_ms: Annotated[int, Meta(ge=20, le=5000)] = 200
    zero_dan: Annotated[int, Meta(ge=0, le=100)] = 10
    step_dan: Annotated[int, Meta(ge=20, le=5000)] = 300


class Forces(NamedTuple):
    """Left and right, daN."""

    left: int
    right: int


class Braked(NamedTuple):
    """What a braking was: drag, and the curve from the drag on."""

    drag: Forces
    curve: list[Forces]


class NotBraked(ValueError):
    """Samples that no braking can give; the text says why."""


def force(raw: int, channel: Channel, shape: Shape) -> int:
    """Whole daN; noise about zero is zero; raises NotBraked below it."""
    value = int(((raw - channel.zero) * channel.scale).to_integral_value(ROUND_HALF_EVEN))
    if value < -shape.zero_dan:
        raise NotBraked(f"{value} daN is below zero: set the zero of the channels")
    return max(0, value)


class Braking:
    """Takes one sample after another until the braking has ended."""

    def __init__(self, shape: Shape, interval_ms: int) -> None:
        self._shape = shape
        self._flat = -(-shape.drag_ms // interval_ms)
        self._rest = -(-shape.end_ms // interval_ms)
        self._samples: list[Forces] = []
        self._free: tuple[int, Forces] | None = None  # where the last drag began, and what it was
        self._below = 0
        self.begun = False

    def take(self, sample: Forces) -> Braked | None:
        """The braking, once this sample ends it; raises NotBraked."""
        if self._samples and _apart(sample, self._samples[-1]) > self._shape.step_dan:
            raise NotBraked(f"a force jumped by more than {self._shape.step_dan} daN from sample to sample")
        self._samples.append(sample)
        if max(sample) > self._shape.start_dan:
            self.begun, self._below = True, 0
        elif self.begun:
            self._below += 1
        else:
            self._look_for_drag()
        if self.begun and self._free is None:
            raise NotBraked("braked before the wheels turned freely; brake later")
        if self._below < self._rest or self._free is None or not self.begun:
            return None
        at, drag = self._free
        return Braked(drag, self._samples[at:])

    def _look_for_drag(self) -> None:
        last = self._samples[-self._flat :]
        if len(last) < self._flat:
            return
        left, right = zip(*last, strict=True)
        drag = Forces(_mean(left), _mean(right))
        flat = max(max(left) - min(left), max(right) - min(right)) <= self._shape.flat_dan
        if flat and max(drag) >= self._shape.turning_dan:
            self._free = len(self._samples) - self._flat, drag


def _apart(one: Forces, other: Forces) -> int:
    return max(abs(one.left - other.left), abs(one.right - other.right))


def _mean(forces: tuple[int, ...]) -> int:
    return int((Decimal(sum(forces)) / len(forces)).to_integral_value(ROUND_HALF_EVEN))

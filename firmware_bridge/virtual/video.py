"""Moving pictures for virtual cameras: one group of H.264 pictures that may be shown over and over."""

from fractions import Fraction
from functools import cache

import av
import numpy as np

RATE = 10  # pictures a second
SIZE = (320, 180)


@cache
def group(pictures: int = RATE) -> tuple[bytes, ...]:
    """Encoded pictures (Annex B), the first a key picture with its parameter sets: a bar moves right."""
    width, height = SIZE
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, RATE), Fraction(RATE)
    context.gop_size, context.max_b_frames = pictures, 0
    context.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"}
    packets = []
    for number in range(pictures):
        canvas = np.full((height, width, 3), 60, np.uint8)
        canvas[:, number * width // pictures :][:, :20] = (220, 40, 40)
        frame = av.VideoFrame.from_ndarray(canvas, format="rgb24")
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return tuple(bytes(packet) for packet in packets)

"""Photo bytes -> array (BGR, upright) and cut-outs of it; refuses what is no photo before decoding it."""

import io
import struct
import warnings
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from models.stages import stage

Image = NDArray[np.uint8]  # (height, width, 3), BGR
Quad = NDArray[np.float32]  # (4, 2): top left, top right, bottom right, bottom left
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the upright photo

MAX_PIXELS = 50_000_000
WORK_PIXELS = 13_000_000  # a photo with more is made smaller by a whole factor as it is decoded
LESSER_PIXELS = 26_000_000  # of what cannot be made smaller as it is decoded: all but JPEG
FACTORS = (1, 2, 4, 8)  # by which JPEG can be made smaller as it is decoded
MIN_SIDE = 16
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # phones' MPO comes in by JPEG
ORIENTATION = 0x0112  # EXIF tag
TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error)


class PhotoError(Exception):
    """The bytes cannot be used as a photo; the text says why."""


def decode(content: bytes) -> Image:
    """The upright BGR image in ``content``; raises PhotoError. Beyond 50 megapixels nothing is decoded."""
    return _decoded(content, 1)[0]


def decode_small(content: bytes, side: int) -> Image:
    """The same, smaller by a factor that leaves a long side of at least ``side`` pixels."""
    return _decoded(content, side=side)[0]


def decode_for_work(content: bytes) -> tuple[Image, int]:
    """The same with at most WORK_PIXELS, and the factor by which it was made smaller.

    What is no JPEG must be decoded whole first: beyond LESSER_PIXELS it raises PhotoError.
    """
    return _decoded(content)


@stage("open")
def _decoded(content: bytes, factor: int | None = None, *, side: int = 0) -> tuple[Image, int]:
    if not content:
        raise PhotoError("the file is empty (0 bytes)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of sizes and of odd metadata; sizes are judged here
        image = _opened(content)
        lossless = image.format != "JPEG" and factor is None
        _check_size(*image.size, LESSER_PIXELS if lossless else MAX_PIXELS)
        factor = factor or _factor(image.size, side)
        try:
            if image.format == "JPEG":
                image.draft(None, (-(-image.width // factor), -(-image.height // factor)))
            image.load()
            whole = image if image.format == "JPEG" or factor == 1 else image.convert("RGB").reduce(factor)
            upright = _upright(whole).convert("RGB")
        except BROKEN as error:
            raise PhotoError(f"the image is damaged or cut short: {error}") from error
    return np.ascontiguousarray(np.asarray(upright)[:, :, ::-1]), factor


def _factor(size: tuple[int, int], side: int) -> int:
    """The least factor that leaves WORK_PIXELS, or the greatest that leaves ``side``."""
    if side:
        return max(each for each in FACTORS if each == 1 or max(size) >= side * each)
    return min(each for each in FACTORS if size[0] * size[1] <= WORK_PIXELS * each**2)


def _opened(content: bytes) -> Pillow.Image:
    try:
        return Pillow.open(io.BytesIO(content), formats=FORMATS)
    except Pillow.DecompressionBombError as error:
        raise PhotoError(f"the image has more than {MAX_PIXELS // 1_000_000} megapixels: {error}") from error
    except UnidentifiedImageError as error:
        raise PhotoError("this is no image (JPEG, PNG, WebP and BMP are read)") from error
    except BROKEN as error:
        raise PhotoError(f"the image header is damaged: {error}") from error


def _check_size(width: int, height: int, most: int) -> None:
    if width * height > most:
        limit = most // 1_000_000
        raise PhotoError(f"the image is {width} x {height} pixels; at most {limit} megapixels are read")
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"the image is {width} x {height} pixels; each side needs at least {MIN_SIDE}")


def _upright(image: Pillow.Image) -> Pillow.Image:
    try:
        turn = TURNS.get(image.getexif().get(ORIENTATION, 1))
    except BROKEN:  # a photo with broken metadata is still a photo
        turn = None
    return image if turn is None else image.transpose(turn)


def encode(image: Image, quality: int = 90) -> bytes:
    """JPEG bytes of an image."""
    sink = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(image[:, :, ::-1])).save(sink, "JPEG", quality=quality)
    return sink.getvalue()


def fitted(image: Image, long_side: int, *, multiple: int = 1, enlarge: bool = False) -> tuple[Image, float]:
    """The image scaled to a long side of ``long_side`` and the scale; smaller ones stay unless ``enlarge``.

    Both sides become multiples of ``multiple``.
    """
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    if scale > 1 and not enlarge:
        scale = 1.0
    sides = [max(multiple, round(side * scale / multiple) * multiple) for side in (width, height)]
    if sides == [width, height]:
        return image, 1.0
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, sides, interpolation=method), np.uint8), scale


@stage("flatten")
def rectify(image: Image, quad: Quad, *, width: int, height: int) -> Image:
    """The four-cornered region flattened to ``width`` x ``height``."""
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(quad, np.float32), target)
    flat = cv2.warpPerspective(
        image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(flat, np.uint8)


def grown(quad: Quad, across: float, along: float) -> Quad:
    """A quad made higher by ``across`` and longer by ``along`` of its height, on each side."""
    rightward = ((quad[1] - quad[0]) + (quad[2] - quad[3])) / 2
    downward = ((quad[3] - quad[0]) + (quad[2] - quad[1])) / 2
    height = max(float(np.linalg.norm(downward)), 1.0)
    right = rightward / max(float(np.linalg.norm(rightward)), 1.0) * height * along
    down = downward / height * height * across
    return np.asarray(quad + np.array([-right - down, right - down, right + down, -right + down]), np.float32)


def sides(quad: Quad) -> tuple[float, float]:
    """Mean width and height of a quad in pixels."""
    top, right, bottom, left = (float(np.linalg.norm(quad[(n + 1) % 4] - quad[n])) for n in range(4))
    return (top + bottom) / 2, (right + left) / 2


def box_of(quad: Quad, shape: tuple[int, ...]) -> Box:
    """The upright box around a quad, cut to an image of ``shape``."""
    low = np.clip(np.floor(quad.min(axis=0)), 0, [shape[1] - 1, shape[0] - 1]).astype(int)
    high = np.clip(np.ceil(quad.max(axis=0)), low + 1, [shape[1], shape[0]]).astype(int)
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])

"""What a lens and a sensor do to a picture, and the bytes: JPEG or PNG, marked as simulated."""

import io
from functools import cache
from random import Random

import cv2
import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from firmware_bridge.virtual import SOURCE
from firmware_bridge.virtual.glyphs import Picture, write

MARK = "模拟 SIMULATED"
STATEMENT = f"{SOURCE} simulated"
MAX_BYTES = 300_000
MARK_HEIGHT = 26  # px in a picture 720 high
MARK_LIKENESS = 0.55  # correlation above which a corner counts as marked
EXIF_DESCRIPTION, EXIF_SOFTWARE = 0x010E, 0x0131


@cache
def noise_tile() -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Sensor noise of unit strength x 16, mostly the same in all channels (do not write to it)."""
    draw = np.random.Generator(np.random.PCG64(20261122))
    grain = draw.normal(0, 1, (512, 512, 1)) * 0.85 + draw.normal(0, 1, (512, 512, 3)) * 0.5
    return np.round(grain * 16).astype(np.int16)


def add_noise(picture: Picture, strength: float, dice: Random) -> Picture:
    """Sensor noise with a standard deviation of ``strength`` grey levels."""
    height, width = picture.shape[:2]
    y, x = dice.randrange(512), dice.randrange(512)
    tile = np.roll(noise_tile(), (-y, -x), axis=(0, 1))
    scaled = cv2.convertScaleAbs(tile + 16 * 128, alpha=strength / 16, beta=128 - 128 * strength)
    wide = cv2.repeat(scaled, -(-height // 512), -(-width // 512))[:height, :width]
    return np.asarray(cv2.addWeighted(picture, 1.0, wide, 1.0, -128.0), np.uint8)


def light(picture: Picture, dice: Random, *, low: float = 0.82, high: float = 1.22) -> Picture:
    """Exposure, contrast and white balance of this taking."""
    gain, gamma, warm = dice.uniform(low, high), dice.uniform(0.85, 1.15), dice.uniform(-0.05, 0.05)
    steps = np.linspace(0, 1, 256) ** gamma * 255 * gain
    table = np.stack([steps * (1 - warm), steps, steps * (1 + warm)], -1)
    return np.asarray(cv2.LUT(picture, np.clip(table, 0, 255).astype(np.uint8)[None]), np.uint8)


def glare(picture: Picture, at: tuple[float, float], radius: float, strength: float) -> Picture:
    """A bright veil round a point (px)."""
    height, width = picture.shape[:2]
    y, x = np.ogrid[0 : height // 8, 0 : width // 8]
    spot = np.exp(-((x - at[0] / 8) ** 2 + (y - at[1] / 8) ** 2) / (2 * (radius / 8) ** 2)) * strength
    veil = cv2.resize(spot.astype(np.uint8), (width, height))
    return np.asarray(cv2.add(picture, cv2.cvtColor(veil, cv2.COLOR_GRAY2BGR)), np.uint8)


def vignette(picture: Picture, strength: float) -> Picture:
    """Darker corners."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : (height // 16) * 1j, -1 : 1 : (width // 16) * 1j]
    fall = np.clip(255 * (1 - strength * (x**2 + y**2) / 2), 0, 255).astype(np.uint8)
    return np.asarray(
        cv2.multiply(
            picture, cv2.cvtColor(cv2.resize(fall, (width, height)), cv2.COLOR_GRAY2BGR), scale=1 / 255
        ),
        np.uint8,
    )


def dirt(picture: Picture, box: tuple[int, int, int, int], dice: Random, spots: int) -> None:
    """Dried splashes inside a box (x, y, width, height): half transparent, brownish."""
    x, y, width, height = box
    window = picture[max(0, y) : y + height, max(0, x) : x + width]
    splash = window.copy()
    for _ in range(spots):
        at = (dice.randrange(max(1, width)), dice.randrange(max(1, height)))
        cv2.circle(splash, at, dice.choice((1, 1, 1, 2, 2, 3)), (70, 84, 98), -1, cv2.LINE_AA)
    window[:] = cv2.addWeighted(window, 0.5, splash, 0.5, 0)


def motion(picture: Picture, length: int) -> Picture:
    """Smear of a moving car along the picture, ``length`` px."""
    return picture if length < 2 else np.asarray(cv2.blur(picture, (length, 1)), np.uint8)


def defocus(picture: Picture, share: float = 1 / 70) -> Picture:
    """Truly out of focus: nothing written remains readable; ``share`` of the width is the blur's sigma."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), width * share / 4)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def sharpness(picture: Picture) -> float:
    """Variance of the Laplacian: comparable between pictures of the same scene and size."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) if picture.ndim == 3 else picture
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


# ---- the mark and the bytes ------------------------------------------------------------------------------


@cache
def mark_face() -> Picture:
    """The visible mark as it stands in a picture 720 high (do not write to it)."""
    face = np.full((MARK_HEIGHT, 172, 3), 34, np.uint8)
    write(face, MARK, (8, 4), 18, (236, 236, 236))
    return face


def put_mark(picture: Picture, *, soft: bool = False) -> None:
    """The visible mark in the lower left corner, in proportion to the height.

    ``soft`` for a photo out of focus: a crisp overlay must not pass for the photo's own sharpness.
    """
    scale = picture.shape[0] / 720
    face = cv2.resize(mark_face(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if soft:
        face = cv2.GaussianBlur(face, (0, 0), 2.4 * scale)
    height, width = face.shape[:2]
    margin = round(10 * scale)
    window = picture[-margin - height : -margin, margin : margin + width]
    window[:] = cv2.addWeighted(window, 0.2, face[: window.shape[0], : window.shape[1]], 0.8, 0)


def jpeg(picture: Picture, *, soft_mark: bool = False) -> bytes:
    """JPEG of at most 300 KB with the visible mark (the picture is written to), EXIF and comment."""
    put_mark(picture, soft=soft_mark)
    return jpeg_plain(picture)


def jpeg_plain(picture: Picture) -> bytes:
    """JPEG of at most 300 KB marked in EXIF and comment only: for crops too small for the visible mark."""
    image = Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = STATEMENT
    exif[EXIF_SOFTWARE] = SOURCE
    for quality in (88, 80, 70, 58, 45):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=quality, exif=exif, comment=STATEMENT.encode())
        if out.tell() <= MAX_BYTES:
            break
    return out.getvalue()


def png(picture: Picture) -> bytes:
    """PNG with the statement as text; for drawings without room for the visible mark."""
    said = PngImagePlugin.PngInfo()
    said.add_text("Description", STATEMENT)
    said.add_text("Software", SOURCE)
    out = io.BytesIO()
    Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).save(out, "PNG", pnginfo=said)
    return out.getvalue()


def is_marked_simulated(data: bytes) -> bool:
    """Whether image bytes say that they are simulated, in their metadata or, those lost, by the visible mark.

    Raises ValueError when the bytes are no image.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            exif = image.getexif()
            said = [image.info.get("comment", b""), *image.info.values(), *exif.values()]
            if any(SOURCE in (s.decode(errors="replace") if isinstance(s, bytes) else str(s)) for s in said):
                return True
            grey = np.asarray(image.convert("L"), np.uint8)
    except (UnidentifiedImageError, OSError) as e:
        raise ValueError(f"{len(data)} bytes that are no image: {e}") from e
    return shows_mark(grey)


def shows_mark(grey: Picture) -> bool:
    """Whether the lower left corner of a grey picture carries the visible mark."""
    scale = 720 / grey.shape[0]
    corner = grey[-max(1, round(60 / scale)) :, : round(240 / scale)]
    corner = np.asarray(cv2.resize(corner, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    face = np.asarray(cv2.cvtColor(mark_face(), cv2.COLOR_BGR2GRAY), np.uint8)
    if corner.shape[0] < face.shape[0] or corner.shape[1] < face.shape[1]:
        return False
    return float(cv2.matchTemplate(corner, face, cv2.TM_CCOEFF_NORMED).max()) > MARK_LIKENESS

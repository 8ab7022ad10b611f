"""Photos that the tests of models draw themselves, so that they run without any real photograph."""

from importlib.metadata import distribution
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.images import encode

GROUNDS = {"blue": (150, 60, 10), "white": (235, 235, 235), "yellow": (20, 190, 240), "green": (120, 200, 90)}
INKS = {"blue": (255, 255, 255), "white": (10, 10, 10), "yellow": (10, 10, 10), "green": (10, 10, 10)}


def font(size: int) -> ImageFont.FreeTypeFont:
    """The openly licensed font of the demo extra."""
    package = distribution("cvttf-NotoSansCJK-Bold")
    path = next(Path(str(package.locate_file(f))) for f in package.files or () if f.suffix == ".otf")
    return ImageFont.truetype(str(path), size)


def flat_plate(text: str, colour: str) -> np.ndarray:
    """A plate seen straight on, 440 x 140 (480 x 140 with eight characters), BGR."""
    width = 480 if len(text) == 8 else 440
    picture = Image.new("RGB", (width, 140), GROUNDS[colour][::-1])
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((4, 4, width - 5, 135), 10, outline=INKS[colour], width=3)
    step = (width - 30) / len(text)
    for n, character in enumerate(text):
        at = (15 + step * (n + 0.5), 70)
        pen.text(at, character, font=font(84), fill=INKS[colour], anchor="mm")
    return np.asarray(picture, np.uint8)[:, :, ::-1].copy()


def car_photo(text: str, colour: str = "blue", *, blur: float = 0.0) -> bytes:
    """JPEG of a dark car front on grey ground with the plate in slight perspective, 200 pixels wide."""
    photo = np.full((720, 960, 3), 110, np.uint8)
    cv2.rectangle(photo, (180, 120), (800, 600), (60, 50, 45), -1)
    cv2.rectangle(photo, (300, 330), (680, 420), (20, 20, 20), -1)
    for x in (240, 740):
        cv2.circle(photo, (x, 370), 45, (230, 235, 240), -1)
    plate = flat_plate(text, colour)
    height, width = plate.shape[:2]
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    target = np.array([[390, 470], [592, 476], [590, 541], [389, 533]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    laid = cv2.warpPerspective(plate, matrix, (960, 720), flags=cv2.INTER_AREA)
    mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), matrix, (960, 720))
    photo[mask > 127] = laid[mask > 127]
    return finished(photo, blur)


def label_photo(vin: str, *, blur: float = 0.0, turned: bool = False) -> bytes:
    """JPEG of a printed label with a VIN line and other text, as large as a phone's photo cut to it."""
    picture = Image.new("RGB", (1000, 420), (225, 225, 220))
    pen = ImageDraw.Draw(picture)
    pen.text((60, 50), "GVW 1875 kg", font=font(40), fill=(30, 30, 30))
    pen.text((60, 180), vin, font=font(64), fill=(20, 20, 20))
    pen.text((60, 320), "2026.11  5 SEATS", font=font(40), fill=(30, 30, 30))
    photo = np.asarray(picture, np.uint8)[:, :, ::-1].copy()
    return finished(np.ascontiguousarray(photo[::-1, ::-1]) if turned else photo, blur)


def finished(photo: np.ndarray, blur: float) -> bytes:
    """JPEG of a photo with optical blur (sigma in pixels) and a little sensor noise."""
    soft = cv2.GaussianBlur(photo, (0, 0), blur) if blur else photo
    noise = np.random.default_rng(1).normal(0, 3, photo.shape)
    return encode(np.clip(soft + noise, 0, 255).astype(np.uint8))

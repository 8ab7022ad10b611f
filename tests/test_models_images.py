"""What is refused before decoding, what is decoded upright, and what the quality measures tell apart."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from models.images import PhotoError, box_of, decode, encode, fitted, grown, rectify
from models.quality import measure_line, measure_scene


def encoded(width: int, height: int, form: str = "JPEG", **extra: object) -> bytes:
    sink = io.BytesIO()
    Pillow.effect_noise((width, height), 60).convert("RGB").save(sink, form, **extra)
    return sink.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A small PNG file whose header claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\x00" * 1000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "0 bytes"),
        (b"not a photo at all", "no image"),
        (b"%PDF-1.7\n" + b"x" * 400, "no image"),
        (b"\xff\xd8\xff", "no image|damaged"),
        (encoded(400, 300)[:900], "damaged|cut short"),
        (encoded(400, 300)[:-4000], "damaged|cut short"),
        (encoded(400, 300, "PNG")[:5000], "damaged|cut short"),
        (encoded(400, 300, "GIF"), "no image"),
        (png_claiming(20_000, 20_000), "megapixels"),
        (png_claiming(10_000, 9_500), "megapixels"),
        (png_claiming(8_000, 7_000), "8000 x 7000"),
        (png_claiming(300, 200), "damaged|cut short"),
        (encoded(300, 8), "300 x 8"),
    ],
    ids=[
        "empty", "text", "pdf", "stub", "header only", "truncated jpeg", "truncated png", "gif",
        "400 megapixels", "95 megapixels", "56 megapixels", "short pixels", "strip",
    ],
)  # fmt: skip
def test_bytes_that_are_no_usable_photo_are_refused_with_the_reason(content: bytes, why: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PhotoError, match=why):
            decode(content)


def test_a_real_400_megapixel_file_is_refused_unread(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    Pillow.new("1", (20_000, 20_000)).save(bomb)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(PhotoError, match="megapixels"):
        decode(bomb.read_bytes())


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_common_formats_are_read(form: str) -> None:
    assert decode(encoded(64, 48, form)).shape == (48, 64, 3)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_all_colour_modes_become_three_channels(mode: str) -> None:
    sink = io.BytesIO()
    Pillow.new("RGB", (40, 30), (200, 10, 10)).convert(mode).save(sink, "JPEG" if mode == "CMYK" else "PNG")
    assert decode(sink.getvalue()).shape == (30, 40, 3)


@pytest.mark.parametrize(("tag", "corner"), [(1, (0, 0)), (3, (1, 1)), (6, (0, 1)), (8, (1, 0))])
def test_exif_orientation_turns_the_photo_upright(tag: int, corner: tuple[int, int]) -> None:
    canvas = np.zeros((32, 64, 3), np.uint8)
    canvas[:16, :16] = (0, 0, 255)  # red in the top left of the stored picture
    exif = Pillow.Exif()
    exif[0x0112] = tag
    sink = io.BytesIO()
    Pillow.fromarray(canvas[:, :, ::-1]).save(sink, "PNG", exif=exif)
    upright = decode(sink.getvalue())
    assert upright.shape[:2] == ((32, 64) if tag in (1, 3) else (64, 32))
    y = 8 if corner[0] == 0 else upright.shape[0] - 8
    x = 8 if corner[1] == 0 else upright.shape[1] - 8
    assert upright[y, x].tolist() == [0, 0, 255]


def test_broken_exif_does_not_cost_the_photo() -> None:
    broken = encoded(64, 48, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert decode(broken).shape == (48, 64, 3)


def test_encode_and_decode_are_inverse_up_to_jpeg() -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8), (0, 0), 4)
    assert np.abs(decode(encode(picture, 95)).astype(int) - picture).mean() < 3


def test_rectify_takes_out_the_corners_it_is_given() -> None:
    flat = np.zeros((40, 120, 3), np.uint8)
    flat[:, :60] = 255
    quad = np.array([[50, 20], [210, 60], [200, 120], [40, 80]], np.float32)
    source = np.array([[0, 0], [120, 0], [120, 40], [0, 40]], np.float32)
    photo = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(source, quad), (260, 140))
    again = rectify(np.asarray(photo, np.uint8), quad, width=120, height=40)
    assert np.abs(again.astype(int) - flat).mean() < 6
    assert box_of(quad, photo.shape) == (40, 20, 170, 100)


def test_grown_widens_a_quad_by_shares_of_its_height() -> None:
    quad = np.array([[10, 10], [50, 10], [50, 20], [10, 20]], np.float32)
    assert grown(quad, 0.1, 0.5).tolist() == [[5, 9], [55, 9], [55, 21], [5, 21]]


def test_fitted_shrinks_but_enlarges_only_when_told() -> None:
    photo = np.zeros((300, 900, 3), np.uint8)
    assert fitted(photo, 450, multiple=32)[0].shape[:2] == (160, 448)
    assert fitted(photo, 2000)[0] is photo
    assert fitted(photo, 1800, enlarge=True)[0].shape[:2] == (600, 1800)


def written(text: str) -> np.ndarray:
    canvas = np.full((600, 800, 3), 150, np.uint8)
    for row in range(60, 600, 60):
        cv2.putText(canvas, text, (20, row), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (30, 30, 30), 3)
    return canvas


def test_blur_lowers_sharpness_of_lines_and_scenes_and_noise_does_not_raise_it() -> None:
    sharp = written("LTEST8N76HT132923")
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 8), np.uint8)
    noise = np.random.default_rng(2).normal(0, 5, soft.shape)
    noisy = np.clip(soft + noise, 0, 255).astype(np.uint8)
    assert measure_scene(sharp).sharpness > 0.16
    assert measure_scene(noisy).sharpness < 0.12
    assert measure_line(sharp[15:75]).sharpness > 2 * measure_line(soft[15:75]).sharpness


def test_light_is_measured() -> None:
    dark = measure_scene(np.full((200, 200, 3), 5, np.uint8))
    burnt = np.full((200, 200, 3), 100, np.uint8)
    burnt[:, :120] = 255
    assert dark.grey == 5
    assert measure_line(burnt).glare == pytest.approx(0.6)

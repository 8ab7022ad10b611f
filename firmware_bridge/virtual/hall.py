"""The inspection hall around the car: floor with lane lines, walls, entry door, ceiling strips."""

from random import Random

import cv2
import numpy as np

from firmware_bridge.virtual.glyphs import Colour, Picture, text_width, write
from firmware_bridge.virtual.lens import Camera, Points, before_lens, lay, paint, shade

LONG, WIDE, HIGH = 13.0, 5.4, 4.6  # m from the middle of the car to the ends, to the walls; height
YELLOW: Colour = (40, 176, 222)
SIGNS = ("机动车查验区", "查验通道", "安全检验 文明服务", "外观检查工位")


def plane(*corners: tuple[float, float, float]) -> Points:
    """A polygon in the world."""
    return np.array(corners)


def paint_hall(picture: Picture, camera: Camera, dice: Random) -> None:
    """Fills the whole picture with the hall seen from the camera."""
    tone = dice.uniform(0.8, 1.1)
    ceiling(picture, camera, tone)
    walls(picture, camera, tone, dice)
    floor(picture, camera, tone, dice)


def fill(
    picture: Picture, camera: Camera, corners: Points, colour: tuple[float, float, float], tone: float
) -> None:
    """A flat polygon of the world, toned."""
    b, g, r = (int(min(255, c * tone)) for c in colour)
    paint(picture, before_lens(camera, corners), (b, g, r))


def ceiling(picture: Picture, camera: Camera, tone: float) -> None:
    """Dark roof with trusses and lamp strips."""
    height, width = picture.shape[:2]
    cv2.rectangle(picture, (0, 0), (width, height), (88 * tone, 84 * tone, 80 * tone), -1)
    for x in np.arange(-LONG, LONG, 2.6):
        beam = plane((x, -WIDE, HIGH), (x, WIDE, HIGH), (x + 0.25, WIDE, HIGH), (x + 0.25, -WIDE, HIGH))
        fill(picture, camera, beam, (64, 62, 60), tone)
    for y in (-2.4, 2.4):
        for x in np.arange(-LONG + 0.8, LONG - 1.5, 2.6):
            strip = plane(
                (x, y - 0.13, HIGH), (x, y + 0.13, HIGH), (x + 1.5, y + 0.13, HIGH), (x + 1.5, y - 0.13, HIGH)
            )
            fill(picture, camera, strip, (255, 255, 252), 1.0)


def walls(picture: Picture, camera: Camera, tone: float, dice: Random) -> None:
    """Two ends with a roller door each, two long walls with columns, a blue dado all round."""
    dado: Colour = dice.choice(((150, 104, 58), (120, 130, 66), (128, 120, 112)))
    for x in (-LONG, LONG):
        if (x - camera.at[0]) * camera.axes[2, 0] < 0:
            continue  # behind the lens
        fill(
            picture,
            camera,
            plane((x, -WIDE, 0), (x, WIDE, 0), (x, WIDE, HIGH), (x, -WIDE, HIGH)),
            (196, 198, 198),
            tone,
        )
        fill(picture, camera, plane((x, -WIDE, 0), (x, WIDE, 0), (x, WIDE, 1.1), (x, -WIDE, 1.1)), dado, tone)
        door(picture, camera, x, tone, dice)
    for y in (-WIDE, WIDE):
        if (y - camera.at[1]) * camera.axes[2, 1] < -0.3:
            continue
        fill(
            picture,
            camera,
            plane((-LONG, y, 0), (LONG, y, 0), (LONG, y, HIGH), (-LONG, y, HIGH)),
            (184, 187, 188),
            tone,
        )
        fill(
            picture,
            camera,
            plane((-LONG, y, 0), (LONG, y, 0), (LONG, y, 1.1), (-LONG, y, 1.1)),
            dado,
            tone * 0.94,
        )
        side_wall(picture, camera, y, tone, dice)


def door(picture: Picture, camera: Camera, x: float, tone: float, dice: Random) -> None:
    """A roller door, half open to daylight, and a sign above it."""
    lift = dice.uniform(1.6, 3.0)
    opening = before_lens(camera, plane((x, -1.9, 0), (x, 1.9, 0), (x, 1.9, 3.2), (x, -1.9, 3.2)))
    shade(picture, opening, (238, 232, 222), (206, 208, 206))
    shutter = before_lens(camera, plane((x, -1.9, lift), (x, 1.9, lift), (x, 1.9, 3.2), (x, -1.9, 3.2)))
    shade(picture, shutter, (150, 148, 146), (124, 122, 120))
    for z in np.arange(lift, 3.2, 0.16):
        slat = plane((x, -1.9, z), (x, 1.9, z), (x, 1.9, z + 0.03), (x, -1.9, z + 0.03))
        fill(picture, camera, slat, (98, 96, 94), tone)
    ahead = -1.0 if x < 0 else 1.0
    corners = plane(
        (x, 1.7 * ahead, 4.2), (x, -1.7 * ahead, 4.2), (x, -1.7 * ahead, 3.5), (x, 1.7 * ahead, 3.5)
    )
    hang(picture, camera, dice.choice(SIGNS), corners)


def side_wall(picture: Picture, camera: Camera, y: float, tone: float, dice: Random) -> None:
    """Columns and high windows of a long wall."""
    for x in np.arange(-LONG, LONG, 4.2):
        window = plane((x + 0.9, y, 2.1), (x + 3.3, y, 2.1), (x + 3.3, y, 3.5), (x + 0.9, y, 3.5))
        shade(picture, before_lens(camera, window), (244, 238, 226), (220, 216, 206))
        bar = plane((x + 2.06, y, 2.1), (x + 2.14, y, 2.1), (x + 2.14, y, 3.5), (x + 2.06, y, 3.5))
        fill(picture, camera, bar, (120, 118, 116), tone)
        column = plane((x, y, 0), (x + 0.36, y, 0), (x + 0.36, y, HIGH), (x, y, HIGH))
        fill(picture, camera, column, (158, 160, 160), tone)
    at, ahead = dice.uniform(-6, 4), 1.0 if y > 0 else -1.0
    edge = (at, at + 2.6)[:: int(ahead)]
    hang(
        picture,
        camera,
        dice.choice(SIGNS),
        plane((edge[0], y, 1.95), (edge[1], y, 1.95), (edge[1], y, 1.4), (edge[0], y, 1.4)),
    )


def hang(picture: Picture, camera: Camera, text: str, corners: Points) -> None:
    """A blue sign with white words on a wall."""
    if camera.seen(corners)[:, 2].min() < 1.0:
        return
    face = np.full((96, 470, 3), (140, 74, 20), np.uint8)
    size = min(64, 430 // len(text))
    write(face, text, (int(235 - text_width(text, size) / 2), 48 - size // 2), size, (245, 245, 245))
    lay(picture, face, camera.project(corners))


def floor(picture: Picture, camera: Camera, tone: float, dice: Random) -> None:
    """Painted concrete with joints, two yellow lane lines, a stop line, the gleam of the strips."""
    ground: tuple[float, float, float] = dice.choice(((126, 130, 130), (128, 138, 118), (112, 116, 122)))
    fill(
        picture,
        camera,
        plane((-LONG, -WIDE, 0), (LONG, -WIDE, 0), (LONG, WIDE, 0), (-LONG, WIDE, 0)),
        ground,
        tone,
    )
    gleam(picture, camera)
    for x in np.arange(-LONG, LONG, 2.0):
        fill(
            picture,
            camera,
            plane((x, -WIDE, 0), (x, WIDE, 0), (x + 0.02, WIDE, 0), (x + 0.02, -WIDE, 0)),
            (96, 98, 98),
            tone,
        )
    for y in (-1.75, 1.65):
        line = plane((-LONG, y, 0), (LONG, y, 0), (LONG, y + 0.1, 0), (-LONG, y + 0.1, 0))
        fill(picture, camera, line, YELLOW, tone)
    stop = dice.uniform(2.6, 3.4)
    fill(
        picture,
        camera,
        plane((stop, -1.65, 0), (stop, 1.65, 0), (stop + 0.14, 1.65, 0), (stop + 0.14, -1.65, 0)),
        (225, 228, 228),
        tone,
    )


def gleam(picture: Picture, camera: Camera) -> None:
    """The polished floor mirrors the strips, softly: painted small, blurred, added."""
    height, width = picture.shape[:2]
    small = np.zeros((height // 8, width // 8), np.uint8)
    for y in (-2.4, 2.4):
        for x in np.arange(-LONG + 0.8, LONG - 1.5, 2.6):
            strip = plane((x, y - 0.4, 0), (x, y + 0.4, 0), (x + 1.5, y + 0.4, 0), (x + 1.5, y - 0.4, 0))
            pixels = before_lens(camera, strip)
            if len(pixels):
                paint(small, pixels / 8, (62, 0, 0))
    soft = cv2.resize(cv2.GaussianBlur(small, (0, 0), 2.5), (width, height))
    cv2.add(picture, cv2.cvtColor(soft, cv2.COLOR_GRAY2BGR), dst=picture)

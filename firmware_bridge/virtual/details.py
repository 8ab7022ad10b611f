"""Close drawings of parts that an officer photographs: tyre, seat belt, warning triangle, extinguisher."""

from random import Random

import cv2
import numpy as np

from firmware_bridge.virtual.glyphs import Colour, Picture, write
from firmware_bridge.virtual.lens import Points, paint, shade, trace

SIZE = (1280, 720)
TYRES = ("185/60R15", "195/65R15", "205/55R16", "215/60R16", "225/55R18")


def drawn(shot: str, dice: Random) -> Picture:
    """The drawing for a shot code; any code that has no drawing of its own shows a tyre."""
    picture: Picture = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    floor: Colour = dice.choice(((118, 122, 122), (108, 118, 112), (96, 100, 106)))
    whole = np.array([(0, 0), (SIZE[0], 0), (SIZE[0], SIZE[1]), (0, SIZE[1])], float)
    shade(picture, whole, (206, 206, 202), floor)
    {"0157": belt, "0124": triangle, "0116": extinguisher}.get(shot, tyre)(picture, dice)
    return picture


def ellipse(at: tuple[float, float], wide: float, high: float, start: float = 0, end: float = 360) -> Points:
    """Points of an arc, degrees."""
    turn = np.radians(np.linspace(start, end, 90))
    return np.stack([at[0] + wide * np.cos(turn), at[1] + high * np.sin(turn)], -1)


def tyre(picture: Picture, dice: Random) -> None:
    """A wheel from the side: tread blocks, wall with its size, rim, brake disc, bolts."""
    at, radius = (dice.uniform(560, 720), dice.uniform(350, 380)), dice.uniform(285, 320)
    wide = radius * dice.uniform(0.88, 1.0)
    paint(picture, ellipse((at[0] + 20, at[1] + 30), wide * 1.05, radius * 1.04), (70, 70, 70))
    paint(picture, ellipse(at, wide, radius), (30, 30, 31))
    for turn in np.linspace(0, 2 * np.pi, 72, endpoint=False):
        edge = np.array(at) + np.array([np.cos(turn) * wide, np.sin(turn) * radius])
        cv2.circle(picture, (int(edge[0]), int(edge[1])), 6, (18, 18, 18), -1, cv2.LINE_AA)
    for share, colour in (
        (0.93, (44, 44, 45)),
        (0.74, (38, 38, 39)),
        (0.66, (150, 150, 148)),
        (0.62, (58, 58, 58)),
    ):
        paint(picture, ellipse(at, wide * share, radius * share), colour)
    paint(picture, ellipse(at, wide * 0.42, radius * 0.42), (108, 108, 112))
    spokes = dice.choice((5, 6, 7, 10))
    for i in range(spokes):
        turn = 2 * np.pi * i / spokes + 0.2
        out = np.array([np.cos(turn) * wide, np.sin(turn) * radius])
        aside = np.array([-np.sin(turn) * wide, np.cos(turn) * radius]) * 0.32 / spokes
        middle = np.array(at)
        blade = np.stack(
            [
                middle + aside,
                middle + out * 0.63 + aside * 1.7,
                middle + out * 0.63 - aside * 1.7,
                middle - aside,
            ]
        )
        shade(picture, blade, (206, 206, 204), (164, 164, 162))
        trace(picture, blade, (90, 90, 90), 2, closed=True)
    cv2.circle(picture, (int(at[0]), int(at[1])), int(radius * 0.2), (188, 188, 186), -1, cv2.LINE_AA)
    for i in range(5):
        turn = 2 * np.pi * i / 5
        bolt = (int(at[0] + np.cos(turn) * wide * 0.12), int(at[1] + np.sin(turn) * radius * 0.12))
        cv2.circle(picture, bolt, 9, (70, 70, 70), -1, cv2.LINE_AA)
    size = dice.choice(TYRES)
    write(picture, size, (int(at[0] - 62), int(at[1] + radius * 0.785)), 26, (190, 190, 188))


def belt(picture: Picture, dice: Random) -> None:
    """Driver's seat with the belt across it and its buckle."""
    cloth: Colour = dice.choice(((96, 90, 86), (90, 112, 146), (140, 142, 144)))
    lighter: Colour = (cloth[0] + 26, cloth[1] + 26, cloth[2] + 26)
    shift = dice.uniform(-70, 70)
    back = smooth_box(470 + shift, 120, 420, 420)
    head = smooth_box(590 + shift, 14, 180, 100)
    seat = smooth_box(420 + shift, 500, 560, 200)
    shade(
        picture, np.array([(0, 90), (1280, 30), (1280, 720), (0, 720)], float), (176, 174, 170), (84, 82, 80)
    )
    for part in (seat, back, head):
        shade(picture, part, lighter, cloth)
        trace(picture, part, (30, 30, 30), 3, closed=True)
    for x in (570, 680, 790):
        trace(picture, np.array([(x + shift, 150), (x + shift - 6, 520)], float), (40, 38, 38), 2)
    strap = np.array([(500, 40), (545, 40), (850, 560), (800, 566)], float) + np.array((shift, 0))
    lap = np.array([(470, 560), (480, 522), (840, 548), (836, 590)], float) + np.array((shift, 0))
    for part in (strap, lap):
        shade(picture, part, (46, 44, 42), (26, 24, 24))
        trace(picture, part, (70, 68, 66), 2, closed=True)
    buckle = smooth_box(800 + shift, 530, 66, 96)
    shade(picture, buckle, (50, 50, 52), (22, 22, 22))
    paint(picture, smooth_box(812 + shift, 546, 42, 22), (36, 32, 200))


def smooth_box(x: float, y: float, width: float, height: float) -> Points:
    """A box with round corners (a superellipse)."""
    turn = np.linspace(0, 2 * np.pi, 80)
    round_x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.4
    round_y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.4
    return np.stack([x + width / 2 * (1 + round_x), y + height / 2 * (1 + round_y)], -1)


def triangle(picture: Picture, dice: Random) -> None:
    """A warning triangle on its foot."""
    at, size = np.array([dice.uniform(560, 720), dice.uniform(370, 420)]), dice.uniform(210, 260)
    corners = np.array([(0, -1.0), (0.95, 0.62), (-0.95, 0.62)])
    paint(picture, ellipse((at[0], at[1] + size * 0.72), size * 1.05, size * 0.12), (78, 80, 80))
    for share, colour in (
        (1.0, (34, 30, 178)),
        (0.93, (52, 44, 226)),
        (0.66, (60, 130, 240)),
        (0.52, (150, 152, 150)),
    ):
        paint(picture, at + corners * size * share, colour)
    for side in (-1, 1):
        foot = np.array([(0.2 * side, 0.62), (0.7 * side, 0.74)]) * size + at
        trace(picture, foot, (60, 60, 60), 10)


def extinguisher(picture: Picture, dice: Random) -> None:
    """A dry-powder extinguisher with gauge and label."""
    x = dice.uniform(520, 660)
    shade(picture, smooth_box(x, 190, 190, 450), (60, 50, 220), (30, 24, 150))
    paint(picture, smooth_box(x + 55, 110, 80, 90), (40, 40, 42))
    trace(picture, np.array([(x + 130, 150), (x + 240, 190), (x + 232, 420)], float), (24, 24, 24), 20)
    paint(picture, ellipse((x + 95, 165), 30, 30), (235, 235, 235))
    trace(picture, ellipse((x + 95, 165), 22, 22, 200, 340), (60, 170, 60), 7)
    paint(picture, smooth_box(x + 22, 320, 146, 190), (228, 232, 232))
    write(picture, "灭火器", (int(x + 40), 345), 36, (30, 24, 170))
    write(picture, "MFZ/ABC1", (int(x + 38), 410), 24, (40, 40, 40))

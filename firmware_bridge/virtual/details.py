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
    stain(picture, dice)
    {"0157": belt, "0124": triangle, "0116": extinguisher}.get(shot, tyre)(picture, dice)
    return picture


def stain(picture: Picture, dice: Random) -> None:
    """Uneven ground and wall, each photo's own: else two photos would differ in nothing but the object."""
    draw = np.random.Generator(np.random.PCG64(dice.getrandbits(64)))
    for step, strength in ((14, 7.0), (44, 12.0)):
        coarse = draw.normal(0, strength, (SIZE[1] // step, SIZE[0] // step)).astype(np.float32)
        cloud = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
        picture[:] = np.clip(picture + cloud[..., None], 0, 255).astype(np.uint8)
    for _ in range(dice.randrange(3, 7)):
        start = np.array((dice.uniform(0, SIZE[0]), dice.uniform(0, SIZE[1])))
        trace(picture, start + np.cumsum(draw.normal(0, 40, (9, 2)), axis=0), (70, 72, 74), 2)


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
    """Driver's seat with the belt across it and its buckle; no two seats or takings are cut alike."""
    cloth: Colour = dice.choice(
        ((96, 90, 86), (90, 112, 146), (140, 142, 144), (58, 56, 60), (120, 136, 128))
    )
    lighter: Colour = (cloth[0] + 26, cloth[1] + 26, cloth[2] + 26)
    wide, shift = dice.uniform(350, 500), dice.uniform(-150, 150)
    left, high = 640 - wide / 2 + shift, dice.uniform(90, 170)
    level = dice.uniform(470, 540)
    back = smooth_box(left, high, wide, level - high + dice.uniform(20, 60))
    head = smooth_box(left + wide * dice.uniform(0.2, 0.3), high - dice.uniform(90, 120), wide * 0.45, 100)
    seat = smooth_box(left - dice.uniform(20, 90), level, wide + dice.uniform(60, 180), 220)
    wall = np.array([(0, dice.uniform(40, 180)), (1280, dice.uniform(10, 160)), (1280, 720), (0, 720)], float)
    shade(picture, wall, (176, 174, 170), (84, 82, 80))
    for part in (seat, back, head):
        shade(picture, part, lighter, cloth)
        trace(picture, part, (30, 30, 30), 3, closed=True)
    stitched(picture, (left, high, wide, level - high), cloth, dice)
    foot = np.array((left + wide * dice.uniform(0.75, 0.95), level + dice.uniform(30, 70)))
    top = np.array((left + wide * dice.uniform(0.0, 0.2), high - dice.uniform(40, 90)))
    far = np.array((left + dice.uniform(-30, 40), level + dice.uniform(20, 90)))
    for end, broad in ((top, dice.uniform(38, 56)), (far, dice.uniform(34, 48))):
        along = (foot - end) / np.linalg.norm(foot - end)
        aside = np.array((-along[1], along[0])) * broad / 2
        strap = np.stack([end + aside, end - aside, foot - aside, foot + aside])
        shade(picture, strap, (46, 44, 42), (26, 24, 24))
        trace(picture, strap, (70, 68, 66), 2, closed=True)
    size = dice.uniform(56, 80)
    shade(picture, smooth_box(foot[0] - size / 2, foot[1] - 20, size, size * 1.5), (50, 50, 52), (22, 22, 22))
    paint(picture, smooth_box(foot[0] - size * 0.32, foot[1] - 6, size * 0.64, size * 0.35), (36, 32, 200))


def stitched(picture: Picture, box: tuple[float, float, float, float], cloth: Colour, dice: Random) -> None:
    """Seams and creases of a seat's back; ``box``: x, y, width, height."""
    x, y, wide, high = box
    seams = dice.randrange(2, 6)
    for number in range(seams):
        at = x + wide * (number + dice.uniform(0.6, 1.4)) / (seams + 1)
        line = np.array(
            [(at + dice.uniform(-14, 14), y + high * share) for share in (0.06, 0.35, 0.65, 0.95)]
        )
        trace(picture, line, (40, 38, 38), dice.randrange(1, 4))
    for _ in range(dice.randrange(30, 60)):
        start = np.array((x + wide * dice.uniform(0.05, 0.95), y + high * dice.uniform(0.05, 0.95)))
        turn, length = dice.uniform(0, np.pi), dice.uniform(8, 60)
        crease = np.stack([start, start + length * np.array((np.cos(turn), np.sin(turn)))])
        tone = dice.randrange(-30, 30)
        trace(picture, crease, (cloth[0] + tone, cloth[1] + tone, cloth[2] + tone), dice.randrange(1, 5))


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

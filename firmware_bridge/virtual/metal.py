"""VINs: struck into metal as a relief under slanting light, and printed on a label."""

from random import Random
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_bridge.virtual.fleet import Car
from firmware_bridge.virtual.glyphs import Colour, Picture, glyph, ink, strokes, write

Relief: TypeAlias = NDArray[np.float32]

SIZE = (1280, 720)  # px
METALS: tuple[Colour, ...] = (
    (150, 150, 148),
    (112, 112, 110),
    (70, 66, 62),
    (52, 50, 50),
    (140, 128, 112),
    (96, 118, 128),
)


def draws(dice: Random) -> np.random.Generator:
    """A numpy generator that follows ``dice``."""
    return np.random.Generator(np.random.PCG64(dice.getrandbits(64)))


def struck_metal(vin: str, dice: Random) -> Picture:
    """A metal sheet with the VIN struck between two stars, lit from one side."""
    depth = cv2.add(strike(f"*{vin}*", dice), scratches(dice))
    depth = warped(np.asarray(cv2.GaussianBlur(depth, (0, 0), 1.1), np.float32), dice)
    angle, steep = dice.uniform(-2.4, -0.7), dice.uniform(0.35, 0.6)
    dx, dy = cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=1 / 4), cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=1 / 4)
    slope = dx * np.float32(np.cos(angle)) + dy * np.float32(np.sin(angle))
    shine = np.clip(0.78 - slope * np.float32(steep), 0.12, 1.9) + grain(dice)
    lit = shine * lamp(dice) + depth * np.float32(dice.uniform(0.05, 0.12))  # dirt stays in the grooves
    picture = np.clip(lit[..., None] * np.array(dice.choice(METALS), np.float32), 0, 255).astype(np.uint8)
    return age(picture, dice)


def strike(text: str, dice: Random) -> Relief:
    """Depth of the struck characters; each sits a little off and a little aslant, as a press leaves it."""
    width, height = SIZE
    pitch = dice.uniform(56, 61)
    tall, wide = pitch * dice.uniform(1.35, 1.75), pitch * dice.uniform(0.58, 0.68)
    thick = round(pitch * dice.uniform(0.10, 0.15))
    left, top = (width - pitch * len(text)) / 2, height / 2 - tall / 2 + dice.uniform(-60, 60)
    depth: Relief = np.zeros((height, width), np.float32)
    for i, char in enumerate(text):
        turn, blow = dice.gauss(0, 0.016), dice.uniform(0.8, 1.1)
        at = np.array([left + pitch * (i + 0.5) + dice.gauss(0, 0.8), top + tall / 2 + dice.gauss(0, 1.2)])
        spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        for line in strokes(char):
            points = ((line - 0.5) * (wide, tall)) @ spin + at
            cv2.polylines(
                depth, [np.round(points * 16).astype(np.int32)], False, -2.6 * blow, thick, cv2.LINE_AA, 4
            )
    return depth


def scratches(dice: Random) -> Relief:
    """Long shallow scratches across the sheet."""
    width, height = SIZE
    depth: Relief = np.zeros((height, width), np.float32)
    for _ in range(dice.randint(2, 9)):
        start = (dice.randrange(width), dice.randrange(height))
        end = (start[0] + dice.randint(-420, 420), start[1] + dice.randint(-140, 140))
        cv2.line(depth, start, end, -dice.uniform(0.3, 0.9), 1, cv2.LINE_AA)
    return depth


def grain(dice: Random) -> Relief:
    """Light and dark of the metal's skin: brushed along the line, rough cast, or a painted orange peel."""
    width, height = SIZE
    draw = draws(dice).normal(0, 1, (height // 2, width // 2)).astype(np.float32)
    across, along, rough = dice.choice(((14.0, 0.6, 0.05), (0.9, 0.9, 0.055), (3.0, 3.0, 0.04)))
    soft = cv2.GaussianBlur(draw, (0, 0), sigmaX=across, sigmaY=along)
    even = soft * np.float32(rough / max(float(soft.std()), 1e-6))
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def warped(depth: Relief, dice: Random) -> Relief:
    """The sheet seen slightly from the side."""
    width, height = SIZE
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    tilt = dice.uniform(-0.05, 0.05) * width
    shift = np.array([(dice.uniform(-25, 25), dice.uniform(-25, 25)) for _ in range(4)])
    shift[:2, 1] += (tilt, -tilt)
    shift[2:, 1] += (-tilt, tilt)
    turn = cv2.getPerspectiveTransform(source, (source + shift).astype(np.float32))
    return np.asarray(cv2.warpPerspective(depth, turn, (width, height), borderValue=0.0), np.float32)


def lamp(dice: Random) -> Relief:
    """A hand lamp's uneven light, brightest near the text."""
    width, height = SIZE
    x0, y0 = dice.uniform(0.3, 0.7) * width / 8, dice.uniform(0.25, 0.75) * height / 8
    y, x = np.ogrid[0 : height // 8, 0 : width // 8]
    spread = dice.uniform(70, 120)
    light = 0.62 + 0.75 * np.exp(-((x - x0) ** 2 + 2.2 * (y - y0) ** 2) / (2 * spread**2))
    return np.asarray(cv2.resize(light.astype(np.float32), (width, height)), np.float32)


def age(picture: Picture, dice: Random) -> Picture:
    """Rust bloom, grease and dark edges of the opening through which the sheet is seen."""
    width, height = SIZE
    for _ in range(dice.randint(0, 5)):
        at = (dice.randrange(width), dice.randrange(height))
        patch = picture.copy()
        cv2.ellipse(
            patch,
            at,
            (dice.randint(20, 90), dice.randint(8, 40)),
            dice.uniform(0, 180),
            0,
            360,
            (42, 66, 104),
            -1,
        )
        picture = np.asarray(cv2.addWeighted(picture, 0.86, patch, 0.14, 0), np.uint8)
    edge = dice.randint(40, 120)
    frame = np.full((height // 8, width // 8), 255, np.uint8)
    frame[: edge // 8] = 46
    frame[-(dice.randint(40, 120) // 8) :] = 46
    soft = cv2.resize(cv2.GaussianBlur(frame, (0, 0), 2.2), (width, height))
    return np.asarray(cv2.multiply(picture, cv2.cvtColor(soft, cv2.COLOR_GRAY2BGR), scale=1 / 255), np.uint8)


# ---- label -----------------------------------------------------------------------------------------------


def label(car: Car, dice: Random) -> Picture:
    """The maker's label with the VIN of the papers, stuck on a painted sheet behind a pane."""
    width, height = SIZE
    body: Colour = dice.choice(((60, 56, 54), (120, 60, 30), (190, 190, 190)))
    picture: Picture = np.full((height, width, 3), body, np.uint8)
    face = label_face(car, dice)
    source = np.array([(0, 0), (1000, 0), (1000, 480), (0, 480)], np.float32)
    shake = np.array([(dice.uniform(-35, 35), dice.uniform(-35, 35)) for _ in range(4)])
    corner = source + np.array((140, 110)) + shake
    turn = cv2.getPerspectiveTransform(source, corner.astype(np.float32))
    cv2.warpPerspective(
        face, turn, SIZE, dst=picture, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT
    )
    return np.clip(picture * (lamp(dice)[..., None] * np.float32(0.85)), 0, 255).astype(np.uint8)


def label_face(car: Car, dice: Random) -> Picture:
    """The label from the front, 1000 x 480 px: maker, model, masses, VIN, bars."""
    v = car.vehicle
    paper: Colour = dice.choice(((238, 238, 238), (206, 208, 210), (226, 232, 236)))
    face: Picture = np.full((480, 1000, 3), paper, np.uint8)
    cv2.rectangle(face, (10, 10), (989, 469), (30, 30, 30), 3)
    lines = (
        f"品牌 {v.brand}   型号 {v.model}",
        f"制造年月 {v.made_on:%Y年%m月}   乘坐人数 {v.seats}",
        f"最大允许总质量 {v.gross_mass_kg} kg   整备质量 {v.kerb_mass_kg} kg",
    )
    for i, line in enumerate(lines):
        write(face, line, (40, 34 + i * 58), 34, (28, 28, 28))
    for i, char in enumerate(v.vin):
        high = 78
        width_px = 16 if char == "1" else 40
        ink(face, glyph(char, width_px, high), (44 + i * 54 + (40 - width_px) // 2, 232), (18, 18, 18))
    bars(face, v.vin)
    return face


def bars(face: Picture, text: str) -> None:
    """Bars below the VIN, drawn from its bytes (decoration, no scannable code)."""
    x = 60
    for bit in "".join(f"{b:08b}" for b in text.encode()):
        wide = 4 if bit == "1" else 2
        cv2.rectangle(face, (x, 340), (x + wide - 1, 430), (20, 20, 20), -1)
        x += wide + 3


def signature(name: str, dice: Random) -> Picture:
    """A name as if written by hand: glyphs aslant, joined by a running stroke, on white."""
    picture: Picture = np.full((200, 160 + 120 * len(name), 3), 255, np.uint8)
    ends: list[Any] = []
    for i, char in enumerate(name):
        size = dice.randint(96, 120)
        sheet_of_one: Picture = np.full((180, 170, 3), 255, np.uint8)
        ink(sheet_of_one, glyph(char, size, int(size * 1.05)), (24, 30), (70, 32, 18))
        lean = np.array([[1, -dice.uniform(0.12, 0.3), 20], [dice.uniform(-0.08, 0.04), 1, 4]], np.float32)
        leant = cv2.warpAffine(sheet_of_one, lean, (170, 180), borderValue=(255, 255, 255))
        leant = cv2.dilate(leant, np.ones((3, 3), np.uint8))  # thinner strokes: white grows
        window = picture[8:188, 20 + i * 120 : 190 + i * 120]
        window[:] = np.minimum(window, leant[:, : window.shape[1]])
        ends.append((70 + i * 120 + dice.randint(-10, 30), dice.randint(130, 165)))
    flourish = np.array([*ends, (picture.shape[1] - 30, dice.randint(120, 150))], np.int32)
    cv2.polylines(picture, [flourish], False, (80, 40, 24), 2, cv2.LINE_AA)
    return picture

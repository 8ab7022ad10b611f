"""What sits on a car's body: glass, lamps, grille, wheels, lines."""

from collections.abc import Sequence
from random import Random

import cv2
import numpy as np

from firmware_bridge.virtual.bodywork import Body, paint_body
from firmware_bridge.virtual.brush import BLACK, CHROME, DARK, PAINTS, Brush
from firmware_bridge.virtual.glyphs import Picture
from firmware_bridge.virtual.lens import Camera, Corner, paint, shade, trace

PLATE_MID_Z = 0.44  # m above the ground
WINDSCREEN = ((0.02, -0.94), (0.95, -0.9), (0.95, 0.9), (0.02, 0.94))
REAR_WINDOW = ((0.10, -0.86), (0.92, -0.84), (0.92, 0.84), (0.10, 0.86))

Quad = tuple[Corner, ...]


def mirrored(corners: Sequence[Corner]) -> tuple[Quad, Quad]:
    """The same outline on the car's left and right."""
    return tuple(corners), tuple((-t, u) for t, u in corners)


class Trim(Brush):
    """Paints the parts of one car into one picture; ``dice`` settles its look, alike in all its photos."""

    def __init__(self, picture: Picture, camera: Camera, body: Body, colour: str, dice: Random) -> None:
        super().__init__(picture, camera, body, PAINTS.get(colour, PAINTS["B"]))
        self.grille = dice.randrange(3)
        self.lamp_drop = dice.uniform(0.0, 0.06)
        self.rims = dice.choice((5, 5, 7, 10))
        self.lamps_on = dice.random() < 0.3
        self.plate_z = PLATE_MID_Z + dice.uniform(-0.03, 0.05)

    def all(self) -> None:
        """The whole car on its wheels."""
        front, left = self.camera.at[0] > 0, self.camera.at[1] > 0
        self.shadow()
        for sign in (-1.0, 1.0) if left else (1.0, -1.0):
            self.wheels(sign, near=False)
        behind = self.picture.copy()
        mask = paint_body(self.picture, self.camera, self.body, self.colour, 1.0)
        beside = abs(self.camera.at[1]) > self.body.shape.width / 2
        if beside:
            self.flank(1.0 if left else -1.0)
        self.nose() if front else self.stern()
        cv2.copyTo(behind, np.where(mask, np.uint8(0), np.uint8(255)), self.picture)
        if beside:
            self.wheels(1.0 if left else -1.0, near=True)
        for sign in (1.0, -1.0):
            self.door_mirror(sign)

    def shadow(self) -> None:
        """Soft dark floor below the car."""
        s = self.body.shape
        turn = np.linspace(0, 2 * np.pi, 40)
        height, width = self.picture.shape[:2]
        mask = np.zeros((height // 4, width // 4), np.uint8)
        around = np.stack([np.cos(turn), np.sin(turn), 0 * turn], -1)
        squared = np.sign(around) * np.abs(around) ** 0.5
        for grow, depth in ((0.14, 80), (-0.04, 205)):
            ring = squared * (s.length / 2 + grow, s.width / 2 + grow, 0)
            paint(mask, self.camera.project(ring) / 4, (depth, 0, 0))
        soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 3.5), (width, height))
        cv2.multiply(
            self.picture, cv2.cvtColor(255 - soft, cv2.COLOR_GRAY2BGR), dst=self.picture, scale=1 / 255
        )

    # ---- flank -------------------------------------------------------------------------------------------

    def wheels(self, sign: float, *, near: bool) -> None:
        """Two wheels of one side; ``near`` paints their outer faces, else the treads seen below the body."""
        s = self.body.shape
        y = sign * (s.width / 2 - (0.035 if near else 0.22))
        for x in (s.wheelbase / 2, -s.wheelbase / 2):
            self.disc((x, y, s.wheel), s.wheel, (20, 20, 20))
            if not near:
                tread = [(x, y, 0.0), (x, y + sign * 0.19, 0.0), (x, y + sign * 0.19, 0.5), (x, y, 0.5)]
                paint(self.picture, self.camera.project(np.array(tread)), (26, 25, 25))
            else:
                self.rim((x, y + sign * 0.01, s.wheel), s.wheel)

    def rim(self, centre: Sequence[float], radius: float) -> None:
        """Tyre wall, rim and spokes."""
        self.disc(centre, radius * 0.96, (34, 34, 34))
        self.disc(centre, radius * 0.68, (150, 150, 150))
        self.disc(centre, radius * 0.62, (46, 46, 46))
        hub = np.array(centre)
        for i in range(self.rims):
            turn = 2 * np.pi * i / self.rims + 0.3
            across = np.array([np.cos(turn), 0, np.sin(turn)]) * radius
            wide = np.array([-np.sin(turn), 0, np.cos(turn)]) * radius * (0.6 / self.rims)
            spoke = np.stack(
                [hub + wide * 1.2, hub + across * 0.64 + wide, hub + across * 0.64 - wide, hub - wide * 1.2]
            )
            paint(self.picture, self.camera.project(spoke), (182, 182, 180))
        self.disc(centre, radius * 0.13, (120, 120, 120))

    def flank(self, sign: float) -> None:
        """Windows, doors, arches and wheels of the side that the camera sees."""
        side, pane = self.body.side(sign), self.body.pane(sign)
        for corners in (
            ((0.13, 0.14), (0.24, 0.86), (0.50, 0.88), (0.50, 0.12)),
            ((0.525, 0.12), (0.525, 0.88), (0.76, 0.86), (0.93, 0.12)),
        ):
            self.pane_of_glass(self.on(pane, corners))
        shoulder = [(v, 0.80) for v in np.linspace(0.04, 0.97, 20)]
        self.line(side, shoulder, self.darker(0.78), 2)
        self.line(side, [(v, 0.03) for v in np.linspace(0.05, 0.95, 12)], DARK, 5)
        for v in (0.34, 0.52, 0.735):
            self.line(side, [(v, 0.12), (v, 0.99)], self.darker(0.5), 1)
        for v in (0.385, 0.58):
            paint(
                self.picture,
                self.on(side, ((v - 0.035, 0.86), (v, 0.86), (v, 0.895), (v - 0.035, 0.895))),
                CHROME,
            )
        s = self.body.shape
        for x in (s.wheelbase / 2, -s.wheelbase / 2):
            self.disc((x, sign * (s.width / 2 - 0.02), s.wheel + 0.01), s.wheel * 1.17, BLACK)

    def door_mirror(self, sign: float) -> None:
        """A door mirror beside the windscreen's foot."""
        s = self.body.shape
        x, y, z = s.screen_base - 0.2, sign * (s.width / 2 + 0.07), s.belt + 0.11
        if abs(self.camera.at[1]) > s.width and sign * self.camera.at[1] < 0:
            return  # behind the glass house
        ring = np.array(self.ring(0, 0, 0.125, 0.075))
        shell = np.stack(
            [x + 0.05 * ring[:, 0], y + ring[:, 0], z + ring[:, 1] * (1 + 0.8 * ring[:, 0] * sign)], -1
        )
        foot = [
            (x, y - sign * 0.17, z - 0.10),
            (x, y - sign * 0.15, z - 0.06),
            (x, y, z - 0.05),
            (x, y, z - 0.075),
        ]
        paint(self.picture, self.camera.project(np.array(foot)), DARK)
        shade(self.picture, self.camera.project(shell), self.darker(0.95), self.darker(0.55))

    # ---- nose and stern ----------------------------------------------------------------------------------

    def nose(self) -> None:
        """Windscreen, lamps, grille, bumper."""
        front, drop = self.body.front, self.lamp_drop
        self.pane_of_glass(self.on(self.body.glass(True), WINDSCREEN))
        self.wipers()
        self.line(self.body.deck(True), [(0.02, t) for t in np.linspace(-0.8, 0.8, 20)], self.darker(0.55), 1)
        for t in (-0.5, 0.5):
            self.line(
                self.body.deck(True),
                [(v, t * (1 + 0.25 * v)) for v in np.linspace(0.05, 0.95, 8)],
                self.darker(0.82),
                2,
            )
        self.intake()
        lamp = (
            (0.50, 0.77 - drop),
            (0.62, 0.91 - drop),
            (0.97, 0.97 - drop),
            (0.985, 0.80 - drop),
            (0.7, 0.70 - drop),
        )
        for sign, corners in zip((1, -1), mirrored(lamp), strict=True):
            self.headlamp(sign, corners)
        for corners in mirrored(((0.60, 0.20), (0.62, 0.32), (0.88, 0.34), (0.90, 0.22))):
            shade(self.picture, self.on(front, corners), (30, 28, 28), DARK)
        for t in (-0.74, 0.74):
            paint(self.picture, self.on(front, self.ring(t, 0.275, 0.05, 0.055)), (160, 165, 165))
        self.line(front, [(t, 0.56) for t in np.linspace(-0.93, 0.93, 30)], self.darker(0.7), 1)
        self.line(front, [(t, 0.06) for t in np.linspace(-0.93, 0.93, 30)], DARK, 6)

    def intake(self) -> None:
        """Upper grille with its bars, emblem, lower grille."""
        front = self.body.front
        upper = ((-0.44, 0.88), (0.44, 0.88), (0.38, 0.66), (-0.38, 0.66))
        shade(self.picture, self.on(front, upper), (38, 36, 36), BLACK)
        if self.grille == 0:
            for u in np.linspace(0.695, 0.85, 4):
                self.line(front, [(t, u) for t in np.linspace(-0.36, 0.36, 16)], CHROME, 2)
        elif self.grille == 1:
            for t in np.linspace(-0.34, 0.34, 15):
                self.line(front, [(t, 0.68), (t, 0.86)], (150, 150, 148), 2)
        else:
            trace(self.picture, self.on(front, upper), CHROME, 3, closed=True)
        paint(self.picture, self.on(front, self.ring(0, 0.79, 0.065, 0.075)), CHROME)
        paint(self.picture, self.on(front, self.ring(0, 0.79, 0.045, 0.05)), self.darker(0.6))
        shade(
            self.picture,
            self.on(front, ((-0.55, 0.27), (0.55, 0.27), (0.48, 0.10), (-0.48, 0.10))),
            DARK,
            BLACK,
        )
        for u in (0.16, 0.21):
            self.line(front, [(t, u) for t in np.linspace(-0.46, 0.46, 16)], (58, 56, 56), 2)

    def headlamp(self, sign: int, corners: Quad) -> None:
        """A clear lens with its bulbs; lit in some photos."""
        front = self.body.front
        shade(self.picture, self.on(front, corners), (214, 210, 204), (120, 116, 112))
        trace(self.picture, self.on(front, corners), (60, 58, 58), 2, closed=True)
        for t, radius in ((0.68, 0.07), (0.83, 0.06)):
            spot = self.on(front, self.ring(sign * t, 0.845 - self.lamp_drop, radius, 0.075))
            paint(self.picture, spot, (250, 252, 255) if self.lamps_on else (90, 88, 86))
            trace(self.picture, spot, (236, 236, 234), 2, closed=True)

    def stern(self) -> None:
        """Rear window, lamps, lid lines, bumper."""
        rear = self.body.rear
        self.pane_of_glass(self.on(self.body.glass(False), REAR_WINDOW))
        lamp = ((0.56, 0.74), (0.58, 0.92), (0.99, 0.95), (0.99, 0.70), (0.8, 0.68))
        for corners in mirrored(lamp):
            shade(self.picture, self.on(rear, corners), (40, 30, 190), (26, 18, 120))
            trace(self.picture, self.on(rear, corners), (20, 12, 70), 2, closed=True)
            inner = [(t * 0.94, 0.86 + (u - 0.86) * 0.3) for t, u in corners]
            shade(self.picture, self.on(rear, inner), (190, 200, 235), (120, 130, 215), 0.7)
        for u, width in ((0.98, 2), (0.52, 2)):
            self.line(rear, [(t, u) for t in np.linspace(-0.95, 0.95, 30)], self.darker(0.55), width)
        s = self.body.shape
        low, high = ((self.plate_z + dz - s.sill) / (s.tail - s.sill) for dz in (-0.09, 0.10))
        recess = ((-0.37, low), (-0.35, high), (0.35, high), (0.37, low))
        shade(self.picture, self.on(rear, recess), self.darker(0.5), self.darker(0.62))
        paint(self.picture, self.on(rear, self.ring(0, 0.82, 0.07, 0.07)), CHROME)
        shade(
            self.picture,
            self.on(rear, ((-0.8, 0.0), (0.8, 0.0), (0.7, 0.16), (-0.7, 0.16))),
            (46, 44, 44),
            BLACK,
        )
        for corners in mirrored(((0.60, 0.22), (0.60, 0.27), (0.85, 0.27), (0.85, 0.22))):
            paint(self.picture, self.on(rear, corners), (36, 28, 150))

    def wipers(self) -> None:
        """Two wipers at the foot of the windscreen."""
        glass = self.body.glass(True)
        for start, end in ((-0.75, -0.02), (0.0, 0.72)):
            self.line(glass, [(0.03, start), (0.075, (start + end) / 2), (0.09, end)], BLACK, 3)

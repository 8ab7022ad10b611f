"""Photos of the virtual site: what the gate camera and the officers' PDAs would have taken of a car.

Each is JPEG of at most 300 KB, the same for the same arguments, different for each car and seed, and says
that it is simulated in the picture and in its metadata (``is_marked_simulated``).
"""

from dataclasses import dataclass
from random import Random

import cv2
import numpy as np

from firmware_bridge.virtual import details, finish, metal
from firmware_bridge.virtual.bodywork import SHAPES, Body
from firmware_bridge.virtual.finish import is_marked_simulated
from firmware_bridge.virtual.fleet import Car
from firmware_bridge.virtual.glyphs import Picture, plate_face, plate_layout
from firmware_bridge.virtual.hall import paint_hall
from firmware_bridge.virtual.lens import Camera, Points, lay, paint
from firmware_bridge.virtual.trim import Trim
from lanes.vehicle import Plate

__all__ = (
    "GateView", "detail_photo", "front45_photo", "gate_photo", "gate_view", "is_marked_simulated",
    "rear45_photo", "shot_photo", "signature_png", "vin_label_photo", "vin_stamped_photo",
)  # fmt: skip

GATE_SIZE = (1280, 720)
PDA_SIZE = (1600, 1200)

PLATE_HEIGHT_M = 0.14
PLATE_TILT = 0.02  # m the upper edge leans back
PLATE_DENSITY = 1.6  # px per mm of the face before perspective

Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class GateView:
    """What a plate camera hands over: the frame, the plate's box (left, top, right, bottom), its crop."""

    photo: bytes
    box: Box | None
    crop: bytes | None


def gate_photo(car: Car, seed: int = 0, *, blurred: bool = False) -> bytes:
    """Frame of the plate camera: the car drives in, its own plate in view."""
    return gate_view(car, seed, blurred=blurred).photo


def gate_view(car: Car, seed: int = 0, *, blurred: bool = False) -> GateView:
    """Frame of the plate camera with the plate's box and crop; both None for a car without plate."""
    dice = Random(f"gate/{car.seed}/{seed}")
    at = (dice.uniform(6.1, 7.3), dice.uniform(-1.0, 1.0), dice.uniform(1.3, 2.0))
    target = (2.2, dice.uniform(-0.15, 0.15), dice.uniform(0.78, 0.92))
    camera = Camera.aimed(at, target, dice.uniform(1600, 1800), GATE_SIZE)
    picture, pixels = car_picture(car, camera, GATE_SIZE, car.vehicle.plate, dice)
    picture = finish.motion(picture, dice.choice((0, 0, 2, 3)))
    picture = taken(picture, dice, pixels, blurred=blurred)
    box = box_of(pixels, GATE_SIZE) if pixels is not None else None
    crop = finish.jpeg_plain(picture[box[1] : box[3], box[0] : box[2]]) if box else None
    return GateView(photo=finish.jpeg(picture, soft_mark=blurred), box=box, crop=crop)


def front45_photo(car: Car, seed: int = 0, *, blurred: bool = False) -> bytes:
    """Shot 0111, from the car's front left; it carries ``shown_plate``, which may be another's."""
    dice = Random(f"0111/{car.seed}/{seed}")
    angle, far = np.radians(dice.uniform(26, 34)), dice.uniform(5.2, 5.7)
    at = (far * float(np.cos(angle)) + 0.4, min(far * float(np.sin(angle)), 4.9), dice.uniform(1.35, 1.7))
    camera = Camera.aimed(at, (0.8, 0.25, 0.64), dice.uniform(1670, 1780), PDA_SIZE)
    picture, pixels = car_picture(car, camera, PDA_SIZE, car.shown_plate, dice)
    return finish.jpeg(taken(picture, dice, pixels, blurred=blurred), soft_mark=blurred)


def rear45_photo(car: Car, seed: int = 0, *, blurred: bool = False) -> bytes:
    """Shot 0112, from the car's rear right, with its own plate."""
    dice = Random(f"0112/{car.seed}/{seed}")
    angle, far = np.radians(dice.uniform(26, 34)), dice.uniform(5.2, 5.7)
    at = (-far * float(np.cos(angle)) - 0.4, -min(far * float(np.sin(angle)), 4.9), dice.uniform(1.35, 1.7))
    camera = Camera.aimed(at, (-0.8, -0.25, 0.64), dice.uniform(1670, 1780), PDA_SIZE)
    picture, pixels = car_picture(car, camera, PDA_SIZE, car.vehicle.plate, dice)
    return finish.jpeg(taken(picture, dice, pixels, blurred=blurred), soft_mark=blurred)


def vin_stamped_photo(car: Car, seed: int = 0, *, blurred: bool = False) -> bytes:
    """Shot 0113: ``shown_vin`` struck in metal between start and end marks."""
    dice = Random(f"0113/{car.seed}/{seed}")
    picture = finish.light(metal.struck_metal(car.shown_vin, dice), dice, low=0.85, high=1.2)
    return finish.jpeg(spoilt(picture, dice, blurred=blurred), soft_mark=blurred)


def vin_label_photo(car: Car, seed: int = 0, *, blurred: bool = False) -> bytes:
    """The maker's label behind glass, with the VIN of the papers."""
    dice = Random(f"label/{car.seed}/{seed}")
    picture = metal.label(car, dice)
    spot = (dice.uniform(0, 1280), dice.choice((60.0, 660.0)))
    picture = finish.glare(picture, spot, dice.uniform(80, 160), dice.uniform(20, 90))
    return finish.jpeg(spoilt(finish.light(picture, dice), dice, blurred=blurred), soft_mark=blurred)


def detail_photo(car: Car, shot: str, seed: int = 0, *, blurred: bool = False) -> bytes:
    """A close photo of a part: belt (0157), triangle (0124), extinguisher (0116), else a tyre."""
    dice = Random(f"{shot}/{car.seed}/{seed}")
    picture = finish.light(details.drawn(shot, dice), dice)
    return finish.jpeg(spoilt(finish.vignette(picture, 0.45), dice, blurred=blurred), soft_mark=blurred)


def signature_png(name: str, seed: int = 0) -> bytes:
    """Handwriting of a name on white, PNG, marked in its metadata."""
    return finish.png(metal.signature(name, Random(f"signature/{name}/{seed}")))


PHOTOGRAPHS = {"0111": front45_photo, "0112": rear45_photo, "0113": vin_stamped_photo}


def shot_photo(car: Car, shot: str, taking: int = 0) -> bytes:
    """The photo of a shot at its first (0) or a later taking; a planted blur spoils only the first."""
    blurred = taking == 0 and shot == car.blurred_shot
    if shot in PHOTOGRAPHS:
        return PHOTOGRAPHS[shot](car, taking, blurred=blurred)
    return detail_photo(car, shot, taking, blurred=blurred)


# ---- composing -------------------------------------------------------------------------------------------


def car_picture(
    car: Car, camera: Camera, size: tuple[int, int], plate: Plate | None, dice: Random
) -> tuple[Picture, Points | None]:
    """Hall and car, and the plate's corners in px; an unplated car shows its bare bumper."""
    picture = np.empty((size[1], size[0], 3), np.uint8)
    paint_hall(picture, camera, dice)
    trim = Trim(picture, camera, Body(SHAPES[car.shape]), car.vehicle.colour, Random(f"trim/{car.seed}"))
    trim.all()
    if plate is None:
        return picture, None
    corners = plate_corners(trim.body, plate, nose=bool(camera.at[0] > 0), z=trim.plate_z)
    return picture, mount_plate(picture, camera, corners, plate)


def plate_corners(body: Body, plate: Plate, *, nose: bool, z: float) -> Points:
    """The plate's corners on the car, m: upper left, upper right, lower right, lower left as read."""
    half = plate_layout(plate.hphm).width / 2000
    u = np.array([(z - body.shape.sill) / (body.belt(np.array([2.0]))[0] - body.shape.sill)])
    x = float((body.front if nose else body.rear)(np.array([0.0]), u)[0, 0])
    ahead = 1 if nose else -1
    left = -half if nose else half  # as read from outside: the car's right when looking at its face
    top, low = z + PLATE_HEIGHT_M / 2, z - PLATE_HEIGHT_M / 2
    near, far = x + ahead * 0.03, x + ahead * (0.03 - PLATE_TILT)
    return np.array([(far, left, top), (far, -left, top), (near, -left, low), (near, left, low)])


def mount_plate(picture: Picture, camera: Camera, corners: Points, plate: Plate) -> Points:
    """Paints the plate in perspective with its frame; gives its corners in px."""
    face = plate_face(plate.hpzl, plate.hphm, px_per_mm=PLATE_DENSITY)
    pixels = camera.project(corners)
    middle = pixels.mean(axis=0)
    paint(picture, middle + (pixels - middle) * 1.06, (30, 30, 30))
    lay(picture, face, pixels)
    return pixels


def taken(picture: Picture, dice: Random, plate: Points | None, *, blurred: bool) -> Picture:
    """Dirt and glare near the plate, then light, lens and sensor."""
    if plate is not None:
        left, top, right, bottom = box_of(plate, (picture.shape[1], picture.shape[0]))
        finish.dirt(picture, (left, top, right - left, bottom - top), dice, dice.choice((0, 0, 4, 9)))
    spot = (dice.uniform(0.1, 0.9) * picture.shape[1], dice.uniform(0.0, 0.35) * picture.shape[0])
    picture = finish.glare(picture, spot, dice.uniform(60, 220), dice.choice((0, 30, 70)))
    if plate is not None and dice.random() < 0.3:
        near = plate.mean(axis=0) + np.array((dice.uniform(-90, 90), dice.uniform(-40, 40)))
        picture = finish.glare(
            picture, (float(near[0]), float(near[1])), dice.uniform(25, 60), dice.uniform(20, 60)
        )
    picture = finish.vignette(finish.light(picture, dice), dice.uniform(0.1, 0.35))
    return spoilt(picture, dice, blurred=blurred)


def spoilt(picture: Picture, dice: Random, *, blurred: bool) -> Picture:
    """A little softness and noise as every camera adds; with ``blurred``, a focus that missed."""
    if blurred:
        picture = finish.defocus(picture)
    elif dice.random() < 0.5:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), dice.uniform(0.35, 0.65)), np.uint8)
    return finish.add_noise(picture, dice.uniform(1.2, 3.6), dice)


def box_of(pixels: Points, size: tuple[int, int]) -> Box:
    """The upright box round pixels, within the picture."""
    low = np.clip(np.floor(pixels.min(axis=0)), 0, size).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0)), 0, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])

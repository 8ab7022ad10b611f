"""Trains the corner finder: ``python -m models.training.corners_net --photos DIR --work DIR``.

A fully convolutional net: BGR photo -> for every 8 x 8 pixels the chance that a plate's middle lies there,
the way from there to its four corners (in ``REACH`` pixels), and whether it has two rows. It resumes from its
checkpoint; the labels are made first where there are none.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.images import Quad, decode, fitted, sides
from models.training.corners_photos import label
from models.training.corners_scenes import Ground, Scene, SceneMaker
from models.training.corners_stickers import cut, mixed

STEP = 8
REACH = 24.0
BATCH = 16
SEED = 20261126
CORE = 0.3  # of the heat: cells from which corners are learnt


def conv(inward: int, outward: int, step: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, 3, step, 1, bias=False), nn.BatchNorm2d(outward), nn.ReLU(inplace=True)
    )


class Parted(nn.Module):
    """Depthwise then pointwise, with a shortcut where the shape stays."""

    def __init__(self, inward: int, outward: int, step: int = 1, size: int = 3) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(inward, inward, size, step, size // 2, groups=inward, bias=False),
            nn.BatchNorm2d(inward),
            nn.ReLU(inplace=True),
            nn.Conv2d(inward, outward, 1, bias=False),
            nn.BatchNorm2d(outward),
        )
        self.short = step == 1 and inward == outward

    def forward(self, x: Tensor) -> Tensor:
        y = self.way(x)
        return functional.relu(x + y if self.short else y)


class CornerNet(nn.Module):
    """(N, 3, H, W) BGR 0..255 -> (N, 10, H/8, W/8): heat, two rows (logits), corners x, y in REACH pixels."""

    def __init__(self, a: int = 16, b: int = 32, c: int = 64, d: int = 96, e: int = 128) -> None:
        super().__init__()
        self.at4 = nn.Sequential(conv(3, a, 2), conv(a, b, 2), Parted(b, b))
        self.at8 = nn.Sequential(conv(b, c, 2), Parted(c, c), Parted(c, c))
        self.at16 = nn.Sequential(Parted(c, d, 2), Parted(d, d), Parted(d, d))
        self.at32 = nn.Sequential(Parted(d, e, 2), Parted(e, e), Parted(e, e), Parted(e, e))
        self.down32 = nn.Conv2d(e, d, 1)
        self.mix16 = Parted(d, d)
        self.down16 = nn.Conv2d(d, c, 1)
        self.mix8 = nn.Sequential(Parted(c, c), Parted(c, c))
        self.out = nn.Conv2d(c, 10, 1)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.bias[0] = -4.0
            self.out.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = x * (1 / 64) - 2.0
        x8 = self.at8(self.at4(x))
        x16 = self.at16(x8)
        x32 = self.at32(x16)
        y16 = self.mix16(x16 + up(self.down32(x32)))
        return self.out(self.mix8(x8 + up(self.down16(y16))))


def up(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What the net should answer for a batch: heat, weight of the heat, corners, core, rows."""

    heat: Tensor
    care: Tensor
    corners: Tensor
    core: Tensor  # weight of the corners: 1 / height of the plate in a plate's middle, else 0
    rows: Tensor


def targets(scenes: list[Scene]) -> Targets:
    side = scenes[0].image.shape[0] // STEP
    shape = (len(scenes), side, side)
    heat, core, rows = (np.zeros(shape, np.float32) for _ in range(3))
    care = np.ones(shape, np.float32)
    corners = np.zeros((len(scenes), 8, side, side), np.float32)
    ys, xs = np.mgrid[0:side, 0:side] * STEP + STEP / 2
    for n, scene in enumerate(scenes):
        for quad in scene.ignored:
            cv2.fillPoly(care[n], [np.round(quad / STEP - 0.5).astype(np.int32)], 0.0)
            cv2.polylines(care[n], [np.round(quad / STEP - 0.5).astype(np.int32)], True, 0.0)
        for quad, layers in scene.plates:
            middle = quad.mean(axis=0)
            if np.any(middle < 0) or np.any(middle >= side * STEP):
                cv2.fillPoly(care[n], [np.round(quad / STEP - 0.5).astype(np.int32)], 0.0)
                continue
            bump = _bump(quad, middle, xs, ys)
            inside = bump > heat[n]
            heat[n][inside] = bump[inside]
            held = inside & (bump > CORE)
            core[n][held] = bump[held] / max(sides(quad)[1], 8.0)
            rows[n][held] = layers - 1
            for k in range(4):
                corners[n, 2 * k][held] = (quad[k, 0] - xs[held]) / REACH
                corners[n, 2 * k + 1][held] = (quad[k, 1] - ys[held]) / REACH
    return Targets(
        **{
            k: torch.from_numpy(v)
            for k, v in {"heat": heat, "care": care, "corners": corners, "core": core, "rows": rows}.items()
        }
    )


def _bump(quad: Quad, middle: NDArray[Any], xs: NDArray[Any], ys: NDArray[Any]) -> NDArray[np.float32]:
    """A Gaussian along the plate, 1 at the cell of its middle."""
    along = ((quad[1] - quad[0]) + (quad[2] - quad[3])) / 4
    down = ((quad[3] - quad[0]) + (quad[2] - quad[1])) / 4
    axes = np.stack([along, down], axis=1)
    back = np.linalg.pinv(axes)
    cell = np.floor(middle / STEP) * STEP + STEP / 2
    apart = np.stack([xs - cell[0], ys - cell[1]], axis=-1)
    spot = apart @ back.T  # -1..1 over the plate
    least = 0.62 * STEP / np.maximum(np.linalg.norm(axes, axis=0), 1.0)  # half a cell is always in
    spread = np.maximum((0.22, 0.3), least)
    bump = np.exp(-0.5 * ((spot / spread) ** 2).sum(axis=-1))
    return np.asarray(bump, np.float32)


def loss(answer: Tensor, wanted: Targets) -> tuple[Tensor, list[float]]:
    heat = torch.sigmoid(answer[:, 0].clamp(-12, 12)).clamp(1e-5, 1 - 1e-5)
    hit = (wanted.heat > 0.999).float()
    plus = hit * (1 - heat) ** 2 * torch.log(heat)
    minus = (1 - hit) * (1 - wanted.heat) ** 4 * heat**2 * torch.log(1 - heat)
    count = hit.sum().clamp(min=1.0)
    of_heat = -((plus + minus) * wanted.care).sum() / count
    off = functional.smooth_l1_loss(answer[:, 2:], wanted.corners, reduction="none", beta=0.04).sum(dim=1)
    total = (wanted.core > 0).float().sum().clamp(min=1.0)
    of_corners = (off * wanted.core).sum() * REACH / total
    mask = (wanted.core > 0).float()
    raw = functional.binary_cross_entropy_with_logits(answer[:, 1], wanted.rows, reduction="none")
    of_rows = (raw * mask).sum() / total
    parts = [float(v.detach()) for v in (of_heat, of_corners, of_rows)]
    return of_heat + 0.8 * of_corners + 0.3 * of_rows, parts


class Training:
    """Net, its smoothed twin, optimiser and counter; saved together."""

    def __init__(self, steps: int, peak: float) -> None:
        torch.manual_seed(SEED)
        self.net = CornerNet().to(memory_format=torch.channels_last)  # twice as fast on a CPU
        self.smooth = CornerNet()
        self.smooth.load_state_dict(self.net.state_dict())
        self.steps, self.at = steps, 0
        self.peak = peak
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=peak, weight_decay=0.01)

    def rate(self) -> float:
        """The learning rate of this step: up to the peak over the first tenth, then down as a cosine."""
        done = self.at / self.steps
        return self.peak * (
            done / 0.1 if done < 0.1 else 0.503 + 0.497 * math.cos(math.pi * (done - 0.1) / 0.9)
        )

    def step(self, scenes: list[Scene]) -> list[float]:
        self.net.train()
        photos = np.stack([s.image for s in scenes]).transpose(0, 3, 1, 2)
        batch = torch.from_numpy(np.ascontiguousarray(photos, np.float32))
        with torch.autocast("cpu", torch.bfloat16):
            answer = self.net(batch.contiguous(memory_format=torch.channels_last)).float()
        total, parts = loss(answer, targets(scenes))
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.param_groups[0]["lr"] = self.rate()
        self.optimiser.step()
        self.at += 1
        share = min(0.995, (1 + self.at) / (10 + self.at))
        with torch.no_grad():
            for mine, theirs in zip(
                self.smooth.state_dict().values(), self.net.state_dict().values(), strict=True
            ):
                mine.lerp_(theirs, 1 - share) if mine.is_floating_point() else mine.copy_(theirs)
        return parts

    def save(self, path: Path) -> None:
        state = {
            "at": self.at,
            "net": self.net.state_dict(),
            "smooth": self.smooth.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.at = state["at"]
        for name in ("net", "smooth", "optimiser"):
            getattr(self, name).load_state_dict(state[name])


def export(net: CornerNet, path: Path) -> None:
    """Writes the net as ONNX for photos of any size in multiples of 32."""
    net.eval()
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, 320, 320),),
        str(path),
        input_names=["photo"],
        output_names=["cells"],
        dynamic_axes={"photo": {2: "height", 3: "width"}, "cells": {2: "rows", 3: "columns"}},
        opset_version=17,
        dynamo=False,
    )


def grounds(photos: Path, work: Path, hold: int) -> tuple[list[Ground], list[Ground], list[Ground]]:
    """Street photos to train on (every ``hold``-th is left out), crops, and photos without plates."""
    streets, crops = [], []
    for n, entry in enumerate(json.loads((work / "full.json").read_text(encoding="utf-8"))):
        if hold and n % hold == 0:
            continue
        ground = _ground(photos / "plates_full", entry, 1100)
        streets.append(ground)
    for entry in json.loads((work / "crop.json").read_text(encoding="utf-8")):
        if entry["proven"]:
            crops.append(_ground(photos / "plates_crop", entry, 400))
    boxes = sorted((photos / "vin_boxes").glob("*.jpg"))[::2]
    others = [Ground(image=cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)) for path in boxes]
    return streets, crops, others


def _ground(folder: Path, entry: dict[str, Any], long_side: int) -> Ground:
    image, scale = fitted(decode((folder / entry["file"]).read_bytes()), long_side)
    plates, ignored = (
        [np.asarray(q, np.float32) * np.float32(scale) for q in entry[key]] for key in ("plates", "ignored")
    )
    return Ground(image=image, plates=plates, ignored=ignored, layers=2 if entry["double"] else 1)


def maker(photos: Path, work: Path, hold: int, seed: int, glyphs: Path | None) -> SceneMaker:
    """The scenes of one run."""
    dice = np.random.default_rng(seed)
    streets, crops, others = grounds(photos, work, hold)
    pool = list(mixed(dice, glyphs))
    real = [cut(crops)] * (len(pool) // 5) + [cut(streets)] * (len(pool) // 6)
    return SceneMaker(streets, others, pool + real, dice)


def train(
    photos: Path, work: Path, glyphs: Path | None, *, steps: int, hold: int, name: str, peak: float
) -> None:
    """Trains ``name`` to ``steps`` batches, from its checkpoint if there is one."""
    label(photos, "plates_full", work / "full.json")
    label(photos, "plates_crop", work / "crop.json")
    training = Training(steps, peak)
    path = work / f"{name}.pt"
    if path.exists():
        training.load(path)
    scenes = maker(photos, work, hold, SEED + training.at, glyphs)
    sums, began = np.zeros(3), time.monotonic()
    while training.at < steps:
        sums += training.step([scenes.scene() for _ in range(BATCH)])
        if training.at % 50 == 0:
            pace = (time.monotonic() - began) / 50
            print(training.at, np.round(sums / 50, 4), f"{pace:.2f} s a batch", flush=True)
            sums, began = np.zeros(3), time.monotonic()
        if training.at % 100 == 0 or training.at == steps:
            training.save(path)
    export(training.smooth, work / f"{name}.onnx")


def main() -> None:
    """Reads the arguments and trains."""
    parser = argparse.ArgumentParser(prog="models.training.corners_net", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--photos", type=Path, required=True, help="folder with plates_full, plates_crop, vin_boxes"
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of labels and checkpoints")
    parser.add_argument("--steps", type=int, default=4000, help="batches of 16 scenes")
    parser.add_argument("--hold", type=int, default=0, help="leave every n-th photo out, to measure on")
    parser.add_argument("--name", default="corners", help="of the checkpoint")
    parser.add_argument("--peak", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--glyphs", type=Path, help="folder of character bitmaps, see plate_drawing")
    chosen = vars(parser.parse_args())
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    train(chosen.pop("photos"), chosen.pop("work"), chosen.pop("glyphs"), **chosen)


if __name__ == "__main__":
    main()

"""Trains vin-locator: a heat map, a quarter of the photo's size, of where the VIN line lies.

Photos and boxes: Roboflow kirill-sergeev/vin-detection (CC BY 4.0); corners as models.training.vin_lines
found them. Resumable: what was learnt is kept after each round.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.images import Image, Quad, decode
from models.training.vin_lines import stored

SIDE, STRIDE = 256, 4
CLEAR = -12.0  # log P of a reading whose corners are trusted
CORE = 0.8  # share of the line's height that is marked
BATCH = 16
SEED = 20261126


class Part(nn.Sequential):
    """Convolution, normalisation, activation."""

    def __init__(self, taken: int, given: int, step: int = 1) -> None:
        super().__init__(
            nn.Conv2d(taken, given, 3, step, 1, bias=False), nn.BatchNorm2d(given), nn.ReLU(inplace=True)
        )


class Locator(nn.Module):
    """A small feature pyramid: 3 x H x W in -1..1 -> 1 x H/4 x W/4, 0..1."""

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 48, 96, 128)
        self.stem = Part(3, 16, 2)
        taken = (16, *widths[:-1])
        self.steps = nn.ModuleList(
            nn.Sequential(Part(a, b, 2), Part(b, b)) for a, b in zip(taken, widths, strict=True)
        )
        self.levels = nn.ModuleList(nn.Conv2d(width, 48, 1) for width in widths)
        self.head = nn.Sequential(Part(48, 24), nn.Conv2d(24, 1, 1))

    def logits(self, x: Tensor) -> Tensor:
        """The map before the sigmoid."""
        x = self.stem(x)
        found = []
        for step in self.steps:
            x = step(x)
            found.append(x)
        top = self.levels[3](found[3])
        for n in (2, 1, 0):
            top = self.levels[n](found[n]) + functional.interpolate(top, scale_factor=2.0)
        return self.head(top)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """The map as shares."""
        return torch.sigmoid(self.logits(x))


class Photos(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Photos turned, scaled, shifted and lit anew each time, with the line's core marked."""

    def __init__(self, folder: Path, lines: list[tuple[str, Quad]]) -> None:
        self._photos = [(decode((folder / name).read_bytes()), quad) for name, quad in lines]
        self._dice = np.random.default_rng(SEED)

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, n: int) -> tuple[Tensor, Tensor]:
        image, quad = self._photos[n]
        image, quad = self._moved(image, quad)
        heat = np.zeros((SIDE // STRIDE, SIDE // STRIDE), np.uint8)
        middle = (quad + quad[[3, 2, 1, 0]]) / 2
        core = middle + (quad - middle) * CORE
        # 4 binary places of a cell
        cv2.fillPoly(heat, [np.round((core / STRIDE - 0.5) * 16).astype(np.int32)], 255, shift=4)
        level = self._lit(image).astype(np.float32) / 127.5 - 1.0
        return torch.from_numpy(level.transpose(2, 0, 1).copy()), torch.from_numpy(
            heat[None] / np.float32(255)
        )

    def _moved(self, image: Image, quad: Quad) -> tuple[Image, Quad]:
        dice = self._dice
        angle = np.deg2rad(dice.normal(0, 9) + (90 * dice.integers(4) if dice.random() < 0.12 else 0))
        scale = float(np.exp(dice.uniform(np.log(0.55), np.log(1.6))))
        wide = float(np.exp(dice.normal(0, 0.2)))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turn = turn @ np.diag([scale * wide, scale / wide]) * SIDE / max(image.shape[:2])
        centre = turn @ quad.mean(axis=0)
        reach = np.ptp((quad @ turn.T), axis=0) / 2
        room = np.maximum(SIDE / 2 - reach, 0)
        wanted = SIDE / 2 + dice.uniform(-room, room + 1e-6)
        matrix = np.hstack([turn, (wanted - centre)[:, None]])
        moved = cv2.warpAffine(
            image,
            matrix,
            (SIDE, SIDE),
            flags=cv2.INTER_AREA,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(114,) * 3,
        )
        return np.asarray(moved, np.uint8), np.asarray(quad @ turn.T + matrix[:, 2], np.float32)

    def _lit(self, image: Image) -> Image:
        dice = self._dice
        if dice.random() < 0.3:
            image = np.repeat(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[:, :, None], 3, axis=2)
        if dice.random() < 0.1:
            image = 255 - image
        if dice.random() < 0.3:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), dice.uniform(0.4, 1.3)), np.uint8)
        bright = image.astype(np.float32) * dice.uniform(0.5, 1.4) + dice.uniform(-40, 40)
        noise = dice.standard_normal(image.shape, np.float32) * dice.uniform(0, 8)
        return np.clip(bright + noise, 0, 255).astype(np.uint8)


def learn(net: Locator, photos: Photos, keep: Path, rounds: int) -> None:
    """Trains for ``rounds`` rounds in all, those of a former run counted."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-4)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 3e-3, total_steps=rounds * (len(photos) // BATCH), pct_start=0.2
    )
    begun = 0
    if keep.is_file():
        kept = torch.load(keep)
        net.load_state_dict(kept["net"])
        optimiser.load_state_dict(kept["optimiser"])
        plan.load_state_dict(kept["plan"])
        begun = kept["round"]
    loader = torch.utils.data.DataLoader(photos, BATCH, shuffle=True, drop_last=True)
    net.train()
    for turn in range(begun, rounds):
        torch.manual_seed(SEED + turn)
        clock, total = time.monotonic(), 0.0
        for images, heat in loader:
            with torch.autocast("cpu", torch.bfloat16):
                logits = net.logits(images.contiguous(memory_format=torch.channels_last)).float()
            share = torch.sigmoid(logits)
            overlap = (2 * (share * heat).sum((1, 2, 3)) + 1) / ((share + heat).sum((1, 2, 3)) + 1)
            plain = functional.binary_cross_entropy_with_logits(logits, heat, pos_weight=torch.tensor(4.0))
            loss = plain + (1 - overlap).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            plan.step()
            total += float(loss.detach())
        print(
            f"round {turn + 1}: loss {total / len(loader):.4f}, {time.monotonic() - clock:.0f} s", flush=True
        )
        torch.save(
            {
                "net": net.state_dict(),
                "optimiser": optimiser.state_dict(),
                "plan": plan.state_dict(),
                "round": turn + 1,
            },
            keep,
        )


def main() -> None:
    """Trains and writes the ONNX file."""
    parser = argparse.ArgumentParser(prog="models.training.vin_locator", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder vin_boxes/")
    parser.add_argument("--lines", type=Path, required=True, help="what models.training.vin_lines wrote")
    parser.add_argument("--keep", type=Path, required=True, help="where to keep what was learnt so far")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("models/weights/vin-locator.onnx"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    lines = [(line.file, line.corners) for line in stored(chosen.lines) if line.log_p > CLEAR]
    print(f"{len(lines)} photos")
    net = Locator().to(memory_format=torch.channels_last)
    learn(net, Photos(chosen.photos, lines), chosen.keep, chosen.rounds)
    axes = {"photo": {2: "height", 3: "width"}, "heat": {2: "rows", 3: "columns"}}
    torch.onnx.export(
        net.eval(),
        (torch.zeros(1, 3, SIDE, SIDE),),
        str(chosen.out),
        input_names=["photo"],
        output_names=["heat"],
        dynamic_axes=axes,
        dynamo=False,
    )


if __name__ == "__main__":
    main()

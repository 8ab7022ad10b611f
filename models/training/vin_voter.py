"""Trains vin-voter: a small CTC recogniser of VIN lines, the second opinion beside PP-OCRv6.

Two thirds are lines of photos of Roboflow kirill-sergeev/vin-detection (CC BY 4.0) that vin_lines read
reliably, made smaller, softer and darker than they are, so that it learns to read what its teachers cannot.
The others are drawn: printed, struck and dot-peened VINs of vin_drawing. Resumable, with other lines or more
steps too: what was learnt is kept every few minutes.
"""

import argparse
import math
import time
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from lanes.vin import ALPHABET
from models.images import Image, Quad, decode, grown, rectify, sides
from models.training.vin_drawing import Pen
from models.training.vin_lines import stored
from models.voter import HEIGHT, WIDTH, evened

BATCH = 32
SEED = 20261126
KEEP_EVERY = 100  # steps
WARM, FASTEST = 200, 2.5e-3
REAL = 0.65


class Voter(nn.Module):
    """1 x 24 x 256 evened grey -> 64 frames of 35 shares; class 0 is the blank."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_part(1, 24), nn.MaxPool2d(2),
            *_part(24, 48), nn.MaxPool2d(2),
            *_part(48, 96), *_part(96, 96), nn.MaxPool2d((2, 1)),
            *_part(96, 128),
            nn.Conv2d(128, 160, (3, 1), bias=False), nn.BatchNorm2d(160), nn.ReLU(inplace=True),
        )  # fmt: skip
        self.along = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(160, 160, 5, padding=2 * gap, dilation=gap, bias=False),
                nn.BatchNorm1d(160),
                nn.ReLU(inplace=True),
            )
            for gap in (1, 2, 4)
        )
        self.last = nn.Sequential(nn.Dropout(0.1), nn.Conv1d(160, len(ALPHABET) + 1, 1))

    def logits(self, x: Tensor) -> Tensor:
        """Frames before the softmax, (N, classes, T)."""
        x = self.body(x).squeeze(2)
        for part in self.along:
            x = x + part(x)
        return self.last(x)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """Shares, (N, T, classes); a last class, the space of PP-OCR's readers, is never seen."""
        return functional.pad(torch.softmax(self.logits(x).transpose(1, 2), dim=2), (0, 1))


def _part(taken: int, given: int) -> list[nn.Module]:
    return [nn.Conv2d(taken, given, 3, padding=1, bias=False), nn.BatchNorm2d(given), nn.ReLU(inplace=True)]


class Cutter:
    """Cuts the line of a photo each time a little differently, and spoils it as cameras do."""

    def __init__(self, dice: np.random.Generator) -> None:
        self._dice = dice

    def cut(self, image: Image, quad: Quad) -> Image:
        """A grey line of 24 x 256 with corners, size, light and sharpness changed."""
        dice = self._dice
        loose = grown(quad, dice.uniform(-0.08, 0.28), max(dice.normal(0.25, 0.35), -0.1))
        loose = loose + dice.normal(0, 0.05, (4, 2)) * sides(quad)[1]
        width, height = sides(loose)
        smaller = dice.uniform(0.45, 1.0) if dice.random() < 0.7 else 1.0
        size = max(round(width * smaller), 80), max(round(height * smaller), 7)
        flat = rectify(image, np.asarray(loose, np.float32), width=size[0], height=size[1])
        return self.spoilt(np.asarray(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY), np.uint8))

    def spoilt(self, grey: Image) -> Image:
        """Light, blur, noise and compression; then 24 x 256."""
        dice = self._dice
        level = grey.astype(np.float32)
        if dice.random() < 0.5:
            level = cv2.GaussianBlur(level, (0, 0), dice.uniform(0.3, 0.9))
        if dice.random() < 0.2:
            span = int(dice.integers(2, 4))
            level = cv2.blur(level, (span, 1) if dice.random() < 0.6 else (1, span))
        if dice.random() < 0.3:
            level = 255 - level
        contrast, middle = dice.uniform(0.3, 1.2), level.mean()
        level = (level - middle) * contrast + np.clip(middle + dice.normal(0, 30), 20, 235)
        slope = np.linspace(-1, 1, level.shape[1], dtype=np.float32) * dice.normal(0, 20)
        level = level + slope[None]
        if dice.random() < 0.15:
            at = dice.uniform(0, level.shape[1])
            glare = np.exp(-(((np.arange(level.shape[1]) - at) / dice.uniform(3, 15)) ** 2))
            level = level + (glare * dice.uniform(40, 160)).astype(np.float32)[None]
        level = level + dice.normal(0, dice.uniform(0, 9), level.shape)
        plain = np.clip(level, 0, 255).astype(np.uint8)
        if dice.random() < 0.4:
            _, packed = cv2.imencode(".jpg", plain, [cv2.IMWRITE_JPEG_QUALITY, int(dice.integers(25, 90))])
            plain = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
        method = int(dice.choice([cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_AREA]))
        return np.asarray(cv2.resize(plain, (WIDTH, HEIGHT), interpolation=method), np.uint8)


class Lesson:
    """Endless batches of lines with their texts."""

    def __init__(self, photos: Path, lines: Path, seed: int) -> None:
        known = [line for line in stored(lines) if line.label]
        self._lines = [(decode((photos / line.file).read_bytes()), line.corners, line.text) for line in known]
        self._dice = np.random.default_rng(seed)
        self._cutter = Cutter(self._dice)
        self._pen = Pen(self._dice, [line.text for line in known])
        print(f"{len(known)} real lines", flush=True)

    def batch(self) -> tuple[Tensor, Tensor]:
        """(N, 1, 24, 256) evened and (N, 17) classes."""
        images, texts = [], []
        for _ in range(BATCH):
            if self._dice.random() < REAL:
                image, quad, text = self._lines[int(self._dice.integers(len(self._lines)))]
                images.append(self._cutter.cut(image, quad))
            else:
                grey, text = self._pen.line()
                images.append(self._cutter.spoilt(grey))
            texts.append([ALPHABET.index(c) + 1 for c in text])
        level = np.stack([evened(image) for image in images])
        return torch.from_numpy(level[:, None]), torch.tensor(texts)


def rate(step: int, steps: int) -> float:
    """Learning rate: rising for WARM steps, then falling along a cosine."""
    late = max(step - WARM, 0) / max(steps - WARM, 1)
    return FASTEST * min(step / WARM, 0.5 * (1 + math.cos(math.pi * late)) + 1e-3)


def learn(net: Voter, lesson: Lesson, keep: Path, steps: int) -> None:
    """Trains for ``steps`` batches in all, those of a former run counted."""
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    begun = 0
    if keep.is_file():
        kept = torch.load(keep)
        net.load_state_dict(kept["net"])
        optimiser.load_state_dict(kept["optimiser"])
        begun = kept["step"]
    net.train()
    clock, total = time.monotonic(), 0.0
    for step in range(begun + 1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps)
        images, texts = lesson.batch()
        with torch.autocast("cpu", torch.bfloat16):
            logits = net.logits(images.contiguous(memory_format=torch.channels_last))
        frames = functional.log_softmax(logits.float(), dim=1).permute(2, 0, 1)
        count = torch.full((len(texts),), len(frames)), torch.full((len(texts),), texts.shape[1])
        loss = functional.ctc_loss(frames, texts, *count)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        total += float(loss.detach())
        if step % KEEP_EVERY == 0 or step == steps:
            print(f"step {step}: loss {total / KEEP_EVERY:.4f}, {time.monotonic() - clock:.0f} s", flush=True)
            total = 0.0
            torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step}, keep)


def export(net: Voter, out: Path) -> None:
    """Writes the ONNX file with its labels, one a line, under ``character``."""
    torch.onnx.export(
        net.eval(),
        (torch.zeros(1, 1, HEIGHT, WIDTH),),
        str(out),
        input_names=["line"],
        output_names=["frames"],
        dynamic_axes={"line": {0: "lines"}, "frames": {0: "lines"}},
        dynamo=False,
    )
    model = onnx.load(str(out))
    entry = model.metadata_props.add()
    entry.key, entry.value = "character", "\n".join(ALPHABET)
    onnx.save(model, str(out))


def main() -> None:
    """Trains and writes the ONNX file."""
    parser = argparse.ArgumentParser(prog="models.training.vin_voter", description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder vin_boxes/")
    parser.add_argument("--lines", type=Path, required=True, help="what models.training.vin_lines wrote")
    parser.add_argument("--keep", type=Path, required=True, help="where to keep what was learnt so far")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=Path("models/weights/vin-voter.onnx"))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(SEED)
    net = Voter()
    net.body.to(memory_format=torch.channels_last)
    learn(net, Lesson(chosen.photos, chosen.lines, SEED), chosen.keep, chosen.steps)
    export(net, chosen.out)


if __name__ == "__main__":
    main()

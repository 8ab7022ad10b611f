"""Trains plate-reader: a small CTC recogniser of flat plates with a second head for colour and layers.

Half of every batch is drawn (plate_drawing), half real (plate_photos), both weathered. One fold of the real
plates is never trained on and tells how good the net is. Resumable: everything is kept every few minutes.

    python -m models.training.plate_reader --samples FILE --glyphs DIR --font FILE --keep FILE --out FILE
"""

import argparse
import math
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.grammar import plate_symbols
from models.images import grown, rectify
from models.plate import one_line
from models.plate_net import HEIGHT, WIDTH, evened
from models.training.plate_drawing import KINDS, Dice, Glyphs, draw
from models.training.plate_photos import Sample, stored
from models.training.plate_weather import photographed, weathered

COLOURS = ("blue", "yellow", "green", "yellow_green", "white", "black")
BATCH = 64
SEED = 20261126
KEEP_EVERY = 150  # steps
WARM, FASTEST = 100, 3e-3
EASY = 700  # steps until the weather is as bad as it gets
REAL = 0.4
HELD = 0  # the fold that is never trained on
KIND_WEIGHT = 0.15


class Net(nn.Module):
    """3 x 48 x 168 evened BGR -> 42 frames of 1 + symbols + 1 scores, and scores of colours and layers."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_part(3, 24, stride=2), *_part(24, 40, stride=2), *_part(40, 64), *_part(64, 64),
            nn.MaxPool2d((2, 1)), *_part(64, 112), *_part(112, 112), nn.MaxPool2d((2, 1)),
        )  # fmt: skip
        self.fall = nn.Sequential(
            nn.Conv2d(112, 176, (3, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(176), nn.ReLU()
        )
        self.along = nn.Sequential(
            nn.Conv1d(176, 176, 5, padding=2, bias=False), nn.BatchNorm1d(176), nn.ReLU(), nn.Dropout(0.1)
        )
        self.signs = nn.Conv1d(176, symbols + 2, 1)
        self.kinds = nn.Linear(112, len(COLOURS) + 2)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N, T, K) of the symbols, and (N, colours + 2) of colour and layers."""
        seen = self.body(pictures)
        lines = self.fall(seen).squeeze(2)
        return self.signs(self.along(lines) + lines).transpose(1, 2), self.kinds(seen.mean(dim=(2, 3)))


def _part(inside: int, outside: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inside, outside, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    ]


class Source:
    """Training pictures: drawn and real ones, with their text, colour and layers."""

    def __init__(self, glyphs: Glyphs, real: list[Sample], symbols: str) -> None:
        self._glyphs = glyphs
        single = [s for s in real if s.folder == "plates_crop"]
        rare = [s for s in real if s.folder == "plates_full"]
        self._pools = [(pool, evenly(pool)) for pool in (single, rare) if pool]
        self._index = {symbol: n for n, symbol in enumerate(symbols, start=1)}

    def one(self, dice: Dice, hard: float) -> tuple[np.ndarray, list[int], int, int]:
        """Input, columns of the text, number of the colour (-1: not told), layers that it shows."""
        if self._pools and dice.random() < REAL:
            pool, shares = self._pools[0 if dice.random() < 0.7 else -1]
            sample = pool[int(dice.choice(len(pool), p=shares))]
            tall = float(np.linalg.norm(sample.quad[3] - sample.quad[0]))
            high = max(int(tall * dice.uniform(0.6, 1.1)), 9)
            small = photographed(dice, sample.picture, sample.quad, min(high, 60), loose=0.6)
            small = weathered(dice, small, 0.4 * hard) if dice.random() < 0.75 else small
            text, colour, layers = sample.text, sample.colour, sample.layers
        else:
            flat, text, name, layers = draw(dice, self._glyphs)
            colour = KINDS[name].colour
            height, width = flat.shape[:2]
            corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
            high = round(math.exp(dice.uniform(math.log(12), math.log(50)))) * (1.4 if layers == 2 else 1)
            small = weathered(dice, photographed(dice, flat, corners, round(high)), hard)
        if layers == 2 and dice.random() < 0.8:
            whole = np.asarray(cv2.resize(small, (440, 220), interpolation=cv2.INTER_LINEAR), np.uint8)
            return evened(one_line(whole)), self._columns(text), -1, -1
        columns = self._columns(text) if layers == 1 else []
        return evened(small), columns, COLOURS.index(colour), layers

    def _columns(self, text: str) -> list[int]:
        return [self._index[c] for c in text]

    def batch(self, dice: Dice, hard: float) -> tuple[Tensor, list[list[int]], Tensor, Tensor]:
        """A batch: inputs, texts, colours, layers."""
        rows = [self.one(dice, hard) for _ in range(BATCH)]
        inputs = torch.from_numpy(np.stack([row[0] for row in rows]))
        return (
            inputs,
            [r[1] for r in rows],
            torch.tensor([r[2] for r in rows]),
            torch.tensor([r[3] for r in rows]),
        )


def evenly(pool: list[Sample]) -> np.ndarray:
    """How often each sample is taken: provinces of few plates oftener, or the net would read 皖 for all."""
    count = Counter(sample.text[0] for sample in pool)
    weights = np.array([1 / math.sqrt(count[sample.text[0]]) for sample in pool])
    return np.asarray(weights / weights.sum())


def loss_of(net: Net, batch: tuple[Tensor, list[list[int]], Tensor, Tensor]) -> Tensor:
    """CTC of the texts and cross entropy of colour and layers; a double plate not split has no text."""
    inputs, texts, colours, layers = batch
    signs, kinds = net(inputs.to(memory_format=torch.channels_last))
    told = [n for n, text in enumerate(texts) if text]
    logs = functional.log_softmax(signs[told].float(), dim=2).transpose(0, 1)
    joined = torch.tensor([c for n in told for c in texts[n]])
    lengths = torch.tensor([len(texts[n]) for n in told])
    frames = torch.full((len(told),), logs.shape[0])
    found = functional.ctc_loss(logs, joined, frames, lengths, zero_infinity=True)
    seen = colours >= 0
    colour = functional.cross_entropy(kinds[seen, :-2].float(), colours[seen])
    layer = functional.cross_entropy(kinds[seen, -2:].float(), layers[seen] - 1)
    return found + KIND_WEIGHT * (colour + layer)


@torch.no_grad()
def held_out(net: Net, real: list[Sample], symbols: str) -> str:
    """Share of the held-out plates whose greedy text is right, by set."""
    net.eval()
    shares = []
    for folder in ("plates_crop", "plates_full"):
        rows = [s for s in real if s.folder == folder]
        right = sum(_greedy(net, s, symbols) == s.text for s in rows)
        shares.append(f"{folder} {right}/{len(rows)}")
    net.train()
    return ", ".join(shares)


def _greedy(net: Net, sample: Sample, symbols: str) -> str:
    if sample.layers == 2:
        flat = one_line(rectify(sample.picture, sample.quad, width=440, height=220))
    else:
        flat = rectify(sample.picture, grown(sample.quad, 0.05, 0.08), width=WIDTH, height=HEIGHT)
    best = net(torch.from_numpy(evened(flat))[None])[0][0].argmax(dim=1).tolist()
    fresh = [k for n, k in enumerate(best) if k and (n == 0 or k != best[n - 1])]
    return "".join(symbols[k - 1] for k in fresh if k <= len(symbols))


def rate(step: int, steps: int) -> float:
    """Learning rate: a short rise, then a cosine down to nothing."""
    if step < WARM:
        return FASTEST * (step + 1) / WARM
    return FASTEST * 0.5 * (1 + math.cos(math.pi * (step - WARM) / max(steps - WARM, 1)))


def train(net: Net, source: Source, real: list[Sample], symbols: str, keep: Path, steps: int) -> None:
    """Trains to ``steps``, from where ``keep`` ends."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=FASTEST, weight_decay=0.02)
    first, spent = 0, 0.0
    if keep.is_file():
        kept = torch.load(keep, weights_only=True)
        net.load_state_dict(kept["net"])
        optimiser.load_state_dict(kept["optimiser"])
        first, spent = kept["step"], kept["seconds"]
    began, losses = time.process_time() - spent, []
    for step in range(first, steps):
        dice = np.random.default_rng((SEED, step))
        torch.manual_seed(SEED + step)
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(net, source.batch(dice, min(1.0, 0.4 + step / EASY)))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        losses.append(loss.item())
        if (step + 1) % KEEP_EVERY == 0 or step + 1 == steps:
            seconds = time.process_time() - began
            state = {"net": net.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save(state | {"step": step + 1, "seconds": seconds}, keep)
            mean = sum(losses) / len(losses)
            told = held_out(net, real, symbols)
            print(f"step {step + 1}: loss {mean:.3f}, {seconds:.0f} s of processor, {told}", flush=True)
            losses = []


class Shipped(nn.Module):
    """The net with shares for scores, the symbols' softened by a temperature."""

    def __init__(self, net: Net, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Shares of symbols (N, T, K), of colours, of layers."""
        signs, kinds = self.net(pictures)
        shares = functional.softmax(signs / self.temperature, dim=2)
        return shares, functional.softmax(kinds[:, :-2], dim=1), functional.softmax(kinds[:, -2:], dim=1)


def ship(net: Net, symbols: str, path: Path, temperature: float) -> None:
    """Writes the ONNX file with its labels."""
    net.eval()
    names = ["signs", "colours", "layers"]
    torch.onnx.export(
        Shipped(net, temperature),
        (torch.zeros(1, 3, HEIGHT, WIDTH),),
        path,
        input_names=["picture"],
        output_names=names,
        dynamic_axes={name: {0: "n"} for name in ("picture", *names)},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"character": "\n".join(symbols), "colours": "\n".join(COLOURS)})
    onnx.save(model, path)


def main() -> None:
    """Trains and ships."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("samples", "glyphs", "font", "keep", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--temperature", type=float, default=1.0)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(SEED)
    symbols = plate_symbols()
    real = stored(chosen.samples)
    net = Net(len(symbols)).to(memory_format=torch.channels_last)
    print(f"{sum(p.numel() for p in net.parameters())} parameters, {len(real)} real samples")
    source = Source(Glyphs(chosen.font, chosen.glyphs), [s for s in real if s.fold != HELD], symbols)
    train(net, source, [s for s in real if s.fold == HELD], symbols, chosen.keep, chosen.steps)
    ship(net, symbols, chosen.out, chosen.temperature)


if __name__ == "__main__":
    main()

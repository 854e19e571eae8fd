"""A small network that proposes z for a picture and a label: it learned from samples, whose z are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.inversion.descent import plausible
from cgan_dist.inversion.distance import Distance, on
from cgan_dist.randomness import draw_latent, torch_generator

BATCH = 64
LEARNING_RATE = 2e-3
MAX_SIDE = 40
"""Larger pictures are brought down to at most this many positions a side by the stride of the first convolution."""
WIDTH, HIDDEN = 32, 256
READ_BATCH = 512


class EncoderNetwork(nn.Module):
    """Three convolutions and two linear layers; the label is added between these.

    Args:
        shape: (c, h, w) of the pictures.
        layout: of the condition.
        latent_dim: Z.
    """

    def __init__(self, shape: tuple[int, int, int], layout: Layout, latent_dim: int) -> None:
        super().__init__()
        channels, height, width = shape
        stride = -(-max(height, width) // MAX_SIDE)
        sizes = ((channels, WIDTH, stride), (WIDTH, 2 * WIDTH, 2), (2 * WIDTH, 4 * WIDTH, 2))
        layers: list[nn.Module] = []
        for before, after, step in sizes:
            layers += [nn.Conv2d(before, after, 2 * step + 1, step, step), nn.GroupNorm(8, after), nn.SiLU()]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(64 * WIDTH, HIDDEN))
        self.label = ConditionLinear(layout, HIDDEN) if layout.width else None
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, latent_dim))

    def forward(self, pictures: Tensor, condition: Condition) -> Tensor:
        """(B, c, h, w) in [-1, 1] and the condition of each -> (B, Z)."""
        features = self.features(pictures)
        return cast(Tensor, self.head(features if self.label is None else features + self.label(condition)))


class LearnedEncoder:
    """Proposes starts, see `inverter.Encoder`.

    Args:
        network: that has learned.
        distance: whose generator it learned from.
    """

    def __init__(self, network: EncoderNetwork, distance: Distance) -> None:
        self.network, self.distance = network.eval().requires_grad_(False), distance

    @torch.no_grad()
    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """(P, C, H, W) uint8 and labels -> (P, Z), on the CPU, such as could have been drawn."""
        distance, found = self.distance, []
        for own, asked in zip(images.split(READ_BATCH), labels.split(READ_BATCH), strict=True):
            condition = on(distance.device, distance.sampler.label_space.encode(asked))
            found.append(self.network(distance.pictures(own), condition).cpu())
        z = torch.cat(found)
        if distance.sampler.latent == "normal":  # the mean of what z may be is shorter than any of them
            z = F.normalize(z, dim=1) * z.shape[1] ** 0.5
        return plausible(z, distance.sampler.latent)


def learn_encoder(distance: Distance, images: int, go_on: Callable[[int, int], bool] | None = None) -> LearnedEncoder:
    """Trains an encoder on samples with labels as the data has them, each seen once; reproducible.

    Args:
        distance: whose generator draws; z and labels are drawn by its sampler's seed.
        images: how many samples, rounded up to batches of 64.
        go_on: asked before each batch, with those done and all; False ends the training early, with what is learned.
    """
    sampler, device, total = distance.sampler, distance.device, -(-images // BATCH)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(sampler.seed)
        network = EncoderNetwork(distance.shape, sampler.label_space.layout, sampler.latent_dim).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=total)
    shape = (BATCH, sampler.latent_dim)
    with distance.frozen(), tqdm(total=total, desc="encoder", unit="step", leave=False, disable=None) as progress:
        for number in range(total):
            if go_on is not None and not go_on(number, total):
                break
            z = draw_latent(shape, sampler.latent, torch_generator(sampler.seed, "encoder z", number)).to(device)
            labels = sampler.distribution.draw(BATCH, torch_generator(sampler.seed, "encoder labels", number))
            condition = on(device, sampler.label_space.encode(labels))
            with torch.no_grad():
                pictures = distance.made(z, condition)
            loss = F.mse_loss(network(pictures, condition), z)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress.update()
    return LearnedEncoder(network, distance)

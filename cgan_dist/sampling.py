"""Pictures from a generator: batches of uint8 images, labelled grids, and npz files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from cgan_dist.conditioning.base import LabelSpace
from cgan_dist.data.pixels import PixelRange
from cgan_dist.grid import draw_grid
from cgan_dist.randomness import Latent, draw_latent, torch_generator

BATCH = 256


class Sampler:
    """Draws images from one generator, with every z a function of (seed, purpose, position).

    Args:
        generator: raw, or the EMA's copy; called as `generator(z, condition)`.
        label_space: encodes labels.
        pixels: the value range of its output.
        latent_dim: Z.
        latent: the distribution of z.
        seed: of all draws.
    """

    def __init__(
        self,
        generator: nn.Module,
        label_space: LabelSpace,
        pixels: PixelRange,
        latent_dim: int,
        latent: Latent,
        seed: int,
    ) -> None:
        self.generator = generator
        self.label_space = label_space
        self.pixels = pixels
        self.latent_dim = latent_dim
        self.latent = latent
        self.seed = seed

    @torch.no_grad()
    def images(self, z: Tensor, labels: Tensor) -> Tensor:
        """(B, Z) and (B,) labels -> (B, C, H, W) uint8, all on the CPU; in batches, batch norm in inference mode."""
        device = next(self.generator.parameters()).device
        made = []
        with _inference(self.generator):
            for z_part, label_part in zip(z.split(BATCH), labels.split(BATCH), strict=True):
                condition = self.label_space.encode(label_part.to(device))
                made.append(self.pixels.to_uint8(self.generator(z_part.to(device), condition)).cpu())
        return torch.cat(made)

    def latents(self, count: int, purpose: str, *position: int) -> Tensor:
        """Draws (count, Z)."""
        return draw_latent((count, self.latent_dim), self.latent, torch_generator(self.seed, purpose, *position))

    def grid(self, labels: Tensor, rows: int, z: str, *position: int) -> Image.Image:
        """Draws a grid: a column for each label, its name above.

        Args:
            labels: (columns,).
            rows: images of each label.
            z: `random`, a new z for every image; or `fixed`, one z for each row, the same for all labels.
            position: further numbers that `random` draws depend on, e.g. images seen.
        """
        columns = len(labels)
        if z == "fixed":
            latents = self.latents(rows, "fixed_z").repeat_interleave(columns, dim=0)
        else:
            latents = self.latents(rows * columns, "random_z", *position)
        images = self.images(latents, labels.repeat(rows))
        cells = rearrange(images, "(rows columns) c h w -> rows columns h w c", rows=rows).numpy()
        return draw_grid(cells, [self.label_space.names[int(label)] for label in labels])

    def balanced(self, labels: Tensor, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Draws `count` images, the given labels taking turns.

        Returns:
            images (count, H, W, C) uint8 and labels (count,) int64.
        """
        asked = labels.repeat(-(-count // len(labels)))[:count]
        images = self.images(self.latents(count, "balanced"), asked)
        return rearrange(images, "b c h w -> b h w c").numpy(), asked.numpy()


def save_npz(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """Writes `images` uint8 (N, H, W, C) and `labels` int64 (N,), whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, images=images, labels=labels)
    partial.replace(path)


@contextlib.contextmanager
def _inference(network: nn.Module) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)

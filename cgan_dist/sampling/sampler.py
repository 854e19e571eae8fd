"""Pictures from a generator: batches of uint8 images, and labelled grids."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, cast

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.data.pixels import ImageRange
from cgan_dist.grid import draw_grid
from cgan_dist.labels import ClassLabels, Labels
from cgan_dist.randomness import Latent, draw_latent, torch_generator
from cgan_dist.sampling.truncation import check_truncation, has_style, style_draws, truncate

BATCH = 256


class Drawn(NamedTuple):
    """Images (N, H, W, C) uint8, and the labels that were asked for, (N,) or (N, W) in the space's form."""

    images: NDArray[np.uint8]
    labels: Labels


class Sampler:
    """Draws images from one generator, with every z a function of (seed, purpose, position).

    Args:
        generator: raw, or the EMA's copy; called as `generator(z, condition)`.
        label_space: encodes and names labels.
        distribution: of the data's labels.
        pixels: the value range of its output, or what decodes it.
        latent_dim: Z.
        latent: the distribution of z.
        seed: of all draws.

    Attributes:
        truncation: entries of z are at most this far from 0, or of a generator that has a style this share is left of
            its distance from the mean of its label; null leaves both as they are. `truncate` sets it.
    """

    def __init__(
        self,
        generator: nn.Module,
        label_space: LabelSpace,
        distribution: LabelDistribution,
        pixels: ImageRange,
        latent_dim: int,
        latent: Latent,
        seed: int,
    ) -> None:
        self.generator = generator
        self.label_space = label_space
        self.distribution = distribution
        self.pixels = pixels
        self.latent_dim = latent_dim
        self.latent = latent
        self.seed = seed
        self.truncation: float | None = None

    def truncate(self, threshold: float | None) -> None:
        """Truncates every z that is drawn from now on, or every style that is made; null ends it.

        Raises:
            UserError: if the threshold is not one for this z or style.
        """
        if threshold is not None:
            check_truncation(threshold, self.latent, has_style(self.generator))
        self.truncation = threshold

    def images(self, z: Tensor, labels: Tensor) -> Tensor:
        """(B, Z) and labels of the space -> (B, C, H, W) uint8, on the CPU; in batches, in inference mode."""
        return self.images_under(z, self.label_space.encode(labels))

    def images_under(self, z: Tensor, condition: Condition) -> Tensor:
        """(B, Z) and a condition, which may be a mixture -> (B, C, H, W) uint8, as `images`."""
        return self._pictures(z, condition, self.pixels.to_uint8)

    def unrounded(self, z: Tensor, labels: Tensor) -> Tensor:
        """(B, Z) and labels of the space -> (B, C, H, W) float32 in 0..255, as `images` before they are rounded."""
        return self._pictures(z, self.label_space.encode(labels), self.pixels.to_floats)

    @torch.no_grad()
    def _pictures(self, z: Tensor, condition: Condition, finish: Callable[[Tensor], Tensor]) -> Tensor:
        device = next(self.generator.parameters()).device
        made = []
        with _inference(self.generator):
            parts = zip(z.split(BATCH), *(part.split(BATCH) for part in condition), strict=True)
            for own, ones, values in parts:
                given = Condition(ones.to(device), values.to(device))
                made.append(finish(self._made(own.to(device), given)).cpu())
        return torch.cat(made)

    def _made(self, z: Tensor, condition: Condition) -> Tensor:
        """(B, Z) and a condition -> (B, C, H, W) in the range of the generator."""
        if self.truncation is None or not has_style(self.generator):
            return cast(Tensor, self.generator(z, condition))
        others = style_draws(self.latent_dim, self.latent).to(z)
        return cast(Tensor, self.generator.truncated(z, condition, self.truncation, others))  # type: ignore[operator]

    def latents(self, count: int, purpose: str, *position: int) -> Tensor:
        """Draws (count, Z), truncated if that is set and the generator has no style."""
        generator = torch_generator(self.seed, purpose, *position)
        z = draw_latent((count, self.latent_dim), self.latent, generator)
        return (
            z
            if self.truncation is None or has_style(self.generator)
            else truncate(z, self.latent, self.truncation, generator)
        )

    def cells(self, labels: Tensor, rows: int, z: str | Tensor, *position: int) -> NDArray[np.uint8]:
        """Draws what stands in a grid, a column for each label: (rows, columns, H, W, C).

        Args:
            labels: of the space.
            rows: images of each label.
            z: `random`, a new z for every image; `fixed`, one z for each row, the same for all labels; or (rows, Z),
                those of the rows.
            position: further numbers that `random` draws depend on, e.g. images seen.
        """
        columns = len(labels)
        if isinstance(z, str) and z != "fixed":
            latents = self.latents(rows * columns, "random_z", *position)
        else:
            fixed = z if isinstance(z, Tensor) else self.latents(rows, "fixed_z")
            latents = fixed.repeat_interleave(columns, dim=0)
        images = self.images(latents, torch.cat([labels] * rows))
        cells: NDArray[np.uint8] = rearrange(images, "(rows columns) c h w -> rows columns h w c", rows=rows).numpy()
        return cells

    def grid(self, labels: Tensor, rows: int, z: str | Tensor, *position: int) -> Image.Image:
        """Draws `cells` under the names of their columns."""
        return draw_grid(self.cells(labels, rows, z, *position), self.label_space.describe(labels))

    def balanced(self, labels: Tensor, count: int) -> Drawn:
        """Draws `count` images, the given labels taking turns."""
        return self._drawn(labels[torch.arange(count) % len(labels)], "balanced")

    def drawn(self, count: int) -> Drawn:
        """Draws `count` images of labels as the data has them, together and as often as it has them together."""
        return self._drawn(self.distribution.draw(count, torch_generator(self.seed, "labels")), "drawn")

    def fair(self, count: int) -> Drawn:
        """Draws `count` images that stand for all labels: classes take turns, other labels are as the data has them.

        With more classes than images there are no turns to take, and classes are as the data has them too.
        """
        schema = self.label_space.schema
        if isinstance(schema, ClassLabels) and len(schema.names) <= count:
            return self.balanced(self.label_space.grid(count), count)
        return self.drawn(count)

    def _drawn(self, labels: Tensor, purpose: str) -> Drawn:
        images = self.images(self.latents(len(labels), purpose), labels)
        return Drawn(rearrange(images, "b c h w -> b h w c").numpy(), labels.numpy())


@contextlib.contextmanager
def _inference(network: nn.Module) -> Iterator[None]:
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)
